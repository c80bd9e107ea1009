"""Lab 1."""

import math
from functools import lru_cache, wraps

import numpy as np
import torch

from tests.course.judged import right, wrong


# ---------------------------------------------------------------------- locations
@wrong("locations", "column by column")
def _(height, width, stride):
    grid = torch.meshgrid(torch.arange(width), torch.arange(height), indexing="ij")
    return torch.stack([one.flatten() for one in grid], 1) * stride + stride / 2


@wrong("locations", "the two axes mixed")
def _(height, width, stride):
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y]).reshape(-1, 2) * stride + stride // 2


@wrong("locations", "half a stride taken away")
def _(height, width, stride):
    y, x = np.mgrid[:height, :width]
    return np.stack([x.ravel(), y.ravel()], 1) * stride - stride / 2


@wrong("locations", "half a pixel off")
def _(height, width, stride):
    return [[(x + 0.5) * stride - 0.5, (y + 0.5) * stride - 0.5] for y in range(height) for x in range(width)]


@wrong("locations", "spread from side to side")
def _(height, width, stride):
    x, y = torch.linspace(0, width * stride, width), torch.linspace(0, height * stride, height)
    return torch.cartesian_prod(y, x).flip(1)


@wrong("locations", "spread from side to side")
def _(height, width, stride):
    x = torch.linspace(stride / 2, width * stride, width)
    y = torch.linspace(stride / 2, height * stride, height)
    return torch.cartesian_prod(y, x).flip(1)


@wrong("locations", "not flattened")
def _(height, width, stride):
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y], -1) * stride + stride // 2


@wrong("locations", "from the bottom upwards")
def _(height, width, stride):
    return [(x * stride + stride / 2, y * stride + stride / 2) for y in range(height)[::-1] for x in range(width)]


@wrong("locations", "half a stride on one axis only")
def _(height, width, stride):
    return [(x * stride + stride / 2, y * stride) for y in range(height) for x in range(width)]


@wrong("locations", "axes swapped")
def _(height, width, stride):
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x.flatten(), y.flatten()]) * stride + stride // 2


@wrong("locations", "half a stride on one axis only")
def _(height, width, stride):
    return [(x * stride, y * stride + stride / 2) for y in range(height) for x in range(width)]


@wrong("locations", "x and y swapped")
def _(height, width, stride):
    return torch.tensor([divmod(i, width) for i in range(height * width)]) * stride + stride // 2


@right("locations")
def _(height, width, stride):
    i = torch.arange(height * width)
    return torch.stack((i % width, torch.div(i, width, rounding_mode="floor")), dim=1).mul(stride).add(stride / 2)


@right("locations")
def _(height: int, width: int, stride: int = 8, *, offset: float = 0.5) -> torch.Tensor:
    ones = torch.ones(height, width, dtype=torch.float64)
    xy = torch.stack([ones.cumsum(1) - 1, ones.cumsum(0) - 1])
    return (xy.permute(1, 2, 0).reshape(-1, 2) + offset) * stride


@right("locations")
def _(height, width, stride):
    def rows(y):
        return [] if y == height else [(stride * (x + 0.5), stride * (y + 0.5)) for x in range(width)] + rows(y + 1)

    return tuple(rows(0))


@right("locations")
@lru_cache
def _(height, width, stride):
    xy = np.indices((width, height)).T.reshape(-1, 2)  # not contiguous on the way
    return np.asfortranarray(xy * np.float64(stride) + stride / 2)


@right("locations")
def _(height, width, stride):
    grid = torch.nn.functional.affine_grid(torch.eye(2, 3)[None], (1, 1, height, width), align_corners=False)[0]
    return (grid.reshape(-1, 2) + 1) / 2 * torch.tensor([width * stride, height * stride])


# ---------------------------------------------------------------------- ltrb
@wrong("ltrb", "one side with the wrong sign")
def _(locations, boxes):
    x, y = locations[:, None].unbind(-1)
    x0, y0, x1, y1 = boxes.unbind(-1)
    return torch.stack([x - x0, y0 - y, x1 - x, y1 - y], -1)


@wrong("ltrb", "one side with the wrong sign")
def _(locations, boxes):
    x, y = locations[:, None].unbind(-1)
    x0, y0, x1, y1 = boxes.unbind(-1)
    return torch.stack([x - x0, y - y0, x1 - x, y - y1], -1)


@wrong("ltrb", "left and right swapped")
def _(locations, boxes):
    x, y = locations[:, None].unbind(-1)
    x0, y0, x1, y1 = boxes.unbind(-1)
    return torch.stack([x1 - x, y - y0, x - x0, y1 - y], -1)


@wrong("ltrb", "top and bottom swapped")
def _(locations, boxes):
    x, y = locations[:, None].unbind(-1)
    x0, y0, x1, y1 = boxes.unbind(-1)
    return torch.stack([x - x0, y1 - y, x1 - x, y - y0], -1)


@wrong("ltrb", "outside set to zero")
def _(locations, boxes):
    d = torch.cat([locations[:, None] - boxes[:, :2], boxes[:, 2:] - locations[:, None]], -1)
    return d * (d > 0).all(-1, keepdim=True)


@wrong("ltrb", "one pixel added")
def _(locations, boxes):
    d = torch.cat([locations[:, None] - boxes[:, :2], boxes[:, 2:] - locations[:, None]], -1)
    return d + torch.tensor([0.0, 0, 1, 1])


@wrong("ltrb", "cut to whole numbers")
def _(locations, boxes):
    return torch.cat([locations[:, None] - boxes[:, :2], boxes[:, 2:] - locations[:, None]], -1).long()


@wrong("ltrb", "measured from the centre of the box")
def _(locations, boxes):
    center = (boxes[:, :2] + boxes[:, 2:]) / 2
    return torch.cat([center - boxes[:, :2], boxes[:, 2:] - center], -1).expand(len(locations), -1, -1)


@wrong("ltrb", "in shares of the box")
def _(locations, boxes):
    d = torch.cat([locations[:, None] - boxes[:, :2], boxes[:, 2:] - locations[:, None]], -1)
    return d / (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)


@wrong("ltrb", "an error at an edge: an image without boxes")
def _(locations, boxes):
    rows = [torch.cat([p - b[:2], b[2:] - p]) for p in locations for b in boxes]
    return torch.stack(rows).view(len(locations), len(boxes), 4)


@wrong("ltrb", "raises RuntimeError")
def _(locations, boxes):
    return torch.cat([locations - boxes[:, :2], boxes[:, 2:] - locations], -1)


@wrong("ltrb", "another shape")
def _(locations, boxes):
    return torch.cat([locations[:, None] - boxes[:, :2], boxes[:, 2:] - locations[:, None]], -1).reshape(-1, 4)


@right("ltrb")
def _(locations, boxes):
    both = torch.cat([boxes, -boxes], 1)[:, [0, 1, 6, 7]]
    signed = torch.cat([locations, -locations], 1)
    return signed[:, None, :] - both[None, :, :]


@right("ltrb")
def _(locations, boxes):
    x, y = (c.unsqueeze(1) for c in locations.T)
    return torch.stack((x - boxes[:, 0], y - boxes[:, 1], boxes[:, 2] - x, boxes[:, 3] - y)).movedim(0, 2)


@right("ltrb")
def _(locations, boxes):
    out = locations.new_empty((4, len(locations), len(boxes)), dtype=torch.double)
    for k, sign in enumerate((1, 1, -1, -1)):
        out[k] = sign * (locations[:, k % 2 : k % 2 + 1] - boxes[:, k])
    return out.permute(1, 2, 0)


@right("ltrb")
def _(locations, boxes):
    matrix = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], float)
    signs = np.array([1, 1, -1, -1])
    return np.einsum("kd,ld->lk", matrix, locations)[:, None, :] - (boxes.numpy() * signs)[None]


# ---------------------------------------------------------------------- ltrb_to_boxes
@wrong("ltrb_to_boxes", "the far corner measured from the near one")
def _(locations, distances):
    x0, y0 = locations[:, 0] - distances[:, 0], locations[:, 1] - distances[:, 1]
    return torch.stack([x0, y0, x0 + distances[:, 2], y0 + distances[:, 3]], 1)


@wrong("ltrb_to_boxes", "top and bottom swapped")
def _(locations, distances):
    (x, y), (l, t, r, b) = locations.T, distances.T
    return torch.stack([x - l, y - b, x + r, y + t], 1)


@wrong("ltrb_to_boxes", "left and right swapped")
def _(locations, distances):
    (x, y), (l, t, r, b) = locations.T, distances.T
    return torch.stack([x - r, y - t, x + l, y + b], 1)


@wrong("ltrb_to_boxes", "center, width, height")
def _(locations, distances):
    (x, y), (l, t, r, b) = locations.T, distances.T
    return torch.stack([x + (r - l) / 2, y + (b - t) / 2, l + r, t + b], 1)


@wrong("ltrb_to_boxes", "the location at the near corner")
def _(locations, distances):
    return torch.cat([locations, locations + distances[:, :2] + distances[:, 2:]], 1)


@wrong("ltrb_to_boxes", "rounded to whole numbers")
def _(locations, distances):
    return torch.cat([locations - distances[:, :2], locations + distances[:, 2:]], 1).round()


@wrong("ltrb_to_boxes", "the location left out")
def _(locations, distances):
    return torch.cat([-distances[:, :2], distances[:, 2:]], 1)


@wrong("ltrb_to_boxes", "an error at an edge: no location at all")
def _(locations, distances):
    return torch.stack([torch.cat([p - d[:2], p + d[2:]]) for p, d in zip(locations, distances)])


@wrong("ltrb_to_boxes", "one pixel taken away")
def _(locations, distances):
    return torch.cat([locations - distances[:, :2], locations + distances[:, 2:] - 1], 1)


@wrong("ltrb_to_boxes", "absolute values")
def _(locations, distances):
    return torch.cat([locations - distances[:, :2], locations + distances[:, 2:]], 1).abs()


@right("ltrb_to_boxes")
def _(locations, distances):
    out = distances.clone()
    out[:, :2] *= -1
    out.view(-1, 2, 2).add_(locations[:, None])
    return out


@right("ltrb_to_boxes")
def _(locations, distances):
    if len(distances) == 0:
        return torch.empty((0, 4))
    return [[*(p - d[:2]), *(p + d[2:])] for p, d in zip(locations.numpy(), distances.numpy())]


@right("ltrb_to_boxes")
def _(locations, distances):
    signs = torch.tensor([[-1, -1, 1, 1]], device=distances.device, dtype=distances.dtype)
    return torch.addcmul(torch.tile(locations, (1, 2)), distances, signs)


@right("ltrb_to_boxes")
def _(locations, distances):
    l, t, r, b = torch.split(distances, 1, dim=1)
    x, y = torch.tensor_split(locations, 2, dim=1)
    return torch.hstack((x.sub(l), y.sub(t), x.add(r), y.add(b))).T.contiguous().T


# ---------------------------------------------------------------------- inside
@wrong("inside", "the sum instead of each side")
def _(distances):
    return distances.sum(-1) > 0


@wrong("inside", "any side is enough")
def _(distances):
    return distances.amax(-1) > 0 if distances.shape[1] else distances.new_zeros(5, 0)


@wrong("inside", "left and top may be zero")
def _(distances):
    l, t, r, b = distances.unbind(-1)
    return (l >= 0) & (t >= 0) & (r > 0) & (b > 0)


@wrong("inside", "a wrong shape")
def _(distances):
    return (distances > 0).all()


@wrong("inside", "the boxes instead of the sides")
def _(distances):
    return (distances > 0).all(1)


@wrong("inside", "a wrong shape")
def _(distances):
    return (distances > 0).all(-1).nonzero()


@wrong("inside", "only top and bottom")
def _(distances):
    return (distances[..., 1] > 0) & (distances[..., 3] > 0)


@wrong("inside", "close to a side counts as outside")
def _(distances):
    return (distances > 1).all(-1)


@wrong("inside", "one side left out")
def _(distances):
    l, t, r, b = distances.unbind(-1)
    return (l > 0) & (t > 0) & (r > 0)


@wrong("inside", "one axis is enough")
def _(distances):
    l, t, r, b = distances.unbind(-1)
    return (l * r > 0) | (t * b > 0)


@wrong("inside")
def _(distances):
    return distances.min(-1)[0].bool()


@wrong("inside", "some left out")
def _(distances):
    return [[bool(one.min() > 0) for one in row] for row in distances][:-1]


@right("inside")
def _(distances):
    return torch.sign(distances).sum(-1).eq(4)


@right("inside")
def _(distances):
    return ~(distances <= 0).any(dim=-1)


@right("inside")
def _(distances):
    l, t, r, b = np.moveaxis(distances.numpy(), -1, 0)
    return np.minimum.reduce([l, t, r, b]) > 0.0


@right("inside")
def _(distances):
    return torch.where(torch.clamp(distances, max=0) == 0, distances, -1).gt(0).sum(2) // 4


@right("inside")
def _(distances):
    # l r > 0 alone would not do: both may be negative, but then their sum is
    l, t, r, b = (distances.select(-1, k) for k in range(4))
    return torch.logical_and(torch.logical_and(l * r > 0, l + r > 0), torch.logical_and(t * b > 0, t + b > 0))


def counted(function):
    """A decorator, as students take them from elsewhere."""
    calls = []

    @wraps(function)
    def inner(*args, **kwargs):
        calls.append(math.nan)
        return function(*args, **kwargs)

    return inner


@right("inside")
@counted
def _(distances):
    answer = torch.ones(distances.shape[:-1], dtype=torch.bool)
    for k in range(4):
        answer &= distances[..., k] > 0
    return answer
