"""Lab 3: its answers put together are Eq. 2 as the package has it."""

from __future__ import annotations

import torch

from fcos_edu import FCOSConfig
from fcos_edu.course import find
from fcos_edu.course.question import Draw
from fcos_edu.losses import fcos_losses
from fcos_edu.targets import Targets


def test_the_answers_together_are_the_packages_losses() -> None:
    draw = Draw("losses")
    labels = torch.tensor([2, -1, 0, 1, -1, 2])
    positive = labels >= 0
    ltrb = draw.distances(6) * positive[:, None]
    logits, center, predicted = draw.normal(6, 3), draw.normal(6), draw.distances(6)
    config = FCOSConfig.paper(num_classes=3)
    targets = Targets(labels[None], ltrb[None], labels[None])
    whole = fcos_losses(logits[None], predicted[None], center[None], targets, config)
    count = torch.tensor([4])
    focal = find("focal_loss").answer(logits, labels, config.focal_alpha, config.focal_gamma)
    boxes = find("iou_loss").answer(predicted[positive], ltrb[positive]).sum()
    normalize = find("normalize").answer
    assert torch.isclose(normalize(focal[None], count), whole["classification"])
    assert torch.isclose(normalize(boxes[None], count), whole["bbox_regression"])
    assert torch.isclose(find("centerness_loss").answer(center, ltrb, labels), whole["centerness"])
    assert torch.isclose(normalize(torch.stack([focal / 4, focal * 3 / 4]), torch.tensor([1, 3])), focal / 4)


def test_no_perfect_box_is_punished() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 20], [3, 4, 5, 6]])
    assert torch.allclose(find("giou").answer(boxes, boxes), torch.ones(2))
    assert (find("giou").answer(boxes, boxes + 100) < 0).all()
