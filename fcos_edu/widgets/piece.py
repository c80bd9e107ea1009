"""One piece of HTML: what a figure that moves needs, packed so that it works wherever a notebook is read.

Checked against: pages from a disk without a network, frames without the right to their own address (as Colab shows
outputs), and scripts that a notebook inserts later (as JupyterLab does), all in a real browser.

No address, no CDN, no kernel and no global name: style, script and data travel in the output of the cell. The same
input gives the same text, so that stored outputs can be compared, and two figures on one page do not know of each
other.
"""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
_NO_SCRIPT = (
    "This figure answers the mouse, touch and the keyboard once its script may run: on the book's page, or after its "
    "cell was run in JupyterLab or Colab."
)


@dataclass(frozen=True)
class Piece:
    """What a notebook shows: a piece of HTML that needs nothing from outside."""

    kind: str
    text: str  # what it shows, in a sentence
    data: dict[str, Any] = field(repr=False, compare=False)  # what its script is given
    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"<{self.text}>"

    def page(self) -> str:
        """A whole HTML document with this figure, to be saved as a file."""
        head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        title = f"<title>{escaped(self.text)}</title>"
        return f'<!DOCTYPE html><html lang="en"><head>{head}{title}</head><body>{self.html}</body></html>'


def escaped(value: str) -> str:
    """A text as it must stand in HTML, between tags and in attributes."""
    return html.escape(value, quote=True)


@cache
def script(name: str) -> str:
    """A script of ``js/`` without its comments and indentation, which no reader of a page needs."""
    lines = (line.strip() for line in (FOLDER / "js" / f"{name}.js").read_text("utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


@cache
def style(name: str) -> str:
    """A style sheet of this folder without its comments and indentation."""
    text = (FOLDER / f"{name}.css").read_text("utf-8")
    while "/*" in text:
        before, _, rest = text.partition("/*")
        text = before + rest.partition("*/")[2]
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def pack(
    kind: str,
    text: str,
    caption: str,
    *,
    data: dict[str, Any],
    more: Mapping[str, Any] | None = None,
    unnamed: Sequence[str] = (),
    still: str = "",
    scripts: Sequence[str],
    styles: Sequence[str] = ("base",),
) -> Piece:
    """Pack a figure: what is shown without a script, and a script that keeps all its names to itself.

    Args:
        kind: of figure: a part of its id and the name of its class in the style sheets.
        text: what it shows, in a sentence.
        caption: a sentence above the figure; may be empty.
        data: what the script is given, as JSON can hold it.
        more: the same, but no part of ``Piece.data``.
        unnamed: keys of ``data`` that do not enter the id, such as pictures: their bytes differ between versions of
            Pillow.
        still: HTML that is there before the script and stays.
        scripts: names of the scripts in ``js/``; together they define ``explore(root, data)``.
        styles: names of the style sheets.
    """
    named = {key: value for key, value in data.items() if key not in unnamed}
    digest = hashlib.sha256(json.dumps([kind, named, caption], sort_keys=True).encode()).hexdigest()[:10]
    name = f"fcx-{kind}-{digest}"
    # "<" would end the script if a name held "</script>".
    content = json.dumps(data | dict(more or {}), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    sheet = json.dumps("\n".join(map(style, styles)))
    # The style travels inside the script: a viewer that drops scripts (GitHub's) shows one sentence, not the style.
    values = f'const ID = "{name}", STYLE = {sheet}, DATA = {content};'
    body = "\n".join([*map(script, scripts), values, script("start")])
    head = f'<p class="fcx-caption">{escaped(caption)}</p>\n' if caption else ""
    piece = (
        f'<div class="fcx fcx-{kind}" id="{name}" role="group" aria-label="{escaped(text)}" '
        f'data-lm-suppress-shortcuts="true">\n'  # JupyterLab's arrow keys would move on to the next cell
        f'{head}<p class="fcx-still">{escaped(text)}. {escaped(_NO_SCRIPT)}</p>\n{still}'
        f'<script>\n(() => {{\n"use strict";\n{body}\n}})();\n</script>\n</div>'
    )
    return Piece(kind, text, data, piece)
