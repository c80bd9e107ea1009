"""By somebody who worked through labs 2 to 6 with the text alone: first answers, and the slips on the way to them."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from tests.course.judged import right, wrong


def _distances(p, b):
    return torch.cat([p[:, None] - b[None, :, :2], b[None, :, 2:] - p[:, None]], -1)


def _areas(b):
    return (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])


def _iou(a, b):
    sides = (torch.minimum(a[:, None, 2:], b[None, :, 2:]) - torch.maximum(a[:, None, :2], b[None, :, :2])).clamp(min=0)
    common = sides[..., 0] * sides[..., 1]
    return common / (_areas(a)[:, None] + _areas(b)[None] - common)


def _nms(boxes, scores, threshold):
    left, kept, overlap = scores.argsort(descending=True).tolist(), [], _iou(boxes, boxes)
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [other for other in left if overlap[best, other] <= threshold]
    return torch.tensor(kept, dtype=torch.long)


def _centerness(d):
    l, t, r, b = d.unbind(-1)
    return torch.nan_to_num((torch.min(l, r) / torch.max(l, r) * torch.min(t, b) / torch.max(t, b)).sqrt())


# ---- lab 2
@wrong("in_level", "only inside the box")
def _(d, low, high):
    return (d.amin(-1) > 0) & (d.amax(-1) >= low) & (d.amax(-1) <= high)


@wrong("in_level", "the largest of all boxes")
def _(d, low, high):
    largest = d.max(1).values
    return (largest >= low) & (largest <= high)


@right("in_level")
def _(d, low, high):
    l, t, r, b = d.unbind(-1)
    largest = torch.max(torch.max(l, t), torch.max(r, b))
    return ((largest >= low) * (largest <= high)).int()


@wrong("near_center", "both axes not joined")
def _(p, b, stride, radius):
    centre = (b[:, :2] + b[:, 2:]) / 2
    return (p[:, None] - centre).abs() < radius * stride


@wrong("near_center", "columns of the box mixed up")
def _(p, b, stride, radius):
    centre = b.reshape(-1, 2, 2).mean(2)
    return ((p[:, None] - centre).abs() < radius * stride).all(-1)


@right("near_center")
def _(p, b, stride, radius):
    return torch.cdist(p, (b[:, :2] + b[:, 2:]) / 2, p=float("inf")) < radius * stride


@wrong("assign", "background learns box 0")
def _(p, b, low, high):
    d = _distances(p, b)
    allowed = (d > 0).all(-1) & (d.amax(-1) >= low) & (d.amax(-1) <= high)
    return _areas(b).expand(len(p), -1).masked_fill(~allowed, math.inf).argmin(1)


@wrong("assign", "large areas taken for infinity")
def _(p, b, low, high):
    if len(b) == 0:
        return torch.full((len(p),), -1)
    d = _distances(p, b)
    allowed = (d > 0).all(-1) & (d.amax(-1) >= low) & (d.amax(-1) <= high)
    best = _areas(b).expand(len(p), -1).masked_fill(~allowed, 1e5).argmin(1)
    return torch.where(allowed.any(1), best, -1)


@right("assign")
def _(p, b, low, high):
    answer = torch.full((len(p),), -1.0)
    for j in _areas(b).argsort(descending=True).tolist():
        d = _distances(p, b[j : j + 1])[:, 0]
        answer[(d.amin(1) > 0) & (d.amax(1) >= low) & (d.amax(1) <= high)] = j
    return answer


@wrong("box_targets", "-1 taken as an index")
def _(p, b, m, stride):
    own = b[m]
    return torch.cat([p - own[:, :2], own[:, 2:] - p], 1) / stride


# ---- lab 3
@wrong("focal_loss", "one_hot of -1")
def _(z, y, alpha, gamma):
    t, p = F.one_hot(y, z.shape[1]).float(), z.sigmoid()
    p_t, a_t = p * t + (1 - p) * (1 - t), alpha * t + (1 - alpha) * (1 - t)
    return (a_t * (1 - p_t) ** gamma * F.binary_cross_entropy_with_logits(z, t, reduction="none")).sum()


@wrong("focal_loss", "the cross-entropy averaged too early")
def _(z, y, alpha, gamma):
    t, p = (y[:, None] == torch.arange(z.shape[1])).float(), z.sigmoid()
    p_t, a_t = p * t + (1 - p) * (1 - t), alpha * t + (1 - alpha) * (1 - t)
    return (a_t * (1 - p_t) ** gamma * F.binary_cross_entropy_with_logits(z, t)).sum()


@wrong("focal_loss", "other classes of an object left out")
def _(z, y, alpha, gamma):
    own, p = y[:, None] == torch.arange(z.shape[1]), z.sigmoid()
    objects = (-alpha * (1 - p) ** gamma * F.logsigmoid(z))[own].sum()
    return objects + (-(1 - alpha) * p**gamma * F.logsigmoid(-z))[y < 0].sum()


@wrong("iou_loss", "the smaller width for the intersection")
def _(a, b):
    width = torch.min(a[:, 0] + a[:, 2], b[:, 0] + b[:, 2])
    height = torch.min(a[:, 1] + a[:, 3], b[:, 1] + b[:, 3])
    both = (a[:, 0] + a[:, 2]) * (a[:, 1] + a[:, 3]) + (b[:, 0] + b[:, 2]) * (b[:, 1] + b[:, 3])
    return -torch.log(width * height / (both - width * height))


def _parts(a, b):
    common = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    return common, _areas(a) + _areas(b) - common, hull


@wrong("giou", "corners of the hull mixed up")
def _(a, b):
    common, union, _ = _parts(a, b)
    hull = (torch.maximum(a[:, :2], b[:, :2]) - torch.minimum(a[:, 2:], b[:, 2:])).prod(1)
    return common / union - (hull - union) / hull


@wrong("giou", "brackets left out")
def _(a, b):
    common, union, hull = _parts(a, b)
    return common / union - hull - union / hull


@wrong("centerness", "only for a list of locations")
def _(d):
    l, t, r, b = d[:, 0], d[:, 1], d[:, 2], d[:, 3]
    return torch.nan_to_num((torch.min(l, r) / torch.max(l, r) * torch.min(t, b) / torch.max(t, b)).sqrt())


@wrong("centerness", "1 as the least below the line")
def _(d):
    l, t, r, b = d.unbind(-1)
    return (torch.min(l, r) / torch.max(l, r).clamp(min=1) * torch.min(t, b) / torch.max(t, b).clamp(min=1)).sqrt()


@right("centerness")
def _(d):
    l, t, r, b = d.unbind(-1)
    above, below = torch.min(l, r) * torch.min(t, b), torch.max(l, r) * torch.max(t, b)
    return torch.sqrt(above / (below + 1e-9))


@wrong("centerness_loss", "logits taken for probabilities")
def _(z, d, y):
    positive = y >= 0
    return F.binary_cross_entropy(z[positive], _centerness(d[positive])) if positive.any() else z.sum() * 0


@wrong("centerness_loss", "logits taken for probabilities")
def _(z, d, y):
    return F.binary_cross_entropy(z[y >= 0], _centerness(d[y >= 0]))


@wrong("centerness_loss", "prediction and target swapped")
def _(z, d, y):
    positive = y >= 0
    if not positive.any():
        return torch.zeros(())
    return F.binary_cross_entropy_with_logits(_centerness(d[positive]), z[positive])


@right("centerness_loss")
def _(z, d, y):
    positive = (y != -1).float()
    loss = -(_centerness(d) * F.logsigmoid(z) + (1 - _centerness(d)) * F.logsigmoid(-z))
    return (loss * positive).sum() / max(1, int(positive.sum()))


# ---- lab 4
@wrong("feature_sizes", "the strides not used")
def _(height, width, strides):
    sizes = []
    for _ in strides:
        height, width = math.ceil(height / 2), math.ceil(width / 2)
        sizes.append((height, width))
    return sizes


@wrong("tower", "only the first layer")
def _(x, weights, biases):
    for weight, bias in zip(weights, biases):
        x = F.relu(F.conv2d(x, weight, bias, padding=1))
        return x


@right("tower")
def _(x, weights, biases):
    for weight, bias in zip(weights, biases):
        x = (weight.flatten(1) @ F.unfold(x, 3, padding=1) + bias[:, None]).clamp(min=0).reshape(x.shape)
    return x


@right("predicted_distances")
def _(x, scale, stride):
    return (torch.minimum(scale * x, torch.tensor(12.0)) + math.log(stride)).exp()


# ---- lab 5
@wrong("select", "not sorted")
def _(scores, threshold, top_k):
    return (scores > threshold).nonzero()[:top_k]


@right("select")
def _(scores, threshold, top_k):
    places, classes = torch.where(scores > threshold)
    order = scores[places, classes].argsort(descending=True)[:top_k]
    return torch.stack([places[order], classes[order]], -1).float()


@wrong("batched_nms", "places in the joined list")
def _(boxes, scores, labels, threshold):
    kept = [labels[:0]]
    for label in labels.unique():
        own = torch.where(labels == label)[0]
        kept.append(own[_nms(boxes[own], scores[own], threshold)])
    return scores[torch.cat(kept)].argsort(descending=True)


@right("find_hits")
def _(boxes, scores, truth, threshold):
    overlap, hits = _iou(boxes, truth).numpy().copy(), [False] * len(boxes)
    for i in np.argsort(-scores.numpy()) if overlap.size else ():
        j = overlap[i].argmax()
        if overlap[i, j] >= threshold:
            hits[i], overlap[:, j] = True, -1
    return hits


# ---- lab 6
@wrong("learning_rate", "the larger of factor and progress")
def _(step, base, warmup, factor, milestones):
    return base * min(max(factor, step / warmup), 1) * 0.1 ** sum(step >= m for m in milestones)


@wrong("learning_rate", "the warm-up downwards")
def _(step, base, warmup, factor, milestones):
    return base * (1 + (factor - 1) * min(step / warmup, 1)) * 0.1 ** sum(step >= m for m in milestones)


@right("learning_rate")
def _(step, base, warmup, factor, milestones):
    return float(
        np.interp(step, [0, warmup], [factor * base, base]) * 0.1 ** np.searchsorted(milestones, step, "right")
    )


@wrong("moving_average", "brackets left out")
def _(average, weights, decay):
    return decay * average + 1 - decay * weights


@right("paired_difference")
def _(first, second):
    gains = (second - first).numpy()
    return [gains.mean(), gains.std(ddof=1) / np.sqrt(gains.size)]
