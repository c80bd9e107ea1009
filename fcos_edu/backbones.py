"""Fig. 2, left: the backbone, from an image to the maps C2 to C5.

Taught in the chapter *The network*. Checked against: torchvision's networks with the same weights, and timm's.

The seam: a backbone is a :class:`Backbone`, and :func:`make_backbone` knows the families by name. Another family is one
class of that kind, and one line there. Families: torchvision's ResNets and ResNeXts, a small network of our own for
CPUs, and everything of timm that gives maps of strides 4 to 32, such as Table 5's HRNet-W32.

:class:`ConvNorm` folds a batch norm whose statistics are fixed into its convolution.
"""

from __future__ import annotations

import copy
import difflib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import FrozenBatchNorm2d

from . import weights
from .config import ConfigError, FCOSConfig
from .images import IMAGE_MEAN, IMAGE_STD
from .integrity import CheckpointError
from .settings import Message, setting


class Backbone(nn.Module):
    """What a pyramid asks of a backbone.

    ``forward`` takes a normalised batch ``(B, 3, H, W)`` and gives the maps ``"c2"`` to ``f"c{last}"`` by name, in this
    order: C_i of stride s = 2^i is ``(B, channels[i - 2], ceil(H/s), ceil(W/s))``.

    Args:
        last: the deepest map that is asked for, 2 to 5. Behind it there are no weights: one without a gradient would
            stop training on several GPUs.
    """

    channels: tuple[int, ...]  # of C2, C3, ... as far as C{last} at least

    def __init__(self, last: int) -> None:
        super().__init__()
        self.last = last

    def load_imagenet(self) -> None:
        """Fill the network with the weights that were published for ImageNet.

        Raises:
            ConnectionError: they cannot be fetched; says how to go on without.
            CheckpointError: they came damaged.
        """
        raise NotImplementedError(f"there are no ImageNet weights for a {type(self).__name__}")


def make_backbone(config: FCOSConfig, last: int = 5) -> Backbone:
    """The backbone of a configuration, with random weights.

    Args:
        config: uses ``backbone``, ``backbone_weights``, ``frozen_stages`` and ``size_divisor``.
        last: as for :class:`Backbone`.

    Raises:
        ConfigError: a network of timm that it does not know (the message names near ones), that gives other maps, or
            whose stages cannot be frozen; or timm is not installed.
    """
    name = config.backbone
    if name == "tiny":
        return TinyBackbone(last)
    if name.startswith("timm:"):
        return TimmBackbone(config, last)
    return ResNetBackbone(name, config.backbone_weights, config.frozen_stages, last)


# ------------------------------------------------------------------ convolutions with their norms
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
    """``kernel_size`` x ``kernel_size`` convolution without bias, and batch norm.

    The weights start as torch starts them, smaller than He's for ResNet. The norm behind takes their scale away, so the
    outputs are the same, but a step of the optimizer turns smaller weights further, and a short training gets further.
    """
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False)
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


# ------------------------------------------------------------------ families
class TinyBackbone(Backbone):
    """A small residual network for CPUs: C2 to C5 at strides 4, 8, 16, 32 with 24, 48, 96, 112 channels.

    Args:
        last: the deepest map that is asked for, 2 to 5; there are no stages behind it.
    """

    channels = (24, 48, 96, 112)
    blocks = (2, 2, 2, 1)

    def __init__(self, last: int = 5) -> None:
        super().__init__(last)
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


class ResNetBackbone(Backbone):
    """torchvision's ResNet or ResNeXt up to C5.

    Args:
        name, kind, frozen_stages: ``backbone``, ``backbone_weights`` and ``frozen_stages`` of the configuration.
        last: the deepest map that is asked for, 2 to 5; there are no stages behind it.
    """

    def __init__(self, name: str, kind: str, frozen_stages: int, last: int = 5) -> None:
        super().__init__(last)
        self.name = name
        pretrained = kind == "imagenet"
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

    def load_imagenet(self) -> None:
        """torchvision's first weights of this network; see :func:`fcos_edu.weights.load_imagenet`."""
        weights.load_imagenet(self, self.name)


# ------------------------------------------------------------------ timm
class TimmBackbone(Backbone):
    """A network of timm by ``features_only``: ``timm:hrnet_w32``, ``timm:mobilenetv3_small_100``, ...

    With ImageNet weights its batch norms are frozen, as torchvision's are; other norms learn. Where the weights were
    trained with other statistics of images than ImageNet's, the batch is brought to them first.

    ``frozen_stages`` counts as for a ResNet: the stem is all that comes before the module that gives C2.

    Args:
        config: as for :func:`make_backbone`, which says what is raised.
        last: as for :class:`Backbone`.
    """

    scale: Tensor | None
    shift: Tensor | None

    def __init__(self, config: FCOSConfig, last: int = 5) -> None:
        super().__init__(last)
        self.config = config
        self.name = config.backbone.removeprefix("timm:")
        timm = _timm(self.name)
        pretrained = config.backbone_weights == "imagenet"
        if pretrained and not timm.is_model_pretrained(self.name):
            raise ConfigError(
                Message(
                    f"timm has no weights for {self.name!r}: set {setting('backbone_weights', 'random')} and "
                    f"{setting('frozen_stages', 0)}"
                )
            )
        self.indices, self.channels = _maps(self.name, config, last)
        self.net = timm.create_model(self.name, features_only=True, out_indices=self.indices)
        self._statistics(timm.get_pretrained_cfg(self.name) if pretrained else None)
        if pretrained:
            self.net = timm.layers.freeze_batch_norm_2d(self.net)
        self._freeze(config.frozen_stages)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """``(B, 3, H, W)`` to C2 to C5 (or ``last``) by name."""
        if self.scale is not None and self.shift is not None:
            x = x * self.scale + self.shift
        return OrderedDict((f"c{i}", one) for i, one in enumerate(self.net(x), start=2))

    def load_imagenet(self) -> None:
        """timm's default weights of this network, through its own download and cache; see :class:`Backbone`."""
        timm = _timm(self.name)
        try:
            theirs = timm.create_model(self.name, pretrained=True, features_only=True, out_indices=self.indices)
        except (OSError, ImportError) as error:
            raise ConnectionError(
                Message(
                    f"cannot fetch timm's weights of {self.name} ({error}). Go on without: "
                    f"{setting('backbone_weights', 'random')}, {setting('frozen_stages', 0)} needs no download"
                )
            ) from error
        except Exception as error:  # what is damaged may raise anything
            raise CheckpointError(f"timm's weights of {self.name} are not used: {error}") from error
        state, own = theirs.state_dict(), self.net.state_dict()
        self.net.load_state_dict({name: state[name] for name in own})

    def _statistics(self, published: Any) -> None:
        """From a batch that is normalised by ImageNet's statistics to one that is by the network's own."""
        scale = shift = None
        if published is not None and (published.mean, published.std) != (IMAGE_MEAN, IMAGE_STD):
            given = (IMAGE_MEAN, IMAGE_STD, published.mean, published.std)
            mean, std, own_mean, own_std = (torch.tensor(values)[:, None, None] for values in given)
            scale, shift = std / own_std, (mean - own_mean) / own_std
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("shift", shift, persistent=False)

    def _freeze(self, stages: int) -> None:
        """Take the gradient from the first stages: parameters stand in the order in which they are used."""
        if stages == 0:
            return
        parameters = list(self.net.named_parameters())
        ends: list[int] = []
        for module in self.net.feature_info.module_name():
            prefixes = (f"{module}.", f"{module.replace('.', '_')}.")  # timm flattens some networks
            inside = [i for i, (name, _) in enumerate(parameters) if name.startswith(prefixes)]
            if not inside:
                raise ConfigError(
                    Message(
                        f"{setting('frozen_stages')} is {stages}; the stages of timm:{self.name} do not follow one "
                        "another (its maps come out of several at once), so none can be frozen: set "
                        f"{setting('frozen_stages', 0)}"
                    )
                )
            ends += [inside[0]] if not ends else []  # before the first comes the stem
            ends.append(inside[-1] + 1)
        for _, parameter in parameters[: ends[min(stages, len(ends)) - 1]]:
            parameter.requires_grad_(False)


def _timm(name: str) -> Any:
    """timm, if it is installed and has the network ``name``."""
    try:
        import timm
    except ImportError as error:
        raise ConfigError(
            f"backbone is 'timm:{name}', which needs the package timm: pip install \"fcos-edu[timm]\" ({error})"
        ) from error
    known = set(timm.list_models()) | set(timm.list_pretrained())
    if name not in known:  # also what timm would take for a folder, or fetch from anywhere
        near = difflib.get_close_matches(name, sorted(known), n=3)
        hint = f": did you mean {' or '.join(f'timm:{one}' for one in near)}?" if near else ""
        raise ConfigError(f"backbone is 'timm:{name}'; timm {timm.__version__} has no such network{hint}")
    return timm


def _maps(name: str, config: FCOSConfig, last: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which of a timm network's maps are C2 to C``last``, and their channels; tried without weights or memory."""
    timm = _timm(name)
    strides = [2**i for i in range(2, last + 1)]
    # As a canvas may be: two sizes, multiples of the divisor and no others.
    divisor = config.size_divisor
    height = divisor * -(-64 // divisor)
    size = (height, height + divisor)
    try:
        with torch.device("meta"), torch.no_grad():
            found = timm.create_model(name, features_only=True).feature_info.reduction()
            missing = [s for s in strides if s not in found]
            if missing:
                raise ConfigError(
                    f"timm:{name} gives maps of strides {', '.join(map(str, found))}; a pyramid of these levels needs "
                    f"{', '.join(map(str, strides))}"
                )
            indices = tuple(len(found) - 1 - found[::-1].index(s) for s in strides)  # of equal ones the deepest
            net = timm.create_model(name, features_only=True, out_indices=indices).eval()
            shapes = [tuple(one.shape[1:]) for one in net(torch.zeros(1, 3, *size))]
    except ConfigError:
        raise
    except Exception as error:  # each network has its own way of refusing
        raise ConfigError(
            f"timm:{name} cannot be a backbone here: an image of {size[0]}x{size[1]} gives {type(error).__name__}: "
            f"{error}"
        ) from error
    channels = tuple(net.feature_info.channels())
    wanted = [(c, -(-size[0] // s), -(-size[1] // s)) for c, s in zip(channels, strides, strict=True)]
    if shapes != wanted:
        hint = "" if divisor % 32 == 0 else f"; size_divisor is {divisor}, try 32"
        raise ConfigError(
            f"timm:{name} cannot be a backbone here: of an image of {size[0]}x{size[1]} it makes maps {shapes}, "
            f"not {wanted}{hint}"
        )
    return indices, channels
