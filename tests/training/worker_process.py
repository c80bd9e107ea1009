"""A process of its own for tests that kill it, or that need several of them: not a test module.

python worker_process.py train FOLDER [--die WHERE:N] [--resume] [--workers N]
torchrun --nproc-per-node 2 worker_process.py gradients OUT.pt [--empty] [--levels 3 4]
torchrun --nproc-per-node 2 worker_process.py evaluate OUT.json
torchrun --nproc-per-node 2 worker_process.py damaged FOLDER
torchrun --nproc-per-node 2 worker_process.py preempted FOLDER
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from torch.utils.data import _utils

from fcos_edu import FCOS, FCOSConfig, atomic, data, detectors
from fcos_edu.training import loop, measuring, runs, state
from fcos_edu.training.config import TrainConfig
from fcos_edu.training.loading import Batch
from fcos_edu.training.loop import train
from fcos_edu.training.signals import PreemptedError
from fcos_edu.training.workers import evaluate_shared

# A process that loads images looks so often, in seconds, whether it is alone; tests would wait for torch's five.
_utils.MP_STATUS_CHECK_INTERVAL = _utils.worker.MP_STATUS_CHECK_INTERVAL = 0.5
data.shapes.DEFAULT_IMAGES = {"train": 16, "val": 5, "test": 5}
SMALL = FCOSConfig.tiny(num_classes=5, min_size=64, max_size=64, fpn_channels=16, num_head_convs=1)
CONFIG = TrainConfig(
    data="shapes", test_split="val", iterations=14, batch_size=4, lr_batch_size=4, accumulate=2, log_every=3,
    save_every=4, warmup_iterations=2, precision="no", ema_decay=0.9, optimizer="adamw", lr=0.001, model=SMALL,
)  # fmt: skip


def die() -> None:
    """As a machine dies: at once, with nothing flushed and nothing cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def die_at(where: str, number: int, target: str) -> None:
    """Patch the package so that the process dies the ``number``-th time that it comes to ``where``.

    ``any`` counts all these places together.
    """
    calls = iter(range(1, 10_000))

    def before(original):
        def patched(*args, **kwargs):
            if next(calls) == number:
                die()
            return original(*args, **kwargs)

        return patched

    known = {"backward", "write", "rename", "model", "log", "measure", "best"}
    if where not in known | {"any"}:
        raise ValueError(where)
    chosen = known if where == "any" else {where}
    if "backward" in chosen:  # in the middle of a step
        state.backward = before(state.backward)
    if "write" in chosen:  # the model is there, and half of its checkpoint
        save = torch.save

        def half(state, file):
            save(state, file)
            if next(calls) == number:
                file.flush()
                file.truncate(os.path.getsize(file.name) // 2)
                die()

        runs.torch.save = half
    if "rename" in chosen:  # a file is whole, but not at its place yet
        atomic.os.replace = before(os.replace)
    if "model" in chosen:  # a step is done, and nothing of it is saved yet
        detectors.save = before(detectors.save)
    if "measure" in chosen:  # while it detects
        measuring.evaluate_shared = before(measuring.evaluate_shared)
    if "best" in chosen:  # what was measured is written, and its weights are not
        loop.Saver.best = before(loop.Saver.best)
    if "log" in chosen:  # a line of the log is cut off
        dumps = json.dumps

        def cut(value, **options):
            text = dumps(value, **options)
            if isinstance(value, dict) and "waited_share" in value and next(calls) == number:
                with open(target + "/log.jsonl", "a") as file:
                    file.write(text[: len(text) // 2])
                die()
            return text

        loop.json.dumps = cut


def damaged(target: str) -> None:
    """The data must be fetched first, which two workers must not do at once; then a third of the images is damaged."""
    read, make, fetched = data.ShapesDataset.read, loop.make_dataset, Path(target + ".fetched")

    def fetch(config, given=None):
        if not fetched.exists():
            time.sleep(1)
            fetched.touch(exist_ok=False)
        return make(config)

    loop.make_dataset = fetch
    data.ShapesDataset.read = lambda self, index: None if index % 3 == 0 else read(self, index)
    train(CONFIG.replace(test_split=""), target, progress=False)


def preempted(target: str) -> None:
    """One worker is asked to stop, and writing takes long: what is there when a worker says that it has stopped?"""
    step, save = state.backward, runs.Run.save
    worker = int(os.environ.get("RANK", 0))

    def stopped(*arguments):
        if worker == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(*arguments)

    def slow(self, state, *, keep):
        time.sleep(2)
        save(self, state, keep=keep)

    state.backward, runs.Run.save = stopped, slow
    try:
        train(CONFIG, target, progress=False)
    except PreemptedError:
        Path(f"{target}.{worker}").write_text(str(runs.Run(target).steps()))


def gradients(target: str, *, empty: bool, levels: tuple[int, ...]) -> None:
    """The gradients of one step over four images, shared out among the workers; main writes them."""
    accelerator = Accelerator(cpu=True)
    torch.manual_seed(0)
    config = FCOSConfig.tiny(
        num_classes=5, min_size=64, max_size=64, backbone="resnet18", backbone_weights="imagenet", fpn_channels=16,
        num_head_convs=1, levels=levels, level_bounds=(*range(0, 20 * len(levels), 20), math.inf),
    )  # fmt: skip
    # With frozen norms, as statistics of a worker's own images would differ; in float64, as in test_state.py.
    model = FCOS(config, load_backbone=False).double()
    prepared = accelerator.prepare(model.train())
    generator = torch.Generator().manual_seed(1)
    images = [torch.rand(3, 64, 64, generator=generator).double() for _ in range(4)]
    boxes = [[[4.0, 4, 40, 50], [30, 20, 60, 60]], [[10.0, 10, 30, 30]], [[0.0, 0, 64, 64]], []]
    if empty:  # the second worker of two has no box at all
        boxes[2] = []
    targets = [{"boxes": torch.tensor(b).reshape(-1, 4), "labels": torch.arange(len(b))} for b in boxes]
    share = 4 // accelerator.num_processes
    mine = slice(accelerator.process_index * share, (accelerator.process_index + 1) * share)
    losses = state.backward(accelerator, prepared, [Batch(images[mine], targets[mine], [], 0)])
    summed = accelerator.reduce(torch.stack(list(losses.values())), "mean")
    if accelerator.is_main_process:
        grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        torch.save({"losses": summed, "gradients": grads}, target)


def evaluate(target: str) -> None:
    """Five images on two workers, each detected once."""
    accelerator = Accelerator(cpu=True)
    torch.manual_seed(0)
    model = FCOS(SMALL.replace(score_threshold=0.0)).eval()
    dataset = data.load("shapes", "val", transforms=data.transforms.eval_transforms())
    metrics = evaluate_shared(accelerator, model, dataset, progress=False)
    if accelerator.is_main_process:
        with open(target, "w") as file:
            json.dump(metrics, file)


def main(argv: Sequence[str] | None = None) -> None:
    """Do what the arguments say; those of the command line if there are none."""
    parser = argparse.ArgumentParser()
    parser.add_argument("action")
    parser.add_argument("target")
    parser.add_argument("--die")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--empty", action="store_true")
    parser.add_argument("--levels", type=int, nargs="+", default=[3, 4, 5, 6, 7])
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--log-every", type=int, default=CONFIG.log_every)
    parser.add_argument("--measure-every", type=int, default=0)
    arguments = parser.parse_args(argv)
    if arguments.die:
        place, _, count = arguments.die.partition(":")
        die_at(place, int(count), arguments.target)
    if arguments.action == "gradients":
        gradients(arguments.target, empty=arguments.empty, levels=tuple(arguments.levels))
    elif arguments.action == "evaluate":
        evaluate(arguments.target)
    elif arguments.action == "preempted":
        preempted(arguments.target)
    elif arguments.action == "damaged":
        damaged(arguments.target)
    else:
        config = CONFIG.replace(
            workers=arguments.workers, log_every=arguments.log_every, measure_every=arguments.measure_every
        )
        train(config, arguments.target, resume=arguments.resume, progress=False)


if __name__ == "__main__":
    main()
