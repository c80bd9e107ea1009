"""labelme's files: shapes that have a box, those that have none, and where pictures lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fcos_edu.data import load, load_annotations
from fcos_edu.data.formats import format_of, splits_of
from fcos_edu.data.labelme import LabelmeDataset, recognises
from tests.data.test_folders import picture


def shape(label: Any = "nut", points: Any = ((5, 6), (15, 18)), kind: str | None = "rectangle", **more: Any) -> dict:
    return {"label": label, "points": [list(p) for p in points], "shape_type": kind, "group_id": None, **more}


def write(file: Path, *shapes: Any, **changes: Any) -> None:
    """A file with its picture beside it."""
    name = file.with_suffix(".jpg").name
    picture(file.with_suffix(".jpg"))
    document = {"version": "5.0", "flags": {}, "shapes": list(shapes), "imagePath": name, "imageData": "A" * 70_000,
                "imageHeight": 30, "imageWidth": 40} | changes  # fmt: skip
    file.write_text(json.dumps(document))


BOX = [5, 6, 15, 18]


def test_shapes_become_boxes(tmp_path: Path) -> None:
    write(
        tmp_path / "a.json",
        shape("rectangle", [(15, 18), (5, 6)]),  # drawn from either corner
        shape("polygon", [(5, 10), (15, 6), (12, 18)], "polygon"),
        shape("polygon", [(5, 10), (15, 6), (12, 18)], None),  # old files do not say
        shape("circle", [(20, 15), (23, 19)], "circle"),
        shape("mask", [(5, 6), (15, 18)], "mask", mask="AAAA"),
        shape("hard", difficult=True),
        shape("spot", [(5, 6)], "point"),
        shape("line", [(5, 6), (7, 8)], "line"),
    )
    with pytest.warns(UserWarning, match=r"2 shapes without a box \(line, point\), 1 shape marked difficult"):
        dataset = load(tmp_path)
    assert dataset.classes == ("circle", "hard", "mask", "polygon", "rectangle")
    assert dataset[0][1]["boxes"].tolist() == [BOX, BOX, BOX, [15, 10, 25, 20], BOX]
    assert [a["iscrowd"] for a in dataset.ground_truth()["annotations"]] == [0, 0, 0, 0, 0, 1]


def test_splits_and_folders(tmp_path: Path) -> None:
    write(tmp_path / "train" / "a.json", shape("nut"))
    write(tmp_path / "valid" / "b.json", shape("bolt"))
    picture(tmp_path / "train" / "not_labelled_yet.jpg")
    (tmp_path / "train" / "classes.json").write_text("[]")
    assert format_of(tmp_path).LAYOUT.startswith("labelme") and splits_of(tmp_path) == ("train", "val")
    train, val = load(tmp_path, "train"), load(tmp_path, "val")
    assert len(train) == 1 and train.classes == val.classes == ("bolt", "nut") and val.file_name(0) == "valid/b.jpg"
    assert load_annotations(tmp_path).images == 2


@pytest.mark.parametrize("told", ["../images/a.jpg", "..\\images\\a.jpg", "C:\\Users\\ann\\a.jpg", "/data/ann/a.jpg"])
def test_pictures_in_a_folder_of_their_own(tmp_path: Path, told: str) -> None:
    write(tmp_path / "labels" / "a.json", shape(), imagePath=told, imageHeight=None)
    (tmp_path / "images").mkdir()
    (tmp_path / "labels" / "a.jpg").rename(tmp_path / "images" / "a.jpg")
    dataset = load(tmp_path)
    assert dataset.file_name(0) == "images/a.jpg" and dataset[0][1]["boxes"].tolist() == [BOX]


def test_a_file_leads_nowhere_else(tmp_path: Path) -> None:
    picture(tmp_path / "secret.jpg")
    write(tmp_path / "mine" / "a.json", shape(), imagePath="../secret.jpg")
    (tmp_path / "mine" / "a.jpg").unlink()
    picture(tmp_path / "mine" / "b.jpg")
    with pytest.raises(ValueError, match="lies outside of the folder"):
        load(tmp_path / "mine")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shapes": {}}, r"a\.json lacks the list 'shapes'"),
        ({"shapes": [3]}, "shape 0 is 3; it must be an object"),
        ({"shapes": [shape(None)]}, "has the label None; it must be a word"),
        ({"shapes": [shape(points=[(1, 2, 3), (1, 2)])]}, "must be a list of"),
        ({"shapes": [shape() | {"points": "x"}]}, "has points 'x'"),
        ({"shapes": [shape() | {"points": [[1, None], [2, 3]]}]}, "has None where a number"),
        ({"shapes": [shape(points=[(1, 2)])]}, "is a rectangle of 1 point"),
        ({"shapes": [shape(points=[(1, 2), (3, 4)], kind="polygon")]}, "is a polygon of 2 points"),
    ],
)
def test_what_is_no_shape_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write(tmp_path / "a.json", **changes)
    with pytest.raises(ValueError, match=message):
        LabelmeDataset(tmp_path)


def test_a_file_without_its_picture(tmp_path: Path) -> None:
    write(tmp_path / "a.json", shape(), imagePath=7)
    (tmp_path / "a.jpg").unlink()
    picture(tmp_path / "b.jpg")
    with pytest.raises(ValueError, match="has imagePath 7; it must name a picture"):
        load(tmp_path)
    write(tmp_path / "a.json", shape(), shape(points=[(float("nan"), 1), (2, 3)]), imagePath="gone.jpg")
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"gone\.jpg is annotated but there is no such file"):
        load(tmp_path)
    assert not recognises(tmp_path / "a.json") and not recognises(tmp_path / "nowhere")
