"""Interactive figures that also work on a page without a kernel.

Taught by use: each chapter first shows one ``frame(k)`` as a plain figure, then hands the function to :func:`stack`.
Checked against: the pictures and links of the widget tree, and the saved page in a browser without a kernel.

A slider that calls Python is dead on a static page, because nobody is there to answer. So all frames are drawn
beforehand, and the browser itself links the slider to the frame that is shown.
"""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

try:
    import ipywidgets
except ImportError as error:  # the command line and training do without it
    raise ImportError('interactive figures need ipywidgets: pip install "fcos-edu[book]"') from error

from ..figures import png
from .explorers import (
    Explorer,
    box_explorer,
    centerness_explorer,
    focal_explorer,
    iou_explorer,
    nms_explorer,
    overlap_explorer,
    pr_explorer,
)

__all__ = [
    "MAX_FRAMES",
    "Explorer",
    "box_explorer",
    "centerness_explorer",
    "focal_explorer",
    "iou_explorer",
    "nms_explorer",
    "overlap_explorer",
    "pr_explorer",
    "stack",
]

MAX_FRAMES = 15  # the pictures are stored in the notebook: about 20 kB each


def stack(
    frame: Callable[[int], Figure],
    count: int,
    *,
    start: int = 0,
    description: str = "frame",
    caption: str = "",
    dpi: int = 100,
) -> ipywidgets.VBox:
    """A slider over prepared figures.

    Args:
        frame: pure function of the slider's position 0..count-1. All its figures must have the same size in inches, so
            that the page does not jump.
        count: number of frames, 2 to 15.
        start: the frame that is shown first.
        description: text at the left of the slider: what it moves.
        caption: a sentence above the slider: what to look for.
        dpi: resolution; at 100 the frames are as large as the figure alone, less keeps pictures of noise small.

    Returns:
        A VBox of the caption (if any), the slider and the stack of pictures, linked in the browser.

    Raises:
        ValueError: ``count`` is not in 2..15, ``start`` is not one of the frames, or frames differ in size.
    """
    if not 2 <= count <= MAX_FRAMES:
        raise ValueError(f"{count} frames; a stack takes 2 to {MAX_FRAMES}, because each is stored in the notebook")
    if not 0 <= start < count:
        raise ValueError(f"start is {start}; with {count} frames it must lie in 0..{count - 1}")
    figures = [frame(k) for k in range(count)]
    sizes = {tuple(figure.get_size_inches()) for figure in figures}
    if len(sizes) > 1:
        raise ValueError(f"frames of different sizes, {sorted(sizes)} inches; give all the same figsize")
    pictures = ipywidgets.Stack(
        [ipywidgets.Image(value=png(figure, dpi=dpi), format="png") for figure in figures], selected_index=start
    )
    slider = ipywidgets.IntSlider(
        value=start,
        min=0,
        max=count - 1,
        description=description,
        readout=False,  # the picture itself names the value
        style={"description_width": "initial"},
        layout={"width": "min(100%, 420px)"},
    )
    ipywidgets.jslink((slider, "value"), (pictures, "selected_index"))
    head = [ipywidgets.HTML(value=caption)] if caption else []
    return ipywidgets.VBox([*head, slider, pictures])
