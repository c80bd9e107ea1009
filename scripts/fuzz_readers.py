"""The readers of annotations and pictures, as ``scripts/fuzz.py`` tries them."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import re
import struct
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import torch
from hypothesis import strategies as st
from PIL import Image, features

from fcos_edu.data import coco, voc
from fcos_edu.data.dataset import FileDataset
from fcos_edu.data.decoding import CorruptImageError, read_header, read_image
from fcos_edu.data.statistics import summary
from scripts.fuzz_inputs import MB, Broken, Target, as_text, broken, changed_json


def annotations_memory(size: int) -> int:
    """The bound for annotations: what the arrays and the parser need, and twenty times the file."""
    return 64 * MB + 20 * size


def read_all(dataset: FileDataset) -> None:
    """Every image of a data set, and its truth."""
    for index in range(len(dataset)):
        dataset[index]
    json.dumps(dataset.ground_truth())
    str(summary(dataset))


@contextlib.contextmanager
def naming(*names: str) -> Iterator[None]:
    """Let no error pass as named that names none of these: a library may have raised it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            yield
        except (ValueError, OSError) as error:
            if not any(name in str(error) for name in names):
                raise AssertionError(f"{type(error).__name__} without a name: {error}") from error
            raise


def picture(folder: Path, name: str) -> None:
    """A small picture of noise."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    values = np.random.RandomState(0).randint(0, 256, (30, 40, 3)).astype(np.uint8)
    Image.fromarray(values).save(folder / name)


def coco_file() -> Target:
    """Annotations in COCO's format: a data set of a single file, its pictures beside it."""
    whole = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 40, "height": 30} for i in (1, 2)],
        "annotations": [
            {"id": i, "image_id": 1 + i % 2, "category_id": 1 + i % 3, "bbox": [i, 2.5, 10, 12], "area": 120,
             "iscrowd": int(i == 3), "segmentation": [[1, 2, 3, 4]]}
            for i in range(6)
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(("nut", "bolt", "ring"), start=1)],
    }  # fmt: skip

    def read(path: Path) -> None:
        for i in (1, 2):
            if not (path.parent / f"{i}.png").exists():
                picture(path.parent, f"{i}.png")
        with naming("input", str(path.parent)):
            for on_corrupt in ("error", "skip"):
                read_all(FileDataset(coco.read(path), on_corrupt=on_corrupt))

    raw = json.dumps(whole)
    inputs = st.one_of(
        broken(raw.encode()),
        broken(raw.encode("utf-16")),
        *[
            st.builds(lambda value: Broken("changed values", as_text(value).encode()), changed_json(whole))
            for _ in range(3)
        ],
        st.builds(
            lambda digits, place: Broken("digits put in", (raw[:place] + digits + raw[place:]).encode()),
            st.sampled_from(["9" * 20, "9" * 400, "9" * 5000, "1e999", "-1e-999", "NaN", "Infinity"]),
            st.sampled_from([at.start() for at in re.finditer("[0-9]", raw)]),
        ),
        st.builds(
            lambda depth, opening: Broken("deep", (opening * depth).encode()),
            st.sampled_from([10, 900, 1100, 100_000]),
            st.sampled_from(["[", '{"images":', '{"images":[']),
        ),
    )
    return Target(inputs, read, ".json", (ValueError, OSError), annotations_memory)


TEXTS = st.one_of(
    st.sampled_from(
        ["", " ", "0", "-1", "1", "1e999", "nan", "inf", "1" * 400, "2147483648", "x", "\x1b[31m", "é", "../a.png",
         "/etc/hostname", "a.png", "b.jpg", "\u202e", "\ud800", "1_0", "１"]
    ),
    st.text(max_size=20),
)  # fmt: skip


@st.composite
def changed_xml(draw: st.DrawFn, whole: str) -> bytes:
    """An XML document with one to three elements left out, doubled, renamed, nested, or with another text."""
    root = ElementTree.fromstring(whole)
    names = sorted({element.tag for element in root.iter()})
    for _ in range(draw(st.integers(1, 3))):
        parents = [element for element in root.iter() if len(element)]
        if not parents:
            break
        parent = draw(st.sampled_from(range(len(parents))).map(parents.__getitem__))
        at = draw(st.integers(0, len(parent) - 1))
        action = draw(st.sampled_from(["text", "text", "leave out", "double", "rename", "nest", "flatten"]))
        if action == "text":
            parent[at].text = draw(TEXTS)
        elif action == "leave out":
            del parent[at]
        elif action == "double":
            parent.insert(at, copy.deepcopy(parent[at]))
        elif action == "rename":
            parent[at].tag = draw(st.sampled_from(names))
        elif action == "nest":
            for _ in range(draw(st.sampled_from([1, 10, 400]))):
                outer = ElementTree.Element(parent[at].tag)
                outer.append(parent[at])
                parent[at] = outer
        else:
            for child in list(parent):
                parent.remove(child)
            parent.text = draw(TEXTS)
    return ElementTree.tostring(root, "unicode").encode("utf-8", "surrogatepass")


def voc_file(*, flat: bool = False) -> Target:
    """Annotations in VOC's format: a data set of a folder with this one, in VOC's layout or beside its picture."""
    item = (
        "<object><name>{}</name><pose>Left</pose><truncated>0</truncated><difficult>{}</difficult><bndbox><xmin>3</xmin>"
        "<ymin>4</ymin><xmax>30</xmax><ymax>20</ymax></bndbox></object>"
    )
    whole = (
        "<annotation><folder>JPEGImages</folder><filename>a.png</filename><size><width>40</width><height>30</height>"
        f"<depth>3</depth></size>{item.format('cat', 0)}{item.format('dog', 1)}</annotation>"
    )

    def read(path: Path) -> None:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            place = Path(folder)
            pictures, labels = (place, place) if flat else (place / "JPEGImages", place / "Annotations")
            labels.mkdir(exist_ok=True)
            picture(pictures, "a.png")
            path.rename(labels / "a.xml")
            with naming("a.xml", place.name):
                read_all(FileDataset(voc.read(place), on_corrupt="error"))

    declared = st.sampled_from(["utf-8", "utf-16", "latin-1", "gb2312", "klingon", "base64", "utf-7", "ascii", "cp037"])
    inputs = st.one_of(
        broken(whole.encode()),
        broken(whole.encode("utf-16")),
        *[changed_xml(whole).map(lambda content: Broken("changed elements", content)) for _ in range(3)],
        st.builds(
            lambda name, content: Broken("encoding", f'<?xml version="1.0" encoding="{name}"?>'.encode() + content),
            declared,
            st.one_of(st.just(whole.encode()), st.binary(max_size=50), changed_xml(whole)),
        ),
        st.builds(
            lambda depth, tag: Broken(
                "deep", f"<annotation>{f'<{tag}>' * depth}{f'</{tag}>' * depth}</annotation>".encode()
            ),
            st.sampled_from([10, 900, 5000, 50_000]),
            st.sampled_from(["x", "object", "bndbox", "annotation"]),
        ),
        st.builds(
            lambda count: Broken("entities", (
                '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
                + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(count))
                + f"]>{whole.replace('cat', f'&{chr(97 + count)};')}"
            ).encode()),
            st.integers(0, 12),
        ),
    )  # fmt: skip
    return Target(inputs, read, ".xml", (ValueError, OSError), annotations_memory)


def chunk(name: bytes, content: bytes) -> bytes:
    """A part of a PNG, with its checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


MAX_PIXELS = 40_000_000  # fewer than a user may have: at 89 million honest decoding alone takes two seconds


def image_file() -> Target:
    """Pictures of every format that is read, and of some that are not."""
    values = np.random.RandomState(0).randint(0, 256, (16, 24, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[274] = 6
    colour, grey = Image.fromarray(values), Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    made: list[tuple[str, Image.Image, dict[str, Any]]] = [
        ("JPEG", colour, {"exif": exif}), ("JPEG", colour, {"progressive": True}), ("JPEG", colour.convert("CMYK"), {}),
        ("PNG", colour, {"exif": exif}), ("PNG", grey, {}), ("PNG", colour.convert("P"), {}), ("BMP", colour, {}),
        ("GIF", colour, {"save_all": True, "append_images": [colour.rotate(90)]}), ("WEBP", colour, {"exif": exif}),
        ("TIFF", colour, {"exif": exif}), ("TIFF", grey, {}), ("TIFF", colour, {"compression": "tiff_lzw"}),
        ("TIFF", colour, {"compression": "jpeg"}), ("TIFF", colour, {"compression": "tiff_adobe_deflate"}),
    ]  # fmt: skip
    if features.check("avif"):
        made.append(("AVIF", colour, {"exif": exif}))
    whole = []
    for kind, image, options in made:
        buffer = io.BytesIO()
        image.save(buffer, format=kind, **options)
        whole.append(buffer.getvalue())

    def lying(width: int, height: int, depth: int, colours: int, interlaced: int, content: bytes) -> Broken:
        head = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, interlaced)
        parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")
        return Broken("size that lies", b"\x89PNG\r\n\x1a\n" + parts)

    def read(path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, at damaged EXIF
            image = read_image(path, turn=True, max_pixels=MAX_PIXELS)
            assert image.dtype == torch.uint8 and image.shape[0] == 3
            assert tuple(image.shape[:0:-1]) == read_header(path).size(True)

    sizes = st.one_of(st.integers(0, 100), st.sampled_from([8000, 9433, 20_000, 65_535, 2**31 - 1, 2**32 - 1]))
    others = [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nquit\n", b"DDS " + bytes(200)]
    inputs = st.one_of(
        *[broken(content) for content in whole],
        st.builds(
            lying, sizes, sizes, st.sampled_from([1, 2, 4, 8, 16, 3]), st.integers(0, 7), st.integers(0, 1),
            st.binary(max_size=200),
        ),
        st.builds(
            lambda one, other, at: Broken("two in one", one[: at % len(one)] + other[at % len(other) :]),
            st.sampled_from(whole), st.sampled_from(whole), st.integers(0, 5000),
        ),
        st.sampled_from(others).map(lambda content: Broken("other formats", content)),
    )  # fmt: skip
    return Target(inputs, read, ".jpg", (CorruptImageError,), lambda size: 16 * MAX_PIXELS)


READERS: dict[str, Callable[[], Target]] = {
    "COCO annotations": coco_file,
    "VOC annotations": voc_file,
    "VOC annotations beside pictures": lambda: voc_file(flat=True),
    "pictures": image_file,
}
