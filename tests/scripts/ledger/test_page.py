"""book/ledger.md is what the command gives now, and what a page of made-up rows looks like."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import ROOT
from scripts.ledger.page import COLUMNS, chapter_titles, ledger, load_results, main, page
from scripts.ledger.rows import Row, Section
from scripts.ledger.tables import CHAPTERS, sections
from scripts.ledger.verdicts import NOT_RUN

from .made_up import result


def test_the_committed_page_is_what_the_command_gives_now() -> None:
    assert (ROOT / "book" / "ledger.md").read_text("utf-8") == ledger(ROOT), "run: make ledger"


def test_the_page_of_made_up_rows() -> None:
    row = Row("a | b", "1.0", "99_zebra", "near", "1.1", "BCCD", "two cores", "3 s", ("go --now",), ("not\nofficial",))
    same = [Row(f"Table 2: {name}", "", "99_zebra", commands=("go --now", "stop"), details=("n = 3",)) for name in "de"]
    parts = [
        Section("One", "First.", [row, Row("c", "2.0", "Yak", NOT_RUN, data="shapes", notes=("other",))]),
        Section("Table 2 and more", "Second.", same, by_data=False),
        Section("Empty", "Nothing.", []),
    ]
    text = page(parts, {"99_zebra": "Zebra"})
    assert "There are 2 rows: 1 near, 1 not run yet." in text
    link = "[Zebra](notebooks/99_zebra.ipynb)"
    assert (
        "**On BCCD**\n\n| verdict | claim | ours | paper |\n|---|---|---|---|\n| **near** | a \\| b | 1.1 | 1.0 |"
        in text
    )
    assert f"- *a | b*: BCCD[^note-1]; two cores; 3 s; command 1; {link}" in text
    assert "**On shapes**" in text and "| **not run yet** | c | – | 2.0 |" in text
    assert "- *c*: shapes[^note-2]; Yak\n" in text
    assert "| – | d | – | – |" in text, "an item without what the heading says"
    assert f"- *d · e*: n = 3; commands 1, 2; {link}" in text, "what they have in common is said once"
    assert "```bash\n# 1\ngo --now\n```" in text and "```bash\n# 1\ngo --now\n# 2\nstop\n```" in text
    assert text.endswith("[^note-1]: not official\n[^note-2]: other\n")
    assert "## Empty" not in text


def test_the_summary_counts_claims_by_their_words() -> None:
    made = [Row("Table 3: a", "+1", "x", word, data=data) for word, data in
            (("reproduced", "BCCD"), ("reproduced", "shapes"), ("contradicted", "BCCD"), (NOT_RUN, "BCCD"),
             ("too few seeds yet", "BCCD"), (NOT_RUN, "COCO"))]  # fmt: skip
    text = page([Section("Table 3: one by one", "", made), Section("Counts", "", [Row("b", "1", "x", "near")])], {})
    assert "| claims of | reproduced | not told apart | contradicted | open |" in text
    assert "| Table 3 | 2 | 0 | 1 | 2 |" in text and "| Counts |" not in text


def test_questions_of_ours_are_no_claims_of_the_paper() -> None:
    asked = [Row(f"Table 6: {word}", "", "x", word, data="BCCD") for word in ("told apart", NOT_RUN)]
    claims = [Row("Table 6: a", "+1", "x", "reproduced", data="BCCD")]
    text = page([Section("Table 6: two", "", claims), Section("Table 6, why: ours", "", asked, ours=True)], {})
    assert "| Table 6 | 1 | 0 | 0 | 0 |" in text and "| Table 6, why" not in text
    assert "Questions of ours, which the paper does not ask: 1 told apart, 1 not run yet." in text


def test_why_some_claims_have_no_power_is_said_once() -> None:
    text = ledger(ROOT)
    assert text.count("Some rows have no power") == 1 and text.count("**estimates** for eight V100") == 1
    assert "The power is that after correction" in text


def test_pictures_stand_below_their_table_once_they_are_drawn() -> None:
    row = Row("a", "1.0", "99_zebra")
    parts = [Section("One", "First.", [row], {"felis": "A cat.", "canis": "A dog."})]
    text = page(parts, {}, {"felis", "ursus"})
    assert "![A cat.](_static/analysis/felis.png)\n\n*A cat.*\n" in text
    assert "canis" not in text and "ursus" not in text
    assert text.index("| a |") < text.index("![")


def test_the_chapters_of_the_ledger_are_those_of_the_book() -> None:
    named = {row.chapter for part in sections(load_results(ROOT)) for row in part.rows}
    assert named == set(CHAPTERS), "every chapter of the list has a row, and no row another chapter"
    there = chapter_titles(ROOT)
    text = ledger(ROOT)
    for stem in CHAPTERS:
        same_number = [name for name in there if name.startswith(stem[:3])]
        assert stem in same_number or not same_number, f"{stem} is not the name of {same_number}"
        assert (f"](notebooks/{stem}.ipynb)" in text) == (stem in there)


def test_every_row_of_the_page_has_every_column() -> None:
    _, _, tables = ledger(ROOT).partition("\n## ")
    blocks = [block for block in tables.split("\n\n") if block.startswith("| verdict |")]
    lines = [line for block in blocks for line in block.splitlines()]
    assert len(blocks) > 20 and {len(re.split(r"(?<!\\)\|", line)) for line in lines} == {len(COLUMNS) + 2}


def test_the_command_writes_checks_and_names_a_broken_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fcos_edu" / "results").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    cell = {"cell_type": "markdown", "source": ["# Center-ness, again\n", "\n", "Text."]}
    (tmp_path / "notebooks" / "08_centerness.ipynb").write_text(json.dumps({"cells": [cell]}))
    root = ["--root", str(tmp_path)]
    page = tmp_path / "book" / "ledger.md"

    assert main(["--check", *root]) == 1 and not page.exists()
    assert main(root) == 0
    first = page.read_text("utf-8")
    assert "[Center-ness, again](notebooks/08_centerness.ipynb)" in first, "the notebook's own title"
    assert "; The loss\n" in first and "07_loss" not in first, "no link to a notebook that is not there"
    assert main(["--check", *root]) == 0

    metrics = {"retinanet_none": 0.8, "retinanet_0.4": 0.9, "retinanet_all": 0.99, "fcos_p4": 0.96, "fcos_fpn": 0.9844}
    record = result(metrics, data="boxes.json: 2 images", note="Rounded boxes.")
    (tmp_path / "fcos_edu" / "results" / "recall_coco.json").write_text(json.dumps(record))
    assert main(["--check", *root]) == 1
    assert page.read_text("utf-8") == first, "--check writes nothing"
    assert main(root) == 0
    assert "**On boxes.json (2 images)**" in page.read_text("utf-8")
    assert "| **near** | FCOS, P3 to P7 | 98.44 | 98.40 |" in page.read_text("utf-8")

    (tmp_path / "fcos_edu" / "results" / "recall_coco.json").write_text("{")
    capsys.readouterr()
    assert main(root) == 2
    assert "fcos_edu/results/recall_coco.json is not JSON" in capsys.readouterr().err


@pytest.mark.parametrize("how", [["-m", "scripts.make_ledger"], ["scripts/make_ledger.py"], ["-m", "scripts.ledger"]])
def test_it_runs_as_a_module_and_as_a_file(how: list[str], tmp_path: Path) -> None:
    """In a folder of its own, so that the file is found by its path alone."""
    (tmp_path / "notebooks").mkdir()
    folder = ROOT if how[0] == "-m" else tmp_path
    how = [str(ROOT / part) if part.endswith(".py") else part for part in how]
    done = subprocess.run(
        [sys.executable, *how, "--root", str(tmp_path)], cwd=folder, capture_output=True, text=True, check=True
    )
    assert "written" in done.stdout and (tmp_path / "book" / "ledger.md").is_file()
