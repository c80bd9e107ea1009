"""Lab 6: its answers are the package's schedule and averages, and what statistics say."""

from __future__ import annotations

import statistics

import pytest
import torch

from fcos_edu import TrainConfig
from fcos_edu.course import find
from fcos_edu.images import scale_boxes
from fcos_edu.training.optimizer import learning_rate


def test_the_schedule_is_the_packages() -> None:
    config = TrainConfig(iterations=900, warmup_iterations=50, warmup_factor=0.25, schedule="steps")
    for step in (0, 1, 49, 50, 599, 600, 799, 800, 899):
        mine = find("learning_rate").answer(step, 0.01, 50, 0.25, [600, 800])
        assert mine == pytest.approx(0.01 * learning_rate(step, config))


def test_boxes_are_scaled_as_the_package_does() -> None:
    boxes = torch.tensor([[1.0, 2, 30, 40]])
    mine = find("resize_boxes").answer(boxes, (60, 80), (90, 160))
    assert mine.tolist() == [[2, 3, 60, 60]]
    assert torch.allclose(mine, scale_boxes(boxes, (60, 80), (90, 160)))


def test_a_gain_and_its_error() -> None:
    first, second = [30.0, 31.0, 29.5], [31.0, 31.5, 31.25]
    gains = [b - a for a, b in zip(first, second, strict=True)]
    mean, error = find("paired_difference").answer(torch.tensor(first), torch.tensor(second)).tolist()
    assert mean == pytest.approx(statistics.mean(gains))
    assert error == pytest.approx(statistics.stdev(gains) / 3**0.5)
