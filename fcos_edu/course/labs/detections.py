"""Lab 5, second part: from scores to detections (section 4).

Taught in the chapter *From outputs to detections*. Checked against: torchvision's NMS; mutants and right variants in
the tests. What comes before is in :mod:`fcos_edu.course.labs.outputs`, the measure in
:mod:`fcos_edu.course.labs.measures`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from ...inference import class_wise_nms
from ..question import NOTHING, Case, Draw, Known, close, question
from .measures import average_precision, find_hits
from .outputs import CHAPTER, clip_boxes, scores


# ---------------------------------------------------------------------- select
def _ranked(draw: Draw, count: int, classes: int) -> Tensor:
    values = draw.sample(range(1, 1000), count * classes)  # no two equal
    return torch.tensor([value / 1024 for value in values]).reshape(count, classes)


def _selections(draw: Draw) -> Iterator[Case]:
    yield Case((_ranked(draw, 6, 3), 0.25, 100))
    yield Case((_ranked(draw, 8, 4), 0.125, 6))
    several = _ranked(draw, 7, 3)
    several[draw.randrange(7)] = torch.tensor([0.98, 0.99, 0.985])  # more than two in one place
    yield Case((several, 0.125, 2))
    both = _ranked(draw, 4, 3) / 4
    both[2, [0, 2]] = torch.tensor([0.875, 0.9375])
    yield Case((both, 0.5, 10), "two classes in one place")
    exact = _ranked(draw, 4, 3) / 4 + 0.3
    exact[1, 1] = 0.625
    exact[3, 0] = 0.75
    yield Case((exact, 0.625, 10), "a score exactly at the threshold")
    yield Case((_ranked(draw, 3, 2) / 4, 0.5, 10), "nothing above the threshold")


def _select(
    s: Tensor, threshold: float, k: int, *, closed: bool = False, order: bool = True, best: bool = False
) -> Tensor:
    kept = (s >= threshold) if closed else (s > threshold)
    if best:
        kept = kept & (s == s.amax(1, keepdim=True))
    pairs = kept.nonzero()
    value = s[kept]
    chosen = value.argsort(descending=True)[:k]
    return pairs[chosen if order else chosen.sort().values]


@question(
    5,
    "Candidates before NMS",
    _select,
    _selections,
    [
        ("only the best class of a location",
         "A location can lie on two objects: each class above the threshold counts.",
         lambda s, t, k: _select(s, t, k, best=True)),
        ("the threshold included", "A score exactly at the threshold is left out.",
         lambda s, t, k: _select(s, t, k, closed=True)),
        ("not sorted", "The highest score comes first.", lambda s, t, k: _select(s, t, k, order=False)),
        ("not sorted", "Sort by the score before you cut the list off: the highest score comes first.",
         lambda s, t, k: _select(s, t, 10**6, order=False)[:k]),
        ("the lowest first", "The highest score comes first.", lambda s, t, k: _select(s, t, k).flip(0)),
        ("the worst kept", "Of too many keep the best, not the worst.",
         lambda s, t, k: _select(s, t, 10**6)[-k:]),
        ("the first kept", "Of too many keep the best, not the first.",
         lambda s, t, k: (p := (s > t).nonzero()[:k])[s[p[:, 0], p[:, 1]].argsort(descending=True)]),
        ("no limit", "At most top_k candidates are kept.", lambda s, t, k: _select(s, t, 10**6)),
        ("no threshold", "Scores below the threshold are left out.", lambda s, t, k: _select(s, -1, k)),
        ("class before location", "Each row is location, class.", lambda s, t, k: _select(s, t, k).flip(1)),
        ("divided by the number of locations", "A flat index is location * C + class: divide by the number of classes.",
         lambda s, t, k: torch.stack([(f := (p := _select(s, t, k))[:, 0] * s.shape[1] + p[:, 1]) // s.shape[0],
                                      f % s.shape[0]], 1)),
        ("a limit for each class", "top_k counts all candidates together, not those of each class.",
         lambda s, t, k: (p := torch.cat([torch.stack([(o := s[:, c].argsort(descending=True)[:max(1, k // 2)]),
                                                        torch.full_like(o, c)], 1) for c in range(s.shape[1])]),
                          p := p[s[p[:, 0], p[:, 1]] > t], p[s[p[:, 0], p[:, 1]].argsort(descending=True)])[-1]),
        ("a limit for each class", "top_k counts all candidates together, not those of each class.",
         lambda s, t, k: (p := _select(s, t, 10**6))[
             (s[:, p[:, 1]] > s[p[:, 0], p[:, 1]]).sum(0) < k]),
        ("the location no whole number", "A flat index is location * C + class: the location is the quotient of //.",
         lambda s, t, k: (p := _select(s, t, k)) + torch.stack([p[:, 1] / s.shape[1], torch.zeros(len(p))], 1)),
        ("topk of more than there are", "There may be fewer than top_k pairs: topk of more than there are is an error.",
         lambda s, t, k: _select(s, t, k) + 0 * s.flatten().topk(k).indices.sum()),
        ("flat indices", "Give location and class of each pair: a flat index holds both.",
         lambda s, t, k: (p := _select(s, t, k))[:, 0] * s.shape[1] + p[:, 1]),
        ("the scores instead of the indices", "Give location and class of each pair, not its score.",
         lambda s, t, k: s[tuple(_select(s, t, k).T)]),
        ("class after class", "The highest score of all classes comes first, not class after class.",
         lambda s, t, k: (p := _select(s, t, 10**6))[p[:, 1].argsort(stable=True)][:k]),
        ("classes counted from one", "Classes are counted from 0.",
         lambda s, t, k: _select(s, t, k) + torch.tensor([0, 1])),
        ("one more than top_k", "At most top_k pairs are kept.", lambda s, t, k: _select(s, t, k + 1)),
        ("only the best location of a class", "A class may be found in many places: each of them counts.",
         lambda s, t, k: (p := _select(s, t, 10**6))[s[p[:, 0], p[:, 1]] == s.amax(0)[p[:, 1]]][:k]),
        ("the lowest first", "The highest score comes first.",
         lambda s, t, k: _select(s, t, 10**6).flip(0)[:k]),
        ("all classes of a good location", "The threshold is for each pair, not for the best class of a location.",
         lambda s, t, k: (p := _select(s, -1, 10**6))[s.amax(1)[p[:, 0]] > t][:k]),
        ("a limit for each location", "top_k counts all candidates together, not those of each location.",
         lambda s, t, k: (p := _select(s, t, 10**6))[(s[p[:, 0]] > s[p[:, 0], p[:, 1]][:, None]).sum(1) < k]),
    ],
    chapter=CHAPTER,
)  # fmt: skip
def select(scores: Tensor, threshold: float, top_k: int) -> Tensor:
    """The best pairs of a location and a class.

    Args:
        scores: (L, C) in 0..1, no two equal.
        threshold: only scores above it count, not one exactly at it.
        top_k: at most so many pairs, of all locations and classes together.

    Returns:
        (K, 2): location and class of each pair, highest score first. K may be 0.
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- nms
def _cluster(draw: Draw, count: int) -> Tensor:
    """Boxes that overlap a lot: some objects, each found several times."""
    objects = draw.boxes(max(2, count // 3), least=28)
    rows = []
    for i in range(count):
        shift = torch.tensor([draw.number(-6, 6) for _ in range(4)])
        rows.append(objects[i % len(objects)] + shift)
    return torch.stack(rows)


_STACK = torch.tensor([[0.0, 0, 40, 40], [1, 0, 41, 40], [2, 0, 42, 40], [90, 0, 120, 30]])  # one found three times
# Of a chain a - b - c the middle one goes, so the last one stays, although it overlaps the middle one.
_CHAIN = torch.tensor([[0.0, 0, 40, 20], [10, 0, 50, 20], [20, 0, 60, 20], [30, 0, 70, 20]])


def _nms_cases(draw: Draw) -> Iterator[Case]:
    for count, threshold in ((9, 0.5), (12, 0.6), (10, 0.3)):
        yield Case((_cluster(draw, count), draw.scores(count), threshold))
    chain = torch.tensor([0.9, 0.8, 0.7, 0.6])
    yield Case((_CHAIN, chain, 0.5))
    yield Case((_STACK, draw.scores(4), 0.5))
    shuffled = torch.tensor(draw.sample(range(4), 4))
    yield Case((_CHAIN[shuffled], chain[shuffled], 0.5))
    close_by = torch.tensor([[0.0, 0, 4, 4], [2, 0, 6, 4], [20, 20, 24, 24]])
    yield Case((close_by, torch.tensor([0.8, 0.7, 0.9]), 0.375))
    nested = torch.tensor([[0.0, 0, 40, 40], [4, 4, 24, 20], [100, 0, 140, 40]])
    for order in ([0.9, 0.8, 0.7], [0.8, 0.9, 0.7]):  # the small one is the worse, and the better
        yield Case((nested, torch.tensor(order), 0.5))
    corner = torch.tensor([[0.0, 0, 10, 10], [19, 19, 29, 29], [60, 0, 70, 10]])
    yield Case((corner, torch.tensor([0.7, 0.9, 0.8]), 0.5))
    exact = torch.tensor([[0.0, 0, 30, 10], [0, 0, 15, 10], [50, 0, 80, 10], [60, 0, 80, 10]])  # IoU 1/2 and 2/3
    yield Case((exact, torch.tensor([0.9, 0.8, 0.7, 0.6]), 0.5), "an IoU exactly at the threshold")
    apart = torch.tensor([[0.0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9]])
    yield Case((apart, torch.tensor([0.5, 0.75, 0.5]), 0.5), "two equal scores")
    yield Case((torch.zeros(0, 4), torch.zeros(0), 0.5), NOTHING)


def _nms(
    boxes: Tensor, scores: Tensor, threshold: float, *, closed: bool = False, by: int = 1, greedy: bool = True,
    measure: Callable[[Tensor, Tensor], Tensor] = box_iou, order: bool = True, last: bool = False,
) -> Tensor:  # fmt: skip
    rank = scores.argsort(descending=by > 0, stable=True) if by else torch.arange(len(scores))
    kept: list[int] = []
    seen: list[int] = []
    for i in rank.tolist():
        rivals = (kept if greedy else seen)[-1 if last else 0 :]
        overlap = measure(boxes[[i]], boxes[rivals]) if rivals else torch.zeros(1, 0)
        if not ((overlap >= threshold) if closed else (overlap > threshold)).any():
            kept.append(i)
        seen.append(i)
    return torch.tensor(kept if order else sorted(kept), dtype=torch.int64)


def _inter(a: Tensor, b: Tensor) -> Tensor:
    side = torch.minimum(a[:, None, 2:], b[:, 2:]) - torch.maximum(a[:, None, :2], b[:, :2])
    return side.clamp(min=0).prod(2)


def _over_smaller(a: Tensor, b: Tensor) -> Tensor:
    smaller = torch.minimum((a[:, 2:] - a[:, :2]).prod(1)[:, None], (b[:, 2:] - b[:, :2]).prod(1))
    return _inter(a, b) / smaller


def _wrong_union(a: Tensor, b: Tensor) -> Tensor:
    return _inter(a, b) / ((a[:, 2:] - a[:, :2]).prod(1)[:, None] + (b[:, 2:] - b[:, :2]).prod(1))


def _unclamped(a: Tensor, b: Tensor) -> Tensor:
    inter = (torch.minimum(a[:, None, 2:], b[:, 2:]) - torch.maximum(a[:, None, :2], b[:, :2])).prod(2)
    return inter / ((a[:, 2:] - a[:, :2]).prod(1)[:, None] + (b[:, 2:] - b[:, :2]).prod(1) - inter)


def _one_more(a: Tensor, b: Tensor) -> Tensor:
    more = torch.tensor([0.0, 0, 1, 1])
    return box_iou(a + more, b + more)


def _same_survivors(inputs: tuple[Any, ...], expected: Any, got: Any) -> bool:
    """The same boxes; among equal scores in any order."""
    if np.ndim(expected) != 1:  # a wrong answer, compared with another one
        return close(expected, got)
    if not close(np.sort(expected), np.sort(got, axis=0) if isinstance(got, np.ndarray) and got.ndim == 1 else got):
        return False
    scores = inputs[1].numpy()
    return close(scores[expected.astype(np.int64)], scores[got.astype(np.int64)]) if expected.size else True


def _walked_over(b: Tensor, left: list[int], t: float) -> Tensor:
    kept = []
    while left:
        kept.append(left.pop(0))
        for j in left:
            if box_iou(b[[kept[-1]]], b[[j]]) > t:
                left.remove(j)  # the mistake
    return torch.tensor(kept, dtype=torch.int64)


_ALSO_NMS: Known = [  # less frequent ones
    ("the boxes instead of their indices", "Asked are indices: whoever has them finds scores and classes too.",
     lambda b, s, t: b[_nms(b, s, t)]),
    ("the suppressed ones", "Asked are the boxes that stay, not those that go.",
     lambda b, s, t: torch.tensor([i for i in s.argsort(descending=True, stable=True).tolist()
                                   if i not in _nms(b, s, t).tolist()], dtype=torch.int64)),
    ("the list changed while it is walked over",
     "A for loop over a list from which it removes leaves out the next one: make a new list of those that stay.",
     lambda b, s, t: _walked_over(b, s.argsort(descending=True, stable=True).tolist(), t)),
    ("stops at the first that goes", "A box that goes does not end the walk: go on with the next one.",
     lambda b, s, t: (o := s.argsort(descending=True, stable=True))[
         : int(torch.isin(o, _nms(b, s, t)).long().cumprod(0).sum())]),
]  # fmt: skip


@question(
    5,
    "Non-maximum suppression",
    _nms,
    _nms_cases,
    [
        ("suppressed exactly at the threshold", "Only an IoU above the threshold suppresses; exactly on it both stay.",
         lambda *a: _nms(*a, closed=True)),
        ("suppressed boxes suppress others", "A box that has gone suppresses nothing: compare with those that stay.",
         lambda *a: _nms(*a, greedy=False)),
        ("the lowest score first", "The box with the highest score stays; yours keeps the lowest.",
         lambda *a: _nms(*a, by=-1)),
        ("not sorted by score", "Boxes come in any order: go through them by score, highest first.",
         lambda *a: _nms(*a, by=0)),
        ("the answer not sorted", "Give the indices by score, highest first.", lambda *a: _nms(*a, order=False)),
        ("indices of the sorted list",
         "The indices should be those of the boxes as they were given, not as you sorted them.",
         lambda b, s, t: torch.argsort(s.argsort(descending=True, stable=True))[_nms(b, s, t)]),
        ("IoU over the smaller box", "Divide the intersection by the union, not by the smaller of both areas.",
         lambda *a: _nms(*a, measure=_over_smaller)),
        ("the intersection counted twice in the union", "The union counts the intersection once.",
         lambda *a: _nms(*a, measure=_wrong_union)),
        ("sides of the intersection below zero",
         "Boxes that are apart have no intersection: its sides must not be negative.",
         lambda *a: _nms(*a, measure=_unclamped)),
        ("one pixel added to the sides", "A side is x1 - x0: these boxes have no last pixel to add.",
         lambda *a: _nms(*a, measure=_one_more)),
        ("nothing suppressed", "Boxes that overlap a better one have to go.",
         lambda b, s, t: s.argsort(descending=True, stable=True)),
        ("only the best box", "Boxes elsewhere stay: only those that overlap the best one go.",
         lambda b, s, t: s.argsort(descending=True)[:1]),
        ("only the best box suppresses", "Go on with the next one that is left, until none is.",
         lambda b, s, t: (o := s.argsort(descending=True, stable=True))[
             (torch.arange(len(o)) == 0) | (box_iou(b[o], b[o])[0] <= t)] if len(s) else s.long()),
        ("a mask instead of indices", "Asked are the indices of the boxes that stay.",
         lambda b, s, t: torch.zeros(len(b), dtype=torch.bool).index_fill(0, _nms(b, s, t), True)),
        ("no case without detections", "There may be no box at all: the answer then is empty.",
         lambda b, s, t: _nms(b, s, t) + 0 * s.argmax()),
        ("compared with the one before only", "Compare a box with all that stay, not just with the last one.",
         lambda b, s, t: _nms(b, s, t, last=True)),
        ("the overlapping ones kept", "Boxes that overlap the best one go; the others stay.",
         lambda b, s, t: _nms(b, s, t, measure=lambda x, y: 1 - box_iou(x, y) + (2 * t - 1))),
        ("a box suppresses itself", "A box overlaps itself: compare it only with others.",
         lambda b, s, t: s.argsort()[:0]),
        ("IoU over one of the boxes", "Divide the intersection by the union, not by one of the areas.",
         lambda *a: _nms(*a, measure=lambda x, y: _inter(x, y) / (x[:, 2:] - x[:, :2]).prod(1)[:, None])),
        ("IoU over one of the boxes", "Divide the intersection by the union, not by one of the areas.",
         lambda *a: _nms(*a, measure=lambda x, y: _inter(x, y) / (y[:, 2:] - y[:, :2]).prod(1))),
        ("the threshold turned round", "An IoU above the threshold suppresses, not one above 1 - threshold.",
         lambda b, s, t: _nms(b, s, 1 - t)),
        ("any overlap suppresses", "Only an IoU above the threshold suppresses.", lambda b, s, t: _nms(b, s, 0.0)),
        ("larger boxes first", "Go through the boxes by score, not by size.",
         lambda b, s, t: _nms(b, (b[:, 2:] - b[:, :2]).prod(1), t)),
        *_ALSO_NMS,
    ],
    same=_same_survivors,
    chapter=CHAPTER,
)  # fmt: skip
def nms(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Non-maximum suppression: of boxes that mean the same object the best one stays.

    Go through the boxes by score, highest first. A box goes if its IoU with one that stays is above the threshold.

    Args:
        boxes: (N, 4) x0, y0, x1, y1; N may be 0.
        scores: (N,); of boxes with equal scores any may come first.
        threshold: of the IoU; exactly at it both boxes stay.

    Returns:
        (K,): the indices of the boxes that stay, highest score first.
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- batched_nms
def _class_cases(draw: Draw) -> Iterator[Case]:
    for count, threshold in ((10, 0.5), (12, 0.4)):
        labels = draw.labels(count, 3)
        yield Case((_cluster(draw, count), draw.scores(count), labels, threshold))
    # Three of one class and three of the other, each a chain: the middle one goes, the last one stays.
    chains = torch.cat([_CHAIN[:3], _CHAIN[:3] + 100])
    yield Case((chains, torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]), torch.tensor([0, 0, 0, 1, 1, 1]), 0.5))
    yield Case((_STACK, draw.scores(4), torch.tensor([1, 1, 1, 0]), 0.5))
    # Moved by 1, 10, 100 or the longest side, a box of class 1 would lie on one of class 0.
    zero = [[100.0, 100, 140, 140], [90, 60, 120, 90], [0, 30, 60, 90], [2, 2, 42, 42], [10, 10, 50, 50]]
    apart = torch.tensor([*zero, [0, 0, 40, 40], [30, 0, 60, 30]])
    yield Case((apart, draw.scores(7), torch.tensor([0, 0, 0, 0, 0, 1, 1]), 0.5))
    # Class 1 twice as far and as large would lie on class 0.
    doubled = torch.tensor([[20.0, 30, 60, 50], [40, 60, 120, 100], [100, 60, 140, 80]])
    yield Case((doubled, torch.tensor([0.6, 0.9, 0.7]), torch.tensor([1, 0, 0]), 0.5))
    twice = torch.tensor([[10.0, 10, 50, 40], [10, 10, 50, 40], [11, 10, 50, 40], [80, 5, 99, 30]])
    for threshold in (0.5, 0.9375):
        yield Case((twice, torch.tensor([0.7, 0.9, 0.6, 0.8]), torch.tensor([0, 1, 0, 0]), threshold),
                   "two classes in one place")  # fmt: skip
    far = torch.tensor([[0.0, 0, 40, 40], [-2, -2, 38, 38], [900, 700, 940, 740], [3, 0, 43, 40], [1, 0, 41, 40]])
    yield Case((far, torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5]), torch.tensor([0, 1, 2, 0, 1]), 0.5), "a large picture")
    exact = torch.tensor([[0.0, 0, 30, 10], [0, 0, 15, 10], [0, 0, 15, 10]])
    yield Case((exact, torch.tensor([0.9, 0.8, 0.7]), torch.tensor([1, 1, 0]), 0.5), "an IoU exactly at the threshold")
    # Moved by the class alone, or by too little, boxes of two classes come to lie on each other.
    moved = torch.tensor([[0.0, 0, 60, 60], [60, 60, 120, 120], [100, 100, 160, 160]])
    yield Case((moved, torch.tensor([0.9, 0.8, 0.7]), torch.tensor([1, 0, 0]), 0.5), "a large picture")
    # Wherever a step of up to 1200 moves the last box, one of the others is there.
    places = torch.tensor([*range(0, 1240, 40), 0])[:, None]
    many = torch.tensor([0] * 31 + [1])
    yield Case((places + torch.tensor([0.0, 0, 300, 300]), draw.scores(32).sort(descending=True).values, many, 0.7),
               "a large picture")  # fmt: skip
    yield Case((torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64), 0.5), NOTHING)


def _by_class(labels: Tensor) -> list[Tensor]:
    return [(labels == c).nonzero()[:, 0] for c in labels.unique()]


def _moved(offset: Callable[[Tensor], Any]) -> Callable[[Tensor, Tensor, Tensor, float], Tensor]:
    return lambda b, s, y, t: _nms(b + (y * offset(b))[:, None], s, t) if len(b) else y


def _by_step(step: float) -> Callable[[Tensor, Tensor, Tensor, float], Tensor]:
    return _moved(lambda b: step)


def _with_labels(b: Tensor, s: Tensor, y: Tensor, t: float, rule: Callable[[Tensor], Tensor]) -> Tensor:
    """Boxes suppress those whose labels fit to theirs, as ``rule`` says."""
    kept: list[int] = []
    for i in s.argsort(descending=True, stable=True).tolist():
        rivals = [j for j in kept if rule(y[i] == y[j])]
        if not rivals or box_iou(b[[i]], b[rivals]).max() <= t:
            kept.append(i)
    return torch.tensor(kept, dtype=torch.int64)


def _within(b: Tensor, s: Tensor, y: Tensor, t: float) -> Tensor:
    parts = [(s[i][k := _nms(b[i], s[i], t)], k) for i in _by_class(y)]
    if not parts:
        return y
    values, places = (torch.cat(one) for one in zip(*parts, strict=True))
    return places[values.argsort(descending=True)]


@question(
    5,
    "NMS for each class",
    class_wise_nms,
    _class_cases,
    [
        ("all classes together", "Boxes of two classes never suppress each other: a rider may sit on a horse.",
         lambda b, s, y, t: _nms(b, s, t)),
        ("class after class", "The answer is sorted by score over all classes, not class by class.",
         lambda b, s, y, t: torch.cat([y[:0], *(i[_nms(b[i], s[i], t)] for i in _by_class(y))])),
        ("indices within the class", "The indices are those of all boxes, not those of the boxes of one class.",
         lambda b, s, y, t: torch.cat([y[:0], *(_nms(b[i], s[i], t) for i in _by_class(y))])),
        ("moved by too little", "Classes are moved apart by too little: the step has to be larger than the picture.",
         _moved(lambda b: (b[:, 2:] - b[:, :2]).max())),
        ("moved by too little", "Classes are moved apart by too little: the step has to be larger than the picture.",
         _moved(lambda b: 100)),
        ("only one class", "All classes count, not only the first one.",
         lambda b, s, y, t: class_wise_nms(b, s, y, t)[y[class_wise_nms(b, s, y, t)] == 0]),
        ("suppressed exactly at the threshold", "Only an IoU above the threshold suppresses.",
         lambda b, s, y, t: _nms(b + (y * 4096)[:, None], s, t, closed=True)),
        ("nothing suppressed", "Boxes that overlap a better one of their class have to go.",
         lambda b, s, y, t: s.argsort(descending=True)),
        ("the lowest score first", "The box with the highest score stays.",
         lambda b, s, y, t: _nms(b + (y * 4096)[:, None], s, t, by=-1)),
        ("the answer not sorted", "Give the indices by score, highest first.",
         lambda b, s, y, t: class_wise_nms(b, s, y, t).sort().values),
        ("no case without detections", "There may be no box at all: the answer then is empty.",
         lambda b, s, y, t: class_wise_nms(b, s, y, t) + 0 * s.argmax()),
        ("only other classes suppress", "It is boxes of the same class that suppress each other.",
         lambda b, s, y, t: _with_labels(b, s, y, t, lambda same: ~same)),
        *(("moved by too little", "Classes are moved apart by too little: the step has to be larger than the picture.",
           _by_step(step)) for step in (1, 10, 256, 500, 512, 640, 800)),
        ("multiplied instead of moved", "Add to the boxes of each class, do not multiply: boxes would grow.",
         lambda b, s, y, t: _nms(b * (y + 1)[:, None], s, t) if len(b) else y),
        ("multiplied instead of moved", "Add to the boxes of each class, do not multiply: boxes would grow.",
         lambda b, s, y, t: _nms(b * y[:, None], s, t) if len(b) else y),
        ("indices within the class", "The indices are those of all boxes, not those of the boxes of one class.",
         lambda b, s, y, t: _within(b, s, y, t)),
        ("places in the joined list", "argsort gives places in the list that you joined: look the indices up in it.",
         lambda b, s, y, t: s[torch.cat([y[:0], *(i[_nms(b[i], s[i], t)] for i in _by_class(y))])].argsort(
             descending=True)),
        ("one class left out", "All classes count, the last one too.",
         lambda b, s, y, t: (k := class_wise_nms(b, s, y, t))[y[k] < y.max()] if len(b) else y),
        ("one class left out", "All classes count: class 0 is a class, not background.",
         lambda b, s, y, t: (k := class_wise_nms(b, s, y, t))[y[k] > 0]),
        ("one box for each class", "A class may have several boxes: only those that overlap suppress each other.",
         lambda b, s, y, t: _with_labels(torch.zeros(len(b), 4) + torch.tensor([0.0, 0, 9, 9]), s, y, t, lambda e: e)),
        ("suppressed boxes suppress others", "A box that has gone suppresses nothing: compare with those that stay.",
         lambda b, s, y, t: _nms(b + (y * 4096)[:, None], s, t, greedy=False)),
        ("the list changed while it is walked over",
         "A for loop over a list from which it removes leaves out the next one: make a new list of those that stay.",
         lambda b, s, y, t: (k := torch.cat([y[:0], *(
             _walked_over(b, i[s[i].argsort(descending=True, stable=True)].tolist(), t) for i in _by_class(y))]))[
                 s[k].argsort(descending=True, stable=True)]),
    ],
    same=_same_survivors,
    chapter=CHAPTER,
)  # fmt: skip
def batched_nms(boxes: Tensor, scores: Tensor, labels: Tensor, threshold: float) -> Tensor:
    """Non-maximum suppression for each class by itself.

    Args:
        boxes: (N, 4) x0, y0, x1, y1; N may be 0.
        scores: (N,); of boxes with equal scores any may come first.
        labels: (N,) the class of each box.
        threshold: of the IoU, as in ``nms``; only a box of the same class suppresses.

    Returns:
        (K,): the indices of the boxes that stay, highest score of all classes first.
    """
    raise NotImplementedError


QUESTIONS = (scores, clip_boxes, select, nms, batched_nms, find_hits, average_precision)
