"""The word of a row follows from its figures."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcos_edu.experiments.statistics import WORDS as OF_INTERVALS
from scripts.ledger.verdicts import WORDS, Measured, direction, measured, sign, verdict, verdict_of_counts

from .made_up import result, spread


@pytest.mark.parametrize(
    ("ours", "other", "word"),
    [
        (0.98404, 0.9555, "equal"),
        (0.98406, 0.9555, "near"),
        (0.9940, 0.9555, "near"),  # exactly one point away
        (0.9941, 0.9555, "same direction"),
        (0.60, 0.50, "same direction"),
        (0.50, 0.60, "other direction"),
        (0.50, 0.50, "no difference"),
    ],
)
def test_the_word_of_a_count(ours: float, other: float, word: str) -> None:
    assert verdict_of_counts(["98.40"], [Measured(ours)], [(["95.55"], [Measured(other)])], 1.0) == word


def test_every_figure_of_a_row_counts() -> None:
    close, far = Measured(0.447), Measured(0.2)
    assert verdict(["44.7", "56.9"], [close, Measured(0.569)], 0.5) == "equal"
    assert verdict(["44.7", "56.9"], [close, Measured(0.565)], 0.5) == "near"
    assert verdict(["44.7", "56.9"], [close, far], 0.5) == "not near"
    assert verdict_of_counts(["44.7", "56.9"], [close, far], [], 0.5) == "not near", "nothing to compare its order with"
    above, below = (["40.0", "50.0"], [Measured(0.1), Measured(0.1)]), (["50.0", "60.0"], [Measured(0.9)] * 2)
    assert verdict_of_counts(["44.7", "56.9"], [close, far], [above, below], 0.5) == "same direction"
    alone = (["50.0"], [far])
    assert verdict_of_counts(["44.7", "56.9"], [close, far], [above, alone], 0.5) == "other direction"


def test_a_result_without_the_figure_is_named() -> None:
    for metrics, said in [({}, "None"), ({"fcos_p4": {"mean": None, "std": None}}, "mean"), ({"fcos_p4": "x"}, "'x'")]:
        with pytest.raises(ValueError, match=f"fcos_edu/results/recall_coco.json.*fcos_p4.*{said}"):
            measured({"recall_coco": result(metrics)}, "recall_coco", "fcos_p4")


@pytest.mark.parametrize(("value", "text"), [(0.5216, "52.2"), (spread(0.52, 0.01), "52.0 (3 seeds)"),
                                             (spread(0.52, None, 1), "52.0")])  # fmt: skip
def test_a_figure_says_how_many_seeds_it_has(value: Any, text: str) -> None:
    assert measured({"x_bccd": result({"a": value})}, "x_bccd", "a").text(1) == text


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_order_turns_with_its_arguments(a: float, b: float) -> None:
    assert sign(a, b) == -sign(b, a)


@pytest.mark.parametrize(
    ("paper", "ours", "word"),
    [
        ([1], [1], "same direction"),
        ([1], [0], "no difference"),
        ([1], [-1], "other direction"),
        ([0], [0], "same direction"),  # the paper sees none either
        ([0], [1], "other direction"),
        ([1, -1], [1, 0], "no difference"),
        ([1, -1], [0, 1], "other direction"),
        ([], [], "other direction"),
    ],
)
def test_the_word_of_a_comparison_of_counts(paper: list[int], ours: list[int], word: str) -> None:
    assert direction(paper, ours) == word


def test_no_word_means_two_things() -> None:
    assert len(set(WORDS)) == len(WORDS) and set(OF_INTERVALS) < set(WORDS)
