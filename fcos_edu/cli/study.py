"""``fcos-edu study``: train and compare over several seeds.

Taught in the chapter *One change at a time*. Checked against: studies of a few steps.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..experiments.studies import STUDIES, VARIANTS, study_table
from ..training.recipes import recipe_for
from .options import (
    COUNT,
    SEED,
    Commands,
    add_command,
    add_record_options,
    add_settings,
    parse_setting,
    place,
    save_record,
    without_place,
)
from .train import has_gpu


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "study", run, "Train and compare over several seeds: Tables 4, 6 and 7, and torchvision's FCOS.",
        "study retinanet --data bccd --iterations 800 --out runs/study",
    )  # fmt: skip
    parser.add_argument("name", choices=list(STUDIES), help="; ".join(f"{k}: {v.what}" for k, v in STUDIES.items()))
    parser.add_argument("--data", type=place, default="shapes", help="as for train")
    parser.add_argument("--seeds", type=SEED, nargs="+", default=[0, 1, 2], help="a run of each variant for each")
    parser.add_argument("--iterations", type=COUNT, help="optimizer steps of every run (default: the recipe's)")
    add_settings(parser, "as for train, for every run")
    parser.add_argument(
        "--out", type=Path, told=False,
        help="folder of the runs; finished ones in it are not trained again (default: runs/DATA)",
    )  # fmt: skip
    parser.add_argument("--print", action="store_true", told=False, help="show every configuration and stop")
    add_record_options(
        parser, words="write mean and spread as a result file", note="a remark to keep in the result file"
    )


def run(arguments: argparse.Namespace) -> None:
    """Train what is missing, measure, print mean and spread, and record."""
    study = STUDIES[arguments.name]
    recipe = recipe_for(arguments.data, gpu=has_gpu())
    recipe = recipe.replace(**{**study.base, **dict(parse_setting(text) for text in arguments.set)})
    if arguments.iterations is not None:
        recipe = recipe.replace(iterations=arguments.iterations)
    if arguments.print:
        print(json.dumps({v: recipe.replace(**VARIANTS[v]).to_dict() for v in study.variants.values()}, indent=1))
        return
    from ..experiments.seeds import run_study

    folder = arguments.out or Path("runs") / Path(arguments.data).name
    outcome = run_study(arguments.name, recipe, folder, seeds=arguments.seeds)
    print(study_table(outcome))
    data = without_place(recipe.data)
    save_record(
        arguments, what=f"{study.what}; {data}, {recipe.test_split}, {len(arguments.seeds)} seeds",
        metrics=outcome, data=data, paper=study.paper, config=recipe.to_dict(),
    )  # fmt: skip
