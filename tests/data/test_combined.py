"""Data sets made of others: joined ones, and the cache."""

from __future__ import annotations

import pytest
import torch

from fcos_edu import data
from fcos_edu.data import transforms
from fcos_edu.data.combined import cached
from fcos_edu.data.shapes import ShapesDataset
from tests.data.test_dataset import of, paths, record

__all__ = ["paths"]  # a fixture


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
    dataset = of(
        [record(p, i) for i, p in enumerate(paths)],
        paths[0].parent,
        on_corrupt="skip",
        transforms=transforms.eval_transforms(),
    )
    kept = cached(dataset)
    assert kept.read(0)[0].dtype == torch.uint8 and kept[0][0].dtype == torch.float32
    with pytest.warns(UserWarning, match="skipped"):
        assert kept[1] is None
    assert kept[1] is None and kept.warning_counts == {"corrupt images": 1}


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


def test_a_summary_tells_data_sets_apart_and_not_their_places(tmp_path) -> None:
    for name, count in (("a", 3), ("b", 3), ("c", 2)):
        data.ShapesDataset(num_images=count, split="train", size=(48, 64)).export_coco(tmp_path / name)
    one, same, fewer = (data.load(tmp_path / name, "train") for name in "abc")
    assert one.summary() == same.summary() == cached(one).summary()
    assert one.summary() == {
        "images": 3, "boxes": len(one.annotations()), "digest": one.annotations().summary()["digest"],
    }  # fmt: skip
    digests = [one.summary()["digest"], fewer.summary()["digest"]]
    digests += [data.load(f"{tmp_path / x}+{tmp_path / y}", "train").summary()["digest"] for x, y in ("ac", "ca")]
    digests += [ShapesDataset(3, **more).summary()["digest"] for more in ({}, {"seed": 1}, {"size": (48, 64)})]
    digests += [ShapesDataset(4).summary()["digest"]]
    assert len(set(digests)) == len(digests)
    assert data.load(f"{tmp_path / 'a'}+{tmp_path / 'c'}", "train").summary()["images"] == 5


def test_a_summary_of_generated_pictures_lays_none_out(monkeypatch) -> None:
    monkeypatch.setattr(ShapesDataset, "shapes", None)
    assert ShapesDataset(3000).summary()["images"] == 3000


def test_data_sets_of_different_classes_are_not_joined(tmp_path) -> None:
    shapes = data.ShapesDataset(num_images=1)
    other = data.ShapesDataset(num_images=1)
    other.classes = ("thing",)
    with pytest.raises(ValueError, match="have the classes disc.* and thing"):
        data.JoinedDataset([shapes, other])
