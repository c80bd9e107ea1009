"""Images and boxes: generated shapes, readers of every usual format, downloads, augmentation (Sec. 4, training data).

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
        conversion,
        cvat,
        dataset,
        decoding,
        division,
        downloads,
        folders,
        formats,
        imagefolder,
        labelme,
        loading,
        photographs,
        processes,
        shapes,
        sources,
        statistics,
        tables,
        transforms,
        videos,
        voc,
        wrapped,
        yolo,
    )
    from .annotations import Annotations
    from .coco import COCODataset
    from .combined import CachedDataset, JoinedDataset, cached
    from .conversion import convert
    from .cvat import CVATDataset
    from .dataset import DetectionDataset, FileDataset, Transforms, collate
    from .decoding import IMAGE_SUFFIXES, CorruptImageError, read_image
    from .division import divide_folder
    from .downloads import DownloadError, fetch
    from .imagefolder import HuggingFaceDataset, ImagefolderDataset
    from .labelme import LabelmeDataset
    from .loading import load, load_annotations
    from .photographs import PHOTOGRAPHS, Photograph
    from .shapes import ShapesDataset
    from .sources import BCCD_CLASSES, NAMES, SHAPES_CLASSES, VOC_CLASSES, data_root
    from .statistics import Summary, summary
    from .tables import TableDataset
    from .videos import Video
    from .voc import VOCDataset
    from .wrapped import WrappedDataset, as_dataset
    from .yolo import YOLODataset
else:
    from .._lazy import lazy

    __getattr__, __dir__ = lazy(
        __name__,
        {
            "annotations": ("Annotations",),
            "coco": ("COCODataset",),
            "combined": ("CachedDataset", "JoinedDataset", "cached"),
            "conversion": ("convert",),
            "cvat": ("CVATDataset",),
            "dataset": ("DetectionDataset", "FileDataset", "Transforms", "collate"),
            "decoding": ("IMAGE_SUFFIXES", "CorruptImageError", "read_image"),
            "division": ("divide_folder",),
            "downloads": ("DownloadError", "fetch"),
            "imagefolder": ("HuggingFaceDataset", "ImagefolderDataset"),
            "labelme": ("LabelmeDataset",),
            "loading": ("load", "load_annotations"),
            "photographs": ("PHOTOGRAPHS", "Photograph"),
            "shapes": ("ShapesDataset",),
            "sources": ("BCCD_CLASSES", "NAMES", "SHAPES_CLASSES", "VOC_CLASSES", "data_root"),
            "statistics": ("Summary", "summary"),
            "tables": ("TableDataset",),
            "videos": ("Video",),
            "voc": ("VOCDataset",),
            "wrapped": ("WrappedDataset", "as_dataset"),
            "yolo": ("YOLODataset",),
        },
        modules=(
            "annotations",
            "boxes",
            "coco",
            "combined",
            "conversion",
            "cvat",
            "dataset",
            "decoding",
            "division",
            "downloads",
            "folders",
            "formats",
            "imagefolder",
            "labelme",
            "loading",
            "photographs",
            "processes",
            "shapes",
            "sources",
            "statistics",
            "tables",
            "transforms",
            "videos",
            "voc",
            "wrapped",
            "yolo",
        ),
    )

__all__ = [
    "Annotations",
    "BCCD_CLASSES",
    "COCODataset",
    "CVATDataset",
    "CachedDataset",
    "CorruptImageError",
    "DetectionDataset",
    "DownloadError",
    "FileDataset",
    "HuggingFaceDataset",
    "IMAGE_SUFFIXES",
    "ImagefolderDataset",
    "JoinedDataset",
    "LabelmeDataset",
    "NAMES",
    "PHOTOGRAPHS",
    "Photograph",
    "SHAPES_CLASSES",
    "ShapesDataset",
    "Summary",
    "TableDataset",
    "Transforms",
    "VOCDataset",
    "VOC_CLASSES",
    "Video",
    "WrappedDataset",
    "YOLODataset",
    "annotations",
    "as_dataset",
    "boxes",
    "cached",
    "coco",
    "collate",
    "combined",
    "conversion",
    "convert",
    "cvat",
    "data_root",
    "dataset",
    "decoding",
    "divide_folder",
    "division",
    "downloads",
    "fetch",
    "folders",
    "formats",
    "imagefolder",
    "labelme",
    "load",
    "load_annotations",
    "loading",
    "photographs",
    "processes",
    "read_image",
    "shapes",
    "sources",
    "statistics",
    "summary",
    "tables",
    "transforms",
    "videos",
    "voc",
    "wrapped",
    "yolo",
]
