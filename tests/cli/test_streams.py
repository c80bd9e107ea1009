"""What is printed, wherever it goes: the work is done and the files are written, and the exit code tells."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcos_edu import data
from fcos_edu.cli.streams import Tolerant, tolerant
from tests.cli.calls import run


class Failing(io.RawIOBase):
    """Takes some bytes, then fails as a pipe without a reader does, or as the system says."""

    def __init__(self, number: int, after: int = 0) -> None:
        super().__init__()
        self.number, self.left = number, after

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        if self.left < len(content):
            raise OSError(self.number, os.strerror(self.number))
        self.left -= len(content)
        return len(content)


def stream(raw: io.RawIOBase, encoding: str = "utf-8") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(raw, 16), encoding=encoding, write_through=True)


@pytest.fixture
def found(tmp_path: Path) -> list[Any]:
    """A call that scores detections and writes a file."""
    (tmp_path / "found.json").write_text("[]")
    return ["evaluate", "--detections", tmp_path / "found.json", "--out", tmp_path / "ap.json"]


@pytest.mark.parametrize("after", [0, 40])
@pytest.mark.parametrize(("number", "code"), [(errno.EPIPE, 141), (errno.ENOSPC, 1), (errno.EIO, 1)])
def test_files_are_written_whatever_cannot_be_printed(
    tmp_path: Path, found: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: Any, number: int, code: int, after: int
) -> None:
    monkeypatch.setattr(sys, "stdout", stream(Failing(number, after)))
    assert run(*found) == code
    assert json.loads((tmp_path / "ap.json").read_text())["AP"] == 0.0
    told = capsys.readouterr().err
    assert "Errno" not in told and "Traceback" not in told
    assert ("cannot print" in told) == (code == 1)


def test_tables_that_print_first_write_their_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data.ShapesDataset(num_images=2, split="test", size=(64, 64)).export_coco(tmp_path)
    monkeypatch.setattr(sys, "stdout", stream(Failing(errno.EPIPE)))
    words = ["tables", "recall", "--annotations", tmp_path / "test.json", "--no-anchors", "--json", tmp_path / "o.json"]
    assert run(*words) == 141
    assert json.loads((tmp_path / "o.json").read_text())["metrics"]["images"] == 2


def test_a_bar_that_cannot_be_drawn_stops_nothing(
    tmp_path: Path, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for where, broken in {"pipe": stream(Failing(errno.EPIPE)), "none": None}.items():
        monkeypatch.setattr(sys, "stderr", broken)
        assert run("evaluate", checkpoint, "--data", "shapes", "--out", tmp_path / where) == 0
        assert (tmp_path / where).exists()


def test_pipes_that_are_closed_in_a_real_shell() -> None:
    """`fcos-edu recipes | true`, help too, and no standard output at all: no word of Python's."""
    for words, before, code in ((["recipes"], "", 141), (["--help"], "", 141), (["recipes"], ">&-", 0)):
        line = f"sleep 0; {sys.executable} -m fcos_edu.cli {' '.join(words)} {before}"
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(["sh", "-c", line], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
        os.close(writer)
        assert (done.returncode, done.stderr) == (code, "")


# ---- encodings and control characters -------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=[])), st.sampled_from(["ascii", "latin-1", "cp1252", "cp437", "utf-8"]))
def test_any_text_can_be_printed_anywhere(text: str, encoding: str) -> None:
    raw = io.BytesIO()
    inner = io.TextIOWrapper(raw, encoding=encoding, newline="")
    outer = Tolerant(inner, escape=True)
    assert outer.write(text) == len(text)
    outer.flush()
    shown = raw.getvalue().decode(encoding)
    assert all(c.isprintable() or c in "\n\t" or ord(c) > 0x2000 or c == "\xa0" or c == "\xad" for c in shown)
    if text.isascii() and text.isprintable():
        assert shown == text


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", "57.1 +- 0.3, 3x4 caf\\xe9"), ("latin-1", "57.1 ± 0.3, 3×4 café")]
)
def test_terminals_without_unicode_see_what_looks_alike(encoding: str, shown: str) -> None:
    raw = io.BytesIO()
    outer = Tolerant(io.TextIOWrapper(raw, encoding=encoding))
    print("57.1 ± 0.3, 3×4 café", file=outer, end="", flush=True)  # type: ignore[call-overload]
    assert raw.getvalue().decode(encoding) == shown


def test_names_with_escape_sequences_do_not_reach_the_terminal(capsys: Any) -> None:
    with tolerant():
        print("class \x1b[31mred\x07\u202e end")
    assert capsys.readouterr().out == "class \\x1b[31mred\\x07\\u202e end\n"


def test_a_warning_is_one_line_without_a_place() -> None:
    with tolerant():
        assert warnings.formatwarning("3 \x07 boxes", UserWarning, "a.py", 7) == "fcos-edu: warning: 3 \\x07 boxes\n"
        assert "a.py:7: FutureWarning" in warnings.formatwarning("gone soon", FutureWarning, "a.py", 7)


def test_everything_is_as_before_afterwards() -> None:
    before = sys.stdout, sys.stderr, warnings.formatwarning
    with pytest.raises(ZeroDivisionError), tolerant() as (out, _):
        assert sys.stdout is out and out.isatty() in (True, False)
        raise ZeroDivisionError
    assert before == (sys.stdout, sys.stderr, warnings.formatwarning)
