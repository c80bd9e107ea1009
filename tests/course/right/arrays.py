"""All answers as another student writes them: NumPy inside, float64, other types of integers."""

import numpy as np
import torch

EPS = 1e-12


def locations(height, width, stride):
    y, x = np.mgrid[:height, :width]
    return (np.stack([x.ravel(), y.ravel()], 1) + 0.5) * stride


def ltrb(locations, boxes):
    p, b = locations.numpy()[:, None], boxes.numpy()[None]
    return np.concatenate([p - b[..., :2], b[..., 2:] - p], axis=-1)


def ltrb_to_boxes(locations, distances):
    p, d = np.asarray(locations, np.float64), np.asarray(distances, np.float64)
    return np.hstack([p - d[:, :2], p + d[:, 2:]])


def inside(distances):
    return np.all(distances.numpy() > 0, axis=2).astype(np.int8)


def in_level(distances, low, high):
    d = distances.numpy()
    m = d.max(axis=2, initial=0)
    return np.logical_and(m >= low, m <= high)


def near_center(locations, boxes, stride, radius):
    center = (boxes[:, :2] + boxes[:, 2:]).numpy() / 2
    away = np.abs(locations.numpy()[:, None] - center[None])
    return (away < stride * radius).all(2)


def assign(locations, boxes, low, high):
    answer = np.full(len(locations), -1, np.int32)
    d = ltrb(locations, boxes)
    area = (boxes[:, 2] - boxes[:, 0]).numpy() * (boxes[:, 3] - boxes[:, 1]).numpy()
    for box in np.argsort(-area, kind="stable"):  # the smallest writes last
        fits = (d[:, box].min(1) > 0) & (d[:, box].max(1) >= low) & (d[:, box].max(1) <= high)
        answer[fits] = box
    return answer


def class_targets(matched, labels):
    table = np.append(labels.numpy(), -1)  # the last entry is what the index -1 finds
    return table[matched.numpy()]


def box_targets(locations, boxes, matched, stride):
    m = matched.numpy()
    answer = np.zeros((len(m), 4))
    positive = m >= 0
    p, b = locations.numpy()[positive], boxes.numpy()[m[positive]]
    answer[positive] = np.hstack([p - b[:, :2], b[:, 2:] - p]) / stride
    return torch.from_numpy(answer)


def focal_loss(logits, labels, alpha, gamma):
    z = logits.double().numpy()
    t = np.zeros_like(z)
    rows = np.flatnonzero(labels.numpy() >= 0)
    t[rows, labels.numpy()[rows]] = 1
    signed = np.where(t == 1, z, -z)
    log_p = -np.logaddexp(0, -signed)
    weight = np.where(t == 1, alpha, 1 - alpha)
    return (-weight * (-np.expm1(log_p)) ** gamma * log_p).sum()


def iou_loss(predicted, target):
    p, q = predicted.double().numpy(), target.double().numpy()
    low = np.minimum(p, q)

    def size(d):
        return (d[:, 0] + d[:, 2]) * (d[:, 1] + d[:, 3])

    return np.log(size(p) + size(q) - size(low)) - np.log(size(low))


def giou(first, second):
    a, b = first.numpy().T, second.numpy().T
    inter = np.clip(np.minimum(a[2], b[2]) - np.maximum(a[0], b[0]), 0, None)
    inter = inter * np.clip(np.minimum(a[3], b[3]) - np.maximum(a[1], b[1]), 0, None)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
    hull = (np.maximum(a[2], b[2]) - np.minimum(a[0], b[0])) * (np.maximum(a[3], b[3]) - np.minimum(a[1], b[1]))
    return inter / union - 1 + union / hull


def centerness(ltrb):
    d = ltrb.numpy().astype(np.float64)
    pairs = np.stack([d[..., [0, 2]], d[..., [1, 3]]], -2)
    ratio = pairs.min(-1) / np.maximum(pairs.max(-1), EPS)
    return np.sqrt(ratio.prod(-1))


def centerness_loss(logits, ltrb, labels):
    positive = labels.numpy() >= 0
    if not positive.any():
        return np.float64(0)
    z, c = logits.numpy()[positive].astype(np.float64), centerness(ltrb)[positive]
    return np.mean(np.logaddexp(0, z) - c * z)


def normalize(sums, positives):
    return np.sum(sums.numpy()) / np.maximum(positives.numpy().sum(), 1)


def feature_sizes(height, width, strides):
    s = np.array(strides)
    return np.stack([(height + s - 1) // s, (width + s - 1) // s], axis=1)


def flatten_map(x):
    array = np.moveaxis(x.numpy(), 1, -1)
    return array.reshape(array.shape[0], -1, array.shape[-1])


def tower(x, weights, biases):
    x = x.numpy().astype(np.float64)
    for w, b in zip(weights, biases):
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        out = np.zeros((x.shape[0], w.shape[0], *x.shape[2:]))
        for dy in range(3):
            for dx in range(3):
                part = padded[:, :, dy : dy + x.shape[2], dx : dx + x.shape[3]]
                out += np.einsum("bchw,oc->bohw", part, w.numpy()[:, :, dy, dx])
        x = np.maximum(out + b.numpy()[:, None, None], 0)
    return x


def prior_bias(prior):
    return np.log(prior) - np.log1p(-prior)


def predicted_distances(x, scale, stride):
    return np.exp(np.minimum(x.numpy().astype(np.float64) * scale, 12.0)) * stride


def scores(logits, centerness):
    with np.errstate(over="ignore"):
        p, c = 1 / (1 + np.exp(-logits.numpy())), 1 / (1 + np.exp(-centerness.numpy()))
    return np.einsum("lc,l->lc", p, c)


def clip_boxes(boxes, height, width):
    return np.clip(boxes.numpy(), 0, [width, height, width, height])


def select(scores, threshold, top_k):
    s = scores.numpy()
    order = np.argsort(-s, axis=None)
    order = order[s.ravel()[order] > threshold][:top_k]
    return np.stack(np.unravel_index(order, s.shape), 1)


def overlaps(a, b):
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.clip(high - low, 0, None).prod(2)
    sizes = [(c[:, 2] - c[:, 0]) * (c[:, 3] - c[:, 1]) for c in (a, b)]
    return inter / (sizes[0][:, None] + sizes[1][None] - inter)


def nms(boxes, scores, threshold):
    b, s = boxes.double().numpy(), scores.numpy()
    alive, kept = np.ones(len(b), bool), []
    for i in np.lexsort((np.arange(len(s))[::-1], -s)):  # of equal scores the last one first
        if alive[i]:
            kept.append(i)
            alive &= overlaps(b[[i]], b)[0] <= threshold
    return np.array(kept, np.int16)


def batched_nms(boxes, scores, labels, threshold):
    b = boxes.double()
    if len(b) == 0:
        return np.zeros(0, np.int64)
    return nms(b + labels[:, None] * (b.max() - b.min() + 1), scores, threshold)


def find_hits(boxes, scores, truth, threshold):
    table = overlaps(boxes.double().numpy(), truth.double().numpy())
    answer = np.zeros(len(boxes), bool)
    for i in np.argsort(-scores.numpy()):
        if table.shape[1] and table[i].max() >= threshold:
            answer[i] = True
            table[:, table[i].argmax()] = -1
    return answer


def average_precision(hits, total):
    good = np.cumsum(hits.numpy())
    recall, precision = good / total, good / np.arange(1, len(good) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, np.linspace(0, 1, 101))
    return np.append(precision, 0)[places].mean()


def learning_rate(step, base, warmup, factor, milestones):
    warm = np.interp(step, [0, warmup], [factor, 1])
    return base * warm / 10 ** np.searchsorted(milestones, step, side="right")


def moving_average(average, weights, decay):
    return average.numpy() + (1 - decay) * (weights.numpy() - average.numpy())


def resize_boxes(boxes, old, new):
    ratio = np.array(new)[::-1] / np.array(old)[::-1]
    return boxes.numpy() * np.tile(ratio, 2)


def paired_difference(first, second):
    gains = (second - first).numpy()
    return gains.mean(), gains.std(ddof=1) / np.sqrt(len(gains))
