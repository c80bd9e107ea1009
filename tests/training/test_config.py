"""The configuration of a run: what is refused, what differs, and how fine-tuning makes one."""

import json

import pytest
import torch

from fcos_edu import FCOS, ConfigError, FCOSConfig, weights
from fcos_edu.training.config import TrainConfig, differences
from fcos_edu.training.recipes import RECIPES
from fcos_edu.weights import CheckpointError


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
    assert differences(old, config.to_dict()) == []  # an older version did not write it
    assert differences(old, config.replace(workers=3).to_dict()) == ["workers was 0 and is 3"]


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
        ({"zoom": (2.0, 0.5)}, r"zoom is \(2.0, 0.5\); it must be \(smallest, largest\)"),
        ({"zoom": (1e300, 1e308)}, "neither above 100"),
        ({"model": "tiny"}, "model"),
        ({"lr": float("inf")}, "lr is inf; it must be at most"),
        ({"weight_decay": float("inf")}, "weight_decay is inf"),
        ({"bias_lr_factor": 1e9}, "bias_lr_factor is 1000000000.0"),
        ({"clip_norm": -10}, "clip_norm is -10"),
        ({"momentum": 5}, "momentum is 5"),
        ({"warmup_factor": -3}, "warmup_factor is -3"),
        ({"weight_decay": -5}, "weight_decay is -5"),
        ({"workers": 257}, "workers is 257; it must be at most 256"),
        ({"batch_size": 10**9}, "batch_size is 1000000000; it must be at most 65536"),
        ({"train_sizes": (10**9,)}, r"train_sizes is \(1000000000,\); it must be at most 16384"),
        ({"seed": -1}, "seed is -1; it must be at least 0"),
        ({"seed": 2**32}, "seed is 4294967296; it must be at most 4294967295"),
        ({"optimizer": "x" * 10**6}, "^optimizer is 'x{196}...; it must be one of"),
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


def test_a_detector_of_somebodys_own_is_nothing_to_start_from(tmp_path):
    """What its configuration says builds another network than it has."""
    path = tmp_path / "own.safetensors"
    weights.save(path, {"w": torch.zeros(3)}, FCOSConfig.tiny(fpn_channels=8192), about={"detector": "custom"})
    with pytest.raises(CheckpointError, match="own.safetensors holds a detector of somebody's own"):
        TrainConfig().fine_tune(path)


def test_a_field_that_an_older_version_did_not_write_has_its_default() -> None:
    now = TrainConfig().to_dict()
    before = {name: value for name, value in now.items() if name != "keep_empty"}
    before["model"] = {name: value for name, value in now["model"].items() if name != "nms_threshold"}
    assert differences(before, now) == []
    assert differences(before, TrainConfig(keep_empty=True).to_dict()) == ["keep_empty was False and is True"]
    assert differences({**before, "odd": 1}, now)  # of another program, or of a later version


def test_the_limit_of_pixels_is_that_of_decoding() -> None:
    from fcos_edu.data.decoding import MAX_PIXELS, ORIENTATIONS

    assert TrainConfig().max_pixels == MAX_PIXELS and TrainConfig().orientation == ORIENTATIONS[0]
