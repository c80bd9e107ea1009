"""Studies over several seeds: what is missing is trained, all is measured, and the record is written after each run.

Taught in the chapter *One change at a time*. Checked against: studies of a few steps, killed and uninterrupted.

A run takes one thread, so that as many go side by side as there are cores, and so that its figures do not depend on
their number. A finished run stands in the record (:mod:`~fcos_edu.experiments.logbook`) and is not trained again. One
that was cut off goes on from its folder, if that is still there.
"""

from __future__ import annotations

import hashlib
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from datetime import date
from multiprocessing import connection
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .. import data, detectors, weights
from ..atomic import write_json
from ..data import DetectionDataset
from ..devices import one_thread, pick_device
from ..evaluation.agnostic import agnostic_metrics, proposal_recall, recall_by_iou, tries_per_object
from ..evaluation.coco_ap import coco_metrics, predict
from ..evaluation.quality import four_ways, score_iou, under
from ..integrity import strict_json
from ..proposals import FCOSProposals, FirstStage, TwoStage
from ..records import commit, hardware, versions
from ..settings import ConfigError
from ..text import counted, read_bytes
from ..training.config import TrainConfig, differences
from ..training.loop import train
from ..training.runs import Run
from ..training.signals import PREEMPTED
from .logbook import BOOKKEEPING, Logbook, outcome, variant_config
from .statistics import needs_scipy
from .studies import PILOT, PROPOSAL_NMS, STUDIES, Row, measurements

Figures = dict[str, float | None]
_OUTCOME = ("iterations", "seconds", "cpu_seconds")  # what done.json must have
PLACES = 1000  # proposals that an image may have
_PARTS = 8  # a run saves its state so often, and is measured after each quarter


# ---------------------------------------------------------------------- how a trained detector gives its rows
def _coco(model: nn.Module, dataset: DetectionDataset) -> dict[str, Figures]:
    """COCO's twelve numbers."""
    return {"": coco_metrics(dataset.ground_truth(), predict(model, dataset, progress=False))}


def _table_4(model: nn.Module, dataset: DetectionDataset) -> dict[str, Figures]:
    """A row for each kind of center-ness."""
    assert isinstance(model, detectors.FCOS)
    return dict(four_ways(model, dataset, progress=False))


def _table_6(model: nn.Module, dataset: DetectionDataset) -> dict[str, Figures]:
    """Average recall of the proposals, and what the second stage makes of them."""
    assert isinstance(model, TwoStage)
    return {"": _two_stages(model, dataset, predict(FirstStage(model), dataset, progress=False))}


def _two_stages(model: TwoStage, dataset: DetectionDataset, proposals: list[dict[str, Any]]) -> Figures:
    truth = dataset.ground_truth()
    final = coco_metrics(truth, predict(model, dataset, progress=False))
    recall = proposal_recall(truth, proposals, counts=(10, 100, 1000))
    return recall | {"AP after the second stage": final["AP"]}


def _proposal_nms(model: nn.Module, dataset: DetectionDataset) -> dict[str, Figures]:
    """For each way of NMS what Table 6 has, recall at each IoU, also of each class, and how many boxes are left.

    Those are ``tries``, the boxes with an IoU of 0.5 or more for each object, as a mean, and ``places``, the share of
    those that an image may have.
    """
    assert isinstance(model, TwoStage)
    truth, found = dataset.ground_truth(), {}
    for name, (threshold, per_level) in PROPOSAL_NMS.items():
        if not per_level and not isinstance(model.detector.rpn, FCOSProposals):
            continue
        model.set_proposal_nms(threshold, per_level=per_level)
        boxes = predict(FirstStage(model), dataset, progress=False)
        of_classes = {
            f"{figure} of {category['name']}": value
            for category in truth["categories"]
            if (alone := _of_class(truth, category["id"]))["annotations"]
            for figure, value in _recalls(alone, boxes).items()
        }
        found[name] = (
            _two_stages(model, dataset, boxes)
            | _recalls(truth, boxes)
            | of_classes
            | {"tries": tries_per_object(truth, boxes), "places": len(boxes) / (PLACES * len(dataset))}
        )
    return found


def _recalls(truth: dict[str, Any], proposals: list[dict[str, Any]]) -> Figures:
    """Of all proposals, at each IoU and as a mean over them."""
    return recall_by_iou(truth, proposals, PLACES) | proposal_recall(truth, proposals, (PLACES,))


def _of_class(truth: dict[str, Any], category: int) -> dict[str, Any]:
    return truth | {"annotations": [one for one in truth["annotations"] if one["category_id"] == category]}


def _table_7(model: nn.Module, dataset: DetectionDataset) -> dict[str, Figures]:
    """AP without classes, and COCO's own beside it."""
    truth, found = dataset.ground_truth(), predict(model, dataset, progress=False)
    with_classes = coco_metrics(truth, found)
    return {"": agnostic_metrics(truth, found) | {"AP with classes": with_classes["AP"]}}


def _fig_7(model: nn.Module, dataset: DetectionDataset) -> dict[str, Figures]:
    """The share of points under y = x, without and with center-ness; None where nothing is detected."""
    assert isinstance(model, detectors.FCOS)
    points = score_iou(model, dataset, progress=False)
    counts = {"without": under(points.class_scores, points.ious), "with": under(points.scores, points.ious)}
    return {panel: {"share": below / total if total else None} for panel, (below, total) in counts.items()}


# Each gives one row, under "", or several.
MEASURES: dict[str, Callable[[nn.Module, DetectionDataset], dict[str, Figures]]] = {
    "coco": _coco,
    "table_4": _table_4,
    "table_6": _table_6,
    "proposal_nms": _proposal_nms,
    "table_7": _table_7,
    "fig_7": _fig_7,
}


# ---------------------------------------------------------------------- studies
def run_study(name: str, recipe: TrainConfig, folder: str | Path, **options: Any) -> dict[str, Any]:
    """One study; its table, as :func:`~fcos_edu.experiments.logbook.outcome` gives it.

    Args:
        name: a key of ``STUDIES``.
        recipe, folder, options: as for :func:`run_studies`.
    """
    book = run_studies([name], recipe, folder, **options)
    return outcome(book, name, options.get("seeds", (0, 1, 2)))


def run_studies(
    names: Sequence[str],
    recipe: TrainConfig,
    folder: str | Path,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    record: str | Path | None = None,
    jobs: int = 1,
    command: str = "",
    progress: bool = True,
    **more: Any,
) -> Logbook:
    """Train what is not trained yet and measure it, one seed of all variants after the other.

    Args:
        names: keys of ``STUDIES``; or ``design`` alone, which trains the pilot.
        recipe: of the data, with ``PAPER`` or other changes; the variants and seeds change it. Its ``test_split`` is
            what is measured.
        folder: holds a folder for each run, ``VARIANT-SEED``. What is in the record needs none.
        seeds: one run of each variant for each.
        record: the file that the study lives in; ``runs.json`` in the folder by default. A run that is in it is done,
            unless a study measures what nobody had asked for when it was trained: then its folder is enough, and
            without that it is trained again.
        jobs: runs side by side, each in a process and a thread of its own.
        command: what anybody can type to run the same, for the record.
        progress: a line for each run.
        more: for the record, such as a ``note``.

    Raises:
        ConfigError: no such study, no seeds, or a record or a run in ``folder`` that was made with another
            configuration.
        ModuleNotFoundError: there is no scipy.
    """
    unknown = [name for name in names if name not in (*STUDIES, "design")]
    if unknown or not names:
        raise ConfigError(f"there is no study {' '.join(unknown)!r}; there are {', '.join(STUDIES)}")
    if not seeds or len(set(seeds)) < len(seeds):
        raise ConfigError(f"seeds is {list(seeds)}; it must name at least one, each once")
    if jobs < 1:
        raise ConfigError(f"jobs is {jobs}; it must be at least 1")
    folder = Path(folder)
    needs_scipy()  # now, and not after hours of training
    book = open_logbook(recipe, record or folder / "runs.json")
    missing = (
        [(PILOT, s) for s in seeds if not book.find(PILOT, s)] if "design" in names else book.missing(names, seeds)
    )
    tasks = [
        Task(variant, seed, variant_config(book.recipe, variant, seed), folder / f"{variant}-{seed}", progress)
        for variant, seed in missing
    ]
    for task in tasks:
        check(task.config, task.folder)
        if progress and book.find(task.variant, task.seed):
            print(f"{task.folder.name} is to be measured anew: the record has not all figures of it", flush=True)
    for task, entry in finished(tasks, jobs):
        book.add(task.variant, task.seed, entry)
        book.save(command, **more)
        for step in Run(task.folder).steps()[:-1]:  # they have been measured
            Run(task.folder).path(step).unlink()
        if progress:
            points = "  ".join(f"{step}: {100 * (ap or 0):.1f}" for step, ap in entry["curve"].items())
            print(f"finished {task.folder.name}: {entry['cpu_seconds']:.0f} s of one core; {points}", flush=True)
    if not tasks:
        book.save(command, **more)
    return book


def open_logbook(recipe: TrainConfig, record: str | Path) -> Logbook:
    """The record of a recipe's runs, new or as it is.

    Args:
        recipe: of the data, with a user's changes.
        record: the file; it need not be there.

    Raises:
        ConfigError: as :class:`~fcos_edu.experiments.logbook.Logbook`.
    """
    return Logbook(record, recipe, fingerprint(recipe))


@dataclass(frozen=True)
class Task:
    """A run that is to be trained and measured; it goes to another process."""

    variant: str
    seed: int
    config: TrainConfig
    folder: Path
    progress: bool


def finished(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[Task, dict[str, Any]]]:
    """Each task with its entry for the record, as it ends; in their order where ``jobs`` is 1."""
    if jobs == 1 or len(tasks) < 2:
        for task in tasks:
            yield task, carry_out(task)
        return
    # spawn: a forked process would share locks of torch's threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=context, initializer=_end_with_parent) as pool:
        running: dict[Future[dict[str, Any]], Task] = {pool.submit(carry_out, task): task for task in tasks}
        try:
            while running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """A run whose study was killed ends too: the next study would train in its folder."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)  # a run saves its state
        time.sleep(20)
        os._exit(PREEMPTED)

    threading.Thread(target=watch, daemon=True).start()


def _alone() -> bool:
    """Whether this process is the study's own: several bars would overwrite each other."""
    return multiprocessing.parent_process() is None


def carry_out(task: Task) -> dict[str, Any]:
    """Train and measure a run; what the record keeps of it."""
    with one_thread():
        cost = finished_run(task.config, task.folder, task.progress)
        started = time.process_time()
        where = task.config.test_data or task.config.data
        dataset = data.load(where, task.config.test_split, transforms=data.transforms.eval_transforms())
        figures = measured(task.folder / "model.safetensors", measurements(task.variant), dataset)
        curve = learning_curve(task.config, task.folder, dataset)
        recall = recall_curve(task.config, task.folder, dataset)
    return {
        "figures": _rounded(figures),
        "curve": _rounded(curve),
        **({"recall_curve": _rounded(recall)} if recall else {}),
        "iterations": cost["iterations"],
        "seconds": cost["seconds"],
        "cpu_seconds": cost["cpu_seconds"],
        "measuring_cpu_seconds": round(time.process_time() - started, 1),
        "commit": cost.get("commit"),
        "hardware": hardware(),
        "torch": versions()["torch"],
        "date": date.today().isoformat(),
    }


def _rounded(value: Any) -> Any:
    """Figures with six digits: the same text on every machine, and a tenth of a thousandth of a point."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return None if value is None else round(float(value), 6)


def measured(path: Path, rows: Sequence[Row], dataset: DetectionDataset) -> dict[str, dict[str, Figures]]:
    """The figures of a checkpoint for each measurement that the rows need."""
    checkpoint = weights.load(path)
    found = {}
    for row in rows:
        config = checkpoint.config.replace(**row.inference)
        model = detectors.build(checkpoint.about["detector"], config, load_backbone=False)
        model.load_state_dict(checkpoint.state)
        found[row.measurement] = MEASURES[row.measure](model.eval().to(pick_device()), dataset)
    return found


def learning_curve(config: TrainConfig, folder: Path, dataset: DetectionDataset) -> dict[str, float | None]:
    """AP after each quarter of a run whose checkpoints are kept: step: AP, of the averaged weights if there are any."""
    return {
        step: coco_metrics(dataset.ground_truth(), predict(model, dataset, progress=False))["AP"]
        for step, model in quarters(config, folder)
    }


def recall_curve(config: TrainConfig, folder: Path, dataset: DetectionDataset) -> dict[str, Figures]:
    """Average recall of the proposals after each quarter: step: AR100 and AR1000; empty without a first stage.

    Table 6 compares first stages. Whether one is still learning cannot be told from AP, which the second stage makes.
    """
    if not config.detector.startswith("faster_rcnn"):
        return {}
    return {
        step: proposal_recall(
            dataset.ground_truth(), predict(FirstStage(model), dataset, progress=False), counts=(100, 1000)
        )
        for step, model in quarters(config, folder)
        if isinstance(model, TwoStage)
    }


def quarters(config: TrainConfig, folder: Path) -> Iterator[tuple[str, nn.Module]]:
    """The detector of a run after each quarter, as far as its checkpoints are kept: step, and the averaged weights."""
    checkpoint, run, done = weights.load(folder / "model.safetensors"), Run(folder), set()
    model = detectors.build(checkpoint.about["detector"], checkpoint.config, load_backbone=False)
    every = save_every(config)
    for step in [*(every * part for part in (2, 4, 6)), config.iterations]:
        if step in run.steps() and step not in done:
            done.add(step)
            saved = torch.load(run.path(step), map_location="cpu", weights_only=True)
            model.load_state_dict(saved["ema"]["model"] if saved["ema"] else saved["model"])
            yield str(step), model.eval().to(pick_device())


def save_every(config: TrainConfig) -> int:
    """Steps between two checkpoints of a run."""
    return -(-config.iterations // _PARTS)


def fingerprint(recipe: TrainConfig) -> str:
    """A digest of the boxes that a recipe trains on and is measured on, and of their images' names and sizes."""
    total = hashlib.sha256()
    for name, split in ((recipe.data, recipe.split), (recipe.test_data or recipe.data, recipe.test_split)):
        total.update(data.load(name, split).summary()["digest"].encode())
    return total.hexdigest()[:16]


def check(config: TrainConfig, folder: Path) -> None:
    """Refuse a folder that holds another run, before the first is trained.

    Raises:
        ConfigError: the fields are named; or a file of the run's is damaged.
    """
    before = Run(folder).read_config()
    if before is None:
        return
    found = differences(before, config.to_dict())
    changed = [change for change in found if change.split()[0] not in BOOKKEEPING]
    if changed:
        raise ConfigError(
            f"{folder} holds a run with another configuration: {'; '.join(changed)}. Choose another folder"
        )
    outcome_of(folder)


def outcome_of(folder: Path) -> dict[str, Any] | None:
    """What a finished run has left in ``done.json``; None where it has not finished.

    Raises:
        ConfigError: the file is damaged, or another program's.
    """
    done = folder / "done.json"
    try:
        found = strict_json(read_bytes(done))
        missing = [name for name in _OUTCOME if not _is_number(found.get(name) if isinstance(found, dict) else None)]
        if missing:
            raise ValueError(f"it has no number {missing[0]!r}")
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ConfigError(
            f"{done} is damaged, or another program's ({error}): move it away, and the run goes on from its checkpoint"
        ) from error
    return dict(found)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def finished_run(config: TrainConfig, folder: Path, progress: bool) -> dict[str, Any]:
    """Train in ``folder`` unless that was done before; returns what :func:`~fcos_edu.training.loop.train` did, and the
    commit.

    A run that was cut off goes on.

    Raises:
        ConfigError: as :func:`check`.
    """
    check(config, folder)
    done = outcome_of(folder)
    if done is None:
        if progress:
            print(f"training {folder.name}: {counted(config.iterations, 'steps')}", flush=True)
        every = save_every(config)
        # Each stop adds a checkpoint, and none may push out one that is measured at the end.
        config = config.replace(test_split="", save_every=every, keep_checkpoints=_PARTS + 1000)
        cost = train(config, folder, resume=True, allow_changes=True, progress=progress and _alone())  # checked above
        done = cost | {"commit": commit()}
        write_json(folder / "done.json", done)
    return done
