"""What the tests of the trainer share: a small run, and processes of their own. Not a test module."""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from fcos_edu import FCOSConfig
from fcos_edu.training.config import TrainConfig

SMALL = FCOSConfig.tiny(num_classes=5, min_size=64, max_size=64, fpn_channels=16, num_head_convs=1)


def small(**changes):
    return TrainConfig(
        data="shapes", test_split="", iterations=6, batch_size=2, log_every=2, save_every=4, warmup_iterations=2,
        precision="no", model=SMALL,
    ).replace(**changes)  # fmt: skip


SCRIPT = Path(__file__).with_name("worker_process.py")


ALONE = [sys.executable]


TWO = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d",
       "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1"]  # fmt: skip


def launch(launcher, *arguments, check=True):
    """Run the script to its end; returns the exit code, that of a signal negative."""
    words = [*map(str, arguments)]
    if launcher is ALONE and hasattr(os, "fork"):
        code, told = forked(words)
    else:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        command = [*launcher, str(SCRIPT), *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        code, told = done.returncode, done.stderr
    if check and code:
        raise AssertionError(told[-3000:])
    return code


@cache
def server():
    """Processes come from one that has imported torch, and has computed nothing: each spares the seconds of it."""
    os.environ.update({"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""})
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.training.worker_process"])
    return context


def forked(words):
    """The script in a process of the server: its exit code, and what it wrote to standard error."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told"
        process = server().Process(target=in_child, args=(words, str(told)))
        process.start()
        process.join(600)
        assert process.exitcode is not None, f"{words} takes more than ten minutes"
        return process.exitcode, told.read_text() if told.exists() else ""


def in_child(words, told):
    """Standard output and error go where the parent reads them."""
    with open(told, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    multiprocessing.set_start_method(None, force=True)  # the system's own again, for processes that load images
    from tests.training import worker_process

    worker_process.main(words)


def log_of(folder):
    """The log without clocks."""
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    clocks = {"seconds", "cpu_seconds", "waited", "waited_share"}
    return [{k: v for k, v in entry.items() if k not in clocks} for entry in entries]
