"""Comparisons that need training: Tables 4, 6 and 7, and torchvision's FCOS, over several seeds.

Taught in the chapter *One change at a time*. Checked against: hand-made means, and studies of a few steps.

Both sides of a comparison have the same backbone, data, steps, batch, optimizer and seeds; what differs is written in
``VARIANTS``. Finished runs are kept: a study that was interrupted goes on with the next one, and two studies share
the runs that both need.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from .. import data, detectors
from ..atomic import atomic_write
from ..data import DetectionDataset
from ..evaluation import coco_metrics, predict
from ..evaluation.agnostic import agnostic_metrics, proposal_recall
from ..evaluation.quality import four_ways
from ..proposals import FirstStage, TwoStage
from ..settings import ConfigError
from ..training.config import TrainConfig, differences
from ..training.loop import train

Row = dict[str, float | None]

# The model of the paper's Tables 4, 6 and 7, before the improvements of Table 3, which all our recipes have. With
# center sampling there are few boxes far from a centre left for center-ness to rank.
PAPER = {
    "model.centerness_branch": "classification",
    "model.center_sampling_radius": None,
    "model.box_loss": "iou",
    "model.normalize_targets": False,
}

# What is trained: the changes to the recipe of the data.
_NO_BRANCH = {"model.centerness_branch": "none", "model.centerness_inference": "none"}
_RCNN = {"detector": "faster_rcnn_fcos", "model.levels": (2, 3, 4, 5, 6)}
VARIANTS: dict[str, dict[str, Any]] = {
    "fcos": {},
    "fcos-no-branch": _NO_BRANCH,
    "retinanet": {"detector": "retinanet"},
    "fcos-improved": {},
    "torchvision-fcos": {"detector": "torchvision_fcos"},
    "rcnn-rpn": _RCNN | {"detector": "faster_rcnn"},
    "rcnn-fcos": _RCNN,
    "rcnn-fcos-no-branch": _RCNN | _NO_BRANCH,
}


@dataclass(frozen=True)
class Study:
    """One comparison."""

    what: str
    variants: Mapping[str, str]  # row of the table: key of VARIANTS
    measure: Callable[
        [str, nn.Module, DetectionDataset, bool], dict[str, Row]
    ]  # gives a row's figures, or several rows
    paper: Any
    base: Mapping[str, Any] = field(default_factory=lambda: PAPER)  # changes to the recipe that all variants share


def _coco(row: str, model: nn.Module, dataset: DetectionDataset, progress: bool) -> dict[str, Row]:
    """COCO's twelve numbers."""
    return {row: coco_metrics(dataset.ground_truth(), predict(model, dataset, progress=progress))}


def _table_4(row: str, model: nn.Module, dataset: DetectionDataset, progress: bool) -> dict[str, Row]:
    """A model with the branch gives four rows, one without it a row of its own."""
    if row != "branch":
        return _coco(row, model, dataset, progress)
    assert isinstance(model, detectors.FCOS)
    return dict(four_ways(model, dataset, progress=progress))


def _table_6(row: str, model: nn.Module, dataset: DetectionDataset, progress: bool) -> dict[str, Row]:
    """Average recall of the proposals, and what the second stage makes of them."""
    assert isinstance(model, TwoStage)
    found = predict(FirstStage(model), dataset, progress=progress)
    truth = dataset.ground_truth()
    final = coco_metrics(truth, predict(model, dataset, progress=progress))
    recall = proposal_recall(truth, found, counts=(10, 100, 1000))
    return {row: recall | {"AP after the second stage": final["AP"]}}


def _table_7(row: str, model: nn.Module, dataset: DetectionDataset, progress: bool) -> dict[str, Row]:
    """AP without classes, and COCO's own beside it."""
    truth, found = dataset.ground_truth(), predict(model, dataset, progress=progress)
    with_classes = coco_metrics(truth, found)
    return {row: agnostic_metrics(truth, found) | {"AP with classes": with_classes["AP"]}}


def _table(names: Sequence[str], **rows: Sequence[float]) -> dict[str, dict[str, float]]:
    """A table of the paper: percent in, fractions out."""
    return {
        row.replace("_", " "): {name: round(value / 100, 4) for name, value in zip(names, values, strict=True)}
        for row, values in rows.items()
    }


_AP = ("AP", "AP50", "AP75", "APS", "APM", "APL")
STUDIES: dict[str, Study] = {
    "centerness": Study(
        "Table 4: one model evaluated with four kinds of center-ness, and one trained without the branch",
        {"branch": "fcos", "without_branch": "fcos-no-branch"},
        _table_4,
        _table(
            _AP,
            none=(33.5, 52.6, 35.2, 20.8, 38.5, 42.6),
            computed=(33.5, 52.4, 35.1, 20.8, 37.8, 42.8),
            branch=(37.1, 55.9, 39.8, 21.3, 41.0, 47.8),
        )
        | {"oracle": {"AP": 0.421}},
    ),
    "retinanet": Study(
        "Table 7: class-agnostic AP of FCOS and of torchvision's RetinaNet with the same backbone",
        {"FCOS": "fcos", "RetinaNet": "retinanet"},
        _table_7,
        _table(("AP", "AP50", "AP75", "AP90"), FCOS=(40.5, 64.7, 42.6, 13.1), RetinaNet=(40.0, 64.5, 42.2, 10.4)),
    ),
    "proposals": Study(
        "Table 6: average recall of proposals in Faster R-CNN, by torchvision's RPN and by FCOS",
        {"RPN": "rcnn-rpn", "FCOS without center-ness": "rcnn-fcos-no-branch", "FCOS": "rcnn-fcos"},
        _table_6,
        {
            "RPN": {"AR100": 0.447, "AR1000": 0.569},
            "FCOS without center-ness": {"AR100": 0.480, "AR1000": 0.593},
            "FCOS": {"AR100": 0.528, "AR1000": 0.603},
        },
    ),
    "torchvision": Study(
        "FCOS of this package, with all improvements, and torchvision's, with the same backbone and the same trainer",
        {"FCOS": "fcos-improved", "torchvision's FCOS": "torchvision-fcos"},
        _coco,
        None,
        base={},
    ),
}


def run_study(
    name: str, recipe: TrainConfig, folder: str | Path, *, seeds: Sequence[int] = (0, 1, 2), progress: bool = True
) -> dict[str, Any]:
    """Train what is not trained yet, measure all, and give mean and spread over the seeds.

    Args:
        name: a key of ``STUDIES``.
        recipe: of the data, with the study's ``base`` or other changes; the variants and seeds change it. Its
            ``test_split`` is what is measured.
        folder: holds a folder for each run, ``VARIANT-SEED``.
        seeds: one run of each variant for each.
        progress: show bars, and a line for each run.

    Returns:
        For each row of the table ``{figure: {"mean", "std", "values"}}`` (sample standard deviation, None for one
        seed), and under ``"seconds"`` and ``"cpu_seconds"`` the mean training times of each variant.

    Raises:
        ConfigError: no such study, no seeds, or a run in ``folder`` that was made with another configuration.
    """
    if name not in STUDIES:
        raise ConfigError(f"there is no study {name!r}; there are {', '.join(STUDIES)}")
    if not seeds or len(set(seeds)) < len(seeds):
        raise ConfigError(f"seeds is {list(seeds)}; it must name at least one, each once")
    study, folder = STUDIES[name], Path(folder)
    dataset = data.load(recipe.data, recipe.test_split, transforms=data.transforms.eval_transforms())
    rows: dict[str, list[Row]] = {}
    seconds: dict[str, dict[str, list[float]]] = {"seconds": {}, "cpu_seconds": {}}
    for seed in seeds:
        for row, variant in study.variants.items():
            config = recipe.replace(**VARIANTS[variant], seed=seed, test_split="")
            run = folder / f"{variant}-{seed}"
            outcome = finished_run(config, run, progress)
            for kind, times in seconds.items():
                times.setdefault(variant, []).append(outcome[kind])
            measured = run / f"{name}.json"
            if not measured.exists():
                model = detectors.load(run / "model.safetensors")
                found = study.measure(row, model, dataset, progress)
                _write(measured, found)
            for key, figures in json.loads(measured.read_text()).items():
                rows.setdefault(key, []).append(figures)
                if progress:
                    shown = "  ".join(f"{k} {100 * v:.1f}" for k, v in figures.items() if v is not None)
                    print(f"{run.name}: {key}: {shown}", flush=True)
    return {
        row: {figure: spread([entry[figure] for entry in entries]) for figure in entries[0]}
        for row, entries in rows.items()
    } | {
        kind: {variant: round(statistics.mean(t), 1) for variant, t in times.items()} for kind, times in seconds.items()
    }


def finished_run(config: TrainConfig, folder: Path, progress: bool) -> dict[str, Any]:
    """Train in ``folder`` unless that was done before; returns what :func:`~fcos_edu.training.loop.train` did.

    A run that was cut off goes on.

    Raises:
        ConfigError: ``folder`` has a run with another configuration; the fields are named.
    """
    done, kept = folder / "done.json", folder / "config.json"
    if kept.exists():
        changed = differences(json.loads(kept.read_text()), config.to_dict())
        if changed:
            raise ConfigError(
                f"{folder} holds a run with another configuration: {'; '.join(changed)}. Choose another folder"
            )
    if not done.exists():
        if progress:
            print(f"training {folder.name}: {config.iterations} steps", flush=True)
        _write(done, train(config, folder, resume=True, progress=progress))
    outcome: dict[str, Any] = json.loads(done.read_text())
    return outcome


def _write(path: Path, values: Any) -> None:
    atomic_write(path, lambda temporary: temporary.write_text(json.dumps(values, indent=1) + "\n"))


def spread(values: Sequence[float | None]) -> dict[str, Any]:
    """Mean and sample standard deviation; None where a value is missing, or of a single one."""
    known = [value for value in values if value is not None]
    if len(known) < len(values) or not known:
        return {"mean": None, "std": None, "values": list(values)}
    std = statistics.stdev(known) if len(known) > 1 else None
    return {"mean": round(math.fsum(known) / len(known), 4), "std": None if std is None else round(std, 4),
            "values": [round(value, 4) for value in known]}  # fmt: skip


def study_table(outcome: Mapping[str, Any]) -> str:
    """Mean and spread of each row as text, in percent."""
    rows = {row: figures for row, figures in outcome.items() if row not in ("seconds", "cpu_seconds")}
    lines = []
    for row, figures in rows.items():
        cells = []
        for figure, value in figures.items():
            if value["mean"] is not None:
                plus = "" if value["std"] is None else f" ± {100 * value['std']:.1f}"
                cells.append(f"{figure} {100 * value['mean']:.1f}{plus}")
        lines.append(f"{row:<26}" + "   ".join(cells))
    return "\n".join(lines)
