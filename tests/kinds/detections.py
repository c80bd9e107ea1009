"""Files of detections, and the numbers of the command line."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

from PIL import Image

from fcos_edu.cli.detect import list_images
from fcos_edu.cli.parser import build_parser
from fcos_edu.data import load_annotations
from fcos_edu.evaluation import coco_metrics, read_detections
from fcos_edu.ownership import OwnFiles

from . import Refusal, refused, right

TRUTH: dict[str, Any] = {
    "images": [
        {"id": 3, "file_name": "cam0/000000.png", "width": 200, "height": 200},
        {"id": 4, "file_name": "cam1/000000.png", "width": 200, "height": 200},
    ],
    "annotations": [
        {"id": 1, "image_id": 3, "category_id": 11, "bbox": [10, 10, 50, 40], "area": 2000, "iscrowd": 0},
        {"id": 2, "image_id": 4, "category_id": 12, "bbox": [100, 10, 30, 60], "area": 1800, "iscrowd": 0},
    ],
    "categories": [{"id": 11, "name": "car/front"}, {"id": 12, "name": "truck/front"}],
}
DETECTION = {"image_id": 3, "category_id": 11, "bbox": [10, 10, 50, 40], "score": 0.9}


def own() -> dict[str, Any]:
    """What `detect` would have written: the truth, under other numbers and in another folder."""
    return {
        "images": [{"id": 1, "file_name": "photos/cam1/000000.png"}, {"id": 2, "file_name": "photos/cam0/000000.png"}],
        "annotations": [
            {"image_id": 2, "category_id": 8, "bbox": [10, 10, 50, 40], "score": 0.9},
            {"image_id": 1, "category_id": 7, "bbox": [100, 10, 30, 60], "score": 0.9},
        ],
        "categories": [{"id": 7, "name": "truck/front"}, {"id": 8, "name": "car/front"}],
    }


def read(folder: Path, document: Any) -> list[dict[str, Any]]:
    file = folder / "found.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    return read_detections(file, TRUTH)


def with_detection(folder: Path, **values: Any) -> None:
    read(folder, [{**DETECTION, **values}])


def with_own(folder: Path, part: str, **values: Any) -> None:
    document = own()
    document[part][0] |= values
    read(folder, document)


@right("Detections", "pictures of one name in two folders, and classes whose names end alike", "kept apart: AP 1")
def _(folder: Path) -> None:
    assert coco_metrics(TRUTH, read(folder, own()))["AP"] > 0.999


@right("Detections", "a list of COCO results, and a byte-order mark before it", "read as it is")
def _(folder: Path) -> None:
    assert read(folder, "\ufeff" + json.dumps([DETECTION])) == [DETECTION]


@right("Detections", "backslashes and ./ in front of a file's name", "folders, as with /")
def _(folder: Path) -> None:
    document = own()
    document["images"][0]["file_name"] = ".\\photos\\cam1\\000000.png"
    assert read(folder, document)[1]["image_id"] == 4


@right("Detections", "no detection at all", "AP 0")
def _(folder: Path) -> None:
    assert coco_metrics(TRUTH, read(folder, []))["AP"] == 0


@right("Detections", "an annotation file whose pictures are not there", "is scored against")
def _(folder: Path) -> None:
    (folder / "truth.json").write_text(json.dumps(TRUTH))
    truth = load_annotations(folder / "truth.json").ground_truth()
    assert coco_metrics(truth, read(folder, own()))["AP"] > 0.999


@refused(
    "Detections",
    "a name that two images of the data set have",
    "found.json: '000000.png' may be 'cam0/000000.png' and 'cam1/000000.png' of the data set (2 images fit); name the "
    "images with the folders that tell them apart, as the annotations do",
)
def _(folder: Path) -> None:
    with_own(folder, "images", file_name="000000.png")


@refused(
    "Detections",
    "two names that would be one image",
    "found.json: 'photos/cam0/000000.png' and 'cam0/000000.png' would both be 'cam0/000000.png' of the data set; take "
    "out the one that is not, or name the images as the annotations do",
)
def _(folder: Path) -> None:
    with_own(folder, "images", file_name="cam0/000000.png")


@refused("Detections", "a picture of another data set", "found.json: 'b.png' is not among the images of the data set")
def _(folder: Path) -> None:
    with_own(folder, "images", file_name="b.png")


@refused("Detections", "one image id twice", "found.json: 2 of its images have id 2; each must have its own")
def _(folder: Path) -> None:
    with_own(folder, "images", id=2)


@refused(
    "Detections",
    "two classes of one name",
    "found.json: 2 of its categories have the name 'car/front'; each must have its own",
)
def _(folder: Path) -> None:
    with_own(folder, "categories", name="car/front")


@refused(
    "Detections",
    "a class of which only the end is one of the data set's",
    "found.json: 'front' is not among the classes of the data set, car/front, truck/front",
)
def _(folder: Path) -> None:
    with_own(folder, "categories", name="front")


@refused(
    "Detections",
    "detections of an image that the file does not list",
    "found.json: detections have image_id 9, which the file itself does not list",
)
def _(folder: Path) -> None:
    with_own(folder, "annotations", image_id=9)


@refused(
    "Detections",
    "an image without a name",
    "found.json: entry 0 of images must have a whole number 'id' and a text 'file_name'",
)
def _(folder: Path) -> None:
    with_own(folder, "images", file_name=None)


@refused("Detections", "an id in quotes", "found.json: detection 0 has category_id '11'; it must be a whole number")
def _(folder: Path) -> None:
    with_detection(folder, category_id="11")


@refused("Detections", "an id with a fraction", "found.json: detection 0 has image_id 1.5; it must be a whole number")
def _(folder: Path) -> None:
    with_detection(folder, image_id=1.5)


@refused("Detections", "an id of 2**63", "found.json: detection 0 has image_id …; it must be a whole number")
def _(folder: Path) -> None:
    with_detection(folder, image_id=2**63)


@refused(
    "Detections",
    "a box of three numbers",
    "found.json: detection 0 has bbox [1, 2, 3]; it must be [x, y, width, height]",
)
def _(folder: Path) -> None:
    with_detection(folder, bbox=[1, 2, 3])


@refused(
    "Detections",
    "a number above 1e308",
    "found.json: detection 0 has bbox [1, 2, 3, inf]; it must be [x, y, width, height]",
)
def _(folder: Path) -> None:
    read(folder, json.dumps([{**DETECTION, "bbox": [1, 2, 3, 4]}]).replace("[1, 2, 3, 4]", "[1, 2, 3, 1e999]"))


@refused(
    "Detections",
    "a box of negative width",
    "found.json: detection 0 has bbox [1, 2, -3, 4]; width and height must not be below 0",
)
def _(folder: Path) -> None:
    with_detection(folder, bbox=[1, 2, -3, 4])


@refused("Detections", "a score that is no number", "found.json: detection 0 has score None; it must be a number")
def _(folder: Path) -> None:
    with_detection(folder, score=None)


@refused("Detections", "an annotation file in their place", "found.json: detection 0 lacks 'score'")
def _(folder: Path) -> None:
    read(folder, TRUTH)


@refused("Detections", "a file that is cut off", "found.json is not JSON: …")
def _(folder: Path) -> None:
    read(folder, json.dumps([DETECTION])[:30])


@refused("Detections", "brackets in brackets, 100,000 deep", "found.json is not JSON: …")
def _(folder: Path) -> None:
    read(folder, "[" * 100_000)


@refused("Detections", "a file that is not there", "there is no file of detections found.json")
def _(folder: Path) -> None:
    read_detections(folder / "found.json", TRUTH)


@refused(
    "Detections",
    "detections of another data set, by number",
    "detections with image_id 7, which is not among the images of the ground truth (1 unknown in all): do they belong "
    "to another dataset?",
)
def _(folder: Path) -> None:
    coco_metrics(TRUTH, read(folder, [{**DETECTION, "image_id": 7}]))


# ---- what detect is given -------------------------------------------------------------------------------------


def listed(folder: Path, *paths: str | Path, recursive: bool = False) -> tuple[list[str], list[str]]:
    pictures, left = list_images([Path(path) for path in paths], OwnFiles(folder / "out"), recursive=recursive)
    return [picture.name for picture in pictures], left


def pictures(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / "in" / name, "png")
    return folder / "in"


@right("Commands", "detect: a folder with sub-folders", "its own pictures; a line names the sub-folders")
def _(folder: Path) -> None:
    place = pictures(folder, "a.png", "b/c.png", "b/d.png")
    assert listed(folder, place) == (["a"], ["1 sub-folder (--recursive reads them)"])


@right("Commands", "detect --recursive: a folder with sub-folders", "all pictures, under the names of their folders")
def _(folder: Path) -> None:
    place = pictures(folder, "a.png", "b/a.png", "b/c/d.png")
    assert listed(folder, place, recursive=True) == (["a", "b/a", "b/c/d"], [])


@right("Commands", "detect: ._a.jpg of macOS, a text and a film in a folder", "passed over, and a line says so")
def _(folder: Path) -> None:
    place = pictures(folder, "a.jpg")
    for name in ("._a.jpg", "a.txt", "b.txt", "c.mp4", ".DS_Store"):
        (place / name).write_bytes(b"x")
    names, left = listed(folder, place)
    assert names == ["a"] and sorted(left) == [
        "1 file of macOS beside a picture (._)",
        "1 video, which is read if you name it",
        "2 files that are no picture (.txt)",
    ]


@right("Commands", "detect: a folder and a file of it", "the file once")
def _(folder: Path) -> None:
    place = pictures(folder, "a.png", "b.png")
    assert listed(folder, place, place / "a.png")[0] == ["a", "b"]


@right("Commands", "detect --recursive: a link to the folder that it is in", "is not followed for ever")
def _(folder: Path) -> None:
    place = pictures(folder, "a.png")
    (place / "again").symlink_to(place, target_is_directory=True)
    assert listed(folder, place, recursive=True)[0] == ["a"]


@right("Commands", "detect: the pictures that it has drawn itself, in a folder that it looks into", "passed over")
def _(folder: Path) -> None:
    place = pictures(folder, "a.png")
    drawn = OwnFiles(place)
    drawn.write("a-1.png", (place / "a.png").read_bytes())
    found, left = list_images([place], drawn)
    assert [picture.name for picture in found] == ["a"] and left == ["1 picture that an earlier run has drawn"]


@refused("Commands", "detect: an address", "https://a.example/b.jpg is an address: download the picture or video …")
def _(folder: Path) -> None:
    listed(folder, "https://a.example/b.jpg")


@refused(
    "Commands", "detect: a folder without pictures", "in has no images (.jpg, …; 1 file that is no picture (.txt))"
)
def _(folder: Path) -> None:
    (folder / "in").mkdir()
    (folder / "in" / "a.txt").write_text("x")
    listed(folder, folder / "in")


@refused("Commands", "detect: a path that is not there", "there is no image, video or folder nowhere.jpg")
def _(folder: Path) -> None:
    listed(folder, folder / "nowhere.jpg")


@refused(
    "Commands",
    "detect: an output folder with a detections.json of the user's",
    "detections.json is there, and not as fcos-edu wrote it: it is not replaced. Choose another folder, or move it "
    "away",
)
def _(folder: Path) -> None:
    (folder / "detections.json").write_text("{}")
    OwnFiles(folder).check("detections.json")


# ---- numbers --------------------------------------------------------------------------------------------------


def call(line: str) -> None:
    """What the parser says of it."""
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.suppress(SystemExit):
        build_parser().parse_args(line.split())
    raise Refusal(told.getvalue().splitlines()[-1].rpartition("error: ")[2])


@refused("Commands", "detect --threshold 50", "argument --threshold: '50' is not a number from 0 to 1")
def _(folder: Path) -> None:
    call("detect shapes a.jpg --threshold 50")


@refused("Commands", "detect --threshold nan", "argument --threshold: 'nan' is not a number from 0 to 1")
def _(folder: Path) -> None:
    call("detect shapes a.jpg --threshold nan")


@refused("Commands", "evaluate --batch-size 0", "argument --batch-size: '0' is not a whole number from 1 to 2147483647")
def _(folder: Path) -> None:
    call("evaluate shapes --batch-size 0")


@refused(
    "Commands", "train --iterations 1e4", "argument --iterations: '1e4' is not a whole number from 1 to 2147483647"
)
def _(folder: Path) -> None:
    call("train --iterations 1e4")


@refused("Commands", "train --seed -1", "argument --seed: '-1' is not a whole number from 0 to 4294967295")
def _(folder: Path) -> None:
    call("train --seed -1")


@refused("Commands", "tables recall --levels 9", "argument --levels: '9' is not a whole number from 2 to 7")
def _(folder: Path) -> None:
    call("tables recall --annotations a.json --levels 9")


@refused("Commands", "tables recall --center-sampling 0", "argument --center-sampling: '0' is not a number above 0")
def _(folder: Path) -> None:
    call("tables recall --annotations a.json --center-sampling 0")


@refused("Commands", "bench --size 16 64", "argument --size: '16' is not a whole number from 32 to 16384")
def _(folder: Path) -> None:
    call("bench --size 16 64")
