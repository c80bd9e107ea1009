"""Is a file whole, and is it what it says? Asked before anything in it is used.

Used wherever weights are read: published ones, checkpoints, the checkpoints of runs. Checked against: planted pickles,
flipped bits, headers that lie. Imports nothing of the package.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

_CHUNK = 1 << 20


class CheckpointError(ValueError):
    """A file that is no checkpoint of ours, is damaged, or does not fit the model."""


def sha256(path: str | Path) -> str:
    """The sha256 of a file as 64 hexadecimal digits; reads it piece by piece."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def hash_in_name(name: str) -> str | None:
    """The start of the sha256 that a published file carries in its name: ``0676ba61`` of ``resnet50-0676ba61.pth``."""
    found = re.search(r"-([0-9a-f]{8,64})\.", name)
    return found[1] if found else None


def check_named_hash(path: Path) -> None:
    """Refuse a file whose content is not what the hash in its name says; a name without a hash promises nothing.

    Raises:
        CheckpointError: another content, or no regular file.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} is no regular file")
    expected = hash_in_name(path.name)
    if expected is not None and not (found := sha256(path)).startswith(expected):
        raise CheckpointError(
            f"{path} is damaged or was put there by somebody: its sha256 begins with {found[: len(expected)]}, "
            f"where its name says {expected}"
        )
