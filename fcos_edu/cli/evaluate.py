"""``fcos-edu evaluate``: COCO AP of a detector, or of a file of detections, on a data set.

Taught in the chapter *How good is it*. Checked against: files of detections that are the truth itself; what is written
against what is printed.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..text import printable
from .options import (
    COUNT,
    OURS,
    OUT_ASKED,
    OUT_FILE,
    Commands,
    add_command,
    add_corrupt_option,
    add_device_option,
    add_format_option,
    add_picture_options,
    add_workers_option,
    apply_format,
    command_line,
    located,
    picture_options,
    place,
    split_of,
    without_place,
)

if TYPE_CHECKING:
    from torch import Tensor

    from ..data import DetectionDataset
    from ..evaluation.findings import Findings


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "evaluate", run, "COCO AP of a detector on a data set, or of a file of detections, and its errors.",
        "evaluate shapes --data shapes --split test --report report.html\n"
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
    add_format_option(parser)
    parser.add_argument("--batch-size", type=COUNT, default=4, help="images that are looked at together (default: 4)")
    add_workers_option(parser)
    add_corrupt_option(parser, "leave them out, of the true boxes too")
    add_picture_options(parser)
    add_device_option(parser)
    parser.add_argument(
        "--detections", type=located, metavar="JSON",
        help="score these detections (COCO results, or what detect writes): no detector and no image is needed",
    )  # fmt: skip
    parser.add_argument("--out", type=OUT_FILE, metavar="JSON", told=False, help="write all figures here")
    parser.add_argument(
        "--report", type=OUT_ASKED, metavar="HTML", told=False,
        help="write a page with all figures and the worst images, in one file that opens without a network",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Print what :func:`~fcos_edu.evaluation.findings.findings` finds, and write it as JSON and as a page."""
    if arguments.checkpoint and arguments.detections:
        raise ValueError(f"give a detector ({arguments.checkpoint}) or --detections {arguments.detections}, not both")
    if not arguments.checkpoint and not arguments.detections:
        raise ValueError(f"evaluate needs a detector ({OURS}), or a file of detections (--detections JSON)")
    if arguments.report:
        check_report(arguments.report)
    from ..atomic import write_json
    from ..evaluation.findings import findings

    command = command_line(arguments)
    measured = as_trained(arguments.checkpoint)
    if arguments.data is None:
        arguments.data = measured.get("test_data") or measured.get("data") or "shapes"
    if arguments.split is None:
        arguments.split = measured.get("test_split")
    apply_format(arguments)
    truth, results, pictures = _of_file(arguments) if arguments.detections else _of_detector(arguments)
    found = findings(truth, results)
    if arguments.out:
        write_json(arguments.out, found.to_dict())
    print(as_text(found))
    if arguments.report:
        write_report(arguments, found, pictures([one.judged.image_id for one in found.worst]), command)


# Ground truth, detections, and what gives the pictures of some images: by id, those that can be had.
Measured = tuple[dict[str, Any], list[dict[str, Any]], Callable[[list[int]], "dict[int, Tensor]"]]


def _of_file(arguments: argparse.Namespace) -> Measured:
    from ..data import load_annotations
    from ..evaluation.detection_files import read_detections

    split = split_of(arguments)
    truth = load_annotations(arguments.data, split).ground_truth()
    return truth, read_detections(arguments.detections, truth), lambda ids: _pictures_beside(arguments, split, ids)


def _of_detector(arguments: argparse.Namespace) -> Measured:
    from .. import data
    from ..data.transforms import eval_transforms
    from ..detectors import load_for
    from ..evaluation.coco_ap import predict_seen, truth_of

    # Images without a box too, of any split: what is found there is wrong.
    dataset = data.load(
        arguments.data, arguments.split or "test", transforms=eval_transforms(), on_corrupt=arguments.on_corrupt,
        keep_empty=True, **picture_options(arguments),
    )  # fmt: skip
    model = load_for(arguments.checkpoint, dataset, device=arguments.device, by_name=True)
    print(
        f"{arguments.data}, {arguments.split or 'test'}: {len(dataset)} image{'s' * (len(dataset) != 1)}",
        file=sys.stderr,
    )
    results, seen = predict_seen(model, dataset, batch_size=arguments.batch_size, workers=arguments.workers)
    return truth_of(dataset, seen), results, lambda ids: _pictures(dataset, ids)


def _pictures(dataset: DetectionDataset, ids: list[int]) -> dict[int, Tensor]:
    from torch import Tensor

    from ..data import CorruptImageError

    place, found = {image_id: index for index, image_id in enumerate(dataset.image_ids)}, {}
    for image_id in ids:
        try:
            sample = dataset.read(place[image_id])
        except (CorruptImageError, OSError):  # taken away in the meantime
            continue
        if sample is not None:
            found[image_id] = sample[0].as_subclass(Tensor)
    return found


def _pictures_beside(arguments: argparse.Namespace, split: str | None, ids: list[int]) -> dict[int, Tensor]:
    """The pictures of a data set whose annotations alone were needed so far, if they lie where they should."""
    import numpy as np

    from ..data import FileDataset, ShapesDataset, load_annotations
    from ..data.sources import SOURCES

    source = SOURCES.get(str(arguments.data))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is odd about them was no matter for the figures
        try:
            if source is not None and source.layout == "shapes":
                return _pictures(ShapesDataset(split=split or "test", **source.options), ids)
            everything = load_annotations(arguments.data, split, pictures=True)
            chosen = everything.chosen(np.flatnonzero(np.isin(everything.image_ids, ids)))
            options = picture_options(arguments)
            return _pictures(FileDataset(chosen, on_corrupt="skip", **options), ids) if chosen.images else {}
        except (OSError, ValueError):
            return {}


def check_report(path: Path) -> None:
    """Refuse a report's place before anything is measured.

    Raises:
        FileExistsError: it is there, and no report of ours.
        IsADirectoryError: it is a folder.
    """
    from ..report import is_report

    if path.is_dir():
        raise IsADirectoryError(f"--report {path} is a folder: give a file, such as {path / 'report.html'}")
    if path.is_file() and path.stat().st_size and not is_report(path):
        raise FileExistsError(f"--report {path} is there and no report of fcos-edu: it is not replaced")


def write_report(arguments: argparse.Namespace, found: Findings, pictures: dict[int, Tensor], command: str) -> None:
    """Write the page, and say where it is."""
    from ..atomic import atomic_write
    from ..report import page

    split = split_of(arguments)
    source = str(arguments.detections or arguments.checkpoint)
    content = page(
        found, what=without_place(source), data=without_place(arguments.data) + (f" ({split})" if split else ""),
        command=command, picture=lambda image: pictures.get(image.judged.image_id),
    )  # fmt: skip
    atomic_write(arguments.report, lambda temporary: temporary.write_text(content, encoding="utf-8"))
    print(f"report: {printable(arguments.report)}")


_ROWS = 30  # classes that a terminal shows


def as_text(found: Findings) -> str:
    """What a terminal shows: the twelve numbers, the classes, the kinds of errors, and what all that says."""
    from ..evaluation.coco_ap import metrics_table
    from ..evaluation.errors import KINDS
    from ..report import percent, sentences

    shown = found.classes
    if len(shown) > _ROWS:  # the worst, as there is most to mend
        shown = sorted((one for one in shown if one.boxes), key=lambda one: one.ap or 0.0)[:_ROWS]
    names = [shortened_name(one.name) for one in shown]
    width = max(12, *(len(name) + 2 for name in names)) if names else 12
    lines = [metrics_table(found.metrics), "", f"{'class':<{width}}{'boxes':>8}{'AP':>8}{'AP50':>8}{'95 % of AP':>18}"]
    for name, one in zip(names, shown, strict=True):
        interval = f"{percent(one.interval.low)} to {percent(one.interval.high)}" if one.interval else "-"
        values = "".join(f"{percent(value) if value is not None else '-':>8}" for value in (one.ap, one.ap50))
        lines.append(f"{name:<{width}}{one.boxes:>8}{values}{interval:>18}")
    if len(shown) < len(found.classes):
        lines.append(f"the {len(shown)} worst of {len(found.classes)}; --out and --report have all")
    lines += ["", f"{'errors':<12}{'how many':>10}{'AP50 gained if mended':>24}"]
    for kind in sorted(KINDS, key=lambda kind: -found.errors.gain[kind]):
        lines.append(f"{kind:<12}{found.errors.count[kind]:>10}{percent(found.errors.gain[kind]):>24}")
    return "\n".join([*lines, "", *(f"- {sentence}" for sentence in sentences(found))])


def shortened_name(name: str) -> str:
    """A class's name as a column has room for it."""
    name = printable(name)
    return name if len(name) <= 24 else f"{name[:23]}…"


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
