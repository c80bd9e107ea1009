"""What is published: one version everywhere; a wheel and a source distribution that hold the package and no more."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.test_hygiene import FILES, PYPROJECT, ROOT, relative

VERSION = PYPROJECT["project"]["version"]
MEGABYTES = 8  # of each; most of it are the three detectors that come with the package


def test_the_version_is_the_same_everywhere() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["version"] == VERSION
    sections = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    numbers = [one.rstrip(":") for one in sections if not one.startswith("Unreleased")]
    assert VERSION == numbers[0] and sections[0] in ("Unreleased:", "Unreleased", f"{VERSION}:")


def test_what_is_released_is_checked_first() -> None:
    """The tag is the version, both files are checked, the wheel detects alone; no secret is used."""
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    assert jobs["publish"]["needs"] == "build" and jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in text and "password" not in re.sub(r"#.*", "", text)
    (step,) = [step for step in jobs["build"]["steps"] if step.get("run") == "make dist"]
    assert "github.ref_name" in step["env"]["TAG"]
    made = (ROOT / "Makefile").read_text("utf-8").partition("\ndist:")[2].partition("\n# ---- cleaning")[0]
    assert "twine check --strict" in made and "fcos-edu detect" in made


@pytest.mark.parametrize("tag", ["v9.9.9", "v0.1"])
def test_a_tag_of_another_version_is_refused(tag: str, tmp_path: Path) -> None:
    """Nothing is built: the first line ends it."""
    (tmp_path / ".created").touch()
    words = ["make", "-C", str(ROOT), "dist", f"TAG={tag}", f"VENV={tmp_path}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    refused = f"the tag is {tag}; pyproject.toml and CHANGELOG.md must name that version" in done.stdout + done.stderr
    assert done.returncode != 0 and refused


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution of the files of the repository."""
    pytest.importorskip("setuptools", minversion="77")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for path in FILES:
        if not path.is_symlink():
            copy = source / relative(path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    build = f"import setuptools.build_meta as b; b.build_sdist({str(target)!r}); b.build_wheel({str(target)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    return target


def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    inside = {name for name in names if not name.startswith(f"fcos_edu-{VERSION}.dist-info/")}
    wanted = {relative(path) for path in FILES if relative(path).startswith("fcos_edu/")}
    assert inside == wanted, f"without: {sorted(wanted - inside)}, too many: {sorted(inside - wanted)}"
    assert wheel.stat().st_size < MEGABYTES * 1e6


def test_the_source_distribution_can_be_built_from(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as content:
        names = {name.partition("/")[2] for name in content.getnames()}
    wanted = {relative(path) for path in FILES if relative(path).startswith("fcos_edu/")}
    assert wanted <= names and {"pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff"} <= names
    other = {name.partition("/")[0] for name in names if "/" in name}
    assert other == {"fcos_edu", "fcos_edu.egg-info"}
    assert archive.stat().st_size < MEGABYTES * 1e6


def test_the_wheel_works_alone(built: Path, tmp_path: Path) -> None:
    """Unpacked in an empty folder, far from the repository: its commands, its records, its detectors' files."""
    (wheel,) = built.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "import fcos_edu\nfrom fcos_edu.cli import main\nfrom fcos_edu.records import recorded\n"
        "assert fcos_edu.__file__.startswith(sys.path[0]), fcos_edu.__file__\n"
        "assert recorded('train_bccd')['metrics'] and main(['recipes']) == 0\n"
        "print(fcos_edu.__version__)\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == VERSION
