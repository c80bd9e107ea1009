"""Section 5 and Table 6: FCOS as the region proposal network of a two-stage detector.

Taught in the chapter *FCOS as a proposal network*. Checked against: :class:`~fcos_edu.model.FCOS` with the same
weights, and torchvision's ``RegionProposalNetwork``, whose place it takes.

A region proposal network (RPN) asks of every anchor whether there is any object. FCOS can ask it of every location: one
class, levels P2 to P6, a third of the samples (one for each location instead of three anchors). Everything else is
torchvision's ``FasterRCNN``: its ROI heads, its losses, its sampling.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead, concat_box_prediction_layers
from torchvision.ops import MultiScaleRoIAlign, remove_small_boxes
from torchvision.ops.misc import Conv2dNormActivation

from .config import ConfigError, FCOSConfig
from .images import as_xyxy, by_size, check_images, check_targets, scale_boxes
from .inference import best_after_nms, candidates_before_nms
from .locations import Grid
from .losses import fcos_losses
from .network import GroupNorm, Head, HeadOutput, Pyramid
from .targets import Targets, make_targets, pad_boxes

LEVELS = (2, 3, 4, 5, 6)  # of a proposal network on a feature pyramid; ROI heads pool from P2 to P5
COARSE_LEVELS = (3, 4, 5, 6, 7)  # FCOS's own, for comparison; ROI heads then pool from P3 to P5
Kind = Literal["rpn", "fcos"]

# Of both kinds alike. (before NMS and level, after NMS and image), as Faster R-CNN with FPN has them.
_TRAINING = (2000, 1000)
_EVALUATION = (1000, 1000)
_NMS_THRESHOLD = 0.7
_SMALLEST = 1e-3  # pixels, as in torchvision's RPN: ROI heads cannot use an empty box


# ------------------------------------------------------------------ FCOS in the place of the RPN
class FCOSProposals(nn.Module):
    """FCOS for one class, *object*, with the interface of torchvision's ``RegionProposalNetwork``.

    Args:
        config: with ``num_classes=1`` and levels P2 to P6, or P3 to P7. ``centerness_branch="none"`` (and
            ``centerness_inference`` ``"none"``) is Table 6's second row. Its score and NMS thresholds and numbers of
            boxes are not used.
        training: proposals of a level before NMS and of an image after it, while training.
        evaluation: the same in evaluation.
        nms_threshold: IoU above which NMS drops a proposal.
        nms_per_level: an NMS for each level, as torchvision's RPN has it, so that the same box from two levels stays;
            otherwise one serves all levels, as in FCOS.
        samples: locations of an image that are learnt from, drawn as an RPN draws its anchors (:func:`drawn`); None
            for all of them, as in the paper.

    Raises:
        ConfigError: another number of classes, other levels, or the oracle, which needs the true boxes.
    """

    def __init__(
        self,
        config: FCOSConfig,
        *,
        training: tuple[int, int] = _TRAINING,
        evaluation: tuple[int, int] = _EVALUATION,
        nms_threshold: float = _NMS_THRESHOLD,
        nms_per_level: bool = False,
        samples: int | None = None,
    ) -> None:
        super().__init__()
        _check_levels(config)
        if config.num_classes != 1:
            raise ConfigError(f"num_classes is {config.num_classes}; proposals have one class: set num_classes=1")
        if config.centerness_inference == "oracle":
            raise ConfigError("centerness_inference is 'oracle', but proposals are made without the true boxes")
        config = config.replace(score_threshold=0.0, threshold_on="class", nms_threshold=nms_threshold)
        self.config = config.replace(pre_nms_top_k=evaluation[0], detections_per_image=evaluation[1])
        self.training_config = config.replace(pre_nms_top_k=training[0], detections_per_image=training[1])
        self.nms_per_level = nms_per_level
        self.samples = samples
        self.head = Head(config)

    def forward(
        self, images: ImageList, features: dict[str, Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Proposals and, in training, losses.

        Args:
            images: the padded batch ``(B, 3, H, W)``, and each image's (height, width) within it.
            features: maps of P2 to P6, ``(B, fpn_channels, ceil(H/s), ceil(W/s))``.
            targets: ``boxes`` (M, 4) xyxy in pixels of the canvas, and ``labels``, which are not looked at.

        Returns:
            For each image ``(K, 4)`` xyxy in pixels of the canvas, best first, without gradient. In training
            ``proposal_classification``, ``proposal_bbox_regression`` and, with a branch, ``proposal_centerness``.

        Raises:
            ValueError: training without targets.
        """
        output = self.head(list(features.values()))
        losses: dict[str, Tensor] = {}
        if self.training:
            if targets is None:
                raise ValueError("training needs targets: call model(images, targets), or model.eval() for proposals")
            losses = self._losses(output, images, targets)
        return self._select(output, images)[0], losses

    def propose(self, images: ImageList, features: dict[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Proposals of each image as :meth:`forward` gives them, and their scores ``(K,)`` in 0..1."""
        return self._select(self.head(list(features.values())), images)

    def _losses(self, output: HeadOutput, images: ImageList, targets: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        grid = self._grid(images)
        with torch.autocast(grid.points.device.type, enabled=False):
            boxes = pad_boxes(targets, grid.points.device)
            boxes = boxes._replace(labels=torch.zeros_like(boxes.labels))  # whatever it is, it is an object
            made = make_targets(boxes, grid, self.config)
            centerness = output.centerness
            logits, distances = output.logits, output.distances
            if self.samples is not None:
                chosen = drawn(made, self.samples)  # (B, K)
                logits, distances, labels, ltrb, matched = (
                    _at(value, chosen) for value in (logits, distances, made.labels, made.ltrb, made.matched)
                )
                made = Targets(labels, ltrb, matched)
                centerness = None if centerness is None else _at(centerness, chosen)
            losses = fcos_losses(logits, distances, centerness, made, self.config)
        return {f"proposal_{name}": loss for name, loss in losses.items()}

    def _select(self, output: HeadOutput, images: ImageList) -> tuple[list[Tensor], list[Tensor]]:
        config = self.training_config if self.training else self.config
        grid = self._grid(images)
        points = grid.points
        # A location in the padding lies in no box. With no score to reach, what it predicts would take the place of
        # proposals: clipped to the image it is mostly empty, and NMS keeps every empty box.
        ends = torch.tensor([(w, h) for h, w in images.image_sizes], device=points.device)  # (B, 2)
        outside = (points[None] >= ends[:, None]).any(-1)  # (B, L)
        output = output._replace(logits=output.logits.masked_fill(outside[..., None], -math.inf))
        boxes, scores = [], []
        with torch.autocast(points.device.type, enabled=False):
            for found in candidates_before_nms(output, grid, images.image_sizes, config):
                groups = grid.levels[found.locations] if self.nms_per_level else found.labels
                best = best_after_nms(found.boxes, found.scores, groups, config)
                best = best[remove_small_boxes(found.boxes[best], _SMALLEST)]
                boxes.append(found.boxes[best])
                scores.append(found.scores[best])
        return boxes, scores

    def _grid(self, images: ImageList) -> Grid:
        height, width = images.tensors.shape[-2:]
        return Grid.of(height, width, self.config, images.tensors.device)


def drawn(targets: Targets, number: int) -> Tensor:
    """Locations as an RPN draws its anchors: at random, at most half of them positive, as long as there are others.

    Returns:
        ``(B, K)`` indices of locations, K at most ``number``.
    """
    noise = torch.rand(targets.labels.shape, device=targets.labels.device)
    order = torch.where(targets.positive, noise, 2.0).argsort(1)  # the positive ones first, shuffled
    place = order.argsort(1)
    kept = targets.positive & (place < number // 2)
    key = torch.where(kept, -1.0, torch.where(targets.positive, 2.0, noise))
    return key.argsort(1)[:, :number]


def _at(values: Tensor, chosen: Tensor) -> Tensor:
    """Of ``(B, L)`` or ``(B, L, N)`` the chosen locations ``(B, K)``."""
    index = chosen if values.dim() == 2 else chosen[..., None].expand(-1, -1, values.shape[2])
    return values.gather(1, index)


def _check_levels(config: FCOSConfig) -> None:
    if config.levels not in (LEVELS, COARSE_LEVELS):
        raise ConfigError(
            f"levels is {config.levels}; a proposal network works on P2 to P6, or for comparison on P3 to P7: set "
            f"levels={LEVELS}"
        )


# ------------------------------------------------------------------ torchvision's parts, in float32 where it counts
class Backbone(nn.Module):
    """Our backbone and pyramid as torchvision's detectors want them: levels by name, and ``out_channels``."""

    def __init__(self, config: FCOSConfig, *, load_backbone: bool = True) -> None:
        super().__init__()
        self.pyramid = Pyramid(config)
        if load_backbone and config.backbone_weights == "imagenet":
            self.pyramid.body.load_imagenet()
        self.names = [f"p{level}" for level in config.levels]
        self.out_channels = config.fpn_channels
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """``(B, 3, H, W)`` to one float32 map for each level, by name (``"p2"``, ...)."""
        # torchvision makes its anchors in the maps' precision: bf16 steps by 2 pixels above 256.
        return OrderedDict((n, x.float()) for n, x in zip(self.names, self.pyramid(images), strict=True))


class Float32RPNHead(RPNHead):
    """torchvision's head with float32 results under autocast: boxes are decoded in their precision.

    Args:
        channels: of the maps.
        anchors: at each location.
        group_norm: behind its convolution, as the paper's Table 6 has it; torchvision's has none.
    """

    def __init__(self, channels: int, anchors: int, *, group_norm: bool = False) -> None:
        super().__init__(channels, anchors)
        if group_norm:
            self.conv = nn.Sequential(
                Conv2dNormActivation(
                    channels, channels, kernel_size=3, norm_layer=lambda c: GroupNorm(math.gcd(32, c // 2), c)
                )
            )
            nn.init.normal_(self.conv[0][0].weight, std=0.01)  # type: ignore[index]  # as torchvision's

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Maps of all levels to objectness ``(B, A, H, W)`` and box offsets ``(B, 4 A, H, W)`` of A anchors."""
        logits, offsets = super().forward(x)
        return [a.float() for a in logits], [a.float() for a in offsets]


class Float32Predictor(FastRCNNPredictor):
    """torchvision's last layers with float32 results under autocast, for the same reason."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features of R regions to class logits ``(R, C + 1)`` and box offsets ``(R, 4 (C + 1))``."""
        logits, offsets = super().forward(x)
        return logits.float(), offsets.float()


class CanvasRoIAlign(MultiScaleRoIAlign):
    """torchvision's pooling with the strides of the canvas.

    It works a map's stride out of the size of the first batch's largest image, and keeps it. Without the padding that
    size is misleading for a small image: 70 pixels on a canvas of 128 would halve every stride for good.
    """

    def forward(self, x: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]) -> Tensor:
        """Regions ``(K_i, 4)`` of each image to ``(sum K_i, channels, 7, 7)``."""
        finest = x[self.featmap_names[0]]
        stride = 2 ** int(self.featmap_names[0].removeprefix("p"))
        return super().forward(x, boxes, [(stride * finest.shape[-2], stride * finest.shape[-1])])


def anchor_sizes(config: FCOSConfig) -> tuple[float, ...]:
    """The base size of each level's anchors: half of the level's upper bound, 32 to 512 pixels for the paper's bounds.

    The last level has no upper bound; its size is the lower one. So a level has the same boxes to find, whichever way
    they are found.
    """
    low, high = config.level_bounds[:-1], config.level_bounds[1:]
    return tuple(a if math.isinf(b) else b / 2 for a, b in zip(low, high, strict=True))


def rpn_propose(
    rpn: RegionProposalNetwork, images: ImageList, features: dict[str, Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """Proposals of torchvision's RPN as its ``forward`` gives them, and the scores ``(K,)`` that it keeps to itself."""
    maps = list(features.values())
    objectness, offsets = rpn.head(maps)
    anchors = rpn.anchor_generator(images, maps)
    counts = [level[0].numel() for level in objectness]
    flat_objectness, flat_offsets = concat_box_prediction_layers(objectness, offsets)
    boxes = rpn.box_coder.decode(flat_offsets, anchors).view(len(anchors), -1, 4)
    return rpn.filter_proposals(boxes, flat_objectness, images.image_sizes, counts)


# ------------------------------------------------------------------ the two-stage detector
class TwoStage(nn.Module):
    """torchvision's Faster R-CNN with our labels: 0..C-1 in targets and detections, no background class.

    In training, ``model(images, targets)`` returns a dict of scalar losses: torchvision's ``loss_classifier`` and
    ``loss_box_reg`` of the ROI heads, and those of the proposals. In evaluation, ``model(images)`` returns ``boxes``
    (K, 4) xyxy in pixels of the image that was given, ``scores`` (K,) in 0..1, ``labels`` (K,) for each image.
    Built by :func:`faster_rcnn`.

    Attributes:
        check_inputs: as for :class:`~fcos_edu.model.FCOS`.
    """

    def __init__(self, config: FCOSConfig, detector: FasterRCNN) -> None:
        super().__init__()
        self.config = config
        self.check_inputs = True
        self.detector = detector

    def forward(
        self, images: Sequence[Tensor], targets: Sequence[dict[str, Tensor]] | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """Images (and targets) to losses in training, to detections in evaluation; see the class."""
        if self.training and targets is None:
            raise ValueError("training needs targets: call model(images, targets), or model.eval() for detections")
        if self.check_inputs:
            check_images(images)
            if targets is not None:
                check_targets(images, targets, self.config.num_classes)
        images = [image.float() for image in images]
        if not self.training:
            found = by_size(self.detector, images)
            return [one | {"labels": one["labels"] - 1} for one in found]  # torchvision's class 0 is background
        assert targets is not None
        shifted = [{"boxes": as_xyxy(t["boxes"]).float(), "labels": t["labels"].long() + 1} for t in targets]
        return self.detector(images, shifted)

    def set_proposal_nms(self, threshold: float, *, per_level: bool = False) -> None:
        """How many proposals of one object may stay: an experiment on a trained detector, whose weights stay.

        Args:
            threshold: IoU in 0..1 above which NMS drops a proposal.
            per_level: an NMS for each level. Of FCOS's proposals; an RPN has that always.

        Raises:
            ConfigError: a threshold outside 0..1.
        """
        rpn = self.detector.rpn
        if isinstance(rpn, FCOSProposals):
            rpn.config = rpn.config.replace(nms_threshold=threshold)
            rpn.training_config = rpn.training_config.replace(nms_threshold=threshold)
            rpn.nms_per_level = per_level
        else:
            self.config.replace(nms_threshold=threshold)  # refuses what is no threshold
            rpn.nms_thresh = threshold

    @torch.no_grad()
    def proposals(self, images: Sequence[Tensor]) -> list[dict[str, Tensor]]:
        """What the first stage alone finds, as class-agnostic detections: for AR100 and AR1000 of Table 6.

        Returns:
            For each image ``boxes`` (K, 4) xyxy in pixels of the image that was given, ``scores`` (K,) in 0..1,
            ``labels`` (K,) all 0; best first; K at most 1000.

        Raises:
            ValueError: the model is in training mode.
        """
        if self.training:
            raise ValueError("proposals() needs evaluation mode: call model.eval() first")
        if self.check_inputs:
            check_images(images)
        return by_size(self._proposals, [image.float() for image in images])

    def _proposals(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        batch, _ = self.detector.transform(images)
        features = self.detector.backbone(batch.tensors)
        rpn = self.detector.rpn
        boxes, scores = (
            rpn.propose(batch, features) if isinstance(rpn, FCOSProposals) else rpn_propose(rpn, batch, features)
        )
        return [
            {
                "boxes": scale_boxes(box, size, tuple(image.shape[-2:])),
                "scores": score,
                "labels": torch.zeros(len(box), dtype=torch.int64, device=box.device),
            }
            for box, score, size, image in zip(boxes, scores, batch.image_sizes, images, strict=True)
        ]


def faster_rcnn(
    config: FCOSConfig,
    proposals: Kind,
    *,
    representation: int | None = None,
    regions_per_image: int | None = None,
    group_norm: bool = False,
    samples: int | None = None,
    load_backbone: bool = True,
) -> TwoStage:
    """Faster R-CNN on our backbone and pyramid, with torchvision's RPN or with FCOS in its place.

    Both kinds differ in the proposals alone: same images, features, number of proposals, NMS threshold and ROI heads.

    Args:
        config: with levels P2 to P6, or P3 to P7. Of the images, the backbone, the C classes, and of the detections:
            score threshold, NMS, number. The rest is of the FCOS that makes proposals; the RPN takes the sizes of its
            three anchors a location from ``level_bounds`` (:func:`anchor_sizes`).
        proposals: ``"rpn"`` or ``"fcos"``.
        representation: features of a region in the ROI heads; None takes four times ``fpn_channels``: 1024, as
            torchvision has it, for 256.
        regions_per_image: how many proposals the ROI heads train on; None takes twice ``fpn_channels``: 512, as
            torchvision has it, for 256.
        group_norm: in the RPN's head; FCOS's follows ``config``.
        samples: anchors or locations of an image that the first stage learns from; None takes 256 anchors, as
            torchvision has it, or all locations.
        load_backbone: as for :class:`~fcos_edu.model.FCOS`.

    Raises:
        ConfigError: other levels, or an unknown kind.
    """
    if proposals not in get_args(Kind):
        raise ConfigError(f"proposals is {proposals!r}; it must be one of {', '.join(get_args(Kind))}")
    _check_levels(config)
    backbone = Backbone(config, load_backbone=load_backbone)
    anchors = AnchorGenerator(tuple((s,) for s in anchor_sizes(config)), ((0.5, 1.0, 2.0),) * len(config.levels))  # type: ignore[arg-type]
    pool = CanvasRoIAlign([f"p{level}" for level in config.levels if level <= 5], output_size=7, sampling_ratio=2)
    representation = representation or 4 * config.fpn_channels
    detector = FasterRCNN(
        backbone,
        min_size=config.min_size,
        max_size=config.max_size,
        # A canvas of whole cells of the last level: torchvision's anchors lie canvas // cells apart, which is the
        # stride only then.
        size_divisible=math.lcm(config.size_divisor, 2 ** config.levels[-1]),
        rpn_anchor_generator=anchors,
        rpn_head=Float32RPNHead(config.fpn_channels, anchors.num_anchors_per_location()[0], group_norm=group_norm),
        rpn_batch_size_per_image=samples or 256,
        rpn_pre_nms_top_n_train=_TRAINING[0],
        rpn_post_nms_top_n_train=_TRAINING[1],
        rpn_pre_nms_top_n_test=_EVALUATION[0],
        rpn_post_nms_top_n_test=_EVALUATION[1],
        rpn_nms_thresh=_NMS_THRESHOLD,
        box_roi_pool=pool,
        box_head=TwoMLPHead(config.fpn_channels * 7 * 7, representation),
        box_predictor=Float32Predictor(representation, config.num_classes + 1),
        box_score_thresh=config.score_threshold,
        box_nms_thresh=config.nms_threshold,
        box_detections_per_img=config.detections_per_image,
        box_batch_size_per_image=regions_per_image or 2 * config.fpn_channels,
    )
    if proposals == "fcos":
        detector.rpn = FCOSProposals(config.replace(num_classes=1, class_names=()), samples=samples)
    return TwoStage(config, detector)


class FirstStage(nn.Module):
    """The proposals of a two-stage detector as detections of one class: what Table 6 measures.

    Shares the detector; in evaluation mode from the start, as proposals are for evaluation.
    """

    def __init__(self, model: TwoStage) -> None:
        super().__init__()
        self.model = model
        self.eval()

    def forward(self, images: Sequence[Tensor]) -> list[dict[str, Tensor]]:
        """Images to :meth:`TwoStage.proposals`."""
        return self.model.proposals(images)
