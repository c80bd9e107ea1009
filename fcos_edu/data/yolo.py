"""Reader for folders in YOLO's format, as Ultralytics, Roboflow, Label Studio, CVAT and LabelImg write it (Sec. 4).

Taught in the chapter *Your own boxes*. Checked against hand-written folders of each tool's form, and with thousands of
broken files (`scripts/fuzz.py`).

A text file for each picture, with a line for each box: ``class x_centre y_centre width height``, in shares of the
picture's sides. So a box means nothing without its picture: sizes are read from the headers of the pictures. A line
with more numbers is an outline, ``class x y x y x y ...``, and becomes the box around it. Names of classes and the
folders of the splits stand in ``data.yaml``, which is read as texts alone: YAML would make False of a class "no".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from ..text import counted, printable, read_text, shortened
from .annotations import Annotations, leads_outside, repeated
from .dataset import FolderDataset
from .folders import (
    Entry,
    Pictures,
    annotations_of,
    composed,
    files_of,
    number,
    sizes_of,
    split_folders,
    split_of,
    sub_folder,
)

LAYOUT = (
    "YOLO's (data.yaml or classes.txt, and a .txt for each picture, in labels/ beside images/ or beside the picture)"
)
_NAMES_FILES = ("classes.txt", "obj.names", "_darknet.labels", "labels.txt")  # a class a line
_NO_LABELS = (*_NAMES_FILES, "train.txt", "val.txt", "valid.txt", "test.txt", "readme.txt", "notes.txt")
_LINE = re.compile(r"\d+(?:\.0*)?(?:\s+[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?){4,}\s*")
_BOX_WORDS = "in YOLO's format a box is x_centre y_centre width height, in shares of the picture's sides"


class YOLODataset(FolderDataset):
    """Photographs and boxes of a folder in YOLO's format.

    Where a picture is read upright because its EXIF says so, the shares count of the upright picture.

    Args:
        folder: the folder that holds data.yaml.
        split: "train", "val" or "test": what data.yaml calls so, or the folders train/, valid/ (or val/), test/, alone
            or below images/ and labels/. A folder without splits is read as "train".
        classes: names in the order of the labels; by default those of data.yaml or classes.txt, in their order, or the
            numbers, where there is neither.
        options: see `FileDataset`. A picture without a label file is background.

    Raises:
        FileNotFoundError: no pictures.
        ValueError: an unknown split; a line that is no box; a data.yaml that is none. The text names file and line.
    """


def recognises(path: Path) -> bool:
    """Whether it is a folder with a data.yaml, with Darknet's obj.names, or with label files of such lines."""
    return path.is_dir() and (
        _settings_file(path) is not None
        or any((base / "obj.names").is_file() for base in _bases(path))
        or any(map(_is_label, _some_labels(path)))
    )


def splits(path: Path) -> tuple[str, ...]:
    """Names of its splits; none where all its labels are one set."""
    return tuple(filter(None, _parts(path, Pictures(path), _settings(path))))


def read(
    path: Path, split: str | None = None, *, classes: Sequence[str] | None = None, pictures: bool = True
) -> Annotations:
    """The annotations of a folder's split; arguments and errors as `YOLODataset` has them.

    Args:
        path: the folder.
        split: None for all pictures of the folder.
        classes: names in the order of the labels.
        pictures: makes no difference: without its picture, a box of this format has no size.
    """
    found = Pictures(path, required=True)
    settings = _settings(path)
    names = _names(path, settings)
    labels = _labels(path, found)
    if twice := repeated(labels.values()):
        told = " or ".join(shortened(name) for name, file in labels.items() if file == twice[0])
        raise ValueError(f"{printable(path / twice[0])} may belong to {told}; rename or remove one of them.")
    points = "kpt_shape" in settings
    boxes = {name: _boxes(path / file, points) for name, file in labels.items()}
    if not boxes:
        raise FileNotFoundError(
            f"{printable(path)} holds no label files: a picture a.jpg needs a.txt, in labels/ or beside."
        )
    sizes = sizes_of(path, boxes)
    outlines = any(len(shares) != 4 for lines in boxes.values() for _, shares in lines)
    parts = {
        part: [_entry(name, boxes.get(name, ()), sizes.get(name, (0, 0)), names) for name in files]
        for part, files in _parts(path, found, settings).items()
    }
    notes = []
    if not names:
        highest = max((label for lines in boxes.values() for label, _ in lines), default=0)
        if highest > 10_000:
            raise ValueError(
                f"{printable(path)} has a box of class {highest} and no data.yaml or classes.txt with names."
            )
        names = tuple(str(label) for label in range(highest + 1))
        notes.append("neither data.yaml nor classes.txt names the classes: they are called by their numbers")
    without = len(found.names) - len(boxes)
    if without:
        one, more = "has no label file: it is background", "have no label file: they are background"
        background = one if without == 1 else more
        notes.append(f"{without} of {counted(len(found.names), 'pictures')} {background}")
    used = set(labels.values())
    alone = [file for file in _without_picture(path) if file not in used]
    if alone:
        notes.append(
            f"{counted(len(alone), 'label files have', 'label file has')} no picture, the first is "
            f"{shortened(alone[0])}: left out"
        )
    if points:
        notes.append("the labels have points behind their boxes (kpt_shape): they are left out")
    if outlines:
        notes.append("some labels are outlines: each is read as the box around it")
    return annotations_of(
        parts, split, folder=path, classes=classes, known=names, notes=tuple(notes), relative=True, box_words=_BOX_WORDS
    )


YOLODataset.read_folder = staticmethod(read)


# ---------------------------------------------------------------------- data.yaml and the names
def _settings_file(folder: Path) -> Path | None:
    names = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
    others = sorted(path.name for end in ("*.yaml", "*.yml") for path in folder.glob(end))
    for name in dict.fromkeys((*names, *others)):
        file = folder / name
        try:
            if name in names and file.is_symlink():
                return file  # one that leads nowhere is named when it is read
            if file.is_file() and (name in names or re.search(r"^names\s*:", read_text(file), re.MULTILINE)):
                return file
        except (OSError, ValueError):
            continue
    return None


_DEEPEST = 50  # of lists in lists; a data.yaml needs two or three


@cache
def _loader() -> Any:
    """PyYAML's loader that makes nothing but texts, lists and dicts, not nested deeply, and follows no references."""
    import yaml

    class Loader(yaml.BaseLoader):
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):  # with them a small file can say a lot
                raise yaml.YAMLError("it refers to a part of itself, which is not read")
            self.depth += 1  # the scanner's time grows with the square of it
            if self.depth > _DEEPEST:
                raise yaml.YAMLError("it is nested too deeply")
            made = super().compose_node(parent, index)
            self.depth -= 1
            return made

    return Loader


def _settings(folder: Path) -> dict[str, Any]:
    """What data.yaml says, all of it as texts; nothing without one.

    Raises:
        ValueError: it is no YAML, or no mapping. The text names it.
    """
    file = _settings_file(folder)
    if file is None:
        return {}
    import yaml

    text = read_text(file)
    try:
        made = yaml.load(text, Loader=_loader())
    except (yaml.YAMLError, ValueError) as error:
        told = " ".join(str(error).split())
        raise ValueError(f"{printable(file)} is not YAML that can be read ({printable(told)[:200]}).") from None
    except RecursionError:
        raise ValueError(f"{printable(file)} is nested too deeply.") from None
    if not isinstance(made, dict):
        raise ValueError(
            f"{printable(file)} holds a {type(made).__name__}; it must say names: and where the pictures are."
        )
    return {**{str(key): value for key, value in made.items()}, "file": file}


def _names(folder: Path, settings: dict[str, Any]) -> tuple[str, ...]:
    """Names of the classes in the order of their numbers; none where nothing tells them.

    Raises:
        ValueError: a list that is none or has another length than nc, a number without a name between others.
    """
    told = settings.get("names")
    if told is not None:
        if isinstance(told, str):  # "[a, b]" in one line is a list to YAML; a text is one name or a mistake
            told = [one.strip() for one in told.split(",") if one.strip()]
        if isinstance(told, dict):
            keys = [int(key) if re.fullmatch(r"\s*\d{1,6}\s*", str(key)) else -1 for key in told]
            if sorted(keys) != list(range(len(keys))):
                raise ValueError(
                    f"{printable(settings['file'])} numbers its names {shortened(list(told))}; it must be 0, 1, 2, ..."
                )
            told = [name for _, name in sorted(zip(keys, told.values()), key=lambda pair: pair[0])]
        if not isinstance(told, list) or not all(isinstance(name, str) and name.strip() for name in told):
            raise ValueError(f"{printable(settings['file'])} has names {shortened(told)}; it must be a list of words.")
        number = settings.get("nc")
        if isinstance(number, str) and re.fullmatch(r"\s*\d{1,6}\s*", number) and int(number) != len(told):
            raise ValueError(
                f"{printable(settings['file'])} says nc: {int(number)} and has {counted(len(told), 'names')}."
            )
        return tuple(name.strip() for name in told)
    found: dict[tuple[str, ...], Path] = {}
    for place in (*_bases(folder), *_label_folders(folder)):
        for name in _NAMES_FILES:
            if (place / name).is_file():
                found.setdefault(_names_of(place / name), place / name)
                break
    if len(found) > 1:  # LabelImg counts the classes of each folder anew
        (one, first), (two, second) = list(found.items())[:2]
        k = next((k for k, (a, b) in enumerate(zip(one, two)) if a != b), min(len(one), len(two)))
        if k < min(len(one), len(two)):
            raise ValueError(
                f"{printable(first)} calls class {k} {shortened(one[k])}, and {printable(second)} calls it "
                f"{shortened(two[k])}: make the names of all such files the same, with the numbers in the labels, or "
                "write a data.yaml with the right ones."
            )
    return max(found, key=len, default=())


def _names_of(file: Path) -> tuple[str, ...]:
    """The names that a file has, one a line."""
    lines = [line.strip() for line in read_text(file).rstrip().split("\n")]
    if "" in lines[:-1]:  # with it, every name behind it would be that of another number
        raise ValueError(
            f"{printable(file)}, line {lines.index('') + 1}, is empty; it must be the name of class {lines.index('')}."
        )
    return tuple(filter(None, lines))


# ---------------------------------------------------------------------- which pictures a split has
def _parts(folder: Path, found: Pictures, settings: dict[str, Any]) -> dict[str, list[str]]:
    """The pictures of each split; under "" where there are no splits."""
    for parts in (_told_parts(folder, found, settings), _listed_parts(folder, found), _folder_parts(folder, found)):
        if any(parts.values()):
            return {split: parts[split] for split in ("train", "val", "test") if parts.get(split)}
    return {"": found.names}


def _told_parts(folder: Path, found: Pictures, settings: dict[str, Any]) -> dict[str, list[str]]:
    """What data.yaml says; paths of other machines are followed as far as they lead to something below the folder."""
    parts: dict[str, list[str]] = {}
    base = str(settings.get("path", "")) if isinstance(settings.get("path", ""), str) else ""
    for key, value in settings.items():
        split = split_of(key)
        if split is None:
            continue
        for one in value if isinstance(value, list) else [value]:
            place = _below(folder, base, one) if isinstance(one, str) and one.strip() else None
            if place is not None:
                pictures = _of_list(place, found) if place.is_file() else found.below(place)
                parts[split] = list(dict.fromkeys([*parts.get(split, []), *pictures]))
    return _parted(parts)


def _parted(parts: dict[str, list[str]]) -> dict[str, list[str]]:
    """The splits; none where all point to one place, as in the data.yaml of a first try."""
    told = list(parts.values())
    return {} if len(told) > 1 and all(one == told[0] for one in told) else parts


def _below(folder: Path, base: str, told: str) -> Path | None:
    """A folder or list that data.yaml names, below the folder of the data set."""
    for name in (f"{base}/{told}" if base else told, told):
        pieces = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        for first in range(len(pieces)):  # the longest end that is there: ../train/images, /data/ann/data/train/images
            rest = "/".join(pieces[first:])
            if not leads_outside(rest):
                place = folder / rest
                try:
                    if place.is_dir() or (place.suffix == ".txt" and place.is_file()):
                        return place
                except (OSError, ValueError):  # a name that is too long, or no text that a system takes
                    continue
    return None


def _of_list(file: Path, found: Pictures) -> list[str]:
    """The pictures that a list names, one a line."""
    names = (line.strip() for line in read_text(file).split("\n"))
    known = set(found.names)
    pictures = []
    for name in filter(None, names):
        pieces = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        ends = ("/".join(pieces[first:]) for first in range(len(pieces)))
        pictures.append(next((end for end in ends if end in known), None) or found.find(name, found.folder))
    return pictures


def _listed_parts(folder: Path, found: Pictures) -> dict[str, list[str]]:
    """The lists that obj.data names, and train.txt and the like beside it, as Darknet and CVAT have them."""
    files: dict[str, Path] = {}
    for base in _bases(folder):
        if (settings := base / "obj.data").is_file():
            for line in read_text(settings).split("\n"):
                key, _, value = line.partition("=")
                place = _below(folder, "", value.strip()) if value.strip() else None
                if (split := split_of(key.strip())) and place is not None and place.is_file():
                    files.setdefault(split, place)  # Darknet's "valid" may well be a test.txt
        if settings.is_file() or (base / "obj.names").is_file():
            for file in files_of(base, ".txt"):
                if (split := split_of(file.stem)) and file not in files.values():
                    files.setdefault(split, file)
    return _parted({split: _of_list(file, found) for split, file in files.items()})


def _folder_parts(folder: Path, found: Pictures) -> dict[str, list[str]]:
    """train/images or images/train, or pictures and labels together in train/."""
    below = split_folders(folder)
    if not below and (shown := sub_folder(folder, "images")) is not None:
        below = split_folders(shown)
    return {split: found.below(inner) for split, inner in below.items()}


# ---------------------------------------------------------------------- labels
def _bases(folder: Path) -> tuple[Path, ...]:
    """Where lists and names may lie: the folder itself, and data/, where Darknet has them."""
    return folder, folder / "data"


def _label_folders(folder: Path) -> list[Path]:
    """The folders where labels may lie, but for the folder itself."""
    inner = (*split_folders(folder).values(), sub_folder(folder, "labels"), sub_folder(folder, "obj_train_data"))
    found = []
    for place in filter(None, inner):
        found += [place, *filter(None, [sub_folder(place, "labels")]), *split_folders(place).values()]
    return found


def _some_labels(folder: Path) -> Iterator[Path]:
    """A few files that may be labels, of each place where they may lie; empty ones tell nothing."""
    for place in (folder, *_label_folders(folder)):
        files = (file for file in files_of(place, ".txt") if file.name.lower() not in _NO_LABELS)
        yield from islice((file for file in files if file.is_file() and file.stat().st_size), 20)


def _texts(folder: Path) -> Iterator[str]:
    """All files that may be labels, below the folder."""
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        if file.suffix.lower() == ".txt" and not any(part.startswith(".") for part in name.parts):
            yield name.as_posix()


def _without_picture(folder: Path) -> Iterator[str]:
    """Files that are labels whether a picture has them or not: all below a folder labels/, others by their content."""
    for name in _texts(folder):
        *places, last = name.lower().split("/")
        if last not in _NO_LABELS and "__macosx" not in places and ("labels" in places or _is_label(folder / name)):
            yield name


def _is_label(file: Path) -> bool:
    try:
        lines = read_text(file).strip().split("\n")
    except (OSError, ValueError):
        return False
    return bool(lines[0]) and _LINE.fullmatch(lines[0]) is not None


def _labels(folder: Path, found: Pictures) -> dict[str, str]:
    """The label file of each picture that has one: of its very name, or of one with other capitals or accents."""
    labels = {}
    for name in found.names:
        exact = next((label for label in _names_of_label(name) if _is_there(folder / label)), None)
        if exact is not None:
            labels[name] = exact
    if len(labels) < len(found.names):
        used = set(labels.values())
        others = {composed(name).casefold(): name for name in _texts(folder) if name not in used}
        labels |= _by_other_case((name for name in found.names if name not in labels), others)
    return labels


def _by_other_case(pictures: Iterator[str], others: Mapping[str, str]) -> dict[str, str]:
    told = ((name, (composed(label).casefold() for label in _names_of_label(name))) for name in pictures)
    found = ((name, next((others[label] for label in labels if label in others), None)) for name, labels in told)
    return {name: label for name, label in found if label is not None}


def _names_of_label(picture: str) -> Iterator[str]:
    """What the label file of a picture may be called, the likeliest first.

    images/ becomes labels/; it lies beside the picture; a folder of another name beside labels/; or in labels/ itself.
    """
    stem = picture.rpartition(".")[0]
    pieces = stem.split("/")
    places = range(len(pieces) - 2, -1, -1)
    shown = [i for i in places if pieces[i].lower() in ("images", "jpegimages")]
    others = [i for i in places if i not in shown and split_of(pieces[i]) is None]
    for i in shown:
        yield "/".join([*pieces[:i], "labels", *pieces[i + 1 :]]) + ".txt"
    yield f"{stem}.txt"
    for i in others:
        yield "/".join([*pieces[:i], "labels", *pieces[i + 1 :]]) + ".txt"
    for i in range(len(pieces) - 1, -1, -1):
        yield "/".join([*pieces[:i], "labels", *pieces[i:]]) + ".txt"


def _is_there(file: Path) -> bool:
    """Whether there is a file, or a link that leads nowhere: its picture is no background, then."""
    return file.is_file() or file.is_symlink()


def _boxes(file: Path, points: bool) -> list[tuple[int, tuple[float, ...]]]:
    """Class and shares of each line: four of a box, more of an outline.

    Args:
        file: of a picture.
        points: behind the four of a box there are those of a person's joints or the like, which look like an outline.

    Raises:
        ValueError: a line that is neither. The text names file and line.
    """
    found = []
    for position, line in enumerate(read_text(file).split("\n"), start=1):
        words = line.split()
        if not words:
            continue
        where = f"{printable(file)}, line {position},"
        if not re.fullmatch(r"\d{1,9}(\.0*)?", words[0], re.ASCII):
            raise ValueError(f"{where} begins with {shortened(words[0])}; it must be the number of a class, from 0 on.")
        if points and len(words) > 5:
            del words[5:]
        if len(words) != 5 and (len(words) < 7 or len(words) % 2 == 0):
            hint = "; a sixth is a score of a detector: these are no labels" if len(words) == 6 else ""
            raise ValueError(
                f"{where} has {counted(len(words), 'numbers')}; it must be class x_centre y_centre width height, or "
                "a class "
                f"and the points of an outline{hint}."
            )
        found.append((int(float(words[0])), tuple(number(word, where) for word in words[1:])))
    return found


def _entry(
    picture: str, lines: Sequence[tuple[int, tuple[float, ...]]], size: tuple[int, int], names: Sequence[str]
) -> Entry:
    """Boxes in pixels of the stored picture; of one that cannot be read, in shares."""
    width, height = (side or 1 for side in size)
    entry = Entry(picture, *size)
    for label, shares in lines:
        if len(shares) == 4:
            x, y, w, h = shares
            box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        elif any(map(math.isnan, shares)):  # the least of numbers and NaN depends on their order
            box = (math.nan,) * 4
        else:
            box = (min(shares[::2]), min(shares[1::2]), max(shares[::2]), max(shares[1::2]))
        pixels = (box[0] * width, box[1] * height, box[2] * width, box[3] * height)
        entry.add(pixels, names[label] if label < len(names) else f"number {label}" if names else str(label))
    return entry
