"""``fcos-edu detect``: draw detections on images and videos, and write them as JSON, CSV or labels.

Taught in the chapter *From outputs to detections*. Checked against: the files that it leaves, whatever it is given and
however it ends; what is not its own stays as it is.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..ownership import OwnFiles
from ..text import counted, printable
from .detected import FORMS, Failures, Looked, NamedFile, Results, below, drawn, own_names, png
from .options import (
    COUNT,
    OURS,
    OUT_FOLDER,
    SHARE,
    Commands,
    add_command,
    add_corrupt_option,
    add_device_option,
    add_workers_option,
    located,
    place,
)

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor, nn

_REFUSED_SUFFIXES = (".heic", ".heif")  # pictures that cannot be read: to be told of, not passed over


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "detect", run, "Draw detections on images and videos, and write them as JSON, CSV or YOLO's labels.",
        "detect bccd photographs/ cell.jpg --out detections\n"
        "  fcos-edu detect runs/x film.mp4 --every 5 --format csv",
        "Of pictures: each with its boxes, and one file for all: detections.json as COCO has it (--format coco, the\n"
        "default; evaluate --detections reads it), with names and corners (json), detections.csv, or labels/ (yolo).\n"
        "Of a video: a copy with boxes, without sound, and a file of its frames with their times (default: json).\n"
        "All detections are written, those below the threshold too. Files that were there before and are not of an\n"
        "earlier run stay as they are. After an interruption, what was found so far is there.",
    )  # fmt: skip
    parser.add_argument(
        "checkpoint", type=place, help=f"{OURS}; torchvision:COCO_V1 for torchvision's published weights"
    )
    parser.add_argument("images", nargs="+", type=located, help="image files, folders of them, or videos")
    parser.add_argument("--recursive", action="store_true", help="look into the folders of folders too")
    parser.add_argument(
        "--out", type=OUT_FOLDER, default=Path("detections"), told=False, help="folder for what is drawn and found"
    )
    parser.add_argument("--threshold", type=SHARE, default=0.3, help="lowest score to draw (default: 0.3)")
    parser.add_argument("--format", choices=FORMS, help="what the detections are written as (see above)")
    parser.add_argument("--every", type=COUNT, default=1, metavar="N", help="of a video, look at each N-th frame")
    parser.add_argument("--frames", action="store_true", help="draw frames of videos as pictures, not as a video")
    parser.add_argument("--max-pixels", type=COUNT, metavar="N", help="read pictures of up to so many pixels")
    add_corrupt_option(parser, "leave them out; both go on with the others first")
    add_workers_option(parser)
    add_device_option(parser)


def run(arguments: argparse.Namespace) -> None:
    """Detect on files and folders: pictures, and what was found in them."""
    from ..data import videos
    from ..detectors import load

    model = load(arguments.checkpoint, arguments.device)
    own = OwnFiles(arguments.out)
    found, passed_over = list_images(arguments.images, own, recursive=arguments.recursive)
    films = [one for one in found if videos.is_video(one.file)]
    pictures = [one for one in found if not videos.is_video(one.file)]
    if films:
        videos.needed()
    if pictures:
        own.check(*own_names(arguments.format))
    if passed_over:
        print(f"passed over: {'; '.join(passed_over)}", file=sys.stderr)
    taken = {picture.file.resolve() for picture in found}
    failed, some = Failures(arguments, len(found)), False
    if pictures:
        results = Results(
            own, model, taken, form=arguments.format or "coco", encoders=_workers(arguments, model, pictures)
        )
        above = _pictures(arguments, model, pictures, results, failed)
        some = bool(results.images)
        left_out = f", {counted(len(failed), 'unreadable images')} skipped" if failed else ""
        told = f"{counted(above, 'detections')} on {counted(results.images, 'images')}{left_out}: "
        if some and (not failed or arguments.on_corrupt == "skip"):
            print(told + str(printable(arguments.out)) + below(results.found - above, arguments.threshold))
    if films:
        from .detect_video import detect_videos

        some |= detect_videos(arguments, model, films, own, taken, failed)
    if failed and (arguments.on_corrupt == "error" or not some):
        what = counted(len(found), "files" if films else "images")
        raise ValueError(failed.told(what, films=bool(films), some=some))


def _workers(arguments: argparse.Namespace, model: nn.Module, pictures: Sequence[NamedFile]) -> int:
    from ..data.processes import usual_workers

    device = next(model.parameters()).device
    return usual_workers(len(pictures), device) if arguments.workers is None else arguments.workers


def _pictures(
    arguments: argparse.Namespace,
    model: nn.Module,
    pictures: Sequence[NamedFile],
    results: Results,
    failed: Failures,
) -> int:
    """Detect on pictures; returns how many detections reach the threshold. What cannot be read is told, and noted."""
    from ..data.decoding import MAX_PIXELS
    from ..data.processes import deaths_explained, run_the_network, samples
    from ..detections import ImageError
    from ..progress import bar

    files = Files([picture.file for picture in pictures], arguments.max_pixels or MAX_PIXELS)
    looking = Looking(files, model, arguments.threshold)
    workers = _workers(arguments, model, pictures)
    elsewhere = run_the_network(min(workers, len(pictures)), next(model.parameters()).device)
    above = 0
    loading = samples(looking if elsewhere else files, workers)
    with deaths_explained(), contextlib.closing(loading) as loaded, results:
        for number, picture in enumerate(bar(pictures, desc="detect", unit="image"), start=1):
            looked = next(loaded)
            if not elsewhere:
                looked = looking.at(looked)
            if isinstance(looked, str):
                failed.add(picture.file, ImageError(looked))
            else:
                above += results.add(number, picture, looked)
    return above


class Files:
    """Pictures to be loaded, turned upright, ``(3, H, W)`` uint8; of one that cannot be read, the reason."""

    def __init__(self, files: Sequence[Path], max_pixels: int) -> None:
        self.files, self.max_pixels = files, max_pixels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor | str:
        from ..data.decoding import CorruptImageError

        try:
            return read(self.files[index], self.max_pixels)
        except CorruptImageError as error:
            return error.reason or str(error)


class Looking:
    """What a detector finds in pictures, drawn and compressed; of one that cannot be looked at, the reason."""

    def __init__(self, files: Files, model: nn.Module, threshold: float) -> None:
        self.files, self.model, self.threshold = files, model, threshold

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Looked | str:
        looked = self.at(self.files[index])
        return looked if isinstance(looked, str) else looked._replace(drawn=png(cast("Image", looked.drawn)))

    def at(self, pixels: Tensor | str) -> Looked | str:
        """What is found in a picture, drawn and not yet compressed."""
        from ..detections import ImageError, find

        if isinstance(pixels, str):
            return pixels
        try:
            found = find(self.model, pixels)
        except ImageError as error:
            return str(error)
        config: Any = self.model.config
        image, above = drawn(pixels, found, config.class_names, self.threshold)
        return Looked(image, above, found, pixels.shape[-2], pixels.shape[-1])


def read(file: Path, max_pixels: int) -> Tensor:
    """A picture, turned upright, as ``(3, H, W)`` uint8; of an animation the first frame, with a warning.

    Raises:
        CorruptImageError: it cannot be read.
    """
    from torch import Tensor

    from ..data.decoding import read_image, tell_several

    pixels = read_image(file, turn=True, max_pixels=max_pixels).as_subclass(Tensor)
    tell_several(file)
    return pixels


def list_images(paths: Sequence[Path], own: OwnFiles, *, recursive: bool = False) -> tuple[list[NamedFile], list[str]]:
    """Image files as given, and those of the given folders, sorted; and in words what was passed over.

    Args:
        paths: of files, whatever their names, and of folders, where names decide.
        own: of the output folder: pictures that an earlier run has drawn there are not looked at.
        recursive: look into folders of folders.

    Raises:
        FileNotFoundError: a path that does not exist, or a folder without images.
        ValueError: an address.
    """
    from ..data.decoding import IMAGE_SUFFIXES

    pictures: dict[Path, NamedFile] = {}  # each file once
    left: Counter[str] = Counter()
    for path in paths:
        if path.is_dir():
            inside = list(_inside(path, own, recursive, left))
            if not inside:
                more = f"; {', '.join(_words(left))}" if left else ""
                raise FileNotFoundError(f"{path} has no images ({', '.join(IMAGE_SUFFIXES)}{more})")
        elif path.exists():
            inside = [NamedFile(path, path.stem)]
        elif re.match(r"[A-Za-z][A-Za-z0-9+.-]+:[\\/]", str(path)):
            address = re.sub(r":[\\/]+", "://", str(path), count=1)  # a path has lost one of the two
            raise ValueError(f"{address} is an address: download the picture or video first, and give its file")
        else:
            raise FileNotFoundError(f"there is no image, video or folder {path}")
        for picture in inside:
            pictures.setdefault(picture.file, picture)
    return list(pictures.values()), _words(left)


def _inside(folder: Path, own: OwnFiles, recursive: bool, left: Counter[str]) -> Iterator[NamedFile]:
    """The pictures of a folder by their names; what else there is, is counted in ``left``.

    A video takes longer than all pictures beside it, so it has to be named.
    """
    from ..data.decoding import is_picture
    from ..data.videos import is_video

    def unreadable(error: OSError) -> None:
        left[f"the folder {printable(error.filename)}, which may not be read"] += 1

    out = own.folder.resolve()
    for base, folders, files in os.walk(folder, onerror=unreadable):
        folders.sort()
        if not recursive:
            left["sub-folders"] += len(folders)
            folders.clear()
        for name in sorted(files):
            file, suffix = Path(base) / name, Path(name).suffix.lower()
            if _is_own(file, out, own):
                left["pictures that an earlier run has drawn"] += 1
            elif is_picture(name) or (suffix in _REFUSED_SUFFIXES and not name.startswith("._")):
                yield NamedFile(file, file.relative_to(folder).with_suffix("").as_posix())
            elif is_video(name):
                left["videos, which are read if you name them"] += 1
            elif not name.startswith("."):
                left[f"files that are no picture ({printable(suffix) or 'without a suffix'})"] += 1
            elif is_picture(name.removeprefix("._")):
                left["files of macOS beside a picture (._)"] += 1


def _is_own(file: Path, out: Path, own: OwnFiles) -> bool:
    if own.digests and out in (resolved := file.resolve()).parents:
        name = resolved.relative_to(out).as_posix()
        return name in own.digests and own.may_write(name)
    return False


def _words(left: Counter[str]) -> list[str]:
    """What was passed over: the folders first, then each kind of file with its count."""
    words = []
    for what, count in left.items():
        if count and what == "sub-folders":
            words.append(f"{counted(count, what)} (--recursive reads them)")
        elif count and what.startswith("the "):
            words.append(what)
        elif count:
            told = counted(count, what)
            if count == 1:  # the verbs behind the noun
                told = told.replace("are read if you name them", "is read if you name it").replace(
                    "that are", "that is"
                )
            words.append(told)
    return words
