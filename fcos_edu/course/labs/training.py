"""Lab 6: train, measure, compare, on boxes of your own (section 4).

Taught in the chapters *Training*, *Ablations* and *Your own boxes*. Checked against: the package's schedule and
averages; mutants and right variants in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ..question import Case, Draw, Known, question

CHAPTER = "09_training"


# ---------------------------------------------------------------------- learning_rate
def _steps(draw: Draw) -> Iterator[Case]:
    base, warm, factor, milestones = 0.01, 500, 0.25, [60000, 80000]
    for step in (
        draw.randint(1, 499),
        draw.randint(600, 59000),
        draw.randint(61000, 79000),
        draw.randint(81000, 89000),
        60250,
    ):
        yield Case((step, base, warm, factor, milestones))
    yield Case((0, 0.02, 100, 0.25, [900]), "the very first step")
    yield Case((100, 0.02, 100, 0.25, [900]), "the first step after the warm-up")
    yield Case((99, 0.02, 100, 0.25, [900]), "the last step of the warm-up")
    yield Case((900, 0.02, 100, 0.25, [900, 1200]), "a step that is a milestone")
    yield Case((1199, 0.02, 100, 0.25, [900, 1200]), "the last step before a milestone")


def _rate(
    step: int, base: float, warm: int, factor: float, milestones: list[int], *, late: int = 0, drop: float = 0.1,
    start: float | None = None,
) -> float:  # fmt: skip
    begin = factor if start is None else start
    progress = min(1.0, step / warm)
    return base * (begin + (1 - begin) * progress) * drop ** sum(step >= m + late for m in milestones)


_ALSO_RATE: Known = [  # less frequent ones
    ("the larger of factor and progress", "The straight line begins to rise in step 0, from factor * base on.",
     lambda s, b, w, f, m: _rate(s, b, w, f, m) if s >= w else b * max(f, s / w)),
    ("the warm-up downwards", "The warm-up begins at factor * base and ends at base, not the other way round.",
     lambda s, b, w, f, m: _rate(s, b, w, 1.0, m) * (1 - (1 - f) * min(1.0, s / w))),
    ("begins at the factor", "The warm-up begins at factor * base, not at factor.",
     lambda s, b, w, f, m: _rate(s, b, w, f, m) if s >= w else f + (b - f) * s / w),
    ("the factor times 1 + progress", "The warm-up goes from factor to 1 in a straight line.",
     lambda s, b, w, f, m: _rate(s, b, w, f, m) if s >= w else b * f * (1 + s / w)),
    ("a milestone one step early", "The rate drops in the step that is the milestone, not before it.",
     lambda s, b, w, f, m: _rate(s, b, w, f, m, late=-1)),
    ("a warm-up one step too short", "In step warmup the rate is base: progress is step / warmup.",
     lambda s, b, w, f, m: _rate(s, b, w - 1, f, m)),
    ("all milestones at once", "Only the milestones that have been reached count.",
     lambda s, b, w, f, m: _rate(s, b, w, f, []) * 0.1 ** len(m)),
    ("ten times the number of milestones", "Each milestone divides by ten once more: two of them by a hundred.",
     lambda s, b, w, f, m: _rate(s, b, w, f, []) / max(1, 10 * sum(s >= one for one in m))),
]  # fmt: skip


@question(
    6,
    "Learning rate",
    _rate,
    _steps,
    [
        ("no warm-up", "The warm-up is missing: the first steps are smaller.",
         lambda s, b, w, f, m: _rate(s, b, w, 1.0, m)),
        ("warm-up from zero", "The warm-up begins at factor * base, not at 0.",
         lambda s, b, w, f, m: _rate(s, b, w, f, m, start=0.0)),
        ("a constant warm-up", "The warm-up rises in a straight line from factor to 1.",
         lambda s, b, w, f, m: _rate(s, b, w, f, m) if s >= w else b * f),
        ("the warm-up added to the factor", "At the end of the warm-up the factor is 1: it goes from factor to 1.",
         lambda s, b, w, f, m: _rate(s, b, w, f, m) if s >= w else b * (f + s / w)),
        ("the factor times progress", "The warm-up goes from factor to 1, not from 0 to factor.",
         lambda s, b, w, f, m: _rate(s, b, w, f, m) if s >= w else b * f * s / w),
        ("a milestone one step late", "The rate drops in the step that is the milestone, not after it.",
         lambda s, b, w, f, m: _rate(s, b, w, f, m, late=1)),
        ("only the first milestone", "Each milestone divides by ten once more.",
         lambda s, b, w, f, m: _rate(s, b, w, f, m[:1])),
        ("milestones counted from the warm-up", "Milestones are counted from step 0.",
         lambda s, b, w, f, m: _rate(s, b, w, f, [one + w for one in m])),
        ("divided by two", "A milestone divides the rate by ten.",
         lambda s, b, w, f, m: _rate(s, b, w, f, m, drop=0.5)),
        ("no milestones", "The milestones are missing.", lambda s, b, w, f, m: _rate(s, b, w, f, [])),
        ("the factor alone", "Answer with the rate: multiply by base.", lambda s, b, w, f, m: _rate(s, 1.0, w, f, m)),
        ("the warm-up one step early", "Step 0 has exactly factor * base: progress is step / warmup.",
         lambda s, b, w, f, m: _rate(s + 1 if s < w else s, b, w, f, m)),
        ("the warm-up never ends", "After the warm-up the factor stays 1.",
         lambda s, b, w, f, m: b * (f + (1 - f) * s / w) * 0.1 ** sum(s >= one for one in m)),
        ("the warm-up along a curve", "The warm-up rises in a straight line.",
         lambda s, b, w, f, m: _rate(s, b, w, 1.0, m) * f ** max(0.0, 1 - s / w)),
        ("the milestones take the factor", "At a milestone the rate becomes a tenth; factor belongs to the warm-up.",
         lambda s, b, w, f, m: _rate(s, b, w, f, m, drop=f)),
        ("a tenth taken away", "From a milestone on the rate is a tenth of what it was, not nine tenths.",
         lambda s, b, w, f, m: _rate(s, b, w, f, []) * (1 - 0.1 * sum(s >= one for one in m))),
        ("a tenth taken away", "From a milestone on the rate is a tenth of what it was, not nine tenths.",
         lambda s, b, w, f, m: _rate(s, b, w, f, m, drop=0.9)),
        ("a tenth in the step of the milestone only", "From a milestone on the rate stays lower.",
         lambda s, b, w, f, m: _rate(s, b, w, f, []) * (0.1 if s in m else 1.0)),
        ("along a cosine", "The rate stays as it is between milestones, and drops there at once.",
         lambda s, b, w, f, m: _rate(s, b, w, f, []) if s < w
         else b * 0.5 * (1 + math.cos(math.pi * min(1.0, s / m[-1])))),
        ("factor and 1 - factor swapped", "The warm-up begins at factor, and factor is not its slope.",
         lambda s, b, w, f, m: _rate(s, b, w, f, m, start=1 - f)),
        ("divided by a hundred", "A milestone divides the rate by ten.",
         lambda s, b, w, f, m: _rate(s, b, w, f, m, drop=0.01)),
        ("a warm-up one step too long", "In step warmup the rate is base: progress is step / warmup.",
         lambda s, b, w, f, m: _rate(s, b, w + 1, f, m)),
        ("a straight line downwards", "The rate stays as it is between milestones, and drops there at once.",
         lambda s, b, w, f, m: _rate(s, b, w, f, []) if s < w else b * max(0.0, 1 - s / m[-1])),
        *_ALSO_RATE,
    ],
    chapter=CHAPTER,
    same=lambda inputs, expected, got: _close_relative(expected, got),
)  # fmt: skip
def learning_rate(step: int, base: float, warmup: int, factor: float, milestones: list[int]) -> float:
    """The learning rate of a step (section 4): linear warm-up, then a tenth from each milestone on.

    Args:
        step: 0, 1, ...
        base: the rate after the warm-up.
        warmup: steps of the warm-up: the rate rises in a straight line from factor * base in step 0 to base in step
            ``warmup``, which is at least 1.
        factor: where the warm-up begins.
        milestones: steps from which on, themselves included, the rate is a tenth of what it was before; in rising
            order, after the warm-up.

    Returns:
        The rate of this step.
    """
    raise NotImplementedError


def _close_relative(expected: object, got: object) -> bool:
    from ..question import close

    return close(expected, got, rtol=1e-4, atol=1e-12)


# ---------------------------------------------------------------------- moving_average
def _averages(draw: Draw) -> Iterator[Case]:
    for decay in (0.75, 0.875):
        yield Case((draw.normal(3, 2), draw.normal(3, 2), decay))
    yield Case((draw.normal(4), draw.normal(4), 0.0), "a decay of 0")


@question(
    6,
    "Average of the weights",
    lambda a, w, d: d * a + (1 - d) * w,
    _averages,
    [
        ("decay turned round", "The decay is the share of the old average: it is close to 1.",
         lambda a, w, d: (1 - d) * a + d * w),
        ("the new weights added whole", "Both shares make 1: the new weights come with 1 - decay.",
         lambda a, w, d: d * a + w),
        ("the plain mean", "The shares are decay and 1 - decay.", lambda a, w, d: (a + w) / 2),
        ("the new weights alone", "The old average counts too.", lambda a, w, d: w),
        ("the difference the wrong way", "Move from the average towards the new weights.",
         lambda a, w, d: a + (1 - d) * (a - w)),
        ("the old average alone", "The new weights count too, with 1 - decay.", lambda a, w, d: a),
        ("the decay on both", "The new weights come with 1 - decay.", lambda a, w, d: d * a + d * w),
        ("of the squares", "Average the weights themselves, not their squares.",
         lambda a, w, d: d * a + (1 - d) * w**2),
        ("the old average added whole", "Both shares make 1: the old average comes with decay.",
         lambda a, w, d: a + (1 - d) * w),
        ("the decay taken off twice", "The new weights come with 1 - decay, once.",
         lambda a, w, d: d * a + (1 - d) ** 2 * w),
        ("divided by 1 - decay", "Both shares make 1 already: nothing is divided.",
         lambda a, w, d: (d * a + (1 - d) * w) / (1 - d)),
        ("the decay squared", "The share of the old average is the decay itself.",
         lambda a, w, d: d**2 * a + (1 - d**2) * w),
        ("brackets left out", "The share of the new weights is 1 - decay, in brackets: * comes before -.",
         lambda a, w, d: d * a + 1 - d * w),
        ("multiplied instead of added", "The two shares are added.",
         lambda a, w, d: a.abs() ** d * w.abs() ** (1 - d)),
    ],
    chapter=CHAPTER,
    points=5,
)  # fmt: skip
def moving_average(average: Tensor, weights: Tensor, decay: float) -> Tensor:
    """The exponential moving average of the weights after one more step.

    Args:
        average, weights: of the same shape: the average so far, and the weights after this step.
        decay: the share of the old average, such as 0.999.

    Returns:
        The new average.
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- resize_boxes
def _pictures(draw: Draw) -> Iterator[Case]:
    for old, new in (((60, 80), (90, 160)), ((120, 90), (30, 180))):
        yield Case((draw.boxes(4, old[1], old[0]), old, new))
    yield Case((draw.boxes(2), (96, 160), (96, 160)), "a picture that keeps its size")
    yield Case((torch.zeros(0, 4), (96, 160), (48, 40)), "a picture without boxes")


def _resize(b: Tensor, x: float, y: float) -> Tensor:
    return b * torch.tensor([x, y, x, y])


@question(
    6,
    "Boxes of a resized picture",
    lambda b, o, n: _resize(b, n[1] / o[1], n[0] / o[0]),
    _pictures,
    [
        ("x by the height", "x grows with the width, y with the height; sizes are (height, width).",
         lambda b, o, n: _resize(b, n[0] / o[0], n[1] / o[1])),
        ("divided instead of multiplied", "In a larger picture boxes are larger: new size over old size.",
         lambda b, o, n: _resize(b, o[1] / n[1], o[0] / n[0])),
        ("one ratio for both", "Width and height may change by different ratios.",
         lambda b, o, n: _resize(b, n[0] / o[0], n[0] / o[0])),
        ("one ratio for both", "Width and height may change by different ratios.",
         lambda b, o, n: _resize(b, n[1] / o[1], n[1] / o[1])),
        ("one ratio for both", "Width and height may change by different ratios.",
         lambda b, o, n: _resize(b, min(n[1] / o[1], n[0] / o[0]), min(n[1] / o[1], n[0] / o[0]))),
        ("rounded to whole pixels", "Boxes need not end on whole pixels: do not round.",
         lambda b, o, n: _resize(b, n[1] / o[1], n[0] / o[0]).round()),
        ("cut to whole pixels", "Boxes need not end on whole pixels: do not cut.",
         lambda b, o, n: _resize(b, n[1] / o[1], n[0] / o[0]).floor()),
        ("the ratio in whole numbers", "// cuts the ratio to a whole number: divide with /.",
         lambda b, o, n: _resize(b, n[1] // o[1], n[0] // o[0])),
        ("width over height", "Compare new with old: width with width, height with height.",
         lambda b, o, n: _resize(b, n[1] / o[0], n[0] / o[1])),
        ("shares of the picture", "The answer is in pixels of the new picture, not in shares of it.",
         lambda b, o, n: _resize(b, 1 / o[1], 1 / o[0])),
        ("only the near corner", "The far corner grows as well.",
         lambda b, o, n: torch.cat([_resize(b, n[1] / o[1], n[0] / o[0])[:, :2], b[:, 2:]], 1)),
        ("only x", "y changes too.", lambda b, o, n: _resize(b, n[1] / o[1], 1)),
        ("only y", "x changes too.", lambda b, o, n: _resize(b, 1, n[0] / o[0])),
        ("the far corner by the height", "Columns 0 and 2 are x, 1 and 3 are y: the first two columns are one corner.",
         lambda b, o, n: torch.cat([b[:, :2] * (n[1] / o[1]), b[:, 2:] * (n[0] / o[0])], 1)),
        ("the difference of the sizes added", "Boxes are multiplied by the ratio of the sizes.",
         lambda b, o, n: b + torch.tensor([n[1] - o[1], n[0] - o[0]]).repeat(2)),
        ("one ratio for both", "Width and height may change by different ratios.",
         lambda b, o, n: b * max(n[0] / o[0], n[1] / o[1])),
        *(("one ratio for both", "Width and height may change by different ratios.",
           lambda b, o, n, side=side: b * side(n) / side(o)) for side in (max, min)),
        ("the ratio of the areas", "x grows with the width, y with the height: do not multiply both ratios.",
         lambda b, o, n: b * (n[0] * n[1] / (o[0] * o[1]))),
        ("one ratio for both", "Width and height may change by different ratios.",
         lambda b, o, n: b * (n[0] * n[1] / (o[0] * o[1])) ** 0.5),
        ("the last pixel", "A picture is as wide as its width says: do not take 1 away.",
         lambda b, o, n: _resize(b, (n[1] - 1) / (o[1] - 1), (n[0] - 1) / (o[0] - 1))),
        ("x, y, width, height", "The answer is two corners, as what was given.",
         lambda b, o, n: torch.cat([(c := _resize(b, n[1] / o[1], n[0] / o[0]))[:, :2], c[:, 2:] - c[:, :2]], 1)),
        ("new height over old width", "Compare new with old: width with width, height with height.",
         lambda b, o, n: _resize(b, n[0] / o[1], n[1] / o[0])),
        ("half a pixel moved", "Boxes lie between pixels: they are multiplied, and nothing is added.",
         lambda b, o, n: _resize(b + 0.5, n[1] / o[1], n[0] / o[0]) - 0.5),
        ("with borders around the picture", "The picture fills its new size: nothing is added at its sides.",
         lambda b, o, n: b * (r := min(n[1] / o[1], n[0] / o[0]))
         + torch.tensor([n[1] - o[1] * r, n[0] - o[0] * r]).repeat(2) / 2),
    ],
    chapter="15_your_boxes",
)  # fmt: skip
def resize_boxes(boxes: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Where the boxes of a picture are after it has been resized.

    Args:
        boxes: (M, 4) x0, y0, x1, y1 in pixels of the old picture; M may be 0.
        old, new: (height, width) in pixels; the ratios of both axes may differ.

    Returns:
        (M, 4) in pixels of the new picture, not rounded.
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- paired_difference
def _seeds(draw: Draw) -> Iterator[Case]:
    for seeds in (5, 3):
        first = torch.tensor([draw.number(20, 40) for _ in range(seeds)])
        first[:2] = torch.tensor([30.5, 30.25])  # of these two the other one is the larger afterwards
        gains = torch.tensor([-0.5, *draw.sample([0.25, 0.5, 1.0, 1.75, 2.5, 3.25], seeds - 1)])
        yield Case((first, first + gains))
    yield Case((torch.tensor([30.0, 30.5]), torch.tensor([31.0, 31.0])), "two seeds only")


def _paired(a: Tensor, b: Tensor) -> Tensor:
    d = b - a
    return torch.stack([d.mean(), d.std() / len(d) ** 0.5])


_ALSO_PAIRED: Known = [
    ("half an interval of 95 %", "Asked is the standard error itself, not the interval that is made of it.",
     lambda a, b: _paired(a, b) * torch.tensor([1, 1.96])),
    ("half an interval of 95 %", "Asked is the standard error itself, not twice that.",
     lambda a, b: _paired(a, b) * torch.tensor([1, 2.0])),
]  # fmt: skip


@question(
    6,
    "A gain and how sure it is",
    _paired,
    _seeds,
    [
        ("first minus second", "A gain of the second run is positive: second minus first.",
         lambda a, b: _paired(a, b) * torch.tensor([-1.0, 1])),
        ("not paired", "Both runs of a seed share their luck: take the difference of each seed first.",
         lambda a, b: torch.stack([(b - a).mean(), ((a.var() + b.var()) / len(a)).sqrt()])),
        ("the spread instead of the standard error", "The standard error is the standard deviation over the root of n.",
         lambda a, b: torch.stack([(b - a).mean(), (b - a).std()])),
        ("divided by n", "The standard deviation of a sample divides by n - 1.",
         lambda a, b: torch.stack([(b - a).mean(), (b - a).std(unbiased=False) / len(a) ** 0.5])),
        ("divided by n instead of its root", "The standard error divides by the root of n, not by n.",
         lambda a, b: torch.stack([(b - a).mean(), (b - a).std() / len(a)])),
        ("the variance", "The standard deviation is the root of the variance.",
         lambda a, b: torch.stack([(b - a).mean(), (b - a).var() / len(a) ** 0.5])),
        ("the variance of the mean", "The root is missing: this is the standard error squared.",
         lambda a, b: torch.stack([(b - a).mean(), (b - a).var() / len(a)])),
        ("the median", "Asked is the mean difference.",
         lambda a, b: torch.stack([(b - a).median(), (b - a).std() / len(a) ** 0.5])),
        ("the spread of the second run", "The spread of the differences is asked, not that of one run.",
         lambda a, b: torch.stack([(b - a).mean(), b.std() / len(a) ** 0.5])),
        ("the spread of the first run", "The spread of the differences is asked, not that of one run.",
         lambda a, b: torch.stack([(b - a).mean(), a.std() / len(a) ** 0.5])),
        ("relative gain", "The difference is asked, not the ratio.",
         lambda a, b: torch.stack([((b - a) / a).mean(), ((b - a) / a).std() / len(a) ** 0.5])),
        ("the answers swapped", "The mean comes first, then its standard error.",
         lambda a, b: _paired(a, b).flip(0)),
        *_ALSO_PAIRED,
        ("the mean over its error", "Asked is the standard error itself, not t.",
         lambda a, b: (p := _paired(a, b)) / torch.stack([torch.ones(()), p[1] ** 2 / p[0]])),
        ("the difference of the spreads", "The spread of the differences is asked, not the difference of the spreads.",
         lambda a, b: torch.stack([(b - a).mean(), (b.std() - a.std()).abs() / len(a) ** 0.5])),
        ("the sum of the differences", "Asked is the mean difference: divide by the number of seeds.",
         lambda a, b: _paired(a, b) * torch.tensor([len(a), 1.0])),
        ("absolute values", "A loss counts as a loss: do not take absolute values.",
         lambda a, b: _paired(torch.zeros_like(a), (b - a).abs())),
        ("the root of n - 1", "The standard deviation has n - 1 already; its error divides by the root of n.",
         lambda a, b: torch.stack([(b - a).mean(), (b - a).std() / (len(a) - 1) ** 0.5])),
        ("the range", "Asked is the standard error, not from where to where the differences go.",
         lambda a, b: torch.stack([(b - a).mean(), (b - a).max() - (b - a).min()])),
        ("the largest gain", "Asked is the mean difference, not the best one.",
         lambda a, b: torch.stack([(b - a).max(), (b - a).std() / len(a) ** 0.5])),
        ("the mean deviation", "The standard deviation is the root of the mean square, not the mean distance.",
         lambda a, b: torch.stack([(d := b - a).mean(), (d - d.mean()).abs().mean() / len(a) ** 0.5])),
        ("the ends of an interval", "Asked are the mean and its error, not where the interval begins and ends.",
         lambda a, b: torch.stack([(p := _paired(a, b))[0] - p[1], p[0] + p[1]])),
        ("both sorted first", "Entry i of both has the same seed: sorting tears the pairs apart.",
         lambda a, b: _paired(a.sort().values, b.sort().values)),
        ("in percent of the first", "The difference is asked, not how large it is beside the first run.",
         lambda a, b: torch.stack([(d := 100 * (b - a) / a).mean(), d.std() / len(a) ** 0.5])),
    ],
    chapter="12_ablations",
)  # fmt: skip
def paired_difference(first: Tensor, second: Tensor) -> tuple[float, float]:
    """What a change gains, over several seeds, and how sure that is.

    Args:
        first, second: (S,) AP without and with the change; entry i of both has the same seed. S is at least 2.

    Returns:
        The mean of second - first, and its standard error: the standard deviation of the differences (with S - 1)
        divided by the root of S.
    """
    raise NotImplementedError


QUESTIONS = (learning_rate, moving_average, resize_boxes, paired_difference)
