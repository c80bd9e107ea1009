"""A deck of slides for each chapter, from the chapter itself; it opens from disk, without a network.

Pictures, formulas, short functions, what they print and figures that move become slides; the words around them become
speaker notes (key S). A slide is never nearly empty: words that lead to a picture, a function or a formula stand on its
slide, and a script in the page lets words grow until the slide is full. A picture whose letters would be small gets
more room: it stands beside its words, or alone with its title at the foot, or its rows come one after the other.

reveal.js comes from the wheel of sphinx-revealjs and MathJax from that of sphinx-mathjax-offline, both in the extra
``book``; they are copied beside the decks. A figure that moves is a page of its own in a frame: its arrow keys move the
figure while it has the focus, and the slides else.
"""

from __future__ import annotations

import base64
import importlib.util
import io
import re
import struct
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path

import numpy as np
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode
from PIL import Image

from scripts.course import notebooks
from scripts.course.chapter_notebooks import Chapter, asked_in
from scripts.course.slide_pages import DECK_CSS, FRAME, INDEX, PAGE

LINES = 14  # of a function that fits on a slide
PRINTED = 9  # lines of what a cell prints
WIDE = 62  # letters of a formula that has a line for itself
ROOM = 540  # pixels below the title, for words in the smallest letters
SMALLEST = 20  # pixels at 1280 x 720
LARGE = 1.45  # times as large as in the chapter: letters of 9 points at 100 dots an inch have 18 pixels then
BESIDE, ALONE = (868, 704), (1256, 672)  # pixels for a picture beside its words, and for one with its title at the foot
GAP = 6  # white rows between the rows of panels of a picture; between a title and its panel there are fewer


@dataclass
class Slide:
    """One slide: what is seen, and what is said.

    Attributes:
        title: its heading.
        body: HTML of what is seen below the title, without what is shown.
        notes: paragraphs for the speaker.
        kind: "words", "code", "formula", "list", "quiz", "opening"; "picture" and "moving" show something.
        shown: HTML of the picture, or of the frame that moves.
        caption: HTML of the words below it.
        shape: width and height of the picture in pixels.
    """

    title: str
    body: str
    notes: list[str] = field(default_factory=list)
    kind: str = "words"
    shown: str = ""
    caption: str = ""
    shape: tuple[int, int] = (1, 1)


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
        "zoom.js": reveal / "plugin" / "zoom" / "zoom.js",
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
    """A formula for MathJax; a long one that stands alone is broken where it has its widest gap."""
    if display and len(source) > WIDE and "\\qquad" in source and "\\begin" not in source:
        return "".join(_formula(one.strip(), display) for one in source.split("\\qquad"))
    return f"\\[{escape(source)}\\]" if display else f"\\({escape(source)}\\)"


MARKDOWN = _markdown()


def html(text: str) -> str:
    """Markdown with formulas as HTML; links to other files are words."""
    return str(MARKDOWN.render(notebooks.LINK.sub(lambda match: match[1], text)))


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a cell, without headings, tables, fences and quotes; the items of a list are one each."""
    plain = re.sub(r"```.*?```|<details>.*?</details>", "", text, flags=re.S)
    found = re.split(r"\n\s*\n|\n(?=- |\d+\. )", plain)
    return [" ".join(one.split()) for one in found if one.strip() and not one.lstrip().startswith(("#", "|", ">", "<"))]


def prose(text: str) -> list[str]:
    """The paragraphs of a cell that are no items of a list."""
    return [one for one in paragraphs(text) if not _ITEM.match(one)]


# A sentence ends at its mark, or behind the bracket or the emphasis that ends with it; not behind "Fig." and "Eq.".
_END = re.compile(r"(?:(?<=[.?!:])|(?<=[.?!][*\")]))(?<!e\.g\.)(?<!Fig\.)(?<!Eq\.)\s+(?=[A-Z*\[`$(])")
_ITEM = re.compile(r"(?:-|\d+\.)\s")


def open_marks(text: str) -> bool:
    """Whether a bracket, an emphasis, a formula or a piece of code begins in a text and does not end in it."""
    bare = re.sub(r"`[^`]*`|\$[^$]*\$", "", text)
    emphasis = re.sub(r"(?<=\s)\*(?=\s)", "", bare.replace("**", "\0"))
    pairs = [("(", ")"), ("[", "]"), ("\u201c", "\u201d")]
    return (
        any(bare.count(begin) > bare.count(end) for begin, end in pairs)
        or any(bare.count(mark) % 2 == 1 for mark in ("`", "$", '"'))
        or any(emphasis.count(mark) % 2 == 1 for mark in ("*", "\0"))
    )


def sentences(text: str, most: int) -> str:
    """Whole sentences from the beginning of a text, up to so many letters; the first one always.

    No bracket and no emphasis is left open: what stands in it comes with it, or stays away with its sentence.
    """
    kept = ""
    for part in _END.split(text):
        longer = f"{kept} {part}".strip()
        if kept and not open_marks(kept) and len(longer) > most:
            break
        kept = longer
    if len(kept) <= 2 * most:
        return kept
    cut = kept[: 2 * most].rsplit(" ", 1)[0]
    while open_marks(cut) and " " in cut:
        cut = cut.rsplit(" ", 1)[0]
    return cut.rstrip(",;: ") + " ..."


def bullets(text: str) -> list[str]:
    """The items of the first list of a text."""
    block = re.search(r"^- .*?(?=\n\s*\n(?!- )|\Z)", text, re.M | re.S)
    return [" ".join(one.split()).rstrip(";.") for one in re.split(r"^- ", block[0], flags=re.M)[1:]] if block else []


def table(text: str) -> str:
    """The first table of a text as HTML, if it is short enough for a slide; else nothing."""
    found = re.search(r"(?:^\|.*\|[ ]*\n?)+", text, re.M)
    return html(found[0]) if found and found[0].count("\n") <= 9 and max(map(len, found[0].split("\n"))) < 150 else ""


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
    slides = [Slide(chapter.title, f"<p>{escape(question)}</p>", first, "opening"), *objectives(chapter)]
    title, spoken = chapter.title, list[str]()
    for place, cell in enumerate(chapter.before[2:], start=2):
        if "colab" in notebooks.tags(cell):
            continue
        if cell.cell_type == "markdown":
            for part in re.split(r"^(?=##+ )", cell.source, flags=re.M):
                made, title = of_text(part, title, spoken)
                slides += made
            continue
        after = chapter.before[place + 1] if place + 1 < len(chapter.before) else None
        for slide in of_code(cell, title, frames, chapter):
            goes_on = after is not None and after.cell_type == "markdown" and not after.source.startswith("#")
            said = paragraphs(after.source) if after is not None and after.cell_type == "markdown" else []
            explorer = slide.kind == "moving" and "fcx-frames" not in frames[f"{chapter.stem}_{len(frames)}.html"]
            if goes_on and not explorer and after is not None and (words := prose(after.source)):
                slide.caption = caption(words[0], {"moving": 95, "picture": 170}.get(slide.kind, 230))
            if slide.kind == "code" and (lead := [one for one in spoken if not _ITEM.match(one)]):
                led = html(sentences(lead[-1], 200)) + slide.body
                slide.body = led if height(led) <= ROOM else slide.body
            slide.notes = [*spoken, *said] or [f"Let the class say what it sees before you do: {title}."]
            spoken.clear()
            slides.append(slide)
        if (printed := what_is_printed(cell)) and slides[-1].title == title and _has_room(slides[-1], printed):
            slides[-1].body += printed
    slides = [*joined(slides), *quiz(chapter)]
    return PAGE.format(title=escape(chapter.title), slides="\n".join(map(section, slides))), frames


def caption(text: str, most: int) -> str:
    """Words below a picture, as HTML: whole sentences that lead to nothing else; none, if there is none so short."""
    words = "" if re.match(r"(?:Now|Next)\b", text) else sentences(text, most)
    while words and not re.search(r"[.?!]\W*$", words.removesuffix(" ...")):
        shorter = re.match(r"(.*[.?!]\W*)\s", words)
        words = shorter[1] if shorter and not open_marks(shorter[1]) else ""
    return (
        html(words) if 25 <= len(words) <= (most if most < 100 else most * 1.5) and not words.endswith(" ...") else ""
    )


def _has_room(slide: Slide, printed: str) -> bool:
    """For what a cell prints."""
    plain = slide.kind in ("words", "code") and "printed" not in slide.body
    return plain and height(slide.body + printed) <= ROOM


def height(body: str) -> int:
    """About how many pixels words, functions and formulas take on a slide in the smallest letters they may have."""
    code = re.findall(r"<pre.*?</pre>", body, re.S)
    rows = sum(one.count("\n") + 1 for one in code)
    blocks = re.findall(r"<(?:p|li)>(.*?)</(?:p|li)>", re.sub(r"<pre.*?</pre>", "", body, flags=re.S), re.S)
    lines = sum(-(-len(re.sub("<[^>]*>", "", one)) // 80) for one in blocks)
    return 28 * rows + 44 * len(code) + 37 * lines + 14 * len(blocks) + 130 * body.count('class="formula"')


def joined(slides: list[Slide]) -> list[Slide]:
    """The same with fewer slides: words stand on the slide of what they lead to, a short function on its formula's."""
    made: list[Slide] = []
    for slide in slides:
        last = made[-1] if made else None
        if last is None or last.title != slide.title or not _fits(last, slide):
            made.append(slide)
            continue
        slide.body = last.body + slide.body
        slide.notes = last.notes + [one for one in slide.notes if one not in last.notes]
        if last.kind == "formula":
            slide.kind = "formula"
        if slide.caption and _same(last.body, slide.caption):
            slide.caption = ""
        made[-1] = slide
    for slide in made:
        if slide.kind in ("code", "formula", "words"):
            if height(slide.body + slide.caption) <= ROOM:
                slide.body += slide.caption
            slide.caption = ""
    return made


def _fits(last: Slide, slide: Slide) -> bool:
    """Whether both are readable on one slide."""
    together = height(last.body + slide.body)
    if last.kind == "words" and not re.search("<pre|<li>|<table", last.body):
        if slide.kind == "picture":
            return height(last.body) <= 90 or beside(replace(slide, body=last.body, caption=""))
        return together <= ROOM and slide.kind in ("code", "formula", "words")
    return last.kind in ("words", "formula", "code") and slide.kind == "code" and together <= ROOM - 60


def _same(one: str, other: str) -> bool:
    """Whether both begin with the same words."""
    return re.sub(r"\W+", "", other)[:40] in re.sub(r"\W+", "", one)


def section(slide: Slide) -> str:
    """A slide as reveal.js has it; the notes as paragraphs."""
    notes = "".join(html(one) for one in slide.notes) or "<p>Ask first, then show.</p>"
    aside = f"<aside class='notes'>{notes}</aside>"
    if slide.kind == "opening":
        return f"<section>\n<h1>{escape(slide.title)}</h1>\n<div>{slide.body}</div>\n{aside}\n</section>"
    head, kind = f"<h2>{_words(slide.title)}</h2>", ""
    if not slide.shown:
        body = f'<div class="words">{slide.body}{slide.caption}</div>'
    elif slide.kind == "picture" and (place := layout(slide)) != "between":
        kind = f' class="{place}"'
        said = f'<div class="said">{slide.body}{slide.caption}</div>' if place == "tall" else ""
        body = f'<div class="shown beside">{said}{slide.shown}</div>'
    else:
        said, below = (f'<div class="said">{one}</div>' if one else "" for one in (slide.body, slide.caption))
        body = f'<div class="shown">{said}{slide.shown}{below}</div>'
    return f"<section{kind}>\n{head}\n{body}\n{aside}\n</section>"


def beside(slide: Slide) -> bool:
    """Whether a picture gets larger with its words to the left of it than between them, and they have room there."""
    width, height = slide.shape
    letters = [len(re.sub("<[^>]*>", "", one)) for one in (slide.body, slide.caption)]
    rows = sum(-(-one // 92) for one in letters)
    larger = _scale(slide, *BESIDE) > min(1208 / width, (590 - 38 * rows) / height)
    return larger and sum(letters) <= 230 and len(slide.title) <= 50


def _scale(slide: Slide, width: int, height: int) -> float:
    """How many times as large as in the chapter a picture is in a room of so many pixels."""
    return min(width / slide.shape[0], height / slide.shape[1])


def layout(slide: Slide) -> str:
    """Where a picture stands: "between" its words, "tall" beside them, or "full" on the whole slide.

    Where its letters would be too small, its words stay with the speaker's notes, which have them anyway.
    """
    if beside(slide):
        return "tall"
    rows = [
        sum(-(-len(re.sub("<[^>]*>", "", one)) // 92) for one in some)
        for some in ((slide.body, slide.caption), (slide.body,), ())
    ]
    scales = [_scale(slide, 1208, 590 - 38 * number) for number in rows]
    if scales[0] >= LARGE or scales[0] == 1208 / slide.shape[0]:  # large enough, or as wide as a slide
        return "between"
    if scales[1] >= LARGE:
        slide.caption = ""
        return "between"
    rooms = {"between": scales[2], "full": _scale(slide, *ALONE)}
    if len(slide.title) <= 50:
        rooms["tall"] = _scale(slide, *BESIDE)
    slide.body = slide.caption = ""
    return max(rooms, key=lambda place: rooms[place])


def split(picture: bytes) -> list[bytes]:
    """A high picture as its rows of panels, one after the other; one that has no white gaps, or is wide, as it is."""
    with Image.open(io.BytesIO(picture)) as opened:
        image = opened.convert("RGB")
    if image.height <= 1.1 * image.width:
        return [picture]
    white = (np.asarray(image) >= 250).all(axis=(1, 2))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], white, [False]]).astype(int))).reshape(-1, 2)
    cuts = [0]
    for begin, end in edges.tolist():
        if end - begin >= GAP and begin - cuts[-1] >= image.height / 5 and image.height - end >= image.height / 5:
            cuts.append((begin + end) // 2)
    if len(cuts) == 1:
        return [picture]
    parts = []
    for begin, end in zip(cuts, [*cuts[1:], image.height], strict=True):
        stream = io.BytesIO()
        image.crop((0, begin, image.width, end)).save(stream, "PNG", optimize=True)
        parts.append(stream.getvalue())
    return parts


def _words(text: str) -> str:
    """Words in a line, in which "1." begins no list."""
    return str(MARKDOWN.renderInline(text))


def objectives(chapter: Chapter) -> Iterator[Slide]:
    """What one can do afterwards, on as few slides as hold it."""
    items = bullets(chapter.before[1].source)
    for some in shared_out(items, 7):
        yield Slide("After this chapter you can", listed(some), paragraphs(chapter.before[1].source)[-2:], "list")


def shared_out(items: list[str], most: int) -> list[list[str]]:
    """Items on as few slides as possible, about equally many on each: none stands alone."""
    slides = -(-len(items) // most)
    return [items[len(items) * i // slides : len(items) * (i + 1) // slides] for i in range(slides)]


def of_text(source: str, title: str, spoken: list[str]) -> tuple[list[Slide], str]:
    """Slides of a text: its heading, formula, list or table, the summary; the rest is spoken later."""
    made: list[Slide] = []
    plain = re.sub(r"\$\$.*?\$\$", "", source, flags=re.S)
    said = paragraphs(plain)
    heading = re.search(r"^##+ (.+)$", source, re.M)
    if heading:
        behind = source[heading.end() :]
        title = heading[1].strip()
        if title.startswith("Summary"):
            made += [Slide(title, listed(some), said, "list") for some in shared_out(bullets(behind), 5)]
            spoken.clear()
            return made, title
        behind = re.sub(r"\$\$.*?\$\$", "", behind, flags=re.S)
        lead, items = prose(behind), bullets(behind)
        if lead or items:
            body = html(sentences(lead[0], 260)) if lead else ""
            for some in shared_out(items, 5) if items else []:
                made.append(Slide(title, body + listed(some), [*spoken, *paragraphs(behind)], "list"))
                body = ""
            if not items:
                drawn = table(behind)
                if not drawn and "$$" not in source and len(lead) > 1 and len(body) < 200:
                    body += html(sentences(lead[1], 200))
                made.append(Slide(title, body + drawn, [*spoken, *lead], "list" if drawn else "words"))
            spoken.clear()
            said = []
    formulas = [_formula(" ".join(one.split()), True) for one in re.findall(r"\$\$(.*?)\$\$", source, re.S)]
    if formulas and not made:
        words = prose(plain)
        made.append(Slide(title, html(sentences(words[0], 220)) if words else "", [*spoken, *said]))
        spoken.clear()
    if formulas:
        made[-1].body += "".join(f'<div class="formula">{one}</div>' for one in formulas)
        made[-1].kind = "formula"
        if meaning := prose(re.split(r"\$\$", source)[-1]):
            made[-1].body += html(sentences(meaning[0], 200))
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
            parts = split(base64.b64decode(data["image/png"]))
            for number, part in enumerate(parts, start=1):
                name = f"{words} (Part {number} of {len(parts)})" if len(parts) > 1 else words
                seen = f'<img alt="{name}" src="data:image/png;base64,{base64.b64encode(part).decode()}">'
                yield Slide(title, "", kind="picture", shown=seen, shape=struct.unpack(">II", part[16:24]))
            shown = True
        elif "<script" in data.get("text/html", ""):
            name = f"{chapter.stem}_{len(frames) + 1}.html"
            frames[name] = FRAME.format(title=escape(title), body=data["text/html"])
            seen = f'<div class="moving"><iframe title="{escape(title)}" data-src="frames/{name}"></iframe></div>'
            yield Slide(title, "", kind="moving", shown=seen)
            shown = True
    source = str(cell.source).strip()
    if not shown and source.startswith("def "):
        function = re.split(r"\n\n\n", source)[0]
        if len(function.splitlines()) <= LINES:
            yield Slide(title, f"<pre><code>{escape(function)}</code></pre>", kind="code")


def what_is_printed(cell: NotebookNode) -> str:
    """What a cell prints, as HTML, if it is short; else nothing."""
    lines = [
        line.rstrip()
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stdout"
        for line in output.text.rstrip("\n").split("\n")
    ]
    if (
        not lines
        or len(lines) > PRINTED
        or max(map(len, lines)) > 84
        or any("\x1b" in one or "\r" in one for one in lines)
    ):
        return ""
    return f'<pre class="printed">{escape(chr(10).join(lines))}</pre>'


def quiz(chapter: Chapter) -> Iterator[Slide]:
    """The chapter's quiz: the answer comes with the next key."""
    for cell in chapter.behind:
        for question in asked_in(cell):
            answers = list(question["answers"])  # type: ignore[call-overload]
            offered = [one for one in answers if "answer" in one]
            right = [one for one in answers if one.get("correct")]
            choices = [f"<li>{escape(str(one['answer']))}</li>" for one in offered]
            if choices:
                words = [chr(ord("A") + place) for place, one in enumerate(offered) if one.get("correct")]
            else:
                words = [_number(one) for one in right]
            why = " ".join(dict.fromkeys(str(one.get("feedback", "")) for one in right))
            if len(why) > 240:
                why = str(right[0].get("feedback", ""))
            body = f"<p>{escape(str(question['question']))}</p>"
            body += f'<ol class="choices">{"".join(choices)}</ol>' if choices else ""
            body += f'<p class="fragment"><strong>{escape(", ".join(words))}.</strong> {escape(why)}</p>'
            told = [f"{one['answer']}: {one.get('feedback', '')}" for one in offered]
            yield Slide("Quiz", body, told or [why], "quiz")


def _number(answer: dict[str, object]) -> str:
    """The right answer of a question whose answer is a number, or the range that it lies in."""
    if "value" in answer:
        return str(answer["value"])
    return " to ".join(str(one) for one in answer.get("range", []))  # type: ignore[attr-defined]


def contents(page: str) -> list[tuple[str, int, int]]:
    """The sections of a deck: title, the number of the first slide as it stands in the address, how many slides."""
    found: list[tuple[str, int, int]] = []
    for place, head in enumerate(re.findall(r"<section[^>]*>\s*<h[12][^>]*>(.*?)</h[12]>", page, re.S)):
        title = re.sub("<[^>]*>", "", head)
        if found and found[-1][0] == title:
            found[-1] = (title, found[-1][1], found[-1][2] + 1)
        else:
            found.append((title, place, 1))
    return found


def listed_deck(file: str, title: str, sections: list[tuple[str, int, int]]) -> str:
    """A deck in the list of decks: how many slides it has, and a link to each section."""
    links = "".join(f'<li><a href="{file}#/{first}">{name}</a> ({count})</li>\n' for name, first, count in sections[1:])
    number = sum(count for _, _, count in sections)
    return (
        f'<li><a href="{file}">{title}</a>\n'
        f"<details><summary>{number} slides<span> of {title}, by section</span></summary>\n"
        f"<ul>\n{links}</ul></details></li>\n"
    )


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
        rows += listed_deck(f"{chapter.stem}.html", escape(chapter.title), contents(page))
    yield "index.html", INDEX.format(rows=rows).encode()
