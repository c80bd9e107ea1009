"""The exact boxes of a file, and the same with their corners cut."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.exact_boxes import exact, main, whole_pixels

FILE = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
    "categories": [{"id": 7, "name": "cat"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 7, "iscrowd": 0, "bbox": [1.6, 2.5, 10.6, 4.4], "precision": "exact"},
        {"id": 2, "image_id": 1, "category_id": 7, "iscrowd": 1, "bbox": [5.0, 5.0, 9.0, 9.0], "precision": "integer"},
        {"id": 3, "image_id": 1, "category_id": 7, "iscrowd": 0, "bbox": [5.0, 5.0, 9.0, 9.0]},
    ],
}


def test_only_the_exact_boxes_stay_with_all_images() -> None:
    made = exact(FILE)
    assert [one["id"] for one in made["annotations"]] == [1] and made["annotations"][0] == FILE["annotations"][0]
    assert made["images"] == FILE["images"] and made["categories"] == FILE["categories"]


def test_a_file_that_does_not_say_it_is_refused() -> None:
    with pytest.raises(ValueError, match='none of 1 box has "precision": "exact"'):
        exact(FILE | {"annotations": FILE["annotations"][2:]})


def test_a_cut_box_by_hand() -> None:
    assert whole_pixels([1.6, 2.5, 10.6, 4.4]) == [1, 2, 11, 4]  # corners 12.2 and 6.9 become 12 and 6
    assert exact(FILE, cut=True)["annotations"][0]["bbox"] == [1, 2, 11, 4]
    assert FILE["annotations"][0]["bbox"] == [1.6, 2.5, 10.6, 4.4], "the source is left alone"


@given(st.tuples(*[st.floats(0, 1000)] * 4))
def test_cut_corners_lie_less_than_a_pixel_before_the_true_ones(bbox: tuple[float, ...]) -> None:
    x, y, width, height = bbox
    cut = whole_pixels(list(bbox))
    corners = (cut[0], x), (cut[1], y), (cut[0] + cut[2], x + width), (cut[1] + cut[3], y + height)
    assert all(short.is_integer() and 0 <= true - short < 1 for short, true in corners)
    assert whole_pixels(cut) == cut


def test_the_command_writes_and_never_over_its_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "boxes.json", tmp_path / "exact.json"
    source.write_text(json.dumps(FILE))
    main([str(source), str(target), "--cut"])
    assert json.loads(target.read_text()) == exact(FILE, cut=True)
    assert "1 image, 1 box" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([str(source), str(source)])
    assert json.loads(source.read_text()) == FILE
