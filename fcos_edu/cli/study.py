"""``fcos-edu study``: train and compare over several seeds.

Taught in the chapter *One change at a time*. Checked against: studies of a few steps.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..experiments.studies import PAPER, PILOT, STUDIES, VARIANTS, comparison_table, study_table
from ..training.recipes import RECIPES, fitted, recipe_for
from .options import (
    COUNT,
    OUT_ASKED,
    OUT_FOLDER,
    SEED,
    Commands,
    add_command,
    add_settings,
    command_line,
    parse_setting,
    place,
)
from .train import has_gpu

if TYPE_CHECKING:
    from ..experiments.logbook import Logbook
    from ..training.config import TrainConfig

DESIGN = "design"
_WORDS = {DESIGN: "one configuration over the seeds, and from it how long and how often the others are to be trained"}
_TEXT = """A study lives in the file of --record: what was decided, every finished run, and the comparisons that follow.
Interrupted at any moment, the same command goes on from that file, on another machine too. Begin with
"study design": it trains one configuration, and writes down what the schedule and the number of seeds can show."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "study", run, "Train and compare over several seeds: Tables 3, 4, 6, 7, 8, and torchvision's FCOS.",
        "study ladder parts --data bccd --record fcos_edu/results/ladder_bccd.json", _TEXT,
    )  # fmt: skip
    words = _WORDS | {name: study.what for name, study in STUDIES.items()}
    parser.add_argument(
        "name", choices=list(words), nargs="+", help="; ".join(f"{name}: {what}" for name, what in words.items())
    )
    parser.add_argument("--data", type=place, default="shapes", help="as for train")
    parser.add_argument(
        "--seeds", type=SEED, nargs="+", help="a run of each variant for each (default: the design's, or 0 1 2)"
    )
    parser.add_argument(
        "--iterations", type=COUNT, help="optimizer steps of every run (default: the recipe's, or what suits the data)"
    )
    add_settings(parser, "as for train, for every run")
    parser.add_argument(
        "--plan", type=COUNT, nargs=2, default=[4, 10], metavar=("SEEDS", "MOST"),
        help="of a design: seeds of each row, and of rows where more can decide (default: 4 10)",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=COUNT, told=False, help="runs side by side, a thread each (default: as many as there are cores)"
    )
    parser.add_argument(
        "--out", type=OUT_FOLDER, told=False,
        help="folder of the runs, from which one that was cut off goes on (default: runs/DATA)",
    )  # fmt: skip
    parser.add_argument("--print", action="store_true", told=False, help="show every configuration and stop")
    parser.add_argument(
        "--record", type=OUT_ASKED, metavar="JSON", told=False,
        help="the file that the study lives in: runs in it are not trained again (default: OUT/runs.json)",
    )  # fmt: skip
    parser.add_argument("--note", metavar="TEXT", told=False, help="a remark to keep in the record")


def run(arguments: argparse.Namespace) -> None:
    """Train what is missing, measure, record after each run, and print tables and comparisons."""
    recipe = recipe_of(arguments)
    names = [name for name in STUDIES if name in arguments.name]
    if arguments.print:
        wanted = dict.fromkeys(variant for name in names for variant in STUDIES[name].variants) or [PILOT]
        print(json.dumps({v: recipe.replace(**VARIANTS[v]).to_dict() for v in wanted}, indent=1))
        return
    _run(arguments, names, recipe)


def recipe_of(arguments: argparse.Namespace) -> TrainConfig:
    """What every run of the study shares: the data's recipe, or one with as many steps as suit the data."""
    changes = {**PAPER, **dict(parse_setting(text) for text in arguments.set)}
    if arguments.iterations is not None:
        changes["iterations"] = arguments.iterations
    gpu = has_gpu()
    recipe = recipe_for(arguments.data, gpu=gpu).replace(**changes)
    if arguments.data in RECIPES or "iterations" in changes:
        return recipe
    from ..training.loading import look

    return fitted(recipe, look(recipe).images, gpu=gpu, keep=changes)  # measures nothing on the way


def _run(arguments: argparse.Namespace, names: list[str], recipe: TrainConfig) -> None:
    from ..experiments.design import make_design
    from ..experiments.logbook import comparisons, outcome
    from ..experiments.seeds import open_logbook, run_studies

    folder = arguments.out or Path("runs") / Path(arguments.data).name
    record = arguments.record or folder / "runs.json"
    book = open_logbook(recipe, record)
    jobs = arguments.jobs or (1 if has_gpu() else os.cpu_count() or 1)
    note = {"note": arguments.note} if arguments.note else {}
    options: dict[str, Any] = dict(record=record, jobs=jobs, **note)
    if DESIGN in arguments.name:
        seeds = arguments.seeds or range(arguments.plan[0])
        book = run_studies([DESIGN], recipe, folder, seeds=seeds, command=_command(arguments, []), **options)
        made = make_design(book, seeds=arguments.plan[0], at_most=arguments.plan[1], note=arguments.note)
        book.save(_command(arguments, []), design=made)
        print(json.dumps(made, indent=1))
    if not names:
        return
    seeds = arguments.seeds or range(book.design["seeds"] if book.design else 3)
    command = _command(arguments, _needed(names, book))
    book = run_studies(names, recipe, folder, seeds=list(seeds), command=command, **options)
    for name in names:
        print(f"\n{STUDIES[name].what}\n{study_table(outcome(book, name))}")
        print(comparison_table(comparisons(book, name)))


def _needed(names: list[str], book: Logbook) -> list[str]:
    """The studies that train all that is in the record: those named, and those of before that they do not cover.

    A study whose runs come with the others is not named, or the command would depend on where it was cut off.
    """
    needed, covered = set(names), {variant for name in names for variant in STUDIES[name].variants}
    for name, study in STUDIES.items():
        if not covered.issuperset(study.variants) and book.seeds(study.rows.values()):
            needed.add(name)
            covered.update(study.variants)
    return [name for name in STUDIES if name in needed]


def _command(arguments: argparse.Namespace, names: list[str]) -> str:
    """What runs all that is in the record."""
    return command_line(argparse.Namespace(**{**vars(arguments), "name": names or [DESIGN]}))
