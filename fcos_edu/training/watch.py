"""Losses on their way to the log, and the alarm when one is not finite.

Taught in the chapter *Training*. Checked against: hand-made losses, and two workers against one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor


class NonFiniteLossError(RuntimeError):
    """A loss became NaN or infinite; the message names the term, the step and its images."""


class Watch:
    """Sums of the loss terms since the last report, and the first step at which one was not finite.

    All on the device: nothing waits for it until :meth:`report`. Reports are of all workers together, so all must ask
    for them in the same step.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.sums: dict[str, Tensor] = {}
        self.bad: dict[str, Tensor] = {}  # of each term the first step at which it was not finite, or infinity
        self.images: dict[int, list[int]] = {}  # of the steps since the last report
        self.count = 0

    def add(self, losses: Mapping[str, Tensor], step: int, image_ids: Sequence[int] = ()) -> None:
        """Take in the losses of one step."""
        self.count += 1
        self.images[step] = list(image_ids)
        for name, loss in losses.items():
            loss = loss.detach().float()
            self.note(name, loss)
            bad = self.bad.get(name, torch.full_like(loss, math.inf))
            self.bad[name] = torch.where(loss.isfinite(), bad, bad.clamp(max=step))

    def note(self, name: str, value: Tensor) -> None:
        """Take in something else of the same step, to be averaged and printed beside the losses."""
        self.sums[name] = self.sums.get(name, torch.zeros_like(value)) + value

    def check(self) -> None:
        """Raise if a term was not finite since the last report.

        Raises:
            NonFiniteLossError: names the first such term, its step, and that step's images.
        """
        if not self.bad:
            return
        steps = self.accelerator.gather(torch.stack(list(self.bad.values()))[None]).amin(0).tolist()
        step, name = min(zip(steps, self.bad, strict=True))
        if not math.isfinite(step):
            return
        images = sorted(gather_object(self.images.get(int(step), [])))
        raise NonFiniteLossError(
            f"the {name} loss was not finite at step {int(step)} (image ids {', '.join(map(str, images))}). "
            "A checkpoint saved before it is kept. Lower lr, lengthen warmup_iterations, or lower clip_norm"
        )

    def report(self) -> dict[str, float]:
        """Means since the last report, over steps and workers.

        Raises:
            NonFiniteLossError: as :meth:`check`.
        """
        self.check()
        means = self.accelerator.reduce(torch.stack(list(self.sums.values())), "mean") / max(self.count, 1)
        named = dict(zip(self.sums, means.tolist(), strict=True))
        self.sums, self.bad, self.images, self.count = {}, {}, {}, 0
        return named

    def state_dict(self) -> dict[str, Any]:
        """What was taken in since the last report, as plain values."""
        return {"sums": {name: value.cpu() for name, value in self.sums.items()}, "count": self.count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of :meth:`state_dict`; only what was finite is ever saved."""
        device = self.accelerator.device
        self.sums = {name: value.to(device) for name, value in state["sums"].items()}
        self.count = state["count"]
