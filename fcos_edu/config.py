"""Every switch of the paper in one frozen dataclass.

Taught in each chapter beside the idea that a field switches. Every row of the paper's Tables 3, 4 and 8
is a setting of these fields, and the field's comment names the table and the row.
Checked against: the presets' own tests, and torchvision's ``fcos_resnet50_fpn`` for :meth:`FCOSConfig.torchvision`.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from .settings import (
    INF,
    INFERENCE,
    ConfigError,
    Inside,
    Message,
    Positive,
    Range,
    Settings,
    Share,
    check_field_names,
    setting,
)
from .text import counted

# Beside "timm:NAME" for a network of timm, whose names are known once it is built (:mod:`fcos_edu.backbones`).
BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnext101_32x8d", "resnext101_64x4d", "tiny")
CenternessKind = Literal["branch", "computed", "oracle", "none"]
# What :func:`fcos_edu.detectors.build` makes, and which trained ones come with the package. Here, without torch: a
# configuration is checked, and ``--help`` is shown, before anything is built.
Detector = Literal[
    "fcos", "torchvision_fcos", "retinanet", "retinanet_one_anchor", "faster_rcnn", "faster_rcnn_gn",
    "faster_rcnn_gn_all", "faster_rcnn_fcos", "faster_rcnn_fcos_256",
]  # fmt: skip
PACKAGED = ("shapes", "bccd", "people")


@dataclass(frozen=True)
class FCOSConfig(Settings):
    """All of FCOS's settings. The defaults are the paper's final model of Table 3, row "GN" (AP 37.1).

    Make variants with the presets and keyword overrides, or with :meth:`~fcos_edu.settings.Settings.replace`::

        FCOSConfig.improved(num_classes=3)
        FCOSConfig.paper().replace(box_loss="giou")

    A misspelt field is refused with the nearest right name; values that cannot be, or that contradict each other,
    raise :class:`~fcos_edu.settings.ConfigError`.
    """

    # -- what is detected
    num_classes: Annotated[int, Range(1, 100_000)] = (
        80  # C. Labels are 0..C-1 and index the C logits: there is no background class.
    )
    class_names: tuple[str, ...] = ()  # names of the C classes, or empty

    # -- images (section 4: short side 800, long side at most 1333)
    min_size: Annotated[int, Range(1, 16_384), INFERENCE] = 800
    max_size: Annotated[int, Range(1, 16_384), INFERENCE] = 1333
    size_divisor: Annotated[int, Range(1, 1024)] = 128  # the padded canvas is a multiple of it; 128 = the stride of P7

    # -- network (Fig. 2)
    backbone: str = "resnet50"  # one of BACKBONES, or "timm:NAME": timm:hrnet_w32 is Table 5's HRNet-W32
    backbone_weights: Literal["imagenet", "random"] = "imagenet"
    frozen_stages: Annotated[int, Range(0, 5)] = 2  # without gradient, from the stem: 1 stem, 2 stem and C2, ... 5 all
    fpn_channels: Annotated[int, Range(1, 8192)] = 256
    num_head_convs: Annotated[int, Range(0, 64)] = 4  # convolutions of each tower
    levels: tuple[int, ...] = (3, 4, 5, 6, 7)  # P3..P7; (4,) is "without FPN" in Tables 1 and 2
    extra_levels_from: Literal["P5", "C5"] = "P5"  # Table 3 rows 2 and 3, Table 8 rows 3 and 4
    group_norm: bool = True  # in the towers; Table 3 row 5, Table 8 row 5
    box_activation: Literal["exp_scaled", "exp", "relu"] = "exp_scaled"  # exp(s_i x); without s_i: Table 8 row 5
    centerness_branch: Literal["classification", "regression", "none"] = "classification"  # Table 3 "ctr. on reg."
    prior_probability: Inside = 0.01  # of a foreground class at initialisation (RetinaNet)

    # -- targets (sections 3.1 and 3.2)
    level_bounds: tuple[float, ...] = (0.0, 64.0, 128.0, 256.0, 512.0, INF)  # m_2 .. m_7, pixels, inclusive
    center_sampling_radius: Positive | None = None  # in strides; Table 3 "ctr. sampling" uses 1.5
    normalize_targets: bool = False  # ltrb divided by the stride; Table 3 "normalization"
    location_offset: Literal["half_stride", "none"] = "half_stride"  # floor(s/2) + x s, or x s

    # -- loss (Eq. 2)
    # -ln IoU (UnitBox), 1 - IoU, GIoU (Table 3 "GIoU"), or smooth L1 of ltrb (our reading of Table 8's rows 3 to 6)
    box_loss: Literal["iou", "linear_iou", "giou", "smooth_l1"] = "iou"
    box_loss_weight: Annotated[float, Range(0, 1e6)] = 1.0  # the paper's lambda
    focal_alpha: Share = 0.25
    focal_gamma: Annotated[float, Range(0, 100)] = 2.0

    # -- inference (section 4)
    centerness_inference: Annotated[CenternessKind, INFERENCE] = "branch"  # Table 4; oracle needs the targets
    score_threshold: Annotated[Share, INFERENCE] = 0.05
    threshold_on: Annotated[Literal["class", "product"], INFERENCE] = "class"  # before or after times center-ness
    sqrt_score: Annotated[bool, INFERENCE] = False  # sqrt(class x center-ness), as torchvision and detectron2 rank
    pre_nms_top_k: Annotated[int, Range(1, 1_000_000), INFERENCE] = 1000  # for each level
    nms_threshold: Annotated[Share, INFERENCE] = 0.6  # 0.5 in Table 3 rows 1 to 3
    detections_per_image: Annotated[int, Range(1, 1_000_000), INFERENCE] = 100

    # -- torchvision's departures from the paper, needed to run its published weights as they were trained
    torchvision_quirks: bool = False

    # ------------------------------------------------------------------ presets
    @classmethod
    def paper(cls, **overrides: Any) -> FCOSConfig:
        """The paper's FCOS with group norm, NMS at 0.6: Table 3 row 5, AP 37.1 after 90 K iterations."""
        return cls._make({}, overrides)

    @classmethod
    def improved(cls, **overrides: Any) -> FCOSConfig:
        """All improvements of Table 3 together: ctr. on reg., center sampling, GIoU, normalization. AP 38.6."""
        return cls._make(_IMPROVED, overrides)

    @classmethod
    def torchvision(cls, **overrides: Any) -> FCOSConfig:
        """torchvision's ``fcos_resnet50_fpn``: same outputs and losses from the same weights.

        ``torchvision_quirks`` reproduces what only torchvision does:

        * the grid pitch is ``canvas // grid`` instead of the stride: 61 and 114 instead of 64 and 128 on P6 and P7
          of a canvas 800 high, exact only when the canvas is a multiple of 128 (it is one of 32 here);
        * both level bounds are exclusive: a location with max(l, t, r, b) of exactly 64 is on no level;
        * the smallest box is chosen as the largest 1e8 - area in float32, where areas below 8 apart can tie;
        * sizes are rounded down after scaling: 480x640 becomes 800x1066, not 800x1067.

        It also has 91 classes, COCO's category ids with slot 0 unused, relu without s_i for the box output, and
        tests sqrt(class x center-ness) > 0.2.
        """
        preset = _IMPROVED | dict(
            num_classes=91,
            size_divisor=32,
            box_activation="relu",
            location_offset="none",
            score_threshold=0.2,
            threshold_on="product",
            sqrt_score=True,
            torchvision_quirks=True,
        )
        return cls._make(preset, overrides)

    @classmethod
    def tiny(cls, **overrides: Any) -> FCOSConfig:
        """A small FCOS with all improvements that trains from random weights on a CPU, for images of about 240x320.

        The level bounds are halved, because images are: the ratio of box to image is what the levels share out.
        """
        preset = _IMPROVED | dict(
            min_size=240,
            max_size=400,
            size_divisor=32,
            backbone="tiny",
            backbone_weights="random",
            frozen_stages=0,
            fpn_channels=64,
            num_head_convs=2,
            level_bounds=(0.0, 32.0, 64.0, 128.0, 256.0, INF),
        )
        return cls._make(preset, overrides)

    @classmethod
    def _make(cls, preset: dict[str, Any], overrides: dict[str, Any]) -> FCOSConfig:
        check_field_names(cls, overrides)
        return cls(**(preset | overrides))

    # ------------------------------------------------------------------ derived
    @property
    def strides(self) -> tuple[int, ...]:
        """The total stride of each level (8, 16, 32, 64, 128 for P3 to P7)."""
        return tuple(2**level for level in self.levels)

    # ------------------------------------------------------------------ checks
    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_backbone()
        longest = max(self.class_names, key=len, default="")
        _require(
            len(longest) <= 1000,
            f"the class name {longest[:20]!r}... has {counted(len(longest), 'characters')}; 1000 at most",
        )
        _require(
            self.max_size >= self.min_size,
            f"{setting('max_size')} is {self.max_size}, smaller than {setting('min_size')} {self.min_size}: "
            "the limit of the long side must be at least the size of the short side",
        )
        _require(
            not self.class_names or len(self.class_names) == self.num_classes,
            f"class_names has {counted(len(self.class_names), 'names')}, but num_classes is {self.num_classes}",
        )
        _require(
            len(self.levels) > 0
            and all(2 <= i <= 7 for i in self.levels)
            and list(self.levels) == list(range(self.levels[0], self.levels[0] + len(self.levels))),
            f"levels is {self.levels}; it must be neighbouring pyramid levels between 2 and 7, such as (3, 4, 5, 6, 7)",
        )
        bounds = self.level_bounds
        _require(
            len(bounds) == len(self.levels) + 1,
            f"level_bounds has {counted(len(bounds), 'numbers')}; "
            f"{counted(len(self.levels), 'levels need', 'level needs')} {len(self.levels) + 1}",
        )
        _require(
            all(low < high for low, high in zip(bounds, bounds[1:], strict=False)) and bounds[0] >= 0,
            f"level_bounds is {bounds}; the bounds must rise from 0",
        )
        _require(
            not self.group_norm or self.fpn_channels % 8 == 0,
            f"fpn_channels is {self.fpn_channels}; group norm needs a multiple of 8",
        )
        self._check_combinations()

    def _check_combinations(self) -> None:
        """Fields that are right alone, but not together."""
        _require(
            not (self.centerness_branch == "none" and self.centerness_inference == "branch"),
            f"{setting('centerness_inference', 'branch')} needs a branch, but {setting('centerness_branch')} is "
            "'none': choose 'computed', 'oracle' or 'none'",
        )
        _require(
            not (self.backbone == "tiny" and self.backbone_weights == "imagenet"),
            f"there are no ImageNet weights for backbone 'tiny': set {setting('backbone_weights', 'random')}",
        )
        _require(
            not (self.backbone_weights == "random" and self.frozen_stages > 0),
            f"{setting('frozen_stages', self.frozen_stages)} would freeze random weights for good: set "
            f"{setting('frozen_stages', 0)}, or {setting('backbone_weights', 'imagenet')}",
        )
        _require(
            not (self.extra_levels_from == "C5" and max(self.levels) <= 5),
            f"{setting('extra_levels_from', 'C5')} has no effect with {setting('levels')} {self.levels}: "
            "there is no level above P5",
        )
        _require(
            not (max(self.levels) > 5 and 5 not in self.levels),
            f"levels {self.levels} lacks P5, from which P6 and P7 are made",
        )
        _require(
            not (self.torchvision_quirks and self.location_offset != "none"),
            f"{setting('torchvision_quirks')} needs {setting('location_offset', 'none')}: torchvision's "
            "locations have no half stride",
        )

    def _check_backbone(self) -> None:
        """Refuse a name that is not among ``BACKBONES``, and none of timm either, as far as can be told without it."""
        name = self.backbone
        if name in BACKBONES or name.removeprefix("timm:") not in ("", name):
            return
        near = difflib.get_close_matches(name, BACKBONES, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ConfigError(f"backbone is {name!r}; it must be one of {', '.join(BACKBONES)}, or timm:NAME{hint}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(Message(message))


_IMPROVED: dict[str, Any] = dict(
    centerness_branch="regression", center_sampling_radius=1.5, box_loss="giou", normalize_targets=True
)
