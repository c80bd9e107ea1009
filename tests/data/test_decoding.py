"""Picture files: every kind becomes RGB, a broken one is named, and none starts a program or fills the memory."""

from __future__ import annotations

import io
import multiprocessing
import os
import struct
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import matplotlib.cbook
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps, features
from PIL.PngImagePlugin import PngImageFile, PngInfo
from torchvision import tv_tensors

from fcos_edu.data import decoding
from fcos_edu.data._headers import each_header_once
from fcos_edu.data.decoding import CorruptImageError, Header, image_size, is_picture, read_header, read_image, turned

PHOTOGRAPH = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)


def picture(height: int = 5, width: int = 7, seed: int = 0) -> Image.Image:
    """Any colours."""
    values = np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8)
    return Image.fromarray(values)


def grey(values: np.ndarray, path: Path, **options: Any) -> Path:
    Image.fromarray(values).save(path, **options)
    return path


def test_read_image_of_a_photograph() -> None:
    image = read_image(PHOTOGRAPH)
    with Image.open(PHOTOGRAPH) as photograph:
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.array(photograph))
        assert image_size(PHOTOGRAPH) == photograph.size == (image.shape[2], image.shape[1])
    assert isinstance(image, tv_tensors.Image) and image.dtype == torch.uint8 and image.is_contiguous()


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA", "YCbCr"])
def test_every_kind_of_image_becomes_rgb(tmp_path, mode: str) -> None:
    path = tmp_path / ("a.tiff" if mode in ("CMYK", "YCbCr") else "a.png")
    Image.new("RGB", (7, 5), (255, 255, 255)).convert(mode).save(path)
    image = read_image(path)
    assert image.shape == (3, 5, 7) and (image == 255).all()


@pytest.mark.parametrize(
    "name",
    ["a.jpg", "a.JPEG", "a.jfif", "a.png", "a.bmp", "a.tif", "a.tiff", "a.webp", "a.gif", "a.avif", "misnamed.txt"],
)
def test_every_format_is_read(tmp_path: Path, name: str) -> None:
    if name == "a.avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    kind = {"a.jfif": "JPEG", "misnamed.txt": "PNG"}.get(name)
    picture().save(tmp_path / name, format=kind)
    with Image.open(tmp_path / name) as opened:
        wanted = np.array(opened.convert("RGB"))
    assert np.array_equal(read_image(tmp_path / name).permute(1, 2, 0).numpy(), wanted)
    assert image_size(tmp_path / name) == (7, 5)
    assert is_picture(name) == (name != "misnamed.txt") and not is_picture(f"._{name}")


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "tiff"])
def test_of_several_frames_the_first_is_taken(tmp_path: Path, kind: str) -> None:
    red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    red.save(
        tmp_path / f"a.{kind}", save_all=True, append_images=[blue], **({"lossless": True} if kind == "webp" else {})
    )
    assert read_image(tmp_path / f"a.{kind}")[:, 4, 4].tolist() == [255, 0, 0]


# ---- 16 bits and more ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "a.tif", "big-endian.tif"])
def test_sixteen_bits_are_scaled(tmp_path: Path, name: str) -> None:
    values = np.array([[0, 128, 257, 65535], [32768, 40000, 256, 65300]], np.uint16)
    if name == "big-endian.tif":
        Image.frombytes("I;16B", (4, 2), values.astype(">u2").tobytes()).save(tmp_path / name)
    else:
        grey(values, tmp_path / name)
    image = read_image(tmp_path / name)
    assert image.shape == (3, 2, 4)
    for channel in image:
        assert np.array_equal(channel.numpy(), np.round(values / 257))


def test_sixteen_bits_of_colour_are_what_the_high_bytes_are(tmp_path: Path) -> None:
    values = np.random.RandomState(1).randint(0, 65536, (4, 3, 3)).astype(np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    (tmp_path / "a.png").write_bytes(png(3, 4, rows, depth=16, colour=2))
    assert np.array_equal(read_image(tmp_path / "a.png").permute(1, 2, 0).numpy(), values >> 8)


def test_white_may_be_zero(tmp_path: Path) -> None:
    path = grey(np.array([[0, 65535]], np.uint16), tmp_path / "a.tif", tiffinfo={262: 0})
    with Image.open(path) as opened:
        assert opened.tag_v2[262] == 0
    assert read_image(path)[0].tolist() == [[255, 0]]


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_pixels_without_a_known_range_are_refused(tmp_path: Path, kind: type) -> None:
    path = grey(np.ones((5, 7), kind), tmp_path / "a.tif")
    words = {np.int32: "signed or 32-bit whole", np.float32: "floating-point"}[kind]
    sentence = rf"a\.tif cannot be read as an image \(its pixels are {words} numbers without a known range: save it"
    with pytest.raises(CorruptImageError, match=sentence):
        read_image(path)
    assert image_size(path) == (7, 5)


# ---- orientation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_pillow_turns_them(tmp_path: Path, kind: str, orientation: int) -> None:
    path, stored = tmp_path / f"a.{kind}", picture(6, 9)
    exif = Image.Exif()
    exif[274] = orientation
    stored.save(path, exif=exif, **({"lossless": True} if kind == "webp" else {}))
    with Image.open(path) as opened:
        upright = np.array(ImageOps.exif_transpose(opened).convert("RGB"))
    seen = read_image(path, turn=True)
    assert np.array_equal(seen.permute(1, 2, 0).numpy(), upright)
    assert read_header(path) == Header(9, 6, orientation)
    assert image_size(path) == (9, 6) and image_size(path, turn=True) == upright.shape[1::-1]
    as_stored = read_image(path).permute(1, 2, 0).numpy()
    assert as_stored.shape == (6, 9, 3)
    assert np.array_equal(turned(as_stored, orientation), upright)
    if kind in ("png", "webp"):
        assert np.array_equal(as_stored, np.array(stored))


def png_parts(content: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and whole bytes of each part of a PNG."""
    parts, place = [], 8
    while place < len(content):
        end = place + 12 + int.from_bytes(content[place : place + 4], "big")
        parts.append((content[place + 4 : place + 8], content[place:end]))
        place = end
    return parts


def behind(kind: str, orientation: int) -> bytes:
    """A picture whose orientation stands behind its pixels, as some programs write it."""
    exif, stored = Image.Exif(), picture(6, 9, seed=orientation)
    exif[274] = orientation
    if kind == "tiff":
        pixels = np.array(stored).tobytes()
        tags = [(256, 9), (257, 6), (258, 0), (259, 1), (262, 2), (273, 8), (274, orientation), (277, 3), (278, 6),
                (279, len(pixels))]  # fmt: skip
        end = 8 + len(pixels)
        bits = end + 2 + 12 * len(tags) + 4
        body = b"".join(
            struct.pack("<HHII", 258, 3, 3, bits) if tag == 258 else struct.pack("<HHII", tag, 4, 1, value)
            for tag, value in tags
        )
        return b"".join([b"II*\0", struct.pack("<I", end), pixels, struct.pack("<H", len(tags)), body, bytes(4),
                         struct.pack("<HHH", 8, 8, 8)])  # fmt: skip
    out = io.BytesIO()
    if kind == "webp":
        stored.save(out, "webp", exif=exif, lossless=True)
        assert out.getvalue().index(b"EXIF") > out.getvalue().index(b"VP8L")
        return out.getvalue()
    if kind == "eXIf":
        stored.save(out, "png", exif=exif)
    else:
        info, xmp = PngInfo(), f'<x tiff:Orientation="{orientation}"/>'
        if kind == "profile":  # of ImageMagick
            raw = exif.tobytes()
            info.add_text("Raw profile type exif", f"\nexif\n{len(raw):8}\n{raw.hex()}\n", zip=True)
        else:
            info.add_itxt("XML:com.adobe.xmp", xmp)
        stored.save(out, "png", pnginfo=info)
    parts = png_parts(out.getvalue())
    told = [one for kind, one in parts if kind in (b"eXIf", b"zTXt", b"iTXt")]
    assert len(told) == 1
    first = [one for kind, one in parts if kind not in (b"eXIf", b"zTXt", b"iTXt", b"IEND")]
    return b"".join([out.getvalue()[:8], *first, *told, parts[-1][1]])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["eXIf", "profile", "xmp", "webp", "tiff"])
def test_an_orientation_behind_the_pixels_is_found_without_decoding_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, orientation: int
) -> None:
    path = tmp_path / f"a.{kind if kind in ('webp', 'tiff') else 'png'}"
    path.write_bytes(behind(kind, orientation))
    with Image.open(path) as opened:
        upright = np.array(ImageOps.exif_transpose(opened).convert("RGB"))
    assert upright.shape == ((6, 9, 3) if orientation < 5 else (9, 6, 3))
    decode = PngImageFile.load

    def small_alone(file: PngImageFile) -> Any:
        assert file.size == (1, 1), "the pixels were decoded for the header"
        return decode(file)

    with monkeypatch.context() as patch:
        patch.setattr(PngImageFile, "load", small_alone)
        assert read_header(path) == Header(9, 6, orientation)
    assert np.array_equal(read_image(path, turn=True).permute(1, 2, 0).numpy(), upright)
    assert np.array_equal(read_image(path).permute(1, 2, 0).numpy(), np.array(picture(6, 9, seed=orientation)))


def test_parts_of_a_png_without_end_are_not_gone_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many parts, long ones that may tell an orientation, and one that says it is longer than the file."""
    content = behind("eXIf", 6)
    end = content[-12:]
    empty = struct.pack(">I4sI", 0, b"teSt", zlib.crc32(b"teSt"))
    path = tmp_path / "a.png"
    monkeypatch.setattr(decoding, "_MAX_PARTS", 100)
    path.write_bytes(content[:33] + 90 * empty + content[33:])
    assert read_header(path).orientation == 6
    path.write_bytes(content[:33] + 100 * empty + content[33:])
    assert read_header(path).orientation == 1
    long = struct.pack(">I4s", 1 << 20, b"eXIf") + bytes(1 << 20) + bytes(4)
    for more in (long, struct.pack(">I4s", 2**31 - 1, b"eXIf"), struct.pack(">I4s", 9, b"iTXt")):
        plain = b"".join(one for kind, one in png_parts(content) if kind not in (b"eXIf", b"IEND"))
        path.write_bytes(content[:8] + plain + more + end)
        assert read_header(path) == Header(9, 6, 1)


def test_an_orientation_that_is_none_is_passed_over(tmp_path: Path) -> None:
    for value in (0, 9, 77):
        exif = Image.Exif()
        exif[274] = value
        picture().save(tmp_path / "a.jpg", exif=exif)
        assert read_header(tmp_path / "a.jpg").orientation == 1
    picture().save(tmp_path / "a.jpg", exif=b"Exif\0\0damaged and no more")
    assert read_image(tmp_path / "a.jpg", turn=True).shape == (3, 5, 7)


# ---- what is refused ----------------------------------------------------------------------------------------------


def png(width: int, height: int, rows: bytes | None = None, *, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG whose pixels are ``rows``, or of the size that it says with nothing but black in it."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    if rows is None:
        packer, line = zlib.compressobj(9), bytes(1 + width)
        content = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    else:
        content = zlib.compress(rows)
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def test_a_jpeg_that_is_cut_off_is_corrupt(tmp_path) -> None:
    whole = Path(PHOTOGRAPH).read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptImageError, match="a.jpg cannot be read as an image .*truncated"):
        read_image(tmp_path / "a.jpg")


def test_a_program_in_a_picture_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow hands PostScript to Ghostscript, whatever the file's name; here to a stand-in that leaves a mark."""
    mark, programs = tmp_path / "started", tmp_path / "programs"
    programs.mkdir()
    for name in ("gs", "gswin64c", "gswin32c"):
        (programs / name).write_text(f"#!/bin/sh\ntouch {mark}\nexit 0\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    attack = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(%pipe%id) (w) file\n%%EOF\n"
    for name in ("a.jpg", "a.png", "a.eps"):
        (tmp_path / name).write_bytes(attack)
        for read in (read_image, image_size):
            with pytest.raises(CorruptImageError, match=r"it is none of JPEG, PNG, BMP, TIFF, WEBP, GIF and AVIF"):
                read(tmp_path / name)
    assert not mark.exists()
    if sys.platform == "linux":  # the stand-in works: without the bound of formats it is started
        with Image.open(tmp_path / "a.jpg") as opened, pytest.raises(OSError):
            opened.load()
        assert mark.exists()


@pytest.mark.parametrize("kind", ["DDS", "PCX", "PPM", "TGA", "ICO", "SGI", "SPIDER", "JPEG2000"])
def test_formats_that_are_not_asked_for_are_no_pictures(tmp_path: Path, kind: str) -> None:
    made = Image.new("F" if kind == "SPIDER" else "RGB", (16, 16))
    made.save(tmp_path / "a.other", format=kind)
    (tmp_path / "a.other").rename(tmp_path / "a.jpg")
    with pytest.raises(CorruptImageError, match=r"it is none of JPEG, PNG, "):
        read_image(tmp_path / "a.jpg")


def test_heic_raw_and_missing_files_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))
    with pytest.raises(CorruptImageError, match="it is HEIC, which is not read: convert it to JPEG or PNG"):
        read_image(tmp_path / "a.jpg")
    picture().save(tmp_path / "b.tif")
    (tmp_path / "b.tif").rename(tmp_path / "b.DNG")
    with pytest.raises(CorruptImageError, match="it is a camera's raw file"):
        read_image(tmp_path / "b.DNG")
    with pytest.raises(CorruptImageError, match="there is no such file"):
        read_image(tmp_path / "c.jpg")
    with pytest.raises(CorruptImageError, match="it is no regular file"):
        read_image(tmp_path)


def test_a_pipe_named_like_a_picture_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    for read in (read_image, image_size):
        with pytest.raises(CorruptImageError, match="it is no regular file"):
            read(tmp_path / "a.jpg")


def test_a_loop_of_links_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to(tmp_path / "b.jpg")
    (tmp_path / "b.jpg").symlink_to(tmp_path / "a.jpg")
    with pytest.raises(CorruptImageError, match=r"a\.jpg cannot be read as an image \(Too many levels"):
        read_image(tmp_path / "a.jpg")


def test_names_do_not_reach_the_terminal_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(CorruptImageError) as caught:
        read_image(tmp_path / "\x1b[2J\n.jpg")
    assert "\\x1b[2J\\n.jpg" in str(caught.value) and str(caught.value).isprintable()
    assert caught.value.path == tmp_path / "\x1b[2J\n.jpg"


@pytest.mark.parametrize("kind", [OSError, SyntaxError, ValueError, KeyError, struct.error, ZeroDivisionError])
def test_whatever_a_decoder_raises_is_a_corrupt_image(tmp_path: Path, monkeypatch, kind: type[Exception]) -> None:
    picture().save(tmp_path / "a.png")
    monkeypatch.setattr(decoding, "_rgb", lambda picture: (_ for _ in ()).throw(kind("odd")))
    with pytest.raises(CorruptImageError, match=r"a\.png cannot be read as an image \('?odd'?\)"):
        read_image(tmp_path / "a.png")


def test_out_of_a_loaders_process_comes_the_sentence_alone(tmp_path: Path) -> None:
    error = CorruptImageError(tmp_path / "a.png", "cut off")
    text = f"Caught CorruptImageError in DataLoader worker process 0.\nOriginal Traceback:\n  x\n{decoding.__name__}."
    again = CorruptImageError(f"{text}CorruptImageError: {error}")
    assert str(again) == str(error) and again.path is None


# ---- pixels and memory --------------------------------------------------------------------------------------------


def test_more_pixels_than_allowed_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(13_000, 14_000))
    assert (tmp_path / "a.png").stat().st_size < 300_000
    sentence = r"it has 182,000,000 pixels, more than the 89,000,000 .* max_pixels=182000000 \(--max-pixels 182000000\)"
    for read in (read_image, image_size):
        with pytest.raises(CorruptImageError, match=sentence):
            read(tmp_path / "a.png")
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_header(tmp_path / "a.png", max_pixels=200_000_000) == Header(13_000, 14_000)
    assert before == Image.MAX_IMAGE_PIXELS


def test_the_limit_holds_for_ordinary_pictures_too(tmp_path: Path) -> None:
    picture(10, 10).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", max_pixels=100).shape == (3, 10, 10)
    with pytest.raises(CorruptImageError, match="it has 100 pixels, more than the 99"):
        read_image(tmp_path / "a.png", max_pixels=99)


def most_memory(path: str, connection: Any) -> None:
    """How much the process grows while it reads one picture."""

    def held(name: str) -> int:
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
        return int(line.split()[1]) * 1024

    picture(8, 8).save(f"{path}.small.png")
    read_image(f"{path}.small.png")
    before = held("VmRSS")
    read_image(path)
    connection.send(held("VmHWM") - before)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("kind", ["jpg", "rgba.png", "palette.png", "grey16.png", "webp", "gif", "tif", "bmp", "avif"])
def test_decoding_takes_at_most_sixteen_bytes_for_each_pixel(tmp_path: Path, kind: str) -> None:
    side = 2000
    path, made = tmp_path / f"a.{kind}", Image.new("RGB", (side, side), (90, 120, 30))
    if kind == "grey16.png":
        made = Image.fromarray(np.full((side, side), 4000, np.uint16))
    made = made.convert({"rgba.png": "RGBA", "palette.png": "P"}.get(kind, made.mode))
    made.save(path, **({"progressive": True} if kind == "jpg" else {}))
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=most_memory, args=(str(path), theirs))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert ours.recv() <= 16 * side * side + (8 << 20)


def test_a_header_is_read_once_in_a_block_unless_its_file_changes(tmp_path, monkeypatch) -> None:
    path, opened, real = tmp_path / "a.png", [], decoding._opened
    monkeypatch.setattr(decoding, "_opened", lambda *given: (opened.append(given), real(*given))[1])
    Image.new("RGB", (40, 30)).save(path)
    with each_header_once():
        assert read_header(path) == read_header(str(path)) == Header(40, 30) and len(opened) == 1
        with pytest.raises(CorruptImageError, match="has 1,200 pixels, more than the 100 .*max_pixels=1200"):
            read_header(path, max_pixels=100)
        with each_header_once():
            read_header(path)
        assert len(opened) == 1
        Image.new("RGB", (50, 30)).save(path)
        os.utime(path, ns=(0, 7))
        assert read_header(path) == Header(50, 30) and len(opened) == 2
        path.write_bytes(b"no picture")
        for _ in range(2):
            with pytest.raises(CorruptImageError):
                read_header(path)
        path.unlink()
        with pytest.raises(CorruptImageError, match="no such file"):
            read_header(path)
    Image.new("RGB", (8, 8)).save(path)
    opened.clear()
    assert read_header(path) == read_header(path) and len(opened) == 2
