"""The environment of notebooks alone: its versions, and that a plain Python makes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import alone_environment
from scripts.alone_environment import changes, find_python, plain, prepare, python_of, read_pins


def test_a_later_file_has_the_last_word() -> None:
    colab, kaggle = read_pins("colab"), read_pins("kaggle")
    assert set(changes(colab, kaggle)) == {
        f"{name} {colab[name]} became {kaggle[name]}"
        for name in ("ipywidgets", "jupyterlab-widgets", "widgetsnbextension")
    }


def test_what_is_new_is_no_change() -> None:
    assert changes({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "2.1", "d": "4"}) == [
        "b 2 became 2.1",
        "c 3 became nothing",
    ]


def test_names_are_compared_as_pip_does() -> None:
    assert plain("Jupyter_Client") == plain("jupyter.client") == "jupyter-client"


def test_a_python_that_is_not_there_is_named() -> None:
    assert Path(find_python(None)).exists()
    with pytest.raises(FileNotFoundError, match="'python9.99'"):
        find_python("python9.99")


def test_what_is_there_is_kept_and_what_differs_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = python_of(tmp_path)
    python.parent.mkdir()
    python.touch()
    here, asked = read_pins("kaggle"), []
    monkeypatch.setattr(alone_environment, "installed", lambda _: here)
    monkeypatch.setattr(alone_environment, "pip", lambda *arguments: asked.append(arguments))
    assert prepare(tmp_path, "kaggle") == python and not asked
    here |= {"torch": "1.0", "of-the-readers-own": "1"}
    prepare(tmp_path, "kaggle")
    ((of, word, *options),) = asked
    assert of == python and word == "install"
    assert {o for o in options if "==" in o} == {f"{name}=={version}" for name, version in read_pins("kaggle").items()}


def test_it_needs_no_package() -> None:
    """-S: what is installed is not found. Continuous integration makes it beside the project's own environment."""
    done = subprocess.run([sys.executable, "-S", alone_environment.__file__, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "--platform {colab,kaggle}" in done.stdout, done.stderr
