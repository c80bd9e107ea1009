"""All answers as a third student writes them: broadcasting, einsum, double precision, helpers that others need too."""

import torch
import torch.nn.functional as F
from torch import Tensor

BACKGROUND = -1
SIGNS = torch.tensor([1.0, 1.0, -1.0, -1.0])


def locations(height: int, width: int, stride: int) -> Tensor:
    xs = torch.arange(stride // 2, stride * width, stride)
    ys = torch.arange(stride // 2, stride * height, stride)
    return torch.cartesian_prod(ys, xs)[:, [1, 0]] if height * width else torch.zeros(0, 2)


def ltrb(locations: Tensor, boxes: Tensor) -> Tensor:
    return torch.einsum("lmk,k->lmk", locations.repeat(1, 2)[:, None] - boxes[None], SIGNS)


def ltrb_to_boxes(locations: Tensor, distances: Tensor) -> Tensor:
    return locations.repeat(1, 2) - distances * SIGNS


def inside(distances: Tensor) -> Tensor:
    return distances.min(dim=-1).values > 0 if distances.shape[1] else distances.new_zeros(distances.shape[:2])


def in_level(distances: Tensor, low: float, high: float) -> Tensor:
    beyond = (distances > high).any(-1)
    reaches = (distances >= low).any(-1)
    return reaches & ~beyond


def near_center(locations, boxes, stride, radius):
    x, y = locations.unbind(1)
    x0, y0, x1, y1 = boxes.unbind(1)
    # |2 x - x0 - x1| < 2 r s, without a division
    fits_x = (2 * x[:, None] - x0 - x1).abs() < 2 * radius * stride
    fits_y = (2 * y[:, None] - y0 - y1).abs() < 2 * radius * stride
    return fits_x & fits_y


def assign(locations, boxes, low, high):
    if len(boxes) == 0:
        return torch.full((len(locations),), BACKGROUND, dtype=torch.int32)
    d = ltrb(locations, boxes)
    allowed = inside(d).bool() & in_level(d, low, high)
    area = (boxes[:, 2:] - boxes[:, :2]).double().prod(1)
    cost = torch.where(allowed, area, torch.inf)
    best = cost.min(dim=1)
    return best.indices.masked_fill(best.values.isinf(), BACKGROUND)


def class_targets(matched, labels):
    answer = torch.full(matched.shape, BACKGROUND)
    answer[matched >= 0] = labels[matched[matched >= 0]]
    return answer.float()  # whole numbers all the same


def box_targets(locations, boxes, matched, stride):
    every = torch.cat([boxes, torch.zeros(1, 4)])[matched]
    d = (locations.repeat(1, 2) - every) * SIGNS / stride
    return d * (matched >= 0).unsqueeze(1)


def focal_loss(logits, labels, alpha, gamma):
    target = F.one_hot(labels + 1, logits.shape[1] + 1)[:, 1:].double()
    z = logits.double()
    positive = -alpha * (-z).sigmoid() ** gamma * F.logsigmoid(z)
    negative = -(1 - alpha) * z.sigmoid() ** gamma * F.logsigmoid(-z)
    return (target * positive + (1 - target) * negative).sum()


def iou_loss(predicted, target):
    both = torch.stack([predicted, target])
    sides = both.min(0).values
    width, height = (both[..., :2] + both[..., 2:]).unbind(-1)
    inter = (sides[:, 0] + sides[:, 2]) * (sides[:, 1] + sides[:, 3])
    return -torch.log(inter / ((width * height).sum(0) - inter + 1e-9))


def giou(first, second):
    corners = torch.stack([first, second]).double()
    inner = torch.cat([corners[..., :2].amax(0), corners[..., 2:].amin(0)], -1)
    outer = torch.cat([corners[..., :2].amin(0), corners[..., 2:].amax(0)], -1)

    def area(box):
        return (box[..., 2:] - box[..., :2]).relu().prod(-1)

    inter, hull = area(inner), area(outer)
    union = area(corners).sum(0) - inter
    return inter / union - (hull - union) / hull


def centerness(ltrb):
    lr, tb = ltrb[..., 0::2], ltrb[..., 1::2]
    ratios = lr.amin(-1) * tb.amin(-1) / (lr.amax(-1) * tb.amax(-1))
    return ratios.sqrt().nan_to_num(0)


def centerness_loss(logits, ltrb, labels):
    positive = labels != BACKGROUND
    if positive.sum() == 0:
        return logits.sum() * 0
    return F.binary_cross_entropy(logits[positive].sigmoid(), centerness(ltrb)[positive])


def normalize(sums, positives):
    count = positives.sum().item()
    return sums.sum().item() / (count if count else 1)


def feature_sizes(height, width, strides):
    return [torch.tensor([-(-height // s), -(-width // s)]) for s in strides]


def flatten_map(x):
    return x.flatten(2).transpose(1, 2)


def tower(x, weights, biases):
    layer = 0
    while layer < len(weights):
        x = F.conv2d(F.pad(x, (1, 1, 1, 1)), weights[layer], biases[layer]).clamp(min=0)
        layer += 1
    return x.requires_grad_()


def prior_bias(prior):
    return torch.logit(torch.tensor([prior], dtype=torch.float64))


def predicted_distances(x, scale, stride):
    return stride * torch.exp(torch.minimum(scale * x, torch.tensor(12.0)))


def scores(logits, centerness):
    return (F.logsigmoid(logits) + F.logsigmoid(centerness).unsqueeze(1)).exp()


def clip_boxes(boxes, height, width):
    boxes = boxes.clone()
    boxes[:, 0::2].clamp_(0, width)
    boxes[:, 1::2].clamp_(0, height)
    return boxes


def select(scores, threshold, top_k):
    values, flat = scores.flatten().sort(descending=True)
    flat = flat[values > threshold][:top_k]
    return torch.stack([flat // scores.shape[1], flat % scores.shape[1]], dim=1).to(torch.int32)


def pairwise(a, b):
    corner = torch.maximum(a[:, None, :2], b[:, :2])
    far = torch.minimum(a[:, None, 2:], b[:, 2:])
    inter = (far - corner).clamp(min=0).prod(-1)
    return inter / ((a[:, 2:] - a[:, :2]).prod(1)[:, None] + (b[:, 2:] - b[:, :2]).prod(1) - inter)


def nms(boxes, scores, threshold):
    order = scores.argsort(descending=True, stable=True)
    over = pairwise(boxes[order], boxes[order]) > threshold
    gone = torch.zeros(len(boxes), dtype=torch.bool)
    for i in range(len(order)):
        if not gone[i]:
            gone[i + 1 :] |= over[i, i + 1 :]
    return order[~gone]


def batched_nms(boxes, scores, labels, threshold):
    keep = torch.zeros(len(boxes), dtype=torch.bool)
    for label in labels.unique():
        own = torch.where(labels == label)[0]
        keep[own[nms(boxes[own], scores[own], threshold)]] = True
    kept = torch.where(keep)[0]
    return kept[scores[kept].argsort(descending=True)]


def find_hits(boxes, scores, truth, threshold):
    answer = torch.zeros(len(boxes))
    if len(boxes) == 0 or len(truth) == 0:
        return answer
    table = pairwise(boxes, truth)
    table = torch.where(table >= threshold, table, torch.zeros(()))
    for i in scores.argsort(descending=True):
        if table[i].sum() > 0:
            answer[i] = 1
            table[:, table[i].argmax()] = 0
    return answer


def average_precision(hits, total):
    recall = hits.double().cumsum(0) / total
    precision = hits.double().cumsum(0) / torch.arange(1, len(hits) + 1)
    asked = torch.arange(101, dtype=torch.float64)[:, None] / 100
    best = torch.where(recall >= asked - 1e-9, precision, 0.0)
    return (best.amax(1) if len(hits) else torch.zeros(101)).mean()


def learning_rate(step, base, warmup, factor, milestones):
    warm = factor + (1 - factor) * min(step / warmup, 1)
    return torch.tensor(base * warm * 0.1 ** len([m for m in milestones if m <= step]), dtype=torch.float64)


def moving_average(average, weights, decay):
    return torch.lerp(weights, average, decay)


def resize_boxes(boxes, old, new):
    (old_h, old_w), (h, w) = old, new
    return boxes / torch.tensor([old_w, old_h, old_w, old_h]) * torch.tensor([w, h, w, h])


def paired_difference(first, second):
    gains = (second - first).double()
    return gains.mean(), gains.std() / len(gains) ** 0.5
