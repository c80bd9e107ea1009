"""The book as one PDF: pages in the order of the table of contents, bookmarks, and what is missing is told."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from scripts import make_pdf

TOC = {
    "root": "intro",
    "parts": [
        {"caption": "First part", "chapters": [{"file": "a", "sections": [{"file": "b"}]}]},
        {"caption": "Appendix", "chapters": [{"file": "api/index", "sections": [{"file": "api/x"}]}, {"file": "c"}]},
    ],
}


def test_pages_come_in_the_order_of_the_table_of_contents() -> None:
    assert list(make_pdf.parts_of(TOC, api=False)) == [
        (None, ["intro"]),
        ("First part", ["a", "b"]),
        ("Appendix", ["c"]),
    ]
    assert list(make_pdf.parts_of(TOC, api=True))[2] == ("Appendix", ["api/index", "api/x", "c"])


def test_pages_are_joined_with_bookmarks_and_open_solutions(chromium: Any, tmp_path: Path) -> None:
    for name in ("intro", "a", "b", "c"):
        (tmp_path / f"{name}.html").write_text(
            f"<!DOCTYPE html><article><h1>Page {name}<a>#</a></h1><p>Words of {name}.</p>"
            "<details><summary>Solution</summary><p>Forty-two.</p></details>"
            "<details><summary>Code</summary><p>Hidden.</p></details></article>",
            "utf-8",
        )
    read = PdfReader(io.BytesIO(make_pdf.make(chromium, tmp_path, TOC)))
    texts = [page.extract_text() for page in read.pages]
    assert len(texts) == 4
    for name, text in zip(("intro", "a", "b", "c"), texts, strict=True):
        assert f"Words of {name}." in text and "Forty-two." in text and "Hidden." not in text
    first, part, inner, last, _ = read.outline
    assert (first.title, part.title, last.title) == ("Page intro", "First part", "Appendix")
    assert [each.title for each in inner] == ["Page a", "Page b"]
    assert read.get_destination_page_number(inner[1]) == 2


def test_what_is_missing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make_pdf.main(["--site", str(tmp_path)]) == 1
    assert "make book" in capsys.readouterr().err
