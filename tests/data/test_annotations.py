"""The one form of all formats: what fits together, chosen, joined, and given to pycocotools."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fcos_edu.data.annotations import Annotations, Record, alike, join


def some(name: str = "some", first_id: int = 1, **more: object) -> Annotations:
    """Three images with 2, 0 and 3 boxes."""
    rng = np.random.default_rng(first_id)
    records = []
    for k, count in enumerate((2, 0, 3)):
        corner = rng.uniform(0, 20, (count, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(1, 30, (count, 2))], axis=1)
        labels, ignored = rng.integers(0, 2, count), rng.random(count) < 0.4
        records.append(Record(first_id + k, f"{name}{k}.png", 40 + k, 30 + k, boxes, labels, ignored))
    return Annotations.of(records, ("a", "b"), name=name, folder=Path(name), **more)


def rows(annotations: Annotations) -> dict[int, list[tuple]]:
    """Image id to its boxes, read box by box: the slow way."""
    found: dict[int, list[tuple]] = {int(i): [] for i in annotations.image_ids}
    for k in range(len(annotations)):
        found[int(annotations.image_ids[annotations.image_index[k]])].append(
            (*annotations.boxes[k], annotations.labels[k], annotations.ignored[k], annotations.areas[k])
        )
    return found


def test_records_become_columns() -> None:
    made = some()
    assert (made.images, len(made)) == (3, 5)
    assert made.first.tolist() == [0, 2, 2, 5] and made.of_image(2) == slice(2, 5)
    assert made.category_ids == (1, 2) and made.path(1) == Path("some/some1.png")
    sides = made.boxes[:, 2:] - made.boxes[:, :2]
    assert np.array_equal(made.areas, sides.prod(axis=1)), "the areas of the boxes, unless a record has its own"
    own = Record(1, "a", 9, 9, made.boxes[:2], [0, 1], [False, True], areas=np.array([3.0, np.nan]))
    both = Annotations.of([own, Record(2, "b", 9, 9, made.boxes[:1], [1], [False])], ("a", "b"), name="own")
    assert both.areas.tolist() == [3.0, *sides.prod(axis=1)[[1, 0]]]
    empty = Annotations.of([], ("a",), name="nothing")
    assert empty.boxes.shape == (0, 4) and empty.ground_truth()["images"] == []


@pytest.mark.parametrize(("change", "told"), [
    ({"labels": np.array([0, 1, 2, 0, 0])}, "labels goes from 0 to 2, not 0..1"),
    ({"image_index": np.array([0, 0, 2, 2, 3])}, "image_index goes from 0 to 3, not 0..2"),
    ({"image_index": np.array([0, 2, 0, 2, 2])}, "image_index must ascend"),
    ({"areas": np.zeros(4)}, "areas has 4 entries; it must have 5"),
    ({"file_names": ("a",)}, "file_names has 1 entry; it must have 3"),
    ({"category_ids": (1,)}, "category_ids has 1 entry; it must have 2"),
])  # fmt: skip
def test_what_does_not_fit_together_is_refused(change: dict, told: str) -> None:
    with pytest.raises(ValueError, match=f"some: {told}"):
        replace(some(), **change)


def test_images_are_chosen_with_their_boxes() -> None:
    whole = some(left_out={"odd ones": 2})
    for images in ([2, 0], [1], [0, 1, 2], []):
        part = whole.chosen(np.array(images, dtype=np.int64))
        assert part.image_ids.tolist() == whole.image_ids[images].tolist()
        assert rows(part) == {i + 1: rows(whole)[i + 1] for i in images}
        assert part.widths.tolist() == whole.widths[images].tolist()
        assert [part.path(i) for i in range(part.images)] == [whole.path(i) for i in images]
    assert part.left_out == {"odd ones": 2}


def test_parts_are_joined() -> None:
    one, other = some("one", left_out={"x": 1}), some("other", first_id=11, left_out={"x": 2, "y": 3})
    both = join([one, other], "both", split="train+val")
    assert rows(both) == rows(one) | rows(other)
    assert [both.path(i) for i in range(6)] == [part.path(i) for part in (one, other) for i in range(3)]
    assert both.left_out == {"x": 3, "y": 3} and (both.name, both.split) == ("both", "train+val")
    twice = join([both, one], "thrice", renumber=True)
    assert twice.image_ids.tolist() == list(range(1, 10))
    assert [twice.path(i) for i in (2, 5, 8)] == [one.path(2), other.path(2), one.path(2)]
    assert list(rows(twice).values()) == [*rows(both).values(), *rows(one).values()]
    with pytest.raises(ValueError, match="all: image id 1 occurs more than once"):
        join([one, one], "all")
    with pytest.raises(ValueError, match="have the classes a, b and a, c"):
        join([one, replace(other, classes=("a", "c"))], "all")


def test_ground_truth_is_every_solid_box_once() -> None:
    made = replace(some(), category_ids=(7, 3))
    boxes = made.boxes.copy()
    boxes[1, 2] = boxes[1, 0]  # no width
    boxes[2, 3] = np.nan
    truth = replace(made, boxes=boxes).ground_truth()
    assert [a["id"] for a in truth["annotations"]] == [1, 2, 3]
    for entry, k in zip(truth["annotations"], (0, 3, 4), strict=True):
        x0, y0, x1, y1 = boxes[k].tolist()
        assert entry["bbox"] == [x0, y0, x1 - x0, y1 - y0] and entry["area"] == made.areas[k]
        assert entry["category_id"] == (7, 3)[made.labels[k]] and entry["image_id"] == (1 if k < 2 else 3)
        assert entry["iscrowd"] == entry["ignore"] == int(made.ignored[k])
    assert truth["images"][2] == {"id": 3, "file_name": "some2.png", "width": 42, "height": 32}
    assert truth["categories"] == [{"id": 7, "name": "a"}, {"id": 3, "name": "b"}]


def test_boxes_are_cut_at_the_border() -> None:
    record = Record(1, "a", 40, 30, np.array([[-5, 2, 50, 31.5], [1, 1, 2, 2]]), [0, 0], [False, False])
    assert Annotations.of([record], ("a",), name="a").cut().tolist() == [[0, 2, 40, 30], [1, 1, 2, 2]]


def test_sizes_come_from_the_pictures_where_nothing_says_them(tmp_path: Path) -> None:
    Image.new("RGB", (17, 11)).save(tmp_path / "b.png")
    boxes = np.array([[0.0, 0, 5, 5]])
    records = [Record(1, "a.png", 40, 30, boxes, [0], [False]), Record(2, "b.png", 0, 30, boxes, [0], [False])]
    made = Annotations.of(records, ("a",), name="a", folder=tmp_path).sized()
    assert (made.widths.tolist(), made.heights.tolist()) == ([40, 17], [30, 11])
    with pytest.raises(ValueError, match="was read without its pictures"):
        Annotations.of(records, ("a",), name="a").sized()


def test_labels_follow_the_names() -> None:
    made = some()
    other = made.labelled_as(("c", "b", "a"))
    assert [other.classes[k] for k in other.labels] == [made.classes[k] for k in made.labels]
    assert other.category_ids == (3, 2, 1) and np.array_equal(other.boxes, made.boxes)
    assert {a["category_id"] for a in other.ground_truth()["annotations"]} <= {1, 2}, "the ids of the file stay"
    with pytest.raises(ValueError, match=r"some has \d box(es)? of 'b'; the classes are a"):
        made.labelled_as(("a",))
    without = replace(made, labels=np.zeros(5, np.int64))
    assert without.labelled_as(("a",)).classes == ("a",), "a class without a box is no loss"
    both = alike({"train": made, "val": other})
    assert both["train"].classes == both["val"].classes == ("a", "b", "c")
    assert np.array_equal(both["train"].labels, both["val"].labels)
