"""The folder of the course: whole, the same twice, and nobody else's folder is touched."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from scripts.course import capstone, make_course

SOME = {
    "student/labs/lab1.ipynb": b"{}",
    "student/README.txt": b"read me",
    "instructor/README.txt": b"for you",
    "colab/lab1.ipynb": b"{}",
}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_course, "files", lambda *_: iter(SOME.items()))


def test_a_folder_and_its_zips(few: None, tmp_path: Path) -> None:
    out = tmp_path / "course"
    assert make_course.make(out) == {"student": 2, "instructor": 1, "colab": 1}
    first = (out / "student.zip").read_bytes()
    with zipfile.ZipFile(out / "student.zip") as packed:
        assert packed.namelist() == ["student/README.txt", "student/labs/lab1.ipynb"]
        assert packed.read("student/README.txt") == b"read me"
    make_course.make(out)
    assert (out / "student.zip").read_bytes() == first, "the same bytes twice"
    assert [path.name for path in tmp_path.iterdir()] == ["course"], "nothing is left beside it"


def test_what_is_not_ours_stays(few: None, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="not made by this command"):
        make_course.make(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_leak_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def leaky(*_: object) -> object:
        yield from SOME.items()
        raise make_course.LeakError("lab1.ipynb holds a line of the solution of inside")

    monkeypatch.setattr(make_course, "files", leaky)
    assert make_course.main(["--out", str(tmp_path / "course")]) == 1
    assert "error: lab1.ipynb holds a line" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_badge_and_first_cell_follow_the_address() -> None:
    url = "https://github.com/owner/name"
    made = make_course.badge(capstone.capstone(url=url), "capstone.ipynb", url, "course")
    assert "colab.research.google.com/github/owner/name/blob/course/colab/capstone.ipynb" in made.cells[0].source
    assert f"git+{url}@main" in made.cells[1].source and made.cells[1].metadata.tags == ["colab"]
    assert "colab" not in make_course.badge(capstone.capstone(), "capstone.ipynb", None, "course").cells[0].source


def test_the_capstone_has_the_rubric_and_compiles() -> None:
    made = capstone.capstone(instructor=True)
    assert "| Judgement |" in made.cells[-1].source and "For the instructor" in made.cells[1].source
    for cell in made.cells:
        if cell.cell_type == "code" and cell.id != "install":
            compile(cell.source, cell.id, "exec")
    assert "For the instructor" not in json.dumps(capstone.capstone())
