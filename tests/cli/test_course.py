"""``fcos-edu course``: what it hands to the grader, and the list of questions. The grades themselves: tests/course."""

from pathlib import Path

from fcos_edu.course import NAMES, grading
from tests.cli.calls import run


def test_questions_are_listed(capsys):
    assert run("course", "questions") == 0
    out = capsys.readouterr().out
    assert all(f"  {name}\n" in out for name in NAMES) and out.count("lab ") == 6


def test_options_reach_the_grader(monkeypatch, tmp_path, capsys):
    seen = {}

    def grade(folder, seed, out, **options):
        seen.update(folder=folder, seed=seed, out=out, **options)
        return grading.Class([], 0, "held: everything")

    monkeypatch.setattr(grading, "grade", grade)
    words = ("--out", "g.csv", "--gradescope", "scope", "--lab", "2", "--lab", "3", "--again", "--without", "assign")
    assert run("course", "grade", tmp_path, "--seed", "x", *words) == 0
    seen.pop("tell")
    assert seen == {"folder": tmp_path, "seed": "x", "out": Path("g.csv"), "labs": [2, 3], "without": ["assign"],
                    "feedback_folder": None, "gradescope_folder": Path("scope"), "workers": 2,
                    "again": True}  # fmt: skip
    assert "held: everything" in capsys.readouterr().out
