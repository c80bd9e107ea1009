"""Photographs that show people, out of COCO's val2017: what the people detector is trained and measured on.

    fcos-edu data download coco2017 --split val
    python -m scripts.coco_people --coco COCO2017 --out people

All photographs of val2017 with a person, their short side brought down to 256 pixels, with the boxes of the class
person. 500 of them, by a list that was drawn once, are for measuring (``coco_people_val.json``, COCO's own numbers);
with the others one trains. val2017 is the paper's minival: a detector that was trained on it is never scored there.
The photographs have licences of their own, on Flickr's terms, and are not to be published.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from fcos_edu.atomic import write_json
from fcos_edu.progress import bar
from fcos_edu.transfer import scratch_in

SHORT_SIDE = 256
CATEGORY = "person"
VAL = frozenset(json.loads((Path(__file__).parent / "coco_people_val.json").read_text("utf-8")))


def make(boxes: Path, pictures: Path, out: Path, val: Collection[int] = VAL) -> dict[str, int]:
    """Write ``images/``, ``train.json`` and ``val.json``.

    Args:
        boxes: COCO's ``instances_val2017.json``.
        pictures: the folder of its photographs.
        out: a folder that is not there yet.
        val: numbers of the images to measure on.

    Returns:
        Images of each split.

    Raises:
        FileExistsError: ``out`` is there already.
        ValueError: an image to measure on shows nobody, or is not in the file: it is another one.
    """
    if out.exists():
        raise FileExistsError(f"{out} is there already; name a folder that is not")
    given = json.loads(boxes.read_text("utf-8"))
    (category,) = (one["id"] for one in given["categories"] if one["name"] == CATEGORY)
    people: dict[int, list[dict[str, Any]]] = {}
    for annotation in given["annotations"]:
        if annotation["category_id"] == category:
            people.setdefault(annotation["image_id"], []).append(annotation)
    if strangers := sorted(set(val) - set(people)):
        raise ValueError(f"{boxes} has nobody in image {strangers[0]} ({len(strangers)} such); it is not val2017's")
    out.parent.mkdir(parents=True, exist_ok=True)
    with scratch_in(out.parent) as scratch:  # what is cut off leaves nothing
        made = _write(given, people, pictures, scratch / "made", val)
        (scratch / "made").rename(out)
    return made


def _write(
    given: dict[str, Any], people: dict[int, list[dict[str, Any]]], pictures: Path, out: Path, val: Collection[int]
) -> dict[str, int]:
    (out / "images").mkdir(parents=True)
    splits: dict[str, dict[str, list[Any]]] = {name: {"images": [], "annotations": []} for name in ("train", "val")}
    images = sorted((image for image in given["images"] if image["id"] in people), key=lambda image: image["id"])
    for image in bar(images, desc="photographs"):
        split = splits["val" if image["id"] in val else "train"]
        with Image.open(pictures / image["file_name"]) as photograph:
            width, height = photograph.size
            factor = min(1.0, SHORT_SIDE / min(width, height))
            size = round(width * factor), round(height * factor)
            small = photograph.convert("RGB").resize(size, Image.Resampling.LANCZOS)
            small.save(out / "images" / image["file_name"], quality=90)
        split["images"].append(
            {"id": image["id"], "file_name": image["file_name"], "width": size[0], "height": size[1]}
        )
        across, down = size[0] / width, size[1] / height
        for annotation in people[image["id"]]:
            x, y, w, h = annotation["bbox"]
            split["annotations"].append({
                "id": annotation["id"], "image_id": image["id"], "category_id": 1,
                "bbox": [round(x * across, 2), round(y * down, 2), round(w * across, 2), round(h * down, 2)],
                "area": round(annotation["area"] * across * down, 2), "iscrowd": annotation["iscrowd"],
            })  # fmt: skip
    for name, split_ in splits.items():
        write_json(out / f"{name}.json", {**split_, "categories": [{"id": 1, "name": CATEGORY}]}, indent=None)
    return {name: len(split_["images"]) for name, split_ in splits.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coco", type=Path, required=True, help="the folder with annotations/ and val2017/")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    arguments = parser.parse_args(argv)
    try:
        made = make(
            arguments.coco / "annotations" / "instances_val2017.json", arguments.coco / "val2017", arguments.out
        )
    except (OSError, ValueError) as error:
        print(f"coco_people: error: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.out}: " + ", ".join(f"{count:,} images of {name}" for name, count in made.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
