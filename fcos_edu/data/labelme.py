"""Reader for folders of labelme's JSON files, one for each picture (Sec. 4, training data).

Taught in the chapter *Your own boxes*. Checked against hand-written folders and thousands of broken files
(`scripts/fuzz.py`).

A shape is a few points. Of a rectangle, a polygon and a mask the box around them is taken, of a circle the box around
the circle; a point and a line have no box, and are counted. Shapes of one label and one group_id are parts of one
object. X-AnyLabeling writes the same files, with a flag for difficult shapes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..text import counted, printable, shortened
from .annotations import Annotations
from .dataset import FolderDataset
from .folders import (
    Entry,
    Pictures,
    annotations_of,
    flag,
    number,
    read_json,
    split_folders,
    sub_folder,
    whole_side,
    without_label,
)

LAYOUT = "labelme's (a .json with shapes for each picture)"
_WITHOUT_BOX = ("point", "points", "line", "linestrip")


class LabelmeDataset(FolderDataset):
    """Photographs and boxes of a folder of labelme's files.

    Args:
        folder: the folder of the JSON files, beside the pictures or in a folder of their own, perhaps below train/,
            val/ and test/. Pictures without a file are not labelled yet, and left out.
        split: "train", "val" or "test"; a folder without splits is read as "train".
        classes: names in the order of the labels; by default all labels that occur, sorted.
        options: see `FileDataset`.

    Raises:
        FileNotFoundError: no pictures, or one is missing.
        ValueError: an unknown split; a shape that is none. The text names the file.
    """


def recognises(path: Path) -> bool:
    """Whether it is a folder with a JSON file of shapes."""
    return path.is_dir() and any(_is_labelme(file) for place in _places(path).values() for file in place[:20])


def splits(path: Path) -> tuple[str, ...]:
    """Names of its splits; none where all its labels are one set."""
    return tuple(filter(None, _places(path)))


def read(
    path: Path, split: str | None = None, *, classes: Sequence[str] | None = None, pictures: bool = True
) -> Annotations:
    """The annotations of a folder's split; arguments and errors as `LabelmeDataset` has them.

    Args:
        path: the folder.
        split: None for all files of the folder.
        classes: names in the order of the labels.
        pictures: without them, only boxes can be counted.
    """
    found = Pictures(path, required=pictures)
    lost: Counter[str] = Counter()
    joined: set[tuple[Path, str, Any]] = set()
    parts = {
        part: [_entry(file, found, lost, joined) for file in files if _is_labelme(file) or _has_picture(file, found)]
        for part, files in _places(path).items()
    }  # fmt: skip
    notes: tuple[str, ...] = ()
    if joined:
        notes = ("shapes of one label and one group_id are one object, and get one box",)
    notes += without_label(found.names, (entry.picture for entries in parts.values() for entry in entries))
    left_out = {f"shapes without a box ({', '.join(sorted(lost))})": lost.total()} if lost else {}
    return annotations_of(
        parts, split, folder=path, classes=classes, left_out=left_out, ignored_reason="shapes marked difficult",
        notes=notes,
    )  # fmt: skip


LabelmeDataset.read_folder = staticmethod(read)


def _places(folder: Path) -> dict[str, list[Path]]:
    """The JSON files of each split; under "" where there are no splits."""
    if not folder.is_dir():
        return {}
    labels = sub_folder(folder, "annotations", "labels", "json", "jsons")
    for base in (folder, labels):
        if base is not None and (below := split_folders(base)):
            parts = {split: _files(inner) for split, inner in below.items()}
            if any(parts.values()):
                return {split: files for split, files in parts.items() if files}
    return {"": _files(folder)}


def _files(folder: Path) -> list[Path]:
    return sorted(
        file for file in folder.rglob("*") if file.suffix.lower() == ".json" and not file.name.startswith(".")
    )


def _is_labelme(file: Path) -> bool:
    """By its first bytes and its last, as pictures inside such files make them large."""
    try:
        if not file.is_file():
            return False
        with open(file, "rb") as opened:
            start = opened.read(65_536)
            opened.seek(max(0, file.stat().st_size - 65_536))
            end = opened.read()
    except OSError:
        return False
    text = (start + b"\n" + end).replace(b"\0", b"")  # so that UTF-16 is seen too
    return b'"shapes"' in text and b'"imagePath"' in text


def _stem(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()[: -len(".json")]


def _has_picture(file: Path, found: Pictures) -> bool:
    """Whether a file that does not look like labelme's has the name of a picture: it is damaged, then."""
    return found.of_stem(_stem(file, found.folder)) is not None


def _without_picture(entry: dict[str, Any]) -> dict[str, Any]:
    """Pictures inside the files are never read: dropped while a file is parsed, they take no memory."""
    entry.pop("imageData", None)
    return entry


def _entry(file: Path, found: Pictures, lost: Counter[str], joined: set[tuple[Path, str, Any]]) -> Entry:
    """The boxes of a file; an object in several parts, which labelme's own converters join too, has one.

    Args:
        file: of labelme.
        found: the pictures of the folder.
        lost: counts shapes without a box.
        joined: notes objects of several shapes.
    """
    document = read_json(file, _without_picture)
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
        raise ValueError(f"{printable(file)} lacks the list 'shapes'; a file of labelme has one.")
    name = found.of_stem(_stem(file, found.folder))
    if name is None:
        told = document.get("imagePath")
        if not isinstance(told, str) or not told.strip() or "\0" in told:
            raise ValueError(f"{printable(file)} has imagePath {shortened(told)}; it must name a picture.")
        name = found.find(told, file.parent)
    entry = Entry(name, whole_side(document.get("imageWidth")), whole_side(document.get("imageHeight")))
    place: dict[tuple[str, Any], int] = {}  # of an object by its label and group_id
    for position, shape in enumerate(document["shapes"]):
        where = f"{printable(file)}: shape {position}"
        if not isinstance(shape, dict):
            raise ValueError(f"{where} is {shortened(shape)}; it must be an object with label and points.")
        label, kind = shape.get("label"), shape.get("shape_type") or "polygon"
        if isinstance(label, int) and not isinstance(label, bool):
            label = str(label)
        if not isinstance(label, str) or not label.strip():
            raise ValueError(f"{where} has the label {shortened(label)}; it must be a word.")
        if kind in _WITHOUT_BOX:
            lost[str(kind)] += 1
            continue
        difficult, group = flag(shape.get("difficult")), shape.get("group_id")
        if difficult is None:
            raise ValueError(f"{where} has difficult {shortened(shape['difficult'])}; it must be true or false.")
        box = _box(shape.get("points"), kind, where)
        if not isinstance(group, (int, str)) or isinstance(group, bool):
            entry.add(box, label.strip(), difficult)
        elif (first := place.setdefault((label.strip(), group), len(entry.boxes))) == len(entry.boxes):
            entry.add(box, label.strip(), difficult)
        else:
            entry.boxes[first] = _around(entry.boxes[first], box)
            entry.ignored[first] = entry.ignored[first] and difficult
            joined.add((file, label, group))
    return entry


def _box(points: Any, kind: Any, where: str) -> tuple[float, float, float, float]:
    """The box around the points of a shape."""
    if not isinstance(points, list) or not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise ValueError(f"{where} has points {shortened(points)}; it must be a list of [x, y].")
    xy = [(number(x, where), number(y, where)) for x, y in points]
    if kind == "circle":
        if len(xy) != 2:
            raise ValueError(
                f"{where} is a circle of {counted(len(xy), 'points')}; it must be its centre and one on its border."
            )
        (x, y), (ex, ey) = xy
        radius = math.hypot(ex - x, ey - y)
        return x - radius, y - radius, x + radius, y + radius
    if len(xy) < (3 if kind == "polygon" else 2):
        raise ValueError(f"{where} is a {shortened(kind)[1:-1]} of {counted(len(xy), 'points')}, which has no box.")
    return _around(*[(x, y, x, y) for x, y in xy])


def _around(*boxes: Sequence[float]) -> tuple[float, float, float, float]:
    """The box around boxes."""
    x0, y0, x1, y1 = zip(*boxes)
    if any(map(math.isnan, (*x0, *y0, *x1, *y1))):  # the least of numbers and NaN depends on their order
        return (math.nan,) * 4
    return min(x0), min(y0), max(x1), max(y1)
