"""Write what the class of 200 took into book/teaching/grading.md, from its record.

    python -m scripts.course.class_page            write it
    python -m scripts.course.class_page --check    change nothing, fail if it is behind

The record is made by ``python -m scripts.course.grade_class``. Needs nothing beyond the standard library.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: the folder of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts import ROOT

PAGE = ROOT / "book" / "teaching" / "grading.md"
RECORD = ROOT / "fcos_edu" / "results" / "course_class.json"
BEGIN = "<!-- class: written by make pages from fcos_edu/results/course_class.json -->\n"
END = "<!-- class: end -->\n"


def words(record: dict[str, Any] | None) -> str:
    """The paragraph and its table."""
    command = "`python -m scripts.course.grade_class`"
    if record is None:
        return f"Not measured yet: {command} makes a class of 200, grades it, and compares every grade.\n"
    metrics = record["metrics"]
    kinds = ", ".join(f"{count} {kind}" for kind, count in metrics["kinds"].items())
    minutes, seconds = divmod(round(metrics["seconds"]), 60)
    rows = {
        "submissions": f"{metrics['students']} ({kinds}), {metrics['questions']} questions each",
        "wrong grades": metrics["wrong_grades"],
        "time": f"{minutes} min {seconds} s with {metrics['workers']} workers",
        "time when nothing has changed": f"{metrics['seconds_unchanged']:.0f} s",
        "memory of the grader": f"{metrics['memory_of_the_grader_mb']:.0f} MB",
        "largest memory of a process with a student's code": f"{metrics['peak_memory_of_a_process_mb']:.0f} MB",
        "machine": record["hardware"],
        "what protected it": metrics["held"],
    }
    table = "".join(f"| {name} | {value} |\n" for name, value in rows.items())
    return (
        f"{command} makes a class: right answers in three forms, mistakes as students make them, and functions that "
        "hang, crash, fork, fill the memory, read files, open sockets, print megabytes, import the answer or lie when "
        "they are compared. The right grade of each is known beforehand. Measured on "
        f"{record['date']}:\n\n| | |\n|---|---|\n{table}"
    )


def page(text: str, record: dict[str, Any] | None) -> str:
    """The page with its paragraph written anew.

    Raises:
        ValueError: the two marks are not there.
    """
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{PAGE.name} has no place for the class: the lines {BEGIN.strip()} and {END.strip()}")
    return f"{before}{BEGIN}\n{words(record)}\n{END}{after}"


def main(argv: list[str] | None = None) -> int:
    """Write it, or say that it is behind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args(argv)
    old = PAGE.read_text("utf-8")
    new = page(old, json.loads(RECORD.read_text("utf-8")) if RECORD.is_file() else None)
    if arguments.check:
        print(
            "book/teaching/grading.md is behind: make pages" if new != old else "book/teaching/grading.md is up to date"
        )
        return int(new != old)
    PAGE.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
