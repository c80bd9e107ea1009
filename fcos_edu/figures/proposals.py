"""FCOS as the first of two stages (section 5, Table 6).

Used in *FCOS as a proposal network*.
Checked against: the boxes, crops and lines that are drawn, which must be those of the arrays that were given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..text import counted
from .letters import WIDE, legend_outside
from .parts import (
    as_boxes,
    as_column,
    as_pixels,
    as_vectors,
    draw_arrow,
    draw_box,
    draw_image,
    draw_verdicts,
    figure_size,
    line_look,
    rectangle,
)
from .style import COLORS, MARKERS, Array, Picture


def two_stages(first: str = "region proposal\nnetwork or FCOS", proposals: int = 1000) -> Figure:
    """The two stages of Faster R-CNN: boxes that may hold an object, then a closer look at each.

    Args:
        first: what makes the proposals.
        proposals: how many go on to the second stage.
    """
    figure = Picture(figsize=(WIDE, 4.2))
    axes = figure.subplots()
    axes.set(xlim=(-0.1, 14.1), ylim=(0, 6.4))
    axes.axis("off")
    plain, one, two = "0.93", COLORS[4], COLORS[5]
    boxes = (
        (0.0, 2.4, 1.5, 1.6, "image", plain),
        (2.2, 2.4, 2.8, 1.6, "backbone\nand pyramid", plain),
        (6.0, 4.2, 3.6, 1.5, first, one),
        (6.0, 0.8, 3.4, 1.5, "pool a 7 × 7\nmap for each", two),
        (10.3, 0.6, 3.7, 1.9, "for each: class\nor background,\nand a better box", two),
    )
    for x, y, width, height, text, color in boxes:
        axes.add_patch(Rectangle((x, y), width, height, facecolor=color, edgecolor="black", alpha=0.75, gid=text))
        axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=9)
    for start, end in (
        ((1.5, 3.2), (2.2, 3.2)),
        ((5.0, 3.5), (6.0, 4.7)),
        ((5.0, 2.9), (6.0, 1.8)),
        ((7.7, 4.2), (7.7, 2.3)),
        ((9.4, 1.55), (10.3, 1.55)),
    ):
        draw_arrow(axes, start, end)
    axes.text(7.95, 3.25, f"about {proposals:,} boxes,\nwithout a name", va="center", fontsize=9)
    axes.text(5.2, 4.45, "features", ha="right", fontsize=9)
    axes.text(5.2, 1.75, "features", ha="right", fontsize=9)
    axes.text(7.8, 5.95, "first stage: where?", ha="center", fontsize=10, fontweight="bold")
    axes.text(14.0, 0.05, "second stage: what, and where exactly?", ha="right", fontsize=10, fontweight="bold")
    return figure


def region_crops(image: Array, boxes: Array, crops: Mapping[str, Sequence[Array]]) -> Figure:
    """Regions of an image, and what pooling makes of each: every region the same size.

    Args:
        image: as in :func:`.show_boxes`.
        boxes: ``(R, 4)`` xyxy in pixels.
        crops: name of a row -> ``(3, h, w)`` for each region, float 0..1.

    Raises:
        ValueError: a row without a crop for each region.
    """
    rows = as_boxes(boxes)
    for name, row in crops.items():
        if len(row) != len(rows):
            raise ValueError(
                f"{counted(len(row), 'crops')} {name!r} of {counted(len(rows), 'regions')}; each region needs one"
            )
    figure = Picture(figsize=(7, 3.1))
    grid = figure.add_gridspec(len(crops), len(rows) + 1, width_ratios=(2.2, *([1] * len(rows))))
    whole = figure.add_subplot(grid[:, 0])
    draw_image(whole, as_pixels(image))
    whole.set(xticks=[], yticks=[])
    for i, box in enumerate(rows):
        draw_box(whole, box, i, str(i + 1))
    for j, (name, row) in enumerate(crops.items()):
        for i, crop in enumerate(row):
            axes = figure.add_subplot(grid[j, i + 1])
            axes.imshow(as_pixels(crop), interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            for side in axes.spines.values():
                side.set(color=COLORS[i % len(COLORS)], linewidth=2)
            if j == 0:
                axes.set_title(str(i + 1), fontsize=10)
            if i == 0:
                axes.set_ylabel(name, fontsize=9)
    return figure


def best_proposals(image: Array, boxes: Array, truth: Array, found: Array, *, title: str = "") -> Figure:
    """The best proposals of an image, and which true boxes one of them fits.

    Args:
        image: as in :func:`.show_boxes`.
        boxes: ``(K, 4)`` proposals, xyxy in pixels.
        truth: ``(M, 4)`` true boxes.
        found: ``(M,)`` bool, whether a proposal fits each.
        title: written above the image.
    """
    pixels, true = as_pixels(image), as_boxes(truth)
    fits = as_column(found, len(true), "verdicts")
    assert fits is not None
    width, height = figure_size(pixels.shape[:2], 5.2)
    figure = Picture(figsize=(width, height + 0.25))
    axes = figure.subplots()
    draw_image(axes, pixels, fade=0.4)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=10)
    rows = as_boxes(boxes)
    alpha = float(np.clip(12 / max(1, len(rows)), 0.12, 0.9))  # a thousand boxes must not be a black square
    for box in rows:
        axes.add_patch(rectangle(box, edgecolor="black", linewidth=0.7, alpha=alpha, gid="proposal"))
    fits = fits.astype(bool)
    draw_verdicts(axes, {"found": (true[fits], COLORS[0], "-"), "not found": (true[~fits], COLORS[1], ":")})
    legend_outside(figure, *axes.get_legend_handles_labels())
    return figure


def recall_by_count(counts: Array, series: Mapping[str, Array]) -> Figure:
    """Recall over the number of proposals of an image, a line for each name.

    Args:
        counts: ``(N,)`` numbers of proposals, positive and rising.
        series: name -> ``(N,)`` recall, 0..1.

    Raises:
        ValueError: not one recall for each number, or a number that a logarithmic axis cannot hold.
    """
    (x,) = as_vectors(counts=counts)
    if not (len(x) and x[0] > 0 and (np.diff(x) > 0).all()):
        raise ValueError(f"counts {x.tolist()}; they must be positive and rise")
    figure = Picture(figsize=(WIDE, 3.4))
    axes = figure.subplots()
    for i, (name, recall) in enumerate(series.items()):
        at, y = as_vectors(counts=counts, recall=recall)
        axes.plot(at, y, marker=MARKERS[i % len(MARKERS)], markersize=5, label=name, **line_look(i))
    axes.set(xscale="log", ylim=(0, 1.02), xlabel="proposals of an image", ylabel="recall")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(axis="y", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    legend_outside(figure, *axes.get_legend_handles_labels())
    return figure
