"""Lab 4: network and head (Fig. 2).

Taught in the chapter *The network*. Checked against: the package's sizes and head, torch's convolution; mutants and
right variants in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ... import locations as room
from ..question import Case, Draw, Known, question

CHAPTER = "06_network"


# ---------------------------------------------------------------------- feature_sizes
def _canvases(draw: Draw) -> Iterator[Case]:
    strides = [8, 16, 32, 64, 128]
    for _ in range(2):
        height, width = draw.sample(range(130, 900), 2)
        yield Case((height | 1, width | 1, strides))
    yield Case((800, 1333, strides))
    yield Case((129, 385, strides))  # a single pixel is left over
    yield Case((256, 512, strides[:4]), "a canvas that is a multiple of every stride")
    yield Case((100, 37, strides), "an image smaller than the largest stride")


Rounding = Callable[[float], int]


def _sizes(rounding: Rounding) -> Callable[[int, int, Sequence[int]], list[tuple[int, int]]]:
    return lambda h, w, strides: [(rounding(h / s), rounding(w / s)) for s in strides]


def _over(side: int, strides: Sequence[int]) -> int:
    for stride in strides:
        side = math.ceil(side / stride)
    return side


@question(
    4,
    "Sizes of the feature maps",
    room.feature_sizes,
    _canvases,
    [
        ("rounded down", "A stride-2 convolution with padding 1 rounds up: a part of a cell is a cell.",
         _sizes(math.floor)),
        *(("rounded to the nearest", "A stride-2 convolution with padding 1 always rounds up.", _sizes(rounding))
          for rounding in (round, lambda x: math.floor(x + 0.5))),
        ("rounded up to an even number", "A map may have an odd number of cells: round up, to the next whole number.",
         _sizes(lambda x: 2 * math.ceil(math.ceil(x) / 2))),
        ("one too many", "Round up only where something is left over: a whole number of cells stays as it is.",
         _sizes(lambda x: math.floor(x) + 1)),
        ("width before height", "Each pair is height, width.",
         lambda h, w, s: [(b, a) for a, b in room.feature_sizes(h, w, s)]),
        ("not rounded", "A map has whole cells: round up.", lambda h, w, s: [(h / one, w / one) for one in s]),
        ("a square map", "Width and height of the image differ, and so do those of the map.",
         lambda h, w, s: [(a, a) for a, _ in room.feature_sizes(h, w, s)]),
        ("a square map", "Width and height of the image differ, and so do those of the map.",
         lambda h, w, s: [(b, b) for _, b in room.feature_sizes(h, w, s)]),
        ("the number of cells", "Give height and width of each map, not their product.",
         lambda h, w, s: [a * b for a, b in room.feature_sizes(h, w, s)]),
        ("the same stride for all", "Each level has a stride of its own.",
         lambda h, w, s: room.feature_sizes(h, w, [s[-1]] * len(s))),
        ("the same stride for all", "Each level has a stride of its own.",
         lambda h, w, s: room.feature_sizes(h, w, [s[0]] * len(s))),
        ("the strides not used", "Divide by the strides that are given: the first map is not the image itself.",
         lambda h, w, s: room.feature_sizes(h, w, [2**i for i in range(len(s))])),
        ("the strides not used", "Divide by the strides that are given: the first map is not the first halving.",
         lambda h, w, s: room.feature_sizes(h, w, [2 ** (i + 1) for i in range(len(s))])),
        ("only the height rounded up", "Both height and width are rounded up.",
         lambda h, w, s: [(math.ceil(h / one), w // one) for one in s]),
        ("only the width rounded up", "Both height and width are rounded up.",
         lambda h, w, s: [(h // one, math.ceil(w / one)) for one in s]),
        ("in pixels", "Give the sizes in cells, not the pixels that they cover.",
         lambda h, w, s: [(math.ceil(h / one) * one, math.ceil(w / one) * one) for one in s]),
        ("rounded down after the first level", "Each stride-2 convolution rounds up, not only the first.",
         lambda h, w, s: [(math.ceil(h / s[0]) // (one // s[0]), math.ceil(w / s[0]) // (one // s[0])) for one in s]),
        ("without padding", "With padding 1 a convolution of stride 2 rounds up.",
         lambda h, w, s: [((h - 3) // one + 1, (w - 3) // one + 1) for one in s]),
        ("each stride on top of the one before", "Strides are counted from the image, not from the map before.",
         lambda h, w, s: [(_over(h, s[: i + 1]), _over(w, s[: i + 1])) for i in range(len(s))]),
        ("at least one, but rounded down", "Always round up: then no map is ever empty.",
         _sizes(lambda x: max(1, math.floor(x)))),
    ],
    chapter=CHAPTER,
)  # fmt: skip
def feature_sizes(height: int, width: int, strides: list[int]) -> list[tuple[int, int]]:
    """The sizes of the feature maps of an image; each stride-2 convolution rounds up.

    Args:
        height, width: of the image, in pixels.
        strides: of the levels, in pixels.

    Returns:
        For each stride the (height, width) of its map, in cells: size / stride, rounded up.
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- flatten_map
def _feature_maps(draw: Draw) -> Iterator[Case]:
    for batch, channels in ((2, 3), (1, 4), (3, 5)):
        yield Case((draw.normal(batch, channels, *draw.size(2, 5)),))
    yield Case((draw.normal(2, 1, 3, 4),), "a map with a single channel")


@question(
    4,
    "From a map to a list of locations",
    lambda x: x.permute(0, 2, 3, 1).flatten(1, 2),
    _feature_maps,
    [
        ("reshaped without permuting",
         "The shape is right, but channels are mixed: bring the channels to the end first.",
         lambda x: x.reshape(len(x), -1, x.shape[1])),
        ("column by column", "Locations come row by row: keep the height before the width when you permute.",
         lambda x: x.permute(0, 3, 2, 1).flatten(1, 2)),
        ("channels first", "Each location is a row of the answer: the channels come last.", lambda x: x.flatten(2)),
        ("images mixed", "The batch stays the first axis.",
         lambda x: x.permute(2, 3, 0, 1).reshape(len(x), -1, x.shape[1])),
        ("rows upside down", "Row by row from the top: nothing needs to be turned round.",
         lambda x: x.flip(2).permute(0, 2, 3, 1).flatten(1, 2)),
        ("not flattened", "Height and width become one axis, the locations.", lambda x: x.permute(0, 2, 3, 1)),
        ("the batch flattened too", "The batch stays an axis of its own.",
         lambda x: x.permute(0, 2, 3, 1).flatten(0, 2)),
        ("channels and rows swapped", "The channels belong to the end, after height and width.",
         lambda x: x.permute(0, 2, 1, 3).reshape(len(x), -1, x.shape[1])),
        ("mirrored", "Each row runs from left to right: nothing needs to be turned round.",
         lambda x: x.flip(3).permute(0, 2, 3, 1).flatten(1, 2)),
        ("the channels turned round", "The channels keep their order.",
         lambda x: x.permute(0, 2, 3, 1).flatten(1, 2).flip(-1)),
        ("the first image for all", "Each image has a map of its own: nothing is taken from the first one alone.",
         lambda x: x[:1].permute(0, 2, 3, 1).flatten(1, 2).repeat(len(x), 1, 1)),
        ("the locations before the images", "The batch stays the first axis.", lambda x: x.flatten(2).permute(2, 0, 1)),
    ],
    chapter=CHAPTER,
)  # fmt: skip
def flatten_map(x: Tensor) -> Tensor:
    """What the head says at each location, as a list.

    Args:
        x: (B, K, H, W), a map of K channels for each image.

    Returns:
        (B, H * W, K): the K channels of each location, row by row.
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- tower
def _towers(draw: Draw) -> Iterator[Case]:
    for depth, channels in ((2, 3), (3, 2), (4, 2)):
        weights = [draw.normal(channels, channels, 3, 3, scale=0.4) for _ in range(depth)]
        biases = [draw.normal(channels, scale=0.5) for _ in range(depth)]
        yield Case((draw.normal(1, channels, *draw.size(10, 13)), weights, biases))
    yield Case((draw.normal(2, 2, 1, 1), [draw.normal(2, 2, 3, 3)], [draw.normal(2)]), "a map of a single cell")


def _tower(
    x: Tensor, weights: list[Tensor], biases: list[Tensor], *, first: bool = False, last: bool = True,
    between: bool = True, bias: bool = True, padding: int = 1, act: Callable[[Tensor], Tensor] = F.relu,
) -> Tensor:  # fmt: skip
    for i, (weight, b) in enumerate(zip(weights, biases, strict=True)):
        x = act(x) if first else x
        x = F.conv2d(x, weight, b if bias else None, padding=padding)
        is_last = i == len(weights) - 1
        x = act(x) if not first and (last if is_last else between) else x
    return x


def _with_activation(name: str) -> Callable[..., Tensor]:
    return lambda *a: _tower(*a, act=getattr(F, name))


def _tower_by(x: Tensor, weights: list[Tensor], biases: list[Tensor], layer: Callable[..., Tensor]) -> Tensor:
    for weight, bias in zip(weights, biases, strict=True):
        x = layer(x, weight, bias)
    return x


_TOWERS: Known = [
    ("no ReLU after the last convolution",
     "The last convolution needs its ReLU too: the output layer that follows is "
     "linear, and two linear layers in a row are one.", lambda *a: _tower(*a, last=False)),
    ("no ReLU at all", "Without ReLU a tower of convolutions is one large linear layer.",
     lambda *a: _tower(*a, last=False, between=False)),
    ("ReLU only at the end", "A ReLU belongs after each convolution.", lambda *a: _tower(*a, between=False)),
    ("ReLU before the convolution", "The ReLU comes after its convolution.", lambda *a: _tower(*a, first=True)),
    ("no bias", "The biases are missing.", lambda *a: _tower(*a, bias=False)),
    ("no padding", "With padding 1 the map keeps its size.", lambda *a: _tower(*a, padding=0)),
    ("another activation", "The activation is ReLU.", lambda *a: _tower(*a, act=torch.sigmoid)),
    ("another activation", "The activation is ReLU, without a slope for negative numbers.",
     lambda *a: _tower(*a, act=lambda x: F.leaky_relu(x, 0.1))),
    ("another activation", "The activation is ReLU, without a slope for negative numbers.",
     lambda *a: _tower(*a, act=lambda x: F.leaky_relu(x, 0.01))),
    ("the first convolution repeated", "Each layer has weights of its own.",
     lambda x, w, b: _tower(x, [w[0]] * len(w), [b[0]] * len(w))),
    ("the last layer left out", "Count the layers: one is missing.", lambda x, w, b: _tower(x, w[:-1], b[:-1])),
    ("only the first layer", "Every layer counts: see that the return does not stand inside of the loop.",
     lambda x, w, b: _tower(x, w[:1], b[:1])),
    ("layers in the opposite order", "Start with the first weights.", lambda x, w, b: _tower(x, w[::-1], b[::-1])),
    ("the input added", "A tower has no shortcut: the input is not added.", lambda x, w, b: x + _tower(x, w, b)),
    *(("another activation", "The activation is ReLU.", _with_activation(name))
      for name in ("gelu", "silu", "elu", "softplus", "relu6", "tanh", "selu", "hardswish")),
    ("another activation", "The activation is ReLU, not the absolute value.", lambda *a: _tower(*a, act=torch.abs)),
    ("no ReLU after the first convolution", "A ReLU belongs after each convolution, the first one too.",
     lambda x, w, b: _tower(F.conv2d(x, w[0], b[0], padding=1), w[1:], b[1:])),
    ("kernels turned round", "conv2d does what is meant: leave the kernels as they are.",
     lambda x, w, b: _tower(x, [one.flip(2, 3) for one in w], b)),
    ("a transposed convolution", "A convolution is asked, conv2d: the transposed one goes the other way.",
     lambda x, w, b: _tower_by(x, w, b, lambda x, w, b: F.conv_transpose2d(x, w, b, padding=1).relu())),
    ("channels of the weights swapped", "A weight is (out, in, 3, 3), as conv2d takes it.",
     lambda x, w, b: _tower(x, [one.transpose(0, 1) for one in w], b)),
    ("the bias after the ReLU", "The bias belongs to the convolution: it is added before the ReLU.",
     lambda x, w, b: _tower_by(x, w, b, lambda x, w, b: F.conv2d(x, w, padding=1).relu() + b[:, None, None])),
    ("another padding", "Padding means zeros around the map.",
     lambda x, w, b: _tower_by(
         x, w, b, lambda x, w, b: F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), w, b).relu())),
    ("another padding", "Padding means zeros around the map.",
     lambda x, w, b: _tower_by(
         x, w, b, lambda x, w, b: F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), w, b).relu())),
    ("normalised", "No norm is asked here: convolution, then ReLU.",
     lambda x, w, b: _tower_by(x, w, b, lambda x, w, b: F.group_norm(F.conv2d(x, w, b, padding=1), 1).relu())),
    ("the same input for each layer", "Each layer takes what the layer before it gives.",
     lambda x, w, b: _tower(x, w[-1:], b[-1:])),
    ("a shortcut in each layer", "A tower has no shortcuts: the input of a layer is not added.",
     lambda x, w, b: _tower_by(x, w, b, lambda x, w, b: x + F.conv2d(x, w, b, padding=1).relu())),
    ("ReLU on the input too", "A ReLU comes after each convolution, none before the first.",
     lambda x, w, b: _tower(F.relu(x), w, b)),
    ("dilated", "A 3x3 convolution with padding 1 looks at the next cells, without gaps.",
     lambda x, w, b: _tower_by(x, w, b, lambda x, w, b: F.conv2d(x, w, b, padding=2, dilation=2).relu())),
    ("the bias added twice", "conv2d adds the bias that it is given: do not add it again.",
     lambda x, w, b: _tower(x, w, [2 * one for one in b])),
    ("biases in the opposite order", "Each layer has weights and biases of its own: take them in the same order.",
     lambda x, w, b: _tower(x, w, b[::-1])),
]  # fmt: skip


@question(
    4,
    "A tower of the head",
    _tower,
    _towers,
    _TOWERS,
    chapter=CHAPTER,
)  # fmt: skip
def tower(x: Tensor, weights: list[Tensor], biases: list[Tensor]) -> Tensor:
    """A tower of the head (Fig. 2): 3x3 convolutions with padding 1, each followed by a ReLU, the last one too.

    Args:
        x: (B, C, H, W), the map of one level.
        weights: for each layer (C, C, 3, 3).
        biases: for each layer (C,).

    Returns:
        (B, C, H, W).
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- prior_bias
def _priors(draw: Draw) -> Iterator[Case]:
    yield Case((0.01,))
    yield Case((draw.randint(2, 40) / 100,))
    yield Case((draw.randint(60, 95) / 100,))


@question(
    4,
    "The first bias of the classes",
    lambda p: -math.log((1 - p) / p),
    _priors,
    [
        ("the sign", "A rare class needs a negative bias: the sigmoid of 0 is already one half.",
         lambda p: math.log((1 - p) / p)),
        ("the prior itself", "The bias is a logit: its sigmoid should be the prior.", lambda p: p),
        ("the logarithm of the prior", "The inverse of the sigmoid is ln p - ln(1 - p), not ln p alone.", math.log),
        ("the sigmoid instead of its inverse", "Asked is the number whose sigmoid is the prior.",
         lambda p: 1 / (1 + math.exp(-p))),
        ("log2 or log10", "ln is the natural logarithm.", lambda p: -math.log10((1 - p) / p)),
        ("log2 or log10", "ln is the natural logarithm.", lambda p: -math.log2((1 - p) / p)),
        ("1 over the prior", "It is (1 - p) / p under the logarithm.", lambda p: -math.log(1 / p - 1 + 1 + p)),
        ("no logarithm", "The bias is the logarithm of the odds.", lambda p: p / (1 - p)),
        ("no logarithm", "The bias is a logarithm, not the odds themselves.", lambda p: -(1 - p) / p),
        ("two logarithms divided", "The logarithm goes over the quotient; two logarithms are not divided.",
         lambda p: math.log(p) / math.log(1 - p)),
        ("always the same number", "The bias follows from the prior: compute it, do not write it down.",
         lambda p: -math.log((1 - 0.01) / 0.01)),
        ("the logarithm of 1 - prior", "ln p is missing: the inverse of the sigmoid is ln p - ln(1 - p).",
         lambda p: math.log(1 - p)),
        ("the logarithm of the wrong part", "The logarithm goes over the whole quotient.",
         lambda p: -math.log(1 - p) / p),
        ("one half taken away", "Asked is a logit, the inverse of the sigmoid.", lambda p: p - 0.5),
        ("the logarithm of 1 - prior", "Asked is a logit: the logarithm of prior / (1 - prior).",
         lambda p: -math.log(1 - p)),
        ("minus the logarithm of the prior", "The inverse of the sigmoid is ln p - ln(1 - p).", lambda p: -math.log(p)),
        ("1 + prior below the line", "The odds are prior / (1 - prior).", lambda p: math.log(p / (1 + p))),
        ("the logarithm of a product", "The odds are a quotient: prior / (1 - prior).",
         lambda p: math.log(p * (1 - p))),
        ("rounded", "The bias is not rounded.", lambda p: round(-math.log((1 - p) / p), 2)),
        ("rounded", "The bias is not rounded.", lambda p: round(-math.log((1 - p) / p), 1)),
    ],
    chapter=CHAPTER,
    points=5,
)  # fmt: skip
def prior_bias(prior: float) -> float:
    """The first bias of the classification layer: with it every class has the probability ``prior`` before training.

    Args:
        prior: a probability, such as 0.01.

    Returns:
        The number whose sigmoid is ``prior``.
    """
    raise NotImplementedError


# ---------------------------------------------------------------------- predicted_distances
def _raw(draw: Draw) -> Iterator[Case]:
    for stride, scale in ((8, 0.75), (32, 1.5), (64, 1.25)):
        large = torch.tensor([[3.5, -1.25, 4.5, -2.75]])  # far from the limit, and their exp is above it
        yield Case((torch.cat([draw.normal(5, 4), large]), scale, stride))
    far = torch.tensor([[20.0, 3, -2, 1], [0, 90, 500, -400]])
    yield Case((far, 1.0, 8), "an output of an untrained network, 20 or 500")
    yield Case((far, 0.5, 128), "an output of an untrained network, 20 or 500")


def _distances(x: Tensor, scale: float, stride: float, top: float = 12.0) -> Tensor:
    return (x * scale).clamp(max=top).exp() * stride


def _limited(top: float) -> Callable[..., Tensor]:
    return lambda x, a, s: _distances(x, a, s, top)


@question(
    4,
    "From any number to a distance",
    _distances,
    _raw,
    [
        ("no limit", "An untrained network may say 500, and exp(500) is infinite: cut the exponent off first.",
         lambda x, a, s: (x * a).exp() * s),
        ("the limit before the scale", "Cut off what goes into exp, after the scale.",
         lambda x, a, s: (x.clamp(max=12) * a).exp() * s),
        ("the limit below zero too",
         "Only large exponents are cut off; small ones give small distances, as they should.",
         lambda x, a, s: (x * a).clamp(-12, 12).exp() * s),
        ("the distance cut off", "12 limits the exponent, not the distance.",
         lambda x, a, s: (x * a).exp().clamp(max=12) * s),
        ("the distance cut off", "12 limits the exponent, not the distance.",
         lambda x, a, s: ((x * a).exp() * s).clamp(max=12)),
        ("negative exponents cut at 0", "A distance may be smaller than a stride: only large exponents are cut off.",
         lambda x, a, s: (x * a).clamp(0, 12).exp() * s),
        ("the stride forgotten", "exp gives strides: multiply by the stride to have pixels.",
         lambda x, a, s: _distances(x, a, 1)),
        ("the stride multiplied twice", "Multiply by the stride once.", lambda x, a, s: _distances(x, a, s * s)),
        ("divided by the stride", "exp gives strides: multiply, to have pixels.",
         lambda x, a, s: _distances(x, a, 1 / s)),
        ("the stride inside exp", "The stride is multiplied after exp.",
         lambda x, a, s: (x * a * s).clamp(max=12).exp()),
        ("the scale after exp", "The level's scale belongs inside: exp(scale * x).",
         lambda x, a, s: _distances(x, 1, s) * a),
        ("the scale forgotten", "Each level has a scale: exp(scale * x).", lambda x, a, s: _distances(x, 1, s)),
        ("the scale added", "The scale is a factor: exp(scale * x).",
         lambda x, a, s: (x + a).clamp(max=12).exp() * s),
        ("relu instead of exp", "Asked is exp, as in the paper; relu came with a later version.",
         lambda x, a, s: (x * a).relu() * s),
        ("softplus instead of exp", "Asked is exp.", lambda x, a, s: F.softplus(x * a) * s),
        ("no exp", "A distance is positive: exp is missing.", lambda x, a, s: x * a * s),
        *(("another limit", "The exponent is cut off at 12, not at another number.", _limited(top))
          for top in (math.log(1000 / 16), 8.0, 10.0, 15.0, 20.0, 50.0, 80.0)),
        ("the limit on the distance", "The limit is one of the exponent; the stride comes after it.",
         lambda x, a, s: ((x * a).exp() * s).clamp(max=math.exp(12))),
        ("the sign of the exponent", "A larger output means a larger distance: the exponent has no minus.",
         lambda x, a, s: _distances(-x, a, s)),
        ("2 to the power instead of exp", "Asked is exp, e to the power.",
         lambda x, a, s: 2 ** (x * a).clamp(max=12) * s),
        ("divided by the scale", "The scale is a factor.", lambda x, a, s: _distances(x, 1 / a, s)),
        ("exp less 1", "Asked is exp itself: at 0 it is one stride.", lambda x, a, s: _distances(x, a, s) - s),
        ("12 as the least", "12 is the most that the exponent may be: clamp has min and max.",
         lambda x, a, s: (x * a).clamp(min=12).exp() * s),
        ("a sigmoid instead of exp", "A distance may be larger than a stride: asked is exp.",
         lambda x, a, s: torch.sigmoid(x * a) * s),
        ("a square instead of exp", "Asked is exp, as in the paper.", lambda x, a, s: (x * a) ** 2 * s),
    ],
    chapter=CHAPTER,
)  # fmt: skip
def predicted_distances(x: Tensor, scale: float, stride: int) -> Tensor:
    """From the output of the regression layer to distances in pixels: exp(scale * x) * stride (section 3.2).

    An untrained network may say anything, so a larger exponent scale * x than 12 counts as 12. There is no lower limit.

    Args:
        x: (L, 4), any numbers.
        scale: the trainable scalar of the level.
        stride: of the level, in pixels.

    Returns:
        (L, 4) distances in pixels, never negative and always finite.
    """
    raise NotImplementedError


QUESTIONS = (feature_sizes, flatten_map, tower, prior_bias, predicted_distances)
