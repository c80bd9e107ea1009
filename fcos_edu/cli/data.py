"""``fcos-edu data``: what data sets there are, what they hold; download and export.

Taught in the chapter *Your own boxes*. Checked against: the table of data sets, and exported shapes read again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import COUNT, OUT_FOLDER, Commands, add_command, place


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "data", run, "What there is, what it holds, download, export.", "data info bccd --split train"
    )
    parser.add_argument("action", choices=["list", "info", "download", "export"])
    parser.add_argument("name", nargs="?", type=place, help="a data set's name or folder")
    parser.add_argument("--split", default="train")
    parser.add_argument("--out", type=OUT_FOLDER, told=False, help="export: folder for COCO-format shapes")
    parser.add_argument("--images", type=COUNT, default=100, help="export: how many")


def run(arguments: argparse.Namespace) -> None:
    """List, describe, download or export data."""
    from .. import data

    if arguments.action == "list":
        print(f"data folder: {data.data_root()} (set FCOS_EDU_DATA to change it)")
        for name in data.NAMES:
            print(f"  {name}")
        return
    if arguments.name is None:
        raise ValueError(f"data {arguments.action} needs a name: one of {', '.join(data.NAMES)}, or a folder")
    if arguments.action == "download":
        print(data.fetch(arguments.name, arguments.split))
    elif arguments.action == "info":
        print(data.summary(data.load(arguments.name, arguments.split)))
    else:
        if arguments.name != "shapes":
            raise ValueError(f"only shapes can be exported, not {arguments.name!r}")
        folder = arguments.out or Path("shapes")
        data.ShapesDataset(num_images=arguments.images, split=arguments.split).export_coco(folder)
        print(folder)
