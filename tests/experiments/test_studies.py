"""Studies: what they train differs in one thing, and means are means."""

from __future__ import annotations

import dataclasses
import statistics

import pytest

from fcos_edu import FCOSConfig
from fcos_edu.experiments.seeds import MEASURES
from fcos_edu.experiments.studies import PAPER, STUDIES, VARIANTS, spread
from fcos_edu.training.config import TrainConfig
from fcos_edu.training.recipes import RECIPES


def fields(config: TrainConfig) -> dict:
    outer = {f.name: getattr(config, f.name) for f in dataclasses.fields(config) if f.name != "model"}
    return outer | {f.name: getattr(config.model, f.name) for f in dataclasses.fields(config.model)}


def differing(a: TrainConfig, b: TrainConfig) -> set[str]:
    one, other = fields(a), fields(b)
    return {name for name in one if one[name] != other[name]}


@pytest.mark.parametrize("recipe", ["shapes", "bccd", "coco-r50-1x"])
def test_a_comparison_changes_one_thing(recipe):
    """Both sides have the same backbone, data and budget."""
    base = RECIPES[recipe].config.replace(**PAPER)
    made = {name: base.replace(**changes) for name, changes in VARIANTS.items()}
    branch = {"centerness_branch", "centerness_inference"}
    assert differing(made["fcos"], made["fcos-no-branch"]) == branch
    assert differing(made["fcos"], made["retinanet"]) == {"detector"}
    assert differing(made["rcnn-rpn"], made["rcnn-fcos"]) == {"detector"}
    assert differing(made["rcnn-fcos"], made["rcnn-fcos-no-branch"]) == branch
    # The model of the paper's tables: none of Table 3's improvements.
    paper, own = FCOSConfig.paper(), made["fcos"].model
    for name in ("centerness_branch", "center_sampling_radius", "box_loss", "normalize_targets", "group_norm"):
        assert getattr(own, name) == getattr(paper, name)


def test_mean_and_spread():
    values = [0.61, 0.58, 0.64]
    assert spread(values) == {
        "mean": round(statistics.mean(values), 4), "std": round(statistics.stdev(values), 4), "values": values
    }  # fmt: skip
    assert spread([0.5]) == {"mean": 0.5, "std": None, "values": [0.5]}
    assert spread([0.5, None]) == {"mean": None, "std": None, "values": [0.5, None]}


def test_every_study_has_the_papers_rows():
    for study in STUDIES.values():
        if study.paper is None:  # torchvision's FCOS is not in the paper
            continue
        rows = {row if row != "without_branch" else "none" for row in study.variants}
        assert rows <= set(study.paper)
        assert set(study.variants.values()) <= set(VARIANTS)


def test_every_study_has_a_measure():
    assert {study.measure for study in STUDIES.values()} == set(MEASURES)
