"""The commands that would measure a row on the paper's data."""

from __future__ import annotations

import shlex
from dataclasses import fields
from typing import Any

from fcos_edu.config import FCOSConfig
from fcos_edu.training.config import TrainConfig


def settings(model: FCOSConfig, **training: Any) -> str:
    """The ``--set`` options that lead from the trainer's defaults to this configuration."""
    default = TrainConfig(data="coco2017")
    changes = dict(training) | {
        f"model.{f.name}": getattr(model, f.name)
        for f in fields(model)
        if getattr(model, f.name) != getattr(default.model, f.name)
    }
    return "".join(f" --set {shlex.quote(f'{name}={value}'.replace(' ', ''))}" for name, value in changes.items())


def train_coco(run: str, model: FCOSConfig, **training: Any) -> str:
    """The command that trains on COCO and records its figures."""
    where = f"--out runs/{run} --record fcos_edu/results/{run}.json"
    return f"fcos-edu train --data coco2017 {where}{settings(model, **training)}"


def count(name: str, data: str) -> str:
    """The command of Tables 1 and 2."""
    boxes = "annotations/instances_val2017.json" if data == "coco" else data
    return f"fcos-edu tables {name} --annotations {boxes} --record fcos_edu/results/{name}_{data}.json"


def study(name: str, data: str) -> str:
    """The command of a comparison that trains."""
    if data != "coco":
        return f"fcos-edu study {name} --data {data} --record fcos_edu/results/ladder_{data}.json"
    # One seed: a run of the paper's takes days.
    changes = settings(FCOSConfig.paper())
    return f"fcos-edu study {name} --data coco2017 --seeds 0 --record fcos_edu/results/ladder_coco.json{changes}"


def analysis(table: str, data: str) -> tuple[str, ...]:
    """The commands that measure the paper's plain model: one of COCO, or those of the seeds of Table 4's study."""
    source = "coco2017" if data == "coco" else data
    runs = ["runs/coco_gn"] if data == "coco" else [f"runs/{data}/fcos-{seed}" for seed in range(3)]
    trained = train_coco("coco_gn", FCOSConfig.paper()) if data == "coco" else study("centerness", data)
    command = f"fcos-edu tables {table.replace('_', '-')} {' '.join(f'{run}/model.safetensors' for run in runs)}"
    return trained, f"{command} --data {source} --record fcos_edu/results/{table}_plain_{data}.json"
