"""What every configuration shares: names refused with the nearest right one, checks by type and range, values for JSON.

:class:`~fcos_edu.config.FCOSConfig` and :class:`~fcos_edu.training.config.TrainConfig` are :class:`Settings`.
Checked against: hand-made configurations. Imports nothing of the package.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, get_args, get_origin, get_type_hints

INF = math.inf
Self = TypeVar("Self", bound="Settings")


# Characters that Unicode keeps for the inside of programs: before a setting, its value, what is typed, and behind it.
_BEGIN, _EQUALS, _TYPED, _END = "\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3"
_TEXT = "([^\ufdd0-\ufdd3]*)"
_SETTING = re.compile(f"{_BEGIN}{_TEXT}(?:{_EQUALS}{_TEXT})?(?:{_TYPED}{_TEXT})?{_END}")


def setting(name: str, *value: object, option: str = "") -> str:
    """A setting as the text of a :class:`Message` names it: alone, or with a value.

    Args:
        name: of a field or an argument, ``keep_empty``.
        value: what it should be, if the message says so; at most one.
        option: of the command line, where Python's sentence names it too; a value that is text stands in double quotes
            then.
    """
    quoted = json.dumps if option else repr
    told = "".join(f"{_EQUALS}{quoted(one) if isinstance(one, str) else repr(one)}" for one in value)
    return f"{_BEGIN}{name}{told}{f'{_TYPED}{option}' if option else ''}{_END}"


def either(python: str, command: str) -> str:
    """What a :class:`Message` tells to do, in Python, and as the command that does it."""
    return f"{_BEGIN}{_EQUALS}{python}{_TYPED}{command}{_END}"


class Message(str):
    """A sentence of an error or a warning that names settings, for two kinds of readers.

    As a text it is for who calls functions: ``keep_empty=True``. The command line shows the same sentence with its own
    options (:meth:`shown`): ``--keep-empty``.

    Args:
        marked: with :func:`setting` and :func:`either` in it.
    """

    marked: str

    def __new__(cls, marked: str) -> Message:
        """The sentence; what is marked in it is kept."""
        self = super().__new__(cls, _SETTING.sub(_in_python, marked))
        self.marked = marked
        return self

    def __getnewargs__(self) -> tuple[str]:  # out of a loading process
        return (self.marked,)

    def shown(self, name: Callable[[str, str | None], str]) -> str:
        """The sentence with other names: ``name`` makes them of a setting and its value, as text, or None."""

        def one(found: re.Match[str]) -> str:
            return name(found[1], found[2] and found[2].strip("\"'")) if found[1] else found[3]

        return _SETTING.sub(one, self.marked)


def marked(text: str) -> str:
    """A text to be put into a :class:`Message`, with the settings that it names itself."""
    return getattr(text, "marked", text)


def _in_python(found: re.Match[str]) -> str:
    name, value, option = found.groups()
    if not name:
        return value or ""
    return f"{name}={value}" * (value is not None) + name * (value is None) + f" ({option})" * bool(option)


class ConfigError(ValueError):
    """A field with a value that cannot be, or fields that exclude each other."""


@dataclass(frozen=True)
class Range:
    """What a field's number must lie in: ``Annotated[int, Range(1, 9)]``. The ends belong to it, unless they are open.

    A high end where nothing works any more is worth telling: a slip, or a checkpoint of somebody else's, would take
    all memory first.
    """

    low: float = -INF
    high: float = INF
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        return above and (value < self.high if self.open_high else value <= self.high)

    def words(self, value: float) -> str:
        """Which end ``value`` has passed."""
        if value < self.low or (value == self.low and self.open_low):
            return f"{'above' if self.open_low else 'at least'} {self.low}"
        return f"{'below' if self.open_high else 'at most'} {self.high}"


Count = Annotated[int, Range(1)]
Positive = Annotated[float, Range(0, open_low=True)]
NotNegative = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]
Inside = Annotated[float, Range(0, 1, open_low=True, open_high=True)]
BelowOne = Annotated[float, Range(0, 1, open_high=True)]
INFERENCE = "a trained model can be given another value"  # marks a field: Annotated[float, INFERENCE]

_KINDS = {int: ("a whole number", "whole numbers"), float: ("a number", "numbers"), str: ("text", "names")}


class Settings:
    """Base of a frozen dataclass whose fields are checked by their annotations.

    ``Literal`` fields have one of their choices, ``bool``, ``int``, ``float`` and ``str`` fields a value of that type,
    ``| None`` or not; lists become tuples. Numbers lie in their :class:`Range`, of tuples each.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    if not TYPE_CHECKING:  # type checkers see the dataclass's own __init__

        def __new__(cls, *args: Any, **fields: Any) -> Settings:
            """Refuse a misspelt field before the generated ``__init__``, which would not name the right one."""
            check_field_names(cls, fields)
            return super().__new__(cls)

    def __post_init__(self) -> None:
        for name, (hint, marks) in field_types(type(self)).items():  # type: ignore[arg-type]
            value = checked(name, getattr(self, name), hint)
            object.__setattr__(self, name, value)
            for limits in (mark for mark in marks if isinstance(mark, Range)):
                for number in value if isinstance(value, tuple) else (value,):
                    if number is not None and number not in limits:
                        none = ", or None" if type(None) in get_args(hint) else ""
                        raise ConfigError(
                            Message(f"{setting(name)} is {value}; it must be {limits.words(number)}{none}")
                        )

    def replace(self: Self, **changes: Any) -> Self:
        """A copy with some fields changed; checked like a new one. ``model.NAME`` reaches into the field ``model``.

        Raises:
            TypeError: not a field; the nearest one is named.
            ConfigError: a value that cannot be.
        """
        inner: dict[str, dict[str, Any]] = {}
        outer = {}
        for name, value in changes.items():
            part, dot, rest = name.partition(".")
            if dot:
                inner.setdefault(part, {})[rest] = value
            else:
                outer[name] = value
        check_field_names(type(self), {**inner, **outer})
        for part, values in inner.items():
            whole = checked(part, outer.get(part, getattr(self, part)), field_types(type(self))[part][0])  # type: ignore[arg-type]
            if not isinstance(whole, Settings):
                raise TypeError(
                    f"{type(self).__name__} has no field '{part}.{next(iter(values))}': {part} is {whole!r}"
                )
            outer[part] = whole.replace(**values)
        return dataclasses.replace(self, **outer)

    def to_dict(self) -> dict[str, Any]:
        """Plain values only, ready for JSON: tuples become lists, infinity the string ``"inf"``."""
        return {name: to_json(getattr(self, name)) for name in self.__dataclass_fields__}

    @classmethod
    def from_dict(cls: type[Self], values: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`; fields that are not named, as in an older file, have their defaults."""
        check_field_names(cls, dict(values))
        hints = field_types(cls)  # type: ignore[arg-type]
        return cls(**{name: from_json(value, hints[name][0]) for name, value in values.items()})


@cache
def field_types(cls: Any) -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """Type and marks of each field of a dataclass: ``Annotated[int, Range(1)]`` gives ``int`` and ``(Range(1),)``."""
    plain, whole = get_type_hints(cls), get_type_hints(cls, include_extras=True)
    return {f.name: (plain[f.name], tuple(_marks(whole[f.name]))) for f in dataclasses.fields(cls)}


def _marks(hint: Any) -> Iterator[Any]:
    """What ``Annotated`` says, also of the items of a tuple, or beside None."""
    if get_origin(hint) is Annotated:
        yield from hint.__metadata__
    for part in get_args(hint):
        yield from _marks(part)


def fields_marked(cls: type, mark: Any) -> frozenset[str]:
    """The fields whose annotation has this mark."""
    return frozenset(name for name, (_, marks) in field_types(cls).items() if mark in marks)


def check_field_names(cls: type, values: Mapping[str, Any]) -> None:
    """Refuse names that are not fields of the dataclass ``cls``, naming the nearest right one (``TypeError``)."""
    known = [f.name for f in dataclasses.fields(cls)]
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f": did you mean {near[0]!r}?" if near else f"; the fields are {', '.join(known)}"
            raise TypeError(f"{cls.__name__} has no field {name!r}{hint}")


def checked(name: str, value: Any, hint: Any) -> Any:
    """The value of a field of this type, with lists as tuples.

    Raises:
        ConfigError: of another type, or not one of its choices.
    """
    choices = get_args(hint)
    if isinstance(hint, type) and issubclass(hint, Settings):
        if not isinstance(value, hint):
            kind = "an" if hint.__name__[0] in "AEFIO" else "a"
            raise ConfigError(
                f"{name} is {_told(value)}; it must be {kind} {hint.__name__} (its fields are set as {name}.NAME)"
            )
    elif get_origin(hint) is tuple:
        if not isinstance(value, (tuple, list)) or not all(_is(v, choices[0]) for v in value):
            raise ConfigError(
                Message(f"{setting(name)} is {_told(value)}; it must be a list or tuple of {_KINDS[choices[0]][1]}")
            )
        return tuple(value)
    elif choices and all(isinstance(choice, str) for choice in choices):
        if value not in choices:
            near = difflib.get_close_matches(str(value), choices, n=1)
            hint_text = f" (did you mean {near[0]!r}?)" if near else ""
            raise ConfigError(
                Message(f"{setting(name)} is {_told(value)}; it must be one of {', '.join(choices)}{hint_text}")
            )
    elif hint is bool:
        if not isinstance(value, bool):
            raise ConfigError(Message(f"{setting(name)} is {_told(value)}; it must be True or False"))
    else:
        kinds = choices or (hint,)  # float | None
        kind = next(k for k in kinds if k is not type(None))
        if not (value is None and type(None) in kinds) and not _is(value, kind):
            raise ConfigError(Message(f"{setting(name)} is {_told(value)}; it must be {_KINDS[kind][0]}"))
    return value


def _told(value: Any, most: int = 200) -> str:
    """A value as Python writes it, of a long one its beginning."""
    told = repr(value)
    return told if len(told) <= most else f"{told[: most - 3]}..."


def _is(value: Any, kind: type) -> bool:
    """Whether a value is text, a whole number, or a number that is one; True and False are none."""
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
    return isinstance(value, kind) and not isinstance(value, bool)


def to_json(value: Any) -> Any:
    """A field's value as JSON has it: tuples become lists, infinity the string ``"inf"``, settings their fields."""
    if isinstance(value, Settings):
        return value.to_dict()
    if isinstance(value, (tuple, list)):
        return [to_json(v) for v in value]
    return "inf" if value == INF else value


def from_json(value: Any, hint: Any = None) -> Any:
    """The inverse of :func:`to_json`, for a field of the type ``hint``."""
    if isinstance(hint, type) and issubclass(hint, Settings) and isinstance(value, Mapping):
        return hint.from_dict(value)
    if isinstance(value, list):
        return tuple(from_json(v) for v in value)
    return INF if value == "inf" else value
