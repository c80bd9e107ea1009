"""scripts/fold_cells.py: a chapter shows its idea; what is folded is folded on Colab too, under a title."""

from __future__ import annotations

import json
import re
from typing import Any

import nbformat
import pytest

from scripts import ROOT, execute_notebooks, fold_cells

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# Two thirds of the 4,511 lines that the first edition showed.
MOST_LINES = 3_007


def code(source: str, *tags: str, caption: str = "") -> dict[str, Any]:
    metadata: dict[str, Any] = {"tags": list(tags)}
    if caption:
        metadata["mystnb"] = {"figure": {"caption": caption}}
    return {"cell_type": "code", "metadata": metadata, "source": source.splitlines(keepends=True)}


def text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source.splitlines(keepends=True)}


def test_all_chapters_together_show_at_most_two_thirds_of_the_code_of_the_first_edition() -> None:
    shown = {path.stem: fold_cells.visible_lines(json.loads(path.read_text("utf-8"))) for path in NOTEBOOKS}
    assert min(shown.values()) > 50, "a chapter that shows no code teaches none"
    assert sum(shown.values()) <= MOST_LINES, f"fold imports, printing and plotting (hide-input): {shown}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_the_site_folds_is_a_form_with_a_title_on_colab(path: Any) -> None:
    given = path.read_text("utf-8")
    assert fold_cells.folded(given) == given, "run: python -m scripts.fold_cells"


def poor_titles(cells: list[dict[str, Any]]) -> list[str]:
    """Titles that say nothing of their own: those of another folded cell, or of its section (a quiz may)."""
    found, seen, section = [], set(), ""
    for cell in cells:
        if cell["cell_type"] == "markdown":
            section = (re.findall(r"^#+ (?:\d+\. )?(.+)$", fold_cells.text_of(cell), re.MULTILINE) or [section])[-1]
            continue
        title = fold_cells.title_of(fold_cells.text_of(cell))
        if title is not None and title != "Quiz":
            found += [title] if title in seen or title == section else []
            seen.add(title)
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_folded_cell_has_a_title_of_its_own(path: Any) -> None:
    assert not poor_titles(json.loads(path.read_text("utf-8"))["cells"]), "write into its first line what the cell does"


def test_titles_that_say_nothing_of_their_own_are_found() -> None:
    cells = [
        text("# A chapter\n\n## 2. What it costs"),
        code("# @title What it costs\na = 1"),
        code("# @title Its parts\nb = 2"),
        text("Words without a heading."),
        code("# @title Its parts\nc = 3"),
        code("# @title Check 1\nd = 4"),
        code("# @title Check 2\ne = 5"),
        text("## Quiz"),
        code("# @title Quiz\ndisplay_quiz(questions)"),
    ]
    assert poor_titles(cells) == ["What it costs", "Its parts"]


def test_what_counts_as_shown() -> None:
    cells = [
        text("# A chapter"),
        code("a = 1\n\n# why\nb = 2"),
        code("c = 3", "hide-input"),
        code("d = 4", "hide-cell"),
        code("e = 5", "remove-cell"),
        text("## Your detector\n\nWrite it."),
        code("f = 6"),
        text("### A part of it"),
        code("g = 7"),
        text("Where it ends.\n\n## Quiz"),
        code("h = 8", "nbval-ignore-output"),
    ]
    assert fold_cells.visible_lines({"cells": cells}) == 4, "comments count, blank lines do not"


def test_titles_that_follow_from_their_cells() -> None:
    cells = [
        code("import a\nfrom b import c", "hide-input"),
        code("figures.draw(a)", "hide-input", caption="Which box it learns: the smaller one."),
        code("stack(frame, 3)", "hide-input"),
        code("box_explorer(boxes)", "hide-input"),
        code("display_quiz(questions)", "hide-input"),
        code("# @title Written by hand\nprint(a)", "hide-input"),
        text("## Where it stands\n\n### 3. Counting again\n\nWords."),
        code("print(b)", "hide-input"),
        text("**1.** In words."),
        code("def f(): ...", "hide-cell"),
        code("assert f() is ...", "hide-input"),
        code("def g(): ...", "my-fcos", "hide-cell"),
        code("print(a)"),
    ]
    fold_cells.fold(cells)
    assert [fold_cells.title_of(fold_cells.text_of(cell)) for cell in cells] == [
        "Imports",
        "Which box it learns",
        "The figure with its slider",
        "The explorer",
        "Quiz",
        "Written by hand",
        None,
        "Counting again",
        None,
        "Solution 1",
        "Check 1",
        "The book's version",
        None,
    ]
    forms = [cell["metadata"].get("cellView") for cell in cells]
    assert forms == ["form"] * 6 + [None, "form", None] + ["form"] * 3 + [None]
    again = json.loads(json.dumps(cells))
    fold_cells.fold(again)
    assert again == cells
    assert fold_cells.without_title(fold_cells.text_of(cells[2])) == "stack(frame, 3)"


def test_a_form_whose_tag_is_gone_opens() -> None:
    (opened,) = cells = [code("a = 1") | {"metadata": {"cellView": "form", "tags": []}}]
    fold_cells.fold(cells)
    assert "cellView" not in opened["metadata"]


def test_executing_a_notebook_keeps_its_forms() -> None:
    cells = [nbformat.v4.new_code_cell("import math", metadata={"tags": ["hide-input"], "scrolled": True})]
    fold_cells.fold(cells)
    notebook = execute_notebooks.tidy(nbformat.v4.new_notebook(cells=cells), "a")
    assert notebook.cells[0].metadata == {"cellView": "form", "tags": ["hide-input"]}
    assert notebook.cells[0].source == "# @title Imports\nimport math"
