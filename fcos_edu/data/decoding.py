"""Picture files to tensors (Sec. 4, training data).

Taught in the chapter *Your own boxes*. Checked against Pillow, with every kind of image that it converts and with files
that are cut off.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torchvision import tv_tensors

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


class CorruptImageError(RuntimeError):
    """An image file that cannot be decoded; `path` names it.

    Out of a worker process of a DataLoader comes the text alone, with the name in it: torch builds such
    errors anew from their text. `path` is None then.
    """

    def __init__(self, path: str | Path, reason: str | None = None) -> None:
        super().__init__(path, reason)
        self.path = Path(path) if reason is not None else None
        self.reason = reason

    def __str__(self) -> str:
        if self.reason is None:
            return str(self.args[0])
        return (
            f"{self.path} cannot be read as an image ({self.reason}). "
            'Replace the file, or load the dataset with on_corrupt="skip" to leave such images out.'
        )


def read_image(path: str | Path) -> tv_tensors.Image:
    """Decode an image file to (3, H, W) uint8 RGB; grey and palette images are converted.

    The camera's rotation flag is not applied, because COCO and VOC boxes are given in the stored pixels.
    Raises CorruptImageError, which names the file.
    """
    try:
        with Image.open(path) as picture:
            pixels = np.array(picture.convert("RGB"))
    except FileNotFoundError:
        raise CorruptImageError(path, "there is no such file") from None
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise CorruptImageError(path, str(error) or type(error).__name__) from error
    return tv_tensors.Image(torch.from_numpy(pixels).permute(2, 0, 1).contiguous())


def image_size(path: str | Path) -> tuple[int, int]:
    """(width, height) of an image file in pixels, from its header alone. Raises CorruptImageError."""
    try:
        with Image.open(path) as picture:
            return picture.size
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise CorruptImageError(path, str(error) or type(error).__name__) from error
