"""Public datasets, fetched once into one folder (Sec. 4 trains on COCO; the book's photographs are BCCD).

Taught in the chapter *Your own boxes*. Checked against a local HTTP server: wrong hash, broken
archive, an archive that wants to leave its folder, a cut connection, no network.

pooch downloads to a temporary name and renames after the hash is right, so a half-written archive never looks
like a whole one. Archives are unpacked into a temporary neighbour that is renamed when everything is in
place. What already lies in the data folder is used as it is, without network and without a new check.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pooch

from .. import transfer
from ..places import expanded
from ..settings import Message, either
from .sources import SOURCES, Archive, data_root, fetched

__all__ = [
    "SOURCES",
    "Archive",
    "DownloadError",
    "UnsafeArchiveError",
    "by_hand",
    "data_root",
    "fetch",
    "fetch_archive",
    "folder_digest",
    "is_present",
]


class DownloadError(RuntimeError):
    """A download or its unpacking failed; the text says what to do by hand."""


class UnsafeArchiveError(DownloadError):
    """An archive has a member that would be written outside the folder it is unpacked into."""


def fetch(
    name: str,
    split: str = "train",
    *,
    root: str | Path | None = None,
    download: bool = True,
    progress: bool = True,
) -> Path:
    """The folder of a dataset; what the split needs is downloaded if it is not there.

    Args:
        name: a data set of `sources.SOURCES` that is not drawn.
        split: "train", "val", "test", "train+val" or "trainval"; "all" for everything.
        root: data folder; `data_root()` by default.
        download: False raises FileNotFoundError instead of downloading.
        progress: show a progress bar.

    Raises:
        ValueError: unknown name or split.
        FileNotFoundError: the data is not there and `download` is False.
        DownloadError: no network, wrong hash, broken or unsafe archive. Nothing half-written stays behind.
    """
    if name not in fetched():
        raise ValueError(f"there is no dataset {name!r} to fetch; there are {', '.join(fetched())}.")
    source = SOURCES[name]
    if split == "all":
        parts = list(source.archives)
    else:
        parts = ["train", "val"] if split == "trainval" else split.split("+")
    for part in parts:
        if part not in source.archives:
            raise ValueError(f"{name} has no split {part!r}; it has {', '.join(source.archives)}.")
    base = expanded(root) if root is not None else data_root()
    for archive in dict.fromkeys(a for part in parts for a in source.archives[part]):
        if is_present(archive, base):
            continue
        if not download:
            how = either(f"fcos_edu.data.fetch({name!r}, {split!r})", f"fcos-edu data download {name} --split {split}")
            raise FileNotFoundError(
                Message(
                    f"{name} ({split}, {source.size}) is not in {base}. Fetch it with {how}, or put it there yourself. "
                    f"{by_hand(archive, base)}"
                )
            )
        fetch_archive(archive, base, progress=progress)
    return base / source.folder


def is_present(archive: Archive, root: Path) -> bool:
    """Whether the unpacked files lie in the data folder already."""
    target = root / archive.target
    return all((target / proof).exists() for proof in archive.proof)


def by_hand(archive: Archive, root: Path) -> str:
    """What a user without network on this machine can do."""
    inner = archive.inner.replace("*", "its only folder") or "its contents"
    return (
        f"By hand: download {archive.url} on any machine, unpack it, and put {inner} "
        f"at {root / archive.target}; or set FCOS_EDU_DATA to a folder where {archive.target} lies."
    )


def fetch_archive(archive: Archive, root: Path, *, progress: bool = True) -> Path:
    """Download, check and unpack one archive; returns the folder it became.

    The archive itself is deleted afterwards. Raises DownloadError.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        # One temporary neighbour for everything: whatever happens, one folder has to be removed.
        with transfer.scratch_in(root) as scratch:
            file = _download(archive, scratch, root, progress)
            unpacked = scratch / "unpacked"
            _unpack(file, unpacked)
            file.unlink()
            wanted = _inner_folder(unpacked, archive)
            _check_contents(wanted, archive)
            target = root / archive.target
            target.parent.mkdir(parents=True, exist_ok=True)
            _move_in(wanted, target)
    except OSError as error:
        raise DownloadError(
            f"{archive.file_name} could not be stored in {root} ({error}). "
            "Is the disk full, or may you not write there? FCOS_EDU_DATA names another folder."
        ) from error
    return target


def _download(archive: Archive, scratch: Path, root: Path, progress: bool) -> Path:
    """The archive as a file in `scratch`, with the right hash."""
    pooch.get_logger().setLevel("WARNING")  # it would tell the temporary file's name and hash

    def downloader(url: str, output: str, _: object) -> None:
        transfer.download(url, output, progress=progress)

    try:
        fetched = pooch.retrieve(
            archive.url,
            known_hash=archive.known_hash,
            fname=archive.file_name,
            path=scratch,
            downloader=downloader,
        )
    except transfer.TransferError as error:  # no network, no such host, error status, cut connection, a byte at a time
        raise DownloadError(
            f"{archive.url} could not be downloaded ({error}). The host may be away for a while: "
            f"try again later. {by_hand(archive, root)}"
        ) from error
    except ValueError as error:  # pooch's word for a wrong hash
        raise DownloadError(
            f"{archive.url} is not the file that was expected ({error}). "
            f"It may have been cut short or changed on its way: try again. {by_hand(archive, root)}"
        ) from error
    return Path(fetched)


def _unpack(file: Path, folder: Path) -> None:
    """Unpack a zip or tar archive into a new folder; one with a member that would leave it is refused."""
    folder.mkdir()
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as packed:
                for member in packed.infolist():
                    _check_member(file.name, member.filename)
                    if stat.S_ISLNK(member.external_attr >> 16):
                        raise UnsafeArchiveError(
                            f"{file.name} holds a link, {member.filename!r}; nothing was unpacked."
                        )
                packed.extractall(folder)
        else:
            with tarfile.open(file) as packed_tar:
                for entry in packed_tar.getmembers():
                    _check_member(file.name, entry.name)
                packed_tar.extractall(folder, filter="data")
    except tarfile.FilterError as error:
        raise UnsafeArchiveError(f"{file.name} holds an unsafe member ({error}).") from error
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError) as error:
        raise DownloadError(f"{file.name} is not a whole zip or tar archive ({error}). Fetch it again.") from error


def _check_member(archive_name: str, member: str) -> None:
    """Refuse absolute names and names with "..": zipfile would quietly write them elsewhere."""
    path = PurePosixPath(member.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        raise UnsafeArchiveError(
            f"{archive_name} holds {member!r}, which would be written outside its folder. Nothing was unpacked."
        )


def _inner_folder(unpacked: Path, archive: Archive) -> Path:
    """The folder that is wanted of the unpacked ones."""
    found = sorted(unpacked.glob(archive.inner)) if archive.inner else [unpacked]
    if len(found) != 1 or not found[0].is_dir():
        raise DownloadError(f"{archive.file_name} has no folder {archive.inner!r}; it is not the expected archive.")
    return found[0]


def _check_contents(folder: Path, archive: Archive) -> None:
    """Are all expected files there, and are they the right ones?"""
    for proof in archive.proof:
        if not (folder / proof).exists():
            raise DownloadError(f"{archive.file_name} lacks {proof!r}; it is not the expected archive.")
    if archive.digest is not None:
        digest = folder_digest(folder, archive.digest_folders)
        if digest != archive.digest:
            raise DownloadError(
                f"the files of {archive.file_name} have the sha256 {digest}, but {archive.digest} was "
                "expected; they have been changed."
            )


def folder_digest(folder: str | Path, parts: Sequence[str]) -> str:
    """sha256 over the files of some sub-folders: their sorted relative names, lengths and contents."""
    folder = Path(folder)
    digest = hashlib.sha256()
    files = sorted(
        (file.relative_to(folder).as_posix(), file)
        for part in parts
        for file in (folder / part).rglob("*")
        if file.is_file()
    )
    for name, file in files:
        content = file.read_bytes()
        digest.update(f"{name}\n{len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _move_in(source: Path, target: Path) -> None:
    """Rename `source` to `target`; file by file where the target exists (VOC 2007 comes in two archives).

    Split lists go last, so that `is_present` is not true before the photographs are there.
    """
    if not target.exists():
        os.replace(source, target)  # same disk, so all or nothing
        return
    files = sorted(file for file in source.rglob("*") if file.is_file())
    files.sort(key=lambda file: "ImageSets" in file.parts)  # stable: only moves the split lists to the end
    for file in files:
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, place)
