"""Lab 4: its answers are those of the package's head."""

from __future__ import annotations

import math

import torch

from fcos_edu import FCOSConfig
from fcos_edu.course import find
from fcos_edu.network import Head, _flatten


def test_tower_list_and_distances_are_the_heads() -> None:
    config = FCOSConfig.tiny(num_classes=3, group_norm=False, fpn_channels=4, num_head_convs=3, levels=(3, 4, 5),
                             level_bounds=(0, 32, 64, 128))  # fmt: skip
    torch.manual_seed(0)
    head = Head(config)
    convolutions = [layer for layer in head.regression_tower if isinstance(layer, torch.nn.Conv2d)]
    for layer in convolutions:
        torch.nn.init.normal_(layer.weight, std=0.5)
        torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, 4, 3, 5)
    with torch.no_grad():
        mine = find("tower").answer(x, [c.weight for c in convolutions], [c.bias for c in convolutions])
        assert torch.allclose(mine, head.regression_tower(x), atol=1e-5) and mine.min() == 0
        raw = head.regression(mine)
        flat = find("flatten_map").answer(raw)
        assert torch.equal(flat, _flatten(raw))
        distances = find("predicted_distances").answer(flat, 1.0, 1)
        assert torch.allclose(distances, head([x, x, x]).distances[:, :15], atol=1e-5)
        bias = find("prior_bias").answer(config.prior_probability)
        assert torch.allclose(head.classification.bias, torch.tensor(bias))
    assert math.isfinite(find("predicted_distances").answer(torch.tensor([[1e4] * 4]), 1.0, 8).max())
