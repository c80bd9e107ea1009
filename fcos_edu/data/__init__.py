"""Images and boxes: generated shapes, COCO and VOC readers, downloads, augmentation (Sec. 4, training data).

Taught in the chapter *Your own boxes*. Checked against pycocotools and BCCD's counts.
In short::

    from torch.utils.data import DataLoader

    from fcos_edu import data

    dataset = data.load("shapes", "train", transforms=data.transforms.train_transforms())
    loader = DataLoader(dataset, batch_size=8, collate_fn=data.collate)

Its names are imported when they are first used, so that this package and its list of data sets load no torch.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import (
        annotations,
        boxes,
        coco,
        combined,
        dataset,
        decoding,
        downloads,
        formats,
        loading,
        processes,
        shapes,
        sources,
        statistics,
        transforms,
        voc,
    )
    from .annotations import Annotations
    from .coco import COCODataset
    from .combined import CachedDataset, JoinedDataset, cached
    from .dataset import DetectionDataset, FileDataset, Transforms, collate
    from .decoding import IMAGE_SUFFIXES, CorruptImageError, read_image
    from .downloads import DownloadError, fetch
    from .loading import load, load_annotations
    from .shapes import ShapesDataset
    from .sources import BCCD_CLASSES, NAMES, SHAPES_CLASSES, VOC_CLASSES, data_root
    from .statistics import Summary, summary
    from .voc import VOCDataset
else:
    from .._lazy import lazy

    __getattr__, __dir__ = lazy(
        __name__,
        {
            "annotations": ("Annotations",),
            "coco": ("COCODataset",),
            "combined": ("CachedDataset", "JoinedDataset", "cached"),
            "dataset": ("DetectionDataset", "FileDataset", "Transforms", "collate"),
            "decoding": ("IMAGE_SUFFIXES", "CorruptImageError", "read_image"),
            "downloads": ("DownloadError", "fetch"),
            "loading": ("load", "load_annotations"),
            "shapes": ("ShapesDataset",),
            "sources": ("BCCD_CLASSES", "NAMES", "SHAPES_CLASSES", "VOC_CLASSES", "data_root"),
            "statistics": ("Summary", "summary"),
            "voc": ("VOCDataset",),
        },
        modules=(
            "annotations",
            "boxes",
            "coco",
            "combined",
            "dataset",
            "decoding",
            "downloads",
            "formats",
            "loading",
            "processes",
            "shapes",
            "sources",
            "statistics",
            "transforms",
            "voc",
        ),
    )

__all__ = [
    "Annotations",
    "BCCD_CLASSES",
    "COCODataset",
    "CachedDataset",
    "CorruptImageError",
    "DetectionDataset",
    "DownloadError",
    "FileDataset",
    "IMAGE_SUFFIXES",
    "JoinedDataset",
    "NAMES",
    "SHAPES_CLASSES",
    "ShapesDataset",
    "Summary",
    "Transforms",
    "VOCDataset",
    "VOC_CLASSES",
    "annotations",
    "boxes",
    "cached",
    "coco",
    "collate",
    "combined",
    "data_root",
    "dataset",
    "decoding",
    "downloads",
    "fetch",
    "formats",
    "load",
    "load_annotations",
    "loading",
    "processes",
    "read_image",
    "shapes",
    "sources",
    "statistics",
    "summary",
    "transforms",
    "voc",
]
