"""What older versions have written still loads: runs go on to the same bits, models detect the same."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fcos_edu import FCOS, FCOSConfig, data, detectors, records
from fcos_edu.training.config import TrainConfig
from fcos_edu.training.loop import train
from fcos_edu.training.runs import Run
from tests.old_versions.make import HERE, digest, learnt, picture, where


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A copy of the run that was cut off, beside the data that it had."""
    monkeypatch.setattr(data.shapes, "DEFAULT_IMAGES", {"train": 16, "val": 4, "test": 4})
    shutil.copytree(HERE / "run", tmp_path / "run")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as then: sums are shared out among threads
    yield Run(tmp_path / "run")
    torch.set_num_threads(threads)


def config_of(run):
    return TrainConfig.from_dict(json.loads(run.config.read_text("utf-8")))


def test_a_configuration_is_read_and_written_as_it_was(run):
    before = json.loads(run.config.read_text("utf-8"))
    config = config_of(run)
    assert config.model.levels == (2,) and config.model.class_names[0] == "disc" and config.accumulate == 2
    now = config.to_dict()
    assert {name: now[name] for name in before} == before
    assert {name: now[name] for name in now.keys() - before.keys()} == {  # fields of later versions, at their defaults
        "keep_empty": False,
        "orientation": "auto",
        "max_pixels": 89_000_000,
        "allow_outside": False,
        "measure_every": 0,
        "patience": 0,
    }
    run.check(config, resume=True, allow_changes=False)


def test_a_run_goes_on_as_it_would_have_gone_on_then(run):
    """To the same bits, where processor and torch are those of then; elsewhere they round otherwise."""
    assert run.steps() == [4]
    train(config_of(run), run.folder, resume=True, progress=False)
    now, then = learnt(run.newest()), load_file(HERE / "whole.safetensors")
    assert then
    for name, value in then.items():
        torch.testing.assert_close(now[name], value, rtol=1e-3, atol=1e-5)
    whole = json.loads((HERE / "whole.json").read_text("utf-8"))
    if where() == {name: whole[name] for name in ("torch", "processor")}:
        assert digest(now) == whole["sha256"]
    entries = [json.loads(line) for line in run.log.read_text("utf-8").splitlines()]
    assert [entry["step"] for entry in entries] == [3, 6, 8]
    old = [json.loads(line) for line in (HERE / "run" / "log.jsonl").read_text("utf-8").splitlines()]
    for entry, before in zip(entries, old, strict=True):
        assert list(entry) == list(before)  # the same columns
        for name in ("loss", "centerness", "lr"):  # the floor is of the whole step now; it was that of its last pass
            assert entry[name] == pytest.approx(before[name], rel=1e-3)


def test_steps_of_today_are_not_those_of_a_state_that_was_left_out(run):
    """That the test above could fail: without the momentum of the checkpoint the weights are others."""
    state = run.newest()
    for values in state["optimizer"]["state"].values():
        values["momentum_buffer"].zero_()
    run.save(state, keep=1)
    train(config_of(run), run.folder, resume=True, progress=False)
    now, then = learnt(run.newest()), load_file(HERE / "whole.safetensors")
    assert any(not torch.allclose(now[name], value, rtol=1e-3, atol=1e-5) for name, value in then.items())


@pytest.mark.parametrize("load", [FCOS.load, detectors.load])
def test_a_model_detects_what_it_detected_then(load):
    model = load(HERE / "model.safetensors").set_inference(score_threshold=0.0)
    assert model.config.class_names == ("disc", "ring", "triangle", "square", "cross")
    assert isinstance(model.config, FCOSConfig)
    device = next(model.parameters()).device
    with torch.no_grad():
        now = {name: value.cpu() for name, value in model([picture().to(device)])[0].items()}
    then = {name: torch.tensor(value) for name, value in json.loads((HERE / "found.json").read_text("utf-8")).items()}
    for box, score, label in zip(then["boxes"], then["scores"], then["labels"], strict=True):
        same = (now["boxes"] - box).abs().amax(1) < 0.05
        same &= ((now["scores"] - score).abs() < 1e-4) & (now["labels"] == label)
        assert same.any(), (box, score, label)


def test_a_record_is_read(monkeypatch):
    monkeypatch.setattr(records, "RESULTS", Path(HERE))
    entry = records.recorded("record")
    assert entry["what"] == "A run of eight steps" and {"metrics", "paper", "hardware", "versions", "date"} <= set(
        entry
    )
