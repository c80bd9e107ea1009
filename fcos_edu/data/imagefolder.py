"""Reader for Hugging Face's imagefolder (metadata.jsonl, .csv) and ``datasets.Dataset`` (Sec. 4, training data).

Taught in the chapter *Your own boxes*. Checked against hand-written folders, a stand-in with the columns of
``datasets``, and thousands of broken files (`scripts/fuzz.py`).

A line of metadata.jsonl is an object with ``file_name`` and ``objects``: ``bbox``, a list of [x, y, width, height] in
pixels, and ``category`` (or ``categories``, ``label``, ``labels``), a list as long, of names or numbers. A cell of
metadata.csv is text: there, ``objects`` is read as JSON, which ``datasets`` leaves as text. The library itself is not
needed: of an object of its kind the columns alone are used.
"""

from __future__ import annotations

import csv
import io
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from PIL import ImageOps
from torchvision import tv_tensors

from ..settings import Message, setting
from ..text import counted, printable, read_text, shortened
from .annotations import Annotations
from .dataset import DetectionDataset, FolderDataset, Sample, Transforms, clip, make_target
from .decoding import FORMATS, CorruptImageError
from .folders import Entry, Pictures, annotations_of, flag, number, split_folders, whole_side

LAYOUT = (
    "Hugging Face's imagefolder (metadata.jsonl, or metadata.csv with objects, beside the pictures, also below train/, "
    "validation/, test/)"
)
_FILE, _TABLE = "metadata.jsonl", "metadata.csv"
_START = 16_384  # bytes of a table, in which its header must stand
_CLASS_KEYS = ("category", "categories", "label", "labels", "category_id", "class", "classes")
_BOX_KEYS = ("bbox", "bboxes", "boxes", "box")
_BOX_WORDS = "in an imagefolder bbox is [x, y, width, height], not two corners"


class ImagefolderDataset(FolderDataset):
    """Photographs and boxes of an imagefolder.

    Args:
        folder: the folder of metadata.jsonl or .csv, or of train/, validation/ and test/ with one each.
        split: "train", "val" or "test"; a folder without splits is read as "train".
        classes: names in the order of the labels; by default all that occur, sorted, numbers by their value.
        options: see `FileDataset`.

    Raises:
        FileNotFoundError: no pictures, or one is missing.
        ValueError: an unknown split; a line that is none. The text names file and line.
    """


def recognises(path: Path) -> bool:
    """Whether it is a folder with metadata.jsonl or metadata.csv, or with such folders for its splits.

    A metadata.csv without ``objects`` may belong to labels of another format.
    """
    return path.is_dir() and bool(_files(path))


def splits(path: Path) -> tuple[str, ...]:
    """Names of its splits; none where all its labels are one set."""
    return tuple(filter(None, _files(path)))


def read(
    path: Path, split: str | None = None, *, classes: Sequence[str] | None = None, pictures: bool = True
) -> Annotations:
    """The annotations of a folder's split; arguments and errors as `ImagefolderDataset` has them.

    Args:
        path: the folder.
        split: None for all there is.
        classes: names in the order of the labels.
        pictures: without them, only boxes can be counted.
    """
    found = Pictures(path, required=pictures)
    parts = {part: _entries(file, found) for part, file in _files(path).items()}
    names = {name for entries in parts.values() for entry in entries for name in entry.names}
    return annotations_of(
        parts, split, folder=path, classes=classes, known=in_order(names), box_words=_BOX_WORDS,
        notes=_of_numbers(names),
    )  # fmt: skip


ImagefolderDataset.read_folder = staticmethod(read)


def in_order(names: set[str]) -> list[str]:
    """Names sorted; of numbers all from 0 to the highest, so that a number is its label."""
    if _are_numbers(names) and all(len(name) < 5 for name in names):
        return [str(i) for i in range(max(map(int, names)) + 1)]
    return sorted(names)


def _are_numbers(names: set[str]) -> bool:
    """Whether all are numbers as they are usually written: 01 is a name."""
    return bool(names) and all(re.fullmatch("0|[1-9][0-9]*", name) for name in names)


def _of_numbers(names: set[str], who: str = "the folder does") -> tuple[str, ...]:
    return (f"the classes are numbers: {who} not tell their names",) if _are_numbers(names) else ()


def _files(folder: Path) -> dict[str, Path]:
    for base in (folder, folder / "data"):  # where repositories of the Hub have their files
        if file := _metadata(base):
            return {"": file}
        found = {split: file for split, inner in split_folders(base).items() if (file := _metadata(inner))}
        if found:
            return found
    return {}


def _metadata(folder: Path) -> Path | None:
    """The file of a folder's labels."""
    return folder / _FILE if (folder / _FILE).is_file() else _table(folder)


def _table(folder: Path) -> Path | None:
    """Its metadata.csv, if that has the two columns; only the header is looked at."""
    table = folder / _TABLE
    try:
        if not table.is_file():
            return None
        with open(table, "rb") as file:
            start = file.read(_START)
    except OSError:
        return None
    text = start.decode(json.detect_encoding(start), "replace").removeprefix("\ufeff")
    try:
        header = {word.strip() for word in next(csv.reader([text.split("\n")[0].rstrip("\r")]), [])}
    except csv.Error:
        return None
    return table if {"file_name", "objects"} <= header else None


def _entries(file: Path, found: Pictures) -> list[Entry]:
    if file.name == _FILE and _table(file.parent):
        raise ValueError(f"{printable(file.parent)} holds {_FILE} and {_TABLE}, which may differ: keep one.")
    entries = []
    for where, row in (_lines if file.name == _FILE else _cells)(file):
        name = row.get("file_name")
        if not isinstance(name, str) or not name.strip() or "\0" in name:
            raise ValueError(f"{where} has the file_name {shortened(name)}; it must name a picture.")
        entry = Entry(found.find(name, file.parent), whole_side(row.get("width")), whole_side(row.get("height")))
        _add_objects(entry, row.get("objects"), where)
        entries.append(entry)
    return entries


def _lines(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each line of a metadata.jsonl stands, for messages, and what it says.

    Raises:
        ValueError: a line that is no object.
    """
    for position, line in enumerate(read_text(file).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{printable(file)}, line {position},"
        row = _json(line, where)
        if not isinstance(row, dict):
            raise ValueError(f"{where} holds a {type(row).__name__}; it must be an object with file_name and objects.")
        yield where, row


def _cells(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same of a metadata.csv, whose cells are text; that of ``objects`` must be JSON.

    Raises:
        ValueError: a table without the two columns, a line with more cells than columns, or such a cell.
    """
    told = printable(file)
    rows = csv.reader(io.StringIO(read_text(file), newline=""))
    try:
        header = [word.strip() for word in next(rows, [])]
        if not {"file_name", "objects"} <= set(header):
            raise ValueError(f"{told} has the columns {printable(', '.join(header))}; it lacks file_name or objects.")
        for words in rows:
            where = f"{told}, line {rows.line_num},"
            if not any(word.strip() for word in words):
                continue
            if len(words) > len(header):
                raise ValueError(
                    f"{where} has {len(words)} cells for {counted(len(header), 'columns')}; a cell with commas must "
                    "stand in quotes, and those inside of it be doubled. In metadata.jsonl they need none."
                )
            row: dict[str, Any] = dict(zip(header, words, strict=False))
            cell = row.get("objects", "").strip()
            row["objects"] = _json(cell, f"{where} has objects that", ": write it with json.dumps") if cell else None
            yield where, row
    except csv.Error as error:
        raise ValueError(f"{told}, line {rows.line_num}, cannot be read ({error}): write metadata.jsonl.") from None


def _json(text: str, where: str, hint: str = "") -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:100]
        raise ValueError(f"{where} {'are' if hint else 'is'} not JSON ({reason}){hint}.") from None


def _add_objects(entry: Entry, objects: Any, where: str, names: Sequence[str] = ()) -> None:
    """The boxes of a row: an object of lists, or a list of objects."""
    if objects is None:
        return
    if isinstance(objects, list) and all(isinstance(one, dict) for one in objects):
        columns = {
            key: [one.get(key) for one in objects] for key in dict.fromkeys(key for one in objects for key in one)
        }
    elif isinstance(objects, dict):
        columns = objects
    else:
        raise ValueError(f"{where} has objects {shortened(objects)}; it must have bbox and categories.")
    if not columns:
        return
    columns = {key: _plain(values) for key, values in columns.items()}
    boxes, kinds = (next((columns[key] for key in keys if key in columns), None) for keys in (_BOX_KEYS, _CLASS_KEYS))
    if boxes is None or kinds is None:
        told = printable(", ".join(map(str, columns)))
        raise ValueError(f"{where} has objects with {told}; it must have bbox and categories.")
    crowds = columns.get("iscrowd") or []
    if not isinstance(boxes, list) or not isinstance(kinds, list) or len(boxes) != len(kinds):
        raise ValueError(f"{where} has objects {shortened(objects)}; it must have as many categories as bbox.")
    if not isinstance(crowds, list) or len(crowds) not in (0, len(boxes)):
        raise ValueError(f"{where} has iscrowd {shortened(crowds)}; it must have as many as bbox, or none.")
    for i, (box, kind) in enumerate(zip(boxes, kinds)):
        if not isinstance(box, (list, tuple)) or len(box) != 4:
            raise ValueError(f"{where} has bbox {shortened(box)}; it must be [x, y, width, height].")
        x, y, w, h = (number(value, where) for value in box)
        if isinstance(kind, float) and kind.is_integer():
            kind = int(kind)  # as tables write whole numbers
        if isinstance(kind, bool) or not isinstance(kind, (int, str)) or not str(kind).strip():
            raise ValueError(f"{where} has the category {shortened(kind)}; it must be a word or a number.")
        name = names[kind] if isinstance(kind, int) and 0 <= kind < len(names) else str(kind).strip()
        crowd = flag(crowds[i]) if crowds else False
        if crowd is None:
            raise ValueError(f"{where} has iscrowd {shortened(crowds[i])}; it must be 0 or 1.")
        entry.add((x, y, x + w, y + h), name, crowd)


def _plain(values: Any) -> Any:
    """A column as a list; a data set with a format, as of numpy or torch, hands out arrays."""
    if isinstance(values, (list, tuple)):
        return [_plain(value) for value in values]
    return values.tolist() if hasattr(values, "tolist") else values


class HuggingFaceDataset(DetectionDataset):
    """A ``datasets.Dataset`` of detection, as its documentation has it: columns ``image`` and ``objects``.

    A row is decoded when it is asked for. Sizes are those of the columns ``width`` and ``height``; where there are
    none, every picture is opened once. `load` makes it of a ``Dataset``, and of a ``DatasetDict`` with the split's
    name.

    Args:
        rows: the ``Dataset``: it has a length, gives a row as a dict, and has ``column_names``. Names of classes are
            those of its feature ``ClassLabel``.
        split: what it is called; "train" leaves out pictures without a usable box.
        transforms: called with (image, target).
        keep_empty: as `FileDataset` has it.
        classes: names in the order of the labels.
        image, objects: the names of the two columns.

    Raises:
        ValueError: it lacks a column, or a row is none. The text names it.
    """

    def __init__(
        self,
        rows: Any,
        split: str = "train",
        *,
        transforms: Transforms | None = None,
        keep_empty: bool | None = None,
        classes: Sequence[str] | None = None,
        image: str = "image",
        objects: str = "objects",
    ) -> None:
        columns = list(rows.column_names or ())
        if not hasattr(rows, "__len__"):
            raise ValueError("the data set is streamed, and has no length: load it whole")
        for name in (image, objects):
            if name not in columns:
                raise ValueError(
                    f"the data set has no column {name!r}; it has {printable(', '.join(map(str, columns)))}"
                )
        if hasattr(rows, "with_format"):  # of numpy, torch, pandas; what is asked for here are Python's own values
            if (getattr(rows, "format", None) or {}).get("type") == "custom":
                warnings.warn("the data set's own transform is not applied: give transforms=", stacklevel=2)
            rows = rows.with_format(None)
        self.rows, self.image, self.objects = rows, image, objects
        names = _class_names(getattr(rows, "features", None), objects)
        plain = rows.remove_columns([image]) if hasattr(rows, "remove_columns") else rows
        sized = {"width", "height"} <= set(columns)
        entries = []
        for i in range(len(rows)):
            row = plain[i] if sized else rows[i]
            width, height = (row["width"], row["height"]) if sized else _picture(row[image], f"row {i}").size
            entry = Entry(f"row {i}", whole_side(width), whole_side(height))
            _add_objects(entry, row[objects], f"row {i}", names)
            entries.append(entry)
        found = {name for entry in entries for name in entry.names}
        made = annotations_of(
            {"": entries}, None, folder=Path("datasets"), classes=classes, known=names or in_order(found),
            box_words=_BOX_WORDS, notes=() if names or classes else _of_numbers(found, "the data set does"),
        )  # fmt: skip
        super().__init__(made.classes, transforms=transforms)
        usable, told = self._weigh(made)
        self._rows = np.arange(made.images)
        if not ("train" not in split if keep_empty is None else keep_empty):
            self._rows = np.unique(made.image_index[usable])
            self.counts["images without a usable box"] += made.images - len(self._rows)
            made = made.chosen(self._rows)
        if not made.images:
            raise ValueError(
                Message(
                    f"none of the rows has a usable box; keep them as background with {setting('keep_empty', True)}"
                )
            )
        self._annotations = made
        self.image_ids = made.image_ids.tolist()
        self._tell(f"the rows ({split})", told)

    def read(self, index: int) -> Sample:
        """The picture of a row, as RGB, and its usable boxes, cut at the border."""
        index = range(len(self))[index]
        picture = _picture(self.rows[int(self._rows[index])][self.image], self.file_name(index))
        pixels = np.array(picture.convert("RGB") if hasattr(picture, "convert") else picture, dtype=np.uint8)
        if pixels.ndim != 3 or pixels.shape[2] != 3:
            raise ValueError(f"row {self._rows[index]} has a picture of the shape {pixels.shape}; it must be (H, W, 3)")
        height, width = pixels.shape[:2]
        own, span = self._annotations, self._annotations.of_image(index)
        boxes = clip(own.boxes[span], width, height)
        keep = np.isfinite(own.boxes[span]).all(axis=1) & ~own.ignored[span] & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        target = make_target(boxes[keep], own.labels[span][keep], self.image_ids[index], height, width)
        return tv_tensors.Image(torch.from_numpy(pixels.transpose(2, 0, 1).copy())), target

    def file_name(self, index: int) -> str:
        """The row that it is."""
        return self._annotations.file_names[index]

    def annotations(self) -> Annotations:
        """Of all rows that are not left out."""
        return self._annotations


def _picture(value: Any, where: str) -> Any:
    """The picture of a row; with `Image(decode=False)` a row has bytes, or a path.

    Raises:
        CorruptImageError: those cannot be read.
    """
    if not (isinstance(value, Mapping) and {"bytes", "path"} & set(value)):
        return value
    try:
        given = io.BytesIO(value["bytes"]) if value.get("bytes") else value["path"]
        picture = PIL.Image.open(given, formats=FORMATS)
        return ImageOps.exif_transpose(picture)  # as `datasets` does when it decodes
    except MemoryError:
        raise
    except Exception as error:  # decoders raise errors of every kind
        raise CorruptImageError(value.get("path") or where, str(error)) from error


def is_hugging_face(value: Any) -> bool:
    """Whether it is a ``datasets.Dataset`` or ``DatasetDict``, or has what one has."""
    return hasattr(value, "column_names") and hasattr(value, "__getitem__")


def of_hugging_face(value: Any, split: str, **options: Any) -> HuggingFaceDataset:
    """A data set of a ``Dataset``, or of the split of a ``DatasetDict``; "val" may be called "validation" there.

    Raises:
        ValueError: no such split; the text says which there are.
    """
    if isinstance(value, Mapping):
        from .folders import choose, split_of

        names = {split_of(str(name)) or str(name): name for name in value}
        chosen = list(choose(names, split, Path("the data set")).values())
        if len(chosen) != 1:
            raise ValueError(f"give one split of a DatasetDict, not {split!r}")
        value = value[chosen[0]]
    return HuggingFaceDataset(value, split, **options)


def _class_names(features: Any, objects: str) -> list[str]:
    """Names of the ``ClassLabel`` inside a data set's features; none without one."""
    try:
        column = features[objects]
        column = getattr(column, "feature", column)
        column = column[0] if isinstance(column, list) else column
        for key in _CLASS_KEYS:
            if key in column:
                kind = getattr(column[key], "feature", column[key])
                kind = kind[0] if isinstance(kind, list) else kind
                return [str(name) for name in getattr(kind, "names", None) or []]
    except (KeyError, TypeError, IndexError):
        pass
    return []
