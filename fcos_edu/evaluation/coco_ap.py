"""Section 4's measure: COCO's average precision, by pycocotools, in the pixels of the original images.

Taught in the chapter *How good is it*. Checked against: hand-made cases whose AP is known.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor, nn

from ..data import DetectionDataset, as_dataset, collate
from ..data.imagefolder import is_hugging_face
from ..data.processes import deaths_explained, run_the_network, samples, usual_workers
from ..data.transforms import eval_transforms
from ..progress import bar as progress_bar
from ..text import counted

# COCO's twelve numbers in pycocotools' order; S, M, L: area below 32^2, up to 96^2, above.
METRICS = ("AP", "AP50", "AP75", "APS", "APM", "APL", "AR1", "AR10", "AR100", "ARS", "ARM", "ARL")


T = TypeVar("T")


class EvaluationError(ValueError):
    """Detections and ground truth that do not belong together."""


def each_batch(
    step: Callable[[list[Tensor], list[dict[str, Any]]], T],
    model: nn.Module,
    dataset: DetectionDataset,
    *,
    take: Callable[[T], object] | None = None,
    batch_size: int = 4,
    workers: int | None = 0,
    precision: str = "no",
    indices: Sequence[int] | None = None,
    progress: bool = True,
) -> list[int]:
    """Call ``step(images, targets)`` for each batch of a dataset, with the model in evaluation mode.

    Args:
        step: gets images and targets on the model's device, without gradients.
        model: any module with parameters; its mode is restored afterwards.
        dataset: gives (image float (3, H, W) in 0..1 at its original size, target).
        take: gets what ``step`` gave, batch after batch. With it, ``step`` may run in another process: what it changes
            there is lost, and what it gives comes through pickle.
        batch_size: images in one batch.
        workers: processes that load images, as for :func:`~fcos_edu.data.processes.samples`; with ``take``, and as many
            as there are cores, they run the model too (:func:`~fcos_edu.data.processes.run_the_network`), if there are
            as many batches. What hooks of the model keep is lost then.
        precision: ``"no"`` for float32, ``"bf16"`` for autocast.
        indices: the samples to go through, in this order; None for all.
        progress: show a bar.

    Returns:
        Ids of the images that were seen, in their order: without those that the dataset has skipped.

    Raises:
        ValueError: another precision, or a batch without images.
        CorruptImageError: an image that cannot be read, unless the dataset skips such images.
        LoaderDiedError: the system has ended one of the processes.
    """
    if precision not in ("no", "bf16"):
        raise ValueError(f"precision is {precision!r}; evaluation knows 'no' (float32) and 'bf16'")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
    order = range(len(dataset)) if indices is None else indices
    network = None if take is None else next(model.parameters()).device
    workers = usual_workers(len(order), network, batch_size) if workers is None else workers
    places = [order[first : first + batch_size] for first in range(0, len(order), batch_size)]
    batches = Batches(step, model, dataset, places, precision)
    seen: list[int] = []
    was_training = model.training
    model.eval()
    elsewhere = run_the_network(min(workers, len(places)), network)
    loaded = samples(batches, workers) if elsewhere else samples(dataset, workers, order)
    shown = progress_bar(places, desc="evaluate", unit="batch", disable=not progress, leave=False)
    try:
        with deaths_explained():
            for some in shown:
                ids, answer = next(loaded) if elsewhere else batches.look(list(itertools.islice(loaded, len(some))))
                seen += ids
                if ids and take is not None:  # otherwise all of them were corrupt and skipped
                    take(answer)
    finally:
        loaded.close()  # no process outlives the work, whoever holds on to an error's frames
        model.train(was_training)
    return seen


@dataclass
class Batches:
    """What a step makes of each batch of a dataset: a source for :func:`~fcos_edu.data.processes.samples`."""

    step: Callable[[list[Tensor], list[dict[str, Any]]], Any]
    model: nn.Module
    dataset: DetectionDataset
    places: list[Sequence[int]]  # of each batch's images in the dataset
    precision: str

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> tuple[list[int], Any]:
        return self.look([self.dataset[place] for place in self.places[index]])

    @torch.inference_mode()
    def look(self, batch: Sequence[Any]) -> tuple[list[int], Any]:
        """The ids of a batch's images, without those that were skipped, and what the step gave, if any is left."""
        images, targets = collate(batch)
        if not images:
            return [], None
        device = next(self.model.parameters()).device
        truth = [{k: v.to(device) if isinstance(v, Tensor) else v for k, v in t.items()} for t in targets]
        with torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            answer = self.step([image.to(device) for image in images], truth)
        return [int(target["image_id"]) for target in targets], answer


def detections_of(model: nn.Module, images: list[Tensor], targets: list[dict[str, Any]]) -> list[dict[str, Tensor]]:
    """The model's detections. Where it ranks them by the oracle (Table 4's upper bound), it is given the true boxes."""
    if getattr(getattr(model, "config", None), "centerness_inference", None) == "oracle":
        return model(images, [{key: target[key] for key in ("boxes", "labels")} for target in targets])  # type: ignore[no-any-return]
    return model(images)  # type: ignore[no-any-return]


def coco_results(found: dict[str, Tensor], image_id: int, category_ids: Sequence[int]) -> list[dict[str, Any]]:
    """One image's ``boxes`` (K, 4) xyxy, ``scores``, ``labels`` (K,) in COCO's result format; see :func:`predict`."""
    x0, y0, x1, y1 = found["boxes"].cpu().double().unbind(1)
    boxes = torch.stack([x0, y0, x1 - x0, y1 - y0], dim=1).tolist()
    return [
        {"image_id": int(image_id), "category_id": category_ids[label], "bbox": box, "score": score}
        for box, score, label in zip(boxes, found["scores"].tolist(), found["labels"].tolist(), strict=True)
    ]


def predict(model: nn.Module, dataset: Any, **options: Any) -> list[dict[str, Any]]:
    """Detections on every image of a dataset, in COCO's result format.

    Args:
        model: any detector in torchvision's convention whose labels are the dataset's 0..C-1.
        dataset: gives (image float (3, H, W) in 0..1 at its original size, target); any of torchvision's detection
            convention will do, see :class:`~fcos_edu.data.wrapped.WrappedDataset`.
        options: ``batch_size``, ``workers``, ``precision``, ``indices``, ``progress`` as for :func:`each_batch`.

    Returns:
        One dict for each detection, with ``image_id``, ``category_id``, ``bbox`` (x, y, width, height) in pixels of the
        original image, ``score``.
    """
    return predict_seen(model, _ours(model, dataset), **options)[0]


def predict_seen(model: nn.Module, dataset: DetectionDataset, **options: Any) -> tuple[list[dict[str, Any]], list[int]]:
    """:func:`predict`, and the ids of the images that were seen, as :func:`each_batch` gives them."""
    results: list[dict[str, Any]] = []

    def step(images: list[Tensor], targets: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            result
            for target, found in zip(targets, detections_of(model, images, targets), strict=True)
            for result in coco_results(found, target["image_id"], dataset.category_ids)
        ]

    return results, each_batch(step, model, dataset, take=results.extend, **options)


def truth_of(dataset: DetectionDataset, seen: Sequence[int]) -> dict[str, Any]:
    """The ground truth of the images that were seen. What nobody could look at, nobody could find.

    Where images are missing, a ``UserWarning`` says how many, and how many boxes go with them.

    Args:
        dataset: whose ground truth it is.
        seen: image ids, from :func:`each_batch` or :func:`predict_seen`.

    Raises:
        EvaluationError: none was seen.
    """
    truth, known = dataset.ground_truth(), set(seen)
    images = [image for image in truth["images"] if image["id"] in known]
    left_out = len(truth["images"]) - len(images)
    if not left_out:
        return truth
    if not images:
        none = f"none of the {left_out} images could" if left_out > 1 else "the only image could not"
        raise EvaluationError(f"{none} be read: there is nothing to measure")
    boxes = [box for box in truth["annotations"] if box["image_id"] in known]
    gone = "were not read; they are left out of the ground truth, with their"
    if left_out == 1:
        gone = "was not read; it is left out of the ground truth, with its"
    warnings.warn(
        f"{left_out} of {len(truth['images'])} images {gone} "
        f"{counted(len(truth['annotations']) - len(boxes), 'boxes')}",
        UserWarning,
        stacklevel=3,
    )
    return {**truth, "images": images, "annotations": boxes}


def run_coco(
    ground_truth: dict[str, Any],
    results: Sequence[dict[str, Any]],
    *,
    categories: bool = True,
    ious: Sequence[float] | None = None,
    max_detections: Sequence[int] = (1, 10, 100),
) -> COCOeval:
    """pycocotools' evaluation, without its prints, and without changes to what it is given.

    Args:
        ground_truth: in COCO's format (``images``, ``annotations``, ``categories``), original coordinates.
        results: from :func:`predict`.
        categories: False takes all boxes as one class (of the detections' ``category_id`` nothing is asked then),
            and leaves out the figures for small, medium and large boxes, three quarters of the work.
        ious: thresholds; None for COCO's .50, .55, ... .95.
        max_detections: an image's best detections that count, ascending.

    Returns:
        The accumulated run, with ``.eval["precision"]`` (ious, 101 recalls, classes, sizes, max_detections) and
        ``.eval["recall"]`` (ious, classes, sizes, max_detections), -1 where there is no box.

    Raises:
        EvaluationError: no boxes in the ground truth, or detections for images or categories it does not know.
    """
    if not ground_truth["annotations"]:
        raise EvaluationError("the ground truth has no boxes: there is nothing to find, and AP is not defined")
    for key, known in (("image_id", "images"), ("category_id", "categories"))[: 2 if categories else 1]:
        unknown = {r[key] for r in results} - {entry["id"] for entry in ground_truth[known]}
        if unknown:
            raise EvaluationError(
                f"detections with {key} {min(unknown)}, which is not among the {known} of the ground truth "
                f"({len(unknown)} unknown in all): do they belong to another dataset?"
            )
    if not results:  # pycocotools cannot load an empty list; a detection far from everything finds as little
        first = ground_truth["annotations"][0]
        nothing = {"bbox": [-9.0, -9.0, 1.0, 1.0], "score": 0.0}
        results = [{key: first[key] for key in ("image_id", "category_id")} | nothing]
    # Copies, because pycocotools writes into all of them.
    annotations = [dict(a) for a in ground_truth["annotations"]]
    results = [dict(r) for r in results]
    if not categories:  # even so pycocotools drops detections of a category it does not know
        for result in results:
            result["category_id"] = ground_truth["categories"][0]["id"]
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints as it goes
        truth = COCO()
        truth.dataset = {"info": {}, "licenses": [], **ground_truth, "annotations": annotations}
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(results), "bbox")
        run.params.maxDets = list(max_detections)
        if ious is not None:
            run.params.iouThrs = np.array(ious)
        if not categories:
            run.params.useCats = 0
            run.params.areaRng, run.params.areaRngLbl = run.params.areaRng[:1], run.params.areaRngLbl[:1]  # "all"
        run.evaluate()
        run.accumulate()
    return run


def coco_metrics(ground_truth: dict[str, Any], results: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """COCO's twelve numbers, each in 0..1, or None where the ground truth has no box of that size.

    Arguments and errors as for :func:`run_coco`.
    """
    return metrics_of(run_coco(ground_truth, results))


def metrics_of(run: COCOeval) -> dict[str, float | None]:
    """COCO's twelve numbers of a run of :func:`run_coco` with its usual thresholds."""
    with contextlib.redirect_stdout(io.StringIO()):
        run.summarize()
    return {name: (float(v) if v >= 0 else None) for name, v in zip(METRICS, run.stats, strict=True)}


def evaluate(model: nn.Module, dataset: Any, **options: Any) -> dict[str, float | None]:
    """:func:`predict` and :func:`coco_metrics` in one call; ``options`` as for :func:`predict`.

    Images that the dataset skips are left out of the ground truth too, with a warning (:func:`truth_of`); so are those
    that are not among ``indices``.

    Raises:
        CorruptImageError: an image that cannot be read, unless the dataset skips such images.
        EvaluationError: as :func:`coco_metrics`.
    """
    dataset = _ours(model, dataset)
    results, seen = predict_seen(model, dataset, **options)
    return coco_metrics(truth_of(dataset, seen), results)


def _ours(model: nn.Module, dataset: Any) -> DetectionDataset:
    """The data set itself, or as one of this package's, with images as floats.

    A split of Hugging Face's may lack a class, so that names decide which of the model's labels a class is.
    """
    names = getattr(getattr(model, "config", None), "class_names", None) if is_hugging_face(dataset) else None
    known = as_dataset(dataset, names or None)
    if known is not dataset:
        known.transforms = eval_transforms()
    return known


def metrics_table(metrics: dict[str, float | None]) -> str:
    """The numbers as a small text table, in percent as papers print them."""
    values = ["-" if value is None else f"{100 * value:.1f}" for value in metrics.values()]
    widths = [max(7, len(name) + 2) for name in metrics]
    rows = (metrics, values)
    return "\n".join("".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)


__all__ = [
    "METRICS",
    "EvaluationError",
    "coco_metrics",
    "coco_results",
    "detections_of",
    "each_batch",
    "evaluate",
    "metrics_of",
    "metrics_table",
    "predict",
    "predict_seen",
    "run_coco",
    "truth_of",
]
