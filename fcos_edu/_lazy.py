"""Names of a package that are imported when somebody asks for them (PEP 562).

torch takes seconds to import. A package whose names come this way costs nothing until one of them is used, so that
``--help`` and a list of names are instant. Type checkers do not see it: they need the same imports under
``if TYPE_CHECKING:``, and ``tests/test_lazy.py`` holds both equal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


def lazy(
    package: str, names: Mapping[str, Iterable[str]], modules: Iterable[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: its ``__name__``.
        names: module of the package, such as ``"model"``, to the names that the package has from there; ``"load as
            load_detector"`` for one that has another name here.
        modules: its modules that are names of the package too.
    """
    home = {}
    for module, own in names.items():
        for name, _, other in (entry.partition(" as ") for entry in own):
            home[other or name] = module, name
    own_modules = frozenset(modules)

    def get(name: str) -> Any:
        if name in home:
            module, original = home[name]
            value = getattr(import_module(f"{package}.{module}"), original)
            setattr(sys.modules[package], name, value)  # the next time, Python finds it by itself
            return value
        if name in own_modules:
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def names_of_package() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home, *own_modules})

    return get, names_of_package
