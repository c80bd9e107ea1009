"""Images of any size to one normalised, padded batch, and boxes back again.

Part of the way of an image to a detection; not an idea of the paper's own, but its sizes (section 4: short side 800,
long side at most 1333). Checked against: torchvision's ``GeneralizedRCNNTransform``. Not that class itself, because it
copies constants to the GPU in every call (which waits for the GPU), resizes images that already have the right size,
rounds sizes down, and wants floats on the device, where we also take bytes and send them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.tv_tensors import BoundingBoxes, BoundingBoxFormat

from .config import FCOSConfig
from .devices import exact
from .text import counted

# Statistics of ImageNet, which every pretrained backbone was trained with.
IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)


T = TypeVar("T")


class Batch(NamedTuple):
    """Images of different sizes on one canvas."""

    tensor: Tensor  # (B, 3, H, W) normalised, zero-padded at the right and bottom
    sizes: list[tuple[int, int]]  # (height, width) of each image within it


def resized_size(height: int, width: int, config: FCOSConfig) -> tuple[int, int]:
    """(height, width) after scaling the short side to ``min_size``, unless the long side would exceed ``max_size``."""
    short, long = min(height, width), max(height, width)
    scale = min(config.min_size / short, config.max_size / long)
    to_whole = int if config.torchvision_quirks else round
    return max(1, to_whole(height * scale)), max(1, to_whole(width * scale))  # 4000 x 3 has a side left


class ImageBatcher(nn.Module):
    """Normalise, resize and pad a list of images; scale their boxes along."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: FCOSConfig) -> None:
        super().__init__()
        self.config = config
        self.resize_in_training = True  # False where the data set draws sizes (multi-scale training)
        self.register_buffer("mean", torch.tensor(IMAGE_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(IMAGE_STD)[:, None, None], persistent=False)

    def forward(
        self,
        images: Sequence[Tensor],
        targets: Sequence[dict[str, Tensor]] | None,
        canvas: tuple[int, int] | None = None,
    ) -> tuple[Batch, list[dict[str, Tensor]] | None]:
        """Images ``(3, H, W)``, float in 0..1 or uint8, and targets in their pixels; both on the canvas afterwards.

        Images may still lie in the host's memory: they are sent as they are, and a GPU does the rest. Bytes are a
        quarter of floats on the way; from pinned memory nothing waits for them.

        The canvas is the smallest for all of them, unless another (height, width) is given, as of a larger batch.
        """
        sizes, own = self.sizes(images)
        height, width = canvas or own
        # channels_last: convolutions of CPUs and of GPUs with tensor cores are faster on it.
        pixels = torch.empty(
            (len(images), 3, height, width),
            dtype=self.mean.dtype, device=self.mean.device, memory_format=torch.channels_last,
        )  # fmt: skip
        pixels.copy_(self.mean)  # what stays bare is 0 once all is normalised, in one go for all images
        for i, (image, size) in enumerate(zip(images, sizes, strict=True)):
            if image.dtype == torch.float64:  # as NumPy's images often are; not every device has it
                image = image.to(pixels.dtype)
            image = image.to(pixels.device, non_blocking=True)
            if not image.is_floating_point():
                image = image / 255
            if size != tuple(image.shape[-2:]):
                image = image.to(pixels.dtype)
                image = F.interpolate(image[None], size=size, mode="bilinear", align_corners=False)[0]
            pixels[i, :, : size[0], : size[1]].copy_(image)
        pixels = pixels.clamp_(0, 1)  # a resize or a blur goes beyond white and black by a rounding
        pixels = pixels.sub_(self.mean).div_(self.std)
        return Batch(pixels, sizes), None if targets is None else self.scale(images, targets, sizes)

    def groups(self, images: Sequence[Tensor]) -> list[list[int]]:
        """Places of the images that go through the network together, on one canvas.

        In training all of them do, as in the paper. In evaluation only those whose own canvases are equal: group norm
        averages over the canvas, padding included, so an image beside a larger one would get other scores than alone.
        With ``torchvision_quirks`` all of them, as torchvision has it.
        """
        if self.training or self.config.torchvision_quirks:
            return [list(range(len(images)))]
        return grouped([self.sizes([image])[1] for image in images])

    def sizes(self, images: Sequence[Tensor]) -> tuple[list[tuple[int, int]], tuple[int, int]]:
        """(height, width) of each image once it is resized, and of the canvas for all."""
        sizes = [(image.shape[-2], image.shape[-1]) for image in images]
        if self.resize_in_training or not self.training:
            sizes = [resized_size(*size, self.config) for size in sizes]
        multiple = self.config.size_divisor
        height, width = (-(-max(side) // multiple) * multiple for side in zip(*sizes, strict=True))
        return sizes, (height, width)

    def scale(
        self, images: Sequence[Tensor], targets: Sequence[dict[str, Tensor]], sizes: Sequence[tuple[int, int]]
    ) -> list[dict[str, Tensor]]:
        """Targets in the pixels of the resized images."""
        return [
            {"boxes": scale_boxes(as_xyxy(t["boxes"]), tuple(i.shape[-2:]), size), "labels": t["labels"]}
            for t, i, size in zip(targets, images, sizes, strict=True)
        ]


def grouped(keys: Sequence[Hashable]) -> list[list[int]]:
    """Places of equal keys, in the order in which each comes first."""
    groups: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    return list(groups.values())


def by_size(detect: Callable[[list[Tensor]], Sequence[T]], images: Sequence[Tensor]) -> list[T]:
    """What ``detect`` says of each image, in their order; it gets those of one size at a time, which share a canvas.

    For torchvision's detectors in evaluation: see :meth:`ImageBatcher.groups`.
    """
    found: dict[int, T] = {}
    for group in grouped([tuple(image.shape[-2:]) for image in images]):
        found |= zip(group, detect([images[place] for place in group]), strict=True)
    return [found[place] for place in range(len(images))]


@exact
def scale_boxes(boxes: Tensor, size: Sequence[int], new_size: Sequence[int]) -> Tensor:
    """Boxes ``(M, 4)`` xyxy of an image of ``size`` (height, width) in the pixels of the same image at ``new_size``.

    In float64 and rounded once: in float32 a side at the border would land up to 6e-5 pixels outside, and a location
    on the border would lie inside the box.
    """
    if tuple(size) == tuple(new_size):
        return torch.as_tensor(boxes, dtype=torch.float32)
    x, y = new_size[1] / size[1], new_size[0] / size[0]
    boxes = boxes.double()
    return torch.stack([boxes[:, 0::2] * x, boxes[:, 1::2] * y], dim=2).flatten(1).float()  # (M, 2 corners, xy)


def as_xyxy(boxes: Tensor) -> Tensor:
    """Boxes as corners: torchvision's ``BoundingBoxes`` say which format they have, plain tensors are xyxy already.

    Raises:
        ValueError: rotated boxes, of which FCOS knows nothing.
    """
    if not isinstance(boxes, BoundingBoxes):
        return boxes
    kind, plain = boxes.format, boxes.as_subclass(Tensor)
    if kind == BoundingBoxFormat.XYXY:
        return plain
    if kind not in (BoundingBoxFormat.XYWH, BoundingBoxFormat.CXCYWH):
        raise ValueError(
            f"boxes have the format {kind.value}; FCOS finds upright boxes: convert them to XYXY first, such as by "
            "torchvision.transforms.v2.ConvertBoundingBoxFormat"
        )
    start, sides = plain[..., :2], plain[..., 2:]
    if kind == BoundingBoxFormat.CXCYWH:
        start = start - sides / 2
    return torch.cat([start, start + sides], dim=-1)


def check_thin(images: Sequence[Tensor], max_size: int) -> None:
    """Refuse images that torchvision's own resizing, which rounds down, leaves without a side.

    Raises:
        ValueError: names the size.
    """
    for image in images:  # of one group of a batch: their numbers would mislead
        height, width = image.shape[-2:]
        short, long = min(height, width), max(height, width)
        if int(short * (max_size / long)) < 1:
            raise ValueError(
                f"an image is {width} x {height}; with a long side of at most {max_size} nothing is left of its short "
                "one: crop it, or raise max_size"
            )


def _digits(value: float) -> str:
    """Six digits, or as many as it takes to see on which side of 0 and 1 a value lies."""
    return f"{value:g}" if f"{value:g}" not in ("0", "1", "-0") or value in (0, 1) else f"{value:.17g}"


def check_images(images: Sequence[Tensor]) -> None:
    """Refuse what is not a list of images ``(3, H, W)``, floats in 0..1 (but for rounding) or uint8.

    Raises:
        TypeError: not a list of tensors, or whole numbers that are not uint8.
        ValueError: wrong shape, values outside 0..1 or not finite; the message names the image and the value.
    """
    if isinstance(images, Tensor) and images.dim() != 4:
        raise ValueError(f"images is one tensor of shape {tuple(images.shape)}; give a list of (3, H, W) tensors")
    if len(images) == 0:
        raise ValueError("images is empty; give at least one (3, H, W) tensor")
    for i, image in enumerate(images):
        if not isinstance(image, Tensor):
            raise TypeError(f"image {i} is a {type(image).__name__}; it must be a tensor (3, H, W)")
        if image.dim() != 3 or image.shape[0] != 3 or 0 in image.shape:
            hint = ""
            if image.dim() == 3 and image.shape[-1] == 3:
                hint = ": channels come first, try image.permute(2, 0, 1)"
            elif image.dim() == 3 and image.shape[0] == 1:
                hint = ": repeat the grey channel, try image.expand(3, -1, -1)"
            raise ValueError(f"image {i} has shape {tuple(image.shape)}; it must be (3, H, W){hint}")
        if image.dtype == torch.uint8:
            continue
        if not image.is_floating_point():
            raise TypeError(f"image {i} has dtype {image.dtype}; it must be uint8, or floating point in 0..1")
        values = image.detach()
        as_read = values.permute(1, 2, 0)  # decoders write pixel by pixel: in that order this is four times as fast
        low, high = (v.item() for v in torch.aminmax(as_read if as_read.is_contiguous() else values))
        slack = max(1e-6, 4 * torch.finfo(image.dtype).eps)  # of rounding; the batcher clamps it
        if not (low >= -slack and high <= 1 + slack):  # written so that NaN fails too
            hint = ": divide by 255" if 1.5 < high <= 255.0 and low >= 0 else ""
            raise ValueError(
                f"image {i} has values from {_digits(low)} to {_digits(high)}; they must lie in 0..1{hint}"
            )


def check_targets(images: Sequence[Tensor], targets: Sequence[dict[str, Tensor]], num_classes: int) -> None:
    """Refuse targets that a detector cannot learn.

    Boxes are plain tensors, xyxy, or torchvision's ``BoundingBoxes`` (:func:`as_xyxy`).

    Raises:
        ValueError: a number of targets that is not that of images; a target without ``boxes`` or ``labels``; wrong
            shapes; a box with x1 <= x0, y1 <= y0 or a value that is not finite; a label outside 0..C-1. The message
            names the image, the box and the value.
    """
    if len(targets) != len(images):
        raise ValueError(
            f"{counted(len(images), 'images')} but {counted(len(targets), 'targets')}: each image needs one"
        )
    for i, target in enumerate(targets):
        if not isinstance(target, dict):
            raise ValueError(f"target {i} is a {type(target).__name__}; it must be a dict with boxes and labels")
        for key in ("boxes", "labels"):
            if not isinstance(target.get(key), Tensor):
                raise ValueError(f"target {i} lacks the tensor {key!r}; it has {sorted(target)}")
        boxes, labels = as_xyxy(target["boxes"]), target["labels"]
        if boxes.dim() != 2 or boxes.shape[-1] != 4:
            raise ValueError(f"target {i}: boxes has shape {tuple(boxes.shape)}; it must be (M, 4) xyxy")
        if labels.shape != boxes.shape[:1]:
            raise ValueError(f"target {i}: {counted(len(boxes), 'boxes')} but labels of shape {tuple(labels.shape)}")
        if labels.is_floating_point() or labels.dtype == torch.bool:
            raise ValueError(f"target {i}: labels has dtype {labels.dtype}; it must be int64")
        good = torch.isfinite(boxes).all(dim=1) & (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
        if not bool(good.all()):
            bad = int((~good).nonzero()[0])
            raise ValueError(
                f"target {i}: box {bad} is {[round(v, 2) for v in boxes[bad].tolist()]}; "
                "it must be finite, with x0 < x1 and y0 < y1"
            )
        known = (labels >= 0) & (labels < num_classes)
        if not bool(known.all()):
            bad = int((~known).nonzero()[0])
            raise ValueError(
                f"target {i}: label {int(labels[bad])} of box {bad} is outside 0..{num_classes - 1} "
                f"(num_classes is {num_classes}; there is no background class)"
            )
