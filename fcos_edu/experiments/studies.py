"""Comparisons that need training: Tables 3, 4, 6, 7 and 8, Fig. 7, and torchvision's FCOS, as data.

Taught in the chapter *One change at a time*. Checked against: hand-made means, and the paper's own configurations.

Both sides of a comparison have the same backbone, data, steps, batch, optimizer and seeds. What is trained is written
in ``VARIANTS``, once: a variant that several tables need is trained once. What is measured of it, and which rows are
compared, is written in ``STUDIES``. :mod:`~fcos_edu.experiments.seeds` trains and measures them,
:mod:`~fcos_edu.experiments.logbook` keeps what they gave.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..paper import ORACLE, TABLE_3, TABLE_4, TABLE_6, TABLE_7, TABLE_8
from ..text import counted

# The model of the paper's Tables 4, 6 and 7, before the improvements of Table 3, which all our recipes have. With
# center sampling there are few boxes far from a centre left for center-ness to rank. All variants start from it.
PAPER = {
    "model.centerness_branch": "classification",
    "model.center_sampling_radius": None,
    "model.box_loss": "iou",
    "model.normalize_targets": False,
}

# ---- what is trained: the changes to the recipe of the data with ``PAPER``
_C5, _NO_GN = {"model.extra_levels_from": "C5"}, {"model.group_norm": False}
_REG = {"model.centerness_branch": "regression"}
_SAMPLING = _REG | {"model.center_sampling_radius": 1.5}
_GIOU = _SAMPLING | {"model.box_loss": "giou"}
_IMPROVED = _GIOU | {"model.normalize_targets": True}
_NO_BRANCH = {"model.centerness_branch": "none", "model.centerness_inference": "none"}
# Table 8 before its last row. The weight is our choice: the term then begins about as large as -ln IoU.
_NO_IOU = {"model.box_loss": "smooth_l1", "model.box_loss_weight": 0.05}
_NO_SCALE = _NO_IOU | {"model.box_activation": "exp"}
_RCNN = {"detector": "faster_rcnn_fcos", "model.levels": (2, 3, 4, 5, 6)}
_RPN = _RCNN | {"detector": "faster_rcnn_gn"}
_P3 = {"model.levels": (3, 4, 5, 6, 7)}

VARIANTS: dict[str, dict[str, Any]] = {
    # Table 3, from the top
    "retinanet-c5": {"detector": "retinanet"} | _C5 | _NO_GN,
    "fcos-c5": _C5 | _NO_GN,
    "fcos-p5": _NO_GN,
    "fcos": {},
    "fcos-reg": _REG,
    "fcos-sampling": _SAMPLING,
    "fcos-giou": _GIOU,
    "fcos-improved": _IMPROVED,
    # Table 8, from the top
    "retinanet-one-anchor": {"detector": "retinanet_one_anchor"} | _C5 | _NO_GN,
    "parts-c5": _NO_SCALE | _C5 | _NO_GN,
    "parts-p5": _NO_SCALE | _NO_GN,
    "parts-gn": _NO_SCALE,
    "parts-scale": _NO_IOU,
    # Table 4
    "fcos-no-branch": _NO_BRANCH,
    # Table 7
    "retinanet": {"detector": "retinanet"},
    "retinanet-no-gn": {"detector": "retinanet"} | _NO_GN,
    # not in the paper
    "torchvision-fcos": {"detector": "torchvision_fcos"} | _IMPROVED,
    # Table 6
    "rcnn-rpn": _RCNN | {"detector": "faster_rcnn"},
    "rcnn-fcos": _RCNN,
    "rcnn-fcos-no-branch": _RCNN | _NO_BRANCH,
    # the paper's own, which has group norm, and one change to a first stage for each guess
    "rcnn-rpn-gn": _RPN,
    "rcnn-rpn-all": _RPN | {"detector": "faster_rcnn_gn_all"},
    "rcnn-rpn-p3": _RPN | _P3,
    "rcnn-fcos-256": _RCNN | {"detector": "faster_rcnn_fcos_256"},
    "rcnn-fcos-p3": _RCNN | _P3,
}

COUNTS = ("tries",)  # figures that are no shares
PILOT = "fcos"  # the variant whose spread and learning curve a design is made from

# ---- what is measured, and compared
Measure = Literal[
    "coco", "table_4", "table_6", "proposal_nms", "table_7", "fig_7"
]  # of a trained detector: seeds.MEASURES


@dataclass(frozen=True)
class Row:
    """A row of a table: what is trained, and how its figures come from it."""

    variant: str  # a key of VARIANTS
    measure: Measure = "coco"
    part: str = ""  # of a measure that gives several rows
    inference: Mapping[str, Any] = field(default_factory=dict)  # fields of FCOSConfig that are changed after training

    @property
    def measurement(self) -> str:
        """Measure and changes as one text, by which its figures are kept."""
        return " ".join([self.measure, *(f"{name}={value}" for name, value in sorted(self.inference.items()))])


@dataclass(frozen=True)
class Claim:
    """A comparison that the paper makes, or we: first minus second."""

    first: str  # rows of the study
    second: str
    figure: str = "AP"
    family: str = "rungs"  # those of one family are corrected together
    sign: int = 0  # of the paper's difference, where it prints no number
    against: tuple[str, str] | None = None  # two more rows: by how much the difference is above that of these two

    @property
    def rows(self) -> tuple[str, ...]:
        """All rows that it needs."""
        return (self.first, self.second, *(self.against or ()))

    def sides(self, of: Callable[[str], Sequence[float | None]]) -> tuple[list[float | None], list[float | None]]:
        """Two lists whose differences, seed by seed, are what is compared.

        Args:
            of: the figures of a row, seed by seed.
        """
        first, second = list(of(self.first)), list(of(self.second))
        if self.against is not None:  # first - second - (one - other)
            one, other = (of(row) for row in self.against)
            second = [None if None in three else three[0] + three[1] - three[2]  # type: ignore[operator]
                      for three in zip(second, one, other, strict=True)]  # fmt: skip
        return first, second


@dataclass(frozen=True)
class Study:
    """One table: its rows, and what the paper claims of them."""

    what: str
    rows: Mapping[str, Row]
    paper: Any  # the paper's figures of the rows, in 0..1; None for what is not in the paper
    claims: tuple[Claim, ...] = ()
    same_as: Mapping[str, str] = field(default_factory=dict)  # our row: the paper's row that it is a reading of

    @property
    def variants(self) -> tuple[str, ...]:
        """What is trained for it, each once."""
        return tuple(dict.fromkeys(row.variant for row in self.rows.values()))

    def paper_difference(self, claim: Claim) -> float | None:
        """What the paper has for a claim, in 0..1; None where it has none."""
        if self.paper is None or claim.against:
            return None
        one, other = (self.paper.get(self.same_as.get(r, r), {}).get(claim.figure) for r in (claim.first, claim.second))
        return None if one is None or other is None else round(one - other, 4)


def _steps(rows: Iterable[str], **more: Any) -> tuple[Claim, ...]:
    """Each row against the one above it."""
    names = list(rows)
    return tuple(Claim(below, above, **more) for above, below in zip(names, names[1:]))


_NMS = {"nms_threshold": 0.5}
_LADDER = {
    "RetinaNet": Row("retinanet-c5", inference=_NMS),
    "C5": Row("fcos-c5", inference=_NMS),
    "P5": Row("fcos-p5", inference=_NMS),
    "NMS": Row("fcos-p5"),
    "GN": Row("fcos"),
    "ctr. on reg.": Row("fcos-reg"),
    "ctr. sampling": Row("fcos-sampling"),
    "GIoU": Row("fcos-giou"),
    "normalization": Row("fcos-improved"),
}
_PARTS = {  # the paper does not say its NMS: that of Table 3's first rows, for all
    "RetinaNet, 1 anchor": Row("retinanet-one-anchor", inference=_NMS),
    "RetinaNet, 9 anchors": Row("retinanet-c5", inference=_NMS),
    "C5": Row("parts-c5", inference=_NMS),
    "P5": Row("parts-p5", inference=_NMS),
    "GN": Row("parts-gn", inference=_NMS),
    "scale": Row("parts-scale", inference=_NMS),
    "IoU loss": Row("fcos", inference=_NMS),
}
_FIRST_STAGES = (("FCOS", "RPN"), ("FCOS without center-ness", "RPN"), ("FCOS", "FCOS without center-ness"))
# What drawn shapes can ask: overlap, levels, thin boxes. Rows of two tables: RetinaNet stands in it once for each.
_QUESTIONS = {
    "RetinaNet, 1 anchor": _PARTS["RetinaNet, 1 anchor"],
    "RetinaNet, 9 anchors": _PARTS["RetinaNet, 9 anchors"],
    **{row: _LADDER[row] for row in ("RetinaNet", "C5", "P5", "NMS", "ctr. on reg.", "ctr. sampling", "GIoU")},
    "normalization": _LADDER["normalization"],
}
_ASKED = (
    ("RetinaNet, 9 anchors", "RetinaNet, 1 anchor"),  # thin boxes
    ("C5", "RetinaNet"),
    ("P5", "C5"),  # levels
    ("normalization", "GIoU"),
    ("NMS", "P5"),  # overlap
    ("ctr. sampling", "ctr. on reg."),
)
# What NMS leaves of the proposals: the IoU above which it drops one, and whether each level has its own.
PROPOSAL_NMS: dict[str, tuple[float, bool]] = {
    "all levels": (0.7, False),  # FCOS's own; an RPN has no such NMS
    "each level": (0.7, True),
    "each level, 0.9": (0.9, True),
}
_RPN_ROW, _FCOS_ROW = Row("rcnn-rpn-gn", "table_6"), Row("rcnn-fcos", "table_6")


_AT_09 = ("FCOS, NMS in each level at 0.9", "RPN, NMS at 0.9")


def _recalls(one: str, other: str, **more: Any) -> tuple[Claim, ...]:
    """Both columns of Table 6."""
    return tuple(Claim(one, other, figure, **more) for figure in TABLE_6.columns)


def _guess(what: str, rows: Mapping[str, Row], *pairs: tuple[str, str]) -> Study:
    """An experiment on why Table 6 comes out as it does: the paper has none."""
    claims = tuple(claim for one, other in pairs for claim in _recalls(one, other))
    return Study(f"Table 6, a guess: {what}", rows, None, claims)


STUDIES: dict[str, Study] = {
    "ladder": Study(
        "Table 3: RetinaNet, FCOS, and each improvement on top of those before it",
        _LADDER,
        TABLE_3.shares,
        (*_steps(_LADDER), Claim("normalization", "RetinaNet", family="the whole ladder")),
    ),
    "parts": Study(
        "Table 8: RetinaNet with one anchor and with nine, and the parts of FCOS one by one",
        _PARTS,
        TABLE_8.shares,
        _steps(_PARTS),
    ),
    "questions": Study(
        "What drawn shapes can ask of Tables 3 and 8: thin boxes, levels, overlap",
        _QUESTIONS,
        TABLE_3.shares | TABLE_8.shares | {row: TABLE_3.shares[row] for row in ("C5", "P5", "GN")},
        tuple(Claim(one, other) for one, other in _ASKED),
    ),
    "centerness": Study(
        "Table 4: one model evaluated with four kinds of center-ness, and one trained without the branch",
        {way: Row("fcos", "table_4", way) for way in ("none", "computed", "branch", "oracle")}
        | {"without_branch": Row("fcos-no-branch")},
        TABLE_4.shares | {"oracle": ORACLE.shares},
        (
            Claim("branch", "none"),
            Claim("branch", "without_branch"),
            Claim("computed", "none"),
            Claim("oracle", "branch"),
        ),
        same_as={"without_branch": "none"},  # the other reading of the paper's row
    ),
    "retinanet": Study(
        "Table 7: class-agnostic AP of FCOS and of torchvision's RetinaNet with the same backbone",
        {
            "FCOS": Row("fcos", "table_7"),
            "RetinaNet": Row("retinanet", "table_7"),
            "RetinaNet without GN": Row("retinanet-no-gn", "table_7"),
        },
        {
            "FCOS": TABLE_7["FCOS"].shares,
            "RetinaNet": TABLE_7["RetinaNet with GN"].shares,
            "RetinaNet without GN": TABLE_7["RetinaNet"].shares,
        },
        tuple(
            Claim(one, other, figure)
            for one, other in (("FCOS", "RetinaNet"), ("RetinaNet", "RetinaNet without GN"))
            for figure in TABLE_7.columns
        ),
    ),
    "proposals": Study(
        "Table 6: average recall of proposals in Faster R-CNN, by torchvision's RPN and by FCOS",
        {
            "RPN": _RPN_ROW,
            "FCOS without center-ness": Row("rcnn-fcos-no-branch", "table_6"),
            "FCOS": _FCOS_ROW,
        },
        TABLE_6.shares,
        tuple(claim for one, other in _FIRST_STAGES for claim in _recalls(one, other)),
    ),
    "rpn-norm": _guess(
        "group norm, which torchvision's RPN lacks",
        {"RPN": _RPN_ROW, "RPN without GN": Row("rcnn-rpn", "table_6")},
        ("RPN", "RPN without GN"),
    ),
    "rpn-samples": _guess(
        "what a step learns from, 256 anchors or locations of an image, or all of them",
        {
            "RPN": _RPN_ROW,
            "RPN, all anchors": Row("rcnn-rpn-all", "table_6"),
            "FCOS": _FCOS_ROW,
            "FCOS, 256 locations": Row("rcnn-fcos-256", "table_6"),
        },
        ("RPN, all anchors", "RPN"),
        ("FCOS, 256 locations", "FCOS"),
    ),
    "rpn-levels": _guess(
        "levels P2 to P6, or P3 to P7",
        {
            "RPN": Row(_RPN_ROW.variant, "proposal_nms", "each level"),
            "RPN, P3 to P7": Row("rcnn-rpn-p3", "proposal_nms", "each level"),
            "FCOS": Row(_FCOS_ROW.variant, "proposal_nms", "all levels"),
            "FCOS, P3 to P7": Row("rcnn-fcos-p3", "proposal_nms", "all levels"),
        },
        ("RPN, P3 to P7", "RPN"),
        ("FCOS, P3 to P7", "FCOS"),
        ("FCOS, P3 to P7", "RPN, P3 to P7"),
    ),
    # One change at a time: FCOS gets the RPN's NMS, then both get one that drops less.
    "proposal-nms": Study(
        "Table 6, a guess: what NMS leaves of the proposals; the same trained detectors, with other NMS",
        {
            "RPN": Row(_RPN_ROW.variant, "proposal_nms", "each level"),
            "FCOS": Row(_FCOS_ROW.variant, "proposal_nms", "all levels"),
            "FCOS, NMS in each level": Row(_FCOS_ROW.variant, "proposal_nms", "each level"),
            "RPN, NMS at 0.9": Row(_RPN_ROW.variant, "proposal_nms", "each level, 0.9"),
            "FCOS, NMS in each level at 0.9": Row(_FCOS_ROW.variant, "proposal_nms", "each level, 0.9"),
        },
        None,
        (
            Claim("FCOS", "RPN", "AR10"),
            *_recalls("FCOS, NMS in each level", "FCOS"),
            *_recalls("FCOS, NMS in each level", "RPN"),
            *_recalls(*_AT_09, against=("FCOS, NMS in each level", "RPN")),
            *_recalls(*_AT_09),
        ),
    ),
    "score-iou": Study(
        "Fig. 7: detections whose score is above their IoU, without and with center-ness",
        {part: Row("fcos", "fig_7", part) for part in ("without", "with")},
        # The figure shows two clouds and no number: fewer points lie under y = x.
        None,
        (Claim("with", "without", "share", sign=-1),),
    ),
    "torchvision": Study(
        "FCOS of this package, with all improvements, and torchvision's, with the same backbone and the same trainer",
        {"FCOS": Row("fcos-improved"), "torchvision's FCOS": Row("torchvision-fcos")},
        None,
        tuple(Claim("FCOS", "torchvision's FCOS", figure) for figure in ("AP", "AP50")),
    ),
}


def measurements(variant: str, studies: Iterable[str] = tuple(STUDIES)) -> list[Row]:
    """What is measured of a trained variant, each once: all that any study needs, as the weights may be lost."""
    rows = [row for name in studies for row in STUDIES[name].rows.values() if row.variant == variant]
    return list({row.measurement: row for row in rows}.values())


def plan(studies: Iterable[str], seeds: Iterable[int]) -> Iterator[tuple[str, int]]:
    """What is trained, in order: variant and seed. All variants with the first seed come before the second seed, so
    that a study that is cut off has as many seeds of each row, or one more.
    """
    variants = list(dict.fromkeys(variant for name in studies for variant in STUDIES[name].variants))
    for seed in seeds:
        for variant in variants:
            yield variant, seed


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
    """Mean and spread of each row as text: in percent, but for ``COUNTS``."""
    rows = {row: figures for row, figures in outcome.items() if row not in ("seconds", "cpu_seconds")}
    lines, width = [], max([26, *(len(row) + 2 for row in rows)])
    for row, figures in rows.items():
        cells = []
        for figure, value in figures.items():
            if value["mean"] is not None:
                unit = 1 if figure in COUNTS else 100
                plus = "" if value["std"] is None else f" ± {unit * value['std']:.1f}"
                cells.append(f"{figure} {unit * value['mean']:.1f}{plus}")
        lines.append(f"{row:<{width}}" + "   ".join(cells))
    return "\n".join(lines)


def comparison_table(comparisons: Sequence[Mapping[str, Any]]) -> str:
    """Comparisons as text: our difference with its interval, the paper's, and the word, in points."""
    lines = []
    for one in comparisons:
        ours, n = one["difference"], one["n"]
        text = "not run yet" if ours is None else f"{100 * ours:+.2f} of {counted(n, 'seeds')}"
        if one.get("interval"):
            text = (
                f"{100 * ours:+.2f} [{100 * one['interval'][0]:+.2f}, {100 * one['interval'][1]:+.2f}] of "
                f"{counted(n, 'seeds')}"
            )
        paper = "" if one["paper"] is None else f", paper {100 * one['paper']:+.2f}"
        said = f"{one['first']} against {one['second']}, {one['figure']}"
        if one.get("against"):
            said += ", above {} against {}".format(*one["against"])
        lines.append(f"{said:<46} {text}{paper}: {one['word']}")
    return "\n".join(lines)
