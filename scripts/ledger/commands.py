"""The commands that would measure a row on the paper's data, and what they would take."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from fcos_edu.config import FCOSConfig
from fcos_edu.experiments.studies import PAPER, STUDIES, VARIANTS
from fcos_edu.experiments.studies import Row as StudyRow
from fcos_edu.training.config import TrainConfig

from .hours import told_hours

COCO = TrainConfig(data="coco2017")


def settings(config: TrainConfig) -> str:
    """The ``--set`` options that lead from the trainer's defaults to this configuration."""
    changes = {
        f.name: getattr(config, f.name)
        for f in fields(config)
        if f.name != "model" and getattr(config, f.name) != getattr(COCO, f.name)
    } | {
        f"model.{f.name}": getattr(config.model, f.name)
        for f in fields(config.model)
        if getattr(config.model, f.name) != getattr(COCO.model, f.name)
    }
    return "".join(f" --set {shlex.quote(f'{name}={value}'.replace(' ', ''))}" for name, value in changes.items())


def train_coco(run: str, config: TrainConfig) -> str:
    """The command that trains on COCO and records its figures."""
    where = f"--out runs/{run} --record fcos_edu/results/{run}.json"
    return f"fcos-edu train --data coco2017 {where}{settings(config)}"


def on_coco(row: StudyRow) -> TrainConfig:
    """A study's row as a training of the paper's length on COCO."""
    inference = {f"model.{name}": value for name, value in row.inference.items()}
    return COCO.replace(**PAPER | VARIANTS[row.variant] | inference)


def steps(*configs: TrainConfig) -> str:
    """What trainings on COCO take: hours, by what others have published, and the steps that they are for."""
    one = configs[0]
    text = f"{one.iterations // 1000} K steps of {one.batch_size} images"
    if len(configs) > 1:
        text = f"{len(configs)} trainings of {text}"
    return f"{told_hours(*configs)}: {text}"


def count(name: str, data: str) -> str:
    """The command of Tables 1 and 2."""
    boxes = "annotations/instances_val2017.json" if data == "coco" else data
    return f"fcos-edu tables {name} --annotations {boxes} --record fcos_edu/results/{name}_{data}.json"


def study(name: str, data: str, record: Mapping[str, Any] | None = None) -> str:
    """The command of a comparison that trains; with the settings of the ``record`` that it goes on from, if any."""
    if data != "coco":
        steps = f" --iterations {record['config']['iterations']}" if record else ""
        given = f"{steps}{_given(record)}" if record else ""
        return f"fcos-edu study {name} --data {data}{given} --record fcos_edu/results/ladder_{data}.json"
    # One seed: a run of the paper's takes days.
    changes = settings(TrainConfig(data="coco2017", model=FCOSConfig.paper()))
    return f"fcos-edu study {name} --data coco2017 --seeds 0 --record fcos_edu/results/ladder_coco.json{changes}"


def _given(record: Mapping[str, Any]) -> str:
    """The ``--set`` options of the command in a record."""
    words = shlex.split(record["command"])
    pairs = [f" --set {shlex.quote(after)}" for word, after in zip(words, words[1:]) if word == "--set"]
    return "".join(pairs)


def study_cost(name: str) -> str:
    """What a study on COCO takes, with one seed."""
    return steps(*(on_coco(StudyRow(variant)) for variant in STUDIES[name].variants))


def analysis(table: str, data: str) -> tuple[str, ...]:
    """The commands that measure the paper's plain model: one of COCO, or those of the seeds of Table 4's study."""
    source = "coco2017" if data == "coco" else data
    runs = ["runs/coco_gn"] if data == "coco" else [f"runs/{data}/fcos-{seed}" for seed in range(3)]
    trained = train_coco("coco_gn", on_coco(StudyRow("fcos"))) if data == "coco" else study("centerness", data)
    command = f"fcos-edu tables {table.replace('_', '-')} {' '.join(f'{run}/model.safetensors' for run in runs)}"
    return trained, f"{command} --data {source} --record fcos_edu/results/{table}_plain_{data}.json"
