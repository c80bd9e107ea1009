"""Drawn boxes: the pixels that must change, and those that must not."""

from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from fcos_edu import drawing
from fcos_edu.drawing import COLORS, draw_detections, draw_labels, font_file, in_pictures, label_font


def detection(*boxes, labels=None, scores=None):
    found = {"boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)}
    found["labels"] = torch.tensor(labels if labels is not None else [0] * len(boxes), dtype=torch.int64)
    if scores is not None:
        found["scores"] = torch.tensor(scores)
    return found


def rgb(color):
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def test_the_sides_of_the_box_are_drawn_in_the_class_colour():
    drawn = draw_detections(
        torch.zeros(3, 120, 120), detection([20, 30, 90, 100], labels=[1], scores=[0.9]), ["a", "b"]
    )
    assert drawn.dtype == torch.uint8
    assert drawn[:, 65, 20].tolist() == rgb(COLORS[1])
    assert drawn[:, 100, 55].tolist() == rgb(COLORS[1])
    assert drawn[:, 75, 60].sum() == 0  # inside, away from the text
    assert drawn[:, :, 100:].sum() == 0  # outside


def test_nothing_found_leaves_a_copy():
    image = torch.randint(0, 255, (3, 20, 30), dtype=torch.uint8)
    drawn = draw_detections(image, detection())
    assert torch.equal(drawn, image) and drawn.data_ptr() != image.data_ptr()


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7)])
def test_odd_sizes_and_boxes_on_the_border(size):
    height, width = size
    drawn = draw_detections(torch.full((3, *size), 0.5), detection([0, 0, width, height], scores=[1.0]))
    assert drawn.shape == (3, *size)


def test_a_class_without_a_name_is_drawn_by_number():
    draw_detections(torch.zeros(3, 50, 50), detection([5, 5, 40, 40], labels=[12], scores=[0.5]), ["only one"])


def test_the_label_stands_on_a_plate_inside_the_picture():
    # At the upper right corner there is no room above, and too little to the right.
    found = detection([180, 0, 199, 60], labels=[2], scores=[0.75])
    drawn = draw_detections(torch.zeros(3, 100, 200), found, ["a", "b", "c"]).permute(1, 2, 0)  # (100, 200, 3)
    plate = (drawn == torch.tensor(rgb(COLORS[2]), dtype=torch.uint8)).all(-1)
    assert plate[:12, :175].sum() > 50  # pushed to the left of the box, still whole


NUT = "螺母"  # the name of a class in Chinese; no font that comes with matplotlib has it
OWN = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@pytest.fixture
def fonts(monkeypatch):
    """Make the fonts of the system these files."""

    def make(*files):
        monkeypatch.setattr(font_manager, "findSystemFonts", lambda *_, **__: [str(file) for file in files])
        for kept in (drawing._fonts_of_system, drawing._of_system):
            kept.cache_clear()

    yield make
    for kept in (drawing._fonts_of_system, drawing._of_system):
        kept.cache_clear()


def plate(word, names=(), label=0):
    """The pixels of a picture with one box, whose word is drawn."""
    found = detection([4, 30, 90, 90], labels=[label], scores=[0.5])
    return draw_detections(torch.zeros(3, 100, 100), found, names or [word])


def test_a_name_that_no_font_can_write_is_drawn_as_its_number_and_not_as_squares(fonts, tmp_path):
    """The font whose glyphs are squares for every letter, which matplotlib brings along, is no help."""
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    fonts(OWN / "LastResortHE-Regular.ttf", tmp_path / "broken.ttf", tmp_path / "gone.ttf")
    assert font_file(NUT) is None and in_pictures(NUT, 3) == "class 3" and in_pictures("nut", 3) == "nut"
    assert torch.equal(plate("", ["a", NUT], 1), plate("", ["a", "class 1"], 1))
    title, wanted = (Image.new("RGB", (200, 40)) for _ in range(2))
    draw_labels(title, [(4, 4, 4, 4)], [f"{NUT}: 2"], ["#ffffff"])
    draw_labels(wanted, [(4, 4, 4, 4)], ["??: 2"], ["#ffffff"])
    assert np.array_equal(np.array(title), np.array(wanted))


def test_a_font_of_the_system_writes_what_ours_lacks(fonts):
    name = "nut \u1d15"  # a letter of DejaVu Serif
    fonts(OWN / "STIXSizOneSymReg.ttf", OWN / "DejaVuSerif-Bold.ttf", OWN / "DejaVuSerif.ttf")
    assert font_file("nut") == OWN / "DejaVuSans.ttf" == font_file("Größe, гайка")
    assert font_file(name) == OWN / "DejaVuSerif.ttf" and in_pictures(name, 0) == name
    assert label_font(14, name).getname()[0] == "DejaVu Serif"
    wanted = Image.new("RGB", (200, 40))
    ImageDraw.Draw(wanted).text((0, 0), name, font=ImageFont.truetype(str(OWN / "DejaVuSerif.ttf"), 14))
    drawn = Image.new("RGB", (200, 40))
    ImageDraw.Draw(drawn).text((0, 0), name, font=label_font(14, name))
    assert np.array_equal(np.array(drawn), np.array(wanted))
    assert not torch.equal(plate(name), plate("class 0"))
