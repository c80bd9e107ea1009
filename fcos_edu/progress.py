"""Progress bars that cannot hurt: where nobody reads them, work goes on without them.

Used wherever something takes long. Checked against: an error stream that is closed, is a pipe without a reader, or is
on a full disk. Imports nothing of the package.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from tqdm import tqdm


class Harmless:
    """A stream that loses what it cannot write, instead of raising; an error of a bar would end the work behind it."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """All of it, or as much as is possible."""
        with suppress(OSError, ValueError, AttributeError):  # closed; None, as 2>&- makes it
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        """As far as is possible."""
        with suppress(OSError, ValueError, AttributeError):
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:  # its encoding, its number, whether it is a terminal
        return getattr(self.stream, name)


def bar(*iterables: Any, **options: Any) -> Any:
    """tqdm's bar, on :class:`Harmless` standard error.

    Args:
        iterables: one, or none for a bar that is moved by hand.
        options: tqdm's.
    """
    return tqdm(*iterables, file=Harmless(sys.stderr), **options)
