"""Reader for folders in COCO's format (Sec. 4: COCO trainval35k and minival).

Taught in the chapter *COCO: published weights on your photograph*. Checked against pycocotools: a detector that repeats
`ground_truth()` gets AP 1. torchvision's `CocoDetection` hands out raw annotations of one file and fails on a
faulty one with a bare KeyError; here each fault is named before training starts, and crowds, bad boxes and
unknown categories are counted.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from .annotations import Annotations, join
from .dataset import FolderDataset
from .decoding import IMAGE_SUFFIXES

LAYOUT = "COCO's (train.json and val.json with images/, or annotations/instances_*.json and image folders)"
_SPLIT_NAMES = ("train", "val", "valid", "test")


def recognises(path: Path) -> bool:
    """Whether it is a file, or a folder with the annotation file of a split."""
    return path.is_file() or bool(coco_splits(path))


def coco_splits(folder: str | Path) -> dict[str, Path]:
    """Annotation file of each split of a folder.

    Known layouts: <split>.json or annotations/<split>.json; annotations/instances_<split><year>.json, COCO's
    own; <split>/_annotations.coco.json. "valid" is called "val".
    """
    folder = Path(folder)
    found: dict[str, Path] = {}
    for base in (folder / "annotations", folder):
        for file in sorted(base.glob("*.json"), reverse=True):  # a newer year first
            match = re.fullmatch(r"(?:instances_)?([a-z]+)(?:\d{4})?", file.stem)
            if match and (match[1] in _SPLIT_NAMES or file.stem.startswith("instances_")):
                found.setdefault(match[1], file)
    for split in _SPLIT_NAMES:
        if (folder / split / "_annotations.coco.json").is_file():
            found.setdefault(split, folder / split / "_annotations.coco.json")
    if "valid" in found:
        found.setdefault("val", found.pop("valid"))
    return found


def read(
    path: Path, split: str | None = None, *, classes: Sequence[str] | None = None, pictures: bool = True
) -> Annotations:
    """The annotations of a folder's split, or of a single file; arguments and errors as `COCODataset` has them.

    Args:
        path: the folder, or one file, whose pictures may lie anywhere.
        split: None for the only one of a folder.
        classes: take only these categories, labelled in this order; all by default.
        pictures: look for the photographs; without them only boxes can be counted.
    """
    if path.is_file():
        if split is not None:
            raise ValueError(f"{path} is a single file and has no split {split!r}; leave the split out")
        folder, files, name = path.parent, {"": path}, path.name
    else:
        folder, files = path, _split_files(path, split)
        name = f"{folder.name} ({split or next(iter(files))})"
    parts: list[Annotations] = []
    categories: dict[int, str] = {}
    for part, file in files.items():
        document = read_annotations(file)
        own = {int(c["id"]): str(c["name"]) for c in document["categories"]}
        if parts and own != categories:
            raise ValueError(f"{file} has other categories than {next(iter(files.values()))}; they cannot be joined.")
        categories = own
        columns = _columns(document, categories, _chosen(categories, classes, file))
        if pictures or not (columns["heights"].all() and columns["widths"].all()):
            try:
                columns["folders"] = (_image_folder(folder, part, file, columns["file_names"]),)
            except FileNotFoundError:
                if pictures:
                    raise
        parts.append(Annotations(name=name, split=split or "", file=file.name, **columns))
    if len(parts) == 1:
        return parts[0]
    file_names = "+".join(part.file for part in parts)
    return join(parts, name, split=split, file=file_names)


class COCODataset(FolderDataset):
    """Photographs and boxes of a folder in COCO's format.

    Labels 0..C-1 follow the category ids in ascending order; `category_ids` leads back. Crowd boxes (iscrowd
    is 1) are left out of the targets and stay in `ground_truth()` as ignored regions. Masks are not read.

    Args:
        folder: holds the annotation files, see `coco_splits`, and the photographs in images/<split>,
            <split><year>, <split>, images or beside the files: the first of them that has the split's first
            image is taken.
        split: "train", "val" or another split of the folder; "train+val" (or "trainval") joins both.
        classes: take only these categories, labelled in this order; all by default.
        keep_empty, on_corrupt, transforms: see `FileDataset`.

    Raises:
        FileNotFoundError: no photographs, or one of them is missing.
        ValueError: an unknown split; a file that is not JSON or lacks a key; boxes of an image that the
            file does not list. The text names file and value.
    """

    read_folder = staticmethod(read)


def _split_files(folder: Path, split: str | None) -> dict[str, Path]:
    """The annotation files of a split, each under the name of its own split; "train+val" has two."""
    present = coco_splits(folder)
    if split is None:
        if len(present) != 1:
            raise ValueError(f"{folder} has several splits; choose one of {', '.join(sorted(present))}")
        return present
    if split in present:
        parts = [split]
    else:
        parts = ["train", "val"] if split == "trainval" else split.split("+")
    for part in parts:
        if part not in present:
            told = ", ".join(sorted(present)) or "no split at all: it needs a file such as train.json"
            raise ValueError(f"{folder} has no split {part!r}; it has {told}.")
    return {part: present[part] for part in parts}


def read_annotations(path: str | Path) -> dict[str, Any]:
    """Load a COCO annotation file and check its form.

    Raises ValueError naming file and value: not JSON, a missing key, a box of an image that is not listed.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"), object_hook=_without_mask)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a JSON file ({error}).") from error
    if not isinstance(data, dict):
        raise ValueError(
            f"{path} holds a {type(data).__name__}; a COCO file holds an object with images and annotations."
        )
    needed = {
        "images": ("id", "file_name"),
        "annotations": ("image_id", "category_id", "bbox"),
        "categories": ("id", "name"),
    }
    for key, fields in needed.items():
        if not isinstance(data.get(key), list):
            raise ValueError(f"{path} lacks the list {key!r}; a COCO file has {', '.join(needed)}.")
        for position, entry in enumerate(data[key]):
            for field in fields:
                if not isinstance(entry, dict) or field not in entry:
                    raise ValueError(f"{path}: entry {position} of {key!r} lacks {field!r}; it is {entry!r}.")
    if not data["categories"]:
        raise ValueError(f"{path} lists no categories.")
    for image in data["images"]:
        if isinstance(image["id"], bool) or not isinstance(image["id"], int):
            raise ValueError(f"{path}: image id {image['id']!r} is no integer, which pycocotools needs.")
    known = {image["id"] for image in data["images"]}
    if len(known) < len(data["images"]):
        twice = next(i for i, n in Counter(image["id"] for image in data["images"]).items() if n > 1)
        raise ValueError(f"{path}: image id {twice} occurs more than once.")
    strangers = [a["image_id"] for a in data["annotations"] if a["image_id"] not in known]
    if strangers:
        raise ValueError(
            f"{path}: {len(strangers)} annotations belong to images that the file does not list, "
            f"the first to image_id {strangers[0]!r}."
        )
    for position, entry in enumerate(data["annotations"]):
        box = entry["bbox"]
        if not (isinstance(box, list) and len(box) == 4 and all(isinstance(v, (int, float)) for v in box)):
            raise ValueError(f"{path}: annotation {position} has bbox {box!r}; it must be [x, y, width, height].")
    return data


def _without_mask(entry: dict[str, Any]) -> dict[str, Any]:
    """Masks are most of COCO's files, and never read: dropped while the file is parsed, they take no memory."""
    entry.pop("segmentation", None)
    return entry


def _chosen(categories: dict[int, str], classes: Sequence[str] | None, path: Path) -> list[int]:
    """Category ids in the order of the labels."""
    if classes is None:
        return sorted(categories)
    id_of = {name: category_id for category_id, name in sorted(categories.items())}
    for name in classes:
        if name not in id_of:
            raise ValueError(f"{path} has no category {name!r}; it has {', '.join(id_of)}.")
    return [id_of[name] for name in classes]


def _image_folder(folder: Path, split: str, annotations: Path, images: Sequence[str]) -> Path:
    """The folder that holds the split's photographs."""
    with_year = annotations.stem.removeprefix("instances_")
    names = list(dict.fromkeys([f"images/{split}", f"images/{with_year}", with_year, split, "images"]))
    candidates = [folder / name for name in names] + [annotations.parent, folder]
    if not images:
        raise ValueError(f"{annotations} lists no images.")
    for candidate in candidates:
        if (candidate / images[0]).is_file():
            return candidate
    # The first image may be the one that is missing: any folder with images will do, and the check of files
    # names what is not there.
    for candidate in candidates:
        if candidate.is_dir() and any(f.suffix.lower() in IMAGE_SUFFIXES for f in candidate.iterdir()):
            return candidate
    raise FileNotFoundError(
        f"{folder} holds no images: {images[0]!r}, the first image of {annotations.name}, "
        f"was looked for in {', '.join(names)} and beside the file."
    )


def _columns(document: dict[str, Any], categories: dict[int, str], category_ids: list[int]) -> dict[str, Any]:
    """Fields of `Annotations`: images in the order of their ids, as torchvision's and COCO's own tools have them."""
    label_of = {category_id: label for label, category_id in enumerate(category_ids)}
    images = sorted(document["images"], key=lambda image: image["id"])
    position = {image["id"]: i for i, image in enumerate(images)}
    entries = [entry for entry in document["annotations"] if entry["category_id"] in label_of]
    known = sum(entry["category_id"] in categories for entry in document["annotations"])
    counts = {
        "boxes of classes not asked for": known - len(entries),
        "boxes of unknown classes": len(document["annotations"]) - known,
    }
    number = len(entries)
    image_index = np.fromiter((position[entry["image_id"]] for entry in entries), np.int64, number)
    bbox = chain.from_iterable(entry["bbox"] for entry in entries)
    xywh = np.fromiter(bbox, np.float64, 4 * number).reshape(-1, 4)
    areas = (float(entry.get("area") or entry["bbox"][2] * entry["bbox"][3]) for entry in entries)
    order = np.argsort(image_index, kind="stable")
    return dict(
        classes=tuple(categories[i] for i in category_ids),
        category_ids=tuple(category_ids),
        image_ids=np.array([image["id"] for image in images], dtype=np.int64),
        file_names=tuple(str(image["file_name"]) for image in images),
        heights=np.array([_side(image, "height") for image in images], dtype=np.int64),
        widths=np.array([_side(image, "width") for image in images], dtype=np.int64),
        image_index=image_index[order],
        boxes=np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)[order],
        labels=np.fromiter((label_of[entry["category_id"]] for entry in entries), np.int64, number)[order],
        ignored=np.fromiter((bool(entry.get("iscrowd", 0)) for entry in entries), np.bool_, number)[order],
        areas=np.fromiter(areas, np.float64, number)[order],
        left_out={reason: count for reason, count in counts.items() if count},
    )


def _side(image: dict[str, Any], key: str) -> int:
    """Height or width of an image; 0 where the file does not say."""
    try:
        return max(0, int(image.get(key) or 0))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"image {image['id']} has {key} {image[key]!r}; it must be a number of pixels") from None
