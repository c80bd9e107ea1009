"""Reader for folders in the layout of PASCAL VOC (training data beside COCO; not in the paper).

Taught in the chapter *Your own boxes* (BCCD, the book's photographs, has this layout). Checked against
hand-written annotations, torchvision's `VOCDetection`, BCCD's published counts, and thousands of broken files
(`scripts/fuzz.py`). torchvision's class knows the official years and splits only, so folders of other people need this
reader.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from ..text import counted, printable, read_bytes, read_text, shortened
from .annotations import Annotations, Record, join, leads_outside, repeated
from .dataset import FolderDataset
from .decoding import IMAGE_SUFFIXES, is_picture
from .folders import choose, composed, files_of, split_folders, split_of, sub_folder, without_label
from .sources import SOURCES, VOC_CLASSES

LAYOUT = (
    "VOC's layout (Annotations, ImageSets/Main, JPEGImages; or XML beside the pictures, or in annotations/, also below "
    "train/, valid/, test/)"
)


@dataclass(frozen=True)
class Place:
    """Where a folder has its annotations and pictures; both may be the folder itself."""

    folder: Path
    annotations: Path
    pictures: Path

    @classmethod
    def of_year(cls, folder: Path) -> Place:
        """VOC's own layout; Label Studio calls its folder of pictures images/."""
        pictures = folder / "JPEGImages"
        if not pictures.is_dir():
            pictures = sub_folder(folder, *_SHOWN) or pictures
        return cls(folder, folder / "Annotations", pictures)


def recognises(path: Path) -> bool:
    """Whether it is a folder with annotations in XML, or one that holds such folders by year or by split."""
    return any(_is_year(inner) for inner in (path, *path.glob("VOCdevkit/VOC*"))) or bool(places(path))


def splits(path: Path) -> tuple[str, ...]:
    """Names of its splits; none where all its annotations are one set."""
    folder = inside_devkit(path)
    if _is_year(folder):
        return tuple(_lists(folder))
    return tuple(filter(None, places(folder)))


def _is_year(folder: Path) -> bool:
    # Where the file system knows no case, a COCO folder has "Annotations" too.
    inner = folder / "Annotations"
    if not inner.is_dir():
        return False
    return (
        (folder / "ImageSets").is_dir()
        or bool(files_of(inner, ".xml"))
        or not (split_folders(inner) or _has_voc(folder))
        and any(not file.name.startswith(".") for file in inner.rglob("*.xml"))
    )


def places(folder: Path) -> dict[str, Place]:
    """The places of a folder that has not VOC's own layout, by split; under "" where it has no splits.

    XML lies beside the pictures, as LabelImg and Roboflow leave it, or in a folder of its own, in small letters too.
    """
    if (own := _place(folder)) is not None:
        return {"": own}
    parts = {split: _place(inner) for split, inner in split_folders(folder).items()}
    if not any(parts.values()) and (labels := sub_folder(folder, *_LABELS)) is not None:
        shown = sub_folder(folder, *_SHOWN) or folder  # annotations/train and images/train
        pictures = split_folders(shown)
        parts = {
            split: Place(folder, inner, pictures.get(split, shown)) if _has_voc(inner) else None
            for split, inner in split_folders(labels).items()
        }
    return {split: place for split, place in parts.items() if place is not None}


_LABELS = ("annotations", "annotation", "xml", "xmls", "labels")
_SHOWN = ("jpegimages", "images", "image", "imgs", "img", "pictures", "photos")


def _place(folder: Path) -> Place | None:
    if _has_voc(folder):
        return Place(folder, folder, folder)
    labels = sub_folder(folder, *_LABELS)
    if labels is not None and _has_voc(labels):
        return Place(folder, labels, sub_folder(folder, *_SHOWN) or folder)
    return None


def _has_voc(folder: Path) -> bool:
    """Whether it holds an XML file whose outermost element is VOC's; a few are looked at."""
    return any(outermost(path) == "annotation" for path in files_of(folder, ".xml")[:20])


def outermost(path: Path) -> str:
    """The name of the outermost element of an XML file, from its first bytes; "" where there is none."""
    try:
        if not path.is_file():
            return ""
        with open(path, "rb") as file:
            start = file.read(4096)
    except OSError:
        return ""
    text = re.sub("<!--.*?-->", "", start.decode(json.detect_encoding(start), "replace"), flags=re.DOTALL)
    found = re.search(r"<([A-Za-z_][\w.-]*)", text)  # not <?xml
    return found[1] if found else ""


def read(
    path: Path, split: str | None = None, *, classes: Sequence[str] | None = None, pictures: bool = True
) -> Annotations:
    """The annotations of a folder's split; arguments and errors as `VOCDataset` has them.

    Args:
        path: the folder.
        split: None for all annotations of the folder, whatever split they belong to.
        classes: names in the order of the labels.
        pictures: without them, only boxes can be counted.
    """
    folder = inside_devkit(path)
    found = {} if _is_year(folder) else places(folder)
    if not found:
        if split is not None and not _lists(folder):
            choose({"": folder}, split, folder)  # without lists, all are one set
            annotations = _read_place(folder, Place.of_year(folder), None, classes, pictures)
            return replace(annotations, name=f"{folder.name} ({split})", split=split)
        return _read_place(folder, Place.of_year(folder), split, classes, pictures)
    if classes is None:  # labels must mean the same in each split
        classes = _ordered({name for place in found.values() for name in _names_of_classes(place)})
    chosen = choose(found, split, folder)
    parts = [_read_place(folder, place, None, classes, pictures) for place in chosen.values()]
    name = folder.name if split is None else f"{folder.name} ({split})"
    if len(parts) == 1:
        return replace(parts[0], name=name, split=split or "")
    return join(parts, name, renumber=True, split=split or "")


def _read_place(
    folder: Path, place: Place, split: str | None, classes: Sequence[str] | None, pictures: bool
) -> Annotations:
    """The annotations of one place; ``split`` is one of VOC's lists, which VOC's own layout alone has."""
    known = annotation_names(place)
    names = _all_names(place, known) if split is None else split_names(folder, split, known)
    notes: tuple[str, ...] = ()
    if twice := repeated(names):
        names = list(dict.fromkeys(names))
        notes = (
            f"{counted(len(twice), 'names stand', 'name stands')} in the split more than once, the first is "
            f"{shortened(twice[0])}: "
            "each image is taken once",
        )
    images = _image_files(place.pictures, required=pictures)
    if classes is None:
        classes = _ordered(_names_of_classes(place))
    label_of = {name: label for label, name in enumerate(classes)}
    unknown: Counter[str] = Counter()
    records = [
        _record(place, name, image_id, images, label_of, unknown) for image_id, name in enumerate(names, start=1)
    ]
    if twice := repeated(record.file_name for record in records):
        notes += (
            f"{counted(len(twice), 'pictures have', 'picture has')} several annotations, the first is "
            f"{shortened(twice[0])}: each counts",
        )
    if split is None:  # of a list it is asked which pictures it names
        notes += without_label({file for files in images.values() for file in files}, {r.file_name for r in records})
    told = ", ".join(shortened(name) for name in sorted(unknown))
    return Annotations.of(
        records,
        classes,
        name=folder.name if split is None else f"{folder.name} ({split})",
        folder=place.pictures,
        ignored_reason="boxes marked difficult",
        left_out={f"boxes of unknown classes ({told})": unknown.total()} if unknown else {},
        split=split or "",
        notes=notes,
    )


class VOCDataset(FolderDataset):
    """Photographs and boxes of a VOC folder: `Annotations/*.xml`, `ImageSets/Main/<split>.txt`, `JPEGImages/`.

    Tools write other folders of the same files, which are read too: XML beside the pictures (LabelImg), the same below
    `train/`, `valid/` and `test/` (Roboflow), and `annotations/` with `images/`. A folder without splits is read as
    "train".

    VOC counts pixels from 1 and the box's last pixel belongs to it. Here a box is two points of the plane, so
    (xmin, ymin, xmax, ymax) becomes (xmin - 1, ymin - 1, xmax, ymax). A box whose file has xmax <= xmin or
    ymax <= ymin counts as degenerate: it is a slip of the annotation tool rather than an object one pixel
    wide.

    Objects marked `difficult` are left out of the targets and are ignored regions in `ground_truth()`. There
    COCO's rule for crowds applies to them: any number of detections on one is neither right nor wrong.

    Args:
        folder: the folder that holds Annotations.
        split: name of a file in ImageSets/Main; "train+val" and "trainval" take the file
            trainval.txt or, if there is none, both train.txt and val.txt. A line is the name of an annotation, with
            spaces if it has some; an extension, ``JPEGImages/`` before it and a class label of -1, 0 or 1 after it
            are taken off.
        classes: names in the order of the labels. By default VOC's twenty if no other name occurs
            in the folder, otherwise all names that occur in it (in all splits), sorted.
        options: see `FileDataset`.

    Raises:
        FileNotFoundError: a folder, annotation or image is missing.
        ValueError: an unknown split; an annotation that is not VOC XML; several images for one annotation. The text
            names it.
    """

    read_folder = staticmethod(read)


def inside_devkit(folder: Path) -> Path:
    """The year's folder where ``folder`` is what torchvision's ``VOCDetection`` calls its root; else ``folder``.

    Raises:
        ValueError: it holds several years; the text lists them.
    """
    years = sorted(path for path in (folder / "VOCdevkit").glob("VOC*") if _is_year(path))
    if len(years) > 1:
        told = ", ".join(str(path) for path in years)
        raise ValueError(f"{folder} holds several years: give one of {told}, or two joined by a plus sign")
    return years[0] if years else folder


def annotation_names(place: Place) -> list[str]:
    """Names of all annotations, without ``.xml``, in alphabetical order; of those in sub-folders ``sub/name``."""
    inner = place.annotations
    files = [
        file for file in inner.rglob("*") if file.suffix.lower() == ".xml" and not file.name.startswith("._")
    ]  # such files macOS leaves
    return sorted(file.relative_to(inner).as_posix()[: -len(".xml")] for file in files)


def _xml(place: Place, name: str) -> Path:
    """The file of an annotation, whose ending may be in capitals."""
    path = place.annotations / f"{name}.xml"
    capitals = place.annotations / f"{name}.XML"
    return capitals if not path.exists() and capitals.exists() else path


def _lists(folder: Path) -> dict[str, Path]:
    """VOC's lists by split; CVAT writes Train.txt and Validation.txt, and default.txt where it has no splits.

    VOC itself has "cat_train.txt" and the like; those are lists for classification, not splits.
    """
    files = [file for file in files_of(folder / "ImageSets" / "Main", ".txt") if "_" not in file.stem]
    found = {file.stem: file for file in files}
    if [name.lower() for name in found] == ["default"]:
        return {}
    own = {name: file for name, file in found.items() if split_of(name) in (None, name)}
    others = {str(split_of(name)): file for name, file in found.items() if name not in own}
    return dict(sorted((others | own).items()))


def split_names(folder: Path, split: str, known: Sequence[str] | None = None) -> list[str]:
    """Image names of a split, in the file's order; ``known`` are the names of all annotations."""
    lists = _lists(folder)
    parts = [split]
    if split in ("train+val", "trainval"):
        parts = ["trainval"] if "trainval" in lists else ["train", "val"]
    if not set(parts) <= set(lists):
        told = printable(", ".join(lists)) if lists else "no split at all: it needs ImageSets/Main/train.txt"
        raise ValueError(f"{printable(folder)} has no split {split!r}; it has {told}.")
    files = [lists[part] for part in parts]
    annotated = set(annotation_names(Place.of_year(folder)) if known is None else known)
    lines = [line.strip() for file in files for line in read_text(file).split("\n")]
    names = [_annotation_name(line, annotated) for line in lines if line]
    if not names:
        raise ValueError(f"{printable(files[0])} names no image; it should hold one image name a line.")
    return names


def _annotation_name(line: str, annotated: set[str]) -> str:
    """The annotation that a line of a split means: the first way to read it that leads to one."""
    label = re.fullmatch(r"(.+?)\s+-?[01]", line)  # a second column, as VOC's lists of one class have
    for name in (line, label[1]) if label else (line,):
        slashed = name.replace("\\", "/")
        inside = re.split(r"(?:^|/)(?:JPEGImages|Annotations)/", slashed)[-1].removeprefix("./")
        for one in (name, slashed, inside):
            stem, dot, suffix = one.rpartition(".")
            if one in annotated:
                return one
            if dot and f".{suffix.lower()}" in (*IMAGE_SUFFIXES, ".xml") and stem in annotated:
                return stem
    return line


def _all_names(place: Place, names: list[str]) -> list[str]:
    if not names:
        raise ValueError(f"{printable(place.annotations)} holds no XML file")
    return names


def _image_files(folder: Path, *, required: bool) -> dict[str, list[str]]:
    """The pictures of a folder and its sub-folders, by their names without extension: ``sub/name``, and ``*/name``."""
    found: dict[str, list[str]] = {}
    if folder.is_dir():
        for file in folder.rglob("*"):
            if is_picture(file):
                name = file.relative_to(folder).as_posix()
                found.setdefault(composed(name[: -len(file.suffix)]), []).append(name)
                if "/" in name:
                    found.setdefault(f"*/{composed(file.stem)}", []).append(name)
    if required and not found:
        raise FileNotFoundError(f"{printable(folder)} holds no images; VOC's layout has the photographs there.")
    return found


def parse_xml(path: Path, outer: str, what: str) -> ElementTree.Element:
    """The outermost element of a file, which must be called ``outer``, as in ``what``.

    Entities, with which a small file can say a lot, are refused. An encoding that the parser does not know, as tools of
    China and Japan write, is decoded here.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: no XML, or another one; the text names the file.
    """
    content = read_bytes(path)
    if b"<!ENTITY" in content or b"<!ENTITY" in content.replace(b"\0", b""):
        raise ValueError(f"{printable(path)} declares entities of its own, which no annotation needs.")
    try:
        try:
            root = ElementTree.fromstring(content)
        except (LookupError, ValueError):
            declared = re.match(rb"\s*<\?xml[^>]*?encoding=[\"']([A-Za-z0-9._-]+)[\"'][^>]*\?>", content)
            if declared is None:
                raise
            root = ElementTree.fromstring(content[declared.end() :].decode(declared[1].decode("ascii")))
    except ElementTree.ParseError as error:
        raise ValueError(f"{printable(path)} is not XML ({error}).") from error
    except (LookupError, ValueError) as error:
        raise ValueError(f"{printable(path)} is not XML in an encoding that is known ({error}).") from None
    if root.tag != outer:
        tag = shortened(root.tag)[1:-1]
        raise ValueError(f"{printable(path)} is not {what}: its outermost tag is <{tag}>, not <{outer}>.")
    return root


def _parse(path: Path) -> ElementTree.Element:
    """The outermost element of an annotation."""
    try:
        return parse_xml(path, "annotation", "a VOC annotation")
    except FileNotFoundError:
        raise FileNotFoundError(f"{printable(path)} is missing, but its image is named in the split.") from None


def _names_of_classes(place: Place) -> set[str]:
    found = set()
    for name in annotation_names(place):
        path = _xml(place, name)
        found |= {_text(item, "name", path) for item in _parse(path).findall("object")}
    return found


def _ordered(found: set[str]) -> tuple[str, ...]:
    """Class names in the order of their labels: a known data set's own, VOC's, or sorted."""
    known = [source.classes for source in SOURCES.values() if source.layout == "voc" and set(source.classes) == found]
    if known:
        return known[0]
    return VOC_CLASSES if found <= set(VOC_CLASSES) else tuple(sorted(found))


def _record(
    place: Place,
    name: str,
    image_id: int,
    images: dict[str, list[str]],
    label_of: dict[str, int],
    unknown: Counter[str],
) -> Record:
    """Read one annotation file; names that are no class are counted in `unknown`."""
    path = _xml(place, name)
    root = _parse(path)
    boxes: list[list[float]] = []
    labels: list[int] = []
    difficult: list[bool] = []
    for item in root.findall("object"):
        label_name = _text(item, "name", path)
        hard = _is_difficult(item, path)
        corners = _corners(item, path)
        if label_name not in label_of:
            unknown[label_name] += 1
            continue
        boxes.append(corners)
        labels.append(label_of[label_name])
        difficult.append(hard)
    xyxy = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    solid = (xyxy[:, 2:] > xyxy[:, :2]).all(axis=1)
    xyxy[solid, :2] -= 1  # from "first pixel, counted from 1" to the point where that pixel begins
    width, height = (_side(root.findtext(f"size/{key}")) for key in ("width", "height"))
    file_name = _picture(name, (root.findtext("filename") or "").strip(), images, path)
    return Record(image_id, file_name, width, height, xyxy, np.array(labels), np.array(difficult))


def _picture(name: str, told: str, images: dict[str, list[str]], path: Path) -> str:
    """The picture of an annotation: the one of its name; where there are several, the one that it tells itself."""
    told = composed(told.replace("\\", "/"))
    name = composed(name)
    found = images.get(name)
    if found is None:  # pictures in sub-folders, annotations in one: by the path that is told, or the name alone
        own = told.rpartition(".")[0]
        base = name.rpartition("/")[2]
        found = [] if leads_outside(told) else images.get(own, [])
        found = found or images.get(f"*/{name}") or images.get(base) or []
    if len(found) > 1:
        matching = [file for file in found if composed(file).rpartition("/")[2] == told.rpartition("/")[2]]
        if len(matching) != 1:
            raise ValueError(
                f"{printable(path)} may belong to {' or '.join(sorted(shortened(file) for file in found))}, and its "
                f"<filename> is {shortened(told)}: rename or remove one of them."
            )
        found = matching
    return found[0] if found else f"{name}.jpg"


def _text(item: ElementTree.Element, key: str, path: Path) -> str:
    """The text of an object's only element ``key``."""
    elements = item.findall(key)
    text = (elements[0].text or "").strip() if len(elements) == 1 else ""
    if not text:
        number = f"{len(elements) or 'no'} <{key}>"
        raise ValueError(f"{printable(path)}: an object has {number}; it must have one, with a class in it.")
    return text


def _corners(item: ElementTree.Element, path: Path) -> list[float]:
    """xmin, ymin, xmax, ymax of an object."""
    boxes = item.findall("bndbox")
    texts = [boxes[0].findtext(key) for key in ("xmin", "ymin", "xmax", "ymax")] if len(boxes) == 1 else []
    try:
        if len(texts) == 4:
            return [float(text or "") for text in texts]
    except ValueError:
        pass
    told = ", ".join(shortened(text) for text in texts) or counted(len(boxes), "boxes")
    raise ValueError(f"{printable(path)}: an object must have one <bndbox> of four numbers; it has {told}.")


def _is_difficult(item: ElementTree.Element, path: Path) -> bool:
    text = (item.findtext("difficult") or "").strip().lower()
    if text in ("1", "true", "yes"):
        return True
    if text in ("", "0", "false", "no", "unspecified"):
        return False
    raise ValueError(f"{printable(path)}: an object has <difficult> {shortened(text)}; it must be 0 or 1.")


def _side(text: str | None) -> int:
    """Height or width in pixels; some annotation tools leave it out or write 0: then the picture tells, and it is 0."""
    try:
        side = float(text or 0)
    except ValueError:
        return 0
    return int(side) if math.isfinite(side) and 0 < side < 2**31 else 0
