"""Measured figures as JSON files: what, command, value, paper's value, data, hardware, versions, date.

Every number that the book quotes is read from such a file. Checked against: the hygiene tests of the repository.
"""

from __future__ import annotations

import datetime
import difflib
import json
import os
import platform
import re
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .atomic import atomic_write
from .text import counted

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("torch", "torchvision", "accelerate", "pycocotools", "numpy")


def hardware() -> str:
    """The machine in words: processor and cores, and the GPU if there is one."""
    import torch  # reading a record needs none

    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        name = names[0] if names else name
    words = f"{name}, {counted(os.cpu_count() or 1, 'cores')}"
    if torch.cuda.is_available():
        words += f", {torch.cuda.get_device_name()}"
    return words


def peak_memory() -> float | None:
    """The most memory that this process has held so far, in MB; None where the system does not tell (Windows)."""
    status = Path("/proc/self/status")
    if (
        status.is_file()
    ):  # Linux; what getrusage tells there begins with the memory of the process that started this one
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(float(line.split()[1]) * 1024 / 1e6, 1)
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)  # bytes on macOS, kB elsewhere


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that figures depend on."""
    return {"python": platform.python_version()} | {name: version(name).split("+")[0] for name in _PACKAGES}


@cache
def commit() -> str | None:
    """The commit of the package's repository, with ``+`` where a Python file was changed since; None outside of one."""
    import subprocess

    def git(*words: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    try:
        if not Path(git("rev-parse", "--show-toplevel")).samefile(Path(__file__).parents[1]):
            return None  # installed inside a repository of somebody else's
        # What was measured follows from code; the records are written meanwhile.
        return git("rev-parse", "--short=10", "HEAD") + ("+" if git("status", "--porcelain", "--", "*.py") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def recorded(name: str) -> dict[str, Any]:
    """A recorded measurement, as it was written: ``what``, ``command``, ``metrics``, ``paper`` and so on.

    The records come with the package, so this works wherever the package does.

    Args:
        name: of a file in ``fcos_edu/results/``, without ``.json``.

    Raises:
        FileNotFoundError: there is no such record; the near ones are named.
    """
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        known = sorted(file.stem for file in RESULTS.glob("*.json"))
        near = difflib.get_close_matches(name, known, n=3) or known
        raise FileNotFoundError(f"there is no record {name!r}; near ones are {', '.join(near)}")
    entry: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return entry


# An absolute path of two or more parts, in quotes with spaces in it; but not the rest of an address or of a fraction.
_QUOTED = re.compile(r"""(?P<quote>['"])(?P<path>(?:~?/|[A-Za-z]:[\\/])[^'"]+)(?P=quote)""")
_BARE = re.compile(r"""(?<![^\s=:,(\[])(?:~?/[^\s'"/]+(?:/[^\s'",;)\]]*)+|[A-Za-z]:[\\/][^\s'",;)\]]+)""")


def without_places(value: Any) -> Any:
    """Texts without the folders of this machine: of an absolute path its last part stays.

    Of a run's ``model.safetensors`` or ``best.safetensors`` the run's folder stays too: all runs have such a file.

    Args:
        value: a text, or lists and dicts of texts and other values, which stay as they are.
    """
    if isinstance(value, dict):
        return {key: without_places(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_places(one) for one in value]
    if not isinstance(value, str):
        return value

    def last(path: str) -> str:
        parts = [part for part in re.split(r"[\\/]+", path) if part] or [path]
        return "/".join(parts[-2:]) if parts[-1].startswith(("model.", "best.")) and len(parts) > 2 else parts[-1]

    quoted = _QUOTED.sub(lambda match: f"{match['quote']}{last(match['path'])}{match['quote']}", value)
    return _BARE.sub(lambda match: last(match[0]), quoted)


def record(
    path: str | Path,
    *,
    what: str,
    command: str,
    metrics: dict[str, Any],
    data: str,
    paper: Any = None,
    **more: Any,
) -> None:
    """Write one result file; its texts tell no folder of this machine (:func:`without_places`).

    Args:
        path: ``fcos_edu/results/NAME.json``.
        what: one sentence: what was measured.
        command: what anybody can type to measure it again.
        metrics: the figures.
        data: what they were measured on.
        paper: the paper's figure, where it has one.
        more: anything else that JSON can hold.
    """
    entry = {
        "what": what,
        "command": command,
        "metrics": metrics,
        "paper": paper,
        "data": data,
        "hardware": hardware(),
        "versions": versions(),
        "date": datetime.date.today().isoformat(),
        **more,
    }
    text = json.dumps(without_places(entry), indent=1, ensure_ascii=False) + "\n"
    atomic_write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
