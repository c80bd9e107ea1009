"""The book's own detector, trained from nothing on shapes as in the chapter Training: its AP, and what it found.

    python -m scripts.course.train_my_fcos --record fcos_edu/results/my_fcos_shapes.json

About five minutes on two quiet cores. The record has the AP on 200 unseen pictures, and the detections in four pictures
at a dozen steps, which the chapter shows beside the reader's own.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fcos_edu.course import my_fcos
from fcos_edu.data import load, transforms
from fcos_edu.evaluation.coco_ap import coco_metrics, coco_results
from fcos_edu.progress import bar
from fcos_edu.records import record
from fcos_edu.training.loading import make_dataset, make_loader
from fcos_edu.training.recipes import RECIPES

SIDE = 256
LEAST = 0.3  # the score from which on detections are kept in the record


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Train the book's own detector on shapes.")
    parser.add_argument("--record", type=Path, metavar="JSON", help="write AP and pictures as a result file")
    parser.add_argument("--iterations", type=int, default=RECIPES["shapes"].config.iterations)
    parser.add_argument("--images", type=int, default=200, help="of the validation split, for AP")
    arguments = parser.parse_args(argv)
    steps = arguments.iterations
    config = RECIPES["shapes"].config.replace(iterations=steps)
    tests = load("shapes", "test", num_images=4, transforms=transforms.eval_transforms())
    looks = {round(steps * (k / 11) ** 2) for k in range(12)}
    album: list[dict[str, Any]] = []

    def watch(step: int, network: nn.Module) -> None:
        if step in looks:
            found = [my_fcos.detect(network, tests[i][0], SIDE, SIDE) for i in range(4)]
            album.append({"step": step, "found": [short(one) for one in found]})

    def batches() -> Iterator[tuple[list[Tensor], list[dict[str, Tensor]]]]:
        for batch in bar(make_loader(make_dataset(config), config), total=steps, desc="train"):
            yield list(batch.images), list(batch.targets)

    torch.manual_seed(0)
    start = time.process_time()
    network = my_fcos.train(my_fcos.MyFCOS(5), batches(), steps, config.lr, SIDE, SIDE, watch)
    seconds = time.process_time() - start

    unseen = load("shapes", "val", num_images=arguments.images, transforms=transforms.eval_transforms())
    results = []
    for i in bar(range(len(unseen)), desc="measure"):
        image, target = unseen[i]
        found = my_fcos.detect(network, image, SIDE, SIDE)
        results += coco_results(found, int(target["image_id"]), unseen.category_ids)
    metrics = coco_metrics(unseen.ground_truth(), results)
    print({name: None if value is None else round(value, 4) for name, value in metrics.items()})
    if arguments.record:
        record(
            arguments.record, what="The detector of the parts 'Your detector', trained from nothing on shapes",
            command="python -m scripts.course.train_my_fcos", data="shapes",
            metrics={**metrics, "iterations": steps, "images": len(unseen), "cpu_seconds": round(seconds),
                     "threads": torch.get_num_threads(), "cores": os.cpu_count(), "album": album},
        )  # fmt: skip
    return 0


def short(found: dict[str, Tensor]) -> dict[str, list[Any]]:
    """What a picture shows of detections, in few digits."""
    clear = found["scores"] >= LEAST
    return {
        "boxes": [[round(value, 1) for value in box] for box in found["boxes"][clear].tolist()],
        "scores": [round(score, 3) for score in found["scores"][clear].tolist()],
        "labels": found["labels"][clear].tolist(),
    }


if __name__ == "__main__":
    sys.exit(main())
