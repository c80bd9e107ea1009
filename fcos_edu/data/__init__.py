"""Images and boxes: generated shapes, COCO and VOC readers, downloads, augmentation (Sec. 4, training data).

Taught in the chapter *Your own boxes*. Checked against pycocotools and BCCD's counts.
In short::

    from torch.utils.data import DataLoader

    from fcos_edu import data

    dataset = data.load("shapes", "train", transforms=data.transforms.train_transforms())
    loader = DataLoader(dataset, batch_size=8, collate_fn=data.collate)

Its names are imported when they are first used, so that this package and its list of data sets load no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import boxes, coco, dataset, downloads, loading, shapes, sources, transforms, voc
    from .coco import COCODataset
    from .dataset import (
        CachedDataset,
        CorruptImageError,
        DetectionDataset,
        FileDataset,
        JoinedDataset,
        Summary,
        cached,
        collate,
        read_image,
        summary,
    )
    from .downloads import DownloadError, fetch
    from .loading import load
    from .shapes import ShapesDataset
    from .sources import BCCD_CLASSES, NAMES, VOC_CLASSES, data_root
    from .voc import VOCDataset
else:
    from .._lazy import lazy

    __getattr__, __dir__ = lazy(
        __name__,
        {
            "coco": ("COCODataset",),
            "dataset": (
                "CachedDataset",
                "CorruptImageError",
                "DetectionDataset",
                "FileDataset",
                "JoinedDataset",
                "Summary",
                "cached",
                "collate",
                "read_image",
                "summary",
            ),
            "downloads": ("DownloadError", "fetch"),
            "loading": ("load",),
            "shapes": ("ShapesDataset",),
            "sources": ("BCCD_CLASSES", "NAMES", "VOC_CLASSES", "data_root"),
            "voc": ("VOCDataset",),
        },
        modules=("boxes", "coco", "dataset", "downloads", "loading", "shapes", "sources", "transforms", "voc"),
    )

__all__ = [
    "BCCD_CLASSES",
    "NAMES",
    "VOC_CLASSES",
    "COCODataset",
    "CachedDataset",
    "CorruptImageError",
    "DetectionDataset",
    "DownloadError",
    "FileDataset",
    "JoinedDataset",
    "ShapesDataset",
    "Summary",
    "VOCDataset",
    "boxes",
    "cached",
    "coco",
    "collate",
    "data_root",
    "dataset",
    "downloads",
    "fetch",
    "load",
    "loading",
    "read_image",
    "shapes",
    "sources",
    "summary",
    "transforms",
    "voc",
]
