"""Studies as data: what they train differs in one thing, their rows and claims are the paper's, and means are means."""

from __future__ import annotations

import dataclasses
import json
import statistics

import pytest

from fcos_edu import FCOSConfig, paper
from fcos_edu.experiments.logbook import digest, variant_config
from fcos_edu.experiments.seeds import MEASURES
from fcos_edu.experiments.studies import (
    PAPER,
    PROPOSAL_NMS,
    STUDIES,
    VARIANTS,
    Claim,
    comparison_table,
    measurements,
    plan,
    spread,
    study_table,
)
from fcos_edu.proposals import LEVELS, FCOSProposals
from fcos_edu.training.config import TrainConfig
from fcos_edu.training.recipes import RECIPES

BASE = {name: RECIPES[name].config.replace(**PAPER) for name in ("shapes", "bccd", "coco-r50-1x")}


def fields(config: TrainConfig) -> dict:
    outer = {f.name: getattr(config, f.name) for f in dataclasses.fields(config) if f.name != "model"}
    return outer | {f.name: getattr(config.model, f.name) for f in dataclasses.fields(config.model)}


def differing(a: TrainConfig, b: TrainConfig) -> set[str]:
    one, other = fields(a), fields(b)
    return {name for name in one if one[name] != other[name]}


@pytest.mark.parametrize("recipe", BASE)
def test_a_comparison_changes_one_thing(recipe):
    """Both sides have the same backbone, data and budget."""
    made = {name: variant_config(BASE[recipe], name, 0) for name in VARIANTS}
    branch, anchor_free = {"centerness_branch", "centerness_inference"}, {"detector"}
    for one, other, want in [
        # Table 3
        ("retinanet-c5", "fcos-c5", anchor_free),
        ("fcos-c5", "fcos-p5", {"extra_levels_from"}),
        ("fcos-p5", "fcos", {"group_norm"}),
        ("fcos", "fcos-reg", {"centerness_branch"}),
        ("fcos-reg", "fcos-sampling", {"center_sampling_radius"}),
        ("fcos-sampling", "fcos-giou", {"box_loss"}),
        ("fcos-giou", "fcos-improved", {"normalize_targets"}),
        # Table 8
        ("retinanet-one-anchor", "retinanet-c5", {"detector"}),
        ("parts-c5", "parts-p5", {"extra_levels_from"}),
        ("parts-p5", "parts-gn", {"group_norm"}),
        ("parts-gn", "parts-scale", {"box_activation"}),
        ("parts-scale", "fcos", {"box_loss", "box_loss_weight"}),
        # Tables 4, 7, 6, and torchvision's
        ("fcos", "fcos-no-branch", branch),
        ("fcos", "retinanet", {"detector"}),
        ("retinanet", "retinanet-no-gn", {"group_norm"}),
        ("rcnn-rpn", "rcnn-fcos", {"detector"}),
        ("rcnn-rpn-gn", "rcnn-rpn", {"detector"}),
        ("rcnn-rpn-gn", "rcnn-fcos", {"detector"}),
        ("rcnn-rpn-gn", "rcnn-rpn-all", {"detector"}),
        ("rcnn-rpn-gn", "rcnn-rpn-p3", {"levels"}),
        ("rcnn-fcos", "rcnn-fcos-256", {"detector"}),
        ("rcnn-fcos", "rcnn-fcos-p3", {"levels"}),
        ("rcnn-fcos", "rcnn-fcos-no-branch", branch),
        ("fcos-improved", "torchvision-fcos", {"detector"}),
    ]:
        assert differing(made[one], made[other]) == want, (one, other)
    # The model of the paper's tables: none of Table 3's improvements, and all of them.
    own, improved = made["fcos"].model, made["fcos-improved"].model
    for name in ("centerness_branch", "center_sampling_radius", "box_loss", "normalize_targets", "group_norm"):
        assert getattr(own, name) == getattr(FCOSConfig.paper(), name)
        assert getattr(improved, name) == getattr(FCOSConfig.improved(), name)


def test_every_variant_is_another_training():
    """One that several tables need stands there once."""
    digests = {digest(variant_config(BASE["bccd"], name, 0), "boxes") for name in VARIANTS}
    assert len(digests) == len(VARIANTS)
    assert {row.variant for study in STUDIES.values() for row in study.rows.values()} == set(VARIANTS)


def test_the_digest_is_of_all_that_decides_a_run_and_of_nothing_else():
    config = variant_config(BASE["bccd"], "fcos", 0)
    own = digest(config, "boxes")
    assert own == digest(TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))), "boxes")
    for same in (
        {"save_every": 7}, {"workers": 3}, {"model.nms_threshold": 0.5}, {"model.score_threshold": 0.3},
        {"test_split": "val"}, {"model.class_names": ("a", "b", "c")},
    ):  # fmt: skip
        assert digest(config.replace(**same), "boxes") == own, same
    for other in (
        {"seed": 1}, {"iterations": 1999}, {"lr": 0.001}, {"model.min_size": 200}, {"split": "train"},
        {"model.group_norm": False}, {"precision": "bf16"}, {"data": "shapes"},
    ):  # fmt: skip
        assert digest(config.replace(**other), "boxes") != own, other
    assert digest(config, "other boxes") != own


@pytest.mark.parametrize(("name", "table"), [("ladder", paper.TABLE_3), ("parts", paper.TABLE_8),
                                             ("proposals", paper.TABLE_6)])  # fmt: skip
def test_the_rows_are_the_papers(name, table):
    assert list(STUDIES[name].rows) == list(table) and STUDIES[name].paper == table.shares


def test_every_other_row_is_one_of_the_papers_too():
    for study in STUDIES.values():
        if study.paper is not None:  # torchvision's FCOS and Fig. 7's shares are not in the paper
            assert {study.same_as.get(row, row) for row in study.rows} <= set(study.paper)
        for claim in study.claims:
            assert set(claim.rows) <= set(study.rows)
            if study.paper is not None or claim.sign:  # neither: what the paper does not compare
                assert (study.paper_difference(claim) is None) == bool(claim.sign)


def test_the_papers_differences():
    """As the paper's tables print them, in points."""

    def points(name: str) -> list[float]:
        study = STUDIES[name]
        return [round(100 * study.paper_difference(claim), 2) for claim in study.claims]

    assert points("ladder") == [0.4, 0.1, 0.1, 0.6, 0.3, 0.7, 0.2, 0.3, 2.7]
    assert points("parts") == [3.2, 0.0, 0.1, 0.5, 0.1, 0.2]
    assert points("centerness") == [3.6, 3.6, 0.0, 5.0]
    assert points("retinanet") == [0.5, 0.2, 0.4, 2.7, 0.5, 0.9, 0.4, -0.2]
    assert points("proposals") == [8.1, 3.4, 3.3, 2.4, 4.8, 1.0]
    assert points("questions") == [3.2, 0.4, 0.1, 0.3, 0.1, 0.7], "each within its own table"


def test_questions_of_drawn_shapes_need_no_other_measurement_than_the_tables_they_are_from():
    """Runs that stand in a record would lack it."""
    others = [name for name in STUDIES if name != "questions"]
    for variant in STUDIES["questions"].variants:
        asked = {row.measurement for row in measurements(variant, ["questions"])}
        assert asked <= {row.measurement for row in measurements(variant, others)}


def test_guesses_share_the_first_stages_of_table_6():
    rows = STUDIES["proposals"].rows
    for name in ("rpn-norm", "rpn-samples", "rpn-levels"):
        study = STUDIES[name]
        assert study.paper is None and {c.figure for c in study.claims} == set(paper.TABLE_6.columns)
        assert all(study.rows[row].variant == rows[row].variant for row in study.rows if row in rows)
        assert {"RPN", "FCOS"} & set(study.rows)


def test_the_guess_on_levels_keeps_the_nms_of_table_6_and_has_recall_by_iou_and_class():
    levels, by_nms = STUDIES["rpn-levels"].rows, STUDIES["proposal-nms"].rows
    for name, row in levels.items():
        own = by_nms[name.removesuffix(", P3 to P7")]
        assert (row.measure, row.part) == (own.measure, own.part), name


def test_a_guess_on_nms_costs_no_training_and_changes_one_thing_at_a_time():
    """It measures Table 6's own detectors once more: FCOS gets the RPN's NMS, then both one that drops less."""
    study, rows = STUDIES["proposal-nms"], STUDIES["proposals"].rows
    assert set(study.variants) == {rows["RPN"].variant, rows["FCOS"].variant} and study.paper is None
    assert {row.part for row in study.rows.values()} == set(PROPOSAL_NMS)
    network = FCOSProposals(FCOSConfig(num_classes=1, levels=LEVELS))
    assert PROPOSAL_NMS[study.rows["FCOS"].part] == (network.config.nms_threshold, network.nms_per_level)
    for first, second in (("FCOS", "FCOS, NMS in each level"), ("RPN", "RPN, NMS at 0.9")):
        one, other = (PROPOSAL_NMS[study.rows[row].part] for row in (first, second))
        assert sum(a != b for a, b in zip(one, other)) == 1
    last = [claim for claim in study.claims if "0.9" in claim.first]
    change, left = next(claim for claim in last if claim.against), next(claim for claim in last if not claim.against)
    assert {study.rows[row].part for row in (left.first, left.second)} == {"each level, 0.9"}, "both have the same"
    assert {study.rows[row].part for row in change.against} == {"each level"}
    assert {c.figure for c in study.claims} == {"AR10", *paper.TABLE_6.columns}


def test_by_how_much_a_difference_is_above_another():
    values = {"a": [0.5, 0.6], "b": [0.4, 0.3], "c": [0.9, 0.8], "d": [0.7, None]}
    first, second = Claim("a", "b", against=("c", "d")).sides(values.__getitem__)
    assert first == [0.5, 0.6] and second == [pytest.approx(0.6), None], "0.1 - 0.2, and what is not known"
    assert Claim("a", "b").sides(values.__getitem__) == (values["a"], values["b"])
    assert Claim("a", "b", against=("c", "d")).rows == ("a", "b", "c", "d")
    assert STUDIES["proposals"].paper_difference(Claim("FCOS", "RPN", "AR100", against=("FCOS", "RPN"))) is None


def test_every_claim_of_tables_3_4_6_7_8_and_fig_7_is_there():
    """A table's rows are all compared, and each figure that is printed for proposals and without classes."""
    for name, study in STUDIES.items():
        if name != "torchvision":
            assert {row for claim in study.claims for row in claim.rows} == set(study.rows)
    assert {c.figure for c in STUDIES["proposals"].claims} == set(paper.TABLE_6.columns)
    assert {c.figure for c in STUDIES["retinanet"].claims} == set(paper.TABLE_7.columns)


def test_the_nms_of_a_row_costs_no_training():
    ladder = STUDIES["ladder"].rows
    assert ladder["P5"].variant == ladder["NMS"].variant and ladder["P5"].inference == {"nms_threshold": 0.5}
    assert BASE["bccd"].model.nms_threshold == 0.6
    assert {row.measurement for row in measurements("fcos-p5")} == {"coco", "coco nms_threshold=0.5"}


def test_a_variant_is_measured_for_every_study_that_has_it():
    found = {row.measurement for row in measurements("fcos")}
    assert found == {"coco", "coco nms_threshold=0.5", "table_4", "table_7", "fig_7"}
    assert {row.measure for name in VARIANTS for row in measurements(name)} == set(MEASURES)


def test_the_plan_goes_round_so_that_all_rows_have_as_many_seeds():
    order = list(plan(["ladder", "parts"], [3, 1]))
    assert len(order) == 2 * (8 + 5), "Table 8 shares two variants with Table 3"
    assert len(set(order)) == len(order)
    assert [seed for _, seed in order] == [3] * 13 + [1] * 13
    assert [variant for variant, seed in order if seed == 3] == [variant for variant, seed in order if seed == 1]
    assert list(plan(["ladder"], [])) == []


def test_mean_and_spread():
    values = [0.61, 0.58, 0.64]
    assert spread(values) == {
        "mean": round(statistics.mean(values), 4), "std": round(statistics.stdev(values), 4), "values": values
    }  # fmt: skip
    assert spread([0.5]) == {"mean": 0.5, "std": None, "values": [0.5]}
    assert spread([0.5, None]) == {"mean": None, "std": None, "values": [0.5, None]}


def test_a_table_as_text_is_in_percent_but_for_counts():
    table = {"FCOS": {"AP": spread([0.5, 0.6]), "tries": spread([4.0, 5.0])}, "seconds": {"fcos": 1.0}}
    assert study_table(table).split(None, 1) == ["FCOS", "AP 55.0 ± 7.1   tries 4.5 ± 0.7"]
    long = study_table({"a row whose name is longer than the column": {"AP": spread([0.5])}} | table)
    assert "than the column  AP 50.0" in long and len({line.index("AP ") for line in long.splitlines()}) == 1


def test_comparisons_as_text():
    one = dataclasses.asdict(Claim("C5", "RetinaNet")) | {
        "paper": 0.004,
        "n": 0,
        "difference": None,
        "word": "not run yet",
    }
    assert comparison_table([one]).endswith("not run yet, paper +0.40: not run yet")
    assert "RetinaNet, AP, above GN against P5 " in comparison_table([one | {"against": ["GN", "P5"]}])
    found = one | {"n": 4, "difference": 0.0123, "interval": [-0.001, 0.0256], "word": "not told apart"}
    assert comparison_table([found]).endswith("+1.23 [-0.10, +2.56] of 4 seeds, paper +0.40: not told apart")
