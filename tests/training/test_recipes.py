"""Training as data: what the paper says, what is refused, and recipes whose figures are those that were recorded."""

import json
import re
from pathlib import Path

import pytest

from fcos_edu import FCOS, ConfigError, FCOSConfig
from fcos_edu.training.config import TrainConfig, differences
from fcos_edu.training.loop import learning_rate
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


# ---------------------------------------------------------------------- fine-tuning and differences
def test_fine_tuning_takes_the_network_of_the_checkpoint(tmp_path):
    network = FCOSConfig.tiny(num_classes=7, fpn_channels=16, num_head_convs=1)
    FCOS(network).save(tmp_path / "model.safetensors")
    config = RECIPES["shapes"].config.fine_tune(tmp_path / "model.safetensors")
    assert config.model == network and config.start_from == str(tmp_path / "model.safetensors")
    assert config.iterations == RECIPES["shapes"].config.iterations
    assert TrainConfig().fine_tune("torchvision:COCO_V1").model.torchvision_quirks
    drawn = RECIPES["voc07"].config.fine_tune("torchvision:COCO_V1")  # trained and measured in the sizes of the recipe
    assert (drawn.model.min_size, drawn.model.max_size) == (640, 1000)
    assert TrainConfig().fine_tune("shapes").model.backbone == "tiny"
    with pytest.raises(FileNotFoundError, match="nowhere"):
        config.fine_tune("nowhere.safetensors")


def test_differences_name_the_fields_of_both():
    config = RECIPES["shapes"].config
    other = config.replace(lr=0.5, **{"model.box_loss": "iou", "model.num_classes": 9})
    assert differences(config.to_dict(), other.to_dict()) == [
        "lr was 0.004 and is 0.5",
        "model.box_loss was 'giou' and is 'iou'",
    ]
    assert differences(config.to_dict(), json.loads(json.dumps(config.to_dict()))) == []
    old = config.to_dict()
    del old["workers"]
    assert differences(old, config.to_dict()) == ["workers was None and is 0"]


# ---------------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"iterations": 0}, "iterations is 0"),
        ({"lr": -1.0}, "lr is -1"),
        ({"ema_decay": 1.0}, "ema_decay is 1"),
        ({"optimizer": "sgdd"}, "did you mean 'sgd'"),
        ({"batch_size": 6, "accumulate": 4}, "accumulate is 4, which does not divide batch_size 6"),
        ({"keep_checkpoints": 0}, "keep_checkpoints is 0"),
        ({"train_sizes": (64,), "detector": "retinanet"}, "retinanet cannot have it"),
        ({"compile": True, "detector": "retinanet"}, "compile is True"),
        ({"start_from": "shapes", "detector": "retinanet"}, "start_from is 'shapes'"),
        ({"train_sizes": 256}, "train_sizes"),
        ({"train_sizes": (0,)}, "train_sizes"),
        ({"zoom": 1}, "zoom"),
        ({"zoom": (0.5,)}, "zoom"),
        ({"model": "tiny"}, "model"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**changes)


def test_a_misspelt_field_is_refused_with_the_nearest():
    config = TrainConfig()
    with pytest.raises(TypeError, match="did you mean 'iterations'"):
        config.replace(iteratons=3)
    with pytest.raises(TypeError, match="did you mean 'box_loss'"):
        config.replace(**{"model.box_los": "giou"})
    assert config.replace(**{"model.box_loss": "iou"}).model.box_loss == "iou"
