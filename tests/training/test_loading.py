"""The stream of batches: one order for all workers, nothing that a cut could lose."""

import json
import os
import random
import warnings
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fcos_edu import ConfigError, FCOSConfig, data
from fcos_edu.training import loading
from fcos_edu.training.config import TrainConfig
from fcos_edu.training.loading import CheckedCollate, StepSampler, Stream, make_dataset, make_loader, make_test_dataset
from tests.data.test_wrapped import Counted

SMALL = FCOSConfig.tiny(num_classes=5, min_size=64, max_size=64, fpn_channels=16, num_head_convs=1)


def config(**changes):
    return TrainConfig(data="shapes", iterations=6, batch_size=4, model=SMALL).replace(**changes)


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch):
    monkeypatch.setattr(data.shapes, "DEFAULT_IMAGES", {"train": 10, "val": 4, "test": 4})


# ---------------------------------------------------------------------- order
@given(st.integers(1, 40), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_an_epoch_has_each_image_at_most_once_and_drops_less_than_a_batch(length, epoch):
    order = StepSampler(length, config()).order(epoch)
    assert len(set(order)) == len(order) and set(order) <= set(range(length))
    assert len(order) == (length // 4 * 4 if length >= 4 else length)


def test_epochs_and_seeds_differ_and_repeat_themselves():
    first, again = StepSampler(100, config()), StepSampler(100, config())
    assert first.order(0) == again.order(0) != first.order(1)
    assert first.order(0) == again.order(0)  # asked again, after another epoch
    assert StepSampler(100, config(seed=1)).order(0) != first.order(0)


@pytest.mark.parametrize("changes", [{"augment": "flip"}, {"zoom": (0.8, 1.25)}, {"train_sizes": (48, 64)}])
def test_what_a_place_of_the_stream_gives_does_not_depend_on_what_is_stored(changes):
    """A resumed run begins with an empty cache: reading a picture for the first time must draw nothing."""
    used, fresh = (Stream(make_dataset(config(cache=True, **changes)), 0) for _ in range(2))
    for place in range(20):
        used[place, place % 10]
    for place in (23, 26):
        (image, target, _), (other, same, _) = used[place, place % 10], fresh[place, place % 10]
        assert torch.equal(image, other) and torch.equal(target["boxes"], same["boxes"])


def test_a_data_set_that_draws_by_itself_is_not_frozen():
    class Changing(Counted):
        def __getitem__(self, index):
            image, target = super().__getitem__(index)
            return torch.rand(3, image.height, image.width), target

    stream = Stream(make_dataset(config(cache=True, augment="none"), Changing(0, 2)), 0)
    assert not torch.equal(stream[0, 0][0], stream[1, 0][0]) and torch.equal(stream[0, 0][0], stream[0, 0][0])


@pytest.mark.parametrize(("workers", "accumulate"), [(1, 2), (2, 1), (2, 2), (4, 1)])
def test_workers_and_passes_share_out_what_one_would_see(workers, accumulate):
    alone = list(StepSampler(10, config()))
    shared = [list(StepSampler(10, config(accumulate=accumulate), worker=w, workers=workers)) for w in range(workers)]
    for step, batch in enumerate(alone):
        passes = range(step * accumulate, (step + 1) * accumulate)
        assert [key for number in passes for w in range(workers) for key in shared[w][number]] == batch


def test_a_stream_that_goes_on_is_the_same_stream():
    whole = list(StepSampler(10, config(accumulate=2)))
    assert list(StepSampler(10, config(accumulate=2), start=4)) == whole[8:]


def test_fewer_images_than_a_batch():
    keys = [key for batch in StepSampler(3, config()) for key in batch]
    assert [place for place, _ in keys] == list(range(24))
    assert Counter(image for _, image in keys) == {0: 8, 1: 8, 2: 8}


@given(st.lists(st.booleans(), min_size=4, max_size=60), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_wide_and_high_images_keep_apart(wide, epoch):
    order = StepSampler(len(wide), config(), wide=wide).order(epoch)
    assert len(set(order)) == len(order) == len(wide) // 4 * 4
    kinds = [{wide[i] for i in order[k : k + 4]} for k in range(0, len(order), 4)]
    assert sum(len(kind) == 2 for kind in kinds) <= 1  # at most one batch, of what was left over, is mixed


def test_a_batch_that_cannot_be_shared_out_is_refused():
    with pytest.raises(ConfigError, match="batch_size is 4, which 3 workers cannot share out evenly.*multiple of 3"):
        StepSampler(10, config(), workers=3)
    with pytest.raises(ConfigError, match="2 workers in 4 passes cannot"):
        StepSampler(10, config(accumulate=4), workers=2)


# ---------------------------------------------------------------------- what is loaded
def same(one, other):
    return (
        one.image_ids == other.image_ids
        and all(torch.equal(a, b) for a, b in zip(one.images, other.images, strict=True))
        and all(torch.equal(a["boxes"], b["boxes"]) for a, b in zip(one.targets, other.targets, strict=True))
    )


def test_augmentation_follows_from_the_place_alone():
    changing = config(augment="strong", iterations=4)
    alone = list(make_loader(make_dataset(changing), changing))
    torch.rand(17), random.random()  # whatever was drawn before
    assert all(same(a, b) for a, b in zip(alone, make_loader(make_dataset(changing), changing), strict=True))
    later = list(make_loader(make_dataset(changing), changing, start=2))
    assert all(same(a, b) for a, b in zip(alone[2:], later, strict=True))
    helped = changing.replace(workers=2)
    assert all(same(a, b) for a, b in zip(alone, make_loader(make_dataset(helped), helped), strict=True))


def test_the_same_image_looks_different_another_time():
    stream = Stream(make_dataset(config(augment="strong")), seed=0)
    assert not torch.equal(stream[0, 3][0], stream[1, 3][0])
    assert torch.equal(stream[1, 3][0], stream[1, 3][0])


def test_loading_draws_from_no_generator_of_the_program():
    stream = Stream(make_dataset(config(augment="strong")), seed=0)
    torch.manual_seed(5), random.seed(5)
    wanted = torch.rand(3), random.random()
    torch.manual_seed(5), random.seed(5)
    stream[0, 0]
    assert torch.equal(torch.rand(3), wanted[0]) and random.random() == wanted[1]


class Damaged:
    """A data set in which some images cannot be read."""

    def __init__(self, bad, length=5):
        self.bad, self.length = bad, length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return None if index in self.bad else (torch.full((3, 8, 8), index / 10), {"image_id": index})


def test_a_corrupt_image_gives_its_place_to_the_next():
    stream = Stream(Damaged({1, 2, 4}), seed=0)
    assert [(stream[0, i][1]["image_id"], stream[0, i][2]) for i in range(5)] == [
        (0, 0), (3, 2), (3, 1), (3, 0), (0, 1),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no image that can be read"):
        Stream(Damaged(set(range(5))), seed=0)[0, 0]


def test_a_batch_counts_the_corrupt_and_refuses_wrong_labels():
    target = {"boxes": torch.tensor([[1.0, 1, 5, 5]]), "labels": torch.tensor([2]), "image_id": 7}
    batch = CheckedCollate(3)([(torch.rand(3, 8, 8), target, 2), (torch.rand(3, 8, 8), target, 1)])
    assert batch.skipped == 3 and batch.image_ids == [7, 7] and set(batch.targets[0]) == {"boxes", "labels"}
    with pytest.raises(ValueError, match="label 2 of box 0 is outside 0..1"):
        CheckedCollate(2)([(torch.rand(3, 8, 8), target, 0)])


def test_grouping_looks_at_the_sizes_of_the_annotations(tmp_path):
    joined = tmp_path / "set"
    data.ShapesDataset(num_images=8, split="train", size=(48, 64)).export_coco(joined)
    grouped = config(data=str(joined), group_aspect=True, iterations=2, **{"model.max_size": 128})
    sampler = make_loader(make_dataset(grouped), grouped).batch_sampler
    assert sampler.wide == [True] * 8


def test_the_test_set_must_have_the_same_classes(tmp_path):
    other = data.DetectionDataset(("thing",))
    with pytest.raises(ValueError, match="has the classes disc.*but train of shapes has thing"):
        make_test_dataset(config(), other)
    assert make_test_dataset(config(test_split=""), other) is None
    shapes = data.load("shapes", "train")
    assert len(make_test_dataset(config(test_split="test"), shapes)) == 4
    data.ShapesDataset(num_images=3, split="val").export_coco(tmp_path)
    assert len(make_test_dataset(config(test_data=str(tmp_path)), shapes)) == 3


def test_classes_of_the_test_set_go_by_their_names(tmp_path: Path) -> None:
    """Tools number the classes of each export anew; a box of a class that is not trained on is named."""
    (tmp_path / "images").mkdir()
    for split, names in (("train", ("nut", "bolt")), ("val", ("bolt", "nut", "ring"))):
        document = {
            "images": [{"id": 1, "file_name": f"{split}.png"}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [4, 4, 20, 20]}],
            "categories": [{"id": i, "name": name} for i, name in enumerate(names, start=1)],
        }
        Image.new("RGB", (64, 48)).save(tmp_path / "images" / f"{split}.png")
        (tmp_path / f"{split}.json").write_text(json.dumps(document))
    own = TrainConfig(data=str(tmp_path), augment="none")
    trained = make_dataset(own)
    test = make_test_dataset(own, trained)
    assert test is not None and test.classes == trained.classes == ("nut", "bolt")
    assert test[0][1]["labels"].tolist() == [1] and test.ground_truth()["categories"][1] == {"id": 1, "name": "bolt"}
    document["annotations"][0]["category_id"] = 3  # type: ignore[index]
    (tmp_path / "val.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"has nut, bolt\. .* has 1 box of 'ring'.*: label such objects"):
        make_test_dataset(own, trained)


def test_labels_of_the_test_set_count_as_those_of_the_training_set() -> None:
    """Without its last class, a test set that counts from 1 looks as if it counted from 0."""
    for cache in (False, True):
        own = TrainConfig(data="mine", augment="none", test_split="given", cache=cache)
        trained = make_dataset(own, Counted(1, 2, 3))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            test = make_test_dataset(own, trained, Counted(1, 2))
        assert test is not None and test.annotations().labels.tolist() == [0, 1]
        nameless, part = Counted(1, 2, 3), Counted(1, 2)
        nameless.classes = part.classes = None
        assert len(make_test_dataset(own, make_dataset(own, nameless), part).classes) == 4  # type: ignore[union-attr]


def test_images_are_read_as_the_configuration_says(tmp_path: Path) -> None:
    """Background is kept, pictures are turned and bounded, in training and in what is measured."""
    exif = Image.Exif()
    exif[274] = 3
    (tmp_path / "images").mkdir()
    for i, colour in ((1, "red"), (2, "blue")):
        Image.new("RGB", (64, 48), colour).save(tmp_path / "images" / f"{i}.png", exif=exif)
    document = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 64, "height": 48} for i in (1, 2)],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [4, 4, 20, 20]}],
        "categories": [{"id": 1, "name": "a"}],
    }
    for split in ("train", "val"):
        (tmp_path / f"{split}.json").write_text(json.dumps(document))
    config = TrainConfig(data=str(tmp_path), augment="none", orientation="upright")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(make_dataset(config)) == 1 and len(make_dataset(config.replace(keep_empty=True))) == 2
    test = make_test_dataset(config, data.DetectionDataset(("a",)))
    assert test is not None and len(test) == 2 and test._turn.all()
    with pytest.raises(data.CorruptImageError, match="--max-pixels 3072"):
        make_test_dataset(config.replace(max_pixels=100), data.DetectionDataset(("a",)))


@pytest.mark.parametrize(
    ("megabytes", "left", "words"),
    [(64, 0, "loaded between the steps"), (250, 1, "loaded by 1 of them"), (10_000, 4, "")],
)
def test_loading_processes_are_as_many_as_the_shared_memory_has_room_for(monkeypatch, megabytes, left, words):
    """With Docker's 64 MB training made no step at all, without a word."""
    asked = config(batch_size=8, workers=4, accumulate=2, train_sizes=(640, 800), **{"model.max_size": 1333})

    class System:
        f_bavail, f_frsize = megabytes * 1000, 1000

    monkeypatch.setattr(os, "statvfs", lambda _: System)
    batch = 4 * 3 * 4 * 800 * 1333  # a pass, in bytes: two are in use, and each process has two ready
    assert left in (0, 4) or (2 + 2 * left) * batch <= megabytes * 1e6 < (2 + 2 * (left + 1)) * batch
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert loading.processes_that_fit(asked) == left
        assert loading.processes_that_fit(asked.replace(workers=0)) == 0
    assert bool(told) == bool(words) and all(words in str(one.message) for one in told)
    monkeypatch.setattr(loading, "SHARED_MEMORY", "/nowhere")  # macOS
    assert loading.processes_that_fit(asked) == 4
