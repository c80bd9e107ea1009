"""From outputs to detections: markers, rules and boxes lie where the numbers say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fcos_edu import figures
from fcos_edu.locations import level_locations

from .support import BOXES, IMAGE, NAMES, RESULT, by_gid, rectangles, xy


def test_the_way_of_an_image_shows_scores_candidates_and_what_is_left() -> None:
    points = [level_locations(5, 8, 8), level_locations(3, 4, 16)]
    scores = [torch.zeros(40), torch.linspace(0, 1, 12)]
    kept = {key: value[:2] for key, value in RESULT.items()}
    draw = figures.image_to_detections
    figure = draw(IMAGE, points, scores, BOXES, kept, NAMES, threshold=0.6, levels=(3, 4))
    where, boxes, final = figure.axes
    fine, coarse = where.collections
    assert len(fine.get_offsets()) == 0
    np.testing.assert_allclose(coarse.get_offsets(), points[1][1:])
    assert (np.diff(coarse.get_sizes()) > 0).all(), "a higher score is a larger marker"
    assert rectangles(boxes) == BOXES.tolist()
    assert rectangles(final) == BOXES[:1].tolist()
    assert boxes.get_title().endswith(": 3")
    assert final.get_title().endswith(": 2 (1 drawn)")
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["P4"], "a level without a marker is not named"
    assert not draw(IMAGE, points, [0 * score for score in scores], BOXES, kept, NAMES, levels=(3, 4)).legends


class TestFromOutputsToDetections:
    """Pictures of the chapter *From outputs to detections*."""

    def test_errors_of_coordinates_are_lines_told_apart_by_width(self) -> None:
        errors = {"bfloat16": [4.0, -4.0], "float16": [0.5, 0.0], "float32": [0.0, 0.0]}
        (axes,) = figures.coordinate_errors([1100, 1200], errors).axes
        assert [xy(line) for line in axes.lines] == [[[1100, a], [1200, b]] for a, b in errors.values()]
        assert len({line.get_linewidth() for line in axes.lines}) == 3
        with pytest.raises(ValueError, match="2 x, 1 errors"):
            figures.coordinate_errors([1100, 1200], {"float32": [0.0]})

    p = (0.04, 0.06, 0.2, 0.9)
    c = (0.9, 0.5, 0.1, 0.8)

    def test_a_rule_of_the_product_is_a_straight_line_and_one_of_the_class_an_upright_one(self) -> None:
        rules = {"class": ("class", 0.05), "product": ("product", 0.04)}
        (axes,) = figures.threshold_rules(self.p, self.c, rules).axes
        assert set(by_gid(axes, "class").get_xdata()) == {0.05}
        line = by_gid(axes, "product")
        np.testing.assert_allclose(line.get_xdata() * line.get_ydata(), 0.04)
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        assert axes.get_ylim()[0] < min(self.c) and axes.get_xlim()[0] < min(self.p)
        assert by_gid(axes, "class").get_label() == "class: 3 stay"
        assert line.get_label() == "product: 1 stay"

    def test_right_and_wrong_pairs_have_markers_of_their_own(self) -> None:
        (axes,) = figures.threshold_rules(self.p, self.c, {}, truth=[True, False, False, True]).axes
        wrong, right = axes.collections
        np.testing.assert_allclose(wrong.get_offsets(), [(0.06, 0.5), (0.2, 0.1)])
        np.testing.assert_allclose(right.get_offsets(), [(0.04, 0.9), (0.9, 0.8)])
        assert len(wrong.get_paths()[0].vertices) != len(right.get_paths()[0].vertices), "circles and triangles"

    @pytest.mark.parametrize("threshold", [0.0, 0.05, 0.5])
    def test_what_stays_is_what_the_package_would_keep(self, threshold: float) -> None:
        torch.manual_seed(0)
        p, c = torch.rand(50), torch.rand(50)
        assert figures.keeps(p, c, "class", threshold).tolist() == (p > threshold).tolist()
        product = figures.keeps(p.double(), c.double(), "product", threshold)
        assert product.tolist() == (p.double() * c.double() > threshold).tolist()

    def test_rules_and_values_that_cannot_be(self) -> None:
        with pytest.raises(ValueError, match="tests 'root'; it must be"):
            figures.threshold_rules(self.p, self.c, {"x": ("root", 0.2)})
        with pytest.raises(ValueError, match="above 0 and at most 1"):
            figures.threshold_rules([0.0, 0.5], [0.5, 0.5], {})
        with pytest.raises(ValueError, match="4 class_scores, 1 centerness"):
            figures.threshold_rules(self.p, [0.5], {})

    def test_each_class_moves_to_a_place_of_its_own(self) -> None:
        before, after = figures.class_offsets(BOXES, [0, 2, 0], ["disc", "ring", "cross"], offset=61).axes
        assert rectangles(before) == BOXES.tolist()
        moved = BOXES + torch.tensor([0.0, 122.0, 0.0])[:, None]
        assert rectangles(after) == moved.tolist()
        styles = [patch.get_linestyle() for patch in before.patches]
        assert styles[0] == styles[2] != styles[1], "told apart without colour"

    def test_a_line_in_the_scores_parts_boxes_and_counts(self) -> None:
        result = RESULT
        scores, right = [0.05, 0.12, 0.12, 0.62, 0.97], [False, False, True, True, True]
        figure = figures.score_threshold(IMAGE, result, NAMES, scores, right, 0.6)
        left, counts = figure.axes
        assert rectangles(left) == [BOXES[0].tolist()]
        assert set(by_gid(counts, "threshold").get_xdata()) == {0.6}
        texts = [text.get_text() for text in figure.legends[0].get_texts()]
        assert texts == ["wrong: 0 of 2 stay", "right: 2 of 3 stay"]
        heights = [bar.get_height() for bar in counts.patches]
        assert sum(heights) == len(scores)

    def test_each_detection_is_joined_to_its_location(self) -> None:
        points = level_locations(5, 8, 8)  # 40 locations of stride 8
        result = RESULT | {"levels": torch.tensor([3, 4, 3]), "locations": torch.tensor([9, 10, 39])}
        (axes,) = figures.origins(IMAGE, result, points, NAMES, threshold=0.3).axes
        assert len(rectangles(axes)) == 2
        assert xy(by_gid(axes, "P3")) == [points[9].tolist()]
        assert xy(by_gid(axes, "P4")) == [points[10].tolist()]
        x, y = points[9].tolist()
        x0, y0, x1, y1 = BOXES[0].tolist()
        joined = [xy(line) for line in axes.lines[:4]]
        assert joined == [[[x, y], end] for end in ([x0, y], [x, y0], [x1, y], [x, y1])]
