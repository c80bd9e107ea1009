"""Shares of the loss, and boxes on their way."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fcos_edu import figures
from fcos_edu.losses import iou_and_giou

from .support import by_gid, rectangles, xy


class TestTheLoss:
    def test_shares_lie_on_each_other_and_end_at_the_whole(self) -> None:
        (axes,) = figures.shares([0, 1], {"a": [1, 3], "b b": [3, 1]}, xlabel="γ").axes
        assert xy(by_gid(axes, "a")) == [[0, 25], [1, 75]]
        assert xy(by_gid(axes, "b b")) == [[0, 100], [1, 100]]
        assert axes.get_ylim() == (0, 100)

    def test_shares_of_nothing_or_of_other_lengths_are_refused(self) -> None:
        with pytest.raises(ValueError, match="add up to 0"):
            figures.shares([0, 1], {"a": [1, 0], "b": [3, 0]}, xlabel="γ")
        with pytest.raises(ValueError, match="2 x, 1 a"):
            figures.shares([0, 1], {"a": [1]}, xlabel="γ")

    def test_the_race_draws_truth_and_predictions_around_the_location(self) -> None:
        left, right = figures.box_race((100, 50), (30, 20, 10, 20), {"a": (15, 10, 5, 10), "b": (30, 20, 10, 20)}).axes
        assert rectangles(left) == [[70, 30, 110, 70], [85, 40, 105, 60]]
        assert rectangles(right) == [[70, 30, 110, 70]] * 2
        assert left.get_title().endswith("IoU 0.250") and right.get_title().endswith("IoU 1.000")

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.floats(0.1, 100), min_size=8, max_size=8))
    def test_the_iou_of_the_race_is_the_losses_own(self, sides: list[float]) -> None:
        a, b = sides[:4], sides[4:]
        want, _ = iou_and_giou(torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64))
        assert figures.iou_at_location(a, b) == pytest.approx(want.item(), abs=1e-5)
