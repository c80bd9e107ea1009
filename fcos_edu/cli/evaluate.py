"""``fcos-edu evaluate``: COCO AP of a detector, or of a file of detections, on a data set.

Taught in the chapter *How good is it*. Checked against: files of detections that are the truth itself.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import OURS, Commands, add_command, add_corrupt_option, add_device_option, place


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "evaluate", run, "COCO AP of a detector on a data set.",
        "evaluate shapes --data shapes --split test",
    )  # fmt: skip
    parser.add_argument("checkpoint", type=place, help=OURS)
    parser.add_argument("--data", type=place, default="shapes", help="as for train")
    parser.add_argument("--split", default="test", help="train, val or test")
    parser.add_argument("--batch-size", type=int, default=4)
    add_corrupt_option(parser)
    add_device_option(parser)
    parser.add_argument(
        "--detections", type=Path, metavar="JSON", help="score these detections (COCO results) instead of detecting"
    )
    parser.add_argument("--out", type=Path, metavar="JSON", told=False, help="write the twelve numbers here")


def run(arguments: argparse.Namespace) -> None:
    """Print COCO's twelve numbers of a detector, or of a file of detections."""
    from .. import data
    from ..atomic import write_json
    from ..data.transforms import eval_transforms
    from ..detectors import load_for
    from ..evaluation.coco_ap import coco_metrics, evaluate, metrics_table, read_detections

    dataset = data.load(arguments.data, arguments.split, transforms=eval_transforms(), on_corrupt=arguments.on_corrupt)
    if arguments.detections:
        truth = dataset.ground_truth()
        metrics = coco_metrics(truth, read_detections(arguments.detections, truth))
    else:
        model = load_for(arguments.checkpoint, dataset, device=arguments.device)
        metrics = evaluate(model, dataset, batch_size=arguments.batch_size)
    print(metrics_table(metrics))
    if arguments.out:
        write_json(arguments.out, metrics)
