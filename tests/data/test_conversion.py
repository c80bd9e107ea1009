"""What is converted says the same when it is read again, as far as the format can say it; the rest is told."""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fcos_edu.data import load, load_annotations
from fcos_edu.data.conversion import convert
from fcos_edu.data.formats import format_of, splits_of
from tests.data.test_voc import write as write_voc

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Zs", "Zl", "Zp")), min_size=1, max_size=8
)
SIDE = st.floats(1.01, 30)
BOX = st.tuples(st.floats(0, 9), st.floats(0, 9), SIDE, st.floats(1.01, 20))


@st.composite
def documents(draw: st.DrawFn) -> dict:
    """COCO's documents of pictures of 40×30 pixels, with boxes inside."""
    classes = sorted(draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)))
    boxes = draw(st.lists(st.tuples(st.integers(1, 2), st.integers(1, len(classes)), BOX), min_size=1, max_size=6))
    return {
        "images": [{"id": i, "file_name": f"{i} é.png", "width": 40, "height": 30} for i in (1, 2)],
        "annotations": [
            {"id": k, "image_id": i, "category_id": c, "bbox": list(box)} for k, (i, c, box) in enumerate(boxes)
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(classes, start=1)],
    }


def write(folder: Path, document: dict, split: str = "train") -> Path:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for image in document["images"]:
        Image.new("RGB", (40, 30)).save(folder / "images" / image["file_name"])
    (folder / f"{split}.json").write_text(json.dumps(document))
    return folder


def rows(folder: Path) -> list[tuple]:
    """Picture, class and corners of each box; of a picture in the order of its label, which no format changes."""
    found = load_annotations(folder)
    names = [Path(found.file_names[i]).name for i in found.image_index]
    classes = [found.classes[k] for k in found.labels]
    return sorted(zip(names, classes, found.boxes.tolist(), strict=True), key=lambda row: row[0])


@given(documents(), st.permutations(["coco", "voc", "yolo"]))
@settings(max_examples=15, deadline=None)
def test_boxes_come_back_through_every_format(document: dict, path: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        at = write(Path(scratch) / "start", document)
        wanted = rows(at)
        for k, to in enumerate(path):
            after = Path(scratch) / f"{k}"
            assert convert(at, after, to).boxes == len(wanted)
            assert format_of(after) is format_of(Path(f"{to}:{after}")) and splits_of(after) == ("train",)
            at = after
        found = rows(at)
        assert [row[:2] for row in found] == [row[:2] for row in wanted]
        assert np.allclose([row[2] for row in found], [row[2] for row in wanted], rtol=0, atol=1e-6)


def lossy() -> dict:
    boxes = [[5, 6, 10, 12], [5, 6, 0.5, 12], [30, 20, 20, 20], [5, 6, 0, 3], [5, 6, 10, 12], [50, 1, 5, 5]]
    return {
        "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 30}],
        "annotations": [
            {"id": k, "image_id": 1, "category_id": 2, "bbox": box, "iscrowd": int(k == 4), "area": 7 if k == 0 else 0}
            for k, box in enumerate(boxes)
        ],
        "categories": [{"id": 1, "name": "never"}, {"id": 2, "name": "nut"}],
    }


def test_what_a_format_cannot_say_is_told(tmp_path: Path) -> None:
    write(tmp_path / "a", lossy())
    with pytest.warns(UserWarning):
        coco = convert(tmp_path / "a", tmp_path / "coco", "coco")
        voc = convert(tmp_path / "a", tmp_path / "voc", "voc")
        yolo = convert(tmp_path / "a", tmp_path / "yolo", "yolo")
    assert dict(+coco.lost) == {"degenerate boxes": 1} and coco.boxes == 5
    truth = json.loads((tmp_path / "coco" / "annotations" / "instances_train.json").read_text())
    assert [a["area"] for a in truth["annotations"]] == [7, 6, 400, 120, 25]
    assert [a["iscrowd"] for a in truth["annotations"]] == [0, 0, 0, 1, 0]
    assert dict(+voc.lost) == {
        "degenerate boxes": 1, "boxes of at most a pixel, which VOC cannot say": 1,
        "areas unlike the box's own, which VOC does not say": 1,
        "classes without a box, which VOC does not list": 1,
    }  # fmt: skip
    assert voc.boxes == 4 and "1 crowd box is marked difficult" in str(voc)
    assert dict(+yolo.lost) == {
        "degenerate boxes": 1, "crowd boxes, which YOLO does not have": 1, "boxes outside of the picture": 1,
        "box parts beyond the border, which others' readers of YOLO refuse": 1,
        "areas unlike the box's own, which YOLO does not say": 1,
    }  # fmt: skip
    assert yolo.boxes == 3 and str(yolo).startswith(
        f"{tmp_path / 'yolo'}: 1 picture, 3 boxes, in the format yolo\nlost: "
    )


@pytest.mark.parametrize("to", ["coco", "voc", "yolo"])
def test_splits_names_and_bytes_are_kept(tmp_path: Path, to: str) -> None:
    """Two splits with pictures of one name, as Roboflow's folders may have."""
    for split in ("train", "valid"):
        (tmp_path / "a" / split).mkdir(parents=True)
        Image.new("RGB", (40, 30), split and (len(split), 2, 3)).save(tmp_path / "a" / split / "x y.png")
        line = "path,x0,y0,x1,y1,class\nx y.png,1,2,11,12,no\n"
        (tmp_path / "a" / split / "boxes.csv").write_text(line)
    done = convert(tmp_path / "a", tmp_path / "b", to)
    assert done.images == done.boxes == 2 and splits_of(tmp_path / "b") == ("train", "val")
    for split, own in (("train", "train"), ("val", "valid")):
        dataset = load(tmp_path / "b", split)
        assert dataset.classes == ("no",) and np.allclose(dataset[0][1]["boxes"], [[1, 2, 11, 12]])
        picture = dataset.annotations().path(0)
        assert picture.read_bytes() == (tmp_path / "a" / own / "x y.png").read_bytes() and not picture.is_symlink()
    linked = convert(tmp_path / "a", tmp_path / "c", to, split="val", link=True)
    assert linked.images == 1 and load(tmp_path / "c", "val").annotations().path(0).is_symlink()


def test_a_folder_without_splits_stays_one(tmp_path: Path) -> None:
    folder = write_voc(tmp_path / "a", {"a": [("cat", 3, 4, 20, 22, 1)], "b": []})
    (folder / "ImageSets" / "Main" / "train.txt").unlink()
    (folder / "ImageSets" / "Main").rmdir()
    (folder / "ImageSets").rmdir()
    for to in ("coco", "voc", "yolo"):
        with pytest.warns(UserWarning):
            assert convert(folder, tmp_path / to, to).images == 2
        assert splits_of(tmp_path / to) == () and load_annotations(tmp_path / to).images == 2
    assert load_annotations(tmp_path / "voc").ignored.tolist() == [True]


def test_nothing_is_overwritten_or_half_written(tmp_path: Path) -> None:
    write(tmp_path / "a", lossy())
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine").write_text("x")
    with pytest.raises(FileExistsError, match="is there, and nothing is overwritten"):
        convert(tmp_path / "a", tmp_path / "b", "voc")
    document = lossy()
    document["categories"][1]["name"] = "a\nb"
    write(tmp_path / "c", document)
    for to in ("voc", "yolo"):
        with pytest.raises(ValueError, match=r"the class name 'a\\nb' cannot stand in"), pytest.warns(UserWarning):
            convert(tmp_path / "c", tmp_path / "d", to)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]
    (tmp_path / "b" / "mine").unlink()
    with pytest.warns(UserWarning):
        assert convert(tmp_path / "a", tmp_path / "b", "coco").images == 1  # an empty folder may be filled
    with pytest.raises(ValueError, match="the format is 'xml'"):
        convert(tmp_path / "a", tmp_path / "e", "xml")
    with pytest.raises(ValueError, match="shapes has no files to convert"):
        convert("shapes", tmp_path / "e", "coco", split="val")
    with pytest.raises(FileNotFoundError, match="'nowhere' is neither a folder nor a known data set"):
        convert("nowhere", tmp_path / "e", "coco")


def test_pictures_that_are_skipped_are_left_out(tmp_path: Path) -> None:
    document = lossy() | {"images": [{"id": i, "file_name": f"{i}.png", "width": 40, "height": 30} for i in (1, 2)]}
    write(tmp_path / "a", document | {"annotations": document["annotations"][:1]})
    (tmp_path / "a" / "images" / "2.png").write_bytes(b"no picture")
    done = convert(tmp_path / "a", tmp_path / "b", "coco", on_corrupt="skip")
    assert done.images == done.boxes == 1 and done.lost["pictures that cannot be read"] == 1
    assert load_annotations(tmp_path / "b").file_names == ("1.png",)


def test_upright_pictures_are_told_where_the_format_does_not(tmp_path: Path) -> None:
    document = lossy() | {"images": [{"id": 1, "file_name": "a.png", "width": 30, "height": 40}]}
    document["annotations"] = document["annotations"][:1]
    write(tmp_path / "a", document)
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (40, 30)).save(tmp_path / "a" / "images" / "a.png", exif=exif)
    assert "--orientation upright" in str(convert(tmp_path / "a", tmp_path / "yolo", "yolo"))
    again = load(tmp_path / "yolo", "train", orientation="upright")
    assert again[0][0].shape == (3, 40, 30) and np.allclose(again[0][1]["boxes"], [[5, 6, 15, 18]])
    assert not convert(tmp_path / "a", tmp_path / "voc", "voc").notes
    assert load(tmp_path / "voc", "train")[0][0].shape == (3, 40, 30)


def test_a_target_that_cannot_be_written_is_named_itself(tmp_path: Path) -> None:
    write(tmp_path / "a", lossy())
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match=f"cannot write {tmp_path}/file/b: "), pytest.warns(UserWarning):
        convert(tmp_path / "a", tmp_path / "file" / "b", "coco")
    for inside in (tmp_path / "a" / "b", tmp_path / "a" / "images" / ".." / "c" / "d"):
        with pytest.raises(ValueError, match="lies inside of .*/a, and would be read with it"):
            convert(tmp_path / "a", inside, "coco")
    assert not (tmp_path / "a" / "c").exists()


def test_splits_that_number_their_classes_otherwise_become_one(tmp_path: Path) -> None:
    """As each export of a tool counts the classes of its own pictures."""
    entry = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 3, 10, 12]}
    for split, names in (("train", ("nut", "bolt")), ("val", ("ring", "nut"))):
        categories = [{"id": i, "name": name} for i, name in enumerate(names, start=1)]
        image = {"id": 1, "file_name": f"{split}.png", "width": 40, "height": 30}
        write(tmp_path / "source", {"images": [image], "annotations": [entry], "categories": categories}, split)
    convert(tmp_path / "source", tmp_path / "new", "yolo")
    for split, name in (("train", "nut"), ("val", "ring")):
        made = load(tmp_path / "new", split)
        assert made.classes == ("nut", "bolt", "ring")
        assert [made.classes[label] for label in made[0][1]["labels"]] == [name]
