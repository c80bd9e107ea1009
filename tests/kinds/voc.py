"""Annotations in VOC's format."""

from __future__ import annotations

import os
from pathlib import Path

from fcos_edu.data.voc import VOCDataset

from . import refused, right, told
from .pictures import picture

OBJECT = "<object><name>cat</name><bndbox><xmin>6</xmin><ymin>7</ymin><xmax>15</xmax><ymax>18</ymax></bndbox></object>"
SIZE = "<size><width>40</width><height>30</height><depth>3</depth></size>"
BOX = [5, 6, 15, 18]


def annotation(inner: str = OBJECT, size: str = SIZE, file_name: str = "") -> str:
    return f"<annotation>{f'<filename>{file_name}</filename>' if file_name else ''}{size}{inner}</annotation>"


def read(folder: Path, content: str | bytes | None = None, lines: str | bytes = "a\n", **options) -> VOCDataset:
    """The split train of a folder with an annotation a, whose content is given, and its picture."""
    for part in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    add(folder, "a", annotation() if content is None else content)
    raw = lines if isinstance(lines, bytes) else lines.encode()
    (folder / "ImageSets" / "Main" / "train.txt").write_bytes(raw)
    return VOCDataset(folder, "train", **options)


def add(folder: Path, name: str, content: str | bytes, suffix: str = ".png") -> None:
    """An annotation, and its picture."""
    xml, image = folder / "Annotations" / f"{name}.xml", folder / "JPEGImages" / f"{name}{suffix}"
    for file in (xml, image):
        file.parent.mkdir(parents=True, exist_ok=True)
    xml.write_bytes(content if isinstance(content, bytes) else content.encode())
    picture(30, 40).save(image)


def names(dataset: VOCDataset) -> list[str]:
    return [dataset.file_name(i) for i in range(len(dataset))]


def boxes(dataset: VOCDataset) -> list[list[list[float]]]:
    return [dataset[i][1]["boxes"].tolist() for i in range(len(dataset))]


def changed(old: str, new: str) -> str:
    assert old in OBJECT
    return annotation(OBJECT.replace(old, new))


@right("VOC", "a folder as it should be", "pixels counted from 1 become points of the plane")
def _(folder: Path) -> None:
    assert boxes(read(folder)) == [[BOX]]


@right("VOC", "names with spaces in a split list", "each line is one name")
def _(folder: Path) -> None:
    read(folder)
    for name in ("photo", "photo (1)", "photo (2)"):
        add(folder, name, annotation())
    assert names(read(folder, lines="photo\nphoto (1)\nphoto (2)\n")) == ["photo.png", "photo (1).png", "photo (2).png"]


@right("VOC", "a class label of -1, 0 or 1 behind a name", "taken off, unless it belongs to a name")
def _(folder: Path) -> None:
    read(folder)
    add(folder, "b 1", annotation())
    assert names(read(folder, lines="a  1\na -1\nb 1\n".replace("a -1\n", ""))) == ["a.png", "b 1.png"]


@told(
    "VOC",
    "a name twice in a split",
    "1 name stands in the split more than once, the first is 'a': each image is taken once",
)
def _(folder: Path) -> None:
    assert names(read(folder, lines="a\na 1\n")) == ["a.png"]


@right("VOC", "extensions in a split list: a.jpg, a.xml", "taken off")
def _(folder: Path) -> None:
    for line in ("a.jpg", "a.PNG", "a.xml"):
        assert names(read(folder, lines=f"{line}\n")) == ["a.png"]


@right("VOC", "a name with a dot in it", "kept whole where there is an annotation of that name")
def _(folder: Path) -> None:
    read(folder)
    add(folder, "a.jpg", annotation())
    assert names(read(folder, lines="a.jpg\n")) == ["a.jpg.png"]


@right(
    "VOC",
    "JPEGImages/a, ./a, C:\\\\data\\\\JPEGImages\\\\a.jpg or /data/JPEGImages/a.jpg in a split list",
    "the annotation a",
)
def _(folder: Path) -> None:
    for line in ("JPEGImages/a.jpg", "./a", "C:\\data\\JPEGImages\\a.jpg", "/data/voc/JPEGImages/a.jpg"):
        assert names(read(folder, lines=f"{line}\n")) == ["a.png"]


@right("VOC", "annotations and pictures in sub-folders", "found by their path, or by <filename>")
def _(folder: Path) -> None:
    read(folder)
    add(folder, "x/b", annotation())
    assert names(read(folder, lines="x/b\nx\\b\n".split("\n")[0])) == ["x/b.png"]
    (folder / "Annotations" / "c.xml").write_text(annotation(file_name="y/c.png"))
    (folder / "JPEGImages" / "y").mkdir()
    picture(30, 40).save(folder / "JPEGImages" / "y" / "c.png")
    assert names(read(folder, lines="c\n")) == ["y/c.png"]


@right("VOC", "a split list in UTF-16, with a byte-order mark, with carriage returns", "read")
def _(folder: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le"):
        assert names(read(folder, lines="a\r\n\r\n".encode(encoding))) == ["a.png"]


@refused(
    "VOC",
    "a split list in another encoding",
    "ImageSets/Main/train.txt is no text in UTF-8 or UTF-16 (… at byte 2); save it as UTF-8.",
)
def _(folder: Path) -> None:
    read(folder, lines="weiß\n".encode("latin-1").replace(b"wei", b"we"))


@refused("VOC", "an empty split list", "ImageSets/Main/train.txt names no image; it should hold one image name a line.")
def _(folder: Path) -> None:
    read(folder, lines=" \n\n")


@refused("VOC", "a split that is not there", "FOLDER has no split 'dev'; it has train.")
def _(folder: Path) -> None:
    read(folder)
    VOCDataset(folder, "dev")


@refused("VOC", "a name without an annotation", "Annotations/b.xml is missing, but its image is named in the split.")
def _(folder: Path) -> None:
    read(folder, lines="b\n")


@right("VOC", "n.jpg beside n.png, with a <filename>", "the one that the annotation names")
def _(folder: Path) -> None:
    read(folder)
    picture(30, 40).save(folder / "JPEGImages" / "a.jpg")
    for name in ("a.jpg", "a.png"):
        assert names(read(folder, annotation(file_name=name))) == [name]
        assert names(read(folder, annotation(file_name=f"C:\\photos\\{name}"))) == [name]


@refused(
    "VOC",
    "n.jpg beside n.png, without a <filename> that decides",
    "Annotations/a.xml may belong to 'a.jpg' or 'a.png', and its <filename> is 'a': rename or remove one of them.",
)
def _(folder: Path) -> None:
    read(folder)
    picture(30, 40).save(folder / "JPEGImages" / "a.jpg")
    read(folder, annotation(file_name="a"))


@right("VOC", "a <filename> of another file, where one picture has the annotation's name", "the picture of that name")
def _(folder: Path) -> None:
    assert names(read(folder, annotation(file_name="IMG_0001.jpg"))) == ["a.png"]


@right("VOC", "files that macOS leaves, ._a.xml and ._a.png", "passed over")
def _(folder: Path) -> None:
    read(folder)
    (folder / "Annotations" / "._a.xml").write_bytes(b"\0\5\x16\7")
    (folder / "JPEGImages" / "._a.png").write_bytes(b"\0\5\x16\7")
    assert names(VOCDataset(folder, None)) == ["a.png"]


@refused("VOC", "an empty file", "Annotations/a.xml is not XML (no element found…).")
def _(folder: Path) -> None:
    read(folder, b"")


@right("VOC", "an empty annotation", "an image without boxes")
def _(folder: Path) -> None:
    assert boxes(read(folder, "<annotation/>")) == [[]] and boxes(read(folder, "<annotation>x</annotation>")) == [[]]


@refused("VOC", "XML that is cut off", "Annotations/a.xml is not XML (…).")
def _(folder: Path) -> None:
    read(folder, annotation()[:-9])


@refused(
    "VOC",
    "XML of something else",
    "Annotations/a.xml is not a VOC annotation: its outermost tag is <html>, not <annotation>.",
)
def _(folder: Path) -> None:
    read(folder, "<html></html>")


@right("VOC", "elements five thousand deep, beside the objects", "passed over")
def _(folder: Path) -> None:
    assert boxes(read(folder, annotation(OBJECT + "<x>" * 5000 + "</x>" * 5000))) == [[BOX]]


@refused("VOC", "an encoding that nobody knows", "Annotations/a.xml is not XML in an encoding that is known (…).")
def _(folder: Path) -> None:
    read(folder, f'<?xml version="1.0" encoding="klingon"?>{annotation()}')


@right("VOC", "GB2312, Shift-JIS and other encodings of several bytes, as the file says", "read")
def _(folder: Path) -> None:
    for encoding, name in (("gb2312", "猫"), ("shift_jis", "ネコ"), ("big5", "貓")):
        text = f'<?xml version="1.0" encoding="{encoding}"?>{changed("cat", name)}'
        assert read(folder, text.encode(encoding)).classes == (name,)


@refused(
    "VOC",
    "entities that unfold to gigabytes",
    "Annotations/a.xml declares entities of its own, which no annotation needs.",
)
def _(folder: Path) -> None:
    entities = "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9))
    head = f'<!DOCTYPE annotation [<!ENTITY a "aaaaaaaaaa">{entities}]>'
    read(folder, head + changed("cat", "&j;"))


@refused(
    "VOC",
    "an entity that names a file of this machine",
    "Annotations/a.xml declares entities of its own, which no annotation needs.",
)
def _(folder: Path) -> None:
    read(folder, f'<!DOCTYPE annotation [<!ENTITY a SYSTEM "file:///etc/hostname">]>{changed("cat", "&a;")}')


@refused(
    "VOC",
    "text where an object belongs",
    "Annotations/a.xml: an object has no <name>; it must have one, with a class in it.",
)
def _(folder: Path) -> None:
    read(folder, annotation("<object>cat</object>"))


@refused("VOC", "an empty name", "Annotations/a.xml: an object has 1 <name>; it must have one, with a class in it.")
def _(folder: Path) -> None:
    read(folder, changed("cat", " "))


@refused(
    "VOC",
    "text where a box belongs",
    "Annotations/a.xml: an object must have one <bndbox> of four numbers; it has None, None, None, None.",
)
def _(folder: Path) -> None:
    read(folder, annotation("<object><name>cat</name><bndbox>6 7 15 18</bndbox></object>"))


@refused(
    "VOC", "no box, or two", "Annotations/a.xml: an object must have one <bndbox> of four numbers; it has 0 boxes."
)
def _(folder: Path) -> None:
    read(folder, annotation("<object><name>cat</name></object>"))


@refused(
    "VOC",
    "a number that is none",
    "Annotations/a.xml: an object must have one <bndbox> of four numbers; it has 'six', '7', '15', '18'.",
)
def _(folder: Path) -> None:
    read(folder, changed(">6<", ">six<"))


@right("VOC", "numbers with a fraction, spaces around numbers and names", "read")
def _(folder: Path) -> None:
    text = changed(">6<", ">\n 6.5 <").replace("cat", "\n cat ")
    assert boxes(read(folder, text)) == [[[5.5, 6, 15, 18]]] and "cat" in read(folder, text).classes


@told("VOC", "a box that is infinite or NaN", "left out of the targets: 1 degenerate box")
def _(folder: Path) -> None:
    for value in ("inf", "nan", "1e999"):
        assert boxes(read(folder, changed(">15<", f">{value}<"))) == [[]]


@told("VOC", "a box whose end lies before its start", "left out of the targets: 1 degenerate box")
def _(folder: Path) -> None:
    assert boxes(read(folder, changed(">15<", ">5<"))) == [[]]


@right("VOC", 'a size of inf, nan, 0, "wide" or none', "the picture tells")
def _(folder: Path) -> None:
    for size in ("inf", "nan", "0", "wide", "", "-4", "1e300"):
        dataset = read(folder, annotation(size=SIZE.replace("40", size)))
        assert dataset.ground_truth()["images"][0]["width"] == 40
    assert boxes(read(folder, annotation(size="<size>40x30</size>"))) == [[BOX]]


@told(
    "VOC",
    "another size than the picture's",
    "1 image has another size than annotated, which counts (the first, JPEGImages/a.png, is 40×30 pixels and "
    "annotated 4×30): check that the boxes belong to them",
)
def _(folder: Path) -> None:
    assert boxes(read(folder, annotation(size=SIZE.replace("40", "4")), keep_empty=False)) == [[BOX]]


@told("VOC", "<difficult> of 1 or true", "left out of the targets: 1 box marked difficult")
def _(folder: Path) -> None:
    for value in ("1", " true "):
        assert boxes(read(folder, changed("<bndbox>", f"<difficult>{value}</difficult><bndbox>"))) == [[]]


@right("VOC", "<difficult> of 0, false, Unspecified, or none", "an ordinary box")
def _(folder: Path) -> None:
    for value in ("0", "false", "Unspecified", ""):
        assert boxes(read(folder, changed("<bndbox>", f"<difficult>{value}</difficult><bndbox>"))) == [[BOX]]


@refused("VOC", "another <difficult>", "Annotations/a.xml: an object has <difficult> '2'; it must be 0 or 1.")
def _(folder: Path) -> None:
    read(folder, changed("<bndbox>", "<difficult>2</difficult><bndbox>"))


@told(
    "VOC",
    "names that are not among the classes asked for",
    "left out of the targets: 1 box of unknown classes ('cat')",
)
def _(folder: Path) -> None:
    assert boxes(read(folder, classes=("dog",))) == [[]]


@right("VOC", "parts of objects, as VOC marks heads and hands", "passed over")
def _(folder: Path) -> None:
    part = OBJECT.replace("object", "part")
    assert boxes(read(folder, changed("</object>", f"{part}</object>"))) == [[BOX]]


@refused("VOC", "no pictures", "JPEGImages holds no images; VOC's layout has the photographs there.")
def _(folder: Path) -> None:
    read(folder)
    (folder / "JPEGImages" / "a.png").unlink()
    read_again = VOCDataset(folder, "train")
    assert read_again


@refused("VOC", "a pipe named like an annotation", "Annotations/b.xml is no regular file.")
def _(folder: Path) -> None:
    read(folder)
    os.mkfifo(folder / "Annotations" / "b.xml")
    VOCDataset(folder, "train")


@told("VOC", "escape sequences in a class's name", "1 box of unknown classes ('\\x9b31mcat')")
def _(folder: Path) -> None:
    read(folder, changed("cat", "\x9b31mcat"), classes=("dog",))
