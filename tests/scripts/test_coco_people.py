"""scripts/coco_people.py on a small val2017 made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from fcos_edu import data
from scripts import coco_people


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Four images: people in three, of which one is small; a dog in the last."""
    (tmp_path / "coco" / "val2017").mkdir(parents=True)
    (tmp_path / "coco" / "annotations").mkdir()
    sizes = {139: (640, 426), 5: (512, 1024), 7: (200, 100), 9: (300, 300)}
    images, annotations = [], []
    for number, size in sizes.items():
        Image.new("RGB", size, (10 * number % 255, 90, 90)).save(tmp_path / "coco" / "val2017" / f"{number:012}.jpg")
        images.append({"id": number, "file_name": f"{number:012}.jpg", "width": size[0], "height": size[1]})
    for i, (number, category, box, crowd) in enumerate([
        (139, 1, [412.8, 157.61, 53.05, 138.01], 0), (5, 1, [0, 0, 512, 1024], 1), (7, 1, [10, 20, 30, 40], 0),
        (139, 18, [0, 0, 50, 50], 0), (9, 18, [0, 0, 50, 50], 0),
    ]):  # fmt: skip
        annotations.append({"id": i + 1, "image_id": number, "category_id": category, "bbox": box,
                            "area": box[2] * box[3] / 2, "iscrowd": crowd})  # fmt: skip
    given = {"images": images, "annotations": annotations,
             "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]}  # fmt: skip
    (tmp_path / "coco" / "annotations" / "instances_val2017.json").write_text(json.dumps(given), encoding="utf-8")
    return tmp_path / "coco"


@pytest.mark.filterwarnings("ignore:people .val.. left out of the targets. 1 crowd box")
def test_people_alone_at_a_short_side_of_256(coco: Path, tmp_path: Path) -> None:
    out = tmp_path / "people"
    boxes = coco / "annotations" / "instances_val2017.json"
    assert coco_people.make(boxes, coco / "val2017", out, {5}) == {"train": 2, "val": 1}
    train, val = (json.loads((out / f"{split}.json").read_text("utf-8")) for split in ("train", "val"))
    assert [(i["id"], i["width"], i["height"]) for i in train["images"]] == [(7, 200, 100), (139, 385, 256)]
    assert [(i["id"], i["width"], i["height"]) for i in val["images"]] == [(5, 256, 512)]
    first = next(a for a in train["annotations"] if a["image_id"] == 139)
    assert first["bbox"] == [248.33, 94.71, 31.91, 82.94] and val["annotations"][0]["iscrowd"] == 1
    for split, images in (("train", 2), ("val", 1)):
        dataset = data.load(out, split, keep_empty=True)
        assert len(dataset) == images and list(dataset.classes) == ["person"]
        assert dataset[0][0].shape[1:] in {(100, 200), (512, 256)}


def test_the_list_is_that_of_the_photographs_to_measure_on() -> None:
    assert len(coco_people.VAL) == 500 and all(isinstance(number, int) for number in coco_people.VAL)


def test_another_file_and_a_folder_that_is_there_are_refused(
    coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--coco", str(coco), "--out", str(tmp_path / "people")]
    assert coco_people.main(words) == 1 and "it is not val2017's" in capsys.readouterr().err
    assert not (tmp_path / "people").exists()
    (tmp_path / "people").mkdir()
    assert coco_people.main(words) == 1 and "there already" in capsys.readouterr().err
