"""`convert`: a data set of any format, written anew in COCO's, VOC's or YOLO's (Sec. 4, training data).

Taught in the chapter *Your own boxes*. Checked against: what is written, read again (a property over random boxes and
names), the pictures' bytes, and what was there before.

What a format cannot say is lost, and told: YOLO has no crowds and no areas, VOC no box of a pixel's width. Pictures are
copied byte by byte, so that nothing is lost in them.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ..atomic import named_error
from ..text import counted, printable, shortened
from .annotations import Annotations, alike
from .dataset import FileDataset
from .folders import sizes_of
from .formats import splits_of
from .loading import load
from .sources import NAMES, SOURCES, located, named


@dataclass
class Conversion:
    """What was written; `str()` of it is what `fcos-edu data convert` prints."""

    folder: Path
    to: str
    images: int = 0
    boxes: int = 0
    lost: Counter[str] = field(default_factory=Counter)  # by reason
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"{printable(self.folder)}: {counted(self.images, 'pictures')}, {counted(self.boxes, 'boxes')}, in the "
            f"format {self.to}"
        ]
        lines += [f"lost: {counted(count, printable(reason))}" for reason, count in self.lost.items() if count]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def convert(
    source: str | Path, target: str | Path, to: str, *, split: str | None = None, link: bool = False, **reading: Any
) -> Conversion:
    """Write a data set into a new folder, whole or not at all.

    Args:
        source: a folder in any format, or the name of a data set of files.
        target: the new folder; it must not be there, or be empty.
        to: "coco", "voc" or "yolo".
        split: this one alone; by default all of the source, under their names.
        link: make links to the pictures instead of copies.
        reading: how pictures are read, and which; see `load`.

    Raises:
        FileExistsError: the target is there and holds something.
        ValueError: an unknown format; a target inside of the source; shapes, which are drawn; a class name that the
            format cannot have.
        FileNotFoundError, CorruptImageError: as `load`.
    """
    if to not in WRITERS:
        raise ValueError(f"the format is {to!r}; it must be one of {', '.join(WRITERS)}")
    target = Path(target)
    if os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir())):
        raise FileExistsError(
            f"{printable(target)} is there, and nothing is overwritten: name a folder that is not there"
        )
    inside = target.absolute().parents
    if any(named(one)[1].is_dir() and named(one)[1].resolve() in map(Path.resolve, inside) for one in _folders(source)):
        raise ValueError(
            f"{printable(target)} lies inside of {printable(source)}, and would be read with it: name another"
        )
    parts = {name: _read(source, name or "train", reading) for name in _splits(source, split)}
    done = Conversion(target, to)
    found = {name: _readable(dataset.annotations(), reading, done) for name, dataset in parts.items()}
    found = alike(found)
    for name, dataset in parts.items():
        annotations = found[name]
        done.images += annotations.images
        done.lost.update(annotations.left_out)
        turned = int(dataset.turned.sum())
        if turned and to == "yolo":
            done.notes.append(
                counted(
                    turned,
                    "pictures are shown upright by their EXIF, as their boxes are; YOLO does not tell: read them",
                    "picture is shown upright by its EXIF, as its boxes are; YOLO does not tell: read it",
                )
                + " with --orientation upright"
            )
    made = target.parent / f".{target.name[:60]}.{secrets.token_hex(4)}.part"
    with named_error(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        made.mkdir()
    try:
        WRITERS[to](made, found, _copy(link), done)
        if target.is_dir():
            target.rmdir()
        os.rename(made, target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return done


def _folders(source: str | Path) -> list[Path]:
    return [located(part) for part in str(source).split("+") if part not in NAMES]


def _splits(source: str | Path, split: str | None) -> tuple[str, ...]:
    """The splits to write; "" for a folder without splits."""
    if split is not None:
        return (split,)
    name = str(source)
    if name in NAMES:
        return SOURCES[name].splits
    place = located(name)
    if not named(place)[1].is_dir():
        raise FileNotFoundError(
            f"{name!r} is neither a folder nor a known data set; the known ones are {', '.join(NAMES)}."
        )
    return splits_of(place) or ("",)


def _read(source: str | Path, split: str, reading: dict[str, Any]) -> FileDataset:
    dataset = load(source, split, keep_empty=True, **reading)
    if not isinstance(dataset, FileDataset):
        raise ValueError(f"{source} has no files to convert; fcos-edu data export draws shapes into a folder")
    return dataset


def _readable(annotations: Annotations, reading: dict[str, Any], done: Conversion) -> Annotations:
    """Without the pictures that are skipped, whose sizes nobody knows."""
    if reading.get("on_corrupt") != "skip":
        return annotations
    paths = [annotations.path(i) for i in range(annotations.images)]
    known = sizes_of(Path(), map(str, paths))
    kept = np.array([i for i, path in enumerate(paths) if str(path) in known], dtype=np.int64)
    done.lost["pictures that cannot be read"] += annotations.images - len(kept)
    return annotations.chosen(kept)


def _copy(link: bool) -> Callable[[Path, Path], None]:
    def copy(picture: Path, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        if (
            place.exists() or not picture.exists()
        ):  # under several ids, or of a data set that is read without its missing pictures
            return
        if link:
            place.symlink_to(picture.resolve())
        else:
            shutil.copyfile(picture, place)

    return copy


def _names(annotations: Annotations, taken: set[str], *, shared: bool = False) -> list[str]:
    """New names of the pictures, without folders, whose parts before the extension differ in any system.

    A picture under several ids has several names, unless they may be ``shared``: else a label would replace another.
    """
    names = []
    of_picture: dict[str, str] = {}
    for name in annotations.file_names:
        if not (shared and name in of_picture):
            last = re.split(r"[/\\]", name)[-1]
            last = re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", "_", last).strip() or "picture"
            stem, dot, suffix = last.rpartition(".")
            stem, suffix = (stem, f".{suffix}") if dot and stem else (last, "")
            free, count = stem, 1
            while free.casefold() in taken:
                count += 1
                free = f"{stem}-{count}"
            taken.add(free.casefold())
            of_picture[name] = free + suffix
        names.append(of_picture[name])
    return names


def _solid(annotations: Annotations, done: Conversion) -> Iterator[tuple[int, list[int]]]:
    """Each image with its boxes that have an extent; the others are counted."""
    with np.errstate(invalid="ignore", over="ignore"):
        sides = annotations.boxes[:, 2:] - annotations.boxes[:, :2]
        solid = np.asarray(np.isfinite(annotations.boxes).all(axis=1) & (sides > 0).all(axis=1))
    done.lost["degenerate boxes"] += int((~solid).sum())
    for image in range(annotations.images):
        span = annotations.of_image(image)
        yield image, [k for k in range(span.start, span.stop) if solid[k]]


# ---------------------------------------------------------------------- COCO
def _write_coco(
    folder: Path, parts: dict[str, Annotations], copy: Callable[[Path, Path], None], done: Conversion
) -> None:
    """annotations/instances_<split>.json and images/<split>/; "default" where there are no splits."""
    (folder / "annotations").mkdir()
    for split, own in parts.items():
        names = _names(own, set(), shared=True)
        truth = own.ground_truth()
        for image, name in zip(truth["images"], names):
            image["file_name"] = name
        for entry in truth["annotations"]:
            del entry["ignore"]  # which iscrowd says already
        done.boxes += len(truth["annotations"])
        done.lost["degenerate boxes"] += len(own) - len(truth["annotations"])
        of_split = split or "default"
        text = json.dumps(truth, ensure_ascii=False, allow_nan=False)
        (folder / "annotations" / f"instances_{of_split}.json").write_text(text + "\n", "utf-8", errors="replace")
        for i, name in enumerate(names):
            copy(own.path(i), folder / "images" / of_split / name)


# ---------------------------------------------------------------------- VOC
def _write_voc(
    folder: Path, parts: dict[str, Annotations], copy: Callable[[Path, Path], None], done: Conversion
) -> None:
    """Annotations, JPEGImages and, where there are splits, ImageSets/Main."""
    (folder / "Annotations").mkdir()
    taken: set[str] = set()
    _check_names(next(iter(parts.values())).classes, "VOC")
    seen: set[int] = set()
    for split, own in parts.items():
        names = _names(own, taken)
        stems = []
        for i, rows in _solid(own, done):
            stem = names[i].rpartition(".")[0] or names[i]
            stems.append(stem)
            root = ElementTree.Element("annotation")
            ElementTree.SubElement(root, "filename").text = names[i]
            size = ElementTree.SubElement(root, "size")
            for key, value in (("width", own.widths[i]), ("height", own.heights[i]), ("depth", 3)):
                ElementTree.SubElement(size, key).text = str(int(value))
            for k in rows:
                x0, y0, x1, y1 = own.boxes[k].tolist()
                if not (x1 > x0 + 1 and y1 > y0 + 1):  # the first pixel would be the last
                    done.lost["boxes of at most a pixel, which VOC cannot say"] += 1
                    continue
                if not np.isclose(own.areas[k], (x1 - x0) * (y1 - y0), rtol=1e-6, atol=1e-6):
                    done.lost["areas unlike the box's own, which VOC does not say"] += 1
                seen.add(int(own.labels[k]))
                done.boxes += 1
                item = ElementTree.SubElement(root, "object")
                ElementTree.SubElement(item, "name").text = own.classes[own.labels[k]]
                ElementTree.SubElement(item, "difficult").text = str(int(own.ignored[k]))
                box = ElementTree.SubElement(item, "bndbox")
                for key, value in zip(("xmin", "ymin", "xmax", "ymax"), (x0 + 1, y0 + 1, x1, y1)):
                    ElementTree.SubElement(box, key).text = _plain(value)
            ElementTree.indent(root)
            (folder / "Annotations" / f"{stem}.xml").write_bytes(ElementTree.tostring(root, "utf-8"))
            copy(own.path(i), folder / "JPEGImages" / names[i])
        if split:
            (folder / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
            (folder / "ImageSets" / "Main" / f"{split}.txt").write_text("".join(f"{s}\n" for s in stems), "utf-8")
    crowds = sum(int(part.ignored.sum()) for part in parts.values())
    if crowds and any(part.ignored_reason.startswith("crowd") for part in parts.values()):
        done.notes.append(
            f"{counted(crowds, 'crowd boxes are', 'crowd box is')} marked difficult, as VOC knows no crowds"
        )
    classes = next(iter(parts.values())).classes
    done.lost["classes without a box, which VOC does not list"] += len(classes) - len(seen)
    if tuple(sorted(classes)) != classes:
        done.notes.append("VOC keeps no order of classes: labels may be numbered otherwise")


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _check_names(classes: Sequence[str], what: str) -> None:
    for name in classes:
        if name != name.strip() or not name or re.search(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]", name):
            raise ValueError(f"the class name {shortened(name)} cannot stand in {what}'s format; give it another one")


# ---------------------------------------------------------------------- YOLO
def _write_yolo(
    folder: Path, parts: dict[str, Annotations], copy: Callable[[Path, Path], None], done: Conversion
) -> None:
    """data.yaml, images/<split>/ and labels/<split>/; images/ and labels/ where there are no splits."""
    import yaml

    classes = next(iter(parts.values())).classes
    _check_names(classes, "YOLO")
    where = {split: f"images/{split}" for split in parts if split} or {"train": "images", "val": "images"}
    settings = {**where, "names": dict(enumerate(classes))}
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    (folder / "data.yaml").write_text(text, "utf-8")
    for split, own in parts.items():
        names = _names(own, set())
        cut = own.cut()
        (folder / "labels" / split).mkdir(parents=True)
        for i, rows in _solid(own, done):
            width, height = int(own.widths[i]), int(own.heights[i])
            lines = []
            for k in rows:
                if own.ignored[k]:
                    done.lost[f"{own.ignored_reason}, which YOLO does not have"] += 1
                    continue
                x0, y0, x1, y1 = cut[k].tolist()
                if not (x1 > x0 and y1 > y0):
                    done.lost["boxes outside of the picture"] += 1
                    continue
                if (cut[k] != own.boxes[k]).any():
                    done.lost["box parts beyond the border, which others' readers of YOLO refuse"] += 1
                if not np.isclose(own.areas[k], np.prod(own.boxes[k, 2:] - own.boxes[k, :2]), rtol=1e-6):
                    done.lost["areas unlike the box's own, which YOLO does not say"] += 1
                shares = ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height)
                lines.append(f"{own.labels[k]} " + " ".join(f"{share:.12g}" for share in shares) + "\n")
            done.boxes += len(lines)
            stem = names[i].rpartition(".")[0] or names[i]
            (folder / "labels" / split / f"{stem}.txt").write_text("".join(lines), "utf-8")
            copy(own.path(i), folder / "images" / split / names[i])


WRITERS: dict[str, Callable[..., None]] = {"coco": _write_coco, "voc": _write_voc, "yolo": _write_yolo}
