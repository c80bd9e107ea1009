"""The boxes of a whole data set as a few arrays, without its images: what counting over a data set needs (Sec. 4).

Taught in the chapter *Levels of the pyramid*. Checked against: the data readers, which must give the same boxes for
training, and `images.ImageBatcher`, which must scale them to the same numbers.

As dicts, a file of the size of COCO's train2017 (118,287 images) takes more than twenty times the memory of these
arrays; so it is read once, and the dicts are dropped.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..config import FCOSConfig
from ..images import resized_size
from ..locations import Grid
from ..targets import PaddedBoxes
from ..text import counted, printable
from .annotations import Annotations
from .loading import load_annotations

_LOCATIONS_PER_BATCH = 200_000  # keeps what the assignment works on in a processor's cache


@dataclass(frozen=True, slots=True)
class Boxes:
    """N images and their T boxes, image after image.

    Sizes and boxes are in pixels of the original images. Boxes are cut at the border, as for training.
    """

    name: str  # of the file or data set, without its folder
    classes: tuple[str, ...]  # name of label k
    image_ids: NDArray[np.int64]  # (N,)
    heights: NDArray[np.int64]  # (N,)
    widths: NDArray[np.int64]  # (N,)
    image_index: NDArray[np.int64]  # (T,) which of the N images; ascending
    boxes: NDArray[np.float32]  # (T, 4) xyxy
    labels: NDArray[np.int64]  # (T,) 0..C-1
    left_out: dict[str, int]  # boxes that are not here, by reason

    @classmethod
    def of(cls, annotations: Annotations, *, crowds: bool = False, last_pixel: bool = False) -> Boxes:
        """Cut at the border, without what training leaves out; for the arguments and errors see `load_boxes`."""
        name = annotations.file or annotations.name
        annotations = _sized(annotations, name)
        height, width, images = annotations.heights, annotations.widths, annotations.image_index
        border = np.stack([width, height, width, height], axis=1)[images]
        cut = (annotations.boxes - [0, 0, last_pixel, last_pixel]).clip(0, border - last_pixel)
        clipped = cut.astype(np.float32)  # as targets are
        solid = np.isfinite(annotations.boxes).all(axis=1) & (clipped[:, 2:] > clipped[:, :2]).all(axis=1)
        left = annotations.ignored & (not crowds)
        counts = {annotations.ignored_reason: int(left.sum()), **annotations.left_out}
        counts["degenerate boxes"] = int((~solid & ~left).sum())
        keep = solid & ~left
        if not keep.any():
            told = ", ".join(counted(n, reason) for reason, n in counts.items() if n) or "none at all"
            raise ValueError(
                f"{name} has no boxes to count ({told} in {counted(annotations.images, 'images')}); give "
                "annotations with boxes"
            )
        return cls(
            name,
            annotations.classes,
            annotations.image_ids,
            height,
            width,
            images[keep],
            clipped[keep],
            annotations.labels[keep],
            {reason: count for reason, count in counts.items() if count},
        )

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def images(self) -> int:
        """Number of images, those without boxes included."""
        return len(self.image_ids)

    @property
    def sides(self) -> NDArray[np.float64]:
        """``(T,)``: the square root of each box's area, in original pixels."""
        width, height = (self.boxes[:, 2:] - self.boxes[:, :2]).astype(np.float64).T
        return np.sqrt(width * height)

    def resized(self, config: FCOSConfig) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(height, width) of each image ``(N, 2)`` and the boxes ``(T, 4)``, both as the model resizes them."""
        sizes = np.array(
            [resized_size(int(h), int(w), config) for h, w in zip(self.heights, self.widths, strict=True)]
        ).reshape(-1, 2)
        scale = sizes / np.stack([self.heights, self.widths], axis=1)  # y, x
        # In float64 and rounded once, as images.scale_boxes does.
        return sizes, (self.boxes * scale[self.image_index][:, [1, 0, 1, 0]]).astype(np.float32)

    def alone(self, chosen: NDArray[np.int64]) -> Boxes:
        """The boxes at the positions ``chosen``, each as the only one of an image of its own."""
        images = self.image_index[chosen]
        return Boxes(
            self.name, self.classes, self.image_ids[images], self.heights[images], self.widths[images],
            np.arange(len(chosen)), self.boxes[chosen], self.labels[chosen], {},
        )  # fmt: skip


class BoxBatch(NamedTuple):
    """The boxes of B images that share a canvas, padded to M, in the canvas's pixels."""

    grid: Grid  # of the canvas
    images: NDArray[np.int64]  # (B,) positions of the images in the data set
    positions: Tensor  # (B, M) int64: of the boxes in the data set; anything where not valid
    boxes: PaddedBoxes


def batches(boxes: Boxes, config: FCOSConfig) -> Iterator[BoxBatch]:
    """All images that have boxes, resized and padded as the model does it with each image alone.

    Images with canvases of the same size come together, those with few boxes first: so neither locations nor boxes
    are padded much.

    Args:
        boxes: of the data set.
        config: uses ``min_size``, ``max_size``, ``size_divisor``, ``levels`` and the quirks.
    """
    resized, scaled = boxes.resized(config)
    canvases = -(-resized // config.size_divisor) * config.size_divisor
    counts = np.bincount(boxes.image_index, minlength=boxes.images)
    first = np.cumsum(counts) - counts
    order = np.lexsort((counts, canvases[:, 1], canvases[:, 0]))
    order = order[counts[order] > 0]
    changes = np.flatnonzero((np.diff(canvases[order], axis=0) != 0).any(axis=1)) + 1
    for group in np.split(order, changes):
        if len(group) == 0:
            continue
        height, width = (int(side) for side in canvases[group[0]])
        grid = Grid.of(height, width, config)
        step = max(1, _LOCATIONS_PER_BATCH // len(grid))
        for start in range(0, len(group), step):
            images = group[start : start + step]
            slots = np.arange(counts[images].max())
            valid = slots < counts[images, None]
            index = np.where(valid, first[images, None] + slots, 0)
            yield BoxBatch(
                grid,
                images,
                torch.from_numpy(index),
                PaddedBoxes(
                    torch.from_numpy(np.where(valid[..., None], scaled[index], 0)),
                    torch.from_numpy(boxes.labels[index]),
                    torch.from_numpy(valid),
                ),
            )


def load_boxes(path: str | Path, *, split: str | None = None, crowds: bool = False, last_pixel: bool = False) -> Boxes:
    """The boxes of a data set, from its annotations alone.

    Args:
        path: a file or folder in any format of `formats.FORMATS`; one of ``NAMES``. Of these, "bccd" is
            downloaded if it is not there; VOC and COCO, which are large, must be there, their annotations at least.
        split: of a folder or a name. By default all annotations of a VOC folder and of "bccd", the only split of a
            COCO folder, and "train" of "shapes".
        crowds: take crowd boxes (VOC: boxes marked difficult) too. Training leaves them out, and so does this.
        last_pixel: let boxes end at their last pixel: one pixel narrower and lower. In Detectron and
            maskrcnn-benchmark, the code of the paper's time, a box of COCO ends at x + width - 1, and a box without
            extent is dropped. Counted so, FCOS's rows of Table 1 are the paper's.

    Boxes without width or height, once they are cut at the image's border, are left out and counted, as in training.

    Raises:
        FileNotFoundError: there is no such file, folder or split's file.
        ValueError: a file of no format that is known, a split that does not exist, or no boxes at all. The
            text names file and value.
    """
    annotations = load_annotations(path, split)
    if annotations.notes:
        warnings.warn(f"{printable(annotations.name)}: {'; '.join(annotations.notes)}.", UserWarning, stacklevel=2)
    return Boxes.of(annotations, crowds=crowds, last_pixel=last_pixel)


def _sized(annotations: Annotations, name: str) -> Annotations:
    """With the sizes of all images, from their pictures if need be and if there are any."""
    for key in ("heights", "widths"):
        for i in np.flatnonzero(getattr(annotations, key) < 1):
            if not annotations.folders or not annotations.path(int(i)).is_file():
                raise ValueError(f"{name}: image {annotations.image_ids[i]} has {key[:-1]} 0; it must be above 0")
    return annotations.sized()
