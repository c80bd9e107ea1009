"""All answers as one student writes them: loops over plain numbers, lists given back."""

import math

import torch


def locations(height, width, stride):
    found = []
    for y in range(height):
        for x in range(width):
            found.append((x * stride + stride / 2, y * stride + stride / 2))
    return found


def ltrb(locations, boxes):
    answer = torch.empty(len(locations), len(boxes), 4)
    for i, (x, y) in enumerate(locations.tolist()):
        for j, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
            answer[i, j] = torch.tensor([x - x0, y - y0, x1 - x, y1 - y])
    return answer


def ltrb_to_boxes(locations, distances):
    rows = zip(locations.tolist(), distances.tolist())
    return torch.tensor([[x - l, y - t, x + r, y + b] for (x, y), (l, t, r, b) in rows]).reshape(-1, 4)


def inside(distances):
    return [[all(side > 0 for side in one) for one in row] for row in distances.tolist()]


def in_level(distances, low, high):
    answer = torch.zeros(distances.shape[:2], dtype=torch.uint8)
    for i, row in enumerate(distances.tolist()):
        for j, sides in enumerate(row):
            answer[i, j] = low <= max(sides) <= high
    return answer


def near_center(locations, boxes, stride, radius):
    answer = torch.zeros(len(locations), len(boxes), dtype=torch.bool)
    for i, (x, y) in enumerate(locations.tolist()):
        for j, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
            answer[i, j] = max(abs(x - (x0 + x1) / 2), abs(y - (y0 + y1) / 2)) < radius * stride
    return answer


def assign(locations, boxes, low, high):
    matched = []
    for x, y in locations.tolist():
        best, smallest = -1, math.inf
        for j, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
            sides = (x - x0, y - y0, x1 - x, y1 - y)
            area = (x1 - x0) * (y1 - y0)
            if min(sides) > 0 and low <= max(sides) <= high and area < smallest:
                best, smallest = j, area
        matched.append(best)
    return matched


def class_targets(matched, labels):
    return [labels[m].item() if m >= 0 else -1 for m in matched.tolist()]


def box_targets(locations, boxes, matched, stride):
    answer = []
    for (x, y), m in zip(locations.tolist(), matched.tolist()):
        if m < 0:
            answer.append([0, 0, 0, 0])
        else:
            x0, y0, x1, y1 = boxes[m].tolist()
            answer.append([(x - x0) / stride, (y - y0) / stride, (x1 - x) / stride, (y1 - y) / stride])
    return answer


def log_sigmoid(z):
    return min(z, 0.0) - math.log1p(math.exp(-abs(z)))


def focal_loss(logits, labels, alpha, gamma):
    total = 0.0
    for row, label in zip(logits.tolist(), labels.tolist()):
        for k, z in enumerate(row):
            sign, weight = (z, alpha) if k == label else (-z, 1 - alpha)
            total -= weight * (1 - math.exp(log_sigmoid(sign))) ** gamma * log_sigmoid(sign)
    return total


def iou_loss(predicted, target):
    losses = []
    for p, q in zip(predicted.tolist(), target.tolist()):
        width = min(p[0], q[0]) + min(p[2], q[2])
        height = min(p[1], q[1]) + min(p[3], q[3])
        areas = (p[0] + p[2]) * (p[1] + p[3]) + (q[0] + q[2]) * (q[1] + q[3])
        losses.append(-math.log(width * height / (areas - width * height)))
    return losses


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def giou(first, second):
    answer = []
    for a, b in zip(first.tolist(), second.tolist()):
        width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
        height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
        union = area(a) + area(b) - width * height
        hull = area((min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])))
        answer.append(width * height / union - (hull - union) / hull)
    return torch.tensor(answer)


def centerness(ltrb):
    flat = []
    for l, t, r, b in ltrb.reshape(-1, 4).tolist():
        far = max(l, r) * max(t, b)
        flat.append(math.sqrt(min(l, r) * min(t, b) / far) if far > 0 else 0.0)
    return torch.tensor(flat).reshape(ltrb.shape[:-1])


def centerness_loss(logits, ltrb, labels):
    total, count = 0.0, 0
    targets = centerness(ltrb).tolist()
    for z, c, label in zip(logits.tolist(), targets, labels.tolist()):
        if label >= 0:
            total -= c * log_sigmoid(z) + (1 - c) * log_sigmoid(-z)
            count += 1
    return total / max(count, 1)


def normalize(sums, positives):
    return sum(sums.tolist()) / max(1, sum(positives.tolist()))


def feature_sizes(height, width, strides):
    sizes = []
    for stride in strides:
        sizes.append((math.ceil(height / stride), math.ceil(width / stride)))
    return sizes


def flatten_map(x):
    images, channels, height, width = x.shape
    answer = torch.empty(images, height * width, channels)
    for row in range(height):
        for column in range(width):
            answer[:, row * width + column] = x[:, :, row, column]
    return answer


def tower(x, weights, biases):
    layers = []
    for weight, bias in zip(weights, biases):
        layer = torch.nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
        layer.weight.data, layer.bias.data = weight, bias
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers)(x)


def prior_bias(prior):
    low, high = -50.0, 50.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 / (1 + math.exp(-middle)) < prior else (low, middle)
    return low


def predicted_distances(x, scale, stride):
    return [[stride * math.exp(min(scale * value, 12)) for value in row] for row in x.tolist()]


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def scores(logits, centerness):
    return [[sigmoid(z) * sigmoid(c) for z in row] for row, c in zip(logits.tolist(), centerness.tolist())]


def clip_boxes(boxes, height, width):
    answer = boxes.clone()
    for i in range(len(boxes)):
        for side in range(4):
            limit = height if side % 2 else width
            answer[i, side] = min(max(boxes[i, side].item(), 0), limit)
    return answer


def select(scores, threshold, top_k):
    found = []
    for i, row in enumerate(scores.tolist()):
        for k, score in enumerate(row):
            if score > threshold:
                found.append((score, i, k))
    found.sort(reverse=True)
    return [(i, k) for _, i, k in found[:top_k]]


def iou(a, b):
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    return width * height / (area(a) + area(b) - width * height)


def nms(boxes, scores, threshold):
    rows = boxes.tolist()
    left = sorted(range(len(rows)), key=lambda i: -scores[i])
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [i for i in left if iou(rows[i], rows[best]) <= threshold]
    return kept


def batched_nms(boxes, scores, labels, threshold):
    kept = []
    for label in set(labels.tolist()):
        own = [i for i in range(len(labels)) if labels[i] == label]
        kept += [own[i] for i in nms(boxes[own], scores[own], threshold)]
    return sorted(kept, key=lambda i: -scores[i])


def find_hits(boxes, scores, truth, threshold):
    answer, taken = [False] * len(boxes), set()
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        overlaps = [(iou(boxes[i].tolist(), g), j) for j, g in enumerate(truth.tolist()) if j not in taken]
        best, j = max(overlaps, default=(0.0, -1))
        if j >= 0 and best >= threshold:
            answer[i] = True
            taken.add(j)
    return answer


def average_precision(hits, total):
    points, good = [], 0
    for count, hit in enumerate(hits.tolist(), start=1):
        good += hit
        points.append((good / total, good / count))
    return sum(max((p for r, p in points if r >= k / 100), default=0.0) for k in range(101)) / 101


def learning_rate(step, base, warmup, factor, milestones):
    rate = base
    if step < warmup:
        rate = base * (factor + (1 - factor) * step / warmup)
    for milestone in milestones:
        if step >= milestone:
            rate = rate / 10
    return rate


def moving_average(average, weights, decay):
    flat = [decay * a + (1 - decay) * w for a, w in zip(average.flatten().tolist(), weights.flatten().tolist())]
    return torch.tensor(flat).reshape(average.shape)


def resize_boxes(boxes, old, new):
    answer = []
    for x0, y0, x1, y1 in boxes.tolist():
        x, y = new[1] / old[1], new[0] / old[0]
        answer.append([x0 * x, y0 * y, x1 * x, y1 * y])
    return answer


def paired_difference(first, second):
    gains = [b - a for a, b in zip(first.tolist(), second.tolist())]
    mean = sum(gains) / len(gains)
    variance = sum((gain - mean) ** 2 for gain in gains) / (len(gains) - 1)
    return [mean, math.sqrt(variance / len(gains))]
