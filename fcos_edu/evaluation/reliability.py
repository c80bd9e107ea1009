"""How far figures can be trusted: the chance in AP, and what a score is worth.

Taught in the chapter *How good is it*. Checked against: pycocotools on data sets in which images occur several times,
and hand-made detections.

Another test set of the same size would have given another AP. How different it might have been, the images themselves
tell: drawn anew with replacement, many times, they give as many APs (Efron's bootstrap; images are drawn and not boxes,
because those of one image are alike).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

from .errors import Judged

FEWEST = 5  # images with boxes, from which on drawing them anew tells something
RESAMPLES = 500
MANY = 100_000  # detections above which a fifth of the resamples has to do


class Interval(NamedTuple):
    """Where 95 of 100 resamples lie."""

    low: float  # 0..1
    high: float


class Bin(NamedTuple):
    """Detections whose scores lie in ``low < score <= high``; of the first, also those at ``low``."""

    low: float
    high: float
    detections: int
    score: float | None  # their mean; None where there are none
    precision: float | None  # the share that is right


class Best(NamedTuple):
    """The score from which on precision and recall are best together."""

    score: float
    precision: float
    recall: float
    f1: float  # their harmonic mean


@dataclass(frozen=True)
class _Class:
    """Detections of a class by falling score, as pycocotools has matched them."""

    right: NDArray[np.float64]  # (T, D) for each IoU
    wrong: NDArray[np.float64]  # (T, D)
    image: NDArray[np.int64]  # (D,) which of the N images
    boxes: NDArray[np.float64]  # (N,) how many there are to find


def ap_intervals(
    run: COCOeval, *, resamples: int | None = None, seed: int = 0
) -> tuple[Interval | None, list[Interval | None], int]:
    """95 % intervals of AP and of the AP of each class, over images drawn anew.

    Args:
        run: from :func:`~fcos_edu.evaluation.coco_ap.run_coco`.
        resamples: how many times; None for ``RESAMPLES``, fewer for very many detections.
        seed: of the drawing; the same one gives the same intervals.

    Returns:
        The interval of AP, those of the classes in the order of the categories, and the number of resamples. An
        interval is None where fewer than ``FEWEST`` images have a box: drawn anew, they would show too little.
    """
    classes = [_class_of(run, k) for k in range(len(run.params.catIds))]
    if resamples is None:
        resamples = RESAMPLES if sum(len(one.image) for one in classes) <= MANY else RESAMPLES // 5
    images, generator = len(run.params.imgIds), np.random.default_rng(seed)
    drawn = np.full((resamples, len(classes)), np.nan)
    for row in drawn:
        weights = np.bincount(generator.integers(images, size=images), minlength=images).astype(np.float64)
        row[:] = [_weighted_ap(one, weights, run.params.recThrs) for one in classes]
    own = [_interval(drawn[:, k]) if np.count_nonzero(one.boxes) >= FEWEST else None for k, one in enumerate(classes)]
    held = drawn[~np.isnan(drawn).all(axis=1)]
    with_boxes = np.count_nonzero(np.sum([one.boxes for one in classes], axis=0))
    return (_interval(np.nanmean(held, axis=1)) if with_boxes >= FEWEST else None), own, resamples


def _class_of(run: COCOeval, k: int) -> _Class:
    """What pycocotools' accumulate takes of a class, for boxes of all sizes."""
    images, areas, most = len(run.params.imgIds), len(run.params.areaRng), run.params.maxDets[-1]
    first = k * areas * images
    seen = [(n, entry) for n, entry in enumerate(run.evalImgs[first : first + images]) if entry is not None]
    boxes = np.zeros(images)
    for n, entry in seen:
        boxes[n] = np.count_nonzero(np.asarray(entry["gtIgnore"]) == 0)
    thresholds = len(run.params.iouThrs)
    scores = np.concatenate([np.zeros(0), *(entry["dtScores"][:most] for _, entry in seen)])
    order = np.argsort(-scores, kind="mergesort")

    def joined(key: str) -> NDArray[np.bool_]:
        parts = [np.asarray(entry[key])[:, :most] != 0 for _, entry in seen]
        return np.concatenate([np.zeros((thresholds, 0), bool), *parts], axis=1)[:, order]

    image = np.concatenate([np.zeros(0, int), *(np.full(len(e["dtScores"][:most]), n) for n, e in seen)])[order]
    matched, counts = joined("dtMatches"), ~joined("dtIgnore")
    right, wrong = matched & counts, ~matched & counts
    end = (
        int(np.flatnonzero(right.any(axis=0)).max(initial=-1)) + 1
    )  # what comes behind the last right one is no matter
    return _Class(right[:, :end].astype(float), wrong[:, :end].astype(float), image[:end], boxes)


def _weighted_ap(one: _Class, weights: NDArray[np.float64], recalls: NDArray[np.float64]) -> float:
    """COCO's AP over the IoUs where each image comes ``weights`` times; NaN without boxes.

    A detection that comes several times is one step of the curve: the steps between would lie below its end. (Of equal
    scores in one image, pycocotools would take turns; of floats that is no matter.)
    """
    positives = weights @ one.boxes
    if not positives:
        return float("nan")
    if not len(one.image):
        return 0.0
    times = weights[one.image]
    right, wrong = (one.right * times).cumsum(axis=1), (one.wrong * times).cumsum(axis=1)
    precision = right / np.maximum(right + wrong, np.spacing(1))
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    best = np.concatenate([best, np.zeros((len(best), 1))], axis=1)
    total = sum(
        row[np.searchsorted(found / positives, recalls, side="left")].mean()
        for row, found in zip(best, right, strict=True)
    )
    return float(total / len(best))


def _interval(values: NDArray[np.float64]) -> Interval | None:
    values = values[~np.isnan(values)]
    return Interval(*np.percentile(values, (2.5, 97.5)).tolist()) if len(values) else None


def calibration(judged: Sequence[Judged], bins: int = 10) -> tuple[list[Bin], float | None]:
    """Scores against the share that is right, and their mean distance (the expected calibration error).

    Args:
        judged: from :func:`~fcos_edu.evaluation.errors.judge`; ignored detections do not count.
        bins: of equal width in 0..1.

    Returns:
        The bins, and the distance in 0..1: None without detections.
    """
    scores, right = _scored(judged)
    place = np.clip(np.ceil(scores * bins).astype(int) - 1, 0, bins - 1)
    made, distance = [], 0.0
    for k in range(bins):
        inside = place == k
        count = int(inside.sum())
        score, precision = (float(v[inside].mean()) if count else None for v in (scores, right))
        made.append(Bin(k / bins, (k + 1) / bins, count, score, precision))
        if score is not None and precision is not None:
            distance += count * abs(score - precision)
    return made, distance / len(scores) if len(scores) else None


def best_threshold(judged: Sequence[Judged]) -> Best | None:
    """The score from which on F1 is highest, of all classes together; None where nothing is right."""
    scores, right = _scored(judged)
    boxes = sum(len(image.boxes) for image in judged)
    if not boxes or not right.any():
        return None
    order = np.argsort(-scores, kind="stable")
    scores, found = scores[order], right[order].cumsum()
    f1 = 2 * found / (np.arange(1, len(found) + 1) + boxes)
    last = np.append(scores[1:] < scores[:-1], True)  # of equal scores all are taken or none
    k = int(np.where(last, f1, -1).argmax())
    return Best(float(scores[k]), float(found[k] / (k + 1)), float(found[k] / boxes), float(f1[k]))


def _scored(judged: Sequence[Judged]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores (D,), and 1 for each that is right."""
    pairs = [
        (float(one["score"]), not kind)
        for image in judged
        for one, kind in zip(image.found, image.kinds, strict=True)
        if kind != "ignored"
    ]
    scores, right = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return scores, right


__all__ = ["Best", "Bin", "Interval", "ap_intervals", "best_threshold", "calibration"]
