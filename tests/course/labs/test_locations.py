"""Lab 1: the answers are the package's; what the lab makes itself agrees with them."""

from __future__ import annotations

import torch

from fcos_edu.course import find
from fcos_edu.locations import level_locations
from fcos_edu.targets import ltrb, ltrb_to_boxes


def test_the_way_round_gives_the_box() -> None:
    points, boxes = torch.tensor([[5.0, 7.0]]), torch.tensor([[1.0, 2, 30, 40]])
    distances = find("ltrb").answer(points, boxes)
    assert torch.equal(distances, ltrb(points, boxes)) and distances.tolist() == [[[4, 5, 25, 33]]]
    assert torch.equal(find("ltrb_to_boxes").answer(points, distances[:, 0]), boxes)
    assert find("ltrb_to_boxes").answer is ltrb_to_boxes and find("locations").answer is level_locations
    assert find("inside").answer(distances).tolist() == [[True]]
    assert find("inside").answer(distances * torch.tensor([1, 1, 0, 1])).tolist() == [[False]]
