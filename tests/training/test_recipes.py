"""Training as data: what the paper says, what is refused, and recipes whose figures are those that were recorded."""

import json
import re
from pathlib import Path

import pytest

from fcos_edu import FCOSConfig
from fcos_edu.training.config import TrainConfig
from fcos_edu.training.optimizer import learning_rate
from fcos_edu.training.recipes import FITTED, RECIPES, fitted, measure_every, recipe_for, start_of, steps_for

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


# ---------------------------------------------------------------------- what fits the data
def test_steps_are_those_that_were_tried_where_the_data_are():
    """The paper's on COCO, the recipes' on blood cells; VOC 2007 comes near the field's 9 K of 16."""
    for start, images, batch, steps in (
        ("backbone", 118_287, 16, 90_000), ("random", 292, 8, 2000), ("detector", 292, 8, 600),
    ):  # fmt: skip
        assert steps_for(images, batch, start) == steps
        assert steps_for(images, 2 * batch, start) == pytest.approx(steps / 2, rel=0.1)  # as many images
    assert 8000 <= steps_for(5011, 16, "backbone") <= 10_000


@pytest.mark.parametrize("start", ["backbone", "random", "detector"])
def test_more_images_get_more_steps_and_fewer_epochs(start):
    sizes = [1, 7, 160, 292, 1000, 20_000, 10**6]
    steps = [steps_for(n, 8, start) for n in sizes]
    assert steps == sorted(steps) and steps[0] >= 100 and steps[-1] > 1000
    epochs = [8 * s / n for s, n in zip(steps, sizes, strict=True)]
    assert epochs == sorted(epochs, reverse=True)


def test_160_images_on_a_gpu_are_not_seen_9000_times():
    config = fitted(recipe_for("folder", gpu=True), 160, gpu=True)
    assert 20 < config.iterations * config.batch_size / 160 < 100
    assert config.warmup_iterations <= config.iterations / 10 and config.save_every <= config.iterations / 5


def test_weights_of_a_large_network_keep_a_rate_that_does_not_undo_them():
    """On a CPU ``--from`` a large detector kept AdamW and the rate of the small network from random weights."""
    small = recipe_for("folder", gpu=False)
    large = small.replace(start_from="torchvision:COCO_V1", model=FCOSConfig.torchvision())
    config = fitted(large, 160, gpu=False)
    assert (config.optimizer, config.learning_rate, config.ema_decay) == ("sgd", 0.005, 0.0)
    assert (config.batch_size, config.accumulate) == (8, 4)
    assert start_of(config) == "detector" and start_of(config.replace(start_from="")) == "backbone"
    assert fitted(large, 160, gpu=True).accumulate == 1
    from_small = fitted(small.replace(start_from="shapes"), 160, gpu=False)
    assert start_of(from_small) == "random" and (from_small.optimizer, from_small.lr) == ("adamw", 0.002)


def test_what_somebody_has_set_is_kept():
    small = recipe_for("folder", gpu=False).replace(model=FCOSConfig.paper())
    chosen = {"lr": 0.3, "optimizer": "adamw", "iterations": 7, "batch_size": 3, "save_every": 5000}
    config = fitted(small.replace(**chosen), 160, gpu=False, keep=chosen)
    assert {name: getattr(config, name) for name in chosen} == chosen and config.accumulate == 1
    changed = {name for name, value in config.to_dict().items() if value != small.replace(**chosen).to_dict()[name]}
    assert changed <= set(FITTED)
    unknown = fitted(recipe_for("coco2017", gpu=True), None, gpu=True)
    assert unknown.iterations == 90_000 == fitted(recipe_for("coco2017", gpu=True), 117_266, gpu=True).iterations


def test_epochs_are_whole_batches_and_the_warm_up_fits():
    config = TrainConfig(batch_size=16)
    assert config.for_epochs(12, 118_287).iterations == 88_716  # 12 epochs, the last batch whole
    assert config.for_epochs(0.001, 10).iterations == 1
    assert config.for_epochs(3, 1000).warmup_iterations == 18 and config.for_epochs(50, 1000).warmup_iterations == 312
    assert config.for_epochs(12, 118_287).warmup_iterations == 500
    assert config.for_epochs(10, 160).length(160) == "160 images, 100 steps of 16 = 10 epochs"
    assert config.replace(iterations=3).length(1600) == "1,600 images, 3 steps of 16 = 0.03 epochs"
    assert config.replace(iterations=1).length(16) == "16 images, 1 step of 16 = 1 epoch"


@pytest.mark.parametrize("tested", [1, 40, 1000, 5000, 10**6])
@pytest.mark.parametrize("steps", [100, 1300, 90_000])
def test_measuring_takes_a_tenth_of_the_time_at_most(steps, tested):
    """An image costs at most half as much to detect in as to learn from; the last step is measured too."""
    every = measure_every(steps, 8, tested)
    if not every:
        assert 0.5 * tested > 0.1 * steps * 8  # not even once
        return
    count = -(-steps // every)
    assert count <= 10 and 0.5 * tested * count <= 0.1 * steps * 8
    assert measure_every(steps, 8, 0) == 0
