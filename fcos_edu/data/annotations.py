"""What annotations say, as a few arrays: the one form that every format is read into (Sec. 4, training data).

Taught in the chapter *Your own boxes*. Checked against pycocotools (`Annotations.ground_truth`), and with hand-written
folders of each format.

Both the data sets of images (`dataset.FileDataset`) and boxes alone (`boxes.Boxes`) are made from it, and so is what
writes a format. Nothing is left out yet but boxes without a label: what training may see and what evaluation must see
differ. As dicts, a file of the size of COCO's train2017 (118,287 images) takes more than twenty times the memory.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..settings import Message, either, setting
from ..text import counted, printable, shortened
from .decoding import image_size

Array = NDArray[Any]


@dataclass(slots=True)
class Record:
    """One image and what its annotation says; see `Annotations.of`.

    boxes (M, 4) xyxy in original pixels, labels (M,), ignored (M,) crowd or difficult, areas (M,) in pixels²
    as COCO uses them to tell small from large, by default those of the boxes.
    """

    image_id: int
    file_name: str  # below the folder of pictures
    width: int  # pixels; 0 where the annotation does not say
    height: int
    boxes: Array
    labels: Array
    ignored: Array
    areas: Array | None = None


@dataclass(frozen=True)
class Annotations:
    """N images and their T boxes, image after image, as they are annotated.

    Raises ValueError where the arrays do not fit together.
    """

    name: str  # of the data set, as messages have it: "bccd (train)"
    classes: tuple[str, ...]  # name of label k
    image_ids: NDArray[np.int64]  # (N,)
    file_names: tuple[str, ...]  # N, below their folders
    heights: NDArray[np.int64]  # (N,) pixels; 0 where the annotation does not say
    widths: NDArray[np.int64]  # (N,)
    image_index: NDArray[np.int64]  # (T,) which of the N images; ascending
    boxes: NDArray[np.float64]  # (T, 4) xyxy in original pixels; neither cut at the border nor checked
    labels: NDArray[np.int64]  # (T,) 0..C-1
    ignored: NDArray[np.bool_]  # (T,) crowd or difficult: no targets, but regions where detections do not count
    areas: NDArray[np.float64]  # (T,) pixels², as COCO uses them to tell small from large
    category_ids: tuple[int, ...] = ()  # COCO's category id of label k; 1, 2, ... by default
    folders: tuple[Path, ...] = ()  # of the pictures; empty where nobody has looked for them
    folder_index: NDArray[np.int64] | None = None  # (N,) which of the folders; the first by default
    ignored_reason: str = "crowd boxes"  # what ignored boxes are called
    left_out: dict[str, int] = field(default_factory=dict)  # what the reader had to leave out, by reason
    file: str = ""  # name of the annotation file, where it is one
    split: str = ""
    box_words: str = ""  # what the format means by a box, where it is often taken for another
    notes: tuple[str, ...] = ()  # what else a reader of the annotations should hear, each a sentence without its end
    allow_outside: bool = False  # pictures may lie outside of their folder
    relative: bool = False  # the format gives shares of a picture's sides: boxes follow where another size counts

    def __post_init__(self) -> None:
        if not self.category_ids:
            object.__setattr__(self, "category_ids", tuple(range(1, len(self.classes) + 1)))
        images, boxes = len(self.image_ids), len(self.image_index)
        for name, wanted in (
            ("file_names", images), ("heights", images), ("widths", images), ("boxes", boxes), ("labels", boxes),
            ("ignored", boxes), ("areas", boxes), ("category_ids", len(self.classes)),
        ):  # fmt: skip
            if len(getattr(self, name)) != wanted:
                raise ValueError(
                    f"{self.name}: {name} has {counted(len(getattr(self, name)), 'entries')}; it must have {wanted}"
                )
        for name, values, bound in (("image_index", self.image_index, images), ("labels", self.labels, self.classes)):
            bound = bound if isinstance(bound, int) else len(bound)
            if boxes and not (0 <= values.min() and values.max() < bound):
                raise ValueError(f"{self.name}: {name} goes from {values.min()} to {values.max()}, not 0..{bound - 1}")
        if (np.diff(self.image_index) < 0).any():
            raise ValueError(f"{self.name}: image_index must ascend; sort the boxes by image")

    @classmethod
    def of(
        cls, records: Sequence[Record], classes: Sequence[str], *, name: str, folder: Path | None = None, **more: Any
    ) -> Annotations:
        """Arrays from one record for each image; ``more`` are further fields."""
        boxes = _joined([record.boxes for record in records], np.float64).reshape(-1, 4)
        with np.errstate(invalid="ignore", over="ignore"):  # boxes that are not finite are left out later
            sides = boxes[:, 2:] - boxes[:, :2]
            areas = sides[:, 0] * sides[:, 1]
        if any(record.areas is not None for record in records):
            own = [np.full(len(r.boxes), np.nan) if r.areas is None else r.areas for r in records]
            given = _joined(own, np.float64)
            areas = np.where(np.isnan(given), areas, given)
        return cls(
            name=name,
            classes=tuple(classes),
            image_ids=np.array([record.image_id for record in records], dtype=np.int64),
            file_names=tuple(record.file_name for record in records),
            heights=np.array([record.height for record in records], dtype=np.int64),
            widths=np.array([record.width for record in records], dtype=np.int64),
            image_index=np.repeat(np.arange(len(records)), [len(record.boxes) for record in records]),
            boxes=boxes,
            labels=_joined([record.labels for record in records], np.int64),
            ignored=_joined([record.ignored for record in records], np.bool_),
            areas=areas,
            folders=() if folder is None else (folder,),
            **more,
        )

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def images(self) -> int:
        """Number of images, those without boxes included."""
        return len(self.image_ids)

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """``(N + 1,)``: image i has the boxes ``first[i]`` to ``first[i + 1]``."""
        return np.searchsorted(self.image_index, np.arange(self.images + 1))

    def of_image(self, index: int) -> slice:
        """Which boxes image ``index`` has."""
        return slice(int(self.first[index]), int(self.first[index + 1]))

    def path(self, index: int) -> Path:
        """The file of picture ``index``.

        Raises ValueError where nobody has looked for pictures, and for a file outside of the folder unless
        ``allow_outside``: annotations of strangers could name any file of this machine.
        """
        if not self.folders:
            how = either("pictures=True", "the pictures beside it")
            raise ValueError(Message(f"{self.name} was read without its pictures; read it with {how}"))
        which = 0 if self.folder_index is None else int(self.folder_index[index])
        if not self.allow_outside and leads_outside(self.file_names[index]):
            raise ValueError(
                Message(
                    f"{self.name}: the picture {shortened(self.file_names[index])} lies outside of the folder "
                    f"{printable(self.folders[which])}; such are read only with "
                    f"{setting('allow_outside', True, option='--allow-outside')}"
                )
            )
        return self.folders[which] / self.file_names[index]

    def cut(self) -> NDArray[np.float64]:
        """``(T, 4)``: the boxes cut at the borders of the images, as far as the annotations tell their sizes."""
        border = np.stack([self.widths, self.heights, self.widths, self.heights], axis=1)
        return self.boxes.clip(0, border[self.image_index])

    def summary(self) -> dict[str, Any]:
        """What tells these annotations from others: numbers of ``images`` and ``boxes``, and a ``digest``.

        The digest is of classes, names and sizes of the images, and boxes with labels and flags; not of ids, which
        may be given anew, nor of folders, which may be moved.
        """
        total = hashlib.sha256("\0".join([*self.classes, "", *self.file_names]).encode("utf-8", "surrogateescape"))
        for values in (self.heights, self.widths, self.image_index, self.boxes, self.labels, self.ignored):
            total.update(np.ascontiguousarray(values).tobytes())
        return {"images": self.images, "boxes": len(self), "digest": total.hexdigest()[:16]}

    def chosen(self, images: NDArray[np.int64]) -> Annotations:
        """These images alone, in this order, with their boxes."""
        counts = np.diff(self.first)[images]
        begin = np.repeat(self.first[images] - (np.cumsum(counts) - counts), counts)
        rows = begin + np.arange(counts.sum())
        return replace(
            self,
            image_ids=self.image_ids[images],
            file_names=tuple(self.file_names[i] for i in images),
            heights=self.heights[images],
            widths=self.widths[images],
            image_index=np.repeat(np.arange(len(images)), counts),
            boxes=self.boxes[rows],
            labels=self.labels[rows],
            ignored=self.ignored[rows],
            areas=self.areas[rows],
            folder_index=None if self.folder_index is None else self.folder_index[images],
        )

    def labelled_as(self, classes: Sequence[str]) -> Annotations:
        """The same boxes with the labels that the names of their classes have in ``classes``.

        Raises:
            ValueError: boxes of a class that is not there; the text counts them.
        """
        lost = Counter(self.classes[label] for label in self.labels.tolist() if self.classes[label] not in classes)
        if lost:
            told = ", ".join(f"{counted(n, 'boxes')} of {shortened(name)}" for name, n in sorted(lost.items())[:5])
            raise ValueError(f"{self.name} has {told}; the classes are {', '.join(classes)}")
        label_of = {name: label for label, name in enumerate(classes)}
        ids = dict(zip(self.classes, self.category_ids))
        free = max(self.category_ids, default=0)
        for name in classes:
            if name not in ids:
                free += 1
                ids[name] = free
        new = np.array([label_of.get(name, 0) for name in self.classes], dtype=np.int64)
        return replace(
            self,
            classes=tuple(classes),
            category_ids=tuple(ids[name] for name in classes),
            labels=new[self.labels] if len(self.labels) else self.labels,
        )

    def scaled(self, widths: NDArray[np.int64], heights: NDArray[np.int64]) -> Annotations:
        """With these sizes of the images; boxes that are shares of the sides are scaled with them."""
        made = replace(self, widths=widths, heights=heights)
        if not self.relative:
            return made
        x, y = (new / np.maximum(old, 1) for new, old in ((widths, self.widths), (heights, self.heights)))
        factor = np.stack([x, y, x, y], axis=1)[self.image_index]
        with np.errstate(over="ignore", invalid="ignore"):
            return replace(made, boxes=self.boxes * factor, areas=self.areas * factor[:, 0] * factor[:, 1])

    def sized(self) -> Annotations:
        """The same, with sizes from the headers of the pictures where the annotations do not say them.

        Raises CorruptImageError for a picture that cannot be read.
        """
        unknown = np.flatnonzero((self.heights < 1) | (self.widths < 1))
        if not len(unknown):
            return self
        heights, widths = self.heights.copy(), self.widths.copy()
        for i in unknown:
            widths[i], heights[i] = image_size(self.path(int(i)))
        return self.scaled(widths, heights)

    def ground_truth(self) -> dict[str, Any]:
        """All boxes in COCO's format, in original coordinates, for pycocotools.

        Crowd and difficult boxes carry iscrowd = ignore = 1: pycocotools counts detections on them neither as
        right nor as wrong. Annotation ids are given anew from 1 on, because pycocotools takes a match with id
        0 for no match. Boxes are not cut at the border; boxes without width or height are left out.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            sides = self.boxes[:, 2:] - self.boxes[:, :2]
            solid = np.flatnonzero(np.isfinite(self.boxes).all(axis=1) & (sides > 0).all(axis=1))
        ids = np.array(self.category_ids, dtype=np.int64)
        columns = zip(
            self.image_ids[self.image_index[solid]].tolist(),
            ids[self.labels[solid]].tolist(),
            np.concatenate([self.boxes[solid, :2], sides[solid]], axis=1).tolist(),
            self.areas[solid].tolist(),
            self.ignored[solid].astype(int).tolist(),
        )
        annotations = [
            {"id": k, "image_id": image, "category_id": category, "bbox": bbox, "area": area,
             "iscrowd": ignored, "ignore": ignored}
            for k, (image, category, bbox, area, ignored) in enumerate(columns, start=1)
        ]  # fmt: skip
        images = [
            {"id": i, "file_name": name, "width": width, "height": height}
            for i, name, width, height in zip(
                self.image_ids.tolist(), self.file_names, self.widths.tolist(), self.heights.tolist()
            )
        ]
        categories = [{"id": i, "name": name} for i, name in zip(self.category_ids, self.classes)]
        return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


def join(parts: Sequence[Annotations], name: str, *, renumber: bool = False, **more: Any) -> Annotations:
    """Several as one, one after the other; ``more`` are further fields.

    Args:
        parts: of the same classes; COCO's category ids are those of the first.
        name: of the whole.
        renumber: give the images the ids 1, 2, ...

    Raises ValueError for different classes, and for an image id that occurs twice unless ``renumber``.
    """
    first = parts[0]
    for other in parts[1:]:
        if other.classes != first.classes:
            raise ValueError(
                f"data sets to be joined have the classes {', '.join(first.classes)} and {', '.join(other.classes)}"
            )
    ids = np.concatenate([part.image_ids for part in parts])
    if renumber:
        ids = np.arange(1, len(ids) + 1)
    values, numbers = np.unique(ids, return_counts=True)
    if (numbers > 1).any():
        raise ValueError(f"{name}: image id {values[numbers > 1][0]} occurs more than once.")
    before = np.cumsum([0, *(part.images for part in parts)])
    folders = np.cumsum([0, *(len(part.folders) for part in parts)])
    counts: dict[str, int] = {}
    for part in parts:
        for reason, count in part.left_out.items():
            counts[reason] = counts.get(reason, 0) + count
    return Annotations(
        name=name,
        classes=first.classes,
        image_ids=ids,
        file_names=tuple(file for part in parts for file in part.file_names),
        heights=np.concatenate([part.heights for part in parts]),
        widths=np.concatenate([part.widths for part in parts]),
        image_index=np.concatenate([part.image_index + n for part, n in zip(parts, before)]),
        boxes=np.concatenate([part.boxes for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        ignored=np.concatenate([part.ignored for part in parts]),
        areas=np.concatenate([part.areas for part in parts]),
        category_ids=first.category_ids,
        folders=tuple(folder for part in parts for folder in part.folders) if all(p.folders for p in parts) else (),
        folder_index=np.concatenate(
            [
                (np.zeros(p.images, np.int64) if p.folder_index is None else p.folder_index) + n
                for p, n in zip(parts, folders)
            ]
        ),  # fmt: skip
        ignored_reason=first.ignored_reason,
        left_out=counts,
        box_words=first.box_words,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        allow_outside=any(part.allow_outside for part in parts),
        relative=all(part.relative for part in parts),
        **more,
    )


def alike(parts: Mapping[str, Annotations]) -> dict[str, Annotations]:
    """Splits with the same labels for the same names: the classes of the first, then those that others have too."""
    classes = tuple(dict.fromkeys(name for part in parts.values() for name in part.classes))
    return {name: part if part.classes == classes else part.labelled_as(classes) for name, part in parts.items()}


def leads_outside(name: str) -> bool:
    """Whether a file's name is absolute, or climbs out of the folder it is below."""
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[/\\]" if os.sep == "/" else "[A-Za-z]:", name):
        return True
    depth = 0
    for part in re.split(r"[/\\]", name):
        depth += {"": 0, ".": 0, "..": -1}.get(part, 1)
        if depth < 0:
            return True
    return False


def repeated(names: Iterable[str]) -> list[str]:
    """The names that occur more than once, each once."""
    return [name for name, count in Counter(names).items() if count > 1]


def _joined(arrays: Iterable[Array], dtype: Any) -> Array:
    """The arrays one after the other; of none an empty one."""
    return np.concatenate([np.zeros(0, dtype), *(np.asarray(array, dtype=dtype).ravel() for array in arrays)])
