"""What the other tests of pages rely on: nobody looks at a page before it has drawn what was done to it."""

from __future__ import annotations

from typing import Any

import pytest

from fcos_edu.widgets import Piece

from .reader import TELEPHONE, Reader, tap

# A browser that is slow to draw, and a page that draws at the next frame, as the explorers do.
SLOW = "window.requestAnimationFrame = (draw) => setTimeout(() => draw(performance.now()), 200)"
PAGE = """<button>0</button><input type="checkbox" checked><input type="file"><script>
const button = document.querySelector("button");
let count = 0;
for (const kind of ["click", "keydown", "pointermove", "change"])
  document.addEventListener(kind, () => { count += 1; requestAnimationFrame(() => { button.textContent = count; }); });
</script>"""


@pytest.mark.parametrize("reader", [TELEPHONE], indirect=True)
def test_what_was_done_is_drawn_when_a_test_looks(reader: Reader) -> None:
    reader.page.add_init_script(SLOW)
    reader.open(Piece("button", "a button", {}, PAGE))
    button = reader.page.locator("button")
    number = lambda: int(button.inner_text())  # noqa: E731
    assert number() == 0
    button.click()
    assert (seen := number()) > 0
    button.press("a")
    assert number() > seen
    seen = number()
    reader.page.keyboard.press("b")
    assert number() > seen
    box, seen = button.bounding_box(), number()
    reader.page.mouse.move(box["x"] + 3, box["y"] + 3)
    assert number() > seen
    seen = number()
    tap(reader, box["x"] + 3, box["y"] + 3)
    assert number() > seen
    seen = number()
    reader.page.get_by_role("checkbox").uncheck()
    assert number() > seen
    seen = number()
    reader.page.locator("[type=file]").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"a"})
    assert number() > seen


def test_a_page_of_the_browser_itself_waits_as_well(chromium: Any) -> None:
    page = chromium.new_page()
    page.add_init_script(SLOW)
    page.goto("about:blank")
    page.set_content(PAGE)
    page.keyboard.press("a")
    assert int(page.locator("button").inner_text()) > 0
    page.close()
