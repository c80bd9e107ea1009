"""The page *Deploying*: its lines run as they stand, in a process that has no torch."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fcos_edu import FCOS, data
from fcos_edu.cli.parser import build_parser
from tests.cli.calls import run

PAGE = (Path(__file__).parents[2] / "book" / "deploying.md").read_text("utf-8")
WITHOUT_TORCH, WITH_TORCH = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [shlex.split(line)[1:] for line in re.findall(r"^fcos-edu .*$", PAGE, re.MULTILINE)]
BLOCK = "import sys\nfor name in ('torch', 'torchvision', 'fcos_edu'):\n    sys.modules[name] = None\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    picture = data.ShapesDataset(1, "test", size=(200, 260))[0][0].numpy()
    Image.fromarray(picture.transpose(1, 2, 0)).save(tmp_path / "picture.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_lines_without_torch_find_what_the_model_finds(folder):
    pytest.importorskip("onnxruntime")
    assert run(*COMMANDS[0]) == 0 and (folder / "shapes.onnx").is_file()
    assert len([line for line in WITHOUT_TORCH.splitlines() if line.strip()]) <= 20
    (folder / "detect.py").write_text(BLOCK + WITHOUT_TORCH, "utf-8")
    words = [sys.executable, "detect.py", "picture.png"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    model = FCOS.pretrained("shapes")
    found = model([data.read_image(folder / "picture.png").as_subclass(torch.Tensor)])[0]
    shown = [
        f"{model.config.class_names[label]} {score:.2f} {[round(side, 1) for side in box]}"
        for box, score, label in zip(*(found[name].tolist() for name in ("boxes", "scores", "labels")))
        if score >= 0.3
    ]
    assert len(shown) >= 2
    words = [line.split(" [")[0] for line in done.stdout.splitlines()]
    assert words == [line.split(" [")[0] for line in shown]
    sides = [np.array(re.findall(r"[\d.]+(?=[,\]])", "".join(lines)), float) for lines in (done.stdout, shown)]
    assert np.allclose(*sides, atol=0.11)  # rounded to one digit, on either side of a half
    assert Image.open(folder / "found.png").size == (260, 200)


def test_torch_is_blocked_where_the_lines_run():
    done = subprocess.run([sys.executable, "-c", f"{BLOCK}import torch"], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "ModuleNotFoundError" in done.stderr


def test_every_command_of_the_page_exists():
    assert len(COMMANDS) == 4
    for words in COMMANDS:
        assert build_parser().parse_args(words).run
