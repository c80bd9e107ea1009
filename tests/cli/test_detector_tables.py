"""Tables 4, 6 and 7 and Fig. 7 of trained detectors: what is printed and recorded, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fcos_edu import FCOS, FCOSConfig, data, detectors
from fcos_edu.evaluation.agnostic import agnostic_metrics, proposal_recall
from fcos_edu.evaluation.coco_ap import coco_metrics, predict
from fcos_edu.evaluation.quality import ambiguous_detections, four_ways, score_iou
from fcos_edu.proposals import LEVELS, FirstStage
from tests.cli.calls import call


def run(*words: object) -> None:
    call("tables", *words)


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch) -> data.DetectionDataset:
    """Six pictures, as the commands see them."""
    monkeypatch.setattr(data.shapes, "DEFAULT_IMAGES", {"train": 8, "val": 4, "test": 6})
    return data.load("shapes", "test", transforms=data.transforms.eval_transforms())


def test_detections_centerness_and_score_iou(
    shapes: data.DetectionDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The packaged detector: each command prints and records what its function gives."""
    results = {}
    for table in ("detections", "centerness", "score-iou"):
        more = ("--figure", tmp_path / "7.png") if table == "score-iou" else ()
        run(table, "shapes", *more, "--record", tmp_path / "a.json", "--note", "few")
        results[table] = json.loads((tmp_path / "a.json").read_text())
        assert results[table]["command"] == f"fcos-edu tables {table} shapes"
        assert results[table]["data"] == "shapes (test, 6 images)" and results[table]["note"] == "few"
    out = capsys.readouterr().out
    model = FCOS.pretrained("shapes")
    ways = four_ways(model, shapes, progress=False)
    assert results["centerness"]["metrics"] == ways
    assert f"{100 * (ways['oracle']['AP'] or 0):.2f}" in out
    points = score_iou(model, shapes, progress=False)
    for name, scores in (("without", points.class_scores), ("with", points.scores)):
        want = {"points": len(scores), "under": int((points.ious < scores).sum())}
        want["share"] = want["under"] / want["points"]
        assert results["score-iou"]["metrics"][name] == want and want["points"] > 20
    found = results["detections"]["metrics"]
    assert found["detections"] == len(points.scores) > found["score at least 0.3"]["detections"] > 0
    assert 0 <= found["different_classes"] <= found["all"] <= 1
    assert found == ambiguous_detections(model, shapes, progress=False) | {
        "score at least 0.3": found["score at least 0.3"]
    }
    clear = ambiguous_detections(model, shapes, threshold=0.3, progress=False)
    assert found["score at least 0.3"] == {key: value for key, value in clear.items() if key != "samples"}
    assert f"{100 * found['samples']['all']:.2f}" in out and str(found["samples"]["positive"]) in out
    assert (tmp_path / "7.png").read_bytes()[:4] == b"\x89PNG"


def test_several_runs_give_mean_and_spread(
    shapes: data.DetectionDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = FCOS.pretrained("shapes")
    other.config = other.config.replace(score_threshold=0.2)
    other.save(tmp_path / "b" / "model.safetensors")
    one, two = (ambiguous_detections(model, shapes, progress=False) for model in (FCOS.pretrained("shapes"), other))
    assert one["detections"] != two["detections"] and one["all"] != two["all"]
    run("detections", "shapes", tmp_path / "b" / "model.safetensors", "--record", tmp_path / "a.json")
    result = json.loads((tmp_path / "a.json").read_text())
    metrics, out = result["metrics"], capsys.readouterr().out
    assert result["command"] == "fcos-edu tables detections shapes b/model.safetensors"
    for key in ("detections", "all", "different_classes"):
        assert metrics[key]["values"] == pytest.approx([one[key], two[key]], abs=1e-4)
        assert metrics[key]["mean"] == pytest.approx((one[key] + two[key]) / 2, abs=1e-4)
        assert metrics[key]["std"] == pytest.approx(abs(one[key] - two[key]) / 2**0.5, abs=1e-4)
    assert metrics["samples"]["positive"]["std"] == 0  # the same images by the same rules
    assert f"{100 * metrics['all']['mean']:.2f} ± {100 * metrics['all']['std']:.2f}" in out

    run("score-iou", "shapes", tmp_path / "b" / "model.safetensors", "--record", tmp_path / "a.json")
    metrics = json.loads((tmp_path / "a.json").read_text())["metrics"]
    for side in ("with", "without"):
        under, points, share = (metrics[side][key]["values"] for key in ("under", "points", "share"))
        assert share == pytest.approx([u / p for u, p in zip(under, points, strict=True)], abs=1e-4)
        assert points[0] > points[1] > 0


def test_agnostic_of_detectors_and_of_a_file(
    shapes: data.DetectionDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = predict(FCOS.pretrained("shapes"), shapes, progress=False)
    (tmp_path / "found.json").write_text(json.dumps(results))
    run("agnostic", "shapes", "--figure", tmp_path / "4.png", "--record", tmp_path / "a.json")
    run("agnostic", tmp_path / "found.json", "--detections", "--record", tmp_path / "b.json")
    want = agnostic_metrics(shapes.ground_truth(), results)
    ours, file = (json.loads((tmp_path / f"{name}.json").read_text())["metrics"] for name in "ab")
    assert ours["shapes"] == pytest.approx(want) and file["found"] == pytest.approx(want)
    told = json.loads((tmp_path / "b.json").read_text())
    assert told["command"] == "fcos-edu tables agnostic found.json --detections"
    assert told["what"].endswith("by the detections found.json")
    run("agnostic", "shapes", "shapes", "--names", "One", "an other", "--record", tmp_path / "c.json")
    named = json.loads((tmp_path / "c.json").read_text())
    assert named["metrics"]["One"] == named["metrics"]["an other"] == pytest.approx(want)
    assert named["command"].endswith("shapes shapes --names One 'an other'") and "detectors" in named["what"]
    for names in (("One",), ("One", "One")):
        with pytest.raises(ValueError, match="--names has One.* for 2 files"):
            run("agnostic", "shapes", "shapes", "--names", *names)
    assert want["AP50"] > 0.5 and f"{100 * want['AP90']:.2f}" in capsys.readouterr().out
    assert want != coco_metrics(shapes.ground_truth(), results)
    assert (tmp_path / "4.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("table", ["agnostic", "proposals"])
def test_files_of_detections_need_annotations_alone(table: str, tmp_path: Path, monkeypatch) -> None:
    """A folder that has lost its pictures, and its annotation file; no detector is loaded and no picture looked for."""
    monkeypatch.setattr("fcos_edu.detectors.load", None)
    shapes = data.ShapesDataset(num_images=3, split="test", size=(128, 128))
    shapes.export_coco(tmp_path / "set")
    truth = json.loads((tmp_path / "set" / "test.json").read_text())
    results = [{**{k: a[k] for k in ("image_id", "category_id", "bbox")}, "score": 0.9} for a in truth["annotations"]]
    (tmp_path / "found.json").write_text(json.dumps(results))
    shutil.rmtree(tmp_path / "set" / "images")
    for place, told in (
        (tmp_path / "set", "set (test, 3 images)"),
        (tmp_path / "set" / "test.json", "test.json (3 images)"),
    ):
        run(table, tmp_path / "found.json", "--detections", "--data", place, "--record", tmp_path / "a.json")
        record = json.loads((tmp_path / "a.json").read_text())
        (figures,) = record["metrics"].values()
        assert figures["AP" if table == "agnostic" else "AR100"] == pytest.approx(1.0)
        assert record["data"] == told


def test_proposals_of_a_two_stage_detector(shapes: data.DetectionDataset, tmp_path: Path) -> None:
    config = FCOSConfig.tiny(
        num_classes=5, class_names=data.shapes.CLASSES, min_size=64, max_size=64, fpn_channels=16, num_head_convs=1,
        levels=LEVELS,
    )  # fmt: skip
    model = detectors.build("faster_rcnn_fcos", config)
    folder = tmp_path / "a run"
    detectors.save(model, folder / "model.safetensors", "faster_rcnn_fcos", config)
    run("proposals", folder / "model.safetensors", "--record", tmp_path / "a.json")
    found = json.loads((tmp_path / "a.json").read_text())["metrics"]
    results = predict(FirstStage(model.eval()), shapes, progress=False)
    command = json.loads((tmp_path / "a.json").read_text())["command"]
    assert command == "fcos-edu tables proposals 'a run/model.safetensors'"
    assert found["a run"] == pytest.approx(proposal_recall(shapes.ground_truth(), results))
    assert 0 < found["a run"]["AR100"] <= found["a run"]["AR1000"]
    with pytest.raises(ValueError, match="holds a two-stage detector, .*; this measure needs a detector 'fcos'"):
        run("centerness", folder / "model.safetensors")


def test_errors_of_the_model_tables_name_what_is_wrong(shapes: data.DetectionDataset, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        run("detections", tmp_path / "gone.safetensors")
    with pytest.raises(ValueError, match="holds a detector 'fcos'; this measure needs a two-stage detector"):
        run("proposals", "shapes")
    with pytest.raises(ValueError, match="bccd detects RBC"):
        run("score-iou", "bccd", "--data", "shapes")
    stranger = [{"image_id": 4711, "category_id": 1, "bbox": [0, 0, 5, 5], "score": 0.5}]
    (tmp_path / "found.json").write_text(json.dumps(stranger))
    with pytest.raises(ValueError, match="image_id 4711"):
        run("agnostic", tmp_path / "found.json", "--detections")
    for table in ("agnostic", "proposals"):
        for content, told in (
            ("{", r"found\.json is not JSON"),
            ("{}", "holds no list of detections"),
            (json.dumps([stranger[0] | {"bbox": [0, 0, 5]}]), r"detection 0 has bbox \[0, 0, 5\]"),
            (json.dumps([stranger[0] | {"bbox": [0, 0, "5", 5]}]), "detection 0 has bbox"),
            (json.dumps([stranger[0] | {"score": None}]), "detection 0 has score None"),
        ):
            (tmp_path / "found.json").write_text(content)
            with pytest.raises(ValueError, match=told):
                run(table, tmp_path / "found.json", "--detections")
        with pytest.raises(FileNotFoundError, match=r"there is no file of detections .*gone\.json"):
            run(table, tmp_path / "gone.json", "--detections")
