"""``fcos-edu course``: grade a class, list the questions.

Taught in the course's labs. Checked against: the table and the pages that it writes for a small class.
"""

from __future__ import annotations

import argparse

from ..course.catalogue import LABS
from ..settings import Range
from ..text import counted
from .options import COUNT, OUT_ASKED, OUT_FOLDER, Commands, Number, add_command, located

LAB = Number(int, Range(1, max(LABS)))


def add(commands: Commands) -> None:
    """Add the command with its sub-commands."""
    summary = "Six labs along your own detector: the questions, and a grader for a whole class."
    course = commands.add_parser("course", help=summary, description=summary).add_subparsers(
        required=True, metavar="WHAT"
    )
    parser = add_command(
        course, "grade", run_grade, "Grade a folder of notebooks and Python files.",
        "course grade submissions --seed autumn --out grades.csv --feedback feedback",
        "Submissions are .ipynb or .py under the names that Canvas, Moodle and Blackboard give them. Functions are\n"
        "found by name. Hidden cases are drawn from the seed; a student's code gets inputs alone, in a process of its\n"
        "own without the package, and what protected the machine is said. What has not changed keeps its grade.\n"
        "Linux only.",
    )  # fmt: skip
    parser.add_argument("folder", type=located, help="with the submissions")
    parser.add_argument("--seed", required=True, metavar="WORD", help="of the hidden cases; keep it to yourself")
    parser.add_argument("--out", type=OUT_ASKED, required=True, metavar="CSV", help="the table to write")
    parser.add_argument("--feedback", type=OUT_FOLDER, metavar="FOLDER", help="a page for each student, and class.html")
    parser.add_argument(
        "--gradescope",
        type=OUT_FOLDER,
        metavar="FOLDER",
        help="a file for each student in the form of its results.json",
    )
    parser.add_argument(
        "--lab", type=LAB, action="append", metavar="N", help="may be given several times (default: all)"
    )
    parser.add_argument(
        "--without", action="append", default=[], metavar="NAME",
        help="a question that your course has left out; may be given several times",
    )  # fmt: skip
    parser.add_argument("--workers", type=COUNT, default=2, help="processes at once")
    parser.add_argument("--again", action="store_true", help="grade what has not changed too")
    add_command(course, "questions", run_questions, "List the labs and their questions.", "course questions")


def run_grade(arguments: argparse.Namespace) -> None:
    """Write the table and the pages, and say what protected the machine."""
    from ..course.grading import grade

    result = grade(
        arguments.folder, arguments.seed, arguments.out, labs=arguments.lab, without=arguments.without,
        feedback_folder=arguments.feedback, gradescope_folder=arguments.gradescope, workers=arguments.workers,
        again=arguments.again, tell=print,
    )  # fmt: skip
    print(f"{counted(len(result.grades), 'submissions')}, {result.graded} graded now, the others unchanged")
    if result.held:
        print(result.held)
    print(arguments.out)
    if arguments.feedback:
        print(arguments.feedback / "class.html")
    if arguments.gradescope:
        print(arguments.gradescope)


def run_questions(arguments: argparse.Namespace) -> None:
    """Print them."""
    for number, (_, title, minutes, names) in LABS.items():
        print(f"lab {number}: {title} ({counted(minutes, 'minutes')})")
        for name in names:
            print(f"  {name}")
