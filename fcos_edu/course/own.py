"""Your detector: the functions that a reader writes in the chapters, kept in one file and put together to a detector.

    >>> keep(locations, ltrb)          # checks them, and keeps those that are right in my_fcos.py
    >>> mine = own_detector()          # the book's detector with those functions in the place of its own
    >>> mine.detect(model, image, 256, 256)

Used in the part *Your detector* of the chapters, and by the labs. Checked against: the package, with the same weights.

The book's own detector is ``fcos_edu/course/my_fcos.py``, put together from the chapters' cells. A part that the reader
has not written, or whose file is not there because a chapter was opened on another machine, is taken from it.
"""

from __future__ import annotations

import inspect
import linecache
import os
import re
import textwrap
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from ..atomic import atomic_write
from . import catalogue
from .checks import judged

NAME = "my_fcos.py"
BOOK = Path(__file__).with_name(NAME)
DRIVE = Path("/content/drive/MyDrive")  # where Colab mounts a reader's Drive; what lies beside the notebook is lost
HEADER = """\
# Your detector: what you wrote in the chapters of the book, a part for each function. keep() writes this file, and you
# may change it by hand. own_detector() of fcos_edu.course takes the book's own for each part that is not here.
"""
_PART = re.compile(r"^# ---- part: (\w+)$", re.MULTILINE)
_UNKNOWN = re.compile(r"the name (\w+) is not known$")  # a mistake's name, in judge.py
Part = Callable[..., Any]


def own_file(folder: str | Path | None = None) -> Path:
    """Where the reader's file is: in ``folder``; by default on Drive where Colab has one mounted, else right here.

    The environment variable ``FCOS_EDU_OWN`` names another folder.
    """
    if folder is None:
        folder = os.environ.get("FCOS_EDU_OWN") or (DRIVE if DRIVE.is_dir() else Path())
    return Path(folder) / NAME


def keep(*parts: Part, folder: str | Path | None = None) -> None:
    """Check functions, and keep those that are right in the reader's file; says in a sentence what became of each.

    A function that still raises ``NotImplementedError`` is left alone: the book's stands in for it. A part of the
    detector that the course has no question for (a class, ``losses``) and helper functions are kept unchecked.

    Args:
        parts: functions and classes, under the names that they have in the book.
        folder: of the file; see :func:`own_file`.

    Raises:
        TypeError: what was given has no name, or no source that can be read.
        ValueError: there is a file of that name that :func:`keep` did not begin.
    """
    path = own_file(folder)
    _, kept = _read(path)
    for part in parts:
        name = getattr(part, "__name__", None)
        if not isinstance(name, str) or not name.isidentifier():
            raise TypeError(f"keep needs functions as they are defined, such as keep(locations), not {part!r}")
        source = _source(part)
        if name in catalogue.NAMES:
            # As it will run: beside the other parts, not among whatever else the notebook has by now.
            detector = _assembled(path, {**kept, name: source})
            if name not in detector.yours:
                continue
            verdict, text = judged(name, getattr(detector, name))
            if verdict.unwritten:
                print(f"{name}: not written yet, so the book's own stands in for it.")
                continue
            if not verdict.right and (missing := _UNKNOWN.match(verdict.mistake)):
                text = (
                    f"{name}: not yet. It uses {missing[1]}, which a file of its own would not have: import it inside "
                    f"the function, or keep it too: keep({missing[1]}, {name})."
                )
            print(text)
            if not verdict.right:
                continue
        kept[name] = source
        _write(path, kept)
        print(f"{name}: kept in {path}.")


def own_detector(folder: str | Path | None = None, *, quiet: bool = False) -> ModuleType:
    """The book's small detector, with the reader's own parts in their places.

    Args:
        folder: of the reader's file; see :func:`own_file`.
        quiet: do not say which parts are whose.

    Returns:
        A module with ``MyFCOS``, ``losses``, ``train``, ``detect`` and all functions that they are made of.

    Raises:
        ValueError: the file is not one of :func:`keep`.
    """
    path = own_file(folder)
    preamble, kept = _read(path)
    detector = _assembled(path, kept, preamble)
    if not quiet:
        yours = [name for name in kept if name in detector.yours]
        print(f"Yours: {', '.join(yours)}. The rest is the book's." if yours else "All parts are the book's own.")
    return detector


def _assembled(path: Path, kept: dict[str, str], preamble: str = "") -> ModuleType:
    """The book's file, and over it the reader's parts, in one module, so that each part calls the others."""
    detector = ModuleType("my_fcos", "An FCOS detector: the book's, with the reader's parts in their places.")
    detector.__file__ = str(BOOK)
    exec(compile(BOOK.read_text("utf-8"), str(BOOK), "exec"), detector.__dict__)
    detector.yours = []  # type: ignore[attr-defined]
    if preamble:
        _run(preamble, f"{path} (its beginning)", detector)
    for name, source in kept.items():
        if _run(source, f"{path} ({name})", detector):
            detector.yours.append(name)  # type: ignore[attr-defined]
    return detector


def _run(source: str, where: str, detector: ModuleType) -> bool:
    """Run a part in the module; where it cannot even be defined, say so and leave the book's."""
    linecache.cache[where] = (len(source), None, source.splitlines(keepends=True), where)  # lines for tracebacks
    before = dict(detector.__dict__)
    try:
        exec(compile(source, where, "exec"), detector.__dict__)
    except Exception as error:  # whatever a reader's line may raise
        detector.__dict__.clear()
        detector.__dict__.update(before)
        last = traceback.format_exception_only(type(error), error)[-1].strip()
        print(f"{where} cannot be used, so the book's own stands in for it: {last}")
        return False
    return True


def _source(part: Part) -> str:
    """The text of a function or a class."""
    try:
        source = textwrap.dedent(inspect.getsource(part))
    except (OSError, TypeError):
        name = getattr(part, "__name__", "it")
        raise TypeError(
            f"the source of {name} cannot be read: define it in a cell of a notebook or in a file, and try again"
        ) from None
    if not source.startswith(("def ", "class ", "@")):
        raise TypeError(f"{part!r} is defined in the middle of a line; write it as a function of its own")
    return source.rstrip() + "\n"


def _read(path: Path) -> tuple[str, dict[str, str]]:
    """What stands before the first part, and the parts by name."""
    if not path.exists():
        return "", {}
    text = path.read_text("utf-8-sig").replace("\r\n", "\n")
    pieces = _PART.split(text)
    if not text.startswith(HEADER.splitlines()[0]) and len(pieces) == 1:
        raise ValueError(f"{path} is not a file that keep() began: move it away, or name another folder")
    return pieces[0], {name: body.strip("\n") + "\n" for name, body in zip(pieces[1::2], pieces[2::2], strict=True)}


def _write(path: Path, kept: dict[str, str]) -> None:
    preamble, _ = _read(path)
    text = (preamble.rstrip("\n") + "\n") if preamble else HEADER
    for name, source in kept.items():
        text += f"\n\n# ---- part: {name}\n{source}"
    atomic_write(path, lambda part: part.write_text(text, "utf-8"))
