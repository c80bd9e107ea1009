"""What the book needs of Sphinx beyond its extensions.

- Links of a chapter to ``../fcos_edu/NAME.py`` lead to the module's page of the API reference. In Jupyter, on Colab and
  on GitHub they open the file.
- A field's comment is its documentation: ``lr: float = 0.01  # ...`` needs no second text for the API reference.
- The first mention of a term of the glossary leads there, and shows its meaning under the mouse.

With Sphinx 7 and the versions of the extensions that pyproject.toml asks for.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import io
import pkgutil
import posixpath
import re
import tokenize
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.transforms import SphinxTransform

PACKAGE = "fcos_edu"
MANY_FIELDS = 6  # a dataclass with more has them in the list below its name, not also in its signature


# ---- links to modules -----------------------------------------------------------------------------------------


def api_page(path: str) -> str | None:
    """``fcos_edu/data/boxes.py`` to ``api/fcos_edu.data.boxes``; None for any other file."""
    match = re.fullmatch(r"(fcos_edu(?:/\w+)*?)(?:/__init__)?\.py", path)
    return f"api/{match[1].replace('/', '.')}" if match else None


class ModuleLinks(SphinxTransform):
    """Downloads of a module's file become links to its page."""

    default_priority = 300

    def apply(self, **kwargs: Any) -> None:
        """Called by Sphinx for each page."""
        folder = posixpath.dirname(self.env.docname)
        for node in list(self.document.findall(addnodes.download_reference)):
            page = api_page(posixpath.normpath(posixpath.join(folder, node["reftarget"].lstrip("/"))))
            if page is None or page not in self.env.found_docs:
                continue
            link = addnodes.pending_xref(
                "", refdomain="std", reftype="doc", reftarget=f"/{page}", refexplicit=True, refwarn=True,
                refdoc=self.env.docname,
            )  # fmt: skip
            link += node.children
            node.replace_self(link)


# ---- fields ---------------------------------------------------------------------------------------------------


FIELD = re.compile(r"^[ \t]+\w+: (?:.*#|.*[\[({]$)", re.MULTILINE)  # what a field with a comment looks like, and more


def field_comments(source: str) -> dict[tuple[str, str], str]:
    """The comment behind each annotated field of the classes of a module: (class, field) to text."""
    comments = {
        token.start[0]: token.string.lstrip("#: ").rstrip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found = {}
    for cls in (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)):
        for node in cls.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
                if text := " ".join(comments[line] for line in lines if line in comments):
                    found[cls.name, node.target.id] = text
    return found


def add_field_comments(app: Sphinx) -> None:
    """Tell autodoc of the comments, as if each began with ``#:`` (the event ``builder-inited``)."""
    for module in pkgutil.walk_packages(importlib.import_module(PACKAGE).__path__, f"{PACKAGE}."):
        analyzer = ModuleAnalyzer.for_module(module.name)
        # To analyse a module takes long, and most have no such comment.
        comments = field_comments(analyzer.code) if FIELD.search(analyzer.code) else {}
        if comments:
            analyzer.analyze()
        for key, text in comments.items():
            # Comments are plain text: nothing in them is markup.
            escaped = re.sub(r"([*`|\\]|_\b)", r"\\\1", text)
            # The first line says nothing: napoleon would take what stands before a colon for a type.
            analyzer.attr_docs.setdefault(key, ["\\ ", escaped, ""])


def shorten_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str, str] | None:
    """``(**fields)`` for a dataclass whose fields are listed anyway, nothing for an ``__init__`` that is not ours.

    For the event ``autodoc-process-signature``.
    """
    if what == "class" and dataclasses.is_dataclass(obj) and len(dataclasses.fields(obj)) > MANY_FIELDS:
        return "(**fields)", ""
    if what == "class" and inspect.isfunction(obj.__init__) and not obj.__init__.__module__.startswith(PACKAGE):
        return "", ""
    return None


def skip_foreign_members(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what another library writes into our classes, as matplotlib does (``autodoc-skip-member``)."""
    module = getattr(obj, "__module__", None)
    foreign = what == "class" and inspect.isfunction(obj) and module is not None and not module.startswith(PACKAGE)
    return True if foreign else None


# ---- the glossary ---------------------------------------------------------------------------------------------

GLOSSARY = "glossary"
# Words of every day: they are linked only where a chapter sets them in bold, that is, where it explains them.
EVERYDAY = frozenset(
    "background detection detector head level negative positive precision recall sample score target word".split()
)
NO_LINKS_IN = (nodes.reference, nodes.title, nodes.literal, nodes.math, nodes.caption, nodes.raw, addnodes.pending_xref)


def definitions(app: Sphinx) -> dict[str, tuple[str, str]]:
    """Each term of the glossary: its anchor there, and its first paragraph."""
    if not hasattr(app.env, "fcos_edu_terms"):
        found = {}
        if GLOSSARY in app.env.found_docs:
            for item in app.env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
                paragraphs = list(item.findall(nodes.paragraph))
                meaning = paragraphs[0].astext().replace("\n", " ") if paragraphs else ""
                for term in item.findall(nodes.term):
                    found[term.astext()] = (term["ids"][0], meaning)
        app.env.fcos_edu_terms = found  # type: ignore[attr-defined]
    return app.env.fcos_edu_terms  # type: ignore[attr-defined]


def term_pattern(terms: list[str]) -> re.Pattern[str]:
    """Any of the terms as a whole word, the longest first, with a plural's s; names in capitals only as they are."""

    def spelling(term: str) -> str:
        text = re.escape(term)
        if term == term.lower():  # the first letter may be large, as at the beginning of a sentence
            text = f"[{term[0]}{term[0].upper()}]{re.escape(term[1:])}"
        return text.replace(r"\ ", r"\s+")

    longest = sorted(terms, key=len, reverse=True)
    return re.compile(rf"(?<![\w-])({'|'.join(map(spelling, longest))})(?:e?s)?(?![\w-])")


def link_terms(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Link the first mention of each term in a chapter (the event ``doctree-resolved``)."""
    terms = definitions(app) if docname.startswith("notebooks/") else {}
    if not terms:
        return
    pattern = term_pattern(list(terms))
    seen: set[str] = set()
    for text in list(doctree.findall(nodes.Text)):
        above, parent = [], text.parent
        while parent is not None:
            above.append(parent)
            parent = parent.parent
        if any(isinstance(node, NO_LINKS_IN) for node in above):
            continue
        if not any(isinstance(node, nodes.paragraph) for node in above):
            continue
        bold = any(isinstance(node, nodes.strong) for node in above)
        pieces: list[nodes.Node] = []
        end = 0
        for match in pattern.finditer(text.astext()):
            words = " ".join(match[1].split())
            term = words if words in terms else words[0].lower() + words[1:]
            if term in seen or (term in EVERYDAY and not bold):
                continue
            seen.add(term)
            anchor, meaning = terms[term]
            address = app.builder.get_relative_uri(docname, GLOSSARY) + "#" + anchor
            pieces += [
                nodes.Text(text.astext()[end : match.start()]),
                nodes.reference("", match[0], internal=True, refuri=address, reftitle=meaning, classes=["term"]),
            ]
            end = match.end()
        if pieces:
            text.parent.replace(text, [*pieces, nodes.Text(text.astext()[end:])])


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_transform(ModuleLinks)
    app.connect("builder-inited", add_field_comments)
    app.connect("autodoc-process-signature", shorten_signature)
    app.connect("autodoc-skip-member", skip_foreign_members)
    app.connect("doctree-resolved", link_terms)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
