"""Table 1 against a slow count written from the paper, and against torchvision's matcher on all anchors."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.models.detection._utils import Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import _default_anchorgen
from torchvision.ops import box_iou

from fcos_edu import FCOSConfig
from fcos_edu.data.boxes import Boxes, load_boxes
from fcos_edu.evaluation.recall import (
    LOW_QUALITY,
    REASONS,
    anchor_matches,
    anchor_recall,
    best_possible_recall,
    retinanet_anchors,
)
from fcos_edu.locations import feature_sizes

INF = math.inf
# Small images keep the slow loops short, small bounds bring all five levels into them.
SMALL = {"min_size": 96, "max_size": 150, "level_bounds": (0, 16, 32, 64, 128, INF)}
CONFIGS = {
    "P3 to P7": FCOSConfig.paper(**SMALL),
    "P4 only": FCOSConfig.paper(**SMALL | {"levels": (4,), "level_bounds": (0, INF)}),
    "center sampling": FCOSConfig.paper(center_sampling_radius=0.75, **SMALL),
    "a gap between levels": FCOSConfig.paper(**SMALL | {"levels": (3, 4), "level_bounds": (8, 16, 40)}),
}
PAPER = {
    "P3 to P7": FCOSConfig.paper(),
    "P4 only": FCOSConfig.paper(levels=(4,), level_bounds=(0, INF)),
}


def make_boxes(*images: tuple[tuple[int, int], list[tuple[float, ...]]], classes: int = 3) -> Boxes:
    """A data set of images ((height, width), boxes xyxy[, label])."""
    rows = [(i, box) for i, (_, own) in enumerate(images) for box in own]
    heights, widths = np.array([size for size, _ in images]).T
    return Boxes(
        "made", tuple(f"class {k}" for k in range(classes)), np.arange(len(images)), heights, widths,
        np.array([i for i, _ in rows], dtype=np.int64),
        np.array([box[:4] for _, box in rows], dtype=np.float32).reshape(-1, 4),
        np.array([box[4] if len(box) > 4 else 0 for _, box in rows], dtype=np.int64), {},
    )  # fmt: skip


def random_boxes(seed: int, images: int = 12, most: int = 8) -> Boxes:
    """Boxes from 2 pixels to the whole image; half of them with whole coordinates, where ties and bounds are met."""
    random = np.random.default_rng(seed)
    made = []
    for i in range(images):
        height, width = (int(v) for v in random.integers(40, 140, 2))
        count = int(random.integers(0, most + 1))
        side = np.exp(random.uniform(np.log(2), np.log(min(height, width)), (count, 2)))
        start = random.uniform(0, 1, (count, 2)) * (np.array([width, height]) - side)
        xyxy = np.concatenate([start, start + side], axis=1)
        if i % 2:
            xyxy = np.concatenate([np.floor(xyxy[:, :2]), np.ceil(xyxy[:, 2:])], axis=1)
        labels = random.integers(0, 3, count)
        made.append(((height, width), [(*box, label) for box, label in zip(xyxy.tolist(), labels.tolist())]))
    return make_boxes(*made)


def slow_claims(boxes: Boxes, image: int, config: FCOSConfig) -> Iterator[tuple[int, list[int]]]:
    """Sections 3.1 and 3.2 by the letter: (level's index, boxes that may claim it) of each location of an image.

    The boxes are positions in ``boxes``, from the smallest area to the largest.
    """
    height, width = int(boxes.heights[image]), int(boxes.widths[image])
    scale = min(config.min_size / min(height, width), config.max_size / max(height, width))
    new_height, new_width = round(height * scale), round(width * scale)
    own = []
    for position in np.flatnonzero(boxes.image_index == image).tolist():
        # Rounded to float32 at the end, as the boxes of training are.
        factors = np.array([new_width / width, new_height / height] * 2)
        x0, y0, x1, y1 = (boxes.boxes[position] * factors).astype(np.float32).astype(float).tolist()
        own.append(((x1 - x0) * (y1 - y0), position, (x0, y0, x1, y1)))
    own.sort()
    for level, p in enumerate(config.levels):
        s = 2**p
        low, high = config.level_bounds[level], config.level_bounds[level + 1]
        # Rows and columns beyond the image lie in no box.
        for y in range(s // 2, new_height + 1, s):
            for x in range(s // 2, new_width + 1, s):
                claims = []
                for _, position, (x0, y0, x1, y1) in own:
                    distances = (x - x0, y - y0, x1 - x, y1 - y)
                    if min(distances) <= 0 or not low <= max(distances) <= high:
                        continue
                    radius = config.center_sampling_radius
                    if radius is not None and (
                        abs(x - (x0 + x1) / 2) >= radius * s or abs(y - (y0 + y1) / 2) >= radius * s
                    ):
                        continue
                    claims.append(position)
                yield level, claims


def slow_samples(boxes: Boxes, config: FCOSConfig) -> np.ndarray:
    """(T, levels): locations that learn each box, the smallest of those that may."""
    samples = np.zeros((len(boxes), len(config.levels)), dtype=int)
    for image in range(boxes.images):
        for level, claims in slow_claims(boxes, image, config):
            if claims:
                samples[claims[0], level] += 1
    return samples


@pytest.mark.parametrize("name", CONFIGS)
def test_the_slow_count_says_the_same(name: str) -> None:
    boxes, config = random_boxes(3), CONFIGS[name]
    want = slow_samples(boxes, config)
    got = best_possible_recall(boxes, config, progress=False)
    assert got.samples.tolist() == want.tolist()
    assert got.found.tolist() == want.any(axis=1).tolist()
    assert got.recall == np.mean(want.any(axis=1))
    assert 0 < got.recall < 1  # both kinds of boxes are among them


COCO = Path(os.environ.get("FCOS_EDU_DATA", "")) / "coco_val2017_boxes" / "boxes.json"
needs_coco = pytest.mark.skipif(
    not (os.environ.get("FCOS_EDU_DATA") and COCO.is_file()), reason="the boxes of COCO are not in FCOS_EDU_DATA"
)


def coco_sample(count: int = 4) -> Boxes:
    """A few images of COCO val2017."""
    boxes = load_boxes(COCO)
    images = np.random.default_rng(8).choice(np.unique(boxes.image_index), count, replace=False)
    return make_boxes(
        *(
            (
                (int(boxes.heights[i]), int(boxes.widths[i])),
                [(*boxes.boxes[k].tolist(), int(boxes.labels[k])) for k in np.flatnonzero(boxes.image_index == i)],
            )
            for i in images
        ),
        classes=80,
    )


@needs_coco
@pytest.mark.parametrize("name", PAPER)
def test_the_slow_count_says_the_same_on_coco(name: str) -> None:
    boxes = coco_sample()
    want = slow_samples(boxes, PAPER[name])
    assert best_possible_recall(boxes, PAPER[name], progress=False).samples.tolist() == want.tolist()
    assert want.sum() > 100


def test_why_boxes_are_lost() -> None:
    size = (128, 256)
    config = FCOSConfig.paper(min_size=128, max_size=256, center_sampling_radius=0.25)
    boxes = make_boxes(
        (size, [(5, 5, 7, 7)]),  # P3 has locations at 4 and 12, P4 at 8
        (size, [(0, 10, 200, 14)]),  # P3's row 12 lies inside, but its locations are over 64 from an end
        (size, [(0, 0, 16, 16)]),  # P3's 4 and 12 are 4 from the centre, P4's 8 is too near for P4
        (size, [(1, 1, 8, 8), (2, 2, 7, 7)]),  # both own the location (4, 4) alone; the second is smaller
        (size, [(0, 0, 24, 24)]),
    )
    got = best_possible_recall(boxes, config, progress=False)
    assert got.found.tolist() == [False, False, False, False, True, True]
    assert got.lost() == dict.fromkeys(REASONS, 1)
    assert [REASONS[k] if k >= 0 else None for k in got.reason] == [*REASONS, None, None]
    assert got.recall == 2 / 6
    everywhere = best_possible_recall(boxes, config.replace(center_sampling_radius=None), progress=False)
    assert everywhere.lost() == dict(zip(REASONS, (1, 1, 0, 1)))


@pytest.mark.parametrize("name", CONFIGS)
def test_every_lost_box_has_its_reason(name: str) -> None:
    config = CONFIGS[name]
    boxes = random_boxes(4, images=30, most=12)
    got = best_possible_recall(boxes, config, progress=False)
    assert (got.reason >= 0).tolist() == (~got.found).tolist()
    assert sum(got.lost().values()) == (~got.found).sum() > 0
    # Alone in its image, a box can be lost to anything but smaller boxes.
    alone = best_possible_recall(boxes.alone(np.arange(len(boxes))), config, progress=False)
    assert (alone.found == (got.found | (got.reason == REASONS.index("taken by smaller boxes")))).all()
    if config.center_sampling_radius is None:
        assert got.lost()["not central"] == 0


def test_equal_boxes_go_to_the_first() -> None:
    boxes = make_boxes(((128, 128), [(10, 10, 60, 60), (10, 10, 60, 60)]))
    got = best_possible_recall(boxes, FCOSConfig.paper(min_size=128, max_size=128), progress=False)
    assert got.found.tolist() == [True, False]
    assert got.lost()["taken by smaller boxes"] == 1


def test_by_level_and_by_size() -> None:
    # 128 pixels stay 128. The large box is 64 pixels from P3's location (60, 60), exactly the bound, and more from
    # others, which are P4's; the small one is P3's alone; the tiny one is nobody's.
    boxes = make_boxes(((128, 128), [(3, 3, 30, 30), (0, 0, 124, 124), (0, 0, 2, 2)]), ((128, 128), []))
    got = best_possible_recall(boxes, FCOSConfig.paper(min_size=128, max_size=128), progress=False)
    levels = got.by_level()
    assert [levels[f"P{k}"]["boxes"] for k in range(3, 8)] == (got.samples > 0).sum(axis=0).tolist()
    assert [levels[f"P{k}"]["boxes"] for k in range(3, 8)] == [2, 1, 0, 0, 0]
    assert levels["P3"]["only here"] == 1 and levels["P4"]["only here"] == 0
    assert sum(level["samples"] for level in levels.values()) == got.samples.sum()
    assert got.by_size((0, 2, 27, 100, INF)) == {
        "0-2": {"boxes": 0, "recall": None},
        "2-27": {"boxes": 1, "recall": 0.0},
        "27-100": {"boxes": 1, "recall": 1.0},
        "100-": {"boxes": 1, "recall": 1.0},
    }
    assert sum(row["boxes"] for row in got.by_size().values()) == 3


# ------------------------------------------------------------------ RetinaNet's anchors
def torchvision_matches(boxes: Tensor, canvas: tuple[int, int]) -> dict[str, list[bool]]:
    """The three rules with all anchors, torchvision's generator and matcher."""
    sizes = feature_sizes(*canvas, (8, 16, 32, 64, 128))
    generator: AnchorGenerator = _default_anchorgen()
    images = ImageList(torch.zeros(1, 3, *canvas), [canvas])
    anchors = generator(images, [torch.zeros(1, 1, *size) for size in sizes])[0]
    iou = box_iou(boxes, anchors)
    found = {}
    for rule, matcher in (("none", Matcher(0.5, 0.4)), ("all", Matcher(0.5, 0.4, allow_low_quality_matches=True))):
        owners = set(matcher(iou).tolist())
        found[rule] = [k in owners for k in range(len(boxes))]
    # torchvision has no rule between; its step for low-quality matches, on the boxes that overlap an anchor enough.
    matcher = Matcher(0.5, 0.4, allow_low_quality_matches=True)
    matches = Matcher(0.5, 0.4)(iou)
    enough = iou[iou.max(dim=1).values >= 0.4]
    if len(enough):
        matcher.set_low_quality_matches_(matches, iou.max(dim=0).indices, enough)
    found["0.4"] = [k in set(matches.tolist()) for k in range(len(boxes))]
    return found


def test_the_anchors_are_torchvisions() -> None:
    ours, theirs = retinanet_anchors(), _default_anchorgen().cell_anchors
    assert len(ours) == 5 and all(torch.equal(a, b) for a, b in zip(ours, theirs))


def nasty_boxes(seed: int, count: int, height: int, width: int) -> Tensor:
    """Boxes of all sizes and shapes: tiny, thin, whole image, on the border, twice the same."""
    generator = torch.Generator().manual_seed(seed)
    border = torch.tensor([width, height])
    side = torch.exp(torch.rand(count, 2, generator=generator) * 6.5) / 2
    start = torch.rand(count, 2, generator=generator) * (border - 1)
    xyxy = torch.cat([start, torch.minimum(start + side, border)], dim=1)
    xyxy[::3] = xyxy[::3].round()
    xyxy[1::4, 2:] = torch.maximum(xyxy[1::4, 2:], xyxy[1::4, :2] + 8)
    good = (xyxy[:, 2:] > xyxy[:, :2]).all(dim=1)
    special = torch.tensor(
        [[0, 0, width, height], [0, 0, 1, 1], [width - 1, 0, width, height], [32, 32, 64, 64], [32, 32, 64, 64]]
    )
    return torch.cat([xyxy[good], special])


@pytest.mark.parametrize("count", [0, 3, 12, 40])
@pytest.mark.parametrize("canvas", [(256, 384), (512, 128)])
def test_the_matcher_says_the_same_on_all_anchors(count: int, canvas: tuple[int, int]) -> None:
    boxes = nasty_boxes(count, count, *canvas)
    strides = (8, 16, 32, 64, 128)
    got = anchor_matches(boxes, feature_sizes(*canvas, strides), strides, retinanet_anchors())
    assert {rule: found.tolist() for rule, found in got.items()} == torchvision_matches(boxes, canvas)


@needs_coco
def test_the_matcher_says_the_same_on_coco() -> None:
    boxes = coco_sample(3)
    found = anchor_recall(boxes, FCOSConfig.paper(), progress=False)
    config = FCOSConfig.paper()
    for image in range(boxes.images):
        own = np.flatnonzero(boxes.image_index == image)
        height, width = int(boxes.heights[image]), int(boxes.widths[image])
        scale = min(800 / min(height, width), 1333 / max(height, width))
        new = round(height * scale), round(width * scale)
        factors = np.array([new[1] / width, new[0] / height] * 2, dtype=np.float32)
        canvas = tuple(-(-side // config.size_divisor) * config.size_divisor for side in new)
        want = torchvision_matches(torch.from_numpy(boxes.boxes[own] * factors), canvas)
        assert {rule: found[rule].found[own].tolist() for rule in LOW_QUALITY} == want


def test_low_quality_matches() -> None:
    # On a canvas of 128 nothing is resized. An anchor of P3 is 32 x 32 around (64, 64).
    config = FCOSConfig.paper(min_size=128, max_size=128)
    size = (128, 128)
    boxes = make_boxes(
        (size, [(48, 48, 80, 80)]),  # the anchor itself
        (size, [(54, 54, 75, 75)]),  # inside it: IoU 441 / 1024 = 0.43
        (size, [(60, 60, 70, 70)]),  # IoU 100 / 1012 (of the smallest anchor, 22 x 46) = 0.10
        (size, [(40, 40, 100, 100), (40, 40, 100, 100)]),  # all their anchors go to the first
    )
    found = anchor_recall(boxes, config, progress=False)
    assert found["none"].found.tolist() == [True, False, False, True, False]
    assert found["0.4"].found.tolist() == [True, True, False, True, False]
    assert found["all"].found.tolist() == [True, True, True, True, False]
    assert found["all"].recall == 4 / 5
    assert found["none"].by_size((0, 32, INF))["0-32"] == {"boxes": 2, "recall": 0.0}
