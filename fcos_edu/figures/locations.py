"""Locations, the four distances of Eq. 1 and the box that each location learns (section 3.1; Fig. 1).

Used in *Locations and the four distances*, in *On a GPU* for rows, columns and words, and in
*COCO: published weights on your photograph* for rows that drift.
Checked against: :func:`fcos_edu.targets.ltrb` on random locations and boxes, and the ends of the drawn arrows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from ..text import counted
from .letters import WIDE, legend_outside
from .parts import (
    as_boxes,
    as_pixels,
    draw_box,
    draw_ground,
    draw_image,
    figure_size,
    ground_size,
    rectangle,
)
from .style import COLORS, HALO, SIDE_COLORS, Array, Picture


def location_grid(image: Array, points: Mapping[str, Array], stride: int) -> Figure:
    """Where the locations of a feature map lie: its cells over the image, a point for each location.

    Args:
        image: as in :func:`.show_boxes`.
        points: name of a panel -> ``(L, 2)`` xy in pixels.
        stride: of the feature map, in pixels.
    """
    pixels = as_pixels(image)
    height, width = pixels.shape[:2]
    size = figure_size((height, width * len(points)), min(3.9 * len(points), 6.2))
    figure = Picture(figsize=size)
    for axes, (name, xy) in zip(figure.subplots(1, len(points), squeeze=False)[0], points.items(), strict=True):
        draw_image(axes, pixels, fade=0.45)
        for x in range(0, width + 1, stride):
            axes.axvline(x, color="0.25", linewidth=0.5, zorder=1)
        for y in range(0, height + 1, stride):
            axes.axhline(y, color="0.25", linewidth=0.5, zorder=1)
        # Points on the border of the image are drawn whole.
        axes.plot(
            *np.asarray(xy, dtype=float).reshape(-1, 2).T,
            "o",
            color=COLORS[1],
            markersize=4,
            markeredgecolor="white",
            clip_on=False,
            zorder=3,
        )
        axes.set_title(name)
    return figure


def locations_and_distances(
    location: Sequence[float],
    box: Sequence[float],
    *,
    image: Array | None = None,
    canvas: tuple[int, int] | None = None,
    bars: bool = False,
) -> Figure:
    """Fig. 1, left: a location and its distances l, t, r, b to the four sides of a box (Eq. 1).

    A negative distance, of a location beyond that side, is drawn dashed.

    Args:
        location: x, y in pixels.
        box: x0, y0, x1, y1 in pixels.
        image: drawn below; or
        canvas: (height, width) of an empty image.
        bars: draw the four numbers as bars beside the picture, too.
    """
    size = ground_size(image, canvas, [box])
    figure = Picture(figsize=(WIDE if bars else 4.6, 3.4))
    if bars:
        axes, side = figure.subplots(1, 2, width_ratios=(2.2, 1))
    else:
        axes, side = figure.subplots(), None
    draw_ground(axes, image, size, fade=0.4)
    distances = four_distances(location, box)
    inside = min(distances.values()) > 0
    draw_box(axes, np.asarray(box, dtype=float), 6, "")
    draw_distances(axes, location, box)
    x, y = location
    face = COLORS[5] if inside else "white"
    axes.plot(x, y, "o", color=face, markeredgecolor="black", markersize=8, zorder=5, gid="location")
    axes.set_title("inside: a positive location" if inside else "outside: a negative location", fontsize=11)
    if side is not None:
        _distance_bars(side, distances, max(size))
    return figure


def four_distances(location: Sequence[float], box: Sequence[float]) -> dict[str, float]:
    """Eq. 1 for one location and one box, in pixels: the numbers that :func:`locations_and_distances` draws."""
    x, y = location
    x0, y0, x1, y1 = box
    return {"l": x - x0, "t": y - y0, "r": x1 - x, "b": y1 - y}


def draw_distances(axes: Axes, location: Sequence[float], box: Sequence[float]) -> None:
    """Eq. 1 as four arrows with their letters, drawn dashed where a distance is negative."""
    distances = four_distances(location, box)
    height = abs(float(np.diff(axes.get_ylim())[0]))
    x, y = location
    x0, y0, x1, y1 = box
    ends = {"l": (x0, y), "t": (x, y0), "r": (x1, y), "b": (x, y1)}
    for name, (end_x, end_y) in ends.items():
        if distances[name] == 0:
            continue  # an arrow without length has no direction
        # A negative distance points the same way as its opposite: drawn a little beside it, or it would be hidden.
        aside = 0.06 * height if distances[name] < 0 else 0.0
        shift_x, shift_y = (0.0, aside) if name in "lr" else (-aside, 0.0)
        axes.add_patch(
            FancyArrowPatch(
                (x + shift_x, y + shift_y),
                (end_x + shift_x, end_y + shift_y),
                arrowstyle="-|>",
                mutation_scale=12,
                shrinkA=0,
                shrinkB=0,
                color=SIDE_COLORS[name],
                linestyle="-" if distances[name] > 0 else "--",
                linewidth=2,
                gid=name,
                # On a photograph of the arrow's own colour the white around it is what is seen.
                path_effects=[patheffects.withStroke(linewidth=4, foreground="white"), patheffects.Normal()],
            )
        )
        # Text beside the middle of its arrow: above a horizontal one, at the right of a vertical one.
        away = (0.0, 8.0) if name in "lr" else (9.0, 0.0)
        if aside:
            away = (-away[0], -away[1])
        axes.annotate(
            name,
            ((x + end_x) / 2 + shift_x, (y + end_y) / 2 + shift_y),
            xytext=away,
            textcoords="offset points",
            ha="center",
            va="center",
            color=SIDE_COLORS[name],
            fontsize=13,
            fontweight="bold",
            path_effects=HALO,
        )


def _distance_bars(axes: Axes, distances: Mapping[str, float], reach: float) -> None:
    drawn = axes.bar(
        list(distances), list(distances.values()), color=[SIDE_COLORS[name] for name in distances], edgecolor="black"
    )
    for bar, value in zip(drawn, distances.values(), strict=True):
        bar.set_hatch("" if value > 0 else "///")
        axes.text(
            bar.get_x() + bar.get_width() / 2,
            max(value, 0) + reach * 0.02,
            f"{value:.0f}",
            ha="center",
            fontsize=10,
        )
    axes.axhline(0, color="black", linewidth=1)
    axes.set(ylim=(-0.45 * reach, 1.05 * reach), ylabel="pixels")
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(bottom=False)


def assignment(
    image: Array,
    boxes: Array,
    points: Array,
    matched: Array,
    *,
    ambiguous: Array | None = None,
    title: str = "",
) -> Figure:
    """The box that each location of one feature map learns: a point in the colour of its box, a dot for background.

    Args:
        image: as in :func:`.show_boxes`.
        boxes: ``(M, 4)`` xyxy in pixels.
        points: ``(L, 2)`` xy in pixels.
        matched: ``(L,)`` index of the box, or -1.
        ambiguous: ``(L,)`` bool; these locations get a black ring (they lie in several boxes).
        title: written above the image.
    """
    pixels = as_pixels(image)
    figure = Picture(figsize=figure_size(pixels.shape[:2], 6.4))
    axes = figure.subplots()
    draw_image(axes, pixels, fade=0.5)
    xy, owner = np.asarray(points, dtype=float), np.asarray(matched)
    axes.plot(*xy[owner < 0].T, ".", color="0.35", markersize=2, gid="background")
    for i, box in enumerate(as_boxes(boxes)):
        draw_box(axes, box, i, "")
        color = COLORS[i % len(COLORS)]
        axes.plot(*xy[owner == i].T, "o", color=color, markeredgecolor="white", markersize=6, gid=f"box {i}")
    if ambiguous is not None:
        rings = xy[np.asarray(ambiguous, dtype=bool)]
        axes.plot(*rings.T, "o", color="none", markeredgecolor="black", markersize=9, gid="ambiguous")
    axes.set_title(title)
    return figure


def ambiguity(
    location: Sequence[float],
    boxes: Array,
    *,
    image: Array | None = None,
    canvas: tuple[int, int] | None = None,
) -> Figure:
    """Fig. 1, right: a location inside several boxes. The smallest is its target and is drawn filled.

    Args:
        location: x, y in pixels.
        boxes: ``(M, 4)`` xyxy in pixels.
        image: drawn below; or
        canvas: (height, width) of an empty image.

    Raises:
        ValueError: the location lies in no box.
    """
    rows = as_boxes(boxes)
    holds = [i for i, box in enumerate(rows) if min(four_distances(location, tuple(box)).values()) > 0]
    if not holds:
        raise ValueError(f"the location {tuple(location)} lies in none of {counted(len(rows), 'boxes')}")
    areas = (rows[:, 2] - rows[:, 0]) * (rows[:, 3] - rows[:, 1])
    smallest = min(holds, key=lambda i: areas[i])
    figure = Picture(figsize=(4.8, 3.4))
    axes = figure.subplots()
    draw_ground(axes, image, ground_size(image, canvas, rows), fade=0.4)
    for i, box in enumerate(rows):
        draw_box(axes, box, i, f"area {areas[i]:,.0f}")
        if i == smallest:
            color = COLORS[i % len(COLORS)]
            axes.add_patch(rectangle(box, facecolor=(*to_rgb(color), 0.4), edgecolor="none", fill=True, gid="target"))
    axes.plot(*location, "o", color=COLORS[5], markeredgecolor="black", markersize=9, zorder=5)
    axes.set_title(f"the location lies in {counted(len(holds), 'boxes')}: the smallest is its target", fontsize=10)
    return figure


def rows_and_columns(column_fits: Array, row_fits: Array) -> Figure:
    """Why the test "inside the box" is separable: the grid is the product of a row of bits and a column of bits.

    Args:
        column_fits: ``(W,)`` bool, whether l > 0 and r > 0 in each column.
        row_fits: ``(H,)`` bool, whether t > 0 and b > 0 in each row.
    """
    columns, rows = np.asarray(column_fits, dtype=bool), np.asarray(row_fits, dtype=bool)
    grid = rows[:, None] & columns[None, :]
    figure = Picture(figsize=(6.2, 6.2 * (len(rows) + 1) / (len(columns) + 1) + 0.5))
    top, corner, main, right = _strips(figure, len(rows), len(columns))
    corner.axis("off")
    for axes, cells in ((top, columns[None]), (right, rows[:, None]), (main, grid)):
        axes.imshow(cells, cmap="Blues", vmin=0, vmax=1.4, aspect="auto")
        for (y, x), bit in np.ndenumerate(cells):
            axes.text(x, y, str(int(bit)), ha="center", va="center", fontsize=8, color="white" if bit else "0.6")
    top.set_title(f"{counted(len(columns), 'columns')}: l > 0 and r > 0", fontsize=10)
    right.set_ylabel(f"{counted(len(rows), 'rows')}: t > 0 and b > 0", fontsize=10)
    right.yaxis.set_label_position("right")
    main.set_xlabel(f"{counted(grid.size, 'locations')}: row AND column", fontsize=10)
    return figure


def bit_words(column_words: Array, row_words: Array, names: Sequence[str], *, rows_done: int | None = None) -> Figure:
    """Many boxes in one integer: the words of the columns, of the rows, and row AND column in the grid.

    A cell shows its word in binary digits, box 0 at the right, and is filled with the colour of its lowest set bit: the
    smallest box that holds it.

    Args:
        column_words: ``(W,)`` int64, bit k says whether the column fits box k (boxes sorted by area).
        row_words: ``(H,)`` int64, the same for rows.
        names: of the boxes from bit 0 on: as many digits are drawn, and a legend.
        rows_done: fill only so many rows of the grid, the last of them framed; None fills all.
    """
    columns, rows = np.asarray(column_words), np.asarray(row_words)
    grid = rows[:, None] & columns[None, :]
    done = len(rows) if rows_done is None else rows_done
    figure = Picture(figsize=(6.6, 6.6 * 0.62 * (len(rows) + 1) / (len(columns) + 1) + 0.8))
    top, corner, main, right = _strips(figure, len(rows), len(columns))
    corner.axis("off")
    for axes, cells, strip in ((top, columns[None], True), (right, rows[:, None], True), (main, grid, False)):
        axes.set(xlim=(-0.5, cells.shape[1] - 0.5), ylim=(cells.shape[0] - 0.5, -0.5))
        for (y, x), word in np.ndenumerate(cells):
            if not strip and y >= done:
                continue
            color = "white"
            if word and not strip:
                color = COLORS[(int(word & -word).bit_length() - 1) % len(COLORS)]
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=color, edgecolor="0.8", linewidth=0.5))
            ink = "0.55" if not word else "white" if color not in ("white", COLORS[4], COLORS[5]) else "black"
            axes.text(
                x, y, f"{int(word):0{len(names)}b}", ha="center", va="center", fontsize=8, family="monospace", color=ink
            )
    if 0 < done <= len(rows) and rows_done is not None:
        for axes, wide in ((main, len(columns)), (right, 1)):
            axes.add_patch(Rectangle((-0.5, done - 1.5), wide, 1, fill=False, edgecolor="black", linewidth=2.5))
    top.set_title("a word for each column", fontsize=10)
    right.set_ylabel("a word for each row", fontsize=10)
    right.yaxis.set_label_position("right")
    main.set_xlabel("row & column; colour: the lowest set bit", fontsize=10)
    for i, name in enumerate(names):
        main.plot([], [], "s", color=COLORS[i % len(COLORS)], markersize=9, label=f"bit {i}: {name}")
    legend_outside(figure, *main.get_legend_handles_labels(), below=True)
    return figure


def _strips(figure: Figure, height: int, width: int) -> tuple[Axes, Axes, Axes, Axes]:
    """A grid with a strip above and one at the right, cells aligned: top, corner, main, right."""
    (top, corner), (main, right) = figure.subplots(2, 2, width_ratios=(width, 1), height_ratios=(1, height))
    for axes in (top, corner, main, right):
        axes.set(xticks=[], yticks=[])
    return top, corner, main, right


def row_drift(height: int, rows: Mapping[str, Sequence[float]], *, longest: int) -> Figure:
    """Rows of a level's locations on a canvas, one column for each rule, and how far the last rows are apart.

    Args:
        height: of the canvas, in pixels.
        rows: name of a rule -> y of its rows, in pixels, as many for each.
        longest: the height that the axis has room for, so that several figures have one scale.

    Raises:
        ValueError: not two rules, or another number of rows.
    """
    if len(rows) != 2 or len({len(values) for values in rows.values()}) > 1:
        raise ValueError(f"rows has {[(k, len(v)) for k, v in rows.items()]}; give two rules with as many rows each")
    figure = Picture(figsize=(4.5, 3.8))
    axes = figure.subplots()
    axes.add_patch(Rectangle((-0.5, 0), 2, height, facecolor="#F1F3F5", edgecolor="#C9CDD2"))
    for column, ((name, values), color, marker) in enumerate(zip(rows.items(), COLORS, "os")):
        axes.plot([column] * len(values), values, marker, color=color, markersize=7)
        axes.text(column, -18, name, ha="center", va="bottom", color=color)
    first, second = rows.values()
    for y, other in zip(first, second):
        axes.plot([0, 1], [y, other], color="0.6", linewidth=0.8)
    pitch = second[1] - second[0] if len(second) > 1 else 0
    axes.set_title(f"canvas {height} pixels high: {pitch:g} apart", fontsize=10)
    axes.set(xlim=(-0.6, 1.6), ylim=(longest + 20, -80), xticks=[], ylabel="y, pixels")
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    return figure
