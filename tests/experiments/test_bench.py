"""The bench compares equals, and says where a step's time goes. No test here looks at a time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fcos_edu import FCOS
from fcos_edu.experiments import bench
from fcos_edu.training.recipes import RECIPES

SMALL = (96, 128)


def test_assignment_is_compared_only_after_it_is_equal():
    result = bench.bench_assignment(turns=1)
    assert result["assignment"]["ratio"] > 0 and result["with_targets"]["ratio"] > 0


def test_unequal_assignments_are_refused(monkeypatch):
    monkeypatch.setattr(bench, "assign", lambda boxes, valid, sizes, config: torch.zeros(16, 22400, dtype=torch.int64))
    with pytest.raises(RuntimeError, match="differ"):
        bench.bench_assignment(turns=1)


@pytest.fixture
def compared(monkeypatch) -> list[dict[str, Any]]:
    """Runs each side once instead of timing it; holds what was to be compared, and what the sides did."""
    seen: list[dict[str, Any]] = []

    def compare(ours, theirs, watch, turns, last, *, images, flops):
        row: dict[str, Any] = {"images": images, "flops": flops}
        for name, step in (("ours", ours), ("torchvision", theirs)):
            watch.start()
            with FlopCounterMode(display=False) as counter:
                row[name] = step()
            watch.mark(last)
            row[f"{name}_flops"] = counter.get_total_flops()
            row[f"{name}_parts"] = [part for part, _ in watch.marks[1:]]
        seen.append(row)
        side = {"images_per_second": 1.5, "parts_ms": {last: 2.5}, "peak_memory_mb": None, "share_of_peak": None}
        return {"ours_ms": 1.0, "torchvision_ms": 2.0, "ratio": 0.5, "ours": side, "torchvision": side}

    monkeypatch.setattr(bench, "compare", compare)
    return seen


@pytest.fixture
def translated(monkeypatch) -> list[FCOS]:
    """The models that were asked to compile, which they do not do here: tests/test_model.py does."""
    seen: list[FCOS] = []
    monkeypatch.setattr(bench.FCOS, "compile", lambda model: seen.append(model))
    return seen


@pytest.mark.weekly
def test_inference_compares_the_same_work_in_the_same_parts(compared, translated):
    result = bench.bench_inference(size=SMALL, batches=(1, 2), rows={"float32": ("no", "no")}, compiled=True)
    assert len(translated) == 1  # for both batches
    assert result["detections"] > 10  # otherwise equality says nothing
    assert [name for name in result if name not in ("input", "detections")] == ["float32_batch_1", "float32_batch_2"]
    for row, batch in zip(compared, (1, 2), strict=True):
        assert row["images"] == batch and row["flops"] == row["ours_flops"] == row["torchvision_flops"] > 1e9
        assert row["ours_parts"] == row["torchvision_parts"] == ["data", "forward", "detections"]
        assert len(row["ours"]) == batch
        for mine, peer in zip(row["ours"], row["torchvision"], strict=True):
            assert bench.share_found(mine, peer) > 0.95


@pytest.mark.weekly
def test_training_compares_the_same_work_in_the_same_parts(compared, translated):
    rows = {"bf16_against_bf16": ("bf16", "bf16"), "bf16_against_float32": ("bf16", "no")}
    result = bench.bench_training(size=SMALL, batch=1, rows=rows, compiled=True)
    assert len(translated) == 1
    assert set(result) == {"input", "bf16_against_bf16"}  # a step in float32 is no peer of one in bf16
    (row,) = compared
    assert row["images"] == 1 and row["flops"] == row["ours_flops"] == row["torchvision_flops"] > 3e9
    assert row["ours_parts"] == row["torchvision_parts"] == ["data", "forward", "loss", "backward", "step"]
    table = bench.bench_table({"training": result})
    assert "1.50 images/s, step 2.5 ms, no share of a peak: none is known here" in table
    assert "bf16 against bf16" in table and "0.50" in table


def test_the_small_step_is_the_recipes_on_both_sides(compared):
    result = bench.bench_small(precision="no")
    assert list(result) == ["input", "float32"]
    (row,) = compared
    assert row["images"] == RECIPES["bccd"].config.batch_size
    # The same convolutions; what else differs is not counted.
    assert row["flops"] == row["ours_flops"] == pytest.approx(row["torchvision_flops"], rel=0.01)
    assert row["ours_parts"] == row["torchvision_parts"] == ["data", "forward", "loss", "backward", "step"]


def test_unequal_detections_and_losses_are_refused(monkeypatch):
    true = FCOS.from_torchvision

    def other(model):
        made = true(model)
        with torch.no_grad():
            made.head.classification.bias.add_(0.1)
            made.head.regression.bias.add_(0.1)
        return made

    monkeypatch.setattr(bench.FCOS, "from_torchvision", other)
    with pytest.raises(RuntimeError, match="of torchvision's detections"):
        bench.bench_inference(size=SMALL)
    with pytest.raises(RuntimeError, match="our losses .* differ"):
        bench.bench_training(size=SMALL)


def test_the_share_of_detections_that_we_have_too():
    peer = {
        "boxes": torch.tensor([[0.0, 0, 50, 50], [10, 10, 90, 70], [5, 5, 40, 60], [0, 0, 30, 30]]),
        "scores": torch.tensor([0.9, 0.8, 0.7, 0.6]),
        "labels": torch.tensor([1, 2, 3, 4]),
    }
    assert bench.share_found({k: v.flip(0) for k, v in peer.items()}, peer) == 1  # whatever the order
    moved, lower, renamed = ({k: v.clone() for k, v in peer.items()} for _ in range(3))
    moved["boxes"][0] += 1
    lower["scores"][1] -= 0.01
    renamed["labels"][2] = 5
    for mine in (moved, lower, renamed, {k: v[1:] for k, v in peer.items()}):
        assert bench.share_found(mine, peer) == 0.75


def test_what_a_device_is_asked_for(monkeypatch):
    """All parts with the defaults of a GPU, here without one."""
    asked = {}
    for part in bench.PARTS:
        monkeypatch.setattr(bench, f"bench_{part}", lambda *args, part=part, **options: asked.update({part: options}))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    assert list(bench.bench(device="cuda")) == list(bench.PARTS)
    both = {"compiled": False, "rows": {"fp16_against_fp16": ("fp16", "fp16")}, "size": (800, 1333)}
    assert asked["inference"] == both | {"batches": (1, 8)}
    assert asked["training"] == both | {"batch": 16} and asked["small"] == {}

    bench.bench(device="cpu")
    assert asked["inference"] == {"compiled": False, "batches": (1,)} and asked["training"]["batch"] == 2
    bench.bench(device="cpu", precision="no", compiled=True, size=(64, 96), batch_size=3)
    assert asked["training"] == {"compiled": True, "batch": 3, "size": (64, 96), "rows": {"float32": ("no", "no")}}


def test_too_little_memory_is_one_sentence(monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(bench, "bench_training", full)
    with pytest.raises(ValueError, match="lower --batch-size or --size"):
        bench.bench(("training",))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_is_not_there_is_one_sentence():
    with pytest.raises(ValueError, match="--device cuda needs a GPU"):
        bench.bench(device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("compiled", [False, True])
def test_all_parts_on_a_gpu(compiled):
    results = bench.bench(turns=1, device="cuda", batch_size=2, size=(256, 320), compiled=compiled)
    for part in ("inference", "training"):
        for row in results[part].values():
            if isinstance(row, dict):
                assert row["ours"]["peak_memory_mb"] > 0
    assert "images/s" in bench.bench_table(results)


def test_random_images_and_boxes():
    torch.manual_seed(0)
    (image,) = bench.random_images(1, 40, 60, "cpu")
    assert image.shape == (3, 40, 60) and image.dtype == torch.uint8 and len(image.unique()) == 256
    for target in bench.random_boxes(3, 50, 100, 200, 7):
        boxes = target["boxes"]
        assert (boxes[:, 2:] > boxes[:, :2]).all() and (boxes >= 0).all()
        assert (boxes[:, 2] <= 200).all() and (boxes[:, 3] <= 100).all()
        assert target["labels"].max() < 7
