"""The book's pictures: one function for each figure, plain arrays in, a matplotlib Figure out.

Figs. 1 to 8 of the paper, and what the chapters need beside them; a function that draws one of the eight says so in its
first line. Used in all chapters, first in *Locations and the four distances* (section 3.1) and *Levels of the pyramid*
(section 3.2).
Checked against: the positions of the drawn lines, points and bars, which must be those of the arrays that were given.

All pictures share these rules. Coordinates are pixels of the image, y downwards, and the image fills exactly
0..width x 0..height, so that a location at 4 lies on the border between the pixels 3 and 4. Colours can be told apart
with the common colour-vision deficiencies; where a colour carries meaning, a letter, a marker, a line style or the
lightness says the same, so a grey print is readable. Nothing here touches pyplot's global state: a notebook shows a
figure once, where it is the last value of a cell.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle
from matplotlib.ticker import LogLocator
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch import Tensor

Array = ArrayLike | Tensor

# Okabe and Ito's colours, without the yellow that vanishes on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# l, t, r, b always look the same.
SIDE_COLORS = {"l": "#0072B2", "t": "#D55E00", "r": "#009E73", "b": "#CC79A7"}
# Levels are ordered, so their lightness is, too: P2 and P3 are dark, P7 is light.
LEVEL_COLORS = {2: "#1b0b2e", 3: "#440154", 4: "#3b528b", 5: "#21918c", 6: "#5ec962", 7: "#fde725"}
LEVEL_MARKERS = {2: ".", 3: ".", 4: "o", 5: "s", 6: "D", 7: "^"}
LEVEL_SIZES = {2: 4.0, 3: 7.0, 4: 4.5, 5: 5.2, 6: 6.0, 7: 7.0}  # points; a "." is drawn at half its size
# Fig. 3's blue for 0 and red for 1, here with a lightness that only rises: a grey print keeps the order.
CENTERNESS_COLORS = LinearSegmentedColormap.from_list("centerness", ["#0a1a6b", "#6a2a9a", "#c23a80", "#ff5a45"])
FEW_BOXES = 30  # a share of fewer boxes says little: its marker is drawn hollow
_HALO = [patheffects.withStroke(linewidth=2.5, foreground="white")]


class Picture(Figure):
    """A Figure that a notebook shows and stores small. All functions of this module return one."""

    def _repr_png_(self) -> bytes:
        return png(self, dpi=100, colors=256)


def png(figure: Figure, *, dpi: int = 70, colors: int = 64) -> bytes:
    """A figure as a PNG file with a palette: about a third of the usual size.

    Args:
        figure: drawn at its size in inches times ``dpi``.
        dpi: pixels to the inch.
        colors: size of the palette, 32 to 256. 64 do for a drawing, a photograph wants 256.
    """
    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=dpi, facecolor="white")
    full.seek(0)
    image = Image.open(full).convert("RGB")
    # The colours that carry meaning always stay; a thin line in one of them has too few pixels to win a place.
    own = np.round(255 * np.array([to_rgb(c) for c in ("white", *COLORS, *LEVEL_COLORS.values())])).astype(int)
    free = np.array(image.quantize(colors - len(own)).getpalette()).reshape(-1, 3)
    # Near one of them nothing else: Pillow's search rounds, and would take a light grey for white.
    free = free[abs(free[:, None] - own).max(-1).min(-1) > 8]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*own.ravel().tolist(), *free.ravel().tolist()])
    image.quantize(palette=palette, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue()


# ---------------------------------------------------------------- boxes on an image


def show_boxes(
    image: Array,
    boxes: Array,
    labels: Array | None = None,
    names: Sequence[str] | None = None,
    scores: Array | None = None,
    *,
    title: str = "",
) -> Figure:
    """An image and its boxes; one colour and line style for each class.

    Args:
        image: ``(3, H, W)`` or ``(H, W, 3)``, uint8 or float 0..1.
        boxes: ``(M, 4)`` xyxy in pixels.
        labels: ``(M,)`` classes 0..C-1; None draws all boxes alike.
        names: names of the C classes.
        scores: ``(M,)`` in 0..1, written beside the name.
        title: written above the image.

    Raises:
        ValueError: ``labels`` or ``scores`` are not as many as the boxes.
    """
    pixels, rows = _pixels(image), _boxes(boxes)
    figure = Picture(figsize=_figure_size(pixels.shape[:2], 6.4), layout="constrained")
    axes = figure.subplots()
    _canvas(axes, pixels)
    classes = _column(labels, len(rows), "labels")
    values = _column(scores, len(rows), "scores")
    for i, box in enumerate(rows):
        label = int(classes[i]) if classes is not None else 0
        text = "" if classes is None else names[label] if names is not None else str(label)
        if values is not None:
            text = f"{text} {values[i]:.2f}".strip()
        _draw_box(axes, box, label, text)
    axes.set_title(title)
    return figure


def detections(
    image: Array,
    result: Mapping[str, Tensor],
    names: Sequence[str],
    *,
    threshold: float = 0.3,
    truth: Array | None = None,
    title: str = "",
) -> Figure:
    """What a detector found in an image, above a score.

    Args:
        image: as in :func:`show_boxes`.
        result: what the model returns for one image: ``boxes`` (M, 4), ``labels`` (M,), ``scores`` (M,).
        names: names of the classes.
        threshold: detections with a lower score are left out.
        truth: ``(N, 4)`` ground-truth boxes, drawn thin and white below the detections.
        title: written above the image.
    """
    keep = np.asarray(result["scores"].detach().cpu()) >= threshold
    boxes, labels, scores = (np.asarray(result[key].detach().cpu())[keep] for key in ("boxes", "labels", "scores"))
    figure = show_boxes(image, boxes, labels, names, scores, title=title)
    for box in _boxes(truth) if truth is not None else []:
        patch = _rectangle(box, edgecolor="white", linewidth=1.0, zorder=1)
        patch.set_path_effects([patheffects.withStroke(linewidth=2.2, foreground="black")])
        figure.axes[0].add_patch(patch)
    return figure


# ---------------------------------------------------------------- section 3.1: locations and distances


def location_grid(image: Array, points: Mapping[str, Array], stride: int) -> Figure:
    """Where the locations of a feature map lie: its cells over the image, a point for each location.

    Args:
        image: as in :func:`show_boxes`.
        points: name of a panel -> ``(L, 2)`` xy in pixels.
        stride: of the feature map, in pixels.
    """
    pixels = _pixels(image)
    height, width = pixels.shape[:2]
    size = _figure_size((height, width * len(points)), 3.9 * len(points))
    figure = Picture(figsize=size, layout="constrained")
    for axes, (name, xy) in zip(figure.subplots(1, len(points), squeeze=False)[0], points.items(), strict=True):
        _canvas(axes, pixels, fade=0.45)
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
    height, width = _pixels(image).shape[:2] if image is not None else canvas or _around([box])
    figure = Picture(figsize=(6.4 if bars else 4.6, 3.4), layout="constrained")
    if bars:
        axes, side = figure.subplots(1, 2, width_ratios=(2.2, 1))
    else:
        axes, side = figure.subplots(), None
    if image is not None:
        _canvas(axes, _pixels(image), fade=0.4)
    else:
        _empty_canvas(axes, height, width)
    distances = four_distances(location, box)
    inside = min(distances.values()) > 0
    _draw_box(axes, np.asarray(box, dtype=float), 6, "")
    _draw_distances(axes, location, box)
    x, y = location
    face = COLORS[5] if inside else "white"
    axes.plot(x, y, "o", color=face, markeredgecolor="black", markersize=8, zorder=5, gid="location")
    axes.set_title("inside: a positive location" if inside else "outside: a negative location", fontsize=11)
    if side is not None:
        _distance_bars(side, distances, max(width, height))
    return figure


def four_distances(location: Sequence[float], box: Sequence[float]) -> dict[str, float]:
    """Eq. 1 for one location and one box, in pixels: the numbers that :func:`locations_and_distances` draws."""
    x, y = location
    x0, y0, x1, y1 = box
    return {"l": x - x0, "t": y - y0, "r": x1 - x, "b": y1 - y}


def _draw_distances(axes: Axes, location: Sequence[float], box: Sequence[float]) -> None:
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
            path_effects=_HALO,
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
        image: as in :func:`show_boxes`.
        boxes: ``(M, 4)`` xyxy in pixels.
        points: ``(L, 2)`` xy in pixels.
        matched: ``(L,)`` index of the box, or -1.
        ambiguous: ``(L,)`` bool; these locations get a black ring (they lie in several boxes).
        title: written above the image.
    """
    pixels = _pixels(image)
    figure = Picture(figsize=_figure_size(pixels.shape[:2], 6.4), layout="constrained")
    axes = figure.subplots()
    _canvas(axes, pixels, fade=0.5)
    xy, owner = np.asarray(points, dtype=float), np.asarray(matched)
    axes.plot(*xy[owner < 0].T, ".", color="0.35", markersize=2, gid="background")
    for i, box in enumerate(_boxes(boxes)):
        _draw_box(axes, box, i, "")
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
    rows = _boxes(boxes)
    holds = [i for i, box in enumerate(rows) if min(four_distances(location, tuple(box)).values()) > 0]
    if not holds:
        raise ValueError(f"the location {tuple(location)} lies in none of the {len(rows)} boxes")
    areas = (rows[:, 2] - rows[:, 0]) * (rows[:, 3] - rows[:, 1])
    smallest = min(holds, key=lambda i: areas[i])
    figure = Picture(figsize=(4.8, 3.4), layout="constrained")
    axes = figure.subplots()
    if image is not None:
        _canvas(axes, _pixels(image), fade=0.4)
    else:
        _empty_canvas(axes, *(canvas or _around(rows)))
    for i, box in enumerate(rows):
        _draw_box(axes, box, i, f"area {areas[i]:,.0f}")
        if i == smallest:
            color = COLORS[i % len(COLORS)]
            axes.add_patch(_rectangle(box, facecolor=(*to_rgb(color), 0.4), edgecolor="none", fill=True, gid="target"))
    axes.plot(*location, "o", color=COLORS[5], markeredgecolor="black", markersize=9, zorder=5)
    axes.set_title(f"the location lies in {len(holds)} boxes: the smallest is its target", fontsize=10)
    return figure


def rows_and_columns(column_fits: Array, row_fits: Array) -> Figure:
    """Why the test "inside the box" is separable: the grid is the product of a row of bits and a column of bits.

    Args:
        column_fits: ``(W,)`` bool, whether l > 0 and r > 0 in each column.
        row_fits: ``(H,)`` bool, whether t > 0 and b > 0 in each row.
    """
    columns, rows = np.asarray(column_fits, dtype=bool), np.asarray(row_fits, dtype=bool)
    grid = rows[:, None] & columns[None, :]
    figure = Picture(figsize=(6.2, 6.2 * (len(rows) + 1) / (len(columns) + 1) + 0.5), layout="constrained")
    top, corner, main, right = _strips(figure, len(rows), len(columns))
    corner.axis("off")
    for axes, cells in ((top, columns[None]), (right, rows[:, None]), (main, grid)):
        axes.imshow(cells, cmap="Blues", vmin=0, vmax=1.4, aspect="auto")
        for (y, x), bit in np.ndenumerate(cells):
            axes.text(x, y, str(int(bit)), ha="center", va="center", fontsize=8, color="white" if bit else "0.6")
    top.set_title(f"{len(columns)} columns: l > 0 and r > 0", fontsize=10)
    right.set_ylabel(f"{len(rows)} rows: t > 0 and b > 0", fontsize=10)
    right.yaxis.set_label_position("right")
    main.set_xlabel(f"{grid.size} locations: row AND column", fontsize=10)
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
    figure = Picture(figsize=(6.6, 6.6 * 0.62 * (len(rows) + 1) / (len(columns) + 1) + 0.8), layout="constrained")
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
    figure.legend(frameon=False, ncols=4, fontsize=9, loc="outside lower center")
    return figure


def _strips(figure: Figure, height: int, width: int) -> tuple[Axes, Axes, Axes, Axes]:
    """A grid with a strip above and one at the right, cells aligned: top, corner, main, right."""
    (top, corner), (main, right) = figure.subplots(2, 2, width_ratios=(width, 1), height_ratios=(1, height))
    for axes in (top, corner, main, right):
        axes.set(xticks=[], yticks=[])
    return top, corner, main, right


# ---------------------------------------------------------------- section 3.2: the pyramid


def pyramid(sizes: Sequence[tuple[int, int]], strides: Sequence[int] = (8, 16, 32, 64, 128)) -> Figure:
    """Fig. 2, left: C3 to C5 of the backbone, P3 to P7 of the pyramid, and the one head that all levels share.

    Args:
        sizes: (height, width) of P3 to P7.
        strides: their strides.

    Raises:
        ValueError: not five sizes and five strides.
    """
    if len(sizes) != 5 or len(strides) != 5:
        raise ValueError(f"{len(sizes)} sizes and {len(strides)} strides; the figure draws the five levels P3 to P7")
    figure = Picture(figsize=(7.6, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-0.2, 10.4), ylim=(-0.55, 5.2))
    axes.axis("off")
    where_c, where_p, where_text, head_x = 1.3, 4.3, 5.75, 9.2
    for row, ((height, width), stride) in enumerate(zip(sizes, strides, strict=True)):
        level, half = row + 3, 1.15 - 0.2 * row
        if level <= 5:
            _slab(axes, where_c, row, half, "0.85", f"C{level}", "black")
            _arrow(axes, (where_c + half + 0.25, row), (where_p - half - 0.25, row), "1×1" if level == 5 else "")
        light = level >= 6
        _slab(axes, where_p, row, half, LEVEL_COLORS[level], f"P{level}", "black" if light else "white")
        axes.text(where_text, row, f"{height} × {width}\nstride {stride}", va="center", fontsize=9)
        _arrow(axes, (7.15, row), (head_x - 0.75, 2 + (row - 2) * 0.45))
    for row in (0, 1):  # the backbone's way up, and the pyramid's way down
        _arrow(axes, (where_c, row + 0.27), (where_c, row + 0.75))
        _arrow(axes, (where_p, row + 0.75), (where_p, row + 0.27), "×2, +")
    for row in (2, 3):
        _arrow(axes, (where_p, row + 0.27), (where_p, row + 0.75), "conv /2")
    axes.add_patch(Rectangle((head_x - 0.75, 0.8), 1.7, 2.4, facecolor="0.93", edgecolor="black"))
    axes.text(head_x + 0.1, 2, "one head,\nshared by\nall levels", ha="center", va="center", fontsize=10)
    axes.text(where_c, 4.85, "backbone", ha="center", fontsize=11)
    axes.text(where_p, 4.85, "feature pyramid", ha="center", fontsize=11)
    return figure


def _slab(axes: Axes, x: float, y: float, half: float, color: str, text: str, ink: str) -> None:
    """A feature map seen at a slant."""
    corners = [
        (x - half - 0.2, y - 0.2),
        (x + half - 0.2, y - 0.2),
        (x + half + 0.2, y + 0.2),
        (x - half + 0.2, y + 0.2),
    ]
    axes.add_patch(Polygon(corners, closed=True, facecolor=color, edgecolor="black", zorder=2, gid=text))
    axes.text(x, y, text, ha="center", va="center", color=ink, fontsize=11, fontweight="bold", zorder=3)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], text: str = "") -> None:
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=9, color="0.3", shrinkA=0, shrinkB=0))
    if text:
        vertical = start[0] == end[0]
        x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        axes.text(
            x + (0.1 if vertical else 0),
            y if vertical else y + 0.06,
            text,
            ha="left" if vertical else "center",
            va="center" if vertical else "bottom",
            fontsize=8,
            color="0.2",
        )


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
    figure = Picture(figsize=(7, 1.6 + 0.32 * len(marks)), layout="constrained")
    axes = figure.subplots()
    for level, (low, high) in zip(levels, pairwise(bounds), strict=True):
        start, end = max(low, left), min(high, right)
        axes.barh(0, end - start, left=start, height=0.8, color=LEVEL_COLORS[level], edgecolor="black", gid=f"P{level}")
        ink = "black" if level >= 6 else "white"
        axes.text(np.sqrt(start * end), 0, f"P{level}", ha="center", va="center", color=ink, fontweight="bold")
    for i, (name, (low, high)) in enumerate(marks.items(), start=1):
        axes.plot([low, high], [-i, -i], color="black", linewidth=2.5, marker="|", markersize=9, gid=name)
        axes.text(high * 1.06, -i, name, va="center", fontsize=9)
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
        image: as in :func:`show_boxes`.
        boxes: ``(M, 4)`` xyxy in pixels.
        points: for each level ``(L_i, 2)`` xy in pixels.
        matched: for each level ``(L_i,)`` index of the box, or -1.
        levels: numbers of the levels.
    """
    pixels, rows = _pixels(image), _boxes(boxes)
    counts = positives_of_boxes(matched, len(rows))  # (M, levels)
    panels = len(levels) + 1
    columns = min(2, panels)  # three would be too small to see P3's locations apart
    lines = -(-panels // columns)
    size = _figure_size((pixels.shape[0] * lines, pixels.shape[1] * columns), 7.0)
    figure = Picture(figsize=(size[0], size[1] + 0.2 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid:
        _canvas(axes, pixels, fade=0.55)
        axes.set(xticks=[], yticks=[])
    for axes in grid[panels:]:
        axes.remove()
    for box, count in zip(rows, counts, strict=True):
        level = levels[int(count.argmax())] if count.sum() else None  # None: no location learns this box
        color, style = ("white", ":") if level is None else (LEVEL_COLORS[level], "-")
        patch = _rectangle(box, edgecolor=color, linestyle=style, linewidth=2.2)
        halo = "white" if level is not None and level < 6 else "black"
        patch.set_path_effects([patheffects.withStroke(linewidth=3.8, foreground=halo), patheffects.Normal()])
        grid[0].add_patch(patch)
    grid[0].set_title("box: its main level", fontsize=10)
    for axes, level, xy, owner in zip(grid[1:], levels, points, matched, strict=False):
        hits = np.asarray(xy, dtype=float)[np.asarray(owner) >= 0]
        for i in np.unique(np.asarray(owner)[np.asarray(owner) >= 0]):
            axes.add_patch(_rectangle(rows[i], edgecolor="black", linewidth=1))
        look = _level_style(level)
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
    figure = Picture(figsize=(7, 3.7), layout="constrained")
    near, far, bars = figure.subplot_mosaic([["near", "far"], ["near", "bars"]], width_ratios=(1.25, 1)).values()
    hits = [np.asarray(xy, dtype=float)[np.asarray(owner) >= 0] for xy, owner in zip(points, matched, strict=True)]
    for axes in (near, far):
        axes.add_patch(_rectangle(np.asarray(box, dtype=float), edgecolor="black", linewidth=1.5))
        axes.set(xticks=[], yticks=[], aspect="equal")
    reach = 0.6 * max(x1 - x0, y1 - y0)  # a little more than half the box
    middle = (x0 + x1) / 2, (y0 + y1) / 2
    near.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] + reach, middle[1] - reach))
    near.set_title(f"a box of {x1 - x0:g} × {y1 - y0:g} pixels, close up", fontsize=10)
    for level, xy in zip(levels, hits, strict=True):
        near.plot(*xy.T, **_level_style(level), label=f"P{level}", gid=f"P{level}")
    far.set(xlim=(0, canvas[1]), ylim=(canvas[0], 0))
    far.set_title(f"in an image of {canvas[0]} × {canvas[1]}", fontsize=10)
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
    figure = Picture(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    for level, line in zip(levels, np.asarray(counts).T, strict=True):
        # Zeros only where the line leaves the axis: five levels of zeros would cover each other.
        seen = np.convolve(line > 0, [1, 1, 1], mode="same") > 0
        axes.plot(
            np.asarray(sides)[seen],
            line[seen],
            linewidth=1,
            **(_level_style(level) | {"linestyle": "-"}),
            label=f"P{level}",
        )
    axes.set_xscale("log", base=2)
    axes.set(xlabel="side of a square box in pixels", ylabel="positive locations", ylim=(0, None))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, ncols=len(levels), loc="upper center", bbox_to_anchor=(0.5, 1.2))
    return figure


def _level_style(level: int) -> dict[str, Any]:
    return {
        "linestyle": "none",
        "marker": LEVEL_MARKERS[level],
        "color": LEVEL_COLORS[level],
        "markersize": LEVEL_SIZES[level],
        "markeredgecolor": "black",
        "markeredgewidth": 0.4 if level > 3 else 0.0,  # the edge would cover a dot
    }


# ---------------------------------------------------------------- section 3.3: center-ness


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
    figure = Picture(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.subplots()
    drawn = axes.imshow(grid, extent=(x0, x1, y1, y0), cmap=CENTERNESS_COLORS, vmin=0, vmax=1)
    lines = axes.contour(x, y, grid, levels=(0.2, 0.4, 0.6, 0.8), colors="white", linewidths=1.2)
    axes.clabel(lines, fmt="%.1f", fontsize=9)
    axes.plot((x0 + x1) / 2, (y0 + y1) / 2, "+", color="white", markersize=9, markeredgewidth=1.5, gid="centre")
    axes.set(xlabel="x in pixels", ylabel="y in pixels")
    figure.colorbar(drawn, label="center-ness").add_lines(lines)
    return figure


# ---------------------------------------------------------------- numbers


def bars(
    names: Sequence[str],
    series: Mapping[str, Sequence[float]],
    *,
    ylabel: str,
    xlabel: str = "",
    title: str = "",
    spreads: Mapping[str, Sequence[float]] | None = None,
) -> Figure:
    """Bars side by side: a group for each name, a bar for each series, the value above it.

    Args:
        names: of the groups.
        series: name -> one number for each group.
        ylabel: what is measured, with its unit.
        xlabel: what the names are.
        title: written above.
        spreads: name -> how far each number spreads up and down, in the same unit, as over the seeds of a training
            (Table 4's four kinds of center-ness, for one); drawn as error bars.

    Raises:
        ValueError: a series or its spread has not one number for each name, or has no spread.
    """
    for kind, numbers in (("values", series), ("spreads", spreads or {})):
        for name, row in numbers.items():
            if len(row) != len(names):
                raise ValueError(f"{len(row)} {kind} of {name!r} for {len(names)} names; each name needs one")
    if spreads is not None and spreads.keys() != series.keys():
        raise ValueError(f"spreads of {sorted(spreads)} for series {sorted(series)}; each series needs its own")
    room = 1.5 + 1.0 * len(names) * max(1.0, len(series) * 0.8)
    figure = Picture(figsize=(min(room, 7.0), 2.8), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(series)
    for i, (name, values) in enumerate(series.items()):
        at = np.arange(len(names)) + (i - (len(series) - 1) / 2) * width
        drawn = axes.bar(
            at,
            values,
            width * 0.94,
            yerr=spreads[name] if spreads is not None else None,
            capsize=4,
            label=name,
            color=COLORS[i],
            edgecolor="black",
            hatch=("", "//", "..")[i % 3],
        )
        axes.bar_label(drawn, fmt="{:.1f}", fontsize=9)
    axes.set_xticks(np.arange(len(names)), names)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.set_title(title, fontsize=10)
    axes.margins(y=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    if len(series) > 1:
        axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


# What a line of the log has beside the terms of the loss.
_NO_LOSSES = {"step", "loss", "lr", "seconds", "cpu_seconds", "waited", "waited_share", "skipped", "centerness_floor"}


def training_curves(log: str | Path) -> Figure:
    """Losses and learning rate over the steps of a run, from its ``log.jsonl``.

    Each loss is drawn thin as logged and thick as a running mean, on a logarithmic axis: the focal loss falls through
    more than a decade. The small panel below holds the learning rate.

    Args:
        log: JSON lines with ``step``, ``lr`` and the losses by name; ``centerness_floor``, the lowest value that the
            center-ness loss can have, is drawn dotted.
    """
    entries = [json.loads(line) for line in Path(log).read_text().splitlines() if line.strip()]
    figure = Picture(figsize=(7, 4), layout="constrained")
    losses, rate = figure.subplots(2, 1, height_ratios=(3.5, 1), sharex=True)
    steps = np.array([entry["step"] for entry in entries])
    window = max(1, len(entries) // 30)
    names = [name for name in entries[0] if name not in _NO_LOSSES] if entries else []
    for i, name in enumerate(names):
        values = np.array([entry[name] for entry in entries], dtype=float)
        color = COLORS[i % len(COLORS)]
        losses.plot(steps, values, color=color, linewidth=0.6, alpha=0.4)
        label = name.replace("_", " ")
        style = LINES[i % len(LINES)]
        losses.plot(steps, running_mean(values, window), style, color=color, linewidth=1.8, label=label)
    if entries and "centerness_floor" in entries[0]:
        floor = np.array([entry["centerness_floor"] for entry in entries], dtype=float)
        losses.plot(steps, running_mean(floor, window), ":", color="black", linewidth=1.2, label="floor of centerness")
    if entries:
        losses.set_yscale("log")
        losses.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        losses.yaxis.set_major_formatter("{x:g}")
        losses.minorticks_off()
        losses.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    losses.set_ylabel("loss")
    if entries and "lr" in entries[0]:
        rate.plot(steps, [entry["lr"] for entry in entries], color="black", linewidth=1.2)
    rate.set(xlabel="step", ylabel="learning\nrate", ylim=(0, None))
    for axes in (losses, rate):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def running_mean(values: Array, window: int) -> NDArray[np.float64]:
    """Mean of up to ``window`` values around each: ``(N,)`` to ``(N,)``; the ends average over what there is."""
    series = np.asarray(values, dtype=float)
    kernel = np.ones(min(window, len(series)) or 1)
    total = np.asarray(np.convolve(series, kernel, mode="same"), dtype=np.float64)
    count = np.asarray(np.convolve(np.ones(len(series)), kernel, mode="same"), dtype=np.float64)
    return total / count


# ---------------------------------------------------------------- helpers


def _pixels(image: Array | None) -> NDArray[Any]:
    """``(H, W, 3)`` of an image in either layout, float 0..1."""
    array = np.asarray(image)
    if array.ndim != 3 or 3 not in (array.shape[0], array.shape[2]):
        raise ValueError(f"an image of shape {array.shape}; it must be (3, H, W) or (H, W, 3)")
    if array.shape[2] != 3:
        array = array.transpose(1, 2, 0)
    return array / 255.0 if array.dtype == np.uint8 else np.clip(array, 0.0, 1.0)


def _boxes(boxes: Array) -> NDArray[np.float64]:
    return np.asarray(boxes, dtype=float).reshape(-1, 4)


def _column(values: Array | None, count: int, name: str) -> NDArray[Any] | None:
    if values is None:
        return None
    array = np.asarray(values).reshape(-1)
    if len(array) != count:
        raise ValueError(f"{len(array)} {name} for {count} boxes; each box needs one")
    return array


def _vectors(**arrays: Array) -> list[NDArray[np.float64]]:
    """Equally long ``(N,)`` arrays of floats; an error with the names of the arrays if they are not."""
    rows = [np.asarray(values, dtype=float).reshape(-1) for values in arrays.values()]
    if len({len(row) for row in rows}) > 1:
        counts = ", ".join(f"{len(row)} {name}" for name, row in zip(arrays, rows, strict=True))
        raise ValueError(f"{counts}; there must be as many of each")
    return rows


def _figure_size(shape: tuple[int, ...], longest: float) -> tuple[float, float]:
    """Inches for an image of (height, width), its longer side given, with room for a title."""
    height, width = shape[:2]
    scale = longest / max(height, width)
    return width * scale, height * scale + 0.3


def _canvas(axes: Axes, pixels: NDArray[Any], fade: float = 0.0) -> None:
    """Draw an image; ``fade`` mixes it with white, so that lines on it are seen."""
    height, width = pixels.shape[:2]
    axes.imshow(pixels * (1 - fade) + fade, extent=(0, width, height, 0), interpolation="antialiased")
    _empty_canvas(axes, height, width)


def _empty_canvas(axes: Axes, height: float, width: float) -> None:
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    axes.tick_params(labelsize=8)


def _around(boxes: Sequence[Sequence[float]] | NDArray[np.float64]) -> tuple[int, int]:
    """(height, width) of a canvas with some room around boxes."""
    rows = np.asarray(boxes, dtype=float)
    return int(rows[:, 3].max() + rows[:, 1].min()) or 1, int(rows[:, 2].max() + rows[:, 0].min()) or 1


def _rectangle(box: NDArray[np.float64], *, fill: bool = False, **style: Any) -> Rectangle:
    x0, y0, x1, y1 = (float(v) for v in box)
    return Rectangle((x0, y0), x1 - x0, y1 - y0, fill=fill, **style)


def _draw_box(axes: Axes, box: NDArray[np.float64], index: int, text: str) -> None:
    """A box in the colour and line style of its index, its text above its upper side."""
    color, style = COLORS[index % len(COLORS)], LINES[index // len(COLORS) % len(LINES)]
    patch = _rectangle(box, edgecolor=color, linewidth=2, linestyle=style)
    patch.set_path_effects([patheffects.withStroke(linewidth=3.5, foreground="white"), patheffects.Normal()])
    axes.add_patch(patch)
    if text:
        # The text stays inside the picture when the box touches its upper border or begins far to the right.
        height, width = axes.get_ylim()[0], axes.get_xlim()[1]
        late = box[0] > 0.6 * width
        axes.text(
            min(box[2], width) if late else box[0],
            box[1],
            text,
            ha="right" if late else "left",
            va="top" if box[1] < 0.08 * height else "bottom",
            fontsize=8,
            color="white",
            clip_on=True,
            bbox={"facecolor": color, "edgecolor": "none", "pad": 1.2},
        )


# ---------------------------------------------------------------- from an image to detections, and how good they are


def image_to_detections(
    image: Array,
    points: Sequence[Array],
    scores: Sequence[Array],
    candidates: Array,
    result: Mapping[str, Tensor],
    names: Sequence[str],
    *,
    threshold: float = 0.3,
    levels: Sequence[int] = (3, 4, 5, 6, 7),
) -> Figure:
    """The way of an image to its detections in three pictures: scores at locations, their boxes, what NMS keeps.

    Args:
        image: as in :func:`show_boxes`.
        points: for each level ``(L_i, 2)`` locations, xy in pixels.
        scores: for each level ``(L_i,)`` the best score of each location, 0..1; locations of score 0 are not drawn.
        candidates: ``(N, 4)`` boxes before NMS.
        result: of the image: ``boxes``, ``labels``, ``scores``.
        names: names of the classes.
        threshold: detections with a lower score are counted, but not drawn.
        levels: number of each level.
    """
    pixels = _pixels(image)
    height, width = pixels.shape[:2]
    figure = Picture(figsize=(7.2, 2.4 * height / width + 0.5), layout="constrained")
    where, boxes, final = figure.subplots(1, 3)
    _canvas(where, pixels, fade=0.6)
    for level, xy, score in zip(levels, points, scores):
        value = np.asarray(score, dtype=float)
        seen = value > 0
        style = _level_style(level)
        where.scatter(
            *np.asarray(xy, dtype=float)[seen].T,
            s=4 + 60 * value[seen],
            marker="o" if style["marker"] in ".," else style["marker"],
            color=style["color"],
            edgecolors="black",
            linewidths=0.4,
            label=f"P{level}" if seen.any() else "_none",  # matplotlib leaves such a name out
        )
    if where.get_legend_handles_labels()[1]:
        figure.legend(ncols=len(levels), fontsize=9, loc="outside lower left", frameon=False)
    where.set_title("1. scores at locations", fontsize=10)
    _canvas(boxes, pixels, fade=0.6)
    for box in _boxes(candidates):
        boxes.add_patch(_rectangle(box, edgecolor="black", linewidth=0.7, alpha=0.5))
    boxes.set_title(f"2. a box from each: {len(_boxes(candidates))}", fontsize=10)
    _canvas(final, pixels)
    _draw_result(final, result, names, threshold)
    shown = int((result["scores"] >= threshold).sum())
    final.set_title(f"3. after NMS: {len(result['boxes'])} ({shown} drawn)", fontsize=10)
    for axes in (where, boxes, final):
        axes.set(xticks=[], yticks=[])
    return figure


def gallery(
    images: Sequence[Array],
    results: Sequence[Mapping[str, Tensor]],
    names: Sequence[str],
    *,
    threshold: float = 0.3,
    titles: Sequence[str] = (),
    columns: int = 3,
    side: float = 3.2,
) -> Figure:
    """Fig. 8: detections on several images of about the same shape, side by side.

    Args:
        images: each as in :func:`show_boxes`.
        results: for each image ``boxes``, ``labels`` and perhaps ``scores``.
        names: names of the classes.
        threshold: detections with a lower score are left out.
        titles: written above the images.
        columns: pictures in a row.
        side: width of a picture in inches.

    Raises:
        ValueError: not one result for each image, or no image.
    """
    if len(images) != len(results) or not images:
        raise ValueError(f"{len(images)} images and {len(results)} results; give one result for each image")
    height, width = _pixels(images[0]).shape[:2]
    rows = -(-len(images) // columns)
    room = 0.3 if titles else 0.0
    figure = Picture(figsize=(side * columns, rows * (side * height / width + room)), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, image, result in zip(grid, images, results):
        _canvas(axes, _pixels(image))
        _draw_result(axes, result, names, threshold)
    for axes, title in zip(grid, titles):
        axes.set_title(title, fontsize=10)
    for axes in grid:
        axes.set(xticks=[], yticks=[])
    for axes in grid[len(images) :]:
        axes.axis("off")
    return figure


def _draw_result(axes: Axes, result: Mapping[str, Tensor], names: Sequence[str], threshold: float) -> None:
    """Detections of at least ``threshold``; the surest are drawn last and lie on top."""
    boxes, labels = _boxes(result["boxes"].detach().cpu()), np.asarray(result["labels"].detach().cpu())
    scores = np.asarray(result["scores"].detach().cpu()) if "scores" in result else None
    for i in reversed(range(len(boxes))):
        if scores is None or scores[i] >= threshold:
            text = names[labels[i]] if scores is None else f"{names[labels[i]]} {scores[i]:.2f}"
            _draw_box(axes, boxes[i], int(labels[i]), text)


def loss_curves(losses: Mapping[str, Array], *, floor: float | None = None) -> Figure:
    """Loss terms over the steps, on a logarithmic axis.

    Args:
        losses: name of the term -> one value for each step.
        floor: lowest value that the center-ness term can reach, drawn as a line.
    """
    figure = Picture(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    for i, (name, values) in enumerate(losses.items()):
        label = name.replace("_", " ")
        axes.plot(np.asarray(values, dtype=float), LINES[i % len(LINES)], color=COLORS[i % len(COLORS)], label=label)
    if floor is not None:
        axes.axhline(floor, color="black", linewidth=0.8, linestyle=":", label="floor of center-ness")
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    figure.legend(frameon=False, fontsize=9, loc="outside upper center", ncols=3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def precision_recall(curves: Mapping[str, tuple[Array, Array]], *, title: str = "") -> Figure:
    """Precision over recall, a line for each name: one of Figs. 4 to 6.

    Args:
        curves: name -> recall ``(N,)`` and precision ``(N,)``, 0..1, recall rising.
        title: written above.

    Raises:
        ValueError: a curve whose recall and precision are not equally many.
    """
    figure = Picture(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.subplots()
    _draw_precision_recall(axes, curves)
    axes.set_title(title)
    axes.set_ylabel("precision")
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


def precision_recall_by_iou(curves: Mapping[str, Mapping[float, tuple[Array, Array]]]) -> Figure:
    """Figs. 4 to 6: precision over recall, a panel for each IoU that a detection must reach, a line for each method.

    Args:
        curves: method -> IoU -> recall ``(N,)`` and precision ``(N,)``, 0..1, recall rising. The paper's IoUs are
            .50, .75 and .90.

    Raises:
        ValueError: methods that differ in their IoUs, no method, or a curve whose recall and precision are not equally
            many.
    """
    ious = {name: sorted(by_iou) for name, by_iou in curves.items()}
    first = next(iter(ious.values()), [])
    if not first or any(own != first for own in ious.values()):
        raise ValueError(f"curves at the IoUs {ious}; every method needs the same, at least one")
    figure = Picture(figsize=(7, 2.9), layout="constrained")
    panels = figure.subplots(1, len(first), sharey=True, squeeze=False)[0]
    for axes, iou in zip(panels, first, strict=True):
        _draw_precision_recall(axes, {name: by_iou[iou] for name, by_iou in curves.items()})
        axes.set_title(f"IoU at least {iou:.2f}", fontsize=10)
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])  # short, so that neighbours do not touch
    panels[0].set_ylabel("precision")
    figure.legend(
        *panels[0].get_legend_handles_labels(), frameon=False, fontsize=9, ncols=3, loc="outside upper center"
    )
    return figure


def _draw_precision_recall(axes: Axes, curves: Mapping[str, tuple[Array, Array]]) -> None:
    for i, (name, curve) in enumerate(curves.items()):
        recall, precision = _vectors(recall=curve[0], precision=curve[1])
        axes.plot(recall, precision, LINES[i % len(LINES)], color=COLORS[i % len(COLORS)], label=name)
    axes.set(xlabel="recall", xlim=(0, 1.01), ylim=(0, 1.03))
    axes.spines[["top", "right"]].set_visible(False)


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
    without, with_, worth = _vectors(scores_without=scores_without, scores_with=scores_with, ious=ious)
    figure = Picture(figsize=(7, 3.9), layout="constrained")
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
        axes.set_title(f"{name}\n{under.sum():,} of {len(under):,} points under y = x", fontsize=10)
    panels[0].set_ylabel("IoU with the truth")
    return figure


# ---------------------------------------------------------------- which boxes are lost (Tables 1 and 2)


def recall_by_size(edges: Array, series: Mapping[str, tuple[Array, Array]]) -> Figure:
    """Best possible recall over the size of the box, a line for each method (Table 1, taken apart).

    All of it above; below, the same lines close to 100 %. A point stands in the middle of its bin, hollow if the bin
    has fewer than ``FEW_BOXES`` boxes; an empty bin has none.

    Args:
        edges: ``(N + 1,)`` of the bins of sqrt(area), in pixels of the resized image, positive and rising.
        series: method -> found ``(N,)`` and all ``(N,)`` boxes of each bin.

    Raises:
        ValueError: edges that do not rise, or counts that do not fit them or each other.
    """
    (bounds,) = _vectors(edges=edges)
    if len(bounds) < 2 or not (bounds[0] > 0 and (np.diff(bounds) > 0).all() and np.isfinite(bounds).all()):
        raise ValueError(f"edges {bounds.tolist()}; a logarithmic axis needs positive, finite and rising ones")
    middles = np.sqrt(bounds[:-1] * bounds[1:])
    figure = Picture(figsize=(7, 5), layout="constrained")
    whole, close = figure.subplots(2, 1, sharex=True)
    few = False
    for i, (name, counts) in enumerate(series.items()):
        found, total = _vectors(found=counts[0], total=counts[1])
        if len(found) != len(middles) or (found > total).any() or (found < 0).any():
            raise ValueError(
                f"{name!r}: found {found} of {total}; each of the {len(middles)} bins needs 0 <= found <= all"
            )
        seen = total > 0
        at, percent, rare = middles[seen], 100 * found[seen] / total[seen], total[seen] < FEW_BOXES
        few |= bool(rare.any())
        color, marker = COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)]
        for axes in (whole, close):
            axes.plot(at, percent, LINES[i % len(LINES)], marker=marker, color=color, markersize=5, label=name)
            hollow = {"color": color, "markerfacecolor": "white", "markersize": 5, "gid": f"few: {name}"}
            axes.plot(at[rare], percent[rare], marker, **hollow)
    if few:
        label = f"fewer than {FEW_BOXES} boxes"
        whole.plot([], [], "o", color="black", markerfacecolor="white", markersize=5, label=label)
    whole.set_xscale("log", base=2)
    close.xaxis.set_major_formatter("{x:g}")
    close.set_xlabel("√area of the box in pixels of the resized image")
    figure.supylabel("best possible recall, %", fontsize=10)
    whole.set(xlim=(bounds[0], bounds[-1]), ylim=(-3, 104))
    close.set(ylim=(89.5, 100.5), yticks=range(90, 101, 2))
    for axes in (whole, close):
        axes.grid(axis="y", color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
    columns = 3 if max(map(len, series), default=0) < 25 else 2  # long names side by side would leave the page
    handles = whole.get_legend_handles_labels()
    figure.legend(*handles, frameon=False, fontsize=9, ncols=columns, loc="outside upper center")
    return figure


def recall_by_level(levels: Sequence[int], boxes: Array, lost: Array) -> Figure:
    """Of the boxes that belong to each level, the share that no location learns.

    Args:
        levels: ``(N,)`` numbers of the levels, 2 to 7.
        boxes: ``(N,)`` boxes whose size belongs to each level.
        lost: ``(N,)`` how many of them are lost.

    Raises:
        ValueError: not as many of each, or more lost boxes than boxes.
    """
    _, total, gone = _vectors(levels=levels, boxes=boxes, lost=lost)
    if (gone > total).any() or (gone < 0).any():
        raise ValueError(f"{gone} lost of {total} boxes; on each level 0 <= lost <= boxes")
    percent = 100 * gone / np.maximum(total, 1)
    figure = Picture(figsize=(6.4, 2.9), layout="constrained")
    axes = figure.subplots()
    names = [f"P{level}\n{count:,.0f} boxes" for level, count in zip(levels, total, strict=True)]
    drawn = axes.bar(names, percent, width=0.7, color=[LEVEL_COLORS[level] for level in levels], edgecolor="black")
    words = [f"{share:.1f} %\n{count:,.0f} lost" for share, count in zip(percent, gone, strict=True)]
    axes.bar_label(drawn, words, fontsize=9, padding=2)
    axes.margins(y=0.25)
    axes.set_ylim(0, None if percent.any() else 1)
    axes.set_ylabel("boxes lost, %")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def lost_boxes(widths: Array, heights: Array, reasons: Sequence[str], *, stride: int = 8) -> Figure:
    """Which boxes no location learns, and why: a point for each, a marker and a colour for each reason.

    A box that is wider and higher than the stride holds a location of that level in any case.

    Args:
        widths: ``(N,)`` in pixels of the resized image.
        heights: ``(N,)`` in the same pixels.
        reasons: ``(N,)`` in words; the legend counts them, the most frequent first.
        stride: of the finest level in pixels, drawn as two lines.

    Raises:
        ValueError: not as many of each, or a box without extent.
    """
    wide, high = _vectors(widths=widths, heights=heights)
    words = np.asarray(reasons, dtype=str)
    if len(words) != len(wide):
        raise ValueError(f"{len(words)} reasons for {len(wide)} boxes; each box needs one")
    sides = np.concatenate([wide, high])
    if not (sides > 0).all():
        raise ValueError(f"a side of {sides.min():g} pixels; a box on logarithmic axes needs positive width and height")
    figure = Picture(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.subplots()
    names, counts = np.unique(words, return_counts=True)
    # The most frequent reason is pale and lies below the others, which stand out in grey, too.
    colors = [COLORS[i] for i in (4, 1, 6, 3)]
    for i, k in enumerate(np.argsort(-counts, kind="stable")):
        mine = words == names[k]
        axes.plot(
            wide[mine],
            high[mine],
            MARKERS[i % len(MARKERS)],
            color=colors[i % len(colors)],
            markersize=5,
            markeredgecolor="white",
            markeredgewidth=0.4,
            rasterized=True,
            label=f"{names[k]}: {counts[k]:,}",
            gid=str(names[k]),
        )
    axes.axvline(stride, color="black", linewidth=1, linestyle="--", zorder=1)
    axes.axhline(stride, color="black", linewidth=1, linestyle="--", zorder=1)
    axes.text(stride, 0.0, f" stride {stride}", transform=axes.get_xaxis_transform(), va="bottom", fontsize=9)
    axes.text(
        1.0, stride, f"stride {stride}", transform=axes.get_yaxis_transform(), ha="right", va="bottom", fontsize=9
    )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    axes.set(xlabel="width in pixels of the resized image", ylabel="height in pixels of the resized image")
    axes.set_title(f"lost boxes: {len(wide):,}", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    if len(names):
        figure.legend(frameon=False, fontsize=9, ncols=2, loc="outside lower center")
    return figure


def center_sampling_curve(radii: Sequence[float | None], recall: Array, ambiguous: Array, different: Array) -> Figure:
    """What the radius of center sampling does to best possible recall (above) and to ambiguous samples (below).

    Args:
        radii: ``(N,)`` in strides, on a logarithmic axis; None for the whole box, drawn at its right end.
        recall: ``(N,)`` best possible recall, 0..1, drawn in percent.
        ambiguous: ``(N,)`` share of the positive locations that lie in several boxes, 0..1.
        different: ``(N,)`` the same, counting only boxes of different classes.

    Raises:
        ValueError: not as many of each.
    """
    finite = [radius for radius in radii if radius is not None]
    whole = 1.5 * max(finite, default=1.0)
    at, *shares = _vectors(
        radii=[whole if radius is None else radius for radius in radii],
        recall=recall,
        ambiguous=ambiguous,
        different=different,
    )
    names = ("best possible recall", "in several boxes", "in boxes of different classes")
    figure = Picture(figsize=(6.4, 4.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    order = np.argsort(at)
    for i, (axes, name, share) in enumerate(zip((above, below, below), names, shares, strict=True)):
        style = {"marker": MARKERS[i], "color": COLORS[i], "linestyle": LINES[i], "markersize": 5}
        axes.plot(at[order], 100 * share[order], label=name, **style)
    below.set_xscale("log", base=2)
    ticks = sorted(set(at))
    names_of_ticks = ["whole\nbox" if None in radii and tick == whole else f"{tick:g}" for tick in ticks]
    below.set_xticks(ticks, names_of_ticks, fontsize=9)
    below.minorticks_off()
    above.set_ylabel("best possible recall, %")
    below.set(xlabel="radius of center sampling in strides", ylabel="ambiguous positives, %", ylim=(0, None))
    below.legend(frameon=False, fontsize=9)
    for axes in (above, below):
        axes.grid(axis="y", color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
    return figure


# ---------------------------------------------------------------- chapter "Why throw the anchors away"


def anchors_on_image(
    image: Array, anchors: Mapping[str, Array], points: Array = (), *, margin: float = 0.0, title: str = ""
) -> Figure:
    """Prepared boxes over an image, a colour and a line style for each group, thinner the more there are.

    Args:
        image: as in :func:`show_boxes`.
        anchors: name of a group -> ``(A, 4)`` xyxy in pixels. The names are shown if there are several.
        points: ``(L, 2)`` locations, xy in pixels.
        margin: how far to look beyond the border of the image, as a share of its longer side.
        title: written above the image.
    """
    pixels = _pixels(image)
    height, width = pixels.shape[:2]
    around = margin * max(height, width)
    size = _figure_size((round(height + 2 * around), round(width + 2 * around)), 5.0)
    figure = Picture(figsize=size, layout="constrained")
    axes = figure.subplots()
    _canvas(axes, pixels, fade=0.6)
    total = sum(len(_boxes(group)) for group in anchors.values())
    for i, (name, group) in enumerate(anchors.items()):
        _draw_outlines(
            axes,
            _boxes(group),
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
        image: as in :func:`show_boxes`.
        boxes: ``(M, 4)`` xyxy in pixels.
        anchors: ``(A, 4)`` xyxy in pixels.
        matched: ``(A,)`` index of the box that each anchor learns; negative if none.
        title: written above the image.
    """
    pixels, rows, owner = _pixels(image), _boxes(boxes), np.asarray(matched)
    figure = Picture(figsize=_figure_size(pixels.shape[:2], 5.2), layout="constrained")
    axes = figure.subplots()
    _canvas(axes, pixels, fade=0.6)
    for i in range(len(rows)):
        own = _boxes(anchors)[owner == i]
        color = COLORS[i % len(COLORS)]
        _draw_outlines(axes, own, colors=color, linewidths=0.6, alpha=0.7, gid=f"anchors of {i}")
        words = f"{len(own)} anchor{'' if len(own) == 1 else 's'}"
        _draw_box(axes, rows[i], i, words if len(own) else "no anchor")
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
    figure = Picture(figsize=(6.4, 2.9), layout="constrained")
    axes, side = figure.subplots(1, 2, width_ratios=(1.5, 1))
    _empty_canvas(axes, *canvas)
    if both:
        shared = _rectangle(np.concatenate([low, high]), fill=True, facecolor="0.75", edgecolor="none", hatch="//")
        shared.set_gid("intersection")
        axes.add_patch(shared)
    _draw_box(axes, a, 0, "box")
    _draw_box(axes, b, 1, "anchor")
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
    figure = Picture(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    for i, (name, counts) in enumerate(series.items()):
        at, count = _vectors(widths=widths, counts=counts)
        axes.plot(at, count / 1000, LINES[i % len(LINES)], color=COLORS[i % len(COLORS)], linewidth=2, label=name)
    value, words = mark
    axes.axhline(value / 1000, color="black", linewidth=1, linestyle=":", gid="mark", label=words)
    axes.set(xlabel="long side of the image in pixels", ylabel=f"{ylabel}, thousands", ylim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, fontsize=9, ncols=2, loc="outside upper center")
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
    rows, shapes = _boxes(boxes), _boxes(anchors)
    hit = _column(np.asarray(found, dtype=bool), len(rows), "found")
    assert hit is not None
    width, height = (rows[:, 2:] - rows[:, :2]).T
    wide, high = (shapes[:, 2:] - shapes[:, :2]).T
    figure = Picture(figsize=(4.8, 4.8), layout="constrained")
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
    axes.set_title(f"{title}{100 * hit.mean():.0f} % of {len(rows):,} boxes found", fontsize=11)
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def anchors_or_distances(
    image: Array, location: Sequence[float], box: Sequence[float], anchors: Array, ious: Array
) -> Figure:
    """One location and two ways to name a box from there: the best of its anchors, or four distances.

    Args:
        image: as in :func:`show_boxes`.
        location: x, y in pixels.
        box: x0, y0, x1, y1 in pixels.
        anchors: ``(A, 4)`` xyxy in pixels, at that location.
        ious: ``(A,)`` of the anchors with the box.
    """
    pixels, rows = _pixels(image), _boxes(anchors)
    (worth,) = _vectors(ious=ious)
    best = int(worth.argmax())
    height, width = pixels.shape[:2]
    figure = Picture(figsize=_figure_size((height, 2 * width), 7.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        _canvas(axes, pixels, fade=0.45)
        axes.set(xticks=[], yticks=[])
        _draw_box(axes, np.asarray(box, dtype=float), 6, "")
    _draw_outlines(left, np.delete(rows, best, axis=0), colors="0.35", linewidths=0.9, gid="anchors")
    left.add_patch(_rectangle(rows[best], edgecolor=COLORS[1], linewidth=2.5, linestyle="--", gid="best"))
    left.set_title(f"{len(rows)} anchors, the best of them with IoU {worth[best]:.2f}", fontsize=10)
    _draw_distances(right, location, box)
    right.set_title("one location, four distances", fontsize=10)
    for axes in (left, right):
        axes.plot(*location, "o", color=COLORS[5], markeredgecolor="black", markersize=8, zorder=5)
    return figure


# ---------------------------------------------------------------- chapter "When boxes overlap"


def samples_on_levels(
    boxes: Array,
    panels: Mapping[str, tuple[Sequence[int], Sequence[Array], Array, Array]],
    *,
    image: Array | None = None,
    canvas: tuple[int, int] | None = None,
    width: float = 3.5,
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
    pixels = _pixels(image) if image is not None else None
    rows, columns = pixels.shape[:2] if pixels is not None else canvas or _around(_boxes(boxes))
    size = width * len(panels), width * rows / columns + 0.3
    figure = Picture(figsize=(size[0], size[1] + 0.3), layout="constrained")
    seen: dict[str, Any] = {}
    for axes, (name, (levels, points, positive, ambiguous)) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        if pixels is not None:
            _canvas(axes, pixels, fade=0.6)
        else:
            _empty_canvas(axes, rows, columns)
        axes.set(xticks=[], yticks=[])
        for box in _boxes(boxes):
            axes.add_patch(_rectangle(box, edgecolor="black", linewidth=1.2))
        hits, doubts = np.asarray(positive, dtype=bool), np.asarray(ambiguous, dtype=bool)
        ends = np.cumsum([len(np.asarray(xy)) for xy in points])[:-1]
        for level, xy, own, twice in zip(levels, points, np.split(hits, ends), np.split(doubts, ends), strict=True):
            at = np.asarray(xy, dtype=float).reshape(-1, 2)
            style = _level_style(level)
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
        axes.set_title(f"{name}: {hits.sum():,} positive, {doubts.sum():,} ambiguous", fontsize=10)
    # A legend of constant height, so that the frames of a moving figure do not jump.
    handles = {label: seen[label] for label in sorted(seen)}
    if handles:
        figure.legend(handles.values(), handles.keys(), frameon=False, fontsize=9, ncols=6, loc="outside lower center")
    return figure


# ---------------------------------------------------------------- chapter "What can be found at all"


def lost_on_grid(
    image: Array,
    boxes: Array,
    points: Array,
    found: Array,
    strides: Array,
    series: Mapping[str, Array],
    current: float,
) -> Figure:
    """A grid of locations over an image with the boxes that hold none, and recall over the stride of the grid.

    Args:
        image: as in :func:`show_boxes`.
        boxes: ``(M, 4)`` xyxy in pixels.
        points: ``(L, 2)`` xy in pixels, of this stride.
        found: ``(M,)`` bool: the box holds a location. The others are drawn filled.
        strides: ``(N,)`` in pixels.
        series: name -> ``(N,)`` recall of many images, 0..1; the first is marked at the current stride.
        current: the stride of this grid, one of ``strides``.
    """
    pixels, rows = _pixels(image), _boxes(boxes)
    hit = _column(np.asarray(found, dtype=bool), len(rows), "found")
    assert hit is not None
    figure = Picture(figsize=(7.0, 3.1), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.45, 1))
    _canvas(left, pixels, fade=0.5)
    left.set(xticks=[], yticks=[])
    apart = current * 72 * 3.8 / pixels.shape[1]  # in points: a fine grid must not blacken the picture
    xy = np.asarray(points, dtype=float).reshape(-1, 2)
    left.plot(*xy.T, ".", color="0.2", markersize=min(4.0, 0.7 * apart), markeredgewidth=0, gid="locations")
    # A lost box may be too small to be seen; a ring shows where it is.
    middles = (rows[~hit, :2] + rows[~hit, 2:]) / 2
    left.plot(*middles.T, "o", color="none", markeredgecolor=COLORS[1], markersize=11, markeredgewidth=1.8, gid="rings")
    for box, ok in zip(rows, hit, strict=True):
        color = COLORS[0] if ok else COLORS[1]
        left.add_patch(
            _rectangle(box, fill=not ok, edgecolor=color, facecolor=color, linewidth=1.5, gid="found" if ok else "lost")
        )
    left.set_title(f"stride {current:g}: {(~hit).sum()} of these {len(hit)} boxes lost", fontsize=10)
    for i, (name, values) in enumerate(series.items()):
        at, recall = _vectors(strides=strides, recall=values)
        right.plot(at, 100 * recall, LINES[i % len(LINES)], color=COLORS[(0, 6, 2)[i % 3]], linewidth=1.5, label=name)
        if i == 0:
            here = int(abs(at - current).argmin())
            right.plot(
                at[here], 100 * recall[here], "o", color=COLORS[1], markersize=9, markeredgecolor="black", gid="stride"
            )
            right.set_title(f"all images: {100 * recall[here]:.1f} %", fontsize=10)
    right.set_xscale("log", base=2)
    right.xaxis.set_major_formatter("{x:g}")
    right.set(xlabel="stride in pixels", ylabel="boxes that hold a location, %", ylim=(0, 104))
    right.grid(axis="y", color="0.9")
    right.spines[["top", "right"]].set_visible(False)
    right.legend(frameon=False, fontsize=9, loc="lower left")
    return figure


def lost_close_up(cases: Mapping[str, tuple[Array, int, Sequence[Array], Sequence[Array]]]) -> Figure:
    """Boxes that no location learns, seen from near, with the locations of all levels.

    The lost box is drawn thick. A location in it is filled in the colour of the box that it learns, and hollow if it
    learns none; locations outside are grey. The marker tells the level.

    Args:
        cases: title -> ``(M, 4)`` boxes in pixels, index of the lost one, for each level P3, P4, ... ``(L_i, 2)``
            locations in pixels, and ``(L_i,)`` the index of the box that each learns, or -1.
    """
    figure = Picture(figsize=(2.3 * len(cases), 3.1), layout="constrained")
    seen: dict[str, Any] = {}
    for axes, (title, (boxes, lost, points, owners)) in zip(
        figure.subplots(1, len(cases), squeeze=False)[0], cases.items(), strict=True
    ):
        rows = _boxes(boxes)
        x0, y0, x1, y1 = rows[lost]
        reach = max(x1 - x0, y1 - y0, 12.0) * 0.5 + 6
        middle = (x0 + x1) / 2, (y0 + y1) / 2
        axes.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] + reach, middle[1] - reach))
        axes.set(aspect="equal")
        axes.tick_params(labelsize=8)
        for i, box in enumerate(rows):
            width = 2.0 if i == lost else 1.2
            color = "black" if i == lost else COLORS[i % 6]
            axes.add_patch(_rectangle(box, edgecolor=color, linewidth=width, gid=f"box {i}"))
        for level, (xy, owner) in enumerate(zip(points, owners, strict=True), start=3):
            at, own = np.asarray(xy, dtype=float).reshape(-1, 2), np.asarray(owner)
            inside = (at > rows[lost, :2]).all(1) & (at < rows[lost, 2:]).all(1)
            # P3's dot and P4's circle, once hollow, would be alike.
            marker = "v" if level == 4 else "o" if level == 3 else LEVEL_MARKERS[level]
            size = min(1.0, 45 / reach) * (4.0 + 1.2 * (level - 3))
            style = {"linestyle": "none", "marker": marker, "markersize": size, "markeredgecolor": "black"}
            axes.plot(*at[~inside].T, **(style | {"markeredgecolor": "0.65"}), color="0.9", zorder=1)
            (line,) = axes.plot(*at[inside & (own < 0)].T, color="white", gid=f"P{level}", **style)
            if inside.any():
                seen[f"a location of P{level}"] = line
            for i in np.unique(own[inside & (own >= 0)]):
                axes.plot(*at[inside & (own == i)].T, color=COLORS[i % 6], gid=f"P{level} for {i}", **style)
        axes.set_title(title, fontsize=10)
    if seen:
        names = sorted(seen)
        figure.legend(
            [seen[name] for name in names], names, frameon=False, fontsize=9, ncols=5, loc="outside lower center"
        )
    return figure


# ---------------------------------------------------------------- the chapter The network


def architecture(
    shapes: Mapping[str, Sequence[int]], *, convs: int, outputs: Mapping[str, int], centerness: str = "classification"
) -> Figure:
    """Fig. 2: backbone, feature pyramid and head, with the shape of every feature map.

    Args:
        shapes: ``(channels, height, width)`` of "image", of "C3", ... of the backbone and of "P3", ... of the pyramid,
            as the network gave them.
        convs: convolutions of each tower.
        outputs: channels of the head's outputs "classification", "regression" and perhaps "centerness".
        centerness: the tower on which the center-ness output sits, "classification" or "regression".

    Raises:
        ValueError: no image, no level, or center-ness on no tower.
    """
    levels = [name for name in shapes if name.startswith("P")]
    stages = [name for name in shapes if name.startswith("C")]
    if "image" not in shapes or not levels or not stages:
        raise ValueError(f"shapes of {list(shapes)}; the figure needs image, C3 and so on, P3 and so on")
    if centerness not in ("classification", "regression"):
        raise ValueError(f"centerness is on {centerness!r}; it must be on 'classification' or 'regression'")
    figure = Picture(figsize=(8.4, 4.7), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(0.2, 14.6), ylim=(-1.55, 5.1))
    axes.axis("off")
    row = {name: int(name[1:]) - int(levels[0][1:]) for name in [*stages, *levels]}
    x_c, x_p, x_head = 1.6, 5.0, 8.0

    def half(name: str) -> float:
        return 1.1 - 0.16 * row[name]

    def write(name: str, x: float) -> None:
        axes.text(
            x, row[name] - 0.31, _times(shapes[name]), ha="center", va="center", fontsize=8, color="0.2", zorder=4,
            path_effects=_HALO, gid=f"shape {name}",
        )  # fmt: skip

    _slab(axes, x_c, -1.05, 1.1, "white", "image", "black")
    axes.text(x_c, -1.38, _times(shapes["image"]), ha="center", va="center", fontsize=8, color="0.2", gid="shape image")
    _arrow(axes, (x_c, -0.8), (x_c, -0.5))
    for name in stages:
        _slab(axes, x_c, row[name], half(name), "0.85", name, "black")
        write(name, x_c)
        _arrow(axes, (x_c + half(name) + 0.25, row[name]), (x_p - half(name) - 0.25, row[name]), "1×1")
    for low, high in pairwise(stages):
        _arrow(axes, (x_c, row[low] + 0.25), (x_c, row[high] - 0.45))
    for name in levels:
        light = int(name[1:]) >= 6
        _slab(axes, x_p, row[name], half(name), LEVEL_COLORS[int(name[1:])], name, "black" if light else "white")
        write(name, x_p)
        _arrow(axes, (x_p + half(name) + 0.25, row[name]), (x_head - 0.15, 1.9 + 0.45 * (row[name] - 1.9)))
    for low, high in pairwise(levels):
        if high in [f"P{stage[1:]}" for stage in stages]:
            _arrow(axes, (x_p, row[high] - 0.45), (x_p, row[low] + 0.25), "×2, +")
        else:
            _arrow(axes, (x_p, row[low] + 0.25), (x_p, row[high] - 0.45), "conv /2")
    _draw_head(axes, x_head, shapes[levels[0]][0], convs, outputs, centerness)
    axes.text(x_c, 4.85, "backbone", ha="center", fontsize=11)
    axes.text(x_p, 4.85, "feature pyramid", ha="center", fontsize=11)
    return figure


def _draw_head(axes: Axes, x: float, channels: int, convs: int, outputs: Mapping[str, int], centerness: str) -> None:
    axes.add_patch(Rectangle((x - 0.15, 0.0), 6.6, 4.3, facecolor="0.95", edgecolor="black"))
    axes.text(x + 3.15, 4.85, "one head, shared by all levels", ha="center", fontsize=11)
    width, wide = 0.42, 2.5
    for y, tower in ((3.0, "classification"), (1.0, "regression")):
        for k in range(convs):
            left = x + 0.25 + k * (wide / convs)
            axes.add_patch(
                Rectangle((left, y - 0.5), width, 1.0, facecolor="white", edgecolor="black", gid=f"{tower} conv")
            )
        end = x + 0.25 + (convs - 1) * (wide / convs) + width
        axes.text(
            (x + 0.25 + end) / 2, y + 0.6, f"{convs} × conv, {channels} channels", ha="center", va="bottom", fontsize=8
        )
        own = [tower, "centerness"] if tower == centerness and "centerness" in outputs else [tower]
        for i, name in enumerate(own):
            at = y + (0.0 if len(own) == 1 else 0.42 - 0.84 * i)
            _arrow(axes, (end + 0.05, y), (x + 3.55, at))
            label = {"centerness": "center-ness", "regression": "regression: $\\exp(s_i x)$"}.get(name, name)
            text = f"{label}\nH × W × {outputs[name]}"
            axes.text(x + 3.65, at, text, ha="left", va="center", fontsize=9, gid=f"output {name}")


def _times(shape: Sequence[int]) -> str:
    channels, height, width = shape
    return f"{height} × {width} × {channels}"


def feature_map(image: Array, values: Array, title: str) -> Figure:
    """An image, and one number for each cell of a feature map, as bright as it is large.

    Args:
        image: as in :func:`show_boxes`.
        values: ``(h, w)`` not negative, such as the mean size of a cell's features.
        title: written above the feature map.
    """
    pixels, grid = _pixels(image), np.asarray(values, dtype=float)
    height, width = pixels.shape[:2]
    figure = Picture(figsize=(6.4, 3.2 * height / width + 0.35), layout="constrained")
    left, right = figure.subplots(1, 2)
    _canvas(left, pixels.mean(-1, keepdims=True).repeat(3, -1))  # grey, as few colours keep a moving figure small
    left.set_title("image", fontsize=10)
    right.imshow(grid, extent=(0, width, height, 0), cmap="gray", vmin=0, vmax=max(grid.max(), 1e-12))
    _empty_canvas(right, height, width)
    right.set_title(title, fontsize=10)
    for axes in (left, right):
        axes.set(xticks=[], yticks=[])
    return figure


def influence(image: Array, maps: Mapping[str, Array], at: Sequence[float]) -> Figure:
    """Which pixels of an image have a say in one cell of a feature map: a panel for each map.

    Args:
        image: as in :func:`show_boxes`.
        maps: name -> ``(H, W)`` not negative: how much the cell changes with each pixel. A dashed line surrounds all
            pixels with any influence.
        at: x, y of the cell's location, in pixels.
    """
    pixels = _pixels(image)
    height, width = pixels.shape[:2]
    figure = Picture(figsize=(3.3 * len(maps), 3.3 * height / width + 0.3), layout="constrained")
    for axes, (name, values) in zip(figure.subplots(1, len(maps), squeeze=False)[0], maps.items(), strict=True):
        grid = np.asarray(values, dtype=float)
        _canvas(axes, pixels.mean(-1, keepdims=True).repeat(3, -1), fade=0.65)
        strength = np.sqrt(grid / max(grid.max(), 1e-12))  # the root shows what is weak, too
        shade = np.zeros((*grid.shape, 4))
        shade[..., :3], shade[..., 3] = to_rgb(COLORS[1]), strength
        axes.imshow(shade, extent=(0, width, height, 0), zorder=2)
        ys, xs = np.nonzero(grid)
        if len(xs):
            field = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], dtype=float)
            axes.add_patch(_rectangle(field, edgecolor="black", linestyle="--", linewidth=1.2, zorder=3, gid="field"))
        axes.plot(*at, "+", color="black", markersize=10, markeredgewidth=1.8, zorder=4)
        axes.set(xticks=[], yticks=[])
        axes.set_title(name, fontsize=10)
    return figure


def value_and_slope(
    x: Array,
    curves: Mapping[str, tuple[Array, Array]],
    *,
    xlabel: str,
    titles: tuple[str, str] = ("value", "slope"),
    limits: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 1.0), (0.0, 1.0)),
    base: int | None = None,
) -> Figure:
    """Functions (left) and their slopes (right): the slope is what a gradient is multiplied with.

    Args:
        x: ``(N,)``.
        curves: name -> values ``(N,)`` and slopes ``(N,)``.
        xlabel: what x is.
        titles: above the panels.
        limits: (low, high) of both vertical axes.
        base: of a logarithmic x axis, None for a linear one.

    Raises:
        ValueError: not as many values or slopes as x.
    """
    figure = Picture(figsize=(7, 3), layout="constrained")
    panels = figure.subplots(1, 2)
    for i, (name, both) in enumerate(curves.items()):
        for axes, values in zip(panels, both, strict=True):
            at, y = _vectors(x=x, values=values)
            axes.plot(at, y, LINES[i % len(LINES)], color=COLORS[i % len(COLORS)], linewidth=1.8, label=name)
    for axes, title, (low, high) in zip(panels, titles, limits, strict=True):
        if base is not None:
            axes.set_xscale("log", base=base)
            axes.xaxis.set_major_formatter("{x:g}")
        axes.set(xlabel=xlabel, ylim=(low - 0.04 * (high - low), high))
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.92")
    panels[0].legend(frameon=False, fontsize=9)
    return figure


def level_demands(values: Mapping[int, Array], *, xlabel: str, limits: tuple[float, float], title: str = "") -> Figure:
    """What each level asks of the shared head: 5th to 95th percentile, thick from the 25th to the 75th.

    Args:
        values: number of the level -> ``(N,)``.
        xlabel: what the values are.
        limits: of the axis, so that frames of a moving figure can be compared.
        title: written above.
    """
    figure = Picture(figsize=(7, 0.5 * len(values) + 1.2), layout="constrained")
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


# ---------------------------------------------------------------- the chapter The loss


def shares(x: Array, parts: Mapping[str, Array], *, xlabel: str, ylabel: str = "% of the loss") -> Figure:
    """How a whole is made of parts, and how that changes with x: bands on each other, from the first part up to 100 %.

    Args:
        x: ``(N,)`` rising.
        parts: name -> ``(N,)`` not negative; their sum at each x is the whole.
        xlabel: what x is.
        ylabel: what is shared out.

    Raises:
        ValueError: not as many values as x, or a whole of zero.
    """
    at, *rows = _vectors(x=x, **{name.replace(" ", "_"): values for name, values in parts.items()})
    whole = np.sum(rows, axis=0)
    if not (whole > 0).all():
        raise ValueError(f"the parts add up to {whole.min():g}; a share needs a whole above zero")
    figure = Picture(figsize=(6.4, 3.0), layout="constrained")
    axes = figure.subplots()
    below = np.zeros_like(at)
    for i, (name, row) in enumerate(zip(parts, rows, strict=True)):
        above = below + 100 * row / whole
        axes.fill_between(
            at, below, above, color=COLORS[i], alpha=0.85, hatch=("", "//", "..")[i % 3], edgecolor="white", label=name
        )
        axes.plot(at, above, color="black", linewidth=1.0, gid=name)
        below = above
    axes.set(xlabel=xlabel, ylabel=ylabel, xlim=(at[0], at[-1]), ylim=(0, 100))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def box_race(location: Sequence[float], truth: Sequence[float], predictions: Mapping[str, Sequence[float]]) -> Figure:
    """One location, the distances it is to learn, and what several losses have made of its prediction so far.

    Args:
        location: x, y in pixels.
        truth: l, t, r, b in pixels, drawn filled.
        predictions: name -> l, t, r, b in pixels; a panel for each, with the IoU in its title.
    """
    wanted = _box_at(location, truth)
    wide, high = wanted[2] - wanted[0], wanted[3] - wanted[1]
    figure = Picture(figsize=(2.5 * len(predictions), 2.5 * high / wide + 0.5), layout="constrained")
    for i, (axes, (name, ltrb)) in enumerate(
        zip(figure.subplots(1, len(predictions), squeeze=False)[0], predictions.items(), strict=True)
    ):
        box = _box_at(location, ltrb)
        axes.add_patch(_rectangle(wanted, facecolor="0.88", edgecolor="black", fill=True, gid="truth"))
        axes.add_patch(_rectangle(box, edgecolor=COLORS[i % len(COLORS)], linewidth=2.2, gid=name))
        axes.plot(*location, "o", color=COLORS[5], markeredgecolor="black", markersize=5, zorder=3)
        margin = 0.15
        axes.set(
            xlim=(wanted[0] - margin * wide, wanted[2] + margin * wide),
            ylim=(wanted[3] + margin * high, wanted[1] - margin * high),
            aspect="equal",
            xticks=[],
            yticks=[],
        )
        axes.set_title(f"{name}\nIoU {iou_at_location(ltrb, truth):.3f}", fontsize=10)
    return figure


def iou_at_location(ltrb: Sequence[float], other: Sequence[float]) -> float:
    """IoU of two boxes given by their distances from the same location, the number in :func:`box_race`'s titles."""

    def area(sides: Sequence[float]) -> float:
        left, top, right, bottom = sides
        return (left + right) * (top + bottom)

    both = area([min(a, b) for a, b in zip(ltrb, other, strict=True)])
    return both / (area(ltrb) + area(other) - both)


def _box_at(location: Sequence[float], ltrb: Sequence[float]) -> NDArray[np.float64]:
    x, y = location
    left, top, right, bottom = ltrb
    return np.array([x - left, y - top, x + right, y + bottom], dtype=float)


# ---------------------------------------------------------------- the chapter Center-ness


def lines(
    x: Array,
    panels: Mapping[str, Mapping[str, Array]],
    *,
    xlabel: str,
    ylabel: str,
    limits: tuple[float, float] = (0.0, 1.0),
    marks: Mapping[str, tuple[float, float]] | None = None,
) -> Figure:
    """Lines over the same x, in one panel or in several side by side; a name has the same colour in all of them.

    Args:
        x: ``(N,)``.
        panels: title -> name of a line -> ``(N,)``; NaN leaves a gap.
        xlabel: what x is.
        ylabel: what the lines are.
        limits: (low, high) of the vertical axis.
        marks: name of a line -> (x, y) of a point that is drawn on it, such as its minimum.

    Raises:
        ValueError: no panel, not as many values as x, or a mark on no line.
    """
    names = list(dict.fromkeys(name for series in panels.values() for name in series))
    unknown = set(marks or {}) - set(names)
    if not panels or unknown:
        raise ValueError(f"{len(panels)} panels, and marks on {sorted(unknown)}; the lines are {names}")
    figure = Picture(figsize=(7, 3.2 if len(panels) > 1 else 3.0), layout="constrained")
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, series) in zip(grid, panels.items(), strict=True):
        for name, values in series.items():
            at, y = _vectors(x=x, values=values)
            i = names.index(name)
            style = {"color": COLORS[i % len(COLORS)], "linestyle": LINES[i % len(LINES)], "linewidth": 1.8}
            few = {"marker": MARKERS[i % len(MARKERS)], "markersize": 4.5} if len(at) <= 20 else {}
            axes.plot(at, y, label=name, **style, **few)
            if marks and name in marks:
                axes.plot(*marks[name], "o", color=style["color"], markeredgecolor="black", gid=f"mark {name}")
        axes.set(xlabel=xlabel, ylim=(limits[0] - 0.02 * (limits[1] - limits[0]), limits[1]))
        axes.set_title(title, fontsize=10)
        axes.grid(color="0.92")
        axes.spines[["top", "right"]].set_visible(False)
    grid[0].set_ylabel(ylabel)
    figure.legend(*grid[0].get_legend_handles_labels(), frameon=False, fontsize=9, ncols=4, loc="outside upper center")
    return figure


# ---------------------------------------------------------------- chapter: From outputs to detections


def coordinate_errors(x: Array, errors: Mapping[str, Array]) -> Figure:
    """How far a side of a box is off when it is computed in a type of few digits, over its place in the image.

    Args:
        x: ``(N,)`` in pixels, rising.
        errors: name of the type -> ``(N,)`` error in pixels, with its sign.

    Raises:
        ValueError: not one error for each place.
    """
    figure = Picture(figsize=(7, 2.8), layout="constrained")
    axes = figure.subplots()
    for i, (name, error) in enumerate(errors.items()):
        at, off = _vectors(x=x, errors=error)
        # The coarsest type is given first, and lies below the finer ones.
        axes.plot(at, off, color=COLORS[(4, 1, 6, 0)[i % 4]], linewidth=(0.8, 1.0, 1.6)[min(i, 2)], label=name)
    axes.set(xlabel="place of the side in pixels", ylabel="error in pixels")
    axes.grid(axis="y", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, fontsize=9, ncols=len(errors), loc="outside upper center")
    return figure


def threshold_rules(
    class_scores: Array, centerness: Array, rules: Mapping[str, tuple[str, float]], *, truth: Array | None = None
) -> Figure:
    """Which pairs of a location and a class stay: a point for each, and a line for each rule of a score threshold.

    On logarithmic axes a threshold of the product is a straight line, one of the class score alone an upright one. A
    pair stays if it lies on the right of the line.

    Args:
        class_scores: ``(N,)`` above 0, up to 1.
        centerness: ``(N,)`` of the same pairs, above 0, up to 1.
        rules: name -> what is tested, ``"class"`` or ``"product"``, and the threshold in 0..1.
        truth: ``(N,)`` bool; pairs that are right are drawn dark.

    Raises:
        ValueError: not as many of each, values that a logarithmic axis cannot hold, or another kind of rule.
    """
    p, c = _vectors(class_scores=class_scores, centerness=centerness)
    if len(p) and not (min(p.min(), c.min()) > 0 and max(p.max(), c.max()) <= 1):
        raise ValueError("class scores and center-ness must be above 0 and at most 1")
    right = np.zeros(len(p), dtype=bool) if truth is None else np.asarray(truth, dtype=bool)
    figure = Picture(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    for mask, color, marker, size, name in (
        (~right, COLORS[4], "o", 5, "no box fits" if truth is not None else ""),
        (right, COLORS[6], "^", 9, "the box fits"),
    ):
        if mask.any():
            axes.scatter(p[mask], c[mask], s=size, color=color, marker=marker, linewidths=0, alpha=0.7, label=name)
    low_p, low_c = (min(values.min(initial=1.0), 0.5) * 0.9 for values in (p, c))
    for i, (name, (kind, value)) in enumerate(rules.items()):
        kept = int(keeps(p, c, kind, value).sum())
        ys = np.array([low_c, 1.0])
        xs = np.full(2, value) if kind == "class" else value / ys
        axes.plot(
            xs,
            ys,
            LINES[i % len(LINES)],
            color=COLORS[1 + i % 3],
            linewidth=2,
            label=f"{name}: {kept:,} stay",
            gid=name,
        )
    axes.set(xscale="log", yscale="log", xlim=(low_p, 1.05), ylim=(low_c, 1.05))
    axes.set(xlabel="class score", ylabel="center-ness")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, fontsize=9, ncols=2, markerscale=2, loc="outside upper center")
    return figure


def keeps(class_scores: Array, centerness: Array, kind: str, threshold: float) -> NDArray[np.bool_]:
    """``(N,)`` whether each pair passes a rule of :func:`threshold_rules`."""
    p, c = _vectors(class_scores=class_scores, centerness=centerness)
    if kind not in ("class", "product"):
        raise ValueError(f"a rule tests {kind!r}; it must be 'class' or 'product'")
    return np.asarray((p if kind == "class" else p * c) > threshold)


def class_offsets(boxes: Array, labels: Array, names: Sequence[str], offset: float) -> Figure:
    """One NMS for all classes: the boxes as they are, and each class moved by its number times an offset.

    Args:
        boxes: ``(N, 4)`` xyxy in pixels.
        labels: ``(N,)`` classes 0..C-1.
        names: names of the classes.
        offset: pixels between the places of two neighbouring classes.
    """
    rows = _boxes(boxes)
    classes = _column(labels, len(rows), "labels")
    assert classes is not None
    moved = rows + classes[:, None] * offset
    figure = Picture(figsize=(7, 3.6), layout="constrained")
    before, after = figure.subplots(1, 2)
    for axes, drawn, title in ((before, rows, "as they are"), (after, moved, "moved by class × offset")):
        for box, label in zip(drawn, classes, strict=True):
            color, style = COLORS[int(label) % len(COLORS)], LINES[int(label) % len(LINES)]
            axes.add_patch(_rectangle(box, edgecolor=color, linestyle=style, linewidth=1.6))
        low, high = min(0.0, drawn.min(initial=0.0)), drawn.max(initial=1.0)
        room = 0.03 * (high - low)
        axes.set(xlim=(low - room, high + room), ylim=(high + room, low - room), aspect="equal")
        axes.tick_params(labelsize=8)
        axes.set_title(title, fontsize=10)
    for label in np.unique(classes):
        style = LINES[int(label) % len(LINES)]
        before.plot([], [], style, color=COLORS[int(label) % len(COLORS)], linewidth=2, label=names[int(label)])
    figure.legend(frameon=False, fontsize=9, ncols=5, loc="outside upper center")
    return figure


def score_threshold(
    image: Array, result: Mapping[str, Tensor], names: Sequence[str], scores: Array, right: Array, threshold: float
) -> Figure:
    """What a score threshold does: the detections above it in one image, and how many of many images it parts.

    Args:
        image: as in :func:`show_boxes`.
        result: of the image: ``boxes``, ``labels``, ``scores``.
        names: names of the classes.
        scores: ``(N,)`` in 0..1 of the detections of many images.
        right: ``(N,)`` bool, which of them are right.
        threshold: 0..1.
    """
    values, hit = _vectors(scores=scores, right=right)
    figure = Picture(figsize=(7, 3.3), layout="constrained")
    left, counts = figure.subplots(1, 2, width_ratios=(1.1, 1))
    _canvas(left, _pixels(image))
    _draw_result(left, result, names, threshold)
    left.set(xticks=[], yticks=[])
    left.set_title(f"score at least {threshold:.2f}", fontsize=10)
    edges = np.linspace(0, 1, 21)
    for mask, color, hatch, name in ((hit == 0, COLORS[4], "//", "wrong"), (hit > 0, COLORS[0], "", "right")):
        kept = int((values[mask] >= threshold).sum())
        counts.hist(
            values[mask], edges, color=color, edgecolor="white" if not hatch else "black", linewidth=0.5, hatch=hatch,
            alpha=0.75, label=f"{name}: {kept:,} of {int(mask.sum()):,} stay", gid=name,
        )  # fmt: skip
    counts.axvline(threshold, color="black", linewidth=2, gid="threshold")
    counts.set(xlim=(0, 1), xlabel="score", ylabel="detections", yscale="symlog")
    counts.yaxis.set_major_formatter("{x:g}")
    counts.legend(frameon=False, fontsize=9)
    counts.spines[["top", "right"]].set_visible(False)
    return figure


def origins(
    image: Array,
    result: Mapping[str, Tensor],
    points: Array,
    names: Sequence[str],
    *,
    threshold: float = 0.3,
) -> Figure:
    """Where detections come from: each box with the location that made it, in the colour and marker of its level.

    Args:
        image: as in :func:`show_boxes`.
        result: of the image, with ``boxes``, ``scores``, ``labels``, ``levels`` and ``locations``.
        points: ``(L, 2)`` all locations, xy in pixels of the image.
        names: names of the classes.
        threshold: detections with a lower score are left out.
    """
    pixels, xy = _pixels(image), np.asarray(points, dtype=float)
    width, height = _figure_size(pixels.shape[:2], 3.8)
    figure = Picture(figsize=(width, height + 0.2), layout="constrained")
    axes = figure.subplots()
    _canvas(axes, pixels, fade=0.5)
    axes.set(xticks=[], yticks=[])
    keep = np.asarray(result["scores"].detach().cpu()) >= threshold
    boxes, labels, levels, where = (
        np.asarray(result[key].detach().cpu())[keep] for key in ("boxes", "labels", "levels", "locations")
    )
    for box, label, level, location in zip(boxes, labels, levels, where, strict=True):
        patch = _rectangle(box, edgecolor=LEVEL_COLORS[int(level)], linewidth=2)
        patch.set_path_effects([patheffects.withStroke(linewidth=3.6, foreground="white"), patheffects.Normal()])
        axes.add_patch(patch)
        x, y = xy[location]
        for end_x, end_y in ((box[0], y), (x, box[1]), (box[2], y), (x, box[3])):
            axes.plot([x, end_x], [y, end_y], color="0.2", linewidth=0.8)
        axes.text(box[0], box[3], names[int(label)], fontsize=8, va="top", path_effects=_HALO)
    for level in np.unique(levels):
        style = _level_style(int(level)) | {"markersize": 8}
        axes.plot(*xy[where[levels == level]].T, **style, label=f"P{level}", gid=f"P{level}")
    figure.legend(fontsize=9, frameon=False, ncols=5, loc="outside upper center")
    return figure


# ---------------------------------------------------------------- chapter: How good is it


def hits_and_misses(
    image: Array,
    boxes: Array,
    hit: Array,
    truth: Array,
    found: Array,
    *,
    words: Sequence[str] = (),
    title: str = "",
) -> Figure:
    """A judged image: detections that are right, detections that are false, and true boxes that nobody found.

    Args:
        image: as in :func:`show_boxes`.
        boxes: ``(K, 4)`` detections, xyxy in pixels.
        hit: ``(K,)`` bool, whether each is right.
        truth: ``(M, 4)`` true boxes.
        found: ``(M,)`` bool, whether a detection has taken each.
        words: one for each detection, written beside it.
        title: written above the image.

    Raises:
        ValueError: not as many verdicts as boxes.
    """
    rows, true = _boxes(boxes), _boxes(truth)
    right, taken = _column(hit, len(rows), "verdicts"), _column(found, len(true), "verdicts")
    assert right is not None and taken is not None
    pixels = _pixels(image)
    width, height = _figure_size(pixels.shape[:2], 3.8)
    figure = Picture(figsize=(width, height + 0.2), layout="constrained")
    axes = figure.subplots()
    _canvas(axes, pixels, fade=0.35)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=10)
    looks = (("hit", COLORS[0], "-"), ("false", COLORS[1], "--"), ("missed", COLORS[6], ":"))
    groups = (rows[right.astype(bool)], rows[~right.astype(bool)], true[~taken.astype(bool)])
    for (name, color, line), group in zip(looks, groups, strict=True):
        for box in group:
            patch = _rectangle(box, edgecolor=color, linestyle=line, linewidth=2.2, gid=name)
            patch.set_path_effects([patheffects.withStroke(linewidth=4.2, foreground="white"), patheffects.Normal()])
            axes.add_patch(patch)
        axes.plot([], [], line, color=color, linewidth=2.2, label=f"{name}: {len(group)}")
    for box, ok, word in zip(rows, right, words):
        color = COLORS[0] if ok else COLORS[1]
        high = "top" if box[1] < 0.08 * pixels.shape[0] else "bottom"  # inside the picture
        axes.text(box[0] + 2, box[1], word, fontsize=8, color=color, va=high, path_effects=_HALO, clip_on=True)
    figure.legend(fontsize=9, frameon=False, ncols=3, loc="outside upper center")
    return figure


def average_precision_area(recall: Array, precision: Array, asked: Array, falling: Array, *, title: str = "") -> Figure:
    """Average precision as an area: the curve as measured, the curve that only falls, and where it is read.

    Args:
        recall: ``(N,)`` after each detection, 0..1, rising.
        precision: ``(N,)`` after each detection, 0..1.
        asked: ``(R,)`` recalls at which the curve is read, 0..1, rising.
        falling: ``(R,)`` the best precision at each of them or beyond, 0..1.
        title: written above.

    Raises:
        ValueError: not as many of each pair.
    """
    x, y = _vectors(recall=recall, precision=precision)
    at, height = _vectors(asked=asked, falling=falling)
    figure = Picture(figsize=(5.6, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(at, height, step="mid", color=COLORS[4], alpha=0.35, linewidth=0, label="area: AP")
    axes.plot(x, y, "-", color=COLORS[1], linewidth=1.3, label="after each detection")
    axes.plot(at, height, ".", color=COLORS[0], markersize=4, label="the best from here on")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.05))
    axes.set_title(title, fontsize=10)
    axes.legend(frameon=False, fontsize=9, loc="lower left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


# ---------------------------------------------------------------- chapter: FCOS as a proposal network


def two_stages(first: str = "region proposal network\nor FCOS", proposals: int = 1000) -> Figure:
    """The two stages of Faster R-CNN: boxes that may hold an object, then a closer look at each.

    Args:
        first: what makes the proposals.
        proposals: how many go on to the second stage.
    """
    figure = Picture(figsize=(7, 3.3), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(0, 14), ylim=(0, 6.4))
    axes.axis("off")
    plain, one, two = "0.93", COLORS[4], COLORS[5]
    boxes = (
        (0.1, 2.2, 1.8, 1.6, "image", plain),
        (2.7, 2.2, 2.3, 1.6, "backbone\nand pyramid", plain),
        (5.9, 4.1, 3.4, 1.6, first, one),
        (5.9, 0.5, 3.4, 1.6, "pool: a 7 × 7 map\nfor each region", two),
        (10.4, 0.5, 3.4, 1.6, "for each region:\nclass or background,\nand a better box", two),
    )
    for x, y, width, height, text, color in boxes:
        axes.add_patch(Rectangle((x, y), width, height, facecolor=color, edgecolor="black", alpha=0.75, gid=text))
        axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=9)
    for start, end in (
        ((1.9, 3.0), (2.7, 3.0)),
        ((5.0, 3.3), (5.9, 4.6)),
        ((5.0, 2.7), (5.9, 1.6)),
        ((7.6, 4.1), (7.6, 2.1)),
        ((9.3, 1.3), (10.4, 1.3)),
    ):
        _arrow(axes, start, end)
    axes.text(7.75, 3.1, f"about {proposals:,} boxes,\nwithout a name", va="center", fontsize=9)
    axes.text(4.95, 4.2, "features", ha="right", fontsize=9)
    axes.text(4.95, 1.6, "features", ha="right", fontsize=9)
    axes.text(7.6, 5.85, "first stage: where?", ha="center", fontsize=10, fontweight="bold")
    axes.text(9.85, 0.05, "second stage: what, and where exactly?", ha="center", fontsize=10, fontweight="bold")
    return figure


def region_crops(image: Array, boxes: Array, crops: Mapping[str, Sequence[Array]]) -> Figure:
    """Regions of an image, and what pooling makes of each: every region the same size.

    Args:
        image: as in :func:`show_boxes`.
        boxes: ``(R, 4)`` xyxy in pixels.
        crops: name of a row -> ``(3, h, w)`` for each region, float 0..1.

    Raises:
        ValueError: a row without a crop for each region.
    """
    rows = _boxes(boxes)
    for name, row in crops.items():
        if len(row) != len(rows):
            raise ValueError(f"{len(row)} crops {name!r} of {len(rows)} regions; each region needs one")
    figure = Picture(figsize=(7, 3.1), layout="constrained")
    grid = figure.add_gridspec(len(crops), len(rows) + 1, width_ratios=(2.2, *([1] * len(rows))))
    whole = figure.add_subplot(grid[:, 0])
    _canvas(whole, _pixels(image))
    whole.set(xticks=[], yticks=[])
    for i, box in enumerate(rows):
        _draw_box(whole, box, i, str(i + 1))
    for j, (name, row) in enumerate(crops.items()):
        for i, crop in enumerate(row):
            axes = figure.add_subplot(grid[j, i + 1])
            axes.imshow(_pixels(crop), interpolation="nearest")
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
        image: as in :func:`show_boxes`.
        boxes: ``(K, 4)`` proposals, xyxy in pixels.
        truth: ``(M, 4)`` true boxes.
        found: ``(M,)`` bool, whether a proposal fits each.
        title: written above the image.
    """
    pixels, true = _pixels(image), _boxes(truth)
    fits = _column(found, len(true), "verdicts")
    assert fits is not None
    width, height = _figure_size(pixels.shape[:2], 5.2)
    figure = Picture(figsize=(width, height + 0.25), layout="constrained")
    axes = figure.subplots()
    _canvas(axes, pixels, fade=0.4)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=10)
    rows = _boxes(boxes)
    alpha = float(np.clip(12 / max(1, len(rows)), 0.12, 0.9))  # a thousand boxes must not be a black square
    for box in rows:
        axes.add_patch(_rectangle(box, edgecolor="black", linewidth=0.7, alpha=alpha, gid="proposal"))
    for name, color, line, group in (
        ("found", COLORS[0], "-", true[fits.astype(bool)]),
        ("not found", COLORS[1], ":", true[~fits.astype(bool)]),
    ):
        for box in group:
            patch = _rectangle(box, edgecolor=color, linestyle=line, linewidth=2.4, gid=name)
            patch.set_path_effects([patheffects.withStroke(linewidth=4.4, foreground="white"), patheffects.Normal()])
            axes.add_patch(patch)
        axes.plot([], [], line, color=color, linewidth=2.4, label=f"{name}: {len(group)}")
    figure.legend(fontsize=9, frameon=False, ncols=2, loc="outside upper center")
    return figure


def recall_by_count(counts: Array, series: Mapping[str, Array]) -> Figure:
    """Recall over the number of proposals of an image, a line for each name.

    Args:
        counts: ``(N,)`` numbers of proposals, positive and rising.
        series: name -> ``(N,)`` recall, 0..1.

    Raises:
        ValueError: not one recall for each number, or a number that a logarithmic axis cannot hold.
    """
    (x,) = _vectors(counts=counts)
    if not (len(x) and x[0] > 0 and (np.diff(x) > 0).all()):
        raise ValueError(f"counts {x.tolist()}; they must be positive and rise")
    figure = Picture(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.subplots()
    for i, (name, recall) in enumerate(series.items()):
        at, y = _vectors(counts=counts, recall=recall)
        style: dict[str, Any] = {"marker": MARKERS[i % len(MARKERS)], "color": COLORS[i % len(COLORS)]}
        style["linestyle"] = LINES[i % 4]
        axes.plot(at, y, markersize=5, label=name, **style)
    axes.set(xscale="log", ylim=(0, 1.02), xlabel="proposals of an image", ylabel="recall")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(axis="y", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    return figure


# ---------------------------------------------------------------------- One change at a time
def ablation_ladder(
    names: Sequence[str], values: Sequence[float], *, at: int | None = None, baseline: tuple[float, str] | None = None
) -> Figure:
    """Table 3 as a ladder: each row's bar reaches from the value above it to its own, so that its length is the gain.

    Args:
        names: of the changes, each on top of those before it.
        values: AP of each row, in percent.
        at: the row that is marked, with its gain; None marks none.
        baseline: a value to compare with, and its name: a dotted line, from which the first bar starts.

    Raises:
        ValueError: not one value for each name, or no such row.
    """
    if len(names) != len(values):
        raise ValueError(f"{len(names)} names for {len(values)} values; each row needs both")
    if at is not None and not 0 <= at < len(names):
        raise ValueError(f"at is {at}; with {len(names)} rows it must lie in 0..{len(names) - 1}")
    figure = Picture(figsize=(6.5, 0.36 * len(names) + 1.0), layout="constrained")
    axes = figure.subplots()
    start = baseline[0] if baseline else values[0]
    for row, (value, before) in enumerate(zip(values, [start, *values])):
        marked = row == at
        axes.barh(row, value - before, left=before, height=0.7, color=COLORS[0] if marked else "#9AA0A6")
        axes.plot([value, value], [row - 0.35, min(row + 1.35, len(names) - 0.65)], color="#9AA0A6", linewidth=0.8)
        gain = f"  ({value - before:+.1f})" if marked and (row or baseline) else ""
        weight = "bold" if marked else "normal"
        axes.text(max(value, before) + 0.05, row, f"{value:.1f}{gain}", va="center", fontweight=weight)
    if baseline:
        axes.axvline(baseline[0], color="black", linestyle=":", linewidth=1)
        axes.text(baseline[0] + 0.05, len(names) - 0.4, f"{baseline[1]} {baseline[0]:.1f}", va="bottom", fontsize=9)
    axes.set_yticks(range(len(names)), [f"+ {name}" if row else name for row, name in enumerate(names)])
    low = min([*values, start]) - 0.2
    axes.set(xlim=(low, max(values) + 0.8), ylim=(len(names) - 0.3, -0.6), xlabel="AP on COCO's minival, %")
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


# ---------------------------------------------------------------------- COCO: published weights
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
    figure = Picture(figsize=(4.5, 3.8), layout="constrained")
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


# ---------------------------------------------------------------- chapter "Training"


def learning_rates(rates: Mapping[str, Array]) -> Figure:
    """Learning rates over the steps of a run, a panel for each schedule.

    Args:
        rates: title of the panel -> ``(N,)`` rates of the steps 0..N-1.

    Raises:
        ValueError: no schedule, or one without steps.
    """
    if not rates or any(len(np.asarray(values)) == 0 for values in rates.values()):
        raise ValueError(f"schedules {dict.fromkeys(rates)}; give at least one, each with a rate for each step")
    figure = Picture(figsize=(7, 2.5), layout="constrained")
    for axes, (name, values) in zip(figure.subplots(1, len(rates), squeeze=False)[0], rates.items(), strict=True):
        rate = np.asarray(values, dtype=float)
        axes.plot(np.arange(len(rate)), rate, color=COLORS[0], linewidth=1.8)
        axes.set(xlim=(0, len(rate)), ylim=(0, 1.08 * rate.max()), xlabel="step")
        axes.set_xticks([0, len(rate) // 2, len(rate)], ["0", f"{len(rate) // 2:,}", f"{len(rate):,}"])
        axes.set_title(name, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("learning rate")
    return figure


def run_losses(runs: Mapping[str, Array], iterations: int, *, highest: float = np.inf) -> Figure:
    """The loss of several runs on a logarithmic axis; a cross where one stopped early because it was not finite.

    Args:
        runs: name -> ``(N,)`` losses of its first N steps, all finite and positive.
        iterations: steps of a whole run.
        highest: larger losses are drawn here, so that a run that explodes leaves room for the others.

    Raises:
        ValueError: a run with more steps than ``iterations``, or with a loss that is not finite.
    """
    figure = Picture(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    for i, (name, values) in enumerate(runs.items()):
        losses = np.asarray(values, dtype=float)
        if len(losses) > iterations or not np.isfinite(losses).all():
            raise ValueError(f"{name!r} has {len(losses)} losses; at most {iterations}, all of them finite")
        color = COLORS[i % len(COLORS)]
        losses = losses.clip(max=highest)
        axes.plot(losses, LINES[i % len(LINES)], color=color, linewidth=1.6, label=name)
        if 0 < len(losses) < iterations:
            axes.plot(len(losses) - 1, losses[-1], "X", color=color, markersize=11, markeredgecolor="white", gid=name)
    axes.set(xlabel="step", ylabel="loss", yscale="log", xlim=(-0.5, iterations))
    axes.legend(frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def weight_average(weights: Array, averages: Array, *, wanted: float) -> Figure:
    """One weight over the steps, and its moving average.

    Args:
        weights: ``(N,)`` after each step.
        averages: ``(N,)``.
        wanted: the best value, drawn dotted.
    """
    walk, smooth = _vectors(weights=weights, averages=averages)
    figure = Picture(figsize=(7, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(walk, color=COLORS[5], linewidth=1.0, label="weight")
    axes.plot(smooth, color=COLORS[0], linewidth=2.2, label="its average")
    axes.axhline(wanted, color="black", linewidth=0.9, linestyle=":", label="best value")
    axes.set(xlabel="step", ylabel="value", xlim=(0, len(walk)))
    axes.legend(frameon=False, fontsize=9, ncols=3, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


# ---------------------------------------------------------------- chapter "Your own boxes"


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
        raise ValueError(f"{len(bounds)} bounds for {len(levels)} levels; there must be one more than levels")
    values = np.asarray(sizes, dtype=float)
    octaves = np.log2(limits)
    edges = 2.0 ** np.linspace(octaves[0], octaves[1], round(4 * (octaves[1] - octaves[0])) + 1)
    # Bars end at a bound, so that each belongs to one level alone.
    edges = np.unique([*edges, *(b for b in bounds if limits[0] < b < limits[1])])
    # A box on a bound belongs to the finer level, as in the assignment.
    counts = np.bincount(np.searchsorted(edges[1:-1], values), minlength=len(edges) - 1)
    figure = Picture(figsize=(7, 3.2), layout="constrained")
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
    axes.set_xlabel("max(l, t, r, b) at the centre: half the longer side, in pixels of the resized image")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
