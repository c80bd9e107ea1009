"""One student's answers to all questions, each with a mistake that no list of ours held when they were written."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from tests.course.judged import wrong


@wrong("locations", "a row and a column too many")
def locations(height, width, stride):
    # one cell too many on each axis
    xs = torch.arange(0, width * stride + 1, stride) + stride // 2
    ys = torch.arange(0, height * stride + 1, stride) + stride // 2
    yy, xx = torch.meshgrid(ys, xs, indexing="ij")
    return torch.stack([xx.flatten(), yy.flatten()], 1)


@wrong("ltrb", "order l t b r")
def ltrb(locations, boxes):
    # r and b exchanged
    x, y = locations[:, None, 0], locations[:, None, 1]
    x0, y0, x1, y1 = boxes.unbind(1)
    return torch.stack([x - x0, y - y0, y1 - y, x1 - x], -1)


@wrong("ltrb_to_boxes", "second of each row")
def ltrb_to_boxes(locations, distances):
    # top added, others right
    x, y = locations.unbind(1)
    l, t, r, b = distances.unbind(1)
    return torch.stack([x - l, y + t, x + r, y + b], 1)


@wrong("inside", "one axis is enough")
def inside(distances):
    # at least three sides
    return (distances > 0).sum(-1) >= 3


@wrong("in_level", "the smallest for the upper bound")
def in_level(distances, low, high):
    # largest from below, smallest from above
    return (
        ((distances >= low) & (distances <= high)).sum(-1) > 0
        if False
        else (distances >= low).any(-1) & (distances <= high).any(-1)
    )


@wrong("near_center", "one end of the radius included")
def near_center(locations, boxes, stride, radius):
    # one end of the square belongs to it
    c = (boxes[:, :2] + boxes[:, 2:]) / 2
    lo, hi = c - radius * stride, c + radius * stride
    p = locations[:, None]
    return ((p >= lo) & (p < hi)).all(-1)


@wrong("assign", "corners multiplied for the area")
def assign(locations, boxes, low, high):
    # the area as a product of corners
    if len(boxes) == 0:
        return torch.full((len(locations),), -1)
    x, y = locations[:, 0:1], locations[:, 1:2]
    d = torch.stack([x - boxes[:, 0], y - boxes[:, 1], boxes[:, 2] - x, boxes[:, 3] - y], -1)
    m = d.amax(-1)
    ok = (d.amin(-1) > 0) & (m >= low) & (m <= high)
    area = boxes[:, 2] * boxes[:, 3] - boxes[:, 0] * boxes[:, 1]
    a = torch.where(ok, area, torch.inf)
    v, i = a.min(1)
    return torch.where(ok.any(1), i, -1)


@wrong("class_targets", "wrong where -1 is asked")
def class_targets(matched, labels):
    # torch's ignore index
    out = torch.full_like(matched, -100)
    out[matched >= 0] = labels[matched[matched >= 0]]
    return out


@wrong("box_targets", "not finite")
def box_targets(locations, boxes, matched, stride):
    # background NaN
    out = torch.full((len(locations), 4), float("nan"))
    for i, j in enumerate(matched.tolist()):
        if j >= 0:
            x, y = locations[i]
            b = boxes[j]
            out[i] = torch.stack([x - b[0], y - b[1], b[2] - x, b[3] - y]) / stride
    return out


@wrong("focal_loss", "one alpha for all classes of a location")
def focal_loss(logits, labels, alpha, gamma):
    # alpha of the own class for the whole row
    t = torch.zeros_like(logits)
    pos = labels >= 0
    t[pos, labels[pos]] = 1
    ce = F.binary_cross_entropy_with_logits(logits, t, reduction="none")
    pt = torch.exp(-ce)
    at = torch.where(pos, alpha, 1 - alpha)[:, None]
    return (at * (1 - pt) ** gamma * ce).sum()


@wrong("iou_loss", "1 added under the logarithm")
def iou_loss(predicted, target):
    m = torch.minimum(predicted, target)

    def area(d):
        return (d[:, 0] + d[:, 2]) * (d[:, 1] + d[:, 3])

    i = area(m)
    u = area(predicted) + area(target) - i
    return -torch.log(i / u + 1)


@wrong("giou", "moved to 0..1")
def giou(first, second):
    # scaled to 0..1
    side = (torch.minimum(first[:, 2:], second[:, 2:]) - torch.maximum(first[:, :2], second[:, :2])).clamp(min=0)
    i = side[:, 0] * side[:, 1]
    a = (first[:, 2] - first[:, 0]) * (first[:, 3] - first[:, 1])
    b = (second[:, 2] - second[:, 0]) * (second[:, 3] - second[:, 1])
    u = a + b - i
    h = (torch.maximum(first[:, 2:], second[:, 2:]) - torch.minimum(first[:, :2], second[:, :2])).prod(1)
    return (1 + i / u - (h - u) / h) / 2


@wrong("centerness", "a sum instead of the product")
def centerness(ltrb):
    # 1 minus the relative offset
    l, t, r, b = ltrb.unbind(-1)
    x = 1 - (l - r).abs() / torch.maximum(l, r)
    y = 1 - (t - b).abs() / torch.maximum(t, b)
    return torch.nan_to_num((x + y) / 2)


@wrong("centerness_loss", "background too")
def centerness_loss(logits, ltrb, labels):
    # zeros in the background count, divided by the positives
    pos = labels >= 0
    l, t, r, b = ltrb.unbind(-1)
    c = torch.sqrt(
        torch.minimum(l, r)
        / torch.maximum(l, r).clamp(min=1e-9)
        * torch.minimum(t, b)
        / torch.maximum(t, b).clamp(min=1e-9)
    )
    if not pos.any():
        return logits.sum() * 0
    return F.binary_cross_entropy_with_logits(logits, c, reduction="sum") / pos.sum()


@wrong("normalize", "1 added for each worker")
def normalize(sums, positives):
    # one added for each worker
    return sums.sum() / (positives + 1).sum()


@wrong("feature_sizes", "a constant added")
def feature_sizes(height, width, strides):
    return [((height - 1) // s, (width - 1) // s) for s in strides]


@wrong("flatten_map", "another shape")
def flatten_map(x):
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1)


@wrong("tower", "dilated")
def tower(x, weights, biases):
    for w, b in zip(weights, biases):
        x = F.relu(F.conv2d(x, w, b, padding=2, dilation=2))
    return x


@wrong("prior_bias", "a constant factor")
def prior_bias(prior):
    return math.atanh(2 * prior - 1)


@wrong("predicted_distances", "the limit on the distance")
def predicted_distances(x, scale, stride):
    return torch.clamp(x * scale + math.log(stride), max=12).exp()


@wrong("scores", "center-ness as yes or no")
def scores(logits, centerness):
    # geometric mean of logits' sigmoid, hard center-ness
    return logits.sigmoid() * (centerness[:, None] > 0)


@wrong("clip_boxes", "both cut at the shorter side")
def clip_boxes(boxes, height, width):
    lim = min(height, width)
    return boxes.clamp(0, lim)


@wrong("select", "the location no whole number")
def select(scores, threshold, top_k):
    L, C = scores.shape
    s = scores.flatten()
    idx = (s > threshold).nonzero()[:, 0]
    order = s[idx].argsort(descending=True)[:top_k]
    idx = idx[order]
    return torch.stack([idx / C, idx % C], 1)


def _iou(a, b):
    w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    i = w * h
    u = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - i
    return i / u


@wrong("nms", "the list changed while it is walked over")
def nms(boxes, scores, threshold):
    # removes from the list while walking over it
    left = scores.argsort(descending=True, stable=True).tolist()
    kept = []
    b = boxes.tolist()
    while left:
        i = left.pop(0)
        kept.append(i)
        for j in left:
            if _iou(b[i], b[j]) > threshold:
                left.remove(j)
    return torch.tensor(kept, dtype=torch.long)


@wrong("batched_nms", "the list changed while it is walked over")
def batched_nms(boxes, scores, labels, threshold):
    kept = []
    b = boxes.tolist()
    for c in labels.unique().tolist():
        left = [i for i in scores.argsort(descending=True, stable=True).tolist() if labels[i] == c]
        while left:
            i = left.pop(0)
            kept.append(i)
            for j in left:
                if _iou(b[i], b[j]) > threshold:
                    left.remove(j)
    kept.sort(key=lambda i: -scores[i])
    return torch.tensor(kept, dtype=torch.long)


@wrong("find_hits", "by IoU instead of score")
def find_hits(boxes, scores, truth, threshold):
    # pairs by IoU, not by score
    hit = torch.zeros(len(boxes), dtype=torch.bool)
    b, g = boxes.tolist(), truth.tolist()
    pairs = sorted(((_iou(b[i], g[j]), i, j) for i in range(len(b)) for j in range(len(g))), reverse=True)
    used_i, used_j = set(), set()
    for v, i, j in pairs:
        if v >= threshold and i not in used_i and j not in used_j:
            used_i.add(i)
            used_j.add(j)
            hit[i] = True
    return hit


@wrong("average_precision", "100 recalls")
def average_precision(hits, total):
    # 101 recalls divided by 100
    tp = np.cumsum(hits.numpy())
    r = tp / total
    p = tp / np.arange(1, len(tp) + 1)
    ap = 0
    for x in np.linspace(0, 1, 101):
        m = p[r >= x]
        ap += m.max() if len(m) else 0
    return ap / 100


@wrong("learning_rate", "begins at the factor")
def learning_rate(step, base, warmup, factor, milestones):
    # begins at factor, not at factor * base
    if step < warmup:
        return factor + (base - factor) * step / warmup
    for m in milestones:
        if step >= m:
            base = base / 10
    return base


@wrong("moving_average", "a factor that depends on the input")
def moving_average(average, weights, decay):
    # bias correction of Adam
    return (decay * average + (1 - decay) * weights) / (1 - decay**2)


@wrong("resize_boxes", "the ratio of the areas")
def resize_boxes(boxes, old, new):
    return boxes * (new[0] * new[1]) / (old[0] * old[1])


@wrong("paired_difference", "half an interval of 95 %")
def paired_difference(first, second):
    d = second - first
    return d.mean(), 2 * d.std() / len(d) ** 0.5
