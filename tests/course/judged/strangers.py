"""Of all labs, by a stranger who had not seen the list of known mistakes when these were written."""

import math
import statistics

import numpy as np
import torch
import torch.nn.functional as F
from torchvision.ops import generalized_box_iou

from tests.course.judged import right, wrong


@wrong("locations", "half a pixel instead of half a stride")
def _(h, w, s):
    return torch.tensor([[x * s + 0.5, y * s + 0.5] for y in range(h) for x in range(w)])


@wrong("locations", "half a pixel off")
def _(h, w, s):
    return torch.tensor([[x * s + (s - 1) / 2, y * s + (s - 1) / 2] for y in range(h) for x in range(w)])


@wrong("locations", "half a stride on one axis only")
def _(h, w, s):
    return torch.tensor([[x * s + s / 2, y * s] for y in range(h) for x in range(w)])


@wrong("locations", "spread from side to side")
def _(h, w, s):
    xs = torch.linspace(s / 2, w * s, w)
    ys = torch.linspace(s / 2, h * s, h)
    return torch.stack([xs.repeat(h), ys.repeat_interleave(w)], 1)


@wrong("locations", "in shares of the picture")
def _(h, w, s):
    return torch.tensor([[(x + 0.5) / w, (y + 0.5) / h] for y in range(h) for x in range(w)])


@wrong("ltrb", "third and fourth of each row")
def _(p, b):
    x, y = p[:, None, 0], p[:, None, 1]
    return torch.stack([x - b[:, 0], y - b[:, 1], b[:, 2] - b[:, 0] - x, b[:, 3] - b[:, 1] - y], -1)


@wrong("ltrb", "second of each row")
def _(p, b):
    x, y = p[:, None, 0], p[:, None, 1]
    return torch.stack([x - b[:, 0], x - b[:, 1], b[:, 2] - x, b[:, 3] - y], -1)


@wrong("ltrb", "locations and boxes swapped in the shape")
def _(p, b):
    return torch.cat([p[None] - b[:, None, :2], b[:, None, 2:] - p[None]], -1)


@wrong("ltrb_to_boxes", "third and fourth of each row")
def _(p, d):
    return torch.cat([p - d[:, :2], p + d[:, :2]], 1)


@wrong("ltrb_to_boxes", "half of the distances")
def _(p, d):
    return torch.cat([p - d[:, :2] / 2, p + d[:, 2:] / 2], 1)


@wrong("ltrb_to_boxes", "cut at zero")
def _(p, d):
    return torch.cat([p - d[:, :2], p + d[:, 2:]], 1).clamp(min=0)


@wrong("ltrb_to_boxes", "center, width, height")
def _(p, d):
    b = torch.cat([p - d[:, :2], p + d[:, 2:]], 1)
    return torch.cat([(b[:, :2] + b[:, 2:]) / 2, b[:, 2:] - b[:, :2]], 1)


@wrong("inside", "right and bottom may be zero")
def _(d):
    return (d[..., 0] > 0) & (d[..., 1] > 0) & (d[..., 2] >= 0) & (d[..., 3] >= 0)


@wrong("inside", "any side is enough")
def _(d):
    return (d > 0).any(-1)


@wrong("inside", "the sum instead of each side")
def _(d):
    return d.mean(-1) > 0


@wrong("inside", "a number instead of yes or no")
def _(d):
    return torch.where((d > 0).all(-1), d.amin(-1), torch.zeros(()))


# ---------------------------------------------------------------------- lab 2
@wrong("in_level", "the second largest distance")
def _(d, lo, hi):
    if d.shape[1] == 0:
        return torch.zeros(d.shape[:2], dtype=torch.bool)
    m = d.sort(-1).values[..., 2]
    return (m >= lo) & (m <= hi)


@wrong("in_level", "absolute values")
def _(d, lo, hi):
    m = d.abs().amax(-1)
    return (m >= lo) & (m <= hi)


@wrong("in_level", "one side left out")
def _(d, lo, hi):
    m = d[..., :3].amax(-1)
    return (m >= lo) & (m <= hi)


@wrong("in_level", "true and false swapped")
def _(d, lo, hi):
    m = d.amax(-1)
    return ~((m >= lo) & (m <= hi))


@wrong("near_center", "in cells")
def _(p, b, s, r):
    c = (b[:, :2] + b[:, 2:]) / 2
    return ((p[:, None] // s - c // s).abs() < r).all(-1)


@wrong("near_center", "columns of the box mixed up")
def _(p, b, s, r):
    cx = (b[:, 0] + b[:, 3]) / 2
    cy = (b[:, 1] + b[:, 2]) / 2
    return ((p[:, :1] - cx).abs() < r * s) & ((p[:, 1:] - cy).abs() < r * s)


@wrong("near_center", "the corner instead of the centre")
def _(p, b, s, r):
    return ((p[:, None] - b[:, 2:]).abs() < r * s).all(-1)


@wrong("near_center", "axes swapped")
def _(p, b, s, r):
    c = (b[:, :2] + b[:, 2:]) / 2
    return ((p[None] - c[:, None]).abs() < r * s).all(-1)


@wrong("near_center", "half the reach")
def _(p, b, s, r):
    c = (b[:, :2] + b[:, 2:]) / 2
    return ((p[:, None] - c).abs() < r * s / 2).all(-1)


def fits(p, b, lo, hi):
    d = torch.cat([p[:, None] - b[:, :2], b[:, 2:] - p[:, None]], -1)
    m = d.amax(-1)
    return d, (d.amin(-1) > 0) & (m >= lo) & (m <= hi)


@wrong("assign", "the nearest side instead of the area")
def _(p, b, lo, hi):
    if not len(b):
        return torch.full((len(p),), -1)
    d, ok = fits(p, b, lo, hi)
    m = d.amax(-1).masked_fill(~ok, math.inf)
    v, i = m.min(1)
    i[v.isinf()] = -1
    return i


@wrong("assign", "the best center-ness instead of the area")
def _(p, b, lo, hi):
    if not len(b):
        return torch.full((len(p),), -1)
    d, ok = fits(p, b, lo, hi)
    lr, tb = d[..., ::2], d[..., 1::2]
    c = (lr.amin(-1) / lr.amax(-1) * tb.amin(-1) / tb.amax(-1)).masked_fill(~ok, -1)
    v, i = c.max(1)
    i[v <= -1] = -1
    return i


@wrong("assign", "")
def _(p, b, lo, hi):
    if not len(b):
        return torch.full((len(p),), -1)
    d, ok = fits(p, b, lo, hi)
    a = torch.minimum(b[:, 2] - b[:, 0], b[:, 3] - b[:, 1]).expand(len(p), -1).masked_fill(~ok, math.inf)
    v, i = a.min(1)
    i[v.isinf()] = -1
    return i


@wrong("assign", "background learns the last box")
def _(p, b, lo, hi):
    if not len(b):
        return torch.full((len(p),), -1)
    d, ok = fits(p, b, lo, hi)
    a = ((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])).expand(len(p), -1).masked_fill(~ok, math.inf)
    v, i = a.min(1)
    i[v.isinf()] = len(b) - 1
    return i


@wrong("class_targets", "a row for each location")
def _(m, y):
    out = torch.zeros(len(m), int(y.max()) + 1 if len(y) else 1)
    for i, k in enumerate(m):
        if k >= 0:
            out[i, y[k]] = 1
    return out


@wrong("class_targets", "")
def _(m, y):
    if not len(y):
        return torch.full_like(m, -1)
    ys = y.sort().values
    return torch.where(m >= 0, ys[m.clamp(min=0)], -1)


@wrong("class_targets", "the right ones in another order")
def _(m, y):
    return (
        torch.where(m >= 0, y[m] if len(y) else m, 0) - 0
        if False
        else torch.tensor([int(y[k]) for k in m if k >= 0] + [-1] * int((m < 0).sum()))
    )


@wrong("box_targets", "the logarithm")
def _(p, b, m, s):
    out = torch.zeros(len(p), 4)
    for i, k in enumerate(m):
        if k >= 0:
            out[i] = torch.log(torch.cat([p[i] - b[k, :2], b[k, 2:] - p[i]]) / s)
    return out


@wrong("box_targets", "cut to whole numbers")
def _(p, b, m, s):
    out = torch.zeros(len(p), 4)
    for i, k in enumerate(m):
        if k >= 0:
            out[i] = torch.cat([p[i] - b[k, :2], b[k, 2:] - p[i]]) // s
    return out


@wrong("box_targets", "the first box for all")
def _(p, b, m, s):
    out = torch.zeros(len(p), 4)
    for i, k in enumerate(m):
        if k >= 0:
            out[i] = torch.cat([p[i] - b[0, :2], b[0, 2:] - p[i]]) / s
    return out


# ---------------------------------------------------------------------- lab 3
def onehot(z, y):
    t = torch.zeros_like(z)
    i = (y >= 0).nonzero()[:, 0]
    t[i, y[i]] = 1
    return t


@wrong("focal_loss", "p for positives too")
def _(z, y, a, g):
    t = onehot(z, y)
    p = z.sigmoid()
    return (-(t * a * p**g * F.logsigmoid(z) + (1 - t) * (1 - a) * p**g * F.logsigmoid(-z))).sum()


@wrong("focal_loss", "the sign")
def _(z, y, a, g):
    t = onehot(z, y)
    p = z.sigmoid()
    return (t * a * (1 - p) ** g * F.logsigmoid(z) + (1 - t) * (1 - a) * p**g * F.logsigmoid(-z)).sum()


@wrong("focal_loss", "1 - p to the gamma")
def _(z, y, a, g):
    t = onehot(z, y)
    p = z.sigmoid()
    return (-(t * a * (1 - p**g) * F.logsigmoid(z) + (1 - t) * (1 - a) * p**g * F.logsigmoid(-z))).sum()


@wrong("focal_loss", "a constant factor")
def _(z, y, a, g):
    t = onehot(z, y)
    p = z.sigmoid()
    return (-(t * a * (1 - p) ** g * F.logsigmoid(z) + (1 - t) * (1 - a) * p**g * F.logsigmoid(-z))).sum() / math.log(2)


@wrong("iou_loss", "a constant factor")
def _(a, b):
    w = torch.minimum(a[:, 0], b[:, 0]) + torch.minimum(a[:, 2], b[:, 2])
    h = torch.minimum(a[:, 1], b[:, 1]) + torch.minimum(a[:, 3], b[:, 3])
    i = w * h

    def A(d):
        return (d[:, 0] + d[:, 2]) * (d[:, 1] + d[:, 3])

    u = A(a) + A(b) - i
    return -2 * (i / u).log()


@wrong("iou_loss", "l times r")
def _(a, b):
    w = torch.minimum(a[:, 0], b[:, 0]) + torch.minimum(a[:, 2], b[:, 2])
    h = torch.minimum(a[:, 1], b[:, 1]) + torch.minimum(a[:, 3], b[:, 3])
    i = w * h

    def A(d):
        return (d[:, 0] * d[:, 2]) * (d[:, 1] * d[:, 3])

    u = A(a) + A(b) - i
    return -(i / u).log()


@wrong("iou_loss", "the intersection counted twice in the union")
def _(a, b):
    w = torch.minimum(a[:, 0], b[:, 0]) + torch.minimum(a[:, 2], b[:, 2])
    h = torch.minimum(a[:, 1], b[:, 1]) + torch.minimum(a[:, 3], b[:, 3])

    def A(d):
        return (d[:, 0] + d[:, 2]) * (d[:, 1] + d[:, 3])

    return torch.log((A(a) + A(b)) / (w * h))


@wrong("iou_loss", "distances compared one by one")
def _(a, b):
    return (a - b).abs().sum(1)


@wrong("giou", "the sign")
def _(a, b):
    return -generalized_box_iou(a, b).diagonal()


@wrong("giou", "IoU over the smaller box")
def _(a, b):
    lt = torch.maximum(a[:, :2], b[:, :2])
    rb = torch.minimum(a[:, 2:], b[:, 2:])
    i = (rb - lt).clamp(min=0).prod(1)
    A = (a[:, 2:] - a[:, :2]).prod(1)
    B = (b[:, 2:] - b[:, :2]).prod(1)
    u = A + B - i
    h = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    return i / torch.minimum(A, B) - (h - u) / h


@wrong("giou", "both areas instead of the union")
def _(a, b):
    lt = torch.maximum(a[:, :2], b[:, :2])
    rb = torch.minimum(a[:, 2:], b[:, 2:])
    i = (rb - lt).clamp(min=0).prod(1)
    A = (a[:, 2:] - a[:, :2]).prod(1)
    B = (b[:, 2:] - b[:, :2]).prod(1)
    u = A + B - i
    h = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    return i / u - (h - A - B) / h


@wrong("centerness", "1 added below the line")
def _(d):
    l, t, r, b = d.unbind(-1)
    return (torch.minimum(l, r) / (torch.maximum(l, r) + 1) * torch.minimum(t, b) / (torch.maximum(t, b) + 1)).sqrt()


@wrong("centerness", "over the sum instead of the larger")
def _(d):
    l, t, r, b = d.unbind(-1)
    return torch.nan_to_num((torch.minimum(l, r) / (l + r) * torch.minimum(t, b) / (t + b)).sqrt())


@wrong("centerness", "over the sum instead of the larger")
def _(d):
    l, t, r, b = d.unbind(-1)
    return torch.nan_to_num((torch.minimum(l, r) * torch.minimum(t, b) / ((l + r) * (t + b))).sqrt()) * 2


@wrong("centerness", "a bell curve")
def _(d):
    l, t, r, b = d.unbind(-1)
    return torch.nan_to_num(torch.exp(-(((l - r) / (l + r)) ** 2 + ((t - b) / (t + b)) ** 2)))


def ctr(d):
    l, t, r, b = d.unbind(-1)
    return torch.nan_to_num(
        (torch.minimum(l, r) / torch.maximum(l, r) * torch.minimum(t, b) / torch.maximum(t, b)).sqrt()
    )


@wrong("centerness_loss", "the sign")
def _(z, d, y):
    p = y >= 0
    return -F.binary_cross_entropy_with_logits(z[p], ctr(d[p])) if p.any() else torch.tensor(0.0)


@wrong("centerness_loss", "0/0 without objects")
def _(z, d, y):
    p = y >= 0
    return F.binary_cross_entropy_with_logits(z[p], ctr(d[p]))


@wrong("centerness_loss", "a hard target")
def _(z, d, y):
    p = y >= 0
    return F.binary_cross_entropy_with_logits(z[p], (ctr(d[p]) > 0.5).float()) if p.any() else torch.tensor(0.0)


@wrong("normalize", "divided by the number of workers too")
def _(s, n):
    return s.mean() / n.sum().clamp(min=1)


@wrong("normalize", "")
def _(s, n):
    return s.sum() // max(1, int(n.sum()))


@wrong("normalize", "divided by the workers with objects")
def _(s, n):
    return s.sum() / max(1, int((n > 0).sum()))


# ---------------------------------------------------------------------- lab 4
@wrong("feature_sizes", "rounded down after the first level")
def _(h, w, st):
    out = [(-(-h // st[0]), -(-w // st[0]))]
    for _ in st[1:]:
        out.append((out[-1][0] // 2, out[-1][1] // 2))
    return out


@wrong("feature_sizes", "the right ones in another order")
def _(h, w, st):
    return [(-(-h // s), -(-w // s)) for s in reversed(st)]


@wrong("feature_sizes", "in pixels")
def _(h, w, st):
    return [(-(-h // s) * s, -(-w // s) * s) for s in st]


@wrong("flatten_map", "reshaped without permuting")
def _(x):
    return x.flatten(2).reshape(x.shape[0], -1, x.shape[1])


@wrong("flatten_map", "some left out")
def _(x):
    return x[:1].flatten(2).permute(0, 2, 1)


@wrong("flatten_map", "column by column")
def _(x):
    return x.permute(0, 3, 2, 1).flatten(1, 2)


@wrong("tower", "ReLU on the input too")
def _(x, ws, bs):
    x = x.relu()
    for w, b in zip(ws, bs):
        x = F.conv2d(x, w, b, padding=1).relu()
    return x


@wrong("tower", "a wrong shape")
def _(x, ws, bs):
    for w, b in zip(ws, bs):
        x = F.conv2d(x, w, b, padding=1, stride=2).relu()
    return x


@wrong("tower", "biases in the opposite order")
def _(x, ws, bs):
    for w, b in zip(ws, bs[::-1]):
        x = F.conv2d(x, w, b, padding=1).relu()
    return x


@wrong("prior_bias", "the logarithm of 1 - prior")
def _(p):
    return -math.log(1 - p)


@wrong("prior_bias", "log2 or log10")
def _(p):
    return -math.log10((1 - p) / p)


@wrong("predicted_distances", "12 as the least")
def _(x, a, s):
    return torch.exp((x * a).clamp(min=12)) * s


@wrong("predicted_distances", "a sigmoid instead of exp")
def _(x, a, s):
    return torch.sigmoid(x * a) * s


@wrong("predicted_distances", "a square instead of exp")
def _(x, a, s):
    return (x * a) ** 2 * s


@wrong("predicted_distances", "another limit")
def _(x, a, s):
    return torch.exp((x * a).clamp(max=10)) * s


# ---------------------------------------------------------------------- lab 5
@wrong("scores", "1 - center-ness")
def _(z, c):
    return z.sigmoid() * (1 - c.sigmoid()[:, None])


@wrong("scores", "all but the best class set to zero")
def _(z, c):
    s = z.sigmoid() * c.sigmoid()[:, None]
    m = s.amax(1, keepdim=True)
    return torch.where(s == m, s, 0.0)


@wrong("scores", "divided by the largest")
def _(z, c):
    return z.sigmoid() * (c / c.max())[:, None]


@wrong("clip_boxes", "")
def _(b, h, w):
    return b.abs().minimum(torch.tensor([w, h, w, h], dtype=b.dtype))


@wrong("clip_boxes", "at least a pixel left")
def _(b, h, w):
    o = torch.stack([b[:, 0].clamp(0, w), b[:, 1].clamp(0, h), b[:, 2].clamp(1, w), b[:, 3].clamp(1, h)], 1)
    return o


@wrong("clip_boxes", "only two sides")
def _(b, h, w):
    return torch.stack([b[:, 0].clamp(min=0), b[:, 1].clamp(min=0), b[:, 2].clamp(max=w), b[:, 3].clamp(max=h)], 1)


@wrong("select", "some left out")
def _(s, t, k):
    rows = [
        (float(s[i, c]), i, c)
        for i in range(len(s))
        for c in s[i].topk(min(2, s.shape[1])).indices.tolist()
        if s[i, c] > t
    ]
    rows.sort(reverse=True)
    return torch.tensor([[i, c] for _, i, c in rows[:k]]).reshape(-1, 2)


@wrong("select", "the lowest first")
def _(s, t, k):
    rows = sorted((float(s[i, c]), i, c) for i in range(len(s)) for c in range(s.shape[1]) if s[i, c] > t)
    return torch.tensor([[i, c] for _, i, c in rows[-k:]]).reshape(-1, 2)


def iou(a, b):
    lt = torch.maximum(a[:2], b[:2])
    rb = torch.minimum(a[2:], b[2:])
    i = (rb - lt).clamp(min=0).prod()
    return i / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - i)


@wrong("nms", "stops at the first that goes")
def _(b, s, t):
    k = []
    for i in s.argsort(descending=True).tolist():
        if any(iou(b[i], b[j]) > t for j in k):
            break
        k.append(i)
    return torch.tensor(k, dtype=torch.long)


@wrong("nms", "the suppressed ones")
def _(b, s, t):
    k = []
    g = []
    for i in s.argsort(descending=True).tolist():
        (g if any(iou(b[i], b[j]) > t for j in k) else k).append(i)
    return torch.tensor(g, dtype=torch.long)


@wrong("nms", "the boxes instead of their indices")
def _(b, s, t):
    k = []
    for i in s.argsort(descending=True).tolist():
        if all(iou(b[i], b[j]) <= t for j in k):
            k.append(i)
    return b[k]


@wrong("nms", "a wrong number of answers")
def _(b, s, t):
    k = []
    c = (b[:, :2] + b[:, 2:]) / 2
    for i in s.argsort(descending=True).tolist():
        if all((c[i] - c[j]).abs().max() > 20 for j in k):
            k.append(i)
    return torch.tensor(k, dtype=torch.long)


@wrong("batched_nms", "")
def _(b, s, y, t):
    k = []
    for i in s.argsort(descending=True).tolist():
        if all(not (y[i] == y[j] or iou(b[i], b[j]) > 0.99) or iou(b[i], b[j]) <= t for j in k):
            k.append(i)
    return torch.tensor(k, dtype=torch.long)


@wrong("batched_nms", "the right ones in another order")
def _(b, s, y, t):
    k = []
    for c in y.unique().flip(0).tolist():
        kk = []
        for i in s.argsort(descending=True).tolist():
            if y[i] == c and all(iou(b[i], b[j]) <= t for j in kk):
                kk.append(i)
        k += kk
    return torch.tensor(k, dtype=torch.long)


@wrong("find_hits", "")
def _(b, s, g, t):
    out = torch.zeros(len(b), dtype=torch.bool)
    used = set()
    for i in s.argsort(descending=True).tolist():
        c = (b[i, :2] + b[i, 2:]) / 2
        for j in range(len(g)):
            if j not in used and (c > g[j, :2]).all() and (c < g[j, 2:]).all():
                out[i] = True
                used.add(j)
                break
    return out


@wrong("find_hits", "true and false swapped")
def _(b, s, g, t):
    out = torch.ones(len(b), dtype=torch.bool)
    used = set()
    for i in s.argsort(descending=True).tolist():
        best = max(((float(iou(b[i], g[j])), j) for j in range(len(g)) if j not in used), default=(0, -1))
        if best[1] >= 0 and best[0] >= t:
            out[i] = False
            used.add(best[1])
    return out


@wrong("find_hits", "the first object that fits")
def _(b, s, g, t):
    out = torch.zeros(len(b), dtype=torch.bool)
    used = set()
    for i in s.argsort(descending=True).tolist():
        ok = [(float(iou(b[i], g[j])), j) for j in range(len(g)) if j not in used and iou(b[i], g[j]) >= t]
        if ok:
            out[i] = True
            used.add(min(ok)[1])
    return out


def prec(h, n):
    tp = np.cumsum(np.asarray(h, dtype=float))
    return tp / n, tp / np.arange(1, len(tp) + 1)


@wrong("average_precision", "a constant factor")
def _(h, n):
    if not len(h):
        return 0.0
    r, p = prec(h, n)
    p = np.maximum.accumulate(p[::-1])[::-1]
    return 100 * float(
        np.mean([p[r >= x - 1e-12].max() if (r >= x - 1e-12).any() else 0 for x in np.linspace(0, 1, 101)])
    )


@wrong("average_precision", "beyond a recall only")
def _(h, n):
    if not len(h):
        return 0.0
    r, p = prec(h, n)
    return float(np.mean([p[r > x].max() if (r > x).any() else 0 for x in np.linspace(0, 1, 101)]))


@wrong("average_precision", "precision at that recall or before")
def _(h, n):
    if not len(h):
        return 0.0
    r, p = prec(h, n)
    return float(np.mean([p[r <= x].min() if (r <= x).any() else 1 for x in np.linspace(0, 1, 101)]))


@wrong("average_precision", "no mean taken")
def _(h, n):
    if not len(h):
        return torch.zeros(101)
    r, p = prec(h, n)
    return torch.tensor([p[r >= x - 1e-12].max() if (r >= x - 1e-12).any() else 0.0 for x in np.linspace(0, 1, 101)])


# ---------------------------------------------------------------------- lab 6
@wrong("learning_rate", "a warm-up one step too long")
def _(s, b, w, f, m):
    x = b * (f + (1 - f) * min(1, s / (w + 1)))
    for k in m:
        if s >= k:
            x /= 10
    return x


@wrong("learning_rate", "a straight line downwards")
def _(s, b, w, f, m):
    if s < w:
        return b * (f + (1 - f) * s / w)
    return b * (1 - s / m[-1]) if s < m[-1] else 0.0


@wrong("learning_rate", "divided by a hundred")
def _(s, b, w, f, m):
    x = b * (f + (1 - f) * min(1, s / w)) if w else b
    for k in m:
        if s >= k:
            x /= 100
    return x


@wrong("learning_rate", "a milestone one step early")
def _(s, b, w, f, m):
    x = b * (f + (1 - f) * min(1, s / w)) if w else b
    for k in m:
        if s >= k - 1:
            x /= 10
    return x


@wrong("learning_rate", "the warm-up along a curve")
def _(s, b, w, f, m):
    x = b * f ** (1 - min(1, s / w)) if w else b
    for k in m:
        if s >= k:
            x /= 10
    return x


@wrong("moving_average", "the decay squared")
def _(a, w, d):
    return d**2 * a + (1 - d**2) * w


@wrong("moving_average", "")
def _(a, w, d):
    return a + d * (w - a) * 0.5


@wrong("resize_boxes", "new height over old width")
def _(b, o, n):
    return b * torch.tensor([n[0] / o[1], n[1] / o[0]]).repeat(2)


@wrong("resize_boxes", "half a pixel moved")
def _(b, o, n):
    k = torch.tensor([n[1] / o[1], n[0] / o[0]]).repeat(2)
    return (b + 0.5) * k - 0.5


@wrong("resize_boxes", "first and third of each row")
def _(b, o, n):
    k = torch.tensor([n[1] / o[1], n[0] / o[0]]).repeat(2)
    return (b * k).clamp(max=min(n))


@wrong("paired_difference", "the largest gain")
def _(a, b):
    d = b - a
    return d.max(), d.std() / len(d) ** 0.5


@wrong("paired_difference", "the mean deviation")
def _(a, b):
    d = b - a
    return d.mean(), (d - d.mean()).abs().mean() / len(d) ** 0.5


@wrong("paired_difference", "the ends of an interval")
def _(a, b):
    d = b - a
    return d.mean() - d.std() / len(d) ** 0.5, d.mean() + d.std() / len(d) ** 0.5


@wrong("paired_difference", "a constant factor")
def _(a, b):
    d = (b - a) * 100
    return d.mean(), d.std() / len(d) ** 0.5


# ---------------------------------------------------------------------- right
@right("locations")
def _(h, w, s):
    return (torch.cartesian_prod(torch.arange(h), torch.arange(w)).flip(1).double() + 0.5) * s


@right("locations")
def _(h, w, s):
    return np.mgrid[0:h, 0:w][::-1].reshape(2, -1).T * s + s // 2


@right("ltrb")
def _(p, b):
    s = torch.tensor([1.0, 1, -1, -1])
    return s * (p.repeat(1, 2)[:, None] - b[None])


@right("ltrb_to_boxes")
def _(p, d):
    return torch.addcmul(torch.cat([p, p], 1), d, torch.tensor([-1.0, -1, 1, 1]))


@right("inside")
def _(d):
    return ~(d <= 0).any(2)


@right("inside")
def _(d):
    return d.clamp(min=0).prod(-1) > 0


@right("in_level")
def _(d, lo, hi):
    m = torch.maximum(torch.maximum(d[..., 0], d[..., 1]), torch.maximum(d[..., 2], d[..., 3]))
    return m.clamp(lo, hi) == m


@right("near_center")
def _(p, b, s, r):
    o = p[:, None] * 2 - (b[:, :2] + b[:, 2:])
    return o.abs().amax(-1) < 2 * r * s


@right("assign")
def _(p, b, lo, hi):
    out = np.full(len(p), -1)
    for k in sorted(range(len(b)), key=lambda k: -float((b[k, 2] - b[k, 0]) * (b[k, 3] - b[k, 1]))):
        d = torch.cat([p - b[k, :2], b[k, 2:] - p], 1)
        ok = (d.amin(1) > 0) & (d.amax(1) >= lo) & (d.amax(1) <= hi)
        out[ok.numpy()] = k
    return out


@right("class_targets")
def _(m, y):
    return torch.cat([y, torch.tensor([-1])])[m]


@right("box_targets")
def _(p, b, m, s):
    b = torch.cat([b, torch.zeros(1, 4)])
    d = torch.cat([p, p], 1) * torch.tensor([1.0, 1, -1, -1]) - b[m] * torch.tensor([1.0, 1, -1, -1])
    d[m < 0] = 0
    return d / s


@right("focal_loss")
def _(z, y, a, g):
    z = z.double()
    t = (y[:, None] == torch.arange(z.shape[1])).double()
    x = z * (2 * t - 1)
    return (F.softplus(-x) * (1 - x.sigmoid()) ** g * (t * a + (1 - t) * (1 - a))).sum().item()


@right("iou_loss")
def _(a, b):
    i = (torch.minimum(a, b)[:, :2] + torch.minimum(a, b)[:, 2:]).prod(1)
    A = [(d[:, :2] + d[:, 2:]).prod(1) for d in (a, b)]
    return (A[0] + A[1] - i).log() - i.log()


@right("giou")
def _(a, b):
    def u(b):
        return (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])

    i = F.relu(torch.minimum(a[:, 2], b[:, 2]) - torch.maximum(a[:, 0], b[:, 0])) * F.relu(
        torch.minimum(a[:, 3], b[:, 3]) - torch.maximum(a[:, 1], b[:, 1])
    )
    un = u(a) + u(b) - i
    h = u(torch.cat([torch.minimum(a, b)[:, :2], torch.maximum(a, b)[:, 2:]], 1))
    return i / un + un / h - 1


@right("centerness")
def _(d):
    r = torch.minimum(d[..., :2] / d[..., 2:], d[..., 2:] / d[..., :2])
    r = torch.where(d[..., :2] == d[..., 2:], torch.where(d[..., :2] > 0, 1.0, 0.0), r)
    return r.prod(-1) ** 0.5


@right("centerness_loss")
def _(z, d, y):
    t = 0.0
    n = 0
    for i in range(len(y)):
        if y[i] < 0:
            continue
        c = float(ctr(d[i]))
        q = torch.sigmoid(z[i].double()).item()
        t -= c * math.log(q) + (1 - c) * math.log(1 - q)
        n += 1
    return t / n if n else 0


@right("normalize")
def _(s, n):
    return sum(s.tolist()) / (sum(n.tolist()) or 1)


@right("feature_sizes")
def _(h, w, st):
    return torch.tensor([[(h - 1) // s + 1, (w - 1) // s + 1] for s in st])


@right("flatten_map")
def _(x):
    return torch.stack([torch.stack([m[:, i, j] for i in range(m.shape[1]) for j in range(m.shape[2])]) for m in x])


@right("prior_bias")
def _(p):
    return torch.logit(torch.tensor(p)).item()


@right("predicted_distances")
def _(x, a, s):
    return np.exp(np.minimum(a * x.numpy(), 12) + math.log(s))


@right("scores")
def _(z, c):
    return torch.einsum("lc,l->lc", 1 / (1 + (-z).exp()), 1 / (1 + (-c).exp()))


@right("clip_boxes")
def _(b, h, w):
    return torch.median(
        torch.stack([b, torch.zeros_like(b), torch.tensor([w, h, w, h], dtype=b.dtype).expand_as(b)]), 0
    ).values


@right("nms")
def _(b, s, t):
    left = sorted(range(len(s)), key=lambda i: float(s[i]))
    k = []
    while left:
        i = left.pop()
        k.append(i)
        left = [j for j in left if iou(b[i], b[j]) <= t]
    return k


@right("average_precision")
def _(h, n):
    tp = 0
    pts = []
    for i, x in enumerate(h.tolist(), 1):
        tp += x
        pts.append((tp, tp / i))
    return sum(max((p for c, p in pts if 100 * c >= k * n), default=0) for k in range(101)) / 101


@right("learning_rate")
def _(s, b, w, f, m):
    return (
        b * np.interp(s, [0, w], [f, 1]) * 10.0 ** -np.searchsorted(m, s, side="right")
        if w
        else b * 10.0 ** -np.searchsorted(m, s, side="right")
    )


@right("moving_average")
def _(a, w, d):
    return torch.lerp(w, a, d)


@right("resize_boxes")
def _(b, o, n):
    return (b.reshape(-1, 2, 2) * torch.tensor([n[1] / o[1], n[0] / o[0]])).reshape(-1, 4)


@right("paired_difference")
def _(a, b):
    d = [y - x for x, y in zip(a.tolist(), b.tolist())]
    return [statistics.fmean(d), statistics.stdev(d) / math.sqrt(len(d))]
