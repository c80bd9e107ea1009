"""Rows of comparisons that are trained over seeds: our difference with its interval beside the paper's.

They are the claims of :mod:`fcos_edu.experiments.studies`. Their figures come from the record that a study lives in,
``ladder_DATA.json``. What that lacks says what would run it, at which cost, and with which power.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from fcos_edu.experiments.claims import NOT_RUN, judged
from fcos_edu.experiments.statistics import ALPHA, power, smallest_effect
from fcos_edu.experiments.studies import PILOT, STUDIES, Claim

from .commands import study
from .rows import DATA, Row, duration, origin
from .verdicts import Results

WHY = (
    "proposal-nms",
    "rpn-norm",
    "rpn-samples",
    "rpn-levels",
)  # experiments of ours on why Table 6 comes out as it does
# What is to be run on which data: real photographs carry every claim, drawn ones those that they can ask.
PLANNED: Mapping[str, tuple[str, ...]] = {
    "bccd": ("ladder", "parts", "centerness", "retinanet", "proposals", *WHY, "score-iou"),
    "shapes-hard": ("questions",),
}
SEEDS = 4  # of each row, where no design has decided
AREAS = {"AP50": "AP50 (area of Fig. 4)", "AP75": "AP75 (area of Fig. 5)", "AP90": "AP90 (area of Fig. 6)"}

_AT_09 = ("FCOS, NMS in each level at 0.9", "RPN, NMS at 0.9")
# A comparison in words, where the names of its rows are too short for that.
SAID = {
    ("ladder", "C5", "RetinaNet"): "FCOS instead of RetinaNet",
    ("ladder", "P5", "C5"): "P6 and P7 from P5 instead of C5",
    ("ladder", "NMS", "P5"): "NMS at 0.6 instead of 0.5",
    ("ladder", "GN", "NMS"): "group norm in the heads",
    ("ladder", "ctr. on reg.", "GN"): "ctr. on reg.: center-ness on the regression tower",
    ("ladder", "ctr. sampling", "ctr. on reg."): "center sampling",
    ("ladder", "GIoU", "ctr. sampling"): "GIoU instead of IoU",
    ("ladder", "normalization", "GIoU"): "distances divided by the stride",
    ("ladder", "normalization", "RetinaNet"): "the whole ladder against RetinaNet",
    ("parts", "RetinaNet, 9 anchors", "RetinaNet, 1 anchor"): "RetinaNet: nine anchors instead of one",
    ("parts", "C5", "RetinaNet, 9 anchors"): "FCOS instead of RetinaNet with nine anchors",
    ("parts", "P5", "C5"): "P6 and P7 from P5 instead of C5",
    ("parts", "GN", "P5"): "group norm in the heads",
    ("parts", "scale", "GN"): "a scalar s_i for each level",
    ("parts", "IoU loss", "scale"): "the IoU loss",
    ("centerness", "branch", "none"): "branch against none",
    ("centerness", "branch", "without_branch"): "branch against a model trained without one",
    ("centerness", "computed", "none"): "computed against none",
    ("centerness", "oracle", "branch"): "oracle against branch",
    ("retinanet", "FCOS", "RetinaNet"): "FCOS against RetinaNet with GN",
    ("retinanet", "RetinaNet", "RetinaNet without GN"): "RetinaNet with GN against without",
    (
        "torchvision",
        "FCOS",
        "torchvision's FCOS",
    ): "FCOS of this package against torchvision's, same backbone and trainer",
    (
        "questions",
        "RetinaNet, 9 anchors",
        "RetinaNet, 1 anchor",
    ): "thin boxes: nine anchors instead of one (Table 8)",
    ("questions", "C5", "RetinaNet"): "thin boxes: FCOS instead of RetinaNet",
    ("questions", "P5", "C5"): "levels: P6 and P7 from P5 instead of C5",
    ("questions", "normalization", "GIoU"): "levels: distances divided by the stride",
    ("questions", "NMS", "P5"): "overlap: NMS at 0.6 instead of 0.5",
    ("questions", "ctr. sampling", "ctr. on reg."): "overlap: center sampling",
    ("rpn-norm", "RPN", "RPN without GN"): "group norm in the RPN, which torchvision's lacks",
    ("rpn-samples", "RPN, all anchors", "RPN"): "RPN: a step learns from all anchors, not from 256 of an image",
    ("rpn-samples", "FCOS, 256 locations", "FCOS"): "FCOS: a step learns from 256 locations of an image, not from all",
    ("rpn-levels", "RPN, P3 to P7", "RPN"): "RPN: P3 to P7 instead of P2 to P6",
    ("rpn-levels", "FCOS, P3 to P7", "FCOS"): "FCOS: P3 to P7 instead of P2 to P6",
    ("rpn-levels", "FCOS, P3 to P7", "RPN, P3 to P7"): "FCOS against RPN, both on P3 to P7",
    ("proposal-nms", "FCOS, NMS in each level", "FCOS"): "FCOS: an NMS for each level, as the RPN has it",
    ("proposal-nms", "FCOS, NMS in each level", "RPN"): "FCOS against RPN, both with an NMS for each level",
    ("proposal-nms", *_AT_09): "FCOS against RPN, both with an NMS for each level, at 0.9",
    (
        "proposal-nms",
        *_AT_09,
        "FCOS, NMS in each level",
        "RPN",
    ): "by how much NMS at 0.9 instead of 0.7 moves FCOS against RPN, both with an NMS for each level",
    ("score-iou", "with", "without"): "points under y = x, with center-ness against without",
}


def claim_rows(results: Results, name: str, table: str, chapter: str) -> list[Row]:
    """A row for each claim of a study on each kind of data, planned or measured.

    Args:
        results: all of them.
        name: a key of ``STUDIES``.
        table: what an item begins with, such as ``Table 3``.
        chapter: a key of :data:`~scripts.ledger.tables.CHAPTERS`.
    """
    measured = [stem.removeprefix("ladder_") for stem in results if stem.startswith("ladder_")]
    planned = [data for data, studies in PLANNED.items() if name in studies]
    rows = []
    for data in dict.fromkeys([*planned, *measured]):
        if name not in PLANNED.get(data, (name,)) and data != "bccd" or name == "questions" and data not in planned:
            continue  # it would say again what another study of these data says
        for claim, one in claims_of(results, name, data):
            if one["difference"] is not None or one["word"] != NOT_RUN or data in planned:
                rows.append(_row(results, name, table, chapter, data, claim, one))
    return rows


def claims_of(results: Results, name: str, data: str) -> list[tuple[Claim, dict[str, Any]]]:
    """Each claim with its comparison."""
    known = {key(one): one for one in results.get(f"ladder_{data}", {}).get("comparisons", {}).get(name, ())}
    none = judged(name, lambda claim: ((), ()))
    return [(claim, known.get(key(one), one)) for claim, one in zip(STUDIES[name].claims, none, strict=True)]


def in_words(name: str, claim: Claim) -> str:
    """A comparison of a study."""
    return SAID.get((name, *claim.rows), f"{claim.first} against {claim.second}")


def key(one: Mapping[str, Any]) -> tuple[str, ...]:
    """What a comparison is known by within its study."""
    return one["first"], one["second"], one["figure"], *one.get("against", ())


def _row(results: Results, name: str, table: str, chapter: str, data: str, claim: Claim, one: dict[str, Any]) -> Row:
    file = f"ladder_{data}"
    said = in_words(name, claim)
    whole = claim.figure in ("AP", "share") and name not in ("retinanet", "torchvision")
    figure = AREAS.get(claim.figure, claim.figure) if name == "retinanet" else claim.figure
    item = (f"{table}: {said}" if table else said) + ("" if whole else f", {figure}")
    paper = told_paper(name, claim)
    known: dict[str, Any] = dict(data=DATA.get(data, data), claim=of_the_paper(name, claim))
    if not one["n"]:
        known |= dict(
            commands=(study(name, data, results.get(f"ladder_{data}")),), **_planned(results, name, data, claim)
        )
        return Row(item, paper, chapter, one["word"], "", **known)
    known = origin(results, file) | known | dict(details=told(one))
    known["cost"] = duration(_spent(results[file], name, claim))
    known["hardware"] = "; ".join(dict.fromkeys(run["hardware"] for run in _runs(results[file], name, claim)))
    return Row(item, paper, chapter, one["word"], difference(one), away=away(one), **known)


def of_the_paper(name: str, claim: Claim) -> str:
    """What a claim is of the paper's, whatever it is tried on; empty for a question of ours.

    A second reading of a row is the same claim, and so is what the hard shapes ask again of Tables 3 and 8.
    """
    its = STUDIES[name]
    if its.paper is None and not claim.sign:
        return ""
    if name == "questions":
        pair = claim.first, claim.second
        name = next(s for s in ("ladder", "parts") if pair in {(c.first, c.second) for c in STUDIES[s].claims})
    first, second = (its.same_as.get(row, row) for row in (claim.first, claim.second))
    return f"{name}: {first} against {second}, {claim.figure}"


def difference(one: Mapping[str, Any]) -> str:
    """Our difference in points, with the interval that its word follows from, if it has one yet."""
    if one["difference"] is None:
        return ""
    interval = one.get("holm_interval") or one.get("interval")
    text = f"{100 * one['difference']:+.2f}"
    return text if interval is None else f"{text} [{100 * interval[0]:+.2f}, {100 * interval[1]:+.2f}]"


def away(one: Mapping[str, Any]) -> bool:
    """Whether the interval that the word follows from excludes the paper's own difference."""
    interval, paper = one.get("holm_interval"), one["paper"]
    return bool(interval) and paper is not None and not interval[0] <= paper <= interval[1]


def told(one: Mapping[str, Any]) -> tuple[str, ...]:
    """Pairs, the interval of the comparison alone, and what could have been seen."""
    texts = [f"n = {one['n']} pairs" if one["n"] > 1 else "n = 1 pair"]
    if one.get("holm_interval") and one["holm_interval"] != one["interval"]:
        low, high = one["interval"]
        texts.append(f"alone [{100 * low:+.2f}, {100 * high:+.2f}]")
    if "holm_p" in one:
        texts.append(f"p {one['holm_p']:.2g} after Holm")
    if "power" in one:
        texts.append(f"power {one['power']:.2f} for the paper's difference, after correction")
    if "smallest_effect" in one:
        texts.append(f"a difference of {100 * one['smallest_effect']:.1f} would be found four times out of five")
    return tuple(texts)


def told_paper(name: str, claim: Claim) -> str:
    """The paper's difference with its two figures, in points."""
    its = STUDIES[name]
    gap = its.paper_difference(claim)
    if gap is None:
        return {-1: "fewer", 1: "more"}.get(claim.sign, "")
    sides = [its.paper[its.same_as.get(row, row)][claim.figure] for row in (claim.first, claim.second)]
    return f"{100 * gap:+.1f} ({100 * sides[0]:.1f} against {100 * sides[1]:.1f})"


def _variants(name: str, claim: Claim) -> list[str]:
    return list(dict.fromkeys(STUDIES[name].rows[row].variant for row in claim.rows))


def _seconds(run: Mapping[str, Any]) -> float:
    return float(run["cpu_seconds"]) + float(run.get("measuring_cpu_seconds", 0))


def _spent(book: Mapping[str, Any], name: str, claim: Claim) -> float:
    """Seconds of one core that the runs of a comparison took."""
    return sum(_seconds(run) for run in _runs(book, name, claim))


def _runs(book: Mapping[str, Any], name: str, claim: Claim) -> list[Mapping[str, Any]]:
    """The runs of a record that a comparison is made from."""
    return [run for run in book["runs"].values() if run["variant"] in _variants(name, claim)]


def _planned(results: Results, name: str, data: str, claim: Claim) -> dict[str, Any]:
    """Of a comparison that is not run: its power by the design, and what its runs would cost, as far as is known."""
    design = results.get(f"ladder_{data}", {}).get("design")
    seeds = design["seeds"] if design else SEEDS
    details = [f"planned: {seeds} pairs"] if design else []
    gap, family = STUDIES[name].paper_difference(claim), family_of(name, claim)
    if design and claim.figure == "AP" and gap is not None:
        sd, level = design["sd_of_a_difference"], ALPHA / family
        details += [
            f"power {power(gap, sd, seeds, level):.2f} for the paper's difference, after correction",
            f"a difference of {100 * smallest_effect(sd, seeds, level):.1f} would be found four times out of five",
        ]
    costs = [_cost_of_a_run(results, data, variant) for variant in _variants(name, claim)]
    if any(one is None for one in costs):
        return dict(details=tuple(details))
    spent = seeds * sum(one for one in costs if one is not None)
    return dict(details=tuple(details), cost=f"about {duration(spent)} of one core (estimate)")


def remaining(results: Results, name: str, data: str) -> str:
    """What the runs that a study still lacks would cost, in words; empty where nothing is known of that."""
    book = results.get(f"ladder_{data}", {})
    seeds = book["design"]["seeds"] if book.get("design") else SEEDS
    there = Counter(run["variant"] for run in book.get("runs", {}).values())
    spent = 0.0
    for variant in STUDIES[name].variants:
        one = _cost_of_a_run(results, data, variant)
        if one is None:
            return ""
        spent += max(0, seeds - there[variant]) * one
    return f"about {duration(spent)} of one core (estimate)" if spent else ""


def family_of(name: str, claim: Claim) -> int:
    """How many comparisons are corrected together with this one."""
    return sum(one.family == claim.family for one in STUDIES[name].claims)


def _cost_of_a_run(results: Results, data: str, variant: str) -> float | None:
    """Seconds of one core that a run takes: the mean of those that there are, or an estimate; None without a ground.

    It takes as long as the other runs of the record with as many stages, without the pilot, which is measured in more
    ways.
    """
    runs = list(results.get(f"ladder_{data}", {}).get("runs", {}).values())
    alike = [run for run in runs if run["variant"].startswith("rcnn") == variant.startswith("rcnn")]
    for found in (
        [run for run in alike if run["variant"] == variant],
        [run for run in alike if run["variant"] != PILOT],
        alike,
    ):
        if found:
            return _mean([_seconds(run) for run in found])
    return None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
