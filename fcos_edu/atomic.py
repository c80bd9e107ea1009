"""Files that are there as a whole or not at all.

Used wherever the package writes: checkpoints, records, results of commands. Checked against: writers that fail
half-way. Imports nothing of the package.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def atomic_write(path: str | Path, write: Callable[[Path], Any]) -> None:
    """Call ``write`` with a temporary path beside ``path``, flush it to disk, and rename it to ``path``.

    Where ``write`` fails (a full disk, an interruption), the temporary file goes and ``path`` stays as it was.

    Raises:
        OSError: as the system says, with ``path`` named.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(
            error.errno, f"cannot write {path}: {error.strerror or error}. What was there is unchanged"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | Path, values: Any, *, indent: int | None = 1) -> None:
    """Write ``values`` as JSON and a last newline; see :func:`atomic_write`."""
    text = json.dumps(values, indent=indent) + "\n"
    atomic_write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
