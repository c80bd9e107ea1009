"""Training as data: what the paper says, what is refused, and recipes whose figures are those that were recorded."""

import json
import re
from pathlib import Path

import pytest

from fcos_edu import FCOSConfig
from fcos_edu.training.config import TrainConfig
from fcos_edu.training.optimizer import learning_rate
from fcos_edu.training.recipes import RECIPES, recipe_for

RESULTS = Path(__file__).resolve().parents[2] / "fcos_edu" / "results"


# ---------------------------------------------------------------------- the recipes
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_whole(name):
    recipe = RECIPES[name]
    values = json.loads(json.dumps(recipe.config.to_dict()))
    assert FCOSConfig.from_dict(values.pop("model")) == recipe.config.model
    assert values["iterations"] == recipe.config.iterations
    told = recipe.describe()
    assert recipe.source in told and recipe.cost in told and recipe.memory in told
    assert all(0 < value < 1 for value in recipe.expected.values())


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_expected_is_what_was_recorded(name):
    recipe = RECIPES[name]
    if not recipe.source.startswith("measured"):
        assert "results/" not in recipe.source
        return
    match = re.search(r"results/(\w+)\.json", recipe.source)
    assert match, f"{name} says measured, but not where: {recipe.source}"
    recorded = json.loads((RESULTS / f"{match[1]}.json").read_text("utf-8"))
    metrics = recorded["metrics"].get("FCOS", recorded["metrics"])  # of a study: mean and spread of a row
    for figure, value in recipe.expected.items():
        measured = metrics[figure]["mean"] if isinstance(metrics[figure], dict) else metrics[figure]
        assert value == pytest.approx(measured, abs=0.0005)


def test_the_papers_recipe():
    config = RECIPES["coco-r50-1x"].config
    assert (config.iterations, config.batch_size, config.learning_rate) == (90_000, 16, 0.01)
    assert (config.momentum, config.weight_decay, config.bias_lr_factor) == (0.9, 1e-4, 2.0)
    assert (config.model.min_size, config.model.max_size) == (800, 1333)
    assert config.model.backbone == "resnet50" and config.model.group_norm and config.model.frozen_stages == 2
    rates = [config.learning_rate * learning_rate(step, config) for step in (0, 500, 59_999, 60_000, 79_999, 80_000)]
    assert rates == pytest.approx([0.01 / 3, 0.01, 0.01, 0.001, 0.001, 1e-4])
    long = RECIPES["coco-r101-2x-ms"].config
    assert (long.iterations, long.model.backbone) == (180_000, "resnet101")
    assert (min(long.train_sizes), max(long.train_sizes)) == (640, 800)
    assert RECIPES["coco-r50-improved-1x"].config.model == FCOSConfig.improved()


def test_the_rate_scales_with_the_batch():
    config = TrainConfig()
    assert config.learning_rate == 0.01
    assert config.replace(batch_size=8).learning_rate == pytest.approx(0.005)
    assert config.replace(batch_size=64, accumulate=4).learning_rate == pytest.approx(0.04)
    assert RECIPES["bccd"].config.learning_rate == 0.002


def test_other_data_get_a_small_model_without_a_gpu_and_the_papers_with_one():
    assert recipe_for("bccd", gpu=True) == RECIPES["bccd"].config
    small, large = recipe_for("folder", gpu=False), recipe_for("folder", gpu=True)
    assert small.model.backbone == "tiny" and large.model.backbone == "resnet50"
    assert small.data == large.data == "folder" and (small.split, small.test_split) == ("train", "val")
