"""The report: its figures come from records, and what is missing says its command."""

from __future__ import annotations

import re
from typing import Any

from fcos_edu.experiments.claims import judged_table
from scripts import ROOT
from scripts.ledger.page import load_results
from scripts.ledger.report import TEXT, report

from .made_up import result, spread

DESIGN: dict[str, Any] = {
    "iterations": 1200, "seeds": 4, "seeds_at_most": 10, "gain": 0.0071, "sd": 0.0123, "sd_of_a_difference": 0.0174,
    "pilot": {"seeds": [0, 1, 2, 3]},
    "curve": {"900": {"mean": 0.402}, "1200": {"mean": 0.4091}},
    "smallest_effect": {"4": {"alone": 0.031, "first of the ladder": 0.062}, "10": {"alone": 0.01}},
    "power": {"C5 against RetinaNet": {"4": 0.071, "10": 0.2}},
}  # fmt: skip


def test_the_committed_page_is_what_the_command_gives_now() -> None:
    assert (ROOT / "book" / "reproduction.md").read_text("utf-8") == report(load_results(ROOT)), "run: make ledger"


def test_no_figure_is_typed_into_its_words() -> None:
    """Numbers of the paper's parts, of the confidence and of an IoU; nothing that could have been measured."""
    said = set(re.findall(r"(?<![\w.])\d+\.\d+", TEXT))
    assert said <= {"0.9", "0.5", "1904.01355"}, said


def test_without_records_everything_says_its_command() -> None:
    text = report({})
    assert "So far, reproduced: 0; not told apart: 0; contradicted: 0; open" in text
    assert "not designed yet; the command is `fcos-edu study design --data bccd" in text
    for name in ("ladder", "parts", "centerness", "retinanet", "proposals", "score-iou"):
        assert f"`fcos-edu study {name} --data bccd --record fcos_edu/results/ladder_bccd.json`" in text


def test_a_design_is_told() -> None:
    record = result({}, config={"iterations": 1200}, command="fcos-edu study design", design=DESIGN, runs={}) | {
        "comparisons": {}, "cpu_hours": 2.0,
    }  # fmt: skip
    text = report({"ladder_bccd": record})
    assert "1200 steps, 4 seeds of each row and at most 10" in text and "ends at 40.9 AP" in text
    assert "its last quarter gains 0.7 (from 40.2)" in text and "scatter by 1.23 AP" in text
    assert "a difference of 3.1 AP would be found" in text and "one of 6.2 as the first" in text
    assert "C5 against RetinaNet 0.07." in text
    assert "| ladder_bccd | 2 h | `fcos-edu study design` |" in text


def test_claims_are_listed_by_their_words_and_costs_added() -> None:
    table = {"none": {"AP": spread(0.50, 0.01)}, "branch": {"AP": {"values": [0.56, 0.55, 0.57]}}}
    metrics = table | {"cpu_seconds": {"fcos": 1200.0, "fcos-no-branch": 1200.0}}
    assert judged_table("centerness", table)[0]["word"] == "reproduced"
    text = report({"centerness_bccd": result(metrics, data="bccd")})
    assert (
        "- **reproduced** on BCCD: branch against none: +6.00 [" in text
        and "the paper +3.6 (37.1 against 33.5)" in text
    )
    assert "| centerness_bccd | 2 h | `fcos-edu made up` |" in text, "three seeds of two variants"
    assert "All records together took 2 h of one core" in text
