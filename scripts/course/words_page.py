"""Write book/teaching/figures_in_words.md: what each figure of chapters and labs shows, from the figures themselves.

    python -m scripts.course.words_page            write it
    python -m scripts.course.words_page --check    change nothing, fail if it is behind

The words stand where the site and the students' notebooks take them from: in the metadata of a cell with a picture, and
in the caption of a figure that moves. Needs nothing beyond the standard library.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: the folder of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fcos_edu.course.catalogue import LABS
from scripts import ROOT
from scripts.course import endings
from scripts.make_pages import chapters

PAGE = ROOT / "book" / "teaching" / "figures_in_words.md"
HEAD = """# Figures in words

<!-- Written by make pages from the captions and alternative texts of the chapters. Do not edit: change them there. -->

What each figure shows, for readers who do not see it, and for a lecture without a screen, in the order of the chapters.
In the students' notebooks the same words open below each picture. A figure that moves has a line below it that says in
words what is set and what is seen; this page gives the question that it asks.

"""


def figures(book: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each figure of a notebook: its caption, and what is seen; of a figure that moves what it asks."""
    for cell in book["cells"]:
        found = cell["metadata"].get("mystnb", {})
        if words := found.get("image", {}).get("alt"):
            yield found.get("figure", {}).get("caption", ""), words
        for output in cell.get("outputs", []):
            page = "".join(output.get("data", {}).get("text/html", ""))
            if asked := re.search(r'<p class="fcx-caption">(.*?)</p>', page, re.S):
                yield "", unescape(asked[1])


def page(root: Path = ROOT) -> str:
    """The whole page."""
    text = HEAD
    for chapter in chapters(root):
        book = json.loads((root / "notebooks" / f"{chapter.stem}.ipynb").read_text("utf-8"))
        text += f"## {int(chapter.stem[:2])} · [{chapter.title}](../notebooks/{chapter.stem}.ipynb)\n\n"
        for caption, words in figures(book):
            text += _item(f"**{caption}** {words}" if caption else f"*A figure that moves.* {words}")
        text += "\n"
    text += "## The ends of the labs\n\n"
    for lab, (_, title, _, _) in LABS.items():
        text += _item(f"**Lab {lab}: {title}.** {endings.LABS[lab].message}")
    return text


def _item(words: str) -> str:
    """An item of a list, in lines of the usual width."""
    return textwrap.fill(f"- {words}", 120, subsequent_indent="  ", break_on_hyphens=False) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Write it, or say that it is behind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args(argv)
    new = page()
    if arguments.check:
        behind = not PAGE.is_file() or PAGE.read_text("utf-8") != new
        name = PAGE.relative_to(ROOT)
        print(f"{name} is behind: make pages" if behind else f"{name} is up to date")
        return int(behind)
    PAGE.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
