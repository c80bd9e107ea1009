"""FCOSConfig: presets, every refusal with its sentence, and the way through JSON."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import pickle
from typing import Any, get_args, get_type_hints

import pytest

from fcos_edu import ConfigError, FCOSConfig
from fcos_edu.config import BACKBONES

PRESETS = ("paper", "improved", "torchvision", "tiny")
RESIDUALS = {"backbone_weights": "random", "frozen_stages": 0}


def test_defaults_are_the_papers_final_model() -> None:
    assert FCOSConfig() == FCOSConfig.paper()
    config = FCOSConfig()
    assert config.strides == (8, 16, 32, 64, 128)
    assert config.level_bounds == (0, 64, 128, 256, 512, math.inf)
    assert (config.min_size, config.max_size, config.num_classes) == (800, 1333, 80)
    assert (config.score_threshold, config.nms_threshold, config.pre_nms_top_k) == (0.05, 0.6, 1000)
    assert (config.focal_alpha, config.focal_gamma, config.box_loss_weight) == (0.25, 2.0, 1.0)


def test_improved_changes_exactly_the_four_rows_of_table_3() -> None:
    paper, improved = FCOSConfig.paper().to_dict(), FCOSConfig.improved().to_dict()
    changed = {name: improved[name] for name in paper if paper[name] != improved[name]}
    assert changed == {
        "centerness_branch": "regression",
        "center_sampling_radius": 1.5,
        "box_loss": "giou",
        "normalize_targets": True,
    }


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_take_overrides_and_survive_json(preset: str) -> None:
    config = getattr(FCOSConfig, preset)(num_classes=3, class_names=["a", "b", "c"])
    assert config.num_classes == 3
    assert config.class_names == ("a", "b", "c")
    text = json.dumps(config.to_dict(), allow_nan=False)  # strict JSON knows no Infinity
    again = FCOSConfig.from_dict(json.loads(text))
    assert again == config
    assert hash(again) == hash(config)


def test_an_infinite_radius_or_bound_survives_json() -> None:
    config = FCOSConfig.tiny(center_sampling_radius=math.inf)
    assert FCOSConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_config_is_frozen_and_replace_makes_a_checked_copy() -> None:
    config = FCOSConfig.tiny()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.num_classes = 5  # type: ignore[misc]
    assert config.replace(num_classes=5).num_classes == 5
    assert config.num_classes == 80
    with pytest.raises(ConfigError, match="num_classes is 0"):
        config.replace(num_classes=0)


def test_copies_and_pickles_are_equal() -> None:
    config = FCOSConfig.tiny(num_classes=4)
    assert copy.deepcopy(config) == config
    assert pickle.loads(pickle.dumps(config)) == config


def test_strides_follow_the_levels() -> None:
    config = FCOSConfig.paper(levels=(2, 3, 4, 5, 6))
    assert config.strides == (4, 8, 16, 32, 64)
    alone = FCOSConfig.paper(levels=(4,), level_bounds=(0, math.inf))  # "without FPN" of Tables 1 and 2
    assert alone.strides == (16,)


# ------------------------------------------------------------------ names
@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("num_clases", "num_classes"),
        ("nms_treshold", "nms_threshold"),
        ("center_sampling", "center_sampling_radius"),
        ("centreness_branch", "centerness_branch"),
        ("stride", "strides"),
    ],
)
def test_misspelt_field_names_the_nearest_right_one(wrong: str, right: str) -> None:
    makers = [
        lambda **k: FCOSConfig(**k),
        lambda **k: FCOSConfig.paper(**k),
        lambda **k: FCOSConfig.tiny(**k),
        lambda **k: FCOSConfig().replace(**k),
        lambda **k: FCOSConfig.from_dict(k),
    ]
    for make in makers:
        with pytest.raises(TypeError, match=f"no field '{wrong}'") as error:
            make(**{wrong: 1})
        if right in {f.name for f in dataclasses.fields(FCOSConfig)}:
            assert f"did you mean '{right}'" in str(error.value)


def test_a_name_like_no_field_lists_the_fields() -> None:
    with pytest.raises(TypeError, match="the fields are num_classes, class_names"):
        FCOSConfig.tiny(xqz=1)


# ------------------------------------------------------------------ values
def _literal_fields() -> list[tuple[str, str]]:
    hints = get_type_hints(FCOSConfig)
    names = [f.name for f in dataclasses.fields(FCOSConfig)]
    return [(n, c) for n in names for c in get_args(hints[n]) if isinstance(c, str)]


def test_there_are_choices_to_test() -> None:
    assert len(_literal_fields()) > 20


@pytest.mark.parametrize(("name", "choice"), _literal_fields())
def test_every_choice_is_accepted_and_a_misspelling_refused(name: str, choice: str) -> None:
    # Random weights and computed center-ness: a base that excludes none of the choices.
    base = FCOSConfig.paper(**RESIDUALS, centerness_inference="computed")
    if (name, choice) != ("backbone_weights", "imagenet"):
        assert getattr(base.replace(**{name: choice}), name) == choice
    with pytest.raises(ConfigError, match=f"{name} is '{choice}x'; it must be one of .*did you mean"):
        base.replace(**{name: choice + "x"})


@pytest.mark.parametrize("name", [*BACKBONES, "timm:hrnet_w32", "timm:resnet18.a1_in1k"])
def test_backbones_are_accepted_by_name(name: str) -> None:
    config = FCOSConfig.paper(**RESIDUALS, backbone=name)
    assert FCOSConfig.from_dict(config.to_dict()) == config and config.backbone == name


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"backbone": "resnet5"},
            r"is 'resnet5'; it must be one of .*, or timm:NAME \(did you mean 'resnet50'",
        ),
        ({"backbone": "resnext101_32x4d"}, "did you mean 'resnext101_32x8d'"),
        ({"backbone": "timm:"}, "backbone is 'timm:'; it must be one of"),
        ({"backbone": "hrnet_w32"}, "or timm:NAME"),
        ({"backbone": 50}, "backbone is 50; it must be text"),
        ({"num_classes": 0}, "num_classes is 0; it must be at least 1"),
        ({"num_classes": 2.5}, "num_classes is 2.5; it must be a whole number"),
        ({"num_classes": True}, "num_classes is True; it must be a whole number"),
        ({"num_classes": "3"}, "num_classes is '3'; it must be a whole number"),
        ({"min_size": 0}, "min_size is 0"),
        ({"size_divisor": 0}, "size_divisor is 0"),
        ({"fpn_channels": 0}, "fpn_channels is 0"),
        ({"pre_nms_top_k": 0}, "pre_nms_top_k is 0"),
        ({"detections_per_image": 0}, "detections_per_image is 0"),
        ({"num_head_convs": -1}, "num_head_convs is -1; it must be at least 0"),
        ({"num_head_convs": 10**9}, "num_head_convs is 1000000000; it must be at most 64"),
        ({"fpn_channels": 2**20}, "fpn_channels is 1048576; it must be at most 8192"),
        ({"num_classes": 10**7}, "num_classes is 10000000; it must be at most 100000"),
        ({"max_size": 10**6}, "max_size is 1000000; it must be at most 16384"),
        ({"size_divisor": 2048}, "size_divisor is 2048; it must be at most 1024"),
        (
            {"num_classes": 1, "class_names": ("x" * 1001,)},
            "the class name 'xxxxxxxxxxxxxxxxxxxx'... has 1001 characters",
        ),
        ({"max_size": 799}, "max_size is 799, smaller than min_size 800"),
        ({"class_names": ("a", "b")}, "class_names has 2 names, but num_classes is 80"),
        ({"class_names": "apple"}, "class_names is 'apple'"),
        ({"frozen_stages": 6}, "frozen_stages is 6; it must be at most 5"),
        ({"frozen_stages": -1}, "frozen_stages is -1"),
        ({"levels": ()}, "levels is \\(\\); it must be neighbouring"),
        ({"levels": (3, 5, 4, 6, 7)}, "it must be neighbouring pyramid levels"),
        ({"levels": (3, 4, 6, 7, 8)}, "it must be neighbouring pyramid levels"),
        ({"levels": (1, 2, 3, 4, 5)}, "between 2 and 7"),
        ({"levels": (3.0, 4.0, 5.0, 6.0, 7.0)}, "levels is"),
        ({"levels": 5}, "levels is 5"),
        ({"level_bounds": 64.0}, "level_bounds is 64.0"),
        ({"focal_alpha": -0.25}, "focal_alpha is -0.25; it must be at least 0"),
        ({"focal_alpha": 1.5}, "focal_alpha is 1.5; it must be at most 1"),
        ({"focal_gamma": -1.0}, "focal_gamma is -1.0; it must be at least 0"),
        ({"box_loss_weight": -1.0}, "box_loss_weight is -1.0; it must be at least 0"),
        ({"box_loss_weight": math.inf}, "box_loss_weight is inf; it must be at most"),
        ({"level_bounds": ("0", "64", "128", "256", "512", "inf")}, "level_bounds is"),
        ({"level_bounds": (0, None, 128, 256, 512, math.inf)}, "level_bounds is .*list or tuple of numbers"),
        ({"level_bounds": (0, 64, 128)}, "level_bounds has 3 numbers; 5 levels need 6"),
        ({"level_bounds": (0, 64, 64, 256, 512, math.inf)}, "the bounds must rise from 0"),
        ({"level_bounds": (-1, 64, 128, 256, 512, math.inf)}, "the bounds must rise from 0"),
        ({"level_bounds": (0, math.nan, 128, 256, 512, math.inf)}, "list or tuple of numbers"),
        ({"center_sampling_radius": 0.0}, "center_sampling_radius is 0.0; it must be above 0, or None"),
        ({"center_sampling_radius": -1.5}, "center_sampling_radius is -1.5"),
        ({"center_sampling_radius": "1.5"}, "center_sampling_radius is '1.5'; it must be a number"),
        ({"score_threshold": 1.5}, "score_threshold is 1.5; it must be at most 1"),
        ({"score_threshold": math.nan}, "score_threshold is nan; it must be a number"),
        ({"nms_threshold": -0.1}, "nms_threshold is -0.1; it must be at least 0"),
        ({"nms_threshold": None}, "nms_threshold is None; it must be a number"),
        ({"prior_probability": 0.0}, "prior_probability is 0.0"),
        ({"prior_probability": 1}, "prior_probability is 1"),
        ({"group_norm": 1}, "group_norm is 1; it must be True or False"),
        ({"fpn_channels": 100}, "fpn_channels is 100; group norm needs a multiple of 8"),
        # Combinations that exclude each other.
        ({"centerness_branch": "none"}, "needs a branch, but centerness_branch is 'none'"),
        ({"backbone": "tiny"}, "no ImageNet weights for backbone 'tiny'"),
        ({"backbone_weights": "random"}, "frozen_stages=2 would freeze random weights"),
        (
            {"levels": (3, 4, 5), "level_bounds": (0, 64, 128, math.inf), "extra_levels_from": "C5"},
            "extra_levels_from='C5' has no effect with levels",
        ),
        ({"levels": (6, 7), "level_bounds": (0, 512, math.inf)}, "lacks P5, from which P6 and P7 are made"),
        ({"torchvision_quirks": True}, "torchvision_quirks needs location_offset='none'"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        FCOSConfig(**changes)
    with pytest.raises(ConfigError, match=sentence):
        FCOSConfig().replace(**changes)


def test_a_config_error_is_a_value_error() -> None:
    assert issubclass(ConfigError, ValueError)


def test_group_norm_off_lifts_its_condition() -> None:
    assert FCOSConfig(fpn_channels=100, group_norm=False).fpn_channels == 100


def test_without_a_branch_the_other_sources_of_centerness_work() -> None:
    for source in ("computed", "oracle", "none"):
        config = FCOSConfig(centerness_branch="none", centerness_inference=source)  # type: ignore[arg-type]
        assert config.centerness_inference == source
