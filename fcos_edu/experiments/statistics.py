"""Whether two detectors differ: paired by seed, with an interval, for a whole family of comparisons at once.

Taught in the chapter *One change at a time*. Checked against: scipy called directly, families corrected by hand, and
simulated experiments, which must find an effect as often as the power says.

A seed decides the first weights and the order of the images, for both sides alike, so the two detectors of a seed are
a pair. What is tested is the mean of the differences (Student's t). Where several rungs are tested together, Holm's
method keeps the chance of even one false finding at ``ALPHA``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..text import counted

ALPHA = 0.05  # the chance of a false finding, in a family of comparisons
POWER = 0.8  # how often an effect is to be found

REPRODUCED, NOT_TOLD_APART, CONTRADICTED = WORDS = ("reproduced", "not told apart", "contradicted")
TOLD_APART = "told apart"  # of what the paper does not compare


@dataclass(frozen=True)
class Difference:
    """The mean of n differences, first minus second, in the unit of the values."""

    n: int
    mean: float
    sd: float | None  # sample standard deviation of the differences; None of a single one
    p: float | None  # two-sided, of the hypothesis that the true mean is 0; None of a single difference

    def interval(self, alpha: float = ALPHA) -> tuple[float, float] | None:
        """Where the true mean lies with the confidence ``1 - alpha``: (low, high), or None for a single difference."""
        if self.sd is None:
            return None
        stats = needs_scipy()

        reach = float(stats.t.ppf(1 - alpha / 2, self.n - 1)) * self.sd / math.sqrt(self.n)
        return self.mean - reach, self.mean + reach


def paired(first: Sequence[float], second: Sequence[float]) -> Difference:
    """The difference of two detectors over the same seeds.

    Args:
        first, second: a figure of each, one value for each seed, in the same order of seeds.

    Raises:
        ValueError: no values, or not as many of both.
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(
            f"{counted(len(first), 'values')} against {len(second)}; each seed must give one of both, and one at least"
        )
    differences = [float(a - b) for a, b in zip(first, second)]
    n, mean = len(differences), math.fsum(differences) / len(differences)
    if n == 1:
        return Difference(n, mean, None, None)
    sd = math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / (n - 1))
    if sd < 1e-12:  # all the same, up to rounding: nothing is left to chance
        return Difference(n, mean, 0.0, 1.0 if abs(mean) < 1e-12 else 0.0)
    return Difference(n, mean, sd, float(2 * needs_scipy().t.sf(abs(mean) / sd * math.sqrt(n), n - 1)))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p of each comparison of a family: below alpha where the comparison is found at that level.

    The smallest of m is multiplied with m, the next with m - 1, and so on; none may fall below the one before it.

    Raises:
        ValueError: a p outside 0..1.
    """
    wrong = [value for value in p if not 0 <= value <= 1]
    if wrong:
        raise ValueError(f"p is {wrong[0]}; it must lie in 0..1")
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, (len(p) - rank) * p[place]))
        adjusted[place] = largest
    return adjusted


def holm_alphas(p: Sequence[float], alpha: float = ALPHA) -> list[float]:
    """The level at which Holm's method tests each comparison: alpha / m for the smallest p, alpha / (m - 1) for the
    next. It stops at the first that is not found, and that level stays for the rest.

    An interval at this level excludes 0 exactly where :func:`holm` is below alpha, so words can follow from intervals.
    """
    levels, level, stopped = [0.0] * len(p), alpha, False
    for rank, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        if not stopped:
            level = alpha / (len(p) - rank)
            stopped = p[place] >= level
        levels[place] = level
    return levels


def verdict(paper: float | None, interval: tuple[float, float]) -> str:
    """What our interval says of the paper's difference.

    ``reproduced``: the interval excludes 0, on the paper's side of it. ``contradicted``: it excludes 0 on the other
    side, or the paper has no difference. ``not told apart``: it contains 0. Without a difference of the paper's (None)
    an interval that excludes 0 is ``told apart``.
    """
    low, high = interval
    if low <= 0 <= high:
        return NOT_TOLD_APART
    if paper is None:
        return TOLD_APART
    return REPRODUCED if paper * (low + high) > 0 else CONTRADICTED


def power(effect: float, sd: float, n: int, alpha: float = ALPHA) -> float:
    """How often n pairs would find a true difference of ``effect``, in 0..1: two-sided, Student's t.

    Args:
        effect: the true mean difference.
        sd: of the differences, in the same unit; 0 if nothing is left to chance.
        n: pairs, two at least.
        alpha: the chance of finding a difference where there is none.

    Raises:
        ValueError: fewer than two pairs, or a negative sd.
    """
    if n < 2 or sd < 0:
        raise ValueError(f"n is {n} and sd {sd}; the power needs two pairs and a spread that is not negative")
    if sd == 0:
        return 1.0 if effect else alpha
    reach, density = _shown(n, alpha)
    from scipy.special import ndtr

    # The non-central t, as a mean over the spread that n pairs happen to show; scipy's own gives nan at some places.
    shift = abs(effect) / sd * math.sqrt(n)
    return float(min(1.0, ((ndtr(shift - reach) + ndtr(-shift - reach)) * density).sum()))


def needs_scipy() -> Any:
    """``scipy.stats``, half a second that reading a record does not need.

    Raises:
        ModuleNotFoundError: says how to install it.
    """
    try:
        from scipy import stats
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("intervals and power need scipy: pip install 'fcos-edu[study]'") from error
    return stats


@cache
def _shown(n: int, alpha: float) -> tuple[Any, Any]:
    """Of each spread that n pairs may show: how many standard errors the mean must lie from 0, and its probability."""
    import numpy as np

    stats = needs_scipy()
    shown = np.linspace(0, stats.chi.isf(1e-15, n - 1), 2001)  # times sqrt(n - 1) / sd
    density = stats.chi.pdf(shown, n - 1) * (shown[1] - shown[0])
    density[[0, -1]] /= 2  # the trapezoid rule
    return stats.t.ppf(1 - alpha / 2, n - 1) * shown / math.sqrt(n - 1), density


def smallest_effect(sd: float, n: int, alpha: float = ALPHA, wanted: float = POWER) -> float:
    """The smallest true difference that n pairs find as often as ``wanted``, in the unit of ``sd`` (:func:`power`)."""
    if sd == 0:
        return 0.0
    low, high = 0.0, sd
    while power(high, sd, n, alpha) < wanted:
        low, high = high, 2 * high
    for _ in range(40):  # it rises with the effect
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle, sd, n, alpha) >= wanted else (middle, high)
    return high


__all__ = [
    "ALPHA",
    "POWER",
    "TOLD_APART",
    "WORDS",
    "Difference",
    "holm",
    "holm_alphas",
    "needs_scipy",
    "paired",
    "power",
    "smallest_effect",
    "verdict",
]
