"""A notebook travels alone: it imports what its first cell installs, and reaches for nothing beside itself."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.run_alone import plain

from .test_pins import own

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# What every kernel for Python has.
KERNEL = {"IPython", "ipykernel"}
OUTSIDE = re.compile(r"""["']\.\.["'/\\]|["'](?:/|~|[A-Za-z]:\\)[\w.]""")


def code_cells(path: Path) -> list[tuple[int, dict[str, Any], str]]:
    """Number, cell and Python of each code cell; magics become ``pass``."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    magic = re.compile(r"^(\s*)[%!].*$", re.MULTILINE)
    return [
        (number, cell, magic.sub(r"\1pass", "".join(cell["source"])))
        for number, cell in enumerate(cells)
        if cell["cell_type"] == "code"
    ]


def imported(tree: ast.Module) -> set[str]:
    """Top-level names of all modules that are imported."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").split(".")[0])
    return names


def allowed() -> set[str]:
    """Modules that are there after the first cell."""
    needed = {plain(requirement.name) for requirement in own("notebook")}
    modules = {
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if needed & {plain(owner) for owner in owners}
    }
    assert {"torch", "numpy", "PIL", "matplotlib", "jupyterquiz"} <= modules
    return modules | KERNEL | set(sys.stdlib_module_names) | {"fcos_edu"}


def guarded(tree: ast.Module) -> bool:
    """Whether what takes long or fetches something is behind a name that can be False, or a ``try``."""

    def by_name(node: ast.stmt) -> bool:
        return isinstance(node, ast.If) and any(isinstance(each, ast.Name) for each in ast.walk(node.test))

    return any(isinstance(node, ast.Try) or by_name(node) for node in tree.body)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestNotebook:
    def test_it_imports_what_its_first_cell_installs(self, path: Path) -> None:
        known = allowed()
        for number, _, source in code_cells(path):
            unknown = imported(ast.parse(source)) - known
            assert not unknown, (
                f"cell {number} imports {sorted(unknown)}: put it into the extra notebook, or do without"
            )

    def test_it_reaches_for_nothing_outside_its_folder(self, path: Path) -> None:
        for number, _, source in code_cells(path):
            found = OUTSIDE.search(source)
            assert not found, f"cell {number}: {found[0]}... is not there on Colab; the package's records are"

    def test_what_is_left_out_here_is_guarded_there(self, path: Path) -> None:
        """Colab and Kaggle do not know the tag skip-execution; such a cell runs there, without a file or a network."""
        for number, cell, source in code_cells(path):
            if "skip-execution" in cell["metadata"].get("tags", []):
                assert guarded(ast.parse(source)), f"cell {number}: put it behind `FULL = False` or a `try`"


def test_faults_are_found() -> None:
    assert imported(ast.parse("import a.b, c\nfrom d.e import f\nfrom . import g")) == {"a", "c", "d"}
    assert (
        OUTSIDE.search('Path("..") / "results"') and OUTSIDE.search("open('../x')") and OUTSIDE.search('"/content/x"')
    )
    assert not OUTSIDE.search('print("...", "a/b", "1..2", "/ ")')
    assert not guarded(ast.parse("train(x)")) and not guarded(ast.parse("if True:\n train(x)"))
    assert guarded(ast.parse("FULL = False\nif FULL:\n train(x)")) and guarded(
        ast.parse("try:\n f()\nexcept OSError:\n pass")
    )


def test_the_number_of_first_cells_is_that_of_notebooks() -> None:
    for path in NOTEBOOKS:
        number, cell, source = code_cells(path)[0]
        assert "colab" in cell["metadata"]["tags"] and 'find_spec("fcos_edu")' in source
