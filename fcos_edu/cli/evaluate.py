"""``fcos-edu evaluate``: COCO AP of a detector, or of a file of detections, on a data set.

Taught in the chapter *How good is it*. Checked against: files of detections that are the truth itself.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from .options import (
    COUNT,
    OURS,
    OUT_FILE,
    Commands,
    add_command,
    add_corrupt_option,
    add_device_option,
    add_picture_options,
    located,
    picture_options,
    place,
    split_of,
)


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "evaluate", run, "COCO AP of a detector on a data set, or of a file of detections.",
        "evaluate shapes --data shapes --split test\n"
        "  fcos-edu evaluate --detections found.json --data my_folder/annotations/test.json",
    )  # fmt: skip
    parser.add_argument("checkpoint", nargs="?", type=place, help=f"{OURS}; none with --detections")
    parser.add_argument(
        "--data",
        type=place,
        help="as for train; with --detections a COCO annotation file too (default: what a run measured, or shapes)",
    )
    parser.add_argument(
        "--split", help="train, val or test (default: what a run measured, or test; an annotation file has none)"
    )
    parser.add_argument("--batch-size", type=COUNT, default=4)
    add_corrupt_option(parser, "leave them out, of the true boxes too")
    add_picture_options(parser)
    add_device_option(parser)
    parser.add_argument(
        "--detections", type=located, metavar="JSON",
        help="score these detections (COCO results, or the file of detect): no detector and no image is needed",
    )  # fmt: skip
    parser.add_argument("--out", type=OUT_FILE, metavar="JSON", told=False, help="write the twelve numbers here")


def run(arguments: argparse.Namespace) -> None:
    """Print COCO's twelve numbers of a detector, or of a file of detections."""
    if arguments.checkpoint and arguments.detections:
        raise ValueError(f"give a detector ({arguments.checkpoint}) or --detections {arguments.detections}, not both")
    if not arguments.checkpoint and not arguments.detections:
        raise ValueError(f"evaluate needs a detector ({OURS}), or a file of detections (--detections JSON)")
    from ..atomic import write_json
    from ..evaluation.coco_ap import metrics_table

    measured = as_trained(arguments.checkpoint)
    if arguments.data is None:
        arguments.data = measured.get("test_data") or measured.get("data") or "shapes"
    if arguments.split is None:
        arguments.split = measured.get("test_split")
    metrics = _of_file(arguments) if arguments.detections else _of_detector(arguments)
    if arguments.out:
        write_json(arguments.out, metrics)
    print(metrics_table(metrics))


def _of_file(arguments: argparse.Namespace) -> dict[str, float | None]:
    from ..data import load_annotations
    from ..evaluation.coco_ap import coco_metrics
    from ..evaluation.detection_files import read_detections

    truth = load_annotations(arguments.data, split_of(arguments)).ground_truth()
    return coco_metrics(truth, read_detections(arguments.detections, truth))


def _of_detector(arguments: argparse.Namespace) -> dict[str, float | None]:
    from .. import data
    from ..data.transforms import eval_transforms
    from ..detectors import load_for
    from ..evaluation.coco_ap import evaluate

    # Images without a box too, of any split: what is found there is wrong.
    dataset = data.load(
        arguments.data, arguments.split or "test", transforms=eval_transforms(), on_corrupt=arguments.on_corrupt,
        keep_empty=True, **picture_options(arguments),
    )  # fmt: skip
    model = load_for(arguments.checkpoint, dataset, device=arguments.device)
    print(f"{arguments.data}, {arguments.split or 'test'}: {len(dataset)} images", file=sys.stderr)
    return evaluate(model, dataset, batch_size=arguments.batch_size)


def as_trained(checkpoint: str | None) -> dict[str, Any]:
    """The configuration of the run that a detector comes from, if it lies in its run's folder; otherwise nothing."""
    from ..settings import ConfigError
    from ..training.runs import Run

    path = Path(checkpoint or "")
    folders = [path] if path.is_dir() else list(path.parents[:2]) if path.is_file() else []
    for folder in folders if checkpoint else []:
        try:
            if (values := Run(folder).read_config()) is not None:
                return values
        except (ConfigError, OSError):
            continue
    return {}
