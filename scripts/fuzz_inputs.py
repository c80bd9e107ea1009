"""Ways to break a file, for ``scripts/fuzz.py``: bytes of any kind, and values inside JSON.

A :class:`Target` is a reader with the files that are handed to it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

MB = 1 << 20


@dataclass(frozen=True)
class Broken:
    """An input: how it was made, and its bytes."""

    kind: str
    content: bytes


@dataclass(frozen=True)
class Target:
    """Something that reads files of strangers."""

    inputs: st.SearchStrategy[Broken]
    read: Callable[[Path], Any]
    suffix: str
    named: tuple[type[Exception], ...]  # errors whose message explains what is wrong
    memory: Callable[[int], int]  # bytes that reading a file of so many bytes may take


# ------------------------------------------------------------------ ways to break a file
def broken(whole: bytes) -> st.SearchStrategy[Broken]:
    """Any file, with bits flipped, cut off, with bytes put in or left out, or nothing of it at all."""
    place = st.integers(0, len(whole))
    # Half of the places lie near the start, where files say what they are.
    near = st.one_of(place, st.integers(0, min(len(whole), 4096)))

    def flip(bits: list[tuple[int, int]]) -> bytes:
        changed = bytearray(whole)
        for at, bit in bits:
            changed[at % len(changed)] ^= 1 << bit
        return bytes(changed)

    return st.one_of(
        st.builds(
            lambda bits: Broken("flipped bits", flip(bits)),
            st.lists(st.tuples(near, st.integers(0, 7)), min_size=1, max_size=8),
        ),
        st.builds(lambda at: Broken("cut off", whole[:at]), near),
        st.builds(
            lambda at, more: Broken("bytes put in", whole[:at] + more + whole[at:]),
            near,
            st.binary(min_size=1, max_size=64),
        ),
        st.builds(
            lambda at, size: Broken("bytes left out", whole[:at] + whole[at + size :]), near, st.integers(1, 4096)
        ),
        st.builds(
            lambda at, more: Broken("bytes written over", whole[:at] + more + whole[at + len(more) :]),
            near,
            st.binary(min_size=1, max_size=64),
        ),
        st.builds(lambda content: Broken("any bytes", content), st.binary(max_size=512)),
        st.just(Broken("whole", whole)),
    )


ODD_VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    -(2**63),
    10**30,
    1e308,
    -1e-308,
    0.5,
    float("nan"),
    float("inf"),
    "",
    "inf",
    "x" * 5000,
    "\x00",
    "\x1b[31m",
    "\ud800",
    "é",
    [],
    {},
    [[]],
    [[[[1]]]],
    {"": {}},
    "__metadata__",
    "F32",
    "I64",
    "BOOL",
]
ODD = st.one_of(
    st.sampled_from(ODD_VALUES),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.integers(-2, 2**40), max_size=8),
)


@st.composite
def changed_json(draw: st.DrawFn, whole: Any) -> Any:
    """A value of JSON with one to three places in it replaced by odd values, left out, or given another name."""
    box = [copy.deepcopy(whole)]
    for _ in range(draw(st.integers(1, 3))):
        parent: Any = box
        key: Any = 0
        while isinstance(parent[key], (dict, list)) and parent[key] and draw(st.integers(0, 3)):
            parent = parent[key]
            key = draw(st.sampled_from(list(parent) if isinstance(parent, dict) else range(len(parent))))
        action = draw(st.sampled_from(["replace", "replace", "leave out", "rename", "nest"]))
        if action == "leave out" and parent is not box:
            del parent[key]
        elif action == "rename" and isinstance(parent, dict):
            parent[draw(st.sampled_from([*parent, "", "x", "sha256"]))] = parent.pop(key)
        elif action == "nest":
            for _ in range(draw(st.sampled_from([1, 10, 500]))):
                parent[key] = [parent[key]]
        else:
            parent[key] = copy.deepcopy(draw(ODD))  # a next change may go into it, and ODD must stay as it is
    return box[0]


def as_text(value: Any) -> str:
    """JSON, of what Python can still write; deeper than that as brackets."""
    try:
        return json.dumps(value)
    except RecursionError:
        return "[" * 100_000
