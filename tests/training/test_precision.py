"""The number format is the hardware's best, unless one is asked for."""

import pytest
import torch

from fcos_edu.compat import cpu_has_bf16
from fcos_edu.training.precision import pick_precision


@pytest.mark.parametrize("wanted", ["no", "bf16", "fp16"])
def test_what_is_asked_for_is_taken(wanted):
    assert pick_precision(wanted) == wanted


@pytest.mark.parametrize(("cuda", "bf16", "picked"), [(True, True, "bf16"), (True, False, "fp16")])
def test_a_gpu_without_bf16_gets_fp16(monkeypatch, cuda, bf16, picked):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16)
    assert pick_precision("auto") == pick_precision("auto", "cuda") == picked
    assert pick_precision("auto", "cpu") == ("bf16" if cpu_has_bf16() else "no")  # whatever the GPU can do


def test_a_cpu_gets_bf16_only_if_it_computes_in_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_precision("auto") == ("bf16" if cpu_has_bf16() else "no")
