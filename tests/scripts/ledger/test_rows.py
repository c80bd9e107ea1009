"""What makes a row: tests that exist, data and costs in words."""

from __future__ import annotations

import pytest

from scripts.ledger.rows import cost, data_in_words, held
from scripts.ledger.verdicts import EQUAL

from .made_up import result


def test_a_test_that_does_not_exist_is_named() -> None:
    there = "tests/scripts/ledger/test_rows.py::test_a_test_that_does_not_exist_is_named"
    assert held("Eq. 9", "", "", "", there).word == EQUAL
    for gone in (f"{there}_x", "tests/test_gone.py::test_x", "tests/figures/test_boxes.py::TestBoxes::test_gone"):
        with pytest.raises(ValueError, match=f"Eq. 9.*{gone.split('::')[0]}"):
            held("Eq. 9", "", "", "", there, gone)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("bccd", "BCCD"),
        ("bccd (test, 72 images)", "BCCD (test, 72 images)"),
        ("bccd: 364 images, 4886 boxes; left out: 2 crowd boxes", "BCCD (364 images)"),
        ("coco_val2017_boxes.json: 2 images, 3 boxes", "boxes of COCO val2017 (2 images)"),
        ("my boxes: 2 images, 3 boxes", "my boxes (2 images)"),
        ("shapes (train): 30 images, 99 boxes", "shapes (train, 30 images)"),
        ("random images and boxes", "random images and boxes"),
    ],
)
def test_data_in_words(told: str, said: str) -> None:
    assert data_in_words(told) == said


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.31, "0.3 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"), (None, "")]
)
def test_cost_in_words(seconds: float | None, text: str) -> None:
    assert cost(result({} if seconds is None else {"seconds": seconds}), 1) == text


def test_cost_is_the_processors_where_the_machine_did_other_work_too() -> None:
    busy = {"seconds": {"a": 100.0, "b": 50.0}, "cpu_seconds": {"a": 10.0, "b": 20.0}}
    assert cost(result(busy), 3) == "90 s"
    threads = {"seconds": 10.0, "cpu_seconds": 40.0}
    assert cost(result(threads), 1) == "10 s"
