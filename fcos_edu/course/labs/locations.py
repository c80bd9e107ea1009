"""Lab 1: locations and distances (section 3.1, Eq. 1).

Taught in the chapter *Locations and the four distances*. Checked against: the package's locations and distances;
mutants and right variants in the tests.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ... import locations as room
from ... import targets
from ..question import Case, Draw, Known, question

CHAPTER = "02_locations"
BORDER = "a location exactly on the border of a box"


# ---------------------------------------------------------------------- locations
def _maps(draw: Draw) -> Iterator[Case]:
    for stride in draw.sample([8, 16, 32, 64, 128], 3):
        yield Case((*draw.size(), stride))
    height, width = draw.size(3, 7)
    yield Case((1, width, 8), "a map of a single row")
    yield Case((height, 1, 16), "a map of a single column")


def _grid(height: int, width: int, stride: int, offset: float | None = None) -> Tensor:
    start = stride // 2 if offset is None else offset
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2) * float(stride) + start


_ALSO_LOCATIONS: Known = [  # less frequent ones
    (
        "not flattened",
        "Height and width become one axis, the locations: each row of the answer is one of them.",
        lambda h, w, s: _grid(h, w, s).reshape(h, w, 2),
    ),
    (
        "cells taken for pixels",
        "height and width count cells: there are height * width locations, whatever the stride is.",
        lambda h, w, s: _grid(len(range(0, h, s)), len(range(0, w, s)), s),
    ),
    (
        "the two axes mixed",
        "x and y of one location belong side by side: make them the last axis before you flatten.",
        lambda h, w, s: _grid(h, w, s).T.reshape(-1, 2),
    ),
    (
        "half a stride taken away",
        "The first location lies inside the picture: half a stride is added.",
        lambda h, w, s: _grid(h, w, s, -s / 2),
    ),
    (
        "half a pixel off",
        "Half a stride is all: no half pixel more or less is needed.",
        lambda h, w, s: _grid(h, w, s, s / 2 - 0.5),
    ),
    (
        "half a pixel off",
        "Half a stride is all: no half pixel more or less is needed.",
        lambda h, w, s: _grid(h, w, s, s / 2 + 0.5),
    ),
    (
        "spread from side to side",
        "From one location to the next it is exactly one stride, whatever linspace says.",
        lambda h, w, s: torch.cartesian_prod(torch.linspace(0, h * s, h), torch.linspace(0, w * s, w)).flip(1),
    ),
    (
        "spread from side to side",
        "From one location to the next it is exactly one stride, whatever linspace says.",
        lambda h, w, s: torch.cartesian_prod(torch.linspace(s / 2, h * s, h), torch.linspace(s / 2, w * s, w)).flip(
            1
        ),
    ),
    (
        "from the bottom upwards",
        "y grows downwards: the first row of the answer is the upper one.",
        lambda h, w, s: _grid(h, w, s).reshape(h, w, 2).flip(0).reshape(-1, 2),
    ),
    (
        "from right to left",
        "x grows to the right: the first location of each row is the left one.",
        lambda h, w, s: _grid(h, w, s).reshape(h, w, 2).flip(1).reshape(-1, 2),
    ),
    (
        "a row and a column too many",
        "There are height rows and width columns: arange and range leave their end out.",
        lambda h, w, s: _grid(h + 1, w + 1, s),
    ),
    (
        "half a stride on one axis only",
        "Both x and y begin half a stride from the corner.",
        lambda h, w, s: _grid(h, w, s) - torch.tensor([0.0, s / 2]),
    ),
    (
        "half a stride on one axis only",
        "Both x and y begin half a stride from the corner.",
        lambda h, w, s: _grid(h, w, s) - torch.tensor([s / 2, 0.0]),
    ),
]  # fmt: skip


@question(
    1,
    "Where the locations lie",
    room.level_locations,
    _maps,
    [
        (
            "x and y swapped",
            "Each row should be (x, y): x grows along the width. A square map would hide this, so try one that is not.",
            lambda h, w, s: _grid(h, w, s).flip(-1),
        ),
        (
            "column by column",
            "The order is row by row: x changes fastest, as in a flattened feature map.",
            lambda h, w, s: _grid(h, w, s).reshape(h, w, 2).transpose(0, 1).reshape(-1, 2),
        ),
        (
            "height and width swapped",
            "x runs over the width and y over the height, row by row: here the two have changed places.",
            lambda h, w, s: _grid(w, h, s),
        ),
        (
            "no half stride",
            "A location stands in the middle of its cell: a step of half a stride is missing at the start.",
            lambda h, w, s: _grid(h, w, s, 0),
        ),
        (
            "half a pixel instead of half a stride",
            "The first location lies half a stride from the corner, in pixels of the image, not half a pixel.",
            lambda h, w, s: _grid(h, w, s, 0.5),
        ),
        (
            "a whole stride at the start",
            "The first location lies half a stride from the corner, not a whole one.",
            lambda h, w, s: _grid(h, w, s, s),
        ),
        (
            "the half stride multiplied by the stride",
            "Half a stride is already in pixels: add it after you have multiplied by the stride.",
            lambda h, w, s: _grid(h, w, s, s * (s // 2)),
        ),
        (
            "in cells instead of pixels",
            "Answers are in pixels of the image: a step from cell to cell is one stride.",
            lambda h, w, s: _grid(h, w, s) / s,
        ),
        *_ALSO_LOCATIONS,
        (
            "in shares of the picture",
            "Locations are in pixels of the image, not in shares of it.",
            lambda h, w, s: _grid(h, w, s) / torch.tensor([w * s, h * s]),
        ),
    ],
    chapter=CHAPTER,
)
def locations(height: int, width: int, stride: int) -> Tensor:
    """Where the locations of a feature map lie in the image (section 3.1).

    Args:
        height, width: size of the feature map, in cells.
        stride: pixels of the image from one cell to the next, an even number.

    Returns:
        (height * width, 2): x and y of each location in pixels, row by row. Cell (x, y) lies at
        (stride / 2 + x * stride, stride / 2 + y * stride).
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- ltrb
def _points_and_boxes(draw: Draw) -> Iterator[Case]:
    for count, boxes in ((5, 3), (2, 4)):
        yield Case((draw.points(count), draw.boxes(boxes)))
    yield Case((draw.points(3), torch.zeros(0, 4)), "an image without boxes")
    yield Case((draw.points(1), draw.boxes(1)), "a single location and a single box")


_ALSO_LTRB: Known = [  # less frequent ones
    ("one side with the wrong sign", "Three distances are right; the sign of the other one is turned round.",
     lambda p, b: targets.ltrb(p, b) * torch.tensor([-1.0, 1, 1, 1])),
    ("one side with the wrong sign", "Three distances are right; the sign of the other one is turned round.",
     lambda p, b: targets.ltrb(p, b) * torch.tensor([1.0, -1, 1, 1])),
    ("one side with the wrong sign", "Three distances are right; the sign of the other one is turned round.",
     lambda p, b: targets.ltrb(p, b) * torch.tensor([1.0, 1, -1, 1])),
    ("one side with the wrong sign", "Three distances are right; the sign of the other one is turned round.",
     lambda p, b: targets.ltrb(p, b) * torch.tensor([1.0, 1, 1, -1])),
    ("left and right swapped", "The order is left, top, right, bottom.",
     lambda p, b: targets.ltrb(p, b)[..., [2, 1, 0, 3]]),
    ("top and bottom swapped", "The order is left, top, right, bottom.",
     lambda p, b: targets.ltrb(p, b)[..., [0, 3, 2, 1]]),
    ("order l t b r", "The order is left, top, right, bottom: x1 comes before y1.",
     lambda p, b: targets.ltrb(p, b)[..., [0, 1, 3, 2]]),
    ("outside set to zero", "Keep the numbers outside of a box too: their signs say on which side one is.",
     lambda p, b: (d := targets.ltrb(p, b)) * (d > 0).all(-1, keepdim=True)),
    ("one pixel added", "r is x1 - x: these boxes have no last pixel to add.",
     lambda p, b: targets.ltrb(p, b) + torch.tensor([0.0, 0, 1, 1])),
    ("in shares of the box", "Distances are in pixels: do not divide them by the size of the box.",
     lambda p, b: targets.ltrb(p, b) / (b[:, 2:] - b[:, :2]).repeat(1, 2)),
    ("measured from the centre of the box", "Distances are measured from the location, not from the box's centre.",
     lambda p, b: ((b[:, 2:] - b[:, :2]) / 2).repeat(1, 2).expand(len(p), -1, -1)),
]  # fmt: skip


@question(
    1,
    "Four distances (Eq. 1)",
    targets.ltrb,
    _points_and_boxes,
    [
        (
            "left and top with the wrong sign",
            "To the right of the left side l is positive: ask which of the two numbers is the larger one.",
            lambda p, b: targets.ltrb(p, b) * torch.tensor([-1.0, -1, 1, 1]),
        ),
        (
            "right and bottom with the wrong sign",
            "To the left of the right side r is positive: ask which of the two numbers is the larger one.",
            lambda p, b: targets.ltrb(p, b) * torch.tensor([1.0, 1, -1, -1]),
        ),
        ("all signs wrong", "Inside a box all four distances are positive; yours are negative.",
         lambda p, b: -targets.ltrb(p, b)),
        (
            "absolute values",
            "Outside of a box a distance has to be negative: that is how one sees that the location is outside.",
            lambda p, b: targets.ltrb(p, b).abs(),
        ),
        (
            "negative distances cut to zero",
            "Keep negative distances: they say that the location is outside, and zero would not.",
            lambda p, b: targets.ltrb(p, b).clamp(min=0),
        ),
        ("order l r t b", "The order is left, top, right, bottom.",
         lambda p, b: targets.ltrb(p, b)[..., [0, 2, 1, 3]]),
        ("order t l b r", "The order is left, top, right, bottom: x comes before y.",
         lambda p, b: targets.ltrb(p, b)[..., [1, 0, 3, 2]]),
        ("order r b l t", "The order is left, top, right, bottom: the corner with the small numbers comes first.",
         lambda p, b: targets.ltrb(p, b)[..., [2, 3, 0, 1]]),
        (
            "x and y swapped",
            "Here a location's x is compared with a box's y: locations are (x, y), boxes x0, y0, x1, y1.",
            lambda p, b: targets.ltrb(p.flip(-1), b),
        ),
        (
            "locations and boxes swapped in the shape",
            "The first axis is for the locations, the second for the boxes.",
            lambda p, b: targets.ltrb(p, b).transpose(0, 1),
        ),
        ("boxes read as x, y, width, height", "The last two numbers of a box are its lower right corner, not its size.",
         lambda p, b: targets.ltrb(p, torch.cat([b[:, :2], b[:, :2] + b[:, 2:]], 1))),
        (
            "size of the box instead of r and b",
            "r and b are measured from the location, not from the other side of the box.",
            lambda p, b: torch.cat([targets.ltrb(p, b)[..., :2],
                                    (b[:, 2:] - b[:, :2]).expand(len(p), -1, -1)], -1),
        ),
        *_ALSO_LTRB,
    ],
    chapter=CHAPTER,
)  # fmt: skip
def ltrb(locations: Tensor, boxes: Tensor) -> Tensor:
    """Eq. 1: the distances from each location to the four sides of each box.

    Args:
        locations: (L, 2) x and y in pixels.
        boxes: (M, 4) x0, y0, x1, y1 in pixels; M may be 0.

    Returns:
        (L, M, 4): left, top, right, bottom in pixels; negative where the location lies beyond that side.
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- ltrb_to_boxes
def _points_and_distances(draw: Draw) -> Iterator[Case]:
    for count in (4, 7):
        yield Case((draw.points(count) + 64, draw.distances(count)))
    yield Case((draw.points(3) / 4, draw.distances(3, low=40)), "a box that begins left of the picture")
    yield Case((torch.zeros(0, 2), torch.zeros(0, 4)), "no location at all")


def _decode(points: Tensor, d: Tensor, signs: tuple[int, int, int, int] = (-1, -1, 1, 1)) -> Tensor:
    return points.repeat(1, 2) + d * torch.tensor(signs)


_ALSO_BOXES: Known = [  # less frequent ones
    ("order l t b r", "The distances come as left, top, right, bottom: r belongs to x1, b to y1.",
     lambda p, d: _decode(p, d[:, [0, 1, 3, 2]])),
    ("half of the distances", "A distance goes from the location to the side: nothing is halved.",
     lambda p, d: _decode(p, d / 2)),
    ("the location taken for the centre", "A location lies somewhere inside its box: left and right may differ.",
     lambda p, d: _decode(p, ((d[:, :2] + d[:, 2:]) / 2).repeat(1, 2))),
]  # fmt: skip


@question(
    1,
    "From distances back to boxes",
    targets.ltrb_to_boxes,
    _points_and_distances,
    [
        (
            "left and top added",
            "The left side lies to the left of the location: its x is smaller.",
            lambda p, d: _decode(p, d, (1, 1, 1, 1)),
        ),
        ("right and bottom taken away", "The right side lies to the right of the location: its x is larger.",
         lambda p, d: _decode(p, d, (-1, -1, -1, -1))),
        ("all signs turned round", "x0 should be smaller than x1: the signs are the other way round.",
         lambda p, d: _decode(p, d, (1, 1, -1, -1))),
        (
            "width and height instead of the far corner",
            "The last two numbers are x1 and y1, the lower right corner, not width and height.",
            lambda p, d: torch.cat([p - d[:, :2], d[:, :2] + d[:, 2:]], 1),
        ),
        (
            "center, width, height",
            "The answer is two corners, x0 y0 x1 y1; a location is not the centre of its box.",
            lambda p, d: torch.cat([p, d[:, :2] + d[:, 2:]], 1),
        ),
        ("x and y swapped", "x belongs to left and right, y to top and bottom.", lambda p, d: _decode(p.flip(-1), d)),
        ("order l r t b", "The distances come as left, top, right, bottom.",
         lambda p, d: _decode(p, d[:, [0, 2, 1, 3]])),
        ("order of the answer", "The answer is x0, y0, x1, y1.", lambda p, d: _decode(p, d)[:, [0, 2, 1, 3]]),
        (
            "cut at zero",
            "Do not cut boxes here: one that begins outside of the picture has a negative side until it is clipped.",
            lambda p, d: _decode(p, d).clamp(min=0),
        ),
        ("the far corner measured from the near one", "x1 lies r to the right of the location, not of x0.",
         lambda p, d: torch.cat([a := p - d[:, :2], a + d[:, 2:]], 1)),
        ("left and right swapped", "The distances come as left, top, right, bottom.",
         lambda p, d: _decode(p, d[:, [2, 1, 0, 3]])),
        ("top and bottom swapped", "The distances come as left, top, right, bottom.",
         lambda p, d: _decode(p, d[:, [0, 3, 2, 1]])),
        (
            "center, width, height",
            "The answer is two corners, x0 y0 x1 y1; a location is not the centre of its box.",
            lambda p, d: torch.cat([p + (d[:, 2:] - d[:, :2]) / 2, d[:, :2] + d[:, 2:]], 1),
        ),
        ("the location at the near corner", "A location lies somewhere inside its box, not at its corner.",
         lambda p, d: torch.cat([p, p + d[:, :2] + d[:, 2:]], 1)),
        ("the location left out", "Distances are measured from the location: its x and y are missing.",
         lambda p, d: _decode(p * 0, d)),
        ("one pixel taken away", "x1 is x + r: these boxes have no last pixel to take away.",
         lambda p, d: _decode(p, d) - torch.tensor([0.0, 0, 1, 1])),
        ("absolute values", "A box that begins outside of the picture has a negative side: keep its sign.",
         lambda p, d: _decode(p, d).abs()),
        *_ALSO_BOXES,
    ],
    chapter=CHAPTER,
)  # fmt: skip
def ltrb_to_boxes(locations: Tensor, distances: Tensor) -> Tensor:
    """Eq. 1 turned round: the box that each location means.

    Args:
        locations: (L, 2) x and y in pixels.
        distances: (L, 4) left, top, right, bottom in pixels.

    Returns:
        (L, 4): x0, y0, x1, y1 in pixels, not clipped to any picture.
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- inside
def _inside_cases(draw: Draw) -> Iterator[Case]:
    for _ in range(2):
        yield Case((targets.ltrb(draw.points(12), draw.boxes(5)),))
    d = draw.distances(4, 3)
    for row in range(4):  # outside by one side only, each side once
        d[row, 0, row] *= -1
    yield Case((d,))
    d = draw.distances(5, 2)
    for row in range(4):  # inside, but close to one side
        d[row, 1, row] = 0.25
    d[4, 0] = torch.tensor([-50.0, 2, 3, 4])  # far outside by one side: the sum is negative
    yield Case((d,))
    edge = draw.distances(4, 2)
    for row in range(4):
        edge[row, 0, row] = 0
    yield Case((edge,), BORDER)
    yield Case((torch.zeros(5, 0, 4),), "an image without boxes")


@question(
    1,
    "Inside a box",
    lambda d: (d > 0).all(-1),
    _inside_cases,
    [
        (
            "a border counts as inside",
            "On the border one distance is 0, which exp can never give: it counts as outside.",
            lambda d: (d >= 0).all(-1),
        ),
        ("any side is enough", "All four distances have to be positive, not just one of them.",
         lambda d: (d > 0).any(-1)),
        ("only left and top", "Right and bottom have to be positive too.", lambda d: (d[..., :2] > 0).all(-1)),
        ("only right and bottom", "Left and top have to be positive too.", lambda d: (d[..., 2:] > 0).all(-1)),
        ("only left and right", "Top and bottom have to be positive too.", lambda d: (d[..., ::2] > 0).all(-1)),
        ("the product instead of each side", "Two negative distances multiply to a positive number: test each side.",
         lambda d: d.prod(-1) > 0),
        ("the sign not looked at",
         "The sign is what tells inside from outside: a negative distance is not 0 either, and it is outside.",
         lambda d: (d.abs() > 0).all(-1)),
        ("one axis is enough", "All four distances have to be positive, those of x and those of y.",
         lambda d: (d > 0).sum(-1) >= 3),
        ("inside and outside swapped", "True means inside; yours says where it is outside.",
         lambda d: ~(d > 0).all(-1)),
        ("only top and bottom", "Left and right have to be positive too.", lambda d: (d[..., 1::2] > 0).all(-1)),
        ("the sum instead of each side", "One negative distance is enough to be outside: test each, not their sum.",
         lambda d: d.sum(-1) > 0),
        ("left and top may be zero", "On the left and on the upper border one distance is 0 too, and that is outside.",
         lambda d: (d[..., :2] >= 0).all(-1) & (d[..., 2:] > 0).all(-1)),
        ("right and bottom may be zero",
         "On the right and on the lower border one distance is 0 too, and that is outside.",
         lambda d: (d[..., :2] > 0).all(-1) & (d[..., 2:] >= 0).all(-1)),
        ("close to a side counts as outside", "Everything above 0 is inside: compare with 0, not with a larger number.",
         lambda d: (d > 1).all(-1)),
        ("one side left out", "Three sides are tested: the other one has to be positive too.",
         lambda d: (d[..., 1:] > 0).all(-1)),
        ("one side left out", "Three sides are tested: the other one has to be positive too.",
         lambda d: (d[..., [0, 2, 3]] > 0).all(-1)),
        ("one side left out", "Three sides are tested: the other one has to be positive too.",
         lambda d: (d[..., [0, 1, 3]] > 0).all(-1)),
        ("one side left out", "Three sides are tested: the other one has to be positive too.",
         lambda d: (d[..., :3] > 0).all(-1)),
        ("a number instead of yes or no", "Answer with True or False: compare with 0.",
         lambda d: d.amin(-1).clamp(min=0)),
        ("one answer for each location", "Asked is an answer for each pair of a location and a box.",
         lambda d: (d > 0).all(-1).any(-1)),
        ("the boxes instead of the sides", "The last axis holds the four sides: it is along that one that all count.",
         lambda d: (d > 0).all(1)),
    ],
    chapter=CHAPTER,
)  # fmt: skip
def inside(distances: Tensor) -> Tensor:
    """Which locations lie inside which boxes. A location exactly on a border is outside.

    Args:
        distances: (L, M, 4) left, top, right, bottom in pixels; M may be 0.

    Returns:
        (L, M) bool.
    """
    raise NotImplementedError


QUESTIONS = (locations, ltrb, ltrb_to_boxes, inside)
