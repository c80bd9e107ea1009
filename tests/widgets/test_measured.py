"""Explorers over measured data: what a browser shows is what Python has worked out, by pointer, finger and keyboard."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fcos_edu import FCOS, FCOSConfig, widgets
from fcos_edu.evaluation.coco_ap import run_coco
from fcos_edu.evaluation.matching import matching
from fcos_edu.receptive import maps_of
from fcos_edu.widgets import Piece, field_explorer, match_explorer, rates_explorer
from tests.evaluation.test_errors import detection, seeded

from .reader import TELEPHONE, Reader, luminance, tap

PICTURES = [np.full((200, 240, 3), 90 + 40 * i, dtype=np.uint8) for i in range(4)]

PICTURE = torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(0))


@cache
def network() -> FCOS:
    """A small one of random weights."""
    torch.manual_seed(0)
    return FCOS(FCOSConfig.tiny(num_classes=2, min_size=64, max_size=96)).eval()


def run(rate: float, warm_up: int, clip: float) -> dict[str, Any]:
    """Falls in eight steps, or breaks after three."""
    steps = 3 if rate == 0.1 and not clip else 8
    values = [2 / (1 + rate * 9 * k) if steps == 8 else 10.0 ** (k + 1) for k in range(steps)]
    return {"rate": rate, "warm_up": warm_up, "clip": clip, "loss": values, "norm": [3 * v for v in values]}


RUNS = [run(rate, warm_up, clip) for warm_up in (0, 4) for clip in (0.0, 2.0) for rate in (0.1, 0.001, 0.01)]


def few() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Four pictures with boxes of a class, one of them a crowd, and detections with each verdict."""
    truth, found = seeded(2, crowd=True)
    known = {}
    for box in truth["annotations"]:
        if box["category_id"] == 1:
            known.setdefault(box["image_id"], []).append(box["iscrowd"])
    some = sorted(known, key=lambda image: -sum(known[image]))[:1] + [i for i in known if not sum(known[i])][:3]
    images = [image for image in truth["images"] if image["id"] in some]
    boxes = [box for box in truth["annotations"] if box["image_id"] in some]
    boxes += [{**boxes[0], "id": 900, "category_id": 1, "bbox": [100, 90, 60, 60], "area": 3600, "iscrowd": 1}]
    found = [one for one in found if one["image_id"] in some]
    place = boxes[0]["image_id"]
    found += [detection(place, 1, [110, 100, 20, 20], 0.5), detection(place, 1, [1, 1, 2, 2], 0.3)]
    hit = next(box for box in boxes if box["category_id"] == 1 and not box["iscrowd"])
    found += [detection(hit["image_id"], 1, hit["bbox"], score) for score in (0.99, 0.98)]
    return {**truth, "images": images, "annotations": boxes}, found


def one_of_each(**options: Any) -> list[Piece]:
    truth, found = few()
    return [
        match_explorer(PICTURES, truth, found, 1, **options),
        field_explorer(network(), PICTURE, most=2, **options),
        rates_explorer(RUNS, 8, **options),
    ]


KINDS = [each.kind for each in one_of_each()]


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
        (lambda: match_explorer(PICTURES[:2], *few(), 1), "2 pictures for 4 images"),
        (lambda: match_explorer(PICTURES, *few(), 1, ious=()), "0 thresholds"),
        (lambda: match_explorer(PICTURES, few()[0], [], 1), "0 detections of category 1"),
        (lambda: match_explorer(PICTURES, few()[0], few()[1] * 40, 1), "the figure takes 1 to 80"),
        (lambda: field_explorer(network(), PICTURE, most=0), "most is 0"),
        (lambda: field_explorer(network(), PICTURE, maps=("C3", "C9")), "start is 'C3'; the network has"),
        (lambda: field_explorer(network(), PICTURE, start="C2"), "start is 'C2'; the network has"),
        (lambda: rates_explorer([], 8), "0 runs"),
        (lambda: rates_explorer(RUNS[1:], 8), "11 runs; there must be one of each of 3 rates in 4 ways"),
        (lambda: rates_explorer([*RUNS, run(0.1, 9, 0)], 8), r"warm-ups \[4, 9\]"),
        (lambda: rates_explorer(RUNS, 7), "it must have 1 to 7 of both"),
        (lambda: rates_explorer([RUNS[0] | {"norm": [1.0, 0.0, 1.0]}], 8), "finite and above 0"),
        (lambda: rates_explorer([RUNS[0] | {"loss": [1.0, float("inf"), 1.0]}], 8), "finite and above 0"),
        (lambda: rates_explorer(RUNS, 8, start=0.5), "start is 0.5"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused(make: Callable[[], Piece], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# ---------------------------------------------------------------- in the reader's hand


def test_each_verdict_is_told_and_the_curve_ends_at_cocos_ap(reader: Reader) -> None:
    truth, found = few()
    piece = one_of_each()[0]
    reader.open(piece)
    page = reader.page
    for threshold, run in enumerate(piece.data["runs"]):
        walk = matching(truth, found, 1, iou=run["iou"])
        page.get_by_role("radio").nth(threshold).check(force=True)
        page.get_by_label("detection", exact=True).focus()
        page.keyboard.press("Home")
        assert (
            reader.said().startswith(f"{len(walk.steps)} detections wait")
            and f"of the {walk.total} is" in reader.said()
        )
        recall, precision = walk.curve()
        for n, step in enumerate(walk.steps):
            page.keyboard.press("ArrowRight")
            said = reader.said()
            assert said.startswith(f"Detection {n + 1} of {len(walk.steps)}, score {step.score:.2f}, picture "), said
            word = {
                "hit": f"IoU {step.overlap:.2f} with true box .*: a hit",
                "taken": f"detection {(step.by or 0) + 1} has claimed that one: false",
                "low": f"their IoU is {step.overlap:.2f}, below {run['iou']:.2f}: false",
                "none": "overlaps no 1 of this picture: false",
                "ignored": "lies in the crowd: it does not count",
            }[step.verdict]
            assert re.search(word, said), (step, said)
            shown = page.locator(".fcx-figure b").all_inner_texts()
            assert float(shown[3]) == pytest.approx(recall[n], abs=0.0051)
            assert shown[2] == "\u2013" or float(shown[2]) == pytest.approx(precision[n], abs=0.0051)
        official = run_coco(truth, found, ious=[run["iou"]]).eval["precision"][0, :, 0, 0, -1].mean()
        assert f"{official:.3f} on average: AP at IoU {run['iou']:.2f}" in reader.said()
        assert page.get_by_role("button", name="next").is_disabled()
    assert {v for run in piece.data["runs"] for v in run["verdicts"]} == {"hit", "taken", "low", "none", "ignored"}
    page.get_by_role("button", name="back").click()
    assert f"Detection {len(walk.steps) - 1} of" in reader.said()


def test_the_stored_maps_are_the_gradients() -> None:
    """Each tile of the atlas, decoded, beside the gradient of its cell; its shares, and that it lies in the field."""
    model, data = network(), one_of_each()[1].data
    pixels = model.batcher([PICTURE], None)[0].tensor.clone().requires_grad_()  # (1, 3, 64, 96)
    values = maps_of(model, pixels)
    assert [one["name"] for one in data["maps"]] == "C3 C4 C5 P3 P4 P5 P6 P7".split() + ["answer on P3"]
    for one in data["maps"]:
        atlas = np.asarray(Image.open(io.BytesIO(base64.b64decode(one["atlas"].partition(",")[2]))))
        rows, columns = one["measured"]["rows"], one["measured"]["columns"]
        assert atlas.shape == (8 * len(rows), 12 * len(columns)) and atlas.max() == 15
        assert (len(one["rows"]), len(one["columns"])) == tuple(values[one["name"]].shape[2:])
        for n, (row, column) in enumerate((r, c) for r in rows for c in columns):
            (gradient,) = torch.autograd.grad(
                values[one["name"]][0, :, row, column].pow(2).sum(), pixels, retain_graph=True
            )
            strength = gradient[0].abs().sum(0)  # (64, 96)
            i, j = divmod(n, len(columns))
            tile = atlas[8 * i : 8 * i + 8, 12 * j : 12 * j + 12]
            blocks = strength.reshape(8, 8, 12, 8).sum((1, 3))
            assert ((blocks > 0).numpy() == (tile > 0)).all() and tile.flat[int(blocks.argmax())] == 15
            assert one["seen"][n] == pytest.approx((strength > 0).float().mean().item(), abs=1e-4)
            high = strength.flatten().sort(descending=True).values
            most = int(round(one["core"][n] * len(high)))
            assert high[:most].sum() >= 0.899 * high.sum() and high[: most - 2].sum() < 0.901 * high.sum()
            (top, bottom), (left, right) = one["rows"][row], one["columns"][column]
            inside = strength[top:bottom, left:right] > 0
            assert int(inside.sum()) == int((strength > 0).sum()) > 0


def test_a_cell_shows_its_field(reader: Reader) -> None:
    (piece,) = one_of_each()[1:2]
    reader.open(piece)
    page, maps = reader.page, {one["name"]: one for one in piece.data["maps"]}

    def frame(name: str) -> list[float]:
        node = page.locator(name)
        return [float(node.get_attribute(key)) for key in ("x", "y", "width", "height")]

    page.mouse.click(*reader.at(60, 20))  # row 2, column 7 of C3
    assert reader.said().startswith(f"C3, row 2, column 7: its field is {maps['C3']['size']} pixels wide")
    (y0, y1), (x0, x1) = maps["C3"]["rows"][2], maps["C3"]["columns"][7]
    assert frame(".fcx-reach") == [x0, y0, x1 - x0, y1 - y0] and frame(".fcx-cell") == [56, 16, 8, 8]
    assert page.locator(".fcx-figure b").inner_text() == str(maps["C3"]["size"]) == "87"
    assert "measured at row 2, column 9, and moved here" in reader.said()
    assert page.locator(".fcx-stage svg g > svg").get_attribute("viewBox") == "12 0 12 8"
    assert page.locator(".fcx-stage g:has(> svg)").get_attribute("transform") == "translate(-16 0)"
    page.get_by_role("application").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    assert reader.said().startswith("C3, row 2, column 9") and "moved here" not in reader.said()
    page.get_by_role("radio", name="answer on P3").check(force=True)
    assert "row 2, column 9: its field is the whole picture, however large" in reader.said()
    assert (
        "100.0\u00a0% of the pixels do" in reader.said() and "group norm" in page.locator(".fcx-formula").inner_text()
    )
    assert frame(".fcx-reach") == [0, 0, 96, 64]
    page.get_by_role("radio", name="P5").check(force=True)
    assert reader.said().startswith("P5, row 0, column 2: ")
    page.get_by_role("switch", name="measured influence").uncheck(force=True)
    reader.settle()
    assert not page.locator(".fcx-stage image.fcx-blocks").nth(5).is_visible()


def test_the_slider_finds_the_rate_that_breaks(reader: Reader) -> None:
    reader.open(rates_explorer(RUNS, 8, start=0.001))
    page = reader.page
    assert reader.said().startswith("Rate 0.001, no safeguard: the loss begins at 2 and ends at 1.88;")
    page.get_by_label("learning rate", exact=True).focus()
    page.keyboard.press("End")
    assert (
        "Rate 0.1, no safeguard: the loss begins at 10 and the run breaks after step 3, where it is 1000"
        in reader.said()
    )
    assert "The longest gradient was 3000." in reader.said()
    cross = page.locator(".fcx-stage .fcx-broken")
    assert cross.is_visible()
    page.get_by_role("switch", name="gradient clipped at 2").check(force=True)
    assert reader.said().startswith("Rate 0.1, gradient clipped at 2: the loss begins at 2 and ends at")
    assert "8 of 8 gradients were shortened" not in reader.said() and "gradients were shortened" in reader.said()
    assert not cross.is_visible()
    page.get_by_role("switch", name="warm-up over 4 steps").check(force=True)
    assert reader.said().startswith("Rate 0.1, warm-up over 4 steps, gradient clipped at 2")
    kept = page.locator(".fcx-stage .fcx-curve").get_attribute("d")
    assert kept.count("L") == 7, "eight steps"


@pytest.mark.parametrize("reader", [TELEPHONE], indirect=True)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_telephone_shows_them_whole_and_legible(reader: Reader, theme: str) -> None:
    """All on one page, twice; nothing wider than the page; texts with a contrast of 4.5; a finger steps."""
    reader.open(
        *one_of_each(caption="A sentence that is long enough for two lines of a telephone."),
        *one_of_each(),
        theme=theme,
    )
    page = reader.page
    assert page.locator('.fcx[data-alive="true"] .fcx-stage').count() == 2 * len(KINDS)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    wide = page.evaluate(
        """[...document.querySelectorAll(".fcx *")].filter((node) => {
          const box = node.getBoundingClientRect(), root = node.closest(".fcx").getBoundingClientRect();
          return !node.closest("svg") && !node.closest("legend") && box.width > 1 && box.right > root.right + 1;
        }).map((node) => node.outerHTML.slice(0, 80))"""
    )
    assert wide == []
    back = luminance(page.evaluate("getComputedStyle(document.querySelector('.fcx')).backgroundColor"))
    assert (back > 0.5) == (theme == "light")
    for color in page.evaluate(
        """[".fcx-say", ".fcx-hint", ".fcx-figure b", ".fcx-figure span"].flatMap((selector) =>
          [...document.querySelectorAll(selector)].map((node) => getComputedStyle(node).color))"""
    ):
        high, low = sorted((luminance(color), back), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, color
    page.get_by_role("button", name="next").first.tap()
    assert reader.said().startswith("Detection 1 of")
    box = page.locator(".fcx-field .fcx-stage").first.bounding_box()
    page.mouse.wheel(0, box["y"] - 100)
    page.wait_for_function("window.scrollY > 100")
    box = page.locator(".fcx-field .fcx-stage").first.bounding_box()
    tap(reader, box["x"] + box["width"] - 3, box["y"] + 3)
    assert reader.said(1).startswith("C3, row 0, column 11: ")


def test_what_has_the_focus_is_framed(reader: Reader) -> None:
    reader.open(*one_of_each())
    seen = set()
    for _ in range(40):
        reader.page.keyboard.press("Tab")
        state = reader.page.evaluate(
            """() => {
              const node = document.activeElement;
              if (!node.closest(".fcx")) return null;
              const holder = node.matches(".fcx-chips input, .fcx-toggle input") ? node.parentElement : node;
              const style = getComputedStyle(holder);
              const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
              return [node.closest(".fcx").className, outlined || parseFloat(style.strokeWidth) >= 5, holder.outerHTML];
            }"""
        )
        if state:
            assert state[1], state[2]
            seen.add(state[0].split()[-1])
    assert seen == {f"fcx-{kind}" for kind in KINDS}
