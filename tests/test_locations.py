"""Section 3.1: where locations lie."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from fcos_edu import FCOSConfig
from fcos_edu.locations import (
    Grid,
    axes,
    axis,
    canvas_locations,
    feature_sizes,
    kept,
    level_locations,
    locations,
    pitches,
)

STRIDES = (8, 16, 32, 64, 128)


@pytest.mark.parametrize(("size", "counts"), [((800, 1024), [12800, 3200, 800, 208, 56]), ((800, 1344), None)])
def test_the_papers_counts(size: tuple[int, int], counts: list[int] | None) -> None:
    points = locations(feature_sizes(*size, STRIDES), STRIDES)
    found = [len(p) for p in points]
    if counts is not None:
        assert found == counts
    assert sum(found) == {(800, 1024): 17064, (800, 1344): 22400}[size]


def test_a_small_map_written_out() -> None:
    # Two rows, three columns, stride 8: 4 + 8 x.
    want = [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]]
    points = level_locations(2, 3, 8)
    assert points.dtype == torch.float32
    assert points.tolist() == want
    assert level_locations(1, 2, 16, "none").tolist() == [[0, 0], [16, 0]]


def test_half_an_odd_stride_is_rounded_down() -> None:
    assert axis(3, 5).tolist() == [2, 7, 12]
    assert axis(3, 1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("height", [1, 31, 32, 33, 100, 127, 128, 129])
@pytest.mark.parametrize("width", [1, 65, 200])
def test_feature_sizes_are_those_of_strided_convolutions(height: int, width: int) -> None:
    conv = nn.Conv2d(1, 1, 3, stride=2, padding=1)
    x = torch.zeros(1, 1, height, width)
    got = []
    for _ in range(7):
        x = conv(x)
        got.append(tuple(x.shape[-2:]))
    assert feature_sizes(height, width, STRIDES) == got[2:]


def test_locations_lie_inside_a_canvas_of_whole_strides() -> None:
    for points, stride in zip(locations(feature_sizes(256, 384, STRIDES), STRIDES), STRIDES, strict=True):
        assert (points >= 0).all()
        assert points[:, 0].max() == 384 - stride + stride // 2
        assert points[:, 1].max() == 256 - stride + stride // 2


def test_sizes_and_strides_must_agree() -> None:
    with pytest.raises(ValueError, match="2 feature sizes but 5 strides"):
        locations([(4, 4), (2, 2)], STRIDES)


@pytest.mark.parametrize("offset", ["half_stride", "none"])
def test_canvas_locations_are_all_levels_one_after_the_other(offset: str) -> None:
    config = FCOSConfig.paper(location_offset=offset)
    sizes = feature_sizes(160, 224, config.strides)
    want = torch.cat(locations(sizes, config.strides, offset))  # type: ignore[arg-type]
    assert torch.equal(canvas_locations(sizes, config), want)


def test_rows_and_columns_are_separable() -> None:
    config = FCOSConfig.paper()
    sizes = feature_sizes(160, 224, config.strides)
    xs, ys = axes([w for _, w in sizes], config), axes([h for h, _ in sizes], config)
    start = 0
    points = canvas_locations(sizes, config)
    for (h, w), x, y in zip(sizes, xs, ys, strict=True):
        grid = points[start : start + h * w].reshape(h, w, 2)
        assert (grid[..., 0] == x).all()
        assert (grid[..., 1] == y[:, None]).all()
        start += h * w
    assert start == len(points)


# ------------------------------------------------------------------ torchvision
@pytest.mark.parametrize("canvas", [(128, 256), (800, 1088), (320, 544), (544, 320), (96, 32)])
def test_the_torchvision_preset_places_locations_at_its_anchor_centres(canvas: tuple[int, int]) -> None:
    config = FCOSConfig.torchvision()
    sizes = feature_sizes(*canvas, config.strides)
    generator = AnchorGenerator(((8,), (16,), (32,), (64,), (128,)), ((1.0,),) * 5)
    images = ImageList(torch.zeros(1, 3, *canvas), [canvas])
    anchors = generator(images, [torch.zeros(1, 1, h, w) for h, w in sizes])[0]
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    assert torch.equal(canvas_locations(sizes, config), centres)


def test_the_pitch_of_torchvision_differs_only_off_multiples_of_128() -> None:
    config = FCOSConfig.torchvision()
    heights = [h for h, _ in feature_sizes(800, 128, STRIDES)]
    assert pitches(heights, config) == [8, 16, 32, 61, 114]  # the docstring's example
    assert pitches([h for h, _ in feature_sizes(768, 128, STRIDES)], config) == list(STRIDES)
    assert pitches(heights, FCOSConfig.paper()) == list(STRIDES)


@pytest.mark.parametrize("preset", ["paper", "torchvision"])
def test_a_grid_knows_each_location(preset: str) -> None:
    config = getattr(FCOSConfig, preset)()
    grid = Grid.of(160, 224, config)
    assert grid.canvas == (160, 224)
    assert list(grid.sizes) == feature_sizes(160, 224, config.strides)
    assert torch.equal(grid.points, canvas_locations(grid.sizes, config))
    assert len(grid) == sum(grid.counts) == len(grid.points) == len(grid.strides) == len(grid.levels)
    for level, stride, count, strides, levels in zip(
        config.levels, config.strides, grid.counts, grid.strides.split(grid.counts), grid.levels.split(grid.counts)
    ):
        assert strides.tolist() == [stride] * count
        assert levels.tolist() == [level] * count
    assert (grid.strides.dtype, grid.levels.dtype) == (torch.float32, torch.int64)


def test_a_grid_is_made_once_for_each_canvas() -> None:
    config = FCOSConfig.paper()
    assert Grid.of(96, 128, config) is Grid.of(96, 128, FCOSConfig.paper())
    assert Grid.of(96, 128, config) is not Grid.of(128, 96, config)
    grid = Grid.of(96, 128, config)
    assert grid != dataclasses.replace(grid, points=grid.points.clone())  # by identity: tensors have no single answer
    with pytest.raises(AttributeError):
        Grid.of(96, 128, config).sizes = ()  # type: ignore[misc]


def test_a_grid_made_in_inference_mode_serves_training() -> None:
    with torch.inference_mode():
        grid = Grid.of(72, 88, FCOSConfig.paper())
    assert not grid.points.is_inference() and not grid.strides.is_inference()


def test_grids_are_told_apart_without_reading_their_tensors() -> None:
    one, other = Grid.of(64, 64, FCOSConfig.paper()), Grid.of(64, 96, FCOSConfig.paper())
    assert one == one and one != other


def test_a_kept_constant_keeps_its_name() -> None:
    @kept
    def constant(size: int) -> torch.Tensor:
        """So many zeros."""
        return torch.zeros(size)

    assert (constant.__name__, constant.__doc__) == ("constant", "So many zeros.")


@pytest.mark.parametrize("sizes", [[(8, 8)], [(8, 8)] * 6])
def test_each_level_needs_its_size(sizes: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="zip"):
        canvas_locations(sizes, FCOSConfig.paper())
