"""Every option that writes a file writes it as a whole, through ``atomic_write``; the parsers tell which there are.

What that means for full disks, devices, pipes and links is tested in tests/test_atomic.py, once for all.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fcos_edu import data, weights
from fcos_edu.cli import export
from fcos_edu.cli.options import Output, check_outputs, located, place
from fcos_edu.course import grading, judge
from fcos_edu.experiments import bench as benches
from fcos_edu.experiments import seeds
from fcos_edu.ownership import LIST
from fcos_edu.training import loop
from tests.cli.calls import leaves, run

# Commands with an output, and what they are called with: D the detector, S the folder of a data set, F detections.
CALLS = {
    "train": "train --data S --set iterations=1",
    "evaluate": "evaluate D --data S",
    "detect": "detect D S/images --recursive",
    "export": "export D --time 1",
    "tables recall": "tables recall --annotations S/test.json --no-anchors --levels 4",
    "tables ambiguity": "tables ambiguity --annotations S/test.json --levels 4 --radii 1.5",
    "tables detections": "tables detections D --data S",
    "tables centerness": "tables centerness D --data S",
    "tables score-iou": "tables score-iou D --data S",
    "tables agnostic": "tables agnostic F --detections --data S",
    "tables proposals": "tables proposals F --detections --data S",
    "study": "study score-iou --data S --seeds 0 --jobs 1",
    "data show": "data show S --split test --most 1",
    "data check": "data check S",
    "data convert": "data convert S --to coco",
    "data export": "data export shapes --images 1 --split test",
    "bench": "bench --part training",
    "course grade": "course grade G --seed x",
}
# Folders with a life of their own, whose files have tests where they are written.
RUNS = {
    ("train", "out"): "tests/training/test_runs.py",
    ("study", "out"): "tests/training/test_runs.py",
    ("data convert", "target"): "tests/cli/test_data.py",  # a new folder, which is renamed as a whole
}


def outputs(command: str) -> list[argparse.Action]:
    return [action for action in leaves()[command]._actions if isinstance(action.type, Output)]


def test_every_path_is_read_or_written_and_every_output_is_tried() -> None:
    """A new option with a plain Path says neither: it needs ``located``, ``OUT_FILE`` or ``OUT_FOLDER``."""
    for parser in leaves().values():
        for action in parser._actions:
            assert action.type is not Path, f"{parser.prog} {action.dest}"
            named = {"FILE", "FOLDER", "JSON", "PNG", "CSV"} & {str(action.metavar)}
            assert not named or action.type in (located, place) or isinstance(action.type, Output), action.dest
    assert {command for command in leaves() if outputs(command)} == set(CALLS)


class Watch:
    """What this process does to files, as Python's audit events tell."""

    def __init__(self) -> None:
        self.on, self.opened, self.renamed = False, list[str](), dict[str, str]()
        sys.addaudithook(self.hook)

    def hook(self, event: str, given: tuple) -> None:
        if not self.on:
            return
        if event == "open" and isinstance(given[0], str | os.PathLike) and isinstance(given[2], int):
            if given[2] & (os.O_WRONLY | os.O_RDWR):
                self.opened.append(os.path.abspath(os.fspath(given[0])))
        elif event == "os.rename":
            self.renamed[os.path.abspath(given[1])] = os.path.abspath(given[0])


WATCH = Watch()  # a hook cannot be taken off again


@contextlib.contextmanager
def watched() -> Iterator[Watch]:
    WATCH.on, WATCH.opened, WATCH.renamed = True, [], {}
    try:
        yield WATCH
    finally:
        WATCH.on = False


@pytest.fixture
def things(tmp_path: Path, checkpoint: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the calls name; what would take long is done by others, as its own tests have it."""
    shapes = tmp_path / "shapes"
    for split in ("train", "val", "test"):
        data.ShapesDataset(num_images=2, split=split, size=(128, 128)).export_coco(shapes)
    truth = json.loads((shapes / "test.json").read_text())
    found = [{**{k: a[k] for k in ("image_id", "category_id", "bbox")}, "score": 0.9} for a in truth["annotations"]]
    (tmp_path / "found.json").write_text(json.dumps(found))
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "doe_1_lab.py").write_text("x = 1\n")

    def train(config, folder, **options):
        (folder := Path(folder)).mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(Path(checkpoint).read_bytes())
        return {"seconds": 1.0, "iterations": 1, "AP": 0.5}

    def grade(todo, workers, questions, seed, grades, *more):
        one, verdicts = todo.get_nowait(), [judge.Verdict(question.name, 1, 1) for question in questions]
        grades[one.key] = grading.Grade("doe", "1", verdicts, [], one.digest())
        return ""

    def carry_out(task):
        figures = {name: {"AP": 0.5, "points": 2, "under": 1, "share": 0.5} for name in ("with", "without")}
        kept = {row.measurement: {row.part: figures["with"]} | figures for row in seeds.measurements(task.variant)}
        for row in (row for study in seeds.STUDIES.values() for row in study.rows.values()):
            if row.variant == task.variant:
                kept[row.measurement][row.part] = figures["with"]
        return {"figures": kept, "curve": {"1": 0.5}, "seconds": 1.0, "cpu_seconds": 1.0, "measuring_cpu_seconds": 1.0}

    monkeypatch.setattr(loop, "train", train)
    monkeypatch.setattr(grading, "_in_parallel", grade)
    monkeypatch.setattr(seeds, "carry_out", carry_out)
    times = {"input": "nothing", "threads": 1, "exported_ms": 1.0, "model_ms": 1.0, "ratio": 1.0}
    monkeypatch.setattr(export, "_export", lambda *_: (b"a graph", None))
    monkeypatch.setattr(export, "_told", lambda agreement: "")
    monkeypatch.setattr("fcos_edu.export.speed.timed", lambda *_: times)
    monkeypatch.setattr(benches, "bench", lambda *_, **__: {"training": {"input": "nothing"}})
    monkeypatch.setattr(benches, "bench_table", lambda results: "a table")
    assert weights.load(checkpoint)
    return {"D": checkpoint, "S": str(shapes), "F": str(tmp_path / "found.json"), "G": str(tmp_path / "class")}


@pytest.mark.parametrize("command", CALLS)
def test_what_is_written_takes_its_place_as_a_whole(
    command: str, things: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No output is opened for writing where it will lie: each comes by a rename, with the mode of new files."""
    monkeypatch.chdir(tmp_path)
    words = [re.sub("^[DSFG](?=/|$)", lambda found: things[found[0]], word) for word in CALLS[command].split()]
    ending = {"report": ".html", "out": ".html" * (command == "data show")}
    targets = {one.dest: tmp_path / "out" / f"{one.dest}{ending.get(one.dest, '')}" for one in outputs(command)}
    assert targets
    for action in outputs(command):
        words += [*action.option_strings[:1], str(targets[action.dest])]
    before = os.umask(0o027)
    try:
        with watched() as seen:
            assert run(*words) == 0
    finally:
        os.umask(before)
    for dest, target in targets.items():
        if (command, dest) in RUNS:
            continue
        assert target.exists(), dest
        files = [file for file in target.rglob("*") if file.is_file() and file.name != LIST]
        files = files if target.is_dir() else [target]
        assert files and target.is_dir() == next(a.type.folder for a in outputs(command) if a.dest == dest)
        for file in map(os.path.abspath, files):
            assert file not in seen.opened, f"{dest} is written where it lies"
            source = Path(seen.renamed[file])
            assert source.name.endswith(".part") and source.parent == Path(file).parent and not source.exists()
            assert stat.S_IMODE(os.stat(file).st_mode) == 0o640 and os.stat(file).st_size


def words_until(parser: argparse.ArgumentParser, action: argparse.Action) -> list[str]:
    """What has to stand before the value of an argument."""
    if action.option_strings:
        return [action.option_strings[0]]
    before = parser._get_positional_actions()
    return [str(next(iter(one.choices or ["x"]))) for one in before[: before.index(action)]]


def test_links_in_a_circle_are_named_by_every_path_of_every_command(tmp_path: Path, capsys) -> None:
    """Elsewhere they are a file that is not there; to write it would fail after hours."""
    (tmp_path / "circle").symlink_to("circle")
    tried = 0
    for command, parser in leaves().items():
        for action in parser._actions:
            if action.type in (located, place) or isinstance(action.type, Output):
                for value in (tmp_path / "circle", tmp_path / "circle" / "a.json"):
                    with pytest.raises(SystemExit):
                        run(*command.split(), *words_until(parser, action), value)
                    told = capsys.readouterr().err.splitlines()[-1]
                    assert told.endswith(f"{value}: its links lead in a circle"), told
                    tried += 1
    assert tried > 60


# Outputs whose command asks itself whose file it is, before it does anything, and the tests of that.
ASKED = {
    ("export", "out"): "tests/cli/test_export.py",
    ("evaluate", "report"): "tests/cli/test_evaluate.py",
    ("study", "record"): "tests/experiments/test_logbook.py",
    ("data show", "out"): "tests/cli/test_data.py",
    ("course grade", "out"): "tests/course/test_grading.py",
}


def test_files_of_the_users_are_never_replaced_whatever_option_names_them(tmp_path: Path) -> None:
    theirs, link = tmp_path / "theirs", tmp_path / "link"
    link.symlink_to(theirs)
    asked = set()
    for command, parser in leaves().items():
        for action in outputs(command):
            if action.type.folder:
                continue
            if action.type.asked:
                asked.add((command, action.dest))
                continue
            for content in (b"years of work", b'{"AP": 1}', b"\x89PNG\r\n\x1a\n and more", b"a,b\n1,2\n"):
                theirs.write_bytes(content)
                for path in (theirs, link):
                    arguments = argparse.Namespace(parser=parser, **{action.dest: path})
                    with pytest.raises(
                        FileExistsError, match=f"^{action.option_strings[0]} {path} is there and not of"
                    ):
                        check_outputs(arguments)
            theirs.write_bytes(b"")  # of mktemp
            check_outputs(argparse.Namespace(parser=parser, **{action.dest: theirs}))
            for path in ("/dev/null", "/dev/stdout"):
                check_outputs(argparse.Namespace(parser=parser, **{action.dest: Path(path)}))
    assert asked == set(ASKED)


def test_what_cannot_be_written_is_told_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parser = leaves()["evaluate"]
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match=f"^--out {tmp_path}/a/b.json cannot be written: {tmp_path} may not be"):
        check_outputs(argparse.Namespace(parser=parser, out=tmp_path / "a" / "b.json"))
