"""Lists that divide a folder: everything in one of them, what belongs together in the same, classes in proportion."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fcos_edu.data import load, load_annotations
from fcos_edu.data.division import divide, divide_folder
from tests.data.test_folders import picture


@given(
    st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=8, max_size=60),
    st.lists(st.integers(0, 20), min_size=60, max_size=60),
    st.sampled_from([(0.5, 0.5), (0.8, 0.1, 0.1), (0.34, 0.33, 0.33)]),
    st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_everything_is_in_one_split_and_groups_stay_together(rows, keys, shares, seed) -> None:
    counts, groups = np.array(rows), keys[: len(rows)]
    if len(set(groups)) < len(shares):
        with pytest.raises(ValueError, match=f"cannot be divided into {len(shares)} splits"):
            divide(counts, shares, groups=groups, seed=seed)
        return
    chosen = divide(counts, shares, groups=groups, seed=seed)
    assert set(chosen) == set(range(len(shares)))  # none is empty
    for key in set(groups):
        assert len({int(c) for c, g in zip(chosen, groups, strict=True) if g == key}) == 1
    assert (chosen == divide(counts, shares, groups=groups, seed=seed)).all()


def test_classes_are_shared_out_in_proportion() -> None:
    """A class that 3 % of the pictures have, which a plain draw would often leave out of a tenth."""
    rs = np.random.RandomState(0)
    for seed in range(5):
        counts = np.stack([rs.poisson(3, 400), rs.poisson(1, 400), rs.random_sample(400) < 0.03], axis=1).astype(int)
        counts[:20] = 0
        chosen = divide(counts, (0.8, 0.1, 0.1), seed=seed)
        for k, share in enumerate((0.8, 0.1, 0.1)):
            own = counts[chosen == k].sum(axis=0)
            assert (np.abs(own - share * counts.sum(axis=0)) <= np.maximum(2, 0.01 * counts.sum(axis=0))).all()
            assert abs((chosen == k).sum() - share * 400) <= 12
    assert (divide(counts, (0.5, 0.5), seed=1) != divide(counts, (0.5, 0.5), seed=2)).any()


def folder(place: Path, names: list[str], classes: str = "01") -> Path:
    """YOLO's format, each picture with other pixels and a box of a class in turn."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "classes.txt").write_text("nut\nbolt\n")
    for i, name in enumerate(names):
        Image.fromarray(np.random.RandomState(i).randint(0, 255, (30, 40, 3)).astype(np.uint8)).save(place / name)
        (place / f"{Path(name).stem}.txt").write_text(f"{classes[i % len(classes)]} 0.5 0.5 0.5 0.5\n")
    return place


def test_lists_are_written_and_nothing_else(tmp_path: Path) -> None:
    place = folder(tmp_path / "mine", [f"{i:02}.png" for i in range(20)])
    before = {path: path.read_bytes() for path in place.rglob("*")}
    told = divide_folder(place)
    assert told.images == {"train": 16, "val": 2, "test": 2} and told.boxes["val"] == [1, 1]
    assert "nut" in str(told) and str(told).splitlines()[1].split() == ["images", "16", "2", "2"]
    lists = {split: (place / "splits" / f"{split}.txt").read_text().split() for split in ("train", "val", "test")}
    assert sorted(sum(lists.values(), [])) == [f"{i:02}.png" for i in range(20)]
    assert {path for path in place.rglob("*") if path.is_file()} == before.keys() | set(place.glob("splits/*.txt"))
    assert all(path.read_bytes() == content for path, content in before.items())
    assert [len(load(place, split)) for split in lists] == [16, 2, 2]
    with pytest.raises(FileExistsError, match=r"splits is there and in use, and is not overwritten"):
        divide_folder(place)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_two_shares_and_the_seed(tmp_path: Path) -> None:
    made = []
    for seed in (0, 0, 1):
        place = folder(tmp_path / f"s{len(made)}", [f"{i:02}.png" for i in range(20)])
        assert divide_folder(place, (0.7, 0.3), seed=seed).images == {"train": 14, "val": 6}
        made.append((place / "splits" / "val.txt").read_text())
        assert not (place / "splits" / "test.txt").exists()
    assert made[0] == made[1] != made[2]


def test_frames_of_a_film_stay_together(tmp_path: Path) -> None:
    names = [f"film{film}_{frame:02}.png" for film in range(10) for frame in range(4)] + ["alone.png"]
    place = folder(tmp_path, names)
    told = divide_folder(place, (0.5, 0.25, 0.25), group=r"film(\d)_")
    assert "10 groups by 'film" in str(told) and "1 picture alone" in str(told)
    films = [{name[4] for name in load_annotations(place, split).file_names if name[0] == "f"} for split in told.images]
    assert sum(map(len, films)) == 10 and set.union(*films) == set("0123456789")


def test_equal_pictures_stay_together(tmp_path: Path) -> None:
    place = folder(tmp_path, [f"{i}.png" for i in range(12)])
    for i in range(6, 12):
        (place / f"{i}.png").write_bytes((place / f"{i - 6}.png").read_bytes())
    assert "12 pictures have the content of another" in str(divide_folder(place, (0.5, 0.5)))
    for split in ("train", "val"):
        numbers = {int(name[:-4]) for name in load_annotations(place, split).file_names}
        assert {(i + 6) % 12 for i in numbers} == numbers


def test_one_split_alone_is_divided_and_several_are_not(tmp_path: Path) -> None:
    """As Roboflow's free exports are, which are all train."""
    place = folder(tmp_path / "a" / "train", [f"{i}.png" for i in range(10)])
    divide_folder(tmp_path / "a", (0.5, 0.5))
    assert len(load(tmp_path / "a", "train")) == len(load(tmp_path / "a", "val")) == 5
    for split in ("train", "valid"):
        folder(tmp_path / "b" / split, ["a.png"])
    with pytest.raises(ValueError, match="is divided already, into train, val"):
        divide_folder(tmp_path / "b")
    assert place.is_dir() and not (tmp_path / "b" / "splits").exists()


def test_what_cannot_be_divided(tmp_path: Path) -> None:
    place = folder(tmp_path / "mine", [f"{i}.png" for i in range(2)])
    for shares in ((1.0,), (0.5, 0.4), (1.0, 0.0), (0.25,) * 4):
        with pytest.raises(ValueError, match="give two or three above 0 with a sum of 1"):
            divide_folder(place, shares)
    with pytest.raises(ValueError, match="2 groups of pictures cannot be divided into 3 splits"):
        divide_folder(place)
    with pytest.raises(ValueError, match="is no regular expression"):
        divide_folder(place, group="(")
    with pytest.raises(ValueError, match=r"matches no picture; the first is called '0\.png'"):
        divide_folder(place, group="film")
    with pytest.raises(FileNotFoundError, match="is no folder of labelled pictures"):
        divide_folder(tmp_path / "nowhere")
    assert not (place / "splits").exists()
    told = divide_folder(folder(tmp_path / "rare", [f"{i}.png" for i in range(9)], "000000001"), (0.6, 0.2, 0.2))
    assert "no box of bolt in" in str(told)


def test_cocos_and_vocs_folders_are_divided_too(tmp_path: Path) -> None:
    images = [{"id": i, "file_name": f"{i}.png", "width": 40, "height": 30} for i in range(1, 9)]
    boxes = [{"id": i, "image_id": i, "category_id": 1, "bbox": [1, 2, 3, 4]} for i in range(1, 9)]
    for i in range(1, 9):
        picture(tmp_path / "images" / f"{i}.png", (40 + i, 30))
        images[i - 1]["width"] = 40 + i
    document = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "nut"}]}
    (tmp_path / "result.json").write_text(json.dumps(document))
    assert divide_folder(f"coco:{tmp_path}", (0.75, 0.25)).images == {"train": 6, "val": 2}
    ids = [load(tmp_path, split).image_ids for split in ("train", "val")]
    assert sorted(ids[0] + ids[1]) == list(range(1, 9))


def test_a_folder_that_cannot_be_written_is_told_by_the_name_of_the_lists(tmp_path: Path, monkeypatch) -> None:
    """Data sets are often on a disk that can only be read."""
    place = folder(tmp_path / "a", ["a.png", "b.png"])

    def forbidden(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", forbidden)
    with pytest.raises(PermissionError, match=f"cannot write {place}/splits: Permission denied$"):
        divide_folder(place, (0.5, 0.5))


def test_pipes_named_like_pictures_are_not_waited_for(tmp_path: Path) -> None:
    """VOC's and COCO's annotations tell the sizes, so no picture has been looked at before."""
    (tmp_path / "a").mkdir()
    images = [{"id": i, "file_name": f"{i}.png", "width": 40, "height": 30} for i in range(4)]
    for i in range(4):
        os.mkfifo(tmp_path / "a" / f"{i}.png")
    boxes = [{"id": i, "image_id": i, "category_id": 1, "bbox": [1, 2, 3, 4]} for i in range(4)]
    document = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "nut"}]}
    (tmp_path / "a" / "train.json").write_text(json.dumps(document))
    assert divide_folder(tmp_path / "a", (0.5, 0.5)).images == {"train": 2, "val": 2}
