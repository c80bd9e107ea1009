"""The figures of a run for other programs: TensorBoard, or a table (CSV), through Accelerate's trackers.

Taught in the chapter *Training*. Checked against: TensorBoard's own reader, and runs that were killed and resumed.

The run's own ``log.jsonl`` is always written; this is beside it, and decides nothing.
"""

from __future__ import annotations

import csv
import importlib.util
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from accelerate.tracking import GeneralTracker, TensorBoardTracker

from ..atomic import atomic_write
from ..settings import ConfigError
from ..text import read_text
from .config import TRACKERS


class Table(GeneralTracker):
    """A table with a line for each entry of the log, and for each measurement: ``log.csv``.

    What a killed run had written after the checkpoint that it goes on from is dropped, as in the log.

    Args:
        path: of the table.
        done: the step from which the run goes on.
    """

    name = "csv"
    requires_logging_directory = False

    def __init__(self, path: Path, done: int) -> None:
        super().__init__()
        self.path, self.done = path, done
        self.rows: list[dict[str, Any]] = []

    @property
    def tracker(self) -> list[dict[str, Any]]:
        """The lines so far."""
        return self.rows

    def start(self) -> None:
        """Read what is there.

        Raises:
            ConfigError: another program's table.
        """
        if not self.path.exists():
            return
        try:
            rows = [row for row in csv.DictReader(io.StringIO(read_text(self.path))) if row]
            self.rows = [row for row in rows if int(float(row["step"])) <= self.done]
        except (KeyError, TypeError, ValueError, csv.Error) as error:
            raise ConfigError(f"{self.path} is no table of a run: move it away, or track nothing") from error

    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        """Nothing: it lies in ``config.json``."""

    def log(self, values: Mapping[str, Any], step: int | None = None, **_: Any) -> None:
        """One line more; the table is written anew, so that it is whole at any time.

        A measurement that is taken again, because a kill came before it was noted, replaces its line.
        """
        self.rows = [row for row in self.rows if int(float(row["step"])) != step or set(told(row)) != {"step", *values}]
        self.rows.append({"step": step, **values})
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(self.rows)
        atomic_write(self.path, lambda path: path.write_text(text.getvalue(), "utf-8"))


def told(row: Mapping[str, Any]) -> list[str]:
    """The columns of which a line says something."""
    return [name for name, value in row.items() if value != ""]


def make_trackers(names: Sequence[str], folder: Path, done: int) -> list[GeneralTracker]:
    """The trackers by these names, started; for the main process alone.

    Args:
        names: some of ``TRACKERS``.
        folder: of the run.
        done: the step from which it goes on; what was told of later ones is dropped or hidden.

    Raises:
        ConfigError: see :func:`check_trackers`.
    """
    check_trackers(names)
    made: list[GeneralTracker] = []
    for name in dict.fromkeys(names):
        made.append(
            Table(folder / "log.csv", done)
            if name == "csv"
            else TensorBoardTracker("tensorboard", str(folder), purge_step=done + 1)
        )
        start = getattr(made[-1], "start", None)  # older versions of Accelerate start at once
        if start is not None:
            start()
    return made


def check_trackers(names: Sequence[str]) -> None:
    """Refuse what cannot be had, before anything is trained.

    Raises:
        ConfigError: an unknown name, or a package that is missing.
    """
    for name in names:
        if name not in TRACKERS:
            raise ConfigError(f"track is {name!r}; it must be one of {', '.join(TRACKERS)}")
    if "tensorboard" in names and importlib.util.find_spec("tensorboard") is None:
        raise ConfigError("tensorboard is not installed: pip install 'fcos-edu[track]' (or pip install tensorboard)")
