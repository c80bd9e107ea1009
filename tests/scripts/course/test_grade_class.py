"""The class that is made: of every kind enough, and grades that are due to each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fcos_edu.course.grading import Class, Grade
from fcos_edu.course.judge import Verdict
from scripts.course import grade_class
from tests.scripts.course.test_class_page import METRICS


def test_a_class_has_all_kinds(tmp_path: Path) -> None:
    due = grade_class.make_class(tmp_path, 6)
    assert len(due) == 6 and len(list(tmp_path.iterdir())) == 6
    whole = {number: sum(points.values()) for number, points in due.items()}
    most = max(whole.values())
    assert [whole["1000"], whole["1001"]] == [most, most], "right ones"
    assert all(0.5 * most < whole[number] < most for number in ("1002", "1003", "1004")), "with mistakes"
    assert whole["1005"] == most - 10 and due["1005"]["centerness"] == 0, "hostile in one function"
    book = json.loads(next(tmp_path.glob("*.ipynb")).read_text("utf-8"))
    assert any("broken" in cell["source"] for cell in book["cells"])


def test_a_grade_that_is_not_due_is_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a small class, graded here without any process: once as is due, once with a point too many for somebody."""

    def graded(extra: float) -> dict[str, Any]:
        def grade(folder: Path, seed: str, out: Path, **_: object) -> Class:
            due = grade_class.make_class(folder, 6)
            grades = []
            for number, points in due.items():
                verdicts = [Verdict(name, value, 10) for name, value in points.items()]
                if number == "1002":
                    verdicts[3] = replace(verdicts[3], points=verdicts[3].points + extra)
                grades.append(Grade("student", number, verdicts))
            return Class(grades, 6, "held: nothing, this is a test")

        monkeypatch.setattr(grade_class, "grade", grade)
        return grade_class.measure(6, 1)

    metrics = graded(0)
    assert metrics["wrong_grades"] == 0 and set(metrics) == set(METRICS), "what the page shows is measured"
    assert metrics["kinds"] == {"right": 2, "with mistakes": 3, "hostile": 1} and metrics["students"] == 6
    assert graded(0.5)["wrong_grades"] == 1 and "1002 " in capsys.readouterr().out


def test_every_hostile_function_has_its_turn() -> None:
    everything = grade_class.HOSTILE | grade_class.MORE_HOSTILE
    assert 200 // 6 >= len(everything) and {"hangs", "forks", "reads files", "opens a socket"} <= set(everything)
