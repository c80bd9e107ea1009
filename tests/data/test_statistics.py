"""What a data set holds, counted."""

from __future__ import annotations

import pytest

from fcos_edu.data.statistics import summary
from tests.data.test_dataset import of, paths, record

__all__ = ["paths"]  # a fixture


def test_summary_counts(paths) -> None:
    records = [
        record(paths[0], 1, boxes=[(0, 0, 10, 10), (0, 0, 20, 20), (0, 0, 0, 5)]),
        record(paths[2], 2, boxes=()),
    ]
    with pytest.warns(UserWarning, match="1 degenerate"):
        counted = summary(of(records, paths[0].parent, ("a", "b")))
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
    assert "1 degenerate box" in str(counted) and "2 (1 without boxes)" in str(counted)
