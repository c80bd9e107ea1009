"""SIGTERM, SIGHUP and Ctrl-C: a run stops between two steps, at the same step on every worker.

Taught in the chapter *Training*. Checked against: runs that are asked to stop, alone and as two workers, in a step and
while they wait for images that never come.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

import torch
import torch.distributed as dist

PREEMPTED = 75  # exit code after SIGTERM, sysexits' "temporary failure, try again"
_STOPPING = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]


class PreemptedError(SystemExit):
    """The system asked the run to stop (SIGTERM, or SIGHUP when its terminal closed); its state is saved.

    As an exit and not an error, it is not mistaken for one on its way up; where nobody catches it, a program ends with
    the exit code 75 (``PREEMPTED``).
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = PREEMPTED


class AskedWhileWaiting(BaseException):
    """Ends the wait for a batch, or a measurement, between two steps; goes no further than the loop."""


class StopRequest:
    """Notes SIGTERM, SIGHUP and Ctrl-C, so that a run can stop between two steps. A second Ctrl-C stops at once.

    What is ignored already stays so, as SIGHUP under ``nohup``.

    After :meth:`release`, because there is nothing to save, both stop at once.

    With several workers all must stop at the same step, or the others would wait for ever: they agree through a side
    channel of the hosts, which waits for no GPU.
    """

    def __init__(self) -> None:
        self.received, self.asked, self._held = 0, 0, True  # asked: any worker, as last agreed
        self._before: dict[int, Any] = {}
        self._waiting, self._pausing, self._died = False, False, False
        self._of_children: Any = None  # torch's handler for a loading process that ended
        several = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
        self._group: Any = dist.new_group(backend="gloo") if several else None

    def __enter__(self) -> StopRequest:
        self.hold()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        self._restore()
        if self._of_children is not None:
            signal.signal(signal.SIGCHLD, self._of_children)
            self._of_children = None
        if isinstance(error, PreemptedError) and sys.stderr:  # Python prints nothing of an exit with a code
            with contextlib.suppress(OSError, ValueError):  # of a terminal that is gone
                print(error, file=sys.stderr, flush=True)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        again = self.received == signal.SIGINT == number
        self.received = number
        if again or not self._held:
            self._stop()
        if self._waiting or self._pausing:
            self._waiting = self._pausing = False
            raise AskedWhileWaiting

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Here a run waits for images, and its state is whole: what asks it to stop ends the wait.

        So does a loading process that the system has killed. torch would say so wherever the run is, in the middle of
        an optimizer's step too; outside of a wait it is kept for the next one. Several workers only note, as ever:
        the others of them wait for this one.

        Raises:
            AskedWhileWaiting: a signal came.
            RuntimeError: torch's, of a loading process that ended.
        """
        alone = self._group is None and bool(self._before)
        if alone:
            self._watch_children()
        self._waiting = alone
        try:
            if self._died:
                self._died = False
                self._of_children(signal.SIGCHLD, None)
            yield
        finally:
            self._waiting = False

    @contextlib.contextmanager
    def pausing(self) -> Iterator[None]:
        """Here a run measures what is saved already: what asks it to stop ends that at once.

        Several workers only note it, as ever.

        Raises:
            AskedWhileWaiting: a signal came.
        """
        self._pausing = self._group is None and bool(self._before)
        try:
            yield
        finally:
            self._pausing = False

    def _watch_children(self) -> None:
        theirs = signal.getsignal(signal.SIGCHLD) if hasattr(signal, "SIGCHLD") else None
        if callable(theirs) and theirs != self._note_child:
            self._of_children = theirs
            signal.signal(signal.SIGCHLD, self._note_child)

    def _note_child(self, number: int, frame: FrameType | None) -> None:
        if self._waiting:
            self._of_children(number, frame)
        else:
            self._died = True

    def _stop(self) -> None:
        if self.received == signal.SIGINT:
            raise KeyboardInterrupt
        raise PreemptedError("asked to stop; what was saved is whole: resume the run")

    def hold(self) -> None:
        """From here on signals wait for :meth:`agreed`."""
        self._held = True
        if not self._before and threading.current_thread() is threading.main_thread():  # elsewhere it is not allowed
            wanted = [n for n in _STOPPING if signal.getsignal(n) is not signal.SIG_IGN]
            self._before = {n: signal.signal(n, self._note) for n in wanted}

    def release(self) -> None:
        """From here on they stop at once; so does one that was not asked for.

        Of several workers each then has the handlers that it had before: one that waits for the others comes to no
        handler of Python's.

        Raises:
            KeyboardInterrupt, PreemptedError: here or later.
        """
        self._held = False
        if self.received:
            self._stop()
        if self._group is not None:
            self._restore()

    def leave(self, message: str) -> NoReturn:
        """End a run whose state is saved, as Ctrl-C or SIGTERM asked, whichever of the workers it asked.

        Raises:
            KeyboardInterrupt, PreemptedError: the latter with the message.
        """
        if self.asked == signal.SIGINT:
            raise KeyboardInterrupt
        raise PreemptedError(message)

    def agreed(self) -> int:
        """The signal that any worker has received, or 0; the same answer for all."""
        self.asked = self.received
        if self._group is not None:
            number = torch.tensor(self.received)
            dist.all_reduce(number, op=dist.ReduceOp.MAX, group=self._group)
            self.asked = int(number)
        return self.asked
