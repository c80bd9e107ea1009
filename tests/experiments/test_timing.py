"""Parts are what lies between marks, sides take turns, medians count. Clocks and events move as the test says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from fcos_edu.experiments import timing
from fcos_edu.experiments.timing import Stopwatch, alternate, compare, peak_tflops


class Clock:
    """Stands still until somebody works."""

    def __init__(self) -> None:
        self.now = 0.0

    def work(self, milliseconds: float) -> None:
        self.now += milliseconds / 1000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: made.now))
    return made


class Gpu:
    """A queue that the host fills without waiting: an event's time is when the GPU comes to it."""

    def __init__(self) -> None:
        self.done = 0.0
        self.waits = 0
        self.resting = 100_000_000
        self.most = 0

    def work(self, milliseconds: float) -> None:
        self.done += milliseconds

    def synchronize(self) -> None:
        self.waits += 1

    def reset_peak_memory_stats(self) -> None:
        self.most = self.resting

    def memory_allocated(self) -> int:
        return self.resting

    def max_memory_allocated(self) -> int:
        return self.most

    def get_device_name(self) -> str:
        return "NVIDIA H200"

    def Event(self, enable_timing: bool) -> Any:
        assert enable_timing
        gpu = self

        class Event:
            def record(self) -> None:
                self.at = gpu.done

            def elapsed_time(self, later: Event) -> float:
                assert gpu.waits, "read before the GPU has come to it"
                return later.at - self.at

        return Event()


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    made = Gpu()
    monkeypatch.setattr(timing, "torch", SimpleNamespace(cuda=made))
    return made


# ------------------------------------------------------------------ the stopwatch
def test_parts_are_what_lies_between_marks(clock: Clock) -> None:
    watch = Stopwatch("cpu")
    watch.mark("forgotten")
    clock.work(50)
    watch.start()
    for _ in range(2):  # parts of the same name add up
        clock.work(3)
        watch.mark("forward")
        clock.work(4)
        watch.mark("backward")
    clock.work(9)  # behind the last mark
    assert watch.read() == pytest.approx({"forward": 6, "backward": 8})


def test_a_method_marks_when_it_returns(clock: Clock) -> None:
    class Model(torch.nn.Module):
        def forward(self, x: int, *, double: bool) -> int:
            clock.work(x)
            return 2 * x if double else x

    model, watch = Model(), Stopwatch("cpu")
    watch.mark_after(model, "forward", "forward")
    watch.start()
    assert model(7, double=True) == 14  # through __call__, as models are called
    assert watch.read() == pytest.approx({"forward": 7})


def test_on_a_gpu_only_reading_waits(gpu: Gpu) -> None:
    watch = Stopwatch("cuda")
    watch.start()
    gpu.work(5)
    watch.mark("forward")
    assert gpu.waits == 0
    assert watch.read() == {"forward": 5} and gpu.waits == 1


# ------------------------------------------------------------------ turns
def test_turns_alternate_and_the_first_is_not_measured(clock: Clock) -> None:
    calls: list[str] = []
    costs = {"a": iter([100, 1, 2, 9]), "b": iter([100, 5, 4, 3])}

    def side(name: str) -> Any:
        def step() -> None:
            calls.append(name)
            clock.work(next(costs[name]))

        return step

    a, b = alternate((side("a"), side("b")), Stopwatch("cpu"), 3)
    assert calls == ["a", "b"] * 4
    assert a == pytest.approx({"all": 2, "total": 2}) and b == pytest.approx({"all": 4, "total": 4})


def test_a_turn_of_a_gpu_is_ten_steps_that_wait_once(gpu: Gpu) -> None:
    watch = Stopwatch("cuda")

    def step() -> None:
        gpu.work(3)
        watch.mark("forward")
        gpu.work(1)
        gpu.most = gpu.resting + 7_000_000

    (parts,) = alternate((step,), watch, 2, "rest")
    assert parts == pytest.approx({"forward": 3, "rest": 1, "total": 4, "memory": 7})
    assert gpu.waits == 3  # two turns, and the one that is not measured


def test_what_is_compared(gpu: Gpu) -> None:
    watch = Stopwatch("cuda")

    def ours() -> None:
        gpu.work(20)
        watch.mark("forward")
        gpu.most = gpu.resting + 5_000_000

    row = compare(ours, lambda: gpu.work(50), watch, 1, "rest", images=16, flops=989e12 * 0.020 * 0.3)
    assert (row["ours_ms"], row["torchvision_ms"], row["ratio"]) == (20, 50, 0.4)
    assert row["ours"] == {
        "images_per_second": 800.0, "parts_ms": {"forward": 20, "rest": 0}, "peak_memory_mb": 5, "share_of_peak": 0.3,
    }  # fmt: skip
    assert row["torchvision"]["share_of_peak"] == 0.12  # the same work, in more time
    assert set(compare(ours, ours, watch, 1)) == {"ours_ms", "torchvision_ms", "ratio"}


def test_a_cpu_has_no_known_peak_and_no_memory_of_its_own(clock: Clock) -> None:
    row = compare(lambda: clock.work(2), lambda: clock.work(4), Stopwatch("cpu"), 1, images=1, flops=1e9)
    assert row["ours"]["share_of_peak"] is None and row["ours"]["peak_memory_mb"] is None


# ------------------------------------------------------------------ peaks
@pytest.mark.parametrize(
    ("card", "peak"),
    [
        ("Tesla T4", 65), ("Tesla V100-SXM2-16GB", 125), ("NVIDIA A100-SXM4-40GB", 312), ("A100-PCIE-40GB", 312),
        ("NVIDIA A100 80GB PCIe", 312), ("NVIDIA L4", 121), ("NVIDIA A10", 125), ("NVIDIA GeForce RTX 3090", 71),
        ("NVIDIA GeForce RTX 4090", 165), ("NVIDIA H100 80GB HBM3", 989), ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H200", 989),
    ],
)  # fmt: skip
def test_peaks_of_known_cards(card: str, peak: int) -> None:
    assert peak_tflops(card) == peak


@pytest.mark.parametrize(
    "card",
    [
        "NVIDIA L40S", "NVIDIA A10G", "NVIDIA A100-SXM4-40GB MIG 1g.5gb", "NVIDIA H100 NVL", "NVIDIA H200 NVL",
        "NVIDIA GH200 480GB", "NVIDIA GeForce RTX 3090 Ti", "NVIDIA GeForce RTX 4090 D", "Tesla V100-PCIE-16GB", "",
        "NVIDIA T400", "NVIDIA H200 MIG 1g.18gb",
    ],
)  # fmt: skip
def test_relatives_of_known_cards_are_unknown(card: str) -> None:
    assert peak_tflops(card) is None
