"""Schedule and optimizer as the recipe says."""

import math

import pytest
import torch

from fcos_edu import FCOS
from fcos_edu.training.config import TrainConfig
from fcos_edu.training.optimizer import learning_rate, make_optimizer
from tests.training.parts import SMALL


def test_the_papers_schedule():
    config = TrainConfig()
    rates = [config.lr * learning_rate(step, config) for step in (0, 250, 500, 59_999, 60_000, 79_999, 80_000, 89_999)]
    assert rates == pytest.approx([0.01 / 3, 0.01 * 2 / 3, 0.01, 0.01, 0.001, 0.001, 1e-4, 1e-4])


def test_cosine_falls_to_nothing():
    config = TrainConfig(schedule="cosine", iterations=100, warmup_iterations=0)
    rates = [learning_rate(step, config) for step in range(101)]
    assert rates[0] == 1 and rates[50] == pytest.approx(0.5) and rates[100] == pytest.approx(0, abs=1e-9)
    assert all(a >= b for a, b in zip(rates, rates[1:], strict=False))


def test_biases_have_twice_the_rate_and_no_decay():
    model = FCOS(SMALL)
    optimizer = make_optimizer(model, TrainConfig())
    weights, biases = optimizer.param_groups
    assert (weights["lr"], weights["weight_decay"], weights["momentum"]) == (0.01, 1e-4, 0.9)
    assert (biases["lr"], biases["weight_decay"]) == (0.02, 0.0)
    assert {id(p) for p in biases["params"]} == {id(p) for n, p in model.named_parameters() if n.endswith("bias")}
    assert len(weights["params"]) + len(biases["params"]) == len(list(model.parameters()))


def test_a_first_step_that_overflows_leaves_nothing_behind(monkeypatch):
    """fp16 leaves such a step out; torch's fused SGD would then go on with memory that nobody has set."""
    model, inputs = torch.nn.Linear(3, 1), torch.ones(2, 3)
    start = model.weight.detach().clone()
    optimizer = make_optimizer(model, TrainConfig())
    for group in optimizer.param_groups:
        group["fused"] = True  # as on a GPU
    optimizer._step_supports_amp_scaling = True
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    monkeypatch.setattr(torch, "empty_like", lambda tensor, **_: torch.full_like(tensor, 777.0))
    for factor in (math.inf, 1.0):
        scaler.scale(factor * model(inputs).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
    # The gradient is 2, decay adds a ten-thousandth of the weight.
    torch.testing.assert_close(model.weight, start - 0.01 * (2 + 1e-4 * start))


def test_the_first_step_of_sgd_is_torchs():
    one, other = (torch.nn.Linear(3, 2) for _ in range(2))
    other.load_state_dict(one.state_dict())
    ours, plain = make_optimizer(one, TrainConfig()), torch.optim.SGD(other.parameters(), lr=0.01, momentum=0.9)
    for group in ours.param_groups:
        group |= {"lr": 0.01, "weight_decay": 0.0}
    for _ in range(3):
        for model, optimizer in ((one, ours), (other, plain)):
            model(torch.ones(2, 3)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert torch.equal(one.weight, other.weight) and torch.equal(one.bias, other.bias)
