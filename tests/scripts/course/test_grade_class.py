"""The class that is made: of every kind enough, and grades that are due to each."""

from __future__ import annotations

import json
from pathlib import Path

from scripts.course import grade_class


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


def test_every_hostile_function_has_its_turn() -> None:
    everything = grade_class.HOSTILE | grade_class.MORE_HOSTILE
    assert 200 // 6 >= len(everything) and {"hangs", "forks", "reads files", "opens a socket"} <= set(everything)
