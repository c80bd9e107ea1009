"""``fcos-edu export``: what it leaves, and what it refuses."""

import json

import numpy as np
import pytest

from fcos_edu import detectors
from fcos_edu.export import agreement, graph
from tests.cli.calls import run
from tests.export.models import random_model

runtime = pytest.importorskip("onnxruntime")


@pytest.fixture
def small(tmp_path):
    random_model(class_names=("a", "b", "c")).save(tmp_path / "runs" / "x" / "model.safetensors")
    return tmp_path / "runs" / "x"


def test_a_runs_folder_becomes_one_file(tmp_path, small, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # the second run may write its own file again
        words = ["export", small, "--set", "score_threshold=0.25", "--time", 1, "--size", 64, 96, "--record", "t.json"]
        assert run(*words) == 0
        out = capsys.readouterr().out
        assert out.startswith("x.onnx: ") and "on 10 images of all sizes" in out and "ONNX Runtime" in out
    metrics = json.loads((tmp_path / "t.json").read_text())["metrics"]
    assert metrics["exported_ms"] > 0 and metrics["model_ms"] > 0
    image = np.random.default_rng(0).integers(0, 256, (70, 50, 3), dtype=np.uint8)
    boxes, scores, labels = runtime.InferenceSession("x.onnx").run(None, {"image": image})
    assert len(boxes) == len(scores) == len(labels) > 0 and scores.min() > 0
    assert boxes.min() >= 0 and boxes[:, 0::2].max() <= 50 and boxes[:, 1::2].max() <= 70


def test_a_file_of_the_users_is_refused_before_anything_is_done(tmp_path, small, monkeypatch, capsys):
    (tmp_path / "x.onnx").write_bytes(b"mine")
    monkeypatch.setattr(detectors, "load", lambda *_: pytest.fail("loaded"))
    assert run("export", small, "--out", tmp_path / "x.onnx") == 1
    assert "it is not replaced" in capsys.readouterr().err and (tmp_path / "x.onnx").read_bytes() == b"mine"
    assert run("export", small, "--out", tmp_path) == 1
    assert "is a folder; --out names the file" in capsys.readouterr().err


def test_what_does_not_agree_is_not_written(tmp_path, small, monkeypatch, capsys):
    plain = graph._network
    monkeypatch.setattr(graph, "_network", lambda model, *, traced: plain(model, traced=True))  # the newer is slow
    monkeypatch.setattr(graph, "IMAGE_MEAN", (0.5, 0.5, 0.5))
    assert run("export", small, "--out", tmp_path / "x.onnx") == 1
    assert "does not detect what the model does, and is not written" in capsys.readouterr().err
    assert not (tmp_path / "x.onnx").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--set", "fpn_channels=32"], "fpn_channels is part of the trained model"),
        (["--set", "score_threshold=2"], "score_threshold"),
        (["--record", "t.json"], "--record writes times"),
    ],
)
def test_a_wrong_wish_is_told(small, tmp_path, capsys, words, told):
    assert run("export", small, "--out", tmp_path / "x.onnx", *words) == 1
    assert told in capsys.readouterr().err


def test_another_detector_is_refused(tmp_path, capsys):
    from fcos_edu import FCOSConfig

    config = FCOSConfig.tiny(num_classes=2)
    detectors.save(detectors.build("retinanet", config), tmp_path / "r.safetensors", "retinanet", config)
    assert run("export", tmp_path / "r.safetensors", "--out", tmp_path / "x.onnx") == 1
    assert "holds a RetinaNet; only FCOS can be exported" in capsys.readouterr().err


def test_a_program_of_torch_export(tmp_path, small, monkeypatch, capsys):
    """The command's own part; that the program agrees is tested where it is made."""
    from fcos_edu.export import program

    monkeypatch.setattr(program, "export_torch", lambda *_: (b"program", agreement.Agreement(10, 9, 0.0, 0.0, 2)))
    monkeypatch.chdir(tmp_path)
    assert run("export", small, "--to", "torch") == 0
    assert (tmp_path / "x.pt2").read_bytes() == b"program"
    assert "2 on an edge, which only one of them has" in capsys.readouterr().out


def test_the_end_of_the_name_says_what_is_written(tmp_path, small, monkeypatch, capsys):
    from fcos_edu.export import program

    monkeypatch.setattr(program, "export_torch", lambda *_: (b"program", agreement.Agreement(10, 9, 0.0, 0.0, 0)))
    assert run("export", small, "--out", tmp_path / "y.pt2") == 0 and (tmp_path / "y.pt2").read_bytes() == b"program"
    assert run("export", small, "--to", "torch", "--out", tmp_path / "y.onnx") == 1
    assert "ends as a file of --to onnx; with --to torch it is .pt2" in capsys.readouterr().err
    assert not (tmp_path / "y.onnx").exists()
