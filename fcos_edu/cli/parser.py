"""The command ``fcos-edu``: train, recipes, evaluate, detect, export, tables, study, data, bench,
course.

Taught in the chapter *Training*. Exit codes: 0 done, 1 an error that one sentence explains, 2 a wrong call, 75 asked to
stop by the system with everything saved (run it again with ``--resume``), 130 interrupted, 141 done and all files
written, but whoever was to read what it printed has gone (``| head``).

Each command has a file of its own, with its options (``add``) and what it runs (``run``).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ..settings import Message
from ..text import printable
from . import bench, course, data, detect, evaluate, export, recipes, study, tables, train
from .options import Parser, check_outputs, in_options
from .streams import tolerant, warned

COMMANDS = (train, recipes, evaluate, detect, export, tables, study, data, bench, course)  # as --help lists them
GONE = 141  # as a shell tells of a program that a closed pipe has ended


class Version(argparse.Action):
    """Prints the version; argparse's own action would want it, and with it importlib.metadata, beforehand."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it, and exit with 0."""
        from .._version import __version__

        print(f"{parser.prog} {__version__}")
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    with tolerant() as (out, _):
        try:
            arguments = build_parser().parse_args(argv)
            code = _run(arguments)
        except SystemExit:  # of argparse, which has told why
            if isinstance(out.let_go(), BrokenPipeError):
                return GONE
            raise
        if (lost := out.let_go()) is None or code:
            return code
        if isinstance(lost, BrokenPipeError):
            return GONE
        print(f"fcos-edu: error: cannot print: {sentence(lost)}", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace) -> int:
    try:
        with warned(lambda message: in_options(message, arguments.parser)):
            check_outputs(arguments)
            arguments.run(arguments)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except SystemExit as stop:  # PreemptedError, which has been told
        if not isinstance(stop.code, int):
            raise
        return stop.code
    except Exception as error:
        if arguments.debug or not is_expected(error):
            raise
        print(f"fcos-edu: error: {printable(sentence(error, arguments.parser), keep=chr(10))}", file=sys.stderr)
        return 1
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The command line, with an example for each command."""
    parser = Parser(prog="fcos-edu", description="The FCOS object detector, and the analysis of its paper.")
    nothing = argparse.SUPPRESS
    parser.add_argument(
        "--version", action=Version, nargs=0, dest=nothing, default=nothing, help="show the version and stop"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


def is_expected(error: Exception) -> bool:
    """Whether a user can cause this, and its message explains it; anything else is our mistake, with its traceback."""
    if isinstance(error, (ValueError, TypeError, OSError)) or _path_without_end(error):
        return True
    from ..data import CorruptImageError, DownloadError
    from ..training.watch import NonFiniteLossError
    from ..training.workers import OutOfMemoryError, exhausted

    return (
        isinstance(error, (NonFiniteLossError, OutOfMemoryError, CorruptImageError, DownloadError))
        or exhausted(error) is not None
    )


def sentence(error: Exception, parser: Parser | None = None) -> str:
    """What to say of an expected error: its message without the system's number, or what to do.

    Args:
        error: what was raised.
        parser: of the command, whose options are named instead of settings.
    """
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    if isinstance(error, RuntimeError | MemoryError) and not _path_without_end(error):
        from ..training.workers import exhausted

        if kind := exhausted(error):
            return f"out of {kind} memory: take fewer images at once (--batch-size) or smaller ones (model.max_size)"
    told = getattr(error, "told", error.args[0] if len(error.args) == 1 else None)
    return in_options(told, parser) if parser is not None and isinstance(told, Message) else str(error)


def _path_without_end(error: Exception) -> bool:
    """Whether it is pathlib's RuntimeError: a ``~`` that is nobody's home, or links that lead in a circle."""
    return type(error) is RuntimeError and str(error).startswith(("Could not determine home", "Symlink loop"))
