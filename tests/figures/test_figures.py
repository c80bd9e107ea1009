"""The data behind the pictures: where lines, points and bars are drawn, never which colour a pixel has."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.text import Text
from PIL import Image
from torchvision import tv_tensors

from fcos_edu import figures
from fcos_edu.centerness import centerness
from fcos_edu.locations import level_locations
from fcos_edu.losses import iou_and_giou
from fcos_edu.targets import ltrb

IMAGE = torch.randint(0, 256, (3, 40, 60), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
BOXES = torch.tensor([[5.0, 4.0, 25.0, 34.0], [10.0, 8.0, 20.0, 18.0], [40.0, 30.0, 44.0, 33.0]])


def assert_readable(figure: Figure, *, widest: float) -> None:
    """Nothing is cut off or too small to read; at most ``widest`` inches wide, to fit into a column."""
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    assert width <= widest
    ink = figure.get_tightbbox()
    assert -0.01 <= ink.x0 and ink.x1 <= width + 0.01 and -0.01 <= ink.y0 and ink.y1 <= height + 0.01, "cut off"
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 8


def by_gid(axes: Axes, gid: str) -> Any:
    """The one artist with this gid."""
    (artist,) = [a for a in axes.get_children() if a.get_gid() == gid]
    return artist


def rectangles(axes: Axes) -> list[list[float]]:
    """xyxy of all drawn rectangles."""
    found = [p for p in axes.patches if isinstance(p, Rectangle)]
    return [[p.get_x(), p.get_y(), p.get_x() + p.get_width(), p.get_y() + p.get_height()] for p in found]


def xy(line: Any) -> list[list[float]]:
    return np.column_stack([line.get_xdata(), line.get_ydata()]).tolist()


class TestBoxes:
    def test_boxes_lie_where_the_array_says_and_the_image_fills_its_pixels(self) -> None:
        (axes,) = figures.show_boxes(IMAGE, BOXES).axes
        assert rectangles(axes) == BOXES.tolist()
        assert tuple(axes.images[0].get_extent()) == (0, 60, 40, 0)
        assert (axes.get_xlim(), axes.get_ylim()) == ((0, 60), (40, 0))

    def test_names_and_scores_are_written(self) -> None:
        figure = figures.show_boxes(IMAGE, BOXES, [1, 0, 1], ["disc", "ring"], [0.9, 0.5, 0.25])
        assert [t.get_text() for t in figure.axes[0].texts] == ["ring 0.90", "disc 0.50", "ring 0.25"]

    def test_classes_differ_in_colour(self) -> None:
        patches = figures.show_boxes(IMAGE, BOXES, [0, 1, 0], ["a", "b"]).axes[0].patches
        first, second, third = (p.get_edgecolor() for p in patches)
        assert first == third != second

    @pytest.mark.parametrize(
        "image",
        [IMAGE, IMAGE.permute(1, 2, 0), IMAGE / 255, tv_tensors.Image(IMAGE), IMAGE.numpy()],
        ids=["3HW", "HW3", "float", "tv_tensor", "numpy"],
    )
    def test_the_same_picture_from_every_layout(self, image: Any) -> None:
        drawn = figures.show_boxes(image, BOXES).axes[0].images[0].get_array()
        np.testing.assert_allclose(drawn, IMAGE.permute(1, 2, 0) / 255, atol=1e-6)

    def test_text_stays_inside_the_picture(self) -> None:
        corners = [[1, 0, 20, 9], [50, 0, 70, 40], [1, 30, 20, 39], [50, 30, 59, 39]]
        figure = figures.show_boxes(IMAGE, corners, [0] * 4, ["a rather long name"], [0.5] * 4)
        figure.draw_without_rendering()
        frame = figure.axes[0].get_window_extent()
        for text in figure.axes[0].texts:
            at = text.get_window_extent()
            assert frame.x0 <= at.x0 and at.x1 <= frame.x1 and frame.y0 <= at.y0 and at.y1 <= frame.y1

    def test_no_boxes(self) -> None:
        assert rectangles(figures.show_boxes(IMAGE, torch.zeros(0, 4), torch.zeros(0), ["a"]).axes[0]) == []

    def test_wrong_counts_and_shapes_are_named(self) -> None:
        with pytest.raises(ValueError, match="2 labels for 3 boxes"):
            figures.show_boxes(IMAGE, BOXES, [0, 1])
        with pytest.raises(ValueError, match="1 scores for 3 boxes"):
            figures.show_boxes(IMAGE, BOXES, [0, 1, 0], scores=[0.5])
        with pytest.raises(ValueError, match=r"\(40, 60\)"):
            figures.show_boxes(IMAGE[0], BOXES)

    def test_detections_below_the_threshold_are_left_out_and_the_truth_is_drawn_too(self) -> None:
        result = {
            "boxes": BOXES.clone().requires_grad_(),
            "labels": torch.tensor([0, 1, 0]),
            "scores": torch.tensor([0.9, 0.29, 0.3]),
        }
        (axes,) = figures.detections(IMAGE, result, ["a", "b"], truth=[[1, 2, 3, 4]]).axes
        assert rectangles(axes) == [BOXES[0].tolist(), BOXES[2].tolist(), [1, 2, 3, 4]]
        assert [t.get_text() for t in axes.texts] == ["a 0.90", "a 0.30"]


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
        with pytest.raises(ValueError, match=r"\(59, 39\) lies in none of the 3 boxes"):
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


SIZES = [(100, 128), (50, 64), (25, 32), (13, 16), (7, 8)]


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

    def test_red_at_the_centre_blue_at_the_border_and_lighter_all_the_way(self) -> None:
        colors = np.array([to_rgb(figures.CENTERNESS_COLORS(v)) for v in np.linspace(0, 1, 101)])
        assert colors[0].argmax() == 2 and colors[-1].argmax() == 0
        assert (np.diff(colors @ [0.299, 0.587, 0.114]) > 0).all(), "a grey print keeps the order"

    @pytest.mark.parametrize(
        "values, said",
        [([0.1, 0.2], r"shape \(2,\)"), ([[0.1, 0.2]], r"shape \(1, 2\)"), ([[0, 1], [0, 1.5]], "from 0 to 1.5")],
    )
    def test_what_is_no_map_of_center_ness_is_refused(self, values: Any, said: str) -> None:
        with pytest.raises(ValueError, match=said):
            figures.centerness_map(values, self.box)


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

    def test_many_bars_are_no_wider_than_the_page(self) -> None:
        series = {name: [1.0] * 6 for name in "abc"}
        assert figures.bars(list("uvwxyz"), series, ylabel="%").get_size_inches()[0] <= 7

    def test_numbers_that_do_not_fit_the_names_are_refused(self) -> None:
        with pytest.raises(ValueError, match="1 values of 'one' for 2 names"):
            figures.bars(["a", "b"], {"one": [1]}, ylabel="%")
        with pytest.raises(ValueError, match="3 spreads of 'one' for 2 names"):
            figures.bars(["a", "b"], {"one": [1, 2]}, ylabel="%", spreads={"one": [1, 2, 3]})
        with pytest.raises(ValueError, match=r"spreads of \['two'\] for series \['one'\]"):
            figures.bars(["a", "b"], {"one": [1, 2]}, ylabel="%", spreads={"two": [1, 2]})


class TestTrainingCurves:
    @staticmethod
    def write(folder: Path, steps: int) -> Path:
        entry = {"classification": 1.0, "bbox_regression": 0.5, "centerness": 0.6}
        lines = [{"step": 20 * (i + 1), "lr": 0.01 / (i + 1)} | entry for i in range(steps)]
        (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return folder / "log.jsonl"

    def test_losses_above_and_the_learning_rate_below(self, tmp_path: Path) -> None:
        losses, rate = figures.training_curves(self.write(tmp_path, 60)).axes
        thick = [line for line in losses.lines if not line.get_label().startswith("_")]
        assert [line.get_label() for line in thick] == ["classification", "bbox regression", "centerness"]
        for line, value in zip(thick, (1.0, 0.5, 0.6)):
            np.testing.assert_allclose(line.get_ydata(), value)
            assert line.get_xdata().tolist() == list(range(20, 1201, 20))
        assert losses.get_yscale() == "log"
        assert rate.lines[0].get_ydata()[:2].tolist() == [0.01, 0.005]

    def test_an_empty_log_gives_an_empty_picture(self, tmp_path: Path) -> None:
        figure = figures.training_curves(self.write(tmp_path, 0))
        figure.savefig(BytesIO())
        assert all(not axes.lines for axes in figure.axes)

    def test_a_log_of_one_step(self, tmp_path: Path) -> None:
        figures.training_curves(str(self.write(tmp_path, 1))).savefig(BytesIO())

    @given(st.lists(st.floats(0.1, 10), min_size=1, max_size=30), st.integers(1, 40))
    def test_the_running_mean_stays_within_the_values(self, values: list[float], window: int) -> None:
        mean = figures.running_mean(values, window)
        assert mean.shape == (len(values),)
        assert min(values) - 1e-9 <= mean.min() and mean.max() <= max(values) + 1e-9

    def test_the_running_mean_by_hand(self) -> None:
        np.testing.assert_allclose(figures.running_mean([1, 2, 6, 3], 3), [1.5, 3, 11 / 3, 4.5])
        assert figures.running_mean([1, 2, 6], 1).tolist() == [1, 2, 6]


class TestPng:
    def test_a_notebook_gets_a_palette_picture_of_the_figure_s_size(self) -> None:
        figure = figures.show_boxes(IMAGE, BOXES, [0, 1, 1], ["a", "b"])
        picture = Image.open(BytesIO(figure._repr_png_()))
        assert picture.mode == "P"
        assert picture.size == tuple(np.floor(figure.get_size_inches() * 100))

    def test_colours_with_a_meaning_survive_the_palette(self) -> None:
        figure = figures.show_boxes(IMAGE, [[10, 10, 30, 30]], [1], ["a", "b"])  # noise takes all other places
        drawn = np.asarray(Image.open(BytesIO(figures.png(figure, dpi=100, colors=64))).convert("RGB"))
        wanted = np.round(255 * np.array(to_rgb(figures.COLORS[1])))
        assert (drawn.reshape(-1, 3) == wanted).all(axis=1).sum() > 100

    def test_paper_is_white(self) -> None:
        drawn = Image.open(BytesIO(figures.png(figures.pyramid(SIZES)))).convert("RGB")
        assert drawn.getpixel((0, 0)) == (255, 255, 255)

    def test_pyplot_knows_nothing_of_the_figures(self) -> None:
        before = plt.get_fignums()
        assert isinstance(figures.ambiguity((15, 12), BOXES), Figure)
        assert plt.get_fignums() == before


class TestDetections:
    """Pictures of the chapter From outputs to detections."""

    result = {
        "boxes": BOXES,
        "labels": torch.tensor([1, 0, 1]),
        "scores": torch.tensor([0.9, 0.5, 0.1]),
    }
    names = ("disc", "ring")

    def test_a_gallery_draws_each_result_on_its_image_above_the_threshold(self) -> None:
        nothing = {key: value[:0] for key, value in self.result.items()}
        figure = figures.gallery([IMAGE] * 4, [self.result, nothing, nothing, self.result], self.names)
        assert len(figure.axes) == 6
        wanted = [[BOXES[1].tolist(), BOXES[0].tolist()], [], [], [BOXES[1].tolist(), BOXES[0].tolist()], [], []]
        assert [rectangles(axes) for axes in figure.axes] == wanted, "the surest box is drawn last"
        assert [t.get_text() for t in figure.axes[0].texts] == ["disc 0.50", "ring 0.90"]
        assert [axes.axison for axes in figure.axes] == [True] * 4 + [False] * 2

    def test_a_gallery_of_true_boxes_has_names_alone(self) -> None:
        truth = {key: self.result[key] for key in ("boxes", "labels")}
        (axes,) = figures.gallery([IMAGE], [truth], self.names, titles=["true"], columns=1).axes
        assert axes.get_title() == "true"
        assert sorted(t.get_text() for t in axes.texts) == ["disc", "ring", "ring"]

    @pytest.mark.parametrize("images", [0, 2])
    def test_a_gallery_wants_a_result_for_each_image(self, images: int) -> None:
        with pytest.raises(ValueError, match=f"{images} images and {min(images, 1)} results"):
            figures.gallery([IMAGE] * images, [self.result][:images], self.names)

    def test_the_way_of_an_image_shows_scores_candidates_and_what_is_left(self) -> None:
        points = [level_locations(5, 8, 8), level_locations(3, 4, 16)]
        scores = [torch.zeros(40), torch.linspace(0, 1, 12)]
        kept = {key: value[:2] for key, value in self.result.items()}
        draw = figures.image_to_detections
        figure = draw(IMAGE, points, scores, BOXES, kept, self.names, threshold=0.6, levels=(3, 4))
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
        assert not draw(IMAGE, points, [0 * score for score in scores], BOXES, kept, self.names, levels=(3, 4)).legends

    def test_loss_curves_hold_the_values_and_the_floor(self) -> None:
        losses = {"classification": [1.0, 0.5, 0.1], "centerness": torch.tensor([0.7, 0.6, 0.58])}
        (axes,) = figures.loss_curves(losses, floor=0.57).axes
        assert xy(axes.lines[0]) == [[0, 1.0], [1, 0.5], [2, 0.1]]
        assert set(axes.lines[2].get_ydata()) == {0.57}
        assert axes.get_yscale() == "log"
        assert len(figures.loss_curves(losses).axes[0].lines) == 2

    def test_precision_over_recall(self) -> None:
        (axes,) = figures.precision_recall({"a": ([0.5, 1.0], [1.0, 0.8]), "b": ([0.2], [0.4])}).axes
        assert [xy(line) for line in axes.lines] == [[[0.5, 1.0], [1.0, 0.8]], [[0.2, 0.4]]]
        assert axes.lines[0].get_linestyle() != axes.lines[1].get_linestyle()


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
        with pytest.raises(ValueError, match="1 reasons for 2 boxes"):
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


def test_no_picture_of_numbers_is_wider_than_the_page_or_written_too_small() -> None:
    few = [0.2, 0.4, 0.6]
    drawn = [
        figures.centerness_map(np.full((3, 3), 0.5) + np.eye(3) / 4, (0, 0, 300, 30)),
        figures.centerness_map(np.full((3, 3), 0.5) + np.eye(3) / 4, (0, 0, 30, 300)),
        figures.precision_recall_by_iou({"a": dict.fromkeys((0.5, 0.75, 0.9), (few, few))}),
        figures.score_against_iou(few, few, few),
        figures.recall_by_size([1, 2, 4, 8], {"a": ([1, 1, 1], [2, 2, 2])}),
        figures.recall_by_level((3, 4, 5, 6, 7), [123_456] * 5, [1] * 5),
        figures.lost_boxes(few, few, ["between locations", "taken by smaller boxes", "outside the level's range"]),
        figures.center_sampling_curve([1, 2, None], few, few, few),
    ]
    for figure in drawn:
        assert_readable(figure, widest=7)


# ---------------------------------------------------------------- chapter "Why throw the anchors away"


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


# ---------------------------------------------------------------- chapter "When boxes overlap"


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
        assert left.get_title() == "a: 2 positive, 1 ambiguous"
        assert right.get_title() == "b: 0 positive, 0 ambiguous"
        assert rectangles(left) == rectangles(right) == BOXES.tolist()

    def test_all_settings_give_figures_of_the_same_size(self) -> None:
        """Frames of a moving figure must not jump."""
        some = figures.samples_on_levels(BOXES, {"a": self.panel([True] * 3, [True] * 3)}, canvas=(40, 60))
        none = figures.samples_on_levels(BOXES, {"a": self.panel([False] * 3, [False] * 3)}, canvas=(40, 60))
        assert some.get_size_inches().tolist() == none.get_size_inches().tolist()

    def test_an_image_may_lie_below(self) -> None:
        (axes,) = figures.samples_on_levels(BOXES, {"a": self.panel([True] * 3, [False] * 3)}, image=IMAGE).axes
        assert tuple(axes.images[0].get_extent()) == (0, 60, 40, 0)


# ---------------------------------------------------------------- chapter "What can be found at all"


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
        assert "1 of these 3" in left.get_title()

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


def test_no_figure_of_these_chapters_is_wider_than_the_page_or_written_too_small() -> None:
    levels = ((3, 4), [[(4.0, 4.0)], [(8.0, 8.0)]], [True, True], [True, False])
    case = (BOXES, 0, [[(4.0, 4.0), (12.0, 12.0)]], [[-1, -1]])
    thirds = {"a detector with a long name": [1e5, 2e5], "another one with a long name": [1e4, 2e4]}
    drawn = [
        figures.intersection_and_union((0, 0, 10, 10), (5, 2, 15, 12), (20, 20)),
        figures.counts_by_width([800, 1333], thirds, mark=(180_000, "mark"), ylabel="samples"),
        figures.anchor_coverage(BOXES, [True, False, True], BOXES, title="anchors × 0.25: "),
        figures.anchors_or_distances(IMAGE, (15, 14), (5, 4, 25, 34), BOXES, [0.1, 0.6, 0.3]),
        figures.samples_on_levels(BOXES, {"P4 alone": levels, "P3 to P7": levels}, canvas=(512, 512)),
        figures.lost_on_grid(IMAGE, BOXES, [(4.0, 4.0)], [True] * 3, (8, 16), {"measured": [1.0, 0.5]}, 16),
        figures.lost_close_up({"between": case, "thin": case, "covered": case}),
    ]
    for figure in drawn:
        figure.draw_without_rendering()
        assert figure.get_size_inches()[0] <= 7
        assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 8


class TestTheNetwork:
    shapes = {"image": (3, 800, 1024), "C3": (512, 100, 128), "C4": (1024, 50, 64), "C5": (2048, 25, 32)} | {
        f"P{i}": (256, h, w) for i, (h, w) in zip(range(3, 8), [(100, 128), (50, 64), (25, 32), (13, 16), (7, 8)])
    }
    outputs = {"classification": 80, "regression": 4, "centerness": 1}

    def test_the_architecture_names_every_shape(self) -> None:
        (axes,) = figures.architecture(self.shapes, convs=4, outputs=self.outputs).axes
        for name, (channels, height, width) in self.shapes.items():
            assert by_gid(axes, f"shape {name}").get_text() == f"{height} × {width} × {channels}"
        for name, channels in self.outputs.items():
            assert by_gid(axes, f"output {name}").get_text().endswith(f"H × W × {channels}")
        for tower in ("classification", "regression"):
            assert len([p for p in axes.patches if p.get_gid() == f"{tower} conv"]) == 4

    @pytest.mark.parametrize("tower", ["classification", "regression"])
    def test_center_ness_stands_beside_its_tower(self, tower: str) -> None:
        (axes,) = figures.architecture(self.shapes, convs=2, outputs=self.outputs, centerness=tower).axes
        y = {name: by_gid(axes, f"output {name}").get_position()[1] for name in self.outputs}
        other = {"classification": "regression", "regression": "classification"}[tower]
        assert abs(y["centerness"] - y[tower]) < abs(y["centerness"] - y[other])

    def test_an_architecture_without_a_branch_has_no_such_output(self) -> None:
        outputs = {name: n for name, n in self.outputs.items() if name != "centerness"}
        (axes,) = figures.architecture(self.shapes, convs=2, outputs=outputs).axes
        assert not [t for t in axes.texts if "center" in t.get_text()]

    def test_an_architecture_that_lacks_something_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"shapes of \['image', 'C3'\]"):
            figures.architecture({k: self.shapes[k] for k in ("image", "C3")}, convs=4, outputs=self.outputs)
        with pytest.raises(ValueError, match="'both'"):
            figures.architecture(self.shapes, convs=4, outputs=self.outputs, centerness="both")

    def test_a_feature_map_fills_the_image(self) -> None:
        values = np.arange(6.0).reshape(2, 3)
        left, right = figures.feature_map(IMAGE, values, "P9").axes
        assert right.images[0].get_array().tolist() == values.tolist()
        assert tuple(right.images[0].get_extent()) == (0, 60, 40, 0) == tuple(left.images[0].get_extent())
        assert right.get_title() == "P9"
        assert right.images[0].get_clim() == (0, 5)

    def test_a_feature_map_of_zeros_is_a_picture_too(self) -> None:
        figures.feature_map(IMAGE, np.zeros((2, 3)), "dead").savefig(BytesIO())

    def test_influence_is_framed_where_it_is_not_zero(self) -> None:
        near, none = np.zeros((40, 60)), np.zeros((40, 60))
        near[10:14, 20:30], near[11, 22] = 1.0, 4.0
        first, second = figures.influence(IMAGE, {"near": near, "none": none}, at=(22, 11)).axes
        assert rectangles(first) == [[20, 10, 30, 14]] and rectangles(second) == []
        shade = first.images[1].get_array()[..., 3]
        assert shade[11, 22] == 1 and shade[12, 25] == pytest.approx(0.5) and shade[0, 0] == 0
        assert xy(first.lines[0]) == [[22, 11]]

    def test_values_and_slopes_are_drawn_side_by_side(self) -> None:
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

    def test_a_level_is_a_bar_between_its_quartiles(self) -> None:
        (axes,) = figures.level_demands({3: np.arange(101.0), 5: np.full(4, 7.0)}, xlabel="x", limits=(0, 100)).axes
        bar = by_gid(axes, "P3")
        assert (bar.get_x(), bar.get_x() + bar.get_width()) == (25, 75)
        assert by_gid(axes, "median P3").get_xdata()[0] == 50 and by_gid(axes, "median P5").get_xdata()[0] == 7
        assert [t.get_text() for t in axes.get_yticklabels()] == ["P3", "P5"]
        assert axes.get_xlim() == (0, 100)


class TestTheLoss:
    def test_shares_lie_on_each_other_and_end_at_the_whole(self) -> None:
        (axes,) = figures.shares([0, 1], {"a": [1, 3], "b b": [3, 1]}, xlabel="γ").axes
        assert xy(by_gid(axes, "a")) == [[0, 25], [1, 75]]
        assert xy(by_gid(axes, "b b")) == [[0, 100], [1, 100]]
        assert axes.get_ylim() == (0, 100)

    def test_shares_of_nothing_or_of_other_lengths_are_refused(self) -> None:
        with pytest.raises(ValueError, match="add up to 0"):
            figures.shares([0, 1], {"a": [1, 0], "b": [3, 0]}, xlabel="γ")
        with pytest.raises(ValueError, match="2 x, 1 a"):
            figures.shares([0, 1], {"a": [1]}, xlabel="γ")

    def test_the_race_draws_truth_and_predictions_around_the_location(self) -> None:
        left, right = figures.box_race((100, 50), (30, 20, 10, 20), {"a": (15, 10, 5, 10), "b": (30, 20, 10, 20)}).axes
        assert rectangles(left) == [[70, 30, 110, 70], [85, 40, 105, 60]]
        assert rectangles(right) == [[70, 30, 110, 70]] * 2
        assert left.get_title().endswith("IoU 0.250") and right.get_title().endswith("IoU 1.000")

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.floats(0.1, 100), min_size=8, max_size=8))
    def test_the_iou_of_the_race_is_the_losses_own(self, sides: list[float]) -> None:
        a, b = sides[:4], sides[4:]
        want, _ = iou_and_giou(torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64))
        assert figures.iou_at_location(a, b) == pytest.approx(want.item(), abs=1e-5)


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


def test_no_picture_of_these_chapters_is_cut_off_or_written_too_small() -> None:
    few = [0.2, 0.4, 0.6]
    drawn = [
        figures.architecture(TestTheNetwork.shapes, convs=4, outputs=TestTheNetwork.outputs, centerness="regression"),
        figures.feature_map(IMAGE, np.eye(4), "P3: 32 × 32 × 256"),
        figures.influence(IMAGE, {"a cell of C3": np.eye(40, 60), "a cell of P3": np.ones((40, 60))}, at=(3, 3)),
        figures.value_and_slope(few, {"exp(x)": (few, few)}, xlabel="x"),
        figures.level_demands(dict.fromkeys(range(3, 8), few), xlabel="pixels", limits=(0, 1), title="a title"),
        figures.shares(few, {"yes": few, "hard no": few, "easy no": few}, xlabel="γ"),
        figures.box_race((0, 0), (70, 40, 50, 60), dict.fromkeys(("−ln IoU", "1 − IoU", "1 − GIoU"), (1, 1, 1, 1))),
        figures.lines(few, dict.fromkeys(("a", "b"), dict.fromkeys(("c", "d", "e", "f"), few)), xlabel="x", ylabel="y"),
    ]
    for figure in drawn:
        assert_readable(figure, widest=8.4)


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
        result = TestDetections.result
        scores, right = [0.05, 0.12, 0.12, 0.62, 0.97], [False, False, True, True, True]
        figure = figures.score_threshold(IMAGE, result, TestDetections.names, scores, right, 0.6)
        left, counts = figure.axes
        assert rectangles(left) == [BOXES[0].tolist()]
        assert set(by_gid(counts, "threshold").get_xdata()) == {0.6}
        texts = [text.get_text() for text in counts.get_legend().get_texts()]
        assert texts == ["wrong: 0 of 2 stay", "right: 2 of 3 stay"]
        heights = [bar.get_height() for bar in counts.patches]
        assert sum(heights) == len(scores)

    def test_each_detection_is_joined_to_its_location(self) -> None:
        points = level_locations(5, 8, 8)  # 40 locations of stride 8
        result = TestDetections.result | {"levels": torch.tensor([3, 4, 3]), "locations": torch.tensor([9, 10, 39])}
        (axes,) = figures.origins(IMAGE, result, points, TestDetections.names, threshold=0.3).axes
        assert len(rectangles(axes)) == 2
        assert xy(by_gid(axes, "P3")) == [points[9].tolist()]
        assert xy(by_gid(axes, "P4")) == [points[10].tolist()]
        x, y = points[9].tolist()
        x0, y0, x1, y1 = BOXES[0].tolist()
        joined = [xy(line) for line in axes.lines[:4]]
        assert joined == [[[x, y], end] for end in ([x0, y], [x, y0], [x1, y], [x, y1])]


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


class TestProposals:
    """Pictures of the chapter *FCOS as a proposal network*."""

    def test_the_two_stages_say_how_many_boxes_go_on(self) -> None:
        (axes,) = figures.two_stages("FCOS", proposals=2000).axes
        texts = [t.get_text() for t in axes.texts]
        assert "FCOS" in texts and any("2,000" in text for text in texts)
        assert len([p for p in axes.patches if isinstance(p, Rectangle)]) == 5
        assert len([p for p in axes.patches if isinstance(p, FancyArrowPatch)]) == 5

    def test_each_region_has_a_crop_in_each_row(self) -> None:
        fine, coarse = torch.rand(3, 3, 8, 8), torch.rand(3, 3, 2, 2)
        figure = figures.region_crops(IMAGE, BOXES, {"8 x 8": list(fine), "2 x 2": list(coarse)})
        whole, *panels = figure.axes
        assert rectangles(whole) == BOXES.tolist()
        assert len(panels) == 6
        for axes, crop in zip(panels, [*fine, *coarse], strict=True):
            np.testing.assert_allclose(axes.images[0].get_array(), crop.permute(1, 2, 0))
        with pytest.raises(ValueError, match="2 crops '8 x 8' of 3 regions"):
            figures.region_crops(IMAGE, BOXES, {"8 x 8": list(fine[:2])})

    def test_proposals_and_what_they_find(self) -> None:
        truth = torch.tensor([[5.0, 4.0, 25.0, 33.0], [50.0, 2.0, 58.0, 12.0]])
        figure = figures.best_proposals(IMAGE, BOXES, truth, [True, False], title="three")
        (axes,) = figure.axes
        gids = [p.get_gid() for p in axes.patches]
        assert gids == ["proposal"] * 3 + ["found", "not found"]
        assert rectangles(axes) == [*BOXES.tolist(), *truth.tolist()]
        assert axes.patches[3].get_linestyle() != axes.patches[4].get_linestyle(), "told apart without colour"
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["found: 1", "not found: 1"]

    def test_many_proposals_are_drawn_paler_than_few(self) -> None:
        truth, found = BOXES[:1], [True]
        few, many = (figures.best_proposals(IMAGE, BOXES.repeat(n, 1), truth, found).axes[0] for n in (1, 100))
        assert many.patches[0].get_alpha() < few.patches[0].get_alpha()

    def test_recall_over_the_number_of_proposals(self) -> None:
        (axes,) = figures.recall_by_count([1, 10, 100], {"a": [0.1, 0.5, 0.9], "b": [0.0, 0.4, 0.9]}).axes
        assert xy(axes.lines[0]) == [[1, 0.1], [10, 0.5], [100, 0.9]]
        assert axes.get_xscale() == "log"
        assert len({line.get_marker() for line in axes.lines}) == 2
        with pytest.raises(ValueError, match="must be positive and rise"):
            figures.recall_by_count([0, 10], {"a": [0.1, 0.5]})
        with pytest.raises(ValueError, match="2 counts, 1 recall"):
            figures.recall_by_count([1, 10], {"a": [0.1]})


def test_no_picture_of_detections_is_wider_than_the_page_or_cut_off() -> None:
    few = [0.2, 0.4, 0.6]
    for figure in (
        figures.coordinate_errors(few, {"bfloat16": few, "float16": few, "float32": few}),
        figures.threshold_rules(few, few, {"class > 0.05": ("class", 0.05), "product": ("product", 0.04)}),
        figures.class_offsets(BOXES, [0, 1, 2], ["disc", "ring", "triangle"], 61),
        figures.score_threshold(IMAGE, TestDetections.result, TestDetections.names, few, [True, False, True], 0.3),
        figures.hits_and_misses(IMAGE, BOXES, [True] * 3, BOXES, [True] * 3, title="all found"),
        figures.average_precision_area(few, few, few, few, title="AP"),
        figures.two_stages(),
        figures.best_proposals(IMAGE, BOXES, BOXES, [True] * 3, title="three"),
        figures.recall_by_count([1, 10, 100], {"AR": few}),
    ):
        assert_readable(figure, widest=7)


# ---------------------------------------------------------------------- One change at a time
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


# ---------------------------------------------------------------------- COCO: published weights
def test_rows_that_drift_lie_where_they_are_and_tell_their_pitch() -> None:
    figure = figures.row_drift(800, {"paper": [64, 192], "torchvision": [0, 114]}, longest=896)
    (axes,) = figure.axes
    assert [list(line.get_ydata()) for line in axes.lines] == [[64, 192], [0, 114], [64, 0], [192, 114]]
    assert axes.get_title() == "canvas 800 pixels high: 114 apart"
    with pytest.raises(ValueError, match="give two rules with as many rows each"):
        figures.row_drift(800, {"paper": [64, 192], "torchvision": [0]}, longest=896)


class TestTraining:
    """Pictures of the chapter "Training"."""

    def test_every_schedule_has_its_panel_and_its_rates(self) -> None:
        rates = {"steps": [0.1, 0.3, 0.3, 0.03], "cosine": [1.0, 0.5]}
        figure = figures.learning_rates(rates)
        assert [axes.get_title() for axes in figure.axes] == list(rates)
        for axes, wanted in zip(figure.axes, rates.values(), strict=True):
            assert axes.lines[0].get_ydata().tolist() == wanted
            assert axes.lines[0].get_xdata().tolist() == list(range(len(wanted)))
            assert axes.get_ylim()[0] == 0

    def test_a_schedule_without_steps_is_refused(self) -> None:
        with pytest.raises(ValueError, match="at least one"):
            figures.learning_rates({})
        with pytest.raises(ValueError, match="'empty'.*each step"):
            figures.learning_rates({"empty": []})

    def test_only_a_run_that_stopped_early_ends_in_a_cross(self) -> None:
        (axes,) = figures.run_losses({"whole": [3.0, 2.0, 1.0], "broken": [3.0, 9.0], "none": []}, 3).axes
        assert by_gid(axes, "broken").get_xydata().tolist() == [[1, 9]]
        assert by_gid(axes, "broken").get_marker() == "X"
        assert len(axes.lines) == 4 and axes.get_yscale() == "log"
        assert axes.lines[0].get_ydata().tolist() == [3, 2, 1]

    def test_a_loss_above_the_highest_is_drawn_there(self) -> None:
        (axes,) = figures.run_losses({"broken": [3.0, 1e30], "whole": [3.0, 50.0, 1.0]}, 3, highest=100).axes
        assert by_gid(axes, "broken").get_xydata().tolist() == [[1, 100]]
        assert [line.get_ydata().tolist() for line in axes.lines if len(line.get_xdata()) == 3] == [[3, 50, 1]]

    def test_losses_that_cannot_be_are_refused(self) -> None:
        with pytest.raises(ValueError, match="'long' has 4 losses; at most 3"):
            figures.run_losses({"long": [1.0] * 4}, 3)
        with pytest.raises(ValueError, match="finite"):
            figures.run_losses({"nan": [1.0, np.nan]}, 3)

    def test_the_weight_and_its_average(self) -> None:
        (axes,) = figures.weight_average([0, 2, 1], [0, 0.5, 0.75], wanted=1.0).axes
        weight, average, best = axes.lines
        assert weight.get_ydata().tolist() == [0, 2, 1] and average.get_ydata().tolist() == [0, 0.5, 0.75]
        assert set(best.get_ydata()) == {1.0}
        with pytest.raises(ValueError, match="averages"):
            figures.weight_average([0, 1], [0], wanted=1.0)

    def test_times_of_the_log_are_no_losses(self, tmp_path: Path) -> None:
        entry = {"step": 1, "loss": 2.0, "classification": 2.0, "lr": 0.1, "seconds": 1.0, "cpu_seconds": 1.0}
        entry |= {"waited": 0.1, "waited_share": 0.1, "skipped": 0.0}
        (tmp_path / "log.jsonl").write_text(json.dumps(entry) + "\n")
        losses = figures.training_curves(tmp_path / "log.jsonl").axes[0]
        assert [t.get_text() for t in losses.get_legend().get_texts()] == ["classification"]


class TestYourOwnBoxes:
    """Pictures of the chapter "Your own boxes"."""

    BOUNDS = (0.0, 32.0, 64.0, 128.0, 256.0, np.inf)

    def bars(self, axes: Axes) -> list[tuple[str, list[Rectangle]]]:
        return [(c.get_label(), list(c)) for c in axes.containers if isinstance(c, BarContainer)]

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
