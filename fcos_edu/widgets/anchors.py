"""An object under the anchors of a location: the IoU of each, and which of all anchors learn it (section 1).

Taught by use, in the chapter *Why throw the anchors away*. Checked against: torchvision's ``AnchorGenerator``,
``box_iou`` and ``Matcher``, on the very boxes that a reader leaves behind in a browser.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..evaluation.recall import retinanet_anchors
from ..locations import feature_sizes
from ..text import counted
from .explorers import _PALETTE, Array, _box_list, _plain, _size
from .piece import Piece, pack

MOST_ANCHORS = 12  # at a location; more cannot be told apart in a figure
MOST_LEVELS = 6


def anchor_explorer(
    box: Sequence[float] = (150, 90, 250, 160),
    anchors: Sequence[Array] | None = None,
    *,
    size: tuple[int, int] = (256, 384),
    strides: Sequence[int] = (8, 16, 32, 64, 128),
    caption: str = "",
) -> Piece:
    """An object that is dragged and resized under the anchors of the nearest location, and how many anchors learn it.

    RetinaNet's rule: an anchor learns the object from an IoU of 0.5 on, is left out from 0.4 on, and learns background
    below. The anchors lie where torchvision puts them: at whole multiples of the stride, the first at 0.

    Args:
        box: the object at the beginning, x0, y0, x1, y1 in pixels.
        anchors: those of a location of each map around 0, ``(A, 4)`` xyxy in pixels, at most 12; as
            ``AnchorGenerator.cell_anchors``. None for RetinaNet's nine.
        size: (height, width) of the picture in pixels; the maps have a location for each stride begun.
        strides: of the maps, in pixels, 1 to 6 of them.
        caption: a sentence above the figure: what to try.

    Raises:
        ValueError: an object without an area or outside the picture, strides that are none, too many or below 1, not
            the anchors of each stride, none or too many of them, or one without an area.
    """
    height, width = _size(size, None)
    (own,) = _box_list([box])
    if not (0 <= own[0] and 0 <= own[1] and own[2] <= width and own[3] <= height):
        raise ValueError(f"box is {tuple(own)}; it must lie in the picture of {height} x {width} pixels")
    if not 1 <= len(strides) <= MOST_LEVELS or min(strides) < 1:
        raise ValueError(f"strides are {list(strides)}; it must be 1 to {MOST_LEVELS} of them, in pixels, 1 or more")
    cells = retinanet_anchors()[: len(strides)] if anchors is None else list(anchors)
    if len(cells) != len(strides):
        raise ValueError(f"anchors of {counted(len(cells), 'maps')} for {counted(len(strides), 'strides')}")
    levels: list[dict[str, Any]] = [
        {
            "stride": int(stride),
            "columns": columns,
            "rows": rows,
            "cells": _box_list(np.asarray(around), most=MOST_ANCHORS),
        }
        for stride, around, (rows, columns) in zip(strides, cells, feature_sizes(height, width, strides), strict=True)
    ]
    total = sum(level["columns"] * level["rows"] * len(level["cells"]) for level in levels)
    data = {"size": [height, width], "box": [_plain(v, 2) for v in own], "levels": levels}
    return pack(
        "anchor",
        f"Anchor explorer: an object under {total:,} anchors in {height} x {width} pixels",
        caption,
        data=data,
        more={"palette": _PALETTE},
        scripts=("stage", "anchors", "anchor"),
        styles=("base", "explore", "anchors"),
    )


__all__ = ["MOST_ANCHORS", "MOST_LEVELS", "anchor_explorer"]
