"""Section 4's measure: COCO's average precision, by pycocotools, in the pixels of the original images.

Taught in the chapter *A detector from end to end*. Checked against: hand-made cases whose AP is known.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from ..data import DetectionDataset, collate

# COCO's twelve numbers in pycocotools' order; S, M, L: area below 32^2, up to 96^2, above.
METRICS = ("AP", "AP50", "AP75", "APS", "APM", "APL", "AR1", "AR10", "AR100", "ARS", "ARM", "ARL")


class EvaluationError(ValueError):
    """Detections and ground truth that do not belong together."""


@torch.inference_mode()
def predict(
    model: nn.Module,
    dataset: DetectionDataset,
    *,
    batch_size: int = 4,
    workers: int = 0,
    precision: str = "no",
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Detections on every image of a dataset, in COCO's result format.

    Args:
        model: any detector in torchvision's convention whose labels are the dataset's 0..C-1.
        dataset: gives (image float (3, H, W) in 0..1 at its original size, target).
        batch_size: images in one call of the model.
        workers: processes that load images.
        precision: ``"no"`` for float32, ``"bf16"`` for autocast.
        progress: show a bar.

    Returns:
        One dict for each detection: ``image_id``, ``category_id``, ``bbox`` (x, y, width, height) in pixels of the
        original image, ``score``.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    results = []
    # Table 4's upper bound: the true boxes give the center-ness.
    oracle = getattr(getattr(model, "config", None), "centerness_inference", None) == "oracle"
    loader = DataLoader(dataset, batch_size, num_workers=workers, collate_fn=collate)
    for images, targets in tqdm(loader, desc="evaluate", unit="batch", disable=not progress, leave=False):
        if not images:  # all of them corrupt and skipped
            continue
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            on_device = [image.to(device) for image in images]
            if oracle:
                truth = [{key: target[key].to(device) for key in ("boxes", "labels")} for target in targets]
                detections = model(on_device, truth)
            else:
                detections = model(on_device)
        for target, found in zip(targets, detections, strict=True):
            x0, y0, x1, y1 = found["boxes"].cpu().double().unbind(1)
            boxes = torch.stack([x0, y0, x1 - x0, y1 - y0], dim=1).tolist()
            for box, score, label in zip(boxes, found["scores"].tolist(), found["labels"].tolist(), strict=True):
                results.append(
                    {
                        "image_id": int(target["image_id"]),
                        "category_id": dataset.category_ids[label],
                        "bbox": box,
                        "score": score,
                    }
                )
    model.train(was_training)
    return results


def coco_metrics(ground_truth: dict[str, Any], results: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """COCO's twelve numbers, each in 0..1, or None where the ground truth has no box of that size.

    Args:
        ground_truth: in COCO's format (``images``, ``annotations``, ``categories``), original coordinates.
        results: from :func:`predict`.

    Raises:
        EvaluationError: no boxes in the ground truth, or detections for images or categories it does not know.
    """
    if not ground_truth["annotations"]:
        raise EvaluationError("the ground truth has no boxes: there is nothing to find, and AP is not defined")
    for key, known in (("image_id", "images"), ("category_id", "categories")):
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
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints as it goes
        truth = COCO()
        truth.dataset = {"info": {}, "licenses": [], **ground_truth}
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(list(results)), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return {name: (float(v) if v >= 0 else None) for name, v in zip(METRICS, run.stats, strict=True)}


def evaluate(model: nn.Module, dataset: DetectionDataset, **options: Any) -> dict[str, float | None]:
    """:func:`predict` and :func:`coco_metrics` in one call; ``options`` as for :func:`predict`.

    Raises:
        CorruptImageError: an image that cannot be read, unless the dataset skips such images.
        EvaluationError: as :func:`coco_metrics`.
    """
    return coco_metrics(dataset.ground_truth(), predict(model, dataset, **options))


def metrics_table(metrics: dict[str, float | None]) -> str:
    """The numbers as a small text table, in percent as papers print them."""
    names = [name for name in METRICS if name in metrics]
    values = ["-" if metrics[name] is None else f"{100 * (metrics[name] or 0.0):.1f}" for name in names]
    return "\n".join("".join(f"{cell:>7}" for cell in row) for row in (names, values))


__all__ = ["METRICS", "EvaluationError", "coco_metrics", "evaluate", "metrics_table", "predict"]
