"""``fcos-edu evaluate``: detections that are the truth, and files that are none."""

import json
import shutil

import pytest

from fcos_edu import FCOS, FCOSConfig, data
from fcos_edu.data import processes
from tests.cli.calls import run


def test_evaluate_scores_a_list_of_coco_results(tmp_path):
    folder = tmp_path / "set"
    data.ShapesDataset(num_images=3, split="test", size=(128, 128)).export_coco(folder)
    truth = json.loads((folder / "test.json").read_text())
    results = [{**{k: a[k] for k in ("image_id", "category_id", "bbox")}, "score": 0.9} for a in truth["annotations"]]
    (tmp_path / "found.json").write_text(json.dumps(results))
    out = tmp_path / "ap.json"
    assert run("evaluate", "--data", folder, "--detections", tmp_path / "found.json", "--out", out) == 0
    assert json.loads(out.read_text())["AP"] > 0.99


def test_detections_need_neither_images_nor_a_detector(tmp_path, monkeypatch):
    """A COCO annotation file alone, a folder without its pictures, drawn shapes; and torch is asked for no model."""
    monkeypatch.setattr("fcos_edu.detectors.load", None)
    shapes = data.ShapesDataset(num_images=3, split="test", size=(128, 128))
    shapes.export_coco(tmp_path / "set")
    truth = json.loads((tmp_path / "set" / "test.json").read_text())
    results = [{**{k: a[k] for k in ("image_id", "category_id", "bbox")}, "score": 0.9} for a in truth["annotations"]]
    found, out = tmp_path / "found.json", tmp_path / "ap.json"
    found.write_text(json.dumps(results))
    shutil.rmtree(tmp_path / "set" / "images")
    for place in (tmp_path / "set", tmp_path / "set" / "test.json"):
        assert run("evaluate", "--detections", found, "--data", place, "--out", out) == 0
        assert json.loads(out.read_text())["AP"] == pytest.approx(1.0)
    found.write_text("[]")
    assert run("evaluate", "--detections", found, "--out", out) == 0
    assert json.loads(out.read_text())["AP"] == 0.0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "evaluate needs a detector"),
        (["shapes", "--detections", "f.json"], "give a detector (shapes) or --detections f.json, not both"),
        (["--detections", "f.json", "--data", "no.json"], "there is no annotation file or folder no.json"),
        (["--detections", "f.json", "--data", "SET/test.json", "--split", "val"], "is a single file and has no split"),
        (["--detections", "f.json", "--data", "SET"], "there is no file of detections f.json"),
        (["--detections", "f.json", "--data", "SET", "--split", "val"], "has no split 'val'; it has test"),
        (["shapes", "--data", "SET", "--split", "valid"], "has no split 'valid'; it has test"),
    ],
)
def test_wrong_calls_are_one_sentence(tmp_path, capsys, words, message):
    data.ShapesDataset(num_images=1, split="test", size=(128, 128)).export_coco(tmp_path / "set")
    assert run("evaluate", *(word.replace("SET", str(tmp_path / "set")) for word in words)) == 1
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_skipped_images_are_told_and_their_boxes_left_out(tmp_path, capsys):
    """A detector that finds all there is keeps its AP, however many pictures are broken."""
    folder = tmp_path / "set"
    data.ShapesDataset(num_images=4, split="test", size=(128, 128)).export_coco(folder)
    out = {name: tmp_path / f"{name}.json" for name in ("before", "after")}
    broken = sorted((folder / "images").rglob("*.png"))[1]
    truth = json.loads((folder / "test.json").read_text())
    alone = {**truth, "images": [i for i in truth["images"] if not broken.match(i["file_name"])]}
    known = {i["id"] for i in alone["images"]}
    assert len(known) == 3
    alone["annotations"] = [a for a in truth["annotations"] if a["image_id"] in known]
    (folder / "val.json").write_text(json.dumps(alone))
    assert run("evaluate", "shapes", "--data", folder, "--split", "val", "--out", out["before"]) == 0
    broken.write_bytes(broken.read_bytes()[:99])
    words = ["evaluate", "shapes", "--data", folder, "--split", "test", "--out", out["after"], "--on-corrupt", "skip"]
    with pytest.warns(UserWarning, match="1 of 4 images was not read"):
        assert run(*words) == 0
    assert out["after"].read_text() == out["before"].read_text()


def test_a_report_shows_pictures_where_they_are(tmp_path, capsys):
    """Of a detector, of detections beside their pictures, and of an annotation file alone."""
    folder = tmp_path / "set"
    data.ShapesDataset(num_images=3, split="test", size=(128, 128)).export_coco(folder)
    page, figures = tmp_path / "report.html", tmp_path / "figures.json"
    assert run("evaluate", "shapes", "--data", folder, "--report", page, "--out", figures) == 0
    told = capsys.readouterr().out
    document, html = json.loads(figures.read_text()), page.read_text("utf-8")
    assert f"report: {page}" in told and f"{100 * document['AP']:.1f}" in told and "AP50 gained if mended" in told
    assert str(tmp_path) not in html and "fcos-edu evaluate shapes --data set" in html
    assert html.count("<img ") == len(document["worst"])
    truth = json.loads((folder / "test.json").read_text())
    for image in truth["images"]:
        image["file_name"] = image["file_name"].replace(".png", "<b>.png")
    for file in (folder / "images").rglob("*.png"):
        file.rename(file.with_name(file.name.replace(".png", "<b>.png")))
    (folder / "test.json").write_text(json.dumps(truth))
    found, alone = tmp_path / "found.json", tmp_path / "alone" / "test.json"
    found.write_text("[]")
    alone.parent.mkdir()
    alone.write_text((folder / "test.json").read_text())
    for place, pictures in ((folder, 3), (folder / "test.json", 3), (alone, 0)):
        assert run("evaluate", "--detections", found, "--data", place, "--report", page) == 0  # ours: written again
        html = page.read_text("utf-8")
        assert html.count("<img ") == pictures and html.count("The picture was not found.") == 3 - pictures
        assert "&lt;b&gt;.png" in html and "<b>.png" not in html
    assert run("evaluate", "--detections", found, "--report", page) == 0
    assert page.read_text("utf-8").count("<img ") == 4  # drawn shapes are drawn again


def test_a_file_of_the_users_is_no_report(tmp_path, capsys):
    mine = tmp_path / "mine.html"
    mine.write_text("mine")
    for place, message in ((mine, "is there and no report of fcos-edu"), (tmp_path, "is a folder: give a file")):
        assert run("evaluate", "shapes", "--report", place) == 1
        assert message in capsys.readouterr().err
    assert mine.read_text() == "mine"


def test_many_classes_are_told_by_the_worst(tmp_path, capsys):
    images = [{"id": 1, "file_name": "a.jpg", "width": 90, "height": 90}]
    boxes = [
        {"id": k, "image_id": 1, "category_id": k, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0} for k in range(1, 41)
    ]
    truth = {
        "images": images,
        "annotations": boxes,
        "categories": [{"id": k, "name": f"c{k:02}"} for k in range(1, 41)],
    }
    (tmp_path / "t.json").write_text(json.dumps(truth))
    found = [{**{k: a[k] for k in ("image_id", "category_id", "bbox")}, "score": 0.9} for a in boxes[:15]]
    (tmp_path / "f.json").write_text(json.dumps(found))
    assert run("evaluate", "--detections", tmp_path / "f.json", "--data", tmp_path / "t.json") == 0
    told = capsys.readouterr().out
    assert (
        "the 30 worst of 40" in told and "c40" in told and "c16" in told and "c15" not in told.split("- AP")[0][2000:]
    )


@pytest.mark.parametrize("cores", [2, 64])
def test_processes_change_no_digit(tmp_path, monkeypatch, one_thread, cores):
    """Neither where pictures are whole nor where one is skipped, whether the processes load or detect."""
    monkeypatch.setattr(processes, "_cores", lambda: cores)
    folder = tmp_path / "set"
    data.ShapesDataset(num_images=5, split="test", size=(128, 128)).export_coco(folder)
    broken = sorted((folder / "images").rglob("*.png"))[1]
    broken.write_bytes(broken.read_bytes()[:99])
    results = []
    for workers in (0, 2):
        out = tmp_path / f"{workers}.json"
        words = ["evaluate", "shapes", "--data", folder, "--on-corrupt", "skip", "--out", out, "--workers", workers]
        with pytest.warns(UserWarning) as heard:
            assert run(*words) == 0
        results.append((out.read_text(), sorted({str(w.message) for w in heard if w.category is UserWarning})))
    assert results[0] == results[1]
    assert json.loads(results[0][0])["AP"] > 0.1 and any("skipped" in text for text in results[0][1])


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is not JSON"), ('{"a": 1}', "holds no list"), ('[{"image_id": 1}]', "detection 0 lacks 'category_id'")],
)
def test_bad_detection_files_are_named(tmp_path, capsys, text, message):
    (tmp_path / "found.json").write_text(text)
    assert run("evaluate", "--detections", tmp_path / "found.json") == 1
    error = capsys.readouterr().err
    assert message in error and "found.json" in error


def test_other_classes_are_refused(tmp_path, capsys):
    FCOS(FCOSConfig.tiny(num_classes=1, class_names=("cell",))).save(tmp_path / "m.safetensors")
    assert run("evaluate", tmp_path / "m.safetensors", "--data", "shapes") == 1
    assert "detects cell, but the data has disc" in capsys.readouterr().err
