"""Fig. 2: backbone, feature pyramid and the head that all levels share.

Taught in the chapter *The network*. Checked against: torchvision's ``fcos_resnet50_fpn`` with the same weights.

The backbones are in :mod:`fcos_edu.backbones`, the pyramid is torchvision's ``FeaturePyramidNetwork``, the head is our
own.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock

from .backbones import make_backbone
from .config import FCOSConfig

# exp(12) is over 160,000 pixels (or strides): no box is larger, and exp() of an untrained or diverging output stays
# finite in float32.
_MAX_EXPONENT = 12.0


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
        if not self.names:  # torch.export cannot write a block of autocast with nothing in it
            return results, names
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
        self.body = make_backbone(config, last)
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

    Mean and variance are those of one image, one map and one group of channels, over all cells of the map: those of
    the padding too. So an image that is padded more, because a larger one lies beside it on the canvas, is normalised
    otherwise. Training has it so, as the paper has; evaluation gives each image the canvas that it would have alone
    (:meth:`.ImageBatcher.groups`). With ``torchvision_quirks`` it stays as torchvision's weights know it.

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
