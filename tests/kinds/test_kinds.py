"""Each kind of input comes out as the table of them says (book/inputs.md)."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

import pytest

from fcos_edu.cli.parser import is_expected, sentence
from tests.kinds import Kind, collect, refused, right, told

KINDS = collect()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.group}: {kind.given}")
def test_each_kind_of_input(tmp_path: Path, kind: Kind) -> None:
    check(kind, tmp_path)


def check(kind: Kind, folder: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        error = None
        try:
            kind.run(folder)
        except AssertionError:
            raise
        except Exception as raised:
            error = raised
    messages = [str(warning.message) for warning in caught]
    if kind.way != "refused" and error is not None:
        raise error
    if kind.way == "refused":
        assert error is not None, "it was taken"
        assert is_expected(error), "the command line would show a traceback"
        text = sentence(error)
        assert kind.fits(text, folder), text
        assert text.isprintable(), "one line, without control characters"
    if kind.way == "told":
        assert any(kind.fits(text, folder) for text in messages), messages
    if kind.way == "right":
        assert not [w for w in caught if issubclass(w.category, UserWarning)], messages


def test_there_are_many_kinds_each_once() -> None:
    assert len(KINDS) >= 80
    twice = [given for given, count in Counter((k.group, k.given) for k in KINDS).items() if count > 1]
    assert not twice


def test_what_comes_out_otherwise_is_found(tmp_path: Path) -> None:
    def fails(kind: Kind, match: str, error: type[BaseException] = AssertionError) -> None:
        with pytest.raises(error, match=match):
            check(kind, tmp_path)

    def kind(way: str, outcome: str, run) -> Kind:
        return Kind(way, "some", "thing", outcome, run)

    def raises(error: Exception):
        def run(folder: Path) -> None:
            raise error

        return run

    check(kind("refused", "a… is wrong.", raises(ValueError(f"{tmp_path}/a.txt is wrong."))), tmp_path)
    fails(kind("refused", "a is wrong", lambda folder: None), "it was taken")
    fails(kind("refused", "a is wrong", raises(ValueError("a is wrong, really"))), "a is wrong, really")
    fails(kind("refused", "a is wrong", raises(KeyError("a is wrong"))), "traceback")
    fails(kind("refused", "a…", raises(ValueError("a\nb"))), "one line")
    fails(kind("right", "", raises(ValueError("b"))), "b", ValueError)
    fails(kind("right", "", lambda folder: warnings.warn("oh", UserWarning, stacklevel=1)), "oh")
    fails(kind("told", "odd", lambda folder: warnings.warn("oh", UserWarning, stacklevel=1)), "oh")
    assert refused is not right is not told
