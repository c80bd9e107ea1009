"""Section 3.1: where the locations of a feature map lie in the image.

Taught in the chapter *Locations and the four distances*.
Checked against: the paper's counts (17,064 locations for 800x1024, 22,400 for 800x1344), and torchvision's anchor
centres for ``offset="none"``.

Locations are FCOS's training samples, as pixels are those of semantic segmentation. Location (x, y) of a feature map
with total stride s lies at (floor(s/2) + x s, floor(s/2) + y s) in the image, near the centre of its receptive field.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any, Literal, TypeVar, cast

import torch
from torch import Tensor

from .compat import being_traced
from .config import FCOSConfig
from .text import counted

Offset = Literal["half_stride", "none"]
F = TypeVar("F", bound=Callable[..., Any])


def kept(make: F) -> F:
    """Decorator for constants of a canvas: made once for each (hashable) argument, not in every step.

    They are dozens of tiny tensors, and a GPU takes as long to be told of a tiny one as of a large one.
    """

    @lru_cache(maxsize=32)
    def cached(*args: Any) -> Any:
        with torch.inference_mode(False):  # a tensor made in inference mode could not be used in training later
            return make(*args)

    @wraps(make)
    def once(*args: Any) -> Any:
        # While a graph is traced, or under fake tensors, a constant belongs to that trace and must not be kept.
        if being_traced():
            return make(*args)
        return cached(*args)

    once.cache_clear = cached.cache_clear  # type: ignore[attr-defined]
    return cast(F, once)


def feature_sizes(height: int, width: int, strides: Sequence[int]) -> list[tuple[int, int]]:
    """Height and width of the feature maps of a ``height`` x ``width`` canvas: a stride-s map has ceil(size / s) cells.

    Rounding up is what stride-2 convolutions with padding 1 do, one after the other.
    """
    return [(-(-height // s), -(-width // s)) for s in strides]


def axis(size: int, stride: int, offset: Offset = "half_stride", *, device: torch.device | str = "cpu") -> Tensor:
    """Image coordinates of the ``size`` columns (or rows) of a feature map: ``(size,)`` float32, in pixels.

    Rows and columns are separable: the location in row y and column x is (axis[x], axis[y]). The assignment of
    targets lives on that.
    """
    start = stride // 2 if offset == "half_stride" else 0
    return torch.arange(size, dtype=torch.float32, device=device) * stride + start


def level_locations(
    height: int, width: int, stride: int, offset: Offset = "half_stride", *, device: torch.device | str = "cpu"
) -> Tensor:
    """Locations of one feature map, row by row.

    Args:
        height, width: size of the feature map, in cells.
        stride: its total stride s, in pixels.
        offset: ``"half_stride"`` for the paper's floor(s/2) + x s, ``"none"`` for torchvision's x s.

    Returns:
        ``(height * width, 2)`` float32, the (x, y) of each location in pixels of the image.
    """
    ys = axis(height, stride, offset, device=device)
    xs = axis(width, stride, offset, device=device)
    grid_y, grid_x = torch.meshgrid(ys, xs, indexing="ij")  # (H, W) each
    return torch.stack([grid_x, grid_y], dim=-1).reshape(-1, 2)  # (H W, 2)


def locations(
    sizes: Sequence[tuple[int, int]],
    strides: Sequence[int],
    offset: Offset = "half_stride",
    *,
    device: torch.device | str = "cpu",
) -> list[Tensor]:
    """Locations of all levels: a list with one ``(H_i W_i, 2)`` tensor for each (height, width) in ``sizes``.

    Raises:
        ValueError: ``sizes`` and ``strides`` differ in length.
    """
    if len(sizes) != len(strides):
        raise ValueError(
            f"{counted(len(sizes), 'feature sizes')} but {counted(len(strides), 'strides')}: each level needs both"
        )
    return [level_locations(h, w, s, offset, device=device) for (h, w), s in zip(sizes, strides, strict=True)]


def pitches(counts: Sequence[int], config: FCOSConfig) -> list[int]:
    """Distance in pixels between neighbouring columns (or rows) of each level, given how many there are.

    It is the stride. Only with ``torchvision_quirks`` it is the canvas divided by the count, rounded down, which
    differs from the stride on P6 and P7 where the canvas is not a multiple of 128.
    """
    if not config.torchvision_quirks:
        return list(config.strides)
    canvas = counts[0] * config.strides[0]
    return [canvas // n for n in counts]


def axes(counts: Sequence[int], config: FCOSConfig, *, device: torch.device | str = "cpu") -> list[Tensor]:
    """Image coordinates of the columns (or rows) of all levels, as the configuration places them."""
    offset = config.location_offset
    return [axis(n, pitch, offset, device=device) for n, pitch in zip(counts, pitches(counts, config), strict=True)]


def canvas_locations(
    sizes: Sequence[tuple[int, int]], config: FCOSConfig, *, device: torch.device | str = "cpu"
) -> Tensor:
    """All locations of a canvas, level after level, as the configuration places them: ``(L, 2)`` xy in pixels."""
    points = []
    rows = axes([h for h, _ in sizes], config, device=device)
    columns = axes([w for _, w in sizes], config, device=device)
    for ys, xs in zip(rows, columns, strict=True):
        points.append(torch.stack([xs.repeat(len(ys)), ys.repeat_interleave(len(xs))], dim=-1))  # (H_i W_i, 2)
    return torch.cat(points)


@dataclass(frozen=True, eq=False)
class Grid:
    """Where a detector looks on one canvas: the maps of all levels, and what is known of each of their L locations.

    Made by :meth:`of`, once for each canvas and device.
    """

    canvas: tuple[int, int]  # (height, width) in pixels
    sizes: tuple[tuple[int, int], ...]  # (height, width) of each level's map, in cells
    points: Tensor  # (L, 2) float32: the locations, xy in pixels of the canvas, level after level
    strides: Tensor  # (L,) float32: the stride of each location's level, in pixels
    levels: Tensor  # (L,) int64: the level of each location, 3 for P3

    @classmethod
    def of(cls, height: int, width: int, config: FCOSConfig, device: torch.device | str = "cpu") -> Grid:
        """The grid of a ``height`` x ``width`` canvas, in pixels, as the configuration places its locations."""
        return _grid(height, width, config, str(device))

    def __len__(self) -> int:
        """L, the number of locations."""
        return len(self.points)

    @property
    def counts(self) -> list[int]:
        """The number of locations of each level, which splits ``(B, L)`` into levels."""
        return [height * width for height, width in self.sizes]


@kept
def _grid(height: int, width: int, config: FCOSConfig, device: str) -> Grid:
    sizes = feature_sizes(height, width, config.strides)
    counts = [h * w for h, w in sizes]
    strides = [torch.full((n,), float(s), device=device) for s, n in zip(config.strides, counts, strict=True)]
    levels = [torch.full((n,), level, device=device) for level, n in zip(config.levels, counts, strict=True)]
    points = canvas_locations(sizes, config, device=device)
    return Grid((height, width), tuple(sizes), points, torch.cat(strides), torch.cat(levels))
