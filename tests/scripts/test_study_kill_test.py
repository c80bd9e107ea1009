"""A study that is killed: what is compared, and what another machine gets of the life before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import ROOT
from scripts.study_kill_test import DATA, RECORD, above_zero, compared, finished_runs, machine, main, unequal


def test_times_dates_and_hardware_are_not_compared_and_all_else_is() -> None:
    one = {"date": "a", "cpu_hours": 1, "runs": {"x": {"seconds": 1.0, "figures": {"AP": 0.5}, "curve": [1, 2]}}}
    other = {"date": "b", "cpu_hours": 2, "runs": {"x": {"seconds": 9.0, "figures": {"AP": 0.5}, "curve": [1, 2]}}}
    assert not unequal(compared(one), compared(other))
    other["runs"]["x"]["figures"]["AP"] = 0.6  # type: ignore[index]
    other["runs"]["y"] = {}  # type: ignore[index]
    one["runs"]["x"]["curve"] = [1, 3]  # type: ignore[index]
    assert unequal(compared(one), compared(other)) == [
        "runs > x > figures > AP: 0.5 and 0.6",
        "runs > x > curve > 1: 3 and 2",
        "runs > y: None and {}",
    ]
    assert unequal([1], [1, 2]) == [": [1] and [1, 2]"]
    assert above_zero({"coco": {"": {"AP": 0.1, "AP50": 0.0, "APS": None}}, "fig_7": {"with": {"share": 1}}}) == 2


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a clone needs a repository")
def test_another_machine_has_code_and_data_and_of_the_life_before_the_record_alone(tmp_path: Path) -> None:
    shapes, before = tmp_path / "shapes", tmp_path / "before"
    for folder in (shapes, before / "runs"):
        folder.mkdir(parents=True)
    (shapes / "train.json").write_text("{}")
    (before / "runs" / "weights").write_text("lost")
    here = machine(tmp_path / "first", shapes, before)
    assert finished_runs(here / RECORD) == 0, "killed before its first run"
    (before / RECORD).write_text(json.dumps({"runs": {"a": {}}}))
    here = machine(tmp_path / "second", shapes, before)
    assert {path.name for path in here.iterdir()} == {"code", DATA, RECORD} and finished_runs(here / RECORD) == 1
    assert (here / "code" / "fcos_edu" / "cli" / "study.py").is_file() and (here / DATA / "train.json").is_file()


@pytest.mark.weekly
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a clone needs a repository")
def test_killed_it_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    main(["--kills", "2", "--seeds", "1", "--iterations", "2", "--record", str(tmp_path / "told.json")])
    ended = json.loads((tmp_path / "told.json").read_text("utf-8"))["metrics"]
    assert ended["same record"] and ended["runs"] == 8
