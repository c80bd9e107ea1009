"""What all datasets of files share: corrupt and missing files, what is left out, collating."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from fcos_edu.data.annotations import Annotations, Record
from fcos_edu.data.dataset import CorruptImageError, FileDataset, collate
from fcos_edu.data.shapes import ShapesDataset


def record(path, image_id: int = 1, width: int = 40, height: int = 30, boxes=((5, 5, 20, 20),)) -> Record:
    xyxy = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    labels = np.zeros(len(xyxy))
    return Record(image_id, path.name, width, height, xyxy, labels, ignored=labels, areas=np.full(len(xyxy), 225.0))


def of(records: list[Record], folder: Path, classes: tuple[str, ...] = ("a",), **more: Any) -> FileDataset:
    return FileDataset(Annotations.of(records, classes, name="dataset", folder=folder), **more)


@pytest.fixture
def paths(tmp_path):
    """Three images; the one in the middle is cut off half-way."""
    found = [tmp_path / f"{i}.png" for i in range(3)]
    for i, path in enumerate(found):
        Image.fromarray(np.random.RandomState(i).randint(0, 255, (30, 40, 3)).astype(np.uint8)).save(path)
    found[1].write_bytes(found[1].read_bytes()[:900])
    return found


def test_a_corrupt_image_is_named(paths) -> None:
    dataset = of([record(p, i) for i, p in enumerate(paths)], paths[0].parent)
    assert dataset[0] is not None
    with pytest.raises(CorruptImageError, match=r"1\.png") as caught:
        dataset[1]
    assert caught.value.path == paths[1]
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.path == paths[1] and str(again) == str(caught.value)
    with pytest.raises(CorruptImageError, match=r"1\.png"):  # from a process of a loader, too
        list(DataLoader(dataset, batch_size=3, collate_fn=collate, num_workers=1))


def test_a_corrupt_image_can_be_skipped_and_is_counted_once(paths) -> None:
    dataset = of([record(p, i) for i, p in enumerate(paths)], paths[0].parent, on_corrupt="skip")
    with pytest.warns(UserWarning, match=r"skipped .*1\.png"):
        images, targets = next(iter(DataLoader(dataset, batch_size=3, collate_fn=collate)))
    assert len(images) == 2 and [t["image_id"] for t in targets] == [0, 2]
    assert dataset[1] is None
    assert dataset.warning_counts == {"corrupt images": 1}
    with pytest.raises(ValueError, match="'ignore'; it must be one of error, skip"):
        of([record(paths[0])], paths[0].parent, on_corrupt="ignore")


def test_missing_files(paths) -> None:
    records = [record(p, i) for i, p in enumerate(paths)]
    paths[2].unlink()
    with pytest.raises(FileNotFoundError, match=r"2\.png.*1 of 3"):
        of(records, paths[0].parent)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert of(records, paths[0].parent, on_corrupt="skip")[2] is None


def test_a_photograph_of_another_size_than_annotated(paths) -> None:
    dataset = of([record(paths[0], width=80, height=60, boxes=[(5, 5, 60, 50), (50, 40, 70, 55)])], paths[0].parent)
    with pytest.warns(UserWarning, match="40×30 pixels.*80×60"):
        _, target = dataset[0]
    assert target["boxes"].tolist() == [[5, 5, 40, 30]]


def test_a_dataset_with_nothing_to_learn_is_refused(paths) -> None:
    with pytest.raises(ValueError, match="none of the 1 images has a usable box"):
        of([record(paths[0], boxes=())], paths[0].parent, keep_empty=False)
    assert len(of([record(paths[0], boxes=())], paths[0].parent, keep_empty=True)) == 1


def test_transforms_get_image_and_boxes_together(paths) -> None:
    plain = of([record(paths[0])], paths[0].parent)
    flipped = of([record(paths[0])], paths[0].parent, transforms=v2.RandomHorizontalFlip(1.0))
    assert torch.equal(flipped[0][0], plain[0][0].flip(-1))
    assert flipped[0][1]["boxes"].tolist() == [[20, 5, 35, 20]]


def test_collate_keeps_sizes_apart_and_drops_skipped() -> None:
    a, b = ShapesDataset(1, size=(64, 96))[0], ShapesDataset(1, size=(96, 64))[0]
    images, targets = collate([a, None, b])
    assert [tuple(image.shape) for image in images] == [(3, 64, 96), (3, 96, 64)]
    assert targets == [a[1], b[1]]
    assert collate([None]) == ([], [])
