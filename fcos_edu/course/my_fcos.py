"""An FCOS detector of one file: what the parts "Your detector" of the book's chapters add up to.

Written by ``make pages`` from the chapters' cells; change those. A reader's own functions take the place of these by
:func:`fcos_edu.course.own.own_detector`. Checked against: the package's detector with the same weights.
"""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock


# ---- Locations and the four distances
def locations(height: int, width: int, stride: int) -> Tensor:
    """Where the locations of a map lie in the image: (H W, 2), row by row."""
    x = stride // 2 + stride * torch.arange(width)
    y = stride // 2 + stride * torch.arange(height)
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([columns, rows], dim=-1).reshape(-1, 2).float()


def ltrb(locations: Tensor, boxes: Tensor) -> Tensor:
    """Eq. 1: distances from each location to the sides of each box, (L, M, 4)."""
    left_top = locations[:, None] - boxes[None, :, :2]
    right_bottom = boxes[None, :, 2:] - locations[:, None]
    return torch.cat([left_top, right_bottom], dim=-1)


def inside(distances: Tensor) -> Tensor:
    """Which locations lie inside which boxes: (L, M)."""
    return (distances > 0).all(dim=-1)


def ltrb_to_boxes(locations: Tensor, distances: Tensor) -> Tensor:
    """Eq. 1 turned round: the box that each location means, (L, 4)."""
    return torch.cat(
        [locations - distances[:, :2], locations + distances[:, 2:]], dim=1
    )


# ---- Levels of the pyramid
STRIDES = (8, 16, 32, 64, 128)  # of P3 to P7
# Of max(l, t, r, b) on each of them, in pixels.
BOUNDS = (0.0, 64.0, 128.0, 256.0, 512.0, math.inf)


def in_level(distances: Tensor, low: float, high: float) -> Tensor:
    """Which boxes a level may learn at each location: (L, M)."""
    farthest = distances.amax(dim=-1)
    return (low <= farthest) & (farthest <= high)


def assign(
    locations: Tensor,
    boxes: Tensor,
    low: float,
    high: float,
    allowed: Tensor | None = None,
) -> Tensor:
    """Which box each location of a level learns: (L,), -1 for background.

    Of those that it may learn, the smallest.
    """
    if len(boxes) == 0:
        return torch.full((len(locations),), -1)
    distances = ltrb(locations, boxes)
    fits = inside(distances) & in_level(distances, low, high)
    if allowed is not None:  # center sampling, from chapter 4 on
        fits = fits & allowed
    area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=-1)
    smallest, box = torch.where(fits, area, math.inf).min(dim=1)
    return torch.where(smallest < math.inf, box, -1)


# ---- When boxes overlap
RADIUS = 1.5  # of center sampling, in strides


def near_center(
    locations: Tensor, boxes: Tensor, stride: int, radius: float
) -> Tensor:
    """Center sampling: which locations lie near the centre of which box, (L, M)."""
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    away = (locations[:, None] - centers[None]).abs()
    return (away < radius * stride).all(dim=-1)


# ---- What can be found at all
def class_targets(matched: Tensor, labels: Tensor) -> Tensor:
    """The class that each location is to predict: (L,), -1 for background."""
    if len(labels) == 0:
        return matched
    return torch.where(matched >= 0, labels[matched.clamp(min=0)], -1)


def box_targets(
    locations: Tensor, boxes: Tensor, matched: Tensor, stride: int
) -> Tensor:
    """The distances that each location is to predict, in strides: (L, 4).

    Zeros at background.
    """
    if len(boxes) == 0:
        return torch.zeros(len(locations), 4)
    own = boxes[matched.clamp(min=0)]
    distances = (
        torch.cat([locations - own[:, :2], own[:, 2:] - locations], dim=1) / stride
    )
    return torch.where(matched[:, None] >= 0, distances, 0.0)


def make_targets(
    boxes: Tensor, labels: Tensor, sizes: list[tuple[int, int]]
) -> tuple[Tensor, Tensor]:
    """Targets of an image: classes (L,) and distances in strides (L, 4)."""
    classes, distances = [], []
    for (height, width), stride, low, high in zip(
        sizes, STRIDES, BOUNDS, BOUNDS[1:], strict=False
    ):
        points = locations(height, width, stride)
        matched = assign(
            points, boxes, low, high, near_center(points, boxes, stride, RADIUS)
        )
        classes.append(class_targets(matched, labels))
        distances.append(box_targets(points, boxes, matched, stride))
    return torch.cat(classes), torch.cat(distances)


# ---- The network
def prior_bias(prior: float) -> float:
    """The bias that gives every class the probability ``prior`` at first."""
    return math.log(prior / (1 - prior))


def flatten_map(x: Tensor) -> Tensor:
    """(B, K, H, W) to (B, H W, K): what the head says at each location."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def predicted_distances(x: Tensor, scale: Tensor | float, stride: int) -> Tensor:
    """From the regression layer's output to pixels: exp(scale x) stride."""
    return (scale * x).clamp(max=12).exp() * stride


def convolution(
    before: int, after: int, stride: int = 1, side: int = 3
) -> nn.Sequential:
    """A convolution and its batch norm."""
    conv = nn.Conv2d(before, after, side, stride, side // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after))


class Block(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first, self.second = (
            convolution(before, after, stride),
            convolution(after, after),
        )
        same = stride == 1 and before == after
        self.shortcut = (
            nn.Identity() if same else convolution(before, after, stride, side=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """A map (B, before, H, W) to (B, after, H / stride, W / stride)."""
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class Backbone(nn.Module):
    """A small residual network: (B, 3, H, W) to C3, C4, C5 of strides 8, 16, 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = convolution(3, 16, stride=2)
        channels = [16, 24, 48, 96, 112]
        self.stages = nn.ModuleList(
            nn.Sequential(
                Block(before, after, 2),
                *(Block(after, after, 1) for _ in range(more)),
            )
            for before, after, more in zip(
                channels, channels[1:], (1, 1, 1, 0), strict=False
            )
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """C3, C4 and C5 by name."""
        x = F.relu(self.stem(x))
        maps = OrderedDict()
        for i, stage in enumerate(self.stages, start=2):
            x = stage(x)
            maps[f"C{i}"] = x
        del maps["C2"]
        return maps


class P6P7(ExtraFPNBlock):
    """Two more levels, each by a convolution of stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.p6, self.p7 = (
            nn.Conv2d(channels, channels, 3, 2, 1) for _ in range(2)
        )
        for conv in (self.p6, self.p7):
            nn.init.kaiming_uniform_(conv.weight, a=1)
            nn.init.zeros_(conv.bias)

    def forward(
        self, pyramid: list[Tensor], _: list[Tensor], names: list[str]
    ) -> tuple[list[Tensor], list[str]]:
        """The maps of P3 to P5, and P6 and P7 behind them."""
        p6 = self.p6(pyramid[-1])
        return [*pyramid, p6, self.p7(F.relu(p6))], [*names, "P6", "P7"]


class Head(nn.Module):
    """Two towers that all levels share, and their three outputs."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.class_tower, self.box_tower = (
            self.tower(channels),
            self.tower(channels),
        )
        self.classes, self.box = (
            nn.Conv2d(channels, num_classes, 3, 1, 1),
            nn.Conv2d(channels, 4, 3, 1, 1),
        )
        self.center = nn.Conv2d(channels, 1, 3, 1, 1)
        self.scales = nn.Parameter(torch.ones(len(STRIDES)))
        for conv in self.modules():
            if isinstance(conv, nn.Conv2d):
                nn.init.normal_(conv.weight, std=0.01)
                nn.init.zeros_(conv.bias)
        nn.init.constant_(self.classes.bias, prior_bias(0.01))

    @staticmethod
    def tower(channels: int) -> nn.Sequential:
        """Two convolutions, each with group norm and ReLU."""
        layers = [
            (
                nn.Conv2d(channels, channels, 3, 1, 1),
                nn.GroupNorm(32, channels),
                nn.ReLU(),
            )
            for _ in range(2)
        ]
        return nn.Sequential(*(part for layer in layers for part in layer))

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, L, C), distances in strides (B, L, 4), center-ness (B, L)."""
        logits, distances, centers = [], [], []
        for x, scale in zip(maps, self.scales, strict=True):
            box = self.box_tower(x)
            logits.append(flatten_map(self.classes(self.class_tower(x))))
            distances.append(
                predicted_distances(flatten_map(self.box(box)), scale, 1)
            )
            centers.append(flatten_map(self.center(box))[..., 0])
        return torch.cat(logits, 1), torch.cat(distances, 1), torch.cat(centers, 1)


class MyFCOS(nn.Module):
    """The whole network: a normalised batch to what it says at each location.

    The sizes of the maps come with it.
    """

    def __init__(self, num_classes: int, channels: int = 64) -> None:
        super().__init__()
        self.backbone, self.head = Backbone(), Head(channels, num_classes)
        self.pyramid = FeaturePyramidNetwork(
            [48, 96, 112], channels, P6P7(channels)
        )

    def forward(
        self, images: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, list[tuple[int, int]]]:
        """What the head says, and the (height, width) of each map."""
        maps = list(self.pyramid(self.backbone(images)).values())
        return *self.head(maps), [(x.shape[2], x.shape[3]) for x in maps]


# ---- The loss
def focal_loss(
    logits: Tensor, labels: Tensor, alpha: float, gamma: float
) -> Tensor:
    """The classification loss of Eq. 2, summed over locations and classes."""
    own = labels[:, None] == torch.arange(logits.shape[1])
    cost = F.binary_cross_entropy_with_logits(
        logits, own.to(logits.dtype), reduction="none"
    )
    wrong = torch.where(own, 1 - logits.sigmoid(), logits.sigmoid())
    return (torch.where(own, alpha, 1 - alpha) * wrong**gamma * cost).sum()


def giou(first: Tensor, second: Tensor) -> Tensor:
    """Generalized IoU of pairs of boxes: (N,)."""

    def area(low: Tensor, high: Tensor) -> Tensor:
        return (high - low).clamp(min=0).prod(dim=1)

    overlap = area(
        torch.maximum(first[:, :2], second[:, :2]),
        torch.minimum(first[:, 2:], second[:, 2:]),
    )
    hull = area(
        torch.minimum(first[:, :2], second[:, :2]),
        torch.maximum(first[:, 2:], second[:, 2:]),
    )
    union = (
        area(first[:, :2], first[:, 2:])
        + area(second[:, :2], second[:, 2:])
        - overlap
    )
    return overlap / union - (hull - union) / hull


# ---- Center-ness
def centerness(ltrb: Tensor) -> Tensor:
    """Eq. 3, in 0..1; 0 at background."""
    # (..., 2, 2): l and r, t and b.
    pairs = torch.stack([ltrb[..., 0::2], ltrb[..., 1::2]], dim=-2)
    return (pairs.amin(-1) / pairs.amax(-1).clamp(min=1e-9)).prod(dim=-1).sqrt()


def centerness_loss(logits: Tensor, ltrb: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy between the branch and Eq. 3, the mean over positives."""
    positive = labels >= 0
    cost = F.binary_cross_entropy_with_logits(
        logits[positive], centerness(ltrb[positive]), reduction="sum"
    )
    return cost / positive.sum().clamp(min=1)


# Logits, distances, center-ness, sizes of the maps.
Output = tuple[Tensor, Tensor, Tensor, list[tuple[int, int]]]


def losses(
    output: Output, boxes: list[Tensor], labels: list[Tensor]
) -> dict[str, Tensor]:
    """Eq. 2 and the center-ness loss of a batch.

    From the network's output and the true boxes of each image.
    """
    logits, distances, centers, sizes = output
    made = [
        make_targets(*truth, sizes) for truth in zip(boxes, labels, strict=True)
    ]
    classes, wanted = (torch.cat(part) for part in zip(*made, strict=True))
    positive = classes >= 0
    count = positive.sum().clamp(min=1)  # N_pos
    # Both boxes lie around the same location.
    here = torch.zeros(int(positive.sum()), 2)
    predicted, true = distances.flatten(0, 1)[positive], wanted[positive]
    return {
        "classification": focal_loss(logits.flatten(0, 1), classes, 0.25, 2.0)
        / count,
        "bbox_regression": (
            1 - giou(ltrb_to_boxes(here, predicted), ltrb_to_boxes(here, true))
        ).sum()
        / count,
        "centerness": centerness_loss(centers.flatten(), wanted, classes),
    }


# ---- Training
def resize_boxes(
    boxes: Tensor, old: tuple[int, int], new: tuple[int, int]
) -> Tensor:
    """Where boxes are once their picture is resized; sizes are (height, width)."""
    y, x = new[0] / old[0], new[1] / old[1]
    return boxes * torch.tensor([x, y, x, y])


def canvas(
    images: list[Tensor], short: int, long: int
) -> tuple[Tensor, list[tuple[int, int]]]:
    """Images (3, H, W) in 0..1 as one normalised batch, padded with zeros.

    With the size of each within it.
    """
    mean, std = (
        torch.tensor([0.485, 0.456, 0.406]),
        torch.tensor([0.229, 0.224, 0.225]),
    )
    small, sizes = [], []
    for image in images:
        sides = image.shape[1:]
        scale = min(short / min(sides), long / max(sides))
        size = (round(sides[0] * scale), round(sides[1] * scale))
        image = F.interpolate(
            image[None], size, mode="bilinear", align_corners=False
        )[0].clamp(0, 1)
        small.append((image - mean[:, None, None]) / std[:, None, None])
        sizes.append(size)
    height, width = (
        math.ceil(max(side) / 32) * 32 for side in zip(*sizes, strict=True)
    )
    padded = [
        F.pad(image, (0, width - image.shape[2], 0, height - image.shape[1]))
        for image in small
    ]
    return torch.stack(padded), sizes


def moving_average(average: Tensor, weights: Tensor, decay: float) -> Tensor:
    """The average of the weights after one more step."""
    return decay * average + (1 - decay) * weights


# Images, and for each its boxes and labels.
Batches = Iterable[tuple[list[Tensor], list[dict[str, Tensor]]]]


def train(
    model: nn.Module,
    batches: Batches,
    steps: int,
    rate: float,
    short: int,
    long: int,
    watch: Callable[[int, nn.Module], None] | None = None,
) -> nn.Module:
    """Train with batches of images and boxes; returns the average of the weights.

    ``watch(step, average)`` is called before each step, and behind the last.
    """
    average = copy.deepcopy(model).eval()
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.02)
    warmup = max(1, min(100, steps // 2))
    model.train()
    for step, (images, targets) in zip(range(steps), batches, strict=False):
        if watch is not None:
            watch(step, average)
        batch, sizes = canvas(images, short, long)
        boxes = [
            resize_boxes(t["boxes"], i.shape[1:], s)
            for t, i, s in zip(targets, images, sizes, strict=True)
        ]
        for group in optimizer.param_groups:
            cosine = (
                1
                + math.cos(math.pi * max(0, step - warmup) / max(1, steps - warmup))
            ) / 2
            group["lr"] = rate * min(0.1 + 0.9 * step / warmup, 1) * cosine
        loss = losses(model(batch), boxes, [t["labels"] for t in targets])
        optimizer.zero_grad()
        sum(loss.values()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        # A short memory at first.
        decay, now = min(0.995, step / (9 + step)), model.state_dict()
        for name, value in average.state_dict().items():
            value.copy_(
                moving_average(value, now[name], decay)
                if value.is_floating_point()
                else now[name]
            )
    if watch is not None:
        watch(steps, average)
    return average


# ---- From outputs to detections
def scores(logits: Tensor, centerness: Tensor) -> Tensor:
    """Class probability times center-ness: (L, C)."""
    return logits.sigmoid() * centerness.sigmoid()[:, None]


def clip_boxes(boxes: Tensor, height: int, width: int) -> Tensor:
    """Boxes cut off at the sides of their picture."""
    x, y = boxes[:, 0::2].clamp(0, width), boxes[:, 1::2].clamp(0, height)
    return torch.stack([x, y], dim=2).flatten(1)


def select(scores: Tensor, threshold: float, top_k: int) -> Tensor:
    """The best pairs of location and class above a threshold, in order: (K, 2)."""
    best, pair = scores.flatten().topk(min(top_k, scores.numel()))
    pair = pair[best > threshold]
    return torch.stack([pair // scores.shape[1], pair % scores.shape[1]], dim=1)


def nms(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Which boxes stay, highest score first: (K,)."""
    stay, area = [], (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    left = scores.argsort(descending=True, stable=True)
    while len(left):
        best, left = left[0], left[1:]
        stay.append(best)
        low, high = (
            torch.maximum(boxes[best, :2], boxes[left, :2]),
            torch.minimum(boxes[best, 2:], boxes[left, 2:]),
        )
        overlap = (high - low).clamp(min=0).prod(dim=1)
        left = left[overlap / (area[best] + area[left] - overlap) <= threshold]
    return torch.stack(stay) if stay else torch.zeros(0, dtype=torch.int64)


def batched_nms(
    boxes: Tensor, scores: Tensor, labels: Tensor, threshold: float
) -> Tensor:
    """NMS for each class by itself, highest score of all classes first: (K,)."""
    side = (boxes.max() - boxes.min() + 1).double() if len(boxes) else 0.0
    return nms(boxes.double() + (labels * side)[:, None], scores, threshold)


@torch.no_grad()
def detect(
    model: nn.Module, image: Tensor, short: int, long: int, threshold: float = 0.05
) -> dict[str, Tensor]:
    """Boxes, scores and labels in a picture (3, H, W), highest score first."""
    batch, [size] = canvas([image], short, long)
    logits, distances, centers, sizes = model(batch)
    ranked, start = [], 0
    for (height, width), stride in zip(sizes, STRIDES, strict=True):
        level = slice(start, start + height * width)
        start = level.stop
        score = scores(logits[0, level], centers[0, level])
        # The threshold is one of the class.
        score = torch.where(logits[0, level].sigmoid() > threshold, score, 0.0)
        at, label = select(score, 0.0, 1000).unbind(1)
        boxes = ltrb_to_boxes(
            locations(height, width, stride)[at], distances[0, level][at] * stride
        )
        ranked.append((clip_boxes(boxes, *size), score[at, label], label))
    boxes, score, label = (torch.cat(part) for part in zip(*ranked, strict=True))
    best = batched_nms(boxes, score, label, 0.6)[:100]
    return {
        "boxes": resize_boxes(boxes[best], size, image.shape[1:]),
        "scores": score[best],
        "labels": label[best],
    }
