"""Home folders that are known, and those that are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from fcos_edu import data, weights
from fcos_edu.places import expanded
from fcos_edu.training.runs import Run
from tests.cli.calls import run


def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container of a user number that the system has no entry for."""
    pwd = pytest.importorskip("pwd")

    def nobody(_: object) -> None:
        raise KeyError("no such user")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)


def test_a_home_is_put_in_its_place(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded("~/runs/x") == tmp_path / "runs" / "x" and expanded("~") == tmp_path
    for plain in ("runs/~x", "/a/~", "./~x", "x~"):
        assert expanded(plain) == Path(plain)


def test_without_a_home_there_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("FCOS_EDU_DATA", "XDG_DATA_HOME", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    no_home(monkeypatch)
    with pytest.raises(FileNotFoundError, match=r"^~/x: no home .* for ~ \(HOME is not set.*\): give the whole path$"):
        expanded("~/x")
    with pytest.raises(FileNotFoundError, match="no home .*FCOS_EDU_DATA"):
        data.data_root()
    with pytest.raises(FileNotFoundError, match="no home .*FCOS_EDU_DATA"):
        data.load("coco2017")
    with pytest.raises(ConnectionError, match="cannot fetch the FCOS weights .*no home .*TORCH_HOME"):
        weights.fetch_torchvision("COCO_V1")
    for call in (Run, data.load, data.load_annotations):
        with pytest.raises(FileNotFoundError, match="no home folder is known for ~ "):
            call("~/x")
    assert not list(tmp_path.iterdir()), "no folder of the name ~ was made"


def test_a_user_who_is_not_known_is_named():
    for call in (expanded, Run, data.load, data.load_annotations):
        with pytest.raises(
            FileNotFoundError, match=r"no home folder is known for ~nosuchuser \(there is no such user\)"
        ):
            call("~nosuchuser/x")


def test_the_command_line_knows_home_folders_everywhere(monkeypatch, tmp_path, capsys):
    """Shells put them in only where ``~`` begins a word: not in ``--out=~/x``."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert run("data", "export", "shapes", "--images", 1, "--split", "val", "--out=~/mine") == 0
    assert (tmp_path / "mine" / "val.json").exists() and not (tmp_path / "~").exists()
    assert run("data", "info", "~/mine", "--split", "val") == 0
    capsys.readouterr()
    no_home(monkeypatch)
    for word in ("--out=~/x", "--out=~nosuchuser/x"):
        with pytest.raises(SystemExit) as stop:
            run("train", word, "--print")
        told = capsys.readouterr().err
        assert stop.value.code == 2 and "argument --out: " in told and "no home folder is known for ~" in told


def test_links_in_a_circle_are_named_wherever_a_path_is_taken(tmp_path):
    (tmp_path / "one").symlink_to("other")
    (tmp_path / "other").symlink_to("one")
    for name in ("one", "other", "one/inside/a.json"):
        for call in (expanded, Run, data.load, data.load_annotations):
            with pytest.raises(OSError, match=f"its links lead in a circle: '{tmp_path}/{name}'"):
                call(f"{tmp_path}/{name}")
    (tmp_path / "nowhere").symlink_to("nothing")
    assert expanded(tmp_path / "nowhere") == tmp_path / "nowhere"  # may be written
    assert expanded("a\0b") == Path("a\0b")
