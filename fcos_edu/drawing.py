"""Detections drawn into the pixels of an image, for ``fcos-edu detect`` and the book.

The boxes are torchvision's ``draw_bounding_boxes``, the text is Pillow's. Checked against: the pixels that must and
must not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageColor, ImageDraw, ImageFont
from torch import Tensor
from torchvision.utils import draw_bounding_boxes

from .fonts import OURS, font_file, in_pictures

# Okabe and Ito's colours: apart for colour-blind readers, and of different brightness.
COLORS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")


def draw_detections(image: Tensor, detection: dict[str, Tensor], names: Sequence[str] = ()) -> Tensor:
    """A copy of the image with each box, its class and its score.

    Args:
        image: ``(3, H, W)`` float in 0..1 or uint8.
        detection: ``boxes`` (K, 4) xyxy in pixels, ``labels`` (K,), and perhaps ``scores`` (K,).
        names: of the classes; numbers are drawn without, and ``class 3`` where no font has a name's letters.

    Returns:
        ``(3, H, W)`` uint8.
    """
    if image.is_floating_point():
        image = (image * 255).round().clamp(0, 255).to(torch.uint8)
    if len(detection["boxes"]) == 0:
        return image.clone()
    labels = [int(v) for v in detection["labels"]]
    words = [in_pictures(names[v], v) if v < len(names) else str(v) for v in labels]
    if "scores" in detection:
        words = [f"{word} {score:.2f}" for word, score in zip(words, detection["scores"].tolist(), strict=True)]
    side = min(image.shape[-2:])
    # Least certain first, so that the most certain lie on top.
    order = torch.arange(len(labels)).flip(0).tolist()
    colors = [COLORS[labels[i] % len(COLORS)] for i in order]
    boxes = detection["boxes"][order].cpu()
    drawn = draw_bounding_boxes(image, boxes, colors=colors, width=max(1, round(side / 240)))

    picture = Image.fromarray(drawn.permute(1, 2, 0).cpu().numpy())
    draw_labels(picture, boxes.tolist(), [words[i] for i in order], colors)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def draw_labels(
    picture: Image.Image, boxes: Sequence[Sequence[float]], words: Sequence[str], colors: Sequence[str]
) -> None:
    """Write the words of each box into the picture itself, the last on top.

    On a plate of the box's colour: torchvision writes in that colour onto the picture, which is hard to read.

    Args:
        picture: RGB.
        boxes: xyxy in its pixels.
        words: of each box; a letter that no font has becomes a question mark
            (:func:`~fcos_edu.fonts.in_pictures` says more).
        colors: of each box, as ``#rrggbb``.
    """
    pen = ImageDraw.Draw(picture)
    size = max(9, round(min(picture.size) / 40))
    for (x0, y0, _, _), text, color in zip(boxes, words, colors, strict=True):
        if font_file(text) is None:
            text = "".join(c if font_file(c) == OURS else "?" for c in text)
        font = label_font(size, text)
        left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
        x = max(0.0, min(x0, picture.width - (right + 4)))  # inside the picture, above the box where there is room
        y = y0 - (bottom + 3) if y0 >= bottom + 3 else y0
        pen.rectangle((x, y, x + right + 3, y + bottom + 2), fill=color)
        ink = "black" if sum(ImageColor.getrgb(color)[:3]) > 300 else "white"
        pen.text((x + 2, y + 1), text, font=font, fill=ink)


def label_font(size: int, text: str = "") -> ImageFont.FreeTypeFont:
    """The font of words in pictures, ``size`` pixels high: one that has all letters of the text, where there is one."""
    return _font(font_file(text) or OURS, size)


@cache
def _font(file: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(file), size)
