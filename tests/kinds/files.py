"""Paths that a command is given: links in a circle, nothing at all, and files of the user's in the place of outputs."""

from __future__ import annotations

import contextlib
import io
import json
import os
from pathlib import Path

from PIL import Image

from fcos_edu.cli.parser import main
from fcos_edu.data import load
from fcos_edu.experiments.logbook import Logbook
from fcos_edu.experiments.seeds import outcome_of
from fcos_edu.experiments.studies import PAPER
from fcos_edu.ownership import OwnFiles
from fcos_edu.training.recipes import RECIPES
from fcos_edu.training.runs import Run

from . import Refusal, refused, right

CATEGORY, IMAGE = {"id": 1, "name": "nut"}, {"id": 1, "file_name": "a.png", "width": 40, "height": 30}
BOX = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [15, 9, 10, 12]}
TRUTH = {"images": [IMAGE], "categories": [CATEGORY], "annotations": [BOX]}


def score(folder: Path, *words: str, found: str | bytes = "") -> int:
    """``evaluate`` of one detection, in the folder."""
    (folder / "truth.json").write_text(json.dumps(TRUTH))
    text = found or json.dumps([{**BOX, "score": 0.9}])
    (folder / "found.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    return said("evaluate", "--detections", f"{folder}/found.json", "--data", f"{folder}/truth.json", *words)


def said(*words: str) -> int:
    """0; of a command that ends otherwise, what it said."""
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(list(words))
        except SystemExit as stop:
            code = stop.code
    if code:
        raise Refusal(told.getvalue().splitlines()[-1].rpartition("error: ")[2])
    return 0


def circle(folder: Path) -> str:
    (folder / "circle").symlink_to("circle")
    return str(folder / "circle")


@refused("Commands", "links in a circle where a folder is read", "argument name: circle: its links lead in a circle")
def _(folder: Path) -> None:
    said("data", "info", circle(folder))


@refused("Commands", "links in a circle behind a format", "argument name: circle: its links lead in a circle")
def _(folder: Path) -> None:
    said("data", "info", f"yolo:{circle(folder)}")


@refused(
    "Commands", "links in a circle where something is written", "argument --out: circle/a: its links lead in a circle"
)
def _(folder: Path) -> None:
    score(folder, "--out", f"{circle(folder)}/a")


@refused("Commands", "links in a circle in Python", "circle: its links lead in a circle")
def _(folder: Path) -> None:
    load(circle(folder))


@refused(
    "Commands",
    "an empty word for a folder, as of a variable that is not set",
    "argument --data: it is empty; give a path (the current folder is .)",
)
def _(folder: Path) -> None:
    said("train", "--data", "", "--print")


@refused(
    "Commands",
    "a plus sign with nothing behind it",
    "argument name: it is empty; give a path (the current folder is .)",
)
def _(folder: Path) -> None:
    said("data", "info", "shapes+")


@right("Commands", "a folder with a plus sign in its name", "read as one folder")
def _(folder: Path) -> None:
    place = folder / "a+b"
    place.mkdir()
    (place / "truth.json").write_text(json.dumps(TRUTH))
    Image.new("RGB", (40, 30)).save(place / "a.png")
    assert said("data", "info", str(place)) == 0


@right("Commands", "an output that the same command wrote before", "replaced")
def _(folder: Path) -> None:
    for _ in range(2):
        assert score(folder, "--out", f"{folder}/ap.json", "--report", f"{folder}/ap.html") == 0
    assert abs(json.loads((folder / "ap.json").read_text())["AP"] - 1) < 1e-6


@refused(
    "Commands",
    "a file of the user's in the place of an output",
    "--out mine.json is there and not of fcos-edu: it is not replaced. Give another name",
)
def _(folder: Path) -> None:
    (folder / "mine.json").write_text('{"years": "of work"}')
    score(folder, "--out", f"{folder}/mine.json")


@refused(
    "Commands",
    "an output that is one of the inputs",
    "--out found.json is a file that the command reads: give another name",
)
def _(folder: Path) -> None:
    score(folder, "--out", f"{folder}/found.json")


@refused(
    "Commands",
    "two outputs of one name",
    "--out and --report are both a: what is written first would be lost",
)
def _(folder: Path) -> None:
    score(folder, "--out", f"{folder}/a", "--report", f"{folder}/a")


@refused("Commands", "a folder in the place of an output", "--out FOLDER is a folder: give a file")
def _(folder: Path) -> None:
    score(folder, "--out", str(folder))


@refused("Commands", "an output below a file", "--out truth.json/a cannot be written: truth.json is a file")
def _(folder: Path) -> None:
    score(folder, "--out", f"{folder}/truth.json/a")


@right("Detections", "a file in UTF-16, as Windows writes it", "read")
def _(folder: Path) -> None:
    score(folder, "--out", f"{folder}/ap.json", found=json.dumps([{**BOX, "score": 0.9}]).encode("utf-16"))
    assert abs(json.loads((folder / "ap.json").read_text())["AP"] - 1) < 1e-6


@refused("Detections", "a number of five thousand digits", "found.json cannot be read: …")
def _(folder: Path) -> None:
    score(folder, found=f'[{{"image_id": {"1" * 5000}}}]')


@refused("Detections", "a pipe named like a file", "pipe cannot be read: pipe is no regular file.")
def _(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "truth.json").write_text(json.dumps(TRUTH))
    said("evaluate", "--detections", f"{folder}/pipe", "--data", f"{folder}/truth.json")


def pipe(folder: Path, name: str) -> Path:
    """A pipe that nobody writes into: who reads it waits for ever."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(folder / name)
    return folder / name


@refused(
    "Runs",
    "a pipe for config.json",
    "run/config.json is damaged, or no configuration of a run (run/config.json is no regular file.)",
)
def _(folder: Path) -> None:
    Run(pipe(folder, "run/config.json").parent).read_config()


@refused("Runs", "a pipe for log.jsonl", "run/log.jsonl is no regular file.")
def _(folder: Path) -> None:
    Run(pipe(folder, "run/log.jsonl").parent).logged()


@refused("Runs", "a pipe for measured.json", "run/measured.json is damaged, or holds no measurements of a run (…)")
def _(folder: Path) -> None:
    Run(pipe(folder, "run/measured.json").parent).measurements()


@refused("Runs", "a pipe for done.json of a study", "run/done.json is damaged, or another program's (…): …")
def _(folder: Path) -> None:
    outcome_of(pipe(folder, "run/done.json").parent)


@refused("Runs", "a pipe for the record of a study", "a.json is damaged, or no record of a study (…): …")
def _(folder: Path) -> None:
    Logbook(pipe(folder, "a.json"), RECIPES["shapes"].config.replace(**PAPER), "boxes")


@refused("Commands", "a pipe for the list of our files in an output folder", "out/.fcos-edu.jsonl is no regular file.")
def _(folder: Path) -> None:
    OwnFiles(pipe(folder, "out/.fcos-edu.jsonl").parent)


def empty(folder: Path) -> str:
    """A folder whose only picture has no box."""
    (folder / "mine").mkdir()
    (folder / "mine" / "train.json").write_text(json.dumps(TRUTH | {"annotations": []}))
    Image.new("RGB", (40, 30)).save(folder / "mine" / "a.png")
    return f"{folder}/mine"


@refused(
    "Commands",
    "data info: a training split without a box",
    "mine (train): the only image has no usable box (the annotations hold no box at all). Check the "
    "annotations, or keep images without boxes as background with --keep-empty.",
)
def _(folder: Path) -> None:
    said("data", "info", empty(folder))


@right("Commands", "… with --keep-empty", "counted")
def _(folder: Path) -> None:
    assert said("data", "info", empty(folder), "--keep-empty") == 0


@refused(
    "Commands",
    "data convert: a target inside of the source",
    "mine/new lies inside of mine, and would be read with it: name another",
)
def _(folder: Path) -> None:
    (folder / "mine").mkdir()
    said("data", "convert", f"{folder}/mine", f"{folder}/mine/new", "--to", "coco")


@refused(
    "Commands",
    "train --patience where nothing is measured",
    "--patience is 2, but nothing is measured on the way: set --measure-every and test_split",
)
def _(folder: Path) -> None:
    said("train", "--recipe", "shapes", "--patience", "2", "--measure-every", "0", "--out", f"{folder}/run")


@refused("Commands", "train --set lr=1e999", "lr is inf; it must be at most 1000000.0")
def _(folder: Path) -> None:
    said("train", "--recipe", "shapes", "--set", "lr=1e999", "--print")


@refused("Commands", "train --set workers=100000", "workers is 100000; it must be at most 256")
def _(folder: Path) -> None:
    said("train", "--recipe", "shapes", "--set", "workers=100000", "--print")


@refused("Commands", "train --batch-size 1000000000", "--batch-size is 1000000000; it must be at most 65536")
def _(folder: Path) -> None:
    said("train", "--recipe", "shapes", "--batch-size", "1000000000", "--print")


@refused("Commands", "train --set model.focal_alpha=-5", "model.focal_alpha is -5; it must be at least 0")
def _(folder: Path) -> None:
    said("train", "--recipe", "shapes", "--set", "model.focal_alpha=-5", "--print")


@refused("Commands", "train --set with three thousand brackets", "lr is '[[[…; it must be a number")
def _(folder: Path) -> None:
    said("train", "--recipe", "shapes", "--set", "lr=" + "[" * 3000, "--print")
