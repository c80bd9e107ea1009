"""Studies over several seeds: what is missing is trained, all is measured, and each figure gets mean and spread.

Taught in the chapter *One change at a time*. Checked against: studies of a few steps.

Finished runs are kept: a study that was interrupted goes on with the next one, and two studies share the runs that
both need.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from .. import data, detectors
from ..atomic import write_json
from ..data import DetectionDataset
from ..evaluation.agnostic import agnostic_metrics, proposal_recall
from ..evaluation.coco_ap import coco_metrics, predict
from ..evaluation.quality import four_ways
from ..proposals import FirstStage, TwoStage
from ..settings import ConfigError
from ..training.config import TrainConfig, differences
from ..training.loop import train
from .studies import STUDIES, VARIANTS, spread

Row = dict[str, float | None]


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


# Each gives the figures of a row, or several rows.
MEASURES: dict[str, Callable[[str, nn.Module, DetectionDataset, bool], dict[str, Row]]] = {
    "coco": _coco,
    "table_4": _table_4,
    "table_6": _table_6,
    "table_7": _table_7,
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
                found = MEASURES[study.measure](row, model, dataset, progress)
                write_json(measured, found)
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
        write_json(done, train(config, folder, resume=True, progress=progress))
    outcome: dict[str, Any] = json.loads(done.read_text())
    return outcome
