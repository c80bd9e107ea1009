"""Section 4's training as data: one frozen dataclass with everything that decides a run.

Taught in the chapter *Training*. Checked against: the paper's schedule.

The paper: SGD with momentum 0.9 and weight decay 1e-4, 90 K iterations of 16 images, learning rate 0.01 divided by 10
at 60 K and 80 K. The official recipe adds: warm-up over 500 iterations from a third, biases with twice the rate and no
decay. Those are the defaults of :class:`TrainConfig`; :mod:`~fcos_edu.training.recipes` has the others.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..config import Detector, FCOSConfig
from ..settings import ConfigError, check_choices, check_field_names


@dataclass(frozen=True)
class TrainConfig:
    """How to train. The defaults are the paper's, with the official code's warm-up and bias rule."""

    # -- data
    data: str = "shapes"  # a known name, a folder in COCO's or VOC's layout, or several joined by "+"
    split: str = "train"
    test_data: str = ""  # measured at the end; "" for the same as data
    test_split: str = "val"  # "" for no measurement
    start_from: str = ""  # fine-tune this detector: a checkpoint, shapes, bccd, or torchvision:COCO_V1

    # -- steps
    iterations: int = 90_000  # optimizer steps
    batch_size: int = 16  # images of one step: of all workers, and of all passes where gradients are accumulated
    accumulate: int = 1  # forward and backward passes of one step; 2 needs half the memory for the activations
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = 0.01  # for lr_batch_size images; the rate of a run scales with its batch (learning_rate)
    lr_batch_size: int = 16
    momentum: float = 0.9
    weight_decay: float = 1e-4
    bias_lr_factor: float = 2.0  # biases also have no decay
    schedule: Literal["steps", "cosine"] = "steps"  # steps: divided by 10 after 2/3 and 8/9, as 60 K and 80 K of 90 K
    warmup_iterations: int = 500
    warmup_factor: float = 1 / 3
    clip_norm: float = 35.0  # largest norm of the gradient; 0 for no clipping
    ema_decay: float = 0.0  # exponential moving average of the weights, which is then what is saved; 0 for none
    precision: Literal["auto", "no", "bf16", "fp16"] = "auto"  # auto: bf16 where the hardware has it, or fp16
    compile: bool = False  # torch.compile of backbone, pyramid, head and losses (FCOS.compile)

    # -- images
    augment: Literal["none", "flip", "strong"] = "flip"
    vertical_flip: float = 0.0  # probability; for photographs without an above and below
    zoom: tuple[float, ...] = ()  # smallest and largest random zoom; empty: none, or what augment says
    train_sizes: tuple[int, ...] = ()  # short sides to draw from; empty: the model's min_size
    group_aspect: bool = False  # wide images in one batch, high ones in another: less padding
    cache: bool = False  # keep resized images in memory: for small sets
    workers: int = 0  # processes of each worker that load images
    on_corrupt: Literal["error", "skip"] = "error"

    # -- the run
    seed: int = 0
    log_every: int = 20
    save_every: int = 1000
    keep_checkpoints: int = 2  # the newest ones

    # -- the detector
    detector: Detector = "fcos"  # or one of torchvision's, with the backbone and thresholds of model
    model: FCOSConfig = field(default_factory=FCOSConfig.improved)

    def __post_init__(self) -> None:
        for name in ("train_sizes", "zoom"):
            value = getattr(self, name)
            kinds = (int,) if name == "train_sizes" else (int, float)
            if not isinstance(value, (list, tuple)) or not all(isinstance(v, kinds) and v > 0 for v in value):
                raise ConfigError(f"{name} is {value!r}; it must be a tuple of positive numbers (sizes: whole ones)")
            object.__setattr__(self, name, tuple(value))
        if not isinstance(self.model, FCOSConfig):
            raise ConfigError(f"model is {self.model!r}; it must be an FCOSConfig (its fields are set as model.NAME)")
        check_choices(self)
        for name in (
            "iterations",
            "batch_size",
            "accumulate",
            "lr_batch_size",
            "log_every",
            "save_every",
            "keep_checkpoints",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.batch_size % self.accumulate:
            raise ConfigError(
                f"accumulate is {self.accumulate}, which does not divide batch_size {self.batch_size}: "
                "each pass must have the same number of images"
            )
        if self.lr <= 0:
            raise ConfigError(f"lr is {self.lr}; it must be above 0")
        if len(self.zoom) not in (0, 2):
            raise ConfigError(f"zoom is {self.zoom}; it must be (smallest, largest), or empty")
        for name in ("train_sizes", "compile", "start_from"):
            if getattr(self, name) and self.detector != "fcos":
                raise ConfigError(f"{name} is {getattr(self, name)!r}, but {self.detector} cannot have it: only fcos")
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"ema_decay is {self.ema_decay}; it must lie in [0, 1)")

    @property
    def learning_rate(self) -> float:
        """The rate once warm-up is over, ``lr`` times ``batch_size / lr_batch_size`` (linear scaling)."""
        return self.lr * self.batch_size / self.lr_batch_size

    def replace(self, **changes: Any) -> TrainConfig:
        """A copy with some fields changed; ``model.NAME`` reaches into the model's configuration."""
        inner = {name[6:]: value for name, value in changes.items() if name.startswith("model.")}
        outer = {name: value for name, value in changes.items() if not name.startswith("model.")}
        check_field_names(type(self), outer)
        if inner:
            outer["model"] = outer.get("model", self.model).replace(**inner)
        return dataclasses.replace(self, **outer)

    def fine_tune(self, source: str | Path, *, keep_sizes: bool = False) -> TrainConfig:
        """A copy that starts from the detector ``source`` and has its network, thresholds and sizes of images.

        The classes are the new data's.

        Args:
            source: a checkpoint of FCOS, ``shapes`` or ``bccd`` for the ones that come with the package, or
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
            model = weights.load(weights.packaged(name) if name in weights.PACKAGED else name).config
        if keep_sizes or self.train_sizes:
            model = model.replace(min_size=self.model.min_size, max_size=self.model.max_size)
        return self.replace(start_from=name, model=model)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        plain = {"train_sizes": list(self.train_sizes), "zoom": list(self.zoom), "model": self.model.to_dict()}
        return values | plain


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The fields in which two configurations (:meth:`TrainConfig.to_dict`) differ, each with both values.

    The classes are left out: a run takes them from its data.
    """
    flat = []
    for one in (before, now):
        plain = json.loads(json.dumps(one))
        model = {f"model.{name}": value for name, value in plain.pop("model").items()}
        flat.append({k: v for k, v in (plain | model).items() if k not in ("model.class_names", "model.num_classes")})
    names = dict.fromkeys([*flat[1], *flat[0]])
    return [
        f"{name} was {flat[0].get(name)!r} and is {flat[1].get(name)!r}"
        for name in names
        if flat[0].get(name) != flat[1].get(name)
    ]
