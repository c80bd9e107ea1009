"""Trouble small runs of training in every way that is known, resume each, and compare it with an untroubled one.

    python scripts/faults.py --record fcos_edu/results/faults.json
    python scripts/faults.py --short

What is done, at random moments: SIGKILL, SIGTERM, SIGINT, SIGHUP; a loading process killed; a disk that is full (a
limit on the size of files); shared memory that is small, or full (both are pretended); a lock that another run holds;
the folder moved away; a pipe that nobody reads any more. After each the run is resumed to its end. What matters:
the same weights to the last bit, the same log without gap or repetition, no half-written file, an error that one
sentence explains, and after a signal that asks to stop not one step lost. On a CPU; each run is a fork of this process,
which has torch loaded.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil  # comes with accelerate
import torch
from safetensors.torch import load_file
from tqdm import tqdm

from fcos_edu import FCOSConfig, data, figures
from fcos_edu.cli.parser import is_expected
from fcos_edu.records import record
from fcos_edu.training import loading, runs
from fcos_edu.training.config import TrainConfig
from fcos_edu.training.loop import train
from fcos_edu.training.signals import PREEMPTED

SMALL = FCOSConfig.tiny(num_classes=5, min_size=64, max_size=64, fpn_channels=16, num_head_convs=1)
CONFIG = TrainConfig(
    data="shapes", test_split="", iterations=12, batch_size=2, log_every=1, save_every=3, warmup_iterations=2,
    precision="no", optimizer="adamw", lr=0.001, ema_decay=0.9, model=SMALL,
)  # fmt: skip
COUNTS = {
    "SIGKILL": 13, "SIGTERM": 7, "SIGINT": 7, "SIGHUP": 7, "loader killed": 6, "disk full": 6, "small /dev/shm": 2,
    "full /dev/shm": 3, "lock held": 4, "folder gone": 4, "pipe closed": 3,
}  # fmt: skip
ASKED = {"SIGTERM": PREEMPTED, "SIGHUP": PREEMPTED, "SIGINT": 130}
UNEXPLAINED = 70


def begin(folder: Path, workers: int = 0, before: Callable[[], None] | None = None, progress: bool = False) -> int:
    """Fork a process that trains, as ``fcos-edu train --resume`` would; its number."""
    pid = os.fork()
    if pid:
        return pid
    code = UNEXPLAINED
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background, or under nohup, they are ignored,
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and a run leaves that as it is
        if not progress:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
        warnings.simplefilter("ignore")
        if before:
            before()
        train(CONFIG.replace(workers=workers), folder, resume=True, allow_changes=True, progress=progress, device="cpu")
        code = 0
    except KeyboardInterrupt:
        code = 130
    except SystemExit as stop:
        code = int(str(stop.code))
    except Exception as error:
        code = 1 if is_expected(error) else UNEXPLAINED
        with contextlib.suppress(OSError):
            folder.with_suffix(".error").write_text(f"{type(error).__name__}: {error}")
    finally:
        os._exit(code)


def wait(pid: int) -> int:
    """Until a process ends; its exit code, or minus the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def steps_logged(folder: Path) -> int:
    """The last step in the log."""
    return max((int(entry["step"]) for entry in runs.Run(folder).logged()), default=0)


def limit_files() -> None:
    """As a disk that is full: no file may grow beyond a random size."""
    size = int(10 ** random.uniform(2, 6))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def fill_shared_memory() -> None:
    """After some batches there is no room for another."""
    left, share = random.randrange(1, 20), torch.Tensor.share_memory_

    def full(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal left
        left -= 1
        if left < 0:
            raise RuntimeError("unable to write to file </torch>: No space left on device (28)")
        return share(tensor)

    torch.Tensor.share_memory_ = full  # type: ignore[method-assign]


def small_shared_memory() -> None:
    """As in a container with next to none."""
    system = os.statvfs("/")
    none = os.statvfs_result(tuple(system)[:3] + (0, 0) + tuple(system)[5:])
    loading.os.statvfs = lambda _: none  # type: ignore[assignment, attr-defined]


def closed_pipe() -> None:
    """Nobody reads what the bar and the table say."""
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 1)
    os.dup2(writer, 2)


def trouble(kind: str, folder: Path, seconds: float) -> tuple[Path, int]:
    """One fault; where the run is afterwards, and how it ended."""
    delay, workers = random.uniform(0, seconds), random.randrange(2)
    if kind.startswith("SIG"):
        pid = begin(folder, workers)
        time.sleep(delay)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, getattr(signal, kind))
    elif kind == "loader killed":
        pid = begin(folder, 1)
        until = time.monotonic() + seconds
        while not (children := psutil.Process(pid).children()) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(delay / 2)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    elif kind == "lock held":
        pid = begin(folder, workers)
        until = time.monotonic() + 2 * seconds
        while not (folder / "config.json").exists() and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(pid, signal.SIGSTOP)  # it holds the lock for as long as we like
        other = wait(begin(folder))
        if other != 1:
            raise SystemExit(f"a second run in {folder} was not refused but ended with {other}")
        os.kill(pid, signal.SIGCONT)
    elif kind == "folder gone":
        pid = begin(folder, workers)
        time.sleep(delay)
        with contextlib.suppress(FileNotFoundError):
            folder = folder.rename(folder.with_suffix(".moved"))
    else:
        before = {"disk full": limit_files, "small /dev/shm": small_shared_memory, "full /dev/shm": fill_shared_memory}
        pid = begin(folder, int("shm" in kind), before.get(kind, closed_pipe), progress=kind == "pipe closed")
    return folder, wait(pid)


def same(one: Path, other: Path) -> list[str]:
    """What is not the same in two runs that came to their end."""
    found = []
    a, b = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    if a.keys() != b.keys() or not all(torch.equal(a[name], b[name]) for name in a):
        found.append("other weights")
    clocks = {"seconds", "cpu_seconds", "waited", "waited_share"}
    logs = [[{k: v for k, v in e.items() if k not in clocks} for e in runs.Run(f).logged()] for f in (one, other)]
    if logs[0] != logs[1]:
        found.append("another log")
    if list(other.rglob("*.part")):
        found.append("half a file")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="three faults instead of all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--record", type=Path, metavar="JSON")
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    data.shapes.DEFAULT_IMAGES = {"train": 16, "val": 4, "test": 4}
    figures.training_curves  # noqa: B018 - matplotlib is loaded once, here
    runs._PATIENCE = 0.3
    counts = {"SIGKILL": 1, "SIGHUP": 1, "loader killed": 1} if arguments.short else COUNTS
    faults, lost, ends = [], 0, Counter()
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / "whole"
        began = time.monotonic()
        if wait(begin(whole)):
            raise SystemExit("the untroubled run failed")
        seconds = time.monotonic() - began
        todo = [kind for kind, count in counts.items() for _ in range(count)]
        for number, kind in enumerate(tqdm(todo, desc="faults", unit="fault")):
            folder, code = trouble(kind, Path(scratch) / str(number), seconds)
            ends[f"{kind}: {'killed' if code < 0 else f'exit code {code}'}"] += 1
            if code == UNEXPLAINED:
                faults.append(f"{kind}: no sentence: {folder.with_suffix('.error').read_text()[:300]}")
            if code == ASKED.get(kind):
                lost += max(0, steps_logged(folder) - max(runs.Run(folder).steps(), default=0))
            if (again := wait(begin(folder))) != 0:
                told = folder.with_suffix(".error")
                faults.append(f"{kind}: did not go on ({again}) {told.read_text() if told.exists() else ''}"[:300])
            else:
                faults += [f"{kind}: {what}" for what in same(whole, folder)]
    metrics = {
        "faults": len(todo), "kinds": dict(counts), "ended": dict(sorted(ends.items())),
        "runs that were not the same in the end": len(faults), "steps lost after a request to stop": lost,
    }  # fmt: skip
    print(json.dumps(metrics, indent=1))
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults or lost:
        raise SystemExit("something was lost")
    if arguments.record:
        record(
            arguments.record, what="Faults at random moments of small runs, each resumed to its end and compared with "
            "an untroubled run", command=f"python scripts/faults.py --seed {arguments.seed}", metrics=metrics,
            data="shapes",
        )  # fmt: skip


if __name__ == "__main__":
    main()
