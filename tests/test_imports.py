"""Imports go one way, in the order of ARCHITECTURE.md's table "Where each idea of the paper lives".

What counts: every import statement of a module, also one inside a function, which only happens later. An import under
``if TYPE_CHECKING`` never happens and does not count, except for the leaves, which name nothing of the package at all.
A name that a package lends from one of its files (``from .data import load``) counts as an import of that file.

- A module imports only what stands above it in the table. A folder's line covers its files; inside a folder the order
  is free, but there are no circles.
- The rooms of the paper import no wing, wherever the table's lines stand.
- One door is open: ``FCOS.detect`` imports ``detections`` when it is called. A method is where users look for it.
- The package's face, ``fcos_edu/__init__.py``, may name everything; who imports it from inside closes a circle.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "fcos_edu"
LEAVES = ("paper", "settings", "atomic", "text", "integrity", "places", "compat", "devices", "_lazy", "_version")
DOORS = {("fcos_edu.model", "fcos_edu.detections")}
ROOMS = (
    "config",
    "locations",
    "targets",
    "centerness",
    "losses",
    "images",
    "weights",
    "backbones",
    "network",
    "inference",
    "model",
)


def module_files(root: Path) -> dict[str, Path]:
    """Name and file of every module, private ones and packages included."""
    files = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def is_type_checking(test: ast.expr) -> bool:
    """Whether a condition is ``TYPE_CHECKING``, also as ``typing.TYPE_CHECKING``."""
    return ast.unparse(test).split(".")[-1] == "TYPE_CHECKING"


def statements(tree: ast.AST, *, checked: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """All import statements at any depth: those under ``if TYPE_CHECKING`` (``checked``) or the others."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            if not checked:
                yield node
        elif isinstance(node, ast.If) and is_type_checking(node.test):
            if checked:
                for inner in node.body:
                    yield from statements(ast.Module([inner], []), checked=False)
            for other in node.orelse:
                yield from statements(ast.Module([other], []), checked=checked)
        else:
            yield from statements(node, checked=checked)


def named(statement: ast.Import | ast.ImportFrom, module: str, is_package: bool) -> Iterator[tuple[str, str]]:
    """What a statement imports, absolute: pairs of a module and a name in it, "" for the module itself."""
    if isinstance(statement, ast.Import):
        yield from ((alias.name, "") for alias in statement.names)
        return
    source = statement.module or ""
    if statement.level:
        parents = module.split(".")[: None if is_package and statement.level == 1 else -statement.level + is_package]
        source = ".".join([*parents, *filter(None, [source])])
    yield from ((source, alias.name) for alias in statement.names)


class Imports:
    """Who imports whom in a package below ``root``."""

    def __init__(self, root: Path) -> None:
        self.files = module_files(root)
        self.trees = {name: ast.parse(path.read_text("utf-8")) for name, path in self.files.items()}
        self.lent = {  # names of a package: the module that each comes from, as type checkers are told
            (name, inner): source
            for name in self.files if self.is_package(name)
            for statement in statements(self.trees[name], checked=True)
            for source, inner in named(statement, name, True)
        }  # fmt: skip
        self.graph = {name: self.of(name, checked=False) for name in self.files}

    def is_package(self, module: str) -> bool:
        return self.files[module].name == "__init__.py"

    def of(self, module: str, *, checked: bool) -> set[str]:
        """The modules of the package that one of them imports."""
        found = set()
        for statement in statements(self.trees[module], checked=checked):
            for source, name in named(statement, module, self.is_package(module)):
                if source.split(".")[0] != PACKAGE:
                    continue
                inner = f"{source}.{name}"
                if inner in self.files:
                    found.add(inner)
                else:
                    assert source in self.files, f"{module} imports {source}, which there is not"
                    found.add(source)
                    lender = self.lent.get((source, name), source)
                    if lender in self.files:
                        found.add(lender)
        return found - {module}


def places(architecture: str, modules: Mapping[str, object]) -> dict[str, int]:
    """The line of the table on which each module stands; the face stands below all.

    Several names on one line have places of their own, from left to right.
    """
    _, _, section = architecture.partition("## Where each idea of the paper lives")
    cells = re.findall(r"^\| (`.*?) \|", section.partition("\n## ")[0], re.MULTILINE)
    place = {}
    for number, entry in enumerate(re.findall(r"`([\w/.]+)`", " ".join(cells))):
        line = f"{PACKAGE}.{entry.removesuffix('.py').strip('/').replace('/', '.')}"
        place |= {name: number for name in modules if name == line or name.startswith(f"{line}.")}
    return place | {PACKAGE: len(place)}


def backward(graph: Mapping[str, set[str]], place: Mapping[str, int]) -> list[str]:
    """The imports that point down."""
    return sorted(
        f"{module} imports {other}" for module, others in graph.items() for other in others
        if place[other] > place[module]
    )  # fmt: skip


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Modules that import each other in a ring, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


IMPORTS = Imports(ROOT)
for _room, _other in DOORS:
    IMPORTS.graph[_room].remove(_other)  # an error where the door is not used any more


def test_every_module_has_a_place() -> None:
    place = places((ROOT / "ARCHITECTURE.md").read_text("utf-8"), IMPORTS.files)
    assert not set(IMPORTS.files) - set(place), "give it a line in ARCHITECTURE.md's table"
    assert len(IMPORTS.files) > 50 and sum(map(len, IMPORTS.graph.values())) > 100


def test_imports_point_only_upwards() -> None:
    place = places((ROOT / "ARCHITECTURE.md").read_text("utf-8"), IMPORTS.files)
    assert not backward(IMPORTS.graph, place)


def test_there_are_no_circles() -> None:
    assert not circle(IMPORTS.graph)


def test_rooms_import_no_wing() -> None:
    wings = {name for name in IMPORTS.files if IMPORTS.is_package(name) and name != PACKAGE}
    faults = [
        f"{room} imports {other}"
        for room in ROOMS
        for other in IMPORTS.graph[f"{PACKAGE}.{room}"]
        if any(other == wing or other.startswith(f"{wing}.") for wing in wings)
    ]
    assert not faults


@pytest.mark.parametrize("leaf", LEAVES)
def test_leaves_import_nothing_of_the_package(leaf: str) -> None:
    module = f"{PACKAGE}.{leaf}"
    assert not IMPORTS.of(module, checked=False) | IMPORTS.of(module, checked=True)


# ---- the finder itself ----------------------------------------------------------------------------------------


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A package of two rooms and a wing that lends a name of one of its files."""
    files = {
        "__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .room import b\n",
        "leaf.py": "import os\n",
        "room.py": "from . import leaf\nb = 1\n",
        "wing/__init__.py": "import typing\nif typing.TYPE_CHECKING:\n    from .inner import c\nelse:\n    x = 1\n",
        "wing/inner.py": "def f():\n    from ..room import b\n",
        "wing/outer.py": "from . import c\nfrom .. import leaf\nimport fcos_edu.room\n",
    }
    for name, text in files.items():
        path = tmp_path / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


TABLE = (
    "## Where each idea of the paper lives\n\n| module |\n| `leaf.py`, `room.py` | x |\n| `wing/` | y |\n\n## Next\n"
)


def test_imports_are_found_wherever_they_stand(house: Path) -> None:
    graph = {
        name.partition(".")[2]: {o.partition(".")[2] for o in others} for name, others in Imports(house).graph.items()
    }
    assert graph == {
        "": set(),  # under TYPE_CHECKING
        "leaf": set(),
        "room": {"leaf"},
        "wing": set(),
        "wing.inner": {"room"},  # in a function
        "wing.outer": {"wing", "wing.inner", "leaf", "room"},  # wing lends c from wing.inner
    }


def test_the_other_direction_is_found(house: Path) -> None:
    imports = Imports(house)
    place = places(TABLE, imports.files)
    assert backward(imports.graph, place) == [] and circle(imports.graph) == []
    for text in ("from .wing import c", "from fcos_edu.wing.inner import c", "def f():\n    from . import wing\n"):
        (house / PACKAGE / "leaf.py").write_text(f"{text}\n")
        found = backward(Imports(house).graph, place)
        assert found and all(line.startswith("fcos_edu.leaf imports fcos_edu.wing") for line in found)
    (house / PACKAGE / "leaf.py").write_text("if TYPE_CHECKING:\n    from .wing import c\n")
    imports = Imports(house)
    assert backward(imports.graph, place) == [] and imports.of("fcos_edu.leaf", checked=True)


def test_a_circle_is_found_also_through_a_name_that_a_package_lends(house: Path) -> None:
    (house / PACKAGE / "wing" / "inner.py").write_text("from .outer import f\n")
    assert set(circle(Imports(house).graph)) == {"fcos_edu.wing.inner", "fcos_edu.wing.outer"}
    (house / PACKAGE / "wing" / "inner.py").write_text("from .. import b\n")
    (house / PACKAGE / "room.py").write_text("from .wing.inner import c\n")
    assert "fcos_edu.room" in circle(Imports(house).graph), "the face lends b from room"
