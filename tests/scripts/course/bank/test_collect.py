"""The whole bank: enough of it, ids of its own, and quizzes as the chapters have them."""

from __future__ import annotations

from collections import Counter

import pytest

from scripts.course.bank import collect
from scripts.course.bank.items import CHAPTERS


def test_the_bank_is_large_and_every_question_can_be_told_apart() -> None:
    items = collect.bank()
    assert len(items) >= 120
    assert len({item.id for item in items}) == len({item.text for item in items}) == len(items)
    assert set(Counter(item.chapter for item in items)) == set(CHAPTERS.values())
    assert min(Counter(item.chapter for item in items).values()) >= 6
    for item in items:
        right = sum(option.right for option in item.options)
        assert right == 1 if item.kind == "one" else right == 0 if item.kind == "number" else right >= 1, item.id
        assert all(option.why for option in item.options), f"{item.id}: an answer without a reason"


def test_a_quiz_is_taken_over() -> None:
    one = collect.of_quiz("x", "02_locations", "apply", "2b", {
        "question": "How wide?", "type": "numeric",
        "answers": [{"type": "range", "range": [0.31, 0.35], "correct": True, "feedback": "Yes."},
                    {"type": "value", "value": 0.5, "correct": False, "feedback": "No."}, {"type": "default"}],
    })  # fmt: skip
    assert (one.kind, one.value, one.tolerance, one.note) == ("number", 0.33, 0.02, "Yes.")
    assert [(option.text, option.why) for option in one.options] == [("0.5", "No.")]
    assert collect.reason("Yes: 16 + 3 · 32.") == "16 + 3 · 32."
    assert collect.reason("Right, it decides.") == "It decides."
    assert collect.reason("Yesterday it was so.") == "Yesterday it was so."
    with pytest.raises(ValueError, match="2 right answers"):
        both = [{"answer": text, "correct": True} for text in "ab"]
        collect.of_quiz("x", "c", "apply", "2b", {"question": "?", "type": "multiple_choice", "answers": both})
    with pytest.raises(ValueError, match="'essay'"):
        collect.of_quiz("x", "c", "apply", "2b", {"question": "?", "type": "essay", "answers": []})


def test_the_right_answer_is_not_always_the_first() -> None:
    places = Counter(
        next(i for i, option in enumerate(collect.arranged(item)) if option.right)
        for item in collect.ITEMS
        if item.kind == "one"
    )
    assert len(places) == 4 and min(places.values()) >= 4
