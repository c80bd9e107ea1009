"""Explorers of one box on five levels: which level takes it, and when nothing is left that could learn it.

Taught by use, in the chapters *Levels of the pyramid* and *What can be found at all*. Checked against:
:func:`fcos_edu.targets.assign` and the reasons of :mod:`fcos_edu.evaluation.recall`, level by level, for boxes of all
sizes, beside what a browser shows.

Both are one script, ``js/levels.js``, which computes anew as those of :mod:`fcos_edu.widgets.explorers` do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..config import FCOSConfig
from ..text import counted
from .explorers import _PALETTE, _box_list, _levels, _size
from .piece import Piece, pack

RADIUS = 1.5  # of center sampling, in strides, where the configuration has none: that of the paper's Table 3


def levels_explorer(
    box: Sequence[float] = (334, 254, 466, 386),
    *,
    size: tuple[int, int] = (640, 800),
    config: FCOSConfig | None = None,
    caption: str = "",
) -> Piece:
    """A box that is dragged and resized over the stacked maps, and the locations of each that learn it.

    Args:
        box: x0, y0, x1, y1 in pixels, in the picture.
        size: (height, width) of the picture, in pixels.
        config: decides levels, ranges, locations and center sampling; None for ``FCOSConfig.paper()``.
        caption: a sentence above the figure: what to try.

    Raises:
        ValueError: a box without an area, or not in the picture.
    """
    data = _one_box(box, size, config)
    return _pack("levels", data, f"Levels explorer: a box over {counted(len(data['levels']), 'levels')}", caption)


def squeeze_explorer(
    box: Sequence[float] = (20, 36, 170, 92),
    *,
    size: tuple[int, int] = (128, 192),
    config: FCOSConfig | None = None,
    caption: str = "",
) -> Piece:
    """A box that is squeezed and shifted, close up, until no location is left that may learn it: a lost box.

    Args:
        box, size, config, caption: as for :func:`levels_explorer`.

    Raises:
        ValueError: as for :func:`levels_explorer`.
    """
    config = FCOSConfig.paper() if config is None else config
    data = _one_box(box, size, config)
    if not config.torchvision_quirks:  # they go with one offset
        other = config.replace(location_offset="none" if data["half"] else "half_stride")
        height, width = _size(size, None)
        for level, moved in zip(data["levels"], _levels(height, width, other), strict=True):
            level["other"] = {"xs": moved["xs"], "ys": moved["ys"]}
    return _pack("squeeze", data, "Squeeze explorer: a box, and the locations that may learn it", caption)


def _one_box(box: Sequence[float], size: tuple[int, int], config: FCOSConfig | None) -> dict[str, Any]:
    """What both share: the box, the levels, and how the switches stand first."""
    config = FCOSConfig.paper() if config is None else config
    height, width = _size(size, None)
    (only,) = _box_list([box])
    if min(only) < 0 or only[2] > width or only[3] > height:
        raise ValueError(f"box is {tuple(only)}; it must lie in the picture of {height} x {width} pixels")
    radius = config.center_sampling_radius
    return {
        "size": [height, width],
        "box": only,
        "levels": _levels(height, width, config),
        "radius": RADIUS if radius is None else radius,
        "sampling": radius is not None,
        "half": config.location_offset == "half_stride",
        "quirks": config.torchvision_quirks,
    }


def _pack(kind: str, data: dict[str, Any], text: str, caption: str) -> Piece:
    return pack(
        kind,
        text,
        caption,
        data=data,
        more={"palette": _PALETTE, "stacked": kind == "levels"},
        scripts=("core", "range", "stage", "levels"),
        styles=("base", "explore", "levels"),
    )


__all__ = ["levels_explorer", "squeeze_explorer"]
