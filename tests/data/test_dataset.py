"""What all datasets of files share: corrupt and missing files, what is left out, collating."""

from __future__ import annotations

import json
import os
import pickle
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from fcos_edu.data import decoding, load, summary
from fcos_edu.data.annotations import Annotations, Record
from fcos_edu.data.dataset import CorruptImageError, FileDataset, collate
from fcos_edu.data.shapes import ShapesDataset


def record(path, image_id: int = 1, width: int = 40, height: int = 30, boxes=((5, 5, 20, 20),)) -> Record:
    xyxy = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    labels = np.zeros(len(xyxy))
    return Record(image_id, path.name, width, height, xyxy, labels, ignored=labels, areas=np.full(len(xyxy), 225.0))


def of(records: list[Record], folder: Path, classes: tuple[str, ...] = ("a",), **more: Any) -> FileDataset:
    return FileDataset(Annotations.of(records, classes, name="dataset", folder=folder), **more)


@pytest.fixture
def paths(tmp_path):
    """Three images; the one in the middle is cut off half-way."""
    found = [tmp_path / f"{i}.png" for i in range(3)]
    for i, path in enumerate(found):
        Image.fromarray(np.random.RandomState(i).randint(0, 255, (30, 40, 3)).astype(np.uint8)).save(path)
    found[1].write_bytes(found[1].read_bytes()[:900])
    return found


def test_a_corrupt_image_is_named(paths) -> None:
    dataset = of([record(p, i) for i, p in enumerate(paths)], paths[0].parent)
    assert dataset[0] is not None
    with pytest.raises(CorruptImageError, match=r"1\.png") as caught:
        dataset[1]
    assert caught.value.path == paths[1]
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.path == paths[1] and str(again) == str(caught.value)
    with pytest.raises(CorruptImageError, match=r"1\.png"):  # from a process of a loader, too
        list(DataLoader(dataset, batch_size=3, collate_fn=collate, num_workers=1))


def test_a_corrupt_image_can_be_skipped_and_is_counted_once(paths) -> None:
    dataset = of([record(p, i) for i, p in enumerate(paths)], paths[0].parent, on_corrupt="skip")
    with pytest.warns(UserWarning, match=r"skipped .*1\.png"):
        images, targets = next(iter(DataLoader(dataset, batch_size=3, collate_fn=collate)))
    assert len(images) == 2 and [t["image_id"] for t in targets] == [0, 2]
    assert dataset[1] is None
    assert dataset.warning_counts == {"corrupt images": 1}
    with pytest.raises(ValueError, match="'ignore'; it must be one of error, skip"):
        of([record(paths[0])], paths[0].parent, on_corrupt="ignore")


def test_missing_files(paths) -> None:
    records = [record(p, i) for i, p in enumerate(paths)]
    paths[2].unlink()
    with pytest.raises(FileNotFoundError, match=r"2\.png.*1 of 3"):
        of(records, paths[0].parent)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert of(records, paths[0].parent, on_corrupt="skip")[2] is None


def test_a_photograph_of_another_size_than_annotated(paths) -> None:
    """The true size decides, whatever the annotation says: which boxes lie inside, and which images are left out."""
    given = [
        record(paths[0], 1, width=80, height=60, boxes=[(5, 5, 60, 50), (50, 40, 70, 55)]),
        record(paths[2], 2, width=4, height=3),  # no box would be left in an image of this size
    ]
    with pytest.warns(UserWarning) as caught:
        dataset = of(given, paths[0].parent, keep_empty=False)
    assert len(caught) == 1 and dataset.image_ids == [1, 2]
    told = str(caught[0].message)
    assert "2 images have another size than annotated" in told
    assert "0.png, is 40×30 pixels and annotated 80×60" in told
    assert "1 of 3 boxes reaches over the border of its image and is cut" in told
    assert "from (5, 5) to (60, 50) of '0.png', which is 40×30 pixels" in told
    assert dataset.warning_counts == {"degenerate boxes": 1}
    assert dataset[0][1]["boxes"].tolist() == [[5, 5, 40, 30]] and len(dataset[1][1]["boxes"]) == 1
    assert [(i["width"], i["height"]) for i in dataset.ground_truth()["images"]] == [(40, 30), (40, 30)]
    trusted = of([record(paths[0], width=80, height=60)], paths[0].parent, trust_sizes=True)
    with pytest.warns(UserWarning, match="40×30 pixels.*80×60"):  # seen when it is decoded
        trusted[0]


@pytest.mark.parametrize("orientation", range(2, 9))
def test_pictures_are_turned_where_the_annotated_size_fits_only_the_turned_one(tmp_path, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    values = np.random.RandomState(3).randint(0, 255, (30, 40, 3)).astype(np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(values).save(path, exif=exif)
    with Image.open(path) as opened:
        upright = np.array(ImageOps.exif_transpose(opened))
    height, width = upright.shape[:2]
    seen = [(5.0, 6.0, 18.0, 28.0)]
    quarter = orientation >= 5

    def image(options: dict[str, Any], width: int, height: int) -> np.ndarray:
        dataset = of([record(path, 1, width, height, seen)], tmp_path, **options)
        picture, target = dataset[0]
        assert target["boxes"].tolist() == [list(seen[0])]  # as they were annotated, in whichever picture
        assert dataset.ground_truth()["images"][0]["height"] == picture.shape[1]
        return picture.permute(1, 2, 0).numpy()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if not quarter else "error")
        told = image({}, width, height)
        assert np.array_equal(told, upright if quarter else values)
        warnings.simplefilter("ignore")
        assert np.array_equal(image({"orientation": "upright"}, width, height), upright)
        assert np.array_equal(image({"orientation": "stored"}, width, height), values)
    with pytest.warns(UserWarning, match=r"1 image is to be turned upright by its EXIF.*--orientation upright"):
        assert np.array_equal(image({}, 40, 30), values)


def test_what_cannot_be_told_is_counted_once(tmp_path) -> None:
    exif = Image.Exif()
    exif[274] = 3
    records = []
    for i in range(3):
        Image.new("RGB", (40, 30)).save(tmp_path / f"{i}.jpg", exif=exif)
        records.append(record(tmp_path / f"{i}.jpg", i))
    with pytest.warns(UserWarning) as caught:
        of(records, tmp_path)
    assert len(caught) == 1 and "3 images are to be turned" in str(caught[0].message)
    with pytest.raises(ValueError, match="orientation is 'left'; it must be one of auto, stored, upright"):
        of(records, tmp_path, orientation="left")


@pytest.mark.parametrize("layout", ["coco", "voc"])
def test_each_header_of_a_large_folder_is_read_once(tmp_path, monkeypatch, layout: str) -> None:
    """5,000 pictures: whatever is asked of them all, each is opened once, and none is decoded."""
    count, opened, real = 5000, Counter[str](), decoding._opened
    first = tmp_path / "first.jpg"
    Image.new("RGB", (16, 16)).save(first)
    names = [f"{i:04d}" for i in range(count)]
    folder = tmp_path / "set"
    for inner in ("images",) if layout == "coco" else ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / inner).mkdir(parents=True)
    for name in names:
        os.link(first, folder / ("images" if layout == "coco" else "JPEGImages") / f"{name}.jpg")
    if layout == "coco":
        document = {
            "images": [{"id": i, "file_name": f"{name}.jpg"} for i, name in enumerate(names)],
            "annotations": [{"id": i, "image_id": i, "category_id": 1, "bbox": [2, 2, 9, 9]} for i in range(count)],
            "categories": [{"id": 1, "name": "a"}],
        }
        (folder / "train.json").write_text(json.dumps(document))
    else:
        box = "<xmin>2</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax>"
        one = tmp_path / "one.xml"
        one.write_text(f"<annotation><object><name>a</name><bndbox>{box}</bndbox></object></annotation>")
        for name in names:
            os.link(one, folder / "Annotations" / f"{name}.xml")
        (folder / "ImageSets" / "Main" / "train.txt").write_text("\n".join(names))

    def counted(path: Path, *more: Any) -> Any:
        opened[str(path)] += 1
        return real(path, *more)

    monkeypatch.setattr(decoding, "_opened", counted)
    monkeypatch.setattr(decoding, "_rgb", None)
    dataset = load(folder, "train")
    summary(dataset)
    dataset.ground_truth()
    dataset.summary()
    assert len(dataset) == count == len(opened) == opened.total()


def test_pictures_outside_of_the_folder_are_read_only_where_that_is_allowed(tmp_path) -> None:
    inside, secret = tmp_path / "inside", tmp_path / "secret.png"
    inside.mkdir()
    Image.new("RGB", (40, 30)).save(secret)
    for name in (str(secret), "../secret.png", "a/../../secret.png", "..\\secret.png", "C:\\secret.png"):
        one = record(secret)
        one.file_name = name
        for on_corrupt in ("error", "skip"):
            with pytest.raises(ValueError, match=r"lies outside of the folder .*inside; .*--allow-outside"):
                of([one], inside, on_corrupt=on_corrupt)
        if "\\" not in name and "a/" not in name:
            assert of([one], inside, allow_outside=True)[0][0].shape == (3, 30, 40)
    Image.new("RGB", (40, 30)).save(inside / "b.png")
    one.file_name = "a/../b.png"  # climbs, but not out
    (inside / "a").mkdir()
    assert len(of([one], inside)) == 1


def test_a_dataset_with_nothing_to_learn_is_refused(paths) -> None:
    with pytest.raises(ValueError, match=r"the only image has no usable box \(the annotations hold no box at all"):
        of([record(paths[0], boxes=())], paths[0].parent, keep_empty=False)
    boxes = [(5, 5, 5, 20), (41, 5, 50, 20)]
    with pytest.raises(ValueError) as caught:
        of([record(paths[0], boxes=boxes)], paths[0].parent, keep_empty=False)
    assert str(caught.value) == (
        "dataset: the only image has no usable box (2 degenerate boxes; the first box reaches from (5, 5) to "
        "(5, 20) in '0.png', of 40×30 pixels). Check the annotations, or keep images without boxes as background with "
        "keep_empty=True (--keep-empty)."
    )
    assert len(of([record(paths[0], boxes=())], paths[0].parent, keep_empty=True)) == 1


def test_transforms_get_image_and_boxes_together(paths) -> None:
    plain = of([record(paths[0])], paths[0].parent)
    flipped = of([record(paths[0])], paths[0].parent, transforms=v2.RandomHorizontalFlip(1.0))
    assert torch.equal(flipped[0][0], plain[0][0].flip(-1))
    assert flipped[0][1]["boxes"].tolist() == [[20, 5, 35, 20]]


def test_collate_keeps_sizes_apart_and_drops_skipped() -> None:
    a, b = ShapesDataset(1, size=(64, 96))[0], ShapesDataset(1, size=(96, 64))[0]
    images, targets = collate([a, None, b])
    assert [tuple(image.shape) for image in images] == [(3, 64, 96), (3, 96, 64)]
    assert targets == [a[1], b[1]]
    assert collate([None]) == ([], [])
