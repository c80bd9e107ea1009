"""What is odd about a data set is found: data sets with one fault each, and one without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fcos_edu.config import FCOSConfig
from fcos_edu.data import load_annotations
from fcos_edu.data.boxes import Boxes
from fcos_edu.evaluation.ambiguity import ambiguity
from fcos_edu.evaluation.data_checks import check_data, drawn_twice, read_parts
from fcos_edu.evaluation.recall import best_possible_recall

TINY = FCOSConfig.tiny(num_classes=2, min_size=64, max_size=128, center_sampling_radius=None)
NUT, BOLT = [8, 8, 24, 24], [40, 20, 30, 28]


def write(folder: Path, boxes: dict[str, list[tuple[int, list[float]]]], split: str = "train", first: int = 0) -> Path:
    """COCO's format: pictures of 80×60 pixels, each with other noise, and (category, xywh)."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    images, entries = [], []
    for i, (name, own) in enumerate(boxes.items(), start=1):
        noise = np.random.RandomState(first + i).randint(0, 255, (60, 80, 3)).astype(np.uint8)
        Image.fromarray(noise).save(folder / "images" / name)
        images.append({"id": i, "file_name": name, "width": 80, "height": 60})
        entries += [{"id": len(entries), "image_id": i, "category_id": c, "bbox": b} for c, b in own]
    document: dict[str, Any] = {"images": images, "annotations": entries}
    document["categories"] = [{"id": 1, "name": "nut"}, {"id": 2, "name": "bolt"}]
    (folder / f"{split}.json").write_text(json.dumps(document))
    return folder


def sound(folder: Path) -> Path:
    write(folder, {f"t{i}.png": [(1, NUT), (2, BOLT)] for i in range(20)})
    return write(folder, {f"v{i}.png": [(1, NUT), (2, BOLT)] for i in range(2)}, "val", first=100)


def test_nothing_is_found_where_nothing_is_odd(tmp_path: Path) -> None:
    report = check_data(sound(tmp_path / "mine"), TINY)
    assert report.advice == [] and report.duplicates == {"within": [], "between": []}
    train, val = report.splits
    assert (train.split, train.images, train.boxes, val.boxes) == ("train", 20, 40, 4)
    assert train.per_class == {"nut": 20, "bolt": 20} and train.recall == 1 and train.lost == {}
    text = str(report)
    assert text.startswith("mine, resized to 64 px (at most 128)") and text.endswith("Nothing to change was found.")
    json.dumps(report.values())


def test_the_tables_are_those_of_the_paper(tmp_path: Path) -> None:
    small = {f"{i}.png": [(1, [1 + 3 * i, 2, 1.5, 1.5]), (2, [8, 8, 40, 40]), (1, [10, 10, 40, 40])] for i in range(20)}
    report = check_data(write(tmp_path, small), TINY)
    boxes = Boxes.of(load_annotations(tmp_path, "train"))
    recall, shares = best_possible_recall(boxes, TINY, progress=False), ambiguity(boxes, TINY, progress=False)
    only = report.splits[0]
    assert only.recall == recall.recall < 1 and only.lost == {k: v for k, v in recall.lost().items() if v}
    assert (only.ambiguous, only.different_classes) == (shares.all, shares.different_classes) and shares.different > 0
    wider = TINY.replace(min_size=128, max_size=256)
    assert report.larger["128"] == best_possible_recall(boxes, wider, progress=False).recall
    assert any("can be learnt nowhere" in one for one in report.advice)
    assert any("center sampling parts them" in one for one in report.advice)


def advice(folder: Path, match: str) -> None:
    found = check_data(folder, TINY).advice
    assert any(match in one for one in found), found


def test_equal_pictures_are_found_within_and_between_splits(tmp_path: Path) -> None:
    folder = sound(tmp_path)
    (folder / "images" / "v1.png").write_bytes((folder / "images" / "t3.png").read_bytes())
    (folder / "images" / "t5.png").write_bytes((folder / "images" / "t4.png").read_bytes())
    report = check_data(folder, TINY)
    assert report.duplicates == {
        "within": [["train: t4.png", "train: t5.png"]],
        "between": [["train: t3.png", "val: v1.png"]],
    }
    assert "1 picture stands in several splits, such as train: t3.png and val: v1.png" in report.advice[0]
    assert "1 picture is there more than once" in report.advice[1]


def test_odd_boxes_are_counted(tmp_path: Path) -> None:
    odd = {f"{i}.png": [(1, NUT), (2, BOLT)] for i in range(25)}
    odd["odd.png"] = [(1, NUT), (1, [8, 8, 24, 24.5]), (2, [8, 8, 24, 24]), (1, [70, 50, 30, 30]), (1, [9, 9, 0, 4])]
    report = check_data(write(tmp_path, odd), TINY)
    only = report.splits[0]
    assert (only.degenerate, only.over_border, only.twice) == (1, 1, 1)
    assert drawn_twice(load_annotations(tmp_path, "train")) == [(50, 51)]
    for words in ("1 box has no extent", "1 box reaches over the border", "1 box is drawn twice"):
        advice(tmp_path, words)
    assert any("left out of the targets: 1 degenerate box" in note for note in only.notes)


def test_rare_and_missing_classes_are_told(tmp_path: Path) -> None:
    write(tmp_path, {f"{i}.png": [(1, NUT)] * 1 + [(2, BOLT)] * (i == 0) for i in range(120)})
    write(tmp_path, {"v.png": [(1, NUT)]}, "val", first=500)
    advice(tmp_path, "fewer than 20 boxes to learn of bolt (1)")
    advice(tmp_path, "the most frequent class has 120 boxes, the rarest 1")
    advice(tmp_path, "val has no box of bolt")


def test_a_folder_without_splits_and_drawn_shapes(tmp_path: Path) -> None:
    folder = write(tmp_path, {"a.png": [(1, NUT)], "b.png": []})
    (folder / "train.json").rename(folder / "result.json")
    report = check_data(folder, TINY)
    assert [part.split for part in report.splits] == [""] and report.splits[0].empty == 1
    assert report.advice[-1].startswith("there are no splits") and "all" in str(report).splitlines()[1]
    parts, _ = read_parts("shapes", "val", num_images=3)
    assert parts["val"].images == 3
    with pytest.raises(FileNotFoundError, match="'nowhere' is neither a folder nor a known data set"):
        check_data("nowhere", TINY)


def test_splits_may_number_their_classes_otherwise(tmp_path: Path) -> None:
    write(tmp_path, {"a.png": [(1, [4, 4, 20, 20])]})
    write(tmp_path, {"b.png": [(1, [4, 4, 20, 20])]}, "val", first=7)
    file = tmp_path / "val.json"
    document = json.loads(file.read_text())
    names = [category["name"] for category in document["categories"]]
    document["categories"] = [{"id": i, "name": name} for i, name in enumerate((*names[::-1], "new"), start=1)]
    file.write_text(json.dumps(document))
    train, val = check_data(tmp_path, TINY).splits
    assert list(train.per_class) == list(val.per_class) == [*names, "new"]
    assert train.per_class[names[0]] == 1 and val.per_class[names[-1]] == 1


def test_what_is_to_be_typed_can_be_copied(tmp_path: Path) -> None:
    folder = write(tmp_path / "my folder", {"a.png": [(1, [4, 4, 20, 20])]})
    (folder / "train.json").rename(folder / "instances_default.json")
    assert f"fcos-edu data split '{folder}' writes lists" in str(check_data(folder, TINY))
