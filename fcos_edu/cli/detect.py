"""``fcos-edu detect``: draw detections on images, and write them as COCO-format JSON.

Taught in the chapter *From outputs to detections*. Checked against: the files that it leaves, whatever it is given and
however it ends; what is not its own stays as it is.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..ownership import OwnFiles
from ..text import printable
from .options import (
    COUNT,
    OUT_FOLDER,
    SHARE,
    Commands,
    add_command,
    add_corrupt_option,
    add_device_option,
    add_workers_option,
    in_options,
    located,
    place,
)

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor, nn

JSON = "detections.json"
_REFUSED_SUFFIXES = (".heic", ".heif")  # pictures that cannot be read: to be told of, not passed over


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "detect", run, "Draw detections on images, and write them as COCO-format JSON.",
        "detect bccd photographs/ cell.jpg --out detections",
        "Files that were there before and are not of an earlier run stay as they are. The JSON is whole at any time,\n"
        "and has all that was found so far, also after an interruption.",
    )  # fmt: skip
    parser.add_argument(
        "checkpoint", type=place, help="as for evaluate; torchvision:COCO_V1 for torchvision's published weights"
    )
    parser.add_argument("images", nargs="+", type=located, help="image files, or folders of them")
    parser.add_argument("--recursive", action="store_true", help="look into the folders of folders too")
    parser.add_argument(
        "--out", type=OUT_FOLDER, default=Path("detections"), told=False, help=f"folder for pictures and {JSON}"
    )
    parser.add_argument("--threshold", type=SHARE, default=0.3, help="lowest score to draw; the JSON has all")
    parser.add_argument("--max-pixels", type=COUNT, metavar="N", help="read pictures of up to so many pixels")
    add_corrupt_option(parser, "leave them out; both go on with the others first")
    add_workers_option(parser)
    add_device_option(parser)


def run(arguments: argparse.Namespace) -> None:
    """Detect on files and folders: pictures and one COCO-format JSON."""
    from ..data.decoding import MAX_PIXELS
    from ..data.processes import samples, usual_workers
    from ..detections import ImageError, find
    from ..detectors import load
    from ..progress import bar

    model = load(arguments.checkpoint, arguments.device)
    own = OwnFiles(arguments.out)
    own.check(JSON)
    pictures, passed_over = list_images(arguments.images, own, recursive=arguments.recursive)
    if passed_over:
        print(f"passed over: {'; '.join(passed_over)}", file=sys.stderr)
    workers = usual_workers(len(pictures)) if arguments.workers is None else arguments.workers
    results = Results(own, model, {picture.file.resolve() for picture in pictures}, encoders=workers)
    files = Files([picture.file for picture in pictures], arguments.max_pixels or MAX_PIXELS)
    failed: list[tuple[Path, str]] = []
    above = 0
    with contextlib.closing(samples(files, workers)) as loaded, results:
        for number, picture in enumerate(bar(pictures, desc="detect", unit="image"), start=1):
            pixels = next(loaded)
            try:
                if isinstance(pixels, str):
                    raise ImageError(pixels)
                found = find(model, pixels)
            except ImageError as error:
                failed.append((picture.file, in_options(error.args[0], arguments.parser)))
                print(f"not read: {printable(picture.file)} ({failed[-1][1]})", file=sys.stderr)
                continue
            above += results.add(number, picture, pixels, found, arguments.threshold)
    where = f"in {printable(arguments.out)}"
    if failed and (arguments.on_corrupt == "error" or not results.images):
        raise ValueError(
            f"{len(failed)} of {_counted(len(pictures), 'image')} cannot be read, the first {printable(failed[0][0])} "
            f"({failed[0][1]})" + (f"; the detections of the others are {where}" if results.images else "")
        )
    left_out = f", {_counted(len(failed), 'unreadable image')} skipped" if failed else ""
    print(f"{_counted(above, 'detection')} on {_counted(len(results.images), 'image')}{left_out}: {where[3:]}")


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


def read(file: Path, max_pixels: int) -> Tensor:
    """A picture, turned upright, as ``(3, H, W)`` uint8.

    Raises:
        CorruptImageError: it cannot be read.
    """
    from torch import Tensor

    from ..data import read_image

    return read_image(file, turn=True, max_pixels=max_pixels).as_subclass(Tensor)


class Picture(NamedTuple):
    """A file to detect on, and the name of its result in the output folder, without the suffix."""

    file: Path
    name: str


class Entry(NamedTuple):
    """What was found in a picture, until the drawing is written."""

    number: int  # of the picture, from 1 on
    picture: Picture
    size: tuple[int, int]  # (height, width) in pixels
    found: dict[str, Tensor]


class Results:
    """What was found so far, in the output folder: pictures as they come, and a JSON that is whole at any time.

    At the end of a ``with`` block, however it ends, all that was found is in the folder.

    Args:
        own: of the output folder.
        model: whose classes are named.
        taken: files, resolved, that no result may replace, as they are still to be read.
        encoders: threads that compress pictures, which takes longer than to find what is drawn; 0 for none.
    """

    def __init__(self, own: OwnFiles, model: nn.Module, taken: set[Path], *, encoders: int = 0) -> None:
        config: Any = model.config
        names = config.class_names
        # torchvision's classes are numbered as COCO's categories, with the background as 0; ours start at 1.
        self.first_id = first = 0 if names[:1] == ("__background__",) else 1
        self.encoders = ThreadPoolExecutor(encoders) if encoders else None
        self.waiting: deque[tuple[Future[bytes], Entry]] = deque()  # in their order
        self.most_waiting = 2 * encoders
        self.own, self.names, self.taken = own, names, taken
        self.given: set[str] = set()
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.categories = [
            {"id": k + first, "name": names[k] if names else str(k)} for k in range(1 - first, config.num_classes)
        ]
        self.pause, self.saved = 1.0, time.monotonic()  # seconds: until it is written again; when it was

    def __enter__(self) -> Results:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            while self.waiting:
                self._write(*self.waiting.popleft())
        finally:
            if self.encoders:
                self.encoders.shutdown(cancel_futures=True)
            if kind is None or self.images:  # what an earlier run has found is worth more than nothing
                self.save()

    def add(self, number: int, picture: Picture, pixels: Tensor, found: dict[str, Tensor], threshold: float) -> int:
        """Draw and write the picture, note the detections; returns how many reach the threshold."""
        from PIL.Image import fromarray

        from ..drawing import draw_detections

        shown = found["scores"] >= threshold
        drawn = draw_detections(pixels, {k: v[shown] for k, v in found.items()}, self.names)
        image = fromarray(drawn.permute(1, 2, 0).numpy())
        entry = Entry(number, picture, (pixels.shape[-2], pixels.shape[-1]), found)
        if self.encoders is None:
            future: Future[bytes] = Future()
            future.set_result(_png(image))
        else:
            future = self.encoders.submit(_png, image)
        self.waiting.append((future, entry))
        while self.waiting and (self.waiting[0][0].done() or len(self.waiting) > self.most_waiting):
            self._write(*self.waiting.popleft())
        return int(shown.sum())

    def _write(self, content: Future[bytes], entry: Entry) -> None:
        """Write a picture once it is compressed; only then its detections belong to the JSON."""
        (height, width), picture = entry.size, entry.picture
        self.own.write(self.free_name(picture.name, entry.number), content.result())
        self.images.append({"id": entry.number, "file_name": str(picture.file), "height": height, "width": width})
        first = len(self.annotations) + 1
        self.annotations += coco_annotations(entry.found, entry.number, first=first, first_category=self.first_id)
        if time.monotonic() - self.saved > self.pause:
            self.save()

    def save(self) -> None:
        """Write the JSON. The more there is, the rarer: of the time at most a twentieth goes into it."""
        before = time.monotonic()
        document = {"images": self.images, "annotations": self.annotations, "categories": self.categories}
        self.own.write(JSON, json.dumps(document).encode() + b"\n")
        self.saved = time.monotonic()
        self.pause = max(1.0, 20 * (self.saved - before))

    def free_name(self, name: str, number: int) -> str:
        """Where the picture of an image can go: a name that nothing of the user's has, and no other result of this run.

        Capital letters do not tell names apart, as there are file systems that do not either.
        """
        target = f"{name}.png"
        while (
            target.casefold() in self.given
            or (self.own.folder / target).resolve() in self.taken
            or not self.own.may_write(target)
        ):
            name = f"{name}-{number}"
            target = f"{name}.png"
        self.given.add(target.casefold())
        return target


def _png(image: Image) -> bytes:
    """The file of a drawing. Compressed by half, it takes a tenth more room and a third of the time."""
    content = io.BytesIO()
    image.save(content, "png", compress_level=3)
    return content.getvalue()


def coco_annotations(
    found: dict[str, Tensor], image_id: int, *, first: int, first_category: int
) -> list[dict[str, Any]]:
    """The detections of an image as COCO writes them, boxes as x, y, width, height.

    Args:
        found: ``boxes`` (K, 4) xyxy in pixels, ``scores`` (K,), ``labels`` (K,).
        image_id: of the image.
        first: id of the first annotation.
        first_category: id of the category of label 0.
    """
    columns = (found[name].tolist() for name in ("boxes", "scores", "labels"))
    annotations = []
    for identity, ((x0, y0, x1, y1), score, label) in enumerate(zip(*columns, strict=True), start=first):
        width, height = x1 - x0, y1 - y0
        annotations.append(
            {"id": identity, "image_id": image_id, "category_id": label + first_category, "iscrowd": 0,
             "bbox": [round(v, 2) for v in (x0, y0, width, height)], "area": round(width * height, 2),
             "score": round(score, 4)}
        )  # fmt: skip
    return annotations


def list_images(paths: Sequence[Path], own: OwnFiles, *, recursive: bool = False) -> tuple[list[Picture], list[str]]:
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

    pictures: dict[Path, Picture] = {}  # each file once
    left: Counter[str] = Counter()
    for path in paths:
        if path.is_dir():
            inside = list(_inside(path, own, recursive, left))
            if not inside:
                more = f"; {', '.join(_words(left))}" if left else ""
                raise FileNotFoundError(f"{path} has no images ({', '.join(IMAGE_SUFFIXES)}{more})")
        elif path.exists():
            inside = [Picture(path, path.stem)]
        elif str(path).split(":")[0] in ("http", "https", "ftp", "s3", "gs"):
            raise ValueError(f"{path} is an address: download the picture first, and give its file")
        else:
            raise FileNotFoundError(f"there is no image or folder {path}")
        for picture in inside:
            pictures.setdefault(picture.file, picture)
    return list(pictures.values()), _words(left)


def _inside(folder: Path, own: OwnFiles, recursive: bool, left: Counter[str]) -> Iterator[Picture]:
    """The pictures of a folder by their names; what else there is, is counted in ``left``."""
    from ..data.decoding import is_picture

    def unreadable(error: OSError) -> None:
        left[f"the folder {printable(error.filename)}, which may not be read"] += 1

    out = own.folder.resolve()
    for base, folders, files in os.walk(folder, onerror=unreadable):
        folders.sort()
        if not recursive:
            left["sub-folder"] += len(folders)
            folders.clear()
        for name in sorted(files):
            file, suffix = Path(base) / name, Path(name).suffix.lower()
            if _is_own(file, out, own):
                left["picture that an earlier run has drawn"] += 1
            elif is_picture(name) or (suffix in _REFUSED_SUFFIXES and not name.startswith("._")):
                yield Picture(file, file.relative_to(folder).with_suffix("").as_posix())
            elif not name.startswith("."):
                left[f"file that is no picture ({suffix or 'without a suffix'})"] += 1
            elif is_picture(name.removeprefix("._")):
                left["file of macOS beside a picture (._)"] += 1


def _is_own(file: Path, out: Path, own: OwnFiles) -> bool:
    if own.digests and out in (resolved := file.resolve()).parents:
        name = resolved.relative_to(out).as_posix()
        return name in own.digests and own.may_write(name)
    return False


def _words(left: Counter[str]) -> list[str]:
    """What was passed over: the folders first, then each kind of file with its count."""
    words = []
    for what, count in left.items():
        if count and what == "sub-folder":
            words.append(f"{_counted(count, what)} (--recursive reads them)")
        elif count:
            words.append(what if what.startswith("the ") else _counted(count, what))
    return words


def _counted(count: int, what: str) -> str:
    """A count and its thing, such as "1 image" and "2 files that are no picture (.txt)"."""
    if count != 1:
        noun, _, rest = what.partition(" ")
        if noun in ("unreadable",):
            noun, rest = what, ""
        what = f"{noun}s {rest.replace('is no', 'are no')}".rstrip()
    return f"{count} {what}"
