"""The page of objectives follows from the bank; the part of the site has all its pages."""

from __future__ import annotations

import re

from fcos_edu.course import NAMES
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


def test_minutes_of_the_labs_are_those_of_the_plans() -> None:
    """A session of a lab in the plans is as long as the catalogue says."""
    from fcos_edu.course.catalogue import LABS

    text = (ROOT / "book" / "teaching" / "plans.md").read_text("utf-8")
    six = text.partition("## Six weeks")[2].partition("## Twelve weeks")[0]
    for lab, (_, _, minutes, _) in LABS.items():
        assert f"**lab {lab}** ({minutes})" in six
