"""Where a path of a user leads: ``~`` is a home folder, if there is one.

Used wherever a path is typed or a folder of the user's is looked for. Checked against: users who are not known, and a
machine that knows no home at all, as containers of a strange user number. Imports nothing of the package.
"""

from __future__ import annotations

import os
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
    """
    name = str(path)  # Path would take the "./" of "./~x" away
    if not name.startswith("~"):
        return Path(path)
    if (whole := os.path.expanduser(name)).startswith("~"):
        whose = Path(name).parts[0]
        why = "HOME is not set, and this user has no entry in the system" if whose == "~" else "there is no such user"
        raise FileNotFoundError(f"{path}: no home folder is known for {whose} ({why}): {remedy}")
    return Path(whole)
