"""Picture files: every kind becomes RGB, and a broken one is named."""

from __future__ import annotations

from pathlib import Path

import matplotlib.cbook
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors

from fcos_edu.data.decoding import CorruptImageError, image_size, read_image

PHOTOGRAPH = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)


def test_read_image_of_a_photograph() -> None:
    image = read_image(PHOTOGRAPH)
    with Image.open(PHOTOGRAPH) as picture:
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.array(picture))
        assert image_size(PHOTOGRAPH) == picture.size == (image.shape[2], image.shape[1])
    assert isinstance(image, tv_tensors.Image) and image.dtype == torch.uint8


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_every_kind_of_image_becomes_rgb(tmp_path, mode: str) -> None:
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    Image.new("RGB", (7, 5), (255, 255, 255)).convert(mode).save(path)
    image = read_image(path)
    assert image.shape == (3, 5, 7) and (image == 255).all()


def test_a_jpeg_that_is_cut_off_is_corrupt(tmp_path) -> None:
    whole = Path(PHOTOGRAPH).read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptImageError, match="a.jpg cannot be read as an image .*truncated"):
        read_image(tmp_path / "a.jpg")
