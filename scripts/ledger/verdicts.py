"""The word of a row: it follows from the figures, nobody types it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

EQUAL, NEAR, SAME, UNSEEN, DIFFERS, NOT_RUN = WORDS = (
    "equal", "near", "same direction", "no difference seen", "differs", "not run here",
)  # fmt: skip
NEAR_SHARE, NEAR_AP = 1.0, 0.5  # percentage points

Results = Mapping[str, dict[str, Any]]  # stem of the file in fcos_edu/results/: its contents


@dataclass(frozen=True)
class Measured:
    """A figure of ours, as a fraction, and its spread over seeds: 0 for a count, infinite where it is not known."""

    mean: float
    spread: float = 0.0

    def text(self, decimals: int) -> str:
        """In percent; ``±`` where there are several seeds."""
        text = f"{100 * self.mean:.{decimals}f}"
        return f"{text} ± {100 * self.spread:.{decimals}f}" if 0 < self.spread < math.inf else text


def measured(results: Results, file: str, *keys: str) -> Measured:
    """The figure at ``keys`` of the file's metrics: a number, or a study's ``{"mean", "std", "values"}``.

    Raises:
        ValueError: there is none.
    """
    value: Any = results[file]["metrics"]
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    mean, std = (value.get("mean"), value.get("std")) if isinstance(value, dict) else (value, 0.0)
    if not isinstance(mean, int | float):
        raise ValueError(f"fcos_edu/results/{file}.json: metrics has no figure at {' > '.join(keys)}, but {value!r}")
    return Measured(mean, math.inf if std is None else std)


def sign(first: str, second: str) -> int:
    """1, 0 or -1: how the paper's first figure stands to its second."""
    return (float(first) > float(second)) - (float(first) < float(second))


def order(first: Measured, second: Measured) -> int:
    """1 or -1, and 0 where the difference of the means is not above the spread that such a difference has."""
    difference = first.mean - second.mean
    if abs(difference) <= math.hypot(first.spread, second.spread):
        return 0
    return 1 if difference > 0 else -1


def direction(paper: Sequence[int], ours: Sequence[int]) -> str:
    """The word for comparisons, from the signs of the paper's and of our differences."""
    if not ours or any(o not in (0, p) for p, o in zip(paper, ours)):
        return DIFFERS
    return SAME if list(paper) == list(ours) else UNSEEN


def decimals(printed: str) -> int:
    return len(printed.partition(".")[2])


def verdict(
    printed: Sequence[str],
    ours: Sequence[Measured],
    others: Sequence[tuple[Sequence[str], Sequence[Measured]]],
    near: float,
) -> str:
    """The word for one row of a table, from its figures alone or else from its order among the ``others``."""
    pairs = list(zip(printed, ours, strict=True))
    if all(f"{100 * o.mean:.{decimals(p)}f}" == p for p, o in pairs):
        return EQUAL
    if all(abs(100 * o.mean - float(p)) <= near + 1e-9 for p, o in pairs):
        return NEAR
    # A row with fewer figures than another is compared where both have one.
    paper = [sign(p, q) for texts, _ in others for p, q in zip(printed, texts)]
    return direction(paper, [order(o, other) for _, figures in others for o, other in zip(ours, figures)])
