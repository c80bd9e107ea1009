"""A piece of HTML works wherever a notebook is read: in frames as on Colab, inserted later as in JupyterLab."""

from __future__ import annotations

import html
import json
import re

import pytest
from matplotlib.figure import Figure

from fcos_edu.widgets import Piece, box_explorer, stack
from fcos_edu.widgets.piece import escaped, pack, script, style

from .reader import Reader

BOXES = [[40, 30, 240, 190], [60, 60, 150, 160]]


def both() -> list[Piece]:
    return [stack(lambda k: Figure(figsize=(2 + 0 * k, 1)), 4), box_explorer(BOXES, size=(240, 320))]


def works(frame: object) -> None:
    """Both figures answer the arrow keys, in a page or a frame of a page."""
    slider = frame.get_by_role("slider", name="frame")
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext").startswith("frame, frame 2 of 4")
    said = frame.locator(".fcx-say").inner_text()
    frame.get_by_role("application", name="Locations of the picture").press("ArrowRight")
    frame.locator(".fcx-say", has_not_text=said).wait_for()


@pytest.mark.parametrize("sandbox", ["allow-scripts", "allow-scripts allow-same-origin"])
def test_it_works_in_a_sandboxed_frame(reader: Reader, sandbox: str) -> None:
    """So Colab shows outputs: a frame of another origin, without storage."""
    body = "".join(piece.html for piece in both())
    frame = f'<iframe sandbox="{sandbox}" width="900" height="1500" srcdoc="{html.escape(body)}"></iframe>'
    (reader.folder / "page.html").write_text(f"<!DOCTYPE html><body>{frame}</body>", "utf-8")
    reader.page.goto((reader.folder / "page.html").as_uri())
    works(reader.page.frame_locator("iframe"))


def test_it_works_when_it_is_inserted_later(reader: Reader) -> None:
    """JupyterLab sets innerHTML, and then puts each script anew into its place."""
    reader.open()
    reader.page.evaluate(
        """(text) => {
          const host = document.createElement("div");
          host.innerHTML = text;
          document.body.appendChild(host);
          for (const old of host.querySelectorAll("script")) {
            const script = document.createElement("script");
            script.textContent = old.textContent;
            old.replaceWith(script);
          }
        }""",
        "".join(piece.html for piece in both()),
    )
    works(reader.page)


def test_two_alike_on_a_page_do_not_know_of_each_other(reader: Reader) -> None:
    reader.open(*both(), *both())
    sliders = reader.page.get_by_role("slider", name="frame")
    sliders.nth(1).press("End")
    assert sliders.nth(0).input_value() == "0" and sliders.nth(1).input_value() == "3"


def test_a_figure_that_cannot_start_says_why(reader: Reader) -> None:
    piece = pack("frames", "nothing", "", data={"start": 0, "label": "x", "words": []}, scripts=("range", "frames"))
    reader.open(piece)  # without a pile of pictures
    assert "This figure could not start" in reader.page.locator(".fcx-still").inner_text()
    assert reader.errors
    reader.errors.clear()


def test_a_page_holds_it_alone() -> None:
    piece = both()[0]
    assert piece.page().startswith("<!DOCTYPE html>") and piece.html in piece.page()
    assert piece._repr_html_() == piece.html and repr(piece) == f"<{piece.text}>"


def test_what_is_packed_can_end_nothing() -> None:
    evil = "</script><p title=\"'>&"
    piece = pack("x", evil, evil, data={"name": evil}, scripts=(), styles=())
    assert piece.html.count("</script>") == 1 and evil not in piece.html
    assert escaped(evil) == "&lt;/script&gt;&lt;p title=&quot;&#x27;&gt;&amp;"
    content = re.search(r"DATA = (.*);\n", piece.html)[1]
    assert json.loads(content) == {"name": evil}


def test_pictures_can_be_left_out_of_the_name() -> None:
    def name(**data: int) -> str:
        return re.search(r'id="([^"]+)"', pack("x", "", "", data=data, unnamed=("image",), scripts=()).html)[1]

    assert name(a=1, image=1) == name(a=1, image=2) != name(a=2, image=1)


def test_comments_do_not_travel() -> None:
    for name in ("range", "frames", "stage", "core", "start"):
        assert script(name) and not re.search(r"^\s*//", script(name), re.MULTILINE)
    for name in ("base", "explore", "frames"):
        assert "/*" not in style(name) and style(name).count("{") == style(name).count("}") > 3
