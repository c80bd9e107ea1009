"""Lab 2."""

import math
from functools import reduce

import numpy as np
import torch

from tests.course.judged import right, wrong


def ltrb(p, b):
    return torch.cat([p[:, None] - b[:, :2], b[:, 2:] - p[:, None]], -1)


def fits(d, low, high):
    if d.shape[1] == 0:
        return torch.zeros(d.shape[:2], dtype=torch.bool)
    m = d.amax(-1)
    return (d.amin(-1) > 0) & (m >= low) & (m <= high)


# ---------------------------------------------------------------------- in_level
@wrong("in_level", "the largest of all boxes")
def _(distances, low, high):
    if distances.shape[1] == 0:
        return distances.new_zeros(5, 0)
    m = distances.amax(1)
    return (m >= low) & (m <= high)


@wrong("in_level", "one bound is enough")
def _(distances, low, high):
    m = distances.max(dim=-1).values
    return (m >= low) | (m <= high)


@wrong("in_level", "only top and bottom")
def _(distances, low, high):
    m = torch.max(distances[..., 1], distances[..., 3])
    return (m >= low) & (m <= high)


@wrong("in_level", "only right and bottom")
def _(distances, low, high):
    m = torch.max(distances[..., 2], distances[..., 3])
    return (m >= low) & (m <= high)


@wrong("in_level", "the diagonal")
def _(distances, low, high):
    l, t, r, b = distances.unbind(-1)
    m = torch.hypot(l + r, t + b)
    return (m >= low) & (m <= high)


@wrong("in_level", "true and false swapped")
def _(distances, low, high):
    m = distances.max(dim=-1).values
    return (m < low) | (m > high)


@wrong("in_level", "raises TypeError")
def _(distances, low, high):
    m = distances.max(-1)
    return (m >= low) & (m <= high)


@wrong("in_level", "the smaller side of the box")
def _(distances, low, high):
    l, t, r, b = distances.unbind(-1)
    m = torch.minimum(l + r, t + b)
    return (m >= low) & (m <= high)


@wrong("in_level", "the upper bound left out")
def _(distances, low, high):
    m = distances.max(dim=-1).values
    return torch.ge(m, low) * torch.lt(m, high)


@wrong("in_level", "a wrong shape")
def _(distances, low, high):
    return (distances >= low) & (distances <= high)


@wrong("in_level", "in whole pixels")
def _(distances, low, high):
    m = distances.max(dim=-1).values.floor()
    return (m >= low) & (m <= high)


@right("in_level")
def _(distances, low, high):
    m = distances.max(dim=-1).values
    return torch.clamp(m, low, high) == m


@right("in_level")
def _(distances, low, high):
    l, t, r, b = distances.unbind(-1)
    m = reduce(torch.maximum, (l, t, r, b))
    return ((m - low) * (m - high) <= 0) if math.isfinite(high) else m >= low


@right("in_level")
def _(distances, low, high):
    m = np.sort(distances.double().numpy(), axis=-1)[..., -1]
    return ~((m < low) | (m > high))


@right("in_level")
def _(distances, low, high):
    m = torch.nn.functional.max_pool1d(distances.reshape(1, -1, 4), 4)[0, :, 0] if distances.numel() else torch.zeros(0)
    return torch.isfinite(torch.where(m < low, -torch.inf, torch.where(m > high, torch.inf, m))).view(
        distances.shape[:2]
    )


# ---------------------------------------------------------------------- near_center
@wrong("near_center", "only inside the box")
def _(locations, boxes, stride, radius):
    c = (boxes[:, :2] + boxes[:, 2:]) / 2
    lo = torch.maximum(c - stride * radius, boxes[:, :2])
    hi = torch.minimum(c + stride * radius, boxes[:, 2:])
    d = torch.cat([locations[:, None] - lo, hi - locations[:, None]], -1)
    return d.min(-1).values > 0


@wrong("near_center", "the radius in box sizes")
def _(locations, boxes, stride, radius):
    c = (boxes[:, :2] + boxes[:, 2:]) / 2
    return ((locations[:, None] - c).abs() < radius * (boxes[:, 2:] - boxes[:, :2])).all(-1)


@wrong("near_center", "radius plus stride")
def _(locations, boxes, stride, radius):
    c = (boxes[:, :2] + boxes[:, 2:]) / 2
    return ((locations[:, None] - c).abs() < radius + stride).all(-1)


@wrong("near_center", "axes swapped")
def _(locations, boxes, stride, radius):
    c = (boxes[:, :2] + boxes[:, 2:]) / 2
    return ((locations - c[:, None]).abs() < radius * stride).all(-1)


@wrong("near_center", "in cells")
def _(locations, boxes, stride, radius):
    c = (boxes[:, :2] + boxes[:, 2:]) / 2
    return ((locations[:, None] // stride - c // stride).abs() < radius).all(-1)


@wrong("near_center")
def _(locations, boxes, stride, radius):
    c = (boxes[:, :2] + boxes[:, 2:]) // 2
    return ((locations[:, None] - c + 1).abs() < radius * stride).all(-1)


@wrong("near_center", "only x")
def _(locations, boxes, stride, radius):
    c = (boxes[:, 0] + boxes[:, 2]) / 2
    return (locations[:, :1] - c).abs() < radius * stride


@wrong("near_center", "x and y swapped")
def _(locations, boxes, stride, radius):
    c = ((boxes[:, :2] + boxes[:, 2:]) / 2).flip(1)
    return ((locations[:, None] - c).abs() < radius * stride).all(-1)


@wrong("near_center", "twice the reach")
def _(locations, boxes, stride, radius):
    c = (boxes[:, :2] + boxes[:, 2:]) / 2
    return ((locations[:, None] - c).abs() < 2 * radius * stride).all(-1)


@wrong("near_center", "the radius rounded")
def _(locations, boxes, stride, radius):
    c = (boxes[:, :2] + boxes[:, 2:]) / 2
    return ((locations[:, None] - c).abs() < int(radius) * stride).all(-1)


@wrong("near_center", "the end of the radius included")
def _(locations, boxes, stride, radius):
    c = (boxes[:, :2] + boxes[:, 2:]) / 2
    reach = stride * radius
    x, y = locations[:, None].unbind(-1)
    return (x >= c[:, 0] - reach) & (x <= c[:, 0] + reach) & (y >= c[:, 1] - reach) & (y <= c[:, 1] + reach)


@right("near_center")
def _(locations, boxes, stride, radius):
    c = boxes.view(-1, 2, 2).mean(1)
    return torch.cdist(locations, c, p=math.inf) < radius * stride


@right("near_center")
def _(locations, boxes, stride, radius):
    c, reach = torch.lerp(boxes[:, :2], boxes[:, 2:], 0.5), radius * stride
    small = torch.cat([c - reach, c + reach], 1)
    return ltrb(locations, small).gt(0).all(-1)


@right("near_center")
def _(locations, boxes, stride, radius):
    l, t, r, b = ltrb(locations, boxes).unbind(-1)
    reach = 2 * radius * stride
    return ((l - r).abs() < reach) & ((t - b).abs() < reach)


@right("near_center")
def _(locations, boxes, stride, radius):
    p, b = locations.numpy(), boxes.numpy()
    x = np.abs(np.subtract.outer(p[:, 0], (b[:, 0] + b[:, 2]) / 2))
    y = np.abs(np.subtract.outer(p[:, 1], (b[:, 1] + b[:, 3]) / 2))
    return np.maximum(x, y) < np.float64(radius) * stride


# ---------------------------------------------------------------------- assign
@wrong("assign", "indices of the sorted list")
def _(locations, boxes, low, high):
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    boxes = boxes[area.argsort()]
    ok = fits(ltrb(locations, boxes), low, high)
    out = torch.full((len(locations),), -1)
    for i in range(len(locations)):
        if ok[i].any():
            out[i] = ok[i].nonzero()[0, 0]
    return out


@wrong("assign", "boxes that are not allowed cost nothing")
def _(locations, boxes, low, high):
    if not len(boxes):
        return torch.full((len(locations),), -1)
    ok = fits(ltrb(locations, boxes), low, high)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return torch.where(ok.any(1), (ok * area).argmin(1), -1)


@wrong("assign", "one pixel added to the sides")
def _(locations, boxes, low, high):
    if not len(boxes):
        return torch.full((len(locations),), -1)
    ok = fits(ltrb(locations, boxes), low, high)
    area = ((boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)).repeat(len(locations), 1)
    area[~ok] = 1e8
    best, index = area.min(1)
    index[best == 1e8] = -1
    return index


@wrong("assign", "background is 0")
def _(locations, boxes, low, high):
    if not len(boxes):
        return torch.zeros(len(locations), dtype=torch.long)
    ok = fits(ltrb(locations, boxes), low, high)
    area = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).repeat(len(locations), 1)
    area[~ok] = 1e8
    return torch.where(ok.any(1), area.argmin(1), 0)


@wrong("assign", "boxes counted from one")
def _(locations, boxes, low, high):
    if not len(boxes):
        return torch.full((len(locations),), -1)
    ok = fits(ltrb(locations, boxes), low, high)
    area = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).repeat(len(locations), 1)
    area[~ok] = 1e8
    return torch.where(ok.any(1), area.argmin(1) + 1, -1)


@wrong("assign", "the longest side instead of the area")
def _(locations, boxes, low, high):
    if not len(boxes):
        return torch.full((len(locations),), -1)
    ok = fits(ltrb(locations, boxes), low, high)
    size = (boxes[:, 2:] - boxes[:, :2]).max(1).values.repeat(len(locations), 1)
    size[~ok] = 1e8
    return torch.where(ok.any(1), size.argmin(1), -1)


@wrong("assign", "the nearest side instead of the area")
def _(locations, boxes, low, high):
    if not len(boxes):
        return torch.full((len(locations),), -1)
    d = ltrb(locations, boxes)
    size = d.amax(-1).masked_fill(~fits(d, low, high), math.inf)
    return torch.where(size.min(1).values < math.inf, size.argmin(1), -1)


@wrong("assign", "the smallest box first, then its level")
def _(locations, boxes, low, high):
    out = []
    for p in locations:
        best, index = math.inf, -1
        for j, b in enumerate(boxes):
            d = torch.cat([p - b[:2], b[2:] - p])
            area = float((b[2] - b[0]) * (b[3] - b[1]))
            if d.min() > 0 and area < best:
                best, index = area, j if low <= d.max() <= high else -1
        out.append(index)
    return out


@wrong("assign")
def _(locations, boxes, low, high):
    if not len(boxes):
        return torch.full((len(locations),), -1)
    c = (boxes[:, :2] + boxes[:, 2:]) / 2
    d = ltrb(locations, boxes)
    ok = fits(d, low, high) & ((locations[:, None] - c).abs() < 12).all(-1)
    area = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).repeat(len(locations), 1)
    area[~ok] = 1e8
    return torch.where(ok.any(1), area.argmin(1), -1)


@wrong("assign")
def _(locations, boxes, low, high):
    out = torch.full((len(locations),), -1)
    ok = fits(ltrb(locations, boxes), low, high)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    c = (boxes[:, :2] + boxes[:, 2:]) / 2
    for j in area.argsort(descending=True):
        where = ok[:, j].nonzero()[:, 0]
        if len(where):
            out[where[(locations[where] - c[j]).square().sum(1).argmin()]] = j
    return out


@wrong("assign", "the largest box")
def _(locations, boxes, low, high):
    out = torch.full((len(locations),), -1)
    ok = fits(ltrb(locations, boxes), low, high)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for j in area.argsort():
        out[ok[:, j]] = j
    return out


@wrong("assign", "large areas taken for infinity")
def _(locations, boxes, low, high):
    if not len(boxes):
        return torch.full((len(locations),), -1)
    ok = fits(ltrb(locations, boxes), low, high)
    area = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).repeat(len(locations), 1)
    area[~ok] = 1e5
    best, index = area.min(1)
    index[best >= 1e5] = -1
    return index


@right("assign")
def _(locations, boxes, low, high):
    out = torch.full((len(locations),), -1, dtype=torch.int64)
    ok = fits(ltrb(locations, boxes), low, high)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for j in torch.argsort(area, descending=True):
        out[ok[:, j]] = j
    return out


@right("assign")
def _(locations, boxes, low, high):
    order = sorted(range(len(boxes)), key=lambda j: (boxes[j, 2] - boxes[j, 0]) * (boxes[j, 3] - boxes[j, 1]))
    ok = fits(ltrb(locations, boxes), low, high)
    return torch.tensor([next((j for j in order if ok[i, j]), -1) for i in range(len(locations))])


@right("assign")
def _(locations, boxes, low, high):
    # one box more that is everywhere and larger than all
    d = ltrb(locations, boxes)
    area = (d[..., 0] + d[..., 2]) * (d[..., 1] + d[..., 3])  # from the distances
    area = area.double().masked_fill(~fits(d, low, high), math.inf)
    area = torch.cat([area, torch.full((len(locations), 1), 1e300, dtype=torch.double)], 1)
    index = area.min(dim=1)[1]
    return torch.where(index == len(boxes), -torch.ones_like(index), index)


@right("assign")
def _(locations, boxes, low, high):
    p, b = np.asarray(locations, dtype=np.float64), np.asarray(boxes, dtype=np.float64)
    d = np.concatenate([p[:, None] - b[None, :, :2], b[None, :, 2:] - p[:, None]], 2)
    ok = (d > 0).all(2) & ~(d > high).any(2) & (d >= low).any(2)
    area = np.prod(b[:, 2:] - b[:, :2], axis=1)
    found = np.ma.masked_array(np.broadcast_to(area, ok.shape), mask=~ok, fill_value=np.inf)
    return [int(row.argmin()) if row.count() else -1 for row in found]


@right("assign")
def _(locations, boxes, low, high):
    INF = 100000000
    M, L = len(boxes), len(locations)
    if M == 0:
        return locations.new_full((L,), -1).long()
    ok = fits(ltrb(locations, boxes), low, high)
    area = boxes[:, 2].sub(boxes[:, 0]).mul(boxes[:, 3] - boxes[:, 1])[None].repeat(L, 1)
    area[ok == 0] = INF
    min_area, index = area.min(dim=1)
    index[min_area == INF] = -1
    return index


# ---------------------------------------------------------------------- class_targets
@wrong("class_targets", "box 0 taken for background")
def _(matched, labels):
    return torch.tensor([int(labels[m]) if m > 0 else -1 for m in matched])


@wrong("class_targets", "background is class 0")
def _(matched, labels):
    if not len(labels):
        return torch.zeros_like(matched)
    return labels[matched] * (matched >= 0)


@wrong("class_targets", "a wrong shape")
def _(matched, labels):
    out = torch.zeros(len(matched), 20)
    for i, m in enumerate(matched):
        if m >= 0:
            out[i, labels[m]] = 1
    return out


@wrong("class_targets", "background is the number of classes")
def _(matched, labels):
    n = int(labels.max()) + 1 if len(labels) else 0
    return torch.tensor([int(labels[m]) if m >= 0 else n for m in matched.tolist()])


@wrong("class_targets", "class 0 taken for background")
def _(matched, labels):
    out = [int(labels[m]) if m >= 0 else -1 for m in matched.tolist()]
    return [c if c > 0 else -1 for c in out]


@wrong("class_targets")
def _(matched, labels):
    return torch.where(matched >= 0, labels.repeat(99)[: len(matched)] if len(labels) else matched, -1)


@wrong("class_targets", "labels counted from one")
def _(matched, labels):
    if not len(labels):
        return matched
    return torch.where(matched >= 0, labels[matched] + 1, torch.tensor(-1))


@wrong("class_targets", "only whether there is a box")
def _(matched, labels):
    return (matched >= 0).long()


@right("class_targets")
def _(matched, labels):
    return torch.cat([labels, labels.new_tensor([-1])])[matched]


@right("class_targets")
def _(matched, labels):
    return torch.cat([torch.tensor([-1]), labels]).gather(0, matched + 1)


@right("class_targets")
def _(matched, labels):
    return list(map(dict(enumerate(labels.tolist())).get, matched.tolist(), [-1] * len(matched)))


@right("class_targets")
def _(matched, labels):
    out = -torch.ones_like(matched)
    where = matched.ne(-1).nonzero().squeeze(1)
    return out.scatter(0, where, labels.index_select(0, matched[where])).to(torch.int16)


@right("class_targets")
def _(matched, labels):
    hot = (matched[:, None] == torch.arange(len(labels))).to(torch.float64)
    return hot @ (labels.double() + 1) - 1


# ---------------------------------------------------------------------- box_targets
def own(locations, boxes, matched):
    b = torch.cat([boxes, torch.zeros(1, 4)])[matched]
    return torch.cat([locations - b[:, :2], b[:, 2:] - locations], 1)


@wrong("box_targets", "box 0 taken for background")
def _(locations, boxes, matched, stride):
    return own(locations, boxes, matched) / stride * (matched > 0)[:, None]


@wrong("box_targets", "only one corner divided")
def _(locations, boxes, matched, stride):
    d = own(locations, boxes, matched) * (matched >= 0)[:, None]
    return torch.cat([d[:, :2] / stride, d[:, 2:]], 1)


@wrong("box_targets", "in shares of the box")
def _(locations, boxes, matched, stride):
    b = torch.cat([boxes, torch.ones(1, 4).cumsum(1)])[matched]
    d = torch.cat([locations - b[:, :2], b[:, 2:] - locations], 1)
    return d / (b[:, 2:] - b[:, :2]).repeat(1, 2) * (matched >= 0)[:, None]


@wrong("box_targets", "the sign")
def _(locations, boxes, matched, stride):
    return -own(locations, boxes, matched) / stride * (matched >= 0)[:, None]


@wrong("box_targets", "columns in another order")
def _(locations, boxes, matched, stride):
    return (own(locations, boxes, matched) / stride * (matched >= 0)[:, None])[:, [0, 2, 1, 3]]


@wrong("box_targets", "cut to whole numbers")
def _(locations, boxes, matched, stride):
    return own(locations, boxes, matched) // stride * (matched >= 0)[:, None]


@wrong("box_targets")
def _(locations, boxes, matched, stride):
    return (own(locations, boxes, matched) / stride).clamp(min=1e-6).log() * (matched >= 0)[:, None]


@wrong("box_targets", "columns in another order")
def _(locations, boxes, matched, stride):
    return (own(locations, boxes, matched) / stride * (matched >= 0)[:, None])[:, [2, 3, 0, 1]]


@wrong("box_targets", "background left out")
def _(locations, boxes, matched, stride):
    return own(locations, boxes, matched)[matched >= 0] / stride


@right("box_targets")
def _(locations, boxes, matched, stride):
    d = own(locations, boxes, matched).div(stride)
    d[matched == -1] = 0
    return d


@right("box_targets")
def _(locations, boxes, matched, stride):
    if not boxes.numel():
        return torch.zeros((len(locations), 4))
    d = ltrb(locations / stride, boxes / stride)  # both in strides
    d = d.gather(1, matched.clamp(min=0)[:, None, None].expand(-1, 1, 4)).squeeze(1)
    return torch.where(matched.unsqueeze(1).lt(0), torch.zeros_like(d), d)


@right("box_targets")
def _(locations, boxes, matched, stride):
    hot = (matched.numpy()[:, None] == np.arange(len(boxes))).astype(float)
    b, p = hot @ boxes.numpy(), locations.numpy() * hot.sum(1, keepdims=True)
    return np.c_[p - b[:, :2], b[:, 2:] - p] / float(stride)


@right("box_targets")
def _(locations, boxes, matched, stride):
    out = torch.zeros(4, len(matched))
    for j, (x0, y0, x1, y1) in enumerate(boxes):
        m = matched == j
        x, y = locations[m].T
        out[:, m] = torch.stack([x - x0, y - y0, x1 - x, y1 - y]) * (1 / stride)
    return out.T
