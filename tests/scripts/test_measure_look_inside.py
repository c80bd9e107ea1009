"""scripts/measure_look_inside.py: it measures what the page runs, and other predictions are no comparison."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import measure_look_inside as script


def test_it_measures_in_a_worker_and_compares(chromium: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "SIDE", 64)  # a sixteenth of the work
    page = chromium.new_page()
    page.set_default_timeout(180_000)
    ours = script.NETWORK.read_text("utf-8")
    ((own,), _) = script.measure(page, "shapes", [ours], runs=2, warm=0)
    assert len(own) == 2 and min(own) > 0
    assert "faster in " in script.compare(page, "shapes", ours, ours, runs=1, warm=0)
    other = ours.replace("EPS = 1e-5", "EPS = 1e-2")
    assert other != ours
    with pytest.raises(ValueError, match=r"shapes: the two differ by .*; 1e-04 is allowed"):
        script.compare(page, "shapes", ours, other, runs=1, warm=0)
    page.close()


def test_its_record_says_median_browser_and_command(
    chromium: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Driver:
        """In the place of playwright, whose second driver in one thread would fail."""

        chromium = property(lambda self: self)

        def __enter__(self) -> Driver:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def launch(self, **_: Any) -> Any:
            return chromium

    monkeypatch.setattr("playwright.sync_api.sync_playwright", Driver)
    monkeypatch.setattr(script, "measure", lambda page, name, networks, runs: ([[30.0, 10, 20]], 0.0))
    assert script.main(["--runs", "3", "--out", str(tmp_path / "look.json")]) == 0
    entry = json.loads((tmp_path / "look.json").read_text("utf-8"))
    assert entry["metrics"]["bccd"] == {"median": 20.0, "lowest": 10.0, "highest": 30.0}
    assert entry["browser"].startswith("Chromium ") and entry["command"].endswith("measure_look_inside.py --runs 3")
    assert "shapes: median 20 ms of 3 runs, 10 to 30" in capsys.readouterr().out
