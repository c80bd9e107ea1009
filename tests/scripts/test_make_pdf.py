"""The book as one PDF: pages in the order of the table of contents, bookmarks, and what is missing is told."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
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


# As Sphinx and its themes have them; each keeps a block in one piece, which print.css takes back.
THEME = """
details.hide { overflow: hidden }
.cell_input, .highlight-python, .highlight { display: flex; flex-direction: column }
.highlight-python, .highlight { break-inside: avoid }
pre { overflow: auto }
pre .ln { display: block }
tr { height: 14mm }
.bd-main .bd-content table { break-inside: avoid }
.pst-scrollable-table-container { overflow-x: auto }
details[open] > summary ~ * { animation: fade-in 100s }
@keyframes fade-in { 0% { opacity: 0 } 100% { opacity: 1 } }
"""
STYLE = THEME + (make_pdf.ROOT / "book" / "_static" / "print.css").read_text("utf-8")


def printed_pages(chromium: Any, folder: Path, body: str) -> list[Any]:
    """The pages of a site of one page, with the theme's style and our own for paper."""
    (folder / "intro.html").write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><style>{STYLE}</style><main class="bd-main"><div class="bd-content">'
        f'<article class="bd-article"><h1>Page</h1>{body}</article></div></main>',
        "utf-8",
    )
    return list(PdfReader(io.BytesIO(make_pdf.make(chromium, folder, {"root": "intro"}))).pages)


def alphas(resources: Any) -> set[float]:
    """The opacities that a page draws with, its groups' too."""
    resources = resources.get_object()
    found = {float(state.get_object().get("/ca", 1)) for state in resources.get("/ExtGState", {}).values()}
    for group in resources.get("/XObject", {}).values():
        found |= alphas(group.get_object().get("/Resources", {}))
    return found


def test_a_solution_is_not_printed_while_it_fades_in(chromium: Any, tmp_path: Path) -> None:
    (page,) = printed_pages(
        chromium, tmp_path, "<details><summary>Solution</summary><p>Forty-two.</p></details><p>Words.</p>"
    )
    assert "Forty-two." in page.extract_text()
    assert alphas(page["/Resources"]) <= {1.0}


def test_a_long_table_begins_below_what_stands_before_it(chromium: Any, tmp_path: Path) -> None:
    rows = "".join(f"<tr><td>row {number}.</td></tr>" for number in range(60))
    table = f'<div class="pst-scrollable-table-container"><table>{rows}</table></div>'
    first, *_, last = printed_pages(chromium, tmp_path, f"{'<p>Words.</p>' * 12}{table}")
    assert "row 0." in first.extract_text() and "row 59." in last.extract_text()


def test_an_explorer_leaves_room_for_words(chromium: Any, tmp_path: Path) -> None:
    """On a screen it is four fifths as high as a page of paper."""
    explorer = '<div class="fcx" style="height: 800px">Drag it.</div>'
    pages = printed_pages(chromium, tmp_path, f"{'<p>Words.</p>' * 9}{explorer}")
    assert len(pages) == 1


@pytest.mark.parametrize(("width", "height", "printed"), [(600, 300, None), (600, 790, 88), (420, 630, 88)])
def test_letters_of_a_high_picture_can_be_read(
    chromium: Any, tmp_path: Path, width: int, height: int, printed: float | None
) -> None:
    """A picture of the book that is 88 mm wide has letters of six points; a low one is as wide as it was."""
    file = io.BytesIO()
    Image.effect_noise((width, height), 50).save(file, "png")
    source = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    (page,) = printed_pages(chromium, tmp_path, f'<figure style="margin: 0"><img src="{source}"></figure>')
    found: list[list[float]] = []

    def see(name: bytes, _: Any, matrix: list[float], __: Any) -> None:
        if name == b"Do":
            found.append(matrix)

    page.extract_text(visitor_operand_before=see)
    (matrix,) = found
    millimetres = abs(matrix[0]) * 25.4 / 72
    assert millimetres == pytest.approx(printed or width * 25.4 / 96, abs=1)
    assert abs(matrix[3]) / abs(matrix[0]) == pytest.approx(height / width, abs=0.01)


@pytest.mark.parametrize("fold", ["", ' class="admonition hide above-input" open'])
def test_long_code_begins_below_what_stands_before_it(chromium: Any, tmp_path: Path, fold: str) -> None:
    code = "\n".join(f"line_{number} = {number}" for number in range(55))
    cell = (
        '<div class="cell_input"><div class="highlight-python"><div class="highlight">'
        f"<pre>{code}</pre></div></div></div>"
    )
    if fold:
        cell = f"<details{fold}><summary>Solution</summary>{cell}</details>"
    closed = '<details class="hide"><summary>Code · Check</summary><p>Hidden.</p></details>'
    first, *_, last = printed_pages(chromium, tmp_path, f"{'<p>Words.</p>' * 20}{cell}{closed}")
    assert "line_0 = 0" in first.extract_text() and "line_54 = 54" in last.extract_text()
    assert "Code · Check" not in last.extract_text()  # a fold that cannot be opened on paper


@pytest.fixture(scope="module")
def full(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many short paragraphs fill the first page."""
    folder = tmp_path_factory.mktemp("full")
    return printed_pages(chromium, folder, "<p>Words.</p>" * 99)[0].extract_text().count("Words.")


@pytest.mark.parametrize(("room", "count"), [(0, 70), (1, 70), (3, 9), (3, 10)])
def test_a_line_of_code_does_not_stand_alone(chromium: Any, tmp_path: Path, full: int, room: int, count: int) -> None:
    """However much room is left, three lines are together at least, as book/_ext/code_lines.py writes them."""
    lines = "".join(f'<span class="ln">line_{number} = {number}\n</span>' for number in range(count))
    cell = f'<div class="cell_input"><div class="highlight"><pre><span></span>{lines}</pre></div></div>'
    body = f"{'<p>Words.</p>' * (full - room)}{cell}"
    pages = [page.extract_text().count("line_") for page in printed_pages(chromium, tmp_path, body)]
    assert sum(pages) == count and not {1, 2} & set(pages)


@pytest.mark.parametrize("room", [1, 2, 3])
def test_a_line_stays_with_the_table_that_it_announces(chromium: Any, tmp_path: Path, full: int, room: int) -> None:
    rows = "".join(f"<tr><td>row {number}.</td></tr>" for number in range(9))
    table = f'<p>On BCCD:</p><div class="pst-scrollable-table-container"><table>{rows}</table></div>'
    pages = printed_pages(chromium, tmp_path, f"{'<p>Words.</p>' * (full - room)}{table}")
    assert any("On BCCD:" in page.extract_text() and "row 0." in page.extract_text() for page in pages)


def test_a_detector_in_the_page_has_answered_before_the_page_is_printed(chromium: Any, tmp_path: Path) -> None:
    """As book/_look_inside/page.js says that it is busy, and that it is done."""
    body = """<div class="fcx look" data-busy="">At work.</div><script>setTimeout(() => {
      const look = document.querySelector(".look");
      look.textContent = "One person."; look.dataset.milliseconds = 9; delete look.dataset.busy;
    }, 1500)</script>"""
    (page,) = printed_pages(chromium, tmp_path, body)
    assert "One person." in page.extract_text()


def test_what_is_missing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make_pdf.main(["--site", str(tmp_path)]) == 1
    assert "make book" in capsys.readouterr().err
