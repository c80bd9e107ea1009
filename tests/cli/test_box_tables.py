"""Tables 1 and 2 of a data set: what is printed and recorded, and what is said about wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fcos_edu import ConfigError, FCOSConfig
from fcos_edu.data.boxes import load_boxes
from fcos_edu.evaluation.ambiguity import ambiguity
from fcos_edu.evaluation.recall import REASONS, best_possible_recall
from tests.cli.calls import call
from tests.data.test_boxes import write_coco


def run(*words: object) -> None:
    call("tables", *words)


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
    assert result["data"] == "some boxes.json: 3 images, 6 boxes; left out: 1 crowd box"
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


def test_pictures_of_recall_and_of_the_radius(annotations: Path, tmp_path: Path) -> None:
    run("recall", "--annotations", annotations, *SMALL, "--figures", tmp_path / "pictures")
    run("ambiguity", "--annotations", annotations, *SMALL, "--radii", 1, "--figure", tmp_path / "pictures" / "r.png")
    names = {"recall_by_size.png", "recall_by_level.png", "lost_boxes.png", "r.png"}
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == names
    for path in (tmp_path / "pictures").iterdir():
        assert path.read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match="give --radii"):
        run("ambiguity", "--annotations", annotations, "--figure", tmp_path / "s.png")
