"""Make a large COCO-format file out of a small one, by repeating its images and boxes under new ids.

    python scripts/repeat_annotations.py boxes.json big.json --images 118287 --mask-points 24

For measuring what a data set of that size costs: 118,287 is the number of images of COCO train2017. Masks are most of
the size of COCO's files, so each box may get one: a polygon of so many points, made up.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from fcos_edu.atomic import atomic_write
from fcos_edu.data.coco import read_annotations
from fcos_edu.text import counted


def repeated(document: dict[str, Any], images: int, mask_points: int = 0) -> dict[str, Any]:
    """A document of that many images; the last round is cut short."""
    originals = document["images"]
    boxes: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in originals}
    for annotation in document["annotations"]:
        mask = {"segmentation": [ellipse(annotation["bbox"], mask_points)]} if mask_points else {}
        boxes[annotation["image_id"]].append(annotation | mask)
    made: dict[str, Any] = {"images": [], "annotations": [], "categories": document["categories"]}
    for number in range(images):
        image = originals[number % len(originals)]
        made["images"].append(image | {"id": number + 1})
        for annotation in boxes[image["id"]]:
            made["annotations"].append(annotation | {"id": len(made["annotations"]) + 1, "image_id": number + 1})
    return made


def ellipse(bbox: list[float], points: int) -> list[float]:
    """A polygon within a box (x, y, width, height): x0, y0, x1, y1, ..."""
    x, y, width, height = bbox
    angles = [2 * math.pi * k / points for k in range(points)]
    return [
        round(value, 2)
        for angle in angles
        for value in (x + width * (1 + math.cos(angle)) / 2, y + height * (1 + math.sin(angle)) / 2)
    ]


def write_repeated(source: Path, target: Path, images: int, mask_points: int = 0) -> dict[str, Any]:
    """Read ``source``, write ``target``, and return what was written."""
    made = repeated(read_annotations(source), images, mask_points)
    atomic_write(target, lambda path: path.write_text(json.dumps(made)))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description="Repeat the images and boxes of a COCO-format file.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--images", type=int, default=118_287, help="of the new file (default: train2017's)")
    parser.add_argument("--mask-points", type=int, default=0, metavar="N", help="give each box a mask of N points")
    arguments = parser.parse_args()
    made = write_repeated(arguments.source, arguments.target, arguments.images, arguments.mask_points)
    print(f"{arguments.target}: {counted(len(made['images']), 'images')}, {counted(len(made['annotations']), 'boxes')}")


if __name__ == "__main__":
    main()
