"""The network: its parts with the shape of every feature map (Fig. 2), and what a cell of a map sees.

Used in *The network*.
Checked against: the shapes that were given, and the place of everything that is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..text import counted
from .parts import as_pixels, draw_arrow, draw_image, draw_slab, empty_canvas, rectangle
from .style import COLORS, HALO, LEVEL_COLORS, Array, Picture


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
    figure = Picture(figsize=(6.4, 5.4))
    axes = figure.subplots()
    axes.set(xlim=(0.0, 14.6), ylim=(-1.55, 5.1))
    axes.axis("off")
    row = {name: int(name[1:]) - int(levels[0][1:]) for name in [*stages, *levels]}
    x_c, x_p, x_head = 1.55, 5.15, 8.1

    def half(name: str) -> float:
        return 1.1 - 0.16 * row[name]

    def write(name: str, x: float) -> None:
        axes.text(
            x, row[name] - 0.31, _times(shapes[name]), ha="center", va="center", fontsize=8, color="0.2", zorder=4,
            path_effects=HALO, gid=f"shape {name}",
        )  # fmt: skip

    draw_slab(axes, x_c, -1.05, 1.1, "white", "image", "black")
    axes.text(x_c, -1.38, _times(shapes["image"]), ha="center", va="center", fontsize=8, color="0.2", gid="shape image")
    draw_arrow(axes, (x_c, -0.8), (x_c, -0.5))
    for name in stages:
        draw_slab(axes, x_c, row[name], half(name), "0.85", name, "black")
        write(name, x_c)
        draw_arrow(axes, (x_c + half(name) + 0.25, row[name]), (x_p - half(name) - 0.25, row[name]), "1×1")
    for low, high in pairwise(stages):
        draw_arrow(axes, (x_c, row[low] + 0.25), (x_c, row[high] - 0.45))
    for name in levels:
        light = int(name[1:]) >= 6
        draw_slab(axes, x_p, row[name], half(name), LEVEL_COLORS[int(name[1:])], name, "black" if light else "white")
        write(name, x_p)
        draw_arrow(axes, (x_p + half(name) + 0.25, row[name]), (x_head - 0.15, 1.9 + 0.45 * (row[name] - 1.9)))
    for low, high in pairwise(levels):
        if high in [f"P{stage[1:]}" for stage in stages]:
            draw_arrow(axes, (x_p, row[high] - 0.45), (x_p, row[low] + 0.25), "×2, +")
        else:
            draw_arrow(axes, (x_p, row[low] + 0.25), (x_p, row[high] - 0.45), "conv /2")
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
            (x + 0.25 + end) / 2,
            y + 0.6,
            f"{convs} × conv,\n{counted(channels, 'channels')}",
            ha="center",
            va="bottom",
            fontsize=8,
        )
        own = [tower, "centerness"] if tower == centerness and "centerness" in outputs else [tower]
        for i, name in enumerate(own):
            at = y + (0.0 if len(own) == 1 else 0.42 - 0.84 * i)
            draw_arrow(axes, (end + 0.05, y), (x + 3.55, at))
            label = {"centerness": "center-ness", "regression": "regression\n$\\exp(s_i x)$"}.get(name, name)
            text = f"{label}\nH × W × {outputs[name]}"
            axes.text(x + 3.65, at, text, ha="left", va="center", fontsize=9, gid=f"output {name}")


def _times(shape: Sequence[int]) -> str:
    channels, height, width = shape
    return f"{height} × {width} × {channels}"


def feature_map(image: Array, values: Array, title: str) -> Figure:
    """An image, and one number for each cell of a feature map, as bright as it is large.

    Args:
        image: as in :func:`.show_boxes`.
        values: ``(h, w)`` not negative, such as the mean size of a cell's features.
        title: written above the feature map.
    """
    pixels, grid = as_pixels(image), np.asarray(values, dtype=float)
    height, width = pixels.shape[:2]
    figure = Picture(figsize=(6.4, 3.2 * height / width + 0.35))
    left, right = figure.subplots(1, 2)
    draw_image(left, pixels.mean(-1, keepdims=True).repeat(3, -1))  # grey, as few colours keep a moving figure small
    left.set_title("image", fontsize=10)
    right.imshow(grid, extent=(0, width, height, 0), cmap="gray", vmin=0, vmax=max(grid.max(), 1e-12))
    empty_canvas(right, height, width)
    right.set_title(title, fontsize=10)
    for axes in (left, right):
        axes.set(xticks=[], yticks=[])
    return figure


def influence(image: Array, maps: Mapping[str, Array], at: Sequence[float]) -> Figure:
    """Which pixels of an image have a say in one cell of a feature map: a panel for each map.

    Args:
        image: as in :func:`.show_boxes`.
        maps: name -> ``(H, W)`` not negative: how much the cell changes with each pixel. A dashed line surrounds all
            pixels with any influence.
        at: x, y of the cell's location, in pixels.
    """
    pixels = as_pixels(image)
    height, width = pixels.shape[:2]
    figure = Picture(figsize=(3.3 * len(maps), 3.3 * height / width + 0.3))
    for axes, (name, values) in zip(figure.subplots(1, len(maps), squeeze=False)[0], maps.items(), strict=True):
        grid = np.asarray(values, dtype=float)
        draw_image(axes, pixels.mean(-1, keepdims=True).repeat(3, -1), fade=0.65)
        strength = np.sqrt(grid / max(grid.max(), 1e-12))  # the root shows what is weak, too
        shade = np.zeros((*grid.shape, 4))
        shade[..., :3], shade[..., 3] = to_rgb(COLORS[1]), strength
        axes.imshow(shade, extent=(0, width, height, 0), zorder=2)
        ys, xs = np.nonzero(grid)
        if len(xs):
            field = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], dtype=float)
            axes.add_patch(rectangle(field, edgecolor="black", linestyle="--", linewidth=1.2, zorder=3, gid="field"))
        axes.plot(*at, "+", color="black", markersize=10, markeredgewidth=1.8, zorder=4)
        axes.set(xticks=[], yticks=[])
        axes.set_title(name, fontsize=10)
    return figure
