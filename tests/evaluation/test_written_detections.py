"""Detections as files: the package's own readers find the same boxes in them."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from fcos_edu import data
from fcos_edu.cli.detected import FORMS
from fcos_edu.data import tables, yolo
from fcos_edu.evaluation import EvaluationError, read_detections
from fcos_edu.evaluation.written_detections import TABLES, Seen, table, yolo_lines, yolo_names

CLASSES = ("nut", 'a "bolt", long', "écrou 螺母")


def seen(number, name, boxes, labels, **more):
    scores = torch.linspace(0.9, 0.1, len(labels))
    found = {
        "boxes": torch.tensor(boxes).reshape(-1, 4).float(),
        "scores": scores,
        "labels": torch.tensor(labels).long(),
    }
    return Seen(number, name, 100, 200, found, **more)


PICTURES = [
    seen(1, "in/a.png", [[1.234, 2, 30, 40.5], [0, 0, 200, 100]], [0, 1]),
    seen(2, "in/b, c.png", [], []),
    seen(3, "in/d.png", [[10, 20, 30, 40]], [2]),
]


def text_of(form, pictures=PICTURES, classes=CLASSES, count=3, **options):
    made = table(form, classes, count, **options)
    parts = [made.begin()]
    for one in pictures:  # whole after each of them
        parts.append(made.part(one))
        whole = "".join([*parts, made.end()])
        if form != "csv":
            json.loads(whole)
    return whole


def test_the_command_knows_every_form():
    assert set(FORMS) == {*TABLES, "yolo"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for one in PICTURES:
        Image.new("RGB", (200, 100)).save(tmp_path / one.name)
    return tmp_path


def test_cocos_document_is_read_for_evaluation(tmp_path):
    truth = {
        "images": [{"id": 7 * one.number, "file_name": one.name} for one in PICTURES],
        "categories": [{"id": 5 - k, "name": name} for k, name in enumerate(CLASSES)],
    }
    (tmp_path / "found.json").write_text(text_of("coco"), "utf-8")
    results = read_detections(tmp_path / "found.json", truth)
    assert [(r["image_id"], r["category_id"], r["score"]) for r in results] == [(7, 5, 0.9), (7, 4, 0.1), (21, 3, 0.9)]
    np.testing.assert_allclose(results[0]["bbox"], [1.23, 2, 28.77, 38.5], atol=0.006)
    assert json.loads(text_of("coco", [PICTURES[1]]))["annotations"] == []
    (tmp_path / "plain.json").write_text(text_of("json"), "utf-8")
    with pytest.raises(EvaluationError, match="holds no list of detections: fcos-edu detect --format coco writes"):
        read_detections(tmp_path / "plain.json", truth)


def test_torchvisions_background_is_no_category_and_classes_may_have_no_names():
    own = json.loads(text_of("coco", classes=("__background__", "nut", "bolt"), pictures=[PICTURES[2]]))
    assert own["categories"] == [{"id": 1, "name": "nut"}, {"id": 2, "name": "bolt"}]
    assert own["annotations"][0]["category_id"] == 2
    plain = json.loads(text_of("coco", classes=()))
    assert plain["categories"] == [{"id": k + 1, "name": str(k)} for k in range(3)]
    assert json.loads(text_of("json", classes=()))["images"][2]["detections"][0]["class"] == "2"
    assert yolo_names((), 2) == "0\n1\n"


def same_boxes(own):
    """Whether a reader has found the boxes of ``PICTURES``, whatever their order."""
    names = [name.rpartition("/")[2] for name in own.file_names]
    for one in PICTURES:
        place = own.of_image(names.index(one.name.rpartition("/")[2]))
        assert [own.classes[k] for k in own.labels[place]] == [CLASSES[k] for k in one.found["labels"]]
        np.testing.assert_allclose(own.boxes[place], one.found["boxes"].numpy(), atol=0.0051)


def test_csv_is_read_by_the_reader_of_labels(folder):
    (folder / "detections.csv").write_text(text_of("csv"), "utf-8")
    assert tables.recognises(folder)
    same_boxes(data.load_annotations(folder, pictures=True))


def test_yolos_lines_are_no_labels_until_their_scores_are_cut_off(folder):
    (folder / "classes.txt").write_text(yolo_names(CLASSES, 3), "utf-8")
    for one in PICTURES:
        (folder / one.name).with_suffix(".txt").write_text(yolo_lines(one))
    with pytest.raises(ValueError, match="a sixth is a score of a detector: these are no labels"):
        yolo.read(folder)
    for one in PICTURES:
        lines = [line.rpartition(" ") for line in yolo_lines(one).splitlines()]
        np.testing.assert_allclose([float(line[2]) for line in lines], one.found["scores"], atol=1e-4)
        (folder / one.name).with_suffix(".txt").write_text("".join(f"{line[0]}\n" for line in lines))
    same_boxes(yolo.read(folder))


def test_plain_json_has_names_and_corners_and_frames_their_times():
    document = json.loads(text_of("json"))
    assert document["classes"] == list(CLASSES) and [one["file_name"] for one in document["images"]][1] == "in/b, c.png"
    assert document["images"][0]["detections"][0] == {
        "class": "nut",
        "score": 0.9,
        "box": [1.23, 2.0, 30.0, 40.5],
        "label": 0,
    }
    assert document["images"][1] == {"file_name": "in/b, c.png", "width": 200, "height": 100, "detections": []}
    frames = json.loads(text_of("json", [seen(1, "f/000008.png", [], [], frame=8, seconds=0.32)], video="f.mp4"))
    assert frames["video"] == "f.mp4" and frames["frames"][0]["frame"] == 8 and frames["frames"][0]["seconds"] == 0.32
