"""What ``fcos-edu detect`` does with videos: frame by frame, into files that are whole however it ends.

Taught in the chapter *Your own boxes*. Checked against: the detections of the same frames as pictures, films that end
early, an interruption between two frames.

Nothing is kept of a frame that is written: an hour of film needs no more memory than a second. So its files grow beside
their places, and take them at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..ownership import OwnFiles
from ..text import counted, printable
from .detected import LABELS, Failures, NamedFile, below, drawn, png

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..data.videos import Frame


def detect_videos(
    arguments: argparse.Namespace,
    model: nn.Module,
    videos: Sequence[NamedFile],
    own: OwnFiles,
    taken: set[Path],
    failed: Failures,
) -> bool:
    """Detect on videos, one after the other, and tell of each; returns whether anything was written.

    Args:
        arguments: of the command.
        model: whose classes are named.
        videos: the files.
        own: of the output folder.
        taken: files, resolved, that no result may replace.
        failed: gets those that cannot be read, or not to their end, with the reason.
    """
    from ..data.decoding import MAX_PIXELS
    from ..data.videos import Video, VideoError
    from ..detections import ImageError, find
    from ..progress import bar

    some, given = False, {"detections", LABELS.rstrip("/")}  # the names of what is found in pictures
    for film in videos:
        results = None
        try:
            with Video(film.file, max_pixels=arguments.max_pixels or MAX_PIXELS) as video:
                total = -(-video.count // arguments.every) if video.count else None
                results = VideoResults(arguments, own, model, film, free_name(arguments, own, film.name, taken, given))
                with results, contextlib.closing(video.frames(arguments.every)) as frames:
                    results.rate = video.rate / arguments.every
                    for frame in bar(frames, desc=printable(film.file.name), unit="frame", total=total):
                        results.add(frame, find(model, frame.pixels))
                if video.fault:
                    failed.add(film.file, video.fault)
        except (VideoError, ImageError, OSError) as error:
            if isinstance(error, OSError) and results is not None:  # of the disk that is written to
                raise
            reason = error if not isinstance(error, OSError) else error.strerror or str(error)
            failed.add(film.file, reason)
        except KeyboardInterrupt:
            if results is not None and results.number:
                print(f"interrupted: {results.told()}", file=sys.stderr)
            raise
        if results is not None and results.number:
            some = True
            print(results.told())
    return some


def free_name(arguments: argparse.Namespace, own: OwnFiles, name: str, taken: set[Path], given: set[str]) -> str:
    """A name for all that is made of a video: nothing of the user's has it, and no other result of this run."""
    free, count = name, 1
    while (
        free.casefold() in given
        or not all(own.may_write(free + suffix) for suffix in (".mp4", ".json", ".csv"))
        or (own.folder / f"{free}.mp4").resolve() in taken
        or not _folder_is_free(own, free)
        or not _folder_is_free(own, LABELS + free)
    ):
        count += 1
        free = f"{name}-{count}"
    given.add(free.casefold())
    return free


def _folder_is_free(own: OwnFiles, name: str) -> bool:
    """Whether a folder is not there, or what is in it is ours."""
    folder = own.folder / name
    if not folder.exists():
        return True
    return folder.is_dir() and all(own.may_write(f"{name}/{file.name}") for file in folder.iterdir())


class VideoResults:
    """What is found in a video, in files of the output folder; at the end of a ``with`` block they are there.

    Of a video without a frame nothing is written, so that what an earlier run has found stays.

    Args:
        arguments: of the command.
        own: of the output folder.
        model: whose classes are named.
        film: the video's file.
        name: of the results, without a suffix.
    """

    def __init__(
        self, arguments: argparse.Namespace, own: OwnFiles, model: nn.Module, film: NamedFile, name: str
    ) -> None:
        from ..evaluation.written_detections import table

        config: Any = model.config
        self.arguments, self.own, self.film, self.name = arguments, own, film, name
        self.classes, self.count = config.class_names, config.num_classes
        self.rate = 1.0  # frames a second of what is drawn
        self.number = self.above = self.found = 0
        form = arguments.format or "json"
        self.table = None if form == "yolo" else table(form, self.classes, self.count, str(film.file))
        self.growing: dict[str, Path] = {}  # by name, what takes its place at the end
        self.lines: Any = None
        self.writer: Any = None

    def __enter__(self) -> VideoResults:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            try:
                if self.lines is not None and self.table is not None:
                    with self.lines:
                        self.lines.write(self.table.end())
            finally:
                if self.writer is not None:
                    self.writer.close()
            for name, made in self.growing.items():
                if made.exists():
                    self.own.place(name, made)
        finally:
            for made in self.growing.values():
                made.unlink(missing_ok=True)

    def add(self, frame: Frame, found: dict[str, Tensor]) -> None:
        """Draw a frame, and write what was found in it."""
        from ..evaluation.written_detections import Seen, yolo_lines, yolo_names

        if not self.number:
            self._open()
        name = f"{self.name}/{frame.number:06d}"
        height, width = frame.pixels.shape[-2:]
        seen = Seen(self.number + 1, f"{name}.png", height, width, found, frame.number, frame.seconds)
        picture, above = drawn(frame.pixels, found, self.classes, self.arguments.threshold)
        if self.writer is None:
            self.own.write(f"{name}.png", png(picture))
        else:
            self.writer.add(picture, frame.seconds)
        if self.table is None:
            if not self.number:
                self.own.write(f"{LABELS}classes.txt", yolo_names(self.classes, self.count).encode())
            self.own.write(f"{LABELS}{name}.txt", yolo_lines(seen).encode())
        else:
            self.lines.write(self.table.part(seen))
            self.lines.flush()
        self.number += 1
        self.above += above
        self.found += len(found["scores"])

    def _open(self) -> None:
        from ..data.videos import VideoWriter

        if self.table is not None:
            table = self.growing[f"{self.name}{self.table.suffix}"] = self.own.beside(self.name)
            self.lines = open(table, "w", encoding="utf-8", errors="replace", newline="")  # noqa: SIM115
            self.lines.write(self.table.begin())
        if not self.arguments.frames:
            video = self.growing[f"{self.name}.mp4"] = self.own.beside(self.name)
            self.writer = VideoWriter(video, self.rate)

    def told(self) -> str:
        """What was found, and where it is."""
        drawing = f"{self.name}/" if self.arguments.frames else f"{self.name}.mp4"
        files = f"{LABELS}{self.name}/" if self.table is None else f"{self.name}{self.table.suffix}"
        where = f"{printable(self.own.folder / drawing)} and {printable(files)}"
        found = f"{counted(self.above, 'detections')} on {counted(self.number, 'frames')}"
        rest = below(self.found - self.above, self.arguments.threshold)
        return f"{found} of {printable(self.film.file)}: {where}{rest}"
