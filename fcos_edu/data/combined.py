"""Data sets made of others: several joined to one, and one that stays in memory (Sec. 4, training data).

Taught in the chapter *Your own boxes*. Checked against the data sets they are made of.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from .annotations import Annotations, join
from .dataset import DetectionDataset, Sample, Transforms


class JoinedDataset(DetectionDataset):
    """Several data sets of the same classes, one after the other, with image ids of its own from 1 on.

    Raises ValueError for data sets of different classes.
    """

    def __init__(self, datasets: Sequence[DetectionDataset], *, transforms: Transforms | None = None) -> None:
        first = datasets[0]
        for other in datasets[1:]:
            if other.classes != first.classes:
                raise ValueError(
                    f"data sets to be joined have the classes {', '.join(first.classes)} and {', '.join(other.classes)}"
                )
        self.datasets = list(datasets)
        self.places = [(which, i) for which, dataset in enumerate(datasets) for i in range(len(dataset))]
        super().__init__(
            first.classes,
            category_ids=first.category_ids,
            image_ids=range(1, len(self.places) + 1),
            transforms=transforms,
        )

    @property
    def warning_counts(self) -> dict[str, int]:
        """What all of them have left out."""
        total: Counter[str] = Counter()
        for dataset in self.datasets:
            total.update(dataset.warning_counts)
        return dict(total)

    def read(self, index: int) -> Sample | None:
        """The sample of the data set it belongs to, under its number here."""
        which, i = self.places[index]
        sample = self.datasets[which].read(i)
        return None if sample is None else (sample[0], {**sample[1], "image_id": self.image_ids[index]})

    def file_name(self, index: int) -> str:
        """Name as the annotation has it; two data sets may share one."""
        which, i = self.places[index]
        return self.datasets[which].file_name(i)

    def summary(self) -> dict[str, Any]:
        """Number of images, and a digest of the data sets' own."""
        parts = [dataset.summary()["digest"] for dataset in self.datasets]
        return {"images": len(self), "digest": hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]}

    def annotations(self) -> Annotations:
        """Of all of them, under the image ids of this data set."""
        return join([dataset.annotations() for dataset in self.datasets], "joined data sets", renumber=True)


class CachedDataset(DetectionDataset):
    """A dataset whose decoded samples stay in memory; transforms run anew each time. See `cached`."""

    def __init__(
        self,
        dataset: DetectionDataset,
        *,
        prepare: Transforms | None = None,
        transforms: Transforms | None = None,
    ) -> None:
        super().__init__(
            dataset.classes,
            category_ids=dataset.category_ids,
            image_ids=dataset.image_ids,
            transforms=transforms if transforms is not None else dataset.transforms,
        )
        self.dataset = dataset
        self.prepare = prepare
        self.counts = dataset.counts  # the very same counter: what is skipped later counts here too
        self._samples: list[Sample | None] = [None] * len(dataset)
        self._seen = [False] * len(dataset)

    def read(self, index: int) -> Sample | None:
        """The stored sample; the same tensors each time, so do not write into them."""
        if not self._seen[index]:
            with chance_kept():
                sample = self.dataset.read(index)
                if sample is not None and self.prepare is not None:
                    sample = self.prepare(*sample)
            self._samples[index], self._seen[index] = sample, True
        stored = self._samples[index]
        if stored is None:
            return None
        image, target = stored
        return image, dict(target)  # transforms may change the dict, never the tensors in it

    def fill(self) -> CachedDataset:
        """Read every sample now; do so before a DataLoader starts workers, or each fills its own cache."""
        for index in range(len(self)):
            self.read(index)
        return self

    def file_name(self, index: int) -> str:
        """Name of the file that was read."""
        return self.dataset.file_name(index)

    def summary(self) -> dict[str, Any]:
        """Of the data set that is cached."""
        return self.dataset.summary()

    def annotations(self) -> Annotations:
        """Boxes in original coordinates, whatever `prepare` does."""
        return self.dataset.annotations()

    def ground_truth(self) -> dict[str, Any]:
        """The same in COCO's format."""
        return self.dataset.ground_truth()


@contextlib.contextmanager
def chance_kept() -> Iterator[None]:
    """Whatever is drawn inside, random numbers go on as if nothing had been.

    torchvision draws a size even from a list of one. A picture that is read for the first time would then be augmented
    otherwise than one that is stored, and a run that was resumed, whose cache is empty, otherwise than one in a piece.
    """
    own = random.getstate()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(own)


def cached(
    dataset: DetectionDataset, *, prepare: Transforms | None = None, transforms: Transforms | None = None
) -> CachedDataset:
    """Keep decoded uint8 samples in memory; worth it for small sets, where decoding costs more than a step.

    Args:
        dataset: its own transforms, if it has some, are applied after the cache.
        prepare: a deterministic transform, applied once before a sample is stored, for instance a resize
            (`transforms.resize`). `ground_truth()` stays in original coordinates.
        transforms: random transforms, applied each time; the dataset's own ones if None.
    """
    return CachedDataset(dataset, prepare=prepare, transforms=transforms)
