"""``fcos-edu evaluate``: detections that are the truth, and files that are none."""

import json

import pytest

from fcos_edu import FCOS, FCOSConfig, data
from tests.cli.calls import run


def test_evaluate_scores_a_list_of_coco_results(tmp_path, checkpoint):
    folder = tmp_path / "set"
    data.ShapesDataset(num_images=3, split="test", size=(128, 128)).export_coco(folder)
    truth = json.loads((folder / "test.json").read_text())
    results = [{**{k: a[k] for k in ("image_id", "category_id", "bbox")}, "score": 0.9} for a in truth["annotations"]]
    (tmp_path / "found.json").write_text(json.dumps(results))
    out = tmp_path / "ap.json"
    assert run("evaluate", checkpoint, "--data", folder, "--detections", tmp_path / "found.json", "--out", out) == 0
    assert json.loads(out.read_text())["AP"] > 0.99


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is not JSON"), ('{"a": 1}', "holds no list"), ('[{"image_id": 1}]', "detection 0 lacks 'category_id'")],
)
def test_bad_detection_files_are_named(tmp_path, checkpoint, capsys, text, message):
    (tmp_path / "found.json").write_text(text)
    assert run("evaluate", checkpoint, "--detections", tmp_path / "found.json") == 1
    error = capsys.readouterr().err
    assert message in error and "found.json" in error


def test_other_classes_are_refused(tmp_path, capsys):
    FCOS(FCOSConfig.tiny(num_classes=1, class_names=("cell",))).save(tmp_path / "m.safetensors")
    assert run("evaluate", tmp_path / "m.safetensors", "--data", "shapes") == 1
    assert "detects cell, but the data has disc" in capsys.readouterr().err
