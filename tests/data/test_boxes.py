"""Boxes as arrays: the same boxes as the readers give for training, scaled to the same numbers."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fcos_edu import FCOSConfig, data
from fcos_edu.data.boxes import Boxes, batches, load_boxes
from fcos_edu.images import ImageBatcher
from fcos_edu.locations import Grid

SMALL = FCOSConfig.paper(min_size=100, max_size=160)


def write_coco(path: Path, images: list[tuple[int, int]], boxes: list[tuple[Any, ...]]) -> Path:
    """A COCO file of images (height, width), ids 10, 11, ..., and boxes (image, category, x, y, w, h[, crowd])."""
    document = {
        "images": [{"id": 10 + i, "file_name": f"{i}.jpg", "height": h, "width": w} for i, (h, w) in enumerate(images)],
        "annotations": [
            {"id": k, "image_id": 10 + b[0], "category_id": b[1], "bbox": list(b[2:6]), "iscrowd": int(len(b) > 6)}
            for k, b in enumerate(boxes, start=1)
        ],
        "categories": [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}],
    }
    path.write_text(json.dumps(document))
    return path


def test_a_coco_file(tmp_path: Path) -> None:
    path = write_coco(
        tmp_path / "some.json",
        [(40, 60), (50, 50), (30, 20)],
        [
            (2, 7, 1, 2, 5, 6),
            (0, 3, -5, 30, 20.5, 20),  # cut on the left and at the bottom
            (0, 7, 1, 1, 0, 9),
            (0, 7, 70, 1, 9, 9),  # outside
            (0, 7, float("nan"), 1, 9, 9),
            (0, 99, 1, 1, 9, 9),
            (0, 3, 0, 0, 60, 40, "crowd"),
        ],
    )
    boxes = load_boxes(path)
    assert (boxes.name, boxes.classes, boxes.images, len(boxes)) == ("some.json", ("cat", "dog"), 3, 2)
    assert boxes.boxes.tolist() == [[0, 30, 15.5, 40], [1, 2, 6, 8]]
    assert boxes.labels.tolist() == [0, 1] and boxes.image_index.tolist() == [0, 2]
    assert boxes.image_ids.tolist() == [10, 11, 12]
    assert (boxes.heights.tolist(), boxes.widths.tolist()) == ([40, 50, 30], [60, 50, 20])
    assert boxes.left_out == {"crowd boxes": 1, "degenerate boxes": 3, "boxes of unknown classes": 1}
    assert boxes.sides.tolist() == pytest.approx([155**0.5, 30**0.5])
    assert len(load_boxes(path, crowds=True)) == 3
    assert "crowd boxes" not in load_boxes(path, crowds=True).left_out


def test_the_model_sees_the_same_boxes(tmp_path: Path) -> None:
    """Canvas, feature maps, boxes and labels of each image, as training makes them of the photograph."""
    data.ShapesDataset(num_images=6, size=(96, 150)).export_coco(tmp_path)
    dataset = data.load(tmp_path, "train", keep_empty=True)
    config, batcher = SMALL, ImageBatcher(SMALL)
    boxes = load_boxes(tmp_path)
    seen = 0
    for batch in batches(boxes, config):
        for row, image in enumerate(batch.images):
            picture, target = dataset.read(int(image))
            assert target["image_id"] == boxes.image_ids[image]
            plain = picture.as_subclass(torch.Tensor).float() / 255
            made, targets = batcher([plain], [{k: target[k].as_subclass(torch.Tensor) for k in ("boxes", "labels")}])
            valid = batch.boxes.valid[row]
            assert torch.equal(batch.boxes.boxes[row][valid], targets[0]["boxes"])
            assert torch.equal(batch.boxes.labels[row][valid], targets[0]["labels"])
            assert batch.grid.canvas == tuple(made.tensor.shape[-2:])
            assert batch.grid is Grid.of(*batch.grid.canvas, config)
            seen += 1
    assert seen == 6


def _many(count: int) -> Boxes:
    """Images of four shapes with 0 to 9 boxes each."""
    random = np.random.default_rng(5)
    counts = random.integers(0, 10, count)
    sizes = np.array([[40, 80], [80, 40], [60, 60], [33, 70]])[random.integers(0, 4, count)]
    total = int(counts.sum())
    start = random.uniform(0, 20, (total, 2))
    return Boxes(
        "many", ("a", "b"), np.arange(count), sizes[:, 0], sizes[:, 1], np.repeat(np.arange(count), counts),
        np.concatenate([start, start + random.uniform(1, 12, (total, 2))], axis=1).astype(np.float32),
        random.integers(0, 2, total), {},
    )  # fmt: skip


def test_batches_hold_every_box_once() -> None:
    boxes = _many(300)
    config = FCOSConfig.paper()
    positions = []
    for batch in batches(boxes, config):
        valid = batch.boxes.valid
        assert valid.any(dim=1).all()  # images without boxes are left out
        assert (batch.boxes.boxes[~valid] == 0).all()
        own = batch.positions[valid]
        rows = torch.arange(len(batch.images))[:, None].expand_as(valid)[valid]
        assert (boxes.image_index[own.numpy()] == batch.images[rows.numpy()]).all()
        assert torch.equal(batch.boxes.labels[valid], torch.from_numpy(boxes.labels)[own])
        positions += own.tolist()
    assert sorted(positions) == list(range(len(boxes)))


def test_each_box_alone() -> None:
    boxes = _many(20)
    chosen = np.array([3, 40, 41])
    alone = boxes.alone(chosen)
    assert alone.images == len(alone) == 3
    assert alone.image_index.tolist() == [0, 1, 2]
    assert (alone.boxes == boxes.boxes[chosen]).all()
    assert (alone.heights == boxes.heights[boxes.image_index[chosen]]).all()
    nobody = boxes.alone(np.array([], dtype=np.int64))
    assert len(nobody) == 0 and list(batches(nobody, SMALL)) == []


OBJECT = (
    "<object><name>{0}</name><difficult>{5}</difficult><bndbox><xmin>{1}</xmin><ymin>{2}</ymin>"
    "<xmax>{3}</xmax><ymax>{4}</ymax></bndbox></object>"
)


def _write_voc(folder: Path) -> Path:
    """Two annotated images in two splits; no photographs."""
    (folder / "Annotations").mkdir(parents=True)
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    size = "<size><width>40</width><height>30</height><depth>3</depth></size>"
    objects = {
        "a": [("bolt", 11, 6, 20, 15, 0), ("anvil", 1, 1, 40, 30, 1)],
        "b": [("anvil", 31, 21, 60, 40, 0), ("anvil", 7, 7, 7, 20, 0)],
    }
    for split, (name, own) in zip(("train", "val"), objects.items()):
        body = "".join(OBJECT.format(*item) for item in own)
        (folder / "Annotations" / f"{name}.xml").write_text(f"<annotation>{size}{body}</annotation>")
        (folder / "ImageSets" / "Main" / f"{split}.txt").write_text(f"{name}\n")
    return folder


def test_a_voc_folder_without_photographs(tmp_path: Path) -> None:
    folder = _write_voc(tmp_path / "tools")
    boxes = load_boxes(folder)
    assert (boxes.name, boxes.classes, boxes.images) == ("tools", ("anvil", "bolt"), 2)
    assert boxes.boxes.tolist() == [[10, 5, 20, 15], [30, 20, 40, 30]]
    assert boxes.labels.tolist() == [1, 0]
    assert boxes.left_out == {"boxes marked difficult": 1, "degenerate boxes": 1}
    assert len(load_boxes(folder, crowds=True)) == 3
    one = load_boxes(folder, split="val")
    assert (one.name, one.images, len(one), one.classes) == ("tools (val)", 1, 1, boxes.classes)


def test_large_data_sets_by_name_need_their_annotations_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FCOS_EDU_DATA", str(tmp_path))
    (tmp_path / "coco2017" / "annotations").mkdir(parents=True)
    for name, boxes in (("train", 3), ("val", 2)):
        rows = [(0, 3, k, k, 4, 4) for k in range(boxes)]
        write_coco(tmp_path / "coco2017" / "annotations" / f"instances_{name}2017.json", [(9, 9)], rows)
    assert len(load_boxes("coco2017", split="val")) == 2
    with pytest.raises(ValueError, match="has several splits; choose one of train, val"):
        load_boxes("coco2017")
    folder = _write_voc(tmp_path / "VOCdevkit" / "VOC2007")
    for file in (folder / "Annotations").iterdir():
        file.write_text(file.read_text().replace("anvil", "dog").replace("bolt", "cat"))
    boxes = load_boxes("voc2007", split="val")
    assert len(boxes) == 1 and boxes.classes[boxes.labels[0]] == "dog"
    assert boxes.classes == data.VOC_CLASSES, "the labels are those of training"


def test_shapes_by_name() -> None:
    boxes = load_boxes("shapes", split="val")
    assert boxes.name == "shapes (val)"
    truth = data.ShapesDataset(split="val").ground_truth()
    assert (boxes.images, len(boxes)) == (len(truth["images"]), len(truth["annotations"]))
    x0, y0, w, h = np.array([a["bbox"] for a in truth["annotations"]]).T
    np.testing.assert_allclose(boxes.boxes, np.stack([x0, y0, x0 + w, y0 + h], axis=1), rtol=1e-6)


def test_boxes_up_to_their_last_pixel(tmp_path: Path) -> None:
    # The first touches the border, and the last column of a 30 pixel wide image is 29; the second has one column.
    rows = [(0, 3, 10, 5, 20, 15), (0, 3, 2, 2, 1, 9), (0, 7, 4, 6, 1.5, 2)]
    file = write_coco(tmp_path / "a.json", [(20, 30)], rows)
    boxes = load_boxes(file, last_pixel=True)
    assert boxes.boxes.tolist() == [[10, 5, 29, 19], [4, 6, 4.5, 7]]
    assert boxes.left_out == {"degenerate boxes": 1}
    assert len(load_boxes(file)) == 3
    folder = _write_voc(tmp_path / "tools")
    assert load_boxes(folder, last_pixel=True).boxes.tolist() == [[10, 5, 19, 14], [30, 20, 39, 29]]
    wide, narrow = (load_boxes("shapes", split="val", last_pixel=last) for last in (False, True))
    assert len(wide) == len(narrow)
    np.testing.assert_allclose(wide.boxes - narrow.boxes, np.broadcast_to([0, 0, 1, 1], wide.boxes.shape), atol=1e-4)


def test_faults_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FCOS_EDU_DATA", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match=r"there is no annotation file or folder .*gone\.json"):
        load_boxes(tmp_path / "gone.json")
    with pytest.raises(ValueError, match=r"empty\.json has no boxes to count \(none at all in 1 image\)"):
        load_boxes(write_coco(tmp_path / "empty.json", [(9, 9)], []))
    with pytest.raises(ValueError, match=r"has no boxes to count \(1 crowd box, 1 degenerate box in 1 image\)"):
        load_boxes(write_coco(tmp_path / "crowd.json", [(9, 9)], [(0, 3, 1, 1, 5, 5, "crowd"), (0, 3, 1, 1, 0, 5)]))
    with pytest.raises(ValueError, match=r"image 10 has height 0"):
        load_boxes(write_coco(tmp_path / "flat.json", [(0, 9)], [(0, 3, 1, 1, 5, 5)]))
    with pytest.raises(FileNotFoundError, match="coco2017 is not in the data folder: fetch it with"):
        load_boxes("coco2017")
    (tmp_path / "text.json").write_text("boxes")
    with pytest.raises(ValueError, match=r"text\.json is not a JSON file"):
        load_boxes(tmp_path / "text.json")
    good = write_coco(tmp_path / "good.json", [(9, 9)], [(0, 3, 1, 1, 5, 5)])
    with pytest.raises(ValueError, match="single file and has no split 'val'"):
        load_boxes(good, split="val")
    with pytest.raises(ValueError, match="no split 'dev'; it has train, val"):
        load_boxes(_write_voc(tmp_path / "voc"), split="dev")
    folder = tmp_path / "coco"
    folder.mkdir()
    with pytest.raises(ValueError, match="neither .*VOC's layout"):
        load_boxes(folder)
    for split in ("train", "val"):
        write_coco(folder / f"{split}.json", [(9, 9)], [(0, 3, 1, 1, 5, 5)])
    with pytest.raises(ValueError, match=re.escape("has several splits; choose one of train, val")):
        load_boxes(folder)
    with pytest.raises(ValueError, match="no split 'dev'; it has train, val"):
        load_boxes(folder, split="dev")
    assert len(load_boxes(folder, split="val")) == 1


BCCD = Path(os.environ.get("FCOS_EDU_DATA", "")) / "bccd" / "Annotations"


@pytest.mark.skipif(not (os.environ.get("FCOS_EDU_DATA") and BCCD.is_dir()), reason="BCCD is not in FCOS_EDU_DATA")
def test_bccd_has_the_published_counts() -> None:
    boxes = load_boxes("bccd")
    assert (boxes.images, len(boxes), boxes.left_out) == (364, 4886, {"degenerate boxes": 2})
    assert dict(zip(boxes.classes, np.bincount(boxes.labels).tolist())) == {"RBC": 4153, "WBC": 372, "Platelets": 361}


@pytest.mark.weekly
def test_a_file_is_repeated_to_any_number_of_images(tmp_path: Path) -> None:
    """scripts/repeat_annotations.py: what the cost of train2017's size is measured with."""
    source = write_coco(
        tmp_path / "a.json", [(50, 60), (70, 80)], [(0, 3, 1, 2, 30, 40), (1, 7, 5, 5, 20, 20), (1, 3, 6, 6, 9, 9)]
    )
    script = Path(__file__).parents[2] / "scripts" / "repeat_annotations.py"
    more = ["--images", "5", "--mask-points", "6"]
    subprocess.run([sys.executable, script, source, tmp_path / "b.json", *more], check=True)
    for entry in json.loads((tmp_path / "b.json").read_text())["annotations"]:
        x0, y0, w, h = entry["bbox"]
        (polygon,) = entry["segmentation"]
        assert len(polygon) == 12
        assert all(x0 <= x <= x0 + w and y0 <= y <= y0 + h for x, y in zip(polygon[::2], polygon[1::2], strict=True))
    one, many = load_boxes(source), load_boxes(tmp_path / "b.json")
    assert many.images == 5 and list(many.image_index) == [0, 1, 1, 2, 3, 3, 4]
    np.testing.assert_array_equal(many.boxes, np.concatenate([one.boxes, one.boxes, one.boxes[:1]]))
    assert len(set(many.image_ids)) == 5


@pytest.mark.weekly
def test_growth_is_measured_at_each_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """scripts/measure_growth.py: a straight line is found, a bend is told, and the record has both tables."""
    spec = importlib.util.spec_from_file_location(
        "measure_growth", Path(__file__).parents[2] / "scripts" / "measure_growth.py"
    )
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    straight = script.growth([1000, 2000, 4000], [5.0, 7.0, 11.0])
    assert straight == {"per_1000_images": 2.0, "at_zero": 3.0, "largest_departure": 0.0}
    assert script.growth([1000, 2000, 4000], [1.0, 4.0, 16.0])["largest_departure"] > 0.2  # the square

    source = write_coco(tmp_path / "a.json", [(50, 60), (70, 80)], [(0, 3, 1, 2, 30, 40), (1, 7, 5, 5, 20, 20)])
    one = script.point(source, 3, tmp_path)
    assert (one["images"], one["boxes"]) == (3, 3) and one["file_mb"] > 0
    parts = {"recall": {"load", "retinanet", "fcos_p4", "fcos_fpn"}, "ambiguity": {"load", "p4", "fpn"}}
    for table, names in parts.items():
        assert set(one[table]["cpu_seconds"]) == set(one[table]["seconds"]) == names
        assert one[table]["peak_memory_mb"] > 10

    monkeypatch.setattr(script, "point", lambda source, images, folder: one | {"images": images})
    script.main([str(source), "--sizes", "2", "4", "--record", str(tmp_path / "r.json"), "--note", "few"])
    result = json.loads((tmp_path / "r.json").read_text())
    assert (
        result["command"] == "python scripts/measure_growth.py a.json --sizes 2 4 --record r.json"
        and result["note"] == "few"
    )
    assert [p["images"] for p in result["metrics"]["points"]] == [2, 4]
    assert set(result["metrics"]["growth"]) == set(parts)
    assert result["metrics"]["growth"]["recall"]["peak_memory_mb"]["per_1000_images"] == pytest.approx(0, abs=1e-6)
    assert str(tmp_path) not in (tmp_path / "r.json").read_text()
