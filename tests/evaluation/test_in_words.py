"""evaluation/in_words.py: what is found and missed, in words."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from fcos_edu.evaluation.errors import judge
from fcos_edu.evaluation.in_words import found_in_words, matched, objects_in_words, picture_in_words

NAMES = ("disc", "ring", "cross")


def some(count: int, seed: int, scores: bool) -> dict[str, Tensor]:
    """Random boxes in a small picture, so that many overlap."""
    draw = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=draw) * 20
    size = 10 + torch.rand(count, 2, generator=draw) * 12
    boxes = {"boxes": torch.cat([corner, corner + size], 1), "labels": torch.randint(0, 3, (count,), generator=draw)}
    return boxes | ({"scores": torch.rand(count, generator=draw)} if scores else {})


def as_coco(boxes: dict[str, Tensor]) -> list[dict[str, Any]]:
    """The same as COCO writes boxes."""
    entries = []
    for number, (box, label) in enumerate(zip(boxes["boxes"].tolist(), boxes["labels"].tolist())):
        x0, y0, x1, y1 = box
        entry = {"image_id": 1, "category_id": label, "bbox": [x0, y0, x1 - x0, y1 - y0]}
        entry |= {"score": boxes["scores"][number].item()} if "scores" in boxes else {"id": number + 1, "iscrowd": 0}
        entries.append(entry | {"area": (x1 - x0) * (y1 - y0)})
    return entries


@pytest.mark.parametrize("seed", range(40))
def test_the_same_objects_are_found_as_the_kinds_of_errors_say(seed: int) -> None:
    result, target = some(12, seed, True), some(7, seed + 1000, False)
    truth = {
        "images": [{"id": 1}],
        "categories": [{"id": k, "name": name} for k, name in enumerate(NAMES)],
        "annotations": as_coco(target),
    }
    (one,) = judge(truth, as_coco(result))
    assert matched(result, target).tolist() == one.taken


def test_the_random_boxes_ask_something() -> None:
    counts = {int(matched(some(12, seed, True), some(7, seed + 1000, False)).sum()) for seed in range(40)}
    assert {0, 1, 2} <= counts


SQUARE = [[0.0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]]


@pytest.mark.parametrize(
    ("boxes", "labels", "scores", "told"),
    [
        (SQUARE, [0, 1, 1], [0.9, 0.8, 0.7], "all 3 objects found"),
        (SQUARE, [0, 1, 1], [0.9, 0.8, 0.29], "2 of 3 objects found, missed: ring"),
        (SQUARE[:1] * 2, [0, 0], [0.9, 0.8], "1 of 3 objects found, missed: ring (2), 1 other box"),  # a duplicate
        (SQUARE, [2, 2, 2], [0.9, 0.8, 0.7], "none of 3 objects found, 3 other boxes"),  # wrong names
        ([], [], [], "none of 3 objects found"),
    ],
)
def test_words_of_one_picture(boxes: list[Any], labels: list[int], scores: list[float], told: str) -> None:
    result = {"boxes": torch.tensor(boxes), "labels": torch.tensor(labels), "scores": torch.tensor(scores)}
    target = {"boxes": torch.tensor(SQUARE), "labels": torch.tensor([0, 1, 1])}
    assert found_in_words([result], [target], NAMES) == f"picture 1: {told}"
    assert picture_in_words(result, target, NAMES) == told


def test_a_threshold_leaves_boxes_out() -> None:
    scores = torch.tensor([0.9, 0.5, 0.2])
    result = {"boxes": torch.tensor(SQUARE), "labels": torch.tensor([0, 1, 2]), "scores": scores}
    target = {"boxes": torch.tensor(SQUARE), "labels": torch.tensor([0, 1, 1])}
    told = {cut: picture_in_words(result, target, NAMES, threshold=cut) for cut in (0.1, 0.4, 0.6)}
    assert told == {
        0.1: "2 of 3 objects found, missed: ring, 1 other box",
        0.4: "2 of 3 objects found, missed: ring",
        0.6: "1 of 3 objects found, missed: ring (2)",
    }


def test_objects_that_somebody_else_has_judged() -> None:
    labels = torch.tensor([2, 0, 2, 1])
    found = torch.tensor([False, True, False, False])
    assert objects_in_words(found, labels, NAMES) == "1 of 4 objects found, missed: cross (2), ring"
    assert objects_in_words(~found | found, labels, NAMES) == "all 4 objects found"


def test_pictures_with_one_object_or_none() -> None:
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64), "scores": torch.zeros(0)}
    one = {"boxes": torch.tensor(SQUARE[:1]), "labels": torch.tensor([0]), "scores": torch.tensor([0.9])}
    told = found_in_words([nothing, one, nothing, one], [nothing, nothing, one, one], NAMES)
    assert told == (
        "picture 1: no object; picture 2: no object, 1 other box; picture 3: its object missed; "
        "picture 4: its object found"
    )


def test_one_result_for_each_target() -> None:
    with pytest.raises(ValueError, match="0 results for 1 target; give one for each picture"):
        found_in_words([], [some(1, 0, False)], NAMES)
