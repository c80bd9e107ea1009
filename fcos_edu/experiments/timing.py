"""How long the parts of a step take, on a CPU or a GPU, and what that is of a card's peak.

Used by :mod:`fcos_edu.experiments.bench`. Checked against: clocks and events that stand still unless the test moves
them.
"""

from __future__ import annotations

import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch

Step = Callable[[], Any]

# Dense peak of the tensor cores in 16 bit (bf16; fp16 on T4 and V100), in TFLOP/s, from the makers' data sheets. Whole
# names as the driver gives them: variants of a card, or a slice of one, have other peaks.
PEAKS = {
    r"T4": 65,
    r"V100-SXM\d-\d+GB": 125,
    r"A100(-SXM4-\d+GB|-PCIE-\d+GB| \d+GB PCIe)": 312,
    r"L4": 121,
    r"A10": 125,
    r"RTX 3090": 71,
    r"RTX 4090": 165,
    r"H100 80GB HBM3": 989,  # SXM
    r"H100 PCIe": 756,
    r"H200": 989,
}


def peak_tflops(card: str) -> int | None:
    """The dense 16-bit peak of a card by its driver's name for it, in TFLOP/s; None for an unknown one."""
    name = re.sub(r"^(NVIDIA |Tesla |GeForce )*", "", card)
    return next((peak for pattern, peak in PEAKS.items() if re.fullmatch(pattern, name)), None)


class Stopwatch:
    """Milliseconds of the parts of a step.

    The host runs ahead of a GPU, so there the marks are events that the GPU notes when it comes to them: only
    :meth:`read` waits.
    """

    def __init__(self, device: str) -> None:
        self.cuda = device == "cuda"
        self.marks: list[tuple[str, Any]] = []

    def start(self) -> None:
        """Forget all marks; the first part begins here."""
        self.marks = []
        self.mark("")

    def mark(self, part: str) -> None:
        """What has happened since the mark before was ``part``."""
        now: Any = torch.cuda.Event(enable_timing=True) if self.cuda else time.perf_counter()
        if self.cuda:
            now.record()
        self.marks.append((part, now))

    def mark_after(self, owner: Any, method: str, part: str) -> None:
        """Mark ``part`` whenever this method of this object returns."""
        original = getattr(owner, method)

        def marked(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            self.mark(part)
            return result

        setattr(owner, method, marked)

    def read(self) -> dict[str, float]:
        """The sum of each part since the start."""
        if self.cuda:
            torch.cuda.synchronize()
        sums: dict[str, float] = {}
        for (_, before), (part, after) in pairwise(self.marks):
            taken = before.elapsed_time(after) if self.cuda else 1000 * (after - before)
            sums[part] = sums.get(part, 0.0) + taken
        return sums


def alternate(sides: Sequence[Step], watch: Stopwatch, turns: int, last: str = "all") -> list[dict[str, float]]:
    """Median milliseconds of a step's parts and of its ``total``, for sides that take turns.

    An unmeasured turn of each comes first: there kernels are chosen and code is compiled.

    On a GPU a turn is ten steps, between which nothing waits, as in training; and ``memory`` is the most that
    they had allocated, in MB, beyond what lay there before (weights and momentum of both sides).

    Args:
        sides: each does one step, and may mark its parts.
        watch: the one that they mark on.
        turns: measured turns of each side.
        last: name of the part behind a step's own marks.
    """
    steps = 10 if watch.cuda else 1
    seen: list[dict[str, list[float]]] = [defaultdict(list) for _ in sides]
    for turn in range(turns + 1):
        for step, parts in zip(sides, seen, strict=True):
            if watch.cuda:
                torch.cuda.reset_peak_memory_stats()
                resting = torch.cuda.memory_allocated()
            watch.start()
            for _ in range(steps):
                step()
                watch.mark(last)
            taken = {part: milliseconds / steps for part, milliseconds in watch.read().items()}
            taken["total"] = sum(taken.values())
            if watch.cuda:
                taken["memory"] = (torch.cuda.max_memory_allocated() - resting) / 1e6
            for part in taken if turn else ():
                parts[part].append(taken[part])
    return [{part: statistics.median(values) for part, values in parts.items()} for parts in seen]


def compare(
    ours: Step, theirs: Step, watch: Stopwatch, turns: int, last: str = "all", images: int = 0, flops: float = 0.0
) -> dict[str, Any]:
    """Milliseconds of a step of both, and ours / torchvision's; of a step over ``images`` also what it went into.

    Args:
        ours, theirs, watch, turns, last: see :func:`alternate`.
        images: of a step; 0 for the times alone.
        flops: floating-point operations of a step, from which its share of the card's 16-bit peak follows: None where
            no peak is known for the card.
    """
    a, b = alternate((ours, theirs), watch, turns, last)
    row: dict[str, Any] = {"ours_ms": round(a["total"], 2), "torchvision_ms": round(b["total"], 2)}
    row["ratio"] = round(a["total"] / b["total"], 3)
    peak = peak_tflops(torch.cuda.get_device_name()) if watch.cuda else None
    for name, parts in (("ours", a), ("torchvision", b)) if images else ():
        total, memory = parts.pop("total"), parts.pop("memory", None)
        row[name] = {
            "images_per_second": round(1000 * images / total, 2),
            "parts_ms": {part: round(value, 2) for part, value in parts.items()},
            "peak_memory_mb": None if memory is None else round(memory),
            "share_of_peak": None if peak is None else round(flops / (total / 1e3) / (peak * 1e12), 4),
        }
    return row
