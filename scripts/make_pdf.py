"""The whole book as one PDF, printed page by page from the built site.

    python -m scripts.make_pdf                             book/_build/fcos-edu.pdf
    python -m scripts.make_pdf --out book.pdf --api        elsewhere, and with the API reference

``make pdf`` builds the site first. The pages are those of the table of contents, in its order; solutions are open, and
each page has its place among the bookmarks. What is printed how stands in ``book/_static/print.css``. It needs a
Chromium or Chrome (CHROMIUM names another one) and the extra ``pdf``; the Chinese guide also needs a font of the system
that has its characters (Debian: ``fonts-noto-cjk``).
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

if not __package__:  # run as a file: the folder of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fcos_edu.atomic import atomic_write
from scripts import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MARGINS = {"top": "16mm", "bottom": "18mm", "left": "16mm", "right": "16mm"}
FOOT = (
    '<div style="width:100%;font-size:8px;text-align:center;color:#555">'
    '<span class="title"></span> · <span class="pageNumber"></span></div>'
)
# Solutions are printed; the text of a quiz and other folded code is not. Formulas and pictures have to be there.
# Letters of a picture are 9/375 of its width at least (fcos_edu/figures/letters.py): at 8.8 cm they have six points.
# So a high picture may be higher than print.css lets it be.
READY = """async () => {
  for (const details of document.querySelectorAll("article details")) {
    const name = details.querySelector("summary")?.innerText.trim();
    if (!name?.startsWith("Code")) details.open = true;
  }
  document.documentElement.dataset.theme = "light";
  await window.MathJax?.startup?.promise;
  await Promise.all([...document.images].map((image) => image.decode().catch(() => 0)));
  for (const image of document.querySelectorAll("article figure img:not(.fcx img)")) {
    const { naturalWidth: width, naturalHeight: height } = image;
    if (width >= 375) image.style.maxHeight = `max(9cm, ${8.8 * height / width}cm)`;
  }
}"""

# Where a detector runs in the page (book/_look_inside/page.js), it has to have answered.
COMPUTED = """() => [...document.querySelectorAll(".fcx.look")].every(
  (look) => "milliseconds" in look.dataset && !("busy" in look.dataset))"""


def parts_of(toc: dict[str, Any], api: bool) -> Iterator[tuple[str | None, list[str]]]:
    """The parts of a table of contents and the files of each, in order; the first has no name."""

    def files(entry: dict[str, Any]) -> Iterator[str]:
        if "file" in entry and (api or not entry["file"].startswith("api/")):
            yield entry["file"]
        for inner in entry.get("sections", []):
            yield from files(inner)

    yield None, [toc["root"]]
    for part in toc.get("parts", [{"chapters": toc.get("chapters", [])}]):
        yield part.get("caption"), [name for entry in part["chapters"] for name in files(entry)]


def printed(browser: Any, site: Path, name: str) -> tuple[str, bytes]:
    """A page's title, and the page as a PDF."""
    context = browser.new_context(viewport={"width": 1000, "height": 1400}, color_scheme="light", offline=True)
    try:
        page = context.new_page()
        page.set_default_timeout(180_000)
        page.goto((site / f"{name}.html").as_uri())
        page.wait_for_function("!document.querySelector('.math') || window.MathJax?.startup?.promise")
        page.wait_for_function(COMPUTED)
        page.evaluate(READY)
        title = page.locator("h1").first.evaluate("(h1) => h1.firstChild.textContent.trim()")
        data = page.pdf(
            format="A4", margin=MARGINS, print_background=True, display_header_footer=True,
            header_template="<span></span>", footer_template=FOOT,
        )  # fmt: skip
    finally:
        context.close()
    return title, data


def make(browser: Any, site: Path, toc: dict[str, Any], api: bool = False) -> bytes:
    """All pages of the table of contents as one PDF, with bookmarks for parts and pages."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter()
    for caption, names in parts_of(toc, api):
        part = None
        for name in names:
            title, data = printed(browser, site, name)
            first = len(writer.pages)
            for page in PdfReader(io.BytesIO(data)).pages:
                writer.add_page(page)
            if caption and part is None:
                part = writer.add_outline_item(title=caption, page_number=first)
            writer.add_outline_item(title=title, page_number=first, parent=part)
            print(f"{title}: {len(writer.pages) - first} pages", flush=True)
    writer.compress_identical_objects()
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Print the built site as one PDF.")
    built = ROOT / "book" / "_build"
    parser.add_argument("--site", type=Path, default=built / "html", help="the built site (default: book/_build/html)")
    parser.add_argument("--out", type=Path, default=built / "fcos-edu.pdf", help="default: book/_build/fcos-edu.pdf")
    parser.add_argument("--api", action="store_true", help="the API reference too")
    args = parser.parse_args(argv)
    if not (args.site / "index.html").is_file():
        print(f"error: there is no site in {args.site}. Build it first: make book", file=sys.stderr)
        return 1
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        print("error: no Chromium or Chrome on this machine; CHROMIUM=/path/to/it names one", file=sys.stderr)
        return 1
    try:
        import pypdf  # noqa: F401
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        print(f'error: {error.name} is missing: pip install "fcos-edu[pdf]"', file=sys.stderr)
        return 1
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text("utf-8"))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        data = make(browser, args.site, toc, args.api)
        browser.close()
    atomic_write(args.out, lambda path: path.write_bytes(data))
    print(f"{args.out}: {len(data) / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
