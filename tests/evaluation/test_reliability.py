"""Intervals against pycocotools on data sets whose images come several times; scores against hand-made detections."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from fcos_edu.evaluation import coco_metrics
from fcos_edu.evaluation.coco_ap import run_coco
from fcos_edu.evaluation.errors import Judged, judge
from fcos_edu.evaluation.reliability import (
    Interval,
    _class_of,
    _weighted_ap,
    ap_intervals,
    best_threshold,
    calibration,
)
from tests.evaluation.test_errors import TRUTH, detection, seeded


def repeated(truth: dict[str, Any], found: list[dict[str, Any]], times: list[int]) -> tuple[dict[str, Any], Any]:
    """The data set in which image k comes ``times[k]`` times, under numbers of their own, beside one another."""
    images, boxes, more = [], [], []
    for image, count in zip(truth["images"], times, strict=True):
        for k in range(count):
            number = 1000 * image["id"] + k
            images.append({"id": number})
            own = (a for a in truth["annotations"] if a["image_id"] == image["id"])
            boxes += [{**a, "image_id": number, "id": len(boxes) + i + 1} for i, a in enumerate(own)]
            more += [{**r, "image_id": number} for r in found if r["image_id"] == image["id"]]
    return {**truth, "images": images, "annotations": boxes}, more


@pytest.mark.parametrize(("seed", "crowd"), [(0, False), (1, True)])
def test_weights_are_worth_as_much_as_repeated_images(seed: int, crowd: bool) -> None:
    truth, found = seeded(seed, crowd)
    place: Counter[int] = Counter()
    for one in found:  # scores that are equal in many images, but not in one: there repeating would part them
        place[one["image_id"]] += 1
        one["score"] = round(0.9 - 0.02 * place[one["image_id"]], 2)
    run = run_coco(truth, found)
    for draw in range(3):
        times = np.random.default_rng(draw).integers(0, 3, len(truth["images"]))
        aps = [_weighted_ap(_class_of(run, k), times.astype(float), run.params.recThrs) for k in range(4)]
        assert np.nanmean(aps) == pytest.approx(coco_metrics(*repeated(truth, found, times.tolist()))["AP"], abs=1e-12)


def test_intervals_hold_the_ap_and_shrink_with_more_images() -> None:
    truth, found = seeded(0, False)
    run = run_coco(truth, found)
    interval, of_classes, resamples = ap_intervals(run, resamples=200)
    ap = coco_metrics(truth, found)["AP"]
    assert interval is not None and ap is not None and interval.low < ap < interval.high and resamples == 200
    assert ap_intervals(run, resamples=200) == (interval, of_classes, 200)
    assert all(one is not None and one.low <= one.high for one in of_classes) and len(of_classes) == 4
    many, _, _ = ap_intervals(run_coco(*repeated(truth, found, [8] * 30)), resamples=60)
    assert many is not None and many.high - many.low < 0.6 * (interval.high - interval.low)


def test_what_cannot_vary_has_no_interval() -> None:
    boxes = [box for box in TRUTH["annotations"] if box["image_id"] == 1]
    few = seeded(0, False)[0]
    few["annotations"] = [box for box in few["annotations"] if box["image_id"] < 5]
    assert ap_intervals(run_coco(few, []), resamples=20)[0] is None
    one_image = {**TRUTH, "annotations": boxes}
    interval, of_classes, _ = ap_intervals(run_coco(one_image, []), resamples=20)
    assert interval is None and set(of_classes) == {None}
    truth, _ = seeded(0, False)
    nothing, _, _ = ap_intervals(run_coco(truth, []), resamples=20)
    assert nothing == Interval(0.0, 0.0)


def judged(*pairs: tuple[float, str], boxes: int = 4) -> list[Judged]:
    found = [detection(1, 1, [0, 0, 9, 9], score) for score, _ in pairs]
    return [Judged(1, found, [kind for _, kind in pairs], [{}] * boxes, [False] * boxes)]


def test_calibration_by_hand() -> None:
    bins, distance = calibration(judged((0.95, ""), (0.9, "background"), (0.1, ""), (0.05, "both"), (0.3, "ignored")))
    assert len(bins) == 10 and [one.detections for one in bins] == [2, 0, 0, 0, 0, 0, 0, 0, 1, 1]
    assert bins[0] == pytest.approx((0.0, 0.1, 2, 0.075, 0.5)) and bins[4].precision is None
    assert distance == pytest.approx((2 * 0.425 + 0.9 + 0.05) / 4)
    assert calibration(judged((0.0, ""), (1.0, "")))[0][0].detections == 1
    assert calibration([])[1] is None


def test_the_best_threshold_by_hand() -> None:
    best = best_threshold(judged((0.9, ""), (0.8, "class"), (0.7, ""), (0.7, ""), (0.2, "both"), boxes=4))
    assert best is not None and best.score == 0.7
    assert (best.precision, best.recall) == (3 / 4, 3 / 4) and best.f1 == pytest.approx(0.75)
    assert best_threshold(judged((0.9, "class"))) is None and best_threshold(judged((0.9, ""), boxes=0)) is None


def test_the_best_threshold_is_that_of_a_slow_search() -> None:
    truth, found = seeded(2, False)
    images = judge(truth, found)
    best = best_threshold(images)
    boxes = sum(len(image.boxes) for image in images)
    slow = []
    for score in sorted({one["score"] for one in found}):
        kept = [k for image in judge(truth, [r for r in found if r["score"] >= score]) for k in image.kinds]
        right = kept.count("")
        slow.append((2 * right / (len(kept) + boxes), score))
    assert best is not None and (best.f1, best.score) == pytest.approx(max(slow))
