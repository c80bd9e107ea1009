"""Words of any script in pictures: in a font that has the letters, or as a number, never as squares."""

import io
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from fcos_edu import figures
from fcos_edu import fonts as fonts_module
from fcos_edu.drawing import draw_detections, draw_labels, label_font
from fcos_edu.figures.style import Picture
from fcos_edu.fonts import font_file, in_pictures
from tests.test_drawing import detection

NUT = "螺母"  # the name of a class in Chinese; no font that comes with matplotlib has it
OWN = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@pytest.fixture
def fonts(monkeypatch):
    """Make the fonts of the system these files."""

    def make(*files):
        monkeypatch.setattr(font_manager, "findSystemFonts", lambda *_, **__: [str(file) for file in files])
        for kept in (fonts_module._fonts_of_system, fonts_module._of_system):
            kept.cache_clear()

    yield make
    for kept in (fonts_module._fonts_of_system, fonts_module._of_system):
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


def test_figures_of_matplotlib_do_the_same(fonts):
    fonts(OWN / "DejaVuSerif.ttf")
    drawn, wanted = io.BytesIO(), io.BytesIO()
    for file, family in ((drawn, "DejaVu Sans"), (wanted, "DejaVu Serif")):
        figure = Picture(figsize=(2, 1))
        figure.text(0.1, 0.4, "\u1d15", family=family)
        figure.savefig(file, format="png")
    assert np.array_equal(np.array(Image.open(drawn)), np.array(Image.open(wanted)))
    fonts()
    shown = figures.detections(np.zeros((40, 40, 3)), detection([4, 4, 30, 30], scores=[0.9]), [NUT])
    words = [words.get_text() for words in shown.findobj(matplotlib.text.Text)]
    assert any(text.startswith("class 0") for text in words) and not any(NUT in text for text in words)
