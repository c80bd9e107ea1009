"""Augmentation: torchvision is the oracle; boxes stay in the image and with their labels."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import tv_tensors

from fcos_edu.data.dataset import make_target
from fcos_edu.data.shapes import ShapesDataset
from fcos_edu.data.transforms import RandomWindow, RandomZoom, eval_transforms, resize, train_transforms

DATASET = ShapesDataset(6, size=(96, 160))


def sample(boxes, height: int = 60, width: int = 80):
    image = tv_tensors.Image(torch.zeros(3, height, width, dtype=torch.uint8))
    return image, make_target(boxes, list(range(len(boxes))), 1, height, width)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 5), st.integers(0, 2**31), st.sampled_from(["none", "flip", "strong", "jitter"]), st.booleans())
def test_whatever_happens_samples_stay_well_formed(index: int, seed: int, augment: str, resized: bool) -> None:
    torch.manual_seed(seed)
    pipeline = train_transforms((64, 96) if resized else None, 140, augment=augment, vertical_flip=0.5)
    image, target = pipeline(*DATASET[index])
    assert image.dtype == torch.float32 and image.min() >= 0 and image.max() <= 1
    height, width = image.shape[-2:]
    boxes = target["boxes"]
    assert len(boxes) == len(target["labels"])
    assert isinstance(boxes, tv_tensors.BoundingBoxes) and boxes.canvas_size == (height, width)
    assert (boxes >= 0).all() and (boxes[:, 2] <= width).all() and (boxes[:, 3] <= height).all()
    assert ((boxes[:, 2:] - boxes[:, :2]) >= 1).all()
    assert target["image_id"] == index + 1
    if augment == "jitter":
        assert height == width, "batches need no padding"
    if resized:
        assert min(height, width) in (64, 84, 96) and max(height, width) <= 140


def test_short_and_long_side() -> None:
    image, target = resize(800, 1333)(*sample([[10, 20, 30, 40]], 480, 640))
    assert image.shape == (3, 800, 1066)
    assert torch.allclose(
        target["boxes"].data, torch.tensor([[10.0, 20, 30, 40]]) * torch.tensor([1066 / 640, 800 / 480] * 2)
    )
    image, _ = resize(800, 1333)(*sample([], 300, 900))  # the long side decides
    assert image.shape == (3, 444, 1333)
    shapes = {resize((64, 72, 80), None)(*sample([]))[0].shape[1] for _ in range(60)}
    assert shapes == {64, 72, 80}
    with pytest.raises(ValueError, match="min_size is 0"):
        resize(0)


def test_flips_mirror_image_and_boxes() -> None:
    image, target = DATASET[0]
    mirrored, moved = train_transforms(None, flip=1.0)(image, target)
    assert torch.allclose(mirrored, image.flip(-1) / 255)
    expected = torch.stack(
        [
            160 - target["boxes"][:, 2],
            target["boxes"][:, 1],
            160 - target["boxes"][:, 0],
            target["boxes"][:, 3],
        ],
        1,
    )
    assert torch.allclose(moved["boxes"].data, expected.as_subclass(torch.Tensor))
    upside, moved = train_transforms(None, flip=0.0, vertical_flip=1.0)(image, target)
    assert torch.allclose(upside, image.flip(-2) / 255)
    assert torch.allclose(moved["boxes"][:, 1], 96 - target["boxes"][:, 3])


def test_evaluation_only_scales_values() -> None:
    image, target = DATASET[1]
    same, kept = eval_transforms()(image, target)
    assert torch.allclose(same, image / 255)
    assert torch.equal(kept["boxes"], target["boxes"]) and torch.equal(kept["labels"], target["labels"])
    assert eval_transforms(48)(image, target)[0].shape == (3, 48, 80)
    again, _ = train_transforms(None, augment="none", flip=1.0, vertical_flip=1.0)(image, target)
    assert torch.equal(again, same)


def test_bad_boxes_fall_out_with_their_labels() -> None:
    boxes = [[70, 50, 90, 80], [10, 10, 10.5, 30], [20, 20, 30, 30], [90, 10, 95, 20]]
    _, target = eval_transforms()(*sample(boxes))
    assert target["boxes"].tolist() == [[70, 50, 80, 60], [20, 20, 30, 30]]
    assert target["labels"].tolist() == [0, 2]
    _, none = train_transforms(None, augment="strong")(*sample([]))
    assert none["boxes"].shape == (0, 4) and none["labels"].shape == (0,)


@pytest.mark.parametrize("seed", range(8))
def test_zoom_moves_boxes_with_the_picture(seed: int) -> None:
    # A white rectangle on black: after the zoom its box must still be the box of the white pixels.
    image = tv_tensors.Image(torch.zeros(3, 120, 160, dtype=torch.uint8))
    image[:, 50:70, 60:100] = 255
    target = make_target([[60, 50, 100, 70], [0, 0, 1, 1]], [0, 1], 1, 120, 160)
    torch.manual_seed(seed)
    zoomed, moved = RandomZoom((0.6, 1.5), shift=0.1, fill=0)(image, target)
    y, x = torch.nonzero(zoomed[0] > 127, as_tuple=True)
    white = torch.tensor([x.min(), y.min(), x.max() + 1, y.max() + 1], dtype=torch.float32)
    assert zoomed.shape == image.shape
    assert torch.allclose(moved["boxes"].data[0], white, atol=1.01)
    assert moved["labels"][0] == 0 and len(moved["boxes"]) == len(moved["labels"])


def test_zoom_drops_a_box_whose_centre_leaves_the_canvas() -> None:
    image, target = sample([[0, 0, 10, 10], [30, 20, 50, 40]])
    _, moved = RandomZoom((2.0, 2.0), shift=0.0)(image, target)
    assert moved["labels"].tolist() == [1]
    assert moved["boxes"].tolist() == [[20, 10, 60, 50]]
    with pytest.raises(ValueError, match=r"\(2, 1\)"):
        RandomZoom((2, 1))


@pytest.mark.parametrize("seed", range(12))
def test_a_window_takes_its_boxes_along(seed: int) -> None:
    """A white rectangle on black, in a window that is smaller, larger or askew: its box is that of the white pixels."""
    image = tv_tensors.Image(torch.zeros(3, 240, 320, dtype=torch.uint8))
    image[:, 100:140, 120:200] = 255
    target = make_target([[120, 100, 200, 140], [0, 0, 1, 1]], [0, 1], 1, 240, 320)
    torch.manual_seed(seed)
    seen, moved = RandomWindow((0.6, 1.4), stretch=1.5, fill=0)(image, target)
    assert seen.shape == (3, 240, 240) and moved["boxes"].canvas_size == (240, 240)
    assert len(moved["boxes"]) == len(moved["labels"])
    if 0 not in moved["labels"]:
        return
    cut = moved["boxes"].as_subclass(torch.Tensor)[0].clamp(0, 240)
    y, x = torch.nonzero(seen[0] > 127, as_tuple=True)
    white = torch.tensor([x.min(), y.min(), x.max() + 1, y.max() + 1], dtype=torch.float32)
    assert torch.allclose(cut, white, atol=1.01)


def test_windows_differ_in_size_place_and_shape() -> None:
    widths, sides, places = set(), set(), set()
    for seed in range(40):
        torch.manual_seed(seed)
        _, moved = RandomWindow((0.5, 2.0), stretch=1.25)(*sample([[35, 25, 45, 35]]))
        for x0, y0, x1, y1 in moved["boxes"].tolist():
            width, height = x1 - x0, y1 - y0
            assert 10 * 0.45 <= width <= 10 * 2.3 and 1 / 1.35 <= width / height <= 1.35
            widths.add(round(width))
            sides.add(round(width / height, 1))
            places.add((round(x0), round(y0)))
    assert len(widths) > 8 and len(sides) > 3 and len(places) > 20
    image, target = sample([[30, 20, 50, 40]], 60, 60)
    image += 9
    same, kept = RandomWindow((1.0, 1.0), stretch=1.0)(image, target)
    assert torch.equal(same, image) and torch.equal(kept["boxes"], target["boxes"]), "of a square, all of it"
    half, kept = RandomWindow((0.5, 0.5), stretch=1.0)(image, target)
    assert (half < 66).float().mean() == pytest.approx(1 / 4, abs=0.02), "the rest of the window is bare"
    assert (kept["boxes"][:, 2:] - kept["boxes"][:, :2]).tolist() == [[10, 10]]
    gone = [RandomWindow((4.0, 4.0))(image, target)[1]["labels"].tolist() for _ in range(40)]
    assert [] in gone and [0] in gone, "a box goes with its centre"
    with pytest.raises(ValueError, match=r"\(2, 1\)"):
        RandomWindow((2, 1))
    with pytest.raises(ValueError, match="stretch is 0.9"):
        RandomWindow(stretch=0.9)


def test_colour_changes_pixels_and_not_boxes() -> None:
    image, target = DATASET[2]
    torch.manual_seed(0)
    changed, kept = train_transforms(None, flip=0.0, colour=0.5)(image, target)
    assert not torch.allclose(changed, image / 255, atol=0.02)
    assert torch.equal(kept["boxes"], target["boxes"])


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="'mosaic'; it must be one of none, flip, strong, jitter"):
        train_transforms(augment="mosaic")
    with pytest.raises(ValueError, match=r"flip is 1\.5"):
        train_transforms(flip=1.5)


def test_a_thin_picture_keeps_a_side() -> None:
    """3000 × 20 with a long side of at most 64: torchvision leaves nothing of the short one, in the middle of a run."""
    image, target = resize(64, 64)(*sample([[10, 2, 40, 15]], 20, 3000))
    assert image.shape == (3, 1, 64) and target["boxes"].canvas_size == (1, 64)
    assert train_transforms((64,), 64, augment="jitter")(*sample([[10, 2, 40, 15]], 20, 3000))[0].shape == (3, 1, 1)
    for augment in ("none", "flip", "strong"):
        assert train_transforms((64,), 64, augment=augment)(*sample([[10, 2, 40, 15]], 20, 3000))[0].shape == (3, 1, 64)
