"""The device to compute on: a CUDA GPU, a Mac's (``mps``), or the CPU; and exact parts on a device without float64.

Taught in the chapter *On a GPU*. Checked against: a device that refuses float64, played by the CPU; the network's
losses, gradients and detections are the same there. No Mac has run it yet: *not measured*.

Level bounds, areas and NMS are compared in float64 (:func:`fcos_edu.targets.assign`,
:func:`fcos_edu.inference.class_wise_nms`), and a Mac's GPU has none. So :func:`exact` takes them to the CPU there, and
their results back. Everything else, the network with it, stays on the device. Imports nothing of the package.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import psutil
import torch
from torch import Tensor

DEVICES = ("cpu", "cuda", "mps")
WITHOUT_FLOAT64 = frozenset({"mps"})

P = ParamSpec("P")
R = TypeVar("R")


def available(device: str) -> bool:
    """Whether torch can compute on ``"cpu"``, ``"cuda"`` or ``"mps"`` here."""
    if device == "cuda":
        return torch.cuda.is_available()
    return device == "cpu" or (device == "mps" and torch.backends.mps.is_available())


def pick_device(wanted: str | None = None) -> str:
    """The device to compute on.

    Args:
        wanted: ``"cpu"``, ``"cuda"`` or ``"mps"``; None for the GPU if there is one, a Mac's included.

    Raises:
        ValueError: another name, or there is no such device here.
    """
    if wanted is None:
        return next(device for device in ("cuda", "mps", "cpu") if available(device))
    if wanted not in DEVICES:
        raise ValueError(f"device is {wanted!r}; it must be one of {', '.join(map(repr, DEVICES))}, or None")
    if not available(wanted):
        raise ValueError(f"device is {wanted!r}, but torch sees no GPU of that kind here; leave it out, or say 'cpu'")
    return wanted


@contextmanager
def one_thread() -> Iterator[None]:
    """torch computes on one thread of the CPU inside, and as before outside.

    For small tensors, whose threads would mostly wait for each other, and for runs side by side.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def device_name(device: str | torch.device | None = None) -> str:
    """A device in words, such as ``"Tesla T4"``, ``"the GPU of this Mac"`` or ``"the CPU"``.

    Args:
        device: None for the one that :func:`pick_device` picks.
    """
    kind = torch.device(pick_device() if device is None else device).type
    if kind == "cuda":
        return torch.cuda.get_device_name()
    return {"mps": "the GPU of this Mac", "cpu": "the CPU"}.get(kind, kind)


def device_memory(device: str | torch.device | None = None) -> float:
    """All the memory that a device has, in bytes; on a CPU and on a Mac that is the machine's.

    Args:
        device: None for the one that :func:`pick_device` picks.
    """
    if torch.device(pick_device() if device is None else device).type == "cuda":
        return float(torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory)
    return float(psutil.virtual_memory().total)


def free_memory(root: Path = Path("/sys/fs/cgroup")) -> float:
    """The memory of this machine that processes can still have, in bytes; in a container, what that is allowed.

    What the system says (psutil) is the whole machine's, also where a container has a limit of its own: that is in the
    files of Linux's control groups, version 2 or 1. Pages of files that nobody needs are given back, and count as free.

    Args:
        root: where the control groups are.
    """
    free = float(psutil.virtual_memory().available)
    for limit, used, unneeded in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            allowed, taken = (float((root / name).read_text("ascii")) for name in (limit, used))  # "max": no number
            told = (root / limit).with_name("memory.stat").read_text("ascii")
        except (OSError, ValueError):
            continue
        back = re.search(rf"^{unneeded} (\d+)$", told, re.MULTILINE)
        free = min(free, max(0.0, allowed - taken + (float(back[1]) if back else 0.0)))
    return free


def exact(compute: Callable[P, R]) -> Callable[P, R]:
    """A function that may use float64 wherever its tensors lie: on the CPU, if their device has none.

    On any other device nothing is moved, and nothing waits. ``compute`` takes tensors, or lists and tuples of them, all
    of one device; what it returns lies there too.
    """

    @functools.wraps(compute)
    def anywhere(*given: P.args, **named: P.kwargs) -> R:
        home = next((value.device for value in (*given, *named.values()) if isinstance(value, Tensor)), None)
        if home is None or home.type not in WITHOUT_FLOAT64:
            return compute(*given, **named)
        there = {name: sent(value, "cpu") for name, value in named.items()}
        return sent(compute(*sent(given, "cpu"), **there), home)  # type: ignore[no-any-return]

    return anywhere


def sent(value: Any, device: str | torch.device) -> Any:
    """A tensor on a device; the same for all tensors of a list, a tuple or a named tuple. Anything else as it is."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(sent(one, device) for one in value))
    if isinstance(value, (list, tuple)):
        return type(value)(sent(one, device) for one in value)
    return value
