"""The command ``tables``: what it prints and records, and what it says about wrong input."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import pytest

from fcos_edu import FCOS, ConfigError, FCOSConfig, data, detectors, tables
from fcos_edu.cli.parser import main
from fcos_edu.data.boxes import load_boxes
from fcos_edu.evaluation import agnostic_metrics, coco_metrics, four_ways, predict, proposal_recall, score_iou
from fcos_edu.evaluation.ambiguity import ambiguity
from fcos_edu.evaluation.quality import ambiguous_detections
from fcos_edu.evaluation.recall import REASONS, best_possible_recall
from fcos_edu.proposals import LEVELS, FirstStage
from tests.data.test_boxes import write_coco


def run(*words: object) -> None:
    parser = argparse.ArgumentParser(prog="fcos-edu")
    tables.add_commands(parser.add_subparsers(required=True))
    arguments = parser.parse_args(["tables", *map(str, words)])
    arguments.run(arguments)


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    """Three images, seven boxes: some of them overlap, one has no location, one is a crowd."""
    return write_coco(
        tmp_path / "some boxes.json",
        [(120, 160), (200, 100), (64, 64)],
        [
            (0, 3, 10, 10, 60, 50), (0, 7, 30, 20, 60, 60), (0, 3, 100, 80, 1, 1), (1, 7, 0, 0, 100, 200),
            (1, 7, 20, 20, 50, 90), (1, 3, 21, 21, 50, 60, "crowd"), (0, 3, 5, 5, 150, 110),
        ],
    )  # fmt: skip


SMALL = ("--min-size", 120, "--max-size", 200)


def test_recall_prints_and_records(annotations: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out" / "recall.json"
    run("recall", "--annotations", annotations, *SMALL, "--record", target, "--note", "made by hand")
    result = json.loads(target.read_text())
    assert result["command"] == ("fcos-edu tables recall --annotations 'some boxes.json' --min-size 120 --max-size 200")
    assert result["note"] == "made by hand"
    assert result["data"] == "some boxes.json: 3 images, 6 boxes; left out: 1 crowd boxes"
    metrics, paper = result["metrics"], result["paper"]
    rows = ["retinanet_none", "retinanet_0.4", "retinanet_all", "fcos_p4", "fcos_fpn"]
    assert list(paper) == rows and paper["fcos_fpn"] == 0.984
    assert (metrics["images"], metrics["boxes"]) == (3, 6)
    config = FCOSConfig.paper(min_size=120, max_size=200)
    want = best_possible_recall(load_boxes(annotations), config, progress=False)
    assert metrics["fcos_fpn"] == want.recall < 1
    assert metrics["by_level"]["fcos_fpn"] == want.by_level()
    assert metrics["by_size"]["fcos_fpn"] == want.by_size()
    assert list(metrics["by_size"]) == rows
    assert metrics["lost"]["fcos_fpn"] == want.lost() and list(want.lost()) == list(REASONS)
    for clock in ("seconds", "cpu_seconds"):
        assert set(metrics[clock]) == {"load", "retinanet", "fcos_p4", "fcos_fpn"}
    out = capsys.readouterr().out
    for row in rows:
        shown = f"{100 * metrics[row]:.2f}{100 * paper[row]:>8.2f}\n"
        assert shown in out
    assert "lost by FCOS, FPN, P3-P7: 1 between locations" in out
    assert str(tmp_path) not in target.read_text()


def test_recall_without_anchors_on_other_levels(annotations: Path, tmp_path: Path) -> None:
    target = tmp_path / "recall.json"
    options = ("--no-anchors", "--levels", 2, 3, 4, "--center-sampling", 1.5, "--crowds", "--last-pixel")
    run("recall", "--annotations", annotations, *SMALL, *options, "--json", target)
    result = json.loads(target.read_text())
    assert list(result["paper"]) == ["fcos_p4", "fcos_fpn"] and "retinanet_all" not in result["metrics"]
    assert "note" not in result
    for word in ("--no-anchors", "--levels 2 3 4", "--center-sampling 1.5", "--crowds", "--last-pixel"):
        assert word in result["command"]
    config = FCOSConfig.paper(
        min_size=120, max_size=200, levels=(2, 3, 4), level_bounds=(0, 64, 128, float("inf")),
        center_sampling_radius=1.5,
    )  # fmt: skip
    want = best_possible_recall(load_boxes(annotations, crowds=True, last_pixel=True), config, progress=False)
    assert result["metrics"]["by_level"]["fcos_fpn"] == want.by_level()
    assert result["metrics"]["boxes"] == 6  # that of one pixel is none now


def test_ambiguity_prints_and_records(annotations: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "ambiguity.json"
    run("ambiguity", "--annotations", annotations, *SMALL, "--radii", 0.5, 2, "--record", target)
    result = json.loads(target.read_text())
    assert result["command"].endswith("--max-size 200 --radii 0.5 2")
    metrics, paper = result["metrics"], result["paper"]
    assert paper == {
        "p4": {"all": 0.2316, "different_classes": 0.1784},
        "fpn": {"all": 0.0714, "different_classes": 0.0375},
    }
    config = FCOSConfig.paper(min_size=120, max_size=200)
    want = ambiguity(load_boxes(annotations), config, progress=False)
    assert metrics["fpn"]["all"] == want.all and metrics["fpn"]["different_classes"] == want.different_classes
    assert metrics["p4"]["all"] > metrics["fpn"]["all"] > 0
    assert [point["radius"] for point in metrics["radius"]] == [0.5, 2.0, None]
    assert metrics["radius"][-1]["all"] == want.all
    out = capsys.readouterr().out
    assert f"{100 * want.all:.2f}    7.14" in out and "23.16" in out and "whole box" in out


def test_a_pyramid_of_p4_alone_is_one_row(
    annotations: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--annotations", annotations, *SMALL, "--levels", 4, "--record", tmp_path / "a.json")
    run("recall", *options, "--figures", tmp_path)
    result = json.loads((tmp_path / "a.json").read_text())
    assert list(result["paper"])[3:] == ["fcos_p4"] and "fcos_fpn" not in result["metrics"]
    assert "--levels 4" in result["command"] and (tmp_path / "lost_boxes.png").is_file()
    run("ambiguity", *options, "--radii", 1)
    result = json.loads((tmp_path / "a.json").read_text())
    assert list(result["paper"]) == ["p4"] and "fpn" not in result["metrics"]
    one = FCOSConfig.paper(min_size=120, max_size=200, levels=(4,), level_bounds=(0, float("inf")))
    assert result["metrics"]["radius"][-1]["all"] == ambiguity(load_boxes(annotations), one, progress=False).all
    assert capsys.readouterr().out.count("FCOS, P4 only") == 2  # the row, and what it lost


def test_a_voc_name_and_its_split_are_in_the_command(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    run("ambiguity", "--annotations", "shapes", "--split", "val", *SMALL, "--record", target)
    assert json.loads(target.read_text())["command"].startswith(
        "fcos-edu tables ambiguity --annotations shapes --split val"
    )


@pytest.mark.parametrize("table", ["recall", "ambiguity"])
def test_errors_name_what_is_wrong(table: str, annotations: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.json"):
        run(table, "--annotations", tmp_path / "gone.json")
    with pytest.raises(ValueError, match=r"empty\.json has no boxes to count"):
        run(table, "--annotations", write_coco(tmp_path / "empty.json", [(9, 9)], []))
    with pytest.raises(ConfigError, match="levels is"):
        run(table, "--annotations", annotations, "--levels", 3, 5)
    with pytest.raises(ConfigError, match="max_size is 500"):
        run(table, "--annotations", annotations, "--max-size", 500)
    with pytest.raises(ConfigError, match="center_sampling_radius is -1"):
        run(table, "--annotations", annotations, "--center-sampling", -1)


def test_a_wrong_radius_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="center_sampling_radius is 0"):
        run("ambiguity", "--annotations", tmp_path / "gone.json", "--radii", 0)


def test_pictures_of_recall_and_of_the_radius(annotations: Path, tmp_path: Path) -> None:
    run("recall", "--annotations", annotations, *SMALL, "--figures", tmp_path / "pictures")
    run("ambiguity", "--annotations", annotations, *SMALL, "--radii", 1, "--figure", tmp_path / "pictures" / "r.png")
    names = {"recall_by_size.png", "recall_by_level.png", "lost_boxes.png", "r.png"}
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == names
    for path in (tmp_path / "pictures").iterdir():
        assert path.read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match="give --radii"):
        run("ambiguity", "--annotations", annotations, "--figure", tmp_path / "s.png")


# ---------------------------------------------------------------------- trained detectors
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
        assert results[table]["command"] == f"fcos-edu tables {table} shapes --data shapes --split test"
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
    assert result["command"] == "fcos-edu tables detections shapes b/model.safetensors --data shapes --split test"
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
    assert told["command"] == "fcos-edu tables agnostic found.json --detections --data shapes --split test"
    assert told["what"].endswith("by the detections found.json")
    run("agnostic", "shapes", "shapes", "--names", "One", "an other", "--record", tmp_path / "c.json")
    named = json.loads((tmp_path / "c.json").read_text())
    assert named["metrics"]["One"] == named["metrics"]["an other"] == pytest.approx(want)
    assert named["command"].endswith("--split test --names One 'an other'") and "detectors" in named["what"]
    for names in (("One",), ("One", "One")):
        with pytest.raises(ValueError, match="--names has One.* for 2 files"):
            run("agnostic", "shapes", "shapes", "--names", *names)
    assert want["AP50"] > 0.5 and f"{100 * want['AP90']:.2f}" in capsys.readouterr().out
    assert want != coco_metrics(shapes.ground_truth(), results)
    assert (tmp_path / "4.png").read_bytes()[:4] == b"\x89PNG"


def test_proposals_of_a_two_stage_detector(shapes: data.DetectionDataset, tmp_path: Path) -> None:
    config = FCOSConfig.tiny(
        num_classes=5, class_names=data.SHAPES_CLASSES, min_size=64, max_size=64, fpn_channels=16, num_head_convs=1,
        levels=LEVELS,
    )  # fmt: skip
    model = detectors.build("faster_rcnn_fcos", config)
    folder = tmp_path / "a run"
    detectors.save(model, folder / "model.safetensors", "faster_rcnn_fcos", config)
    run("proposals", folder / "model.safetensors", "--record", tmp_path / "a.json")
    found = json.loads((tmp_path / "a.json").read_text())["metrics"]
    results = predict(FirstStage(model.eval()), shapes, progress=False)
    command = json.loads((tmp_path / "a.json").read_text())["command"]
    assert command == "fcos-edu tables proposals 'a run/model.safetensors' --data shapes --split test"
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


def test_every_error_is_one_line_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = write_coco(tmp_path / "empty.json", [(9, 9)], [])
    for words, told in (
        (("recall", "--annotations", tmp_path / "gone.json"), "there is no annotation file"),
        (("ambiguity", "--annotations", empty), "has no boxes to count"),
        (("agnostic", tmp_path / "gone.json", "--detections"), "there is no file of detections"),
        (("detections", tmp_path / "gone.safetensors"), "no checkpoint"),
    ):
        assert main(["tables", *map(str, words)]) == 1
        printed = capsys.readouterr()
        assert printed.err.startswith("fcos-edu: error: ") and told in printed.err
        assert printed.err.count("\n") == 1 and not printed.out


def test_a_record_names_no_folder_of_this_machine() -> None:
    names = {
        "bccd": "bccd",
        "runs/bccd/model.safetensors": "runs/bccd/model.safetensors",
        "/data/runs/bccd/model.safetensors": "bccd/model.safetensors",
        "../runs/bccd/model.safetensors": "bccd/model.safetensors",
        "/data/found.json": "found.json",
        "~/photographs": "photographs",
    }
    assert {name: tables._without_place(name) for name in names} == names


TABLES = ("recall", "ambiguity", "detections", "centerness", "score-iou", "agnostic", "proposals")


@pytest.mark.parametrize("words", [(), *((table,) for table in TABLES)])
def test_help(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run(*words, "--help")
    assert stop.value.code == 0
    out = capsys.readouterr().out
    if words:
        assert "--record" in out and "example" in out and "default" in out
    else:
        for table in TABLES:  # each with its summary in the same line
            assert re.search(rf"^ +{table} +\w", out, re.MULTILINE), table


def test_a_call_without_annotations_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run("recall")
    assert stop.value.code == 2 and "--annotations" in capsys.readouterr().err
