"""A deck of slides for each chapter, from the chapter itself; it opens from disk, without a network.

Pictures, formulas, short functions and figures that move become slides; the words around them become speaker notes (key
S). reveal.js comes from the wheel of sphinx-revealjs and MathJax from that of sphinx-mathjax-offline, both in the extra
``book``; they are copied beside the decks. A figure that moves is a page of its own in a frame: its arrow keys move the
figure while it has the focus, and the slides else.
"""

from __future__ import annotations

import importlib.util
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode

from scripts.course import notebooks
from scripts.course.chapter_notebooks import Chapter, asked_in

LINES = 14  # of a function that fits on a slide
SMALLEST = 20  # pixels at 1280 x 720

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="lib/reset.css">
<link rel="stylesheet" href="lib/reveal.css">
<link rel="stylesheet" href="lib/deck.css">
</head>
<body>
<div class="reveal"><div class="slides">
{slides}
</div></div>
<script>
window.MathJax = {{tex: {{inlineMath: [["\\\\(", "\\\\)"]]}}, svg: {{fontCache: "global"}},
  options: {{enableMenu: false}}}};</script>
<script src="lib/tex-svg.js"></script>
<script src="lib/reveal.js"></script>
<script src="lib/notes.js"></script>
<script>
Reveal.initialize({{width: 1280, height: 720, margin: 0.03, center: false, hash: true, slideNumber: "c/t",
  transition: "none", plugins: [RevealNotes]}});
</script>
</body>
</html>
"""
_FRAME = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title>
<style>
html {{ zoom: 1.5 }}
html, body {{ overflow: hidden }}
body {{ margin: 0; font: 16px/1.4 system-ui, sans-serif; background: #fff; color: #1a1a1a }}
.fcx {{ margin: 0 auto !important; max-width: none !important; padding: 8px 12px !important; border: 0 !important }}
.fcx-hint, .fcx-say {{ display: none }}
.fcx .fcx-ranking {{ height: 170px }}
</style>
</head>
<body>
{body}
<script>
// The drawing gets narrower, then the whole a little smaller, until all of the figure is seen.
addEventListener("load", () => {{
  const parts = document.querySelectorAll(".fcx-stage, .fcx-pile");
  const over = () => document.body.getBoundingClientRect().bottom > innerHeight;
  for (const zoom of [1.5, 1.4, 1.3]) {{
    document.documentElement.style.zoom = zoom;
    for (let width = 100; width > 34; width -= 3) {{
      for (const part of parts) part.style.maxWidth = `${{width}}%`;
      if (!over()) return;
    }}
  }}
  document.documentElement.style.overflow = document.body.style.overflow = "auto";
}});
</script>
</body>
</html>
"""
DECK_CSS = """\
.reveal { font: 28px/1.35 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; color: #1a1a1a }
body { background: #fff }
.reveal .slides { text-align: left }
.reveal .slides section { height: 100%; box-sizing: border-box; padding: 8px 24px }
.reveal h1 { font-size: 60px; line-height: 1.15; margin: 150px 0 30px }
.reveal h2 { font-size: 38px; line-height: 1.2; margin: 0 0 18px; color: #1b3a5c }
.reveal p, .reveal li { margin: 0 0 14px }
.reveal ul, .reveal ol { padding-left: 1.2em; margin: 0 }
.reveal ul { list-style: disc } .reveal ol { list-style: upper-alpha }
.reveal pre { font: 21px/1.35 ui-monospace, "DejaVu Sans Mono", Consolas, monospace; background: #f3f4f6; padding: 16px;
  white-space: pre-wrap; margin: 0 0 16px }
.reveal code { font-family: ui-monospace, "DejaVu Sans Mono", Consolas, monospace; font-size: .92em }
.reveal img { display: block; max-width: 1200px; max-height: 500px; min-height: 320px; margin: 0 auto 12px;
  object-fit: contain }
.reveal iframe { display: block; width: 1230px; height: 590px; border: 0 }
.reveal .caption { font-size: 24px; color: #333 }
.reveal .formula { font-size: 34px; margin: 30px 0 }
.reveal a { color: #0b57a4 }
.reveal .slide-number { font-size: 20px; color: #444; background: none; right: auto; left: 16px }
.reveal strong { font-weight: 700 } .reveal em { font-style: italic }
"""


@dataclass
class Slide:
    """One slide: what is seen, and what is said."""

    title: str
    body: str
    notes: list[str] = field(default_factory=list)


class MissingError(OSError):
    """A package that the slides need is not installed."""


def library() -> dict[str, bytes]:
    """reveal.js, its notes, its licence, MathJax and our sheet: file name and content.

    Raises:
        MissingError: a package is not there; it is named.
    """
    found = importlib.util.find_spec("sphinx_revealjs")
    if found is None or not found.submodule_search_locations:
        raise MissingError("slides need reveal.js, which comes with sphinx-revealjs: pip install 'fcos-edu[book]'")
    reveal = Path(found.submodule_search_locations[0]) / "_static" / "revealjs"
    mathjax = Path(sysconfig.get_path("purelib")) / "sphinx-mathjax-offline" / "static" / "mathjax" / "tex-svg.js"
    paths = {
        "reveal.js": reveal / "dist" / "reveal.js", "reveal.css": reveal / "dist" / "reveal.css",
        "reset.css": reveal / "dist" / "reset.css", "notes.js": reveal / "plugin" / "notes" / "notes.js",
        "LICENSE-reveal.js.txt": reveal / "LICENSE", "tex-svg.js": mathjax,
    }  # fmt: skip
    if missing := [str(path) for path in paths.values() if not path.is_file()]:
        raise MissingError(f"slides need {missing[0]}, which is not there: pip install --upgrade 'fcos-edu[book]'")
    return {name: path.read_bytes() for name, path in paths.items()} | {"deck.css": DECK_CSS.encode()}


# ---- words ----------------------------------------------------------------------------------------------------


def _markdown() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False}).enable("table")
    made.use(dollarmath_plugin, renderer=lambda source, options: _formula(source, bool(options["display_mode"])))
    return made


def _formula(source: str, display: bool) -> str:
    return f"\\[{escape(source)}\\]" if display else f"\\({escape(source)}\\)"


MARKDOWN = _markdown()


def html(text: str) -> str:
    """Markdown with formulas as HTML; links to other files are words."""
    return str(MARKDOWN.render(notebooks.LINK.sub(lambda match: match[1], text)))


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a cell, without headings, tables, fences and quotes."""
    found = re.split(r"\n\s*\n", re.sub(r"```.*?```|<details>.*?</details>", "", text, flags=re.S))
    return [" ".join(one.split()) for one in found if one.strip() and not one.lstrip().startswith(("#", "|", ">", "<"))]


def sentences(text: str, most: int) -> str:
    """Whole sentences from the beginning of a text, up to so many letters; the first one always."""
    parts = re.split(r"(?<=[.?!:])\s+(?=[A-Z*\[`$])", text)
    kept = parts[0]
    for part in parts[1:]:
        if len(kept) + len(part) + 1 > most:
            break
        kept += " " + part
    return kept if len(kept) <= 2 * most else kept[: 2 * most].rsplit(" ", 1)[0] + " ..."


def bullets(text: str) -> list[str]:
    """The items of the first list of a text."""
    block = re.search(r"^- .*?(?=\n\s*\n|\Z)", text, re.M | re.S)
    return [" ".join(one.split()).rstrip(";.") for one in re.split(r"^- ", block[0], flags=re.M)[1:]] if block else []


def listed(items: list[str]) -> str:
    """A list."""
    return (
        "<ul>"
        + "".join(f"<li>{html(one).removeprefix('<p>').strip().removesuffix('</p>')}</li>" for one in items)
        + "</ul>"
    )


# ---- slides ---------------------------------------------------------------------------------------------------


def deck(chapter: Chapter, question: str) -> tuple[str, dict[str, str]]:
    """The page of a chapter's deck, and the pages of its figures that move: file name and content."""
    frames: dict[str, str] = {}
    first = paragraphs(chapter.before[0].source)
    opening = Slide(chapter.title, f"<p>{escape(question)}</p>", first)
    slides = [opening, *objectives(chapter)]
    title, spoken = chapter.title, list[str]()
    for place, cell in enumerate(chapter.before[2:], start=2):
        if "colab" in notebooks.tags(cell):
            continue
        if cell.cell_type == "markdown":
            made, title = of_text(cell, title, spoken)
            slides += made
            continue
        for slide in of_code(cell, title, frames, chapter):
            after = chapter.before[place + 1] if place + 1 < len(chapter.before) else None
            said = paragraphs(after.source) if after is not None and after.cell_type == "markdown" else []
            goes_on = after is not None and not after.source.startswith("#")
            if said and goes_on and "<pre>" not in slide.body:
                slide.body += f'<div class="caption">{html(sentences(said[0], 170))}</div>'
            slide.notes = [*spoken, *said] or [f"Let the class say what it sees before you do: {title}."]
            spoken.clear()
            slides.append(slide)
    slides += quiz(chapter)
    page = "\n".join(section(slide, chapter.title) for slide in slides)
    return _PAGE.format(title=escape(chapter.title), slides=page), frames


def section(slide: Slide, chapter: str) -> str:
    """A slide as reveal.js has it; the notes as paragraphs."""
    head = (
        f"<h1>{escape(slide.title)}</h1>"
        if slide.title == chapter and "<p>" in slide.body[:3]
        else f"<h2>{_words(slide.title)}</h2>"
    )
    notes = "".join(html(one) for one in slide.notes) or "<p>Ask first, then show.</p>"
    return f"<section>\n{head}\n{slide.body}\n<aside class='notes'>{notes}</aside>\n</section>"


def _words(text: str) -> str:
    """A heading, in which "1." begins no list."""
    return str(MARKDOWN.renderInline(text))


def objectives(chapter: Chapter) -> Iterator[Slide]:
    """What one can do afterwards, at most five to a slide."""
    items = bullets(chapter.before[1].source)
    for start in range(0, len(items), 5):
        yield Slide(
            "After this chapter you can", listed(items[start : start + 5]), paragraphs(chapter.before[1].source)[-2:]
        )


def of_text(cell: NotebookNode, title: str, spoken: list[str]) -> tuple[list[Slide], str]:
    """Slides of a cell of text: its heading, its formula, the summary; all else is spoken before the next slide."""
    source, made = str(cell.source), []
    said = paragraphs(re.sub(r"\$\$.*?\$\$", "", source, flags=re.S))
    heading = re.search(r"^##+ (.+)$", source, re.M)
    if heading:
        behind = source[heading.end() :]
        title = heading[1].strip()
        if title.startswith("Summary"):
            items = bullets(behind)
            made += [Slide(title, listed(items[i : i + 4]), said) for i in range(0, len(items), 4)]
            spoken.clear()
            return made, title
        lead = paragraphs(re.sub(r"\$\$.*?\$\$", "", behind, flags=re.S))
        if lead:
            made.append(Slide(title, html(sentences(lead[0], 260)), [*spoken, *lead]))
            spoken.clear()
            said = []
    formulas = [_formula(" ".join(one.split()), True) for one in re.findall(r"\$\$(.*?)\$\$", source, re.S)]
    if formulas and not made:
        made.append(Slide(title, html(sentences(said[0], 220)) if said else "", [*spoken, *said]))
        spoken.clear()
    if formulas:
        made[-1].body += "".join(f'<div class="formula">{one}</div>' for one in formulas)
    if not made:
        spoken += said
    return made, title


def of_code(cell: NotebookNode, title: str, frames: dict[str, str], chapter: Chapter) -> Iterator[Slide]:
    """Slides of a cell of code: its pictures, its figure that moves, or the function that it teaches."""
    shown = False
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "image/png" in data:
            words = escape(cell.metadata.get("mystnb", {}).get("image", {}).get("alt", title))
            picture = data["image/png"].replace("\n", "")
            yield Slide(title, f'<img alt="{words}" src="data:image/png;base64,{picture}">')
            shown = True
        elif "<script" in data.get("text/html", ""):
            name = f"{chapter.stem}_{len(frames) + 1}.html"
            frames[name] = _FRAME.format(title=escape(title), body=data["text/html"])
            yield Slide(title, f'<iframe title="{escape(title)}" data-src="frames/{name}"></iframe>')
            shown = True
    source = str(cell.source).strip()
    if not shown and source.startswith("def "):
        function = re.split(r"\n\n\n", source)[0]
        if len(function.splitlines()) <= LINES:
            yield Slide(title, f"<pre><code>{escape(function)}</code></pre>")


def quiz(chapter: Chapter) -> Iterator[Slide]:
    """The chapter's quiz: the answer comes with the next key."""
    for cell in chapter.behind:
        for question in asked_in(cell):
            answers = list(question["answers"])  # type: ignore[call-overload]
            right = [one for one in answers if one.get("correct")]
            choices = [f"<li>{escape(str(one['answer']))}</li>" for one in answers if "answer" in one]
            words = [str(one.get("answer", one.get("value", one.get("range", "")))) for one in right]
            why = " ".join(str(one.get("feedback", "")) for one in right[:1])
            body = f"<p>{escape(str(question['question']))}</p>" + (f"<ol>{''.join(choices)}</ol>" if choices else "")
            body += f'<p class="fragment"><strong>{escape("; ".join(words))}</strong>. {escape(why)}</p>'
            told = [f"{one['answer']}: {one.get('feedback', '')}" for one in answers if "answer" in one]
            yield Slide("Quiz", body, told or [why])


def files(chapters: list[tuple[Chapter, str]]) -> Iterator[tuple[str, bytes]]:
    """Every file of the slides: decks, frames, libraries, and a page that lists the decks.

    Args:
        chapters: each with the question that it answers.

    Raises:
        MissingError: see :func:`library`.
    """
    for name, data in library().items():
        yield f"lib/{name}", data
    rows = ""
    for chapter, question in chapters:
        page, frames = deck(chapter, question)
        yield f"{chapter.stem}.html", page.encode()
        for name, text in frames.items():
            yield f"frames/{name}", text.encode()
        rows += f'<li><a href="{chapter.stem}.html">{escape(chapter.title)}</a></li>\n'
    yield "index.html", _INDEX.format(rows=rows).encode()


_INDEX = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Slides</title>
<style>
body {{ font: 1.2rem/1.6 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem }}
</style></head>
<body><main><h1>Slides</h1>
<p>Space and arrow keys move on, S opens the speaker's notes, Escape shows all slides, F fills the screen.</p>
<ol>
{rows}</ol></main></body>
</html>
"""
