"""The page of objectives follows from the bank; the part of the site has all its pages."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from fcos_edu.course import NAMES
from fcos_edu.course.catalogue import LABS
from scripts import ROOT
from scripts.course import objectives_page
from scripts.course.bank.objectives import OBJECTIVES
from scripts.make_pages import TEACHING


def test_the_page_is_up_to_date() -> None:
    assert objectives_page.PAGE.read_text("utf-8") == objectives_page.page(), "run: make pages"


def test_every_objective_and_every_question_of_the_labs_stands_there() -> None:
    page = objectives_page.page()
    assert all(f"| {key} | {words} |" in page for key, words in OBJECTIVES.items())
    assert all(page.count(f"`{name}`") == 1 for name in NAMES)
    assert page.count("## ") == 16


def test_every_page_for_teachers_is_in_the_site_and_linked() -> None:
    assert {path.stem for path in (ROOT / "book" / "teaching").glob("*.md")} == {
        name.removeprefix("teaching/") for name in TEACHING
    }
    index = (ROOT / "book" / "teaching" / "index.md").read_text("utf-8")
    linked = set(re.findall(r"\]\((\w+)\.md\)", index))
    assert {f"teaching/{name}" for name in linked} | {"teaching/index"} == set(TEACHING)


def plan(title: str) -> str:
    text = (ROOT / "book" / "teaching" / "plans.md").read_text("utf-8")
    return text.partition(f"## {title}")[2].partition("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    lines = [line for line in plan(title).splitlines() if re.match(r"\| \d", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def minutes(cell: str) -> int:
    """The sum of the minutes of a session's parts; a chapter's number in brackets is smaller."""
    return sum(int(number) for number in re.findall(r"\((\d+)\)", cell) if int(number) >= 10)


def sessions() -> list[tuple[str, str]]:
    """Every session of the three plans, with its place."""
    found = [(f"two weeks, {row[0]}", row[3]) for row in rows("Two weeks")]
    found += [(f"six weeks, {row[0]}", cell) for row in rows("Six weeks") for cell in row[3:5]]
    return [*found, *((f"twelve weeks, {row[0]}", row[4]) for row in rows("Twelve weeks"))]


def test_each_session_of_a_plan_has_90_minutes() -> None:
    assert len(sessions()) == 4 + 12 + 12
    for place, cell in sessions():
        assert minutes(cell) == 90, (place, cell)


@pytest.mark.parametrize(("title", "labs"), [("Two weeks", (1, 2)), ("Six weeks", LABS), ("Twelve weeks", LABS)])
def test_a_lab_gets_the_minutes_that_it_needs(title: str, labs: Iterable[int]) -> None:
    """Over all its parts; lab 5 of the plan for two weeks leaves two functions out, and says so."""
    text = plan(title)
    for lab in labs:
        parts = re.findall(rf"\*{{0,2}}lab {lab}\*{{0,2}}[^(|]*\((\d+)\)", text)
        assert sum(map(int, parts)) == LABS[lab][2], (lab, parts)


def test_the_minutes_for_reading_are_those_that_the_chapters_say() -> None:
    said = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        words = re.search(r"(\d+) minutes to read", path.read_text("utf-8"))
        said[int(path.name[:2])] = int(words[1]) if words else 0
    read = [(row[1].removeprefix("chapters ").removeprefix("chapter "), row[2]) for row in rows("Two weeks")]
    read += [(row[1], row[2]) for row in rows("Six weeks")] + [(row[2], row[3]) for row in rows("Twelve weeks")]
    for chapters, given in read:
        if "first sections" not in chapters and "one of" not in chapters:
            assert int(given) == sum(said[int(number)] for number in re.findall(r"\d+", chapters)), chapters
