"""Section 4's training as data: one frozen dataclass with everything that decides a run.

Taught in the chapter *Training*. Checked against: the paper's schedule.

The paper: SGD with momentum 0.9 and weight decay 1e-4, 90 K iterations of 16 images, learning rate 0.01 divided by 10
at 60 K and 80 K. The official recipe adds: warm-up over 500 iterations from a third, biases with twice the rate and no
decay. Those are the defaults of :class:`TrainConfig`; :mod:`~fcos_edu.training.recipes` has the others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from ..config import Detector, FCOSConfig
from ..settings import (
    BelowOne,
    ConfigError,
    Count,
    Message,
    NotNegative,
    Positive,
    Range,
    Settings,
    Share,
    from_json,
    setting,
    to_json,
)
from ..text import counted

BatchSize = Annotated[int, Range(1, 65_536)]
Factor = Annotated[float, Range(0, 1e6)]  # infinity is none
TRACKERS = ("csv", "tensorboard")  # what :mod:`fcos_edu.training.tracking` can write, beside the log


@dataclass(frozen=True)
class TrainConfig(Settings):
    """How to train. The defaults are the paper's, with the official code's warm-up and bias rule."""

    # -- data
    data: str = "shapes"  # a known name, a folder of labelled pictures, or several joined by "+"
    split: str = "train"
    test_data: str = ""  # measured at the end; "" for the same as data
    test_split: str = "val"  # "" for no measurement
    start_from: str = ""  # fine-tune this detector: a checkpoint, a packaged one, or torchvision:COCO_V1

    # -- steps
    iterations: Count = 90_000  # optimizer steps
    batch_size: BatchSize = 16  # images of one step: of all workers, and of all passes where gradients are accumulated
    accumulate: BatchSize = 1  # forward and backward passes of one step; 2 needs half the memory for the activations
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: Annotated[float, Range(0, 1e6, open_low=True)] = (
        0.01  # for lr_batch_size images; the rate of a run scales with its batch (learning_rate)
    )
    lr_batch_size: Count = 16
    momentum: BelowOne = 0.9
    weight_decay: Factor = 1e-4
    bias_lr_factor: Factor = 2.0  # biases also have no decay
    schedule: Literal["steps", "cosine"] = "steps"  # steps: divided by 10 after 2/3 and 8/9, as 60 K and 80 K of 90 K
    warmup_iterations: Annotated[int, Range(0)] = 500
    warmup_factor: Share = 1 / 3
    clip_norm: NotNegative = 35.0  # largest norm of the gradient; 0 for no clipping
    ema_decay: BelowOne = 0.0  # exponential moving average of the weights, which is then what is saved; 0 for none
    precision: Literal["auto", "no", "bf16", "fp16"] = "auto"  # auto: bf16 where the hardware has it, or fp16
    compile: bool = False  # torch.compile of backbone, pyramid, head and losses (FCOS.compile)

    # -- images
    augment: Literal["none", "flip", "strong", "jitter"] = "flip"
    vertical_flip: Share = 0.0  # probability; for photographs without an above and below
    zoom: tuple[Positive, ...] = ()  # smallest and largest random zoom; empty: none, or what augment says
    train_sizes: tuple[
        Annotated[int, Range(1, 16_384)], ...
    ] = ()  # short sides to draw from; empty: the model's min_size
    group_aspect: bool = False  # wide images in one batch, high ones in another: less padding
    cache: bool = False  # keep resized images in memory: for small sets
    workers: Annotated[int, Range(0, 256)] = 0  # processes of each worker that load images
    on_corrupt: Literal["error", "skip"] = "error"
    keep_empty: bool = False  # train on images without a usable box too, as background
    orientation: Literal["auto", "stored", "upright"] = "auto"  # of photographs, by EXIF; see data.FileDataset
    max_pixels: Count = 89_000_000  # of a picture; larger ones are refused
    allow_outside: bool = False  # read pictures that lie outside of the data set's folder, as its annotations say

    # -- the run
    seed: Annotated[int, Range(0, 2**32 - 1)] = 0  # NumPy takes no other
    log_every: Count = 20
    save_every: Count = 1000
    keep_checkpoints: Count = 2  # the newest ones
    measure_every: Annotated[int, Range(0)] = 0  # steps between measurements of the test split; 0: at the end alone
    patience: Annotated[int, Range(0)] = 0  # measurements without a better AP after which the run ends; 0: none

    # -- the detector
    detector: Detector = "fcos"  # or one of torchvision's, with the backbone and thresholds of model
    model: FCOSConfig = field(default_factory=FCOSConfig.improved)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size % self.accumulate:
            raise ConfigError(
                Message(
                    f"{setting('accumulate')} is {self.accumulate}, which does not divide {setting('batch_size')} "
                    f"{self.batch_size}: each pass must have the same number of images"
                )
            )
        if len(self.zoom) not in (0, 2) or list(self.zoom) != sorted(self.zoom) or any(z > 100 for z in self.zoom):
            raise ConfigError(f"zoom is {self.zoom}; it must be (smallest, largest), neither above 100, or empty")
        for name in ("train_sizes", "compile", "start_from"):
            if getattr(self, name) and self.detector != "fcos":
                raise ConfigError(f"{name} is {getattr(self, name)!r}, but {self.detector} cannot have it: only fcos")

    @property
    def learning_rate(self) -> float:
        """The rate once warm-up is over, ``lr`` times ``batch_size / lr_batch_size`` (linear scaling)."""
        return self.lr * self.batch_size / self.lr_batch_size

    def for_epochs(self, epochs: float, images: int) -> TrainConfig:
        """A copy with as many steps as it takes to see ``images`` images ``epochs`` times, the last one whole.

        Warm-up takes a tenth of them at most.
        """
        steps = max(1, math.ceil(epochs * images / self.batch_size))
        return self.replace(iterations=steps, warmup_iterations=min(self.warmup_iterations, steps // 10))

    def length(self, images: int) -> str:
        """How long the run is with so many images, in words."""
        epochs = self.iterations * self.batch_size / images
        told = f"{epochs:,.0f}" if epochs >= 10 else f"{epochs:.2g}"
        return (
            f"{counted(f'{images:,}', 'images')}, {counted(f'{self.iterations:,}', 'steps')} of {self.batch_size} = "
            f"{counted(told, 'epochs')}"
        )

    @property
    def reading(self) -> dict[str, Any]:
        """How pictures are read, as arguments of :func:`fcos_edu.data.loading.load`."""
        return {name: getattr(self, name) for name in ("on_corrupt", "orientation", "max_pixels", "allow_outside")}

    def fine_tune(self, source: str | Path, *, keep_sizes: bool = False) -> TrainConfig:
        """A copy that starts from the detector ``source`` and has its network, thresholds and sizes of images.

        The classes are the new data's.

        Args:
            source: a checkpoint of FCOS, ``shapes``, ``bccd`` or ``people`` for the ones that come with the package, or
                ``torchvision:COCO_V1``, of which nothing is fetched yet.
            keep_sizes: the sizes of images stay those of this configuration, as they always do where ``train_sizes``
                are drawn.

        Raises:
            FileNotFoundError, CheckpointError: as :func:`fcos_edu.weights.load`.
        """
        from .. import weights  # torch, which a configuration needs for nothing else

        name = str(source)
        if name.startswith("torchvision:"):
            model = FCOSConfig.torchvision()
        else:
            checkpoint = weights.load(weights.packaged(name) if name in weights.PACKAGED else name)
            if checkpoint.about.get("detector") == "custom":
                raise weights.CheckpointError(
                    f"{source} holds a detector of somebody's own, whose network is not known"
                )
            model = checkpoint.config
        if keep_sizes or self.train_sizes:
            model = model.replace(min_size=self.model.min_size, max_size=self.model.max_size)
        return self.replace(start_from=name, model=model)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The fields in which two configurations, as dicts (``TrainConfig.to_dict``), differ, each with both values.

    The classes are left out: a run takes them from its data. A field that an older version did not write has its
    default.
    """
    flat = []
    defaults = TrainConfig(model=FCOSConfig()).to_dict()
    for one in (before, now):
        if one.keys() <= defaults.keys():
            one = {**defaults, **one, "model": {**defaults["model"], **one.get("model", {})}}
        plain = to_json(from_json(json.loads(json.dumps(one))))  # infinity in one form
        model = {f"model.{name}": value for name, value in plain.pop("model").items()}
        flat.append({k: v for k, v in (plain | model).items() if k not in ("model.class_names", "model.num_classes")})
    names = dict.fromkeys([*flat[1], *flat[0]])
    return [
        f"{name} was {flat[0].get(name)!r} and is {flat[1].get(name)!r}"
        for name in names
        if flat[0].get(name) != flat[1].get(name)
    ]
