"""Section 3.3, Eq. 3: how central a location lies in its box.

Taught in the chapter *Center-ness*. Checked against: hand-computed values, and torchvision's center-ness targets.
"""

from __future__ import annotations

import torch
from torch import Tensor


def centerness(ltrb: Tensor) -> Tensor:
    """Eq. 3: sqrt( min(l, r)/max(l, r) * min(t, b)/max(t, b) ).

    Args:
        ltrb: ``(..., 4)`` distances to the left, top, right and bottom side, in pixels or strides (the unit cancels),
            not negative.

    Returns:
        ``(...)`` in 0..1: 1 at the centre of the box, 0 on its border. All-zero distances (background) give 0.
    """
    left, top, right, bottom = ltrb.unbind(-1)
    tiny = torch.finfo(ltrb.dtype).tiny  # keeps 0/0 of background locations at 0, changes nothing else
    horizontal = torch.minimum(left, right) / torch.maximum(left, right).clamp(min=tiny)
    vertical = torch.minimum(top, bottom) / torch.maximum(top, bottom).clamp(min=tiny)
    return (horizontal * vertical).sqrt()
