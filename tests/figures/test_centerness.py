"""Figs. 3 and 7: lines of equal center-ness, and the points under the diagonal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from fcos_edu import figures
from fcos_edu.centerness import centerness
from fcos_edu.targets import ltrb

from .support import by_gid, xy


class TestCenterness:
    """Fig. 3."""

    box = (10.0, 20.0, 50.0, 40.0)

    def grid(self, height: int = 40, width: int = 80) -> torch.Tensor:
        """Center-ness at the centres of the cells that fill the box."""
        x0, y0, x1, y1 = self.box
        x = x0 + (torch.arange(width) + 0.5) * (x1 - x0) / width
        y = y0 + (torch.arange(height) + 0.5) * (y1 - y0) / height
        points = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)
        return centerness(ltrb(points, torch.tensor([self.box]))[:, 0]).reshape(height, width)

    def test_the_map_fills_the_box_and_the_lines_lie_where_their_value_is(self) -> None:
        figure = figures.centerness_map(self.grid(), self.box)
        axes = figure.axes[0]
        np.testing.assert_allclose(axes.images[0].get_array(), self.grid())
        assert tuple(axes.images[0].get_extent()) == (10, 50, 40, 20)  # y downwards
        assert axes.images[0].get_clim() == (0, 1)
        assert xy(by_gid(axes, "centre")) == [[30, 30]]
        (lines,) = axes.collections
        assert lines.levels.tolist() == [0.2, 0.4, 0.6, 0.8]
        for level, path in zip(lines.levels, lines.get_paths(), strict=True):
            spots = torch.from_numpy(path.vertices).float()
            found = centerness(ltrb(spots, torch.tensor([self.box]))[:, 0])
            assert len(spots) > 8
            np.testing.assert_allclose(found, level, atol=0.02)  # linear between the cells

    @pytest.mark.parametrize(
        "values, said",
        [([0.1, 0.2], r"shape \(2,\)"), ([[0.1, 0.2]], r"shape \(1, 2\)"), ([[0, 1], [0, 1.5]], "from 0 to 1.5")],
    )
    def test_what_is_no_map_of_center_ness_is_refused(self, values: Any, said: str) -> None:
        with pytest.raises(ValueError, match=said):
            figures.centerness_map(values, self.box)


class TestScoreAgainstIou:
    """Fig. 7."""

    def test_the_points_and_how_many_lie_under_the_diagonal(self) -> None:
        before, after, ious = [0.9, 0.5, 0.75, 0.25], [0.25, 0.5, 0.5, 0.125], [0.375, 0.5, 0.75, 0.125]
        figure = figures.score_against_iou(before, torch.tensor(after), ious)
        for axes, scores, count in zip(figure.axes, (before, after), (2, 0), strict=True):
            (points,) = axes.collections
            np.testing.assert_allclose(points.get_offsets(), np.column_stack([scores, ious]), rtol=1e-6)
            assert axes.get_title().endswith(f"\n{count} of 4 points under y = x"), "on the line is not under it"
            assert xy(by_gid(axes, "y = x")) == [[0, 0], [1, 1]]
            assert (axes.get_xlabel(), axes.get_aspect()) == ("score", 1.0)
        left = figure.axes[0].collections[0].get_facecolor()[:, :3]
        wanted = [to_rgb(figures.COLORS[i]) for i in (1, 4, 4, 1)]
        np.testing.assert_allclose(left, wanted)

    @given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), max_size=20))
    @settings(max_examples=25)
    def test_a_smaller_score_never_puts_more_points_under_the_line(
        self, rows: list[tuple[float, float, float]]
    ) -> None:
        score, centre, iou = np.array(rows).reshape(-1, 3).T
        figure = figures.score_against_iou(score, score * centre, iou)
        left, right = (int(axes.get_title().split("\n")[1].split()[0]) for axes in figure.axes)
        assert left == sum(i < s for s, _, i in rows) >= right

    def test_thousands_of_points_are_pixels_in_a_vector_file(self) -> None:
        many = np.linspace(0, 1, 20_000)
        (points,) = figures.score_against_iou(many, many, many).axes[1].collections
        assert points.get_rasterized() and points.get_alpha() < 0.5

    def test_other_counts_are_refused(self) -> None:
        with pytest.raises(ValueError, match="2 scores_without, 1 scores_with, 2 ious"):
            figures.score_against_iou([0.1, 0.2], [0.1], [0.1, 0.2])
