"""Lab 4."""

import math
from math import ceil

import numpy as np
import torch
import torch.nn.functional as F

from tests.course.judged import right, wrong


# ---------------------------------------------------------------------- feature_sizes
@wrong("feature_sizes", "rounded down")
def _(height, width, strides):
    return [(math.ceil(height // s), math.ceil(width // s)) for s in strides]


@wrong("feature_sizes", "one too many")
def _(height, width, strides):
    return [(height // s + 1, width // s + 1) for s in strides]


@wrong("feature_sizes", "rounded down")
def _(height, width, strides):
    out, h, w = [], height, width
    for _ in range(3):
        h, w = h // 2, w // 2
    for _ in strides:
        out.append((h, w))
        h, w = h // 2, w // 2
    return out


@wrong("feature_sizes", "another shape")
def _(height, width, strides):
    return [n for s in strides for n in (ceil(height / s), ceil(width / s))]


@wrong("feature_sizes", "the same stride for all")
def _(height, width, strides):
    return [(ceil(height / strides[-1]), ceil(width / strides[-1])) for s in strides]


@wrong("feature_sizes", "only the height rounded up")
def _(height, width, strides):
    return [(ceil(height / s), width // s) for s in strides]


@wrong("feature_sizes", "a constant added")
def _(height, width, strides):
    return [((height - 1) // s, (width - 1) // s) for s in strides]


@wrong("feature_sizes", "the strides not used")
def _(height, width, strides):
    return [(ceil(height / 2**i), ceil(width / 2**i)) for i in range(len(strides))]


@wrong("feature_sizes", "axes swapped")
def _(height, width, strides):
    return [ceil(height / s) for s in strides], [ceil(width / s) for s in strides]


@right("feature_sizes")
def _(height, width, strides):
    sizes, h, w, stride = [], height, width, 1
    for s in strides:
        while stride < s:
            h, w, stride = (h + 1) // 2, (w + 1) // 2, stride * 2
        sizes.append([h, w])
    return sizes


@right("feature_sizes")
def _(height, width, strides):
    def convolved(n, s):
        return n if s == 1 else convolved(math.floor((n + 2 * 1 - 3) / 2) + 1, s // 2)

    return tuple((convolved(height, s), convolved(width, s)) for s in strides)


@right("feature_sizes")
def _(height, width, strides):
    size = torch.tensor([height, width])
    return torch.ceil(size / torch.tensor(strides)[:, None])


@right("feature_sizes")
def _(height, width, strides):
    return [x.shape[-2:] for x in (torch.empty(1, 1, height, width)[..., ::s, ::s] for s in strides)]


# ---------------------------------------------------------------------- flatten_map
@wrong("flatten_map", "the locations before the images")
def _(x):
    return x.flatten(2).permute(2, 0, 1)


@wrong("flatten_map", "column by column")
def _(x):
    return x.transpose(1, 3).flatten(1, 2)


@wrong("flatten_map", "mirrored")
def _(x):
    return x.flip(3).flatten(2).transpose(1, 2)


@wrong("flatten_map", "reshaped without permuting")
def _(x):
    return x.view(x.size(0), x.size(2) * x.size(3), x.size(1))


@wrong("flatten_map")
def _(x):
    return x[0].flatten(1).T.expand(len(x), -1, -1)


@wrong("flatten_map", "the channels turned round")
def _(x):
    return x.permute(0, 2, 3, 1).flatten(1, 2).flip(-1)


@wrong("flatten_map", "the batch flattened too")
def _(x):
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


@wrong("flatten_map", "channels first")
def _(x):
    return x.reshape(x.shape[0], x.shape[1], -1)


@wrong("flatten_map", "another shape")
def _(x):
    return x.permute(0, 2, 3, 1).reshape(1, -1, x.shape[1])


@right("flatten_map")
def _(x):
    return torch.einsum("bkhw->bhwk", x).reshape(x.shape[0], -1, x.shape[1])


@right("flatten_map")
def _(x):
    return torch.stack([channel.flatten(1) for channel in x.unbind(1)], dim=2)


@right("flatten_map")
def _(x):
    return torch.cat([row.transpose(1, 2) for row in x.unbind(2)], dim=1).double()


@right("flatten_map")
def _(x):
    return F.unfold(x, kernel_size=1).swapaxes(1, 2)


@right("flatten_map")
def _(x):
    return [[pixel for row in image.permute(1, 2, 0).tolist() for pixel in row] for image in x]


# ---------------------------------------------------------------------- tower
@wrong("tower", "kernels turned round")
def _(x, weights, biases):
    for w, b in zip(weights, biases):
        x = F.relu(F.conv2d(x, w.flip(2, 3), b, padding=1))
    return x


@wrong("tower", "channels of the weights swapped")
def _(x, weights, biases):
    for w, b in zip(weights, biases):
        x = F.relu(F.conv2d(x, w.transpose(0, 1), b, padding=1))
    return x


@wrong("tower", "the bias after the ReLU")
def _(x, weights, biases):
    for w, b in zip(weights, biases):
        x = F.relu(F.conv2d(x, w, padding=1)) + b[:, None, None]
    return x


@wrong("tower", "another padding")
def _(x, weights, biases):
    for w, b in zip(weights, biases):
        x = F.relu(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), w, b))
    return x


@wrong("tower", "another activation")
def _(x, weights, biases):
    for w, b in zip(weights, biases):
        x = F.gelu(F.conv2d(x, w, b, padding=1))
    return x


@wrong("tower", "another activation")
def _(x, weights, biases):
    for w, b in zip(weights, biases):
        x = F.conv2d(x, w, b, padding=1).abs()
    return x


@wrong("tower", "normalised")
def _(x, weights, biases):
    for w, b in zip(weights, biases):
        x = F.relu(F.group_norm(F.conv2d(x, w, b, padding=1), 1))
    return x


@wrong("tower", "no ReLU after the first convolution")
def _(x, weights, biases):
    for i, (w, b) in enumerate(zip(weights, biases)):
        x = F.conv2d(x, w, b, padding=1)
        x = F.relu(x) if i else x
    return x


@wrong("tower", "no ReLU after the last convolution")
def _(x, weights, biases):
    layers = []
    for i, (w, b) in enumerate(zip(weights, biases)):
        conv = torch.nn.Conv2d(*w.shape[1::-1], 3, padding=1)
        conv.weight.data, conv.bias.data = w, b
        layers += [conv] + ([torch.nn.ReLU()] if i < len(weights) - 1 else [])
    return torch.nn.Sequential(*layers)(x)


@wrong("tower", "the same input for each layer")
def _(x, weights, biases):
    for w, b in zip(weights, biases):
        out = F.relu(F.conv2d(x, w, b, padding=1))
    return out


@wrong("tower", "a shortcut in each layer")
def _(x, weights, biases):
    for w, b in zip(weights, biases):
        x = x + F.relu(F.conv2d(x, w, b, padding=1))
    return x


@right("tower")
def _(x, weights, biases):
    if not weights:
        return x
    (w, *weights), (b, *biases) = weights, biases
    return _tower(F.threshold(F.conv2d(x, w, b, 1, 1), 0.0, 0.0), weights, biases)


_tower = _  # the recursion above


@right("tower")
def _(x, weights, biases):
    for w, b in zip(weights, biases):
        n, c, h, width = x.shape
        columns = F.unfold(x, 3, padding=1)
        x = (w.reshape(len(w), -1) @ columns + b[:, None]).clamp_min_(0).view(n, -1, h, width)
    return x


@right("tower")
@torch.no_grad()
def _(x, weights, biases):
    x = x.clone().to(memory_format=torch.channels_last).double()
    for i in range(len(weights)):
        x = torch.conv2d(x, weights[i].double(), biases[i].double(), padding="same")
        x[x < 0] = 0
    return x


@right("tower")
def _(x, weights, biases):
    from functools import reduce

    relu = torch.nn.ReLU(inplace=True)
    return reduce(lambda x, wb: relu(F.conv2d(x, *wb, stride=1, padding=(1, 1))), zip(weights, biases), x)


# ---------------------------------------------------------------------- prior_bias
@wrong("prior_bias", "two logarithms divided")
def _(prior):
    return math.log(prior) / math.log(1 - prior)


@wrong("prior_bias", "the logarithm of the wrong part")
def _(prior):
    return -math.log(1 - prior) / prior


@wrong("prior_bias", "always the same number")
def _(prior):
    return -4.59511985013459


@wrong("prior_bias", "the logarithm of 1 - prior")
def _(prior):
    return math.log(1 - prior)


@wrong("prior_bias", "the sign")
def _(prior):
    return np.log((1.0 - prior) / prior)


@wrong("prior_bias", "one half taken away")
def _(prior):
    return prior - 0.5


@wrong("prior_bias", "a constant factor")
def _(prior):
    return math.atanh(2 * prior - 1)


@wrong("prior_bias", "no logarithm")
def _(prior):
    return prior / (1 - prior)


@right("prior_bias")
def _(prior):
    return 2 * math.atanh(2 * prior - 1)


@right("prior_bias")
def _(prior):
    p = torch.as_tensor(prior)
    return torch.log(p / (1.0 - p))


@right("prior_bias")
def _(prior):
    return torch.special.logit(torch.full((1,), prior)).tolist()


@right("prior_bias")
def _(prior=0.01):
    z = 0.0
    for _ in range(100):  # Newton
        s = 1 / (1 + math.exp(-z))
        z -= (s - prior) / max(s * (1 - s), 1e-3)
    return np.float32(z)


# ---------------------------------------------------------------------- predicted_distances
@wrong("predicted_distances", "another limit")
def _(x, scale, stride):
    return torch.exp((scale * x).clamp(max=math.log(1000 / 16))) * stride


@wrong("predicted_distances", "the limit on the distance")
def _(x, scale, stride):
    return (torch.exp(scale * x) * stride).clamp(max=math.exp(12))


@wrong("predicted_distances", "the sign of the exponent")
def _(x, scale, stride):
    return torch.exp((-scale * x).clamp(max=12)) * stride


@wrong("predicted_distances", "2 to the power instead of exp")
def _(x, scale, stride):
    return 2 ** (scale * x).clamp(max=12) * stride


@wrong("predicted_distances", "no limit")
def _(x, scale, stride):
    return torch.nan_to_num(torch.exp(scale * x)) * stride


@wrong("predicted_distances", "the limit before the scale")
def _(x, scale, stride):
    return torch.exp(scale * torch.clamp(x, max=12)) * stride


@wrong("predicted_distances", "divided by the scale")
def _(x, scale, stride):
    return torch.exp((x / scale).clamp(max=12)) * stride


@wrong("predicted_distances", "exp less 1")
def _(x, scale, stride):
    return torch.expm1((x * scale).clamp(max=12)) * stride


@wrong("predicted_distances", "relu instead of exp")
def _(x, scale, stride):
    return (x * scale).clamp(max=12).relu() * stride


@wrong("predicted_distances", "the stride multiplied twice")
def _(x, scale, stride):
    d = torch.exp(torch.minimum(x * scale, torch.tensor(12.0))) * stride
    return d * stride


@right("predicted_distances")
def _(x, scale, stride):
    z = x.clone().mul_(scale)
    z[z > 12] = 12
    return z.exp_().mul_(stride)


@right("predicted_distances")
def _(x, scale, stride):
    return torch.exp(torch.where(x * scale > 12, torch.full_like(x, 12), x * scale) + math.log(stride))


@right("predicted_distances")
def _(x, scale, stride):
    return torch.pow(math.e, 12 - F.relu(12 - x.double() * scale)) * stride


@right("predicted_distances")
def _(x, scale, stride):
    return stride * torch.exp(scale * x).clamp(max=math.exp(12))
