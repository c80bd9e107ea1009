"""Every kind of input that was tried, with what comes of it: read right, told in a warning, or refused in a sentence.

``test_kinds.py`` runs each, and ``make pages`` writes the table of them (``book/inputs.md``) from the arguments of the
decorators alone. To add a kind, write a function that makes the input in the folder it is given and hands it in, in one
of the modules of this package or in a new one beside them, which is found by itself::

    from . import refused, right, told

    @right("Commands", "a folder of pictures with sub-folders and --recursive", "all are read")
    def _(folder: Path) -> None:
        ...                          # asserts what is right

    @told("COCO", "one file_name under two ids", "1 picture stands under several image ids")
    def _(folder: Path) -> None:
        ...                          # one of its warnings holds the sentence

    @refused("Runs", "a run's folder without config.json", "runs/x holds no config.json …")
    def _(folder: Path) -> None:
        ...                          # raises an error whose whole message is the sentence

The three arguments are plain strings: the group, which is a table of the page; what is handed in; the outcome. In a
sentence … stands for anything, such as what another library says; paths are told from the given folder on. An error
must be one that the command line tells without a traceback, in one line. For a command, raise ``Refusal(stderr)`` with
what it said, or assert.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Run = Callable[[Path], object]


class Refusal(ValueError):
    """What a command said on its way out, for kinds that run one."""


@dataclass(frozen=True)
class Kind:
    """A kind of input, and its outcome."""

    way: str  # right, told or refused
    group: str
    given: str
    outcome: str
    run: Run

    def fits(self, text: str, folder: Path) -> bool:
        """Whether a message is the outcome: all of it for a refusal, a part of it for a warning."""
        pattern = ".*".join(re.escape(part) for part in self.outcome.split("…"))
        text = text.replace(f"{folder}/", "").replace(str(folder), "FOLDER")
        return bool((re.fullmatch if self.way == "refused" else re.search)(pattern, text, re.DOTALL))


KINDS: list[Kind] = []


def _adds(way: str) -> Callable[[str, str, str], Callable[[Run], Run]]:
    def with_texts(group: str, given: str, outcome: str) -> Callable[[Run], Run]:
        def add(run: Run) -> Run:
            KINDS.append(Kind(way, group, given, outcome, run))
            return run

        return add

    return with_texts


right, told, refused = _adds("right"), _adds("told"), _adds("refused")


def collect() -> list[Kind]:
    """All kinds, of every module of this package."""
    for module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        if not module.startswith("test_"):
            importlib.import_module(f"{__name__}.{module}")
    return KINDS
