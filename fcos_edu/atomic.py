"""Files that are there as a whole or not at all.

Used wherever the package writes: checkpoints, records, results of commands. Checked against: writers that fail
half-way, full disks, devices, pipes, links. Imports nothing of the package.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


def atomic_write(path: str | Path, write: Callable[[Path], Any]) -> None:
    """Call ``write`` with a temporary path beside ``path``, flush it to disk, and rename it to ``path``.

    Where ``write`` fails (a full disk, an interruption), the temporary file goes and ``path`` stays as it was. A new
    file gets the mode that the system gives to new files (umask); one that is there keeps its own. A link stays, and
    the file that it leads to is written. What can only be written into, such as ``/dev/null``, ``/dev/stdout`` or a
    pipe with a reader, is written into, once ``write`` has finished.

    Raises:
        OSError: as the system says (with its ``errno``), with ``path`` named: no space, no permission, a folder, a
            file that may not be written, a device of blocks.
    """
    path = Path(path)
    stream = is_stream(path)
    try:
        _write_into(path, write) if stream else _replace(path, write)
    except (OSError, RuntimeError) as error:
        found = system_error(error)
        if found is None:
            raise
        unchanged = "" if stream else ". What was there is unchanged"
        raise OSError(found.errno, f"cannot write {path}: {found.strerror or found}{unchanged}") from error


def _replace(path: Path, write: Callable[[Path], Any]) -> None:
    target = Path(os.path.realpath(path))  # of a link, what it leads to
    before = None
    with suppress(FileNotFoundError):
        before = os.stat(path)  # with a loop of links, an error that says so
        if stat.S_ISDIR(before.st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        if not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "Permission denied")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile: it gives the mode 0600, and the umask cannot be asked without changing it for all threads.
    temporary = target.parent / f".{target.name[:60]}.{secrets.token_hex(4)}.part"
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        made = stat.S_IMODE(os.stat(temporary).st_mode)
        write(temporary)  # which may put another file there, with a mode of its own
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, made if before is None else stat.S_IMODE(before.st_mode))
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def is_stream(path: Path) -> bool:
    """Whether a path is to be written into and not replaced: a device of characters, a pipe, or a place in /dev."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    # /dev/stdout may lead to a file: to replace it would cut off what is printed there.
    named = os.path.abspath(path).startswith(("/dev/std", "/dev/fd/", "/proc/"))
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode) or (named and stat.S_ISREG(mode))


def _write_into(path: Path, write: Callable[[Path], Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / path.name
        write(whole)
        try:  # without waiting for a reader, who may never come
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            if error.errno == errno.ENXIO and stat.S_ISFIFO(os.stat(path).st_mode):
                raise OSError(errno.ENXIO, "it is a pipe that nobody reads from") from error
            raise
        if hasattr(os, "set_blocking"):
            os.set_blocking(handle, True)
        with open(handle, "wb") as stream, open(whole, "rb") as file:
            shutil.copyfileobj(file, stream)


@contextmanager
def named_error(path: str | Path) -> Iterator[None]:
    """An OSError of the block names ``path``, which the user knows, not the file beside it that is written first."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}") from error


def system_error(error: BaseException | None) -> OSError | None:
    """The system's error behind another one: torch, given a file, hides a full disk behind a RuntimeError."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error


def write_json(path: str | Path, values: Any, *, indent: int | None = 1) -> None:
    """Write ``values`` as JSON and a last newline; see :func:`atomic_write`."""
    text = json.dumps(values, indent=indent) + "\n"
    atomic_write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
