"""Draw the committed pictures again: what the landing page and the README show.

    python scripts/make_pictures.py             into book/_static
    python scripts/make_pictures.py --out DIR   somewhere else

Generated images and the detector that comes with the package: no download, no photograph of others, half a minute.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import torch

from fcos_edu import FCOS, figures
from fcos_edu.data import load, transforms
from fcos_edu.weights import atomic_write

ROOT = Path(__file__).resolve().parents[1]
IMAGES = (5, 37, 28, 36, 29, 11)  # of the test split, which no training run sees
THRESHOLD = 0.3


def detections() -> bytes:
    """Six unseen images with what the packaged detector finds in them, as a PNG file."""
    shapes = load("shapes", "test", num_images=max(IMAGES) + 1, transforms=transforms.eval_transforms())
    images = [shapes[index][0] for index in IMAGES]
    with torch.inference_mode():
        results = FCOS.pretrained("shapes")(images)
    figure = figures.gallery(images, results, shapes.classes, threshold=THRESHOLD, side=2.6)
    return figures.png(figure, dpi=160, colors=256)


PICTURES = {"detections.png": detections}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Draw the committed pictures again.")
    parser.add_argument("--out", type=Path, default=ROOT / "book" / "_static", help="default: book/_static")
    args = parser.parse_args(argv)
    for name, draw in PICTURES.items():
        path = args.out / name
        atomic_write(path, partial(Path.write_bytes, data=draw()))
        print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
