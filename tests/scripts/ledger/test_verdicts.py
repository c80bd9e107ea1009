"""The word of a row follows from its figures."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.ledger.verdicts import Measured, direction, measured, order, verdict

from .made_up import result, spread


@pytest.mark.parametrize(
    ("ours", "other", "word"),
    [
        (0.98404, 0.9555, "equal"),
        (0.98406, 0.9555, "near"),
        (0.9940, 0.9555, "near"),  # exactly one point away
        (0.9941, 0.9555, "same direction"),
        (0.60, 0.50, "same direction"),
        (0.50, 0.60, "differs"),
        (0.50, 0.50, "no difference seen"),
    ],
)
def test_the_word_of_a_figure(ours: float, other: float, word: str) -> None:
    assert verdict(["98.40"], [Measured(ours)], [(["95.55"], [Measured(other)])], 1.0) == word


def test_every_figure_of_a_row_counts() -> None:
    close, far = Measured(0.447), Measured(0.2)
    assert verdict(["44.7", "56.9"], [close, Measured(0.569)], [], 0.5) == "equal"
    assert verdict(["44.7", "56.9"], [close, Measured(0.565)], [], 0.5) == "near"
    assert verdict(["44.7", "56.9"], [close, far], [], 0.5) == "differs", "nothing to compare its order with"
    above, below = (["40.0", "50.0"], [Measured(0.1), Measured(0.1)]), (["50.0", "60.0"], [Measured(0.9)] * 2)
    assert verdict(["44.7", "56.9"], [close, far], [above, below], 0.5) == "same direction"
    assert verdict(["44.7", "56.9"], [close, far], [above, (["50.0"], [far])], 0.5) == "differs"


def test_a_result_without_the_figure_is_named() -> None:
    for metrics, said in [({}, "None"), ({"fcos_p4": {"mean": None, "std": None}}, "mean"), ({"fcos_p4": "x"}, "'x'")]:
        with pytest.raises(ValueError, match=f"fcos_edu/results/recall_coco.json.*fcos_p4.*{said}"):
            measured({"recall_coco": result(metrics)}, "recall_coco", "fcos_p4")


@pytest.mark.parametrize(
    ("first", "second", "want"),
    [
        (spread(0.52, 0.01), spread(0.50, 0.01), 1),  # 0.02 against 0.0141
        (spread(0.50, 0.01), spread(0.52, 0.01), -1),
        (spread(0.52, 0.02), spread(0.50, 0.01), 0),  # 0.02 against 0.0224
        (spread(0.9, None, 1), spread(0.1, None, 1), 0),  # one seed: the spread is not known
        (0.5001, 0.5, 1),  # counts have none
        (0.5, 0.5, 0),
    ],
)
def test_a_difference_must_be_larger_than_its_spread(first: Any, second: Any, want: int) -> None:
    results = {"x_bccd": result({"a": first, "b": second})}
    one, two = (measured(results, "x_bccd", key) for key in "ab")
    assert order(one, two) == want


@given(*[st.floats(0, 1)] * 2, *[st.one_of(st.floats(0, 0.3), st.just(math.inf))] * 2)
def test_the_order_turns_with_its_arguments(a: float, b: float, s: float, t: float) -> None:
    one, two = Measured(a, s), Measured(b, t)
    assert order(one, two) == -order(two, one)


@pytest.mark.parametrize(
    ("paper", "ours", "word"),
    [
        ([1], [1], "same direction"),
        ([1], [0], "no difference seen"),
        ([1], [-1], "differs"),
        ([0], [0], "same direction"),  # the paper sees none either
        ([0], [1], "differs"),
        ([1, -1], [1, 0], "no difference seen"),
        ([1, -1], [0, 1], "differs"),
        ([], [], "differs"),
    ],
)
def test_the_word_of_a_comparison(paper: list[int], ours: list[int], word: str) -> None:
    assert direction(paper, ours) == word
