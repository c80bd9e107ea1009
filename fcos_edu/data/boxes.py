"""The boxes of a whole data set as a few arrays, without its images: what counting over a data set needs (Sec. 4).

Taught in the chapter *Levels of the pyramid*. Checked against: the data readers, which must give the same boxes for
training, and `images.ImageBatcher`, which must scale them to the same numbers.

As dicts, a file of the size of COCO's train2017 (118,287 images) takes more than twenty times the memory of these
arrays; so it is read once, and the dicts are dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..config import FCOSConfig
from ..images import resized_size
from ..locations import Grid
from ..targets import PaddedBoxes
from . import voc
from .coco import coco_splits, read_annotations
from .downloads import fetch
from .shapes import ShapesDataset
from .sources import NAMES, SOURCES, data_root

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
        scale = (sizes / np.stack([self.heights, self.widths], axis=1)).astype(np.float32)  # y, x
        return sizes, self.boxes * scale[self.image_index][:, [1, 0, 1, 0]]

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
        path: a file in COCO's format; a folder in COCO's or VOC's layout; one of ``NAMES``. Of these, "bccd" is
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
        ValueError: a file that is not in COCO's or VOC's format, a split that does not exist, or no boxes at all. The
            text names file and value.
    """
    if str(path) == "shapes":
        split = split or "train"
        return _from_coco(f"shapes ({split})", ShapesDataset(split=split).ground_truth(), crowds, last_pixel)
    folder = _known_folder(str(path)) or Path(path).expanduser()
    if (folder / "Annotations").is_dir():
        return _from_voc(folder, split, crowds, last_pixel)
    if folder.is_dir():
        folder = _coco_file(folder, split)
    elif not folder.is_file():
        if str(path) in SOURCES:
            raise FileNotFoundError(
                f"{path} is not in the data folder: fetch it with fcos-edu data download {path}, or give its "
                f"annotations as a file or folder"
            )
        raise FileNotFoundError(
            f"there is no annotation file or folder {folder}; give a COCO-format JSON file, a folder in COCO's or "
            f"VOC's layout, or one of {', '.join(NAMES)}"
        )
    elif split is not None:
        raise ValueError(f"{folder} is a single file and has no split {split!r}; leave the split out")
    return _from_coco(folder.name, read_annotations(folder), crowds, last_pixel)


def _known_folder(name: str) -> Path | None:
    """Where a data set known by name lies; None for other names, and for those that are not in the data folder."""
    if name not in SOURCES:
        return None
    if SOURCES[name].fetched_unasked:
        return fetch(name)
    folder = data_root() / SOURCES[name].folder
    return folder if folder.is_dir() else None


def _coco_file(folder: Path, split: str | None) -> Path:
    """The annotation file of one split of a folder."""
    present = coco_splits(folder)
    if not present:
        raise ValueError(f"{folder} has neither VOC's layout (Annotations) nor COCO's (a file such as train.json)")
    if split is None and len(present) == 1:
        return next(iter(present.values()))
    if split not in present:
        told = f"has no split {split!r}" if split else "has several splits"
        raise ValueError(f"{folder} {told}; choose one of {', '.join(sorted(present))}")
    return present[split]


def _from_coco(name: str, data: dict[str, Any], crowds: bool, last_pixel: bool) -> Boxes:
    """Arrays from the dicts of a COCO-format file; labels follow the category ids in ascending order."""
    categories = {int(c["id"]): str(c["name"]) for c in data["categories"]}
    label_of = {category: label for label, category in enumerate(sorted(categories))}
    images = sorted(data["images"], key=lambda image: image["id"])
    for image in images:
        for key in ("height", "width"):
            if not isinstance(image.get(key), (int, float)) or image[key] < 1:
                raise ValueError(f"{name}: image {image['id']} has {key} {image.get(key)!r}; it must be above 0")
    position = {image["id"]: i for i, image in enumerate(images)}
    entries = [a for a in data["annotations"] if a["category_id"] in label_of]
    xywh = np.array([a["bbox"] for a in entries], dtype=np.float64).reshape(-1, 4)
    return _gather(
        name,
        [categories[i] for i in label_of],
        [image["id"] for image in images],
        [(image["height"], image["width"]) for image in images],
        np.array([position[a["image_id"]] for a in entries], dtype=np.int64),
        np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1),
        np.array([label_of[a["category_id"]] for a in entries], dtype=np.int64),
        np.array([bool(a.get("iscrowd", 0)) for a in entries], dtype=np.bool_),
        crowds,
        last_pixel,
        Counter({"crowd boxes": 0, "boxes of unknown classes": len(data["annotations"]) - len(entries)}),
    )


def _from_voc(folder: Path, split: str | None, crowds: bool, last_pixel: bool) -> Boxes:
    """Arrays from VOC's XML files, read as for training; no photograph is needed where a file tells the size."""
    if split is None:
        names = sorted(file.stem for file in (folder / "Annotations").glob("*.xml"))
        if not names:
            raise ValueError(f"{folder / 'Annotations'} holds no XML file")
    else:
        names = voc.split_names(folder, split)
    classes = voc.all_classes(folder)
    label_of = {name: label for label, name in enumerate(classes)}
    unknown: Counter[str] = Counter()
    records = [
        voc.read_record(folder, name, i, f"{name}.jpg", label_of, unknown) for i, name in enumerate(names, start=1)
    ]
    return _gather(
        folder.name if split is None else f"{folder.name} ({split})",
        classes,
        [record.image_id for record in records],
        [(record.height, record.width) for record in records],
        np.repeat(np.arange(len(records)), [len(record.boxes) for record in records]),
        np.concatenate([record.boxes for record in records]),
        np.concatenate([record.labels for record in records]),
        np.concatenate([record.ignored for record in records]),
        crowds,
        last_pixel,
        Counter({"boxes marked difficult": 0}),
    )


def _gather(
    name: str,
    classes: Sequence[str],
    image_ids: Sequence[int],
    sizes: Sequence[tuple[int, int]],
    image_index: NDArray[np.int64],
    xyxy: NDArray[np.float64],
    labels: NDArray[np.int64],
    ignored: NDArray[np.bool_],
    crowds: bool,
    last_pixel: bool,
    counts: Counter[str],
) -> Boxes:
    """Cut at the border, leave out what training leaves out, sort by image; the first of ``counts`` is the crowds'."""
    height, width = np.array(sizes, dtype=np.int64).reshape(-1, 2).T
    border = np.stack([width, height, width, height], axis=1)[image_index]
    clipped = (xyxy - [0, 0, last_pixel, last_pixel]).clip(0, border - last_pixel).astype(np.float32)  # as targets are
    solid = np.isfinite(xyxy).all(axis=1) & (clipped[:, 2:] > clipped[:, :2]).all(axis=1)
    left = ignored & (not crowds)
    counts[next(iter(counts))] += int(left.sum())
    counts["degenerate boxes"] += int((~solid & ~left).sum())
    keep = np.flatnonzero(solid & ~left)
    keep = keep[np.argsort(image_index[keep], kind="stable")]
    if len(keep) == 0:
        told = ", ".join(f"{n} {reason}" for reason, n in counts.items() if n) or "none at all"
        raise ValueError(
            f"{name} has no boxes to count ({told} in {len(image_ids)} images); give annotations with boxes"
        )
    return Boxes(
        name,
        tuple(classes),
        np.array(image_ids, dtype=np.int64),
        height,
        width,
        image_index[keep],
        clipped[keep],
        labels[keep],
        {reason: count for reason, count in counts.items() if count},
    )
