"""Where a path of a user leads: ``~`` is a home folder, if there is one; links that lead in a circle lead nowhere.

Used wherever a path is typed or a folder of the user's is looked for. Checked against: users who are not known, a
machine that knows no home at all, as containers of a strange user number, and every path of every command as a circle
of links. Imports nothing of the package.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

REMEDY = "give the whole path"


def expanded(path: str | Path, remedy: str = REMEDY) -> Path:
    """The path with the home folder in the place of a ``~`` or ``~user`` at its beginning.

    A program that only asks the system for it would make a folder whose name is ``~`` where no home is known.

    Args:
        path: of a user.
        remedy: what to do where no home is known, as the end of a sentence.

    Raises:
        FileNotFoundError: no home is known; the text names the path.
        OSError: its links lead in a circle: who asks whether it is there hears that it is not, but it cannot be made
            either.
    """
    name = str(path)  # Path would take the "./" of "./~x" away
    if not name.startswith("~"):
        return _straight(path)
    if (whole := os.path.expanduser(name)).startswith("~"):
        whose = Path(name).parts[0]
        why = "HOME is not set, and this user has no entry in the system" if whose == "~" else "there is no such user"
        raise FileNotFoundError(f"{path}: no home folder is known for {whose} ({why}): {remedy}")
    return _straight(whole)


def _straight(path: str | Path) -> Path:
    """The path, if its links do not lead in a circle."""
    with suppress(ValueError):  # a name that no file can have
        try:
            os.stat(path)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise OSError(errno.ELOOP, "its links lead in a circle", str(path)) from None
    return Path(path)
