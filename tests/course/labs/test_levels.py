"""Lab 2: targets put together from its answers are the package's targets."""

from __future__ import annotations

import torch

from fcos_edu import FCOSConfig
from fcos_edu.course import find
from fcos_edu.locations import Grid, level_locations
from fcos_edu.targets import make_targets, pad_boxes


def test_the_answers_together_are_the_packages_targets() -> None:
    config = FCOSConfig.paper(normalize_targets=True)
    grid = Grid.of(256, 320, config)
    boxes = torch.tensor([[10.0, 20, 90, 60], [0, 0, 300, 250], [40, 30, 70, 50], [100, 90, 228, 218]])
    labels = torch.tensor([3, 0, 7, 1])
    whole = make_targets(pad_boxes([{"boxes": boxes, "labels": labels}], torch.device("cpu")), grid, config)
    found: dict[str, list[torch.Tensor]] = {"labels": [], "ltrb": []}
    for (height, width), stride, low, high in zip(
        grid.sizes, config.strides, config.level_bounds, config.level_bounds[1:], strict=False
    ):
        points = level_locations(height, width, stride)
        matched = find("assign").answer(points, boxes, low, high)
        found["labels"].append(find("class_targets").answer(matched, labels))
        found["ltrb"].append(find("box_targets").answer(points, boxes, matched, stride))
    assert torch.equal(torch.cat(found["labels"]), whole.labels[0])
    assert torch.allclose(torch.cat(found["ltrb"]), whole.ltrb[0])
    assert (whole.labels >= 0).any() and (whole.labels < 0).any()


def test_center_sampling_is_the_packages() -> None:
    config = FCOSConfig.paper(levels=(3,), level_bounds=(0, 1e9), center_sampling_radius=1.5)
    points = level_locations(20, 30, 8)
    boxes = torch.tensor([[16.0, 16, 160, 128]])
    from fcos_edu.targets import assign_slow

    inside = assign_slow([points], boxes, config) == 0
    near = find("near_center").answer(points, boxes, 8, 1.5)[:, 0]
    assert torch.equal(inside, near) and 0 < near.sum() < 20
