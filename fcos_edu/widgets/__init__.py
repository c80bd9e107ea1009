"""Figures that move, and need neither a kernel nor a network: :func:`stack` over prepared frames, and explorers.

Each is one :class:`Piece` of HTML with its own script, which the notebook stores as the output of its cell. So it works
alike on the book's pages, from a disk, in Colab, on Kaggle and in JupyterLab.
"""

from __future__ import annotations

from .explorers import (
    box_explorer,
    centerness_explorer,
    focal_explorer,
    iou_explorer,
    nms_explorer,
    overlap_explorer,
    pr_explorer,
)
from .frames import MAX_FRAMES, stack
from .piece import Piece

__all__ = [
    "MAX_FRAMES",
    "Piece",
    "box_explorer",
    "centerness_explorer",
    "focal_explorer",
    "iou_explorer",
    "nms_explorer",
    "overlap_explorer",
    "pr_explorer",
    "stack",
]
