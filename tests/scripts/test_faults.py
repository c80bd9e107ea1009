"""The script that troubles runs: three faults of sixty, and that it would notice what is lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fcos_edu import records
from scripts import faults

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.weekly
def test_three_faults_lose_nothing():
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "scripts" / "faults.py"), "--short", "--seed", "1"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = json.loads(done.stdout)
    assert metrics["faults"] == sum(metrics["ended"].values()) == 3
    assert metrics["runs that were not the same in the end"] == metrics["steps lost after a request to stop"] == 0


def test_what_is_not_the_same_is_seen(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        save_file({"weight": torch.ones(3)}, tmp_path / name / "model.safetensors")
        (tmp_path / name / "log.jsonl").write_text('{"step": 1, "loss": 2.0, "seconds": 3}\n')
    one, other = tmp_path / "one", tmp_path / "other"
    (other / "log.jsonl").write_text('{"step": 1, "loss": 2.0, "seconds": 9}\n')
    assert faults.same(one, other) == [] and faults.steps_logged(other) == 1
    (other / "log.jsonl").write_text('{"step": 1, "loss": 2.5, "seconds": 3}\n')
    (other / ".config.json.0.part").touch()
    save_file({"weight": torch.tensor([1, 1, 1 + 2**-23])}, other / "model.safetensors")
    assert faults.same(one, other) == ["other weights", "another log", "half a file"]


def test_the_record_is_of_sixty_faults_and_more():
    metrics = records.recorded("faults")["metrics"]
    assert metrics["faults"] == sum(metrics["kinds"].values()) == sum(metrics["ended"].values()) >= 60
    assert set(metrics["kinds"]) == set(faults.COUNTS)
    assert metrics["runs that were not the same in the end"] == metrics["steps lost after a request to stop"] == 0
    for kind, code in faults.ASKED.items():  # where a script's jobs ignore them, signals trouble nothing
        assert metrics["ended"].get(f"{kind}: exit code {code}", 0) >= metrics["kinds"][kind] / 2
