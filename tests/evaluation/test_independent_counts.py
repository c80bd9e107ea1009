"""Tables 1 and 2 counted a second time: written from the paper, in whole numbers, sharing no code with the package.

A box's sides and a location are compared as fractions of the image's size, multiplied out: nothing is rounded but the
size of the resized image. So whatever the package's floats do to a box that touches the border would be seen.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from fcos_edu import FCOSConfig
from fcos_edu.config import INF
from fcos_edu.evaluation.ambiguity import ambiguity
from fcos_edu.evaluation.recall import best_possible_recall
from tests.evaluation.test_recall import make_boxes


class Image(NamedTuple):
    height: int
    width: int
    boxes: NDArray[np.int64]  # (M, 4) x0, y0, x1, y1 in pixels
    labels: NDArray[np.int64]


def images_of_all_sizes(count: int, seed: int = 0) -> list[Image]:
    """Boxes of 2 pixels to the whole image. A third of all sides lie on the border, where rounding would show."""
    random = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        height, width = (int(side) for side in random.integers(200, 1500, 2))
        most = int(random.integers(1, 9))
        boxes: list[list[int]] = []
        areas: set[int] = set()
        for _ in range(most):
            box = []
            for size in (width, height):
                side = max(2, int(np.exp(random.uniform(np.log(2), np.log(size)))))
                start = int(random.integers(0, size - side + 1))
                end = start + side
                where = random.integers(0, 6)
                start, end = (0 if where == 0 else start), (size if where == 1 else end)
                box += [start, end]
            x0, x1, y0, y1 = box
            area = (x1 - x0) * (y1 - y0)
            if area not in areas:  # the paper does not say which of two equally small boxes is learnt
                areas.add(area)
                boxes.append([x0, y0, x1, y1])
        labels = random.integers(0, 3, len(boxes))
        images.append(Image(height, width, np.array(boxes), labels))
    return images


def resized(side: int, image: Image) -> int:
    """Section 4: the short side becomes 800, the long one at most 1333."""
    short, long = sorted((image.height, image.width))
    return round(side * min(Fraction(800, short), Fraction(1333, long)))


def claims_on_level(image: Image, stride: int, low: int, high: int | None, radius: int | None) -> NDArray[np.bool_]:
    """(rows, columns, M): which box may be learnt where. ``radius`` of center sampling in half strides."""
    parts = []
    for axis, size in ((1, image.height), (0, image.width)):  # y, x
        new = resized(size, image)
        cells = -(-new // 128) * 128 // stride  # of the padded canvas
        # Location p and side q of the box compare as p and q * new / size; so as p * size and q * new.
        at = (np.arange(cells) * stride + stride // 2)[:, None]
        first, last = image.boxes[:, axis] * new, image.boxes[:, axis + 2] * new
        before, after = at * size - first, last - at * size  # l and r, or t and b
        inside = (before > 0) & (after > 0)
        if radius is not None:
            inside &= abs(2 * at * size - (first + last)) < radius * stride * size
        near = (before <= high * size) & (after <= high * size) if high is not None else np.ones_like(inside)
        far = (before >= low * size) | (after >= low * size)
        parts.append((inside & near, far))
    (rows, rows_far), (columns, columns_far) = parts
    within = rows[:, None] & columns[None]
    return within & (rows_far[:, None] | columns_far[None])


def count(images: list[Image], levels: list[tuple[int, int, int | None]], radius: int | None = None) -> dict[str, Any]:
    """Positive and ambiguous locations, and which boxes have a location."""
    positive = ambiguous = different = 0
    found = []
    for image in images:
        sides = image.boxes[:, 2:] - image.boxes[:, :2]
        order = np.argsort(sides[:, 0] * sides[:, 1])
        has = np.zeros(len(image.boxes), dtype=bool)
        for level in levels:
            claims = claims_on_level(image, *level, radius).reshape(-1, len(image.boxes))
            claims = claims[claims.any(axis=1)]
            positive += len(claims)
            several = claims[claims.sum(axis=1) > 1]
            ambiguous += len(several)
            highest = np.where(several, image.labels, -1).max(axis=1, initial=-1)
            lowest = np.where(several, image.labels, 99).min(axis=1, initial=99)
            different += int((highest != lowest).sum())
            learnt = claims[:, order].argmax(axis=1)  # the first, that is the smallest
            has[order[np.unique(learnt)]] = True
        found += has.tolist()
    return {"positive": positive, "ambiguous": ambiguous, "different": different, "found": found}


FPN: list[tuple[int, int, int | None]] = [(8, 0, 64), (16, 64, 128), (32, 128, 256), (64, 256, 512), (128, 512, None)]
ROWS: dict[str, tuple[FCOSConfig, list[tuple[int, int, int | None]], int | None]] = {
    "P4 only": (FCOSConfig.paper(levels=(4,), level_bounds=(0, INF)), [(16, 0, None)], None),
    "FPN": (FCOSConfig.paper(), FPN, None),
    "center sampling": (FCOSConfig.paper(center_sampling_radius=1.5), FPN, 3),
}


@pytest.fixture(scope="module")
def thousand() -> list[Image]:
    return images_of_all_sizes(1000)


@pytest.mark.parametrize("name", ROWS)
def test_a_thousand_images_are_counted_alike(name: str, thousand: list[Image]) -> None:
    config, levels, radius = ROWS[name]
    want = count(thousand, levels, radius)
    rows = [
        ((i.height, i.width), [(*box, label) for box, label in zip(i.boxes.tolist(), i.labels.tolist())])
        for i in thousand
    ]
    boxes = make_boxes(*rows)
    assert best_possible_recall(boxes, config, progress=False).found.tolist() == want["found"]
    got = ambiguity(boxes, config, progress=False)
    assert got._asdict() == {key: want[key] for key in ("positive", "ambiguous", "different")}
    assert 0 < want["different"] < want["ambiguous"] < want["positive"] and not all(want["found"])
