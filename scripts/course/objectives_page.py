"""Write book/teaching/objectives.md: objectives, chapter by chapter, and which questions test each.

    python -m scripts.course.objectives_page            write it
    python -m scripts.course.objectives_page --check    change nothing, fail if it is behind

Needs nothing beyond the standard library.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if not __package__:  # run as a file: the folder of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts import ROOT
from scripts.course.bank.items import CHAPTERS, ITEMS
from scripts.course.bank.objectives import LABS, LEVELS, OBJECTIVES, QUIZ
from scripts.make_pages import chapters

PAGE = ROOT / "book" / "teaching" / "objectives.md"
HEAD = """# Objectives

<!-- Written by make pages from scripts/course/bank. Do not edit: change objectives.py there. -->

What a student can do after each chapter, which functions of the labs test it, and which questions of the
[bank](exams.md), by level. `all_questions.html` and Moodle list the questions under these names; every question carries
the key of its objective.

"""


def page(root: Path = ROOT) -> str:
    """The whole page."""
    asked = [
        (f"quiz-{stem[:2]}-{place}", objective, level)
        for stem, kinds in QUIZ.items()
        for place, (level, objective) in enumerate(kinds, start=1)
    ]
    asked += [(item.id, item.objective, item.level) for item in ITEMS]
    text = HEAD
    for chapter in chapters(root):
        number = next(number for number, stem in CHAPTERS.items() if stem == chapter.stem)
        text += f"## {number} · [{chapter.title}](../notebooks/{chapter.stem}.ipynb)\n\n"
        for key, words in OBJECTIVES.items():
            if key[:-1] == str(number):
                tested = ", ".join(f"`{name}`" for name, objective in LABS.items() if objective == key)
                questions = [f"*labs*: {tested}"] if tested else []
                for level in LEVELS:
                    if names := [f"`{name}`" for name, *where in asked if where == [key, level]]:
                        questions.append(f"*{level}*: {', '.join(names)}")
                text += f"- **{key}** {words}.\\\n  Tested by {'; '.join(questions)}\n"
        text += "\n"
    return text.rstrip() + "\n"


def main(argv: list[str] | None = None) -> int:
    """Write it, or say that it is behind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args(argv)
    new = page()
    if arguments.check:
        behind = not PAGE.is_file() or PAGE.read_text("utf-8") != new
        print(
            "book/teaching/objectives.md is behind: make pages"
            if behind
            else "book/teaching/objectives.md is up to date"
        )
        return int(behind)
    PAGE.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
