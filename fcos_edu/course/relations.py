"""What a wrong answer has to do with the right one: a sign, a factor, another order; for mistakes that nobody listed.

Used where an answer behaves like no known mistake. Checked against: wrong answers of each kind, and answers that only
look like one. A relation counts if it holds on every input that went wrong; what it says tells no input and no number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

import numpy as np

Pair = tuple[Any, Any]  # the right answer and the one that was given
NUMBERS = ("first", "second", "third", "fourth")


def near(one: Any, other: Any) -> bool:
    """Whether two arrays are of one shape and equal up to rounding."""
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=1e-3, atol=1e-5, equal_nan=True))


def _where(test: Callable[[np.ndarray], np.ndarray], *, to_zero: bool = False) -> Callable[[list[Pair]], bool]:
    """A relation that changes every number in the same way; it has to change some of them in each pair.

    Where 0 is given everywhere, that says nothing: small numbers are 0 when they are rounded, or squared.
    """
    return lambda pairs: (
        all(near(test(right), given) and not near(right, given) for right, given in pairs)
        and (to_zero or any(np.abs(given).max(initial=0) > 1e-4 for _, given in pairs))
    )


def _factor(pairs: list[Pair], *, one: bool) -> bool:
    """Whether given = k * right: one k for all pairs, or one for each."""
    found = []
    for right, given in pairs:
        some = np.abs(right) > 1e-9
        if right.shape != given.shape or not some.any() or not near(given[~some], right[~some]):
            return False
        ratios = given[some] / right[some]
        if not near(ratios, np.full_like(ratios, ratios.flat[0])) or abs(ratios.flat[0]) < 1e-9:
            return False
        found.append(ratios.flat[0])
    sizes = sum(right.size for right, _ in pairs)
    return sizes > (2 if one else 3 * len(pairs)) and (not one or near(np.array(found), np.full(len(found), found[0])))


def _shift(pairs: list[Pair]) -> bool:
    found = [given - right for right, given in pairs if right.shape == given.shape]
    return len(found) == len(pairs) and all(
        one.size > 1 and near(one, np.full_like(one, found[0].flat[0])) for one in found
    )


def _columns(pairs: list[Pair]) -> bool:
    """Whether each row has the right numbers in another order, the same for all rows."""
    width = pairs[0][0].shape[-1] if pairs[0][0].ndim > 1 else 0
    if not 2 <= width <= 4 or any(right.shape != given.shape or right.ndim < 2 for right, given in pairs):
        return False
    orders = [list(order) for order in permutations(range(width))][1:]  # the first is as it was
    return any(all(near(right[..., order], given) for right, given in pairs) for order in orders)


def _rows(pairs: list[Pair]) -> bool:
    """Whether the rows, or single numbers, are right and only their order is not."""

    def ordered(array: np.ndarray) -> np.ndarray:
        rows = array.reshape(len(array), -1).round(4)
        return rows[np.lexsort(rows.T[::-1])]

    whole = all(right.ndim and right.shape == given.shape and len(right) > 1 for right, given in pairs)
    return whole and all(near(ordered(right), ordered(given)) for right, given in pairs)


def _axes(pairs: list[Pair]) -> bool:
    """Whether the axes of the answer stand in another order, the same for all."""
    axes = {right.ndim for right, _ in pairs} | {given.ndim for _, given in pairs}
    if len(axes) != 1 or not 2 <= (count := axes.pop()) <= 4 or all(len(set(one.shape)) == 1 for one, _ in pairs):
        return False
    orders = list(permutations(range(count)))[1:]
    return any(all(near(right.transpose(order), given) for right, given in pairs) for order in orders)


def _reshaped(pairs: list[Pair]) -> bool:
    return all(
        right.shape != given.shape and right.size == given.size > 1 and near(right, given.reshape(right.shape))
        for right, given in pairs
    )


def _within(pairs: list[Pair]) -> bool:
    """Whether the second of each pair is some rows, or single numbers, of the first, in its order, and not all."""

    def some(whole: np.ndarray, part: np.ndarray) -> bool:
        if whole.ndim != part.ndim or not whole.ndim or whole.shape[1:] != part.shape[1:] or len(part) >= len(whole):
            return False
        left = iter(whole)
        return all(any(near(row, one) for row in left) for one in part)

    return all(some(whole, part) for whole, part in pairs) and sum(part.size for _, part in pairs) > len(pairs)


def _reduced(reduce: Callable[[np.ndarray], Any], *, given_whole: bool = False) -> Callable[[list[Pair]], bool]:
    def test(pairs: list[Pair]) -> bool:
        if given_whole:
            pairs = [(given, right) for right, given in pairs]
        return all(
            right.size > 1 and given.size == 1 and near(np.asarray(reduce(right)), given.reshape(())) for right, given
            in pairs
        )  # fmt: skip

    return test


def _one_sided(sign: int) -> Callable[[list[Pair]], bool]:
    """Whether yes and no differ in one direction alone."""

    def test(pairs: list[Pair]) -> bool:
        return all(
            right.shape == given.shape
            and right.size > 1
            and np.isin(given, (0, 1)).all()
            and np.isin(right, (0, 1)).all()
            and (sign * (given - right) >= 0).all()
            for right, given in pairs
        )

    return test


def _only_at(pairs: list[Pair]) -> str:
    """The one right answer, 0 or -1, where numbers are wrong while all others are right, in words; empty if none is."""
    if any(right.shape != given.shape for right, given in pairs):
        return ""
    right, given = (np.concatenate([pair[k].ravel() for pair in pairs]) for k in (0, 1))
    wrong = ~np.isclose(right, given, rtol=1e-3, atol=1e-5)
    asked = np.unique(right[wrong])
    if len(pairs) < 2 or wrong.sum() < 3 or len(asked) != 1 or asked[0] not in (0, -1) or (~wrong).sum() < 3:
        return ""
    return f"{asked[0] + 0:g}"  # no -0


def _single_numbers(pairs: list[Pair]) -> str:
    """As :func:`_some_columns`, of answers that are no table but the same two to four numbers each time."""
    length = pairs[0][0].shape
    if len(pairs) < 3 or any(right.shape != length or given.shape != length for right, given in pairs):
        return ""
    return _some_columns([(right[None], given[None]) for right, given in pairs]) if len(length) == 1 else ""


def _some_columns(pairs: list[Pair]) -> str:
    """Which numbers of each row are wrong in some pair, in words; empty if none or all are."""
    width = pairs[0][0].shape[-1] if pairs[0][0].ndim > 1 else 0
    if not 2 <= width <= 4 or any(right.shape != given.shape or right.shape[-1] != width for right, given in pairs):
        return ""
    good = [all(near(right[..., k], given[..., k]) for right, given in pairs) for k in range(width)]
    if not any(good) or all(good):
        return ""
    names = [NUMBERS[k] for k in range(width) if not good[k]]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _quiet(rule: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    def run(array: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.asarray(rule(array))

    return run


# The first that holds is told: from what says most to what says least.
RELATIONS: tuple[tuple[str, str, Callable[[list[Pair]], bool]], ...] = (
    ("axes swapped", "The axes of the answer stand in another order than the docstring says.", _axes),
    ("another shape", "The numbers are right, in their order, but the answer has another shape than was asked.",
     _reshaped),
    ("true and false swapped", "Yes and no are swapped: you say where it does not hold.",
     lambda pairs: all(np.isin(right, (0, 1)).all() and near(1 - right, given) for right, given in pairs)),
    ("the sign", "The numbers are right, but each has the opposite sign.", _where(lambda a: -a)),
    ("absolute values", "Negative numbers have lost their sign: they mean something here.", _where(np.abs)),
    ("negative numbers cut off", "Negative numbers were cut off at zero: they mean something here.",
     _where(lambda a: np.maximum(a, 0), to_zero=True)),
    ("rounded to whole numbers", "The answer is rounded: keep what stands behind the point.", _where(np.round)),
    ("cut to whole numbers", "What stands behind the point is cut off: is there a // or an integer type?",
     lambda pairs: _where(np.floor)(pairs) or _where(np.trunc)(pairs)),
    ("1 minus the answer", "What you give and what is asked add up to 1.", _where(lambda a: 1 - a)),
    ("squared", "This is the square of what is asked: is a root missing, or a square too many?", _where(np.square)),
    ("a root too many", "This is the root of what is asked: is there one root too many?", _where(_quiet(np.sqrt))),
    ("a logarithm too many", "This is the logarithm of what is asked.", _where(_quiet(np.log))),
    ("exp too many", "This is exp of what is asked.", _where(_quiet(np.exp))),
    ("turned upside down", "This is 1 over what is asked: what stands above the line belongs below it.",
     _where(_quiet(lambda a: 1 / a))),
    ("the mean of all", "This is the mean of all numbers that are asked: give each of them.", _reduced(np.mean)),
    ("the sum of all", "This is the sum of all numbers that are asked: give each of them.", _reduced(np.sum)),
    ("not summed", "The parts are right: one number is asked, their sum.", _reduced(np.sum, given_whole=True)),
    ("no mean taken", "The parts are right: one number is asked, their mean.", _reduced(np.mean, given_whole=True)),
    ("a constant factor", "All numbers are too large or too small by the same factor: one is missing, or one too many.",
     lambda pairs: _factor(pairs, one=True)),
    ("a constant added", "All numbers are off by the same amount: something is added that should not be, or left out.",
     _shift),
    ("columns in another order", "The numbers of each row are right, but they stand in another order.", _columns),
    ("a factor that depends on the input",
     "For each input all numbers are off by one factor, not always the same: look at what you multiply or divide by.",
     lambda pairs: _factor(pairs, one=False)),
    ("some left out", "What you give is right, but something is missing.", _within),
    ("some too many", "All that is asked is there, but something else too.",
     lambda pairs: _within([(given, right) for right, given in pairs])),
    ("the right ones in another order", "The answers are right, but they stand in another order.", _rows),
    ("yes too often", "Wherever it should say yes you do, but you say it in other places too: a condition is missing.",
     _one_sided(1)),
    ("yes too seldom", "Wherever you say yes it is right, but you miss some: a condition is too strict.",
     _one_sided(-1)),
)  # fmt: skip


# Those that say enough by themselves to be told of a mistake beside another one.
PLAIN = (
    "axes swapped", "another shape", "true and false swapped", "the sign", "rounded to whole numbers",
    "cut to whole numbers", "1 minus the answer", "squared", "a root too many", "a logarithm too many", "exp too many",
    "the mean of all", "the sum of all", "not summed", "no mean taken", "columns in another order",
)  # fmt: skip

# Of answers that are yes or no; an index, too, may be 0 or 1.
YES_OR_NO = ("true and false swapped", "yes too often", "yes too seldom")

REDUCED = ("the mean of all", "the sum of all")  # of two numbers alone they prove little


def relation(
    expected: Sequence[Any], given: Sequence[Any], among: Sequence[str] | None = None
) -> tuple[str, str] | None:
    """Name and sentence of the relation that holds between all wrong answers and the right ones, or None.

    Args:
        expected: right answers to the inputs that went wrong, as ``_student.plain`` makes them.
        given: what was answered.
        among: names of relations; None for all.
    """
    pairs: list[Pair] = []
    yes_or_no = all(isinstance(one, np.ndarray) and one.dtype == bool for one in expected)
    for one, other in zip(expected, given, strict=True):
        if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray):
            return None
        if np.isfinite(one).all() and not np.isfinite(other).all():  # which is told by itself
            return None
        pairs.append((one.astype(np.float64), other.astype(np.float64)))
    told = [pair for pair in pairs if pair[0].size and pair[1].size]
    if any(one.size and not other.size and one.ndim for one, other in pairs) or not told:
        return None
    for name, sentence, holds in RELATIONS:
        if (among is None or name in among) and (yes_or_no or name not in YES_OR_NO) and holds(told):
            return name, sentence
    if among is not None:
        return None
    if names := _some_columns(told):
        return f"{names} of each row", f"Of each row all numbers are right but the {names}."
    if names := _single_numbers(told):
        return f"the {names} of the answer", f"All numbers of the answer are right but the {names}."
    if value := _only_at(told):
        return f"wrong where {value} is asked", f"All numbers are right but where {value} is asked."
    return None
