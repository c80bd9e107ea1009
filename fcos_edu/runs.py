"""The folder of a run: configuration, log and checkpoints that survive a machine that dies at any moment.

Taught in the chapter *Training*. Checked against: runs killed at random moments, in the middle of a write among them.

A checkpoint is one file. It is written beside its place, flushed and renamed, so it is there as a whole or not at
all. Not Accelerate's ``save_state``: that writes several files, which a kill can part, and reads some by pickle.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sys
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from types import FrameType
from typing import Any, TextIO

import torch
import torch.distributed as dist

from .config import ConfigError
from .recipes import TrainConfig, differences
from .weights import atomic_write

PREEMPTED = 75  # exit code after SIGTERM, sysexits' "temporary failure, try again"


class PreemptedError(SystemExit):
    """The system asked the run to stop (SIGTERM); its state is saved.

    As an exit and not an error, it is not mistaken for one on its way up; where nobody catches it, a program ends with
    the exit code 75 (``PREEMPTED``).
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = PREEMPTED


class Run:
    """A run's folder.

    ====================== =============================================================
    ``config.json``        everything that decides the run
    ``log.jsonl``          losses, rate and times, one line every ``log_every`` steps
    ``checkpoints/``       ``step-N.pt``: all that is needed to go on after N steps
    ``model.safetensors``  the model as last saved, for ``FCOS.load``
    ``curves.png``         the losses as a picture
    ``metrics.json``       the figures of the end
    ====================== =============================================================

    Nothing in it names its place: it can be moved.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.config, self.log = self.folder / "config.json", self.folder / "log.jsonl"
        self.model, self.metrics = self.folder / "model.safetensors", self.folder / "metrics.json"
        self.curves, self.checkpoints = self.folder / "curves.png", self.folder / "checkpoints"

    def check(self, config: TrainConfig, *, resume: bool, allow_changes: bool) -> None:
        """Refuse what would spoil a run that is there.

        Raises:
            FileExistsError: there is one, and it is not to be resumed.
            ConfigError: it has another configuration, unless that is allowed; the fields are named. Or it has other
                classes.
        """
        if not self.config.exists():
            return
        if not resume:
            raise FileExistsError(
                f"{self.folder} holds a run already: resume it (--resume), choose another folder, or delete that one"
            )
        before = json.loads(self.config.read_text("utf-8"))
        classes, now = before["model"]["class_names"], list(config.model.class_names)
        if classes and now and classes != now:
            raise ConfigError(
                f"{self.folder} holds a run with the classes {', '.join(classes)}, but the data has {', '.join(now)}. "
                f"A new run can begin with its weights, class by class: --from {self.model}"
            )
        changed = differences(before, config.to_dict())
        if changed and not allow_changes:
            raise ConfigError(
                f"{self.folder} holds a run with another configuration: {'; '.join(changed)}. Resume it as it was, "
                "choose another folder, or allow the change (--allow-changes)"
            )

    def open(self, config: TrainConfig, step: int) -> TextIO:
        """Write ``config.json``, drop what a killed process left half-written, and continue the log after ``step``."""
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        for part in [*self.folder.glob(".*.part"), *self.checkpoints.glob(".*.part")]:
            part.unlink()
        atomic_write(self.config, lambda path: path.write_text(json.dumps(config.to_dict(), indent=1)))
        if self.log.exists():
            entries = self.log.read_text("utf-8").splitlines()
            kept = "".join(line + "\n" for line in entries if _whole(line) and json.loads(line)["step"] <= step)
            atomic_write(self.log, lambda path: path.write_text(kept))
        return open(self.log, "a", encoding="utf-8")

    def steps(self) -> list[int]:
        """The steps that there are checkpoints of, oldest first."""
        found = (re.fullmatch(r"step-(\d+)\.pt", path.name) for path in self.checkpoints.glob("step-*.pt"))
        return sorted(int(match[1]) for match in found if match)

    def path(self, step: int) -> Path:
        """The checkpoint after that many steps."""
        return self.checkpoints / f"step-{step:07d}.pt"

    def save(self, state: Mapping[str, Any], *, keep: int) -> None:
        """Write the checkpoint of ``state["step"]``; then delete all but the newest ``keep``.

        There are later ones only if they were damaged when the run went on; they go too.
        """

        def write(path: Path) -> None:
            with open(path, "wb") as file:  # given a name, torch reports a full disk as a RuntimeError
                torch.save(dict(state), file)

        atomic_write(self.path(state["step"]), write)
        until = [step for step in self.steps() if step <= state["step"]]
        for step in set(self.steps()) - set(until[-keep:]):
            self.path(step).unlink()

    def newest(self) -> dict[str, Any] | None:
        """The newest checkpoint that can be read, on the CPU; None where there is none.

        One that a failing disk has damaged is passed over with a warning.
        """
        for step in reversed(self.steps()):
            try:
                state: dict[str, Any] = torch.load(self.path(step), map_location="cpu", weights_only=True)
                return state
            except (RuntimeError, EOFError, OSError, UnpicklingError) as error:
                warnings.warn(f"{self.path(step)} cannot be read ({error}): going on from an older one", stacklevel=2)
        return None

    def draw_curves(self) -> None:
        """The log as a picture beside it."""
        if self.log.stat().st_size:
            from .figures import training_curves  # matplotlib only where a picture is drawn

            training_curves(self.log).savefig(self.curves, dpi=120)


def _whole(line: str) -> bool:
    """Whether a line of the log is whole: the last one may be cut off."""
    try:
        return isinstance(json.loads(line), dict)
    except json.JSONDecodeError:
        return False


def flush(file: TextIO) -> None:
    """To the disk, not only to the system: before a checkpoint that relies on it."""
    file.flush()
    os.fsync(file.fileno())


def random_states() -> dict[str, Any]:
    """The states of Python's and torch's generators, in plain values that load without pickle's dangers."""
    states: dict[str, Any] = {"python": random.getstate(), "torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def set_random_states(states: Mapping[str, Any]) -> None:
    """The inverse of :func:`random_states`."""
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    torch.set_rng_state(states["torch"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


class StopRequest:
    """Notes SIGTERM and Ctrl-C, so that a run can stop between two steps. A second Ctrl-C stops at once.

    After :meth:`release`, because there is nothing to save, both stop at once.

    With several workers all must stop at the same step, or the others would wait for ever: they agree through a side
    channel of the hosts, which waits for no GPU.
    """

    def __init__(self) -> None:
        self.received, self._held = 0, True
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

    def agreed(self) -> int:
        """The signal that any worker has received, or 0; the same answer for all."""
        if self._group is None:
            return self.received
        number = torch.tensor(self.received)
        dist.all_reduce(number, op=dist.ReduceOp.MAX, group=self._group)
        return int(number)
