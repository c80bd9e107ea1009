"""AP while a run goes on: its best weights so far, when to stop early, and pictures of the same images each time.

Taught in the chapter *Training*. Checked against: runs that measure against runs that do not, which must have the same
weights, and runs that were killed while they measured.

When to measure follows from the configuration alone, never from a clock: the best weights would else depend on how fast
a machine is. Nothing of a run changes by it: the model is measured as it will be when the run is over, and all
generators of random numbers go on from where they were.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ..atomic import atomic_write
from ..data import DetectionDataset
from ..evaluation.coco_ap import METRICS, each_batch
from ..settings import ConfigError, Message, setting
from ..text import counted
from .config import TrainConfig
from .runs import Run
from .signals import StopRequest
from .state import State
from .workers import evaluate_shared, explained

_PICTURES = 6  # images that are drawn each time
_SIDE = 320  # pixels of their longer side
_SURE = 0.3  # the score of a detection that is drawn
_NO_ROOM = (
    "while detecting, on the way: the state is saved. Resume the run with more memory, or measure at its end alone "
    "(--measure-every 0 --allow-changes)"
)


class Measurements:
    """What a run has measured on its way, every ``measure_every`` steps and after the last one.

    A measurement that a stop or a kill has cut off is made up for when the run goes on (:meth:`take` before its first
    step), from the checkpoint that was saved before it.

    Args:
        run: keeps ``measured.json``, ``best.safetensors`` and ``pictures/``.
        state: what is measured.
        test: what on; None measures nothing.
        stop: what may ask the run to stop.
        keep: writes the weights of now to ``run.best``; called in the main process.
        tell: gets a line for people; called in the main process.
        track: gets what was measured, for other programs; called in the main process.

    Raises:
        ConfigError: ``measured.json`` is none of a run's.
    """

    def __init__(
        self,
        run: Run,
        state: State,
        test: DetectionDataset | None,
        stop: StopRequest,
        *,
        keep: Callable[[], None],
        tell: Callable[[str], None],
        track: Callable[[dict[str, Any]], None],
    ) -> None:
        self.run, self.state, self.test = run, state, test
        self.stop, self.keep, self.tell, self.track = stop, keep, tell, track
        self.main = state.accelerator.is_main_process
        self.entries = [entry for entry in run.measurements() if entry["step"] <= state.done]
        self.held = run.step_of_best()  # the step of the weights that are kept
        if self.held not in {entry["step"] for entry in self.entries}:  # they will be made again, or never
            self.held = None
            if self.main:
                run.best.unlink(missing_ok=True)
        self._keep_if_best()

    @property
    def due(self) -> bool:
        """Whether the state of now is to be measured, and is not yet."""
        every, done = self.state.config.measure_every, self.state.done
        if not done or self.test is None or any(entry["step"] == done for entry in self.entries):
            return False
        last = done == self.state.config.iterations and bool(every or self.entries)
        return last or (bool(every) and done % every == 0)

    def take(self) -> None:
        """Measure if it is due; all workers call this in the same step, whose state is saved.

        Raises:
            OutOfMemoryError: of the GPU; says how to go on.
        """
        if not self.due or self.stop.agreed():
            return
        assert self.test is not None
        began = time.perf_counter()
        with self.state.at_rest(), explained(_NO_ROOM), self.stop.pausing():
            metrics = evaluate_shared(self.state.accelerator, self.state.result, self.test, progress=False)
            if self.main:
                self._draw(self.state.result)
        entry = {"step": self.state.done, **metrics, "seconds": round(time.perf_counter() - began, 1)}
        self.entries.append(entry)
        if self.main:
            self.run.require()
            self.track(entry)  # before it is noted: what a kill cuts off here is measured, and told, once more
            self.run.write_measurements(self.entries)
        best = self._keep_if_best()
        if self.main:
            told = f"step {entry['step']:,}: AP {_percent(metrics['AP'])}, AP50 {_percent(metrics['AP50'])}"
            self.tell(f"{told}{', the best so far' if best else ''}")

    def enough(self) -> bool:
        """Whether the last ``patience`` measurements were no better than one before, which is told then.

        At AP 0 nothing is awaited yet.
        """
        patience, values = self.state.config.patience, [entry["AP"] or 0.0 for entry in self.entries]
        if not patience or not any(values):
            return False
        best = values.index(max(values))
        waited = len(values) - 1 - best
        if waited < patience:
            return False
        if self.main:
            self.tell(
                f"ended early, after step {self.state.done:,} of {self.state.config.iterations:,}: no better AP in "
                f"{counted(waited, 'measurements')} since step {self.entries[best]['step']:,}"
            )
        return True

    def best(self) -> dict[str, Any] | None:
        """The measurement of the weights that are kept; None where nothing was measured."""
        return next((entry for entry in self.entries if entry["step"] == self.held), None)

    def _keep_if_best(self) -> bool:
        """Keep the weights of now if they are the best so far. Not older ones: those are kept, or gone."""
        last, best = self.entries[-1] if self.entries else None, self.best()
        if last is None or last["step"] != self.state.done or last is best:
            return False
        if best is not None and (last["AP"] or 0.0) <= (best["AP"] or 0.0):
            return False
        if self.main:
            self.keep()
        self.held = last["step"]
        return True

    def _draw(self, model: nn.Module) -> None:
        """A picture of what is found in the same few images; where it cannot be made, a warning says why."""
        try:
            picture = mosaic(model, self.test)  # type: ignore[arg-type]
            path = self.run.picture(self.state.done)
            path.parent.mkdir(exist_ok=True)
            atomic_write(path, lambda temporary: picture.save(temporary, "JPEG", quality=85))
        except Exception as error:  # the run is whole without it
            warnings.warn(f"the detections of step {self.state.done} could not be drawn ({error})", stacklevel=2)


def check_patience(config: TrainConfig) -> None:
    """Refuse to wait for what is never measured.

    Raises:
        ConfigError: ``patience`` without ``measure_every`` or without a split to measure.
    """
    if config.patience and not (config.measure_every and config.test_split):
        raise ConfigError(
            Message(
                f"{setting('patience')} is {config.patience}, but nothing is measured on the way: set "
                f"{setting('measure_every')} and {setting('test_split')}"
            )
        )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def twelve(entry: Mapping[str, Any]) -> dict[str, float | None]:
    """COCO's numbers of a measurement alone."""
    return {name: entry[name] for name in METRICS}


def mosaic(model: nn.Module, dataset: DetectionDataset, count: int = _PICTURES) -> Image.Image:
    """A few images of a data set, always the same: above with the true boxes, below with what a model finds.

    Args:
        model: any detector in torchvision's convention.
        dataset: images of any size.
        count: how many, spread over the data set.
    """
    chosen = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int).tolist()
    columns: list[tuple[Image.Image, Image.Image]] = []

    def step(images: list[Tensor], targets: list[dict[str, Any]]) -> None:
        for image, target, found in zip(images, targets, model(images), strict=True):
            sure = found["scores"] > _SURE
            kept = {name: found[name][sure] for name in ("boxes", "scores", "labels")}
            columns.append((_small(image, target, dataset.classes), _small(image, kept, dataset.classes)))

    each_batch(step, model, dataset, batch_size=1, indices=chosen, progress=False)
    if not columns:
        raise ValueError("none of the images can be read")
    width = sum(above.width for above, _ in columns)
    height = max(above.height for above, _ in columns)
    sheet = Image.new("RGB", (width, 2 * height), "white")
    left = 0
    for above, below in columns:
        sheet.paste(above, (left, 0))
        sheet.paste(below, (left, height))
        left += above.width
    return sheet


def _small(image: Tensor, boxes: dict[str, Tensor], names: Sequence[str]) -> Image.Image:
    """The image with its boxes, as large as a glance needs."""
    height, width = image.shape[-2:]
    scale = min(1.0, _SIDE / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small = torch.nn.functional.interpolate(image[None].float().cpu(), size=size, mode="bilinear", antialias=True)[0]
    from .. import drawing  # matplotlib's font, only where a picture is drawn

    plain = {name: value.cpu() for name, value in boxes.items() if isinstance(value, Tensor)}
    plain["boxes"] = plain["boxes"].as_subclass(Tensor) * scale
    drawn = drawing.draw_detections(small.clamp(0, 1), plain, names)
    return Image.fromarray(drawn.permute(1, 2, 0).numpy())
