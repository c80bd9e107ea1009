"""scripts/make_pictures.py: the README's photographs, and the film of the landing page."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
import torch
from PIL import Image
from torchvision.ops import box_iou

from fcos_edu import FCOS
from fcos_edu.data import PHOTOGRAPHS
from fcos_edu.targets import ltrb_to_boxes
from scripts import ROOT, make_pictures


@pytest.fixture(scope="module")
def scene() -> Any:
    return make_pictures.scene()


def test_the_film_shows_what_the_detector_computes(scene: Any) -> None:
    assert len(scene.spots) == len(scene.scores) > len(scene.boxes) > len(scene.kept) >= 1
    assert int((scene.scores >= make_pictures.THRESHOLD).sum()) == len(scene.boxes), "whose scores are high"
    box = ltrb_to_boxes(scene.spot, scene.ltrb)
    assert (scene.ltrb > 0).all()
    shown = (scene.spots == scene.spot).all(dim=1)
    assert (scene.scores[shown] >= make_pictures.THRESHOLD).any(), "the location whose distances are shown scores high"
    assert ((scene.boxes - box).abs() < 1e-3).all(dim=1).any()
    height, width = scene.size
    for kept in scene.kept:  # clipped to the image, otherwise one of the boxes before NMS
        inside = scene.boxes.clamp(0).minimum(torch.tensor([width, height, width, height]))
        assert ((inside - kept).abs().amax(dim=1) < 1e-2).any()
    true = torch.tensor(PHOTOGRAPHS[make_pictures.FILM].boxes) * (width / scene.image.shape[-1])
    assert (box_iou(true, scene.kept).amax(dim=1) > 0.8).all() and len(true) == len(scene.kept)


def test_the_readme_shows_photographs_whose_people_are_found_and_says_whose_they_are() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    model = FCOS.pretrained("people")
    for name in make_pictures.ROW:
        photograph = PHOTOGRAPHS[name]
        image, target = photograph.read()
        with torch.inference_mode():
            (found,) = model([image])
        shown = found["boxes"][found["scores"] >= make_pictures.THRESHOLD]
        assert (box_iou(target["boxes"], shown).amax(dim=1) > 0.8).all() and len(shown) == len(target["boxes"])
        assert photograph.link in readme and ("public domain" in photograph.credit or "CC0" in photograph.credit)
    assert "public domain or CC0" in readme
    # Another version of Pillow may write other bytes, not another picture.
    committed = Image.open(ROOT / "book" / "_static" / "detections.jpg").convert("L")
    now = Image.open(io.BytesIO(make_pictures.detections())).convert("L")
    assert committed.size == now.size
    gap = torch.tensor(list(committed.tobytes())).float() - torch.tensor(list(now.tobytes())).float()
    assert gap.abs().mean() < 2, "run: make pictures"


def test_the_film_says_whose_the_photograph_is(scene: Any) -> None:
    film = (ROOT / "book" / "_static" / "landing" / "detection.html").read_text("utf-8")
    assert f"<small>{scene.credit}</small>" in film and "public domain" in scene.credit
    assert PHOTOGRAPHS[make_pictures.FILM].link in (ROOT / "book" / "intro.md").read_text("utf-8")


def test_the_committed_film_is_of_the_packaged_detector(scene: Any) -> None:
    """Machines add in another order, so digits may differ: a tenth of a pixel, a hundredth of a score."""

    def numbers(text: str) -> list[float]:
        return [float(n) for n in re.findall(r"(?<![\w#-])-?\d+(?:\.\d+)?", re.sub(r"#[0-9a-fA-F]{6}", "", text))]

    committed = (ROOT / "book" / "_static" / "landing" / "detection.html").read_text("utf-8")
    now = make_pictures.film(scene).decode()
    assert re.sub(r"-?\d+(?:\.\d+)?", "0", committed) == re.sub(r"-?\d+(?:\.\d+)?", "0", now), "run: make pictures"
    assert numbers(committed) == pytest.approx(numbers(now), abs=0.6)


def test_the_film_can_be_stopped_and_has_its_last_step_as_a_still() -> None:
    folder = ROOT / "book" / "_static"
    film, style, script = (
        (folder / n).read_text("utf-8") for n in ("landing/detection.html", "landing.css", "landing.js")
    )
    steps = re.findall(r'<li data-step="(\d)">', film)
    assert steps == [str(k) for k in range(1, len(steps) + 1)]
    assert f'<figure class="film" data-step="{len(steps)}">' in film, "without the script the last step is shown"
    assert len(re.findall(r'<button type="button" data-step="\d" aria-label=', film)) == len(steps)
    assert 'class="film-play" aria-label="Pause"' in film and 'role="img"' in film
    (seconds,) = re.findall(r"SECONDS = \[(.*?)\]", script)
    assert len(seconds.split(",")) == len(steps)
    for text in (style, script):
        assert "prefers-reduced-motion: reduce" in text
    assert "@media print" in style
    for text in (film, style, script):
        assert "://" not in text, "the landing page needs nothing from elsewhere"
