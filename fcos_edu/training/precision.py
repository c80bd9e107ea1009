"""Which number format the network runs in: bf16 where the hardware computes in it.

Taught in the chapter *Training*. Checked against: what the machine says of itself.

Locations, targets, decoding and losses are in float32 whatever is picked here: bf16 steps by 8 pixels above 1024.
"""

from __future__ import annotations

import torch

from ..compat import cpu_has_bf16


def pick_precision(wanted: str, device: str | None = None) -> str:
    """What Accelerate is told: bf16 where the hardware computes in it, fp16 on older GPUs, otherwise float32.

    Args:
        wanted: ``"auto"``, or what is then returned.
        device: ``"cpu"`` or ``"cuda"``; None for the GPU if there is one.
    """
    if wanted != "auto":
        return wanted
    if device == "cuda" or (device is None and torch.cuda.is_available()):
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if cpu_has_bf16() else "no"
