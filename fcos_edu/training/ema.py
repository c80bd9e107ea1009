"""Exponential moving average of a model's weights, which is often better than the last weights themselves.

Taught in the chapter *Training*. Checked against: hand-computed averages.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ..compat import lerp_all


class WeightAverage:
    """Exponential moving average of a model's weights and statistics, in ``module``.

    The memory is shorter in the first steps, so that the random start is soon forgotten. Not torch's ``AveragedModel``:
    with a decay that depends on the step it reads its counter back from the device for each tensor.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(model)
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights after one more step; the first are taken as they are."""
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps)) if self.steps else 0.0
        pairs = list(zip(self.module.state_dict().values(), model.state_dict().values(), strict=True))
        averages, current = zip(*((a, c) for a, c in pairs if a.is_floating_point()), strict=True)
        lerp_all(averages, current, 1 - keep)
        for average, counter in pairs:  # counters of batch norm
            if not average.is_floating_point():
                average.copy_(counter)
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        """The average and its number of steps."""
        return {"model": self.module.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of :meth:`state_dict`."""
        self.module.load_state_dict(state["model"])
        self.steps = state["steps"]
