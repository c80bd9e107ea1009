"""Sections 3.1 and 3.2: Eq. 1 by hand, the fast assignment against the slow loop and against torchvision."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.models.detection import FCOS as TorchvisionFCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from fcos_edu import FCOSConfig
from fcos_edu.locations import Grid, canvas_locations, feature_sizes
from fcos_edu.targets import (
    PaddedBoxes,
    Targets,
    _axis,
    assign,
    assign_slow,
    candidates,
    lowest_bit,
    ltrb,
    ltrb_to_boxes,
    make_targets,
    pad_boxes,
)

CPU = torch.device("cpu")
# Small bounds bring all five levels into a small canvas, and keep the slow loop short.
SMALL = {"level_bounds": (0, 16, 32, 64, 128, math.inf)}
CONFIGS = {
    "paper": FCOSConfig.paper(),
    "small bounds": FCOSConfig.paper(**SMALL),
    "center sampling": FCOSConfig.paper(center_sampling_radius=1.5, **SMALL),
    "wide center sampling": FCOSConfig.paper(center_sampling_radius=2.25),
    "improved": FCOSConfig.improved(**SMALL),
    "no offset": FCOSConfig.paper(location_offset="none", **SMALL),
    "one level": FCOSConfig.paper(levels=(4,), level_bounds=(0, math.inf)),
    "P2 to P6": FCOSConfig.paper(levels=(2, 3, 4, 5, 6)),
    "bounds that leave a gap": FCOSConfig.paper(level_bounds=(8, 16, 32, 64, 128, 200)),
    "torchvision": FCOSConfig.torchvision(),
}


def boxes_of(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


def fast(boxes: Tensor, canvas: tuple[int, int], config: FCOSConfig) -> Tensor:
    """``assign`` for one image."""
    valid = torch.ones(1, len(boxes), dtype=torch.bool)
    return assign(boxes[None], valid, feature_sizes(*canvas, config.strides), config)[0]


def points_of(canvas: tuple[int, int], config: FCOSConfig) -> list[Tensor]:
    """The locations of each level."""
    sizes = feature_sizes(*canvas, config.strides)
    return list(canvas_locations(sizes, config).split([h * w for h, w in sizes]))


def check(boxes: Tensor, canvas: tuple[int, int], config: FCOSConfig) -> Tensor:
    """The fast and the slow assignment agree; returns it."""
    got, want = fast(boxes, canvas, config), assign_slow(points_of(canvas, config), boxes, config)
    assert got.dtype == torch.int64
    assert torch.equal(got, want), f"{boxes.tolist()} on {canvas}"
    return got


# ------------------------------------------------------------------ Eq. 1
def test_equation_1_by_hand() -> None:
    points = boxes_of((100, 50, 0, 0))[:, :2]
    boxes = boxes_of((60, 30, 180, 75), (110, 40, 120, 60))
    # l* = 100 - 60, t* = 50 - 30, r* = 180 - 100, b* = 75 - 50; the second box lies right of the location.
    assert ltrb(points, boxes).tolist() == [[[40, 20, 80, 25], [-10, 10, 20, 10]]]


def test_equation_1_and_its_inverse() -> None:
    torch.manual_seed(0)
    points, boxes = torch.rand(50, 2) * 500, torch.rand(7, 4) * 500
    distances = ltrb(points, boxes)
    assert distances.shape == (50, 7, 4)
    back = ltrb_to_boxes(points[:, None, :].expand(-1, 7, -1), distances)
    torch.testing.assert_close(back, boxes.expand(50, 7, 4), atol=1e-3, rtol=0)


def test_a_whole_assignment_by_hand() -> None:
    # Canvas 64 x 64, stride 16 alone: locations 8, 24, 40, 56 in both directions.
    config = CONFIGS["one level"]
    big, small = (4, 4, 60, 44), (20, 0, 44, 30)
    got = check(boxes_of(big, small), (64, 64), config).reshape(4, 4)
    assert got.tolist() == [
        [0, 1, 1, 0],  # y = 8: the small box, of columns 24 and 40, wins over the big one
        [0, 1, 1, 0],  # y = 24
        [0, 0, 0, 0],  # y = 40: the small box has ended
        [-1, -1, -1, -1],  # y = 56: outside both
    ]


def test_targets_by_hand() -> None:
    config = CONFIGS["one level"].replace(num_classes=5)
    grid = Grid.of(32, 32, config)
    boxes = pad_boxes([{"boxes": boxes_of((4, 2, 30, 12)), "labels": torch.tensor([3])}], CPU)
    made = make_targets(boxes, grid, config)
    assert made.labels.tolist() == [[3, 3, -1, -1]]
    assert made.matched.tolist() == [[0, 0, -1, -1]]
    assert made.positive.tolist() == [[True, True, False, False]]
    want = [[4, 6, 22, 4], [20, 6, 6, 4], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert made.ltrb.tolist() == [want]
    normalized = make_targets(boxes, grid, config.replace(normalize_targets=True))
    assert normalized.ltrb.tolist() == [[[v / 16 for v in row] for row in want]]


@pytest.mark.parametrize("flipped", [False, True])
def test_a_centre_between_pixels_by_hand(flipped: bool) -> None:
    """At 24, 6.5 from the centres 17.5 and 30.5; half the side of the square is 6.4. From 30 it would fit."""
    config = CONFIGS["one level"].replace(center_sampling_radius=0.4)
    for start, end in ((5.0, 30.0), (18.0, 43.0)):
        box = (0, start, 16, end) if flipped else (start, 0, end, 16)
        assert (check(boxes_of(box), (32, 48), config) == -1).all()
    box = (0, 5.0, 16, 31.0) if flipped else (5.0, 0, 31.0, 16)  # at 18: 6 away
    assert (check(boxes_of(box), (32, 48), config) == 0).sum() == 1


# ------------------------------------------------------------------ fast = slow
@st.composite
def scenes(draw: st.DrawFn) -> tuple[Tensor, tuple[int, int], FCOSConfig]:
    """Boxes on a coarse grid, where ties and exact bounds happen; nested and repeated ones; a canvas; a config."""
    config = CONFIGS[draw(st.sampled_from(list(CONFIGS)))]
    canvas = draw(st.sampled_from([(128, 160), (96, 224), (256, 64), (32, 32)]))
    # torchvision compares areas in float32 after a subtraction from 1e8, where only multiples of 8 are exact.
    grid = 4.0 if config.torchvision_quirks else draw(st.sampled_from([0.25, 1.0, 4.0, 8.0]))

    def side(limit: int) -> tuple[float, float]:
        cells = int(limit / grid)
        low = draw(st.integers(0, cells - 1))
        return low * grid, draw(st.integers(low + 1, cells)) * grid

    boxes: list[tuple[float, ...]] = []
    for _ in range(draw(st.integers(0, 8))):
        if boxes and draw(st.booleans()):
            x0, y0, x1, y1 = boxes[-1]
            kind = draw(st.sampled_from(["same", "nested", "moved"]))
            if kind == "nested" and min(x1 - x0, y1 - y0) > 2 * grid:
                x0, y0, x1, y1 = x0 + grid, y0 + grid, x1 - grid, y1 - grid
            elif kind == "moved" and x1 + grid <= canvas[1]:
                x0, x1 = x0 + grid, x1 + grid
            boxes.append((x0, y0, x1, y1))
        else:
            (x0, x1), (y0, y1) = side(canvas[1]), side(canvas[0])
            boxes.append((x0, y0, x1, y1))
    return boxes_of(*boxes), canvas, config


@settings(max_examples=150, deadline=None)
@given(scenes())
@example((boxes_of(), (64, 64), CONFIGS["paper"]))
@example((boxes_of((0, 0, 64, 64)), (64, 64), CONFIGS["paper"]))
def test_assign_equals_the_slow_loop(scene: tuple[Tensor, tuple[int, int], FCOSConfig]) -> None:
    check(*scene)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 30), st.sampled_from(["paper", "small bounds", "improved", "no offset"]))
def test_assign_equals_the_slow_loop_for_fractional_boxes(seed: int, count: int, name: str) -> None:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 120
    size = torch.exp(torch.rand(count, 2, generator=generator) * 5)  # 1 to 148 pixels
    check(torch.cat([corner, corner + size], dim=1), (128, 128), CONFIGS[name])


NASTY = {
    "none": boxes_of(),
    "identical": boxes_of(*[(10, 10, 90, 70)] * 3),
    "equal areas": boxes_of((8, 8, 72, 40), (8, 8, 40, 72), (16, 8, 48, 72)),
    "nested": boxes_of(*[(i, i, 128 - i, 128 - i) for i in range(0, 60, 6)]),
    "nested, smallest first": boxes_of(*[(i, i, 128 - i, 128 - i) for i in range(54, -1, -6)]),
    "one pixel between locations": boxes_of((13, 13, 14, 14)),
    "one pixel on a location": boxes_of((11.5, 11.5, 12.5, 12.5)),
    "thin lines": boxes_of((0, 19, 128, 21), (19, 0, 21, 128)),
    "the whole canvas": boxes_of((0, 0, 128, 128)),
    "beyond the canvas": boxes_of((-500, -500, 1000, 1000), (120, 120, 400, 400)),
    "sides on locations": boxes_of((4, 4, 12, 12), (12, 12, 20, 28), (4, 4, 100, 100)),
    "on the border": boxes_of((0, 0, 5, 128), (0, 0, 128, 5), (123, 0, 128, 128), (0, 123, 128, 128)),
    "centre exactly at the reach": boxes_of((0, 0, 32, 32), (12, 12, 44, 44), (0, 12, 128, 24)),
}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("nasty", NASTY)
def test_assign_equals_the_slow_loop_for_nasty_boxes(nasty: str, name: str) -> None:
    # Where areas differ they differ by 16 or more, so torchvision's rounding to multiples of 8 changes no order.
    check(NASTY[nasty], (128, 128), CONFIGS[name])


@pytest.mark.parametrize("count", [62, 63, 64, 125, 126, 127, 200])
@pytest.mark.parametrize("nested", [True, False])
def test_more_boxes_than_bits_of_a_word(count: int, nested: bool) -> None:
    if nested:  # all hold the centre; shuffled, so that the order by area is not that of the input
        inset = torch.arange(count, dtype=torch.float32)[torch.randperm(count, generator=_seed(count))] / 4
        boxes = torch.stack([inset, inset, 128 - inset, 128 - inset], dim=1)
    else:
        corner = torch.randint(0, 120, (count, 2), generator=_seed(count)).float()
        size = torch.randint(1, 60, (count, 2), generator=_seed(count + 1)).float()
        boxes = torch.cat([corner, corner + size], dim=1)
    for name in ("paper", "center sampling", "one level"):
        got = check(boxes, (128, 128), CONFIGS[name])
        assert (got >= 0).any()
    if nested:  # the smallest of all boxes, wherever it stands
        assert got.reshape(8, 8)[4, 4] == boxes[:, 2].argmin()


def _seed(value: int) -> torch.Generator:
    return torch.Generator().manual_seed(value)


def test_large_boxes_with_nearly_equal_areas_are_told_apart() -> None:
    # One square pixel apart, and one number in float32: there the order of the boxes would decide.
    bigger, smaller = boxes_of((0, 0, 8192, 8192)), boxes_of((0, 0, 8193, 8191))
    area = [(b[0, 2] * b[0, 3]).item() for b in (bigger, smaller)]
    assert area[0] == area[1]
    for boxes, want in ((torch.cat([bigger, smaller]), 1), (torch.cat([smaller, bigger]), 0)):
        assert (check(boxes, (64, 64), CONFIGS["one level"]) == want).all()


def test_widths_that_float32_rounds_alike_are_told_apart() -> None:
    """3000 - 0.0001 is 3000 in float32; the second box is the smaller one by a third of a square pixel."""
    boxes = boxes_of((0, 0, 3000, 3000), (0.0001, 0, 3000, 3000))
    found = check(boxes, (128, 128), CONFIGS["one level"])
    assert set(found.tolist()) == {1}


@pytest.mark.parametrize(
    ("left", "found"),
    [
        (4.0, 0),  # l = 64: on the bound, so the location may learn the box
        (4 - 2**-22, -1),  # l = 64 and a quarter of a millionth, which float32 would round onto the bound
    ],
)
def test_a_distance_just_above_a_bound_is_above_it(left: float, found: int) -> None:
    config = FCOSConfig.paper()
    at = points_of((128, 128), config)[0].tolist().index([68.0, 68.0])
    assert check(boxes_of((left, 60, 72, 76)), (128, 128), config)[at] == found


@pytest.mark.parametrize("position", range(63))
def test_lowest_bit(position: int) -> None:
    high = (1 << 62) | (1 << position)
    assert lowest_bit(torch.tensor([1 << position, high])).tolist() == [position, position]


# ------------------------------------------------------------------ levels
@pytest.mark.parametrize("bound", [64, 128, 256, 512])
def test_a_farthest_side_exactly_on_a_bound_belongs_to_both_levels(bound: int) -> None:
    # Location (4 + 8 x, ...) of P3; each level gets its own box whose farthest side lies exactly `bound` away.
    config = FCOSConfig.paper()
    lower = int(math.log2(bound / 64))
    canvas = (1024, 1024)
    matched = {}
    for level in (lower, lower + 1):
        point = points_of(canvas, config)[level][0]
        x, y = point.tolist()
        box = boxes_of((x - 1, y - 1, x + bound, y + 1))
        got = fast(box, canvas, config).split([len(p) for p in points_of(canvas, config)])
        matched[level] = got[level][0].item()
        beyond = boxes_of((x - 1, y - 1, x + bound + 0.25, y + 1))
        within = boxes_of((x - 1, y - 1, x + bound - 0.25, y + 1))
        is_upper = level == lower + 1
        for other, wanted in ((beyond, is_upper), (within, not is_upper)):
            got = fast(other, canvas, config).split([len(p) for p in points_of(canvas, config)])
            assert (got[level][0].item() == 0) == wanted
    assert matched == {lower: 0, lower + 1: 0}


def test_torchvision_leaves_a_farthest_side_on_a_bound_out() -> None:
    config = FCOSConfig.torchvision()
    at_origin = {}  # the match of the location (0, 0) on P3 and P4, for a square box around it
    for half in (63, 64, 65):
        levels = fast(boxes_of((-half, -half, half, half)), (128, 128), config).split([256, 64, 16, 4, 1])
        at_origin[half] = [levels[0][0].item(), levels[1][0].item()]
    assert at_origin == {63: [0, -1], 64: [-1, -1], 65: [-1, 0]}


@pytest.mark.parametrize("side", [20, 40, 90, 200, 400, 900])
def test_a_box_lands_on_the_level_of_its_size(side: int) -> None:
    config = FCOSConfig.paper()
    canvas = (1024, 1024)
    low = (1024 - side) / 2 + 1.3
    box = boxes_of((low, low, low + side, low + side))
    used = [bool((g >= 0).any()) for g in fast(box, canvas, config).split([len(p) for p in points_of(canvas, config)])]
    # The farthest side of a location in a square box is between half and all of the box's side.
    for level, (below, above) in enumerate(zip(config.level_bounds, config.level_bounds[1:], strict=False)):
        if side < below or side / 2 > above:
            assert not used[level]
    assert any(used)


def test_every_positive_satisfies_the_papers_conditions() -> None:
    config = CONFIGS["improved"]
    canvas = (256, 256)
    generator = _seed(3)
    corner = torch.rand(40, 2, generator=generator) * 200
    boxes = torch.cat([corner, corner + torch.rand(40, 2, generator=generator) * 100 + 1], dim=1)
    matched = fast(boxes, canvas, config)
    grid = Grid.of(*canvas, config)
    points, stride = grid.points, grid.strides
    assert stride.unique().tolist() == [8, 16, 32, 64, 128]
    distances = ltrb(points, boxes)[torch.arange(len(points)), matched.clamp(min=0)]
    positive = matched >= 0
    assert 50 < positive.sum() < len(points)
    assert (distances[positive] > 0).all()
    # Center sampling: no farther from the centre than 1.5 strides.
    off = (distances[:, :2] - distances[:, 2:]).abs().amax(1) / 2
    assert (off[positive] < 1.5 * stride[positive]).all()


def test_the_centre_of_a_box_may_lie_between_pixels() -> None:
    """Its centre is (28, 16.5), so (28, 28) of P3 is 11.5 pixels away: within 1.5 strides."""
    config = CONFIGS["center sampling"].replace(level_bounds=(0.0, 64.0, 128.0, 256.0, 512.0, math.inf))
    at = points_of((64, 64), config)[0].tolist().index([28.0, 28.0])
    assert check(boxes_of((12, 0, 44, 33)), (64, 64), config)[at] == 0


def test_center_sampling_only_removes_positives() -> None:
    for seed in range(5):
        corner = torch.rand(1, 2, generator=_seed(seed)) * 60
        box = torch.cat([corner, corner + 60], dim=1)  # one box, so nothing else can move in
        without = fast(box, (128, 128), CONFIGS["paper"])
        with_it = fast(box, (128, 128), CONFIGS["paper"].replace(center_sampling_radius=1.5))
        assert (without[with_it >= 0] >= 0).all()
        assert (with_it >= 0).sum() < (without >= 0).sum()


def test_candidates_are_all_boxes_that_fit() -> None:
    config = CONFIGS["one level"]
    boxes = boxes_of((0, 0, 128, 128), (10, 10, 50, 50), (10, 10, 50, 50), (100, 100, 101, 101))
    sizes = feature_sizes(128, 128, config.strides)
    words, order = candidates(boxes[None], torch.ones(1, 4, dtype=torch.bool), sizes, config)
    distances = ltrb(canvas_locations(sizes, config), boxes)
    inside = distances.amin(-1) > 0  # (L, M); every size is of the only level
    bits = torch.stack([(words[0][0] >> k) & 1 for k in range(4)], dim=1).bool()
    assert torch.equal(bits, inside[:, order[0]])
    assert bits.sum(1).max() == 3  # the ambiguous samples


# ------------------------------------------------------------------ batches, padding, order
def _random_targets(counts: list[int], num_classes: int = 80) -> list[dict[str, Tensor]]:
    targets = []
    for i, n in enumerate(counts):
        corner = torch.randint(0, 100, (n, 2), generator=_seed(i)).float()
        size = torch.randint(1, 90, (n, 2), generator=_seed(i + 100)).float()
        labels = torch.randint(0, num_classes, (n,), generator=_seed(i + 200))
        targets.append({"boxes": torch.cat([corner, corner + size], dim=1), "labels": labels})
    return targets


def _make(targets: list[dict[str, Tensor]], config: FCOSConfig, canvas: tuple[int, int] = (128, 160)) -> Targets:
    return make_targets(pad_boxes(targets, CPU), Grid.of(*canvas, config), config)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_batch_equals_each_image_alone(name: str) -> None:
    config = CONFIGS[name]
    targets = _random_targets([3, 0, 70, 1])
    together = _make(targets, config)
    for i, target in enumerate(targets):
        alone = _make([target], config)
        for a, b in zip(together, alone, strict=True):
            assert torch.equal(a[i], b[0])


def test_boxes_are_padded_to_the_most_in_an_image() -> None:
    rows = [boxes_of((1, 2, 3, 4), (5, 6, 7, 8)), boxes_of(), torch.tensor([[9, 9, 12, 14]])]  # whole numbers too
    targets = [
        {"boxes": boxes, "labels": torch.arange(len(boxes), dtype=kind) + 10 * i}
        for i, (boxes, kind) in enumerate(zip(rows, (torch.int64, torch.int64, torch.int32), strict=True))
    ]
    boxes, labels, valid = pad_boxes(targets, CPU)
    zero = [0.0] * 4
    assert boxes.tolist() == [[[1, 2, 3, 4], [5, 6, 7, 8]], [zero, zero], [[9, 9, 12, 14], zero]]
    assert labels.tolist() == [[0, 1], [0, 0], [20, 0]]
    assert valid.tolist() == [[True, True], [False, False], [True, False]]
    assert (boxes.dtype, labels.dtype) == (torch.float32, torch.int64)
    for none, shape in (([targets[1]] * 3, (3, 0)), ([], (0, 0))):
        boxes, labels, valid = pad_boxes(none, CPU)
        assert boxes.shape == (*shape, 4) and labels.shape == valid.shape == shape


class _Kernels(TorchDispatchMode):
    """Counts operations that compute something."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def test_more_images_need_no_more_kernels() -> None:
    """A GPU spends most of its time on hearing of small ones."""
    config = CONFIGS["improved"]
    counts = []
    for images in (1, 2, 16):
        targets = _random_targets([20] * images)
        _make(targets, config)  # what belongs to the canvas is made once
        with _Kernels() as kernels:
            _make(targets, config)
        counts.append(kernels.count)
    assert counts[0] == counts[1] == counts[2]


def test_axes_of_a_canvas_are_made_once() -> None:
    config = FCOSConfig.paper()
    assert _axis((16, 8, 4, 2, 1), config, "cpu") is _axis((16, 8, 4, 2, 1), config, "cpu")


def test_each_level_needs_its_columns() -> None:
    with pytest.raises(ValueError, match="zip"):
        _axis((16, 8, 4, 2), FCOSConfig.paper(), "cpu")


def test_constants_of_a_canvas_made_in_inference_mode_serve_training() -> None:
    config = CONFIGS["improved"]
    with torch.inference_mode():
        first = Grid.of(104, 136, config).strides
    assert Grid.of(104, 136, config).strides is first
    raw = torch.ones(len(first), requires_grad=True)
    (raw * first).sum().backward()
    assert torch.equal(raw.grad, first)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["paper", "improved", "torchvision"])
def test_padding_changes_nothing(name: str) -> None:
    config = CONFIGS[name]
    targets = _random_targets([5, 2])
    boxes, labels, valid = padded = pad_boxes(targets, CPU)
    grid = Grid.of(128, 160, config)
    want = make_targets(padded, grid, config)
    for extra in (1, 58, 59, 130):  # also across a word's 63 bits
        # Whatever stands in the padding must not matter: here a tempting one-pixel box on a location, and NaN.
        for filling in ((11.5, 11.5, 12.5, 12.5), (0, 0, 0, 0), (math.nan,) * 4):
            more = torch.cat([boxes, boxes_of(filling).expand(2, extra, 4)], dim=1)
            more_labels = torch.cat([labels, torch.full((2, extra), 7)], dim=1)
            more_valid = torch.cat([valid, torch.zeros(2, extra, dtype=torch.bool)], dim=1)
            got = make_targets(PaddedBoxes(more, more_labels, more_valid), grid, config)
            for a, b in zip(want, got, strict=True):
                assert torch.equal(a, b)


def test_padding_may_stand_anywhere() -> None:
    config = CONFIGS["small bounds"]
    (target,) = _random_targets([6])
    sizes = feature_sizes(128, 160, config.strides)
    boxes = torch.zeros(1, 12, 4)
    valid = torch.zeros(1, 12, dtype=torch.bool)
    boxes[0, 1::2], valid[0, 1::2] = target["boxes"], True
    got = assign(boxes, valid, sizes, config)
    want = fast(target["boxes"], (128, 160), config)
    assert torch.equal(torch.where(got >= 0, (got - 1) // 2, -1)[0], want)


@pytest.mark.parametrize("name", ["paper", "improved"])
def test_the_order_of_boxes_does_not_matter(name: str) -> None:
    config = CONFIGS[name]
    (target,) = _random_targets([40])
    areas = (target["boxes"][:, 2:] - target["boxes"][:, :2]).prod(1)
    # Among boxes of the same area the first wins; without equal areas no order can matter.
    keep = [i for i, a in enumerate(areas.tolist()) if areas.tolist().index(a) == i]
    target = {k: v[keep] for k, v in target.items()}
    shuffled = torch.randperm(len(keep), generator=_seed(5))
    want, got = _make([target], config), _make([{k: v[shuffled] for k, v in target.items()}], config)
    assert torch.equal(got.labels, want.labels)
    assert torch.equal(got.ltrb, want.ltrb)
    assert torch.equal(torch.where(got.positive, shuffled[got.matched.clamp(min=0)], -1), want.matched)


def test_class_0_is_no_background() -> None:
    labels = torch.tensor([[0, -1, 2]])
    assert Targets(labels, torch.zeros(1, 3, 4), labels).positive.tolist() == [[True, False, True]]


def test_targets_agree_with_the_match() -> None:
    for config in (CONFIGS["improved"], CONFIGS["paper"], CONFIGS["torchvision"]):
        targets = _random_targets([8, 3])
        made = _make(targets, config)
        grid = Grid.of(128, 160, config)
        points = grid.points
        scale = grid.strides[:, None] if config.normalize_targets else 1.0
        for i, target in enumerate(targets):
            positive = made.matched[i] >= 0
            assert positive.any()
            assert torch.equal(made.positive[i], positive)
            assert torch.equal(made.labels[i][positive], target["labels"][made.matched[i][positive]])
            back = ltrb_to_boxes(points, made.ltrb[i] * scale)[positive]
            torch.testing.assert_close(back, target["boxes"][made.matched[i][positive]])
            assert (made.labels[i][~positive] == -1).all()
            assert (made.ltrb[i][~positive] == 0).all()


@pytest.mark.parametrize("name", CONFIGS)
def test_no_boxes_at_all(name: str) -> None:
    made = _make(_random_targets([0, 0]), CONFIGS[name])
    assert made.labels.dtype == made.matched.dtype == torch.int64
    assert (made.labels == -1).all() and (made.matched == -1).all()
    assert (made.ltrb == 0).all() and made.ltrb.shape == (*made.labels.shape, 4)
    assert not made.positive.any()


def test_pad_boxes() -> None:
    targets = _random_targets([2, 0, 3])
    boxes, labels, valid = pad_boxes(targets, CPU)
    assert boxes.shape == (3, 3, 4) and labels.shape == valid.shape == (3, 3)
    assert valid.tolist() == [[True, True, False], [False] * 3, [True] * 3]
    for i, target in enumerate(targets):
        assert torch.equal(boxes[i][valid[i]], target["boxes"])
        assert torch.equal(labels[i][valid[i]], target["labels"])
    assert pad_boxes([], CPU)[0].shape == (0, 0, 4)
    whole = {"boxes": torch.tensor([[1, 2, 3, 4]]), "labels": torch.tensor([1], dtype=torch.int32)}
    boxes, labels, _ = pad_boxes([whole], CPU)
    assert (boxes.dtype, labels.dtype) == (torch.float32, torch.int64)


# ------------------------------------------------------------------ torchvision
def _torchvision_matches(targets: list[dict[str, Tensor]], canvas: tuple[int, int]) -> Tensor:
    """The matching inside torchvision's FCOS, caught on its way to the loss: (B, L)."""
    sizes = feature_sizes(*canvas, (8, 16, 32, 64, 128))
    generator = AnchorGenerator(((8,), (16,), (32,), (64,), (128,)), ((1.0,),) * 5)
    images = ImageList(torch.zeros(len(targets), 3, *canvas), [canvas] * len(targets))
    anchors = generator(images, [torch.zeros(1, 1, h, w) for h, w in sizes])
    caught: list[Any] = []
    model: Any = SimpleNamespace(
        center_sampling_radius=1.5,
        head=SimpleNamespace(compute_loss=lambda t, o, a, matched: caught.append(torch.stack(matched))),
    )
    TorchvisionFCOS.compute_loss(model, targets, {}, anchors, [h * w for h, w in sizes])
    return caught[0]


@pytest.mark.parametrize("canvas", [(256, 384), (320, 544), (800, 608)])
@pytest.mark.parametrize("whole", [True, False])
def test_the_torchvision_preset_matches_as_torchvision(canvas: tuple[int, int], whole: bool) -> None:
    targets = []
    for i, n in enumerate([0, 1, 20, 100]):
        corner = torch.rand(n, 2, generator=_seed(i)) * torch.tensor([canvas[1], canvas[0]]) * 0.9
        size = torch.exp(torch.rand(n, 2, generator=_seed(i + 9)) * 6.5)
        boxes = torch.cat([corner, corner + size], dim=1)
        if whole:  # ties of areas, distances that are exactly a level's bound
            boxes = (boxes / 4).round() * 4
            boxes[:, 2:] = torch.maximum(boxes[:, 2:], boxes[:, :2] + 4)
        targets.append({"boxes": boxes, "labels": torch.ones(n, dtype=torch.int64)})
    got = _make(targets, FCOSConfig.torchvision(), canvas).matched
    assert torch.equal(got, _torchvision_matches(targets, canvas))
    assert (got >= 0).sum() > 100


def test_areas_less_than_8_apart_can_tie_in_torchvision() -> None:
    # 10000 and 9998: after the subtraction from 1e8 both are 99,990,000 in float32, so the first box wins.
    boxes = boxes_of((0, 0, 100, 100), (0, 0, 100, 99.98))
    target = {"boxes": boxes, "labels": torch.zeros(2, dtype=torch.int64)}
    for order, winner in (([0, 1], 0), ([1, 0], 0)):
        one = {"boxes": boxes[order], "labels": target["labels"]}
        got = _make([one], FCOSConfig.torchvision(), (128, 128)).matched
        assert torch.equal(got, _torchvision_matches([one], (128, 128)))
        assert got.unique().tolist() == [-1, winner]
    exact = _make([target], FCOSConfig.improved(), (128, 128)).matched
    assert exact.unique().tolist() == [-1, 1]
