"""Lab 5, third part: how good detections are, hits and average precision (section 4).

Taught in the chapter *How good is it*. Checked against: pycocotools' average precision; mutants and right variants in
the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_iou

from ..question import NOTHING, Case, Draw, Known, close, question

CHAPTER = "11_average_precision"


# ---------------------------------------------------------------------- find_hits
def _judged(draw: Draw) -> Iterator[Case]:
    for threshold in (0.5, 0.6):
        # One in each quarter of the picture: no detection fits two of them, but where that is what is asked.
        quarters = torch.tensor([[0.0, 0, 0, 0], [80, 0, 80, 0], [0, 48, 0, 48], [80, 48, 80, 48]])
        truth = torch.cat([draw.boxes(1, 80, 48, least=30) for _ in range(4)]) + quarters
        near = torch.cat([truth + torch.tensor([draw.number(-5, 5) for _ in range(4)]) for _ in range(2)])
        found = torch.cat([near, draw.boxes(3)])
        order = torch.tensor(draw.sample(range(len(found)), len(found)))
        yield Case((found[order], draw.scores(len(found)), truth, threshold))
    # Each is one third of the other: a part of an object, and a box far too large.
    parts = torch.tensor([[12.0, 10, 22, 40], [100, 5, 190, 35]])
    yield Case((parts, draw.scores(2), torch.tensor([[10.0, 10, 40, 40], [130, 5, 160, 35]]), 0.5))
    # IoU 0.4 and 0.6: a hit or not, as the threshold says.
    pair, wide = torch.tensor([[0.0, 0, 12, 10], [50, 0, 68, 10]]), torch.tensor([[0.0, 0, 30, 10], [50, 0, 80, 10]])
    yield Case((pair, draw.scores(2), wide, 0.3))
    yield Case((pair, draw.scores(2), wide, 0.75))
    # Apart in both directions: two negative sides would multiply to a large area.
    apart = torch.tensor([[0.0, 0, 10, 10], [60, 40, 70, 50]])
    yield Case((apart, draw.scores(2), torch.tensor([[19.0, 19, 29, 29]]), 0.5))
    # The best one is a miss, far from both objects; two hits follow.
    after = torch.tensor([[300.0, 90, 320, 99], [0, 0, 30, 10], [50, 0, 80, 10]])
    yield Case((after, torch.tensor([0.9, 0.7, 0.8]), wide, 0.5))
    one = torch.tensor([[10.0, 10, 50, 50]])
    three = one + torch.tensor([[4.0, 0, 4, 0], [1, 0, 1, 0], [90, 0, 90, 0]])
    yield Case((three, torch.tensor([0.6, 0.9, 0.7]), one, 0.5), "an object that is found twice")
    yield Case((three, torch.tensor([0.9, 0.6, 0.7]), one, 0.5), "an object that is found twice")
    exact = torch.tensor([[0.0, 0, 15, 10], [40, 0, 52, 10]])
    yield Case((exact, torch.tensor([0.9, 0.8]), torch.tensor([[0.0, 0, 30, 10], [40, 0, 70, 10]]), 0.5),
               "an IoU exactly at the threshold")  # fmt: skip
    twins = torch.tensor([[0.0, 0, 40, 40], [8, 0, 48, 40]])
    found = torch.tensor([[1.0, 0, 41, 40], [0, 0, 40, 40]])
    yield Case((found, torch.tensor([0.9, 0.8]), twins, 0.5), "two objects close together")
    found = torch.tensor([[0.0, 0, 40, 40], [16, 0, 56, 40]])
    yield Case((found, torch.tensor([0.9, 0.8]), twins.flip(0), 0.5), "two objects close together")
    yield Case((one, torch.tensor([0.5]), torch.zeros(0, 4), 0.5), "an image without objects")
    yield Case((torch.zeros(0, 4), torch.zeros(0), one, 0.5), NOTHING)


def _size(b: Tensor) -> Tensor:
    return (b[:, 2:] - b[:, :2]).prod(1)


def _inter(a: Tensor, b: Tensor) -> Tensor:
    side = torch.minimum(a[:, None, 2:], b[:, 2:]) - torch.maximum(a[:, None, :2], b[:, :2])
    return side.clamp(min=0).prod(2)


def _unclamped(a: Tensor, b: Tensor) -> Tensor:
    inter = (torch.minimum(a[:, None, 2:], b[:, 2:]) - torch.maximum(a[:, None, :2], b[:, :2])).prod(2)
    return inter / (_size(a)[:, None] + _size(b) - inter)


def _hits(
    b: Tensor, s: Tensor, truth: Tensor, t: float, *, again: bool = False, open_: bool = False, sort: int = 1,
    only_best: bool = False, first: bool = False, misses: bool = False,
    measure: Callable[[Tensor, Tensor], Tensor] = box_iou,
) -> Tensor:  # fmt: skip
    hit = torch.zeros(len(b), dtype=torch.bool)
    free = [True] * len(truth)
    order = s.argsort(descending=sort > 0, stable=True).tolist() if sort else range(len(b))
    for i in order:
        overlap = measure(b[[i]], truth)[0].tolist()
        fits = [j for j, v in enumerate(overlap) if (v > t if open_ else v >= t) and (again or only_best or free[j])]
        if misses and any(free) and not fits:
            free[max((k for k in range(len(truth)) if free[k]), key=lambda k: overlap[k])] = False
        if not fits:
            continue
        j = fits[0] if first else max(fits, key=lambda k: overlap[k])
        hit[i] = again or free[j]
        free[j] = False
    return hit


def _claims_all(boxes: Tensor, scores: Tensor, truth: Tensor, threshold: float) -> Tensor:
    hit, free = torch.zeros(len(boxes), dtype=torch.bool), torch.ones(len(truth), dtype=torch.bool)
    for i in scores.argsort(descending=True, stable=True).tolist():
        fits = (box_iou(boxes[[i]], truth)[0] >= threshold) & free
        hit[i] = fits.any()
        free &= ~fits
    return hit


def _nearest_first(b: Tensor, s: Tensor, truth: Tensor, t: float) -> Tensor:
    hit, overlap = torch.zeros(len(b), dtype=torch.bool), box_iou(b, truth)
    while overlap.numel() and overlap.max() >= t:
        i, j = divmod(int(overlap.argmax()), len(truth))
        hit[i], overlap[i], overlap[:, j] = True, -1, -1
    return hit


def _until_a_miss(scores: Tensor, hits: Tensor) -> Tensor:
    order = scores.argsort(descending=True)
    return torch.zeros_like(hits).scatter(0, order, hits[order].long().cumprod(0).bool())


@question(
    5,
    "Hits and misses",
    _hits,
    _judged,
    [
        ("an object found twice counts twice", "Each object can be claimed once: a second detection of it is no hit.",
         lambda *a: _hits(*a, again=True)),
        ("in the given order", "The detection with the highest score claims its object first.",
         lambda *a: _hits(*a, sort=0)),
        ("the lowest score first", "The detection with the highest score claims its object first, not the lowest.",
         lambda *a: _hits(*a, sort=-1)),
        ("an IoU at the threshold is no hit", "An IoU exactly at the threshold is enough.",
         lambda *a: _hits(*a, open_=True)),
        ("only the nearest object", "If the nearest object is taken, another one that fits may still be free.",
         lambda *a: _hits(*a, only_best=True)),
        ("the first object that fits", "Of several objects a detection claims the one that it fits best.",
         lambda *a: _hits(*a, first=True)),
        ("in the order of the scores", "Answer in the order in which the detections were given.",
         lambda b, s, g, t: _hits(b, s, g, t)[s.argsort(descending=True, stable=True)]),
        ("no case without objects", "There may be no object: then nothing is a hit.",
         lambda b, s, g, t: _hits(b, s, g, t) & (box_iou(b, g).amax(1) >= 0)),
        ("every detection is a hit", "A detection has to overlap an object well enough.",
         lambda b, s, g, t: torch.ones(len(b), dtype=torch.bool)),
        ("an answer for each object", "Asked is an answer for each detection, not for each object.",
         lambda b, s, g, t: (box_iou(b, g) >= t).any(0)),
        ("a miss claims its object", "A detection that overlaps too little claims nothing: the object stays free.",
         lambda b, s, g, t: _hits(b, s, g, t, misses=True)),
        ("each object claims its best detection", "Detections claim objects, by score; not the other way round.",
         lambda b, s, g, t: torch.zeros(len(b), dtype=torch.bool).index_fill(
             0, box_iou(b, g).argmax(0)[box_iou(b, g).amax(0) >= t], True)
         if len(b) and len(g) else torch.zeros(len(b))),
        ("the IoU itself", "Asked is whether it is a hit, not how much it overlaps.",
         lambda b, s, g, t: box_iou(b, g).amax(1) if len(g) else torch.zeros(len(b))),
        ("only the first object", "All objects count, not just the first one.",
         lambda b, s, g, t: _hits(b, s, g[:1], t)),
        ("the intersection over one box", "Divide the intersection by the union, not by one of the areas.",
         lambda b, s, g, t: _hits(b, s, g, t, measure=lambda x, y: _inter(x, y) / _size(y))),
        ("the intersection over one box", "Divide the intersection by the union, not by one of the areas.",
         lambda b, s, g, t: _hits(b, s, g, t, measure=lambda x, y: _inter(x, y) / _size(x)[:, None])),
        ("a threshold of one's own", "The threshold is given: use it, it is not always 0.5.",
         lambda b, s, g, t: _hits(b, s, g, 0.5)),
        ("sides of the intersection below zero",
         "Boxes that are apart have no intersection: its sides must not be negative.",
         lambda b, s, g, t: _hits(b, s, g, t, measure=_unclamped)),
        ("a detection claims all that it fits", "A detection claims one object, the one that it fits best.",
         _claims_all),
        ("by IoU instead of score", "The detection with the highest score claims its object first, not the nearest.",
         _nearest_first),
        ("stops at the first miss", "A miss does not end the walk: go on with the next detection.",
         lambda b, s, g, t: _until_a_miss(s, _hits(b, s, g, t))),
        ("only one hit", "Each object may have its hit: go on after the first one.",
         lambda b, s, g, t: (h := _hits(b, s, g, t)) & (s >= (h * s).amax()) if len(b) else s > 1),
        ("indices of the hits", "Asked is a yes or no for each detection, not which ones are hits.",
         lambda b, s, g, t: _hits(b, s, g, t).nonzero()[:, 0]),
    ],
    chapter=CHAPTER,
)  # fmt: skip
def find_hits(boxes: Tensor, scores: Tensor, truth: Tensor, threshold: float) -> Tensor:
    """Which detections of one image and one class are hits.

    By score, highest first, each detection claims the object with which its IoU is largest, among those that no better
    detection has claimed and whose IoU is at least the threshold. If there is one, it is a hit.

    Args:
        boxes: (N, 4) detections, x0, y0, x1, y1, in any order; N may be 0.
        scores: (N,), no two equal.
        truth: (M, 4) the objects; M may be 0.
        threshold: the least IoU of a hit.

    Returns:
        (N,) bool, in the order of ``boxes``.
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- average_precision
def _rankings(draw: Draw) -> Iterator[Case]:
    for count in (12, 20, 9):
        hits = [draw.random() < 0.55 for _ in range(count)]
        hits[:4] = [True, False, False, True]
        # No recall but 0 and 1 is a hundredth: whether one equals k / 100 in binary digits is nobody's mistake.
        total = draw.choice([prime for prime in (7, 11, 13, 17, 19, 23) if prime > sum(hits) + 1])
        yield Case((torch.tensor(hits), total))
    yield Case((torch.tensor([False, True, True, False, True]), 3), "a miss before the first hit")
    yield Case((torch.tensor([True, True]), 2), "a perfect detector")
    yield Case((torch.tensor([False, False]), 3), "a detector that finds nothing")
    yield Case((torch.zeros(0, dtype=torch.bool), 3), NOTHING)


def _precisions(hits: Tensor, total: int) -> tuple[Tensor, Tensor]:
    counted = hits.double().cumsum(0)
    return counted / total, counted / torch.arange(1, len(hits) + 1)


def average_precision_of(
    hits: Tensor, total: int, *, recalls: int = 101, falling: bool = True, wrong_side: bool = False,
    precision_of: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> float:  # fmt: skip
    """COCO's average precision of a ranking; what is named makes mutants of it."""
    recall, precision = _precisions(hits, total)
    if precision_of is not None:
        precision = precision_of(hits.double().cumsum(0), torch.arange(1, len(hits) + 1))
    if wrong_side and len(hits):
        precision = precision.cummax(0).values
    elif falling and len(hits):
        precision = precision.flip(0).cummax(0).values.flip(0)
    asked = torch.from_numpy(np.linspace(0, 1, recalls))
    padded = torch.cat([precision, precision.new_zeros(1)])
    return padded[torch.searchsorted(recall, asked)].mean().item()


def _area_under(hits: Tensor, total: int, start: float | None = None) -> float:
    """By trapezoids; with a first point at recall 0 where ``start`` is its precision."""
    recall, precision = _precisions(hits, total)
    if start is not None:
        recall, precision = (F.pad(one, (1, 0), value=value) for one, value in ((recall, 0.0), (precision, start)))
    return float(torch.trapezoid(precision, recall)) if len(hits) else 0.0


def _straight(hits: Tensor, total: int) -> float:
    if not len(hits):
        return 0.0
    recall, precision = _precisions(hits, total)
    return float(np.mean(np.interp(np.linspace(0, 1, 101), recall.numpy(), precision.numpy(), right=0.0)))


def _to_the_end(hits: Tensor, total: int) -> float:
    if not len(hits):
        return 0.0
    missing = sum(x > float(_precisions(hits, total)[0][-1]) for x in np.linspace(0, 1, 101).tolist())
    return average_precision_of(hits, total) + missing * float(_precisions(hits, total)[1][-1]) / 101


_ALSO_AVERAGE_PRECISION: Known = [  # less frequent ones
    ("the area by trapezoids", "Ask at 101 recalls: the curve is made of steps, and it is made falling first.",
     lambda h, n: _area_under(h, n, 1.0)),
    ("precision at that recall or before", "What counts is the best precision at that recall or beyond it.",
     lambda h, n: float(np.mean([float(p[r <= x].min()) if (r <= x).any() else 1.0 for x in np.linspace(0, 1, 101)
                                 for r, p in [_precisions(h, n)]])) if len(h) else 0.0),
    ("the last precision where the recall is never reached", "A recall that is never reached counts with precision 0.",
     lambda h, n: _to_the_end(h, n)),
    ("beyond a recall only", "The best precision at a recall or beyond it counts, at 1 too: ask 101 times, with >=.",
     lambda h, n: float(np.mean([float(p[r > x].max()) if (r > x).any() else 0.0 for x in np.linspace(0, 1, 101)
                                 for r, p in [_precisions(h, n)]]))),
    ("a straight line between the points", "The best precision at that recall or beyond counts: the curve is of steps.",
     lambda h, n: _straight(h, n)),
    ("one detection too many below the line", "Precision is hits so far / detections so far: the first is number 1.",
     lambda h, n: average_precision_of(h, n, precision_of=lambda c, k: c / (k + 1))),
]  # fmt: skip


@question(
    5,
    "Average precision",
    average_precision_of,
    _rankings,
    [
        ("the curve not made falling", "At each recall the best precision there or beyond counts: it never rises.",
         lambda h, n: average_precision_of(h, n, falling=False)),
        ("eleven recalls", "COCO asks at 101 recalls; eleven were VOC's until 2009.",
         lambda h, n: average_precision_of(h, n, recalls=11)),
        ("the mean precision at the hits", "Ask at the 101 recalls; objects that are never found count too.",
         lambda h, n: (_precisions(h, n)[1][h].mean().item() if h.any() else 0.0)),
        ("the precision of all detections", "This is one point of the curve: ask at all 101 recalls.",
         lambda h, n: (h.double().mean().item() if len(h) else 0.0)),
        ("the recall", "This is the recall that is reached; precision counts too.", lambda h, n: h.sum().item() / n),
        ("recall by the hits instead of the objects", "Recall divides by the number of objects, found or not.",
         lambda h, n: average_precision_of(h, max(1, int(h.sum())))),
        ("recall by the detections instead of the objects",
         "Recall divides by the number of objects, not of detections.",
         lambda h, n: average_precision_of(h, max(1, len(h)))),
        ("the sum over the hits by the objects",
         "This is the area in steps; COCO asks at 101 recalls, of a falling curve.",
         lambda h, n: (_precisions(h, n)[1][h].sum().item() / n)),
        ("the area in steps", "This is the area under the falling curve; COCO takes the mean at 101 recalls.",
         lambda h, n: (_precisions(h, n)[1].flip(0).cummax(0).values.flip(0)[h].sum().item() / n) if len(h) else 0.0),
        ("the area by trapezoids", "Ask at 101 recalls: the curve is made of steps, and it is made falling first.",
         _area_under),
        ("the mean of the curve", "The mean is taken over 101 recalls, not over the detections.",
         lambda h, n: _precisions(h, n)[1].mean().item() if len(h) else 0.0),
        ("recalls that are never reached left out", "Recalls that are never reached count with precision 0.",
         lambda h, n: (average_precision_of(h, n) * 101 / max(1, (torch.from_numpy(np.linspace(0, 1, 101))
                       <= h.sum() / n).sum().item())) if h.any() else 0.0),
        ("no case without detections", "There may be no detection at all: AP then is 0.",
         lambda h, n: average_precision_of(h, n) + 0 * h.double().max().item()),
        ("100 recalls", "There are 101 recalls, from 0 to 1, both included.",
         lambda h, n: (101 * average_precision_of(h, n) - float(_precisions(h, n)[1].max())) / 100
         if h.any() else 0.0),
        ("100 recalls", "There are 101 recalls, from 0 to 1, both included: divide by 101.",
         lambda h, n: 1.01 * average_precision_of(h, n)),
        ("the best precision", "This is the highest point of the curve: take the mean over 101 recalls.",
         lambda h, n: _precisions(h, n)[1].max().item() if len(h) else 0.0),
        ("the curve made falling from the wrong side", "What counts is the best precision at that recall or beyond it.",
         lambda h, n: average_precision_of(h, n, wrong_side=True)),
        ("the recall of the detection before", "Ask for the precision where the recall is reached, not before it.",
         lambda h, n: sum(max([b for a, b in zip(*(c.tolist() for c in _precisions(h, n)), strict=True) if a <= k / 100]
                              or [0.0]) for k in range(101)) / 101),
        ("precision over the objects", "Precision divides by the detections so far, recall by the objects.",
         lambda h, n: average_precision_of(h, n, precision_of=lambda c, k: c / n)),
        ("detections counted from 0", "The first detection is number 1: precision is hits so far / detections so far.",
         lambda h, n: average_precision_of(h, n, precision_of=lambda c, k: c / (k - 1).clamp(min=1))),
        ("F1", "This joins precision and recall at one point: take the mean over 101 recalls.",
         lambda h, n: max([2 * a * b / max(a + b, 1e-9) for a, b in zip(
             *(c.tolist() for c in _precisions(h, n)), strict=True)] or [0.0])),
        *_ALSO_AVERAGE_PRECISION,
    ],
    chapter=CHAPTER,
    same=lambda inputs, expected, got: close(expected, got, atol=1e-4),
)  # fmt: skip
def average_precision(hits: Tensor, total: int) -> float:
    """COCO's average precision of one class at one threshold.

    After each detection recall is hits so far / total, precision hits so far / detections so far. At each of the
    recalls 0, 0.01, ..., 1 the best precision at that recall or beyond counts, and 0 where that recall is never
    reached. AP is the mean of these 101 numbers.

    Args:
        hits: (N,) bool for the detections, highest score first; N may be 0.
        total: the number of objects, at least 1.

    Returns:
        AP in 0..1.
    """
    raise NotImplementedError
