"""Text of strangers: any Unicode encoding, and nothing in it that moves a terminal's cursor."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcos_edu.text import printable, read_bytes, read_text, shortened


@given(st.text(), st.text())
def test_what_is_printed_can_be_printed_anywhere_and_moves_no_cursor(one: str, other: str) -> None:
    text = printable(one + "\x1b[2J" + other)
    text.encode("utf-8")
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029\u202e" for c in text)
    assert printable(text) == text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("platelets", "platelets"),
        ("Zellkern (grün)", "Zellkern (grün)"),
        ("細胞\u3000核", "細胞\u3000核"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # Persian needs the joiner
        ("\x1b]0;title\x07red", "\\x1b]0;title\\x07red"),
        ("a\r\nfcos-edu: done", "a\\r\\nfcos-edu: done"),
        ("cat\u202egpj.exe", "cat\\u202egpj.exe"),
        ("\x9b31m", "\\x9b31m"),  # the same sequence in one byte of latin-1
        ("\udcff.jpg", "\\udcff.jpg"),  # a file name that is no UTF-8
        (Path("a\tb"), "a\\tb"),
        (3, "3"),
    ],
)
def test_control_characters_stand_as_escapes(name: object, shown: str) -> None:
    assert printable(name) == shown


def test_lines_may_stay() -> None:
    assert printable("a\nb\x1b", keep="\n") == "a\nb\\x1b"


def test_values_are_quoted_shortly() -> None:
    assert shortened("x\x1b") == "'x\\x1b'"
    assert shortened(list(range(10_000))).endswith("...") and len(shortened(list(range(10_000)))) == 100
    assert shortened(10**5000) == "a int too large to be shown"
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    assert "list" in shortened(deep)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_encoding_of_unicode_is_read_without_its_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes("a1\nö2\n".encode(encoding))
    assert read_text(tmp_path / "a.txt") == "a1\nö2\n"


def test_other_encodings_and_other_things_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("weiß\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"a\.txt is no text in UTF-8 or UTF-16 \(.* at byte 3\); save it as UTF-8"):
        read_text(tmp_path / "a.txt")
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        read_bytes(tmp_path)
    os.mkfifo(tmp_path / "pipe")  # reading it would wait for ever
    with pytest.raises(ValueError, match="pipe is no regular file"):
        read_text(tmp_path / "pipe")
