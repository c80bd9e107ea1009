"""Small helpers for notebooks as nbformat has them: cells with stable ids, links, leaks.

Used by every converter of this folder. A notebook is made anew and never run here.
"""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import nbformat
from nbformat import NotebookNode

from scripts.set_repository import PACKAGE, fill, first_cell

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def text(source: str, name: str) -> NotebookNode:
    """A markdown cell."""
    return nbformat.v4.new_markdown_cell(source.strip(), id=name)


def code(source: str, name: str, tags: Sequence[str] = ()) -> NotebookNode:
    """A code cell that has not been run."""
    return nbformat.v4.new_code_cell(source.strip(), id=name, metadata={"tags": list(tags)} if tags else {})


def folded(title: str, words: str) -> str:
    """Words that open with the mouse and with the keyboard, wherever a notebook is read."""
    return f"<details><summary>{html.escape(title, quote=False)}</summary>\n\n{words}\n\n</details>"


def notebook(cells: Iterable[NotebookNode], **metadata: Any) -> NotebookNode:
    """A notebook of these cells; checked."""
    made = nbformat.v4.new_notebook(
        cells=list(cells), metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}, **metadata}
    )
    made.nbformat_minor = 5
    nbformat.validate(made)
    return made


def install(url: str | None) -> NotebookNode:
    """The first code cell: installs the package where it is missing, as the chapters' does."""
    return code(first_cell(fill(PACKAGE + " @ git+{url}@{branch}", url) if url else None), "install", ["colab"])


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return list(cell.metadata.get("tags", []))


LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(((?:\.\./|[\w-]+\.ipynb)[^)\s]*)\)")


def links(source: str, url: str | None, *, alone: bool, branch: str = "main") -> str:
    """Links for a notebook that has left the repository.

    Links to other chapters stay, unless the notebook is read alone; what lies in the repository is found by its
    address, and is plain text where there is none.
    """

    def replace(match: re.Match[str]) -> str:
        words, target = match[1], match[2]
        if target.startswith("../"):
            return f"[{words}]({url}/blob/{branch}/{target[3:]})" if url else words
        if not alone:
            return match[0]
        return f"[{words}]({url}/blob/{branch}/notebooks/{target})" if url else words

    return LINK.sub(replace, source)


def body_lines(source: str) -> Iterator[str]:
    """The lines of a solution that would give it away: everything but signatures, imports and what is too short.

    Without blanks, so that another indentation hides nothing.
    """
    kept = signature_lines(source)
    for number, line in enumerate(source.splitlines(), start=1):
        bare = squeezed(line.partition("  #")[0])
        if number not in kept and len(bare) >= 12 and not bare.startswith(("#", "import", "from")):
            yield bare


def signature_lines(source: str) -> set[int]:
    """The numbers of the lines that hold the signatures of functions."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            lines |= set(range(node.lineno, node.body[0].lineno))
    return lines


def squeezed(source: str) -> str:
    """Without any blank."""
    return re.sub(r"\s+", "", source)


def everything(made: NotebookNode) -> str:
    """All that a notebook holds, outputs and metadata too, squeezed."""
    raw = nbformat.writes(made)
    return squeezed(html.unescape(raw.replace("\\n", "\n").replace('\\"', '"')))
