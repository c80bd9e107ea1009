"""Progress bars that cannot hurt: where nobody reads them, work goes on without them.

Used wherever something takes long. Checked against: an error stream that is closed, is a pipe without a reader, or is
on a full disk. Imports nothing of the package.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tqdm import tqdm


class Harmless:
    """A stream that loses what it cannot write, instead of raising; an error of a bar would end the work behind it."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """All of it, or as much as is possible."""
        with suppress(OSError, ValueError, AttributeError):  # closed; None, as 2>&- makes it
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        """As far as is possible."""
        with suppress(OSError, ValueError, AttributeError):
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:  # its encoding, its number, whether it is a terminal
        return getattr(self.stream, name)


def bar(*iterables: Any, **options: Any) -> Any:
    """tqdm's bar, on :class:`Harmless` standard error.

    Args:
        iterables: one, or none for a bar that is moved by hand.
        options: tqdm's.
    """
    return tqdm(*iterables, file=Harmless(sys.stderr), **options)


def say(text: str) -> None:
    """A line on standard error, above a bar if there is one."""
    tqdm.write(text, file=Harmless(sys.stderr))


def duration(seconds: float) -> str:
    """A time in words, as exactly as an estimate deserves: "40 seconds", "12 minutes", "3.5 hours", "4 days"."""
    units = (("second", 1, 90), ("minute", 60, 90), ("hour", 3600, 48), ("day", 86_400, math.inf))
    unit, length = next((unit, length) for unit, length, most in units if seconds / length < most)
    count = seconds / length
    told = f"{count:.1f}" if unit == "hour" and count < 10 else f"{max(count, 1):.0f}"
    told = told.removesuffix(".0")
    return f"{told} {unit}{'' if told == '1' else 's'}"


class Forecast:
    """How long a run will take, by its first steps; told once, and again where it turns out to be otherwise.

    The very first step is not counted: memory is fetched in it, and code translated.

    Args:
        done: steps that are done already.
        total: of the whole run.
        tell: gets a sentence.
        clock: in seconds.
    """

    STEPS, SECONDS = 3, 5.0  # at least so many are measured, and so long; fifty steps are enough in any case
    SURPRISE = 1.3, 60.0  # told again where what is left is another by this factor, and by so many seconds

    def __init__(
        self, done: int, total: int, tell: Callable[[str], None], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.done, self.total, self.tell, self.clock = done, total, tell, clock
        self.since: tuple[int, float] | None = None  # the step, and when, from which is measured
        self.end: float | None = None  # when the run will be over, as was told

    def step(self) -> None:
        """One step more is done."""
        self.done += 1
        now, left = self.clock(), self.total - self.done
        if self.since is None:
            self.since = self.done, now
            return
        steps, passed = self.done - self.since[0], now - self.since[1]
        if self.end is None:
            if steps >= self.STEPS and (passed >= self.SECONDS or steps >= 50):
                self._told("about {} on this machine", passed / steps * left, now)
        elif steps >= max(self.total // 10, 1):
            seconds, before = passed / steps * left, max(self.end - now, 1.0)
            factor, least = self.SURPRISE
            if max(seconds / before, before / max(seconds, 1e-9)) > factor and abs(seconds - before) > least:
                self._told("not as first measured: about {} more", seconds, now)
            self.since = self.done, now

    def _told(self, what: str, seconds: float, now: float) -> None:
        self.tell(what.format(duration(seconds)))
        self.since, self.end = (self.done, now), now + seconds
