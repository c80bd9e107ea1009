"""Samples from loading processes: the very ones, with what was said, and with errors as they were."""

import math
import multiprocessing
import os
import platform
import signal
import threading
import time
import warnings

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision import tv_tensors
from torchvision.transforms import v2

from fcos_edu.data import CorruptImageError, processes
from fcos_edu.data.processes import LoaderDiedError, run_the_network, samples, usual_workers


class OddError(Exception):
    """Pickle cannot make it anew."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


class Source:
    """What a dataset may give, raise and say."""

    def __init__(self, count=6):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index == 90:
            raise CorruptImageError("a\nb.jpg", "cut off")
        if index == 91:
            raise OddError("one", "two")
        if index == 92:
            os.kill(os.getpid(), signal.SIGKILL)
        if index == 93:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
        if index % 2:
            warnings.warn(f"{index} is odd", UserWarning, stacklevel=1)
        if index == 4:
            return None
        boxes = tv_tensors.BoundingBoxes(torch.full((2, 4), index), format="XYXY", canvas_size=(9, 9))
        image = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(index))
        return image, {"boxes": boxes, "half": image.bfloat16(), "view": image.permute(2, 0, 1), "id": index}


def test_samples_are_the_same_in_the_same_order_and_what_is_said_is_heard_here():
    order = [3, 0, 5, 4, 1, 1, 2]
    heard = []
    found = []
    for workers in (0, 2):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found.append(list(samples(Source(), workers, order)))
        heard.append([(str(w.message), w.category, w.filename, w.lineno) for w in told if "odd" in str(w.message)])
    assert heard[0] == heard[1] and [text for text, *_ in heard[0]] == [f"{n} is odd" for n in (3, 5, 1, 1)]
    for plain, loaded in zip(*found, strict=True):
        assert (plain is None) == (loaded is None)
        if plain is None:
            continue
        assert torch.equal(plain[0], loaded[0]) and type(loaded[0]) is torch.Tensor
        loaded[0].add_(1)  # it can be written into
        for key in ("boxes", "half", "view"):
            assert torch.equal(plain[1][key], loaded[1][key]) and type(plain[1][key]) is type(loaded[1][key])
        assert plain[1]["id"] == loaded[1]["id"] and loaded[1]["boxes"].canvas_size == (9, 9)
    assert found[1][3] is None


def test_an_error_comes_out_as_it_was_and_no_process_is_left():
    for workers in (0, 1):
        with pytest.raises(CorruptImageError) as caught:
            list(samples(Source(), workers, [0, 90, 1]))
        assert str(caught.value.path) == "a\nb.jpg" and caught.value.reason == "cut off"
    assert "in __getitem__" in str(caught.value.__cause__)
    del caught
    with pytest.raises(RuntimeError, match="OddError: one and two"):
        list(samples(Source(), 1, [91]))
    assert not multiprocessing.active_children()


def test_a_process_that_is_ended_is_told_and_an_interruption_is_the_first_ones_matter():
    with pytest.raises(LoaderDiedError, match=r"a process that loads images .*--workers 0"):
        list(samples(Source(), 1, [0, 92, 1]))
    assert [sample[1]["id"] for sample in samples(Source(100), 1, [93, 0])] == [93, 0]


class Slow(Source):
    def __getitem__(self, index):
        if index == 1:
            time.sleep(3)
        return super().__getitem__(index)


@pytest.fixture
def interruptible():
    """A shell without job control starts what it puts into the background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_while_somebody_holds_on_to_what_has_ended_them(number, interruptible):
    """As a notebook holds on to its last error."""
    loaded = samples(Slow(), 2, [0, 1, 2, 3])
    next(loaded)
    pid = os.getpid() if number == signal.SIGINT else multiprocessing.active_children()[-1].pid
    ending = threading.Timer(0.5, os.kill, (pid, number))
    ending.start()
    with pytest.raises((KeyboardInterrupt, LoaderDiedError)) as held:
        list(loaded)
    assert held and not multiprocessing.active_children()


class Large(Source):
    """Samples that do not fit into a pipe."""

    def __getitem__(self, index):
        return torch.rand(10**6)


def take_one_and_wait(workers, told):
    loaded = samples(Large(), workers)
    next(loaded)
    told.send([child.pid for child in multiprocessing.active_children()])
    time.sleep(60)


@pytest.mark.parametrize("workers", [1, 2])
def test_no_process_outlives_one_that_is_killed(workers):
    heard, told = multiprocessing.Pipe(duplex=False)
    first = multiprocessing.Process(target=take_one_and_wait, args=(workers, told))
    first.start()
    children = [psutil.Process(pid) for pid in heard.recv()]
    first.kill()
    first.join()
    left = psutil.wait_procs(children, timeout=20)[1]
    for child in left:
        child.kill()
    assert len(children) == workers and not left


class Hungry(Source):
    """Samples that say how many pages the system had to give for 224 MB that are used and freed."""

    def __getitem__(self, index):
        import resource  # Windows has none

        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        _ = [torch.ones(7 * 10**6) for _ in range(8)]
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the option is glibc's")
def test_memory_that_one_sample_has_freed_serves_the_next_one():
    pages = list(samples(Hungry(), 1, range(24)))  # those of the first process are copied when they are first used
    assert np.median(pages[8:]) < 1000, pages  # of 4 KiB: 55,000 are needed


def test_random_numbers_of_the_caller_stay():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    list(samples(Source(), 1))
    assert torch.equal(torch.get_rng_state(), before)


def on_cores(monkeypatch, cores, method="fork"):
    monkeypatch.setattr(processes.multiprocessing, "get_start_method", lambda allow_none: method)
    monkeypatch.setattr(processes.os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)


def test_how_many_processes_where_nobody_says_it(monkeypatch):
    for cores, images, expected in ((1, 10**6, 0), (2, 31, 0), (2, 32, 1), (64, 10**6, 4)):
        on_cores(monkeypatch, cores)
        assert usual_workers(images) == expected
    on_cores(monkeypatch, 64, "spawn")
    assert (usual_workers(100), usual_workers(1000)) == (0, 4)
    assert len(list(samples(Source(), None))) == 6  # few
    with pytest.raises(ValueError, match="workers is -1; it must be 0 or more"):
        list(samples(Source(), -1))


def count_in_a_pool(_):
    return len(list(samples(Source(60), None)))


def test_a_process_of_a_pool_that_may_have_none_of_its_own_loads_by_itself(monkeypatch):
    on_cores(monkeypatch, 4)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.map(count_in_a_pool, [0]) == [60]


def test_where_the_network_is_run_by_the_processes(monkeypatch):
    cpu = torch.device("cpu")
    for cores, workers, network, expected in (
        (2, 2, cpu, True), (2, 3, cpu, True), (2, 1, cpu, False), (2, 0, cpu, False), (1, 1, cpu, False),
        (1, 2, cpu, True), (8, 4, cpu, False), (8, 8, cpu, True), (2, 2, None, False),
        (2, 2, torch.device("cuda"), False), (2, 2, torch.device("mps"), False),
    ):  # fmt: skip
        on_cores(monkeypatch, cores)
        assert run_the_network(workers, network) == expected
    for method in ("spawn", "forkserver"):
        on_cores(monkeypatch, 2, method)
        assert not run_the_network(2, cpu) and usual_workers(1000, cpu) == 1


def test_the_network_is_run_by_a_process_for_each_of_few_cores_if_they_have_room(monkeypatch):
    free, cpu = [7 * 2**30], torch.device("cpu")
    monkeypatch.setattr(processes, "free_memory", lambda: free[0])
    for cores, images, expected in ((1, 100, 0), (2, 31, 0), (2, 32, 2), (4, 32, 0), (8, 100, 4)):
        on_cores(monkeypatch, cores)
        assert usual_workers(images, cpu) == expected
    on_cores(monkeypatch, 4)
    assert usual_workers(100, torch.device("cuda")) == 3
    free[0] *= 2
    assert usual_workers(100, cpu) == 4
    on_cores(monkeypatch, 2)
    assert (usual_workers(100, cpu, 16), usual_workers(100, cpu, 24)) == (2, 0)  # images at once
    free[0] *= 100
    assert (usual_workers(33, cpu, 32), usual_workers(33, cpu, 33)) == (2, 0)  # batches


ODD = [None, -0.0, math.nan, math.inf, -1.0, 1.0, 1.5, 0.5, 1e-9, 256 / 255]


@given(st.sampled_from([1, 4095, 30000]), st.sampled_from([torch.Tensor, tv_tensors.Image]), st.sampled_from(ODD))
def test_pictures_of_bytes_travel_as_bytes_and_all_others_as_they_are(size, kind, odd):
    pixels = torch.from_numpy(np.random.default_rng(size).integers(0, 256, (3, size), dtype=np.uint8))
    value = v2.functional.to_dtype(tv_tensors.Image(pixels), torch.float32, scale=True).as_subclass(kind)
    if odd is not None:
        value[0, 0] = odd
    packed = processes._packed(processes._Loaded(value, []))
    again = processes._Loaded(*processes.pickle.loads(packed)).sample
    assert type(again) is kind
    assert torch.equal(again.view(torch.int32), value.view(torch.int32))  # to the bit
    of_bytes = odd in (None, 1.0) and size > 4000
    assert (len(packed) < 3 * size + 500) == of_bytes or size == 1


@given(st.sampled_from([torch.uint8, torch.int64, torch.float32, torch.float64, torch.bool, torch.bfloat16]),
       st.lists(st.integers(0, 3), max_size=4))  # fmt: skip
def test_packing_loses_no_bit(dtype, shape):
    value = torch.from_numpy(np.random.default_rng(0).integers(0, 2, shape)).to(dtype)
    loaded = processes._Loaded(value, [])
    again = processes._Loaded(*processes.pickle.loads(processes._packed(loaded))).sample
    assert again.dtype == dtype and torch.equal(again, value)
