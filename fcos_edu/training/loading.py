"""Batches for training: the same images in the same order, whoever loads them and wherever a run was cut off.

Taught in the chapter *Training*. Checked against: runs that were cut off, several workers against one, and the sizes of
real batches.

Order and augmentation have no state that could be lost. Which image comes at place n of the stream, and with which
random numbers it is changed, follows from the seed and n alone. So a run that goes on at step k needs nothing but k,
the number of loading processes changes nothing, and two workers see together what one worker would see.
"""

from __future__ import annotations

import copy
import errno
import multiprocessing
import os
import random
import re
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from .. import data
from ..data import CorruptImageError
from ..data.combined import CachedDataset
from ..data.imagefolder import is_hugging_face
from ..data.wrapped import classes_of
from ..images import as_xyxy, check_images, check_targets
from ..settings import ConfigError, Message, setting
from ..text import counted, printable
from .config import TrainConfig

SHARED_MEMORY = "/dev/shm"
Key = tuple[int, int]  # place in the stream, index of the image


class Batch(NamedTuple):
    """What one worker gets for one pass."""

    images: list[Tensor]  # float (3, H, W) in 0..1
    targets: list[dict[str, Tensor]]  # boxes (M, 4), labels (M,)
    image_ids: list[int]
    skipped: int  # corrupt images that others took the place of
    canvas: tuple[int, int] | None = None  # height and width, where it is a part of a pass: that of all its images


class Failure(NamedTuple):
    """What went wrong in a loading process. torch would build the error anew, with a traceback in its text."""

    error: Exception


class LoaderKilledError(ChildProcessError):
    """The system has ended a process that loads images, mostly because memory ran out; the run's state is saved."""


def whole(batch: Batch | Failure) -> Batch:
    """The batch; an error that came in its place is raised."""
    if isinstance(batch, Failure):
        raise batch.error
    return batch


def killed_loader(error: BaseException, step: int) -> LoaderKilledError | None:
    """What to say where ``error`` is torch's, of a loading process that has ended; None where it is another."""
    found = re.search(r"DataLoader worker \(pid\S* [\d, ]+\) (.*)", str(error))
    if found is None:
        return None
    how = found[1].split(". ")[0].rstrip(". ")
    return LoaderKilledError(
        f"a process that loads images {how}, as where memory runs out. The state after step {step} is saved: resume "
        "the run, with fewer such processes if it happens again (--set workers=1 --allow-changes)"
    )


def make_dataset(config: TrainConfig, given: Any = None) -> data.DetectionDataset:
    """The training set with its transforms; resized images stay in memory where ``cache`` says so.

    Args:
        config: names the data.
        given: the data set itself, of torchvision's detection convention; its own transforms come first. They may draw
            anew each time, so that nothing of somebody's data set stays in memory.
    """
    sizes = config.train_sizes or (config.model.min_size,)
    dataset = _read(config) if given is None else _plain(given)
    cache = config.cache and not isinstance(dataset, data.WrappedDataset)
    transforms = data.transforms.train_transforms(
        None if cache and len(sizes) == 1 else sizes,
        config.model.max_size,
        augment=config.augment,
        vertical_flip=config.vertical_flip,
        scale=(config.zoom[0], config.zoom[1]) if config.zoom else None,
    )
    if cache:
        prepare = data.transforms.resize(max(sizes), config.model.max_size)
        return data.cached(dataset, prepare=prepare, transforms=transforms)
    dataset.transforms = transforms
    return dataset


def _plain(given: Any, like: data.DetectionDataset | None = None) -> data.DetectionDataset:
    """A data set that somebody has made, as one of ours without transforms; theirs belong to what it reads.

    Its labels mean what those of ``like`` mean, if that was made by somebody too.
    """
    if isinstance(given, data.DetectionDataset):
        return copy.copy(given) if given.transforms is None else data.WrappedDataset(given, first_label=0)
    if is_hugging_face(given):
        if like is None:
            return data.as_dataset(given, split="train")
        return data.as_dataset(given, like.classes, split="val")
    like = like.dataset if isinstance(like, CachedDataset) else like
    if not isinstance(like, data.WrappedDataset):
        return data.WrappedDataset(given)
    names = like.classes if classes_of(given) is None else None
    return data.WrappedDataset(given, names, first_label=like.first_label)


def named(config: TrainConfig, dataset: Any, test: Any) -> TrainConfig:
    """The configuration of a run on data sets that are given themselves: it has their types in the place of names."""
    changes: dict[str, Any] = {}
    if dataset is not None:
        changes = {"data": type(dataset).__name__, "split": "given", "test_data": "", "test_split": ""}
    if test is not None:
        changes |= {"test_data": type(test).__name__, "test_split": config.test_split or "given"}
    return config.replace(**changes)


def _read(config: TrainConfig) -> data.DetectionDataset:
    keep_empty = config.keep_empty or None  # otherwise as the split has it
    return data.load(config.data, config.split, keep_empty=keep_empty, **config.reading)


class Seen(NamedTuple):
    """What :func:`look` saw."""

    images: int
    classes: tuple[str, ...]
    tested: int  # images that are measured


def look(config: TrainConfig) -> Seen:
    """How many images there are, and of which classes. What is odd about them is told when they are trained on.

    Raises:
        FileNotFoundError, ValueError, CorruptImageError, DownloadError: as :func:`fcos_edu.data.loading.load`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = _read(config)
        test = make_test_dataset(config, dataset)
    return Seen(len(dataset), dataset.classes, 0 if test is None else len(test))


def make_test_dataset(
    config: TrainConfig, trained: data.DetectionDataset, given: Any = None
) -> data.DetectionDataset | None:
    """What is measured. Classes are those of the training set by their names, whatever numbers they have.

    Args:
        config: names the data.
        trained: the training set.
        given: the data set itself. Its labels count from what the training set's count from.

    Raises:
        ValueError: boxes of classes that the training set does not have, no such split, or one without boxes.
    """
    if not config.test_split:
        return None
    name = config.test_data or config.data
    test = data.load(name, config.test_split, **config.reading) if given is None else _plain(given, trained)
    test.transforms = data.transforms.eval_transforms()
    if tuple(test.classes) != tuple(trained.classes):
        told = (
            f"{config.test_split} of {name} has the classes {', '.join(test.classes)}, but {config.split} of "
            f"{config.data} has {', '.join(trained.classes)}"
        )
        if not isinstance(test, data.FileDataset):
            raise ValueError(told)
        try:
            test.relabel(trained.classes)
        except ValueError as error:
            raise ValueError(
                f"{told}. {printable(error)}: label such objects for training too, or take these boxes out"
            ) from None
    if test.annotations().ignored.all():  # told now, not after all steps
        raise ValueError(
            f"{config.test_split} of {name} has no box to measure with: name another split (--set test_split=NAME), or "
            "none (--set test_split=)"
        )
    return test


class StepSampler(Sampler[list[Key]]):
    """The places of the stream that one worker loads: for each step, for each of its passes, a list of keys.

    An epoch is a new random order of all images. Its end falls together with the end of a step (the few images that are
    left over wait for another epoch), unless there are fewer images than a step needs.

    Args:
        length: images of the data set.
        config: uses ``batch_size``, ``accumulate``, ``iterations`` and ``seed``.
        wide: for each image whether it is at least as wide as high, to batch such images together; None mixes them.
        start: the first step.
        worker, workers: this worker's number, and how many there are.

    Raises:
        ConfigError: ``batch_size`` that workers and passes cannot share out evenly.
    """

    def __init__(
        self,
        length: int,
        config: TrainConfig,
        *,
        wide: Sequence[bool] | None = None,
        start: int = 0,
        worker: int = 0,
        workers: int = 1,
    ) -> None:
        if config.batch_size % (workers * config.accumulate):
            passes = f" in {counted(config.accumulate, 'passes')}" if config.accumulate > 1 else ""
            raise ConfigError(
                Message(
                    f"{setting('batch_size')} is {config.batch_size}, which {counted(workers, 'workers')}{passes} "
                    "cannot share out "
                    f"evenly; it must be a multiple of {workers * config.accumulate}"
                )
            )
        self.length, self.config, self.wide, self.start = length, config, wide, start
        self.worker, self.workers = worker, workers
        batch = config.batch_size
        self.epoch_length = length // batch * batch if length >= batch else length
        self._order: tuple[int, list[int]] = (-1, [])

    def order(self, epoch: int) -> list[int]:
        """The images of an epoch, in its order; the same for every worker."""
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + epoch)
            images = torch.randperm(self.length, generator=generator).tolist()
            if self.wide is not None:
                images = self._grouped(images, generator)
            self._order = (epoch, images[: self.epoch_length])
        return self._order[1]

    def _grouped(self, images: list[int], generator: torch.Generator) -> list[int]:
        """Batches of wide and of high images in random order, and the rest of both at the end."""
        assert self.wide is not None
        batches, rest, size = [], [], self.config.batch_size
        for kind in (True, False):
            group = [i for i in images if self.wide[i] == kind]
            whole = len(group) // size * size
            batches += [group[k : k + size] for k in range(0, whole, size)]
            rest += group[whole:]
        shuffled = [batches[k] for k in torch.randperm(len(batches), generator=generator).tolist()]
        return [i for batch in [*shuffled, rest] for i in batch]

    def __iter__(self) -> Iterator[list[Key]]:
        """Keys of (place, image): one list for each pass."""
        share = self.config.batch_size // (self.workers * self.config.accumulate)
        for step in range(self.start, self.config.iterations):
            for number in range(self.config.accumulate):
                first = step * self.config.batch_size + (number * self.workers + self.worker) * share
                yield [
                    (place, self.order(place // self.epoch_length)[place % self.epoch_length])
                    for place in range(first, first + share)
                ]


class Stream(Dataset[Any]):
    """A data set asked by place: augmented with random numbers that follow from the place alone.

    A corrupt image that is to be skipped gives its place to the next one that can be read, so that batches stay whole.
    """

    def __init__(self, dataset: data.DetectionDataset, seed: int) -> None:
        self.dataset, self.seed = dataset, seed

    def __getitem__(self, key: Key) -> tuple[Tensor, dict[str, Any], int] | Failure:
        """Image, target, and how many images could not be read; in a loading process an error comes as a result.

        Raises:
            CorruptImageError: as the data set says.
            ValueError: no image can be read.
        """
        try:
            return self._sample(key)
        except (CorruptImageError, OSError, ValueError) as error:
            if get_worker_info() is None:
                raise
            return Failure(error)

    def _sample(self, key: Key) -> tuple[Tensor, dict[str, Any], int]:
        place, index = key
        number = self.seed * 1_000_003 + place
        state = random.getstate()
        try:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(number)  # torch.manual_seed would change a GPU's state too
                random.seed(number)
                for tried in range(len(self.dataset)):
                    sample = self.dataset[(index + tried) % len(self.dataset)]
                    if sample is not None:
                        return *sample, tried
        finally:
            random.setstate(state)
        raise ValueError("the training set gives no image that can be read")


class CheckedCollate:
    """Samples to a :class:`Batch`, checked on the host, where reading values waits for no GPU."""

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes

    def __call__(self, samples: Sequence[tuple[Tensor, dict[str, Any], int] | Failure]) -> Batch | Failure:
        """The batch, or what went wrong in a loading process.

        Raises:
            ValueError: what :func:`check_images` and :func:`check_targets` refuse.
        """
        failed = next((sample for sample in samples if isinstance(sample, Failure)), None)
        if failed is not None:
            return failed
        if get_worker_info() is None:
            return self._join(samples)  # type: ignore[arg-type]
        try:
            return shared(self._join(samples))  # type: ignore[arg-type]
        except (OSError, ValueError) as error:
            return Failure(error)

    def _join(self, samples: Sequence[tuple[Tensor, dict[str, Any], int]]) -> Batch:
        images = [image.as_subclass(Tensor) for image, _, _ in samples]
        targets = [
            {"boxes": as_xyxy(target["boxes"]).as_subclass(Tensor), "labels": target["labels"].as_subclass(Tensor)}
            for _, target, _ in samples
        ]
        check_images(images)
        check_targets(images, targets, self.num_classes)
        ids = [target["image_id"] for _, target, _ in samples]
        return Batch(images, targets, ids, sum(skipped for _, _, skipped in samples))


def shared(batch: Batch) -> Batch:
    """The batch in memory that two processes see, where it would be put on its way to the trainer.

    Here a lack of such memory is an error; on its way it would be a batch that never comes.

    Raises:
        OSError: there is no room for it.
    """
    try:
        for image in batch.images:
            image.share_memory_()
    except RuntimeError as error:
        raise OSError(
            errno.ENOSPC, f"{SHARED_MEMORY} has no room for a batch: give it more (docker run --shm-size=2g) or "
            "load with fewer processes (--set workers=0 --allow-changes)"
        ) from error  # fmt: skip
    return batch


def processes_that_fit(config: TrainConfig, workers: int = 1) -> int:
    """``config.workers``, or as many as the shared memory has room for, with a warning.

    A container has 64 MB unless it is told otherwise, and each process keeps two batches ready. Images do not depend on
    how many processes load them.

    Args:
        config: of the run.
        workers: of the run; all of them may be on this machine.
    """
    if not config.workers or not os.path.isdir(SHARED_MEMORY):
        return config.workers
    system = os.statvfs(SHARED_MEMORY)
    free = system.f_bavail * system.f_frsize
    pixels = max(config.train_sizes or (config.model.min_size,)) * config.model.max_size  # of an image, at most
    batch = config.batch_size // (workers * config.accumulate) * 3 * 4 * pixels
    fit = max(0, int((free / workers / max(batch, 1) - config.accumulate) // 2))
    if fit < config.workers:
        need = (2 * config.workers + config.accumulate) * batch * workers
        warnings.warn(
            Message(  # type: ignore[arg-type]
                f"{SHARED_MEMORY} has {free / 1e6:.0f} MB free, and {setting('workers', config.workers)} may need "
                f"{need / 1e6:.0f} MB: images are loaded {f'by {fit} of them' if fit else 'between the steps'}. In "
                "Docker --shm-size gives more"
            ),
            stacklevel=2,
        )
    return min(fit, config.workers)


def make_loader(
    dataset: data.DetectionDataset, config: TrainConfig, *, start: int = 0, worker: int = 0, workers: int = 1
) -> DataLoader[Any]:
    """Batches from step ``start`` to the last, ``accumulate`` of them for each step.

    Args:
        dataset: from :func:`make_dataset`.
        config: with the number of classes of the data set.
        start, worker, workers: as for :class:`StepSampler`.
    """
    wide = None
    if config.group_aspect:
        sizes = {image["id"]: image for image in dataset.ground_truth()["images"]}
        wide = [sizes[i]["width"] >= sizes[i]["height"] for i in dataset.image_ids]
    sampler = StepSampler(len(dataset), config, wide=wide, start=start, worker=worker, workers=workers)
    return DataLoader(
        Stream(dataset, config.seed), batch_sampler=sampler, num_workers=processes_that_fit(config, workers),
        pin_memory=torch.cuda.is_available(), collate_fn=CheckedCollate(config.model.num_classes),
        worker_init_fn=outlive_signals,
        generator=torch.Generator().manual_seed(config.seed),  # it would draw from the global one, which is restored
    )  # fmt: skip


def outlive_signals(_: int) -> None:
    """In a loading process: leave the signals that all processes of a run get to the trainer.

    It needs the images of its last step. SIGTERM from the trainer itself, which ends its loaders so, still counts.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if not hasattr(signal, "sigwaitinfo") or parent is None:  # macOS, Windows
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def obey() -> None:
        while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent.pid:
            pass
        os._exit(0)

    threading.Thread(target=obey, daemon=True).start()
