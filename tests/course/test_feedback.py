"""Pages for students and teacher: complete, without markup of a student's making, without hidden cases."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fcos_edu.course import feedback, questions
from fcos_edu.course.grading import Grade
from fcos_edu.course.judge import Verdict

QUESTIONS = questions([1])


class Outline(HTMLParser):
    """Tags that are open, headings, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: object) -> None:
        self.seen.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def grade(student: str, *mistakes: str) -> Grade:
    verdicts = [
        Verdict(question.name, 0 if mistake else 10, 10, mistake, f"Help with {mistake}." if mistake else "")
        for question, mistake in zip(QUESTIONS, mistakes, strict=True)
    ]
    return Grade(student, "4711", verdicts, ["a.ipynb is empty"])


def test_a_students_page() -> None:
    text = feedback.student_page(grade("Anna <b>Berger</b>", "", "x and y", "", "<script>"), QUESTIONS)
    page = Outline(text)
    assert not page.open and "script" not in page.seen and "b" not in page.seen
    assert page.seen.count("h1") == 1 and page.seen.count("h2") == 1 and 'lang="en"' in text
    assert "Anna <b>Berger</b>" in page.words and "20 of 40 points" in page.words
    assert "Help with x and y." in page.words and "a.ipynb is empty" in page.words
    assert page.words.count("Right.") == 2 and "2 of 4 functions are right" in page.words


def test_the_best_and_the_emptiest_are_spoken_to() -> None:
    page = feedback.student_page(grade("A", "", "", "", ""), QUESTIONS)
    assert "Every function is right." in page, "one lab is not the whole detector"
    every = questions()
    whole = Grade("A", "1", [Verdict(question.name, 10, 10) for question in every])
    assert "Every function is right: your detector is whole." in feedback.student_page(whole, every)
    unread = feedback.student_page(grade("A", *[feedback.UNREAD] * 4), QUESTIONS)
    assert "Nothing could be read" in unread and "Start with" not in unread
    assert "Start with one function" in feedback.student_page(grade("A", "a", "b", "c", "d"), QUESTIONS)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] if len(colour) == 7 else [
        int(one * 2, 16) / 255 for one in colour[1:]]  # fmt: skip
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_words_and_links_stand_out_on_light_and_on_dark_pages() -> None:
    """WCAG 2.1: a contrast of at least 4.5 for letters, 3 for the lines of a table."""
    sheet = feedback.student_page(grade("A", "a", "", "", ""), QUESTIONS)
    light, _, dark = sheet.partition("prefers-color-scheme: dark")
    for part in (light, dark):
        ground = re.findall(r"background: (#\w+)", part)[0]
        for words in (re.findall(r"body \{[^}]*?color: (#\w+)", part)[0], re.findall(r"a \{ color: (#\w+)", part)[0]):
            low, high = sorted((luminance(words), luminance(ground)))
            assert (high + 0.05) / (low + 0.05) >= 7
        line = luminance("#767676")
        low, high = sorted((line, luminance(ground)))
        assert "solid #767676" in light and (high + 0.05) / (low + 0.05) >= 3


def test_the_classs_page_counts_mistakes(tmp_path: Path) -> None:
    grades = [
        grade("Anna", "", "swapped", "", ""),
        grade("Bo", "", "swapped", "", ""),
        grade("Cem", "", "sign", "", ""),
    ]
    feedback.write(tmp_path, grades, QUESTIONS)
    page = Outline((tmp_path / "class.html").read_text("utf-8"))
    assert not page.open and "swapped (2); sign (1)" in page.words and "3 of 3" in page.words and "0 of 3" in page.words
    assert len(list(tmp_path.glob("*.html"))) == 4


def test_pages_of_the_teachers_own_are_not_replaced(tmp_path: Path) -> None:
    grades = [grade("Anna", "", "", "", "")]
    for _ in range(2):
        feedback.write(tmp_path / "ours", grades, QUESTIONS)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "class.html").write_text("my own page")
    with pytest.raises(FileExistsError, match="theirs/class.html is there, and not as fcos-edu wrote it"):
        feedback.write(tmp_path / "theirs", grades, QUESTIONS)
    assert [path.name for path in (tmp_path / "theirs").iterdir()] == ["class.html"]
    assert (tmp_path / "theirs" / "class.html").read_text() == "my own page"


def test_file_names_are_plain_and_differ() -> None:
    names = [feedback.page_name(Grade(student, "", [])) for student in ("../../x", "李娜", "李明", "a/b", "")]
    assert len(set(names)) == 5
    assert all("/" not in name and not name.startswith(".") and name.isascii() for name in names)


def test_gradescope_gets_points_and_help(tmp_path: Path) -> None:
    """The keys of its results.json: https://gradescope-autograders.readthedocs.io/en/latest/specs/"""
    one = grade("Anna", "", "swapped", "", "")
    feedback.write_gradescope(tmp_path, [one], QUESTIONS)
    (path,) = tmp_path.glob("*.json")
    assert path.stem == feedback.page_name(one).removesuffix(".html")
    found = json.loads(path.read_text("utf-8"))
    assert set(found) == {"score", "output", "visibility", "tests"}
    assert found["score"] == 30 == sum(test["score"] for test in found["tests"])
    assert sum(test["max_score"] for test in found["tests"]) == 40 and found["output"] == "a.ipynb is empty"
    assert [test["status"] for test in found["tests"]] == ["passed", "failed", "passed", "passed"]
    assert found["tests"][1]["output"] == "Help with swapped." and "(ltrb)" in found["tests"][1]["name"]
