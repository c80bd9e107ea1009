"""What every configuration shares: names refused with the nearest right one, checks by type, plain values for JSON.

Used by :class:`~fcos_edu.config.FCOSConfig` and :class:`~fcos_edu.training.config.TrainConfig`.
Checked against: hand-made configurations. Imports nothing of the package.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from typing import Any, get_args, get_type_hints

INF = math.inf


class ConfigError(ValueError):
    """A field with a value that cannot be, or fields that exclude each other."""


def check_field_names(cls: type, values: dict[str, Any]) -> None:
    """Refuse names that are not fields of the dataclass ``cls``, naming the nearest right one (``TypeError``)."""
    known = [f.name for f in dataclasses.fields(cls)]
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f": did you mean {near[0]!r}?" if near else f"; the fields are {', '.join(known)}"
            raise TypeError(f"{cls.__name__} has no field {name!r}{hint}")


def check_choices(config: Any) -> None:
    """Refuse a value that is not one of its field's ``Literal`` choices, or not of its type (:class:`ConfigError`)."""
    hints = get_type_hints(type(config))
    for field in dataclasses.fields(config):
        hint, value = hints[field.name], getattr(config, field.name)
        choices = get_args(hint)
        if choices and all(isinstance(choice, str) for choice in choices):
            if value not in choices:
                near = difflib.get_close_matches(str(value), choices, n=1)
                hint_text = f" (did you mean {near[0]!r}?)" if near else ""
                raise ConfigError(f"{field.name} is {value!r}; it must be one of {', '.join(choices)}{hint_text}")
        elif hint is bool:
            if not isinstance(value, bool):
                raise ConfigError(f"{field.name} is {value!r}; it must be True or False")
        elif hint is int:
            if isinstance(value, bool) or not isinstance(value, int):
                raise ConfigError(f"{field.name} is {value!r}; it must be a whole number")
        elif hint is float or hint == (float | None):
            if value is None and hint is not float:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
                raise ConfigError(f"{field.name} is {value!r}; it must be a number")


def to_json(value: Any) -> Any:
    """A field's value as JSON has it: tuples become lists, infinity the string ``"inf"``."""
    if isinstance(value, tuple):
        return [to_json(v) for v in value]
    return "inf" if value == INF else value


def from_json(value: Any) -> Any:
    """The inverse of :func:`to_json`."""
    if isinstance(value, list):
        return tuple(from_json(v) for v in value)
    return INF if value == "inf" else value
