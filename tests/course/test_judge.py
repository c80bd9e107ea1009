"""Every mutant is caught and named, every right answer passes, whatever its form."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from torch import Tensor

from fcos_edu.course import _student, find, judge, questions
from fcos_edu.course._student import Odd
from fcos_edu.course.question import ORDINARY, Case, Mutant, Question
from tests.course.judged import RIGHT, WRONG, Function
from tests.course.right import arrays, loops, tensors
from tests.course.wrong import MISTAKES

SEEDS = ("spring", "autumn")
QUESTIONS = questions()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_every_mutant_is_caught_and_named(question: Question, seed: str) -> None:
    known = judge.key(question, seed)
    assert judge.judge(question, seed, known.expected).right
    assert len(question.mutants) >= 7 and all(mutant.help.endswith(".") for mutant in question.mutants)
    for mutant, answers in zip(question.mutants, judge.wrong_answers(question, seed), strict=True):
        verdict = judge.judge(question, seed, answers)
        assert not verdict.right and verdict.points < question.points, mutant.mistake
        assert (verdict.mistake, verdict.help) == (mutant.mistake, mutant.help)


@pytest.mark.parametrize("student", [loops, arrays, tensors], ids=lambda module: module.__name__.split(".")[-1])
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_no_right_answer_is_marked_wrong(question: Question, student: ModuleType) -> None:
    for seed in ("public", *SEEDS):
        answers = judge.behaviour(getattr(student, question.name), question, seed)
        verdict = judge.judge(question, seed, answers)
        assert verdict.right, (verdict.mistake, verdict.help, answers)


@pytest.mark.parametrize("seed", SEEDS)
def test_mistakes_as_students_write_them_are_caught_and_nine_of_ten_are_named(seed: str) -> None:
    named = 0
    for name, mistake, source in MISTAKES:
        function = _student.load(_student.statements([source])[0], name)[name]
        verdict = judge.judge(find(name), seed, judge.behaviour(function, find(name), seed))
        assert not verdict.right, (name, mistake)
        named += verdict.mistake == mistake
        if verdict.mistake != mistake:
            print(name, mistake, "->", verdict.mistake)
    assert named >= 0.9 * len(MISTAKES)


def of(question: str, function: Function, seed: str) -> judge.Verdict:
    return judge.judge(find(question), seed, judge.behaviour(function, find(question), seed))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("question", [question.name for question in QUESTIONS])
def test_a_judge_of_our_own_finds_no_wrong_grade(question: str) -> None:
    """At least six more wrong answers and four right ones of unusual form, that no list of ours held when written."""
    wrong = [(mistake, function) for name, mistake, function in WRONG if name == question]
    right = [function for name, function in RIGHT if name == question]
    assert len(wrong) >= 6 and len(right) >= 4
    for seed in SEEDS:
        for function in right:
            verdict = of(question, function, seed)
            assert verdict.right, (function.__code__.co_firstlineno, verdict.mistake, verdict.kinds)
        for mistake, function in wrong:
            verdict = of(question, function, seed)
            where = function.__code__.co_firstlineno
            assert verdict.points < verdict.of, (where, mistake)
            assert mistake in ("", verdict.mistake), (where, mistake, verdict.mistake)


def test_nine_of_ten_of_them_get_a_name() -> None:
    assert sum(mistake not in ("", "a wrong shape") for _, mistake, _ in WRONG) >= 0.9 * len(WRONG)


def test_a_mistake_is_not_named_after_one_that_is_wrong_elsewhere() -> None:
    """Only the left and the upper border are taken for inside: not "only right and bottom", which agrees there."""
    verdict = of("inside", lambda d: (d[..., :2] >= -1e-9).all(-1) & (d[..., 2:] > 1e-9).all(-1), "s")
    assert verdict.kinds and verdict.mistake == "left and top may be zero"
    verdict = of("inside", lambda d: (d[..., 0] >= 0) & (d[..., 1:] > 0).all(-1), "s")
    assert verdict.mistake.startswith("wrong at an edge")


def numbers(*mutants: Mutant) -> Question:
    """Asked is a number itself; 0 is an edge."""
    kinds = {0: "a zero"}
    draw = [Case((float(n),), kinds.get(n, ORDINARY)) for n in range(5)]
    return Question("number", 1, "A number", lambda x: x, lambda x: x, lambda _: draw, mutants)


def test_a_name_needs_that_the_mistake_is_made_everywhere() -> None:
    """Doubled from 3 on is not what doubles 4 alone; and an edge of its own takes no name away."""
    question = numbers(Mutant("doubled from 3 on", "Do not.", lambda x: 2 * x if x > 2 else x))
    only_4 = judge.judge(question, "s", judge.behaviour(lambda x: 2 * x if x == 4 else x, question, "s"))
    assert only_4.mistake == "wrong values"
    with_edge = judge.judge(question, "s", judge.behaviour(lambda x: (2 * x if x > 2 else x) or 7.0, question, "s"))
    assert with_edge.mistake == "doubled from 3 on"
    fails = judge.judge(question, "s", judge.behaviour(lambda x: (2 * x if x > 2 else x) / bool(x), question, "s"))
    assert fails.mistake == "partly: doubled from 3 on", "an error of its own is told of"


@pytest.mark.parametrize(
    ("question", "given", "mistake"),
    [
        ("iou_loss", lambda a, b: (1 - iou(a, b)).mean(), "1 - IoU; the mean of all"),
        ("ltrb", lambda p, b: -find("ltrb").answer(p.flip(-1), b), "x and y swapped; the sign"),
        ("giou", lambda a, b: (1 - find("giou").answer(a, b)).sum(), "1 - GIoU; the sum of all"),
    ],
)
def test_two_mistakes_at_once_are_both_named(question: str, given: Function, mistake: str) -> None:
    for seed in SEEDS:
        verdict = of(question, given, seed)
        assert verdict.mistake == mistake and "First: " in verdict.help and "Then: " in verdict.help


def iou(a: Tensor, b: Tensor) -> Tensor:
    return (-find("iou_loss").answer(a, b)).exp()


def test_an_error_at_an_edge_says_at_which() -> None:
    verdict = of("ltrb", lambda p, b: find("ltrb").answer(p, b) + 0 * b.amax(), "s")
    assert verdict.mistake == "an error at an edge: an image without boxes"


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_name_and_points_of_a_mistake_are_the_same_for_every_seed(question: Question) -> None:
    """Where cases are left to chance two mistakes may agree on all of them, or an edge be hit among ordinary inputs.

    A class of one term would then lose ten points for what cost another one two.
    """
    verdicts = [
        [judge.judge(question, seed, answers) for answers in judge.wrong_answers(question, seed)]
        for seed in (*SEEDS, *range(5))
    ]
    for mutant, *found in zip(question.mutants, *verdicts, strict=True):
        assert {verdict.mistake for verdict in found} == {mutant.mistake}
        assert len({verdict.points for verdict in found}) == 1, (mutant.mistake, [one.points for one in found])


@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        (lambda d: None, "nothing returned"),
        (lambda d: {"a": 1}, "a wrong type"),
        (lambda d: d, "a wrong shape"),
        (lambda d: d[..., 0] * 0 + 0.123, "wrong values"),
        (lambda d: 1 / 0, "raises ZeroDivisionError"),
        (lambda d: undefined_name, "raises NameError"),  # noqa: F821
    ],
)
def test_what_fits_no_mutant_is_told_from_outside(given: Callable[..., object], mistake: str) -> None:
    question = find("centerness")
    verdict = judge.judge(question, "s", judge.behaviour(given, question, "s"))
    assert verdict.points == 0 and verdict.mistake == mistake and verdict.help


def test_points_for_ordinary_inputs_stay_where_an_edge_is_wrong() -> None:
    question = find("assign")

    def fails_without_boxes(p: Tensor, b: Tensor, low: float, high: float) -> object:
        return question.answer(p, b, low, high) if len(b) else 1 / 0

    verdict = judge.judge(question, "s", judge.behaviour(fails_without_boxes, question, "s"))
    assert verdict.kinds == ("an image without boxes",) and 0.6 * question.points <= verdict.points < question.points
    answers = judge.key(question, "s").expected
    assert judge.judge(question, "s", [answers[0] * 0 - 5, *answers[1:]]).points == 0, "an ordinary case is wrong"
    assert judge.judge(question, "s", answers[:1]).points == 0, "the process ended after the first case"


def test_a_strange_answer_is_wrong_and_no_error() -> None:
    for question in QUESTIONS:
        count = len(question.cases("s"))
        for strange in (
            np.zeros((0, 3)),
            np.array(np.nan),
            [np.zeros(2), np.zeros(3)],
            Odd("dict"),
            np.full(99, 10**9),
        ):
            assert not judge.judge(question, "s", [strange] * count).right
