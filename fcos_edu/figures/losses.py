"""What the loss is made of, and how several losses move one box (Eq. 2).

Used in *The loss*.
Checked against: shares by hand, and :func:`fcos_edu.losses.iou_and_giou` on random distances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .letters import WIDE, legend_outside
from .parts import as_vectors, rectangle
from .style import COLORS, Array, Picture


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
    at, *rows = as_vectors(x=x, **{name.replace(" ", "_"): values for name, values in parts.items()})
    whole = np.sum(rows, axis=0)
    if not (whole > 0).all():
        raise ValueError(f"the parts add up to {whole.min():g}; a share needs a whole above zero")
    figure = Picture(figsize=(WIDE, 3.2))
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
    legend_outside(figure, *axes.get_legend_handles_labels())
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
    figure = Picture(figsize=(2.0 * len(predictions), 2.0 * high / wide + 0.6))
    for i, (axes, (name, ltrb)) in enumerate(
        zip(figure.subplots(1, len(predictions), squeeze=False)[0], predictions.items(), strict=True)
    ):
        box = _box_at(location, ltrb)
        axes.add_patch(rectangle(wanted, facecolor="0.88", edgecolor="black", fill=True, gid="truth"))
        axes.add_patch(rectangle(box, edgecolor=COLORS[i % len(COLORS)], linewidth=2.2, gid=name))
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
