"""Tables on a telephone: each row of a table that is too wide for it becomes a card, where every cell has the name of
its column before it.

This extension writes into the page what the cards need: for each cell the name of its column, and for each part its
role, because a browser may forget that a block was a row. ``book/_static/custom.css`` draws the cards, on narrow
screens only. Which tables are too wide is decided here, by their columns and their longest words, so that nothing moves
once a page is on the screen.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

from sphinx.application import Sphinx

TABLE = re.compile(r"<(script|style)\b.*?</\1>|<table\b.*?</table>", re.DOTALL)  # what scripts hold is left alone
HEAD = re.compile(r"<thead\b[^>]*>(.*?)</thead>", re.DOTALL)
ROW = re.compile(r"<tr\b.*?</tr>", re.DOTALL)
CELL = re.compile(r"<(th|td)\b[^>]*>(.*?)</\1>", re.DOTALL)
CLASS = re.compile(r'\bclass="([^"]*)"')
# The last group is there, though empty, where a cell is.
OPENING = re.compile(r"<(table|thead|tbody|tfoot|tr|th|td)\b([^>]*)>((?=\s*(?:<p>\s*</p>\s*)?</t[dh]>))?")
TAG = re.compile(r"<[^>]*>")
# Lines break at spaces, behind hyphens and slashes, and beside each Chinese character.
WORD = re.compile(r"[^\s\u2e80-\uffef/-]+[/-]?|[\u2e80-\uffef]")

OWN = {"chapters", "indextable"}  # classes of tables that custom.css lays out in another way
SMALL = {"ledger"}  # pages that set their tables in letters so small that they fit
TWO_FIT, NEVER_FIT = 2, 4  # columns
LETTER, PADDING = 8.8, 17  # pixels: of most letters, and beside the text of a cell
TELEPHONE = 358  # pixels between the margins of a page
LABEL = 12  # letters: the rest of a longer name goes on in the next line


def plain(text: str) -> str:
    """A piece of a page as it is read."""
    return " ".join(html.unescape(TAG.sub("", text)).split())


def cells(row: str) -> tuple[str, ...]:
    """The texts of a row's cells."""
    return tuple(plain(cell[2]) for cell in CELL.finditer(row))


def letters(text: str) -> int:
    """How long it is; a Chinese character is as wide as two letters."""
    return sum(2 if "\u2e80" <= letter <= "\uffef" else 1 for letter in text)


def longest_word(*texts: str) -> int:
    """Letters that must stand side by side."""
    return max((letters(word) for text in texts for word in WORD.findall(text)), default=0)


@dataclass(frozen=True)
class Table:
    """What a table says: the names of its columns, and its rows."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, text: str) -> Table | None:
        """None where a cell does not have exactly one name, or a name has a formula, which only MathJax can draw."""
        head = HEAD.search(text)
        if head is None or re.search(r'\b(?:col|row)span="?[2-9]', text):
            return None
        named = [cells(row) for row in ROW.findall(head[0])]
        rows = tuple(cells(row) for row in ROW.findall(text[head.end() :]))
        if len(named) != 1 or "math" in head[0] or any(len(row) != len(named[0]) for row in rows):
            return None
        return cls(named[0], rows)

    @property
    def fits(self) -> bool:
        """Whether a telephone is wide enough for all columns; each is as wide as its longest word, at least."""
        columns = list(zip(self.heads, *self.rows, strict=True))
        width = sum(longest_word(*column) * LETTER + PADDING for column in columns)
        return len(columns) <= TWO_FIT or (len(columns) < NEVER_FIT and width <= TELEPHONE)

    @property
    def label(self) -> int:
        """Letters of room for the names of columns but the first, whose cell is the title of the card."""
        return max(max(longest_word(head), min(letters(head), LABEL)) for head in self.heads[1:])

    def name(self, column: int) -> str:
        """What stands before a cell. Before a title that is one word at most: *week 3*."""
        head = self.heads[column]
        return "" if column == 0 and " " in head else head


def with_cards(match: re.Match[str]) -> str:
    """A table that has cards on narrow screens, if it needs them."""
    text = match[0]
    classes = CLASS.search(text[: text.index(">")])
    table = None if match[1] or OWN & set(classes[1].split() if classes else ()) else Table.of(text)
    if table is None or table.fits:
        return text
    head, column = text.index("</thead>"), -1

    def part(opening: re.Match[str]) -> str:
        nonlocal column
        tag, more = opening[1], opening[2]
        column = column + 1 if tag in ("th", "td") else -1
        if tag == "table":
            known = f"cards {classes[1]}" if classes else "cards"
            return f'<table class="{known}" style="--label:{table.label}" role="table"{CLASS.sub("", more).rstrip()}>'
        role = {"tr": "row", "td": "cell", "th": "rowheader"}.get(tag, "rowgroup")
        if opening.start() < head:
            return f'<{tag}{more} role="{"columnheader" if tag == "th" else role}">'
        name = table.name(column) if column >= 0 and opening[3] is None else ""
        named = f' data-head="{html.escape(name)}"' if name else ""
        return f'<{tag}{more} role="{role}"{named}>'

    return OPENING.sub(part, text)


def mark(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Every table of a page (the event ``html-page-context``)."""
    if "body" in context and pagename not in SMALL and not pagename.startswith("_modules/"):
        context["body"] = TABLE.sub(with_cards, context["body"])


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("html-page-context", mark)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
