"""Reader for CVAT's own XML, "CVAT for images 1.1" (Sec. 4, training data).

Taught in the chapter *Your own boxes*. Checked against hand-written files and thousands of broken ones
(`scripts/fuzz.py`).

One file, ``annotations.xml``, holds all pictures. Boxes are two corners in pixels, perhaps turned around their centre:
then the upright box around the turned one is taken, and around outlines, ellipses and masks as well. Points, lines and
skeletons are counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from ..text import printable, shortened
from .annotations import Annotations
from .dataset import FolderDataset
from .folders import Entry, Pictures, annotations_of, files_of, number, split_of, whole_side
from .voc import outermost, parse_xml

LAYOUT = "CVAT's (annotations.xml of CVAT for images)"
_WITHOUT_BOX = ("points", "polyline", "skeleton", "cuboid", "tag")


class CVATDataset(FolderDataset):
    """Photographs and boxes of CVAT's annotations.xml, with the pictures beside it or in images/.

    Args:
        folder: the folder of annotations.xml.
        split: what the file calls a subset: "train", "val" (Validation), "test"; without subsets it is read as "train".
        classes: names in the order of the labels; by default in the order of the file's own list of labels.
        options: see `FileDataset`.

    Raises:
        FileNotFoundError: no pictures, or one is missing.
        ValueError: an unknown split; tracks of a video; a box that is none. The text names the file.
    """


def recognises(path: Path) -> bool:
    """Whether it is such a file, or a folder with one."""
    return _file(path) is not None


def splits(path: Path) -> tuple[str, ...]:
    """Names of its subsets; none where all its pictures are one set."""
    file = _file(path)
    return () if file is None else tuple(filter(None, _parts(_root(file))))


def read(
    path: Path, split: str | None = None, *, classes: Sequence[str] | None = None, pictures: bool = True
) -> Annotations:
    """The annotations of a subset; arguments and errors as `CVATDataset` has them.

    Args:
        path: the folder, or its annotations.xml.
        split: None for all pictures of the file.
        classes: names in the order of the labels.
        pictures: without them, only boxes can be counted.
    """
    file = _file(path)
    if file is None:
        raise FileNotFoundError(f"{printable(path)} holds no annotations.xml of CVAT.")
    root = _root(file)
    if root.find("track") is not None and root.find("image") is None:
        raise ValueError(f"{printable(file)} holds tracks of a video; export it as CVAT for images, with its frames.")
    folder = file.parent
    found = Pictures(folder, required=pictures)
    lost: Counter[str] = Counter(track=len(root.findall("track")))
    parts = {
        part: [_entry(image, found, file, lost) for image in images] for part, images in _parts(root).items()
    }  # fmt: skip
    labels = [(name.text or "").strip() for name in root.iterfind("meta/*/labels/label/name")]
    lost = +lost
    left_out = {f"shapes without a box ({', '.join(sorted(lost))})": lost.total()} if lost else {}
    return annotations_of(
        parts, split, folder=folder, classes=classes, known=[name for name in dict.fromkeys(labels) if name],
        left_out=left_out, file=file.name,
    )  # fmt: skip


CVATDataset.read_folder = staticmethod(read)


def _file(path: Path) -> Path | None:
    if path.is_file():
        return path if path.suffix.lower() == ".xml" and outermost(path) == "annotations" else None
    files = [path / "annotations.xml", *files_of(path, ".xml")[:20]]
    return next((file for file in files if file.is_file() and outermost(file) == "annotations"), None)


def _root(file: Path) -> ElementTree.Element:
    return parse_xml(file, "annotations", "a file of CVAT")


def _parts(root: ElementTree.Element) -> dict[str, list[ElementTree.Element]]:
    """The pictures of each subset; under "" where there are none."""
    parts: dict[str, list[ElementTree.Element]] = {}
    for image in root.findall("image"):
        subset = image.get("subset", "").strip()
        parts.setdefault(split_of(subset) or subset.lower(), []).append(image)
    if "default" in parts and len(parts) == 1:  # CVAT's name for no subset
        return {"": parts["default"]}
    return parts or {"": []}


def _entry(image: ElementTree.Element, found: Pictures, file: Path, lost: Counter[str]) -> Entry:
    name = image.get("name", "")
    if not name.strip() or "\0" in name:
        raise ValueError(f"{printable(file)}: an image has the name {shortened(name)}; it must name a picture.")
    subset = image.get("subset", "")
    near = found.folder / "images" / subset if subset and (found.folder / "images" / subset).is_dir() else found.folder
    entry = Entry(found.find(name, near), whole_side(image.get("width")), whole_side(image.get("height")))
    for shape in image:
        where = f"{printable(file)}: a <{printable(shape.tag)[:40]}> of {shortened(name)}"
        if shape.tag in _WITHOUT_BOX:
            lost[str(shape.tag)] += 1
            continue
        label = shape.get("label", "").strip()
        if not label:
            raise ValueError(f"{where} has no label.")
        entry.add(_box(shape, where), label)
    return entry


def _box(shape: ElementTree.Element, where: str) -> tuple[float, float, float, float]:
    """The upright box around a shape."""

    def values(*names: str) -> list[float]:
        return [number(shape.get(name), where) for name in names]

    if shape.tag == "box":
        x0, y0, x1, y1 = values("xtl", "ytl", "xbr", "ybr")
        turn = math.radians(number(shape.get("rotation") or 0, where))
        if not turn:
            return x0, y0, x1, y1
        if not math.isfinite(turn):
            return (math.nan,) * 4
        c, s = abs(math.cos(turn)), abs(math.sin(turn))
        w, h = (x1 - x0) * c + (y1 - y0) * s, (x1 - x0) * s + (y1 - y0) * c
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        return x - w / 2, y - h / 2, x + w / 2, y + h / 2
    if shape.tag == "ellipse":
        x, y, rx, ry = values("cx", "cy", "rx", "ry")
        turn = math.radians(number(shape.get("rotation") or 0, where))
        if not math.isfinite(turn):
            return (math.nan,) * 4
        c, s = math.cos(turn), math.sin(turn)
        rx, ry = math.hypot(rx * c, ry * s), math.hypot(rx * s, ry * c)
        return x - rx, y - ry, x + rx, y + ry
    if shape.tag == "mask":
        x, y, w, h = values("left", "top", "width", "height")
        return x, y, x + w, y + h
    if shape.tag == "polygon":
        pairs = [pair.split(",") for pair in shape.get("points", "").split(";")]
        if len(pairs) < 3 or any(len(pair) != 2 for pair in pairs):
            raise ValueError(f"{where} has points {shortened(shape.get('points'))}; it must be x,y;x,y;x,y at least.")
        xs, ys = ([number(pair[i], where) for pair in pairs] for i in (0, 1))
        if any(map(math.isnan, (*xs, *ys))):
            return (math.nan,) * 4
        return min(xs), min(ys), max(xs), max(ys)
    raise ValueError(f"{where} is no shape of CVAT that is known.")
