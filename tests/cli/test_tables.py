"""The command ``tables``: its errors and its help."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.calls import run as run_command
from tests.data.test_boxes import write_coco


def run(*words: object) -> int:
    return run_command("tables", *words)


def test_every_error_is_one_line_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = write_coco(tmp_path / "empty.json", [(9, 9)], [])
    for words, told in (
        (("recall", "--annotations", tmp_path / "gone.json"), "there is no annotation file"),
        (("ambiguity", "--annotations", empty), "has no boxes to count"),
        (("agnostic", tmp_path / "gone.json", "--detections"), "there is no file of detections"),
        (("detections", tmp_path / "gone.safetensors"), "no checkpoint"),
    ):
        assert run(*words) == 1
        printed = capsys.readouterr()
        assert printed.err.startswith("fcos-edu: error: ") and told in printed.err
        assert printed.err.count("\n") == 1 and not printed.out


TABLES = ("recall", "ambiguity", "detections", "centerness", "score-iou", "agnostic", "proposals")


@pytest.mark.parametrize("words", [(), *((table,) for table in TABLES)])
def test_help(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run(*words, "--help")
    assert stop.value.code == 0
    out = capsys.readouterr().out
    if words:
        assert "--record" in out and "example" in out and "default" in out
    else:
        for table in TABLES:  # each with its summary in the same line
            assert re.search(rf"^ +{table} +\w", out, re.MULTILINE), table


def test_a_call_without_annotations_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run("recall")
    assert stop.value.code == 2 and "--annotations" in capsys.readouterr().err
