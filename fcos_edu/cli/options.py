"""What the commands share: the parser, options that several have, and the command behind a figure.

Checked against: every command of the parser, whose derived line must parse to the same arguments.

A parser is made of modules without torch, so that ``--help`` comes at once; what a command needs, it imports when it
runs.
"""

from __future__ import annotations

import argparse
import ast
import math
import os
import shlex
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from ..atomic import is_stream
from ..config import PACKAGED
from ..data.sources import FORMATS, named
from ..ownership import looks_ours, with_mark
from ..places import expanded
from ..settings import INF, Message, Range
from ..text import printable

Commands = Any  # what ArgumentParser.add_subparsers returns; argparse has no public name for it

OURS = f"a checkpoint file, a run's folder, or {' or '.join(PACKAGED)} for the ones that come with the package"


class Help(argparse.RawDescriptionHelpFormatter):
    """Help with room for the names of sub-commands, which argparse does not count when it sets its columns."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)
        self._action_max_length = 16  # the longest name so far, with its indentation: argparse only makes it larger


class Parser(argparse.ArgumentParser):
    """A parser that remembers which of its arguments decide the figures: :func:`command_line` tells those again."""

    def __init__(self, **options: Any) -> None:
        self.told: list[argparse.Action] = []
        self.every: list[argparse.Action] = []  # argparse has no public name for them
        super().__init__(formatter_class=Help, **options)

    def add_argument(self, *names: Any, told: bool = True, **options: Any) -> argparse.Action:
        """As argparse's.

        Args:
            names, options: as argparse has them.
            told: the argument belongs to the command behind a figure; those that do not say where results go, and what
                is shown of them.
        """
        action = super().add_argument(*names, **options)
        self.every.append(action)
        if told and action.dest != argparse.SUPPRESS and action.default != argparse.SUPPRESS:
            self.told.append(action)
        return action

    def error(self, message: str) -> NoReturn:
        """As argparse's; what was typed is shown without control characters."""
        super().error(printable(message))


def add_command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], None], summary: str, example: str, text: str = ""
) -> Parser:
    """A command; its help tells the ``text`` and the example, that of the whole the summary alone."""
    parser: Parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary}\n\n{text}" if text else summary,
        epilog=f"example:\n  fcos-edu {example}",
    )
    parser.set_defaults(run=run, parser=parser)
    return parser


# ---------------------------------------------------------------------- options that several commands have
def place(text: str) -> str:
    """The type of an argument that may be a file or folder, or a name: :func:`command_line` names it without this
    machine's.

    A ``~`` at its beginning is the home folder, as shells have it only where a word begins: not in ``--data=~/x``.
    """
    whole = located(text)
    try:
        if whole.exists():  # a folder may have a + in its name
            return str(whole) if text.startswith("~") else text
        parts = [(one, located(one and str(named(one)[1]))) for one in text.split("+")]
    except OSError as error:  # a name that is too long
        raise argparse.ArgumentTypeError(f"{text}: {error.strerror}") from None
    return "+".join(str(path) if one.startswith("~") else one for one, path in parts)


def located(text: str) -> Path:
    """The type of an argument that is a file or folder that is read; ``~`` as for :func:`place`.

    A word without a letter would be the current folder, and is a variable of the shell that is not set, most likely.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; give a path (the current folder is .)")
    try:
        return expanded(text)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error.strerror}" if error.strerror else str(error)) from None


class Output:
    """The type of an argument that names a file or folder to write; ``~`` as for :func:`place`.

    Args:
        folder: it is a folder.
        asked: the command itself asks whose file it is before it does anything; of others :func:`check_outputs` does.
    """

    def __init__(self, *, folder: bool = False, asked: bool = False) -> None:
        self.folder, self.asked = folder, asked or folder

    def __call__(self, text: str) -> Path:
        """The path."""
        return located(text)


OUT_FILE, OUT_FOLDER, OUT_ASKED = Output(), Output(folder=True), Output(asked=True)


def check_outputs(arguments: argparse.Namespace) -> None:
    """Refuse files that must not be written, or cannot be, before anything is done.

    Raises:
        ValueError: it is one of the files that the command reads, or another option names it too.
        FileExistsError: it is there, and nothing that this package has written.
        IsADirectoryError, PermissionError: as it says.
    """
    parser: Parser = arguments.parser
    given = [(action, getattr(arguments, action.dest, None)) for action in parser.every]
    written = {a.option_strings[0]: v for a, v in given if isinstance(a.type, Output) and a.option_strings and v}
    asked = {a.option_strings[0] for a, _ in given if isinstance(a.type, Output) and a.type.asked and a.option_strings}
    read = [one for action, value in given if action.type in (place, located) and value for one in _paths(value)]
    for option, path in written.items():
        if is_stream(path):
            continue
        if twin := [other for other in written if other < option and _are_one(written[other], path)]:
            raise ValueError(f"{twin[0]} and {option} are both {path}: what is written first would be lost")
        if path.is_file() and any(_are_one(one, path) for one in read):
            raise ValueError(f"{option} {path} is a file that the command reads: give another name")
        if option in asked:
            continue
        if path.is_dir():
            raise IsADirectoryError(f"{option} {path} is a folder: give a file")
        if path.is_file() and not looks_ours(path):
            raise FileExistsError(
                f"{option} {path} is there and not of fcos-edu: it is not replaced. Give another name"
            )
        base = next((one for one in path.absolute().parents if one.exists()), path)
        if not base.is_dir() and base != path:
            raise NotADirectoryError(f"{option} {path} cannot be written: {base} is a file")
        if not path.exists() and not os.access(base, os.W_OK | os.X_OK):
            raise PermissionError(f"{option} {path} cannot be written: {base} may not be written")


def _paths(value: Any) -> list[Path]:
    """The files and folders that an argument names; of a name that is none nothing is there."""
    words = [str(one) for one in value] if isinstance(value, list) else [str(value)]
    return [named(part)[1] for word in words for part in (word, *word.split("+"))]


def _are_one(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, which need not be there yet."""
    return os.path.realpath(one) == os.path.realpath(other)


class Number:
    """The type of an argument that is a number of a certain range; another one is a wrong call.

    Args:
        kind: ``int`` or ``float``.
        limits: what it must lie in. It must be finite in any case.
    """

    def __init__(self, kind: type[int] | type[float], limits: Range) -> None:
        self.kind, self.limits = kind, limits

    def __call__(self, text: str) -> int | float:
        """The number of a word.

        Raises:
            argparse.ArgumentTypeError: it is none, or not one of the range.
        """
        try:
            value = self.kind(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value not in self.limits:
            raise argparse.ArgumentTypeError(f"{text!r} is not {self.words()}")
        return value

    def words(self) -> str:
        """What it must be, such as "a whole number from 1 to 9"."""
        low, high, limits = self.limits.low, self.limits.high, self.limits
        what = "a whole number" if self.kind is int else "a number"
        if -INF < low and high < INF and not limits.open_low and not limits.open_high:
            return f"{what} from {low} to {high}"
        ends = [f"{'above' if limits.open_low else 'of at least'} {low}"] if low > -INF else []
        ends += [f"{'below' if limits.open_high else 'of at most'} {high}"] if high < INF else []
        return " ".join([what, " and ".join(ends)]).rstrip()


COUNT = Number(int, Range(1, 2**31 - 1))  # of images, steps, turns
SHARE = Number(float, Range(0, 1))  # scores and thresholds
SEED = Number(int, Range(0, 2**32 - 1))  # as NumPy takes them
SIDE = Number(int, Range(32, 16_384))  # pixels of an image that the network can do something with
STRIDES = Number(float, Range(0, open_low=True))  # radius of center sampling


def in_options(message: str, parser: Parser) -> str:
    """A sentence as the command line shows it: settings that it names are the command's own options.

    Those that only ``--set`` reaches are named as it has them; what the command has no option for stays as it is.

    Args:
        message: of an error or a warning; one that is no :class:`~fcos_edu.settings.Message` names none.
        parser: of the command.
    """
    from ..training.config import TrainConfig

    own = {action.dest: action for action in parser.every if action.option_strings}

    def name_of(name: str, value: str | None) -> str:
        action = own.get(name)
        if action is not None:
            words = [action.option_strings[0]]
            return " ".join([*words, value] if value is not None and action.nargs != 0 else words)
        if "set" in own:
            known = {field.name for field in fields(TrainConfig)}
            path = name if name in known or "." in name else f"model.{name}"
            return path if value is None else f"--set {path}={value}"
        return name if value is None else f"{name}={value}"

    return message.shown(name_of) if isinstance(message, Message) else message


def add_settings(parser: Parser, words: str) -> None:
    """``--set``, which may be given several times; see :func:`parse_setting`."""
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help=words)


def parse_setting(text: str) -> tuple[str, Any]:
    """``field=value`` with a Python literal or a plain word as value; true and false in small letters too.

    Raises:
        ValueError: there is no ``=``.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--set {text}: it must be FIELD=VALUE, such as lr=0.005")
    try:
        return name, ast.literal_eval({"true": "True", "false": "False"}.get(value, value))
    except (ValueError, SyntaxError):
        return name, value


def split_of(arguments: argparse.Namespace) -> str | None:
    """The split to take the annotations of: ``--split``, or test; of a single file none."""
    if arguments.split is None and named(arguments.data)[1].is_file():
        return None
    return arguments.split or "test"


def add_format_option(parser: Parser) -> None:
    """``--format``; see :func:`apply_format`."""
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="how to read a folder that could be read in two ways (default: by what is there)",
    )


def apply_format(arguments: argparse.Namespace, field: str = "data") -> None:
    """Put the ``--format`` before the folder, as in ``yolo:my_folder``, which is how everything behind knows it."""
    given = getattr(arguments, field)
    if arguments.format and given is not None:
        parts = [f"{arguments.format}:{named(part)[1]}" for part in str(given).split("+")]
        setattr(arguments, field, type(given)("+".join(parts)))
        arguments.format = None


def add_corrupt_option(parser: Parser, skip: str = "leave them out, and say so") -> None:
    """``--on-corrupt``; the words tell what ``skip`` does."""
    parser.add_argument(
        "--on-corrupt", choices=["error", "skip"], default="error",
        help=f"what to do with images that cannot be read: stop (error), or {skip} (skip)",
    )  # fmt: skip


def add_picture_options(parser: Parser) -> None:
    """``--orientation``, ``--max-pixels`` and ``--allow-outside``; see :func:`picture_options`."""
    parser.add_argument(
        "--orientation", choices=["auto", "stored", "upright"],
        help="turn photographs as EXIF asks: where the annotated size says so (auto, the default), never, or always",
    )  # fmt: skip
    parser.add_argument("--max-pixels", type=COUNT, metavar="N", help="refuse larger pictures (default: 89 million)")
    parser.add_argument(
        "--allow-outside", action="store_true", help="read pictures outside of the data set's folder, if it names some"
    )


def picture_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Those of :func:`add_picture_options` that were given, as arguments of :func:`fcos_edu.data.loading.load`."""
    given = {name: getattr(arguments, name) for name in ("orientation", "max_pixels", "allow_outside")}
    return {name: value for name, value in given.items() if value}


WORKERS = Number(int, Range(0, 256))  # processes beside this one


def add_workers_option(parser: Parser) -> None:
    """``--workers``: no figure depends on it but by a rounding, so it is not told again."""
    parser.add_argument(
        "--workers", type=WORKERS, metavar="N", told=False,
        help="processes that load images; on a CPU, as many as it has cores run the detector too (default: so on up\n"
        "to 4 cores, none where memory is short; elsewhere one less than cores, at most 4; none for a few images)",
    )  # fmt: skip


def add_device_option(parser: Parser) -> None:
    """``--device``."""
    parser.add_argument(
        "--device", choices=["cpu", "cuda", "mps"], help="where to compute; default: the GPU if there is one"
    )


def add_record_options(
    parser: Parser, *names: str, words: str = "write the figures as a result file", note: str = ""
) -> None:
    """``--record`` and its other ``names``, and ``--note`` where there are words for it; see :func:`save_record`."""
    parser.add_argument("--record", *names, dest="record", type=OUT_FILE, metavar="JSON", told=False, help=words)
    if note:
        parser.add_argument("--note", metavar="TEXT", told=False, help=note)


def add_figure_option(parser: Parser, words: str = "draw the figure here") -> None:
    """``--figure``; see :func:`save_figure`."""
    parser.add_argument("--figure", type=OUT_FILE, metavar="PNG", told=False, help=words)


def save_figure(path: Path | None, draw: Callable[[], Any]) -> None:
    """Write what ``draw`` draws as PNG, if a path was given, and say where it is."""
    if path:
        from .. import figures
        from ..atomic import atomic_write

        if path.is_file() and not is_stream(path) and not looks_ours(path):
            raise FileExistsError(f"{path} is there and no figure of fcos-edu: it is not replaced")
        content = with_mark(figures.png(draw(), dpi=120, colors=256))
        atomic_write(path, lambda temporary: temporary.write_bytes(content))
        print(path)


def save_record(
    arguments: argparse.Namespace, *, what: str, metrics: dict[str, Any], data: str, paper: Any = None, **more: Any
) -> None:
    """Write the figures to the file of ``--record``, if one is asked for, with the command and the ``--note``."""
    if arguments.record is None:
        return
    from ..records import record

    note = getattr(arguments, "note", None)
    more = ({"note": note} if note else {}) | more
    command = command_line(arguments)
    record(arguments.record, what=what, command=command, metrics=metrics, data=data, paper=paper, **more)


# ---------------------------------------------------------------------- the command behind a figure
def command_line(arguments: argparse.Namespace) -> str:
    """The command to type for the same figures, from the parser's own arguments.

    Named are those that are not at their defaults, except where results go (``told=False``); of files and folders the
    part that means something on another machine (:func:`without_place`).

    Args:
        arguments: what a parser made of :func:`add_command` gave.
    """
    parser: Parser = arguments.parser
    plain: list[str] = []
    options: list[str] = []
    for action in parser.told:
        value = getattr(arguments, action.dest)
        if value == action.default:
            continue
        words = [_word(action, v) for v in value] if isinstance(value, list) else [_word(action, value)]
        if not action.option_strings:
            plain += words
        elif isinstance(value, bool):
            options.append(action.option_strings[0])
        elif action.nargs is None:  # one word at a time, of an option that may come several times too
            for word in words:
                options += _option(action.option_strings[0], [word])
        else:
            options += _option(action.option_strings[0], words)
    # Before the options, as one with several words would take them too.
    words = [*options, "--", *plain] if any(word.startswith("-") for word in plain) else [*plain, *options]
    return f"{parser.prog} {shlex.join(words)}".rstrip()


def _option(name: str, words: list[str]) -> list[str]:
    if len(words) == 1 and words[0].startswith("-"):  # would be taken for an option
        return [f"{name}={words[0]}"]
    return [name, *words]


def _word(action: argparse.Action, value: Any) -> str:
    if isinstance(value, float):
        from decimal import Decimal

        return format(Decimal(repr(value)).normalize(), "f")  # argparse takes -1e-05 for an option
    return without_place(str(value)) if isinstance(value, Path) or action.type is place else str(value)


def without_place(source: str) -> str:
    """A file or folder as a record may name it: as it was typed, but without the folders of this machine.

    Of a run's model.safetensors or best.safetensors the run's folder stays: all runs have such a file.
    """
    known, rest = named(source)
    if known is not None:  # yolo:my_folder
        return f"{known}:{without_place(str(rest))}"
    joined = source.split("+")  # several data sets
    if len(joined) > 1 and all(Path(one).is_absolute() for one in joined):
        return "+".join(without_place(one) for one in joined)
    path = Path(source)
    if not path.is_absolute() and not {"..", "~"} & set(path.parts):
        return path.as_posix() if source == str(path) else source
    return "/".join(path.parts[-2:]) if path.stem in ("model", "best") else path.name or "."  # of the root
