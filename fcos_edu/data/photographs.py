"""Photographs of people that anybody may show, as other packages bring them (no part of the paper).

Taught in the chapter *Why throw the anchors away*. Checked against the files of matplotlib and scikit-image.

None of them lies in this package. matplotlib, which it needs anyway, brings one; where scikit-image is installed, there
are two more. Their true boxes were drawn by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torchvision import tv_tensors

from .decoding import read_image

CLASSES = ("person",)


@dataclass(frozen=True)
class Photograph:
    """A photograph: where it lies, whose it is, and its people."""

    title: str
    package: str  # that brings it, as pip calls it
    folder: str  # of the package, as Python imports it
    file: str  # in that folder
    credit: str  # whose it is, and under which terms
    link: str  # where that stands
    boxes: tuple[tuple[float, float, float, float], ...]  # of its people, xyxy in pixels

    @property
    def path(self) -> Path | None:
        """Where the file is; None where the package is not installed, or was packed without it."""
        found = find_spec(self.folder)
        folders = (found and found.submodule_search_locations) or []
        return next((path for folder in folders if (path := Path(folder) / self.file).is_file()), None)

    def read(self) -> tuple[tv_tensors.Image, dict[str, Any]]:
        """The picture, uint8 (3, H, W), and its target: `boxes` (M, 4), xyxy, and `labels`, all 0 for a person.

        Raises FileNotFoundError, which names the package that brings it, and CorruptImageError.
        """
        if self.path is None:
            raise FileNotFoundError(f"{self.title} is not on this machine; it comes with: pip install {self.package}")
        image = read_image(self.path)
        height, width = image.shape[-2:]
        boxes = tv_tensors.BoundingBoxes(  # type: ignore[call-overload]
            torch.tensor(self.boxes), format="XYXY", canvas_size=(height, width)
        )
        return image, {"boxes": boxes, "labels": torch.zeros(len(boxes), dtype=torch.int64)}


#: The photographs by short names.
PHOTOGRAPHS = {
    "hopper": Photograph(
        "Grace Hopper",
        package="matplotlib",
        folder="matplotlib",
        file="mpl-data/sample_data/grace_hopper.jpg",
        credit="Grace Hopper, United States Navy; public domain",
        link="https://commons.wikimedia.org/wiki/File:Grace_Hopper.jpg",
        boxes=((11, 23, 512, 600),),
    ),
    "collins": Photograph(
        "Eileen Collins",
        package="scikit-image",
        folder="skimage",
        file="data/astronaut.png",
        credit="Eileen Collins, NASA; public domain",
        link="https://flic.kr/p/r9qvLn",
        boxes=((22, 15, 362, 512),),
    ),
    "camera": Photograph(
        "A man with a camera",
        package="scikit-image",
        folder="skimage",
        file="data/camera.png",
        credit="A man with a camera, by Lav Varshney; CC0",
        link="https://github.com/scikit-image/scikit-image/issues/3927",
        boxes=((0, 63, 332, 512),),
    ),
}
