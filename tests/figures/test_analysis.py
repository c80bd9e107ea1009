"""Tables 1 and 2, taken apart: where points, lines and bars lie, and counts that cannot be."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch

from fcos_edu import figures

from .support import BOXES, IMAGE, by_gid, xy


class TestLostBoxes:
    """Tables 1 and 2, taken apart."""

    edges = (4, 16, 64, 256)

    def test_recall_stands_in_percent_in_the_middle_of_its_bin(self) -> None:
        series = {"ours": ([50, 0, 90], [100, 0, 100]), "theirs": (torch.tensor([5, 80, 10]), [10, 100, 10])}
        whole, close = figures.recall_by_size(self.edges, series).axes
        for axes in (whole, close):
            lines = {line.get_label(): line for line in axes.lines}
            np.testing.assert_allclose(xy(lines["ours"]), [[8, 50], [128, 90]])  # no point where there is no box
            np.testing.assert_allclose(xy(lines["theirs"]), [[8, 50], [32, 80], [128, 100]])
            assert axes.get_xscale() == "log"
            assert lines["ours"].get_marker() != lines["theirs"].get_marker()
        low, high = close.get_ylim()
        assert whole.get_ylim()[0] < 0 < 85 < low < 100 < high < whole.get_ylim()[1]

    def test_bins_of_few_boxes_are_hollow(self) -> None:
        few = figures.FEW_BOXES
        figure = figures.recall_by_size(self.edges, {"a": ([1, 2, 3], [few - 1, few, few + 1])})
        hollow = by_gid(figure.axes[0], "few: a")
        np.testing.assert_allclose(xy(hollow), [[8, 100 / (few - 1)]])
        assert hollow.get_markerfacecolor() == "white"
        assert [t.get_text() for t in figure.legends[0].get_texts()] == ["a", f"fewer than {few} boxes"]
        many = figures.recall_by_size(self.edges, {"a": ([1, 2, 3], [few] * 3)})
        assert [t.get_text() for t in many.legends[0].get_texts()] == ["a"]

    @pytest.mark.parametrize("edges", [[4], [0, 4, 16, 64], [4, 16, 16, 64], [4, 16, 64, np.inf], [4, np.nan, 16, 64]])
    def test_edges_that_no_logarithmic_axis_can_have_are_refused(self, edges: list[float]) -> None:
        with pytest.raises(ValueError, match="edges"):
            figures.recall_by_size(edges, {})

    @pytest.mark.parametrize(
        "found, total, said",
        [([1, 2], [3, 3], "3 bins"), ([1, 2, 4], [3, 3, 3], "found <= all"), ([1, 2], [1, 2, 3], "2 found, 3 total")],
    )
    def test_counts_that_do_not_fit_are_refused(self, found: list[int], total: list[int], said: str) -> None:
        with pytest.raises(ValueError, match=said):
            figures.recall_by_size(self.edges, {"a": (found, total)})

    def test_each_level_has_its_share_of_lost_boxes(self) -> None:
        (axes,) = figures.recall_by_level((3, 4, 5), [2000, 50, 0], [30, 1, 0]).axes
        assert [bar.get_height() for bar in axes.patches] == [1.5, 2.0, 0.0]
        assert [t.get_text() for t in axes.texts] == ["1.5 %\n30 lost", "2.0 %\n1 lost", "0.0 %\n0 lost"]
        assert [t.get_text() for t in axes.get_xticklabels()] == ["P3\n2,000 boxes", "P4\n50 boxes", "P5\n0 boxes"]

    def test_no_lost_box_on_any_level_is_a_picture_too(self) -> None:
        figures.recall_by_level((3, 4), [10, 10], [0, 0]).savefig(BytesIO())

    def test_more_lost_boxes_than_boxes_are_refused(self) -> None:
        with pytest.raises(ValueError, match="lost <= boxes"):
            figures.recall_by_level((3, 4), [10, 10], [0, 11])
        with pytest.raises(ValueError, match="2 levels, 2 boxes, 1 lost"):
            figures.recall_by_level((3, 4), [10, 10], [0])

    def test_each_lost_box_is_a_point_of_its_reason(self) -> None:
        figure = figures.lost_boxes([3, 20, 5, 6], [40, 21, 7, 6], ["thin", "taken", "thin", "thin"], stride=16)
        (axes,) = figure.axes
        assert xy(by_gid(axes, "thin")) == [[3, 40], [5, 7], [6, 6]]
        assert xy(by_gid(axes, "taken")) == [[20, 21]]
        assert by_gid(axes, "thin").get_marker() != by_gid(axes, "taken").get_marker()
        assert [t.get_text() for t in figure.legends[0].get_texts()] == ["thin: 3", "taken: 1"]
        assert axes.get_title() == "lost boxes: 4"
        assert [axes.get_xscale(), axes.get_yscale()] == ["log", "log"]
        upright, level = axes.lines[-2:]
        assert list(upright.get_xdata()) == list(level.get_ydata()) == [16, 16]

    def test_nothing_lost_is_a_picture_too(self) -> None:
        figure = figures.lost_boxes([], [], [])
        figure.savefig(BytesIO())
        assert figure.axes[0].get_title() == "lost boxes: 0" and not figure.legends

    def test_lost_boxes_without_reason_or_extent_are_refused(self) -> None:
        with pytest.raises(ValueError, match="1 reason for 2 boxes"):
            figures.lost_boxes([1, 2], [3, 4], ["thin"])
        with pytest.raises(ValueError, match="a side of 0 pixels"):
            figures.lost_boxes([1, 2], [3, 0], ["thin", "thin"])

    def test_the_curve_over_the_radius_ends_with_the_whole_box(self) -> None:
        figure = figures.center_sampling_curve([2, None, 1], [0.9, 0.95, 0.8], [0.04, 0.07, 0.02], [0.02, 0.04, 0.01])
        above, below = figure.axes
        whole = above.lines[0].get_xdata()[-1]
        assert whole > 2
        for line, percent in zip([*above.lines, *below.lines], ([80, 90, 95], [2, 4, 7], [1, 2, 4]), strict=True):
            assert line.get_xdata().tolist() == [1, 2, whole]
            np.testing.assert_allclose(line.get_ydata(), percent)
        assert below.get_xticks().tolist() == [1, 2, whole]
        assert [t.get_text() for t in below.get_xticklabels()] == ["1", "2", "whole\nbox"]
        assert len({line.get_linestyle() for line in below.lines}) == 2

    def test_the_curve_without_a_whole_box_and_with_wrong_counts(self) -> None:
        _, below = figures.center_sampling_curve([1, 1.5], [0.8, 0.9], [0.1, 0.2], [0.1, 0.1]).axes
        assert [t.get_text() for t in below.get_xticklabels()] == ["1", "1.5"]
        with pytest.raises(ValueError, match="2 radii, 1 recall, 2 ambiguous, 2 different"):
            figures.center_sampling_curve([1, 1.5], [0.8], [0.1, 0.2], [0.1, 0.1])


class TestLostBoxesOnGrids:
    def test_lost_boxes_are_filled_and_ringed_and_the_stride_is_marked(self) -> None:
        points, series = [(4.0, 4.0), (12.0, 4.0)], {"measured": [1.0, 0.5], "expected": [0.9, 0.6]}
        left, right = figures.lost_on_grid(IMAGE, BOXES, points, [True, False, True], (8, 16), series, 16).axes
        assert [p.get_gid() for p in left.patches] == ["found", "lost", "found"]
        assert [p.get_fill() for p in left.patches] == [False, True, False]
        assert xy(by_gid(left, "rings")) == [[15, 13]]
        assert xy(by_gid(left, "locations")) == [list(point) for point in points]
        assert xy(by_gid(right, "stride")) == [[16, 50]]
        assert xy(right.lines[0]) == [[8, 100], [16, 50]]
        assert "1 of 3 boxes" in left.get_title()

    def test_a_series_needs_a_value_for_each_stride(self) -> None:
        with pytest.raises(ValueError, match="2 strides, 1 recall"):
            figures.lost_on_grid(IMAGE, BOXES, [(4.0, 4.0)], [True] * 3, (8, 16), {"a": [1.0]}, 8)

    def test_a_location_in_a_lost_box_shows_whom_it_learns(self) -> None:
        boxes = torch.tensor([[0.0, 0.0, 16.0, 16.0], [0.0, 0.0, 16.0, 9.0]])
        points = [[(4.0, 4.0), (4.0, 12.0), (20.0, 4.0)], [(8.0, 8.0)]]
        owners = [[1, -1, -1], [-1]]
        (axes,) = figures.lost_close_up({"covered": (boxes, 0, points, owners)}).axes
        assert xy(by_gid(axes, "P3")) == [[4, 12]]  # in the lost box, and learns nothing
        assert xy(by_gid(axes, "P3 for 1")) == [[4, 4]]
        assert xy(by_gid(axes, "P4")) == [[8, 8]]
        assert by_gid(axes, "box 0").get_linewidth() > by_gid(axes, "box 1").get_linewidth()
