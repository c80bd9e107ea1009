"""Two stages, regions, proposals and what they find."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.patches import FancyArrowPatch, Rectangle

from fcos_edu import figures

from .support import BOXES, IMAGE, rectangles, xy


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
