"""Which boxes no location learns, and what center sampling does to them (section 4.1.1; Tables 1 and 2, taken apart).

Used in *What can be found at all* and *When boxes overlap*.
Checked against: the positions of points, lines and bars, and counts that cannot be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..text import counted
from .letters import WIDE, legend_outside
from .parts import as_boxes, as_column, as_pixels, as_vectors, draw_image, rectangle
from .style import COLORS, FEW_BOXES, LEVEL_COLORS, LEVEL_MARKERS, LINES, MARKERS, Array, Picture


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
    (bounds,) = as_vectors(edges=edges)
    if len(bounds) < 2 or not (bounds[0] > 0 and (np.diff(bounds) > 0).all() and np.isfinite(bounds).all()):
        raise ValueError(f"edges {bounds.tolist()}; a logarithmic axis needs positive, finite and rising ones")
    middles = np.sqrt(bounds[:-1] * bounds[1:])
    figure = Picture(figsize=(WIDE, 5))
    whole, close = figure.subplots(2, 1, sharex=True)
    few = False
    for i, (name, counts) in enumerate(series.items()):
        found, total = as_vectors(found=counts[0], total=counts[1])
        if len(found) != len(middles) or (found > total).any() or (found < 0).any():
            raise ValueError(
                f"{name!r}: found {found} of {total}; each of {counted(len(middles), 'bins')} needs 0 <= found <= all"
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
    legend_outside(figure, *whole.get_legend_handles_labels())
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
    _, total, gone = as_vectors(levels=levels, boxes=boxes, lost=lost)
    if (gone > total).any() or (gone < 0).any():
        raise ValueError(f"{gone} lost of {total} boxes; on each level 0 <= lost <= boxes")
    percent = 100 * gone / np.maximum(total, 1)
    figure = Picture(figsize=(WIDE, 3.1))
    axes = figure.subplots()
    names = [f"P{level}\n{counted(f'{count:,.0f}', 'boxes')}" for level, count in zip(levels, total, strict=True)]
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
    wide, high = as_vectors(widths=widths, heights=heights)
    words = np.asarray(reasons, dtype=str)
    if len(words) != len(wide):
        raise ValueError(f"{counted(len(words), 'reasons')} for {counted(len(wide), 'boxes')}; each box needs one")
    sides = np.concatenate([wide, high])
    if not (sides > 0).all():
        raise ValueError(f"a side of {sides.min():g} pixels; a box on logarithmic axes needs positive width and height")
    figure = Picture(figsize=(WIDE, 4.8))
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
        legend_outside(figure, *axes.get_legend_handles_labels(), below=True)
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
    at, *shares = as_vectors(
        radii=[whole if radius is None else radius for radius in radii],
        recall=recall,
        ambiguous=ambiguous,
        different=different,
    )
    names = ("best possible recall", "in several boxes", "in boxes of different classes")
    figure = Picture(figsize=(WIDE, 4.8))
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
    legend_outside(figure, *below.get_legend_handles_labels(), below=True)
    for axes in (above, below):
        axes.grid(axis="y", color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def lost_on_grid(
    image: Array,
    boxes: Array,
    points: Array,
    found: Array,
    strides: Array,
    series: Mapping[str, Array],
    current: float,
) -> Figure:
    """A grid of locations over an image with the boxes that hold none; below, recall over the stride of the grid.

    Args:
        image: as in :func:`.show_boxes`.
        boxes: ``(M, 4)`` xyxy in pixels.
        points: ``(L, 2)`` xy in pixels, of this stride.
        found: ``(M,)`` bool: the box holds a location. The others are drawn filled.
        strides: ``(N,)`` in pixels.
        series: name -> ``(N,)`` recall of many images, 0..1; the first is marked at the current stride.
        current: the stride of this grid, one of ``strides``.
    """
    pixels, rows = as_pixels(image), as_boxes(boxes)
    hit = as_column(np.asarray(found, dtype=bool), len(rows), "found")
    assert hit is not None
    high = 4.6 * pixels.shape[0] / pixels.shape[1] + 0.3
    figure = Picture(figsize=(5.0, high + 2.3))
    left, right = figure.subplots(2, 1, height_ratios=(high, 2.3))
    draw_image(left, pixels, fade=0.5)
    left.set(xticks=[], yticks=[])
    apart = current * 72 * 4.6 / pixels.shape[1]  # in points: a fine grid must not blacken the picture
    xy = np.asarray(points, dtype=float).reshape(-1, 2)
    left.plot(*xy.T, ".", color="0.2", markersize=min(4.0, 0.7 * apart), markeredgewidth=0, gid="locations")
    # A lost box may be too small to be seen; a ring shows where it is.
    middles = (rows[~hit, :2] + rows[~hit, 2:]) / 2
    left.plot(*middles.T, "o", color="none", markeredgecolor=COLORS[1], markersize=11, markeredgewidth=1.8, gid="rings")
    for box, ok in zip(rows, hit, strict=True):
        color = COLORS[0] if ok else COLORS[1]
        left.add_patch(
            rectangle(box, fill=not ok, edgecolor=color, facecolor=color, linewidth=1.5, gid="found" if ok else "lost")
        )
    left.set_title(f"stride {current:g}: {(~hit).sum()} of {counted(len(hit), 'boxes')} lost", fontsize=10)
    for i, (name, values) in enumerate(series.items()):
        at, recall = as_vectors(strides=strides, recall=values)
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
    figure = Picture(figsize=(2.2 * len(cases), 3.2))
    seen: dict[str, Any] = {}
    for axes, (title, (boxes, lost, points, owners)) in zip(
        figure.subplots(1, len(cases), squeeze=False)[0], cases.items(), strict=True
    ):
        rows = as_boxes(boxes)
        x0, y0, x1, y1 = rows[lost]
        reach = max(x1 - x0, y1 - y0, 12.0) * 0.5 + 6
        middle = (x0 + x1) / 2, (y0 + y1) / 2
        axes.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] + reach, middle[1] - reach))
        axes.set(aspect="equal")
        axes.tick_params(labelsize=8)
        for i, box in enumerate(rows):
            width = 2.0 if i == lost else 1.2
            color = "black" if i == lost else COLORS[i % 6]
            axes.add_patch(rectangle(box, edgecolor=color, linewidth=width, gid=f"box {i}"))
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
        legend_outside(figure, [seen[name] for name in names], names, below=True)
    return figure
