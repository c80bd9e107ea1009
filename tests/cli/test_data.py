"""``fcos-edu data``: what it lists, tells and exports."""

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
