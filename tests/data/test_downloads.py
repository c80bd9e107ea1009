"""Downloads against a local HTTP server: what may go wrong, and that nothing half-written stays."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import socket
import tarfile
import threading
import time
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from filelock import FileLock

from fcos_edu import transfer
from fcos_edu.data import downloads
from fcos_edu.data.downloads import (
    SOURCES,
    Archive,
    DownloadError,
    UnsafeArchiveError,
    by_hand,
    fetch,
    fetch_archive,
    folder_digest,
    is_present,
)


class Server:
    """Serves `files`; one in `cut` breaks off half-way, one in `slow` comes byte by byte. `asked` counts requests."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut: set[str] = set()
        self.slow: set[str] = set()
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.lstrip("/")
                outer.asked.append(name)
                if name not in outer.files:
                    self.send_error(404)
                    return
                content = outer.files[name]
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if name not in outer.slow:
                    self.wfile.write(content[: len(content) // 2] if name in outer.cut else content)
                    return
                with contextlib.suppress(OSError):  # the client has gone
                    for place in range(len(content)):
                        self.wfile.write(content[place : place + 1])
                        self.wfile.flush()
                        time.sleep(0.02)

            def log_message(self, *args) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")  # a proxy of the surroundings must not stand in between
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


CONTENTS = {
    "pack-1/SET/Annotations/a.xml": b"<annotation/>",
    "pack-1/SET/JPEGImages/a.jpg": b"pixels",
    "pack-1/x": b"y",
}


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def offer(server: Server, content: bytes, name: str = "set.zip") -> Archive:
    server.files[name] = content
    return Archive(
        url=f"{server.url}/{name}",
        known_hash=f"sha256:{hashlib.sha256(content).hexdigest()}",
        inner="*/SET",
        target="data/set",
        proof=("Annotations", "JPEGImages"),
    )


def left_over(root: Path) -> list[str]:
    return sorted(file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file())


@pytest.mark.parametrize(("pack", "name"), [(zipped, "set.zip"), (tarred, "set.tar")])
def test_success_leaves_the_files_and_nothing_else(server, tmp_path, pack, name: str) -> None:
    archive = offer(server, pack(CONTENTS), name)
    assert not is_present(archive, tmp_path)
    folder = fetch_archive(archive, tmp_path, progress=False)
    assert folder == tmp_path / "data" / "set" and is_present(archive, tmp_path)
    assert left_over(tmp_path) == ["data/set/Annotations/a.xml", "data/set/JPEGImages/a.jpg"]
    assert (folder / "JPEGImages" / "a.jpg").read_bytes() == b"pixels"


def test_progress_bar_tells_of_the_download(server, tmp_path, capfd) -> None:
    fetch_archive(offer(server, zipped(CONTENTS)), tmp_path, progress=True)
    assert "100%" in capfd.readouterr().err


def test_wrong_hash(server, tmp_path) -> None:
    archive = replace(offer(server, zipped(CONTENTS)), known_hash="sha256:" + "0" * 64)
    with pytest.raises(DownloadError, match=r"set\.zip is not the file that was expected.*By hand"):
        fetch_archive(archive, tmp_path, progress=False)
    assert left_over(tmp_path) == [] and not is_present(archive, tmp_path)


@pytest.mark.parametrize("name", ["set.zip", "set.tar"])
def test_broken_archive(server, tmp_path, name: str) -> None:
    whole = zipped(CONTENTS) if name == "set.zip" else tarred(CONTENTS)
    for content in (whole[:200] if name == "set.zip" else whole[:1600], b"<html>not found</html>", b""):
        with pytest.raises(DownloadError, match="not a whole zip or tar|could not be downloaded"):
            fetch_archive(offer(server, content, name), tmp_path, progress=False)
        assert left_over(tmp_path) == []


def test_damaged_bytes_inside_a_zip(server, tmp_path) -> None:
    content = bytearray(zipped({"pack-1/SET/Annotations/a.xml": bytes(range(256)) * 40}))
    content[80:90] = b"0123456789"
    with pytest.raises(DownloadError, match="not a whole"):
        fetch_archive(offer(server, bytes(content)), tmp_path, progress=False)
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("evil", ["../evil.txt", "pack-1/../../evil.txt", "/evil.txt", "..\\evil.txt", "C:\\evil.txt"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_member_that_wants_to_leave_its_folder(server, tmp_path, pack, evil: str) -> None:
    root = tmp_path / "root"
    with pytest.raises(UnsafeArchiveError, match="outside its folder"):
        fetch_archive(offer(server, pack({**CONTENTS, evil: b"gotcha"})), root, progress=False)
    assert left_over(tmp_path) == []


def test_link_that_leads_out(server, tmp_path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        link = tarfile.TarInfo("pack-1/SET/Annotations")
        link.type, link.linkname = tarfile.SYMTYPE, "../../../.."
        packed.addfile(link)
    with pytest.raises(UnsafeArchiveError):
        fetch_archive(offer(server, buffer.getvalue(), "set.tar"), tmp_path / "root", progress=False)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed_zip:
        entry = zipfile.ZipInfo("pack-1/SET/Annotations")
        entry.external_attr = 0o120777 << 16
        packed_zip.writestr(entry, "../../..")
    with pytest.raises(UnsafeArchiveError, match="link"):
        fetch_archive(offer(server, buffer.getvalue()), tmp_path / "root", progress=False)
    assert left_over(tmp_path) == []


def test_cut_connection_leaves_nothing(server, tmp_path) -> None:
    archive = offer(
        server,
        zipped({**CONTENTS, "pack-1/big": b"".join(hashlib.sha256(bytes([i])).digest() for i in range(99))}),
    )
    server.cut.add("set.zip")
    with pytest.raises(DownloadError):
        fetch_archive(archive, tmp_path, progress=False)
    assert left_over(tmp_path) == [] and not is_present(archive, tmp_path)
    server.cut.clear()  # the next attempt works
    assert is_present(archive, fetch_archive(archive, tmp_path, progress=False).parents[1])


def test_a_server_that_sends_a_byte_at_a_time_is_given_up(server, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(transfer, "WINDOW", 0.2)
    monkeypatch.setattr(transfer, "SLOWEST", 500.0)
    archive = offer(server, zipped(CONTENTS))
    server.slow.add("set.zip")
    with pytest.raises(DownloadError, match=r"could not be downloaded \(\d+ bytes a second came.*By hand: download"):
        fetch_archive(archive, tmp_path, progress=False)
    assert left_over(tmp_path) == [] and not is_present(archive, tmp_path)
    server.slow.clear()
    monkeypatch.undo()
    monkeypatch.setenv("NO_PROXY", "*")
    fetch_archive(archive, tmp_path, progress=False)


@pytest.mark.parametrize("step", ["_unpack", "_move_in", "_check_contents"])
def test_interruption_leaves_nothing(server, tmp_path, monkeypatch, step: str) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    archive = offer(server, zipped(CONTENTS))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(downloads, step, interrupt)
        fetch_archive(archive, tmp_path, progress=False)
    assert left_over(tmp_path) == []


def test_what_a_killed_download_left_goes_with_the_next_and_what_is_going_on_stays(server, tmp_path) -> None:
    old, busy, young = (tmp_path / f".fetch-{name}" for name in ("old", "busy", "young"))
    for folder in (old, busy, young):
        folder.mkdir()
        (folder / "set.zip").write_bytes(b"half")
        if folder != young:
            os.utime(folder, (0, 0))
    held = FileLock(busy / ".lock")
    with held:
        os.utime(busy, (0, 0))
        fetch_archive(offer(server, zipped(CONTENTS)), tmp_path, progress=False)
    assert not old.exists() and (busy / "set.zip").exists() and (young / "set.zip").exists()
    assert sorted(file.name for file in tmp_path.iterdir()) == [".fetch-busy", ".fetch-young", "data"]


def test_no_network(tmp_path) -> None:
    with socket.socket() as probe:  # a port where nobody listens
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    archive = Archive(f"http://127.0.0.1:{port}/set.zip", None, "*/SET", "data/set", ("Annotations",))
    with pytest.raises(DownloadError, match=rf"try again later.*By hand: download {archive.url}") as caught:
        fetch_archive(archive, tmp_path, progress=False)
    assert str(tmp_path / "data" / "set") in str(caught.value) and "FCOS_EDU_DATA" in str(caught.value)
    assert left_over(tmp_path) == []


def test_missing_page(server, tmp_path) -> None:
    archive = offer(server, zipped(CONTENTS))
    server.files.clear()
    with pytest.raises(DownloadError, match="404"):
        fetch_archive(archive, tmp_path, progress=False)


def test_digest_guards_files_where_the_archive_may_change(server, tmp_path) -> None:
    first = replace(offer(server, zipped(CONTENTS)), known_hash=None, digest_folders=("Annotations", "JPEGImages"))
    folder = fetch_archive(first, tmp_path / "1", progress=False)
    digest = folder_digest(folder, first.digest_folders)
    # The same files packed otherwise pass; one changed byte does not.
    server.files["set.zip"] = zipped(dict(reversed(CONTENTS.items())))
    fetch_archive(replace(first, digest=digest), tmp_path / "2", progress=False)
    server.files["set.zip"] = zipped({**CONTENTS, "pack-1/SET/JPEGImages/a.jpg": b"pixel5"})
    with pytest.raises(DownloadError, match=f"{digest} was expected"):
        fetch_archive(replace(first, digest=digest), tmp_path / "3", progress=False)
    assert left_over(tmp_path / "3") == []


def test_digest_sees_names_and_borders_of_files(tmp_path) -> None:
    def digest(files: dict[str, bytes]) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, content in files.items():
            (folder / "p" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "p" / name).write_bytes(content)
        return folder_digest(folder, ("p",))

    assert digest({"a": b"1", "b": b"2"}) == digest({"b": b"2", "a": b"1"})
    assert len({digest(f) for f in ({"a": b"1", "b": b"2"}, {"a": b"12", "b": b""}, {"a": b"1", "c": b"2"})}) == 3


def test_unexpected_contents(server, tmp_path) -> None:
    with pytest.raises(DownloadError, match="has no folder '\\*/SET'"):
        fetch_archive(offer(server, zipped({"pack-1/OTHER/a": b""})), tmp_path, progress=False)
    with pytest.raises(DownloadError, match="lacks 'JPEGImages'"):
        fetch_archive(offer(server, zipped({"pack-1/SET/Annotations/a": b""})), tmp_path, progress=False)
    assert left_over(tmp_path) == []


def test_two_archives_join_in_one_folder(server, tmp_path) -> None:
    base = offer(server, zipped(CONTENTS))
    more = replace(
        offer(server, zipped({"p/SET/JPEGImages/b.jpg": b"", "p/SET/ImageSets/Main/test.txt": b"b"}), "test.zip"),
        proof=("JPEGImages", "ImageSets/Main/test.txt"),
    )
    fetch_archive(base, tmp_path, progress=False)
    assert not is_present(more, tmp_path)
    fetch_archive(more, tmp_path, progress=False)
    assert is_present(base, tmp_path) and is_present(more, tmp_path)
    assert [name.rsplit("/", 1)[1] for name in left_over(tmp_path)] == ["a.xml", "test.txt", "a.jpg", "b.jpg"]


def test_a_full_disk_is_told(server, tmp_path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads, "_unpack", full)
    with pytest.raises(DownloadError, match=r"No space left.*Is the disk full"):
        fetch_archive(offer(server, zipped(CONTENTS)), tmp_path, progress=False)
    assert left_over(tmp_path) == []


def test_fetch_takes_what_is_there_and_fetches_what_is_not(server, tmp_path, monkeypatch) -> None:
    archive = offer(server, zipped(CONTENTS))
    source = replace(SOURCES["bccd"], folder="data/set", archives={"train": (archive,), "val": (archive,)})
    monkeypatch.setitem(SOURCES, "bccd", source)
    with pytest.raises(FileNotFoundError, match=r"fcos_edu\.data\.fetch\('bccd', 'train'\)"):
        fetch("bccd", "train", root=tmp_path, download=False)
    assert server.asked == []
    for split in ("train", "train+val", "trainval", "all"):
        assert fetch("bccd", split, root=tmp_path, progress=False) == tmp_path / "data" / "set"
    assert server.asked == ["set.zip"]
    server.files.clear()
    assert fetch("bccd", "val", root=tmp_path, download=False).is_dir()


def test_unknown_names_and_splits() -> None:
    with pytest.raises(ValueError, match="no dataset 'imagenet' to fetch; there are bccd"):
        fetch("imagenet")
    with pytest.raises(ValueError, match="voc2012 has no split 'test'; it has train, val"):
        fetch("voc2012", "test")


def test_every_source_is_guarded() -> None:
    for source in SOURCES.values():
        for archives in source.archives.values():
            for archive in archives:
                assert (archive.known_hash or "").startswith(("md5:", "sha256:")) or len(archive.digest or "") == 64
                assert archive.target.startswith(source.folder)
                assert archive.url in by_hand(archive, Path("here"))
