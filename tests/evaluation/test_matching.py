"""The matching of AP, step by step: pycocotools' own numbers on random cases, and each verdict by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fcos_edu.evaluation.coco_ap import EvaluationError, run_coco
from fcos_edu.evaluation.matching import VERDICTS, Matching, Step, matching

from .test_errors import detection, seeded


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("iou", [0.5, 0.75])
def test_the_curve_and_the_matches_are_those_of_pycocotools(seed: int, iou: float) -> None:
    """Recall and precision that follow from the steps, made to fall and read at 101 recalls, of every class."""
    truth, found = seeded(seed, crowd=True)
    found = [one | {"score": round(one["score"], 1)} for one in found]  # many ties
    run = run_coco(truth, found)
    at = int(np.flatnonzero(np.isclose(run.params.iouThrs, iou))[0])
    met = set()
    for kind, category in enumerate(run.params.catIds):
        walk = matching(truth, found, category, iou=iou)
        met |= {step.verdict for step in walk.steps}
        official = run.eval["precision"][at, :, kind, 0, -1]
        assert walk.sampled.tolist() == official.tolist() and walk.ap == official.mean()
        recall, precision = walk.curve()
        best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0)
        assert best[np.searchsorted(recall, walk.recalls)] == pytest.approx(official, abs=1e-12)
        assert recall[-1] == pytest.approx(run.eval["recall"][at, kind, 0, -1])
        assert sorted((one["score"] for one in found if one["category_id"] == category), reverse=True) == [
            step.score for step in walk.steps
        ]
        check_reasons(walk, truth, found)
    assert met == set(VERDICTS)


def check_reasons(walk: Matching, truth: dict[str, Any], found: list[dict[str, Any]]) -> None:
    """Each reason against overlaps computed here, and against what earlier steps have claimed."""
    boxes = {box["id"]: box for box in truth["annotations"]}
    claimed: dict[int, int] = {}
    for n, step in enumerate(walk.steps):
        answer = found[step.detection]
        assert (answer["image_id"], answer["score"]) == (step.image_id, step.score)
        near = {
            i: iou_of(answer["bbox"], box["bbox"])
            for i, box in boxes.items()
            if (box["image_id"], box["category_id"], box["iscrowd"]) == (step.image_id, answer["category_id"], 0)
        }
        best = max(near.values(), default=0)
        free = {i: value for i, value in near.items() if i not in claimed and value >= walk.iou}
        if step.verdict == "hit":
            assert step.box is not None and step.overlap == pytest.approx(max(free.values())) == near[step.box]
            claimed[step.box] = n
        elif step.verdict == "ignored":
            assert not free and step.box is not None and boxes[step.box]["iscrowd"] and step.overlap >= walk.iou
        else:
            assert not free and step.overlap == pytest.approx(best)
            word = "taken" if best >= walk.iou else "low" if best > 0 else "none"
            assert step.verdict == word and step.by == (
                claimed[step.box] if step.box in claimed and best >= walk.iou else None
            )
            assert (step.box is None) == (word == "none")


def iou_of(a: list[float], b: list[float]) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    inter = max(width, 0) * max(height, 0)
    return inter / (a[2] * a[3] + b[2] * b[3] - inter)


def annotation(i: int, box: list[float], crowd: int = 0) -> dict[str, Any]:
    area = box[2] * box[3]
    return {"id": i, "image_id": 1, "category_id": 1, "bbox": box, "area": area, "iscrowd": crowd}


TRUTH = {
    "images": [{"id": 1}, {"id": 2}],
    "annotations": [annotation(5, [0, 0, 40, 40]), annotation(6, [100, 0, 80, 80], crowd=1)],
    "categories": [{"id": 1, "name": "nut"}, {"id": 2, "name": "bolt"}],
}


def test_each_verdict_by_hand() -> None:
    found = [
        detection(1, 1, [0, 0, 40, 20], 0.2),  # IoU 1/2, but too late
        detection(1, 2, [0, 0, 40, 40], 0.95),  # another class
        detection(1, 1, [0, 0, 40, 40], 0.9),
        detection(1, 1, [110, 0, 10, 10], 0.8),
        detection(1, 1, [0, 0, 40, 10], 0.7),  # IoU 1/4
        detection(2, 1, [0, 0, 40, 40], 0.6),  # another picture
    ]
    walk = matching(TRUTH, found, 1)
    assert walk.steps == (
        Step(1, 2, 0.9, "hit", 5, 1.0, None),
        Step(1, 3, 0.8, "ignored", 6, 1.0, None),
        Step(1, 4, 0.7, "low", 5, 0.25, None),
        Step(2, 5, 0.6, "none", None, 0.0, None),
        Step(1, 0, 0.2, "taken", 5, 0.5, 0),
    )
    assert walk.total == 1 and walk.ap == pytest.approx(1)
    assert walk.curve()[1].tolist() == pytest.approx([1, 1, 1 / 2, 1 / 3, 1 / 4])
    assert matching(TRUTH, found[:1], 1, iou=0.5).steps[0].verdict == "hit"
    assert matching(TRUTH, found[:1], 1, iou=0.51).steps[0].verdict == "low"


def test_no_detection_of_the_class() -> None:
    walk = matching(TRUTH, [detection(1, 2, [0, 0, 40, 40], 0.9)], 1)
    assert walk.steps == () and walk.total == 1 and walk.ap == 0


def test_what_has_no_matching_is_refused() -> None:
    crowds = TRUTH | {"annotations": TRUTH["annotations"][1:]}
    zero = TRUTH | {"annotations": [annotation(0, [0, 0, 40, 40])]}
    for truth, category, message in (
        (crowds, 1, "category 1 has ignored boxes alone"),
        (TRUTH, 2, "the ground truth has no boxes"),
        (zero, 1, "an annotation has the id 0"),
    ):
        with pytest.raises(EvaluationError, match=message):
            matching(truth, [], category)
    with pytest.raises(ValueError, match="iou is 0"):
        matching(TRUTH, [], 1, iou=0)
