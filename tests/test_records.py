"""Result files say what, how, on what, with what and when."""

import json
import re
import subprocess
import sys

import pytest

from fcos_edu import records


def test_a_record_has_all_its_fields(tmp_path):
    path = tmp_path / "results" / "x.json"
    records.record(path, what="w", command="fcos-edu bench", metrics={"AP": 0.5}, data="d", paper=37.1, cost="1 minute")
    entry = json.loads(path.read_text())
    assert set(entry) == {
        "what", "command", "metrics", "paper", "data", "hardware", "versions", "date", "cost"
    }  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", entry["date"])
    assert re.search(r"\d+ cores", entry["hardware"])
    assert {"torch", "torchvision", "pycocotools"} <= set(entry["versions"])


def test_what_json_cannot_hold_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("old")
    with pytest.raises(TypeError):
        records.record(path, what="w", command="c", metrics={"model": object()}, data="d")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_peak_memory_is_the_most_that_was_held():
    """In a process of its own: 300 MB that are written and given back count, and stay counted."""
    pytest.importorskip("resource")
    script = (
        "from fcos_edu.records import peak_memory; a = peak_memory(); x = bytearray(b'1') * 300_000_000; "
        "b = peak_memory(); del x; print(a, b, peak_memory())"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    before, full, after = (float(word) for word in told.split())
    assert 100 < full - before < 600 and after > full - 5  # the kernel counts in portions
