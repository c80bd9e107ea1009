"""What the tests of the trainer share: a small run, and processes of their own. Not a test module."""

import json
import os
import subprocess
import sys
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
    """Run the script to its end; returns the exit code."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*launcher, str(SCRIPT), *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=600
    )
    if check and done.returncode:
        raise AssertionError(done.stderr[-3000:])
    return done.returncode


def log_of(folder):
    """The log without clocks."""
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    clocks = {"seconds", "cpu_seconds", "waited", "waited_share"}
    return [{k: v for k, v in entry.items() if k not in clocks} for entry in entries]
