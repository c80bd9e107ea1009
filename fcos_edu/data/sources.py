"""The data sets that are known by name, in one table (Sec. 4 trains on COCO; the book's photographs are BCCD).

Taught in the chapter *Your own boxes*. Checked against torchvision's own table of the years of VOC.

To add a data set, add an entry to ``SOURCES``: its name on the command line, its download, its layout and the order of
its classes follow from there. This module loads neither torch nor torchvision, as ``--help`` lists the names.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..places import expanded


@dataclass(frozen=True, slots=True)
class Archive:
    """One file of a data set and what becomes of it.

    Args:
        url: where the publisher has it.
        known_hash: "md5:..." or "sha256:..." of the archive, or None where the archive's bytes may change
            though its files do not; then `digest` guards the files.
        inner: folder inside the archive that is wanted, "" for all of it; "*" stands for one unknown name.
        target: folder below the data folder that `inner` becomes; its contents are joined if it exists.
        proof: files or folders below `target` that are there once the archive is unpacked.
        digest: sha256 over the unpacked files, see `downloads.folder_digest`.
        digest_folders: the folders of `target` that the digest covers.
    """

    url: str
    known_hash: str | None
    inner: str
    target: str
    proof: tuple[str, ...]
    digest: str | None = None
    digest_folders: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """Last part of the address."""
        return self.url.rsplit("/", 1)[1]


@dataclass(frozen=True, slots=True)
class Source:
    """A data set that is known by name."""

    title: str  # as tables print it
    layout: str  # the module of `fcos_edu.data` that reads it
    archives: Mapping[str, tuple[Archive, ...]]  # what each split needs; nothing where the pictures are drawn
    folder: str = ""  # below the data folder
    classes: tuple[str, ...] = ()  # in the order of the labels; empty: as the annotations have them
    size: str = ""  # of all downloads
    licence: str = ""
    fetched_unasked: bool = False  # a few megabytes; larger ones have to be asked for
    options: Mapping[str, Any] = field(default_factory=dict)  # of pictures that are drawn: arguments of `ShapesDataset`

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of its splits."""
        return tuple(self.archives)


VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def _voc(file: str, md5: str, splits: Sequence[str]) -> Archive:
    """One of the archives of VOC, as ``VOCtest_06-Nov-2007.tar``."""
    year = file.removesuffix(".tar")[-4:]
    return Archive(
        url=f"https://thor.robots.ox.ac.uk/pascal/VOC/voc{year}/{file}",
        known_hash=f"md5:{md5}",
        inner=f"VOCdevkit/VOC{year}",
        target=f"VOCdevkit/VOC{year}",  # where torchvision has it too
        proof=("Annotations", "JPEGImages", *(f"ImageSets/Main/{split}.txt" for split in splits)),
    )


def _coco(file: str, md5: str, inner: str, proof: tuple[str, ...] = ("",)) -> Archive:
    """One of the archives of COCO 2017."""
    return Archive(
        url=f"http://images.cocodataset.org/{file}",  # plain http: the hash is the only protection
        known_hash=f"md5:{md5}",
        inner=inner,
        target=f"coco2017/{inner}",
        proof=proof,
    )


_BCCD = Archive(
    url="https://github.com/Shenggan/BCCD_Dataset/archive/d272fb14cdff6e473fafeeeba32aba5f560e9e43.zip",
    known_hash=None,  # the host may pack the same commit into other bytes
    inner="*/BCCD",
    target="bccd",
    proof=("Annotations", "ImageSets/Main", "JPEGImages"),
    digest="1b1191ae5a8d57682f06817c044db1c128df92e44eb6ed35a0b86d2265c48e48",
    digest_folders=("Annotations", "ImageSets/Main", "JPEGImages"),
)
_VOC2007 = _voc("VOCtrainval_06-Nov-2007.tar", "c52e279531787c972589f7e41ab4ae64", ("train", "val"))
_VOC2007_TEST = _voc("VOCtest_06-Nov-2007.tar", "b6e924de25625d8de591ea690078ad9f", ("test",))
_VOC2012 = _voc("VOCtrainval_11-May-2012.tar", "6cd6e144f989b92b3379bac3b3de84fd", ("train", "val"))
_COCO_BOXES = _coco(
    "annotations/annotations_trainval2017.zip",
    "f4bbac642086de4f52a3fdda2de5fa2c",
    "annotations",
    ("instances_train2017.json", "instances_val2017.json"),
)
_COCO_TRAIN = _coco("zips/train2017.zip", "cced6f7f71b7629ddf16f17bbcfab6b2", "train2017")
_COCO_VAL = _coco("zips/val2017.zip", "442b8da7639aecaf257c1dceb8ba8c80", "val2017")

SHAPES_CLASSES = ("disc", "ring", "triangle", "square", "cross")

SOURCES: dict[str, Source] = {
    "shapes": Source(
        title="shapes",
        layout="shapes",
        archives=dict.fromkeys(("train", "val", "test"), ()),
        classes=SHAPES_CLASSES,
    ),
    # Where the paper's questions exist: boxes over others, and over others of their class so far that NMS must choose;
    # sides from 12 to 240 pixels; thin ones. Smaller or thinner, and many would lie between the locations of P3.
    "shapes-hard": Source(
        title="hard shapes",
        layout="shapes",
        archives=dict.fromkeys(("train", "val", "test"), ()),
        classes=SHAPES_CLASSES,
        options={
            "name": "shapes-hard",
            "sizes": (12.0, 240.0),
            "max_objects": 16,
            "min_visible": 0.2,
            "thinnest": 0.2,
            "twins": 0.1,
        },
    ),
    "bccd": Source(
        title="BCCD",
        layout="voc",
        archives=dict.fromkeys(("train", "val", "test"), (_BCCD,)),
        folder="bccd",
        classes=("RBC", "WBC", "Platelets"),
        size="8 MB",
        licence="MIT",
        fetched_unasked=True,
    ),
    "voc2007": Source(
        title="VOC 2007",
        layout="voc",
        archives={"train": (_VOC2007,), "val": (_VOC2007,), "test": (_VOC2007_TEST,)},
        folder="VOCdevkit/VOC2007",
        classes=VOC_CLASSES,
        size="0.9 GB",
        licence="Flickr's terms, for each photograph",
    ),
    "voc2012": Source(
        title="VOC 2012",
        layout="voc",
        archives={"train": (_VOC2012,), "val": (_VOC2012,)},
        folder="VOCdevkit/VOC2012",
        classes=VOC_CLASSES,
        size="2 GB",
        licence="Flickr's terms, for each photograph",
    ),
    "coco2017": Source(
        title="COCO",
        layout="coco",
        archives={"train": (_COCO_BOXES, _COCO_TRAIN), "val": (_COCO_BOXES, _COCO_VAL)},
        folder="coco2017",
        size="20 GB (val alone 1 GB)",
        licence="boxes CC BY 4.0; Flickr's terms, for each photograph",
    ),
}
NAMES = tuple(SOURCES)
BCCD_CLASSES = SOURCES["bccd"].classes


def fetched() -> dict[str, Source]:
    """The data sets of the table that are downloaded; the others are drawn."""
    return {name: source for name, source in SOURCES.items() if any(source.archives.values())}


FORMATS = ("voc", "coco", "yolo", "labelme", "cvat", "imagefolder", "csv")  # as `formats` reads them


def named(path: str | Path) -> tuple[str | None, Path]:
    """The format that a path names before a colon, as in ``yolo:my_folder``, or None, and the path itself."""
    name, colon, rest = str(path).partition(":")
    if colon and rest and name in FORMATS and not Path(path).exists():
        return name, Path(rest)
    return None, Path(path)


def located(path: str | Path) -> Path:
    """A path with ``~`` as the home, also behind the name of a format: ``yolo:~/my_folder``.

    Raises:
        FileNotFoundError: it is empty, which would be the current folder; or no home is known.
        OSError: its links lead in a circle.
    """
    if not str(path).strip():
        raise FileNotFoundError("the path is empty; the current folder is .")
    known, rest = named(path)
    return expanded(rest) if known is None else Path(f"{known}:{expanded(rest)}")


def data_root() -> Path:
    """The folder of all downloaded data: FCOS_EDU_DATA, or else the platform's folder for user data.

    Raises FileNotFoundError where that is in a home folder, and none is known.
    """
    chosen = os.environ.get("FCOS_EDU_DATA")
    another = "name another folder with FCOS_EDU_DATA"
    if chosen:
        return expanded(chosen, another)
    import platformdirs

    # A cache folder may be emptied by the system at any time; 20 GB are worth a lasting place.
    try:
        return expanded(platformdirs.user_data_path("fcos-edu", appauthor=False), another)
    except RuntimeError as error:  # of newer versions; older ones give a path with ~ in it
        raise FileNotFoundError(f"no home folder is known ({error}): {another}") from None
