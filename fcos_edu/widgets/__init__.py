"""Figures that move: :func:`.stack` over prepared frames and explorers need no kernel, :func:`.workbench` does.

Each of the former is one :class:`.Piece` of HTML with its own script, which the notebook stores as the output of its
cell. So it works alike on the book's pages, from a disk, in Colab, on Kaggle and in JupyterLab.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .anchors import anchor_explorer
    from .explorers import (
        box_explorer,
        centerness_explorer,
        focal_explorer,
        guess_explorer,
        iou_explorer,
        nms_explorer,
        overlap_explorer,
        pr_explorer,
    )
    from .frames import MAX_FRAMES, stack
    from .levels import levels_explorer, squeeze_explorer
    from .live import workbench
    from .measured import field_explorer, match_explorer, rates_explorer
    from .piece import Piece
else:
    from .._lazy import lazy

    __getattr__, __dir__ = lazy(
        __name__,
        {
            "anchors": ("anchor_explorer",),
            "explorers": (
                "box_explorer",
                "centerness_explorer",
                "focal_explorer",
                "guess_explorer",
                "iou_explorer",
                "nms_explorer",
                "overlap_explorer",
                "pr_explorer",
            ),
            "frames": ("MAX_FRAMES", "stack"),
            "levels": ("levels_explorer", "squeeze_explorer"),
            "live": ("workbench",),
            "measured": ("field_explorer", "match_explorer", "rates_explorer"),
            "piece": ("Piece",),
        },
    )

__all__ = [
    "MAX_FRAMES",
    "Piece",
    "anchor_explorer",
    "box_explorer",
    "centerness_explorer",
    "field_explorer",
    "focal_explorer",
    "guess_explorer",
    "iou_explorer",
    "levels_explorer",
    "match_explorer",
    "nms_explorer",
    "overlap_explorer",
    "pr_explorer",
    "rates_explorer",
    "squeeze_explorer",
    "stack",
    "workbench",
]
