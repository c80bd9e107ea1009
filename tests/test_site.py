"""The site: its configuration, the pages that scripts write, what stands on the pages by hand, and one small build.

The strict build of all pages is ``make book``.
"""

from __future__ import annotations

import ast
import html
import importlib.util
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

import nbformat
import pytest
import torch
import yaml

from fcos_edu.cli.options import parse_setting
from fcos_edu.cli.parser import build_parser
from fcos_edu.targets import ltrb_to_boxes
from fcos_edu.training.config import TrainConfig

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


make_pages = load_file("scripts/make_pages.py")
execute_notebooks = load_file("scripts/execute_notebooks.py")
set_repository = load_file("scripts/set_repository.py")
book_pages = load_file("book/_ext/book_pages.py")


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
    here |= {f"api/{path.stem}" for path in (ROOT / "book" / "api").glob("*.md")}
    here |= {f"notebooks/{path.stem}" for path in NOTEBOOKS}
    assert here == set(toc_files(TOC))


def test_committed_outputs_are_shown_and_stray_files_are_left_out() -> None:
    assert CONFIG["execute"]["execute_notebooks"] == "off"
    assert CONFIG["only_build_toc_files"] is True


def test_no_button_is_dead() -> None:
    url, colab = CONFIG["repository"]["url"], CONFIG["launch_buttons"]["colab_url"]
    assert bool(url) == bool(colab) == CONFIG["html"]["use_repository_button"]
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


# ---- scripts/make_pages.py ------------------------------------------------------------------------------------


def test_every_written_page_is_up_to_date() -> None:
    changed, stale = make_pages.behind(ROOT)
    assert not changed and not stale, f"run: make pages ({', '.join([*changed, *stale])})"


def test_every_public_module_has_its_page_in_the_papers_order() -> None:
    modules = make_pages.public_modules(ROOT)
    assert {"fcos_edu", "fcos_edu.targets", "fcos_edu.data.boxes", "fcos_edu.evaluation"} <= set(modules)
    listed = [page for page in toc_files(TOC) if page.startswith("api/fcos_edu")]
    assert set(listed) == {f"api/{name}" for name in modules}
    index = (ROOT / "book" / "api" / "index.md").read_text("utf-8")
    assert re.findall(r"\]\((fcos_edu[\w.]*)\.md\)", index) == [page.removeprefix("api/") for page in listed]
    order = [
        listed.index(f"api/fcos_edu.{name}") for name in ("config", "locations", "targets", "losses", "model", "cli")
    ]
    assert order == sorted(order)
    for name in modules:
        assert f".. automodule:: {name}\n" in (ROOT / "book" / "api" / f"{name}.md").read_text("utf-8")


def test_a_chapter_and_its_module_lead_to_each_other() -> None:
    for chapter in make_pages.chapters(ROOT):
        page = (ROOT / "book" / "api" / f"fcos_edu.{chapter.module}.md").read_text("utf-8")
        assert f"(../notebooks/{chapter.stem}.ipynb)" in page
        cells = json.loads((ROOT / "notebooks" / f"{chapter.stem}.ipynb").read_text("utf-8"))["cells"]
        text = "".join("".join(cell["source"]) for cell in cells)
        assert f"](../{make_pages.module_file(chapter.module)})" in text, f"{chapter.stem} must link to its module"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small repository: two chapters in two parts, one module, and the pages that the script fills."""
    (stem, *_), *_ = make_pages.PARTS["From a box to its targets"]
    *_, (other, *_) = make_pages.PARTS["Beyond"]
    for name, title in ((other, "Last things"), (stem, "First things")):
        notebook = {"cells": [{"cell_type": "markdown", "source": [f"# {title}\n", "\n", "Text."]}],
                    "metadata": {"fcos_edu": {"module": "thing"}}}  # fmt: skip
        path = tmp_path / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(notebook), "utf-8")
    (tmp_path / "fcos_edu").mkdir()
    (tmp_path / "fcos_edu" / "__init__.py").write_text('"""fcos_edu: all."""\n', "utf-8")
    (tmp_path / "fcos_edu" / "_private.py").write_text("", "utf-8")
    (tmp_path / "fcos_edu" / "thing.py").write_text(
        '"""One thing with ``code``.\n\nTaught in *Last\nthings*."""', "utf-8"
    )
    table = (
        "# A\n\n## Where each idea of the paper lives\n\n| module | idea |\n|---|---|\n| `thing.py` | 3.1 |\n\n## B\n"
    )
    (tmp_path / "ARCHITECTURE.md").write_text(table, "utf-8")
    (tmp_path / "book").mkdir()
    block = "<!-- pages: {0} -->\n<!-- /pages: {0} -->\n"
    (tmp_path / "README.md").write_text(f"Before.\n{block.format('chapters')}After.\n", "utf-8")
    (tmp_path / "book" / "intro.md").write_text(block.format("start") + block.format("chapters"), "utf-8")
    return tmp_path


def test_the_pages_of_a_small_book(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make_pages.main(["--check", "--root", str(tree)]) == 1
    assert "README.md" in capsys.readouterr().err and not (tree / "book" / "_toc.yml").exists()
    assert make_pages.main(["--root", str(tree)]) == 0
    assert make_pages.main(["--check", "--root", str(tree)]) == 0

    toc = yaml.safe_load((tree / "book" / "_toc.yml").read_text("utf-8"))
    assert [part["caption"] for part in toc["parts"]] == ["From a box to its targets", "Beyond", "Appendix"]
    assert toc["parts"][0]["chapters"] == [{"file": "notebooks/01_why_no_anchors", "title": "1 · First things"}]
    assert toc["parts"][1]["chapters"][0]["title"] == "15 · Last things"
    assert [page for page in toc_files(toc) if page.startswith("api/")] == [
        "api/index",
        "api/fcos_edu",
        "api/fcos_edu.thing",
    ]

    readme = (tree / "README.md").read_text("utf-8")
    assert readme.startswith("Before.\n") and readme.endswith("After.\n")
    assert "| 1 · [First things](notebooks/01_why_no_anchors.ipynb) |" in readme
    assert "[`thing`](fcos_edu/thing.py)" in readme
    assert readme.index("First things") < readme.index("**Beyond**") < readme.index("Last things")
    intro = (tree / "book" / "intro.md").read_text("utf-8")
    assert "{button-ref} notebooks/01_why_no_anchors" in intro

    page = (tree / "book" / "api" / "fcos_edu.thing.md").read_text("utf-8")
    assert page.index("First things") < page.index("Last things"), "by metadata, and by the docstring"
    assert "One thing with `code`" in (tree / "book" / "api" / "index.md").read_text("utf-8")
    assert "Tested in" not in page, "there is no tests/test_thing.py"


def test_a_title_that_changes_reaches_every_page(tree: Path) -> None:
    make_pages.main(["--root", str(tree)])
    path = tree / "notebooks" / "01_why_no_anchors.ipynb"
    path.write_text(path.read_text("utf-8").replace("First things", "Other things"), "utf-8")
    changed, _ = make_pages.behind(tree)
    assert set(changed) == {
        "README.md",
        "book/intro.md",
        "book/_toc.yml",
        "book/status.md",
        "book/api/fcos_edu.thing.md",
    }


def test_the_page_of_a_module_that_is_gone_goes_too(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_pages.main(["--root", str(tree)])
    gone = tree / "book" / "api" / "fcos_edu.gone.md"
    gone.write_text("# gone\n", "utf-8")
    assert make_pages.main(["--check", "--root", str(tree)]) == 1
    assert "book/api/fcos_edu.gone.md" in capsys.readouterr().err
    make_pages.main(["--root", str(tree)])
    assert not gone.exists()


def test_what_is_missing_is_named(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fails_with(pattern: str) -> None:
        with pytest.raises(ValueError, match=pattern):
            make_pages.pages(tree)
        assert make_pages.main(["--root", str(tree)]) == 2
        assert re.search(pattern, capsys.readouterr().err)

    (tree / "fcos_edu" / "more.py").write_text("", "utf-8")
    fails_with(r"fcos_edu/more\.py has no line in ARCHITECTURE\.md")
    (tree / "fcos_edu" / "more.py").rename(tree / "fcos_edu" / "_more.py")
    (tree / "notebooks" / "99_new.ipynb").write_text("{}", "utf-8")
    fails_with(r"99_new\.ipynb has no line in PARTS")
    (tree / "notebooks" / "99_new.ipynb").unlink()
    (tree / "book" / "intro.md").write_text("No blocks.\n", "utf-8")
    fails_with(r"book/intro\.md: expected one block .*chapters")


def test_the_plan_has_every_chapter_once() -> None:
    stems = [stem for lines in make_pages.PARTS.values() for stem, _, _ in lines]
    assert len(set(stems)) == len(stems)
    titles = [chapter.title for chapter in make_pages.chapters(ROOT)]
    assert len(set(titles)) == len(titles)
    assert set(stems) == {path.stem for path in NOTEBOOKS}, "PARTS of scripts/make_pages.py and notebooks/ must agree"


# ---- the status page ------------------------------------------------------------------------------------------


def test_the_record_is_of_the_notebooks_that_are_here() -> None:
    """The set of notebooks, their cells and checks; not the times, which differ from run to run."""
    runs = json.loads((ROOT / "fcos_edu" / "results" / "notebooks.json").read_text("utf-8"))["metrics"]
    assert set(runs) == {path.stem for path in NOTEBOOKS}, "run: make notebooks pages"
    for path in NOTEBOOKS:
        now = execute_notebooks.about(nbformat.read(path, as_version=4), 0.0, 0.0)
        run = runs[path.stem]
        assert (run["cells"], run["checks"]) == (now["cells"], now["checks"]), f"run: make notebooks NB={path.name}"
        assert run["seconds"] >= 0 and run["hardware"] and {"python", "torch"} <= set(run["versions"])


def test_what_is_recorded_of_a_notebook() -> None:
    new = nbformat.v4
    cells = [
        new.new_markdown_cell("assert nothing"),
        new.new_code_cell("%matplotlib inline\nassert 1\nfor _ in '12':\n    assert 2, 'assert 3'"),
        new.new_code_cell("assert 4", metadata={"tags": ["skip-execution"]}),
        new.new_code_cell("  \n"),
    ]
    run = execute_notebooks.about(new.new_notebook(cells=cells), 12.4, 20.6)
    assert (run["seconds"], run["cpu_seconds"], run["cells"], run["checks"]) == (12, 21, 1, 2)


def test_the_record_follows_the_notebooks(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    for name in ("a", "b"):
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text("{}", "utf-8")
    execute_notebooks.write_record({"a": {"seconds": 1}, "b": {"seconds": 2}}, tmp_path)
    (tmp_path / "notebooks" / "b.ipynb").unlink()
    execute_notebooks.write_record({"a": {"seconds": 3}}, tmp_path)
    record = json.loads((tmp_path / "fcos_edu" / "results" / "notebooks.json").read_text("utf-8"))
    assert record["metrics"] == {"a": {"seconds": 3}}


def test_a_chapter_without_a_record_is_shown_as_such() -> None:
    first, *_ = make_pages.chapters(ROOT)
    page = make_pages.status_page([first], {})
    assert "not recorded" in page and "Nothing is recorded yet" in page
    run = {"seconds": 61, "cpu_seconds": 99, "cells": 7, "checks": 5, "date": "2030-01-02", "hardware": "a box",
           "versions": {"python": "3.99"}}  # fmt: skip
    page = make_pages.status_page([first], {"metrics": {first.stem: run}})
    assert "| 61 s | 99 s | 7 | 5 | 2030-01-02 |" in page and "1. a box: python 3.99." in page
    two = make_pages.chapters(ROOT)[:2]
    other = run | {"hardware": "another", "seconds": 40}
    page = make_pages.status_page(two, {"metrics": {two[0].stem: run, two[1].stem: other}})
    assert "2030-01-02 (1) |" in page and "2030-01-02 (2) |" in page and "| All | 101 s | 198 s | 14 | 10 | |" in page


# ---- what stands on the pages by hand -------------------------------------------------------------------------

FENCE = re.compile(r"^( *)(`{3,})(\{code-block\} )?(\w+)\n(.*?)^\1\2[ \t]*$", re.MULTILINE | re.DOTALL)
HAND_WRITTEN = [ROOT / "README.md", *(ROOT / "book" / f"{name}.md" for name in ("intro", "troubleshooting", "status"))]


def blocks(path: Path, language: str) -> list[str]:
    """The code blocks of a page in one language, without their indentation."""
    found = [m for m in FENCE.finditer(path.read_text("utf-8")) if m[4] == language]
    return [re.sub(rf"^{m[1]}", "", m[5], flags=re.MULTILINE) for m in found]


def shell_lines() -> Iterator[tuple[str, list[str]]]:
    """Each command of each page, split into words, without comments and environment variables."""
    for path in HAND_WRITTEN:
        for block in blocks(path, "bash"):
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
    for path in HAND_WRITTEN:
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


# ---- the film of the landing page -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    return load_file("scripts/make_pictures.py")


@pytest.fixture(scope="module")
def scene(pictures: ModuleType) -> Any:
    return pictures.scene()


def test_the_film_shows_what_the_detector_computes(scene: Any) -> None:
    assert len(scene.spots) == len(scene.scores) == len(scene.boxes) > len(scene.kept) >= 3
    box = ltrb_to_boxes(scene.spot, scene.ltrb)
    assert (scene.ltrb > 0).all()
    index = (scene.spots == scene.spot).all(dim=1) & ((scene.boxes - box).abs() < 1e-3).all(dim=1)
    assert index.any(), "the location whose distances are shown is one of the sure ones"
    for kept in scene.kept:  # clipped to the image, otherwise one of the boxes before NMS
        assert ((scene.boxes.clamp(0, 256) - kept).abs().amax(dim=1) < 1e-3).any()


def test_the_committed_film_is_of_the_packaged_detector(pictures: ModuleType, scene: Any) -> None:
    """Machines add in another order, so digits may differ: a tenth of a pixel, a hundredth of a score."""

    def numbers(text: str) -> list[float]:
        return [float(n) for n in re.findall(r"(?<![\w#-])-?\d+(?:\.\d+)?", re.sub(r"#[0-9a-fA-F]{6}", "", text))]

    committed = (ROOT / "book" / "_static" / "landing" / "detection.html").read_text("utf-8")
    now = pictures.film(scene).decode()
    assert re.sub(r"-?\d+(?:\.\d+)?", "0", committed) == re.sub(r"-?\d+(?:\.\d+)?", "0", now), "run: make pictures"
    assert numbers(committed) == pytest.approx(numbers(now), abs=0.6)


def test_the_film_can_be_stopped_and_has_its_last_step_as_a_still() -> None:
    folder = ROOT / "book" / "_static"
    film, style, script = (
        (folder / n).read_text("utf-8") for n in ("landing/detection.html", "landing.css", "landing.js")
    )
    steps = re.findall(r'<li data-step="(\d)">', film)
    assert steps == [str(k) for k in range(1, len(steps) + 1)]
    assert f'<figure class="film" data-step="{len(steps)}">' in film, "without the script the last step is shown"
    assert len(re.findall(r'<button type="button" data-step="\d" aria-label=', film)) == len(steps)
    assert 'class="film-play" aria-label="Pause"' in film and 'role="img"' in film
    (seconds,) = re.findall(r"SECONDS = \[(.*?)\]", script)
    assert len(seconds.split(",")) == len(steps)
    for text in (style, script):
        assert "prefers-reduced-motion: reduce" in text
    assert "@media print" in style
    for text in (film, style, script):
        assert "://" not in text, "the landing page needs nothing from elsewhere"


# ---- a small build --------------------------------------------------------------------------------------------

ADDRESS = "https://github.com/some-one/my.book"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chapters without their outputs, the landing page, the glossary and one page of the API reference, built in a
    copy whose repository has an address."""
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
    pages = [f"notebooks/{path.stem}" for path in NOTEBOOKS]
    pages += ["glossary", "references", "api/fcos_edu.locations"]
    toc = {"format": "jb-book", "root": "intro", "chapters": [{"file": page} for page in pages]}
    (root / "book" / "_toc.yml").write_text(yaml.safe_dump(toc), "utf-8")
    assert set_repository.main([ADDRESS, "--root", str(root)]) == 0
    build = "from jupyter_book.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", build, "build", str(root / "book")], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return root / "book" / "_build" / "html"


def links(page: Path) -> set[str]:
    """The targets of all links of a built page."""
    return {html.unescape(target) for target in re.findall(r'href="([^"]+)"', page.read_text("utf-8"))}


def test_with_an_address_every_chapter_has_its_launch_button(site: Path) -> None:
    for path in NOTEBOOKS:
        found = {link for link in links(site / "notebooks" / f"{path.stem}.html") if set_repository.COLAB in link}
        wanted = f"{set_repository.COLAB}/github/some-one/my.book/blob/main/notebooks/{path.name}"
        assert found == {wanted}, f"{path.name}: launch button and badge must lead to the notebook itself"
    assert not {link for link in links(site / "intro.html") if set_repository.COLAB in link}


def test_with_an_address_the_site_links_to_the_repository(site: Path) -> None:
    assert ADDRESS in links(site / "intro.html")
    text = (site / "intro.html").read_text("utf-8")
    assert f"git clone {ADDRESS}" in re.sub(r"<[^>]+>", "", text)


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
