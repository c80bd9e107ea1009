"""Everything that changes while a run trains: one step, a report of it, and the state to go on from.

Taught in the chapter *Training*. Checked against: overfitting, gradients of joined batches, two workers against one,
and runs that were stopped after any step.

One network, two names: ``model`` has the weights that learn, ``result`` those that are saved and measured. They are
the same, unless the weights are averaged.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object, send_to_device
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from ..compat import prepared
from ..data import CorruptImageError
from ..detectors import Divisible, as_learner
from ..losses import count_over_workers
from ..settings import ConfigError
from ..text import counted
from .config import TrainConfig
from .ema import WeightAverage
from .loading import Batch, killed_loader, whole
from .optimizer import learning_rate, make_optimizer
from .runs import random_states, set_random_states
from .watch import NonFiniteLossError, Watch
from .workers import OutOfMemoryError, exhausted, out_of_memory, shared_norms


def backward(
    accelerator: Accelerator, model: nn.Module, passes: Sequence[Batch], notes: dict[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Forward and backward of one step; gradients are those of Eq. 2 over all passes of all workers joined.

    Args:
        accelerator: that ``model`` was prepared with.
        model: FCOS, or another detector in torchvision's convention; in training mode.
        passes: this worker's share of the step, on its device; more than one where gradients are accumulated.
        notes: gets what the detector notes of the step, beside its losses.

    Returns:
        The loss terms of this worker. Their mean over workers is the loss of the whole step.
    """
    extra: dict[str, Any] = {}
    share = 1.0 / len(passes)  # a detector that divides by its own number of positives gives a mean of the passes
    learner, notes = as_learner(accelerator.unwrap_model(model)), {} if notes is None else notes
    if len(passes) > 1:
        # N_pos is known before the network runs, so that every pass divides by that of the whole step.
        found = (learner.count_positive(b.images, b.targets, **_canvas(b)) for b in passes)
        counts = [count for count in found if count is not None]
        if counts:
            extra, share = {"num_positive": count_over_workers(torch.stack(counts).sum())}, 1.0
    sums: dict[str, Tensor] = {}
    for number, batch in enumerate(passes, start=1):
        # Workers exchange gradients once, in the last pass.
        with contextlib.nullcontext() if number == len(passes) else accelerator.no_sync(model):
            found = model(batch.images, batch.targets, **extra, **_canvas(batch))
            losses = {name: share * loss for name, loss in found.items()}
            accelerator.backward(torch.stack(list(losses.values())).sum())
        sums = {name: loss.detach() + sums.get(name, 0.0) for name, loss in losses.items()}
        for name, value in learner.notes().items():
            notes[name] = share * value + notes.get(name, 0.0)
    return sums


def _canvas(batch: Batch) -> dict[str, Any]:
    return {} if batch.canvas is None else {"canvas": batch.canvas}


def parts_of(batch: Batch, learner: Divisible, count: int) -> list[Batch]:
    """A pass in up to ``count`` parts, each of which is padded as the whole would be."""
    canvas, size = learner.canvas_of(batch.images), -(-len(batch.images) // count)
    return [
        Batch(batch.images[k : k + size], batch.targets[k : k + size], batch.image_ids[k : k + size], 0, canvas)
        for k in range(0, len(batch.images), size)
    ]


class Spent:
    """What a run has cost so far, its parts before a stop included.

    ``seconds`` and ``cpu_seconds`` of training, ``waited`` for images (the mean of the workers), images that were
    ``skipped`` because they are damaged (of all workers).
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.before = {"seconds": 0.0, "cpu_seconds": 0.0, "waited": 0.0, "skipped": 0.0}
        self.waited, self.skipped = 0.0, 0  # by this worker, since workers last added up
        self.clocks: tuple[float, float] | None = None

    def start(self) -> None:
        """The clocks go on from here."""
        self.clocks = (time.perf_counter(), time.process_time())

    def stop(self) -> None:
        """They stand still."""
        self.before, self.clocks = self.total(), None

    def add_up(self) -> None:
        """What each worker has waited and left out; all workers call this in the same step."""
        for waited, skipped in gather_object([(self.waited, self.skipped)]):
            self.before["waited"] += waited / self.workers
            self.before["skipped"] += skipped
        self.waited, self.skipped = 0.0, 0

    def total(self) -> dict[str, float]:
        """All four, as of now."""
        if self.clocks is None:
            return dict(self.before)
        seconds, cpu_seconds = time.perf_counter() - self.clocks[0], time.process_time() - self.clocks[1]
        gone = {"seconds": self.before["seconds"] + seconds, "cpu_seconds": self.before["cpu_seconds"] + cpu_seconds}
        return self.before | gone


class State:
    """A run between two steps.

    Args:
        accelerator: of this worker.
        config: with the classes of the data.
        model: the detector that learns, in torchvision's convention; it is sent to the accelerator's device.
        data: what tells the data from others, kept with the state; see
            :meth:`Run.check_data <fcos_edu.training.runs.Run.check_data>`.

    Attributes:
        done: steps that are done.
        model: the detector.
        average: the moving average of its weights, if there is one.
        spent: what the run has cost.
        parts: in how many parts each pass is taken, because memory does not suffice for more.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        config: TrainConfig,
        model: nn.Module,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        self.accelerator, self.config, self.done, self.data = accelerator, config, 0, data
        self.model = shared_norms(accelerator, model).to(accelerator.device)
        self.learner = as_learner(self.model)
        self.average = WeightAverage(self.model, config.ema_decay) if config.ema_decay else None
        self.optimizer = make_optimizer(self.model, config)
        # Accelerate moves a prepared schedule once for each worker; this one counts steps, so it is not prepared.
        self.schedule = LambdaLR(self.optimizer, lambda step: learning_rate(step, config))
        self.watch = Watch(accelerator)
        self.spent = Spent(accelerator.num_processes)
        self.terms: tuple[str, ...] = ()  # names of the losses
        self.parts = 1
        self._in_step: tuple[nn.Module, Any] = (self.model, self.optimizer)
        self._bare: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext

    @property
    def result(self) -> nn.Module:
        """The detector that is saved and measured, with averaged weights if they are averaged."""
        return self.average.module if self.average else self.model

    # ------------------------------------------------------------------ steps
    @contextlib.contextmanager
    def in_training(self) -> Iterator[None]:
        """Steps are possible inside: Accelerate's mixed precision and exchange of gradients are around the model.

        Outside it is as it was: in float32, without a trace of them.
        """
        switched = self.learner.in_training(resize=not self.config.train_sizes, compiled=self.config.compile)
        with switched, prepared(self.accelerator, self.model, self.optimizer) as (model, optimizer, self._bare):
            self._in_step = model, optimizer
            model.train()
            self.spent.start()
            try:
                yield
            finally:
                self.spent.stop()

    @contextlib.contextmanager
    def at_rest(self) -> Iterator[None]:
        """Between two steps: inside, the model is as it will be after the run, and its clocks stand still.

        What is done there, in evaluation mode, changes nothing of the run: random numbers go on from where they were.
        """
        states = random_states()
        self.spent.stop()
        try:
            with self._bare():
                yield
        finally:
            set_random_states(states)
            self.spent.start()

    def batches(
        self,
        loader: Iterable[Batch],
        before_error: Callable[[], None],
        waiting: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
        enough: Callable[[], bool] = lambda: False,
    ) -> Iterator[list[Batch]]:
        """The passes of each step that is left, while this worker waits for them.

        Args:
            loader: from step ``done`` on.
            before_error: called when the data fail; not with several workers, of which the others would not call it.
            waiting: around each wait; what it may raise is a wait that is to end.
            enough: asked before each step, whether the run ends here.

        Raises:
            LoaderKilledError: the system has ended a loading process.
            CorruptImageError, OSError, ValueError: of the data.
        """
        left = iter(loader)
        for _ in range(self.done, self.config.iterations):
            if enough():
                return
            asked = time.perf_counter()
            try:
                with waiting():
                    passes = [whole(next(left)) for _ in range(self.config.accumulate)]
            except (CorruptImageError, OSError, ValueError, RuntimeError) as error:
                killed = killed_loader(error, self.done)
                if isinstance(error, RuntimeError) and not killed and not isinstance(error, CorruptImageError):
                    raise
                if self.accelerator.num_processes == 1:
                    before_error()
                if killed:
                    raise killed from error
                raise
            self.spent.waited += time.perf_counter() - asked
            self.spent.skipped += sum(batch.skipped for batch in passes)
            yield passes

    def step(self, passes: Sequence[Batch]) -> None:
        """One step of the optimizer. Nothing in it waits for the device."""
        model, optimizer = self._in_step
        passes = [send_to_device(batch, self.accelerator.device, non_blocking=True) for batch in passes]
        losses, notes = self._backward(model, passes)
        if self.config.clip_norm:
            self.accelerator.clip_grad_norm_(model.parameters(), self.config.clip_norm)
        optimizer.step()
        self.schedule.step()
        optimizer.zero_grad()
        if self.average:
            self.average.update(self.model)
        self.watch.add(losses, self.done, [i for batch in passes for i in batch.image_ids])
        for name, value in notes.items():
            self.watch.note(name, value)
        self.terms = tuple(losses)
        self.done += 1

    def _backward(self, model: nn.Module, passes: Sequence[Batch]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Losses and notes of a step; where memory does not suffice, of the same step in more passes."""
        while True:
            notes: dict[str, Tensor] = {}
            taken = list(passes)
            if self.parts > 1:
                taken = [part for batch in passes for part in parts_of(batch, self.learner, self.parts)]  # type: ignore[arg-type]
            try:
                return backward(self.accelerator, model, taken, notes), notes
            except (RuntimeError, MemoryError) as error:
                if exhausted(error) is None or not self._can_halve(passes):
                    raise
                told = f"out of {exhausted(error)} memory"
            # Here the error is gone, and with it what it held of the pass that failed.
            self.parts *= 2
            self.optimizer.zero_grad()
            if self.accelerator.device.type == "cuda":
                torch.cuda.empty_cache()
            warnings.warn(
                f"{told} with {counted(len(taken[0].images), 'images')} at once: from step {self.done} on the same "
                "batch is taken "
                f"in {counted(len(passes) * self.parts, 'passes')}, to the same losses",
                stacklevel=2,
            )

    def _can_halve(self, passes: Sequence[Batch]) -> bool:
        """Whether smaller passes would give the same losses, and there are any.

        Of several workers one alone could not: the others would wait for it, in passes that they do not have.

        Raises:
            OutOfMemoryError: not even a single image fits.
        """
        learnt = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)  # statistics of each pass
        if (
            self.accelerator.num_processes > 1
            or not isinstance(self.learner, Divisible)
            or any(isinstance(part, learnt) and part.training for part in self.model.modules())
        ):
            return False
        if self.parts >= max(len(batch.images) for batch in passes):
            if self.parts > 1:
                single = self.config.replace(accumulate=self.config.batch_size)
                raise OutOfMemoryError(f"out of memory {out_of_memory(single, 1)}")
            return False
        return True

    def report(self) -> dict[str, float]:
        """A line of the log: means since the last one over steps and workers, rate, and what the run has cost.

        Reads from the device, and waits for it. All workers call this in the same step.

        Raises:
            NonFiniteLossError: as :meth:`Watch.check <fcos_edu.training.watch.Watch.check>`.
        """
        means = self.watch.report()
        self.spent.add_up()
        cost = self.spent.total()
        entry: dict[str, float] = {"step": self.done, "loss": sum(means[name] for name in self.terms), **means}
        entry |= {"lr": float(self.schedule.get_last_lr()[0]), **cost, "waited_share": cost["waited"] / cost["seconds"]}
        return {name: round(float(value), 6) for name, value in entry.items()}

    def check(self) -> None:
        """Refuse a state that is worth nothing. All workers call this in the same step.

        Raises:
            NonFiniteLossError: a loss since the last report, or a weight that is saved, is not finite.
        """
        self.watch.check()
        for name, value in self.result.state_dict().items():  # a loss can be finite and its gradient not
            if not bool(value.isfinite().all()):
                raise NonFiniteLossError(
                    f"{name} was not finite after step {self.done}. A checkpoint saved before is kept"
                )

    # ------------------------------------------------------------------ to go on later
    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on to the same bits, as plain values. All workers call this in the same step."""
        scaler = self.accelerator.scaler
        self.spent.add_up()
        return {
            "step": self.done,
            "data": None if self.data is None else dict(self.data),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "ema": self.average.state_dict() if self.average else None,
            "scaler": scaler.state_dict() if scaler is not None else None,
            "workers": gather_object([{"random": random_states(), "watch": self.watch.state_dict()}]),
            "spent": self.spent.total(),
            "parts": self.parts,
        }

    def load_state_dict(self, saved: Mapping[str, Any], source: str | Path) -> None:
        """The inverse of :meth:`state_dict`; what the configuration says of rates and decay holds from here on.

        Args:
            saved: perhaps of another number of workers, another optimizer, or without an average.
            source: where it comes from, for the error.

        Raises:
            ConfigError: the state is of another network, or of other parameters of the optimizer.
        """
        self.done = saved["step"]
        try:
            self.model.load_state_dict(saved["model"])
            self._load_optimizer(saved["optimizer"])
        except (RuntimeError, ValueError) as error:  # of changes that were allowed
            told = " ".join(str(error).split()[:30])  # torch lists every tensor
            raise ConfigError(f"the checkpoint in {source} does not fit this configuration: {told}") from error
        self.schedule.load_state_dict(saved["schedule"] | {"base_lrs": self.schedule.base_lrs})
        if self.average:
            self.average.load_state_dict(saved["ema"] or {"model": saved["model"], "steps": 0})
        if self.accelerator.scaler is not None and saved["scaler"]:  # None: begun on hardware with bf16
            self.accelerator.scaler.load_state_dict(saved["scaler"])
        worker, workers = self.accelerator.process_index, self.accelerator.num_processes
        if worker < len(saved["workers"]):
            set_random_states(saved["workers"][worker]["random"])
        if workers == len(saved["workers"]):  # otherwise the next line of the log is of the steps from here
            self.watch.load_state_dict(saved["workers"][worker]["watch"])
        self.spent.before = dict(saved["spent"])
        self.parts = saved.get("parts", 1) if isinstance(self.learner, Divisible) else 1

    def _load_optimizer(self, saved: Mapping[str, Any]) -> None:
        """Momentum and the like of the checkpoint, if it was the same optimizer; all else of this configuration."""
        groups = []
        for own, old in zip(self.optimizer.param_groups, saved["param_groups"], strict=True):
            own["lr"] = own["initial_lr"] * learning_rate(self.done, self.config)
            groups.append(old | {name: value for name, value in own.items() if name != "params"})
        if ("betas" in self.optimizer.param_groups[0]) == ("betas" in saved["param_groups"][0]):  # AdamW or not, both
            self.optimizer.load_state_dict({**saved, "param_groups": groups})
