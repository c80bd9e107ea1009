"""From a folder, as a labelling tool leaves it, to a page on the detector that has learnt from it: four commands."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from fcos_edu.data import ShapesDataset
from tests.cli.calls import run

Labelled = list[tuple[str, Image.Image, list[tuple[str, list[float]]]]]  # name, picture, names and corners of its boxes
WRITERS: dict[str, Callable[[Path, Labelled], None]] = {}


def tool(write: Callable[[Path, Labelled], None]) -> Callable[[Path, Labelled], None]:
    WRITERS[write.__name__] = write
    return write


def saved(folder: Path, pictures: Labelled) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture, _ in pictures:
        picture.save(folder / name, quality=90)


def centred(picture: Image.Image, box: list[float]) -> str:
    (x0, y0, x1, y1), (width, height) = box, picture.size
    shares = ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height)
    return " ".join(f"{share:.6f}" for share in shares)


def names_of(pictures: Labelled) -> list[str]:
    return sorted({name for _, _, boxes in pictures for name, _ in boxes})


@tool
def yolo(folder: Path, pictures: Labelled) -> None:
    """Label Studio's export: images/, labels/, classes.txt."""
    names = names_of(pictures)
    saved(folder / "images", pictures)
    (folder / "labels").mkdir()
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in names))
    for name, picture, boxes in pictures:
        lines = [f"{names.index(kind)} {centred(picture, box)}\n" for kind, box in boxes]
        (folder / "labels" / Path(name).with_suffix(".txt")).write_text("".join(lines))


@tool
def roboflow_yolo(folder: Path, pictures: Labelled) -> None:
    """Roboflow's: train/ and valid/, data.yaml with paths that lead out of the folder."""
    names = names_of(pictures)
    for split, part in (("train", pictures[:-4]), ("valid", pictures[-4:])):
        saved(folder / split / "images", part)
        (folder / split / "labels").mkdir()
        for name, picture, boxes in part:
            lines = [f"{names.index(kind)} {centred(picture, box)}" for kind, box in boxes]
            (folder / split / "labels" / Path(name).with_suffix(".txt")).write_text("\n".join(lines))
    (folder / "data.yaml").write_text(
        f"train: ../train/images\nval: ../valid/images\n\nnc: {len(names)}\nnames: {names}\n"
    )


@tool
def voc_flat(folder: Path, pictures: Labelled) -> None:
    """LabelImg's: an XML beside each picture, with a path of another machine."""
    saved(folder, pictures)
    for name, picture, boxes in pictures:
        objects = "".join(
            f"<object><name>{kind}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>"
            f"<bndbox><xmin>{int(x0) + 1}</xmin><ymin>{int(y0) + 1}</ymin><xmax>{int(x1)}</xmax><ymax>{int(y1)}</ymax>"
            "</bndbox></object>"
            for kind, (x0, y0, x1, y1) in boxes
        )
        (folder / name).with_suffix(".xml").write_text(
            f"<annotation><folder>pictures</folder><filename>{name}</filename><path>C:\\Users\\me\\pictures\\{name}</path>"
            f"<size><width>{picture.width}</width><height>{picture.height}</height><depth>3</depth></size>{objects}"
            "</annotation>"
        )


@tool
def coco_flat(folder: Path, pictures: Labelled) -> None:
    """Roboflow's: _annotations.coco.json beside the pictures, with a category 0 for all others."""
    names = names_of(pictures)
    saved(folder, pictures)
    images = [{"id": i, "file_name": n, "width": p.width, "height": p.height} for i, (n, p, _) in enumerate(pictures)]
    boxes = [(i, kind, box) for i, (_, _, own) in enumerate(pictures) for kind, box in own]
    document = {
        "images": images,
        "categories": [{"id": 0, "name": "shapes", "supercategory": "none"}]
        + [{"id": k, "name": name, "supercategory": "shapes"} for k, name in enumerate(names, start=1)],
        "annotations": [
            {"id": k, "image_id": i, "category_id": names.index(kind) + 1, "iscrowd": 0, "segmentation": [],
             "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}
            for k, (i, kind, (x0, y0, x1, y1)) in enumerate(boxes)
        ],
    }  # fmt: skip
    (folder / "_annotations.coco.json").write_text(json.dumps(document))


@tool
def labelme(folder: Path, pictures: Labelled) -> None:
    """A JSON beside each picture: outlines, and the picture itself once more."""
    saved(folder, pictures)
    for name, picture, boxes in pictures:
        shapes = [
            {"label": kind, "points": [[x0, y0], [x1, y0], [x1, y1], [x0, y1]], "group_id": None,
             "shape_type": "polygon", "flags": {}}
            for kind, (x0, y0, x1, y1) in boxes
        ]  # fmt: skip
        document = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": name, "imageData": "/9j/4AAQ",
                    "imageHeight": picture.height, "imageWidth": picture.width}  # fmt: skip
        (folder / name).with_suffix(".json").write_text(json.dumps(document))


@tool
def cvat(folder: Path, pictures: Labelled) -> None:
    """CVAT for images 1.1, with the list of labels of the task."""
    saved(folder / "images", pictures)
    labels = "".join(f"<label><name>{name}</name></label>" for name in names_of(pictures))
    images = "".join(
        f'<image id="{i}" name="{name}" width="{picture.width}" height="{picture.height}">'
        + "".join(
            f'<box label="{kind}" occluded="0" xtl="{x0}" ytl="{y0}" xbr="{x1}" ybr="{y1}" z_order="0"></box>'
            for kind, (x0, y0, x1, y1) in boxes
        )
        + "</image>"
        for i, (name, picture, boxes) in enumerate(pictures)
    )
    (folder / "annotations.xml").write_text(
        f"<annotations><version>1.1</version><meta><task><labels>{labels}</labels></task></meta>{images}</annotations>"
    )


@tool
def imagefolder(folder: Path, pictures: Labelled) -> None:
    """Hugging Face's: metadata.jsonl in train/ and validation/."""
    for split, part in (("train", pictures[:-4]), ("validation", pictures[-4:])):
        saved(folder / split, part)
        lines = [
            {"file_name": name, "objects": {"bbox": [[x0, y0, x1 - x0, y1 - y0] for _, (x0, y0, x1, y1) in boxes],
                                            "categories": [kind for kind, _ in boxes]}}
            for name, _, boxes in part
        ]  # fmt: skip
        (folder / split / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@tool
def csv_table(folder: Path, pictures: Labelled) -> None:
    """A spreadsheet without a header."""
    saved(folder, pictures)
    with open(folder / "labels.csv", "w", newline="") as file:
        csv.writer(file).writerows([name, *box, kind] for name, _, boxes in pictures for kind, box in boxes)


def drawn(count: int) -> Labelled:
    shapes = ShapesDataset(count, "train", size=(96, 128))
    pictures: Labelled = []
    for i, (image, target) in enumerate(shapes):
        boxes = [[round(side, 1) for side in box] for box in target["boxes"].tolist()]
        kinds = [shapes.classes[label] for label in target["labels"].tolist()]
        picture = Image.fromarray(image.permute(1, 2, 0).numpy())
        pictures.append((f"photo_{i:02d}.jpg", picture, list(zip(kinds, boxes))))
    return pictures


@pytest.mark.parametrize("name", WRITERS)
def test_four_commands_lead_from_a_folder_to_a_page(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Check, divide if it is not divided yet, train, evaluate: what each says names the folder and the next step."""
    WRITERS[name](tmp_path / "labelled", drawn(12))
    before = {path: path.read_bytes() for path in (tmp_path / "labelled").rglob("*") if path.is_file()}
    monkeypatch.chdir(tmp_path)
    assert run("data", "check", "labelled", "--json", "check.json") == 0
    checked = json.loads((tmp_path / "check.json").read_text())
    counts = checked["splits"]
    assert sum(split["images"] for split in counts) == 12
    assert sum(split["boxes"] for split in counts) == sum(len(boxes) for _, _, boxes in drawn(12))
    divided = name in ("roboflow_yolo", "imagefolder")
    if not divided:
        assert "fcos-edu data split labelled" in capsys.readouterr().out
        assert run("data", "split", "labelled") == 0
    small = ["--iterations", "2", "--set", "model.min_size=64", "--set", "model.max_size=96", "--set", "batch_size=2"]
    assert run("train", "--data", "labelled", "--out", "runs/first", *small) == 0
    capsys.readouterr()
    assert run("evaluate", "runs/first", "--report", "report.html") == 0
    out, err = capsys.readouterr()
    assert "labelled, val: " in err and "report: report.html" in out and "Traceback" not in err
    page = (tmp_path / "report.html").read_text()
    assert "labelled (val)" in page and not re.search(r"(?:src|href)=.?https?:", page)
    assert all(path.read_bytes() == content for path, content in before.items())
