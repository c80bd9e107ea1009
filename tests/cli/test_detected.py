"""What ``detect`` leaves of pictures, in each format; tests/cli/test_detect.py has what holds for all of them."""

import csv
import json

import pytest

from fcos_edu import data
from fcos_edu.cli.detected import own_names
from fcos_edu.detectors import load
from tests.cli.calls import run


@pytest.fixture
def folder(tmp_path, photograph):
    for place in ("a", "b"):
        (tmp_path / "in" / place).mkdir(parents=True)
        (tmp_path / "in" / place / "hopper.jpg").write_bytes(photograph.read_bytes())
    return tmp_path / "in"


def test_every_format_has_the_same_detections(tmp_path, checkpoint, folder):
    """One per picture and box, in each file; the pictures keep their folders, so that nothing is mixed up."""
    pictures = [folder / "a" / "hopper.jpg", folder / "b" / "hopper.jpg"]
    found = {}
    for form in ("coco", "json", "csv", "yolo"):
        out = tmp_path / form
        for _ in range(2):  # again: what is there is ours
            assert run("detect", checkpoint, *pictures, "--out", out, "--format", form) == 0
        files = {
            p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file() and p.suffix not in (".jsonl", ".png")
        }
        labels = {"labels/classes.txt", "labels/hopper.txt", "labels/hopper-2.txt"}
        assert files == (labels if form == "yolo" else set(own_names(form)))
        found[form] = out
    names = load(checkpoint).config.class_names
    document = json.loads((found["coco"] / "detections.json").read_text())
    file_of = {i["id"]: i["file_name"] for i in document["images"]}
    name_of = {c["id"]: c["name"] for c in document["categories"]}
    coco = [(file_of[a["image_id"]], name_of[a["category_id"]], a["score"]) for a in document["annotations"]]
    assert len(coco) > 20 and {row[0] for row in coco} == {str(p) for p in pictures}
    plain = json.loads((found["json"] / "detections.json").read_text())
    assert coco == [(i["file_name"], d["class"], d["score"]) for i in plain["images"] for d in i["detections"]]
    with open(found["csv"] / "detections.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert coco == [(row["filename"], row["class"], float(row["score"])) for row in rows]
    assert tuple((found["yolo"] / "labels" / "classes.txt").read_text().split()) == names
    lines = [line.split() for stem in ("hopper", "hopper-2") for line in (found["yolo"] / f"labels/{stem}.txt").open()]
    assert [row[1:] for row in coco] == [(names[int(line[0])], float(line[5])) for line in lines]


def test_a_file_of_the_users_is_refused_before_anything_is_done(tmp_path, checkpoint, photograph, capsys):
    for form in ("csv", "yolo"):
        (mine,) = (tmp_path / form / name for name in own_names(form))
        mine.parent.mkdir(parents=True)
        mine.write_text("the user's")
        assert run("detect", checkpoint, photograph, "--out", tmp_path / form, "--format", form) == 1
        assert "it is not replaced" in capsys.readouterr().err and mine.read_text() == "the user's"
        assert [p for p in (tmp_path / form).rglob("*") if p.is_file()] == [mine]


def test_a_table_is_read_as_labels_where_the_pictures_are(tmp_path, checkpoint, folder):
    assert run("detect", checkpoint, folder / "a", "--out", tmp_path / "out", "--format", "csv") == 0
    (folder / "a" / "detections.csv").write_bytes((tmp_path / "out" / "detections.csv").read_bytes())
    own = data.load_annotations(folder / "a", pictures=True)
    assert own.file_names == ("hopper.jpg",) and len(own) > 10
