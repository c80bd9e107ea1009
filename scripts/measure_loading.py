"""Images a second of ``evaluate`` and ``detect``, with and without processes beside.

    python -m scripts.measure_loading --images 200 --workers 2 --turns 5 --record fcos_edu/results/loading.json

The images are drawn shapes on grain, saved as JPEGs of 640x480: a photograph's file takes as long to decode. All runs
happen in one process, and turn by turn, so that what else the machine does falls on both; what counts is the median of
the turns' ratios. What they find must be equal to a step of what the files are rounded to, 0.01 pixels and 1e-4: one
thread may round otherwise than two.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fcos_edu import cli, data
from fcos_edu.data.transforms import eval_transforms
from fcos_edu.detectors import load
from fcos_edu.evaluation.coco_ap import predict
from fcos_edu.records import record
from fcos_edu.text import counted

SIZE = (480, 640)  # height, width


def make_photographs(folder: Path, images: int) -> None:
    """A folder in COCO's layout whose pictures are JPEGs with the grain of a photograph."""
    drawn = data.ShapesDataset(num_images=images, split="test", size=SIZE)
    drawn.export_coco(folder)
    file = folder / "test.json"
    file.write_text(file.read_text("utf-8").replace(".png", ".jpg"), encoding="utf-8")
    noise = np.random.default_rng(0)
    for png in sorted((folder / "images").rglob("*.png")):
        pixels = np.asarray(Image.open(png).convert("RGB")).astype(np.float32)
        grain = noise.normal(0, 6, pixels.shape[:2])[..., None]
        Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8)).save(png.with_suffix(".jpg"), quality=90)
        png.unlink()


def runs(folder: Path, detector: str, device: str | None) -> dict[str, Callable[[int], Any]]:
    """What is measured: each takes a number of processes, and gives what it has found."""
    dataset = data.load(folder, "test", transforms=eval_transforms(), keep_empty=True)
    model = load(detector, device)
    (pictures,) = {path.parent for path in (folder / "images").rglob("*.jpg")}

    def evaluate(workers: int) -> Any:
        return predict(model, dataset, workers=workers, progress=False)

    def detect(workers: int) -> Any:
        with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(io.StringIO()):
            words = ["detect", detector, str(pictures), "--out", out, "--workers", str(workers)]
            if cli.main([*words, *(["--device", device] if device else [])]):
                raise RuntimeError("detect has failed")
            return json.loads((Path(out) / "detections.json").read_text("utf-8"))["annotations"]

    return {"evaluate": evaluate, "detect": detect}


def same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    """Whether each detection of one has its own of the other: same image and class, near box, near score."""
    if len(one) != len(other):
        return False
    left = defaultdict(list)
    for detection in other:
        left[detection["image_id"], detection["category_id"]].append(detection)
    for detection in one:
        rest = left[detection["image_id"], detection["category_id"]]
        for place, candidate in enumerate(rest):
            if np.allclose(candidate["bbox"], detection["bbox"], rtol=0, atol=0.015) and (
                abs(candidate["score"] - detection["score"]) < 1.5e-4
            ):
                del rest[place]
                break
        else:
            return False
    return True


def measure(run: Callable[[int], Any], images: int, workers: int, turns: int) -> dict[str, Any]:
    """Medians of images a second without processes and with ``workers``, and of a turn's second divided by its first.

    Raises:
        RuntimeError: they have found different things.
    """
    speeds: dict[int, list[float]] = {0: [], workers: []}
    found: dict[int, Any] = {}
    for _ in range(turns):
        for count, seen in speeds.items():
            before = time.perf_counter()
            found[count] = run(count)
            seen.append(images / (time.perf_counter() - before))
        if not same(found[0], found[workers]):
            raise RuntimeError(f"{workers} processes found other things than none")
    ratios = [helped / alone for alone, helped in zip(speeds[0], speeds[workers], strict=True)]
    alone, helped = (round(statistics.median(seen), 2) for seen in speeds.values())
    return {
        "images_per_second": {"alone": alone, "with processes": helped},
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 2) for ratio in ratios],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each command; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--of", choices=["evaluate", "detect"], help="the command to measure (default: both)")
    parser.add_argument("--detector", default="shapes", help="as fcos-edu detect takes it")
    parser.add_argument("--device", choices=["cpu", "cuda", "mps"])
    parser.add_argument("--record", type=Path, help="write a record here")
    arguments = parser.parse_args(argv)
    if min(arguments.images, arguments.workers, arguments.turns) < 1:
        parser.error("--images, --workers and --turns must be at least 1")
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        make_photographs(Path(place) / "set", arguments.images)
        for name, run in runs(Path(place) / "set", arguments.detector, arguments.device).items():
            if arguments.of not in (None, name):
                continue
            figures[name] = measure(run, arguments.images, arguments.workers, arguments.turns)
            print(f"{name}: {figures[name]['images_per_second']} images a second, ratio {figures[name]['ratio']}")
    if arguments.record:
        given = {name: getattr(arguments, name) for name in ("images", "workers", "turns", "detector")}
        given |= {"of": arguments.of} if arguments.of else {}
        record(
            arguments.record,
            what=f"Images a second: {', '.join(figures)}, alone and with {counted(arguments.workers, 'processes')}",
            command=" ".join(
                ["python -m scripts.measure_loading", *(f"--{name} {value}" for name, value in given.items())]
            ),
            metrics=figures,
            data=f"{arguments.images} JPEGs of {SIZE[1]}x{SIZE[0]} pixels: drawn shapes with grain",
            threads=torch.get_num_threads(),
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
