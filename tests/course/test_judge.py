"""Every mutant is caught and named, every right answer passes, whatever its form."""

from __future__ import annotations

from types import ModuleType

import pytest

from fcos_edu.course import judge, questions
from fcos_edu.course.question import Question
from tests.course.right import arrays, loops, tensors

SEEDS = ("spring", "autumn")
QUESTIONS = questions()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_every_mutant_is_caught_and_named(question: Question, seed: str) -> None:
    known = judge.key(question, seed)
    assert judge.judge(question, seed, known.expected).right
    assert len(question.mutants) >= 7 and all(mutant.help.endswith(".") for mutant in question.mutants)
    for mutant, answers in zip(question.mutants, known.mutants, strict=True):
        verdict = judge.judge(question, seed, answers)
        assert not verdict.right and verdict.points < question.points, mutant.mistake
        assert (verdict.mistake, verdict.help) == (mutant.mistake, mutant.help)


@pytest.mark.parametrize("student", [loops, arrays, tensors], ids=lambda module: module.__name__.split(".")[-1])
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_no_right_answer_is_marked_wrong(question: Question, student: ModuleType) -> None:
    for seed in ("public", *SEEDS, "1", "2"):
        answers = judge.behaviour(getattr(student, question.name), question, seed)
        verdict = judge.judge(question, seed, answers)
        assert verdict.right, (verdict.mistake, verdict.help, answers)
