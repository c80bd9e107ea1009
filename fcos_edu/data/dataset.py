"""What every detection dataset of this package has in common (Sec. 4, training data).

Taught in the chapter *Your own boxes*. Checked against torchvision's reference recipe for
detection (which boxes and images training leaves out) and against pycocotools (what `ground_truth` must
hold).

A dataset is a map-style torch Dataset. `dataset[i]` is `(image, target)`:

- image: `tv_tensors.Image`, (3, H, W), uint8 before transforms;
- target: `{"boxes": tv_tensors.BoundingBoxes (M, 4) float32 xyxy in pixels, "labels": (M,) int64 in 0..C-1,
  "image_id": ImageId}`, and what torchvision's reference recipe asks for: "area" (M,) float32 in pixels² and
  "iscrowd" (M,) int64, which is 0, of the boxes as they are after transforms.

What training may see and what evaluation must see differ: crowd boxes and boxes marked as difficult are left
out of the targets, but `ground_truth()` holds them as ignored regions.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset
from torchvision import tv_tensors

from ..images import as_xyxy
from ..settings import Message, setting
from ..text import counted, printable, shortened
from .annotations import Annotations
from .decoding import MAX_PIXELS, ORIENTATIONS, CorruptImageError, Header, read_header, read_image

Target = dict[str, Any]
Sample = tuple[tv_tensors.Image, Target]
Transforms = Callable[..., Any]

ON_CORRUPT = ("error", "skip")


class ImageId(int):
    """An image's number, which some of torchvision's recipes take as a number, and some as a tensor of one."""

    def item(self) -> int:
        """The number."""
        return int(self)


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
        "image_id": ImageId(image_id),
    }


def completed(target: Target) -> Target:
    """The target with `area` and `iscrowd`, as torchvision's reference recipe wants them."""
    plain = as_xyxy(target["boxes"]).as_subclass(torch.Tensor)
    area = (plain[:, 2:] - plain[:, :2]).prod(dim=1)
    return {**target, "image_id": ImageId(target["image_id"]), "area": area, "iscrowd": torch.zeros(len(plain)).long()}


class DetectionDataset(Dataset):  # type: ignore[type-arg]
    """Base of all datasets: `read(i)` gives the plain sample, `dataset[i]` the transformed one.

    Subclasses set `classes`, `category_ids` and `image_ids` and implement `read`, `file_name`, and
    `annotations` or at least `ground_truth`.
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
        if sample is None:
            return None
        image, target = sample if self.transforms is None else self.transforms(*sample)
        return image, completed(target)

    def read(self, index: int) -> Sample | None:
        """Sample `index` before transforms; None for a corrupt image that is to be skipped."""
        raise NotImplementedError

    def file_name(self, index: int) -> str:
        """Name of the image file of sample `index`, as the annotations give it."""
        raise NotImplementedError

    def annotations(self) -> Annotations:
        """All images and boxes as arrays, in the coordinates of the original images; reads no image."""
        raise NotImplementedError

    def summary(self) -> dict[str, Any]:
        """What tells this data set from others; see `Annotations.summary`."""
        return self.annotations().summary()

    def ground_truth(self) -> dict[str, Any]:
        """The same in COCO's format, for pycocotools; see `Annotations.ground_truth`."""
        return self.annotations().ground_truth()

    def categories(self) -> list[dict[str, Any]]:
        """COCO's `categories` list."""
        return [{"id": i, "name": name} for i, name in zip(self.category_ids, self.classes, strict=True)]

    def _weigh(self, annotations: Annotations, notes: Sequence[str] = ()) -> tuple[NDArray[np.bool_], list[str]]:
        """Which boxes ``(M,)`` can be learnt, and what to say of all of them; counts those that are left out."""
        cut = annotations.cut()
        with np.errstate(invalid="ignore"):
            sides = cut[:, 2:] - cut[:, :2]
            solid = np.isfinite(annotations.boxes).all(axis=1) & (sides > 0).all(axis=1)
            usable = solid & ~annotations.ignored & (sides > 1).all(axis=1)
        self.counts.update(annotations.left_out)
        self.counts[annotations.ignored_reason] += int(annotations.ignored.sum())
        self.counts["degenerate boxes"] += int((~solid & ~annotations.ignored).sum())
        return usable, [
            *annotations.notes, *notes, *_over_the_border(annotations, solid), *_shares(annotations, solid),
        ]  # fmt: skip

    def _tell(self, name: str, notes: Sequence[str]) -> None:
        """Warn once: of what is left out, and what else there is to say."""
        told = ", ".join(counted(count, reason) for reason, count in self.warning_counts.items())
        notes = [*([f"left out of the targets: {told}"] if told else []), *notes]
        if notes:
            warnings.warn(Message(f"{name}: {'; '.join(notes)}."), UserWarning, stacklevel=4)  # type: ignore[arg-type]


def clip(boxes: NDArray[np.float64], width: float, height: float) -> NDArray[np.float64]:
    """Boxes (M, 4) xyxy cut at the image's border."""
    return boxes.clip(0, np.array([width, height, width, height], dtype=np.float64))


class FileDataset(DetectionDataset):
    """A dataset of image files, from the annotations of any format.

    What is left out, as in torchvision's reference recipe: boxes marked as crowd or difficult; boxes that
    have no width or height once they are cut at the image's border, or that are not finite; and, unless
    `keep_empty`, images where no box is left that is wider and higher than one pixel. Each is counted, and
    one UserWarning tells the counts, and what else is odd: pictures of another size than annotated, boxes that
    reach over the border, pictures that would be turned, or that have several frames.

    The header of every picture is read at once: its true size counts, whatever the annotation says.

    Args:
        annotations: what a format's reader gives, with the folders of the pictures.
        keep_empty: keep images without a usable box. Right for evaluation, where such an image can still
            collect false detections; in training they are background.
        on_corrupt: "error" raises CorruptImageError at a file that cannot be read; "skip" gives None for it
            (see `collate`) and counts it.
        transforms: called with (image, target).
        orientation: whether a picture is turned upright where a camera asks for it (EXIF). "auto" turns it where
            the annotated size fits only the turned picture, as annotation tools of today show pictures upright; where
            the size does not tell (half turns, squares, no size), it stays as stored, and the warning says how many.
            "stored" turns none, "upright" all.
        max_pixels: refuse pictures with more.
        allow_outside: read pictures that lie outside of their folder too, which annotations of strangers must not name.
        trust_sizes: read no headers; the sizes of the annotations are known to be right. A published data set's are.

    Raises:
        CorruptImageError: a picture's header that cannot be read, unless `on_corrupt` is "skip".
        FileNotFoundError: missing pictures, likewise.
        ValueError: nothing to learn from, or a picture outside.
    """

    def __init__(
        self,
        annotations: Annotations,
        *,
        keep_empty: bool = True,
        on_corrupt: str = "error",
        transforms: Transforms | None = None,
        orientation: str = "auto",
        max_pixels: int = MAX_PIXELS,
        allow_outside: bool = False,
        trust_sizes: bool = False,
    ) -> None:
        for name, value, choices in (
            ("on_corrupt", on_corrupt, ON_CORRUPT), ("orientation", orientation, ORIENTATIONS),
        ):  # fmt: skip
            if value not in choices:
                raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(choices)}.")
        super().__init__(annotations.classes, category_ids=annotations.category_ids, transforms=transforms)
        self.on_corrupt, self.max_pixels = on_corrupt, max_pixels
        self.name, self.split = printable(annotations.name), annotations.split
        self._told: set[tuple[int, str]] = set()
        annotations = replace(annotations, allow_outside=allow_outside or annotations.allow_outside)
        if on_corrupt == "error":
            _require_files(annotations)
        turn, notes = np.zeros(annotations.images, np.bool_), list[str]()
        if trust_sizes:
            annotations = annotations.sized()
        else:
            annotations, turn, notes = _measured(annotations, orientation, on_corrupt, max_pixels)
        usable, notes = self._weigh(annotations, notes)
        chosen = np.arange(annotations.images)
        if not keep_empty:
            chosen = np.unique(annotations.image_index[usable])
            self.counts["images without a usable box"] += annotations.images - len(chosen)
        self._annotations, self._turn = annotations, turn
        if len(chosen) < annotations.images:
            self._annotations, self._turn = annotations.chosen(chosen), turn[chosen]
        self.image_ids = self._annotations.image_ids.tolist()
        if not self.image_ids:
            raise ValueError(_nothing_usable(self.name, annotations, self.warning_counts))
        self._tell(self.name, notes)

    def annotations(self) -> Annotations:
        """Of the images that are not left out, with all their boxes."""
        return self._annotations

    def relabel(self, classes: Sequence[str]) -> None:
        """Give each class the label that its name has in ``classes``, as the classes of a detector.

        Raises:
            ValueError: boxes of a class that is not there.
        """
        self._annotations = self._annotations.labelled_as(classes)
        self.classes, self.category_ids = self._annotations.classes, self._annotations.category_ids

    @property
    def turned(self) -> NDArray[np.bool_]:
        """``(N,)``: which pictures are turned upright, as their EXIF asks."""
        return self._turn

    def file_name(self, index: int) -> str:
        """Name as the annotation has it."""
        return self._annotations.file_names[index]

    def read(self, index: int) -> Sample | None:
        """Photograph and usable boxes, cut at the border; None for a corrupt file that is skipped."""
        index = range(len(self))[index]
        own = self._annotations
        path = own.path(index)
        try:
            image = read_image(path, turn=bool(self._turn[index]), max_pixels=self.max_pixels)
        except CorruptImageError as error:
            if self.on_corrupt == "error":
                raise
            self._count_once(index, "corrupt images", f"skipped {printable(error.path)} ({error.reason}).")
            return None
        height, width = image.shape[-2:]
        annotated = (int(own.widths[index]), int(own.heights[index]))
        if (width, height) != annotated:
            # Sizes that were trusted, or a file that changed since. The true border counts.
            self._count_once(
                index,
                "images of another size than annotated",
                f"{printable(path)} is {width}×{height} pixels, but its annotation says "
                f"{annotated[0]}×{annotated[1]}; check that its boxes belong to it.",
            )
        rows = own.of_image(index)
        boxes = clip(own.boxes[rows], width, height)
        keep = np.isfinite(own.boxes[rows]).all(axis=1) & ~own.ignored[rows] & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        return image, make_target(boxes[keep], own.labels[rows][keep], self.image_ids[index], height, width)

    def _count_once(self, index: int, reason: str, text: str) -> None:
        """Warn and count at the first epoch only."""
        if (index, reason) not in self._told:
            self._told.add((index, reason))
            self.counts[reason] += 1
            warnings.warn(f"{self.name}: {text}", UserWarning, stacklevel=3)


class FolderDataset(FileDataset):
    """The files of a folder whose format is known: what the classes of single formats share.

    Args:
        folder: in the layout of the format.
        split: a split that it has; None for its only one.
        classes: names in the order of the labels; by default the format's own order.
        options: keep_empty, on_corrupt, transforms and more: see `FileDataset`.
    """

    read_folder: ClassVar[Callable[..., Annotations]]  # the format's reader

    def __init__(
        self,
        folder: str | Path,
        split: str | None = "train",
        *,
        classes: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(type(self).read_folder(Path(folder), split, classes=classes), **options)


def _require_files(annotations: Annotations) -> None:
    """Name missing image files at once, not in the middle of an epoch; one directory listing each folder."""
    present: dict[Path, set[str]] = {}
    missing: list[Path] = []
    for index in range(annotations.images):
        path = annotations.path(index)
        folder = path.parent
        if folder not in present:
            present[folder] = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
        if path.name not in present[folder]:
            missing.append(path)
    if missing:
        raise FileNotFoundError(
            Message(
                f"{printable(missing[0])} is annotated but there is no such file ({len(missing)} of "
                f"{counted(annotations.images, 'images')} {'is' if len(missing) == 1 else 'are'} missing). Add the "
                "files, or go on without them with "
                f"{setting('on_corrupt', 'skip', option='--on-corrupt skip')}."
            )
        )


def _measured(
    annotations: Annotations, orientation: str, on_corrupt: str, max_pixels: int
) -> tuple[Annotations, NDArray[np.bool_], list[str]]:
    """The annotations with the sizes that the pictures have, which pictures are to be turned, and what to say of both.

    A picture that is skipped keeps the annotated size, or one that has room for its boxes.
    """
    widths, heights = annotations.widths.copy(), annotations.heights.copy()
    turn = np.zeros(annotations.images, np.bool_)
    undecided, other, several = [], [], []
    for index in range(annotations.images):
        annotated = (int(widths[index]), int(heights[index]))
        path = annotations.path(index)
        try:
            header = read_header(path, max_pixels=max_pixels)
        except CorruptImageError:
            if on_corrupt == "error":
                raise
            if not all(annotated):
                corners = annotations.boxes[annotations.of_image(index), 2:]
                room = corners[np.isfinite(corners).all(axis=1)].clip(1, 2**31 - 1)
                widths[index], heights[index] = np.ceil(room.max(axis=0)) if len(room) else (1, 1)
            continue
        several += [index] if header.several else []
        turn[index], told = _is_turned(header, annotated, orientation)
        undecided += [index] if not told else []
        widths[index], heights[index] = header.size(bool(turn[index]))
        if all(annotated) and annotated != (widths[index], heights[index]):
            other.append((index, annotated))
    notes = []
    if other and not annotations.relative:
        index, (width, height) = other[0]
        notes.append(
            f"{counted(len(other), 'images have', 'image has')} another size than annotated, which counts (the first, "
            f"{printable(annotations.path(index))}, is {widths[index]}×{heights[index]} pixels and annotated "
            f"{width}×{height}): check that the boxes belong to them"
        )
    if several:
        notes.append(
            f"{counted(len(several), 'pictures have', 'picture has')} several frames or pages, of which the first "
            f"alone is read (the first such is {printable(annotations.path(several[0]))})"
        )
    if undecided:
        upright = counted(
            len(undecided),
            "images are to be turned upright by their EXIF, and the annotations do not tell whether their boxes are",
            "image is to be turned upright by its EXIF, and the annotations do not tell whether its boxes are",
        )
        notes.append(
            f"{upright} (the first is {printable(annotations.path(undecided[0]))}): "
            f"{'it is' if len(undecided) == 1 else 'they are'} read as stored, "
            f"unless {setting('orientation', 'upright', option='--orientation upright')}"
        )
    return annotations.scaled(widths, heights), turn, notes


def _is_turned(header: Header, annotated: tuple[int, int], orientation: str) -> tuple[bool, bool]:
    """Whether a picture is to be turned, and whether that could be told."""
    if header.orientation == 1 or orientation == "stored":
        return False, True
    if orientation == "upright":
        return True, True
    fits = annotated == header.size(True) and annotated != header.size(False)
    return fits, fits


def _over_the_border(annotations: Annotations, solid: Any) -> list[str]:
    """What to say of boxes that reach more than a pixel over the border: often they are no boxes of this format."""
    border = np.stack([annotations.widths, annotations.heights], axis=1)[annotations.image_index]
    boxes = annotations.boxes
    over = np.flatnonzero(solid & ((boxes[:, 2:] > border + 1) | (boxes[:, :2] < -1)).any(axis=1))
    if not len(over):
        return []
    image = annotations.image_index[over[0]]
    words = f": {annotations.box_words}" if annotations.box_words else ""
    one, more = "reaches over the border of its image and is", "reach over the border of their images and are"
    reach = one if len(over) == 1 else more
    return [
        f"{len(over)} of {counted(len(boxes), 'boxes')} {reach} cut (the first, "
        f"{_corners(boxes[over[0]])} of {shortened(annotations.file_names[image])}, which is "
        f"{annotations.widths[image]}×{annotations.heights[image]} pixels){words}"
    ]


def _shares(annotations: Annotations, solid: Any) -> list[str]:
    """What to say where no box leaves the first pixel: they are shares of the sides, most likely."""
    if not solid.any() or (abs(annotations.boxes[solid]) > 1).any():
        return []
    first = int(np.flatnonzero(solid)[0])
    told = shortened(annotations.file_names[annotations.image_index[first]])
    return [
        f"no box is larger than a pixel (the first, {_corners(annotations.boxes[first])} of {told}): are they shares "
        "of the picture's sides? This format has pixels"
    ]


def _corners(box: NDArray[np.float64]) -> str:
    """A box in words."""
    x0, y0, x1, y1 = (f"{value:g}" for value in box)
    return f"from ({x0}, {y0}) to ({x1}, {y1})"


def _nothing_usable(name: str, annotations: Annotations, counts: dict[str, int]) -> str:
    """Why no image is left, with the first box as it was read."""
    reasons = ", ".join(counted(n, reason) for reason, n in counts.items() if not reason.startswith("images"))
    if len(annotations):
        image = annotations.image_index[0]
        seen = f"the first box reaches {_corners(annotations.boxes[0])} in {shortened(annotations.file_names[image])}"
        size = f"of {annotations.widths[image]}×{annotations.heights[image]} pixels"
        words = f": {annotations.box_words}" if annotations.box_words else ""
        reasons = reasons or f"{counted(len(annotations), 'boxes')} of at most a pixel"
        reasons = f"{reasons}; {seen}, {size}{words}"
    why = f"{reasons}" if reasons else "the annotations hold no box at all"
    none = f"none of the {annotations.images} images has a" if annotations.images > 1 else "the only image has no"
    return Message(
        f"{name}: {none} usable box ({why}). "
        "Check the annotations, or keep images without boxes as background with "
        f"{setting('keep_empty', True, option='--keep-empty')}."
    )


def collate(batch: Sequence[Sample | None]) -> tuple[list[torch.Tensor], list[Target]]:
    """Join samples to (images, targets) lists, torchvision's convention; skipped samples (None) fall out.

    Images may differ in size: the model pads them. Both lists are empty if every sample was skipped.
    """
    samples = [sample for sample in batch if sample is not None]
    return [image for image, _ in samples], [target for _, target in samples]
