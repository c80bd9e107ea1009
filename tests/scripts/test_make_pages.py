"""scripts/make_pages.py: the pages that follow from notebooks, docstrings and records."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from fcos_edu.config import PACKAGED
from scripts import ROOT, make_pages

from ..test_site import NOTEBOOKS, TOC, toc_files


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
    opening, *parts = toc["parts"]
    assert toc_files(opening) == ["look_inside"]
    assert [part["caption"] for part in parts] == ["From a box to its targets", "Beyond", "Teaching", "Appendix"]
    assert parts[0]["chapters"] == [{"file": "notebooks/01_why_no_anchors", "title": "1 · First things"}]
    assert parts[1]["chapters"][0]["title"].endswith(" · Last things")
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


def test_packages_inside_packages_have_pages_below_each_other(tree: Path) -> None:
    files = {
        "__init__.py": (
            '"""fcos_edu: all."""\nif TYPE_CHECKING:\n    from .wing import b\n    from .thing import a as other\n'
        ),
        "_hidden.py": "",
        "wing/__init__.py": '"""A wing."""\nfrom .one import b as b\n',
        "wing/one.py": '"""The first one."""\n',
        "wing/deep/__init__.py": '"""Deeper."""\n',
        "wing/deep/two.py": '"""The second one."""\n',
    }
    for name, text in files.items():
        (tree / "fcos_edu" / name).parent.mkdir(exist_ok=True)
        (tree / "fcos_edu" / name).write_text(text, "utf-8")
    plan = (tree / "ARCHITECTURE.md").read_text("utf-8")
    (tree / "ARCHITECTURE.md").write_text(plan.replace("| `thing.py`", "| `_hidden.py`, `thing.py`, `wing/`"), "utf-8")
    assert make_pages.main(["--root", str(tree)]) == 0

    (appendix,) = [p for p in yaml.safe_load((tree / "book" / "_toc.yml").read_text("utf-8"))["parts"]
                   if p["caption"] == "Appendix"]  # fmt: skip
    (api,) = [page for page in appendix["chapters"] if page["file"] == "api/index"]
    assert [page["title"] for page in api["sections"]] == ["fcos_edu", "thing", "wing"]
    wing = api["sections"][2]
    assert toc_files(wing) == ["api/fcos_edu.wing", "api/fcos_edu.wing.deep", "api/fcos_edu.wing.deep.two",
                               "api/fcos_edu.wing.one"]  # fmt: skip
    assert [page["title"] for page in wing["sections"][0]["sections"]] == ["wing.deep.two"]

    api_pages = {path.stem: path.read_text("utf-8") for path in (tree / "book" / "api").glob("fcos_edu*.md")}
    assert "fcos_edu._hidden" not in api_pages
    assert "| [`wing.one`](fcos_edu.wing.one.md) | The first one |" in api_pages["fcos_edu.wing"]
    assert "wing.deep.two" not in api_pages["fcos_edu.wing"], "that is said on the page of wing.deep"
    assert "{py:obj}`b <fcos_edu.wing.one.b>`, {py:obj}`other <fcos_edu.thing.a>`" in api_pages["fcos_edu"]


def test_the_packaged_detectors_have_their_figures(tree: Path) -> None:
    blocks = "".join(f"<!-- pages: {name} -->\n<!-- /pages: {name} -->\n" for name in ("detectors", "yolo"))
    (tree / "book" / "detectors.md").write_text(f"# Detectors\n\n{blocks}", "utf-8")
    checkpoints, results = tree / "fcos_edu" / "checkpoints", tree / "fcos_edu" / "results"
    checkpoints.mkdir()
    results.mkdir(exist_ok=True)
    figures = {"AP": 0.5, "AP50": 0.75, "APS": 0.125, "APM": 0.25, "APL": 1.0, "images": 7, "split": "val"}
    (results / "train_people.json").write_text(json.dumps({"metrics": figures}), "utf-8")
    (checkpoints / "people.safetensors").write_bytes(b"")
    make_pages.main(["--root", str(tree)])
    row = "| `people` | 50.0 | 75.0 | 12.5 | 25.0 | 100.0 | 7 images of its val split |"
    page = (tree / "book" / "detectors.md").read_text("utf-8")
    assert row in page and page.count("\n| `") == 1, "one without a record has no row"
    assert "Seconds" not in page, "nor is there a table of a comparison that was not made"
    figures |= {"AP75": 0.25, "seed": 0, "cpu_seconds": 600}
    ours = figures | {"side": "ours", "settings": "recipe"}
    peers = [figures | {"side": "peer", "settings": "defaults", "seed": seed, "AP": 0.25 * seed} for seed in (0, 1)]
    comparison = {"settings": {"defaults": {}, "other": {"batch": 8}},
                  "runs": [ours, *peers, peers[0] | {"settings": "other", "AP": 0.75}]}  # fmt: skip
    (results / "yolo_bccd.json").write_text(json.dumps(comparison), "utf-8")
    make_pages.main(["--root", str(tree)])
    rows = (tree / "book" / "detectors.md").read_text("utf-8").partition("Seconds |\n")[2].splitlines()[1:4]
    assert rows == [
        "| YOLO, `model=yolo26n.yaml` | 2 | 12.5 | 75.0 | 25.0 | 600 |",
        "| YOLO, `model=yolo26n.yaml` `batch=8` | 1 | 75.0 | 75.0 | 25.0 | 600 |",
        "| FCOS, recipe `bccd` | 1 | 50.0 | 75.0 | 25.0 | 600 |",
    ]
    (checkpoints / "strange.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"strange\.safetensors has no line"):
        make_pages.pages(tree)


def test_each_packaged_detector_has_a_card_and_a_record() -> None:
    page = (ROOT / "book" / "detectors.md").read_text("utf-8")
    for name in PACKAGED:
        assert f"\n## `{name}`\n" in page and f"\n| `{name}` | " in page
