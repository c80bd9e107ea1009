"""Images, boxes and results that the pictures are drawn of, and how a test reads a drawn picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

IMAGE = torch.randint(0, 256, (3, 40, 60), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
BOXES = torch.tensor([[5.0, 4.0, 25.0, 34.0], [10.0, 8.0, 20.0, 18.0], [40.0, 30.0, 44.0, 33.0]])
# What a detector returns for IMAGE, and the names of its classes.
RESULT = {
    "boxes": BOXES,
    "labels": torch.tensor([1, 0, 1]),
    "scores": torch.tensor([0.9, 0.5, 0.1]),
}
NAMES = ("disc", "ring")
SIZES = [(100, 128), (50, 64), (25, 32), (13, 16), (7, 8)]  # (height, width) of P3 to P7, of an image of 800 x 1024
# (channels, height, width) of a network's feature maps, and the channels of its head's outputs.
SHAPES = {"image": (3, 800, 1024), "C3": (512, 100, 128), "C4": (1024, 50, 64), "C5": (2048, 25, 32)} | {
    f"P{level}": (256, *size) for level, size in enumerate(SIZES, start=3)
}
OUTPUTS = {"classification": 80, "regression": 4, "centerness": 1}


def assert_readable(figure: Figure, *, widest: float) -> None:
    """Nothing is cut off or too small to read; at most ``widest`` inches wide, to fit into a column."""
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    assert width <= widest
    ink = figure.get_tightbbox()
    assert -0.01 <= ink.x0 and ink.x1 <= width + 0.01 and -0.01 <= ink.y0 and ink.y1 <= height + 0.01, "cut off"
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 8


def by_gid(axes: Axes, gid: str) -> Any:
    """The one artist with this gid."""
    (artist,) = [a for a in axes.get_children() if a.get_gid() == gid]
    return artist


def rectangles(axes: Axes) -> list[list[float]]:
    """xyxy of all drawn rectangles."""
    found = [p for p in axes.patches if isinstance(p, Rectangle)]
    return [[p.get_x(), p.get_y(), p.get_x() + p.get_width(), p.get_y() + p.get_height()] for p in found]


def xy(line: Any) -> list[list[float]]:
    return np.column_stack([line.get_xdata(), line.get_ydata()]).tolist()
