"""Text of strangers: read in whatever encoding it has, and printed without what would move the cursor; and counts.

Used wherever names of files and classes come from outside: annotations, lists, command line, messages. Checked against:
every encoding with a byte-order mark, control characters of terminals, every noun that the package counts. Imports
nothing of the package.
"""

from __future__ import annotations

import json
import re
import shlex
import stat
import unicodedata
from pathlib import Path

# Marks that turn the direction of writing: with them a name can show another ending than it has.
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_HIDDEN = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of pairs, line and paragraph separators

_PLURAL = re.compile(r"\b[A-Za-z]+[^\W\d_su]s\b")  # not "class", "status", "as"


def printable(text: object, *, keep: str = "") -> str:
    """A text as a terminal may have it: control characters stand as escapes, such as ``\\x1b``.

    Class names and file names are whatever somebody typed: one with an escape sequence could clear the screen, colour
    it, or write into the window's title. Letters of every script stay as they are.

    Args:
        text: anything; what is no text is made one.
        keep: characters that stay, such as a line's end in a message of several lines.
    """
    text = str(text)
    if text.isprintable():
        return text

    def shown(c: str) -> str:
        if c in keep or not (c in _DIRECTION or unicodedata.category(c) in _HIDDEN):
            return c
        return c.encode("unicode_escape").decode("ascii")

    return "".join(map(shown, text))


def shortened(value: object, most: int = 100) -> str:
    """A value as an error message quotes it: as Python would write it, and not longer than ``most`` characters."""
    try:
        told = repr(value)
    except (ValueError, RecursionError):  # a whole number of thousands of digits; lists in lists in lists
        told = f"a {type(value).__name__} too large to be shown"
    return printable(told if len(told) <= most else f"{told[: most - 3]}...")


def counted(count: int | str, many: str, one: str | None = None) -> str:
    """A number and what it counts, which is one thing or several: "1 degenerate box", "2 degenerate boxes".

    Args:
        count: a number; or the text that is to stand there, such as ``f"{n:,}"``.
        many: what is counted, as it stands behind 2. Its first plural is the noun: of "boxes of two classes" one is a
            "box of two classes".
        one: how it stands behind 1, where that is not the plural without its ending, or where a verb follows:
            ``counted(n, "pictures are left out", "picture is left out")``.
    """
    if str(count) != "1":
        return f"{count} {many}"
    return f"1 {_PLURAL.sub(lambda found: _singular(found[0]), many, count=1) if one is None else one}"


def _singular(noun: str) -> str:
    if noun.endswith("ies") and len(noun) > 4:
        return f"{noun[:-3]}y"
    if noun.endswith(("sses", "xes", "ches", "shes")):
        return noun[:-2]
    return noun[:-1]


def quoted(path: object) -> str:
    """A path as a command line has it: between quotation marks where it holds spaces or the like."""
    return shlex.quote(printable(path))


def read_bytes(path: str | Path) -> bytes:
    """The content of a regular file; of a pipe or a device, which might never end, nothing is read.

    Raises:
        ValueError: no regular file.
        OSError: it is not there, or cannot be read.
    """
    path = Path(path)
    if stat.S_ISDIR(mode := path.stat().st_mode):
        raise IsADirectoryError(21, "it is a folder", str(path))
    if not stat.S_ISREG(mode):
        raise ValueError(f"{printable(path)} is no regular file.")
    return path.read_bytes()


def read_text(path: str | Path) -> str:
    """The text of a file in UTF-8, UTF-16 or UTF-32, with or without a byte-order mark.

    Windows writes lists of names in UTF-16, and UTF-8 with a mark; neither the mark nor the carriage returns belong to
    the names.

    Raises:
        ValueError: no regular file, or another encoding; the text names the file.
        OSError: it is not there, or cannot be read.
    """
    content = read_bytes(path)
    try:
        return content.decode(json.detect_encoding(content)).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{printable(path)} is no text in UTF-8 or UTF-16 ({error.reason} at byte {error.start}); save it as UTF-8."
        ) from None
