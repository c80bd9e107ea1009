"""From what a function answered to points and one sentence of help: right, or wrong like a known mistake.

Used by the notebooks' checks and by the grader. Checked against: every mutant, which must be caught and named; right
variants, which must pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ._student import OF_TORCH, Odd, kind_of, plain
from .question import ORDINARY, Case, Question, close
from .relations import PLAIN, REDUCED, relation

SHARE_OF_EDGES = 0.4  # of a question's points; the rest is for ordinary inputs


@dataclass(frozen=True)
class Failed:
    """A call that raised an error; two of them are equal whatever they said."""

    error: str = "Error"
    line: int = 0
    undefined: str = ""  # the name that was not there


UNWRITTEN = "not written yet"  # a mistake's name


@dataclass(frozen=True)
class Verdict:
    """What is said of one question."""

    question: str
    points: float
    of: int
    mistake: str = ""  # its name in the class's table; "" where all is right
    help: str = ""
    kinds: tuple[str, ...] = ()  # the edges that are wrong

    @property
    def right(self) -> bool:
        """Whether nothing is wrong."""
        return self.points == self.of

    @property
    def unwritten(self) -> bool:
        """Whether there is still the stub."""
        return self.mistake == UNWRITTEN


@dataclass(frozen=True)
class Key:
    """The cases of one question and seed, with the right answers."""

    question: Question
    cases: tuple[Case, ...]
    expected: tuple[Any, ...]


def behaviour(function: Any, question: Question, seed: str | int) -> tuple[Any, ...]:
    """What a function of ours answers on each case of a seed; fresh inputs for each function."""
    answers: list[Any] = []
    for case in question.cases(seed):
        try:
            answers.append(plain(function(*case.inputs)))
        except Exception as error:
            answers.append(Failed(kind_of(error)))
    return tuple(answers)


@lru_cache(maxsize=256)
def key(question: Question, seed: str | int) -> Key:
    """Computed once for a class."""
    return Key(question, tuple(question.cases(seed)), behaviour(question.answer, question, seed))


@lru_cache(maxsize=256)
def wrong_answers(question: Question, seed: str | int) -> tuple[tuple[Any, ...], ...]:
    """What each mutant answers; only asked for where somebody is wrong."""
    return tuple(behaviour(mutant.function, question, seed) for mutant in question.mutants)


def same(question: Question, case: Case, expected: Any, got: Any) -> bool:
    """Whether two answers to a case are the same; whatever a student gave, this raises no error."""
    if isinstance(expected, Failed) or isinstance(got, Failed):
        return isinstance(expected, Failed) and isinstance(got, Failed)
    if isinstance(expected, Odd) or isinstance(got, Odd):
        return isinstance(expected, Odd) and isinstance(got, Odd)
    try:
        return bool(question.same(case.inputs, expected, got))
    except Exception:  # a comparison of a question's own, given a shape that it does not expect
        return close(expected, got)


def judge(question: Question, seed: str | int, answers: list[Any] | tuple[Any, ...]) -> Verdict:
    """Points and help for the answers to all cases of a seed.

    Args:
        question: what was asked.
        seed: that its cases were drawn from.
        answers: plain values, or :class:`Failed`; fewer than there are cases where the process ended before.
    """
    known = key(question, seed)
    given = [*answers, *[Failed("stopped")] * (len(known.cases) - len(answers))]
    right = [same(question, case, one, got) for case, one, got in zip(known.cases, known.expected, given, strict=True)]
    if all(right):
        return Verdict(question.name, question.points, question.points)
    wrong = [i for i, ok in enumerate(right) if not ok]
    kinds = tuple(dict.fromkeys(known.cases[i].kind for i in wrong if known.cases[i].kind != ORDINARY))
    points = 0.0
    if all(ok for ok, case in zip(right, known.cases, strict=True) if case.kind == ORDINARY):
        edges = {case.kind for case in known.cases} - {ORDINARY}
        points = round(question.points * (1 - SHARE_OF_EDGES * len(kinds) / len(edges)), 2)
    mistake, help = explain(known, seed, given, right, kinds)
    return Verdict(question.name, points, question.points, mistake, help, kinds)


def explain(
    known: Key, seed: str | int, given: list[Any], right: list[bool], kinds: tuple[str, ...]
) -> tuple[str, str]:
    """The name of the mistake and a sentence: of a mutant that behaves so, or of what is seen from outside.

    A wrong name is worse than none. So a mutant gives its name only if it is right on every ordinary input on which
    this answer is right: whoever makes a mistake makes it everywhere. Where only edges are wrong, they all count.
    """
    question = known.question
    wrong = [i for i, ok in enumerate(right) if not ok]
    if all(isinstance(given[i], Failed) for i in range(len(given))):
        return of_error(given[0])
    ordinary = [i for i, case in enumerate(known.cases) if case.kind == ORDINARY]
    ordinary_wrong = [i for i in ordinary if not right[i]]
    raised = any(isinstance(given[i], Failed) for i in wrong)
    shares = []
    for mutant, answers in zip(question.mutants, wrong_answers(question, seed), strict=True):
        equal = [same(question, case, one, got) for case, one, got in zip(known.cases, answers, given, strict=True)]
        if all(equal):
            return mutant.mistake, mutant.help
        # Explained: what is wrong is wrong in the same way. An error that only this answer raises is another matter.
        told = sum(equal[i] and not isinstance(given[i], Failed) for i in wrong) / len(wrong)
        if any(right[i] and not equal[i] for i in (ordinary if ordinary_wrong else range(len(equal)))):
            told = 0.0  # it is wrong in places where this answer is right
        elif not all(equal[i] for i in ordinary_wrong):
            told = 0.0  # that some answers agree is chance, where they are of yes and no, or indices
        elif ordinary_wrong and not raised:
            told = 1.0  # only at an edge is it wrong in another way
        shares.append((told, sum(equal), mutant))
    told, _, mutant = max(shares, key=lambda entry: entry[:2])
    if told == 1:
        return mutant.mistake, mutant.help
    if ordinary_wrong:  # of edges it says more which they are
        found = relation([known.expected[i] for i in wrong], [given[i] for i in wrong])
        found = found or two_at_once(known, seed, given)
        if found is not None:
            return found
    if told >= 0.5 and ordinary_wrong:
        return f"partly: {mutant.mistake}", f"In part this looks as if: {mutant.help}"
    return of_outside(known, given, wrong, kinds)


def two_at_once(known: Key, seed: str | int, given: list[Any]) -> tuple[str, str] | None:
    """Words for two mistakes in one answer: a mutant's, and a plain relation to what that mutant answers.

    It has to hold on every ordinary input, and for one mutant alone.
    """
    found: dict[str, str] = {}
    for mutant, answers in zip(known.question.mutants, wrong_answers(known.question, seed), strict=True):
        pairs = [
            (one, got)
            for case, one, got in zip(known.cases, answers, given, strict=True)
            if case.kind == ORDINARY or not same(known.question, case, one, got)
        ]
        second = relation([one for one, _ in pairs], [got for _, got in pairs], among=PLAIN)
        if second is not None and not (second[0] in REDUCED and any(np.size(one) < 3 for one, _ in pairs)):
            help = f"There are two things. First: {mutant.help} Then: {second[1]}"
            found.setdefault(f"{mutant.mistake}; {second[0]}", help)
    return next(iter(found.items())) if len(found) == 1 else None


def of_error(failed: Failed) -> tuple[str, str]:
    """Words for a function that never gives an answer."""
    where = f" in line {failed.line} of its cell or file" if failed.line else ""
    if failed.undefined:
        return (
            f"the name {failed.undefined} is not known",
            f"Your function uses {failed.undefined}, which is not defined when it is graded{where}: define it at the "
            "top level of your file. Packages that hold the answer cannot be imported.",
        )
    if failed.error == "NotImplementedError":
        return UNWRITTEN, "This function is not written yet."
    if failed.error == OF_TORCH:
        return "raises NotImplementedError", (
            f"Every call ends in an error, {failed.error}{where}: something is not done with numbers of this type. "
            "Comparisons that & or | joins need brackets."
        )
    if failed.error == "timeout":
        return (
            "took too long",
            "It took longer than the time that there is for a question: is there a loop that never ends?",
        )
    if failed.error == "MemoryError":
        return (
            "too much memory",
            "It needs more memory than there is for a question: is something copied again and again?",
        )
    if failed.error == "ModuleNotFoundError":
        return "imports what is not there", (
            f"It imports a package that is not there when it is graded{where}: torch, NumPy and Python's own modules "
            "are; those that hold the answer are not."
        )
    if failed.error == "unreadable":
        return (
            "an answer too large",
            "The answer is too large or no plain numbers: give a tensor of the shape asked for.",
        )
    if failed.error == "stopped":
        return "stopped", "The process ended before it gave an answer."
    return f"raises {failed.error}", f"Every call ends in an error, {failed.error}{where}."


def of_outside(known: Key, given: list[Any], wrong: list[int], kinds: tuple[str, ...]) -> tuple[str, str]:
    """Words where no known mistake fits: the first thing that can be seen without telling what was asked."""
    first = wrong[0]
    expected, got = known.expected[first], given[first]
    only_edges = all(known.cases[i].kind != ORDINARY for i in wrong)
    where = f"Ordinary inputs are right. Look at what happens here: {'; '.join(kinds)}."
    if isinstance(got, Failed):
        name, sentence = of_error(got)
        if got.error in ("stopped", "timeout", "MemoryError", "unreadable"):
            return name, sentence
        if only_edges:
            return f"an error at an edge: {kinds[0]}", f"{where} There it ends in an error, {got.error}."
        return name, f"Some calls end in an error, {got.error}" + (
            f", in line {got.line} of its cell or file." if got.line else "."
        )
    if isinstance(got, Odd):
        if got.kind == "None":
            return "nothing returned", "The function gives None: is a return missing?"
        return "a wrong type", f"The function gives {got.kind}; asked is a tensor or a number, as its docstring says."
    if only_edges:
        return f"wrong at an edge: {kinds[0]}", where
    if isinstance(expected, np.ndarray) and isinstance(got, np.ndarray):
        if expected.ndim != got.ndim:
            return "a wrong shape", "The answer has another number of axes than the docstring says."
        if expected.shape != got.shape and expected.shape == got.shape[::-1]:
            return "axes swapped", "The axes of the answer are the wrong way round."
        if expected.ndim and expected.shape[1:] == got.shape[1:] and len(expected) != len(got):
            return "a wrong number of answers", (
                "For some inputs there are too many answers, or too few: work a small example out by hand and count."
            )
        if expected.shape != got.shape:
            return "a wrong shape", "The answer has another shape than the docstring says."
        if expected.size and not np.isfinite(got.astype(np.float64)).all() and np.isfinite(expected).all():
            return "not finite", "The answer holds NaN or infinity."
    elif isinstance(expected, np.ndarray) != isinstance(got, np.ndarray):
        return "a wrong shape", "The parts of the answer have other shapes than the docstring says."
    return "wrong values", "The shape is right, the numbers are not: work a small example out by hand and compare."
