"""Any data set of torchvision's detection convention, as one of this package's (Sec. 4, training data).

Taught in the chapter *Your own boxes*. Checked against the package's own data sets, behind a wrapper that hides
them, and against what torchvision's reference recipe for detection does with a data set.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

from ..images import as_xyxy
from ..settings import Message, setting
from ..text import counted, printable, shortened
from .annotations import Annotations, Record
from .dataset import DetectionDataset, Sample, Transforms, make_target
from .imagefolder import is_hugging_face, of_hugging_face


class Convention(Protocol):
    """A map-style data set: `dataset[i]` is (image, target) with `boxes` and `labels`."""

    def __len__(self) -> int:
        """Number of images."""
        ...

    def __getitem__(self, index: int) -> Any:
        """Image `index` and its target."""
        ...


class WrappedDataset(DetectionDataset):
    """Somebody's data set, read once from its first image to its last for the boxes and sizes.

    Images are PIL images or tensors (3, H, W) or (1, H, W), floats in 0..1 or uint8. Targets are dicts with
    `boxes` (M, 4), xyxy in pixels or torchvision's `BoundingBoxes`, and `labels` (M,), whole numbers; perhaps
    `image_id`, and `iscrowd` (M,), whose boxes are ignored regions. Boxes without width or height are left out.
    What the data set draws at random must not move boxes: those of the first reading are measured.

    Args:
        dataset: see above.
        classes: names in the order of the labels; by default the data set's own `classes` (or those of what it
            is a `Subset` of), or their numbers. Labels count from 0, as for this package's detectors; they may
            count from 1 (0 for the background, as in torchvision's tutorials) where they go up to the number of
            classes and none is 0. Where neither the first nor the last label occurs, a warning says how they are read.
        transforms: called with (image, target), after the data set's own.
        first_label: 0 or 1, where it is known what the labels count from.

    Raises:
        TypeError: it cannot be asked for its length and its samples by place; a path.
        ValueError: no image, a sample that is not of the convention, or labels that do not fit the classes.
    """

    def __init__(
        self,
        dataset: Convention,
        classes: Sequence[str] | None = None,
        *,
        transforms: Transforms | None = None,
        first_label: int | None = None,
    ) -> None:
        if isinstance(dataset, str | os.PathLike):
            raise TypeError(f"a path is no data set: load_dataset({str(dataset)!r}) makes one of a folder or a name")
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise TypeError(
                f"a {type(dataset).__name__} is no data set that is asked by place: it needs len(dataset) and "
                "dataset[i], which gives (image, target)"
            )
        self.dataset, self.name, self.split = dataset, type(dataset).__name__, ""
        records = [self._record(index) for index in range(len(dataset))]
        if not records:
            raise ValueError(f"{self.name} has no image")
        names = classes_of(dataset) if classes is None else tuple(classes)
        self.first_label = _first_label(self.name, records, names, first_label)
        if names is None:
            most = max((int(record.labels.max()) for record in records if len(record.labels)), default=0)
            names = tuple(str(label) for label in range(most + 1))
        for record in records:
            record.labels -= self.first_label
        ids = [record.image_id for record in records]
        if len(set(ids)) < len(ids):
            for number, record in enumerate(records, start=1):
                record.image_id = number
        self._annotations = Annotations.of(records, names, name=self.name)
        super().__init__(names, image_ids=self._annotations.image_ids.tolist(), transforms=transforms)

    def _sample(self, index: int) -> tuple[torch.Tensor, dict[str, Any]]:
        """The image as a tensor, and the target, of the convention or refused."""
        sample = self.dataset[index]
        try:
            image, target = sample
            if isinstance(target, dict) and set(target) == {"image_id"}:  # torchvision's wrapper of COCO without boxes
                target = {**target, "boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}
            boxes, labels = target["boxes"], target["labels"]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ValueError(
                f"{self.name}[{index}] is not (image, target) with boxes and labels in the target, but "
                f"{_told(sample)}{_way(self.dataset)}"
            ) from error
        if isinstance(image, Image.Image):
            image = functional.pil_to_tensor(image.convert("RGB"))
        if not isinstance(image, torch.Tensor) or image.dim() != 3 or image.shape[0] not in (1, 3):
            shape = tuple(getattr(image, "shape", ()))
            raise ValueError(
                f"{self.name}[{index}] has the image {type(image).__name__} {shape}; it must be a PIL image or a "
                "tensor (3, H, W)"
            )
        boxes, labels = as_xyxy(torch.as_tensor(boxes)), torch.as_tensor(labels)
        if boxes.numel() == 0:
            boxes, labels = boxes.reshape(0, 4), labels.reshape(0)
        if boxes.dim() != 2 or boxes.shape[1] != 4 or labels.shape != boxes.shape[:1]:
            raise ValueError(
                f"{self.name}[{index}] has boxes of shape {tuple(boxes.shape)} and labels of shape "
                f"{tuple(labels.shape)}; they must be (M, 4) and (M,)"
            )
        return image.expand(3, -1, -1), {**target, "boxes": boxes, "labels": labels}

    def _record(self, index: int) -> Record:
        image, target = self._sample(index)
        height, width = image.shape[-2:]
        boxes = target["boxes"].as_subclass(torch.Tensor).detach().cpu().double().numpy()
        return Record(
            image_id=int(target.get("image_id", index)),
            file_name=f"image {index}",
            width=width,
            height=height,
            boxes=boxes,
            labels=target["labels"].detach().cpu().numpy().astype(np.int64),
            ignored=_crowd(target),
        )

    def read(self, index: int) -> Sample | None:
        """The image, and its boxes but for crowds and those without width or height."""
        index = range(len(self))[index]
        image, target = self._sample(index)
        boxes = target["boxes"].as_subclass(torch.Tensor).detach().cpu().numpy()
        labels = target["labels"].detach().cpu().numpy().astype(np.int64) - self.first_label
        keep = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1) & ~_crowd(target)
        height, width = image.shape[-2:]
        made = make_target(boxes[keep], labels[keep], self.image_ids[index], height, width)
        return tv_tensors.Image(image.as_subclass(torch.Tensor)), made

    def file_name(self, index: int) -> str:
        """Its number: such a data set names no files."""
        return self._annotations.file_names[index]

    def annotations(self) -> Annotations:
        """As they were when the data set was first read."""
        return self._annotations


def as_dataset(dataset: Any, classes: Sequence[str] | None = None, *, split: str = "test") -> DetectionDataset:
    """The data set itself if it is one of this package's, otherwise it is made one.

    Args:
        dataset: any map-style data set of torchvision's detection convention, or a ``datasets.Dataset``, or one split
            of a ``DatasetDict``.
        classes: as for :class:`WrappedDataset`.
        split: which of a ``DatasetDict``; "train" leaves out pictures without a usable box of Hugging Face's.

    Raises:
        TypeError, ValueError: see :class:`WrappedDataset` and :class:`~fcos_edu.data.imagefolder.HuggingFaceDataset`.
    """
    if isinstance(dataset, DetectionDataset):
        return dataset
    if is_hugging_face(dataset):
        return of_hugging_face(dataset, split, classes=classes)
    return WrappedDataset(dataset, classes)


def _told(sample: Any) -> str:
    """What a sample is, in words."""
    if isinstance(sample, tuple) and len(sample) == 2:
        target = sample[1]
        with_keys = f" of {printable(', '.join(map(str, target))) or 'nothing'}" if isinstance(target, dict) else ""
        return f"(image, a {printable(type(target).__name__)}{with_keys})"
    return f"a {printable(type(sample).__name__)}"


def _way(dataset: Any) -> str:
    """How torchvision's own data sets come to the convention."""
    for _ in range(10):
        if type(dataset).__module__.startswith("torchvision.datasets"):
            return ": torchvision.datasets.wrap_dataset_for_transforms_v2(dataset) gives that"
        dataset = getattr(dataset, "dataset", None)
    return ""


def _crowd(target: dict[str, Any]) -> Any:
    crowd = target.get("iscrowd")
    if crowd is None:
        return np.zeros(len(target["boxes"]), np.bool_)
    return torch.as_tensor(crowd).detach().cpu().numpy().astype(np.bool_).reshape(-1)


def classes_of(dataset: Any) -> tuple[str, ...] | None:
    """The names that a data set has of its classes, or the one that it is a part of."""
    for _ in range(10):
        if (names := getattr(dataset, "classes", None)) is not None:
            return tuple(map(str, names))
        dataset = getattr(dataset, "dataset", None)
    return None


def _first_label(name: str, records: Sequence[Record], classes: Sequence[str] | None, known: int | None) -> int:
    """0 or 1: what the labels count from."""
    if known not in (None, 0, 1):
        raise ValueError(f"first_label is {shortened(known)}; it must be 0 or 1")
    used = {int(label) for record in records for label in record.labels}
    low, high = min(used, default=0), max(used, default=0)
    count = high + 1 if classes is None else len(classes)
    first = int(high == count) if known is None else known
    if low < 0 or high > count or (used and not first <= low <= high < first + count):
        raise ValueError(
            f"{name} has labels from {low} to {high}, and {counted(count, 'classes')}: they must go from 0 to "
            f"{count - 1}, or "
            f"from 1 to {count}"
        )
    if known is None and used and classes is not None and 0 < low <= high < count and not _is_background(classes[0]):
        warnings.warn(
            Message(  # type: ignore[arg-type]
                f"{name} has labels from {low} to {high}, and {counted(count, 'classes')}: they are taken to count "
                f"from 0, so that {low} is {shortened(classes[low])}; if {low} is {shortened(classes[low - 1])}, "
                f"give it as WrappedDataset(dataset, {setting('first_label', 1)})"
            ),
            stacklevel=3,
        )
    return first


def _is_background(name: str) -> bool:
    return name.strip("_ ").lower() == "background"
