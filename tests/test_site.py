"""The site: its configuration, the pages that scripts write, what stands on the pages by hand, and one small build.

The strict build of all pages is ``make book``.
"""

from __future__ import annotations

import ast
import base64
import html
import importlib.util
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml
from PIL import Image, PngImagePlugin
from sphinx.highlighting import PygmentsBridge

from fcos_edu.cli.options import parse_setting
from fcos_edu.cli.parser import build_parser
from fcos_edu.training.config import TrainConfig
from scripts import set_repository

ROOT = Path(__file__).resolve().parents[1]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
SPHINX = CONFIG["sphinx"]["config"]
TOC = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text("utf-8"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def load_file(path: str) -> ModuleType:
    """A Python file that is no part of the package, as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


book_pages = load_file("book/_ext/book_pages.py")
cells = load_file("book/_ext/cells.py")
code_lines = load_file("book/_ext/code_lines.py")
slim = load_file("book/_ext/slim.py")


def toc_files(node: Any) -> list[str]:
    """All pages of a table of contents, in order."""
    if isinstance(node, dict):
        own = [value for key, value in node.items() if key in ("root", "file")]
        return own + [page for value in node.values() for page in toc_files(value)]
    return [page for value in node for page in toc_files(value)] if isinstance(node, list) else []


def test_the_links_in_book_lead_to_the_top_level() -> None:
    # fcos_edu and tests: so that ../fcos_edu/x.py in a chapter leads somewhere on the site as well.
    for name in ("_config.yml", "notebooks", "fcos_edu", "tests"):
        link = ROOT / "book" / name
        assert link.is_symlink(), f"book/{name} must be a link to ../{name}: Jupyter Book looks for it there"
        assert link.resolve() == ROOT / name
        assert not Path(link.readlink()).is_absolute()


def test_every_page_of_the_table_of_contents_exists_once() -> None:
    pages = toc_files(TOC)
    assert len(pages) >= 5
    assert len(set(pages)) == len(pages)
    missing = [p for p in pages if not any((ROOT / "book" / f"{p}{end}").is_file() for end in (".md", ".ipynb"))]
    assert not missing, f"book/_toc.yml lists pages that are not there: {missing}"


def test_every_page_is_in_the_table_of_contents() -> None:
    here = {path.stem for path in (ROOT / "book").glob("*.md")}
    here |= {f"{part}/{path.stem}" for part in ("api", "teaching") for path in (ROOT / "book" / part).glob("*.md")}
    here |= {f"notebooks/{path.stem}" for path in NOTEBOOKS}
    assert here == set(toc_files(TOC))


def test_committed_outputs_are_shown_and_stray_files_are_left_out() -> None:
    assert CONFIG["execute"]["execute_notebooks"] == "off"
    assert CONFIG["only_build_toc_files"] is True


def test_no_button_is_dead() -> None:
    url, buttons = CONFIG["repository"]["url"], CONFIG["launch_buttons"]
    assert (
        bool(url)
        == bool(buttons["colab_url"])
        == bool(buttons["binderhub_url"])
        == CONFIG["html"]["use_repository_button"]
    )
    assert CONFIG["repository"]["path_to_book"] == "", "a path would lead through book/notebooks, a 404"
    assert CONFIG["html"]["use_edit_page_button"] is False
    assert CONFIG["launch_buttons"]["thebe"] is False


def test_formulas_need_no_network() -> None:
    assert "sphinx-mathjax-offline" in SPHINX["extensions"]
    assert "://" not in SPHINX["mathjax_path"]


def test_moving_figures_need_no_network() -> None:
    """Otherwise two scripts of a CDN are asked for on every page."""
    assert CONFIG["sphinx"]["config"]["nb_ipywidgets_js"] == {}


def test_every_bibliography_file_exists() -> None:
    assert CONFIG["bibtex_bibfiles"]
    for name in CONFIG["bibtex_bibfiles"]:
        assert (ROOT / "book" / name).is_file(), name


def test_every_citation_of_a_page_is_in_the_bibliography() -> None:
    keys = set(re.findall(r"^@\w+\{(\w+),", (ROOT / "book" / "references.bib").read_text("utf-8"), re.MULTILINE))
    for path in (ROOT / "book").glob("*.md"):
        for cited in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", path.read_text("utf-8")):
            assert set(cited.replace(" ", "").split(",")) <= keys, f"{path.name} cites {cited}"


# ---- what stands on the pages by hand -------------------------------------------------------------------------

FENCE = re.compile(r"^( *)(`{3,})(\{code-block\} )?(\w+)\n(.*?)^\1\2[ \t]*$", re.MULTILINE | re.DOTALL)
HAND_WRITTEN = [
    ROOT / "README.md",
    *(ROOT / "book" / f"{name}.md" for name in ("intro", "troubleshooting", "status", "zh")),
]


def blocks(path: Path, language: str) -> list[str]:
    """The code blocks of a page in one language, without their indentation."""
    found = [m for m in FENCE.finditer(path.read_text("utf-8")) if m[4] == language]
    return [re.sub(rf"^{m[1]}", "", m[5], flags=re.MULTILINE) for m in found]


def shell_lines() -> Iterator[tuple[str, list[str]]]:
    """Each command of each page, split into words, without comments and environment variables."""
    for path in [*HAND_WRITTEN, ROOT / "book" / "folders.md"]:
        in_tables = re.findall(r"^\|.*\| `(fcos-edu [^`]+)` \|$", path.read_text("utf-8"), re.MULTILINE)
        for block in [*blocks(path, "bash"), *in_tables]:
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                    words.pop(0)
                if words:
                    yield path.name, words


def test_blocks_are_found() -> None:
    assert len(blocks(ROOT / "book" / "troubleshooting.md", "python")) >= 2
    assert len(list(shell_lines())) > 20


def test_every_command_of_a_page_exists_with_its_switches_and_fields() -> None:
    parser, seen = build_parser(), 0
    for page, words in shell_lines():
        if "fcos_edu.cli" in words:
            arguments = words[words.index("fcos_edu.cli") + 1 :]
        elif words[0] == "fcos-edu":
            arguments = words[1:]
        else:
            continue
        try:
            parsed = parser.parse_args(arguments)
        except SystemExit:
            pytest.fail(f"{page}: {shlex.join(words)}")
        seen += 1
        changes = dict(parse_setting(text) for text in getattr(parsed, "set", []))
        TrainConfig().replace(**changes)  # refuses a field that does not exist, and a value that cannot be
    assert seen > 20


def test_every_make_target_of_a_page_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {word for _, words in shell_lines() if words[0] == "make" for word in words[1:]}
    assert {"book", "test", "notebooks", "pages"} <= named <= targets


def test_the_python_of_every_page_runs() -> None:
    """What the copy button copies runs as it is; a comment that is a number is what the line gives."""
    compared = 0
    for path in HAND_WRITTEN[1:]:  # README.md has a test of its own
        names: dict[str, Any] = {"image": torch.rand(3, 64, 64)}
        for block in blocks(path, "python"):
            exec(compile(block.replace("range(150)", "range(2)"), path.name, "exec"), names)
            for name, value in re.findall(r"^(\w+) = .*# (-?\d+)$", block, re.MULTILINE):
                assert names[name] == int(value), f"{path.name}: {name} is {names[name]}, not {value}"
                compared += 1
    assert compared >= 4, "the four distances of the landing page"


def test_the_function_on_the_landing_page_runs_as_it_is_copied() -> None:
    text = (ROOT / "book" / "intro.md").read_text("utf-8")
    (found,) = re.findall(r"^```\{literalinclude\} (\S+)\n---\n(.*?)^---\n```", text, re.MULTILINE | re.DOTALL)
    options = yaml.safe_load(found[1])
    source = (ROOT / "book" / found[0]).read_text("utf-8")
    (node,) = [n for n in ast.parse(source).body if getattr(n, "name", "") == options["pyobject"]]
    names: dict[str, Any] = {}
    exec(options["prepend"] + (ast.get_source_segment(source, node) or ""), names)
    given = names["torch"].tensor([[120.0, 104.0]]), names["torch"].tensor([[80.0, 60.0, 240.0, 200.0]])
    assert names[options["pyobject"]](*given).tolist() == [[[40.0, 44.0, 120.0, 96.0]]]


def test_the_messages_under_troubleshooting_are_the_packages_own() -> None:
    """A reader searches for what the screen says."""
    text = (ROOT / "book" / "troubleshooting.md").read_text("utf-8")
    quoted = re.findall(r'^### "(.*?)"', text, re.MULTILINE)
    assert len(quoted) >= 5
    source = " ".join(path.read_text("utf-8") for path in (ROOT / "fcos_edu").rglob("*.py"))
    source = re.sub(r'"\s*f?"', "", source)  # strings that go on in the next line
    foreign = {"operator torchvision::nms does not exist"}
    for message in set(quoted) - foreign:
        # Numbers and names come from the user; what stands between them is ours.
        for words in re.split(r"[\w/]*\d[\w.]*|bbox_regression|runs/boxes", message):
            assert words.strip() in source, f"no message of the package says {words.strip()!r}"


def test_what_is_promised_is_what_the_package_says() -> None:
    """The sentences on the page of promises, between what is the reader's; and the tests that it names."""
    text = (ROOT / "book" / "promises.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| What")]
    source = " ".join(path.read_text("utf-8") for path in (ROOT / "fcos_edu").rglob("*.py"))
    source = re.sub(r'"\s*f?"', "", source)  # strings that go on in the next line
    sentences = [sentence for row in rows for sentence in re.findall(r'"([^"]+)"', row)]
    assert len(sentences) > 20
    for sentence in sentences:
        for words in filter(None, (part.strip(" :;") for part in sentence.split("…"))):
            assert words in source, f"no message of the package says {words!r}"
    tests = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    for row in rows:
        named = set(re.findall(r"`(test_\w+\.py)`", row.rsplit("|", 2)[-2]))
        assert named and named <= tests, row


# ---- the glossary, and the extension --------------------------------------------------------------------------


def glossary_terms() -> list[str]:
    """The terms of book/glossary.md: the lines of the directive that are not indented."""
    (body,) = re.findall(
        r"^```\{glossary\}\n(.*?)^```", (ROOT / "book" / "glossary.md").read_text("utf-8"), re.M | re.S
    )
    return [line for line in body.splitlines() if line and not line.startswith((" ", ":"))]


def test_the_glossary_has_the_papers_words() -> None:
    terms = glossary_terms()
    assert len(set(terms)) == len(terms)
    wanted = "anchor, location, stride, ltrb, center-ness, center sampling, ambiguous sample, focal loss, IoU, GIoU, "
    wanted += "feature pyramid, NMS, best possible recall, average precision, proposal"
    assert set(wanted.split(", ")) <= set(terms)
    assert book_pages.EVERYDAY <= set(terms)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("anchors and Anchor boxes", ["anchor", "Anchor box"]),
        ("an anchorage, a pre-anchor, NMS-free", []),
        ("AP of IoUs, but not ap or iou", ["AP", "IoU"]),
        ("a best  possible\nrecall", ["best  possible\nrecall"]),
    ],
)
def test_terms_are_found_as_whole_words(text: str, found: list[str]) -> None:
    terms = ["anchor", "anchor box", "AP", "IoU", "NMS", "best possible recall", "recall"]
    pattern = book_pages.term_pattern(terms)
    assert [match[1] for match in pattern.finditer(text)] == found


def test_the_comment_of_a_field_is_its_documentation() -> None:
    source = (
        "class A:\n"
        "    x: int = 1  # one: two\n"
        "    y: str\n"
        "    z: float = (\n        2.0  # three\n    )\n"
        "    w = 3  # without a type, no field\n"
        '    v: str = "#"  #: four\n'
    )
    assert book_pages.field_comments(source) == {("A", "x"): "one: two", ("A", "z"): "three", ("A", "v"): "four"}
    assert book_pages.FIELD.search(source)
    for path in (ROOT / "fcos_edu").rglob("*.py"):  # the quick look misses none
        text = path.read_text("utf-8")
        assert book_pages.FIELD.search(text) or not book_pages.field_comments(text), path
    config = book_pages.field_comments((ROOT / "fcos_edu" / "config.py").read_text("utf-8"))
    assert "Table 3" in config["FCOSConfig", "center_sampling_radius"]


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("fcos_edu/targets.py", "api/fcos_edu.targets"),
        ("fcos_edu/data/boxes.py", "api/fcos_edu.data.boxes"),
        ("fcos_edu/data/__init__.py", "api/fcos_edu.data"),
        ("fcos_edu/__init__.py", "api/fcos_edu"),
        ("tests/test_targets.py", None),
        ("fcos_edu/py.typed", None),
    ],
)
def test_the_page_of_a_modules_file(path: str, page: str | None) -> None:
    assert book_pages.api_page(path) == page


def test_each_line_of_a_block_is_an_element_that_knows_its_indentation() -> None:
    source = 'def f(x):\n    """One\n\n    & two.\n    """\n\n    return x < 1  # why\n'
    block = PygmentsBridge("html").highlight_block(source, "python")
    made = code_lines.BLOCK.sub(code_lines.lines_of, block)
    assert html.unescape(re.sub(r"<[^>]*>", "", made)).strip() == source.strip(), "what is copied stays the same"
    assert re.findall(r'<span class="ln"(?: style="--in:(\d)")?>', made) == ["", "4", "", "4", "4", "", "4"]
    assert 'style="--chars:23"' in made
    assert made.count("<span") == made.count("</span>")
    again = '<p class="highlight"><pre>a</pre></p>'
    assert code_lines.BLOCK.sub(code_lines.lines_of, again) == again, "other blocks stay as they are"


def test_folded_cells_are_called_by_what_they_are() -> None:
    assert cells.folded_as(["hide-cell"]) == "Solution"
    assert cells.folded_as(["my-fcos", "hide-cell"]) == "The book's version"
    assert cells.folded_as(["nbval-ignore-output", "hide-input"]) == "Code"
    assert cells.folded_as(["my-fcos"]) is None
    source = [json.dumps({"cells": [{"metadata": {"tags": ["hide-cell"]}}, {"metadata": {}}]})]
    cells.name_cells(None, "notebooks/02_locations", source)
    first, second = (cell["metadata"] for cell in json.loads(source[0])["cells"])
    assert first["mystnb"]["code_prompt_show"] == "Solution" and second == {}


def test_a_folded_cell_has_its_title_above_it_and_not_in_it() -> None:
    folded = {"tags": ["hide-input"]}
    given = [
        {"metadata": folded, "source": ["# @title Table 1\n", "print(1)\n", "# @title kept"]},
        {"metadata": folded | {"mystnb": {"figure": {"caption": "Two."}}}, "source": ["# @title Two\n", "draw()"]},
        {"metadata": {"tags": ["hide-cell"]}, "source": ["# @title Solution\n", "x = 1"]},
        {"metadata": {}, "source": ["# @title no form\n", "y = 1"]},
    ]
    source = [json.dumps({"cells": given})]
    cells.name_cells(None, "notebooks/02_locations", source)
    made = json.loads(source[0])["cells"]
    assert [one["metadata"].get("mystnb", {}).get("code_prompt_show") for one in made] == [
        "Code \u00b7 Table 1",
        "Code",
        "Solution",
        None,
    ]
    assert ["".join(one["source"]) for one in made] == [
        "print(1)\n# @title kept",
        "draw()",
        "x = 1",
        "# @title no form\ny = 1",
    ]


def picture_file(path: Path, *, grain: bool) -> bytes:
    """A drawing of few colours, or one on a grainy ground."""
    noise = torch.randint(256, (200, 200, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)).numpy()
    picture = Image.fromarray(noise) if grain else Image.new("RGB", (200, 200), "white")
    picture.paste((0, 114, 178), (20, 20, 90, 60))
    picture.save(path)
    return path.read_bytes()


def test_pictures_become_smaller_or_stay(tmp_path: Path) -> None:
    plain = tmp_path / "_images" / "a.png"
    plain.parent.mkdir()
    drawn = picture_file(plain, grain=False)
    noise = picture_file(tmp_path / "_images" / "b.png", grain=True)
    made = slim.smaller(noise)
    assert made is not None and len(made) <= slim.SMALLER * len(noise)
    if (small := slim.smaller(drawn)) is not None:
        assert Image.open(io.BytesIO(small)).convert("RGB").tobytes() == Image.open(plain).tobytes(), "every pixel"
    page = tmp_path / "notebooks" / "x.html"
    data = base64.b64encode(noise).decode()
    pictures = slim.Pictures(tmp_path)
    text = f'<img alt="x" src="../_images/b.png" /><img class="f" src="data:image/png;base64,{data}">'
    text = slim.PICTURE.sub(lambda match: pictures.linked(page, match), text)
    text = slim.FRAME.sub(lambda match: pictures.frame(page, match), text)
    found = re.findall(r'src="(.*?)"', text)
    assert found[0] == "../_images/b.webp" and found[1].startswith("../_images/")
    for target in found:
        assert Image.open((page.parent / target).resolve()).size == (200, 200)
    assert "data-drawing" not in text


def test_a_drawing_says_so_on_its_page(tmp_path: Path) -> None:
    about = PngImagePlugin.PngInfo()
    about.add_text("Comment", "drawing")
    file = tmp_path / "_images" / "a.png"
    file.parent.mkdir()
    Image.new("RGB", (200, 200), "white").save(file, pnginfo=about)
    page = tmp_path / "x.html"
    pictures = slim.Pictures(tmp_path)
    text = '<img alt="x" src="_images/a.png" />'
    assert slim.PICTURE.sub(lambda match: pictures.linked(page, match), text).startswith(
        '<img data-drawing alt="x" src="'
    )
    text = f'<img class="f" src="data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}" width="3">'
    made = slim.FRAME.sub(lambda match: pictures.frame(page, match), text)
    assert made.startswith('<img data-drawing class="f" src="_images/') and made.endswith('" width="3">')


def test_a_page_loads_no_script_for_icons_and_no_index_where_nobody_searches() -> None:
    page = (
        '<link href="_static/sphinx-design.min.css?v=1"/><script src="_static/scripts/fontawesome.js?d=1"></script>'
        '<script src="searchindex.js"></script><script src="_static/doctools.js"></script>'
        '<details><summary><span class="toctree-toggle">x</span></summary></details>'
    )
    made = slim.slim_page(page, searches=False)
    assert re.findall(r'(?:src|href)="(.*?)"', made) == ["_static/doctools.js"]
    assert '<summary aria-label="' in made
    assert "searchindex.js" in slim.slim_page(page, searches=True)
    assert "sphinx-design" in slim.slim_page(page + '<div class="sd-card">', searches=False)


# ---- a small build --------------------------------------------------------------------------------------------

ADDRESS = "https://github.com/some-one/my.book"


@pytest.fixture(scope="module")
def addressed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy whose repository has an address, and whose chapters have no outputs."""
    root = tmp_path_factory.mktemp("copy")
    for name in ("pyproject.toml", "_config.yml", "CITATION.cff", "README.md"):
        shutil.copyfile(ROOT / name, root / name)
    shutil.copytree(ROOT / "book", root / "book", symlinks=True, ignore=shutil.ignore_patterns("_build"))
    for name in ("fcos_edu", "tests"):
        (root / name).symlink_to(ROOT / name)
    (root / "notebooks").mkdir()
    for path in NOTEBOOKS:
        notebook = json.loads(path.read_text("utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"] = []
        (root / "notebooks" / path.name).write_text(json.dumps(notebook), "utf-8")
    assert set_repository.main([ADDRESS, "--root", str(root)]) == 0
    return root


CHAPTERS = ("02_locations", NOTEBOOKS[-1].stem)  # a page of each kind is enough for what the theme adds


@pytest.fixture(scope="module")
def site(addressed: Path) -> Path:
    """Two chapters, the landing page, the glossary and one page of the API reference of that copy, built."""
    pages = [f"notebooks/{name}" for name in CHAPTERS]
    pages += ["glossary", "references", "api/fcos_edu.locations"]
    toc = {"format": "jb-book", "root": "intro", "chapters": [{"file": page} for page in pages]}
    (addressed / "book" / "_toc.yml").write_text(yaml.safe_dump(toc), "utf-8")
    build = "from jupyter_book.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", build, "build", str(addressed / "book")], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return addressed / "book" / "_build" / "html"


def links(page: Path) -> set[str]:
    """The targets of all links of a built page."""
    return {html.unescape(target) for target in re.findall(r'href="([^"]+)"', page.read_text("utf-8"))}


def colab_of(path: Path) -> str:
    return f"{set_repository.COLAB}/github/some-one/my.book/blob/main/notebooks/{path.name}"


def test_with_an_address_every_chapter_has_its_badge(addressed: Path) -> None:
    for path in NOTEBOOKS:
        first = "".join(json.loads((addressed / "notebooks" / path.name).read_text("utf-8"))["cells"][0]["source"])
        assert re.findall(rf"{set_repository.COLAB}[^)\s]+\.ipynb", first) == [colab_of(path)], path.name


@pytest.mark.weekly
def test_with_an_address_a_chapter_has_its_launch_buttons(site: Path) -> None:
    for path in (path for path in NOTEBOOKS if path.stem in CHAPTERS):
        found = {link for link in links(site / "notebooks" / f"{path.stem}.html") if set_repository.COLAB in link}
        assert found == {colab_of(path)}, f"{path.name}: launch button and badge must lead to the notebook itself"
        (binder,) = {link for link in links(site / "notebooks" / f"{path.stem}.html") if set_repository.BINDER in link}
        assert binder.startswith(f"{set_repository.BINDER}/v2/gh/some-one/my.book/main?")
        assert binder.endswith(f"notebooks/{path.name}")
    assert not {link for link in links(site / "intro.html") if set_repository.COLAB in link}


def test_with_an_address_the_site_links_to_the_repository(site: Path) -> None:
    assert ADDRESS in links(site / "intro.html")
    text = (site / "intro.html").read_text("utf-8")
    assert f"git clone {ADDRESS}" in re.sub(r"<[^>]+>", "", text)


def test_folded_cells_have_names_and_nothing_is_loaded_in_vain(site: Path) -> None:
    text = (site / "notebooks" / "02_locations.html").read_text("utf-8")
    names = set(re.findall(r'<p class="collapsed admonition-title">(.*?)</p>', text))
    names = {html.unescape(name).replace("\u2019", "'") for name in names}
    assert {name for name in names if not name.startswith("Code \u00b7 ")} == {"Solution", "The book's version", "Code"}
    assert {"Code \u00b7 Imports", "Code \u00b7 Check 1"} <= names and "@title" not in text
    assert '<span class="ln"' in text and "caption-number" not in text, "figures have the numbers of their chapter"
    assert "mathjax/startup.js" in text
    for name in ("fontawesome.js", "searchindex.js", "sphinx-design", "tex-chtml.js"):
        assert name not in text
    assert "searchindex.js" in (site / "search.html").read_text("utf-8")
    font = site / "_static" / "vendor" / "fontawesome" / "webfonts" / "fa-solid-900.ttf"
    assert font.stat().st_size < 40_000
    sheet = (site / "_static" / "styles" / "pydata-sphinx-theme.css").read_text("utf-8")
    assert ".fa-magnifying-glass:before" in sheet and ".fa-bicycle:before" not in sheet


def test_there_is_one_search_field(site: Path) -> None:
    assert (site / "intro.html").read_text("utf-8").count("search-button-field") == 1


def test_chapters_lead_to_the_api_reference_and_to_the_glossary(site: Path) -> None:
    page = site / "notebooks" / "02_locations.html"
    assert "../api/fcos_edu.locations.html" in links(page)
    text = page.read_text("utf-8")
    terms = re.findall(r'<a class="term[^"]*" href="\.\./glossary\.html#([\w-]+)" title="([^"]+)"', text)
    assert len(terms) >= 5 and len(set(terms)) == len(terms), "each term once"
    anchors = set(re.findall(r'id="(term-[\w-]+)"', (site / "glossary.html").read_text("utf-8")))
    assert {anchor for anchor, _ in terms} <= anchors


def test_the_api_reference_has_signature_docstring_and_source(site: Path) -> None:
    text = (site / "api" / "fcos_edu.locations.html").read_text("utf-8")
    assert 'id="fcos_edu.locations.level_locations"' in text
    assert "../_modules/fcos_edu/locations.html" in {
        link.partition("#")[0] for link in links(site / "api" / "fcos_edu.locations.html")
    }


def test_the_copy_button_stands_at_what_runs(site: Path) -> None:
    script = (site / "_static" / "copybutton.js").read_text("utf-8")
    (selector,) = re.findall(r"COPYBUTTON_SELECTOR = '(.*?)'", script)
    assert "div.highlight-ipython3 pre" in selector and "div.highlight-bash pre" in selector
    assert "output" not in selector and "div.highlight pre" not in selector.split(", ")
    chapter = (site / "notebooks" / "02_locations.html").read_text("utf-8")
    languages = set(re.findall(r'<div class="highlight-(\w+)', chapter))
    assert languages & set(re.findall(r"highlight-(\w+)", selector)), "cells have a language that the button knows"
