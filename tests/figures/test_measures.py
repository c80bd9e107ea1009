"""Hits, curves and gains are those of the numbers that were given."""

from __future__ import annotations

import pytest
import torch

from fcos_edu import figures

from .support import BOXES, IMAGE, xy


class TestPrecisionRecall:
    """Figs. 4 to 6."""

    def test_a_panel_for_each_iou_and_a_line_for_each_method(self) -> None:
        def curve(height: float) -> tuple[list[float], list[float]]:
            return [0.0, 0.5, 1.0], [1.0, height, 0.0]

        given = {"a": {0.9: curve(0.1), 0.5: curve(0.8)}, "b": {0.5: curve(0.7), 0.9: curve(0.2)}}
        figure = figures.precision_recall_by_iou(given)
        assert [axes.get_title() for axes in figure.axes] == ["IoU at least 0.50", "IoU at least 0.90"]
        heights = [[line.get_ydata()[1] for line in axes.lines] for axes in figure.axes]
        assert heights == [[0.8, 0.7], [0.1, 0.2]]
        assert all(line.get_xdata().tolist() == [0.0, 0.5, 1.0] for axes in figure.axes for line in axes.lines)
        assert len({line.get_linestyle() for line in figure.axes[0].lines}) == 2, "told apart without colour"
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]

    def test_methods_must_have_the_same_ious(self) -> None:
        curve = ([0.0], [1.0])
        with pytest.raises(ValueError, match=r"'b': \[0.75\]"):
            figures.precision_recall_by_iou({"a": {0.5: curve}, "b": {0.75: curve}})
        with pytest.raises(ValueError, match="at least one"):
            figures.precision_recall_by_iou({})

    def test_recall_and_precision_must_be_equally_many(self) -> None:
        with pytest.raises(ValueError, match="2 recall, 1 precision"):
            figures.precision_recall({"a": ([0.0, 1.0], [1.0])})

    def test_precision_over_recall(self) -> None:
        (axes,) = figures.precision_recall({"a": ([0.5, 1.0], [1.0, 0.8]), "b": ([0.2], [0.4])}).axes
        assert [xy(line) for line in axes.lines] == [[[0.5, 1.0], [1.0, 0.8]], [[0.2, 0.4]]]
        assert axes.lines[0].get_linestyle() != axes.lines[1].get_linestyle()


class TestHowGoodIsIt:
    """Pictures of the chapter *How good is it*."""

    def test_hits_false_ones_and_missed_boxes_are_drawn_apart(self) -> None:
        truth = torch.tensor([[5.0, 4.0, 25.0, 33.0], [50.0, 2.0, 58.0, 12.0]])
        figure = figures.hits_and_misses(
            IMAGE, BOXES, [True, False, False], truth, [True, False], words=["disc", "ring", "disc"]
        )
        (axes,) = figure.axes
        drawn = {name: [p for p in axes.patches if p.get_gid() == name] for name in ("hit", "false", "missed")}
        assert {name: len(patches) for name, patches in drawn.items()} == {"hit": 1, "false": 2, "missed": 1}
        assert drawn["missed"][0].get_xy() == (50, 2)
        assert len({patches[0].get_linestyle() for patches in drawn.values()}) == 3, "told apart without colour"
        legend = [text.get_text() for text in figure.legends[0].get_texts()]
        assert legend == ["hit: 1", "false: 2", "missed: 1"]
        assert [t.get_text() for t in axes.texts] == ["disc", "ring", "disc"]

    def test_an_image_without_anything_is_judged_too(self) -> None:
        none = torch.zeros(0, 4)
        (axes,) = figures.hits_and_misses(IMAGE, none, [], none, []).axes
        assert not axes.patches
        with pytest.raises(ValueError, match="2 verdicts for 3 boxes"):
            figures.hits_and_misses(IMAGE, BOXES, [True, False], none, [])

    def test_the_area_is_under_the_falling_curve(self) -> None:
        asked, falling = [0.0, 0.5, 1.0], [1.0, 0.75, 0.0]
        (axes,) = figures.average_precision_area([0.25, 0.5], [1.0, 0.75], asked, falling).axes
        measured, read = axes.lines
        assert xy(measured) == [[0.25, 1.0], [0.5, 0.75]]
        assert xy(read) == [[0.0, 1.0], [0.5, 0.75], [1.0, 0.0]]
        (area,) = axes.collections
        corners = area.get_paths()[0].vertices
        assert corners[:, 1].max() == 1.0 and corners[:, 1].min() == 0.0
        with pytest.raises(ValueError, match="1 recall, 2 precision"):
            figures.average_precision_area([0.5], [1.0, 0.5], asked, falling)


class TestAblationLadder:
    NAMES, VALUES = ("first", "better loss", "more norm"), (36.3, 36.9, 36.8)

    def test_bars_end_at_the_values_and_the_marked_row_tells_its_gain(self) -> None:
        figure = figures.ablation_ladder(self.NAMES, self.VALUES, at=2, baseline=(35.9, "RetinaNet"))
        (axes,) = figure.axes
        ends = [patch.get_x() + patch.get_width() for patch in axes.patches]
        assert ends == pytest.approx(self.VALUES)
        assert [patch.get_x() for patch in axes.patches] == pytest.approx([35.9, 36.3, 36.9])
        assert [text.get_text() for text in axes.texts] == ["36.3", "36.9", "36.8  (-0.1)", "RetinaNet 35.9"]
        assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "+ better loss", "+ more norm"]

    def test_the_first_row_has_a_gain_only_over_a_baseline(self) -> None:
        (alone,) = figures.ablation_ladder(self.NAMES, self.VALUES, at=0).axes
        (above,) = figures.ablation_ladder(self.NAMES, self.VALUES, at=0, baseline=(35.9, "RetinaNet")).axes
        assert [axes.texts[0].get_text() for axes in (alone, above)] == ["36.3", "36.3  (+0.4)"]

    def test_refused(self) -> None:
        with pytest.raises(ValueError, match="3 names for 2 values"):
            figures.ablation_ladder(self.NAMES, (1.0, 2.0))
        with pytest.raises(ValueError, match="at is 3"):
            figures.ablation_ladder(self.NAMES, self.VALUES, at=3)
