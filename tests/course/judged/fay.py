"""Right answers in the hand of one who likes NumPy, lists and logarithms."""

import math
import statistics
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F

from tests.course.judged import right


@right("locations")
def locations(height, width, stride):
    ys = torch.arange(stride // 2, height * stride, stride)
    xs = torch.arange(stride // 2, width * stride, stride)
    return torch.cartesian_prod(ys, xs).flip(1).to(torch.int32)


@right("ltrb")
def ltrb(locations, boxes):
    sign = torch.tensor([1, 1, -1, -1], dtype=torch.float64)
    return (torch.cat([locations, locations], 1).double()[:, None, :] - boxes.double()) * sign


@right("ltrb_to_boxes")
def ltrb_to_boxes(locations, distances):
    T = torch.tensor([[-1.0, 0, 0, 0], [0, -1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    P = torch.tensor([[1.0, 0, 1, 0], [0, 1, 0, 1]])
    return torch.einsum("ld,de->le", distances, T) + locations @ P


@right("inside")
def inside(distances):
    # each pair of opposite sides adds up to a positive width, so both are positive where the product is
    l, t, r, b = np.moveaxis(np.asarray(distances), -1, 0)
    return (l * r > 0) & (t * b > 0)


@right("in_level")
def in_level(distances, low, high):
    return torch.logical_and((distances >= low).any(dim=-1), ~(distances > high).any(dim=-1)).to(torch.uint8)


@right("near_center")
def near_center(locations, boxes, stride, radius):
    x0, y0, x1, y1 = boxes.T.numpy()
    px, py = locations.T.numpy()[..., None]
    r = radius * stride * 2
    return np.maximum(np.abs(2 * px - x0 - x1), np.abs(2 * py - y0 - y1)) < r


@right("assign")
def assign(locations, boxes, low, high):
    # paint from the largest to the smallest
    out = np.full(len(locations), -1)
    p = locations.numpy().astype(float)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in boxes.double().tolist()]
    for j in sorted(range(len(areas)), key=lambda j: -areas[j]):
        x0, y0, x1, y1 = boxes[j].double().tolist()
        d = np.stack([p[:, 0] - x0, p[:, 1] - y0, x1 - p[:, 0], y1 - p[:, 1]])
        out[(d.min(0) > 0) & (d.max(0) >= low) & (d.max(0) <= high)] = j
    return out


@right("class_targets")
def class_targets(matched, labels):
    table = dict(enumerate(labels.tolist()))
    return [table.get(m, -1) for m in matched.tolist()]


@right("box_targets")
def box_targets(locations, boxes, matched, stride):
    pad = torch.cat([boxes, boxes.new_zeros(1, 4)])
    b = pad[matched]  # -1 is the row of zeros
    d = torch.cat([locations, -locations], 1) - b * torch.tensor([1, 1, -1, -1])
    return d.div(stride).mul(matched.ge(0).unsqueeze(1))


@right("focal_loss")
def focal_loss(logits, labels, alpha, gamma):
    z = logits.double()
    t = torch.eye(z.shape[1] + 1, dtype=torch.float64)[labels][:, :-1]  # -1 is the last row
    s = torch.where(t > 0, z, -z)
    w = torch.where(t > 0, alpha, 1 - alpha)
    return torch.sum(w * torch.exp(gamma * F.logsigmoid(-s)) * F.softplus(-s)).item()


@right("iou_loss")
def iou_loss(predicted, target):
    p, q = predicted.double(), target.double()

    def size(d):
        return (d[:, 0] + d[:, 2]).log() + (d[:, 1] + d[:, 3]).log()

    i = size(torch.minimum(p, q))
    return torch.log(size(p).exp() + size(q).exp() - i.exp()) - i


@right("giou")
def giou(first, second):
    out = []
    for a, b in zip(first.tolist(), second.tolist()):
        w = min(a[2], b[2]) - max(a[0], b[0])
        h = min(a[3], b[3]) - max(a[1], b[1])
        i = w * h if w > 0 and h > 0 else 0.0
        u = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - i
        c = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
        out.append(i / u + u / c - 1)
    return tuple(out)


@right("centerness")
def centerness(ltrb):
    l, t, r, b = (ltrb[..., k].double() for k in range(4))
    num = torch.min(l, r) * torch.min(t, b)
    den = torch.max(l, r) * torch.max(t, b)
    return torch.exp(0.5 * (torch.log(num) - torch.log(den))).nan_to_num(0.0)


@right("centerness_loss")
def centerness_loss(logits, ltrb, labels):
    terms = []
    for z, d, y in zip(logits.tolist(), ltrb.tolist(), labels.tolist()):
        if y < 0:
            continue
        l, t, r, b = d
        c = math.sqrt(min(l, r) / max(l, r) * min(t, b) / max(t, b))
        terms.append(max(z, 0) - z * c + math.log1p(math.exp(-abs(z))))
    return statistics.fmean(terms) if terms else 0


@right("normalize")
def normalize(sums, positives):
    return math.fsum(sums.tolist()) / (int(positives.sum()) or 1)


@right("feature_sizes")
def feature_sizes(height, width, strides):
    return np.array([[-(-height // s), -(-width // s)] for s in strides])


@right("flatten_map")
def flatten_map(x):
    return torch.einsum("bkhw->bhwk", x).contiguous().view(x.size(0), x.size(2) * x.size(3), x.size(1)).double()


@right("tower")
def tower(x, weights, biases):
    for w, b in zip(weights, biases):
        cols = F.unfold(x, 3, padding=1)
        x = torch.einsum("ok,bkl->bol", w.flatten(1), cols).unflatten(2, x.shape[2:]) + b.view(1, -1, 1, 1)
        x = x * (x > 0)
    return x


@right("prior_bias")
def prior_bias(prior):
    return np.float32(2 * math.atanh(2 * prior - 1))


@right("predicted_distances")
def predicted_distances(x, scale, stride):
    out = []
    for row in x.tolist():
        out.append([stride * math.e ** min(12, v * scale) for v in row])
    return out


@right("scores")
def scores(logits, centerness):
    return torch.exp(F.logsigmoid(logits).T + F.logsigmoid(centerness)).T


@right("clip_boxes")
def clip_boxes(boxes, height, width):
    lim = torch.tensor([width, height, width, height])
    return torch.relu(lim - torch.relu(lim - boxes)) if False else boxes.minimum(lim).maximum(torch.zeros(4))


@right("select")
def select(scores, threshold, top_k):
    s = scores.numpy()
    rows = sorted(((-s[i, c], i, c) for i, c in product(*map(range, s.shape)) if s[i, c] > threshold))[:top_k]
    return np.array([(i, c) for _, i, c in rows], dtype=np.int16).reshape(-1, 2)


def _matrix(a, b):
    a, b = a.double(), b.double()
    w = (torch.minimum(a[:, None, 2], b[:, 2]) - torch.maximum(a[:, None, 0], b[:, 0])).clamp(min=0)
    h = (torch.minimum(a[:, None, 3], b[:, 3]) - torch.maximum(a[:, None, 1], b[:, 1])).clamp(min=0)

    def size(c):
        return (c[:, 2] - c[:, 0]) * (c[:, 3] - c[:, 1])

    return w * h, size(a)[:, None] + size(b) - w * h


@right("nms")
def nms(boxes, scores, threshold):
    i, u = _matrix(boxes, boxes)
    over = i > threshold * u  # without a division
    rank = torch.argsort(scores.flip(0), descending=True, stable=True)
    rank = len(scores) - 1 - rank  # of equal scores the later one first
    alive = torch.ones(len(scores), dtype=torch.bool)
    keep = []
    for k in rank.tolist():
        if alive[k]:
            keep.append(k)
            alive &= ~over[k]
    return keep


@right("batched_nms")
def batched_nms(boxes, scores, labels, threshold):
    i, u = _matrix(boxes, boxes)
    over = (i > threshold * u) & (labels[:, None] == labels)
    keep = []
    for k in scores.argsort(descending=True).tolist():
        if not over[k, keep].any():
            keep.append(k)
    return np.array(keep, dtype=np.int64)


@right("find_hits")
def find_hits(boxes, scores, truth, threshold):
    i, u = _matrix(boxes, truth)
    iou = i / u
    hit = [0] * len(boxes)
    if len(truth):
        for k in scores.argsort(descending=True).tolist():
            v, j = iou[k].max(0)
            if v >= threshold:
                hit[k] = 1
                iou[:, j] = -1
    return hit


@right("average_precision")
def average_precision(hits, total):
    h = hits.tolist()
    best = [0.0] * (len(h) + 1)

    for k in range(len(h), 0, -1):
        best[k - 1] = max(best[k], sum(h[:k]) / k)
    # the k-th hit covers recalls up to k / total, in hundredths
    ap, found, asked = 0.0, 0, 0
    for k, one in enumerate(h):
        found += one
        while asked <= 100 and asked * total <= 100 * found:
            ap += best[k]
            asked += 1
    return ap / 101


@right("learning_rate")
def learning_rate(step, base, warmup, factor, milestones):
    import bisect

    up = np.interp(step, [0, warmup], [factor * base, base])
    return up / 10 ** bisect.bisect_right(milestones, step)


@right("moving_average")
def moving_average(average, weights, decay):
    return torch.lerp(weights, average, decay)


@right("resize_boxes")
def resize_boxes(boxes, old, new):
    ratio = torch.tensor(new) / torch.tensor(old)
    return boxes.view(-1, 2, 2).mul(ratio.flip(0)).flatten(1)


@right("paired_difference")
def paired_difference(first, second):
    d = (second - first).tolist()
    return [statistics.mean(d), statistics.stdev(d) / math.sqrt(len(d))]
