"""``fcos-edu tables``: the paper's analysis on any data set, printed beside the paper's figures.

Used in the chapters of the tables, first in *When boxes overlap*. Checked against: the functions that it calls, and the
file that it writes.

What needs boxes alone is in :mod:`~fcos_edu.cli.box_tables`, what needs a detector in
:mod:`~fcos_edu.cli.detector_tables`.
"""

from __future__ import annotations

from . import box_tables, detector_tables
from .options import Commands


def add(commands: Commands) -> None:
    """Add the command with one sub-command for each table."""
    summary = "The paper's analysis on your data and detectors: Tables 1, 2, 4, 6 and 7, and Fig. 7."
    tables = commands.add_parser("tables", help=summary, description=summary).add_subparsers(
        required=True, metavar="TABLE"
    )
    box_tables.add(tables)
    detector_tables.add(tables)
