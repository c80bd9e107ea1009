"""Anchors: where they lie, which box each learns, and what they cannot find (section 1).

Used in *Why throw the anchors away*.
Checked against: the outlines that are drawn, and IoUs by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..text import counted
from .letters import WIDE, legend_outside
from .locations import draw_distances
from .parts import (
    as_boxes,
    as_column,
    as_pixels,
    as_vectors,
    draw_box,
    draw_image,
    empty_canvas,
    figure_size,
    line_look,
    rectangle,
)
from .style import COLORS, LINES, Array, Picture


def anchors_on_image(
    image: Array, anchors: Mapping[str, Array], points: Array = (), *, margin: float = 0.0, title: str = ""
) -> Figure:
    """Prepared boxes over an image, a colour and a line style for each group, thinner the more there are.

    Args:
        image: as in :func:`.show_boxes`.
        anchors: name of a group -> ``(A, 4)`` xyxy in pixels. The names are shown if there are several.
        points: ``(L, 2)`` locations, xy in pixels.
        margin: how far to look beyond the border of the image, as a share of its longer side.
        title: written above the image.
    """
    pixels = as_pixels(image)
    height, width = pixels.shape[:2]
    around = margin * max(height, width)
    size = figure_size((round(height + 2 * around), round(width + 2 * around)), 5.0)
    figure = Picture(figsize=size)
    axes = figure.subplots()
    draw_image(axes, pixels, fade=0.6)
    total = sum(len(as_boxes(group)) for group in anchors.values())
    for i, (name, group) in enumerate(anchors.items()):
        _draw_outlines(
            axes,
            as_boxes(group),
            colors=COLORS[i % len(COLORS)],
            linestyles=LINES[i % len(LINES)] if len(anchors) > 1 else "-",
            linewidths=max(0.3, 2.2 / max(total, 1) ** 0.2),
            label=name,
            gid=name,
        )
    xy = np.asarray(points, dtype=float).reshape(-1, 2)
    axes.plot(*xy.T, "o", color=COLORS[5], markeredgecolor="black", markersize=5, clip_on=False, gid="locations")
    axes.set(xlim=(-around, width + around), ylim=(height + around, -around))
    if len(anchors) > 1:
        axes.legend(fontsize=8, loc="upper right")
    axes.set_title(title)
    return figure


def _draw_outlines(axes: Axes, boxes: NDArray[np.float64], **style: Any) -> None:
    """Many boxes as one artist, which is quick to draw."""
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3, 0, 1]].reshape(-1, 5, 2)
    axes.add_collection(LineCollection(list(corners), **style), autolim=False)


def matched_anchors(image: Array, boxes: Array, anchors: Array, matched: Array, *, title: str = "") -> Figure:
    """The anchors that are to learn each box, thin and in its colour; a box without any is drawn dotted.

    Args:
        image: as in :func:`.show_boxes`.
        boxes: ``(M, 4)`` xyxy in pixels.
        anchors: ``(A, 4)`` xyxy in pixels.
        matched: ``(A,)`` index of the box that each anchor learns; negative if none.
        title: written above the image.
    """
    pixels, rows, owner = as_pixels(image), as_boxes(boxes), np.asarray(matched)
    figure = Picture(figsize=figure_size(pixels.shape[:2], 5.2))
    axes = figure.subplots()
    draw_image(axes, pixels, fade=0.6)
    for i in range(len(rows)):
        own = as_boxes(anchors)[owner == i]
        color = COLORS[i % len(COLORS)]
        _draw_outlines(axes, own, colors=color, linewidths=0.6, alpha=0.7, gid=f"anchors of {i}")
        words = counted(len(own), "anchors")
        draw_box(axes, rows[i], i, words if len(own) else "no anchor")
        if not len(own):
            axes.patches[-1].set_linestyle(":")
    axes.set_title(title)
    return figure


def intersection_and_union(first: Sequence[float], second: Sequence[float], canvas: tuple[int, int]) -> Figure:
    """Two boxes, what they share, and their IoU: the shared area over the area that they cover together.

    Args:
        first: x0, y0, x1, y1 in pixels.
        second: the same.
        canvas: (height, width) of the empty image.
    """
    a, b = (np.asarray(box, dtype=float) for box in (first, second))
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    both = float(np.prod(np.clip(high - low, 0, None)))
    union = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - both
    figure = Picture(figsize=(WIDE, 2.9))
    axes, side = figure.subplots(1, 2, width_ratios=(1.5, 1))
    empty_canvas(axes, *canvas)
    if both:
        shared = rectangle(np.concatenate([low, high]), fill=True, facecolor="0.75", edgecolor="none", hatch="//")
        shared.set_gid("intersection")
        axes.add_patch(shared)
    draw_box(axes, a, 0, "box")
    draw_box(axes, b, 1, "anchor")
    drawn = side.bar(
        ["shared", "together"], [both, union], color=["0.75", "white"], edgecolor="black", hatch=["//", ""], width=0.6
    )
    side.bar_label(drawn, fmt="{:,.0f}", fontsize=9)
    side.set(ylim=(0, 2.1 * max(np.prod(a[2:] - a[:2]), np.prod(b[2:] - b[:2]))), ylabel="pixels²", yticks=[])
    side.spines[["top", "right"]].set_visible(False)
    side.set_title(f"IoU = {both / union:.2f}", fontsize=11)
    return figure


def counts_by_width(widths: Array, series: Mapping[str, Array], *, mark: tuple[float, str], ylabel: str) -> Figure:
    """How many samples an image of fixed short side gives a detector, as its long side grows.

    Args:
        widths: ``(N,)`` long sides in pixels, rising.
        series: name of the detector -> ``(N,)`` counts, drawn in thousands.
        mark: a count to compare with, drawn as a line, and its name.
        ylabel: what is counted.
    """
    figure = Picture(figsize=(WIDE, 3.2))
    axes = figure.subplots()
    for i, (name, counts) in enumerate(series.items()):
        at, count = as_vectors(widths=widths, counts=counts)
        axes.plot(at, count / 1000, **line_look(i), linewidth=2, label=name)
    value, words = mark
    axes.axhline(value / 1000, color="black", linewidth=1, linestyle=":", gid="mark", label=words)
    axes.set(xlabel="long side of the image in pixels", ylabel=f"{ylabel}, thousands", ylim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    legend_outside(figure, *axes.get_legend_handles_labels())
    return figure


def anchor_coverage(boxes: Array, found: Array, anchors: Array, *, iou: float = 0.5, title: str = "") -> Figure:
    """Where anchors stand in the plane of width and height, what they can reach, and which boxes they find.

    The shaded region holds the shapes that some anchor overlaps with at least ``iou`` when both have the same centre;
    a box in it may still be lost, because anchors stand on a grid.

    Args:
        boxes: ``(M, 4)`` xyxy in pixels, of many images.
        found: ``(M,)`` bool.
        anchors: ``(A, 4)`` xyxy around 0, of all levels.
        iou: least IoU of a match.
        title: written above, before the share that is found.

    Raises:
        ValueError: not one ``found`` for each box.
    """
    rows, shapes = as_boxes(boxes), as_boxes(anchors)
    hit = as_column(np.asarray(found, dtype=bool), len(rows), "found")
    assert hit is not None
    width, height = (rows[:, 2:] - rows[:, :2]).T
    wide, high = (shapes[:, 2:] - shapes[:, :2]).T
    figure = Picture(figsize=(4.8, 4.8))
    axes = figure.subplots()
    low, top = 4.0, 1024.0
    sides = np.geomspace(low, top, 160)
    common = np.minimum.outer(sides, wide)[None] * np.minimum.outer(sides, high)[:, None]  # (height, width, A)
    area = sides[None, :] * sides[:, None]
    reach = (common / (area[..., None] + wide * high - common)).max(-1)
    axes.contourf(sides, sides, reach, levels=(iou, 2), colors=["#d7e8f4"])
    axes.plot(wide, high, "+", color="black", markersize=8, markeredgewidth=1.2, label="an anchor", gid="anchors")
    axes.plot(width[hit], height[hit], "o", color=COLORS[0], markersize=3.5, label="a box that is found", gid="found")
    axes.plot(width[~hit], height[~hit], "x", color=COLORS[1], markersize=5, label="a box that is lost", gid="lost")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    axes.set(xlim=(low, top), ylim=(low, top), aspect="equal", xlabel="width in pixels", ylabel="height in pixels")
    axes.set_title(f"{title}{100 * hit.mean():.0f} % of {counted(f'{len(rows):,}', 'boxes')} found", fontsize=11)
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def anchors_or_distances(
    image: Array, location: Sequence[float], box: Sequence[float], anchors: Array, ious: Array
) -> Figure:
    """One location and two ways to name a box from there: the best of its anchors, or four distances.

    Args:
        image: as in :func:`.show_boxes`.
        location: x, y in pixels.
        box: x0, y0, x1, y1 in pixels.
        anchors: ``(A, 4)`` xyxy in pixels, at that location.
        ious: ``(A,)`` of the anchors with the box.
    """
    pixels, rows = as_pixels(image), as_boxes(anchors)
    (worth,) = as_vectors(ious=ious)
    best = int(worth.argmax())
    height, width = pixels.shape[:2]
    wide, high = figure_size((height, 2 * width), 7.0)
    figure = Picture(figsize=(wide, high + 0.25))
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        draw_image(axes, pixels, fade=0.45)
        axes.set(xticks=[], yticks=[])
        draw_box(axes, np.asarray(box, dtype=float), 6, "")
    _draw_outlines(left, np.delete(rows, best, axis=0), colors="0.35", linewidths=0.9, gid="anchors")
    left.add_patch(rectangle(rows[best], edgecolor=COLORS[1], linewidth=2.5, linestyle="--", gid="best"))
    left.set_title(f"{counted(len(rows), 'anchors')},\nthe best with IoU {worth[best]:.2f}", fontsize=10)
    draw_distances(right, location, box)
    right.set_title("one location,\nfour distances", fontsize=10)
    for axes in (left, right):
        axes.plot(*location, "o", color=COLORS[5], markeredgecolor="black", markersize=8, zorder=5)
    return figure
