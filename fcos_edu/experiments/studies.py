"""Comparisons that need training: Tables 4, 6 and 7, and torchvision's FCOS.

Taught in the chapter *One change at a time*. Checked against: hand-made means, and the paper's own configurations.

Both sides of a comparison have the same backbone, data, steps, batch, optimizer and seeds; what differs is written in
``VARIANTS``. :mod:`~fcos_edu.experiments.seeds` trains and measures them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..paper import ORACLE, TABLE_4, TABLE_6, TABLE_7

# The model of the paper's Tables 4, 6 and 7, before the improvements of Table 3, which all our recipes have. With
# center sampling there are few boxes far from a centre left for center-ness to rank.
PAPER = {
    "model.centerness_branch": "classification",
    "model.center_sampling_radius": None,
    "model.box_loss": "iou",
    "model.normalize_targets": False,
}

# What is trained: the changes to the recipe of the data.
_NO_BRANCH = {"model.centerness_branch": "none", "model.centerness_inference": "none"}
_RCNN = {"detector": "faster_rcnn_fcos", "model.levels": (2, 3, 4, 5, 6)}
VARIANTS: dict[str, dict[str, Any]] = {
    "fcos": {},
    "fcos-no-branch": _NO_BRANCH,
    "retinanet": {"detector": "retinanet"},
    "fcos-improved": {},
    "torchvision-fcos": {"detector": "torchvision_fcos"},
    "rcnn-rpn": _RCNN | {"detector": "faster_rcnn"},
    "rcnn-fcos": _RCNN,
    "rcnn-fcos-no-branch": _RCNN | _NO_BRANCH,
}


@dataclass(frozen=True)
class Study:
    """One comparison."""

    what: str
    variants: Mapping[str, str]  # row of the table: key of VARIANTS
    measure: Literal["coco", "table_4", "table_6", "table_7"]  # how a detector gives its row: seeds.MEASURES
    paper: Any
    base: Mapping[str, Any] = field(default_factory=lambda: PAPER)  # changes to the recipe that all variants share


STUDIES: dict[str, Study] = {
    "centerness": Study(
        "Table 4: one model evaluated with four kinds of center-ness, and one trained without the branch",
        {"branch": "fcos", "without_branch": "fcos-no-branch"},
        "table_4",
        TABLE_4.shares | {"oracle": ORACLE.shares},
    ),
    "retinanet": Study(
        "Table 7: class-agnostic AP of FCOS and of torchvision's RetinaNet with the same backbone",
        {"FCOS": "fcos", "RetinaNet": "retinanet"},
        "table_7",
        {"FCOS": TABLE_7["FCOS"].shares, "RetinaNet": TABLE_7["RetinaNet with GN"].shares},
    ),
    "proposals": Study(
        "Table 6: average recall of proposals in Faster R-CNN, by torchvision's RPN and by FCOS",
        {"RPN": "rcnn-rpn", "FCOS without center-ness": "rcnn-fcos-no-branch", "FCOS": "rcnn-fcos"},
        "table_6",
        TABLE_6.shares,
    ),
    "torchvision": Study(
        "FCOS of this package, with all improvements, and torchvision's, with the same backbone and the same trainer",
        {"FCOS": "fcos-improved", "torchvision's FCOS": "torchvision-fcos"},
        "coco",
        None,
        base={},
    ),
}


def spread(values: Sequence[float | None]) -> dict[str, Any]:
    """Mean and sample standard deviation; None where a value is missing, or of a single one."""
    import statistics  # a hundredth of a second, which ``--help`` does not need

    known = [value for value in values if value is not None]
    if len(known) < len(values) or not known:
        return {"mean": None, "std": None, "values": list(values)}
    std = statistics.stdev(known) if len(known) > 1 else None
    return {"mean": round(math.fsum(known) / len(known), 4), "std": None if std is None else round(std, 4),
            "values": [round(value, 4) for value in known]}  # fmt: skip


def study_table(outcome: Mapping[str, Any]) -> str:
    """Mean and spread of each row as text, in percent."""
    rows = {row: figures for row, figures in outcome.items() if row not in ("seconds", "cpu_seconds")}
    lines = []
    for row, figures in rows.items():
        cells = []
        for figure, value in figures.items():
            if value["mean"] is not None:
                plus = "" if value["std"] is None else f" ± {100 * value['std']:.1f}"
                cells.append(f"{figure} {100 * value['mean']:.1f}{plus}")
        lines.append(f"{row:<26}" + "   ".join(cells))
    return "\n".join(lines)
