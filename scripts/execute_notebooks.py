"""Execute notebooks in place, ready to be committed.

    python scripts/execute_notebooks.py                                 all of notebooks/
    python scripts/execute_notebooks.py notebooks/02_locations.ipynb    some

Each notebook runs in its own folder from a fresh kernel. Outputs and the state of its widgets are stored, which is
what the static page shows. What differs from run to run without meaning is taken out: execution times, the version
of Python, the random ids of widgets, and whatever went to stderr (printed here instead). Cells tagged
``skip-execution`` keep the outputs they have. A failing cell leaves the file as it was.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
import uuid
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parents[1]
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"


def execute(path: Path, timeout: int) -> nbformat.NotebookNode:
    """Run one notebook and return it with outputs and widget state; the file is not written."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code" and "skip-execution" in cell.metadata.get("tags", []):
            cell.execution_count = None
    NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        store_widget_state=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    return notebook


def tidy(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """Return the notebook without what differs from run to run."""
    chapter = notebook.metadata.get("fcos_edu")
    widgets = notebook.metadata.get("widgets")
    notebook.metadata.clear()
    notebook.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata.language_info = {"name": "python"}
    if chapter:
        notebook.metadata.fcos_edu = chapter
    if widgets:
        notebook.metadata.widgets = widgets
    for number, cell in enumerate(notebook.cells):
        cell.metadata = {key: cell.metadata[key] for key in ("tags",) if cell.metadata.get(key)}
        if cell.cell_type != "code":
            continue
        noise = [out for out in cell.outputs if out.get("name") == "stderr"]
        for output in noise:
            print(f"{name}, cell {number}, stderr (not stored):\n{output['text'].rstrip()}", file=sys.stderr)
        cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]

    text = json.dumps(notebook)
    state = (widgets or {}).get(WIDGET_STATE, {}).get("state", {})
    for number, model_id in enumerate(state):
        if re.fullmatch(r"[0-9a-f]{32}", model_id):
            text = text.replace(model_id, uuid.uuid5(uuid.NAMESPACE_URL, f"{name}#{number}").hex)
    return nbformat.from_dict(json.loads(text))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Execute notebooks in place, with widget state, ready to commit.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: every notebook of notebooks/")
    parser.add_argument("--timeout", type=int, default=300, help="seconds a cell may take (default: 300)")
    args = parser.parse_args(argv)
    os.environ.pop("MPLBACKEND", None)  # it would take the inline pictures away from the kernel
    failed = []
    for path in args.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb")):
        start = time.perf_counter()
        try:
            notebook = tidy(execute(path.resolve(), args.timeout), path.name)
        except CellExecutionError as error:
            print(f"{path}: a cell failed, the file is unchanged\n{error}", file=sys.stderr)
            failed.append(path)
            continue
        nbformat.validate(notebook)
        nbformat.write(notebook, path)
        print(f"{path}: {time.perf_counter() - start:.0f} s, {path.stat().st_size / 1024:.0f} KiB")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
