"""The generator of shapes: frozen pictures, tight boxes, all sizes, overlap that stays recognisable."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from torchvision.ops import box_iou

from fcos_edu import FCOSConfig
from fcos_edu.data import load
from fcos_edu.data.boxes import Boxes
from fcos_edu.data.shapes import (
    _FULL,
    CLASSES,
    SPLITS,
    ShapesDataset,
    _coverage,
    _log_spread,
)
from fcos_edu.evaluation.ambiguity import ambiguity
from fcos_edu.evaluation.recall import best_possible_recall
from fcos_edu.locations import feature_sizes
from fcos_edu.targets import assign


def _sha(dataset: ShapesDataset, index: int) -> str:
    image, target = dataset[index]
    return hashlib.sha256(image.numpy().tobytes() + target["boxes"].numpy().tobytes()).hexdigest()


def test_recorded_pictures() -> None:
    # A change here changes every result that was measured on shapes: on purpose only.
    assert _sha(ShapesDataset(3), 0) == "57cc3e307a4a2b86d42ec174fd6e38100867c6c9ac05c50d1acf1909cd8f23ef"
    assert (
        _sha(ShapesDataset(3, "test", seed=7, size=(96, 160)), 2)
        == "af9909f218684f88b6e6e6232a09fa61fe85f1b417a2af05a88255e5d7689f60"
    )


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 20), st.sampled_from(sorted(SPLITS)))
def test_sample_is_well_formed(seed: int, index: int, split: str) -> None:
    dataset = ShapesDataset(21, split, seed=seed, size=(96, 160))
    image, target = dataset[index]
    assert image.shape == (3, 96, 160) and image.dtype == torch.uint8
    boxes, labels = target["boxes"], target["labels"]
    assert boxes.dtype == torch.float32 and labels.dtype == torch.int64
    assert 1 <= len(boxes) == len(labels) <= dataset.max_objects
    assert ((labels >= 0) & (labels < len(CLASSES))).all()
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2] <= 160).all() and (boxes[:, 3] <= 96).all()
    longer = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1)
    low, high = dataset.sizes
    assert (longer > low * 0.999).all() and (longer < high * 1.001).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 50))
def test_boxes_are_tight(seed: int, index: int) -> None:
    for shape in ShapesDataset(51, seed=seed, size=(128, 128)).shapes(index):
        rows, columns, coverage = _coverage(shape)
        y, x = np.nonzero(coverage)
        x1, y1, x2, y2 = shape.box
        # Painted pixels reach the box on every side to within the sampling inside one pixel or, for a sharp
        # corner of a large shape that is sampled once a pixel, to within a few.
        touched = (
            x.min() + columns.start,
            y.min() + rows.start,
            x.max() + columns.start,
            y.max() + rows.start,
        )
        slack = 1.3 if max(x2 - x1, y2 - y1) < 40 else 3.0
        assert x1 - 1 <= touched[0] <= x1 + slack and y1 - 1 <= touched[1] <= y1 + slack
        assert x2 - slack - 1 <= touched[2] <= x2 and y2 - slack - 1 <= touched[3] <= y2


def test_coverage_of_a_known_shape() -> None:
    # The area of a shape is known: pi/4 of its box for an upright disc or any affine image of one.
    for index in range(60):
        for shape in ShapesDataset(60).shapes(index):
            if shape.name in ("disc", "square", "triangle", "cross") and shape.area > 400:
                (a, b), (c, d) = shape.matrix
                unit = {"disc": np.pi, "square": 4.0, "triangle": 1.3125, "cross": 4 * 0.72 - 0.72**2}[shape.name]
                area = _coverage(shape)[2].sum() / _FULL
                assert area == pytest.approx(unit * abs(a * d - b * c), rel=0.03)


def test_independent_of_length_and_order() -> None:
    few, many = ShapesDataset(3), ShapesDataset(50)
    _ = many[49], many[10]
    assert torch.equal(few[2][0], many[2][0])
    assert torch.equal(few[2][1]["boxes"], many[2][1]["boxes"])
    assert torch.equal(few[-1][0], few[2][0])
    with pytest.raises(IndexError, match="image 3 of a dataset with 3"):
        few[3]


def test_pictures_differ_between_index_seed_and_split() -> None:
    digests = {
        _sha(ShapesDataset(4, split, seed=seed, size=(64, 64)), i)
        for split in SPLITS
        for seed in (0, 1)
        for i in range(4)
    }
    assert len(digests) == 3 * 2 * 4


@pytest.mark.parametrize(
    ("size", "bounds"), [((256, 256), (0, 16, 32, 64, 128, math.inf)), ((800, 1024), (0, 64, 128, 256, 512, math.inf))]
)
def test_all_five_levels_have_positives(size: tuple[int, int], bounds: tuple[float, ...]) -> None:
    config = FCOSConfig.paper(level_bounds=bounds)
    sizes = feature_sizes(*size, config.strides)
    dataset = ShapesDataset(40, size=size)
    counts = torch.zeros(5)
    for i in range(len(dataset)):
        boxes = torch.tensor([s.box for s in dataset.shapes(i)])
        matched = assign(boxes[None], torch.ones(1, len(boxes), dtype=torch.bool), sizes, config)[0]
        counts += torch.stack([(part >= 0).sum() for part in matched.split([h * w for h, w in sizes])])
    assert (counts > 10).all(), counts


def test_sizes_span_two_orders_of_magnitude_in_area() -> None:
    low, high = ShapesDataset(1).sizes
    assert (high / low) ** 2 > 100


def test_shapes_overlap_and_nest_but_stay_visible() -> None:
    dataset = ShapesDataset(60)
    ambiguous = nested = 0
    for index in range(60):
        shapes = dataset.shapes(index)
        on_top = np.full(dataset.size, -1)
        totals = []
        for number, shape in enumerate(shapes):
            rows, columns, coverage = _coverage(shape)
            on_top[rows, columns][coverage * 2 >= _FULL] = number
            totals.append((coverage * 2 >= _FULL).sum())
        seen = np.bincount(on_top[on_top >= 0], minlength=len(shapes))
        assert (seen >= dataset.min_visible * np.array(totals)).all()
        assert all(a.area >= b.area * 0.3 for a, b in zip(shapes[:-1], shapes[1:], strict=True))
        for i, a in enumerate(shapes):
            for b in shapes[i + 1 :]:
                ambiguous += a.box[0] < b.box[2] and b.box[0] < a.box[2] and a.box[1] < b.box[3] and b.box[1] < a.box[3]
                nested += a.box[0] < b.box[0] and a.box[1] < b.box[1] and a.box[2] > b.box[2] and a.box[3] > b.box[3]
    assert ambiguous > 60 and nested > 20


@given(st.floats(0, 1, exclude_max=True), st.floats(4, 100), st.floats(1.01, 200))
def test_log_spread_stays_in_range(unit: float, low: float, ratio: float) -> None:
    assert low <= _log_spread(unit, low, low * ratio) <= low * ratio * (1 + 1e-9)


def test_log_spread_gives_each_octave_the_same_share() -> None:
    values = [_log_spread(u, 8, 128) for u in np.arange(0.5, 4000) / 4000]
    counts, _ = np.histogram(values, bins=[8, 16, 32, 64, 128])
    assert counts.tolist() == [1000] * 4


def test_ground_truth_equals_targets() -> None:
    dataset = ShapesDataset(5, "val")
    truth = dataset.ground_truth()
    for index, image_id in enumerate(dataset.image_ids):
        _, target = dataset[index]
        mine = [a for a in truth["annotations"] if a["image_id"] == image_id]
        xywh = torch.tensor([a["bbox"] for a in mine])
        assert torch.allclose(torch.cat([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], 1), target["boxes"].data, atol=1e-4)
        assert [dataset.category_ids.index(a["category_id"]) for a in mine] == target["labels"].tolist()
    assert [a["id"] for a in truth["annotations"]] == list(range(1, len(truth["annotations"]) + 1))


def test_export_is_read_by_pycocotools_and_by_us(tmp_path) -> None:
    from fcos_edu.data import load

    dataset = ShapesDataset(4, "val", size=(64, 96))
    path = dataset.export_coco(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
    assert len(coco.imgs) == 4 and len(coco.anns) == sum(len(dataset.shapes(i)) for i in range(4))
    again = load(tmp_path, "val")
    assert again.classes == dataset.classes
    for index in range(4):
        assert torch.equal(again[index][0], dataset[index][0])
        assert torch.allclose(again[index][1]["boxes"], dataset[index][1]["boxes"], atol=1e-4)
        assert torch.equal(again[index][1]["labels"], dataset[index][1]["labels"])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"split": "dev"}, "'dev'.*train, val, test"),
        ({"num_images": 0}, "num_images is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"size": (16, 64)}, r"size is \(16, 64\)"),
        ({"sizes": (8, 300)}, r"\(8, 300\)"),
        ({"max_objects": 0}, "max_objects is 0"),
        ({"min_visible": 1.5}, r"min_visible is 1\.5"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        ShapesDataset(**arguments)


# ---- the hard ones


def hard(split: str = "train", images: int = 40) -> ShapesDataset:
    found = load("shapes-hard", split, num_images=images)
    assert isinstance(found, ShapesDataset)
    return found


def test_the_digest_of_the_default_is_what_records_hold() -> None:
    """It decides whether a run may be resumed, and whether a study's record goes on."""
    assert ShapesDataset(3).summary() == {"images": 3, "digest": "45d50bad9f64bf93"}
    assert ShapesDataset(3, thinnest=0.5).summary() != ShapesDataset(3).summary()
    assert ShapesDataset(3, thinnest=0.5).summary() != ShapesDataset(3, thinnest=0.4).summary()
    digests = {ShapesDataset(3, **more).summary()["digest"] for more in ({}, {"twins": 0.5}, {"thinnest": 0.5})}
    assert len(digests) == 3, "a share of one is none of the other"


def test_recorded_hard_pictures() -> None:
    assert _sha(hard(), 0) == "2701be6a693df305dc6c0f63863ddc0fb492c9069de89b4a1dbee805809e8e15"


def test_hard_shapes_ask_what_the_paper_asks() -> None:
    """Overlap, boxes that NMS must choose from, sizes, thin boxes both ways; the default has fewer of each."""

    def measured(dataset: ShapesDataset) -> tuple[float, float, float, float, float]:
        all_boxes = [np.array([shape.box for shape in dataset.shapes(index)]) for index in range(len(dataset))]
        boxes = np.concatenate(all_boxes)
        width, height = (boxes[:, 2:] - boxes[:, :2]).T
        inside = close = 0  # boxes whose centre lies in another one; that have one of their class with an IoU above 0.5
        for index, one in enumerate(all_boxes):
            centre = (one[:, :2] + one[:, 2:]) / 2
            within = (centre[:, None] > one[None, :, :2]).all(-1) & (centre[:, None] < one[None, :, 2:]).all(-1)
            inside += (within.sum(1) > 1).sum()
            labels = torch.tensor([shape.label for shape in dataset.shapes(index)])
            iou = box_iou(torch.tensor(one), torch.tensor(one)).fill_diagonal_(0)
            close += int(((iou > 0.5) & (labels[:, None] == labels)).any(1).sum())
        areas = width * height
        return (
            inside / len(dataset),
            close / len(boxes),
            areas.max() / areas.min(),
            (width < height / 3).mean(),
            (height < width / 3).mean(),
        )

    overlap, close, sizes, tall, wide = measured(hard())
    before = measured(ShapesDataset(40))
    assert overlap > 2 * before[0], "boxes of an image that lie in others"
    assert close > 0.1 > 0.02 > before[1] and sizes > 500 > before[2]
    assert tall > 0.1 and wide > 0.1 and before[3] == before[4] == 0


def test_hard_shapes_can_be_learnt() -> None:
    """Table 1 as a study's detector sees it: hardly a box lies between the locations, or on no level; P4 would lose
    more. And Table 2: samples are ambiguous, with the pyramid fewer.
    """
    boxes = Boxes.of(hard("test", 200).annotations())
    config = FCOSConfig.tiny(num_classes=5, min_size=256, max_size=256, center_sampling_radius=None)
    only = config.replace(levels=(4,), level_bounds=(0.0, math.inf))
    found, alone = (best_possible_recall(boxes, one, progress=False).recall for one in (config, only))
    assert 0.92 < found < 0.99 and alone < found - 0.05
    (positive, ambiguous, _), (positive_4, ambiguous_4, _) = (
        ambiguity(boxes, one, progress=False) for one in (config, only)
    )
    assert 0.1 < ambiguous / positive < 0.3 < ambiguous_4 / positive_4


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 20), st.sampled_from([(96, 160), (256, 256)]))
def test_a_twin_is_the_same_shape_moved_by_a_part_of_its_box(seed: int, index: int, size: tuple[int, int]) -> None:
    dataset = ShapesDataset(21, seed=seed, size=size, min_visible=0.2, twins=1.0)
    shapes, alone = dataset.shapes(index), ShapesDataset(21, seed=seed, size=size, min_visible=0.2).shapes(index)
    assert len(shapes) <= 2 * dataset.max_objects and shapes[0] == alone[0]
    for first, twin in zip(shapes, shapes[1:]):
        if first.matrix == twin.matrix:
            assert first.label == twin.label and first.centre != twin.centre
            iou = float(box_iou(torch.tensor([first.box]), torch.tensor([twin.box])))
            assert 0.6 / 1.4 - 1e-4 < iou < 0.8 / 1.2 + 1e-4
            assert min(twin.box) >= 0 and twin.box[2] <= size[1] and twin.box[3] <= size[0]


def test_as_many_twins_as_are_asked_for() -> None:
    def twins(chance: float) -> float:
        dataset = ShapesDataset(60, min_visible=0.2, twins=chance)
        pairs = [(a, b) for i in range(60) for a, b in zip(dataset.shapes(i), dataset.shapes(i)[1:])]
        count = sum(len(dataset.shapes(i)) for i in range(60))
        found = sum(a.matrix == b.matrix for a, b in pairs)
        return found / (count - found)

    assert twins(0.0) == 0
    assert 0.3 < twins(0.5) < 0.5 < twins(1.0), "a twin without a place is left out"


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 20))
def test_hard_boxes_are_tight_and_inside(seed: int, index: int) -> None:
    for shape in load("shapes-hard", num_images=21, seed=seed).shapes(index):
        rows, columns, coverage = _coverage(shape)
        y, x = np.nonzero(coverage)
        x1, y1, x2, y2 = shape.box
        assert x.size and 0 <= x1 < x2 <= 256 and 0 <= y1 < y2 <= 256
        assert x.min() + columns.start <= x1 + 3 and x.max() + columns.start >= x2 - 4
        assert y.min() + rows.start <= y1 + 3 and y.max() + rows.start >= y2 - 4


@pytest.mark.parametrize("twins", [-0.1, 1.5, math.nan])
def test_a_chance_that_cannot_be_is_named(twins: float) -> None:
    with pytest.raises(ValueError, match=f"twins is {twins}"):
        ShapesDataset(1, twins=twins)


@pytest.mark.parametrize("thinnest", [0, 1, -0.1, 1.5])
def test_a_share_that_cannot_be_is_named(thinnest: float) -> None:
    with pytest.raises(ValueError, match=f"thinnest is {thinnest}"):
        ShapesDataset(1, thinnest=thinnest)
