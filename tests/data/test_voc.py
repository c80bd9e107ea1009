"""The VOC reader on hand-written folders, and on BCCD where the data folder holds it."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import VOCDetection

from fcos_edu.data import load, load_annotations, voc
from fcos_edu.data.formats import format_of, splits_of
from fcos_edu.data.voc import VOC_CLASSES, VOCDataset

OBJECT = (
    "<object><name>{0}</name><difficult>{5}</difficult><bndbox><xmin>{1}</xmin><ymin>{2}</ymin>"
    "<xmax>{3}</xmax><ymax>{4}</ymax></bndbox></object>"
)


def write(folder: Path, images: dict[str, list[tuple]], split: str = "train", size: bool = True) -> Path:
    """A VOC folder with grey 40×30 photographs; objects are (name, xmin, ymin, xmax, ymax[, difficult])."""
    for part in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for name, objects in images.items():
        Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(folder / "JPEGImages" / f"{name}.jpg")
        body = "".join(OBJECT.format(*item, *([0] if len(item) == 5 else [])) for item in objects)
        shape = "<size><width>40</width><height>30</height><depth>3</depth></size>" if size else ""
        (folder / "Annotations" / f"{name}.xml").write_text(f"<annotation>{shape}{body}</annotation>")
    (folder / "ImageSets" / "Main" / f"{split}.txt").write_text("".join(f"{name}\n" for name in images))
    return folder


def test_pixels_become_points(tmp_path) -> None:
    # Pixels 1..40 and 1..30, both ends included, are the whole image: 0..40 and 0..30.
    dataset = VOCDataset(write(tmp_path, {"a": [("cat", 1, 1, 40, 30), ("dog", 11, 6, 20, 15)]}))
    image, target = dataset[0]
    assert image.shape == (3, 30, 40)
    assert target["boxes"].tolist() == [[0, 0, 40, 30], [10, 5, 20, 15]]
    assert target["labels"].tolist() == [VOC_CLASSES.index("cat"), VOC_CLASSES.index("dog")]
    assert dataset.ground_truth()["annotations"][1]["bbox"] == [10, 5, 10, 10]
    assert dataset.ground_truth()["annotations"][1]["area"] == 100
    assert dataset.file_name(0) == "a.jpg"


def test_what_is_left_out_is_counted_in_one_warning(tmp_path) -> None:
    objects = {
        "a": [("cat", 5, 5, 20, 20), ("cat", 7, 7, 7, 20), ("unicorn", 1, 1, 9, 9), ("cat", 1, 1, 9, 9, 1)],
        "b": [("cat", 50, 5, 60, 20)],
        "c": [],
    }
    folder = write(tmp_path, objects)
    with pytest.warns(UserWarning) as caught:
        dataset = VOCDataset(folder, classes=("cat",), keep_empty=False)
    assert len(caught) == 1 and "'unicorn'" in str(caught[0].message)
    assert dataset.warning_counts == {
        "boxes of unknown classes ('unicorn')": 1,
        "boxes marked difficult": 1,
        "degenerate boxes": 2,  # one without width, one outside the image
        "images without a usable box": 2,
    }
    assert len(dataset) == 1 and dataset[0][1]["boxes"].tolist() == [[4, 4, 20, 20]]
    ignored = [a["bbox"] for a in dataset.ground_truth()["annotations"] if a["iscrowd"]]
    assert ignored == [[0, 0, 9, 9]]


def test_evaluation_keeps_images_without_boxes(tmp_path) -> None:
    dataset = VOCDataset(write(tmp_path, {"a": [("cat", 5, 5, 20, 20)], "b": []}, "test"), "test")
    assert len(dataset) == 2 and dataset[1][1]["boxes"].shape == (0, 4)
    assert [image["id"] for image in dataset.ground_truth()["images"]] == dataset.image_ids


def test_boxes_over_the_border_are_cut(tmp_path) -> None:
    dataset = VOCDataset(write(tmp_path, {"a": [("cat", 31, 21, 50, 44)]}))
    assert dataset[0][1]["boxes"].tolist() == [[30, 20, 40, 30]]
    assert dataset.ground_truth()["annotations"][0]["bbox"] == [30, 20, 20, 24]


def test_own_classes_are_the_same_in_every_split(tmp_path) -> None:
    write(tmp_path, {"a": [("bolt", 5, 5, 20, 20)]}, "train")
    write(tmp_path, {"b": [("anvil", 5, 5, 20, 20)]}, "val")
    for split in ("train", "val", "train+val", "trainval"):
        assert VOCDataset(tmp_path, split).classes == ("anvil", "bolt")
    assert len(VOCDataset(tmp_path, "train+val")) == 2


def test_size_comes_from_the_photograph_if_need_be(tmp_path) -> None:
    dataset = VOCDataset(write(tmp_path, {"a": [("cat", 5, 5, 20, 20)]}, size=False))
    assert dataset.ground_truth()["images"][0] == {"id": 1, "file_name": "a.jpg", "width": 40, "height": 30}


def test_faults_are_named(tmp_path) -> None:
    folder = write(tmp_path, {"a": [("cat", 5, 5, 20, 20)]})
    with pytest.raises(ValueError, match="no split 'dev'; it has train"):
        VOCDataset(folder, "dev")
    with pytest.raises(ValueError, match=r"a\.xml.*four numbers.*'x'"):
        write(tmp_path / "1", {"a": [("cat", "x", 5, 20, 20)]})
        VOCDataset(tmp_path / "1")
    with pytest.raises(ValueError, match=r"a\.xml is not XML"):
        (folder / "Annotations" / "a.xml").write_text("<annotation>")
        VOCDataset(folder)
    with pytest.raises(ValueError, match="outermost tag is <html>"):
        (folder / "Annotations" / "a.xml").write_text("<html></html>")
        VOCDataset(folder)
    with pytest.raises(FileNotFoundError, match=r"a\.xml is missing"):
        (folder / "Annotations" / "a.xml").unlink()
        VOCDataset(folder, classes=("cat",))
    with pytest.raises(FileNotFoundError, match="JPEGImages holds no images"):
        (folder / "JPEGImages" / "a.jpg").unlink()
        VOCDataset(folder)
    with pytest.raises(ValueError, match="names no image"):
        (folder / "ImageSets" / "Main" / "train.txt").write_text("\n")
        VOCDataset(folder)


BCCD = Path(os.environ.get("FCOS_EDU_DATA", "")) / "bccd" / "Annotations"


@pytest.mark.skipif(not (os.environ.get("FCOS_EDU_DATA") and BCCD.is_dir()), reason="BCCD is not in FCOS_EDU_DATA")
def test_bccd_has_the_published_counts() -> None:
    images = boxes = degenerate = 0
    per_class = np.zeros(3, dtype=int)
    for split in ("train", "val", "test"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = load("bccd", split)
        assert dataset.classes == ("RBC", "WBC", "Platelets")
        truth = dataset.ground_truth()
        images += len(dataset)
        boxes += len(truth["annotations"])
        degenerate += dataset.warning_counts.get("degenerate boxes", 0)
        per_class += np.bincount([a["category_id"] - 1 for a in truth["annotations"]], minlength=3)
    assert (images, boxes + degenerate, degenerate) == (364, 4888, 2)
    assert per_class.tolist() == [4155 - 2, 372, 361]
    image, target = dataset[0]
    assert image.shape == (3, 480, 640) and len(target["boxes"]) == len(target["labels"])


def test_the_root_of_torchvisions_voc_detection(tmp_path) -> None:
    """The same folder serves torchvision's reader and ours."""
    folder = tmp_path / "VOCdevkit" / "VOC2007"
    write(folder, {"a": [("cat", 1, 1, 40, 30)], "b": [("dog", 11, 6, 20, 15)]})
    theirs = VOCDetection(tmp_path, year="2007", image_set="train")
    ours = load(tmp_path, "train")
    assert len(ours) == len(theirs) == 2
    for i, (picture, annotation) in enumerate(theirs):
        image, target = ours[i]
        assert tuple(image.shape[1:]) == picture.size[::-1]
        assert [ours.classes[k] for k in target["labels"]] == [o["name"] for o in annotation["annotation"]["object"]]
    write(tmp_path / "VOCdevkit" / "VOC2012", {"c": [("cat", 1, 1, 40, 30)]})
    with pytest.raises(ValueError, match="holds several years.*VOC2007.*VOC2012"):
        load(tmp_path, "train")


def annotation(*objects: tuple, name: str = "a.jpg") -> str:
    body = "".join(OBJECT.format(*item, *([0] if len(item) == 5 else [])) for item in objects)
    return f"<annotation><filename>{name}</filename>{body}</annotation>"


CAT, DOG = annotation(("cat", 3, 4, 20, 22)), annotation(("dog", 1, 1, 40, 30))
ROBOFLOW = {"train/a.xml": CAT, "train/a.jpg": "", "valid/b.xml": DOG, "valid/b.jpg": "", "README.txt": "Roboflow"}
SMALL_LETTERS = {"train/annotations/a.xml": CAT, "train/images/a.jpg": "", "val/annotations/b.xml": DOG,
                 "val/images/b.jpg": ""}  # fmt: skip
BY_KIND = {
    "annotations/train/a.xml": CAT,
    "images/train/a.jpg": "",
    "annotations/val/b.xml": DOG,
    "images/val/b.jpg": "",
}


def spread(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".jpg"):
            Image.new("RGB", (40, 30)).save(folder / name)
        else:
            (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize("files", [ROBOFLOW, SMALL_LETTERS, BY_KIND])
def test_splits_in_folders_of_their_own(tmp_path, files) -> None:
    folder = spread(tmp_path, files)
    assert format_of(folder) is voc and splits_of(folder) == ("train", "val")
    train, val = load(folder, "train"), load(folder, "val")
    assert train.classes == val.classes == VOC_CLASSES and train.file_name(0) == "a.jpg"
    assert train[0][1]["boxes"].tolist() == [[2, 3, 20, 22]] and val[0][1]["boxes"].tolist() == [[0, 0, 40, 30]]
    both = load(folder, "train+val")
    assert both.image_ids == [1, 2] and len(load_annotations(folder)) == 2
    with pytest.raises(ValueError, match="has no split 'test'; it has train, val"):
        load(folder, "test")


@pytest.mark.parametrize(
    "files",
    [
        {"a.xml": CAT, "a.jpg": "", "._a.xml": "macOS"},  # LabelImg
        {"annotations/a.xml": CAT, "images/a.jpg": ""},
        {"xmls/a.xml": CAT, "a.jpg": ""},
        {"Annotations/a.xml": CAT, "JPEGImages/a.jpg": ""},  # VOC without lists
    ],
)
def test_folders_without_splits_are_read_as_train(tmp_path, files) -> None:
    folder = spread(tmp_path, files)
    assert format_of(folder) is voc and splits_of(folder) == ()
    assert load(folder, "train")[0][1]["boxes"].tolist() == [[2, 3, 20, 22]] and len(load_annotations(folder)) == 1
    with pytest.raises(ValueError, match="has no split 'val': all its pictures are one set, which is read as train"):
        load(folder, "val")


def test_other_xml_is_not_voc(tmp_path) -> None:
    spread(tmp_path, {"a.xml": "<?xml version='1.0'?><annotations/>", "b.xml": "", "c.xml": "<project/>", "a.jpg": ""})
    assert not voc.recognises(tmp_path)
    (tmp_path / "d.xml").write_text('<?xml version="1.0" encoding="utf-16"?><!-- a <b> -->' + CAT, "utf-16")
    assert voc.recognises(tmp_path)
