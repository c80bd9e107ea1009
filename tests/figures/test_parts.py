"""What figures are made of: every kind of array becomes the same, and what is drawn lies where it should."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import patheffects
from matplotlib.colors import to_hex

from fcos_edu.figures import parts
from fcos_edu.figures.style import COLORS, LEVEL_COLORS, LEVEL_MARKERS, LINES, Picture

from .support import BOXES, IMAGE, NAMES, RESULT, rectangles


class TestArrays:
    @pytest.mark.parametrize("shape", [(40, 60), (1, 40, 60), (4, 40, 60), (2, 3, 40, 60)])
    def test_an_image_without_three_colours_is_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=f"an image of shape \\({', '.join(map(str, shape))}\\)"):
            parts.as_pixels(torch.zeros(shape))

    def test_pixels_are_floats_from_0_to_1_in_either_layout(self) -> None:
        wanted = IMAGE.permute(1, 2, 0).double().numpy() / 255
        np.testing.assert_allclose(parts.as_pixels(IMAGE), wanted)
        np.testing.assert_allclose(parts.as_pixels(IMAGE.permute(1, 2, 0)), wanted)
        assert parts.as_pixels(np.full((3, 2, 2), 1.5)).max() == 1, "what is too bright is white"

    @pytest.mark.parametrize("boxes", [[], np.zeros((0, 4)), torch.zeros(0, 4)])
    def test_no_boxes_have_four_columns_too(self, boxes: Any) -> None:
        assert parts.as_boxes(boxes).shape == (0, 4)

    def test_a_column_has_a_value_for_each_box(self) -> None:
        assert parts.as_column(None, 3, "labels") is None
        column = parts.as_column(torch.tensor([[1], [2]]), 2, "labels")
        assert column is not None and column.tolist() == [1, 2]
        with pytest.raises(ValueError, match="2 labels for 3 boxes"):
            parts.as_column([1, 2], 3, "labels")

    def test_vectors_are_equally_long_or_named(self) -> None:
        a, b = parts.as_vectors(a=[1, 2], b=torch.tensor([3.0, 4.0]))
        assert (a.tolist(), b.tolist()) == ([1, 2], [3, 4])
        with pytest.raises(ValueError, match="2 a, 1 b; there must be as many of each"):
            parts.as_vectors(a=[1, 2], b=[3])


class TestCanvas:
    def test_an_image_fills_its_pixels_and_pales(self) -> None:
        axes = Picture().subplots()
        parts.draw_image(axes, parts.as_pixels(IMAGE), fade=0.5)
        assert tuple(axes.images[0].get_extent()) == (0, 60, 40, 0)
        assert (axes.get_xlim(), axes.get_ylim()) == ((0, 60), (40, 0))
        np.testing.assert_allclose(axes.images[0].get_array(), parts.as_pixels(IMAGE) / 2 + 0.5)

    def test_a_figure_has_the_shape_of_its_image_and_room_for_a_title(self) -> None:
        assert parts.figure_size((40, 60), 6) == pytest.approx((6, 4.3))
        assert parts.figure_size((60, 40), 6) == pytest.approx((4, 6.3))

    @pytest.mark.parametrize("image, canvas, size", [(IMAGE, (7, 8), (40, 60)), (None, (7, 8), (7, 8))])
    def test_boxes_are_drawn_on_the_image_or_on_an_empty_canvas(
        self, image: Any, canvas: tuple[int, int], size: tuple[int, int]
    ) -> None:
        assert parts.ground_size(image, canvas, BOXES) == size
        axes = Picture().subplots()
        parts.draw_ground(axes, image, size, fade=0.0)
        assert (axes.get_xlim(), axes.get_ylim()) == ((0, size[1]), (size[0], 0))
        assert len(axes.images) == (image is not None)

    def test_without_either_there_is_room_around_the_boxes(self) -> None:
        assert parts.ground_size(None, None, BOXES) == parts.room_around(BOXES)

    def test_the_room_around_boxes_holds_them(self) -> None:
        height, width = parts.room_around(BOXES)
        assert height >= BOXES[:, 3].max() and width >= BOXES[:, 2].max()


class TestBoxes:
    def test_boxes_of_more_indices_than_colours_differ_in_their_lines(self) -> None:
        axes = Picture().subplots()
        axes.set(xlim=(0, 60), ylim=(40, 0))
        many = len(COLORS) * len(LINES)
        for i in range(many):
            parts.draw_box(axes, BOXES[0].numpy(), i, "")
        assert len({(to_hex(p.get_edgecolor()), p.get_linestyle()) for p in axes.patches}) == many

    def test_a_halo_is_wider_than_its_line_and_lies_below_it(self) -> None:
        axes = Picture().subplots()
        parts.draw_haloed(axes, BOXES[0].numpy(), linewidth=2, halo="black", edgecolor="white", gid="box")
        (patch,) = axes.patches
        halo, line = patch.get_path_effects()
        assert halo._gc["linewidth"] > patch.get_linewidth() == 2 and halo._gc["foreground"] == "black"
        assert type(line) is patheffects.Normal
        assert rectangles(axes) == BOXES[:1].tolist() and patch.get_gid() == "box"

    def test_verdicts_are_counted_in_the_legend_also_those_without_a_box(self) -> None:
        axes = Picture().subplots()
        boxes = parts.as_boxes(BOXES)
        parts.draw_verdicts(axes, {"found": (boxes[:2], COLORS[0], "-"), "lost": (boxes[:0], COLORS[1], ":")})
        assert rectangles(axes) == BOXES[:2].tolist()
        assert [line.get_label() for line in axes.lines] == ["found: 2", "lost: 0"]
        assert [line.get_linestyle() for line in axes.lines] == ["-", ":"]

    def test_the_surest_result_lies_on_top(self) -> None:
        axes = Picture().subplots()
        axes.set(xlim=(0, 60), ylim=(40, 0))
        parts.draw_result(axes, RESULT, NAMES, 0.5)
        assert rectangles(axes) == [BOXES[1].tolist(), BOXES[0].tolist()]
        assert [text.get_text() for text in axes.texts] == ["disc 0.50", "ring 0.90"]


def test_neighbouring_lines_differ_in_colour_and_in_style() -> None:
    looks = [parts.line_look(i) for i in range(40)]
    for one, next_ in pairwise(looks):
        assert one["color"] != next_["color"] and one["linestyle"] != next_["linestyle"]
    assert len({tuple(look.values()) for look in looks}) == len(COLORS) * len(LINES)


def test_every_level_has_a_colour_and_levels_side_by_side_a_marker_of_their_own() -> None:
    styles = {level: parts.level_style(level) for level in LEVEL_COLORS}
    assert len({style["color"] for style in styles.values()}) == len(styles)
    assert len({LEVEL_MARKERS[level] for level in range(3, 8)}) == 5
    axes = Picture().subplots()
    for style in styles.values():
        axes.plot([0], [0], **style)  # matplotlib refuses a style that it does not know


def test_an_arrow_has_its_words_beside_it() -> None:
    axes = Picture().subplots()
    parts.draw_arrow(axes, (1, 1), (1, 3), "up")
    parts.draw_arrow(axes, (1, 1), (3, 1), "along")
    parts.draw_arrow(axes, (1, 1), (3, 1))
    assert len(axes.patches) == 3
    upright, level = axes.texts
    assert upright.get_position()[0] > 1 and upright.get_position()[1] == 2
    assert level.get_position()[0] == 2 and level.get_position()[1] > 1
