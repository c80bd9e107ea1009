"""The named recipes: configurations of a run, each with what it should give and what it costs (section 4).

Taught in the chapter *Training*. Checked against: the paper's schedule, and the recorded runs in ``fcos_edu/results/``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..config import FCOSConfig
from ..paper import TABLE_3, TABLE_5
from .config import TrainConfig


@dataclass(frozen=True)
class Recipe:
    """A named configuration, with what it should give and what it costs."""

    what: str
    config: TrainConfig
    source: str  # of what is expected
    cost: str
    memory: str
    expected: Mapping[str, float] = field(default_factory=dict)  # AP and the like, in 0..1; empty where nobody knows

    def describe(self) -> str:
        """The recipe in a few lines of text."""
        figures = ", ".join(f"{name} {100 * value:.1f}" for name, value in self.expected.items()) or "not known"
        return f"{self.what}\nexpected  {figures} ({self.source})\ncost      {self.cost}\nmemory    {self.memory}"


def _table_3(row: str) -> dict[str, float]:
    """What the paper has for a row of Table 3: the first three columns."""
    return {name: TABLE_3[row][name].share for name in ("AP", "AP50", "AP75")}


_PUBLISHED_MEMORY = "not measured; torchvision reports 3.3 GB of GPU memory for 2 images with AMP, for its own FCOS"
_SIZES = (640, 672, 704, 736, 768, 800)
_COCO = TrainConfig(data="coco2017", workers=4, group_aspect=True, model=FCOSConfig.paper())
# What a CPU can learn: a small network, AdamW and a cosine instead of steps.
_CPU = TrainConfig(
    optimizer="adamw",
    lr=0.002,
    lr_batch_size=8,
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
_VOC = TrainConfig(
    data="voc2007",
    split="train+val",
    test_data="voc2007",
    test_split="test",
    iterations=9_000,
    train_sizes=(480, 512, 544, 576, 608, 640),
    workers=4,
    group_aspect=True,
    model=FCOSConfig.improved(num_classes=20, min_size=640, max_size=1000),
)

#: The recipes by their names, as ``fcos-edu train --recipe`` takes them.
#:
#: :meta hide-value:
RECIPES: dict[str, Recipe] = {
    "shapes": Recipe(
        "a small FCOS on generated shapes: no download, no GPU",
        _CPU.replace(
            data="shapes",
            iterations=1250,
            lr=0.004,
            model=FCOSConfig.tiny(
                num_classes=5, min_size=256, max_size=256, level_bounds=(0.0, 64.0, 128.0, 256.0, 512.0, math.inf)
            ),
        ),
        source="measured: fcos_edu/results/recipe_shapes.json, one seed",
        cost="4 to 10 minutes on two CPU cores, by their speed",
        memory="about 1 GB",
        expected={"AP": 0.724, "AP50": 0.936},
    ),
    "bccd": Recipe(
        "a small FCOS on photographs of blood cells (364 images, a few megabytes): no GPU",
        _CPU.replace(
            data="bccd",
            split="train+val",
            test_split="test",
            iterations=2000,
            vertical_flip=0.5,
            zoom=(0.8, 1.25),
            ema_decay=0.998,
            model=FCOSConfig.tiny(num_classes=3),
        ),
        source="measured: fcos_edu/results/torchvision_bccd.json, the mean of three seeds",
        cost="about 11 minutes of one CPU core",
        memory="about 1 GB",
        expected={"AP": 0.601, "AP50": 0.902},
    ),
    "people": Recipe(
        "a small FCOS that sees people, from random weights on 2,193 photographs (scripts/coco_people.py): no GPU",
        _CPU.replace(
            data="people",
            iterations=14_000,
            batch_size=16,
            lr=0.0015,
            weight_decay=0.05,
            warmup_iterations=500,
            ema_decay=0.999,
            augment="jitter",
            zoom=(0.7, 1.9),
            workers=1,
            save_every=500,
            model=FCOSConfig.tiny(num_classes=1, min_size=320, max_size=544),
        ),
        source="measured: fcos_edu/results/train_people.json, one seed",
        cost="under two hours of two CPU cores that compute in bf16, with other work beside",
        memory="about 4 GB by two workers",
        expected={"AP": 0.200, "AP50": 0.439},
    ),
    "colab-t4": Recipe(
        "torchvision's FCOS for COCO, fine-tuned to blood cells on a free GPU of 15 GB",
        TrainConfig(
            data="bccd",
            split="train+val",
            test_split="test",
            start_from="torchvision:COCO_V1",
            iterations=600,
            batch_size=8,
            warmup_iterations=100,
            vertical_flip=0.5,
            workers=2,
            save_every=200,
            model=FCOSConfig.torchvision(num_classes=3, min_size=480, max_size=640),
        ),
        source="not measured",
        cost="600 steps of 8 images of 480x640; not measured",
        memory=_PUBLISHED_MEMORY,
    ),
    "voc07-t4": Recipe(
        "torchvision's FCOS for COCO, fine-tuned to VOC 2007 in a quarter of an hour of a free GPU of 15 GB",
        _VOC.replace(
            start_from="torchvision:COCO_V1",
            iterations=500,
            batch_size=8,
            warmup_iterations=100,
            train_sizes=(),
            workers=2,
            save_every=100,
            model=FCOSConfig.torchvision(num_classes=20, min_size=512, max_size=852),
        ),
        source="not measured, and not in the paper",
        cost="500 steps of 8 images with a short side of 512, meant for 15 minutes of a T4; not measured",
        memory=_PUBLISHED_MEMORY,
    ),
    "voc07": Recipe(
        "FCOS with the improvements on VOC 2007 (5,011 images), measured on its test set",
        _VOC,
        source="not measured, and not in the paper",
        cost="9 K steps of 16 images; not measured",
        memory=_PUBLISHED_MEMORY,
    ),
    "voc0712": Recipe(
        "the same on VOC 2007 and 2012 together (16,551 images), measured on VOC 2007's test set",
        _VOC.replace(data="voc2007+voc2012", iterations=18_000),
        source="not measured, and not in the paper",
        cost="18 K steps of 16 images; not measured",
        memory=_PUBLISHED_MEMORY,
    ),
    "coco-r50-1x": Recipe(
        "Table 3, row 5: the paper's FCOS with ResNet-50",
        _COCO,
        source="the paper, Table 3; users of the official code report 36.6 to 36.8",
        cost="90 K steps of 16 images; not measured",
        memory=_PUBLISHED_MEMORY,
        expected=_table_3("GN"),
    ),
    "coco-r50-improved-1x": Recipe(
        "Table 3, last row: with all improvements",
        _COCO.replace(model=FCOSConfig.improved()),
        source="the paper, Table 3",
        cost="90 K steps of 16 images; not measured",
        memory=_PUBLISHED_MEMORY,
        expected=_table_3("normalization"),
    ),
    "coco-r50-2x-ms": Recipe(
        "with all improvements, twice as long, short sides from 640 to 800",
        _COCO.replace(iterations=180_000, train_sizes=_SIZES, model=FCOSConfig.improved()),
        source="AdelaiDet's figure for such a model; the paper has none with ResNet-50",
        cost="180 K steps of 16 images; not measured",
        memory=_PUBLISHED_MEMORY,
        expected={"AP": 0.410},
    ),
    "coco-r101-2x-ms": Recipe(
        "Table 5: the paper's FCOS with ResNet-101, twice as long, short sides from 640 to 800",
        _COCO.replace(iterations=180_000, train_sizes=_SIZES, model=FCOSConfig.paper(backbone="resnet101")),
        source="the paper, Table 5, on test-dev, which only COCO's server measures",
        cost="180 K steps of 16 images; not measured",
        memory="not measured",
        expected=TABLE_5["ResNet-101"].shares,
    ),
}


def recipe_for(data: str, *, gpu: bool) -> TrainConfig:
    """The configuration for a data set without a recipe of its name: the paper's on a GPU, a small one on a CPU.

    Its steps are those of the paper's data, or of a few hundred images: :func:`fitted` makes them fit others.
    """
    if data in RECIPES:
        return RECIPES[data].config
    if gpu:
        return TrainConfig(data=data, workers=4, group_aspect=True)
    small = RECIPES["bccd"].config
    return small.replace(data=data, split="train", test_split="val", vertical_flip=0.0, cache=False)


# How many images a run without a recipe sees in all, where the data set has so many: what has been tried, by what the
# weights are before the first step.
_SEEN = {
    "random": (2000 * 8, 292),  # a small network: recipe bccd
    "backbone": (90_000 * 16, 118_287),  # a backbone of ImageNet: the paper, on COCO
    "detector": (600 * 8, 292),  # all of a large detector: recipe colab-t4
}
_IN_MEMORY = 2000  # images of the small network that stay in memory: half a gigabyte
_LEAST = 100  # steps
_MEASURING = 0.1  # of the time of a run


def start_of(config: TrainConfig) -> Literal["random", "backbone", "detector"]:
    """What the weights are before the first step.

    A small detector to go on from counts as random: it has seen little, and learns at the rate that it learnt with.
    """
    if config.model.backbone_weights != "imagenet":
        return "random"
    return "detector" if config.start_from else "backbone"


def steps_for(images: int, batch_size: int, start: Literal["random", "backbone", "detector"]) -> int:
    """How many steps suit a training set, in two digits.

    Three quarters of its order of magnitude: ten times the images get six times the steps, so that small sets are seen
    more often. Between VOC 2007 and COCO, 24 times as large, the field's schedules grow just so: 9 K to 90 K steps.

    Args:
        images: of the training set.
        batch_size: images of one step.
        start: as :func:`start_of`.
    """
    seen, of = _SEEN[start]
    steps = max(_LEAST, math.ceil(seen * (images / of) ** 0.75 / batch_size))
    unit = 10 ** max(0, len(str(steps)) - 2)
    return -(-steps // unit) * unit


def fitted(
    config: TrainConfig,
    images: int | None,
    *,
    tested: int = 0,
    epochs: float | None = None,
    gpu: bool,
    keep: Collection[str] = (),
) -> TrainConfig:
    """A configuration without a recipe of its own, made to fit what learns and how many images there are.

    Weights of ImageNet, or of a large detector, are trained as the paper trains them, on a CPU too: what a small
    network needs from random weights (AdamW, a high rate) would undo them. Steps are those of :func:`steps_for`.

    Args:
        config: from :func:`recipe_for`, with its network and the detector that it starts from.
        images: of the training set; None where nobody knows, and the steps stay.
        tested: images that are measured; none for no measurement on the way.
        epochs: how often to see all images; None for what suits their number.
        gpu: whether one computes; without, the images of a step are taken two at a time, which saves memory.
        keep: fields that somebody has set.
    """
    start = start_of(config)
    fields: dict[str, Any] = {}
    if start == "random":
        fields["cache"] = images is not None and images <= _IN_MEMORY and not config.workers
    else:
        paper = TrainConfig()
        fields = {name: getattr(paper, name) for name in _PAPERS}
        if start == "detector" or not gpu:
            fields["batch_size"] = 8
        if not gpu and "batch_size" not in keep:
            fields["accumulate"] = 4
    config = config.replace(**{name: value for name, value in fields.items() if name not in keep})
    steps = config.iterations
    if images is not None and "iterations" not in keep:
        suits = steps_for(images, config.batch_size, start)
        steps = config.for_epochs(epochs, images).iterations if epochs else suits
    fields = {
        "iterations": steps,
        "warmup_iterations": min(config.warmup_iterations, steps // 10),
        "save_every": min(config.save_every, max(1, steps // 5)),
        "measure_every": measure_every(steps, config.batch_size, tested),
    }
    return config.replace(**{name: value for name, value in fields.items() if name not in keep})


def measure_every(steps: int, batch_size: int, tested: int) -> int:
    """Steps between measurements that take a tenth of a run's time at most, and are ten at most; 0 where none fits.

    By the number of images, not by a clock: where a run is measured must not depend on the machine. To detect in an
    image takes less than half as long as to learn from it, which is forward and backward.

    Args:
        steps: of the run.
        batch_size: images of a step.
        tested: images of a measurement.
    """
    if not tested:
        return 0
    count = min(10, int(_MEASURING * steps * batch_size / (0.5 * tested)))
    return math.ceil(steps / count) if count else 0


# What the paper's training says of the optimizer.
_PAPERS = (
    "optimizer", "lr", "lr_batch_size", "weight_decay", "bias_lr_factor", "schedule", "warmup_iterations",
    "warmup_factor", "clip_norm", "ema_decay",
)  # fmt: skip
#: All that :func:`fitted` may set.
FITTED = (*_PAPERS, "batch_size", "accumulate", "cache", "iterations", "save_every", "measure_every")
