"""What wrong answers have in common with right ones is seen, and only where it holds everywhere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fcos_edu.course.relations import RELATIONS, relation

RANDOM = np.random.default_rng(17)
ROWS = [RANDOM.uniform(-3, 3, shape) for shape in ((5, 4), (3, 4), (2, 3, 4))]
SHARES = [RANDOM.uniform(0.1, 0.9, shape) for shape in ((6,), (4,), (2, 3))]
YES = [np.array([True, False, True, False]), np.array([[False, True], [True, False]])]
ONE = [np.array(value) for value in (0.3, 1.7, 0.9)]


@pytest.mark.parametrize(
    ("name", "right", "given"),
    [
        ("true and false swapped", YES, lambda a: ~a),
        ("the sign", ROWS, lambda a: -a),
        ("absolute values", ROWS, np.abs),
        ("negative numbers cut off", ROWS, lambda a: np.maximum(a, 0)),
        ("rounded to whole numbers", ROWS, np.round),
        ("cut to whole numbers", ROWS, np.floor),
        ("cut to whole numbers", ROWS, np.trunc),
        ("1 minus the answer", SHARES, lambda a: 1 - a),
        ("squared", SHARES, np.square),
        ("a root too many", SHARES, np.sqrt),
        ("a logarithm too many", SHARES, np.log),
        ("exp too many", SHARES, np.exp),
        ("turned upside down", SHARES, lambda a: 1 / a),
        ("the mean of all", SHARES, np.mean),
        ("the sum of all", SHARES, np.sum),
        ("a constant factor", ROWS, lambda a: 8 * a),
        ("a constant factor", ONE, lambda a: 100 * a),
        ("a constant added", ROWS, lambda a: a - 0.5),
        ("columns in another order", ROWS, lambda a: a[..., [0, 2, 1, 3]]),
        ("a factor that depends on the input", ROWS, lambda a: a * len(a)),
        ("the right ones in another order", ROWS, lambda a: a[::-1]),
        ("some left out", ROWS, lambda a: a[1:]),
        ("some left out", SHARES[:2], lambda a: a[::2]),
        ("some too many", ROWS, lambda a: np.concatenate([a, a[:1] + 1])),
        ("axes swapped", ROWS[:2], np.transpose),
        ("another shape", ROWS, np.ravel),
        ("yes too often", YES, lambda a: a | (np.cumsum(a).reshape(a.shape) > 1)),
        ("yes too seldom", YES, lambda a: a & (np.cumsum(a).reshape(a.shape) > 1)),
        ("the second of the answer", [one[:2] for one in SHARES[:1] * 4], lambda a: a * [1, 2]),
        (
            "wrong where -1 is asked",
            [np.array([-1.0, 3, -1, 2]), np.array([0.0, -1, 4, 1])],
            lambda a: a - 99 * (a < 0),
        ),
        ("wrong where 0 is asked", [one * (one > 0) for one in ROWS], lambda a: np.where(a == 0, 7, a)),
        ("third of each row", ROWS, lambda a: a * [1, 1, 2, 1]),
        ("second and fourth of each row", ROWS, lambda a: a**2 * [0, 1, 0, 1] + a * [1, 0, 1, 0]),
    ],
)
def test_each_relation_is_seen(name: str, right: list[np.ndarray], given: Callable[[np.ndarray], object]) -> None:
    answers = [np.asarray(given(one)) for one in right]
    found = relation(right, answers)
    assert found is not None and found[0] == name and found[1].endswith((".", "?"))
    answers[-1] = np.zeros_like(right[-1]) + 0.123
    other = relation(right, answers)
    assert other is None or other[0] != name, "it has to hold for every answer"


def test_parts_that_are_not_put_together() -> None:
    parts = [np.array([1.0, 2, 4]), np.array([3.0, 5])]
    assert relation([np.asarray(one.sum()) for one in parts], parts)[0] == "not summed"  # type: ignore[index]
    assert relation([np.asarray(one.mean()) for one in parts], parts)[0] == "no mean taken"  # type: ignore[index]


def test_an_index_of_0_or_1_is_no_yes_or_no() -> None:
    """Which box a location learns: a box that is missed is told of in no words of yes and no."""
    right, given = [np.array([1, 1]), np.array([1, 0])], [np.array([0, 0]), np.array([0, 0])]
    assert relation(right, given) is None
    assert relation([one == 1 for one in right], [one == 1 for one in given])[0] == "yes too seldom"  # type: ignore[index]


def test_small_numbers_that_are_missing_are_not_called_rounded() -> None:
    small = np.array([0.03, 0.02, 0.04])
    assert relation([small], [0 * small]) is None
    assert relation([small / 10], [0 * small]) is None, "nor squared"
    assert relation([small + 3], [np.round(small + 3)])[0] == "rounded to whole numbers"  # type: ignore[index]


def test_what_has_no_relation_gets_none() -> None:
    assert relation(ROWS, [RANDOM.uniform(-3, 3, one.shape) for one in ROWS]) is None
    assert relation(ROWS, [one[..., 0] for one in ROWS]) is None, "another shape"
    assert relation(ROWS, [np.full(one.shape, np.nan) for one in ROWS]) is None
    assert relation([[ROWS[0]]], [ROWS[0]]) is None, "a list of arrays"
    assert relation([np.array(2.0)], [np.array(5.0)]) is None, "of one number any factor holds"
    assert relation([np.zeros((0, 4))], [np.zeros((0, 4))]) is None
    assert len({name for name, _, _ in RELATIONS}) == len(RELATIONS)
