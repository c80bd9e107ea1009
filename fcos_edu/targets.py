"""Sections 3.1 and 3.2: from boxes to the targets of every location: Eq. 1, level ranges, sampling, smallest area.

Taught in the chapters *Locations and the four distances* and *Levels of the pyramid*; the fast form in *On a GPU*.
Checked against: :func:`assign_slow` (the loop that reads like the paper) on random and nasty boxes, and torchvision's
matching through the ``torchvision`` preset.

Two implementations, equal by test. :func:`assign_slow` loops over locations and boxes. :func:`assign` uses that a
feature map's rows and columns are separable: l and r depend on the column alone, t and b on the row alone. So each box
is tested against H rows and W columns instead of H x W locations. The answers for up to 63 boxes, sorted by area, are
packed into the bits of one integer for each row and each column. Joining a row and a column is then one ``&``, and the
smallest box is the lowest bit that is set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .config import FCOSConfig
from .devices import exact
from .locations import Grid, axes, kept

WORD = 63  # boxes in one int64; the sign bit stays free


def ltrb(locations: Tensor, boxes: Tensor) -> Tensor:
    """Eq. 1: the distances from each location to the four sides of each box.

    Args:
        locations: ``(L, 2)`` xy in pixels.
        boxes: ``(M, 4)`` xyxy in pixels.

    Returns:
        ``(L, M, 4)`` l, t, r, b in pixels. The location lies inside the box where all four are positive.
    """
    lt = locations[:, None, :] - boxes[None, :, :2]
    rb = boxes[None, :, 2:] - locations[:, None, :]
    return torch.cat([lt, rb], dim=-1)


def ltrb_to_boxes(locations: Tensor, distances: Tensor) -> Tensor:
    """Eq. 1 inverted: ``(..., 2)`` locations and ``(..., 4)`` ltrb in pixels give ``(..., 4)`` xyxy boxes."""
    return torch.cat([locations - distances[..., :2], locations + distances[..., 2:]], dim=-1)


def assign_slow(locations: Sequence[Tensor], boxes: Tensor, config: FCOSConfig) -> Tensor:
    """The assignment as the paper tells it, one location and one box at a time. For reading and for tests.

    Args:
        locations: for each level ``(L_i, 2)`` xy in pixels.
        boxes: ``(M, 4)`` xyxy of one image, in pixels.
        config: uses ``strides``, ``level_bounds``, ``center_sampling_radius``.

    Returns:
        ``(L,)`` int64: the index of the box that each location learns, or -1 for background.
    """
    matched = []
    bounds = config.level_bounds
    for points, stride, low, high in zip(locations, config.strides, bounds, bounds[1:], strict=False):
        for x, y in points.tolist():
            best, best_area = -1, math.inf
            for index, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
                left, top, right, bottom = x - x0, y - y0, x1 - x, y1 - y  # Eq. 1
                inside = min(left, top, right, bottom) > 0
                farthest = max(left, top, right, bottom)
                in_range = low <= farthest <= high
                if config.torchvision_quirks:
                    in_range = low < farthest < high
                central = True
                if config.center_sampling_radius is not None:
                    reach = config.center_sampling_radius * stride
                    central = max(abs(x - (x0 + x1) / 2), abs(y - (y0 + y1) / 2)) < reach
                area = (x1 - x0) * (y1 - y0)
                if inside and in_range and central and area < best_area:
                    best, best_area = index, area
            matched.append(best)
    return torch.tensor(matched, dtype=torch.int64)


class Candidates(NamedTuple):
    """Which boxes may claim which location, packed in bits; see :func:`candidates`."""

    words: list[Tensor]  # ceil(M / 63) tensors (B, L) int64; bit k of word w is box order[b, 63 w + k]
    order: Tensor  # (B, M) int64: box indices from the smallest area to the largest


@exact
def candidates(boxes: Tensor, valid: Tensor, sizes: Sequence[tuple[int, int]], config: FCOSConfig) -> Candidates:
    """All boxes that each location could learn: inside, of its level, and central if center sampling is on.

    A location with more than one is an *ambiguous sample*.

    Args:
        boxes: ``(B, M, 4)`` xyxy in pixels of the canvas, padded to M.
        valid: ``(B, M)`` bool, False for padding.
        sizes: (height, width) of each level's feature map.
        config: uses ``strides``, ``level_bounds``, ``center_sampling_radius``, ``location_offset`` and the quirks.
    """
    device = boxes.device
    order = _by_area(boxes, valid, config)
    boxes = boxes.gather(1, order[..., None].expand_as(boxes))
    valid = valid.gather(1, order)

    # All levels' columns side by side, and all levels' rows: (sum W_i,) and (sum H_i,).
    columns = _axis(tuple(w for _, w in sizes), config, str(device))
    rows = _axis(tuple(h for h, _ in sizes), config, str(device))

    words = []
    for start in range(0, boxes.shape[1], WORD):
        part, ok = boxes[:, start : start + WORD], valid[:, start : start + WORD]
        column_fits, column_far = columns.test(part[..., 0], part[..., 2], ok, config)
        row_fits, row_far = rows.test(part[..., 1], part[..., 3], ok, config)
        levels = []
        for i in range(len(sizes)):
            cf, cb = column_fits[i][:, None, :], column_far[i][:, None, :]  # (B, 1, W)
            rf, rb = row_fits[i][:, :, None], row_far[i][:, :, None]  # (B, H, 1)
            # max(l, t, r, b) <= m_i in both axes, and >= m_(i-1) in at least one of them.
            levels.append(((rf & cb) | (rb & cf)).flatten(1))  # (B, H W)
        words.append(torch.cat(levels, dim=1))
    return Candidates(words, order)


class _Axis(NamedTuple):
    """The columns (or the rows) of all levels, with what is needed to test boxes against them."""

    at: Tensor  # (N,) coordinate in pixels
    low: Tensor  # (N,) level's bounds m_(i-1), m_i
    high: Tensor
    reach: Tensor  # (N,) half side of the center-sampling square, in pixels
    counts: list[int]  # columns (rows) of each level

    def test(self, start: Tensor, end: Tensor, valid: Tensor, config: FCOSConfig) -> tuple[list[Tensor], list[Tensor]]:
        """Bits of the boxes (B, M) with sides ``start`` and ``end`` that fit, for each level (B, n) int64.

        The first result: inside, central, and the farther side within the upper bound. The second: in addition, the
        farther side reaches the lower bound.
        """
        at = self.at[:, None]  # (N, 1)
        if not config.torchvision_quirks:  # in float32 a distance just above a bound would round onto it
            at, start, end = at.double(), start.double(), end.double()
        start, end = start[:, None, :], end[:, None, :]  # (B, 1, M)
        before, after = at - start, end - at  # l and r, or t and b: (B, N, M)
        farther = torch.maximum(before, after)
        fits = (torch.minimum(before, after) > 0) & valid[:, None, :]
        if config.center_sampling_radius is not None:
            fits &= (at - (start + end) / 2).abs() < self.reach[:, None]
        if config.torchvision_quirks:
            fits &= farther < self.high[:, None]
            far = fits & (farther > self.low[:, None])
        else:
            fits &= farther <= self.high[:, None]
            far = fits & (farther >= self.low[:, None])
        bits = 1 << torch.arange(fits.shape[-1], device=at.device)
        packed = [(mask * bits).sum(-1).split(self.counts, dim=1) for mask in (fits, far)]
        return list(packed[0]), list(packed[1])


@kept
def _axis(counts: tuple[int, ...], config: FCOSConfig, device: str) -> _Axis:
    radius = config.center_sampling_radius
    return _Axis(
        torch.cat(axes(counts, config, device=device)),
        _spread(config.level_bounds[:-1], counts, device),
        _spread(config.level_bounds[1:], counts, device),
        _spread([math.inf if radius is None else radius * s for s in config.strides], counts, device),
        list(counts),
    )


def _spread(values: Sequence[float], counts: Sequence[int], device: str) -> Tensor:
    """Each level's value, repeated for all its columns or rows."""
    return torch.cat([torch.full((n,), float(v), device=device) for v, n in zip(values, counts, strict=True)])


def _by_area(boxes: Tensor, valid: Tensor, config: FCOSConfig) -> Tensor:
    """Box indices from the smallest area to the largest, earlier boxes first among equals, padding last: (B, M)."""
    if not config.torchvision_quirks:
        boxes = boxes.double()  # float32 would call large boxes of nearly equal area equal
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    if config.torchvision_quirks:
        area = -(1e8 - area)  # in float32, where close areas tie
    return area.masked_fill(~valid, math.inf).argsort(dim=1, stable=True)


def lowest_bit(word: Tensor) -> Tensor:
    """Position of the lowest set bit of each (positive) int64; anything for 0. Without synchronisation or loops."""
    # A power of two below 2^63 is exact in float32, and its exponent stands in the bits 23..30.
    return ((word & -word).to(torch.float32).view(torch.int32) >> 23) - 127


@exact
def assign(boxes: Tensor, valid: Tensor, sizes: Sequence[tuple[int, int]], config: FCOSConfig) -> Tensor:
    """The box that each location learns: the smallest of its candidates.

    Arguments as for :func:`candidates`. No loop over images or boxes, no host synchronisation, and no tensor larger
    than (B, L) integers.

    Returns:
        ``(B, L)`` int64: index into the M boxes of the image, or -1 for background.
    """
    words, order = candidates(boxes, valid, sizes, config)
    if not words:  # M = 0: no image of the batch has a box
        return torch.full((len(boxes), sum(h * w for h, w in sizes)), -1, device=boxes.device)
    rank = lowest_bit(words[0])
    found = words[0] != 0
    for i, word in enumerate(words[1:], start=1):
        here = word != 0
        rank = torch.where(found, rank, lowest_bit(word) + i * WORD)
        found |= here
    rank = rank.to(torch.int64).clamp_(0, order.shape[1] - 1)
    return torch.where(found, order.gather(1, rank), -1)


class Targets(NamedTuple):
    """What the network is to predict at every location."""

    labels: Tensor  # (B, L) int64: class 0..C-1, or -1 for background
    ltrb: Tensor  # (B, L, 4) in pixels, or in strides with normalize_targets; 0 at background
    matched: Tensor  # (B, L) int64: index of the box, or -1

    @property
    def positive(self) -> Tensor:
        """``(B, L)`` bool: the locations that have a box."""
        return self.labels >= 0


class PaddedBoxes(NamedTuple):
    """The boxes of a batch, padded to the M of the image that has most; made by :func:`pad_boxes`."""

    boxes: Tensor  # (B, M, 4) float32 xyxy in pixels of the canvas
    labels: Tensor  # (B, M) int64: class 0..C-1
    valid: Tensor  # (B, M) bool: False for padding


def make_targets(boxes: PaddedBoxes, grid: Grid, config: FCOSConfig) -> Targets:
    """Targets of every location of a batch.

    Args:
        boxes: of B images, in pixels of the canvas.
        grid: of the canvas, on the boxes' device.
        config: the model's configuration.
    """
    matched = assign(boxes.boxes, boxes.valid, grid.sizes, config)
    positive = matched >= 0
    if boxes.boxes.shape[1] == 0:
        return Targets(matched.clone(), boxes.boxes.new_zeros(*matched.shape, 4), matched)
    index = matched.clamp(min=0)
    own = boxes.boxes.gather(1, index[..., None].expand(-1, -1, 4))  # (B, L, 4): each location's box
    distances = torch.cat([grid.points - own[..., :2], own[..., 2:] - grid.points], dim=-1)  # Eq. 1
    if config.normalize_targets:
        distances = distances / grid.strides[:, None]
    return Targets(
        torch.where(positive, boxes.labels.gather(1, index), -1),
        torch.where(positive[..., None], distances, 0.0),
        matched,
    )


def pad_boxes(targets: Sequence[dict[str, Tensor]], device: torch.device) -> PaddedBoxes:
    """Lists of boxes as one padded batch, on ``device``.

    M is the largest number of boxes in an image. Lengths are known on the host, so nothing synchronises; and which box
    goes where is computed there, so the number of kernels does not grow with the number of images.
    """
    counts = torch.tensor([len(t["boxes"]) for t in targets], dtype=torch.int64, device="cpu")
    most, total = max((len(t["boxes"]) for t in targets), default=0), sum(len(t["boxes"]) for t in targets)
    # All boxes end to end, and one empty box behind them, which fills the gaps.
    column = torch.arange(most, device="cpu")
    index = torch.where(column < counts[:, None], (counts.cumsum(0) - counts)[:, None] + column, total)  # (B, M)
    home = targets[0]["boxes"].device if targets else device
    boxes = torch.cat([*(t["boxes"].float() for t in targets), torch.zeros(1, 4, device=home)])
    labels = torch.cat([*(t["labels"].long() for t in targets), torch.zeros(1, dtype=torch.int64, device=home)])
    # Pageable memory is sent without waiting as long as it is small (64 kB); so is this.
    boxes, labels, index = (t.to(device, non_blocking=True) for t in (boxes, labels, index))
    return PaddedBoxes(boxes[index], labels[index], index < total)
