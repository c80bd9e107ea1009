"""Labels as annotation tools write them: YOLO, labelme, CVAT, imagefolders, CSV, and folders of two formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

from fcos_edu.data import load
from fcos_edu.data.dataset import DetectionDataset

from . import refused, right, told
from .pictures import orientation, picture

LINE = "1 0.5 0.5 0.25 0.4\n"  # of 40×30 pixels: (15, 9) to (25, 21)
BOX = [15, 9, 25, 21]
NAMES = "names: [nut, bolt]\n"
SHAPE = {"label": "nut", "points": [[15, 9], [25, 21]], "shape_type": "rectangle"}
LABELME = {"shapes": [SHAPE], "imagePath": "a.png", "imageWidth": 40, "imageHeight": 30}
CVAT = '<image name="a.png" width="40" height="30"><box label="nut" xtl="15" ytl="9" xbr="25" ybr="21"/></image>'
ROW = {"file_name": "a.png", "objects": {"bbox": [[15, 9, 10, 12]], "categories": ["nut"]}}
VOC = (
    "<annotation><object><name>nut</name><bndbox><xmin>16</xmin><ymin>10</ymin><xmax>25</xmax><ymax>21</ymax></bndbox>"
    "</object></annotation>"
)


def read(folder: Path, files: dict[str, Any], split: str = "train", **options: Any) -> DetectionDataset:
    """The data set of these files; where a picture is named it is drawn, unless it is there."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".png":
            if not path.exists():
                picture(30, 40).save(path)
        else:
            text = content if isinstance(content, (str, bytes)) else json.dumps(content)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(folder, split, **options)


def boxes(dataset: DetectionDataset) -> list[list[float]]:
    return [[round(v, 3) for v in box] for box in dataset[0][1]["boxes"].tolist()]


def yolo(label: str | bytes = LINE, settings: str | bytes = NAMES) -> dict[str, Any]:
    return {"data.yaml": settings, "images/a.png": "", "labels/a.txt": label}


@right("Labels of tools", "YOLO: Roboflow's and Ultralytics' folders, LabelImg's, Label Studio's, CVAT's", "read")
def _(folder: Path) -> None:
    told = "train: ../train/images\nval: ../valid/images\n" + NAMES
    assert boxes(read(folder / "1", {"data.yaml": told, "train/images/a.png": "", "train/labels/a.txt": LINE})) == [BOX]
    assert boxes(read(folder / "2", {"data.yaml": NAMES, "images/train/a.png": "", "labels/train/a.txt": LINE})) == [
        BOX
    ]
    assert boxes(read(folder / "3", {"classes.txt": "nut\nbolt", "a.png": "", "a.txt": LINE})) == [BOX]
    assert boxes(read(folder / "4", {"classes.txt": "nut\nbolt", "images/a.png": "", "labels/a.txt": LINE})) == [BOX]
    assert boxes(
        read(folder / "5", {"obj.names": "nut\nbolt", "obj_train_data/a.png": "", "obj_train_data/a.txt": LINE})
    )


@right("Labels of tools", "YOLO: a byte-order mark, UTF-16, tabs, carriage returns, names with spaces", "read")
def _(folder: Path) -> None:
    text = LINE.replace(" ", "\t").replace("\n", "\r\n")
    for k, label in enumerate((("\ufeff" + text).encode(), text.encode("utf-16"))):
        files = {"data.yaml": NAMES, "images/a b.png": "", "labels/a b.txt": label}
        assert boxes(read(folder / f"{k}", files)) == [BOX]


@right("Labels of tools", "YOLO: classes that are called yes, no and 1", "the names, not truths and numbers")
def _(folder: Path) -> None:
    assert read(folder, yolo(settings="names: [yes, no, 1]")).classes == ("yes", "no", "1")


@told(
    "Labels of tools",
    "YOLO: an outline instead of a box",
    "some labels are outlines: each is read as the box around it",
)
def _(folder: Path) -> None:
    assert boxes(read(folder, yolo("1 0.375 0.3 0.625 0.3 0.5 0.7\n"))) == [BOX]


@told("Labels of tools", "YOLO: a class that data.yaml does not name", "1 box of unknown classes ('number 7')")
def _(folder: Path) -> None:
    assert boxes(read(folder, yolo(LINE + "7 0.5 0.5 0.5 0.5"))) == [BOX]


@refused(
    "Labels of tools",
    "YOLO: pixels instead of shares in every label",
    "… the only image has no usable box (1 degenerate box; the first box reaches from (600, 270) to (1000, 630) "
    "in 'images/a.png', of 40×30 pixels: in YOLO's format a box is x_centre y_centre width height, in shares of the "
    "picture's sides). Check …",
)
def _(folder: Path) -> None:
    read(folder, yolo("1 20 15 10 12\n"))


@told("Labels of tools", "YOLO: pixels instead of shares in one label", "left out of the targets: 1 degenerate box")
def _(folder: Path) -> None:
    assert boxes(read(folder, yolo(LINE + "1 20 15 10 12\n"))) == [BOX]


@told("Labels of tools", "YOLO: a picture without a label file", "1 of 2 pictures has no label file: it is background")
def _(folder: Path) -> None:
    read(folder, yolo() | {"images/b.png": ""})


@told("Labels of tools", "YOLO: a number that is not finite", "left out of the targets: 1 degenerate box")
def _(folder: Path) -> None:
    assert boxes(read(folder, yolo(LINE + "1 nan 0.5 1e999 0.5\n"))) == [BOX]


@told(
    "Labels of tools",
    "YOLO: a photograph that its EXIF turns",
    "1 image is to be turned upright by its EXIF, and the annotations do not tell whether its boxes are (the "
    'first is images/a.png): it is read as stored, unless orientation="upright" (--orientation upright)',
)
def _(folder: Path) -> None:
    (folder / "images").mkdir()
    picture(30, 40).save(folder / "images" / "a.png", exif=orientation(6))
    assert boxes(read(folder, yolo())) == [BOX]
    upright = load(folder, "train", orientation="upright")
    assert boxes(upright) == [[11.25, 12, 18.75, 28]]  # the same share of the turned picture


@refused(
    "Labels of tools",
    "YOLO: a sixth number",
    "labels/a.txt, line 1, has 6 numbers; it must be class x_centre y_centre width height, or a class and the points "
    "of an outline; a sixth is a score of a detector: these are no labels.",
)
def _(folder: Path) -> None:
    read(folder, yolo("1 0.5 0.5 0.25 0.4 0.9\n"))


@refused(
    "Labels of tools",
    "YOLO: a class of -1, or a word",
    "labels/a.txt, line 1, begins with '-1'; it must be the number of a class, from 0 on.",
)
def _(folder: Path) -> None:
    read(folder, yolo("-1 0.5 0.5 0.25 0.4\n"))


@refused(
    "Labels of tools",
    "YOLO: a data.yaml that refers to itself",
    "data.yaml is not YAML that can be read (it refers to a part of itself, which is not read).",
)
def _(folder: Path) -> None:
    read(folder, yolo(settings="a: &a [x, x]\nb: &b [*a, *a]\nnames: *b"))


@right("Labels of tools", "YOLO: a data.yaml that leads out of the folder", "the folder's own pictures alone")
def _(folder: Path) -> None:
    picture(30, 40).save(folder / "secret.png")
    assert (
        read(folder / "mine", yolo(settings="path: ..\ntrain: /etc\nval: ..\n" + NAMES)).file_name(0) == "images/a.png"
    )


@told("Labels of tools", "YOLO: an outline with a number that is none", "left out of the targets: 2 degenerate boxes")
def _(folder: Path) -> None:
    outlines = "1 nan 0.3 0.6 0.3 0.5 0.7\n1 0.1 0.3 nan 0.3 0.5 0.7\n"  # the least of numbers depends on their order
    assert boxes(read(folder, yolo(LINE + outlines))) == [BOX]


@refused("Labels of tools", "YOLO: a label file that is a link to nowhere", "labels/a.txt: No such file or directory")
def _(folder: Path) -> None:
    (folder / "labels").mkdir()
    (folder / "labels" / "a.txt").symlink_to("nowhere.txt")
    read(folder, {"data.yaml": NAMES, "images/a.png": "", "images/b.png": "", "labels/b.txt": LINE})


@refused("Labels of tools", "YOLO: a data.yaml that is a link to nowhere", "data.yaml: No such file or directory")
def _(folder: Path) -> None:
    (folder / "data.yaml").symlink_to("nowhere.yaml")
    read(folder, {"images/a.png": "", "labels/a.txt": LINE})


@refused(
    "Labels of tools",
    "YOLO: images/ that is a link to a folder elsewhere",
    "mine holds no pictures beside its labels; links to folders are not followed (images).",
)
def _(folder: Path) -> None:
    picture(30, 40).save(folder / "a.png")
    (folder / "mine").mkdir()
    (folder / "mine" / "images").symlink_to(folder)
    read(folder / "mine", {"data.yaml": NAMES, "labels/a.txt": LINE})


@right("Labels of tools", "a link to the folder that it is in, beside the labels", "is not followed for ever")
def _(folder: Path) -> None:
    (folder / "images").mkdir()
    (folder / "images" / "again").symlink_to(folder)
    assert boxes(read(folder, yolo())) == [BOX]


@told("Labels of tools", "YOLO: points of a pose behind the box (kpt_shape)", "have points behind their boxes")
def _(folder: Path) -> None:
    two, three = LINE[:-1] + " 0.1 0.1 0.9 0.9\n", LINE[:-1] + " 0.1 0.1 2 0.9 0.9 1\n"
    assert boxes(read(folder, yolo(two + three, NAMES + "kpt_shape: [2, 2]\n"))) == [BOX, BOX]


@refused(
    "Labels of tools",
    "YOLO: n.jpg beside n.png, with one n.txt",
    "labels/a.txt may belong to 'images/a.jpg' or 'images/a.png'; rename or remove one of them.",
)
def _(folder: Path) -> None:
    (folder / "images").mkdir()
    picture(30, 40).save(folder / "images" / "a.jpg")
    read(folder, yolo())


@refused("Labels of tools", "YOLO: nc of another number than there are names", "data.yaml says nc: 3 and has 2 names.")
def _(folder: Path) -> None:
    read(folder, yolo(settings="nc: 3\n" + NAMES))


@refused(
    "Labels of tools",
    "YOLO: an empty line in classes.txt",
    "classes.txt, line 2, is empty; it must be the name of class 1.",
)
def _(folder: Path) -> None:
    read(folder, {"classes.txt": "nut\n\nbolt\n", "a.png": "", "a.txt": LINE})


@right("Labels of tools", "VOC: XML beside the pictures, in annotations/, below train/ and valid/", "read")
def _(folder: Path) -> None:
    assert boxes(read(folder / "1", {"a.xml": VOC, "a.png": ""})) == [BOX]
    assert boxes(read(folder / "2", {"annotations/a.xml": VOC, "images/a.png": ""})) == [BOX]
    assert boxes(read(folder / "3", {"train/a.xml": VOC, "train/a.png": "", "valid/b.xml": VOC, "valid/b.png": ""}))


@right("Labels of tools", "COCO: _annotations.coco.json, instances_default.json, result.json", "read")
def _(folder: Path) -> None:
    made = {
        "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 30}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 0, "bbox": [15, 9, 10, 12]}],
        "categories": [{"id": 0, "name": "nut"}],
    }
    for name in ("_annotations.coco.json", "annotations/instances_default.json", "result.json"):
        assert boxes(read(folder / name[:5], {name: made, "images/a.png": ""})) == [BOX]


@right("Labels of tools", "labelme: rectangles, outlines, circles", "the boxes around them")
def _(folder: Path) -> None:
    circle = {"label": "nut", "points": [[20, 15], [23, 19]], "shape_type": "circle"}
    assert boxes(read(folder, {"a.json": LABELME | {"shapes": [SHAPE, circle]}, "a.png": ""})) == [
        BOX,
        [15, 10, 25, 20],
    ]


@told("Labels of tools", "labelme: a point or a line", "left out of the targets: 1 shape without a box (line)")
def _(folder: Path) -> None:
    read(folder, {"a.json": LABELME | {"shapes": [SHAPE, SHAPE | {"shape_type": "line"}]}, "a.png": ""})


@told("Labels of tools", "labelme: difficult of true, 1 or text", "left out of the targets: 3 shapes marked difficult")
def _(folder: Path) -> None:
    marked = [SHAPE | {"difficult": value} for value in (True, 1, "true")]
    plain = [SHAPE | {"difficult": value} for value in (False, 0, "0", None, "")]
    made = read(folder, {"a.json": LABELME | {"shapes": marked + plain}, "a.png": ""})
    assert boxes(made) == [BOX] * 5 and made.annotations().ignored.tolist() == [True] * 3 + [False] * 5


@refused(
    "Labels of tools", "labelme: another difficult", "a.json: shape 0 has difficult 'maybe'; it must be true or false."
)
def _(folder: Path) -> None:
    read(folder, {"a.json": LABELME | {"shapes": [SHAPE | {"difficult": "maybe"}]}, "a.png": ""})


@told(
    "Labels of tools",
    "labelme: an object in two shapes of one group_id",
    "shapes of one label and one group_id are one object, and get one box",
)
def _(folder: Path) -> None:
    def at(x: int, **more: Any) -> dict[str, Any]:
        return SHAPE | {"points": [[x, 9], [x + 3, 21]]} | more

    shapes = [at(5, group_id=1), at(20, group_id=2), at(30, group_id=1), at(12, group_id=1, label="bolt"), at(35)]
    made = read(folder, {"a.json": LABELME | {"shapes": shapes}, "a.png": ""})
    assert boxes(made) == [[5, 9, 33, 21], [20, 9, 23, 21], [12, 9, 15, 21], [35, 9, 38, 21]]
    assert [made.classes[label] for label in made[0][1]["labels"]] == ["nut", "nut", "bolt", "nut"]


@refused(
    "Labels of tools",
    "labelme: a circle of three points",
    "a.json: shape 0 is a circle of 3 points; it must be its centre and one on its border.",
)
def _(folder: Path) -> None:
    shape = SHAPE | {"shape_type": "circle", "points": [[1, 2], [3, 4], [5, 6]]}
    read(folder, {"a.json": LABELME | {"shapes": [shape]}, "a.png": ""})


@refused("Labels of tools", "labelme: a file that is cut off, or empty", "b.json is not a JSON file (…).")
def _(folder: Path) -> None:
    for content in (json.dumps(LABELME)[:30], ""):
        try:
            read(folder, {"a.json": LABELME, "a.png": "", "b.json": content, "b.png": ""})
        except ValueError as error:
            last = error
        else:
            raise AssertionError("its picture would not be trained on, without a word")
    raise last


@refused("Labels of tools", "labelme: a shape without label", "a.json: shape 0 has the label None; it must be a word.")
def _(folder: Path) -> None:
    read(folder, {"a.json": LABELME | {"shapes": [SHAPE | {"label": None}]}, "a.png": ""})


@refused(
    "Labels of tools",
    "labelme: a picture in another folder",
    "mine (train): the picture '/etc/x.png' lies outside of the folder mine; such are read only with "
    "allow_outside=True (--allow-outside)",
)
def _(folder: Path) -> None:
    read(folder / "mine", {"a.json": LABELME | {"imagePath": "/etc/x.png"}, "b.png": ""})


@right("Labels of tools", "CVAT: annotations.xml beside images/", "read, classes in the order of the labels")
def _(folder: Path) -> None:
    labels = (
        "<meta><task><labels><label><name>ring</name></label><label><name>nut</name></label></labels></task></meta>"
    )
    dataset = read(folder, {"annotations.xml": f"<annotations>{labels}{CVAT}</annotations>", "images/a.png": ""})
    assert boxes(dataset) == [BOX] and dataset.classes == ("ring", "nut")


@refused(
    "Labels of tools",
    "CVAT: tracks of a video",
    "annotations.xml holds tracks of a video; export it as CVAT for images, with its frames.",
)
def _(folder: Path) -> None:
    read(folder, {"annotations.xml": "<annotations><track id='0'/></annotations>", "a.png": ""})


@told("Labels of tools", "CVAT: tracks beside images", "left out of the targets: 1 shape without a box (track)")
def _(folder: Path) -> None:
    made = read(folder, {"annotations.xml": f"<annotations>{CVAT}<track/></annotations>", "images/a.png": ""})
    assert boxes(made) == [BOX]


@told("Labels of tools", "CVAT: a box turned by an infinite angle", "left out of the targets: 2 degenerate boxes")
def _(folder: Path) -> None:
    turned = CVAT.replace("</image>", '<ellipse label="nut" cx="9" cy="9" rx="3" ry="2" rotation="nan"/></image>')
    turned = turned.replace("<box", '<box label="nut" xtl="1" ytl="2" xbr="3" ybr="4" rotation="inf"/><box')
    assert boxes(read(folder, {"annotations.xml": f"<annotations>{turned}</annotations>", "images/a.png": ""})) == [BOX]


@right("Labels of tools", "an imagefolder of Hugging Face", "read; bbox is [x, y, width, height]")
def _(folder: Path) -> None:
    assert boxes(read(folder, {"train/metadata.jsonl": ROW, "train/a.png": ""})) == [BOX]


@right("Labels of tools", "an imagefolder with metadata.csv, objects as JSON in a cell", "read, as lines of JSON are")
def _(folder: Path) -> None:
    cell = json.dumps(ROW["objects"]).replace('"', '""')
    assert boxes(read(folder, {"metadata.csv": f'file_name,objects\na.png,"{cell}"\n', "a.png": ""})) == [BOX]


@refused(
    "Labels of tools",
    "an imagefolder with metadata.csv, objects as Python writes them",
    "metadata.csv, line 2, has objects that are not JSON (…): write it with json.dumps.",
)
def _(folder: Path) -> None:
    read(folder, {"metadata.csv": f'file_name,objects\na.png,"{ROW["objects"]}"\n', "a.png": ""})


@refused(
    "Labels of tools",
    "an imagefolder with metadata.csv, without objects",
    "FOLDER has neither … It holds 1 .csv, 1 .png: metadata.csv is an imagefolder's, without boxes: it needs a column "
    "objects, in JSON, or xmin, ymin, xmax, ymax, label.",
)
def _(folder: Path) -> None:
    read(folder, {"metadata.csv": "file_name,label\na.png,nut\n", "a.png": ""})


@refused(
    "Labels of tools",
    "an imagefolder with metadata.jsonl and metadata.csv",
    "FOLDER holds metadata.jsonl and metadata.csv, which may differ: keep one.",
)
def _(folder: Path) -> None:
    read(folder, {"metadata.jsonl": ROW, "metadata.csv": "file_name,objects\na.png,\n", "a.png": ""})


@refused(
    "Labels of tools",
    "an imagefolder with metadata.parquet",
    "FOLDER has neither … It holds 1 .parquet, 1 .png: metadata.parquet is Hugging Face's: read it with the library "
    "datasets, and give what it returns to load_dataset, train or evaluate.",
)
def _(folder: Path) -> None:
    read(folder, {"metadata.parquet": b"PAR1", "a.png": ""})


@told(
    "Labels of tools", "an imagefolder whose classes are numbers", "the classes are numbers: the folder does not tell"
)
def _(folder: Path) -> None:
    made = ROW | {"objects": {"bbox": [[15, 9, 10, 12]], "categories": [2]}}
    assert read(folder, {"metadata.jsonl": made, "a.png": ""}).classes == ("0", "1", "2")


@refused(
    "Labels of tools",
    "an imagefolder with more boxes than classes",
    "metadata.jsonl, line 1, has objects …; it must have as many categories as bbox.",
)
def _(folder: Path) -> None:
    read(folder, {"metadata.jsonl": ROW | {"objects": {"bbox": [[1, 2, 3, 4]], "categories": []}}, "a.png": ""})


@told(
    "Labels of tools", "an imagefolder with iscrowd as text, or of some boxes", "left out of the targets: 1 crowd box"
)
def _(folder: Path) -> None:
    columns = {"bbox": [[15, 9, 10, 12], [1, 2, 3, 4]], "categories": ["nut", "nut"], "iscrowd": ["0", "1"]}
    crowd = {"bbox": [1, 2, 3, 4], "category": "nut", "iscrowd": 1}
    for k, objects in enumerate((columns, [{"bbox": [15, 9, 10, 12], "category": "nut"}, crowd])):
        made = read(folder / f"{k}", {"metadata.jsonl": ROW | {"objects": objects}, "a.png": ""})
        assert boxes(made) == [BOX] and made.annotations().ignored.tolist() == [False, True]


@refused(
    "Labels of tools",
    "an imagefolder with another iscrowd",
    "metadata.jsonl, line 1, has iscrowd 2; it must be 0 or 1.",
)
def _(folder: Path) -> None:
    objects = {"bbox": [[15, 9, 10, 12]], "categories": ["nut"], "iscrowd": [2]}
    read(folder, {"metadata.jsonl": ROW | {"objects": objects}, "a.png": ""})


@refused(
    "Labels of tools",
    "an imagefolder with fewer iscrowd than boxes",
    "metadata.jsonl, line 1, has iscrowd [1]; it must have as many as bbox, or none.",
)
def _(folder: Path) -> None:
    objects = {"bbox": [[15, 9, 10, 12]] * 2, "categories": ["nut"] * 2, "iscrowd": [1]}
    read(folder, {"metadata.jsonl": ROW | {"objects": objects}, "a.png": ""})


@told("Labels of tools", "an imagefolder whose classes are 1.0 and 2.0", "the classes are numbers")
def _(folder: Path) -> None:
    objects = {"bbox": [[15, 9, 10, 12], [1, 2, 3, 4]], "categories": [1.0, 2.0]}
    assert read(folder, {"metadata.jsonl": ROW | {"objects": objects}, "a.png": ""})[0][1]["labels"].tolist() == [1, 2]


@right("Labels of tools", "CSV: classes that are called 01, 02 and 10", "names, as they are no usual numbers")
def _(folder: Path) -> None:
    text = "".join(f"a.png,15,9,25,21,{name}\n" for name in ("01", "02", "10"))
    made = read(folder, {"boxes.csv": text, "a.png": ""})
    assert made.classes == ("01", "02", "10") and made[0][1]["labels"].tolist() == [0, 1, 2]


@told(
    "Labels of tools",
    "CSV: a column iscrowd or difficult",
    "left out of the targets: 1 box marked crowd or difficult",
)
def _(folder: Path) -> None:
    for name in ("iscrowd", "difficult"):
        text = f"filename,xmin,ymin,xmax,ymax,class,{name}\na.png,15,9,25,21,nut,0\na.png,1,2,3,4,nut,1\n"
        assert boxes(read(folder / name, {"boxes.csv": text, "a.png": ""})) == [BOX]


@refused(
    "Labels of tools",
    "CSV: two files of boxes without the names of splits",
    "FOLDER holds 2 CSV files of boxes (a.csv, b.csv): keep one, or call them train.csv, val.csv, test.csv.",
)
def _(folder: Path) -> None:
    read(folder, {"a.csv": "a.png,15,9,25,21,nut", "b.csv": "a.png,15,9,25,21,bolt", "a.png": ""})


@told("Labels of tools", "shares of the sides where a format has pixels", "no box is larger than a pixel (the first, …")
def _(folder: Path) -> None:
    read(folder, {"boxes.csv": "a.png,0.1,0.2,0.5,1,nut\na.png,0.5,0.2,1,1,nut", "a.png": ""}, keep_empty=True)


@right("Labels of tools", "CSV: with or without a header, with commas, semicolons or tabs", "read")
def _(folder: Path) -> None:
    for k, text in enumerate(("a.png,15,9,25,21,nut", "filename;class;xmin;ymin;xmax;ymax\na.png;nut;15;9;25;21")):
        assert boxes(read(folder / f"{k}", {"boxes.csv": text, "a.png": ""})) == [BOX]


@refused("Labels of tools", "CSV: a line without a class", "boxes.csv, line 2, has no class; it must be picture, …")
def _(folder: Path) -> None:
    read(folder, {"boxes.csv": "a.png,15,9,25,21,nut\na.png,1,2,3,4,", "a.png": ""})


@refused(
    "Labels of tools",
    "a folder that could be of two formats",
    "FOLDER may be read as yolo or csv: say which with --format yolo or --format csv (in Python yolo:FOLDER).",
)
def _(folder: Path) -> None:
    read(folder, yolo() | {"boxes.csv": "a.png,15,9,25,21,nut"})


@right("Labels of tools", "… with its format before it", "read so")
def _(folder: Path) -> None:
    files = yolo() | {"boxes.csv": "images/a.png,15,9,25,21,ring"}
    try:
        read(folder, files)
    except ValueError:
        assert load(f"csv:{folder}").classes == ("ring",) and load(f"yolo:{folder}").classes == ("nut", "bolt")


@refused(
    "Labels of tools",
    "the split val of a folder without splits",
    "FOLDER has no split 'val': all its pictures are one set, which is read as train. Divide it with fcos-edu data "
    "split FOLDER, which writes lists and moves nothing.",
)
def _(folder: Path) -> None:
    read(folder, yolo(), "val")


@refused(
    "Labels of tools",
    "a list of a split with a picture that is not labelled",
    "splits/val.txt names 'b.png', which the labels of the folder do not: take the line out, or make the lists anew "
    "(remove splits/, then fcos-edu data split).",
)
def _(folder: Path) -> None:
    read(folder, yolo() | {"splits/train.txt": "images/a.png", "splits/val.txt": "b.png"}, "val")


@refused(
    "Labels of tools",
    "a folder of pictures without labels",
    "FOLDER has neither VOC's layout (…) nor a CSV file (…). It holds 1 .png.",
)
def _(folder: Path) -> None:
    Image.new("RGB", (4, 3)).save(folder / "a.png")
    load(folder)
