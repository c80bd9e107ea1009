"""Settings of the trainer's tests."""

import signal

import pytest

from fcos_edu import data
from fcos_edu.training.runs import Run


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch):
    """Sixteen images are enough for a handful of steps."""
    monkeypatch.setattr(data.shapes, "DEFAULT_IMAGES", {"train": 16, "val": 4, "test": 4})


@pytest.fixture(autouse=True)
def curves_where_they_are_looked_at(request, monkeypatch):
    """A picture takes longer than the steps of a small run: only tests that name the curves have them."""
    if "curves" not in request.node.name:
        monkeypatch.setattr(Run, "draw_curves", lambda self: None)


@pytest.fixture(autouse=True)
def signals_as_in_a_terminal():
    """Under ``nohup``, or in the background of a script, SIGHUP and SIGINT are ignored; runs leave that as it is."""
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
