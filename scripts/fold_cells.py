"""Fold away what is machinery, so that a chapter shows the code that is its idea.

    python -m scripts.fold_cells            write every notebook of notebooks/
    python -m scripts.fold_cells --check    change nothing, fail if one is behind; say how many lines each shows

A cell is folded by its tag: ``hide-input`` (imports, printing, plotting, checks: the output stays) or ``hide-cell``
(solutions). The site knows these tags; Colab does not. There a cell folds if it is a form, ``cellView``, and its first
line says what is folded: ``# @title ...``. This script writes the form from the tag, and a title that follows from the
cell, or else that of its section; a better one is written by hand. ``make notebooks`` does the same to what it
executes. Needs nothing beyond the standard library.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: the folder of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts import ROOT

FOLDED = {"hide-input", "hide-cell"}
HIDDEN = FOLDED | {"remove-cell"}
TITLE = re.compile(r"\A# @title (.+)\n?")
# What a cell is called by a word in its code, if it has no picture whose caption could be its title.
BY_CODE = (
    ("display_quiz(", "Quiz"),
    ("stack(", "The figure with its slider"),
    ("_explorer(", "The explorer"),
    ("workbench(", "The workbench"),
)


def text_of(cell: Mapping[str, Any]) -> str:
    """The source of a cell, which a file has as lines."""
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def tags(cell: Mapping[str, Any]) -> set[str]:
    """The tags of a cell."""
    return set(cell["metadata"].get("tags", []))


def title_of(source: str) -> str | None:
    """What a folded cell is called on Colab; None if it does not say."""
    found = TITLE.match(source)
    return found[1].strip() if found else None


def without_title(source: str) -> str:
    """The code alone."""
    return TITLE.sub("", source)


def only_imports(source: str) -> bool:
    """Whether a cell does nothing but import."""
    body = ast.parse(re.sub(r"^\s*[%!].*$", "", source, flags=re.MULTILINE)).body
    return bool(body) and all(isinstance(node, ast.Import | ast.ImportFrom) for node in body)


def default_title(cell: Mapping[str, Any], section: str, behind_solution: bool, exercise: str = "") -> str:
    """The title that follows from a folded cell; that of its section, if none does.

    Args:
        cell: without a title.
        section: the heading above it.
        behind_solution: only cells of code lie between it and a solution: it checks what the solution has.
        exercise: the number of the exercise above it, empty if there is none.
    """
    source, own = text_of(cell), tags(cell)
    if "hide-cell" in own:
        return "The book's version" if "my-fcos" in own else f"Solution {exercise}".strip()
    if only_imports(source):
        return "Imports"
    if behind_solution:
        return f"Check {exercise}".strip()
    caption = cell["metadata"].get("mystnb", {}).get("figure", {}).get("caption", "")
    if caption:
        return re.split(r"(?<=\w)[.:] |\.$", str(caption))[0]
    return next((name for word, name in BY_CODE if word in source), section)


def fold(cells: Iterable[Any]) -> None:
    """Give every folded cell its form and its title, and take the form from all others. In place."""
    section, behind_solution, exercise = "Code", False, ""
    for cell in cells:
        if cell["cell_type"] != "code":
            behind_solution = False
            section = (re.findall(r"^#+ (?:\d+\. )?(.+)$", text_of(cell), re.MULTILINE) or [section])[-1]
            exercise = (re.findall(r"^\*\*(\d+)\.", text_of(cell), re.MULTILINE) or [""])[-1]
            continue
        own = tags(cell)
        if own & FOLDED:
            source = text_of(cell)
            if title_of(source) is None:
                title = default_title(cell, section, behind_solution, exercise)
                source = f"# @title {title}\n{source}"
                cell["source"] = source if isinstance(cell["source"], str) else source.splitlines(keepends=True)
            cell["metadata"]["cellView"] = "form"
        else:
            cell["metadata"].pop("cellView", None)
        behind_solution = behind_solution or ("hide-cell" in own and "my-fcos" not in own)


def visible_lines(notebook: Mapping[str, Any]) -> int:
    """Lines of code, blank ones aside, of the cells that are not folded; the parts "Your detector" do not count."""
    count, own = 0, False
    for cell in notebook["cells"]:
        source = text_of(cell)
        if cell["cell_type"] == "markdown":
            for heading in re.findall(r"^## (.+)$", source, re.MULTILINE):
                own = heading.startswith("Your detector")
        elif not own and not tags(cell) & HIDDEN:
            count += sum(bool(line.strip()) for line in source.splitlines())
    return count


def folded(text: str) -> str:
    """A notebook's file as it should be."""
    notebook = json.loads(text)
    fold(notebook["cells"])
    # The form in which nbformat writes, so that executing a notebook later changes nothing else.
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Fold away the cells that are machinery, on Colab too.")
    parser.add_argument("--check", action="store_true", help="change nothing, fail if a notebook is behind")
    args = parser.parse_args(argv)
    behind, total = [], 0
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        text = path.read_text("utf-8")
        made = folded(text)
        lines = visible_lines(json.loads(made))
        total += lines
        print(f"{path.stem:24} {lines:5} lines are shown")
        if made != text:
            behind.append(path.name)
            if not args.check:
                path.write_text(made, "utf-8")
    print(f"{'all':24} {total:5}")
    if args.check and behind:
        print(f"behind: {', '.join(behind)}; run: python -m scripts.fold_cells", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
