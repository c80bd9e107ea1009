"""Devices are picked and refused, and on one without float64 everything gives what the CPU gives.

The device without float64 is the CPU under another name: tensors on it say that they lie on ``mps``, whatever is
computed of them lies there too, and a float64 tensor there is an error, as on a Mac.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import accelerate.state
import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from fcos_edu import FCOS, FCOSConfig, detectors, devices
from fcos_edu import locations as locations_module
from fcos_edu import targets as targets_module
from fcos_edu.cli.parser import main
from fcos_edu.data import load, transforms
from fcos_edu.devices import available, device_memory, device_name, exact, free_memory, one_thread, pick_device, sent
from fcos_edu.evaluation import predict
from fcos_edu.inference import class_wise_nms
from fcos_edu.targets import Candidates, assign, candidates
from fcos_edu.training import workers
from fcos_edu.training.precision import pick_precision

MPS = torch.device("mps")
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"backbone": "resnet18"},
    "improved": {"backbone": "resnet18"},
    "tiny": {},
}


class OnMps(Tensor):
    """A tensor in the CPU's memory that says it lies elsewhere."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return MPS

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {})


def elsewhere(value: Any) -> bool:
    """Whether an argument names the device."""
    return (isinstance(value, torch.device) and value.type == "mps") or (isinstance(value, str) and value == "mps")


def computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """An operation of torch: what is computed of tensors on the device, or is to be made there, lies there."""
    if getattr(func, "__name__", "") in (
        "device",
        "_parse_to",
    ):  # a name; Module.to reads its arguments with the latter
        return func(*args, **kwargs)
    home = any(isinstance(leaf, OnMps) for leaf in tree_leaves((args, kwargs)))
    if func is Tensor.cpu:
        home = False
    named = [v for v in (*args[1:], *kwargs.values()) if isinstance(v, torch.device) or v in ("cpu", "mps")]  # to(...)
    if func is Tensor.to and named:
        home = elsewhere(named[0])
    if "device" in kwargs and kwargs["device"] is not None:
        home = elsewhere(kwargs["device"])
    args, kwargs = tree_map(lambda value: "cpu" if elsewhere(value) else value, (args, kwargs))
    with torch._C.DisableTorchFunctionSubclass():
        out = func(*args, **kwargs)

    def placed(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if home and value.dtype == torch.float64:
            raise TypeError("a tensor on mps cannot be float64")
        if home == isinstance(value, OnMps):
            return value
        with torch._C.DisableTorchFunctionSubclass():
            return value.as_subclass(OnMps if home else Tensor)

    return tree_map(placed, out)


class Mac(TorchFunctionMode):
    """Within it, torch can make tensors on the device."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {})


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine has no CUDA GPU, and a device without float64."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(accelerate.state, "is_mps_available", lambda: True)
    monkeypatch.setenv("PYTORCH_ENABLE_MPS_FALLBACK", "1")  # Accelerate sets it, on Macs
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # a module that is moved keeps the kind of tensor
    with Mac():
        yield
    torch.__future__.set_overwrite_module_params_on_conversion(before)
    for make in (locations_module._grid, targets_module._axis):
        make.cache_clear()  # type: ignore[attr-defined]


def on_mps(value: Tensor) -> bool:
    return value.device.type == "mps"


# ---------------------------------------------------------------------- the device that is played
def test_the_played_device_refuses_float64(mac: None) -> None:
    there = torch.rand(3).to("mps")
    assert on_mps(there) and on_mps(there + 1) and on_mps(torch.zeros(2, device="mps")) and not on_mps(there.cpu())
    for refused in (there.double, lambda: torch.zeros(2).double().to("mps"), lambda: there.to(torch.float64)):
        with pytest.raises(TypeError, match="float64"):
            refused()


# ---------------------------------------------------------------------- which device
@pytest.mark.parametrize(
    ("cuda", "mps", "picked"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_a_gpu_is_picked_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, picked: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert pick_device() == picked
    assert pick_device("cpu") == "cpu"
    assert [available(device) for device in ("cpu", "cuda", "mps", "tpu")] == [True, cuda, mps, False]
    for device, there in (("cuda", cuda), ("mps", mps)):
        if there:
            assert pick_device(device) == device
        else:
            with pytest.raises(ValueError, match=f"'{device}', but torch sees no GPU of that kind"):
                pick_device(device)
    with pytest.raises(ValueError, match="device is 'tpu'; it must be one of 'cpu', 'cuda', 'mps', or None"):
        pick_device("tpu")


def test_devices_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_name("cpu") == "the CPU" and device_name(MPS) == "the GPU of this Mac"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla T4")
    assert device_name() == device_name("cuda:0") == "Tesla T4"
    assert device_memory("cpu") == pytest.approx(psutil.virtual_memory().total) and device_memory("cpu") > 1e8


@pytest.mark.parametrize("version", [1, 2])
def test_free_memory_is_that_of_the_container(version: int, tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    limit, used, stat = (tmp_path / ("" if version == 2 else "memory") / name for name in (*names, "memory.stat"))
    machine = free_memory(tmp_path)
    assert machine > 2**20, "no file yet: the machine's"

    def told(allowed: str, taken: int, said: str) -> float:
        limit.write_text(f"{allowed}\n")
        used.write_text(f"{taken}\n")
        stat.write_text(said)
        return free_memory(tmp_path)

    pages = "cache 5\ninactive_file 200\ntotal_inactive_file 200\n"
    assert told("1000", 700, pages) == 500, "files that nobody needs are given back"
    assert told("1000", 700, "cache 5\n") == 300
    assert told("1000", 1500, pages) == 0, "over the limit already"
    none = "max" if version == 2 else str(2**63 - 4096)  # as each says that there is no limit
    assert told(none, 700, pages) > 2**20
    limit.write_text("what is this")
    assert free_memory(tmp_path) > 2**20


def test_the_trainer_goes_to_the_gpu_of_a_mac_in_float32(mac: None) -> None:
    assert pick_precision("auto") == pick_precision("auto", "mps") == "no"
    try:
        accelerator = workers.make_accelerator("auto")
        assert accelerator.device == MPS and accelerator.mixed_precision == "no"
        assert workers.make_accelerator("no", "cpu").device.type == "cpu"
        assert workers.make_accelerator("no", "mps").device == MPS
    finally:
        workers.make_accelerator("no", "cpu")


# ---------------------------------------------------------------------- exact parts
def test_tensors_of_any_nesting_are_sent() -> None:
    one = torch.ones(2)
    words = Candidates([one, one], one)
    back = sent((words, [1, "a"], None), "meta")
    assert isinstance(back[0], Candidates) and back[1:] == ([1, "a"], None)
    assert [t.device.type for t in (*back[0].words, back[0].order)] == ["meta"] * 3


def test_nothing_is_moved_where_there_is_float64() -> None:
    boxes = torch.ones(2)
    assert exact(lambda given: given)(boxes) is boxes and exact(lambda: 7)() == 7


@pytest.mark.parametrize("preset", ["paper", "improved", "torchvision"])
def test_targets_are_those_of_the_cpu(mac: None, preset: str) -> None:
    config = getattr(FCOSConfig, preset)(level_bounds=(0, 16, 32, 64, 128, float("inf")))
    torch.manual_seed(0)
    corner = 200 * torch.rand(2, 70, 2)
    boxes, valid = torch.cat([corner, corner + 1 + 100 * torch.rand(2, 70, 2)], dim=2), torch.rand(2, 70) > 0.2
    sizes = [(-(-320 // s), -(-320 // s)) for s in config.strides]
    here, there = assign(boxes, valid, sizes, config), assign(boxes.to("mps"), valid.to("mps"), sizes, config)
    assert on_mps(there) and torch.equal(here, there.cpu()) and (here >= 0).any()
    packed, played = (
        candidates(boxes, valid, sizes, config),
        candidates(boxes.to("mps"), valid.to("mps"), sizes, config),
    )
    assert all(on_mps(t) for t in (*played.words, played.order))
    assert all(torch.equal(a, b.cpu()) for a, b in zip(packed.words, played.words, strict=True))


def test_nms_is_that_of_the_cpu(mac: None) -> None:
    torch.manual_seed(0)
    corner = 50 * torch.rand(300, 2)
    boxes, scores, labels = torch.cat([corner, corner + 20], dim=1), torch.rand(300), torch.randint(0, 80, (300,))
    kept = class_wise_nms(boxes, scores, labels, 0.5)
    there = class_wise_nms(boxes.to("mps"), scores.to("mps"), labels.to("mps"), 0.5)
    assert on_mps(there) and torch.equal(kept, there.cpu()) and 0 < len(kept) < 300


# ---------------------------------------------------------------------- a step, and detections
def model_of(preset: str) -> FCOS:
    torch.manual_seed(0)
    return FCOS(
        getattr(FCOSConfig, preset)(num_classes=3, min_size=96, max_size=160, **PRESETS[preset]), load_backbone=False
    )


def batch(dtype: torch.dtype = torch.float32) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    torch.manual_seed(1)
    images = [torch.rand(3, 60, 90, dtype=dtype), torch.rand(3, 96, 96, dtype=dtype)]
    boxes = torch.tensor([[2.0, 3.0, 40.0, 50.0], [10.0, 10.0, 30.0, 33.0]])
    return images, [
        {"boxes": boxes, "labels": torch.tensor([0, 2])},
        {"boxes": boxes[:0], "labels": torch.zeros(0).long()},
    ]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_step_is_that_of_the_cpu(mac: None, preset: str) -> None:
    grads: dict[str, list[Tensor]] = {}
    for device in ("cpu", "mps"):
        model = model_of(preset).train().to(device)
        losses = model(*batch())
        assert all(loss.device.type == device for loss in losses.values())
        sum(losses.values()).backward()
        weights = [p for p in model.parameters() if p.requires_grad]
        grads[device] = [loss.detach().cpu() for loss in losses.values()] + [
            p.grad.cpu() for p in weights if p.grad is not None
        ]
    assert len(grads["cpu"]) > 10
    assert all(torch.equal(a, b) for a, b in zip(grads["cpu"], grads["mps"], strict=True))


def test_without_the_way_over_the_cpu_a_step_fails(mac: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "WITHOUT_FLOAT64", frozenset())
    with pytest.raises(TypeError, match="float64"):
        model_of("tiny").train().to("mps")(*batch())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_detections_are_those_of_the_cpu(mac: None, dtype: torch.dtype) -> None:
    model = FCOS.pretrained("bccd")
    images, _ = batch(dtype)
    with torch.no_grad():
        here, there = model(images), model.to("mps")(images)
    for one, other in zip(here, there, strict=True):
        assert all(on_mps(value) for value in other.values())
        assert all(torch.equal(one[name], other[name].cpu()) for name in one)


def test_a_detector_is_loaded_measured_and_used_there(mac: None, tmp_path: Path, capsys: Any) -> None:
    dataset = load("shapes", num_images=2, seed=3, transforms=transforms.eval_transforms())
    model = detectors.load("shapes")
    assert on_mps(next(model.parameters()))
    found = predict(model, dataset, progress=False)
    assert found == predict(detectors.load_for("shapes", dataset, device="cpu"), dataset, progress=False) and found
    pixels = np.asarray((dataset[0][0] * 255).permute(1, 2, 0), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "one.png")
    files = {}
    for device in ("cpu", "mps"):
        out = tmp_path / device
        assert main(["detect", "shapes", str(tmp_path / "one.png"), "--out", str(out), "--device", device]) in (0, None)
        files[device] = (out / "detections.json").read_text("utf-8")
    assert files["cpu"] == files["mps"] and "bbox" in files["cpu"]


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError), one_thread():
            assert torch.get_num_threads() == 1
            raise ZeroDivisionError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
