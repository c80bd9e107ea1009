"""One file from the network, or an error after a time that has a bound.

Used wherever something is downloaded: data sets, published weights. Checked against: a local server that is silent,
sends a byte at a time, begins with its headers letter by letter, cuts off, or answers with an error.

Libraries bound the time between two bytes. A server that sends one a minute keeps to that, and an archive takes years.
So there is a lowest rate beside it. A thread receives: nothing that it waits for holds up the one who counts.

What is not whole yet lies in a folder of its own; of a process that was killed, the next one removes it.
"""

from __future__ import annotations

import contextlib
import queue
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .progress import bar
from .text import counted

WINDOW = 60.0  # seconds: how long nothing at all may come, and over which the rate is an average
SLOWEST = 2048.0  # bytes a second; a modem had twice as many
_SCRATCH, _LOCK = ".fetch-", ".lock"  # a folder for what is not whole yet, and what says that somebody is at it


class TransferError(RuntimeError):
    """A file did not come: no network, no such file, cut off, too slow; the text says which."""


@contextlib.contextmanager
def scratch_in(folder: Path) -> Iterator[Path]:
    """A folder for what is not whole yet, which is gone after the block; what killed processes left goes too.

    Args:
        folder: that it lies in, so that a file can be renamed to its place there.

    Raises:
        OSError: it cannot be made.
    """
    _remove_leftovers(folder)
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=folder) as scratch, contextlib.ExitStack() as held:
        with contextlib.suppress(OSError, NotImplementedError):  # a file system without locks
            held.enter_context(FileLock(Path(scratch) / _LOCK))
        yield Path(scratch)


def _remove_leftovers(folder: Path) -> None:
    """Delete what downloads left that were killed: gigabytes, perhaps.

    One that is going on holds a lock, which the system lets go with its process. A new one may not hold it yet, so
    the last minute's stay.
    """
    for left in folder.glob(f"{_SCRATCH}*"):
        with contextlib.suppress(OSError, Timeout):
            if time.time() - left.stat().st_mtime > 60:
                with FileLock(left / _LOCK, timeout=0):
                    shutil.rmtree(left)


def download(url: str, path: str | Path, *, progress: bool = False) -> None:
    """Fetch a file by http or https; the environment's proxies are used.

    Args:
        url: its address.
        path: where it is written, piece by piece: a place for what is not whole yet.
        progress: show a bar.

    Raises:
        TransferError: it did not come, or not as a whole, or on an average of ``WINDOW`` seconds with fewer than
            ``SLOWEST`` bytes a second.
        OSError: it cannot be written.
    """
    import requests  # here, and not in the thread: it would take from the first window

    pieces: queue.Queue[Any] = queue.Queue(maxsize=64)
    gone = threading.Event()
    threading.Thread(target=_receive, args=(requests.get, url, pieces, gone), daemon=True).start()
    try:
        with open(path, "wb") as file, bar(unit="B", unit_scale=True, disable=not progress) as shown:
            for piece in _in_time(pieces):
                if isinstance(piece, int):
                    shown.reset(total=piece or None)
                    continue
                file.write(piece)
                shown.update(len(piece))
    finally:
        gone.set()


def _receive(get: Any, url: str, pieces: queue.Queue[Any], gone: threading.Event) -> None:
    """Put into the queue how many bytes will come (0: nobody knows), the bytes, and None or an error as the end."""

    def give(item: Any) -> None:
        while not gone.is_set():
            try:
                pieces.put(item, timeout=0.5)
                return
            except queue.Full:
                continue

    try:
        size = int(max(1, min(1 << 16, WINDOW * SLOWEST / 8)))  # a piece is whole before it counts
        with get(url, stream=True, timeout=(WINDOW / 2, WINDOW)) as response:
            response.raise_for_status()
            packed = "content-encoding" in response.headers  # then the length is that of the packed bytes
            total = 0 if packed else int(response.headers.get("content-length", 0))
            give(total)
            came = 0
            for piece in response.iter_content(size):
                give(piece)
                came += len(piece)
                if gone.is_set():
                    return
        if came < total:
            raise TransferError(f"cut off after {came} of {counted(total, 'bytes')}")
        give(None)
    except Exception as error:  # of requests, of urllib3 below it, of a header that is no number
        give(error)


def _in_time(pieces: queue.Queue[Any]) -> Iterator[Any]:
    """What comes out of the queue, as long as there is enough of it in each window of time."""
    started, came = time.monotonic(), 0
    while True:
        try:
            item = pieces.get(timeout=max(0.0, started + WINDOW - time.monotonic()))
        except queue.Empty:
            item = b""
        if item is None:
            return
        if isinstance(item, TransferError):
            raise item
        if isinstance(item, Exception):
            raise TransferError(str(item) or type(item).__name__) from item
        if isinstance(item, bytes):
            came += len(item)
        yield item
        passed = time.monotonic() - started
        if passed < WINDOW:
            continue
        if came < WINDOW * SLOWEST and passed < 2 * WINDOW:  # after more this process was stopped, or its machine
            raise TransferError(
                f"{counted(f'{came / passed:.0f}', 'bytes')} a second came, and below {SLOWEST:.0f} it is given up"
            )
        started, came = time.monotonic(), 0
