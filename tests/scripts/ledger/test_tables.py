"""The rows of each table of the paper, from made-up results."""

from __future__ import annotations

import re
from typing import Any

from fcos_edu import paper
from fcos_edu.experiments.claims import judged
from fcos_edu.experiments.studies import STUDIES
from scripts.ledger.tables import sections
from scripts.ledger.verdicts import EQUAL, NOT_RUN

from .made_up import result, rows

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
        assert row.ours == "held by a test" or row.commands, f"{row.item} says no command"
        assert row.data != "COCO" or row.cost or row.item.split(":")[0] in ("Table 1", "Table 2"), row.item
        assert row.ours == "held by a test" or not row.ours


def test_figure_8_costs_a_download_and_seconds_for_each_photograph() -> None:
    bench = {"inference": {"float32": {"ours_ms": 3100.0, "ratio": 0.7}}, "training": {"float32": {"ratio": 0.7}},
             "assignment": {"with_targets": {"ratio": 0.7}},
             "small": {"bf16_against_bf16": {"ratio": 0.7}}}  # fmt: skip
    row = rows({"bench_cpu": result(bench)})["Fig. 8", "COCO"]
    assert row.cost == "a download of 124 MB, then about 3 s for each photograph on two cores"


def test_a_killed_study_has_a_row_once_it_is_recorded() -> None:
    ended = {"runs": 16, "kills": 5, "same record": True}
    found = rows({"study_kill_test": result(ended)})
    item = "A study of 16 runs, killed 5 times and continued elsewhere with its record alone, against one that was not"
    assert found[item, "shapes"].ours == "the same record"
    assert rows({"study_kill_test": result(ended | {"same record": False})})[item, "shapes"].ours == "another record"


def test_the_papers_own_figures_come_out_equal() -> None:
    """As a study or a command records them, rounded by nobody."""
    means = {
        name: {
            row: {figure: {"mean": value, "values": []} for figure, value in figures.items()}
            for row, figures in (study.paper or {}).items()
        }
        for name, study in STUDIES.items()
    }
    printed: dict[str, Any] = {f"{name}_coco": rows_of for name, rows_of in means.items()}
    printed |= {"recall_coco": RECALL, "ambiguity_coco": paper.TABLE_2.shares}
    results = {file: result(figures, data="coco2017") for file, figures in printed.items()}
    words = {item: row.word for (item, _), row in rows(results).items() if row.ours and row.ours != "held by a test"}
    assert len(words) == 5 + 2 + 4 + 3 + 3 and set(words.values()) == {EQUAL}


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


def test_counts_are_compared_on_our_own_data() -> None:
    counts = {"p4": {"all": 0.2, "different_classes": 0.1}, "seconds": {"load": 1.0, "p4": 2.5},
              "fpn": {"all": 0.01, "different_classes": 0.17}}  # fmt: skip
    found = rows({"ambiguity_shapes": result(counts)})
    counted = found["Table 2: P3 to P7 against P4 only, all", "shapes"]
    assert (counted.word, counted.ours, counted.cost) == ("same direction", "1.00 against 20.00", "4 s")
    assert found["Table 2: P3 to P7 against P4 only, different classes", "shapes"].word == "other direction"


def test_detections_are_compared_with_samples_in_pairs() -> None:
    def of_seeds(*values: float) -> dict[str, Any]:
        return {"mean": sum(values) / len(values), "std": 0.01, "values": list(values)}

    fewer = {"all": of_seeds(0.020, 0.021, 0.019), "different_classes": of_seeds(0.020, 0.021, 0.019)}
    samples = {"all": of_seeds(0.05, 0.05, 0.05), "different_classes": of_seeds(0.005, 0.005, 0.005)}
    results = {"detections_plain_shapes": result(fewer | {"samples": samples})}
    row = rows(results)["Section 4.1: detections against samples, ambiguous, all", "shapes"]
    assert row.word == "reproduced" and row.ours.startswith("-3.00 [-3.") and row.commands == ("fcos-edu made up",)
    assert row.paper == "-4.84 (2.3 against 7.14)" and row.details[0] == "n = 3 pairs"
    row = rows(results)["Section 4.1: detections against samples, ambiguous, different classes", "shapes"]
    assert row.word == "contradicted"
    one = {"all": 0.02, "different_classes": 0.01, "samples": {"all": 0.05, "different_classes": 0.005}}
    row = rows({"detections_plain_shapes": result(one)})[
        "Section 4.1: detections against samples, ambiguous, all", "shapes"
    ]
    assert (row.word, row.ours) == ("too few seeds yet", "-3.00")
    lone = rows({})["Section 4.1: detections against samples, ambiguous, all", "shapes"]
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
    found = judged("torchvision", lambda claim: ([0.55, 0.56, 0.54], [0.5, 0.512, 0.489]))
    record = result({}, data="bccd") | {"comparisons": {"torchvision": found}, "runs": {}, "config": {"iterations": 5}}
    found = rows({"ladder_bccd": record})
    row = found["FCOS of this package against torchvision's, same backbone and trainer, AP", "BCCD"]
    assert (row.word, row.paper) == ("told apart", "") and row.ours.startswith("+4.97 [")


def test_a_run_on_coco_that_was_recorded_gets_its_word() -> None:
    printed = paper.TABLE_3["GN"]
    metrics = {name: share + 0.004 for name, share in printed.shares.items()} | {"seconds": 90_000.0}
    found = rows({"coco_gn": result(metrics, data="coco2017")})
    row = found["Table 3: FCOS, P5, GN, NMS .60", "COCO"]
    assert (row.word, row.cost) == ("near", "25 h")
    assert row.ours == " / ".join(f"{float(value) + 0.4:.1f}" for value in printed.texts)
    far = {name: share + 0.02 for name, share in printed.shares.items()}
    found = rows({"coco_gn": result(far, data="coco2017"), "coco_c5": result(far, data="coco2017")})
    assert found["Table 3: FCOS, P5, GN, NMS .60", "COCO"].word == "not near", "one run each tells no order"
