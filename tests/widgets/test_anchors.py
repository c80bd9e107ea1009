"""The explorer of anchors: what it says of an object is what torchvision's generator, IoU and matcher say of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.models.detection._utils import Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou

from fcos_edu import widgets
from fcos_edu.evaluation.recall import anchor_matches, retinanet_anchors
from fcos_edu.locations import feature_sizes
from fcos_edu.widgets import Piece, anchor_explorer
from fcos_edu.widgets.piece import script

from .reader import TELEPHONE, Reader, luminance, swipe

Call = Callable[..., Any]
STRIDES = (8, 16, 32, 64, 128)
THIRDS = tuple(tuple(side * 2 ** (third / 3) for third in range(3)) for side in (32, 64, 128, 256, 512))
RATIOS = (0.5, 1.0, 2.0)
THIN = (100, 110, 260, 130)
TINY = (101, 102, 117, 118)


def anchors_of(size: tuple[int, int]) -> tuple[AnchorGenerator, list[Tensor]]:
    """All anchors of an image (height, width), by torchvision alone: (A, 4) for each map."""
    generator = AnchorGenerator(THIRDS, (RATIOS,) * 5)
    grids = feature_sizes(*size, STRIDES)
    maps = [torch.zeros(1, 1, h, w) for h, w in grids]
    flat = generator(ImageList(torch.zeros(1, 3, *size), [size]), maps)[0]
    return generator, list(flat.split([9 * h * w for h, w in grids]))


GENERATOR, ANCHORS = anchors_of((256, 384))


def explorer(box: tuple[float, ...] = (150, 90, 250, 160), **options: Any) -> Piece:
    return anchor_explorer(box, GENERATOR.cell_anchors, **options)


def matched(box: tuple[float, ...] | Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Of each map the IoUs, and torchvision's verdicts: 0 the object, -1 background, -2 left out."""
    own = torch.as_tensor(box, dtype=torch.float32)[None]
    matcher = Matcher(0.5, 0.4, allow_low_quality_matches=False)
    overlaps = [box_iou(own, anchors) for anchors in ANCHORS]  # (1, A)
    return [each[0] for each in overlaps], [matcher(each) for each in overlaps]


@pytest.fixture(scope="module")
def call(chromium: Any) -> Iterator[Call]:
    """Call a function of anchors.js for each row of arguments, in the browser."""
    page = chromium.new_page()
    page.set_default_timeout(180_000)
    page.set_content(f"<script>{script('anchors')}</script>")

    def run(name: str, rows: list[Any]) -> Any:
        values = "JSON.parse(text).map((row) => anchors[name](...row))"
        return json.loads(page.evaluate(f"([name, text]) => JSON.stringify({values})", [name, json.dumps(rows)]))

    yield run
    page.close()


def random_objects(many: int, generator: torch.Generator) -> Tensor:
    """Boxes in 256 x 384 pixels, from 3 pixels to the whole picture, half of them whole: ``(many, 4)``."""
    limits = torch.tensor([384.0, 256.0])
    side = (3 * 2 ** (7 * torch.rand(many, 2, generator=generator))).minimum(limits)
    start = (limits - side) * torch.rand(many, 2, generator=generator)
    boxes = torch.cat([start, start + side], dim=1)
    return torch.where(torch.arange(many)[:, None] % 2 == 0, boxes.round(), boxes)


# ---------------------------------------------------------------- the numbers


def test_every_overlap_is_torchvisions_to_the_last_bit(call: Call) -> None:
    """All 18,414 anchors with 24 objects: IoUs, who learns, who is left out, and the anchors of the emergency rule."""
    levels = explorer().data["levels"]
    rescued = 0
    emergency = Matcher(0.5, 0.4, allow_low_quality_matches=True)
    for box in random_objects(24, torch.Generator().manual_seed(0)):
        found = call("overlaps", [[level, box.tolist()] for level in levels])
        overlaps, verdicts = matched(box)
        for one, values, verdict in zip(found, overlaps, verdicts, strict=True):
            assert torch.equal(torch.tensor(one["values"], dtype=torch.float32), values)
            assert (one["learn"], one["out"]) == (int((verdict == 0).sum()), int((verdict == -2).sum()))
            assert one["best"] == float(values.max()) and one["cell"] == int(values.argmax()) % 9
        best = max(one["best"] for one in found)
        (equal,) = call("sharing", [[found, best]])
        added = int((emergency(torch.cat(overlaps)[None]) == 0).sum())
        assert equal == int((torch.cat(overlaps) == best).sum())
        if best < 0.5:
            assert added == equal
            rescued += 1
    assert 3 < rescued < 21, "objects of both kinds, or this test shows little"


def test_verdicts_at_the_thresholds(call: Call) -> None:
    values = [0.5, 0.49999997, 0.4, 0.39999998, 0.0, 1.0]
    rows = torch.tensor(values)[None]  # float32, as torchvision compares them
    names = {0: "learns", -2: "left out", -1: "background"}
    wanted = [names[v] for v in Matcher(0.5, 0.4)(rows).tolist()]
    assert call("verdict", [[v] for v in rows[0].tolist()]) == wanted
    assert wanted == ["learns", "left out", "left out", "background", "background", "learns"]


def test_no_anchor_of_a_map_is_better_than_those_of_the_nearest_location(call: Call) -> None:
    """So the nine that are drawn are the nine that matter."""
    levels, objects = explorer().data["levels"], random_objects(60, torch.Generator().manual_seed(1))
    for place, (level, anchors) in enumerate(zip(levels, ANCHORS, strict=True)):
        near = call("nearest", [[level, box] for box in objects.tolist()])
        for (column, row), box in zip(near, objects):
            values = box_iou(box[None], anchors)[0].view(level["rows"], level["columns"], 9)
            best = float(values.max())
            assert float(values[row, column].max()) == pytest.approx(best, rel=1e-6), (place, box)


def test_why_an_anchor_does_not_fit(call: Call) -> None:
    """Of an anchor of 45 x 22: one as large elsewhere, one of another shape, one half as long, one twice as long."""
    anchor = [45, 22]
    objects = [[45, 22], [22, 45], [170, 6], [20, 10], [90, 46]]
    assert call("misfit", [[anchor, each] for each in objects]) == ["place", "shape", "shape", "size", "size"]


def test_the_anchors_lie_where_torchvision_puts_them(call: Call) -> None:
    """Of a size that no stride divides, too: the package's matching takes the same places."""
    size = (250, 330)
    piece = explorer((10, 10, 90, 80), size=size)
    for level, stride, cells in zip(piece.data["levels"], STRIDES, GENERATOR.cell_anchors, strict=True):
        grid, step = [[level["rows"], level["columns"]]], [[torch.tensor(stride)] * 2]
        one = AnchorGenerator()
        one.cell_anchors = [cells]
        (wanted,) = one.grid_anchors(grid, step)
        places = [
            (x * stride, y * stride) for y in range(level["rows"]) for x in range(level["columns"]) for _ in range(9)
        ]
        rows = [[cell, *place] for cell, place in zip(level["cells"] * (len(places) // 9), places)]
        assert call("placed", rows) == wanted.tolist()
    grids = feature_sizes(*size, STRIDES)
    assert [[level["rows"], level["columns"]] for level in piece.data["levels"]] == [list(grid) for grid in grids]
    assert anchor_explorer(size=size).data["levels"][1]["cells"] == retinanet_anchors()[1].tolist()


# ---------------------------------------------------------------- the text that a notebook stores


def test_text() -> None:
    piece = explorer(caption="Drag it.")
    assert piece.html == explorer(caption="Drag it.").html == piece._repr_html_()
    assert piece.text == "Anchor explorer: an object under 18,414 anchors in 256 x 384 pixels"
    assert f"{piece.text}. This figure answers" in piece.html, "for a page where no script runs"
    assert sum(map(len, ANCHORS)) == 18_414
    assert set(re.findall(r"https?://[^\"'\s]+", piece.html)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\b(?:fetch|XMLHttpRequest|import|eval)\b\s*\(", piece.html)
    assert "<link" not in piece.html and " src=" not in piece.html and len(piece.html) < 64 * 1024
    evil = explorer(caption="</script><b>&\u2028").html
    assert evil.count("</script>") == 1 and "&lt;/script&gt;&lt;b&gt;&amp;" in evil
    assert "anchor_explorer" in widgets.__all__


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: anchor_explorer((5, 5, 5, 9)), "box 0 is .*x0 < x1"),
        (lambda: anchor_explorer((-1, 5, 5, 9)), r"box is \(-1, 5, 5, 9\); it must lie in the picture of 256 x 384"),
        (lambda: anchor_explorer((300, 5, 385, 9)), "it must lie in the picture"),
        (lambda: anchor_explorer(size=(0, 5)), r"size is \(0, 5\)"),
        (lambda: anchor_explorer(strides=()), r"strides are \[\]"),
        (lambda: anchor_explorer(strides=(0, 8)), r"strides are \[0, 8\]"),
        (lambda: anchor_explorer(strides=(8,) * 7), "it must be 1 to 6 of them"),
        (lambda: anchor_explorer(anchors=GENERATOR.cell_anchors[:1]), "anchors of 1 map for 5 strides"),
        (lambda: anchor_explorer(anchors=[torch.zeros(0, 4)], strides=(8,)), "0 boxes"),
        (lambda: anchor_explorer(anchors=[ANCHORS[0][:13]], strides=(8,)), "13 boxes; an explorer takes 1 to 12"),
        (lambda: anchor_explorer(anchors=[torch.zeros(1, 4)], strides=(8,)), "x0 < x1"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused(make: Callable[[], Piece], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# ---------------------------------------------------------------- in the reader's hand


def box_of(reader: Reader) -> tuple[float, ...]:
    """The object, as a screen reader is told of it."""
    label = reader.page.get_by_role("application", name="object, from").get_attribute("aria-label")
    return tuple(map(float, re.findall(r"[\d.]+", label)))


def check_all(reader: Reader, level: int | None = None) -> str:
    """Sentence, table, nine cards and dots beside torchvision's; returns the sentence. None: the best map is shown."""
    box = box_of(reader)
    overlaps, verdicts = matched(box)
    shown = max(range(5), key=lambda i: float(overlaps[i].max())) if level is None else level
    stride, (rows, columns) = STRIDES[shown], feature_sizes(256, 384, STRIDES)[shown]
    text = reader.said()
    width, height = box[2] - box[0], box[3] - box[1]
    assert text.startswith(f"Object of {width:g} \u00d7 {height:g} pixels. At stride {stride}, location (")

    x, y = map(int, re.search(r"location \((\d+), (\d+)\)", text).groups())
    assert abs(x - (box[0] + box[2]) / 2) <= stride / 2 or x == stride * (columns - 1)
    assert abs(y - (box[1] + box[3]) / 2) <= stride / 2 or y == stride * (rows - 1)
    first = 9 * (y // stride * columns + x // stride)
    nine, kinds = overlaps[shown][first : first + 9], verdicts[shown][first : first + 9]
    words = {0: "learns", -2: "left out", -1: "background"}
    cards = reader.page.locator(".fcx-board > span")
    cells = [cell.tolist() for cell in GENERATOR.cell_anchors[shown]]
    assert [card.inner_text().split("\n") for card in cards.all()] == [
        [f"{x1 - x0:g} \u00d7 {y1 - y0:g}", f"{value:.2f}", words[kind]]
        for (x0, y0, x1, y1), value, kind in zip(cells, nine.tolist(), kinds.tolist(), strict=True)
    ]
    assert f"{int((kinds == 0).sum()) or 'none'} of its 9 anchors learn" in text
    assert f"has IoU {float(nine.max()):.2f}." in text

    table = [row.locator("td").all_inner_texts() for row in reader.page.locator(".fcx-table tbody tr").all()]
    for row, parts in zip(table, ([verdicts[shown]], verdicts), strict=True):
        every = torch.cat(parts)
        learn, out = int((every == 0).sum()), int((every == -2).sum())
        assert row == [f"{learn:,}", f"{out:,}", f"{len(every):,}", f"{100 * learn / len(every):.2f}\u00a0%"]

    for kind, name in ((0, "learns"), (-2, "left-out"), (-1, "background")):
        path = reader.page.locator(f".fcx-dots.fcx-{name}").get_attribute("d") or ""
        drawn = [[float(v) for v in pair] for pair in re.findall(r"M([\d.]+) ([\d.]+)h", path)]
        of_location = verdicts[shown].view(-1, 9)
        best = torch.where((of_location == 0).any(1), 0, torch.where((of_location == -2).any(1), -2, -1))
        assert drawn == [[i % columns * stride, i // columns * stride] for i in (best == kind).nonzero()[:, 0].tolist()]
    return text


def test_a_dragged_object_finds_torchvisions_anchors(reader: Reader) -> None:
    reader.open(explorer())
    text = check_all(reader)
    learn = sum(int((each == 0).sum()) for each in matched((150, 90, 250, 160))[1])
    assert f"{learn} of the 18,414 anchors of all maps learn it, {100 * learn / 18_414:.2f}\u00a0%." in text

    reader.drag((200, 125), (260, 170))  # by its middle
    assert box_of(reader) == pytest.approx((210, 135, 310, 205), abs=1)
    moved = check_all(reader)
    reader.drag(box_of(reader)[2:], (250, 160))  # its lower right corner
    assert moved != check_all(reader)

    for i, stride in enumerate(STRIDES):
        reader.page.get_by_role("radio", name=f"stride {stride}", exact=True).check(force=True)
        check_all(reader, i)
    reader.page.get_by_role("radio", name="best map").check(force=True)
    check_all(reader)
    reader.page.get_by_role("button", name="reset").click()
    assert check_all(reader) == text


def test_the_keyboard_moves_and_resizes_the_object(reader: Reader) -> None:
    reader.open(explorer(TINY))
    reader.page.get_by_role("application", name="object, from").focus()
    for key in ["ArrowRight"] * 3 + ["ArrowUp"] + ["Shift+ArrowRight"] * 20 + ["Shift+ArrowDown"] * 5:
        reader.page.keyboard.press(key)
    reader.settle()
    assert box_of(reader) == (107, 100, 163, 126)
    check_all(reader)


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        (THIN, r"the object is 8 times as wide as high, and the longest anchors only 2(\.\d)? times"),
        ((110, 60, 130, 220), r"the object is 8 times as high as wide, and the longest anchors only 2(\.\d)? times"),
        (TINY, "the object is too small for them"),
    ],
)
def test_an_object_without_an_anchor_hears_why(reader: Reader, box: tuple[float, ...], reason: str) -> None:
    reader.open(explorer(box))
    text = check_all(reader)
    overlaps, verdicts = matched(box)
    every = torch.cat(overlaps)
    assert not any((each == 0).any() for each in verdicts), "the package finds no anchor either"
    grids = feature_sizes(256, 384, STRIDES)
    assert not anchor_matches(torch.tensor([box]).float(), grids, STRIDES, GENERATOR.cell_anchors)["none"].any()
    assert re.search(f"No anchor of any map reaches 0.5: {reason}. The highest IoU is {every.max():.2f};", text), text
    many = int((every == every.max()).sum())
    shared = f"its best anchors ({many} share it)" if many > 1 else "its best anchor"
    assert text.endswith(f"only an emergency rule would let {shared} learn the object.")


def test_all_that_learn_it_are_drawn_on_demand(reader: Reader) -> None:
    reader.open(explorer())
    every = reader.page.locator(".fcx-every")
    assert not every.get_attribute("d")
    reader.page.get_by_role("switch", name="all that learn it").check(force=True)
    reader.settle()
    shapes = re.findall(r"M([-\d.]+) ([-\d.]+)H([-\d.]+)V([-\d.]+)H", every.get_attribute("d"))
    overlaps, verdicts = matched(box_of(reader))
    shown = max(range(5), key=lambda i: float(overlaps[i].max()))
    assert [list(map(float, each)) for each in shapes] == ANCHORS[shown][verdicts[shown] == 0].tolist()
    assert len(shapes) > 3


def test_one_map_of_other_anchors_has_no_choice_of_maps(reader: Reader) -> None:
    reader.open(anchor_explorer((24, 28, 64, 68), [[[-20, -20, 20, 20], [-9, -30, 9, 30]]], strides=(16,)))
    assert reader.page.get_by_role("radio").count() == 0
    assert [card.is_visible() for card in reader.page.locator(".fcx-board > span").all()] == [True, True]
    assert "1 of its 2 anchors learns it; the best, 40 \u00d7 40, has IoU 0.82. " in reader.said()


@pytest.mark.parametrize("reader", [TELEPHONE], indirect=True)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_telephone_shows_it_whole_and_legible(reader: Reader, theme: str) -> None:
    """Twice on one page; nothing wider than the page; texts with a contrast of 4.5; a finger moves the object."""
    reader.open(explorer(caption="A sentence that is long enough for two lines."), explorer(THIN), theme=theme)
    page = reader.page
    assert page.locator('.fcx[data-alive="true"] .fcx-stage').count() == 2
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    wide = page.evaluate(
        """[...document.querySelectorAll(".fcx *")].filter((node) => {
          const box = node.getBoundingClientRect(), root = node.closest(".fcx").getBoundingClientRect();
          const cut = node.matches(".fcx-board span") && node.scrollWidth > node.clientWidth + 1;
          return cut || !node.closest("svg") && !node.closest("legend") && box.width > 1 && box.right > root.right + 1;
        }).map((node) => node.outerHTML.slice(0, 80))"""
    )
    assert wide == []
    pairs = page.evaluate(
        """[".fcx-say", ".fcx-hint", ".fcx-board small", ".fcx-board b", ".fcx-board em", ".fcx-table td"].flatMap(
          (selector) => [...document.querySelectorAll(selector)].map((node) => {
            const card = node.closest(".fcx-board > span");
            const ground = card && !card.matches(".fcx-learns") ? card : node.closest(".fcx");
            return [getComputedStyle(node).color, getComputedStyle(ground).backgroundColor];
          }))"""
    )
    for color, ground in pairs:
        high, low = sorted((luminance(color), luminance(ground)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (color, ground)
    assert (luminance(pairs[0][1]) > 0.5) == (theme == "light")
    middle = page.get_by_role("application", name="object, from").first.bounding_box()
    page.mouse.wheel(0, middle["y"] - 300)
    page.wait_for_timeout(100)
    before = page.evaluate("window.scrollY")
    swipe(reader, (200, 125), (120, 100))
    label = page.get_by_role("application", name="object, from").first.get_attribute("aria-label")
    x0, y0 = map(float, re.findall(r"[\d.]+", label)[:2])
    assert (x0, y0) == (pytest.approx(70, abs=3), pytest.approx(65, abs=3))
    assert page.evaluate("window.scrollY") == before


def test_nothing_jumps_while_the_object_moves(reader: Reader) -> None:
    """Height of the figure and place of its parts, from a large object to one that no anchor reaches."""
    reader.open(explorer())

    def places() -> list[float]:
        reader.settle()
        boxes = [reader.page.locator(name).bounding_box() for name in (".fcx", ".fcx-stage", ".fcx-board", ".fcx-hint")]
        return [box[key] for box in boxes for key in ("y", "height")]

    first = places()
    for end in ((380, 250), (300, 95), (165, 240), (160, 99)):
        reader.drag(box_of(reader)[2:], end)
        assert places() == first, end


def test_what_has_the_focus_is_framed(reader: Reader) -> None:
    reader.open(explorer())
    seen = []
    for _ in range(8):
        reader.page.keyboard.press("Tab")
        state = reader.page.evaluate(
            """() => {
              const node = document.activeElement;
              if (!node.closest(".fcx")) return null;
              const holder = node.matches(".fcx-chips input, .fcx-toggle input") ? node.parentElement : node;
              const style = getComputedStyle(holder);
              const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
              return [node.tagName, outlined || parseFloat(style.strokeWidth) >= 5];
            }"""
        )
        if state:
            assert state[1], state[0]
            seen.append(state[0])
    assert {"INPUT", "BUTTON", "rect"} <= set(seen)
