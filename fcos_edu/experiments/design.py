"""What a study decides before it looks: how long to train, how many seeds, and what it can see with them.

Taught in the chapter *One change at a time*. Checked against: curves made by hand, and the power of
:mod:`~fcos_edu.experiments.statistics`.

One configuration, the paper's plain model, is trained with a few seeds. Its learning curve says whether the schedule
is long enough, its spread what a number of seeds can tell apart. That is written down before another row is trained,
and not changed after.
"""

from __future__ import annotations

import datetime
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ..records import commit
from ..settings import ConfigError
from ..text import counted
from .logbook import FLAT, Logbook, figures_of
from .statistics import ALPHA, POWER, power, smallest_effect
from .studies import PILOT, STUDIES, Row, spread

_ROW = ("ladder", "GN")  # the pilot's row


def make_design(book: Logbook, *, seeds: int, at_most: int, note: str | None = None) -> dict[str, Any]:
    """Decide, from the pilot's runs in a record.

    Args:
        book: with at least two runs of the pilot with this recipe, and no run of any other variant.
        seeds: how many each row gets.
        at_most: how many a row may get where the power says that more can decide.
        note: why a schedule is taken although the pilot still gains.

    Returns:
        The pilot's ``curve`` (AP after each quarter), the ``gain`` of its last quarter, the spread ``sd`` of its end
        over seeds, that of a difference of two unrelated runs, and for the planned numbers of seeds the smallest
        effect that would be found, alone and in a ladder of eight rungs; the ``power`` for the paper's differences,
        of each comparison alone: after the correction for a table, as the ledger has it, it is lower.

    Raises:
        ConfigError: there is a design, or a look at other rows, already; fewer than two runs; a number of seeds that
            gives no interval; or a curve that still rises, without a note.
    """
    others = sorted({run["variant"] for run in book.runs.values()} - {PILOT})
    if book.design is not None or others:
        there = "a design" if book.design is not None else f"runs of {', '.join(others)}"
        raise ConfigError(f"{book.path} has {there} already; a design is made before a look, and not changed after")
    if not 2 <= seeds <= at_most:
        raise ConfigError(
            f"{counted(seeds, 'seeds')}, {at_most} at most; a design needs two at least, and as many at most or more"
        )
    runs = [run for seed in book.seeds([Row(PILOT)]) if (run := book.find(PILOT, seed)) is not None]
    if len(runs) < 2:
        raise ConfigError(f"{book.path} has {counted(len(runs), 'runs')} of {PILOT}; a spread needs two at least")
    curve = {step: spread([run["curve"][step] for run in runs]) for step in runs[0]["curve"]}
    if len(curve) < 2:
        raise ConfigError(
            f"{counted(book.recipe.iterations, 'steps are too few', 'step is too short')} for a learning curve"
        )
    *_, before, last = curve.values()
    gain = round(last["mean"] - before["mean"], 4)
    if gain >= FLAT and not note:
        raise ConfigError(
            f"in its last quarter {PILOT} still gains {100 * gain:.1f} AP: train longer (--iterations), or say in a "
            "--note why not"
        )
    ends = [figures_of(run, *_ROW)["AP"] for run in runs]
    return {
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "pilot": {"variant": PILOT, "seeds": [run["seed"] for run in runs], "runs": [book.key(PILOT, run["seed"])
                                                                                     for run in runs]},
        "iterations": book.recipe.iterations,
        "curve": curve,
        "gain": gain,
        "flat": gain < FLAT,
        "seeds": seeds,
        "seeds_at_most": at_most,
        **sensitivity(ends, (seeds, at_most)),  # type: ignore[arg-type]
    } | ({"note": note} if note else {})  # fmt: skip


def sensitivity(ends: Sequence[float], seeds: Sequence[int]) -> dict[str, Any]:
    """What numbers of seeds can see, from one configuration's figures over seeds.

    A difference of two configurations is taken to spread as two unrelated runs do, sqrt(2) times as much as one. If a
    pair shares some of its luck, more can be seen.

    Args:
        ends: the figure at the end of each run, in 0..1.
        seeds: the numbers of seeds that are weighed.
    """
    sd = statistics.stdev(ends)
    difference = math.sqrt(2) * sd
    ladder = STUDIES["ladder"]
    rungs = [claim for claim in ladder.claims if claim.family == "rungs"]
    paper: Mapping[str, float] = {
        f"{c.first} against {c.second}": ladder.paper_difference(c) or 0.0 for c in ladder.claims
    }
    return {
        "sd": round(sd, 5),
        "sd_of_a_difference": round(difference, 5),
        "smallest_effect": {
            str(n): {
                "alone": round(smallest_effect(difference, n), 4),
                "first of the ladder": round(smallest_effect(difference, n, ALPHA / len(rungs)), 4),
            }
            for n in dict.fromkeys(seeds)
        },
        "power": {
            name: {str(n): round(power(effect, difference, n), 3) for n in dict.fromkeys(seeds)}
            for name, effect in paper.items()
        },
        "rules": f"paired by seed, two-sided, {1 - ALPHA:.0%} intervals, Holm over the rungs of a table; "
        f"the smallest effect is found in {POWER:.0%} of studies",
    }


__all__ = ["FLAT", "make_design", "sensitivity"]
