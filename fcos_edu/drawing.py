"""Detections drawn into the pixels of an image, for ``fcos-edu detect`` and the book.

The boxes are torchvision's ``draw_bounding_boxes``. Checked against: the pixels that must and must not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import torch
from torch import Tensor
from torchvision.utils import draw_bounding_boxes

# Okabe and Ito's colours: apart for colour-blind readers, and of different brightness.
COLORS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")


def draw_detections(image: Tensor, detection: dict[str, Tensor], names: Sequence[str] = ()) -> Tensor:
    """A copy of the image with each box, its class and its score.

    Args:
        image: ``(3, H, W)`` float in 0..1 or uint8.
        detection: ``boxes`` (K, 4) xyxy in pixels, ``labels`` (K,), and perhaps ``scores`` (K,).
        names: of the classes; numbers are drawn without.

    Returns:
        ``(3, H, W)`` uint8.
    """
    if image.is_floating_point():
        image = (image * 255).round().clamp(0, 255).to(torch.uint8)
    if len(detection["boxes"]) == 0:
        return image.clone()
    labels = [int(v) for v in detection["labels"]]
    words = [names[v] if v < len(names) else str(v) for v in labels]
    if "scores" in detection:
        words = [f"{word} {score:.2f}" for word, score in zip(words, detection["scores"].tolist(), strict=True)]
    side = min(image.shape[-2:])
    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    # Least certain first, so that the most certain lie on top.
    order = torch.arange(len(labels)).flip(0).tolist()
    return draw_bounding_boxes(
        image,
        detection["boxes"][order].cpu(),
        labels=[words[i] for i in order],
        colors=[COLORS[labels[i] % len(COLORS)] for i in order],
        width=max(1, round(side / 240)),
        font=str(font),
        font_size=max(9, round(side / 36)),
    )
