"""Every private name of another library that the package uses, each with a way that works where the name is gone.

A private name may go with any release. Here each is asked for when it is needed, and if it is not there, something
slower or plainer takes its place: never an error. Used by the model, the trainer and the number formats. Checked
against: the names taken away, one by one. Imports nothing of the package.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn


def being_traced() -> bool:
    """Whether tensors that are made now belong to a graph that is traced, or are fake: they must not be kept.

    Where torch does not tell which mode is active, it could be so at any time: True, and nothing is kept.
    """
    if torch.compiler.is_compiling():
        return True
    modes = getattr(torch.utils, "_python_dispatch", None)
    current = getattr(modes, "_get_current_dispatch_mode", None)
    return current is None or current() is not None


def allow_shapes(count: int) -> None:
    """Let torch.compile translate a function anew for that many shapes of its inputs, if its own limit is lower.

    Where the setting is gone torch's own limit holds (8): other shapes run as they are.
    """
    settings = getattr(getattr(torch, "_dynamo", None), "config", None)
    limit = getattr(settings, "cache_size_limit", None)
    if limit is not None and limit < count:
        settings.cache_size_limit = count  # type: ignore[union-attr]


def sure(condition: Any) -> None:
    """Tell ``torch.export`` what holds of a number that it does not know; outside of a trace it is checked.

    Where torch's function is gone nothing is told, and ``torch.export`` itself refuses a program that needs it.
    """
    check = getattr(torch, "_check", None)
    if check is not None:
        check(condition)


def lerp_all(averages: Sequence[Tensor], values: Sequence[Tensor], weight: float) -> None:
    """Move each average towards its value in place, by ``weight`` of the way: a few kernels for all tensors.

    Where torch's function for many tensors is gone, one kernel for each.
    """
    together: Callable[..., Any] | None = getattr(torch, "_foreach_lerp_", None)
    if together is not None:
        together(averages, values, weight)
        return
    for average, value in zip(averages, values, strict=True):
        average.lerp_(value, weight)


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies in bf16: without, autocast is slower than float32. Not known means no."""
    if hasattr(torch.cpu, "get_capabilities"):  # newer than the oldest torch that we support
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    test = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(test and test())


def forget_precision() -> None:
    """Let the next ``Accelerator`` of this process have a mixed precision of its own: a notebook may train twice.

    Accelerate keeps one state for all accelerators of a process: the ``__dict__`` of each of its states.
    """
    from accelerate.state import AcceleratorState, is_initialized

    if not is_initialized():
        return
    reset = getattr(AcceleratorState, "_reset_state", None)
    if reset is not None:
        reset()
    else:
        vars(AcceleratorState()).clear()


def forget_device(device: str) -> bool:
    """Let the next ``Accelerator`` of this process compute on ``device``, whatever the last one did.

    Accelerate keeps the device of the first one for good. Workers that were started together keep theirs: their process
    group belongs to it.

    Args:
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Returns:
        Whether the next one will be there.
    """
    from accelerate.state import PartialState

    state = PartialState(cpu=device == "cpu")  # as the next one would make it, if there is none yet
    if state.device.type != device and state.num_processes == 1:
        vars(state).clear()  # one dict for all its objects
        state = PartialState(cpu=device == "cpu")
    return state.device.type == device


@contextlib.contextmanager
def prepared(
    accelerator: Any, model: nn.Module, optimizer: torch.optim.Optimizer
) -> Iterator[tuple[nn.Module, Any, Callable[[], contextlib.AbstractContextManager[None]]]]:
    """``accelerator.prepare`` for a while: afterwards the model is as it was before.

    Accelerate writes the forward pass with mixed precision onto the model, and that it has done so
    (``_is_accelerate_prepared``): with it, the same model could not be trained again in another precision. Which names
    it writes is seen here, not known.

    Yields:
        What takes the model's and the optimizer's place in a step; and a context in which the model is as it was
        before, for a while between two steps.
    """
    before = dict(vars(model))
    wrapped = accelerator.prepare(model, optimizer)
    written = [name for name, value in vars(model).items() if name not in before or value is not before[name]]

    def undo() -> None:
        for name in written:
            if name in before:
                vars(model)[name] = before[name]
            else:
                vars(model).pop(name, None)

    @contextlib.contextmanager
    def bare() -> Iterator[None]:
        now = {name: vars(model)[name] for name in written}
        undo()
        try:
            yield
        finally:
            vars(model).update(now)

    try:
        yield *wrapped, bare
    finally:
        undo()
