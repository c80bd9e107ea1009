"""Boxes in CSV files: with and without a header, in any order, of one file or one for each split."""

from __future__ import annotations

from pathlib import Path

import pytest

from fcos_edu.data import load, load_annotations
from fcos_edu.data.formats import format_of, splits_of
from fcos_edu.data.tables import TableDataset, recognises
from tests.data.test_folders import picture


def write(
    folder: Path, text: str | bytes, name: str = "boxes.csv", pictures: tuple[str, ...] = ("a.jpg", "b.jpg")
) -> Path:
    for one in pictures:
        picture(folder / one)
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


ROWS = "a.jpg,5,6,15,18,nut\na.jpg,1,2,3,4,bolt\nb.jpg,,,,,\n"
ROBOFLOW = "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,40,30,nut,5,6,15,18\na.jpg,40,30,bolt,1,2,3,4\n"
SAME = [
    ROWS,
    "path,x0,y0,x1,y1,class\n" + ROWS,
    "image_path, x1, y1, x2, y2, label\n" + ROWS.replace(",", ", "),
    ROWS.replace(",", ";"),
    ROWS.replace(",", "\t").replace("\n", "\r\n"),
    "\ufeff" + ROWS,
    ROWS.encode("utf-16"),
    '"a.jpg",5,6,15,18,"nut"\na.jpg,1.0,2e0,3,4,bolt\n\nb.jpg,,,,,\n',
    "class,right,bottom,left,top,image\nnut,15,18,5,6,a.jpg\nbolt,3,4,1,2,a.jpg\n,,,,,b.jpg",
    "image_id,xmin,ymin,xmax,ymax,label\n" + ROWS.replace(".jpg", ""),
    ROWS.replace("a.jpg", "/data/ann/pictures/a.jpg"),
]


@pytest.mark.parametrize("text", SAME)
def test_the_same_boxes_written_in_many_ways(tmp_path: Path, text: str | bytes) -> None:
    write(tmp_path, text)
    dataset = load(tmp_path, keep_empty=True)
    assert dataset.classes == ("bolt", "nut") and dataset[0][1]["labels"].tolist() == [1, 0]
    assert dataset[0][1]["boxes"].tolist() == [[5, 6, 15, 18], [1, 2, 3, 4]]
    assert len(dataset) == 2 and len(dataset[1][1]["boxes"]) == 0  # a picture with nothing in it
    assert load_annotations(tmp_path / "boxes.csv").boxes.tolist() == [[5, 6, 15, 18], [1, 2, 3, 4]]


def test_splits_are_files_or_folders(tmp_path: Path) -> None:
    write(tmp_path / "files", ROWS, "train.csv")
    write(tmp_path / "files", ROWS[:20] + "\n", "test.csv")
    (tmp_path / "files" / "classes.csv").write_text("nut,0\nbolt,1\n")
    for split in ("train", "valid"):
        write(tmp_path / "roboflow" / split, ROBOFLOW, "_annotations.csv")
    assert splits_of(tmp_path / "files") == ("train", "test") and splits_of(tmp_path / "roboflow") == ("train", "val")
    assert format_of(tmp_path / "files").LAYOUT.startswith("a CSV file")
    assert len(load(tmp_path / "files", "test")[0][1]["boxes"]) == 1
    val = load(tmp_path / "roboflow", "val")
    assert val.file_name(0) == "valid/a.jpg" and val[0][1]["boxes"].tolist() == [[5, 6, 15, 18], [1, 2, 3, 4]]


def test_numbers_are_classes_in_their_order(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg,5,6,15,18,10\na.jpg,1,2,3,4,2\n")
    dataset = load(tmp_path)
    assert dataset.classes == tuple(map(str, range(11))) and dataset[0][1]["labels"].tolist() == [10, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ROWS + "a.jpg,5,x,15,18,nut", r"boxes\.csv, line 4, has 'x' where a number"),
        (ROWS + "a.jpg,5,6,15,18,", r"line 4, has no class"),
        (ROWS + ",5,6,15,18,nut", "line 4, names no picture"),
        (ROWS + "a.jpg,5,6", "line 4, has no class"),
        (ROWS + "a\0.jpg,5,6,7,8,nut", "names no picture|cannot be read"),
        (ROWS + '"' + "a" * 200_000, "cannot be read"),
    ],
)
def test_lines_that_are_no_boxes_are_refused(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, text)
    with pytest.raises(ValueError, match=message):
        TableDataset(tmp_path)


def test_odd_boxes_are_told(tmp_path: Path) -> None:
    write(tmp_path, ROWS + "a.jpg,nan,6,15,18,nut\na.jpg,15,18,5,6,nut\na.jpg,5,6,1e3,18,nut\n")
    with pytest.warns(UserWarning, match="2 degenerate boxes.*1 of 5 boxes reaches over the border.*two corners"):
        load(tmp_path, keep_empty=True)


def test_other_tables_are_not_boxes(tmp_path: Path) -> None:
    for text in ("a,b,c\n1,2,3\n", "", "name,age\n", "a.jpg,1,2,3,x,nut\n", "\0" * 50):
        assert not recognises(write(tmp_path, text))
    write(tmp_path, ROWS)
    write(tmp_path, ROWS, "more.csv")
    assert recognises(tmp_path) and recognises(tmp_path / "more.csv")
    with pytest.raises(ValueError, match=r"2 CSV files of boxes \(boxes.csv, more.csv\): keep one"):
        load(tmp_path)  # which of them, nobody knows
    with pytest.raises(FileNotFoundError, match=r"gone\.jpg"):
        load(write(tmp_path / "b", "gone.jpg,1,2,3,4,nut\n"))


def test_boxes_of_a_detector_are_told(tmp_path: Path) -> None:
    """fcos-edu detect --format csv, beside its pictures, was read as labels without a word."""
    picture(tmp_path / "a.jpg")
    lines = "filename,class,xmin,ymin,xmax,ymax,score\na.jpg,nut,1,2,10,20,0.9\na.jpg,nut,1,2,10,22,\n"
    (tmp_path / "boxes.csv").write_text(lines)
    with pytest.warns(UserWarning, match="1 box with a score, as a detector has found them"):
        assert len(load(tmp_path)[0][1]["boxes"]) == 2
