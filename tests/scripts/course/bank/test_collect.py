"""The whole bank: enough of it, ids of its own, and quizzes as the chapters have them."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

import nbformat
import pytest

from scripts import ROOT
from scripts.course import chapter_notebooks
from scripts.course.bank import collect
from scripts.course.bank.items import CHAPTERS


def test_the_bank_is_large_and_every_question_can_be_told_apart() -> None:
    items = collect.bank()
    assert len(items) >= 120
    assert len({item.id for item in items}) == len({item.text for item in items}) == len(items)
    assert set(Counter(item.chapter for item in items)) == set(CHAPTERS.values())
    assert min(Counter(item.chapter for item in items).values()) >= 6
    for item in items:
        right = sum(option.right for option in item.options)
        assert right == 1 if item.kind == "one" else right == 0 if item.kind == "number" else right >= 1, item.id
        assert all(option.why for option in item.options), f"{item.id}: an answer without a reason"


def test_a_quiz_is_taken_over() -> None:
    one = collect.of_quiz("x", "02_locations", "apply", "2b", {
        "question": "How wide?", "type": "numeric",
        "answers": [{"type": "range", "range": [0.31, 0.35], "correct": True, "feedback": "Yes."},
                    {"type": "value", "value": 0.5, "correct": False, "feedback": "No."}, {"type": "default"}],
    })  # fmt: skip
    assert (one.kind, one.value, one.tolerance, one.note) == ("number", 0.33, 0.02, "Yes.")
    assert [(option.text, option.why) for option in one.options] == [("0.5", "No.")]
    assert collect.reason("Yes: 16 + 3 · 32.") == "16 + 3 · 32."
    assert collect.reason("Right, it decides.") == "It decides."
    assert collect.reason("Yesterday it was so.") == "Yesterday it was so."
    with pytest.raises(ValueError, match="2 right answers"):
        both = [{"answer": text, "correct": True} for text in "ab"]
        collect.of_quiz("x", "c", "apply", "2b", {"question": "?", "type": "multiple_choice", "answers": both})
    with pytest.raises(ValueError, match="'essay'"):
        collect.of_quiz("x", "c", "apply", "2b", {"question": "?", "type": "essay", "answers": []})


def test_the_right_answer_is_not_always_the_first() -> None:
    places = Counter(
        next(i for i, option in enumerate(collect.arranged(item)) if option.right)
        for item in collect.ITEMS
        if item.kind == "one"
    )
    assert len(places) == 4 and min(places.values()) >= 4


# ---- quizzes as the chapters write them ----------------------------------------------------------------------------


class Offered(NamedTuple):
    """The answers that a question of a quiz offers, in their order."""

    name: str
    kind: str
    answers: list[tuple[str, bool]]  # words, whether right


def questions_of(source: str) -> list[ast.Dict]:
    """The questions in the source of a cell, as they are written."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Dict):
            keys = {getattr(key, "value", None) for key in node.keys}
            found += [node] if {"question", "type", "answers"} <= keys else []
    return found


def written(source: str, chapter: str) -> list[Offered]:
    """Those that have answers to choose from; one may be put together (an f-string)."""
    found = []
    for node in questions_of(source):
        own = {ast.literal_eval(key): value for key, value in zip(node.keys, node.values, strict=True) if key}
        if (kind := ast.literal_eval(own["type"])) != "numeric":
            answers = [(one["answer"], one["correct"]) for one in ast.literal_eval(own["answers"])]
            found.append(Offered(f"{chapter}, line {node.lineno}", kind, answers))
    return found


@cache
def quizzes() -> dict[str, list[Offered]]:
    """Questions to choose from by their kind, of all notebooks: the sources, which an author changes."""
    found: dict[str, list[Offered]] = {"multiple_choice": [], "many_choice": []}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and "display_quiz(" in source:
                for question in written(source, path.stem):
                    found[question.kind].append(question)
    return found


def told_by_length(question: Offered, extreme: Callable[[Iterable[int]], int]) -> float:
    """How often who takes the longest (or the shortest) answer is right; of equally long ones each as often."""
    wanted = extreme(len(words) for words, _ in question.answers)
    taken = [right for words, right in question.answers if len(words) == wanted]
    return sum(taken) / len(taken)


def by_chance(questions: list[Offered]) -> float:
    return sum(sum(right for _, right in question.answers) / len(question.answers) for question in questions)


def test_the_notebooks_ask_with_answers_to_choose_from() -> None:
    chosen, several = quizzes()["multiple_choice"], quizzes()["many_choice"]
    assert len(chosen) >= 39 and len(several) >= 10
    for question in chosen:
        assert sum(right for _, right in question.answers) == 1, question.name
    for question in [*chosen, *several]:
        assert len({words for words, _ in question.answers}) == len(question.answers) >= 2, question.name


@pytest.mark.parametrize("extreme", [max, min], ids=["longest", "shortest"])
@pytest.mark.parametrize("kind", ["multiple_choice", "many_choice"])
def test_no_quiz_tells_its_right_answer_by_its_length(kind: str, extreme: Callable[[Iterable[int]], int]) -> None:
    """Who always takes the longest answer, or always the shortest, is right about as often as by chance."""
    asked = quizzes()[kind]
    told, chance = sum(told_by_length(question, extreme) for question in asked), by_chance(asked)
    assert 0.6 * chance <= told <= 1.15 * chance, f"{told:.1f} of {len(asked)}, by chance {chance:.1f}"


def test_no_quiz_tells_its_right_answer_by_its_place() -> None:
    """Of three answers each place has the right one about as often as the others."""
    three = [question for question in quizzes()["multiple_choice"] if len(question.answers) == 3]
    places = Counter([right for _, right in question.answers].index(True) for question in three)
    assert len(three) >= 30 and all(0.25 <= places[place] / len(three) <= 0.42 for place in range(3)), places


def test_length_and_kind_are_told_from_a_cell() -> None:
    source = """display_quiz([{"question": f"{a}?", "type": "multiple_choice", "answers": [
        {"answer": "no", "correct": False}, {"answer": "y" "es", "correct": True}, {"answer": "two", "correct": False},
    ]}, {"question": "How many?", "type": "numeric", "answers": [{"type": "value", "value": a}]}])"""
    (asked,) = written(source, "x")
    assert asked == ("x, line 1", "multiple_choice", [("no", False), ("yes", True), ("two", False)])
    assert told_by_length(asked, max) == 0.5 and told_by_length(asked, min) == 0 and by_chance([asked]) == 1 / 3


# ---- what a reader of the site, and the bank, get of it: the stored output -----------------------------------------


def same(node: ast.expr, stored: Any) -> bool:
    """Whether a stored value is what the source says; what the cell calculates may be anything."""
    if isinstance(node, ast.Dict):
        keys = [ast.literal_eval(key) for key in node.keys if key]
        return keys == list(stored) and all(same(value, stored[key]) for key, value in zip(keys, node.values))
    if isinstance(node, ast.List):
        return len(node.elts) == len(stored) and all(map(same, node.elts, stored))
    if isinstance(node, ast.JoinedStr):
        parts = (re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*" for part in node.values)
        return re.fullmatch("".join(parts), stored, re.DOTALL) is not None
    return not isinstance(node, ast.Constant) or bool(node.value == stored)


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_stored_quiz_is_what_its_cell_says(path: Any) -> None:
    """nbval does not compare it: jupyterquiz names each output anew."""
    asked = 0
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code" and "display_quiz(" in cell.source:
            written_, stored = questions_of(cell.source), chapter_notebooks.asked_in(cell)
            assert len(written_) == len(stored)
            for node, question in zip(written_, stored):
                assert same(node, question), f"execute it again: {question['question']}"
            asked += len(stored)
    assert asked >= 3


def test_a_quiz_that_was_not_executed_again_is_seen() -> None:
    source = (
        """display_quiz([{"question": f"{a} or b?", "type": "numeric", "answers": [{"type": "value", "value": 2}]}])"""
    )
    (node,) = questions_of(source)
    stored = {"question": "1 or b?", "type": "numeric", "answers": [{"type": "value", "value": 2}]}
    assert same(node, stored) and not same(node, stored | {"question": "1 or c?"})
    assert not same(node, stored | {"answers": [{"type": "value", "value": 3}]})
    assert not same(node, stored | {"answers": []}) and not same(node, stored | {"hint": "b"})
