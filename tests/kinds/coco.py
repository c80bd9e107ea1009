"""Annotations in COCO's format."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from PIL import Image

from fcos_edu.data.boxes import load_boxes
from fcos_edu.data.coco import COCODataset

from . import refused, right, told
from .pictures import orientation, picture


def document(images: int = 2, **changes: Any) -> dict[str, Any]:
    """Images of 40×30 pixels with a box each, changed at some keys."""
    return {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 40, "height": 30} for i in range(1, images + 1)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "bbox": [5, 6, 10, 12], "area": 120, "iscrowd": 0}
            for i in range(1, images + 1)
        ],
        "categories": [{"id": 1, "name": "nut"}, {"id": 2, "name": "bolt"}],
    } | changes


def with_box(**changes: Any) -> dict[str, Any]:
    """The first annotation changed."""
    made = document()
    made["annotations"][0] |= changes
    return made


def with_image(**changes: Any) -> dict[str, Any]:
    """The first image changed."""
    made = document()
    made["images"][0] |= changes
    return made


def read(folder: Path, content: Any, name: str = "train.json", **options: Any) -> COCODataset:
    """The data set of a file with this content, beside its pictures."""
    (folder / "images").mkdir(exist_ok=True)
    for i in (1, 2):
        if not (folder / "images" / f"{i}.png").exists():
            picture(30, 40, seed=i).save(folder / "images" / f"{i}.png")
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / name).write_bytes(raw)
    return COCODataset(folder, "train", **options)


def boxes(dataset: COCODataset) -> list[list[list[float]]]:
    return [dataset[i][1]["boxes"].tolist() for i in range(len(dataset))]


BOX = [5, 6, 15, 18]


@right("COCO", "a file as it should be", "images in the order of their ids, boxes as corners, labels by ascending ids")
def _(folder: Path) -> None:
    dataset = read(folder, document())
    assert boxes(dataset) == [[BOX], [BOX]] and dataset.classes == ("nut", "bolt")


@refused(
    "COCO",
    "detections, as fcos-edu detect writes them",
    "train.json: its boxes have scores, as a detector has found them, and are no labels. To measure them: fcos-edu "
    "evaluate --detections train.json; to train on them all the same, take the scores out.",
)
def _(folder: Path) -> None:
    made = document()
    for k, entry in enumerate(made["annotations"]):
        entry["score"] = 0.9 - 0.1 * k
    read(folder, made)


@told("COCO", "a score at some of the boxes", "1 box with a score, as a detector has found them")
def _(folder: Path) -> None:
    assert boxes(read(folder, with_box(score=0.9))) == [[BOX], [BOX]]


@right("COCO", "UTF-8 with a byte-order mark, UTF-16, UTF-32", "read")
def _(folder: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-32"):
        assert boxes(read(folder, json.dumps(document()).encode(encoding))) == [[BOX], [BOX]]


@refused("COCO", "text in latin-1", "train.json is not a JSON file (…).")
def _(folder: Path) -> None:
    read(folder, json.dumps(document()).replace("nut", "nüt").encode("latin-1"))


@refused("COCO", "JSON that is cut off", "train.json is not a JSON file (…: line 1 …).")
def _(folder: Path) -> None:
    read(folder, json.dumps(document()).encode()[:-40])


@refused("COCO", "an empty file", "train.json is not a JSON file (…).")
def _(folder: Path) -> None:
    read(folder, b"")


@refused("COCO", "JSON a hundred thousand lists deep", "train.json is no COCO file: it is nested too deeply.")
def _(folder: Path) -> None:
    read(folder, b"[" * 100_000)


@refused("COCO", "a number of five thousand digits", "train.json cannot be read (…).")
def _(folder: Path) -> None:
    read(folder, b'{"images": ' + b"9" * 5000 + b"}")


@refused(
    "COCO",
    "a file of detections, which is a list",
    "train.json holds a list; a COCO file holds an object with images and annotations.",
)
def _(folder: Path) -> None:
    read(folder, [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}])


@refused(
    "COCO",
    "no list of images, annotations or categories",
    "train.json lacks the list 'annotations'; a COCO file has images, annotations, categories.",
)
def _(folder: Path) -> None:
    read(folder, {key: value for key, value in document().items() if key != "annotations"})


@refused("COCO", "an empty list of categories", "train.json lists no categories.")
def _(folder: Path) -> None:
    read(folder, document(categories=[]))


@refused("COCO", "an empty list of images", "train.json lists no images.")
def _(folder: Path) -> None:
    read(folder, document(images=0))


@refused("COCO", "an image without an id", "train.json: entry 0 of 'images' lacks 'id'; it is {'file_name': '1.png'}.")
def _(folder: Path) -> None:
    read(folder, document() | {"images": [{"file_name": "1.png"}]})


@refused("COCO", "a category without a name", "train.json: entry 0 of 'categories' lacks 'name'; it is {'id': 1}.")
def _(folder: Path) -> None:
    read(folder, document(categories=[{"id": 1}]))


@refused(
    "COCO", "a number where an annotation belongs", "train.json: entry 0 of 'annotations' lacks 'image_id'; it is 7."
)
def _(folder: Path) -> None:
    read(folder, document(annotations=[7]))


@right("COCO", 'ids and flags as text: "1", "0"', "the numbers that they say")
def _(folder: Path) -> None:
    dataset = read(folder, with_box(category_id="2", image_id="1", iscrowd="0"))
    assert boxes(dataset) == [[BOX], [BOX]] and dataset[0][1]["labels"].tolist() == [1]


@right("COCO", "ids and flags as 1.0, true and false", "the numbers that they say")
def _(folder: Path) -> None:
    assert boxes(read(folder, with_box(category_id=1.0, iscrowd=False))) == [[BOX], [BOX]]


@told("COCO", '"iscrowd": "1", 1 or true', "left out of the targets: 1 crowd box")
def _(folder: Path) -> None:
    for value in (1, True):
        read(folder, with_box(iscrowd=value))
    assert boxes(read(folder, with_box(iscrowd="1"))) == [[], [BOX]]


@refused("COCO", "another iscrowd", "train.json: annotation 0 has iscrowd 'maybe'; it must be 0 or 1.")
def _(folder: Path) -> None:
    read(folder, with_box(iscrowd="maybe"))


@refused(
    "COCO",
    "a category id of 1.5",
    "train.json: annotation 0: category_id is 1.5; it must be a whole number of at most 63 bits.",
)
def _(folder: Path) -> None:
    read(folder, with_box(category_id=1.5))


@refused(
    "COCO",
    "an id of 2**63",
    "train.json: image id is 9223372036854775808; it must be a whole number of at most 63 bits.",
)
def _(folder: Path) -> None:
    read(folder, with_image(id=2**63))


@refused(
    "COCO",
    "an id that is null, a list or true",
    "train.json: annotation 0: image_id is [1]; it must be a whole number of at most 63 bits.",
)
def _(folder: Path) -> None:
    read(folder, with_box(image_id=[1]))


@refused("COCO", "an image id twice", "train.json: image id 1 occurs more than once.")
def _(folder: Path) -> None:
    made = document()
    read(folder, made | {"images": [*made["images"], made["images"][0]]})


@refused("COCO", "a category id twice", "train.json: category id 1 occurs more than once.")
def _(folder: Path) -> None:
    read(folder, document(categories=[{"id": 1, "name": "nut"}, {"id": 1, "name": "bolt"}]))


@refused("COCO", "two categories of one name", "train.json: the category name 'nut' occurs more than once.")
def _(folder: Path) -> None:
    read(folder, document(categories=[{"id": 1, "name": "nut"}, {"id": 2, "name": "nut"}]))


@right("COCO", "classes that are numbered, not named", "the numbers are the names")
def _(folder: Path) -> None:
    assert read(folder, document(categories=[{"id": 1, "name": 7}])).classes == ("7",)


@refused("COCO", "a category's name that is null", "train.json: category 1 has the name None; it must be a word.")
def _(folder: Path) -> None:
    read(folder, document(categories=[{"id": 1, "name": None}]))


@refused(
    "COCO",
    "boxes of images that are not listed",
    "train.json: 1 annotation belongs to images that the file does not list, the first to image_id 77.",
)
def _(folder: Path) -> None:
    read(folder, with_box(image_id=77))


@told("COCO", "boxes of a category that is not listed", "left out of the targets: 1 box of unknown classes")
def _(folder: Path) -> None:
    assert boxes(read(folder, with_box(category_id=9))) == [[], [BOX]]


@refused(
    "COCO",
    "a bbox of three numbers, or with text or true in it",
    "train.json: annotation 0 has bbox [1, 2, 'x', 3]; it must be [x, y, width, height].",
)
def _(folder: Path) -> None:
    read(folder, with_box(bbox=[1, 2, "x", 3]))


@told("COCO", "a bbox that is not finite (NaN, 1e999)", "left out of the targets: 1 degenerate box")
def _(folder: Path) -> None:
    raw = json.dumps(with_box(bbox=[5, 6, 10, 12.5])).replace("12.5", "1e999").encode()
    assert boxes(read(folder, raw)) == [[], [BOX]]


@refused("COCO", "a whole number above 1e308", "train.json: bbox [1, 2, 1000… has a number that is too large.")
def _(folder: Path) -> None:
    read(folder, with_box(bbox=[1, 2, 10**400, 5]))


@told("COCO", "a bbox without width, or a negative one", "left out of the targets: 1 degenerate box")
def _(folder: Path) -> None:
    assert boxes(read(folder, with_box(bbox=[5, 6, -3, 12]))) == [[], [BOX]]


@refused(
    "COCO", "an infinite area", "train.json: annotation 0 has area inf; it must be a number of pixels², or left out."
)
def _(folder: Path) -> None:
    read(folder, with_box(area=float("inf")))


@right("COCO", "no area, or 0", "the box's own area counts")
def _(folder: Path) -> None:
    truth = read(folder, with_box(area=None)).ground_truth()
    assert [a["area"] for a in truth["annotations"]] == [120, 120]


@told(
    "COCO",
    "boxes as corners (xyxy) where the format has width and height",
    "2 of 2 boxes reach over the border of their images and are cut (the first, from (20, 10) to (55, 38) of '1.png', "
    "which is 40×30 pixels): in COCO's format bbox is [x, y, width, height], not two corners",
)
def _(folder: Path) -> None:
    made = document()
    for entry in made["annotations"]:
        entry["bbox"] = [20, 10, 35, 28]
    read(folder, made)


@right("COCO", "no height and width, or 0", "the pictures tell")
def _(folder: Path) -> None:
    made = document()
    made["images"] = [{"id": 1, "file_name": "1.png", "width": 0}, {"id": 2, "file_name": "2.png"}]
    assert [(i["width"], i["height"]) for i in read(folder, made).ground_truth()["images"]] == [(40, 30), (40, 30)]


@refused(
    "COCO",
    'a height of "tall", or of a billion',
    "train.json: image 1 has height 'tall'; it must be a number of pixels.",
)
def _(folder: Path) -> None:
    read(folder, with_image(height="tall"))


@told(
    "COCO",
    "another size than the picture's, with boxes that fit",
    "1 image has another size than annotated, which counts (the first, images/1.png, is 40×30 pixels and annotated "
    "4×3): check that the boxes belong to them",
)
def _(folder: Path) -> None:
    assert boxes(read(folder, with_image(width=4, height=3), keep_empty=False)) == [[BOX], [BOX]]


@right("COCO", "a turned photograph, annotated as it is seen", "the picture is turned, as the size says")
def _(folder: Path) -> None:
    (folder / "images").mkdir()
    picture(40, 30).save(folder / "images" / "1.png", exif=orientation(6))
    dataset = read(folder, document())
    assert dataset[0][0].shape == (3, 30, 40) and boxes(dataset) == [[BOX], [BOX]]


@told(
    "COCO",
    "a photograph turned by half, or annotated with its stored size",
    "1 image is to be turned upright by its EXIF, and the annotations do not tell whether its boxes are (the "
    'first is images/1.png): it is read as stored, unless orientation="upright" (--orientation upright)',
)
def _(folder: Path) -> None:
    (folder / "images").mkdir()
    picture(30, 40).save(folder / "images" / "1.png", exif=orientation(3))
    read(folder, document())


@right("COCO", "backslashes in file_name", "slashes, unless there is a file of that name")
def _(folder: Path) -> None:
    (folder / "images" / "a").mkdir(parents=True)
    picture(30, 40).save(folder / "images" / "a" / "1.png")
    assert boxes(read(folder, with_image(file_name="a\\1.png"))) == [[BOX], [BOX]]
    if os.sep == "/":
        picture(30, 40).save(folder / "images" / "b\\1.png")
        assert read(folder, with_image(file_name="b\\1.png")).file_name(0) == "b\\1.png"


@right("COCO", "pictures in sub-folders", "found below the folder of pictures")
def _(folder: Path) -> None:
    (folder / "images" / "a").mkdir(parents=True)
    picture(30, 40).save(folder / "images" / "a" / "1.png")
    assert read(folder, with_image(file_name="a/1.png"))[0][0].shape == (3, 30, 40)


@refused(
    "COCO",
    "a file_name that is absolute or climbs out of the folder",
    "FOLDER (train): the picture '../../secret.png' lies outside of the folder images; such are read only with "
    "allow_outside=True (--allow-outside)",
)
def _(folder: Path) -> None:
    inner = folder / "FOLDER"
    inner.mkdir()
    (inner / "images").mkdir()
    picture(30, 40).save(inner / "images" / "0.png")
    try:
        read(inner, with_image(file_name="../../secret.png"))
    except ValueError as error:
        raise ValueError(str(error).replace(f"{inner}/", "")) from None


@right("COCO", "… where that is allowed", "read")
def _(folder: Path) -> None:
    picture(30, 40).save(folder / "elsewhere.png")
    dataset = read(folder, with_image(file_name="../elsewhere.png"), allow_outside=True)
    assert dataset[0][0].shape == (3, 30, 40)


@refused(
    "COCO", "a file_name that is null or empty", "train.json: image 1 has the file_name None; it must name a picture."
)
def _(folder: Path) -> None:
    read(folder, with_image(file_name=None))


@refused(
    "COCO",
    "a picture that is missing",
    "images/other.png is annotated but there is no such file (1 of 2 images is missing). Add the files, or go on "
    'without them with on_corrupt="skip" (--on-corrupt skip).',
)
def _(folder: Path) -> None:
    read(folder, with_image(file_name="other.png"))


@told(
    "COCO",
    "one file_name under several ids",
    "1 picture stands under several image ids, the first is '2.png': each id counts as an image",
)
def _(folder: Path) -> None:
    assert len(read(folder, with_image(file_name="2.png"))) == 2


@right("COCO", "train+val whose files count their ids from 1 each", "numbered anew, boxes with their own images")
def _(folder: Path) -> None:
    read(folder, document())
    (folder / "val.json").write_text(json.dumps(with_box(bbox=[1, 2, 3, 4])))
    both = COCODataset(folder, "train+val")
    assert both.image_ids == [1, 2, 3, 4] and boxes(both) == [[BOX], [BOX], [[1, 2, 4, 6]], [BOX]]


@refused(
    "COCO",
    "a split that the folder does not have",
    "FOLDER has no split 'test'; it has train.",
)
def _(folder: Path) -> None:
    read(folder, document())
    COCODataset(folder, "test")


@refused("COCO", "a class that the file does not have", "train.json has no category 'screw'; it has nut, bolt.")
def _(folder: Path) -> None:
    read(folder, document(), classes=("screw",))


@refused(
    "COCO",
    "no image with a usable box, to train on",
    "… (train): none of the 2 images has a usable box (2 degenerate boxes; the first box reaches from (50, 6) to "
    "(60, 18) in '1.png', of 40×30 pixels: in COCO's format bbox is [x, y, width, height], not two corners). Check the "
    "annotations, or keep images without boxes as background with keep_empty=True (--keep-empty).",
)
def _(folder: Path) -> None:
    made = document()
    for entry in made["annotations"]:
        entry["bbox"][0] = 50
    read(folder, made, keep_empty=False)


@right("COCO", "… kept as background", "images without boxes")
def _(folder: Path) -> None:
    assert boxes(read(folder, document(annotations=[]), keep_empty=True)) == [[], []]


@told("COCO", "a damaged picture, to be skipped", "skipped images/1.png (…).")
def _(folder: Path) -> None:
    dataset = read(folder, document(), on_corrupt="skip")
    (folder / "images" / "1.png").write_bytes(b"no picture")
    assert dataset[0] is None and dataset[1] is not None
    assert read(folder, document(), on_corrupt="skip")[0] is None


@right("COCO", "escape sequences in names of classes", "kept as they are in the data, and as escapes in messages")
def _(folder: Path) -> None:
    dataset = read(folder, document(categories=[{"id": 1, "name": "\x1b[31mnut"}]))
    assert dataset.classes == ("\x1b[31mnut",)
    try:
        read(folder, document(categories=[{"id": 1, "name": "\x1b[31mnut"}]), classes=("x",))
    except ValueError as error:
        assert "\\x1b[31mnut" in str(error) and "\x1b" not in str(error)


@refused("COCO", "a pipe named like an annotation file", "pipe.json has neither VOC's layout … nor a CSV file …")
def _(folder: Path) -> None:
    os.mkfifo(folder / "pipe.json")
    load_boxes(folder / "pipe.json")


@refused(
    "COCO",
    "images as text where the list belongs",
    "train.json lacks the list 'images'; a COCO file has images, annotations, categories.",
)
def _(folder: Path) -> None:
    read(folder, document() | {"images": "1.png"})


@right("COCO", "a picture with another extension than its content", "decoded by its content")
def _(folder: Path) -> None:
    (folder / "images").mkdir()
    Image.new("RGB", (40, 30)).save(folder / "images" / "1.png", format="JPEG")
    assert read(folder, document())[0][0].shape == (3, 30, 40)
