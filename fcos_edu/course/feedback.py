"""Pages for students and for the teacher: what was right, what one sentence helps with, which mistakes a class makes.

Used by the grader. Checked against: no page may hold a hidden case, and no name of a student may become markup. Plain
HTML with headings and tables, for screen readers too; nothing moves and nothing is loaded.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..ownership import OwnFiles
from ..text import counted
from .catalogue import LABS, NAMES
from .question import Question

if TYPE_CHECKING:
    from .grading import Grade

UNREAD = "no file that can be read"  # a mistake's name, of each question of a student
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 1.05rem/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem;
  color: #1a1a1a; background: #fff }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid #767676 }}
td.number, th.number {{ text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }}
a {{ color: #0b57a4 }}
@media (prefers-color-scheme: dark) {{ body {{ color: #eee; background: #16181c }} a {{ color: #9ecbff }} }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}</main>
</body>
</html>
"""


def write(folder: Path, grades: Sequence[Grade], questions: Sequence[Question]) -> None:
    """A page for each student, and ``class.html``; what an earlier run wrote is replaced.

    Raises:
        FileExistsError: a file of the user's has such a name; nothing is written then.
    """
    pages = {page_name(one): student_page(one, questions) for one in grades}
    _write(folder, pages | {"class.html": class_page(grades, questions)})


def write_gradescope(folder: Path, grades: Sequence[Grade], questions: Sequence[Question]) -> None:
    """A file for each student in the form of Gradescope's ``results.json``: points and help for each question.

    Raises:
        FileExistsError: as :func:`write`.
    """
    _write(
        folder,
        {
            page_name(one).removesuffix(".html") + ".json": json.dumps(
                gradescope(one, questions), indent=1, ensure_ascii=False
            )
            for one in grades
        },
    )


def _write(folder: Path, texts: dict[str, str]) -> None:
    own = OwnFiles(folder)
    own.check(*texts)
    for name, text in texts.items():
        own.write(name, text.encode("utf-8"))


def gradescope(one: Grade, questions: Sequence[Question]) -> dict[str, Any]:
    """A student's grade as Gradescope reads it; no hidden case is in it."""
    by_name = {verdict.question: verdict for verdict in one.verdicts}
    tests = []
    for question in questions:
        verdict = by_name[question.name]
        tests.append(
            {
                "name": f"{question.title} ({question.name})",
                "number": f"{question.lab}",
                "score": verdict.points,
                "max_score": verdict.of,
                "status": "passed" if verdict.right else "failed",
                "output": "Right." if verdict.right else verdict.help,
                "visibility": "visible",
            }
        )
    return {"score": one.points, "output": "; ".join(one.notes), "visibility": "visible", "tests": tests}


def page_name(one: Grade) -> str:
    """A file name that every system takes, and that no other student has."""
    key = f"{one.number} {one.student}".strip()
    plain = re.sub(r"[^A-Za-z0-9]+", "-", key).strip("-")[:60] or "student"
    return f"{plain}-{hashlib.sha256(key.encode(errors='replace')).hexdigest()[:8]}.html"


def student_page(one: Grade, questions: Sequence[Question]) -> str:
    """What a student reads; no input and no number of a hidden case is in it."""
    parts = [f"<p>{one.points:g} of {counted(one.of, 'points')}. {_cheer(one)}</p>\n"]
    parts += [f"<p><strong>{escape(note)}.</strong></p>\n" for note in one.notes]
    by_name = {verdict.question: verdict for verdict in one.verdicts}
    for lab, (_, title, _, _) in LABS.items():
        own = [question for question in questions if question.lab == lab]
        if not own:
            continue
        parts.append(f"<h2>Lab {lab}: {escape(title)}</h2>\n" + _head("Question", "Points", "What helps"))
        for question in own:
            verdict = by_name[question.name]
            words = "Right." if verdict.right else verdict.help
            parts.append(
                f"<tr><th scope='row'>{escape(question.title)}<br><code>{escape(question.name)}</code></th>"
                f"<td class='number'>{verdict.points:g} of {verdict.of}</td><td>{escape(words)}</td></tr>\n"
            )
        parts.append("</tbody>\n</table>\n")
    name = f"{one.student} ({one.number})" if one.number else one.student
    return _PAGE.format(title=escape(f"Feedback for {name}"), body="".join(parts))


def _head(*columns: str) -> str:
    """The head of a table whose second column holds numbers."""
    cells = [
        f"<th scope='col'{' class=number' if place == 1 else ''}>{name}</th>" for place, name in enumerate(columns)
    ]
    return f"<table>\n<thead><tr>{''.join(cells)}</tr></thead>\n<tbody>\n"


def _cheer(one: Grade) -> str:
    right = sum(verdict.right for verdict in one.verdicts)
    if right == len(one.verdicts):
        return "Every function is right" + (": your detector is whole." if right == len(NAMES) else ".")
    if all(verdict.mistake == UNREAD for verdict in one.verdicts):
        return "Nothing could be read, so nothing could be graded."
    if not right:
        return "Start with one function, and let check() look at it in the notebook as often as you like."
    are = "is" if right == 1 else "are"
    return f"{right} of {len(one.verdicts)} functions {are} right; a sentence helps with each of the others."


def class_page(grades: Sequence[Grade], questions: Sequence[Question]) -> str:
    """Which question, how many have it right, and which mistakes were made how often; then the points of all."""
    mean = sum(one.points for one in grades) / len(grades) if grades else 0.0
    most = grades[0].of if grades else 0
    parts = [
        f"<p>{counted(len(grades), 'submissions')}, {mean:.1f} of {counted(most, 'points')} on "
        "average.</p>\n<h2>Questions</h2>\n"
    ]
    parts.append(_head("Question", "Right", "Mistakes, the most frequent first"))
    for place, question in enumerate(questions):
        verdicts = [one.verdicts[place] for one in grades]
        right = sum(verdict.right for verdict in verdicts)
        made = Counter(verdict.mistake for verdict in verdicts if not verdict.right)
        mistakes = "; ".join(f"{escape(mistake)} ({count})" for mistake, count in made.most_common(6))
        parts.append(
            f"<tr><th scope='row'>{escape(question.title)}<br><code>{escape(question.name)}</code></th>"
            f"<td class='number'>{right} of {len(grades)}</td><td>{mistakes or 'none'}</td></tr>\n"
        )
    parts.append("</tbody>\n</table>\n<h2>Students</h2>\n" + _head("Student", "Points"))
    for one in grades:
        name = f"{one.student} ({one.number})" if one.number else one.student
        parts.append(f"<tr><th scope='row'><a href='{page_name(one)}'>{escape(name)}</a></th>"
                     f"<td class='number'>{one.points:g}</td></tr>\n")  # fmt: skip
    parts.append("</tbody>\n</table>\n")
    return _PAGE.format(title="The class", body="".join(parts))
