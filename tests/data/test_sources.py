"""The table of data sets: complete, without torch, and VOC's addresses as torchvision has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from torchvision.datasets.voc import DATASET_YEAR_DICT

from fcos_edu.data import shapes
from fcos_edu.data.sources import NAMES, SOURCES, VOC_CLASSES, data_root, fetched


def test_names() -> None:
    assert NAMES[0] == "shapes", "the default, which needs no download, comes first"
    assert set(NAMES) - set(fetched()) == {"shapes", "shapes-hard"}
    assert {"bccd", "voc2007", "voc2012", "coco2017"} <= set(NAMES), "recipes and records name them"


@pytest.mark.parametrize("name", NAMES)
def test_each_entry_is_whole(name: str) -> None:
    source = SOURCES[name]
    assert source.title and source.splits and "train" in source.splits
    assert len(set(source.classes)) == len(source.classes)
    if name in fetched():
        assert source.folder and source.size and source.licence
        assert all(source.archives.values()), "each split needs a download"
    for archive in {archive for archives in source.archives.values() for archive in archives}:
        assert archive.target == source.folder or archive.target.startswith(f"{source.folder}/")
        assert archive.proof
        assert archive.known_hash or archive.digest, "a download without a hash is whatever the network gives"
        assert re.fullmatch(r"(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})?", archive.known_hash or "")


@pytest.mark.parametrize(("name", "split", "key"), [
    ("voc2007", "train", "2007"), ("voc2007", "val", "2007"), ("voc2007", "test", "2007-test"),
    ("voc2012", "train", "2012"), ("voc2012", "val", "2012"),
])  # fmt: skip
def test_voc_is_where_torchvision_has_it(name: str, split: str, key: str) -> None:
    entry = DATASET_YEAR_DICT[key]
    (archive,) = SOURCES[name].archives[split]
    assert (archive.url, archive.known_hash) == (entry["url"], f"md5:{entry['md5']}")
    assert archive.inner == archive.target == SOURCES[name].folder == entry["base_dir"].replace("\\", "/")
    assert f"ImageSets/Main/{split}.txt" in archive.proof


def test_shapes_are_the_generators() -> None:
    for name in ("shapes", "shapes-hard"):
        assert shapes.CLASSES == SOURCES[name].classes
        assert tuple(shapes.SPLITS) == tuple(shapes.DEFAULT_IMAGES) == SOURCES[name].splits
        shapes.ShapesDataset(1, **SOURCES[name].options)  # takes them
    assert not SOURCES["shapes"].options, "records hold what shapes are by default"
    assert len(VOC_CLASSES) == 20 and list(VOC_CLASSES) == sorted(VOC_CLASSES)


def test_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FCOS_EDU_DATA", str(tmp_path))
    assert data_root() == tmp_path
    monkeypatch.delenv("FCOS_EDU_DATA")
    assert data_root().name == "fcos-edu"
