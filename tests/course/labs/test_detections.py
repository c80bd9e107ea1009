"""Lab 5, first part: its answers are torchvision's and the package's."""

from __future__ import annotations

import torch
from torchvision.ops import batched_nms, clip_boxes_to_image, nms

from fcos_edu import FCOSConfig
from fcos_edu.course import find
from fcos_edu.course.labs.detections import _cluster
from fcos_edu.course.question import Draw
from fcos_edu.inference import select_candidates


def test_suppression_is_torchvisions() -> None:
    for seed in range(8):
        draw = Draw(seed)
        boxes, scores, labels = _cluster(draw, 20), draw.scores(20), draw.labels(20, 3)
        kept = find("nms").answer(boxes, scores, 0.55)
        assert torch.equal(kept, nms(boxes, scores, 0.55)) and 0 < len(kept) < 20
        assert torch.equal(
            find("batched_nms").answer(boxes, scores, labels, 0.5), batched_nms(boxes, scores, labels, 0.5)
        )
        assert torch.equal(find("clip_boxes").answer(boxes, 60, 100), clip_boxes_to_image(boxes, (60, 100)))


def test_scores_and_candidates_are_the_packages() -> None:
    draw = Draw("candidates")
    logits, centerness = draw.normal(7, 4), draw.normal(7)
    scores = find("scores").answer(logits, centerness)
    config = FCOSConfig.paper(num_classes=4, threshold_on="product", score_threshold=0.2, pre_nms_top_k=9)
    best, pairs = select_candidates(logits[None], centerness.sigmoid()[None], config)
    found = find("select").answer(scores, 0.2, 9)
    assert (found[:, 0] * 4 + found[:, 1]).tolist() == pairs[0][best[0] >= 0].tolist()
