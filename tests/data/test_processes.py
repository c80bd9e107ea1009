"""Samples from loading processes: the very ones, with what was said, and with errors as they were."""

import multiprocessing
import os
import signal
import time
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision import tv_tensors

from fcos_edu.data import CorruptImageError, processes
from fcos_edu.data.processes import LoaderDiedError, samples, usual_workers


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


def test_random_numbers_of_the_caller_stay():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    list(samples(Source(), 1))
    assert torch.equal(torch.get_rng_state(), before)


def test_how_many_processes_where_nobody_says_it(monkeypatch):
    monkeypatch.setattr(processes.multiprocessing, "get_start_method", lambda allow_none: "fork")
    for cores, images, expected in ((1, 10**6, 0), (2, 31, 0), (2, 32, 1), (64, 10**6, 4)):
        monkeypatch.setattr(processes.os, "sched_getaffinity", lambda _, n=cores: set(range(n)), raising=False)
        assert usual_workers(images) == expected
    monkeypatch.setattr(processes.multiprocessing, "get_start_method", lambda allow_none: "spawn")
    assert (usual_workers(100), usual_workers(1000)) == (0, 4)
    assert len(list(samples(Source(), None))) == 6  # few
    with pytest.raises(ValueError, match="workers is -1; it must be 0 or more"):
        list(samples(Source(), -1))


@given(st.sampled_from([torch.uint8, torch.int64, torch.float32, torch.float64, torch.bool, torch.bfloat16]),
       st.lists(st.integers(0, 3), max_size=4))  # fmt: skip
def test_packing_loses_no_bit(dtype, shape):
    value = torch.from_numpy(np.random.default_rng(0).integers(0, 2, shape)).to(dtype)
    loaded = processes._Loaded(value, [])
    again = processes._Loaded(*processes.pickle.loads(processes._packed(loaded))).sample
    assert again.dtype == dtype and torch.equal(again, value)
