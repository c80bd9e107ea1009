"""Rows of trained comparisons: from a study's record, and of what is not run yet."""

from __future__ import annotations

import re
from typing import Any

import pytest

from fcos_edu.experiments.claims import judged
from fcos_edu.experiments.studies import PILOT, STUDIES, Claim
from scripts.ledger.claims import PLANNED, SAID, WHY, claim_rows, of_the_paper, remaining
from scripts.ledger.rows import Row
from scripts.ledger.verdicts import NOT_RUN

from .made_up import result, rows

VALUES = {"RetinaNet": [0.50, 0.51, 0.49], "C5": [0.56, 0.572, 0.548], "P5": [0.56, 0.575, 0.54]}
DESIGN = {"seeds": 3, "sd_of_a_difference": 0.01}


def book(design: dict[str, Any] | None = None) -> dict[str, Any]:
    """A record with runs of three rows of the ladder."""

    def values(claim: Claim) -> tuple[list[float], list[float]]:
        sides = VALUES.get(claim.first), VALUES.get(claim.second)
        return sides if all(sides) else ([], [])  # type: ignore[return-value]

    found = {"ladder": judged("ladder", values)}
    variants = [STUDIES["ladder"].rows[row].variant for row in VALUES] + [PILOT]
    runs = {
        f"{variant}{seed}": {
            "variant": variant,
            "seed": seed,
            "cpu_seconds": 3600.0,
            "measuring_cpu_seconds": 0.0,
            "hardware": "an old machine" if seed else "a new machine",
        }  # fmt: skip
        for variant in variants
        for seed in range(3)
    }
    command = "fcos-edu study ladder --data bccd --iterations 1200 --set model.min_size=160"
    more = {"comparisons": found, "runs": runs, "config": {"iterations": 1200}, "command": command}
    return result({}, data="bccd, train for training", **({"design": design} if design else {})) | more


def of(found: list[Row], said: str) -> Row:
    (row,) = [row for row in found if row.item.endswith(said)]
    return row


@pytest.mark.parametrize("name", ["ladder", "parts", "centerness", "retinanet", "proposals", "score-iou"])
def test_every_claim_of_the_paper_has_a_row_and_a_command(name: str) -> None:
    found = claim_rows({}, name, "Table", "")
    assert len(found) == len(STUDIES[name].claims) == len({row.item for row in found}) and name in PLANNED["bccd"]
    for row in found:
        assert row.word == NOT_RUN and row.commands == (
            f"fcos-edu study {name} --data bccd --record fcos_edu/results/ladder_bccd.json",
        )
        assert row.paper and row.claim, row.item


@pytest.mark.parametrize("name", WHY)
def test_experiments_on_table_6_are_planned_and_are_no_claims_of_the_paper(name: str) -> None:
    found = claim_rows({}, name, "Table 6", "")
    assert len(found) == len(STUDIES[name].claims) == len({row.item for row in found}) and name in PLANNED["bccd"]
    assert {(row.word, row.data, row.paper, row.claim) for row in found} == {(NOT_RUN, "BCCD", "", "")}
    assert found[0].commands == (f"fcos-edu study {name} --data bccd --record fcos_edu/results/ladder_bccd.json",)


def test_an_experiment_on_table_6_has_interval_pairs_p_and_the_smallest_effect() -> None:
    sides = {"RPN": [0.50, 0.51, 0.49], "RPN without GN": [0.40, 0.42, 0.385]}
    record = book(DESIGN)
    record["comparisons"] |= {"rpn-norm": judged("rpn-norm", lambda claim: (sides[claim.first], sides[claim.second]))}
    row, _ = claim_rows({"ladder_bccd": record}, "rpn-norm", "Table 6", "")
    assert row.item == "Table 6: group norm in the RPN, which torchvision's lacks, AR100"
    assert row.word == "told apart" and re.fullmatch(r"\+9.83 \[\+\d\.\d\d, \+\d\d\.\d\d\]", row.ours)
    said = " ".join(row.details)
    assert re.search(r"^n = 3 pairs .*p 0\.0\d+ after Holm a difference of \d\.\d would be found", said), said


def test_a_claim_is_one_on_all_data_and_in_both_readings() -> None:
    named = {name: [of_the_paper(name, claim) for claim in study.claims] for name, study in STUDIES.items()}
    assert set(named["questions"]) < set(named["ladder"]) | set(named["parts"])
    assert len(set(named["centerness"])) == len(named["centerness"]) - 1, "none, and a model without the branch"
    assert named["ladder"][1] != named["parts"][2], "Tables 3 and 8 print a figure each"
    assert not any(named["torchvision"]) and named["score-iou"] == ["score-iou: with against without, share"]


def test_hard_shapes_carry_their_questions_alone() -> None:
    (row, *_) = found = claim_rows({}, "questions", "", "")
    assert len(found) == 6 and {one.data for one in found} == {"hard shapes"}
    assert row.commands == (
        "fcos-edu study questions --data shapes-hard --record fcos_edu/results/ladder_shapes-hard.json",
    )
    results = {"ladder_bccd": book(), "ladder_shapes-hard": book()}
    assert {one.data for one in claim_rows(results, "ladder", "Table 3", "")} == {"BCCD"}
    assert {one.data for one in claim_rows(results, "questions", "", "")} == {"hard shapes"}


def test_comparisons_in_words_are_claims() -> None:
    claims = {(name, *claim.rows) for name, study in STUDIES.items() for claim in study.claims}
    assert set(SAID) <= claims
    assert {key for key in claims if key[0] in ("ladder", "parts")} <= set(SAID)


def test_a_measured_claim_has_its_interval_power_and_cost() -> None:
    found = claim_rows({"ladder_bccd": book()}, "ladder", "Table 3", "")
    row = of(found, "FCOS instead of RetinaNet")
    assert row.word == "reproduced" and re.fullmatch(r"\+6.00 \[\+\d\.\d\d, \+\d\.\d\d\]", row.ours)
    assert row.paper == "+0.4 (36.3 against 35.9)" and row.data == "BCCD"
    assert row.hardware == "a new machine; an old machine", "of its own runs"
    assert row.cost == "6 h", "three runs of each side"
    assert row.details[0] == "n = 3 pairs"
    assert any(re.fullmatch(r"power 0\.\d\d for the paper's difference, after correction", t) for t in row.details)
    assert of(found, "P6 and P7 from P5 instead of C5").word == "not told apart"
    free = of(found, "NMS at 0.6 instead of 0.5")
    assert free.word == NOT_RUN and not free.ours


def test_what_is_not_run_says_power_and_cost_by_the_design() -> None:
    row = of(claim_rows({"ladder_bccd": book(DESIGN)}, "ladder", "Table 3", ""), "GIoU instead of IoU")
    assert row.cost == "about 6 h of one core (estimate)" and row.details[0] == "planned: 3 pairs"
    assert re.fullmatch(r"power 0\.\d\d for the paper's difference, after correction", row.details[1])
    assert row.commands == (
        "fcos-edu study ladder --data bccd --iterations 1200 --set model.min_size=160"
        " --record fcos_edu/results/ladder_bccd.json",
    )
    row = of(claim_rows({"ladder_bccd": book(DESIGN)}, "retinanet", "Table 7", ""), "without, AP90 (area of Fig. 6)")
    assert row.details == ("planned: 3 pairs",), "the design's spread is that of AP"


def test_two_stages_cost_what_other_runs_of_two_stages_took() -> None:
    row, *_ = claim_rows({"ladder_bccd": book(DESIGN)}, "rpn-norm", "Table 6", "")
    assert not row.cost, "no ground for an estimate"
    record = book(DESIGN)
    run = dict(next(iter(record["runs"].values()))) | {"cpu_seconds": 10_000.0, "measuring_cpu_seconds": 800.0}
    record["runs"]["two"] = run | {"variant": "rcnn-fcos"}
    row, *_ = claim_rows({"ladder_bccd": record}, "rpn-norm", "Table 6", "")
    assert row.cost == "about 18 h of one core (estimate)", "three pairs of three hours each"
    assert remaining({"ladder_bccd": record}, "rpn-norm", "bccd") == row.cost, "a study of these two"


def test_what_a_study_still_costs_is_that_of_its_missing_runs() -> None:
    started = {"ladder_bccd": book(DESIGN)}
    assert remaining(started, "ladder", "bccd") == "about 12 h of one core (estimate)", "three seeds of four variants"
    assert remaining(started, "score-iou", "bccd") == remaining({}, "ladder", "bccd") == ""


def test_data_that_is_not_planned_has_rows_for_what_was_measured() -> None:
    found = claim_rows({"ladder_coco_person": book()}, "ladder", "Table 3", "")
    there = [row for row in found if row.data == "coco_person"]
    assert len(there) == 2 and all(row.ours for row in there)
    assert len([row for row in found if row.data == "BCCD"]) == len(STUDIES["ladder"].claims)


def test_figure_7_compares_shares_not_counts() -> None:
    sides = [0.25, 0.255, 0.25], [0.40, 0.41, 0.39]
    item = "Fig. 7: points under y = x, with center-ness against without"
    record = book()
    record["comparisons"]["score-iou"] = judged("score-iou", lambda claim: sides)
    row = rows({"ladder_bccd": record})[item, "BCCD"]
    assert (row.word, row.paper) == ("reproduced", "fewer") and row.ours.startswith("-14.83 [")
    record["comparisons"]["score-iou"] = judged("score-iou", lambda claim: sides[::-1])
    assert rows({"ladder_bccd": record})[item, "BCCD"].word == "contradicted"
    assert rows({})[item, "COCO"].word == NOT_RUN
