"""FCOS and the detectors that it is compared with: same backbone, pyramid, thresholds and trainer.

Taught in the chapters *Why throw the anchors away* and *How good is it*. Checked against: torchvision's own models,
whose heads, losses and matching these are; only the backbone is ours, so that a comparison is one of methods alone.

All take torchvision's convention with labels 0..C-1: ``model(images, targets)`` gives a dict of losses in training,
``model(images)`` a list of dicts with ``boxes``, ``scores`` and ``labels`` in evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from torch import Tensor, nn
from torchvision.models import detection
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOSHead
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from . import weights
from .config import ConfigError, Detector, FCOSConfig
from .data import DetectionDataset, FileDataset
from .devices import pick_device
from .images import by_size, check_thin
from .model import FCOS
from .network import GroupNorm
from .proposals import Backbone, TwoStage, anchor_sizes, faster_rcnn
from .text import counted

DETECTORS: tuple[Detector, ...] = get_args(Detector)
ALL_ANCHORS = 10**9  # more than any image has; half of them may be positive, which is no limit either


@runtime_checkable
class Learner(Protocol):
    """What the trainer asks of a detector beyond torchvision's convention. :class:`~fcos_edu.model.FCOS` is one."""

    def count_positive(self, images: Sequence[Tensor], targets: Sequence[dict[str, Tensor]]) -> Tensor | None:
        """What the losses of a batch are divided by: a scalar. With accumulated gradients the trainer adds up those of
        all passes and gives ``num_positive`` to each.

        None for a detector that counts for itself; then a step is the mean of its passes.
        """
        ...

    def notes(self) -> dict[str, Tensor]:
        """Scalars of the last step that the log shows beside the losses."""
        ...

    def in_training(self, *, resize: bool, compiled: bool) -> AbstractContextManager[None]:
        """A run of training: no tests of the inputs, drawn sizes of images, translated code; undone at its end."""
        ...


@runtime_checkable
class Divisible(Learner, Protocol):
    """A learner whose batch can be taken in parts, one after the other, to the same losses and gradients.

    It takes ``canvas`` in a step and when it counts, so that each part is padded as the whole is. Not where norms learn
    statistics of a batch: theirs are then of a part.
    """

    def canvas_of(self, images: Sequence[Tensor]) -> tuple[int, int]:
        """Height and width of the canvas that a batch is seen on."""
        ...


class Plain:
    """Any other detector in torchvision's convention, as a :class:`Learner`: it has nothing to count or to note.

    If it tests its inputs and has a switch for that, ``check_inputs`` as :class:`~fcos_edu.proposals.TwoStage` has, a
    run of training switches it off.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def count_positive(self, images: Sequence[Tensor], targets: Sequence[dict[str, Tensor]]) -> Tensor | None:
        """Nothing: such a detector divides by its own count."""
        return None

    def notes(self) -> dict[str, Tensor]:
        """Nothing beside the losses."""
        return {}

    @contextmanager
    def in_training(self, *, resize: bool, compiled: bool) -> Iterator[None]:
        """The detector without tests; sizes of images and code stay its own."""
        switch = getattr(self.model, "check_inputs", None)
        if switch is None:
            yield
            return
        self.model.check_inputs = False  # type: ignore[assignment]
        try:
            yield
        finally:
            self.model.check_inputs = switch


def as_learner(model: nn.Module) -> Learner:
    """The detector itself, if it can answer the trainer, or neutral answers in its place."""
    return model if isinstance(model, Learner) else Plain(model)


def build(name: str, config: FCOSConfig, *, load_backbone: bool = True) -> nn.Module:
    """A new detector; its ``config`` is the one given.

    Args:
        name: ``fcos``; torchvision's ``torchvision_fcos`` and ``retinanet``, also as ``retinanet_one_anchor`` (Table
            8); torchvision's ``faster_rcnn`` with its own region proposal network, or ``faster_rcnn_fcos`` with FCOS in
            its place (section 5). Of these for comparison: ``faster_rcnn_gn`` with group norm in the RPN, as the paper
            has it; ``faster_rcnn_gn_all``, whose RPN learns from all anchors; ``faster_rcnn_fcos_256``, whose FCOS
            learns from 256 locations of an image.
        config: of the backbone, the pyramid, the images and the thresholds of all; the rest is FCOS's.
        load_backbone: as for :class:`~fcos_edu.model.FCOS`.

    Raises:
        ConfigError: an unknown name, or levels that the detector cannot have.
    """
    if name == "fcos":
        return FCOS(config, load_backbone=load_backbone)
    if name not in DETECTORS:
        raise ConfigError(f"detector is {name!r}; it must be one of {', '.join(DETECTORS)}")
    model: nn.Module
    if name in ("retinanet", "retinanet_one_anchor"):
        model = retinanet(config, one_anchor=name != "retinanet", load_backbone=load_backbone)
    elif name == "torchvision_fcos":
        model = torchvision_fcos(config, load_backbone=load_backbone)
    else:
        kind: Literal["fcos", "rpn"] = "fcos" if "fcos" in name else "rpn"
        samples = {"faster_rcnn_gn_all": ALL_ANCHORS, "faster_rcnn_fcos_256": 256}.get(name)
        model = faster_rcnn(config, kind, group_norm="gn" in name, samples=samples, load_backbone=load_backbone)
    for part in model.modules():
        if isinstance(part, GeneralizedRCNNTransform):
            part.register_forward_pre_hook(_refuse_thin)
    return model


def _refuse_thin(transform: nn.Module, inputs: tuple[Any, ...]) -> None:
    sizes: Any = transform
    check_thin(inputs[0], sizes.max_size)


class Float32RetinaNetHead(RetinaNetHead):
    """torchvision's head with float32 results under autocast: losses and boxes are computed in their precision."""

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        """Maps of all levels to ``cls_logits`` (B, A, C) and ``bbox_regression`` (B, A, 4) of all A anchors."""
        return {name: value.float() for name, value in super().forward(x).items()}


class Float32FCOSHead(FCOSHead):
    """The same for torchvision's FCOS."""

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        """Maps of all levels to ``cls_logits`` (B, L, C), ``bbox_regression`` (B, L, 4), ``bbox_ctrness`` (B, L, 1)."""
        return {name: value.float() for name, value in super().forward(x).items()}


class RetinaNet(detection.RetinaNet):
    """torchvision's, which in evaluation sees images of one size at a time: see :func:`~fcos_edu.images.by_size`."""

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None) -> Any:
        """Images (and targets) to losses in training, to detections in evaluation."""
        return super().forward(images, targets) if self.training else by_size(super().forward, images)


class TorchvisionFCOS(detection.FCOS):
    """The same for torchvision's FCOS."""

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None) -> Any:
        """Images (and targets) to losses in training, to detections in evaluation."""
        return super().forward(images, targets) if self.training else by_size(super().forward, images)


def retinanet(config: FCOSConfig, *, one_anchor: bool = False, load_backbone: bool = True) -> nn.Module:
    """torchvision's RetinaNet (Table 7): nine anchors at each location, focal loss, L1 loss of the offsets.

    Towers as deep as ours and with group norm where ours have it; torchvision's are always four convolutions deep.

    Args:
        config: as for :func:`build`.
        one_anchor: a single square anchor at each location, the smallest of the three sizes (Table 8, first row).
        load_backbone: as for :func:`build`.
    """
    backbone = Backbone(config, load_backbone=load_backbone)  # first, so that a seed gives all detectors the same one
    third = 2 ** (1 / 3)
    octave = (1.0,) if one_anchor else (1.0, third, third**2)
    anchors = AnchorGenerator(
        tuple(tuple(s * part for part in octave) for s in anchor_sizes(config)),  # type: ignore[misc]
        ((1.0,) if one_anchor else (0.5, 1.0, 2.0),) * len(config.levels),
    )
    channels = config.fpn_channels
    norm = partial(GroupNorm, math.gcd(32, channels // 2)) if config.group_norm else None
    head = Float32RetinaNetHead(channels, anchors.num_anchors_per_location()[0], config.num_classes, norm_layer=norm)
    for part in (head.classification_head, head.regression_head):
        part.conv = part.conv[: config.num_head_convs]
    model = RetinaNet(backbone, config.num_classes, anchor_generator=anchors, head=head, **_common(config))
    model.config = config  # type: ignore[assignment]
    return model


def torchvision_fcos(config: FCOSConfig, *, load_backbone: bool = True) -> nn.Module:
    """torchvision's FCOS with our backbone; its level bounds follow from the anchor sizes, of which it has one.

    Raises:
        ConfigError: ``fpn_channels`` that its group norm of 32 groups cannot share out.
    """
    if config.fpn_channels % 32:
        raise ConfigError(f"fpn_channels is {config.fpn_channels}; torchvision's FCOS needs a multiple of 32")
    backbone = Backbone(config, load_backbone=load_backbone)
    sizes = tuple((s / 4,) for s in anchor_sizes(config))
    anchors = AnchorGenerator(sizes, ((1.0,),) * len(config.levels))  # type: ignore[arg-type]
    head = Float32FCOSHead(config.fpn_channels, 1, config.num_classes, num_convs=config.num_head_convs)
    # Its unit is the anchor's size, ours the stride.
    radius = math.inf if config.center_sampling_radius is None else config.center_sampling_radius
    radius *= config.strides[0] / sizes[0][0]
    model = TorchvisionFCOS(
        backbone, config.num_classes, anchor_generator=anchors, head=head,
        center_sampling_radius=radius, **_common(config),  # type: ignore[arg-type]
    )  # fmt: skip
    model.config = config  # type: ignore[assignment]
    return model


def _common(config: FCOSConfig) -> dict[str, Any]:
    """Sizes and thresholds, the same for all."""
    return dict(
        min_size=config.min_size,
        max_size=config.max_size,
        size_divisible=config.size_divisor,
        score_thresh=config.score_threshold,
        nms_thresh=config.nms_threshold,
        detections_per_img=config.detections_per_image,
        topk_candidates=config.pre_nms_top_k,
    )


def save(model: nn.Module, path: str | Path, name: str, config: FCOSConfig, **about: Any) -> None:
    """Write weights, configuration and the detector's name to a safetensors file; see :func:`fcos_edu.weights.save`."""
    weights.save(path, model.state_dict(), config, about={"detector": name, **about})


def load(source: str | Path, device: str | None = None) -> nn.Module:
    """A trained detector, in evaluation mode, on the GPU if there is one.

    Args:
        source: a checkpoint file of any detector that :func:`build` makes, or a run's folder; ``shapes``,
            ``bccd`` or ``people`` for the ones that come with the package; ``torchvision:COCO_V1`` for torchvision's
            published FCOS.
        device: as for :func:`~fcos_edu.devices.pick_device`.

    Raises:
        ValueError: there is no such device.
        FileNotFoundError, CheckpointError, ConnectionError: as :func:`fcos_edu.weights.load` and
            :meth:`~fcos_edu.model.FCOS.from_torchvision`.
    """
    device = pick_device(device)
    name = str(source)
    if name.startswith("torchvision:"):
        return FCOS.from_torchvision(name.removeprefix("torchvision:")).to(device)
    path = weights.packaged(name) if name in weights.PACKAGED else Path(source)
    checkpoint = weights.load(path)
    kind = checkpoint.about.get("detector", "fcos")
    if kind not in DETECTORS:
        raise weights.CheckpointError(f"{path} holds a {kind!r}, which this package cannot build; load its weights")
    model = weights.build_fitting(lambda: build(kind, checkpoint.config, load_backbone=False), checkpoint, path)
    return model.eval().to(device)


def load_for(
    source: str | Path,
    dataset: DetectionDataset,
    kind: type[nn.Module] = nn.Module,
    device: str | None = None,
    *,
    by_name: bool = False,
) -> nn.Module:
    """The same, refused if it cannot be measured on ``dataset``.

    Args:
        source: as for :func:`load`.
        dataset: whose classes the detector must have.
        kind: what the measure needs, such as :class:`~fcos_edu.model.FCOS`.
        device: as for :func:`load`.
        by_name: classes of the same names in another order are no others: those of ``dataset``, which must be one of
            files, are numbered anew.

    Raises:
        ValueError: other classes, another kind of detector, or there is no such device.
    """
    model = load(source, device)
    config: FCOSConfig = model.config  # type: ignore[assignment]
    if config.class_names and tuple(config.class_names) != tuple(dataset.classes):
        told = f"{source} detects {', '.join(config.class_names)}, but the data has {', '.join(dataset.classes)}"
        if not by_name or not isinstance(dataset, FileDataset):
            raise ValueError(told)
        try:
            dataset.relabel(config.class_names)
        except ValueError:
            raise ValueError(told) from None
    if not config.class_names and config.num_classes != len(dataset.classes):
        raise ValueError(
            f"{source} detects {counted(config.num_classes, 'classes')} without names, but the data has "
            f"{len(dataset.classes)}: "
            f"{', '.join(dataset.classes)}"
        )
    if not isinstance(model, kind):
        raise ValueError(f"{source} holds a {_words(type(model))}; this measure needs a {_words(kind)}")
    return model


def _words(kind: type[nn.Module]) -> str:
    """A detector's class as the names that :func:`build` knows; our FCOS and torchvision's are both called FCOS."""
    names = {
        FCOS: "detector 'fcos'",
        TwoStage: "two-stage detector, 'faster_rcnn' or 'faster_rcnn_fcos'",
        RetinaNet: "detector 'retinanet' or 'retinanet_one_anchor'",
        TorchvisionFCOS: "detector 'torchvision_fcos'",
    }
    return names.get(kind, kind.__name__)
