"""Headers of pictures that are known already: each is read once in a block, however often it is asked for.

Needs no torch, so that a command can begin such a block before it knows whether it will read a picture.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
State = tuple[int, ...]

# Of files by their paths: what they were like, and what was read of them; None where nothing is kept.
_KEPT: ContextVar[dict[str, tuple[State, object]] | None] = ContextVar("_KEPT", default=None)


@contextlib.contextmanager
def each_header_once() -> Iterator[None]:
    """Until the block ends, no picture's header is read twice, unless its file has changed meanwhile.

    To know how long a run will be, its data are looked at before it begins; formats with shares of the sides ask for
    sizes while they are read. On a disk of a network each look at a hundred thousand files takes minutes.
    """
    if _KEPT.get() is not None:  # within another such block
        yield
        return
    token = _KEPT.set({})
    try:
        yield
    finally:
        _KEPT.reset(token)


def once(path: str | Path, read: Callable[[], T]) -> T:
    """What ``read`` gives of a file, or what it gave before. An error is not kept."""
    kept = _KEPT.get()
    if kept is None:
        return read()
    try:
        told = os.stat(path)
    except (OSError, ValueError):
        return read()
    state = (told.st_ino, told.st_size, told.st_mtime_ns)
    before, found = kept.get(str(path), ((), None))
    if before != state:
        found = read()
        kept[str(path)] = (state, found)
    return found  # type: ignore[return-value]
