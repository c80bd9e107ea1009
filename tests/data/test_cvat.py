"""CVAT's XML: shapes, subsets, tracks."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from fcos_edu.data import load, load_annotations
from fcos_edu.data.cvat import CVATDataset, recognises
from fcos_edu.data.formats import format_of, splits_of
from tests.data.test_folders import picture

META = "<meta><task><labels><label><name>nut</name></label><label><name>bolt</name></label></labels></task></meta>"
RECTANGLE = '<box label="nut" xtl="5" ytl="6" xbr="15" ybr="18" occluded="0" z_order="0"/>'
BOX = [5, 6, 15, 18]


def write(folder: Path, *images: tuple[str, str, str], meta: str = META) -> Path:
    """Images as (name, further attributes, shapes)."""
    body = ""
    for i, (name, attributes, shapes) in enumerate(images):
        picture(folder / "images" / name)
        body += f'<image id="{i}" name="{name}" width="40" height="30" {attributes}>{shapes}</image>'
    (folder / "annotations.xml").write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>{meta}{body}</annotations>'
    )
    return folder


def test_shapes_become_boxes(tmp_path: Path) -> None:
    turned = '<box label="bolt" xtl="10" ytl="12" xbr="30" ybr="18" rotation="90"/>'
    shapes = [
        RECTANGLE, turned, '<polygon label="nut" points="5.0,10;15,6;12,18"/>',
        '<ellipse label="nut" cx="20" cy="15" rx="8" ry="4"/>',
        '<mask label="nut" rle="1, 2" left="5" top="6" width="10" height="12"/>',
        '<points label="nut" points="1,2"/>', '<tag label="nut"/>',
    ]  # fmt: skip
    write(tmp_path, ("a.jpg", "", "".join(shapes)))
    with pytest.warns(UserWarning, match=r"2 shapes without a box \(points, tag\)"):
        dataset = load(tmp_path)
    assert dataset.classes == ("nut", "bolt") and dataset[0][1]["labels"].tolist() == [0, 1, 0, 0, 0]
    wanted = [BOX, [17, 5, 23, 25], BOX, [12, 11, 28, 19], BOX]
    assert np.allclose(dataset[0][1]["boxes"], wanted, atol=1e-4)


@pytest.mark.parametrize("degrees", [0, 30, 90, 200])
def test_turned_shapes_are_inside_their_boxes(tmp_path: Path, degrees: float) -> None:
    """Against the points of their outlines, turned one by one."""
    shapes = (
        f'<box label="nut" xtl="10" ytl="12" xbr="30" ybr="18" rotation="{degrees}"/>'
        f'<ellipse label="nut" cx="20" cy="15" rx="10" ry="3" rotation="{degrees}"/>'
    )
    write(tmp_path, ("a.jpg", "", shapes))
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    angles = np.linspace(0, 2 * np.pi, 10_000)
    for box, outline in zip(
        load_annotations(tmp_path).boxes,
        (np.array([[-10, -3], [10, -3], [10, 3], [-10, 3]]), np.stack([10 * np.cos(angles), 3 * np.sin(angles)], 1)),
        strict=True,
    ):
        points = outline @ np.array([[c, s], [-s, c]]) + [20, 15]
        assert np.allclose(box, [*points.min(axis=0), *points.max(axis=0)], atol=1e-4)


def test_subsets_are_splits(tmp_path: Path) -> None:
    write(tmp_path, ("a.jpg", 'subset="Train"', RECTANGLE), ("b.jpg", 'subset="Validation"', RECTANGLE * 2))
    assert format_of(tmp_path).LAYOUT.startswith("CVAT") and splits_of(tmp_path) == ("train", "val")
    assert len(load(tmp_path, "val")[0][1]["boxes"]) == 2 and load(tmp_path, "val").file_name(0) == "images/b.jpg"
    write(tmp_path / "one", ("a.jpg", 'subset="default"', RECTANGLE))
    assert splits_of(tmp_path / "one") == () and len(load(tmp_path / "one")) == 1
    assert load_annotations(tmp_path / "one" / "annotations.xml").boxes.tolist() == [BOX]
    assert recognises(tmp_path / "one" / "annotations.xml") and not recognises(tmp_path / "one" / "images")


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ('<box label="" xtl="1" ytl="1" xbr="2" ybr="2"/>', r"annotations\.xml: a <box> of 'a\.jpg' has no label"),
        ('<box label="nut" xtl="1" ytl="1" xbr="2"/>', "has None where a number"),
        ('<box label="nut" xtl="x" ytl="1" xbr="2" ybr="2"/>', "has 'x' where a number"),
        ('<polygon label="nut" points="1,2;3,4"/>', "must be x,y;x,y;x,y at least"),
        ('<polygon label="nut" points="1,2;3;4,5"/>', "must be x,y;x,y;x,y at least"),
        ('<blob label="nut"/>', "is no shape of CVAT"),
    ],
)
def test_what_is_no_shape_is_refused(tmp_path: Path, shapes: str, message: str) -> None:
    write(tmp_path, ("a.jpg", "", shapes))
    with pytest.raises(ValueError, match=message):
        CVATDataset(tmp_path)


def test_other_xml_is_told(tmp_path: Path) -> None:
    write(tmp_path, ("a.jpg", "", RECTANGLE))
    file = tmp_path / "annotations.xml"
    whole = file.read_text()
    file.write_text("<annotations><track id='0' label='nut'/></annotations>")
    with pytest.raises(ValueError, match="holds tracks of a video; export it as CVAT for images"):
        load(tmp_path)
    file.write_text(whole.replace('name="a.jpg"', 'name=""'))
    with pytest.raises(ValueError, match="has the name ''; it must name a picture"):
        load(tmp_path)
    file.write_text(whole[:-20])
    with pytest.raises(ValueError, match=r"annotations\.xml is not XML"):
        load(tmp_path)
    entity = '<!DOCTYPE x [<!ENTITY a "nut">]>'
    file.write_bytes(("<?xml version='1.0' encoding='utf-16'?>" + entity + whole.split("\n")[1]).encode("utf-16"))
    with pytest.raises(ValueError, match="declares entities of its own"):
        load(tmp_path)
    file.write_text("<annotations/>")
    with pytest.raises(ValueError, match="lists no pictures"):
        load(tmp_path)
