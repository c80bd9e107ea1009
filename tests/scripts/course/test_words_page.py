"""The page of figures in words follows from the figures: none is left out, and each has words."""

from __future__ import annotations

import json

import pytest

from scripts.course import words_page


def test_the_page_is_up_to_date() -> None:
    assert words_page.PAGE.read_text("utf-8") == words_page.page(), "run: make pages"


def test_every_picture_and_every_figure_that_moves_has_a_line() -> None:
    picture = {"metadata": {"mystnb": {"figure": {"caption": "A."}, "image": {"alt": "Seen."}}}, "outputs": []}
    moving = {"metadata": {}, "outputs": [{"data": {"text/html": ['<p class="fcx-caption">Where&#x27;s', " it?</p>"]}}]}
    book = {"cells": [picture, moving, {"metadata": {}, "cell_type": "markdown"}]}
    assert list(words_page.figures(book)) == [("A.", "Seen."), ("", "Where's it?")]
    page = words_page.page()
    assert page.count("\n## ") == 17 and page.count("\n- **Lab ") == 6
    found = 0
    for path in sorted((words_page.ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            found += any("image/png" in one.get("data", {}) for one in cell.get("outputs", []))
    assert page.count("\n- **") - 6 >= found > 90


def test_check_changes_nothing(tmp_path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(words_page, "ROOT", tmp_path)
    monkeypatch.setattr(words_page, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(words_page, "page", lambda: "new")
    assert words_page.main(["--check"]) == 1 and not list(tmp_path.iterdir())
    assert words_page.main([]) == 0 and words_page.main(["--check"]) == 0
    assert capsys.readouterr().out.splitlines() == ["page.md is behind: make pages", "page.md is up to date"]
