"""From knowledge of reimplementations, most of it written before the list of known mistakes was seen."""

import math

import numpy as np
import torch
import torch.nn.functional as F
import torchvision

from tests.course.judged import right, wrong


def _d(p, b):
    return torch.cat([p[:, None] - b[None, :, :2], b[None, :, 2:] - p[:, None]], -1)


def _smallest(boxes, ok):
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    v, i = torch.where(ok, area, math.inf).min(1)
    return torch.where(v.isinf(), -1, i)


def _ctr(d):
    l, t, r, b = d.unbind(-1)
    c = (
        torch.minimum(l, r)
        / torch.maximum(l, r).clamp(min=1e-9)
        * torch.minimum(t, b)
        / torch.maximum(t, b).clamp(min=1e-9)
    )
    return c.sqrt()


def _area(b):
    return (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])


def _inter(a, b):
    lt, rb = torch.maximum(a[:, None, :2], b[None, :, :2]), torch.minimum(a[:, None, 2:], b[None, :, 2:])
    return (rb - lt).clamp(min=0).prod(-1)


def _iou(a, b):
    i = _inter(a, b)
    return i / (_area(a)[:, None] + _area(b)[None] - i)


def _nms(boxes, scores, threshold):
    iou, keep = _iou(boxes, boxes), []
    for i in scores.argsort(descending=True).tolist():
        if all(iou[i, j] <= threshold for j in keep):
            keep.append(i)
    return torch.tensor(keep, dtype=torch.int64)


def _onehot(logits, labels):
    return (labels[:, None] == torch.arange(logits.shape[1])).to(logits.dtype)


def _larea(d):
    return (d[:, 0] + d[:, 2]) * (d[:, 1] + d[:, 3])


def _lint(p, t):
    return _larea(torch.minimum(p, t))


def _iuh(a, b):
    i = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    h = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    return i, _area(a) + _area(b) - i, h


def _hits(boxes, order, truth, threshold):
    hits, used = torch.zeros(len(boxes), dtype=torch.bool), []
    iou = _iou(boxes, truth)
    for i in order:
        if len(used) < len(truth):
            row = iou[i].clone()
            row[used] = -1
            v, j = row.max(0)
            if v >= threshold:
                used.append(int(j))
                hits[i] = True
    return hits


def _pr(hits, total):
    p, r, tp = [], [], 0
    for n, h in enumerate(hits.tolist(), 1):
        tp += bool(h)
        p.append(tp / n)
        r.append(tp / total)
    return p, r


@wrong("locations", "not flattened")
def _(height, width, stride):
    """Not flattened: (H, W, 2)."""
    x = torch.arange(width) * stride + stride // 2
    y = torch.arange(height) * stride + stride // 2
    ys, xs = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([xs, ys], -1).float()


@wrong("locations", "cells taken for pixels")
def _(height, width, stride):
    """Height and width taken for pixels of the image."""
    x = torch.arange(0, width, stride) + stride // 2
    y = torch.arange(0, height, stride) + stride // 2
    ys, xs = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([xs.flatten(), ys.flatten()], 1).float()


@wrong("ltrb", "an error at an edge: an image without boxes")
def _(locations, boxes):
    """Box after box stacked: an error without boxes."""
    out = []
    for b in boxes:
        out.append(torch.cat([locations - b[:2], b[2:] - locations], 1))
    return torch.stack(out, 1)


@wrong("ltrb_to_boxes", "the location taken for the centre")
def _(locations, distances):
    """The location taken for the centre of the box."""
    size = distances[:, :2] + distances[:, 2:]
    return torch.cat([locations - size / 2, locations + size / 2], 1)


@wrong("inside", "one answer for each location")
def _(distances):
    """Inside any box: one answer per location."""
    return (distances > 0).all(-1).any(-1)


@wrong("in_level", "absolute values")
def _(distances, low, high):
    """The absolute value of the distances."""
    m = distances.abs().amax(-1)
    return (m >= low) & (m <= high)


@wrong("in_level", "low and high swapped")
def _(distances, low, high):
    """Bounds swapped."""
    m = distances.amax(-1)
    return (m >= high) & (m <= low)


@wrong("in_level", "the largest of all boxes")
def _(distances, low, high):
    """The largest over all boxes of a location."""
    m = distances.flatten(1).amax(1, keepdim=True) if distances.numel() else distances.new_zeros(len(distances), 1)
    return ((m >= low) & (m <= high)).expand(distances.shape[:2])


@wrong("near_center", "half the reach")
def _(locations, boxes, stride, radius):
    """Radius taken for the whole side."""
    c = (boxes[:, :2] + boxes[:, 2:]) / 2
    return ((locations[:, None] - c).abs() < radius * stride / 2).all(-1)


@wrong("near_center", "boxes read as x, y, width, height")
def _(locations, boxes, stride, radius):
    """Boxes read as x, y, width, height."""
    c = boxes[:, :2] + boxes[:, 2:] / 2
    return ((locations[:, None] - c).abs() < radius * stride).all(-1)


@wrong("near_center", "the centre in whole pixels")
def _(locations, boxes, stride, radius):
    """The centre in whole pixels."""
    c = (boxes[:, :2] + boxes[:, 2:]) // 2
    return ((locations[:, None] - c).abs() < radius * stride).all(-1)


@wrong("near_center", "divided by the stride")
def _(locations, boxes, stride, radius):
    """Radius divided by the stride."""
    c = (boxes[:, :2] + boxes[:, 2:]) / 2
    return ((locations[:, None] - c).abs() < radius / stride).all(-1)


@wrong("assign", "the far corner instead of the size")
def _(locations, boxes, low, high):
    """The area as x1 * y1."""
    if len(boxes) == 0:
        return torch.full((len(locations),), -1)
    d = _d(locations, boxes)
    ok = (d.amin(-1) > 0) & (d.amax(-1) >= low) & (d.amax(-1) <= high)
    a = torch.where(ok, boxes[:, 2] * boxes[:, 3], math.inf)
    v, i = a.min(1)
    return torch.where(v.isinf(), -1, i)


@wrong("assign", "the smallest distance for the level")
def _(locations, boxes, low, high):
    """The smallest distance decides the level."""
    if len(boxes) == 0:
        return torch.full((len(locations),), -1)
    m = _d(locations, boxes).amin(-1)
    return _smallest(boxes, (m > 0) & (m >= low) & (m <= high))


@wrong("class_targets", "a row for each location")
def _(matched, labels):
    """One-hot rows."""
    n = int(labels.max()) + 1 if len(labels) else 1
    out = torch.zeros(len(matched), n)
    for i, m in enumerate(matched.tolist()):
        if m >= 0:
            out[i, labels[m]] = 1
    return out


@wrong("box_targets", "centre and size")
def _(locations, boxes, matched, stride):
    """Centre offset and size, as R-CNN has them."""
    if len(boxes) == 0:
        return torch.zeros(len(locations), 4)
    o = boxes[matched.clamp(min=0)]
    d = torch.cat([(o[:, :2] + o[:, 2:]) / 2 - locations, o[:, 2:] - o[:, :2]], 1) / stride
    d[matched < 0] = 0
    return d


@wrong("box_targets", "background left out")
def _(locations, boxes, matched, stride):
    """Positive locations only."""
    pos = matched >= 0
    o = boxes[matched[pos]]
    p = locations[pos]
    return torch.cat([p - o[:, :2], o[:, 2:] - p], 1) / stride


@wrong("focal_loss", "softmax")
def _(logits, labels, alpha, gamma):
    """Softmax instead of sigmoids."""
    t = _onehot(logits, labels)
    p = logits.softmax(1).clamp(1e-12, 1 - 1e-7)
    loss = -alpha * t * (1 - p) ** gamma * p.log() - (1 - alpha) * (1 - t) * p**gamma * (1 - p).log()
    return loss.sum()


@wrong("focal_loss", "the logarithm of 0")
def _(logits, labels, alpha, gamma):
    """Log of the sigmoid: infinite for large logits."""
    t = _onehot(logits, labels)
    p = logits.sigmoid()
    return (-alpha * t * (1 - p) ** gamma * torch.log(p) - (1 - alpha) * (1 - t) * p**gamma * torch.log(1 - p)).sum()


@wrong("focal_loss", "probabilities clamped close to 0")
def _(logits, labels, alpha, gamma):
    """Probabilities cut at 1e-6: large logits cost too little."""
    t = _onehot(logits, labels)
    p = logits.sigmoid().clamp(1e-6, 1 - 1e-6)
    return (-alpha * t * (1 - p) ** gamma * torch.log(p) - (1 - alpha) * (1 - t) * p**gamma * torch.log(1 - p)).sum()


@wrong("focal_loss", "alpha and gamma written down")
def _(logits, labels, alpha, gamma):
    """Gamma fixed at 2, alpha at 0.25."""
    return torchvision.ops.sigmoid_focal_loss(logits, _onehot(logits, labels), 0.25, 2.0, reduction="sum")


@wrong("iou_loss", "distances taken for corners")
def _(predicted, target):
    """Distances taken for corners."""
    lt = torch.maximum(predicted[:, :2], target[:, :2])
    rb = torch.minimum(predicted[:, 2:], target[:, 2:])
    i = (rb - lt).clamp(min=0).prod(1)
    u = (predicted[:, 2:] - predicted[:, :2]).prod(1) + (target[:, 2:] - target[:, :2]).prod(1) - i
    return -torch.log((i / u).clamp(min=1e-6))


@wrong("iou_loss", "Dice instead of IoU")
def _(predicted, target):
    """Dice instead of IoU."""
    return -torch.log(2 * _lint(predicted, target) / (_larea(predicted) + _larea(target)))


@wrong("iou_loss", "l times t")
def _(predicted, target):
    """L * t as the area of the overlap."""
    m = torch.minimum(predicted, target)
    i = m[:, 0] * m[:, 1] + m[:, 2] * m[:, 3]
    u = _larea(predicted) + _larea(target) - i
    return -torch.log(i / u)


@wrong("giou", "the intersection over the hull")
def _(first, second):
    """Overlap over hull."""
    i, u, h = _iuh(first, second)
    return i / h - (h - u) / h


@wrong("centerness_loss", "only class 1")
def _(logits, ltrb, labels):
    """Only class 1 taken for positive."""
    pos = labels == 1
    t = _ctr(ltrb)
    return F.binary_cross_entropy_with_logits(logits[pos], t[pos], reduction="sum") / max(1, int(pos.sum()))


@wrong("centerness_loss", "0 taken for background, -1 for an object")
def _(logits, ltrb, labels):
    """Every number but 0 taken for positive: background -1 too, class 0 not."""
    pos = labels != 0
    t = _ctr(ltrb)
    return F.binary_cross_entropy_with_logits(logits[pos], t[pos], reduction="sum") / max(1, int(pos.sum()))


@wrong("centerness_loss", "divided by the sum of the targets")
def _(logits, ltrb, labels):
    """Divided by the sum of the targets."""
    pos = labels >= 0
    t = _ctr(ltrb)[pos]
    return F.binary_cross_entropy_with_logits(logits[pos], t, reduction="sum") / t.sum().clamp(min=1e-6)


@wrong("feature_sizes", "each stride on top of the one before")
def _(height, width, strides):
    """Each level divided by its whole stride again."""
    out = []
    for s in strides:
        height, width = math.ceil(height / s), math.ceil(width / s)
        out.append((height, width))
    return out


@wrong("prior_bias", "minus the logarithm of the prior")
def _(prior):
    """-ln prior."""
    return -math.log(prior)


@wrong("prior_bias", "the logarithm of a product")
def _(prior):
    """The product: ln p + ln(1 - p)."""
    return math.log(prior * (1 - prior))


@wrong("predicted_distances", "the limit below zero too")
def _(x, scale, stride):
    """Cut at -12 as well."""
    return torch.exp((scale * x).clamp(-12, 12)) * stride


@wrong("predicted_distances", "the distance cut off")
def _(x, scale, stride):
    """Cut at 12 pixels."""
    return (torch.exp(scale * x) * stride).clamp(max=12)


@wrong("batched_nms", "moved by too little")
def _(boxes, scores, labels, threshold):
    """Classes moved apart by one pixel only."""
    return _nms(boxes + labels[:, None], scores, threshold)


@wrong("batched_nms", "one class left out")
def _(boxes, scores, labels, threshold):
    """Class 0 is left out as background."""
    keep = []
    for c in labels.unique().tolist():
        if c == 0:
            continue
        i = (labels == c).nonzero()[:, 0]
        keep += i[_nms(boxes[i], scores[i], threshold)].tolist()
    keep.sort(key=lambda i: -float(scores[i]))
    return torch.tensor(keep, dtype=torch.int64)


@wrong("select", "all classes of a good location")
def _(scores, threshold, top_k):
    """All classes of a location whose best class is above the threshold."""
    ok = (scores.amax(1, keepdim=True) > threshold).expand_as(scores) if scores.numel() else scores > threshold
    pairs = ok.nonzero()
    s = scores[ok]
    return pairs[s.argsort(descending=True)[:top_k]]


@wrong("select", "a limit for each location")
def _(scores, threshold, top_k):
    """Top_k for each location."""
    out = []
    for i, row in enumerate(scores):
        for j in row.argsort(descending=True)[:top_k].tolist():
            if row[j] > threshold:
                out.append((float(row[j]), i, j))
    out.sort(key=lambda v: -v[0])
    return torch.tensor([[i, j] for _, i, j in out], dtype=torch.int64).reshape(-1, 2)


@wrong("nms", "the boxes instead of their indices")
def _(boxes, scores, threshold):
    """The boxes instead of their indices."""
    return boxes[_nms(boxes, scores, threshold)]


@wrong("find_hits", "a threshold of one's own")
def _(boxes, scores, truth, threshold):
    """Threshold always 0.5."""
    return _hits(boxes, scores.argsort(descending=True).tolist(), truth, 0.5)


@wrong("find_hits", "sides of the intersection below zero")
def _(boxes, scores, truth, threshold):
    """Negative overlaps multiply to a positive one."""
    hits, used = torch.zeros(len(boxes), dtype=torch.bool), set()

    def iou(a, b):
        i = (min(a[2], b[2]) - max(a[0], b[0])) * (min(a[3], b[3]) - max(a[1], b[1]))
        return i / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - i)

    for i in scores.argsort(descending=True).tolist():
        best, who = -1, None
        for j in range(len(truth)):
            v = iou(boxes[i].tolist(), truth[j].tolist())
            if j not in used and v >= threshold and v > best:
                best, who = v, j
        if who is not None:
            used.add(who)
            hits[i] = True
    return hits


@wrong("average_precision", "the area by trapezoids")
def _(hits, total):
    """The area under the curve as it is (trapezoids)."""
    p, r = _pr(hits, total)
    area, last, lp = 0.0, 0.0, 1.0
    for a, b in zip(p, r):
        area += (b - last) * (a + lp) / 2
        last, lp = b, a
    return area


@wrong("average_precision", "beyond a recall only")
def _(hits, total):
    """Beyond a recall instead of at it or beyond."""
    p, r = _pr(hits, total)
    return sum(max((a for a, b in zip(p, r) if b > i / 100), default=0.0) for i in range(101)) / 101


@wrong("average_precision", "one detection too many below the line")
def _(hits, total):
    """Precision with one detection too many below the line."""
    p, r = _pr(hits, total)
    p = [a * (i + 1) / (i + 2) for i, a in enumerate(p)]
    return sum(max((a for a, b in zip(p, r) if b >= i / 100), default=0.0) for i in range(101)) / 101


@wrong("learning_rate", "a warm-up one step too short")
def _(step, base, warmup, factor, milestones):
    """The warm-up ends one step early: warmup - 1."""
    return (
        base * (factor + (1 - factor) * min(1, step / max(1, warmup - 1))) * 0.1 ** sum(step >= m for m in milestones)
    )


@wrong("learning_rate", "ten times the number of milestones")
def _(step, base, warmup, factor, milestones):
    """Divided by ten times the number of milestones."""
    n = sum(step >= m for m in milestones)
    lr = base * (factor + (1 - factor) * min(1, step / warmup))
    return lr / (10 * n) if n else lr


@wrong("paired_difference", "both sorted first")
def _(first, second):
    """Both sorted before they are paired."""
    d = second.sort()[0] - first.sort()[0]
    return d.mean().item(), (d.std() / len(d) ** 0.5).item()


@right("average_precision")
def _(hits, total):
    """As COCO's own code: linspace and searchsorted."""
    tp = np.cumsum(hits.numpy().astype(float))
    rc = tp / total
    pr = (tp / np.arange(1, len(tp) + 1)).tolist()
    for i in range(len(pr) - 1, 0, -1):
        if pr[i] > pr[i - 1]:
            pr[i - 1] = pr[i]
    q = np.zeros(101)
    for k, i in enumerate(np.searchsorted(rc, np.linspace(0.0, 1.0, 101), side="left")):
        if i < len(pr):
            q[k] = pr[i]
    return float(q.mean())


@right("average_precision")
def _(hits, total):
    """Arange with a step."""
    p, r = _pr(hits, total)
    p, r = np.array(p), np.array(r)
    return float(np.mean([p[r >= t].max() if (r >= t).any() else 0 for t in np.arange(0, 1.005, 0.01)]))


@right("average_precision")
def _(hits, total):
    """Torch float32, a 0-dimensional tensor."""
    if len(hits) == 0:
        return torch.tensor(0.0)
    tp = hits.float().cumsum(0)
    p, r = tp / torch.arange(1, len(hits) + 1), tp / total
    ok = r[None] >= torch.linspace(0, 1, 101)[:, None]
    return torch.where(ok, p, 0.0).amax(1).mean()


@right("near_center")
def _(locations, boxes, stride, radius):
    """The larger of both by loops."""
    out = torch.zeros(len(locations), len(boxes), dtype=torch.bool)
    for i, (x, y) in enumerate(locations.tolist()):
        for j, (a, b, c, d) in enumerate(boxes.tolist()):
            out[i, j] = max(abs(2 * x - a - c), abs(2 * y - b - d)) < 2 * radius * stride
    return out


@right("batched_nms")
def _(boxes, scores, labels, threshold):
    """Per class, then sorted."""
    keep = []
    for c in set(labels.tolist()):
        i = torch.where(labels == c)[0]
        keep += i[_nms(boxes[i], scores[i], threshold)].tolist()
    return torch.tensor(sorted(keep, key=lambda i: scores[i].item(), reverse=True), dtype=torch.int64)


@right("find_hits")
def _(boxes, scores, truth, threshold):
    """Numpy, 0 and 1."""
    iou = _iou(boxes, truth).numpy()
    free, hits = list(range(len(truth))), np.zeros(len(boxes), dtype=np.int64)
    for i in np.argsort(-scores.numpy()):
        free.sort(key=lambda j: -iou[i, j])
        if free and iou[i, free[0]] >= threshold:
            free.pop(0)
            hits[i] = 1
    return torch.from_numpy(hits)


@right("select")
def _(scores, threshold, top_k):
    """Numpy unravel_index."""
    s = scores.numpy()
    order = np.argsort(-s, axis=None, kind="stable")[:top_k]
    order = order[s.ravel()[order] > threshold]
    return torch.from_numpy(np.stack(np.unravel_index(order, s.shape), 1))


@right("in_level")
def _(distances, low, high):
    """Any at least low, all at most high."""
    return (distances >= low).any(2) & (distances <= high).all(2)


@right("in_level")
def _(distances, low, high):
    """Sorted, last."""
    m = distances.sort(dim=-1)[0][..., 3]
    return torch.logical_not((m < low) | (m > high))
