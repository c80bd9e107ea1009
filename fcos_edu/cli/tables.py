"""The command ``fcos-edu tables``: the paper's analysis on any data set, printed beside the paper's figures.

Used in the chapters of the tables, first in *When boxes overlap*. Checked against: the functions that it calls, and the
file that it writes.

Each table is a function that adds its own sub-command; :func:`add_commands` calls them all.
"""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import data, figures
from ..atomic import atomic_write
from ..config import INF, FCOSConfig
from ..data.boxes import NAMES, Boxes, load_boxes
from ..detectors import load_for
from ..evaluation.agnostic import agnostic_metrics, precision_recall_curves, proposal_recall
from ..evaluation.ambiguity import ambiguity, radius_curve
from ..evaluation.coco_ap import predict, read_detections
from ..evaluation.quality import ambiguous_detections_above, four_ways, score_iou, under
from ..evaluation.recall import LOW_QUALITY, REASONS, LocationRecall, Recall, anchor_recall, best_possible_recall
from ..experiments.studies import STUDIES, spread
from ..model import FCOS
from ..proposals import FirstStage, TwoStage
from ..records import peak_memory, record

Commands = Any  # what ArgumentParser.add_subparsers returns; argparse has no public name for it


class Help(argparse.RawDescriptionHelpFormatter):
    """Help with room for the names of sub-commands, which argparse does not count when it sets its columns."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)
        self._action_max_length = 16  # the longest name so far, with its indentation: argparse only makes it larger


# The paper's Tables 1 and 2, as shares.
PAPER_RECALL = {
    "retinanet_none": 0.8682,
    "retinanet_0.4": 0.9092,
    "retinanet_all": 0.9923,
    "fcos_p4": 0.9555,
    "fcos_fpn": 0.9840,
}
PAPER_AMBIGUITY = {
    "p4": {"all": 0.2316, "different_classes": 0.1784},
    "fpn": {"all": 0.0714, "different_classes": 0.0375},
}


def add_commands(commands: Commands) -> None:
    """Add the parser ``tables`` with one sub-command for each table; each sets ``run``, called with the arguments."""
    summary = "The paper's analysis on your data and detectors: Tables 1, 2, 4, 6 and 7, and Fig. 7."
    parser = commands.add_parser("tables", help=summary, description=summary, formatter_class=Help)
    tables = parser.add_subparsers(required=True, metavar="TABLE")
    _add_recall(tables)
    _add_ambiguity(tables)
    _add_detections(tables)
    _add_centerness(tables)
    _add_score_iou(tables)
    _add_agnostic(tables)
    _add_proposals(tables)


def add_table(
    tables: Commands, name: str, run: Callable[[argparse.Namespace], None], summary: str, text: str, example: str
) -> argparse.ArgumentParser:
    """A sub-command; its help tells the ``text`` and an example, that of ``tables`` the summary alone."""
    parser: argparse.ArgumentParser = tables.add_parser(
        name, help=summary, description=f"{summary}\n\n{text}",
        epilog=f"example:\n  fcos-edu tables {name} {example}", formatter_class=Help,
    )  # fmt: skip
    parser.set_defaults(run=run)
    return parser


def add_record_options(parser: argparse.ArgumentParser) -> None:
    """``--record`` and ``--note``, which all tables have."""
    parser.add_argument(
        "--record", "--json", dest="record", type=Path, metavar="JSON", help="write the figures as a result file"
    )
    parser.add_argument("--note", metavar="TEXT", help="kept in the result file: what is special about the data")


def command_line(table: str, arguments: argparse.Namespace, defaults: dict[str, Any]) -> str:
    """The command to type for the same figures: options that are not at their defaults, files without folders."""
    words = ["fcos-edu", "tables", table]
    for name, default in defaults.items():
        value = getattr(arguments, name)
        if value == default:
            continue
        words.append(f"--{name.replace('_', '-')}")
        if isinstance(value, list):
            words += [f"{v:g}" for v in value]
        elif value is not True:
            words.append(value.name if isinstance(value, Path) else f"{value}")
    return shlex.join(words)


# ---------------------------------------------------------------------- Tables 1 and 2: what both need
_DEFAULTS: dict[str, Any] = {
    "annotations": None,
    "split": None,
    "crowds": False,
    "last_pixel": False,
    "min_size": 800,
    "max_size": 1333,
    "levels": [3, 4, 5, 6, 7],
    "center_sampling": None,
}


def _add_box_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--annotations", type=Path, required=True, metavar="FILE",
        help=f"a COCO-format JSON file; a folder in COCO's or VOC's layout; {', '.join(NAMES)}. No images are needed",
    )  # fmt: skip
    parser.add_argument(
        "--split", metavar="NAME", help="of a folder or a name (default: all of VOC and of bccd, train of shapes)"
    )
    parser.add_argument("--crowds", action="store_true", help="count crowd boxes too (VOC: difficult ones)")
    parser.add_argument(
        "--last-pixel", action="store_true",
        help="boxes end at x + width - 1, as in the code of the paper's time: with it FCOS's rows are the paper's",
    )  # fmt: skip
    sides = (("--min-size", "short side of the resized image"), ("--max-size", "limit of its long side"))
    for option, what in sides:
        default = _DEFAULTS[option[2:].replace("-", "_")]
        parser.add_argument(
            option, type=int, default=default, metavar="PIXELS", help=f"{what} (default: the paper's {default})"
        )
    parser.add_argument(
        "--levels", type=int, nargs="+", default=_DEFAULTS["levels"], metavar="N",
        help="levels of the pyramid (default: 3 4 5 6 7); 4 alone gives the row P4 only",
    )  # fmt: skip
    parser.add_argument(
        "--center-sampling", type=float, metavar="R",
        help="only locations within R strides of a box's centre are positive (default: the whole box)",
    )  # fmt: skip


def _pyramid(levels: Sequence[int], arguments: argparse.Namespace) -> FCOSConfig:
    """The paper's settings on these levels: the bounds are 64, 128, ... between them, and a single level takes all."""
    bounds = (0.0, *(64.0 * 2**i for i in range(len(levels) - 1)), INF)
    return FCOSConfig.paper(
        min_size=arguments.min_size,
        max_size=arguments.max_size,
        levels=tuple(levels),
        level_bounds=bounds,
        center_sampling_radius=arguments.center_sampling,
    )


def _configs(arguments: argparse.Namespace) -> dict[str, FCOSConfig]:
    """The two rows of both tables, one level and the pyramid; a pyramid that is P4 alone is no second row."""
    rows = {"p4": _pyramid([4], arguments), "fpn": _pyramid(arguments.levels, arguments)}
    if arguments.levels == [4]:
        del rows["fpn"]
    return rows


def _names(arguments: argparse.Namespace) -> dict[str, str]:
    low, high = min(arguments.levels), max(arguments.levels)
    return {"p4": "P4 only", "fpn": f"FPN, P{low}-P{high}" if high > low else f"P{low} only"}


def _describe(boxes: Boxes) -> str:
    left_out = ", ".join(f"{count} {reason}" for reason, count in boxes.left_out.items())
    return f"{boxes.name}: {boxes.images} images, {len(boxes)} boxes" + (f"; left out: {left_out}" if left_out else "")


def _load(arguments: argparse.Namespace) -> Boxes:
    options = {name: getattr(arguments, name) for name in ("split", "crowds", "last_pixel")}
    return load_boxes(arguments.annotations, **options)


class _Clock:
    """Seconds of each part, for the record; beside the clock's the processor's, as a machine may do other work too."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu_seconds: dict[str, float] = {}

    def time(self, name: str, function: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
        started, cpu_started = time.perf_counter(), time.process_time()
        result = function(*inputs, **options)
        self.seconds[name] = round(time.perf_counter() - started, 2)
        self.cpu_seconds[name] = round(time.process_time() - cpu_started, 2)
        return result

    def cost(self, boxes: Boxes) -> dict[str, Any]:
        """What was counted, and what it took."""
        return {
            "images": boxes.images,
            "boxes": len(boxes),
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "peak_memory_mb": peak_memory(),
        }


# ---------------------------------------------------------------------- Table 1
def _add_recall(tables: Commands) -> None:
    parser = add_table(
        tables, "recall", run_recall, "Table 1: best possible recall, the share of boxes with a training sample.",
        "Rows: RetinaNet with three rules for its nine anchors a location, FCOS on P4 alone, FCOS on the pyramid.\n"
        "Below them, why FCOS loses boxes. The JSON also has recall by size of box and by level. The paper's figures\n"
        "are those of COCO val2017 with the default options.",
        "--annotations annotations/instances_val2017.json --figures pictures",
    )  # fmt: skip
    _add_box_options(parser)
    parser.add_argument("--no-anchors", action="store_true", help="leave out RetinaNet's three rows")
    parser.add_argument(
        "--figures", type=Path, metavar="FOLDER", help="draw recall by size and by level, and the lost boxes, here"
    )
    add_record_options(parser)


def run_recall(arguments: argparse.Namespace) -> None:
    """Print Table 1, and record it with recall by size of box, by level, and the reasons of loss."""
    clock = _Clock()
    configs = _configs(arguments)  # first: a wrong option should not wait for a large file
    boxes: Boxes = clock.time("load", _load, arguments)
    rows: dict[str, Recall] = {}
    if not arguments.no_anchors:
        anchors = clock.time("retinanet", anchor_recall, boxes, configs["p4"])  # the sizes alone matter
        rows |= {f"retinanet_{rule}": anchors[rule] for rule in LOW_QUALITY}
    fcos = {
        f"fcos_{row}": clock.time(f"fcos_{row}", best_possible_recall, boxes, config) for row, config in configs.items()
    }
    rows |= fcos
    names = {
        "retinanet_none": "RetinaNet, no low-quality matches",
        "retinanet_0.4": "RetinaNet, low-quality matches >= 0.4",
        "retinanet_all": "RetinaNet, all low-quality matches",
        **{f"fcos_{row}": f"FCOS, {name}" for row, name in _names(arguments).items()},
    }
    print(f"{'Table 1: best possible recall, %':<42}{'here':>8}{'paper':>8}")
    for row, result in rows.items():
        print(f"{names[row]:<42}{100 * result.recall:>8.2f}{100 * PAPER_RECALL[row]:>8.2f}")
    for row, result in fcos.items():
        lost = ", ".join(f"{count} {reason}" for reason, count in result.lost().items() if count) or "none"
        print(f"lost by {names[row]}: {lost}")
    print(_describe(boxes))
    if arguments.figures:
        last = list(configs)[-1]
        _draw_recall(arguments.figures, boxes, configs[last], {names[row]: result for row, result in rows.items()},
                     fcos[f"fcos_{last}"])  # fmt: skip
    if arguments.record:
        metrics: dict[str, Any] = {row: result.recall for row, result in rows.items()}
        metrics |= clock.cost(boxes)
        metrics["by_size"] = {row: result.by_size() for row, result in rows.items()}
        metrics["by_level"] = {row: result.by_level() for row, result in fcos.items()}
        metrics["lost"] = {row: result.lost() for row, result in fcos.items()}
        _record("recall", "Table 1: best possible recall", arguments, {"no_anchors": False}, boxes, metrics,
                {row: PAPER_RECALL[row] for row in rows})  # fmt: skip


_SIZES = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)  # pixels of the resized image


def _draw_recall(folder: Path, boxes: Boxes, config: FCOSConfig, rows: dict[str, Recall], own: LocationRecall) -> None:
    """Three pictures: which sizes are lost by whom, which levels lose their boxes, which boxes and why."""
    xyxy = boxes.resized(config)[1]
    width, height = (xyxy[:, 2:] - xyxy[:, :2]).T
    side = np.sqrt(width * height)
    counts = {
        name: (np.histogram(side[row.found], _SIZES)[0], np.histogram(side, _SIZES)[0]) for name, row in rows.items()
    }
    # A box belongs to the level whose range has half its longer side: the largest distance at its centre.
    home = np.searchsorted(config.level_bounds[1:-1], np.maximum(width, height) / 2)
    totals, lost = (np.bincount(home[chosen], minlength=len(config.levels)) for chosen in (slice(None), ~own.found))
    reasons = [REASONS[reason] for reason in own.reason[~own.found]]
    pictures = {
        "recall_by_size": lambda: figures.recall_by_size(_SIZES, counts),
        "recall_by_level": lambda: figures.recall_by_level(config.levels, totals, lost),
        "lost_boxes": lambda: figures.lost_boxes(
            width[~own.found], height[~own.found], reasons, stride=min(config.strides)
        ),
    }
    for name, draw in pictures.items():
        _save_figure(folder / f"{name}.png", draw)


def _record(
    table: str,
    what: str,
    arguments: argparse.Namespace,
    defaults: dict[str, Any],
    boxes: Boxes,
    metrics: dict[str, Any],
    paper: dict[str, Any],
) -> None:
    more = {"note": arguments.note} if arguments.note else {}
    record(
        arguments.record, what=f"{what}, counted on all boxes of {boxes.name}",
        command=command_line(table, arguments, _DEFAULTS | defaults), metrics=metrics, data=_describe(boxes),
        paper=paper, **more,
    )  # fmt: skip


# ---------------------------------------------------------------------- Table 2
def _add_ambiguity(tables: Commands) -> None:
    parser = add_table(
        tables, "ambiguity", run_ambiguity,
        "Table 2: ambiguous samples, the positive locations that several boxes could claim.",
        "Two shares of all positive locations: all ambiguous ones, and those whose boxes are of different classes.\n"
        "The paper's figures are those of COCO val2017 with the default options.",
        "--annotations bccd --radii 0.5 1 1.5 2 --figure radius.png",
    )  # fmt: skip
    _add_box_options(parser)
    parser.add_argument(
        "--radii", type=float, nargs="+", default=[], metavar="R",
        help="also recall and ambiguity for these radii of center sampling, in strides, and for the whole box",
    )  # fmt: skip
    _add_figure_option(parser, "draw the curve over the radii here")
    add_record_options(parser)


def run_ambiguity(arguments: argparse.Namespace) -> None:
    """Print Table 2, and the curve over radii if it is asked for, and record both."""
    clock = _Clock()
    configs = _configs(arguments)
    if arguments.figure and not arguments.radii:
        raise ValueError("--figure draws the curve over radii: give --radii too, such as --radii 0.5 1 1.5 2")
    last = list(configs)[-1]
    for radius in arguments.radii:
        configs[last].replace(center_sampling_radius=radius)  # refuses what cannot be
    boxes: Boxes = clock.time("load", _load, arguments)
    rows = {row: clock.time(row, ambiguity, boxes, config) for row, config in configs.items()}
    names = _names(arguments)
    print(f"{'Table 2: ambiguous / positive samples, %':<42}{'all':>8}{'paper':>8}{'classes':>9}{'paper':>8}")
    for row, result in rows.items():
        paper = PAPER_AMBIGUITY[row]
        print(
            f"{names[row]:<42}{100 * result.all:>8.2f}{100 * paper['all']:>8.2f}"
            f"{100 * result.different_classes:>9.2f}{100 * paper['different_classes']:>8.2f}"
        )
    metrics: dict[str, Any] = {
        row: {"all": result.all, "different_classes": result.different_classes, **result._asdict()}
        for row, result in rows.items()
    }
    metrics |= clock.cost(boxes)
    if arguments.radii:
        radii = [*arguments.radii, None]
        metrics["radius"] = clock.time("radius", radius_curve, boxes, radii, configs[last])
        print(f"{'center sampling, ' + names[last]:<42}{'recall':>8}{'all':>8}{'classes':>9}")
        for point in metrics["radius"]:
            name = "whole box" if point["radius"] is None else f"{point['radius']:g} strides"
            shares = [100 * point[key] for key in ("recall", "all", "different_classes")]
            print(f"{name:<42}{shares[0]:>8.2f}{shares[1]:>8.2f}{shares[2]:>9.2f}")
        columns = {key: [p[key] for p in metrics["radius"]] for key in ("recall", "all", "different_classes")}
        _save_figure(arguments.figure, lambda: figures.center_sampling_curve(radii, *columns.values()))
    print("classes: only those whose boxes are of different classes")
    print(_describe(boxes))
    if arguments.record:
        _record("ambiguity", "Table 2: ambiguous samples among positive ones", arguments, {"radii": []}, boxes,
                metrics, {row: PAPER_AMBIGUITY[row] for row in rows})  # fmt: skip


# ---------------------------------------------------------------------- of a trained detector: what all need
_OURS = "a checkpoint file, or shapes or bccd for the ones that come with the package"


def _add_model_options(parser: argparse.ArgumentParser, *, several: bool = False, what: str = _OURS) -> None:
    parser.add_argument("checkpoint", nargs="+" if several else None, help=what)  # type: ignore[arg-type]
    parser.add_argument(
        "--data", default="shapes", metavar="NAME",
        help=f"{', '.join(data.NAMES)}, or a folder in COCO's or VOC's layout (default: shapes)",
    )  # fmt: skip
    parser.add_argument("--split", default="test", metavar="NAME", help="train, val or test (default: test)")
    parser.add_argument(
        "--batch-size", type=int, default=4, metavar="N", help="images in one call of the model (default: 4)"
    )


def _dataset(arguments: argparse.Namespace) -> data.DetectionDataset:
    return data.load(arguments.data, arguments.split, transforms=data.transforms.eval_transforms())


def _record_model(
    table: str, what: str, arguments: argparse.Namespace, dataset: data.DetectionDataset, metrics: Any, paper: Any
) -> None:
    if not arguments.record:
        return
    names = arguments.checkpoint if isinstance(arguments.checkpoint, list) else [arguments.checkpoint]
    told = [_without_place(name) for name in names]
    files = getattr(arguments, "detections", False)  # of detections, instead of detectors
    data_name = _without_place(arguments.data)
    row_names = getattr(arguments, "names", None)
    words = ["fcos-edu", "tables", table, *told, *["--detections"] * files, "--data", data_name]
    command = shlex.join([*words, "--split", arguments.split, *(["--names", *row_names] if row_names else [])])
    what += f", by the {'detections' if files else 'detector' + 's' * (len(told) > 1)} {', '.join(told)}"
    more = {"note": arguments.note} if arguments.note else {}
    record(
        arguments.record, what=what, command=command, metrics=metrics,
        data=f"{Path(data_name).name} ({arguments.split}, {len(dataset)} images)", paper=paper, **more,
    )  # fmt: skip


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


def _without_place(source: str) -> str:
    """A file or folder as a record may name it: as it was typed, but without the folders of this machine.

    Of a run's model.safetensors the run's folder stays: all runs have such a file.
    """
    path = Path(source)
    if not path.is_absolute() and not {"..", "~"} & set(path.parts):
        return path.as_posix()
    return "/".join(path.parts[-2:]) if path.stem == "model" else path.name


# ---------------------------------------------------------------------- 2.3 % and 1.5 %
PAPER_DETECTIONS = {"all": 0.023, "different_classes": 0.015}
_CLEAR = 0.3  # a score from which the command `detect` draws a box


def _add_detections(tables: Commands) -> None:
    parser = add_table(
        tables, "detections", run_detections, "Beside Table 2: how many detections come from ambiguous locations.",
        "The paper counts 2.3 % of all detections, and 1.5 % where the boxes are of different classes. The share of\n"
        "ambiguous locations among the positive ones stands below: of the same images, by the detector's own rules.\n"
        "Several detectors, as of several seeds, give mean and standard deviation.",
        "bccd --data bccd",
    )  # fmt: skip
    _add_model_options(parser, several=True)
    add_record_options(parser)


def run_detections(arguments: argparse.Namespace) -> None:
    """Print and record the shares, of all detections and of those with a clear score."""
    dataset = _dataset(arguments)
    runs = []
    for source in arguments.checkpoint:
        model = load_for(source, dataset, FCOS)
        assert isinstance(model, FCOS)
        found, clear = ambiguous_detections_above((0.0, _CLEAR), model, dataset, batch_size=arguments.batch_size)
        runs.append({**found, f"score at least {_CLEAR}": {k: v for k, v in clear.items() if k != "samples"}})
    metrics = _over_runs(runs)
    rows = {
        "every detection": (metrics, "detections"),
        f"score at least {_CLEAR}": (metrics[f"score at least {_CLEAR}"], "detections"),
        "to compare: positive locations": (metrics["samples"], "positive"),
        "paper, detections, on COCO": (PAPER_DETECTIONS, ""),
        "paper, locations, on COCO": (PAPER_AMBIGUITY["fpn"], ""),
    }
    print(f"{'detections from ambiguous locations, %':<40}{'all':>14}{'classes':>14}{'of':>10}")
    for name, (row, total) in rows.items():
        shares = "".join(f"{_shown(row[key]):>14}" for key in ("all", "different_classes"))
        count = row[total] if total else ""
        print(f"{name:<40}{shares}{round(count['mean']) if isinstance(count, dict) else count:>10}")
    print("classes: only those whose boxes are of different classes")
    _record_model("detections", "Detections that come from ambiguous locations", arguments, dataset, metrics,
                  PAPER_DETECTIONS)  # fmt: skip


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


# ---------------------------------------------------------------------- Table 4
def _add_centerness(tables: Commands) -> None:
    parser = add_table(
        tables, "centerness", run_centerness, "Table 4: one detector with four kinds of center-ness at inference.",
        "none: class scores alone; computed: Eq. 3 of the predicted distances; branch: what the network predicts;\n"
        "oracle: Eq. 3 of the true boxes, an upper bound.",
        "bccd --data bccd",
    )  # fmt: skip
    _add_model_options(parser)
    add_record_options(parser)


def run_centerness(arguments: argparse.Namespace) -> None:
    """Print Table 4 for one detector, and record it."""
    dataset = _dataset(arguments)
    model = load_for(arguments.checkpoint, dataset, FCOS)
    assert isinstance(model, FCOS)
    ways = four_ways(model, dataset, batch_size=arguments.batch_size)
    paper = STUDIES["centerness"].paper
    print(f"{'Table 4, %':<12}{'AP':>8}{'AP50':>8}{'AP75':>8}{'paper AP':>12}")
    for way, metrics in ways.items():
        shown = "".join(f"{_percent(metrics[name]):>8}" for name in ("AP", "AP50", "AP75"))
        print(f"{way:<12}{shown}{100 * paper[way]['AP']:>12.1f}")
    _record_model("centerness", "Table 4: four kinds of center-ness", arguments, dataset, ways, paper)


# ---------------------------------------------------------------------- Fig. 7
def _add_score_iou(tables: Commands) -> None:
    parser = add_table(
        tables, "score-iou", run_score_iou, "Fig. 7: scores against the IoU, without and with center-ness.",
        "Counts the points under y = x: detections with a score above their IoU with the nearest box of their class.\n"
        "Several detectors, as of several seeds, give mean and standard deviation.",
        "bccd --data bccd --figure fig7.png",
    )  # fmt: skip
    _add_model_options(parser, several=True)
    _add_figure_option(parser, "draw the figure here, of the first detector")
    add_record_options(parser)


def run_score_iou(arguments: argparse.Namespace) -> None:
    """Print and record the points under y = x, and draw them all."""
    dataset = _dataset(arguments)
    points, runs = [], []
    for source in arguments.checkpoint:
        model = load_for(source, dataset, FCOS)
        assert isinstance(model, FCOS)
        points.append(score_iou(model, dataset, batch_size=arguments.batch_size))
        run = {}
        for name, scores in (("without", points[-1].class_scores), ("with", points[-1].scores)):
            below, total = under(scores, points[-1].ious)
            run[name] = {"points": total, "under": below, "share": below / total if total else None}
            print(f"{name:<8} center-ness: {below} of {total} detections under y = x, a score above the IoU")
        runs.append(run)
    metrics = _over_runs(runs)
    print(f"in %: {_shown(metrics['without']['share'])} without, {_shown(metrics['with']['share'])} with")
    first = points[0]
    _save_figure(arguments.figure, lambda: figures.score_against_iou(first.class_scores, first.scores, first.ious))
    _record_model("score-iou", "Fig. 7: detections whose score is above their IoU", arguments, dataset, metrics, None)


def _add_figure_option(parser: argparse.ArgumentParser, words: str = "draw the figure here") -> None:
    parser.add_argument("--figure", type=Path, metavar="PNG", help=words)


def _save_figure(path: Path | None, draw: Callable[[], Any]) -> None:
    if path:
        content = figures.png(draw(), dpi=120, colors=256)
        atomic_write(path, lambda temporary: temporary.write_bytes(content))
        print(path)


# ---------------------------------------------------------------------- Table 7, Figs 4 to 6
def _add_agnostic(tables: Commands) -> None:
    parser = add_table(
        tables, "agnostic", run_agnostic, "Table 7 and Figs 4 to 6: AP and precision-recall curves without classes.",
        "A row for each detector, a curve for each at the IoUs .50, .75 and .90. Classes are left aside at the\n"
        "evaluation alone: pycocotools with its categories off.",
        "runs/bccd/fcos-0/model.safetensors --data bccd --figure curves.png",
    )  # fmt: skip
    _add_model_options(parser, several=True)
    parser.add_argument(
        "--detections", action="store_true", help="the files hold detections (COCO results) instead of detectors"
    )
    parser.add_argument("--names", nargs="+", metavar="NAME", help="of the rows and curves, one for each file")
    _add_figure_option(parser)
    add_record_options(parser)


def run_agnostic(arguments: argparse.Namespace) -> None:
    """Print a row for each detector, draw the curves, and record both."""
    sources, names = arguments.checkpoint, arguments.names
    if names and (len(names) != len(sources) or len(set(names)) < len(names)):
        raise ValueError(f"--names has {', '.join(names)} for {len(sources)} files; each file needs one of its own")
    dataset = _dataset(arguments)
    truth = dataset.ground_truth()
    rows: dict[str, dict[str, float | None]] = {}
    curves = {}
    for i, source in enumerate(sources):
        results = _results(source, arguments, dataset)
        name = names[i] if names else _short(source, rows)
        rows[name] = agnostic_metrics(truth, results)
        curves[name] = precision_recall_curves(truth, results)
    _print_rows("Table 7, %", rows | {"paper, FCOS": STUDIES["retinanet"].paper["FCOS"]})
    _save_figure(arguments.figure, lambda: figures.precision_recall_by_iou(curves))
    _record_model(
        "agnostic", "Table 7: class-agnostic AP", arguments, dataset, rows, STUDIES["retinanet"].paper
    )  # fmt: skip


def _results(source: str, arguments: argparse.Namespace, dataset: data.DetectionDataset) -> list[dict[str, Any]]:
    if arguments.detections:
        return read_detections(source, dataset.ground_truth())
    return predict(load_for(source, dataset), dataset, batch_size=arguments.batch_size)


def _short(source: str, taken: dict[str, Any]) -> str:
    """A row's name: the file's, or, as all runs have a model.safetensors, the run folder's."""
    path = Path(source)
    name = path.parent.name if path.stem == "model" and path.parent.name else path.stem
    return name if name not in taken else source


def _print_rows(title: str, rows: dict[str, dict[str, float | None]]) -> None:
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    width = max(16, *(len(name) + 2 for name in rows))
    print(f"{title:<{width}}" + "".join(f"{name:>9}" for name in columns))
    for name, row in rows.items():
        print(f"{name:<{width}}" + "".join(f"{_percent(row.get(column)):>9}" for column in columns))


# ---------------------------------------------------------------------- Table 6
def _add_proposals(tables: Commands) -> None:
    parser = add_table(
        tables, "proposals", run_proposals, "Table 6: average recall of region proposals.",
        "The share of boxes that an image's best 100 and 1000 proposals find, averaged over the IoUs\n"
        ".50, .55, ... .95. Takes two-stage detectors, as fcos-edu study proposals trains them.",
        "runs/bccd/rcnn-fcos-0/model.safetensors --data bccd",
    )  # fmt: skip
    _add_model_options(parser, several=True, what="a checkpoint file of a two-stage detector")
    parser.add_argument(
        "--detections", action="store_true", help="the files hold proposals (COCO results) instead of detectors"
    )
    add_record_options(parser)


def run_proposals(arguments: argparse.Namespace) -> None:
    """Print and record AR100 and AR1000 of the first stage of each two-stage detector."""
    dataset = _dataset(arguments)
    truth = dataset.ground_truth()
    rows: dict[str, dict[str, float | None]] = {}
    for source in arguments.checkpoint:
        if arguments.detections:
            results = read_detections(source, truth)
        else:
            model = load_for(source, dataset, TwoStage)
            assert isinstance(model, TwoStage)
            results = predict(FirstStage(model), dataset, batch_size=arguments.batch_size)
        rows[_short(source, rows)] = proposal_recall(truth, results)
    paper = STUDIES["proposals"].paper
    _print_rows("Table 6, %", rows | {f"paper, {name}": row for name, row in paper.items()})
    _record_model("proposals", "Table 6: average recall of proposals", arguments, dataset, rows, paper)
