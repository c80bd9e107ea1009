"""Cases from a seed, and when two answers are equal."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fcos_edu.course import _student, find, questions
from fcos_edu.course.question import ORDINARY, Draw, Question, close


def as_text(question: Question, seed: str) -> str:
    return str([(_student.encode(list(case.inputs)), case.kind) for case in question.cases(seed)])


def test_cases_follow_from_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = {question.name: as_text(question, "a") for question in questions()}
    torch.manual_seed(2)
    assert first == {question.name: as_text(question, "a") for question in questions()}
    changed = [question.name for question in questions() if as_text(question, "b") != first[question.name]]
    assert len(changed) == len(first), "each question has cases of the seed's own"


def test_every_question_has_ordinary_cases_and_most_have_edges() -> None:
    kinds = {question.name: {case.kind for case in question.cases("a")} for question in questions()}
    assert all(ORDINARY in found for found in kinds.values())
    assert sum(len(found) > 1 for found in kinds.values()) >= len(kinds) - 2


def test_drawn_numbers_are_what_the_rules_ask_for() -> None:
    draw = Draw("x")
    for _ in range(20):
        height, width = draw.size()
        assert height != width
        boxes = draw.boxes(6)
        assert (boxes[:, :2] < boxes[:, 2:]).all() and (boxes * 4 == (boxes * 4).round()).all()
        assert len({round(float(area), 3) for area in (boxes[:, 2:] - boxes[:, :2]).prod(1)}) == 6
        assert all(len(set(row)) == 4 and min(row) > 0 for row in draw.distances(5).tolist())
        assert len(set(draw.labels(4, 3).tolist())) > 1
        assert len(set(draw.scores(9).tolist())) == 9
    assert draw.boxes(0).shape == (0, 4) and draw.points(0).shape == (0, 2)


def test_no_two_boxes_of_a_scene_have_the_same_area() -> None:
    """Which of them wins would be nobody's mistake; seen with two small ones."""
    question = find("assign")
    for seed in ("a class that is made", "z1", *map(str, range(20))):
        for case in question.cases(seed):
            areas = (case.inputs[1][:, 2:] - case.inputs[1][:, :2]).double().prod(1)
            assert len(areas.unique()) == len(areas), (seed, case.kind)


@pytest.mark.parametrize(
    ("expected", "got", "equal"),
    [
        (np.array([1.0, 2]), np.array([1, 2]), True),
        (np.array([True, False]), np.array([1.0, 0.0]), True),
        (np.array([1.0, 2]), np.array([[1.0], [2]]), False),
        (np.array(1.0), np.array([1.0]), True),
        (np.zeros((0, 4)), np.zeros(0), True),
        (np.zeros(0), np.zeros(1), False),
        (np.array([1.0]), np.array([np.nan]), False),
        (np.array([np.inf]), np.array([np.inf]), True),
        (np.array([1.0]), np.array([1.00001]), True),
        ([np.zeros(1), np.zeros(2)], [np.zeros(1), np.zeros(2)], True),
        ([np.zeros(1), np.zeros(2)], np.zeros(3), False),
        (np.zeros(3), _student.Odd("None"), False),
    ],
)
def test_when_answers_are_equal(expected: object, got: object, equal: bool) -> None:
    assert close(expected, got) == equal
