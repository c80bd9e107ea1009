"""The short form of scripts/fuzz.py: nothing but results or named errors; and what it would report."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
fuzz, fuzz_inputs = pytest.importorskip("scripts.fuzz"), pytest.importorskip("scripts.fuzz_inputs")


@pytest.mark.parametrize("name", list(fuzz.TARGETS))
def test_broken_files_give_results_or_named_errors(name: str) -> None:
    found = fuzz.explore(fuzz.TARGETS[name](), 100, seed=1)
    assert not found.failures
    assert found.inputs == 100 and found.outcomes["read"] and found.outcomes["read"] < 80
    assert len(found.kinds) >= 6


def reads(answer: Any) -> Any:
    """A target that answers each file so."""

    def read(path: Path) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer

    return fuzz.Target(fuzz.broken(b"abcdef"), read, ".txt", (ValueError,), lambda size: 64 << 20)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (3, None),
        (ValueError("one line"), None),
        (ValueError("two\nlines"), "a message that is not one line"),
        (ValueError(""), "a message that is not one line"),
        (KeyError("x"), "KeyError: 'x'"),
        (RecursionError("deep"), "RecursionError: deep"),
        (lambda: bytearray(b"1") * (200 << 20), "MB for a file of 3 bytes"),
    ],
)
def test_what_counts_as_a_failure(tmp_path: Path, answer: Any, failure: str | None) -> None:
    findings = fuzz.Findings()
    wrong = fuzz.judge(reads(answer), fuzz.Broken("some", b"abc"), tmp_path, findings)
    assert (wrong is None) if failure is None else (failure in wrong and wrong.startswith("some: "))
    assert findings.failures == ([] if failure is None else [wrong])
    assert list(tmp_path.iterdir()) == []


def test_what_is_too_slow_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "PATIENCE", 0.001)
    wrong = fuzz.judge(reads(lambda: sum(range(10**6))), fuzz.Broken("some", b"abc"), tmp_path, fuzz.Findings())
    assert wrong is not None and wrong.endswith("seconds")


@given(st.data())
def test_files_are_broken_in_many_ways(data: st.DataObject) -> None:
    whole = bytes(range(200))
    made = data.draw(fuzz.broken(whole))
    if made.kind == "whole":
        assert made.content == whole
    if made.kind == "cut off":
        assert whole.startswith(made.content)
    if made.kind in ("flipped bits", "bytes written over") and len(made.content) == len(whole):
        assert sum(a != b for a, b in zip(made.content, whole, strict=True)) <= 64


@given(st.data())
def test_json_is_changed_and_the_original_is_not(data: st.DataObject) -> None:
    whole = {"a": [1, {"b": "c"}], "d": None}
    text = fuzz.as_text(data.draw(fuzz.changed_json(whole)))
    assert whole == {"a": [1, {"b": "c"}], "d": None} and isinstance(text, str)
    if not text.startswith("[["):
        json.loads(text)


def test_values_that_are_put_in_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second change may go into the first one's value: were it shared, Hypothesis would find other choices."""
    shared: dict[str, Any] = {"k": [1, 2, 3], "l": {"m": 1}}
    monkeypatch.setattr(fuzz_inputs, "ODD", st.just(shared))

    @settings(max_examples=300, database=None, deadline=None, phases=[Phase.generate])
    @given(fuzz.changed_json([1, [2], {"a": 3}]))
    def each(value: Any) -> None:
        assert shared == {"k": [1, 2, 3], "l": {"m": 1}}

    each()


@pytest.mark.parametrize("depth", [300, 700, 900])
def test_a_configuration_nested_as_deep_as_json_goes_is_refused(tmp_path: Path, depth: int) -> None:
    """JSON takes it, and what reads it comes to its own end: found by 10,000 inputs."""
    made = fuzz.Models()
    config = json.loads(made.metadata["config"]) | {"levels": json.loads("[" * depth + "]" * depth)}
    (tmp_path / "a.safetensors").write_bytes(made.with_inner("config", json.dumps(config)))
    with pytest.raises(fuzz.CheckpointError, match="that this version of fcos-edu cannot read"):
        fuzz.FCOS.load(tmp_path / "a.safetensors")
