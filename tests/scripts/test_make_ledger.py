"""scripts/make_ledger.py: the word follows from the figures, and book/ledger.md is what the command gives now."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcos_edu import FCOSConfig
from fcos_edu.cli.options import parse_setting
from fcos_edu.cli.parser import build_parser
from fcos_edu.experiments.studies import STUDIES
from fcos_edu.paper import TABLE_1, TABLE_2
from fcos_edu.training.config import TrainConfig

ROOT = Path(__file__).resolve().parents[2]


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_ledger", ROOT / "scripts" / "make_ledger.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


RECALL = {row: figures["BPR"].share for row, figures in TABLE_1.items()}
script = load_script()
Measured = script.Measured


def result(metrics: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A result file's contents."""
    return {"command": "fcos-edu made up", "metrics": metrics, "data": "shapes", "hardware": "two cores"} | more


def spread(mean: float, std: float | None, runs: int = 3) -> dict[str, Any]:
    """A figure of a study."""
    return {"mean": mean, "std": std, "values": [mean] * runs}


def rows(results: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """All rows of the page by item and data."""
    return {(row.item, row.data): row for part in script.sections(results) for row in part.rows}


# ---- the committed page ---------------------------------------------------------------------------------------


def test_the_committed_page_is_what_the_command_gives_now() -> None:
    assert (ROOT / "book" / "ledger.md").read_text("utf-8") == script.ledger(ROOT), "run: make ledger"


def test_every_equation_figure_and_table_has_a_row() -> None:
    items = " ".join(row.item for part in script.sections({}) for row in part.rows)
    wanted = [f"Eq. {i}" for i in (1, 2, 3)] + [f"Fig. {i}" for i in range(1, 9)] + [f"Table {i}" for i in range(1, 9)]
    assert not [name for name in wanted if not re.search(rf"{re.escape(name)}\b", items)]
    for extra in ("oracle", "ctr. sampling", "GIoU", "normalization", "ctr. on reg.", "Section 4.1: detections"):
        assert extra in items
    counts = {n: sum(row.item.startswith(f"Table {n}") and row.data == "COCO" for part in script.sections({})
                     for row in part.rows) for n in range(1, 9)}  # fmt: skip
    assert counts == {1: 5, 2: 2, 3: 9, 4: 4, 5: 6, 6: 3, 7: 3, 8: 7}, "rows of the paper's tables"


def test_without_results_only_tests_are_equal_and_no_row_is_there_twice() -> None:
    found = [row for part in script.sections({}) for row in part.rows]
    assert len({(row.item, row.data) for row in found}) == len(found)
    for row in found:
        assert row.word == (script.EQUAL if row.ours == "held by a test" else script.NOT_RUN)
        assert row.ours == "held by a test" or not row.ours


def test_a_test_that_does_not_exist_is_named() -> None:
    there = "tests/scripts/test_make_ledger.py::test_a_test_that_does_not_exist_is_named"
    assert script.held("Eq. 9", "", "", "", there).word == script.EQUAL
    for gone in (f"{there}_x", "tests/test_gone.py::test_x", "tests/figures/test_figures.py::TestBoxes::test_gone"):
        with pytest.raises(ValueError, match=f"Eq. 9.*{gone.split('::')[0]}"):
            script.held("Eq. 9", "", "", "", there, gone)


# ---- the paper's figures --------------------------------------------------------------------------------------


def test_the_papers_own_figures_come_out_equal() -> None:
    """They are typed here and in the package, so each copy checks the other."""
    paper = {f"{name}_coco": dict(study.paper or {}) for name, study in STUDIES.items()}
    paper |= {"recall_coco": RECALL, "ambiguity_coco": TABLE_2.shares}
    results = {file: result(figures, data="coco2017") for file, figures in paper.items()}
    words = {item: row.word for (item, _), row in rows(results).items() if row.ours and row.ours != "held by a test"}
    assert len(words) == 5 + 2 + 4 + 3 + 2 and set(words.values()) == {script.EQUAL}


# ---- the rule for figures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "other", "word"),
    [
        (0.98404, 0.9555, "equal"),
        (0.98406, 0.9555, "near"),
        (0.9940, 0.9555, "near"),  # exactly one point away
        (0.9941, 0.9555, "same direction"),
        (0.60, 0.50, "same direction"),
        (0.50, 0.60, "differs"),
        (0.50, 0.50, "no difference seen"),
    ],
)
def test_the_word_of_a_figure(ours: float, other: float, word: str) -> None:
    assert script.verdict(["98.40"], [Measured(ours)], [(["95.55"], [Measured(other)])], 1.0) == word


def test_every_figure_of_a_row_counts() -> None:
    close, far = Measured(0.447), Measured(0.2)
    assert script.verdict(["44.7", "56.9"], [close, Measured(0.569)], [], 0.5) == "equal"
    assert script.verdict(["44.7", "56.9"], [close, Measured(0.565)], [], 0.5) == "near"
    assert script.verdict(["44.7", "56.9"], [close, far], [], 0.5) == "differs", "nothing to compare its order with"
    above, below = (["40.0", "50.0"], [Measured(0.1), Measured(0.1)]), (["50.0", "60.0"], [Measured(0.9)] * 2)
    assert script.verdict(["44.7", "56.9"], [close, far], [above, below], 0.5) == "same direction"
    assert script.verdict(["44.7", "56.9"], [close, far], [above, (["50.0"], [far])], 0.5) == "differs"


def test_a_result_without_the_figure_is_named() -> None:
    for metrics, said in [({}, "None"), ({"fcos_p4": {"mean": None, "std": None}}, "mean"), ({"fcos_p4": "x"}, "'x'")]:
        with pytest.raises(ValueError, match=f"results/recall_coco.json.*fcos_p4.*{said}"):
            script.measured({"recall_coco": result(metrics)}, "recall_coco", "fcos_p4")


# ---- the rule for comparisons ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "want"),
    [
        (spread(0.52, 0.01), spread(0.50, 0.01), 1),  # 0.02 against 0.0141
        (spread(0.50, 0.01), spread(0.52, 0.01), -1),
        (spread(0.52, 0.02), spread(0.50, 0.01), 0),  # 0.02 against 0.0224
        (spread(0.9, None, 1), spread(0.1, None, 1), 0),  # one seed: the spread is not known
        (0.5001, 0.5, 1),  # counts have none
        (0.5, 0.5, 0),
    ],
)
def test_a_difference_must_be_larger_than_its_spread(first: Any, second: Any, want: int) -> None:
    results = {"x_bccd": result({"a": first, "b": second})}
    one, two = (script.measured(results, "x_bccd", key) for key in "ab")
    assert script.order(one, two) == want


@given(*[st.floats(0, 1)] * 2, *[st.one_of(st.floats(0, 0.3), st.just(math.inf))] * 2)
def test_the_order_turns_with_its_arguments(a: float, b: float, s: float, t: float) -> None:
    one, two = Measured(a, s), Measured(b, t)
    assert script.order(one, two) == -script.order(two, one)


@pytest.mark.parametrize(
    ("paper", "ours", "word"),
    [
        ([1], [1], "same direction"),
        ([1], [0], "no difference seen"),
        ([1], [-1], "differs"),
        ([0], [0], "same direction"),  # the paper sees none either
        ([0], [1], "differs"),
        ([1, -1], [1, 0], "no difference seen"),
        ([1, -1], [0, 1], "differs"),
        ([], [], "differs"),
    ],
)
def test_the_word_of_a_comparison(paper: list[int], ours: list[int], word: str) -> None:
    assert script.direction(paper, ours) == word


def test_boxes_up_to_their_last_pixel_have_rows_once_they_are_counted() -> None:
    item = "Table 1, boxes up to their last pixel: FCOS, P3 to P7"
    assert (item, "COCO") not in rows({})
    metrics = {row: value + 0.0001 for row, value in RECALL.items()}
    counts = {row: {key: value + 0.02 for key, value in pair.items()} for row, pair in TABLE_2.shares.items()}
    found = rows(
        {
            "recall_coco_last_pixel": result(metrics, data="coco2017"),
            "ambiguity_coco_last_pixel": result(counts, data="coco2017"),
        }
    )
    assert (found[item, "COCO"].word, found[item, "COCO"].ours) == ("near", "98.41")
    row = found["Table 2, boxes up to their last pixel: P3 to P7", "COCO"]
    assert (row.word, row.ours) == ("same direction", "9.14 / 5.75")


def test_table_4_of_a_study() -> None:
    metrics = {
        "none": {"AP": spread(0.50, 0.01)},
        "computed": {"AP": spread(0.505, 0.01)},
        "branch": {"AP": spread(0.55, 0.012)},
        "oracle": {"AP": spread(0.54, 0.01)},
        "without_branch": {"AP": spread(0.58, 0.01)},
        "seconds": {"fcos": 200.0, "fcos-no-branch": 220.0},
        "cpu_seconds": {"fcos": 800.0},
    }
    found = rows({"centerness_bccd": result(metrics, data="bccd", note="tiny models")})
    words = {item.removeprefix("Table 4: "): row.word for (item, data), row in found.items()
             if item.startswith("Table 4") and data == "BCCD"}  # fmt: skip
    assert words == {
        "branch against none, AP": "same direction",
        "branch against a model trained without one, AP": "differs",
        "computed against none, AP": "same direction",
        "oracle against branch, AP": "no difference seen",
    }
    row = found["Table 4: branch against none, AP", "BCCD"]
    assert (row.paper, row.ours) == ("37.1 against 33.5", "55.0 ± 1.2 against 50.0 ± 1.0")
    assert (row.hardware, row.cost, row.notes) == ("two cores", "21 min", ("tiny models",))  # 3 seeds x 420 s
    assert row.commands == ("fcos-edu made up",)
    assert found["Table 4: branch against none, AP", "shapes"].word == script.NOT_RUN


def test_table_7_the_best_is_not_the_same_everywhere() -> None:
    sides = {
        "FCOS": {name: spread(0.5, 0.0) for name in ("AP", "AP50", "AP75", "AP90")} | {"AP90": spread(0.2, 0.03)},
        "RetinaNet": {name: spread(0.4, 0.0) for name in ("AP", "AP50", "AP75", "AP90")} | {"AP50": spread(0.6, 0.0)},
    }
    found = rows({"retinanet_shapes": result(sides | {"seconds": {}})})
    words = [
        row.word for (item, data), row in found.items() if item.startswith("Table 7: FCOS ag") and data == "shapes"
    ]
    assert words == ["same direction", "differs", "same direction", "differs"]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("bccd", "BCCD"),
        ("bccd (test, 72 images)", "BCCD (test, 72 images)"),
        ("bccd: 364 images, 4886 boxes; left out: 2 crowd boxes", "BCCD (364 images)"),
        ("coco_val2017_boxes.json: 2 images, 3 boxes", "boxes of COCO val2017 (2 images)"),
        ("my boxes: 2 images, 3 boxes", "my boxes (2 images)"),
        ("shapes (train): 30 images, 99 boxes", "shapes (train, 30 images)"),
        ("random images and boxes", "random images and boxes"),
    ],
)
def test_data_in_words(told: str, said: str) -> None:
    assert script.data_in_words(told) == said


def test_figure_7_compares_shares_not_counts() -> None:
    sides = {
        "without": {"points": spread(1000, 0), "under": spread(400, 0), "share": spread(0.4, 0.01)},
        "with": {"points": spread(2000, 0), "under": spread(500, 0), "share": spread(0.25, 0.02)},
    }
    item = "Fig. 7: points under y = x, with center-ness against without"
    row = rows({"score_iou_plain_bccd": result(sides, data="bccd")})[item, "BCCD"]
    ours = "25.0 ± 2.0 against 40.0 ± 1.0"
    assert (row.word, row.ours) == ("same direction", ours), "fewer in the share, more in the count"
    swapped = {"without": sides["with"], "with": sides["without"]}
    assert rows({"score_iou_plain_bccd": result(swapped, data="bccd")})[item, "BCCD"].word == "differs"


def test_detections_are_compared_with_samples_by_the_same_rules() -> None:
    results = {
        "detections_plain_shapes": result({"detections": 90, "all": 0.02, "different_classes": 0.01,
                                     "samples": {"positive": 9, "all": 0.05, "different_classes": 0.005}}),
        "ambiguity_shapes": result({"p4": {"all": 0.2, "different_classes": 0.1}, "seconds": {"load": 1.0, "p4": 2.5},
                                    "fpn": {"all": 0.01, "different_classes": 0.07}}),
    }  # fmt: skip
    found = rows(results)
    row = found["Section 4.1: detections against samples, ambiguous, all", "shapes"]
    assert (row.word, row.ours, row.commands) == ("same direction", "2.00 against 5.00", ("fcos-edu made up",))
    assert found["Section 4.1: detections against samples, ambiguous, different classes", "shapes"].word == "differs"
    counted = found["Table 2: P3 to P7 against P4 only, all", "shapes"]
    assert (counted.word, counted.cost) == ("same direction", "4 s")
    del results["detections_plain_shapes"]
    lone = rows(results)["Section 4.1: detections against samples, ambiguous, all", "shapes"]
    assert lone.word == script.NOT_RUN
    trained, counted_by = lone.commands
    assert trained.startswith("fcos-edu study centerness --data shapes")
    assert "runs/shapes/fcos-2/model.safetensors --data shapes" in counted_by


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.31, "0.3 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"), (None, "")]
)
def test_cost_in_words(seconds: float | None, text: str) -> None:
    assert script.cost(result({} if seconds is None else {"seconds": seconds}), 1) == text


def test_cost_is_the_processors_where_the_machine_did_other_work_too() -> None:
    busy = {"seconds": {"a": 100.0, "b": 50.0}, "cpu_seconds": {"a": 10.0, "b": 20.0}}
    assert script.cost(result(busy), 3) == "90 s"
    threads = {"seconds": 10.0, "cpu_seconds": 40.0}
    assert script.cost(result(threads), 1) == "10 s"


def test_what_a_large_file_costs() -> None:
    one = {"seconds": {"load": 9.0, "p4": 90.0}, "cpu_seconds": {"load": 4.0, "p4": 6.0}, "peak_memory_mb": 2345.6}
    points = [{"images": 5, "recall": one, "ambiguity": one}, {"images": 118287, "recall": one, "ambiguity": one}]
    found = rows({"recall_train2017_size": result({"points": points})})
    assert found["Tables 1 and 2 on 118,287 images, as many as train2017 has", "shapes"].ours == (
        "20 s on one core, 2.3 GB"
    )


def test_a_study_that_the_paper_has_not() -> None:
    sides = {side: {"AP": spread(ap, 0.01), "AP50": spread(0.8, 0.02)} for side, ap in
             (("FCOS", 0.55), ("torchvision's FCOS", 0.5))}  # fmt: skip
    found = rows({"torchvision_bccd": result(sides | {"seconds": {"a": 1.0}}, data="bccd")})
    row = found["FCOS of this package against torchvision's, same backbone and trainer, AP", "BCCD"]
    assert (row.ours, row.word, row.paper) == ("55.0 ± 1.0 against 50.0 ± 1.0", "", "")


# ---- the commands ---------------------------------------------------------------------------------------------


def commands() -> list[str]:
    """What the page says where there is no result."""
    found = dict.fromkeys(c for part in script.sections({}) for row in part.rows for c in row.commands)
    return [command for command in found if command.startswith("fcos-edu ")]


def test_there_are_commands() -> None:
    assert len(commands()) > 25


@pytest.mark.parametrize("command", commands())
def test_the_command_line_takes_every_command(command: str) -> None:
    build_parser().parse_args(shlex.split(command)[1:])  # SystemExit where it does not
    shown = script.wrapped(command)
    assert shlex.split(shown.replace("\\\n", " ")) == shlex.split(command)
    assert max(map(len, shown.splitlines())) <= 120


@pytest.mark.parametrize(
    ("run", "model", "training"),
    [
        ("coco_c5", dict(extra_levels_from="C5", group_norm=False, nms_threshold=0.5), {}),
        ("coco_retinanet", dict(extra_levels_from="C5", group_norm=False, nms_threshold=0.5),
         dict(detector="retinanet")),
        ("coco_gn", {}, {}),
        ("coco_sampling", dict(centerness_branch="regression", center_sampling_radius=1.5), {}),
        ("coco_improved", dict(centerness_branch="regression", center_sampling_radius=1.5, box_loss="giou",
                               normalize_targets=True), {}),
        ("coco_r101", dict(backbone="resnet101"),
         dict(iterations=180_000, train_sizes=(640, 672, 704, 736, 768, 800))),
    ],
)  # fmt: skip
def test_training_on_coco_gets_the_papers_configuration(run: str, model: dict[str, Any], training: Any) -> None:
    (command,) = [c for c in commands() if f"--record results/{run}.json" in c and c.startswith("fcos-edu train")]
    arguments = build_parser().parse_args(shlex.split(command)[1:])
    config = TrainConfig(data=arguments.data).replace(**dict(parse_setting(text) for text in arguments.set))
    assert config == TrainConfig(data="coco2017", model=FCOSConfig.paper(**model), **training)


def test_a_run_on_coco_that_was_recorded_gets_its_word() -> None:
    figures = "37.1 55.9 39.8 21.3 41.0 47.8 31.4 51.4 54.9".split()
    names = ("AP", "AP50", "AP75", "APS", "APM", "APL", "AR1", "AR10", "AR100")
    metrics = {name: float(value) / 100 + 0.004 for name, value in zip(names, figures)} | {"seconds": 90_000.0}
    found = rows({"coco_gn": result(metrics, data="coco2017")})
    row = found["Table 3: FCOS, P5, GN, NMS .60", "COCO"]
    assert (row.word, row.cost) == ("near", "25 h")
    assert row.ours == " / ".join(f"{float(value) + 0.4:.1f}" for value in figures)


# ---- the page -------------------------------------------------------------------------------------------------


def test_the_page_of_made_up_rows() -> None:
    row = script.Row(
        "a | b", "1.0", "99_zebra", "near", "1.1", "BCCD", "two cores", "3 s", ("go --now",), ("not\nofficial",)
    )
    parts = [
        script.Section("One", "First.", [row, script.Row("c", "2.0", "Yak", script.NOT_RUN, notes=("other",))]),
        script.Section(
            "Table 2 and more", "Second.", [script.Row("Table 2: d", "", "99_zebra", commands=("go --now", "stop"))]
        ),
        script.Section("Empty", "Nothing.", []),
    ]
    text = script.page(parts, {"99_zebra": "Zebra"})
    assert "There are 2 rows: 1 near, 1 not run here." in text
    link = "[Zebra](notebooks/99_zebra.ipynb)"
    assert f"| a \\| b | 1.0 | 1.1 | *near* | BCCD[^note-1] | two cores, 3 s | 1 | {link} |" in text
    assert "| c | 2.0 | – | *not run here* | [^note-2] | – | – | Yak |" in text
    assert f"| d | – | – | – | – | – | 1, 2 | {link} |" in text, "an item without what the heading says"
    assert "```bash\n# 1\ngo --now\n```" in text and "```bash\n# 1\ngo --now\n# 2\nstop\n```" in text
    assert text.endswith("[^note-1]: not official\n[^note-2]: other\n")
    assert "## Empty" not in text


def test_pictures_stand_below_their_table_once_they_are_drawn() -> None:
    row = script.Row("a", "1.0", "99_zebra")
    parts = [script.Section("One", "First.", [row], {"felis": "A cat.", "canis": "A dog."})]
    text = script.page(parts, {}, {"felis", "ursus"})
    assert "![A cat.](_static/analysis/felis.png)\n\n*A cat.*\n" in text
    assert "canis" not in text and "ursus" not in text
    assert text.index("| a |") < text.index("![")


def test_the_chapters_of_the_ledger_are_those_of_the_book() -> None:
    named = {row.chapter for part in script.sections(script.load_results(ROOT)) for row in part.rows}
    assert named == set(script.CHAPTERS), "every chapter of the list has a row, and no row another chapter"
    there = script.chapter_titles(ROOT)
    text = script.ledger(ROOT)
    for stem in script.CHAPTERS:
        same_number = [name for name in there if name.startswith(stem[:3])]
        assert stem in same_number or not same_number, f"{stem} is not the name of {same_number}"
        assert (f"](notebooks/{stem}.ipynb)" in text) == (stem in there)


def test_every_row_of_the_page_has_every_column() -> None:
    lines = [line for line in script.ledger(ROOT).splitlines() if line.startswith("|")]
    assert {len(re.split(r"(?<!\\)\|", line)) for line in lines} == {len(script.COLUMNS) + 2}


def test_the_command_writes_checks_and_names_a_broken_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fcos_edu" / "results").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    cell = {"cell_type": "markdown", "source": ["# Center-ness, again\n", "\n", "Text."]}
    (tmp_path / "notebooks" / "08_centerness.ipynb").write_text(json.dumps({"cells": [cell]}))
    root = ["--root", str(tmp_path)]
    page = tmp_path / "book" / "ledger.md"

    assert script.main(["--check", *root]) == 1 and not page.exists()
    assert script.main(root) == 0
    first = page.read_text("utf-8")
    assert "[Center-ness, again](notebooks/08_centerness.ipynb)" in first, "the notebook's own title"
    assert "| The loss |" in first and "07_loss" not in first, "no link to a notebook that is not there"
    assert script.main(["--check", *root]) == 0

    metrics = {"retinanet_none": 0.8, "retinanet_0.4": 0.9, "retinanet_all": 0.99, "fcos_p4": 0.96, "fcos_fpn": 0.9844}
    record = result(metrics, data="boxes.json: 2 images", note="Rounded boxes.")
    (tmp_path / "fcos_edu" / "results" / "recall_coco.json").write_text(json.dumps(record))
    assert script.main(["--check", *root]) == 1
    assert page.read_text("utf-8") == first, "--check writes nothing"
    assert script.main(root) == 0
    assert "| FCOS, P3 to P7 | 98.40 | 98.44 | *near* | boxes.json (2 images)[^note-1] |" in page.read_text("utf-8")

    (tmp_path / "fcos_edu" / "results" / "recall_coco.json").write_text("{")
    capsys.readouterr()
    assert script.main(root) == 2
    assert "results/recall_coco.json is not JSON" in capsys.readouterr().err
