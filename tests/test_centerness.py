"""Eq. 3: hand-computed values and properties."""

from __future__ import annotations

import math

import pytest
import torch
from torchvision.models.detection.fcos import FCOSHead

from fcos_edu.centerness import centerness


@pytest.mark.parametrize(
    ("ltrb", "want"),
    [
        ((10, 10, 10, 10), 1.0),  # the centre
        ((1, 1, 4, 1), 0.5),  # sqrt(1/4 x 1)
        ((2, 9, 8, 1), 1 / 6),  # sqrt(2/8 x 1/9) = sqrt(1/36)
        ((30, 20, 60, 80), math.sqrt(0.5 * 0.25)),
        ((0, 5, 7, 5), 0.0),  # on the left side
        ((3, 4, 3, 0), 0.0),  # on the bottom side
        ((0, 0, 0, 0), 0.0),  # background
    ],
)
def test_values_by_hand(ltrb: tuple[float, ...], want: float) -> None:
    assert centerness(torch.tensor(ltrb, dtype=torch.float32)).item() == pytest.approx(want, abs=1e-7)


def test_shape_and_range() -> None:
    torch.manual_seed(0)
    value = centerness(torch.rand(2, 7, 4) * 1000)
    assert value.shape == (2, 7)
    assert (value >= 0).all() and (value <= 1).all()


def test_it_knows_no_unit_and_no_side() -> None:
    torch.manual_seed(0)
    x = torch.rand(100, 4) * 100 + 1e-3
    want = centerness(x)
    torch.testing.assert_close(centerness(x * 8), want)  # pixels or strides
    assert torch.equal(centerness(x[:, [2, 1, 0, 3]]), want)  # mirrored
    assert torch.equal(centerness(x[:, [0, 3, 2, 1]]), want)
    torch.testing.assert_close(centerness(x[:, [1, 0, 3, 2]]), want)  # x and y changed


def test_it_falls_from_the_centre_to_the_border() -> None:
    left = torch.linspace(0, 50, 26)
    row = torch.stack([left, torch.full_like(left, 20), 100 - left, torch.full_like(left, 20)], dim=-1)
    value = centerness(row)
    assert (value.diff() > 0).all()
    assert (value[0], value[-1]) == (0, 1)


def test_tiny_and_huge_distances_are_finite() -> None:
    tiny = torch.finfo(torch.float32).tiny
    for values in ([tiny, tiny, tiny, tiny], [1e-30, 1e30, 1e30, 1e-30], [1e30] * 4):
        assert torch.isfinite(centerness(torch.tensor(values)))
    assert centerness(torch.full((4,), 1e30)).item() == 1


def test_torchvision_has_the_same_targets() -> None:
    # torchvision computes Eq. 3 inside its loss. A logit z costs softplus(z) - z t: the slope at 0 is 1/2 - t.
    torch.manual_seed(0)
    head = FCOSHead(32, 1, 2, num_convs=1)
    anchors = torch.tensor([[[60.0, 60, 68, 68]]])  # its centre is (64, 64), its size 8
    for box in torch.rand(20, 4) * torch.tensor([60.0, 60, 100, 100]) + torch.tensor([0.0, 0, 70, 70]):
        targets = [{"boxes": box[None], "labels": torch.tensor([1])}]
        logit = torch.zeros(1, 1, 1, requires_grad=True)
        outputs = {
            "cls_logits": torch.zeros(1, 1, 2),
            "bbox_regression": torch.ones(1, 1, 4),
            "bbox_ctrness": logit,
        }
        loss = head.compute_loss(targets, outputs, [anchors[0]], [torch.tensor([0])])["bbox_ctrness"]
        (slope,) = torch.autograd.grad(loss, logit)
        theirs = 0.5 - slope.squeeze()
        ours = centerness(torch.cat([64 - box[:2], box[2:] - 64]))
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
