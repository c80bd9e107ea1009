"""Run notebooks as their readers meet them: each alone in an empty folder, with the versions of Colab or Kaggle.

    python scripts/run_alone.py                                        every notebook, as on Colab
    python scripts/run_alone.py --platform kaggle                      as on Kaggle
    python scripts/run_alone.py notebooks/02_locations.ipynb --out DIR  one, and keep it as executed

An environment gets the versions that the platform has (tests/colab/*.txt) and a package of this tree, a wheel. Then,
for each notebook: the package is taken out, the notebook is copied into an empty folder, its first cell is written as
``make repository`` writes it, with the wheel in place of the repository's address, and every cell runs, those with the
tag ``skip-execution`` too, as no platform knows that tag. Nothing else of the repository is within reach. On Colab a
stub of its module ``google.colab`` is imported before the first cell.

A notebook fails if a cell fails, if an output is missing or thinner than the stored one, or if a version that was there
was changed or removed. FCOS_EDU_DATA, where it is set, is where data lie; without it, and without a network, cells that
would fetch something must say so and go on.

The environment is made by scripts/alone_environment.py, and kept.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from scripts import set_repository
from scripts.alone_environment import (
    PINS,
    PLATFORMS,
    changes,
    installed,
    pip,
    plain,
    prepare,
    read_pins,
)

ROOT = Path(__file__).resolve().parents[1]
# One with an explorer alone, one with a stack, explorers and a quiz, one that trains and asks what the platform has.
SUBSET = ("03_levels", "07_loss", "16_on_a_gpu")


@dataclass
class Report:
    """What a notebook did."""

    name: str
    seconds: float = 0.0
    peak_mib: float | None = None  # of the kernel; None where the system does not tell
    kib: float = 0.0  # of the executed file
    faults: list[str] = field(default_factory=list)


# ---- the package -------------------------------------------------------------------------------------------------


def build_wheel(folder: Path, root: Path = ROOT) -> Path:
    """A wheel of the tree's package, built from a copy so that the tree stays clean."""
    source = folder / "source"
    shutil.copytree(root / "fcos_edu", source / "fcos_edu", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(root / name, source / name)
    pip(Path(sys.executable), "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder / "wheels"), str(source))
    (wheel,) = (folder / "wheels").glob("fcos_edu-*.whl")
    return wheel


def fetch_new(python: Path, wheel: Path, pins: dict[str, str]) -> list[str]:
    """Lay what the extra needs beside the wheel, as far as the platform does not have it; returns the names.

    The kernels then install without an index: a package that is there already could not be replaced quietly.
    """
    code = (
        "import importlib.metadata as m, sys, json; d = m.Distribution.at(sys.argv[1]);"
        "print(json.dumps(d.requires or []))"
    )
    with tempfile.TemporaryDirectory() as folder:
        shutil.unpack_archive(wheel, folder, "zip")
        (info,) = Path(folder).glob("*.dist-info")
        done = subprocess.run([str(python), "-I", "-c", code, str(info)], capture_output=True, text=True, check=True)
    own = [line for line in json.loads(done.stdout) if "extra ==" not in line or 'extra == "notebook"' in line]
    named = {plain(re.match(r"[\w.-]+", line)[0]): line.partition(";")[0].strip() for line in own}  # type: ignore[index]
    new = {name: line for name, line in named.items() if name not in pins}
    for line in new.values():
        pip(python, "download", "--quiet", "--dest", str(wheel.parent), line)
    return sorted(new)


# ---- a notebook ---------------------------------------------------------------------------------------------------


def alone(path: Path, requirement: str) -> nbformat.NotebookNode:
    """The notebook as a reader gets it: its first cell installs ``requirement``, nothing is left out."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.outputs, cell.execution_count = [], None
        if "colab" in cell.metadata.get("tags", []):
            cell.source = set_repository.first_cell(requirement).rstrip("\n")
    return notebook


def kinds(outputs: Sequence[Any]) -> set[str]:
    """What a cell shows: pictures, HTML, text; a picture or HTML also has a text, which does not count."""
    found: set[str] = set()
    for output in outputs:
        if output["output_type"] == "stream":
            found |= {"text"} if output["name"] == "stdout" and "".join(output["text"]).strip() else set()
            continue
        data = {kind: "".join(content) for kind, content in output.get("data", {}).items() if content}
        rich = {kind for kind in data if kind != "text/plain"}
        found |= rich or ({"text"} if data.get("text/plain", "None") != "None" else set())
    return found


def lines(outputs: Sequence[Any]) -> int:
    """How many lines a cell prints."""
    text = "".join("".join(o["text"]) for o in outputs if o["output_type"] == "stream" and o["name"] == "stdout")
    return sum(1 for line in text.splitlines() if line.strip())


def thinner(stored: nbformat.NotebookNode, run: nbformat.NotebookNode) -> list[str]:
    """Cells whose output is missing, or has fewer lines than the stored one (half as many, where it may vary).

    Cells that fetch something are left out: their stored outputs come from a machine that had it.
    """
    faults = []
    for number, (before, after) in enumerate(zip(stored.cells, run.cells)):
        if before.cell_type != "code" or "skip-execution" in before.metadata.get("tags", []):
            continue
        lost = kinds(before.outputs) - kinds(after.outputs)
        if lost:
            faults.append(f"cell {number}: no {', '.join(sorted(lost))}, but the stored one has it")
        varies = "nbval-ignore-output" in before.metadata.get("tags", [])
        wanted = lines(before.outputs) * (0.5 if varies else 1)
        if lines(after.outputs) < wanted:
            faults.append(f"cell {number}: {lines(after.outputs)} lines, the stored one has {lines(before.outputs)}")
    return faults


def kernel_environment(folder: Path, wheels: Path, stub: bool) -> dict[str, str]:
    """What the kernel sees of this machine: no package of ours, no index, data only where they are given."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON", "MPL", "JUPYTER"))
    }
    own = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONHASHSEED": "0",
        "IPYTHONDIR": str(folder / "ipython"),
        "TORCH_HOME": os.environ.get("TORCH_HOME", str(folder / "torch")),
        "FCOS_EDU_DATA": os.environ.get("FCOS_EDU_DATA", str(folder / "data")),
    }
    if stub:
        own["PYTHONPATH"] = str(PINS / "google_stub")
    return kept | own


def peak_mib(pid: int | None) -> float | None:
    """The most memory that a living process has held, in MiB; None where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    if not status.is_file():
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else None


def run(path: Path, python: Path, wheel: Path, platform: str, *, timeout: int = 600, out: Path | None = None) -> Report:
    """Run one notebook alone and say what is wrong with it."""
    report = Report(path.stem)
    own = {plain(file.name.split("-")[0]) for file in wheel.parent.iterdir()}  # what the first cell is to bring
    if left := sorted(own & installed(python).keys()):
        pip(python, "uninstall", "--quiet", "--yes", *left)
    before = installed(python)
    notebook = alone(path, f"{set_repository.PACKAGE} @ {wheel.as_uri()}")
    stub = PLATFORMS[platform].stub
    with tempfile.TemporaryDirectory(prefix="alone-") as scratch:
        folder = Path(scratch) / "content"
        folder.mkdir()
        nbformat.write(notebook, folder / path.name)
        manager = AsyncKernelManager(kernel_name="python3")
        manager.kernel_spec.argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        if stub:
            manager.kernel_spec.argv.append("--IPKernelApp.exec_lines=import google.colab")
        client = NotebookClient(
            notebook,
            km=manager,
            timeout=timeout,
            resources={"metadata": {"path": str(folder)}},
            skip_cells_with_tag="",  # nbclient would leave out what Colab does not
            store_widget_state=False,
        )
        client.owns_km = True  # else the kernel would outlive its notebook
        start = time.perf_counter()
        try:
            with client.setup_kernel(env=kernel_environment(Path(scratch), wheel.parent, stub)):
                for number, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, number)
                report.peak_mib = peak_mib(getattr(manager.provisioner, "pid", None))
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            report.faults.append(f"cell {number}: {plain_text(str(error))[-2000:]}")
        report.seconds = time.perf_counter() - start
    report.kib = len(nbformat.writes(notebook).encode()) / 1024
    if not report.faults:
        report.faults += thinner(nbformat.read(path, as_version=4), notebook)
    report.faults += changes(before, installed(python))
    if out:
        out.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, out / path.name)
    return report


def plain_text(text: str) -> str:
    """Without the colours of a traceback."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def table(reports: Sequence[Report]) -> str:
    """Seconds, peak memory and size of each, as a markdown table."""
    rows = ["| notebook | seconds | peak, MiB | executed, KiB | |", "|---|---:|---:|---:|---|"]
    for each in reports:
        peak = "" if each.peak_mib is None else f"{each.peak_mib:.0f}"
        word = f"{len(each.faults)} faults" if each.faults else "ok"
        rows.append(f"| {each.name} | {each.seconds:.0f} | {peak} | {each.kib:.0f} | {word} |")
    return "\n".join(rows)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Run notebooks alone, in empty folders, with the versions of Colab or Kaggle.",
        epilog="Example: FCOS_EDU_DATA=data python scripts/run_alone.py --platform kaggle",
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: every notebook of notebooks/")
    parser.add_argument("--platform", choices=sorted(PLATFORMS), default="colab")
    parser.add_argument("--subset", action="store_true", help=f"only {', '.join(SUBSET)}")
    parser.add_argument(
        "--venv", type=Path, default=ROOT / ".venv-alone", help="the environment; made if it is not there"
    )
    parser.add_argument("--python", help="for a new environment; default: 3.13, or the nearest that is here")
    parser.add_argument("--out", type=Path, help="keep the executed notebooks in this folder")
    parser.add_argument("--timeout", type=int, default=600, help="seconds a cell may take (default: 600)")
    args = parser.parse_args(argv)
    paths = args.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb"))
    if args.subset:
        paths = [ROOT / "notebooks" / f"{name}.ipynb" for name in SUBSET]
    for path in paths:
        if not path.is_file():
            parser.error(f"there is no notebook {path}")
    try:
        python = prepare(args.venv.absolute(), args.platform, args.python)
    except (FileNotFoundError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    reports = []
    with tempfile.TemporaryDirectory(prefix="wheel-") as folder:
        wheel = build_wheel(Path(folder))
        new = fetch_new(python, wheel, read_pins(args.platform))
        print(
            f"== {len(paths)} notebooks alone as on {args.platform}; new there: fcos-edu, {', '.join(new)}", flush=True
        )
        for path in paths:
            report = run(path, python, wheel, args.platform, timeout=args.timeout, out=args.out)
            reports.append(report)
            peak = "" if report.peak_mib is None else f", {report.peak_mib:.0f} MiB"
            word = "FAILED" if report.faults else "ok"
            print(f"{report.name}: {report.seconds:.0f} s{peak}, {report.kib:.0f} KiB: {word}", flush=True)
            for fault in report.faults:
                print(f"  {fault}", flush=True)
    print("\n" + table(reports))
    return 1 if any(report.faults for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
