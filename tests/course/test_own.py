"""What a reader writes is checked, kept in one file, and put in the place of the book's parts."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from fcos_edu.course import keep, own_detector
from fcos_edu.course.own import HEADER, own_file

RIGHT = """
import torch

def ltrb(locations, boxes):
    # mine
    return torch.cat([locations[:, None] - boxes[None, :, :2], boxes[None, :, 2:] - locations[:, None]], -1)
"""
LOCATIONS = torch.tensor([[8.0, 4.0], [30.0, 20.0]])
BOXES = torch.tensor([[0.0, 0.0, 20.0, 10.0]])


@pytest.fixture
def cell(tmp_path: Path):
    """Functions of a text, as those of a notebook's cell have one."""
    number = 0

    def define(source: str) -> ModuleType:
        nonlocal number
        number += 1
        path = tmp_path / f"cell{number}.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return define


def test_a_right_part_is_kept_and_used_by_the_book_s_parts(cell, tmp_path, capsys) -> None:
    keep(cell(RIGHT).ltrb, folder=tmp_path)
    assert "ltrb: right." in capsys.readouterr().out
    assert "# mine" in (tmp_path / "my_fcos.py").read_text()
    mine = own_detector(tmp_path)
    assert "Yours: ltrb. The rest is the book's." in capsys.readouterr().out
    # The book's assign calls the reader's ltrb: another one changes what it gives.
    calls = []
    mine.ltrb = lambda *args, own=mine.ltrb: calls.append(1) or own(*args)
    assert mine.assign(LOCATIONS, BOXES, 0, 64).tolist() == [0, -1]
    assert calls


def test_without_a_file_all_parts_are_the_book_s(tmp_path, capsys) -> None:
    mine = own_detector(tmp_path)
    assert capsys.readouterr().out == "All parts are the book's own.\n"
    assert mine.assign(LOCATIONS, BOXES, 0, 64).tolist() == [0, -1]
    assert not list(tmp_path.iterdir())


def test_a_stub_is_left_alone(cell, tmp_path, capsys) -> None:
    keep(cell("def ltrb(locations, boxes):\n    raise NotImplementedError\n").ltrb, folder=tmp_path)
    assert capsys.readouterr().out == "ltrb: not written yet, so the book's own stands in for it.\n"
    assert not (tmp_path / "my_fcos.py").exists()


def test_a_wrong_part_gets_a_sentence_and_is_not_kept(cell, tmp_path, capsys) -> None:
    keep(cell(RIGHT).ltrb, folder=tmp_path)
    before = (tmp_path / "my_fcos.py").read_text()
    keep(cell(RIGHT.replace("[None, :, :2]", "[None, :, 2:]")).ltrb, folder=tmp_path)
    assert "ltrb: not yet." in capsys.readouterr().out
    assert (tmp_path / "my_fcos.py").read_text() == before


def test_a_second_version_takes_the_place_of_the_first(cell, tmp_path) -> None:
    inside = "def inside(distances):\n    return (distances > 0).all(-1)\n"
    keep(cell(RIGHT).ltrb, cell(inside).inside, folder=tmp_path)
    keep(cell(RIGHT.replace("# mine", "# better")).ltrb, folder=tmp_path)
    text = (tmp_path / "my_fcos.py").read_text()
    assert "# mine" not in text and "# better" in text
    assert text.count("# ---- part: ") == 2 and text.startswith(HEADER)


def test_what_the_reader_writes_by_hand_stays(cell, tmp_path) -> None:
    keep(cell(RIGHT).ltrb, folder=tmp_path)
    path = tmp_path / "my_fcos.py"
    path.write_text(path.read_text().replace(HEADER, HEADER + "\nLIMIT = 7\n"))
    keep(cell("def inside(distances):\n    return (distances > 0).all(-1)\n").inside, folder=tmp_path)
    assert own_detector(tmp_path, quiet=True).LIMIT == 7


def test_a_helper_has_to_come_along(cell, tmp_path, capsys) -> None:
    source = RIGHT.replace("def ltrb", "def both(a, b):\n    return torch.cat([a, b], -1)\n\ndef ltrb")
    source = source.replace("torch.cat([locations", "both(*[locations").replace("None]], -1)", "None]])")
    module = cell(source)
    keep(module.ltrb, folder=tmp_path)
    assert "keep it too: keep(both, ltrb)" in capsys.readouterr().out
    keep(module.both, module.ltrb, folder=tmp_path)
    assert own_detector(tmp_path, quiet=True).yours == ["both", "ltrb"]


def test_a_damaged_part_leaves_the_book_s_and_says_so(cell, tmp_path, capsys) -> None:
    keep(cell(RIGHT).ltrb, folder=tmp_path)
    path = tmp_path / "my_fcos.py"
    path.write_text(path.read_text().replace("def ltrb(locations, boxes):", "def ltrb(locations, boxes:"))
    mine = own_detector(tmp_path)
    said = capsys.readouterr().out
    assert "(ltrb) cannot be used" in said and "SyntaxError" in said
    assert mine.yours == []
    assert mine.assign(LOCATIONS, BOXES, 0, 64).tolist() == [0, -1]


def test_a_part_that_cannot_be_defined_is_not_kept_as_the_book_s(cell, tmp_path, capsys) -> None:
    source = RIGHT.replace("def ltrb", "LATER = 1\n\ndef ltrb").replace("boxes):", "boxes, later=LATER):")
    keep(cell(source).ltrb, folder=tmp_path)  # LATER is not in the file
    assert "cannot be used" in capsys.readouterr().out
    assert not (tmp_path / "my_fcos.py").exists()


def test_somebody_else_s_file_is_left_alone(cell, tmp_path) -> None:
    (tmp_path / "my_fcos.py").write_text("x = 1\n")
    with pytest.raises(ValueError, match="is not a file that keep.. began"):
        keep(cell(RIGHT).ltrb, folder=tmp_path)
    with pytest.raises(ValueError, match="move it away"):
        own_detector(tmp_path)
    assert (tmp_path / "my_fcos.py").read_text() == "x = 1\n"


def test_what_has_no_source_is_named() -> None:
    with pytest.raises(TypeError, match="the source of typed cannot be read"):
        scope: dict = {}
        exec("def typed(x): return x", scope)
        keep(scope["typed"])
    with pytest.raises(TypeError, match=r"such as keep\(locations\)"):
        keep(3)  # type: ignore[arg-type]


def test_where_the_file_is(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("FCOS_EDU_OWN", raising=False)
    assert own_file() == Path("my_fcos.py")
    monkeypatch.setattr("fcos_edu.course.own.DRIVE", tmp_path)
    assert own_file() == tmp_path / "my_fcos.py"
    monkeypatch.setenv("FCOS_EDU_OWN", str(tmp_path / "mine"))
    assert own_file() == tmp_path / "mine" / "my_fcos.py"
    assert own_file("here") == Path("here/my_fcos.py")
