"""Class-agnostic measures against hand-made cases, and against pycocotools called directly."""

from __future__ import annotations

import contextlib
import copy
import io
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from fcos_edu.evaluation import EvaluationError, coco_metrics
from fcos_edu.evaluation.agnostic import (
    agnostic_metrics,
    precision_recall_curves,
    proposal_recall,
    recall_by_iou,
    tries_per_object,
)


def truth(*boxes: tuple[float, ...], images: int = 1, crowd: tuple[int, ...] = ()) -> dict[str, Any]:
    """Ground truth of the classes 1, 2 and 5; boxes are (image, category, x, y, w, h)."""
    return {
        "images": [{"id": i + 1, "width": 400, "height": 400} for i in range(images)],
        "annotations": [
            {"id": k + 1, "image_id": b[0], "category_id": b[1], "bbox": list(b[2:]), "area": b[4] * b[5],
             "iscrowd": int(k in crowd)}
            for k, b in enumerate(boxes)
        ],
        "categories": [{"id": i, "name": f"thing {i}"} for i in (1, 2, 5)],
    }  # fmt: skip


def result(image: int, category: int, x: float, y: float, w: float, h: float, score: float) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": [x, y, w, h], "score": score}


def random_case(seed: int, images: int = 12) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Boxes, and detections that lie near them, some of the wrong class, some far from all; scores never tie."""
    random = np.random.default_rng(seed)
    boxes, found = [], []
    for image in range(1, images + 1):
        for _ in range(random.integers(0, 7)):
            x, y, w, h = random.uniform((0, 0, 10, 10), (200, 200, 180, 180))
            category = int(random.choice((1, 2, 5)))
            boxes.append((image, category, x, y, w, h))
            for _ in range(random.integers(0, 4)):
                dx, dy, dw, dh = random.normal(0, 0.06, 4) * (w, h, w, h)
                claimed = category if random.random() < 0.6 else int(random.choice((1, 2, 5)))
                found.append(result(image, claimed, x + dx, y + dy, w + dw, h + dh, float(random.random())))
        for _ in range(random.integers(0, 5)):
            x, y, w, h = random.uniform((0, 0, 10, 10), (200, 200, 180, 180))
            found.append(result(image, 5, x, y, w, h, float(random.random())))
    return truth(*boxes, images=images, crowd=(3, 8)), found


def directly(ground_truth: dict[str, Any], results: list[dict[str, Any]], most: list[int]) -> COCOeval:
    """pycocotools as its documentation shows it, for all sizes of boxes."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"info": {}, **copy.deepcopy(ground_truth)}
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(copy.deepcopy(results)), "bbox")
        run.params.useCats = 0
        run.params.maxDets = most
        run.evaluate()
        run.accumulate()
        if most == [1, 10, 100]:
            run.summarize()
    return run


BOX = (10, 10, 50, 50)


# ------------------------------------------------------------------ Table 7
def test_the_right_box_of_the_wrong_class() -> None:
    ground_truth, found = truth((1, 1, *BOX)), [result(1, 2, *BOX, 0.9)]
    assert coco_metrics(ground_truth, found)["AP"] == 0.0
    metrics = agnostic_metrics(ground_truth, found)
    assert list(metrics) == ["AP", "AP50", "AP75", "AP90"]
    assert all(value == pytest.approx(1.0) for value in metrics.values())


@pytest.mark.parametrize(
    ("height", "passed", "ap90"),
    [(45, 9, 1.0), (44, 8, 0.0), (40, 7, 0.0), (48, 10, 1.0)],  # IoU .90, .88, .80, .96 meets so many of .50, ... .95
)
def test_ap90_by_hand(height: int, passed: int, ap90: float) -> None:
    metrics = agnostic_metrics(truth((1, 1, 10, 10, 50, 50)), [result(1, 1, 10, 10, 50, height, 0.9)])
    assert metrics["AP90"] == pytest.approx(ap90)
    assert metrics["AP50"] == metrics["AP75"] == pytest.approx(1.0)
    assert metrics["AP"] == pytest.approx(passed / 10)


def test_two_classes_on_one_object_are_one_right_and_one_false() -> None:
    # Class-wise each is the best of its class; without classes the second finds nothing that is left. The lower box
    # comes last: precision is 1, 1/2, 2/3 at the recalls 1/2, 1/2, 1, so 2/3 above recall 1/2.
    lower = (100, 100, 60, 60)
    ground_truth = truth((1, 1, *BOX), (1, 2, *lower))
    found = [result(1, 1, *BOX, 0.9), result(1, 5, *BOX, 0.8), result(1, 2, *lower, 0.7)]
    assert agnostic_metrics(ground_truth, found)["AP50"] == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_those_of_pycocotools(seed: int) -> None:
    ground_truth, found = random_case(seed)
    run = directly(ground_truth, found, [1, 10, 100])
    metrics = agnostic_metrics(ground_truth, found)
    assert [metrics[name] for name in ("AP", "AP50", "AP75")] == pytest.approx(run.stats[:3].tolist())
    assert metrics["AP90"] == pytest.approx(run.eval["precision"][8, :, 0, 0, 2].mean())
    assert 0.0 < metrics["AP90"] < metrics["AP"] < metrics["AP50"] < 1.0  # type: ignore[operator]


def test_nothing_given_is_changed() -> None:
    ground_truth, found = random_case(0)
    before = copy.deepcopy((ground_truth, found))
    agnostic_metrics(ground_truth, found)
    coco_metrics(ground_truth, found)
    assert (ground_truth, found) == before


def test_no_detections_give_zero_and_crowds_alone_nothing() -> None:
    ground_truth = truth((1, 1, *BOX))
    assert agnostic_metrics(ground_truth, []) == {"AP": 0.0, "AP50": 0.0, "AP75": 0.0, "AP90": 0.0}
    assert proposal_recall(ground_truth, []) == {"AR100": 0.0, "AR1000": 0.0}
    crowds = truth((1, 1, *BOX), crowd=(0,))
    assert set(agnostic_metrics(crowds, [result(1, 1, *BOX, 0.9)]).values()) == {None}
    assert all(np.isnan(precision).all() for _, precision in precision_recall_curves(crowds, []).values())
    assert proposal_recall(crowds, []) == {"AR100": None, "AR1000": None}


# ------------------------------------------------------------------ Figs 4 to 6
def test_curves_by_hand() -> None:
    # Two boxes: found exactly with score .9; missed with .8; found at IoU .8 with .7.
    ground_truth = truth((1, 1, *BOX), (1, 2, 100, 100, 50, 50))
    found = [result(1, 2, *BOX, 0.9), result(1, 1, 200, 200, 50, 50, 0.8), result(1, 1, 100, 100, 50, 40, 0.7)]
    curves = precision_recall_curves(ground_truth, found)
    assert list(curves) == [0.5, 0.75, 0.9]
    for iou, last in ((0.5, 2 / 3), (0.75, 2 / 3), (0.9, 0.0)):
        recall, precision = curves[iou]
        assert recall.tolist() == pytest.approx([i / 100 for i in range(101)])
        assert precision[:51].tolist() == pytest.approx([1.0] * 51)
        assert precision[51:].tolist() == pytest.approx([last] * 50)


def test_the_area_under_a_curve_is_its_ap() -> None:
    ground_truth, found = random_case(3)
    metrics = agnostic_metrics(ground_truth, found)
    for iou, (_, precision) in precision_recall_curves(ground_truth, found, (0.9, 0.5, 0.75)).items():
        assert precision.mean() == pytest.approx(metrics[f"AP{iou * 100:.0f}"])
        assert (np.diff(precision) <= 0).all()


def test_a_threshold_that_is_not_one_of_cocos() -> None:
    found = [result(1, 2, 10, 10, 50, 20, 0.9)]  # IoU 0.4
    curves = precision_recall_curves(truth((1, 1, *BOX)), found, (0.39, 0.41))
    assert [precision.mean() for _, precision in curves.values()] == pytest.approx([1.0, 0.0])


# ------------------------------------------------------------------ Table 6
def test_recall_counts_the_best_proposals_of_each_image() -> None:
    # 150 proposals on image 1: its box is the 120th, so 100 are too few. Image 2's only one has IoU .8: 7 of 10.
    far = [result(1, 1, 300, 300, 20, 20, 0.99 - i / 1000) for i in range(150)]
    far[119]["bbox"] = list(BOX)
    ground_truth = truth((1, 2, *BOX), (2, 5, *BOX), images=2)
    found = [*far, result(2, 1, 10, 10, 50, 40, 0.01)]
    assert proposal_recall(ground_truth, found) == {"AR100": pytest.approx(0.35), "AR1000": pytest.approx(0.85)}
    by_count = proposal_recall(ground_truth, found, (120, 119))
    assert by_count == {"AR119": pytest.approx(0.35), "AR120": pytest.approx(0.85)}


@pytest.mark.parametrize("seed", range(3))
def test_recall_is_that_of_pycocotools(seed: int) -> None:
    ground_truth, found = random_case(seed)
    run = directly(ground_truth, found, [1, 10, 100])
    got = proposal_recall(ground_truth, found, (1, 10, 100))
    assert list(got.values()) == pytest.approx(run.stats[6:9].tolist())
    more = directly(ground_truth, found, [3, 1000]).eval["recall"][:, 0, 0, :].mean(0)
    assert list(proposal_recall(ground_truth, found, (3, 1000)).values()) == pytest.approx(more.tolist())


def test_recall_at_each_iou_averages_to_average_recall() -> None:
    # Image 1's box is found exactly, image 2's with an IoU of .8.
    ground_truth = truth((1, 2, *BOX), (2, 5, *BOX), images=2)
    found = recall_by_iou(ground_truth, [result(1, 1, *BOX, 0.9), result(2, 1, 10, 10, 50, 40, 0.01)])
    assert list(found) == [f"R{iou}" for iou in range(50, 100, 5)]
    assert found["R50"] == found["R80"] == 1.0 and found["R85"] == found["R95"] == 0.5
    for seed in range(3):
        case = random_case(seed)
        for count in (3, 100):
            each = recall_by_iou(*case, count)
            assert sum(each.values()) / 10 == pytest.approx(proposal_recall(*case, (count,))[f"AR{count}"])
    with pytest.raises(ValueError, match="count is 0; it must be at least 1"):
        recall_by_iou(ground_truth, [], 0)


def test_tries_are_the_boxes_that_overlap_an_object_enough() -> None:
    # Two of IoU 1 and .8 with image 1's box, one of .8 that lies on image 2's; a crowd and a far box count nothing.
    ground_truth = truth((1, 2, *BOX), (2, 5, *BOX), (2, 5, 200, 200, 50, 50), images=2, crowd=(2,))
    found = [result(1, 1, *BOX, 0.9), result(1, 1, 10, 10, 50, 40, 0.8), result(1, 2, 300, 300, 20, 20, 0.7)]
    assert tries_per_object(ground_truth, [*found, result(2, 1, 10, 10, 50, 40, 0.1)]) == 1.5
    assert tries_per_object(ground_truth, found, iou=0.9) == 0.5
    assert tries_per_object(ground_truth, []) == 0.0
    assert tries_per_object(truth((1, 2, *BOX), crowd=(0,)), found) is None


def test_proposals_need_no_category() -> None:
    ground_truth, found = random_case(1)
    want = proposal_recall(ground_truth, found)
    for category in (0, 77):
        assert proposal_recall(ground_truth, [r | {"category_id": category} for r in found]) == want
    bare = [{key: r[key] for key in ("image_id", "bbox", "score")} for r in found]
    assert proposal_recall(ground_truth, bare) == want
    assert want["AR100"] > 0.1  # type: ignore[operator]


# ------------------------------------------------------------------ refusals
@pytest.mark.parametrize("measure", [agnostic_metrics, precision_recall_curves, proposal_recall, recall_by_iou])
def test_refusals_name_the_value(measure: Any) -> None:
    with pytest.raises(EvaluationError, match="has no boxes"):
        measure(truth(), [])
    with pytest.raises(EvaluationError, match="image_id 7"):
        measure(truth((1, 1, *BOX)), [result(7, 1, *BOX, 0.9)])


def test_refused_options() -> None:
    with pytest.raises(ValueError, match=r"IoU 75 .* at most 1"):
        precision_recall_curves(truth((1, 1, *BOX)), [], (0.5, 75))
    with pytest.raises(ValueError, match=r"\(0, 100\).* at least 1"):
        proposal_recall(truth((1, 1, *BOX)), [], (0, 100))
    with pytest.raises(ValueError, match=r"\(\).* at least 1"):
        proposal_recall(truth((1, 1, *BOX)), [], ())
