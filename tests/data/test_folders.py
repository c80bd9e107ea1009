"""What the readers of all formats share: splits, pictures by the names that labels give them, numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fcos_edu.data import load, load_annotations
from fcos_edu.data.folders import (
    Entry,
    Pictures,
    annotations_of,
    choose,
    number,
    read_json,
    split_folders,
    split_of,
    sub_folder,
    whole_side,
)


def picture(path: Path, size: tuple[int, int] = (40, 30)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)


def test_names_of_splits(tmp_path: Path) -> None:
    assert [split_of(name) for name in ("Train", "valid", "VAL", "validation", "testing", "other", "trains")] == [
        "train", "val", "val", "val", "test", None, None,
    ]  # fmt: skip
    for name in ("test", "Valid", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "train").write_text("a file")
    assert list(split_folders(tmp_path)) == ["val", "test"] and split_folders(tmp_path / "nowhere") == {}
    assert sub_folder(tmp_path, "nothing", "valid") == tmp_path / "Valid" and sub_folder(tmp_path, "train") is None


def test_the_parts_of_a_split(tmp_path: Path) -> None:
    present = {"train": 1, "val": 2}
    assert choose(present, None, tmp_path) == present and choose(present, "val", tmp_path) == {"val": 2}
    assert choose(present, "train+val", tmp_path) == choose(present, "trainval", tmp_path) == present
    with pytest.raises(ValueError, match=r"has no split 'test'; it has train, val\."):
        choose(present, "test", tmp_path)
    for split in (None, "train", "trainval"):
        assert choose({"": 3}, split, tmp_path) == {"": 3}
    with pytest.raises(ValueError, match="has no split 'val': all its pictures are one set.*fcos-edu data split"):
        choose({"": 3}, "val", tmp_path)


def test_pictures_are_found_by_what_labels_call_them(tmp_path: Path) -> None:
    for name in ("a.jpg", "images/b c.png", "train/x.jpg", "val/x.jpg", "deep/er/y.jpg", ".hidden/z.jpg"):
        picture(tmp_path / name)
    (tmp_path / "._a.jpg").write_bytes(b"macOS")
    found = Pictures(tmp_path)
    assert found.names == ["a.jpg", "deep/er/y.jpg", "images/b c.png", "train/x.jpg", "val/x.jpg"]
    assert found.below(tmp_path / "train") == ["train/x.jpg"] and found.below(tmp_path) == found.names
    for told, near, wanted in (
        ("a.jpg", "", "a.jpg"),
        ("./a.jpg ", "", "a.jpg"),
        ("b c.png", "", "images/b c.png"),
        ("x.jpg", "train", "train/x.jpg"),  # beside the label
        ("train\\x.jpg", "", "train/x.jpg"),
        ("/data/ann/er/y.jpg", "", "deep/er/y.jpg"),  # of another machine
        ("C:\\data\\y.jpg", "", "deep/er/y.jpg"),
        ("../../er/y.jpg", "", "deep/er/y.jpg"),
        ("er/y.jpg", "", "deep/er/y.jpg"),
        ("gone.jpg", "train", "train/gone.jpg"),
        ("/etc/hostname", "", "/etc/hostname"),  # which reading refuses
    ):
        assert Pictures(tmp_path).find(told, tmp_path / near) == wanted, told
    with pytest.raises(ValueError, match=r"names the picture 'x\.jpg', which may be 'train/x\.jpg' or 'val/x\.jpg'"):
        found.find("x.jpg", tmp_path)
    assert found.of_stem("a") == "a.jpg" and found.of_stem("b") is None
    picture(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a label may belong to 'a\.jpg' or 'a\.png'"):
        Pictures(tmp_path).of_stem("a")
    with pytest.raises(FileNotFoundError, match="holds no pictures beside its labels"):
        Pictures(tmp_path / "nowhere", required=True)


def test_labels_mean_the_same_in_each_split(tmp_path: Path) -> None:
    first, second = Entry("a.jpg", 40, 30), Entry("b.jpg")
    first.add((1, 2, 3, 4), "nut")
    second.add((5, 6, 7, 8), "bolt", ignored=True)
    second.add((0, 0, 9, 9), "nut")
    parts = {"train": [first], "val": [second]}
    val = annotations_of(parts, "val", folder=tmp_path)
    assert val.classes == ("bolt", "nut") and val.labels.tolist() == [0, 1] and val.ignored.tolist() == [True, False]
    assert annotations_of(parts, "train", folder=tmp_path).labels.tolist() == [1]
    assert annotations_of(parts, None, folder=tmp_path).boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [0, 0, 9, 9]]
    known = annotations_of(parts, None, folder=tmp_path, known=("nut", "ring"))
    assert known.classes == ("nut", "ring") and known.left_out == {"boxes of unknown classes ('bolt')": 1}
    assert annotations_of(parts, None, folder=tmp_path, classes=("bolt",)).labels.tolist() == [0]
    with pytest.raises(ValueError, match="lists the class 'nut' more than once"):
        annotations_of(parts, None, folder=tmp_path, known=("nut", "nut"))
    with pytest.raises(ValueError, match="lists no pictures of the split train"):
        annotations_of({"": []}, "train", folder=tmp_path)


def test_numbers_and_sides() -> None:
    assert number("1e2", "x") == 100 and number(3, "x") == 3 and np.isnan(number("nan", "x"))
    for wrong in (None, True, "x", [1], 10**400):
        with pytest.raises(ValueError, match=r"a\.json has .* where a number of pixels belongs"):
            number(wrong, "a.json")
    assert [whole_side(v) for v in ("40", 30.0, None, "x", -1, "nan", 1e30, [])] == [40, 30, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("content", [b"[" * 100_000, b"{", b"\xff\xfe{", b'{"a": ' + b"9" * 5000 + b"}"])
def test_broken_json_is_told_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.json (is|cannot)"):
        read_json(tmp_path / "a.json")


def test_lists_of_splits_count_for_every_format(tmp_path: Path) -> None:
    for name in "abcd":
        picture(tmp_path / "images" / f"{name}.jpg")
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels" / f"{name}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "classes.txt").write_text("nut\n")
    assert len(load(tmp_path, "train")) == 4
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "train.txt").write_text("images/c.jpg\nimages/a.jpg\n")
    (tmp_path / "splits" / "val.txt").write_text("images/b.jpg\n\n")
    assert [load(tmp_path, "train").file_name(i) for i in range(2)] == ["images/a.jpg", "images/c.jpg"]
    assert load_annotations(tmp_path, "val").file_names == ("images/b.jpg",)
    assert load_annotations(tmp_path, "train+val").images == 3 and load_annotations(tmp_path).images == 4
    with pytest.raises(ValueError, match="has no split 'test'; it has train, val"):
        load(tmp_path, "test")
    (tmp_path / "splits" / "val.txt").write_text("images/z.jpg\n")
    with pytest.raises(ValueError, match=r"val\.txt names 'images/z\.jpg', which the labels of .* do not"):
        load(tmp_path, "val")
