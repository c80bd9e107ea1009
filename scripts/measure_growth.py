"""What Tables 1 and 2 cost on data sets of rising size: seconds, memory, and how near to a straight line.

    python scripts/measure_growth.py boxes.json --record fcos_edu/results/recall_train2017_size.json

The files are made by repeating the images of ``boxes.json``, with masks, as COCO's have them. Each command runs in a
process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from fcos_edu.records import record

SIZES = (5_000, 15_000, 45_000, 118_287)  # images; the last is COCO train2017's number
MASK_POINTS = 24  # a file of train2017's size then has about half a gigabyte, as COCO's has
TABLES = ("recall", "ambiguity")


def sibling(name: str) -> ModuleType:
    """Another script of this folder as a module."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def point(source: Path, images: int, folder: Path) -> dict[str, Any]:
    """What one size costs: for each table the seconds of its parts, and the peak memory of its process."""
    file = folder / "repeated.json"
    made = sibling("repeat_annotations").write_repeated(source, file, images, MASK_POINTS)
    cost: dict[str, Any] = {
        "images": images,
        "boxes": len(made["annotations"]),
        "file_mb": round(file.stat().st_size / 1e6, 3),
    }
    del made
    for table in TABLES:
        target = folder / f"{table}.json"
        command = [sys.executable, "-m", "fcos_edu.cli", "tables", table, "--annotations", str(file)]
        subprocess.run([*command, "--json", str(target)], check=True, stdout=subprocess.DEVNULL)
        metrics = json.loads(target.read_text())["metrics"]
        cost[table] = {key: metrics[key] for key in ("seconds", "cpu_seconds", "peak_memory_mb")}
    return cost


def growth(images: Sequence[int], values: Sequence[float]) -> dict[str, float]:
    """The straight line through the points that fits best, by least squares of the relative errors.

    Returns:
        ``per_1000_images``, ``at_zero`` images, and ``largest_departure``: of a value from the line, as a share of it.
    """
    x, y = np.asarray(images, dtype=float), np.maximum(values, 0.01)  # seconds are rounded to hundredths
    slope, start = np.polyfit(x, y, 1, w=1 / y)
    line = start + slope * x
    return {
        "per_1000_images": round(1000 * float(slope), 4),
        "at_zero": round(float(start), 4),
        "largest_departure": round(float(np.abs(y / line - 1).max()), 4),
    }


def summary(points: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All points, and the growth of the processor's seconds and of the peak memory of each table."""
    images = [entry["images"] for entry in points]
    lines = {
        table: {
            "cpu_seconds": growth(images, [sum(entry[table]["cpu_seconds"].values()) for entry in points]),
            "peak_memory_mb": growth(images, [entry[table]["peak_memory_mb"] for entry in points]),
        }
        for table in TABLES
    }
    return {"points": list(points), "growth": lines}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure what Tables 1 and 2 cost on data sets of rising size.")
    parser.add_argument("source", type=Path, help="a COCO-format file whose images are repeated")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), metavar="N", help="numbers of images")
    parser.add_argument("--record", type=Path, required=True, metavar="JSON")
    parser.add_argument("--note", metavar="TEXT", help="kept in the result file")
    arguments = parser.parse_args(argv)
    points = []
    with tempfile.TemporaryDirectory() as folder:
        for images in arguments.sizes:
            points.append(point(arguments.source, images, Path(folder)))
            print(json.dumps(points[-1]), flush=True)
    sizes = "" if arguments.sizes == list(SIZES) else f" --sizes {' '.join(map(str, arguments.sizes))}"
    record(
        arguments.record,
        what="Cost of Tables 1 and 2 on files made by repeating images, up to the number of images of COCO train2017",
        command=f"python scripts/measure_growth.py {arguments.source.name}{sizes} --record {arguments.record.name}",
        metrics=summary(points),
        data=f"{arguments.source.name} repeated, each box with a mask of {MASK_POINTS} points",
        **({"note": arguments.note} if arguments.note else {}),
    )


if __name__ == "__main__":
    main()
