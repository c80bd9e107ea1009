"""Samples in their order, whoever loads them: this process, or several that do nothing else (Sec. 4, training data).

Used wherever a detector goes through pictures: ``evaluate``, ``detect``, ``tables``. Checked against: the same samples
loaded without such processes, with warnings, with errors of every kind, and with processes that die.

Training has a loader of its own, :mod:`fcos_edu.training.loading`, whose samples have random numbers.

What a loading process says comes out as if it were said here: warnings are raised here, and errors are the very ones.
Samples come through a pipe and not through shared memory, of which a container has 64 MB: where that is full, torch
waits for ever.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import re
import signal
import traceback
import warnings
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

MOST_BY_DEFAULT = 4  # one network on a CPU, or a card, is hardly ever faster than so many
FEW = 32  # images that are read before processes have begun


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


def usual_workers(images: int) -> int:
    """How many processes load images where nobody says it: a core each but for one, at most four; none for few images.

    The network wants a core too.

    Where a process begins from nothing (macOS, Windows) it imports torch first, so there many more images are few.

    Args:
        images: how many there are.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    method = multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]
    few = FEW if method == "fork" else 20 * FEW
    return 0 if images < few else min(cores - 1, MOST_BY_DEFAULT)


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
        worker_init_fn=_outlive_interruptions,
        generator=torch.Generator(),  # it would draw from the global one, which nobody asked it to change
    )  # fmt: skip
    told: dict[Any, Any] = {}  # so that a warning which is shown once is shown once
    try:
        for packed in loader:
            loaded = _Loaded(*pickle.loads(packed))
            for said in loaded.said:
                warnings.warn_explicit(said.text, said.category, said.file, said.line, registry=told)
            if loaded.error is not None:
                raise loaded.error from _ElsewhereError(loaded.traceback)
            yield loaded.sample
    except RuntimeError as error:
        found = re.match(r"DataLoader worker \(pid\S* [\d, ]+\) (\w[^.]*)", str(error))
        if found is None:
            raise
        raise LoaderDiedError(
            f"a process that loads images {found[1].strip()}, as where memory runs out: load with fewer (--workers 0)"
        ) from error


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


def _outlive_interruptions(_: int) -> None:
    """Ctrl-C reaches all processes of a terminal: what it ends here, the first one decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _travelling(error: Exception) -> Exception:
    """The error, or, where pickle cannot make it anew, one that says the same."""
    try:
        again = pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error if isinstance(again, type(error)) else RuntimeError(f"{type(error).__name__}: {error}")


class _Packer(pickle.Pickler):
    """Plain tensors as the bytes of arrays, several times faster than what torch makes of them in a pickle."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is Tensor and value.device.type == "cpu" and not value.requires_grad and _has_array(value):
            return torch.from_numpy, (value.contiguous().numpy(),)
        return NotImplemented


def _has_array(value: Tensor) -> bool:
    return value.layout is torch.strided and value.dtype is not torch.bfloat16 and not value.is_quantized


def _packed(loaded: _Loaded) -> bytes:
    stream = io.BytesIO()
    _Packer(stream, protocol=5).dump(tuple(loaded))
    return stream.getvalue()


__all__ = ["LoaderDiedError", "samples", "usual_workers"]
