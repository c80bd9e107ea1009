"""Keep the exact boxes of a COCO-format file that says which are, and cut their corners as those of the others were.

    python -m scripts.exact_boxes coco_val2017_boxes.json coco_val2017_exact.json
    python -m scripts.exact_boxes coco_val2017_boxes.json coco_val2017_exact_cut.json --cut

For measuring what boxes in whole pixels do to Tables 1 and 2. In our file of COCO's boxes each has a field
``precision``: ``exact``, or ``integer`` where both corners were cut to whole pixels. The same boxes counted before and
after the cut, with and without ``--last-pixel``, tell its effect apart from that of the pixel.
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


def exact(document: dict[str, Any], cut: bool = False) -> dict[str, Any]:
    """All images, and the boxes whose ``precision`` is ``exact``; with ``cut`` both corners in whole pixels.

    Raises:
        ValueError: no box says that it is exact.
    """
    kept = [one for one in document["annotations"] if one.get("precision") == "exact"]
    if not kept:
        raise ValueError(
            f'none of {counted(len(document["annotations"]), "boxes")} has "precision": "exact"; '
            "this needs a file that says it"
        )
    if cut:
        kept = [one | {"bbox": whole_pixels(one["bbox"])} for one in kept]
    return document | {"annotations": kept}


def whole_pixels(bbox: list[float]) -> list[float]:
    """A box (x, y, width, height) with both corners cut down to whole pixels."""
    x, y, width, height = bbox
    left, top = math.floor(x), math.floor(y)
    return [float(left), float(top), float(math.floor(x + width) - left), float(math.floor(y + height) - top)]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Keep the exact boxes of a COCO-format file that says which are.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--cut", action="store_true", help="cut both corners of each box to whole pixels")
    arguments = parser.parse_args(argv)
    if arguments.target.exists() and arguments.target.samefile(arguments.source):
        parser.error(f"{arguments.target} is the source itself; choose another name")
    made = exact(read_annotations(arguments.source), arguments.cut)
    atomic_write(arguments.target, lambda path: path.write_text(json.dumps(made)))
    print(f"{arguments.target}: {counted(len(made['images']), 'images')}, {counted(len(made['annotations']), 'boxes')}")


if __name__ == "__main__":
    main()
