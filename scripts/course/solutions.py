"""One right answer to each question of the labs, written to be read: what the instructor's notebooks show.

Checked against: the questions' own cases, in tests/scripts/course/test_lab_notebooks.py. Nothing of it may stand in a
file for students. Each function stands alone, or calls functions of its own and of earlier labs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


# ---- lab 1 --------------------------------------------------------------------------------------------------------
def locations(height: int, width: int, stride: int) -> Tensor:
    x = stride / 2 + stride * torch.arange(width)  # (W,)
    y = stride / 2 + stride * torch.arange(height)  # (H,)
    rows, columns = torch.meshgrid(y, x, indexing="ij")  # (H, W) each
    return torch.stack([columns.flatten(), rows.flatten()], dim=1)


def ltrb(locations: Tensor, boxes: Tensor) -> Tensor:
    x, y = locations[:, None, 0], locations[:, None, 1]  # (L, 1)
    x0, y0, x1, y1 = boxes.unbind(1)  # (M,) each
    return torch.stack([x - x0, y - y0, x1 - x, y1 - y], dim=-1)


def ltrb_to_boxes(locations: Tensor, distances: Tensor) -> Tensor:
    x, y = locations.unbind(1)
    left, top, right, bottom = distances.unbind(1)
    return torch.stack([x - left, y - top, x + right, y + bottom], dim=1)


def inside(distances: Tensor) -> Tensor:
    return (distances > 0).all(dim=-1)


# ---- lab 2 --------------------------------------------------------------------------------------------------------
def in_level(distances: Tensor, low: float, high: float) -> Tensor:
    farthest = distances.amax(dim=-1)  # (L, M)
    return (farthest >= low) & (farthest <= high)


def near_center(locations: Tensor, boxes: Tensor, stride: int, radius: float) -> Tensor:
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2  # (M, 2)
    away = (locations[:, None] - centers).abs()  # (L, M, 2)
    return (away < radius * stride).all(dim=-1)


def assign(locations: Tensor, boxes: Tensor, low: float, high: float) -> Tensor:
    if len(boxes) == 0:
        return torch.full((len(locations),), -1)
    distances = ltrb(locations, boxes)
    allowed = inside(distances) & in_level(distances, low, high)  # (L, M)
    sides = boxes[:, 2:] - boxes[:, :2]
    cost = (sides[:, 0] * sides[:, 1]).expand(len(locations), -1).masked_fill(~allowed, math.inf)
    return torch.where(allowed.any(dim=1), cost.argmin(dim=1), -1)


def class_targets(matched: Tensor, labels: Tensor) -> Tensor:
    answer = torch.full_like(matched, -1)
    positive = matched >= 0
    answer[positive] = labels[matched[positive]]
    return answer


def box_targets(locations: Tensor, boxes: Tensor, matched: Tensor, stride: int) -> Tensor:
    answer = torch.zeros(len(locations), 4)
    positive = matched >= 0
    own, places = boxes[matched[positive]], locations[positive]  # (P, 4), (P, 2)
    answer[positive] = torch.cat([places - own[:, :2], own[:, 2:] - places], dim=1) / stride
    return answer


# ---- lab 3 --------------------------------------------------------------------------------------------------------
def focal_loss(logits: Tensor, labels: Tensor, alpha: float, gamma: float) -> Tensor:
    own = labels[:, None] == torch.arange(logits.shape[1])  # (L, C); background has a row without any
    p = logits.sigmoid()
    cost_of_own = -alpha * (1 - p) ** gamma * F.logsigmoid(logits)
    cost_of_others = -(1 - alpha) * p**gamma * F.logsigmoid(-logits)
    return torch.where(own, cost_of_own, cost_of_others).sum()


def iou_loss(predicted: Tensor, target: Tensor) -> Tensor:
    def area(distances: Tensor) -> Tensor:
        left, top, right, bottom = distances.unbind(-1)
        return (left + right) * (top + bottom)

    common = area(torch.minimum(predicted, target))
    return -(common / (area(predicted) + area(target) - common)).log()


def giou(first: Tensor, second: Tensor) -> Tensor:
    def area(low: Tensor, high: Tensor) -> Tensor:
        return (high - low).clamp(min=0).prod(dim=-1)

    common = area(torch.maximum(first[:, :2], second[:, :2]), torch.minimum(first[:, 2:], second[:, 2:]))
    union = area(first[:, :2], first[:, 2:]) + area(second[:, :2], second[:, 2:]) - common
    hull = area(torch.minimum(first[:, :2], second[:, :2]), torch.maximum(first[:, 2:], second[:, 2:]))
    return common / union - (hull - union) / hull


def centerness(ltrb: Tensor) -> Tensor:
    left, top, right, bottom = ltrb.unbind(-1)
    above = torch.minimum(left, right) * torch.minimum(top, bottom)
    below = torch.maximum(left, right) * torch.maximum(top, bottom)
    return torch.where(below > 0, (above / below.clamp(min=1e-12)).sqrt(), 0.0)


def centerness_loss(logits: Tensor, ltrb: Tensor, labels: Tensor) -> Tensor:
    positive = labels >= 0
    if not positive.any():
        return logits.sum() * 0  # 0, and still part of the graph
    return F.binary_cross_entropy_with_logits(logits[positive], centerness(ltrb[positive]))


def normalize(sums: Tensor, positives: Tensor) -> Tensor:
    return sums.sum() / positives.sum().clamp(min=1)


# ---- lab 4 --------------------------------------------------------------------------------------------------------
def feature_sizes(height: int, width: int, strides: list[int]) -> list[tuple[int, int]]:
    return [(math.ceil(height / stride), math.ceil(width / stride)) for stride in strides]


def flatten_map(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).flatten(start_dim=1, end_dim=2)


def tower(x: Tensor, weights: list[Tensor], biases: list[Tensor]) -> Tensor:
    for weight, bias in zip(weights, biases):
        x = F.conv2d(x, weight, bias, padding=1).relu()
    return x


def prior_bias(prior: float) -> float:
    return math.log(prior / (1 - prior))


def predicted_distances(x: Tensor, scale: float, stride: int) -> Tensor:
    return (scale * x).clamp(max=12).exp() * stride


# ---- lab 5 --------------------------------------------------------------------------------------------------------
def scores(logits: Tensor, centerness: Tensor) -> Tensor:
    return logits.sigmoid() * centerness.sigmoid()[:, None]


def clip_boxes(boxes: Tensor, height: int, width: int) -> Tensor:
    x0, y0, x1, y1 = boxes.unbind(1)
    return torch.stack([x0.clamp(0, width), y0.clamp(0, height), x1.clamp(0, width), y1.clamp(0, height)], dim=1)


def select(scores: Tensor, threshold: float, top_k: int) -> Tensor:
    pairs = (scores > threshold).nonzero()  # (N, 2)
    best_first = scores[pairs[:, 0], pairs[:, 1]].argsort(descending=True)
    return pairs[best_first[:top_k]]


def pairwise_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU of each box with each other: (N, M)."""
    low = torch.maximum(first[:, None, :2], second[:, :2])
    high = torch.minimum(first[:, None, 2:], second[:, 2:])
    common = (high - low).clamp(min=0).prod(dim=-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(dim=-1) for boxes in (first, second)]
    return common / (areas[0][:, None] + areas[1] - common)


def nms(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    overlap = pairwise_iou(boxes, boxes)  # (N, N)
    kept: list[int] = []
    for i in scores.argsort(descending=True).tolist():
        if not (overlap[i, kept] > threshold).any():
            kept.append(i)
    return torch.tensor(kept, dtype=torch.int64)


def batched_nms(boxes: Tensor, scores: Tensor, labels: Tensor, threshold: float) -> Tensor:
    kept = []
    for label in labels.unique():
        own = (labels == label).nonzero()[:, 0]
        kept.append(own[nms(boxes[own], scores[own], threshold)])
    together = torch.cat(kept) if kept else torch.zeros(0, dtype=torch.int64)
    return together[scores[together].argsort(descending=True)]


def find_hits(boxes: Tensor, scores: Tensor, truth: Tensor, threshold: float) -> Tensor:
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    free = torch.ones(len(truth), dtype=torch.bool)
    overlap = pairwise_iou(boxes, truth)  # (N, M)
    for i in scores.argsort(descending=True).tolist():
        possible = free & (overlap[i] >= threshold)
        if possible.any():
            free[overlap[i].masked_fill(~possible, -1).argmax()] = False
            hits[i] = True
    return hits


def average_precision(hits: Tensor, total: int) -> float:
    if len(hits) == 0:
        return 0.0
    so_far = hits.double().cumsum(0)
    recall, precision = so_far / total, so_far / torch.arange(1, len(hits) + 1)
    best = []
    for asked in range(101):
        reached = recall >= asked / 100 - 1e-9  # 0.07 * 100 is not quite 7
        best.append(precision[reached].max().item() if reached.any() else 0.0)
    return sum(best) / 101


# ---- lab 6 --------------------------------------------------------------------------------------------------------
def learning_rate(step: int, base: float, warmup: int, factor: float, milestones: list[int]) -> float:
    progress = min(1.0, step / warmup)
    passed = sum(step >= milestone for milestone in milestones)
    return base * (factor + (1 - factor) * progress) * 0.1**passed


def moving_average(average: Tensor, weights: Tensor, decay: float) -> Tensor:
    return decay * average + (1 - decay) * weights


def resize_boxes(boxes: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    y, x = new[0] / old[0], new[1] / old[1]
    return boxes * torch.tensor([x, y, x, y])


def paired_difference(first: Tensor, second: Tensor) -> tuple[float, float]:
    gains = second - first
    return gains.mean().item(), (gains.std() / math.sqrt(len(gains))).item()
