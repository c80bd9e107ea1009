"""Which level of the pyramid learns what (section 3.2; Fig. 2, left).

Used in *Levels of the pyramid*, *When boxes overlap*, *The network* and *Your own boxes*.
Checked against: the positions and counts of what is drawn, which must be those of the arrays that were given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from ..text import counted
from .letters import WIDE, legend_outside
from .parts import (
    as_boxes,
    as_pixels,
    draw_arrow,
    draw_ground,
    draw_haloed,
    draw_image,
    draw_slab,
    figure_size,
    ground_size,
    level_style,
    rectangle,
)
from .style import COLORS, LEVEL_COLORS, Array, Picture


def pyramid(sizes: Sequence[tuple[int, int]], strides: Sequence[int] = (8, 16, 32, 64, 128)) -> Figure:
    """Fig. 2, left: C3 to C5 of the backbone, P3 to P7 of the pyramid, and the one head that all levels share.

    Args:
        sizes: (height, width) of P3 to P7.
        strides: their strides.

    Raises:
        ValueError: not five sizes and five strides.
    """
    if len(sizes) != 5 or len(strides) != 5:
        raise ValueError(
            f"{counted(len(sizes), 'sizes')} and {counted(len(strides), 'strides')}; the figure draws the five "
            "levels P3 to P7"
        )
    figure = Picture(figsize=(6.4, 4.4))
    axes = figure.subplots()
    axes.set(xlim=(-0.2, 10.4), ylim=(-0.55, 5.2))
    axes.axis("off")
    where_c, where_p, where_text, head_x = 1.3, 4.3, 5.75, 9.2
    for row, ((height, width), stride) in enumerate(zip(sizes, strides, strict=True)):
        level, half = row + 3, 1.15 - 0.2 * row
        if level <= 5:
            draw_slab(axes, where_c, row, half, "0.85", f"C{level}", "black")
            draw_arrow(axes, (where_c + half + 0.25, row), (where_p - half - 0.25, row), "1×1" if level == 5 else "")
        light = level >= 6
        draw_slab(axes, where_p, row, half, LEVEL_COLORS[level], f"P{level}", "black" if light else "white")
        axes.text(where_text, row, f"{height} × {width}\nstride {stride}", va="center", fontsize=9)
        draw_arrow(axes, (7.3, row), (head_x - 0.75, 2 + (row - 2) * 0.45))
    for row in (0, 1):  # the backbone's way up, and the pyramid's way down
        draw_arrow(axes, (where_c, row + 0.27), (where_c, row + 0.75))
        draw_arrow(axes, (where_p, row + 0.75), (where_p, row + 0.27), "×2, +")
    for row in (2, 3):
        draw_arrow(axes, (where_p, row + 0.27), (where_p, row + 0.75), "conv /2")
    axes.add_patch(Rectangle((head_x - 0.75, 0.8), 1.7, 2.4, facecolor="0.93", edgecolor="black"))
    axes.text(head_x + 0.1, 2, "one head,\nshared by\nall levels", ha="center", va="center", fontsize=10)
    axes.text(where_c, 4.85, "backbone", ha="center", fontsize=11)
    axes.text(where_p, 4.85, "feature pyramid", ha="center", fontsize=11)
    return figure


def level_ranges(
    bounds: Sequence[float],
    levels: Sequence[int] = (3, 4, 5, 6, 7),
    *,
    spans: Mapping[str, tuple[float, float]] | None = None,
) -> Figure:
    """The range of max(l, t, r, b) that each level is responsible for, on an axis of octaves.

    Args:
        bounds: m_2 .. m_7 in pixels, one more than levels; the last may be infinite.
        levels: numbers of the levels.
        spans: name -> (least, greatest) max(l, t, r, b), drawn as lines below: what the locations of some box have.
    """
    finite = [b for b in bounds if 0 < b < np.inf]
    left, right = finite[0] / 8, finite[-1] * 3
    marks = spans or {}
    figure = Picture(figsize=(WIDE, 1.6 + 0.34 * len(marks)))
    axes = figure.subplots()
    for level, (low, high) in zip(levels, pairwise(bounds), strict=True):
        start, end = max(low, left), min(high, right)
        axes.barh(0, end - start, left=start, height=0.8, color=LEVEL_COLORS[level], edgecolor="black", gid=f"P{level}")
        ink = "black" if level >= 6 else "white"
        axes.text(np.sqrt(start * end), 0, f"P{level}", ha="center", va="center", color=ink, fontweight="bold")
    for i, (name, (low, high)) in enumerate(marks.items(), start=1):
        axes.plot([low, high], [-i, -i], color="black", linewidth=2.5, marker="|", markersize=9, gid=name)
        late = high > 0.25 * right  # its name would leave the picture
        axes.text(
            low / 1.08 if late else high * 1.08, -i, name, ha="right" if late else "left", va="center", fontsize=9
        )
    axes.set_xscale("log", base=2)
    axes.set(xlim=(left, right), ylim=(-len(marks) - 0.6, 0.6), yticks=[], xlabel="max(l, t, r, b) in pixels")
    axes.set_xticks(finite, [f"{b:g}" for b in finite])
    axes.minorticks_off()
    axes.spines[["top", "left", "right"]].set_visible(False)
    for b in finite:
        axes.axvline(b, color="0.7", linewidth=0.8, linestyle=":", zorder=0)
    return figure


def level_assignment(
    image: Array,
    boxes: Array,
    points: Sequence[Array],
    matched: Sequence[Array],
    levels: Sequence[int] = (3, 4, 5, 6, 7),
) -> Figure:
    """Which box goes where: the boxes in the colour of the level that has most of their locations, then each level.

    Args:
        image: as in :func:`.show_boxes`.
        boxes: ``(M, 4)`` xyxy in pixels.
        points: for each level ``(L_i, 2)`` xy in pixels.
        matched: for each level ``(L_i,)`` index of the box, or -1.
        levels: numbers of the levels.
    """
    pixels, rows = as_pixels(image), as_boxes(boxes)
    counts = positives_of_boxes(matched, len(rows))  # (M, levels)
    panels = len(levels) + 1
    columns = min(2, panels)  # three would be too small to see P3's locations apart
    lines = -(-panels // columns)
    size = figure_size((pixels.shape[0] * lines, pixels.shape[1] * columns), 7.0)
    figure = Picture(figsize=(size[0], size[1] + 0.2 * lines))
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid:
        draw_image(axes, pixels, fade=0.55)
        axes.set(xticks=[], yticks=[])
    for axes in grid[panels:]:
        axes.remove()
    for box, count in zip(rows, counts, strict=True):
        level = levels[int(count.argmax())] if count.sum() else None  # None: no location learns this box
        color, style = ("white", ":") if level is None else (LEVEL_COLORS[level], "-")
        halo = "white" if level is not None and level < 6 else "black"
        draw_haloed(grid[0], box, edgecolor=color, linestyle=style, linewidth=2.2, halo=halo)
    grid[0].set_title("box: its main level", fontsize=10)
    for axes, level, xy, owner in zip(grid[1:], levels, points, matched, strict=False):
        hits = np.asarray(xy, dtype=float)[np.asarray(owner) >= 0]
        for i in np.unique(np.asarray(owner)[np.asarray(owner) >= 0]):
            axes.add_patch(rectangle(rows[i], edgecolor="black", linewidth=1))
        look = level_style(level)
        look["markersize"] *= 0.75  # a panel is small, and the locations of the finest level lie close together
        axes.plot(*hits.T, **look, gid=f"P{level}")
        axes.set_title(f"P{level}: {len(hits):,} positive", fontsize=10)
    return figure


def positives_of_boxes(matched: Sequence[Array], num_boxes: int) -> NDArray[np.int64]:
    """``(M, levels)``: how many locations of each level learn each box. ``matched`` as in :func:`level_assignment`."""
    counts = [np.bincount(np.asarray(owner) + 1, minlength=num_boxes + 1)[1:] for owner in matched]
    return np.stack(counts, axis=1)


def box_on_levels(
    box: Sequence[float],
    points: Sequence[Array],
    matched: Sequence[Array],
    canvas: tuple[int, int],
    levels: Sequence[int] = (3, 4, 5, 6, 7),
) -> Figure:
    """One box, seen close up with the locations of all levels that learn it; the whole image small; counts as bars.

    Args:
        box: x0, y0, x1, y1 in pixels.
        points: for each level ``(L_i, 2)`` xy in pixels.
        matched: for each level ``(L_i,)``, -1 for background.
        canvas: (height, width) of the image.
        levels: numbers of the levels.
    """
    x0, y0, x1, y1 = box
    figure = Picture(figsize=(WIDE, 3.8))
    near, far, bars = figure.subplot_mosaic([["near", "far"], ["near", "bars"]], width_ratios=(1.25, 1)).values()
    hits = [np.asarray(xy, dtype=float)[np.asarray(owner) >= 0] for xy, owner in zip(points, matched, strict=True)]
    for axes in (near, far):
        axes.add_patch(rectangle(np.asarray(box, dtype=float), edgecolor="black", linewidth=1.5))
        axes.set(xticks=[], yticks=[], aspect="equal")
    reach = 0.6 * max(x1 - x0, y1 - y0)  # a little more than half the box
    middle = (x0 + x1) / 2, (y0 + y1) / 2
    near.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] + reach, middle[1] - reach))
    near.set_title(f"a box of {x1 - x0:g} × {y1 - y0:g} pixels,\nclose up", fontsize=10)
    for level, xy in zip(levels, hits, strict=True):
        near.plot(*xy.T, **level_style(level), label=f"P{level}", gid=f"P{level}")
    far.set(xlim=(0, canvas[1]), ylim=(canvas[0], 0))
    far.set_title(f"in an image\nof {canvas[0]} × {canvas[1]}", fontsize=10)
    names = [f"P{level}" for level in levels]
    counts = [len(xy) for xy in hits]
    drawn = bars.bar(names, counts, color=[LEVEL_COLORS[level] for level in levels], edgecolor="black")
    bars.bar_label(drawn, fontsize=9)
    bars.set(ylim=(0, max(1, *counts) * 1.2), yticks=[])
    bars.set_title("positive locations", fontsize=10)
    bars.spines[["top", "right", "left"]].set_visible(False)
    return figure


def positives_by_size(sides: Array, counts: Array, levels: Sequence[int] = (3, 4, 5, 6, 7)) -> Figure:
    """How many locations of each level learn a box, as the box grows.

    Args:
        sides: ``(N,)`` side of the square box in pixels.
        counts: ``(N, levels)`` positive locations.
        levels: numbers of the levels.
    """
    figure = Picture(figsize=(WIDE, 3.2))
    axes = figure.subplots()
    for level, line in zip(levels, np.asarray(counts).T, strict=True):
        # Zeros only where the line leaves the axis: five levels of zeros would cover each other.
        seen = np.convolve(line > 0, [1, 1, 1], mode="same") > 0
        axes.plot(
            np.asarray(sides)[seen],
            line[seen],
            linewidth=1,
            **(level_style(level) | {"linestyle": "-"}),
            label=f"P{level}",
        )
    axes.set_xscale("log", base=2)
    axes.set(xlabel="side of a square box in pixels", ylabel="positive locations", ylim=(0, None))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.spines[["top", "right"]].set_visible(False)
    legend_outside(figure, *axes.get_legend_handles_labels())
    return figure


def samples_on_levels(
    boxes: Array,
    panels: Mapping[str, tuple[Sequence[int], Sequence[Array], Array, Array]],
    *,
    image: Array | None = None,
    canvas: tuple[int, int] | None = None,
    width: float = 3.1,
) -> Figure:
    """Positive locations of all levels in one picture, the ambiguous ones ringed; a panel for each setting.

    Args:
        boxes: ``(M, 4)`` xyxy in pixels.
        panels: name -> numbers of the levels, for each level ``(L_i, 2)`` locations in pixels, and of all levels
            together ``(L,)`` bool positive and ``(L,)`` bool ambiguous.
        image: drawn below; or
        canvas: (height, width) of an empty image.
        width: of a panel, in inches.
    """
    size = ground_size(image, canvas, boxes)
    figure = Picture(figsize=(width * len(panels), width * size[0] / size[1] + 0.9))
    seen: dict[str, Any] = {}
    for axes, (name, (levels, points, positive, ambiguous)) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        draw_ground(axes, image, size, fade=0.6)
        axes.set(xticks=[], yticks=[])
        for box in as_boxes(boxes):
            axes.add_patch(rectangle(box, edgecolor="black", linewidth=1.2))
        hits, doubts = np.asarray(positive, dtype=bool), np.asarray(ambiguous, dtype=bool)
        ends = np.cumsum([len(np.asarray(xy)) for xy in points])[:-1]
        for level, xy, own, twice in zip(levels, points, np.split(hits, ends), np.split(doubts, ends), strict=True):
            at = np.asarray(xy, dtype=float).reshape(-1, 2)
            style = level_style(level)
            if level > 3:
                style["markersize"] *= 0.8  # several levels share the panel
            (line,) = axes.plot(*at[own].T, **style, gid=f"{name}: P{level}")
            if own.any():
                seen.setdefault(f"P{level}", line)
            (ring,) = axes.plot(
                *at[twice].T, "o", color="none", markeredgecolor=COLORS[1], markersize=9, markeredgewidth=1.6,
                gid=f"{name}: ambiguous on P{level}",
            )  # fmt: skip
            if twice.any():
                seen["ambiguous"] = ring
        axes.set_title(f"{name}:\n{hits.sum():,} positive, {doubts.sum():,} ambiguous", fontsize=10)
    # A legend of constant height, so that the frames of a moving figure do not jump.
    handles = {label: seen[label] for label in sorted(seen)}
    if handles:
        legend_outside(figure, list(handles.values()), list(handles), below=True)
    return figure


def level_demands(values: Mapping[int, Array], *, xlabel: str, limits: tuple[float, float], title: str = "") -> Figure:
    """What each level asks of the shared head: 5th to 95th percentile, thick from the 25th to the 75th.

    Args:
        values: number of the level -> ``(N,)``.
        xlabel: what the values are.
        limits: of the axis, so that frames of a moving figure can be compared.
        title: written above.
    """
    figure = Picture(figsize=(WIDE, 0.5 * len(values) + 1.3))
    axes = figure.subplots()
    for y, (level, row) in enumerate(values.items()):
        low, lower, middle, upper, high = np.percentile(np.asarray(row, dtype=float), (5, 25, 50, 75, 95))
        color = LEVEL_COLORS[level]
        axes.plot([low, high], [y, y], color="black", linewidth=1.2, zorder=1)
        axes.barh(y, upper - lower, left=lower, height=0.55, color=color, edgecolor="black", zorder=2, gid=f"P{level}")
        axes.plot([middle, middle], [y - 0.275, y + 0.275], color="white", linewidth=3, zorder=3)
        axes.plot(
            [middle, middle], [y - 0.275, y + 0.275], color="black", linewidth=1.4, zorder=4, gid=f"median P{level}"
        )
    axes.set_yticks(range(len(values)), [f"P{level}" for level in values])
    axes.set(xlim=limits, ylim=(len(values) - 0.4, -0.6), xlabel=xlabel)
    axes.set_title(title, fontsize=10)
    axes.grid(axis="x", color="0.92")
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def boxes_on_levels(
    sizes: Array,
    bounds: Sequence[float],
    levels: Sequence[int] = (3, 4, 5, 6, 7),
    *,
    limits: tuple[float, float] = (2.0, 512.0),
    title: str = "",
) -> Figure:
    """How many boxes belong to each level: a histogram over octaves, in the colours of the levels.

    A box belongs to the level whose range holds max(l, t, r, b) at its centre, which is half its longer side.

    Args:
        sizes: ``(T,)`` half the longer side of each box, in pixels of the resized image.
        bounds: m_2 .. m_7 in pixels, one more than levels; the last may be infinite.
        levels: numbers of the levels.
        limits: ends of the axis, powers of two; what lies beyond counts in the outermost bar.
        title: written above.

    Raises:
        ValueError: not one bound more than levels.
    """
    if len(bounds) != len(levels) + 1:
        raise ValueError(
            f"{counted(len(bounds), 'bounds')} for {counted(len(levels), 'levels')}; there must be one more than levels"
        )
    values = np.asarray(sizes, dtype=float)
    octaves = np.log2(limits)
    edges = 2.0 ** np.linspace(octaves[0], octaves[1], round(4 * (octaves[1] - octaves[0])) + 1)
    # Bars end at a bound, so that each belongs to one level alone.
    edges = np.unique([*edges, *(b for b in bounds if limits[0] < b < limits[1])])
    # A box on a bound belongs to the finer level, as in the assignment.
    counts = np.bincount(np.searchsorted(edges[1:-1], values), minlength=len(edges) - 1)
    figure = Picture(figsize=(WIDE, 3.4))
    axes = figure.subplots()
    top = max(1, counts.max()) * 1.3
    for level, (low, high) in zip(levels, pairwise(bounds), strict=True):
        mine = (edges[:-1] >= low) & (edges[:-1] < high)
        axes.bar(
            edges[:-1][mine],
            counts[mine],
            np.diff(edges)[mine],
            align="edge",
            color=LEVEL_COLORS[level],
            edgecolor="black",
            linewidth=0.6,
            label=f"P{level}",
        )
        start, end = max(low, limits[0]), min(high, limits[1])
        if start < end:
            number = int(((values > low) & (values <= high)).sum())
            middle = np.sqrt(start * end)
            axes.text(middle, top * 0.98, f"P{level}\n{number:,}", ha="center", va="top", fontsize=10)
        if limits[0] < low < limits[1]:
            axes.axvline(low, color="0.4", linewidth=0.9, linestyle=":")
    ticks = [2.0**k for k in range(int(octaves[0]), int(octaves[1]) + 1)]
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set(xlim=limits, ylim=(0, top), ylabel="boxes", title=title)
    axes.set_xlabel("max(l, t, r, b) at the centre: half the longer side,\nin pixels of the resized image")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
