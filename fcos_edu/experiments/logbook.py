"""The record that a study lives in: what was decided, each finished run, and what follows from them.

Taught in the chapter *One change at a time*. Checked against: studies that were killed and went on from this file
alone, and comparisons made by hand.

One file for each data set. It is written whole after each run, so a study can be cut off at any moment and go on,
on another machine too: a run that stands in it is never trained again, its folder is not needed. Runs are kept by a
digest of everything that decides them, so a change of the configuration cannot be mistaken for the run of before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from ..config import FCOSConfig
from ..integrity import strict_json
from ..records import record
from ..settings import INFERENCE, ConfigError, Settings
from ..text import read_bytes, shortened
from ..training.config import TrainConfig, differences
from .claims import judged
from .studies import PILOT, STUDIES, VARIANTS, Claim, Row, measurements, plan, spread

# What changes nothing in the weights that a run ends with.
BOOKKEEPING = ("log_every", "save_every", "keep_checkpoints", "workers", "on_corrupt", "test_data", "test_split")
FLAT = 0.01  # a run is long enough if its last quarter gains less than that
_OF_THE_DATA = ("class_names", "num_classes")  # a run takes them from there


def variant_config(recipe: TrainConfig, variant: str, seed: int) -> TrainConfig:
    """What a variant trains: the recipe of the data with ``PAPER``, the variant's changes and the seed."""
    return recipe.replace(**{**VARIANTS[variant], "seed": seed})


def digest(config: TrainConfig, boxes: str) -> str:
    """A short name of all that decides the weights that a run ends with.

    Args:
        config: of the run, with its seed.
        boxes: a fingerprint of the data, see :func:`~fcos_edu.experiments.seeds.fingerprint`.
    """
    hints = get_type_hints(FCOSConfig, include_extras=True)
    later = {f.name for f in fields(FCOSConfig) if INFERENCE in getattr(hints[f.name], "__metadata__", ())}
    # Images are resized in training too, although their sizes may change after it.
    left_out = (later - {"min_size", "max_size"}) | set(_OF_THE_DATA)
    plain = _changed(config, (*BOOKKEEPING, "model")) | {"model": _changed(config.model, left_out)}
    text = json.dumps({"config": plain, "boxes": boxes}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _changed(settings: Settings, left_out: Collection[str]) -> dict[str, Any]:
    """Fields that are not at their defaults: one that a later version adds leaves the digests of runs as they are."""
    values, defaults = settings.to_dict(), type(settings)().to_dict()
    return {n: value for n, value in values.items() if n not in left_out and value != defaults[n]}


class Logbook:
    """A study's record.

    Args:
        path: of the file; it need not be there yet.
        recipe: of all runs, with ``PAPER``.
        boxes: the data's fingerprint.

    Raises:
        ConfigError: the file holds runs with another configuration, or something else; or with a recipe without
            ``PAPER`` two variants are the same.
    """

    def __init__(self, path: str | Path, recipe: TrainConfig, boxes: str) -> None:
        self.path, self.recipe, self.boxes = Path(path), recipe.replace(seed=0), boxes
        self.kept: dict[str, Any] = {}
        self.refresh()
        names: dict[str, str] = {}
        for variant in VARIANTS:
            twin = names.setdefault(self.key(variant, 0), variant)
            if twin != variant:
                raise ConfigError(f"with this recipe {twin} and {variant} are one: start from it with PAPER's changes")
        before = self.kept.get("config")
        if before is None:
            return
        changed = [c for c in differences(before, self.recipe.to_dict()) if c.split()[0] not in BOOKKEEPING]
        if self.kept["boxes"] != boxes:
            changed.append("the boxes of the data are others")
        if changed and self.design is None and all(run["variant"] == PILOT for run in self.runs.values()):
            return  # trials for a design that is not made yet: each finds its own runs by their digest
        if changed:
            raise ConfigError(
                f"{self.path} holds runs with another configuration: {'; '.join(changed)}. Choose another file"
                + (", as this one has a design, which is not changed after a look at its runs" if self.design else "")
            )

    def refresh(self) -> None:
        """Read what the file has now; runs that are known here stay.

        Raises:
            ConfigError: it is no such record, or is damaged.
            OSError: it cannot be read.
        """
        try:
            found = strict_json(read_bytes(self.path))
        except FileNotFoundError:
            return
        except ValueError as error:
            raise ConfigError(
                f"{self.path} is damaged, or no record of a study ({error}): put the whole one back, or choose another"
            ) from error
        if not isinstance(found, dict) or not isinstance(found.get("runs"), dict):
            raise ConfigError(f"{self.path} holds a result without its runs; choose another file for this study")
        if fault := _fault(found):
            raise ConfigError(f"{self.path} is no record of a study ({fault}): choose another file for this study")
        self.kept = found | {"runs": found["runs"] | self.runs}

    @property
    def runs(self) -> dict[str, dict[str, Any]]:
        """Finished runs by their digests."""
        runs: dict[str, dict[str, Any]] = self.kept.setdefault("runs", {})
        return runs

    @property
    def design(self) -> dict[str, Any] | None:
        """What was decided before the rungs were run, if it was."""
        return self.kept.get("design")

    def key(self, variant: str, seed: int) -> str:
        """The digest of a run."""
        return digest(variant_config(self.recipe, variant, seed), self.boxes)

    def find(self, variant: str, seed: int) -> dict[str, Any] | None:
        """A finished run, or None."""
        return self.runs.get(self.key(variant, seed))

    def has(self, row: Row, seed: int) -> bool:
        """Whether a row's run is finished, and was measured for it: the measurement may be younger than the run."""
        run = self.find(row.variant, seed)
        return run is not None and row.measurement in run["figures"]

    def seeds(self, rows: Iterable[Row]) -> list[int]:
        """The seeds that have all these rows, in order."""
        known = sorted({run["seed"] for run in self.runs.values()})
        wanted = list(rows)
        return [seed for seed in known if all(self.has(row, seed) for row in wanted)]

    def missing(self, studies: Iterable[str], seeds: Iterable[int]) -> list[tuple[str, int]]:
        """Runs that the studies still need, trained or measured, in the order of
        :func:`~fcos_edu.experiments.studies.plan`.
        """
        names = list(studies)
        return [
            (variant, seed)
            for variant, seed in plan(names, seeds)
            if not all(self.has(row, seed) for row in measurements(variant, names))
        ]

    def add(self, variant: str, seed: int, entry: Mapping[str, Any]) -> None:
        """Take in a finished run. One that is known, and has the same figures, gains those that it lacked: what else
        is known of it stays, as its learning curve, whose checkpoints are gone.
        """
        known = self.find(variant, seed)
        if known and all(known["figures"][name] == entry["figures"][name] for name in known["figures"]
                         if name in entry["figures"]):  # fmt: skip
            spent = known["measuring_cpu_seconds"] + entry["measuring_cpu_seconds"]
            entry = known | {"figures": known["figures"] | entry["figures"], "measuring_cpu_seconds": round(spent, 1)}
        self.runs[self.key(variant, seed)] = {"variant": variant, "seed": seed, **entry}

    def save(self, command: str, **more: Any) -> None:
        """Write the file: runs, design, and every table and comparison that the runs have figures for.

        Args:
            command: what anybody can type to run what is in it.
            more: a design, a note.
        """
        self.refresh()
        kept = {k: self.kept[k] for k in ("design", "note") if k in self.kept} | more
        order = {name: place for place, name in enumerate(VARIANTS)}
        runs = dict(sorted(self.runs.items(), key=lambda item: (item[1]["seed"], order.get(item[1]["variant"], 99))))
        self.kept |= kept | {"runs": runs}
        started = [name for name, study in STUDIES.items() if self.seeds(study.rows.values())]
        recipe = self.recipe
        record(
            self.path,
            what="Finished runs of the studies, one line each, and the comparisons that follow from them",
            command=command,
            metrics={name: outcome(self, name) for name in started},
            paper={name: STUDIES[name].paper for name in started},
            data=f"{Path(recipe.data).name}, {recipe.split} for training, {recipe.test_split} for the figures",
            comparisons={name: comparisons(self, name) for name in STUDIES if STUDIES[name].claims},
            **({"recall_curves": curves} if (curves := recall_curves(self)) else {}),
            cpu_hours=round(sum(r["cpu_seconds"] + r["measuring_cpu_seconds"] for r in runs.values()) / 3600, 2),
            config=recipe.to_dict(),
            boxes=self.boxes,
            **kept,
            runs=runs,
        )


def _fault(found: Mapping[str, Any]) -> str:
    """Why a document with runs is no record of a study; empty if it is one."""
    if "config" in found and not isinstance(found["config"], dict):
        return "its config is no object"
    if "config" in found and not isinstance(found.get("boxes"), str):
        return "it has no digest 'boxes'"
    for name, run in found["runs"].items():
        if not isinstance(run, dict) or not isinstance(run.get("variant"), str) or type(run.get("seed")) is not int:
            return f"the run {shortened(name)} has no variant and seed"
        for key in ("seconds", "cpu_seconds", "measuring_cpu_seconds"):
            if not isinstance(run.get(key), (int, float)):
                return f"the run {shortened(name)} has no number {key!r}"
        figures = run.get("figures")
        if not isinstance(figures, dict) or not figures:
            return f"the run {shortened(name)} has no figures"
        for row in (row for study in STUDIES.values() for row in study.rows.values() if row.variant == run["variant"]):
            parts = figures.get(row.measurement, {row.part: {}})  # one that is not there may still be measured
            if not isinstance(parts, dict) or not isinstance(parts.get(row.part), dict):
                return f"the run {shortened(name)} has no figures of {row.measurement!r}"
    return ""


def figures_of(run: Mapping[str, Any], study: str, row: str) -> dict[str, float | None]:
    """The figures of a run that make a row of a study."""
    where = STUDIES[study].rows[row]
    figures: dict[str, float | None] = run["figures"][where.measurement][where.part]
    return figures


def outcome(book: Logbook, name: str, seeds: Sequence[int] | None = None) -> dict[str, Any]:
    """A study's table: for each row ``{figure: {"mean", "std", "values"}}``, and the mean times of its variants.

    Args:
        book: the record.
        name: of the study.
        seeds: of the runs; None for those that all rows have.
    """
    study = STUDIES[name]
    used = book.seeds(study.rows.values()) if seeds is None else list(seeds)
    table: dict[str, Any] = {}
    for row, where in study.rows.items():
        found = [figures_of(run, name, row) for seed in used if (run := book.find(where.variant, seed))]
        table[row] = {figure: spread([one[figure] for one in found]) for figure in found[0]}
    for kind in ("seconds", "cpu_seconds"):
        table[kind] = {
            variant: spread([run[kind] for seed in used if (run := book.find(variant, seed))])["mean"]
            for variant in study.variants
        }
    return table


def recall_curves(book: Logbook) -> dict[str, Any]:
    """How the proposals of each first stage grew, and whether they had stopped: of what stands in the record.

    For each variant with such runs ``curve``, step by step ``{"AR100": spread, "AR1000": spread}``, the ``gain`` of its
    last quarter, and whether it is ``flat``: that gain is below a point for both.
    """
    found: dict[str, Any] = {}
    for variant in VARIANTS:
        runs = [
            run["recall_curve"] for run in book.runs.values() if run["variant"] == variant and "recall_curve" in run
        ]
        if not runs:
            continue
        steps = [step for step in runs[0] if all(step in run for run in runs)]
        curve = {step: {n: spread([run[step][n] for run in runs]) for n in runs[0][step]} for step in steps}
        found[variant] = {"curve": curve}
        if len(steps) > 1:
            before, last = (curve[step] for step in steps[-2:])
            gain = {n: round(last[n]["mean"] - before[n]["mean"], 4) for n in last if last[n]["mean"] is not None}
            found[variant] |= {"gain": gain, "flat": all(value < FLAT for value in gain.values())}
    return found


def comparisons(book: Logbook, name: str) -> list[dict[str, Any]]:
    """What the paper claims in a study's table, and what our runs say of it so far.

    Each as :func:`~fcos_edu.experiments.claims.judge` gives it, over the seeds that both rows have. As long as a
    comparison has fewer of them than the design asks for, its word says so.
    """
    rows = STUDIES[name].rows

    def values(claim: Claim) -> tuple[Sequence[float | None], Sequence[float | None]]:
        seeds = book.seeds(rows[row] for row in claim.rows)

        def of(row: str) -> list[float | None]:
            runs = [book.runs[book.key(rows[row].variant, seed)] for seed in seeds]
            return [figures_of(run, name, row)[claim.figure] for run in runs]

        return claim.sides(of)

    return judged(name, values, (book.design or {}).get("seeds", 2))


__all__ = [
    "BOOKKEEPING",
    "FLAT",
    "Logbook",
    "comparisons",
    "digest",
    "figures_of",
    "outcome",
    "recall_curves",
    "variant_config",
]
