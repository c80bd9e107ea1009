"""Drawn boxes: the pixels that must change, and those that must not."""

import pytest
import torch

from fcos_edu.drawing import COLORS, draw_detections


def detection(*boxes, labels=None, scores=None):
    found = {"boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)}
    found["labels"] = torch.tensor(labels if labels is not None else [0] * len(boxes), dtype=torch.int64)
    if scores is not None:
        found["scores"] = torch.tensor(scores)
    return found


def rgb(color):
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def test_the_sides_of_the_box_are_drawn_in_the_class_colour():
    drawn = draw_detections(
        torch.zeros(3, 120, 120), detection([20, 30, 90, 100], labels=[1], scores=[0.9]), ["a", "b"]
    )
    assert drawn.dtype == torch.uint8
    assert drawn[:, 65, 20].tolist() == rgb(COLORS[1])
    assert drawn[:, 100, 55].tolist() == rgb(COLORS[1])
    assert drawn[:, 75, 60].sum() == 0  # inside, away from the text
    assert drawn[:, :, 100:].sum() == 0  # outside


def test_nothing_found_leaves_a_copy():
    image = torch.randint(0, 255, (3, 20, 30), dtype=torch.uint8)
    drawn = draw_detections(image, detection())
    assert torch.equal(drawn, image) and drawn.data_ptr() != image.data_ptr()


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7)])
def test_odd_sizes_and_boxes_on_the_border(size):
    height, width = size
    drawn = draw_detections(torch.full((3, *size), 0.5), detection([0, 0, width, height], scores=[1.0]))
    assert drawn.shape == (3, *size)


def test_a_class_without_a_name_is_drawn_by_number():
    draw_detections(torch.zeros(3, 50, 50), detection([5, 5, 40, 40], labels=[12], scores=[0.5]), ["only one"])


def test_the_label_stands_on_a_plate_inside_the_picture():
    # At the upper right corner there is no room above, and too little to the right.
    found = detection([180, 0, 199, 60], labels=[2], scores=[0.75])
    drawn = draw_detections(torch.zeros(3, 100, 200), found, ["a", "b", "c"]).permute(1, 2, 0)  # (100, 200, 3)
    plate = (drawn == torch.tensor(rgb(COLORS[2]), dtype=torch.uint8)).all(-1)
    assert plate[:12, :175].sum() > 50  # pushed to the left of the box, still whole
