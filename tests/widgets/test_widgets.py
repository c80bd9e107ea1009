"""Interactive figures: the wiring that a page without a kernel relies on."""

from __future__ import annotations

from io import BytesIO

import ipywidgets
import pytest
from ipywidgets.embed import dependency_state
from matplotlib.figure import Figure
from PIL import Image

from fcos_edu.figures import Picture
from fcos_edu.widgets import MAX_FRAMES, stack


def frame(k: int) -> Figure:
    """A picture that is white for k = 0 and darker for each step."""
    figure = Figure(figsize=(1, 0.5))
    figure.subplots().axhspan(0, 1, color=str(1 - 0.05 * k))
    figure.axes[0].set_position([0, 0, 1, 1])
    return figure


def parts(box: ipywidgets.VBox) -> tuple[ipywidgets.IntSlider, ipywidgets.Stack]:
    return box.children[-2], box.children[-1]


def test_there_is_a_picture_for_each_frame_in_order() -> None:
    _, pictures = parts(stack(frame, 4, dpi=80))
    assert isinstance(pictures, ipywidgets.Stack) and len(pictures.children) == 4
    opened = [Image.open(BytesIO(picture.value)) for picture in pictures.children]
    assert {picture.size for picture in opened} == {(80, 40)}
    brightness = [picture.convert("L").getpixel((40, 20)) for picture in opened]
    assert brightness == sorted(brightness, reverse=True) and len(set(brightness)) == 4


def test_a_frame_is_as_large_as_the_figure_alone() -> None:
    """Its words are then as easy to read as those of the other figures."""
    _, pictures = parts(stack(lambda k: Picture(figsize=(1, 0.5)), 2))
    alone = Image.open(BytesIO(Picture(figsize=(1, 0.5))._repr_png_()))
    assert {Image.open(BytesIO(picture.value)).size for picture in pictures.children} == {alone.size}


def test_the_slider_covers_the_frames_and_both_begin_at_start() -> None:
    slider, pictures = parts(stack(frame, 5, start=3, description="size"))
    assert (slider.min, slider.max, slider.step, slider.value) == (0, 4, 1, 3)
    assert pictures.selected_index == 3
    assert slider.description == "size"


def test_the_browser_links_slider_and_stack() -> None:
    """The link is a widget of its own: it must be in the state that is stored with the page."""
    box = stack(frame, 3)
    slider, pictures = parts(box)
    state = dependency_state([box])
    links = [entry["state"] for entry in state.values() if entry["model_name"] == "LinkModel"]
    ends = [(f"IPY_MODEL_{slider.model_id}", "value"), (f"IPY_MODEL_{pictures.model_id}", "selected_index")]
    assert [[tuple(link["source"]), tuple(link["target"])] for link in links] == [ends]
    assert sum(entry["model_name"] == "ImageModel" for entry in state.values()) == 3


def test_the_caption_stands_above_the_slider() -> None:
    with_caption = stack(frame, 2, caption="Look at this.")
    assert isinstance(with_caption.children[0], ipywidgets.HTML)
    assert with_caption.children[0].value == "Look at this."
    assert len(stack(frame, 2).children) == 2


def test_frames_are_asked_for_once_each() -> None:
    asked: list[int] = []
    stack(lambda k: asked.append(k) or frame(k), 3)
    assert asked == [0, 1, 2]


@pytest.mark.parametrize("count", [0, 1, MAX_FRAMES + 1])
def test_too_few_or_too_many_frames_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} frames; a stack takes 2 to 15"):
        stack(frame, count)


def test_a_start_outside_is_refused() -> None:
    with pytest.raises(ValueError, match=r"start is 3; with 3 frames it must lie in 0\.\.2"):
        stack(frame, 3, start=3)


def test_frames_of_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="different sizes"):
        stack(lambda k: Figure(figsize=(1 + k, 1)), 2)
