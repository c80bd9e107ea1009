"""Section 3.2's maps, and what a cell of them can see: its receptive field, by arithmetic and by gradient.

Taught in the chapter *The network*. Checked against: the same networks with every weight the same positive number,
where the gradient reaches exactly the pixels that a path of kernels reaches.

By arithmetic: kernels, strides and paddings of the very layers, from the pixels up. What comes out is what a cell could
see. What it does see is the gradient of its features with respect to the pixels, for one picture and these weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torchvision.models import resnet
from torchvision.ops import FrozenBatchNorm2d

from .backbones import BasicBlock, ConvNorm, ResNetBackbone, TinyBackbone
from .model import FCOS

Spans: TypeAlias = tuple[Tensor, Tensor]  # first and last pixel of each cell along one side, (n,) whole numbers each


def fields(model: FCOS, length: int) -> dict[str, Spans]:
    """The receptive field of every cell along one side of an image, by arithmetic.

    Args:
        model: whose backbone is the tiny one or a ResNet.
        length: pixels of that side, as the network gets it.

    Returns:
        Of each map, by name: ``"C2"`` to ``"C5"``, ``"P3"`` to ``"P7"``, and ``"answer on P3"`` and so on for the
        classification: the first and the last pixel that each of its cells depends on, ``(n,)`` each. A square of the
        two sides' spans is the field of a cell. Padding is no pixel.

    Raises:
        TypeError: the network has a layer whose reach is not known.
    """
    pyramid, fpn = model.pyramid, model.pyramid.fpn
    pixels = torch.arange(length)
    found: dict[str, Spans] = _backbone(pyramid.body, (pixels, pixels))
    inputs = [found[name.upper()] for name in pyramid.inputs]
    inner = [_through(block, spans) for block, spans in zip(fpn.inner_blocks, inputs, strict=True)]
    for i in range(len(inner) - 2, -1, -1):  # top-down: a cell takes in the coarser cell that lies over it
        inner[i] = _join(inner[i], _enlarged(inner[i + 1], len(inner[i][0])))
    levels = [_through(block, spans) for block, spans in zip(fpn.layer_blocks, inner, strict=True)]
    extra: Any = fpn.extra_blocks
    last = levels[-1] if extra.source == "P5" else inputs[-1]
    for name in extra.names:
        last = _through(extra.get_submodule(name), last)
        levels.append(last)
    found |= {f"P{level}": spans for level, spans in zip(model.config.levels, levels, strict=True)}
    for level, spans in zip(model.config.levels, levels, strict=True):
        tower = _through(model.head.classification_tower, spans)
        found[f"answer on P{level}"] = _through(model.head.classification, tower)
    return found


def size_of(model: FCOS, name: str) -> int | None:
    """The side of the largest field of a map, in pixels, where no border cuts it off; None where it has no end.

    A group norm takes in the whole map, however large the image.
    """
    sides = [int((high - low).max()) + 1 for low, high in (fields(model, length)[name] for length in (8192, 16384))]
    return sides[0] if sides[0] == sides[1] else None


def influence(values: Tensor, pixels: Tensor) -> Tensor:
    """What the pixels do to some values: the size of the gradient of their squares, over the three colours.

    Args:
        values: of any shape, computed from ``pixels``.
        pixels: ``(1, 3, H, W)`` with ``requires_grad``.

    Returns:
        ``(H, W)``, not negative; exactly 0 where a pixel has no influence.
    """
    (gradient,) = torch.autograd.grad(values.square().sum(), pixels, retain_graph=True)
    return gradient[0].abs().sum(0)


def maps_of(model: FCOS, pixels: Tensor) -> dict[str, Tensor]:
    """The maps that :func:`fields` names, of a normalised image ``(1, 3, H, W)``: ``(1, channels, h, w)`` each."""
    found = {name.upper(): values for name, values in model.pyramid.body(pixels).items()}
    for level, feature in zip(model.config.levels, model.pyramid(pixels), strict=True):
        found[f"P{level}"] = feature
        found[f"answer on P{level}"] = model.head.classification(model.head.classification_tower(feature))
    return found


# ---------------------------------------------------------------- one layer


def _through(module: nn.Module, spans: Spans) -> Spans:
    """The spans of a layer's output cells, from those of its input cells."""
    if isinstance(module, nn.Conv2d | nn.MaxPool2d):
        return _window(spans, *(_side(v) for v in (module.kernel_size, module.stride, module.padding, module.dilation)))
    if isinstance(module, ConvNorm):
        return _through(module.conv, spans)
    if isinstance(module, nn.Sequential):
        for layer in module:
            spans = _through(layer, spans)
        return spans
    if isinstance(module, BasicBlock):
        return _join(_through(module.conv2, _through(module.conv1, spans)), _through(module.shortcut, spans))
    if isinstance(module, resnet.BasicBlock | resnet.Bottleneck):
        main = spans
        for name in ("conv1", "conv2", "conv3"):
            main = _through(getattr(module, name), main) if hasattr(module, name) else main
        return _join(main, spans if module.downsample is None else _through(module.downsample, spans))
    if isinstance(module, nn.GroupNorm):  # its mean and variance are those of all cells
        return spans[0].min().expand_as(spans[0]), spans[1].max().expand_as(spans[1])
    if isinstance(module, nn.ReLU | nn.Identity | nn.BatchNorm2d | FrozenBatchNorm2d):  # fixed statistics: cell by cell
        return spans
    raise TypeError(f"the reach of a {type(module).__name__} is not known here; give a tiny network or a ResNet")


def _backbone(body: nn.Module, spans: Spans) -> dict[str, Spans]:
    if isinstance(body, TinyBackbone):
        first: list[nn.Module] = [body.stem]
        stage: Callable[[str], nn.Module] = body.get_submodule
    elif isinstance(body, ResNetBackbone):
        first = [body.stages.conv1, body.stages.maxpool]
        stage = body.stages.get_submodule
    else:
        raise TypeError(f"the reach of a {type(body).__name__} is not known here; give a tiny network or a ResNet")
    for layer in first:
        spans = _through(layer, spans)
    found = {}
    for i in range(1, body.last):
        spans = _through(stage(f"layer{i}"), spans)
        found[f"C{i + 1}"] = spans
    return found


def _window(spans: Spans, kernel: int, stride: int, padding: int, dilation: int) -> Spans:
    low, high = spans
    many, reach = len(low), dilation * (kernel - 1)
    first = torch.arange((many + 2 * padding - reach - 1) // stride + 1) * stride - padding
    return low[first.clamp(0, many - 1)], high[(first + reach).clamp(0, many - 1)]


def _enlarged(spans: Spans, many: int) -> Spans:
    """The nearest coarser cell of each of ``many`` finer ones, as ``F.interpolate`` chooses it."""
    at = torch.arange(many) * len(spans[0]) // many
    return spans[0][at], spans[1][at]


def _join(one: Spans, other: Spans) -> Spans:
    return torch.minimum(one[0], other[0]), torch.maximum(one[1], other[1])


def _side(value: Any) -> int:
    return int(value if isinstance(value, int) else value[0])


__all__ = ["Spans", "fields", "influence", "maps_of", "size_of"]
