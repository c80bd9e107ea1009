"""The list of names without torch agrees with the labs."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from fcos_edu.course import LABS, NAMES, find, questions

ROOT = Path(__file__).resolve().parents[2]


def test_the_names_are_those_of_the_labs() -> None:
    for number, (module, title, minutes, names) in LABS.items():
        own = import_module(f"fcos_edu.course.labs.{module}").QUESTIONS
        assert tuple(question.name for question in own) == names
        assert {question.lab for question in own} == {number}
        assert title and 60 <= minutes <= 90
    assert len(NAMES) == len(set(NAMES)) == len(questions())


def test_every_question_names_a_chapter_and_gives_a_stub() -> None:
    for question in questions():
        assert (ROOT / "notebooks" / f"{question.chapter}.ipynb").is_file()
        assert question.stub.startswith(f"def {question.name}(")
        assert question.stub.rstrip().endswith("raise NotImplementedError")
        for part in ("Args:", "Returns:"):
            assert part in question.stub
        scope: dict[str, object] = {}
        exec(f"from __future__ import annotations\n{question.stub}", scope)
        with pytest.raises(NotImplementedError):
            scope[question.name](*question.cases("s")[0].inputs)  # type: ignore[operator]


def test_labs_are_chosen_by_number() -> None:
    assert [question.name for question in questions([1])] == list(LABS[1][3])
    with pytest.raises(ValueError, match="no lab 7"):
        questions([7])
    with pytest.raises(ValueError, match="no question 'nsm'; there are nms"):
        find("nsm")
