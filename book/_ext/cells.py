"""What a chapter's cells are called on the page: what is folded away has a name, and chapters and pictures have
numbers.

A picture's caption, and the text for who does not see it, stand in the metadata of its cell, where MyST-NB looks:
``{"mystnb": {"figure": {"caption": ...}, "image": {"alt": ...}}}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

# What a folded cell is called, by the tags that it has.
FOLDED = ((("hide-cell", "my-fcos"), "The book's version"), (("hide-cell",), "Solution"), (("hide-input",), "Code"))
TITLE = re.compile(r"\A# @title (.+)\n?")  # the first line of a folded cell, for Colab: scripts/fold_cells.py


def folded_as(tags: Iterable[str]) -> str | None:
    """What a cell with these tags is called while it is folded away; None if it is not."""
    return next((name for needed, name in FOLDED if set(needed) <= set(tags)), None)


def name_cells(app: Sphinx, docname: str, source: list[str]) -> None:
    """Tell MyST-NB what folded cells are called (the event ``source-read``)."""
    if not docname.startswith("notebooks/") or not source[0].lstrip().startswith("{"):
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        name = folded_as(cell["metadata"].get("tags", []))
        if name is None:
            continue
        own = cell["metadata"].setdefault("mystnb", {})
        code = "".join(cell.get("source", ""))
        if title := TITLE.match(code):
            cell["source"] = code[title.end() :]
            if name == "Code" and "figure" not in own:  # a picture's caption says it already
                name = f"Code \u00b7 {title[1].strip()}"
        own |= {"code_prompt_show": name, "code_prompt_hide": name}
    source[0] = json.dumps(notebook)


class Numbers(SphinxTransform):
    """*3 ·* before the title of chapter 3, and *Figure 3.2* before the caption of its second picture."""

    default_priority = 500

    def apply(self, **kwargs: Any) -> None:
        """Called by Sphinx for each page."""
        chapter = re.match(r"notebooks/(\d+)_", self.env.docname)
        if chapter is None:
            return
        for title in list(self.document.findall(nodes.title))[:1]:
            title.insert(0, nodes.Text(f"{int(chapter[1])} \u00b7 "))
        for number, figure in enumerate(self.document.findall(nodes.figure), start=1):
            for caption in figure.findall(nodes.caption):
                caption.insert(0, [nodes.strong("", f"Figure {int(chapter[1])}.{number}"), nodes.Text("  ")])


def number_no_figures(app: Sphinx, config: Any) -> None:
    """Jupyter Book counts figures through the whole book, whatever _config.yml says (the event ``config-inited``)."""
    config.numfig = False


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_transform(Numbers)
    app.connect("config-inited", number_no_figures, priority=900)
    app.connect("source-read", name_cells)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
