"""Lab 5, first part: scores of the outputs, and boxes inside the picture (sections 3.3 and 4).

Taught in the chapter *From outputs to detections*. Checked against: mutants and right variants in the tests. What
follows is in :mod:`fcos_edu.course.labs.detections`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..question import NOTHING, Case, Draw, Known, question

CHAPTER = "10_detections"


# ---------------------------------------------------------------------- scores
def _outputs(draw: Draw) -> Iterator[Case]:
    for count, classes in ((5, 3), (4, 6)):
        yield Case((draw.normal(count, classes, scale=2), draw.normal(count, scale=2)))
    yield Case((draw.normal(3, 3), draw.normal(3)), "as many classes as locations")


_ALSO_SCORES: Known = [  # less frequent ones
    ("softmax", "Each location has a center-ness of its own: take its sigmoid.",
     lambda z, c: z.sigmoid() * c.softmax(0)[:, None]),
    ("center-ness as yes or no", "The center-ness is a number between 0 and 1: do not compare it with anything.",
     lambda z, c: z.sigmoid() * (c > 0)[:, None]),
    ("one center-ness for all", "Each location has a center-ness of its own: take no mean.",
     lambda z, c: z.sigmoid() * c.sigmoid().mean()),
]  # fmt: skip


@question(
    5,
    "Score: class times center-ness",
    lambda z, c: z.sigmoid() * c.sigmoid()[:, None],
    _outputs,
    [
        ("center-ness multiplied twice", "Multiply by the center-ness once.",
         lambda z, c: z.sigmoid() * c.sigmoid()[:, None] ** 2),
        ("no center-ness", "The center-ness is missing in the score.", lambda z, c: z.sigmoid() + 0 * c[:, None]),
        ("center-ness without a sigmoid", "The branch gives a logit: its sigmoid is the center-ness.",
         lambda z, c: z.sigmoid() * c[:, None]),
        ("classes without a sigmoid", "The outputs are logits: their sigmoid is the probability.",
         lambda z, c: z * c.sigmoid()[:, None]),
        ("no sigmoid at all", "Both outputs are logits: take the sigmoid of each.", lambda z, c: z * c[:, None]),
        ("a sigmoid of the product", "Take the sigmoid of each, then multiply.",
         lambda z, c: (z * c[:, None]).sigmoid()),
        ("a sigmoid of the sum", "Take the sigmoid of each, then multiply.", lambda z, c: (z + c[:, None]).sigmoid()),
        ("sigmoid twice", "One sigmoid is enough.",
         lambda z, c: z.sigmoid().sigmoid() * c.sigmoid().sigmoid()[:, None]),
        ("softmax", "Each class has a sigmoid of its own.", lambda z, c: z.softmax(1) * c.sigmoid()[:, None]),
        ("the mean instead of the product", "The score is the product.",
         lambda z, c: (z.sigmoid() + c.sigmoid()[:, None]) / 2),
        ("the root of the product", "This is torchvision's score; the paper's is the product itself.",
         lambda z, c: (z.sigmoid() * c.sigmoid()[:, None]).sqrt()),
        ("only the best class", "Every class of a location has a score.",
         lambda z, c: z.sigmoid().amax(1) * c.sigmoid()),
        ("center-ness along the classes", "Each row is a location: its center-ness belongs to the whole row.",
         lambda z, c: z.sigmoid() * c.sigmoid()[None, :]),
        ("sigmoid twice", "One sigmoid is enough.",
         lambda z, c: z.sigmoid() * c.sigmoid().sigmoid()[:, None]),
        ("softmax", "Each class has a sigmoid of its own.", lambda z, c: z.softmax(0) * c.sigmoid()[:, None]),
        *_ALSO_SCORES,
        ("tanh", "A probability is between 0 and 1: take the sigmoid.",
         lambda z, c: z.tanh() * c.tanh()[:, None]),
        ("the smaller of both", "The score is the product.",
         lambda z, c: torch.minimum(z.sigmoid(), c.sigmoid()[:, None])),
        ("a sum instead of the product", "The score is the product.", lambda z, c: z.sigmoid() + c.sigmoid()[:, None]),
        ("center-ness as an exponent", "The score is the product.", lambda z, c: z.sigmoid() ** c.sigmoid()[:, None]),
        ("1 - center-ness", "A location near the centre is the better one: multiply by the center-ness itself.",
         lambda z, c: z.sigmoid() * (1 - c.sigmoid()[:, None])),
        ("all but the best class set to zero", "Every class of a location has a score.",
         lambda z, c: torch.where(z == z.amax(1, keepdim=True), z.sigmoid() * c.sigmoid()[:, None], 0.0)),
        ("divided by the largest", "The branch gives a logit: its sigmoid is the center-ness.",
         lambda z, c: z.sigmoid() * (c / c.max())[:, None]),
        ("exp instead of the sigmoid", "The probability of a logit is its sigmoid.",
         lambda z, c: z.exp() * c.exp()[:, None]),
        ("the sign of the logits", "A large logit means a large probability: sigmoid(x) is 1 / (1 + exp(-x)).",
         lambda z, c: (-z).sigmoid() * (-c).sigmoid()[:, None]),
        ("relu of the center-ness", "The branch gives a logit: its sigmoid is the center-ness.",
         lambda z, c: z.sigmoid() * c.relu()[:, None]),
        ("made to add up to 1", "Each class has a score of its own: they need not add up to 1.",
         lambda z, c: (s := z.sigmoid() * c.sigmoid()[:, None]) / s.sum(1, keepdim=True)),
    ],
    chapter=CHAPTER,
)  # fmt: skip
def scores(logits: Tensor, centerness: Tensor) -> Tensor:
    """The scores by which detections are ranked (section 3.3): class probability times center-ness.

    Args:
        logits: (L, C) of the classes, before the sigmoid.
        centerness: (L,) of the center-ness branch, before the sigmoid.

    Returns:
        (L, C) in 0..1.
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- clip_boxes
def _over_the_picture(draw: Draw, height: int, width: int) -> Tensor:
    """A box of which a part, and not only its side, lies in the picture."""
    x0, y0 = draw.number(-20, width - 12), draw.number(-15, height - 12)
    return torch.tensor([x0, y0, draw.number(max(x0, 0) + 8, width + 25), draw.number(max(y0, 0) + 8, height + 20)])


def _boxes_on_pictures(draw: Draw) -> Iterator[Case]:
    for height, width in (draw.size(40, 90), draw.size(60, 120)):
        boxes = torch.stack([_over_the_picture(draw, height, width) for _ in range(5)])
        sides = torch.tensor([[-5.0, 3, width + 7, height - 2], [2, -4, width - 3, height + 9]])
        yield Case((torch.cat([boxes, sides]), height, width))
    wide = torch.tensor([[5.0, 5, 180, 30], [100, -3, 150, 70]])
    yield Case((wide, 50, 160), "a picture that is wider than high")
    yield Case((wide[:, [1, 0, 3, 2]], 160, 50), "a picture that is higher than wide")
    outside = torch.tensor([[-40, 5, -8, 20], [7, -30, 30, -9], [70, 45, 90, 60]]).float()
    yield Case((outside, 40, 60), "a box that lies outside of the picture")
    yield Case((torch.zeros(0, 4), 40, 60), NOTHING)


def _clip(b: Tensor, h: float, w: float, low: float | None = 0, last: float = 0) -> Tensor:
    x, y = b[:, ::2].clamp(min=low, max=w - last), b[:, 1::2].clamp(min=low, max=h - last)
    return torch.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], 1)


@question(
    5,
    "Boxes inside the picture",
    _clip,
    _boxes_on_pictures,
    [
        ("x cut at the height", "x goes up to the width, y up to the height: on wide pictures the right side is lost.",
         lambda b, h, w: _clip(b, w, h)),
        ("x and y both cut at the height", "x goes up to the width: on wide pictures the right side is lost.",
         lambda b, h, w: _clip(b, h, h)),
        ("x and y both cut at the width", "y goes up to the height.", lambda b, h, w: _clip(b, w, w)),
        ("nothing cut at zero", "Boxes may begin left of the picture or above it: cut at 0 too.",
         lambda b, h, w: _clip(b, h, w, None)),
        ("only cut at zero", "Boxes may reach beyond the right and the lower side: cut at width and height too.",
         lambda b, h, w: b.clamp(min=0)),
        ("the last pixel", "The picture ends at x = width, not at width - 1: boxes are measured between pixels.",
         lambda b, h, w: _clip(b, h, w, 0, 1)),
        ("only two sides", "All four sides can lie outside of the picture.",
         lambda b, h, w: torch.cat([b[:, :2].clamp(min=0), torch.minimum(b[:, 2:], torch.tensor([float(w), h]))], 1)),
        ("boxes dropped", "Cut the boxes, do not drop any.",
         lambda b, h, w: b[(b[:, 0] >= 0) & (b[:, 1] >= 0) & (b[:, 2] <= w) & (b[:, 3] <= h)]),
        ("x, y, width, height", "The answer is two corners, as what was given.",
         lambda b, h, w: torch.cat([(c := _clip(b, h, w))[:, :2], c[:, 2:] - c[:, :2]], 1)),
        ("corners instead of axes", "Columns 0 and 2 are x, 1 and 3 are y: the first two columns are one corner.",
         lambda b, h, w: torch.cat([b[:, :2].clamp(0, w), b[:, 2:].clamp(0, h)], 1)),
        ("only x", "y has to be cut too.", lambda b, h, w: torch.where(
            torch.tensor([True, False, True, False]), _clip(b, h, w), b)),
        ("only y", "x has to be cut too.", lambda b, h, w: torch.where(
            torch.tensor([False, True, False, True]), _clip(b, h, w), b)),
        ("both cut at the longer side", "x goes up to the width, y up to the height: each has a limit of its own.",
         lambda b, h, w: b.clamp(0, max(h, w))),
        ("both cut at the shorter side", "x goes up to the width, y up to the height: each has a limit of its own.",
         lambda b, h, w: b.clamp(0, min(h, w))),
        ("boxes that reach beyond set to zero", "Cut off what lies outside, and keep the part that lies inside.",
         lambda b, h, w: b * (_clip(b, h, w) == b).all(1, keepdim=True)),
        ("moved instead of cut", "Cut what lies outside: the side that lies inside stays where it is.",
         lambda b, h, w: b + ((-b[:, :2]).clamp(min=0)
                              - (b[:, 2:] - torch.tensor([w, h])).clamp(min=0)).repeat(1, 2)),
        ("in shares of the picture", "The answer is in pixels, not in shares of the picture.",
         lambda b, h, w: _clip(b, h, w) / torch.tensor([w, h, w, h])),
        ("at least a pixel left", "A box outside of the picture shrinks to nothing: nothing is kept for it.",
         lambda b, h, w: torch.cat([(c := _clip(b, h, w))[:, :2], c[:, 2:].clamp(min=1)], 1)),
        ("empty boxes dropped", "Cut the boxes, do not drop any: who calls this counts on as many as there were.",
         lambda b, h, w: (c := _clip(b, h, w))[(c[:, 2] > c[:, 0]) & (c[:, 3] > c[:, 1])]),
    ],
    chapter=CHAPTER,
    points=5,
)  # fmt: skip
def clip_boxes(boxes: Tensor, height: int, width: int) -> Tensor:
    """Cut boxes off at the sides of their picture.

    Args:
        boxes: (N, 4) x0, y0, x1, y1 in pixels; some reach beyond the picture, some may lie outside of it. N may be 0.
        height, width: of the picture, in pixels.

    Returns:
        (N, 4): every x in 0..width, every y in 0..height, both ends included. A box that lies outside stays in the
        list, without an area.
    """
    raise NotImplementedError


QUESTIONS = (scores, clip_boxes)
