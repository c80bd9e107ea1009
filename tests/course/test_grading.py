"""A small class: every grade is the one that is due, whoever sits beside."""

from __future__ import annotations

import csv
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fcos_edu.course import NAMES, grading, sandbox
from fcos_edu.course.sandbox import supported
from tests.cli.calls import run
from tests.course.right import arrays, loops, tensors
from tests.course.wrong import MISTAKES

pytestmark = pytest.mark.skipif(bool(supported()), reason="grading needs Linux")
SQUARED = "def centerness(ltrb):\n    return mine(ltrb) ** 2\n\n" + inspect.getsource(loops).replace(
    "def centerness(", "def mine("
)


def notebook(*cells: str) -> str:
    kinds = [{"cell_type": "code", "source": cell, "metadata": {}, "outputs": []} for cell in cells]
    return json.dumps({"cells": kinds, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def wrong(name: str) -> str:
    return next(source for question, _, source in MISTAKES if question == name)


CLASS = {
    "loops_101_901_lab.py": inspect.getsource(loops),
    "arrays_102_902_lab.ipynb": notebook("%matplotlib inline", inspect.getsource(arrays), "raise SystemExit"),
    "tensors_103_903_lab.ipynb": notebook(*inspect.getsource(tensors).replace("\n\n\ndef ", "\n\0def ").split("\0")),
    "squared_104_904_lab.py": SQUARED,
    "some_105_905_lab.py": wrong("ltrb") + wrong("nms") + wrong("normalize"),
    "empty_106_906_lab.ipynb": "",
    "broken_107_907_lab.ipynb": "{'cells'",
    "hangs_108_908_lab.py": "def nms(b, s, t):\n    while True: pass\n" + wrong("locations"),
    "=SUM(A1)_109_909_lab.py": "import os\ndef ltrb(p, b):\n    os._exit(3)",
    "spy_110_9010_lab.py": "def ltrb(p, b):\n    raise type('at_%d' % (4 * p[0, 0]), (Exception,), {})(f'SEEN {p}')",
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("class")
    (folder / "in").mkdir()
    for name, text in CLASS.items():
        (folder / "in" / name).write_text(text, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grading, "WALL", 1)
        assert command(folder, "--workers", "1") == 0
    yield folder


def test_one_function_costs_no_other_its_points(tmp_path: Path) -> None:
    """Several run in one process; one that spoils it is asked again alone, and so are those that it spoilt."""
    spoil = "import torch\ndef ltrb(p, b):\n    torch.stack = torch.empty = None\n    return 3\n"
    ends = "import os\ndef inside(d):\n    os._exit(0)\n"
    base = inspect.getsource(loops).replace("def ltrb(", "def old(").replace("def inside(", "def older(")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a_1.py").write_text(base + spoil + ends)
    found = grading.grade(tmp_path / "in", "s", tmp_path / "grades.csv", labs=[1, 2], workers=1).grades[0]
    lost = {verdict.question for verdict in found.verdicts if not verdict.right}
    assert lost == {"ltrb", "inside"} and {verdict.points for verdict in found.verdicts} == {0, 10}


def test_what_a_course_leaves_out_counts_for_nobody() -> None:
    names = [question.name for question in grading.questions_of([1, 5], ["find_hits", "average_precision"])]
    assert names == [n for n in NAMES if n in names] and len(names) == 9 and not {"find_hits", "giou"} & set(names)
    assert len(grading.questions_of(None)) == len(NAMES)
    for labs, without, words in [([1], ["giou"], "giou is asked in none"), (None, ["gious"], "there are giou"),
                                 ([1], list(NAMES[:4]), "no question is left")]:  # fmt: skip
        with pytest.raises(ValueError, match=words):
            grading.questions_of(labs, without)


def command(folder: Path, *words: str, seed: str = "s") -> int:
    parts = ["--seed", seed, "--out", folder / "grades.csv", "--feedback", folder / "feedback"]
    labs = ["--lab", "1", "--lab", "3", "--lab", "5"]
    return run("course", "grade", folder / "in", *parts, *labs, *words)


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    with (folder / "grades.csv").open(encoding="utf-8", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def test_everybody_has_the_points_that_are_due(graded: Path) -> None:
    table = rows(graded)
    most = table["loops"]["of"]
    assert len(table) == len(CLASS)
    for student in ("loops", "arrays", "tensors"):
        assert table[student]["points"] == most and table[student]["percent"] == "100.0", table[student]
    asked = [name for name in NAMES if name in table["loops"]]
    lost = {name for name in asked if table["squared"][name] != table["loops"][name]}
    assert lost == {"centerness", "centerness_loss"}, "the loss calls it"
    assert 0 < float(table["some"]["points"]) < 20, "NMS and N_pos are right on ordinary inputs"
    for student in ("empty", "broken", "hangs", "'=SUM(A1)", "spy"):
        assert table[student]["points"] == "0"
    assert table["empty"]["notes"] == "empty_106_906_lab.ipynb is empty" and "no notebook" in table["broken"]["notes"]


def test_pages_help_and_show_no_hidden_case(graded: Path) -> None:
    pages = {path.name: path.read_text("utf-8") for path in (graded / "feedback").glob("*.html")}
    assert len(pages) == len(CLASS) + 1

    def page(student: str) -> str:
        return next(text for name, text in pages.items() if student in name)

    assert "The square root of Eq. 3 is missing" in page("squared")
    assert "loop that never ends" in page("hangs") and "Each row should be (x, y)" in page("hangs")
    assert "an error of its own" in page("spy") and "SEEN" not in page("spy") and "at_" not in page("spy")
    assert "ended before it gave an answer" in page("SUM")
    assert "Every function is right." in page("arrays")
    for student in ("empty", "broken"):
        assert "Nothing could be read" in page(student) and "There is no function" not in page(student)
    assert "no square root (1)" in pages["class.html"]


def test_only_what_changed_is_graded_again(
    graded: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    class NoServer:
        facts: dict[str, Any] = {}

        def __init__(self, number: int) -> None:
            pass

        def __enter__(self) -> NoServer:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    def grade_one(submission: Any, questions: Any, *_: object) -> grading.Grade:
        seen.append(submission.student)
        verdicts = [grading.judge.Verdict(question.name, 1, question.points) for question in questions]
        return grading.Grade(submission.student, submission.number, verdicts, [], submission.digest())

    monkeypatch.setattr(grading, "Server", NoServer)
    monkeypatch.setattr(grading, "grade_one", grade_one)
    before = (graded / "grades.csv").read_text("utf-8")
    assert command(graded) == 0 and seen == []
    assert "10 submissions, 0 graded now" in capsys.readouterr().out
    assert (graded / "grades.csv").read_text("utf-8") == before
    (graded / "in" / "some_105_905_lab.py").write_text("x = 1")
    assert command(graded) == 0 and seen == ["some"]
    assert command(graded, seed="other") == 0 and len(seen) == 1 + len(CLASS), "another seed, other cases"
    assert command(graded, "--again", seed="other") == 0 and len(seen) == 1 + 2 * len(CLASS)


def test_wrong_calls_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    assert command(tmp_path) == 1 and "no .ipynb or .py file" in capsys.readouterr().err
    (tmp_path / "in" / "a.py").write_text("")
    assert command(tmp_path, seed="") == 1 and "the seed is empty" in capsys.readouterr().err
    with pytest.raises(ValueError, match="workers is 0"):
        grading.grade(tmp_path / "in", "s", tmp_path / "grades.csv", workers=0)
    assert not (tmp_path / "grades.csv").exists()
    (tmp_path / "grades.csv").write_text("my,own,table\n")
    assert command(tmp_path) == 1 and "is no table of this command" in capsys.readouterr().err
    assert (tmp_path / "grades.csv").read_text() == "my,own,table\n"


def test_a_submission_that_hangs_everywhere_ends_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """31 questions of 20 seconds must not cost ten minutes; three that hang cost no other question its points."""
    walls: list[float] = []
    hanging: set[str] = set()
    timeout = sandbox.Run((grading.judge.Failed("timeout"),), late=True, whole=False)

    def together(self: Any, cells: Any, asked: Any, wall: float) -> list[sandbox.Run]:
        """What the process of a student would give, without one: the first function that hangs ends it."""
        runs = []
        for name, _ in asked:
            if name in hanging:
                walls.append(wall)
                break
            runs.append(sandbox.Run(grading.judge.key(grading.catalogue.find(name), "s").expected))
        return runs + [timeout] * (len(asked) - len(runs))

    monkeypatch.setattr(sandbox.Server, "_together", together)
    path = tmp_path / "a_1.py"
    path.write_text("\n".join(f"def {name}(*a):\n    pass" for name in NAMES))
    server, asked = sandbox.Server(), grading.catalogue.questions()
    one = grading.Submission("a", "1", [path])

    hanging.update(NAMES)
    found = grading.grade_one(one, asked, "s", server)
    assert found.points == 0 and sum(walls) < 150
    said = [verdict.mistake for verdict in found.verdicts]
    assert said.count("took too long") == grading.ENOUGH
    assert said.count("not tried") == len(NAMES) - grading.ENOUGH
    assert "run without end" in found.verdicts[-1].help

    monkeypatch.setattr(sandbox.Server, "_together", lambda self, cells, asked, wall: [
        sandbox.Run((), ("stub", "broken")[i % 2]) for i, _ in enumerate(asked)])  # fmt: skip
    found = grading.grade_one(one, asked, "s", server)
    assert [verdict.mistake for verdict in found.verdicts[:2]] == ["not written yet", "cannot be made"]

    monkeypatch.setattr(sandbox.Server, "_together", together)
    hanging.clear()
    hanging.update(NAMES[5:8])
    found = grading.grade_one(one, asked, "s", server)
    assert {verdict.question for verdict in found.verdicts if not verdict.right} == hanging
