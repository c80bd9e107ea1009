"""Lab 3, first part: losses (Eq. 2).

Taught in the chapter *The loss*. Checked against: the package's losses, which are held to torchvision's; mutants and
right variants in the tests. Center-ness is in :mod:`fcos_edu.course.labs.centerness`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import generalized_box_iou

from ... import losses
from ..question import Case, Draw, Known, question
from .centerness import NOTHING, centerness, centerness_loss


# ---------------------------------------------------------------------- focal_loss
def _focal_cases(draw: Draw) -> Iterator[Case]:
    for (count, classes), alpha, gamma in (((6, 3), 0.25, 2.0), ((5, 4), 0.4, 1.0), ((7, 2), 0.25, 3.0)):
        labels = draw.labels(count, classes)
        labels[:3] = torch.tensor([0, -1, -1])
        yield Case((draw.normal(count, classes, scale=2), labels, alpha, gamma))
    yield Case((draw.normal(4, 3), torch.full((4,), -1), 0.25, 2.0), NOTHING)
    far = torch.tensor([[200.0, -150.0], [-120.0, 130.0]])
    yield Case((far, torch.tensor([0, 0]), 0.25, 2.0), "a logit of a hundred and more")


def _one_hot(z: Tensor, y: Tensor) -> Tensor:
    return (y[:, None] == torch.arange(z.shape[1])).to(z.dtype)


def _focal(z: Tensor, t: Tensor, alpha: float, gamma: float) -> Tensor:
    p = z.sigmoid()
    p_t = p * t + (1 - p) * (1 - t)
    a_t = alpha * t + (1 - alpha) * (1 - t)
    return a_t * (1 - p_t) ** gamma * F.binary_cross_entropy_with_logits(z, t, reduction="none")


def _focal_with(weight: str) -> Callable[..., Tensor]:
    def run(z: Tensor, y: Tensor, alpha: float, gamma: float) -> Tensor:
        t, p = _one_hot(z, y), z.sigmoid()
        bce = F.binary_cross_entropy_with_logits(z, t, reduction="none")
        p_t = p * t + (1 - p) * (1 - t)
        a_t = alpha * t + (1 - alpha) * (1 - t)
        weights = {
            "easy": a_t * (1 - p) ** gamma,
            "turned": a_t * p_t**gamma,
            "hard": a_t * p**gamma,
            "power first": a_t * (t * (1 - p**gamma) + (1 - t) * p**gamma),
            "alpha": alpha * (1 - p_t) ** gamma,
            "no alpha": (1 - p_t) ** gamma,
            "alphas": (1 - a_t) * (1 - p_t) ** gamma,
            "no gamma": a_t,
            "times": a_t * (1 - p_t) * gamma,
            "plain": torch.ones_like(bce),
            "positives": alpha * t * (1 - p_t) ** gamma,
        }
        return (weights[weight] * bce).sum()

    return run


def _focal_clamped(eps: float, add: bool) -> Callable[..., Tensor]:
    def run(z: Tensor, y: Tensor, alpha: float, gamma: float) -> Tensor:
        t, p = _one_hot(z, y), z.sigmoid()
        q = p * t + (1 - p) * (1 - t)
        a_t = alpha * t + (1 - alpha) * (1 - t)
        return (a_t * (1 - q) ** gamma * -(q + eps if add else q.clamp(min=eps)).log()).sum()

    return run


def _two_terms(p: Tensor, t: Tensor, alpha: float, gamma: float) -> Tensor:
    """The sum as the docstring has it; 0 times infinity is no number."""
    return (-alpha * t * (1 - p) ** gamma * p.log() - (1 - alpha) * (1 - t) * p**gamma * (1 - p).log()).sum()


def _both_clamped(eps: float) -> Callable[..., Tensor]:
    return lambda z, y, a, g: _two_terms(z.sigmoid().clamp(eps, 1 - eps), _one_hot(z, y), a, g)


_ALSO_FOCAL: Known = [  # less frequent ones
    ("one_hot of -1", "one_hot knows no class -1: the row of a background location is all zeros, made in another way.",
     lambda z, y, a, g: _focal(z, F.one_hot(y, z.shape[1]).to(z.dtype), a, g).sum()),
    ("the cross-entropy averaged too early",
     "binary_cross_entropy_with_logits gives a mean unless told not to reduce: each entry has a weight of its own.",
     lambda z, y, a, g: (_focal(z, t := _one_hot(z, y), a, g)
                         / (bce := F.binary_cross_entropy_with_logits(z, t, reduction="none")) * bce.mean()).sum()),
    ("other classes of an object left out",
     "Where there is an object its other classes are negatives too: every entry of the table counts.",
     lambda z, y, a, g: (_focal(z, t := _one_hot(z, y), a, g) * torch.where(y[:, None] >= 0, t, 1.0)).sum()),
    ("the logarithm of 0", "For large logits log(sigmoid(x)) becomes log(0): take logsigmoid.",
     lambda z, y, a, g: _two_terms(z.sigmoid(), _one_hot(z, y), a, g)),
    ("p for positives too", "Easy positives should weigh little: for them the factor is (1 - p) to the gamma.",
     _focal_with("hard")),
    ("1 - p to the gamma", "First 1 - p, then to the power of gamma.", _focal_with("power first")),
    ("no factor for the negatives", "Negatives have a factor too: p to the gamma.",
     lambda z, y, a, g: (_focal(z, t := _one_hot(z, y), a, g) * t + _focal(z, t, a, 0) * (1 - t)).sum()),
    ("no 1 - alpha for the negatives", "Negatives weigh 1 - alpha, not 1.",
     lambda z, y, a, g: (_focal(z, t := _one_hot(z, y), a, g) * (t + (1 - t) / (1 - a))).sum()),
    ("one alpha for all classes of a location",
     "Each entry of the table has its own weight: alpha for the location's own class, 1 - alpha for every other one.",
     lambda z, y, a, g: (_focal(z, t := _one_hot(z, y), a, g) / (a * t + (1 - a) * (1 - t))
                         * torch.where(y >= 0, a, 1 - a)[:, None]).sum()),
    ("alpha under the power too", "Only the factor 1 - p_t is raised to gamma; alpha is multiplied afterwards.",
     lambda z, y, a, g: (_focal(z, t := _one_hot(z, y), a, g) * (a * t + (1 - a) * (1 - t)) ** (g - 1)).sum()),
    ("labels counted from one", "Labels are counted from 0: class k is column k of the logits.",
     lambda z, y, a, g: _focal(z, _one_hot(z, y - 1), a, g).sum()),
    ("alpha and gamma written down", "alpha and gamma are given: use them, whatever the paper's are.",
     lambda z, y, a, g: _focal(z, _one_hot(z, y), 0.25, 2.0).sum()),
    ("probabilities instead of logits",
     "After a sigmoid large logits have lost their digits: take binary_cross_entropy_with_logits.",
     lambda z, y, a, g: (_focal(z, t := _one_hot(z, y), a, g)
                         / F.binary_cross_entropy_with_logits(z, t, reduction="none").clamp(min=1e-30)
                         * F.binary_cross_entropy(z.sigmoid(), t, reduction="none")).sum()),
    *(("probabilities clamped close to 0",
       "Clamped at 1e-7 a very wrong answer costs too little: start from the logits.",
       _focal_clamped(eps, add)) for eps in (1e-6, 1e-8, 1e-10, 1e-12) for add in (False, True)),
    *(("probabilities clamped close to 0",
       "Clamped at 1e-7 a very wrong answer costs too little: start from the logits.",
       _both_clamped(eps)) for eps in (1e-4, 1e-5, 1e-6, 1e-7)),
]  # fmt: skip


@question(
    3,
    "Focal loss",
    lambda z, y, alpha, gamma: losses.focal_loss(z[None], y[None], alpha, gamma),
    _focal_cases,
    [
        ("(1 - p) for negatives too", "Easy negatives should weigh little: for them the factor is p to the gamma.",
         _focal_with("easy")),
        ("the factor turned round", "The factor should be small where the prediction is right: use 1 - p_t, not p_t.",
         _focal_with("turned")),
        ("alpha for negatives too", "Positives weigh alpha, negatives 1 - alpha.", _focal_with("alpha")),
        ("no alpha", "The weights alpha and 1 - alpha are missing.", _focal_with("no alpha")),
        ("alpha and 1 - alpha swapped", "alpha belongs to the positives, 1 - alpha to the negatives.",
         _focal_with("alphas")),
        ("no gamma", "This is the weighted cross-entropy: the factor with gamma is missing.", _focal_with("no gamma")),
        ("gamma as a factor", "gamma is an exponent, not a factor.", _focal_with("times")),
        ("plain cross-entropy", "This is the plain cross-entropy: both weights are missing.", _focal_with("plain")),
        ("positives only", "Negatives count too: most of the loss is about not finding things.",
         _focal_with("positives")),
        ("the mean instead of the sum", "Sum over all locations and classes; the division by N_pos comes later.",
         lambda z, y, a, g: _focal(z, _one_hot(z, y), a, g).mean()),
        ("the mean over the locations", "Sum over all locations; the division by N_pos comes later.",
         lambda z, y, a, g: _focal(z, _one_hot(z, y), a, g).sum(1).mean()),
        ("divided by the number of positives", "Give the sum: the division by N_pos comes later, over the whole batch.",
         lambda z, y, a, g: _focal(z, _one_hot(z, y), a, g).sum() / (y >= 0).sum().clamp(min=1)),
        ("not summed", "The answer is one number: sum over all locations and classes.",
         lambda z, y, a, g: _focal(z, _one_hot(z, y), a, g)),
        ("background clamped to class 0", "Background is no class: its row of targets is all zeros.",
         lambda z, y, a, g: _focal(z, _one_hot(z, y.clamp(min=0)), a, g).sum()),
        ("background taken as the last class", "Background is no class: -1 must not count from the end.",
         lambda z, y, a, g: _focal(z, _one_hot(z, y % z.shape[1]), a, g).sum()),
        ("background left out", "Locations of the background count too: they are the negatives.",
         lambda z, y, a, g: _focal(z, _one_hot(z, y), a, g)[y >= 0].sum()),
        ("sigmoid twice", "binary_cross_entropy_with_logits takes logits: after a sigmoid p is never below a half.",
         lambda z, y, a, g: _focal(z.sigmoid(), _one_hot(z, y), a, g).sum()),
        ("sigmoid before the cross-entropy with logits",
         "binary_cross_entropy_with_logits has the sigmoid in it: give it the logits.",
         lambda z, y, a, g: (
             (a * (t := _one_hot(z, y)) + (1 - a) * (1 - t))
             * (1 - ((p := z.sigmoid()) * t + (1 - p) * (1 - t))) ** g
             * F.binary_cross_entropy_with_logits(p, t, reduction="none")).sum()),
        ("softmax", "Each class has a sigmoid of its own: softmax would let classes compete.",
         lambda z, y, a, g: (
             (a * (t := _one_hot(z, y)) + (1 - a) * (1 - t))
             * (1 - (q := (p := z.softmax(1)) * t + (1 - p) * (1 - t))) ** g * -q.clamp(min=1e-12).log()).sum()),
        ("the logarithm of 0", "For large logits log(sigmoid(x)) becomes log(0): take logsigmoid, or clamp it.",
         lambda z, y, a, g: (
             (a * (t := _one_hot(z, y)) + (1 - a) * (1 - t))
             * (1 - (q := (p := z.sigmoid()) * t + (1 - p) * (1 - t))) ** g * -q.log()).sum()),
        ("probabilities clamped close to 0",
         "Clamped at 1e-7 a very wrong answer costs too little: start from the logits.",
         lambda z, y, a, g: (
             (a * (t := _one_hot(z, y)) + (1 - a) * (1 - t))
             * (1 - (q := (p := z.sigmoid()) * t + (1 - p) * (1 - t))) ** g * -q.clamp(min=1e-7).log()).sum()),
        *_ALSO_FOCAL,
    ],
    chapter="07_loss",
)  # fmt: skip
def focal_loss(logits: Tensor, labels: Tensor, alpha: float, gamma: float) -> Tensor:
    """The classification loss of Eq. 2, before it is divided by N_pos: the sum of the focal losses.

    With p the sigmoid of a logit, a location's own class costs -alpha (1 - p)^gamma ln p, and every other class
    -(1 - alpha) p^gamma ln(1 - p).

    Args:
        logits: (L, C), from -200 to 200; the loss stays finite.
        labels: (L,) the class of each location, or -1 for background, where every class is an "other" one.
        alpha, gamma: of the focal loss.

    Returns:
        One number: the sum over all locations and classes.
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- iou_loss
def _pairs(draw: Draw) -> Iterator[Case]:
    for count in (5, 3):
        yield Case((draw.distances(count), draw.distances(count)))
    target = draw.distances(4, low=10)
    yield Case((target + draw.distances(4, low=0.5, high=1.5) / 16, target))  # nearly perfect, and its loss is not 0
    small = draw.distances(3, low=1, high=9)
    yield Case((small, small + draw.distances(3)), "a box inside the other")
    yield Case((small, small.clone()), "a perfect box")


def _area(d: Tensor) -> Tensor:
    return (d[..., 0] + d[..., 2]) * (d[..., 1] + d[..., 3])


def _iou(a: Tensor, b: Tensor) -> Tensor:
    inter = _area(torch.minimum(a, b))
    return inter / (_area(a) + _area(b) - inter)


def _corners_only(d: Tensor) -> Tensor:
    return d[:, 0] * d[:, 1] + d[:, 2] * d[:, 3]


def _as_corners(eps: float) -> Callable[[Tensor, Tensor], Tensor]:
    def run(a: Tensor, b: Tensor) -> Tensor:
        inter = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
        union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - inter
        return -(inter / union).clamp(min=eps).log()

    return run


_ALSO_IOU: Known = [  # less frequent ones
    ("l times t", "An area is width times height: (l + r) (t + b).",
     lambda a, b: -((i := _corners_only(torch.minimum(a, b))) / (_area(a) + _area(b) - i)).log()),
    ("l times t", "An area is width times height: (l + r) (t + b).",
     lambda a, b: -((i := _corners_only(torch.minimum(a, b))) / (_corners_only(a) + _corners_only(b) - i)).log()),
    ("the smaller width for the intersection",
     "Both boxes lie around one location, not in one corner: take the smaller of each two distances, then add.",
     lambda a, b: -((i := torch.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:]).prod(1))
                    / (_area(a) + _area(b) - i)).log()),
    ("1 added under the logarithm", "The loss of a perfect box is 0: it is the logarithm of the IoU as it is.",
     lambda a, b: -(_iou(a, b) + 1).log()),
    ("weighted by the IoU", "The loss is the logarithm alone: boxes that overlap little have to cost most.",
     lambda a, b: -_iou(a, b) * _iou(a, b).log()),
    ("Dice instead of IoU", "IoU is the intersection over the union, not twice over the sum of both areas.",
     lambda a, b: -(2 * _area(torch.minimum(a, b)) / (_area(a) + _area(b))).log()),
    *(("distances taken for corners", "l, t, r and b are distances: a width is l + r, not r - l.",
       _as_corners(eps)) for eps in (1e-6, 1e-7, 1e-8, 1e-9)),
]  # fmt: skip


@question(
    3,
    "IoU loss",
    lambda a, b: losses.box_loss(a, b, "iou"),
    _pairs,
    [
        ("no minus", "A loss falls when the IoU grows: the sign is missing.", lambda a, b: _iou(a, b).log()),
        ("1 - IoU", "Asked is -ln IoU, as in UnitBox and the paper; 1 - IoU is the linear form.",
         lambda a, b: 1 - _iou(a, b)),
        ("the IoU itself", "This is the IoU; the loss is its negative logarithm.", _iou),
        ("log2 or log10", "ln is the natural logarithm.", lambda a, b: -_iou(a, b).log2()),
        ("log2 or log10", "ln is the natural logarithm.", lambda a, b: -_iou(a, b).log10()),
        ("the larger distances for the intersection", "The intersection takes the smaller of each pair of distances.",
         lambda a, b: -((i := _area(torch.maximum(a, b))) / (_area(a) + _area(b) - i)).log()),
        ("the intersection counted twice in the union", "The union counts the intersection once: take it away once.",
         lambda a, b: -(_area(torch.minimum(a, b)) / (_area(a) + _area(b))).log()),
        ("the hull instead of the union", "The union is both areas less the intersection, not the box around both.",
         lambda a, b: -(_area(torch.minimum(a, b)) / _area(torch.maximum(a, b))).log()),
        ("the target's area instead of the union", "Divide by the union of both boxes, not by one of them.",
         lambda a, b: -(_area(torch.minimum(a, b)) / _area(b)).log()),
        ("the prediction's area instead of the union", "Divide by the union of both boxes, not by one of them.",
         lambda a, b: -(_area(torch.minimum(a, b)) / _area(a)).log()),
        ("l + t times r + b", "A width is l + r, a height t + b.",
         lambda a, b: -((i := ((m := torch.minimum(a, b))[..., 0] + m[..., 1]) * (m[..., 2] + m[..., 3]))
                        / ((a[..., 0] + a[..., 1]) * (a[..., 2] + a[..., 3])
                           + (b[..., 0] + b[..., 1]) * (b[..., 2] + b[..., 3]) - i)).log()),
        ("the mean of all boxes", "Give one number for each box; the sum comes later, over positive locations.",
         lambda a, b: -_iou(a, b).log().mean()),
        ("the sum of all boxes", "Give one number for each box; the sum comes later, over positive locations.",
         lambda a, b: -_iou(a, b).log().sum()),
        ("GIoU", "This is the loss of GIoU, an improvement that came later; Eq. 2 has -ln IoU.",
         lambda a, b: losses.box_loss(a, b, "giou")),
        ("1 added to both areas", "Divide the areas as they are: nothing is added to them.",
         lambda a, b: -((_area(torch.minimum(a, b)) + 1)
                        / (_area(a) + _area(b) - _area(torch.minimum(a, b)) + 1)).log()),
        ("the logarithm of 1 - IoU", "The loss is the negative logarithm of the IoU itself.",
         lambda a, b: -(1 - _iou(a, b) + 1e-6).log()),
        ("distances compared one by one", "Compare areas: the four distances belong together.",
         lambda a, b: (a - b).abs().sum(1)),
        ("distances compared one by one", "Compare areas: the four distances belong together.",
         lambda a, b: F.smooth_l1_loss(a, b, reduction="none").sum(1)),
        ("the smaller area for the intersection",
         "The intersection is what both boxes cover: take the smaller distances, not the smaller area.",
         lambda a, b: -((i := torch.minimum(_area(a), _area(b))) / (_area(a) + _area(b) - i)).log()),
        ("the intersection taken away twice", "The union counts the intersection once: take it away once.",
         lambda a, b: -((i := _area(torch.minimum(a, b))) / (_area(a) + _area(b) - 2 * i).clamp(min=1e-6)).log()),
        ("l times r", "A width is l + r, a height t + b: only the two of them are multiplied.",
         lambda a, b: -((i := _area(torch.minimum(a, b))) / (a.prod(1) + b.prod(1) - i).clamp(min=1e-6)).log()),
        *_ALSO_IOU,
    ],
    chapter="07_loss",
)  # fmt: skip
def iou_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """The box loss of Eq. 2 for each location: -ln IoU of two boxes around the same location.

    Args:
        predicted, target: (N, 4) left, top, right, bottom, all positive. Both boxes contain the location, so they
            overlap.

    Returns:
        (N,): one loss for each location.
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- giou
def _box_pairs(draw: Draw) -> Iterator[Case]:
    for count in (4, 6):
        a = draw.boxes(count)
        yield Case((a, a + draw.distances(count, high=5)))  # so close that no GIoU is below 0
    a = draw.boxes(5)
    yield Case((a, a - draw.distances(5, high=5)))
    yield Case((a, a + draw.distances(5, high=5) * torch.tensor([1, 1, -1, -1])))
    a = draw.boxes(3)
    # Not at the same height: then the hull of both would hide an overlap of negative sides.
    yield Case((a, a + torch.tensor([[300.0, 4, 300, 4]])), "two boxes side by side")
    yield Case((a, a + torch.tensor([[300.0, 170, 300, 170]])), "two boxes apart in both directions")
    yield Case((a, a.clone()), "a perfect box")


def _parts(a: Tensor, b: Tensor, floor: float | None = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Intersection, union and hull."""
    side = torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])
    inter = (side if floor is None else side.clamp(min=floor)).prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - inter
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    return inter, union, hull


def _one_more(boxes: Tensor) -> Tensor:
    return boxes + torch.tensor([0.0, 0, 1, 1])


def _giou_with(rule: Callable[..., Tensor], floor: float | None = 0.0) -> Callable[..., Tensor]:
    return lambda a, b: rule(*_parts(a, b, floor))


_ALSO_GIOU: Known = [  # less frequent ones
    ("corners of the hull mixed up", "The hull goes from the smaller of both near corners to the larger far one.",
     lambda a, b: (q := _parts(a, b), h := (
         torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).prod(1),
         q[0] / q[1] - (h - q[1]) / h)[-1]),
    ("moved to 0..1", "GIoU goes from -1 to 1: leave it as it is.",
     _giou_with(lambda i, u, h: (1 + i / u - (h - u) / h) / 2)),
    ("the larger box instead of the hull", "The hull is the box around both: neither of them need be as large.",
     lambda a, b: (q := _parts(a, b), h := torch.maximum(*((c[:, 2:] - c[:, :2]).prod(1) for c in (a, b))),
                   q[0] / q[1] - (h - q[1]) / h)[-1]),
    ("the hull measured from 0", "The hull has a near corner too: the smaller x0 and y0 of both.",
     lambda a, b: (q := _parts(a, b), h := torch.maximum(a[:, 2:], b[:, 2:]).prod(1),
                   q[0] / q[1] - (h - q[1]) / h)[-1]),
    ("brackets left out", "Only the empty part, hull minus union, is divided by the hull: it needs brackets.",
     _giou_with(lambda i, u, h: i / u - h - u / h)),
    ("boxes read as x, y, width, height", "The last two numbers of a box are its lower right corner, not its size.",
     lambda a, b: _giou_with(lambda i, u, h: i / u - (h - u) / h)(
         *(torch.cat([c[:, :2], c[:, :2] + c[:, 2:]], 1) for c in (a, b)))),
    ("sides of the intersection without a sign", "Boxes that are apart have no intersection: cut its sides at 0.",
     lambda a, b: (
         i := (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).abs().prod(1),
         u := (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - i,
         h := _parts(a, b)[2], i / u - (h - u) / h)[-1]),
    ("IoU over the smaller box", "IoU divides by the union, not by the smaller of both areas.",
     lambda a, b: (q := _parts(a, b))[0] / torch.minimum(
         (a[:, 2:] - a[:, :2]).prod(1), (b[:, 2:] - b[:, :2]).prod(1)) - (q[2] - q[1]) / q[2]),
    ("both areas instead of the union", "The union is taken away from the hull: the intersection counts once.",
     _giou_with(lambda i, u, h: i / u - (h - u - i) / h)),
]  # fmt: skip


@question(
    3,
    "GIoU",
    lambda a, b: generalized_box_iou(a, b).diagonal(),
    _box_pairs,
    [
        ("hull minus intersection",
         "The punished part is the hull without the union: where one box holds the other, it has to be 0.",
         _giou_with(lambda i, u, h: i / u - (h - i) / h)),
        ("plain IoU", "This is the IoU: the part of the hull that neither box covers is missing.",
         _giou_with(lambda i, u, h: i / u)),
        ("plus instead of minus", "The empty part of the hull is taken away, not added.",
         _giou_with(lambda i, u, h: i / u + (h - u) / h)),
        ("divided by the union", "The empty part is divided by the hull, not by the union.",
         _giou_with(lambda i, u, h: i / u - (h - u) / u)),
        ("not divided by the hull", "The empty part is a share of the hull: divide by the hull.",
         _giou_with(lambda i, u, h: i / u - (h - u))),
        ("1 - GIoU", "Asked is GIoU itself; the loss is 1 - GIoU.",
         _giou_with(lambda i, u, h: 1 - (i / u - (h - u) / h))),
        ("sides of the intersection below zero",
         "Boxes that are apart have no intersection: its sides must not be negative.",
         _giou_with(lambda i, u, h: i / u - (h - u) / h, None)),
        ("the area clamped instead of the sides", "Two negative sides multiply to a positive area: clamp the sides.",
         _giou_with(lambda i, u, h: i.clamp(min=0) / (v := u + i - i.clamp(min=0)) - (h - v) / h, None)),
        ("the intersection counted twice in the union", "The union counts the intersection once: take it away once.",
         _giou_with(lambda i, u, h: i / (u + i) - (h - u - i) / h)),
        ("one pixel added to the sides", "A side is x1 - x0: these boxes have no last pixel to add.",
         lambda a, b: _giou_with(lambda i, u, h: i / u - (h - u) / h)(_one_more(a), _one_more(b))),
        ("the mean of all boxes", "Give one number for each pair of boxes.",
         lambda a, b: generalized_box_iou(a, b).diagonal().mean()),
        ("all pairs", "Compare the boxes pair by pair: the answer is (N,), not (N, N).", generalized_box_iou),
        ("cut at zero", "Boxes that lie apart have a negative GIoU: that is what it is for.",
         lambda a, b: _giou_with(lambda i, u, h: i / u - (h - u) / h)(a, b).clamp(min=0)),
        ("cut at zero", "Boxes that lie apart have a negative GIoU: that is what it is for.",
         _giou_with(lambda i, u, h: torch.where(i > 0, i / u - (h - u) / h, 0.0))),
        ("the hull over the union", "The empty part is the hull less the union, divided by the hull.",
         _giou_with(lambda i, u, h: i / u - h / u)),
        ("DIoU", "Asked is the empty part of the hull, not the distance of the centres.",
         lambda a, b: _giou_with(lambda i, u, h: i / u)(a, b)
         - ((a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) / 2).square().sum(1)
         / (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).square().sum(1)),
        ("the intersection over the hull", "IoU divides by the union; what the hull adds is taken away afterwards.",
         _giou_with(lambda i, u, h: i / h)),
        ("the intersection over the hull", "IoU divides by the union; what the hull adds is taken away afterwards.",
         _giou_with(lambda i, u, h: i / h - (h - u) / h)),
        ("the union over the hull", "The IoU is missing: this is the share of the hull that is covered.",
         _giou_with(lambda i, u, h: u / h)),
        ("the intersection instead of the hull", "Take the box around both, the hull, less the union.",
         _giou_with(lambda i, u, h: i / u - (u - i) / u)),
        *_ALSO_GIOU,
    ],
    chapter="07_loss",
)  # fmt: skip
def giou(first: Tensor, second: Tensor) -> Tensor:
    """Generalized IoU of pairs of boxes: IoU - (hull - union) / hull, where the hull is the box around both.

    Args:
        first, second: (N, 4) x0, y0, x1, y1 with x0 < x1 and y0 < y1. They may lie apart.

    Returns:
        (N,) in -1..1.
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- normalize
def _worker_cases(draw: Draw) -> Iterator[Case]:
    for workers in (2, 3):
        yield Case((torch.tensor([draw.number(1, 40) for _ in range(workers)]),
                    torch.tensor(draw.sample(range(1, 30), workers))))  # fmt: skip
    yield Case((torch.tensor([3.5, 8.25]), torch.tensor([0, 5])), "a worker without objects")
    yield Case((torch.tensor([2.5, 1.25, 0.75]), torch.tensor([0, 0, 0])), NOTHING)


@question(
    3,
    "N_pos over all workers",
    lambda s, n: s.sum() / n.sum().clamp(min=1),
    _worker_cases,
    [
        ("N_pos of each worker", "With each worker's own N_pos the result depends on how images are shared out.",
         lambda s, n: (s / n.clamp(min=1)).mean()),
        ("N_pos of each worker", "With each worker's own N_pos the result depends on how images are shared out.",
         lambda s, n: (s / n.clamp(min=1)).sum()),
        ("no floor", "Without any object N_pos is 0: divide by at least 1.", lambda s, n: s.sum() / n.sum()),
        ("a floor for each worker", "The floor of 1 belongs to the sum over all workers, not to each of them.",
         lambda s, n: s.sum() / n.clamp(min=1).sum()),
        ("1 added instead of a floor", "At least 1 is a floor (max), not one more.",
         lambda s, n: s.sum() / (n.sum() + 1)),
        ("divided by the number of workers too", "Divide by N_pos alone: it is already summed over the workers.",
         lambda s, n: s.mean() / n.sum().clamp(min=1)),
        ("the mean of N_pos", "Here the sums are joined, so N_pos is the sum over the workers too, not the mean.",
         lambda s, n: s.sum() / n.float().mean().clamp(min=1)),
        ("a floor that grows with the workers", "The floor of N_pos is 1, however many workers share the batch.",
         lambda s, n: s.mean() / n.float().mean().clamp(min=1)),
        ("1 added for each worker", "At least 1 is a floor (max) of the sum, not one more for each worker.",
         lambda s, n: s.sum() / (n + 1).sum()),
        ("not divided", "Divide by N_pos.", lambda s, n: s.sum()),
        ("divided by the number of workers instead", "Divide by N_pos, the number of positive locations.",
         lambda s, n: s.mean()),
        ("0 without objects", "Without objects the negatives still cost something: divide by 1, do not give 0.",
         lambda s, n: s.sum() / n.sum().clamp(min=1) * (n.sum() > 0)),
        ("N_pos of each worker", "With each worker's own N_pos the result depends on how images are shared out.",
         lambda s, n: s / n.clamp(min=1)),
        ("a floor far below 1", "The floor of N_pos is 1, not a small number: the sum would be divided by almost 0.",
         lambda s, n: s.sum() / n.sum().clamp(min=1e-6)),
        ("a floor far below 1", "The floor of N_pos is 1, not a small number: the sum would be divided by almost 0.",
         lambda s, n: s.sum() / n.sum().clamp(min=1e-8)),
        ("the largest N_pos", "N_pos of the batch is the sum over its workers.",
         lambda s, n: s.sum() / n.max().clamp(min=1)),
        ("the first worker alone", "All workers count.", lambda s, n: s[0] / n[0].clamp(min=1)),
        ("weighted by N_pos", "The sums are joined as they are: do not weigh them.",
         lambda s, n: (s * n).sum() / n.sum().clamp(min=1)),
        ("workers without objects left out", "A worker without objects still has negatives, and they count.",
         lambda s, n: s[n > 0].sum() / n.sum().clamp(min=1)),
        ("divided by the workers with objects", "Divide by N_pos, the number of positive locations.",
         lambda s, n: s.sum() / (n > 0).sum().clamp(min=1)),
    ],
    chapter="07_loss",
)  # fmt: skip
def normalize(sums: Tensor, positives: Tensor) -> Tensor:
    """Eq. 2 over a batch that several workers share: the loss of the whole batch divided by its N_pos.

    Args:
        sums: (W,) the sum of the losses at each of W workers.
        positives: (W,) the number of positive locations at each worker; 0 is possible.

    Returns:
        One number: what a single worker with the whole batch would get. N_pos of the batch is at least 1.
    """
    raise NotImplementedError


QUESTIONS = (focal_loss, iou_loss, giou, centerness, centerness_loss, normalize)
