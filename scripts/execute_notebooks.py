"""Execute notebooks in place, ready to be committed.

    python scripts/execute_notebooks.py                                 all of notebooks/
    python scripts/execute_notebooks.py notebooks/02_locations.ipynb    some

Each notebook runs in its own folder from a fresh kernel. Its outputs are stored, which is what the static page shows.
What differs from run to run without meaning is taken out: execution times, the version of Python, and whatever went to
stderr (printed here instead). The state of widgets that need a kernel is not stored: nobody could play it. Cells tagged
``skip-execution`` keep the outputs they have. A failing cell leaves the file as it was.

How long each of the book's notebooks took goes to fcos_edu/results/notebooks.json, from which ``make pages`` writes the
status page.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import json
import os
import re
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from fcos_edu.records import hardware, record, versions

if not __package__:  # run as a file: the folder of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts import RESULTS, ROOT
from scripts.fold_cells import fold

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def execute(path: Path, timeout: int) -> nbformat.NotebookNode:
    """Run one notebook and return it with its outputs; the file is not written."""
    notebook = nbformat.read(path, as_version=4)
    fold(notebook.cells)
    for cell in notebook.cells:
        if cell.cell_type == "code" and "skip-execution" in cell.metadata.get("tags", []):
            cell.execution_count = None
    NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    return notebook


def tidy(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """Return the notebook without what differs from run to run."""
    chapter = notebook.metadata.get("fcos_edu")
    notebook.metadata.clear()
    notebook.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata.language_info = {"name": "python"}
    if chapter:
        notebook.metadata.fcos_edu = chapter
    for number, cell in enumerate(notebook.cells):
        cell.metadata = {key: cell.metadata[key] for key in ("cellView", "mystnb", "tags") if cell.metadata.get(key)}
        if cell.cell_type != "code":
            continue
        noise = [out for out in cell.outputs if out.get("name") == "stderr"]
        for output in noise:
            print(f"{name}, cell {number}, stderr (not stored):\n{output['text'].rstrip()}", file=sys.stderr)
        cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
        for output in cell.outputs:
            output.get("data", {}).pop(WIDGET_VIEW, None)
    return notebook


def kernel_seconds() -> float:
    """Processor time of all kernels that have ended so far; 0 where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return 0.0
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def about(notebook: nbformat.NotebookNode, seconds: float, cpu_seconds: float) -> dict[str, Any]:
    """What the status page says of a notebook. Whole numbers: nobody quotes such times."""
    run = [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.source.strip() and "skip-execution" not in cell.metadata.get("tags", [])
    ]
    magic = re.compile(r"^\s*[%!].*$", re.MULTILINE)
    checks = sum(isinstance(node, ast.Assert) for text in run for node in ast.walk(ast.parse(magic.sub("", text))))
    own = {name: version(name) for name in ("jupyter-book", "ipykernel", "ipywidgets", "matplotlib")}
    return {
        "seconds": round(seconds),
        "cpu_seconds": round(cpu_seconds),
        "cells": len(run),
        "checks": checks,
        "date": datetime.date.today().isoformat(),
        "hardware": hardware(),
        "versions": versions() | own,
    }


def write_record(new: dict[str, dict[str, Any]], root: Path = ROOT) -> None:
    """Put the new runs into fcos_edu/results/notebooks.json; notebooks that are gone leave it."""
    path = root / RESULTS / "notebooks.json"
    known = json.loads(path.read_text("utf-8"))["metrics"] if path.is_file() else {}
    here = sorted(path.stem for path in (root / "notebooks").glob("*.ipynb"))
    runs = known | new
    record(
        path,
        what="Each notebook from its first to its last cell: seconds, cells, assert statements",
        command="python scripts/execute_notebooks.py",
        metrics={name: runs[name] for name in here if name in runs},
        data="the notebooks of the book",
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Execute notebooks in place, ready to commit.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: every notebook of notebooks/")
    parser.add_argument("--timeout", type=int, default=300, help="seconds a cell may take (default: 300)")
    args = parser.parse_args(argv)
    os.environ.pop("MPLBACKEND", None)  # it would take the inline pictures away from the kernel
    failed, done = [], {}
    for path in args.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb")):
        start, cpu_start = time.perf_counter(), kernel_seconds()
        try:
            notebook = tidy(execute(path.resolve(), args.timeout), path.name)
        except CellExecutionError as error:
            print(f"{path}: a cell failed, the file is unchanged\n{error}", file=sys.stderr)
            failed.append(path)
            continue
        seconds, cpu_seconds = time.perf_counter() - start, kernel_seconds() - cpu_start
        nbformat.validate(notebook)
        nbformat.write(notebook, path)
        if path.resolve().parent == ROOT / "notebooks":
            done[path.stem] = about(notebook, seconds, cpu_seconds)
        print(f"{path}: {seconds:.0f} s, {path.stat().st_size / 1024:.0f} KiB")
    if done:
        write_record(done)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
