"""Numbers of any kind as bars or lines, which chapters of several subjects draw.

Used in nearly every chapter, first in *Why throw the anchors away*.
Checked against: the heights of bars and the points of lines, which must be those of the arrays that were given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ..text import counted
from .letters import WIDE, inches, least_points, legend_outside
from .parts import as_vectors, line_look
from .style import COLORS, MARKERS, Array, Picture


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
                raise ValueError(
                    f"{counted(len(row), kind)} of {name!r} for {counted(len(names), 'names')}; each name needs one"
                )
    if spreads is not None and spreads.keys() != series.keys():
        raise ValueError(f"spreads of {sorted(spreads)} for series {sorted(series)}; each series needs its own")
    room = 1.5 + 1.0 * len(names) * max(1.0, len(series) * 0.8)
    figure = Picture(figsize=(min(room, WIDE), 3.0))
    axes = figure.subplots()
    width = 0.8 / len(series)
    # Values that are wider than their bars stand upright.
    own = (figure.get_size_inches()[0] - 0.9) / max(1, len(names)) * (width if len(series) > 1 else 1)
    words = [f"{value:.1f}" for values in series.values() for value in values]
    upright = max((inches(word, max(9, least_points(figure))) for word in words), default=0) > own
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
        axes.bar_label(drawn, fmt="{:.1f}", fontsize=9, rotation=90 if upright else 0, padding=3 if upright else 1)
    axes.set_xticks(np.arange(len(names)), names)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.set_title(title, fontsize=10)
    axes.margins(y=0.35 if upright else 0.15)
    axes.spines[["top", "right"]].set_visible(False)
    if any(value < 0 for values in series.values() for value in values):
        axes.axhline(0, color="black", linewidth=0.9)
    if len(series) > 1:
        handles, labels = axes.get_legend_handles_labels()
        legend_outside(figure, handles, labels)
    return figure


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
        raise ValueError(f"{counted(len(panels), 'panels')}, and marks on {sorted(unknown)}; the lines are {names}")
    figure = Picture(figsize=(WIDE, 3.2))
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, series) in zip(grid, panels.items(), strict=True):
        for name, values in series.items():
            at, y = as_vectors(x=x, values=values)
            i = names.index(name)
            style = line_look(i) | {"linewidth": 1.8}
            few = {"marker": MARKERS[i % len(MARKERS)], "markersize": 4.5} if len(at) <= 20 else {}
            axes.plot(at, y, label=name, **style, **few)
            if marks and name in marks:
                axes.plot(*marks[name], "o", color=style["color"], markeredgecolor="black", gid=f"mark {name}")
        axes.set(xlabel=xlabel, ylim=(limits[0] - 0.02 * (limits[1] - limits[0]), limits[1]))
        axes.set_title(title, fontsize=10)
        axes.grid(color="0.92")
        axes.spines[["top", "right"]].set_visible(False)
    grid[0].set_ylabel(ylabel)
    legend_outside(figure, *grid[0].get_legend_handles_labels())
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
    figure = Picture(figsize=(WIDE, 3.2))
    panels = figure.subplots(1, 2)
    for i, (name, both) in enumerate(curves.items()):
        for axes, values in zip(panels, both, strict=True):
            at, y = as_vectors(x=x, values=values)
            axes.plot(at, y, **line_look(i), linewidth=1.8, label=name)
    for axes, title, (low, high) in zip(panels, titles, limits, strict=True):
        if base is not None:
            axes.set_xscale("log", base=base)
            axes.xaxis.set_major_formatter("{x:g}")
        axes.set(xlabel=xlabel, ylim=(low - 0.04 * (high - low), high))
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.92")
    legend_outside(figure, *panels[0].get_legend_handles_labels())
    return figure
