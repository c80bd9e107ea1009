"""Both sides run as often as asked; their times are no test's matter."""

import pytest
import torch

from fcos_edu.export import speed
from fcos_edu.export.graph import onnx_model
from tests.export.models import random_model


def test_both_sides_take_turns(monkeypatch):
    pytest.importorskip("onnxruntime")
    model = random_model()
    calls = []
    plain = speed.onnx_detector

    def counted(*given, **options):
        detect = plain(*given, **options)
        return lambda *words: calls.append("file") or detect(*words)

    monkeypatch.setattr(speed, "onnx_detector", counted)
    found = speed.timed(model, onnx_model(model).SerializeToString(), "onnx", "hwc", (64, 96), 3)
    assert len(calls) == 4  # one to warm up
    assert found["input"] == "96 x 64 pixels" and found["threads"] == torch.get_num_threads()
    assert found["ratio"] == pytest.approx(found["exported_ms"] / found["model_ms"], abs=0.05)
