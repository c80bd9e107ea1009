"""Lab 3, second part: center-ness (Eq. 3) and its loss.

Taught in the chapter *Center-ness*. Checked against: the package's center-ness and its loss; mutants and right
variants in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from ... import centerness as room
from ..question import Case, Draw, Known, question

NOTHING = "an image without objects"


# ---------------------------------------------------------------------- centerness
def _centerness_cases(draw: Draw) -> Iterator[Case]:
    yield Case((draw.distances(6),))
    yield Case((draw.distances(2, 3),))
    d = draw.distances(4)
    d[0, [0, 2]] = d[0, [2, 0]]
    yield Case((d,))
    yield Case((draw.distances(4, high=4) / 8,))  # in strides: all below 1
    edge = draw.distances(4)
    for side in range(4):
        edge[side, side] = 0
    yield Case((edge,), "a distance of 0")
    yield Case((torch.full((2, 4), 7.25),), "a location in the very centre")
    background = draw.distances(3)
    background[1] = 0
    yield Case((background,), "background, where all four distances are 0")


def _low_high(d: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    left, top, right, bottom = d.unbind(-1)
    return (
        torch.minimum(left, right),
        torch.maximum(left, right),
        torch.minimum(top, bottom),
        torch.maximum(top, bottom),
    )


def _raw(rule: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda d: rule(*_low_high(d))


def _of(rule: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A rule of (min lr, max lr, min tb, max tb); 0/0 is 0, as everywhere."""
    return lambda d: torch.nan_to_num(rule(*_low_high(d)), nan=0.0)


_ALSO_CENTERNESS: Known = [  # less frequent ones
    ("1 added below the line", "Divide by the larger distance as it is: background is a case of its own.",
     _raw(lambda a, b, c, d: (a / (b + 1) * c / (d + 1)).sqrt())),
    ("1 as the least below the line",
     "A distance in strides may be smaller than 1: background is a case of its own, and the others stay as they are.",
     _raw(lambda a, b, c, d: (a / b.clamp(min=1) * c / d.clamp(min=1)).sqrt())),
    *(("a small number below the line", "Divide by the larger distance as it is: background is a case of its own.",
       _raw(lambda a, b, c, d, eps=eps: (a / (b + eps) * c / (d + eps)).sqrt())) for eps in (0.1, 1e-2, 1e-3)),
    ("the harmonic mean of the ratios", "The two ratios are multiplied, and the root is taken of their product.",
     _of(lambda a, b, c, d: 2 * (a / b) * (c / d) / (a / b + c / d))),
    ("only for a list of locations",
     "The four distances are the last axis, and several axes may stand before it: ltrb[..., 0], or unbind(-1).",
     lambda d: room.centerness(d[:, [0, 1, 2, 3]])),
    ("1 added above and below the line", "Divide the distances as they are: background is a case of its own.",
     _raw(lambda a, b, c, d: ((a + 1) / (b + 1) * (c + 1) / (d + 1)).sqrt() * (b + d > 0))),
    ("over the sum instead of the larger", "Below the line stands the larger distance, not the sum of both.",
     _of(lambda a, b, c, d: (a / (a + b) * c / (c + d)).sqrt())),
    ("over the sum instead of the larger", "Below the line stands the larger distance, not the sum of both.",
     _of(lambda a, b, c, d: 2 * (a / (a + b) * c / (c + d)).sqrt())),
    ("a bell curve", "Asked is the formula with min and max.",
     _of(lambda a, b, c, d: torch.exp(-(((b - a) / (b + a)) ** 2 + ((d - c) / (d + c)) ** 2)))),
]  # fmt: skip


@question(
    3,
    "Center-ness (Eq. 3)",
    room.centerness,
    _centerness_cases,
    [
        ("no square root", "The square root of Eq. 3 is missing: without it most targets are close to 0.",
         _of(lambda a, b, c, d: a / b * c / d)),
        ("a root too many", "One square root over the whole product is enough.",
         _of(lambda a, b, c, d: (a / b * c / d) ** 0.25)),
        ("the root of one factor only", "The square root goes over the whole product.",
         _of(lambda a, b, c, d: (a / b).sqrt() * c / d)),
        ("the root of one factor only", "The square root goes over the whole product.",
         _of(lambda a, b, c, d: a / b * (c / d).sqrt())),
        ("squared", "It is a square root, not a square.", _of(lambda a, b, c, d: (a / b * c / d) ** 2)),
        ("a sum instead of the product", "The two ratios are multiplied, not averaged.",
         _of(lambda a, b, c, d: ((a / b + c / d) / 2).sqrt())),
        ("a sum instead of the product", "The two ratios are multiplied, not averaged.",
         _of(lambda a, b, c, d: (a / b + c / d) / 2)),
        ("a sum instead of the product", "The two ratios are multiplied, not added.",
         _of(lambda a, b, c, d: (a / b + c / d).sqrt())),
        ("the smaller ratio", "The two ratios are multiplied; here only the smaller one counts.",
         _of(lambda a, b, c, d: torch.minimum(a / b, c / d))),
        ("the smaller ratio", "The two ratios are multiplied; here only the smaller one counts.",
         _of(lambda a, b, c, d: torch.minimum(a / b, c / d).sqrt())),
        ("max over min", "The smaller distance goes above the line: the answer is never above 1.",
         _raw(lambda a, b, c, d: (b / a * d / c).sqrt())),
        ("only left and right", "Top and bottom are missing.", _of(lambda a, b, c, d: (a / b).sqrt() + 0 * c)),
        ("only top and bottom", "Left and right are missing.", _of(lambda a, b, c, d: (c / d).sqrt() + 0 * a)),
        ("l over r without min and max", "Right of the centre l / r is above 1: the smaller one goes above the line.",
         lambda d: torch.nan_to_num((d[..., 0] / d[..., 2] * d[..., 1] / d[..., 3]).sqrt(), nan=0.0)),
        ("l over r, cut at 1",
         "Right of the centre l / r is above 1, and cutting it says 'central': take min over max.",
         lambda d: torch.nan_to_num((
             (d[..., 0] / d[..., 2]).clamp(max=1) * (d[..., 1] / d[..., 3]).clamp(max=1)).sqrt(), nan=0.0)),
        ("smallest over largest of all four", "Left is compared with right, and top with bottom, each pair by itself.",
         lambda d: torch.nan_to_num((d.amin(-1) / d.amax(-1)).sqrt(), nan=0.0)),
        ("smallest over largest of all four", "Left is compared with right, and top with bottom, each pair by itself.",
         lambda d: torch.nan_to_num(d.amin(-1) / d.amax(-1), nan=0.0)),
        ("left with top", "Left is compared with right, and top with bottom: the order is l, t, r, b.",
         lambda d: room.centerness(d[..., [0, 2, 1, 3]])),
        ("left with bottom", "Left is compared with right, and top with bottom: the order is l, t, r, b.",
         lambda d: room.centerness(d[..., [0, 1, 3, 2]])),
        ("0/0 at background", "At background all four distances are 0, and 0/0 is no number: the answer there is 0.",
         _raw(lambda a, b, c, d: (a / b * c / d).sqrt())),
        ("background is central", "At background all four distances are 0: the answer there is 0, not 1.",
         lambda d: torch.where((d == 0).all(-1), 1.0, room.centerness(d))),
        ("the larger ratio", "The two ratios are multiplied; here only the larger one counts.",
         _of(lambda a, b, c, d: torch.maximum(a / b, c / d))),
        ("the larger ratio", "The two ratios are multiplied; here only the larger one counts.",
         _of(lambda a, b, c, d: torch.maximum(a / b, c / d).sqrt())),
        ("the distance from the centre", "Asked is the formula with min and max, not how far the centre is.",
         _of(lambda a, b, c, d: 1 - torch.maximum((b - a) / (b + a), (d - c) / (d + c)))),
        ("another root", "It is a square root.", _of(lambda a, b, c, d: (a / b * c / d) ** (1 / 3))),
        *_ALSO_CENTERNESS,
    ],
    chapter="08_centerness",
)  # fmt: skip
def centerness(ltrb: Tensor) -> Tensor:
    """Eq. 3: sqrt( min(l, r) / max(l, r) * min(t, b) / max(t, b) ).

    Args:
        ltrb: (..., 4) distances, not negative. l and r, or t and b, are both 0 only where all four are.

    Returns:
        (...) in 0..1. Where all four distances are 0 (background) it is 0.
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- centerness_loss
def _centerness_loss_cases(draw: Draw) -> Iterator[Case]:
    for count in (7, 5):
        labels = 1 + draw.labels(count, 3)
        labels[:4] = torch.tensor([-1, 2, -1, 1])
        d = draw.distances(count)
        d[labels < 0] = 0
        yield Case((draw.normal(count, scale=1.5), d, labels))
    labels = torch.tensor([0, -1, 0, 2, 1])
    d = draw.distances(5) * (labels >= 0)[:, None]
    yield Case((draw.normal(5), d, labels), "an object of class 0")
    yield Case((draw.normal(4), torch.zeros(4, 4), torch.full((4,), -1)), NOTHING)


def _bce(z: Tensor, c: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(z, c, reduction="none")


def _mean(values: Tensor, y: Tensor, floor: int = 1) -> Tensor:
    return torch.where(y >= 0, values, 0.0).sum() / (y >= 0).sum().clamp(min=floor)


def _of_probabilities(floor: int) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    def run(z: Tensor, d: Tensor, y: Tensor) -> Tensor:
        z, c = z[y >= 0], room.centerness(d[y >= 0])
        return F.binary_cross_entropy(z, c, reduction="sum") / max(len(z), floor)  # an error below 0 and above 1

    return run


_LOSSES: Known = [
    ("background too", "Only positive locations count: over background the branch would learn to say 0.",
     lambda z, d, y: _bce(z, room.centerness(d)).sum() / (y >= 0).sum().clamp(min=1)),
    ("the mean over all locations", "Only positive locations count, above the line and below it.",
     lambda z, d, y: _bce(z, room.centerness(d)).mean()),
    ("divided by all locations", "Divide by the number of positive locations, not by all of them.",
     lambda z, d, y: torch.where(y >= 0, _bce(z, room.centerness(d)), 0.0).mean()),
    ("not divided", "Divide the sum by the number of positive locations.",
     lambda z, d, y: torch.where(y >= 0, _bce(z, room.centerness(d)), 0.0).sum()),
    ("class 0 taken for background", "Class 0 is a real class: background is -1.",
     lambda z, d, y: torch.where(y > 0, _bce(z, room.centerness(d)), 0.0).sum() / (y > 0).sum().clamp(min=1)),
    ("0/0 without objects", "Without any positive location the mean is 0/0: divide by at least 1.",
     lambda z, d, y: _mean(_bce(z, room.centerness(d)), y, 0)),
    ("sigmoid before the cross-entropy with logits",
     "binary_cross_entropy_with_logits has the sigmoid in it: give it the logits.",
     lambda z, d, y: _mean(_bce(z.sigmoid(), room.centerness(d)), y)),
    ("no square root in the target", "The target is Eq. 3 with its square root.",
     lambda z, d, y: _mean(_bce(z, room.centerness(d) ** 2), y)),
    ("a hard target", "The target is the center-ness itself, between 0 and 1, not just 1 at positive locations.",
     lambda z, d, y: _mean(_bce(z, torch.ones_like(z)), y)),
    ("squared error", "Asked is the binary cross-entropy, not the squared error.",
     lambda z, d, y: _mean((z.sigmoid() - room.centerness(d)) ** 2, y)),
    ("only one half of the cross-entropy", "The target is soft: both c ln q and (1 - c) ln(1 - q) count.",
     lambda z, d, y: _mean(-room.centerness(d) * F.logsigmoid(z), y)),
    ("the floor taken away",
     "Do not take the entropy of the target away: the loss is not 0 even when it is perfect.",
     lambda z, d, y: _mean(
         _bce(z, c := room.centerness(d)) - torch.special.entr(c) - torch.special.entr(1 - c), y)),
    ("background's 0/0 spreads",
     "At background Eq. 3 is 0/0, and NaN times 0 stays NaN: choose the positive locations first.",
     lambda z, d, y: (_bce(z, _raw(lambda a, b, c, e: (a / b * c / e).sqrt())(d)) * (y >= 0)).sum()
     / (y >= 0).sum().clamp(min=1)),
    ("1 added instead of a floor", "At least 1 is a floor (max), not one more.",
     lambda z, d, y: torch.where(y >= 0, _bce(z, room.centerness(d)), 0.0).sum() / ((y >= 0).sum() + 1)),
    ("weighted by the center-ness", "Every positive location weighs the same here.",
     lambda z, d, y: (_bce(z, c := room.centerness(d)) * c).sum() / c.sum().clamp(min=1e-6)),
    ("absolute error", "Asked is the binary cross-entropy, not the absolute error.",
     lambda z, d, y: _mean((z.sigmoid() - room.centerness(d)).abs(), y)),
    ("0 taken for background, -1 for an object", "Background is -1 here, and 0 is a class like the others.",
     lambda z, d, y: torch.where(y != 0, _bce(z, room.centerness(d)), 0.0).sum() / (y != 0).sum().clamp(min=1)),
    ("only class 1", "Objects of every class count.",
     lambda z, d, y: torch.where(y == 1, _bce(z, room.centerness(d)), 0.0).sum() / (y == 1).sum().clamp(min=1)),
    ("divided by the sum of the targets", "Divide by the number of positive locations, not by their center-ness.",
     lambda z, d, y: torch.where(y >= 0, _bce(z, c := room.centerness(d)), 0.0).sum() / c.sum().clamp(min=1e-6)),
    *(("logits taken for probabilities",
       "binary_cross_entropy takes probabilities: there is one that takes logits.",
       _of_probabilities(floor)) for floor in (0, 1)),
    ("prediction and target swapped", "The prediction, the logits, comes first; then the target.",
     lambda z, d, y: _mean(_bce(room.centerness(d), z), y)),
    ("the logits compared with the target", "A logit is no center-ness: the cross-entropy takes logits.",
     lambda z, d, y: _mean((z - room.centerness(d)).abs(), y)),
    ("the logits compared with the target", "A logit is no center-ness: the cross-entropy takes logits.",
     lambda z, d, y: _mean((z - room.centerness(d)) ** 2, y)),
    ("a hard target", "The target is the center-ness itself, between 0 and 1, not whether it is above a half.",
     lambda z, d, y: _mean(_bce(z, (room.centerness(d) > 0.5).float()), y)),
]  # fmt: skip


@question(
    3,
    "Loss of the center-ness",
    lambda z, d, y: _mean(_bce(z, room.centerness(d)), y),
    _centerness_loss_cases,
    _LOSSES,
    chapter="08_centerness",
)  # fmt: skip
def centerness_loss(logits: Tensor, ltrb: Tensor, labels: Tensor) -> Tensor:
    """The binary cross-entropy between the center-ness branch and Eq. 3, the mean over positive locations.

    Args:
        logits: (L,) of the branch, before the sigmoid.
        ltrb: (L, 4) the target distances; four zeros at background.
        labels: (L,) the class of each location, or -1 for background.

    Returns:
        One number; 0 where no location is positive.
    """
    raise NotImplementedError
