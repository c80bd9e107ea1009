"""The folder of a run: configuration, log and checkpoints that survive a machine that dies at any moment.

Taught in the chapter *Training*. Checked against: runs killed at random moments, in the middle of a write among them.

A checkpoint is one file. It is written beside its place, flushed and renamed, so it is there as a whole or not at
all. Not Accelerate's ``save_state``: that writes several files, which a kill can part, and reads some by pickle.
"""

from __future__ import annotations

import errno
import json
import os
import random
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import torch
from filelock import FileLock, Timeout

from ..atomic import atomic_write, system_error, write_json
from ..integrity import CheckpointError, check_seal, read_header, seal, strict_json
from ..places import expanded
from ..settings import ConfigError
from ..text import counted, read_bytes
from .config import TrainConfig, differences
from .workers import exhausted

_LOCK = ".lock"
_NO_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK}
_STEP = re.compile(r"step-(\d+)\.pt")
_OF_STEP = re.compile(r"step-\d+\.(pt|jpg)")
_PATIENCE = 6.0  # seconds for a lock: processes that load images outlive a killed run by 5 at most


class Run:
    """A run's folder.

    ====================== =============================================================
    ``config.json``        everything that decides the run
    ``log.jsonl``          losses, rate and times, one line every ``log_every`` steps
    ``checkpoints/``       ``step-N.pt``: all that is needed to go on after N steps
    ``model.safetensors``  the model as last saved, for ``FCOS.load``
    ``curves.png``         the losses as a picture
    ``measured.json``      what was measured on the way
    ``best.safetensors``   the model as it was where it measured best
    ``pictures/``          the same few images at each measurement: the true boxes, and what was found
    ``metrics.json``       the figures of the end
    ``.lock``              held by the process that trains here
    ====================== =============================================================

    Nothing in it names its place: it can be moved.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = expanded(folder)
        self.config, self.log = self.folder / "config.json", self.folder / "log.jsonl"
        self.model, self.metrics = self.folder / "model.safetensors", self.folder / "metrics.json"
        self.curves, self.checkpoints = self.folder / "curves.png", self.folder / "checkpoints"
        self.measured, self.best = self.folder / "measured.json", self.folder / "best.safetensors"
        self.pictures = self.folder / "pictures"
        self._lock: FileLock | None = None

    def lock(self) -> None:
        """Keep other runs out until :meth:`unlock`, or until this process is gone, however it ends.

        The system holds the lock (``flock``, or a range of bytes on Windows), and lets it go with the process: a
        killed run leaves none behind. The file ``.lock`` stays and means nothing. Where a file system has no locks, a
        warning says so.

        Raises:
            FileExistsError: the folder has files and is no run's, so nothing is made in it.
            BlockingIOError: another process trains here.
            OSError: no permission, a full disk.
        """
        self._refuse_others_folder()
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / _LOCK)
        try:
            lock.acquire(timeout=_PATIENCE, poll_interval=0.05)
        except Timeout:
            raise BlockingIOError(
                f"another process trains in {self.folder}: wait for its end, or choose another folder (--out)"
            ) from None
        except (NotImplementedError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
                raise
            warnings.warn(f"{self.folder} is on a file system without locks: start no second run in it", stacklevel=2)
            return
        self._lock = lock

    def unlock(self) -> None:
        """Let others in; does nothing where there is no lock."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _refuse_others_folder(self) -> None:
        """A folder of the user's is left alone, whatever lies in it; a new and an empty one may become a run's."""
        if self.folder.exists() and not self.folder.is_dir():
            raise NotADirectoryError(f"{self.folder} is a file; a run needs a folder of its own (--out)")
        entries = _names_in(self.folder)
        if self.config.name in entries:
            return
        theirs = sorted(name for name in entries if name not in (_LOCK, ".DS_Store") and not self._is_part(name))
        if theirs == [self.checkpoints.name] and not _names_in(self.checkpoints):
            return  # of a run that was killed at its very beginning
        if theirs:
            more = f" and {len(theirs) - 1} more" if len(theirs) > 1 else ""
            raise FileExistsError(
                f"{self.folder} has files in it ({theirs[0]}{more}) and holds no run: choose a new or an empty folder "
                "(--out)"
            )

    def _is_part(self, name: str) -> bool:
        """Whether a file is what a killed process has left of one of ours."""
        ours = (self.config, self.log, self.model, self.metrics, self.curves, self.measured, self.best)
        found = re.fullmatch(r"\.(.+)\.\w+\.part", name)
        return found is not None and (found[1] in {p.name for p in ours} or bool(_OF_STEP.fullmatch(found[1])))

    def read_config(self) -> dict[str, Any] | None:
        """The configuration of the run, as a dict (``TrainConfig.to_dict``); None where there is none.

        Raises:
            ConfigError: ``config.json`` is another program's, or damaged.
            OSError: it cannot be read.
        """
        try:
            values = strict_json(read_bytes(self.config))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError as error:
            raise ConfigError(f"{self.config} is damaged, or no configuration of a run ({error})") from error
        model = values.get("model") if isinstance(values, dict) else None
        names = model.get("class_names", []) if isinstance(model, dict) else None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or "seed" not in values:
            raise ConfigError(
                f"{self.config} is no configuration of a run, but another program's: choose another folder"
            )
        return dict(values)

    def check(self, config: TrainConfig, *, resume: bool, allow_changes: bool) -> None:
        """Refuse what would spoil a run that is there.

        Raises:
            FileExistsError: there is one, and it is not to be resumed; or the folder has files and holds no run.
            ConfigError: it has another configuration, unless that is allowed; the fields are named. Or it has other
                classes. Or ``config.json`` is no run's.
        """
        self._refuse_others_folder()
        before = self.read_config()
        if before is None:
            return
        if not resume:
            raise FileExistsError(
                f"{self.folder} holds a run already: resume it (--resume), choose another folder, or delete that one"
            )
        classes, now = before["model"].get("class_names", []), list(config.model.class_names)
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

    def check_data(self, saved: Mapping[str, Any], now: Mapping[str, Any], *, allow_changes: bool) -> None:
        """Refuse to go on with other data than a checkpoint's: not the run that was begun, whatever its configuration.

        Args:
            saved: the checkpoint; one of an older version does not say which data it saw.
            now: ``summary()`` of the training set.
            allow_changes: go on all the same.

        Raises:
            ConfigError: numbers of images and boxes are named.
        """
        before = saved.get("data") or now
        if before["digest"] == now["digest"] or allow_changes:
            return
        counts = [name for name in ("images", "boxes") if name in before and name in now]
        was, there = (" with ".join(counted(one[name], name) for name in counts) for one in (before, now))
        change = f"it was {was}, and is {there}"
        if was == there:
            change = f"names, sizes, boxes or labels of its {counted(now['images'], 'images')} are others"
        raise ConfigError(
            f"the data of the run in {self.folder} have changed: {change}. Put them back, begin another run in another "
            f"folder, maybe with its weights (--from {self.model}), or allow the change (--allow-changes)"
        )

    def open(self, config: TrainConfig, step: int) -> TextIO:
        """Write ``config.json``, drop what a killed process left half-written, and continue the log after ``step``.

        Raises:
            ConfigError: the log has lines of another program; nothing is changed then.
        """
        entries = [entry for entry in self.logged() if entry["step"] <= step]
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.config, config.to_dict())
        self.checkpoints.mkdir(exist_ok=True)
        for folder in (self.folder, self.checkpoints, self.pictures):
            for name in filter(self._is_part, _names_in(folder)):
                (folder / name).unlink()
        if self.log.exists():
            kept = "".join(json.dumps(entry) + "\n" for entry in entries)
            atomic_write(self.log, lambda path: path.write_text(kept, "utf-8"))
        return open(self.log, "a", encoding="utf-8")

    def logged(self) -> list[dict[str, Any]]:
        """The lines of the log, without those that a dying machine has not written whole.

        Raises:
            ConfigError: a line is whole and not of a run.
        """
        try:
            lines = read_bytes(self.log).splitlines()
        except FileNotFoundError:
            return []
        entries = []
        for number, line in enumerate(lines, start=1):
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            step = entry.get("step") if isinstance(entry, dict) else None
            whole = step.is_integer() if isinstance(step, float) else type(step) is int
            if not whole:
                raise ConfigError(
                    f"line {number} of {self.log} is not of a run's log: {line[:60].decode('utf-8', 'replace')}"
                )
            entries.append(entry)
        return entries

    def measurements(self) -> list[dict[str, Any]]:
        """What was measured on the way, each with its ``step`` and ``AP``, oldest first.

        Raises:
            ConfigError: ``measured.json`` is another program's, or damaged.
        """
        try:
            entries = strict_json(read_bytes(self.measured))
            good = [type(entry["step"]) is int and isinstance(entry["AP"], float | None) for entry in entries]
        except FileNotFoundError:
            return []
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"{self.measured} is damaged, or holds no measurements of a run ({error})") from error
        if not all(good):
            raise ConfigError(f"{self.measured} holds no measurements of a run, but another program's values")
        return list(entries)

    def write_measurements(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Write ``measured.json``."""
        write_json(self.measured, list(entries))

    def step_of_best(self) -> int | None:
        """The step of the weights in ``best.safetensors``; None where there are none, or they are damaged."""
        try:
            step = strict_json(read_header(self.best).metadata["about"])["step"]
        except (FileNotFoundError, KeyError, TypeError, ValueError):
            return None
        return step if type(step) is int else None

    def picture(self, step: int) -> Path:
        """The detections after that many steps."""
        return self.pictures / f"step-{step:07d}.jpg"

    def steps(self) -> list[int]:
        """The steps that there are checkpoints of, oldest first.

        Raises:
            OSError: the folder is there and cannot be read, which does not mean that it is empty.
        """
        found = (_STEP.fullmatch(name) for name in _names_in(self.checkpoints))
        return sorted(int(match[1]) for match in found if match)

    def path(self, step: int) -> Path:
        """The checkpoint after that many steps."""
        return self.checkpoints / f"step-{step:07d}.pt"

    def require(self) -> None:
        """Refuse to write where the run is no more: parts of it would lie in two places.

        Raises:
            FileNotFoundError: the folder is gone, or was moved.
        """
        if not self.config.exists():
            raise FileNotFoundError(
                f"{self.folder} is gone or was moved, and the run ends here: resume it where it is, or begin it again"
            )

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
        """The newest checkpoint that is whole, on the CPU; None where there is none at all.

        One that a failing disk has damaged is passed over with a warning. What only cannot be read now is not damage.

        Raises:
            CheckpointError: there are checkpoints, or there have been, and none can be used. To begin again would
                write over what is left of the run.
            OSError, MemoryError, RuntimeError: no permission, a failing disk, too little memory.
        """
        steps = self.steps()
        for step in reversed(steps):
            try:
                return self._read(step)
            except CheckpointError as error:
                damage = str(error)
                if step != steps[0]:
                    warnings.warn(
                        f"{self.path(step)} cannot be used ({error}): going on from an older one", stacklevel=2
                    )
        if steps:
            raise CheckpointError(
                f"none of the checkpoints in {self.checkpoints} can be used ({damage}). Nothing was changed: copy "
                f"whole ones there, or begin another run in another folder, maybe with its weights: --from {self.model}"
            )
        reached = max((int(entry["step"]) for entry in self.logged()), default=0)
        if reached > (self.read_config() or {}).get("save_every", reached):
            raise CheckpointError(
                f"the log of {self.folder} goes to step {reached}, but its checkpoints are gone. Nothing was changed: "
                f"put them back, or begin another run in another folder, maybe with its weights: --from {self.model}"
            )
        return None

    def _read(self, step: int) -> dict[str, Any]:
        """The checkpoint of a step; a CheckpointError where it is damaged, or was never one of ours."""
        path = self.path(step)
        check_seal(path)
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # of a file that is none of ours torch raises whatever comes
            if isinstance(error, OSError | MemoryError) or exhausted(error) or system_error(error):
                raise
            raise CheckpointError(f"{path} is no checkpoint of a run ({' '.join(str(error).split()[:30])})") from error
        if not isinstance(state, dict) or state.get("step") != step:
            raise CheckpointError(f"{path} is no checkpoint of step {step}")
        return state

    def draw_curves(self) -> None:
        """The log as a picture beside it. Where it cannot be drawn, a warning says why: the run is whole without it."""
        try:
            if not self.log.stat().st_size:
                return
            from ..figures import training_curves  # matplotlib only where a picture is drawn

            figure = training_curves(self.log)
            atomic_write(self.curves, lambda path: figure.savefig(path, dpi=120, format="png"))
        except Exception as error:  # matplotlib's own, and of its backends and fonts
            warnings.warn(f"the curves of {self.folder} could not be drawn ({error})", stacklevel=2)


def _names_in(folder: Path) -> list[str]:
    """What lies in a folder; nothing where there is none. Unlike ``glob`` it raises where a folder cannot be read."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


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
