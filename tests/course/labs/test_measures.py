"""Lab 5, third part: hits and average precision are pycocotools'."""

from __future__ import annotations

import pytest
import torch

from fcos_edu.course import find
from fcos_edu.course.labs.detections import _cluster
from fcos_edu.course.question import Draw
from fcos_edu.evaluation.coco_ap import run_coco


@pytest.mark.parametrize("seed", range(6))
def test_average_precision_is_pycocotools(seed: int) -> None:
    draw = Draw(seed)
    found = _cluster(draw, 14)
    truth = found[::3] + torch.tensor([[1.0, -1, 2, 0]])
    scores = draw.scores(14)
    hits = find("find_hits").answer(found, scores, truth, 0.5)
    order = scores.argsort(descending=True)
    mine = find("average_precision").answer(hits[order], len(truth))

    def xywh(box: torch.Tensor) -> list[float]:
        return [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]

    annotations = [
        {"id": i + 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": xywh(box), "area": 1.0}
        for i, box in enumerate(truth)
    ]
    document = {"images": [{"id": 1}], "categories": [{"id": 1}], "annotations": annotations}
    results = [
        {"image_id": 1, "category_id": 1, "bbox": xywh(box), "score": score.item()}
        for box, score in zip(found, scores, strict=True)
    ]
    official = run_coco(document, results, categories=False, ious=[0.5]).eval["precision"]
    assert mine == pytest.approx(official[0, :, 0, 0, 2].mean(), abs=1e-9)
    assert 0 < hits.sum() <= len(truth)
