"""What the tests of the trainer share: a small run, and processes of their own. Not a test module."""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from functools import cache
from multiprocessing.connection import wait
from pathlib import Path

from torch.distributed import TCPStore

from fcos_edu import FCOSConfig
from fcos_edu.training.config import TrainConfig

SMALL = FCOSConfig.tiny(num_classes=5, min_size=64, max_size=64, fpn_channels=16, num_head_convs=1)


def small(**changes):
    return TrainConfig(
        data="shapes", test_split="", iterations=6, batch_size=2, log_every=2, save_every=4, warmup_iterations=2,
        precision="no", model=SMALL,
    ).replace(**changes)  # fmt: skip


SCRIPT = Path(__file__).with_name("worker_process.py")


# How many workers: processes that are forked, and find in their environment what torchrun says.
ALONE, TWO = 1, 2
# The launcher itself, which imports torch three times.
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d",
            "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1"]  # fmt: skip


def launch(launcher, *arguments, check=True):
    """Run the script to its end; returns the exit code, that of a signal negative."""
    words = [*map(str, arguments)]
    if launcher in (ALONE, TWO) and hasattr(os, "fork"):
        code, told = forked(words, launcher)
    else:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        command = [*([sys.executable] if launcher == ALONE else TORCHRUN), str(SCRIPT), *words]
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


def start(words, told=os.devnull, environment=None, *, session=False):
    """The script in a process of the server, in a session of its own or not; ``told`` gets what it says."""
    process = server().Process(target=in_child, args=(words, str(told), environment or {}, session))
    process.start()
    return process


def forked(words, workers):
    """The script in one process or several: the exit code of the first that fails, and what all wrote."""
    with tempfile.TemporaryDirectory() as folder:
        told = [Path(folder) / str(rank) for rank in range(workers)]
        if workers == 1:
            code = first_failure([start(words, told[0])], words)
        else:
            # As torchrun's agent: the store by which workers find each other outlives each of them.
            store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
            environments = [of_rank(rank, workers, store.port) for rank in range(workers)]
            code = first_failure([start(words, *one) for one in zip(told, environments)], words)
        return code, "\n".join(file.read_text() for file in told if file.exists())


def of_rank(rank, workers, port):
    """What torchrun tells a worker."""
    own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": workers, "LOCAL_WORLD_SIZE": workers, "GROUP_RANK": 0}
    agent = {"TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_RESTART_COUNT": 0, "TORCHELASTIC_USE_AGENT_STORE": True}
    return {name: str(value) for name, value in (own | agent).items()} | {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip


def first_failure(processes, words):
    """Wait for all; where one fails, the others are asked to end, and soon made to, as torchrun does. Its exit code."""
    living, end = list(processes), time.monotonic() + 600
    while living:
        wait([process.sentinel for process in living], max(0, end - time.monotonic()))
        failed = next((process for process in processes if process.exitcode), None)
        living = [process for process in living if process.exitcode is None]
        late = time.monotonic() > end
        if failed or late:
            for process in living:
                process.terminate()
                process.join(30)
                process.kill()
                process.join()
            assert not late, f"{words} takes more than ten minutes"
            return failed.exitcode
    return 0


def in_child(words, told, environment, session):
    """Standard output and error go where the parent reads them."""
    if session:
        os.setsid()
    os.environ.update(environment)
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
