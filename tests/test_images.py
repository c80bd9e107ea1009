"""Images of any size to one batch, boxes along with them, and every refusal with the value it names."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.models import ResNet50_Weights
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.transforms.functional import gaussian_blur
from torchvision.tv_tensors import BoundingBoxes, BoundingBoxFormat

from fcos_edu import FCOSConfig
from fcos_edu.images import (
    IMAGE_MEAN,
    IMAGE_STD,
    ImageBatcher,
    as_xyxy,
    by_size,
    check_images,
    check_targets,
    check_thin,
    resized_size,
    scale_boxes,
)

CONFIG = FCOSConfig.tiny(num_classes=3, min_size=64, max_size=100)


def image(height: int = 48, width: int = 64, seed: int = 0) -> Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def target(boxes: list[Any], labels: list[int]) -> dict[str, Tensor]:
    return {"boxes": torch.tensor(boxes).reshape(-1, 4), "labels": torch.tensor(labels, dtype=torch.int64)}


# ------------------------------------------------------------------ sizes
@pytest.mark.parametrize(
    ("size", "want"),
    [
        ((480, 640), (800, 1067)),  # short side to 800
        ((640, 480), (1067, 800)),
        ((400, 1000), (533, 1333)),  # long side to 1333
        ((800, 1333), (800, 1333)),
        ((1600, 1600), (800, 800)),
        ((1, 5000), (1, 1333)),  # never nothing
        ((4000, 3), (1333, 1)),
    ],
)
def test_the_papers_sizes(size: tuple[int, int], want: tuple[int, int]) -> None:
    assert resized_size(*size, FCOSConfig.paper()) == want


def test_torchvision_rounds_down() -> None:
    assert resized_size(480, 640, FCOSConfig.torchvision()) == (800, 1066)
    assert resized_size(3, 4000, FCOSConfig.torchvision()) == (1, 1333)  # to 0.99 pixels, but never to none


def test_boxes_scale_with_their_image() -> None:
    boxes = torch.tensor([[10.0, 20, 30, 40]])
    assert scale_boxes(boxes, (100, 200), (50, 400)).tolist() == [[20, 10, 60, 20]]
    assert scale_boxes(boxes, (100, 200), (100, 200)).tolist() == boxes.tolist()
    assert scale_boxes(torch.tensor([[1, 2, 3, 4]]), (9, 9), (9, 9)).dtype == torch.float32
    assert scale_boxes(torch.zeros(0, 4), (9, 9), (18, 9)).shape == (0, 4)
    back = scale_boxes(scale_boxes(boxes, (333, 500), (800, 1201)), (800, 1201), (333, 500))
    torch.testing.assert_close(back, boxes)


@pytest.mark.parametrize("other", [480, 640, 1000])
def test_a_side_on_the_border_stays_on_it(other: int) -> None:
    """Of an image of any size, there and back: in float32 some would land outside, and a location on it inside."""
    config = FCOSConfig.paper()
    for side in range(300, 951):
        size = (side, other)
        new = resized_size(*size, config)
        whole = torch.tensor([[0.0, 0, other, side]])
        there = scale_boxes(whole, size, new)
        assert there.tolist() == [[0, 0, new[1], new[0]]], size
        assert scale_boxes(there, new, size).tolist() == whole.tolist(), size


# ------------------------------------------------------------------ the batch
def test_images_of_one_canvas_go_together_in_evaluation() -> None:
    sizes = [(48, 64), (100, 64), (45, 60), (64, 64), (96, 128)]  # canvases: 64x96, 128x64, 64x96, 64x64, 64x96
    images = [image(*size) for size in sizes]
    batcher = ImageBatcher(CONFIG).eval()
    assert batcher.groups(images) == [[0, 2, 4], [1], [3]]
    assert batcher.train().groups(images) == [[0, 1, 2, 3, 4]]
    quirks = ImageBatcher(CONFIG.replace(torchvision_quirks=True, location_offset="none")).eval()
    assert quirks.groups(images) == [[0, 1, 2, 3, 4]]


def test_by_size_keeps_the_order() -> None:
    images = [torch.zeros(3, *size) for size in ((4, 5), (6, 5), (4, 5), (5, 4))]
    calls: list[int] = []

    def detect(some: list[torch.Tensor]) -> list[tuple[int, ...]]:
        calls.append(len(some))
        return [tuple(one.shape) for one in some]

    assert by_size(detect, images) == [tuple(one.shape) for one in images]
    assert calls == [2, 1, 1]


def test_an_image_of_the_right_size_is_only_normalised() -> None:
    x = image(64, 96)
    batch, _ = ImageBatcher(CONFIG)([x], None)
    assert batch.sizes == [(64, 96)]
    mean, std = torch.tensor(IMAGE_MEAN)[:, None, None], torch.tensor(IMAGE_STD)[:, None, None]
    torch.testing.assert_close(batch.tensor[0], (x - mean) / std)


def test_a_batch_is_padded_with_zeros_at_the_right_and_bottom() -> None:
    images = [image(48, 64), image(100, 64, seed=1), image(64, 64, seed=2)]
    batch, _ = ImageBatcher(CONFIG)(images, None)
    assert batch.sizes == [(64, 85), (100, 64), (64, 64)]
    assert batch.tensor.shape == (3, 3, 128, 96)  # multiples of 32
    for row, (height, width) in zip(batch.tensor, batch.sizes, strict=True):
        assert (row[:, height:] == 0).all() and (row[:, :, width:] == 0).all()
        assert (row[:, :height, :width] != 0).float().mean() > 0.99


@pytest.mark.parametrize("divisor", [1, 32, 128])
def test_the_canvas_is_a_multiple_of_the_divisor(divisor: int) -> None:
    batch, _ = ImageBatcher(CONFIG.replace(size_divisor=divisor))([image(48, 64)], None)
    height, width = batch.tensor.shape[-2:]
    assert (height, width) == (math.ceil(64 / divisor) * divisor, math.ceil(85 / divisor) * divisor)


def test_targets_follow_and_the_callers_stay_as_they_were() -> None:
    one = target([[0.0, 0, 32, 24], [16, 12, 64, 48]], [0, 2])
    kept = {k: v.clone() for k, v in one.items()}
    empty = target([], [])
    batch, scaled = ImageBatcher(CONFIG)([image(48, 64), image(64, 64)], [one, empty])
    assert scaled is not None and batch.sizes[0] == (64, 85)
    x, y = 85 / 64, 64 / 48
    want = torch.tensor([[0, 0, 32 * x, 24 * y], [16 * x, 12 * y, 64 * x, 48 * y]])
    torch.testing.assert_close(scaled[0]["boxes"], want)
    assert torch.equal(scaled[0]["labels"], one["labels"])
    assert scaled[1]["boxes"].shape == (0, 4)
    assert all(torch.equal(one[k], kept[k]) for k in one)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.float32])
def test_any_float_image_becomes_the_networks_type(dtype: torch.dtype) -> None:
    x = image()
    batch, _ = ImageBatcher(CONFIG)([x.to(dtype)], None)
    want, _ = ImageBatcher(CONFIG)([x], None)
    assert batch.tensor.dtype == torch.float32
    torch.testing.assert_close(batch.tensor, want.tensor, atol=3e-3, rtol=0)


@pytest.mark.parametrize("size", [(48, 64), (64, 96)])
def test_bytes_are_the_same_image(size: tuple[int, int]) -> None:
    raw = (image(*size) * 255).byte()
    kept = raw.clone()
    both, _ = ImageBatcher(CONFIG)([raw, raw / 255], None)
    torch.testing.assert_close(both.tensor[0], both.tensor[1], atol=1e-6, rtol=0)
    assert both.tensor.abs().max() > 1 and torch.equal(raw, kept)


def test_a_gradient_reaches_the_image() -> None:
    x = image().requires_grad_()
    batch, _ = ImageBatcher(CONFIG)([x, image(64, 64)], None)
    batch.tensor.sum().backward()
    assert x.grad is not None and (x.grad != 0).all()


@pytest.mark.parametrize("size", [(375, 500), (640, 427), (333, 500), (800, 1333), (97, 31)])
def test_the_torchvision_preset_prepares_as_torchvision(size: tuple[int, int]) -> None:
    config = FCOSConfig.torchvision(min_size=160, max_size=267)
    theirs = GeneralizedRCNNTransform(160, 267, list(IMAGE_MEAN), list(IMAGE_STD)).eval()
    images = [image(*size), image(200, 150, seed=1)]
    targets = [target([[1.0, 2, 20, 25]], [1]), target([[5.0, 6, 149, 199], [0, 0, 9, 9]], [0, 2])]
    batch, scaled = ImageBatcher(config)(images, targets)
    want, wanted = theirs(images, [dict(t) for t in targets])
    assert batch.sizes == want.image_sizes
    torch.testing.assert_close(batch.tensor, want.tensors, atol=1e-5, rtol=0)
    assert scaled is not None
    for ours, other in zip(scaled, wanted, strict=True):
        torch.testing.assert_close(ours["boxes"], other["boxes"], atol=1e-4, rtol=0)


def test_resizing_is_bilinear() -> None:
    x = image(32, 40)
    batch, _ = ImageBatcher(CONFIG)([x], None)
    mean, std = torch.tensor(IMAGE_MEAN)[:, None, None], torch.tensor(IMAGE_STD)[:, None, None]
    want = F.interpolate(((x - mean) / std)[None], size=(64, 80), mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(batch.tensor[0, :, :64, :80], want)


# ------------------------------------------------------------------ images that are refused
@pytest.mark.parametrize(
    ("images", "kind", "sentence"),
    [
        ([], ValueError, "images is empty"),
        (image(), ValueError, r"images is one tensor of shape \(3, 48, 64\); give a list"),
        (["cat.jpg"], TypeError, "image 0 is a str"),
        ([image(), None], TypeError, "image 1 is a NoneType"),
        ([image().permute(1, 2, 0)], ValueError, r"shape \(48, 64, 3\).*try image.permute\(2, 0, 1\)"),
        ([image()[:1]], ValueError, r"shape \(1, 48, 64\).*try image.expand\(3, -1, -1\)"),
        ([image()[0]], ValueError, r"shape \(48, 64\); it must be \(3, H, W\)"),
        ([image()[None]], ValueError, r"shape \(1, 3, 48, 64\)"),
        ([torch.rand(4, 8, 8)], ValueError, r"shape \(4, 8, 8\)"),
        ([torch.rand(3, 0, 8)], ValueError, r"shape \(3, 0, 8\)"),
        ([torch.zeros(3, 8, 8, dtype=torch.int64)], TypeError, "image 0 has dtype torch.int64; it must be uint8, or"),
        ([(image() * 255).byte().permute(1, 2, 0)], ValueError, r"try image.permute\(2, 0, 1\)"),
        ([image(), image().clamp(max=0.5) + 100], ValueError, "image 1 has values from 100 to 100.5.*divide by 255"),
        ([torch.full((3, 8, 8), -0.25)], ValueError, r"values from -0.25 to -0.25; they must lie in 0\.\.1$"),
        ([torch.full((3, 8, 8), math.inf)], ValueError, "values from inf to inf"),
        ([torch.full((3, 8, 8), 1e6)], ValueError, r"values from 1e\+06 to 1e\+06; they must lie in 0\.\.1$"),
    ],
)
def test_images_that_are_refused(images: Any, kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind, match=sentence):
        check_images(images)


@pytest.mark.parametrize("layout", ["planes", "as decoders write", "a crop", "turned"])
def test_one_nan_among_good_pixels_is_found(layout: str) -> None:
    x = image()
    if layout != "planes":
        x = x.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    x = x[:, 3:, 4:-2] if layout == "a crop" else x.mT if layout == "turned" else x
    x[1, 5, 7] = math.nan
    with pytest.raises(ValueError, match="image 0 has values from nan to nan"):
        check_images([x])


def test_only_a_grey_image_is_told_to_repeat_its_channel() -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 8, 9\).*repeat the grey channel"):
        check_images([torch.rand(1, 8, 9)])
    with pytest.raises(ValueError, match=r"shape \(1, 3, 8, 9\); it must be \(3, H, W\)$"):  # a batch of one
        check_images([torch.rand(1, 3, 8, 9)])


def test_images_that_are_accepted() -> None:
    check_images([torch.zeros(3, 1, 1), torch.ones(3, 5, 9), image().double(), image().half()])
    check_images([(image() * 255).byte(), image()])
    check_images(torch.rand(2, 3, 8, 8))  # type: ignore[arg-type]  # a batch tensor iterates like a list


# ------------------------------------------------------------------ white is 1, but for rounding
@pytest.mark.parametrize("how", ["resize", "antialias", "blur", "bicubic"])
@pytest.mark.parametrize("side", range(33, 76, 3))
def test_a_white_image_is_accepted_after_what_is_done_to_images(side: int, how: str) -> None:
    """22 of 43 sizes were refused with "has values from 1 to 1"."""
    white = torch.ones(1, 3, 100, 90)
    if how == "blur":
        changed = gaussian_blur(white[0], [5, 5], [side / 30])
    elif how == "bicubic":
        changed = F.interpolate(white, size=(side, side), mode="bicubic", antialias=True)[0]
    else:
        changed = F.interpolate(white, size=(side, side), mode="bilinear", antialias=how == "antialias")[0]
    check_images([changed, 1 - changed])  # black too


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_rounding_is_clamped(dtype: torch.dtype) -> None:
    step = torch.finfo(dtype).eps
    over, under = torch.full((3, 64, 64), 1 + 2 * step, dtype=dtype), torch.full((3, 64, 64), -2 * step, dtype=dtype)
    check_images([over, under])
    batch, _ = ImageBatcher(CONFIG)([over, under], None)
    want, _ = ImageBatcher(CONFIG)([torch.ones(3, 64, 64), torch.zeros(3, 64, 64)], None)
    assert torch.equal(batch.tensor, want.tensor)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (1.00001, r"has values from 1.0000\d* to 1.0000\d*; they must lie in 0\.\.1$"),
        (-1e-5, r"has values from -1e-05 to -1e-05; they must lie in 0\.\.1$"),
        (1.2, r"has values from 1.2 to 1.2; they must lie in 0\.\.1$"),
    ],
)
def test_more_than_rounding_is_refused_with_its_digits(value: float, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_images([torch.full((3, 8, 8), value)])
    with pytest.raises(ValueError, match=r"from 1.00000\d+ to"):
        check_images([torch.full((3, 8, 8), 1 + 2e-6)])  # six digits would say 1


# ------------------------------------------------------------------ boxes that say their format
FORMATS = {  # the same box, (10, 20) to (40, 60)
    "XYXY": [10.0, 20, 40, 60],
    "XYWH": [10.0, 20, 30, 40],
    "CXCYWH": [25.0, 40, 30, 40],
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_boxes_are_read_by_their_format(kind: str, dtype: torch.dtype) -> None:
    boxes = BoundingBoxes(torch.tensor([FORMATS[kind]]).to(dtype), format=kind, canvas_size=(64, 96))  # type: ignore[call-overload]
    one = {"boxes": boxes, "labels": torch.tensor([1])}
    assert type(as_xyxy(boxes)) is Tensor and as_xyxy(boxes).tolist() == [FORMATS["XYXY"]]
    assert as_xyxy(boxes[:0]).shape == (0, 4)
    check_targets([image(64, 96)], [one], 3)
    for size, factor in (((64, 96), 1), ((32, 48), 2)):  # as it is, and resized
        _, scaled = ImageBatcher(CONFIG)([image(*size)], [one])
        assert scaled is not None and type(scaled[0]["boxes"]) is Tensor
        assert scaled[0]["boxes"].tolist() == [[factor * v for v in FORMATS["XYXY"]]]


def test_a_box_is_refused_by_its_format() -> None:
    """Corners in the wrong order are fine as sides; sides that are negative are not."""
    sides = BoundingBoxes(torch.tensor([[30.0, 30, 5, 5]]), format="XYWH", canvas_size=(64, 96))  # type: ignore[call-overload]
    check_targets([image()], [{"boxes": sides, "labels": torch.tensor([0])}], 1)
    flat = BoundingBoxes(torch.tensor([[3.0, 3, 5, 0]]), format="XYWH", canvas_size=(64, 96))  # type: ignore[call-overload]
    with pytest.raises(ValueError, match=r"box 0 is \[3.0, 3.0, 8.0, 3.0\]"):
        check_targets([image()], [{"boxes": flat, "labels": torch.tensor([0])}], 1)


@pytest.mark.parametrize("kind", [k for k in BoundingBoxFormat.__members__ if k not in FORMATS])
def test_rotated_boxes_are_refused(kind: str) -> None:
    width = 8 if kind == "XYXYXYXY" else 5
    boxes = BoundingBoxes(torch.ones(2, width), format=kind, canvas_size=(64, 96))  # type: ignore[call-overload]
    with pytest.raises(
        ValueError, match=f"boxes have the format {kind}; FCOS finds upright boxes: convert them to XYXY"
    ):
        check_targets([image()], [{"boxes": boxes, "labels": torch.tensor([0, 0])}], 1)


def test_a_centre_between_pixels_stays_there() -> None:
    odd = BoundingBoxes(torch.tensor([[5.0, 6.0, 3.0, 5.0]]), format="CXCYWH", canvas_size=(64, 96))  # type: ignore[call-overload]
    assert as_xyxy(odd).tolist() == [[3.5, 3.5, 6.5, 8.5]]


def test_what_training_leaves_evaluation_resizes() -> None:
    batcher = ImageBatcher(CONFIG)
    batcher.resize_in_training = False
    assert batcher.train().sizes([image(48, 64)])[0] == [(48, 64)]
    assert batcher.eval().sizes([image(48, 64)])[0] == [(64, 85)]


def test_a_thin_image_is_named_where_torchvision_resizes() -> None:
    check_thin([image(), torch.rand(3, 4, 4000)], 1333)
    with pytest.raises(
        ValueError, match="an image is 4000 x 3; with a long side of at most 1333 nothing is left of its"
    ):
        check_thin([image(), torch.rand(3, 3, 4000)], 1333)


# ------------------------------------------------------------------ targets that are refused
GOOD = [0.0, 0.0, 10.0, 10.0]


@pytest.mark.parametrize(
    ("targets", "sentence"),
    [
        ([], "1 image but 0 targets"),
        ([target([GOOD], [0])] * 2, "1 image but 2 targets"),
        ([torch.zeros(1, 4)], "target 0 is a Tensor; it must be a dict"),
        ([{"labels": torch.zeros(1, dtype=torch.int64)}], r"target 0 lacks the tensor 'boxes'; it has \['labels'\]"),
        ([{"boxes": torch.zeros(1, 4)}], "target 0 lacks the tensor 'labels'"),
        ([{"boxes": [GOOD], "labels": torch.zeros(1)}], "target 0 lacks the tensor 'boxes'"),
        ([{"boxes": torch.tensor(GOOD), "labels": torch.tensor([0])}], r"boxes has shape \(4,\); it must be \(M, 4\)"),
        ([{"boxes": torch.zeros(1, 5), "labels": torch.tensor([0])}], r"boxes has shape \(1, 5\)"),
        ([target([GOOD, GOOD], [0])], r"2 boxes but labels of shape \(1,\)"),
        ([{"boxes": torch.tensor([GOOD]), "labels": torch.tensor([0.0])}], "labels has dtype torch.float32"),
        ([{"boxes": torch.tensor([GOOD]), "labels": torch.tensor([True])}], "labels has dtype torch.bool"),
        ([target([GOOD, [5.0, 5, 5, 9]], [0, 0])], r"box 1 is \[5.0, 5.0, 5.0, 9.0\].*x0 < x1 and y0 < y1"),
        ([target([[5.0, 9, 8, 5]], [0])], r"target 0: box 0 is \[5.0, 9.0, 8.0, 5.0\]"),
        ([target([GOOD, GOOD, [0, math.nan, 8, 5]], [0, 0, 0])], r"box 2 is \[0.0, nan, 8.0, 5.0\]; it must be finite"),
        ([target([[0.0, 0, math.inf, 5]], [0])], r"box 0 is \[0.0, 0.0, inf, 5.0\]; it must be finite"),
        ([target([GOOD, GOOD], [0, 3])], r"label 3 of box 1 is outside 0\.\.2 \(num_classes is 3"),
        ([target([GOOD], [-1])], r"label -1 of box 0 is outside 0\.\.2.*no background class"),
    ],
)
def test_targets_that_are_refused(targets: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_targets([image()], targets, num_classes=3)


def test_the_second_targets_number_is_named() -> None:
    with pytest.raises(ValueError, match="target 1: label 7 of box 0"):
        check_targets([image()] * 2, [target([GOOD], [0]), target([GOOD], [7])], num_classes=3)


def test_targets_that_are_accepted() -> None:
    whole = {"boxes": torch.tensor([[1, 2, 3, 4]]), "labels": torch.tensor([2], dtype=torch.int32)}
    # Partly outside the image, as after a crop, is no error: the assignment does not care.
    outside = target([[-5.0, -5, 999, 999]], [0])
    check_targets([image()] * 4, [target([], []), target([GOOD], [2]), whole, outside], num_classes=3)


def test_the_statistics_are_those_of_imagenet() -> None:
    """As torchvision prepares images for its pretrained weights."""
    prepare = ResNet50_Weights.IMAGENET1K_V1.transforms()
    grey = torch.full((3, 64, 64), 0.5)
    batch, _ = ImageBatcher(FCOSConfig.tiny(min_size=64, max_size=64))([grey], None)
    want = [(0.5 - mean) / std for mean, std in zip(prepare.mean, prepare.std, strict=True)]
    assert batch.tensor[0, :, 5, 7].tolist() == pytest.approx(want)


def test_the_statistics_are_in_no_checkpoint() -> None:
    assert not ImageBatcher(FCOSConfig.tiny()).state_dict()


def test_every_image_is_looked_at() -> None:
    """Bytes cannot be out of range; what comes after them can."""
    with pytest.raises(ValueError, match=r"image 1 has values from 0 to 1\.5"):
        check_images([torch.zeros(3, 8, 8, dtype=torch.uint8), torch.linspace(0, 1.5, 192).reshape(3, 8, 8)])


def test_each_target_needs_its_image() -> None:
    batcher = ImageBatcher(FCOSConfig.tiny())
    with pytest.raises(ValueError, match="zip"):
        batcher.scale([image()], [target([], []), target([], [])], [(48, 64)])


@pytest.mark.parametrize(("low", "high", "told"), [(0.0, 255.0, True), (0.0, 256.0, False), (-1.0, 255.0, False)])
def test_bytes_that_were_made_floats_are_recognised(low: float, high: float, told: bool) -> None:
    with pytest.raises(ValueError, match=r"they must lie in 0\.\.1") as caught:
        check_images([torch.linspace(low, high, 192).reshape(3, 8, 8)])
    assert ("divide by 255" in str(caught.value)) is told


def test_an_image_of_the_right_size_is_not_resized(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(F, "interpolate", lambda *_, **__: pytest.fail("it has its size"))
    batch, _ = ImageBatcher(CONFIG)([image(64, 96)], None)
    assert batch.sizes == [(64, 96)]
