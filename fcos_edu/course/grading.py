"""The grader: a folder of submissions to a table, feedback for each student and one page for the class.

Used by ``fcos-edu course grade``. Checked against: a class of right, wrong, broken, hanging and hostile submissions,
whose points are known.

Cases and answers are made here, and answers are compared here. A process of :mod:`.sandbox` gets the inputs alone.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from .._version import __version__
from ..atomic import atomic_write, write_json
from . import catalogue, feedback, judge
from .question import Question
from .sandbox import WALL, Run, Server, held, supported
from .submissions import Submission, collect, mentions, read_cells

SHORT = 5  # seconds for a question of a submission that has run out of time twice
ENOUGH = 8  # questions of a submission that run out of time, after which its other questions are not tried


@dataclass
class Grade:
    """One student's result."""

    student: str
    number: str
    verdicts: list[judge.Verdict]
    notes: list[str] = field(default_factory=list)  # about whole files
    digest: str = ""

    @property
    def points(self) -> float:
        """The sum over all questions."""
        return round(sum(verdict.points for verdict in self.verdicts), 2)

    @property
    def of(self) -> int:
        """The most that there is."""
        return sum(verdict.of for verdict in self.verdicts)


@dataclass
class Class:
    """What a run of the grader gives."""

    grades: list[Grade]
    graded: int  # how many of them were not known from an earlier run
    held: str  # what protected the machine


def grade(
    folder: str | Path,
    seed: str,
    out: str | Path,
    *,
    labs: Sequence[int] | None = None,
    without: Sequence[str] = (),
    feedback_folder: str | Path | None = None,
    gradescope_folder: str | Path | None = None,
    workers: int = 2,
    again: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> Class:
    """Grade all submissions in a folder; those that have not changed keep their grade.

    Args:
        folder: with the submissions, as a learning system gives them.
        seed: the teacher's; hidden cases are drawn from it.
        out: the table, CSV; beside it a file remembers what has been graded.
        labs: their numbers; None for all.
        without: names of questions that were left out in the course: they count for nobody.
        feedback_folder: a page for each student, and one for the class; None for none.
        gradescope_folder: a file for each student in Gradescope's form; None for none.
        workers: processes at once.
        again: grade all anew.
        tell: gets a line for each student.

    Raises:
        OSError: not on Linux, no such folder, nothing in it.
        ValueError: no such lab, no such question in them, no question left, fewer than one worker, no seed.
    """
    if reason := supported():
        raise OSError(reason)
    if workers < 1:
        raise ValueError(f"workers is {workers}; it must be at least 1")
    if not str(seed):
        raise ValueError("the seed is empty: hidden cases are drawn from it, so choose one that students do not know")
    questions = questions_of(labs, without)
    submissions = collect(Path(folder))
    out = Path(out)
    if out.is_file() and not out.read_bytes().startswith(b"student,number,"):
        raise ValueError(f"{out} is no table of this command; it stays as it is: name another file")
    memory = _Memory(out, seed, questions, forget=again)
    grades: dict[str, Grade] = {}
    todo: SimpleQueue[Submission] = SimpleQueue()
    for submission in submissions:
        if known := memory.get(submission):
            grades[submission.key] = known
        else:
            todo.put(submission)
    graded, facts = todo.qsize(), ""
    if graded:
        facts = _in_parallel(todo, min(workers, graded), questions, seed, grades, memory, tell)
    ordered = [grades[submission.key] for submission in submissions]
    atomic_write(out, lambda path: path.write_text(table(ordered, questions), encoding="utf-8"))
    if feedback_folder is not None:
        feedback.write(Path(feedback_folder), ordered, questions)
    if gradescope_folder is not None:
        feedback.write_gradescope(Path(gradescope_folder), ordered, questions)
    return Class(ordered, graded, facts)


def questions_of(labs: Sequence[int] | None, without: Sequence[str] = ()) -> list[Question]:
    """The questions of some labs (None: of all) but those that were left out.

    Raises:
        ValueError: no such lab, no such question in them, no question left.
    """
    questions = catalogue.questions(list(labs) if labs else None)
    names = [question.name for question in questions]
    for name in without:
        if catalogue.find(name).name not in names:
            raise ValueError(f"{name} is asked in none of these labs, so it need not be left out")
    if not set(names) - set(without):
        raise ValueError("no question is left to be graded")
    return [question for question in questions if question.name not in without]


def _in_parallel(
    todo: SimpleQueue[Submission], workers: int, questions: list[Question], seed: str, grades: dict[str, Grade],
    memory: _Memory, tell: Callable[[str], None],
) -> str:  # fmt: skip
    """Grade until the queue is empty; a thread for each server. Returns what was held."""
    for question in questions:  # once, before the threads would each do it
        judge.key(question, seed)
    lock, facts, faults = threading.Lock(), [], []

    def work(number: int) -> None:
        try:
            with Server(number) as server:
                facts.append(held(server.facts))
                while True:
                    try:
                        submission = todo.get_nowait()
                    except Empty:
                        return
                    result = grade_one(submission, questions, seed, server)
                    with lock:
                        grades[submission.key] = result
                        memory.put(submission, result)
                        tell(f"{submission.key}: {result.points:g} of {result.of}")
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        memory.save()
    if faults:
        raise faults[0]
    return facts[0]


def grade_one(submission: Submission, questions: Sequence[Question], seed: str, server: Server) -> Grade:
    """One student's grade. Whatever is wrong with the files costs their questions, never the run."""
    files: list[tuple[str, list[str]]] = []
    notes: list[str] = []
    for path in submission.files:
        cells, fault = read_cells(path)
        files.append((path.name, cells))
        notes += [fault] if fault else []
    runs: dict[str, tuple[list[str], Run]] = {}
    hanging = 0
    for file, cells in files:  # the newest file that has the function counts
        asked = [q for q in questions if mentions(cells, q.name) and (q.name not in runs or runs[q.name][1].missing)]
        wanted = [(q.name, judge.key(q, seed).cases) for q in asked]
        given = server.run_all(cells, wanted, WALL / 2, short=SHORT, enough=ENOUGH - hanging)
        hanging += sum(run.late for run in given)
        given += [Run((), "untried")] * (len(asked) - len(given))
        for question, run in zip(asked, given, strict=True):
            known = runs.get(question.name)
            if known is None or not run.missing or known[1].missing == "missing":
                runs[question.name] = cells, run
            for cell, line in run.faults:
                note = f"{file}: Python cannot read line {line}" + (f" of code cell {cell}" if len(cells) > 1 else "")
                notes += [note] if note not in notes else []
    verdicts, late = [], 0
    for question in questions:
        cells, run = runs.get(question.name, ([], Run((), "missing" if any(cells for _, cells in files) else "unread")))
        if run.missing:
            name, words = _MISSING[run.missing]
            verdicts.append(judge.Verdict(question.name, 0, question.points, name, words.format(question.name)))
            continue
        verdict = judge.judge(question, seed, run.answers)
        if not verdict.right:  # it may be another function's fault: once more, alone
            run = server.run(cells, question.name, judge.key(question, seed).cases, SHORT if late >= 2 else WALL)
            late += run.late
            verdict = judge.judge(question, seed, run.answers)
        verdicts.append(verdict)
    return Grade(submission.student, submission.number, verdicts, notes, submission.digest())


_MISSING = {
    "missing": ("missing", "There is no function {} at the top level of your file."),
    "unread": (
        feedback.UNREAD,
        "No file of yours can be read: open your notebook again, run it, save it, and hand in what was saved.",
    ),
    "stub": ("not written yet", "This function is not written yet."),
    "broken": (
        "cannot be made",
        "The statement that makes {} ends in an error: run your file from the top in a new kernel.",
    ),
    "untried": (
        "not tried",
        "So many functions of this file run without end that this one was not tried: mend them, or take them out.",
    ),
}


class _Memory:
    """The grades of earlier runs, in a file beside the table; those of another seed or version are forgotten."""

    def __init__(self, out: Path, seed: str, questions: list[Question], *, forget: bool) -> None:
        self.path = out.with_name(f".{out.name}.json")
        sums = hashlib.sha256(f"{__version__}\0{seed}\0{[question.name for question in questions]}".encode())
        for file in sorted(Path(__file__).parent.rglob("*.py")):
            sums.update(file.read_bytes())
        self.version = sums.hexdigest()
        self.known: dict[str, Any] = {}
        if not forget and self.path.is_file():
            try:
                stored = json.loads(self.path.read_text("utf-8"))
                self.known = stored["grades"] if stored["version"] == self.version else {}
            except (ValueError, KeyError, TypeError):
                self.known = {}

    def get(self, submission: Submission) -> Grade | None:
        entry = self.known.get(submission.key)
        if entry is None or entry["digest"] != submission.digest():
            return None
        verdicts = [judge.Verdict(**{**one, "kinds": tuple(one["kinds"])}) for one in entry["verdicts"]]
        return Grade(entry["student"], entry["number"], verdicts, entry["notes"], entry["digest"])

    def put(self, submission: Submission, result: Grade) -> None:
        self.known[submission.key] = asdict(result)

    def save(self) -> None:
        write_json(self.path, {"version": self.version, "grades": self.known}, indent=None)


def table(grades: Sequence[Grade], questions: Sequence[Question]) -> str:
    """The gradebook as CSV: student, number, points of each question, their sum, the most that there is, percent."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        ["student", "number", *(question.name for question in questions), "points", "of", "percent", "notes"]
    )
    for one in grades:
        points = [f"{verdict.points:g}" for verdict in one.verdicts]
        percent = f"{100 * one.points / one.of:.1f}"
        writer.writerow([safe(one.student), safe(one.number), *points, f"{one.points:g}", one.of, percent,
                         safe("; ".join(one.notes))])  # fmt: skip
    return stream.getvalue()


def safe(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
