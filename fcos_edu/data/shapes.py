"""Generated detection images: the offline default of every command (Sec. 3.2 wants all levels and overlap).

Taught in the chapters *Levels of the pyramid* and *Training*. Checked against a recorded
sha256 of a picture, against the painted pixels (each box is tight) and against pycocotools (the exported file
loads).

Discs, rings, triangles, squares and crosses of many sizes on textured ground, some nested in others. Smaller
shapes lie on larger ones, and a shape is only placed where every shape below stays recognisable. In the
language of Sec. 3.1: many locations lie in several boxes, and the smallest box must win.

The same index gives the same picture on every machine: numpy's RandomState is a frozen stream, and pixels are
computed with integers and the four IEEE operations and square root alone (no sine or exponential, which
differ from one C library to the next). A rotation is therefore built from rational numbers, and sizes from
powers of two.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision import tv_tensors

from ..ownership import OwnFiles
from ..text import counted
from .annotations import Annotations, Record
from .dataset import DetectionDataset, Sample, Transforms, make_target
from .sources import SHAPES_CLASSES as CLASSES

SPLITS = {"train": 0, "val": 1, "test": 2}
DEFAULT_IMAGES = {"train": 3000, "val": 200, "test": 500}

_RING_HOLE = 0.55  # inner radius by outer radius
_CROSS_ARM = 0.36  # half width of an arm by its half length
_LAYOUT, _PAINT = 0, 1  # two random streams for each image: boxes are known without painting
_TILT = 0.2  # tangent of half the largest rotation: about 23 degrees either way
_THINNEST_SIDE = 3.0  # pixels: a shape that is squeezed keeps that much
_TRIES = 30  # places tried for a shape before it is given up
_SHARED = (0.6, 0.8)  # share of its box that a twin shares: with boxes of one size, an IoU of 0.43 to 0.67
_FULL = 16  # coverage of a pixel that lies wholly inside a shape
_CONTRAST = 200  # wanted distance of a colour from those beside it, summed over red, green and blue
_GREY = np.full(3, 128, dtype=np.int16)  # the middle of the ground's colours

# Corners in the shape's own frame; discs and rings are circles of radius 1. The triangle
# has its centre of gravity at 0.
_CORNERS = {
    "triangle": np.array([[0.0, -1.0], [0.875, 0.5], [-0.875, 0.5]]),
    "square": np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]),
    "cross": np.array(
        [[s, t * _CROSS_ARM] for s in (-1, 1) for t in (-1, 1)]
        + [[t * _CROSS_ARM, s] for s in (-1, 1) for t in (-1, 1)]
    ),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """One drawn shape: label, tight box xyxy in pixels, and its frame.

    A point (u, v) of the shape's own frame lies in the image at centre + matrix · (u, v).
    """

    label: int
    box: tuple[float, float, float, float]
    centre: tuple[float, float]
    matrix: tuple[tuple[float, float], tuple[float, float]]

    @property
    def name(self) -> str:
        """Class name."""
        return CLASSES[self.label]

    @property
    def area(self) -> float:
        """Area of the box in pixels²."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


def _log_spread(unit: float, low: float, high: float) -> float:
    """A size between low and high, each octave equally likely; unit is uniform in [0, 1).

    2^floor(r) · (1 + fraction of r) stands in for 2^r: same octaves, but exact on every machine.
    """
    mantissa, exponent = math.frexp(high / low)  # high / low = mantissa · 2^exponent, mantissa in [0.5, 1)
    r = unit * ((exponent - 1) + (2 * mantissa - 1))
    whole = math.floor(r)
    return low * (1 << whole) * (1 + (r - whole))


def _extent(name: str, matrix: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Tight box of the shape around its centre, before it is scaled and placed."""
    if name in _CORNERS:
        corners = _CORNERS[name]
        x = corners[:, 0] * matrix[0, 0] + corners[:, 1] * matrix[0, 1]
        y = corners[:, 0] * matrix[1, 0] + corners[:, 1] * matrix[1, 1]
        return float(x.min()), float(y.min()), float(x.max()), float(y.max())
    half = np.sqrt((matrix * matrix)[:, 0] + (matrix * matrix)[:, 1])  # a linear image of the unit circle
    return -float(half[0]), -float(half[1]), float(half[0]), float(half[1])


def _random_shape(
    rs: np.random.RandomState, side: float, thinnest: float | None
) -> tuple[int, NDArray[np.float64], tuple[float, ...]]:
    """Label, frame matrix and extent of a random shape whose longer box side is `side` pixels."""
    kind, aspect, turn = rs.random_sample(3)
    label = int(kind * len(CLASSES))
    t = _TILT * (2 * turn - 1)
    stretch = 0.7 + 0.3 * aspect
    upright = False
    if thinnest is not None:
        least = max(thinnest, min(_THINNEST_SIDE / side, 0.9))  # pixels that can be painted
        stretch = _log_spread(aspect, least, 1.0)
        t *= stretch * stretch  # turned, a thin shape would have a wide box
        upright = bool(rs.random_sample() < 0.5)
    # A point of the unit circle, without sin and cos: t is the tangent of half the angle.
    cosine, sine = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    matrix = np.array([[cosine, -sine * stretch], [sine, cosine * stretch]])
    if upright:  # a quarter turn; a triangle lies on its side
        matrix = np.array([[-matrix[1, 0], -matrix[1, 1]], [matrix[0, 0], matrix[0, 1]]])
    x1, y1, x2, y2 = _extent(CLASSES[label], matrix)
    scale = side / max(x2 - x1, y2 - y1)
    return label, matrix * scale, (x1 * scale, y1 * scale, x2 * scale, y2 * scale)


def _coverage(shape: Shape) -> tuple[slice, slice, NDArray[np.int16]]:
    """Rows, columns and coverage 0..16 of the pixels the shape touches; (h, w) of its window.

    Small shapes are sampled 4×4 times in each pixel, large ones once: their class does not hang on single
    pixels.
    """
    x1, y1, x2, y2 = shape.box
    left, top, right, bottom = math.floor(x1), math.floor(y1), math.ceil(x2), math.ceil(y2)
    side = max(x2 - x1, y2 - y1)
    n = 4 if side < 40 else 2 if side < 100 else 1
    dx = left - shape.centre[0] + (np.arange((right - left) * n) + 0.5) / n
    dy = top - shape.centre[1] + (np.arange((bottom - top) * n) + 0.5) / n
    (a, b), (c, d) = shape.matrix
    determinant = a * d - b * c
    u = (d / determinant * dx)[None, :] - (b / determinant * dy)[:, None]  # (h·n, w·n)
    v = (a / determinant * dy)[:, None] - (c / determinant * dx)[None, :]
    if shape.name == "square":
        inside = (abs(u) <= 1) & (abs(v) <= 1)
    elif shape.name == "cross":
        u, v = abs(u), abs(v)
        inside = (np.minimum(u, v) <= _CROSS_ARM) & (np.maximum(u, v) <= 1)
    elif shape.name == "triangle":
        # Base at v = 0.5; the two sides through (0, -1) and (±0.875, 0.5).
        inside = (v <= 0.5) & (1.5 * abs(u) <= 0.875 * (v + 1))
    else:
        radius = u * u + v * v
        inside = radius <= 1
        if shape.name == "ring":
            inside &= radius >= _RING_HOLE * _RING_HOLE
    counts = inside.reshape(bottom - top, n, right - left, n).sum(axis=(1, 3), dtype=np.int16)
    return slice(top, bottom), slice(left, right), counts * (_FULL // (n * n))


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Whether two boxes xyxy share a point."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _background(rs: np.random.RandomState, height: int, width: int) -> NDArray[np.int16]:
    """Textured ground (3, H, W): muted colours that drift, stripes, and mottle of some pixels' size.

    All values stay below 2^15, so that 16-bit integers do; they halve the time of 32-bit ones.
    """
    step = 64
    grid = (96 + 64 * rs.random_sample((3, height // step + 2, width // step + 2))).astype(np.int16)
    y, x = np.arange(height), np.arange(width)
    fy, fx = (y % step).astype(np.int16)[:, None], (x % step).astype(np.int16)
    rows = (grid[:, y // step] * (step - fy) + grid[:, y // step + 1] * fy) >> 6  # (3, H, columns of the grid)
    ground = (rows[:, :, x // step] * (step - fx) + rows[:, :, x // step + 1] * fx) >> 6  # (3, H, W)

    slope_x, slope_y, stripe, mottle = rs.random_sample(4)
    phase = (int(48 * slope_x - 24) * x).astype(np.int32) + (int(48 * slope_y - 24) * y).astype(np.int32)[:, None]
    wave = abs((phase & 255).astype(np.int16) - 128) - 64  # a triangle wave, -64..64; (H, W)
    texture = (wave * int(1 + 20 * stripe)) >> 6

    cells = (-(-height // 4), -(-width // 4))
    noise = np.frombuffer(rs.bytes(cells[0] * cells[1]), dtype=np.uint8).reshape(cells).astype(np.int16) - 128
    noise = (noise * int(4 + 16 * mottle)) >> 7
    texture += noise.repeat(4, axis=0)[:height].repeat(4, axis=1)[:, :width]
    return np.asarray(ground + texture, dtype=np.int16)


class ShapesDataset(DetectionDataset):
    """Generated images with boxes; nothing is stored, each picture is drawn when it is asked for.

    Image i depends on split, seed, i, size, sizes, max_objects, min_visible, thinnest and twins, not on `num_images`.
    Boxes are the tight boxes of whole shapes, hidden parts included. Every shape lies inside the image, and at
    least `min_visible` of it can be seen.

    Args:
        num_images: length of the dataset; by default 3,000 for train, 200 for val and 500 for test.
        split: "train", "val" or "test"; the splits share no picture.
        seed: another seed gives other pictures.
        size: (height, width) in pixels, at least 32. The default is a multiple of the largest stride, 128,
            so that nothing is padded.
        sizes: smallest and largest longer side of a box in pixels, each octave equally likely. The largest
            is at most the short side of the image and by default 15/16 of it. With the default size the sides
            span 20 to 240 pixels, over two orders of magnitude in area, so that level bounds of 0, 16, 32, 64,
            128, ∞ use all five levels; with `size=(800, 1024)` the paper's bounds 0, 64, 128, 256, 512, ∞ do.
        max_objects: an image holds 1 to this many shapes, and their twins.
        min_visible: least share of a shape's pixels that stay visible, 0..1.
        thinnest: squeeze shapes, upright or lying, down to this share of their longer side, each octave equally likely;
            0..1, and at least 3 pixels. None: by 0.7 at most, as `shapes` has always been drawn.
        twins: chance that a shape gets a twin, 0..1: one of its class, size and angle in another colour, drawn over a
            part of it, so that the IoU of their boxes is about that at which NMS takes two detections for one. A twin
            that finds no place, because too little would remain visible, is left out.
        name: of the data set, in its files' names.
        transforms: applied to (image, target).
    """

    def __init__(
        self,
        num_images: int | None = None,
        split: str = "train",
        *,
        seed: int = 0,
        size: tuple[int, int] = (256, 256),
        sizes: tuple[float, float] | None = None,
        max_objects: int = 8,
        min_visible: float = 0.7,
        thinnest: float | None = None,
        twins: float = 0.0,
        name: str = "shapes",
        transforms: Transforms | None = None,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"shapes has no split {split!r}; it has {', '.join(SPLITS)}.")
        num_images = DEFAULT_IMAGES[split] if num_images is None else num_images
        if num_images < 1:
            raise ValueError(f"num_images is {num_images}; it must be at least 1.")
        if not 0 <= seed < 2**32:
            raise ValueError(f"seed is {seed}; it must lie in 0..2^32-1.")
        if min(size) < 32:
            raise ValueError(f"size is {size}; height and width must be at least 32 pixels.")
        low, high = sizes or (20.0, min(size) * 15 / 16)
        if not 4 <= low < high <= min(size):
            raise ValueError(f"sizes is {(low, high)}; 4 <= smallest < largest <= {min(size)} pixels must hold.")
        if max_objects < 1:
            raise ValueError(f"max_objects is {max_objects}; it must be at least 1.")
        if not 0 <= min_visible < 1:
            raise ValueError(f"min_visible is {min_visible}; a share from 0 to below 1 is wanted.")
        if thinnest is not None and not 0 < thinnest < 1:
            raise ValueError(f"thinnest is {thinnest}; a share above 0 and below 1 is wanted, or None.")
        if not 0 <= twins <= 1:
            raise ValueError(f"twins is {twins}; a chance from 0 to 1 is wanted.")
        super().__init__(CLASSES, image_ids=range(1, num_images + 1), transforms=transforms)
        self.split, self.seed = split, seed
        self.size = (int(size[0]), int(size[1]))
        self.sizes = (float(low), float(high))
        self.max_objects, self.min_visible = max_objects, min_visible
        self.thinnest, self.twins, self.name = thinnest, twins, name
        self._layouts: dict[int, list[Shape]] = {}

    def file_name(self, index: int) -> str:
        """Name under which `export_coco` stores the picture."""
        return f"{self.name}_{self.split}_{self.seed}_{self._position(index):06d}.png"

    def read(self, index: int) -> Sample:
        """Draw picture `index`; (3, H, W) uint8 and its target."""
        index = self._position(index)
        shapes = self.shapes(index)
        image = torch.from_numpy(self._paint(index, shapes))
        target = make_target([s.box for s in shapes], [s.label for s in shapes], self.image_ids[index], *self.size)
        return tv_tensors.Image(image), target

    def shapes(self, index: int) -> list[Shape]:
        """The shapes of image `index`, largest first: the order in which they are painted."""
        index = self._position(index)
        if index not in self._layouts:
            self._layouts[index] = self._layout(index)
        return self._layouts[index]

    def summary(self) -> dict[str, Any]:
        """Number of images, and a digest of all that they depend on: to lay out thousands would take long."""
        depends: tuple[Any, ...] = (
            self.split, self.seed, self.size, self.sizes, self.max_objects, self.min_visible, self.image_ids
        )  # fmt: skip
        # What is not used is left out, as it was before there was such a thing: records hold the digest.
        if self.thinnest is not None:
            depends = (*depends, self.thinnest)
        if self.twins:
            depends = (*depends, ("twins", self.twins))
        return {"images": len(self), "digest": hashlib.sha256(repr(depends).encode()).hexdigest()[:16]}

    def annotations(self) -> Annotations:
        """All boxes as arrays; paints nothing."""
        height, width = self.size
        records = []
        for index, image_id in enumerate(self.image_ids):
            shapes = self.shapes(index)
            records.append(
                Record(
                    image_id,
                    self.file_name(index),
                    width,
                    height,
                    boxes=np.array([shape.box for shape in shapes], dtype=np.float32),  # the same numbers as in targets
                    labels=np.array([shape.label for shape in shapes]),
                    ignored=np.zeros(len(shapes)),
                )
            )
        return Annotations.of(records, self.classes, name=f"{self.name} ({self.split})", split=self.split)

    def export_coco(self, folder: str | Path) -> Path:
        """Write images to `folder`/images and boxes to `folder`/<split>.json; returns the path of the latter.

        The folder can be given to `fcos_edu.data.load` and to every program that reads COCO's format. Boxes come
        last: an export that was cut off is no data set, and can be made again.

        Raises:
            FileExistsError: a file of the user's would be replaced; nothing is written then. What an earlier export
                wrote is replaced (`fcos_edu.ownership`).
        """
        own, boxes = OwnFiles(folder), f"{self.split}.json"
        names = [f"images/{self.file_name(index)}" for index in range(len(self))]
        own.check(boxes, *names)
        for index, name in enumerate(names):
            image, _ = self.read(index)
            png = io.BytesIO()
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(png, "PNG")
            own.write(name, png.getvalue())
        return own.write(boxes, json.dumps(self.ground_truth()).encode())

    def _position(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of a dataset with {counted(len(self), 'images')}.")
        return index % len(self)

    def _stream(self, index: int, part: int) -> np.random.RandomState:
        return np.random.RandomState([SPLITS[self.split], self.seed, index, part])

    def _layout(self, index: int) -> list[Shape]:
        """Choose and place shapes; a place is taken only if all shapes below remain visible enough."""
        rs = self._stream(index, _LAYOUT)
        height, width = self.size
        wanted = 1 + int(rs.random_sample() * self.max_objects)
        sides = sorted((_log_spread(rs.random_sample(), *self.sizes) for _ in range(wanted)), reverse=True)
        on_top = np.full((height, width), -1, dtype=np.int32)  # which shape is seen at each pixel
        drawn: list[int] = []  # pixels of each shape as if nothing lay on it
        visible: list[int] = []
        shapes: list[Shape] = []

        def taken(shape: Shape) -> bool:
            """Whether a shape may lie there; if so, it does from now on."""
            rows, columns, coverage = _coverage(shape)
            solid = coverage * 2 >= _FULL
            hidden = np.bincount(on_top[rows, columns][solid] + 1, minlength=len(shapes) + 1)[1:]
            left = [v - int(h) for v, h in zip(visible, hidden, strict=True)]
            if any(v < self.min_visible * d for v, d in zip(left, drawn, strict=True)):
                return False
            on_top[rows, columns][solid] = len(shapes)
            visible[:] = [*left, int(solid.sum())]
            drawn.append(int(solid.sum()))
            shapes.append(shape)
            return True

        for side in sides:
            label, matrix, extent = _random_shape(rs, side, self.thinnest)
            nested = rs.random_sample() < 0.4
            placed = any(taken(self._place(rs, label, matrix, extent, shapes if nested else [])) for _ in range(_TRIES))
            if placed and self.twins and rs.random_sample() < self.twins:
                first = shapes[-1]
                for _ in range(_TRIES):
                    twin = self._twin(rs, first)
                    if twin is not None and taken(twin):
                        break
        return shapes

    def _twin(self, rs: np.random.RandomState, first: Shape) -> Shape | None:
        """The same shape, moved by a part of its box; None where it would leave the image."""
        height, width = self.size
        shared, part, right, down = rs.random_sample(4)
        share = _SHARED[0] + (_SHARED[1] - _SHARED[0]) * shared
        along = part * (1 - share)  # what the move along x takes of the width; the move along y takes the rest
        x1, y1, x2, y2 = first.box
        dx = (x2 - x1) * along * (1 if right < 0.5 else -1)
        dy = (y2 - y1) * (1 - share / (1 - along)) * (1 if down < 0.5 else -1)
        box = (x1 + dx, y1 + dy, x2 + dx, y2 + dy)
        if box[0] < 0 or box[1] < 0 or box[2] > width or box[3] > height:
            return None
        return Shape(first.label, box, (first.centre[0] + dx, first.centre[1] + dy), first.matrix)

    def _place(
        self,
        rs: np.random.RandomState,
        label: int,
        matrix: NDArray[np.float64],
        extent: Sequence[float],
        hosts: list[Shape],
    ) -> Shape:
        """Put a shape somewhere in the image, or with its centre in the box of one of the hosts."""
        height, width = self.size
        x1, y1, x2, y2 = extent
        host, at_x, at_y = rs.random_sample(3)
        cx, cy = -x1 + at_x * (width - (x2 - x1)), -y1 + at_y * (height - (y2 - y1))
        if hosts:
            hx1, hy1, hx2, hy2 = hosts[int(host * len(hosts))].box
            cx, cy = hx1 + at_x * (hx2 - hx1), hy1 + at_y * (hy2 - hy1)
        cx, cy = min(max(cx, -x1), width - x2), min(max(cy, -y1), height - y2)
        # The last pixel must not be lost to rounding: coordinates stay inside the image.
        box = (max(cx + x1, 0.0), max(cy + y1, 0.0), min(cx + x2, float(width)), min(cy + y2, float(height)))
        (a, b), (c, d) = matrix.tolist()
        return Shape(label, box, (cx, cy), ((a, b), (c, d)))

    def _paint(self, index: int, shapes: list[Shape]) -> NDArray[np.uint8]:
        """The picture (3, H, W): muted ground, shapes in vivid colours that stand out from their neighbours, grain."""
        rs = self._stream(index, _PAINT)
        height, width = self.size
        canvas = _background(rs, height, width)
        painted_so_far: list[tuple[Shape, NDArray[np.int16]]] = []
        for shape in shapes:
            rows, columns, coverage = _coverage(shape)
            window = canvas[:, rows, columns]  # (3, h, w), a view
            high = rs.random_sample((12, 3)) < 0.5  # corners of the colour cube, loosely
            colours = (64 * rs.random_sample((12, 3)) + 192 * high).astype(np.int16)
            near = [_GREY] + [c for other, c in painted_so_far if _overlap(shape.box, other.box)]
            contrast = abs(colours[:, None] - np.stack(near)).sum(axis=2).min(axis=1)
            enough = contrast > _CONTRAST
            colour = colours[enough.argmax() if enough.any() else contrast.argmax()]
            painted_so_far.append((shape, colour))
            window += ((colour[:, None, None] - window) * coverage) // _FULL
        grain = np.frombuffer(rs.bytes(height * width), dtype=np.uint8).reshape(height, width)
        picture: NDArray[np.uint8] = (canvas + ((grain & 15).astype(np.int16) - 8)).clip(0, 255).astype(np.uint8)
        return picture
