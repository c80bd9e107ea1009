"""Several workers as one: they begin together, agree, and measure each image once; and the memory of their GPUs.

Taught in the chapter *Training*. Checked against: two workers against one, and errors that only one of them sees.
Distribution, mixed precision and devices are Accelerate's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, gather_object
from torch import nn

from ..compat import forget_device, forget_precision
from ..data import DetectionDataset
from ..devices import pick_device
from ..evaluation.coco_ap import coco_metrics, predict_seen, truth_of
from ..settings import Message, marked, setting
from ..text import counted
from .config import TrainConfig
from .precision import pick_precision

T = TypeVar("T")


def make_accelerator(precision: str, device: str | None = None) -> Accelerator:
    """This worker's accelerator, in mixed precision where the hardware has one.

    Args:
        precision: as ``TrainConfig.precision``.
        device: as for :func:`~fcos_edu.devices.pick_device`.

    Raises:
        ValueError: no such device here, or these workers were started on another one.
    """
    device = pick_device(device)
    forget_precision()  # a notebook may train twice in one process, with another precision, or on another device
    if not forget_device(device):
        raise ValueError(f"device is {device!r}, but these workers were started on another one; leave it out")
    accelerator = Accelerator(mixed_precision=pick_precision(precision, device), cpu=device == "cpu")
    accelerator.sync_gradients = True  # another accelerator in a notebook may have left it off
    return accelerator


def shared_norms(accelerator: Accelerator, model: nn.Module) -> nn.Module:
    """The model with statistics of batch norms that are learnt from the whole step, where several GPUs share it out.

    The module waits for the GPU in each layer; frozen norms, as in all recipes for COCO and VOC, do not.
    """
    if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    return model


def agreed_step(step: int, folder: object) -> int:
    """The step to go on from, if all workers have found the same.

    Raises:
        FileNotFoundError: they have not. On several machines ``folder`` must be on storage that they share.
    """
    steps = sorted(set(gather_object([step])))
    if len(steps) > 1:
        raise FileNotFoundError(
            f"{folder}: workers see checkpoints of the steps {steps}; all machines must see the same folder"
        )
    return step


def first_on_each_machine(accelerator: Accelerator, make: Callable[[], T]) -> T:
    """``make()`` in one worker of each machine, which fetches what is missing, and then in the others.

    An error waits for the others, so that each can say it.
    """
    made: T | Exception
    with accelerator.local_main_process_first():
        try:
            made = make()
        except Exception as error:
            made = error
    if isinstance(made, Exception):
        raise made
    return made


def on_main(accelerator: Accelerator, act: Callable[[], object]) -> None:
    """``act()`` in the main process alone; what goes wrong there is raised in every worker.

    Raises:
        OSError: what ``act`` raises, or its text.
    """
    failed: OSError | None = None
    if accelerator.is_main_process:
        try:
            act()
        except OSError as error:
            failed = error
    told = next(filter(None, gather_object([str(failed) if failed else ""])), None)
    if failed or told:
        raise failed or OSError(told)


def evaluate_shared(
    accelerator: Accelerator, model: nn.Module, dataset: DetectionDataset, *, progress: bool = True
) -> dict[str, float | None]:
    """COCO's twelve numbers; each worker takes every n-th image, so that each image is detected exactly once.

    Raises:
        EvaluationError: no boxes in the ground truth.
    """
    worker, workers = accelerator.process_index, accelerator.num_processes
    if workers > 1:  # batch norm statistics differ between workers
        model.load_state_dict(broadcast(model.state_dict()))
    shown = progress and accelerator.is_main_process
    own, own_images = predict_seen(model, dataset, indices=range(worker, len(dataset), workers), progress=shown)
    found, seen = gather_object(own), gather_object(own_images)
    place = {image: number for number, image in enumerate(dataset.image_ids)}
    found.sort(key=lambda result: place[result["image_id"]])  # as one worker would have found them
    return coco_metrics(truth_of(dataset, seen), found)


class OutOfMemoryError(RuntimeError):
    """The memory of the GPU or of the machine does not suffice; the message says what to lower."""


def exhausted(error: BaseException) -> str | None:
    """Which memory ran out, ``"GPU"`` or ``"main"``; None where the error is another one.

    Of main memory torch says so in the text of a RuntimeError alone.
    """
    if isinstance(error, torch.OutOfMemoryError):
        return "GPU"
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)):
        return "main"
    return None


@contextlib.contextmanager
def explained(message: str) -> Iterator[None]:
    """Where memory runs out, say this."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        kind = exhausted(error)
        if kind is None:
            raise
        raise OutOfMemoryError(Message(f"out of {kind} memory {marked(message)}")) from error


def out_of_memory(config: TrainConfig, workers: int) -> str:
    """What to say when memory does not suffice."""
    each = config.batch_size // (workers * config.accumulate)
    size = config.model
    halves = (
        f"set {setting('accumulate', 2 * config.accumulate)} (the same step in half the memory), or "
        if each % 2 == 0
        else ""
    )
    fewer = f"{setting('batch_size')} ({config.batch_size}) or " if each > 1 else ""
    return Message(
        f"with {counted(each, 'images')} of {size.min_size}/{size.max_size} pixels at once: {halves}lower {fewer}"
        f"{setting('model.max_size')} ({size.max_size}); to go on with this run, allow the change of its configuration"
    )
