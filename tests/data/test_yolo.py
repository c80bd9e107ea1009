"""YOLO's format, in each form that a tool leaves."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fcos_edu.data import load, load_annotations
from fcos_edu.data.formats import format_of, splits_of
from fcos_edu.data.yolo import YOLODataset, recognises, splits

LINE = "1 0.5 0.5 0.25 0.5\n"  # of 40×30 pixels: (15, 7.5) to (25, 22.5)
BOX = [15, 7.5, 25, 22.5]
NAMES = "names: [nut, bolt]\nnc: 2\n"


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Files by their names; a picture where a name says so."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".jpg", ".png"):
            Image.new("RGB", (40, 30)).save(path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


ROBOFLOW = {
    "data.yaml": "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\n" + NAMES,
    "train/images/a.jpg": "", "train/labels/a.txt": LINE, "valid/images/b.jpg": "", "valid/labels/b.txt": LINE * 2,
    "README.roboflow.txt": "Provided by a user",
}  # fmt: skip
ULTRALYTICS = {
    "data.yaml": "path: /data/ann/datasets/nuts\ntrain: images/train\nval: images/val\nnames:\n  1: bolt\n  0: nut\n",
    "images/train/a.jpg": "", "labels/train/a.txt": LINE, "images/val/b.jpg": "", "labels/val/b.txt": LINE * 2,
}  # fmt: skip
LISTS = {
    "data.yaml": "train: train.txt\nval: [val.txt]\n" + NAMES, "train.txt": "./pictures/a.jpg\n",
    "val.txt": "/data/ann/pictures/b.jpg\n", "pictures/a.jpg": "", "pictures/a.txt": LINE, "pictures/b.jpg": "",
    "pictures/b.txt": LINE * 2,
}  # fmt: skip
CVAT = {
    "obj.names": "nut\nbolt\n", "obj.data": "classes = 2\nnames = data/obj.names\n",
    "train.txt": "data/obj_train_data/a.jpg\n", "valid.txt": "data/obj_train_data/b.jpg\n", "obj_train_data/a.jpg": "",
    "obj_train_data/a.txt": LINE, "obj_train_data/b.jpg": "", "obj_train_data/b.txt": LINE * 2,
}  # fmt: skip
DARKNET = {
    "train/a.jpg": "", "train/a.txt": LINE, "train/_darknet.labels": "nut\nbolt", "valid/b.jpg": "",
    "valid/b.txt": LINE * 2, "valid/_darknet.labels": "nut\nbolt",
}  # fmt: skip


@pytest.mark.parametrize("files", [ROBOFLOW, ULTRALYTICS, LISTS, CVAT, DARKNET])
def test_folders_with_splits(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path, files)
    assert recognises(tmp_path) and splits_of(tmp_path) == splits(tmp_path) == ("train", "val")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train, val = load(tmp_path, "train"), load(tmp_path, "val")
    assert train.classes == val.classes == ("nut", "bolt")
    assert [len(train), len(val)] == [1, 1] and train.file_name(0).endswith("a.jpg")
    assert train[0][1]["boxes"].tolist() == [BOX] and val[0][1]["boxes"].tolist() == [BOX, BOX]
    assert val[0][1]["labels"].tolist() == [1, 1]
    assert load_annotations(tmp_path).images == 2
    with pytest.raises(ValueError, match="has no split 'test'; it has train, val"):
        load(tmp_path, "test")


@pytest.mark.parametrize(
    "files",
    [
        {"classes.txt": "nut\nbolt\n", "notes.json": "{}", "images/a.jpg": "", "labels/a.txt": LINE},  # Label Studio
        {"classes.txt": "nut\nbolt\n", "a.jpg": "", "a.txt": LINE},  # LabelImg
        {"data.yaml": "train: images\nval: images\n" + NAMES, "images/a.jpg": "", "labels/a.txt": LINE},
        {"obj.names": "nut\nbolt", "a b.jpg": "", "a b.txt": "1  0.5\t0.5 0.25 0.5 \r\n"},
    ],
)
def test_folders_without_splits_are_read_as_train(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path, files)
    assert splits_of(tmp_path) == ()
    dataset = load(tmp_path, "train")
    assert dataset.classes == ("nut", "bolt") and dataset[0][1]["boxes"].tolist() == [BOX]
    with pytest.raises(ValueError, match="all its pictures are one set"):
        load(tmp_path, "val")


def test_names_of_classes_are_texts(tmp_path: Path) -> None:
    """To YAML, yes and no are truths, and 1.0 is a number: supervision reads them so."""
    write(tmp_path, {"data.yaml": "names: [yes, no, 1.0, 2020-01-01, null]", "a.jpg": "", "a.txt": LINE})
    assert load(tmp_path).classes == ("yes", "no", "1.0", "2020-01-01", "null")


def test_outlines_become_boxes_and_classes_without_names_numbers(tmp_path: Path) -> None:
    write(tmp_path, {"a.jpg": "", "a.txt": "2 0.1 0.2 0.5 0.2 0.3 0.6\n0.0 0.5 0.5 0.5 0.5"})
    with pytest.warns(UserWarning, match=r"called by their numbers; some labels are outlines"):
        dataset = load(tmp_path)
    assert dataset.classes == ("0", "1", "2") and dataset[0][1]["labels"].tolist() == [2, 0]
    assert np.allclose(dataset[0][1]["boxes"][0], [4, 6, 20, 18])


def test_shares_follow_the_size_that_counts(tmp_path: Path) -> None:
    """A photograph that EXIF turns: whichever way it is read, the box covers the same share of it."""
    write(tmp_path, {"data.yaml": NAMES, "images/a.jpg": "", "labels/a.txt": "0 0.25 0.5 0.5 1\n"})
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (40, 30)).save(tmp_path / "images" / "a.jpg", exif=exif)
    with pytest.warns(UserWarning, match="to be turned upright by its EXIF"):
        stored = load(tmp_path)
    upright = load(tmp_path, orientation="upright")
    assert stored[0][0].shape == (3, 30, 40) and stored[0][1]["boxes"].tolist() == [[0, 0, 20, 30]]
    assert upright[0][0].shape == (3, 40, 30) and upright[0][1]["boxes"].tolist() == [[0, 0, 15, 40]]
    assert upright.ground_truth()["annotations"][0]["area"] == 600


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    files = {"a.jpg": "", "b.jpg": "", "c.jpg": ""}
    labels = {"a.txt": "7 0.5 0.5 0.5 0.5\n1 nan 0.5 0.5 0.5\n1 0.5 0.5 0.5 0.5", "b.txt": "", "z.txt": LINE}
    write(tmp_path, {"data.yaml": NAMES} | {f"images/{k}": v for k, v in files.items()})
    write(tmp_path, {f"labels/{k}": v for k, v in labels.items()})
    with pytest.warns(UserWarning) as caught:
        dataset = load(tmp_path, keep_empty=True)
    assert len(caught) == 1 and len(dataset) == 3 and dataset[0][1]["boxes"].tolist() == [[10, 7.5, 30, 22.5]]
    text = str(caught[0].message)
    for part in (
        "1 box of unknown classes ('number 7')", "1 degenerate box", "1 of 3 pictures has no label file",
        "1 label file has no picture, the first is 'labels/z.txt'",
    ):  # fmt: skip
        assert part in text


def test_a_picture_that_cannot_be_read_may_be_skipped(tmp_path: Path) -> None:
    write(tmp_path, {"data.yaml": NAMES, "a.jpg": "", "a.txt": LINE, "b.jpg": "", "b.txt": LINE})
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    with pytest.raises(RuntimeError, match="b.jpg cannot be read as an image"):
        load(tmp_path)
    dataset = load(tmp_path, on_corrupt="skip", keep_empty=True)
    with pytest.warns(UserWarning, match="skipped"):
        assert dataset[1] is None
    assert dataset[0][1]["boxes"].tolist() == [BOX]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("-1 0.5 0.5 0.5 0.5", r"a\.txt, line 1, begins with '-1'; it must be the number of a class"),
        ("nut 0.5 0.5 0.5 0.5", "begins with 'nut'"),
        ("1.5 0.5 0.5 0.5 0.5", r"begins with '1\.5'"),
        ("\n0 0.5 0.5", r"line 2, has 3 numbers; it must be class x_centre y_centre width height"),
        ("0 0.5 0.5 0.5 0.5 0.9", "a sixth is a score of a detector"),
        ("0 0.5 0.5 0.5 0.5 0.9 0.2 0.1", "has 8 numbers"),
        ("0 0.5 x 0.5 0.5", "has 'x' where a number"),
        ("0 0,5 0,5 0,5 0,5", "has '0,5' where a number"),
        (b"\xff\xff\xff\xff", "no text in UTF-8"),
    ],
)
def test_lines_that_are_no_boxes_are_refused(tmp_path: Path, label: str | bytes, message: str) -> None:
    write(tmp_path, {"data.yaml": NAMES, "a.jpg": "", "a.txt": label})
    with pytest.raises(ValueError, match=message):
        load(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("names: [a, a]", "lists the class 'a' more than once"),
        ("names: {1: a, 2: b}", r"numbers its names \['1', '2'\]; it must be 0, 1, 2"),
        ("names: [[a], b]", "must be a list of words"),
        ("names: []\n- x", "is not YAML that can be read"),
        ("names: *x", "is not YAML that can be read"),
        ("a: &x [1]\nnames: *x", "refers to a part of itself"),
        ("names: !!python/object/apply:os.system ['true']\n", "more than once|lists|list of words|has names|boxes"),
        ("- a", "holds a list; it must say names"),
        ("names: " + "[" * 50_000, "nested too deeply"),  # many minutes, if it were scanned to its end
        (b"names: [\x00]", "is not YAML"),
    ],
)
def test_settings_that_are_none_are_refused(tmp_path: Path, settings: str | bytes, message: str) -> None:
    write(tmp_path, {"data.yaml": settings, "a.jpg": "", "a.txt": LINE})
    if settings == "names: !!python/object/apply:os.system ['true']\n":  # read as the list of texts that it is
        with pytest.warns(UserWarning, match="unknown classes"):
            assert YOLODataset(tmp_path, keep_empty=True).classes == ("true",)
        return
    with pytest.raises(ValueError, match=message):
        load(tmp_path)


def test_a_settings_file_leads_nowhere_else(tmp_path: Path) -> None:
    write(tmp_path / "other", {"secret.jpg": "", "secret.txt": LINE})
    settings = f"path: {tmp_path}\ntrain: {tmp_path / 'other'}\nval: ../other\n" + NAMES
    write(tmp_path / "mine", {"data.yaml": settings, "a.jpg": "", "a.txt": LINE})
    assert load_annotations(tmp_path / "mine").file_names == ("a.jpg",)


def test_captions_beside_pictures_are_no_labels(tmp_path: Path) -> None:
    write(tmp_path, {"a.jpg": "", "a.txt": "a dog in the snow", "readme.txt": LINE})
    assert not recognises(tmp_path)
    with pytest.raises(ValueError, match=r"has neither .*YOLO's \(data\.yaml"):
        format_of(tmp_path)


def test_labels_without_pictures_and_pictures_without_labels(tmp_path: Path) -> None:
    write(tmp_path, {"data.yaml": NAMES, "labels/a.txt": LINE})
    with pytest.raises(FileNotFoundError, match="holds no pictures"):
        load(tmp_path)
    write(tmp_path / "b", {"data.yaml": NAMES, "images/a.jpg": ""})
    with pytest.raises(FileNotFoundError, match=r"a picture a\.jpg needs a\.txt"):
        load(tmp_path / "b")
