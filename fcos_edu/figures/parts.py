"""What the figures of several subjects are made of: arrays brought into one form, images, boxes, level markers, arrows.

Nothing of this is a figure. Coordinates are pixels of the image, y downwards.
Checked against: the positions of what is drawn, and the shapes of arrays of every kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle
from numpy.typing import NDArray

from ..fonts import in_pictures
from ..text import counted
from .letters import place_at_box
from .style import COLORS, LEVEL_COLORS, LEVEL_MARKERS, LEVEL_SIZES, LINES, Array

if TYPE_CHECKING:
    from torch import Tensor


def as_pixels(image: Array | None) -> NDArray[Any]:
    """``(H, W, 3)`` of an image in either layout, float 0..1."""
    array = np.asarray(image)
    if array.ndim != 3 or 3 not in (array.shape[0], array.shape[2]):
        raise ValueError(f"an image of shape {array.shape}; it must be (3, H, W) or (H, W, 3)")
    if array.shape[2] != 3:
        array = array.transpose(1, 2, 0)
    return array / 255.0 if array.dtype == np.uint8 else np.clip(array, 0.0, 1.0)


def as_boxes(boxes: Array) -> NDArray[np.float64]:
    """``(M, 4)`` floats; also of an empty list."""
    return np.asarray(boxes, dtype=float).reshape(-1, 4)


def as_column(values: Array | None, count: int, name: str) -> NDArray[Any] | None:
    """``(count,)`` values of as many boxes, or None; an error that calls them ``name`` if they are not as many."""
    if values is None:
        return None
    array = np.asarray(values).reshape(-1)
    if len(array) != count:
        raise ValueError(f"{counted(len(array), name)} for {counted(count, 'boxes')}; each box needs one")
    return array


def as_vectors(**arrays: Array) -> list[NDArray[np.float64]]:
    """Equally long ``(N,)`` arrays of floats; an error with the names of the arrays if they are not."""
    rows = [np.asarray(values, dtype=float).reshape(-1) for values in arrays.values()]
    if len({len(row) for row in rows}) > 1:
        counts = ", ".join(f"{len(row)} {name}" for name, row in zip(arrays, rows, strict=True))
        raise ValueError(f"{counts}; there must be as many of each")
    return rows


def figure_size(shape: tuple[int, ...], longest: float) -> tuple[float, float]:
    """Inches for an image of (height, width), its longer side given, with room for a title."""
    height, width = shape[:2]
    scale = longest / max(height, width)
    return width * scale, height * scale + 0.3


def draw_image(axes: Axes, pixels: NDArray[Any], fade: float = 0.0) -> None:
    """Draw an image; ``fade`` mixes it with white, so that lines on it are seen."""
    height, width = pixels.shape[:2]
    axes.imshow(pixels * (1 - fade) + fade, extent=(0, width, height, 0), interpolation="antialiased")
    empty_canvas(axes, height, width)


def empty_canvas(axes: Axes, height: float, width: float) -> None:
    """Axes in pixels of an image, y downwards."""
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    axes.tick_params(labelsize=8)


def ground_size(image: Array | None, canvas: tuple[int, int] | None, boxes: Array) -> tuple[int, int]:
    """(height, width) of what boxes are drawn on: the image, the canvas that is given, or one with room around them."""
    if image is not None:
        height, width = as_pixels(image).shape[:2]
        return height, width
    return canvas or room_around(as_boxes(boxes))


def draw_ground(axes: Axes, image: Array | None, size: tuple[int, int], fade: float) -> None:
    """The image, or an empty canvas of this (height, width)."""
    if image is not None:
        draw_image(axes, as_pixels(image), fade)
    else:
        empty_canvas(axes, *size)


def room_around(boxes: Sequence[Sequence[float]] | NDArray[np.float64]) -> tuple[int, int]:
    """(height, width) of a canvas with some room around boxes."""
    rows = np.asarray(boxes, dtype=float)
    return int(rows[:, 3].max() + rows[:, 1].min()) or 1, int(rows[:, 2].max() + rows[:, 0].min()) or 1


def rectangle(box: NDArray[np.float64], *, fill: bool = False, **style: Any) -> Rectangle:
    """A box ``(4,)`` xyxy as a patch, empty unless ``fill``; ``style`` goes to matplotlib."""
    x0, y0, x1, y1 = (float(v) for v in box)
    return Rectangle((x0, y0), x1 - x0, y1 - y0, fill=fill, **style)


def draw_haloed(axes: Axes, box: NDArray[np.float64], *, linewidth: float, halo: str = "white", **style: Any) -> None:
    """A box whose line has an edge of another colour on both sides, so that it is seen on every image."""
    patch = rectangle(box, linewidth=linewidth, **style)
    patch.set_path_effects([patheffects.withStroke(linewidth=linewidth + 1.5, foreground=halo), patheffects.Normal()])
    axes.add_patch(patch)


def draw_verdicts(
    axes: Axes, groups: Mapping[str, tuple[NDArray[np.float64], str, str]], *, linewidth: float = 2.3
) -> None:
    """Boxes in groups that a line of the legend counts: name -> boxes ``(M, 4)``, colour, line style."""
    for name, (boxes, color, line) in groups.items():
        for box in boxes:
            draw_haloed(axes, box, edgecolor=color, linestyle=line, linewidth=linewidth, gid=name)
        axes.plot([], [], line, color=color, linewidth=linewidth, label=f"{name}: {len(boxes)}")


def draw_box(axes: Axes, box: NDArray[np.float64], index: int, text: str, rank: int = 0) -> None:
    """A box in the colour and line style of its index, its text above its upper side.

    In a file no text lies on another: that of the lowest ``rank`` chooses its corner first.
    """
    color, style = COLORS[index % len(COLORS)], LINES[index // len(COLORS) % len(LINES)]
    draw_haloed(axes, box, edgecolor=color, linewidth=2, linestyle=style)
    if text:
        # The text stays inside the picture when the box touches its upper border or begins far to the right.
        height, width = axes.get_ylim()[0], axes.get_xlim()[1]
        late = box[0] > 0.6 * width
        words = axes.text(
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
        place_at_box(words, box, rank)


def draw_result(axes: Axes, result: Mapping[str, Tensor], names: Sequence[str], threshold: float) -> None:
    """Detections of at least ``threshold``; the highest scores are drawn last and lie on top."""
    boxes, labels = as_boxes(result["boxes"].detach().cpu()), np.asarray(result["labels"].detach().cpu())
    scores = np.asarray(result["scores"].detach().cpu()) if "scores" in result else None
    for i in reversed(range(len(boxes))):
        if scores is None or scores[i] >= threshold:
            name = in_pictures(names[labels[i]], labels[i])
            text = name if scores is None else f"{name} {scores[i]:.2f}"
            draw_box(axes, boxes[i], int(labels[i]), text, rank=i)


def line_look(index: int) -> dict[str, Any]:
    """How ``axes.plot`` draws the line of a series: neighbours differ in colour and in style."""
    return {"color": COLORS[index % len(COLORS)], "linestyle": LINES[index % len(LINES)]}


def level_style(level: int) -> dict[str, Any]:
    """How ``axes.plot`` draws locations of a level 2 to 7: its colour, and a marker that tells it without colour."""
    return {
        "linestyle": "none",
        "marker": LEVEL_MARKERS[level],
        "color": LEVEL_COLORS[level],
        "markersize": LEVEL_SIZES[level],
        "markeredgecolor": "black",
        "markeredgewidth": 0.4 if level > 3 else 0.0,  # the edge would cover a dot
    }


def draw_slab(axes: Axes, x: float, y: float, half: float, color: str, text: str, ink: str) -> None:
    """A feature map seen at a slant."""
    corners = [
        (x - half - 0.2, y - 0.2),
        (x + half - 0.2, y - 0.2),
        (x + half + 0.2, y + 0.2),
        (x - half + 0.2, y + 0.2),
    ]
    axes.add_patch(Polygon(corners, closed=True, facecolor=color, edgecolor="black", zorder=2, gid=text))
    axes.text(x, y, text, ha="center", va="center", color=ink, fontsize=11, fontweight="bold", zorder=3)


def draw_arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], text: str = "") -> None:
    """An arrow of a diagram, its text beside it: right of an upright one, above any other."""
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
