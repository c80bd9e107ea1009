"""The rows of each table of the paper, from made-up results."""

from __future__ import annotations

import re
from typing import Any

from fcos_edu import paper
from fcos_edu.experiments.studies import STUDIES
from scripts.ledger.tables import sections
from scripts.ledger.verdicts import EQUAL, NOT_RUN

from .made_up import result, rows, spread

RECALL = {name: row["BPR"].share for name, row in paper.TABLE_1.items()}


def test_every_equation_figure_and_table_has_a_row() -> None:
    items = " ".join(row.item for part in sections({}) for row in part.rows)
    wanted = [f"Eq. {i}" for i in (1, 2, 3)] + [f"Fig. {i}" for i in range(1, 9)] + [f"Table {i}" for i in range(1, 9)]
    assert not [name for name in wanted if not re.search(rf"{re.escape(name)}\b", items)]
    for extra in ("oracle", "ctr. sampling", "GIoU", "normalization", "ctr. on reg.", "Section 4.1: detections"):
        assert extra in items
    counts = {n: sum(row.item.startswith(f"Table {n}") and row.data == "COCO" for part in sections({})
                     for row in part.rows) for n in range(1, 9)}  # fmt: skip
    assert counts == {1: 5, 2: 2, 3: 9, 4: 4, 5: 6, 6: 3, 7: 3, 8: 7}, "rows of the paper's tables"


def test_without_results_only_tests_are_equal_and_no_row_is_there_twice() -> None:
    found = [row for part in sections({}) for row in part.rows]
    assert len({(row.item, row.data) for row in found}) == len(found)
    for row in found:
        assert row.word == (EQUAL if row.ours == "held by a test" else NOT_RUN)
        assert row.ours == "held by a test" or not row.ours


def test_the_papers_own_figures_come_out_equal() -> None:
    """As a study or a command records them, rounded by nobody."""
    printed: dict[str, Any] = {f"{name}_coco": dict(study.paper or {}) for name, study in STUDIES.items()}
    printed |= {"recall_coco": RECALL, "ambiguity_coco": paper.TABLE_2.shares}
    results = {file: result(figures, data="coco2017") for file, figures in printed.items()}
    words = {item: row.word for (item, _), row in rows(results).items() if row.ours and row.ours != "held by a test"}
    assert len(words) == 5 + 2 + 4 + 3 + 2 and set(words.values()) == {EQUAL}


def test_boxes_up_to_their_last_pixel_have_rows_once_they_are_counted() -> None:
    item = "Table 1, boxes up to their last pixel: FCOS, P3 to P7"
    assert (item, "COCO") not in rows({})
    metrics = {row: value + 0.0001 for row, value in RECALL.items()}
    counts = {row: {key: value + 0.02 for key, value in pair.items()} for row, pair in paper.TABLE_2.shares.items()}
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
    assert found["Table 4: branch against none, AP", "shapes"].word == NOT_RUN


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
    assert lone.word == NOT_RUN
    trained, counted_by = lone.commands
    assert trained.startswith("fcos-edu study centerness --data shapes")
    assert "runs/shapes/fcos-2/model.safetensors --data shapes" in counted_by


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


def test_a_run_on_coco_that_was_recorded_gets_its_word() -> None:
    printed = paper.TABLE_3["GN"]
    metrics = {name: share + 0.004 for name, share in printed.shares.items()} | {"seconds": 90_000.0}
    found = rows({"coco_gn": result(metrics, data="coco2017")})
    row = found["Table 3: FCOS, P5, GN, NMS .60", "COCO"]
    assert (row.word, row.cost) == ("near", "25 h")
    assert row.ours == " / ".join(f"{float(value) + 0.4:.1f}" for value in printed.texts)
