"""Lab 2, first part: levels and assignment (sections 3.1 and 3.2).

Taught in the chapter *Levels of the pyramid*. Checked against: the package's assignment; mutants and right variants in
the tests. What a matched location is to predict is in :mod:`fcos_edu.course.labs.matches`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ... import targets
from ...centerness import centerness
from ...config import FCOSConfig
from ..question import Case, Draw, Known, question
from .matches import EMPTY, box_targets, class_targets

CHAPTER = "03_levels"
BOUND = "a distance exactly on a bound of the level"
BORDER = "a location exactly on the border of a box"


# ---------------------------------------------------------------------- in_level
def _ranges(draw: Draw) -> Iterator[Case]:
    for low, high in ((0.0, 24.125), (24.125, 48.125), (40.125, math.inf)):  # no distance is exactly on a bound
        d = draw.distances(6, 3)
        d[5] = draw.distances(3, low=max(low, 1), high=min(high, 60))  # all four of them in the range
        d[3, 0] = torch.tensor([52.0, 55.25, 60, 58.5])  # all of them above the two upper bounds
        d[4, 0] = torch.tensor([20.0, 15, 20.5, 15.25])  # a box of 40.5 and 30.25, whose diagonal is above 50
        yield Case((d, low, high))
    d = draw.distances(4, 3, high=30)
    for row in range(4):  # a quarter of a pixel beyond the bounds, and within them
        d[row, :, row] = torch.tensor([31.75, 48.25, 32.25])
    yield Case((d, 32.0, 48.0))
    d = draw.distances(4, 2, high=20)  # outside of the box, far beyond one side: that distance is negative
    for row in range(4):
        d[row, :, row] *= -1
        d[row, 1, row] = -40
    yield Case((d, 2.0, 30.0), "a location outside of a box")
    d = draw.distances(4, 2, high=30)
    for row in range(4):
        d[row, 0, row] = 64.0
    yield Case((d, 64.0, 128.0), BOUND)
    yield Case((d, 32.0, 64.0), BOUND)
    yield Case((torch.zeros(5, 0, 4), 0.0, 64.0), EMPTY)


def _fits(value: Callable[[Tensor], Tensor]) -> Callable[[Tensor, float, float], Tensor]:
    return lambda d, low, high: (value(d) >= low) & (value(d) <= high)


def _largest(d: Tensor) -> Tensor:
    return d.amax(-1) if d.numel() else d.new_zeros(d.shape[:-1])


def _smallest(d: Tensor) -> Tensor:
    return d.amin(-1) if d.numel() else d.new_zeros(d.shape[:-1])


_ALSO_IN_LEVEL: Known = [  # less frequent ones
    ("absolute values", "A negative distance lies beyond a side; without its sign it would be a large one.",
     _fits(lambda d: _largest(d.abs()))),
    ("only inside the box", "Only the level is asked here: whether a location lies inside is asked elsewhere.",
     lambda d, low, high: _fits(_largest)(d, low, high) & (d > 0).all(-1)),
    ("the largest of all boxes", "The four distances are the last axis: take the largest along dim=-1.",
     _fits(lambda d: d.amax(1))),
    ("low and high swapped", "low is the smaller bound: the largest distance is at least low and at most high.",
     lambda d, low, high: (_largest(d) >= high) & (_largest(d) <= low)),
    ("the smallest for the upper bound", "Both bounds are for the largest distance, the upper one too.",
     lambda d, low, high: (_largest(d) >= low) & (_smallest(d) <= high)),
    ("the length of all four", "It is the largest of the four distances that is compared, not their length together.",
     _fits(lambda d: d.norm(dim=-1))),
    ("the largest of all boxes", "Each box has four distances of its own: take the largest of the last axis.",
     _fits(lambda d: _largest(d.flatten(1))[:, None].expand(d.shape[:2]))),
]  # fmt: skip


@question(
    2,
    "Which level learns a box",
    _fits(_largest),
    _ranges,
    [
        ("both bounds left out", "A distance exactly on a bound belongs to the level: otherwise no level has it.",
         lambda d, low, high: (_largest(d) > low) & (_largest(d) < high)),
        ("the upper bound left out", "A distance exactly on the upper bound belongs to this level too.",
         lambda d, low, high: (_largest(d) >= low) & (_largest(d) < high)),
        ("the lower bound left out", "A distance exactly on the lower bound belongs to this level too.",
         lambda d, low, high: (_largest(d) > low) & (_largest(d) <= high)),
        ("size of the box",
         "The largest of the four distances decides, not the size of the box: off-centre they differ.",
         _fits(lambda d: torch.maximum(d[..., 0] + d[..., 2], d[..., 1] + d[..., 3]))),
        ("half the size of the box", "The largest distance decides; half the box is only right in its very centre.",
         _fits(lambda d: torch.maximum(d[..., 0] + d[..., 2], d[..., 1] + d[..., 3]) / 2)),
        ("root of the area", "The largest distance decides, not the area as in the FPN paper.",
         _fits(lambda d: ((d[..., 0] + d[..., 2]) * (d[..., 1] + d[..., 3])).sqrt())),
        ("the smallest distance", "It is the largest of the four distances that is compared with the bounds.",
         _fits(_smallest)),
        ("the mean distance",
         "It is the largest of the four distances that is compared with the bounds, not their mean.",
         _fits(lambda d: d.mean(-1))),
        ("the sum of the distances", "It is the largest of the four distances that is compared, not their sum.",
         _fits(lambda d: d.sum(-1))),
        ("only left and top", "All four distances count, right and bottom too.", _fits(lambda d: _largest(d[..., :2]))),
        ("only left and right", "All four distances count, top and bottom too.",
         _fits(lambda d: _largest(d[..., ::2]))),
        ("every distance in the range", "Only the largest distance has to be in the range; the others may be small.",
         lambda d, low, high: ((d >= low) & (d <= high)).all(-1)),
        ("any distance in the range", "One distance in the range is not enough: the largest one has to be.",
         lambda d, low, high: ((d >= low) & (d <= high)).any(-1)),
        ("no lower bound", "Small boxes belong to the finer levels: the lower bound is missing.",
         lambda d, low, high: _largest(d) <= high),
        ("no upper bound", "Large boxes belong to the coarser levels: the upper bound is missing.",
         lambda d, low, high: _largest(d) >= low),
        ("one bound is enough", "Both bounds have to hold, not just one of them.",
         lambda d, low, high: (_largest(d) >= low) | (_largest(d) <= high)),
        ("only top and bottom", "All four distances count, left and right too.",
         _fits(lambda d: _largest(d[..., 1::2]))),
        ("only right and bottom", "All four distances count, left and top too.",
         _fits(lambda d: _largest(d[..., 2:]))),
        ("the diagonal", "The largest of the four distances decides, not the diagonal of the box.",
         _fits(lambda d: torch.hypot(d[..., 0] + d[..., 2], d[..., 1] + d[..., 3]))),
        ("the smaller side of the box", "The largest of the four distances decides, not a side of the box.",
         _fits(lambda d: torch.minimum(d[..., 0] + d[..., 2], d[..., 1] + d[..., 3]))),
        ("in whole pixels", "Distances are no whole numbers: compare them as they are.",
         _fits(lambda d: _largest(d).floor())),
        ("in whole pixels", "Distances are no whole numbers: compare them as they are.",
         _fits(lambda d: _largest(d).round())),
        ("one side left out", "All four distances count, the bottom too.", _fits(lambda d: _largest(d[..., :3]))),
        ("the second largest distance", "It is the largest of the four distances that is compared with the bounds.",
         _fits(lambda d: d.sort(-1).values[..., 2])),
        *_ALSO_IN_LEVEL,
    ],
    chapter=CHAPTER,
)  # fmt: skip
def in_level(distances: Tensor, low: float, high: float) -> Tensor:
    """Which boxes a level may learn at each location (section 3.2): low <= max(l, t, r, b) <= high.

    Only the level is asked here: whether the location lies inside of the box does not matter.

    Args:
        distances: (L, M, 4) left, top, right, bottom in pixels, negative beyond a side; M may be 0.
        low, high: bounds of the level in pixels; both belong to it. high may be infinite.

    Returns:
        (L, M) bool.
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- near_center
def _centers(draw: Draw) -> Iterator[Case]:
    for stride, radius in ((8, 1.5), (16, 1.0), (4, 2.5)):
        boxes = draw.boxes(3)
        center = (boxes[:, :2] + boxes[:, 2:]) / 2
        reach = radius * stride
        near = [center + torch.tensor([[draw.number(-1.9, 1.9), draw.number(-1.9, 1.9)]]) * reach for _ in range(6)]
        diagonal = center + torch.tensor([[0.9, -0.9]]) * reach  # in the square, not in the circle
        middle = center + torch.tensor([[0.7, -0.7]]) * reach
        close = center + torch.tensor([[0.5, -0.75]])  # within the radius, if that were in pixels
        inner = center + torch.tensor([[-0.4, 0.3]]) * reach  # beyond it, but not halfway to the end
        # Never exactly at the end of the radius of any box: what is added, no radius and no centre is a multiple of.
        yield Case((torch.cat([*near, diagonal, middle, close, inner]) + 1 / 32, boxes, stride, radius))
    half = torch.tensor([[0.0, 0, 41, 31]])  # its centre lies between two pixels
    yield Case((torch.tensor([[32.25, 15.5], [8.75, 15.5], [20.5, 27.25], [32.75, 15.5]]), half, 8, 1.5))
    boxes = torch.tensor([[8.0, 4, 40, 28], [0, 0, 64, 48]])
    points = torch.tensor([[24.0, 16], [36, 16], [24, 28], [12, 16], [35.75, 16]])
    yield Case((points, boxes, 8, 1.5), "a location exactly at the end of the radius")
    yield Case((draw.points(4), torch.zeros(0, 4), 8, 1.5), EMPTY)


def _offset(points: Tensor, boxes: Tensor) -> Tensor:
    return points[:, None] - (boxes[None, :, :2] + boxes[None, :, 2:]) / 2  # (L, M, 2)


def _chess(points: Tensor, boxes: Tensor) -> Tensor:
    d = _offset(points, boxes).abs()
    return torch.maximum(d[..., 0], d[..., 1])


def _from_one_half(axis: int) -> Callable[..., Tensor]:
    """The centre from half of one side alone."""
    return lambda p, b, s, r: (p[:, None] - b[:, :2] - ((b[:, 2:] - b[:, :2]) / 2)[:, [axis]]).abs().amax(-1) < r * s


_FAR: Known = [
    ("radius in pixels", "The radius is in strides: multiply it by the stride to have pixels.",
     lambda p, b, s, r: _chess(p, b) < r),
    ("the stride alone", "The reach is radius times stride, not the stride alone.",
     lambda p, b, s, r: _chess(p, b) < s),
    ("half the reach", "The radius goes to each side of the centre: the square is twice as wide.",
     lambda p, b, s, r: _chess(p, b) < r * s / 2),
    ("the end of the radius included", "A location exactly at the end of the radius is outside.",
     lambda p, b, s, r: _chess(p, b) <= r * s),
    ("a circle", "The region is a square: compare |x| and |y| with the reach one by one.",
     lambda p, b, s, r: _offset(p, b).square().sum(-1).sqrt() < r * s),
    ("the sum of both axes",
     "The region is a square: compare |x| and |y| with the reach one by one, not their sum.",
     lambda p, b, s, r: _offset(p, b).abs().sum(-1) < r * s),
    ("one axis is enough", "Both axes have to be within the reach, not just one.",
     lambda p, b, s, r: (_offset(p, b).abs() < r * s).any(-1)),
    ("no absolute value", "The square reaches to both sides of the centre: the sign must not matter.",
     lambda p, b, s, r: (_offset(p, b) < r * s).all(-1)),
    ("the corner instead of the centre", "Measure from the centre of the box, not from its corner.",
     lambda p, b, s, r: ((p[:, None] - b[None, :, :2]).abs() < r * s).all(-1)),
    ("half the size instead of the centre",
     "The centre is the mean of both corners; half the size is measured from 0.",
     lambda p, b, s, r: ((p[:, None] - (b[None, :, 2:] - b[None, :, :2]) / 2).abs() < r * s).all(-1)),
    ("only inside the box", "Here only the centre counts: whether a location is inside the box is asked elsewhere.",
     lambda p, b, s, r: (_chess(p, b) < r * s) & (targets.ltrb(p, b) > 0).all(-1)),
    ("the radius in box sizes", "The radius is in strides, whatever the size of the box.",
     lambda p, b, s, r: (_offset(p, b).abs() < r * (b[:, 2:] - b[:, :2])).all(-1)),
    ("radius plus stride", "The reach is radius times stride.", lambda p, b, s, r: _chess(p, b) < r + s),
    ("in cells", "Compare in pixels: counted in whole cells the region changes its size.",
     lambda p, b, s, r: ((p[:, None] // s - (b[:, :2] + b[:, 2:]) / 2 // s).abs() < r).all(-1)),
    ("only x", "Both axes count: y is missing.", lambda p, b, s, r: _offset(p, b)[..., 0].abs() < r * s),
    ("only y", "Both axes count: x is missing.", lambda p, b, s, r: _offset(p, b)[..., 1].abs() < r * s),
    ("x and y swapped", "Compare x with the x of the centre, and y with its y.",
     lambda p, b, s, r: _chess(p.flip(1), b) < r * s),
    ("twice the reach", "The radius goes to each side of the centre: it is not doubled.",
     lambda p, b, s, r: _chess(p, b) < 2 * r * s),
    ("the radius rounded", "A radius of 1.5 is no whole number: do not round it.",
     lambda p, b, s, r: _chess(p, b) < int(r) * s),
    ("the corner instead of the centre", "Measure from the centre of the box, not from its corner.",
     lambda p, b, s, r: (p[:, None] - b[:, 2:]).abs().amax(-1) < r * s),
    ("columns of the box mixed up", "The middle in x is that of columns 0 and 2, in y that of columns 1 and 3.",
     lambda p, b, s, r: _chess(p, b[:, [0, 1, 3, 2]]) < r * s),
    ("columns of the box mixed up", "The middle in x is that of columns 0 and 2, in y that of columns 1 and 3.",
     lambda p, b, s, r: _chess(p, b[:, [0, 2, 1, 3]]) < r * s),
    ("both axes not joined", "One answer is asked for each box: a location is near if both x and y are.",
     lambda p, b, s, r: _offset(p, b).abs() < r * s),
    ("the centre in whole pixels", "A centre may lie between pixels: divide by 2 with /.",
     lambda p, b, s, r: (p[:, None] - (b[:, :2] + b[:, 2:]) // 2).abs().amax(-1) < r * s),
    ("divided by the stride", "The radius is in strides: multiply it by the stride to have pixels.",
     lambda p, b, s, r: _chess(p, b) < r / s),
    ("boxes read as x, y, width, height", "The last two numbers of a box are its lower right corner, not its size.",
     lambda p, b, s, r: (p[:, None] - (b[:, :2] + b[:, 2:] / 2)).abs().amax(-1) < r * s),
    *(("one half for both axes",
       "The centre lies half the width from the left side, and half the height from the upper one.",
       _from_one_half(axis)) for axis in (0, 1)),
    *(("one end of the radius included", "Both ends of the square are outside: <, and neither <= nor >=.", rule)
      for rule in (lambda p, b, s, r: (_chess(p, b) <= r * s) & (_offset(p, b) < r * s).all(-1),
                   lambda p, b, s, r: (_chess(p, b) <= r * s) & (_offset(p, b) > -r * s).all(-1))),
]  # fmt: skip


@question(2, "Center sampling", lambda p, b, s, r: _chess(p, b) < r * s, _centers, _FAR, chapter="04_overlap")
def near_center(locations: Tensor, boxes: Tensor, stride: int, radius: float) -> Tensor:
    """Center sampling: which locations lie near the centre of which boxes.

    Only the centre is asked here: whether the location lies inside of the box does not matter.

    Args:
        locations: (L, 2) x and y in pixels.
        boxes: (M, 4) x0, y0, x1, y1 in pixels; M may be 0.
        stride: of the level, in pixels.
        radius: in strides.

    Returns:
        (L, M) bool: |x - center| and |y - center| are both smaller than radius * stride.
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- assign
def _scenes(draw: Draw) -> Iterator[Case]:
    for low, high in ((0.0, 40.0), (24.0, 90.0), (0.0, math.inf)):
        boxes = draw.boxes(5, least=24)
        # Small ones inside the first two: they come later, and earlier, than the box around them.
        small = (boxes[:2, :2] + boxes[:2, 2:]) / 2
        small = torch.cat([small - torch.tensor([6.0, 5.0]), small + torch.tensor([5.25, 6.5])], 1)
        boxes = torch.cat([small[1:], boxes, small[:1] - torch.tensor([0.25, 0.25, 0, 0])])  # no two areas are equal
        middles = (boxes[:, :2] + boxes[:, 2:]) / 2 + 1.25 + 1 / 32  # on no border of another box
        off = boxes[:, :2] + (boxes[:, 2:] - boxes[:, :2]) * torch.tensor([0.25, 0.75]) + 1 / 64
        yield Case((torch.cat([draw.points(8), middles, off]), boxes, low, high))
    thin = torch.tensor([[10.0, 10, 60, 60], [0, 30, 140, 40.5]])  # the long one has the smaller area
    yield Case((torch.tensor([[33.0, 35.0], [20, 31], [100, 33]]), thin, 0.0, math.inf))
    wide = torch.tensor([[0.0, 0, 40, 40], [0, 0, 44, 20]])  # the longer one has the smaller area
    yield Case((torch.tensor([[20, 10], [42, 15]], dtype=torch.float32), wide, 0.0, math.inf))
    tall = torch.tensor([[0.0, 0, 20, 44], [0, 0, 24, 20]])  # the narrower one has the larger area
    yield Case((torch.tensor([[10.0, 12], [8, 15]]), tall, 0.0, math.inf))
    higher = torch.tensor([[0.0, 0, 60, 20], [0, 0, 20, 44]])  # the higher one has the smaller area
    yield Case((torch.tensor([[10.0, 12], [8, 15]]), higher, 0.0, math.inf))
    far = torch.tensor([[99.0, 0, 129, 15], [100, 2, 110, 32]])  # of the smaller one x1 y1 - x0 y0 is the larger number
    yield Case((torch.tensor([[105.0, 8], [103, 10]]), far, 0.0, math.inf))
    near = torch.tensor(
        [[20.0, 60, 110, 88], [100, 80, 112, 90]]
    )  # of the smaller one x1 y1 alone is the larger number
    yield Case((torch.tensor([[105.0, 85], [103, 82]]), near, 0.0, math.inf))
    sides = torch.tensor([[0.0, 0, 20, 44], [100, 0, 160, 20]])  # beyond the bound in one axis alone
    yield Case((torch.tensor([[10.0, 10], [110, 10]]), sides, 0.0, 20.25))
    flat = torch.tensor([[0.0, 0, 50, 8]])  # longer than the bound, and the root of its area is below it
    yield Case((torch.tensor([[25.0, 4], [5, 4]]), flat, 0.0, 30.0))
    middle = torch.tensor([[0.0, 0, 50, 40]])  # longer than the bound, but not half of it
    yield Case((torch.tensor([[25.0, 20], [10, 12]]), middle, 0.0, 30.0))
    large = torch.tensor([[5.0, 5, 65, 65], [0, 0, 40, 40]])  # of the small one the right side is farther away
    yield Case((torch.tensor([[35.0, 35], [33, 36]]), large, 0.0, math.inf))
    thin = torch.tensor([[10.0, 10, 30, 30], [0, 20, 78, 25]])  # 400 and 390: one pixel more would turn that round
    yield Case((torch.tensor([[15.0, 22], [28, 24]]), thin, 0.0, math.inf))
    wide = torch.tensor([[0.0, 0, 2000, 1000], [0, 0, 1999, 1000.5], [0, 0, 1998, 1001]])
    places = torch.tensor([[500.0, 400], [999, 31], [1999.5, 700], [3000, 2]])
    yield Case((places, wide, 0.0, math.inf), "boxes of nearly the same area")
    box = torch.tensor([[100.0, 100, 228, 180], [90, 90, 300, 260]])
    bounds = torch.tensor([[164.0, 140.0], [163, 140], [170, 130]])
    yield Case((bounds, box[:1], 0.0, 64.0), BOUND)
    yield Case((bounds, box[:1], 64.0, 128.0), BOUND)
    yield Case(
        (torch.tensor([[100.0, 140.0], [228, 130], [120, 100], [150, 180], [150, 120]]), box, 0.0, 400.0), BORDER
    )
    yield Case((draw.points(5), torch.zeros(0, 4), 0.0, 64.0), EMPTY)
    yield Case((draw.points(4) + 500, draw.boxes(2), 0.0, math.inf), "no location inside any box")


def _smallest_box(p: Tensor, b: Tensor, low: float, high: float) -> Tensor:
    """targets.assign knows feature maps; its slow form takes any locations."""
    config = FCOSConfig.paper(levels=(3,), level_bounds=(low, high))
    return targets.assign_slow([p], b, config)


def _area(b: Tensor) -> Tensor:
    return (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])


Rule = Callable[[Tensor, Tensor, float, float], Tensor]


def _assign(
    allowed: Rule | None = None,
    cost: Callable[[Tensor, Tensor], Tensor] | None = None,
    background: int | None = -1,
    empty: bool = True,
    forbidden: float = math.inf,
) -> Rule:
    """An assignment with one part exchanged: which boxes are allowed, what is smallest, what background is."""

    def run(p: Tensor, b: Tensor, low: float, high: float) -> Tensor:
        if len(b) == 0 and empty:
            return torch.full((len(p),), -1)
        d = targets.ltrb(p, b)
        ok = allowed(p, b, low, high) if allowed else (d > 0).all(-1) & _fits(_largest)(d, low, high)
        value = (cost(p, b) if cost else _area(b).expand(len(p), -1)).masked_fill(~ok, forbidden)
        best = value.argmin(1)
        return best if background is None else torch.where(ok.any(1), best, background)

    return run


def _with(inside: Callable[[Tensor], Tensor], level: Callable[[Tensor, float, float], Tensor]) -> Rule:
    return lambda p, b, low, high: inside(targets.ltrb(p, b)) & level(targets.ltrb(p, b), low, high)


def _strictly(d: Tensor) -> Tensor:
    return (d > 0).all(-1)


def _rounded(p: Tensor, b: Tensor) -> Tensor:
    return -(1e8 - _area(b)).expand(len(p), -1)


def _then_level(p: Tensor, b: Tensor, low: float, high: float) -> Tensor:
    best = _smallest_box(p, b, 0.0, math.inf)
    if len(b) == 0:
        return best
    fits = _fits(_largest)(targets.ltrb(p, b), low, high).gather(1, best.clamp(min=0)[:, None])[:, 0]
    return torch.where((best >= 0) & fits, best, -1)


def _left_and_right(d: Tensor) -> Tensor:
    return _largest(d[..., ::2])


def _top_and_bottom(d: Tensor) -> Tensor:
    return _largest(d[..., 1::2])


_ALSO_ASSIGN: Known = [  # less frequent ones
    ("indices of the sorted list", "Give the index of the box as it was given, not its place after sorting.",
     lambda p, b, low, high: torch.where((a := _smallest_box(p, b, low, high)) >= 0,
                                         _area(b).argsort().argsort()[a] if len(b) else a, -1)),
    ("boxes that are not allowed cost nothing",
     "A box that is not allowed has to be the most expensive one: with area 0 it is the smallest of all.",
     lambda p, b, low, high: torch.where(
         _smallest_box(p, b, low, high) >= 0,
         (_area(b) * (_strictly(d := targets.ltrb(p, b)) & _fits(_largest)(d, low, high))).argmin(1), -1)
     if len(b) else torch.full((len(p),), -1)),
    ("one pixel added to the sides", "A side is x1 - x0: one pixel more changes which box is the smallest.",
     _assign(cost=lambda p, b: (b[:, 2:] - b[:, :2] + 1).prod(1).expand(len(p), -1))),
    ("background is 0", "A location without any box should be -1: 0 is the first box.",
     lambda p, b, low, high: _smallest_box(p, b, low, high).clamp(min=0)),
    ("boxes counted from one", "Boxes are counted from 0.",
     lambda p, b, low, high: torch.where((a := _smallest_box(p, b, low, high)) >= 0, a + 1, -1)),
    ("the longest side instead of the area", "Compare areas: width times height.",
     _assign(cost=lambda p, b: (b[:, 2:] - b[:, :2]).amax(1).expand(len(p), -1))),
    ("the width instead of the area", "Compare areas: width times height.",
     _assign(cost=lambda p, b: (b[:, 2] - b[:, 0]).expand(len(p), -1))),
    ("the height instead of the area", "Compare areas: width times height.",
     _assign(cost=lambda p, b: (b[:, 3] - b[:, 1]).expand(len(p), -1))),
    ("the far corner instead of the size", "The area is width times height: (x1 - x0) (y1 - y0).",
     _assign(cost=lambda p, b: b[:, 2:].prod(1).expand(len(p), -1))),
    ("the smallest distance for the level", "It is the largest distance that is compared with the bounds.",
     _assign(_with(_strictly, _fits(_smallest)))),
    ("root of the area for the level", "The largest distance from this location decides the level, not the area.",
     lambda p, b, low, high: _assign(lambda p, b, low, high: _strictly(targets.ltrb(p, b))
                                     & (_area(b).sqrt() >= low) & (_area(b).sqrt() <= high))(p, b, low, high)),
    *(("two sides alone for the level", "The largest of all four distances is compared with the bounds.",
       _assign(_with(_strictly, _fits(two)))) for two in (_left_and_right, _top_and_bottom)),
    ("corners multiplied for the area", "The area is width times height: subtract first, then multiply.",
     _assign(cost=lambda p, b: (b[:, 2:].prod(1) - b[:, :2].prod(1)).expand(len(p), -1))),
    ("large areas taken for infinity",
     "What stands for 'not allowed' has to be larger than any area: take infinity.",
     _assign(forbidden=1e6)),
    ("large areas taken for infinity",
     "What stands for 'not allowed' has to be larger than any area: take infinity.",
     lambda p, b, low, high: torch.where(
         (a := _smallest_box(p, b, low, high)) >= 0,
         torch.where((_area(b) if len(b) else torch.zeros(1))[a] >= 1e5, -1, a), -1)),
]  # fmt: skip


@question(
    2,
    "The smallest box wins",
    _smallest_box,
    _scenes,
    [
        ("the largest box", "Of several boxes the one with the smallest area wins; large ones have other locations.",
         _assign(cost=lambda p, b: -_area(b).expand(len(p), -1))),
        ("the first box", "Of several boxes the smallest one wins, wherever it stands in the list.",
         _assign(cost=lambda p, b: torch.arange(len(b)).expand(len(p), -1).float())),
        ("the last box", "Of several boxes the smallest one wins; here a later one overwrites it.",
         _assign(cost=lambda p, b: -torch.arange(len(b)).expand(len(p), -1).float())),
        ("the box with the nearest centre", "The smallest area decides, not the nearest centre.",
         _assign(cost=lambda p, b: _offset(p, b).square().sum(-1))),
        ("the nearest side instead of the area", "The smallest area decides, not the distances from this location.",
         _assign(cost=lambda p, b: _largest(targets.ltrb(p, b)))),
        ("width plus height instead of the area", "Compare areas: width times height.",
         _assign(cost=lambda p, b: (b[:, 2:] - b[:, :2]).sum(1).expand(len(p), -1))),
        ("background learns box 0",
         "A location without any box should be -1: argmin of a row that is all infinite says 0.",
         _assign(background=None)),
        ("background learns box 0",
         "A location without any box should be -1, in an image without boxes too: argmin does not know it.",
         _assign(background=None, empty=False)),
        ("background is the number of boxes", "A location without any box should be -1.",
         lambda p, b, low, high: torch.where((a := _smallest_box(p, b, low, high)) < 0, len(b), a)),
        ("areas that tie in float32", "1e8 - area rounds close areas to the same number: compare the areas themselves.",
         _assign(cost=_rounded)),
        ("no case for an image without boxes", "An image may have no boxes: argmin of an empty row is an error.",
         _assign(empty=False)),
        ("a border counts as inside", "A location exactly on a border is outside: all four distances must be positive.",
         _assign(_with(lambda d: (d >= 0).all(-1), _fits(_largest)))),
        ("bounds left out", "A largest distance exactly on a bound belongs to the level.",
         _assign(_with(_strictly, lambda d, low, high: (_largest(d) > low) & (_largest(d) < high)))),
        ("the upper bound left out", "A largest distance exactly on the upper bound belongs to the level.",
         _assign(_with(_strictly, lambda d, low, high: (_largest(d) >= low) & (_largest(d) < high)))),
        ("the lower bound left out", "A largest distance exactly on the lower bound belongs to the level.",
         _assign(_with(_strictly, lambda d, low, high: (_largest(d) > low) & (_largest(d) <= high)))),
        ("size of the box for the level",
         "The largest distance from this location decides the level, not the box's size.",
         _assign(_with(_strictly, _fits(lambda d: torch.maximum(d[..., 0] + d[..., 2], d[..., 1] + d[..., 3]))))),
        ("no level", "A box outside of the level's range is not learned here: low and high are not used.",
         _assign(_with(_strictly, lambda d, low, high: torch.ones(d.shape[:2], dtype=torch.bool)))),
        ("inside not tested", "Only boxes that the location lies in can be learned.",
         _assign(_with(lambda d: torch.ones(d.shape[:2], dtype=torch.bool), _fits(_largest)))),
        ("the smallest box first, then its level",
         "Leave out boxes of other levels before you choose the smallest one.",
         _then_level),
        *_ALSO_ASSIGN,
        ("the best center-ness instead of the area", "The smallest area decides, not where in the box one is.",
         _assign(cost=lambda p, b: -centerness(targets.ltrb(p, b).clamp(min=0)))),
        ("background learns the last box", "A location without any box should be -1.",
         lambda p, b, low, high: torch.where((a := _smallest_box(p, b, low, high)) < 0, len(b) - 1, a)),
    ],
    chapter=CHAPTER,
)  # fmt: skip
def assign(locations: Tensor, boxes: Tensor, low: float, high: float) -> Tensor:
    """Which box each location of a level learns (sections 3.1 and 3.2).

    A location may learn a box if it lies strictly inside, and if low <= max(l, t, r, b) <= high. Of several such boxes
    it learns the one with the smallest area; no two areas are equal.

    Args:
        locations: (L, 2) x and y in pixels.
        boxes: (M, 4) x0, y0, x1, y1 in pixels; M may be 0.
        low, high: bounds of the level in pixels; high may be infinite.

    Returns:
        (L,): the index of the box, or -1 for background.
    """
    raise NotImplementedError


QUESTIONS = (in_level, near_center, assign, class_targets, box_targets)
