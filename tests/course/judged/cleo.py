"""A third student's answers, each with a mistake of its own."""

import math

import torch

from tests.course.judged import wrong


@wrong("locations", "another shape")
def locations(height, width, stride):
    half = stride // 2
    pts = []
    for y in range(0, height * stride, stride):
        for x in range(0, width * stride, stride):
            pts.append((x + half) // 1.0)
            pts.append(y + half)
    return torch.tensor(pts)


@wrong("ltrb", "right and bottom with the wrong sign")
def ltrb(locations, boxes):
    return torch.cat([locations[:, None] - boxes[:, :2], locations[:, None] - boxes[:, 2:]], -1)


@wrong("ltrb_to_boxes", "third and fourth of each row")
def ltrb_to_boxes(locations, distances):
    x, y = locations.T
    l, t, r, b = distances.T
    return torch.stack([torch.minimum(x - l, x + r), y - t, x + r + 1, y + b + 1], -1)


@wrong("inside", "yes too often")
def inside(distances):
    l, t, r, b = distances.unbind(-1)
    return (l > 0) & (t > 0) | (r > 0) & (b > 0)


@wrong("in_level", "the lower bound left out")
def in_level(distances, low, high):
    l, t, r, b = distances.unbind(-1)
    m = torch.maximum(l + r, t + b) * 0.5
    m2 = distances.max(-1).values if distances.numel() else m
    return (m2 > low) & (m2 <= high) | (m2 == 0)


@wrong("near_center", "only inside the box")
def near_center(locations, boxes, stride, radius):
    c = (boxes[:, :2] + boxes[:, 2:]) / 2
    lo = torch.maximum(c - radius * stride, boxes[:, :2])
    hi = torch.minimum(c + radius * stride, boxes[:, 2:])
    p = locations[:, None]
    return ((p > lo) & (p < hi)).all(-1)


@wrong("assign", "two sides alone for the level")
def assign(locations, boxes, low, high):
    # only left and right decide the level
    out = []
    for x, y in locations.tolist():
        best, area = -1, float("inf")
        for j, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
            d = [x - x0, y - y0, x1 - x, y1 - y]
            if min(d) > 0 and low <= max(d[0], d[2]) <= high and (x1 - x0) * (y1 - y0) < area:
                best, area = j, (x1 - x0) * (y1 - y0)
        out.append(best)
    return torch.tensor(out)


@wrong("class_targets", "not finite")
def class_targets(matched, labels):
    out = []
    for m in matched:
        if m >= 0:
            out.append(labels[m])
        else:
            out.append(torch.tensor(float("nan")))
    return torch.stack([o.float() for o in out])


@wrong("box_targets", "in whole cells")
def box_targets(locations, boxes, matched, stride):
    # measured in cells of the level: location // stride
    out = torch.zeros(len(locations), 4)
    ok = matched >= 0
    b = boxes[matched[ok]] / stride
    p = (locations[ok] / stride).floor()
    out[ok] = torch.cat([p - b[:, :2], b[:, 2:] - p], 1)
    return out


@wrong("giou", "the hull measured from 0")
def giou(first, second):
    # the hull measured from 0
    side = (torch.minimum(first[:, 2:], second[:, 2:]) - torch.maximum(first[:, :2], second[:, :2])).clamp(min=0)
    i = side.prod(1)
    u = (first[:, 2:] - first[:, :2]).prod(1) + (second[:, 2:] - second[:, :2]).prod(1) - i
    h = torch.maximum(first[:, 2:], second[:, 2:]).prod(1)
    return i / u - (h - u) / h


@wrong("centerness", "a small number below the line")
def centerness(ltrb):
    l, t, r, b = ltrb.unbind(-1)
    lr = torch.stack([l, r], -1)
    tb = torch.stack([t, b], -1)
    x = lr.amin(-1) / (lr.amax(-1) + 1e-2)
    y = tb.amin(-1) / (tb.amax(-1) + 1e-2)
    return (x * y).sqrt()


@wrong("normalize", "a floor that grows with the workers")
def normalize(sums, positives):
    return sums.sum() / positives.sum().clamp(min=len(positives))


@wrong("feature_sizes", "rounded to the nearest")
def feature_sizes(height, width, strides):
    return [(int(height / s + 0.5), int(width / s + 0.5)) for s in strides]


@wrong("flatten_map", "the channels turned round")
def flatten_map(x):
    return x.flatten(2).flip(1).transpose(1, 2)


@wrong("prior_bias", "raises ValueError")
def prior_bias(prior):
    return math.log(prior / 1 - prior)


@wrong("scores", "one center-ness for all")
def scores(logits, centerness):
    return logits.sigmoid() * centerness.sigmoid().mean()


@wrong("clip_boxes", "corners instead of axes")
def clip_boxes(boxes, height, width):
    return torch.stack(
        [
            boxes[:, 0].clamp(0, width),
            boxes[:, 1].clamp(0, width),
            boxes[:, 2].clamp(0, height),
            boxes[:, 3].clamp(0, height),
        ],
        1,
    )


@wrong("select", "class before location")
def select(scores, threshold, top_k):
    k = min(top_k, scores.numel())
    v, i = scores.flatten().topk(k)
    i = i[: int((v > threshold).sum())]
    return torch.stack([i % scores.shape[1], i // scores.shape[1]], 1)


def _iou(a, b):
    s = (torch.minimum(a[:, None, 2:], b[:, 2:]) - torch.maximum(a[:, None, :2], b[:, :2])).clamp(min=0)
    i = s.prod(-1)
    return i / ((a[:, 2:] - a[:, :2]).prod(1)[:, None] + (b[:, 2:] - b[:, :2]).prod(1) - i)


@wrong("batched_nms", "one class left out")
def batched_nms(boxes, scores, labels, threshold):
    keep = []
    for c in range(int(labels.max()) if len(labels) else 0):
        idx = (labels == c).nonzero()[:, 0]
        order = idx[scores[idx].argsort(descending=True)]
        kept = []
        for i in order.tolist():
            if all(_iou(boxes[[i]], boxes[[j]]).item() <= threshold for j in kept):
                kept.append(i)
        keep += kept
    keep.sort(key=lambda i: float(scores[i]), reverse=True)
    return torch.tensor(keep, dtype=torch.long)


@wrong("find_hits", "only one hit")
def find_hits(boxes, scores, truth, threshold):
    # only one hit per image
    hit = torch.zeros(len(boxes), dtype=torch.bool)
    if len(boxes) and len(truth):
        v = _iou(boxes, truth).amax(1)
        ok = v >= threshold
        if ok.any():
            s = torch.where(ok, scores, -1)
            hit[s.argmax()] = True
    return hit


@wrong("average_precision", "the last precision where the recall is never reached")
def average_precision(hits, total):
    # from the best to the worst: cumulative max in the wrong axis of recall, weights by recall steps, no falling
    tp = hits.float().cumsum(0)
    if len(hits) == 0:
        return 0.0
    r = tp / total
    p = tp / torch.arange(1, len(hits) + 1)
    p = p.flip(0).cummax(0).values.flip(0)
    ap = 0.0
    for x in torch.linspace(0, 1, 101):
        j = int((r < x).sum())
        ap += float(p[min(j, len(p) - 1)]) / 101
    return ap


@wrong("learning_rate", "a warm-up one step too short")
def learning_rate(step, base, warmup, factor, milestones):
    if step < warmup:
        return base * (factor + (1 - factor) * step / (warmup - 1)) if warmup > 1 else base * factor
    return base * 0.1 ** sum(step >= m for m in milestones)


@wrong("moving_average", "nothing returned")
def moving_average(average, weights, decay):
    average.mul_(decay).add_(weights, alpha=1 - decay)


@wrong("resize_boxes", "third and fourth of each row")
def resize_boxes(boxes, old, new):
    sx, sy = new[1] / old[1], new[0] / old[0]
    x0, y0, x1, y1 = boxes.T
    return torch.stack([x0 * sx, y0 * sy, x1 * sx + 1, y1 * sy + 1], 1)


@wrong("paired_difference", "the second of the answer")
def paired_difference(first, second):
    n = len(first)
    d = second.mean() - first.mean()
    sd = math.sqrt(((second - first - d) ** 2).sum() / (n - 1))
    return d, sd / math.sqrt(n) * d
