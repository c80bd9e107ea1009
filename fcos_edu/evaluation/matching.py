"""Section 4's measure, step by step: which true box each detection was matched with, and why, as pycocotools did it.

Taught in the chapter *How good is it*. Checked against: pycocotools' own precision and recall at all 101 recalls, and
its matches, on random cases with crowds and ties.

Nothing is matched here. The verdicts are read out of pycocotools' run; only the reason of a false detection is added,
from the same overlaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .coco_ap import EvaluationError, run_coco

# hit: a free box, claimed. taken: it would fit a box that a higher score has claimed. low: it overlaps a box, too
# little. none: it overlaps no box that counts. ignored: it lies in a crowd, or on a box that is not counted.
VERDICTS = ("hit", "taken", "low", "none", "ignored")


@dataclass(frozen=True)
class Step:
    """A detection, and what became of it."""

    image_id: int
    detection: int  # its place in the results that were given
    score: float
    verdict: str  # one of VERDICTS
    box: int | None  # id of the annotation that decided: claimed, taken, too far off, or the crowd
    overlap: float  # IoU with it, 0..1; with a crowd, the share of the detection that lies in it; 0 without a box
    by: int | None  # of a taken box, the step that has claimed it


@dataclass(frozen=True)
class Matching:
    """All detections of one class, best score first, and the curve that follows."""

    iou: float
    steps: tuple[Step, ...]
    total: int  # true boxes that count
    sampled: NDArray[np.float64]  # (101,) precision at the recalls 0, .01, ... 1, as pycocotools has it
    recalls: NDArray[np.float64]  # (101,) those recalls

    @property
    def ap(self) -> float:
        """The mean of ``sampled``, 0..1: AP of this class at this IoU."""
        return float(self.sampled.mean())

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Recall and precision after each step, ``(K,)`` each; where nothing counts yet precision is 0."""
        right = np.cumsum([step.verdict == "hit" for step in self.steps])
        wrong = np.cumsum([step.verdict in ("taken", "low", "none") for step in self.steps])
        return right / self.total, right / np.maximum(right + wrong, 1)


def matching(
    ground_truth: dict[str, Any], results: Sequence[dict[str, Any]], category_id: int, *, iou: float = 0.5
) -> Matching:
    """What pycocotools did with the detections of one class, in the order in which it counts them.

    Args:
        ground_truth: in COCO's format, as for :func:`~fcos_edu.evaluation.coco_ap.run_coco`.
        results: from :func:`~fcos_edu.evaluation.coco_ap.predict`; other classes are left out. As COCO has it, the best
            100 of an image are counted.
        category_id: the class.
        iou: the threshold, above 0 and up to 1.

    Raises:
        EvaluationError: the class has no box that counts, an annotation has the id 0 (pycocotools would take its match
            for none), or as :func:`~fcos_edu.evaluation.coco_ap.run_coco`.
        ValueError: an IoU outside its range.
    """
    if not 0 < iou <= 1:
        raise ValueError(f"iou is {iou}; it must be above 0 and at most 1")
    boxes = [box for box in ground_truth["annotations"] if box["category_id"] == category_id]
    if any(box["id"] == 0 for box in boxes):
        raise EvaluationError("an annotation has the id 0, which pycocotools reads as 'no match'; count from 1")
    places = [i for i, one in enumerate(results) if one["category_id"] == category_id]
    run = run_coco(dict(ground_truth, annotations=boxes), [results[i] for i in places], ious=[iou])
    kind = list(run.params.catIds).index(category_id)
    sampled = run.eval["precision"][0, :, kind, 0, -1]  # (101,) all sizes, 100 detections
    if sampled.min() < 0:
        raise EvaluationError(f"category {category_id} has ignored boxes alone ({len(boxes)}); AP is not defined")
    steps = _steps(run, kind, category_id, places) if places else []
    total = sum(not (box.get("iscrowd") or box.get("ignore")) for box in boxes)
    return Matching(float(iou), tuple(steps), total, sampled, np.array(run.params.recThrs))


def _steps(run: Any, kind: int, category_id: int, places: Sequence[int]) -> list[Step]:
    """The detections of all images, by score; pycocotools sorts them stably, image after image."""
    many = len(run.params.imgIds)
    first = kind * len(run.params.areaRng) * many  # the entries of "all sizes"
    steps = []
    for entry in run.evalImgs[first : first + many]:
        if entry is not None:
            steps += _of_image(run, entry, category_id, places)
    order = np.argsort([-step.score for step in steps], kind="mergesort")
    steps = [steps[i] for i in order]
    claimed = {(step.image_id, step.box): n for n, step in enumerate(steps) if step.verdict == "hit"}
    taken = {n: claimed[step.image_id, step.box] for n, step in enumerate(steps) if step.verdict == "taken"}
    return [Step(**{**vars(step), "by": taken.get(n)}) for n, step in enumerate(steps)]


def _of_image(run: Any, entry: dict[str, Any], category_id: int, places: Sequence[int]) -> list[Step]:
    image = int(entry["image_id"])
    overlaps = np.asarray(run.ious[image, category_id]).reshape(len(entry["dtIds"]), len(entry["gtIds"]))
    truths = run.cocoGt.getAnnIds(imgIds=[image], catIds=[category_id])  # the columns of the overlaps, in their order
    columns = {number: n for n, number in enumerate(truths)}
    counted = [box for box, ignored in zip(entry["gtIds"], entry["gtIgnore"], strict=True) if not ignored]
    least = min(float(run.params.iouThrs[0]), 1 - 1e-10)  # as pycocotools has it
    steps = []
    for row, number, score, match, ignored in zip(
        overlaps, entry["dtIds"], entry["dtScores"], entry["dtMatches"][0], entry["dtIgnore"][0], strict=True
    ):
        box: int | None = int(match) or max(counted, key=lambda each: row[columns[each]], default=None)
        overlap = 0.0 if box is None else float(row[columns[box]])
        if ignored:
            verdict = "ignored"
        elif match:
            verdict = "hit"
        else:
            verdict = "taken" if overlap >= least else "low" if overlap > 0 else "none"
        box = None if verdict == "none" else box
        steps.append(Step(image, places[int(number) - 1], float(score), verdict, box, overlap, None))
    return steps


__all__ = ["VERDICTS", "Matching", "Step", "matching"]
