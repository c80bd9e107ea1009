"""Whose file is it? What a command wrote before, it may write again; what anybody else made stays as it is.

Used wherever a command fills a folder that the user names: pictures of detections, exported data. Checked against: the
user's own files of the same names, files of ours that the user changed, links, lists that were cut off.

A list in the folder (``.fcos-edu.jsonl``) has the name and the sha256 of each file that was written there. A file that
is listed and has not changed since may be replaced by a second run; every other one is the user's. A line comes before
its file, so that a killed process leaves no file of ours that the next run takes for the user's.

Of a single file that the user names (``--out``, ``--record``, ``--figure``), the content tells whose it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import zlib
from pathlib import Path

from .atomic import atomic_write, named_error
from .text import read_bytes

LIST = ".fcos-edu.jsonl"
_MARK = b"Software\0fcos-edu"  # of a PNG, as the format has it for the program that made it
_PNG = b"\x89PNG\r\n\x1a\n"
# What the JSON files of commands have, each at least: records, evaluate, data check.
_KEYS = ({"what", "command", "metrics"}, {"AP", "AP50", "AP75"}, {"splits", "duplicates", "advice"})


def with_mark(png: bytes) -> bytes:
    """A PNG file that tells which program made it, so that the next run may replace it."""
    end = len(_PNG) + 25  # of its header
    part = b"tEXt" + _MARK
    return png[:end] + len(_MARK).to_bytes(4, "big") + part + zlib.crc32(part).to_bytes(4, "big") + png[end:]


def looks_ours(path: str | Path) -> bool:
    """Whether a file that a user names for a command's output holds nothing, or what such a command writes."""
    with open(path, "rb") as file:
        start = file.read(65_536)
        if not start.strip():
            return True
        if start.startswith(_PNG):
            return _MARK in start
        if start[8:9] == b"{":  # safetensors, behind the length of its header
            return b'"format":"fcos-edu"' in start
        if not start.lstrip().startswith(b"{"):
            return False
        text = start + file.read()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and any(keys <= found.keys() for keys in _KEYS)


class OwnFiles:
    """The files that this package has written into a folder.

    Args:
        folder: need not be there yet; nothing is made before something is written.

    Raises:
        FileExistsError: it has a file of the list's name that is no such list.
        NotADirectoryError: it is a file.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if os.path.lexists(self.folder) and not self.folder.is_dir():
            raise NotADirectoryError(f"{self.folder} is there and is no folder")
        self.digests: dict[str, set[str]] = {}  # of a name: of all that we wrote there
        path = self.folder / LIST
        text = read_bytes(path) if path.exists() else b""
        self._whole = text.rfind(b"\n") + 1  # what follows is of a process that was killed while it wrote
        for line in text[: self._whole].splitlines():
            try:
                entry = json.loads(line)
                self.digests.setdefault(entry["name"], set()).add(entry["sha256"])
            except (ValueError, KeyError, TypeError) as error:
                raise FileExistsError(
                    f"{path} is no list of files that fcos-edu wrote; choose another folder"
                ) from error

    def may_write(self, name: str) -> bool:
        """Whether nothing of the user's would be lost: there is no such file, or it is ours as we left it."""
        path = self.folder / name
        if not os.path.lexists(path):
            return True
        known = self.digests.get(name)
        if not known or not path.is_file():
            return False
        return _digest(path) in known

    def check(self, *names: str) -> None:
        """Refuse to write files of these names, before the first is written.

        Raises:
            FileExistsError: one is there that is the user's; the first is named.
        """
        theirs = [name for name in names if not self.may_write(name)]
        if theirs:
            more = f" (and {len(theirs) - 1} more)" if len(theirs) > 1 else ""
            raise FileExistsError(
                f"{self.folder / theirs[0]}{more} is there, and not as fcos-edu wrote it: it is not replaced. Choose "
                "another folder, or move it away"
            )

    def write(self, name: str, data: bytes) -> Path:
        """Write a file of the folder, whole or not at all; returns its path.

        Args:
            name: inside the folder, with ``/`` for sub-folders.
            data: what is in it.

        Raises:
            FileExistsError: as :meth:`check`.
            OSError: as :func:`~fcos_edu.atomic.atomic_write`.
        """
        self.check(name)
        self._note(name, hashlib.sha256(data).hexdigest())
        path = self.folder / name
        atomic_write(path, lambda temporary: temporary.write_bytes(data))
        return path

    def beside(self, name: str) -> Path:
        """A path for a file that grows for a long time, to be given to :meth:`place`; its folder is there."""
        target = self.folder / name
        with named_error(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        return target.parent / f".{target.name[:60]}.{secrets.token_hex(4)}.part"

    def place(self, name: str, made: Path) -> Path:
        """Give a finished file its name; see :meth:`write` for the name, what is returned and what is raised.

        Args:
            name: inside the folder.
            made: the file, at a path of :meth:`beside`. It is gone afterwards.
        """
        self.check(name)
        self._note(name, _digest(made))
        path = self.folder / name
        atomic_write(path, lambda temporary: os.replace(made, temporary))
        return path

    def _note(self, name: str, digest: str) -> None:
        """The line of the list that comes before its file."""
        if digest not in self.digests.get(name, ()):
            line = json.dumps({"name": name, "sha256": digest}).encode() + b"\n"
            with named_error(self.folder / name):
                self.folder.mkdir(parents=True, exist_ok=True)
                with open(self.folder / LIST, "ab") as file:
                    file.truncate(self._whole)
                    file.write(line)
            self._whole += len(line)
            self.digests.setdefault(name, set()).add(digest)


def _digest(path: Path) -> str:
    """sha256 of a file, which may be larger than the memory."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            found.update(part)
    return found.hexdigest()
