"""From the outputs of the network to detections (section 3.1): scores, thresholds, offsets of classes, origins.

Used in *From outputs to detections*; thresholds in *COCO: published weights on your photograph*, errors of coordinates
in *On a GPU*.
Checked against: the rule of the package on random scores, and the place of everything that is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..fonts import in_pictures
from .letters import WIDE, legend_outside
from .parts import (
    as_boxes,
    as_column,
    as_pixels,
    as_vectors,
    draw_haloed,
    draw_image,
    draw_result,
    figure_size,
    level_style,
    rectangle,
)
from .style import COLORS, HALO, LEVEL_COLORS, LINES, Array, Picture

if TYPE_CHECKING:
    from torch import Tensor


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
        image: as in :func:`.show_boxes`.
        points: for each level ``(L_i, 2)`` locations, xy in pixels.
        scores: for each level ``(L_i,)`` the best score of each location, 0..1; locations of score 0 are not drawn.
        candidates: ``(N, 4)`` boxes before NMS.
        result: of the image: ``boxes``, ``labels``, ``scores``.
        names: names of the classes.
        threshold: detections with a lower score are counted, but not drawn.
        levels: number of each level.
    """
    pixels = as_pixels(image)
    height, width = pixels.shape[:2]
    figure = Picture(figsize=(6.2, 6.0 * height / width + 1.0))
    where, boxes, final = figure.subplot_mosaic([["where", "boxes"], ["final", "final"]]).values()
    draw_image(where, pixels, fade=0.6)
    for level, xy, score in zip(levels, points, scores):
        value = np.asarray(score, dtype=float)
        seen = value > 0
        style = level_style(level)
        xs, ys = np.asarray(xy, dtype=float)[seen].T
        where.scatter(
            xs,
            ys,
            s=4 + 60 * value[seen],
            marker="o" if style["marker"] in ".," else style["marker"],
            color=style["color"],
            edgecolors="black",
            linewidths=0.4,
            label=f"P{level}" if seen.any() else "_none",  # matplotlib leaves such a name out
        )
    if where.get_legend_handles_labels()[1]:
        legend_outside(figure, *where.get_legend_handles_labels())
    where.set_title("1. scores at locations", fontsize=10)
    draw_image(boxes, pixels, fade=0.6)
    for box in as_boxes(candidates):
        boxes.add_patch(rectangle(box, edgecolor="black", linewidth=0.7, alpha=0.5))
    boxes.set_title(f"2. a box from each: {len(as_boxes(candidates))}", fontsize=10)
    draw_image(final, pixels)
    draw_result(final, result, names, threshold)
    shown = int((result["scores"] >= threshold).sum())
    final.set_title(f"3. after NMS: {len(result['boxes'])} ({shown} drawn)", fontsize=10)
    for axes in (where, boxes, final):
        axes.set(xticks=[], yticks=[])
    return figure


def coordinate_errors(x: Array, errors: Mapping[str, Array]) -> Figure:
    """How far a side of a box is off when it is computed in a type of few digits, over its place in the image.

    Args:
        x: ``(N,)`` in pixels, rising.
        errors: name of the type -> ``(N,)`` error in pixels, with its sign.

    Raises:
        ValueError: not one error for each place.
    """
    figure = Picture(figsize=(WIDE, 2.8))
    axes = figure.subplots()
    for i, (name, error) in enumerate(errors.items()):
        at, off = as_vectors(x=x, errors=error)
        # The coarsest type is given first, and lies below the finer ones.
        axes.plot(at, off, color=COLORS[(4, 1, 6, 0)[i % 4]], linewidth=(0.8, 1.0, 1.6)[min(i, 2)], label=name)
    axes.set(xlabel="place of the side in pixels", ylabel="error in pixels")
    axes.grid(axis="y", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    legend_outside(figure, *axes.get_legend_handles_labels())
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
    p, c = as_vectors(class_scores=class_scores, centerness=centerness)
    if len(p) and not (min(p.min(), c.min()) > 0 and max(p.max(), c.max()) <= 1):
        raise ValueError("class scores and center-ness must be above 0 and at most 1")
    right = np.zeros(len(p), dtype=bool) if truth is None else np.asarray(truth, dtype=bool)
    figure = Picture(figsize=(WIDE, 4.2))
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
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        legend_outside(figure, handles, labels, markerscale=2)
    return figure


def keeps(class_scores: Array, centerness: Array, kind: str, threshold: float) -> NDArray[np.bool_]:
    """``(N,)`` whether each pair passes a rule of :func:`threshold_rules`."""
    p, c = as_vectors(class_scores=class_scores, centerness=centerness)
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
    rows = as_boxes(boxes)
    classes = as_column(labels, len(rows), "labels")
    assert classes is not None
    moved = rows + classes[:, None] * offset
    figure = Picture(figsize=(WIDE, 3.6))
    before, after = figure.subplots(1, 2)
    for axes, drawn, title in ((before, rows, "as they are"), (after, moved, "moved by class × offset")):
        for box, label in zip(drawn, classes, strict=True):
            color, style = COLORS[int(label) % len(COLORS)], LINES[int(label) % len(LINES)]
            axes.add_patch(rectangle(box, edgecolor=color, linestyle=style, linewidth=1.6))
        low, high = min(0.0, drawn.min(initial=0.0)), drawn.max(initial=1.0)
        room = 0.03 * (high - low)
        axes.set(xlim=(low - room, high + room), ylim=(high + room, low - room), aspect="equal")
        axes.tick_params(labelsize=8)
        axes.set_title(title, fontsize=10)
    for label in np.unique(classes):
        style = LINES[int(label) % len(LINES)]
        before.plot(
            [],
            [],
            style,
            color=COLORS[int(label) % len(COLORS)],
            linewidth=2,
            label=in_pictures(names[int(label)], int(label)),
        )
    legend_outside(figure, *before.get_legend_handles_labels())
    return figure


def score_threshold(
    image: Array, result: Mapping[str, Tensor], names: Sequence[str], scores: Array, right: Array, threshold: float
) -> Figure:
    """What a score threshold does: the detections above it in one image; below, how many of many images it parts.

    Args:
        image: as in :func:`.show_boxes`.
        result: of the image: ``boxes``, ``labels``, ``scores``.
        names: names of the classes.
        scores: ``(N,)`` in 0..1 of the detections of many images.
        right: ``(N,)`` bool, which of them are right.
        threshold: 0..1.
    """
    values, hit = as_vectors(scores=scores, right=right)
    pixels = as_pixels(image)
    high = 3.4 * pixels.shape[0] / pixels.shape[1] + 0.3
    figure = Picture(figsize=(4.2, high + 2.6))
    left, counts = figure.subplots(2, 1, height_ratios=(high, 2.6))
    draw_image(left, pixels)
    draw_result(left, result, names, threshold)
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
    legend_outside(figure, *counts.get_legend_handles_labels(), below=True)
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
        image: as in :func:`.show_boxes`.
        result: of the image, with ``boxes``, ``scores``, ``labels``, ``levels`` and ``locations``.
        points: ``(L, 2)`` all locations, xy in pixels of the image.
        names: names of the classes.
        threshold: detections with a lower score are left out.
    """
    pixels, xy = as_pixels(image), np.asarray(points, dtype=float)
    width, height = figure_size(pixels.shape[:2], 3.8)
    figure = Picture(figsize=(width, height + 0.2))
    axes = figure.subplots()
    draw_image(axes, pixels, fade=0.5)
    axes.set(xticks=[], yticks=[])
    keep = np.asarray(result["scores"].detach().cpu()) >= threshold
    boxes, labels, levels, where = (
        np.asarray(result[key].detach().cpu())[keep] for key in ("boxes", "labels", "levels", "locations")
    )
    for box, label, level, location in zip(boxes, labels, levels, where, strict=True):
        draw_haloed(axes, box, edgecolor=LEVEL_COLORS[int(level)], linewidth=2)
        x, y = xy[location]
        for end_x, end_y in ((box[0], y), (x, box[1]), (box[2], y), (x, box[3])):
            axes.plot([x, end_x], [y, end_y], color="0.2", linewidth=0.8)
        axes.text(box[0], box[3], in_pictures(names[int(label)], int(label)), fontsize=8, va="top", path_effects=HALO)
    for level in np.unique(levels):
        style = level_style(int(level)) | {"markersize": 8}
        axes.plot(*xy[where[levels == level]].T, **style, label=f"P{level}", gid=f"P{level}")
    legend_outside(figure, *axes.get_legend_handles_labels())
    return figure
