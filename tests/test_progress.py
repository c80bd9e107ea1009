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


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 second"), (40, "40 seconds"), (89.6, "90 seconds"), (95, "2 minutes"), (720, "12 minutes"),
        (5 * 3600, "5 hours"), (12_600, "3.5 hours"), (30 * 3600, "30 hours"), (4 * 86_400, "4 days"),
    ],
)  # fmt: skip
def test_a_time_in_words(seconds, words):
    assert progress.duration(seconds) == words


def told_by(times, total, done=0):
    """What a forecast tells over steps that end at these times."""
    told, clock = [], iter(times)
    forecast = progress.Forecast(done, total, told.append, lambda: next(clock))
    for number, _ in enumerate(times, start=done + 1):
        before = len(told)
        forecast.step()
        told[before:] = [(number, one) for one in told[before:]]
    return told


def test_the_first_step_is_no_measure_and_the_others_are():
    steps = [60.0] + [60 + 2.0 * k for k in range(1, 100)]  # a slow first step, then two seconds each
    assert told_by(steps, 100) == [(4, "about 3 minutes on this machine")]
    assert told_by(steps[:60], 100, done=40) == [(44, "about 2 minutes on this machine")]  # of what is left


def test_quick_steps_are_measured_for_longer_but_not_for_ever():
    assert told_by([0.5 * k for k in range(1, 40)], 4000) == [(11, "about 33 minutes on this machine")]
    assert told_by([0.01 * k for k in range(1, 200)], 20_000)[0] == (51, "about 3 minutes on this machine")
    assert told_by([0.01 * k for k in range(1, 20)], 19) == []  # it is over before anything can be said


def test_a_forecast_that_turns_out_wrong_is_told_anew():
    """The first epoch reads files; those after it are quicker. Once it is right, nothing more is said."""
    times, now = [], 0.0
    for step in range(1000):
        now += 2.0 if step < 50 else 0.5
        times.append(now)
    assert told_by(times, 1000) == [
        (4, "about 33 minutes on this machine"), (104, "not as first measured: about 18 minutes more"),
        (204, "not as first measured: about 7 minutes more"),
    ]  # fmt: skip
