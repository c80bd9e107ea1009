"""From network outputs to detections: scores, decoding, non-maximum suppression (sections 3.1, 3.3 and 4).

Taught in the chapter *From outputs to detections*. Checked against: torchvision's ``fcos_resnet50_fpn`` with the same
weights, and its ``batched_nms``.

Threshold and top-k come before decoding: at most ``pre_nms_top_k`` boxes a level are decoded, not every location times
every class. One NMS serves all classes of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import clip_boxes_to_image, nms

from .centerness import centerness
from .config import FCOSConfig
from .devices import exact
from .locations import Grid
from .network import HeadOutput
from .targets import Targets, ltrb_to_boxes


def location_quality(output: HeadOutput, config: FCOSConfig, targets: Targets | None = None) -> Tensor | None:
    """The factor that ranks a location's boxes (Table 4): ``(B, L)`` in 0..1, or None for no factor.

    ``branch`` is what the paper uses. ``computed`` applies Eq. 3 to the predicted ltrb, ``oracle`` to the true ones.

    Raises:
        ValueError: the oracle without targets.
    """
    if config.centerness_inference == "branch":
        assert output.centerness is not None  # the configuration sees to it
        return output.centerness.sigmoid()
    if config.centerness_inference == "computed":
        return centerness(output.distances)
    if config.centerness_inference == "oracle":
        if targets is None:
            raise ValueError("centerness_inference='oracle' needs the true boxes: call model(images, targets)")
        return centerness(targets.ltrb)
    return None


def select_candidates(logits: Tensor, quality: Tensor | None, config: FCOSConfig) -> tuple[Tensor, Tensor]:
    """The best location-class pairs of one level.

    Args:
        logits: ``(B, n, C)`` of the level's n locations.
        quality: ``(B, n)`` or None, from :func:`location_quality`.

    Returns:
        Scores ``(B, k)``, highest first, -1 where a pair is below the threshold; and the pairs ``(B, k)`` as
        location * C + class. k = min(pre_nms_top_k, n C).
    """
    probability = logits.sigmoid()
    score = probability if quality is None else probability * quality[..., None]
    if config.sqrt_score:
        score = score.sqrt()
    tested = probability if config.threshold_on == "class" else score
    score = score.masked_fill(~(tested > config.score_threshold), -1.0).flatten(1)  # (B, n C); NaN is not above it
    return score.topk(min(config.pre_nms_top_k, score.shape[1]))


@exact
def class_wise_nms(boxes: Tensor, scores: Tensor, labels: Tensor, threshold: float) -> Tensor:
    """Indices of the boxes that survive NMS within their class, highest score first.

    One call for all classes: each class is moved to a place of its own, so that boxes of two classes never overlap
    (their borders may touch, which is an IoU of 0). In float64, because a far-away class would lose the fractions of
    its pixels in float32.
    """
    boxes = boxes.double()
    side = boxes.amax() - boxes.amin() if len(boxes) else 0.0
    return nms(boxes + (labels * side)[:, None], scores.double(), threshold)


def best_after_nms(boxes: Tensor, scores: Tensor, labels: Tensor, config: FCOSConfig) -> Tensor:
    """Indices of the ``detections_per_image`` best boxes after NMS, highest score first.

    Whether a box survives depends on the boxes with higher scores alone. So the best thousand are tried first: where
    enough of them survive, the rest cannot matter, and NMS, whose time grows with the square, is spared them.
    """
    wanted = config.detections_per_image
    first = 10 * wanted
    if len(scores) > first:
        best = scores.topk(first).indices
        kept = best[class_wise_nms(boxes[best], scores[best], labels[best], config.nms_threshold)]
        if len(kept) >= wanted:
            return kept[:wanted]
    return class_wise_nms(boxes, scores, labels, config.nms_threshold)[:wanted]


class RankedBoxes(NamedTuple):
    """What goes into the NMS of one image: N pairs of a location and a class, highest score first."""

    boxes: Tensor  # (N, 4) xyxy in pixels of the canvas, clipped to the image
    scores: Tensor  # (N,) 0..1
    labels: Tensor  # (N,) int64
    locations: Tensor  # (N,) int64 index into the L locations


def candidates_before_nms(
    output: HeadOutput,
    grid: Grid,
    image_sizes: Sequence[tuple[int, int]],
    config: FCOSConfig,
    targets: Targets | None = None,
    *,
    gradients: bool = False,
) -> list[RankedBoxes]:
    """The first half of :func:`detect`, whose arguments it takes: scores, threshold, top-k of each level, decoding."""
    with torch.set_grad_enabled(gradients and torch.is_grad_enabled()):
        return _candidates(output, grid, image_sizes, config, targets)


def _candidates(
    output: HeadOutput,
    grid: Grid,
    image_sizes: Sequence[tuple[int, int]],
    config: FCOSConfig,
    targets: Targets | None,
) -> list[RankedBoxes]:
    quality = location_quality(output, config, targets)
    distances = output.distances
    if config.normalize_targets:
        distances = distances * grid.strides[:, None]

    scores, pairs, start = [], [], 0
    num_classes = output.logits.shape[-1]
    for count in grid.counts:
        level = slice(start, start + count)
        level_scores, level_pairs = select_candidates(
            output.logits[:, level], None if quality is None else quality[:, level], config
        )
        scores.append(level_scores)
        pairs.append(level_pairs + start * num_classes)
        start += count
    best_scores, order = torch.cat(scores, dim=1).sort(dim=1, descending=True, stable=True)  # (B, sum k)
    # How many there are decides shapes: here, once for all images, a GPU is waited for.
    counts = (best_scores >= 0).sum(dim=1).tolist()
    chosen = torch.cat(pairs, dim=1).gather(1, order[:, : max(counts, default=0)])
    where, labels = chosen // num_classes, chosen % num_classes  # (B, most)
    boxes = ltrb_to_boxes(grid.points[where], distances.gather(1, where[..., None].expand(-1, -1, 4)))  # (B, most, 4)

    return [
        RankedBoxes(
            clip_boxes_to_image(boxes[i, :count], list(image_size)),  # type: ignore[arg-type]
            best_scores[i, :count],
            labels[i, :count],
            where[i, :count],
        )
        for i, (count, image_size) in enumerate(zip(counts, image_sizes, strict=True))
    ]


def detect(
    output: HeadOutput,
    grid: Grid,
    image_sizes: Sequence[tuple[int, int]],
    config: FCOSConfig,
    targets: Targets | None = None,
    *,
    gradients: bool = False,
) -> list[dict[str, Tensor]]:
    """Detections of each image.

    Args:
        output: of the head.
        grid: of the canvas, on the output's device.
        image_sizes: (height, width) of each image on the canvas, without padding; boxes are clipped to it.
        config: the model's configuration.
        targets: only for ``centerness_inference="oracle"``.
        gradients: scores and boxes carry gradients, as far as they are switched on. Which boxes there are has none.

    Returns:
        For each image ``boxes`` (K, 4) xyxy in pixels of the canvas, ``scores`` (K,), ``labels`` (K,) int64; highest
        score first; K at most ``detections_per_image``. And where each came from: ``class_scores`` (K,) before the
        center-ness factor, ``levels`` (K,) int64 (3 for P3), ``locations`` (K,) int64 index into the L locations.
    """
    detections = []
    with torch.set_grad_enabled(gradients and torch.is_grad_enabled()):
        for i, (boxes, scores, labels, locations) in enumerate(_candidates(output, grid, image_sizes, config, targets)):
            best = best_after_nms(boxes.detach(), scores.detach(), labels, config)
            location, label = locations[best], labels[best]
            detections.append(
                {
                    "boxes": boxes[best],
                    "scores": scores[best],
                    "labels": label,
                    "class_scores": output.logits[i, location, label].sigmoid(),
                    "levels": grid.levels[location],
                    "locations": location,
                }
            )
    return detections
