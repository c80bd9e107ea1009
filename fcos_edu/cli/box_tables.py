"""``fcos-edu tables``: what is counted on boxes alone, Tables 1 and 2.

Used in the chapters *When boxes overlap* and *What can be found at all*. Checked against: the functions that it calls,
and the file that it writes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import INF, FCOSConfig
from ..data.sources import NAMES
from ..paper import TABLE_1, TABLE_2
from ..settings import Range
from ..text import counted
from .options import (
    OUT_FOLDER,
    STRIDES,
    Commands,
    Number,
    Parser,
    add_command,
    add_figure_option,
    add_format_option,
    add_record_options,
    apply_format,
    located,
    save_figure,
    save_record,
)

if TYPE_CHECKING:
    from ..data.boxes import Boxes
    from ..evaluation.recall import LocationRecall, Recall


def add(tables: Commands) -> None:
    """Add a sub-command for each table."""
    _add_recall(tables)
    _add_ambiguity(tables)


# ---------------------------------------------------------------------- what both need
def _add_box_options(parser: Parser) -> None:
    parser.add_argument(
        "--annotations", type=located, required=True, metavar="FILE",
        help=f"a folder of labelled pictures, or a file of all labels; {', '.join(NAMES)}. YOLO's alone needs images",
    )  # fmt: skip
    add_format_option(parser)
    parser.add_argument(
        "--split", metavar="NAME", help="of a folder or a name (default: all of a VOC folder, train of shapes)"
    )
    parser.add_argument("--crowds", action="store_true", help="count crowd boxes too (VOC: difficult ones)")
    parser.add_argument(
        "--last-pixel", action="store_true",
        help="boxes end at x + width - 1, as in the code of the paper's time: with it FCOS's rows are the paper's",
    )  # fmt: skip
    sides = (("--min-size", 800, "short side of the resized image"), ("--max-size", 1333, "limit of its long side"))
    for option, default, what in sides:
        parser.add_argument(
            option,
            type=Number(int, Range(1, 16_384)),
            default=default,
            metavar="PIXELS",
            help=f"{what} (default: the paper's {default})",
        )
    parser.add_argument(
        "--levels", type=Number(int, Range(2, 7)), nargs="+", default=[3, 4, 5, 6, 7], metavar="N",
        help="levels of the pyramid (default: 3 4 5 6 7); 4 alone gives the row P4 only",
    )  # fmt: skip
    parser.add_argument(
        "--center-sampling", type=STRIDES, metavar="R",
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
    left_out = ", ".join(counted(count, reason) for reason, count in boxes.left_out.items())
    return f"{boxes.name}: {counted(boxes.images, 'images')}, {counted(len(boxes), 'boxes')}" + (
        f"; left out: {left_out}" if left_out else ""
    )


def _load(arguments: argparse.Namespace) -> Boxes:
    apply_format(arguments, "annotations")
    options = {name: getattr(arguments, name) for name in ("split", "crowds", "last_pixel")}
    from ..data.boxes import load_boxes

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
        from ..records import peak_memory

        return {
            "images": boxes.images,
            "boxes": len(boxes),
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "peak_memory_mb": peak_memory(),
        }


# ---------------------------------------------------------------------- Table 1
def _add_recall(tables: Commands) -> None:
    parser = add_command(
        tables, "recall", run_recall, "Table 1: best possible recall, the share of boxes with a training sample.",
        "tables recall --annotations annotations/instances_val2017.json --figures pictures",
        "Rows: RetinaNet with three rules for its nine anchors a location, FCOS on P4 alone, FCOS on the pyramid.\n"
        "Below them, why FCOS loses boxes. The JSON also has recall by size of box and by level. The paper's figures\n"
        "are those of COCO val2017 with the default options.",
    )  # fmt: skip
    _add_box_options(parser)
    parser.add_argument("--no-anchors", action="store_true", help="leave out RetinaNet's three rows")
    parser.add_argument(
        "--figures", type=OUT_FOLDER, metavar="FOLDER", told=False,
        help="draw recall by size and by level, and the lost boxes, here",
    )  # fmt: skip
    add_record_options(parser, "--json", note="kept in the result file: what is special about the data")


def run_recall(arguments: argparse.Namespace) -> None:
    """Print Table 1, and record it with recall by size of box, by level, and the reasons of loss."""
    from ..evaluation.recall import LOW_QUALITY, anchor_recall, best_possible_recall

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
        print(f"{names[row]:<42}{100 * result.recall:>8.2f}{TABLE_1[row]['BPR'].text:>8}")
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
        save_record(
            arguments, what=f"Table 1: best possible recall, counted on all boxes of {boxes.name}",
            metrics=metrics, data=_describe(boxes), paper={row: TABLE_1[row]["BPR"].share for row in rows},
        )  # fmt: skip


_SIZES = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)  # pixels of the resized image


def _draw_recall(folder: Path, boxes: Boxes, config: FCOSConfig, rows: dict[str, Recall], own: LocationRecall) -> None:
    """Three pictures: which sizes are lost by whom, which levels lose their boxes, which boxes and why."""
    import numpy as np

    from .. import figures
    from ..evaluation.recall import REASONS

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
        save_figure(folder / f"{name}.png", draw)


# ---------------------------------------------------------------------- Table 2
def _add_ambiguity(tables: Commands) -> None:
    parser = add_command(
        tables, "ambiguity", run_ambiguity,
        "Table 2: ambiguous samples, the positive locations that several boxes could claim.",
        "tables ambiguity --annotations bccd --radii 0.5 1 1.5 2 --figure radius.png",
        "Two shares of all positive locations: all ambiguous ones, and those whose boxes are of different classes.\n"
        "The paper's figures are those of COCO val2017 with the default options.",
    )  # fmt: skip
    _add_box_options(parser)
    parser.add_argument(
        "--radii", type=STRIDES, nargs="+", default=[], metavar="R",
        help="also recall and ambiguity for these radii of center sampling, in strides, and for the whole box",
    )  # fmt: skip
    add_figure_option(parser, "draw the curve over the radii here")
    add_record_options(parser, "--json", note="kept in the result file: what is special about the data")


def run_ambiguity(arguments: argparse.Namespace) -> None:
    """Print Table 2, and the curve over radii if it is asked for, and record both."""
    from .. import figures
    from ..evaluation.ambiguity import ambiguity, radius_curve

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
        paper = TABLE_2[row]
        print(
            f"{names[row]:<42}{100 * result.all:>8.2f}{paper['all'].text:>8}"
            f"{100 * result.different_classes:>9.2f}{paper['different_classes'].text:>8}"
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
            name = "whole box" if point["radius"] is None else counted(f"{point['radius']:g}", "strides")
            shares = [100 * point[key] for key in ("recall", "all", "different_classes")]
            print(f"{name:<42}{shares[0]:>8.2f}{shares[1]:>8.2f}{shares[2]:>9.2f}")
        columns = {key: [p[key] for p in metrics["radius"]] for key in ("recall", "all", "different_classes")}
        save_figure(arguments.figure, lambda: figures.center_sampling_curve(radii, *columns.values()))
    print("classes: only those whose boxes are of different classes")
    print(_describe(boxes))
    save_record(
        arguments, what=f"Table 2: ambiguous samples among positive ones, counted on all boxes of {boxes.name}",
        metrics=metrics, data=_describe(boxes), paper={row: TABLE_2[row].shares for row in rows},
    )  # fmt: skip
