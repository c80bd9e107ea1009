"""Anchors: their outlines, what they match, and IoUs by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from fcos_edu import figures

from .support import BOXES, IMAGE, by_gid, rectangles, xy


def outlines(axes: Axes, gid: str) -> list[list[float]]:
    """xyxy of the boxes of a collection of outlines."""
    found = by_gid(axes, gid).get_segments()
    return [[*np.asarray(corners).min(0), *np.asarray(corners).max(0)] for corners in found]


class TestAnchors:
    ANCHORS = torch.tensor([[2.0, 3.0, 12.0, 9.0], [20.0, 10.0, 30.0, 40.0], [-8.0, -6.0, 70.0, 20.0]])

    def test_each_group_is_drawn_where_its_boxes_are(self) -> None:
        groups = {"wide": self.ANCHORS[:1], "others": self.ANCHORS[1:]}
        (axes,) = figures.anchors_on_image(IMAGE, groups, [(7, 6), (25, 25)]).axes
        assert outlines(axes, "wide") == self.ANCHORS[:1].tolist()
        assert outlines(axes, "others") == self.ANCHORS[1:].tolist()
        assert xy(by_gid(axes, "locations")) == [[7, 6], [25, 25]]
        assert [t.get_text() for t in axes.get_legend().get_texts()] == ["wide", "others"]
        assert (axes.get_xlim(), axes.get_ylim()) == ((0, 60), (40, 0))

    def test_a_margin_shows_what_lies_beyond_the_image(self) -> None:
        (axes,) = figures.anchors_on_image(IMAGE, {"": self.ANCHORS}, margin=0.5).axes
        assert (axes.get_xlim(), axes.get_ylim()) == ((-30, 90), (70, -30))
        assert axes.get_legend() is None

    def test_no_anchors_are_an_empty_picture(self) -> None:
        (axes,) = figures.anchors_on_image(IMAGE, {"": torch.zeros(0, 4)}).axes
        assert outlines(axes, "") == []

    def test_matched_anchors_go_to_their_box_and_a_box_without_any_says_so(self) -> None:
        (axes,) = figures.matched_anchors(IMAGE, BOXES, self.ANCHORS, torch.tensor([0, -1, 0])).axes
        assert outlines(axes, "anchors of 0") == self.ANCHORS[[0, 2]].tolist()
        assert outlines(axes, "anchors of 1") == outlines(axes, "anchors of 2") == []
        assert [t.get_text() for t in axes.texts] == ["2 anchors", "no anchor", "no anchor"]
        assert [p.get_linestyle() for p in axes.patches] == ["-", ":", ":"]
        assert rectangles(axes) == BOXES.tolist()

    def test_intersection_and_union_are_those_of_the_boxes(self) -> None:
        axes, side = figures.intersection_and_union((0, 0, 10, 10), (5, 2, 15, 12), (20, 20)).axes
        (bars,) = side.containers[:1]
        assert [bar.get_height() for bar in bars] == [40, 160]
        assert side.get_title() == "IoU = 0.25"
        assert rectangles(axes) == [[5, 2, 10, 10], [0, 0, 10, 10], [5, 2, 15, 12]]

    def test_boxes_apart_share_nothing(self) -> None:
        axes, side = figures.intersection_and_union((0, 0, 5, 5), (5, 0, 10, 5), (20, 20)).axes
        assert side.get_title() == "IoU = 0.00"
        assert rectangles(axes) == [[0, 0, 5, 5], [5, 0, 10, 5]]

    def test_counts_are_drawn_in_thousands_with_the_mark(self) -> None:
        figure = figures.counts_by_width([800, 900], {"a": [1000, 2000]}, mark=(1500, "mark"), ylabel="samples")
        (axes,) = figure.axes
        assert xy(axes.lines[0]) == [[800, 1], [900, 2]]
        assert by_gid(axes, "mark").get_ydata() == [1.5, 1.5]

    def test_found_and_lost_boxes_lie_at_their_width_and_height(self) -> None:
        (axes,) = figures.anchor_coverage(BOXES, [True, False, True], self.ANCHORS).axes
        assert xy(by_gid(axes, "found")) == [[20, 30], [4, 3]]
        assert xy(by_gid(axes, "lost")) == [[10, 10]]
        assert xy(by_gid(axes, "anchors")) == [[10, 6], [10, 30], [78, 26]]
        assert axes.get_title() == "67 % of 3 boxes found"

    def test_coverage_needs_an_answer_for_each_box(self) -> None:
        with pytest.raises(ValueError, match="2 found for 3 boxes"):
            figures.anchor_coverage(BOXES, [True, False], self.ANCHORS)

    def test_the_best_anchor_stands_out_and_the_arrows_are_those_of_eq_1(self) -> None:
        box, location = (5.0, 4.0, 25.0, 34.0), (15.0, 14.0)
        left, right = figures.anchors_or_distances(IMAGE, location, box, self.ANCHORS, [0.1, 0.6, 0.3]).axes
        best = by_gid(left, "best")
        assert best.get_bbox().extents.tolist() == self.ANCHORS[1].tolist()
        assert outlines(left, "anchors") == self.ANCHORS[[0, 2]].tolist()
        assert "0.60" in left.get_title()
        arrows = {p.get_gid(): p for p in right.patches if isinstance(p, FancyArrowPatch)}
        assert set(arrows) == {"l", "t", "r", "b"}
