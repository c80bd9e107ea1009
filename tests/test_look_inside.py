"""The page *Look inside*: its network in JavaScript, as the page has it, beside the package, in a real browser."""

from __future__ import annotations

import base64
import functools
import importlib.util
import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.ops import box_iou

from fcos_edu import FCOS
from fcos_edu.config import PACKAGED
from fcos_edu.data import load
from fcos_edu.weights import packaged

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "book" / "_look_inside"
SIZES = ((256, 256), (150, 333), (301, 240))  # enlarged and reduced, padded at the right and below
PICTURES = 20
SETTINGS = ({}, {"score_threshold": 0.3, "nms_threshold": 0.3, "centerness_inference": "none"})

PREPARE = """(checkpoint) => {
  window.inside = fcosInThePage();
  window.read = inside.parse(checkpoint);
  window.run = inside.detector(read);
}"""
RUN = """({ picture, height, width, settings }) => {
  const seen = run(Uint8ClampedArray.from(atob(picture), (letter) => letter.charCodeAt(0)), height, width);
  const all = (key) => seen.levels.map((level) => {
    const bytes = new Uint8Array(level[key].buffer);
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  });
  const wanted = ({ level, cell, label, rank, score, box, canvasBox, by, iou, kept }) =>
    ({ level, cell, label, rank, score, box, canvasBox, by, iou, kept });
  return {
    canvas: seen.canvas, logits: all("logits"), distances: all("distances"), centerness: all("centerness"),
    found: settings.map((each) => inside.detect(seen, read.config, each).map(wanted)),
  };
}"""


@functools.cache
def drawn() -> Any:
    """The first pictures of the test split."""
    return load("shapes", "test", num_images=PICTURES)


def shapes(number: int, height: int, width: int) -> NDArray[np.uint8]:
    """A generated picture, repeated to the size: (H, W, 3)."""
    image, _ = drawn()[number]
    return np.tile(image.permute(1, 2, 0).numpy(), (2, 2, 1))[:height, :width]


def cells(number: int, height: int, width: int) -> NDArray[np.uint8]:
    """Discs with a pale middle on a grainy ground, which excite the detector of blood cells: (H, W, 3)."""
    generator = np.random.default_rng(number)
    y, x = np.mgrid[:height, :width]
    picture = np.full((height, width, 3), (225.0, 215, 210))
    for _ in range(14):
        v, u, r = generator.uniform(0, height), generator.uniform(0, width), generator.uniform(12, 32)
        far = np.hypot(y - v, x - u) / r
        picture[far < 1] = (215, 150, 140) + 40 * (far[far < 1, None] < 0.4)
    return (picture + generator.normal(0, 5, picture.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def page(chromium: Any) -> Iterator[Any]:
    page = chromium.new_page()
    page.set_default_timeout(180_000)
    page.add_script_tag(content=(FOLDER / "network.js").read_text("utf-8"))
    yield page
    page.close()


@pytest.mark.parametrize("name", PACKAGED)
@torch.inference_mode()
def test_the_network_in_the_page_is_the_package(page: Any, name: str) -> None:
    model = FCOS.pretrained(name)
    config = model.config
    page.evaluate(PREPARE, base64.b64encode(Path(packaged(name)).read_bytes()).decode())
    configs = [config.replace(**changes) for changes in SETTINGS]
    settings = [
        {"threshold": c.score_threshold, "nms": c.nms_threshold, "centerness": c.centerness_inference == "branch"}
        for c in configs
    ]
    total = 0
    for number in range(PICTURES):
        height, width = SIZES[number % len(SIZES)]
        picture = (shapes if name == "shapes" else cells)(number, height, width)
        rgba = np.dstack([picture, np.full((height, width), 255, dtype=np.uint8)])
        given = {"picture": base64.b64encode(rgba.tobytes()).decode(), "height": height, "width": width}
        theirs = page.evaluate(RUN, given | {"settings": settings})
        (seen,) = model.predictions([torch.tensor(picture).permute(2, 0, 1)])
        assert tuple(theirs["canvas"]) == seen.grid.canvas
        for key in ("logits", "distances", "centerness"):
            ours = getattr(seen.output, key).flatten().double()
            bytes_ = b"".join(map(base64.b64decode, theirs[key]))
            difference = (torch.tensor(np.frombuffer(bytes_, np.float32)).double() - ours).abs()
            assert (difference / ours.abs().clamp(min=1)).max() < 1e-4, key
        for each, found in zip(configs, theirs["found"], strict=True):
            (expected,) = model.detections(seen, each)
            total += len(expected["boxes"])
            starts = np.cumsum([0, *seen.grid.counts])
            kept = {(starts[one["level"]] + one["cell"], one["label"]): one for one in found if one["kept"]}
            keys = list(zip(expected["locations"].tolist(), expected["labels"].tolist()))
            assert set(keys) == set(kept), "the same detections"
            for key, box, score in zip(keys, expected["boxes"], expected["scores"].tolist()):
                assert kept[key]["box"] == pytest.approx(box.tolist(), abs=1e-2, rel=1e-4)
                assert kept[key]["score"] == pytest.approx(score, abs=1e-4)
            check_the_story(found, each.nms_threshold)
    assert total > 100


def check_the_story(found: list[dict[str, Any]], threshold: float) -> None:
    """Each candidate is kept, or names a better one of its class that was not suppressed and overlaps it enough."""
    assert [one["rank"] for one in found] == list(range(1, len(found) + 1))
    scores = [one["score"] for one in found]
    assert scores == sorted(scores, reverse=True)
    for place, one in enumerate(found):
        if one["by"] < 0:
            continue
        other = found[one["by"]]
        overlap = box_iou(torch.tensor([one["canvasBox"]]), torch.tensor([other["canvasBox"]])).item()
        assert not one["kept"] and one["by"] < place and other["by"] < 0 and one["label"] == other["label"]
        assert one["iou"] == pytest.approx(overlap, abs=1e-5) and one["iou"] > threshold


# ---- what is written beside the built site


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.setenv("FCOS_EDU_DATA", str(tmp_path / "data"))
    spec = importlib.util.spec_from_file_location("look_inside", ROOT / "book" / "_ext" / "look_inside.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_script(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8").partition(" = ")[2].strip().removesuffix(";"))


def test_the_page_is_given_checkpoints_and_pictures(extension: ModuleType, tmp_path: Path) -> None:
    extension.write(tmp_path / "out")
    for name in PACKAGED:
        given = read_script(tmp_path / "out" / f"{name}.js")
        assert base64.b64decode(given["checkpoint"]) == Path(packaged(name)).read_bytes()
        sizes = [Image.open(io.BytesIO(base64.b64decode(one["data"]))).size for one in given["pictures"]]
        assert sizes == ([(256, 256)] * len(extension.SHAPES) if name == "shapes" else []), "no data, no photograph"
    own = sum((tmp_path / "out" / name).stat().st_size for name in ("network.js", "page.js", "page.css"))
    assert own < 100_000
    assert not (tmp_path / "out" / "bccd_license.txt").exists()


def test_photographs_come_with_their_licence(extension: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "bccd"
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "JPEGImages").mkdir()
    names = [f"cell_{i}" for i in range(7)]
    (folder / "ImageSets" / "Main" / "test.txt").write_text("\n".join(names), "utf-8")
    for i, name in enumerate(names):
        Image.new("RGB", (20 + i, 10)).save(folder / "JPEGImages" / f"{name}.jpg")
    (folder / "LICENSE").write_text("MIT License", "utf-8")
    extension.write(tmp_path / "out")
    pictures = read_script(tmp_path / "out" / "bccd.js")["pictures"]
    assert [base64.b64decode(one["data"]) for one in pictures] == [
        (folder / "JPEGImages" / f"cell_{i}.jpg").read_bytes() for i in (0, 2, 4)
    ], "as they are"
    assert (tmp_path / "out" / "bccd_license.txt").read_text("utf-8") == "MIT License"
