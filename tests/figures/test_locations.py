"""Locations, distances and targets: drawn where the package says they are."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyArrowPatch

from fcos_edu import figures
from fcos_edu.locations import level_locations
from fcos_edu.targets import ltrb

from .support import BOXES, IMAGE, by_gid, rectangles, xy


class TestLocations:
    def test_every_location_is_a_point_and_the_grid_has_the_stride(self) -> None:
        points = level_locations(5, 8, 8)
        figure = figures.location_grid(IMAGE, {"half": points, "none": points - 4}, 8)
        assert [axes.get_title() for axes in figure.axes] == ["half", "none"]
        for axes, expected in zip(figure.axes, (points, points - 4)):
            lines = axes.lines
            assert xy(lines[-1]) == expected.tolist()
            upright = [line.get_xdata()[0] for line in lines[:-1] if line.get_xdata()[0] == line.get_xdata()[1]]
            assert upright == list(range(0, 61, 8))

    @given(
        st.tuples(*[st.integers(0, 60)] * 2),
        st.tuples(*[st.integers(0, 25)] * 2, *[st.integers(30, 60)] * 2),
    )
    def test_four_distances_are_the_package_s(self, location: tuple, box: tuple) -> None:
        expected = ltrb(torch.tensor([location]).float(), torch.tensor([box]).float())[0, 0]
        assert list(figures.four_distances(location, box).values()) == expected.tolist()

    def test_arrows_lead_from_the_location_to_the_sides(self) -> None:
        (axes,) = figures.locations_and_distances((12, 20), (5, 4, 25, 34), canvas=(40, 60)).axes
        arrows = {name: by_gid(axes, name) for name in "ltrb"}
        ends = {name: arrow._posA_posB for name, arrow in arrows.items()}
        assert ends == {
            "l": [(12, 20), (5, 20)],
            "t": [(12, 20), (12, 4)],
            "r": [(12, 20), (25, 20)],
            "b": [(12, 20), (12, 34)],
        }
        assert {arrow.get_linestyle() for arrow in arrows.values()} == {"-"}
        assert xy(by_gid(axes, "location")) == [[12, 20]]

    def test_a_negative_distance_is_dashed_beside_the_others_and_hatched(self) -> None:
        figure = figures.locations_and_distances((2, 20), (5, 4, 25, 34), canvas=(40, 60), bars=True)
        left, right = by_gid(figure.axes[0], "l"), by_gid(figure.axes[0], "r")
        assert (left.get_linestyle(), right.get_linestyle()) == ("--", "-")
        assert left._posA_posB[1][0] == 5 and left._posA_posB[0][1] != right._posA_posB[0][1]
        assert "outside" in figure.axes[0].get_title()
        drawn = figure.axes[1].patches
        assert [bar.get_height() for bar in drawn] == [-3, 16, 23, 14]
        assert [bar.get_hatch() for bar in drawn] == ["///", "", "", ""]

    def test_a_location_on_the_border_is_outside_and_has_no_arrow_there(self) -> None:
        (axes,) = figures.locations_and_distances((5, 20), (5, 4, 25, 34), image=IMAGE).axes
        assert "outside" in axes.get_title()
        assert sum(isinstance(p, FancyArrowPatch) for p in axes.patches) == 3

    def test_the_smallest_box_around_the_location_is_the_target(self) -> None:
        (axes,) = figures.ambiguity((15, 12), BOXES).axes
        target = by_gid(axes, "target")
        assert [target.get_x(), target.get_y()] == [10, 8]  # not the smaller box that does not hold it
        assert "2 boxes" in axes.get_title()

    def test_an_ambiguous_location_on_an_image(self) -> None:
        (axes,) = figures.ambiguity((15, 12), BOXES[:2], image=IMAGE).axes
        assert tuple(axes.images[0].get_extent()) == (0, 60, 40, 0)
        assert rectangles(axes) == [BOXES[0].tolist(), BOXES[1].tolist(), BOXES[1].tolist()]  # the last one is filled
        assert xy(axes.lines[0]) == [[15, 12]]

    def test_a_location_in_no_box_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"\(59, 39\) lies in none of 3 boxes"):
            figures.ambiguity((59, 39), BOXES)

    def test_each_location_is_drawn_with_its_box(self) -> None:
        points = torch.tensor([[6.0, 6.0], [15.0, 12.0], [50.0, 5.0], [7.0, 30.0]])
        matched = torch.tensor([0, 1, -1, 0])
        (axes,) = figures.assignment(
            IMAGE, BOXES, points, matched, ambiguous=torch.tensor([False, True, False, False])
        ).axes
        assert xy(by_gid(axes, "box 0")) == [[6, 6], [7, 30]]
        assert xy(by_gid(axes, "box 1")) == [[15, 12]]
        assert xy(by_gid(axes, "box 2")) == []
        assert xy(by_gid(axes, "background")) == [[50, 5]]
        assert xy(by_gid(axes, "ambiguous")) == [[15, 12]]


class TestSeparable:
    def test_the_grid_is_the_product_of_its_strips(self) -> None:
        columns, rows = torch.tensor([0, 1, 1, 0, 1], dtype=torch.bool), torch.tensor([1, 0, 1], dtype=torch.bool)
        top, _, main, right = figures.rows_and_columns(columns, rows).axes
        assert top.images[0].get_array().tolist() == [columns.tolist()]
        assert right.images[0].get_array().ravel().tolist() == rows.tolist()
        expected = (rows[:, None] & columns[None]).tolist()
        assert main.images[0].get_array().tolist() == expected
        assert len(main.texts) == 15 and sum(t.get_text() == "1" for t in main.texts) == 6

    def test_a_cell_shows_its_word_and_the_colour_of_its_lowest_bit(self) -> None:
        figure = figures.bit_words([0b011, 0b110], [0b111, 0b100], ["a", "b", "c"])
        top, _, main, right = figure.axes
        assert [t.get_text() for t in top.texts] == ["011", "110"]
        assert [t.get_text() for t in right.texts] == ["111", "100"]
        assert [t.get_text() for t in main.texts] == ["011", "110", "000", "100"]
        faces = [patch.get_facecolor()[:3] for patch in main.patches]
        assert faces == [to_rgb(c) for c in (figures.COLORS[0], figures.COLORS[1], "white", figures.COLORS[2])]
        assert [t.get_text() for t in figure.legends[0].get_texts()] == ["bit 0: a", "bit 1: b", "bit 2: c"]

    @pytest.mark.parametrize("done", [1, 2])
    def test_rows_fill_one_after_the_other(self, done: int) -> None:
        main = figures.bit_words([1, 1, 0], [1, 1], ["a"], rows_done=done).axes[2]
        assert len(main.texts) == 3 * done
        frame = main.patches[-1]
        assert not frame.get_fill() and frame.get_y() == done - 1.5


def test_rows_that_drift_lie_where_they_are_and_tell_their_pitch() -> None:
    figure = figures.row_drift(800, {"paper": [64, 192], "torchvision": [0, 114]}, longest=896)
    (axes,) = figure.axes
    assert [list(line.get_ydata()) for line in axes.lines] == [[64, 192], [0, 114], [64, 0], [192, 114]]
    assert axes.get_title() == "canvas 800 pixels high: 114 apart"
    with pytest.raises(ValueError, match="give two rules with as many rows each"):
        figures.row_drift(800, {"paper": [64, 192], "torchvision": [0]}, longest=896)
