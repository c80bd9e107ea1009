"""A second student's answers, each with a mistake of its own."""

import torch
import torch.nn.functional as F

from tests.course.judged import wrong


@wrong("locations", "from right to left")
def locations(height, width, stride):
    # x from the top right: runs from right to left
    xs = torch.arange(width - 1, -1, -1) * stride + stride / 2
    ys = torch.arange(height) * stride + stride / 2
    yy, xx = torch.meshgrid(ys, xs, indexing="ij")
    return torch.stack([xx, yy], -1).reshape(-1, 2)


@wrong("ltrb", "some left out")
def ltrb(locations, boxes):
    out = []
    for x, y in locations.tolist():
        row = []
        for x0, y0, x1, y1 in boxes.tolist():
            row.append([x - x0, y - y0, x1 - x, y1 - y])
        out.append(row)
        return torch.tensor(out)


@wrong("ltrb_to_boxes", "order l t b r")
def ltrb_to_boxes(locations, distances):
    x, y = locations[:, 0], locations[:, 1]
    l, t, r, b = distances.T
    return torch.stack([x - l, y - t, x + b, y + r], 1)


@wrong("inside", "the sign not looked at")
def inside(distances):
    return distances.all(-1)


@wrong("in_level", "the length of all four")
def in_level(distances, low, high):
    # Euclidean length
    m = distances.norm(dim=-1)
    return (m >= low) & (m <= high)


@wrong("near_center", "one half for both axes")
def near_center(locations, boxes, stride, radius):
    # half of the width added on both axes
    w = boxes[:, 2] - boxes[:, 0]
    cx, cy = boxes[:, 0] + w / 2, boxes[:, 1] + w / 2
    dx = (locations[:, :1] - cx).abs()
    dy = (locations[:, 1:] - cy).abs()
    return (dx < radius * stride) & (dy < radius * stride)


@wrong("assign", "root of the area for the level")
def assign(locations, boxes, low, high):
    # level from the root of the area, as in FPN
    if len(boxes) == 0:
        return torch.full((len(locations),), -1)
    x, y = locations[:, 0:1], locations[:, 1:2]
    d = torch.stack([x - boxes[:, 0], y - boxes[:, 1], boxes[:, 2] - x, boxes[:, 3] - y], -1)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    m = area.sqrt()
    ok = (d.amin(-1) > 0) & (m >= low) & (m <= high)
    a = torch.where(ok, area, torch.inf)
    v, i = a.min(1)
    return torch.where(ok.any(1), i, -1)


@wrong("box_targets", "in whole cells")
def box_targets(locations, boxes, matched, stride):
    # whole strides
    out = torch.zeros(len(locations), 4)
    for i, j in enumerate(matched.tolist()):
        if j >= 0:
            x, y = locations[i] / stride
            b = boxes[j] // stride
            out[i] = torch.stack([x - b[0], y - b[1], b[2] - x, b[3] - y])
    return out


@wrong("focal_loss", "alpha under the power too")
def focal_loss(logits, labels, alpha, gamma):
    t = torch.zeros_like(logits)
    pos = labels >= 0
    t[pos, labels[pos]] = 1
    p = logits.sigmoid()
    pt = p * t + (1 - p) * (1 - t)
    at = alpha * t + (1 - alpha) * (1 - t)
    ce = F.binary_cross_entropy_with_logits(logits, t, reduction="none")
    return ((at * (1 - pt)) ** gamma * ce).sum()


@wrong("iou_loss", "weighted by the IoU")
def iou_loss(predicted, target):
    m = torch.minimum(predicted, target)

    def area(d):
        return (d[:, 0] + d[:, 2]) * (d[:, 1] + d[:, 3])

    i = area(m)
    u = area(predicted) + area(target) - i
    iou = i / u
    return -iou * torch.log(iou)


@wrong("giou", "the larger box instead of the hull")
def giou(first, second):
    # CIoU's aspect term
    x0 = torch.maximum(first[:, 0], second[:, 0])
    y0 = torch.maximum(first[:, 1], second[:, 1])
    x1 = torch.minimum(first[:, 2], second[:, 2])
    y1 = torch.minimum(first[:, 3], second[:, 3])
    i = (x1 - x0).clamp(min=0) * (y1 - y0).clamp(min=0)
    a = (first[:, 2] - first[:, 0]) * (first[:, 3] - first[:, 1])
    b = (second[:, 2] - second[:, 0]) * (second[:, 3] - second[:, 1])
    u = a + b - i
    hull = torch.maximum(a, b)
    return i / u - (hull - u) / hull


@wrong("centerness", "the harmonic mean of the ratios")
def centerness(ltrb):
    # roots added under one root: harmonic mean of the two ratios
    l, t, r, b = ltrb.unbind(-1)
    x = torch.minimum(l, r) / torch.maximum(l, r)
    y = torch.minimum(t, b) / torch.maximum(t, b)
    return torch.nan_to_num(2 * x * y / (x + y))


@wrong("normalize", "a floor far below 1")
def normalize(sums, positives):
    n = positives.sum()
    return sums.sum() / n + 1e-6 if n > 0 else sums.sum() / 1e-6


@wrong("feature_sizes", "rounded up to an even number")
def feature_sizes(height, width, strides):
    # each level halves the one before, rounded down then up
    out = []
    for s in strides:
        out.append((-(-height // s) + (-(-height // s)) % 2, -(-width // s) + (-(-width // s)) % 2))
    return out


@wrong("flatten_map", "the first image for all")
def flatten_map(x):
    b, k, h, w = x.shape
    return torch.stack([x[0, :, i, j] for i in range(h) for j in range(w)])[None].repeat(b, 1, 1)


@wrong("tower", "the bias added twice")
def tower(x, weights, biases):
    for w, b in zip(weights, biases):
        x = F.conv2d(x, w, b, padding=1)
        x = F.relu(x + b[:, None, None])
    return x


@wrong("prior_bias", "no logarithm")
def prior_bias(prior):
    return -(1 - prior) / prior


@wrong("scores", "softmax")
def scores(logits, centerness):
    return logits.sigmoid() * centerness.softmax(0)[:, None]


@wrong("clip_boxes", "boxes that reach beyond set to zero")
def clip_boxes(boxes, height, width):
    out = boxes.clone()
    for row in out:
        if row[0] < 0 or row[1] < 0 or row[2] > width or row[3] > height:
            row[:] = 0
    return out


@wrong("select", "a limit for each class")
def select(scores, threshold, top_k):
    # the limit for each class alone, no joint one
    rows = []
    for c in range(scores.shape[1]):
        s, i = scores[:, c].sort(descending=True)
        for v, j in list(zip(s.tolist(), i.tolist()))[:top_k]:
            if v > threshold:
                rows.append((v, j, c))
    rows.sort(reverse=True)
    return torch.tensor([[j, c] for _, j, c in rows]).reshape(-1, 2)


def _pair(a, b):
    s = (torch.minimum(a[2:], b[2:]) - torch.maximum(a[:2], b[:2])).clamp(min=0)
    i = s.prod()
    return i / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - i)


@wrong("nms", "some too many")
def nms(boxes, scores, threshold):
    # soft: the scores of overlapping boxes are lowered
    s = scores.clone().float()
    order = []
    left = list(range(len(s)))
    while left:
        i = max(left, key=lambda k: float(s[k]))
        left.remove(i)
        if s[i] < 0.05:
            continue
        order.append(i)
        for j in left:
            v = _pair(boxes[i], boxes[j])
            if v > threshold:
                s[j] *= 1 - v
    return torch.tensor(order, dtype=torch.long)


@wrong("find_hits", "stops at the first miss")
def find_hits(boxes, scores, truth, threshold):
    # stops at the first detection that is no hit
    hit = torch.zeros(len(boxes), dtype=torch.bool)
    free = list(range(len(truth)))
    for i in scores.argsort(descending=True).tolist():
        best = max(free, key=lambda j: float(_pair(boxes[i], truth[j])), default=None)
        if best is None or _pair(boxes[i], truth[best]) < threshold:
            break
        hit[i] = True
        free.remove(best)
    return hit


@wrong("learning_rate", "the factor times 1 + progress")
def learning_rate(step, base, warmup, factor, milestones):
    rate = base
    if step < warmup:
        rate = base * factor * (1 + step / warmup)
    for m in milestones:
        if step >= m:
            rate *= 0.1
    return rate


@wrong("resize_boxes", "one ratio for both")
def resize_boxes(boxes, old, new):
    s = max(new) / max(old)
    return boxes * s
