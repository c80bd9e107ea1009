"""A question of the course as data: what is asked, the right answer, cases from a seed, known wrong answers.

Used by the course's labs and by its grader. Checked against: every mutant and every right variant of the tests.

A *mutant* is a right answer with one real mistake. Where a student's answer behaves like one, the mistake has a name,
and one sentence helps. Cases are drawn so that each mutant differs from the right answer: maps are not square, four
numbers are distinct, ties and bounds are hit exactly, and there are images without boxes.
"""

from __future__ import annotations

import inspect
import random
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

ORDINARY = "ordinary"  # the kind of a case that is no edge
NOTHING = "an image without any detection"


@dataclass(frozen=True)
class Case:
    """Inputs for one call."""

    inputs: tuple[Any, ...]
    kind: str = ORDINARY  # or what is special, in words that follow a colon


@dataclass(frozen=True)
class Mutant:
    """A known mistake."""

    mistake: str  # its name in a teacher's table, such as "x and y swapped"
    help: str  # one sentence for the student: help, not the solution
    function: Callable[..., Any]


Same = Callable[[tuple[Any, ...], Any, Any], bool]
Known = list[tuple[str, str, Callable[..., Any]]]  # mistakes as the labs list them: name, help, function


@dataclass(frozen=True, repr=False)
class Question:
    """One function that a student writes."""

    name: str
    lab: int
    title: str
    task: Callable[..., Any]  # the stub: signature and docstring; raises NotImplementedError
    answer: Callable[..., Any]  # the oracle
    draw: Callable[[Draw], Iterable[Case]]
    mutants: tuple[Mutant, ...]
    chapter: str = ""  # file name of the chapter, without .ipynb
    points: int = 10
    same: Same = field(default=lambda inputs, expected, got: close(expected, got))

    def __repr__(self) -> str:
        return f"<question {self.name}>"

    def cases(self, seed: str | int) -> list[Case]:
        """The cases of a seed; the same ones on every machine."""
        return list(self.draw(Draw(f"{seed}:{self.name}")))

    @property
    def stub(self) -> str:
        """What a student is given, as source."""
        lines = textwrap.dedent(inspect.getsource(self.task)).splitlines(keepends=True)
        first = next(i for i, line in enumerate(lines) if line.startswith("def "))  # behind the decorator
        return "".join(lines[first:])


def question(
    lab: int,
    title: str,
    answer: Callable[..., Any],
    draw: Callable[[Draw], Iterable[Case]],
    mutants: Sequence[tuple[str, str, Callable[..., Any]]],
    **options: Any,
) -> Callable[[Callable[..., Any]], Question]:
    """Decorator: the function below it is what students are given, and becomes the :class:`Question`."""

    def make(task: Callable[..., Any]) -> Question:
        known = tuple(Mutant(*entry) for entry in mutants)
        return Question(task.__name__, lab, title, task, answer, draw, known, **options)

    return make


# ---------------------------------------------------------------------- equal
def close(expected: Any, got: Any, rtol: float = 1e-4, atol: float = 1e-5) -> bool:
    """Whether two plain answers (arrays, or lists of them) are equal up to rounding; the type of number is free.

    Args:
        expected, got: arrays as ``_student.plain`` makes them, or lists of arrays.
        rtol, atol: as for ``numpy.allclose``.
    """
    if isinstance(expected, list) or isinstance(got, list):
        if not (isinstance(expected, list) and isinstance(got, list)) or len(expected) != len(got):
            return False
        return all(close(one, other, rtol, atol) for one, other in zip(expected, got, strict=True))
    if not (isinstance(expected, np.ndarray) and isinstance(got, np.ndarray)):
        return False
    if expected.size == 0 or got.size == 0:
        return expected.size == got.size
    if expected.shape != got.shape and not (expected.ndim == 0 and got.shape == (1,)):
        return False
    with np.errstate(all="ignore"):
        one, other = expected.astype(np.float64), got.reshape(expected.shape).astype(np.float64)
        return bool(np.allclose(one, other, rtol=rtol, atol=atol, equal_nan=True))


# ---------------------------------------------------------------------- drawing
class Draw(random.Random):
    """Random inputs whose numbers are exact in float32: multiples of a quarter."""

    def number(self, low: float, high: float) -> float:
        """A multiple of a quarter."""
        return self.randint(int(4 * low), int(4 * high)) / 4

    def size(self, low: int = 2, high: int = 6) -> tuple[int, int]:
        """A height and a width that differ."""
        height, width = self.sample(range(low, high + 1), 2)
        return height, width

    def boxes(self, count: int, width: float = 160, height: float = 96, least: float = 12) -> Tensor:
        """Boxes ``(count, 4)`` xyxy in a picture that is wider than high; no two of the same area."""
        rows: list[list[float]] = []
        areas: set[float] = set()
        while len(rows) < count:
            x0, y0 = self.number(0, width - least), self.number(0, height - least)
            x1, y1 = self.number(x0 + least, width), self.number(y0 + least, height)
            if len({x0, y0, x1, y1}) == 4 and (area := (x1 - x0) * (y1 - y0)) not in areas:
                rows.append([x0, y0, x1, y1])
                areas.add(area)
        return torch.tensor(rows).reshape(-1, 4)

    def points(self, count: int, width: float = 160, height: float = 96) -> Tensor:
        """Places ``(count, 2)`` xy, never exactly on a border of :meth:`boxes`: that is an edge, not chance."""
        rows = [[self.number(1, width) + 1 / 32, self.number(1, height) + 1 / 32] for _ in range(count)]
        return torch.tensor(rows).reshape(-1, 2)

    def distances(self, *shape: int, low: float = 0.5, high: float = 60) -> Tensor:
        """Positive ltrb ``(*shape, 4)``, the four of each distinct."""
        count = int(np.prod(shape, dtype=int))
        steps = range(int(4 * low), int(4 * high) + 1)
        rows = [[step / 4 for step in self.sample(steps, 4)] for _ in range(count)]
        return torch.tensor(rows).reshape(*shape, 4)

    def normal(self, *shape: int, scale: float = 1.0) -> Tensor:
        """Logits and weights."""
        count = int(np.prod(shape, dtype=int))
        return torch.tensor([self.gauss(0, scale) for _ in range(count)]).reshape(shape)

    def scores(self, count: int) -> Tensor:
        """Scores ``(count,)``, no two equal."""
        return torch.tensor([value / 1024 for value in self.sample(range(20, 1000), count)])

    def labels(self, count: int, classes: int) -> Tensor:
        """Classes ``(count,)`` int64, not all equal from two on."""
        found = [self.randrange(classes) for _ in range(count)]
        if count > 1 and classes > 1 and len(set(found)) == 1:
            found[0] = (found[0] + 1) % classes
        return torch.tensor(found, dtype=torch.int64)
