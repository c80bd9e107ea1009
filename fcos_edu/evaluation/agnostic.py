"""Sections 5 and 7: how well boxes are found when their class does not count: Table 7, Figs 4 to 6, AR of Table 6.

Taught in the chapters *How good is it* and *FCOS as a proposal network*. Checked against:
pycocotools called directly, and hand-made cases.

Classes are merged at the evaluation only (pycocotools with its categories off). The detections are those of the
class-wise detector: two boxes of different classes on one object both stay, and one of them counts as false.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.mask import iou as mask_iou

from .coco_ap import run_coco

AGNOSTIC_METRICS = {"AP50": 0.5, "AP75": 0.75, "AP90": 0.9}  # beside AP, the mean over .50, .55, ... .95


def agnostic_metrics(ground_truth: dict[str, Any], results: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """Table 7: ``AP``, ``AP50``, ``AP75``, ``AP90`` of up to 100 detections an image, whatever their class.

    Args:
        ground_truth: in COCO's format, as for :func:`~fcos_edu.evaluation.coco_ap.coco_metrics`.
        results: from :func:`~fcos_edu.evaluation.coco_ap.predict`; ``category_id`` is not used.

    Returns:
        Each in 0..1, or None where all boxes of the ground truth are crowds.

    Raises:
        EvaluationError: no boxes in the ground truth, or detections for images it does not know.
    """
    run = run_coco(ground_truth, results, categories=False, max_detections=(100,))
    precision = run.eval["precision"][:, :, 0, 0, 0]  # (10 ious, 101 recalls)
    at = {name: precision[np.isclose(run.params.iouThrs, iou)] for name, iou in AGNOSTIC_METRICS.items()}
    return {name: _mean(values) for name, values in {"AP": precision, **at}.items()}


def precision_recall_curves(
    ground_truth: dict[str, Any], results: Sequence[dict[str, Any]], ious: Sequence[float] = (0.5, 0.75, 0.9)
) -> dict[float, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Figs 4 to 6: class-agnostic precision against recall, one curve for each IoU.

    Args:
        ground_truth, results: as for :func:`agnostic_metrics`, which also says what is raised.
        ious: thresholds from which a detection counts as right, above 0 and up to 1.

    Returns:
        For each IoU the recalls 0, .01, ... 1 and the precision at each, ``(101,)`` each. Precision is COCO's: the
        best one at this recall or a higher one, so it never rises; 0 at recalls that are not reached; NaN where all
        boxes of the ground truth are crowds.

    Raises:
        ValueError: an IoU that is no threshold.
    """
    wrong = [iou for iou in ious if not 0 < iou <= 1]
    if wrong:
        raise ValueError(f"IoU {wrong[0]} is no threshold; it must be above 0 and at most 1")
    run = run_coco(ground_truth, results, categories=False, ious=ious, max_detections=(100,))
    precision = run.eval["precision"][:, :, 0, 0, 0]  # (ious, 101)
    precision[precision < 0] = np.nan
    return {iou: (run.params.recThrs.copy(), row) for iou, row in zip(ious, precision, strict=True)}


def proposal_recall(
    ground_truth: dict[str, Any], results: Sequence[dict[str, Any]], counts: Sequence[int] = (100, 1000)
) -> dict[str, float | None]:
    """Table 6: the share of boxes that an image's best proposals find, averaged over the IoUs .50, .55, ... .95.

    Args:
        ground_truth, results: as for :func:`agnostic_metrics`, which also says what is raised.
        counts: how many proposals an image may make.

    Returns:
        ``AR100``, ``AR1000``: in 0..1, or None where all boxes of the ground truth are crowds.

    Raises:
        ValueError: a count below 1.
    """
    if not counts or min(counts) < 1:
        raise ValueError(f"counts is {tuple(counts)}; each must be at least 1, such as (100, 1000)")
    ascending = sorted(counts)
    recall = run_coco(ground_truth, results, categories=False, max_detections=ascending).eval["recall"][:, 0, 0, :]
    return {f"AR{count}": _mean(recall[:, i]) for i, count in enumerate(ascending)}


def recall_by_iou(
    ground_truth: dict[str, Any], results: Sequence[dict[str, Any]], count: int = 1000
) -> dict[str, float | None]:
    """What :func:`proposal_recall` averages: the share of boxes that are found, for each IoU that counts as found.

    Args:
        ground_truth, results: as for :func:`agnostic_metrics`, which also says what is raised.
        count: how many proposals an image may make.

    Returns:
        ``R50``, ``R55``, ... ``R95``: in 0..1, or None where all boxes of the ground truth are crowds.

    Raises:
        ValueError: a count below 1.
    """
    if count < 1:
        raise ValueError(f"count is {count}; it must be at least 1, such as 1000")
    run = run_coco(ground_truth, results, categories=False, max_detections=(count,))
    recall = run.eval["recall"][:, 0, 0, 0]
    return {f"R{100 * iou:.0f}": _mean(value) for iou, value in zip(run.params.iouThrs, recall[:, None], strict=True)}


def tries_per_object(ground_truth: dict[str, Any], results: Sequence[dict[str, Any]], iou: float = 0.5) -> float | None:
    """How many boxes an object has that overlap it by ``iou`` or more: a mean over objects that are no crowds.

    Args:
        ground_truth, results: as for :func:`agnostic_metrics`.
        iou: the least that counts, in 0..1.

    Returns:
        0 or more; None where all boxes of the ground truth are crowds.
    """
    boxes: dict[int, list[Sequence[float]]] = {}
    for result in results:
        boxes.setdefault(result["image_id"], []).append(result["bbox"])
    objects = [one for one in ground_truth["annotations"] if not one.get("iscrowd")]
    overlaps = [
        mask_iou(np.array(found, float), np.array([one["bbox"]], float), [0])
        for one in objects
        if (found := boxes.get(one["image_id"]))
    ]
    return sum(int((overlap >= iou).sum()) for overlap in overlaps) / len(objects) if objects else None


def _mean(values: NDArray[np.float64]) -> float | None:
    """The mean, or None for pycocotools' -1: no box that counts."""
    return None if (values < 0).any() else float(values.mean())


__all__ = [
    "AGNOSTIC_METRICS",
    "agnostic_metrics",
    "precision_recall_curves",
    "proposal_recall",
    "recall_by_iou",
    "tries_per_object",
]
