"""Objectives: each is tested by something, and everything that tests names one that there is."""

from __future__ import annotations

from fcos_edu.course import NAMES
from scripts.course.bank.items import CHAPTERS, ITEMS
from scripts.course.bank.objectives import LABS, LEVELS, OBJECTIVES, QUIZ


def test_every_objective_is_tested() -> None:
    tested = [*LABS.values(), *(objective for kinds in QUIZ.values() for _, objective in kinds)]
    tested += [item.objective for item in ITEMS]
    assert set(tested) == set(OBJECTIVES)
    assert set(LABS) == set(NAMES)
    assert {int(key[:-1]) for key in OBJECTIVES} == set(CHAPTERS)


def test_levels_are_known_and_quizzes_are_chapters() -> None:
    assert {level for kinds in QUIZ.values() for level, _ in kinds} <= set(LEVELS)
    assert set(QUIZ) == set(CHAPTERS.values())
