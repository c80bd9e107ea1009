"""The COCO reader on hand-written folders; pycocotools is the judge of its ground truth."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from fcos_edu.data import load, load_annotations
from fcos_edu.data.coco import COCODataset, coco_splits, recognises, splits
from fcos_edu.evaluation.written_detections import Seen, table

CATEGORIES = [{"id": 7, "name": "nut"}, {"id": 3, "name": "bolt"}]


def entry(image_id: int, category_id: int, *bbox: float, **more: Any) -> dict[str, Any]:
    return {"id": 0, "image_id": image_id, "category_id": category_id, "bbox": list(bbox), **more}


def write(folder: Path, annotations: list[dict[str, Any]], images: int = 3, name: str = "train.json") -> Path:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    listed = []
    for image_id in range(images, 0, -1):
        Image.fromarray(np.full((30, 40, 3), 9 * image_id, np.uint8)).save(folder / "images" / f"{image_id}.png")
        listed.append({"id": image_id, "file_name": f"{image_id}.png", "width": 40, "height": 30})
    data = {"images": listed, "annotations": annotations, "categories": CATEGORIES}
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(data))
    return folder


def test_labels_follow_category_ids_and_boxes_become_corners(tmp_path) -> None:
    folder = write(tmp_path, [entry(2, 7, 1.5, 2, 10, 20.25), entry(2, 3, 0, 0, 5, 5), entry(1, 7, 3, 3, 4, 4)])
    dataset = COCODataset(folder)
    assert dataset.classes == ("bolt", "nut") and dataset.category_ids == (3, 7)
    assert dataset.image_ids == [1, 2, 3] and dataset.file_name(1) == "2.png"
    image, target = dataset[1]
    assert image.shape == (3, 30, 40) and image[0, 0, 0] == 18  # the photograph of image 2
    assert target["boxes"].tolist() == [[1.5, 2, 11.5, 22.25], [0, 0, 5, 5]]
    assert target["labels"].tolist() == [1, 0] and target["image_id"] == 2


def test_ground_truth_against_pycocotools(tmp_path) -> None:
    # A detector that repeats the boxes, and adds one on a crowd, is perfect.
    boxes = [entry(1, 3, 1, 2, 10, 12), entry(1, 7, 20, 2, 15, 12), entry(2, 7, 5, 5, 30, 20)]
    folder = write(tmp_path, [*boxes, entry(2, 3, 0, 0, 40, 8, iscrowd=1)])
    with pytest.warns(UserWarning, match="1 crowd box"):
        dataset = COCODataset(folder)
    found = [{k: b[k] for k in ("image_id", "category_id", "bbox")} | {"score": 0.9} for b in boxes]
    found.append({"image_id": 2, "category_id": 3, "bbox": [3, 1, 9, 6], "score": 0.95})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = dataset.ground_truth()
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)
    found[-1]["image_id"] = 3  # off the crowd it is a mistake, ranked first
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(0.75)


def test_what_is_left_out_is_counted_in_one_warning(tmp_path) -> None:
    annotations = [
        entry(1, 3, 1, 1, 9, 9),
        entry(1, 3, 1, 1, 9, 9, iscrowd=1),
        entry(1, 3, 5, 5, 0, 9),
        entry(1, 3, 5, 5, -3, 9),
        entry(1, 3, 41, 5, 9, 9),
        entry(1, 3, float("nan"), 5, 9, 9),
        entry(1, 99, 1, 1, 9, 9),
        entry(2, 3, 5, 5, 0.5, 9),
    ]
    with pytest.warns(UserWarning) as caught:
        dataset = COCODataset(write(tmp_path, annotations), keep_empty=False)
    assert len(caught) == 1
    assert dataset.warning_counts == {
        "boxes of unknown classes": 1,
        "crowd boxes": 1,
        "degenerate boxes": 4,
        "images without a usable box": 2,  # one is thinner than a pixel, one has none
    }
    assert dataset.image_ids == [1] and dataset[0][1]["boxes"].tolist() == [[1, 1, 10, 10]]
    assert [a["iscrowd"] for a in dataset.ground_truth()["annotations"]] == [
        0,
        1,
        0,
    ]  # the third lies outside


def test_chosen_classes(tmp_path) -> None:
    folder = write(tmp_path, [entry(1, 3, 1, 1, 9, 9), entry(1, 7, 2, 2, 9, 9)])
    with pytest.warns(UserWarning, match="1 box of classes not asked for"):
        dataset = COCODataset(folder, classes=("nut",))
    assert dataset.category_ids == (7,) and dataset[0][1]["labels"].tolist() == [0]
    with pytest.raises(ValueError, match="no category 'screw'; it has bolt, nut"):
        COCODataset(folder, classes=("screw",))


@pytest.mark.parametrize(
    "name",
    ["val.json", "annotations/val.json", "annotations/instances_val2017.json", "val/_annotations.coco.json"],
)
def test_layouts(tmp_path, name: str) -> None:
    folder = write(tmp_path, [entry(1, 3, 1, 1, 9, 9)], name=name)
    if "_annotations" in name:
        (folder / "images").rename(folder / "moved")
        for file in (folder / "moved").iterdir():
            file.rename(folder / "val" / file.name)
    elif "2017" in name:
        (folder / "images").rename(folder / "val2017")
    assert set(coco_splits(folder)) == {"val"}
    assert COCODataset(folder, "val")[0][0].shape == (3, 30, 40)


def test_splits_are_joined_or_named(tmp_path) -> None:
    folder = write(tmp_path, [entry(1, 3, 1, 1, 9, 9)])
    data = json.loads((folder / "train.json").read_text())
    for image in data["images"]:
        image["id"] += 10
    data["annotations"] = [entry(12, 7, 1, 1, 9, 9)]
    (folder / "val.json").write_text(json.dumps(data))
    assert COCODataset(folder, "train+val").image_ids == [1, 2, 3, 11, 12, 13]
    with pytest.raises(ValueError, match="no split 'test'; it has train, val"):
        COCODataset(folder, "test")
    (folder / "val.json").write_text((folder / "train.json").read_text())
    both = COCODataset(folder, "trainval")  # the same ids in both: numbered anew
    assert both.image_ids == [1, 2, 3, 4, 5, 6]
    assert [len(both[i][1]["boxes"]) for i in range(6)] == [1, 0, 0, 1, 0, 0]
    assert [a["image_id"] for a in both.ground_truth()["annotations"]] == [1, 4]


def test_faulty_files_are_named(tmp_path) -> None:
    folder = write(tmp_path, [entry(1, 3, 1, 1, 9, 9)])
    file = folder / "train.json"
    good = json.loads(file.read_text())

    def fails(text: str, match: str) -> None:
        file.write_text(text)
        with pytest.raises(ValueError, match=match):
            COCODataset(folder)

    fails('{"images": [', r"train\.json is not a JSON file.*line 1")
    fails("[1]", "holds a list")
    for key in ("images", "annotations", "categories"):
        fails(json.dumps({k: v for k, v in good.items() if k != key}), f"lacks the list '{key}'")
    fails(
        json.dumps({**good, "annotations": [{"image_id": 1, "category_id": 3}]}),
        "entry 0 of 'annotations' lacks 'bbox'",
    )
    fails(json.dumps({**good, "annotations": [entry(1, 3, 1, 1, 9)]}), r"bbox \[1, 1, 9\]")
    strangers = [entry(77, 3, 1, 1, 9, 9), entry(78, 3, 1, 1, 9, 9)]
    fails(json.dumps({**good, "annotations": strangers}), "2 annotations.*image_id 77")
    fails(json.dumps({**good, "categories": []}), "no categories")
    fails(
        json.dumps({**good, "images": [*good["images"], good["images"][0]]}),
        "image id 3 occurs more than once",
    )


def test_missing_photographs_are_named(tmp_path) -> None:
    folder = write(tmp_path, [entry(1, 3, 1, 1, 9, 9)])
    (folder / "images" / "1.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1\.png.*1 of 3 images"):
        COCODataset(folder)
    for file in (folder / "images").iterdir():
        file.unlink()
    with pytest.raises(FileNotFoundError, match="holds no images"):
        COCODataset(folder)


@pytest.mark.parametrize(
    ("name", "pictures"),
    [
        ("_annotations.coco.json", "."),  # Roboflow
        ("annotations/instances_default.json", "images/default"),  # CVAT
        ("instances_default.json", "images"),
        ("result.json", "images"),  # Label Studio
        ("my_own.json", "photos"),
    ],
)
def test_one_file_without_splits_is_read_as_train(tmp_path, name: str, pictures: str) -> None:
    folder = write(tmp_path, [entry(1, 3, 1, 1, 9, 9)], name=name)
    if pictures == "photos":  # named by the file itself
        data = json.loads((folder / name).read_text())
        for image in data["images"]:
            image["file_name"] = f"photos/{image['file_name']}"
        (folder / name).write_text(json.dumps(data))
    if pictures != "images":
        (folder / "images").rename(folder / "moved")
        (folder / pictures).mkdir(parents=True, exist_ok=True)
        for file in (folder / "moved").iterdir():
            file.rename(folder / pictures / file.name)
        (folder / "moved").rmdir()
    (folder / "notes.json").write_text('{"categories": 3}')
    assert recognises(folder) and splits(folder) == ()
    dataset = load(folder, "train")
    assert len(dataset) == 1 and dataset[0][1]["boxes"].tolist() == [[1, 1, 10, 10]]
    assert load_annotations(folder).images == 3
    with pytest.raises(ValueError, match="has no split 'test': all its pictures are one set"):
        load(folder, "test")


def test_roboflows_root_category_is_no_class(tmp_path) -> None:
    folder = write(tmp_path, [entry(1, 1, 1, 1, 9, 9)], name="train/_annotations.coco.json")
    file = folder / "train" / "_annotations.coco.json"
    data = json.loads(file.read_text())
    names = [("nuts", "none"), ("nuts", "nuts"), ("bolts", "nuts")]
    data["categories"] = [{"id": i, "name": n, "supercategory": s} for i, (n, s) in enumerate(names)]
    file.write_text(json.dumps(data))
    assert splits(folder) == ("train",) and COCODataset(folder).classes == ("nuts", "bolts")
    file.write_text(json.dumps(data | {"annotations": [entry(1, 0, 1, 1, 9, 9)]}))
    with pytest.raises(ValueError, match="the category name 'nuts' occurs more than once"):
        COCODataset(folder)


def test_other_json_is_not_coco(tmp_path) -> None:
    (tmp_path / "a.json").write_text('{"version": "5", "shapes": [], "images": []}')
    (tmp_path / "b.json").write_text("[]")
    (tmp_path / "package.json").write_text('{"images": "none"}')
    assert not recognises(tmp_path) and not recognises(tmp_path / "nowhere")
    for name in ("one.json", "two.json"):
        write(tmp_path, [], name=name)
    assert not recognises(tmp_path)  # which of them nobody knows; either can be named
    assert load_annotations(tmp_path / "two.json").images == 3


def detected(folder: Path, form: str, name: str = "detections.json") -> Path:
    """What `fcos-edu detect` leaves of three pictures, beside the pictures."""
    found = {"boxes": torch.tensor([[5.0, 6, 15, 18]]), "scores": torch.tensor([0.5]), "labels": torch.tensor([0])}
    made = table(form, ("nut", "bolt"), 2)
    parts = [made.part(Seen(k, f"{k}.png", 30, 40, found)) for k in (1, 2, 3)]
    (folder / name).write_text(made.begin() + "".join(parts) + made.end())
    return folder


@pytest.mark.parametrize("form", ["coco", "json"])
def test_detections_are_no_labels(tmp_path: Path, form: str) -> None:
    """Neither as the only file of a folder, nor in the place of a split, nor by name; beside labels they are passed."""
    write(tmp_path, [entry(1, 3, 1, 2, 10, 12)], name="cells.json")
    assert len(load_annotations(detected(tmp_path, form))) == 1
    (tmp_path / "cells.json").unlink()
    told = r"detections\.json: its boxes have scores, as a detector has found them, and are no labels"
    for path in (tmp_path, tmp_path / "detections.json"):
        with pytest.raises(ValueError, match=told):
            load_annotations(path)
    with pytest.raises(ValueError, match=told.replace("detections", "train")):
        COCODataset(detected(tmp_path, form, "train.json"))


def test_a_score_of_1_at_each_box_is_that_of_a_person(tmp_path: Path) -> None:
    write(tmp_path, [entry(1, 3, 1, 2, 10, 12, score=1), entry(2, 3, 1, 2, 10, 12, score=1.0)])
    with pytest.warns(UserWarning, match="2 boxes with a score, as a detector has found them"):
        assert len(COCODataset(tmp_path, keep_empty=False)) == 2
