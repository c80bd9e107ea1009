"""The files that ``fcos-edu detect`` leaves of pictures: each with its boxes, and what was found in all of them.

Taught in the chapter *Your own boxes*. Checked against: what is there at any time, under names that were taken.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..ownership import OwnFiles
from ..text import counted, printable
from .options import in_options

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor, nn

    from ..evaluation.written_detections import Seen

FORMS = ("coco", "json", "csv", "yolo")  # of evaluation.written_detections, which needs torch
LABELS = "labels/"  # the folder of YOLO's files


class NamedFile(NamedTuple):
    """A file to detect on, and the name of its result in the output folder, without the suffix."""

    file: Path
    name: str


class Looked(NamedTuple):
    """What was found in a picture."""

    drawn: Image | bytes  # with the boxes that reach the threshold, or the file of it
    above: int  # how many these are
    found: dict[str, Tensor]  # all detections, in torchvision's convention
    height: int
    width: int


def own_names(form: str | None) -> tuple[str, ...]:
    """The files of fixed names that the detections of pictures are written to."""
    return {"csv": ("detections.csv",), "yolo": (LABELS + "classes.txt",)}.get(form or "", ("detections.json",))


class Results:
    """What was found so far, in the output folder: pictures as they come, and a file that is whole at any time.

    At the end of a ``with`` block, however it ends, all that was found is in the folder.

    Args:
        own: of the output folder.
        model: whose classes are named.
        taken: files, resolved, that no result may replace, as they are still to be read.
        form: one of ``FORMS``.
        encoders: threads that compress pictures, which takes longer than to find what is drawn; 0 for none.
    """

    def __init__(
        self, own: OwnFiles, model: nn.Module, taken: set[Path], *, form: str = "coco", encoders: int = 0
    ) -> None:
        from ..evaluation.written_detections import table, yolo_names

        config: Any = model.config
        self.encoders = ThreadPoolExecutor(encoders) if encoders else None
        self.waiting: deque[tuple[Future[bytes], Seen, str]] = deque()  # in their order
        self.most_waiting = 2 * encoders
        self.own, self.taken = own, taken
        self.given: set[str] = set()
        self.images = self.found = 0  # how many were seen, and all detections on them
        (self.file,) = own_names(form)
        # Of labels, the names are the one file for all; each picture has its own.
        self.table = None if form == "yolo" else table(form, config.class_names, config.num_classes)
        self.text = [yolo_names(config.class_names, config.num_classes) if self.table is None else self.table.begin()]
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

    def add(self, number: int, picture: NamedFile, looked: Looked) -> int:
        """Write the picture, note the detections; returns how many reach the threshold."""
        from ..evaluation.written_detections import Seen

        self.found += len(looked.found["scores"])
        seen = Seen(number, str(picture.file), looked.height, looked.width, looked.found)
        if self.encoders is not None and not isinstance(looked.drawn, bytes):
            future = self.encoders.submit(png, looked.drawn)
        else:
            future = Future()
            future.set_result(looked.drawn if isinstance(looked.drawn, bytes) else png(looked.drawn))
        self.waiting.append((future, seen, picture.name))
        while self.waiting and (self.waiting[0][0].done() or len(self.waiting) > self.most_waiting):
            self._write(*self.waiting.popleft())
        return looked.above

    def _write(self, content: Future[bytes], seen: Seen, name: str) -> None:
        """Write a picture once it is compressed; only then its detections are noted."""
        from ..evaluation.written_detections import yolo_lines

        self.own.write(self.free_name(name, seen.number), content.result())
        if self.table is None:
            self.own.write(self.free_name(LABELS + name, seen.number, ".txt"), yolo_lines(seen).encode())
        else:
            self.text.append(self.table.part(seen))
        self.images += 1
        if time.monotonic() - self.saved > self.pause:
            self.save()

    def save(self) -> None:
        """Write the file of all. The more there is, the rarer: of the time at most a twentieth goes into it."""
        before = time.monotonic()
        end = self.table.end() if self.table else ""
        self.own.write(self.file, "".join([*self.text, end]).encode("utf-8", "replace"))
        self.saved = time.monotonic()
        self.pause = max(1.0, 20 * (self.saved - before))

    def free_name(self, name: str, number: int, suffix: str = ".png") -> str:
        """Where the picture of an image can go: a name that nothing of the user's has, and no other result of this run.

        Capital letters do not tell names apart, as there are file systems that do not either.
        """
        target = f"{name}{suffix}"
        while (
            target.casefold() in self.given
            or (self.own.folder / target).resolve() in self.taken
            or not self.own.may_write(target)
        ):
            name = f"{name}-{number}"
            target = f"{name}{suffix}"
        self.given.add(target.casefold())
        return target


def drawn(pixels: Tensor, found: dict[str, Tensor], names: Sequence[str], threshold: float) -> tuple[Image, int]:
    """A picture with the boxes that reach the threshold, and how many these are."""
    from PIL.Image import fromarray

    from ..drawing import draw_detections

    shown = found["scores"] >= threshold
    picture = draw_detections(pixels, {k: v[shown] for k, v in found.items()}, names)
    return fromarray(picture.permute(1, 2, 0).numpy()), int(shown.sum())


def below(count: int, threshold: float) -> str:
    """What to say of detections that are written and not drawn; nothing where there are none."""
    if not count:
        return ""
    return f" (and {counted(count, 'detections')} below {threshold:g}, written but not drawn)"


def png(image: Image) -> bytes:
    """The file of a drawing. Compressed by half, it takes a tenth more room and a third of the time."""
    content = io.BytesIO()
    image.save(content, "png", compress_level=3)
    return content.getvalue()


class Failures:
    """Files that cannot be read, or not to their end: told as they come, and once more at the end.

    Args:
        arguments: of the command.
        files: how many there are; of a single one the end tells enough.
    """

    def __init__(self, arguments: argparse.Namespace, files: int) -> None:
        self.arguments, self.files = arguments, files
        self.reasons: list[tuple[Path, str]] = []

    def __len__(self) -> int:
        return len(self.reasons)

    def add(self, file: Path, error: Exception | str) -> None:
        """One more, with the reason."""
        reason = error if isinstance(error, str) else error.args[0]
        self.reasons.append((file, in_options(reason, self.arguments.parser)))
        if self.files > 1 or self.arguments.on_corrupt == "skip":
            print(f"not read: {printable(file)} ({self.reasons[-1][1]})", file=sys.stderr)

    def told(self, files: str, *, films: bool, some: bool) -> str:
        """The sentence at the end.

        Args:
            files: how many there are, in words.
            films: some are videos.
            some: something was found in other files, or in a video before it broke off.
        """
        (file, reason), whole = self.reasons[0], " as a whole" * films
        first = printable(file)
        told = f"{len(self)} of {files} cannot be read{whole}, the first {first} ({reason})"
        if self.files == 1:
            told = f"{first} cannot be read{whole}: {reason}"
        where = printable(self.arguments.out)
        left = f"; what was found is in {where}" if films else f"; the detections of the others are in {where}"
        return told + left * some
