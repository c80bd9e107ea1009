"""What every detection dataset of this package has in common (Sec. 4, training data).

Taught in the chapter *Your own boxes*. Checked against torchvision's reference recipe for
detection (which boxes and images training leaves out) and against pycocotools (what `ground_truth` must
hold).

A dataset is a map-style torch Dataset. `dataset[i]` is `(image, target)`:

- image: `tv_tensors.Image`, (3, H, W), uint8 before transforms;
- target: `{"boxes": tv_tensors.BoundingBoxes (M, 4) float32 xyxy in pixels, "labels": (M,) int64 in 0..C-1,
  "image_id": int}`.

What training may see and what evaluation must see differ: crowd boxes and boxes marked as difficult are left
out of the targets, but `ground_truth()` holds them as ignored regions.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch.utils.data import Dataset
from torchvision import tv_tensors

Target = dict[str, Any]
Sample = tuple[tv_tensors.Image, Target]
Transforms = Callable[..., Any]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
ON_CORRUPT = ("error", "skip")


class CorruptImageError(RuntimeError):
    """An image file that cannot be decoded; `path` names it.

    Out of a worker process of a DataLoader comes the text alone, with the name in it: torch builds such
    errors anew from their text. `path` is None then.
    """

    def __init__(self, path: str | Path, reason: str | None = None) -> None:
        super().__init__(path, reason)
        self.path = Path(path) if reason is not None else None
        self.reason = reason

    def __str__(self) -> str:
        if self.reason is None:
            return str(self.args[0])
        return (
            f"{self.path} cannot be read as an image ({self.reason}). "
            'Replace the file, or load the dataset with on_corrupt="skip" to leave such images out.'
        )


def read_image(path: str | Path) -> tv_tensors.Image:
    """Decode an image file to (3, H, W) uint8 RGB; grey and palette images are converted.

    The camera's rotation flag is not applied, because COCO and VOC boxes are given in the stored pixels.
    Raises CorruptImageError, which names the file.
    """
    try:
        with Image.open(path) as picture:
            pixels = np.array(picture.convert("RGB"))
    except FileNotFoundError:
        raise CorruptImageError(path, "there is no such file") from None
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise CorruptImageError(path, str(error) or type(error).__name__) from error
    return tv_tensors.Image(torch.from_numpy(pixels).permute(2, 0, 1).contiguous())


def make_target(
    boxes: NDArray[Any] | Sequence[Sequence[float]],
    labels: NDArray[Any] | Sequence[int],
    image_id: int,
    height: int,
    width: int,
) -> Target:
    """The target of one image: boxes (M, 4) xyxy in pixels, labels (M,) in 0..C-1; M may be 0."""
    xyxy = torch.as_tensor(np.asarray(boxes, dtype=np.float32).reshape(-1, 4))
    return {
        "boxes": tv_tensors.BoundingBoxes(  # type: ignore[call-arg]
            xyxy, format=tv_tensors.BoundingBoxFormat.XYXY, canvas_size=(height, width)
        ),
        "labels": torch.as_tensor(np.asarray(labels, dtype=np.int64).reshape(-1)),
        "image_id": int(image_id),
    }


class DetectionDataset(Dataset):  # type: ignore[type-arg]
    """Base of all datasets: `read(i)` gives the plain sample, `dataset[i]` the transformed one.

    Subclasses set `classes`, `category_ids` and `image_ids` and implement `read`, `file_name` and
    `ground_truth`.
    """

    classes: tuple[str, ...]
    category_ids: tuple[int, ...]  # COCO category id of label k
    image_ids: list[int]
    transforms: Transforms | None

    def __init__(
        self,
        classes: Sequence[str],
        *,
        category_ids: Sequence[int] | None = None,
        image_ids: Sequence[int] = (),
        transforms: Transforms | None = None,
    ) -> None:
        self.classes = tuple(classes)
        self.category_ids = tuple(category_ids) if category_ids else tuple(range(1, len(self.classes) + 1))
        self.image_ids = list(image_ids)
        self.transforms = transforms
        self.counts: Counter[str] = Counter()

    @property
    def warning_counts(self) -> dict[str, int]:
        """What was left out, by reason; corrupt images join while the dataset is read.

        A DataLoader with worker processes reads in copies of the dataset: its warnings come through, its
        counts stay there.
        """
        return {reason: count for reason, count in self.counts.items() if count}

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, index: int) -> Sample | None:
        sample = self.read(index)
        if sample is None or self.transforms is None:
            return sample
        return self.transforms(*sample)  # type: ignore[no-any-return]

    def read(self, index: int) -> Sample | None:
        """Sample `index` before transforms; None for a corrupt image that is to be skipped."""
        raise NotImplementedError

    def file_name(self, index: int) -> str:
        """Name of the image file of sample `index`, as the annotations give it."""
        raise NotImplementedError

    def ground_truth(self) -> dict[str, Any]:
        """All boxes in COCO's format and in the coordinates of the original images, for pycocotools."""
        raise NotImplementedError

    def categories(self) -> list[dict[str, Any]]:
        """COCO's `categories` list."""
        return [{"id": i, "name": name} for i, name in zip(self.category_ids, self.classes, strict=True)]


@dataclass(slots=True)
class Record:
    """One image and what its annotation says, before anything is left out.

    boxes (M, 4) xyxy in original pixels, labels (M,), ignored (M,) crowd or difficult, areas (M,) in pixels²
    as COCO uses them to tell small from large.
    """

    image_id: int
    file_name: str
    path: Path
    width: int
    height: int
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    areas: NDArray[np.float64]


def clip(boxes: NDArray[np.float64], width: float, height: float) -> NDArray[np.float64]:
    """Boxes (M, 4) xyxy cut at the image's border."""
    return boxes.clip(0, np.array([width, height, width, height], dtype=np.float64))


class FileDataset(DetectionDataset):
    """A dataset of image files: the common part of the COCO and VOC readers.

    What is left out, as in torchvision's reference recipe: boxes marked as crowd or difficult; boxes that
    have no width or height once they are cut at the image's border, or that are not finite; and, unless
    `keep_empty`, images where no box is left that is wider and higher than one pixel. Each is counted, and
    one UserWarning tells the counts.

    Args:
        records: one for each image.
        counts: what the reader itself has left out, by reason.
        keep_empty: keep images without a usable box. Right for evaluation, where such an image can still
            collect false detections.
        on_corrupt: "error" raises CorruptImageError at a file that cannot be read; "skip" gives None for it
            (see `collate`) and counts it.
    """

    def __init__(
        self,
        records: Sequence[Record],
        classes: Sequence[str],
        *,
        category_ids: Sequence[int] | None = None,
        counts: dict[str, int] | None = None,
        ignored_reason: str = "crowd boxes",
        keep_empty: bool = True,
        on_corrupt: str = "error",
        transforms: Transforms | None = None,
        name: str = "dataset",
    ) -> None:
        if on_corrupt not in ON_CORRUPT:
            raise ValueError(f"on_corrupt is {on_corrupt!r}; it must be one of {', '.join(ON_CORRUPT)}.")
        super().__init__(classes, category_ids=category_ids, transforms=transforms)
        self.on_corrupt = on_corrupt
        self.name = name
        self.counts.update(counts or {})
        self._told: set[tuple[int, str]] = set()
        if on_corrupt == "error":
            _require_files(records)
        self.records: list[Record] = []
        for record in records:
            clipped = clip(record.boxes, record.width, record.height)
            sides = clipped[:, 2:] - clipped[:, :2]
            with np.errstate(invalid="ignore"):
                solid = np.isfinite(record.boxes).all(axis=1) & (sides > 0).all(axis=1)
                usable = solid & ~record.ignored & (sides > 1).all(axis=1)
            self.counts[ignored_reason] += int(record.ignored.sum())
            self.counts["degenerate boxes"] += int((~solid & ~record.ignored).sum())
            if not keep_empty and not usable.any():
                self.counts["images without a usable box"] += 1
            else:
                self.records.append(record)
        self.image_ids = [record.image_id for record in self.records]
        if not self.records:
            raise ValueError(
                f"{name}: none of the {len(records)} images has a usable box. "
                "Check the annotations, or pass keep_empty=True to keep images without boxes."
            )
        if self.warning_counts:
            told = ", ".join(f"{count} {reason}" for reason, count in self.warning_counts.items())
            warnings.warn(f"{name}: left out of the targets: {told}.", UserWarning, stacklevel=3)

    def file_name(self, index: int) -> str:
        """Name as the annotation has it."""
        return self.records[index].file_name

    def read(self, index: int) -> Sample | None:
        """Photograph and usable boxes, cut at the border; None for a corrupt file that is skipped."""
        record = self.records[index]
        try:
            image = read_image(record.path)
        except CorruptImageError as error:
            if self.on_corrupt == "error":
                raise
            self._count_once(index, "corrupt images", f"skipped {error.path} ({error.reason}).")
            return None
        height, width = image.shape[-2:]
        if (width, height) != (record.width, record.height):
            # Boxes may still be right, as annotation tools get the size wrong; the true border counts.
            self._count_once(
                index,
                "images of another size than annotated",
                f"{record.path} is {width}×{height} pixels, but its annotation says "
                f"{record.width}×{record.height}; check that its boxes belong to it.",
            )
        boxes = clip(record.boxes, width, height)
        keep = np.isfinite(record.boxes).all(axis=1) & ~record.ignored & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        return image, make_target(boxes[keep], record.labels[keep], record.image_id, height, width)

    def _count_once(self, index: int, reason: str, text: str) -> None:
        """Warn and count at the first epoch only."""
        if (index, reason) not in self._told:
            self._told.add((index, reason))
            self.counts[reason] += 1
            warnings.warn(f"{self.name}: {text}", UserWarning, stacklevel=3)

    def ground_truth(self) -> dict[str, Any]:
        """All boxes in COCO's format, in original coordinates; reads no image.

        Crowd and difficult boxes carry iscrowd = ignore = 1: pycocotools counts detections on them neither as
        right nor as wrong. Annotation ids are given anew from 1 on, because pycocotools takes a match with id
        0 for no match. Boxes are not cut at the border; boxes without width or height are left out.
        """
        annotations: list[dict[str, Any]] = []
        for record in self.records:
            for box, label, ignored, area in zip(
                record.boxes, record.labels, record.ignored, record.areas, strict=True
            ):
                x1, y1, x2, y2 = (float(v) for v in box)
                if not (np.isfinite(box).all() and x2 > x1 and y2 > y1):
                    continue
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": record.image_id,
                        "category_id": self.category_ids[int(label)],
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                        "area": float(area),
                        "iscrowd": int(ignored),
                        "ignore": int(ignored),
                    }
                )
        images = [
            {"id": r.image_id, "file_name": r.file_name, "width": r.width, "height": r.height} for r in self.records
        ]
        return {"info": {}, "images": images, "annotations": annotations, "categories": self.categories()}


def _require_files(records: Sequence[Record]) -> None:
    """Name missing image files at once, not in the middle of an epoch; one directory listing each folder."""
    present: dict[Path, set[str]] = {}
    missing: list[Path] = []
    for record in records:
        folder = record.path.parent
        if folder not in present:
            present[folder] = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
        if record.path.name not in present[folder]:
            missing.append(record.path)
    if missing:
        raise FileNotFoundError(
            f"{missing[0]} is annotated but there is no such file ({len(missing)} of {len(records)} images "
            'are missing). Add the files, or load with on_corrupt="skip" to go on without them.'
        )


def image_size(path: str | Path) -> tuple[int, int]:
    """(width, height) of an image file in pixels, from its header alone. Raises CorruptImageError."""
    try:
        with Image.open(path) as picture:
            return picture.size
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise CorruptImageError(path, str(error) or type(error).__name__) from error


def collate(batch: Sequence[Sample | None]) -> tuple[list[torch.Tensor], list[Target]]:
    """Join samples to (images, targets) lists, torchvision's convention; skipped samples (None) fall out.

    Images may differ in size: the model pads them. Both lists are empty if every sample was skipped.
    """
    samples = [sample for sample in batch if sample is not None]
    return [image for image, _ in samples], [target for _, target in samples]


class JoinedDataset(DetectionDataset):
    """Several data sets of the same classes, one after the other, with image ids of its own from 1 on.

    Raises ValueError for data sets of different classes.
    """

    def __init__(self, datasets: Sequence[DetectionDataset], *, transforms: Transforms | None = None) -> None:
        first = datasets[0]
        for other in datasets[1:]:
            if other.classes != first.classes:
                raise ValueError(
                    f"data sets to be joined have the classes {', '.join(first.classes)} and {', '.join(other.classes)}"
                )
        self.datasets = list(datasets)
        self.places = [(which, i) for which, dataset in enumerate(datasets) for i in range(len(dataset))]
        super().__init__(
            first.classes,
            category_ids=first.category_ids,
            image_ids=range(1, len(self.places) + 1),
            transforms=transforms,
        )

    @property
    def warning_counts(self) -> dict[str, int]:
        """What all of them have left out."""
        total: Counter[str] = Counter()
        for dataset in self.datasets:
            total.update(dataset.warning_counts)
        return dict(total)

    def read(self, index: int) -> Sample | None:
        """The sample of the data set it belongs to, under its number here."""
        which, i = self.places[index]
        sample = self.datasets[which].read(i)
        return None if sample is None else (sample[0], {**sample[1], "image_id": self.image_ids[index]})

    def file_name(self, index: int) -> str:
        """Name as the annotation has it; two data sets may share one."""
        which, i = self.places[index]
        return self.datasets[which].file_name(i)

    def ground_truth(self) -> dict[str, Any]:
        """All boxes, under the image ids of this data set."""
        joined: dict[str, Any] = {"info": {}, "images": [], "annotations": [], "categories": self.categories()}
        before = 0
        for dataset in self.datasets:
            truth = dataset.ground_truth()
            number = {old: before + k for k, old in enumerate(dataset.image_ids, start=1)}
            joined["images"] += [{**image, "id": number[image["id"]]} for image in truth["images"]]
            for annotation in truth["annotations"]:
                again = {"id": len(joined["annotations"]) + 1, "image_id": number[annotation["image_id"]]}
                joined["annotations"].append({**annotation, **again})
            before += len(dataset)
        return joined


class CachedDataset(DetectionDataset):
    """A dataset whose decoded samples stay in memory; transforms run anew each time. See `cached`."""

    def __init__(
        self,
        dataset: DetectionDataset,
        *,
        prepare: Transforms | None = None,
        transforms: Transforms | None = None,
    ) -> None:
        super().__init__(
            dataset.classes,
            category_ids=dataset.category_ids,
            image_ids=dataset.image_ids,
            transforms=transforms if transforms is not None else dataset.transforms,
        )
        self.dataset = dataset
        self.prepare = prepare
        self.counts = dataset.counts  # the very same counter: what is skipped later counts here too
        self._samples: list[Sample | None] = [None] * len(dataset)
        self._seen = [False] * len(dataset)

    def read(self, index: int) -> Sample | None:
        """The stored sample; the same tensors each time, so do not write into them."""
        if not self._seen[index]:
            sample = self.dataset.read(index)
            if sample is not None and self.prepare is not None:
                sample = self.prepare(*sample)
            self._samples[index], self._seen[index] = sample, True
        stored = self._samples[index]
        if stored is None:
            return None
        image, target = stored
        return image, dict(target)  # transforms may change the dict, never the tensors in it

    def fill(self) -> CachedDataset:
        """Read every sample now; do so before a DataLoader starts workers, or each fills its own cache."""
        for index in range(len(self)):
            self.read(index)
        return self

    def file_name(self, index: int) -> str:
        """Name of the file that was read."""
        return self.dataset.file_name(index)

    def ground_truth(self) -> dict[str, Any]:
        """Boxes in original coordinates, whatever `prepare` does."""
        return self.dataset.ground_truth()


def cached(
    dataset: DetectionDataset, *, prepare: Transforms | None = None, transforms: Transforms | None = None
) -> CachedDataset:
    """Keep decoded uint8 samples in memory; worth it for small sets, where decoding costs more than a step.

    Args:
        dataset: its own transforms, if it has some, are applied after the cache.
        prepare: a deterministic transform, applied once before a sample is stored, for instance a resize
            (`transforms.resize`). `ground_truth()` stays in original coordinates.
        transforms: random transforms, applied each time; the dataset's own ones if None.
    """
    return CachedDataset(dataset, prepare=prepare, transforms=transforms)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a dataset holds; `str()` of it is the table that `fcos-edu data` prints.

    boxes_per_class counts usable boxes only, in the order of the classes. Box sides are sqrt(width · height)
    in pixels of the original image; `side_quantiles` are minimum, quartiles and maximum. `boxes_per_image` is
    minimum, mean and maximum. `left_out` is the dataset's `warning_counts`.
    """

    images: int
    images_without_boxes: int
    boxes: int
    ignored_boxes: int
    boxes_per_class: dict[str, int]
    boxes_per_image: tuple[int, float, int]
    side_quantiles: tuple[float, float, float, float, float]
    side_histogram: dict[str, int]
    image_sizes: dict[str, int]
    left_out: dict[str, int]

    def __str__(self) -> str:
        low, mean, high = self.boxes_per_image
        lines = [
            f"images            {self.images} ({self.images_without_boxes} without boxes)",
            f"boxes             {self.boxes} (and {self.ignored_boxes} ignored)",
            f"boxes per image   {low} to {high}, {mean:.1f} on average",
            "box side          " + " / ".join(f"{v:.0f}" for v in self.side_quantiles) + " px (min, quartiles, max)",
            "image sizes       " + ", ".join(f"{size} ({n})" for size, n in self.image_sizes.items()),
            "classes",
            *(f"  {name:<16}{count}" for name, count in self.boxes_per_class.items()),
            "box sides",
            *(f"  {edge:<16}{count}" for edge, count in self.side_histogram.items()),
        ]
        if self.left_out:
            lines += ["left out", *(f"  {count} {reason}" for reason, count in self.left_out.items())]
        return "\n".join(lines)


def summary(dataset: DetectionDataset) -> Summary:
    """Count classes, boxes and sizes of a dataset from its annotations; opens no image file."""
    truth = dataset.ground_truth()
    names = {category["id"]: category["name"] for category in truth["categories"]}
    per_image: Counter[int] = Counter({image["id"]: 0 for image in truth["images"]})
    per_class: Counter[str] = Counter(dict.fromkeys(names.values(), 0))
    sides: list[float] = []
    ignored = 0
    for annotation in truth["annotations"]:
        if annotation["iscrowd"]:
            ignored += 1
            continue
        per_image[annotation["image_id"]] += 1
        per_class[names[annotation["category_id"]]] += 1
        sides.append(float(np.sqrt(annotation["bbox"][2] * annotation["bbox"][3])))
    edges = [0, 8, 16, 32, 64, 128, 256, 512]
    counts, _ = np.histogram(sides, bins=[*edges, np.inf])
    labels = [f"{a}–{b} px" for a, b in zip(edges[:-1], edges[1:], strict=True)] + [f"over {edges[-1]} px"]
    sizes = Counter(f"{image['width']}×{image['height']}" for image in truth["images"])
    common = dict(sizes.most_common(5))
    if len(sizes) > len(common):
        common["others"] = sum(sizes.values()) - sum(common.values())
    quantiles = np.quantile(sides, [0, 0.25, 0.5, 0.75, 1]) if sides else np.zeros(5)
    numbers = list(per_image.values())
    return Summary(
        images=len(numbers),
        images_without_boxes=sum(n == 0 for n in numbers),
        boxes=len(sides),
        ignored_boxes=ignored,
        boxes_per_class={name: per_class[name] for name in dataset.classes},
        boxes_per_image=(min(numbers, default=0), len(sides) / max(len(numbers), 1), max(numbers, default=0)),
        side_quantiles=tuple(float(v) for v in quantiles),  # type: ignore[arg-type]
        side_histogram={label: int(n) for label, n in zip(labels, counts, strict=True)},
        image_sizes=common,
        left_out=dataset.warning_counts,
    )
