"""Samples in their order, whoever makes them: this process, or several beside it (Sec. 4, training data).

Used wherever a detector goes through pictures: ``evaluate``, ``detect``, ``tables``. Checked against: the same samples
made without such processes, with warnings, with errors of every kind, and with processes that die.

A sample may be a picture, or what a network has found on it. On a CPU a small network takes three times as long as its
picture does to load, and two threads do not halve its time; a process for each core, each with its own pictures and one
thread, keeps all cores busy (:func:`run_the_network`).

Training has a loader of its own, :mod:`fcos_edu.training.loading`, whose samples have random numbers.

What a loading process says comes out as if it were said here: warnings are raised here, and errors are the very ones.
Samples come through a pipe and not through shared memory, of which a container has 64 MB: where that is full, torch
waits for ever.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import multiprocessing
import os
import pickle
import re
import signal
import threading
import traceback
import warnings
from collections.abc import Generator, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors

from ..devices import free_memory

MOST_BY_DEFAULT = 4  # one network on a CPU, or a card, is hardly ever faster than so many
FEW = 32  # images that are read before processes have begun
ROOM = 3 * 2**30  # bytes free for each process that runs a network where nobody asked for it: ResNet-50 at 800 pixels
_OF_IMAGES = 8  # so many of them at once, that is
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_COMPACT = 4096  # values of a tensor from which it pays to look whether they are those of bytes


class Source(Protocol):
    """What has samples: a dataset in torch's convention."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __getitem__(self, index: int, /) -> Any:
        """One of them."""
        ...


class LoaderDiedError(ChildProcessError):
    """The system has ended a process that loads images, mostly because memory ran out."""


class _ElsewhereError(Exception):
    """The traceback of an error in a loading process, for those who ask for one (``--debug``)."""


class _Said(NamedTuple):
    """A warning of a loading process."""

    text: str
    category: type[Warning]
    file: str
    line: int


class _Loaded(NamedTuple):
    sample: Any
    said: list[_Said]
    error: Exception | None = None
    traceback: str = ""


def usual_workers(images: int, network: torch.device | None = None, together: int = 1) -> int:
    """How many processes load images where nobody says it: a core each but for one, at most four; none for few images.

    The network wants a core too. Where it is on a CPU of up to four cores, each core gets a process that also runs the
    network (:func:`run_the_network`). If the memory has no room for so many, or there are fewer batches, none does.

    Where a process begins from nothing (macOS, Windows) it imports torch first, so there many more images are few. A
    process of a pool may have none of its own.

    Args:
        images: how many there are.
        network: where the network is whose images they are, if it may run in these processes.
        together: how many images the network looks at at once.
    """
    cores, fork = _cores(), _method() == "fork"
    if images < (FEW if fork else 20 * FEW) or multiprocessing.current_process().daemon:
        return 0
    if 1 < cores <= MOST_BY_DEFAULT and run_the_network(cores, network):
        room = cores * ROOM * max(1, together / _OF_IMAGES)
        return cores if free_memory() > room and images > together * (cores - 1) else 0
    return min(cores - 1, MOST_BY_DEFAULT)


def run_the_network(workers: int, network: torch.device | None) -> bool:
    """Whether so many processes run the network too: on a CPU, where they leave it no core of its own.

    Each of them has one thread and pictures of its own, so all cores are busy. A sum may round otherwise on one thread
    than on several: scores differ by some 1e-6 then, as they do between machines.

    They must be able to take the network along, which a process that begins from nothing (macOS, Windows) does not.

    Args:
        workers: processes, 0 for none.
        network: where the network is; None for one that has to stay in this process.
    """
    return network is not None and network.type == "cpu" and _method() == "fork" and workers >= max(2, _cores())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _method() -> str:
    return multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]


def samples(
    source: Source, workers: int | None = 0, indices: Sequence[int] | None = None
) -> Generator[Any, None, None]:
    """``source[i]`` one after the other; with ``workers`` they are loaded while the last ones are worked on.

    Args:
        source: with processes, its samples go through pickle, and what it counts while it is read stays there.
        workers: processes that load; 0 for none, None for :func:`usual_workers`.
        indices: which samples, in this order; None for all.

    Raises:
        ValueError: ``workers`` is negative.
        LoaderDiedError: a process has ended that should not.
        Exception: whatever ``source`` raises.
    """
    if workers is not None and workers < 0:
        raise ValueError(f"workers is {workers}; it must be 0 or more")
    order = range(len(source)) if indices is None else indices
    workers = usual_workers(len(order)) if workers is None else min(workers, len(order))
    if not workers:
        for index in order:
            yield source[index]
        return
    loader: DataLoader[bytes] = DataLoader(
        _Elsewhere(source), batch_size=None, sampler=order, num_workers=workers,
        collate_fn=_as_it_is,  # type: ignore[arg-type]  # without batches it gets what the source gives
        worker_init_fn=_begin,
        generator=torch.Generator(),  # it would draw from the global one, which nobody asked it to change
    )  # fmt: skip
    told: dict[Any, Any] = {}  # so that a warning which is shown once is shown once
    with deaths_explained(), _forgotten_by_errors():
        for packed in loader:
            loaded = _Loaded(*pickle.loads(packed))
            for said in loaded.said:
                warnings.warn_explicit(said.text, said.category, said.file, said.line, registry=told)
            if loaded.error is not None:
                raise loaded.error from _ElsewhereError(loaded.traceback)
            yield loaded.sample


@contextlib.contextmanager
def deaths_explained() -> Iterator[None]:
    """Around :func:`samples` and all that is done with them, as torch tells of a death wherever this process is.

    Raises:
        LoaderDiedError: a process has ended that should not.
    """
    try:
        yield
    except RuntimeError as error:
        found = re.match(r"DataLoader worker \(pid\S* [\d, ]+\) (\w[^.]*)", str(error))
        if found is None:
            raise
        raise LoaderDiedError(
            f"a process that loads images {found[1].strip()}, as where memory runs out: load with fewer (--workers 0)"
        ) from error


@contextlib.contextmanager
def _forgotten_by_errors() -> Iterator[None]:
    """An error out of torch's loader, as of Ctrl-C, keeps it, and its processes, as long as somebody has the error."""
    try:
        yield
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)
        raise


class _Elsewhere(Dataset[bytes]):
    """The source in a loading process: a sample, packed, with what was said while it was loaded."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __getitem__(self, index: int) -> bytes:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")  # which of them are shown is decided where they are heard
            try:
                loaded = _Loaded(self.source[index], [])
            except Exception as error:
                loaded = _Loaded(None, [], _travelling(error), traceback.format_exc())
        said = [_Said(str(w.message), w.category, w.filename, w.lineno) for w in heard]
        return _packed(loaded._replace(said=said))


def _as_it_is(packed: bytes) -> bytes:
    return packed


def _begin(_: int) -> None:
    """What a loading process does first."""
    _keep_freed_memory()
    _live_as_long_as_the_first()


def _keep_freed_memory() -> None:
    """The pages of one picture are used for the next one; glibc gives them back to the system, to ask for new ones.

    That took up to a tenth of the time of a process that loads pictures and runs a network. See ``man 3 mallopt``;
    other C libraries have no such function, or ignore these options.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, 2**29)
        mallopt(_M_MMAP_THRESHOLD, 2**25)  # the most that glibc takes


def _live_as_long_as_the_first() -> None:
    """Ctrl-C reaches all processes of a terminal: what it ends here, the first one decides.

    Where that one is ended (SIGTERM, SIGKILL), so is this. torch looks for it only between two samples; one that does
    not fit into a pipe which nobody reads any more would be waited with for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    first = multiprocessing.parent_process()
    assert first is not None

    def follow() -> None:
        first.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _travelling(error: Exception) -> Exception:
    """The error, or, where pickle cannot make it anew, one that says the same."""
    try:
        again = pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error if isinstance(again, type(error)) else RuntimeError(f"{type(error).__name__}: {error}")


class _Packer(pickle.Pickler):
    """Plain tensors as the bytes of arrays, several times faster than what torch makes of them in a pickle.

    A picture of floats that were bytes travels as bytes: a quarter of the way through the pipe, and not a bit is lost.
    """

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if kind not in (Tensor, tv_tensors.Image) or value.device.type != "cpu" or value.requires_grad:
            return NotImplemented
        if not _has_array(value):
            return NotImplemented
        value = value.as_subclass(Tensor)
        if value.dtype is torch.float32 and value.numel() >= _COMPACT:
            as_bytes = (value * 255).round_().to(torch.uint8)  # what does not fit in comes out as something else
            if torch.equal(_floats(as_bytes).view(torch.int32), value.view(torch.int32)):  # -0.0 is no 0.0
                return _floats, (as_bytes.contiguous().numpy(), kind)
        return _as_they_are, (value.contiguous().numpy(), kind)


def _floats(pixels: Tensor | NDArray[np.uint8], kind: type[Tensor] = Tensor) -> Tensor:
    """Bytes as floats in 0..1, to the bit as torchvision's ``ToDtype(scale=True)`` makes them."""
    return torch.as_tensor(pixels).to(torch.float32).mul_(1 / 255).as_subclass(kind)


def _as_they_are(values: NDArray[Any], kind: type[Tensor]) -> Tensor:
    return torch.from_numpy(values).as_subclass(kind)


def _has_array(value: Tensor) -> bool:
    return value.layout is torch.strided and value.dtype is not torch.bfloat16 and not value.is_quantized


def _packed(loaded: _Loaded) -> bytes:
    stream = io.BytesIO()
    _Packer(stream, protocol=5).dump(tuple(loaded))
    return stream.getvalue()


__all__ = ["LoaderDiedError", "deaths_explained", "run_the_network", "samples", "usual_workers"]
