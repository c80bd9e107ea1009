"""Lab 5."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from tests.course.judged import right, wrong


# ---------------------------------------------------------------------- scores
@wrong("scores")
def _(logits, centerness):
    c = centerness.sigmoid()
    return logits.sigmoid() * c.repeat(9)[: logits.shape[1]]


@wrong("scores", "tanh")
def _(logits, centerness):
    return torch.tanh(logits) * torch.tanh(centerness)[:, None]


@wrong("scores", "softmax")
def _(logits, centerness):
    return logits.softmax(0) * centerness.sigmoid()[:, None]


@wrong("scores", "a logarithm too many")
def _(logits, centerness):
    return F.logsigmoid(logits) + F.logsigmoid(centerness)[:, None]


@wrong("scores", "the smaller of both")
def _(logits, centerness):
    return torch.minimum(logits.sigmoid(), centerness.sigmoid()[:, None])


@wrong("scores", "a sum instead of the product")
def _(logits, centerness):
    return logits.sigmoid() + centerness.sigmoid().unsqueeze(1)


@wrong("scores", "center-ness as an exponent")
def _(logits, centerness):
    return logits.sigmoid() ** centerness.sigmoid()[:, None]


@wrong("scores", "sigmoid twice")
def _(logits, centerness):
    return logits.sigmoid() * centerness.sigmoid().sigmoid()[:, None]


@wrong("scores", "axes swapped")
def _(logits, centerness):
    return (logits.sigmoid() * centerness.sigmoid()[:, None]).T


@wrong("scores", "a wrong shape")
def _(logits, centerness):
    return (logits.sigmoid() * centerness.sigmoid()[:, None]).max(1)


@right("scores")
def _(logits, centerness):
    return torch.diag(centerness.sigmoid()) @ logits.sigmoid()


@right("scores")
def _(logits, centerness):
    both = torch.cat([logits, centerness.unsqueeze(-1)], dim=-1).double().sigmoid()
    return both[:, :-1] * both[:, -1:]


@right("scores")
def _(logits, centerness):
    return (1 / (1 + torch.exp(-logits.T)) / (1 + torch.exp(-centerness))).T


@right("scores")
def _(logits, centerness):
    p, c = np.tanh(logits.numpy() / 2) / 2 + 0.5, np.tanh(centerness.numpy() / 2) / 2 + 0.5
    return p * c.reshape(-1, 1)


# ---------------------------------------------------------------------- clip_boxes
@wrong("clip_boxes", "corners instead of axes")
def _(boxes, height, width):
    return torch.cat([boxes[:, :2].clamp(0, width), boxes[:, 2:].clamp(0, height)], 1)


@wrong("clip_boxes", "only x")
def _(boxes, height, width):
    out = boxes.clone()
    out[:, 0::2] = out[:, 0::2].clamp(0, width)
    return out


@wrong("clip_boxes", "only y")
def _(boxes, height, width):
    out = boxes.clone()
    out[:, 1::2] = out[:, 1::2].clamp(0, height)
    return out


@wrong("clip_boxes", "both cut at the longer side")
def _(boxes, height, width):
    return boxes.clamp(0, max(height, width))


@wrong("clip_boxes", "nothing cut at zero")
def _(boxes, height, width):
    return torch.minimum(boxes, torch.tensor([width, height, width, height]))


@wrong("clip_boxes", "moved instead of cut")
def _(boxes, height, width):
    size = torch.tensor([width, height], dtype=boxes.dtype)
    back = (boxes[:, 2:] - size).clamp(min=0)
    forth = (-boxes[:, :2]).clamp(min=0)
    return boxes + (forth - back).repeat(1, 2)


@wrong("clip_boxes", "in shares of the picture")
def _(boxes, height, width):
    return (boxes / torch.tensor([width, height, width, height])).clamp(0, 1)


@wrong("clip_boxes", "the last pixel")
def _(boxes, height, width):
    top = torch.tensor([width - 1, height - 1, width - 1, height - 1.0])
    return torch.minimum(boxes, top).relu()


@wrong("clip_boxes", "rounded to whole numbers")
def _(boxes, height, width):
    return torch.minimum(boxes, torch.tensor([width, height, width, height])).relu().round()


@wrong("clip_boxes", "x and y both cut at the width")
def _(boxes, height, width):
    out = boxes.clone()
    out[out < 0] = 0
    out[out > width] = width
    return out


@right("clip_boxes")
def _(boxes, height, width):
    boxes[:, 0::2] = boxes[:, 0::2].clamp(0, width)
    boxes[:, 1::2] = boxes[:, 1::2].clamp(0, height)
    return boxes


@right("clip_boxes")
def _(boxes, height, width):
    size = boxes.new_tensor([width, height]).repeat(2)
    return torch.max(torch.min(boxes, size), torch.zeros_like(boxes))


@right("clip_boxes")
def _(boxes, height, width):
    flat = boxes.reshape(-1, 2, 2)
    out = torch.stack([flat[..., 0].clip(0, width), flat[..., 1].clip(0, height)], dim=-1)
    return out.reshape(-1, 4).double()


@right("clip_boxes")
def _(boxes, height, width):
    middle = torch.tensor([width, height, width, height]) / 2
    return middle + torch.maximum(torch.minimum(boxes - middle, middle), -middle)


@right("clip_boxes")
def _(boxes, height, width):
    return [[sorted((0, v, (width, height)[k % 2]))[1] for k, v in enumerate(box)] for box in boxes.tolist()]


# ---------------------------------------------------------------------- select
@wrong("select", "topk of more than there are")
def _(scores, threshold, top_k):
    values, flat = scores.flatten().topk(top_k)
    flat = flat[values > threshold]
    return torch.stack([flat // scores.shape[1], flat % scores.shape[1]], 1)


@wrong("select", "flat indices")
def _(scores, threshold, top_k):
    values, flat = scores.flatten().sort(descending=True)
    return flat[values > threshold][:top_k]


@wrong("select", "the scores instead of the indices")
def _(scores, threshold, top_k):
    values, _ = scores.flatten().sort(descending=True)
    return values[values > threshold][:top_k]


@wrong("select", "only the best location of a class")
def _(scores, threshold, top_k):
    best, where = scores.max(0)
    pairs = torch.stack([where, torch.arange(scores.shape[1])], 1)[best > threshold]
    return pairs[best[best > threshold].argsort(descending=True)][:top_k]


@wrong("select", "class after class")
def _(scores, threshold, top_k):
    pairs = []
    for k in range(scores.shape[1]):
        column = scores[:, k]
        for i in column.argsort(descending=True).tolist():
            if column[i] > threshold:
                pairs.append((i, k))
    return torch.tensor(pairs[:top_k]).reshape(-1, 2)


@wrong("select", "classes counted from one")
def _(scores, threshold, top_k):
    values, flat = scores.flatten().sort(descending=True)
    flat = flat[values > threshold][:top_k]
    return torch.stack([flat // scores.shape[1], flat % scores.shape[1] + 1], 1)


@wrong("select", "divided by the number of locations")
def _(scores, threshold, top_k):
    values, flat = scores.flatten().sort(descending=True)
    flat = flat[values > threshold][:top_k]
    return torch.stack([flat // scores.shape[0], flat % scores.shape[0]], 1)


@wrong("select", "one more than top_k")
def _(scores, threshold, top_k):
    values, flat = scores.flatten().sort(descending=True)
    flat = flat[values > threshold][: top_k + 1]
    return torch.stack([flat // scores.shape[1], flat % scores.shape[1]], 1)


@wrong("select", "not sorted")
def _(scores, threshold, top_k):
    values, flat = scores.flatten().sort(descending=True)
    flat = flat[values > threshold][:top_k].sort().values
    return torch.stack([flat // scores.shape[1], flat % scores.shape[1]], 1)


@wrong("select", "the threshold included")
def _(scores, threshold, top_k):
    rows, classes = np.where(scores.numpy() >= threshold)
    order = np.argsort(-scores.numpy()[rows, classes])[:top_k]
    return np.stack([rows[order], classes[order]], 1)


@right("select")
def _(scores, threshold, top_k):
    kept = scores > threshold
    pairs = torch.nonzero(kept)
    values, order = torch.topk(scores[kept], min(top_k, len(pairs)))
    return pairs[order]


@right("select")
def _(scores, threshold, top_k):
    masked = scores.masked_fill(scores <= threshold, -1).flatten()
    order = masked.argsort(descending=True)[:top_k]
    order = order[masked.gather(0, order) > 0]
    return torch.stack(torch.unravel_index(order, scores.shape), -1)


@right("select")
def _(scores, threshold, top_k):
    import heapq

    found = ((v, i, k) for i, row in enumerate(scores.tolist()) for k, v in enumerate(row) if v > threshold)
    return [[i, k] for _, i, k in heapq.nlargest(top_k, found)]


@right("select")
def _(scores, threshold, top_k):
    s = scores.numpy().T  # classes first
    classes, rows = np.nonzero(s > threshold)
    order = np.lexsort((rows, -s[classes, rows]))[:top_k]
    return torch.from_numpy(np.column_stack((rows, classes))[order]).to(torch.int32)


# ---------------------------------------------------------------------- nms
def table(a, b):
    wh = (torch.minimum(a[:, None, 2:], b[:, 2:]) - torch.maximum(a[:, None, :2], b[:, :2])).clamp(min=0)
    i = wh[..., 0] * wh[..., 1]
    area_a, area_b = (a[:, 2:] - a[:, :2]).prod(1), (b[:, 2:] - b[:, :2]).prod(1)
    return i / (area_a[:, None] + area_b - i)


@wrong("nms", "compared with the one before only")
def _(boxes, scores, threshold):
    order = scores.argsort(descending=True, stable=True).tolist()
    iou, kept = table(boxes, boxes), []
    for i in order:
        if not kept or iou[i, kept[-1]] <= threshold:
            kept.append(i)
    return torch.tensor(kept, dtype=torch.long)


@wrong("nms", "the overlapping ones kept")
def _(boxes, scores, threshold):
    order, iou, kept = scores.argsort(descending=True, stable=True), table(boxes, boxes), []
    while len(order):
        kept.append(int(order[0]))
        order = order[1:][iou[order[0], order[1:]] > threshold]
    return torch.tensor(kept, dtype=torch.long)


@wrong("nms", "the boxes instead of their indices")
def _(boxes, scores, threshold):
    order, iou, kept = scores.argsort(descending=True, stable=True), table(boxes, boxes), []
    while len(order):
        kept.append(int(order[0]))
        order = order[1:][iou[order[0], order[1:]] <= threshold]
    return boxes[kept]


@wrong("nms", "suppressed boxes suppress others")
def _(boxes, scores, threshold):
    order = scores.argsort(descending=True, stable=True)
    iou = table(boxes[order], boxes[order]).triu(1)
    return order[(iou > threshold).sum(0) == 0]


@wrong("nms", "a box suppresses itself")
def _(boxes, scores, threshold):
    order = scores.argsort(descending=True, stable=True)
    iou = table(boxes[order], boxes[order])
    return order[(iou <= threshold).all(0)]


@wrong("nms")
def _(boxes, scores, threshold):
    order, kept = scores.argsort(descending=True, stable=True), []
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    while len(order):
        i, order = order[0], order[1:]
        kept.append(int(i))
        wh = (torch.min(boxes[i, 2:], boxes[order, 2:]) - torch.max(boxes[i, :2], boxes[order, :2])).clamp(min=0)
        order = order[wh.prod(1) / area[order] <= threshold]
    return torch.tensor(kept, dtype=torch.long)


@wrong("nms", "IoU over one of the boxes")
def _(boxes, scores, threshold):
    order, kept = scores.argsort(descending=True, stable=True), []
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    while len(order):
        i, order = order[0], order[1:]
        kept.append(int(i))
        wh = (torch.min(boxes[i, 2:], boxes[order, 2:]) - torch.max(boxes[i, :2], boxes[order, :2])).clamp(min=0)
        order = order[wh.prod(1) / area[i] <= threshold]
    return torch.tensor(kept, dtype=torch.long)


@wrong("nms", "the threshold turned round")
def _(boxes, scores, threshold):
    order, iou, kept = scores.argsort(descending=True, stable=True), table(boxes, boxes), []
    while len(order):
        kept.append(int(order[0]))
        order = order[1:][iou[order[0], order[1:]] <= 1 - threshold]
    return torch.tensor(kept, dtype=torch.long)


@wrong("nms", "any overlap suppresses")
def _(boxes, scores, threshold):
    order, iou, kept = scores.argsort(descending=True, stable=True), table(boxes, boxes), []
    while len(order):
        kept.append(int(order[0]))
        order = order[1:][iou[order[0], order[1:]] == 0]
    return torch.tensor(kept, dtype=torch.long)


@wrong("nms", "the answer not sorted")
def _(boxes, scores, threshold):
    keep = torch.ones(len(boxes), dtype=torch.bool)
    iou = table(boxes, boxes)
    for i in scores.argsort(descending=True, stable=True).tolist():
        if keep[i]:
            over = iou[i] > threshold
            over[i] = False
            keep &= ~over
    return keep.nonzero()[:, 0]


@wrong("nms", "larger boxes first")
def _(boxes, scores, threshold):
    order, iou, kept = (boxes[:, 2:] - boxes[:, :2]).prod(1).argsort(descending=True), table(boxes, boxes), []
    while len(order):
        kept.append(int(order[0]))
        order = order[1:][iou[order[0], order[1:]] <= threshold]
    return torch.tensor(kept, dtype=torch.long)


@right("nms")
def _(boxes, scores, threshold):
    # of equal scores the last one first: legal too
    order = sorted(range(len(scores)), key=lambda i: (scores[i].item(), i), reverse=True)
    kept = []
    for i in order:
        if not kept or table(boxes[i : i + 1], boxes[kept]).max() <= threshold:
            kept.append(i)
    return np.array(kept, dtype=int)


@right("nms")
def _(boxes, scores, threshold):
    def go(order):
        if len(order) == 0:
            return []
        first, rest = order[:1], order[1:]
        return first.tolist() + go(rest[table(boxes[first], boxes[rest])[0] <= threshold])

    return torch.tensor(go(torch.sort(scores, descending=True).indices))


@right("nms")
def _(boxes, scores, threshold):
    order = scores.argsort(descending=True)
    b = boxes[order].double()
    over = (table(b, b) > threshold).triu(1)
    alive = torch.ones(len(b), dtype=torch.bool)
    while True:  # to the fixed point: alive are those that nobody alive suppresses
        new = ~(over & alive[:, None]).any(0)
        if torch.equal(new, alive):
            return order[alive].to(torch.float32)
        alive = new


@right("nms")
def _(boxes, scores, threshold):
    x0, y0, x1, y1 = boxes.numpy().T.astype(np.float64)
    areas, order, keep = (x1 - x0) * (y1 - y0), scores.numpy().argsort(kind="mergesort")[::-1], []
    while order.size > 0:
        i = order[0]
        keep.append(i)
        w = np.maximum(0.0, np.minimum(x1[i], x1[order[1:]]) - np.maximum(x0[i], x0[order[1:]]))
        h = np.maximum(0.0, np.minimum(y1[i], y1[order[1:]]) - np.maximum(y0[i], y0[order[1:]]))
        order = order[np.where(w * h / (areas[i] + areas[order[1:]] - w * h) <= threshold)[0] + 1]
    return keep


# ---------------------------------------------------------------------- batched_nms
def single(boxes, scores, threshold):
    order, iou, kept = scores.argsort(descending=True, stable=True), table(boxes, boxes), []
    while len(order):
        kept.append(int(order[0]))
        order = order[1:][iou[order[0], order[1:]] <= threshold]
    return torch.tensor(kept, dtype=torch.long)


@wrong("batched_nms", "only other classes suppress")
def _(boxes, scores, labels, threshold):
    iou, kept = table(boxes, boxes), []
    for i in scores.argsort(descending=True).tolist():
        if not any(iou[i, j] > threshold and labels[i] != labels[j] for j in kept):
            kept.append(i)
    return torch.tensor(kept, dtype=torch.long)


@wrong("batched_nms")
def _(boxes, scores, labels, threshold):
    return single(boxes + labels[:, None], scores, threshold)


@wrong("batched_nms", "moved by too little")
def _(boxes, scores, labels, threshold):
    return single(boxes + labels[:, None] * 512, scores, threshold)


@wrong("batched_nms", "multiplied instead of moved")
def _(boxes, scores, labels, threshold):
    return single(boxes * (labels[:, None] + 1), scores, threshold)


@wrong("batched_nms", "class after class")
def _(boxes, scores, labels, threshold):
    kept = []
    for k in labels.unique():
        own = (labels == k).nonzero()[:, 0]
        kept += own[single(boxes[own], scores[own], threshold)].tolist()
    return kept


@wrong("batched_nms", "indices within the class")
def _(boxes, scores, labels, threshold):
    found = []
    for k in labels.unique():
        m = labels == k
        found += [(-scores[m][i].item(), i) for i in single(boxes[m], scores[m], threshold).tolist()]
    return [i for _, i in sorted(found)]


@wrong("batched_nms", "one class left out")
def _(boxes, scores, labels, threshold):
    kept = []
    for k in range(int(labels.max()) if len(labels) else 0):
        own = (labels == k).nonzero()[:, 0]
        kept += own[single(boxes[own], scores[own], threshold)].tolist()
    return sorted(kept, key=lambda i: -scores[i])


@wrong("batched_nms", "one box for each class")
def _(boxes, scores, labels, threshold):
    kept = []
    for i in scores.argsort(descending=True).tolist():
        if labels[i] not in [labels[j] for j in kept]:
            kept.append(i)
    return kept


@wrong("batched_nms", "suppressed boxes suppress others")
def _(boxes, scores, labels, threshold):
    order = scores.argsort(descending=True)
    over = (table(boxes[order], boxes[order]) > threshold) & (labels[order][:, None] == labels[order])
    return order[~over.triu(1).any(0)]


@wrong("batched_nms", "suppressed exactly at the threshold")
def _(boxes, scores, labels, threshold):
    iou, kept = table(boxes, boxes), []
    for i in scores.argsort(descending=True).tolist():
        if all(iou[i, j] < threshold for j in kept if labels[i] == labels[j]):
            kept.append(i)
    return kept


@right("batched_nms")
def _(boxes, scores, labels, threshold):
    if boxes.numel() == 0:
        return torch.empty(0, dtype=torch.int64)
    offset = labels.to(boxes) * (boxes.max() + 1)
    return single(boxes + offset[:, None], scores, threshold)


@right("batched_nms")
def _(boxes, scores, labels, threshold):
    return single(boxes.double() + labels[:, None] * torch.tensor([4096.0, 0, 4096, 0]), scores, threshold)


@right("batched_nms")
def _(boxes, scores, labels, threshold):
    order = scores.argsort(descending=True)
    same = labels[order][:, None] == labels[order][None]
    over, keep = (table(boxes[order], boxes[order]) > threshold) & same, []
    gone = [False] * len(order)
    for i in range(len(order)):
        if gone[i]:
            continue
        keep.append(order[i].item())
        gone = [g or bool(over[i, j]) for j, g in enumerate(gone)]
    return keep


@right("batched_nms")
def _(boxes, scores, labels, threshold):
    mask = np.zeros(len(boxes), bool)
    for k in set(labels.tolist()):
        own = np.flatnonzero(labels.numpy() == k)
        mask[own[single(boxes[own], scores[own], threshold).numpy()]] = True
    kept = np.flatnonzero(mask)
    return kept[np.argsort(scores.numpy()[kept])[::-1]].copy()


# ---------------------------------------------------------------------- find_hits
@wrong("find_hits", "a miss claims its object")
def _(boxes, scores, truth, threshold):
    hit, taken = torch.zeros(len(boxes), dtype=torch.bool), set()
    iou = table(boxes, truth)
    for i in scores.argsort(descending=True).tolist():
        free = [j for j in range(len(truth)) if j not in taken]
        if free:
            j = max(free, key=lambda j: iou[i, j].item())
            hit[i] = iou[i, j] >= threshold
            taken.add(j)
    return hit


@wrong("find_hits", "each object claims its best detection")
def _(boxes, scores, truth, threshold):
    hit = torch.zeros(len(boxes), dtype=torch.bool)
    iou = table(boxes, truth)
    for j in range(len(truth)):
        if len(boxes) and iou[:, j].max() >= threshold:
            hit[iou[:, j].argmax()] = True
    return hit


@wrong("find_hits", "an object found twice counts twice")
def _(boxes, scores, truth, threshold):
    if not len(truth):
        return torch.zeros(len(boxes), dtype=torch.bool)
    return table(boxes, truth).amax(1) >= threshold


@wrong("find_hits", "true and false swapped")
def _(boxes, scores, truth, threshold):
    hit, taken = [True] * len(boxes), set()
    iou = table(boxes, truth)
    for i in scores.argsort(descending=True).tolist():
        fits = [j for j in range(len(truth)) if j not in taken and iou[i, j] >= threshold]
        if fits:
            hit[i] = False
            taken.add(max(fits, key=lambda j: iou[i, j].item()))
    return hit


@wrong("find_hits", "the IoU itself")
def _(boxes, scores, truth, threshold):
    return table(boxes, truth).amax(1) if len(truth) else torch.zeros(len(boxes))


@wrong("find_hits", "only the first object")
def _(boxes, scores, truth, threshold):
    hit = torch.zeros(len(boxes), dtype=torch.bool)
    if len(truth):
        for i in scores.argsort(descending=True).tolist():
            if table(boxes[[i]], truth)[0, 0] >= threshold:
                hit[i] = True
                break
    return hit


@wrong("find_hits", "in the order of the scores")
def _(boxes, scores, truth, threshold):
    hit, taken = [], set()
    iou = table(boxes, truth)
    for i in scores.argsort(descending=True).tolist():
        fits = [j for j in range(len(truth)) if j not in taken and iou[i, j] >= threshold]
        hit.append(bool(fits))
        taken |= {max(fits, key=lambda j: iou[i, j].item())} if fits else set()
    return hit


@wrong("find_hits", "the intersection over one box")
def _(boxes, scores, truth, threshold):
    hit, taken = torch.zeros(len(boxes), dtype=torch.bool), set()
    wh = (torch.minimum(boxes[:, None, 2:], truth[:, 2:]) - torch.maximum(boxes[:, None, :2], truth[:, :2])).relu()
    part = wh.prod(-1) / (truth[:, 2:] - truth[:, :2]).prod(1)
    for i in scores.argsort(descending=True).tolist():
        fits = [j for j in range(len(truth)) if j not in taken and part[i, j] >= threshold]
        if fits:
            hit[i] = True
            taken.add(max(fits, key=lambda j: part[i, j].item()))
    return hit


@wrong("find_hits", "only the nearest object")
def _(boxes, scores, truth, threshold):
    hit, taken = torch.zeros(len(boxes), dtype=torch.bool), set()
    for i in scores.argsort(descending=True).tolist() if len(truth) else []:
        best, j = table(boxes[[i]], truth)[0].max(0)
        if best >= threshold and int(j) not in taken:
            hit[i] = True
            taken.add(int(j))
    return hit


@right("find_hits")
def _(boxes, scores, truth, threshold):
    iou = table(boxes, truth)
    pairs = [(-scores[i].item(), -iou[i, j].item(), i, j) for i in range(len(boxes)) for j in range(len(truth))]
    hit, taken = np.zeros(len(boxes), dtype=int), np.zeros(len(truth), dtype=bool)
    for _, minus, i, j in sorted(pairs):
        if -minus >= threshold and not hit[i] and not taken[j]:
            hit[i], taken[j] = 1, True
    return hit


@right("find_hits")
def _(boxes, scores, truth, threshold):
    def claim(order, free):
        if not order or not free:
            return set()
        i, *rest = order
        row = table(boxes[[i]], truth[free])[0]
        if row.max() < threshold:
            return claim(rest, free)
        k = int(row.argmax())
        return {i} | claim(rest, free[:k] + free[k + 1 :])

    found = claim(scores.argsort(descending=True).tolist(), list(range(len(truth))))
    return torch.tensor([i in found for i in range(len(boxes))])


@right("find_hits")
def _(boxes, scores, truth, threshold):
    order = torch.argsort(scores, descending=True)
    iou = F.pad(table(boxes[order], truth).double(), (1, 0), value=-1.0)
    hits = torch.zeros(len(boxes), dtype=torch.uint8)
    for n, row in enumerate(iou):
        value, j = row.max(0)
        if value >= threshold:
            hits[n] = 1
            iou[:, j] = -1
    return torch.zeros_like(hits).scatter_(0, order, hits)


@right("find_hits")
def _(boxes, scores, truth, threshold):
    answer, free = [0.0] * len(boxes), truth.tolist()
    for i in np.argsort(scores.numpy())[::-1].tolist():
        best, mine = 0.0, None
        for g in free:
            iou = table(boxes[i : i + 1], torch.tensor([g])).item()
            if iou >= threshold and iou > best:
                best, mine = iou, g
        if mine is not None:
            answer[i] = 1.0
            free.remove(mine)
    return answer


# ---------------------------------------------------------------------- average_precision
def curve(hits, total):
    tp = hits.double().cumsum(0)
    return tp / total, tp / torch.arange(1, len(hits) + 1)


def at(recall, precision, points):
    return [max([p for r, p in zip(recall.tolist(), precision.tolist()) if r >= q - 1e-12] or [0.0]) for q in points]


@wrong("average_precision", "a constant factor")
def _(hits, total):
    r, p = curve(hits, total)
    return 100 * sum(at(r, p, [k / 100 for k in range(101)])) / 101


@wrong("average_precision", "100 recalls")
def _(hits, total):
    r, p = curve(hits, total)
    return sum(at(r, p, [k / 100 for k in range(1, 101)])) / 100


@wrong("average_precision", "eleven recalls")
def _(hits, total):
    r, p = curve(hits, total)
    return sum(at(r, p, [k / 10 for k in range(11)])) / 11


@wrong("average_precision", "the best precision")
def _(hits, total):
    r, p = curve(hits, total)
    return p.max().item() if len(p) else 0.0


@wrong("average_precision", "the curve made falling from the wrong side")
def _(hits, total):
    r, p = curve(hits, total)
    if not len(p):
        return 0.0
    p = p.cummax(0).values
    found = []
    for k in range(101):
        where = (r >= k / 100 - 1e-12).nonzero()
        found.append(p[where[0, 0]].item() if len(where) else 0.0)
    return sum(found) / 101


@wrong("average_precision", "precision over the objects")
def _(hits, total):
    tp = hits.double().cumsum(0)
    r = p = tp / total
    return sum(at(r, p, [k / 100 for k in range(101)])) / 101


@wrong("average_precision", "the recall of the detection before")
def _(hits, total):
    r, p = curve(hits, total)
    return sum(max([b for a, b in zip(r.tolist(), p.tolist()) if a <= k / 100] or [0.0]) for k in range(101)) / 101


@wrong("average_precision", "F1")
def _(hits, total):
    r, p = curve(hits, total)
    return (2 * p * r / (p + r).clamp(min=1e-9)).max().item() if len(p) else 0.0


@wrong("average_precision", "detections counted from 0")
def _(hits, total):
    tp = hits.double().cumsum(0)
    r, p = tp / total, tp / torch.arange(len(hits)).clamp(min=1)
    return sum(at(r, p, [k / 100 for k in range(101)])) / 101


@wrong("average_precision", "recalls that are never reached left out")
def _(hits, total):
    r, p = curve(hits, total)
    found = [v for v in at(r, p, [k / 100 for k in range(101)]) if v > 0]
    return sum(found) / len(found) if found else 0.0


@right("average_precision")
def _(hits, total):
    r, p = curve(hits, total)
    return np.mean(at(r, p, np.arange(101) / 100))


@right("average_precision")
def _(hits, total):
    ap, best, reached = 0.0, 0.0, 0
    tp = int(hits.sum())
    for n in range(len(hits), 0, -1):  # from the end: the best so far is the falling curve
        best = max(best, tp / n)
        if hits[n - 1]:
            lower, upper = (tp - 1) / total, tp / total
            count = sum(lower < k / 100 <= upper for k in range(101)) + (tp == 1)
            ap, reached, tp = ap + count * best, reached + count, tp - 1
    return ap / 101


@right("average_precision")
def _(hits, total):
    if not hits.any():
        return 0
    r, p = curve(hits, total)
    p = torch.flip(torch.cummax(torch.flip(p, (0,)), 0)[0], (0,))
    asked = torch.linspace(0, 1, 101, dtype=torch.float64)
    index = torch.searchsorted(r, asked - 1e-9)
    return torch.where(index < len(p), p[index.clamp(max=len(p) - 1)], 0).mean()


@right("average_precision")
def _(hits, total):
    from fractions import Fraction

    points, good = [], 0
    for n, hit in enumerate(hits.tolist(), 1):
        good += hit
        points.append((Fraction(good, total), Fraction(good, n)))
    return float(sum(max((p for r, p in points if r >= Fraction(k, 100)), default=0) for k in range(101)) / 101)


@right("average_precision")
def _(hits, total):
    mrec = np.concatenate(([0.0], np.cumsum(hits.numpy()) / total, [math.inf]))
    mpre = np.concatenate(([0.0], np.cumsum(hits.numpy()) / (np.arange(len(hits)) + 1.0), [0.0]))
    for i in range(len(mpre) - 1, 0, -1):
        mpre[i - 1] = max(mpre[i - 1], mpre[i])
    return sum(mpre[np.searchsorted(mrec, t, side="left")] for t in np.linspace(0, 1, 101)) / 101
