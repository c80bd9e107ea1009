"""A page of a data set: the odd boxes first, thumbnails that are bounded, nothing from outside."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image

from fcos_edu.data import load
from fcos_edu.gallery import THUMBNAIL, Shown, data_grid, data_page, sections, suspicious, thumbnail
from tests.evaluation.test_data_checks import BOLT, NUT, write


def odd(folder: Path):
    boxes = {
        "plain.png": [(1, NUT), (2, BOLT)],
        "crowded.png": [(1, [8 * i, 8, 7, 7]) for i in range(9)],
        "tiny.png": [(1, [30, 30, 3, 3])],
        "two.png": [(1, [10, 10, 40, 40]), (2, [12, 12, 40, 40])],
        "odd.png": [
            (1, NUT),
            (1, NUT),
            (1, [70, 50, 30, 30]),
            (1, [9, 9, 0, 4]),
            (2, [1, 1, 70, 3]),
            (2, [0, 0, 80, 60]),
        ],
        "none.png": [],
    }
    return load(write(folder, boxes), keep_empty=True)


def test_each_section_begins_with_what_it_is_about(tmp_path: Path) -> None:
    dataset = odd(tmp_path)
    found = dataset.annotations()
    made = {title: shown for title, _, shown in sections(found, 3)}
    first = {title: found.file_names[shown[0].index] for title, shown in made.items()}
    assert first["Suspicious"] == "odd.png" and first["Most crowded"] == "crowded.png"
    assert first["Smallest"] == "tiny.png" and made["Smallest"][0].words == "3.0 px"
    assert first["Largest"] == "odd.png" and first["Most overlapping"] == "odd.png"
    assert all(len(shown) <= 3 for shown in made.values()) and len(made["Drawn by lot"]) == 3
    told = suspicious(found)
    assert [found.file_names[one.index] for one in told] == ["odd.png"]
    assert told[0].words == "1 no extent, 1 over the border, 1 very narrow, 1 nearly the whole picture, 2 drawn twice"
    assert len(told[0].boxes) == 6


def test_thumbnails_are_bounded_and_have_their_boxes(tmp_path: Path) -> None:
    Image.new("RGB", (3000, 1000), "white").save(tmp_path / "a.png")
    (tmp_path / "boxes.csv").write_text("a.png,300,300,900,600,nut\n")
    dataset = load(tmp_path)
    made = thumbnail(dataset, dataset.annotations(), Shown(0, (), ""))
    assert made.size == (THUMBNAIL, 107)
    pixels = np.array(made)
    assert (pixels[45, 32] != 255).any() and (pixels[45, 64] == 255).all() and (pixels[90, 64] == 255).all()
    near = thumbnail(dataset, dataset.annotations(), Shown(0, (0,), ""), zoom=True)
    assert max(near.size) <= THUMBNAIL and near.size[0] / near.size[1] < 3
    (tmp_path / "a.png").write_bytes(b"gone")
    assert thumbnail(dataset, dataset.annotations(), Shown(0, (), "")).size[0] == THUMBNAIL


def test_a_page_is_one_file(tmp_path: Path) -> None:
    dataset = odd(tmp_path)
    page = data_page({"train": dataset}, "<my> folder", most=2)
    assert "<h1>&lt;my&gt; folder</h1>" in page and "<h2>train: 6 pictures, 20 boxes, 2 classes</h2>" in page
    assert page.index("Suspicious") < page.index("Most crowded") < page.index("Drawn by lot")
    assert set(re.findall(r'src="([^,]*),', page)) == {"data:image/jpeg;base64"} and "http" not in page
    assert page.count("<figure>") == page.count("<img") == 1 + 5 * 2
    assert page == data_page({"train": dataset}, "<my> folder", most=2)
    dataset.relabel(["螺母", *dataset.classes])  # whatever letters the pictures can have, the page says the name
    told = ", ".join(f"{label} {name}" for label, name in enumerate(dataset.classes))
    assert f"<p>Classes by number: {told}</p>" in data_page({"train": dataset}, "folder", most=1)
    assert "0 螺母, 1 " in told


def test_a_grid_is_one_picture(tmp_path: Path) -> None:
    dataset = odd(tmp_path)
    grid = data_grid({"train": dataset}, most=2)
    assert grid.size == (2 * (THUMBNAIL + 8), 6 * (THUMBNAIL + 24))
    assert len(np.unique(np.array(grid).reshape(-1, 3), axis=0)) > 100
