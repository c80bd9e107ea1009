"""``fcos-edu bench``: its options on their way to the bench and into the record."""

import json

import pytest
import torch

from fcos_edu.experiments import PARTS
from fcos_edu.experiments import bench as benches
from tests.cli.calls import run


@pytest.mark.parametrize(
    ("words", "options", "command"),
    [
        ([], {"batch_size": None, "size": None, "precision": None, "compiled": False}, ""),
        (
            ["--part", "training", "--batch-size", "4", "--size", "64", "96", "--precision", "bf16", "--compile"],
            {"batch_size": 4, "size": (64, 96), "precision": "bf16", "compiled": True},
            "--part training --batch-size 4 --size 64 96 --precision bf16 --compile",
        ),
    ],
)
def test_bench_passes_its_options_and_records_them(monkeypatch, tmp_path, words, options, command):
    seen = {}

    def bench(parts, turns, device, **given):
        seen.update(given, parts=tuple(parts), turns=turns, device=device)
        return {"training": {"input": "nothing"}}

    monkeypatch.setattr(benches, "bench", bench)
    assert run("bench", *words, "--record", tmp_path / "a.json") == 0
    parts = ("training",) if words else PARTS
    assert seen == options | {"parts": parts, "turns": 5, "device": "cpu"}
    assert json.loads((tmp_path / "a.json").read_text())["command"] == f"fcos-edu bench {command}".rstrip()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_bench_without_a_gpu_says_so(capsys):
    assert run("bench", "--device", "cuda") == 1
    assert "--device cuda needs a GPU that PyTorch can use" in capsys.readouterr().err
