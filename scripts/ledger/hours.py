"""What a training on COCO would take. Nobody measured it with this package: these are estimates by published times.

All are of eight V100 and 16 images a step, with short sides of 800. Ours may be faster or slower on such a machine.
"""

from __future__ import annotations

from fcos_edu.training.config import TrainConfig

MACHINE = "eight V100"
_STEPS = 90_000  # of the schedule that the authors give hours for

# Seconds of a step with a ResNet-50.
_FCOS = 6.5 * 3600 / _STEPS  # the README of the authors' code
_FASTER_RCNN = 8.8 * 3600 / _STEPS  # the same, beside FCOS
_RETINANET = 0.2514  # torchvision's table of training times
# Backbones, as so many times a ResNet-50: mmdetection 1.0 has FCOS with three of them. Its ResNets ran on four GPUs, so
# that their times count as a ratio; its ResNeXt-101-64x4d on eight.
_RESNET_101 = 0.558 / 0.396
_RESNEXT_64X4D = 0.892 / _FCOS
_BACKBONES = {
    "resnet50": 1.0,
    "resnet101": _RESNET_101,
    "resnext101_64x4d": _RESNEXT_64X4D,
    "resnext101_32x8d": _RESNEXT_64X4D,  # not published: taken as the other, which has about as many weights
    "timm:hrnet_w32": _RESNET_101,  # not published: its authors call the cost similar
}

SOURCES = f"""Hours on COCO are **estimates** for {MACHINE} and 16 images a step, by published times: the authors'
code gives 6.5 hours for FCOS with a ResNet-50 and 90 K steps, and 8.8 for Faster R-CNN (here with any first stage);
torchvision 0.2514 s a step for RetinaNet (here with one anchor or nine); mmdetection 1.0, for FCOS, 0.558 s with a
ResNet-101 where a ResNet-50 takes 0.396, and 0.892 s with a ResNeXt-101-64x4d. The other ResNeXt is taken to cost
as much, HRNet-W32 as much as a ResNet-101. One such GPU takes up to eight times as long."""


def hours(config: TrainConfig) -> float:
    """Hours of a training on :data:`MACHINE`, an estimate.

    Raises:
        KeyError: a backbone without a published time.
    """
    if config.detector.startswith("faster_rcnn"):
        step = _FASTER_RCNN
    else:
        step = _RETINANET if config.detector.startswith("retinanet") else _FCOS
    images = config.batch_size / 16
    return config.iterations * images * step * _BACKBONES[config.model.backbone] / 3600


def told_hours(*configs: TrainConfig) -> str:
    """The hours of all these trainings in words."""
    total = sum(map(hours, configs))
    return f"about {total:.{0 if total >= 10 else 1}f} h of {MACHINE} (estimate)"
