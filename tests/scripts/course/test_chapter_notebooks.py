"""Chapters for students and for instructors, all of them: stubs fail, nothing is given away, the rest stays."""

from __future__ import annotations

import ast
import base64
import json
from functools import cache

import nbformat
import pytest
from nbformat import NotebookNode

from scripts.course import chapter_notebooks, make_course, notebooks


@cache
def books() -> list[tuple[chapter_notebooks.Chapter, NotebookNode]]:
    return list(make_course.read_chapters())


def names(source: str) -> list[str]:
    """What a cell defines."""
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            found.append(node.name)
        if isinstance(node, ast.Assign):
            found.append(ast.unparse(node.targets[0]))
    return found


def test_every_exercise_is_found() -> None:
    assert len(books()) == 16
    tags = [notebooks.tags(cell) for _, book in books() for cell in book.cells]
    solutions = sum("hide-cell" in one and "my-fcos" not in one for one in tags)
    assert sum(len(chapter.exercises) for chapter, _ in books()) == solutions >= 55


def test_every_stub_fails_and_its_check_asks_for_it() -> None:
    for chapter, _ in books():
        for exercise in chapter.exercises:
            source = chapter_notebooks.stub(exercise)
            wanted = names(exercise.solution.source)
            for node in ast.parse(source).body:
                if isinstance(node, ast.FunctionDef):
                    wanted.remove(node.name)
                    assert ast.get_docstring(node) and ast.unparse(node.body[1]) == "raise NotImplementedError"
                    assert len(node.body) == 2
                else:
                    assert ast.unparse(node) == "raise NotImplementedError"
            assert all(f"`{name} = ...`" in source for name in wanted), "a value: the cell itself stops"
            asked = {
                n.id for check in exercise.checks for n in ast.walk(ast.parse(check.source)) if isinstance(n, ast.Name)
            }
            assert set(names(exercise.solution.source)) & asked, f"{chapter.stem} {exercise.number}"


def test_nothing_of_a_solution_is_left() -> None:
    for chapter, book in books():
        made = chapter_notebooks.student(chapter)
        make_course.check_chapter(chapter, made, chapter.stem)
        held = notebooks.everything(made)
        for exercise in chapter.exercises:
            assert notebooks.squeezed(exercise.solution.source) not in held
            if len(exercise.notes) > 40:
                assert notebooks.squeezed(exercise.notes) not in held
        start = next(i for i, cell in enumerate(made.cells) if cell.id == "exercises")
        assert not any(cell.get("outputs") for cell in made.cells[start:]), "no output behind the exercises"
        assert not any(one.output_type == "stream" for cell in made.cells for one in cell.get("outputs", []))
        pictures = [sum("image/png" in o.get("data", {}) for c in cells for o in c.get("outputs", []))
                    for cells in (made.cells[:start], chapter.before)]  # fmt: skip
        assert pictures[0] == pictures[1] > 0, "the pictures that motivate stay"
        words = sum(cell.id.endswith("-words") for cell in made.cells)
        assert len(made.cells) <= len(book.cells) + 2 * len(chapter.exercises) + 2 + words


def test_every_picture_that_stays_has_its_words_below_it() -> None:
    """For those who do not see it, also after its cell is run again: the site's metadata is not in these files."""
    total = 0
    for chapter, book in books():
        for made in (chapter_notebooks.student(chapter), chapter_notebooks.instructor(chapter, book)):
            for cell, below in zip(made.cells, [*made.cells[1:], None], strict=True):
                pictures = [one for one in cell.get("outputs", []) if "image/png" in one.get("data", {})]
                if not pictures or "exercise" in cell.id:
                    continue
                origin = next(one for one in book.cells if one.id == cell.id).metadata["mystnb"]
                assert below is not None and below.id == f"{cell.id}-words", (chapter.stem, cell.id)
                assert below.source == notebooks.folded(
                    f"In words: {origin['figure']['caption']}", origin["image"]["alt"]
                )
                assert all(one.metadata["image/png"]["alt"] == origin["image"]["alt"] for one in pictures)
                total += 1
    assert total > 150
    shown = notebooks.folded("a < b", "one\ntwo")
    assert shown == "<details><summary>a &lt; b</summary>\n\none\ntwo\n\n</details>"


def test_a_leak_is_seen_in_outputs_and_metadata() -> None:
    chapter, _ = books()[0]
    made = chapter_notebooks.student(chapter)
    made.cells[0].metadata["note"] = "return  side / 3"
    with pytest.raises(make_course.LeakError, match="exercise 1: returnside/3"):
        make_course.check_chapter(chapter, made, "x")
    made = chapter_notebooks.student(chapter)
    code = next(cell for cell in made.cells if cell.cell_type == "code")
    code.outputs = [nbformat.v4.new_output("stream", text="def f():\n    return side / 3\n")]
    with pytest.raises(make_course.LeakError):
        make_course.check_chapter(chapter, made, "x")


def test_instructors_have_the_chapter_as_it_is_and_notes() -> None:
    """The checks behind the solutions are run with the chapters themselves, by nbval: here nothing may differ."""
    for chapter, book in books():
        made = chapter_notebooks.instructor(chapter, book)
        code = [[cell.source for cell in one.cells if cell.cell_type == "code"] for one in (made, book)]
        assert code[0] == code[1]
        assert "minutes to read" in made.cells[1].source and chapter_notebooks.minutes(chapter) >= 20


def test_a_quiz_is_packed_and_whole() -> None:
    total = 0
    for chapter, _ in books():
        given = [question for cell in chapter.behind for question in chapter_notebooks.asked_in(cell)]
        assert len(given) >= 3, chapter.stem
        total += len(given)
        made = chapter_notebooks.student(chapter)
        cell = next(cell for cell in made.cells if "packed =" in cell.source)
        packed = cell.source.partition('packed = "')[2].partition('"')[0]
        assert json.loads(base64.b64decode(packed)) == given and str(given[0]["question"]) not in cell.source
    assert total >= 60


def test_links_lead_somewhere_or_are_words() -> None:
    source = "see [Levels](03_levels.ipynb#x) and [`a.py`](../fcos_edu/a.py), [web](https://x.org)"
    assert (
        notebooks.links(source, None, alone=False) == "see [Levels](03_levels.ipynb#x) and `a.py`, [web](https://x.org)"
    )
    assert notebooks.links(source, None, alone=True) == "see Levels and `a.py`, [web](https://x.org)"
    url = "https://github.com/o/n"
    assert f"({url}/blob/main/fcos_edu/a.py)" in notebooks.links(source, url, alone=False)
    assert f"({url}/blob/main/notebooks/03_levels.ipynb#x)" in notebooks.links(source, url, alone=True)
    for chapter, _ in books():
        text = "".join(
            c.source for c in chapter_notebooks.student(chapter, alone=True).cells if c.cell_type == "markdown"
        )
        assert "](../" not in text and ".ipynb)" not in text
