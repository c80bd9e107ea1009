"""Reader for boxes in CSV files, a line for each (Sec. 4, training data).

Taught in the chapter *Your own boxes*. Checked against hand-written files of each form, and thousands of broken ones
(`scripts/fuzz.py`).

With a header, the columns may stand in any order, under the names that tools use (Roboflow's filename, class, xmin,
ymin, xmax, ymax, and others); without one they are picture, x0, y0, x1, y1, class. Corners are in pixels from the
upper left. A line with a picture alone says that nothing is in it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from ..text import counted, printable, read_text, shortened
from .annotations import Annotations
from .dataset import FolderDataset
from .folders import (
    SPLITS,
    Entry,
    Pictures,
    annotations_of,
    files_of,
    flag,
    number,
    split_folders,
    split_in,
    split_of,
    whole_side,
    without_label,
)
from .imagefolder import in_order

LAYOUT = "a CSV file (picture, x0, y0, x1, y1, class, with or without a header)"
_COLUMNS = {
    "picture": (
        "path",
        "filename",
        "file_name",
        "image",
        "image_path",
        "imagepath",
        "file",
        "image_id",
        "picture",
        "img",
    ),
    "x0": ("x0", "xmin", "x_min", "x1", "left", "bbox_x1"),
    "y0": ("y0", "ymin", "y_min", "y1", "top", "bbox_y1"),
    "x1": ("x1", "xmax", "x_max", "x2", "right", "bbox_x2"),
    "y1": ("y1", "ymax", "y_max", "y2", "bottom", "bbox_y2"),
    "class": ("class", "label", "class_name", "classname", "category", "name", "labelname"),
    "width": ("width", "image_width", "img_width"),
    "height": ("height", "image_height", "img_height"),
    "ignored": ("iscrowd", "is_crowd", "difficult"),
    "score": ("score", "confidence", "conf"),
}
_PLAIN = ("picture", "x0", "y0", "x1", "y1", "class")


class TableDataset(FolderDataset):
    """Photographs and boxes of CSV files.

    Args:
        folder: with train.csv, val.csv and test.csv, or train_labels.csv and the like, or train/_annotations.csv
            (Roboflow), or one CSV file of boxes; or that file itself.
        split: "train", "val" or "test"; one file alone is read as "train".
        classes: names in the order of the labels; by default all that occur, sorted, numbers by their value.
        options: see `FileDataset`. Pictures that no line names are not labelled, and left out.

    Raises:
        FileNotFoundError: no pictures, or one is missing.
        ValueError: an unknown split; a line that is no box. The text names file and line.
    """


def recognises(path: Path) -> bool:
    """Whether it is such a file, or a folder with some."""
    return bool(_files(path)) or len(_tables(path)) > 1


def splits(path: Path) -> tuple[str, ...]:
    """Names of its splits; none where one file has all."""
    return tuple(filter(None, _checked(path)))


def read(
    path: Path, split: str | None = None, *, classes: Sequence[str] | None = None, pictures: bool = True
) -> Annotations:
    """The annotations of a split; arguments and errors as `TableDataset` has them.

    Args:
        path: the folder, or one file.
        split: None for all there is.
        classes: names in the order of the labels.
        pictures: without them, only boxes can be counted.
    """
    files = _checked(path)
    folder = path if path.is_dir() else path.parent
    found = Pictures(folder, required=pictures)
    tables = {part: _entries(file, found) for part, file in files.items()}
    parts = {part: entries for part, (entries, _) in tables.items()}
    scored = sum(count for _, count in tables.values())
    told = (f"{counted(scored, 'boxes')} with a score, as a detector has found them",) if scored else ()
    names = {name for entries in parts.values() for entry in entries for name in entry.names}
    return annotations_of(
        parts, split, folder=folder, classes=classes, known=in_order(names),
        box_words="in a CSV file a box is two corners, x0, y0, x1, y1",
        ignored_reason="boxes marked crowd or difficult",
        notes=(*told, *without_label(found.names, (entry.picture for entries in parts.values() for entry in entries))),
    )  # fmt: skip


TableDataset.read_folder = staticmethod(read)


def _checked(path: Path) -> dict[str, Path]:
    """What :func:`_files` finds.

    Raises:
        FileNotFoundError: nothing.
        ValueError: several tables, of which none is that of a split.
    """
    if files := _files(path):
        return files
    if own := _tables(path):
        told = printable(", ".join(file.name for file in own[:3])) + (", ..." if len(own) > 3 else "")
        raise ValueError(
            f"{printable(path)} holds {len(own)} CSV files of boxes ({told}): keep one, or call them train.csv, "
            "val.csv, test.csv."
        )
    raise FileNotFoundError(f"{printable(path)} holds no CSV file of boxes.")


def _tables(folder: Path) -> list[Path]:
    """The CSV files of boxes in a folder; only a few are looked at."""
    return [file for file in files_of(folder, ".csv")[:20] if _columns(file) is not None]


def _files(path: Path) -> dict[str, Path]:
    """The file of each split; under "" where one has all."""
    if path.is_file():
        return {"": path} if path.suffix.lower() == ".csv" and _columns(path) is not None else {}
    if not path.is_dir():
        return {}
    files = files_of(path, ".csv")
    named = {split: file for file in files if (split := split_of(file.stem)) and _columns(file) is not None}
    if named:
        return {split: named[split] for split in SPLITS if split in named}
    below = {}
    for split, inner in split_folders(path).items():
        own = _tables(inner)
        if len(own) == 1:
            below[split] = own[0]
    if below:
        return below
    own = _tables(path)
    if len(own) == 1:
        return {"": own[0]}
    named = {split: file for file in own if (split := split_in(file.stem))}
    return {split: named[split] for split in SPLITS if split in named} if len(named) == len(own) else {}


def _columns(file: Path) -> tuple[type[csv.Dialect], dict[str, int], bool] | None:
    """How a file's columns are parted, which stands where, and whether there is a header; None for other tables."""
    if not file.is_file():
        return None
    try:
        with open(file, "rb") as opened:
            start = opened.read(16_384)
    except OSError:
        return None
    return _columns_of(start.decode(json.detect_encoding(start), "replace").removeprefix("\ufeff"))


def _columns_of(text: str) -> tuple[type[csv.Dialect], dict[str, int], bool] | None:
    line = next((line for line in text.split("\n") if line.strip()), "")
    for sign in ",;\t":
        dialect = type("Parted", (csv.excel,), {"delimiter": sign, "skipinitialspace": True})
        try:
            words = [word.strip() for word in next(csv.reader([line.rstrip("\r")], dialect), [])]
        except csv.Error:
            continue
        lower = [word.lower().replace(" ", "_") for word in words]
        found: dict[str, int] = {}
        for key, names in _COLUMNS.items():  # x1 is the left side beside x2, the right one beside x0
            for name in names:
                if name in lower and lower.index(name) not in found.values():
                    found[key] = lower.index(name)
                    break
        if all(key in found for key in _PLAIN):
            return dialect, found, True
        if len(words) == 6 and words[0] and (words[1:] == [""] * 5 or all(map(_is_number, words[1:5]))):
            return dialect, {key: i for i, key in enumerate(_PLAIN)}, False
    return None


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _entries(file: Path, found: Pictures) -> tuple[list[Entry], int]:
    """What a table says, and how many of its boxes have a score."""
    text = read_text(file)
    form = _columns_of(text)
    if form is None:
        raise ValueError(f"{printable(file)} is no table of boxes: it needs the columns {', '.join(_PLAIN)}.")
    dialect, columns, header = form
    entries: dict[str, Entry] = {}
    scored = 0
    rows = csv.reader(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), dialect)
    try:
        for row in rows:
            words = [word.strip() for word in row]
            where = f"{printable(file)}, line {rows.line_num},"
            if not any(words):
                continue
            if header:
                header = False
                continue
            told = {key: words[i] if i < len(words) else "" for key, i in columns.items()}
            if not told["picture"] or "\0" in told["picture"]:
                raise ValueError(f"{where} names no picture.")
            name = found.find(told["picture"], file.parent)
            if name not in entries and name == told["picture"] and "." not in name.rpartition("/")[2]:
                name = found.of_stem(name) or name
            entry = entries.setdefault(name, Entry(name))
            entry.width, entry.height = (
                own or whole_side(told.get(key)) for own, key in ((entry.width, "width"), (entry.height, "height"))
            )
            scored += bool(told.get("score"))
            corners = [told[key] for key in ("x0", "y0", "x1", "y1")]
            if not any(corners) and not told["class"]:
                continue
            if not told["class"]:
                raise ValueError(f"{where} has no class; it must be picture, x0, y0, x1, y1, class.")
            ignored = flag(told.get("ignored"))
            if ignored is None:
                raise ValueError(f"{where} is marked {shortened(told['ignored'])}; it must be 0 or 1.")
            entry.add([number(corner, where) for corner in corners], told["class"], ignored)
    except csv.Error as error:
        raise ValueError(f"{printable(file)}, line {rows.line_num}, cannot be read ({error}).") from None
    return list(entries.values()), scored


__all__ = ["LAYOUT", "TableDataset", "read", "recognises", "splits"]
