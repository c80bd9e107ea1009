"""A slider over prepared figures: its pictures, and what a reader does with it in a real browser."""

from __future__ import annotations

import base64
import re
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from fcos_edu.figures import Picture
from fcos_edu.text import counted
from fcos_edu.widgets import MAX_FRAMES, Piece, stack

from .reader import TELEPHONE, Reader, luminance, tap


def frame(k: int, *, size: tuple[float, float] = (1, 0.5), title: str = "") -> Figure:
    """A picture that is white for k = 0 and darker for each step."""
    figure = Figure(figsize=size)
    figure.subplots().axhspan(0, 1, color=str(1 - 0.05 * k))
    figure.axes[0].set_position([0, 0, 1, 1])
    figure.axes[0].set_title(title)
    return figure


def large(k: int) -> Figure:
    return frame(k, size=(7, 4), title=f"after {k} steps")


def pictures(piece: Piece) -> list[Image.Image]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', piece.html)
    return [Image.open(BytesIO(base64.b64decode(text))) for text in found]


# ---------------------------------------------------------------- what is stored


def test_there_is_a_picture_for_each_frame_in_order() -> None:
    opened = pictures(stack(frame, 4, dpi=80))
    assert {picture.size for picture in opened} == {(80, 40)}
    brightness = [picture.convert("L").getpixel((40, 20)) for picture in opened]
    assert brightness == sorted(brightness, reverse=True) and len(set(brightness)) == 4


def test_a_frame_is_as_large_as_the_figure_alone() -> None:
    """Its words are then as easy to read as those of the other figures."""
    alone = Image.open(BytesIO(Picture(figsize=(1, 0.5))._repr_png_()))
    assert {picture.size for picture in pictures(stack(lambda k: Picture(figsize=(1, 0.5)), 2))} == {alone.size}


def test_pictures_keep_their_place_before_they_are_decoded() -> None:
    text = stack(frame, 2, dpi=80).html
    assert len(re.findall(r'<img [^>]*width="80" height="40"', text)) == 2


def test_without_a_script_the_first_frame_is_there() -> None:
    tags = re.findall(r"<img [^>]*>", stack(frame, 5, start=3).html)
    assert [" hidden>" in tag for tag in tags] == [True, True, True, False, True]


def test_titles_become_words() -> None:
    piece = stack(lambda k: frame(k, title=f"$s = {2**k}$\npixels"), 3, description="size")
    assert piece.data["words"] == [f"size, frame {k + 1} of 3: s = {2**k} pixels" for k in range(3)]
    assert 'alt="size, frame 2 of 3: s = 2 pixels"' in piece.html

    def two(k: int) -> Figure:
        figure = Figure(figsize=(1, 1))
        for axes, word in zip(figure.subplots(1, 2), ("left", "right")):
            axes.set_title(f"{word} {k}")
        return figure

    assert stack(two, 2).data["words"][1] == "frame, frame 2 of 2: left 1; right 1"


def test_the_same_frames_give_the_same_text_and_names_do_not_depend_on_pictures() -> None:
    assert stack(frame, 3).html == stack(frame, 3).html
    names = {re.search(r'id="([^"]+)"', stack(f, 3).html)[1] for f in (frame, lambda k: frame(k + 3))}
    assert len(names) == 1


def test_a_figure_without_a_title_is_told_in_words_of_its_own() -> None:
    assert stack(frame, 2).data["words"][1] == "frame, frame 2 of 2"
    piece = stack(frame, 2, seen=lambda k: f"{k} bars in colour")
    assert piece.data["words"] == ["frame, frame 1 of 2: 0 bars in colour", "frame, frame 2 of 2: 1 bars in colour"]
    assert 'alt="frame, frame 2 of 2: 1 bars in colour"' in piece.html


def test_words_cannot_end_the_script_or_an_attribute() -> None:
    evil = '</script><b>"'
    piece = stack(lambda k: frame(k, title=evil), 2, description=evil, caption=evil)
    assert piece.html.count("</script>") == 1 and "<b>" not in piece.html


def test_nothing_comes_from_outside() -> None:
    text = stack(frame, 2).html
    assert not re.search(r"https?://", text) and "<link" not in text
    assert all(source.startswith("data:image/png;base64,") for source in re.findall(r'src="([^"]*)"', text))
    assert not re.search(r"localStorage|\b(?:fetch|XMLHttpRequest|import|eval)\b\s*\(", text)


def test_around_the_pictures_there_is_little() -> None:
    text = re.sub(r"data:image/[^\"]+", "", stack(frame, MAX_FRAMES).html)
    assert len(text) < 12 * 1024


def test_frames_are_asked_for_once_each() -> None:
    asked: list[int] = []
    stack(lambda k: asked.append(k) or frame(k), 3)
    assert asked == [0, 1, 2]


@pytest.mark.parametrize("count", [0, 1, MAX_FRAMES + 1])
def test_too_few_or_too_many_frames_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"{counted(count, 'frames')}; a stack takes 2 to 15"):
        stack(frame, count)


def test_a_start_outside_is_refused() -> None:
    with pytest.raises(ValueError, match=r"start is 3; with 3 frames it must lie in 0\.\.2"):
        stack(frame, 3, start=3)


def test_frames_of_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="different sizes"):
        stack(lambda k: Figure(figsize=(1 + k, 1)), 2)


# ---------------------------------------------------------------- in the reader's hand


def seen(reader: Reader, number: int = 0) -> list[int]:
    """Which pictures of a figure are seen."""
    reader.settle()
    return reader.page.locator(".fcx-frames").nth(number).evaluate(
        """(figure) => [...figure.querySelectorAll("img")].map((image, i) => [i, image])
          .filter(([, image]) => image.complete && image.naturalWidth)
          .filter(([, image]) => image.checkVisibility({ visibilityProperty: true }))
          .map(([i]) => i)"""
    )  # fmt: skip


def test_the_keyboard_moves_it(reader: Reader) -> None:
    reader.open(stack(large, 8, start=2, description="steps"), stack(large, 3))
    assert seen(reader) == [2]
    slider = reader.page.get_by_role("slider", name="steps")
    slider.focus()
    for key, wanted in (
        ("ArrowRight", 3),
        ("ArrowUp", 4),
        ("ArrowLeft", 3),
        ("ArrowDown", 2),
        ("End", 7),
        ("ArrowRight", 7),
        ("Home", 0),
        ("ArrowLeft", 0),
        ("PageUp", 1),
        ("PageDown", 0),
    ):
        reader.page.keyboard.press(key)
        assert seen(reader) == [wanted], key
        assert slider.get_attribute("aria-valuetext") == f"steps, frame {wanted + 1} of 8: after {wanted} steps"
    assert seen(reader, 1) == [0], "another figure on the page keeps its own"
    assert reader.page.evaluate("window.scrollY") == 0


def test_its_keys_do_not_reach_the_notebook(reader: Reader) -> None:
    """JupyterLab listens on the document, before and after: what it sees it may take for a command."""
    reader.open(stack(large, 4))
    reader.page.evaluate(
        """window.heard = [];
        document.addEventListener("keydown", (event) => { window.heard.push(event.key); event.preventDefault(); });"""
    )
    reader.page.get_by_role("slider").focus()
    reader.page.keyboard.press("ArrowRight")
    reader.page.keyboard.press("x")
    assert seen(reader) == [1] and reader.page.evaluate("window.heard") == ["x"]


def test_the_mouse_moves_it(reader: Reader) -> None:
    reader.open(stack(large, 5))
    box = reader.page.get_by_role("slider").bounding_box()
    middle = box["y"] + box["height"] / 2
    reader.page.mouse.move(box["x"] + 10, middle)
    reader.page.mouse.down()
    reader.page.mouse.move(box["x"] + box["width"] / 2, middle, steps=4)
    assert seen(reader) == [2]
    reader.page.mouse.move(box["x"] + box["width"], middle, steps=4)
    reader.page.mouse.up()
    assert seen(reader) == [4]


@pytest.mark.parametrize("reader", [TELEPHONE], indirect=True)
def test_a_finger_moves_it_and_it_fits(reader: Reader) -> None:
    reader.open(stack(large, 5, caption="A sentence that is long enough to need more than one line on a telephone."))
    box = reader.page.get_by_role("slider").bounding_box()
    tap(reader, box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
    assert seen(reader) == [4]
    assert reader.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    shape = reader.page.locator(".fcx-pile img").first.bounding_box()
    assert shape["width"] < 390 and shape["width"] / shape["height"] == pytest.approx(7 / 4, rel=0.02)


def test_nothing_jumps(reader: Reader) -> None:
    reader.open(stack(large, 5, start=1))

    def place() -> list[dict[str, Any]]:
        reader.settle()
        return [reader.page.locator(name).first.bounding_box() for name in (".fcx", ".fcx-slider", ".fcx-now")]

    first = place()
    reader.page.get_by_role("slider").focus()
    for key in ("ArrowRight", "End", "Home"):
        reader.page.keyboard.press(key)
        assert place() == first


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_can_be_read_in_both_themes(reader: Reader, theme: str) -> None:
    reader.open(stack(large, 3, caption="Look."), theme=theme)
    ground = luminance(reader.page.evaluate("getComputedStyle(document.querySelector('.fcx')).backgroundColor"))
    assert (ground > 0.5) == (theme == "light")
    for name in (".fcx-caption", ".fcx-slider span", ".fcx-slider output"):
        ink = luminance(reader.page.evaluate(f"getComputedStyle(document.querySelector('{name}')).color"))
        high, low = sorted((ink, ground), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, name
    shot = np.asarray(Image.open(BytesIO(reader.page.locator(".fcx-now").screenshot())).convert("L"))
    assert (shot > 250).mean() > 0.2, "pictures are on white paper"
