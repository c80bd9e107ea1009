"""FCOS by this package's recipe, and ultralytics' smallest model, on the same images for the same processor seconds.

    python -m scripts.compare_yolo ours --record yolo_bccd.json --folder BCCD
    python -m scripts.compare_yolo trials --peer ENVIRONMENT/bin/yolo --record yolo_bccd.json --folder BCCD
    python -m scripts.compare_yolo best --peer ENVIRONMENT/bin/yolo --record yolo_bccd.json --folder BCCD

Both start from random weights, see images of the same size and compute with one thread; what they find is scored by
the same code. First our runs, one for each seed; their mean processor time is the peer's. Then the peer with each of
``SETTINGS`` once. Then the best of these with all seeds. The record is written after each run, and a run that stands
in it is not trained again: two of these may share a record, side by side, with settings of their own (``--only``).

ultralytics is under the AGPL: it stays in an environment of its own (``pip install ultralytics``), and only its command
line is used.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from fcos_edu import cli
from fcos_edu.atomic import write_json
from fcos_edu.records import commit, hardware, versions

SIDE = 320  # of the longer side of an image, in pixels, on both sides of the comparison
#: What is tried of the peer: its own defaults first, then what suits a short training from nothing on few images.
SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "YOLO11n": {"model": "yolo11n.yaml"},
    "AdamW": {"optimizer": "AdamW", "lr0": 0.002, "cos_lr": True},
    "AdamW, batch 8": {"optimizer": "AdamW", "lr0": 0.002, "cos_lr": True, "batch": 8},
    "AdamW, no mosaic": {"optimizer": "AdamW", "lr0": 0.002, "cos_lr": True, "mosaic": 0.0},
    "AdamW, no mosaic, batch 8": {"optimizer": "AdamW", "lr0": 0.002, "cos_lr": True, "mosaic": 0.0, "batch": 8},
    "AdamW, no mosaic, batch 8, flips": {
        "optimizer": "AdamW", "lr0": 0.002, "cos_lr": True, "mosaic": 0.0, "batch": 8, "flipud": 0.5, "scale": 0.25,
    },
    "AdamW at 0.004, no mosaic, batch 8, flips": {
        "optimizer": "AdamW", "lr0": 0.004, "cos_lr": True, "mosaic": 0.0, "batch": 8, "flipud": 0.5, "scale": 0.25,
    },
}  # fmt: skip
#: The peer ends its training by the clock. So that it has as much as we had, whatever else the machine does, its clock
#: is its own processor time: Python runs this file before any other.
CLOCK = """import time

_began, _used = time.time(), time.process_time()
time.time = lambda: _began + time.process_time() - _used
"""
FIGURES = ("AP", "AP50", "AP75", "APS", "APM", "APL")


def environment(**more: str) -> dict[str, str]:
    """One thread, whoever computes."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **more}


def timed(command: Sequence[str], log: Path, **variables: str) -> tuple[float, float]:
    """Run a command to its end, and tell what it took: processor seconds and seconds.

    Args:
        command: its words.
        log: what it prints goes to the end of this file.
        variables: of its environment, beside those of one thread.

    Raises:
        RuntimeError: it failed; with the end of what it printed.
    """
    before = time.perf_counter()
    with log.open("ab") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=environment(**variables))
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{log.read_text('utf-8')[-2000:]}")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - before


def score(found: Path, data: str, place: Path) -> dict[str, float]:
    """COCO AP of detections on the test split."""
    figures = place / "figures.json"
    words = ["evaluate", "--detections", str(found), "--data", data, "--split", "test", "--out", str(figures)]
    if cli.main(words):
        raise RuntimeError(f"{found} could not be scored")
    measured = json.loads(figures.read_text("utf-8"))
    return {name: measured[name] for name in FIGURES}


def ours(recipe: str, data: str, seed: int, place: Path, more: Sequence[str]) -> dict[str, Any]:
    """One run of this package's recipe on the data, its detections scored as the peer's are; the run is place/run."""
    program = [sys.executable, "-m", "fcos_edu.cli"]
    run, log = place / "run", place / "log"
    _, wall = timed(
        [*program, "train", "--recipe", recipe, "--data", data, "--seed", str(seed), "--measure-every", "0",
         "--device", "cpu", "--out", str(run), *(word for change in more for word in ("--set", change))], log,
    )  # fmt: skip
    measured = json.loads((run / "metrics.json").read_text("utf-8"))
    return {
        # of the training alone, without what it takes to start and to measure: that is what the peer is given
        "cpu_seconds": measured["cpu_seconds"],
        "seconds": round(wall, 1),
        "steps": measured["iterations"],
        **{name: measured[name] for name in FIGURES},
    }


def peer(
    program: str, settings: Mapping[str, Any], data: str, seed: int, seconds: float, place: Path
) -> dict[str, Any]:
    """One run of ultralytics for so many seconds of one core, and what it finds in the test images, scored by us."""
    folder = place / "yolo"
    if cli.main(["data", "convert", data, str(folder), "--to", "yolo"]):
        raise RuntimeError(f"{data} could not be converted")
    names = _names(folder)
    splits = place / "data.yaml"  # JSON is YAML too
    both = [str(folder / "images" / "train"), str(folder / "images" / "val")]
    splits.write_text(json.dumps({"train": both, "val": both[1], "names": names}), encoding="utf-8")
    told = {
        "model": "yolo26n.yaml", "batch": 16, "pretrained": False, **settings,
        "data": splits, "imgsz": SIDE, "time": seconds / 3600, "epochs": 1000, "device": "cpu", "workers": 0,
        "seed": seed, "val": False, "plots": False, "project": place, "name": "run", "exist_ok": True,
    }  # fmt: skip
    log = place / "log"
    clock = place / "clock"
    clock.mkdir()
    (clock / "sitecustomize.py").write_text(CLOCK, encoding="utf-8")
    cpu, wall = timed([program, "detect", "train", *_words(told)], log, PYTHONPATH=str(clock))
    weights = place / "run" / "weights" / "last.pt"
    found = {
        "model": weights, "source": folder / "images" / "test", "imgsz": SIDE, "conf": 0.001, "max_det": 100,
        "save_txt": True, "save_conf": True, "save": False, "device": "cpu", "project": place, "name": "found",
        "exist_ok": True,
    }  # fmt: skip
    timed([program, "detect", "predict", *_words(found)], log)
    results = place / "found.json"
    results.write_text(
        json.dumps(read_found(place / "found" / "labels", sorted((folder / "images" / "test").iterdir()), names)),
        encoding="utf-8",
    )
    told = subprocess.run([program, "version"], capture_output=True, text=True, check=True)
    epochs = sum(1 for line in (place / "run" / "results.csv").read_text("utf-8").splitlines() if line.strip()) - 1
    return {
        "cpu_seconds": round(cpu, 1),
        "seconds": round(wall, 1),
        "epochs": epochs,
        "version": told.stdout.split()[-1],
        **score(results, data, place),
    }


def _words(settings: Mapping[str, Any]) -> list[str]:
    return [f"{name}={value}" for name, value in settings.items()]


def _names(folder: Path) -> list[str]:
    """Class names of a data set in YOLO's format, as written by this package."""
    import yaml

    names = yaml.safe_load((folder / "data.yaml").read_text("utf-8"))["names"]
    return [names[index] for index in sorted(names)] if isinstance(names, dict) else list(names)


def read_found(labels: Path, images: Sequence[Path], names: Sequence[str]) -> dict[str, Any]:
    """Detections as ``save_txt`` and ``save_conf`` write them, as a document of COCO's results.

    Args:
        labels: the folder of text files: class, centre, width and height as shares of the image, confidence. An image
            without a detection has none.
        images: all images that were looked at.
        names: of the classes, in their order.

    Raises:
        ValueError: a line has other than six numbers, or there is a file of an image that was not looked at.
    """
    unknown = {file.stem for file in labels.glob("*.txt")} - {image.stem for image in images}
    if unknown:
        raise ValueError(f"{labels} has {sorted(unknown)[0]}.txt, but there is no such image")
    found: list[dict[str, Any]] = []
    for number, image in enumerate(images):
        file = labels / f"{image.stem}.txt"
        with Image.open(image) as picture:
            width, height = picture.size
        for line in file.read_text("utf-8").splitlines() if file.is_file() else []:
            try:
                index, x, y, w, h, confidence = map(float, line.split())
            except ValueError:
                raise ValueError(f"{file}: six numbers belong in a line, not {line!r}") from None
            box = [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]
            found.append({"image_id": number, "category_id": int(index), "bbox": box, "score": confidence})
    return {
        "images": [{"id": number, "file_name": image.name} for number, image in enumerate(images)],
        "categories": [{"id": index, "name": name} for index, name in enumerate(names)],
        "annotations": found,
    }


def recorded(path: Path) -> list[dict[str, Any]]:
    """The runs that stand in a record; none where there is no record."""
    return json.loads(path.read_text("utf-8"))["runs"] if path.is_file() else []


def entry(data: str, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The record of these runs: each of them, and the means over the seeds of either side's settings."""
    of: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        of.setdefault(f"{run['side']}: {run['settings']}", []).append(run)

    def mean(same: Sequence[Mapping[str, Any]], key: str) -> float | None:
        values = [run[key] for run in same]
        return None if None in values else round(statistics.mean(values), 4)  # None: no box of that size

    return {
        "what": f"FCOS by the recipe {data} and ultralytics' smallest model, from random weights, images of {SIDE} "
                "pixels, the same processor seconds, scored by the same code",
        "command": "python -m scripts.compare_yolo ours, then trials, then best",
        "metrics": {
            name: {"seeds": len(same)} | {key: mean(same, key) for key in (*FIGURES, "cpu_seconds")}
            for name, same in of.items()
        },
        "data": data, "settings": SETTINGS, "hardware": hardware(), "versions": versions(),
        "date": datetime.date.today().isoformat(), "runs": list(runs),
    }  # fmt: skip


def due(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace, runs: Sequence[Mapping[str, Any]]
) -> list[tuple[str, str, int]]:
    """What the part that was asked for consists of: side, settings and seed; what a record has is in it too."""
    if arguments.part == "ours":
        return [("ours", "recipe", seed) for seed in arguments.seeds]
    if not arguments.peer:
        parser.error("the peer's runs need --peer, ultralytics' yolo")
    if arguments.seconds is None and not any(run["side"] == "ours" for run in runs):
        parser.error("the peer is trained as long as ours: train ours first, or name --seconds")
    names, seeds = arguments.only or list(SETTINGS), arguments.seeds[:1]
    if arguments.part == "best":
        tried = [run for run in runs if run["side"] == "peer" and run["seed"] == seeds[0]]
        if not tried:
            parser.error("there is no best before there are trials")
        names, seeds = [max(tried, key=lambda run: run["AP"])["settings"]], arguments.seeds
    return [("peer", name, seed) for name in names for seed in seeds]


def main(argv: Sequence[str] | None = None) -> int:
    """Train what the record lacks; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["ours", "trials", "best"])
    parser.add_argument("--record", type=Path, required=True, help="the figures so far, and from now on")
    parser.add_argument("--data", default="bccd", help="a data set with a recipe of that name")
    parser.add_argument("--folder", help="of the data, read by both as a reader's own (default: by name)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep our runs there, as SEED/run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--peer", metavar="PROGRAM", help="ultralytics' yolo, in an environment of its own")
    parser.add_argument(
        "--only", nargs="+", choices=list(SETTINGS), metavar="NAME", help="trials: these settings alone"
    )
    parser.add_argument("--seconds", type=float, help="of the peer's training (default: the mean of our runs)")
    parser.add_argument(
        "--set",
        dest="more",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="as for fcos-edu train, of our runs",
    )
    arguments = parser.parse_args(argv)
    path: Path = arguments.record
    folder: str = arguments.folder or arguments.data
    runs = recorded(path)
    todo = due(parser, arguments, runs)
    for side, name, seed in todo:
        if any((run["side"], run["settings"], run["seed"]) == (side, name, seed) for run in recorded(path)):
            continue
        print(f"{side}, {name}, seed {seed}", flush=True)
        with tempfile.TemporaryDirectory() as place:
            if side == "ours":
                kept = Path(place) if arguments.keep is None else arguments.keep / str(seed)
                kept.mkdir(parents=True, exist_ok=True)
                figures = ours(arguments.data, folder, seed, kept, arguments.more)
            else:
                took = [run["cpu_seconds"] for run in runs if run["side"] == "ours"]
                seconds = arguments.seconds or statistics.mean(took)
                figures = peer(arguments.peer, SETTINGS[name], folder, seed, seconds, Path(place))
        done = {"side": side, "settings": name, "seed": seed, **figures, "commit": commit()}
        write_json(path, entry(arguments.data, [*recorded(path), done]))  # another one may have written meanwhile
        print(json.dumps(figures), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
