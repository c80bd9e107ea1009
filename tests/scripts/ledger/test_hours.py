"""What a training on COCO would take, by published times."""

from __future__ import annotations

import re

import pytest

from scripts.ledger.commands import COCO, study_cost
from scripts.ledger.hours import SOURCES, hours, told_hours
from scripts.ledger.tables import sections

TWICE = 180_000


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, 6.5),
        ({"detector": "retinanet"}, 0.2514 * 25),
        ({"detector": "retinanet_one_anchor"}, 0.2514 * 25),
        ({"detector": "faster_rcnn_fcos", "model.levels": (2, 3, 4, 5, 6)}, 8.8),
        ({"iterations": TWICE}, 13.0),
        ({"batch_size": 8}, 3.25),
        ({"model.backbone": "resnet101", "iterations": TWICE}, 13.0 * 0.558 / 0.396),
        ({"model.backbone": "resnext101_64x4d", "iterations": TWICE}, 0.892 * 50),
    ],
)
def test_hours_are_the_published_ones_scaled_to_the_steps(changes: dict[str, object], wanted: float) -> None:
    assert hours(COCO.replace(**changes)) == pytest.approx(wanted)


def test_a_backbone_that_nobody_has_timed_is_not_guessed() -> None:
    with pytest.raises(KeyError, match="resnet18"):
        hours(COCO.replace(**{"model.backbone": "resnet18"}))


def test_hours_are_told_as_an_estimate_of_a_machine() -> None:
    assert told_hours(COCO) == "about 6.5 h of eight V100 (estimate)"
    assert told_hours(COCO, COCO) == "about 13 h of eight V100 (estimate)"
    assert study_cost("proposals") == "about 26 h of eight V100 (estimate): 3 trainings of 90 K steps of 16 images"
    for figure in ("6.5", "8.8", "0.2514", "0.558", "0.396", "0.892"):
        assert re.search(rf"(?<![\d.]){re.escape(figure)}(?!\d)", SOURCES), figure


def test_every_training_on_coco_says_its_hours() -> None:
    found = [row for part in sections({}) for row in part.rows if row.data == "COCO"]
    trained = [row for row in found if any("train" in c or "study" in c for c in row.commands)]
    assert len(trained) > 30
    for row in trained:
        assert re.match(r"about [\d.]+ h of eight V100 \(estimate\): ", row.cost), row.item
