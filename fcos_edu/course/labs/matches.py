"""Lab 2, second part: what a location is to predict, once it has a box or is background (section 3.1).

Taught in the chapter *Levels of the pyramid*. Checked against: mutants and right variants in the tests.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..question import Case, Draw, question

CHAPTER = "03_levels"
EMPTY = "an image without boxes"


# ---------------------------------------------------------------------- class_targets
def _matches(draw: Draw, count: int, boxes: int) -> Tensor:
    found = [draw.randrange(-1, boxes) for _ in range(count)]
    found[:3] = [-1, boxes - 1, 0]
    return torch.tensor(found)


def _class_cases(draw: Draw) -> Iterator[Case]:
    for count, boxes, classes in ((9, 4, 6), (6, 3, 20)):
        labels = 1 + torch.tensor(draw.sample(range(classes - 1), boxes))
        yield Case((_matches(draw, count, boxes), labels))
    yield Case((torch.tensor([1, -1, 0, 1]), torch.tensor([3, 0])), "an object of class 0")
    yield Case((torch.full((5,), -1), torch.zeros(0, dtype=torch.int64)), EMPTY)


def _classes(matched: Tensor, labels: Tensor) -> Tensor:
    return torch.tensor([-1 if m < 0 else int(labels[m]) for m in matched.tolist()])


@question(
    2,
    "Targets of the classes",
    _classes,
    _class_cases,
    [
        ("background is class 0", "Background has no class: 0 is the first real class, so background has to be -1.",
         lambda m, y: _classes(m, y).clamp(min=0)),
        ("background learns box 0", "At background the index is -1: clamped to 0 it gives the class of the first box.",
         lambda m, y: y[m.clamp(min=0)] if len(y) else m),
        ("-1 taken as an index", "labels[-1] is the label of the last box: background needs a case of its own.",
         lambda m, y: y[m]),
        ("the index of the box", "Answer with the class of the box, not with its index.", lambda m, y: m),
        ("labels counted from one", "Classes are counted from 0 here: do not add 1.",
         lambda m, y: torch.where((c := _classes(m, y)) >= 0, c + 1, c)),
        ("labels counted from one, 0 is background", "Classes are counted from 0, and background is -1.",
         lambda m, y: _classes(m, y) + 1),
        ("no case for an image without boxes", "An image may have no boxes: then everything is background.",
         lambda m, y: torch.where(m >= 0, y[m.clamp(min=0)], -1)),
        ("background left out", "Every location gets an answer, background too: the length should stay L.",
         lambda m, y: y[m[m >= 0]]),
        ("box 0 taken for background", "Box 0 is a box too: background is where the index is below 0.",
         lambda m, y: torch.where(m > 0, _classes(m, y), -1)),
        ("class 0 taken for background", "Class 0 is a real class: background is where the index is below 0.",
         lambda m, y: torch.where((c := _classes(m, y)) > 0, c, -1)),
        ("background is the number of classes", "Background is -1.",
         lambda m, y: torch.where(m >= 0, _classes(m, y), int(y.max()) + 1 if len(y) else 0)),
        ("only whether there is a box", "Give the class of the box, not just whether there is one.",
         lambda m, y: (m >= 0).long()),
        ("a row for each location", "Asked is the class as a number, not a row with a 1 in it.",
         lambda m, y: (_classes(m, y)[:, None] == torch.arange(int(y.max()) + 1 if len(y) else 1)).float()),
    ],
    chapter=CHAPTER,
)  # fmt: skip
def class_targets(matched: Tensor, labels: Tensor) -> Tensor:
    """The class that each location is to predict.

    Args:
        matched: (L,) the index of the box that each location learns, or -1 for background.
        labels: (M,) the class of each box, counted from 0; M may be 0.

    Returns:
        (L,): the class, or -1 for background.
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- box_targets
def _box_cases(draw: Draw) -> Iterator[Case]:
    for stride, count in ((8, 3), (32, 4)):
        boxes, matched = draw.boxes(count), _matches(draw, 7, count)
        shares = torch.tensor([[draw.randint(1, 15) / 16 for _ in range(2)] for _ in matched])
        within = boxes[matched, :2] + shares * (boxes[matched, 2:] - boxes[matched, :2])  # of the box that is learned
        yield Case((torch.where((matched >= 0)[:, None], within, draw.points(7)), boxes, matched, stride))
    yield Case((draw.points(4), torch.zeros(0, 4), torch.full((4,), -1), 16), EMPTY)


def _box_targets(p: Tensor, b: Tensor, m: Tensor, s: float) -> Tensor:
    b = torch.cat([b, torch.zeros(1, 4)])
    own = b[m]  # -1 is the empty box at the end
    return torch.where((m >= 0)[:, None], torch.cat([p - own[:, :2], own[:, 2:] - p], 1) / s, 0.0)


@question(
    2,
    "Targets of the distances",
    _box_targets,
    _box_cases,
    [
        ("in pixels", "The targets are in strides: divide by the stride of the level.",
         lambda p, b, m, s: _box_targets(p, b, m, 1)),
        ("multiplied by the stride", "Divide by the stride; multiplying makes the distances larger, not smaller.",
         lambda p, b, m, s: _box_targets(p, b, m, 1 / s)),
        ("divided by the stride twice", "One division by the stride is enough.",
         lambda p, b, m, s: _box_targets(p, b, m, s * s)),
        ("background learns a box", "At background the four numbers should be 0, not the distances to some box.",
         lambda p, b, m, s: _box_targets(p, b, m.clamp(min=0), s) if len(b) else p.new_zeros(len(p), 4)),
        *(("-1 taken as an index", "boxes[-1] is the last box: background needs a case of its own, four zeros.", rule)
          for rule in (lambda p, b, m, s: _box_targets(p, b, m % len(b), s),
                       lambda p, b, m, s: _box_targets(p, b, m % len(b), s) if len(b) else p.new_zeros(len(p), 4))),
        ("background is -1", "At background the four numbers should be 0.",
         lambda p, b, m, s: torch.where((m >= 0)[:, None], _box_targets(p, b, m, s), -1.0)),
        ("left and top with the wrong sign", "Inside a box all four distances are positive.",
         lambda p, b, m, s: _box_targets(p, b, m, s) * torch.tensor([-1.0, -1, 1, 1])),
        ("x and y swapped", "x belongs to left and right, y to top and bottom.",
         lambda p, b, m, s: _box_targets(p.flip(1), b, m, s)),
        ("the corners of the box", "The targets are distances from the location, not the corners of the box.",
         lambda p, b, m, s: torch.where((m >= 0)[:, None], torch.cat([b, b.new_zeros(1, 4)])[m] / s, 0.0)),
        ("no case for an image without boxes", "An image may have no boxes: then everything is background.",
         lambda p, b, m, s: torch.where((m >= 0)[:, None], _box_targets(p, b, m, s) + 0 * b[m.clamp(min=0)], 0.0)),
        ("box 0 taken for background", "Box 0 is a box too: background is where the index is below 0.",
         lambda p, b, m, s: _box_targets(p, b, m, s) * (m > 0)[:, None]),
        ("only one corner divided", "All four distances are divided by the stride.",
         lambda p, b, m, s: _box_targets(p, b, m, s) * torch.tensor([1.0, 1, s, s])),
        ("only one corner divided", "All four distances are divided by the stride.",
         lambda p, b, m, s: _box_targets(p, b, m, s) * torch.tensor([s, s, 1.0, 1])),
        ("in shares of the box", "Divide by the stride of the level, not by the size of the box.",
         lambda p, b, m, s: _box_targets(p, b, m, 1) / torch.cat([b, b.new_ones(1, 4).cumsum(1)])[m].view(-1, 2, 2)
         .diff(dim=1).repeat(1, 2, 1).flatten(1)),
        ("the first box for all", "Each location has a box of its own: take the one that it is matched with.",
         lambda p, b, m, s: _box_targets(p, b, m.clamp(max=0), s)),
        ("the logarithm", "The targets are the distances themselves: exp is a matter of the network.",
         lambda p, b, m, s: torch.where((m >= 0)[:, None], _box_targets(p, b, m, s).clamp(min=1e-9).log(), 0.0)),
        ("centre and size", "Asked are distances from the location to the four sides, not the box's centre and size.",
         lambda p, b, m, s: torch.cat([((d := _box_targets(p, b, m, s))[:, 2:] - d[:, :2]) / 2,
                                       d[:, :2] + d[:, 2:]], 1)),
        ("background left out", "Every location gets an answer, background too: the length should stay L.",
         lambda p, b, m, s: _box_targets(p, b, m, s)[m >= 0]),
        *(("in whole cells", "Divide with /, and cut nothing off: distances in strides are no whole numbers.", rule)
          for rule in (lambda p, b, m, s: _box_targets(p / s, b // s, m, 1),
                       lambda p, b, m, s: _box_targets(p // s, b / s, m, 1),
                       lambda p, b, m, s: _box_targets(p // s, b // s, m, 1))),
    ],
    chapter=CHAPTER,
)  # fmt: skip
def box_targets(locations: Tensor, boxes: Tensor, matched: Tensor, stride: int) -> Tensor:
    """The four distances that each location is to predict, in strides.

    Args:
        locations: (L, 2) x and y in pixels.
        boxes: (M, 4) x0, y0, x1, y1 in pixels; M may be 0.
        matched: (L,) the index of the box that each location learns, or -1 for background.
        stride: of the level, in pixels.

    Returns:
        (L, 4): left, top, right, bottom divided by the stride; four zeros at background.
    """
    raise NotImplementedError


QUESTIONS = (class_targets, box_targets)
