"""SIGTERM and Ctrl-C: a run stops between two steps, at the same step on every worker.

Taught in the chapter *Training*. Checked against: runs that are asked to stop, alone and as two workers.
"""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Any, NoReturn

import torch
import torch.distributed as dist

PREEMPTED = 75  # exit code after SIGTERM, sysexits' "temporary failure, try again"


class PreemptedError(SystemExit):
    """The system asked the run to stop (SIGTERM); its state is saved.

    As an exit and not an error, it is not mistaken for one on its way up; where nobody catches it, a program ends with
    the exit code 75 (``PREEMPTED``).
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = PREEMPTED


class StopRequest:
    """Notes SIGTERM and Ctrl-C, so that a run can stop between two steps. A second Ctrl-C stops at once.

    After :meth:`release`, because there is nothing to save, both stop at once.

    With several workers all must stop at the same step, or the others would wait for ever: they agree through a side
    channel of the hosts, which waits for no GPU.
    """

    def __init__(self) -> None:
        self.received, self.asked, self._held = 0, 0, True  # asked: any worker, as last agreed
        self._before: dict[int, Any] = {}
        several = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
        self._group: Any = dist.new_group(backend="gloo") if several else None

    def __enter__(self) -> StopRequest:
        self.hold()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        self._restore()
        if isinstance(error, PreemptedError):  # Python prints nothing of an exit with a code
            print(error, file=sys.stderr)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        again = self.received == signal.SIGINT == number
        self.received = number
        if again or not self._held:
            self._stop()

    def _stop(self) -> None:
        if self.received == signal.SIGINT:
            raise KeyboardInterrupt
        raise PreemptedError("asked to stop; what was saved is whole: resume the run")

    def hold(self) -> None:
        """From here on signals wait for :meth:`agreed`."""
        self._held = True
        if not self._before and threading.current_thread() is threading.main_thread():  # elsewhere it is not allowed
            self._before = {n: signal.signal(n, self._note) for n in (signal.SIGTERM, signal.SIGINT)}

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
        if self.asked == signal.SIGTERM:
            raise PreemptedError(message)
        raise KeyboardInterrupt

    def agreed(self) -> int:
        """The signal that any worker has received, or 0; the same answer for all."""
        self.asked = self.received
        if self._group is not None:
            number = torch.tensor(self.received)
            dist.all_reduce(number, op=dist.ReduceOp.MAX, group=self._group)
            self.asked = int(number)
        return self.asked
