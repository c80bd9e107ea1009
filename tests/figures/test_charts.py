"""Bars and lines: their heights and points are the numbers that were given."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.container import BarContainer

from fcos_edu import figures

from .support import by_gid, xy


class TestBars:
    def test_bars_stand_side_by_side_with_their_values(self) -> None:
        series = {"one": [1, 2, 3], "two": [4, 5, 6]}
        (axes,) = figures.bars(["a", "b", "c"], series, ylabel="%", xlabel="letter", title="both").axes
        assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("letter", "%", "both")
        assert [[bar.get_height() for bar in group] for group in axes.containers] == [[1, 2, 3], [4, 5, 6]]
        starts = [bar.get_x() for group in axes.containers for bar in group]
        assert len(set(starts)) == 6
        assert [t.get_text() for t in axes.texts] == ["1.0", "2.0", "3.0", "4.0", "5.0", "6.0"]

    def test_error_bars_reach_as_far_as_the_spread(self) -> None:
        values, spread = {"one": [1.0, 2.0], "two": [4.0, 5.0]}, {"two": [0.5, 0.75], "one": [0.25, 0.0]}
        (axes,) = figures.bars(["a", "b"], values, ylabel="%", spreads=spread).axes
        groups = [group for group in axes.containers if isinstance(group, BarContainer)]
        for name, group in zip(values, groups, strict=True):
            (stems,) = group.errorbar[2]
            reach = [segment[:, 1].tolist() for segment in stems.get_segments()]
            assert reach == [[v - d, v + d] for v, d in zip(values[name], spread[name], strict=True)]
            middle = [bar.get_x() + bar.get_width() / 2 for bar in group]
            np.testing.assert_allclose([segment[0, 0] for segment in stems.get_segments()], middle)

    def test_bars_below_zero_hang_from_a_line(self) -> None:
        for values, lines in (([1.0, -2.0], 1), ([1.0, 2.0], 0)):
            (axes,) = figures.bars(["a", "b"], {"one": values}, ylabel="points").axes
            assert [line.get_ydata()[0] for line in axes.lines] == [0] * lines

    def test_many_bars_are_no_wider_than_the_page(self) -> None:
        series = {name: [1.0] * 6 for name in "abc"}
        assert figures.bars(list("uvwxyz"), series, ylabel="%").get_size_inches()[0] <= 7

    def test_bars_of_nothing_are_an_empty_figure(self) -> None:
        with np.errstate(all="raise"):
            assert not figures.bars([], {"one": []}, ylabel="%").axes[0].patches

    def test_numbers_that_do_not_fit_the_names_are_refused(self) -> None:
        with pytest.raises(ValueError, match="1 value of 'one' for 2 names"):
            figures.bars(["a", "b"], {"one": [1]}, ylabel="%")
        with pytest.raises(ValueError, match="3 spreads of 'one' for 2 names"):
            figures.bars(["a", "b"], {"one": [1, 2]}, ylabel="%", spreads={"one": [1, 2, 3]})
        with pytest.raises(ValueError, match=r"spreads of \['two'\] for series \['one'\]"):
            figures.bars(["a", "b"], {"one": [1, 2]}, ylabel="%", spreads={"two": [1, 2]})


class TestLines:
    def test_a_line_has_the_same_colour_in_every_panel(self) -> None:
        panels = {"one": {"a": [0.1, 0.2], "b": [0.3, 0.4]}, "two": {"b": [0.5, 0.6]}}
        figure = figures.lines([0, 1], panels, xlabel="x", ylabel="y", limits=(0, 2), marks={"b": (1.0, 0.4)})
        one, two = figure.axes
        assert xy(one.lines[0]) == [[0, 0.1], [1, 0.2]] and xy(two.lines[0]) == [[0, 0.5], [1, 0.6]]
        assert two.lines[0].get_color() == one.lines[1].get_color() != one.lines[0].get_color()
        assert xy(by_gid(one, "mark b")) == [[1.0, 0.4]]
        assert [axes.get_title() for axes in figure.axes] == ["one", "two"]
        assert one.get_ylim()[1] == 2

    def test_lines_without_a_panel_or_with_a_mark_on_none_are_refused(self) -> None:
        with pytest.raises(ValueError, match="0 panels"):
            figures.lines([0, 1], {}, xlabel="x", ylabel="y")
        with pytest.raises(ValueError, match=r"marks on \['c'\]"):
            figures.lines([0, 1], {"": {"a": [1, 2]}}, xlabel="x", ylabel="y", marks={"c": (0, 0)})
        with pytest.raises(ValueError, match="2 x, 3 values"):
            figures.lines([0, 1], {"": {"a": [1, 2, 3]}}, xlabel="x", ylabel="y")


def test_values_and_slopes_are_drawn_side_by_side() -> None:
    x = [1.0, 2.0, 4.0]
    curves = {"double": ([2.0, 4.0, 8.0], [2.0, 2.0, 2.0]), "one": ([1.0, 1.0, 1.0], [0.0, 0.0, 0.0])}
    left, right = figures.value_and_slope(x, curves, xlabel="x", limits=((0, 8), (-1, 3)), base=2).axes
    for i, (value, slope) in enumerate(curves.values()):
        assert xy(left.lines[i]) == [[a, b] for a, b in zip(x, value)]
        assert xy(right.lines[i]) == [[a, b] for a, b in zip(x, slope)]
    assert left.get_xscale() == right.get_xscale() == "log"
    assert left.get_ylim()[1] == 8 and right.get_ylim()[1] == 3
    with pytest.raises(ValueError, match="3 x, 2 values"):
        figures.value_and_slope(x, {"short": ([1.0, 2.0], [1.0, 2.0])}, xlabel="x")
