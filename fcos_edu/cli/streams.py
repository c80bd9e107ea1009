"""What the commands print, wherever it goes: terminals of any encoding, pipes that nobody reads, a full disk, nothing.

Checked against: streams that fail in each of these ways, below commands that have files to write.

A command that cannot print still does its work and writes its files; that something was not printed, its exit code
tells. Names of files and classes are whatever strangers typed: no control character of theirs reaches a terminal.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import IO, Any

from ..settings import Message
from ..text import printable

_PLAIN = {
    "±": "+-", "×": "x", "²": "2", "·": "*", "…": "...", "→": "->", "≤": "<=", "≥": ">=", "°": " degrees",
    **dict.fromkeys("‐‑‒–—−", "-"), **dict.fromkeys("‘’", "'"), **dict.fromkeys("“”„", '"'),
}  # fmt: skip


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """For a character that an encoding lacks: one that looks alike, or its escape. An error handler of ``codecs``."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    escaped = (_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode("ascii") for c in lacking)
    return "".join(escaped), error.end


codecs.register_error("fcos_edu.plainly", _plainly)


class Tolerant:
    """A text stream for which a failure is no reason to stop: the first one is kept, and what follows is dropped.

    Args:
        stream: to write to; None, as for a closed descriptor, for nowhere.
        escape: show control characters, other than the end of a line and the tabulator, as escapes.

    Attributes:
        error: why nothing is written any more; None as long as it is.
    """

    def __init__(self, stream: IO[str] | None, *, escape: bool = False) -> None:
        self.stream = open(os.devnull, "w", encoding="utf-8") if stream is None else stream  # noqa: SIM115
        self.escape = escape
        self.error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write, and tell the length, whatever became of it."""
        shown = printable(text, keep="\n\t") if self.escape else text
        if encoding := getattr(self.stream, "encoding", None):
            shown = shown.encode(encoding, "fcos_edu.plainly").decode(encoding)
        self._attempt(lambda: self.stream.write(shown))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write one after the other."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what is held back."""
        self._attempt(self.stream.flush)

    def _attempt(self, action: Any) -> None:
        if self.error is None:
            try:
                action()
            except OSError as error:
                self.error = error

    def let_go(self) -> OSError | None:
        """Write the rest; returns the first failure. After one, Python would complain of the rest when it ends."""
        self.flush()
        if self.error is not None:
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.stream.fileno())
                os.close(nowhere)
        return self.error


@contextlib.contextmanager
def warned(shown: Callable[[str], str]) -> Iterator[None]:
    """Until the block ends, the texts of warnings are as ``shown`` makes them."""
    before = warnings.formatwarning

    def told(message: Any, *more: Any, **named: Any) -> str:
        text = message.args[0] if isinstance(message, Warning) and message.args else message
        return before(type(message)(shown(text)) if isinstance(text, Message) else message, *more, **named)

    warnings.formatwarning = told  # type: ignore[assignment]
    try:
        yield
    finally:
        warnings.formatwarning = before


@contextlib.contextmanager
def tolerant() -> Iterator[tuple[Tolerant, Tolerant]]:
    """Standard output and error as :class:`Tolerant` streams, and warnings in one line, until the block ends."""
    before = sys.stdout, sys.stderr, warnings.formatwarning
    streams = Tolerant(sys.stdout, escape=True), Tolerant(sys.stderr)

    def told(message: Any, category: type[Warning], *place: Any, **more: Any) -> str:
        if category is not UserWarning:  # of a library, for its developers
            return before[2](message, category, *place, **more)
        return f"fcos-edu: warning: {printable(message)}\n"

    sys.stdout, sys.stderr, warnings.formatwarning = *streams, told  # type: ignore[assignment]
    try:
        yield streams
    finally:
        sys.stdout, sys.stderr, warnings.formatwarning = before
