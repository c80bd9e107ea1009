"""How good detections are: hits and misses, precision over recall (Figs. 4 to 6), and one change at a time (Table 3).

Used in *How good is it* and *One change at a time*.
Checked against: the lines, areas and words that are drawn, which must be those of the numbers that were given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..text import counted
from .letters import WIDE, legend_outside
from .parts import (
    as_boxes,
    as_column,
    as_pixels,
    as_vectors,
    draw_image,
    draw_verdicts,
    figure_size,
    line_look,
)
from .style import COLORS, HALO, Array, Picture


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
        image: as in :func:`.show_boxes`.
        boxes: ``(K, 4)`` detections, xyxy in pixels.
        hit: ``(K,)`` bool, whether each is right.
        truth: ``(M, 4)`` true boxes.
        found: ``(M,)`` bool, whether a detection has taken each.
        words: one for each detection, written beside it.
        title: written above the image.

    Raises:
        ValueError: not as many verdicts as boxes.
    """
    rows, true = as_boxes(boxes), as_boxes(truth)
    right, taken = as_column(hit, len(rows), "verdicts"), as_column(found, len(true), "verdicts")
    assert right is not None and taken is not None
    pixels = as_pixels(image)
    width, height = figure_size(pixels.shape[:2], 3.8)
    figure = Picture(figsize=(width, height + 0.2))
    axes = figure.subplots()
    draw_image(axes, pixels, fade=0.35)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=10)
    right, taken = right.astype(bool), taken.astype(bool)
    groups = {
        "hit": (rows[right], COLORS[0], "-"),
        "false": (rows[~right], COLORS[1], "--"),
        "missed": (true[~taken], COLORS[6], ":"),
    }
    draw_verdicts(axes, groups)
    for box, ok, word in zip(rows, right, words):
        color = COLORS[0] if ok else COLORS[1]
        high = "top" if box[1] < 0.08 * pixels.shape[0] else "bottom"  # inside the picture
        axes.text(box[0] + 2, box[1], word, fontsize=8, color=color, va=high, path_effects=HALO, clip_on=True)
    legend_outside(figure, *axes.get_legend_handles_labels())
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
    x, y = as_vectors(recall=recall, precision=precision)
    at, height = as_vectors(asked=asked, falling=falling)
    figure = Picture(figsize=(5.6, 3.6))
    axes = figure.subplots()
    axes.fill_between(at, height, step="mid", color=COLORS[4], alpha=0.35, linewidth=0, label="area: AP")
    axes.plot(x, y, "-", color=COLORS[1], linewidth=1.3, label="after each detection")
    axes.plot(at, height, ".", color=COLORS[0], markersize=4, label="the best from here on")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.05))
    axes.set_title(title, fontsize=10)
    axes.legend(frameon=False, fontsize=9, loc="lower left")
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
    figure = Picture(figsize=(5.2, 3.6))
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
    figure = Picture(figsize=(WIDE, 2.9))
    panels = figure.subplots(1, len(first), sharey=True, squeeze=False)[0]
    for axes, iou in zip(panels, first, strict=True):
        _draw_precision_recall(axes, {name: by_iou[iou] for name, by_iou in curves.items()})
        axes.set_title(f"IoU at least {iou:.2f}", fontsize=10)
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])  # short, so that neighbours do not touch
    panels[0].set_ylabel("precision")
    legend_outside(figure, *panels[0].get_legend_handles_labels())
    return figure


def _draw_precision_recall(axes: Axes, curves: Mapping[str, tuple[Array, Array]]) -> None:
    for i, (name, curve) in enumerate(curves.items()):
        recall, precision = as_vectors(recall=curve[0], precision=curve[1])
        axes.plot(recall, precision, **line_look(i), label=name)
    axes.set(xlabel="recall", xlim=(0, 1.01), ylim=(0, 1.03))
    axes.spines[["top", "right"]].set_visible(False)


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
        raise ValueError(f"{counted(len(names), 'names')} for {counted(len(values), 'values')}; each row needs both")
    if at is not None and not 0 <= at < len(names):
        raise ValueError(f"at is {at}; with {counted(len(names), 'rows')} it must lie in 0..{len(names) - 1}")
    figure = Picture(figsize=(WIDE, 0.38 * len(names) + 1.0))
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
