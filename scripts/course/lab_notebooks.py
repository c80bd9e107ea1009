"""The six labs as notebooks, for students and for instructors, from the questions of ``fcos_edu.course``.

Task, signature and docstring come from the question; why it is asked, an example and three hints from ``prompts.py``;
what is seen at the end from ``endings.py``; the instructor's answers from ``solutions.py``, and the common mistakes
from the question's mutants.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache

from nbformat import NotebookNode

from fcos_edu.course import catalogue
from fcos_edu.course.question import Question
from fcos_edu.text import counted
from scripts import ROOT
from scripts.course import notebooks, solutions
from scripts.course.endings import LABS as FRAMES
from scripts.course.prompts import PROMPTS
from scripts.make_pages import chapters

IMPORTS = """\
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from fcos_edu.course import check
"""
LONGER = ("assign", "focal_loss", "nms", "average_precision")  # take more time than their points say


def file_name(lab: int) -> str:
    """``lab1_locations.ipynb``."""
    return f"lab{lab}_{catalogue.LABS[lab][0]}.ipynb"


@cache
def definitions() -> dict[str, str]:
    """The source of each function of the solutions, helpers too."""
    source = inspect.getsource(solutions)
    tree = ast.parse(source)
    return {
        node.name: ast.get_source_segment(source, node) or "" for node in tree.body if isinstance(node, ast.FunctionDef)
    }


def solution(name: str) -> str:
    """An answer with its signature, and with the helpers of ours that it calls."""
    parts = [definitions()[name]]
    for helper, source in definitions().items():
        if helper not in catalogue.NAMES and helper in _names(definitions()[name]) and name != "find_hits":
            parts.insert(0, source)
    return "\n\n\n".join(parts)


def _names(source: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def hints(name: str) -> str:
    """Three steps of help, folded away; they open with the keyboard, too."""
    given = PROMPTS[name].hints
    return "\n\n".join(
        f"<details><summary>Hint {i} of {len(given)} for <code>{name}</code></summary>\n\n{words}\n\n</details>"
        for i, words in enumerate(given, start=1)
    )


def task(number: int, question: Question) -> str:
    """What is asked, why, and an example."""
    prompt = PROMPTS[question.name]
    return (
        f"## {number}. {question.title}\n\n{prompt.why}\n\nWrite `{question.name}` below; its docstring says what goes "
        f"in and what comes out. It is worth {counted(question.points, 'points')}.\n\n"
        f"Example: {_code(prompt.call)} gives {_code(prompt.gives)}.\n\n{hints(question.name)}"
    )


def _code(source: str) -> str:
    value, _, comment = source.partition("  # ")
    return f"`{value}`" + (f" ({comment})" if comment else "")


def head(lab: int, *, instructor: bool) -> str:
    """The first cell."""
    _, title, minutes, names = catalogue.LABS[lab]
    frame = FRAMES[lab]
    points = sum(catalogue.find(name).points for name in names)
    listed = "\n".join(f"- `{name}`: {catalogue.find(name).title}" for name in names)
    kind = " (instructor)" if instructor else ""
    return f"""\
# Lab {lab}: {title}{kind}

{frame.intro}

**Time**: about {minutes} minutes. **Points**: {points}. **You need**: the {_chapters(frame.chapters)}.

You will write {len(names)} functions:

{listed}

**How it works.** Each task has a cell for your function and a cell with `check`, which says whether it is right, and
helps if it is not. Hints open in three steps; try first. You may use PyTorch, NumPy and Python's own modules. When your
work is graded, other inputs are used, and `fcos_edu` and torchvision are not there: write the function itself. You may
add cells, and helpers at the top level of a cell; one function may call another. Do not rename the functions: they are
found by name. Shape and order of an answer count; the type of its numbers does not (1 for `True`, a list for a tensor).

**Hand in** this file, saved. The last section, in which you see it work, is not graded."""


def _chapters(stems: tuple[str, ...]) -> str:
    titles = {chapter.stem: f"*{chapter.title}*" for chapter in chapters(ROOT)}
    words = [titles[stem] for stem in stems]
    return f"chapter{'s' if len(words) > 1 else ''} " + " and ".join(
        [", ".join(words[:-1]), words[-1]] if len(words) > 1 else words
    )


def mistakes(question: Question) -> str:
    """Known mistakes with the sentence that a student gets; each name once."""
    rows: dict[str, str] = {}
    for mutant in question.mutants:
        rows.setdefault(mutant.mistake, mutant.help)
    listed = "\n".join(f"| {name} | {words} |" for name, words in rows.items())
    edges = sorted({case.kind for case in question.cases("public")} - {"ordinary"})
    tried = f"\n\nEdges that are tried: {'; '.join(edges)}." if edges else ""
    return f"**Common mistakes** in `{question.name}`\n\n| what | what the student reads |\n|---|---|\n{listed}{tried}"


def lab_notebook(lab: int, *, instructor: bool = False, url: str | None = None) -> NotebookNode:
    """One lab; with answers and notes for instructors.

    Args:
        lab: its number, 1 to 6.
        instructor: with solutions, common mistakes and minutes.
        url: the address of the repository, for the first cell.
    """
    frame, names = FRAMES[lab], catalogue.LABS[lab][3]
    cells = [
        notebooks.text(head(lab, instructor=instructor), "head"),
        notebooks.install(url),
        notebooks.code(IMPORTS, "imports"),
    ]
    if instructor:
        cells.insert(1, notebooks.text(plan(lab), "plan"))
    if frame.earlier:
        wanted = " and ".join(f"`{name}`" for name in frame.earlier)
        cells.append(
            notebooks.text(
                f"**From earlier labs.** You may use your {wanted}: copy the functions into the next cell, so that "
                "this file stands alone.",
                "earlier-text",
            )
        )
        own = "\n\n\n".join(definitions()[name] for name in frame.earlier)
        cells.append(notebooks.code(own if instructor else "# Your functions of earlier labs", "earlier"))
    for number, name in enumerate(names, start=1):
        question = catalogue.find(name)
        cells.append(notebooks.text(task(number, question), f"{name}-task"))
        source = with_docstring(question) if instructor else question.stub
        cells.append(notebooks.code(source, f"{name}-answer"))
        cells.append(notebooks.code(f'check("{name}", {name})', f"{name}-check"))
        if instructor:
            cells.append(notebooks.text(mistakes(question), f"{name}-mistakes"))
    cells.append(
        notebooks.text("## See it work\n\nThis part uses your functions, and the package for the rest.", "work")
    )
    for i, (kind, source) in enumerate(frame.ending):
        cells.append((notebooks.text if kind == "text" else notebooks.code)(source, f"work-{i}"))
    cells.append(notebooks.text(f"**In words, what you should see.** {frame.message}", "message"))
    return notebooks.notebook(cells, fcos_edu={"lab": lab})


def with_docstring(question: Question) -> str:
    """The solution, between the docstring of the task and its end."""
    node = ast.parse(question.stub).body[0]
    assert isinstance(node, ast.FunctionDef)
    docstring = ast.get_docstring(node, clean=False) or ""
    parts = solution(question.name).split("\n\n\n")
    lines = parts[-1].splitlines()
    first = ast.parse(parts[-1]).body[0]
    assert isinstance(first, ast.FunctionDef)
    at = first.body[0].lineno - 1
    quoted = textwrap.indent(f'"""{docstring}"""', "    ", lambda line: line.startswith('"""'))
    parts[-1] = "\n".join([*lines[:at], quoted, *lines[at:]])
    return "\n\n\n".join(parts)


def plan(lab: int) -> str:
    """Minutes for each part, for the instructor."""
    _, _, minutes, names = catalogue.LABS[lab]
    points = {name: catalogue.find(name).points * (1.5 if name in LONGER else 1) for name in names}
    work = minutes - 20
    rows = "\n".join(
        f"| `{name}` | {round(work * points[name] / sum(points.values()))} | {needed(lab, name)} |" for name in names
    )
    return f"""\
**For the instructor.** {minutes} minutes in all: 10 to open it and to read, 10 for the last section and questions, the
rest about so:

| function | minutes | the last section ... |
|---|---:|---|
{rows}

When time is short: let students work in pairs, and give the third hint of the first function to everybody after ten
minutes. Then leave out what the last section runs without, or hand out a solution of what it needs, and grade with
`--without NAME`, so that nobody loses points for it. The solutions below pass; other forms pass too. What a student
reads when a known mistake is seen stands below each solution."""


def needed(lab: int, name: str) -> str:
    """Which of the code cells at a lab's end run without a function, in words: what can be left out."""
    cells = [source for kind, source in FRAMES[lab].ending if kind == "code"]
    callers = {name} | {
        other for other in catalogue.LABS[lab][3] if name in _names(definitions()[other])
    }  # functions of the same lab whose solution calls it
    missing: set[str] = set()  # what is not defined without it
    stopped = []
    for place, source in enumerate(cells):
        if _names(source) & (callers | missing):
            stopped.append(place)
            missing |= _defined(source)
        else:
            missing -= _defined(source)
    if not stopped:
        return "runs without it"
    if len(stopped) == len(cells):
        return "needs it"
    *others, last = (str(place + 1) for place in stopped)
    return f"its cells {', '.join(others)} and {last} need it" if others else f"its cell {last} needs it"


def _defined(source: str) -> set[str]:
    """The names that the statements of a cell make, at its top level."""
    made: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            made.add(node.name)
        elif not isinstance(node, ast.Import | ast.ImportFrom):
            made |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return made
