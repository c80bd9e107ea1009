"""Colours and the file of a picture: what carries meaning survives the palette."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image

from fcos_edu import figures

from .support import BOXES, IMAGE, SIZES


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

    def test_a_drawing_says_so_and_a_figure_with_a_picture_does_not(self) -> None:
        heat = figures.Picture()
        heat.subplots().imshow(np.zeros((4, 4)), cmap="viridis")
        for figure, drawing in (
            (figures.pyramid(SIZES), True),
            (heat, False),
            (figures.show_boxes(IMAGE, BOXES), False),
        ):
            said = Image.open(BytesIO(figures.png(figure))).info.get("Comment")
            assert said == ("drawing" if drawing else None)


def test_red_at_the_centre_blue_at_the_border_and_lighter_all_the_way() -> None:
    colors = np.array([to_rgb(figures.CENTERNESS_COLORS(v)) for v in np.linspace(0, 1, 101)])
    assert colors[0].argmax() == 2 and colors[-1].argmax() == 0
    assert (np.diff(colors @ [0.299, 0.587, 0.114]) > 0).all(), "a grey print keeps the order"
