"""Folders as tools, machines and their users really leave them: odd places, hidden files, names of other systems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fcos_edu.data import load

from . import refused, right, told
from .labels import BOX, LABELME, LINE, NAMES, ROW, VOC, boxes, read, yolo
from .pictures import picture

HIDDEN = b"\0\5\x16\7\0\2\0\0Mac OS X        \0\2\0\0"


def document(classes: tuple[str, ...] = ("nut", "bolt"), name: str = "a.png", category: int = 1) -> dict[str, Any]:
    """A file in COCO's format with one picture and one box."""
    return {
        "images": [{"id": 1, "file_name": name, "width": 40, "height": 30}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": category, "bbox": [15, 9, 10, 12]}],
        "categories": [{"id": i, "name": name} for i, name in enumerate(classes, start=1)],
    }


@right(
    "Labels of tools", "Label Studio: YOLO with its notes.json, VOC with images/, COCO with paths of its server", "read"
)
def _(folder: Path) -> None:
    notes = {"categories": [{"id": 0, "name": "nut"}, {"id": 1, "name": "bolt"}], "info": {"version": "1.0"}}
    made = read(
        folder / "1", {"classes.txt": "nut\nbolt", "images/a.png": "", "labels/a.txt": LINE, "notes.json": notes}
    )
    assert boxes(made) == [BOX] and made.classes == ("nut", "bolt")
    assert boxes(read(folder / "2", {"Annotations/a.xml": VOC, "images/a.png": ""})) == [BOX]
    for k, name in enumerate(("../../media/upload/1/a.png", "/data/upload/1/a.png", "https://a.example/1/a.png")):
        assert boxes(read(folder / f"3{k}", {"result.json": document(name=name), "images/a.png": ""})) == [BOX]


@right(
    "Labels of tools",
    "CVAT: VOC with default.txt or Train.txt and Validation.txt, COCO with instances_Train.json",
    "read, and the subsets are the splits",
)
def _(folder: Path) -> None:
    voc = {"Annotations/a.xml": VOC, "JPEGImages/a.png": "", "Annotations/b.xml": VOC, "JPEGImages/b.png": ""}
    assert len(read(folder / "1", voc | {"ImageSets/Main/default.txt": "a\nb\n"})) == 2
    lists = {"ImageSets/Main/Train.txt": "a\n", "ImageSets/Main/Validation.txt": "b\n"}
    assert read(folder / "2", voc | lists, "val").file_name(0) == "b.png"
    coco = {
        "annotations/instances_Train.json": document(),
        "annotations/instances_Validation.json": document(name="b.png"),
        "images/Train/a.png": "",
        "images/Validation/b.png": "",
    }
    assert read(folder / "3", coco).file_name(0) == "a.png" and load(folder / "3", "val").file_name(0) == "b.png"


@right(
    "Labels of tools",
    "COCO: validation.json, train_annotations.json and val_annotations.json, labels.json with data/ (FiftyOne)",
    "read",
)
def _(folder: Path) -> None:
    for k, names in enumerate((("train", "validation"), ("train_annotations", "val_annotations"))):
        files = {f"{names[0]}.json": document(), f"{names[1]}.json": document(name="b.png")}
        made = read(folder / f"{k}", files | {"images/a.png": "", "images/b.png": ""}, "val")
        assert made.file_name(0) == "b.png"
    assert boxes(read(folder / "2", {"labels.json": document(), "data/a.png": ""})) == [BOX]


@right("Labels of tools", "CSV: train_labels.csv and test_labels.csv", "the splits train and test")
def _(folder: Path) -> None:
    files = {f"{split}_labels.csv": f"{split}.png,15,9,25,21,nut\n" for split in ("train", "test")}
    made = read(folder, files | {"train.png": "", "test.png": ""}, "test")
    assert made.file_name(0) == "test.png" and boxes(made) == [BOX]


@right("Labels of tools", "a folder packed by macOS: ._a.txt, ._a.xml, ._a.json, __MACOSX, Thumbs.db", "passed over")
def _(folder: Path) -> None:
    labels = {"xml": VOC, "txt": LINE, "json": LABELME | {"imagePath": "0.png"}}
    for suffix, label in labels.items():
        files: dict[str, Any] = {
            "Thumbs.db": "",
            "classes.txt": "nut\nbolt",
            "__MACOSX/._0.xml": HIDDEN,
            "__MACOSX/._0.txt": HIDDEN,
        }
        for i in range(25):  # more than are looked at
            files |= {f"{i}.png": "", f"{i}.{suffix}": label, f"._{i}.{suffix}": HIDDEN}
        assert len(read(folder / suffix, files)) == 25


@right(
    "Labels of tools",
    "YOLO: Darknet's obj.data, obj.names and lists, also in data/",
    "read; its valid is the split val",
)
def _(folder: Path) -> None:
    told = "classes = 2\ntrain  = data/train.txt\nvalid  = data/test.txt\nnames = data/obj.names\nbackup = backup/\n"
    files = {
        "obj.data": told,
        "obj.names": "nut\nbolt\n",
        "train.txt": "data/obj/a.png\n",
        "test.txt": "data/obj/b.png\n",
    }
    files |= {"obj/a.png": "", "obj/a.txt": LINE, "obj/b.png": "", "obj/b.txt": LINE}
    for k, start in enumerate(("", "data/")):
        made = read(folder / f"{k}", {start + name: content for name, content in files.items()}, "val")
        assert made.file_name(0) == f"{start}obj/b.png" and made.classes == ("nut", "bolt")


@right(
    "Labels of tools",
    "YOLO: Images/ and Labels/, a.PNG with a.TXT, photos/ beside labels/, labels/ beside a.png",
    "read",
)
def _(folder: Path) -> None:
    picture(30, 40).save(folder / "a.PNG")
    assert boxes(read(folder, {"classes.txt": "nut\nbolt", "a.TXT": LINE})) == [BOX]
    for k, (shown, labels) in enumerate((("Images/", "Labels/"), ("photos/", "labels/"), ("", "labels/"))):
        files = {"data.yaml": NAMES, f"{shown}a.png": "", f"{labels}a.txt": LINE}
        assert boxes(read(folder / f"{k}", files)) == [BOX]


@right("Labels of tools", "YOLO: a folder that begins with many pictures without objects", "read")
def _(folder: Path) -> None:
    files: dict[str, Any] = {"classes.txt": "nut\nbolt"}
    for i in range(10, 40):
        files |= {f"{i}.png": "", f"{i}.txt": "" if i < 39 else LINE}
    assert len(read(folder, files, keep_empty=True)) == 30


@refused(
    "Labels of tools",
    "YOLO: classes.txt of train and val that number the classes otherwise (LabelImg)",
    "train/classes.txt calls class 0 'nut', and val/classes.txt calls it 'bolt': make …",
)
def _(folder: Path) -> None:
    files = {"train/classes.txt": "nut\nbolt", "train/a.png": "", "train/a.txt": LINE}
    read(folder, files | {"val/classes.txt": "bolt\nnut", "val/b.png": "", "val/b.txt": LINE})


@right("Labels of tools", "YOLO: a classes.txt that goes on where another one ends", "the longer one")
def _(folder: Path) -> None:
    files = {"images/train/a.png": "", "labels/train/a.txt": LINE, "labels/train/classes.txt": "nut\nbolt"}
    files |= {
        "images/val/b.png": "",
        "labels/val/b.txt": "2 0.5 0.5 0.25 0.4\n",
        "labels/val/classes.txt": "nut\nbolt\nring",
    }
    assert read(folder, files).classes == ("nut", "bolt", "ring")


@refused(
    "Labels of tools",
    "YOLO: test: without a value in data.yaml",
    "FOLDER has no split 'test'; it has train, val.",
)
def _(folder: Path) -> None:
    told = "path: ../datasets/images\ntrain: images/train\nval: images/val\ntest: # optional\n" + NAMES
    files = {f"images/{split}/{split}.png": "" for split in ("train", "val")}
    files |= {f"labels/{split}/{split}.txt": LINE for split in ("train", "val")}
    read(folder, files | {"data.yaml": told}, "test")


@told(
    "Labels of tools",
    "YOLO: a label beside the pictures without one of its own",
    "1 label file has no picture, the first",
)
def _(folder: Path) -> None:
    read(folder, {"classes.txt": "nut\nbolt", "a.png": "", "a.txt": LINE, "b.txt": LINE})


@refused(
    "Labels of tools",
    "labels of a/1.png and b/1.png, where one of the two is missing",
    "FOLDER: labels name the pictures 'a/1.png' and 'b/1.png', and for both there is only 'b/1.png': add …",
)
def _(folder: Path) -> None:
    read(folder, {"boxes.csv": "a/1.png,15,9,25,21,nut\nb/1.png,1,2,9,9,bolt\n", "b/1.png": ""})


@right("Labels of tools", "labelme: ../images/a.png, where two splits have an a.png", "the one that the path leads to")
def _(folder: Path) -> None:
    files = {f"{split}/images/a.png": "" for split in ("train", "val")}
    label = LABELME | {"imagePath": "..\\images\\a.png"}
    made = read(folder, files | {f"{split}/labels/a.json": label for split in ("train", "val")}, "val")
    assert made.file_name(0) == "val/images/a.png"


@right("Labels of tools", "labelme: keys in the order of the alphabet, with the picture inside", "read")
def _(folder: Path) -> None:
    text = json.dumps(LABELME | {"imageData": "A" * 100_000}, sort_keys=True)
    assert boxes(read(folder, {"a.json": text, "a.png": ""})) == [BOX]


@told(
    "Labels of tools", "labelme, VOC, CSV: a picture without a label", "1 picture has no label, and is left out (the …"
)
def _(folder: Path) -> None:
    for k, label in enumerate(({"a.json": LABELME}, {"a.xml": VOC}, {"boxes.csv": "a.png,15,9,25,21,nut"})):
        assert len(read(folder / f"{k}", label | {"a.png": "", "b.png": ""})) == 1


@right("Labels of tools", "VOC: a.XML, and an annotation without a list in a sub-folder of Annotations/", "read")
def _(folder: Path) -> None:
    assert len(read(folder / "1", {"a.xml": VOC, "a.png": "", "b.XML": VOC, "b.png": ""})) == 2
    assert boxes(read(folder / "2", {"Annotations/film/a.xml": VOC, "JPEGImages/a.png": ""})) == [BOX]


@right("Labels of tools", "names with accents as macOS writes them, and A.JPG for A.jpg", "the picture that is meant")
def _(folder: Path) -> None:
    stored, meant = "a\u0308 b.png", "\u00e4 b.png"
    files: dict[str, dict[str, Any]] = {
        "coco": {"train.json": document(name=meant), f"images/{stored}": ""},
        "voc": {"\u00e4 b.xml": VOC, stored: ""},
        "yolo": {"data.yaml": NAMES, f"images/{stored}": "", "labels/\u00e4 b.txt": LINE},
        "csv": {"boxes.csv": f"{meant},15,9,25,21,nut", stored: ""},
        "capitals": {"train.json": document(name="A.PNG"), "images/A.png": ""},
        "csv capitals": {"boxes.csv": "A.PNG,15,9,25,21,nut", "a.png": ""},
    }
    for name, own in files.items():
        assert boxes(read(folder / name, own)) == [BOX], name


@right("Labels of tools", "an imagefolder of the Hub, below data/", "read")
def _(folder: Path) -> None:
    assert boxes(read(folder, {"data/train/metadata.jsonl": ROW, "data/train/a.png": ""})) == [BOX]


@refused(
    "Labels of tools",
    "the files of VIA, Supervisely, CreateML, Label Studio's own, Open Images",
    "FOLDER has neither … nor a CSV file (…). It holds 1 .csv, 1 .png: a.csv is a list of Open Images, …",
)
def _(folder: Path) -> None:
    others: dict[str, Any] = {
        "VIA": {"a.json": {"a.png9": {"regions": [{"shape_attributes": {"name": "rect", "x": 1}}]}}},
        "Supervisely": {"meta.json": {"classes": []}, "ds/ann/a.png.json": {"objects": [{"classTitle": "nut"}]}},
        "CreateML": {"a.json": [{"image": "a.png", "annotations": [{"label": "nut", "coordinates": {"x": 1}}]}]},
        "Label Studio": {"a.json": [{"id": 1, "annotations": [{"result": []}], "data": {"image": "a.png"}}]},
        "Open Images": {"a.csv": "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax\n"},
    }
    for name, files in others.items():
        try:
            read(folder / name, files | {"a.png": ""})
        except ValueError as error:
            assert name in str(error), error
            last = error
    raise ValueError(str(last).replace(f"{folder / 'Open Images'}", f"{folder}"))


@told(
    "Labels of tools",
    "a labelled picture that came after the lists of the splits",
    "1 labelled picture stands in no list of splits/ (the first is 'images/b.png'): write …",
)
def _(folder: Path) -> None:
    lists = {"splits/train.txt": "images/a.png\n", "splits/val.txt": "images/c.png\n"}
    files = {f"images/{name}.png": "" for name in "bc"} | {f"labels/{name}.txt": LINE for name in "bc"}
    read(folder, yolo() | files | lists)
