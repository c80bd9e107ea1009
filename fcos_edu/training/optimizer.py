"""Section 4's optimizer and learning rate: SGD with momentum in steps, and what small recipes take instead.

Taught in the chapter *Training*. Checked against: the paper's schedule, torch's own SGD, and first steps that overflow.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from .config import TrainConfig


def learning_rate(step: int, config: TrainConfig) -> float:
    """The factor on ``config.learning_rate`` in step 0, 1, ...: linear warm-up, then steps or a cosine."""
    warm = 1.0
    if step < config.warmup_iterations:
        progress = step / config.warmup_iterations
        warm = config.warmup_factor * (1 - progress) + progress
    if config.schedule == "cosine":
        return warm * 0.5 * (1 + math.cos(math.pi * step / config.iterations))
    return warm * 0.1 ** sum(step >= config.iterations * share for share in (2 / 3, 8 / 9))


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """SGD or AdamW over the parameters that are not frozen; biases have ``bias_lr_factor`` and no decay."""
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    rate = config.learning_rate
    groups = [
        {"params": [p for n, p in named if not n.endswith("bias")], "weight_decay": config.weight_decay},
        {
            "params": [p for n, p in named if n.endswith("bias")],
            "weight_decay": 0.0,
            "lr": rate * config.bias_lr_factor,
        },
    ]
    fused = named[0][1].is_cuda  # one kernel for all weights; without, a step under fp16 waits for the GPU
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=rate, fused=fused)
    optimizer = torch.optim.SGD(groups, lr=rate, momentum=config.momentum, fused=fused)
    if config.momentum:
        # As torch makes it in the first step; but if that step is left out, as fp16 does when a gradient overflows,
        # the fused kernel would go on with whatever was in memory.
        for _, p in named:
            optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p)
    return optimizer
