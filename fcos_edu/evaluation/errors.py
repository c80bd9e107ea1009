"""What a detector does wrong: kinds of errors, what mending each would bring, and which class is taken for which.

Taught in the chapter *How good is it*. Checked against: hand-made cases of each kind, and the numbers of ``tidecv`` on
the same detections.

The kinds are those of Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors" (ECCV 2020),
section 2. Of a detection that is not right, where t_f = 0.5 is the IoU from which a box fits and t_b = 0.1 the one up
to which it lies on background:

- ``class``: it fits a box of another class;
- ``location``: it would be right, but its IoU with a box of its class is between t_b and t_f;
- ``both``: of another class, and between t_b and t_f;
- ``duplicate``: it fits a box of its class that a higher score has already found;
- ``background``: its IoU with every box is at most t_b;

and ``missed`` are the boxes that no mended ``class`` or ``location`` error would find.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.mask import iou as mask_iou

KINDS = ("class", "location", "both", "duplicate", "background", "missed")


@dataclass
class Errors:
    """Errors of all images."""

    ap: float  # at the IoU t_f, in 0..1: COCO's AP50, with classes alone that have a box
    gain: dict[str, float]  # of each kind, the AP that is gained where its errors alone are mended (``dAP``), in 0..1
    count: dict[str, int]  # of each kind, how many there are


@dataclass
class Judged:
    """An image: its detections and boxes, and what became of each."""

    image_id: int
    found: list[dict[str, Any]]  # detections, the highest score first
    kinds: list[str]  # of each: one of KINDS, "" where it is right, "ignored" in a region where none counts
    boxes: list[dict[str, Any]]  # true ones that count
    taken: list[bool]  # whether a right detection has found each


@dataclass
class _Found:
    """A detection and what became of it."""

    category: int
    score: float
    kind: str = ""  # empty: it is right
    ignored: bool = False  # in a region where detections do not count
    box: int | None = None  # the unfound one that it would find if it were mended


@dataclass
class _Boxes:
    """All boxes that count, by number: their class, and who finds them."""

    category: list[int] = field(default_factory=list)
    found: list[bool] = field(default_factory=list)
    best: dict[int, _Found] = field(default_factory=dict)  # of those that a mended detection would find: the first


def kinds_of_errors(
    ground_truth: dict[str, Any],
    results: Sequence[dict[str, Any]],
    *,
    fits: float = 0.5,
    background: float = 0.1,
    max_detections: int = 100,
) -> Errors:
    """Sort the errors into kinds, and measure what mending each kind would bring.

    Mended is by the published definition: a ``class`` or ``location`` error becomes right if it is the best of those of
    its box and the box is not found otherwise, else it goes; the other detections go; ``missed`` boxes go.

    Args:
        ground_truth: in COCO's format; crowds and ignored boxes are regions where detections of their class do not
            count.
        results: from :func:`~fcos_edu.evaluation.coco_ap.predict`.
        fits: t_f, the IoU from which a box fits.
        background: t_b, the IoU up to which a detection lies on background.
        max_detections: of an image, the best count.

    Raises:
        ValueError: thresholds that are not 0 < background < fits <= 1.
    """
    _check(background, fits)
    boxes, detections = _Boxes(), []
    for _, truth, found in _by_image(ground_truth, results, max_detections):
        detections += _sort_image(truth, found, boxes, fits, background)
    missed = [n for n, found in enumerate(boxes.found) if not found and n not in boxes.best]
    count = {kind: sum(one.kind == kind for one in detections) for kind in KINDS} | {"missed": len(missed)}
    positives = _counts(boxes.category)
    ap = _mean_ap(detections, positives, set(positives), boxes, "")
    gain = {}
    for kind in KINDS:
        left = dict(positives)
        for n in missed if kind == "missed" else ():
            left[boxes.category[n]] -= 1
        gain[kind] = max(0.0, _mean_ap(detections, left, set(positives), boxes, kind) - ap)
    return Errors(ap, gain, count)


def judge(
    ground_truth: dict[str, Any],
    results: Sequence[dict[str, Any]],
    *,
    fits: float = 0.5,
    background: float = 0.1,
    max_detections: int = 100,
) -> list[Judged]:
    """What became of each detection and of each box, image by image in the order of the ground truth.

    Arguments and errors as for :func:`kinds_of_errors`, whose kinds these are; but a box is missed here if no detection
    has found it, whatever mending could do.
    """
    _check(background, fits)
    judged = []
    for image, truth, found in _by_image(ground_truth, results, max_detections):
        boxes = _Boxes()
        kinds = ["ignored" if one.ignored else one.kind for one in _sort_image(truth, found, boxes, fits, background)]
        judged.append(Judged(image, list(found), kinds, [box for box in truth if not _is_region(box)], boxes.found))
    return judged


def confusion_matrix(
    ground_truth: dict[str, Any], results: Sequence[dict[str, Any]], *, score: float = 0.3, fits: float = 0.5
) -> NDArray[np.int64]:
    """Which class is taken for which: ``(C + 1, C + 1)`` counts, rows the true class, columns the detected one.

    From the highest score down, a detection takes the box that it overlaps most, whatever its class, among those that
    no other has taken and whose IoU is at least ``fits``. The last row is background, where there is no such box; the
    last column are boxes that nobody has taken. Classes come in the order of the ground truth's ``categories``.

    Args:
        ground_truth: in COCO's format; in crowds and ignored boxes detections of their class do not count.
        results: from :func:`~fcos_edu.evaluation.coco_ap.predict`.
        score: lower ones are left out.
        fits: the IoU from which a detection can take a box.
    """
    place = {category["id"]: n for n, category in enumerate(ground_truth["categories"])}
    nothing = len(place)
    matrix = np.zeros((nothing + 1, nothing + 1), dtype=np.int64)
    for _, truth, found in _by_image(ground_truth, [r for r in results if r["score"] >= score], None):
        solid = [box for box in truth if not _is_region(box)]
        overlap = _overlaps(found, solid)
        region = _in_regions(found, truth, fits)
        for i, one in enumerate(found):
            column = place[one["category_id"]]
            n = int(overlap[i].argmax()) if solid else -1
            if n >= 0 and overlap[i, n] >= fits:
                matrix[place[solid[n]["category_id"]], column] += 1
                overlap[:, n] = -1
            elif not region[i]:
                matrix[nothing, column] += 1
        for n, box in enumerate(solid):
            if not found or overlap[0, n] >= 0:
                matrix[place[box["category_id"]], nothing] += 1
    return matrix


def _check(background: float, fits: float) -> None:
    if not 0 < background < fits <= 1:
        raise ValueError(f"background is {background} and fits {fits}; it must be 0 < background < fits <= 1")


def _by_image(truth: dict[str, Any], results: Sequence[dict[str, Any]], most: int | None) -> list[tuple[int, Any, Any]]:
    """Each image's id, true boxes and detections, those with the highest score first."""
    boxes, found = defaultdict(list), defaultdict(list)
    for box in truth["annotations"]:
        boxes[box["image_id"]].append(box)
    for one in results:
        found[one["image_id"]].append(one)
    images = (image["id"] for image in truth["images"])
    return [(i, boxes[i], sorted(found[i], key=lambda one: -float(one["score"]))[:most]) for i in images]


def _is_region(box: dict[str, Any]) -> bool:
    return bool(box.get("iscrowd") or box.get("ignore"))


def _overlaps(found: Sequence[dict[str, Any]], boxes: Sequence[dict[str, Any]], crowd: bool = False) -> NDArray[Any]:
    """IoU of each detection with each box; with a crowd, the share of the detection that lies in it."""
    if not found or not boxes:
        return np.zeros((len(found), len(boxes)))
    sides = ([np.asarray(one["bbox"], dtype=np.float64) for one in some] for some in (found, boxes))
    return np.array(mask_iou(*map(np.stack, sides), [crowd] * len(boxes)))


def _in_regions(found: Sequence[dict[str, Any]], truth: Sequence[dict[str, Any]], fits: float) -> NDArray[np.bool_]:
    """Whether each detection lies in a region of its class where detections do not count."""
    regions = [box for box in truth if _is_region(box)]
    inside = (_overlaps(found, regions, crowd=True) > fits) & _same_class(found, regions)
    return np.asarray(inside.any(axis=1), dtype=np.bool_)


def _same_class(found: Sequence[dict[str, Any]], boxes: Sequence[dict[str, Any]]) -> NDArray[np.bool_]:
    left, right = (np.array([one["category_id"] for one in some], dtype=np.int64) for some in (found, boxes))
    return left[:, None] == right[None]


def _sort_image(truth: Any, found: Any, boxes: _Boxes, fits: float, background: float) -> list[_Found]:
    """What became of the detections of an image; its boxes are added to the others."""
    solid = [box for box in truth if not _is_region(box)]
    first = len(boxes.category)
    boxes.category += [box["category_id"] for box in solid]
    boxes.found += [False] * len(solid)
    overlap, same = _overlaps(found, solid), _same_class(found, solid)
    own, other = overlap * same, overlap * ~same
    free, right = own.copy(), np.zeros(len(found), dtype=bool)
    for i in range(len(found) if solid else 0):
        n = int(free[i].argmax())
        if free[i, n] >= fits:
            right[i], boxes.found[first + n] = True, True
            free[:, n] = 0
    region = _in_regions(found, truth, fits)
    used = np.array(boxes.found[first:], dtype=bool)
    sorted_out = []
    for i, one in enumerate(found):
        result = _Found(one["category_id"], float(one["score"]), ignored=bool(region[i]) and not right[i])
        sorted_out.append(result)
        if right[i]:
            continue
        if not solid or overlap[i].max() <= 0:
            result.kind = "background"
        elif background <= own[i].max() <= fits:
            _mendable(result, "location", first + int(own[i].argmax()), boxes)
        elif other[i].max() >= fits:
            _mendable(result, "class", first + int(other[i].argmax()), boxes)
        elif (own[i] * used).max() >= fits:
            result.kind = "duplicate"
        else:
            result.kind = "background" if overlap[i].max() <= background else "both"
    return sorted_out


def _mendable(result: _Found, kind: str, box: int, boxes: _Boxes) -> None:
    result.kind = kind
    if not boxes.found[box]:
        result.box = box
        boxes.best.setdefault(box, result)  # the highest score comes first


def _counts(categories: Sequence[int]) -> dict[int, int]:
    return {category: categories.count(category) for category in sorted(set(categories))}


def _mean_ap(
    detections: list[_Found], positives: dict[int, int], classes: set[int], boxes: _Boxes, mended: str
) -> float:
    """The mean of the classes' AP with the errors of one kind mended."""
    points: dict[int, list[tuple[float, bool]]] = {category: [] for category in classes}
    for one in detections:
        category, right = one.category, not one.kind
        if one.kind and one.kind == mended:
            if one.box is None or boxes.best[one.box] is not one:
                continue
            category, right = boxes.category[one.box], True
        elif one.ignored:
            continue
        if category in points:
            points[category].append((one.score, right))
    aps = [_ap(points[c], positives[c]) for c in sorted(classes) if points[c] or positives[c]]
    return float(np.mean(aps)) if aps else 0.0


def _ap(points: list[tuple[float, bool]], positives: int) -> float:
    """COCO's: the mean over the recalls 0, .01, ... 1 of the best precision at this recall or a higher one."""
    if not positives or not points:
        return 0.0
    right = np.array([is_right for _, is_right in sorted(points, key=lambda point: -point[0])])
    true = right.cumsum()
    precision = np.maximum.accumulate((true / np.arange(1, len(right) + 1))[::-1])[::-1]
    at = np.searchsorted(true / positives, np.arange(101) / 100, side="left")
    return float(np.append(precision, 0.0)[at].mean())


__all__ = ["KINDS", "Errors", "Judged", "confusion_matrix", "judge", "kinds_of_errors"]
