"""Notebooks alone: what is compared, and a small one that runs in a kernel of this Python."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from scripts import run_alone
from scripts.run_alone import Report, alone, kinds, run, table, thinner


def code(source: str = "1", *outputs: object, tags: tuple[str, ...] = ()) -> nbformat.NotebookNode:
    return new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)})


def printed(text: str, name: str = "stdout") -> nbformat.NotebookNode:
    return new_output("stream", name=name, text=text)


def shown(**data: str) -> nbformat.NotebookNode:
    names = {"text": "text/plain", "html": "text/html", "png": "image/png"}
    return new_output("display_data", data={names[key]: value for key, value in data.items()})


# ---------------------------------------------------------------- outputs


def test_kinds_of_outputs() -> None:
    assert kinds([printed("a\n"), shown(png="x", text="<Figure>")]) == {"text", "image/png"}
    assert kinds([printed("careful", "stderr"), printed(" \n")]) == set()
    assert kinds([shown(text="3")]) == {"text"} and kinds([shown(text="None")]) == set()
    assert kinds([shown(html="", text="<x>")]) == {"text"}


def test_an_output_that_goes_thin_is_found() -> None:
    three = printed("a\nb\nc\n")
    stored = new_notebook(cells=[new_markdown_cell("x"), code("1", three), code("2", shown(png="x"))])

    def faults(*cells: nbformat.NotebookNode) -> list[str]:
        return thinner(stored, new_notebook(cells=[new_markdown_cell("x"), *cells]))

    assert faults(code("1", three), code("2", shown(png="y"))) == []
    assert faults(code("1", printed("d\ne\nf\ng\n")), code("2", shown(png="y"), printed("more"))) == []
    assert faults(code("1", three), code("2", shown(text="<Figure>"))) == [
        "cell 2: no image/png, but the stored one has it"
    ]
    (fault,) = faults(code("1", printed("a\nb\n")), code("2", shown(png="y")))
    assert fault == "cell 1: 2 lines, the stored one has 3"
    stored.cells[1].metadata["tags"] = ["nbval-ignore-output"]
    assert faults(code("1", printed("a\nb\n")), code("2", shown(png="y"))) == []
    assert faults(code("1", printed("a\n")), code("2", shown(png="y")))
    stored.cells[1].metadata["tags"] = ["skip-execution", "nbval-skip"]  # stored with data that are not here
    assert faults(code("1", printed("no network")), code("2", shown(png="y"))) == []


def test_the_table_has_a_row_for_each() -> None:
    text = table([Report("a", 3.2, 812.4, 99.0), Report("b", 1.0, None, 5.0, ["cell 1: x"])])
    assert "| a | 3 | 812 | 99 | ok |" in text and "| b | 1 |  | 5 | 1 faults |" in text


# ---------------------------------------------------------------- a notebook


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.ipynb"
    cells = [new_markdown_cell("# Small"), code("raise ValueError('of the repository')", tags=("colab",))]
    cells += [
        code("import os, sys\nprint(os.listdir())", printed("['small.ipynb']\n")),
        code("skipped = 'no'\nprint(skipped)", tags=("skip-execution",)),
    ]
    nbformat.write(new_notebook(cells=cells), path)
    return path


def test_the_first_cell_is_the_one_of_the_repository(small: Path) -> None:
    notebook = alone(small, "fcos-edu[notebook] @ file:///x.whl")
    assert '%pip install -q "fcos-edu[notebook] @ file:///x.whl"' in notebook.cells[1].source
    assert 'if find_spec("fcos_edu") is None' in notebook.cells[1].source
    assert not any(cell.outputs for cell in notebook.cells if cell.cell_type == "code")


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """This Python in the place of a platform's; nothing is installed or taken away. Returns the wheel."""
    monkeypatch.setattr(run_alone, "installed", lambda python: {"torch": "2"})
    monkeypatch.setattr(run_alone.set_repository, "FIRST_CELL_SET", "wheel = '{requirement}'")
    (tmp_path / "wheels").mkdir()
    wheel = tmp_path / "wheels" / "fcos_edu-0.1.0-py3-none-any.whl"
    wheel.write_text("")
    return wheel


@pytest.mark.parametrize("platform", ["colab", "kaggle"])
def test_every_cell_runs_in_an_empty_folder(
    small: Path, elsewhere: Path, platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = nbformat.read(small, as_version=4)
    notebook.cells.append(code("print('google.colab' in sys.modules, sys.path[0] != '', os.environ.get('MPLBACKEND'))"))
    nbformat.write(notebook, small)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    report = run(small, Path(sys.executable), elsewhere, platform, out=tmp_path / "out")
    assert report.faults == [] and report.seconds > 0 and report.kib > 0
    done = nbformat.read(tmp_path / "out" / "small.ipynb", as_version=4)
    assert [cell.outputs[0]["text"].strip() for cell in done.cells[2:]] == [
        "['small.ipynb']",
        "no",
        f"{platform == 'colab'} True module://matplotlib_inline.backend_inline",
    ]
    if sys.platform == "linux":
        assert report.peak_mib and report.peak_mib > 20


def test_a_cell_that_fails_is_told_and_the_rest_is_kept(small: Path, elsewhere: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(small, as_version=4)
    notebook.cells.append(code("open('../results/coco.json')"))
    nbformat.write(notebook, small)
    report = run(small, Path(sys.executable), elsewhere, "kaggle", out=tmp_path / "out")
    assert len(report.faults) == 1 and report.faults[0].startswith("cell 4: ") and "coco.json" in report.faults[0]
    assert (tmp_path / "out" / "small.ipynb").is_file()


def test_no_kernel_outlives_its_notebook(small: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pids: list[int] = []
    monkeypatch.setattr(run_alone, "peak_mib", lambda pid: pids.append(pid))
    assert run(small, Path(sys.executable), elsewhere, "kaggle").faults == []
    (pid,) = pids
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_version_that_changed_is_a_fault(small: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter([{"torch": "2"}, {"torch": "2"}, {"torch": "3"}])
    monkeypatch.setattr(run_alone, "installed", lambda python: next(seen))
    assert run(small, Path(sys.executable), elsewhere, "kaggle").faults == ["torch 2 became 3"]


def test_a_notebook_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_alone.main(["notebooks/99_gone.ipynb"])
    assert "there is no notebook" in capsys.readouterr().err


def test_the_subset_exists() -> None:
    assert all((run_alone.ROOT / "notebooks" / f"{name}.ipynb").is_file() for name in run_alone.SUBSET)
