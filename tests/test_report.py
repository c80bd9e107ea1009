"""The report: a file for a browser without a network, whatever classes and files are called."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fcos_edu import report
from fcos_edu.evaluation.errors import KINDS, judge
from fcos_edu.evaluation.findings import Findings, findings
from tests.evaluation.test_errors import detection, seeded

EVIL = "<script>alert('1')</script>\"><img src=x onerror=alert(2)>&amp;\x1b[2J\u202e"
VOID = {"meta", "img", "br", "circle", "rect", "line", "polyline"}


class Seen(HTMLParser):
    """Tags and attributes of a page, and whether they are closed in their order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def evil(classes: int = 4) -> Findings:
    truth, results = seeded(0, False)
    truth["categories"] = [{"id": k, "name": f"{EVIL}{k}"} for k in range(1, classes + 1)]
    for image in truth["images"]:
        image["file_name"] = f"{EVIL}{image['id']}.jpg"
    return findings(truth, results)


def made(found: Findings, **more: Any) -> str:
    return report.page(found, what=EVIL, data=EVIL, command=f"fcos-edu evaluate {EVIL}", **more)


@pytest.mark.parametrize("classes", [4, 30])
def test_names_of_strangers_stay_text(classes: int) -> None:
    page = made(evil(classes), picture=lambda _: torch.zeros(3, 40, 50, dtype=torch.uint8))
    seen = Seen(page)
    names = {tag for tag, _ in seen.tags}
    assert not names & {"script", "iframe", "object", "embed", "link", "base", "form", "a"}
    for tag, attributes in seen.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "srcset", "action"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)
        if tag == "img":
            assert attributes["src"].startswith("data:image/jpeg;base64,") and EVIL[:20] in attributes["alt"]
    assert "\x1b" not in page and "\u202e" not in page
    assert EVIL[:60] in seen.text and "<script" not in page
    policy = seen.tags[3][1]
    assert policy["http-equiv"] == "Content-Security-Policy" and policy["content"].startswith("default-src 'none'")


def test_the_page_says_what_was_found() -> None:
    truth, results = seeded(0, False)
    found = findings(truth, results)
    page = report.page(found, what="runs/a", data="b (test)", command="fcos-edu evaluate runs/a")
    seen = Seen(page)
    for section in ("In short", "Class by class", "Which errors", "taken for which", "worth", "worst", "measured"):
        assert section in seen.text
    assert report.percent(found.metrics["AP"]) in seen.text and "fcos-edu evaluate runs/a" in seen.text
    assert all(kind in seen.text for kind in KINDS) and "The picture was not found." in seen.text
    assert seen.text.count("% of ") >= 0 and page.count("<circle") == sum(b.detections > 0 for b in found.calibration)
    tables = [attributes for tag, attributes in seen.tags if attributes.get("role") == "region"]
    assert len(tables) == 5 and all(one["aria-label"] and one["tabindex"] == "0" for one in tables)
    assert 'lang="en"' in page and 'name="viewport"' in page and "prefers-color-scheme: dark" in page
    assert page == report.page(found, what="runs/a", data="b (test)", command="fcos-edu evaluate runs/a")


def test_sentences_are_honest_about_few_boxes() -> None:
    truth, results = seeded(0, False)
    told = " ".join(report.sentences(findings(truth, results)))
    low, high = findings(truth, results).interval
    assert f"95 lie between {100 * low:.1f} and {100 * high:.1f}" in told and "30 images with 75 boxes" in told
    assert "fewer than 30 boxes, whose AP says little: 1 (" in told and "kind “location”" in told
    one = {**truth, "images": truth["images"][:1], "annotations": truth["annotations"][:1]}
    assert one["annotations"][0]["image_id"] == 1
    single = findings(one, [detection(1, one["annotations"][0]["category_id"], one["annotations"][0]["bbox"], 0.9)])
    told = " ".join(report.sentences(single))
    assert "1 image with 1 box: too few to say" in told and "No error was found at all." in told
    assert "Classes without a box here" in told
    told = " ".join(report.sentences(findings(truth, [])))
    assert (
        "30 images with 75 boxes; it is the same, whichever of them are drawn" in told and "may be as good" not in told
    )


@pytest.mark.parametrize("results", [[], [detection(1, 1, [1.0, 1.0, 5.0, 5.0], 0.05)]])
def test_nothing_found_is_a_page_too(results: list[dict[str, Any]]) -> None:
    truth, _ = seeded(0, False)
    assert "AP50" in Seen(made(findings(truth, results))).text


def test_pictures_are_small_and_show_what_is_wrong() -> None:
    box = {"image_id": 1, "category_id": 1, "bbox": [100.0, 100.0, 300.0, 300.0], "area": 9e4, "id": 1, "iscrowd": 0}
    truth = {"images": [{"id": 1}], "annotations": [box], "categories": [{"id": 1, "name": "x"}]}
    pixels = torch.full((3, 1200, 1600), 120, dtype=torch.uint8)
    drawn = {}
    for name, results in {
        "missed": [],
        "right": [detection(1, 1, box["bbox"], 0.9)],
        "false": [detection(1, 1, [900.0, 700.0, 200.0, 200.0], 0.9)],
    }.items():
        content = report.thumbnail(pixels, judge(truth, results)[0], {1: EVIL})
        picture = Image.open(io.BytesIO(content)).convert("RGB")
        assert picture.size == (480, 360) and len(content) < 40_000
        drawn[name] = np.asarray(picture).astype(int)

    def near(name: str, color: tuple[int, int, int], box: list[float]) -> int:
        x, y, w, h = (round(0.3 * side) for side in box)
        part = drawn[name][max(0, y - 4) : y + h + 4, max(0, x - 4) : x + w + 4]
        return int((abs(part - np.array(color)).max(-1) < 60).sum())

    blue, red = (0, 114, 178), (213, 94, 0)
    assert near("right", blue, box["bbox"]) > 100 > near("missed", blue, box["bbox"])
    assert near("false", red, [900.0, 700.0, 200.0, 200.0]) > 100 > near("right", red, [900.0, 700.0, 200.0, 200.0])
    assert near("missed", (0, 0, 0), box["bbox"]) > near("right", (0, 0, 0), box["bbox"])
    tiny = report.thumbnail(torch.zeros(3, 1, 9000, dtype=torch.uint8), judge(truth, [])[0], {})
    assert Image.open(io.BytesIO(tiny)).size == (480, 1)


def test_a_report_of_ours_is_known(tmp_path: Any) -> None:
    ours, other = tmp_path / "a.html", tmp_path / "b.html"
    ours.write_text(made(evil()), encoding="utf-8")
    other.write_text("<p>mine</p>", encoding="utf-8")
    assert report.is_report(ours) and not report.is_report(other) and not report.is_report(tmp_path / "none")
    assert not re.search(r"https?://", ours.read_text("utf-8"))
