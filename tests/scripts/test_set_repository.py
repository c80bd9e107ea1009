"""scripts/set_repository.py: the address reaches every place, and leaves it again."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from scripts import ROOT, set_repository

from ..test_hygiene import NOTEBOOKS, code, dead, links, relative, source

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ADDRESS = "https://github.com/some-one/my.book"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the script writes to, with the address unset."""
    for name in (
        "pyproject.toml",
        "_config.yml",
        "CITATION.cff",
        "README.md",
        "book/intro.md",
        *map(relative, NOTEBOOKS),
    ):
        copy = tmp_path / name
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, copy)
    # One chapter of the simplest kind, so that this holds whatever the real ones look like.
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# Zebra\n", "\n", "Text."]},
        code(1, tag="colab") | {"id": "b"},
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "notebooks").mkdir(exist_ok=True)
    (tmp_path / "notebooks" / "99_zebra.ipynb").write_text(json.dumps(notebook), "utf-8")
    set_repository.write_all(tmp_path, None)
    return tmp_path


def snapshot(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text("utf-8") for p in folder.rglob("*") if p.is_file()}


def test_the_address_reaches_every_place_and_leaves_it_again(tree: Path) -> None:
    before = snapshot(tree)
    assert not any(set_repository.COLAB in text for text in before.values())
    assert set_repository.main([ADDRESS, "--root", str(tree)]) == 0
    after = snapshot(tree)
    assert {name for name in after if after[name] != before[name]} == set(before), "some file was not reached"

    assert tomllib.loads(after["pyproject.toml"])["project"]["urls"] == {"Repository": ADDRESS}
    config = yaml.safe_load(after["_config.yml"])
    assert (config["repository"]["url"], config["launch_buttons"]["colab_url"]) == (ADDRESS, set_repository.COLAB)
    assert config["launch_buttons"]["binderhub_url"] == set_repository.BINDER
    assert config["html"]["use_repository_button"] is True
    assert yaml.safe_load(after["CITATION.cff"])["repository-code"] == ADDRESS
    assert f"{ADDRESS}/actions/workflows/tests.yml/badge.svg" in after["README.md"]
    title, first = json.loads(after["notebooks/99_zebra.ipynb"])["cells"]
    badge = "/github/some-one/my.book/blob/main/notebooks/99_zebra.ipynb)"
    assert source(title).splitlines()[0] == "# Zebra" and badge in source(title) and source(title).endswith("Text.")
    assert f'%pip install -q "fcos-edu[notebook] @ git+{ADDRESS}@main"' in source(first)
    own = [target for target in links(after["README.md"]) if "some-one/my.book" in target]
    chapter = sorted(path.name for path in (tree / "notebooks").glob("*.ipynb"))[0]
    assert len(own) == 3 and own[2].endswith(f"/blob/main/notebooks/{chapter}")
    assert not [target for target in own[:2] if dead(target, ROOT, "some-one/my.book")]

    assert set_repository.main(["--unset", "--root", str(tree)]) == 0
    assert snapshot(tree) == before


def test_setting_twice_changes_nothing_more(tree: Path) -> None:
    set_repository.main([ADDRESS + ".git/".removesuffix("/"), "--root", str(tree)])
    once = snapshot(tree)
    assert set_repository.main([ADDRESS + "/", "--root", str(tree)]) == 0
    assert set_repository.main(["--root", str(tree)]) == 0, "without an argument, the address of pyproject.toml is used"
    assert snapshot(tree) == once
    assert set_repository.main(["--check", "--root", str(tree)]) == 0


@pytest.mark.parametrize(
    "address",
    ["", "github.com/a/b", "http://github.com/a/b", "https://github.com/a", "https://github.com/a/b/c",
     "https://github.com/a/b c", 'https://github.com/a/b"', "https://example.org/a/b", "https://github.com/-a/b",
     "https://github.com/a/.."],
)  # fmt: skip
def test_a_malformed_address_is_refused_and_nothing_is_written(
    tree: Path, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(tree)
    with pytest.raises(ValueError, match="https://github.com/OWNER/NAME"):
        set_repository.normalise(address)
    if address:
        assert set_repository.main([address, "--root", str(tree)]) == 2
        assert repr(address) in capsys.readouterr().err
    assert snapshot(tree) == before


def test_a_notebook_without_the_tagged_cell_is_named(tree: Path) -> None:
    before = snapshot(tree)
    path = tree / "notebooks" / "99_zebra.ipynb"
    path.write_text(before["notebooks/99_zebra.ipynb"].replace('"colab"', '"other"'), "utf-8")
    with pytest.raises(ValueError, match=r"99_zebra\.ipynb.*colab"):
        set_repository.write_all(tree, ADDRESS)
    assert (tree / "pyproject.toml").read_text("utf-8") == before["pyproject.toml"], "half-written"


def test_every_file_of_the_repository_is_up_to_its_address() -> None:
    behind = set_repository.write_all(ROOT, set_repository.read_address(ROOT), check=True)
    assert not behind, f"run: make repository ({', '.join(behind)})"
