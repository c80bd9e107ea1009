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
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TextIO

import torch

from ..atomic import atomic_write
from ..integrity import CheckpointError, check_seal, seal
from ..settings import ConfigError
from .config import TrainConfig, differences


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
            seal(path)  # torch compares no checksums when it loads

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
                check_seal(self.path(step))
                state: dict[str, Any] = torch.load(self.path(step), map_location="cpu", weights_only=True)
                return state
            except (CheckpointError, RuntimeError, EOFError, OSError, UnpicklingError) as error:
                warnings.warn(f"{self.path(step)} cannot be read ({error}): going on from an older one", stacklevel=2)
        return None

    def draw_curves(self) -> None:
        """The log as a picture beside it."""
        if self.log.stat().st_size:
            from ..figures import training_curves  # matplotlib only where a picture is drawn

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
