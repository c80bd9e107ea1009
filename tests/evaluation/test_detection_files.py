"""Files of detections: whose names belong together, and what is refused."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcos_edu.evaluation import EvaluationError, coco_metrics, read_detections
from fcos_edu.evaluation.detection_files import matching_names


def slow_matches(name: str, wanted: list[str]) -> list[int]:
    """Those of the wanted paths that share the longest end with the name, the whole ones first; by trying all ends."""
    parts = name.split("/")
    for start in range(len(parts)):
        end = parts[start:]
        found = [i for i, other in enumerate(wanted) if other.split("/")[-len(end) :] == end]
        if found:
            return [i for i in found if wanted[i].split("/") == end] or found
    return []


PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)


@given(PATHS, st.lists(PATHS, min_size=1, max_size=6, unique=True))
def test_a_file_belongs_to_the_path_with_the_longest_common_end(name: str, wanted: list[str]) -> None:
    want = slow_matches(name, wanted)
    numbers = dict(enumerate(wanted, start=7))
    if len(want) == 1:
        assert matching_names({1: name}, numbers) == {1: want[0] + 7}
    else:
        with pytest.raises(EvaluationError, match="may be" if want else "is not among the images"):
            matching_names({1: name}, numbers)


@given(st.lists(PATHS, min_size=1, max_size=6, unique=True), st.sampled_from(["", "x/", "/y/x/", "./", "x\\y\\"]))
def test_the_same_pictures_in_another_folder_are_the_same(wanted: list[str], folder: str) -> None:
    """Whatever stands in front of all of them."""
    numbers = dict(enumerate(wanted))
    assert matching_names({i: folder + name for i, name in numbers.items()}, numbers) == {i: i for i in numbers}


def test_two_files_never_become_one_image() -> None:
    with pytest.raises(EvaluationError, match="'p/cam0/a.png' and 'p/cam1/a.png' would both be 'cam0/a.png'"):
        matching_names({1: "p/cam0/a.png", 2: "p/cam1/a.png"}, {5: "cam0/a.png"})


def test_letters_with_accents_have_two_spellings() -> None:
    assert matching_names({1: "cafe\u0301.jpg"}, {5: "caf\u00e9.jpg"}) == {1: 5}


# ---- whole files ----------------------------------------------------------------------------------------------

CAMERAS = ["cam0/000000.png", "cam1/000000.png"]
CLASSES = ["car/front", "truck/front", "n/a", "a"]


def truth() -> dict[str, Any]:
    """One box of another class in each corner of two pictures of one name."""
    boxes = [[10, 10, 50, 40], [100, 10, 30, 60], [10, 100, 45, 45], [100, 100, 60, 50]]
    return {
        "images": [{"id": 3 + i, "file_name": name} for i, name in enumerate(CAMERAS)],
        "annotations": [
            {"id": 1 + n, "image_id": 3 + i, "category_id": 11 + k, "bbox": boxes[(k + i) % 4], "area": 2000.0,
             "iscrowd": 0}
            for n, (i, k) in enumerate(product(range(2), range(4)))
        ],
        "categories": [{"id": 11 + k, "name": name} for k, name in enumerate(CLASSES)],
    }  # fmt: skip


def detected() -> dict[str, Any]:
    """The truth as `detect` would write it: from another folder, with other numbers, in another order."""
    document = truth()
    return {
        "images": [{"id": 2 - i, "file_name": f"photos/{name}"} for i, name in enumerate(CAMERAS)],
        "annotations": [
            {"image_id": 2 - (a["image_id"] - 3), "category_id": 5 - (a["category_id"] - 11), "bbox": a["bbox"],
             "score": 0.9}
            for a in document["annotations"]
        ],
        "categories": [{"id": 5 - k, "name": name} for k, name in enumerate(CLASSES)],
    }  # fmt: skip


def read(folder: Path, document: Any, truth_of_it: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    file = folder / "found.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return read_detections(file, truth_of_it or truth())


def test_equal_base_names_and_last_parts_of_classes_are_kept_apart(tmp_path: Path) -> None:
    assert coco_metrics(truth(), read(tmp_path, detected()))["AP"] == pytest.approx(1.0)


def changed(part: str, **values: Any) -> dict[str, Any]:
    """The document with other values in the first entry of a list."""
    document = detected()
    document[part][0] = {**document[part][0], **values}
    return document


def without(part: str, key: str) -> dict[str, Any]:
    document = detected()
    del document[part][0][key]
    return document


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (changed("images", file_name="000000.png"), "'000000.png' may be 'cam0/000000.png' and 'cam1/000000.png'"),
        (changed("images", file_name="photos/cam1/000000.png"), "would both be 'cam1/000000.png'"),
        (changed("images", file_name="photos/cam0/0.png"), "'photos/cam0/0.png' is not among the images"),
        (changed("images", file_name=""), "'' is not among the images"),
        (changed("images", file_name=7), "entry 0 of images must have a whole number 'id' and a text 'file_name'"),
        (changed("images", id=1), "2 of its images have id 1"),
        (changed("images", id=9), "image_id 2, which the file itself does not list"),
        (without("images", "file_name"), "entry 0 of images must have"),
        (detected() | {"images": {}}, "images is dict; it must be a list"),
        (changed("categories", name="truck/front"), "2 of its categories have the name 'truck/front'"),
        (changed("categories", name="front"), "'front' is not among the classes of the data set, car/front"),
        (changed("categories", id=4), "2 of its categories have id 4"),
        (changed("categories", id=9), "category_id 5, which the file itself does not list"),
        (without("categories", "id"), "entry 0 of categories must have"),
        (changed("annotations", image_id=True), "detection 0 has image_id True; it must be a whole number"),
        (changed("annotations", image_id=[1]), "detection 0 has image_id [1]"),
        (changed("annotations", image_id=2**63), "detection 0 has image_id 9223372036854775808"),
        (changed("annotations", category_id="1"), "detection 0 has category_id '1'"),
        (changed("annotations", bbox=[1, 2, 3]), "detection 0 has bbox [1, 2, 3]; it must be [x, y, width, height]"),
        (changed("annotations", bbox=[1, 2, -3, 4]), "width and height must not be below 0"),
        (changed("annotations", bbox=[1, 2, 3, 10**400]), "it must be [x, y, width, height]"),
        (changed("annotations", bbox=[1, 2, 3, float("nan")]), "it must be [x, y, width, height]"),
        (changed("annotations", score=None), "detection 0 has score None; it must be a number"),
        (changed("annotations", score=float("inf")), "detection 0 has score inf"),
        (without("annotations", "score"), "detection 0 lacks 'score'"),
        ([7], "detection 0 lacks 'image_id'"),
        ({"images": []}, "holds no list of detections"),
        (3, "holds no list of detections"),
        ("[" * 5000, "is not JSON"),
        ("\x00", "is not JSON"),
    ],
)
def test_what_is_refused(tmp_path: Path, document: Any, message: str) -> None:
    with pytest.raises(EvaluationError) as error:
        read(tmp_path, document)
    assert message in str(error.value) and "found.json" in str(error.value) and "\n" not in str(error.value)


def test_two_classes_of_one_name_in_the_data_set_are_refused(tmp_path: Path) -> None:
    twice = truth()
    twice["categories"][3]["name"] = "n/a"
    with pytest.raises(EvaluationError, match="2 of the categories of the data set have the name 'n/a'"):
        read(tmp_path, detected(), twice)


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    assert len(read(tmp_path, "\ufeff" + json.dumps(detected()))) == 8


def test_images_without_detections_need_no_partner(tmp_path: Path) -> None:
    document = detected()
    document["images"].append({"id": 50, "file_name": "elsewhere.png"})
    assert len(read(tmp_path, document)) == 8
