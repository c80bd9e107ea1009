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
from collections.abc import Callable, Mapping, Sequence
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
from ..text import counted
from .config import TrainConfig
from .loading import make_dataset, make_loader, make_test_dataset, named
from .measuring import Measurements, check_patience, twelve
from .runs import Run, flush
from .signals import AskedWhileWaiting, StopRequest
from .state import State
from .tracking import check_trackers, make_trackers
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
    config: TrainConfig, folder: str | Path, *, model: nn.Module | None = None, resume: bool = False,
    allow_changes: bool = False, progress: bool = True, device: str | None = None, track: Sequence[str] = (),
    dataset: Any = None, test: Any = None,
) -> dict[str, Any]:  # fmt: skip
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
        track: write the figures of the log for other programs too: ``"csv"``, ``"tensorboard"``, or both.
        dataset: train on this instead of ``config.data``: any data set of torchvision's detection convention
            (:class:`~fcos_edu.data.wrapped.WrappedDataset`); the run's changes of images come after its own.
        test: measure on this, likewise; None measures nothing where ``dataset`` is given.

    Returns:
        ``seconds`` of training without measurements, ``cpu_seconds`` of all threads of this process, ``iterations``
        and, on the main process, with a ``test_split``, COCO's twelve numbers (EMA weights if there are any). Where a
        run measures on its way, they are those of its best weights, and ``step`` says which these are: chosen by the
        very split that they are measured on, so expect a little less elsewhere.

    Raises:
        ValueError: there is no such device.
        ConfigError: ``track`` has an unknown name, or tensorboard is missing; or ``patience`` without measurements.
        FileExistsError, ConfigError: as :meth:`Run.check <fcos_edu.training.runs.Run.check>` and
            :meth:`Run.check_data <fcos_edu.training.runs.Run.check_data>`.
        BlockingIOError: as :meth:`Run.lock <fcos_edu.training.runs.Run.lock>`.
        CheckpointError: as :meth:`Run.newest <fcos_edu.training.runs.Run.newest>`.
        NonFiniteLossError: with the term, the step and its images; the last good checkpoint is kept.
        CorruptImageError: with the file, unless ``on_corrupt="skip"``.
        OutOfMemoryError: of the GPU; says what to lower.
        PreemptedError: after SIGTERM; a program that does not catch it ends with the exit code 75.
    """
    config = named(config, dataset, test)
    check_trackers(track)
    check_patience(config)
    run, kind = Run(folder), config.detector if model is None else "custom"
    accelerator = make_accelerator(config.precision, device)
    worker, workers = accelerator.process_index, accelerator.num_processes
    with StopRequest() as stop, explained(out_of_memory(config, workers)), contextlib.ExitStack() as at_the_end:
        stop.release()  # there is nothing to save yet
        set_seed(config.seed)
        data = first_on_each_machine(accelerator, lambda: make_dataset(config, dataset))
        tested = make_test_dataset(config, data, test)  # now: a missing split is told before hours of training
        config = config.replace(**{"model.class_names": data.classes, "model.num_classes": len(data.classes)})
        at_the_end.callback(run.unlock)
        on_main(accelerator, run.lock)
        run.check(config, resume=resume, allow_changes=allow_changes)
        saved, seen = run.newest() if resume else None, data.summary()
        if saved:
            run.check_data(saved, seen, allow_changes=allow_changes)
            if saved["step"] > config.iterations:
                raise ConfigError(
                    f"the run in {folder} has done {counted(saved['step'], 'steps')}; iterations is {config.iterations}"
                )
        start = agreed_step(saved["step"] if saved else 0, run.folder)

        if model is None:
            model = first_on_each_machine(accelerator, lambda: make_detector(config, trained=saved is None))
        state = State(accelerator, config, model, seen)
        if saved:
            state.load_state_dict(saved, run.folder)
        loader = make_loader(data, config, start=start, worker=worker, workers=workers)

        with state.in_training(), Journal(run, state, progress, len(data), track) as journal:
            save = Saver(run, state, journal, kind)
            measured = Measurements(run, state, tested, stop, keep=save.best, tell=journal.tell, track=journal.measured)
            duties = (
                Duty(journal.step, 1),
                Duty(journal.report, config.log_every),
                Duty(save, config.save_every, config.measure_every),
                Duty(measured.take, config.measure_every or config.iterations),
            )
            stop.hold()
            try:
                measured.take()  # what a stop has cut off
                for passes in state.batches(loader, save, stop.waiting, measured.enough):
                    state.step(passes)
                    for duty in duties:
                        duty.do(state)
                    if stop.agreed():
                        save()
                        break
            except AskedWhileWaiting:
                stop.agreed()
                save()
            if stop.asked:
                stop.leave(f"asked to stop after step {state.done}; its state is saved: resume {run.folder}")
        stop.release()
        return measure(run, state, tested, progress, measured.best())


class Duty:
    """What is done after some of the steps: every so many, where that is not 0, and after the last."""

    def __init__(self, act: Callable[[], None], *every: int) -> None:
        self.act, self.every = act, [number for number in every if number]

    def do(self, state: State) -> None:
        """Do it, if the step that the state has just done is one of those."""
        last = state.done == state.config.iterations
        if any(last or state.done % number == 0 for number in self.every):
            self.act()


class Journal:
    """What a run tells while it goes: its length, its log, the bar, other programs, and the curves at its end.

    Only the main process tells.
    """

    def __init__(self, run: Run, state: State, progress: bool, images: int, track: Sequence[str] = ()) -> None:
        self.run, self.state, self.images, self.track = run, state, images, track
        self.main = state.accelerator.is_main_process
        self.progress = progress and self.main

    def __enter__(self) -> Journal:
        config, done = self.state.config, self.state.done
        self.log = self.run.open(config, done) if self.main else None
        self.trackers = make_trackers(self.track, self.run.folder, done) if self.main else []
        if self.progress and done < config.iterations:
            say(config.length(self.images) + (f"; {counted(f'{done:,}', 'steps are', 'step is')} done" if done else ""))
        self.bar = progress_bar(
            total=config.iterations, initial=done, desc="train", unit="step", disable=not self.progress
        )
        self.forecast = Forecast(done, config.iterations, say)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.bar.close()
        for tracker in self.trackers:
            with contextlib.suppress(OSError):  # the log has it
                tracker.finish()
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

    def report(self) -> None:
        """A line of the log, and the most important of it beside the bar; all workers call this in the same step."""
        entry = self.state.report()
        if self.log is None:
            return
        self.log.write(json.dumps(entry) + "\n")
        self.log.flush()
        shown = {"loss": f"{entry['loss']:.3f}", "waited": f"{entry['waited_share']:.0%}"}
        if "centerness_floor" in entry:  # beside the loss that cannot fall below it
            shown["centerness"] = f"{entry['centerness']:.3f} (floor {entry['centerness_floor']:.3f})"
        self.bar.set_postfix(shown)
        self.pass_on(entry)

    def tell(self, text: str) -> None:
        """A line for people; for the main process."""
        if self.progress:
            say(text)

    def measured(self, entry: Mapping[str, Any]) -> None:
        """The figures of a measurement for other programs; for the main process."""
        self.pass_on({name: value for name, value in entry.items() if value is not None and name != "seconds"})

    def pass_on(self, entry: Mapping[str, Any]) -> None:
        """The figures of a step for other programs."""
        for tracker in self.trackers:
            tracker.log({name: value for name, value in entry.items() if name != "step"}, step=int(entry["step"]))

    def flush(self) -> None:
        """The log to the disk: before a checkpoint that relies on it."""
        if self.log is not None:
            flush(self.log)


class Saver:
    """Saves the model, and the checkpoint to go on from; all workers call it in the same step.

    A step that is saved already is not saved again.

    Args:
        run: where to.
        state: what.
        journal: of the steps so far.
        kind: the detector's name, by which its checkpoint is loaded.
    """

    def __init__(self, run: Run, state: State, journal: Journal, kind: str) -> None:
        self.run, self.state, self.journal, self.kind = run, state, journal, kind
        self.step: int | None = None  # the last one that was saved

    def __call__(self) -> None:
        """Save.

        Raises:
            NonFiniteLossError: the state is worth nothing; the older checkpoint is kept.
        """
        state = self.state
        if self.step == state.done:
            return
        state.check()
        saved = state.state_dict()
        if state.accelerator.is_main_process:
            self.run.require()
            self.journal.flush()
            # Before the checkpoint: a run that is killed in between does these steps again, and saves both.
            self._write(self.run.model)
            self.run.save(saved, keep=state.config.keep_checkpoints)
        state.accelerator.wait_for_everyone()  # or a launcher, seeing one worker end, would end the one that writes
        self.step = state.done

    def best(self) -> None:
        """Write the model of now as the best so far; the main process alone calls this."""
        self._write(self.run.best)

    def _write(self, path: Path) -> None:
        config = self.state.config
        about = dict(step=self.state.done, iterations=config.iterations, data=config.data)
        detectors.save(self.state.result, path, self.kind, config.model, **about)


def measure(
    run: Run, state: State, test: DetectionDataset | None, progress: bool, best: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What the run has cost and, of ``test``, COCO's twelve numbers; the main process writes them beside the model.

    Args:
        run, state: that are done.
        test: what to measure on; None for nothing.
        progress: show a bar, and the numbers.
        best: what was measured on the way of the weights that are kept; there is nothing more to measure then.

    Raises:
        OutOfMemoryError: of the GPU; says that the weights are saved.
    """
    cost = state.spent.total()
    outcome: dict[str, Any] = {name: round(cost[name], 1) for name in ("seconds", "cpu_seconds")}
    outcome["iterations"] = state.done
    if test is None:
        return outcome
    if best is not None:
        metrics = twelve(best)
        outcome["step"] = best["step"]
    else:
        metrics = _measured_now(run, state, test, progress)
    if state.accelerator.is_main_process:
        outcome |= {"split": state.config.test_split, "images": len(test), **metrics}
        write_json(run.metrics, outcome)
        if progress:
            with contextlib.suppress(OSError, ValueError):  # nobody reads it; it is written
                print(metrics_table(metrics), flush=True)
    return outcome


def _measured_now(run: Run, state: State, test: DetectionDataset, progress: bool) -> dict[str, float | None]:
    with explained(
        "while detecting, after training: the weights are saved. Free memory on the GPU, or hide it "
        f"(CUDA_VISIBLE_DEVICES=), and measure them: fcos-edu evaluate {run.model}"
    ):
        return evaluate_shared(state.accelerator, state.result, test, progress=progress)


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
