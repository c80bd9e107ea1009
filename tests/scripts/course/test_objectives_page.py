"""The page of objectives follows from the bank; the part of the site has all its pages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import pytest

from fcos_edu.course import NAMES
from fcos_edu.course.catalogue import LABS
from scripts import ROOT
from scripts.course import make_course, objectives_page, slides
from scripts.course.bank.collect import bank
from scripts.course.bank.objectives import OBJECTIVES
from scripts.make_pages import TEACHING


def test_the_page_is_up_to_date() -> None:
    assert objectives_page.PAGE.read_text("utf-8") == objectives_page.page(), "run: make pages"


def test_every_objective_and_every_question_of_the_labs_stands_there() -> None:
    page = objectives_page.page()
    assert all(f"- **{key}** {words}.\\\n" in page for key, words in OBJECTIVES.items())
    assert all(page.count(f"`{name}`") == 1 for name in NAMES)
    assert page.count("## ") == 16
    assert all(page.count(f"`{item.id}`") == 1 for item in bank()), "which questions, not only how many"
    tested = re.findall(r"^  Tested by .*`(\S+)`$", page, re.M)
    assert len(tested) == len(OBJECTIVES)


def test_every_page_for_teachers_is_in_the_site_and_linked() -> None:
    assert {path.stem for path in (ROOT / "book" / "teaching").glob("*.md")} == {
        name.removeprefix("teaching/") for name in TEACHING
    }
    index = (ROOT / "book" / "teaching" / "index.md").read_text("utf-8")
    linked = set(re.findall(r"\]\((\w+)\.md\)", index))
    assert {f"teaching/{name}" for name in linked} | {"teaching/index"} == set(TEACHING)


def pages() -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in sorted((ROOT / "book" / "teaching").glob("*.md"))}


def test_every_command_of_these_pages_is_there() -> None:
    """Modules, scripts, targets of make, options of the grader and of the bank, names of questions."""
    from fcos_edu.cli.parser import build_parser

    text = "\n".join(pages().values())
    for module in re.findall(r"python3? -m ([\w.]+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module
    for script in re.findall(r"python3? (scripts/\S+\.py)", text):
        assert (ROOT / script).is_file(), script
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert {*re.findall(r"`make ([a-z]+)`", text)} <= set(targets)
    parser = build_parser()
    for line in re.findall(r"^fcos-edu course .*(?:\n    .*)*", text, re.M):
        parser.parse_args(line.replace("\\\n", " ").partition("#")[0].split()[1:])
    for name in re.findall(r"--without (\w+)", text):
        assert name in NAMES
    named = set(re.findall(r"`([a-z_]+)`", pages()["plans.md"])) - {"check"}
    assert named <= set(NAMES), "the plans name functions of the labs"


def sections(number: int) -> dict[str, list[str]]:
    """The sections of a chapter, without their numbers, each with the parts below it."""
    (path,) = (ROOT / "notebooks").glob(f"{number:02}_*.ipynb")
    cells = json.loads(path.read_text("utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    found: dict[str, list[str]] = {}
    for level, title in re.findall(r"^(###?) (?:\d+\. )?(.+)$", text, re.M):
        if level == "##":
            found[title] = [title]
        elif found:
            found[list(found)[-1]].append(title)
    return found


def test_the_sections_that_the_plan_shows_are_there_and_fit_into_their_minutes() -> None:
    shown = [line for line in plan("Two weeks").splitlines() if re.match(r"\| \d, ", line)]
    assert len(shown) == 6
    decks = {int(one.stem[:2]): slides.contents(slides.deck(one, "?")[0]) for one, _ in make_course.read_chapters()}
    for line in shown:
        minutes, slow = int(line.split("|")[2]), 0
        for number, words in re.findall(r"chapter (\d+)[:,](.*?)(?=chapter \d|$)", line):
            titles = re.findall(r"\*(.+?)\*", words)
            assert titles and set(titles) <= set(sections(int(number))), (number, titles)
            count = {re.sub(r"^\d+\. ", "", name): count for name, _, count in decks[int(number)]}
            parts = [part for title in titles for part in sections(int(number))[title]]
            slow += sum(count.get(part, 0) for part in parts)
        assert slow >= 2 and 1 <= minutes / slow <= 4, (line, slow)


def test_sections_that_are_cut_are_there() -> None:
    assert "Center sampling: only the middle" in sections(4) and "What it is good for: a better score" in sections(8)
    assert "*Center sampling: only the middle*" in plan("Six weeks")


def plan(title: str) -> str:
    text = (ROOT / "book" / "teaching" / "plans.md").read_text("utf-8")
    return text.partition(f"## {title}")[2].partition("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    lines = [line for line in plan(title).splitlines() if re.match(r"\| \d+ \|", line)]
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
