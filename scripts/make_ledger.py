"""Write book/ledger.md: every equation, figure and table of the paper, beside what was measured here.

    python scripts/make_ledger.py            write it
    python scripts/make_ledger.py --check    change nothing, fail if it is behind

The paper's figures stand in this file, ours come from results/*.json, and the word of a row follows from both by the
rules below: nobody types a verdict. An equation or a drawing is *equal* because of a test, which must exist.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import re
import shlex
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from fcos_edu import FCOSConfig
from fcos_edu.atomic import atomic_write
from fcos_edu.training.config import TrainConfig

ROOT = Path(__file__).resolve().parents[1]

EQUAL, NEAR, SAME, UNSEEN, DIFFERS, NOT_RUN = WORDS = (
    "equal", "near", "same direction", "no difference seen", "differs", "not run here",
)  # fmt: skip
NEAR_SHARE, NEAR_AP = 1.0, 0.5  # percentage points

DATA = {
    "coco": "COCO",
    "coco2017": "COCO",
    "bccd": "BCCD",
    "instances_val2017.json": "COCO val2017",
    "coco_val2017_boxes.json": "boxes of COCO val2017",
}
OWN_DATA = ("bccd", "shapes")

Results = Mapping[str, dict[str, Any]]  # stem of the file in results/: its contents


# ---- measured figures -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """A figure of ours, as a fraction, and its spread over seeds: 0 for a count, infinite where it is not known."""

    mean: float
    spread: float = 0.0

    def text(self, decimals: int) -> str:
        """In percent; ``±`` where there are several seeds."""
        text = f"{100 * self.mean:.{decimals}f}"
        return f"{text} ± {100 * self.spread:.{decimals}f}" if 0 < self.spread < math.inf else text


def measured(results: Results, file: str, *keys: str) -> Measured:
    """The figure at ``keys`` of the file's metrics: a number, or a study's ``{"mean", "std", "values"}``.

    Raises:
        ValueError: there is none.
    """
    value: Any = results[file]["metrics"]
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    mean, std = (value.get("mean"), value.get("std")) if isinstance(value, dict) else (value, 0.0)
    if not isinstance(mean, int | float):
        raise ValueError(f"results/{file}.json: metrics has no figure at {' > '.join(keys)}, but {value!r}")
    return Measured(mean, math.inf if std is None else std)


# ---- the word -------------------------------------------------------------------------------------------------


def sign(first: str, second: str) -> int:
    """1, 0 or -1: how the paper's first figure stands to its second."""
    return (float(first) > float(second)) - (float(first) < float(second))


def order(first: Measured, second: Measured) -> int:
    """1 or -1, and 0 where the difference of the means is not above the spread that such a difference has."""
    difference = first.mean - second.mean
    if abs(difference) <= math.hypot(first.spread, second.spread):
        return 0
    return 1 if difference > 0 else -1


def direction(paper: Sequence[int], ours: Sequence[int]) -> str:
    """The word for comparisons, from the signs of the paper's and of our differences."""
    if not ours or any(o not in (0, p) for p, o in zip(paper, ours)):
        return DIFFERS
    return SAME if list(paper) == list(ours) else UNSEEN


def decimals(printed: str) -> int:
    return len(printed.partition(".")[2])


def verdict(
    printed: Sequence[str],
    ours: Sequence[Measured],
    others: Sequence[tuple[Sequence[str], Sequence[Measured]]],
    near: float,
) -> str:
    """The word for one row of a table, from its figures alone or else from its order among the ``others``."""
    pairs = list(zip(printed, ours, strict=True))
    if all(f"{100 * o.mean:.{decimals(p)}f}" == p for p, o in pairs):
        return EQUAL
    if all(abs(100 * o.mean - float(p)) <= near + 1e-9 for p, o in pairs):
        return NEAR
    # A row with fewer figures than another is compared where both have one.
    paper = [sign(p, q) for texts, _ in others for p, q in zip(printed, texts)]
    return direction(paper, [order(o, other) for _, figures in others for o, other in zip(ours, figures)])


# ---- rows -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One row of the page."""

    item: str
    paper: str
    chapter: str
    word: str = ""
    ours: str = ""
    data: str = ""
    hardware: str = ""
    cost: str = ""
    commands: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A heading, a few sentences, rows, and pictures by their names in book/_static/analysis/."""

    title: str
    text: str
    rows: list[Row]
    pictures: Mapping[str, str] = field(default_factory=dict)  # name of the file: what it shows


@dataclass(frozen=True)
class Line:
    """One row of a table of the paper: its printed figures in percent, and where ours would be."""

    label: str
    printed: tuple[str, ...]
    file: str | None = None
    keys: tuple[str, ...] = ()
    command: str | tuple[str, ...] | None = None


def cost(result: dict[str, Any], seeds: int) -> str:
    """Seconds, minutes or hours; of a study, the time of all its runs.

    The processor's seconds where they are fewer than the clock's: then the machine did other work too.
    """
    known = []
    for key in ("seconds", "cpu_seconds"):
        seconds = result["metrics"].get(key)
        if isinstance(seconds, dict):  # of the parts; of a study, the mean over the seeds for each variant
            seconds = sum(seconds.values()) * seeds
        if seconds is not None:
            known.append(seconds)
    if not known:
        return ""
    seconds = min(known)
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 2 else f"{seconds:.1f} s"


def seeds_of(value: Any) -> int:
    """How many runs stand behind the figures of a result: the longest list of values in it, or 1."""
    if not isinstance(value, dict):
        return 1
    return max([len(value.get("values") or ()), *(seeds_of(inner) for inner in value.values())], default=1) or 1


def data_in_words(told: str) -> str:
    """What a result says of its data, which begins with a name, as the page says it: name and number of images."""
    counted = re.match(r"(.*?): (\d+ images)\b", told)
    if counted:
        told = f"{counted[1]} ({counted[2]})".replace(") (", ", ")
    name, space, rest = told.partition(" ")
    return DATA.get(name, name) + space + rest


def origin(results: Results, *files: str) -> dict[str, Any]:
    """The columns of a row that follow from where its figures come from."""
    found = [results[file] for file in dict.fromkeys(files)]

    def join(texts: Sequence[str]) -> str:
        return "; ".join(dict.fromkeys(text for text in texts if text))

    return dict(
        data=join([data_in_words(r["data"]) for r in found]),
        hardware=join([r["hardware"] for r in found]),
        cost=" + ".join(text for r in found if (text := cost(r, seeds_of(r["metrics"])))),
        commands=tuple(r["command"] for r in found),
        notes=tuple(r["note"] for r in found if r.get("note")),
    )


@cache
def parsed(path: Path) -> list[ast.stmt]:
    """The statements of a Python file."""
    return ast.parse(path.read_text("utf-8")).body


def held(item: str, what: str, against: str, chapter: str, *tests: str) -> Row:
    """An equation or a drawing that tests hold equal to what the paper says.

    Raises:
        ValueError: a test that does not exist.
    """
    for test in tests:
        file, *names = test.split("::")
        if not (ROOT / file).is_file():
            raise ValueError(f"{item}: there is no {file}")
        scope: Sequence[ast.AST] = parsed(ROOT / file)
        for name in names:
            inside = [n for n in scope if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == name]
            if not inside:
                raise ValueError(f"{item}: there is no test {test}")
            scope = inside[0].body
    commands = tuple(f"pytest {shlex.quote(test)}" for test in tests)
    return Row(item, what, chapter, EQUAL, "held by a test", against, "any", commands=commands)


def table(results: Results, name: str, chapter: str, near: float, columns: Sequence[str], *lines: Line) -> list[Row]:
    """The rows of a table whose figures are measured on the paper's data, or would be.

    ``columns`` are the last keys of each figure; ``""`` stands for none.
    """
    ours = {
        line: [
            measured(results, line.file, *line.keys, *[c for c in [column] if c])
            for column, _ in zip(columns, line.printed)
        ]
        for line in lines
        if line.file in results
    }
    rows = []
    for line in lines:
        item, paper = f"{name}: {line.label}", " / ".join(line.printed)
        if line not in ours:
            commands = (line.command,) if isinstance(line.command, str) else line.command or ()
            rows.append(Row(item, paper, chapter, NOT_RUN, data="COCO", commands=commands))
            continue
        others = [(other.printed, ours[other]) for other in ours if other is not line]
        text = " / ".join(o.text(decimals(p)) for o, p in zip(ours[line], line.printed, strict=True))
        word = verdict(line.printed, ours[line], others, near)
        rows.append(Row(item, paper, chapter, word, text, **origin(results, str(line.file))))
    return rows


def comparison(
    results: Results,
    item: str,
    chapter: str,
    paper: tuple[str, str] | tuple[str, int],
    first: tuple[str, ...],
    second: tuple[str, ...],
    data: str,
    commands: Sequence[str],
) -> Row:
    """Two figures of ours on ``data``, whose order is compared with that of the paper's two.

    Args:
        results: all of them.
        item: what is compared with what.
        chapter: a key of :data:`CHAPTERS`.
        paper: the two printed figures, or a sentence and the sign of the difference.
        first: a figure: how the name of its file begins, then its keys.
        second: likewise.
        data: how the names of the files end: bccd, shapes, coco.
        commands: what would measure both, where there is no result yet.
    """
    told = f"{paper[0]} against {paper[1]}" if isinstance(paper[1], str) else paper[0]
    want = sign(paper[0], paper[1]) if isinstance(paper[1], str) else paper[1]
    files = [f"{ref[0]}_{data}" for ref in (first, second)]
    if not all(file in results for file in files):
        return Row(item, told, chapter, NOT_RUN, data=DATA.get(data, data), commands=tuple(commands))
    one, two = (measured(results, file, *ref[1:]) for file, ref in zip(files, (first, second)))
    places = max(1, *(decimals(printed) for printed in paper if isinstance(printed, str)))
    text = f"{one.text(places)} against {two.text(places)}"
    return Row(item, told, chapter, direction([want], [order(one, two)]), text, **origin(results, *files))


# ---- commands -------------------------------------------------------------------------------------------------


def settings(model: FCOSConfig, **training: Any) -> str:
    """The ``--set`` options that lead from the trainer's defaults to this configuration."""
    default = TrainConfig(data="coco2017")
    changes = dict(training) | {
        f"model.{f.name}": getattr(model, f.name)
        for f in fields(model)
        if getattr(model, f.name) != getattr(default.model, f.name)
    }
    return "".join(f" --set {shlex.quote(f'{name}={value}'.replace(' ', ''))}" for name, value in changes.items())


def train_coco(run: str, model: FCOSConfig, **training: Any) -> str:
    """The command that trains on COCO and records its figures."""
    return f"fcos-edu train --data coco2017 --out runs/{run} --record results/{run}.json{settings(model, **training)}"


def count(name: str, data: str) -> str:
    """The command of Tables 1 and 2."""
    boxes = "annotations/instances_val2017.json" if data == "coco" else data
    return f"fcos-edu tables {name} --annotations {boxes} --record results/{name}_{data}.json"


def study(name: str, data: str) -> str:
    """The command of a comparison that trains."""
    if data != "coco":
        return f"fcos-edu study {name} --data {data} --record results/{name}_{data}.json"
    # One seed: a run of the paper's takes days.
    changes = settings(FCOSConfig.paper())
    return f"fcos-edu study {name} --data coco2017 --seeds 0 --record results/{name}_coco.json{changes}"


def analysis(table: str, data: str) -> tuple[str, ...]:
    """The commands that measure the paper's plain model: one of COCO, or those of the seeds of Table 4's study."""
    source = "coco2017" if data == "coco" else data
    runs = ["runs/coco_gn"] if data == "coco" else [f"runs/{data}/fcos-{seed}" for seed in range(3)]
    trained = train_coco("coco_gn", FCOSConfig.paper()) if data == "coco" else study("centerness", data)
    command = f"fcos-edu tables {table.replace('_', '-')} {' '.join(f'{run}/model.safetensors' for run in runs)}"
    return trained, f"{command} --data {source} --record results/{table}_plain_{data}.json"


# ---- the paper ------------------------------------------------------------------------------------------------

# The chapters that have rows: the names of their notebooks, and their titles. A notebook's own title goes before.
CHAPTERS = {
    "02_locations": "Locations and the four distances",
    "03_levels": "Levels of the pyramid",
    "04_overlap": "When boxes overlap",
    "05_recall": "What can be found at all",
    "06_network": "The network",
    "07_loss": "The loss",
    "08_centerness": "Center-ness",
    "09_training": "Training",
    "10_detections": "From outputs to detections",
    "11_average_precision": "How good is it",
    "12_ablations": "One change at a time",
    "13_proposals": "FCOS as a proposal network",
}
(DISTANCES, LEVELS, OVERLAP, FOUND, NETWORK, LOSS, CENTERNESS, TRAINING, DETECTIONS, QUALITY, ABLATIONS, PROPOSALS) = (
    CHAPTERS
)


def method() -> list[Row]:
    """Equations, Figs 1, 2, 3 and 8, and what Table 3 adds to the method."""
    figures = "tests/figures/test_figures.py::TestLocations"
    hand = "values computed by hand"
    photographs = "fcos-edu detect torchvision:COCO_V1 photographs/ --out detections"
    return [
        held("Eq. 1", "l\\*, t\\*, r\\*, b\\*", hand, DISTANCES, "tests/test_targets.py::test_equation_1_by_hand"),
        held("Eq. 2", "the loss", hand, LOSS, "tests/test_losses.py::test_equation_2_by_hand"),
        held("Eq. 3", "center-ness", hand, CENTERNESS, "tests/test_centerness.py::test_values_by_hand"),
        held("Fig. 1, left", "four distances", "random boxes", DISTANCES,
             f"{figures}::test_four_distances_are_the_package_s"),
        held("Fig. 1, right", "a location in two boxes", "two boxes", DISTANCES,
             f"{figures}::test_the_smallest_box_around_the_location_is_the_target"),
        held("Fig. 2", "five levels, one head", "shapes and parameters, counted", NETWORK,
             "tests/test_network.py::test_every_level_has_its_size",
             "tests/test_network.py::test_levels_share_the_head",
             "tests/test_network.py::test_parameters_of_the_papers_head"),
        held("Fig. 3", "1 at the centre, 0 at the border", "Eq. 3 at every location of a box", CENTERNESS,
             "tests/test_centerness.py::test_it_falls_from_the_centre_to_the_border",
             "tests/figures/test_figures.py::TestCenterness::test_the_map_fills_the_box_and_the_lines_lie_where_their_value_is"),
        Row("Fig. 8", "detections on photographs of COCO", DETECTIONS, NOT_RUN, data="COCO", commands=(photographs,)),
        held("Smallest area, level ranges", "rules of 3.1 and 3.2", "a loop that reads like the paper", LEVELS,
             "tests/test_targets.py::test_assign_equals_the_slow_loop"),
        held("ctr. on reg.", "the branch on the other tower", "the gradients of both towers", NETWORK,
             "tests/test_network.py::test_the_centerness_branch_sits_on_its_tower"),
        held("ctr. sampling", "only the central part is positive", "a loop that reads like the paper", OVERLAP,
             "tests/test_targets.py::test_assign_equals_the_slow_loop",
             "tests/test_targets.py::test_center_sampling_only_removes_positives"),
        held("GIoU", "GIoU in place of IoU", "torchvision's GIoU", LOSS,
             "tests/test_losses.py::test_iou_and_giou_are_torchvisions"),
        held("normalization", "Eq. 1 divided by the stride", hand, DETECTIONS,
             "tests/test_targets.py::test_targets_by_hand",
             "tests/test_inference.py::test_distances_in_strides"),
        held("oracle center-ness", "Eq. 3 of the true boxes at inference", hand, DETECTIONS,
             "tests/test_inference.py::test_centerness_of_the_oracle"),
    ]  # fmt: skip


LAST_PIXEL = "{}_coco_last_pixel"  # counted with the option --last-pixel


def table_1(results: Results) -> list[Row]:
    paper = {
        "retinanet_none": ("RetinaNet, IoU at least 0.5", "86.82"),
        "retinanet_0.4": ("RetinaNet, low-quality matches of at least 0.4", "90.92"),
        "retinanet_all": ("RetinaNet, all low-quality matches", "99.23"),
        "fcos_p4": ("FCOS, P4 only", "95.55"),
        "fcos_fpn": ("FCOS, P3 to P7", "98.40"),
    }
    command = count("recall", "coco")
    lines = [Line(label, (value,), "recall_coco", (key,), command) for key, (label, value) in paper.items()]
    rows = table(results, "Table 1", FOUND, NEAR_SHARE, ("",), *lines)
    if LAST_PIXEL.format("recall") in results:
        rows += table(results, "Table 1, boxes up to their last pixel", FOUND, NEAR_SHARE, ("",),
                      *(Line(label, (value,), LAST_PIXEL.format("recall"), (key,))
                        for key, (label, value) in paper.items()))  # fmt: skip
    *others, ours = paper
    return rows + [
        comparison(
            results, f"Table 1: {paper[ours][0]} against {paper[key][0]}", FOUND, (paper[ours][1], paper[key][1]),
            ("recall", ours), ("recall", key), data, [count("recall", data)],
        )
        for data in OWN_DATA for key in others
    ]  # fmt: skip


def table_2(results: Results) -> list[Row]:
    columns = {"all": "all", "different_classes": "different classes"}
    fpn, p4, found = ("7.14", "3.75"), ("23.16", "17.84"), ("2.3", "1.5")
    command = count("ambiguity", "coco")
    rows = table(
        results, "Table 2", OVERLAP, NEAR_SHARE, tuple(columns),
        Line("P4 only", p4, "ambiguity_coco", ("p4",), command),
        Line("P3 to P7", fpn, "ambiguity_coco", ("fpn",), command),
    )  # fmt: skip
    if LAST_PIXEL.format("ambiguity") in results:
        rows += table(
            results, "Table 2, boxes up to their last pixel", OVERLAP, NEAR_SHARE, tuple(columns),
            Line("P4 only", p4, LAST_PIXEL.format("ambiguity"), ("p4",)),
            Line("P3 to P7", fpn, LAST_PIXEL.format("ambiguity"), ("fpn",)),
        )  # fmt: skip
    rows += [
        comparison(
            results, f"Table 2: P3 to P7 against P4 only, {name}", OVERLAP, (fpn[i], p4[i]),
            ("ambiguity", "fpn", key), ("ambiguity", "p4", key), data, [count("ambiguity", data)],
        )
        for data in OWN_DATA for i, (key, name) in enumerate(columns.items())
    ]  # fmt: skip
    rows += table(
        results, "Section 4.1", OVERLAP, NEAR_SHARE, tuple(columns),
        Line("detections from ambiguous locations", found, "detections_plain_coco", (), analysis("detections", "coco")),
    )  # fmt: skip
    return rows + [
        comparison(
            results, f"Section 4.1: detections against samples, ambiguous, {name}", OVERLAP, (found[i], fpn[i]),
            ("detections_plain", key), ("detections_plain", "samples", key), data, analysis("detections", data),
        )
        for data in OWN_DATA for i, (key, name) in enumerate(columns.items())
    ]  # fmt: skip


COCO_12 = ("AP", "AP50", "AP75", "APS", "APM", "APL", "AR1", "AR10", "AR100")


def ablation(label: str, figures: str, run: str, model: FCOSConfig, **training: Any) -> Line:
    """A row of Table 3 or 8: its figures, separated by spaces, and what trains it."""
    return Line(label, tuple(figures.split()), run, (), train_coco(run, model, **training))


def table_3(results: Results) -> list[Row]:
    paper = FCOSConfig.paper
    c5, p5 = dict(extra_levels_from="C5", group_norm=False, nms_threshold=0.5), dict(group_norm=False)
    reg = dict(centerness_branch="regression")
    sampling = reg | dict(center_sampling_radius=1.5)
    giou = sampling | dict(box_loss="giou")
    return table(
        results, "Table 3", ABLATIONS, NEAR_AP, COCO_12,
        ablation("RetinaNet, C5, NMS .50", "35.9 56.0 38.2 20.0 39.8 47.4 31.0 49.4 52.5", "coco_retinanet",
                 paper(**c5), detector="retinanet"),
        ablation("FCOS, C5, NMS .50", "36.3 54.8 38.7 20.5 39.8 47.8 31.5 50.6 53.5", "coco_c5", paper(**c5)),
        ablation("FCOS, P5, NMS .50", "36.4 54.9 38.8 19.7 39.7 48.8 31.4 50.6 53.4", "coco_p5",
                 paper(**p5, nms_threshold=0.5)),
        ablation("FCOS, P5, NMS .60", "36.5 54.5 39.2 19.8 40.0 48.9 31.3 51.2 54.5", "coco_nms", paper(**p5)),
        ablation("FCOS, P5, GN, NMS .60", "37.1 55.9 39.8 21.3 41.0 47.8 31.4 51.4 54.9", "coco_gn", paper()),
        ablation("+ ctr. on reg.", "37.4 56.1 40.3 21.8 41.2 48.8 31.5 51.7 55.2", "coco_reg", paper(**reg)),
        ablation("+ ctr. sampling", "38.1 56.7 41.4 22.6 41.6 50.4 32.1 52.8 56.3", "coco_sampling",
                 paper(**sampling)),
        ablation("+ GIoU", "38.3 57.1 41.0 21.9 42.4 49.5 32.0 52.9 56.5", "coco_giou", paper(**giou)),
        ablation("+ normalization", "38.6 57.4 41.4 22.3 42.5 49.8 32.3 53.4 57.1", "coco_improved",
                 FCOSConfig.improved()),
    )  # fmt: skip


def table_4(results: Results) -> list[Row]:
    rows = {
        "none": ("none", "33.5 52.6 35.2 20.8 38.5 42.6"),
        "computed": ("computed from l, t, r, b", "33.5 52.4 35.1 20.8 37.8 42.8"),
        "branch": ("branch", "37.1 55.9 39.8 21.3 41.0 47.8"),
        "oracle": ("oracle (an early version of the paper)", "42.1"),
    }
    command = study("centerness", "coco")
    lines = [Line(label, tuple(f.split()), "centerness_coco", (key,), command) for key, (label, f) in rows.items()]
    pairs = {
        "branch against none": ("37.1", "33.5", "branch", "none"),
        "branch against a model trained without one": ("37.1", "33.5", "branch", "without_branch"),
        "computed against none": ("33.5", "33.5", "computed", "none"),
        "oracle against branch": ("42.1", "37.1", "oracle", "branch"),
    }
    return table(results, "Table 4", CENTERNESS, NEAR_AP, COCO_12[:6], *lines) + [
        comparison(
            results, f"Table 4: {name}, AP", CENTERNESS, (one, two), ("centerness", first, "AP"),
            ("centerness", second, "AP"), data, [study("centerness", data)],
        )
        for data in OWN_DATA for name, (one, two, first, second) in pairs.items()
    ]  # fmt: skip


def figure_7(results: Results) -> list[Row]:
    return [
        comparison(
            results, "Fig. 7: points under y = x, with center-ness against without", CENTERNESS, ("fewer", -1),
            ("score_iou_plain", "with", "share"), ("score_iou_plain", "without", "share"), data,
            analysis("score_iou", data),
        )
        for data in ("coco", *OWN_DATA)
    ]  # fmt: skip


def table_5() -> list[Row]:
    sizes = (640, 672, 704, 736, 768, 800)
    r101 = train_coco("coco_r101", FCOSConfig.paper(backbone="resnet101"), iterations=180_000, train_sizes=sizes)
    return table(
        {}, "Table 5", ABLATIONS, NEAR_AP, ("AP",),
        Line("RetinaNet, ResNet-101", ("39.1",)),
        Line("FCOS, ResNet-101", ("41.5",), command=r101),
        Line("FCOS, HRNet-W32-5l", ("42.0",)),
        Line("FCOS, ResNeXt-101-32x8d", ("42.7",)),
        Line("FCOS, ResNeXt-101-64x4d", ("43.2",)),
        Line("FCOS, ResNeXt-101-64x4d, improvements", ("44.7",)),
    )  # fmt: skip


def table_6(results: Results) -> list[Row]:
    columns = ("AR100", "AR1000")
    paper = {"RPN": ("44.7", "56.9"), "FCOS without center-ness": ("48.0", "59.3"), "FCOS": ("52.8", "60.3")}
    command = study("proposals", "coco")
    lines = [Line(row, printed, "proposals_coco", (row,), command) for row, printed in paper.items()]
    pairs = (("FCOS", "RPN"), ("FCOS without center-ness", "RPN"), ("FCOS", "FCOS without center-ness"))
    return table(results, "Table 6", PROPOSALS, NEAR_AP, columns, *lines) + [
        comparison(
            results, f"Table 6: {one} against {two}, {column}", PROPOSALS, (paper[one][i], paper[two][i]),
            ("proposals", one, column), ("proposals", two, column), data, [study("proposals", data)],
        )
        for data in OWN_DATA for one, two in pairs for i, column in enumerate(columns)
    ]  # fmt: skip


def table_7(results: Results) -> list[Row]:
    columns = ("AP", "AP50", "AP75", "AP90")
    names = ("AP", "AP50 (area of Fig. 4)", "AP75 (area of Fig. 5)", "AP90 (area of Fig. 6)")
    fcos, retinanet = ("40.5", "64.7", "42.6", "13.1"), ("40.0", "64.5", "42.2", "10.4")
    command = study("retinanet", "coco")
    return table(
        results, "Table 7", QUALITY, NEAR_AP, columns,
        Line("RetinaNet", ("39.5", "63.6", "41.8", "10.6")),
        Line("RetinaNet with GN", retinanet, "retinanet_coco", ("RetinaNet",), command),
        Line("FCOS", fcos, "retinanet_coco", ("FCOS",), command),
    ) + [
        comparison(
            results, f"Table 7: FCOS against RetinaNet with GN, {name}", QUALITY, (fcos[i], retinanet[i]),
            ("retinanet", "FCOS", column), ("retinanet", "RetinaNet", column), data, [study("retinanet", data)],
        )
        for data in OWN_DATA for i, (column, name) in enumerate(zip(columns, names))
    ]  # fmt: skip


def table_8(results: Results) -> list[Row]:
    return table(
        results, "Table 8", ABLATIONS, NEAR_AP, COCO_12,
        Line("RetinaNet, 1 anchor", ("32.5",)),
        Line("RetinaNet, 9 anchors", ("35.7",)),
        Line("FCOS, C5", ("35.7",)),
        Line("FCOS, P5", ("35.8",)),
        Line("FCOS, P5, GN", ("36.3",)),
        Line("FCOS, P5, GN, s_i", ("36.4",)),
        ablation("FCOS, P5, GN, s_i, IoU loss", "36.6", "coco_gn", FCOSConfig.paper()),
    )  # fmt: skip


def extras(results: Results) -> list[Row]:
    """What the paper does not have: no paper's value and no word."""
    figures = {
        "train_shapes": ("the packaged detector of shapes", {"AP": ("AP",), "AP50": ("AP50",)}),
        "train_bccd": ("the packaged detector of BCCD", {"AP": ("AP",), "AP50": ("AP50",)}),
        "bench_cpu": (
            "our time as a share of torchvision's, float32",
            {
                "assignment": ("assignment", "with_targets", "ratio"),
                "inference": ("inference", "float32", "ratio"),
                "training step": ("training", "float32", "ratio"),
                "training step of the recipe bccd, in bf16": ("small", "bf16_against_bf16", "ratio"),
            },
        ),
    }
    rows = [
        Row(
            f"FCOS of this package against torchvision's, same backbone and trainer, {name}", "", TRAINING,
            ours=" against ".join(measured(results, f"torchvision_{data}", side, name).text(1)
                                  for side in ("FCOS", "torchvision's FCOS")),
            **origin(results, f"torchvision_{data}"),
        )
        for data in OWN_DATA if f"torchvision_{data}" in results for name in ("AP", "AP50")
    ]  # fmt: skip
    if "recall_train2017_size" in results:
        largest = results["recall_train2017_size"]["metrics"]["points"][-1]
        costs = [largest[table] for table in ("recall", "ambiguity")]
        seconds = sum(min(sum(cost[key].values()) for key in ("seconds", "cpu_seconds")) for cost in costs)
        memory = max(cost["peak_memory_mb"] for cost in costs) / 1000
        rows.append(
            Row(
                f"Tables 1 and 2 on {largest['images']:,} images, as many as train2017 has", "", FOUND,
                ours=f"{seconds:.0f} s on one core, {memory:.1f} GB", **origin(results, "recall_train2017_size"),
            )
        )  # fmt: skip
    for file in ("kill_test", "kill_test_two_workers"):
        if file in results:
            ended = results[file]["metrics"]
            same = ended["weights equal to the last bit"] and ended["log without gap or repetition"]
            workers = "one worker" if ended["processes"] == 1 else f"{ended['processes']} workers"
            rows.append(
                Row(
                    f"Training with {workers}, killed {ended['kills']} times, against one that was not", "", TRAINING,
                    ours="equal to the last bit" if same else "not equal", **origin(results, file),
                )
            )  # fmt: skip
    return rows + [
        Row(
            item, "", TRAINING,
            ours=", ".join(f"{name} {measured(results, file, *keys).text(1)}" for name, keys in wanted.items()),
            **origin(results, file),
        )
        for file, (item, wanted) in figures.items() if file in results
    ]  # fmt: skip


def sections(results: Results) -> list[Section]:
    """The page's tables, in the paper's order."""
    return [
        Section(
            "Equations, drawings and rules",
            "Figs 4 to 7 stand below, with the tables that they belong to. So does what the changes of Table 3 gain: "
            "here are the tests that they do what they are meant to. The column *data* says what a test compares with.",
            method(),
        ),
        Section(
            "Table 1: best possible recall",
            "Boxes that at least one location or anchor learns, in % of all boxes. Low-quality matches are anchors "
            "that RetinaNet gives to a box although their IoU with it is below 0.5. *Boxes up to their last pixel* end "
            "at x + width - 1, as in Detectron and maskrcnn-benchmark, the code of the paper's time: a pixel narrower, "
            "so that more of the small ones fall between the locations. IoU knows no such pixel here; there it did. "
            "Blood cells and shapes are large: everybody finds nearly all of them, and their rows tell little.",
            table_1(results),
            {
                "recall_by_size": "Best possible recall by the size of the box: boxes of COCO val2017, images resized "
                "to 800/1333. The five rows of the table, taken apart.",
                "recall_by_level": "Of the boxes that belong to each level, by half their longer side, those that no "
                "location learns.",
                "lost_boxes": "All boxes that FCOS with P3 to P7 loses. Small ones fall between the locations, thin "
                "ones hold only locations of a level with another range, and large ones lose every location to smaller "
                "boxes inside them.",
            },
        ),
        Section(
            "Table 2: ambiguous samples",
            "Locations that could learn several boxes, in % of all positive ones: all / boxes of different classes. "
            "Below them, the detections that come from such locations, in % of all detections.",
            table_2(results),
            {
                "radius": "What the radius of center sampling does to both tables, P3 to P7: a small one keeps boxes "
                "apart, but leaves small boxes without a location."
            },
        ),
        Section(
            "Table 3: FCOS against RetinaNet, one change at a time",
            "AP / AP50 / AP75 / APS / APM / APL / AR1 / AR10 / AR100 in %. From the sixth row on, each one adds to the "
            "row above it. RetinaNet is torchvision's.",
            table_3(results),
        ),
        Section(
            "Table 4 and Fig. 7: center-ness",
            "AP / AP50 / AP75 / APS / APM / APL in %. *none* leaves the factor out of the scores of a model that has a "
            "branch; the other reading, a model trained without one, has rows of its own. Points under y = x are "
            "detections with a score above their IoU, in % of all.",
            table_4(results) + figure_7(results),
            {
                "score_iou": "Fig. 7 on BCCD, by a model of Table 4's study: the darker points, below the line, have a "
                "score above their IoU."
            },
        ),
        Section(
            "Table 5: other backbones",
            "AP on test-dev in %, which only COCO's server can measure: the command trains as the paper does, and "
            "measures on val2017. The package has no HRNet and no ResNeXt, and draws random sizes for FCOS alone.",
            table_5(),
        ),
        Section(
            "Table 6: FCOS as a region proposal network",
            "AR100 / AR1000 of the proposals in Faster R-CNN, in %. The paper's heads all have group norm; of ours "
            "FCOS's has, and torchvision's RPN has not.",
            table_6(results),
        ),
        Section(
            "Table 7 and Figs 4 to 6: class-agnostic precision and recall",
            "AP / AP50 / AP75 / AP90 in %, whatever the class. Fig. 4 has the curves at IoU .50, Fig. 5 at .75, Fig. 6 "
            "at .90; the area under each is a figure of this table. Our two sides both have group norm.",
            table_7(results),
            {
                "precision_recall": "Figs 4 to 6 on BCCD: FCOS and torchvision's RetinaNet, the first seed of the "
                "study, whatever the class."
            },
        ),
        Section(
            "Table 8: what else was changed",
            "AP in %, from another state of the authors' code than Table 3. P5, GN and s_i are the fields "
            "`extra_levels_from`, `group_norm` and `box_activation`. The rows without the IoU loss have no command: "
            "the paper does not say which loss they have, and the package has only losses of IoU. RetinaNet with nine "
            "anchors is trained by the command of Table 3; with one, not at all.",
            table_8(results),
        ),
        Section("Not in the paper", "What this book adds, in % where no unit stands.", extras(results)),
    ]


# ---- the page -------------------------------------------------------------------------------------------------

# Eight columns on one page: smaller letters, and cells without the room of a paragraph.
HEAD = """# The ledger

<style>
  .bd-article table {{ font-size: 0.78rem; line-height: 1.35; }}
  .bd-article table th, .bd-article table td {{ padding: 0.25rem 0.35rem; }}
  .bd-article table td p, .bd-article table th p {{ margin: 0; }}
</style>

<!-- Written by make ledger from results/*.json. Do not edit this page: change scripts/make_ledger.py. -->

Can you believe this book? Here is every equation, figure and table of the paper, beside what was measured with this
package: also where we differ, and where we did not measure at all. Read a row from the left: what the paper has, what
we have, in one word how the two stand to each other, then on which data and machine.

Nobody chose the words. They follow from the figures by these rules:

- **equal**: the figure that is printed in the paper. For an equation, a drawing or a rule: a test of this package
  holds it.
- **near**: not equal, but at most {near_share:g} percentage point away for shares of boxes, locations and detections,
  {near_ap:g} for AP and AR.
- **same direction**: the figures are farther apart, but larger is larger and smaller is smaller, as in the paper. On
  the paper's own data, COCO, a row is compared with all rows of its table. On blood cells (BCCD) and drawn shapes the
  figures themselves have nothing in common with the paper's. There, two of ours are set *against* each other, and two
  of the paper's. Where the paper's two are the same, ours must show no difference either.
- **no difference seen**: the paper has a difference, and ours is not larger than its spread.
- **differs**: the other direction than the paper's, or a figure far from the paper's with none to compare it with.
- **not run here**: nothing was measured; the command would.

± is the standard deviation over seeds. A difference of two means counts if it is larger than $\\sqrt{{\\sigma_1^2 +
\\sigma_2^2}}$, the spread that two single runs have. [One change at a time](notebooks/12_ablations.ipynb) tests this
rule on equals: it is a mild one. Counts, also of the detections of one trained model, have no spread, so any
difference counts: read them with care.

*Cost* is the time of all runs that a row needs: the clock's, or the processor's where the machine did other work too.
A number in the column *command* leads to the commands, which unfold below the table. Those for COCO need its images
(`fcos-edu data download coco2017`) and days of a GPU. Without a GPU, `train` would pick a small model and a short
schedule.

{summary}
"""
COLUMNS = ("item", "paper", "ours", "word", "data", "hardware, cost", "command", "chapter")


def chapter_titles(root: Path) -> dict[str, str]:
    """The name of each notebook that there is, and its title."""
    titles = {}
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        title = "".join(json.loads(path.read_text("utf-8"))["cells"][0]["source"]).splitlines()[0]
        titles[path.stem] = title.removeprefix("# ").strip()
    return titles


def wrapped(command: str, width: int = 100) -> str:
    """A command over several lines, as a shell reads it; an option stays with its values."""
    chunks: list[str] = []
    for word in re.findall(r"(?:'[^']*'|[^\s'])+", command):
        if chunks and chunks[-1].startswith("--") and not word.startswith("--"):
            chunks[-1] += f" {word}"
        else:
            chunks.append(word)
    lines = chunks[:1]
    for chunk in chunks[1:]:
        if len(lines[-1]) + len(chunk) + 1 > width:
            lines.append(f"  {chunk}")
        else:
            lines[-1] += f" {chunk}"
    return " \\\n".join(lines)


def page(parts: Sequence[Section], chapters: Mapping[str, str], drawn: Collection[str] = ()) -> str:
    """The markdown of the ledger, with those of its pictures that are ``drawn``.

    A chapter is a link where ``chapters`` (names and titles of notebooks) has it, and its title alone where not.
    """
    words = Counter(row.word for part in parts for row in part.rows if row.word)
    counted = ", ".join(f"{words[word]} {word}" for word in WORDS if words[word])
    summary = f"There are {sum(words.values())} rows: {counted}."
    notes: list[str] = []
    numbers: dict[str, int] = {}
    text = [HEAD.format(near_share=NEAR_SHARE, near_ap=NEAR_AP, summary=summary)]
    for part in (part for part in parts if part.rows):
        text.append(f"## {part.title}\n\n{part.text}\n")
        text.append(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
        shown = []
        for row in part.rows:
            for command in row.commands:
                numbers.setdefault(command, len(numbers) + 1)
            notes += [note for note in row.notes if note not in notes]
            marks = "".join(f"[^note-{notes.index(note) + 1}]" for note in row.notes)
            commands = ", ".join(str(numbers[command]) for command in row.commands)
            title = chapters.get(row.chapter)
            chapter = f"[{title}](notebooks/{row.chapter}.ipynb)" if title else CHAPTERS.get(row.chapter, row.chapter)
            said = re.match(r"Table \d+", part.title)  # by the heading
            item = row.item.removeprefix(said[0]) if said else row.item
            cells = (item.lstrip(":, "), row.paper, row.ours, f"*{row.word}*" if row.word else "", row.data + marks,
                     ", ".join(filter(None, (row.hardware, row.cost))), commands, chapter)  # fmt: skip
            text.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') or '–' for cell in cells)} |")
            shown += [command for command in row.commands if command not in shown]
        if shown:
            listed = "\n".join(f"# {numbers[c]}\n{wrapped(c)}" for c in shown)
            text.append(f"\n<details>\n<summary>Commands</summary>\n\n```bash\n{listed}\n```\n\n</details>")
        for name, caption in part.pictures.items():
            if name in drawn:
                # No numbered figure: its number would be read as one of the paper's.
                text.append(f"\n![{caption}](_static/analysis/{name}.png)\n\n*{caption}*")
        text[-1] += "\n"
    text += [f"[^note-{number}]: {' '.join(note.split())}" for number, note in enumerate(notes, start=1)]
    return "\n".join(text).rstrip("\n") + "\n"


def load_results(root: Path) -> dict[str, dict[str, Any]]:
    """The files of results/ by their names.

    Raises:
        ValueError: a file that is not JSON.
    """
    results = {}
    for path in sorted((root / "fcos_edu" / "results").glob("*.json")):
        try:
            results[path.stem] = json.loads(path.read_text("utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"results/{path.name} is not JSON: {error}") from error
    return results


def ledger(root: Path) -> str:
    """The page as it should be now."""
    drawn = {path.stem for path in (root / "book" / "_static" / "analysis").glob("*.png")}
    return page(sections(load_results(root)), chapter_titles(root), drawn)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write book/ledger.md from results/*.json.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if the page is behind")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    target = args.root / "book" / "ledger.md"
    try:
        text = ledger(args.root)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    behind = not target.exists() or target.read_text("utf-8") != text
    if args.check and behind:
        print("book/ledger.md is behind results/: run make ledger", file=sys.stderr)
        return 1
    if behind:
        atomic_write(target, lambda path: path.write_text(text, "utf-8"))
    print(f"book/ledger.md: {'written' if behind and not args.check else 'unchanged'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
