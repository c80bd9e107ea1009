"""The table of formats: a folder is read by what is there, and a new format needs one line."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from fcos_edu import data
from fcos_edu.data import coco, formats, sources, voc
from fcos_edu.data.annotations import Annotations, Record
from fcos_edu.data.boxes import load_boxes
from fcos_edu.data.formats import FORMATS, format_of
from fcos_edu.data.sources import SOURCES, fetched
from tests.data.test_coco import entry
from tests.data.test_coco import write as write_coco
from tests.data.test_voc import write as write_voc


def test_folders_are_recognised(tmp_path: Path) -> None:
    write_voc(tmp_path / "voc", {"a": [("cat", 1, 1, 9, 9)]})
    write_voc(tmp_path / "kit" / "VOCdevkit" / "VOC2007", {"a": [("cat", 1, 1, 9, 9)]})
    write_coco(tmp_path / "coco", [entry(1, 3, 1, 1, 9, 9)])
    assert format_of(tmp_path / "voc") is format_of(tmp_path / "kit") is voc
    assert format_of(tmp_path / "coco") is format_of(tmp_path / "coco" / "train.json") is coco
    (tmp_path / "other" / "Annotations").mkdir(parents=True)  # COCO's folder, where names have no case
    write_coco(tmp_path / "other", [entry(1, 3, 1, 1, 9, 9)], name="annotations/train.json")
    assert format_of(tmp_path / "other") is coco
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"has neither .*VOC's layout \(Annotations, .*COCO's \(train\.json"):
        format_of(tmp_path / "empty")


def test_every_known_data_set_has_a_format() -> None:
    assert {SOURCES[name].layout for name in fetched()} <= set(FORMATS)


def test_images_and_boxes_alone_are_made_of_the_same_annotations(tmp_path: Path) -> None:
    """Both readers of each format, on one folder: the same boxes, labels and images."""
    entries = [entry(2, 7, 1.5, 2, 10, 20.25), entry(1, 3, -4, 5, 9, 90), entry(2, 3, 0, 0, 5, 5)]
    objects = {"b": [("cat", 3, 4, 20, 22), ("dog", 1, 1, 40, 30, 1)], "a": [("dog", 31, 21, 60, 40)]}
    for folder in (write_voc(tmp_path / "voc", objects), write_coco(tmp_path / "coco", entries)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = data.load(folder, "train", keep_empty=True)
        boxes = load_boxes(folder, split="train")
        assert boxes.image_ids.tolist() == dataset.image_ids and boxes.classes == dataset.classes
        targets = [dataset.read(i)[1] for i in range(len(dataset))]
        assert np.array_equal(boxes.boxes, np.concatenate([t["boxes"] for t in targets]))
        assert np.array_equal(boxes.labels, np.concatenate([t["labels"] for t in targets]))
        assert np.bincount(boxes.image_index, minlength=boxes.images).tolist() == [len(t["labels"]) for t in targets]


def test_a_path_may_name_its_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tuple(FORMATS) == sources.FORMATS
    assert sources.named("yolo:a/b") == ("yolo", Path("a/b"))
    assert sources.named("a/b") == (None, Path("a/b")) and sources.named("C:/b") == (None, Path("C:/b"))
    assert sources.named("yolo:") == (None, Path("yolo:"))
    monkeypatch.chdir(tmp_path)
    Path("coco:x").mkdir()
    assert sources.named("coco:x") == (None, Path("coco:x"))  # a folder that is there
    with pytest.raises(FileNotFoundError, match="'yolo:nowhere' is neither a folder nor a known dataset"):
        data.load("yolo:nowhere")


def _dots() -> ModuleType:
    """A made-up format: one line for each box, "name x y w h class", in dots.txt beside the pictures."""
    module = ModuleType("dots")

    def recognises(path: Path) -> bool:
        return (path / "dots.txt").is_file()

    def read(path, split=None, *, classes=None, pictures=True) -> Annotations:
        lines = [line.split() for line in (path / "dots.txt").read_text().splitlines()]
        names = sorted({line[5] for line in lines})
        records = []
        for k, file in enumerate(sorted({line[0] for line in lines}), start=1):
            own = [line for line in lines if line[0] == file]
            xywh = np.array([[float(v) for v in line[1:5]] for line in own])
            boxes = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
            records.append(Record(k, file, 0, 0, boxes, [names.index(line[5]) for line in own], [False] * len(own)))
        return Annotations.of(records, names, name=path.name, folder=path, split=split or "")

    module.LAYOUT, module.recognises, module.read = "dots' (dots.txt)", recognises, read  # type: ignore[attr-defined]
    module.splits = lambda path: ()  # type: ignore[attr-defined]
    return module


def test_a_new_format_is_one_module_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        Image.new("RGB", (50, 30)).save(tmp_path / f"{name}.png")
    (tmp_path / "dots.txt").write_text("b.png 1 2 10 10 nut\na.png 40 5 20 20 bolt\na.png 3 3 4 4 nut\n")
    monkeypatch.setattr(formats, "FORMATS", {"dots": _dots(), **FORMATS})
    dataset = data.load(tmp_path, "val")
    assert dataset.classes == ("bolt", "nut") and [dataset.file_name(i) for i in (0, 1)] == ["a.png", "b.png"]
    assert dataset[0][1]["boxes"].tolist() == [[40, 5, 50, 25], [3, 3, 7, 7]]
    assert load_boxes(tmp_path).boxes.tolist() == [[40, 5, 50, 25], [3, 3, 7, 7], [1, 2, 11, 12]]
    assert str(data.summary(dataset)).splitlines()[0].endswith("2 (0 without boxes)")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"neither dots' \(dots\.txt\), VOC's layout \(.*\), COCO's \(.* nor "):
        format_of(tmp_path / "empty")
    monkeypatch.setitem(FORMATS, "dots", _dots())
    write_coco(tmp_path, [entry(1, 3, 1, 1, 9, 9)])
    with pytest.raises(ValueError, match=r"may be read as dots or coco: say which with --format dots or --format coco"):
        format_of(tmp_path)
    assert data.load_annotations(f"coco:{tmp_path}").classes == ("bolt", "nut")
