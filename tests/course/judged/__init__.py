"""Answers that a judge of the course wrote: mistakes that students really make, and right answers of unusual form.

``@wrong(question, mistake)`` and ``@right(question)`` stand over a function; ``mistake`` is the name that the feedback
must give, and empty where it is enough that points are lost.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

Function = Callable[..., Any]
WRONG: list[tuple[str, str, Function]] = []
RIGHT: list[tuple[str, Function]] = []


def wrong(question: str, mistake: str = "") -> Callable[[Function], Function]:
    """An answer that has to lose points."""

    def note(function: Function) -> Function:
        WRONG.append((question, mistake, function))
        return function

    return note


def right(question: str) -> Callable[[Function], Function]:
    """An answer that has to keep them all."""

    def note(function: Function) -> Function:
        RIGHT.append((question, function))
        return function

    return note


for name in (
    "locations",
    "levels",
    "losses",
    "network",
    "detections",
    "training",
    "strangers",
    "reimplementers",
    "students",
    "ada",
    "bob",
    "cleo",
    "fay",
    "gus",
):
    import_module(f"{__name__}.{name}")
