"""Lab 5, first part: a score is a product, boxes are cut as torchvision cuts them."""

from __future__ import annotations

import torch
from torchvision.ops import clip_boxes_to_image

from fcos_edu.course import find
from fcos_edu.course.labs import detections, outputs
from fcos_edu.course.question import Draw


def test_both_are_questions_of_lab_5() -> None:
    assert detections.QUESTIONS[:2] == outputs.QUESTIONS == (find("scores"), find("clip_boxes"))
    assert {question.lab for question in outputs.QUESTIONS} == {5}


def test_boxes_are_cut_as_torchvision_cuts_them() -> None:
    for case in find("clip_boxes").cases("spring"):
        boxes, height, width = case.inputs
        assert torch.equal(find("clip_boxes").answer(*case.inputs), clip_boxes_to_image(boxes, (height, width)))


def test_a_score_is_the_product_of_two_probabilities() -> None:
    draw = Draw("s")
    logits, centerness = draw.normal(4, 3), draw.normal(4)
    found = find("scores").answer(logits, centerness)
    assert torch.allclose(found[2, 1], torch.sigmoid(logits[2, 1]) * torch.sigmoid(centerness[2]))
