"""Kill a training run at random moments until it is done, and compare it with one that nobody killed.

    python scripts/kill_test.py --kills 25 --record fcos_edu/results/kill_test.json
    python scripts/kill_test.py --kills 10 --processes 2 --iterations 120

Each time the command ``fcos-edu train --resume`` is started and ended by SIGKILL with all its workers: every fifth time
while it is still starting, otherwise a random part of a second after a random step, which may be in the middle of a
step, of a line of the log or of a checkpoint. What matters in the end is that the weights are the same to the last
bit, and that the log has no gap and no step twice. On a CPU.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import torch
from safetensors.torch import load_file
from tqdm import tqdm

from fcos_edu.records import record


def command(folder: Path, arguments: argparse.Namespace) -> list[str]:
    """The training command, for one worker or several."""
    launcher = [sys.executable]
    if arguments.processes > 1:
        launcher += ["-m", "torch.distributed.run", "--nproc-per-node", str(arguments.processes)]
        launcher += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1"]
    settings = {"save_every": arguments.save_every, "log_every": 1, "test_split": "", "precision": "no"}
    if arguments.no_cache:
        settings["cache"] = False
    train = ["-m", "fcos_edu.cli", "train", "--recipe", "shapes", "--out", str(folder), "--resume"]
    train += ["--iterations", str(arguments.iterations)]
    return launcher + train + [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def start(folder: Path, arguments: argparse.Namespace) -> subprocess.Popen[bytes]:
    """Begin, or go on."""
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(command(folder, arguments), env=environment, stdout=nowhere, stderr=nowhere)


def kill(pid: int) -> None:
    """A launcher and all its workers at once, as when a machine dies."""
    parent = psutil.Process(pid)
    for process in [parent, *parent.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def last_step(folder: Path) -> int:
    """The last step that the log has whole; 0 without a log."""
    path = folder / "log.jsonl"
    lines = path.read_text("utf-8").split("\n")[:-1] if path.exists() else []
    return int(json.loads(lines[-1])["step"]) if lines else 0


def finish(folder: Path, arguments: argparse.Namespace) -> tuple[float, float]:
    """Let the run come to its end; the seconds until its first step, and from there."""
    began = time.perf_counter()
    process = start(folder, arguments)
    while not last_step(folder) and process.poll() is None:
        time.sleep(0.01)
    begun = time.perf_counter()
    if code := process.wait():
        raise SystemExit(f"the run in {folder} ended with exit code {code}; start the command by hand to see why")
    return begun - began, time.perf_counter() - begun


def live(folder: Path, arguments: argparse.Namespace, step: int | None, delay: float) -> bool:
    """Start the run and kill it ``delay`` seconds after this step, or after its start; False if it ended before."""
    process = start(folder, arguments)
    while step is not None and last_step(folder) < step and process.poll() is None:
        time.sleep(0.002)
    time.sleep(delay)
    alive = process.poll() is None
    if alive:
        kill(process.pid)
    process.wait()
    return alive


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--processes", type=int, default=1, help="workers of the run")
    parser.add_argument("--iterations", type=int, default=150)
    parser.add_argument("--save-every", type=int, default=10, help="steps between checkpoints")
    parser.add_argument("--no-cache", action="store_true", help="read each image anew; the recipe keeps them in memory")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--record", type=Path, metavar="JSON")
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        whole, killed = Path(scratch) / "whole", Path(scratch) / "killed"
        starting, seconds = finish(whole, arguments)
        a_step = seconds / arguments.iterations
        steps = sorted(random.randrange(1, arguments.iterations) for _ in range(arguments.kills - 1))
        steps.append(arguments.iterations)  # the last checkpoint and the model belong together
        landed = {"while it was starting": 0, "after a step": 0}
        for number, step in enumerate(tqdm(steps, desc="kill", unit="run")):
            reached = last_step(killed)
            if number % 5 == 3 or reached == arguments.iterations:
                when, killed_there = "while it was starting", live(killed, arguments, None, random.uniform(0, starting))
            else:
                step = max(step, reached + 1)  # one that this life has to reach itself
                when, killed_there = "after a step", live(killed, arguments, step, random.uniform(0, 3 * a_step))
            landed[when] += killed_there
        finish(killed, arguments)
        one, other = (load_file(folder / "model.safetensors") for folder in (whole, killed))
        same = one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
        logged = [
            [json.loads(line)["step"] for line in (f / "log.jsonl").read_text().splitlines()] for f in (whole, killed)
        ]
    metrics = {
        "kills": sum(landed.values()), **{f"kills {when}": count for when, count in landed.items()},
        "runs that ended before their kill": arguments.kills - sum(landed.values()), "processes": arguments.processes,
        "iterations": arguments.iterations, "images kept in memory": not arguments.no_cache,
        "weights equal to the last bit": same,
        "log without gap or repetition": logged[0] == logged[1],
    }  # fmt: skip
    for name, value in metrics.items():
        print(f"{name}: {value}")
    if arguments.record:
        told = f"python scripts/kill_test.py --kills {arguments.kills} --processes {arguments.processes}"
        told += f" --iterations {arguments.iterations} --save-every {arguments.save_every} --seed {arguments.seed}"
        told += " --no-cache" * arguments.no_cache
        record(
            arguments.record, what="A run killed at random moments and resumed, against one that was not killed",
            command=told, metrics=metrics, data="shapes",
        )  # fmt: skip
    if not same or logged[0] != logged[1]:
        raise SystemExit("the killed run is not the same")


if __name__ == "__main__":
    main()
