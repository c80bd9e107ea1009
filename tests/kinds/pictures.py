"""Pictures, as they are read."""

from __future__ import annotations

import os
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from fcos_edu import FCOS
from fcos_edu.cli.detect import read
from fcos_edu.data import load
from fcos_edu.data.decoding import read_header, read_image
from tests.data.test_decoding import picture, png

from . import refused, right, told


def saved(folder: Path, name: str, kind: str | None = None, **options) -> Path:
    picture(30, 40).save(folder / name, format=kind, **options)
    return folder / name


def written(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274] = value
    return exif


@right("Pictures", "JPEG, PNG, BMP, TIFF, WebP, GIF, also with the wrong name", "decoded to 8-bit RGB")
def _(folder: Path) -> None:
    for kind in ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF"):
        assert read_image(saved(folder, "a.jpg", kind)).shape == (3, 30, 40)


@right("Pictures", "JPEG named .jfif, .JPG or .jpeg", "decoded")
def _(folder: Path) -> None:
    for name in ("a.jfif", "a.JPG", "a.jpeg"):
        assert read_image(saved(folder, name, "JPEG")).shape == (3, 30, 40)


@right("Pictures", "AVIF, where Pillow has its decoder", "decoded")
def _(folder: Path) -> None:
    from PIL import features

    if features.check("avif"):
        assert read_image(saved(folder, "a.avif")).shape == (3, 30, 40)


def animated(folder: Path) -> list[Path]:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    files = [folder / f"a.{kind}" for kind in ("gif", "png", "webp", "tiff")]
    for file in files:
        frames[0].save(file, save_all=True, append_images=frames[1:])
        assert read_image(file)[0].min() > 240
    return files


@told(
    "Pictures",
    "an animated GIF, PNG or WebP, a TIFF of several pages, among labelled pictures",
    "4 pictures have several frames or pages, of which the first alone is read (the first such is a.gif)",
)
def _(folder: Path) -> None:
    lines = "".join(f"{file.name},5,6,15,18,nut\n" for file in animated(folder))
    (folder / "boxes.csv").write_text(lines)
    assert len(load(folder)) == 4


@told(
    "Pictures",
    "the same, detected on",
    "a.tiff has several frames or pages: the first alone is read. Save the others as pictures of their own, or an "
    "animation as a video.",
)
def _(folder: Path) -> None:
    model = FCOS.pretrained("shapes")
    for file in animated(folder):
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            read(file, 10_000)
        assert len(heard) == 1 and str(file) in str(heard[0].message)
    assert model.detect(folder / "a.tiff").image[0].min() > 240


@right("Pictures", "a TIFF with a smaller copy of itself, a JPEG with a preview behind it", "read, without a word")
def _(folder: Path) -> None:
    whole, small = Image.new("RGB", (40, 30), "red"), Image.new("RGB", (20, 15), "red")
    small.encoderinfo = {"tiffinfo": {254: 1}}
    whole.save(folder / "a.tif", save_all=True, append_images=[small])
    whole.save(folder / "a.jpg", "MPO", save_all=True, append_images=[small])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(folder / "a.tif", 10_000).shape == read(folder / "a.jpg", 10_000).shape == (3, 30, 40)
    with Image.open(folder / "a.tif") as opened:
        assert opened.n_frames == 2


@right("Pictures", "grey, palette, black and white, with transparency, CMYK", "made RGB")
def _(folder: Path) -> None:
    for mode in ("L", "P", "1", "RGBA", "LA", "CMYK"):
        path = folder / ("a.tif" if mode == "CMYK" else "a.png")
        Image.new("RGB", (40, 30), "white").convert(mode).save(path)
        assert read_image(path).min() == 255


@right("Pictures", "grey of 16 bits, PNG or TIFF", "scaled to 8 bits: white is white, half is half")
def _(folder: Path) -> None:
    for name in ("a.png", "a.tif"):
        Image.fromarray(np.array([[0, 32768, 65535]], np.uint16)).save(folder / name)
        assert read_image(folder / name)[0].tolist() == [[0, 128, 255]]


@right("Pictures", "colour of 16 bits", "the upper 8 bits are taken")
def _(folder: Path) -> None:
    rows = b"\0" + np.array([[65535, 0, 32768]], ">u2").tobytes()
    path = written(folder, "a.png", png(1, 1, rows, depth=16, colour=2))
    assert read_image(path)[:, 0, 0].tolist() == [255, 0, 128]


@right("Pictures", "a TIFF in which 0 is white", "white where it says white")
def _(folder: Path) -> None:
    Image.fromarray(np.array([[0, 65535]], np.uint16)).save(folder / "a.tif", tiffinfo={262: 0})
    assert read_image(folder / "a.tif")[0].tolist() == [[255, 0]]


@refused(
    "Pictures",
    "32-bit whole or signed pixels",
    "a.tif cannot be read as an image (its pixels are signed or 32-bit whole numbers without a known range: save it "
    'with 8 or 16 bits). Replace the file, or leave such images out with on_corrupt="skip" (--on-corrupt skip).',
)
def _(folder: Path) -> None:
    Image.fromarray(np.ones((3, 4), np.int32)).save(folder / "a.tif")
    read_image(folder / "a.tif")


@refused(
    "Pictures",
    "floating-point pixels",
    "a.tif cannot be read as an image (its pixels are floating-point numbers without a known range: save it with 8 or "
    '16 bits). Replace the file, or leave such images out with on_corrupt="skip" (--on-corrupt skip).',
)
def _(folder: Path) -> None:
    Image.fromarray(np.ones((3, 4), np.float32)).save(folder / "a.tif")
    read_image(folder / "a.tif")


@right("Pictures", "a photograph that its EXIF asks to turn, detected on", "turned upright, each of the eight ways")
def _(folder: Path) -> None:
    from PIL import ImageOps

    for value in range(1, 9):
        saved(folder, "a.png", exif=orientation(value))
        with Image.open(folder / "a.png") as opened:
            upright = np.array(ImageOps.exif_transpose(opened))
        assert np.array_equal(read_image(folder / "a.png", turn=True).permute(1, 2, 0), upright)


@right("Pictures", "an EXIF that is damaged, or an orientation of 0 or 77", "read as stored")
def _(folder: Path) -> None:
    for exif in (b"Exif\0\0damaged", orientation(0), orientation(77)):
        saved(folder, "a.jpg", exif=exif)
        assert read_image(folder / "a.jpg", turn=True).shape == (3, 30, 40)


@refused(
    "Pictures",
    "a file that is cut off",
    'a.png cannot be read as an image (…). Replace the file, or leave such images out with on_corrupt="skip" '
    "(--on-corrupt skip).",
)
def _(folder: Path) -> None:
    read_image(written(folder, "a.png", saved(folder, "b.png").read_bytes()[:900]))


@refused(
    "Pictures",
    "an empty file, or text",
    "a.jpg cannot be read as an image (it is none of JPEG, PNG, BMP, TIFF, WEBP, GIF and AVIF). Replace the file, or "
    'leave such images out with on_corrupt="skip" (--on-corrupt skip).',
)
def _(folder: Path) -> None:
    read_image(written(folder, "a.jpg", b""))


@refused(
    "Pictures",
    "PostScript named .jpg, for which Pillow would start Ghostscript",
    "a.jpg cannot be read as an image (it is none of JPEG, PNG, BMP, TIFF, WEBP, GIF and AVIF). Replace the file, or "
    'leave such images out with on_corrupt="skip" (--on-corrupt skip).',
)
def _(folder: Path) -> None:
    read_image(written(folder, "a.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nquit\n"))


@refused(
    "Pictures",
    "DDS, PCX, TGA, ICO, JPEG 2000 and other formats that Pillow knows",
    "a.png cannot be read as an image (it is none of JPEG, PNG, BMP, TIFF, WEBP, GIF and AVIF). Replace the file, or "
    'leave such images out with on_corrupt="skip" (--on-corrupt skip).',
)
def _(folder: Path) -> None:
    read_image(saved(folder, "a.dds", "DDS").rename(folder / "a.png"))


@refused(
    "Pictures",
    "HEIC of a telephone",
    "a.heic cannot be read as an image (it is HEIC, which is not read: convert it to JPEG or PNG, or let the phone "
    'save JPEG). Replace the file, or leave such images out with on_corrupt="skip" (--on-corrupt skip).',
)
def _(folder: Path) -> None:
    read_image(written(folder, "a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)))


@refused(
    "Pictures",
    "a camera's raw file",
    "a.nef cannot be read as an image (it is a camera's raw file, which is not read: convert it to JPEG, PNG or TIFF). "
    'Replace the file, or leave such images out with on_corrupt="skip" (--on-corrupt skip).',
)
def _(folder: Path) -> None:
    read_image(saved(folder, "a.nef", "TIFF"))


@refused(
    "Pictures",
    "a small file that unpacks to 177 million pixels",
    "a.png cannot be read as an image (it has 177,000,000 pixels, more than the 89,000,000 that are decoded; if it is "
    "right, allow them with max_pixels=177000000 (--max-pixels 177000000)). Replace the file, or leave such images out "
    'with on_corrupt="skip" (--on-corrupt skip).',
)
def _(folder: Path) -> None:
    read_image(written(folder, "a.png", png(17700, 10000, b"")))


@right("Pictures", "a picture above the limit that is allowed by max_pixels", "read")
def _(folder: Path) -> None:
    path = written(folder, "a.png", png(17700, 10000, b""))
    assert read_header(path, max_pixels=177_000_000).size(False) == (17700, 10000)


@refused(
    "Pictures",
    "a name whose file does not exist",
    "a.jpg cannot be read as an image (there is no such file). Replace the file, or leave such images out with "
    'on_corrupt="skip" (--on-corrupt skip).',
)
def _(folder: Path) -> None:
    read_image(folder / "a.jpg")


@refused(
    "Pictures",
    "a pipe named like a picture",
    "a.jpg cannot be read as an image (it is no regular file). Replace the file, or leave such images out with "
    'on_corrupt="skip" (--on-corrupt skip).',
)
def _(folder: Path) -> None:
    os.mkfifo(folder / "a.jpg")
    read_image(folder / "a.jpg")


@refused(
    "Pictures",
    "a folder named like a picture",
    "a.jpg cannot be read as an image (it is no regular file). Replace the file, or leave such images out with "
    'on_corrupt="skip" (--on-corrupt skip).',
)
def _(folder: Path) -> None:
    (folder / "a.jpg").mkdir()
    read_image(folder / "a.jpg")


@refused(
    "Pictures",
    "links that lead in a circle",
    'a.jpg cannot be read as an image (…). Replace the file, or leave such images out with on_corrupt="skip" '
    "(--on-corrupt skip).",
)
def _(folder: Path) -> None:
    (folder / "a.jpg").symlink_to(folder / "b.jpg")
    (folder / "b.jpg").symlink_to(folder / "a.jpg")
    read_image(folder / "a.jpg")


@refused(
    "Pictures",
    "an escape sequence in a file's name",
    "\\x1b[2J.jpg cannot be read as an image (there is no such file). Replace the file, or leave such images out with "
    'on_corrupt="skip" (--on-corrupt skip).',
)
def _(folder: Path) -> None:
    read_image(folder / "\x1b[2J.jpg")


@refused(
    "Pictures",
    "a PNG with a wrong checksum, or pixels that unpack to nothing",
    'a.png cannot be read as an image (…). Replace the file, or leave such images out with on_corrupt="skip" '
    "(--on-corrupt skip).",
)
def _(folder: Path) -> None:
    read_image(written(folder, "a.png", png(40, 30, zlib.compress(b"")[:1])))
