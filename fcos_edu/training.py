"""Section 4's training, on Hugging Face Accelerate: one loop that reads from top to bottom.

Taught in the chapter *A detector from end to end*. Checked against: overfitting, the recorded runs in ``results/``.

The paper: SGD with momentum 0.9 and weight decay 1e-4, 90 K iterations of 16 images, learning rate 0.01 divided by 10
at 60 K and 80 K. The official recipe adds: warm-up over 500 iterations from a third, biases with twice the rate and no
decay. Those are the defaults of :class:`TrainConfig`; ``RECIPES`` has others for data that a CPU can learn.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from . import data, detectors
from .config import ConfigError, FCOSConfig, check_choices, check_field_names
from .detectors import Detector
from .evaluation import evaluate, metrics_table
from .images import check_images, check_targets
from .model import FCOS
from .weights import atomic_write


class NonFiniteLossError(RuntimeError):
    """A loss became NaN or infinite; the message names the term and the step."""


@dataclass(frozen=True)
class TrainConfig:
    """How to train. The defaults are the paper's, with the official code's warm-up and bias rule."""

    data: str = "shapes"  # a known name, or a folder in COCO's or VOC's layout
    split: str = "train"
    test_split: str = "val"  # measured at the end; "" for no measurement
    iterations: int = 90_000
    batch_size: int = 16  # of each worker
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 1e-4
    bias_lr_factor: float = 2.0  # biases also have no decay
    schedule: Literal["steps", "cosine"] = "steps"  # steps: divided by 10 after 2/3 and 8/9, as 60 K and 80 K of 90 K
    warmup_iterations: int = 500
    warmup_factor: float = 1 / 3
    clip_norm: float = 35.0  # largest norm of the gradient; 0 for no clipping
    ema_decay: float = 0.0  # exponential moving average of the weights, which is then what is saved; 0 for none
    precision: Literal["auto", "no", "bf16", "fp16"] = "auto"  # auto: bf16 where the hardware has it, or fp16
    augment: Literal["none", "flip", "strong"] = "flip"
    vertical_flip: float = 0.0  # probability; for photographs without an above and below
    zoom: tuple[float, ...] = ()  # smallest and largest random zoom; empty: none, or what augment says
    train_sizes: tuple[int, ...] = ()  # short sides to draw from; empty: the model's min_size
    cache: bool = False  # keep resized images in memory: for small sets
    workers: int = 0  # processes that load images
    on_corrupt: Literal["error", "skip"] = "error"
    seed: int = 0
    detector: Detector = "fcos"  # or one of torchvision's, with the backbone and thresholds of model
    log_every: int = 20
    save_every: int = 1000
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
        for name in ("iterations", "batch_size", "log_every", "save_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.lr <= 0:
            raise ConfigError(f"lr is {self.lr}; it must be above 0")
        if len(self.zoom) not in (0, 2):
            raise ConfigError(f"zoom is {self.zoom}; it must be (smallest, largest), or empty")
        if self.train_sizes and self.detector != "fcos":
            raise ConfigError(
                f"train_sizes is {self.train_sizes}, but {self.detector} resizes images itself: leave it ()"
            )
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"ema_decay is {self.ema_decay}; it must lie in [0, 1)")

    def replace(self, **changes: Any) -> TrainConfig:
        """A copy with some fields changed; ``model.NAME`` reaches into the model's configuration."""
        inner = {name[6:]: value for name, value in changes.items() if name.startswith("model.")}
        outer = {name: value for name, value in changes.items() if not name.startswith("model.")}
        check_field_names(type(self), outer)
        if inner:
            outer["model"] = outer.get("model", self.model).replace(**inner)
        return dataclasses.replace(self, **outer)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        plain = {"train_sizes": list(self.train_sizes), "zoom": list(self.zoom), "model": self.model.to_dict()}
        return values | plain


# Data, not code: what differs from the paper's schedule, for sets that two CPU cores can learn.
_CPU = TrainConfig(
    optimizer="adamw",
    lr=0.002,
    weight_decay=0.02,
    bias_lr_factor=1.0,
    schedule="cosine",
    warmup_iterations=100,
    warmup_factor=0.1,
    clip_norm=10.0,
    batch_size=8,
    ema_decay=0.995,
    cache=True,
    save_every=200,
    model=FCOSConfig.tiny(),
)

RECIPES: dict[str, TrainConfig] = {
    "shapes": _CPU.replace(
        data="shapes",
        iterations=1250,
        lr=0.004,
        vertical_flip=0.0,
        model=FCOSConfig.tiny(
            num_classes=5, min_size=256, max_size=256, level_bounds=(0.0, 64.0, 128.0, 256.0, 512.0, math.inf)
        ),
    ),
    "bccd": _CPU.replace(
        data="bccd",
        split="train+val",
        test_split="test",
        iterations=3000,
        vertical_flip=0.5,
        zoom=(0.8, 1.25),
        ema_decay=0.998,
        model=FCOSConfig.tiny(num_classes=3),
    ),
}


def learning_rate(step: int, config: TrainConfig) -> float:
    """The factor on ``lr`` in step 0, 1, ...: linear warm-up, then steps or a cosine."""
    warm = 1.0
    if step < config.warmup_iterations:
        progress = step / config.warmup_iterations
        warm = config.warmup_factor * (1 - progress) + progress
    if config.schedule == "cosine":
        return warm * 0.5 * (1 + math.cos(math.pi * step / config.iterations))
    return warm * 0.1 ** sum(step >= config.iterations * share for share in (2 / 3, 8 / 9))


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """SGD or AdamW over the parameters that are not frozen; biases have ``bias_lr_factor`` and no decay."""
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for n, p in named if not n.endswith("bias")], "weight_decay": config.weight_decay},
        {
            "params": [p for n, p in named if n.endswith("bias")],
            "weight_decay": 0.0,
            "lr": config.lr * config.bias_lr_factor,
        },
    ]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr)
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)


def make_dataset(config: TrainConfig) -> data.DetectionDataset:
    """The training set with its transforms; resized images stay in memory where ``cache`` says so."""
    sizes = config.train_sizes or (config.model.min_size,)
    transforms = data.transforms.train_transforms(
        None if config.cache and len(sizes) == 1 else sizes,
        config.model.max_size,
        augment=config.augment,
        vertical_flip=config.vertical_flip,
        scale=(config.zoom[0], config.zoom[1]) if config.zoom else None,
    )
    dataset = data.load(config.data, config.split, on_corrupt=config.on_corrupt)
    if config.cache:
        prepare = data.transforms.resize(max(sizes), config.model.max_size)
        return data.cached(dataset, prepare=prepare, transforms=transforms)
    dataset.transforms = transforms
    return dataset


Batch = tuple[list[Tensor], list[dict[str, Tensor]], int]


class CheckedCollate:
    """Samples to a batch, checked on the host, where reading values waits for no GPU.

    Returns images, targets, and how many corrupt images were skipped.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes

    def __call__(self, samples: list[Any]) -> Batch:
        """Raises ValueError for what :func:`check_images` and :func:`check_targets` refuse."""
        images, targets = data.collate(samples)
        if images:
            check_images(images)
            check_targets(images, targets, self.num_classes)
        return images, targets, len(samples) - len(images)


def batches(loader: DataLoader[Any]) -> Iterator[Batch]:
    """Epoch after epoch, without end; batches whose images were all corrupt are left out, but counted."""
    lost = 0
    while True:
        some = False
        for images, targets, skipped in loader:
            lost += skipped
            if images:
                some = True
                yield images, targets, lost
                lost = 0
        if not some:
            raise ValueError("the training set gives no image that can be read")


class WeightAverage:
    """Exponential moving average of a model's weights and statistics, in ``module``.

    The memory is shorter in the first steps, so that the random start is soon forgotten. Not torch's ``AveragedModel``:
    with a decay that depends on the step it reads its counter back from the device for each tensor.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(model)
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights after one more step; the first are taken as they are."""
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps)) if self.steps else 0.0
        for average, current in zip(self.module.state_dict().values(), model.state_dict().values(), strict=True):
            if average.is_floating_point():
                average.lerp_(current, 1 - keep)
            else:  # counters of batch norm
                average.copy_(current)
        self.steps += 1


class Watch:
    """Sums of the loss terms since the last report, and the first step at which one was not finite.

    All on the device: nothing waits for it until :meth:`report`.
    """

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.bad: dict[str, Tensor] = {}
        self.count = 0

    def add(self, losses: dict[str, Tensor], step: int) -> None:
        """Take in the losses of one step."""
        self.count += 1
        for name, loss in losses.items():
            loss = loss.detach().float()
            self.sums[name] = self.sums.get(name, torch.zeros_like(loss)) + loss
            bad = self.bad.get(name, torch.full_like(loss, math.inf))
            self.bad[name] = torch.where(loss.isfinite(), bad, bad.clamp(max=step))

    def note(self, name: str, value: Tensor) -> None:
        """Take in something else of the same step, to be averaged and printed beside the losses."""
        self.sums[name] = self.sums.get(name, torch.zeros_like(value)) + value

    def report(self) -> dict[str, float]:
        """Means since the last report.

        Raises:
            NonFiniteLossError: a term was NaN or infinite in one of those steps.
        """
        for name, step in self.bad.items():
            if math.isfinite(float(step)):
                raise NonFiniteLossError(
                    f"the {name} loss was not finite at step {int(step)}. A checkpoint saved before it is kept. "
                    "Lower lr, lengthen warmup_iterations, or lower clip_norm"
                )
        means = {name: float(total) / max(self.count, 1) for name, total in self.sums.items()}
        self.sums, self.count = {}, 0
        return means


def train(
    config: TrainConfig, folder: str | Path, *, model: nn.Module | None = None, progress: bool = True
) -> dict[str, Any]:
    """Train, and leave in ``folder``: config.json, log.jsonl, model.safetensors, curves.png, and metrics.json.

    Ctrl-C, or an error of the data, saves the model as it is and is raised again.

    Args:
        config: everything that decides the run.
        folder: made if needed.
        model: what to train; None makes ``config.detector``. Any detector in torchvision's convention will do whose
            labels are 0..C-1, the data set's classes; its checkpoint holds weights alone, for ``load_state_dict``.
        progress: show bars and the table of figures.

    Returns:
        ``seconds`` of training, ``cpu_seconds`` of all its threads and, with a ``test_split``, COCO's twelve numbers (EMA weights if there are any).

    Raises:
        FileExistsError: ``folder`` holds a run already.
        NonFiniteLossError: with the term and the step; the last good checkpoint is kept.
        CorruptImageError: with the file, unless ``on_corrupt="skip"``.
    """
    folder = Path(folder)
    if (folder / "log.jsonl").exists():
        raise FileExistsError(f"{folder} holds a run already: choose another folder, or delete that one")

    AcceleratorState._reset_state()  # a notebook may train twice in one process, with another precision
    # Without CUDA on the CPU: other devices lack the float64 that areas and NMS are computed in.
    accelerator = Accelerator(mixed_precision=pick_precision(config.precision), cpu=not torch.cuda.is_available())
    set_seed(config.seed)
    dataset = make_dataset(config)
    test = None
    if config.test_split:  # opened now, so that a missing split does not come to light after hours of training
        evaluation = data.transforms.eval_transforms()
        test = data.load(config.data, config.test_split, transforms=evaluation, on_corrupt=config.on_corrupt)
        if tuple(test.classes) != tuple(dataset.classes):
            raise ValueError(
                f"{config.test_split} of {config.data} has the classes {', '.join(test.classes)}, but {config.split} "
                f"has {', '.join(dataset.classes)}"
            )
    model_config = config.model.replace(class_names=dataset.classes, num_classes=len(dataset.classes))
    config = config.replace(model=model_config)
    kind = "custom" if model is not None else config.detector
    plain = model if model is not None else detectors.build(config.detector, config.model)
    if isinstance(plain, FCOS):
        plain.check_inputs = False  # CheckedCollate does
        plain.batcher.resize_in_training = not config.train_sizes  # otherwise the data set has drawn a size
    loader = DataLoader(
        dataset, config.batch_size, shuffle=True, drop_last=len(dataset) >= config.batch_size,
        num_workers=config.workers, persistent_workers=config.workers > 0, pin_memory=torch.cuda.is_available(),
        collate_fn=CheckedCollate(config.model.num_classes),
    )  # fmt: skip
    optimizer = make_optimizer(plain, config)
    # Accelerate moves a prepared schedule once for each worker; this one counts steps, so it is not prepared.
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate(step, config))
    model, prepared_optimizer, loader = accelerator.prepare(plain, optimizer, loader)
    assert model is not None
    ema = WeightAverage(plain, config.ema_decay) if config.ema_decay else None
    best = ema.module if ema else plain
    main = accelerator.is_main_process
    if main:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / "config.json", lambda path: path.write_text(json.dumps(config.to_dict(), indent=1)))

    def save(step: int) -> None:
        # A loss can be finite and its gradient not.
        for name, value in best.state_dict().items():
            if not bool(value.isfinite().all()):
                raise NonFiniteLossError(f"{name} was not finite after step {step}. A checkpoint saved before is kept")
        if main:
            about = dict(step=step, iterations=config.iterations, data=config.data)
            detectors.save(best, folder / "model.safetensors", kind, config.model, **about)

    def draw_curves() -> None:
        if main and (folder / "log.jsonl").stat().st_size:
            from .figures import training_curves  # matplotlib only where a picture is drawn

            training_curves(folder / "log.jsonl").savefig(folder / "curves.png", dpi=120)

    model.train()
    watch, waited, skipped, step = Watch(), 0.0, 0, 0
    started, cpu_started = time.perf_counter(), time.process_time()
    stream = batches(loader)
    bar = tqdm(total=config.iterations, desc="train", unit="step", disable=not (progress and main))
    try:
        with open(folder / "log.jsonl" if main else os.devnull, "a") as log:
            for step in range(config.iterations):
                asked = time.perf_counter()
                images, targets, unreadable = next(stream)
                skipped += unreadable
                waited += time.perf_counter() - asked

                losses = model(images, targets)
                accelerator.backward(torch.stack(list(losses.values())).sum())
                if config.clip_norm:
                    accelerator.clip_grad_norm_(model.parameters(), config.clip_norm)
                prepared_optimizer.step()
                schedule.step()
                prepared_optimizer.zero_grad()
                if ema:
                    ema.update(plain)
                watch.add(losses, step)
                if isinstance(plain, FCOS) and plain.centerness_floor is not None:
                    watch.note("centerness_floor", plain.centerness_floor)
                bar.update()

                if (step + 1) % config.log_every == 0 or step + 1 == config.iterations:
                    means = watch.report()
                    total = sum(means[name] for name in losses)
                    entry = {"step": step + 1, "loss": total, **means, "lr": schedule.get_last_lr()[0]}
                    entry |= {"seconds": time.perf_counter() - started, "waited": waited, "skipped": skipped}
                    log.write(json.dumps({k: round(float(v), 6) for k, v in entry.items()}) + "\n")
                    log.flush()
                    bar.set_postfix(loss=f"{total:.3f}")
                    if (step + 1) % config.save_every < config.log_every:
                        save(step + 1)
    except (KeyboardInterrupt, data.CorruptImageError, OSError, ValueError):
        watch.report()  # weights after a loss that was not finite are worth nothing: keep the older checkpoint
        save(step)
        draw_curves()
        raise
    finally:
        bar.close()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    save(config.iterations)

    # Beside the clock's time the processor's, of all threads: on a machine that does other work too it says more.
    outcome: dict[str, Any] = {"seconds": round(seconds, 1), "cpu_seconds": round(cpu_seconds, 1)}
    outcome["iterations"] = config.iterations
    draw_curves()
    if main and test is not None:
        if isinstance(best, FCOS):
            best.check_inputs = True
        metrics = evaluate(best, test, progress=progress)
        outcome |= {"split": config.test_split, "images": len(test), **metrics}
        if progress:
            print(metrics_table(metrics))
        atomic_write(folder / "metrics.json", lambda path: path.write_text(json.dumps(outcome, indent=1)))
    return outcome


def pick_precision(wanted: str) -> str:
    """What Accelerate is told: bf16 where the hardware computes in it, fp16 on older GPUs, otherwise float32."""
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if cpu_has_bf16() else "no"


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies in bf16: without, autocast is slower than float32."""
    if hasattr(torch.cpu, "get_capabilities"):  # newer than the oldest torch that we support
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    test = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(test and test())
