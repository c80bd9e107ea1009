"""Lab 6."""

import math
import statistics
from bisect import bisect_right

import numpy as np
import torch

from tests.course.judged import right, wrong


# ---------------------------------------------------------------------- learning_rate
@wrong("learning_rate", "the warm-up along a curve")
def _(step, base, warmup, factor, milestones):
    rate = base * 0.1 ** sum(step >= m for m in milestones)
    return rate * factor ** (1 - step / warmup) if step < warmup else rate


@wrong("learning_rate", "the milestones take the factor")
def _(step, base, warmup, factor, milestones):
    warm = factor + (1 - factor) * min(1, step / warmup)
    return base * warm * factor ** sum(step >= m for m in milestones)


@wrong("learning_rate", "a tenth taken away")
def _(step, base, warmup, factor, milestones):
    warm = factor + (1 - factor) * min(1, step / warmup)
    return base * warm * (1 - 0.1 * sum(step >= m for m in milestones))


@wrong("learning_rate", "a tenth in the step of the milestone only")
def _(step, base, warmup, factor, milestones):
    warm = factor + (1 - factor) * min(1, step / warmup)
    return base * warm * (0.1 if step in milestones else 1)


@wrong("learning_rate", "along a cosine")
def _(step, base, warmup, factor, milestones):
    if step < warmup:
        return base * (factor + (1 - factor) * step / warmup)
    return base * 0.5 * (1 + math.cos(math.pi * min(1, step / milestones[-1])))


@wrong("learning_rate", "the warm-up one step early")
def _(step, base, warmup, factor, milestones):
    warm = factor + (1 - factor) * min(1, (step + 1) / warmup)
    return base * warm * 0.1 ** sum(step >= m for m in milestones)


@wrong("learning_rate", "a milestone one step late")
def _(step, base, warmup, factor, milestones):
    for m in milestones:
        if m < step:
            base = base / 10
    return base * (factor + (1 - factor) * min(1, step / warmup))


@wrong("learning_rate", "only the first milestone")
def _(step, base, warmup, factor, milestones):
    rate = base * (factor + (1 - factor) * min(1, step / warmup))
    if step >= milestones[0]:
        rate *= 0.1
    elif step >= milestones[-1]:
        rate *= 0.01
    return rate


@wrong("learning_rate", "a constant warm-up")
def _(step, base, warmup, factor, milestones):
    return base * factor if step < warmup else base * 0.1 ** bisect_right(milestones, step)


@wrong("learning_rate", "factor and 1 - factor swapped")
def _(step, base, warmup, factor, milestones):
    warm = 1 - factor + factor * min(1, step / warmup)
    return base * warm * 0.1 ** sum(step >= m for m in milestones)


@right("learning_rate")
def _(step, base, warmup, factor, milestones):
    alpha = min(step, warmup) / warmup
    return base * (factor * (1 - alpha) + alpha) * 0.1 ** bisect_right(milestones, step)


@right("learning_rate")
def _(step, base, warmup, factor, milestones):
    if milestones:
        *rest, last = milestones
        return _rate(step, base, warmup, factor, rest) * (0.1 if step >= last else 1)
    return base * np.interp(step, (0, warmup), (factor, 1.0))


_rate = _  # the recursion above


@right("learning_rate")
def _(step, base, warmup, factor, milestones):
    start = base * factor
    rate = start + (base - start) / warmup * step if step <= warmup else base
    return rate / math.prod(10 for m in milestones if not step < m)


@right("learning_rate")
def _(step, base, warmup, factor, milestones):
    warm = torch.lerp(torch.tensor(factor), torch.tensor(1.0), min(step / warmup, 1.0))
    return base * warm * torch.pow(torch.tensor(0.1), (torch.tensor(milestones) <= step).sum())


# ---------------------------------------------------------------------- moving_average
@wrong("moving_average", "decay turned round")
def _(average, weights, decay):
    return average.lerp(weights, decay)


@wrong("moving_average", "divided by 1 - decay")
def _(average, weights, decay):
    return (decay * average + (1 - decay) * weights) / (1 - decay)


@wrong("moving_average", "the difference the wrong way")
def _(average, weights, decay):
    return average - (1 - decay) * (weights - average)


@wrong("moving_average", "of the squares")
def _(average, weights, decay):
    return decay * average + (1 - decay) * weights**2


@wrong("moving_average", "the old average added whole")
def _(average, weights, decay):
    return average + (1 - decay) * weights


@wrong("moving_average", "the mean of all")
def _(average, weights, decay):
    return (decay * average + (1 - decay) * weights).mean()


@wrong("moving_average", "nothing returned")
def _(average, weights, decay):
    average.mul_(decay).add_(weights, alpha=1 - decay)


@wrong("moving_average", "the decay taken off twice")
def _(average, weights, decay):
    return decay * average + (1 - decay) ** 2 * weights


@right("moving_average")
def _(average, weights, decay):
    average.mul_(decay).add_(weights, alpha=1 - decay)
    return average


@right("moving_average")
def _(average, weights, decay):
    return torch.sub(average, (average - weights) * (1 - decay)).t().t()


@right("moving_average")
def _(average, weights, decay):
    return torch.tensordot(torch.tensor([decay, 1 - decay]), torch.stack([average, weights]), dims=1)


@right("moving_average")
def _(average, weights, decay):
    if average.dim():
        return [_average(a, w, decay) for a, w in zip(average, weights)]
    return float(decay * average + (1 - decay) * weights)


_average = _  # the recursion above


# ---------------------------------------------------------------------- resize_boxes
@wrong("resize_boxes", "only x")
def _(boxes, old, new):
    boxes = boxes.clone()
    boxes[:, 0::2] *= new[1] / old[1]
    return boxes


@wrong("resize_boxes", "the far corner by the height")
def _(boxes, old, new):
    x, y = new[1] / old[1], new[0] / old[0]
    return torch.cat([boxes[:, :2] * x, boxes[:, 2:] * y], 1)


@wrong("resize_boxes", "the difference of the sizes added")
def _(boxes, old, new):
    x, y = new[1] - old[1], new[0] - old[0]
    return boxes + torch.tensor([x, y, x, y])


@wrong("resize_boxes", "cut to whole pixels")
def _(boxes, old, new):
    x, y = new[1] / old[1], new[0] / old[0]
    return (boxes * torch.tensor([x, y, x, y])).long()


@wrong("resize_boxes", "one ratio for both")
def _(boxes, old, new):
    return boxes * max(new[0] / old[0], new[1] / old[1])


@wrong("resize_boxes", "one ratio for both")
def _(boxes, old, new):
    return boxes * (new[0] * new[1] / (old[0] * old[1])) ** 0.5


@wrong("resize_boxes", "x by the height")
def _(boxes, old, new):
    w, h = old
    w2, h2 = new
    return boxes * torch.tensor([w2 / w, h2 / h, w2 / w, h2 / h])


@wrong("resize_boxes", "the last pixel")
def _(boxes, old, new):
    x, y = (new[1] - 1) / (old[1] - 1), (new[0] - 1) / (old[0] - 1)
    return boxes * torch.tensor([x, y, x, y])


@wrong("resize_boxes", "x, y, width, height")
def _(boxes, old, new):
    x, y = new[1] / old[1], new[0] / old[0]
    out = boxes * torch.tensor([x, y, x, y])
    return torch.cat([out[:, :2], out[:, 2:] - out[:, :2]], 1)


@right("resize_boxes")
def _(boxes, old, new):
    size = torch.tensor([old, new], dtype=torch.float64).flip(1)
    return boxes.view(-1, 2, 2).mul(size[1] / size[0]).view(-1, 4)


@right("resize_boxes")
def _(boxes, old, new):
    y, x = np.divide(new, old)
    return np.matmul(boxes.numpy(), np.diag([x, y, x, y]))


@right("resize_boxes")
def _(boxes, old, new):
    (h, w), (new_h, new_w) = old, new
    out = boxes.clone()
    out[:, [0, 2]] = out[:, [0, 2]] * new_w / w
    out[:, 1::2] = out[:, 1::2] * new_h / h
    return out.clamp(min=0)


@right("resize_boxes")
def _(boxes, old, new):
    scale_x, scale_y = new[1] / old[1], new[0] / old[0]
    x0, y0, x1, y1 = boxes.unbind(1)
    return torch.column_stack((x0 * scale_x, y0 * scale_y, x1 * scale_x, y1 * scale_y))


# ---------------------------------------------------------------------- paired_difference
@wrong("paired_difference", "the answers swapped")
def _(first, second):
    d = second - first
    return d.std() / len(d) ** 0.5, d.mean()


@wrong("paired_difference", "half an interval of 95 %")
def _(first, second):
    d = second - first
    return d.mean(), 1.96 * d.std() / len(d) ** 0.5


@wrong("paired_difference", "the mean over its error")
def _(first, second):
    d = second - first
    return d.mean(), d.mean() / (d.std() / len(d) ** 0.5)


@wrong("paired_difference", "the difference of the spreads")
def _(first, second):
    return second.mean() - first.mean(), (second.std() - first.std()).abs() / len(first) ** 0.5


@wrong("paired_difference", "the sum of the differences")
def _(first, second):
    d = second - first
    return d.sum(), d.std() / len(d) ** 0.5


@wrong("paired_difference", "absolute values")
def _(first, second):
    d = (second - first).abs()
    return d.mean(), d.std() / len(d) ** 0.5


@wrong("paired_difference", "divided by n")
def _(first, second):
    d = (second - first).numpy()
    return d.mean(), d.std() / np.sqrt(len(d))


@wrong("paired_difference", "the root of n - 1")
def _(first, second):
    d = second - first
    return d.mean(), d.std() / (len(d) - 1) ** 0.5


@wrong("paired_difference", "the range")
def _(first, second):
    d = second - first
    return d.mean(), d.max() - d.min()


@wrong("paired_difference", "a wrong shape")
def _(first, second):
    return (second - first).mean()


@right("paired_difference")
def _(first, second):
    d = [float(b) - float(a) for a, b in zip(first, second)]
    return statistics.fmean(d), statistics.stdev(d) / math.sqrt(len(d))


@right("paired_difference")
def _(first, second):
    d = second.double().sub(first)
    mean = torch.einsum("s->", d) / d.numel()
    return torch.stack([mean, ((d - mean) @ (d - mean) / (d.numel() - 1) / d.numel()).sqrt()])


@right("paired_difference")
def _(first, second):
    d = np.subtract(second.numpy(), first.numpy())
    return np.array([d.mean(), (d.var(ddof=1) / d.size) ** 0.5], dtype=np.float64)


@right("paired_difference")
def _(first, second):
    both = torch.cov(torch.stack([first, second]))
    variance = both[0, 0] + both[1, 1] - 2 * both[0, 1]
    return second.mean() - first.mean(), torch.sqrt(variance / len(first))
