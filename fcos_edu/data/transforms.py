"""Augmentation with torchvision's `transforms.v2` (Sec. 4: short side 800, or 640–800; long side ≤ 1333).

Taught in the chapter *Your own boxes*. Checked against torchvision's own transforms (sizes,
mirrored boxes) and for what must always hold: boxes stay in the image, labels stay with their boxes.

Each pipeline takes a sample (image uint8 (3, H, W), target) and returns (image float32 (3, H, W) in 0..1,
target). Boxes are cut at the border, and boxes with a side under one pixel fall out with their labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

AUGMENTATIONS = ("none", "flip", "strong", "jitter")


def _finish() -> list[v2.Transform]:
    """Cut and clean boxes, then leave 0..255 for 0..1; last, because uint8 images are four times smaller."""
    return [
        v2.ClampBoundingBoxes(),
        v2.SanitizeBoundingBoxes(min_size=1.0),
        v2.ToDtype(torch.float32, scale=True),
    ]


def resize(min_size: int | Sequence[int], max_size: int | None = 1333) -> v2.Transform:
    """Short side to `min_size` pixels (a random one if several are given), long side at most `max_size`."""
    sizes = [min_size] if isinstance(min_size, int) else list(min_size)
    if not sizes or min(sizes) < 1:
        raise ValueError(f"min_size is {min_size!r}; it must be one or several positive numbers of pixels.")
    return _ShortestSize(min_size=sizes, max_size=max_size)


class _ShortestSize(v2.RandomShortestSize):
    """torchvision's, but for pictures so thin that nothing would be left of a side: a pixel is, as in the detector."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The size and the way to get there."""
        params = super().make_params(flat_inputs)
        return {**params, "size": tuple(max(1, side) for side in params["size"])}


def train_transforms(
    min_sizes: Sequence[int] | int | None = (640, 672, 704, 736, 768, 800),
    max_size: int | None = 1333,
    *,
    flip: float = 0.5,
    augment: str = "flip",
    vertical_flip: float = 0.0,
    scale: tuple[float, float] | None = None,
    colour: float | None = None,
) -> v2.Compose:
    """Random transforms for training.

    Args:
        min_sizes: short sides to choose from, in pixels; None leaves the size as it is (for instance because
            `cached` has resized already).
        max_size: upper bound of the long side in pixels.
        flip: probability of mirroring left and right.
        augment: "none" resizes only; "flip" is the paper's recipe; "strong" is for small sets: also `scale`
            and `colour`, at the values given here or else (0.7, 1.4) and 0.3; "jitter" is for long trainings from
            random weights: a square window instead of the whole picture (`RandomWindow`), by a factor of `scale`, or
            else of (0.6, 2), and `colour`.
        vertical_flip: probability of mirroring top and bottom; right for photographs without an above and
            below, as from a microscope.
        scale: zoom the picture by a factor of this range and shift it by up to a tenth; the canvas stays
            as large as it is. With "jitter", of the window. Boxes with their centre outside fall out.
        colour: change brightness, contrast and saturation by up to this share, and hue by a tenth of it.

    Raises ValueError for an unknown `augment` or a probability outside 0..1.
    """
    if augment not in AUGMENTATIONS:
        raise ValueError(f"augment is {augment!r}; it must be one of {', '.join(AUGMENTATIONS)}.")
    for name, probability in (("flip", flip), ("vertical_flip", vertical_flip)):
        if not 0 <= probability <= 1:
            raise ValueError(f"{name} is {probability}; a probability lies in 0..1.")
    steps: list[v2.Transform] = []
    if min_sizes is not None:
        steps.append(resize(min_sizes, max_size))
    if augment != "none":
        if flip > 0:
            steps.append(v2.RandomHorizontalFlip(flip))
        if vertical_flip > 0:
            steps.append(v2.RandomVerticalFlip(vertical_flip))
        if augment in ("strong", "jitter"):
            scale = scale or ((0.7, 1.4) if augment == "strong" else (0.6, 2.0))
            colour = 0.3 if colour is None else colour
        if scale is not None:
            steps.append(RandomWindow(scale) if augment == "jitter" else RandomZoom(scale))
        if colour:
            steps.append(v2.ColorJitter(brightness=colour, contrast=colour, saturation=colour, hue=colour / 10))
    return v2.Compose([*steps, *_finish()])


def eval_transforms(min_size: int | None = None, max_size: int | None = 1333) -> v2.Compose:
    """Transforms for evaluation: float32 in 0..1, and no resize unless `min_size` is given.

    The model resizes by itself and gives its boxes in the pixels of the image it got. Resizing here instead
    means that boxes must be scaled back before they are held against `ground_truth()`.
    """
    return v2.Compose([*([resize(min_size, max_size)] if min_size is not None else []), *_finish()])


class RandomZoom(v2.Transform):
    """Zoom about the middle and shift, on a canvas that keeps its size; what is bare becomes grey.

    A box whose centre leaves the canvas is dropped with its label: a sliver of it would teach little.

    Args:
        scale: smallest and largest factor, > 0.
        shift: largest shift as a share of width and height.
        fill: grey value 0..255 of bare pixels.
    """

    def __init__(self, scale: tuple[float, float] = (0.7, 1.4), shift: float = 0.1, fill: int = 124) -> None:
        super().__init__()
        if not 0 < scale[0] <= scale[1]:
            raise ValueError(f"scale is {scale}; 0 < smallest <= largest must hold.")
        self.scale, self.shift, self.fill = scale, shift, fill

    def forward(self, image: torch.Tensor, target: dict[str, Any]) -> tuple[torch.Tensor, dict[str, Any]]:
        """Zoom and shift image and boxes together; (3, H, W) stays (3, H, W)."""
        height, width = image.shape[-2:]
        unit = torch.rand(3).tolist()
        factor = self.scale[0] + unit[0] * (self.scale[1] - self.scale[0])
        shift = [round((2 * u - 1) * self.shift * side) for u, side in zip(unit[1:], (width, height), strict=True)]
        zoomed = functional.affine(
            image,
            angle=0,
            translate=shift,
            scale=factor,
            shear=[0, 0],
            interpolation=v2.InterpolationMode.BILINEAR,
            fill=self.fill,
        )
        middle = torch.tensor([width / 2, height / 2])
        xyxy = target["boxes"].as_subclass(torch.Tensor)  # (M, 4)
        moved = (xyxy - middle.repeat(2)) * factor + (middle + torch.tensor(shift)).repeat(2)
        centres = (moved[:, :2] + moved[:, 2:]) / 2
        inside = ((centres > 0) & (centres < 2 * middle)).all(dim=1)
        boxes = tv_tensors.wrap(moved[inside], like=target["boxes"])
        return zoomed, {**target, "boxes": boxes, "labels": target["labels"][inside]}


class RandomWindow(v2.Transform):
    """A square window of random size, place and shape onto a picture, brought to the picture's short side S.

    Large-scale jittering (Ghiasi et al. 2021) with a change of shape, as Inception's crops have it. All pictures become
    (3, S, S): batches need no padding. A window that is larger than the picture shows grey beside it. As for
    `RandomZoom`, a box whose centre is not in the window is dropped with its label.

    Args:
        scale: smallest and largest factor by which the picture is magnified, > 0; drawn evenly in its logarithm.
        stretch: at most so many times wider, or higher, does the window make things; >= 1.
        fill: grey value 0..255 of bare pixels.
    """

    def __init__(self, scale: tuple[float, float] = (0.6, 2.0), stretch: float = 1.25, fill: int = 124) -> None:
        super().__init__()
        if not 0 < scale[0] <= scale[1]:
            raise ValueError(f"scale is {scale}; 0 < smallest <= largest must hold.")
        if stretch < 1:
            raise ValueError(f"stretch is {stretch}; it must be at least 1.")
        self.scale, self.stretch, self.fill = scale, stretch, fill

    def forward(self, image: torch.Tensor, target: dict[str, Any]) -> tuple[torch.Tensor, dict[str, Any]]:
        """(3, H, W) becomes (3, S, S), S the smaller of H and W, and boxes follow."""
        height, width = image.shape[-2:]
        side = min(height, width)
        unit = torch.rand(4).tolist()
        factor = self.scale[0] * (self.scale[1] / self.scale[0]) ** unit[0]
        wider = self.stretch ** (unit[1] - 0.5)
        window = [max(1, round(side / (factor * wider))), max(1, round(side / (factor / wider)))]  # width, height
        # Inside of the picture, or around it.
        left, top = (round(u * (have - want)) for u, have, want in zip(unit[2:], (width, height), window, strict=True))
        border = [max(0, -left), max(0, -top), max(0, left + window[0] - width), max(0, top + window[1] - height)]
        padded = functional.pad(image, border, fill=self.fill) if any(border) else image
        shown = functional.resized_crop(padded, max(0, top), max(0, left), window[1], window[0], size=[side, side])

        factors = side / torch.tensor(window)
        xyxy = target["boxes"].as_subclass(torch.Tensor)  # (M, 4)
        moved = (xyxy - torch.tensor([left, top]).repeat(2)) * factors.repeat(2)
        centres = (moved[:, :2] + moved[:, 2:]) / 2
        inside = ((centres > 0) & (centres < side)).all(dim=1)
        boxes = tv_tensors.BoundingBoxes(moved[inside], format="XYXY", canvas_size=(side, side))  # type: ignore[call-overload]
        return shown, {**target, "boxes": boxes, "labels": target["labels"][inside]}
