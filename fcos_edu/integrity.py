"""Is a file whole, and is it what it says? Asked before anything in it is used.

Used wherever weights are read: published ones, checkpoints, the checkpoints of runs. Checked against: planted pickles,
flipped bits, headers that lie, random bytes. Imports nothing of the package.

A disk, a memory and a cable change a bit now and then, and neither safetensors nor torch would notice. So what we write
carries the sha256 of itself: in the header of a safetensors file, in the comment of the zip archive that torch writes.
That finds damage. It proves nothing about who wrote the file: whoever changes it on purpose can write a new digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.torch import save as to_bytes
from torch import Tensor

MAX_HEADER = 8 << 20  # bytes; the header of a ResNet-101 with a thousand class names has 0.1 MB
_CHUNK = 1 << 20
_ZEROS = b"0" * 64
_DIGEST = re.compile(rb'"sha256"\s*:\s*"([0-9a-f]{64})"')
_END_OF_ZIP, _MARK = b"PK\x05\x06", b"sha256:"


class CheckpointError(ValueError):
    """A file that is no checkpoint of ours, is damaged, or does not fit the model."""


# ------------------------------------------------------------------ hashes
def sha256(path: str | Path) -> str:
    """The sha256 of a file as 64 hexadecimal digits; reads it piece by piece."""
    return _sha256(Path(path), b"")


def _sha256(path: Path, head: bytes, *, leave: int = 0) -> str:
    """The sha256 of ``head`` and what follows it in the file, without its last ``leave`` bytes."""
    digest = hashlib.sha256(head)
    left = path.stat().st_size - len(head) - leave
    with open(path, "rb") as file:
        file.seek(len(head))
        while left > 0 and (piece := file.read(min(_CHUNK, left))):
            digest.update(piece)
            left -= len(piece)
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


# ------------------------------------------------------------------ JSON
def strict_json(text: str | bytes) -> Any:
    """JSON that says one thing only.

    Raises:
        ValueError: no JSON; a key twice in one object (readers differ in which one they take); nested too deeply; a
            number of thousands of digits; text that is no Unicode. (``json.JSONDecodeError`` is one.)
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"the key {twice[:50]!r} stands there twice")
        return made

    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        values = json.loads(text, object_pairs_hook=once)
        if re.search(r"\\u[dD][89a-fA-F]", text):  # half of a pair, which nothing could print
            json.dumps(values, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeError as error:
        raise ValueError(f"it is no Unicode text ({error.reason})") from None  # type: ignore[attr-defined]
    return values


# ------------------------------------------------------------------ safetensors
class Header(NamedTuple):
    """What the header of a safetensors file says; whether its numbers are there is for safetensors to check."""

    metadata: dict[str, str]
    types: dict[str, str]  # of each tensor: F32, F16, I64, ...
    shapes: dict[str, tuple[int, ...]]


def sealed(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file with the sha256 of itself in its metadata, taken with zeros in the digest's own place."""
    data = to_bytes(dict(tensors), metadata={**metadata, "sha256": _ZEROS.decode()})
    length = int.from_bytes(data[:8], "little")
    found = _DIGEST.search(data, 8, 8 + length)
    assert found is not None
    return b"".join((data[: found.start(1)], hashlib.sha256(data).hexdigest().encode(), data[found.end(1) :]))


def read_header(path: Path) -> Header:
    """The header of a safetensors file, read without trust; and where it has a digest, the whole file is held to it.

    Raises:
        ValueError: what is wrong with it, without the file's name.
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > size - 8:
            raise ValueError(f"the length of its header should be {length}, that of the file is {size}")
        if length > MAX_HEADER:
            raise ValueError(f"its header has {length} bytes; more than {MAX_HEADER} are not read")
        raw = file.read(length)
    values = strict_json(raw)
    if not isinstance(values, dict):
        raise ValueError(f"its header is a {type(values).__name__}, not an object")
    metadata = values.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its metadata are no texts")
    types, shapes = {}, {}
    for name, entry in values.items():
        kind, shape = (entry.get("dtype"), entry.get("shape")) if isinstance(entry, dict) else (None, None)
        if (
            not isinstance(kind, str)
            or not isinstance(shape, list)
            or not all(type(n) is int and n >= 0 for n in shape)
        ):
            raise ValueError(f"the entry of {name[:100]!r} has no dtype and shape")
        types[name], shapes[name] = kind, tuple(shape)
    _check_digest(path, start + raw, metadata)
    return Header(metadata, types, shapes)


def _check_digest(path: Path, head: bytes, metadata: Mapping[str, str]) -> None:
    if "sha256" not in metadata:  # written by another program, or before there were digests
        if any(re.fullmatch("[0-9a-f]{64}", value) for value in metadata.values()):
            raise ValueError("it is damaged: the name of its digest is not sha256")
        return
    found = _DIGEST.search(head)
    if found is not None and found[1].decode() == metadata["sha256"]:
        blank = head[: found.start(1)] + _ZEROS + head[found.end(1) :]
        if _sha256(path, blank) == metadata["sha256"]:
            return
    raise ValueError("it is damaged: its content is not that of its digest")


# ------------------------------------------------------------------ torch's zip archives
def seal(path: Path) -> None:
    """Write the sha256 of a file that ``torch.save`` made to its end, as the archive's comment.

    Every reader of zip archives, torch too, passes over a comment. The archive's own checksums are of its content
    alone, and torch does not compare them.

    Raises:
        ValueError: no zip archive, or one that has a comment already.
    """
    with open(path, "rb+") as file:
        file.seek(-22, os.SEEK_END)
        end = file.read(22)
        if end[:4] != _END_OF_ZIP or end[20:] != b"\0\0":
            raise ValueError(f"{path} does not end as a zip archive without a comment")
        file.seek(-2, os.SEEK_END)
        file.write((len(_MARK) + 64).to_bytes(2, "little") + _MARK)
    digest = sha256(path)
    with open(path, "ab") as file:
        file.write(digest.encode())


def check_seal(path: Path) -> None:
    """Hold a file of ``torch.save`` to the digest that :func:`seal` wrote; one without it to the archive's checksums.

    Raises:
        CheckpointError: damaged or cut off.
        OSError: the file cannot be read, which says nothing about damage.
    """
    tail = 22 + len(_MARK) + 64
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - tail))
        end = file.read(tail)
    if end[22:].startswith(_MARK):
        if _sha256(path, b"", leave=64) != end[-64:].decode("latin-1"):
            raise CheckpointError(f"{path} is damaged: its content is not that of its digest")
        return
    if end[-22:][:4] != _END_OF_ZIP or end[-2:] != b"\0\0":
        raise CheckpointError(f"{path} is damaged or cut off: its end is not that of a zip archive")
    try:
        with zipfile.ZipFile(path) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise zipfile.BadZipFile("it is compressed, and torch compresses nothing")
            damaged = archive.testzip()
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, LookupError) as error:
        raise CheckpointError(f"{path} is damaged ({error})") from error
    if damaged is not None:
        raise CheckpointError(f"{path} is damaged: the checksum of {damaged[:100]!r} in it is another")
