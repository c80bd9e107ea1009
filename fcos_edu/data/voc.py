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

from .annotations import Annotations, Record
from .dataset import FolderDataset
from .decoding import IMAGE_SUFFIXES
from .sources import SOURCES, VOC_CLASSES

LAYOUT = "VOC's layout (Annotations, ImageSets/Main, JPEGImages)"


def recognises(path: Path) -> bool:
    """Whether it is a folder with annotations in XML, or one that holds such folders by year."""
    return any(_is_year(inner) for inner in (path, *path.glob("VOCdevkit/VOC*")))


def _is_year(folder: Path) -> bool:
    # Where the file system knows no case, a COCO folder has "Annotations" too.
    inner = folder / "Annotations"
    return inner.is_dir() and ((folder / "ImageSets").is_dir() or any(inner.glob("*.xml")))


def read(
    path: Path, split: str | None = None, *, classes: Sequence[str] | None = None, pictures: bool = True
) -> Annotations:
    """The annotations of a folder's split; arguments and errors as `VOCDataset` has them.

    Args:
        path: the folder.
        split: None for all annotations of the folder, whatever split they belong to.
        classes: names in the order of the labels.
        pictures: without them, only boxes can be counted.
    """
    folder = inside_devkit(path)
    names = _all_names(folder) if split is None else split_names(folder, split)
    images = _image_files(folder / "JPEGImages", required=pictures)
    if classes is None:
        classes = all_classes(folder)
    label_of = {name: label for label, name in enumerate(classes)}
    unknown: Counter[str] = Counter()
    records = [
        _record(folder, name, image_id, images.get(name, f"{name}.jpg"), label_of, unknown)
        for image_id, name in enumerate(names, start=1)
    ]
    told = ", ".join(f"{name!r}" for name in sorted(unknown))
    return Annotations.of(
        records,
        classes,
        name=folder.name if split is None else f"{folder.name} ({split})",
        folder=folder / "JPEGImages",
        ignored_reason="boxes marked difficult",
        left_out={f"boxes of unknown classes ({told})": unknown.total()} if unknown else {},
        split=split or "",
    )


class VOCDataset(FolderDataset):
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

    read_folder = staticmethod(read)


def inside_devkit(folder: Path) -> Path:
    """The year's folder where ``folder`` is what torchvision's ``VOCDetection`` calls its root; else ``folder``.

    Raises:
        ValueError: it holds several years; the text lists them.
    """
    years = sorted(path for path in (folder / "VOCdevkit").glob("VOC*") if _is_year(path))
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


def _all_names(folder: Path) -> list[str]:
    """Image names of all annotations, in alphabetical order."""
    names = sorted(file.stem for file in (folder / "Annotations").glob("*.xml"))
    if not names:
        raise ValueError(f"{folder / 'Annotations'} holds no XML file")
    return names


def _image_files(folder: Path, *, required: bool) -> dict[str, str]:
    """File name for each image name of the folder."""
    found = {f.stem: f.name for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES} if folder.is_dir() else {}
    if required and not found:
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


def _record(
    folder: Path, name: str, image_id: int, file_name: str, label_of: dict[str, int], unknown: Counter[str]
) -> Record:
    """Read one annotation file; names that are no class are counted in `unknown`."""
    path = folder / "Annotations" / f"{name}.xml"
    parsed = _parse(path)
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
        width = height = 0  # some annotation tools leave the size out or write 0: the picture tells
    return Record(image_id, file_name, width, height, xyxy, np.array(labels), np.array(difficult))
