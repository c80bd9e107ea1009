"""Eq. 2 and the center-ness term of section 3.3: from predictions and targets to three numbers.

Taught in the chapter *The loss*. Checked against: hand-computed values, torchvision's ``generalized_box_iou_loss`` and
the losses of its ``fcos_resnet50_fpn``.

Every sum runs over all locations with a mask: no boolean indexing, no ``.item()``. Shapes stay static, and a GPU is
never waited for. A batch without boxes gives zeros with zero gradients for the box and center-ness terms.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from .centerness import centerness
from .config import FCOSConfig
from .targets import Targets

_EPS = 1e-7  # as in torchvision's IoU losses


def iou_and_giou(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and GIoU of two boxes given by the distances from the same location.

    Because both boxes contain the location, the intersection needs no clamping: its width is
    min(l, l*) + min(r, r*) (UnitBox). The smallest enclosing box, for GIoU, takes the maxima instead.

    Args:
        pred, target: ``(..., 4)`` ltrb, not negative, same unit.

    Returns:
        IoU in 0..1 and GIoU in -1..1, ``(...)`` each.
    """
    low, high = torch.minimum(pred, target), torch.maximum(pred, target)
    intersection = _area(low)
    union = _area(pred) + _area(target) - intersection
    hull = _area(high)
    iou = intersection / (union + _EPS)
    return iou, iou - (hull - union) / (hull + _EPS)


def _area(ltrb: Tensor) -> Tensor:
    left, top, right, bottom = ltrb.unbind(-1)
    return (left + right) * (top + bottom)


def box_loss(pred: Tensor, target: Tensor, kind: str) -> Tensor:
    """L_reg of Eq. 2 for each location: -ln IoU (``"iou"``), 1 - IoU (``"linear_iou"``) or 1 - GIoU (``"giou"``).

    ``"smooth_l1"`` is our reading of Table 8's rows without the IoU loss, which the paper does not name: smooth L1 of
    the four distances, summed. It grows with the box, where a loss of IoU does not.

    Args:
        pred, target: ``(..., 4)`` ltrb, not negative, same unit.
    """
    if kind == "smooth_l1":
        return F.smooth_l1_loss(pred, target, reduction="none").sum(-1)
    iou, giou = iou_and_giou(pred, target)
    if kind == "iou":
        return -iou.clamp(min=_EPS).log()
    return 1 - (giou if kind == "giou" else iou)


def focal_loss(logits: Tensor, labels: Tensor, alpha: float, gamma: float) -> Tensor:
    """L_cls of Eq. 2, summed over all locations and classes: torchvision's sigmoid focal loss.

    Args:
        logits: ``(B, L, C)``.
        labels: ``(B, L)`` int64, -1 for background, which is no class.
    """
    classes = torch.arange(logits.shape[-1], device=logits.device)
    one_hot = (labels[..., None] == classes).to(logits.dtype)  # (B, L, C)
    return sigmoid_focal_loss(logits, one_hot, alpha=alpha, gamma=gamma, reduction="sum")


def fcos_losses(
    logits: Tensor,
    distances: Tensor,
    centerness_logits: Tensor | None,
    targets: Targets,
    config: FCOSConfig,
    num_positive: Tensor | None = None,
) -> dict[str, Tensor]:
    """Eq. 2's two terms and the center-ness term, each divided by N_pos.

    Args:
        logits: ``(B, L, C)`` float32.
        distances: ``(B, L, 4)`` predicted ltrb, in the unit of ``targets.ltrb``.
        centerness_logits: ``(B, L)``, or None without a branch.
        targets: of the same batch.
        num_positive: what to divide by where this batch is a part of a larger one; None counts this batch, over all
            workers.

    Returns:
        ``classification``, ``bbox_regression`` (times lambda) and, with a branch, ``centerness``: scalars.
    """
    positive = targets.labels >= 0  # (B, L); not the property, which torch.compile of torch 2.6 cannot follow
    if num_positive is None:
        num_positive = count_over_workers(positive.sum())
    # At background the target is an empty box. Its terms are masked out, and _EPS keeps their gradients finite.
    box = torch.where(positive, box_loss(distances, targets.ltrb, config.box_loss), 0.0).sum()
    losses = {
        "classification": focal_loss(logits, targets.labels, config.focal_alpha, config.focal_gamma) / num_positive,
        "bbox_regression": config.box_loss_weight * box / num_positive,
    }
    if centerness_logits is not None:
        bce = F.binary_cross_entropy_with_logits(centerness_logits, centerness(targets.ltrb), reduction="none")
        losses["centerness"] = torch.where(positive, bce, 0.0).sum() / num_positive
    return losses


def count_over_workers(num_positive: Tensor) -> Tensor:
    """N_pos of Eq. 2: the mean over all workers, at least 1, as a tensor (never waited for).

    The mean and not the sum, because distributed training averages gradients: sum / mean gives Eq. 2 over the joined
    batch.
    """
    count = num_positive.to(torch.float32)
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        dist.all_reduce(count)
        # At least one box over all workers together, or no division by zero when there is none at all.
        return count.clamp(min=1.0) / dist.get_world_size()
    return count.clamp(min=1.0)


def centerness_floor(targets: Targets, num_positive: Tensor | None = None) -> Tensor:
    """The lowest value that the center-ness loss can reach on these targets: the mean entropy of its soft targets.

    A center-ness loss that stays at 0.55 to 0.6 is healthy: this is why. Scalar, in nats; 0 without positives.

    Args:
        targets: of a batch.
        num_positive: what to divide by where this batch is a part of a larger one, as for :func:`fcos_losses`: the
            floors of all parts are added then.
    """
    value = centerness(targets.ltrb)
    entropy = torch.special.entr(value) + torch.special.entr(1 - value)
    positive = targets.labels >= 0  # not the property, which torch.compile of torch 2.6 cannot follow
    count = positive.sum().clamp(min=1) if num_positive is None else num_positive
    return torch.where(positive, entropy, 0.0).sum() / count
