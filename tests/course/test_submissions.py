"""Who handed in what, from names as learning systems and people write them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fcos_edu.course.submissions import LARGEST, collect, mentions, read_cells, who


@pytest.mark.parametrize(
    ("name", "student", "number"),
    [
        ("bergerannalena_48213_918273_lab1.ipynb", "bergerannalena", "48213"),  # Canvas
        ("bergerannalena_LATE_48213_918273_lab1-2.ipynb", "bergerannalena", "48213"),
        ("Anna-Lena Berger_48213_assignsubmission_file_/lab1.ipynb", "Anna Lena Berger", "48213"),  # Moodle
        ("Lab 1_aberger_attempt_2026-11-29-08-15-00_lab1.ipynb", "aberger", ""),  # Blackboard
        ("submission_918273/lab1.ipynb", "submission 918273", "918273"),  # Gradescope
        ("Anna Berger/lab1.ipynb", "Anna Berger", ""),
        ("Anna Berger/src/deep/lab1.py", "Anna Berger", ""),
        ("anna_berger_lab3.py", "anna berger", ""),
        ("lab3-anna-s1234567.ipynb", "anna", "s1234567"),
        ("1234567_anna.ipynb", "anna", "1234567"),
        ("李娜_1234567.ipynb", "李娜", "1234567"),
        ("1234567.ipynb", "1234567", "1234567"),
    ],
)
def test_student_and_number(name: str, student: str, number: str) -> None:
    assert who(Path("all") / name, Path("all")) == (student, number)


def write(path: Path, text: str, age: float = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


def test_the_files_of_a_student_come_together_the_newest_first(tmp_path: Path) -> None:
    write(tmp_path / "berger_481_91_lab1.ipynb", "{}", age=5)
    write(tmp_path / "berger_481_95_lab1-2.ipynb", "{}", age=9)
    write(tmp_path / "berger_481_92_lab2.ipynb", "{}", age=1)
    write(tmp_path / "anna_lab1.py", "x = 1")
    write(tmp_path / "anna_lab2.py", "x = 2")
    write(tmp_path / ".ipynb_checkpoints" / "anna_lab1.ipynb", "{}")
    write(tmp_path / "notes.txt", "")
    found = collect(tmp_path)
    assert [(one.student, one.number, len(one.files)) for one in found] == [("anna", "", 2), ("berger", "481", 3)]
    assert [path.name for path in found[1].files] == [
        "berger_481_95_lab1-2.ipynb", "berger_481_92_lab2.ipynb", "berger_481_91_lab1.ipynb"
    ]  # fmt: skip
    before = found[0].digest()
    assert collect(tmp_path)[0].digest() == before
    write(tmp_path / "anna_lab2.py", "x = 3")
    assert collect(tmp_path)[0].digest() != before


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "teacher.py", "x = 1")
    write(tmp_path / "class" / "anna.py", "x = 1")
    (tmp_path / "class" / "thief.py").symlink_to(tmp_path / "teacher.py")
    assert [one.student for one in collect(tmp_path / "class")] == ["anna"]


def test_nothing_to_grade_is_an_error(tmp_path: Path) -> None:
    for folder in (tmp_path / "gone", tmp_path):
        with pytest.raises(FileNotFoundError):
            collect(folder)


def test_cells(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# def f"]},
        {"cell_type": "code", "source": ["def f():\n", "    pass"], "metadata": {"tags": ["x"]}},
        {"cell_type": "code", "source": "y = 1"},
    ]
    path = write(tmp_path / "a.ipynb", json.dumps({"cells": cells}))
    assert read_cells(path) == (["def f():\n    pass", "y = 1"], "")
    assert mentions(read_cells(path)[0], "f") and not mentions(read_cells(path)[0], "d")
    assert read_cells(write(tmp_path / "a.py", "x = 1")) == (["x = 1"], "")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"cells": 3}', '{"cells": [{"cell_type": "code"}]}', "[" * 100_000, '{"cells": [1]}']
)
def test_a_broken_notebook_is_said_to_be_broken(tmp_path: Path, text: str) -> None:
    cells, fault = read_cells(write(tmp_path / "a.ipynb", text))
    assert cells == [] and fault.startswith("a.ipynb is ")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)
    assert read_cells(path)[0] == [] and "larger than" in read_cells(path)[1]
    assert collect(tmp_path)[0].digest()


def test_the_name_of_a_lab_is_no_part_of_the_students(tmp_path: Path) -> None:
    for name in (
        "ada_lab1_locations.ipynb",
        "ada_lab3_losses.ipynb",
        "lab2_levels_ada.ipynb",
        "ada lab6_training (1).ipynb",
    ):
        assert who(tmp_path / name, tmp_path) == ("ada", ""), name
    assert who(tmp_path / "ada_12345_lab3_losses.ipynb", tmp_path) == ("ada", "12345")
    assert who(tmp_path / "levels_42.ipynb", tmp_path)[0] == "levels 42", "a name of its own stays"
