"""Binder gets what the package needs, in the form that repo2docker reads."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "binder" / "environment.yml").read_text("utf-8"))
# conda-forge's names for what PyPI calls otherwise.
CONDA = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base"}


def conda() -> list[str]:
    return [line for line in ENVIRONMENT["dependencies"] if isinstance(line, str)]


def test_everything_that_a_notebook_needs_is_there_with_its_lower_bound() -> None:
    (by_pip,) = [line["pip"] for line in ENVIRONMENT["dependencies"] if isinstance(line, dict)]
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["notebook"]
    name = re.compile(r"^[\w.-]+")
    wanted = [name.sub(lambda m: CONDA.get(m[0], m[0]), line) for line in wanted]
    assert sorted(wanted) == sorted(set(conda()) - {"python=3.12", "pip"} | set(by_pip))


def test_repo2docker_reads_the_version_of_python() -> None:
    """Its pattern takes one equals sign and a number, and no range; what it does not match becomes its own default."""
    (version,) = [match[1] for line in conda() if (match := re.match(r"python\s*=+\s*([\d\.]*)", line))]
    assert version == "3.12" and f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]


def test_torch_is_the_build_for_the_cpu_and_stays_it() -> None:
    assert ENVIRONMENT["channels"] == ["conda-forge"] and any(line.startswith("pytorch-cpu") for line in conda())
    script = (ROOT / "binder" / "postBuild").read_text("utf-8")
    assert re.search(r"pip install .*--no-deps \.$", script, re.MULTILINE)
    assert script.startswith("#!/usr/bin/env bash\n")
    assert os.name == "nt" or os.access(ROOT / "binder" / "postBuild", os.X_OK), "repo2docker runs it as it is"


def test_binder_reads_this_folder_and_no_other_file() -> None:
    """With binder/ there, repo2docker does not look at environment.yml, which is for a whole clone."""
    assert {path.name for path in (ROOT / "binder").iterdir()} == {"environment.yml", "postBuild"}
    assert not (ROOT / ".binder").exists()
