"""Lab 2, second part: the questions stand with those of the first part, and background is told from box 0."""

from __future__ import annotations

import torch

from fcos_edu.course import find
from fcos_edu.course.labs import levels, matches


def test_both_are_questions_of_lab_2() -> None:
    assert levels.QUESTIONS[-2:] == (find("class_targets"), find("box_targets")) == matches.QUESTIONS
    assert {question.lab for question in matches.QUESTIONS} == {2}


def test_background_has_no_class_and_no_distances() -> None:
    matched, box = torch.tensor([0, -1]), torch.tensor([[0.0, 4, 40, 20]])
    assert find("class_targets").answer(matched, torch.tensor([5])).tolist() == [5, -1]
    found = find("box_targets").answer(torch.tensor([[8.0, 12], [8, 12]]), box, matched, 8)
    assert found.tolist() == [[1, 1, 4, 1], [0, 0, 0, 0]]
