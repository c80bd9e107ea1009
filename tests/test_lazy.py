"""Names that are imported when they are used: found once, told by dir(), and nothing else."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


def loaded_by(code: str) -> set[str]:
    """The modules that a program has loaded at its end, without what `fcos_edu/__init__.py` itself loads."""
    bare = (
        "import sys, types\n"
        f"package = types.ModuleType('fcos_edu'); package.__path__ = [{str(ROOT / 'fcos_edu')!r}]\n"
        "sys.modules['fcos_edu'] = package\n"
    )
    program = f"{bare}{code}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT)
    return set(done.stdout.split())


def promised(package: ModuleType) -> set[str]:
    """The names that a package imports under TYPE_CHECKING: what a type checker sees of it."""
    assert package.__file__
    tree = ast.parse(Path(package.__file__).read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {alias.asname or alias.name for node in block.body for alias in node.names}  # type: ignore[attr-defined]


def test_names_come_when_they_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "rooms"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from fcos_edu._lazy import lazy\n"
        "names = {'kitchen': ('kettle', 'pot as kitchen_pot')}\n"
        "__getattr__, __dir__ = lazy(__name__, names, modules=('kitchen', 'cellar'))\n"
    )
    (package / "kitchen.py").write_text("kettle, pot = 'warm', 'cold'\n")
    (package / "cellar.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("rooms", "rooms.kitchen", "rooms.cellar"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import rooms  # type: ignore[import-not-found]

    assert "rooms.kitchen" not in sys.modules
    assert rooms.kettle == "warm" and "rooms.kitchen" in sys.modules and "rooms.cellar" not in sys.modules
    assert vars(rooms)["kettle"] == "warm"
    assert rooms.kitchen_pot == "cold" and not hasattr(rooms, "pot")
    assert rooms.cellar.__name__ == "rooms.cellar"
    assert {"kettle", "kitchen_pot", "kitchen", "cellar", "__name__"} <= set(dir(rooms))
    with pytest.raises(AttributeError, match="module 'rooms' has no attribute 'attic'"):
        _ = rooms.attic
    with pytest.raises(ImportError, match="attic"):
        from rooms import attic  # noqa: F401
