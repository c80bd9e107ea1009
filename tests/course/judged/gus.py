"""Right answers in the hand of one who likes recursion, complex numbers and few loops."""

import functools
import math

import numpy as np
import torch
from torch import nn

from tests.course.judged import right


@right("locations")
def locations(height, width, stride):
    g = np.indices((height, width))[::-1].reshape(2, -1).T
    return (2 * g + 1) * (stride // 2)


@right("ltrb")
def ltrb(locations, boxes):
    near, far = boxes.chunk(2, dim=1)
    p = locations.unsqueeze(1)
    out = torch.empty(len(locations), len(boxes), 4, dtype=torch.float16 if False else torch.float32)
    out[..., :2] = p - near
    out[..., 2:] = far - p
    return out.requires_grad_()


@right("ltrb_to_boxes")
def ltrb_to_boxes(locations, distances):
    z = locations.numpy().astype(float) @ np.array([1, 1j])
    d = distances.numpy().astype(float)
    a, b = z - d[:, 0] - 1j * d[:, 1], z + d[:, 2] + 1j * d[:, 3]
    return np.stack([a.real, a.imag, b.real, b.imag], 1)


@right("inside")
def inside(distances):
    return functools.reduce(torch.logical_and, (side > 0 for side in distances.unbind(-1)))


@right("in_level")
def in_level(distances, low, high):
    l, t, r, b = torch.split(distances, 1, -1)
    m = torch.maximum(torch.maximum(l, t), torch.maximum(r, b)).squeeze(-1)
    return (m.clamp(low, high) == m).tolist()


@right("near_center")
def near_center(locations, boxes, stride, radius):
    c = boxes.unflatten(1, (2, 2)).mean(1)
    if len(c) == 0:
        return torch.zeros(len(locations), 0)
    return torch.cdist(locations, c, p=float("inf")) < radius * stride


@right("assign")
def assign(locations, boxes, low, high):
    order = ((boxes[:, 2] - boxes[:, 0]).double() * (boxes[:, 3] - boxes[:, 1]).double()).argsort()

    def one(p):
        for j in order.tolist():
            d = (p[0] - boxes[j, 0], p[1] - boxes[j, 1], boxes[j, 2] - p[0], boxes[j, 3] - p[1])
            if all(v > 0 for v in d) and low <= max(d) <= high:
                return float(j)
        return -1.0

    return torch.tensor([one(p) for p in locations])


@right("class_targets")
def class_targets(matched, labels):
    return torch.cat((labels, labels.new_tensor([-1]))).index_select(0, matched % (len(labels) + 1))


@right("box_targets")
def box_targets(locations, boxes, matched, stride):
    rows = (
        (0.0,) * 4
        if j < 0
        else tuple(v / stride for v in (x - boxes[j][0], y - boxes[j][1], boxes[j][2] - x, boxes[j][3] - y))
        for (x, y), j in zip(locations.tolist(), matched.tolist())
    )
    return torch.tensor([[float(v) for v in row] for row in rows])


@right("focal_loss")
def focal_loss(logits, labels, alpha, gamma):
    total = torch.zeros(())
    for c in range(logits.shape[1]):
        z = logits[:, c].double()
        y = labels == c
        log_p, log_q = -torch.logaddexp(torch.zeros_like(z), -z), -torch.logaddexp(torch.zeros_like(z), z)
        total = (
            total
            - (alpha * log_q.exp() ** gamma * log_p)[y].sum()
            - ((1 - alpha) * log_p.exp() ** gamma * log_q)[~y].sum()
        )
    return total.reshape(1)


@right("iou_loss")
def iou_loss(predicted, target):
    def corners(d):
        return np.concatenate([-d[:, :2], d[:, 2:]], 1)

    a, b = corners(predicted.numpy()), corners(target.numpy())
    wh = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    i = wh.prod(1)
    u = np.prod(a[:, 2:] - a[:, :2], 1) + np.prod(b[:, 2:] - b[:, :2], 1) - i
    return np.log(u) - np.log(i)


@right("giou")
def giou(first, second):
    lo, hi = torch.stack([first, second]).double().split(2, -1)
    area = (hi - lo).prod(-1).sum(0)
    inter = torch.relu(hi.amin(0) - lo.amax(0)).prod(-1)
    hull = (hi.amax(0) - lo.amin(0)).prod(-1)
    union = area - inter
    return inter / union - 1 + union / hull


@right("centerness")
def centerness(ltrb):
    d = ltrb.unflatten(-1, (2, 2)).sort(dim=-2).values  # (l, t), (r, b): each column sorted
    small, large = d[..., 0, :], d[..., 1, :]
    return (small / large.where(large > 0, torch.ones(()))).prod(-1).pow(0.5)


@right("centerness_loss")
def centerness_loss(logits, ltrb, labels):
    index = labels.ne(-1).nonzero(as_tuple=True)
    if index[0].numel() == 0:
        return logits.sum() * 0.0
    d = ltrb[index].T.sort(0) if False else ltrb[index]
    c = (
        (torch.minimum(d[:, 0], d[:, 2]) * torch.minimum(d[:, 1], d[:, 3]))
        / (torch.maximum(d[:, 0], d[:, 2]) * torch.maximum(d[:, 1], d[:, 3]))
    ) ** 0.5
    return nn.BCEWithLogitsLoss()(logits[index].double(), c.double())


@right("normalize")
def normalize(sums, positives):
    return torch.einsum("w->", sums) / max(1.0, float(positives.sum()))


@right("feature_sizes")
def feature_sizes(height, width, strides):
    def walk(h, w, s):
        return (h, w) if s == 1 else walk((h + 1) // 2, (w + 1) // 2, s // 2)

    return tuple(walk(height, width, s) for s in strides)


@right("flatten_map")
def flatten_map(x):
    return torch.stack([torch.stack(list(image.movedim(0, -1).flatten(0, 1))) for image in x]).numpy()


@right("tower")
def tower(x, weights, biases):
    def layer(w, b):
        conv = nn.Conv2d(w.shape[1], w.shape[0], 3, padding="same")
        conv.weight.data, conv.bias.data = w, b
        return nn.Sequential(conv, nn.Threshold(0, 0))

    return nn.Sequential(*map(layer, weights, biases))(x)


@right("prior_bias")
def prior_bias(prior):
    return torch.special.logit(torch.tensor([prior]))


@right("predicted_distances")
def predicted_distances(x, scale, stride):
    return (
        torch.logaddexp(torch.zeros(()), torch.zeros(())) * 0
        + torch.exp(torch.minimum(scale * x.double(), torch.full_like(x, 12).double())) * stride
    )


@right("scores")
def scores(logits, centerness):
    return torch.diag(1 / (1 + torch.exp(-centerness))) @ (1 / (1 + torch.exp(-logits)))


@right("clip_boxes")
def clip_boxes(boxes, height, width):
    return [[min(max(v, 0), width if k % 2 == 0 else height) for k, v in enumerate(row)] for row in boxes.tolist()]


@right("select")
def select(scores, threshold, top_k):
    flat = scores.reshape(-1)
    n = min(top_k, int((flat > threshold).sum()))
    i = flat.topk(n).indices
    return torch.column_stack(torch.unravel_index(i, scores.shape))


def _overlap(a, b, t):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return False
    return w * h > t * ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h)


@right("nms")
def nms(boxes, scores, threshold):
    b = boxes.tolist()

    def walk(left):
        if not left:
            return []
        head, *tail = left
        return [head, *walk([j for j in tail if not _overlap(b[head], b[j], threshold)])]

    return torch.tensor(walk(sorted(range(len(b)), key=scores.__getitem__, reverse=True)), dtype=torch.int32)


@right("batched_nms")
def batched_nms(boxes, scores, labels, threshold):
    boxes64 = boxes.double()
    reach = (boxes64.max() - boxes64.min() + 1) if len(boxes) else 0
    return nms(boxes64 + labels[:, None].double() * reach, scores, threshold)


@right("find_hits")
def find_hits(boxes, scores, truth, threshold):
    taken, hits = set(), np.zeros(len(boxes), dtype=bool)

    def iou(a, b):
        w, h = max(0, min(a[2], b[2]) - max(a[0], b[0])), max(0, min(a[3], b[3]) - max(a[1], b[1]))
        return w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h)

    b, g = boxes.tolist(), truth.tolist()
    for i in np.argsort(-scores.numpy()):
        free = [(iou(b[i], g[j]), j) for j in range(len(g)) if j not in taken]
        if free and max(free)[0] >= threshold:
            taken.add(max(free)[1])
            hits[i] = True
    return hits


@right("average_precision")
def average_precision(hits, total):
    if not len(hits):
        return torch.zeros(1)
    tp = torch.cumsum(hits.double(), 0)
    p, r = tp / torch.arange(1, len(hits) + 1), tp / total
    x = torch.arange(101, dtype=torch.float64) / 100
    ok = r[None] >= x[:, None] - 1e-12
    return (p[None] * ok).amax(1).mean()


@right("learning_rate")
def learning_rate(step, base, warmup, factor, milestones):
    share = min(1, step / warmup)
    return torch.tensor(
        base * (factor * (1 - share) + share) * math.prod(0.1 for m in milestones if m <= step), dtype=torch.float64
    )


@right("moving_average")
def moving_average(average, weights, decay):
    return weights - decay * (weights - average)


@right("resize_boxes")
def resize_boxes(boxes, old, new):
    m = torch.zeros(4, 4)
    m[0, 0] = m[2, 2] = new[1] / old[1]
    m[1, 1] = m[3, 3] = new[0] / old[0]
    return boxes @ m


@right("paired_difference")
def paired_difference(first, second):
    d = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    return d.mean(), np.sqrt(d.var(ddof=1) / d.size)
