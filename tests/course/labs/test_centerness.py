"""Lab 3, second part: its answers are the package's center-ness and its loss."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from fcos_edu.centerness import centerness
from fcos_edu.course import find
from fcos_edu.course.question import Draw


def test_center_ness_is_the_packages_and_its_loss_the_mean_over_positives() -> None:
    draw = Draw("center")
    ltrb = draw.distances(3, 4)
    assert find("centerness").answer is centerness
    assert torch.equal(find("centerness").answer(ltrb), centerness(ltrb))
    labels, logits = torch.tensor([2, -1, 0, -1]), draw.normal(4)
    rows = ltrb[0] * (labels >= 0)[:, None]
    keep = labels >= 0
    due = F.binary_cross_entropy_with_logits(logits[keep], centerness(rows[keep]))
    assert torch.isclose(find("centerness_loss").answer(logits, rows, labels), due)
    assert find("centerness_loss").answer(logits, rows * 0, labels * 0 - 1) == 0
