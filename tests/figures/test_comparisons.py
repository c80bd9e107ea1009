"""Forest plots: points, bars and diamonds lie where the numbers are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fcos_edu import figures
from fcos_edu.figures import Comparison

from .support import assert_readable, by_gid, xy

FOUND = Comparison("GN", 1.2, (0.5, 1.9), (0.2, 2.2), 0.6, 0.9, "reproduced")
UNSEEN = Comparison("GIoU", 0.1, (-0.4, 0.6), (-0.8, 1.0), 0.2, 1.1, "not told apart")
NOT_RUN = Comparison("normalization", paper=0.3, word="not run yet")


def test_everything_lies_at_its_number() -> None:
    (axes,) = figures.forest([FOUND, UNSEEN, NOT_RUN], xlabel="AP, points", title="Table 3").axes
    for row, one in enumerate((FOUND, UNSEEN)):
        assert xy(by_gid(axes, f"ours {row}")) == [[one.difference, row]]
        assert xy(by_gid(axes, f"interval {row}")) == [[end, row] for end in one.interval]
        assert xy(by_gid(axes, f"wide {row}")) == [[end, row] for end in one.wide]
    assert [xy(by_gid(axes, f"paper {row}")) for row in range(3)] == [[[0.6, 0]], [[0.2, 1]], [[0.3, 2]]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["GN", "GIoU", "normalization"]
    assert [text.get_text() for text in axes.texts] == ["reproduced", "not told apart", "not run yet"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "the first is on top"
    assert (axes.get_xlabel(), axes.get_title()) == ("AP, points", "Table 3")


def test_a_ladder_is_readable() -> None:
    assert_readable(figures.forest([FOUND, UNSEEN, NOT_RUN] * 3, xlabel="AP, points", title="Table 3"), widest=7)


def test_what_could_have_been_found_is_shown_where_nothing_was() -> None:
    (axes,) = figures.forest([FOUND, UNSEEN, NOT_RUN], xlabel="AP").axes
    bands = {patch.get_gid(): patch for patch in axes.patches if patch.get_gid()}
    assert list(bands) == ["smallest 1"]
    box = bands["smallest 1"].get_bbox()
    assert (box.x0, box.x1) == (-1.1, 1.1)


def test_the_paper_is_in_the_legend_where_it_is_in_the_picture() -> None:
    ours = replace(FOUND, paper=None, word="told apart")
    for comparisons, there in (([ours, FOUND], True), ([ours], False)):
        (legend,) = figures.forest(comparisons, xlabel="AP").legends
        assert ("the paper" in [text.get_text() for text in legend.get_texts()]) is there


def test_nothing_and_turned_ends_are_refused() -> None:
    with pytest.raises(ValueError, match="no comparisons"):
        figures.forest([], xlabel="AP")
    with pytest.raises(ValueError, match=r"interval of 'GN' is \(1.9, 0.5\)"):
        figures.forest([Comparison("GN", 1.2, (1.9, 0.5))], xlabel="AP")
