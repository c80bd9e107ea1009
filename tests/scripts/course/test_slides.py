"""Slides: every chapter has a deck that opens from disk, with notes, nothing small, and no answer of an exercise."""

from __future__ import annotations

import re
from functools import cache

import pytest

from scripts.course import make_course, notebooks, slides
from scripts.course.chapter_notebooks import Chapter


@cache
def decks() -> list[tuple[Chapter, str, dict[str, str]]]:
    return [(chapter, *slides.deck(chapter, "Why?")) for chapter, _ in make_course.read_chapters()]


def test_every_chapter_has_a_deck_that_needs_no_network() -> None:
    assert len(decks()) == 16
    for chapter, page, frames in decks():
        count = page.count("<section>")
        assert 12 <= count <= 70, (chapter.stem, count)
        assert page.count("<aside class='notes'>") == count and "<aside class='notes'></aside>" not in page
        wanted = re.findall(r'(?:src|href)="([^"]+)"', page)
        local = [one for one in wanted if not one.startswith("data:")]
        assert all(re.fullmatch(r"(lib|frames)/[\w.-]+|https://\S+", one) for one in local)
        assert not re.search(r'(?:src|<link[^>]*href)="https?:', page), "nothing is loaded from elsewhere"
        assert set(re.findall(r'data-src="frames/([^"]+)"', page)) == set(frames)
        for text in frames.values():
            assert not re.search(r'(?:src|href)="https?:', text)


def test_every_picture_and_every_figure_that_moves_is_on_a_slide() -> None:
    for chapter, page, frames in decks():
        outputs = [one.get("data", {}) for cell in chapter.before for one in cell.get("outputs", [])]
        assert page.count("<img alt=") == sum("image/png" in data for data in outputs)
        assert len(frames) == sum(
            "image/png" not in data and "<script" in data.get("text/html", "") for data in outputs
        )
    assert sum(len(frames) for _, _, frames in decks()) >= 20


def test_nothing_is_smaller_than_the_back_of_a_room_can_read() -> None:
    sizes = [int(size) for size in re.findall(r"(?:font-size|font): (\d+)px", slides.DECK_CSS)]
    assert min(sizes) >= slides.SMALLEST >= 18
    for _, page, _ in decks():
        for function in re.findall(r"<pre><code>(.*?)</code></pre>", page, re.S):
            assert len(function.splitlines()) <= slides.LINES


def test_no_solution_is_on_a_slide() -> None:
    for chapter, page, _ in decks():
        held = notebooks.squeezed(page)
        taught = notebooks.squeezed("\n".join(str(cell.source) for cell in chapter.before))
        for exercise in chapter.exercises:
            for line in notebooks.body_lines(exercise.solution.source):
                assert line not in held or line in taught


def test_sentences_and_lists() -> None:
    assert slides.sentences("One. Two is long. Three.", 10) == "One."
    assert slides.sentences("One. Two. Three.", 100) == "One. Two. Three."
    assert slides.bullets("You can\n\n- say\n  it;\n- do it.\n\nMore.") == ["say it", "do it"]
    assert slides.html("a $x_1 < 2$ b").strip() == r'<p>a <span class="math inline">\(x_1 &lt; 2\)</span> b</p>'
    assert "03_levels" not in slides.html("[Levels](03_levels.ipynb)")


def test_libraries_are_there_or_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = slides.library()
    assert {"reveal.js", "reveal.css", "notes.js", "tex-svg.js", "deck.css", "LICENSE-reveal.js.txt"} <= set(found)
    monkeypatch.setattr(slides.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(slides.MissingError, match=r"pip install 'fcos-edu\[book\]'"):
        slides.library()
