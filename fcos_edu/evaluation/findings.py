"""All that can be said of a detector's detections: what ``fcos-edu evaluate`` reports, as numbers.

Taught in the chapter *How good is it*. Checked against: the functions that it puts together, and pycocotools' AP of one
class alone. The page that shows it is made by :mod:`fcos_edu.report`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

from .coco_ap import metrics_of, run_coco
from .errors import KINDS, Errors, Judged, confusion_matrix, judge, kinds_of_errors
from .reliability import Best, Bin, Interval, ap_intervals, best_threshold, calibration

SCORE = 0.3  # from which a detection is drawn, and counts in the confusion matrix and in the worst images
WORST = 12  # images


@dataclass(frozen=True)
class ClassFindings:
    """One class. Its APs are None where it has no box."""

    name: str
    category_id: int
    boxes: int
    images: int  # that have one
    ap: float | None  # 0..1
    ap50: float | None
    ap75: float | None
    recall: float | None  # AR100
    interval: Interval | None  # of its AP


@dataclass(frozen=True)
class WorstImage:
    """An image with many errors, of detections of at least the score."""

    file_name: str
    judged: Judged
    right: int
    false: dict[str, int]  # of each kind of error
    missed: int  # boxes that no detection of that score has found

    @property
    def wrong(self) -> int:
        """How many errors."""
        return sum(self.false.values()) + self.missed


@dataclass(frozen=True)
class Findings:
    """What became of the detections of a data set; all shares in 0..1."""

    metrics: dict[str, float | None]  # COCO's twelve numbers
    interval: Interval | None  # of AP
    resamples: int
    images: int
    boxes: int  # that count: crowds do not
    detections: int
    classes: list[ClassFindings]
    errors: Errors
    score: float  # from which detections count in what follows
    confusion: NDArray[np.int64]  # (C + 1, C + 1), rows the true class, columns the detected one, background last
    calibration: list[Bin]  # of all detections
    calibration_error: float | None
    best: Best | None  # threshold
    worst: list[WorstImage]  # the one with most errors first

    def to_dict(self) -> dict[str, Any]:
        """For a JSON file: COCO's twelve numbers, and beside them all the rest."""
        names = [one.name for one in self.classes]
        return {
            **self.metrics,
            "AP_95": self.interval,
            "resamples": self.resamples,
            "images": self.images,
            "boxes": self.boxes,
            "detections": self.detections,
            "classes": [
                {"name": one.name, "boxes": one.boxes, "images": one.images, "AP": one.ap, "AP50": one.ap50,
                 "AP75": one.ap75, "AR100": one.recall, "AP_95": one.interval}
                for one in self.classes
            ],
            "errors": {
                kind: {"count": self.errors.count[kind], "AP50_gain": self.errors.gain[kind]} for kind in KINDS
            },
            "confusion": {
                "score": self.score, "iou": 0.5, "rows": [*names, "background"], "columns": [*names, "background"],
                "counts": self.confusion.tolist(),
            },
            "reliability": {
                "bins": [one._asdict() for one in self.calibration],
                "calibration_error": self.calibration_error,
                "best_threshold": None if self.best is None else self.best._asdict(),
            },
            "worst": [_worst_dict(one) for one in self.worst],
        }  # fmt: skip


def _worst_dict(image: WorstImage) -> dict[str, Any]:
    judged = image.judged
    return {
        "image_id": judged.image_id,
        "file_name": image.file_name,
        "right": image.right,
        "false": image.false,
        "missed": image.missed,
        "detections": [
            {key: one[key] for key in ("category_id", "bbox", "score")} | {"kind": kind or "right"}
            for one, kind in zip(judged.found, judged.kinds, strict=True)
        ],
        "boxes": [
            {key: box[key] for key in ("category_id", "bbox")} | {"found": found}
            for box, found in zip(judged.boxes, judged.taken, strict=True)
        ],
    }


def findings(
    ground_truth: dict[str, Any], results: Sequence[dict[str, Any]], *, score: float = SCORE, worst: int = WORST
) -> Findings:
    """Measure everything.

    Args:
        ground_truth: in COCO's format.
        results: from :func:`~fcos_edu.evaluation.coco_ap.predict`.
        score: of the detections that count in the confusion matrix and in the worst images.
        worst: how many images with errors to name.

    Raises:
        EvaluationError: as :func:`~fcos_edu.evaluation.coco_ap.run_coco`.
    """
    run = run_coco(ground_truth, results)
    interval, of_classes, resamples = ap_intervals(run)
    judged = judge(ground_truth, results)
    bins, distance = calibration(judged)
    return Findings(
        metrics_of(run), interval, resamples, len(ground_truth["images"]), sum(len(one.boxes) for one in judged),
        len(results), _classes(ground_truth, judged, run, of_classes), kinds_of_errors(ground_truth, results), score,
        confusion_matrix(ground_truth, results, score=score), bins, distance, best_threshold(judged),
        _worst(ground_truth, [one for one in results if one["score"] >= score], worst),
    )  # fmt: skip


def _classes(
    truth: dict[str, Any], judged: Sequence[Judged], run: COCOeval, intervals: Sequence[Interval | None]
) -> list[ClassFindings]:
    """Of each class, in the order of the ground truth's categories; pycocotools sorts them by id."""
    boxes, images = Counter[int](), Counter[int]()
    for image in judged:
        inside = [box["category_id"] for box in image.boxes]
        boxes.update(inside)
        images.update(set(inside))
    place = {category: k for k, category in enumerate(run.params.catIds)}
    precision, recall = run.eval["precision"][..., 0, -1], run.eval["recall"][..., 0, -1]  # (T, R, C), (T, C)
    made = []
    for category in truth["categories"]:
        number, k = category["id"], place[category["id"]]
        values = (precision[:, :, k], precision[0, :, k], precision[5, :, k], recall[:, k])
        ap, ap50, ap75, ar = (float(v.mean()) if boxes[number] else None for v in values)
        made.append(
            ClassFindings(
                str(category["name"]), number, boxes[number], images[number], ap, ap50, ap75, ar,
                intervals[k] if boxes[number] else None,
            )
        )  # fmt: skip
    return made


def _worst(truth: dict[str, Any], clear: Sequence[dict[str, Any]], most: int) -> list[WorstImage]:
    """The images with most errors; of as many, those where they are the larger share."""
    names = {image["id"]: str(image.get("file_name", image["id"])) for image in truth["images"]}
    seen = []
    for image in judge(truth, clear):
        kinds = Counter(kind for kind in image.kinds if kind and kind != "ignored")
        false = {kind: kinds[kind] for kind in KINDS if kinds[kind]}
        one = WorstImage(names[image.image_id], image, image.kinds.count(""), false, image.taken.count(False))
        if one.wrong:
            seen.append(one)
    return sorted(seen, key=lambda one: (-one.wrong, one.right, one.judged.image_id))[:most]


__all__ = ["SCORE", "WORST", "ClassFindings", "Findings", "WorstImage", "findings"]
