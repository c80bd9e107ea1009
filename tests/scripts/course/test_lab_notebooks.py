"""The labs as notebooks: every example is right, every stub fails, every solution passes, and nothing gives it away."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch

from fcos_edu.course import _student, catalogue, check, judge
from fcos_edu.course.question import close
from scripts.course import endings, lab_notebooks, make_course, notebooks, prompts, solutions

LABS = tuple(catalogue.LABS)


def test_solutions_are_right_for_other_seeds_too() -> None:
    for question in catalogue.questions():
        for seed in ("public", "teach"):
            given = judge.behaviour(getattr(solutions, question.name), question, seed)
            assert judge.judge(question, seed, given).right, (question.name, seed)


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_the_example_is_what_the_answer_gives(name: str) -> None:
    prompt = prompts.PROMPTS[name]
    got = eval(prompt.call, {"torch": torch, name: catalogue.find(name).answer})
    wanted = eval(prompt.gives, {"math": math})
    assert close(*(_student.plain(np.asarray(_numbers(value), float)) for value in (wanted, got)))
    assert len(prompt.hints) == 3 and len(set(prompt.hints)) == 3


def _numbers(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.tolist()
    return [_numbers(one) for one in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("lab", LABS)
def test_a_students_lab_has_every_question_and_no_answer(lab: int) -> None:
    made = lab_notebooks.lab_notebook(lab)
    make_course.check_lab(lab, made, "lab")  # raises an error where there is a line of a solution
    sources = "\n".join(cell.source for cell in made.cells)
    for name in catalogue.LABS[lab][3]:
        assert f'check("{name}", {name})' in sources
        assert sources.count(f"for <code>{name}</code></summary>") == 3
        assert lab_notebooks.solution(name) not in sources
    assert not any(cell.get("outputs") for cell in made.cells)
    assert sources.count("raise NotImplementedError") == len(catalogue.LABS[lab][3])
    assert "mutant" not in notebooks.everything(made).lower() and "Common mistakes" not in sources


def test_a_leak_is_seen() -> None:
    made = lab_notebooks.lab_notebook(1)
    for where in ("source", "metadata"):
        spoilt = lab_notebooks.lab_notebook(1)
        if where == "source":
            spoilt.cells[-1].source += "\n\n    return   (distances > 0).all(dim=-1)"
        else:
            spoilt.metadata["note"] = "return (distances > 0).all(dim=-1)"
        with pytest.raises(make_course.LeakError, match="solution of inside"):
            make_course.check_lab(1, spoilt, "lab")
    make_course.check_lab(1, made, "lab")


@pytest.mark.parametrize("lab", LABS)
def test_every_stub_fails(lab: int, capsys: pytest.CaptureFixture[str]) -> None:
    scope: dict[str, Any] = {}
    for cell in lab_notebooks.lab_notebook(lab).cells:
        if cell.cell_type == "code" and (cell.id == "imports" or cell.id.endswith("-answer")):
            exec(cell.source, scope)
    for name in catalogue.LABS[lab][3]:
        assert not check(name, scope[name])
    said = capsys.readouterr().out
    assert said.count("This function is not written yet.") == len(catalogue.LABS[lab][3])


@pytest.mark.parametrize("lab", LABS)
def test_an_instructors_lab_runs_from_top_to_bottom(lab: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Each cell in one namespace, as a kernel would run it; the training of lab 6 is cut short."""
    scope: dict[str, Any] = {}
    for cell in lab_notebooks.lab_notebook(lab, instructor=True).cells:
        if cell.cell_type == "code":
            exec(
                cell.source.replace("STEPS, example = 40", "STEPS, example = 6").replace("range(20)", "range(4)"), scope
            )
    said = capsys.readouterr().out
    assert said.count(": right. ") == len(catalogue.LABS[lab][3]) and "not yet" not in said


def test_what_can_be_left_out_is_what_the_last_section_runs_without() -> None:
    assert lab_notebooks.needed(3, "giou") == "runs without it"
    assert lab_notebooks.needed(5, "nms") == "needs it", "batched_nms calls it"
    assert lab_notebooks.needed(5, "average_precision") == "its cell 3 needs it"
    assert lab_notebooks.needed(6, "moving_average") == "its cells 2, 3 and 4 need it", (
        "what cell 2 makes is used later"
    )


def test_an_example_is_a_sentence() -> None:
    for name in catalogue.NAMES:
        text = lab_notebooks.task(1, catalogue.find(name))
        (line,) = re.findall(r"^Example: .*$", text, re.M)
        assert line.endswith(".") and "`. gives" not in line and ". gives" not in line.replace("`", ""), line


def test_a_students_file_is_found_by_the_grader() -> None:
    """What is pasted into the student's notebook is what the grader reads: stubs are stubs, answers are found."""
    made = lab_notebooks.lab_notebook(2)
    body, faults = _student.statements([cell.source for cell in made.cells if cell.cell_type == "code"])
    assert not faults and sum(_student.is_stub(node) for node in body) == len(catalogue.LABS[2][3])
    full = lab_notebooks.lab_notebook(2, instructor=True)
    body, _ = _student.statements([cell.source for cell in full.cells if cell.cell_type == "code"])
    question = catalogue.find("assign")
    given = judge.behaviour(_student.load(body, "assign")["assign"], question, "teach")
    assert judge.judge(question, "teach", given).right


def test_frames_name_chapters_and_functions_that_there_are() -> None:
    assert set(endings.LABS) == set(catalogue.LABS)
    for lab, frame in endings.LABS.items():
        before = [name for other in range(1, lab) for name in catalogue.LABS[other][3]]
        assert set(frame.earlier) <= set(before)
        head = lab_notebooks.head(lab, instructor=False)
        assert re.search(rf"\*\*Points\*\*: {sum(catalogue.find(n).points for n in catalogue.LABS[lab][3])}\.", head)
