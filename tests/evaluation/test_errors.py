"""Kinds of errors: one hand-made case of each, and tidecv's numbers of seeded detections."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from fcos_edu.evaluation import coco_metrics
from fcos_edu.evaluation.errors import KINDS, confusion_matrix, kinds_of_errors


def seeded(seed: int, crowd: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Thirty images: boxes found well, badly, twice, as another class, or not at all, and detections of nothing."""
    draw = random.Random(seed)
    boxes: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for image in range(1, 31):
        for _ in range(draw.randint(0, 5)):
            sides = ((0, 150), (0, 150), (10, 60), (10, 60))
            box = [round(draw.uniform(*side), 1) for side in sides]
            category = draw.randint(1, 4)
            boxes.append(
                {"id": len(boxes) + 1, "image_id": image, "category_id": category, "bbox": box,
                 "area": box[2] * box[3], "iscrowd": int(crowd and draw.random() < 0.15)}
            )  # fmt: skip
            for _ in range(draw.choice([0, 1, 1, 1, 2, 3])):
                shift = draw.choice([2, 8, 20])
                x, y, w, h = (round(side + draw.uniform(-shift, shift), 1) for side in box)
                guess = category if draw.random() < 0.7 else draw.randint(1, 4)
                found.append(detection(image, guess, [x, y, max(w, 4), max(h, 4)], round(draw.random(), 6)))
        for _ in range(draw.randint(0, 2)):
            category, x, y = draw.randint(1, 4), round(draw.uniform(0, 180), 1), round(draw.uniform(0, 180), 1)
            found.append(detection(image, category, [x, y, 20, 20], round(draw.random(), 6)))
    images = [{"id": image} for image in range(1, 31)]
    return {
        "images": images,
        "annotations": boxes,
        "categories": [{"id": c, "name": str(c)} for c in range(1, 5)],
    }, found


def detection(image: int, category: int, box: list[float], score: float) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": box, "score": score}


# What tidecv 1.0.1 says of them (TIDERun with thresholds 0.5 and 0.1, 100 detections an image), in percent.
TIDECV: list[Any] = [
    ((0, False), 13.956536965509738, {"class": 8.810749844, "location": 15.283328113, "both": 0.499959526,
      "duplicate": 0.573168134, "background": 4.828387483, "missed": 6.328960849},
     {"class": 14, "location": 23, "both": 7,
      "duplicate": 9, "background": 33, "missed": 24}),
    ((1, True), 20.258275344909002, {"class": 4.250011618, "location": 23.050080701, "both": 0.996011738,
      "duplicate": 0.150037435, "background": 9.006940123, "missed": 4.744518853},
     {"class": 7, "location": 26, "both": 11,
      "duplicate": 7, "background": 41, "missed": 12}),
    ((2, False), 21.77034801374755, {"class": 4.598937982, "location": 16.13504746, "both": 2.172558081,
      "duplicate": 0.639647051, "background": 4.256438588, "missed": 8.539296133},
     {"class": 13, "location": 32, "both": 14,
      "duplicate": 7, "background": 36, "missed": 23}),
]  # fmt: skip


@pytest.mark.parametrize(("case", "ap", "gain", "count"), TIDECV)
def test_the_numbers_are_those_of_tidecv(case: Any, ap: float, gain: dict[str, float], count: dict[str, int]) -> None:
    truth, found = seeded(*case)
    errors = kinds_of_errors(truth, found)
    assert errors.count == count
    assert 100 * errors.ap == pytest.approx(ap, abs=1e-9)
    assert {kind: 100 * value for kind, value in errors.gain.items()} == pytest.approx(gain, abs=1e-8)
    assert errors.ap == pytest.approx(coco_metrics(truth, found)["AP50"])


# ---- by hand: two boxes of 40 x 40, of the classes 1 and 2 -----------------------------------------------------

TRUTH = {
    "images": [{"id": 1}, {"id": 2}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 40, 40], "area": 1600, "iscrowd": 0},
        {"id": 2, "image_id": 1, "category_id": 2, "bbox": [100, 100, 40, 40], "area": 1600, "iscrowd": 0},
    ],
    "categories": [{"id": 1, "name": "nut"}, {"id": 2, "name": "bolt"}],
}
FIRST, SECOND = detection(1, 1, [0, 0, 40, 40], 0.9), detection(1, 2, [100, 100, 40, 40], 0.8)
QUARTER = [100, 100, 40, 10]  # IoU 1/4 with the second box


@pytest.mark.parametrize(
    ("found", "kinds", "ap", "gain"),
    [
        ([FIRST, SECOND], {}, 1, {}),
        ([], {"missed": 2}, 0, {}),  # nothing is left to find: no AP to gain
        ([FIRST], {"missed": 1}, 1 / 2, {"missed": 1 / 2}),
        ([FIRST, detection(1, 1, SECOND["bbox"], 0.8)], {"class": 1}, 1 / 2, {"class": 1 / 2}),
        ([FIRST, detection(1, 2, QUARTER, 0.8)], {"location": 1}, 1 / 2, {"location": 1 / 2}),
        ([FIRST, detection(1, 1, QUARTER, 0.95)], {"both": 1, "missed": 1}, 1 / 4, {"both": 1 / 4, "missed": 1 / 4}),
        ([FIRST, SECOND, detection(1, 1, [0, 0, 40, 39], 0.7)], {"duplicate": 1}, 1, {}),
        ([FIRST, SECOND, detection(1, 1, [0, 60, 9, 9], 0.95)], {"background": 1}, 3 / 4, {"background": 1 / 4}),
        ([FIRST, SECOND, detection(2, 1, [0, 0, 40, 40], 0.95)], {"background": 1}, 3 / 4, {"background": 1 / 4}),
        # Of two for one box the better one is mended, the other goes.
        ([FIRST, detection(1, 2, QUARTER, 0.8), detection(1, 1, SECOND["bbox"], 0.95)],
         {"location": 1, "class": 1}, 1 / 4, {"location": 0, "class": 3 / 4}),
    ],
)  # fmt: skip
def test_each_kind_by_hand(found: Any, kinds: dict[str, int], ap: float, gain: dict[str, float]) -> None:
    errors = kinds_of_errors(TRUTH, found)
    assert errors.count == {kind: kinds.get(kind, 0) for kind in KINDS}
    assert errors.ap == pytest.approx(ap)
    assert errors.gain == pytest.approx({kind: gain.get(kind, 0) for kind in KINDS})


def test_crowds_count_neither_as_right_nor_as_wrong() -> None:
    crowd = {"id": 3, "image_id": 2, "category_id": 1, "bbox": [0, 0, 90, 90], "area": 8100, "iscrowd": 1}
    truth = {**TRUTH, "annotations": [*TRUTH["annotations"], crowd]}
    inside = detection(2, 1, [10, 10, 30, 30], 0.95)
    assert kinds_of_errors(truth, [FIRST, SECOND, inside]).ap == 1
    assert confusion_matrix(truth, [inside])[2].tolist() == [0, 0, 0]
    assert confusion_matrix(truth, [{**inside, "category_id": 2}])[2].tolist() == [0, 1, 0]  # a crowd of another class


@pytest.mark.parametrize("values", [{"background": 0}, {"background": 0.5}, {"fits": 1.5}])
def test_thresholds_that_are_none_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="it must be 0 < background < fits <= 1"):
        kinds_of_errors(TRUTH, [], **values)


# ---- confusion ------------------------------------------------------------------------------------------------


def test_the_confusion_by_hand() -> None:
    found = [
        FIRST,  # right
        detection(1, 1, [100, 100, 40, 38], 0.7),  # takes the bolt for a nut
        SECOND | {"score": 0.5},  # right, but the box is taken
        detection(1, 2, [0, 60, 9, 9], 0.4),  # nothing there
        detection(1, 2, [0, 60, 9, 9], 0.2),  # below the score
    ]
    assert confusion_matrix(TRUTH, found).tolist() == [[1, 0, 0], [1, 0, 0], [0, 2, 0]]
    assert confusion_matrix(TRUTH, []).tolist() == [[0, 0, 1], [0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize("seed", range(5))
def test_rows_hold_all_boxes_and_columns_all_detections(seed: int) -> None:
    truth, found = seeded(seed, crowd=False)
    matrix = confusion_matrix(truth, found, score=0.4)
    boxes = [sum(box["category_id"] == c for box in truth["annotations"]) for c in range(1, 5)]
    detected = [sum(one["category_id"] == c and one["score"] >= 0.4 for one in found) for c in range(1, 5)]
    assert matrix[:4].sum(axis=1).tolist() == boxes and matrix[:, :4].sum(axis=0).tolist() == detected
    assert matrix[4, 4] == 0 and matrix.dtype == np.int64
