"""Table 2: ambiguous samples, the locations that more than one box could claim, as a share of all positive ones.

Taught in the chapter *When boxes overlap*. Checked against: a slow count written from the paper.

A location in the overlap of two boxes can learn only one of them. Where both are of one class, little harm is done;
so the paper counts a second time, only locations whose boxes are of different classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..config import FCOSConfig
from ..data.boxes import Boxes, batches
from ..devices import one_thread
from ..locations import Grid
from ..progress import bar as progress_bar
from ..targets import WORD, Candidates, PaddedBoxes, candidates, lowest_bit
from .recall import best_possible_recall


class AmbiguousLocations(NamedTuple):
    """Three masks over the locations of a batch, each ``(B, L)`` bool and part of the one before."""

    positive: Tensor  # at least one box may claim the location
    ambiguous: Tensor  # at least two
    different_classes: Tensor  # at least two that are of different classes


class Ambiguity(NamedTuple):
    """Number of locations of a whole data set."""

    positive: int
    ambiguous: int
    different: int

    @property
    def all(self) -> float:
        """Ambiguous samples / positive samples, 0..1."""
        return self.ambiguous / max(self.positive, 1)

    @property
    def different_classes(self) -> float:
        """Ambiguous samples with boxes of different classes / positive samples, 0..1."""
        return self.different / max(self.positive, 1)


def ambiguous_locations(boxes: PaddedBoxes, grid: Grid, config: FCOSConfig) -> AmbiguousLocations:
    """Which locations of a padded batch are ambiguous.

    Args:
        boxes: of B images, in pixels of the canvas.
        grid: of the canvas.
        config: as for :func:`~fcos_edu.targets.candidates`.
    """
    found = candidates(boxes.boxes, boxes.valid, grid.sizes, config)
    positive = torch.zeros(len(boxes.valid), len(grid), dtype=torch.bool, device=boxes.valid.device)
    ambiguous = positive.clone()
    for word in found.words:
        here = word != 0
        ambiguous |= (here & positive) | ((word & (word - 1)) != 0)  # a bit before, or a bit above the lowest
        positive |= here
    different = torch.zeros_like(ambiguous)
    if found.words:
        image, location = ambiguous.nonzero(as_tuple=True)
        words = torch.stack([word[image, location] for word in found.words], dim=1)  # (n, words)
        different[image, location] = _differ(words, image, found, boxes.labels)
    return AmbiguousLocations(positive, ambiguous, different)


def _differ(words: Tensor, image: Tensor, found: Candidates, labels: Tensor) -> Tensor:
    """Whether the boxes of each of n locations are of different classes: ``(n,)`` bool from words ``(n, words)``."""
    labels = labels.gather(1, found.order)  # (B, M) from the smallest box to the largest
    first = (words != 0).int().argmax(dim=1)  # the word of the smallest box
    smallest = lowest_bit(words.gather(1, first[:, None])[:, 0]).long() + first * WORD
    differ = torch.zeros_like(image, dtype=torch.bool)
    for word, part in zip(words.unbind(1), labels.split(WORD, dim=1), strict=True):
        bits = 1 << torch.arange(part.shape[1], device=word.device)
        others = ((labels[:, :, None] != part[:, None, :]) * bits).sum(-1)  # (B, M) boxes of another class than box m
        differ |= (word & others[image, smallest]) != 0
    return differ


@one_thread()
def ambiguity(boxes: Boxes, config: FCOSConfig, *, progress: bool = True) -> Ambiguity:
    """A row of Table 2.

    Args:
        boxes: of a data set, at least one.
        config: decides sizes, locations, levels, ranges and center sampling. ``levels=(4,)`` with
            ``level_bounds=(0, INF)`` is the paper's row without FPN.
        progress: show a bar.
    """
    totals = torch.zeros(3, dtype=torch.int64)
    with progress_bar(total=len(boxes), desc="ambiguity", unit="box", disable=not progress, leave=False) as bar:
        for batch in batches(boxes, config):
            masks = ambiguous_locations(batch.boxes, batch.grid, config)
            totals += torch.stack([mask.sum() for mask in masks])
            bar.update(int(batch.boxes.valid.sum()))
    return Ambiguity(*totals.tolist())


def radius_curve(
    boxes: Boxes, radii: Sequence[float | None], config: FCOSConfig, *, progress: bool = True
) -> list[dict[str, Any]]:
    """What center sampling does to both tables: recall and ambiguity for each radius.

    A small radius keeps boxes apart, but leaves small boxes without a location.

    Args:
        boxes: of a data set, at least one.
        radii: in strides; None for the whole box.
        config: everything but the radius.
        progress: show bars.

    Returns:
        For each radius a dict with ``radius``, ``recall``, ``all`` and ``different_classes``, shares in 0..1.
    """
    rows = []
    for radius in radii:
        chosen = config.replace(center_sampling_radius=radius)
        shares = ambiguity(boxes, chosen, progress=progress)
        rows.append(
            {
                "radius": radius,
                "recall": best_possible_recall(boxes, chosen, progress=progress).recall,
                "all": shares.all,
                "different_classes": shares.different_classes,
            }
        )
    return rows


__all__ = ["Ambiguity", "AmbiguousLocations", "ambiguity", "ambiguous_locations", "radius_curve"]
