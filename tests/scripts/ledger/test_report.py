"""The report: its figures come from records, and what is missing says its command."""

from __future__ import annotations

import re
from typing import Any

from fcos_edu.experiments.claims import judged
from fcos_edu.experiments.studies import STUDIES, Claim
from scripts import ROOT
from scripts.ledger.claims import WHY
from scripts.ledger.page import load_results
from scripts.ledger.report import TEXT, report

from .made_up import result

DESIGN: dict[str, Any] = {
    "iterations": 1200, "seeds": 4, "seeds_at_most": 10, "gain": 0.0071, "sd": 0.0123, "sd_of_a_difference": 0.0174,
    "pilot": {"seeds": [0, 1, 2, 3]},
    "curve": {"900": {"mean": 0.402}, "1200": {"mean": 0.4091}},
    "smallest_effect": {"4": {"alone": 0.031, "first of the ladder": 0.062}, "10": {"alone": 0.01}},
    "power": {"C5 against RetinaNet": {"4": 0.071, "10": 0.2}},
}  # fmt: skip


def test_the_committed_page_is_what_the_command_gives_now() -> None:
    assert (ROOT / "book" / "reproduction.md").read_text("utf-8") == report(load_results(ROOT)), "run: make ledger"


def test_no_figure_is_typed_into_its_words() -> None:
    """Numbers of the paper's parts, of the confidence and of an IoU; nothing that could have been measured."""
    said = set(re.findall(r"(?<![\w.])\d+\.\d+", TEXT))
    assert said <= {"0.9", "0.5", "1904.01355"}, said


def test_without_records_everything_says_its_command() -> None:
    text = report({})
    assert "So far, reproduced: 0; not told apart: 0; contradicted: 0; open" in text
    assert "not designed yet; the command is `fcos-edu study design --data bccd" in text
    for name in ("ladder", "parts", "centerness", "retinanet", "proposals", "score-iou", *WHY):
        assert f"`fcos-edu study {name} --data bccd --record fcos_edu/results/ladder_bccd.json`" in text


def test_a_design_is_told() -> None:
    record = result({}, config={"iterations": 1200}, command="fcos-edu study design", design=DESIGN, runs={}) | {
        "comparisons": {}, "cpu_hours": 2.0,
    }  # fmt: skip
    text = report({"ladder_bccd": record})
    assert "1200 steps, 4 seeds of each row and at most 10" in text and "ends at 40.9 AP" in text
    assert "its last quarter gains 0.7 (from 40.2)" in text and "scatter by 1.23 AP" in text
    assert "a difference of 3.1 AP would be found" in text and "one of 6.2 as the first" in text
    assert "C5 against RetinaNet 0.07." in text and "rule for enough steps" not in text
    assert "powers of a design are those of a comparison alone, by the pilot's spread" in text
    assert "| ladder_bccd | 2 h | `fcos-edu study design` |" in text


def test_claims_are_listed_by_their_words_and_costs_added() -> None:
    sides = {"none": [0.50, 0.49, 0.508], "branch": [0.56, 0.55, 0.57]}
    table = {"FCOS": {"AP": {"values": [0.5, 0.5, 0.5]}}, "cpu_seconds": {"fcos": 1200.0, "other": 1200.0}}
    text = report({"ladder_bccd": record(sides) | {"cpu_hours": 3.0}, "torchvision_bccd": result(table, data="bccd")})
    assert (
        "- **reproduced** on BCCD: branch against none: +6.07 [" in text
        and "the paper +3.6 (37.1 against 33.5)" in text
    )
    assert "| torchvision_bccd | 2 h | `fcos-edu made up` |" in text, "three seeds of two variants"
    assert "All records together took 5 h of one core" in text


def record(values: dict[str, list[float]], design: dict[str, Any] | None = None, **runs: Any) -> dict[str, Any]:
    """A study's record whose rows have these figures."""

    def of(claim: Claim) -> tuple[list[float], list[float]]:
        sides = values.get(claim.first), values.get(claim.second)
        return sides if all(sides) else ([], [])  # type: ignore[return-value]

    found = {name: judged(name, of) for name in ("ladder", "parts", "centerness")}
    more = {"comparisons": found, "runs": runs, "config": {"iterations": 1200}, "command": "fcos-edu study ladder"}
    return result({}, data="bccd, train for training", **({"design": design} if design else {})) | more


def test_claims_are_counted_once_on_whatever_data_and_in_whatever_reading() -> None:
    claims = sum(len(STUDIES[name].claims) for name in ("ladder", "parts", "centerness", "retinanet", "proposals"))
    own = claims - 1 + 1 + 2  # a second reading in Table 4; Fig. 7; the two of section 4.1
    for results in (
        {},
        load_results(ROOT),
        {"ladder_coco_person": record({"C5": [0.5, 0.6], "RetinaNet": [0.4, 0.4]})},
    ):
        told = re.search(r"makes (\d+) comparisons .* Tried on (.*), and read .* they make (\d+) rows", report(results))
        assert told and int(told[1]) == own < int(told[3]), told
        assert " and " in told[2]


C5, RETINANET = [0.460, 0.464, 0.456, 0.463], [0.500, 0.505, 0.495, 0.502]
CURVES = {
    f"{variant}{seed}": {
        "variant": variant,
        "seed": seed,
        "cpu_seconds": 1.0,
        "hardware": "a machine",
        "curve": {"600": half, "1200": end},
    }
    for variant, half, end in (("fcos-c5", 0.40, 0.46), ("retinanet-c5", 0.45, 0.50))
    for seed in range(2)
}


def test_a_contradiction_that_stands_says_what_is_known_of_it_and_goes_with_its_word() -> None:
    rungs = {"RetinaNet": RETINANET, "C5": C5, "P5": C5, "NMS": C5, "GN": [0.500, 0.504, 0.497, 0.505]}
    text = report({"ladder_bccd": record(rungs, **CURVES)})
    _, _, text = text.partition("### Contradictions that stand")
    assert "**FCOS against RetinaNet, neither with group norm**, on BCCD. Table 3: -3.9" in text
    assert "and Table 8:" not in text, "not run"
    assert "means over seeds: -5.0 after 600, -4.0 after 1200 steps." in text
    assert "- Group norm in FCOS's heads, by Table 3: +4.0" in text and "**The cause is not tested.**" in text
    assert "The whole ladder against" not in text and "with classes" not in text, "not run"

    better = [value + 0.1 for value in C5]
    rungs = {"RetinaNet": RETINANET, "C5": better, "P5": better, "NMS": better, "GN": [0.600, 0.604, 0.597, 0.605]}
    text = report({"ladder_bccd": record(rungs, **CURVES)})
    assert "Contradictions that stand" not in text and "The cause is not tested" not in text


def test_what_the_pilot_was_asked_is_told_of_the_others_too() -> None:
    told = report({"ladder_bccd": record({}, DESIGN, **CURVES)})
    assert "Of the 2 configurations with one stage, 2 would not have met it" in told
    assert "in points: fcos-c5 6.0, retinanet-c5 5.0. And the learning rate" in told
    flat = {name: run | {"curve": {"600": 0.5, "1200": 0.509}} for name, run in CURVES.items()}
    assert "would not have met it" not in report({"ladder_bccd": record({}, DESIGN, **flat)})


def test_table_7_without_classes_stands_beside_the_same_runs_with_them() -> None:
    found = record({"RetinaNet": RETINANET, "C5": C5, "P5": C5}, **CURVES)
    found["metrics"]["retinanet"] = {
        row: {"AP with classes": {"values": values}} for row, values in (("FCOS", C5), ("RetinaNet", RETINANET))
    }
    # Paired differences -4.0, -4.1, -3.9 and -3.9, whose t interval is +-0.15.
    assert "The same runs with classes: -3.97 [-4.13, -3.82], alone." in report({"ladder_bccd": found})


def test_an_interval_that_excludes_the_papers_difference_is_marked_whatever_its_word() -> None:
    ahead = [value + 0.05 for value in C5]  # the paper: +0.4
    text = report({"ladder_bccd": record({"RetinaNet": C5, "C5": ahead}, **CURVES)})
    assert "**reproduced** on BCCD: FCOS instead of RetinaNet: +5.00 [+5.00, +5.00]; the paper +0.4" in text
    assert "(36.3 against 35.9) †." in text and "So it does in 1 of 1 rows *reproduced*" in text
    few = [value + step for value, step in zip(C5, (0.03, -0.02, 0.02, -0.01))]
    text = report({"ladder_bccd": record({"RetinaNet": C5, "C5": few}, **CURVES)})
    assert "(36.3 against 35.9)." in text and "†." not in text.partition("## Results")[2]


RPN, FCOS = [0.71, 0.715, 0.708, 0.713], [0.70, 0.706, 0.697, 0.702]


def of_first_stages(table_6: dict[str, list[float]], by_nms: dict[str, list[float]] | None = None) -> dict[str, Any]:
    """A record of Table 6 and of what NMS leaves, in which all recalls of a row are the same, but for small ones."""

    def of(sides: dict[str, list[float]]) -> Any:
        return lambda c: c.sides(sides.__getitem__) if set(c.rows) <= set(sides) else ([], [])

    made = record({})
    made["comparisons"] |= {"proposals": judged("proposals", of(table_6))}
    if by_nms:
        made["comparisons"] |= {"proposal-nms": judged("proposal-nms", of(by_nms))}
        made["metrics"] = {
            "proposal-nms": {
                row: {
                    "tries": {"mean": 7.04},
                    "AR1000 of large": {"mean": values[0]},
                    "AR1000 of small": {"mean": 0.4 if row.startswith("FCOS") else 0.5},
                }
                for row, values in by_nms.items()
            }
        }
    return made


def test_table_6_contradicted_says_what_the_experiments_found() -> None:
    text = report({"ladder_bccd": of_first_stages({"RPN": RPN, "FCOS": FCOS})})
    assert "- **FCOS against an RPN on P2 to P6**, on BCCD. Table 6: AR100 -1.0" in text and "(4 pairs)" in text
    assert "What that says" not in text and "In their last quarter" not in text
    two, five = ([value + more for value in FCOS] for more in (0.02, 0.05))
    by_nms = {
        "RPN": RPN,
        "FCOS": FCOS,
        "FCOS, NMS in each level": two,
        "RPN, NMS at 0.9": RPN,
        "FCOS, NMS in each level at 0.9": five,
    }
    found = of_first_stages({"RPN": RPN, "FCOS": FCOS}, by_nms)
    curves = {row.variant: {"flat": True, "gain": {"AR100": 0.004}} for row in STUDIES["proposals"].rows.values()}
    text = report({"ladder_bccd": found | {"recall_curves": curves}})
    assert "In their last quarter the first stages gain 0.4 at most, which the rule calls flat." in text
    open_yet = curves | {"rcnn-rpn-p3": {"curve": {}}}  # no run of it has been followed to its end
    assert "In their last quarter" not in report({"ladder_bccd": found | {"recall_curves": open_yet}})
    assert "  - FCOS: an NMS for each level, as the RPN has it, AR100: +2.00" in text
    assert "moves FCOS against RPN, both with an NMS for each level, AR1000: +3.00" in text
    assert "leaves of each object, as means: RPN: 7.0; FCOS: 7.0;" in text
    assert "the same at 0.9: large -1.0, +1.0, +4.0; small -10.0, -10.0, -10.0." in text
    assert "The other is a kind of object: small, on which FCOS is behind whichever the NMS." in text
    # NMS moves nothing: no cause is named.
    by_nms["FCOS, NMS in each level"] = FCOS
    text = report({"ladder_bccd": of_first_stages({"RPN": RPN, "FCOS": FCOS}, by_nms)})
    assert "AR1000 of each class" in text and "What that says" not in text
    assert "Contradictions that stand" not in report({"ladder_bccd": of_first_stages({"RPN": RPN, "FCOS": two})})


def of_levels(sides: dict[str, list[float]]) -> dict[str, Any]:
    """A record of Table 6 contradicted, and of the same first stages on other levels."""
    found = of_first_stages({"RPN": RPN, "FCOS": FCOS})
    found["comparisons"]["rpn-levels"] = judged("rpn-levels", lambda c: c.sides(sides.__getitem__))
    found["config"] |= {"model": {"level_bounds": [0, 48, 96, 192, 384, "inf"]}}
    found["metrics"] = {
        "rpn-levels": {
            row: {
                "AP after the second stage": {"mean": values[1]},
                "AR1000 of large": {"mean": values[0]},
                "tries": {"mean": 7.0},
            }
            for row, values in sides.items()
        }
    }
    return found


def test_table_6_on_coarser_levels_says_whose_order_it_is_where_the_intervals_do() -> None:
    up, down = [value + 0.001 * (-1) ** i for i, value in enumerate(FCOS)], [value - 0.06 for value in RPN]
    sides = {"RPN": RPN, "FCOS": FCOS, "RPN, P3 to P7": down, "FCOS, P3 to P7": up}
    text = report({"ladder_bccd": of_levels(sides)})
    assert "in AP after the second stage: -0.9, +5.0; in AR1000 of each class: large -1.0, +5.1." in text
    assert "**On P3 to P7 FCOS is ahead**" in text and "FCOS none that could be told apart." in text
    assert "ours with 24, so" in text and "each object: RPN: 7.0; FCOS: 7.0;" in text
    less = [value - 0.01 for value in FCOS]
    text = report({"ladder_bccd": of_levels(sides | {"FCOS, P3 to P7": less})})
    assert "cost the RPN recall, and FCOS less." in text
    for row, values in (("FCOS, P3 to P7", [0.60, 0.72, 0.61, 0.71]), ("RPN, P3 to P7", up)):
        text = report({"ladder_bccd": of_levels(sides | {row: values})})
        assert "FCOS against an RPN" in text and "On P3 to P7 FCOS is ahead" not in text, row


def test_why_rows_have_no_more_seeds_follows_from_the_power() -> None:
    values = {"RetinaNet": RETINANET, "C5": C5, "P5": [0.46, 0.47, 0.45, 0.462],
              "RetinaNet, 1 anchor": RETINANET, "RetinaNet, 9 anchors": [0.5, 0.49, 0.51, 0.505]}  # fmt: skip
    text = report({"ladder_bccd": record(values, DESIGN | {"sd_of_a_difference": 0.0135})})
    _, _, told = text.partition("**Why no row has more than 4 seeds, on BCCD.**")
    told = told.partition("\n\n")[0]
    assert "up to 10 only where the power says that more can decide" in told
    assert "1 is decided already" in told and re.search(r"for 1\d the power is 0\.\d\d at most even with 10", told)
    assert re.search(r"\*RetinaNet: nine anchors instead of one\* \(0\.\d\d with 4, 1\.00 with 10, has 4\)", told)
    assert "fcos-edu study parts --data bccd --iterations 1200" in told and "--seeds 0 1 2 3 4 5 6 7 8 9`" in told
    five = {name: [*figures, figures[0]] for name, figures in values.items()}
    assert "**Why some rows have more seeds, on BCCD.**" in report({"ladder_bccd": record(five, DESIGN)})
    assert "**Why" not in report({})
