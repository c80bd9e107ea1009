"""Videos as frames, one after the other, and frames as a video (Sec. 3, inference).

Taught in the chapter *Your own boxes*. Checked against: films of every kind that the tests make, with gaps in time,
turned by their metadata, without sound and with it, cut off anywhere, damaged in the middle, and files that are none.

PyAV decodes, an extra of the package. A frame is in memory only as long as it is looked at. A file can be a list of
addresses and call itself a video; so only the demuxers of ``CONTAINERS`` get it, and none of them may open another.
"""

from __future__ import annotations

import contextlib
import math
import os
import stat
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..settings import Message, setting
from ..text import printable
from .decoding import MAX_PIXELS

VIDEO_SUFFIXES = tuple(
    ".mp4 .m4v .mov .avi .mkv .webm .mpg .mpeg .ts .mts .m2ts .wmv .flv .3gp .ogv .h264 .h265 .hevc".split()
)
CONTAINERS = (
    "mov",
    "mp4",
    "matroska",
    "webm",
    "avi",
    "mpegts",
    "mpeg",
    "mpegvideo",
    "asf",
    "flv",
    "ogg",
    "h264",
    "hevc",
)
_USUAL_RATE = 25.0  # frames a second, where a file does not tell
_CLOCK = 90_000  # parts of a second in which the time of a written frame is told
_MISSING = 0.05  # share of a film that may lack before it counts as cut off: headers are not exact


class VideoError(ValueError):
    """A file that cannot be read as a video, or not on this machine; the text says what would help."""


class Frame(NamedTuple):
    """A picture of a video."""

    number: int  # from 0 on, of all frames, also of those that are left out
    seconds: float  # since the first frame
    pixels: Tensor  # (3, H, W) uint8, upright


def is_video(name: str | Path) -> bool:
    """Whether a file is a video by its name; an animated GIF is a picture, of which the first frame counts."""
    path = Path(name)
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith("._")


def needed() -> Any:
    """PyAV.

    Raises:
        VideoError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise VideoError(f'videos need the package PyAV: pip install "fcos-edu[video]" ({error})') from error
    return av


class Video:
    """A video that is open; use it in a ``with`` block.

    Args:
        path: of the file. Sound and subtitles are not looked at; of several tracks of pictures the first is taken.
        max_pixels: refuse larger frames.

    Attributes:
        rate: frames a second, on the average.
        count: how many frames there should be; None where nothing tells.
        fault: after all frames: why they are not all, or not whole; empty if nothing was wrong.

    Raises:
        VideoError: it is none, or its kind is not known here; the text does not name the file.
        OSError: it cannot be opened.
    """

    def __init__(self, path: str | Path, *, max_pixels: int = MAX_PIXELS) -> None:
        self.path, self.max_pixels, self.fault = Path(path), max_pixels, ""
        av = needed()
        self._failure: type[Exception] = av.error.FFmpegError
        with contextlib.ExitStack() as opened:
            if not stat.S_ISREG(os.stat(self.path).st_mode):  # a pipe would be waited for
                raise VideoError("it is no regular file")
            file = opened.enter_context(open(self.path, "rb"))
            limits = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "none"}
            try:
                self._container = opened.enter_context(av.open(file, options=limits, metadata_errors="replace"))
            except (av.error.FFmpegError, OSError, ValueError) as error:
                empty = "; it is empty" if not os.stat(self.path).st_size else ", or its beginning or end is missing"
                raise VideoError(f"it is no video of a known kind{empty}") from error
            self._stream = self._pictures(av)
            self._told_seconds = self._seconds(self._stream.duration, self._stream.time_base)
            if not self._told_seconds and len(self._container.streams) == 1:  # else it is that of the sound, perhaps
                self._told_seconds = self._seconds(self._container.duration, Fraction(1, av.time_base))
            self.rate = float(self._stream.average_rate or 0) or _USUAL_RATE
            known = self._stream.frames or round(self._told_seconds * self.rate)
            self.count = known if known > 0 else None
            self._opened = opened.pop_all()

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def _pictures(self, av: Any) -> Any:
        """The first track of pictures; the cover of an album is none."""
        cover = getattr(getattr(av.stream, "Disposition", None), "attached_pic", None)
        found = [one for one in self._container.streams.video if cover is None or not one.disposition & cover]
        if not found:
            sound = any(one.type == "audio" for one in self._container.streams)
            raise VideoError("it has sound and no pictures" if sound else "it has no pictures")
        context = getattr(found[0], "codec_context", None)
        if context is None:
            raise VideoError(f"its codec is not known here{self._remedy()}")
        self._check_size(context.width, context.height)
        found[0].thread_type = "AUTO"
        return found[0]

    def _remedy(self) -> str:
        name = printable(self.path.stem)
        return f": make another file of it, such as with ffmpeg -i {printable(self.path.name)} {name}-h264.mp4"

    @staticmethod
    def _seconds(ticks: int | None, base: Fraction | None) -> float:
        return float(ticks * base) if ticks and base and ticks > 0 else 0.0

    def _check_size(self, width: int, height: int) -> None:
        if (pixels := width * height) > self.max_pixels:
            raise VideoError(
                Message(
                    f"its frames have {pixels:,} pixels, more than the {self.max_pixels:,} that are decoded; if that "
                    f"is right, allow them with {setting('max_pixels', pixels, option=f'--max-pixels {pixels}')}"
                )
            )

    def frames(self, every: int = 1) -> Generator[Frame, None, None]:
        """Each frame, or each ``every``-th, the first included. A damaged part is passed over, and noted in ``fault``.

        Raises:
            VideoError: not a single frame can be read, or one is too large.
        """
        if every < 1:
            raise ValueError(f"every is {every}; it must be 1 or more")
        index, damaged, step = 0, 0, 1 / self.rate
        start, now, end = math.nan, -step, 0.0
        for found in self._decoded():
            if found is None:
                damaged += 1
                continue
            now = found.time if found.time is not None else now + step
            if math.isnan(start):
                start = now
            length = self._seconds(getattr(found, "duration", None), found.time_base) or step
            end = max(end, now - start + length)
            if index % every == 0:
                self._check_size(found.width, found.height)
                yield Frame(index, round(now - start, 6), _upright(found))
            index += 1
        if not index:
            raise VideoError(f"no frame of it can be decoded{self._remedy()}")
        frames, seconds = self._stream.frames, self._told_seconds
        # Both must lack: some headers count frames that are not to be shown, others tell the length of the sound.
        if seconds and end < (1 - _MISSING) * seconds and not 0 < (1 - _MISSING) * frames <= index:
            self.fault = f"it ends after {end:.1f} of {seconds:.1f} seconds, as if it were cut off"
        elif damaged:
            self.fault = f"{damaged} damaged part{'s' * (damaged > 1)} passed over"

    def _decoded(self) -> Iterator[Any]:
        """PyAV's frames in their order; None for a part that cannot be decoded."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except self._failure:  # of the file itself: nothing follows
                yield None
                return
            if packet is None:
                return
            try:
                found = packet.decode()
            except self._failure:
                yield None
                continue
            yield from found


def _upright(frame: Any) -> Tensor:
    """``(3, H, W)`` uint8; telephones store films lying, some mirrored, and note how they are to be shown."""
    pixels = frame.to_ndarray(format="rgb24")
    x_from_x, y_from_x, x_from_y, y_from_y = _display(frame)
    swapped = abs(y_from_x) > abs(x_from_x)
    if swapped:
        pixels = pixels.swapaxes(0, 1)
    if (x_from_y if swapped else x_from_x) < 0:
        pixels = pixels[:, ::-1]
    if (y_from_x if swapped else y_from_y) < 0:
        pixels = pixels[::-1]
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def _display(frame: Any) -> tuple[float, float, float, float]:
    """What FFmpeg's display matrix makes of a place (x, y) of the stored picture, without the shift: the part of x and
    then of y that comes from x, and the same of y.
    """
    for side in getattr(frame, "side_data", ()):
        if getattr(side.type, "name", "") == "DISPLAYMATRIX":
            matrix = np.frombuffer(bytes(side)[:36], np.int32).reshape(3, 3)
            if matrix[:2, :2].any():
                return tuple(matrix[:2, :2].ravel().tolist())  # type: ignore[return-value]
    turns = round(getattr(frame, "rotation", 0) / 90) % 4  # quarters, against the clock; of a PyAV without the matrix
    return ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))[turns]


class VideoWriter:
    """An MP4 of frames that keep their times, without sound; H.264 where this PyAV has it, as players expect it.

    Args:
        path: of the file; what is there is replaced.
        rate: frames a second, on the average.
    """

    def __init__(self, path: str | Path, rate: float) -> None:
        self.path, self.rate = Path(path), min(max(rate, 0.01), 1000.0)
        self._container: Any = None
        self._last = -1

    def add(self, picture: Image.Image, seconds: float) -> None:
        """Write a frame.

        Args:
            picture: RGB. One of another size than the first is fitted into it.
            seconds: since the first frame.
        """
        av = needed()
        if self._container is None:
            self._open(av, *picture.size)
        frame = av.VideoFrame.from_ndarray(self._fitted(picture), format="rgb24")
        self._last = max(self._last + 1, round(seconds * _CLOCK))
        frame.pts, frame.time_base = self._last, Fraction(1, _CLOCK)
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what is held back; the file is whole afterwards. Without a frame there is none."""
        if self._container is not None:
            container, self._container = self._container, None
            try:
                container.mux(self._stream.encode())
            finally:
                container.close()

    def _open(self, av: Any, width: int, height: int) -> None:
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        self._container = av.open(str(self.path), "w", format="mp4")
        rate = Fraction(self.rate).limit_denominator(1001)
        options = {"crf": "23", "preset": "veryfast"} if codec == "libx264" else {"qscale:v": "4"}
        self._stream = self._container.add_stream(codec, rate=rate, options=options)
        # Colours are stored for four pixels together, so sides are even.
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, _CLOCK)
        self._size = width, height

    def _fitted(self, picture: Image.Image) -> NDArray[np.uint8]:
        if picture.size != self._size:
            whole, part = Image.new("RGB", self._size), picture.copy()
            part.thumbnail(self._size)
            whole.paste(part, ((self._size[0] - part.width) // 2, (self._size[1] - part.height) // 2))
            picture = whole
        pixels = np.asarray(picture)
        more = [(0, side % 2) for side in pixels.shape[:2]]
        return np.ascontiguousarray(np.pad(pixels, [*more, (0, 0)], mode="edge"))


__all__ = ["Frame", "Video", "VideoError", "VideoWriter", "is_video", "needed"]
