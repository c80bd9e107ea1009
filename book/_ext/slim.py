"""The built site without what its readers would load in vain (the event ``build-finished``).

- The theme draws each icon twice, by a font and by a script of 1.5 MB: the script goes, and of the font the icons that
  no page has.
- Of MathJax come the parts that formulas need.
- The index for searching is for the page that searches.
- Pictures become WebP where that is a good deal smaller; the frames of a figure become files of their own.
- A picture that is a drawing (:func:`fcos_edu.figures.style.png` notes it in the file) says so on the page, where dark
  colours of the theme turn its light and dark over.
- What the theme leaves without a name for those who do not see it gets one.

Where a new version of the theme looks different, nothing is changed, and ``make browser`` tells that pages are heavy.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
from pathlib import Path
from typing import Any

from PIL import Image
from sphinx.application import Sphinx

FRAME = re.compile(r'<img(\b[^>]*?\bsrc=")data:image/png;base64,([A-Za-z0-9+/=]+)(")')
PICTURE = re.compile(r'<img(\b[^>]*?\bsrc=")([^":]*_images/[^"]+\.(?:png|jpe?g))(")')
ICON_RULE = re.compile(r'((?:\.fa-[\w-]+:before,?)+)\{content:"[^"]*"\}')
ICON_SCRIPT = re.compile(r'\s*<script[^>]*src="[^"]*scripts/fontawesome\.js[^"]*"[^>]*></script>')
SEARCH_SCRIPT = re.compile(
    r'\s*<script[^>]*src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"[^>]*></script>'
)
DESIGN = re.compile(r"\s*<(?:link|script)[^>]*(?:sphinx-design\.min\.css|design-tabs\.js)[^>]*>(?:</script>)?")
FOLDING = re.compile(r'<summary>(<span class="toctree-toggle")')
LIST_OF_FIELDS = re.compile(r"<dl>\n(?:<dd>.*</dd>\n)+</dl>")
SMALLER = 0.8  # a picture is replaced where at most this share of it is left


def smaller(data: bytes) -> bytes | None:
    """A picture as WebP, None where that saves little. Drawings keep every pixel."""
    with Image.open(io.BytesIO(data)) as opened:
        picture = opened.convert("RGBA" if "transparency" in opened.info or opened.mode == "RGBA" else "RGB")
    ways = [{"lossless": True, "quality": 60, "method": 2}]
    if len(data) > 30_000:  # of photographs, and of drawings on a grainy ground
        ways.append({"quality": 90, "method": 4, "use_sharp_yuv": True})
    for way in ways:
        file = io.BytesIO()
        picture.save(file, "webp", **way)
        if file.tell() <= SMALLER * len(data):
            return file.getvalue()
    return None


def tag(data: bytes) -> str:
    """The beginning of a picture's ``<img>``, by what the file says of itself."""
    with Image.open(io.BytesIO(data)) as picture:
        return "<img data-drawing" if picture.info.get("Comment") == "drawing" else "<img"


class Pictures:
    """The pictures of a site, each made smaller once."""

    def __init__(self, site: Path) -> None:
        self.site, self.known = site, dict[Path, tuple[str, str]]()

    def linked(self, page: Path, match: re.Match[str]) -> str:
        """An ``<img>`` of a file."""
        path = (page.parent / match[2]).resolve()
        if path not in self.known:
            data = path.read_bytes() if path.is_file() else b""
            made = smaller(data) if data else None
            self.known[path] = tag(data) if data else "<img", path.with_suffix(".webp").name if made else path.name
            if made:
                path.with_suffix(".webp").write_bytes(made)
        start, name = self.known[path]
        return start + match[1] + match[2].replace(path.name, name) + match[3]

    def frame(self, page: Path, match: re.Match[str]) -> str:
        """An ``<img>`` that holds its picture."""
        data = base64.b64decode(match[2])
        made = smaller(data)
        folder = self.site / "_images"
        folder.mkdir(exist_ok=True)
        name = hashlib.sha256(data).hexdigest()[:20] + (".webp" if made else ".png")
        (folder / name).write_bytes(made or data)
        up = "../" * (len(page.relative_to(self.site).parts) - 1)
        return f"{tag(data)}{match[1]}{up}_images/{name}{match[3]}"


def fields(match: re.Match[str]) -> str:
    """The parameters of a long signature, which Sphinx writes as a list of definitions without terms."""
    return match[0].replace("<dl>", '<dl role="presentation">')


def slim_page(text: str, *, searches: bool) -> str:
    """A page without what it does not need, and with names for what has none."""
    text = ICON_SCRIPT.sub("", text)
    # sphinx-mathjax-offline names the whole, with its menu; book/_static/formulas.js loads the parts.
    text = text.replace("mathjax/tex-chtml.js", "mathjax/startup.js")
    if not searches:
        text = SEARCH_SCRIPT.sub("", text)
    if 'class="sd-' not in text and " sd-" not in text:
        text = DESIGN.sub("", text)
    text = FOLDING.sub(r'<summary aria-label="Pages of this part">\1', text)
    text = text.replace('<div role="list" class="citation-list">', '<div class="citation-list">')
    return LIST_OF_FIELDS.sub(fields, text)


def slim_icons(static: Path, pages: str) -> None:
    """The theme's icons: rules and glyphs of those that a page or a style sheet has."""
    from fontTools import subset  # matplotlib needs it anyway
    from fontTools.ttLib import TTFont

    sheet = static / "styles" / "pydata-sphinx-theme.css"
    font = static / "vendor" / "fontawesome" / "webfonts" / "fa-solid-900.ttf"
    if not (sheet.is_file() and font.is_file()):
        return
    used = set(re.findall(r"\bfa-[\w-]+", pages))
    rules = sheet.read_text("utf-8")
    rules = ICON_RULE.sub(lambda m: m[0] if used & set(re.findall(r"fa-[\w-]+", m[1])) else "", rules)
    rules = re.sub(r'url\([^)]*fa-solid-900\.woff2\) format\("woff2"\),', "", rules)
    sheet.write_text(rules, "utf-8")
    others = "".join(path.read_text("utf-8") for path in static.rglob("*.css"))
    codes = {int(code, 16) for code in re.findall(r'"\\(f[0-9a-f]{3})"', others)}
    options = subset.Options(hinting=False, notdef_outline=True)
    small = TTFont(font)
    maker = subset.Subsetter(options)
    maker.populate(unicodes=codes)
    maker.subset(small)
    small.save(font)


def finish(app: Sphinx, error: Exception | None) -> None:
    """All pages that were written."""
    if error is not None or app.builder.name not in ("html", "dirhtml"):
        return
    site = Path(app.outdir)
    pictures, words = Pictures(site), set[str]()
    for page in sorted(path for path in site.rglob("*.html") if "_static" not in path.parts):
        text = before = page.read_text("utf-8")
        text = slim_page(text, searches=page.name == "search.html")
        text = PICTURE.sub(lambda match, page=page: pictures.linked(page, match), text)
        text = FRAME.sub(lambda match, page=page: pictures.frame(page, match), text)
        words |= set(re.findall(r"\bfa-[\w-]+", text))
        if text != before:
            page.write_text(text, "utf-8")
    slim_icons(site / "_static", " ".join(words))


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True}
