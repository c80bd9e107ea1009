"""Reader for folders in COCO's format (Sec. 4: COCO trainval35k and minival).

Taught in the chapter *COCO: published weights on your photograph*. Checked against pycocotools: a detector that repeats
`ground_truth()` gets AP 1; with thousands of broken files (`scripts/fuzz.py`). torchvision's `CocoDetection` hands out
raw annotations of one file and fails on a faulty one with a bare KeyError; here each fault is named before training
starts, and crowds, bad boxes and unknown categories are counted.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ..text import counted, printable, quoted, read_bytes, shortened
from .annotations import Annotations, join, leads_outside, repeated
from .dataset import FolderDataset
from .decoding import is_picture
from .folders import Pictures, choose, composed, files_of, flag, split_folders, split_in, split_of

LAYOUT = (
    "COCO's (train.json and val.json with images/, or annotations/instances_*.json and image folders, or "
    "_annotations.coco.json or result.json beside pictures)"
)
_START = 65_536  # bytes of a file that tell its kind
_FLAT_NAMES = ("_annotations.coco", "instances_default", "instances", "result", "annotations", "labels", "coco")


def recognises(path: Path) -> bool:
    """Whether it is a JSON file, or a folder with the annotation file of a split."""
    if path.is_file():
        return path.suffix.lower() not in (".csv", ".xml", ".jsonl", ".txt", ".yaml", ".yml")
    return bool(coco_splits(path))


def splits(path: Path) -> tuple[str, ...]:
    """Names of its splits; none where all its annotations are one set."""
    return () if path.is_file() else tuple(filter(None, coco_splits(path)))


def coco_splits(folder: str | Path) -> dict[str, Path]:
    """Annotation file of each split of a folder; under "" where one file has all.

    Known layouts: <split>.json or annotations/<split>.json; annotations/instances_<split><year>.json, COCO's
    own; <split>/_annotations.coco.json, as Roboflow writes; train_labels.json beside val_labels.json and the like.
    "valid" and "Validation" are called "val". Of one set alone:
    _annotations.coco.json, instances_default.json (CVAT), result.json (Label Studio), or the only JSON file that says
    that it is COCO's, in the folder or in annotations/.
    """
    folder = Path(folder)
    found: dict[str, Path] = {}
    for base in (folder / "annotations", folder):
        others: dict[str, Path] = {}  # "valid" where there is no "val"
        for file in reversed(files_of(base, ".json")):  # a newer year first
            match = re.fullmatch(r"(instances_)?([a-z]+)(?:\d{4})?", file.stem.lower())
            if match and (match[1] or split_of(match[2])) and match[2] != "default":
                split = split_of(match[2]) or match[2]
                (found if split == match[2] else others).setdefault(split, file)
        for split, file in others.items():
            found.setdefault(split, file)
    for split, inner in split_folders(folder).items():
        for name in ("_annotations.coco.json", "annotations.json", "result.json"):
            if split not in found and (inner / name).is_file() and (name.startswith("_") or _says_coco(inner / name)):
                found[split] = inner / name
    if not found and (only := _only_file(folder)) is not None:
        found[""] = only
    if not found and len(own := own_files(folder)) > 1:
        named = {split: file for file in own if (split := split_in(file.stem))}
        found = named if len(named) == len(own) else {}
    return found


def own_files(folder: Path) -> list[Path]:
    """The JSON files that say that they are COCO's; only some are looked at."""
    files = [file for base in (folder, folder / "annotations") for file in files_of(base, ".json")]
    return [file for file in files[:50] if _says_coco(file)]


def _only_file(folder: Path) -> Path | None:
    """The annotation file of a folder without splits."""
    files = [file for base in (folder, folder / "annotations") for file in files_of(base, ".json")]
    for name in _FLAT_NAMES:
        for file in files:
            if file.stem.lower() == name and (name == "_annotations.coco" or _says_coco(file)):
                return file
    others = own_files(folder)
    if len(others) > 1:  # detections may lie beside the labels
        others = [file for file in others if not _says_score(file)]
    return others[0] if len(others) == 1 else None


def _says_coco(path: Path) -> bool:
    """Whether a JSON file begins as one of COCO's, which may be large, does."""
    try:
        if not path.is_file():
            return False
        with open(path, "rb") as file:
            start = file.read(_START)
    except OSError:
        return False
    text = start.decode(json.detect_encoding(start), "replace").lstrip("\ufeff \t\r\n")
    if not text.startswith("{"):
        return False
    keys = re.findall(r'"(images|annotations|categories)"\s*:\s*\[', text)
    if len(start) < _START and "images" not in keys:  # Label Studio's notes.json lists categories alone
        return False
    return bool(keys) and '"shapes"' not in text


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
        told = split or next(iter(files))
        name = f"{folder.name} ({told})" if told else folder.name
    parts: list[Annotations] = []
    categories: dict[int, str] = {}
    for part, file in files.items():
        document = read_annotations(file)
        own = {c["id"]: c["name"] for c in document["categories"]}
        if parts and own != categories:
            raise ValueError(f"{file} has other categories than {next(iter(files.values()))}; they cannot be joined.")
        categories = own
        columns = _columns(document, categories, _chosen(categories, classes, file), file)
        if pictures or not (columns["heights"].all() and columns["widths"].all()):
            try:
                columns["folders"] = (_image_folder(folder, part, file, columns["file_names"]),)
            except FileNotFoundError:
                if pictures:
                    raise
        columns["file_names"] = _with_slashes(columns["file_names"], *columns.get("folders", ()))
        columns["file_names"] = _of_other_places(columns["file_names"], *columns.get("folders", ()))
        columns["file_names"] = _as_stored(columns["file_names"], *columns.get("folders", ()))
        if scored := _scored(document["annotations"]):
            columns["notes"] = (f"{counted(scored, 'boxes')} with a score, as a detector has found them",)
        if twice := repeated(columns["file_names"]):
            columns["notes"] = (
                *columns.get("notes", ()),
                f"{counted(len(twice), 'pictures stand', 'picture stands')} under several image ids, the first is "
                f"{shortened(twice[0])}: "
                "each id counts as an image",
            )
        parts.append(Annotations(name=name, split=split or "", file=file.name, **columns))
    if len(parts) == 1:
        return parts[0]
    file_names = "+".join(part.file for part in parts)
    ids = np.concatenate([part.image_ids for part in parts])
    # Tools count the images of each file from 1: what clashes is numbered anew.
    return join(parts, name, renumber=len(np.unique(ids)) < len(ids), split=split, file=file_names)


class COCODataset(FolderDataset):
    """Photographs and boxes of a folder in COCO's format.

    Labels 0..C-1 follow the category ids in ascending order; `category_ids` leads back. Crowd boxes (iscrowd
    is 1) are left out of the targets and stay in `ground_truth()` as ignored regions. Masks are not read.

    Args:
        folder: holds the annotation files, see `coco_splits`, and the photographs in images/<split>,
            <split><year>, <split>, images or beside the files: the first of them that has the split's first
            image is taken.
        split: "train", "val" or another split of the folder; "train+val" (or "trainval") joins both, and numbers the
            images anew where both files have the same ids.
        classes: take only these categories, labelled in this order; all by default.
        options: see `FileDataset`.

    Raises:
        FileNotFoundError: no photographs, or one of them is missing.
        ValueError: an unknown split; a file that is not JSON, lacks a key, or holds a value that cannot be; boxes of an
            image that the file does not list. The text names file and value.
    """

    read_folder = staticmethod(read)


def _split_files(folder: Path, split: str | None) -> dict[str, Path]:
    """The annotation files of a split, each under the name of its own split; "train+val" has two."""
    present = coco_splits(folder)
    if list(present) == [""]:
        return choose(present, split, folder)
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

    The file may be in UTF-8, UTF-16 or UTF-32, with or without a byte-order mark. Ids and flags that are written as
    text, or as 1.0, become the numbers that they say.

    Raises ValueError naming file and value: not JSON, a missing key, a value that cannot be, an id twice, a box of an
    image that is not listed.
    """
    path = Path(path)
    try:
        data = json.loads(read_bytes(path), object_hook=_without_mask)
    except RecursionError:
        raise ValueError(f"{printable(path)} is no COCO file: it is nested too deeply.") from None
    except (json.JSONDecodeError, UnicodeError) as error:
        raise ValueError(f"{printable(path)} is not a JSON file ({error}).") from error
    except ValueError as error:  # a number of thousands of digits, or no regular file
        raise ValueError(f"{printable(path)} cannot be read ({error}).") from None
    try:
        if path.name == "_annotations.coco.json":
            _without_root(data)
        _refuse_detections(data, path)
        _check(data)
    except _Fault as fault:
        raise ValueError(f"{printable(path)}{fault}") from None
    return data  # type: ignore[no-any-return]


def _refuse_detections(data: Any, path: Path) -> None:
    """Refuse what ``fcos-edu detect`` and other detectors write: boxes of which each has a score, not all of them 1."""
    entries, images = _entries(data, "annotations"), _entries(data, "images")
    found = bool(entries) and _scored(entries) == len(entries) and any(entry["score"] != 1 for entry in entries)
    if found or (not entries and any("detections" in image for image in images)):
        raise _Fault(
            ": its boxes have scores, as a detector has found them, and are no labels. To measure them: fcos-edu "
            f"evaluate --detections {quoted(path)}; to train on them all the same, take the scores out."
        )


def _entries(data: Any, key: str) -> list[dict[str, Any]]:
    """The objects of a document's list; what else it holds is told of later."""
    entries = data.get(key) if isinstance(data, dict) else None
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _scored(entries: Sequence[dict[str, Any]]) -> int:
    """How many annotations have a score."""
    return sum(entry.get("score") is not None for entry in entries)


def _says_score(path: Path) -> bool:
    """Whether a JSON file begins as one of detections does."""
    with open(path, "rb") as file:
        start = file.read(_START)
    return re.search(r'"score"\s*:', start.decode(json.detect_encoding(start), "replace")) is not None


def _without_root(data: Any) -> None:
    """Take out Roboflow's category 0, which no box has: it stands for all others, and may have the name of one."""
    categories, entries = (data.get(key) if isinstance(data, dict) else None for key in ("categories", "annotations"))
    if not (isinstance(categories, list) and isinstance(entries, list) and len(categories) > 1):
        return
    root = categories[0]
    if not (isinstance(root, dict) and root.get("id") == 0 and root.get("supercategory") == "none"):
        return
    if all(
        isinstance(one, dict) and one.get("supercategory") == root.get("name") for one in categories[1:]
    ) and not any(isinstance(entry, dict) and entry.get("category_id") in (0, "0") for entry in entries):
        del categories[0]


class _Fault(Exception):
    """What is wrong with a document; the file's name is put before it."""


_NEEDED = {
    "images": ("id", "file_name"),
    "annotations": ("image_id", "category_id", "bbox"),
    "categories": ("id", "name"),
}


def _check(data: Any) -> None:
    """Hold a document to the format, and make numbers of what is written otherwise."""
    if not isinstance(data, dict):
        kind = type(data).__name__
        raise _Fault(f" holds a {kind}; a COCO file holds an object with images and annotations.")
    for key, fields in _NEEDED.items():
        if not isinstance(data.get(key), list):
            raise _Fault(f" lacks the list {key!r}; a COCO file has {', '.join(_NEEDED)}.")
        for position, entry in enumerate(data[key]):
            for field in fields:
                if not isinstance(entry, dict) or field not in entry:
                    raise _Fault(f": entry {position} of {key!r} lacks {field!r}; it is {shortened(entry)}.")
    if not data["categories"]:
        raise _Fault(" lists no categories.")
    for category in data["categories"]:
        category["id"] = _whole(category["id"], "category id")
        if isinstance(category["name"], int) and not isinstance(category["name"], bool):
            category["name"] = str(category["name"])  # some tools number their classes
        if not isinstance(category["name"], str) or not category["name"].strip():
            raise _Fault(f": category {category['id']} has the name {shortened(category['name'])}; it must be a word.")
    for image in data["images"]:
        image["id"] = _whole(image["id"], "image id")
        name = image["file_name"]
        if not isinstance(name, str) or not name.strip() or "\0" in name:
            raise _Fault(f": image {image['id']} has the file_name {shortened(name)}; it must name a picture.")
        for key in {"height", "width"} & image.keys():
            image[key] = _side(image, key)
    _once((category["id"] for category in data["categories"]), "category id")
    _once((category["name"] for category in data["categories"]), "the category name")
    _once((image["id"] for image in data["images"]), "image id")
    for position, entry in enumerate(data["annotations"]):
        entry["image_id"] = _whole(entry["image_id"], f"annotation {position}: image_id")
        entry["category_id"] = _whole(entry["category_id"], f"annotation {position}: category_id")
        if "iscrowd" in entry:
            entry["iscrowd"] = _flag(entry["iscrowd"], position)
        if "area" in entry and (area := _area(entry["area"], position)):
            entry["area"] = area
        else:  # the box's own counts
            entry.pop("area", None)
        box = entry["bbox"]
        if not (isinstance(box, list) and len(box) == 4 and all(type(v) in (int, float) for v in box)):
            raise _Fault(f": annotation {position} has bbox {shortened(box)}; it must be [x, y, width, height].")
    known = {image["id"] for image in data["images"]}
    strangers = [a["image_id"] for a in data["annotations"] if a["image_id"] not in known]
    if strangers:
        raise _Fault(
            f": {counted(len(strangers), 'annotations belong', 'annotation belongs')} to images that the file does "
            "not list, "
            f"the first to image_id {strangers[0]!r}."
        )


def _once(values: Iterable[Any], what: str) -> None:
    """Refuse what occurs more than once."""
    for value, count in Counter(values).items():
        if count > 1:
            raise _Fault(f": {what} {shortened(value)} occurs more than once.")


def _whole(value: Any, what: str) -> int:
    """An id as a number that pycocotools can have."""
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,19}\s*", value):
        value = int(value)
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise _Fault(f": {what} is {shortened(value)}; it must be a whole number of at most 63 bits.")
    return value


def _flag(value: Any, position: int) -> int:
    """``iscrowd`` as 0 or 1."""
    crowd = flag(value)
    if crowd is None:
        raise _Fault(f": annotation {position} has iscrowd {shortened(value)}; it must be 0 or 1.")
    return int(crowd)


def _area(value: Any, position: int) -> float:
    """The area that an annotation gives in pixels²; 0 for none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise _Fault(f": annotation {position} has area {shortened(value)}; it must be a number.") from None
    if value is None or value is False or value == 0:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e300:
        raise _Fault(
            f": annotation {position} has area {shortened(value)}; it must be a number of pixels², or left out."
        )
    return float(value)


def _side(image: dict[str, Any], key: str) -> int:
    """Height or width of an image in pixels; 0 where the file does not say."""
    try:
        side = max(0, int(image.get(key) or 0))
        if side < 2**31:
            return side
    except (TypeError, ValueError, OverflowError):
        pass
    raise _Fault(f": image {image['id']} has {key} {shortened(image[key])}; it must be a number of pixels.")


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
            raise ValueError(f"{path} has no category {name!r}; it has {printable(', '.join(id_of))}.")
    return [id_of[name] for name in classes]


def _image_folder(folder: Path, split: str, annotations: Path, images: Sequence[str]) -> Path:
    """The folder that holds the split's photographs."""
    with_year = annotations.stem.removeprefix("instances_")
    names = [f"images/{split}"] if split else []
    names = list(dict.fromkeys([*names, f"images/{with_year}", with_year, *filter(None, [split]), "images", "data"]))
    candidates = [folder / name for name in names] + [annotations.parent / "images", annotations.parent, folder]
    if not images:
        raise ValueError(f"{annotations} lists no images.")
    for candidate in candidates:
        if any(_is_file(candidate / name) for name in {images[0], images[0].replace("\\", "/")}):
            return candidate
    if elsewhere := [name for name in images[:20] if _is_elsewhere(name)]:
        last = [re.split(r"[/\\]", name)[-1] for name in elsewhere]
        for candidate in candidates:
            if any(_is_file(candidate / name) for name in last):
                return candidate
    # The first image may be the one that is missing: any folder with images will do, and the check of files
    # names what is not there.
    for candidate in candidates:
        if candidate.is_dir() and any(is_picture(file) for file in candidate.iterdir()):
            return candidate
    raise FileNotFoundError(
        f"{folder} holds no images: {images[0]!r}, the first image of {annotations.name}, "
        f"was looked for in {', '.join(names)} and beside the file."
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or no text that a system takes
        return False


def _with_slashes(names: Sequence[str], folder: Path | None = None) -> tuple[str, ...]:
    """Names of files with slashes, where Windows wrote backslashes; a name that has some of its own keeps them."""
    if os.sep == "\\":
        return tuple(names)
    return tuple(
        name.replace("\\", "/") if "\\" in name and not (folder is not None and _is_file(folder / name)) else name
        for name in names
    )


def _is_elsewhere(name: str) -> bool:
    """Whether a file_name is of another machine, or an address, as Label Studio writes."""
    return leads_outside(name) or re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", name) is not None


def _of_other_places(names: Sequence[str], folder: Path | None = None) -> tuple[str, ...]:
    """Names of files; one that leads to another place stands for the picture of its last part, if the folder has it."""
    if folder is None or not any(map(_is_elsewhere, names)):
        return tuple(names)
    found = Pictures(folder)
    return tuple(found.find(name, folder) if _is_elsewhere(name) else name for name in names)


def _as_stored(names: Sequence[str], folder: Path | None = None) -> tuple[str, ...]:
    """Names of files; of one that is not there, but for capital letters or accents, as it is stored."""
    if folder is None:
        return tuple(names)
    listed: dict[str, dict[str, list[str]]] = {}  # files of each folder, by their names without capitals and accents
    found = []
    for name in names:
        place, slash, last = name.rpartition("/")
        if place not in listed:
            inside = listed[place] = {}
            if not leads_outside(name) and _is_folder(folder / place):
                for own in os.listdir(folder / place):
                    inside.setdefault(composed(own).casefold(), []).append(own)
        alike = listed[place].get(composed(last).casefold(), [])
        found.append(name if last in alike or len(alike) != 1 else f"{place}{slash}{alike[0]}")
    return tuple(found)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _columns(
    document: dict[str, Any], categories: dict[int, str], category_ids: list[int], path: Path
) -> dict[str, Any]:
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
    try:
        xywh = np.fromiter(chain.from_iterable(e["bbox"] for e in entries), np.float64, 4 * number).reshape(-1, 4)
    except OverflowError:
        far = next(e["bbox"] for e in entries if any(abs(v) > 1e308 for v in e["bbox"]))
        raise ValueError(f"{printable(path)}: bbox {shortened(far)} has a number that is too large.") from None
    with np.errstate(over="ignore", invalid="ignore"):  # boxes that are not finite are counted as such
        boxes = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
        own = np.fromiter((entry.get("area", np.nan) for entry in entries), np.float64, number)
        areas = np.where(np.isnan(own), xywh[:, 2] * xywh[:, 3], own)
    order = np.argsort(image_index, kind="stable")
    return dict(
        classes=tuple(categories[i] for i in category_ids),
        category_ids=tuple(category_ids),
        image_ids=np.array([image["id"] for image in images], dtype=np.int64),
        file_names=tuple(image["file_name"] for image in images),
        heights=np.array([image.get("height", 0) for image in images], dtype=np.int64),
        widths=np.array([image.get("width", 0) for image in images], dtype=np.int64),
        image_index=image_index[order],
        boxes=boxes[order],
        labels=np.fromiter((label_of[entry["category_id"]] for entry in entries), np.int64, number)[order],
        ignored=np.fromiter((entry.get("iscrowd", 0) for entry in entries), np.bool_, number)[order],
        areas=areas[order],
        left_out={reason: count for reason, count in counts.items() if count},
        box_words="in COCO's format bbox is [x, y, width, height], not two corners",
    )
