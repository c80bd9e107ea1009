"""Settings, and the command behind a figure."""

from __future__ import annotations

import argparse
import math
import shlex
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcos_edu.cli.options import Number, Output, Parser, command_line, located, parse_setting, place, without_place
from fcos_edu.cli.parser import build_parser
from fcos_edu.settings import Range
from tests.cli.calls import leaves


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("cache=true", True),
        ("cache=False", False),
        ("lr=0.5", 0.5),
        ("zoom=(0.5,2)", (0.5, 2)),
        ("augment=none", "none"),
    ],
)
def test_a_setting_is_a_literal_or_a_word(text, value):
    found = parse_setting(text)[1]
    assert found == value and type(found) is type(value)


def test_a_record_names_no_folder_of_this_machine() -> None:
    names = {
        "bccd": "bccd",
        "runs/bccd/model.safetensors": "runs/bccd/model.safetensors",
        "/data/runs/bccd/model.safetensors": "bccd/model.safetensors",
        "../runs/bccd/model.safetensors": "bccd/model.safetensors",
        "/data/found.json": "found.json",
        "~/photographs": "photographs",
    }
    assert {name: without_place(name) for name in names} == names


@given(text=st.text(max_size=6) | st.floats().map(str) | st.integers().map(str), which=st.sampled_from([0, 1, 2, 3]))
def test_a_number_is_what_python_reads_and_lies_in_its_range(text: str, which: int) -> None:
    kind, limits = [(int, Range(2, 9)), (float, Range(0, 1)), (float, Range(0, open_low=True)), (float, Range())][which]
    try:
        number = Number(kind, limits)(text)
    except argparse.ArgumentTypeError as error:
        assert f"{text!r} is not a " in str(error)
        try:
            assert not math.isfinite(kind(text)) or kind(text) not in limits
        except ValueError:
            pass
    else:
        assert number == kind(text) and type(number) is kind and number in limits and math.isfinite(number)


# ---- the command behind a figure ------------------------------------------------------------------------------

WORDS = st.text(st.sampled_from("ab 7.'\"$=é+-"), max_size=6).filter(lambda word: word != "--")
NAMES = WORDS.filter(lambda word: all(part.strip() for part in word.split("+")))
PLACES = st.builds(
    "".join, st.tuples(st.sampled_from(("", "./", "../", "~/", "/", "/one/two/")), NAMES,
                       st.sampled_from(("", "/model.safetensors", "/test.json", "+/x/y")))
)  # fmt: skip


def words_of(action: argparse.Action, many: bool) -> st.SearchStrategy[str]:
    """What a user can type for one value."""
    if action.choices is not None:
        return st.sampled_from([str(choice) for choice in action.choices])
    if isinstance(action.type, Number):
        limits = action.type.limits
        if action.type.kind is int:
            return st.integers(int(limits.low), int(min(limits.high, 10**6))).map(str)
        numbers = st.floats(limits.low, min(limits.high, 1e5), exclude_min=limits.open_low, allow_subnormal=False)
        return numbers.map(lambda number: format(Decimal(repr(number)), "f"))
    named = action.type is located or isinstance(action.type, Output)
    words = PLACES if action.type is place else NAMES if named else WORDS
    return words.filter(lambda word: not word.startswith("-")) if many else words


@st.composite
def calls(draw: st.DrawFn, parser: Parser) -> list[str]:
    """A command with some of its options, in any order, as argparse takes it whatever the words are."""
    options, plain = [], []
    for action in parser._actions:
        if action.dest == "help":
            continue
        required = action.required or not action.option_strings
        many = action.nargs is not None and action.nargs != "?"
        if action.nargs == 0:
            options += [[action.option_strings[0]]] * draw(st.integers(0, 1))
            continue
        if isinstance(action.nargs, int):
            low, high = action.nargs, action.nargs
        else:
            low, high = {"*": (0, 3), "?": (0, 1), "+": (1, 3), None: (1, 1)}[action.nargs]  # type: ignore[index]
        times = 1 if required else draw(st.integers(0, 2))
        for _ in range(times):
            words = draw(st.lists(words_of(action, many and bool(action.option_strings)), min_size=low, max_size=high))
            if not action.option_strings:
                plain += words
            elif many:
                options.append([action.option_strings[0], *words])
            else:
                options.append([f"{action.option_strings[0]}={words[0]}"])
    return [*sum(draw(st.permutations(options)), []), *(["--", *plain] if plain else [])]


@cache
def parser_of_all() -> Parser:
    """Made once: a hundred calls of each command are read with it, and it keeps nothing of a call."""
    return build_parser()


@pytest.mark.parametrize("name", leaves())
@settings(max_examples=40)  # of each of the commands
@given(data=st.data())
def test_the_command_of_a_record_gives_the_same_arguments(name: str, data: st.DataObject) -> None:
    """All that decides the figures comes back; files without their folders, and where results go at its default."""
    parser = leaves()[name]
    arguments = parser.parse_args(data.draw(calls(parser)))
    line = command_line(arguments)
    again = parser_of_all().parse_args(shlex.split(line)[1:])
    assert line.startswith(f"fcos-edu {name}") and set(vars(again)) == {*vars(arguments), "debug"}
    told = {action.dest: action for action in parser.told}
    for action in parser._actions:
        if action.dest in told:
            assert getattr(again, action.dest) == known(action, getattr(arguments, action.dest)), line
        elif action.dest != "help":
            assert getattr(again, action.dest) == action.default, line
    assert again.run is arguments.run


def known(action: argparse.Action, value: Any) -> Any:
    """A value as another machine knows it."""
    if isinstance(value, list):
        return [known(action, one) for one in value]
    if value is not None and value != action.default and action.type is place:
        return place(without_place(str(value)))
    return value


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("bench", "fcos-edu bench"),
        ("bench --part small --repeat 5 --record a.json", "fcos-edu bench --part small"),
        ("train --data /data/cells --from ../runs/a/model.safetensors --set lr=0.5 --set 'zoom=(0.5, 2)' --resume",
         "fcos-edu train --data cells --from a/model.safetensors --set lr=0.5 --set 'zoom=(0.5, 2)'"),
        ("train --data /d/voc2007+/d/mine --out x", "fcos-edu train --data voc2007+mine"),
        ("detect bccd a.jpg /b/c.jpg --threshold 0.25", "fcos-edu detect bccd a.jpg c.jpg --threshold 0.25"),
        ("data export shapes --images 7 --out x", "fcos-edu data export shapes --images 7"),
        ("tables ambiguity --radii 0.5 2.0 0.00001 --annotations a.json --figure b.png --note x",
         "fcos-edu tables ambiguity --annotations a.json --radii 0.5 2 0.00001"),
        ("evaluate -- -model.safetensors", "fcos-edu evaluate -- -model.safetensors"),
    ],
)  # fmt: skip
def test_what_a_record_names(words: str, line: str) -> None:
    assert command_line(build_parser().parse_args(shlex.split(words))) == line
