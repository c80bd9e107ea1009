"""Section 3.3 and what ranks a detection: Table 4, Fig. 7, and the detections that ambiguous locations give.

Taught in the chapter *Center-ness*. Checked against: a call of ``evaluate`` for each kind of center-ness, hand-made
detections, and a slow loop over detections and boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.ops import box_iou

from ..data import DetectionDataset
from ..model import FCOS
from ..text import counted
from .ambiguity import ambiguous_locations
from .coco_ap import coco_metrics, coco_results, detections_of, each_batch, truth_of

WAYS = ("none", "computed", "branch", "oracle")  # Table 4's rows, and the early version's upper bound

Samples = list[dict[str, Any]]


def four_ways(model: FCOS, dataset: DetectionDataset, **options: Any) -> dict[str, dict[str, float | None]]:
    """Table 4 for one trained model: its COCO metrics with each kind of center-ness at inference.

    The network runs once on each image; scores, top-k and NMS follow for each kind. The paper's row "none" may also be
    read as a model trained without the branch: measure such a model's own "none".

    Args:
        model: without a branch, "branch" is left out. The model's own kind of center-ness does not matter.
        dataset: as for :func:`~fcos_edu.evaluation.coco_ap.predict`.
        options: ``batch_size``, ``workers``, ``precision``, ``progress``.

    Returns:
        For "none", "computed", "branch" and "oracle" the twelve numbers of
        :func:`~fcos_edu.evaluation.coco_ap.coco_metrics`, which also says what is raised.
    """
    ways = [way for way in WAYS if way != "branch" or model.config.centerness_branch != "none"]
    results: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}

    def step(images: list[Tensor], targets: Samples) -> dict[str, list[dict[str, Any]]]:
        made: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
        for seen in model.predictions(images, targets):
            for way in ways:
                found = model.detections(seen, model.config.replace(centerness_inference=way))
                for place, detection in zip(seen.images, found, strict=True):
                    made[way] += coco_results(detection, targets[place]["image_id"], dataset.category_ids)
        return made

    def take(made: dict[str, list[dict[str, Any]]]) -> None:
        for way, more in made.items():
            results[way] += more

    truth = truth_of(dataset, each_batch(step, model, dataset, take=take, **options))
    return {way: coco_metrics(truth, results[way]) for way in ways}


class ScoreIoU(NamedTuple):
    """Fig. 7's points: N detections with two scores each, and how well each box fits."""

    class_scores: NDArray[np.float32]  # (N,) in 0..1, without center-ness: the left panel
    scores: NDArray[np.float32]  # (N,) in 0..1, class score times center-ness: the right panel
    ious: NDArray[np.float32]  # (N,) in 0..1, with the best box of the detection's class in its image


def score_iou(model: FCOS, dataset: DetectionDataset, **options: Any) -> ScoreIoU:
    """Fig. 7: the score of each detection, without and with center-ness, and its IoU with the ground truth.

    Both panels show the same boxes, those that the model returns as it is set: after NMS, which its center-ness has
    ranked. (With ``model.set_inference(nms_threshold=1.0)`` nothing is suppressed.) The IoU is the largest with a box
    of the same class in the image, 0 where there is none. Crowds are no such box: a detection on one gets a low IoU.

    Args:
        model: whose ``class_scores`` and ``scores`` are compared; under ``sqrt_score`` the square is undone.
        dataset: as for :func:`~fcos_edu.evaluation.coco_ap.predict`.
        options: ``batch_size``, ``workers``, ``precision``, ``progress``.
    """
    points = [torch.zeros(3, 0)]  # class score, score and IoU of each detection

    def step(images: list[Tensor], targets: Samples) -> Tensor:
        made = [torch.zeros(3, 0)]
        for target, found in zip(targets, detections_of(model, images, targets), strict=True):
            same_class = found["labels"][:, None] == target["labels"]  # (K, M)
            overlap = box_iou(found["boxes"], target["boxes"]) * same_class
            best = overlap.amax(1) if overlap.shape[1] else overlap.new_zeros(len(overlap))
            product = found["scores"].square() if model.config.sqrt_score else found["scores"]
            made.append(torch.stack([found["class_scores"].float(), product.float(), best.float()]).cpu())
        return torch.cat(made, dim=1)

    each_batch(step, model, dataset, take=points.append, **options)
    return ScoreIoU(*torch.cat(points, dim=1).numpy())


def under(scores: NDArray[Any], ious: NDArray[Any]) -> tuple[int, int]:
    """Points under the line y = x of Fig. 7, boxes that fit worse than their score says: (how many, of how many).

    Args:
        scores: ``(N,)`` the points' x.
        ious: ``(N,)`` the points' y.

    Raises:
        ValueError: arrays of different length.
    """
    if len(scores) != len(ious):
        raise ValueError(f"{counted(len(scores), 'scores')} but {len(ious)} IoUs: each point needs both")
    return int((ious < scores).sum()), len(ious)


def ambiguous_detections(
    model: FCOS, dataset: DetectionDataset, *, threshold: float = 0.0, **options: Any
) -> dict[str, Any]:
    """End of Table 2's section: how many detections come from locations that are ambiguous in the ground truth.

    A location is ambiguous if it could learn two boxes or more, by the model's own rules (level ranges, center
    sampling). The paper counts 2.3 %, and 1.5 % where the boxes must be of different classes. It does not say above
    which score a detection counts.

    Args:
        model: says where its detections come from (``locations``).
        dataset: as for :func:`~fcos_edu.evaluation.coco_ap.predict`.
        threshold: the lowest score that counts, in 0..1; 0 for every detection that the model returns.
        options: ``batch_size``, ``workers``, ``precision``, ``progress``.

    Returns:
        ``detections``: how many count; ``all`` and ``different_classes``: the fractions of them in 0..1, or None where
        none counts. And ``samples``, what to compare with: ``positive``, the positive locations of the same images by
        the same rules, and the fractions ``all`` and ``different_classes`` of them (Table 2).

    Raises:
        ValueError: a threshold outside 0..1.
    """
    return ambiguous_detections_above((threshold,), model, dataset, **options)[0]


def ambiguous_detections_above(
    thresholds: Sequence[float], model: FCOS, dataset: DetectionDataset, **options: Any
) -> list[dict[str, Any]]:
    """:func:`ambiguous_detections` for each of several thresholds; the network runs once on each image."""
    wrong = [threshold for threshold in thresholds if not 0 <= threshold <= 1]
    if wrong:
        raise ValueError(f"threshold is {wrong[0]}; a score lies in 0..1")
    # All that count, those that are ambiguous, and those of different classes: of the samples, then for each threshold.
    counts = np.zeros((1 + len(thresholds), 3), dtype=np.int64)

    def step(images: list[Tensor], targets: Samples) -> NDArray[np.int64]:
        made = np.zeros_like(counts)
        for seen in model.predictions(images, targets):
            assert seen.boxes is not None
            masks = ambiguous_locations(seen.boxes, seen.grid, model.config)
            made[0] += [int(mask.sum()) for mask in masks]
            for i, detection in enumerate(model.detections(seen)):
                for row, threshold in zip(made[1:], thresholds, strict=True):
                    where = detection["locations"][detection["scores"] >= threshold]
                    ambiguous, different = masks.ambiguous[i, where], masks.different_classes[i, where]
                    row += len(where), int(ambiguous.sum()), int(different.sum())
        return made

    each_batch(step, model, dataset, take=counts.__iadd__, **options)
    samples, *rows = counts.tolist()
    compared = {"samples": _shares("positive", *samples)}
    return [_shares("detections", *row) | compared for row in rows]


def _shares(of: str, total: int, ambiguous: int, different: int) -> dict[str, Any]:
    """A count by its name, and the fractions of it."""
    return {
        of: total,
        "all": ambiguous / total if total else None,
        "different_classes": different / total if total else None,
    }


__all__ = [
    "WAYS",
    "ScoreIoU",
    "ambiguous_detections",
    "ambiguous_detections_above",
    "four_ways",
    "score_iou",
    "under",
]
