"""Hugging Face's imagefolder, and a stand-in for a ``datasets.Dataset``."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fcos_edu import FCOS, FCOSConfig, evaluate
from fcos_edu.data import CorruptImageError, load, load_annotations
from fcos_edu.data.formats import format_of, splits_of
from fcos_edu.data.imagefolder import HuggingFaceDataset, ImagefolderDataset, in_order
from fcos_edu.evaluation import coco_ap
from fcos_edu.training.config import TrainConfig
from fcos_edu.training.loading import make_dataset, make_test_dataset
from tests.data.test_folders import picture

OBJECTS = {"bbox": [[5, 6, 10, 12], [1, 2, 2, 2.5]], "categories": ["nut", "bolt"]}
BOXES = [[5, 6, 15, 18], [1, 2, 3, 4.5]]


def write(folder: Path, *rows: Any) -> Path:
    for name in ("a.jpg", "b.jpg"):
        picture(folder / name)
    (folder / "metadata.jsonl").write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows))
    return folder


def row(name: str = "a.jpg", objects: Any = OBJECTS, **more: Any) -> dict[str, Any]:
    return {"file_name": name, "objects": objects, **more}


@pytest.mark.parametrize(
    "objects",
    [
        OBJECTS,
        {"id": [1, 2], "area": [120, 5], "bbox": OBJECTS["bbox"], "category": OBJECTS["categories"]},
        [{"bbox": b, "label": c} for b, c in zip(OBJECTS["bbox"], OBJECTS["categories"], strict=True)],
    ],
)
def test_objects_are_lists_or_a_list(tmp_path: Path, objects: Any) -> None:
    write(tmp_path, row(objects=objects), row("b.jpg", objects=[]), "")
    dataset = load(tmp_path, keep_empty=True)
    assert dataset.classes == ("bolt", "nut") and dataset[0][1]["labels"].tolist() == [1, 0]
    assert dataset[0][1]["boxes"].tolist() == BOXES and len(dataset[1][1]["boxes"]) == 0


def test_splits_crowds_and_numbers(tmp_path: Path) -> None:
    write(tmp_path / "train", row(objects={"bbox": [[5, 6, 10, 12]], "category": [3]}))
    write(tmp_path / "validation", row(objects={"bbox": [[5, 6, 10, 12]], "category": [1], "iscrowd": [1]}))
    assert format_of(tmp_path).LAYOUT.startswith("Hugging Face") and splits_of(tmp_path) == ("train", "val")
    with pytest.warns(UserWarning, match="the classes are numbers"):
        train = load(tmp_path, "train")
    assert train.classes == ("0", "1", "2", "3") and train[0][1]["labels"].tolist() == [3]
    val = load_annotations(tmp_path, "val")
    assert val.file_names == ("validation/a.jpg",) and val.ignored.tolist() == [True]
    assert in_order({"10", "2"}) == list(map(str, range(11))) and in_order({"b", "a"}) == ["a", "b"]
    assert in_order(set()) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"metadata\.jsonl, line 1, is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "holds a list; it must be an object"),
        (row(name=7), "has the file_name 7"),
        (row(objects=7), "has objects 7"),
        (row(objects={"bbox": [[1, 2, 3, 4]]}), "has objects with bbox; it must have bbox and categories"),
        (row(objects={"bbox": [[1, 2, 3, 4]], "category": []}), "must have as many categories as bbox"),
        (row(objects={"bbox": [[1, 2, 3]], "category": [0]}), "must be .x, y, width, height"),
        (row(objects={"bbox": [[1, 2, 3, None]], "category": [0]}), "has None where a number"),
        (row(objects={"bbox": [[1, 2, 3, 4]], "category": [True]}), "has the category True"),
    ],
)
def test_lines_that_are_none_are_refused(tmp_path: Path, line: Any, message: str) -> None:
    write(tmp_path, line)
    with pytest.raises(ValueError, match=message):
        ImagefolderDataset(tmp_path)


def table(folder: Path, *rows: Any, header: tuple[str, ...] = ("file_name", "objects")) -> Path:
    """A metadata.csv, written as a spreadsheet would."""
    for name in ("a.jpg", "b.jpg"):
        picture(folder / name)
    with open(folder / "metadata.csv", "w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([header, *rows])
    return folder


def test_a_table_says_the_same_as_lines_of_json(tmp_path: Path) -> None:
    """`objects` is JSON in a cell; with a byte-order mark, other columns, and lines within cells."""
    told = json.dumps(OBJECTS, indent=1)
    for split in ("train", "validation"):
        header = ("file_name", "width", "height", "objects", "text")
        table(tmp_path / split, ("a.jpg", 40, 30, told, "a, b"), ("b.jpg", "", "", "", ""), (), header=header)
        write(tmp_path / "lines" / split, row(width=40, height=30), row("b.jpg", objects=None))
    assert format_of(tmp_path).LAYOUT.startswith("Hugging Face") and splits_of(tmp_path) == ("train", "val")
    for split in ("train", "val"):
        one, other = load(tmp_path, split, keep_empty=True), load(tmp_path / "lines", split, keep_empty=True)
        assert one.classes == other.classes == ("bolt", "nut") and len(one) == len(other) == 2
        assert one[0][1]["boxes"].tolist() == other[0][1]["boxes"].tolist() == BOXES
        assert one[0][1]["labels"].tolist() == other[0][1]["labels"].tolist() and len(one[1][1]["boxes"]) == 0


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ("a.jpg", str(OBJECTS)),
            r"metadata\.csv, line 2, has objects that are not JSON .*: write it with json\.dumps",
        ),
        (("a.jpg", "7"), "line 2, has objects 7; it must have bbox and categories"),
        (("a.jpg", "[" * 100_000), "has objects that are not JSON"),
        (("a.jpg", "[" * 200_000), r"line 2, cannot be read \(.*\): write metadata\.jsonl"),
        (("a.jpg", '{"bbox": []', ' "category": []}'), "has 3 cells for 2 columns; a cell with commas must stand in"),
        (("", "[]"), "has the file_name ''; it must name a picture"),
    ],
)
def test_cells_that_are_none_are_refused(tmp_path: Path, cells: tuple[str, ...], message: str) -> None:
    table(tmp_path, cells)
    with pytest.raises(ValueError, match=message):
        ImagefolderDataset(tmp_path)


def test_lines_and_a_table_in_one_folder_are_two_readings(tmp_path: Path) -> None:
    write(tmp_path, row())
    table(tmp_path, ("a.jpg", json.dumps(OBJECTS)))
    with pytest.raises(ValueError, match=r"holds metadata\.jsonl and metadata\.csv, which may differ: keep one"):
        load(tmp_path)


def test_a_table_without_boxes_or_with_one_a_line_is_no_imagefolder(tmp_path: Path) -> None:
    table(
        tmp_path / "flat", ("a.jpg", 5, 6, 15, 18, "nut"), header=("file_name", "xmin", "ymin", "xmax", "ymax", "label")
    )
    assert load(tmp_path / "flat")[0][1]["boxes"].tolist() == [BOXES[0]]
    table(tmp_path / "whole", ("a.jpg", "nut"), header=("file_name", "label"))
    with pytest.raises(
        ValueError, match=r"metadata\.csv is an imagefolder's, without boxes: it needs a column objects"
    ):
        load(tmp_path / "whole")
    (tmp_path / "whole" / "metadata.csv").rename(tmp_path / "whole" / "metadata.parquet")
    with pytest.raises(ValueError, match=r"metadata\.parquet is Hugging Face's: read it with the library datasets"):
        load(tmp_path / "whole")


class Rows:
    """What a ``datasets.Dataset`` is seen as."""

    def __init__(self, rows: list[dict[str, Any]], features: Any = None) -> None:
        self.rows, self.features, self.opened = rows, features, 0

    @property
    def column_names(self) -> list[str]:
        return list(self.rows[0])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        self.opened += "image" in self.rows[index]
        return self.rows[index]

    def remove_columns(self, names: list[str]) -> Rows:
        return Rows([{k: v for k, v in row.items() if k not in names} for row in self.rows])


class ClassLabel:
    names = ("nut", "bolt")


def rows(sized: bool = True, **more: Any) -> Rows:
    numbers = {"bbox": OBJECTS["bbox"], "category": [0, 1]}
    made = [
        {"image": Image.new("L", (40, 30), 90 * i), "objects": objects} | ({"width": 40, "height": 30} if sized else {})
        for i, objects in enumerate((numbers, {"bbox": [], "category": []}))
    ]
    return Rows(made, **more)


@pytest.mark.parametrize("sized", [True, False])
def test_a_data_set_object(sized: bool) -> None:
    given = rows(sized, features={"objects": {"bbox": None, "category": [ClassLabel]}})
    dataset = load(given)
    assert given.opened == (0 if sized else 2) and isinstance(dataset, HuggingFaceDataset)
    assert dataset.classes == ("nut", "bolt") and len(dataset) == 1  # the second has no box to train on
    image, target = dataset[0]
    assert image.shape == (3, 30, 40) and image.dtype == torch.uint8 and target["boxes"].tolist() == BOXES
    assert target["labels"].tolist() == [0, 1]
    val = load(given, "val")
    assert len(val) == 2 and int(val[1][0].max()) == 90 and len(val[1][1]["boxes"]) == 0
    assert len(val.ground_truth()["annotations"]) == 2 and val.file_name(1) == "row 1"
    assert load(given, transforms=lambda image, target: (image, {**target, "mark": 7}))[0][1]["mark"] == 7


class Formatted(Rows):
    """A data set that hands out another library's values, until it is asked for Python's own."""

    def __init__(self, given: Rows, kind: str) -> None:
        super().__init__(given.rows, given.features)
        self.format = {"type": kind}

    def __getitem__(self, index: int) -> Any:
        return {"pixel_values": torch.zeros(3)}

    def with_format(self, kind: None) -> Rows:
        return Rows(self.rows, self.features)


def test_a_format_that_is_set_on_a_data_set_changes_nothing() -> None:
    assert load(Formatted(rows(), "torch"))[0][1]["boxes"].tolist() == BOXES
    with pytest.warns(UserWarning, match="own transform is not applied"):
        assert load(Formatted(rows(), "custom"))[0][0].shape == (3, 30, 40)


def test_pictures_that_are_not_decoded_yet(tmp_path: Path) -> None:
    given, content = rows(False), io.BytesIO()
    exif = Image.Exif()
    exif[274] = 6  # stored on its side: 40 x 30 becomes 30 x 40
    given.rows[0]["image"].save(content, "png", exif=exif)
    given.rows[1]["image"].save(tmp_path / "b.png")
    given.rows[0]["image"] = {"bytes": content.getvalue(), "path": None}
    given.rows[1]["image"] = {"bytes": None, "path": str(tmp_path / "b.png")}
    dataset = load(given, "val")
    assert dataset[0][0].shape == (3, 40, 30) and dataset[1][0].shape == (3, 30, 40)
    given.rows[0]["image"]["bytes"] = b"no picture"
    with pytest.raises(CorruptImageError, match="row 0"):
        load(given, "val")


def test_what_the_columns_do_not_say_is_told() -> None:
    with pytest.warns(UserWarning, match="classes are numbers: the data set does not tell their names"):
        assert load(rows()).classes == ("0", "1")

    corners = rows()
    corners.rows[1]["objects"] = {"bbox": [[25, 20, 38, 29], [1, 1, 0, 5]], "category": [0, 1]}
    told = r"the rows \(val\): left out of the targets: 1 degenerate box.*over the border"
    with pytest.warns(UserWarning, match=told):
        load(corners, "val")
    with pytest.warns(UserWarning, match=r"the rows \(train\): left out of the targets: 1 image without a usable box"):
        load(rows())

    class Streamed:
        column_names = None
        __getitem__ = None

    with pytest.raises(ValueError, match="is streamed.*load it whole"):
        load(Streamed())


def test_a_data_set_object_is_trained_on_and_measured() -> None:
    """By names: a split that lacks the first class would be read one class off."""
    named = rows(features={"objects": {"bbox": None, "category": [ClassLabel]}})
    config = TrainConfig(data="given", augment="none", test_split="given")
    trained = make_dataset(config, named)
    assert len(trained) == 1 and trained.classes == ("nut", "bolt")
    words = rows()
    words.rows[0]["objects"] = {"bbox": [[5, 6, 10, 12]], "category": ["bolt"]}
    test = make_test_dataset(config, trained, words)
    assert test is not None and len(test) == 2 and test[0][1]["labels"].tolist() == [1]
    model = FCOS(FCOSConfig.tiny(num_classes=2, class_names=("nut", "bolt"), min_size=64, max_size=64))
    ours = coco_ap._ours(model, words)
    assert ours.classes == ("nut", "bolt") and ours.annotations().labels.tolist() == [1]
    assert "AP" in evaluate(model, words, progress=False)


def test_a_dictionary_of_splits() -> None:
    class Splits(dict):
        column_names = property(lambda self: {name: one.column_names for name, one in self.items()})

    given = Splits(train=rows(), validation=rows(False))
    assert len(load(given, "train")) == 1 and len(load(given, "val")) == 2
    assert load(given, "val").classes == ("0", "1")
    with pytest.raises(ValueError, match="has no split 'test'; it has train, val"):
        load(given, "test")


def test_rows_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="the data set has no column 'objects'; it has image"):
        load(Rows([{"image": Image.new("L", (4, 3))}]))
    wrong = rows()
    wrong.rows[1]["objects"] = {"bbox": [[1, 2, 3]], "category": [0]}
    with pytest.raises(ValueError, match="row 1 has bbox"):
        load(wrong)
    empty = rows()
    del empty.rows[0]
    with pytest.raises(ValueError, match="none of the rows has a usable box"):
        load(empty)
    assert np.isfinite(load(empty, keep_empty=True).annotations().boxes).all()


def test_columns_may_be_arrays_and_tuples() -> None:
    """As a data set of the library hands them out once it has a format."""
    boxes, labels = OBJECTS["bbox"], [1, 0]
    for make in (tuple, np.array, torch.tensor):
        objects = {"bbox": make(boxes), "category": make(labels), "iscrowd": make([0, 0])}
        rows = Rows([{"image": Image.new("RGB", (40, 30)), "width": 40, "height": 30, "objects": objects}])
        made = load(rows)
        assert made[0][1]["boxes"].tolist() == BOXES and made[0][1]["labels"].tolist() == labels


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    write(tmp_path, row(objects={"bbox": [[5, 6, 10, 12]], "kind": ["nut"]}))
    with pytest.raises(ValueError, match="line 1, has objects with bbox, kind; it must have bbox and categories"):
        load(tmp_path)
