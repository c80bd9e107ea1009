"""The pyramid and its levels: positions, counts and bounds of what is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.container import BarContainer
from matplotlib.patches import Rectangle

from fcos_edu import figures
from fcos_edu.locations import level_locations

from .support import BOXES, IMAGE, SIZES, by_gid, rectangles, xy


class TestPyramid:
    def test_all_maps_their_sizes_and_strides_are_named(self) -> None:
        (axes,) = figures.pyramid(SIZES).axes
        texts = [t.get_text() for t in axes.texts]
        for level, (height, width) in enumerate(SIZES, start=3):
            assert f"P{level}" in texts and f"{height} × {width}\nstride {2**level}" in texts
        assert [t for t in texts if t in ("C3", "C4", "C5", "C6")] == ["C3", "C4", "C5"]

    def test_c_and_p_of_one_level_lie_side_by_side_and_higher_levels_higher(self) -> None:
        (axes,) = figures.pyramid(SIZES).axes
        height = {t.get_text(): t.get_position()[1] for t in axes.texts}
        assert all(height[f"C{i}"] == height[f"P{i}"] for i in (3, 4, 5))
        assert sorted((f"P{i}" for i in range(3, 8)), key=height.get) == ["P3", "P4", "P5", "P6", "P7"]

    def test_another_number_of_levels_is_refused(self) -> None:
        with pytest.raises(ValueError, match="4 sizes and 5 strides"):
            figures.pyramid(SIZES[:4])

    def test_ranges_meet_at_the_bounds(self) -> None:
        (axes,) = figures.level_ranges((0, 64, 128, 256, 512, np.inf), spans={"a box": (50, 100)}).axes
        bars = {p.get_gid(): (p.get_x(), p.get_x() + p.get_width()) for p in axes.patches}
        assert bars["P4"] == (64, 128) and bars["P6"] == (256, 512)
        assert bars["P3"][1] == 64 and bars["P7"][0] == 512
        assert by_gid(axes, "a box").get_xdata().tolist() == [50, 100]
        assert axes.get_xscale() == "log"

    def test_level_assignment_draws_each_level_s_positives(self) -> None:
        points = [level_locations(5, 8, 8), level_locations(3, 4, 16)]
        matched = [torch.full((40,), -1), torch.full((12,), -1)]
        matched[0][[0, 9]] = 0
        matched[1][5] = 0
        matched[1][[6, 7]] = 1
        figure = figures.level_assignment(IMAGE, BOXES, points, matched, levels=(3, 4))
        overview, p3, p4 = figure.axes
        assert rectangles(overview) == BOXES.tolist()
        edges = [p.get_edgecolor()[:3] for p in overview.patches]
        # Box 0 lives mostly on P3, box 1 on P4, box 2 nowhere.
        assert edges == [to_rgb(c) for c in (figures.LEVEL_COLORS[3], figures.LEVEL_COLORS[4], "white")]
        assert xy(by_gid(p3, "P3")) == points[0][[0, 9]].tolist()
        assert xy(by_gid(p4, "P4")) == points[1][[5, 6, 7]].tolist()
        assert p4.get_title() == "P4: 3 positive"
        assert figures.positives_of_boxes(matched, 3).tolist() == [[2, 1], [0, 2], [0, 0]]

    def test_box_on_levels_counts_what_it_draws(self) -> None:
        points = [level_locations(5, 8, 8), level_locations(3, 4, 16)]
        matched = [torch.where(torch.arange(40) < 7, 0, -1), torch.where(torch.arange(12) < 2, 0, -1)]
        near, far, bars = figures.box_on_levels((4, 4, 36, 24), points, matched, (40, 60), levels=(3, 4)).axes
        assert xy(by_gid(near, "P3")) == points[0][:7].tolist()
        assert xy(by_gid(near, "P4")) == points[1][:2].tolist()
        assert [bar.get_height() for bar in bars.patches] == [7, 2]
        assert rectangles(far) == rectangles(near) == [[4, 4, 36, 24]]

    def test_box_on_levels_without_positives(self) -> None:
        axes = figures.box_on_levels((1, 1, 2, 2), [level_locations(1, 1, 8)], [[-1]], (8, 8), levels=(3,)).axes
        assert [bar.get_height() for bar in axes[2].patches] == [0]

    def test_positives_by_size_has_a_line_for_each_level(self) -> None:
        counts = torch.tensor([[1, 2], [3, 4], [5, 6]])
        (axes,) = figures.positives_by_size([10, 20, 40], counts, levels=(3, 4)).axes
        assert [line.get_ydata().tolist() for line in axes.lines] == counts.T.tolist()
        assert [line.get_label() for line in axes.lines] == ["P3", "P4"]
        assert len({line.get_marker() for line in axes.lines}) == 2  # told apart without colour

    def test_a_level_s_line_ends_at_its_first_zero(self) -> None:
        counts = [[0], [0], [3], [4], [0], [0], [0]]
        (axes,) = figures.positives_by_size([1, 2, 4, 8, 16, 32, 64], counts, levels=(3,)).axes
        assert xy(axes.lines[0]) == [[2, 0], [4, 3], [8, 4], [16, 0]]


class TestSamplesOnLevels:
    POINTS = [[(4.0, 4.0), (12.0, 4.0)], [(8.0, 8.0)]]

    def panel(self, positive: list[bool], ambiguous: list[bool]) -> tuple[Any, ...]:
        return (3, 4), self.POINTS, positive, ambiguous

    def test_positive_and_ambiguous_locations_are_drawn_on_their_level(self) -> None:
        panels = {"a": self.panel([True, False, True], [False, False, True]), "b": self.panel([False] * 3, [False] * 3)}
        left, right = figures.samples_on_levels(BOXES, panels, canvas=(40, 60)).axes
        assert xy(by_gid(left, "a: P3")) == [[4, 4]]
        assert xy(by_gid(left, "a: P4")) == xy(by_gid(left, "a: ambiguous on P4")) == [[8, 8]]
        assert xy(by_gid(left, "a: ambiguous on P3")) == []
        assert left.get_title() == "a:\n2 positive, 1 ambiguous"
        assert right.get_title() == "b:\n0 positive, 0 ambiguous"
        assert rectangles(left) == rectangles(right) == BOXES.tolist()

    def test_all_settings_give_figures_of_the_same_size(self) -> None:
        """Frames of a moving figure must not jump."""
        some = figures.samples_on_levels(BOXES, {"a": self.panel([True] * 3, [True] * 3)}, canvas=(40, 60))
        none = figures.samples_on_levels(BOXES, {"a": self.panel([False] * 3, [False] * 3)}, canvas=(40, 60))
        assert some.get_size_inches().tolist() == none.get_size_inches().tolist()

    def test_an_image_may_lie_below(self) -> None:
        (axes,) = figures.samples_on_levels(BOXES, {"a": self.panel([True] * 3, [False] * 3)}, image=IMAGE).axes
        assert tuple(axes.images[0].get_extent()) == (0, 60, 40, 0)


def test_a_level_is_a_bar_between_its_quartiles() -> None:
    (axes,) = figures.level_demands({3: np.arange(101.0), 5: np.full(4, 7.0)}, xlabel="x", limits=(0, 100)).axes
    bar = by_gid(axes, "P3")
    assert (bar.get_x(), bar.get_x() + bar.get_width()) == (25, 75)
    assert by_gid(axes, "median P3").get_xdata()[0] == 50 and by_gid(axes, "median P5").get_xdata()[0] == 7
    assert [t.get_text() for t in axes.get_yticklabels()] == ["P3", "P5"]
    assert axes.get_xlim() == (0, 100)


class TestYourOwnBoxes:
    """Pictures of the chapter "Your own boxes"."""

    BOUNDS = (0.0, 32.0, 64.0, 128.0, 256.0, np.inf)

    def bars(self, axes: Axes) -> list[tuple[str, list[Rectangle]]]:
        return [(c.get_label(), list(c)) for c in axes.containers if isinstance(c, BarContainer)]

    @settings(max_examples=20)  # each is a whole figure
    @given(st.lists(st.floats(0.5, 2000), max_size=40))
    def test_every_box_is_counted_once(self, sizes: list[float]) -> None:
        (axes,) = figures.boxes_on_levels(sizes, self.BOUNDS).axes
        assert sum(bar.get_height() for _, group in self.bars(axes) for bar in group) == len(sizes)
        assert sum(int(t.get_text().split("\n")[1].replace(",", "")) for t in axes.texts) == len(sizes)

    def test_a_bar_lies_within_the_range_of_its_level(self) -> None:
        (axes,) = figures.boxes_on_levels([3, 31.9, 32, 33, 100, 1000], (0.0, 24.0, 50.0, np.inf), (3, 4, 5)).axes
        groups = self.bars(axes)
        assert [name for name, _ in groups] == ["P3", "P4", "P5"]
        for (_, group), (low, high) in zip(groups, [(0, 24), (24, 50), (50, 1e9)], strict=True):
            assert all(low <= bar.get_x() and bar.get_x() + bar.get_width() <= high + 1e-6 for bar in group)
        assert [t.get_text() for t in axes.texts] == ["P3\n1", "P4\n3", "P5\n2"]

    def test_a_box_on_a_bound_belongs_to_the_finer_level(self) -> None:
        (axes,) = figures.boxes_on_levels([32, 64], self.BOUNDS).axes
        assert [t.get_text() for t in axes.texts][:3] == ["P3\n1", "P4\n1", "P5\n0"]

    def test_bounds_that_do_not_fit_are_named(self) -> None:
        with pytest.raises(ValueError, match="3 bounds for 5 levels"):
            figures.boxes_on_levels([1], (0, 1, 2))
