"""An environment with the versions of Colab or Kaggle, in which scripts/run_alone.py runs notebooks.

    python scripts/alone_environment.py                     in .venv-alone, as on Colab
    python scripts/alone_environment.py --platform kaggle

It needs no package, so that it can be made beside the project's own environment. It is large (torch) and kept; a change
of the pins (tests/colab/*.txt) changes only what differs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PINS = ROOT / "tests" / "colab"
PYTHONS = ("python3.13", "python3.12", "python3.11")


@dataclass(frozen=True)
class Platform:
    """Where a notebook is read."""

    pins: tuple[str, ...]  # files of tests/colab; a later one has the last word
    stub: bool  # whether google.colab is there


PLATFORMS = {
    "colab": Platform(("colab.txt",), stub=True),
    "kaggle": Platform(("colab.txt", "kaggle.txt"), stub=False),
}


# ---- versions -----------------------------------------------------------------------------------------------------


def plain(name: str) -> str:
    """The name of a package as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_pins(platform: str, folder: Path = PINS) -> dict[str, str]:
    """Name and version of every package that the platform has, as far as it is pinned."""
    pins: dict[str, str] = {}
    for file in PLATFORMS[platform].pins:
        for line in (folder / file).read_text("utf-8").splitlines():
            line = line.partition("#")[0].strip()
            if not line:
                continue
            name, equal, version = line.partition("==")
            if not equal:
                raise ValueError(f"{file}: {line!r} is no pin; it must read NAME==VERSION")
            pins[plain(name)] = version
    return pins


def installed(python: Path) -> dict[str, str]:
    """Name and version of every package of an environment, without builds such as +cu128."""
    code = "import importlib.metadata as m, json; print(json.dumps([(d.name, d.version) for d in m.distributions()]))"
    done = subprocess.run([str(python), "-I", "-c", code], capture_output=True, text=True, check=True)
    return {plain(name): version.partition("+")[0] for name, version in json.loads(done.stdout)}


def changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Packages that were replaced or removed; new ones are in order."""
    return [
        f"{name} {version} became {after.get(name, 'nothing')}"
        for name, version in sorted(before.items())
        if after.get(name) != version
    ]


# ---- the environment ----------------------------------------------------------------------------------------------


def find_python(wished: str | None) -> str:
    """The Python for the environment: Colab's, or the nearest that is here."""
    if wished:
        found = shutil.which(wished)
        if not found:
            raise FileNotFoundError(f"there is no {wished!r} on this machine; name another one with --python")
        return found
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for name in PYTHONS:
        own = sorted(pyenv.glob(f"{name.removeprefix('python')}.*/bin/python"))
        if own:
            return str(own[-1])
        if found := shutil.which(name):
            return found
    return sys.executable


def python_of(venv: Path) -> Path:
    """The interpreter of a virtual environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def pip(python: Path, *arguments: str) -> None:
    """Run pip and show what it says only if it fails."""
    done = subprocess.run(
        [str(python), "-m", "pip", "--disable-pip-version-check", *arguments], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"pip {' '.join(arguments[:2])} failed:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")


def prepare(venv: Path, platform: str, wished: str | None = None) -> Path:
    """An environment with exactly the platform's versions; returns its interpreter."""
    python = python_of(venv)
    pins = read_pins(platform)
    if not python.is_file():
        base = find_python(wished)
        print(f"== Creating {venv} with {base}", flush=True)
        subprocess.run([base, "-m", "venv", str(venv)], check=True)
    here = installed(python)
    missing = {name: version for name, version in pins.items() if here.get(name) != version}
    if missing:
        print(
            f"== Installing {len(missing)} packages into {venv}; torch is large, the first time takes a while",
            flush=True,
        )
        pip(python, "install", "--quiet", *(f"{name}=={version}" for name, version in pins.items()))
    return python


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make an environment with the versions of Colab or Kaggle.")
    parser.add_argument("--platform", choices=sorted(PLATFORMS), default="colab")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv-alone", help="where; what is there already is kept")
    parser.add_argument("--python", help="default: 3.13, or the nearest that is here")
    args = parser.parse_args(argv)
    try:
        python = prepare(args.venv.absolute(), args.platform, args.python)
    except (FileNotFoundError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"== {args.venv} has the versions of {args.platform}: {python}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
