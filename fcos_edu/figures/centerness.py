"""Center-ness over a box, and what it does to the order of scores (section 3.3, Eq. 3; Figs. 3 and 7).

Used in *Center-ness*.
Checked against: :func:`fcos_edu.centerness.centerness` on the drawn lines of equal value, and counts of random points.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ..text import counted
from .letters import WIDE
from .parts import as_vectors
from .style import CENTERNESS_COLORS, COLORS, Array, Picture


def centerness_map(values: Array, box: Sequence[float]) -> Figure:
    """Fig. 3: the center-ness of every place in a box, red (1) at the centre to blue (0) at the border.

    Lines of equal center-ness carry their values, also in the colour bar.

    Args:
        values: ``(H, W)`` in 0..1, at the centres of H × W equal cells that fill the box; at least 2 × 2.
        box: x0, y0, x1, y1 in pixels.

    Raises:
        ValueError: no such grid, or a value that is no center-ness.
    """
    grid = np.asarray(values, dtype=float)
    if grid.ndim != 2 or min(grid.shape) < 2:
        raise ValueError(f"values of shape {grid.shape}; lines of equal value need (H, W), at least 2 x 2")
    if not (grid.min() >= 0 and grid.max() <= 1):
        raise ValueError(f"values from {grid.min():g} to {grid.max():g}; center-ness lies in 0..1")
    x0, y0, x1, y1 = box
    x = x0 + (np.arange(grid.shape[1]) + 0.5) * (x1 - x0) / grid.shape[1]
    y = y0 + (np.arange(grid.shape[0]) + 0.5) * (y1 - y0) / grid.shape[0]
    figure = Picture(figsize=(5.2, 3.6))
    axes = figure.subplots()
    drawn = axes.imshow(grid, extent=(x0, x1, y1, y0), cmap=CENTERNESS_COLORS, vmin=0, vmax=1)
    lines = axes.contour(x, y, grid, levels=(0.2, 0.4, 0.6, 0.8), colors="white", linewidths=1.2)
    axes.clabel(lines, fmt="%.1f", fontsize=9)
    axes.plot((x0 + x1) / 2, (y0 + y1) / 2, "+", color="white", markersize=9, markeredgewidth=1.5, gid="centre")
    axes.set(xlabel="x in pixels", ylabel="y in pixels")
    figure.colorbar(drawn, label="center-ness").add_lines(lines)
    return figure


def score_against_iou(scores_without: Array, scores_with: Array, ious: Array) -> Figure:
    """Fig. 7: the score of each detection against its IoU with the truth, without and with center-ness in the score.

    A point under y = x is a box that is believed more than it is worth; above each panel stands how many there are.
    Center-ness moves points to the left.

    Args:
        scores_without: ``(N,)`` class scores, 0..1.
        scores_with: ``(N,)`` the same detections' scores after multiplication by center-ness, 0..1.
        ious: ``(N,)`` IoU of each detection with the truth, 0..1.

    Raises:
        ValueError: not as many of each.
    """
    without, with_, worth = as_vectors(scores_without=scores_without, scores_with=scores_with, ious=ious)
    figure = Picture(figsize=(WIDE, 3.9))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, name, scores in zip(panels, ("without center-ness", "with center-ness"), (without, with_), strict=True):
        under = worth < scores
        axes.plot([0, 1], [0, 1], color="black", linewidth=1, zorder=3, gid="y = x")
        axes.scatter(
            scores,
            worth,
            s=9,
            c=np.where(under, COLORS[1], COLORS[4]),  # the darker ones are those that count
            alpha=min(0.8, max(0.08, 1500 / max(1, len(scores)))),  # thousands of points, and their density is seen
            linewidths=0,
            rasterized=True,
            zorder=2,
        )
        edge = 0.015  # boxes that hit nothing lie on the axis: drawn whole
        axes.set(
            xlim=(-edge, 1 + edge), ylim=(-edge, 1 + edge), xticks=np.arange(6) / 5, aspect="equal", xlabel="score"
        )
        axes.set_title(f"{name}\n{under.sum():,} of {counted(f'{len(under):,}', 'points')} under y = x", fontsize=10)
    panels[0].set_ylabel("IoU with the truth")
    return figure
