"""Make a large COCO-format file out of a small one, by repeating its images and boxes under new ids.

    python scripts/repeat_annotations.py boxes.json big.json --images 118287

For measuring what a data set of that size costs: 118,287 is the number of images of COCO train2017.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from fcos_edu.data.coco import read_annotations
from fcos_edu.weights import atomic_write


def repeated(document: dict[str, Any], images: int) -> dict[str, Any]:
    """A document of that many images; the last round is cut short."""
    originals = document["images"]
    boxes: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in originals}
    for annotation in document["annotations"]:
        boxes[annotation["image_id"]].append(annotation)
    made: dict[str, Any] = {"images": [], "annotations": [], "categories": document["categories"]}
    for number in range(images):
        image = originals[number % len(originals)]
        made["images"].append(image | {"id": number + 1})
        for annotation in boxes[image["id"]]:
            made["annotations"].append(annotation | {"id": len(made["annotations"]) + 1, "image_id": number + 1})
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description="Repeat the images and boxes of a COCO-format file.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--images", type=int, default=118_287, help="of the new file (default: train2017's)")
    arguments = parser.parse_args()
    made = repeated(read_annotations(arguments.source), arguments.images)
    atomic_write(arguments.target, lambda path: path.write_text(json.dumps(made)))
    print(f"{arguments.target}: {len(made['images'])} images, {len(made['annotations'])} boxes")


if __name__ == "__main__":
    main()
