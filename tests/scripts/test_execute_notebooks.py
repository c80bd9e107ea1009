"""scripts/execute_notebooks.py: what is recorded of each notebook."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat

from scripts import ROOT, execute_notebooks

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


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
