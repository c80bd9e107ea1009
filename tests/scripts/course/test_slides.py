"""Slides: every chapter has a deck that opens from disk, with notes, nothing small, and no answer of an exercise."""

from __future__ import annotations

import base64
import io
import re
import struct
from functools import cache

import numpy as np
import pytest
from PIL import Image

from scripts.course import make_course, notebooks, slide_pages, slides
from scripts.course.chapter_notebooks import Chapter


@cache
def decks() -> list[tuple[Chapter, str, dict[str, str]]]:
    return [(chapter, *slides.deck(chapter, "Why?")) for chapter, _ in make_course.read_chapters()]


def test_every_chapter_has_a_deck_that_needs_no_network() -> None:
    assert len(decks()) == 16
    for chapter, page, frames in decks():
        count = len(re.findall(r"<section(?: class=\"(?:tall|full)\")?>", page))
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
        further = len(re.findall(r" \(Part [2-9] of \d\)", page))  # rows of a high picture
        assert page.count("<img alt=") - further == sum("image/png" in data for data in outputs)
        assert len(frames) == sum(
            "image/png" not in data and "<script" in data.get("text/html", "") for data in outputs
        )
    assert sum(len(frames) for _, _, frames in decks()) >= 20


def test_nothing_is_smaller_than_the_back_of_a_room_can_read() -> None:
    sheet = slide_pages.DECK_CSS.replace(
        ".reveal .controls { bottom: 4px; right: auto; left: 190px; font-size: 7px }", ""
    )  # arrows
    sizes = [int(size) for size in re.findall(r"(?:font-size|font): (\d+)px", sheet)]
    assert min(sizes) >= slides.SMALLEST >= 18
    assert 11 * slide_pages.ENLARGED >= 18, "the smallest letters of a figure that moves have 11 pixels"
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


def test_brackets_and_emphasis_end_where_they_begin() -> None:
    text = "Begin (it is *old. It was new* once. Now not.) and end. More."
    assert slides.sentences(text, 30) == "Begin (it is *old. It was new* once. Now not.) and end."
    assert slides.sentences("We ask *is it so? How?* Then go.", 12) == "We ask *is it so? How?*"
    assert not slides.open_marks("2 * 3 and `f(x` and $(0, 1]$ (a)") and slides.open_marks("a **b c")
    assert slides.sentences("One (" + "word " * 30 + ".)", 20) == "One ..."
    for chapter, page, _ in decks():
        for words in re.findall(r'<div class="(?:said|words)">(.*?)</div>\n<aside', page, re.S):
            seen = re.sub(r"<pre.*?</pre>|\\\(.*?\\\)|\\\[.*?\\\]|<code>.*?</code>|<[^>]*>", "", words, flags=re.S)
            assert seen.count("(") == seen.count(")") and not re.search(r"\*\w", seen), (chapter.stem, seen[:200])


def test_the_points_of_a_list_stay_apart() -> None:
    text = "Lead:\n\n- one\n  more;\n- two.\n\n1. first\n2. second\n\nEnd."
    assert slides.paragraphs(text) == ["Lead:", "- one more;", "- two.", "1. first", "2. second", "End."]
    assert slides.prose(text) == ["Lead:", "End."] and slides.bullets("- a\n\n- b\n\nc") == ["a", "b"]
    assert slides.shared_out(["a", "b", "c", "d", "e", "f"], 5) == [["a", "b", "c"], ["d", "e", "f"]], "none alone"
    assert (
        "ol { list-style: decimal }" in slide_pages.DECK_CSS
        and "ol.choices { list-style: upper-alpha }" in slide_pages.DECK_CSS
    )
    for chapter, page, _ in decks():
        assert not re.search(r"<li>[^<]*\. - ", page), chapter.stem


def test_no_slide_is_nearly_empty_or_too_full() -> None:
    for chapter, page, _ in decks():
        bodies = re.findall(r'<div class="words">(.*?)</div>\n<aside', page, re.S)
        assert len(bodies) >= 8
        for body in bodies:
            assert slides.height(body) <= slides.ROOM or "class=" not in body, (chapter.stem, body[:300])
        # Words that lead to something stand with it: a slide of two lines is rare.
        short = [body for body in bodies if slides.height(body) < 100]
        assert len(short) <= 0.2 * page.count("<section"), (chapter.stem, short)


def test_a_picture_stands_where_it_is_largest() -> None:
    def picture(width: int, height: int, words: str) -> slides.Slide:
        return slides.Slide("T", words, kind="picture", shown="<img>", shape=(width, height))

    assert slides.beside(picture(480, 480, "<p>A square.</p>"))
    assert not slides.beside(picture(700, 280, "<p>A wide one.</p>"))
    wide, high, large = picture(880, 250, "<p>W</p>"), picture(640, 400, f"<p>{'w ' * 140}</p>"), picture(350, 160, "")
    assert [slides.layout(one) for one in (wide, high, large)] == ["between", "full", "between"]
    assert slides.layout(picture(640, 426, "")) == "full", "a picture without words, too"
    assert wide.body == "<p>W</p>" and not high.body, "words stay where they cost a picture nothing"
    assert not slides.beside(picture(480, 480, f"<p>{'words ' * 60}</p>")), "they have no room there"
    words, code = slides.Slide("T", "<p>Lead.</p>", ["said"]), slides.Slide("T", "<pre>f</pre>", ["more"], "code")
    other = slides.Slide("Another", "<pre>g</pre>", kind="code")
    made = slides.joined([words, code, other])
    assert [(one.body, one.notes) for one in made] == [
        ("<p>Lead.</p><pre>f</pre>", ["said", "more"]),
        ("<pre>g</pre>", []),
    ]


def test_letters_of_a_picture_can_be_read_at_the_back_of_a_room() -> None:
    """Figures have letters of 9 or 10 points, 12.5 or 14 pixels: nearly all are enlarged until these have 18."""
    rooms = {"tall": slides.BESIDE, "full": slides.ALONE}
    small, total = [], 0
    for chapter, page, _ in decks():
        for kind, body in re.findall(r'<section(?: class="(\w+)")?>(.*?)</section>', page, re.S):
            found = re.search(r'<img alt="(.*?)" src="data:image/png;base64,([^"]{64})', body, re.S)
            if found is None:
                continue
            width, height = struct.unpack(">II", base64.b64decode(found[2])[16:24])
            letters = [len(re.sub("<[^>]*>", "", one)) for one in re.findall(r'<div class="said">(.*?)</div>', body)]
            room = rooms.get(kind, (1208, 590 - 38 * sum(-(-one // 92) for one in letters)))
            scale, total = min(room[0] / width, room[1] / height), total + 1
            if scale < 1.29:
                small.append((chapter.stem, round(scale, 2), (width, height)))
    assert total > 90 and len(small) <= 0.05 * total and min(one[1] for one in small) > 1.2, small


def test_a_high_picture_comes_in_rows() -> None:
    def png(image: np.ndarray) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "PNG")
        return stream.getvalue()

    drawn = np.full((300, 200, 3), 255, np.uint8)
    for top in (5, 105, 205):
        drawn[top : top + 80, 10:190] = top
    parts = [np.asarray(Image.open(io.BytesIO(one))) for one in slides.split(png(drawn))]
    assert (np.concatenate(parts) == drawn).all() and [one.shape[0] for one in parts] == [95, 100, 105]
    drawn[:, 100] = 0  # a line through all rows: nothing may be cut
    assert slides.split(png(drawn)) == [png(drawn)]
    assert slides.split(png(drawn[:200])) == [png(drawn[:200])], "a wide one has room"


def test_what_leads_to_something_else_is_no_caption() -> None:
    assert slides.caption("Both rise steeply at first. Then they part. Now the same for boxes:", 170) == (
        "<p>Both rise steeply at first. Then they part.</p>\n"
    )
    assert slides.caption("Look at this loss for four targets:", 170) == slides.caption("Now climb.", 170) == ""
    assert slides.caption("Now move the slider to the right, slowly.", 170) == ""


def test_words_below_a_figure_that_moves_take_one_line_at_most() -> None:
    assert ".fragment { transition: none }" in slide_pages.DECK_CSS, "letters that grow slowly cannot be measured"
    for chapter, page, frames in decks():
        for body, name in re.findall(
            r'<div class="shown">(<div class="moving">.*?frames/(\S+?)".*?)\n<aside', page, re.S
        ):
            words = re.sub(r"<[^>]*>", "", body).strip()
            assert len(words) <= 95, (chapter.stem, words)
            assert "fcx-frames" in frames[name] or not words, "an explorer has words of its own"


def test_the_list_of_decks_leads_to_every_section() -> None:
    page = "<section>\n<h1>T</h1></section>" + "".join(f"<section class='tall'>\n<h2>{h}</h2></section>" for h in "AAB")
    assert slides.contents(page) == [("T", 0, 1), ("A", 1, 2), ("B", 3, 1)]
    row = slides.listed_deck("x.html", "T", slides.contents(page))
    assert '<a href="x.html#/1">A</a> (2)' in row and '<a href="x.html#/3">B</a> (1)' in row and ">4 slides<" in row
    for _, page, _ in decks():
        assert sum(count for _, _, count in slides.contents(page)) == page.count("<aside class='notes'>")


def test_libraries_are_there_or_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = slides.library()
    assert {"reveal.js", "reveal.css", "notes.js", "tex-svg.js", "deck.css", "LICENSE-reveal.js.txt"} <= set(found)
    monkeypatch.setattr(slides.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(slides.MissingError, match=r"pip install 'fcos-edu\[book\]'"):
        slides.library()
