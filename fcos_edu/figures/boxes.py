"""Boxes on images: true ones, detected ones, and several images side by side (Fig. 8 of the paper).

Used in nearly every chapter, first in *Why throw the anchors away*.
Checked against: the corners and words of what is drawn, which must be those of the arrays that were given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ..fonts import in_pictures
from ..text import counted
from .parts import (
    as_boxes,
    as_column,
    as_pixels,
    draw_box,
    draw_haloed,
    draw_image,
    draw_result,
    figure_size,
)
from .style import Array, Picture

if TYPE_CHECKING:
    from torch import Tensor


def show_boxes(
    image: Array,
    boxes: Array,
    labels: Array | None = None,
    names: Sequence[str] | None = None,
    scores: Array | None = None,
    *,
    title: str = "",
) -> Figure:
    """An image and its boxes; one colour and line style for each class.

    Args:
        image: ``(3, H, W)`` or ``(H, W, 3)``, uint8 or float 0..1.
        boxes: ``(M, 4)`` xyxy in pixels.
        labels: ``(M,)`` classes 0..C-1; None draws all boxes alike.
        names: names of the C classes.
        scores: ``(M,)`` in 0..1, written beside the name.
        title: written above the image.

    Raises:
        ValueError: ``labels`` or ``scores`` are not as many as the boxes.
    """
    pixels, rows = as_pixels(image), as_boxes(boxes)
    figure = Picture(figsize=figure_size(pixels.shape[:2], 6.4))
    axes = figure.subplots()
    draw_image(axes, pixels)
    classes = as_column(labels, len(rows), "labels")
    values = as_column(scores, len(rows), "scores")
    for i, box in enumerate(rows):
        label = int(classes[i]) if classes is not None else 0
        text = "" if classes is None else in_pictures(names[label], label) if names is not None else str(label)
        if values is not None:
            text = f"{text} {values[i]:.2f}".strip()
        draw_box(axes, box, label, text, rank=i)
    axes.set_title(title)
    return figure


def detections(
    image: Array,
    result: Mapping[str, Tensor],
    names: Sequence[str],
    *,
    threshold: float = 0.3,
    truth: Array | None = None,
    title: str = "",
) -> Figure:
    """What a detector found in an image, above a score.

    Args:
        image: as in :func:`show_boxes`.
        result: what the model returns for one image: ``boxes`` (M, 4), ``labels`` (M,), ``scores`` (M,).
        names: names of the classes.
        threshold: detections with a lower score are left out.
        truth: ``(N, 4)`` ground-truth boxes, drawn thin and white below the detections.
        title: written above the image.
    """
    keep = np.asarray(result["scores"].detach().cpu()) >= threshold
    boxes, labels, scores = (np.asarray(result[key].detach().cpu())[keep] for key in ("boxes", "labels", "scores"))
    figure = show_boxes(image, boxes, labels, names, scores, title=title)
    for box in as_boxes(truth) if truth is not None else []:
        draw_haloed(figure.axes[0], box, edgecolor="white", linewidth=1.0, halo="black", zorder=1)
    return figure


def gallery(
    images: Sequence[Array],
    results: Sequence[Mapping[str, Tensor]],
    names: Sequence[str],
    *,
    threshold: float = 0.3,
    titles: Sequence[str] = (),
    columns: int = 3,
    side: float = 3.2,
) -> Figure:
    """Fig. 8: detections on several images of about the same shape, side by side.

    Args:
        images: each as in :func:`show_boxes`.
        results: for each image ``boxes``, ``labels`` and perhaps ``scores``.
        names: names of the classes.
        threshold: detections with a lower score are left out.
        titles: written above the images.
        columns: pictures in a row.
        side: width of a picture in inches.

    Raises:
        ValueError: not one result for each image, or no image.
    """
    if len(images) != len(results) or not images:
        raise ValueError(
            f"{counted(len(images), 'images')} and {counted(len(results), 'results')}; give one result for each image"
        )
    height, width = as_pixels(images[0]).shape[:2]
    rows = -(-len(images) // columns)
    room = 0.3 if titles else 0.0
    figure = Picture(figsize=(side * columns, rows * (side * height / width + room)))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, image, result in zip(grid, images, results):
        draw_image(axes, as_pixels(image))
        draw_result(axes, result, names, threshold)
    for axes, title in zip(grid, titles):
        axes.set_title(title, fontsize=10)
    for axes in grid:
        axes.set(xticks=[], yticks=[])
    for axes in grid[len(images) :]:
        axes.axis("off")
    return figure
