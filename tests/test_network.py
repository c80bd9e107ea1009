"""Fig. 2: shapes, folding of norms, frozen stages, extra levels, and the head that all levels share."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import FrozenBatchNorm2d

from fcos_edu import FCOS, FCOSConfig
from fcos_edu.backbones import TinyBackbone
from fcos_edu.locations import feature_sizes
from fcos_edu.network import GroupNorm, Head, Pyramid

RANDOM: dict[str, Any] = {"backbone_weights": "random", "frozen_stages": 0}


def scramble(module: nn.Module, seed: int = 0) -> None:
    """Statistics, scales and shifts of every norm away from 0 and 1, so that a forgotten one shows."""
    generator = torch.Generator().manual_seed(seed)
    for norm in module.modules():
        if isinstance(norm, (nn.BatchNorm2d, FrozenBatchNorm2d)):
            for name, low, high in (
                ("weight", 0.5, 1.0),
                ("bias", -0.2, 0.2),
                ("running_mean", -0.3, 0.3),
                ("running_var", 0.5, 2.0),
            ):
                value = getattr(norm, name)
                value.data.copy_(torch.rand(value.shape, generator=generator) * (high - low) + low)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


# ------------------------------------------------------------------ shapes
@pytest.fixture(scope="module")
def tiny() -> Pyramid:
    torch.manual_seed(0)
    return Pyramid(FCOSConfig.tiny()).eval()


@pytest.mark.parametrize("canvas", [(96, 128), (97, 129), (33, 250), (1, 1), (31, 65), (240, 320)])
def test_every_level_has_its_size(tiny: Pyramid, canvas: tuple[int, int]) -> None:
    with torch.no_grad():
        features = tiny(torch.rand(2, 3, *canvas))
    assert [tuple(f.shape[-2:]) for f in features] == feature_sizes(*canvas, (8, 16, 32, 64, 128))
    assert all(f.shape[:2] == (2, 64) for f in features)


@pytest.mark.parametrize(
    ("levels", "bounds"),
    [((4,), 1), ((3, 4), 2), ((3, 4, 5), 3), ((5,), 1), ((5, 6, 7), 3), ((2, 3, 4, 5, 6), 5), ((2, 3), 2)],
)
def test_any_neighbouring_levels(levels: tuple[int, ...], bounds: int) -> None:
    config = FCOSConfig.tiny(levels=levels, level_bounds=[*(32 * i for i in range(bounds)), math.inf])
    with torch.no_grad():
        features = Pyramid(config).eval()(torch.rand(1, 3, 72, 104))
    assert [tuple(f.shape[-2:]) for f in features] == feature_sizes(72, 104, config.strides)


@pytest.mark.parametrize("name", ["resnet18", "resnet34"])
def test_resnets_give_every_level(name: str) -> None:
    config = FCOSConfig.paper(backbone=name, fpn_channels=32, **RANDOM)
    with torch.no_grad():
        features = Pyramid(config).eval()(torch.rand(1, 3, 65, 97))
    assert [tuple(f.shape) for f in features] == [(1, 32, h, w) for h, w in feature_sizes(65, 97, config.strides)]


# ------------------------------------------------------------------ extra levels
@pytest.mark.parametrize("source", ["P5", "C5"])
def test_p6_and_p7_come_from_their_source(source: str) -> None:
    torch.manual_seed(0)
    pyramid = Pyramid(FCOSConfig.tiny(extra_levels_from=source)).eval()
    extra = pyramid.fpn.extra_blocks
    assert isinstance(extra, nn.Module)
    x = torch.rand(1, 3, 160, 160)
    with torch.no_grad():
        p5, p6, p7 = pyramid(x)[2:]
        start = p5 if source == "P5" else pyramid.body(x)["c5"]
        torch.testing.assert_close(p6, extra.p6(start))
        torch.testing.assert_close(p7, extra.p7(F.relu(p6)))
    assert extra.p6.in_channels == (64 if source == "P5" else TinyBackbone.channels[-1])


# ------------------------------------------------------------------ head
def features(channels: int = 16, batch: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(batch, channels, n, n + 1, generator=generator) for n in (6, 3, 2, 1, 1)]


def small(**overrides: Any) -> FCOSConfig:
    return FCOSConfig.tiny(num_classes=3, fpn_channels=16, **overrides)


def test_output_shapes_are_float32_and_row_by_row() -> None:
    torch.manual_seed(0)
    head = Head(small())
    maps = features()
    length = sum(f.shape[-2] * f.shape[-1] for f in maps)
    out = head(maps)
    assert out.logits.shape == (2, length, 3)
    assert out.distances.shape == (2, length, 4)
    assert out.centerness is not None and out.centerness.shape == (2, length)
    # Location (row 2, column 4) of P3, which is 7 wide.
    logits = head.classification(head.classification_tower(maps[0]))
    torch.testing.assert_close(out.logits[:, 2 * 7 + 4], logits[:, :, 2, 4])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert all(o is not None and o.dtype == torch.float32 for o in head(maps))


def test_levels_share_the_head() -> None:
    # The same map on all levels gives the same predictions on all levels; only s_i tells them apart.
    torch.manual_seed(0)
    head = Head(small())
    same = [features()[0]] * 5
    out = head(same)
    for part in (out.logits, out.distances, out.centerness):
        assert part is not None
        chunks = part.chunk(5, dim=1)
        assert all(torch.equal(chunks[0], c) for c in chunks)
    with torch.no_grad():
        assert head.scales is not None
        head.scales[3] = 2.0
    chunks = head(same).distances.chunk(5, dim=1)
    torch.testing.assert_close(chunks[3], chunks[0] ** 2)  # exp(2 x) = exp(x)^2
    assert torch.equal(chunks[4], chunks[0])


@pytest.mark.parametrize(("activation", "scales"), [("exp_scaled", True), ("exp", False), ("relu", False)])
def test_box_activations(activation: str, scales: bool) -> None:
    head = Head(small(box_activation=activation))
    assert (head.scales is not None) == scales
    raw = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0])
    want = raw.clamp(min=0) if activation == "relu" else torch.exp(raw)
    torch.testing.assert_close(head._activate(raw, 0), want)
    assert torch.isfinite(head._activate(torch.tensor([1e4, -1e4]), 4)).all()


@pytest.mark.parametrize("branch", ["classification", "regression"])
def test_the_centerness_branch_sits_on_its_tower(branch: str) -> None:
    torch.manual_seed(0)
    head = Head(small(centerness_branch=branch))
    out = head(features())
    assert out.centerness is not None
    out.centerness.sum().backward()
    towers = {"classification": head.classification_tower, "regression": head.regression_tower}
    for name, tower in towers.items():
        assert all((p.grad is not None) == (name == branch) for p in tower.parameters())


def test_no_branch_no_output() -> None:
    head = Head(small(centerness_branch="none", centerness_inference="none"))
    assert head.centerness is None
    assert head(features()).centerness is None
    assert not any(name.startswith("centerness") for name in head.state_dict())


@pytest.mark.parametrize("channels", [8, 16, 40, 64, 256])
def test_group_norm(channels: int) -> None:
    head = Head(FCOSConfig.tiny(fpn_channels=channels, group_norm=True, num_head_convs=2))
    norms = [m for m in head.modules() if isinstance(m, nn.GroupNorm)]
    assert len(norms) == 4
    for norm in norms:
        assert norm.num_groups <= 32
        # One channel alone on P7's single location would be normalised to zero.
        assert norm.num_channels == channels and channels // norm.num_groups >= 2
    off = Head(FCOSConfig.tiny(fpn_channels=channels, group_norm=False))
    assert not any(isinstance(m, nn.GroupNorm) for m in off.modules())


def test_the_papers_head_has_32_groups() -> None:
    with torch.device("meta"):
        norms = [m for m in Head(FCOSConfig.paper()).modules() if isinstance(m, nn.GroupNorm)]
    assert [n.num_groups for n in norms] == [32] * 8


def test_group_norm_is_torchs_and_keeps_the_type() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 16, 5, 7)
    head = Head(small(num_head_convs=1))
    norm = next(m for m in head.modules() if isinstance(m, nn.GroupNorm))
    nn.init.uniform_(norm.weight)
    nn.init.uniform_(norm.bias)
    want = F.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps)
    torch.testing.assert_close(norm(x), want)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = norm(x.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), want, atol=0.05, rtol=0.02)

    exact, rounded = x.clone().requires_grad_(), x.bfloat16().requires_grad_()
    F.group_norm(exact, norm.num_groups, norm.weight, norm.bias, norm.eps).square().sum().backward()
    norm.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        trained = norm(rounded)
    assert trained.dtype == torch.bfloat16
    trained.float().square().sum().backward()
    assert rounded.grad is not None and rounded.grad.dtype == torch.bfloat16 and exact.grad is not None
    torch.testing.assert_close(rounded.grad.float(), exact.grad, atol=0.05 * exact.grad.abs().max().item(), rtol=0.05)


@pytest.mark.parametrize("convs", [0, 1, 4])
def test_towers_have_their_length(convs: int) -> None:
    head = Head(small(num_head_convs=convs))
    for tower in (head.classification_tower, head.regression_tower):
        assert sum(isinstance(m, nn.Conv2d) for m in tower) == convs
    head(features())


def test_the_prior_is_the_initial_probability() -> None:
    torch.manual_seed(0)
    out = Head(small(prior_probability=0.02))([torch.zeros(1, 16, 4, 4)] * 5)
    torch.testing.assert_close(out.logits.sigmoid(), torch.full_like(out.logits, 0.02))


# ------------------------------------------------------------------ counted by hand
def conv(inputs: int, outputs: int, kernel: int = 3, bias: bool = True) -> int:
    return inputs * outputs * kernel**2 + bias * outputs


def test_parameters_of_the_papers_head() -> None:
    tower = 4 * (conv(256, 256) + 2 * 256)  # four convolutions with group norm
    outputs = conv(256, 80) + conv(256, 4) + conv(256, 1)
    with torch.device("meta"):
        assert count(Head(FCOSConfig.paper())) == 2 * tower + outputs + 5  # and five s_i
        assert count(Head(FCOSConfig.paper(group_norm=False, box_activation="exp"))) == (
            2 * (tower - 8 * 256) + outputs
        )


def test_parameters_of_torchvisions_model() -> None:
    with torch.device("meta"):
        pyramid, head = Pyramid(FCOSConfig.torchvision()), Head(FCOSConfig.torchvision())
        theirs = torchvision.models.detection.fcos_resnet50_fpn(weights=None, weights_backbone=None)
    norms = sum(p.numel() for n, p in theirs.backbone.body.named_parameters() if p.dim() == 1)
    assert count(pyramid) + count(head) == count(theirs) - norms  # ours are fixed with ImageNet weights
    published = torchvision.models.detection.FCOS_ResNet50_FPN_Weights.COCO_V1.meta["num_params"]
    assert count(pyramid) + count(head) == published


def test_everything_that_learns_gets_a_gradient() -> None:
    torch.manual_seed(0)
    for overrides in ({}, {"centerness_branch": "classification", "extra_levels_from": "C5"}):
        model = FCOS(FCOSConfig.tiny(num_classes=3, min_size=128, max_size=128, **overrides)).train()
        boxes = torch.tensor([[4.0, 4, 28, 28], [30, 30, 80, 90], [0, 0, 127, 127], [50, 2, 126, 126]])
        losses = model([torch.rand(3, 128, 128)], [{"boxes": boxes, "labels": torch.tensor([0, 1, 2, 0])}])
        assert isinstance(losses, dict)
        torch.stack(list(losses.values())).sum().backward()
        for name, p in model.named_parameters():
            assert p.grad is not None, name
            assert torch.isfinite(p.grad).all(), name


@pytest.mark.parametrize("canvas", [(64, 64), (128, 64), (64, 160)])
def test_bf16_gradients_of_maps_one_cell_wide_are_no_garbage(canvas: tuple[int, int]) -> None:
    """P6 and P7 of small images: CPU kernels in bf16 have left unset memory in these gradients."""
    torch.manual_seed(0)
    config = FCOSConfig.tiny(num_classes=3, fpn_channels=16, num_head_convs=1)
    model = nn.Sequential(Pyramid(config), Head(config)).train()
    dirt = [torch.full((5000,), 1e30) for _ in range(50)]  # what freed memory may hold
    del dirt
    for _ in range(5):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            output = model(torch.rand(2, 3, *canvas))
        (output.logits.mean() + output.distances.mean() + output.centerness.mean()).backward()
        worst = max(float(p.grad.abs().max()) for p in model.parameters() if p.grad is not None)
        assert math.isfinite(worst) and worst < 100


@pytest.mark.parametrize(
    ("learns", "grad", "dtype"),
    [(True, True, torch.float32), (True, False, torch.bfloat16), (False, True, torch.bfloat16)],
)
def test_group_norm_on_a_cpu_is_float32_where_it_learns(
    learns: bool, grad: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the kernel gets: its own weights in float32, and float32 maps only where a gradient will be asked for."""
    norm, kernel, seen = GroupNorm(4, 8), F.group_norm, []

    def spy(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        seen.append((x.dtype, weight.dtype, bias.dtype))
        return kernel(x, groups, weight, bias, eps)

    monkeypatch.setattr(F, "group_norm", spy)
    x = torch.randn(1, 8, 4, 4).bfloat16().requires_grad_(learns)
    with torch.set_grad_enabled(grad):
        assert norm(x).dtype == torch.bfloat16
    assert seen == [(dtype, torch.float32, torch.float32)]
