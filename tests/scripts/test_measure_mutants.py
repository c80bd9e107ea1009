"""scripts/measure_mutants.py: which mutants are tried, and how they are counted."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from scripts.measure_mutants import counts, survivors, thin_out, wanted


@pytest.mark.parametrize(
    ("operator", "line", "yes"),
    [
        ("core/ReplaceBinaryOperator_Add_Sub", "x = a + b", True),
        ("core/ReplaceBinaryOperator_Add_LShift", "x = a + b", False),
        ("core/ReplaceComparisonOperator_Lt_LtE", "if a < b:", True),
        ("core/ReplaceComparisonOperator_Lt_Is", "if a < b:", False),
        ("core/ReplaceBinaryOperator_BitOr_BitAnd", "def f(x: Tensor | None) -> Tensor:", False),
        ("core/ReplaceBinaryOperator_BitOr_BitAnd", "    mask = near | far", True),
        ("core/ReplaceBinaryOperator_Mul_Div", "def f(a: int, *, b: int) -> int:", False),
        ("core/AddNot", "if a:", True),
    ],
)
def test_a_mutant_is_one_that_somebody_could_have_typed(operator: str, line: str, yes: bool) -> None:
    assert wanted(operator, line) is yes


def session(path: Path) -> Path:
    """A session of cosmic-ray with three mutants, two of them tried."""
    with sqlite3.connect(path) as made:
        made.execute("create table work_items (job_id text)")
        made.execute("create table work_results (job_id text, test_outcome text, diff text)")
        made.execute("create table mutation_specs (job_id text, operator_name text, occurrence int, start_pos_row int)")
        for job, operator, row in (("a", "core/AddNot", 1), ("b", "core/AddNot", 3), ("c", "core/NumberReplacer", 3)):
            made.execute("insert into work_items values (?)", (job,))
            made.execute("insert into mutation_specs values (?, ?, ?, ?)", (job, operator, 1, row))
        made.execute("insert into work_results values ('a', 'TestOutcome.KILLED', '')")
        diff = "--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-if a:\n+if not a:\n"
        made.execute("insert into work_results values ('b', 'TestOutcome.SURVIVED', ?)", (diff,))
    return path


def test_what_was_tried_is_counted_and_survivors_are_shown(tmp_path: Path) -> None:
    path = session(tmp_path / "x.sqlite")
    assert counts(path) == {"mutants": 2, "killed": 1, "survived": 1}
    assert survivors(path) == ["-if a:\n+if not a:"]


def test_lines_before_the_start_and_second_changes_of_a_number_are_left_out(tmp_path: Path) -> None:
    assert thin_out(session(tmp_path / "x.sqlite"), ["if a:", "", "if b > 1:"], start=2) == 1
