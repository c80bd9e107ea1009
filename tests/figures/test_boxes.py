"""Boxes on images: where they are drawn, and what is written beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torchvision import tv_tensors

from fcos_edu import figures
from fcos_edu.text import counted

from .support import BOXES, IMAGE, NAMES, RESULT, rectangles


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
        with pytest.raises(ValueError, match="1 score for 3 boxes"):
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


class TestGallery:
    def test_a_gallery_draws_each_result_on_its_image_above_the_threshold(self) -> None:
        nothing = {key: value[:0] for key, value in RESULT.items()}
        figure = figures.gallery([IMAGE] * 4, [RESULT, nothing, nothing, RESULT], NAMES)
        assert len(figure.axes) == 6
        wanted = [[BOXES[1].tolist(), BOXES[0].tolist()], [], [], [BOXES[1].tolist(), BOXES[0].tolist()], [], []]
        assert [rectangles(axes) for axes in figure.axes] == wanted, "the surest box is drawn last"
        assert [t.get_text() for t in figure.axes[0].texts] == ["disc 0.50", "ring 0.90"]
        assert [axes.axison for axes in figure.axes] == [True] * 4 + [False] * 2

    def test_a_gallery_of_true_boxes_has_names_alone(self) -> None:
        truth = {key: RESULT[key] for key in ("boxes", "labels")}
        (axes,) = figures.gallery([IMAGE], [truth], NAMES, titles=["true"], columns=1).axes
        assert axes.get_title() == "true"
        assert sorted(t.get_text() for t in axes.texts) == ["disc", "ring", "ring"]

    @pytest.mark.parametrize("images", [0, 2])
    def test_a_gallery_wants_a_result_for_each_image(self, images: int) -> None:
        with pytest.raises(ValueError, match=f"{images} images and {counted(min(images, 1), 'results', 'result')};"):
            figures.gallery([IMAGE] * images, [RESULT][:images], NAMES)
