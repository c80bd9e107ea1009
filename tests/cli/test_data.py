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
