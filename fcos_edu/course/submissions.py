"""What students handed in: notebooks and Python files, under the names that learning systems give them.

Used by the grader. Checked against: names as Canvas, Moodle, Blackboard and people write them, files that are broken.
Nothing of a file is run here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .catalogue import LABS

LARGEST = 20_000_000  # bytes of a file
_MOODLE = re.compile(r"^(?P<student>.+?)_(?P<number>\d+)_assignsubmission_")
_CANVAS = re.compile(r"^(?P<student>[^_]+)_(?:LATE_)?(?P<number>\d{2,})_\d{2,}_")
_BLACKBOARD = re.compile(r"^.+?_(?P<student>[^_]+)_attempt_[\d-]+(?:_|$)")
_GRADESCOPE = re.compile(r"^submission_(?P<number>\d+)$")
_TITLES = "|".join(module for module, *_ in LABS.values())  # lab3_losses is the file's own name, not the student's
_LAB = re.compile(
    rf"(?:^|[\s_-])lab\d_(?:{_TITLES})(?=$|[\s_-])"
    r"|(?:^|[\s_-])(?:lab|labs|assignment|homework|hw|ex|exercise)[\s_-]?\d*(?=$|[\s_-])|[\s_-]\d$|\(\d\)",
    re.I,
)
_NUMBER = re.compile(r"(?<!\d)[a-zA-Z]?\d{4,}(?!\d)")


@dataclass
class Submission:
    """All files of one student."""

    student: str
    number: str  # of the learning system or in the file's name; may be empty
    files: list[Path] = field(default_factory=list)  # the newest first

    @property
    def key(self) -> str:
        """What tells students apart."""
        return f"{self.number} {self.student}".strip() if self.number else self.student

    def digest(self) -> str:
        """Of the content of all files: what is unchanged is not graded again."""
        sums = hashlib.sha256()
        for path in self.files:
            sums.update(
                f"{path.name}\0".encode(errors="replace") + (path.read_bytes() if _small(path) else b"large") + b"\0"
            )
        return sums.hexdigest()


def _small(path: Path) -> bool:
    return path.stat().st_size <= LARGEST


def who(path: Path, root: Path) -> tuple[str, str]:
    """Student and number of a file, from its name or that of its folder; the number may be empty."""
    for part in path.relative_to(root).parts:
        stem = part.removesuffix(path.suffix)
        for pattern in (_MOODLE, _CANVAS, _BLACKBOARD, _GRADESCOPE):
            if match := pattern.match(stem):
                found = match.groupdict()
                return _tidy(found.get("student") or stem), found.get("number") or ""
    first = path.relative_to(root).parts[0]
    stem = first.removesuffix(path.suffix)
    number = _NUMBER.search(stem)
    name = stem.replace(number[0], " ") if number else stem
    return _tidy(_LAB.sub(" ", name)) or stem, number[0] if number else ""


def _tidy(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", text).strip()


def collect(folder: Path) -> list[Submission]:
    """The students of a folder, by name.

    Raises:
        FileNotFoundError: there is no such folder, or no notebook or Python file in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    files = [
        path for path in sorted(folder.rglob("*"))
        if path.suffix in (".ipynb", ".py") and path.is_file() and not path.is_symlink()
        and not any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)
    ]  # fmt: skip
    if not files:
        raise FileNotFoundError(f"there is no .ipynb or .py file in {folder}")
    found: dict[tuple[str, str], Submission] = {}
    for path in files:
        student, number = who(path, folder)
        found.setdefault((number, "" if number else student.lower()), Submission(student, number)).files.append(path)
    for submission in found.values():
        submission.files.sort(key=_age)
    return sorted(found.values(), key=lambda one: (one.student.lower(), one.number))


def _age(path: Path) -> tuple[float, float, str]:
    """The newest first: by the number of the attempt that Canvas adds (``-2``), then by the file's time."""
    attempt = re.search(r"-(\d{1,2})$", path.stem)
    return -(float(attempt[1]) if attempt else 0.0), -path.stat().st_mtime, path.name


def read_cells(path: Path) -> tuple[list[str], str]:
    """The code of a file, cell by cell, and what is wrong with it, or nothing."""
    if not _small(path):
        return [], f"{path.name} is larger than {LARGEST // 1_000_000} MB"
    text = path.read_text("utf-8", errors="replace")
    if path.suffix == ".py":
        return [text], ""
    if not text.strip():
        return [], f"{path.name} is empty"
    try:
        cells = json.loads(text)["cells"]
        code = [_source(cell["source"]) for cell in cells if cell.get("cell_type") == "code"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return [], f"{path.name} is no notebook that can be read"
    return code, ""


def _source(source: object) -> str:
    if isinstance(source, str):
        return source
    if isinstance(source, Iterable):
        return "".join(str(line) for line in source)
    return ""


def mentions(cells: list[str], name: str) -> bool:
    """Whether a file could define a function of this name; a process finds out whether it does."""
    pattern = re.compile(rf"\b{re.escape(name)}\b")
    return any(pattern.search(cell) for cell in cells)
