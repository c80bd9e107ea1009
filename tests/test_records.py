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


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("study /data/ann/runs/x/model.safetensors --data /data/sets/mine", "study x/model.safetensors --data mine"),
        ("fcos-edu evaluate --data=/data/ann/a.json --split test", "fcos-edu evaluate --data=a.json --split test"),
        ("fcos-edu detect '/data/ann/my photos/a b.jpg' --out out", "fcos-edu detect 'a b.jpg' --out out"),
        ("~/data/sets and ~ann/x", "sets and ~ann/x"),
        (r"fcos-edu detect C:\Users\ann\a.jpg", "fcos-edu detect a.jpg"),
        ("/data/ann/mine (test, 12 images)", "mine (test, 12 images)"),
        ("/data/ann/a+/data/ann/b", "b"),
        ("data (/data/ann/mine)", "data (mine)"),
        ("https://example.org/a/b.zip", "https://example.org/a/b.zip"),
        *[(text, text) for text in ("results/x.json", "3/4 of them and/or none", "per image / second", "'/'")],
        ("", ""),
    ],
)  # fmt: skip
def test_no_text_tells_a_folder_of_this_machine(text, want):
    assert records.without_places(text) == want
    assert records.without_places({"a": [text, 3, None]}) == {"a": [want, 3, None]}


def test_a_record_tells_no_folder_of_this_machine(tmp_path):
    place = tmp_path / "mine"
    records.record(
        tmp_path / "x.json", what=f"of {place}", command=f"fcos-edu bench {place}", metrics={"path": str(place)},
        data=str(place), note=f"see {place}",
    )  # fmt: skip
    text = (tmp_path / "x.json").read_text()
    assert str(tmp_path) not in text and text.count("mine") == 5


def test_the_packages_records_tell_none():
    paths = sorted(records.RESULTS.glob("*.json"))
    assert paths
    for path in paths:
        entry = json.loads(path.read_text("utf-8"))
        assert records.without_places(entry) == entry, path.name
