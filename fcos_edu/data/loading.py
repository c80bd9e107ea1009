"""`load` and `load_annotations`: images and boxes, or boxes alone, by a name or by a folder (Sec. 4, training data).

Taught in the chapter *Your own boxes*. Checked with folders of each layout, with names and with faults.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..places import expanded
from ._headers import each_header_once
from .annotations import Annotations, join
from .combined import JoinedDataset
from .dataset import DetectionDataset, FileDataset, Transforms
from .decoding import MAX_PIXELS
from .downloads import fetch
from .formats import FORMATS, read_path
from .imagefolder import is_hugging_face, of_hugging_face
from .shapes import ShapesDataset
from .sources import NAMES, SOURCES, data_root, located, named


def load(
    name_or_path: Any,
    split: str = "train",
    *,
    transforms: Transforms | None = None,
    on_corrupt: str = "error",
    keep_empty: bool | None = None,
    orientation: str = "auto",
    max_pixels: int = MAX_PIXELS,
    allow_outside: bool = False,
    classes: Sequence[str] | None = None,
    root: str | Path | None = None,
    download: bool | None = None,
    **options: Any,
) -> DetectionDataset:
    """A dataset by its name or by the path of a folder, in any of the forms that `formats.FORMATS` lists.

    Args:
        name_or_path: one of NAMES, or a folder. A name is taken as a name even if a folder of that name
            exists; write "./bccd" for the folder. Several joined by "+", as "voc2007+voc2012", become one. Where a
            folder could be of two formats, "yolo:my_folder" says which. A ``datasets.Dataset`` or ``DatasetDict`` is
            taken too.
        split: "train", "val", "test" or "train+val" (also "trainval"), as far as the dataset has them. A folder
            without splits is "train"; `fcos-edu data split` writes lists that divide it.
        transforms: called with (image, target), see `fcos_edu.data.transforms`.
        on_corrupt: "error", or "skip" to leave images out that cannot be read; see `collate`.
        keep_empty: keep images without a usable box. By default only training splits leave them out.
        orientation, max_pixels, allow_outside: how pictures are read, and which; see `dataset.FileDataset`.
        classes: names in the order of the labels; by default the dataset's own.
        root: the data folder; `data_root()` by default.
        download: fetch the data if it does not lie in the data folder. By default only BCCD is fetched
            unasked.
        options: for "shapes" and "shapes-hard", arguments of `ShapesDataset`, such as num_images, seed and size.

    Raises:
        FileNotFoundError: no such folder, or the data has not been downloaded; the text says what to do.
        ValueError: an unknown split or name, or a folder of another layout.
        DownloadError: the download failed.
    """
    if is_hugging_face(name_or_path):
        more = dict(transforms=transforms, keep_empty=keep_empty, classes=classes)
        return of_hugging_face(name_or_path, split, **more, **options)
    name = str(name_or_path)
    if "+" in name and not expanded(name).exists():
        common: dict[str, Any] = dict(
            classes=classes, root=root, download=download, on_corrupt=on_corrupt, keep_empty=keep_empty,
            orientation=orientation, max_pixels=max_pixels, allow_outside=allow_outside,
        )  # fmt: skip
        parts = [load(part, split, **common, **options) for part in name.split("+")]
        return JoinedDataset(parts, transforms=transforms)
    source = SOURCES.get(name)
    if source is not None and source.layout == "shapes":
        if classes is not None:
            raise ValueError(f"{name} has its own classes, {', '.join(source.classes)}; leave classes out.")
        return ShapesDataset(split=split, transforms=transforms, **{**source.options, **options})
    if options:
        raise TypeError(
            f"{name} takes no option {', '.join(sorted(options))}; only drawn shapes have options of their own."
        )
    if source is not None:
        folder = fetch(name, split, root=root, download=source.fetched_unasked if download is None else download)
        classes = (source.classes or None) if classes is None else classes
    else:
        folder = located(name)
        if not named(folder)[1].is_dir():
            raise FileNotFoundError(
                f"{name!r} is neither a folder nor a known dataset; the known ones are {', '.join(NAMES)}."
            )
    with each_header_once():
        if source is not None:
            annotations = FORMATS[source.layout].read(folder, split, classes=classes)
        else:
            annotations = read_path(folder, split, classes=classes)
        return FileDataset(
            annotations,
            keep_empty="train" not in split if keep_empty is None else keep_empty,
            on_corrupt=on_corrupt,
            transforms=transforms,
            orientation=orientation,
            max_pixels=max_pixels,
            allow_outside=allow_outside,
            trust_sizes=source is not None,
        )


def load_annotations(name_or_path: str | Path, split: str | None = None, *, pictures: bool = False) -> Annotations:
    """All images and boxes of a data set, from its annotations alone: no picture is needed, and none is read.

    Args:
        name_or_path: a folder, or one file with all boxes, in any format; one of NAMES. Of these, "bccd" is
            downloaded if it is not there; VOC and COCO, which are large, must be there, their annotations at least.
            Several joined by "+" become one, with the image ids 1, 2, ..., as with `load`.
        split: of a folder or a name; a file has none. By default all annotations of a VOC folder and of "bccd", the
            only split of a COCO folder, and "train" of drawn shapes.
        pictures: look for the pictures too, so that :meth:`.Annotations.path` can tell where they are.

    Raises:
        FileNotFoundError: there is no such file, folder or split's file; with ``pictures``, or no pictures.
        ValueError: a file or folder of no format that is known, or a split that does not exist.
    """
    name = str(name_or_path)
    if "+" in name and not expanded(name).exists():
        parts = [load_annotations(part, split, pictures=pictures) for part in name.split("+")]
        return join(parts, name, renumber=True)
    source = SOURCES.get(name)
    if source is not None and source.layout == "shapes":
        return ShapesDataset(split=split or "train", **source.options).annotations()
    if source is not None and source.fetched_unasked:
        place = fetch(name)
    else:
        place = located(name) if source is None else data_root() / source.folder
    if not named(place)[1].exists():
        if source is not None:
            raise FileNotFoundError(
                f"{name} is not in the data folder: fetch it with fcos-edu data download {name}, or give its "
                f"annotations as a file or folder"
            )
        raise FileNotFoundError(
            f"there is no annotation file or folder {place}; give a file or folder in the format of COCO, VOC, YOLO, "
            f"labelme, CVAT, an imagefolder or CSV, or one of {', '.join(NAMES)}"
        )
    if source is None:
        return read_path(place, split, pictures=pictures)
    return FORMATS[source.layout].read(place, split, classes=source.classes or None, pictures=pictures)
