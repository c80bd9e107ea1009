"""The comparisons of earlier studies stand in their records, and are those that follow from their tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fcos_edu.experiments.claims import judged_table
from scripts import RESULTS, ROOT
from scripts.judge_records import behind, judged_record, main


def test_the_committed_records_hold_what_follows_from_them() -> None:
    assert not behind(ROOT), "run: python -m scripts.judge_records"
    kept = json.loads((ROOT / RESULTS / "torchvision_bccd.json").read_text("utf-8"))
    assert kept["comparisons"]["torchvision"] == judged_table("torchvision", kept["metrics"])


def test_it_writes_once_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / RESULTS
    folder.mkdir(parents=True)
    table = {"none": {"AP": {"values": [0.4, 0.41]}}, "branch": {"AP": {"values": [0.5, 0.52]}}}
    record = {"what": "Table 4", "metrics": table, "data": "bccd"}
    (folder / "centerness_mine.json").write_text(json.dumps(record))
    (folder / "recall_mine.json").write_text("{}")
    (folder / "ladder_mine.json").write_text('{"metrics": {}, "runs": {}}')  # it lives in its record
    root = ["--root", str(tmp_path)]
    assert main(["--check", *root]) == 1 and json.loads((folder / "centerness_mine.json").read_text()) == record
    assert main(root) == 0 and "centerness_mine.json: written" in capsys.readouterr().out
    made = json.loads((folder / "centerness_mine.json").read_text())
    assert made == judged_record("centerness", record) and list(made) == ["what", "metrics", "comparisons", "data"]
    assert made["comparisons"]["centerness"][0]["difference"] == pytest.approx(0.105)
    assert main(["--check", *root]) == 0 and (folder / "recall_mine.json").read_text() == "{}"
    assert (folder / "ladder_mine.json").read_text() == '{"metrics": {}, "runs": {}}'
