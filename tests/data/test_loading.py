"""`load`: datasets by name and by folder."""

from __future__ import annotations

import pytest
import torch

from fcos_edu import data
from tests.data.test_coco import entry
from tests.data.test_coco import write as write_coco
from tests.data.test_voc import write as write_voc


def test_shapes_by_name() -> None:
    dataset = data.load("shapes", "val", num_images=5, size=(64, 64), transforms=data.transforms.eval_transforms())
    assert len(dataset) == 5
    images, targets = data.collate([dataset[0], dataset[1]])
    assert images[0].dtype == torch.float32 and images[0].shape == (3, 64, 64)
    assert len(targets) == 2
    assert len(data.load("shapes")) > len(data.load("shapes", "test")) > len(data.load("shapes", "val"))


def test_layout_of_a_folder_is_found(tmp_path) -> None:
    voc = data.load(write_voc(tmp_path / "voc", {"a": [("cat", 1, 1, 9, 9)]}))
    assert voc.annotations().ignored_reason == "boxes marked difficult" and voc.name == "voc (train)"
    coco = data.load(str(write_coco(tmp_path / "coco", [entry(1, 3, 1, 1, 9, 9)], images=1)))
    assert coco.annotations().file == "train.json" and coco.split == "train"


def test_only_training_leaves_images_without_boxes_out(tmp_path) -> None:
    folder = write_voc(tmp_path, {"a": [("cat", 1, 1, 9, 9)], "b": []})
    write_voc(folder, {"a": [("cat", 1, 1, 9, 9)], "b": []}, "val")
    with pytest.warns(UserWarning, match="1 image without a usable box"):
        assert len(data.load(folder, "train")) == 1
    assert len(data.load(folder, "val")) == 2
    assert len(data.load(folder, "train", keep_empty=True)) == 2


def test_names_are_looked_up_in_the_data_folder(tmp_path, monkeypatch) -> None:
    write_voc(tmp_path / "bccd", {"a": [("WBC", 1, 1, 9, 9)]}, "test")
    monkeypatch.setenv("FCOS_EDU_DATA", str(tmp_path))
    dataset = data.load("bccd", "test")
    assert dataset.classes == ("RBC", "WBC", "Platelets") and dataset[0][1]["labels"].tolist() == [1]
    assert len(data.load("bccd", "test", root=tmp_path)) == 1


def test_large_sets_are_not_fetched_unasked(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"coco2017.*20 GB.*By hand: download"):
        data.load("coco2017", "val", root=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_bad_arguments_are_named(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="'bcd' is neither a folder nor a known dataset.*hard, bccd"):
        data.load("bcd")
    with pytest.raises(ValueError, match="neither .*VOC's layout"):
        data.load(tmp_path)
    with pytest.raises(ValueError, match="has no split 'dev'"):
        data.load("bccd", "dev", root=tmp_path)
    with pytest.raises(TypeError, match="takes no option seed"):
        data.load(tmp_path, seed=3)
    with pytest.raises(ValueError, match="shapes has its own classes"):
        data.load("shapes", classes=("a",))
