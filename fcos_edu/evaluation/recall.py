"""Table 1: best possible recall, the share of boxes that at least one training sample is told to find.

Taught in the chapter *What can be found at all*. Checked against: a slow count written from the paper, and
torchvision's ``Matcher`` on the full matrix of anchors and boxes.

A box without a sample cannot be learnt: no training brings it back. FCOS is often said to lose too many boxes on
coarse maps; Table 1 answers that it loses fewer than anchors do. FCOS's rows are counted with
:func:`fcos_edu.targets.assign`, the very function that training calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import box_area, box_iou

from ..config import INF, FCOSConfig
from ..data.boxes import BoxBatch, Boxes, batches
from ..devices import one_thread
from ..progress import bar as progress_bar
from ..targets import assign, candidates, ltrb

SIZE_EDGES = (0, 8, 16, 32, 64, 96, 128, 256, 512, INF)

# Why a box has no sample, from the first hurdle to the last.
REASONS = ("between locations", "outside the level's range", "not central", "taken by smaller boxes")

# Table 1's column "low-quality matches" as the lowest IoU of a box's best anchors that still makes them positive.
LOW_QUALITY = {"none": INF, "0.4": 0.4, "all": 0.0}
_POSITIVE_IOU = 0.5


@dataclass(frozen=True)
class Recall:
    """Which of T boxes have a training sample."""

    sides: NDArray[np.float64]  # (T,) square root of the area, in original pixels
    found: NDArray[np.bool_]  # (T,)

    @property
    def recall(self) -> float:
        """Best possible recall, 0..1."""
        return float(self.found.mean())

    def by_size(self, edges: Sequence[float] = SIZE_EDGES) -> dict[str, dict[str, Any]]:
        """Number of boxes and recall of each class of size; ``edges`` bound the square root of the area, low <= x."""
        rows = {}
        for low, high in pairwise(edges):
            inside = (self.sides >= low) & (self.sides < high)
            count = int(inside.sum())
            name = f"{low:g}-{high:g}" if high < INF else f"{low:g}-"
            rows[name] = {"boxes": count, "recall": float(self.found[inside].mean()) if count else None}
        return rows


@dataclass(frozen=True)
class LocationRecall(Recall):
    """The same for FCOS, with the levels that found each box, and why the others were lost."""

    levels: tuple[int, ...]
    samples: NDArray[np.int32]  # (T, levels) locations that learn each box
    reason: NDArray[np.int8]  # (T,) position in REASONS, -1 where the box was found

    def by_level(self) -> dict[str, dict[str, Any]]:
        """For each level the boxes with a sample on it, those with a sample on no other, recall, and samples."""
        owns = self.samples > 0
        alone = owns & (owns.sum(axis=1) == 1)[:, None]
        return {
            f"P{level}": {
                "boxes": int(owns[:, i].sum()),
                "only here": int(alone[:, i].sum()),
                "recall": float(owns[:, i].mean()),
                "samples": int(self.samples[:, i].sum()),
            }
            for i, level in enumerate(self.levels)
        }

    def lost(self) -> dict[str, int]:
        """Number of lost boxes by reason, see ``REASONS``."""
        return {name: int((self.reason == i).sum()) for i, name in enumerate(REASONS)}


@one_thread()
def best_possible_recall(boxes: Boxes, config: FCOSConfig, *, progress: bool = True) -> LocationRecall:
    """FCOS's rows of Table 1: a box is found if at least one location learns it.

    It is not enough that a location lies inside: where a smaller box takes all of them, nothing learns the larger.

    Args:
        boxes: of a data set, at least one.
        config: decides sizes, locations, levels, ranges and center sampling. ``levels=(4,)`` with
            ``level_bounds=(0, INF)`` is the paper's "P4 only".
        progress: show a bar.
    """
    samples = np.zeros((len(boxes), len(config.levels)), dtype=np.int32)
    with progress_bar(total=len(boxes), desc="recall", unit="box", disable=not progress, leave=False) as bar:
        for batch in batches(boxes, config):
            valid = batch.boxes.valid.numpy()
            samples[batch.positions.numpy()[valid]] = _samples(batch, config).numpy()[valid]
            bar.update(int(valid.sum()))
    found: NDArray[np.bool_] = samples.sum(axis=1) > 0
    reason = np.full(len(boxes), -1, dtype=np.int8)
    lost = np.flatnonzero(~found)
    reason[lost] = _reasons(boxes.alone(lost), config)
    return LocationRecall(boxes.sides, found, config.levels, samples, reason)


def _samples(batch: BoxBatch, config: FCOSConfig) -> Tensor:
    """Locations of each level that learn each box: ``(B, M, levels)`` int64."""
    padded, grid = batch.boxes, batch.grid
    count, most = padded.valid.shape
    matched = assign(padded.boxes, padded.valid, grid.sizes, config)
    slots = matched + (1 + (most + 1) * torch.arange(count)[:, None])  # background in slot 0 of each image
    levels = slots.split(grid.counts, dim=1)
    counts = [level.flatten().bincount(minlength=count * (most + 1)) for level in levels]
    return torch.stack(counts, dim=-1).view(count, most + 1, -1)[:, 1:]


def _reasons(lost: Boxes, config: FCOSConfig) -> NDArray[np.int8]:
    """Why boxes without a sample have none, each looked at alone: positions in REASONS."""
    reason = np.zeros(len(lost), dtype=np.int8)
    anywhere = config.replace(center_sampling_radius=None)
    for batch in batches(lost, config):
        own, _, valid = batch.boxes
        inside = (ltrb(batch.grid.points.double(), own[:, 0].double()) > 0).all(dim=-1).any(dim=0)  # on any level
        alone = [candidates(own, valid, batch.grid.sizes, c).words[0].any(dim=1) for c in (anywhere, config)]
        # Each hurdle that a box takes leads to the next reason.
        reason[batch.positions[:, 0].numpy()] = torch.stack([inside, *alone]).sum(dim=0).numpy()
    return reason


@one_thread()
def anchor_recall(boxes: Boxes, config: FCOSConfig, *, progress: bool = True) -> dict[str, Recall]:
    """RetinaNet's rows of Table 1: a box is found if at least one of the nine anchors a location is matched to it.

    An anchor belongs to the box it overlaps most. It is positive with an IoU of at least 0.5. Besides, a box's best
    anchors (those of its highest IoU, ties included) are positive although they overlap less: the *low-quality
    matches*. Table 1 has three rules for them, see ``LOW_QUALITY``: none; only if the box's highest IoU is at
    least 0.4, which is what the paper says of Detectron; all. Even with all, boxes are lost: an anchor that two boxes
    want goes to the one it overlaps more.

    Args:
        boxes: of a data set, at least one.
        config: decides the sizes of images and canvases alone; the levels are P3 to P7, as in RetinaNet.
        progress: show a bar.

    Returns:
        For each rule of ``LOW_QUALITY`` the boxes found.
    """
    config = FCOSConfig.paper(min_size=config.min_size, max_size=config.max_size, size_divisor=config.size_divisor)
    anchors = retinanet_anchors()
    found = {rule: np.zeros(len(boxes), dtype=np.bool_) for rule in LOW_QUALITY}
    with progress_bar(total=len(boxes), desc="anchors", unit="box", disable=not progress, leave=False) as bar:
        for batch in batches(boxes, config):
            for index, own, valid in zip(batch.positions, batch.boxes.boxes, batch.boxes.valid, strict=True):
                own, index = own[valid], index[valid].numpy()
                matches = anchor_matches(own, batch.grid.sizes, config.strides, anchors)
                for rule, matched in matches.items():
                    found[rule][index[matched.numpy()]] = True
                bar.update(len(own))
    return {rule: Recall(boxes.sides, of_rule) for rule, of_rule in found.items()}


def retinanet_anchors() -> list[Tensor]:
    """The nine anchors of each level P3 to P7 around 0: ``(9, 4)`` xyxy in pixels, as torchvision's RetinaNet has them.

    Three sizes in an octave, three ratios of height to width.
    """
    sizes = tuple(tuple(int(side * 2 ** (third / 3)) for third in range(3)) for side in (32, 64, 128, 256, 512))
    return list(AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes)).cell_anchors)


def anchor_matches(
    boxes: Tensor, sizes: Sequence[tuple[int, int]], strides: Sequence[int], anchors: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Boxes of one image that at least one anchor is matched to, for each rule of ``LOW_QUALITY``.

    Args:
        boxes: ``(M, 4)`` float32 xyxy in pixels of the canvas, M >= 1.
        sizes: (height, width) of each level's feature map.
        strides: pixels between neighbouring anchors of each level.
        anchors: the anchors of each level around 0, ``(A, 4)``.

    Returns:
        For each rule ``(M,)`` bool.
    """
    near = _near_anchors(boxes, sizes, strides, anchors)
    iou = box_iou(boxes, near)  # (M, N)
    best, owner = iou.max(dim=0)  # of each anchor
    highest = iou.max(dim=1, keepdim=True).values  # of each box
    wanted = iou == highest  # (M, N) low-quality matches, as far as they overlap less than 0.5
    found = {}
    for rule, lowest in LOW_QUALITY.items():
        positive = (best >= _POSITIVE_IOU) | (wanted & (highest >= lowest)).any(dim=0)
        found[rule] = torch.zeros(len(boxes), dtype=torch.bool)
        found[rule][owner[positive]] = True
    return found


def _near_anchors(
    boxes: Tensor, sizes: Sequence[tuple[int, int]], strides: Sequence[int], anchors: Sequence[Tensor]
) -> Tensor:
    """``(N, 4)``: all anchors that can be positive for any box, and few others.

    An intersection is a width times a height, and the width depends on the anchor's column alone. So each box is
    tested against columns and rows instead of anchors: from its best column and row follows its highest IoU with
    anchors of a shape, and then which columns and rows can give an IoU of 0.5, or the highest.
    """
    overlaps = []
    for (height, width), stride, cells in zip(sizes, strides, anchors, strict=True):
        wide = _overlap(cells[:, 0::2], width, stride, boxes[:, 0::2])  # (A, M, W)
        high = _overlap(cells[:, 1::2], height, stride, boxes[:, 1::2])  # (A, M, H)
        overlaps.append((wide, high, wide.amax(dim=2), high.amax(dim=2)))
    total = [box_area(cells)[:, None] + box_area(boxes) for cells in anchors]  # (A, M) both areas
    highest = torch.zeros(len(boxes))
    for (_, _, widest, tallest), both in zip(overlaps, total, strict=True):
        common = widest * tallest
        highest = torch.maximum(highest, (common / (both - common)).amax(dim=0))
    wanted = highest.clamp(max=_POSITIVE_IOU) * (1 - 1e-5)  # rounding must not lose an anchor

    near = []
    for (wide, high, widest, tallest), both, cells, stride in zip(overlaps, total, anchors, strides, strict=True):
        needed = (both * wanted / (1 + wanted))[..., None]  # IoU >= t where the intersection >= (A + B) t / (1 + t)
        columns = wide * tallest[..., None] >= needed
        rows = high * widest[..., None] >= needed
        # A matrix product of 0 and 1: for each shape, row and column, the number of boxes that keep both.
        shape, y, x = (rows.float().transpose(1, 2) @ columns.float()).nonzero(as_tuple=True)
        near.append(cells[shape] + torch.stack([x, y, x, y], dim=1) * stride)
    return torch.cat(near)


def _overlap(cells: Tensor, count: int, stride: int, boxes: Tensor) -> Tensor:
    """Length in pixels that anchors and boxes share on one axis: ``(A, M, count)``, from starts and ends (., 2)."""
    shift = torch.arange(count, dtype=torch.float32) * stride
    start = torch.maximum((cells[:, :1] + shift)[:, None], boxes[:, :1])  # (A, M, count)
    end = torch.minimum((cells[:, 1:] + shift)[:, None], boxes[:, 1:])
    return (end - start).clamp_(min=0)


__all__ = [
    "LOW_QUALITY",
    "REASONS",
    "SIZE_EDGES",
    "LocationRecall",
    "Recall",
    "anchor_matches",
    "anchor_recall",
    "best_possible_recall",
    "retinanet_anchors",
]
