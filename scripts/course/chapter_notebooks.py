"""A chapter as a notebook for students, without its solutions, and as one for instructors, with notes.

In the student's form each exercise stands beside its stub and its check. The pictures of the chapter stay, and below
each one stand the words that say what is seen, for those who do not see it; printed numbers, and every output behind
the heading *Exercises*, are gone: who runs the cells sees them. The answers of the quiz are packed, so that nobody
reads them by accident.
"""

from __future__ import annotations

import ast
import base64
import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from nbformat import NotebookNode

from fcos_edu.course import questions
from fcos_edu.records import recorded
from scripts.course import lab_notebooks, notebooks

_EXERCISE = re.compile(r"^\*\*(\d+)\. ", re.MULTILINE)
# Words of a check that stand in the solution, too; students get another one.
REWORDED = {"03_levels": {"ranges": "numbered"}}
_ANSWER = re.compile(r"^\*\*(\d+)\.\*\* ", re.MULTILINE)


@dataclass
class Exercise:
    """One exercise of a chapter."""

    number: int
    text: str  # with its hint
    solution: NotebookNode
    checks: list[NotebookNode]
    notes: str  # what the chapter says after the check

    @property
    def title(self) -> str:
        """Its bold words."""
        found = re.match(r"\*\*\d+\. (.+?)\*\*", self.text, re.DOTALL)
        return " ".join(found[1].split()).rstrip(".") if found else f"exercise {self.number}"


@dataclass
class Chapter:
    """A chapter taken apart: what comes before its exercises, the exercises, and what comes behind them."""

    stem: str
    before: list[NotebookNode]
    opening: str  # the heading of the exercises
    exercises: list[Exercise]
    behind: list[NotebookNode]

    @property
    def title(self) -> str:
        """Of the chapter."""
        return str(self.before[0].source).partition("\n")[0].removeprefix("# ").strip()


BOOK_S_OWN = "own-book"  # ids of the cells of "Your detector" that have the book's versions, and what introduces them


def take_apart(stem: str, book: NotebookNode) -> Chapter:
    """Find the exercises.

    Raises:
        ValueError: exercises and solutions are not equally many, or one has no check.
    """
    cells = list(book.cells)
    is_text = [cell.cell_type == "markdown" for cell in cells]
    begin = next(i for i, cell in enumerate(cells) if is_text[i] and re.search(r"^## Exercises", cell.source, re.M))
    end, last = (
        next(i for i, cell in enumerate(cells) if is_text[i] and i > begin and re.search(head, cell.source, re.M))
        for head in (r"^## (?:Your detector|Quiz)", r"^## Quiz")
    )
    asked, solved, notes = "", [], {}
    now = 0
    for cell in cells[begin : end + 1]:
        if cell.cell_type == "code":
            if "hide-cell" in notebooks.tags(cell):
                solved.append((cell, []))
            elif solved:
                solved[-1][1].append(cell)
            continue
        words = re.split(r"^## (?:Your detector|Quiz)", cell.source, flags=re.M)[0]
        if not solved:
            words = _ANSWER.split(words)[0]
            asked += "\n\n" + words
        else:
            notes[now + 1] = notes.get(now + 1, "") + _ANSWER.split(words)[0].strip()
        if found := _ANSWER.search(words):
            now = int(found[1]) - 1
        now = max(now, len(solved) - 1)
    opening, *parts = _EXERCISE.split(re.sub(r"^## Solutions\s*$", "", asked, flags=re.M))
    texts = [f"**{number}. {words.strip()}" for number, words in zip(parts[::2], parts[1::2], strict=True)]
    if len(texts) != len(solved) or not all(checks for _, checks in solved):
        raise ValueError(
            f"{stem}: {len(texts)} exercises, {len(solved)} solutions; each exercise needs one cell with the tag "
            "hide-cell and a check behind it"
        )
    exercises = [
        Exercise(i, words, solution, checks, notes.get(i, ""))
        for i, (words, (solution, checks)) in enumerate(zip(texts, solved, strict=True), start=1)
    ]
    quiz = copy.deepcopy(cells[last])
    quiz.source = "## Quiz" + quiz.source.partition("## Quiz")[2]
    own = [bare(cell) for cell in cells[end:last] if not cell.id.startswith(BOOK_S_OWN)]
    return Chapter(stem, cells[:begin], opening.strip(), exercises, [*own, quiz, *cells[last + 1 :]])


# ---- the student's form ---------------------------------------------------------------------------------------


def stub(exercise: Exercise) -> str:
    """The solution's names and signatures, and nothing of what they hold."""
    source, parts = str(exercise.solution.source), []
    lines = source.splitlines()
    words = f"Exercise {exercise.number}: {exercise.title}"
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            signature = "\n".join(lines[node.lineno - 1 : node.body[0].lineno - 1])
            end = "" if words[-1] in "?!" else "."
            parts.append(f'{signature}\n    """{words}{end}"""\n    raise NotImplementedError')
        elif isinstance(node, ast.Import | ast.ImportFrom):
            parts.append(ast.get_source_segment(source, node) or "")
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            parts.append(f"# {words}: write `{ast.unparse(target)} = ...` here instead of the next line.\n"
                         f"raise NotImplementedError")  # fmt: skip
        else:
            raise ValueError(f"{words}: a solution may hold functions, values and imports, not {ast.unparse(node)!r}")
    return "\n\n\n".join(parts)


def without_numbers(cell: NotebookNode) -> NotebookNode:
    """A cell that has pictures and figures that move, but no printed numbers."""
    kept = copy.deepcopy(cell)
    if kept.cell_type == "code":
        kept.outputs = [one for one in kept.outputs if {"image/png", "text/html"} & set(one.get("data", {}))]
        for one in kept.outputs:
            if "execution_count" in one:
                one.execution_count = None
        kept.execution_count = None
    return kept


def bare(cell: NotebookNode) -> NotebookNode:
    """A cell without any output."""
    kept = copy.deepcopy(cell)
    if kept.cell_type == "code":
        kept.outputs, kept.execution_count = [], None
    return kept


def asked_in(cell: NotebookNode) -> list[dict[str, object]]:
    """The questions of a quiz, from the output that is stored behind its cell; none, if there are none."""
    for output in cell.get("outputs", []):
        script = output.get("data", {}).get("application/javascript", "")
        if found := re.match(r"var questions\w+=", script):
            questions_, _ = json.JSONDecoder().raw_decode(script[found.end() :])
            return list(questions_)
    return []


def packed_quiz(cell: NotebookNode) -> NotebookNode:
    """A quiz whose questions cannot be read in the cell."""
    given = asked_in(cell)
    packed = base64.b64encode(json.dumps(given).encode()).decode()
    made = bare(cell)
    made.source = (
        "# @title Quiz\nimport base64\nimport json\n\nfrom jupyterquiz import display_quiz\n\n"
        f'packed = "{packed}"\ndisplay_quiz(json.loads(base64.b64decode(packed)))'
    )
    return made


def student(chapter: Chapter, url: str | None = None, *, alone: bool = False) -> NotebookNode:
    """For students: every exercise with a stub.

    Args:
        chapter: taken apart.
        url: the address of the repository, for links.
        alone: no other chapter lies beside it.
    """
    cells = [without_numbers(cell) for cell in chapter.before]
    opening = f"{chapter.opening}\n\nWrite your answer over each `raise NotImplementedError`; the cell below it checks."
    cells.append(notebooks.text(opening, "exercises"))
    for exercise in chapter.exercises:
        name = f"exercise-{exercise.number}"
        cells.append(notebooks.text(exercise.text, f"{name}-text"))
        cells.append(notebooks.code(stub(exercise), name))
        for i, check in enumerate(exercise.checks):
            made = bare(check)
            made.id = f"{name}-check-{i}"
            made.metadata.pop("mystnb", None)  # what its picture shows is the answer
            for old, new in REWORDED.get(chapter.stem, {}).items():
                made.source = re.sub(rf"\b{old}\b", new, made.source)
            cells.append(made)
    for cell in chapter.behind:
        cells.append(packed_quiz(cell) if asked_in(cell) else without_numbers(cell))
    return _finished(cells, chapter.stem, url, alone)


def _finished(cells: list[NotebookNode], stem: str, url: str | None, alone: bool) -> NotebookNode:
    made = []
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = notebooks.links(cell.source, url, alone=alone)
        words = in_words(cell)
        for output in cell.get("outputs", []) if words else []:
            if "image/png" in output.get("data", {}):
                output.metadata["image/png"] = {"alt": words[1]}
        kept = [tag for tag in notebooks.tags(cell) if tag != "hide-cell"]
        form = {"cellView": "form"} if "hide-input" in kept else {}
        cell.metadata = {"tags": kept, **form} if kept else {}
        made.append(cell)
        if words:
            made.append(notebooks.text(notebooks.folded(f"In words: {words[0]}", words[1]), f"{cell.id}-words"))
    return notebooks.notebook(made, fcos_edu={"chapter": stem})


def in_words(cell: NotebookNode) -> tuple[str, str] | None:
    """The caption of a cell's picture and what is seen on it, where the site looks for them; None without a picture."""
    found = cell.metadata.get("mystnb", {})
    words = str(found.get("image", {}).get("alt", ""))
    return (str(found.get("figure", {}).get("caption", "this picture")), words) if words else None


# ---- the instructor's form ------------------------------------------------------------------------------------


def instructor(chapter: Chapter, book: NotebookNode, url: str | None = None) -> NotebookNode:
    """For instructors: the chapter as it is, with minutes, common mistakes, and a map of its exercises."""
    cells = [copy.deepcopy(cell) for cell in book.cells]
    cells.insert(1, notebooks.text(notes(chapter), "instructor"))
    return _finished(cells, chapter.stem, url, alone=False)


def minutes(chapter: Chapter) -> int:
    """What the chapter says of itself, to read it.

    Raises:
        ValueError: it says nothing.
    """
    for cell in chapter.before[:4]:
        if cell.cell_type == "markdown" and (
            found := re.search(r"\*\*Time[^*]*\*\*:?\s*(?:about )?(\d+)", cell.source)
        ):
            return int(found[1])
    raise ValueError(f"{chapter.stem}: no line '**Time and cost**: N minutes' in its first cells")


def notes(chapter: Chapter) -> str:
    """What an instructor wants to know before the lesson."""
    timed = recorded("notebooks")["metrics"].get(chapter.stem, {})
    runs = f"; all cells together ran in {timed['seconds']} seconds on {timed['hardware']}" if timed else ""
    listed = "\n".join(f"- exercise {one.number}, {one.title}: about 10 minutes" for one in chapter.exercises)
    text = f"""\
**For the instructor.** {minutes(chapter)} minutes to read{runs}. The solutions are in the cells below each *Open the
solution*; every check behind them passes. What the chapter says after a check is not in the students' notebook: it is
for your discussion.

{listed}"""
    if own := [question for question in questions() if question.chapter == chapter.stem]:
        text += "\n\nThe labs ask for functions of this chapter. " + "\n\n".join(map(lab_notebooks.mistakes, own))
    return text


# ---- leaks ----------------------------------------------------------------------------------------------------


def leaks(chapter: Chapter, made: NotebookNode) -> Iterator[str]:
    """Lines of the solutions that a notebook holds, outputs and metadata included.

    What the chapter itself teaches before its exercises, and what a check needs, is no leak.
    """
    taught = notebooks.squeezed("\n".join(str(cell.source) for cell in chapter.before))
    held = notebooks.everything(made)
    for exercise in chapter.exercises:
        for line in notebooks.body_lines(exercise.solution.source):
            if line in held and line not in taught:
                yield f"exercise {exercise.number}: {line}"
