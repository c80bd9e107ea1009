"""The workbench's widget, with whichever ipywidgets is installed: what a front end sends, and what it is shown."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ipywidgets
import pytest
import torch
from PIL import Image
from torch import nn

from fcos_edu import FCOS, FCOSConfig
from fcos_edu.widgets import live, scene, workbench
from fcos_edu.widgets.live import Workbench, uploaded

SEVEN = ipywidgets.__version__.startswith("7.")
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """One entry for each time that a network runs."""
    seen: list[Any] = []
    predict = FCOS.predict
    monkeypatch.setattr(FCOS, "predict", lambda self, canvas: seen.append(canvas) or predict(self, canvas))
    yield seen


def picture(kind: str = "png", size: tuple[int, int] = (80, 50), color: str = "green") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, kind)
    return file.getvalue()


def upload(bench: Workbench, name: str, content: bytes) -> None:
    """The message of a browser, in the form of the installed version."""
    about = {"name": name, "type": "image/png", "size": len(content), "lastModified": 1_700_000_000_000}
    if SEVEN:
        number = bench._file._counter + 1
        bench._file.set_state({"metadata": [about], "data": [memoryview(content)], "_counter": number, "error": ""})
    else:
        about["last_modified"] = about.pop("lastModified")
        bench._file.set_state({"value": [about | {"content": memoryview(content)}]})


def said(bench: Workbench) -> str:
    return bench._message.value


def test_the_two_forms_of_an_upload() -> None:
    assert uploaded({}) is None and uploaded(()) is None and uploaded(None) is None
    seven = {"a.png": {"metadata": {"name": "a.png"}, "content": b"1"}, "b.png": {"metadata": {}, "content": b"2"}}
    assert uploaded(seven) == ("b.png", b"2")
    assert uploaded(({"name": "c.png", "type": "", "content": memoryview(b"3")},)) == ("c.png", b"3")


def test_sliders_draw_again_and_never_run_the_network(runs: list[Any]) -> None:
    bench = workbench()
    assert len(runs) == 1
    shown = {bench._image.value}
    moved = [(bench._score, 0.5), (bench._score, 0.05), (bench._nms, 0.2), (bench._ranks, False)]
    for control, value in [*moved, (bench._levels.children[0], False)]:
        control.set_state({"value": value})  # as the front end's message does
        shown.add(bench._image.value)
    assert len(shown) == 6, "each event must give another drawing"
    assert len(runs) == 1
    assert bench.choices == scene.Choices(0.05, 0.2, False, (4, 5, 6, 7))
    found = scene.find(bench.scene, bench.choices)
    assert torch.equal(bench.found.kept, found.kept)
    assert bench._image.value == scene.draw(bench.scene, found, bench.choices)
    assert f"keeps {len(found.kept)}" in bench._words.value and said(bench) == ""
    assert Image.open(io.BytesIO(bench._image.value)).format.lower() == bench._image.format


def test_the_readers_picture_by_upload(runs: list[Any]) -> None:
    bench = workbench()
    upload(bench, "mine.png", picture(size=(80, 50)))
    assert bench.scene.picture.shape == (3, 50, 80) and len(runs) == 2 and said(bench) == ""
    before = bench._image.value
    upload(bench, "<b>notes</b>.txt", b"no picture")
    assert "&lt;b&gt;notes&lt;/b&gt;.txt cannot be read as a picture" in said(bench)
    assert bench._image.value == before and len(runs) == 2
    bench._score.set_state({"value": 0.02})  # still alive


def test_the_readers_picture_by_its_path(tmp_path: Path, runs: list[Any]) -> None:
    (tmp_path / "mine.jpg").write_bytes(picture("jpeg", (64, 48)))
    bench = workbench()
    bench._path.set_state({"value": f' "{tmp_path / "mine.jpg"}" '})
    assert bench.scene.picture.shape == (3, 48, 64) and len(runs) == 2
    bench._path.set_state({"value": str(tmp_path / "gone.jpg")})
    assert "There is no file" in said(bench) and bench.scene.picture.shape == (3, 48, 64)
    bench._path.set_state({"value": str(tmp_path / "mine.jpg")})
    assert said(bench) == ""
    bench._path.set_state({"value": ""})
    assert said(bench) == ""


def test_each_detector_looks_once_at_each_picture(runs: list[Any]) -> None:
    bench = workbench(detectors=["shapes", "bccd"])
    for name, number in (("bccd", 2), ("shapes", 2), ("bccd", 2)):
        bench._which.set_state({"index": ["shapes", "bccd"].index(name)})
        assert len(runs) == number
        assert bench.scene.config.class_names[0] == {"shapes": "disc", "bccd": "RBC"}[name]
    upload(bench, "mine.png", picture())
    assert len(runs) == 3 and bench.scene.config.class_names[0] == "RBC"


def test_weights_that_cannot_be_had_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(source: str) -> nn.Module:
        raise ConnectionError("no network: put the file there")

    bench = workbench(detectors={"here": FCOS.pretrained("shapes"), "far": "torchvision:COCO_V1"})
    before = bench._image.value
    monkeypatch.setattr(live, "load", offline)
    bench._which.set_state({"index": 1})
    assert "no network: put the file there" in said(bench)
    assert bench._which.value == "here" and bench._image.value == before
    assert bench.scene.config.class_names[0] == "disc"


def test_other_levels_bring_other_buttons() -> None:
    infinite = float("inf")
    two = FCOS(FCOSConfig.tiny(num_classes=2, levels=(3, 4), level_bounds=(0, 64, infinite))).eval()
    bench = workbench(detectors={"five": "shapes", "two": two})
    bench._which.set_state({"index": 1})
    assert [button.description for button in bench._levels.children] == ["P3", "P4"]
    assert bench.choices.levels == (3, 4) and said(bench) == ""


def test_pictures_to_begin_with(tmp_path: Path) -> None:
    model = FCOS.pretrained("shapes")
    (tmp_path / "mine.png").write_bytes(picture(size=(30, 20)))
    floats = torch.rand(3, 20, 30)
    for given in (tmp_path / "mine.png", picture(size=(30, 20)), floats, (floats * 255).to(torch.uint8)):
        bench = workbench(given, model)
        assert bench.scene.picture.shape == (3, 20, 30) and bench.scene.picture.dtype == torch.uint8
    with pytest.raises(scene.PictureError, match="There is no file"):
        workbench("gone.png")
    with pytest.raises(ValueError, match="divide by 255"):
        workbench(floats * 255)


def test_what_is_no_detector_is_refused() -> None:
    with pytest.raises(ValueError, match="detectors is empty"):
        workbench(detectors=[])
    with pytest.raises(TypeError, match="the first is a Linear; the workbench needs an FCOS"):
        workbench(detectors={"the first": nn.Linear(1, 1)})  # type: ignore[dict-item]
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        workbench(detectors="gone.safetensors")


def test_a_cell_shows_the_widget_or_a_picture_or_words() -> None:
    """The view is for a kernel; the page stores the rest (scripts/execute_notebooks.py drops the view)."""
    bench = workbench()
    bundle = bench._repr_mimebundle_()
    assert set(bundle) == {VIEW, "image/jpeg", "text/plain"}
    assert bundle[VIEW]["model_id"] == bench.widget.model_id
    assert Image.open(io.BytesIO(base64.b64decode(bundle["image/jpeg"]))).format == "JPEG"
    assert bundle["text/plain"] == "<a workbench with shapes, bccd: its sliders move where a kernel runs>"
    assert bundle["text/plain"] == repr(workbench()), "stored outputs are compared"


def test_without_ipywidgets_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ImportError, match=r'pip install "fcos-edu\[notebook\]"'):
        workbench()
