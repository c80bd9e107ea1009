"""The photographs that may be shown: they are there, are what their boxes were drawn on, and say whose they are."""

from __future__ import annotations

import dataclasses

import pytest

from fcos_edu.data.photographs import CLASSES, PHOTOGRAPHS


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_each_is_where_its_package_has_it(name: str) -> None:
    photograph = PHOTOGRAPHS[name]
    image, target = photograph.read()
    height, width = image.shape[-2:]
    assert (height, width) in ((600, 512), (512, 512))
    boxes = target["boxes"]
    assert boxes.canvas_size == (height, width) and len(boxes) == len(target["labels"]) > 0
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2] <= width).all() and (boxes[:, 3] <= height).all()
    assert ((boxes[:, 2:] - boxes[:, :2]) > 100).all() and set(target["labels"].tolist()) == {CLASSES.index("person")}
    assert photograph.credit.endswith(("public domain", "CC0")) and photograph.link.startswith("https://")


def test_one_that_is_not_there_names_its_package() -> None:
    gone = dataclasses.replace(PHOTOGRAPHS["camera"], folder="no_such_package")
    assert gone.path is None
    with pytest.raises(FileNotFoundError, match="A man with a camera .* pip install scikit-image"):
        gone.read()
    assert dataclasses.replace(gone, folder="matplotlib").path is None, "a package that was packed without it"
