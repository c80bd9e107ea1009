"""The whole bank: the questions of the chapters' quizzes, read from the notebooks, and those of ``items.py``.

    python -m scripts.course.bank.collect    how many there are, by chapter and level

No question is kept twice by hand: a quiz is changed in its chapter.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat

from fcos_edu.text import counted
from scripts import ROOT
from scripts.course import chapter_notebooks
from scripts.course.bank.items import ITEMS, Item, Option
from scripts.course.bank.objectives import QUIZ
from scripts.make_pages import chapters


def bank(root: Path = ROOT) -> list[Item]:
    """All questions, chapter by chapter.

    Raises:
        ValueError: a quiz has another number of questions than ``QUIZ`` has levels and objectives.
    """
    found = []
    for chapter in chapters(root):
        book = nbformat.read(root / "notebooks" / f"{chapter.stem}.ipynb", as_version=4)
        asked = [one for cell in book.cells for one in chapter_notebooks.asked_in(cell)]
        kinds = QUIZ.get(chapter.stem, ())
        if len(asked) != len(kinds):
            raise ValueError(
                f"notebooks/{chapter.stem}.ipynb asks {counted(len(asked), 'questions')} in its quiz, and QUIZ in "
                f"scripts/course/bank/objectives.py has {counted(len(kinds), 'levels')} and objectives for them"
            )
        for i, (question, (level, objective)) in enumerate(zip(asked, kinds, strict=True), start=1):
            found.append(of_quiz(f"quiz-{chapter.stem[:2]}-{i}", chapter.stem, level, objective, question))
        found += [item for item in ITEMS if item.chapter == chapter.stem]
    return found


def of_quiz(id: str, chapter: str, level: str, objective: str, question: dict[str, Any]) -> Item:
    """A question as jupyterquiz has it.

    Raises:
        ValueError: a type that we do not know, or no single right answer where there must be one.
    """
    text, given = str(question["question"]), question["answers"]
    kinds = {"multiple_choice": "one", "many_choice": "several", "numeric": "number"}
    kind = kinds.get(question["type"])
    if kind is None:
        raise ValueError(f"{id}: a question of the type {question['type']!r}; known are {', '.join(kinds)}")
    if kind != "number":
        options = tuple(Option(str(one["answer"]), bool(one["correct"]), str(one.get("feedback", ""))) for one in given)
        right = [option for option in options if option.right]
        if kind == "one" and len(right) != 1:
            raise ValueError(f"{id}: {len(right)} right answers; a question of one choice has one")
        note = reason(right[0].why) if kind == "one" else ""
        return Item(id, chapter, level, objective, text, kind, options, note=note)
    right_one = next(one for one in given if one.get("correct"))
    value, tolerance = _range(right_one)
    options = tuple(
        Option(f"{_range(one)[0]:g}", False, str(one.get("feedback", "")))
        for one in given
        if one.get("type") in ("value", "range") and not one.get("correct")
    )
    note = reason(str(right_one.get("feedback", "")))
    return Item(id, chapter, level, objective, text, "number", options, value, tolerance, note)


def reason(feedback: str) -> str:
    """Why an answer is right, for those who gave another one, too: without the "Yes" before it."""
    words = re.sub(r"^(?:Yes|Right)[:.,!] +(?=\S)", "", feedback)
    return words[:1].upper() + words[1:]


def _range(answer: dict[str, Any]) -> tuple[float, float]:
    """The middle of what is accepted, and how far it reaches."""
    if answer["type"] == "range":
        low, high = (float(end) for end in answer["range"])
        return round((low + high) / 2, 9), round((high - low) / 2, 9)
    return float(answer["value"]), 0.0


def arranged(item: Item, seed: str = "") -> list[Option]:
    """The answers in an order that follows from the seed, so that the right one is not always the first."""
    options = list(item.options)
    random.Random(f"{seed}:{item.id}").shuffle(options)
    return options


def main() -> None:
    """Print how many there are."""
    items = bank()
    levels = Counter((item.chapter, item.level) for item in items)
    for chapter in dict.fromkeys(item.chapter for item in items):
        own = {level: count for (name, level), count in levels.items() if name == chapter}
        print(f"{chapter:24} {sum(own.values()):3}  {own}")
    print(len(items), dict(Counter(item.kind for item in items)))


if __name__ == "__main__":
    main()
