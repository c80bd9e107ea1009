"""Mistakes as students make them, written without a look at the course's own mutants: question, mistake, code."""

MISTAKES: list[tuple[str, str, str]] = [
    (
        "locations",
        "x and y swapped",
        """
import torch
def locations(height, width, stride):
    y = torch.arange(height) * stride + stride // 2
    x = torch.arange(width) * stride + stride // 2
    yy, xx = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([yy, xx], dim=-1).reshape(-1, 2)
""",
    ),
    (
        "flatten_map",
        "column by column",
        """
def flatten_map(x):
    x = x.permute(0, 3, 2, 1)
    return x.reshape(x.shape[0], -1, x.shape[-1])
""",
    ),
    (
        "flatten_map",
        "reshaped without permuting",
        """
def flatten_map(x):
    B, C, H, W = x.shape
    return x.reshape(B, -1, C)
""",
    ),
    (
        "locations",
        "no half stride",
        """
import torch
def locations(height, width, stride):
    return torch.tensor([[x * stride, y * stride] for y in range(height) for x in range(width)])
""",
    ),
    (
        "ltrb",
        "left and top with the wrong sign",
        """
import torch
def ltrb(locations, boxes):
    x, y = locations[:, 0, None], locations[:, 1, None]
    x0, y0, x1, y1 = boxes.T
    return torch.stack([x0 - x, y0 - y, x1 - x, y1 - y], dim=2)
""",
    ),
    (
        "ltrb",
        "absolute values",
        """
def ltrb(locations, boxes):
    import torch
    d = torch.zeros(len(locations), len(boxes), 4)
    for i, p in enumerate(locations):
        for j, b in enumerate(boxes):
            d[i, j] = torch.stack([p[0] - b[0], p[1] - b[1], b[2] - p[0], b[3] - p[1]]).abs()
    return d
""",
    ),
    (
        "in_level",
        "size of the box",
        """
import torch
def in_level(distances, low, high):
    l, t, r, b = distances.unbind(-1)
    size = torch.max(l + r, t + b)
    return (size >= low) & (size <= high)
""",
    ),
    (
        "in_level",
        "both bounds left out",
        """
def in_level(distances, low, high):
    if distances.shape[1] == 0:
        return distances.new_zeros(distances.shape[:2])
    m = distances.max(-1)[0]
    return (low < m) & (m < high)
""",
    ),
    (
        "assign",
        "the largest box",
        """
import torch
def assign(locations, boxes, low, high):
    out = torch.full((len(locations),), -1)
    for i, (x, y) in enumerate(locations):
        areas = []
        for x0, y0, x1, y1 in boxes:
            d = torch.stack([x - x0, y - y0, x1 - x, y1 - y])
            ok = d.min() > 0 and low <= d.max() <= high
            areas.append((x1 - x0) * (y1 - y0) if ok else torch.tensor(-1.0))
        if areas and max(areas) > 0:
            out[i] = torch.stack(areas).argmax()
    return out
""",
    ),
    (
        "assign",
        "background learns box 0",
        """
import torch
def assign(locations, boxes, low, high):
    if not len(boxes):
        return torch.full((len(locations),), -1)
    d = torch.cat([locations[:, None] - boxes[:, :2], boxes[:, 2:] - locations[:, None]], -1)
    ok = (d.min(-1)[0] > 0) & (d.max(-1)[0] >= low) & (d.max(-1)[0] <= high)
    area = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).repeat(len(locations), 1)
    area[~ok] = float("inf")
    return area.argmin(1)
""",
    ),
    (
        "assign",
        "areas that tie in float32",
        """
import torch
def assign(locations, boxes, low, high):
    if not len(boxes):
        return torch.full((len(locations),), -1)
    d = torch.cat([locations[:, None] - boxes[:, :2], boxes[:, 2:] - locations[:, None]], -1)
    ok = (d.min(-1)[0] > 0) & (d.max(-1)[0] >= low) & (d.max(-1)[0] <= high)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    value, index = (ok.float() * (1e8 - area)).max(1)
    index[value == 0] = -1
    return index
""",
    ),
    (
        "assign",
        "no case for an image without boxes",
        """
import torch
def assign(locations, boxes, low, high):
    d = torch.cat([locations[:, None] - boxes[:, :2], boxes[:, 2:] - locations[:, None]], -1)
    ok = (d.min(-1)[0] > 0) & (d.max(-1)[0] >= low) & (d.max(-1)[0] <= high)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    cost = torch.where(ok, area, torch.tensor(1e9))
    best, index = cost.min(1)
    return torch.where(best < 1e9, index, -1)
""",
    ),
    (
        "inside",
        "a border counts as inside",
        """
def inside(distances):
    return (distances >= 0).all(dim=2)
""",
    ),
    (
        "class_targets",
        "background is class 0",
        """
import torch
def class_targets(matched, labels):
    out = torch.zeros(len(matched), dtype=torch.long)
    for i, m in enumerate(matched):
        if m >= 0:
            out[i] = labels[m]
    return out
""",
    ),
    (
        "centerness",
        "no square root",
        """
import torch
def centerness(ltrb):
    l, t, r, b = (ltrb[..., i] for i in range(4))
    c = torch.min(l, r) / torch.max(l, r) * (torch.min(t, b) / torch.max(t, b))
    return torch.where(torch.isnan(c), torch.zeros_like(c), c)
""",
    ),
    (
        "centerness_loss",
        "background too",
        """
import torch
import torch.nn.functional as F
def centerness_loss(logits, ltrb, labels):
    lr, tb = ltrb[:, [0, 2]], ltrb[:, [1, 3]]
    c = (lr.min(1)[0] / lr.max(1)[0].clamp(min=1e-9) * tb.min(1)[0] / tb.max(1)[0].clamp(min=1e-9)).sqrt()
    return F.binary_cross_entropy_with_logits(logits, c, reduction="sum") / max(1, int((labels >= 0).sum()))
""",
    ),
    (
        "centerness_loss",
        "sigmoid before the cross-entropy with logits",
        """
import torch
import torch.nn.functional as F
def centerness_loss(logits, ltrb, labels):
    keep = labels >= 0
    if not keep.any():
        return torch.tensor(0.0)
    l, t, r, b = ltrb[keep].T
    c = torch.sqrt(torch.min(l, r) * torch.min(t, b) / (torch.max(l, r) * torch.max(t, b)))
    return F.binary_cross_entropy_with_logits(torch.sigmoid(logits[keep]), c)
""",
    ),
    (
        "focal_loss",
        "(1 - p) for negatives too",
        """
import torch
import torch.nn.functional as F
def focal_loss(logits, labels, alpha, gamma):
    target = torch.zeros_like(logits)
    for i, k in enumerate(labels):
        if k >= 0:
            target[i, k] = 1
    p = logits.sigmoid()
    pos = -alpha * (1 - p) ** gamma * F.logsigmoid(logits) * target
    neg = -(1 - alpha) * (1 - p) ** gamma * F.logsigmoid(-logits) * (1 - target)
    return (pos + neg).sum()
""",
    ),
    (
        "giou",
        "hull minus intersection",
        """
import torch
def giou(first, second):
    out = []
    for a, b in zip(first, second):
        w = (min(a[2], b[2]) - max(a[0], b[0])).clamp(min=0)
        h = (min(a[3], b[3]) - max(a[1], b[1])).clamp(min=0)
        inter = w * h
        union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
        hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
        out.append(inter / union - (hull - inter) / hull)
    return torch.stack(out)
""",
    ),
    (
        "focal_loss",
        "the mean instead of the sum",
        """
import torch
import torch.nn.functional as F
def focal_loss(logits, labels, alpha, gamma):
    t = (labels[:, None] == torch.arange(logits.shape[1])).float()
    ce = F.binary_cross_entropy_with_logits(logits, t, reduction="none")
    p = logits.sigmoid()
    pt = t * p + (1 - t) * (1 - p)
    return ((t * alpha + (1 - t) * (1 - alpha)) * (1 - pt) ** gamma * ce).mean()
""",
    ),
    (
        "normalize",
        "no floor",
        """
def normalize(sums, positives):
    return sums.sum() / positives.sum()
""",
    ),
    (
        "normalize",
        "N_pos of each worker",
        """
def normalize(sums, positives):
    parts = [s / max(1, int(n)) for s, n in zip(sums, positives)]
    return sum(parts) / len(parts)
""",
    ),
    (
        "predicted_distances",
        "no limit",
        """
import torch
def predicted_distances(x, scale, stride):
    return torch.exp(x * scale) * stride
""",
    ),
    (
        "predicted_distances",
        "the stride forgotten",
        """
import torch
def predicted_distances(x, scale, stride):
    return torch.exp(torch.clamp(x * scale, max=12))
""",
    ),
    (
        "predicted_distances",
        "the stride multiplied twice",
        """
import torch
def predicted_distances(x, scale, stride):
    return torch.exp(torch.clamp(scale * x, max=12)) * stride * stride
""",
    ),
    (
        "clip_boxes",
        "x cut at the height",
        """
import torch
def clip_boxes(boxes, height, width):
    out = boxes.clone()
    out[:, [0, 2]] = out[:, [0, 2]].clamp(0, height)
    out[:, [1, 3]] = out[:, [1, 3]].clamp(0, width)
    return out
""",
    ),
    (
        "batched_nms",
        "all classes together",
        """
import torch
def iou(a, b):
    w = (torch.min(a[2], b[2]) - torch.max(a[0], b[0])).clamp(min=0)
    h = (torch.min(a[3], b[3]) - torch.max(a[1], b[1])).clamp(min=0)
    return w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h)
def batched_nms(boxes, scores, labels, threshold):
    keep = []
    for i in scores.argsort(descending=True).tolist():
        if all(iou(boxes[i], boxes[j]) <= threshold for j in keep):
            keep.append(i)
    return torch.tensor(keep)
""",
    ),
    (
        "nms",
        "suppressed exactly at the threshold",
        """
import torch
def nms(boxes, scores, threshold):
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order, keep = scores.argsort(descending=True, stable=True), []
    while len(order):
        i, order = order[0], order[1:]
        keep.append(i.item())
        wh = torch.min(boxes[i, 2:], boxes[order, 2:]) - torch.max(boxes[i, :2], boxes[order, :2])
        inter = wh.clamp(min=0).prod(1)
        order = order[inter / (area[i] + area[order] - inter) < threshold]
    return torch.tensor(keep)
""",
    ),
    (
        "scores",
        "center-ness multiplied twice",
        """
def scores(logits, centerness):
    c = centerness.sigmoid().unsqueeze(-1)
    return logits.sigmoid() * c * c
""",
    ),
    (
        "tower",
        "no ReLU after the last convolution",
        """
import torch
import torch.nn.functional as F
def tower(x, weights, biases):
    for w, b in zip(weights[:-1], biases[:-1]):
        x = torch.relu(F.conv2d(x, w, b, padding=1))
    return F.conv2d(x, weights[-1], biases[-1], padding=1)
""",
    ),
    (
        "find_hits",
        "an object found twice counts twice",
        """
import torch
def find_hits(boxes, scores, truth, threshold):
    hits = []
    for b in boxes.tolist():
        best = 0
        for g in truth.tolist():
            w = max(0, min(b[2], g[2]) - max(b[0], g[0]))
            h = max(0, min(b[3], g[3]) - max(b[1], g[1]))
            union = (b[2] - b[0]) * (b[3] - b[1]) + (g[2] - g[0]) * (g[3] - g[1]) - w * h
            best = max(best, w * h / union)
        hits.append(len(truth) > 0 and best >= threshold)
    return hits
""",
    ),
    (
        "average_precision",
        "the curve not made falling",
        """
import numpy as np
def average_precision(hits, total):
    if len(hits) == 0:
        return 0.0
    tp = np.cumsum(hits.numpy())
    recall, precision = tp / total, tp / np.arange(1, len(tp) + 1)
    out = 0
    for r in np.linspace(0, 1, 101):
        place = np.searchsorted(recall, r)
        out += precision[place] if place < len(precision) else 0
    return out / 101
""",
    ),
    (
        "learning_rate",
        "a milestone one step late",
        """
def learning_rate(step, base, warmup, factor, milestones):
    if step < warmup:
        return base * (factor + (1 - factor) * step / warmup)
    for m in milestones:
        if step > m:
            base *= 0.1
    return base
""",
    ),
    (
        "learning_rate",
        "no warm-up",
        """
def learning_rate(step, base, warmup, factor, milestones):
    for m in milestones:
        if step >= m:
            base *= 0.1
    return base
""",
    ),
    (
        "near_center",
        "radius in pixels",
        """
import torch
def near_center(locations, boxes, stride, radius):
    cx, cy = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    return ((locations[:, :1] - cx).abs() < radius) & ((locations[:, 1:] - cy).abs() < radius)
""",
    ),
    (
        "resize_boxes",
        "x by the height",
        """
def resize_boxes(boxes, old, new):
    out = boxes.clone()
    out[:, [0, 2]] *= new[0] / old[0]
    out[:, [1, 3]] *= new[1] / old[1]
    return out
""",
    ),
    (
        "paired_difference",
        "not paired",
        """
def paired_difference(first, second):
    a, b = first.tolist(), second.tolist()
    n = len(a)
    ma, mb = sum(a) / n, sum(b) / n
    va = sum((x - ma) ** 2 for x in a) / (n - 1)
    vb = sum((x - mb) ** 2 for x in b) / (n - 1)
    return mb - ma, (va / n + vb / n) ** 0.5
""",
    ),
    (
        "ltrb_to_boxes",
        "left and top added",
        """
import torch
def ltrb_to_boxes(locations, distances):
    return torch.cat([locations + distances[:, :2], locations + distances[:, 2:]], dim=1)
""",
    ),
    (
        "feature_sizes",
        "rounded down",
        """
def feature_sizes(height, width, strides):
    return [(height // s, width // s) for s in strides]
""",
    ),
    (
        "select",
        "only the best class of a location",
        """
import torch
def select(scores, threshold, top_k):
    best, label = scores.max(1)
    keep = torch.nonzero(best > threshold)[:, 0]
    keep = keep[best[keep].argsort(descending=True)][:top_k]
    return torch.stack([keep, label[keep]], 1)
""",
    ),
    (
        "iou_loss",
        "1 - IoU",
        """
import torch
def iou_loss(predicted, target):
    p, q = predicted.unbind(1), target.unbind(1)
    inter = (torch.min(p[0], q[0]) + torch.min(p[2], q[2])) * (torch.min(p[1], q[1]) + torch.min(p[3], q[3]))
    union = (p[0] + p[2]) * (p[1] + p[3]) + (q[0] + q[2]) * (q[1] + q[3]) - inter
    return 1 - inter / union
""",
    ),
    (
        "box_targets",
        "in pixels",
        """
import torch
def box_targets(locations, boxes, matched, stride):
    out = torch.zeros(len(locations), 4)
    for i, m in enumerate(matched):
        if m >= 0:
            out[i, :2] = locations[i] - boxes[m, :2]
            out[i, 2:] = boxes[m, 2:] - locations[i]
    return out
""",
    ),
]
