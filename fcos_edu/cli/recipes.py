"""``fcos-edu recipes``: what ``train --recipe`` knows.

Taught in the chapter *Training*. Checked against: the table of recipes.
"""

from __future__ import annotations

import argparse

from ..training.recipes import RECIPES
from .options import Commands, add_command


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "recipes", run,
        "What train --recipe knows: expected figures with their source, cost and memory.", "recipes coco-r50-1x",
    )  # fmt: skip
    parser.add_argument("names", nargs="*", metavar="NAME", help="some of them (default: all)")


def run(arguments: argparse.Namespace) -> None:
    """Print the recipes."""
    for name in arguments.names or RECIPES:
        if name not in RECIPES:
            raise ValueError(f"there is no recipe {name!r}; there are {', '.join(RECIPES)}")
        print(f"{name}: {RECIPES[name].describe()}\n")
