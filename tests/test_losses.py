"""Eq. 2 by hand, IoU and GIoU against torchvision, finite gradients everywhere, and no host synchronisation."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.nn import functional as F
from torchvision.ops import (
    box_iou,
    generalized_box_iou,
    generalized_box_iou_loss,
)

from fcos_edu import FCOS, FCOSConfig
from fcos_edu.centerness import centerness
from fcos_edu.locations import Grid
from fcos_edu.losses import (
    box_loss,
    centerness_floor,
    count_over_workers,
    fcos_losses,
    focal_loss,
    iou_and_giou,
)
from fcos_edu.targets import PaddedBoxes, Targets, ltrb, ltrb_to_boxes, make_targets, pad_boxes

KINDS = ("iou", "linear_iou", "giou", "smooth_l1")


def one_positive(label: int = 1, distances: tuple[float, ...] = (4.0, 4.0, 4.0, 4.0)) -> Targets:
    """Two locations of one image: the first has a box, the second is background."""
    return Targets(
        torch.tensor([[label, -1]]),
        torch.tensor([[distances, (0.0,) * 4]]),
        torch.tensor([[0, -1]]),
    )


# ------------------------------------------------------------------ by hand
def test_iou_and_giou_by_hand() -> None:
    pred = torch.tensor([2.0, 2, 2, 2])  # 4 x 4 around the location
    target = torch.tensor([1.0, 2, 3, 4])  # 4 x 6, one to the right
    # intersection (1 + 2)(2 + 2) = 12; union 16 + 24 - 12 = 28; hull (2 + 3)(2 + 4) = 30
    iou, giou = iou_and_giou(pred, target)
    assert iou.item() == pytest.approx(12 / 28, abs=1e-6)
    assert giou.item() == pytest.approx(12 / 28 - 2 / 30, abs=1e-6)
    assert box_loss(pred, target, "iou").item() == pytest.approx(math.log(28 / 12), abs=1e-6)
    assert box_loss(pred, target, "linear_iou").item() == pytest.approx(16 / 28, abs=1e-6)
    assert box_loss(pred, target, "giou").item() == pytest.approx(16 / 28 + 2 / 30, abs=1e-6)
    # Errors of 1, 0, 1 and 2: half the square up to 1, then the distance less a half.
    assert box_loss(pred, target, "smooth_l1").item() == pytest.approx(0.5 + 0 + 0.5 + 1.5)


def test_focal_loss_by_hand() -> None:
    # One location of class 0, one background; two classes. p = sigmoid(0) = 1/2 and sigmoid(ln 3) = 3/4.
    z = math.log(3)
    logits = torch.tensor([[[z, 0.0], [0.0, -z]]])
    want = (
        0.25 * (1 / 4) ** 2 * -math.log(3 / 4)  # the right class, p = 3/4
        + 0.75 * (1 / 2) ** 2 * -math.log(1 / 2)  # a wrong class, p = 1/2
        + 0.75 * (1 / 2) ** 2 * -math.log(1 / 2)  # background, p = 1/2
        + 0.75 * (1 / 4) ** 2 * -math.log(3 / 4)  # background, p = 1/4
    )
    got = focal_loss(logits, torch.tensor([[0, -1]]), alpha=0.25, gamma=2.0)
    assert got.item() == pytest.approx(want, rel=1e-6)


def test_focal_loss_from_cross_entropy() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(3, 40, 5) * 3, torch.randint(-1, 5, (3, 40))
    one_hot = torch.zeros(3, 40, 6).scatter(2, labels[..., None] % 6, 1.0)[..., :5]  # -1 goes to column 5, cut off
    probability = logits.sigmoid()
    right = one_hot * probability + (1 - one_hot) * (1 - probability)  # p_t
    weight = one_hot * 0.3 + (1 - one_hot) * 0.7
    bce = F.binary_cross_entropy(probability.double(), one_hot.double(), reduction="none")
    want = (weight * (1 - right) ** 1.5 * bce).sum()
    torch.testing.assert_close(focal_loss(logits, labels, 0.3, 1.5).double(), want, rtol=1e-4, atol=0)


def test_focal_loss_without_focus_is_cross_entropy() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 9, 3), torch.full((2, 9), -1)
    half = F.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits), reduction="sum") / 2
    torch.testing.assert_close(focal_loss(logits, labels, 0.5, 0.0), half)


@pytest.mark.parametrize("kind", KINDS)
def test_equation_2_by_hand(kind: str) -> None:
    config = FCOSConfig.paper(num_classes=2, box_loss=kind, box_loss_weight=2.0)
    logits = torch.zeros(1, 2, 2)
    distances = torch.tensor([[[2.0, 2, 2, 2], [9.0, 9, 9, 9]]])
    targets = one_positive(distances=(1.0, 2.0, 3.0, 4.0))
    losses = fcos_losses(logits, distances, torch.zeros(1, 2), targets, config)
    assert list(losses) == ["classification", "bbox_regression", "centerness"]
    # All p = 1/2: the one positive class-location costs alpha / 4 ln 2, the three negatives (1 - alpha) / 4 ln 2.
    assert losses["classification"].item() == pytest.approx((0.25 + 3 * 0.75) / 4 * math.log(2), rel=1e-6)
    box = {"iou": math.log(28 / 12), "linear_iou": 16 / 28, "giou": 16 / 28 + 2 / 30, "smooth_l1": 2.5}[kind]
    assert losses["bbox_regression"].item() == pytest.approx(2 * box, rel=1e-5)
    assert losses["centerness"].item() == pytest.approx(math.log(2), rel=1e-6)


def test_the_centerness_term_is_cross_entropy_with_equation_3() -> None:
    targets = one_positive(distances=(2.0, 9.0, 8.0, 1.0))  # center-ness 1/6
    logit = math.log(3)  # p = 3/4
    losses = fcos_losses(
        torch.zeros(1, 2, 1),
        torch.ones(1, 2, 4),
        torch.tensor([[logit, 50.0]]),  # the background's logit must not count
        targets._replace(labels=targets.labels.clamp(max=0)),
        FCOSConfig.paper(num_classes=1),
    )
    want = -(1 / 6) * math.log(3 / 4) - (5 / 6) * math.log(1 / 4)
    assert losses["centerness"].item() == pytest.approx(want, rel=1e-5)


def test_sums_are_divided_by_the_number_of_positives() -> None:
    config = FCOSConfig.paper(num_classes=2)
    torch.manual_seed(0)
    logits, distances, quality = torch.randn(1, 2, 2), torch.rand(1, 2, 4) * 9 + 1, torch.randn(1, 2)
    one = fcos_losses(logits, distances, quality, one_positive(), config)
    # The same image five times over: five times the sums, five times the positives.
    many = [t.repeat(5, *[1] * (t.dim() - 1)) for t in (logits, distances, quality)]
    targets = Targets(*[t.repeat(5, *[1] * (t.dim() - 1)) for t in one_positive()])
    five = fcos_losses(many[0], many[1], many[2], targets, config)
    for name, value in one.items():
        torch.testing.assert_close(five[name], value)
    # A batch of the image and one without boxes divides by the same N_pos, so only the classification grows.
    empty = Targets(torch.full((1, 2), -1), torch.zeros(1, 2, 4), torch.full((1, 2), -1))
    two = Targets(*[torch.cat(pair) for pair in zip(one_positive(), empty)])
    both = fcos_losses(*[t.repeat(2, *[1] * (t.dim() - 1)) for t in (logits, distances, quality)], two, config)
    for name in ("bbox_regression", "centerness"):
        torch.testing.assert_close(both[name], one[name])
    assert both["classification"] > one["classification"]


def test_no_branch_no_centerness_term() -> None:
    config = FCOSConfig.paper(num_classes=2, centerness_branch="none", centerness_inference="none")
    losses = fcos_losses(torch.zeros(1, 2, 2), torch.ones(1, 2, 4), None, one_positive(), config)
    assert list(losses) == ["classification", "bbox_regression"]


# ------------------------------------------------------------------ torchvision
def test_iou_and_giou_are_torchvisions() -> None:
    torch.manual_seed(0)
    points = torch.rand(500, 2) * 800
    pred, target = torch.rand(500, 4) * 300, torch.rand(500, 4) * 300
    iou, giou = iou_and_giou(pred, target)
    boxes, wanted = ltrb_to_boxes(points, pred), ltrb_to_boxes(points, target)
    torch.testing.assert_close(iou, box_iou(boxes, wanted).diag(), atol=1e-4, rtol=0)
    torch.testing.assert_close(giou, generalized_box_iou(boxes, wanted).diag(), atol=1e-4, rtol=0)
    loss = generalized_box_iou_loss(boxes, wanted)
    torch.testing.assert_close(box_loss(pred, target, "giou"), loss, atol=1e-4, rtol=0)


def test_equal_boxes_cost_nothing_and_the_unit_cancels() -> None:
    torch.manual_seed(0)
    pred, target = torch.rand(100, 4) * 90 + 1, torch.rand(100, 4) * 90 + 1
    for kind in KINDS:
        torch.testing.assert_close(box_loss(pred, pred, kind), torch.zeros(100), atol=1e-6, rtol=0)
        if kind != "smooth_l1":  # which is why it is no loss for boxes of all sizes
            torch.testing.assert_close(box_loss(pred * 8, target * 8, kind), box_loss(pred, target, kind))
        assert (box_loss(pred, target, kind) > 0).all()
    iou, giou = iou_and_giou(pred, target)
    assert (giou <= iou + 1e-6).all() and (giou >= -1).all() and (iou <= 1).all()


def test_the_loss_falls_towards_the_target() -> None:
    target = torch.tensor([10.0, 20, 30, 40])
    for kind in KINDS:
        steps = torch.linspace(0, 1, 21)[:, None]
        path = torch.tensor([40.0, 3, 5, 90]) * (1 - steps) + target * steps
        assert (box_loss(path, target.expand(21, 4), kind).diff() < 0).all()


# ------------------------------------------------------------------ always finite
RAW = {
    "zeros": lambda: torch.zeros(2, 2, 4),
    "normal": lambda: torch.randn(2, 2, 4, generator=torch.Generator().manual_seed(0)),
    "very negative": lambda: torch.full((2, 2, 4), -200.0),
    "very positive": lambda: torch.full((2, 2, 4), 200.0),
    "mixed": lambda: torch.tensor([-1e4, 1e4, 0.0, -1.0]).expand(2, 2, 4).clone(),
}


@pytest.mark.parametrize("raw", RAW)
@pytest.mark.parametrize("activation", ["exp_scaled", "exp", "relu"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("positives", [True, False])
def test_losses_and_gradients_are_finite(kind: str, activation: str, raw: str, positives: bool) -> None:
    config = FCOSConfig.tiny(num_classes=2, box_loss=kind, box_activation=activation, num_head_convs=0)
    head = FCOS(config).head
    x = RAW[raw]().requires_grad_()
    logits = torch.tensor([80.0, -80.0]).expand(2, 2, 2).clone().requires_grad_()
    quality = torch.tensor([-90.0, 90.0]).expand(2, 2).clone().requires_grad_()
    targets = Targets(*[t.repeat(2, *[1] * (t.dim() - 1)) for t in one_positive()])
    if not positives:
        targets = Targets(torch.full((2, 2), -1), torch.zeros(2, 2, 4), torch.full((2, 2), -1))
    losses = fcos_losses(logits, head._activate(x, 0), quality, targets, config)
    torch.stack(list(losses.values())).sum().backward()
    for name, value in losses.items():
        assert torch.isfinite(value), name
    for leaf in (x, logits, quality):
        assert leaf.grad is not None and torch.isfinite(leaf.grad).all()
    if not positives:
        assert losses["bbox_regression"] == losses["centerness"] == 0
        assert (x.grad == 0).all() and (quality.grad == 0).all()
        assert losses["classification"] > 0
    else:
        assert (x.grad[targets.labels < 0] == 0).all()  # background teaches no box


def test_n_pos_is_at_least_one() -> None:
    assert count_over_workers(torch.tensor(0)).item() == 1
    assert count_over_workers(torch.tensor(7)).item() == 7


# ------------------------------------------------------------------ the values that the paper's reader expects
@pytest.fixture(scope="module")
def step_zero() -> dict[str, float]:
    """The losses of an untrained network on noise with a dozen boxes of all sizes."""
    torch.manual_seed(0)
    model = FCOS(FCOSConfig.tiny(num_classes=80, min_size=256, max_size=256)).train()
    corner = torch.rand(12, 2) * 120
    boxes = torch.cat([corner, corner + torch.exp(torch.rand(12, 2) * 2.5 + 2.3)], dim=1)
    targets = [{"boxes": boxes.clamp(max=256), "labels": torch.randint(0, 80, (12,))}]
    losses = model([torch.rand(3, 256, 256)], targets)
    assert isinstance(losses, dict)
    return {name: value.item() for name, value in losses.items()}


def test_step_zero_lies_where_it_should(step_zero: dict[str, float]) -> None:
    # Of one positive: alpha (1 - p)^2 ln 100 = 1.128. The negatives add little, and the logits' spread moves it.
    assert 1.05 < step_zero["classification"] < 1.35
    assert step_zero["centerness"] == pytest.approx(math.log(2), abs=0.03)
    assert 0.7 < step_zero["bbox_regression"] < 1.1


def test_the_prior_costs_what_it_should() -> None:
    prior = -math.log(99)
    positive = focal_loss(torch.full((1, 1, 1), prior), torch.zeros(1, 1, dtype=torch.int64), 0.25, 2.0)
    negative = focal_loss(torch.full((1, 1, 1), prior), torch.full((1, 1), -1), 0.25, 2.0)
    assert positive.item() == pytest.approx(1.128, abs=5e-4)
    assert negative.item() == pytest.approx(7.5e-7, abs=0.1e-7)


def test_centerness_has_a_floor() -> None:
    # A fine grid over one box: the mean entropy of its center-ness.
    at = (torch.arange(400) + 0.5) / 400
    points = torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=-1).reshape(-1, 2)
    distances = ltrb(points, torch.tensor([[0.0, 0, 1, 1]]))[:, 0][None]  # (1, L, 4)
    labels = torch.zeros(1, len(points), dtype=torch.int64)
    targets = Targets(labels, distances, labels)
    floor = centerness_floor(targets).item()
    assert floor == pytest.approx(0.527, abs=5e-4)
    # It is the loss of a branch that predicts Eq. 3 exactly, and any other prediction costs more.
    best = torch.logit(centerness(distances))
    config = FCOSConfig.paper(num_classes=1)
    for shift, close in ((0.0, True), (0.5, False), (-0.5, False)):
        losses = fcos_losses(torch.zeros(1, len(points), 1), distances, best + shift, targets, config)
        value = losses["centerness"].item()
        assert (value == pytest.approx(floor, abs=1e-4)) if close else value > floor + 0.01


def test_the_floor_counts_positives_only() -> None:
    targets = one_positive(distances=(1.0, 1.0, 4.0, 1.0))  # center-ness 1/2: entropy ln 2
    assert centerness_floor(targets).item() == pytest.approx(math.log(2), rel=1e-6)
    empty = Targets(torch.full((1, 2), -1), torch.zeros(1, 2, 4), torch.full((1, 2), -1))
    assert centerness_floor(empty).item() == 0


# ------------------------------------------------------------------ no host synchronisation
def targets_and_losses(
    boxes: Tensor, labels: Tensor, valid: Tensor, outputs: list[Tensor], config: FCOSConfig
) -> dict[str, Tensor]:
    targets = make_targets(PaddedBoxes(boxes, labels, valid), Grid.of(128, 160, config), config)
    return fcos_losses(outputs[0], outputs[1], outputs[2], targets, config)


def inputs(config: FCOSConfig, count: int = 70) -> tuple[Any, ...]:
    torch.manual_seed(0)
    corner = torch.rand(count, 2) * 100
    boxes = torch.cat([corner, corner + torch.rand(count, 2) * 60 + 1], dim=1)
    one = {"boxes": boxes, "labels": torch.randint(0, config.num_classes, (count,))}
    padded = pad_boxes([one, {k: v[:3] for k, v in one.items()}], torch.device("cpu"))
    length = len(Grid.of(128, 160, config))
    outputs = [torch.randn(2, length, config.num_classes), torch.rand(2, length, 4) * 9, torch.randn(2, length)]
    return (*padded, [o.requires_grad_() for o in outputs], config)


def test_fake_tensors_would_notice_a_synchronisation() -> None:
    with FakeTensorMode(), pytest.raises(DataDependentOutputException):
        torch.ones(3).sum().item()


@pytest.mark.parametrize("preset", ["paper", "improved", "torchvision", "tiny"])
def test_targets_losses_and_gradients_read_no_value(preset: str) -> None:
    # Fake tensors have shapes but no values: .item(), nonzero and boolean indexing cannot run on them.
    config = getattr(FCOSConfig, preset)(num_classes=5)
    with FakeTensorMode():
        *arguments, outputs, config = inputs(config)
        losses = targets_and_losses(*arguments, outputs, config)
        torch.stack(list(losses.values())).sum().backward()
        assert all(value.shape == () for value in losses.values())
        assert all(o.grad.shape == o.shape for o in outputs)


def test_targets_and_losses_are_one_graph() -> None:
    config = FCOSConfig.improved(num_classes=5)
    arguments = inputs(config)
    compiled = torch.compile(targets_and_losses, fullgraph=True, backend="eager")
    want, got = targets_and_losses(*arguments), compiled(*arguments)
    for name, value in want.items():
        torch.testing.assert_close(got[name], value)


@pytest.mark.parametrize("side", [0.0, 1e-6, 5e-5, 1.0])
def test_the_smallest_boxes_stay_in_range(side: float) -> None:
    """Areas far below what keeps the division finite: IoU in 0..1, and GIoU never above it."""
    pred, target = side * torch.tensor([1.0, 1.0, 2.0, 2.0]), side * torch.tensor([2.0, 2.0, 1.0, 1.0])
    for one, other in ((pred, pred), (pred, target)):
        iou, giou = iou_and_giou(one, other)
        assert 0 <= iou <= 1
        assert -1 <= giou <= iou + 1e-6


@pytest.mark.parametrize(("own", "others", "want"), [(3, 5, 4.0), (0, 1, 0.5), (0, 0, 0.5)])
def test_positives_are_the_mean_of_two_workers(
    own: int, others: int, want: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sum / mean is Eq. 2 over both; without any box it is the sum that is taken as 1."""
    for name, value in (("is_available", True), ("is_initialized", True), ("get_world_size", 2)):
        monkeypatch.setattr(torch.distributed, name, lambda value=value: value)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda count: count.add_(others))
    assert float(count_over_workers(torch.tensor(own))) == want


@pytest.mark.parametrize(("available", "initialized", "workers"), [(False, True, 2), (True, False, 2), (True, True, 1)])
def test_a_worker_alone_asks_nobody(
    available: bool, initialized: bool, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("is_available", available), ("is_initialized", initialized), ("get_world_size", workers)):
        monkeypatch.setattr(torch.distributed, name, lambda value=value: value)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda count: pytest.fail("there is nobody to ask"))
    assert float(count_over_workers(torch.tensor(7))) == 7.0
    assert float(count_over_workers(torch.tensor(0))) == 1.0
