"""The site's configuration, checked without building it; the strict build itself is ``make book``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
TOC = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text("utf-8"))


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
    here |= {f"notebooks/{path.stem}" for path in (ROOT / "notebooks").glob("*.ipynb")}
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
    config = CONFIG["sphinx"]["config"]
    assert "sphinx-mathjax-offline" in config["extensions"]
    assert "://" not in config["mathjax_path"]


def test_moving_figures_need_no_network() -> None:
    """The site has a player of its own for stacked frames; what it does not know would be blank."""
    assert CONFIG["sphinx"]["config"]["nb_ipywidgets_js"] == {}
    player = (ROOT / "book" / "_static" / "widgets.js").read_text("utf-8")
    assert "://" not in player
    known = set(re.findall(r"^    (\w+Model)\(", player, re.MULTILINE))
    assert {"StackModel", "IntSliderModel", "ImageModel"} <= known
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        widgets = json.loads(path.read_text("utf-8"))["metadata"].get("widgets", {})
        state = widgets.get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
        silent = {"LayoutModel", "LinkModel"} | {e["model_name"] for e in state.values() if "Style" in e["model_name"]}
        unknown = {entry["model_name"] for entry in state.values()} - known - silent
        assert not unknown, f"{path.name} shows {sorted(unknown)}, which book/_static/widgets.js does not draw"


def test_every_bibliography_file_exists() -> None:
    assert CONFIG["bibtex_bibfiles"]
    for name in CONFIG["bibtex_bibfiles"]:
        assert (ROOT / "book" / name).is_file(), name
