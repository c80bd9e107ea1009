"""Checks in the notebook: ``check("centerness", centerness)`` says whether it is right, and helps if not.

Used in the course's labs. Checked against: the grader, which judges in the same way with other cases. Works wherever
the package does.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from ..text import counted
from . import catalogue, judge
from ._student import kind_of, plain

PUBLIC = "public"  # the seed of the checks; a teacher's is another


class Answer:
    """What :func:`check` gives: true where the function is right; it has been printed already."""

    def __init__(self, verdict: judge.Verdict, text: str) -> None:
        self.verdict = verdict
        self.text = text

    def __bool__(self) -> bool:
        return self.verdict.right

    def __repr__(self) -> str:
        return f"<{self.verdict.question}: {'right' if self else 'not yet'}>"

    def _ipython_display_(self) -> None:
        """Nothing more in a notebook, where the last value of a cell is shown."""


def check(name: str, function: Callable[..., Any]) -> Answer:
    """Try a function on some inputs, and print what is found in one or two sentences.

    Args:
        name: of a question, such as ``"centerness"``; ``fcos_edu.course.NAMES`` has all.
        function: yours.

    Returns:
        True where it is right, so that ``assert check(...)`` holds a notebook up that is wrong.

    Raises:
        ValueError: there is no such question.
        TypeError: what was given cannot be called.
    """
    question = catalogue.find(name)
    if not callable(function):
        raise TypeError(
            f"check needs your function itself, such as check({name!r}, {name}), not {type(function).__name__}"
        )
    verdict, text = judged(question.name, function)
    print(text)
    return Answer(verdict, text)


def judged(name: str, function: Callable[..., Any]) -> tuple[judge.Verdict, str]:
    """What :func:`check` finds and would print."""
    question = catalogue.find(name)
    answers: list[Any] = []
    shown = ""
    for case in question.cases(PUBLIC):
        try:
            answers.append(plain(function(*case.inputs)))
        except Exception as error:
            own = [frame for frame in traceback.extract_tb(error.__traceback__)[1:] if "fcos_edu" not in frame.filename]
            name_of = getattr(error, "name", "") if isinstance(error, NameError) else ""
            answers.append(judge.Failed(kind_of(error), own[0].lineno or 0 if own else 0, name_of or ""))
            shown = shown or f"{type(error).__name__}: {error}".splitlines()[0][:300]
    verdict = judge.judge(question, PUBLIC, answers)
    if verdict.right:
        text = (
            f"{name}: right. {counted(len(answers), 'inputs')}, {counted(question.points, 'points')} when it is graded."
        )
    else:
        text = f"{name}: not yet. {verdict.help}"
        if shown and "rror" in verdict.help:
            text += f"\n  {shown}"
    return verdict, text
