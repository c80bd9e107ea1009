"""scripts/measure_loading.py: both commands are measured on JPEGs, and different findings are no measure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from scripts import measure_loading


def test_it_measures_both_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "loading.json"
    words = ["--images", "2", "--workers", "1", "--turns", "1", "--detector", "bccd", "--device", "cpu"]
    assert measure_loading.main([*words, "--record", str(out)]) == 0
    entry, told = json.loads(out.read_text()), capsys.readouterr().out
    for name in ("evaluate", "detect"):
        figures = entry["metrics"][name]
        assert figures["ratio"] > 0 and set(figures["images_per_second"]) == {"alone", "with processes"}
        assert f"{name}: " in told
    assert entry["command"].endswith("--images 2 --workers 1 --turns 1 --detector bccd") and entry["threads"] > 0


def test_its_pictures_are_jpegs_as_annotated(tmp_path: Path) -> None:
    measure_loading.make_photographs(tmp_path, 2)
    names = [image["file_name"] for image in json.loads((tmp_path / "test.json").read_text())["images"]]
    files = sorted((tmp_path / "images").rglob("*.*"))
    assert sorted(Path(name).name for name in names) == [file.name for file in files] and len(files) == 2
    assert all(Image.open(file).format == "JPEG" and Image.open(file).size == (640, 480) for file in files)


def found(**changes: object) -> list[dict[str, object]]:
    """Two detections of one image, the second changed."""
    one = {"image_id": 1, "category_id": 2, "bbox": [1.0, 2.0, 3.0, 4.0], "score": 0.5}
    return [one, one | {"bbox": [50.0, 2.0, 3.0, 4.0]} | changes]


def test_other_findings_are_an_error() -> None:
    assert measure_loading.measure(lambda _: found(), 4, 2, 2)["ratio"] > 0
    with pytest.raises(RuntimeError, match="2 processes found other things than none"):
        measure_loading.measure(lambda workers: found(score=0.5 + workers / 4), 4, 2, 1)


def test_a_rounding_and_an_order_are_no_other_findings() -> None:
    assert measure_loading.same(found(), found()[::-1]) and measure_loading.same([], [])
    assert measure_loading.same(found(), found(score=0.50001, bbox=[50.001, 2.0, 3.0, 4.0])[::-1])
    for other in (found()[:1], found(score=0.501), found(bbox=[50.1, 2.0, 3.0, 4.0]), found(category_id=3),
                  found(image_id=3), [found()[0]] * 2):  # fmt: skip
        assert not measure_loading.same(found(), other)
