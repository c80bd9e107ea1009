"""Fig. 2: backbone, feature pyramid and the head that all levels share.

Taught in the chapter *The network*. Checked against: torchvision's ``fcos_resnet50_fpn`` with the same weights.

The backbones are torchvision's ResNets, the pyramid is its ``FeaturePyramidNetwork``. Own code: a small backbone for
CPUs, the head, and :class:`ConvNorm`, which folds a batch norm whose statistics are fixed into its convolution.
"""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock

from .config import FCOSConfig

# exp(12) is over 160,000 pixels (or strides): no box is larger, and exp() of an untrained or diverging output stays
# finite in float32.
_MAX_EXPONENT = 12.0


class ConvNorm(nn.Module):
    """A convolution and its batch norm, computed as one convolution while the statistics are fixed.

    Fixed statistics (a frozen batch norm, or evaluation mode) make the norm an affine map per channel, which can be
    multiplied into the weights. The result is the same; one pass over the activations is saved for each norm, and in
    training with frozen norms gradients still reach the weights.
    """

    norm: Any  # BatchNorm2d or FrozenBatchNorm2d: weight, bias, running_mean, running_var, eps

    def __init__(self, conv: nn.Conv2d, norm: nn.Module) -> None:
        super().__init__()
        self.conv = conv
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in, H, W)`` to ``(B, out, H / stride, W / stride)``."""
        conv = self.conv
        if self.training and not isinstance(self.norm, FrozenBatchNorm2d):
            return self.norm(conv(x))
        weight, bias = self.fold()
        return F.conv2d(x, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)

    def fold(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the one convolution."""
        norm = self.norm
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()  # (out,)
        return self.conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale


def conv_norm(in_channels: int, out_channels: int, stride: int = 1, kernel_size: int = 3) -> ConvNorm:
    """``kernel_size`` x ``kernel_size`` convolution without bias, and batch norm."""
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return ConvNorm(conv, nn.BatchNorm2d(out_channels))


def fold_norms(module: nn.Module) -> None:
    """Join each convolution of a torchvision ResNet with the batch norm behind it, in place."""
    pairs = {"conv1": "bn1", "conv2": "bn2", "conv3": "bn3"}
    for child in module.children():
        fold_norms(child)
    for conv_name, norm_name in pairs.items():
        if hasattr(module, conv_name) and hasattr(module, norm_name):
            setattr(module, conv_name, ConvNorm(getattr(module, conv_name), getattr(module, norm_name)))
            setattr(module, norm_name, nn.Identity())
    downsample = getattr(module, "downsample", None)
    if isinstance(downsample, nn.Sequential):
        downsample[0] = ConvNorm(downsample[0], downsample[1])  # type: ignore[arg-type]
        downsample[1] = nn.Identity()


@torch.no_grad()
def replace_folded(module: nn.Module) -> None:
    """Put a plain convolution in the place of every :class:`ConvNorm`, for good: for inference.

    Folding is six small steps for each of a ResNet-50's 53 norms. In training they hide behind the convolutions; of
    one image on a GPU they are nearly half of all that the host has to launch.
    """
    for name, child in module.named_children():
        if isinstance(child, ConvNorm):
            conv = copy.deepcopy(child.conv)
            weight, bias = child.fold()
            conv.weight, conv.bias = nn.Parameter(weight), nn.Parameter(bias)
            setattr(module, name, conv)
        else:
            replace_folded(child)


class TinyBackbone(nn.Module):
    """A small residual network for CPUs: C2 to C5 at strides 4, 8, 16, 32 with 24, 48, 96, 112 channels.

    Args:
        last: the deepest map that is asked for, 2 to 5; there are no stages behind it.
    """

    channels = (24, 48, 96, 112)
    blocks = (2, 2, 2, 1)

    def __init__(self, last: int = 5) -> None:
        super().__init__()
        self.last = last
        self.stem = nn.Sequential(conv_norm(3, 16, stride=2), nn.ReLU(inplace=True))
        before = 16
        stages = list(zip(self.channels, self.blocks, strict=True))[: last - 1]
        for i, (after, count) in enumerate(stages, start=1):
            more = [BasicBlock(after, after) for _ in range(count - 1)]
            self.add_module(f"layer{i}", nn.Sequential(BasicBlock(before, after, stride=2), *more))
            before = after

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """``(B, 3, H, W)`` to C2 to C5 (or ``last``) by name."""
        out: dict[str, Tensor] = OrderedDict()
        x = self.stem(x)
        for i in range(1, self.last):
            x = self.get_submodule(f"layer{i}")(x)
            out[f"c{i + 1}"] = x
        return out


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv_norm(in_channels, out_channels, stride)
        self.conv2 = conv_norm(out_channels, out_channels)
        self.shortcut = (
            nn.Identity()
            if stride == 1 and in_channels == out_channels
            else conv_norm(in_channels, out_channels, stride, kernel_size=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in, H, W)`` to ``(B, out, H / stride, W / stride)``."""
        return F.relu(self.conv2(F.relu(self.conv1(x))) + self.shortcut(x))


class ResNetBackbone(nn.Module):
    """torchvision's ResNet up to C5, returning C2 to C5 as ``{"c2": ..., "c5": ...}``.

    Args:
        name, weights, frozen_stages: as in :class:`~fcos_edu.config.FCOSConfig`.
        last: the deepest map that is asked for, 2 to 5; there are no stages behind it.
    """

    def __init__(self, name: str, weights: str, frozen_stages: int, last: int = 5) -> None:
        super().__init__()
        self.last = last
        pretrained = weights == "imagenet"
        # ImageNet statistics stay as they are (the official recipe); statistics of random weights must be learnt.
        norm_layer: Callable[..., nn.Module] = FrozenBatchNorm2d if pretrained else nn.BatchNorm2d
        resnet = torchvision.models.get_model(name, weights=None, norm_layer=norm_layer)
        del resnet.fc
        for i in range(last, 5):  # weights without a gradient would stop training on several GPUs
            delattr(resnet, f"layer{i}")
        self.stages = resnet
        expansion = 1 if name in ("resnet18", "resnet34") else 4
        self.channels = tuple(64 * 2**i * expansion for i in range(4))
        fold_norms(resnet)
        self.frozen_stages = frozen_stages
        for stage in ["conv1", *(f"layer{i}" for i in range(1, last))][:frozen_stages]:
            resnet.get_submodule(stage).requires_grad_(False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """``(B, 3, H, W)`` to C2 to C5 (or ``last``) by name."""
        r = self.stages
        out: dict[str, Tensor] = OrderedDict()
        x = r.maxpool(r.relu(r.conv1(x)))
        for i in range(1, self.last):
            x = r.get_submodule(f"layer{i}")(x)
            out[f"c{i + 1}"] = x
        return out


class ExtraLevels(ExtraFPNBlock):
    """P6 = stride-2 convolution on P5 (paper) or C5 (RetinaNet), P7 = stride-2 convolution on relu(P6)."""

    def __init__(self, in_channels: int, channels: int, source: str, count: int) -> None:
        super().__init__()
        self.source = source
        self.names = [f"p{6 + i}" for i in range(count)]
        for i, name in enumerate(self.names):
            conv = nn.Conv2d(in_channels if i == 0 and source == "C5" else channels, channels, 3, 2, 1)
            nn.init.kaiming_uniform_(conv.weight, a=1)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
            self.add_module(name, conv)

    def forward(self, results: list[Tensor], x: list[Tensor], names: list[str]) -> tuple[list[Tensor], list[str]]:
        """Called by torchvision's FPN: appends the levels and their names."""
        feature = results[-1] if self.source == "P5" else x[-1]
        # On a CPU in float32, whatever the rest runs in: it costs nothing on maps this small, and the bf16 weight
        # gradient of a stride-2 convolution over a map one cell wide is garbage from unset memory (seen in torch 2.15).
        on_cpu = feature.device.type == "cpu"
        lowered = torch.is_autocast_enabled(feature.device.type) and not on_cpu
        with torch.autocast(feature.device.type, enabled=lowered):
            for i, name in enumerate(self.names):
                conv: nn.Conv2d = self.get_submodule(name)  # type: ignore[assignment]
                feature = feature if lowered else feature.to(conv.weight.dtype)
                feature = conv(feature if i == 0 else F.relu(feature))
                results.append(feature)
                names.append(name)
        return results, names


class Pyramid(nn.Module):
    """Backbone and FPN (section 3.2): an image batch gives the feature maps of ``config.levels``."""

    def __init__(self, config: FCOSConfig) -> None:
        super().__init__()
        last = min(5, config.levels[-1])
        if config.backbone == "tiny":
            self.body: TinyBackbone | ResNetBackbone = TinyBackbone(last)
        else:
            self.body = ResNetBackbone(config.backbone, config.backbone_weights, config.frozen_stages, last)
        self.inputs = [f"c{i}" for i in range(config.levels[0], last + 1)]
        channels = [self.body.channels[int(name[1]) - 2] for name in self.inputs]
        extra = ExtraLevels(channels[-1], config.fpn_channels, config.extra_levels_from, max(0, config.levels[-1] - 5))
        self.fpn = FeaturePyramidNetwork(channels, config.fpn_channels, extra)

    def forward(self, x: Tensor) -> list[Tensor]:
        """``(B, 3, H, W)`` to one ``(B, fpn_channels, ceil(H/s), ceil(W/s))`` for each stride s."""
        features = self.body(x)
        return list(self.fpn(OrderedDict((name, features[name]) for name in self.inputs)).values())


class GroupNorm(nn.GroupNorm):
    """Group norm that gives the type of its input.

    Autocast would run it in float32 and hand float32 on. The statistics are taken in float32 inside the kernel anyway;
    in bf16 the pass over the activations moves half the bytes.

    Except for training on a CPU: there the gradient's kernel for bf16 takes two to ten times as long as float32's with
    a cast before and after it (torch 2.14, channels_last).

    Up to torch 2.14 the kernel for GPUs knows no channels_last: layouts are changed before and after it. Only
    torch.compile, which writes its own kernel, is spared that (``FCOS.compile``).
    """

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)``, normalised within each group of channels."""
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        given = x.dtype
        if x.device.type != "cpu":
            # A GPU's kernel wants one type. The CPU's takes float32 weights as they are, and must: with bf16 weights
            # its gradient of a 1x1 map (P7 of a small image) is garbage from unset memory (seen in torch 2.15).
            weight, bias = weight.to(x.dtype), bias.to(x.dtype)
        elif torch.is_grad_enabled() and x.requires_grad:
            wide = torch.promote_types(x.dtype, torch.float32)  # float64 after model.double()
            x, weight, bias = x.to(wide), weight.to(wide), bias.to(wide)
        with torch.autocast(x.device.type, enabled=False):
            return F.group_norm(x, self.num_groups, weight, bias, self.eps).to(given)


class HeadOutput(NamedTuple):
    """Predictions at all locations of all levels, float32: losses and decoding need the precision."""

    logits: Tensor  # (B, L, C)
    distances: Tensor  # (B, L, 4) ltrb, not negative; in pixels, or in strides with normalize_targets
    centerness: Tensor | None  # (B, L) logits


class Head(nn.Module):
    """Two towers of convolutions, shared by all levels, and their three outputs."""

    def __init__(self, config: FCOSConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.fpn_channels
        self.classification_tower = self._tower(channels, config)
        self.regression_tower = self._tower(channels, config)
        self.classification = nn.Conv2d(channels, config.num_classes, 3, padding=1)
        self.regression = nn.Conv2d(channels, 4, 3, padding=1)
        self.centerness = None if config.centerness_branch == "none" else nn.Conv2d(channels, 1, 3, padding=1)
        self.scales = nn.Parameter(torch.ones(len(config.levels))) if config.box_activation == "exp_scaled" else None

        for module in self.modules():  # as RetinaNet
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        # The prior: without it thousands of background locations drown the first steps.
        prior = config.prior_probability
        nn.init.constant_(self.classification.bias, -math.log((1 - prior) / prior))  # type: ignore[arg-type]

    @staticmethod
    def _tower(channels: int, config: FCOSConfig) -> nn.Sequential:
        layers: list[nn.Module] = []
        for _ in range(config.num_head_convs):
            layers.append(nn.Conv2d(channels, channels, 3, padding=1))
            if config.group_norm:
                layers.append(GroupNorm(math.gcd(32, channels // 2), channels))
            layers.append(nn.ReLU(inplace=True))
        return nn.Sequential(*layers)

    def forward(self, features: list[Tensor]) -> HeadOutput:
        """Feature maps of all levels, ``(B, fpn_channels, H_i, W_i)`` each, to predictions."""
        logits, distances, centerness = [], [], []
        for level, feature in enumerate(features):
            classification = self.classification_tower(feature)
            regression = self.regression_tower(feature)
            logits.append(_flatten(self.classification(classification)))  # (B, H W, C)
            distances.append(self._activate(_flatten(self.regression(regression)).float(), level))  # (B, H W, 4)
            if self.centerness is not None:
                own = classification if self.config.centerness_branch == "classification" else regression
                centerness.append(_flatten(self.centerness(own)).squeeze(-1))  # (B, H W)
        return HeadOutput(
            torch.cat(logits, dim=1).float(),
            torch.cat(distances, dim=1),
            torch.cat(centerness, dim=1).float() if centerness else None,
        )

    def _activate(self, raw: Tensor, level: int) -> Tensor:
        """Any real number to a distance: exp(s_i x) with the level's scalar (section 3.2), exp(x), or relu."""
        if self.config.box_activation == "relu":
            return F.relu(raw)
        if self.scales is not None:
            raw = raw * self.scales[level]
        return raw.clamp(max=_MAX_EXPONENT).exp()


def _flatten(x: Tensor) -> Tensor:
    """``(B, K, H, W)`` to ``(B, H W, K)``: locations row by row. In the channels_last layout nothing is moved."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)
