"""Which number format the network runs in: bf16 where the hardware computes in it.

Taught in the chapter *Training*. Checked against: what the machine says of itself.

Locations, targets, decoding and losses are in float32 whatever is picked here: bf16 steps by 8 pixels above 1024.
"""

from __future__ import annotations

import torch

from ..compat import cpu_has_bf16
from ..devices import pick_device


def pick_precision(wanted: str, device: str | None = None) -> str:
    """What Accelerate is told: bf16 where the hardware computes in it, fp16 on older GPUs, otherwise float32.

    Args:
        wanted: ``"auto"``, or what is then returned.
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``; None for the one that :func:`~fcos_edu.devices.pick_device` picks.
    """
    if wanted != "auto":
        return wanted
    device = device or pick_device()
    if device == "mps":
        return "no"  # nobody has measured another one on a Mac
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if cpu_has_bf16() else "no"
