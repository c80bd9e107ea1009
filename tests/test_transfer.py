"""Files from a local server that does what servers on bad days do."""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from fcos_edu import transfer
from fcos_edu.transfer import TransferError, download, scratch_in

CONTENT = bytes(range(256)) * 40
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CONTENT)
Server = Callable[[Callable[[socket.socket], None]], str]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Starts a server that hands each connection to a function; returns its address."""
    monkeypatch.setenv("NO_PROXY", "*")
    listening = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def start(answer: Callable[[socket.socket], None]) -> str:
        def accept() -> None:
            while not over.is_set():
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    try:
                        connection.recv(4096)
                        answer(connection)
                    except OSError:  # the client has gone
                        pass

        threading.Thread(target=accept, daemon=True).start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}/a.zip"

    yield start
    over.set()
    listening.close()


def slowly(connection: socket.socket, content: bytes, size: int, pause: float) -> None:
    """In small portions, until the client has gone."""
    for place in range(0, len(content), size):
        connection.sendall(content[place : place + size])
        time.sleep(pause)


def test_a_file_comes_as_it_is(serve: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    download(serve(lambda connection: connection.sendall(HEAD + CONTENT)), tmp_path / "a", progress=True)
    assert (tmp_path / "a").read_bytes() == CONTENT and "100%" in capsys.readouterr().err


def test_a_file_without_a_length_comes_too(serve: Server, tmp_path: Path) -> None:
    download(serve(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + CONTENT)), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


@pytest.mark.parametrize("where", ["in its content", "in its headers", "nowhere"])
def test_a_server_that_sends_a_byte_at_a_time_is_given_up(
    serve: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Between two bytes there is never a pause that a library would notice."""
    monkeypatch.setattr(transfer, "WINDOW", 0.4)
    monkeypatch.setattr(transfer, "SLOWEST", 1000.0)

    def answer(connection: socket.socket) -> None:
        if where == "nowhere":
            time.sleep(2)
        if where == "in its content":
            connection.sendall(HEAD)
        slowly(connection, HEAD * 9 if where == "in its headers" else CONTENT, 1, 0.02)

    with pytest.raises(TransferError, match=r"\d+ bytes a second came, and below 1000 it is given up"):
        download(serve(answer), tmp_path / "a")


class Clock:
    """Time, and a queue in which things come at theirs: ``(seconds after the last, what)``."""

    def __init__(self, *script: tuple[float, object]) -> None:
        self.now, self.script = 0.0, list(script)

    def monotonic(self) -> float:
        return self.now

    def get(self, timeout: float) -> object:
        wait, item = self.script[0]
        if wait > timeout:
            self.now += timeout
            self.script[0] = (wait - timeout, item)
            raise queue.Empty
        self.now += wait
        del self.script[0]
        return item


LIMIT = int(transfer.WINDOW * transfer.SLOWEST)


@pytest.mark.parametrize(
    ("script", "kept"),
    [
        ([(59.0, b"x" * LIMIT), (1.0, b""), (60.0, b"x" * LIMIT), (5.0, None)], True),  # just fast enough, twice
        ([(59.0, b"x" * (LIMIT - 1)), (1.0, b""), (5.0, None)], False),  # a byte too few
        ([(0.5, b"x" * 9 * LIMIT), (59.5, b""), (61.0, None)], False),  # a good begin does not help later
        ([(30.0, b"x")] * 2, False),
        ([(1.0, b"x")] * 59 + [(0.5, None)], True),  # slow, and whole before anybody counts
        ([(1.0, b"x"), (3600.0, b"y"), (1.0, None)], False),  # nothing for an hour, and this process was awake
        ([(1000.0, b"")] * 9, False),
    ],
)
def test_the_rate_of_each_window_counts(monkeypatch: pytest.MonkeyPatch, script: list, kept: bool) -> None:
    clock = Clock(*script)
    monkeypatch.setattr(transfer, "time", clock)
    pieces = transfer._in_time(clock)  # type: ignore[arg-type]
    if kept:
        assert b"".join(pieces) == b"".join(item for _, item in script if item)
        return
    with pytest.raises(TransferError, match=r"\d+ bytes a second came, and below 2048 it is given up"):
        list(pieces)


def test_a_process_that_was_stopped_meanwhile_is_no_slow_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its clock jumps while it works on a piece; what is left comes."""
    clock = Clock((1.0, b"a"), (1.0, b"b"), (1.0, None))
    monkeypatch.setattr(transfer, "time", clock)
    came = []
    for piece in transfer._in_time(clock):  # type: ignore[arg-type]
        came.append(piece)
        clock.now += 3600
    assert came == [b"a", b"b"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (HEAD + CONTENT[:-9], "10231|10240|incomplete|IncompleteRead"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "404"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "many"),
        (b"no HTTP at all\r\n\r\n", "HTTP"),
        (b"", "[Cc]onnection|closed"),
    ],
)
def test_what_does_not_come_as_a_whole_is_an_error(serve: Server, tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(TransferError, match=told):
        download(serve(lambda connection: connection.sendall(content)), tmp_path / "a")


def test_an_address_that_is_none_is_an_error(tmp_path: Path) -> None:
    for url in ("nothing", "ftp://a/b", "http://", "http://127.0.0.1:99999/a"):
        with pytest.raises(TransferError):
            download(url, tmp_path / "a")


def test_a_place_that_cannot_be_written_is_the_systems_error(serve: Server, tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        download(serve(lambda connection: connection.sendall(HEAD + CONTENT)), tmp_path)


def test_what_killed_downloads_left_goes_and_what_is_going_on_stays(tmp_path: Path) -> None:
    for name in ("old", "busy", "young"):
        (tmp_path / f".fetch-{name}").mkdir()
        (tmp_path / f".fetch-{name}" / "half").write_bytes(b"half")
    with FileLock(tmp_path / ".fetch-busy" / ".lock"):
        for name in ("old", "busy"):
            os.utime(tmp_path / f".fetch-{name}", (0, 0))
        with scratch_in(tmp_path) as scratch:
            assert scratch.parent == tmp_path and {path.name for path in tmp_path.iterdir()} == {
                ".fetch-busy", ".fetch-young", scratch.name
            }  # fmt: skip
            (scratch / "half").write_bytes(b"half")
            os.utime(scratch, (0, 0))
            with scratch_in(tmp_path) as other:  # of another process, at the same time
                assert other != scratch and (scratch / "half").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".fetch-busy", ".fetch-young"]
