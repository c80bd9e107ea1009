"""The page on grading says what the record says, and is not behind it."""

from __future__ import annotations

import json

import pytest

from scripts.course import class_page, grade_class

METRICS = {
    "students": 6, "kinds": {"right": 2, "with mistakes": 3, "hostile": 1}, "questions": 31, "workers": 2,
    "wrong_grades": 0, "seconds": 95.4, "seconds_unchanged": 1.2, "graded_again": 0, "memory_of_the_grader_mb": 400.0,
    "peak_memory_of_a_process_mb": 1400.6, "held": "held: no network",
}  # fmt: skip


def test_what_the_record_has_is_what_the_page_shows() -> None:
    text = class_page.words({"metrics": METRICS, "hardware": "a machine, 2 cores", "date": "2026-12-01"})
    for shown in (
        "6 (2 right, 3 with mistakes, 1 hostile), 31 questions each", "| 0 |", "1 min 35 s with 2 workers", "| 1 s |",
        "400 MB", "1401 MB", "a machine, 2 cores", "held: no network", "2026-12-01",
    ):  # fmt: skip
        assert shown in text
    assert "Not measured yet" in class_page.words(None)


def test_the_page_is_up_to_date() -> None:
    record = json.loads(class_page.RECORD.read_text("utf-8")) if class_page.RECORD.is_file() else None
    text = class_page.PAGE.read_text("utf-8")
    assert class_page.page(text, record) == text, "run: make pages"
    if record is not None:
        assert set(METRICS) == set(record["metrics"]) and record["command"] == grade_class.COMMAND
        assert record["metrics"]["wrong_grades"] == 0
    with pytest.raises(ValueError, match="no place for the class"):
        class_page.page("# Grading\n", None)
