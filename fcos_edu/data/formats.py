"""The formats of annotations, in one table (Sec. 4, training data; COCO's is the paper's).

Taught in the chapter *Your own boxes*. Checked with folders of each format, with one that is made up, and
with those that could be two.

A format is a module with

- ``LAYOUT``: what its folders look like, for messages;
- ``recognises(path)``: whether a folder or file is of this format, by what is there;
- ``splits(path)``: the names of its splits, none where all its labels are one set;
- ``read(path, split, classes=..., pictures=...)``: its `annotations.Annotations`.

To add one, write the module, add it to ``FORMATS``, and its name to `sources.FORMATS`, which ``--help`` lists: `load`,
`boxes.load_boxes` and the commands read it then.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Protocol

from ..text import printable, shortened
from . import coco, cvat, imagefolder, labelme, tables, voc, yolo
from .annotations import Annotations
from .folders import SPLITS, list_files, listed
from .sources import named


class Format(Protocol):
    """What a module must have to be a format."""

    LAYOUT: str

    def recognises(self, path: Path, /) -> bool:
        """Whether the folder or file is of this format, by what is there."""

    def splits(self, path: Path, /) -> tuple[str, ...]:
        """Names of its splits; none where all its labels are one set."""

    def read(
        self, path: Path, split: str | None = None, *, classes: Sequence[str] | None = None, pictures: bool = True
    ) -> Annotations:
        """What its annotations say.

        Args:
            path: a folder or file that is recognised.
            split: None for all there is, or for the only split.
            classes: names in the order of the labels; by default the format's own order.
            pictures: raise FileNotFoundError where there are none. Without them, only boxes can be counted.

        Raises:
            FileNotFoundError: a file is missing; the text names it.
            ValueError: an unknown split, or a file of another form; the text names file and value.
        """


FORMATS: Mapping[str, Format] = {
    "voc": voc,
    "coco": coco,
    "yolo": yolo,
    "labelme": labelme,
    "cvat": cvat,
    "imagefolder": imagefolder,
    "csv": tables,
}


def format_of(path: Path) -> Format:
    """The format that a path names (``yolo:my_folder``), or the only one that recognises a folder or file.

    Raises:
        ValueError: none does, or several do; the text says how to choose.
    """
    name, path = named(path)
    if name is not None:
        return FORMATS[name]
    found = {name: known for name, known in FORMATS.items() if known.recognises(path)}
    if len(found) > 1:
        told = " or ".join(found)
        ways = " or ".join(f"--format {name}" for name in found)
        raise ValueError(
            f"{printable(path)} may be read as {told}: say which with {ways} (in Python {next(iter(found))}:FOLDER)."
        )
    if found:
        return next(iter(found.values()))
    *others, last = (known.LAYOUT for known in FORMATS.values())
    raise ValueError(f"{printable(path)} has neither {', '.join(others)} nor {last}. {_seen(path)}")


_UNREAD = {  # of formats that are not read: what a file must have, and what to do
    "via": (r'"shape_attributes"|region_shape_attributes', "in VIA's own format: export its annotations as COCO"),
    "supervisely": (r'"classTitle"', "in Supervisely's own format: export as COCO, Pascal VOC or YOLO"),
    "createml": (r'"coordinates"\s*:', "in CreateML's format: export as COCO, Pascal VOC or YOLO"),
    "label studio": (
        r'"annotations"\s*:\s*\[.*"data"\s*:|"rectanglelabels"',
        "in Label Studio's own format: export as COCO, Pascal VOC or YOLO",
    ),
    "open images": (r"^ImageID,Source,LabelName", "a list of Open Images, which has shares of the sides"),
    "imagefolder": (
        r"\A\ufeff?(?:[^\n]*,)?file_name\s*(?:,|$)",
        "an imagefolder's, without boxes: it needs a column objects, in JSON, or xmin, ymin, xmax, ymax, label",
    ),
    "keras": (r"^\S+\.\w+ \d+,\d+,\d+,\d+,\d+", "a list for keras-yolo: export as COCO, Pascal VOC or YOLO"),
}
_LOOKED_AT = 200  # files below a folder


def _seen(path: Path) -> str:
    """What there is instead, and what the likeliest file of labels is, as far as that can be told."""
    if path.is_file():
        return "It is a file; give its folder."
    files = [
        file for file in islice(path.rglob("*"), 20 * _LOOKED_AT)
        if file.is_file() and not any(part.startswith((".", "__MACOSX")) for part in file.relative_to(path).parts)
    ]  # fmt: skip
    if not files:
        return "It holds no file."
    kinds = Counter(file.suffix.lower() or "no ending" for file in files)
    most = sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))[:5]
    told = ", ".join(f"{count} {printable(kind)}" for kind, count in most)
    if len(own := coco.own_files(path)) > 1:
        names = printable(", ".join(file.name for file in own[:3])) + (", ..." if len(own) > 3 else "")
        return f"It holds {told}: {names} are of COCO's format; keep one, or call them train.json, val.json, test.json."
    for file in files:
        if file.suffix.lower() in (".parquet", ".arrow"):
            return (
                f"It holds {told}: {printable(file.relative_to(path))} is Hugging Face's: read it with the library "
                "datasets, and give what it returns to load_dataset, train or evaluate."
            )
    for file in sorted(file for file in files if file.suffix.lower() in (".json", ".csv", ".txt"))[:_LOOKED_AT]:
        try:
            with open(file, "rb") as opened:
                start = opened.read(65_536).decode("utf-8", "replace")
        except OSError:
            continue
        name = printable(file.relative_to(path))
        for pattern, what in _UNREAD.values():
            if re.search(pattern, start, re.DOTALL | re.MULTILINE):
                return f"It holds {told}: {name} is {what}."
        if file.suffix.lower() == ".csv":
            line = start.lstrip("\ufeff").split("\n")[0].strip()
            return f"It holds {told}: {name} begins with {shortened(line)}."
    return f"It holds {told}."


def splits_of(path: Path) -> tuple[str, ...]:
    """The splits of a folder: those of its lists, which `fcos-edu data split` writes, or its format's own; or none.

    Train, val and test come first, in this order.

    Raises:
        ValueError: as `format_of`.
    """
    folder = named(path)[1]
    found = tuple(list_files(folder)) or format_of(path).splits(folder)
    return tuple(sorted(found, key=lambda split: list(SPLITS).index(split) if split in SPLITS else len(SPLITS)))


def read_path(
    path: Path, split: str | None = None, *, classes: Sequence[str] | None = None, pictures: bool = True
) -> Annotations:
    """The annotations of a folder or file, whatever its format; where it has lists of splits, they count.

    Raises:
        FileNotFoundError, ValueError: as `Format.read`, and as `format_of`.
    """
    known = format_of(path)
    folder = named(path)[1]
    lists = list_files(folder) if folder.is_dir() else {}
    if not lists or split is None:
        return known.read(folder, split, classes=classes, pictures=pictures)
    own = known.splits(folder)
    whole = known.read(folder, own[0] if len(own) == 1 else None, classes=classes, pictures=pictures)
    return replace(listed(whole, lists, split), name=f"{folder.name} ({split})", split=split)
