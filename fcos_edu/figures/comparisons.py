"""Differences with their intervals: what an ablation has found, and what it could have.

Used in the chapter *One change at a time*. Checked against: the ends of the drawn intervals, which must be those that
were given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .letters import WIDE, folded, least_points, legend_outside
from .style import COLORS, Picture


@dataclass(frozen=True)
class Comparison:
    """One line of a forest plot, in points of AP or of another figure in percent."""

    label: str
    difference: float | None = None  # None: not run yet
    interval: tuple[float, float] | None = None  # of this comparison alone
    wide: tuple[float, float] | None = None  # corrected for the family; the word follows from it
    paper: float | None = None
    smallest: float | None = None  # the smallest effect that would be found
    word: str = ""


def forest(comparisons: Sequence[Comparison], *, xlabel: str, title: str = "") -> Figure:
    """A forest plot: differences as points, their intervals as bars, the paper's differences as diamonds.

    The thick bar is the interval of the comparison alone, the thin one is corrected for all that stand together. Where
    the thin one crosses the line at 0, the two sides are not told apart: then a grey band shows how large a difference
    would have been found, four times out of five. The word stands at the right.

    Args:
        comparisons: from top to bottom; those that are not run yet have the paper's diamond alone.
        xlabel: what the difference is of, with its unit.
        title: written above.

    Raises:
        ValueError: nothing to compare, or an interval whose ends are turned round.
    """
    if not comparisons:
        raise ValueError("there are no comparisons; a forest plot needs one at least")
    for one in comparisons:
        for ends in (one.interval, one.wide):
            if ends is not None and ends[0] > ends[1]:
                raise ValueError(f"the interval of {one.label!r} is {ends}; the lower end comes first")
    figure = Picture(figsize=(WIDE, 1.5 + 0.46 * len(comparisons)))
    axes, size = figure.subplots(), least_points(figure)
    for row, one in enumerate(comparisons):
        if one.smallest is not None and one.wide is not None and one.wide[0] <= 0 <= one.wide[1]:
            band = axes.barh(row, 2 * one.smallest, 0.62, left=-one.smallest, color="0.9", zorder=0)
            band[0].set_gid(f"smallest {row}")
        for ends, width, name in ((one.wide, 1.2, "wide"), (one.interval, 4.0, "interval")):
            if ends is not None:
                axes.plot(
                    ends, (row, row), color=COLORS[0], linewidth=width, gid=f"{name} {row}", solid_capstyle="butt"
                )
        if one.difference is not None:
            axes.plot(one.difference, row, "o", color=COLORS[0], markeredgecolor="black", gid=f"ours {row}", zorder=4)
        if one.paper is not None:
            axes.plot(
                one.paper, row, "D", color="none", markeredgecolor=COLORS[1], markeredgewidth=1.8, markersize=8,
                gid=f"paper {row}", zorder=3,
            )  # fmt: skip
        axes.text(
            1.02, row, folded(one.word, 1.25, size), transform=axes.get_yaxis_transform(), va="center", fontsize=9
        )
    axes.axvline(0, color="black", linewidth=0.9)
    axes.set_yticks(range(len(comparisons)), [folded(one.label, 1.7, size) for one in comparisons])
    axes.set(xlabel=xlabel, ylim=(len(comparisons) - 0.5, -0.5))
    axes.set_title(title, fontsize=10)
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    known = [
        Line2D([], [], color=COLORS[0], marker="o", markeredgecolor="black", linewidth=4, label="ours, 95 % interval"),
        Line2D([], [], color=COLORS[0], linewidth=1.2, label="corrected for all rows"),
    ]
    if any(one.paper is not None for one in comparisons):
        diamond = Line2D([], [], color="none", marker="D", markeredgecolor=COLORS[1], markerfacecolor="none")
        diamond.set_label("the paper")
        known.append(diamond)
    legend_outside(figure, known, [str(line.get_label()) for line in known])
    return figure


__all__ = ["Comparison", "forest"]
