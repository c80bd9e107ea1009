"""One box on all levels, in a browser: it counts what the package assigns, and says why a box is lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from fcos_edu import widgets
from fcos_edu.config import FCOSConfig
from fcos_edu.data.boxes import Boxes
from fcos_edu.evaluation.recall import REASONS, best_possible_recall
from fcos_edu.locations import Grid
from fcos_edu.targets import assign, ltrb
from fcos_edu.widgets import Piece, levels_explorer, squeeze_explorer

from .reader import TELEPHONE, Reader, luminance, swipe

PAPER = FCOSConfig.paper()
NAMES = [f"P{level}" for level in PAPER.levels]
SIZE = (128, 192)


def one_of_each(**options: Any) -> list[Piece]:
    return [levels_explorer(**options), squeeze_explorer(**options)]


KINDS = [each.kind for each in one_of_each()]


def learning(box: list[float], config: FCOSConfig, size: tuple[int, int]) -> list[int]:
    """Of each level, how many locations learn the box: the package's answer."""
    grid = Grid.of(*size, config)
    owner = assign(torch.tensor([[box]], dtype=torch.float32), torch.ones(1, 1, dtype=torch.bool), grid.sizes, config)
    return [int((part >= 0).sum()) for part in owner[0].split(grid.counts)]


def holding(box: list[float], config: FCOSConfig, size: tuple[int, int]) -> list[int]:
    """Of each level, how many locations lie inside the box."""
    grid = Grid.of(*size, config)
    inside = (ltrb(grid.points, torch.tensor([box], dtype=torch.float32))[:, 0] > 0).all(dim=1)
    return [int(part.sum()) for part in inside.split(grid.counts)]


def told(text: str) -> list[int]:
    """Of each level, how many locations may learn the box, as the line below the figure says."""
    if text.startswith("No location can learn this box"):
        assert text.endswith("It counts against the best possible recall.")
        return [0] * len(NAMES)
    total, each = re.search(r" ([\d,]+) may learn it: (.*)\.$", text).groups()
    counts = {name: int(count.replace(",", "")) for count, name in re.findall(r"([\d,]+) on (P\d)", each)}
    assert sum(counts.values()) == int(total.replace(",", ""))
    return [counts.get(name, 0) for name in NAMES]


def random_boxes(many: int, size: tuple[int, int]) -> list[list[float]]:
    """Boxes of all shapes, in the picture; half of them on whole pixels, where sides run through locations."""
    random, (height, width) = np.random.default_rng(5), size
    boxes = []
    for number in range(many):
        sides = 2 ** random.uniform(1, np.log2([width, height]))
        start = random.uniform(0, np.array([width, height]) - sides)
        grain = 1 if number % 2 else 4  # quarters of a pixel are exact in float32, too
        boxes.append((np.round(grain * np.concatenate([start, start + sides])) / grain).tolist())
    return boxes


def learnt_on(reader: Reader, level: int) -> list[list[float]]:
    """Where the stage shows locations of P3 (0) to P7 (4) that learn the box."""
    coarse_first = len(NAMES) - 1 - level
    path = reader.page.locator(".fcx-stage .fcx-dots").nth(2 * coarse_first + 1).get_attribute("d") or ""
    return [[float(v) for v in pair] for pair in re.findall(r"M([\d.]+) ([\d.]+)h", path)]


def why_lost(box: list[float], config: FCOSConfig, size: tuple[int, int]) -> str:
    """The reason by evaluation.recall, of a picture that is not resized."""
    config = config.replace(min_size=min(size), max_size=max(size))
    zero = np.zeros(1, dtype=np.int64)
    height, width = (np.array([side]) for side in size)
    one = Boxes("one", ("thing",), zero, height, width, zero, np.array([box], dtype=np.float32), zero, {})
    (reason,) = best_possible_recall(one, config, progress=False).reason
    return REASONS[reason]


# ---------------------------------------------------------------- the numbers


@pytest.mark.parametrize(
    ("make", "size", "config"),
    [
        (levels_explorer, (640, 800), PAPER),
        (squeeze_explorer, SIZE, PAPER),
        (squeeze_explorer, SIZE, FCOSConfig.improved()),
        (squeeze_explorer, SIZE, FCOSConfig.torchvision()),
        (squeeze_explorer, SIZE, FCOSConfig.tiny(location_offset="none")),
    ],
    ids=["levels", "squeeze", "improved", "torchvision", "tiny, no offset"],
)
def test_every_level_counts_as_the_package_does(
    reader: Reader, make: Callable[..., Piece], size: tuple[int, int], config: FCOSConfig
) -> None:
    """Counts of all levels, and the reason where all are 0, for thirty boxes; then center sampling the other way."""
    boxes = random_boxes(30, size)
    reader.open(*(make(box, size=size, config=config) for box in boxes))
    central = config.center_sampling_radius is not None
    lost = 0
    for changed in (config, config.replace(center_sampling_radius=None if central else 1.5)):
        for number, box in enumerate(boxes):
            counts, said = learning(box, changed, size), reader.said(number)
            assert told(said) == counts, (box, said)
            if sum(counts):
                found = re.search(r"of ([\d,]+) locations? inside", said)[1]
                assert int(found.replace(",", "")) == sum(holding(box, changed, size)), (box, said)
                continue
            lost += 1
            words = {
                "between locations": "between the locations of all levels",
                "outside the level's range": "(but|each) outside the range of its level",
                "not central": "within 1.5 strides of the centre",
            }[why_lost(box, changed, size)]
            assert re.search(words, said), (box, said)
        for switch in reader.page.get_by_role("switch", name="center sampling").all():
            switch.set_checked(not central, force=True)
        reader.settle()
    assert make is levels_explorer or 4 < lost < 50, "boxes of both kinds, or this test shows nothing"


@pytest.mark.parametrize("number", range(len(KINDS)), ids=KINDS)
def test_a_single_map_is_a_pyramid_too(reader: Reader, number: int) -> None:
    alone = FCOSConfig.paper(levels=(4,), level_bounds=(0, float("inf")))
    reader.open(one_of_each(config=alone)[number])
    counts = [learning(piece.data["box"], alone, tuple(piece.data["size"])) for piece in one_of_each(config=alone)]
    assert told(reader.said())[1:2] == counts[number] and counts[number][0] > 20


@pytest.mark.parametrize("make", [levels_explorer, squeeze_explorer], ids=KINDS)
def test_the_dots_are_the_locations_of_the_package(reader: Reader, make: Callable[..., Piece]) -> None:
    size, boxes = (320, 384), [[10, 20, 190, 200], [10, 20, 380, 300]]
    for box in boxes:
        reader.open(make(box, size=size))
        grid = Grid.of(*size, PAPER)
        owner = assign(torch.tensor([[box]]).float(), torch.ones(1, 1, dtype=torch.bool), grid.sizes, PAPER)[0]
        points = [p[own >= 0].tolist() for p, own in zip(grid.points.split(grid.counts), owner.split(grid.counts))]
        assert [learnt_on(reader, level) for level in range(5)] == points
        assert sum(map(bool, points)) == 2, "two levels, or this test shows little"


def test_a_band_holds_the_places_whose_distances_fit_its_level(reader: Reader) -> None:
    """Each whole pixel inside the box, drawn on no canvas: the browser says whether the path holds it."""
    box = [20, 30, 380, 300]
    reader.open(levels_explorer(box, size=(320, 400)))
    y, x = torch.meshgrid(torch.arange(30.0, 300, 7) + 0.5, torch.arange(20.0, 380, 7) + 0.5, indexing="ij")
    points = torch.stack([x, y], dim=-1).view(-1, 2)
    farthest = ltrb(points, torch.tensor([box]).float())[:, 0].amax(dim=1)
    for level, (low, high) in enumerate(zip(PAPER.level_bounds, PAPER.level_bounds[1:])):
        band = reader.page.locator(".fcx-stage .fcx-band").nth(len(NAMES) - 1 - level)
        held = band.evaluate(
            """(node, points) => points.map(([x, y]) => {
              const point = node.ownerSVGElement.createSVGPoint();
              [point.x, point.y] = [x, y];
              return node.isPointInFill(point);
            })""",
            points.tolist(),
        )
        assert held == ((low < farthest) & (farthest < high)).tolist(), NAMES[level]


# ---------------------------------------------------------------- the text that a notebook stores


@pytest.mark.parametrize("number", range(len(KINDS)), ids=KINDS)
def test_text(number: int) -> None:
    piece = one_of_each()[number]
    assert piece.html == one_of_each()[number].html == piece._repr_html_()
    assert set(re.findall(r"https?://[^\"'\s]+", piece.html)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\b(?:fetch|XMLHttpRequest|import|eval)\b\s*\(", piece.html)
    assert "<link" not in piece.html and " src=" not in piece.html
    assert len(piece.html) < 64 * 1024 and f"{piece.text}. This figure answers" in piece.html
    evil = one_of_each(caption="</script><b>&\u2028")[number].html
    assert evil.count("</script>") == 1 and "&lt;/script&gt;&lt;b&gt;&amp;" in evil


def test_all_are_exported() -> None:
    assert {f"{kind}_explorer" for kind in KINDS} < set(widgets.__all__)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: levels_explorer((9, 9, 9, 20)), "box 0 is .*x0 < x1"),
        (lambda: levels_explorer((9, 9, 900, 20)), r"box is \(9, 9, 900, 20\); it must lie in .* 640 x 800 pixels"),
        (lambda: squeeze_explorer((-1, 9, 9, 20)), "it must lie in the picture of 128 x 192 pixels"),
        (lambda: squeeze_explorer(size=(0, 9)), r"size is \(0, 9\)"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused(make: Callable[[], Piece], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# ---------------------------------------------------------------- in the reader's hand


def test_a_box_is_dragged_over_five_levels(reader: Reader) -> None:
    size, box = (640, 800), [300, 240, 400, 340]
    reader.open(levels_explorer(box, size=size))
    page, counts = reader.page, reader.page.locator(".fcx-count")

    def check(box: list[float], config: FCOSConfig = PAPER) -> None:
        wanted = learning(box, config, size)
        assert told(reader.said()) == wanted
        assert counts.all_text_contents() == [str(count) for count in wanted]

    check(box)
    reader.drag((350, 290), (150, 190))
    check([100, 140, 200, 240])
    reader.drag((200, 240), (760, 620))  # its corner: over P7
    check([100, 140, 760, 620])
    assert learning([100, 140, 760, 620], PAPER, size)[4] > 0
    page.get_by_role("switch", name="center sampling").check(force=True)
    check([100, 140, 760, 620], PAPER.replace(center_sampling_radius=1.5))
    assert page.locator(".fcx-pile-of-maps .fcx-central").first.is_visible()
    page.get_by_role("button", name="reset").click()
    page.get_by_role("switch", name="center sampling").uncheck(force=True)
    check(box)
    page.get_by_role("application", name="box, from 300").focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowUp")
    check([300, 235, 405, 335])


def test_a_box_is_squeezed_until_nothing_can_learn_it(reader: Reader) -> None:
    """From the keyboard, pixel by pixel: at each height the package's counts; then shifted, and found again."""
    reader.open(squeeze_explorer((20, 44, 170, 84)))
    page = reader.page
    slider, verdict = page.get_by_label("height", exact=True), page.locator(".fcx-verdict strong")
    slider.focus()
    found = []
    for height in range(40, 1, -1):
        top = np.floor(64 - height / 2 + 0.5)  # as JavaScript rounds
        box = [20, top, 170, top + height]
        counts = learning(box, PAPER, SIZE)
        assert told(reader.said()) == counts, height
        rows = page.locator(".fcx-table tr:not(thead tr)").all_inner_texts()
        cells = [[int(v) for v in row.split()[-2:]] for row in rows]
        assert cells == [list(pair) for pair in zip(holding(box, PAPER, SIZE), counts)], height
        assert verdict.inner_text() == (
            f"{sum(counts)} locations may learn it" if sum(counts) else "no location can learn this box"
        )
        assert page.locator(".fcx-squeeze").evaluate("(node) => node.classList.contains('fcx-gone')") == (
            not any(counts)
        )
        found.append(sum(counts))
        page.keyboard.press("ArrowLeft")
    assert found[0] > 0 and found[-1] == 0 and sorted(found, reverse=True) == found

    page.get_by_role("button", name="reset").click()
    reader.slide("height", 12)
    assert reader.said().startswith("No location can learn this box of 150 \u00d7 12 pixels. ")
    page.get_by_role("application", name="box, from 20").focus()
    for _ in range(8):
        page.keyboard.press("ArrowUp")
    assert told(reader.said()) == learning([20, 50, 170, 62], PAPER, SIZE) != [0] * 5
    reader.slide("width", 192)  # as wide as the picture: the middle cannot stay where it is
    page.get_by_role("application", name="box, from 0, 50 to 192, 62").focus()
    assert told(reader.said()) == learning([0, 50, 192, 62], PAPER, SIZE)


def test_the_half_stride_is_a_switch_where_the_configuration_leaves_the_choice(reader: Reader) -> None:
    box, corner = [17, 17, 23, 23], PAPER.replace(location_offset="none")
    reader.open(squeeze_explorer(box))
    switch = reader.page.get_by_role("switch", name="half-stride offset")
    assert switch.is_checked() and told(reader.said()) == learning(box, PAPER, SIZE) == [1, 0, 0, 0, 0]
    switch.uncheck(force=True)
    assert told(reader.said()) == learning(box, corner, SIZE) == [0] * 5
    reader.open(squeeze_explorer(box, config=corner))
    assert not switch.is_checked() and told(reader.said()) == [0] * 5
    switch.check(force=True)
    assert told(reader.said()) == [1, 0, 0, 0, 0]
    reader.open(squeeze_explorer(box, config=FCOSConfig.torchvision()), levels_explorer())
    assert switch.count() == 0


@pytest.mark.parametrize("reader", [TELEPHONE], indirect=True)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_telephone_shows_them_whole_and_legible(reader: Reader, theme: str) -> None:
    """Nothing wider than the page; texts with a contrast of 4.5; a finger moves the box, and the page stays."""
    reader.open(
        *reversed(one_of_each(caption="A sentence that is long enough for two lines of a telephone.")), theme=theme
    )
    page = reader.page
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    wide = page.evaluate(
        """[...document.querySelectorAll(".fcx *")].filter((node) => {
          const box = node.getBoundingClientRect(), root = node.closest(".fcx").getBoundingClientRect();
          return !node.closest(".fcx-stage svg") && box.width > 1 && box.right > root.right + 1;
        }).map((node) => node.outerHTML.slice(0, 80))"""
    )
    assert wide == []
    back = luminance(page.evaluate("getComputedStyle(document.querySelector('.fcx')).backgroundColor"))
    assert (back > 0.5) == (theme == "light")
    inks = page.evaluate(
        """[".fcx-say", ".fcx-hint", ".fcx-verdict small", ".fcx-table td", ".fcx-pile-of-maps text"].flatMap((name) =>
          [...document.querySelectorAll(name)].map((node) =>
            getComputedStyle(node)[node.tagName === "text" ? "fill" : "color"]))"""
    )
    assert len(inks) > 25
    for ink in inks:
        high, low = sorted((luminance(ink), back), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, ink
    swipe(reader, (95, 64), (95, 94))
    label = page.get_by_role("application").first.get_attribute("aria-label")
    assert float(re.search(r"from 20, ([\d.]+) to 170", label)[1]) == pytest.approx(66, abs=2)
    assert page.evaluate("window.scrollY") == 0


@pytest.mark.parametrize(
    "reader", [{"viewport": {"width": 1000, "height": 900}}, {"viewport": {"width": 390, "height": 844}}], indirect=True
)
def test_nothing_jumps_while_the_box_shrinks(reader: Reader) -> None:
    reader.open(squeeze_explorer((20, 36, 170, 92)))

    def places() -> list[float]:
        reader.settle()
        boxes = [reader.page.locator(name).bounding_box() for name in (".fcx", ".fcx-stage", ".fcx-table", ".fcx-hint")]
        return [box[key] for box in boxes for key in ("y", "height")]

    first, lost = places(), 0
    for height in range(56, 1, -6):
        reader.slide("height", height)
        lost += reader.said().startswith("No location")
        assert places() == first, height
    assert lost


def test_what_has_the_focus_is_framed(reader: Reader) -> None:
    reader.open(*one_of_each())
    seen = set()
    for _ in range(12):
        reader.page.keyboard.press("Tab")
        state = reader.page.evaluate(
            """() => {
              const node = document.activeElement;
              if (!node.closest(".fcx")) return null;
              const holder = node.matches(".fcx-toggle input") ? node.parentElement : node;
              const style = getComputedStyle(holder);
              const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
              return [node.closest(".fcx").className, outlined || parseFloat(style.strokeWidth) >= 5, holder.outerHTML];
            }"""
        )
        if state:
            assert state[1], state[2]
            seen.add(state[0].split()[1])
    assert seen == {f"fcx-{kind}" for kind in KINDS}
