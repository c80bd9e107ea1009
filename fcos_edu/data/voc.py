"""Reader for folders in the layout of PASCAL VOC (training data beside COCO; not in the paper).

Taught in the chapter *Your own boxes* (BCCD, the book's photographs, has this layout). Checked against
hand-written annotations and against BCCD's published counts. The XML is parsed by torchvision's
`VOCDetection`; its dataset class itself knows the official years and splits only, so folders of other people
need this reader.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from torchvision.datasets import VOCDetection

from .dataset import IMAGE_SUFFIXES, FileDataset, Record, Transforms, image_size
from .sources import SOURCES, VOC_CLASSES


def is_voc_folder(folder: str | Path) -> bool:
    """Whether the folder has an Annotations and an ImageSets folder."""
    return (Path(folder) / "Annotations").is_dir() and (Path(folder) / "ImageSets").is_dir()


class VOCDataset(FileDataset):
    """Photographs and boxes of a VOC folder: `Annotations/*.xml`, `ImageSets/Main/<split>.txt`, `JPEGImages/`.

    VOC counts pixels from 1 and the box's last pixel belongs to it. Here a box is two points of the plane, so
    (xmin, ymin, xmax, ymax) becomes (xmin - 1, ymin - 1, xmax, ymax). A box whose file has xmax <= xmin or
    ymax <= ymin counts as degenerate: it is a slip of the annotation tool rather than an object one pixel
    wide.

    Objects marked `difficult` are left out of the targets and are ignored regions in `ground_truth()`. There
    COCO's rule for crowds applies to them: any number of detections on one is neither right nor wrong.

    Args:
        folder: the folder that holds Annotations.
        split: name of a file in ImageSets/Main; "train+val" and "trainval" take the file
            trainval.txt or, if there is none, both train.txt and val.txt.
        classes: names in the order of the labels. By default VOC's twenty if no other name occurs
            in the folder, otherwise all names that occur in it (in all splits), sorted.
        keep_empty, on_corrupt, transforms: see `FileDataset`.

    Raises:
        FileNotFoundError: a folder, annotation or image is missing.
        ValueError: an unknown split, or an annotation that is not VOC XML; the text names it.
    """

    def __init__(
        self,
        folder: str | Path,
        split: str = "train",
        *,
        classes: Sequence[str] | None = None,
        keep_empty: bool = True,
        on_corrupt: str = "error",
        transforms: Transforms | None = None,
    ) -> None:
        folder = Path(folder)
        names = split_names(folder, split)
        images = _image_files(folder / "JPEGImages")
        if classes is None:
            classes = all_classes(folder)
        label_of = {name: label for label, name in enumerate(classes)}
        unknown: Counter[str] = Counter()
        records = [
            read_record(folder, name, image_id, images.get(name, f"{name}.jpg"), label_of, unknown)
            for image_id, name in enumerate(names, start=1)
        ]
        counts = {"boxes of unknown classes": unknown.total()}
        if unknown:
            told = ", ".join(f"{name!r}" for name in sorted(unknown))
            counts = {f"boxes of unknown classes ({told})": unknown.total()}
        super().__init__(
            records,
            classes,
            counts=counts,
            ignored_reason="boxes marked difficult",
            keep_empty=keep_empty,
            on_corrupt=on_corrupt,
            transforms=transforms,
            name=f"{folder.name} ({split})",
        )
        self.split = split


def inside_devkit(folder: Path) -> Path:
    """The year's folder where ``folder`` is what torchvision's ``VOCDetection`` calls its root; else ``folder``.

    Raises:
        ValueError: it holds several years; the text lists them.
    """
    years = sorted(path for path in (folder / "VOCdevkit").glob("VOC*") if is_voc_folder(path))
    if len(years) > 1:
        told = ", ".join(str(path) for path in years)
        raise ValueError(f"{folder} holds several years: give one of {told}, or two joined by a plus sign")
    return years[0] if years else folder


def split_names(folder: Path, split: str) -> list[str]:
    """Image names of a split, in the file's order."""
    lists = folder / "ImageSets" / "Main"
    files = [lists / f"{split}.txt"]
    if split in ("train+val", "trainval"):
        files = [lists / "trainval.txt"]
        if not files[0].is_file():
            files = [lists / "train.txt", lists / "val.txt"]
    if not all(file.is_file() for file in files):
        # VOC itself has "cat_train.txt" and the like; those are lists for classification, not splits.
        present = sorted(f.stem for f in lists.glob("*.txt") if "_" not in f.stem) if lists.is_dir() else []
        told = ", ".join(present) if present else "no split at all: it needs ImageSets/Main/train.txt"
        raise ValueError(f"{folder} has no split {split!r}; it has {told}.")
    lines = [line.split() for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    names = [line[0] for line in lines if line]  # a second column, if there is one, is a class label
    if not names:
        raise ValueError(f"{files[0]} names no image; it should hold one image name a line.")
    return names


def _image_files(folder: Path) -> dict[str, str]:
    """File name for each image name of the folder."""
    found = {f.stem: f.name for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES} if folder.is_dir() else {}
    if not found:
        raise FileNotFoundError(f"{folder} holds no images; VOC's layout has the photographs there.")
    return found


def _parse(path: Path) -> dict[str, Any]:
    """The annotation as nested dicts; `object` is always a list."""
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing, but its image is named in the split.") from None
    except ElementTree.ParseError as error:
        raise ValueError(f"{path} is not XML ({error}).") from error
    if root.tag != "annotation":
        raise ValueError(f"{path} is not a VOC annotation: its outermost tag is <{root.tag}>, not <annotation>.")
    parsed: dict[str, Any] = VOCDetection.parse_voc_xml(root)["annotation"]
    return parsed


def all_classes(folder: Path) -> tuple[str, ...]:
    """All class names of the folder, whatever the split: labels must mean the same in each."""
    found = {
        str(item.get("name"))
        for path in sorted((folder / "Annotations").glob("*.xml"))
        for item in _parse(path).get("object", [])
    }
    known = [source.classes for source in SOURCES.values() if source.layout == "voc" and set(source.classes) == found]
    if known:
        return known[0]
    return VOC_CLASSES if found <= set(VOC_CLASSES) else tuple(sorted(found))


def read_record(
    folder: Path, name: str, image_id: int, file_name: str, label_of: dict[str, int], unknown: Counter[str]
) -> Record:
    """Read one annotation file; names that are no class are counted in `unknown`."""
    path = folder / "Annotations" / f"{name}.xml"
    parsed = _parse(path)
    picture = folder / "JPEGImages" / file_name
    boxes: list[list[float]] = []
    labels: list[int] = []
    difficult: list[bool] = []
    for item in parsed.get("object", []):
        try:
            corners = [float(item["bndbox"][key]) for key in ("xmin", "ymin", "xmax", "ymax")]
            label_name, hard = str(item["name"]), item.get("difficult", "0") == "1"
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}: an object lacks a name or a <bndbox> of four numbers "
                f"({type(error).__name__}: {error}); it holds {item!r}."
            ) from error
        if label_name not in label_of:
            unknown[label_name] += 1
            continue
        boxes.append(corners)
        labels.append(label_of[label_name])
        difficult.append(hard)
    xyxy = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    solid = (xyxy[:, 2:] > xyxy[:, :2]).all(axis=1)
    xyxy[solid, :2] -= 1  # from "first pixel, counted from 1" to the point where that pixel begins
    try:
        width, height = int(float(parsed["size"]["width"])), int(float(parsed["size"]["height"]))
    except (KeyError, TypeError, ValueError):
        width = height = 0
    if width <= 0 or height <= 0:
        width, height = image_size(picture)  # some annotation tools leave the size out or write 0
    sides = xyxy[:, 2:] - xyxy[:, :2]
    return Record(
        image_id=image_id,
        file_name=file_name,
        path=picture,
        width=width,
        height=height,
        boxes=xyxy,
        labels=np.array(labels, dtype=np.int64),
        ignored=np.array(difficult, dtype=np.bool_),
        areas=sides[:, 0] * sides[:, 1],
    )
