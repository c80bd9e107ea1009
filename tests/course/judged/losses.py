"""Lab 3."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from tests.course.judged import right, wrong


# ---------------------------------------------------------------------- focal_loss
def hot(z, y):
    return (y[:, None] == torch.arange(z.shape[1])).float()


@wrong("focal_loss", "no factor for the negatives")
def _(logits, labels, alpha, gamma):
    t, p = hot(logits, labels), logits.sigmoid()
    positive = alpha * (1 - p) ** gamma * F.softplus(-logits) * t
    return (positive + (1 - alpha) * F.softplus(logits) * (1 - t)).sum()


@wrong("focal_loss", "no 1 - alpha for the negatives")
def _(logits, labels, alpha, gamma):
    t, p = hot(logits, labels), logits.sigmoid()
    return (alpha * (1 - p) ** gamma * F.softplus(-logits) * t + p**gamma * F.softplus(logits) * (1 - t)).sum()


@wrong("focal_loss", "labels counted from one")
def _(logits, labels, alpha, gamma):
    t, p = hot(logits, labels - 1), logits.sigmoid()
    pt, at = p * t + (1 - p) * (1 - t), alpha * t + (1 - alpha) * (1 - t)
    return (at * (1 - pt) ** gamma * F.binary_cross_entropy_with_logits(logits, t, reduction="none")).sum()


@wrong("focal_loss", "the sign")
def _(logits, labels, alpha, gamma):
    t, p = hot(logits, labels), logits.sigmoid()
    pt, at = p * t + (1 - p) * (1 - t), alpha * t + (1 - alpha) * (1 - t)
    return -(at * (1 - pt) ** gamma * F.binary_cross_entropy_with_logits(logits, t, reduction="none")).sum()


@wrong("focal_loss")
def _(logits, labels, alpha, gamma):
    t = hot(logits, labels)
    bce = F.binary_cross_entropy_with_logits(logits, t, reduction="none")
    pt = torch.exp(-bce.mean())
    return ((alpha * t + (1 - alpha) * (1 - t)) * bce).sum() * (1 - pt) ** gamma


@wrong("focal_loss", "background left out")
def _(logits, labels, alpha, gamma):
    keep = labels >= 0
    logits, labels = logits[keep], labels[keep]
    t, p = hot(logits, labels), logits.sigmoid()
    pt, at = p * t + (1 - p) * (1 - t), alpha * t + (1 - alpha) * (1 - t)
    return (at * (1 - pt) ** gamma * F.binary_cross_entropy_with_logits(logits, t, reduction="none")).sum()


@wrong("focal_loss", "probabilities instead of logits")
def _(logits, labels, alpha, gamma):
    t, p = hot(logits, labels), logits.sigmoid()
    pt, at = p * t + (1 - p) * (1 - t), alpha * t + (1 - alpha) * (1 - t)
    return (at * (1 - pt) ** gamma * F.binary_cross_entropy(p, t, reduction="none")).sum()


@wrong("focal_loss", "probabilities clamped close to 0")
def _(logits, labels, alpha, gamma):
    t, p = hot(logits, labels), logits.sigmoid()
    pt, at = p * t + (1 - p) * (1 - t), alpha * t + (1 - alpha) * (1 - t)
    return -(at * (1 - pt) ** gamma * torch.log(pt + 1e-8)).sum()


@wrong("focal_loss", "a constant factor")
def _(logits, labels, alpha, gamma):
    t, p = hot(logits, labels), logits.sigmoid()
    pt, at = p * t + (1 - p) * (1 - t), alpha * t + (1 - alpha) * (1 - t)
    bce = F.binary_cross_entropy_with_logits(logits, t, reduction="none")
    return (at * (1 - pt) ** gamma * bce).sum() / math.log(10)


@wrong("focal_loss", "background clamped to class 0")
def _(logits, labels, alpha, gamma):
    t, p = F.one_hot(labels.clamp(min=0), logits.shape[1]), logits.sigmoid()
    ce = torch.where(t == 1, F.softplus(-logits) * alpha, F.softplus(logits) * (1 - alpha))
    return (ce * torch.where(t == 1, 1 - p, p) ** gamma).sum()


@right("focal_loss")
def _(logits, labels, alpha, gamma):
    z = logits.double()
    t = torch.zeros_like(z)
    rows = torch.arange(len(labels))[labels >= 0]
    t[rows, labels[rows]] = 1.0
    signed = z * (2 * t - 1)
    weight = torch.lerp(torch.full_like(t, 1 - alpha), torch.full_like(t, alpha), t)
    return torch.einsum("lc,lc,lc->", weight, torch.sigmoid(-signed) ** gamma, F.softplus(-signed))


@right("focal_loss")
def _(logits, labels, alpha, gamma):
    loss = ((1 - alpha) * logits.sigmoid().pow(gamma) * F.softplus(logits)).sum(dim=(0, 1))
    for i, k in enumerate(labels.tolist()):
        if k >= 0:
            z = logits[i, k]
            loss = loss - (1 - alpha) * z.sigmoid() ** gamma * F.softplus(z)
            loss = loss + alpha * (-z).sigmoid() ** gamma * F.softplus(-z)
    return loss.reshape(1)


@right("focal_loss")
def _(logits, labels, alpha, gamma):
    target = torch.nn.functional.one_hot(torch.where(labels < 0, logits.shape[1], labels), logits.shape[1] + 1)
    target = target[:, :-1].to(logits)
    bce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    modulating = (1 - torch.exp(-bce)) ** gamma
    return torch.sum(torch.where(target.bool(), alpha, 1 - alpha) * modulating * bce).item()


@right("focal_loss")
def _(logits, labels, alpha, gamma):
    z, y = np.asarray(logits, np.longdouble), np.asarray(labels)
    s = np.where(y[:, None] == np.arange(z.shape[1])[None], 1, -1)
    a = np.where(s > 0, alpha, 1 - alpha)
    log_p = -np.log1p(np.exp(-np.abs(z))) + np.minimum(s * z, 0)
    return float((-a * (1 - np.exp(log_p)) ** gamma * log_p).sum())


# ---------------------------------------------------------------------- iou_loss
def areas(a, b):
    def area(d):
        return (d[:, 0] + d[:, 2]) * (d[:, 1] + d[:, 3])

    inter = area(torch.minimum(a, b))
    return inter, area(a) + area(b) - inter


@wrong("iou_loss", "1 added to both areas")
def _(predicted, target):
    i, u = areas(predicted, target)
    return -torch.log((i + 1.0) / (u + 1.0))


@wrong("iou_loss", "the logarithm of 1 - IoU")
def _(predicted, target):
    i, u = areas(predicted, target)
    return -torch.log(1 - i / u + 1e-6)


@wrong("iou_loss")
def _(predicted, target):
    i, u = areas(predicted, target)
    return 1 - (i / u) ** 2


@wrong("iou_loss", "exp too many")
def _(predicted, target):
    i, u = areas(predicted, target)
    return u / i


@wrong("iou_loss", "distances compared one by one")
def _(predicted, target):
    return (predicted - target).abs().sum(1)


@wrong("iou_loss", "the smaller area for the intersection")
def _(predicted, target):
    def area(d):
        return (d[:, 0] + d[:, 2]) * (d[:, 1] + d[:, 3])

    a, b = area(predicted), area(target)
    i = torch.minimum(a, b)
    return -torch.log(i / (a + b - i))


@wrong("iou_loss", "not finite")
def _(predicted, target):
    m = torch.minimum(predicted, target)
    i = (m[:, 2] - m[:, 0]).clamp(min=0) * (m[:, 3] - m[:, 1]).clamp(min=0)
    a = (predicted[:, 2] - predicted[:, 0]) * (predicted[:, 3] - predicted[:, 1])
    b = (target[:, 2] - target[:, 0]) * (target[:, 3] - target[:, 1])
    return -torch.log((i + 1e-7) / (a + b - i + 1e-7))


@wrong("iou_loss", "the intersection taken away twice")
def _(predicted, target):
    i, u = areas(predicted, target)
    return -torch.log(i / (u - i).clamp(min=1e-6))


@wrong("iou_loss", "the mean of all boxes")
def _(predicted, target):
    i, u = areas(predicted, target)
    return (u.log() - i.log()).mean()


@right("iou_loss")
def _(predicted, target):
    m = torch.minimum(predicted, target)
    (pl, pt, pr, pb), (l, t, r, b), (ml, mt, mr, mb) = predicted.T, target.T, m.T
    inter = (ml + mr) * (mt + mb)
    union = (pl + pr) * (pt + pb) + (l + r) * (t + b) - inter
    return torch.log(union.clamp(min=1e-6)) - torch.log(inter.clamp(min=1e-6))


@right("iou_loss")
def _(predicted, target):
    def corners(d):
        return np.concatenate([-d[:, :2].double().numpy(), d[:, 2:].double().numpy()], 1)

    a, b = corners(predicted), corners(target)
    inter = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None).prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - inter
    return -np.log(inter / union)


@right("iou_loss")
def _(predicted, target):
    m = torch.stack((predicted, target), dim=0).amin(dim=0)
    wh = torch.stack([one.unflatten(1, (2, 2)).sum(1) for one in (predicted, target, m)])
    a, b, i = wh.prod(-1)
    return torch.neg(torch.log(i / (a + b - i) + 1e-9))


@right("iou_loss")
def _(predicted, target):
    out = []
    for p, q in zip(predicted, target):
        i = (min(p[0], q[0]) + min(p[2], q[2])) * (min(p[1], q[1]) + min(p[3], q[3]))
        u = (p[0] + p[2]) * (p[1] + p[3]) + (q[0] + q[2]) * (q[1] + q[3]) - i
        out.append(-math.log(i / u))
    return tuple(out)


# ---------------------------------------------------------------------- giou
def parts(a, b):
    wh = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0)
    i = wh[:, 0] * wh[:, 1]
    u = (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1]) + (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) - i
    wh = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    return i, u, wh[:, 0] * wh[:, 1]


@wrong("giou", "cut at zero")
def _(first, second):
    i, u, h = parts(first, second)
    return (i / u - (h - u) / h).clamp(min=0)


@wrong("giou", "cut at zero")
def _(first, second):
    i, u, h = parts(first, second)
    return torch.where(i > 0, i / u - (h - u) / h, torch.zeros(()))


@wrong("giou", "plain IoU")
def _(first, second):
    i, u, h = parts(first, second)
    return i.div(u + 1e-9)


@wrong("giou", "the hull over the union")
def _(first, second):
    i, u, h = parts(first, second)
    return i / u - h / u


@wrong("giou", "DIoU")
def _(first, second):
    i, u, h = parts(first, second)
    d = ((first[:, :2] + first[:, 2:] - second[:, :2] - second[:, 2:]) / 2).square().sum(1)
    c = (torch.maximum(first[:, 2:], second[:, 2:]) - torch.minimum(first[:, :2], second[:, :2])).square().sum(1)
    return i / u - d / c


@wrong("giou", "the intersection over the hull")
def _(first, second):
    i, u, h = parts(first, second)
    return i / h


@wrong("giou", "the intersection instead of the hull")
def _(first, second):
    i, u, h = parts(first, second)
    return i / u - (u - i) / u


@wrong("giou", "boxes read as x, y, width, height")
def _(first, second):
    def corners(b):
        return torch.cat([b[:, :2], b[:, :2] + b[:, 2:]], 1)

    i, u, h = parts(corners(first), corners(second))
    return i / u - (h - u) / h


@wrong("giou", "sides of the intersection without a sign")
def _(first, second):
    wh = (torch.minimum(first[:, 2:], second[:, 2:]) - torch.maximum(first[:, :2], second[:, :2])).abs()
    i = wh.prod(1)
    u = (first[:, 2:] - first[:, :2]).prod(1) + (second[:, 2:] - second[:, :2]).prod(1) - i
    h = (torch.maximum(first[:, 2:], second[:, 2:]) - torch.minimum(first[:, :2], second[:, :2])).prod(1)
    return i / u - (h - u) / h


@wrong("giou", "the union over the hull")
def _(first, second):
    i, u, h = parts(first, second)
    return u / h


@right("giou")
def _(first, second):
    i, u, h = parts(first.double(), second.double())
    return i / u + u / h - 1


@right("giou")
def _(first, second):
    def one(axis):
        a0, a1 = first[:, axis], first[:, axis + 2]
        b0, b1 = second[:, axis], second[:, axis + 2]
        return F.relu(torch.min(a1, b1) - torch.max(a0, b0)), torch.max(a1, b1) - torch.min(a0, b0)

    (w, hull_w), (h, hull_h) = one(0), one(1)
    inter, hull = w * h, hull_w * hull_h
    union = sum((b[:, 2] - b[:, 0]).mul(b[:, 3] - b[:, 1]) for b in (first, second)) - inter
    return torch.where(hull > 0, inter / union - (hull - union).div(hull), -1.0)[:, None].squeeze(1)


@right("giou")
def _(first, second):
    found = []
    for a, b in zip(first.tolist(), second.tolist()):
        xs, ys = sorted([a[0], a[2], b[0], b[2]]), sorted([a[1], a[3], b[1], b[3]])
        apart = a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]
        inter = 0 if apart else (xs[2] - xs[1]) * (ys[2] - ys[1])
        union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
        hull = (xs[3] - xs[0]) * (ys[3] - ys[0])
        found.append(inter / union - (hull - union) / hull)
    return np.array(found, dtype=np.float64)


@right("giou")
def _(first, second):
    eps = torch.finfo(torch.float32).eps
    i, u, h = parts(first, second)
    return i / (u + eps) - (h - u) / (h + eps)


# ---------------------------------------------------------------------- centerness
@wrong("centerness", "only for a list of locations")
def _(ltrb):
    l, t, r, b = ltrb[:, 0], ltrb[:, 1], ltrb[:, 2], ltrb[:, 3]
    c = torch.min(l, r) * torch.min(t, b) / (torch.max(l, r) * torch.max(t, b)).clamp(min=1e-9)
    return c.sqrt()


@wrong("centerness", "1 minus the answer")
def _(ltrb):
    lr, tb = ltrb[..., [0, 2]], ltrb[..., [1, 3]]
    c = lr.amin(-1) * tb.amin(-1) / (lr.amax(-1) * tb.amax(-1)).clamp(min=1e-9)
    return 1 - c.sqrt()


@wrong("centerness", "the larger ratio")
def _(ltrb):
    lr, tb = ltrb[..., [0, 2]], ltrb[..., [1, 3]]
    a, b = lr.amin(-1) / lr.amax(-1).clamp(min=1e-9), tb.amin(-1) / tb.amax(-1).clamp(min=1e-9)
    return torch.maximum(a, b).sqrt()


@wrong("centerness", "background is central")
def _(ltrb):
    lr, tb = ltrb[..., [0, 2]], ltrb[..., [1, 3]]
    low, high = lr.amin(-1) * tb.amin(-1), lr.amax(-1) * tb.amax(-1)
    return ((low + 1e-9) / (high + 1e-9)).sqrt()


@wrong("centerness", "0/0 at background")
def _(ltrb):
    lr, tb = ltrb[..., 0::2], ltrb[..., 1::2]
    return torch.sqrt(lr.min(-1)[0] / lr.max(-1)[0] * (tb.min(-1)[0] / tb.max(-1)[0]))


@wrong("centerness", "the distance from the centre")
def _(ltrb):
    l, t, r, b = ltrb.unbind(-1)
    x, y = (l - r).abs() / (l + r).clamp(min=1e-9), (t - b).abs() / (t + b).clamp(min=1e-9)
    return (1 - torch.maximum(x, y)) * (l + r > 0)


@wrong("centerness", "another root")
def _(ltrb):
    lr, tb = ltrb[..., 0::2], ltrb[..., 1::2]
    c = lr.min(-1)[0] * tb.min(-1)[0] / (lr.max(-1)[0] * tb.max(-1)[0]).clamp(min=1e-9)
    return c ** (1 / 3)


@wrong("centerness", "no square root")
def _(ltrb):
    left, top, right_, bottom = ltrb.unbind(-1)
    ratio = torch.where(left < right_, left / right_, right_ / left) * torch.where(top < bottom, top / bottom,
                                                                                  bottom / top)  # fmt: skip
    return ratio.nan_to_num(0)


@wrong("centerness", "the mean of all")
def _(ltrb):
    lr, tb = ltrb[..., 0::2], ltrb[..., 1::2]
    c = lr.min(-1)[0] * tb.min(-1)[0] / (lr.max(-1)[0] * tb.max(-1)[0]).clamp(min=1e-9)
    return c.sqrt().mean()


@wrong("centerness")
def _(ltrb):
    lr, tb = ltrb[..., 0::2] + 0.1, ltrb[..., 1::2] + 0.1
    c = (lr.min(-1)[0] * tb.min(-1)[0] / (lr.max(-1)[0] * tb.max(-1)[0])).sqrt()
    return c * (ltrb.amax(-1) > 0)


@wrong("centerness", "l over r without min and max")
def _(ltrb):
    l, t, r, b = ltrb.unbind(-1)
    return torch.where((r * b) > 0, l * t / (r * b), torch.zeros_like(l)).sqrt()


@right("centerness")
def _(ltrb):
    l, t, r, b = torch.chunk(ltrb, 4, dim=-1)
    lr, tb = torch.cat((l, r), -1).sort(-1).values, torch.cat((t, b), -1).sort(-1).values
    top, bottom = lr[..., 0] * tb[..., 0], lr[..., 1] * tb[..., 1]
    return torch.where(bottom == 0, torch.zeros((), device=ltrb.device), top / bottom).sqrt()


@right("centerness")
def _(ltrb, eps=1e-9):
    x = (ltrb[..., 0] - ltrb[..., 2]).abs() / (ltrb[..., 0] + ltrb[..., 2] + eps)
    y = (ltrb[..., 1] - ltrb[..., 3]).abs() / (ltrb[..., 1] + ltrb[..., 3] + eps)
    # min / max = (1 - x) / (1 + x)
    c = ((1 - x) / (1 + x) * (1 - y) / (1 + y)).clamp(min=0).sqrt()
    return torch.where(ltrb.sum(-1) == 0, torch.zeros_like(c), c)


@right("centerness")
def _(ltrb):
    d = np.array(ltrb, dtype=np.float64).reshape(-1, 4)
    out = np.zeros(len(d))
    m = d.max(1) > 0
    lr, tb = np.sort(d[m][:, ::2], 1), np.sort(d[m][:, 1::2], 1)
    with np.errstate(all="ignore"):
        out[m] = np.nan_to_num(np.sqrt((lr[:, 0] / lr[:, 1]) * (tb[:, 0] / tb[:, 1])))
    return torch.as_tensor(out).view(*ltrb.shape[:-1])


@right("centerness")
def _(ltrb):
    if ltrb.dim() == 1:
        l, t, r, b = ltrb.tolist()
        far = max(l, r) * max(t, b)
        return math.sqrt(min(l, r) * min(t, b) / far) if far else 0.0
    return [_centerness(one) for one in ltrb]


_centerness = _  # the recursion above


@right("centerness")
def _(ltrb):
    ltrb = ltrb.float().add(1e-12)
    log = ltrb.log()
    lr = -(log[..., 0] - log[..., 2]).abs()
    tb = -(log[..., 1] - log[..., 3]).abs()
    return torch.exp((lr + tb) / 2).masked_fill(ltrb.amax(-1) < 1e-11, 0)


# ---------------------------------------------------------------------- centerness_loss
def c_of(d):
    lr, tb = d[:, 0::2], d[:, 1::2]
    return (lr.amin(1) * tb.amin(1) / (lr.amax(1) * tb.amax(1)).clamp(min=1e-9)).sqrt()


@wrong("centerness_loss", "background's 0/0 spreads")
def _(logits, ltrb, labels):
    l, t, r, b = ltrb.unbind(1)
    c = (torch.min(l, r) / torch.max(l, r) * torch.min(t, b) / torch.max(t, b)).sqrt()
    loss = F.binary_cross_entropy_with_logits(logits, c, reduction="none")
    mask = (labels >= 0).float()
    return (loss * mask).sum() / mask.sum().clamp(min=1)


@wrong("centerness_loss", "no mean taken")
def _(logits, ltrb, labels):
    m = labels >= 0
    return F.binary_cross_entropy_with_logits(logits[m], c_of(ltrb[m]), reduction="none")


@wrong("centerness_loss", "0/0 without objects")
def _(logits, ltrb, labels):
    m = labels >= 0
    return F.binary_cross_entropy_with_logits(logits[m], c_of(ltrb[m]))


@wrong("centerness_loss", "1 added instead of a floor")
def _(logits, ltrb, labels):
    m = labels >= 0
    return F.binary_cross_entropy_with_logits(logits[m], c_of(ltrb[m]), reduction="sum") / (m.sum() + 1)


@wrong("centerness_loss", "weighted by the center-ness")
def _(logits, ltrb, labels):
    m = labels >= 0
    c = c_of(ltrb[m])
    return (F.binary_cross_entropy_with_logits(logits[m], c, reduction="none") * c).sum() / c.sum().clamp(min=1e-6)


@wrong("centerness_loss", "absolute error")
def _(logits, ltrb, labels):
    m = labels >= 0
    return (logits[m].sigmoid() - c_of(ltrb[m])).abs().sum() / max(1, int(m.sum()))


@wrong("centerness_loss", "the sign")
def _(logits, ltrb, labels):
    m = labels >= 0
    return -F.binary_cross_entropy_with_logits(logits[m], c_of(ltrb[m]), reduction="sum") / max(1, int(m.sum()))


@wrong("centerness_loss", "class 0 taken for background")
def _(logits, ltrb, labels):
    m = labels > 0
    return F.binary_cross_entropy_with_logits(logits[m], c_of(ltrb[m]), reduction="sum") / max(1, int(m.sum()))


@wrong("centerness_loss", "squared error")
def _(logits, ltrb, labels):
    m = labels >= 0
    return F.mse_loss(logits[m].sigmoid(), c_of(ltrb[m]), reduction="sum") / m.sum().clamp(min=1)


@right("centerness_loss")
def _(logits, ltrb, labels):
    m = labels.ge(0)
    safe = torch.where(m[:, None], ltrb, torch.ones_like(ltrb))
    q, c = logits.sigmoid(), c_of(safe)
    each = -(c * q.log() + (1 - c) * (1 - q).log())
    return torch.dot(each, m.to(each.dtype)) / m.sum().clamp_min(1)


@right("centerness_loss")
def _(logits, ltrb, labels):
    where = np.flatnonzero(labels.numpy() + 1)
    if where.size == 0:
        return 0
    z, d = logits.double().numpy()[where], ltrb.double().numpy()[where]
    lr, tb = np.sort(d[:, ::2]), np.sort(d[:, 1::2])
    c = np.sqrt(lr[:, 0] * tb[:, 0] / lr[:, 1] / tb[:, 1])
    return [float(np.mean(np.maximum(z, 0) - z * c + np.log1p(np.exp(-np.abs(z)))))]


@right("centerness_loss")
def _(logits, ltrb, labels):
    total = torch.zeros((), dtype=torch.float64)
    n = 0
    for z, d, k in zip(logits, ltrb, labels):
        if k == -1:
            continue
        n += 1
        c = c_of(d[None])[0]
        total += F.binary_cross_entropy_with_logits(z.double(), c.double())
    return total / n if n else total


@right("centerness_loss")
def _(logits, ltrb, labels):
    m = (labels >= 0).nonzero(as_tuple=True)[0]
    loss = torch.nn.BCEWithLogitsLoss(reduction="sum")(logits.take(m), c_of(ltrb.index_select(0, m)))
    return loss.div(max(m.numel(), 1))


# ---------------------------------------------------------------------- normalize
@wrong("normalize", "N_pos of each worker")
def _(sums, positives):
    return sums / positives.clamp(min=1)


@wrong("normalize", "a floor far below 1")
def _(sums, positives):
    return sums.sum() / positives.sum().clamp(min=1e-6)


@wrong("normalize", "the largest N_pos")
def _(sums, positives):
    return sums.sum() / positives.max().clamp(min=1)


@wrong("normalize", "the first worker alone")
def _(sums, positives):
    return sums[0] / positives[0].clamp(min=1)


@wrong("normalize", "weighted by N_pos")
def _(sums, positives):
    return (sums * positives).sum() / positives.sum().clamp(min=1)


@wrong("normalize", "workers without objects left out")
def _(sums, positives):
    m = positives > 0
    return sums[m].sum() / positives[m].sum().clamp(min=1)


@wrong("normalize", "the mean of N_pos")
def _(sums, positives):
    return sums.sum() / max(positives.sum().item() / len(positives), 1)


@wrong("normalize", "0 without objects")
def _(sums, positives):
    n = positives.sum()
    return sums.sum() / n if n > 0 else torch.tensor(0.0)


@wrong("normalize", "1 added instead of a floor")
def _(sums, positives):
    return sums.sum().div(1 + positives.sum())


@right("normalize")
def _(sums, positives):
    return torch.sum(sums.double()) / torch.maximum(positives.sum(), torch.ones((), dtype=positives.dtype))


@right("normalize")
def _(sums, positives):
    n = max(sum(int(k) for k in positives), 1)
    return sum(s / n for s in sums)


@right("normalize")
def _(sums, positives):
    return np.divide(
        np.add.reduce(sums.numpy()), max(np.count_nonzero(np.repeat(np.ones(len(positives)), positives.numpy())), 1)
    )


@right("normalize")
def _(sums, positives):
    total, n = torch.stack([sums, positives.to(sums)]).sum(1)
    return (total / n.clamp(min=1.0)).view(1)
