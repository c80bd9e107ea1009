"""The page *Look inside* as it was built: pictures, sliders, keyboard, fingers, drawing, a file of one's own."""

from __future__ import annotations

import base64
import functools
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fcos_edu import FCOS
from fcos_edu.config import PACKAGED
from fcos_edu.locations import Grid
from fcos_edu.targets import make_targets, pad_boxes

from .test_pages import SITE, TELEPHONE, WIDE, Visit

THRESHOLD = 0.3  # with which the page begins
DEFAULT = "people"  # the detector with which it begins


def given(name: str) -> dict[str, Any]:
    """What the page is given of a detector."""
    text = (SITE / "_static" / "look_inside" / f"{name}.js").read_text("utf-8")
    return json.loads(text.partition(" = ")[2].strip().removesuffix(";"))


@torch.inference_mode()
def found_by_package(name: str, data: bytes) -> dict[str, int]:
    """How many of each class the package finds in a picture."""
    picture = torch.tensor(np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))).permute(2, 0, 1)
    model = FCOS.pretrained(name).set_inference(score_threshold=THRESHOLD)
    labels = model([picture])[0]["labels"].tolist()
    return {word: labels.count(i) for i, word in enumerate(model.config.class_names) if i in labels}


# Notes what of the network is asked for on the page itself; all of it belongs into the worker.
WATCH = """document.addEventListener("DOMContentLoaded", () => {
  const make = fcosInThePage;
  window.asked = [];
  window.fcosInThePage = Object.assign(() => {
    const inside = make();
    for (const name of ["parse", "detector"]) inside[name] = () => { asked.push(name); };
    return inside;
  }, { toString: () => String(make) });
});"""


@functools.cache
def truth(number: int) -> dict[str, Any]:
    """The boxes of a prepared picture of shapes, and what the package has each location of P4 and P5 learn."""
    one = given("shapes")["pictures"][number]["truth"]
    config = FCOS.pretrained("shapes").config
    boxes = {"boxes": torch.tensor(one["boxes"]), "labels": torch.tensor(one["labels"])}
    grid = Grid.of(256, 256, config)
    labels = make_targets(pad_boxes([boxes], torch.device("cpu")), grid, config).labels[0]
    own = {f"p{level}": labels[grid.levels == level].tolist() for level in (4, 5)}
    return one | own | {"classes": config.class_names}


class Look:
    """A visitor of the page."""

    def __init__(self, visit: Visit, page: str = "look_inside.html") -> None:
        self.visit, self.page = visit, visit.open(page)
        self.stage = self.page.locator(".look-stage > svg")
        if page == "look_inside.html":
            self.wait(1)
            self.opened = self.counts  # of the detector and picture with which the page begins
            self.page.locator(".fcx-chips label", has_text="Shapes").click()
            self.wait(2)

    def wait(self, job: int) -> None:
        """Until the network has run so often, and what it said is drawn."""
        self.page.wait_for_function(
            "(job) => { const { dataset } = document.querySelector('.look');"
            "return Number(dataset.job) >= job && !('busy' in dataset); }",
            arg=job,
        )
        self.visit.settle()

    @property
    def job(self) -> int:
        return int(self.page.locator(".look").get_attribute("data-job"))

    @property
    def said(self) -> str:
        self.visit.settle()
        return self.page.locator(".look .fcx-say").inner_text()

    @property
    def counts(self) -> dict[str, int]:
        found = re.search(r"Found: (.*?)\.", self.said)
        assert found
        return {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", found[1])}

    def slide(self, label: str, value: float) -> None:
        self.page.get_by_label(label).evaluate(
            "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", value
        )

    def chain(self) -> list[str]:
        return self.page.locator(".look-chain li").all_inner_texts()


@pytest.fixture(params=[WIDE, TELEPHONE], ids=["desk", "telephone"])
def look(chromium: Any, request: pytest.FixtureRequest) -> Iterator[Look]:
    context = chromium.new_context(viewport=request.param, offline=True, has_touch=request.param is TELEPHONE)
    context.set_default_timeout(180_000)
    context.add_init_script(WATCH)
    look = Look(Visit(context.new_page()))
    yield look
    assert look.page.evaluate("window.asked") == [], "the network runs in the worker alone"
    context.close()
    assert not look.visit.faults


@pytest.mark.parametrize("look", [WIDE], indirect=True)
def test_a_reader_at_a_desk(look: Look) -> None:
    for name, counts in ((DEFAULT, look.opened), ("shapes", look.counts)):
        assert counts == found_by_package(name, base64.b64decode(given(name)["pictures"][0]["data"]))

    # Sliders decide at once, without the network.
    first = look.counts
    look.slide("Score threshold", 0.95)
    assert sum(look.counts.values()) < sum(first.values())
    look.slide("Score threshold", THRESHOLD)
    assert look.counts == first
    look.slide("NMS threshold", 0.95)
    assert sum(look.counts.values()) > sum(first.values())
    look.slide("NMS threshold", 0.6)
    assert "×" in look.chain()[2]
    look.page.locator(".fcx-toggle", has_text="Center-ness").click()
    assert "no center-ness" in look.chain()[2]
    look.page.locator(".fcx-toggle", has_text="Center-ness").click()
    assert look.job == 2

    # A candidate of the list tells its chain, and who suppressed it.
    row = look.page.locator(".look-ranking button", has_text=" by ").first
    other = row.inner_text().rpartition(" ")[2]
    row.click()
    assert f"Suppressed by number {other}" in look.chain()[-1] and f"number {other}" in look.said

    # The location under the pointer, on the level that was chosen.
    look.page.locator(".fcx-chips label", has_text="P5").click()
    frame = look.stage.bounding_box()
    look.page.mouse.move(frame["x"] + 0.3 * frame["width"], frame["y"] + 0.6 * frame["height"])
    look.visit.settle()
    near = [32 * int(share * 256 / 32) + 16 for share in (0.3, 0.6)]  # the network sees all 256 pixels
    title = look.page.locator(".look-title").inner_text()
    assert title == f"P5, stride 32: location {near[0]}, {near[1]}"

    # The heat map has a cell for each location of the level.
    look.page.locator(".fcx-chips label", has_text="product").click()
    assert look.page.locator(".look-heat").evaluate("(map) => [map.width, map.height]") == [8, 8]

    # The keyboard moves the location, and words say what it thinks.
    look.stage.focus()
    look.page.keyboard.press("ArrowRight")
    moved = look.page.locator(".look-title").inner_text()
    assert moved == f"P5, stride 32: location {near[0] + 32}, {near[1]}"
    assert "center-ness" in look.said and look.said.startswith("Location")

    # What the location is to learn, and all of its level.
    known = truth(0)
    learns = [known["p5"][near[1] // 32 * 8 + near[0] // 32 + step] for step in range(2)]
    goal = look.page.locator(".look-learns")
    assert goal.inner_text() == "Target: " + ("background" if learns[1] < 0 else known["classes"][learns[1]])
    look.page.locator(".fcx-chips label", has_text="target").click()
    assert "On P5, 0 of 64 locations learn a box" in look.said and set(known["p5"]) == {-1}
    look.page.locator(".fcx-chips label", has_text="P4").click()
    positive = sum(label >= 0 for label in known["p4"])
    assert positive and f"On P4, {positive} of 256 locations learn a box" in look.said
    first = next(place for place, label in enumerate(known["p4"]) if label >= 0)
    share = [(first % 16 + 0.5) / 16, (first // 16 + 0.5) / 16]
    look.stage.scroll_into_view_if_needed()
    frame = look.stage.bounding_box()
    look.page.mouse.move(*(frame[k] + s * frame[side] for k, s, side in zip("xy", share, ("width", "height"))))
    look.visit.settle()
    assert goal.inner_text() == f"Target: {known['classes'][known['p4'][first]]}"
    look.page.locator(".fcx-toggle", has_text="True boxes").click()
    assert look.page.locator(".look-true g").count() == len(known["boxes"])

    # Feature maps: the strongest channel lies over the picture, any other one follows; the heat map gives way.
    look.page.get_by_label("Feature maps of").select_option("P4")
    tiles = look.page.locator(".look-tile")
    tiles.nth(63).wait_for()
    assert tiles.count() == 64 and tiles.first.get_attribute("aria-pressed") == "true"
    assert look.page.locator("input[name=look-heat-map][value=none]").is_checked()
    value = look.page.locator(".look-read")
    cell = f"cell {first % 16}, {first // 16}: "
    name = tiles.first.get_attribute("aria-label").partition(",")[0]
    assert value.inner_text().startswith(f"P4, {name}, {cell}")
    tiles.first.focus()
    look.page.keyboard.press("ArrowRight")
    look.page.keyboard.press("Enter")
    name = tiles.nth(1).get_attribute("aria-label").partition(",")[0]
    assert tiles.nth(1).get_attribute("aria-pressed") == "true"
    assert value.inner_text().startswith(f"P4, {name}, {cell}")
    look.page.get_by_label("Feature maps of").select_option("classification 2 P4")
    look.page.locator(".look-deeper p", has_text="class tower, layer 2, on P4").wait_for()
    look.page.locator(".fcx-chips label", has_text="P3").click()
    look.page.locator(".look-deeper p", has_text="on P3: 64 channels of 32 × 32").wait_for()
    assert look.job == 2, "none of this runs the network again"


@pytest.mark.parametrize("look", [TELEPHONE], indirect=True)
def test_a_reader_with_a_telephone_and_files(look: Look) -> None:
    page = look.page
    page.locator(".look-ranking button").first.tap()
    assert look.said.startswith("Number 1, ")

    # A shape that a finger or the keyboard adds is found.
    page.get_by_role("button", name="Draw").tap()
    look.wait(3)
    assert look.counts == {}
    page.locator(".fcx-chips label", has_text="disc").tap()
    page.get_by_role("button", name="Add one at the location").tap()
    look.wait(4)
    assert look.counts == {"disc": 1}
    goal = page.locator(".look-goal")
    page.locator(".fcx-chips label", has_text="P4").tap()
    assert "Target: background" in goal.inner_text() and "that is for P3" in goal.inner_text()
    page.locator(".fcx-chips label", has_text="P3").tap()
    assert "Target: disc" in goal.inner_text(), "its box is known"

    # The other detector, and a file of the reader's.
    page.locator(".fcx-chips label", has_text="Blood cells").tap()
    page.wait_for_function("[...document.querySelectorAll('.look-of option')].some((one) => one.text === 'RBC') "
                           "|| !document.querySelector('.look-thumb')")  # fmt: skip
    y, x = np.mgrid[:200, :280]
    smear = np.full((200, 280, 3), (225, 215, 210), dtype=np.uint8)
    for v, u in ((50, 60), (120, 140), (70, 220)):
        smear[np.hypot(y - v, x - u) < 24] = (210, 140, 130)
    file = io.BytesIO()
    Image.fromarray(smear).save(file, "png")
    before = look.job
    page.get_by_label("Your picture").set_input_files(
        {"name": "smear.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    look.wait(before + 1)
    assert look.counts == found_by_package("bccd", file.getvalue())
    assert "no truth is known" in goal.inner_text()

    page.get_by_label("Your picture").set_input_files({"name": "no.png", "mimeType": "image/png", "buffer": b"no"})
    page.wait_for_function("document.querySelector('.look .fcx-say').textContent.includes('no.png is no picture')")


def test_the_landing_page_s_copy(chromium: Any) -> None:
    """A picture, until it is asked for; then the detector, smaller."""
    context = chromium.new_context(viewport=TELEPHONE, offline=True, has_touch=True)
    context.set_default_timeout(180_000)
    context.add_init_script(WATCH)
    look = Look(Visit(context.new_page()), "intro.html")
    small = look.page.locator(".look-small")
    name = small.get_attribute("data-detector")
    picture = given(name)["pictures"][int(small.get_attribute("data-picture"))]
    counts = found_by_package(name, base64.b64decode(picture["data"]))
    alt = small.locator("img").get_attribute("alt")
    assert {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", alt)} == counts
    assert not any(path.stem in PACKAGED for path in look.visit.files), "no weights before they are asked for"
    credit = look.page.locator(".look-credit")
    if name == "bccd":
        assert "MIT licence" in credit.inner_text() and credit.locator("a[href*=bccd_license]").count() == 1
    else:
        assert name == "people" and credit.locator("a", has_text="public domain").count() == 1

    small.get_by_role("button").tap()
    look.wait(1)
    assert look.counts == counts
    before = look.page.locator(".look-title").inner_text()
    look.page.keyboard.press("ArrowRight")  # the picture has the focus
    assert look.page.locator(".look-title").inner_text() != before
    look.slide("Score threshold", 0.95)
    assert sum(look.counts.values()) < sum(counts.values())
    assert look.page.evaluate("window.asked") == [], "the network runs in the worker alone"
    assert not look.page.locator(".look-chain, .look-tiles, .fcx-chips label:has-text('Blood cells')").count()
    assert look.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()
    assert not look.visit.faults
