"""A bar that cannot be written ends no work; one that can says what tqdm's says."""

import io
import os
import sys

import pytest

from fcos_edu import progress


class Refusing(io.StringIO):
    """A terminal that is gone, or a full disk."""

    def write(self, *_):
        raise OSError(28, "No space left on device")

    flush = write


def broken_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    return open(writer, "w", buffering=1)


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("make", [lambda: None, closed, broken_pipe, Refusing], ids=["2>&-", "closed", "pipe", "full"])
def test_work_goes_on_without_its_bar(make, monkeypatch):
    monkeypatch.setattr(sys, "stderr", make())
    assert list(progress.bar(range(5), mininterval=0)) == list(range(5))
    with progress.bar(total=3, mininterval=0) as moved:
        for _ in range(3):
            moved.update()
            moved.set_postfix({"loss": 1})
        assert moved.n == 3


def test_a_bar_is_shown_where_it_can_be(capsys):
    list(progress.bar(range(5), desc="work"))
    told = capsys.readouterr()
    assert "work: 100%" in told.err and "5/5" in told.err and not told.out
