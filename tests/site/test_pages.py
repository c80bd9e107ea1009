"""The built site in a real browser, opened from the disk, with the network off: ``make book``, then ``make browser``.

Every page loads without a script error and asks nobody outside for anything; formulas are drawn; nothing is blank; what
moves moves; quizzes answer; no page is wider than a telephone; links lead somewhere.
"""

from __future__ import annotations

import functools
import http.server
import re
import threading
from collections.abc import Iterable, Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import axe_playwright_python
import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "book" / "_build" / "html"
# index.html only sends the reader on to the first page.
PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.rglob("*.html")
    if "_static" not in path.parts and path != SITE / "index.html"
)
# Pages made of the package's source are one template with other text: a few are opened, the texts of all are laid out
# in one of them, and all their links are read.
MADE = [name for name in PAGES if name.startswith(("api/", "_modules/"))]
OPENED = [name for name in PAGES if name not in MADE] + MADE[::20]
WIDE, TELEPHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
NARROWEST = {"width": 360, "height": 740}  # of telephones that many have

# Which frame of a figure is seen.
FRAME = """(figure) => [...figure.querySelectorAll(".fcx-pile > img")]
  .findIndex((frame) => frame.checkVisibility({ visibilityProperty: true }))"""

# Blocks of code and text in which one would have to scroll to the side.
CUT = """() => [...document.querySelectorAll("article pre")]
  .filter((block) => block.checkVisibility() && block.scrollWidth > block.clientWidth + 1)
  .map((block) => `${block.scrollWidth} pixels in ${block.clientWidth}: ${block.innerText.slice(0, 200)}`)"""

# What reaches beyond the right edge of the window, unless a block that scrolls holds it.
WIDER = """() => {
  if (document.documentElement.scrollWidth <= window.innerWidth) return [];
  const held = (node) => node.parentElement && (
    getComputedStyle(node.parentElement).overflowX !== "visible" || held(node.parentElement));
  const found = [...document.body.querySelectorAll("*")]
    .filter((node) => node.getBoundingClientRect().right > window.innerWidth + 1 && !held(node))
    .slice(0, 5).map((node) => node.outerHTML.slice(0, 120));
  return [`${document.documentElement.scrollWidth - window.innerWidth} pixels wider than the screen`, ...found];
}"""

# Pictures of chapters that leave room at their sides. A solution has a line at its left.
NARROW = """() => [...document.querySelectorAll(".cell_output :is(figure, .fcx-pile) > img")]
  .filter((image) => image.checkVisibility() && image.naturalWidth >= window.innerWidth)
  .filter((image) => image.getBoundingClientRect().width < window.innerWidth - (image.closest("details") ? 20 : 1))
  .map((image) => `${image.getBoundingClientRect().width} pixels: ${image.alt}`)"""

# Tables of which one would have to scroll a part into view, also those that are folded away.
SCROLLED = """() => {
  const folded = [...document.querySelectorAll("article details:not([open])")];
  for (const each of folded) each.open = true;
  const around = (node) => node.matches("article") ? [] : [node, ...around(node.parentElement)];
  const found = [...document.querySelectorAll("article table")]
    .flatMap((table) => around(table).filter((node) => node.scrollWidth > node.clientWidth + 1
      && (node === table || getComputedStyle(node).overflowX !== "visible")))
    .map((frame) => `${frame.scrollWidth} pixels in ${frame.clientWidth}: ${frame.innerText.slice(0, 200)}`);
  for (const each of folded) each.open = false;
  return found;
}"""

# Formulas of which a part has to be scrolled into view, also those that are folded away.
LONG = """async () => {
  await window.MathJax?.startup?.promise;
  const folded = [...document.querySelectorAll("article details:not([open])")];
  for (const each of folded) each.open = true;
  const found = [...document.querySelectorAll("article mjx-container mjx-math")]
    .map((formula) => [formula.getBoundingClientRect().right, formula])
    .filter(([right]) => right > window.innerWidth)
    .map(([right, formula]) => `${Math.round(right)} pixels: ${formula.textContent.slice(0, 80)}`);
  for (const each of folded) each.open = false;
  return found;
}"""

# Of each table with cards: each column's head, and of its cells what they say and what stands before them (custom.css).
CARDS = """() => [...document.querySelectorAll("article table.cards")].map((table) =>
  [...table.querySelectorAll("thead th")].map((head, column) => [head.textContent.trim(),
    [...table.querySelectorAll(`tbody tr > :nth-child(${column + 1})`)].map((cell) =>
      [cell.textContent.trim(), getComputedStyle(cell, "::before").content])]))"""

HEAVIEST = 2_500_000  # bytes of a page and of all that it loads
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
# Text of the same colours, size and weight on the same ground has the same contrast: one element of each kind is enough
# and saves most of the time.
KINDS_OF_TEXT = """() => {
  const grounds = new Map();
  const ground = (node) => {
    if (!node) return "";
    if (!grounds.has(node)) {
      const { backgroundColor, backgroundImage, opacity } = getComputedStyle(node);
      const own = `${backgroundColor} ${backgroundImage} ${opacity}`;
      const covers = /^rgb\\(/.test(backgroundColor) && backgroundImage === "none" && opacity === "1";
      const empty = backgroundColor === "rgba(0, 0, 0, 0)" && backgroundImage === "none" && opacity === "1";
      grounds.set(node, covers ? own : `${empty ? "" : own + " on "}${ground(node.parentElement)}`);
    }
    return grounds.get(node);
  };
  const seen = new Set();
  for (const node of document.body.querySelectorAll("*")) {
    node.removeAttribute("data-kind-of-text");
    const says = [...node.childNodes].some((each) => each.nodeType === 3 && each.data.trim());
    if (!says || !node.checkVisibility()) continue;
    const { color, fontSize, fontWeight, position } = getComputedStyle(node);
    const kind = [color, fontSize, fontWeight, position, ground(node)].join("; ");
    if (!seen.has(kind)) node.setAttribute("data-kind-of-text", "");
    seen.add(kind);
  }
  axe.configure({ rules: [{ id: "color-contrast", selector: "[data-kind-of-text]" }] });
}"""
# Preloading would ask for the style sheets once more, which a page from the disk may not.
SERIOUS = """(rules) => axe.run(document, {
  resultTypes: ["violations"], preload: false, ...(rules && { runOnly: rules }),
}).then((found) => found.violations
  .filter((each) => ["serious", "critical"].includes(each.impact))
  .map((each) => `${each.id} (${each.nodes.length}): ${each.nodes[0].html.slice(0, 200)} ` +
    each.nodes[0].any.concat(each.nodes[0].all).map((why) => why.message).join("; ")))"""
OF_COLOURS = ["color-contrast", "link-in-text-block"]


def test_the_book_is_built() -> None:
    assert PAGES, f"{SITE} holds no page; run `make book` first"


class Visit:
    """A page from the disk without a network, and what went wrong there."""

    def __init__(self, page: Any) -> None:
        self.page, self.faults, self.name, self.size = page, [], "", page.viewport_size
        self.files: set[Path] = set()
        page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        page.on("console", lambda m: self.faults.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("request", lambda request: self._outside(request.url))
        page.on("requestfailed", lambda request: self.faults.append(f"not loaded: {request.url}"))

    def _outside(self, url: str) -> None:
        if url.startswith("file:"):
            self.files.add(Path(unquote(urlsplit(url).path)))
        if not url.startswith(("file:", "data:", "blob:")):
            self.faults.append(f"asked for {url}")

    def open(self, name: str) -> Any:
        """Go to a page, unless we are there; the window as it was made."""
        self.page.set_viewport_size(self.size)
        if name == self.name:
            return self.page
        self.name = name
        self.faults.clear()
        self.files.clear()
        self.page.goto((SITE / name).as_uri())
        # MathJax is the last to be ready; a page without formulas does not have it.
        self.page.wait_for_function("!document.querySelector('.math') || window.MathJax?.startup?.promise")
        self.page.evaluate("window.MathJax?.startup?.promise.then(() => 0)")
        self.settle()
        return self.page

    def settle(self) -> None:
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


@pytest.fixture(scope="module")
def visits(chromium: Any) -> Iterator[dict[int, Visit]]:
    """One visitor at a desk and one with a telephone, for all pages."""
    contexts = {
        size["width"]: chromium.new_context(viewport=size, offline=True, has_touch=size is TELEPHONE)
        for size in (WIDE, TELEPHONE)
    }
    for context in contexts.values():
        context.set_default_timeout(180_000)  # whatever else the machine does
    yield {width: Visit(context.new_page()) for width, context in contexts.items()}
    for context in contexts.values():
        context.close()


@pytest.fixture
def visit(visits: dict[int, Visit], name: str) -> Iterator[Visit]:
    """At a desk; whatever goes wrong while a page loads, or during a test, fails it."""
    visits[1280].open(name)
    yield visits[1280]
    faults, visits[1280].faults = visits[1280].faults, []
    assert not faults


# One page after the other, so that each is loaded once.
@pytest.mark.parametrize("name", OPENED, scope="class")
class TestPage:
    def test_loads_alone_and_nothing_is_blank(self, visit: Visit, name: str) -> None:
        page = visit.page
        assert any(text.strip() for text in page.locator("main h1, main h2").all_inner_texts())
        blank = page.evaluate(
            """() => {
              const shown = (node) => node.checkVisibility();
              const name = (node) => node.outerHTML.slice(0, 160);
              const faults = [];
              for (const output of document.querySelectorAll(".cell_output")) {
                const box = output.getBoundingClientRect();
                if (shown(output) && box.height < 12) faults.push(`empty output: ${name(output)}`);
              }
              for (const image of document.querySelectorAll("article img")) {
                const there = image.complete && image.naturalWidth > 0;
                if (shown(image) && !there) faults.push(`no picture: ${name(image)}`);
              }
              const views = document.querySelectorAll('script[type^="application/vnd.jupyter.widget"]').length;
              if (views) faults.push(`${views} widgets that need a kernel`);
              const still = document.querySelectorAll(".fcx-still, .fcx:not([data-alive])");
              faults.push(...[...still].map(name));
              return faults;
            }"""
        )
        assert not blank, "\n".join(blank)

    def test_every_formula_is_drawn(self, visit: Visit, name: str) -> None:
        bad = visit.page.evaluate(
            """() => [...document.querySelectorAll(".math")]
              .filter((node) => !node.querySelector("mjx-container") || node.querySelector("mjx-merror"))
              .map((node) => node.textContent.slice(0, 120))"""
        )
        assert not bad, "\n".join(bad)

    def test_what_moves_moves(self, visit: Visit, name: str) -> None:
        page = visit.page
        for number in range(page.locator(".fcx-frames").count()):
            figure = page.locator(".fcx-frames").nth(number)
            if not figure.is_visible():
                continue
            slider = figure.locator("input[type=range]").first
            slider.focus()
            seen = []
            for key in ("Home", "ArrowRight", "End"):
                page.keyboard.press(key)
                visit.settle()
                seen.append(figure.evaluate(FRAME))
            last = figure.locator(".fcx-pile > img").count() - 1
            assert seen == [0, 1, last], f"figure {number}"
        for number in range(page.locator(".fcx:not(.fcx-frames)").count()):
            explorer = page.locator(".fcx:not(.fcx-frames)").nth(number)
            if not explorer.is_visible():
                continue
            before = explorer.inner_html()
            control = explorer.locator("[role=application], [role=slider], input[type=range]:enabled").first
            control.focus()
            page.keyboard.press("ArrowRight")
            visit.settle()
            assert explorer.inner_html() != before, f"explorer {number} does not answer the keyboard"

    def test_quizzes_answer(self, visit: Visit, name: str) -> None:
        page = visit.page
        quizzes, questions = page.locator("[data-shufflequestions]"), page.locator(".Quiz")
        assert questions.count() >= quizzes.count(), "a quiz without questions"
        for number in range(questions.count()):
            question = questions.nth(number)
            feedback = question.locator(".Feedback").first
            assert not feedback.inner_text().strip()
            choices = question.locator("label.MCButton")
            if choices.count() and number % 2:
                choices.first.click()
            elif choices.count():
                choices.first.locator("input").focus()
                page.keyboard.press("Space")
            else:
                question.locator("input").first.fill("1")
                question.locator("input").first.press("Enter")
            visit.settle()
            assert feedback.inner_text().strip(), f"question {number} stays silent"

    def test_links_inside_the_site_lead_somewhere(self, visit: Visit, name: str) -> None:
        assert not broken(visit.page.evaluate("[...document.querySelectorAll('a[href]')].map((a) => a.href)"))

    def test_every_picture_says_what_is_seen(self, visit: Visit, name: str) -> None:
        unsaid = visit.page.evaluate(
            """() => [...document.querySelectorAll("article img")]
              .map((image) => image.getAttribute("alt"))
              .filter((alt) => alt === null || /[0-9a-f]{16}|\\.(png|svg|webp|jpe?g)$/.test(alt))"""
        )
        assert not unsaid

    def test_is_light(self, visit: Visit, name: str) -> None:
        """All that is loaded at once, beside the weights of detectors."""
        files = [path for path in visit.files if "look_inside" not in path.parts or path.suffix != ".js"]
        weight = sum(path.stat().st_size for path in files)
        heavy = sorted(((path.stat().st_size, path.name) for path in files), reverse=True)[:5]
        assert weight <= HEAVIEST, f"{weight / 1e6:.2f} MB; the largest: {heavy}"

    def test_axe_finds_nothing_serious(self, visit: Visit, name: str) -> None:
        """In light and in dark colours."""
        page = visit.page
        page.evaluate(AXE)
        page.add_style_tag(content="* { transition: none !important }")  # or colours are on their way between themes
        for theme, rules in (("light", None), ("dark", OF_COLOURS)):
            page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
            page.evaluate(KINDS_OF_TEXT)
            found = page.evaluate(SERIOUS, rules)
            assert not found, theme + "\n" + "\n".join(found)
        page.evaluate("() => { document.documentElement.dataset.theme = 'light'; }")

    def test_no_line_of_code_and_no_output_is_cut(self, visit: Visit, name: str) -> None:
        assert not visit.page.evaluate(CUT)

    def test_nothing_is_wider_than_a_telephone(self, visits: dict[int, Visit], name: str) -> None:
        visit = visits[390]
        page = visit.open(name)
        assert not page.evaluate(WIDER)
        assert not page.evaluate(CUT)
        assert not visit.faults

    def test_pictures_are_as_wide_as_a_telephone(self, visits: dict[int, Visit], name: str) -> None:
        assert not visits[390].open(name).evaluate(NARROW)

    def test_no_formula_is_longer_than_a_telephone_is_wide(self, visits: dict[int, Visit], name: str) -> None:
        assert not visits[390].open(name).evaluate(LONG)

    def test_no_table_scrolls_to_the_side_on_a_telephone(self, visits: dict[int, Visit], name: str) -> None:
        page = visits[390].open(name)
        assert not page.evaluate(SCROLLED)
        page.set_viewport_size(NARROWEST)
        assert not page.evaluate(SCROLLED)


def test_rows_of_wide_tables_are_cards_on_a_telephone(visits: dict[int, Visit]) -> None:
    """Each cell has the name of its column before it there; at a desk it is in a table as before."""
    pages = [name for name in OPENED if 'class="cards ' in (SITE / name).read_text("utf-8")]
    assert {"teaching/plans.html", "reproduction.html", "notebooks/14_coco.html"} <= set(pages)
    for name in pages:
        for columns in visits[390].open(name).evaluate(CARDS):
            for number, (head, cells) in enumerate(columns):
                title = number == 0 and " " in head  # too long to stand before the title of a card
                for text, label in cells:
                    # Not read out, as the column has that name already: / "".
                    said = f'"{head}" / ""' if head and text and not title else "none"
                    assert label == said, f"{name}: {text}"
        told = [label for table in visits[1280].open(name).evaluate(CARDS) for _, cells in table for _, label in cells]
        assert set(told) == {"none"}, name


def test_a_table_of_cards_is_a_table_for_those_who_do_not_see_it(visits: dict[int, Visit]) -> None:
    """With the names of its columns, which nobody sees there."""
    table = visits[390].open("teaching/capstone.html").locator("table.cards").first
    told = table.aria_snapshot()
    heads = table.locator("thead th").all_inner_texts()
    assert heads and [head.strip() for head in re.findall(r"- columnheader \"([^\"]*)\"", told)] == heads
    rows, columns = table.locator("tbody tr").count(), len(heads)
    assert told.count("- row ") == rows + 1 and told.count("- cell ") == rows * columns
    assert visits[1280].open("teaching/capstone.html").locator("table.cards").first.aria_snapshot() == told


@pytest.mark.parametrize("width", [1280, 390])
def test_what_is_made_of_the_source_fits(visits: dict[int, Visit], width: int) -> None:
    """The article of each such page, in the place of another's: laid out as on its own page."""
    page = visits[width].open(MADE[0])
    for name in MADE:
        article = re.search(r"<article\b[^>]*>(.*)</article>", (SITE / name).read_text("utf-8"), re.DOTALL)
        assert article, name
        page.evaluate("(text) => { document.querySelector('article').innerHTML = text; }", article.group(1))
        assert not page.evaluate(WIDER), name
        assert not page.evaluate(CUT), name
    visits[width].name = ""  # the page is no longer what it was


def broken(links: Iterable[str]) -> list[str]:
    """Those of the addresses on this disk that lead to no file, or to no place in it."""
    faults = []
    for link in links:
        parts = urlsplit(link)
        if parts.scheme != "file":
            continue
        target = Path(unquote(parts.path))
        if not target.is_file():
            faults.append(link)
        elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in names_in(target):
            faults.append(link)
    return faults


def test_links_of_what_is_made_of_the_source() -> None:
    for page in MADE:
        text = (SITE / page).read_text("utf-8")
        links = [unescape(link) for link in re.findall(r"<a\b[^>]*?\bhref=\"([^\"]*)\"", text)]
        assert links and not broken(urljoin((SITE / page).as_uri(), link) for link in links), page


@functools.cache
def names_in(page: Path) -> set[str]:
    """Every place of a page that a link can name."""
    return set(re.findall(r"\b(?:id|name)=\"([^\"]+)\"", page.read_text("utf-8"))) | {"top"}


# Search needs a server: from a disk no browser lets a script read other pages.


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize("word", ["stride", "ambiguous", "anchor"])
def test_search_finds(chromium: Any, address: str, word: str) -> None:
    page = chromium.new_page()
    page.set_default_timeout(180_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda r: faults.append(r.url) if not r.url.startswith((address, "data:")) else None)
    page.goto(f"{address}/search.html?q={word}")
    page.locator("#search-results ul.search li a").first.wait_for()
    assert page.locator("#search-results ul.search li").count() >= 1
    page.close()
    assert not faults
