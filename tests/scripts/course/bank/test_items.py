"""The bank's own questions: numbers are what the package gives, and every wrong answer says why it attracts."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F
from torchvision.ops import box_iou, generalized_box_iou

from fcos_edu.centerness import centerness
from fcos_edu.course import find
from fcos_edu.locations import feature_sizes
from fcos_edu.losses import box_loss
from fcos_edu.targets import ltrb_to_boxes
from scripts.course.bank.items import ITEMS, Item
from scripts.course.bank.objectives import LEVELS, OBJECTIVES

SCOPE = {
    "math": math, "torch": torch, "F": F, "T": torch.tensor, "box_iou": box_iou, "box_loss": box_loss, "find": find,
    "generalized_box_iou": generalized_box_iou, "centerness": centerness, "feature_sizes": feature_sizes,
    "ltrb_to_boxes": ltrb_to_boxes, "STRIDES": (8, 16, 32, 64, 128),
}  # fmt: skip


@pytest.mark.parametrize("item", [item for item in ITEMS if item.kind == "number"], ids=lambda item: item.id)
def test_a_number_is_what_the_package_gives(item: Item) -> None:
    given = float(eval(item.check, dict(SCOPE)))
    assert abs(given - item.value) <= item.tolerance + 1e-6 * abs(item.value), given
    for option in item.options:
        assert abs(float(option.text) - item.value) > item.tolerance, "a wrong answer would be accepted"


def test_every_question_is_whole() -> None:
    assert len({item.id for item in ITEMS}) == len(ITEMS) >= 60
    for item in ITEMS:
        assert item.level in LEVELS and item.objective in OBJECTIVES and item.note, item.id
        assert all(option.text and option.why for option in item.options) and item.options, item.id
        assert len({option.text for option in item.options}) == len(item.options), item.id
        if item.kind == "one":
            assert sum(option.right for option in item.options) == 1 and len(item.options) == 4, item.id


def test_the_right_answer_is_not_told_by_its_length() -> None:
    """Of four answers the longest is the right one about as often as by chance, and so is the shortest."""
    chosen = [item for item in ITEMS if item.kind == "one"]
    for extreme in (max, min):
        told = sum(extreme(item.options, key=lambda option: len(option.text)).right for item in chosen)
        assert 0.1 <= told / len(chosen) <= 0.35, told
