"""What all datasets share: corrupt files, the cache, collating, counting."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import matplotlib.cbook
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.transforms import v2

from fcos_edu import data
from fcos_edu.data import transforms
from fcos_edu.data.dataset import (
    CorruptImageError,
    FileDataset,
    Record,
    cached,
    collate,
    image_size,
    read_image,
    summary,
)
from fcos_edu.data.shapes import ShapesDataset

PHOTOGRAPH = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)


def record(path, image_id: int = 1, width: int = 40, height: int = 30, boxes=((5, 5, 20, 20),)) -> Record:
    xyxy = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    return Record(
        image_id=image_id,
        file_name=path.name,
        path=path,
        width=width,
        height=height,
        boxes=xyxy,
        labels=np.zeros(len(xyxy), dtype=np.int64),
        ignored=np.zeros(len(xyxy), dtype=np.bool_),
        areas=np.full(len(xyxy), 225.0),
    )


@pytest.fixture
def paths(tmp_path):
    """Three images; the one in the middle is cut off half-way."""
    found = [tmp_path / f"{i}.png" for i in range(3)]
    for i, path in enumerate(found):
        Image.fromarray(np.random.RandomState(i).randint(0, 255, (30, 40, 3)).astype(np.uint8)).save(path)
    found[1].write_bytes(found[1].read_bytes()[:900])
    return found


def test_read_image_of_a_photograph() -> None:
    image = read_image(PHOTOGRAPH)
    with Image.open(PHOTOGRAPH) as picture:
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.array(picture))
        assert image_size(PHOTOGRAPH) == picture.size == (image.shape[2], image.shape[1])
    assert isinstance(image, tv_tensors.Image) and image.dtype == torch.uint8


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_every_kind_of_image_becomes_rgb(tmp_path, mode: str) -> None:
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    Image.new("RGB", (7, 5), (255, 255, 255)).convert(mode).save(path)
    image = read_image(path)
    assert image.shape == (3, 5, 7) and (image == 255).all()


def test_a_jpeg_that_is_cut_off_is_corrupt(tmp_path) -> None:
    whole = Path(PHOTOGRAPH).read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptImageError, match="a.jpg cannot be read as an image .*truncated"):
        read_image(tmp_path / "a.jpg")


def test_a_corrupt_image_is_named(paths) -> None:
    dataset = FileDataset([record(p, i) for i, p in enumerate(paths)], ("a",))
    assert dataset[0] is not None
    with pytest.raises(CorruptImageError, match=r"1\.png") as caught:
        dataset[1]
    assert caught.value.path == paths[1]
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.path == paths[1] and str(again) == str(caught.value)
    with pytest.raises(CorruptImageError, match=r"1\.png"):  # from a process of a loader, too
        list(DataLoader(dataset, batch_size=3, collate_fn=collate, num_workers=1))


def test_a_corrupt_image_can_be_skipped_and_is_counted_once(paths) -> None:
    dataset = FileDataset([record(p, i) for i, p in enumerate(paths)], ("a",), on_corrupt="skip")
    with pytest.warns(UserWarning, match=r"skipped .*1\.png"):
        images, targets = next(iter(DataLoader(dataset, batch_size=3, collate_fn=collate)))
    assert len(images) == 2 and [t["image_id"] for t in targets] == [0, 2]
    assert dataset[1] is None
    assert dataset.warning_counts == {"corrupt images": 1}
    with pytest.raises(ValueError, match="'ignore'; it must be one of error, skip"):
        FileDataset([record(paths[0])], ("a",), on_corrupt="ignore")


def test_missing_files(paths) -> None:
    records = [record(p, i) for i, p in enumerate(paths)]
    paths[2].unlink()
    with pytest.raises(FileNotFoundError, match=r"2\.png.*1 of 3"):
        FileDataset(records, ("a",))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert FileDataset(records, ("a",), on_corrupt="skip")[2] is None


def test_a_photograph_of_another_size_than_annotated(paths) -> None:
    dataset = FileDataset([record(paths[0], width=80, height=60, boxes=[(5, 5, 60, 50), (50, 40, 70, 55)])], ("a",))
    with pytest.warns(UserWarning, match="40×30 pixels.*80×60"):
        _, target = dataset[0]
    assert target["boxes"].tolist() == [[5, 5, 40, 30]]


def test_a_dataset_with_nothing_to_learn_is_refused(paths) -> None:
    with pytest.raises(ValueError, match="none of the 1 images has a usable box"):
        FileDataset([record(paths[0], boxes=())], ("a",), keep_empty=False)
    assert len(FileDataset([record(paths[0], boxes=())], ("a",), keep_empty=True)) == 1


def test_transforms_get_image_and_boxes_together(paths) -> None:
    plain = FileDataset([record(paths[0])], ("a",))
    flipped = FileDataset([record(paths[0])], ("a",), transforms=v2.RandomHorizontalFlip(1.0))
    assert torch.equal(flipped[0][0], plain[0][0].flip(-1))
    assert flipped[0][1]["boxes"].tolist() == [[20, 5, 35, 20]]


class Counting(ShapesDataset):
    reads = 0

    def read(self, index):
        self.reads += 1
        return super().read(index)


def test_cache_reads_once_and_transforms_each_time() -> None:
    source = Counting(3, size=(64, 96))
    kept = cached(source, prepare=transforms.resize(32), transforms=transforms.train_transforms(None, flip=0.5)).fill()
    plain = kept.read(1)
    before = plain[0].clone(), plain[1]["boxes"].clone()
    torch.manual_seed(0)
    seen = [kept[1][0] for _ in range(20)]
    assert source.reads == 3
    assert seen[0].shape == (3, 32, 48) and seen[0].dtype == torch.float32
    assert len({image.numpy().tobytes() for image in seen}) == 2  # as it is, and mirrored
    after = kept.read(1)
    assert torch.equal(after[0], before[0]) and torch.equal(after[1]["boxes"], before[1])
    assert kept.ground_truth() == source.ground_truth()  # original coordinates, in spite of the resize
    assert kept.classes == source.classes and kept.image_ids == source.image_ids
    assert kept.file_name(2) == source.file_name(2)


def test_cache_applies_the_datasets_own_transforms_afterwards(paths) -> None:
    dataset = FileDataset(
        [record(p, i) for i, p in enumerate(paths)],
        ("a",),
        on_corrupt="skip",
        transforms=transforms.eval_transforms(),
    )
    kept = cached(dataset)
    assert kept.read(0)[0].dtype == torch.uint8 and kept[0][0].dtype == torch.float32
    with pytest.warns(UserWarning, match="skipped"):
        assert kept[1] is None
    assert kept[1] is None and kept.warning_counts == {"corrupt images": 1}


def test_collate_keeps_sizes_apart_and_drops_skipped() -> None:
    a, b = ShapesDataset(1, size=(64, 96))[0], ShapesDataset(1, size=(96, 64))[0]
    images, targets = collate([a, None, b])
    assert [tuple(image.shape) for image in images] == [(3, 64, 96), (3, 96, 64)]
    assert targets == [a[1], b[1]]
    assert collate([None]) == ([], [])


def test_summary_counts(paths) -> None:
    records = [
        record(paths[0], 1, boxes=[(0, 0, 10, 10), (0, 0, 20, 20), (0, 0, 0, 5)]),
        record(paths[2], 2, boxes=()),
    ]
    with pytest.warns(UserWarning, match="1 degenerate"):
        counted = summary(FileDataset(records, ("a", "b")))
    assert (counted.images, counted.images_without_boxes, counted.boxes, counted.ignored_boxes) == (
        2,
        1,
        2,
        0,
    )
    assert counted.boxes_per_class == {"a": 2, "b": 0}
    assert counted.boxes_per_image == (0, 1.0, 2)
    assert counted.side_quantiles == (10, 12.5, 15, 17.5, 20)
    assert counted.side_histogram["8–16 px"] == 1 and counted.side_histogram["16–32 px"] == 1
    assert counted.image_sizes == {"40×30": 2}
    assert "1 degenerate boxes" in str(counted) and "2 (1 without boxes)" in str(counted)


# ---------------------------------------------------------------------- joined data sets
def test_joined_data_sets_are_one(tmp_path) -> None:
    for name, count in (("a", 3), ("b", 2)):
        data.ShapesDataset(num_images=count, split="train", size=(48, 64)).export_coco(tmp_path / name)
    one, other = (data.load(tmp_path / name, "train") for name in ("a", "b"))
    joined = data.load(f"{tmp_path / 'a'}+{tmp_path / 'b'}", "train")
    assert len(joined) == 5 and joined.image_ids == [1, 2, 3, 4, 5]
    for index, (source, i) in enumerate([(one, 0), (one, 1), (one, 2), (other, 0), (other, 1)]):
        image, target = joined[index]
        assert torch.equal(image, source[i][0]) and torch.equal(target["boxes"], source[i][1]["boxes"])
        assert target["image_id"] == index + 1
    truth = joined.ground_truth()
    assert [annotation["id"] for annotation in truth["annotations"]] == list(range(1, len(truth["annotations"]) + 1))
    each = [one.ground_truth()["annotations"], other.ground_truth()["annotations"]]
    assert [a["bbox"] for a in truth["annotations"]] == [a["bbox"] for part in each for a in part]
    assert {a["image_id"] for a in truth["annotations"]} == {1, 2, 3, 4, 5}


def test_data_sets_of_different_classes_are_not_joined(tmp_path) -> None:
    shapes = data.ShapesDataset(num_images=1)
    other = data.ShapesDataset(num_images=1)
    other.classes = ("thing",)
    with pytest.raises(ValueError, match="have the classes disc.* and thing"):
        data.JoinedDataset([shapes, other])
