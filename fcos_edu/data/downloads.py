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
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import platformdirs
import pooch
import requests
from torchvision.datasets.voc import DATASET_YEAR_DICT

BCCD_COMMIT = "d272fb14cdff6e473fafeeeba32aba5f560e9e43"


class DownloadError(RuntimeError):
    """A download or its unpacking failed; the text says what to do by hand."""


class UnsafeArchiveError(DownloadError):
    """An archive has a member that would be written outside the folder it is unpacked into."""


@dataclass(frozen=True, slots=True)
class Archive:
    """One file of a dataset and what becomes of it.

    Args:
        url: where the publisher has it.
        known_hash: "md5:..." or "sha256:..." of the archive, or None where the archive's bytes may change
            though its files do not; then `digest` guards the files.
        inner: folder inside the archive that is wanted, "" for all of it; "*" stands for one unknown name.
        target: folder below the data folder that `inner` becomes; its contents are joined if it exists.
        proof: files or folders below `target` that are there once the archive is unpacked.
        digest: sha256 over the unpacked files, see `folder_digest`.
        digest_folders: the folders of `target` that the digest covers.
    """

    url: str
    known_hash: str | None
    inner: str
    target: str
    proof: tuple[str, ...]
    digest: str | None = None
    digest_folders: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """Last part of the address."""
        return self.url.rsplit("/", 1)[1]


def _voc(key: str, year: str, splits: Sequence[str]) -> Archive:
    entry = DATASET_YEAR_DICT[key]
    return Archive(
        url=entry["url"],
        known_hash=f"md5:{entry['md5']}",
        inner=f"VOCdevkit/VOC{year}",
        target=f"VOCdevkit/VOC{year}",  # where torchvision has it too
        proof=("Annotations", "JPEGImages", *(f"ImageSets/Main/{split}.txt" for split in splits)),
    )


_COCO_IMAGES = "http://images.cocodataset.org/zips"  # plain http: the hash is the only protection
_BCCD = Archive(
    url=f"https://github.com/Shenggan/BCCD_Dataset/archive/{BCCD_COMMIT}.zip",
    known_hash=None,  # the host may pack the same commit into other bytes
    inner="*/BCCD",
    target="bccd",
    proof=("Annotations", "ImageSets/Main", "JPEGImages"),
    digest="1b1191ae5a8d57682f06817c044db1c128df92e44eb6ed35a0b86d2265c48e48",
    digest_folders=("Annotations", "ImageSets/Main", "JPEGImages"),
)
_COCO_BOXES = Archive(
    url="http://images.cocodataset.org/annotations/annotations_trainval2017.zip",
    known_hash="md5:f4bbac642086de4f52a3fdda2de5fa2c",
    inner="annotations",
    target="coco2017/annotations",
    proof=("instances_train2017.json", "instances_val2017.json"),
)
_COCO_TRAIN = Archive(
    url=f"{_COCO_IMAGES}/train2017.zip",
    known_hash="md5:cced6f7f71b7629ddf16f17bbcfab6b2",
    inner="train2017",
    target="coco2017/train2017",
    proof=("",),
)
_COCO_VAL = Archive(
    url=f"{_COCO_IMAGES}/val2017.zip",
    known_hash="md5:442b8da7639aecaf257c1dceb8ba8c80",
    inner="val2017",
    target="coco2017/val2017",
    proof=("",),
)
_VOC2007 = _voc("2007", "2007", ("train", "val"))
_VOC2007_TEST = _voc("2007-test", "2007", ("test",))
_VOC2012 = _voc("2012", "2012", ("train", "val"))


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset: its folder below the data folder, and the archives that each split needs."""

    folder: str
    archives: dict[str, tuple[Archive, ...]]
    size: str
    licence: str


SOURCES: dict[str, Source] = {
    "bccd": Source("bccd", dict.fromkeys(("train", "val", "test"), (_BCCD,)), "8 MB", "MIT"),
    "voc2007": Source(
        "VOCdevkit/VOC2007",
        {"train": (_VOC2007,), "val": (_VOC2007,), "test": (_VOC2007_TEST,)},
        "0.9 GB",
        "Flickr's terms, for each photograph",
    ),
    "voc2012": Source(
        "VOCdevkit/VOC2012",
        {"train": (_VOC2012,), "val": (_VOC2012,)},
        "2 GB",
        "Flickr's terms, for each photograph",
    ),
    "coco2017": Source(
        "coco2017",
        {"train": (_COCO_BOXES, _COCO_TRAIN), "val": (_COCO_BOXES, _COCO_VAL)},
        "20 GB (val alone 1 GB)",
        "boxes CC BY 4.0; Flickr's terms, for each photograph",
    ),
}


def data_root() -> Path:
    """The folder of all downloaded data: FCOS_EDU_DATA, or else the platform's folder for user data."""
    chosen = os.environ.get("FCOS_EDU_DATA")
    # A cache folder may be emptied by the system at any time; 20 GB are worth a lasting place.
    return Path(chosen).expanduser() if chosen else platformdirs.user_data_path("fcos-edu", appauthor=False)


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
        name: "bccd", "voc2007", "voc2012" or "coco2017".
        split: "train", "val", "test", "train+val" or "trainval"; "all" for everything.
        root: data folder; `data_root()` by default.
        download: False raises FileNotFoundError instead of downloading.
        progress: show a progress bar.

    Raises:
        ValueError: unknown name or split.
        FileNotFoundError: the data is not there and `download` is False.
        DownloadError: no network, wrong hash, broken or unsafe archive. Nothing half-written stays behind.
    """
    if name not in SOURCES:
        raise ValueError(f"there is no dataset {name!r} to fetch; there are {', '.join(SOURCES)}.")
    source = SOURCES[name]
    if split == "all":
        parts = list(source.archives)
    else:
        parts = ["train", "val"] if split == "trainval" else split.split("+")
    for part in parts:
        if part not in source.archives:
            raise ValueError(f"{name} has no split {part!r}; it has {', '.join(source.archives)}.")
    base = Path(root).expanduser() if root is not None else data_root()
    for archive in dict.fromkeys(a for part in parts for a in source.archives[part]):
        if is_present(archive, base):
            continue
        if not download:
            raise FileNotFoundError(
                f"{name} ({split}, {source.size}) is not in {base}. "
                f"Fetch it with fcos_edu.data.fetch({name!r}, {split!r}), or put it there yourself. "
                f"{by_hand(archive, base)}"
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
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=root) as scratch:
            file = _download(archive, Path(scratch), root, progress)
            unpacked = Path(scratch) / "unpacked"
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
    downloader = pooch.HTTPDownloader(progressbar=progress, timeout=60, chunk_size=1 << 16)
    try:
        fetched = pooch.retrieve(
            archive.url,
            known_hash=archive.known_hash,
            fname=archive.file_name,
            path=scratch,
            downloader=downloader,
        )
    except requests.exceptions.RequestException as error:  # no network, no such host, error status, cut connection
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
