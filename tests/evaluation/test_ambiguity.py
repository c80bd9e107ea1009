"""Table 2 against a slow count written from the paper, and by hand."""

from __future__ import annotations

import math

import pytest
import torch

from fcos_edu import FCOSConfig
from fcos_edu.data.boxes import Boxes, load_boxes
from fcos_edu.evaluation.ambiguity import Ambiguity, ambiguity, ambiguous_locations, radius_curve
from fcos_edu.evaluation.recall import best_possible_recall
from fcos_edu.locations import Grid
from fcos_edu.targets import PaddedBoxes, assign
from tests.evaluation.test_recall import (
    COCO,
    CONFIGS,
    PAPER,
    coco_sample,
    make_boxes,
    needs_coco,
    random_boxes,
    slow_claims,
)

ONE_MAP = FCOSConfig.paper(min_size=64, max_size=64, levels=(4,), level_bounds=(0, math.inf))
GRID = Grid.of(64, 64, ONE_MAP)  # a map of 4 x 4 locations


def slow_ambiguity(boxes: Boxes, config: FCOSConfig) -> Ambiguity:
    """Section 4.1.1's count, one location at a time."""
    positive = ambiguous = different = 0
    for image in range(boxes.images):
        for _, claims in slow_claims(boxes, image, config):
            positive += len(claims) > 0
            ambiguous += len(claims) > 1
            different += len({int(boxes.labels[k]) for k in claims}) > 1
    return Ambiguity(positive, ambiguous, different)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_slow_count_says_the_same(name: str) -> None:
    boxes, config = random_boxes(6, images=24), CONFIGS[name]
    want = slow_ambiguity(boxes, config)
    assert ambiguity(boxes, config, progress=False) == want
    assert want.positive > want.ambiguous > want.different > 0  # the three differ


@needs_coco
@pytest.mark.parametrize("name", PAPER)
def test_the_slow_count_says_the_same_on_coco(name: str) -> None:
    boxes = coco_sample()
    assert ambiguity(boxes, PAPER[name], progress=False) == slow_ambiguity(boxes, PAPER[name])


@needs_coco
def test_coco_comes_near_the_first_count() -> None:
    boxes = load_boxes(COCO, crowds=True)  # that count took all boxes
    for name, shares in (("P4 only", (0.248, 0.185)), ("P3 to P7", (0.075, 0.039))):
        got = ambiguity(boxes, PAPER[name], progress=False)
        assert (got.all, got.different_classes) == pytest.approx(shares, abs=1e-3)
    assert best_possible_recall(boxes, PAPER["P4 only"], progress=False).recall == pytest.approx(0.965, abs=1e-3)
    assert best_possible_recall(boxes, PAPER["P3 to P7"], progress=False).recall == pytest.approx(0.990, abs=1e-3)


@needs_coco
def test_coco_gives_the_papers_figures_where_boxes_end_at_their_last_pixel() -> None:
    boxes = load_boxes(COCO, last_pixel=True)
    for name, want in (("P4 only", 0.9555), ("P3 to P7", 0.9840)):
        assert best_possible_recall(boxes, PAPER[name], progress=False).recall == pytest.approx(want, abs=1e-3)


def test_by_hand() -> None:
    # A map of 4 x 4 locations at 8, 24, 40, 56. The first two boxes share the location (24, 24).
    size = (64, 64)
    overlap = [(0, 0, 30, 30), (20, 20, 60, 60)]
    for labels, different in (((1, 1), 0), ((1, 2), 1)):
        boxes = make_boxes((size, [(*box, label) for box, label in zip(overlap, labels)]))
        got = ambiguity(boxes, ONE_MAP, progress=False)
        assert got == Ambiguity(positive=4 + 9 - 1, ambiguous=1, different=different)
        assert (got.all, got.different_classes) == (1 / 12, different / 12)
    apart = make_boxes((size, [(0, 0, 20, 20), (20, 20, 60, 60)]), (size, []))
    assert ambiguity(apart, ONE_MAP, progress=False) == Ambiguity(1 + 9, 0, 0)
    # The pyramid takes boxes of different size apart: here 8 and 900 pixels around the same point.
    config = FCOSConfig.paper(min_size=1024, max_size=1024)
    nested = make_boxes(((1024, 1024), [(56, 56, 64, 64), (0, 0, 900, 900)]))
    assert ambiguity(nested, config, progress=False).ambiguous == 0
    assert ambiguity(nested, config.replace(levels=(3,), level_bounds=(0, math.inf)), progress=False).ambiguous == 1


def test_no_location_in_any_box() -> None:
    got = ambiguity(make_boxes(((64, 64), [(0, 0, 3, 3)])), ONE_MAP, progress=False)
    assert (got, got.all, got.different_classes) == (Ambiguity(0, 0, 0), 0.0, 0.0)


def test_more_boxes_than_a_word_has_bits() -> None:
    # 150 boxes around one location; those of another class come first, in the middle and last by area.
    for odd in (0, 62, 63, 64, 149):
        boxes = torch.tensor([[8.0 - r, 8 - r, 8 + r, 8 + r] for r in torch.linspace(0.5, 7.5, 150).tolist()])
        valid = torch.ones(1, 150, dtype=torch.bool)
        for label, different in ((0, False), (1, True)):
            labels = torch.zeros(1, 150, dtype=torch.int64)
            labels[0, odd] = label
            masks = ambiguous_locations(PaddedBoxes(boxes[None], labels, valid), GRID, ONE_MAP)
            assert masks.positive.nonzero().tolist() == masks.ambiguous.nonzero().tolist() == [[0, 0]]
            assert bool(masks.different_classes.any()) is different
    # Two boxes in two words, with 70 small ones elsewhere between them.
    far = torch.tensor([[50.0, 50, 57, 57]]).repeat(70, 1)
    boxes = torch.cat([torch.tensor([[7.5, 7.5, 8.5, 8.5]]), far, torch.tensor([[0.0, 0, 20, 20]])])[None]
    labels = torch.tensor([[1] + [3] * 70 + [2]])
    masks = ambiguous_locations(PaddedBoxes(boxes, labels, torch.ones(1, 72, dtype=torch.bool)), GRID, ONE_MAP)
    assert masks.ambiguous.nonzero().tolist() == [[0, 0], [0, 15]]
    assert masks.different_classes.nonzero().tolist() == [[0, 0]]


def test_padding_and_empty_batches() -> None:
    boxes = torch.tensor([[[0.0, 0, 30, 30], [20, 20, 60, 60]]]).repeat(2, 1, 1)
    labels = torch.tensor([[0, 1], [0, 1]])
    valid = torch.tensor([[True, True], [True, False]])
    masks = ambiguous_locations(PaddedBoxes(boxes, labels, valid), GRID, ONE_MAP)
    assert torch.equal(masks.positive, assign(boxes, valid, GRID.sizes, ONE_MAP) >= 0)
    assert masks.ambiguous.sum(dim=1).tolist() == masks.different_classes.sum(dim=1).tolist() == [1, 0]
    for b, m in ((2, 0), (0, 0)):
        none = torch.zeros(b, m, dtype=torch.bool)
        masks = ambiguous_locations(PaddedBoxes(torch.zeros(b, m, 4), none.long(), none), GRID, ONE_MAP)
        assert all(mask.shape == (b, 16) and not mask.any() for mask in masks)


def test_the_curve_over_radii() -> None:
    boxes, config = random_boxes(7), CONFIGS["P3 to P7"]
    rows = radius_curve(boxes, [0.5, 2.0, 100.0, None], config, progress=False)
    assert [row["radius"] for row in rows] == [0.5, 2.0, 100.0, None]
    for row in rows:
        chosen = config.replace(center_sampling_radius=row["radius"])
        shares = ambiguity(boxes, chosen, progress=False)
        assert row["recall"] == best_possible_recall(boxes, chosen, progress=False).recall
        assert (row["all"], row["different_classes"]) == (shares.all, shares.different_classes)
    assert rows[2] | {"radius": None} == rows[3]  # a radius that reaches over every box is none
    assert rows[0]["all"] < rows[3]["all"]
