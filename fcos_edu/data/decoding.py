"""Picture files to tensors (Sec. 4, training data).

Taught in the chapter *Your own boxes*. Checked against Pillow, with every kind of image that it converts, with files
that are cut off, and with pictures made to harm: `scripts/fuzz.py` hands in thousands.

Pillow knows some forty formats, and for one of them it starts another program. Pictures of strangers are given only to
the decoders of `FORMATS`, and only up to a number of pixels: what a file of 20 kB unpacks to can fill a memory.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
import sys
import threading
import warnings
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision import tv_tensors

from ..settings import Message, marked, setting
from ..text import printable
from ._headers import once

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "AVIF")  # of GIF and the like the first frame
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".avif")
MAX_PIXELS = 89_000_000  # of one picture: decoding takes at most 16 bytes for each, 1.4 GB
ORIENTATIONS = ("auto", "stored", "upright")  # see FileDataset

_ORIENTATION, _BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 274, 258, 262, 0  # tags of TIFF; EXIF has the first too
_KIND_OF_PAGE, _MAX_PAGES = 254, 20  # a tag as well, whose lowest bit says "a smaller copy"; how many are looked at
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_RAW_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf")
# Of PNG: parts of texts, those that may tell how a picture is turned, and how much of them is read.
_TEXTS, _TELLING = (b"tEXt", b"zTXt", b"iTXt"), (b"Raw profile type exif", b"XML:com.adobe.xmp", b"xmp")
_MAX_PARTS, _MAX_TOLD = 100_000, 1 << 20  # an encoder writes a part each 8 kB; EXIF has 64 kB at most
_PILLOWS_LIMIT = threading.RLock()


class CorruptImageError(RuntimeError):
    """An image file that cannot be decoded, or is not: `path` names it.

    Out of a worker process of a DataLoader comes the text alone, with the name in it: torch builds such
    errors anew from their text, with a traceback around it, which is taken off again. `path` is None then.
    """

    def __init__(self, path: str | Path, reason: str | None = None) -> None:
        super().__init__(path, reason)
        self.path = Path(path) if reason is not None else None
        self.reason = reason if reason is None or isinstance(reason, Message) else printable(reason)

    def __str__(self) -> str:
        return str(self.told)

    @property
    def told(self) -> str:
        """The sentence, with the settings that it names. Not ``message``: torch would call the class with it."""
        if self.reason is None:
            return str(self.args[0]).rstrip().rpartition(f"{type(self).__name__}: ")[2]
        return Message(
            f"{printable(self.path)} cannot be read as an image ({marked(self.reason)}). Replace the file, or leave "
            f"such images out with {setting('on_corrupt', 'skip', option='--on-corrupt skip')}."
        )


class Header(NamedTuple):
    """What a picture's file says before its pixels."""

    width: int  # of the stored pixels
    height: int
    orientation: int = 1  # EXIF's, 1 to 8: how the stored pixels are to be turned to stand upright; 1 is not at all
    several: bool = False  # it is animated, or has pages: the first of them is read

    def size(self, turn: bool) -> tuple[int, int]:
        """(width, height) of what `read_image` gives."""
        return (self.height, self.width) if turn and self.orientation >= 5 else (self.width, self.height)


def is_picture(name: str | Path) -> bool:
    """Whether a file is a picture by its name; macOS leaves files such as ``._a.jpg`` beside pictures that are none."""
    path = Path(name)
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("._")


def read_image(path: str | Path, *, turn: bool = False, max_pixels: int = MAX_PIXELS) -> tv_tensors.Image:
    """Decode an image file to (3, H, W) uint8 RGB.

    Grey and palette images are converted. Grey of 16 bits is scaled to 8; pixels that are signed, have 32 bits or a
    floating point are refused, as nobody can know which of their values is white.

    Args:
        path: a file in one of `FORMATS`; of several frames the first is taken.
        turn: turn the picture upright, as cameras ask for by EXIF's orientation. Without, the pixels are those that are
            stored, in which COCO's and VOC's boxes are given.
        max_pixels: refuse a picture of more pixels before it is decoded.

    Raises CorruptImageError, which names the file.
    """
    with _opened(path, max_pixels) as picture:
        return pixels_of(picture, turn=turn, max_pixels=max_pixels)


def pixels_of(picture: Image.Image, *, turn: bool = False, max_pixels: int = MAX_PIXELS) -> tv_tensors.Image:
    """The pixels of a picture that Pillow has opened or made, as `read_image` gives those of a file.

    Raises whatever Pillow raises at a damaged file, and ValueError for pixels of an unknown range.
    """
    orientation = _header(picture).orientation
    upright = picture.format == "TIFF"  # whose orientation Pillow follows by itself
    with _limit_of_pillow(max_pixels):
        pixels = _rgb(picture)
    if orientation > 1 and turn != upright:
        pixels = turned(pixels, orientation if turn else {6: 8, 8: 6}.get(orientation, orientation))
    return tv_tensors.Image(torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C")))


def read_header(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Header:
    """Size and orientation of an image file; its pixels are not decoded. Raises CorruptImageError.

    Within ``each_header_once`` a file that has not changed is opened once.
    """

    def read() -> Header:
        with _opened(path, max_pixels) as picture:
            return _header(picture)._replace(several=_several(picture))

    header = once(path, read)
    if (pixels := header.width * header.height) > max_pixels:  # it was read with another limit before
        raise CorruptImageError(path, _too_many(pixels, max_pixels))
    return header


def tell_several(path: str | Path) -> None:
    """Warn of a picture that has been read, if it is animated or has pages: what is found is found in the first."""
    try:
        several = read_header(path, max_pixels=sys.maxsize).several
    except CorruptImageError:
        return
    if several:
        warnings.warn(
            f"{printable(path)} has several frames or pages: the first alone is read. Save the others as pictures of "
            "their own, or an animation as a video.",
            UserWarning,
            stacklevel=2,
        )


def image_size(path: str | Path, *, turn: bool = False) -> tuple[int, int]:
    """(width, height) of an image file in pixels, from its header alone. Raises CorruptImageError."""
    return read_header(path).size(turn)


def turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Stored pixels (H, W, ...) turned upright, for EXIF's orientation of 1 to 8; a view where that is possible."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


@cache
def known_formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this Pillow has; asked for another, it would fail."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@contextlib.contextmanager
def _opened(path: str | Path, max_pixels: int) -> Iterator[Image.Image]:
    """The picture before its pixels are decoded; whatever is wrong with it, here or inside, is a CorruptImageError.

    Decoders raise errors of every kind at a damaged file. A memory that runs out says nothing about the file.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would be waited for
            raise CorruptImageError(path, "it is no regular file")
        with open(path, "rb") as file:
            reason = _foreign(file.read(64), Path(path).suffix.lower())
            if reason is not None:
                raise CorruptImageError(path, reason)
            with _limit_of_pillow(max_pixels):
                picture = Image.open(file, formats=known_formats())
            with picture:
                if (pixels := picture.size[0] * picture.size[1]) > max_pixels:
                    raise CorruptImageError(path, _too_many(pixels, max_pixels))
                yield picture
    except (CorruptImageError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        found = re.search(r"\d+", str(error))
        raise CorruptImageError(path, _too_many(int(found[0]) if found else 0, max_pixels)) from None
    except FileNotFoundError:
        raise CorruptImageError(path, "there is no such file") from None
    except Image.UnidentifiedImageError:
        raise CorruptImageError(path, f"it is none of {', '.join(FORMATS[:-1])} and {FORMATS[-1]}") from None
    except Exception as error:
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise CorruptImageError(path, text or type(error).__name__) from error


def _too_many(pixels: int, most: int) -> str:
    return Message(
        f"it has {pixels:,} pixels, more than the {most:,} that are decoded; if it is right, allow them with "
        f"{setting('max_pixels', pixels, option=f'--max-pixels {pixels}')}"
    )


@contextlib.contextmanager
def _limit_of_pillow(most: int) -> Iterator[None]:
    """Lift Pillow's own limit of pixels, which is one for the whole process, where ours is higher."""
    if Image.MAX_IMAGE_PIXELS is None or most <= Image.MAX_IMAGE_PIXELS:
        yield
        return
    with _PILLOWS_LIMIT:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _foreign(start: bytes, suffix: str) -> str | None:
    """Why a picture of a format that is in use, but not read, is refused; None for all others."""
    if start[4:8] == b"ftyp" and start[8:12] in _HEIC_BRANDS and b"avif" not in start[8:]:
        return "it is HEIC, which is not read: convert it to JPEG or PNG, or let the phone save JPEG"
    if start[4:8] == b"ftyp" and "AVIF" not in known_formats():
        return "it is AVIF, which this Pillow cannot read: install pillow 11.3 or newer"
    if suffix in _RAW_SUFFIXES:
        return "it is a camera's raw file, which is not read: convert it to JPEG, PNG or TIFF"
    return None


def _header(picture: Image.Image) -> Header:
    orientation: Any = 1
    width, height = picture.size
    tags = getattr(picture, "tag_v2", None)
    if tags is not None:  # TIFF: the sizes that are stored, which Pillow swaps, depending on its version
        orientation = tags.get(_ORIENTATION, 1)
        width, height = int(tags[256]), int(tags[257])
    else:
        with contextlib.suppress(Exception):  # what cameras write there is often damaged, the pixels are not
            orientation = _png_orientation(picture) if picture.format == "PNG" else _orientation(picture)
    if width < 1 or height < 1:
        raise ValueError(f"it has {width}×{height} pixels")
    return Header(width, height, int(orientation) if orientation in range(1, 9) else 1)


def _several(picture: Image.Image) -> bool:
    """Whether there is another picture behind the first: frames of GIF, PNG, WebP and AVIF, pages of TIFF.

    A smaller copy of the first, which microscopes and scanners put behind it, is none, nor is what cameras put into a
    JPEG (a preview, distances). What cannot be told of a damaged file counts as one.
    """
    if picture.format not in ("GIF", "PNG", "WEBP", "AVIF", "TIFF"):
        return False
    with contextlib.suppress(Exception):
        if picture.format != "TIFF":
            return bool(getattr(picture, "is_animated", False))
        for page in range(1, _MAX_PAGES):
            picture.seek(page)  # an EOFError behind the last
            if not picture.tag_v2.get(_KIND_OF_PAGE, 0) & 1:  # type: ignore[attr-defined]
                return True
    return False


def _orientation(picture: Image.Image) -> Any:
    return picture.getexif().get(_ORIENTATION, 1)


def _png_orientation(picture: Image.Image) -> Any:
    """That of a PNG, which may stand behind its pixels; Pillow would decode them all to look there.

    The parts of a PNG are gone through without reading them. Those that may tell the orientation, of a picture that has
    none before its pixels, make a PNG of one pixel for Pillow to read.
    """
    if "exif" in picture.info:
        return _orientation(picture)
    file: Any = picture.fp  # type: ignore[attr-defined]
    place = file.tell()
    found = [b"\x89PNG\r\n\x1a\n", _part(b"IHDR", b"\0\0\0\1\0\0\0\1\x08\0\0\0\0")]
    left = _MAX_TOLD
    try:
        file.seek(8)
        for _ in range(_MAX_PARTS):
            head = file.read(8)
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            if len(head) < 8 or kind == b"IEND":
                break
            start = file.tell()
            if kind == b"eXIf" or (kind in _TEXTS and file.read(80).split(b"\0")[0] in _TELLING):
                file.seek(start)
                if (left := left - length) < 0:
                    break
                found.append(_part(kind, file.read(length)))
            file.seek(start + length + 4)
    finally:
        file.seek(place)
    if len(found) == 2:
        return 1
    found += [_part(b"IDAT", zlib.compress(b"\0\0")), _part(b"IEND", b"")]
    with Image.open(io.BytesIO(b"".join(found)), formats=("PNG",)) as told:
        return _orientation(told)


def _part(kind: bytes, content: bytes) -> bytes:
    """A part of a PNG."""
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def _rgb(picture: Image.Image) -> NDArray[np.uint8]:
    """(H, W, 3) uint8; of TIFF upright, as Pillow turns it."""
    tags = getattr(picture, "tag_v2", {})
    bits, white_is_zero = tags.get(_BITS, (16,))[0], tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    picture.load()
    mode = picture.mode
    if mode.startswith("I;16") or (mode == "I" and picture.format == "PNG"):  # PNG has no more than 16 bits
        top = 2**bits - 1
        eight_bits = ((np.arange(2**16).clip(0, top) * 255 + top // 2) // top).astype(np.uint8)
        grey = eight_bits[np.asarray(picture).astype(np.uint16, copy=False)]
        if white_is_zero:
            grey = 255 - grey
        return np.broadcast_to(grey[..., None], (*grey.shape, 3))
    if mode in ("I", "F"):
        kind = "signed or 32-bit whole" if mode == "I" else "floating-point"
        raise ValueError(f"its pixels are {kind} numbers without a known range: save it with 8 or 16 bits")
    return np.asarray(picture if mode == "RGB" else picture.convert("RGB"))
