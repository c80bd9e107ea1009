"""Folders of pictures and labels as annotation tools leave them: splits, pictures, one form for all (Sec. 4).

Taught in the chapter *Your own boxes*. Checked with a folder of each tool's form, with every way to write a split's
name, and by the readers of all formats.

A reader says what it found as one `Entry` for each picture; `annotations_of` makes the arrays of them. So what holds
for COCO's and VOC's folders (orientation, boxes over the border, missing and hostile files) holds for every format.
"""

from __future__ import annotations

import json
import math
import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..text import counted, printable, quoted, read_bytes, read_text, shortened
from .annotations import Annotations, Record, leads_outside, repeated
from .decoding import CorruptImageError, is_picture, read_header

T = TypeVar("T")

SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
LISTS = "splits"  # the folder of the lists that `fcos-edu data split` writes


@dataclass(slots=True)
class Entry:
    """A picture and what its label says, as the reader of a format found it."""

    picture: str  # below the folder that is read, with slashes
    width: int = 0  # pixels; 0 where the label does not say
    height: int = 0
    boxes: list[Sequence[float]] = field(default_factory=list)  # xyxy in pixels
    names: list[str] = field(default_factory=list)  # class of each box
    ignored: list[bool] = field(default_factory=list)  # crowd or difficult

    def add(self, box: Sequence[float], name: str, ignored: bool = False) -> None:
        """One more box."""
        self.boxes.append(box)
        self.names.append(name)
        self.ignored.append(ignored)


def split_of(name: str) -> str | None:
    """What a folder's or file's name says of its split: "Valid" is "val"; None for a name that is none."""
    return next((split for split, names in SPLITS.items() if name.lower() in names), None)


def split_in(name: str) -> str | None:
    """The only split that one of a name's words is: "train_labels" and "instances_Train2017" are "train"."""
    found = {split_of(word) for word in re.split("[^A-Za-z]+", name)} - {None}
    return found.pop() if len(found) == 1 else None


def files_of(folder: Path, suffix: str) -> list[Path]:
    """The files of a folder with this suffix, in capitals or not, sorted; not those that a system hides (``._a.txt``).

    macOS leaves a hidden file beside each file that it packs.
    """
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.suffix.lower() == suffix and not file.name.startswith("."))


def composed(name: str) -> str:
    """A name with each accent in its letter. macOS writes names of files with accents of their own, labels do not."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def split_folders(folder: Path) -> dict[str, Path]:
    """The sub-folders that are named as splits, in the order train, val, test."""
    found: dict[str, Path] = {}
    if folder.is_dir():
        for inner in sorted(folder.iterdir()):
            if (split := split_of(inner.name)) and inner.is_dir():
                found.setdefault(split, inner)
    return {split: found[split] for split in SPLITS if split in found}


def sub_folder(folder: Path, *names: str) -> Path | None:
    """The sub-folder of one of these names, in capitals or not; the first name that is there."""
    if not folder.is_dir():
        return None
    inner = {path.name.lower(): path for path in sorted(folder.iterdir(), reverse=True) if path.is_dir()}
    return next((inner[name] for name in names if name in inner), None)


def choose(present: Mapping[str, T], split: str | None, folder: Path) -> dict[str, T]:
    """The parts of a split; ``present`` are those of all splits, or one under "" where the folder has none.

    Raises:
        ValueError: no such split; the text says which there are, or how to make some.
    """
    if split is None:
        return dict(present)
    parts = [split] if split in present else ["train", "val"] if split == "trainval" else split.split("+")
    if list(present) == [""]:
        if set(parts) <= {"train", "val"} and "train" in parts:  # all there is, if it is to be trained on
            return dict(present)
        raise ValueError(
            f"{printable(folder)} has no split {split!r}: all its pictures are one set, which is read as train. Divide "
            f"it with fcos-edu data split {quoted(folder)}, which writes lists and moves nothing."
        )
    for part in parts:
        if part not in present:
            told = printable(", ".join(present)) or "none"
            raise ValueError(f"{printable(folder)} has no split {part!r}; it has {told}.")
    return {part: present[part] for part in parts}


class Pictures:
    """The pictures of a folder and its sub-folders, found by what labels call them.

    Raises:
        FileNotFoundError: there is none, and ``required``.
    """

    def __init__(self, folder: Path, *, required: bool = False) -> None:
        self.folder = folder
        self.names = sorted(
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if is_picture(path) and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        )
        if required and not self.names:
            links = sorted(path.name for path in folder.rglob("*") if path.is_symlink() and path.is_dir())
            told = f"; links to folders are not followed ({printable(', '.join(links[:3]))})" if links else ""
            raise FileNotFoundError(f"{printable(folder)} holds no pictures beside its labels{told}.")
        self._known = {composed(name): name for name in self.names}
        self._folded: dict[str, list[str]] = {}  # without regard to capital letters, as Windows has names
        self._stems: dict[str, list[str]] = {}
        self._last: dict[str, list[str]] = {}
        self._meant: dict[str, str] = {}  # what a label called each picture that was found
        for name in self.names:
            whole = composed(name)
            self._folded.setdefault(whole.casefold(), []).append(name)
            self._stems.setdefault(whole.rpartition(".")[0], []).append(name)
            self._last.setdefault(whole.rpartition("/")[2].casefold(), []).append(name)

    def below(self, folder: Path) -> list[str]:
        """Those of a sub-folder."""
        start = "" if folder == self.folder else f"{folder.relative_to(self.folder).as_posix()}/"
        return [name for name in self.names if name.startswith(start)]

    def of_stem(self, stem: str) -> str | None:
        """The picture ``stem`` with any extension; None where there is none.

        Raises:
            ValueError: several.
        """
        found = self._stems.get(composed(stem), [])
        if len(found) > 1:
            told = " or ".join(shortened(name) for name in found)
            raise ValueError(f"{printable(self.folder)}: a label may belong to {told}; rename or remove one of them.")
        return found[0] if found else None

    def find(self, told: str, near: Path) -> str:
        """The picture that a label names: beside the label, below the folder, or by the end of the name alone.

        A name that leads outside of the folder, as one of another machine does, stands for the picture of its last
        part. Of a picture that is not there the name comes back, below ``near``.

        Raises:
            ValueError: several pictures fit; or this one was found by another name, of another picture.
        """
        name = composed(told.strip())
        if "\\" in name and name not in self._known:
            name = name.replace("\\", "/")
        name = name.removeprefix("file://").removeprefix("./")
        start = "" if near == self.folder else f"{near.relative_to(self.folder).as_posix()}/"
        inside = not leads_outside(name)
        beside = "" if name.startswith("/") else posixpath.normpath(start + name)  # "../images/a.jpg" of labels/a.json
        if inside or beside in self._known:
            places = (start + name, beside, name, f"{start}images/{name}", f"images/{name}")
            exact = [[self._known[whole]] for whole in places if whole in self._known]
            for found in (*exact, *(self._folded.get(whole.casefold(), []) for whole in places)):
                if len(found) == 1:
                    return self._only(found[0], name, near)
        last = self._last.get(name.rpartition("/")[2].casefold(), [])
        own = [one for one in last if one.startswith(start)]
        ending = [one for one in own or last if inside and composed(one).casefold().endswith(f"/{name}".casefold())]
        same = [one for one in last if composed(one).endswith(name.rpartition("/")[2])]
        for found in (ending, own, same, last):
            if len(found) == 1:
                return self._only(found[0], name, near)
        if len(last) > 1:
            raise ValueError(
                f"{printable(near)}: a label names the picture {shortened(told)}, which may be "
                f"{' or '.join(shortened(one) for one in last[:3])}; name it from the folder on."
            )
        return start + name if inside else name

    def _only(self, found: str, name: str, near: Path) -> str:
        """``found``, unless labels of two pictures lead to it, and one is not there: ``a/1.png`` and ``b/1.png``."""
        before = self._meant.setdefault(found, name)
        if before != name and not f"/{before}".endswith(f"/{name}") and not f"/{name}".endswith(f"/{before}"):
            raise ValueError(
                f"{printable(near)}: labels name the pictures {shortened(before)} and {shortened(name)}, and for both "
                f"there is only {shortened(found)}: add the other picture, or take its labels out."
            )
        self._meant[found] = max(before, name, key=len)
        return found


def sizes_of(folder: Path, pictures: Iterable[str]) -> dict[str, tuple[int, int]]:
    """(width, height) of pictures as they are stored; of those that cannot be read nothing is said here."""
    found = {}
    for name in pictures:
        try:
            found[name] = read_header(folder / name).size(False)
        except CorruptImageError:
            continue
    return found


def annotations_of(
    parts: Mapping[str, Sequence[Entry]],
    split: str | None,
    *,
    folder: Path,
    classes: Sequence[str] | None = None,
    known: Sequence[str] = (),
    **more: Any,
) -> Annotations:
    """The arrays of a split from the entries of all splits, as labels must mean the same in each.

    Args:
        parts: entries of each split; under "" where there are none.
        split: as `choose` has it.
        folder: that all pictures are below.
        classes: names in the order of the labels; by default ``known``, or all names that occur, sorted.
        known: the classes that the format itself lists, in its order.
        more: further fields of `Annotations`.

    Raises:
        ValueError: no such split, no picture at all, or a class that is listed twice.
    """
    chosen = choose(parts, split, folder)
    if classes is None:
        occurring = {name for entries in parts.values() for entry in entries for name in entry.names}
        classes = tuple(known) or tuple(sorted(occurring))
    if twice := repeated(classes):
        raise ValueError(f"{printable(folder)} lists the class {shortened(twice[0])} more than once.")
    label_of = {name: label for label, name in enumerate(classes)}
    unknown: Counter[str] = Counter()
    records = []
    entries = [entry for part in chosen.values() for entry in part]
    for image_id, entry in enumerate(entries, start=1):
        unknown.update(name for name in entry.names if name not in label_of)
        keep = [i for i, name in enumerate(entry.names) if name in label_of]
        records.append(
            Record(
                image_id,
                entry.picture,
                entry.width,
                entry.height,
                np.array([entry.boxes[i] for i in keep], dtype=np.float64).reshape(-1, 4),
                np.array([label_of[entry.names[i]] for i in keep], dtype=np.int64),
                np.array([entry.ignored[i] for i in keep], dtype=np.bool_),
            )
        )
    if not records:
        raise ValueError(f"{printable(folder)} lists no pictures{f' of the split {split}' if split else ''}.")
    left_out = dict(more.pop("left_out", {}))
    if unknown:
        told = ", ".join(shortened(name) for name in sorted(unknown)[:5]) + (", ..." if len(unknown) > 5 else "")
        left_out[f"boxes of unknown classes ({told})"] = unknown.total()
    notes = list(more.pop("notes", ()))
    if twice := repeated(entry.picture for entry in entries):
        notes.append(
            f"{counted(len(twice), 'pictures have', 'picture has')} several labels, the first is "
            f"{shortened(twice[0])}: each counts"
        )
    return Annotations.of(
        records,
        classes,
        name=folder.name if split is None else f"{folder.name} ({split})",
        folder=folder,
        split=split or "",
        left_out={reason: count for reason, count in left_out.items() if count},
        notes=tuple(notes),
        **more,
    )


def without_label(pictures: Iterable[str], labelled: Iterable[str]) -> tuple[str, ...]:
    """What to say of pictures that no label is about: they are not known to be empty, so they are left out."""
    alone = sorted(set(pictures) - set(labelled))
    if not alone:
        return ()
    one, more = "picture has no label, and is left out", "pictures have no label, and are left out"
    return (f"{counted(len(alone), more, one)} (the first is {shortened(alone[0])})",)


def number(value: Any, where: str) -> float:
    """A coordinate: a number, or a text that is one; what is not finite is left to the checks of boxes.

    Raises:
        ValueError: anything else; ``where`` names file and place.
    """
    try:
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{where} has {shortened(value)} where a number of pixels belongs.")


def flag(value: Any) -> bool | None:
    """What a label says by 1, 0, true, false, as numbers or as text, which would be true whatever it says; or None.

    Nothing at all, null or an empty text, is no.
    """
    if isinstance(value, str):
        return {"": False, "0": False, "false": False, "1": True, "true": True}.get(value.strip().lower())
    if value is None:
        return False
    return bool(value) if isinstance(value, (bool, int, float)) and value in (0, 1) else None


def whole_side(value: Any) -> int:
    """A picture's width or height as a label tells it; 0 where it says nothing of use."""
    try:
        side = float(value or 0)
    except (TypeError, ValueError, OverflowError):
        return 0
    return int(side) if math.isfinite(side) and 0 < side < 2**31 else 0


def read_json(path: Path, hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """What a JSON file of labels holds, in any encoding of Unicode.

    Raises:
        ValueError: it cannot be read; the text names the file.
    """
    try:
        return json.loads(read_bytes(path), object_hook=hook)
    except RecursionError:
        raise ValueError(f"{printable(path)} is nested too deeply.") from None
    except (json.JSONDecodeError, UnicodeError) as error:
        raise ValueError(f"{printable(path)} is not a JSON file ({error}).") from error
    except ValueError as error:  # a number of thousands of digits, or no regular file
        raise ValueError(f"{printable(path)} cannot be read ({error}).") from None


def list_files(folder: Path) -> dict[str, Path]:
    """The lists of `fcos-edu data split` in a folder, by split."""
    found = {split: folder / LISTS / f"{split}.txt" for split in SPLITS}
    return {split: file for split, file in found.items() if file.is_file()}


def listed(annotations: Annotations, files: Mapping[str, Path], split: str) -> Annotations:
    """The images of ``annotations`` that the lists of a split name.

    Raises:
        ValueError: no such list; one that names a picture that the folder's labels do not.
    """
    folder = next(iter(files.values())).parent
    index = {name: i for i, name in enumerate(annotations.file_names)}
    chosen: list[int] = []
    for file in choose(files, split, folder.parent).values():
        for line in filter(None, (line.strip() for line in read_text(file).split("\n"))):
            if line not in index:
                raise ValueError(
                    f"{printable(file)} names {shortened(line)}, which the labels of the folder do not: "
                    f"take the line out, or make the lists anew (remove {LISTS}/, then fcos-edu data split)."
                )
            chosen.append(index[line])
    if not chosen:
        raise ValueError(f"{printable(folder)} has no picture in {split}: make the lists anew.")
    several = {i for i, name in enumerate(annotations.file_names) if index[name] != i}
    names = {annotations.file_names[i] for i in chosen}
    annotations = replace(annotations, notes=annotations.notes + _unlisted(annotations.file_names, files))
    chosen += [i for i in several if annotations.file_names[i] in names]  # pictures under several ids stay together
    return annotations.chosen(np.unique(np.array(chosen, dtype=np.int64)))


def _unlisted(names: Sequence[str], files: Mapping[str, Path]) -> tuple[str, ...]:
    """What to say of labelled pictures that no list names, as of those that were added later."""
    known = {line.strip() for file in files.values() for line in read_text(file).split("\n")}
    alone = sorted(set(names) - known)
    if not alone:
        return ()
    one, more = "labelled picture stands", "labelled pictures stand"
    return (
        f"{counted(len(alone), more, one)} in no list of {LISTS}/ (the first is {shortened(alone[0])}): "
        f"write such names into one, or make the lists anew (remove {LISTS}/, then fcos-edu data split)",
    )


__all__ = [
    "Entry",
    "LISTS",
    "Pictures",
    "SPLITS",
    "annotations_of",
    "choose",
    "composed",
    "files_of",
    "flag",
    "list_files",
    "listed",
    "number",
    "read_json",
    "sizes_of",
    "split_folders",
    "split_in",
    "split_of",
    "sub_folder",
    "whole_side",
    "without_label",
]
