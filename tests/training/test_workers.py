"""Several workers as one, and the memory of their GPUs."""

import contextlib
import json

import pytest
import torch
from accelerate import Accelerator

from fcos_edu import FCOS
from fcos_edu.training import state, workers
from fcos_edu.training.loop import train
from fcos_edu.training.workers import OutOfMemoryError, exhausted, first_on_each_machine
from tests.training.parts import ALONE, SMALL, TWO, launch, log_of, small


def test_two_workers_fetch_data_once_and_count_together(tmp_path):
    """What the log says of damaged images is of both."""
    launch(ALONE, "damaged", tmp_path / "one")
    launch(TWO, "damaged", tmp_path / "two")
    one, two = ([entry["skipped"] for entry in log_of(tmp_path / name)] for name in ("one", "two"))
    assert one == two and one[-1] > 0


def test_an_error_of_the_data_is_everybodys():
    """If the first worker left the others waiting, they would say that instead."""
    order = []

    class Workers:
        @staticmethod
        @contextlib.contextmanager
        def local_main_process_first():
            order.append("in")
            yield
            order.append("out")

    def missing():
        raise FileNotFoundError("no such folder")

    assert first_on_each_machine(Workers, lambda: 5) == 5
    with pytest.raises(FileNotFoundError, match="no such folder"):
        first_on_each_machine(Workers, missing)
    assert order == ["in", "out"] * 2


def test_two_workers_evaluate_each_image_once(tmp_path):
    """Five images do not divide evenly."""
    launch(ALONE, "evaluate", tmp_path / "one.json")
    launch(TWO, "evaluate", tmp_path / "two.json")
    one, two = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two"))
    assert one == two


def test_out_of_memory_when_measuring_says_that_the_weights_are_saved(tmp_path, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(workers, "predict_seen", full)
    with pytest.raises(OutOfMemoryError, match="the weights are saved.*fcos-edu evaluate .*model.safetensors"):
        train(small(iterations=1, test_split="val"), tmp_path, progress=False)
    assert FCOS.load(tmp_path / "model.safetensors")


@pytest.mark.parametrize("where", ["backward", "WeightAverage"])
def test_out_of_memory_says_what_to_lower(tmp_path, monkeypatch, where):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(state, where, full)
    with pytest.raises(OutOfMemoryError, match="out of GPU memory with 2 images of 64/64.*set accumulate=2"):
        train(small(ema_decay=0.5), tmp_path, progress=False)


def test_main_memory_that_runs_out_is_told_too(tmp_path, monkeypatch):
    def full(*_):
        torch.empty(2**55)  # torch's own error, which is a RuntimeError like any other

    monkeypatch.setattr(state, "backward", full)
    with pytest.raises(OutOfMemoryError, match="out of main memory with 2 images of 64/64.*set accumulate=2"):
        train(small(), tmp_path, progress=False)


def test_which_memory_ran_out():
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**55)
    assert exhausted(error.value) == exhausted(MemoryError()) == "main"
    assert exhausted(torch.OutOfMemoryError("CUDA out of memory")) == "GPU"
    assert exhausted(RuntimeError("shape mismatch")) is None and exhausted(ValueError()) is None


def test_another_accelerator_that_accumulates_does_not_stop_ours(tmp_path):
    net = torch.nn.Linear(1, 1)
    other = Accelerator(cpu=True, gradient_accumulation_steps=4)
    with other.accumulate(other.prepare(net)):
        pass
    assert not other.sync_gradients
    torch.manual_seed(0)
    model = FCOS(SMALL)
    before = model.head.classification.weight.detach().clone()
    train(small(iterations=2), tmp_path, model=model, progress=False)
    assert not torch.equal(model.head.classification.weight, before)


@pytest.mark.parametrize(
    ("device", "message"), [("cuda", "sees no GPU"), ("tpu", "device is 'tpu'; it must be one of")]
)
def test_a_device_that_is_not_there_is_refused(tmp_path, monkeypatch, device, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=message):
        train(small(), tmp_path / "run", progress=False, device=device)
    assert not (tmp_path / "run").exists()


def test_a_run_on_the_cpu_after_one_on_a_gpu(monkeypatch):
    """No GPU is needed to see it: Accelerate only remembers the device of the first."""
    from accelerate.state import PartialState

    workers.make_accelerator("no", "cpu")
    vars(PartialState())["device"] = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert workers.make_accelerator("no", "cpu").device.type == "cpu"
    assert workers.make_accelerator("auto", "cpu").mixed_precision in ("no", "bf16")


def test_workers_go_on_from_the_same_step_or_not_at_all(monkeypatch):
    """Two machines with a folder each would train two models."""
    assert workers.agreed_step(7, "runs/x") == 7
    monkeypatch.setattr(workers, "gather_object", lambda mine: [*mine, 4])
    assert workers.agreed_step(4, "runs/x") == 4
    with pytest.raises(FileNotFoundError, match=r"runs/x: workers see checkpoints of the steps \[4, 7\]"):
        workers.agreed_step(7, "runs/x")
