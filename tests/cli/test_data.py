"""``fcos-edu data``: what it lists, tells and exports."""

import json

from PIL import Image

from fcos_edu import data
from tests.cli.calls import run


def test_data_lists_describes_and_exports(tmp_path, capsys):
    assert run("data", "list") == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in data.NAMES)
    assert run("data", "info", "shapes", "--split", "val") == 0
    assert "disc" in capsys.readouterr().out
    assert run("data", "export", "shapes", "--out", tmp_path / "s", "--images", 3) == 0
    assert len(data.load(tmp_path / "s", "train")) == 3


def test_export_replaces_its_own_files_and_no_one_elses(tmp_path, capsys):
    """`data export --out mine` once replaced mine/train.json."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "train.json").write_text("years of work")
    words = ["data", "export", "shapes", "--images", 2, "--out"]
    assert run(*words, tmp_path / "mine") == 1
    assert "train.json is there, and not as fcos-edu wrote it: it is not replaced" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["train.json"]
    assert (tmp_path / "mine" / "train.json").read_text() == "years of work"
    for _ in range(2):
        assert run(*words, tmp_path / "ours") == 0
    picture = next((tmp_path / "ours" / "images").iterdir())
    picture.write_bytes(b"drawn over by the user")
    assert run(*words, tmp_path / "ours") == 1
    assert picture.name in capsys.readouterr().err and picture.read_bytes() == b"drawn over by the user"


def folder(place):
    """Eight pictures in YOLO's format, without splits."""
    place.mkdir()
    (place / "classes.txt").write_text("nut\nbolt\n")
    for i in range(8):
        Image.new("RGB", (60, 40), (9 * i, 0, 0)).save(place / f"{i}.png")
        (place / f"{i}.txt").write_text(f"{i % 2} 0.5 0.5 0.5 0.5\n")
    return place


def test_a_folder_is_looked_at_divided_and_converted(tmp_path, capsys):
    mine = folder(tmp_path / "mine")
    assert run("data", "info", mine) == 0 and "bolt" in capsys.readouterr().out
    assert run("data", "check", mine, "--json", tmp_path / "check.json", "--device", "cpu") == 0
    assert "there are no splits: fcos-edu data split" in capsys.readouterr().out
    assert json.loads((tmp_path / "check.json").read_text())["splits"][0]["boxes"] == 8
    for name in ("page.html", "page.png"):
        assert run("data", "show", mine, "--out", tmp_path / name, "--most", 2) == 0
        assert run("data", "show", mine, "--out", tmp_path / name) == 1
        assert "nothing is overwritten" in capsys.readouterr().err
    assert run("data", "show", mine, "--out", tmp_path / "page.pdf") == 1
    assert "must end in .html or .png" in capsys.readouterr().err
    assert run("data", "info", mine, "--split", "val") == 1
    assert "all its pictures are one set" in capsys.readouterr().err
    assert run("data", "split", mine, "--shares", 0.5, 0.25, 0.25) == 0
    assert "train.txt, val.txt, test.txt" in capsys.readouterr().out
    assert run("data", "info", mine, "--split", "val") == 0
    assert run("data", "convert", mine, tmp_path / "coco", "--to", "coco") == 0
    assert "8 pictures, 8 boxes, in the format coco" in capsys.readouterr().out
    assert len(data.load(tmp_path / "coco", "val")) == 2
    assert run("data", "convert", mine, tmp_path / "coco", "--to", "voc") == 1
    assert "nothing is overwritten" in capsys.readouterr().err


def test_a_folder_of_two_formats_is_read_as_asked(tmp_path, capsys):
    mine = folder(tmp_path / "mine")
    (mine / "boxes.csv").write_text("0.png,1,2,30,20,ring\n")
    assert run("data", "info", mine) == 1
    assert "may be read as yolo or csv: say which with --format yolo or --format csv" in capsys.readouterr().err
    assert run("data", "info", mine, "--format", "csv") == 0 and "ring" in capsys.readouterr().out
    assert run("data", "info", f"yolo:{mine}") == 0 and "bolt" in capsys.readouterr().out
    assert run("data", "export", mine) == 1
