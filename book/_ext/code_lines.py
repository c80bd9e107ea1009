"""Code and text outputs on narrow screens and on paper: long lines go on below, indented, instead of scrolling.

Each line of a block becomes an element of its own that knows its indentation, and the block knows its longest line:
``book/_static/custom.css`` makes it smaller where it is too wide, and breaks what is too wide still. What is copied
stays the same.
"""

from __future__ import annotations

import html
import re
from typing import Any

from sphinx.application import Sphinx

BLOCK = re.compile(r'(<div class="highlight">)<pre>(<span></span>)?(.*?)</pre>', re.DOTALL)
TAG = re.compile(r"<[^>]*>")


def plain(line: str) -> str:
    """A line of a block as it is read."""
    return html.unescape(TAG.sub("", line))


def lines_of(block: re.Match[str]) -> str:
    """A block of which each line is an element. Pygments closes what it marks at the end of each line."""
    lines = block[3].removesuffix("\n").split("\n")
    if not any(map(plain, lines)) or any(line.count("<span") != line.count("</span>") for line in lines):
        return block[0]
    longest = max(len(plain(line)) for line in lines)
    made = []
    for line in lines:
        text = plain(line)
        indent = len(text) - len(text.lstrip(" "))
        style = f' style="--in:{indent}"' if indent and text.strip() else ""
        made.append(f'<span class="ln"{style}>{line}\n</span>')
    return f'{block[1]}<pre style="--chars:{longest}">{block[2] or ""}{"".join(made)}</pre>'


def mark(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Every block of a page (the event ``html-page-context``)."""
    if "body" in context and not pagename.startswith("_modules/"):
        context["body"] = BLOCK.sub(lines_of, context["body"])


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("html-page-context", mark)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
