"""Receptive fields: what kernels reach by arithmetic is what the gradient of a network of positive weights reaches."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fcos_edu import FCOS, FCOSConfig
from fcos_edu.network import GroupNorm
from fcos_edu.receptive import fields, influence, maps_of, size_of

SMALL = {"num_classes": 2, "fpn_channels": 2, "group_norm": False}
CASES = {
    "tiny": FCOSConfig.tiny(**SMALL),
    "P6 from C5": FCOSConfig.tiny(
        **SMALL, extra_levels_from="C5", levels=(3, 4, 5, 6), level_bounds=(0, 32, 64, 128, float("inf"))
    ),
    "resnet18": FCOSConfig.tiny(**SMALL, backbone="resnet18"),
}


def positive(config: FCOSConfig) -> FCOS:
    """A network in which nothing cancels and no relu is shut: all weights positive, all norms left out."""
    model = FCOS(config, load_backbone=False).double().eval()
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.MaxPool2d):  # its gradient reaches the largest alone
            parent = model.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], nn.AvgPool2d(3, 2, 1))
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.fill_(1 / module.weight[0].numel())
                if module.bias is not None:
                    module.bias.zero_()
    return model


@pytest.mark.parametrize("name", CASES)
def test_the_arithmetic_is_what_the_gradient_reaches(name: str) -> None:
    """Of cells in the middle, at the border and in a corner, on every map; rows and columns of different lengths."""
    model = positive(CASES[name])
    spans = {side: fields(FCOS(CASES[name], load_backbone=False), side) for side in (160, 224)}
    pixels = torch.ones(1, 3, 160, 224, dtype=torch.float64, requires_grad=True)
    for key, values in maps_of(model, pixels).items():
        rows, columns = values.shape[2:]
        assert [len(spans[160][key][0]), len(spans[224][key][0])] == [rows, columns]
        for row, column in {(0, columns - 1), (rows // 2, columns // 3)}:
            seen = influence(values[0, :, row, column], pixels) > 0
            wanted = torch.zeros(160, 224, dtype=torch.bool)
            (top, bottom), (left, right) = (
                (int(spans[side][key][0][cell]), int(spans[side][key][1][cell]))
                for side, cell in ((160, row), (224, column))
            )
            wanted[top : bottom + 1, left : right + 1] = True
            assert torch.equal(seen, wanted), (key, row, column)


def test_sizes_by_hand() -> None:
    """r grows by (k - 1) times the jump; two 3 x 3 convolutions of stride 2 see 3, then 7 pixels."""
    model = FCOS(CASES["tiny"])
    jump, size = 1, 1
    for stride in (2, 2, 1, 1, 1):  # the stem, and the four convolutions of the first stage
        size, jump = size + 2 * jump, jump * stride
    assert size_of(model, "C2") == size == 31
    bottlenecks = FCOSConfig.tiny(**SMALL, backbone="resnet50")
    found = size_of(FCOS(bottlenecks, load_backbone=False), "C5")
    assert found == 427  # 11 of the stem, then two jumps a block, the first of a stage with the jump before it
    assert (size_of(model, "P3") or 0) > (size_of(model, "C5") or 0)


def test_a_group_norm_sees_everything() -> None:
    model = FCOS(FCOSConfig.tiny(num_classes=2)).eval()
    assert any(isinstance(module, GroupNorm) for module in model.modules())
    low, high = fields(model, 512)["answer on P3"]
    assert low.tolist() == [0] * 64 and high.tolist() == [511] * 64
    assert size_of(model, "answer on P3") is None and size_of(model, "P3") is not None
    pixels = torch.rand(1, 3, 64, 512, requires_grad=True)
    assert influence(maps_of(model, pixels)["answer on P3"][0, :, 0, 0], pixels)[:, -1].max() > 0


def test_what_a_real_network_sees_lies_in_its_field() -> None:
    model = FCOS.pretrained("shapes")
    pixels = torch.rand(1, 3, 256, 256, requires_grad=True)
    spans = fields(model, 256)
    for key in ("C3", "C4", "C5", "P5"):
        values = maps_of(model, pixels)[key]
        cell = values.shape[-1] // 4
        seen: Tensor = influence(values[0, :, cell, cell], pixels) > 0
        low, high = (int(end[cell]) for end in spans[key])
        assert seen[low : high + 1, low : high + 1].any()
        outside = seen.clone()
        outside[low : high + 1, low : high + 1] = False
        assert not outside.any(), key


def test_a_network_whose_reach_is_not_known_is_refused() -> None:
    model = FCOS(CASES["tiny"])
    model.head.classification_tower.append(nn.AdaptiveAvgPool2d(1))
    with pytest.raises(TypeError, match="reach of a AdaptiveAvgPool2d"):
        fields(model, 64)
