"""The average of the weights, by hand."""

import torch
from torch import nn

from fcos_edu.training.ema import WeightAverage


def network():
    return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))


def test_it_forgets_the_start_and_keeps_counters():
    model = network()
    average = WeightAverage(model, 0.9)
    mine = average.module[0].bias
    with torch.no_grad():
        model[0].bias.fill_(3.0)
        average.update(model)
        assert (mine == 3.0).all()  # the random start is gone
        model[0].bias.fill_(5.0)
        model[1].num_batches_tracked.fill_(7)
        average.update(model)  # keeps (1 + 1) / (10 + 1)
        torch.testing.assert_close(mine, torch.full_like(mine, 3.0 * 2 / 11 + 5.0 * 9 / 11))
        assert average.module[1].num_batches_tracked == 7
        average.steps = 10_000
        average.update(model)
        torch.testing.assert_close(mine, torch.full_like(mine, (3.0 * 2 / 11 + 5.0 * 9 / 11) * 0.9 + 0.5))


def test_it_goes_on_from_its_state():
    model = network()
    one = WeightAverage(model, 0.9)
    other = WeightAverage(network(), 0.9)
    for _ in range(3):
        one.update(model)
    other.load_state_dict(one.state_dict())
    with torch.no_grad():
        model[0].weight.add_(1.0)
    one.update(model), other.update(model)
    assert one.steps == other.steps == 4
    for a, b in zip(one.module.state_dict().values(), other.module.state_dict().values(), strict=True):
        assert torch.equal(a, b)
