"""Whole or not at all: what is written, into what, and with which error."""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from fcos_edu.atomic import atomic_write, write_json

posix = pytest.mark.skipif(os.name != "posix", reason="devices, pipes, modes and links of POSIX systems")


def put(path: str | Path, text: str = "new") -> None:
    atomic_write(path, lambda temporary: temporary.write_text(text))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def alone(path: Path) -> bool:
    return [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    put(tmp_path / "a" / "b" / "x.txt")
    assert (tmp_path / "a" / "b" / "x.txt").read_text() == "new" and alone(tmp_path / "a" / "b" / "x.txt")
    write_json(str(tmp_path / "x.json"), {"a": [1]}, indent=None)
    assert (tmp_path / "x.json").read_text() == '{"a": [1]}\n'


def test_while_it_is_written_the_old_one_is_there(tmp_path: Path) -> None:
    path = tmp_path / "x"
    put(path, "old")

    def write(temporary: Path) -> None:
        assert temporary.parent == tmp_path and temporary != path  # the same disk, so that renaming is one step
        temporary.write_text("half")
        assert path.read_text() == "old"
        temporary.write_text("whole")

    atomic_write(path, write)
    assert path.read_text() == "whole" and alone(path)


@pytest.mark.parametrize("length", [1, 60, 200, 255])
def test_a_name_of_any_length(tmp_path: Path, length: int) -> None:
    put(tmp_path / ("x" * length))
    assert alone(tmp_path / ("x" * length))


@posix
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002, 0o000])
def test_a_new_file_has_the_mode_of_new_files(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        put(tmp_path / "x")
    finally:
        os.umask(before)
    assert mode(tmp_path / "x") == 0o666 & ~umask


@posix
@pytest.mark.parametrize("kept", [0o600, 0o640, 0o664, 0o755])
def test_a_file_keeps_its_mode(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "x"
    path.touch()
    path.chmod(kept)
    put(path)
    assert mode(path) == kept and path.read_text() == "new"


# ------------------------------------------------------------------ links
@posix
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("relative", [True, False])
def test_a_link_is_followed(tmp_path: Path, there: bool, relative: bool) -> None:
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "target", tmp_path / "link"
    if there:
        target.write_text("old")
    link.symlink_to("far/target" if relative else target)
    put(link)
    assert link.is_symlink() and not target.is_symlink()
    assert target.read_text() == "new" and alone(target)


@posix
def test_a_loop_of_links_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match=f"cannot write {tmp_path / 'a'}: Too many levels of symbolic links") as error:
        put(tmp_path / "a")
    assert error.value.errno == errno.ELOOP and (tmp_path / "a").is_symlink()


# ------------------------------------------------------------------ what is no regular file
def node(path: Path, minor: int) -> Path:
    """A device like /dev/null (1, 3), /dev/full (1, 7): a copy, so that nothing of the machine's is at risk."""
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
        open(path, "wb").close()
    except OSError:
        pytest.skip("only root may make devices here")
    return path


@posix
def test_a_device_is_written_into(tmp_path: Path) -> None:
    null = node(tmp_path / "null", 3)
    put(null)
    assert stat.S_ISCHR(null.stat().st_mode) and alone(null)


@posix
def test_a_device_without_space_says_so(tmp_path: Path) -> None:
    full = node(tmp_path / "full", 7)
    with pytest.raises(OSError, match="cannot write .*/full: No space left on device$") as error:
        put(full)
    assert error.value.errno == errno.ENOSPC and stat.S_ISCHR(full.stat().st_mode)


@posix
def test_the_machines_own_null_is_written_into() -> None:
    if os.geteuid() == 0:
        pytest.skip("as root, a fault would take /dev/null away from the machine; the copies above stand for it")
    put(os.devnull)


@posix
def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = "x" * 10**6  # more than a pipe holds
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # there is a reader before there is a writer
    os.set_blocking(opened, True)
    got = bytearray()

    def read() -> None:
        while len(got) < len(content):  # before the writer comes, the pipe is at its end
            piece = os.read(opened, 1 << 16)
            got.extend(piece)
            time.sleep(0 if piece else 0.01)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    put(path, content)
    reader.join(60)
    os.close(opened)
    assert got.decode() == content and stat.S_ISFIFO(path.stat().st_mode) and alone(path)


@posix
def test_a_pipe_without_a_reader_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="pipe: it is a pipe that nobody reads from$"):
        put(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


STDOUT = """
from fcos_edu.atomic import write_json
print("before", flush=True)
write_json("/dev/stdout", [1, 2], indent=None)
print("after", flush=True)
"""


@posix
@pytest.mark.parametrize("to", ["pipe", "file"])
def test_standard_output_is_written_into(tmp_path: Path, to: str) -> None:
    path = tmp_path / "told"
    with open(path, "ab") as file:
        out: Any = subprocess.PIPE if to == "pipe" else file
        done = subprocess.run([sys.executable, "-c", STDOUT], stdout=out, check=True)
    told = done.stdout.decode() if to == "pipe" else path.read_text()
    assert told == "before\n[1, 2]\nafter\n" and alone(path)


@posix
def test_a_folder_and_a_socket_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(IsADirectoryError, match=f"cannot write {tmp_path}: it is a folder"):
        put(tmp_path)
    with socket.socket(socket.AF_UNIX) as opened:
        monkeypatch.chdir(tmp_path)  # a socket's whole path may have 107 bytes
        opened.bind("s")
        with pytest.raises(OSError, match="cannot write s: it is no regular file"):
            put("s")
    assert stat.S_ISSOCK((tmp_path / "s").stat().st_mode)


# ------------------------------------------------------------------ errors
def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(OSError, match="cannot write .*file/x: "):
        put(tmp_path / "file" / "x")
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize("name", ["open", "access", "replace"])
def test_a_forbidden_write_names_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = tmp_path / "x.json"
    path.write_text("old")

    def refuse(where: Any, *_: Any, **__: Any) -> Any:
        if name == "access":
            return False
        raise PermissionError(errno.EACCES, "Permission denied", str(where))

    with monkeypatch.context() as patch:
        patch.setattr(os, name, refuse)
        with pytest.raises(PermissionError) as error:
            put(path)
    assert str(error.value) == f"[Errno 13] cannot write {path}: Permission denied. What was there is unchanged"
    assert path.read_text() == "old" and alone(path)


@posix
def test_a_file_that_may_not_be_written_is_not_replaced(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everything")
    path = tmp_path / "x"
    path.write_text("old")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match="x: Permission denied"):
        put(path)
    assert path.read_text() == "old"


@pytest.mark.parametrize("by", ["its path", "an open file"])
def test_a_disk_that_fills_while_torch_saves_is_the_systems_error(tmp_path: Path, by: str) -> None:
    """Torch says "unexpected pos 704 vs 598"."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "x.pt"
    path.write_bytes(b"old")
    state = {"x": torch.zeros(500_000)}

    def write(temporary: Path) -> None:
        if by == "its path":
            torch.save(state, temporary)
        else:
            with open(temporary, "wb") as file:
                torch.save(state, file)

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, hard))
    try:
        with pytest.raises((OSError, RuntimeError)) as error:
            atomic_write(path, write)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old" and alone(path)
    if by == "an open file":  # by its path torch itself never learns it
        assert isinstance(error.value, OSError) and error.value.errno == errno.EFBIG
        assert "x.pt: File too large. What was there is unchanged" in str(error.value)


def test_other_errors_pass(tmp_path: Path) -> None:
    def wrong(temporary: Path) -> None:
        temporary.write_text("half")
        raise RuntimeError("of the program")

    with pytest.raises(RuntimeError, match="^of the program$"):
        atomic_write(tmp_path / "x", wrong)
    with pytest.raises(TypeError):
        write_json(tmp_path / "x", {"a": object()})
    assert list(tmp_path.iterdir()) == []


def test_json_is_what_was_given(tmp_path: Path) -> None:
    values = {"a": [1, 2.5, None, "é"], "b": {"c": True}}
    write_json(tmp_path / "x.json", values)
    assert json.loads((tmp_path / "x.json").read_text("utf-8")) == values


def test_it_is_on_the_disk_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order, sync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (order.append("flush"), sync(number))[1])
    monkeypatch.setattr(os, "replace", lambda *paths: (order.append("rename"), replace(*paths))[1])
    put(tmp_path / "x")
    assert order == ["flush", "rename"]
