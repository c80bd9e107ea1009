"""Write the course from the chapters, the questions and the bank: ``make course``.

    python -m scripts.course.make_course                    into build/course
    python -m scripts.course.make_course --out DIR --branch course

- ``student/``: ``labs/`` and ``chapters/`` with stubs, ``capstone.ipynb``, a page that says how to begin;
- ``instructor/``: the same with solutions, notes, common mistakes and minutes, and the exam in ``bank/``;
- ``colab/``: each notebook of the students alone, with its badge where the address of the repository is set;
- ``slides/``: a deck for each chapter, which opens from disk;
- ``student.zip``, ``instructor.zip``, ``colab.zip``.

Before anything is written it is checked that no file for students holds a line of a solution. The folder is replaced as
a whole; one that this command has not made stays as it is.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

if not __package__:  # run as a file: the folder of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fcos_edu.course.catalogue import LABS
from fcos_edu.text import counted
from scripts import ROOT
from scripts.course import capstone, chapter_notebooks, lab_notebooks, notebooks, slides
from scripts.course.bank.collect import bank
from scripts.course.bank.export import exports
from scripts.make_pages import chapters
from scripts.set_repository import COLAB, fill, read_address

MARK = ".made-by-make-course"

STUDENT = """\
Welcome
=======

labs/         six labs, each handed in as its own notebook: lab1_locations.ipynb first
chapters/     the chapters of the book, with exercises
capstone.ipynb  the last task: one change, several seeds, one page

To begin, with Python 3.10 to 3.13:

    python -m venv course
    course/bin/pip install {requirement} jupyterlab        (on Windows: course\\Scripts\\pip)
    course/bin/jupyter lab

Without Python on your computer: upload a notebook to Colab or Kaggle; its first cell installs what it needs.
Work from top to bottom. A cell with check(...) says whether your function is right. Hand in the notebook itself, saved;
do not rename the functions.

By the authors of fcos-edu: text and figures under CC BY 4.0, code under the Apache licence 2.0.
"""
INSTRUCTOR = """\
For instructors
===============

labs/ and chapters/ hold solutions, common mistakes, minutes. Do not put this folder where students see it.

To grade what students handed in of lab 1 (Linux; choose a seed that they do not know):

    source .venv/bin/activate
    fcos-edu course grade lab1 --lab 1 --seed WORD --out lab1.csv --feedback feedback1

bank/exam.html is a test for paper, bank/exam_key.html its key; canvas_qti.zip and moodle.xml are for learning systems.

The part "Teaching" of the book has plans for 2, 6 and 12 weeks, objectives, misconceptions, how to publish the course.

By the authors of fcos-edu: text and figures under CC BY 4.0, code under the Apache licence 2.0.
"""


class LeakError(ValueError):
    """A file for students holds a line of a solution."""


def read_chapters(root: Path = ROOT) -> Iterator[tuple[chapter_notebooks.Chapter, NotebookNode]]:
    """Each chapter, taken apart and whole."""
    for one in chapters(root):
        book = nbformat.read(root / "notebooks" / f"{one.stem}.ipynb", as_version=4)
        yield chapter_notebooks.take_apart(one.stem, book), book


def check_chapter(chapter: chapter_notebooks.Chapter, made: NotebookNode, name: str) -> None:
    """No line of a solution in it.

    Raises:
        LeakError: there is one; it is named.
    """
    for line in chapter_notebooks.leaks(chapter, made):
        raise LeakError(f"{name} holds a line of the solution of {line}")


def check_lab(lab: int, made: NotebookNode, name: str) -> None:
    """No line of a solution in it.

    Raises:
        LeakError: there is one; it is named.
    """
    held = notebooks.everything(made)
    for function in LABS[lab][3]:
        for line in notebooks.body_lines(lab_notebooks.definitions()[function]):
            if line in held:
                raise LeakError(f"{name} holds a line of the solution of {function}: {line}")


def badge(made: NotebookNode, file: str, url: str | None, branch: str) -> NotebookNode:
    """The Colab badge below the title, where the address is known."""
    first = made.cells[0]
    lines = [line for line in first.source.splitlines() if not line.startswith("[![Open in Colab]")]
    if url:
        link = fill("{colab}/github/{slug}/blob/", url) + f"{branch}/colab/{file}"
        lines[1:1] = ["", f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({link})"]
    first.source = "\n".join(lines).strip()
    made.metadata["colab"] = {"name": file, "provenance": [], "toc_visible": True}
    return made


def files(url: str | None, branch: str, root: Path = ROOT) -> Iterator[tuple[str, bytes]]:
    """Every file of the course: its name and what is in it.

    Raises:
        LeakError: a file for students would hold a line of a solution.
        slides.MissingError: a package that the slides need is not installed.
    """

    def text(made: NotebookNode) -> bytes:
        return (nbformat.writes(made) + "\n").encode()

    for lab in LABS:
        file = lab_notebooks.file_name(lab)
        made = lab_notebooks.lab_notebook(lab, url=url)
        check_lab(lab, made, file)
        yield f"student/labs/{file}", text(made)
        yield f"instructor/labs/{file}", text(lab_notebooks.lab_notebook(lab, instructor=True, url=url))
        yield f"colab/{file}", text(badge(made, file, url, branch))
    for chapter, book in read_chapters(root):
        file = f"{chapter.stem}.ipynb"
        made = chapter_notebooks.student(chapter, url)
        check_chapter(chapter, made, file)
        yield f"student/chapters/{file}", text(made)
        yield f"instructor/chapters/{file}", text(chapter_notebooks.instructor(chapter, book, url))
        alone = chapter_notebooks.student(chapter, url, alone=True)
        check_chapter(chapter, alone, f"colab/{file}")
        yield f"colab/{file}", text(badge(alone, file, url, branch))
    made = capstone.capstone(url=url)
    yield f"student/{capstone.FILE}", text(made)
    yield f"instructor/{capstone.FILE}", text(capstone.capstone(instructor=True, url=url))
    yield f"colab/{capstone.FILE}", text(badge(made, capstone.FILE, url, branch))
    requirement = f'"fcos-edu[notebook] @ git+{url}"' if url else '"./WHEEL_OR_ZIP_OF_FCOS_EDU[notebook]"'
    yield "student/README.txt", STUDENT.format(requirement=requirement).encode()
    yield "instructor/README.txt", INSTRUCTOR.encode()
    for name, data in exports(bank(root)).items():
        yield f"instructor/bank/{name}", data
    asked = {one.stem: one.question for one in chapters(root)}
    for name, data in slides.files([(chapter, asked[chapter.stem]) for chapter, _ in read_chapters(root)]):
        yield f"slides/{name}", data


def make(out: Path, url: str | None = None, branch: str = "course", root: Path = ROOT) -> dict[str, int]:
    """Write the course; returns the number of files of each folder.

    Args:
        out: the folder, which is replaced if this command made it.
        url: the address of the repository; None where there is none.
        branch: on which the built course is published.
        root: the repository.

    Raises:
        FileExistsError: ``out`` is there, and was not made by this command.
        LeakError: a file for students would hold a line of a solution.
    """
    if os.path.lexists(out) and not (out / MARK).is_file():
        raise FileExistsError(f"{out} is there, and was not made by this command: name another folder with --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as place:
        new = Path(place) / "new"
        new.mkdir()
        (new / MARK).touch()
        for name, data in files(url, branch, root):
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            folder = name.partition("/")[0]
            counts[folder] = counts.get(folder, 0) + 1
        for folder in ("student", "instructor", "colab"):
            pack(new / folder, new / f"{folder}.zip")
        if out.exists():
            out.rename(Path(place) / "old")
        new.rename(out)
    return counts


def pack(folder: Path, archive: Path) -> None:
    """A zip of a folder, the same bytes whenever its files are the same."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                info = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}", (2020, 1, 1, 0, 0, 0))
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o644 << 16
                packed.writestr(info, path.read_bytes())


def main(argv: list[str] | None = None) -> int:
    """Write it, and say what there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "course")
    parser.add_argument("--branch", default="course", help="on which the built course is published, for the badges")
    arguments = parser.parse_args(argv)
    try:
        counts = make(arguments.out, read_address(ROOT), arguments.branch)
    except (LeakError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for folder, number in counts.items():
        print(f"{arguments.out / folder}: {counted(number, 'files')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
