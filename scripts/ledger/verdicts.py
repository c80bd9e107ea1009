"""The word of a row: it follows from the figures, nobody types it.

A comparison that is trained over seeds has the word of its interval, see :mod:`fcos_edu.experiments.claims`. Here are
the words of figures beside the paper's own, and of counts, in which nothing is left to chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fcos_edu.experiments.claims import NO_BOXES, NOT_RUN, TOO_FEW
from fcos_edu.experiments.statistics import TOLD_APART
from fcos_edu.experiments.statistics import WORDS as OF_INTERVALS

EQUAL, NEAR, FAR, SAME, UNSEEN, DIFFERS = OF_FIGURES = (
    "equal", "near", "not near", "same direction", "no difference", "other direction",
)  # fmt: skip
WORDS = (*OF_INTERVALS, TOLD_APART, TOO_FEW, NO_BOXES, *OF_FIGURES, NOT_RUN)
NEAR_SHARE, NEAR_AP = 1.0, 0.5  # percentage points

Results = Mapping[str, dict[str, Any]]  # stem of the file in fcos_edu/results/: its contents


@dataclass(frozen=True)
class Measured:
    """A figure of ours, as a fraction: a count, or the mean of the ``values`` that seeds gave."""

    mean: float
    values: tuple[float, ...] = ()

    def text(self, decimals: int) -> str:
        """In percent; how many seeds there are, if there are several."""
        text = f"{100 * self.mean:.{decimals}f}"
        return f"{text} ({len(self.values)} seeds)" if len(self.values) > 1 else text


def measured(results: Results, file: str, *keys: str) -> Measured:
    """The figure at ``keys`` of the file's metrics: a number, or a study's ``{"mean", "std", "values"}``.

    Raises:
        ValueError: there is none.
    """
    value: Any = results[file]["metrics"]
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    mean = value.get("mean") if isinstance(value, dict) else value
    if not isinstance(mean, int | float):
        raise ValueError(f"fcos_edu/results/{file}.json: metrics has no figure at {' > '.join(keys)}, but {value!r}")
    return Measured(mean, tuple(value.get("values") or ()) if isinstance(value, dict) else ())


def sign(first: float, second: float) -> int:
    """1, 0 or -1: how the first figure stands to the second."""
    return (first > second) - (first < second)


def direction(paper: Sequence[int], ours: Sequence[int]) -> str:
    """The word for comparisons of counts, from the signs of the paper's and of our differences."""
    if not ours or any(o not in (0, p) for p, o in zip(paper, ours)):
        return DIFFERS
    return SAME if list(paper) == list(ours) else UNSEEN


def decimals(printed: str) -> int:
    return len(printed.partition(".")[2])


def verdict(printed: Sequence[str], ours: Sequence[Measured], near: float) -> str:
    """The word for the figures of one row, each beside the paper's."""
    pairs = list(zip(printed, ours, strict=True))
    if all(f"{100 * o.mean:.{decimals(p)}f}" == p for p, o in pairs):
        return EQUAL
    return NEAR if all(abs(100 * o.mean - float(p)) <= near + 1e-9 for p, o in pairs) else FAR


def verdict_of_counts(
    printed: Sequence[str],
    ours: Sequence[Measured],
    others: Sequence[tuple[Sequence[str], Sequence[Measured]]],
    near: float,
) -> str:
    """The word for one row of counts, from its figures or else from its order among the ``others``."""
    word = verdict(printed, ours, near)
    if word != FAR or not others:
        return word
    # A row with fewer figures than another is compared where both have one.
    paper = [sign(float(p), float(q)) for texts, _ in others for p, q in zip(printed, texts)]
    return direction(paper, [sign(o.mean, q.mean) for _, figures in others for o, q in zip(ours, figures)])
