"""The bench compares equals, takes turns, and reports medians. No test here looks at a time."""

import pytest
import torch

from fcos_edu import bench


def test_turns_alternate_and_the_first_is_not_measured():
    calls = []
    a, b = bench.alternate(lambda: calls.append("a"), lambda: calls.append("b"), 3, "cpu")
    assert calls == ["a", "b"] * 4
    assert a >= 0 and b >= 0


def test_assignment_is_compared_only_after_it_is_equal():
    result = bench.bench_assignment(repeat=1)
    assert result["assignment"]["ratio"] > 0 and result["with_targets"]["ratio"] > 0


def test_unequal_assignments_are_refused(monkeypatch):
    monkeypatch.setattr(bench, "assign", lambda boxes, valid, sizes, config: torch.zeros(16, 22400, dtype=torch.int64))
    with pytest.raises(RuntimeError, match="differ"):
        bench.bench_assignment(repeat=1)


def test_inference_and_training_on_a_small_image():
    inference = bench.bench_inference(repeat=1, height=160, width=192)
    assert inference["detections"] > 10  # otherwise equality says nothing
    training = bench.bench_training(repeat=1, height=128, width=160, batch=1)
    assert {"float32", "bf16_against_bf16"} <= set(training)
    table = bench.bench_table({"inference": inference, "training": training})
    assert "ratio" in table and "bf16 against float32" in table


def test_random_boxes_lie_in_the_image():
    torch.manual_seed(0)
    for target in bench.random_boxes(3, 50, 100, 200, 7):
        boxes = target["boxes"]
        assert (boxes[:, 2:] > boxes[:, :2]).all() and (boxes >= 0).all()
        assert (boxes[:, 2] <= 200).all() and (boxes[:, 3] <= 100).all()
        assert target["labels"].max() < 7
