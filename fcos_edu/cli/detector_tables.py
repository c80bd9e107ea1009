"""``fcos-edu tables``: what is measured with trained detectors, Tables 4, 6 and 7, Figs 4 to 7.

Used in the chapters of the tables, first in *Center-ness*. Checked against: the functions that it calls, and the file
that it writes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.sources import NAMES
from ..experiments.studies import STUDIES, spread
from ..paper import AMBIGUOUS_DETECTIONS, TABLE_2
from ..text import counted
from .options import (
    COUNT,
    OURS,
    Commands,
    Parser,
    add_command,
    add_figure_option,
    add_format_option,
    add_record_options,
    add_workers_option,
    apply_format,
    place,
    save_figure,
    save_record,
    split_of,
    without_place,
)

if TYPE_CHECKING:
    from ..data import Annotations, DetectionDataset


def add(tables: Commands) -> None:
    """Add a sub-command for each table."""
    _add_detections(tables)
    _add_centerness(tables)
    _add_score_iou(tables)
    _add_agnostic(tables)
    _add_proposals(tables)


# ---------------------------------------------------------------------- what all need
def _add_model_options(parser: Parser, *, several: bool = False, what: str = OURS, files_of: str = "") -> None:
    parser.add_argument("checkpoint", type=place, nargs="+" if several else None, help=what)
    also = ""
    if files_of:
        also = "; with --detections a COCO annotation file too"
        parser.add_argument(
            "--detections", action="store_true",
            help=f"the files hold {files_of} (COCO results) instead of detectors; no image is needed then",
        )  # fmt: skip
    parser.add_argument(
        "--data", type=place, default="shapes", metavar="NAME",
        help=f"{', '.join(NAMES)}, or a folder of labelled pictures{also} (default: shapes)",
    )  # fmt: skip
    add_format_option(parser)
    parser.add_argument("--split", metavar="NAME", help="train, val or test (default: test)")
    parser.add_argument(
        "--batch-size", type=COUNT, default=4, metavar="N", help="images in one call of the model (default: 4)"
    )
    add_workers_option(parser)


def _dataset(arguments: argparse.Namespace) -> DetectionDataset:
    from .. import data
    from ..data.transforms import eval_transforms

    apply_format(arguments)
    return data.load(arguments.data, arguments.split or "test", transforms=eval_transforms())


def _truth(arguments: argparse.Namespace) -> Annotations:
    """What detections in files are compared with: annotations alone, which need no picture."""
    from ..data import load_annotations

    apply_format(arguments)
    return load_annotations(arguments.data, split_of(arguments))


def _loading(arguments: argparse.Namespace) -> dict[str, Any]:
    """How :func:`~fcos_edu.evaluation.coco_ap.each_batch` goes through the images."""
    return {"batch_size": arguments.batch_size, "workers": arguments.workers}


def _save_record(
    arguments: argparse.Namespace, what: str, dataset: DetectionDataset | Annotations, metrics: Any, paper: Any
) -> None:
    names = arguments.checkpoint if isinstance(arguments.checkpoint, list) else [arguments.checkpoint]
    told = [without_place(name) for name in names]
    kind = "detections" if getattr(arguments, "detections", False) else "detector" + "s" * (len(told) > 1)
    of_split = f"{split}, " if (split := split_of(arguments)) else ""
    data = f"{Path(without_place(arguments.data)).name} ({of_split}{counted(len(dataset.image_ids), 'images')})"
    save_record(arguments, what=f"{what}, by the {kind} {', '.join(told)}", metrics=metrics, data=data, paper=paper)


def _over_runs(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The figures of one run; of several, as over the seeds of a training, mean and spread of each figure."""
    if len(runs) == 1:
        return dict(runs[0])
    return {
        key: _over_runs([run[key] for run in runs]) if isinstance(value, dict) else spread([run[key] for run in runs])
        for key, value in runs[0].items()
    }


def _shown(value: float | dict[str, Any] | None) -> str:
    """A figure in percent, of several runs with its spread."""
    if not isinstance(value, dict):
        return _percent(value)
    return _percent(value["mean"]) + (f" ± {_percent(value['std'])}" if value["std"] else "")


# ---------------------------------------------------------------------- detections from ambiguous locations
_CLEAR = 0.3  # a score from which the command `detect` draws a box


def _add_detections(tables: Commands) -> None:
    every, classes = AMBIGUOUS_DETECTIONS.texts
    parser = add_command(
        tables, "detections", run_detections, "Beside Table 2: how many detections come from ambiguous locations.",
        "tables detections bccd --data bccd",
        f"The paper counts {every} % of all detections, and {classes} % where the boxes are of different classes. The "
        "share of\nambiguous locations among the positive ones stands below: of the same images, by the detector's own "
        "rules.\nSeveral detectors, as of several seeds, give mean and standard deviation.",
    )  # fmt: skip
    _add_model_options(parser, several=True)
    add_record_options(parser, "--json", note="kept in the result file: what is special about the data")


def run_detections(arguments: argparse.Namespace) -> None:
    """Print and record the shares, of all detections and of those with a clear score."""
    from ..detectors import load_for
    from ..evaluation.quality import ambiguous_detections_above
    from ..model import FCOS

    dataset = _dataset(arguments)
    runs = []
    for source in arguments.checkpoint:
        model = load_for(source, dataset, FCOS, by_name=True)
        assert isinstance(model, FCOS)
        found, clear = ambiguous_detections_above((0.0, _CLEAR), model, dataset, **_loading(arguments))
        runs.append({**found, f"score at least {_CLEAR}": {k: v for k, v in clear.items() if k != "samples"}})
    metrics = _over_runs(runs)
    rows = {
        "every detection": (metrics, "detections"),
        f"score at least {_CLEAR}": (metrics[f"score at least {_CLEAR}"], "detections"),
        "to compare: positive locations": (metrics["samples"], "positive"),
        "paper, detections, on COCO": (AMBIGUOUS_DETECTIONS.shares, ""),
        "paper, locations, on COCO": (TABLE_2["fpn"].shares, ""),
    }
    print(f"{'detections from ambiguous locations, %':<40}{'all':>14}{'classes':>14}{'of':>10}")
    for name, (row, total) in rows.items():
        shares = "".join(f"{_shown(row[key]):>14}" for key in ("all", "different_classes"))
        count = row[total] if total else ""
        print(f"{name:<40}{shares}{round(count['mean']) if isinstance(count, dict) else count:>10}")
    print("classes: only those whose boxes are of different classes")
    _save_record(arguments, "Detections that come from ambiguous locations", dataset, metrics,
                  AMBIGUOUS_DETECTIONS.shares)  # fmt: skip


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


# ---------------------------------------------------------------------- Table 4
def _add_centerness(tables: Commands) -> None:
    parser = add_command(
        tables, "centerness", run_centerness, "Table 4: one detector with four kinds of center-ness at inference.",
        "tables centerness bccd --data bccd",
        "none: class scores alone; computed: Eq. 3 of the predicted distances; branch: what the network predicts;\n"
        "oracle: Eq. 3 of the true boxes, an upper bound.",
    )  # fmt: skip
    _add_model_options(parser)
    add_record_options(parser, "--json", note="kept in the result file: what is special about the data")


def run_centerness(arguments: argparse.Namespace) -> None:
    """Print Table 4 for one detector, and record it."""
    from ..detectors import load_for
    from ..evaluation.quality import four_ways
    from ..model import FCOS

    dataset = _dataset(arguments)
    model = load_for(arguments.checkpoint, dataset, FCOS, by_name=True)
    assert isinstance(model, FCOS)
    ways = four_ways(model, dataset, **_loading(arguments))
    paper = STUDIES["centerness"].paper
    print(f"{'Table 4, %':<12}{'AP':>8}{'AP50':>8}{'AP75':>8}{'paper AP':>12}")
    for way, metrics in ways.items():
        shown = "".join(f"{_percent(metrics[name]):>8}" for name in ("AP", "AP50", "AP75"))
        print(f"{way:<12}{shown}{100 * paper[way]['AP']:>12.1f}")
    _save_record(arguments, "Table 4: four kinds of center-ness", dataset, ways, paper)


# ---------------------------------------------------------------------- Fig. 7
def _add_score_iou(tables: Commands) -> None:
    parser = add_command(
        tables, "score-iou", run_score_iou, "Fig. 7: scores against the IoU, without and with center-ness.",
        "tables score-iou bccd --data bccd --figure fig7.png",
        "Counts the points under y = x: detections with a score above their IoU with the nearest box of their class.\n"
        "Several detectors, as of several seeds, give mean and standard deviation.",
    )  # fmt: skip
    _add_model_options(parser, several=True)
    add_figure_option(parser, "draw the figure here, of the first detector")
    add_record_options(parser, "--json", note="kept in the result file: what is special about the data")


def run_score_iou(arguments: argparse.Namespace) -> None:
    """Print and record the points under y = x, and draw them all."""
    from .. import figures
    from ..detectors import load_for
    from ..evaluation.quality import score_iou, under
    from ..model import FCOS

    dataset = _dataset(arguments)
    points, runs = [], []
    for source in arguments.checkpoint:
        model = load_for(source, dataset, FCOS, by_name=True)
        assert isinstance(model, FCOS)
        points.append(score_iou(model, dataset, **_loading(arguments)))
        run = {}
        for name, scores in (("without", points[-1].class_scores), ("with", points[-1].scores)):
            below, total = under(scores, points[-1].ious)
            run[name] = {"points": total, "under": below, "share": below / total if total else None}
            print(
                f"{name:<8} center-ness: {below} of {counted(total, 'detections')} under y = x, a score above the IoU"
            )
        runs.append(run)
    metrics = _over_runs(runs)
    print(f"in %: {_shown(metrics['without']['share'])} without, {_shown(metrics['with']['share'])} with")
    first = points[0]
    save_figure(arguments.figure, lambda: figures.score_against_iou(first.class_scores, first.scores, first.ious))
    _save_record(arguments, "Fig. 7: detections whose score is above their IoU", dataset, metrics, None)


# ---------------------------------------------------------------------- Table 7, Figs 4 to 6
def _add_agnostic(tables: Commands) -> None:
    parser = add_command(
        tables, "agnostic", run_agnostic, "Table 7 and Figs 4 to 6: AP and precision-recall curves without classes.",
        "tables agnostic runs/bccd/fcos-0/model.safetensors --data bccd --figure curves.png",
        "A row for each detector, a curve for each at the IoUs .50, .75 and .90. Classes are left aside at the\n"
        "evaluation alone: pycocotools with its categories off.",
    )  # fmt: skip
    _add_model_options(parser, several=True, files_of="detections")
    parser.add_argument("--names", nargs="+", metavar="NAME", help="of the rows and curves, one for each file")
    add_figure_option(parser)
    add_record_options(parser, "--json", note="kept in the result file: what is special about the data")


def run_agnostic(arguments: argparse.Namespace) -> None:
    """Print a row for each detector, draw the curves, and record both."""
    from .. import figures
    from ..evaluation.agnostic import agnostic_metrics, precision_recall_curves

    sources, names = arguments.checkpoint, arguments.names
    if names and (len(names) != len(sources) or len(set(names)) < len(names)):
        raise ValueError(
            f"--names has {', '.join(names)} for {counted(len(sources), 'files')}; each file needs one of its own"
        )
    dataset = _truth(arguments) if arguments.detections else _dataset(arguments)
    truth = dataset.ground_truth()
    rows: dict[str, dict[str, float | None]] = {}
    curves = {}
    for i, source in enumerate(sources):
        results = _results(source, arguments, dataset, truth)
        name = names[i] if names else _short(source, rows)
        rows[name] = agnostic_metrics(truth, results)
        curves[name] = precision_recall_curves(truth, results)
    _print_rows("Table 7, %", rows | {"paper, FCOS": STUDIES["retinanet"].paper["FCOS"]})
    save_figure(arguments.figure, lambda: figures.precision_recall_by_iou(curves))
    _save_record(arguments, "Table 7: class-agnostic AP", dataset, rows, STUDIES["retinanet"].paper)


def _results(source: str, arguments: argparse.Namespace, dataset: Any, truth: dict[str, Any]) -> list[dict[str, Any]]:
    from ..detectors import load_for
    from ..evaluation.coco_ap import predict
    from ..evaluation.detection_files import read_detections

    if arguments.detections:
        return read_detections(source, truth)
    return predict(load_for(source, dataset, by_name=True), dataset, **_loading(arguments))


def _short(source: str, taken: dict[str, Any]) -> str:
    """A row's name: the file's, or, as all runs have a model.safetensors (or best), the run folder's."""
    path = Path(source)
    name = path.parent.name if path.stem in ("model", "best") and path.parent.name else path.stem
    return name if name not in taken else source


def _print_rows(title: str, rows: dict[str, dict[str, float | None]]) -> None:
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    width = max(16, *(len(name) + 2 for name in rows))
    print(f"{title:<{width}}" + "".join(f"{name:>9}" for name in columns))
    for name, row in rows.items():
        print(f"{name:<{width}}" + "".join(f"{_percent(row.get(column)):>9}" for column in columns))


# ---------------------------------------------------------------------- Table 6
def _add_proposals(tables: Commands) -> None:
    parser = add_command(
        tables, "proposals", run_proposals, "Table 6: average recall of region proposals.",
        "tables proposals runs/bccd/rcnn-fcos-0/model.safetensors --data bccd",
        "The share of boxes that an image's best 100 and 1000 proposals find, averaged over the IoUs\n"
        ".50, .55, ... .95. Takes two-stage detectors, as fcos-edu study proposals trains them.",
    )  # fmt: skip
    _add_model_options(parser, several=True, what="a checkpoint file of a two-stage detector", files_of="proposals")
    add_record_options(parser, "--json", note="kept in the result file: what is special about the data")


def run_proposals(arguments: argparse.Namespace) -> None:
    """Print and record AR100 and AR1000 of the first stage of each two-stage detector."""
    from ..detectors import load_for
    from ..evaluation.agnostic import proposal_recall
    from ..evaluation.coco_ap import predict
    from ..evaluation.detection_files import read_detections
    from ..proposals import FirstStage, TwoStage

    dataset: Any = _truth(arguments) if arguments.detections else _dataset(arguments)
    truth = dataset.ground_truth()
    rows: dict[str, dict[str, float | None]] = {}
    for source in arguments.checkpoint:
        if arguments.detections:
            results = read_detections(source, truth)
        else:
            model = load_for(source, dataset, TwoStage, by_name=True)
            assert isinstance(model, TwoStage)
            results = predict(FirstStage(model), dataset, **_loading(arguments))
        rows[_short(source, rows)] = proposal_recall(truth, results)
    paper = STUDIES["proposals"].paper
    _print_rows("Table 6, %", rows | {f"paper, {name}": row for name, row in paper.items()})
    _save_record(arguments, "Table 6: average recall of proposals", dataset, rows, paper)
