"""Means for the log, and the alarm."""

import math

import pytest
import torch
from accelerate import Accelerator

from fcos_edu.training.watch import NonFiniteLossError, Watch


@pytest.fixture
def watch():
    return Watch(Accelerator(cpu=True))


def losses(**values):
    return {name: torch.tensor(value) for name, value in values.items()}


def test_it_reports_means_and_begins_anew(watch):
    for step, value in enumerate((1.0, 3.0)):
        watch.add(losses(a=value, b=0.5), step)
        watch.note("floor", torch.tensor(2.0 * value))
    assert watch.report() == {"a": 2.0, "floor": 4.0, "b": 0.5}
    watch.add(losses(a=7.0), 2)
    assert watch.report() == {"a": 7.0}


def test_the_first_bad_step_is_named_with_its_term_and_images(watch):
    for step, (a, b) in enumerate([(1.0, 1.0), (1.0, math.inf), (math.nan, 1.0)]):
        watch.add(losses(a=a, b=b), step, [10 * step, 10 * step + 1])
    with pytest.raises(NonFiniteLossError, match=r"the b loss was not finite at step 1 \(image ids 10, 11\)"):
        watch.check()
    with pytest.raises(NonFiniteLossError, match="lower clip_norm"):
        watch.report()


def test_nothing_taken_in_is_nothing_bad(watch):
    watch.check()


def test_it_goes_on_from_its_state(watch):
    other = Watch(watch.accelerator)
    watch.add(losses(a=1.0), 0)
    other.load_state_dict(watch.state_dict())
    for one in (watch, other):
        one.add(losses(a=4.0), 1)
    assert watch.report() == other.report() == {"a": 2.5}
