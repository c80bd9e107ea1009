"""scripts/measure_loading.py: both commands are measured on JPEGs, and different findings are no measure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from scripts import measure_loading


def test_it_measures_both_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "loading.json"
    words = ["--images", "2", "--workers", "1", "--turns", "1", "--device", "cpu", "--json", str(out)]
    assert measure_loading.main(words) == 0
    figures, told = json.loads(out.read_text()), capsys.readouterr().out
    for name in ("evaluate", "detect"):
        assert figures[name]["ratio"] > 0 and set(figures[name]["images_per_second"]) == {"alone", "1 processes"}
        assert f"{name}: " in told


def test_its_pictures_are_jpegs_as_annotated(tmp_path: Path) -> None:
    measure_loading.make_photographs(tmp_path, 2)
    names = [image["file_name"] for image in json.loads((tmp_path / "test.json").read_text())["images"]]
    files = sorted((tmp_path / "images").rglob("*.*"))
    assert sorted(Path(name).name for name in names) == [file.name for file in files] and len(files) == 2
    assert all(Image.open(file).format == "JPEG" and Image.open(file).size == (640, 480) for file in files)


def test_other_findings_are_an_error() -> None:
    assert measure_loading.measure(lambda _: [1], 4, 2, 2)["ratio"] > 0
    with pytest.raises(RuntimeError, match="2 processes found other things than none"):
        measure_loading.measure(lambda workers: [workers], 4, 2, 1)
