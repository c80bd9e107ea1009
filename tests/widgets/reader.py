"""A reader of a page: opens it from the disk without a network, and uses mouse, fingers and keyboard."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from fcos_edu.widgets import Piece

TELEPHONE = {"has_touch": True, "is_mobile": True, "viewport": {"width": 390, "height": 844}}


class Reader:
    """A page from the disk, without a network, and what a reader does on it."""

    def __init__(self, page: Any, folder: Path) -> None:
        self.page, self.folder, self.errors = page, folder, []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: self._asked(request.url))

    def _asked(self, url: str) -> None:
        if not url.startswith(("file:", "data:")):
            self.errors.append(f"asked for {url}")

    def open(self, *pieces: Piece, theme: str = "light") -> None:
        body = "\n".join(each.html for each in pieces)
        head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        path = self.folder / "page.html"
        path.write_text(
            f'<!DOCTYPE html><html data-theme="{theme}"><head>{head}</head><body>{body}</body></html>', "utf-8"
        )
        self.page.goto(path.as_uri())
        self.settle()

    def settle(self) -> None:
        """Wait until what was asked for is drawn: drawing happens at the next frame."""
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def said(self, number: int = 0) -> str:
        self.settle()
        return self.page.locator(".fcx-say").nth(number).inner_text()

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a place of the image is on the screen."""
        box = self.page.locator(".fcx-stage > svg").first.bounding_box()
        width, height = map(float, self.page.locator(".fcx-stage > svg").first.get_attribute("viewBox").split()[2:])
        return box["x"] + x * box["width"] / width, box["y"] + y * box["height"] / height

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.page.mouse.move(*self.at(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.at(*end), steps=3)
        self.page.mouse.up()
        self.settle()

    def slide(self, label: str, value: float) -> None:
        self.page.get_by_label(label, exact=True).evaluate(
            "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', { bubbles: true })); }",
            value,
        )
        self.settle()


def swipe(reader: Reader, start: tuple[float, float], end: tuple[float, float]) -> None:
    """One finger, from a place of the image to another, in steps as a hand makes them."""
    session = reader.page.context.new_cdp_session(reader.page)
    steps = np.linspace(start, end, 9)
    for kind, (x, y) in zip(["touchStart", *["touchMove"] * 8], steps):
        x, y = reader.at(x, y)
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    reader.settle()


def luminance(text: str) -> float:
    channels = [int(v) / 255 for v in re.findall(r"\d+", text)[:3]]
    linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def tap(reader: Reader, x: float, y: float) -> None:
    """One finger, shortly, at a place of the screen."""
    reader.page.touchscreen.tap(x, y)
    reader.settle()
