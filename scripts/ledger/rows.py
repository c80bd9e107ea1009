"""What makes a row of the page: where its figures come from, what they cost, and what they are compared with."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from fcos_edu.data.sources import SOURCES
from fcos_edu.paper import Row as PaperRow
from scripts import ROOT

from .verdicts import (
    EQUAL,
    NOT_RUN,
    Results,
    decimals,
    direction,
    measured,
    sign,
    verdict,
    verdict_of_counts,
)

# What the page calls the data of a result, and of a file's name.
DATA = {name: source.title for name, source in SOURCES.items()} | {
    "coco": "COCO",
    "instances_val2017.json": "COCO val2017",
    "coco_val2017_boxes.json": "boxes of COCO val2017",
}
OWN_DATA = ("bccd", "shapes")


@dataclass(frozen=True)
class Row:
    """One row of the page."""

    item: str
    paper: str
    chapter: str
    word: str = ""
    ours: str = ""
    data: str = ""
    hardware: str = ""
    cost: str = ""
    commands: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()  # of a comparison: pairs, the interval of it alone, power
    away: bool = False  # the interval excludes the paper's own difference
    claim: str = ""  # of the paper: what is tried on several data, or read in two ways, is one claim


@dataclass(frozen=True)
class Section:
    """A heading, a few sentences, rows, and pictures by their names in book/_static/analysis/."""

    title: str
    text: str
    rows: list[Row]
    pictures: Mapping[str, str] = field(default_factory=dict)  # name of the file: what it shows
    by_data: bool = True  # a table for each kind of data, or one for all
    more: str = ""  # markdown below the rows
    commands: tuple[str, ...] = ()  # of what is there
    ours: bool = False  # questions of ours, which the paper does not answer


@dataclass(frozen=True)
class Line:
    """One row of a table of the paper: its printed figures in percent, and where ours would be."""

    label: str
    printed: tuple[str, ...]
    file: str | None = None
    keys: tuple[str, ...] = ()
    command: str | tuple[str, ...] | None = None
    cost: str = ""  # what the command would take


def line(
    row: PaperRow,
    file: str | None = None,
    keys: tuple[str, ...] = (),
    command: str | tuple[str, ...] | None = None,
    cost: str = "",
) -> Line:
    """A row of the paper as a line of ours."""
    return Line(row.label, row.texts, file, keys, command, cost)


def duration(seconds: float) -> str:
    """Seconds, minutes or hours."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 2 else f"{seconds:.1f} s"


def cost(result: dict[str, Any], seeds: int) -> str:
    """Seconds, minutes or hours; of a study, the time of all its runs.

    The processor's seconds where they are fewer than the clock's: then the machine did other work too.
    """
    known = []
    for key in ("seconds", "cpu_seconds"):
        seconds = result["metrics"].get(key)
        if isinstance(seconds, dict):  # of the parts; of a study, the mean over the seeds for each variant
            seconds = sum(seconds.values()) * seeds
        if seconds is not None:
            known.append(seconds)
    if not known:
        return ""
    return duration(min(known))


def seeds_of(value: Any) -> int:
    """How many runs stand behind the figures of a result: the longest list of values in it, or 1."""
    if not isinstance(value, dict):
        return 1
    return max([len(value.get("values") or ()), *(seeds_of(inner) for inner in value.values())], default=1) or 1


def data_in_words(told: str) -> str:
    """What a result says of its data, which begins with a name, as the page says it: name and number of images."""
    counted = re.match(r"(.*?): (\d+ images?)\b", told)
    if counted:
        told = f"{counted[1]} ({counted[2]})".replace(") (", ", ")
    name, space, rest = told.partition(" ")
    return DATA.get(name, name) + space + rest


def origin(results: Results, *files: str) -> dict[str, Any]:
    """The columns of a row that follow from where its figures come from."""
    found = [results[file] for file in dict.fromkeys(files)]

    def join(texts: Sequence[str]) -> str:
        return "; ".join(dict.fromkeys(text for text in texts if text))

    return dict(
        data=join([data_in_words(r["data"]) for r in found]),
        hardware=join([r["hardware"] for r in found]),
        cost=" + ".join(text for r in found if (text := cost(r, seeds_of(r["metrics"])))),
        commands=tuple(r["command"] for r in found),
        notes=tuple(r["note"] for r in found if r.get("note")),
    )


@cache
def parsed(path: Path) -> list[ast.stmt]:
    """The statements of a Python file."""
    return ast.parse(path.read_text("utf-8")).body


def held(item: str, what: str, against: str, chapter: str, *tests: str) -> Row:
    """An equation or a drawing that tests hold equal to what the paper says.

    Raises:
        ValueError: a test that does not exist.
    """
    for test in tests:
        file, *names = test.split("::")
        if not (ROOT / file).is_file():
            raise ValueError(f"{item}: there is no {file}")
        scope: Sequence[ast.AST] = parsed(ROOT / file)
        for name in names:
            inside = [n for n in scope if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == name]
            if not inside:
                raise ValueError(f"{item}: there is no test {test}")
            scope = inside[0].body
    commands = tuple(f"pytest {shlex.quote(test)}" for test in tests)
    return Row(item, what, chapter, EQUAL, "held by a test", against, "any", commands=commands)


def table(
    results: Results, name: str, chapter: str, near: float, columns: Sequence[str], *lines: Line, counts: bool = True
) -> list[Row]:
    """The rows of a table whose figures are measured on the paper's data, or would be.

    ``columns`` are the last keys of each figure; ``""`` stands for none. ``counts`` are compared among each other where
    they are not near the paper's; trained figures are not, as that takes seeds.
    """
    ours = {
        line: [
            measured(results, line.file, *line.keys, *[c for c in [column] if c])
            for column, _ in zip(columns, line.printed)
        ]
        for line in lines
        if line.file in results
    }
    rows = []
    for line in lines:
        item, paper = f"{name}: {line.label}", " / ".join(line.printed)
        if line not in ours:
            commands = (line.command,) if isinstance(line.command, str) else line.command or ()
            rows.append(Row(item, paper, chapter, NOT_RUN, data="COCO", commands=commands, cost=line.cost))
            continue
        others = [(other.printed, ours[other]) for other in ours if other is not line] if counts else []
        text = " / ".join(o.text(decimals(p)) for o, p in zip(ours[line], line.printed, strict=True))
        word = (
            verdict_of_counts(line.printed, ours[line], others, near)
            if counts
            else verdict(line.printed, ours[line], near)
        )
        rows.append(Row(item, paper, chapter, word, text, **origin(results, str(line.file))))
    return rows


def comparison(
    results: Results,
    item: str,
    chapter: str,
    paper: tuple[str, str],
    first: tuple[str, ...],
    second: tuple[str, ...],
    data: str,
    commands: Sequence[str],
) -> Row:
    """Two counts of ours on ``data``, whose order is compared with that of the paper's two.

    Args:
        results: all of them.
        item: what is compared with what.
        chapter: a key of :data:`CHAPTERS`.
        paper: the two printed figures.
        first: a figure: how the name of its file begins, then its keys.
        second: likewise.
        data: how the names of the files end: bccd, shapes, coco.
        commands: what would measure both, where there is no result yet.
    """
    told = f"{paper[0]} against {paper[1]}"
    files = [f"{ref[0]}_{data}" for ref in (first, second)]
    if not all(file in results for file in files):
        return Row(item, told, chapter, NOT_RUN, data=DATA.get(data, data), commands=tuple(commands))
    one, two = (measured(results, file, *ref[1:]) for file, ref in zip(files, (first, second)))
    places = max(1, *(decimals(printed) for printed in paper))
    text = f"{one.text(places)} against {two.text(places)}"
    word = direction([sign(float(paper[0]), float(paper[1]))], [sign(one.mean, two.mean)])
    return Row(item, told, chapter, word, text, **origin(results, *files))
