"""Grade a class of 200 that is made here, compare each grade with the one that is due, and record time and memory.

    python -m scripts.course.grade_class                     # record it in fcos_edu/results/course_class.json
    python -m scripts.course.grade_class --students 20 --record somewhere.json

A third of the class has everything right, in three forms; half have mistakes as students make them; the others hang,
crash or are hostile in one function. What is due is computed here, in this process, for code that is ours: right and
wrong answers are judged without any sandbox; a hostile function has 0 points, and the functions beside it keep theirs.
"""

from __future__ import annotations

import argparse
import inspect
import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

if not __package__:  # run as a file: the folder of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fcos_edu.course import _student, judge, questions
from fcos_edu.course.grading import grade
from fcos_edu.records import RESULTS, peak_memory, record
from tests.course.right import arrays, loops, tensors
from tests.course.test_sandbox import HOSTILE
from tests.course.wrong import MISTAKES

SEED = "a class that is made"
COMMAND = "python -m scripts.course.grade_class"
KINDS = ("right", "with mistakes", "hostile")
RIGHT = [inspect.getsource(module) for module in (loops, arrays, tensors)]
MORE_HOSTILE = {
    "hangs": "def centerness(d):\n    while True: pass",
    "sleeps": "import time\ndef centerness(d):\n    time.sleep(1000)",
    "forks": "import os, time\ndef centerness(d):\n    while True:\n        try:\n            os.fork()\n"
    "        except OSError:\n            time.sleep(1)",
    "reads files": "import os\ndef centerness(d):\n    for folder, _, files in os.walk('/'):\n        "
    "for name in files:\n            if 'grad' in name or name.endswith(('.csv', '.ipynb')):\n"
    "                open(os.path.join(folder, name)).read()\n"
    "    return open('/etc/passwd').read()",
    "kills": "import os\ndef centerness(d):\n    os.kill(os.getppid(), 9)\n    os.kill(-1, 9)",
}


def notebook(text: str, chance: random.Random) -> str:
    """A file as a notebook: a cell for each function, some of them moved, and a broken one between them."""
    cells = text.replace("\n\n\ndef ", "\n\0def ").split("\0")
    moved = cells[1:]
    chance.shuffle(moved)
    broken = ["%matplotlib inline", "this cell = = is broken", "raise RuntimeError('run by hand')"]
    code = [
        {"cell_type": "code", "source": cell, "metadata": {}, "outputs": []} for cell in [cells[0], *broken, *moved]
    ]
    return json.dumps({"cells": code, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def with_mistakes(text: str, chance: random.Random) -> str:
    """One to four functions exchanged by wrong ones."""
    for name, _, source in chance.sample(MISTAKES, chance.randint(1, 4)):
        text = (
            f"{text}\n\n\n{source.strip()}\n".replace(" iou(boxes[i]", " of_two(boxes[i]")
            if name == "batched_nms"
            else (f"{text}\n\n\n{source.strip()}\n")
        )
    return text


def kind_of(number: int) -> str:
    """Of six students two are right, three make mistakes, one is hostile."""
    return KINDS[0 if number % 6 < 2 else 1 if number % 6 < 5 else 2]


def make_class(folder: Path, students: int) -> dict[str, dict[str, float]]:
    """Write the submissions; returns the points of each question that are due to each student."""
    chance = random.Random(SEED)
    hostile = list((HOSTILE | MORE_HOSTILE).items())
    due = {}
    for number in range(students):
        base = RIGHT[number % 3]
        kind = kind_of(number)
        if kind == "with mistakes":
            base = with_mistakes(base, chance)
        elif kind == "hostile":
            base = base.replace("centerness(ltrb", "own_centerness(ltrb")
        points = {question.name: 0.0 for question in questions()}
        body = _student.statements([base])[0]
        for question in questions():
            if kind != "hostile" or question.name != "centerness":
                function = _student.load(body, question.name)[question.name]
                points[question.name] = judge.judge(question, SEED, judge.behaviour(function, question, SEED)).points
        if kind == "hostile":
            base += f"\n\n\n{hostile[number // 6 % len(hostile)][1]}\n"
        name = f"student{number:03}_{1000 + number}_{90000 + number}_lab"
        if kind == "right" and number % 2:
            (folder / f"{name}.ipynb").write_text(notebook(base, chance), "utf-8")
        else:
            (folder / f"{name}.py").write_text(base, "utf-8")
        due[str(1000 + number)] = points
    return due


def measure(students: int, workers: int) -> dict[str, object]:
    """Grade such a class; what it took, and how many grades were not those that are due."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "class").mkdir()
        due = make_class(folder / "class", students)
        started = time.perf_counter()
        result = grade(folder / "class", SEED, folder / "grades.csv", workers=workers, feedback_folder=folder / "pages")
        seconds = time.perf_counter() - started
        again = time.perf_counter()
        unchanged = grade(folder / "class", SEED, folder / "grades.csv", workers=workers).graded
        again = time.perf_counter() - again
    wrong = [
        f"{one.number} {verdict.question}: {verdict.points} for {due[one.number][verdict.question]}"
        for one in result.grades
        for verdict in one.verdicts
        if abs(verdict.points - due[one.number][verdict.question]) > 0.01
    ]
    for line in wrong:
        print(line)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    return {
        "students": len(result.grades),
        "kinds": dict(Counter(kind_of(number) for number in range(students))),
        "questions": len(questions()),
        "workers": workers,
        "wrong_grades": len(wrong),
        "seconds": round(seconds, 1),
        "seconds_unchanged": round(again, 1),
        "graded_again": unchanged,
        "memory_of_the_grader_mb": peak_memory(),
        "peak_memory_of_a_process_mb": round(peak, 1),
        "held": result.held,
    }


def main() -> int:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--record", type=Path, default=RESULTS / "course_class.json")
    arguments = parser.parse_args()
    metrics = measure(arguments.students, arguments.workers)
    print(json.dumps(metrics, indent=1))
    record(
        arguments.record, what="A class graded: right, wrong, hanging and hostile submissions, each grade compared "
        "with the one that is due", command=COMMAND, metrics=metrics,
        data="submissions made by the script",
    )  # fmt: skip
    return 1 if metrics["wrong_grades"] else 0


if __name__ == "__main__":
    sys.exit(main())
