"""Section 4's training, on Hugging Face Accelerate: one loop that reads from top to bottom.

Taught in the chapter *Training*. Checked against: overfitting, one worker against two, runs that were killed, and the
recorded runs in ``fcos_edu/results/``.

What a step is stands in :mod:`~fcos_edu.training.state`; what is trained, and how, in
:mod:`~fcos_edu.training.recipes`; where images come from in :mod:`~fcos_edu.training.loading`; what a run leaves on
disk in :mod:`~fcos_edu.training.runs`; what several workers do together in :mod:`~fcos_edu.training.workers`.
"""

from __future__ import annotations

import contextlib
import json
from functools import partial
from pathlib import Path
from typing import Any

from accelerate.utils import set_seed
from torch import nn

from .. import detectors, weights
from ..atomic import write_json
from ..data import DetectionDataset
from ..evaluation import metrics_table
from ..progress import Forecast, say
from ..progress import bar as progress_bar
from ..settings import ConfigError
from .config import TrainConfig
from .loading import make_dataset, make_loader, make_test_dataset
from .runs import Run, flush
from .signals import AskedWhileWaiting, StopRequest
from .state import State
from .workers import (
    agreed_step,
    evaluate_shared,
    explained,
    first_on_each_machine,
    make_accelerator,
    on_main,
    out_of_memory,
)


def train(
    config: TrainConfig,
    folder: str | Path,
    *,
    model: nn.Module | None = None,
    resume: bool = False,
    allow_changes: bool = False,
    progress: bool = True,
    device: str | None = None,
) -> dict[str, Any]:
    """Train, and leave a :class:`~fcos_edu.training.runs.Run` in ``folder``. Every worker of a distributed run calls
    this.

    Ctrl-C, SIGTERM, or an error of the data ends the run with its state saved.

    Args:
        config: everything that decides the run.
        folder: made if needed.
        model: what to train; None makes ``config.detector``. Any detector in torchvision's convention will do whose
            labels are 0..C-1, the data set's classes; its checkpoint holds weights alone, for ``load_state_dict``.
        resume: go on with the run in ``folder``, to the same weights as if it had never stopped. If there is none,
            begin it.
        allow_changes: resume although the configuration differs.
        progress: show bars and the table of figures.
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``; None for the GPU if there is one. On a CPU the same run gives the
            same weights bit for bit; a GPU adds in another order each time.

    Returns:
        ``seconds`` of training, ``cpu_seconds`` of all threads of this process and, on the main process, with a
        ``test_split``, COCO's twelve numbers (EMA weights if there are any).

    Raises:
        ValueError: there is no such device.
        FileExistsError, ConfigError: as :meth:`Run.check <fcos_edu.training.runs.Run.check>` and
            :meth:`Run.check_data <fcos_edu.training.runs.Run.check_data>`.
        BlockingIOError: as :meth:`Run.lock <fcos_edu.training.runs.Run.lock>`.
        CheckpointError: as :meth:`Run.newest <fcos_edu.training.runs.Run.newest>`.
        NonFiniteLossError: with the term, the step and its images; the last good checkpoint is kept.
        CorruptImageError: with the file, unless ``on_corrupt="skip"``.
        OutOfMemoryError: of the GPU; says what to lower.
        PreemptedError: after SIGTERM; a program that does not catch it ends with the exit code 75.
    """
    run, kind = Run(folder), config.detector if model is None else "custom"
    accelerator = make_accelerator(config.precision, device)
    worker, workers = accelerator.process_index, accelerator.num_processes
    with StopRequest() as stop, explained(out_of_memory(config, workers)), contextlib.ExitStack() as at_the_end:
        stop.release()  # there is nothing to save yet
        set_seed(config.seed)
        dataset = first_on_each_machine(accelerator, lambda: make_dataset(config))
        test = make_test_dataset(config, dataset.classes)  # now: a missing split is told before hours of training
        config = config.replace(**{"model.class_names": dataset.classes, "model.num_classes": len(dataset.classes)})
        at_the_end.callback(run.unlock)
        on_main(accelerator, run.lock)
        run.check(config, resume=resume, allow_changes=allow_changes)
        saved, seen = run.newest() if resume else None, dataset.summary()
        if saved:
            run.check_data(saved, seen, allow_changes=allow_changes)
            if saved["step"] > config.iterations:
                raise ConfigError(
                    f"the run in {folder} has done {saved['step']} steps; iterations is {config.iterations}"
                )
        start = agreed_step(saved["step"] if saved else 0, run.folder)

        if model is None:
            model = first_on_each_machine(accelerator, lambda: make_detector(config, trained=saved is None))
        state = State(accelerator, config, model, seen)
        if saved:
            state.load_state_dict(saved, run.folder)
        loader = make_loader(dataset, config, start=start, worker=worker, workers=workers)

        with state.in_training(), Journal(run, state, progress, len(dataset)) as journal:
            save = partial(save_run, run, state, journal, kind)
            stop.hold()
            try:
                for passes in state.batches(loader, save, stop.waiting):
                    state.step(passes)
                    journal.step()
                    last = state.done == config.iterations
                    if state.done % config.log_every == 0 or last:
                        journal.write(state.report())
                    asked_to_stop = stop.agreed()
                    if state.done % config.save_every == 0 or last or asked_to_stop:
                        save()
                    if asked_to_stop:
                        break
            except AskedWhileWaiting:
                stop.agreed()
                save()
            if stop.asked:
                stop.leave(f"asked to stop after step {state.done}; its state is saved: resume {run.folder}")
        stop.release()
        return measure(run, state, test, progress)


class Journal:
    """What a run tells while it goes: its length, its log, the bar, and the curves at its end.

    Only the main process tells.
    """

    def __init__(self, run: Run, state: State, progress: bool, images: int) -> None:
        self.run, self.state, self.images = run, state, images
        self.main = state.accelerator.is_main_process
        self.progress = progress and self.main

    def __enter__(self) -> Journal:
        config, done = self.state.config, self.state.done
        self.log = self.run.open(config, done) if self.main else None
        if self.progress and done < config.iterations:
            say(f"{config.length(self.images)}{f'; {done:,} steps are done' if done else ''}")
        self.bar = progress_bar(
            total=config.iterations, initial=done, desc="train", unit="step", disable=not self.progress
        )
        self.forecast = Forecast(done, config.iterations, say)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.bar.close()
        if self.log is not None:
            try:
                self.log.close()
            except OSError:  # the same full disk once more
                if kind is None:
                    raise
            self.run.draw_curves()

    def step(self) -> None:
        """One step more; how long the run will take, as soon as that can be measured."""
        self.bar.update()
        if self.progress:
            self.forecast.step()

    def write(self, entry: dict[str, float]) -> None:
        """A line of the log, and the most important of it beside the bar."""
        if self.log is None:
            return
        self.log.write(json.dumps(entry) + "\n")
        self.log.flush()
        shown = {"loss": f"{entry['loss']:.3f}", "waited": f"{entry['waited_share']:.0%}"}
        if "centerness_floor" in entry:  # beside the loss that cannot fall below it
            shown["centerness"] = f"{entry['centerness']:.3f} (floor {entry['centerness_floor']:.3f})"
        self.bar.set_postfix(shown)

    def flush(self) -> None:
        """The log to the disk: before a checkpoint that relies on it."""
        if self.log is not None:
            flush(self.log)


def save_run(run: Run, state: State, journal: Journal, kind: str) -> None:
    """The model, and the checkpoint to go on from; all workers call this in the same step.

    Args:
        run: where to.
        state: what.
        journal: of the steps so far.
        kind: the detector's name, by which its checkpoint is loaded.

    Raises:
        NonFiniteLossError: the state is worth nothing; the older checkpoint is kept.
    """
    config = state.config
    state.check()
    saved = state.state_dict()
    if state.accelerator.is_main_process:
        run.require()
        journal.flush()
        # Before the checkpoint: a run that is killed in between does these steps again, and saves both.
        about = dict(step=state.done, iterations=config.iterations, data=config.data)
        detectors.save(state.best, run.model, kind, config.model, **about)
        run.save(saved, keep=config.keep_checkpoints)
    state.accelerator.wait_for_everyone()  # or a launcher, seeing one worker end, would end the one that writes


def measure(run: Run, state: State, test: DetectionDataset | None, progress: bool) -> dict[str, Any]:
    """What the run has cost and, of ``test``, COCO's twelve numbers; the main process writes them beside the model.

    Raises:
        OutOfMemoryError: of the GPU; says that the weights are saved.
    """
    cost = state.spent.total()
    outcome: dict[str, Any] = {name: round(cost[name], 1) for name in ("seconds", "cpu_seconds")}
    outcome["iterations"] = state.config.iterations
    if test is None:
        return outcome
    with explained(
        "while detecting, after training: the weights are saved. Free memory on the GPU, or hide it "
        f"(CUDA_VISIBLE_DEVICES=), and measure them: fcos-edu evaluate {run.model}"
    ):
        metrics = evaluate_shared(state.accelerator, state.best, test, progress=progress)
    if state.accelerator.is_main_process:
        outcome |= {"split": state.config.test_split, "images": len(test), **metrics}
        write_json(run.metrics, outcome)
        if progress:
            with contextlib.suppress(OSError, ValueError):  # nobody reads it; it is written
                print(metrics_table(metrics), flush=True)
    return outcome


def make_detector(config: TrainConfig, *, trained: bool = True) -> nn.Module:
    """``config.detector``, with the weights that the configuration names: of ImageNet, or of ``config.start_from``.

    Args:
        config: with the classes of the data.
        trained: False leaves those weights out, where a checkpoint's take their place.

    Raises:
        FileNotFoundError, CheckpointError, ConnectionError: of those weights; or they do not fit the configuration.
    """
    fresh = detectors.build(config.detector, config.model, load_backbone=trained and not config.start_from)
    if trained and config.start_from:
        source = detectors.load(config.start_from, "cpu")
        known = source.config.class_names  # type: ignore[union-attr]
        own, state, names = fresh.state_dict(), source.state_dict(), config.model.class_names
        fresh.load_state_dict(weights.transfer(own, state, config.start_from, names, known))  # type: ignore[arg-type]
    return fresh
