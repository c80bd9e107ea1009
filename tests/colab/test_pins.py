"""What the first cell of a notebook installs leaves everything as Colab has it; without a network or an environment."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from scripts import run_alone
from scripts.run_alone import plain, read_pins

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
MARKERS = {"python_version": "3.13", "python_full_version": "3.13.0", "sys_platform": "linux", "extra": ""}


def own(*extras: str) -> list[Requirement]:
    """Requirements of the package with these extras, extras of extras resolved."""
    found = [Requirement(line) for line in PROJECT["dependencies"]]
    for extra in extras:
        for line in EXTRAS[extra]:
            requirement = Requirement(line)
            found += own(*requirement.extras) if requirement.name == PROJECT["name"] else [requirement]
    return found


def walk(requirements: Iterable[Requirement], pins: dict[str, str], seen: set[str]) -> Iterator[str]:
    """Requirements that a platform does not fulfil: pip would replace what lies there.

    What is pinned stays as it is, and so does what it needs. What is new there brings its own requirements, as the
    version that is installed here names them.
    """
    for requirement in requirements:
        name = plain(requirement.name)
        if requirement.marker and not requirement.marker.evaluate(MARKERS):
            continue
        if name in pins:
            if not requirement.specifier.contains(pins[name]):
                yield f"{requirement} replaces {name} {pins[name]}"
        elif name not in seen:
            seen.add(name)
            more = importlib.metadata.requires(name) or []
            yield from walk(map(Requirement, more), pins, seen)


@pytest.mark.parametrize("platform", run_alone.PLATFORMS)
class TestPlatform:
    def test_the_extra_notebook_replaces_nothing(self, platform: str) -> None:
        new: set[str] = set()
        faults = list(walk(own("notebook"), read_pins(platform), new))
        assert not faults
        assert new == {"jupyterquiz"}, "each new package is one more that can break; is it worth it?"

    def test_the_extra_book_would(self, platform: str) -> None:
        """So a notebook must never install it, and this test can fail."""
        faults = list(walk(own("book"), read_pins(platform), set()))
        assert any("replaces ipykernel" in fault for fault in faults)

    def test_what_the_notebooks_need_is_pinned(self, platform: str) -> None:
        pins = read_pins(platform)
        assert {"torch", "torchvision", "numpy", "matplotlib", "pillow", "ipywidgets", "ipython", "ipykernel"} <= set(
            pins
        )
        assert {plain(requirement.name) for requirement in own()} <= set(pins)
        assert pins["ipywidgets"].startswith({"colab": "7.", "kaggle": "8."}[platform])


def test_lower_bounds_only() -> None:
    """An exact pin or an upper bound is what makes a platform replace its own build."""
    for requirement in own("notebook"):
        assert {each.operator for each in requirement.specifier} <= {">="}, requirement


def test_nobody_is_sent_to_the_extra_book() -> None:
    """Neither an error of the package nor a cell of a notebook: on Colab it would break the kernel."""
    texts = [*(ROOT / "fcos_edu").rglob("*.py"), *(ROOT / "notebooks").glob("*.ipynb")]
    assert not [path.name for path in texts if re.search(r"fcos-edu\[book\]|\.\[book\]", path.read_text("utf-8"))]


def test_every_list_of_pins_has_its_date() -> None:
    for path in sorted(Path(__file__).parent.glob("*.txt")):
        assert re.search(r"^# .*\b20\d\d\b", path.read_text("utf-8"), re.MULTILINE), path.name


def test_a_line_that_is_no_pin_is_named(tmp_path: Path) -> None:
    (tmp_path / "colab.txt").write_text("torch>=2\n", "utf-8")
    with pytest.raises(ValueError, match=r"colab.txt: 'torch>=2' is no pin"):
        read_pins("colab", tmp_path)
