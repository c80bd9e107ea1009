"""Kill ``fcos-edu study ladder`` at random moments, go on elsewhere with its record alone, and compare the end.

    python scripts/study_kill_test.py --kills 5 --record fcos_edu/results/study_kill_test.json

Each life of the killed study has a folder of its own: the code is a fresh ``git clone``, the data are put there
anew, and of the life before nothing is carried over but the record, which may be missing. One life in five is ended
by SIGKILL while it is still starting, the others a random part of a run after a random number of finished runs, so
in the middle of a step, of a measurement or of a write. The whole ladder of Table 3 is trained, a few steps each,
on a few small drawn images. In the end the record must be that of a study which nobody killed: every figure,
comparison and digest; times, dates and hardware aside. On a CPU, one run after the other by default.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from tqdm import tqdm

from fcos_edu import data
from fcos_edu.experiments.studies import STUDIES
from fcos_edu.records import record

ROOT = Path(__file__).resolve().parents[1]
# Of a record: what another machine, or another day, would have otherwise.
ASIDE = ("seconds", "cpu_seconds", "measuring_cpu_seconds", "cpu_hours", "date", "hardware")
DATA, RECORD = "few-shapes", "record.json"
IMAGES = {"train": 12, "val": 4}
SMALL = {
    "batch_size": 2, "warmup_iterations": 0, "precision": "no", "model.min_size": 64, "model.max_size": 64,
    "model.fpn_channels": 16, "model.num_head_convs": 1, "model.score_threshold": 0.001,
}  # fmt: skip


def compared(value: Any) -> Any:
    """A record, or a part of it, without times, dates and hardware."""
    if isinstance(value, dict):
        return {key: compared(one) for key, one in value.items() if key not in ASIDE}
    return [compared(one) for one in value] if isinstance(value, list) else value


def unequal(one: Any, other: Any, where: str = "") -> list[str]:
    """Where two records, or parts of them, differ: each place with both values."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = dict.fromkeys([*one, *other])
        return [fault for n in names for fault in unequal(one.get(n), other.get(n), f"{where} > {n}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [fault for n, pair in enumerate(zip(one, other)) for fault in unequal(*pair, f"{where} > {n}")]
    return [] if one == other else [f"{where.removeprefix(' > ')}: {one!r} and {other!r}"]


def above_zero(figures: Any) -> int:
    """How many figures are above 0: runs of a few steps find little, and zeros would be equal whatever was trained."""
    if isinstance(figures, dict):
        return sum(map(above_zero, figures.values()))
    return int(isinstance(figures, int | float) and figures > 0)


def finished_runs(path: Path) -> int:
    """How many runs stand in a record; 0 where there is none yet."""
    return len(json.loads(path.read_text("utf-8"))["runs"]) if path.exists() else 0


def head() -> str:
    """The commit that is checked out here."""
    said = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return said.stdout.strip()


def machine(folder: Path, commit: str, shapes: Path, before: Path | None) -> Path:
    """A folder as on another machine: a clone at this commit, the data, and at most the record of ``before``."""
    subprocess.run(["git", "clone", "--quiet", "--no-checkout", str(ROOT), str(folder / "code")], check=True)
    subprocess.run(["git", "-C", str(folder / "code"), "checkout", "--quiet", commit], check=True)
    shutil.copytree(shapes, folder / DATA)
    if before is not None and (before / RECORD).exists():
        shutil.copy(before / RECORD, folder / RECORD)
    return folder


def start(folder: Path, arguments: argparse.Namespace) -> subprocess.Popen[bytes]:
    """Begin the study there, or go on."""
    settings = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    command = [sys.executable, "-m", "fcos_edu.cli", "study", "ladder", "--data", DATA, "--record", RECORD]
    command += ["--iterations", str(arguments.iterations), "--jobs", str(arguments.jobs), *settings]
    command += ["--seeds", *map(str, range(arguments.seeds))]
    environment = os.environ | {
        "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder / "code"),
    }  # fmt: skip
    with (folder / "told.txt").open("wb") as told:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=told, stderr=subprocess.STDOUT)


def kill(pid: int) -> None:
    """The study and its runs at once, as when a machine dies."""
    parent = psutil.Process(pid)
    for process in [parent, *parent.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def finish(folder: Path, arguments: argparse.Namespace) -> tuple[float, float]:
    """Let the study come to its end; the seconds until its first finished run, and those of each run after it.

    Raises:
        SystemExit: it failed, with the end of what it said.
    """
    began, had = time.perf_counter(), finished_runs(folder / RECORD)
    process = start(folder, arguments)
    while finished_runs(folder / RECORD) == had and process.poll() is None:
        time.sleep(0.05)
    first = time.perf_counter()
    if code := process.wait():
        said = (folder / "told.txt").read_text("utf-8", errors="replace")[-1500:]
        raise SystemExit(f"the study ended with exit code {code}:\n{said}")
    others = max(1, finished_runs(folder / RECORD) - had - 1)
    return first - began, (time.perf_counter() - first) / others


def live(folder: Path, arguments: argparse.Namespace, runs: int | None, delay: float) -> bool:
    """Start the study and kill it ``delay`` seconds after so many runs, or its start; False if it ended before."""
    process = start(folder, arguments)
    while runs is not None and finished_runs(folder / RECORD) < runs and process.poll() is None:
        time.sleep(0.01)
    time.sleep(delay)
    alive = process.poll() is None
    if alive:
        kill(process.pid)
    process.wait()
    return alive


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=4, help="steps of each run")
    parser.add_argument("--seeds", type=int, default=2, help="runs of each configuration")
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--record", type=Path, metavar="JSON")
    arguments = parser.parse_args(argv)
    dice = random.Random(arguments.seed)
    total = len(STUDIES["ladder"].variants) * arguments.seeds
    began = time.perf_counter()
    commit = head()  # of all lives, though the repository may go on meanwhile
    with tempfile.TemporaryDirectory() as scratch:
        shapes = Path(scratch) / "shapes"
        for split, number in IMAGES.items():
            data.load("shapes", split, num_images=number).export_coco(shapes)
        whole = machine(Path(scratch) / "whole", commit, shapes, None)
        starting, a_run = finish(whole, arguments)
        moments = sorted(dice.randrange(total) for _ in range(arguments.kills))
        killed_at: list[int] = []
        before: Path | None = None
        for number, runs in enumerate(tqdm(moments, desc="kill", unit="life")):
            here = machine(Path(scratch) / f"life-{number}", commit, shapes, before)
            had = finished_runs(here / RECORD)
            if number % 5 == 3:
                killed = live(here, arguments, None, dice.uniform(0, starting))
            else:
                runs = runs if runs > had else None  # passed already: in the life's first run
                killed = live(here, arguments, runs, dice.uniform(0, a_run if runs else starting))
            if killed:
                killed_at.append(finished_runs(here / RECORD))
            before = here
        last = machine(Path(scratch) / "last", commit, shapes, before)
        finish(last, arguments)
        one, other = (json.loads((folder / RECORD).read_text("utf-8")) for folder in (whole, last))
    faults = unequal(compared(one), compared(other))
    same = not faults
    told_apart = sum(above_zero(run["figures"]) for run in one["runs"].values())
    metrics = {
        "kills": len(killed_at), "finished runs at each kill": killed_at, "runs": len(other["runs"]),
        "iterations": arguments.iterations, "runs side by side": arguments.jobs,
        "figures above 0": told_apart, "same record": same,
        "seconds": round(time.perf_counter() - began, 1),
    }  # fmt: skip
    for name, value in metrics.items():
        print(f"{name}: {value}")
    if arguments.record:
        told = f"python scripts/study_kill_test.py --kills {arguments.kills} --iterations {arguments.iterations}"
        told += f" --seeds {arguments.seeds} --jobs {arguments.jobs} --seed {arguments.seed}"
        record(
            arguments.record, what="A study killed at random moments and continued elsewhere with its record alone, "
            "against one that was not killed", command=told, metrics=metrics,
            data=f"shapes, {IMAGES['train']} for training, {IMAGES['val']} for the figures",
        )  # fmt: skip
    if not same or not told_apart or len(other["runs"]) != total:
        raise SystemExit("\n".join(["the killed study's record is not the same", *faults[:20]]))


if __name__ == "__main__":
    main()
