"""What the paper claims in its tables, and what figures that are paired by seed say of it.

Taught in the chapter *One change at a time*. Checked against: comparisons made by hand, with scipy's intervals.

A claim is a comparison of two rows of a study, see :class:`~fcos_edu.experiments.studies.Claim`. Its word follows from
an interval: *reproduced*, *not told apart* or *contradicted*, and *told apart* of what the paper does not compare;
nobody types it. All claims of a family are corrected
together, those too that are not run yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .statistics import ALPHA, holm, holm_alphas, paired, power, smallest_effect, verdict
from .studies import STUDIES, Claim

TOO_FEW, NOT_RUN, NO_BOXES = "too few seeds yet", "not run yet", "no such boxes in the data"

# For a claim the figures of its first and its second row, seed by seed in one order; both empty where nothing was run.
Values = Callable[[Claim], tuple[Sequence[float | None], Sequence[float | None]]]


def judge(claims: Sequence[tuple[Claim, float | None]], values: Values, seeds: int = 2) -> list[dict[str, Any]]:
    """Claims, each with its difference and its word.

    Args:
        claims: each with the paper's difference in 0..1, None where the paper has none. Those of one ``family`` are
            corrected together.
        values: the figures of a claim, in 0..1.
        seeds: a comparison with fewer gets no word yet.

    Returns:
        For each claim ``first``, ``second``, the two rows ``against`` whose difference is taken off, if there are such,
        ``figure``, ``family``, the ``paper``'s difference or its ``sign``, the
        number ``n`` of pairs, ``difference`` (first minus second, in 0..1), its ``interval`` of 95 %, ``p``, the
        ``values`` of the pairs, Holm's ``holm_p`` over its family and the ``holm_interval`` from which the ``word``
        follows, the ``power`` that n pairs of this spread have for the paper's difference, and the ``smallest_effect``
        that they would find in 80 of 100 studies. What cannot be told is None or absent.
    """
    found = [_compared(claim, paper, *values(claim)) for claim, paper in claims]
    for family in dict.fromkeys(claim.family for claim, _ in claims):
        mine = [one for one in found if one["family"] == family]
        ready = [one for one in mine if one["n"] >= seeds and one.get("p") is not None]
        p = [one["p"] if one in ready else 1.0 for one in mine]
        for one, adjusted, level in zip(mine, holm(p), holm_alphas(p)):
            if one in ready:
                _judge(one, adjusted, level, len(mine))
    for one in found:  # the same text on every machine
        one |= {name: float(f"{one[name]:.6g}") for name in ("p", "holm_p") if one.get(name) is not None}
    return found


def judged(name: str, values: Values, seeds: int = 2) -> list[dict[str, Any]]:
    """The claims of a study: :func:`judge` says what of each.

    Args:
        name: a key of ``STUDIES``.
        values: the figures of a claim, in 0..1.
        seeds: a comparison with fewer gets no word yet.
    """
    study = STUDIES[name]
    return judge([(claim, study.paper_difference(claim)) for claim in study.claims], values, seeds)


def judged_table(name: str, table: Mapping[str, Any], seeds: int = 2) -> list[dict[str, Any]]:
    """The claims of a study by a table alone, as records of before hold one: :func:`judge` says what of each.

    Args:
        name: a key of ``STUDIES``.
        table: ``{row: {figure: {"values": one for each seed}}}``; the rows have the seeds in one order. A row that is
            not there was not run.
        seeds: as for :func:`judged`.
    """

    def values(claim: Claim) -> tuple[Sequence[float | None], Sequence[float | None]]:
        found = {row: table.get(row, {}).get(claim.figure, {}).get("values", ()) for row in claim.rows}
        return claim.sides(found.__getitem__) if all(found.values()) else ((), ())

    return judged(name, values, seeds)


def _compared(
    claim: Claim, paper: float | None, first: Sequence[float | None], second: Sequence[float | None]
) -> dict[str, Any]:
    """A claim before its family is known."""
    one: dict[str, Any] = {
        "first": claim.first, "second": claim.second, "figure": claim.figure, "family": claim.family,
        "paper": paper, "sign": claim.sign, "n": len(first), "difference": None, "word": NOT_RUN,
        **({"against": list(claim.against)} if claim.against else {}),
    }  # fmt: skip
    if not first:
        return one
    if any(value is None for value in (*first, *second)):
        return one | {"word": NO_BOXES}
    pair = paired(first, second)  # type: ignore[arg-type]
    interval = pair.interval()
    return one | {
        "difference": round(pair.mean, 5),
        "sd": None if pair.sd is None else round(pair.sd, 5),
        "interval": None if interval is None else [round(end, 5) for end in interval],
        "p": pair.p,
        "values": [round(a - b, 5) for a, b in zip(first, second)],  # type: ignore[operator]
        "word": TOO_FEW,
    }


def _judge(one: dict[str, Any], adjusted: float, level: float, family: int) -> None:
    """Holm's figures, the power and the word of a comparison that has its seeds."""
    pair = paired(one["values"], [0.0] * one["n"])
    interval = pair.interval(level)
    assert interval is not None and pair.sd is not None
    one["holm_p"] = adjusted
    one["holm_interval"] = [round(end, 5) for end in interval]
    # For the family's strictest level, at which its first finding is tested.
    one["smallest_effect"] = round(smallest_effect(pair.sd, pair.n, ALPHA / family), 5)
    if one["paper"]:
        one["power"] = round(power(one["paper"], pair.sd, pair.n, ALPHA / family), 3)
    one["word"] = verdict(one["sign"] or None if one["paper"] is None else one["paper"], interval)


__all__ = ["NOT_RUN", "NO_BOXES", "TOO_FEW", "judge", "judged", "judged_table"]
