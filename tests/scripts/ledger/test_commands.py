"""The commands that the ledger names where there is no result: the command line takes each of them."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from fcos_edu import FCOSConfig
from fcos_edu.cli.options import parse_setting
from fcos_edu.cli.parser import build_parser
from fcos_edu.training.config import TrainConfig
from scripts.ledger.page import wrapped
from scripts.ledger.tables import sections


def commands() -> list[str]:
    """What the page says where there is no result."""
    found = dict.fromkeys(c for part in sections({}) for row in part.rows for c in row.commands)
    return [command for command in found if command.startswith("fcos-edu ")]


SIZES, TWICE = dict(train_sizes=(640, 672, 704, 736, 768, 800)), dict(iterations=180_000)


def test_there_are_commands() -> None:
    assert len(commands()) > 25


@pytest.mark.parametrize("command", commands())
def test_the_command_line_takes_every_command(command: str) -> None:
    build_parser().parse_args(shlex.split(command)[1:])  # SystemExit where it does not
    shown = wrapped(command)
    assert shlex.split(shown.replace("\\\n", " ")) == shlex.split(command)
    assert max(map(len, shown.splitlines())) <= 120


@pytest.mark.parametrize(
    ("run", "model", "training"),
    [
        ("coco_c5", dict(extra_levels_from="C5", group_norm=False, nms_threshold=0.5), {}),
        ("coco_retinanet", dict(extra_levels_from="C5", group_norm=False, nms_threshold=0.5),
         dict(detector="retinanet")),
        ("coco_gn", {}, {}),
        ("coco_sampling", dict(centerness_branch="regression", center_sampling_radius=1.5), {}),
        ("coco_improved", dict(centerness_branch="regression", center_sampling_radius=1.5, box_loss="giou",
                               normalize_targets=True), {}),
        ("coco_one_anchor", dict(extra_levels_from="C5", group_norm=False, nms_threshold=0.5),
         dict(detector="retinanet_one_anchor")),
        ("coco_parts_gn", dict(box_loss="smooth_l1", box_loss_weight=0.05, box_activation="exp", nms_threshold=0.5),
         {}),
        ("coco_retinanet_r101", dict(backbone="resnet101"), dict(detector="retinanet") | TWICE),
        ("coco_r101", dict(backbone="resnet101"), SIZES | TWICE),
        ("coco_hrnet_w32", dict(backbone="timm:hrnet_w32"), SIZES | TWICE),
        ("coco_x101_32x8d", dict(backbone="resnext101_32x8d"), SIZES | TWICE),
        ("coco_x101_64x4d", dict(backbone="resnext101_64x4d"), SIZES | TWICE),
        ("coco_x101_64x4d_improved",
         dict(backbone="resnext101_64x4d", centerness_branch="regression", center_sampling_radius=1.5, box_loss="giou",
              normalize_targets=True), SIZES | TWICE),
    ],
)  # fmt: skip
def test_training_on_coco_gets_the_papers_configuration(run: str, model: dict[str, Any], training: Any) -> None:
    (command,) = [
        c for c in commands() if f"--record fcos_edu/results/{run}.json" in c and c.startswith("fcos-edu train")
    ]
    arguments = build_parser().parse_args(shlex.split(command)[1:])
    config = TrainConfig(data=arguments.data).replace(**dict(parse_setting(text) for text in arguments.set))
    assert config == TrainConfig(data="coco2017", model=FCOSConfig.paper(**model), **training)
