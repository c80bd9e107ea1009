"""Measuring on the way changes nothing of a run, survives a kill, and decides which weights are kept."""

import json
import os
import signal

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from fcos_edu import ConfigError, data, detectors, evaluate, weights
from fcos_edu.training import measuring
from fcos_edu.training.loop import train
from fcos_edu.training.runs import Run
from fcos_edu.training.signals import PreemptedError
from tests.training.parts import ALONE, launch, log_of, small


def measured(folder):
    """Without clocks."""
    entries = json.loads((folder / "measured.json").read_text())
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in entries]


def same(one, other, name="model.safetensors"):
    a, b = load_file(one / name), load_file(other / name)
    return all(torch.equal(a[key], b[key]) for key in a | b)


@pytest.mark.parametrize("ema_decay", [pytest.param(0.0, marks=pytest.mark.weekly), 0.5])
def test_a_run_that_measures_has_the_weights_of_one_that_does_not(tmp_path, ema_decay):
    """In bf16, which is on the network only in a step; strong augmentation draws many random numbers."""
    config = small(test_split="val", augment="strong", precision="bf16", ema_decay=ema_decay, keep_checkpoints=9)
    train(config, tmp_path / "plain", progress=False)
    outcome = train(config.replace(measure_every=2), tmp_path / "measured", progress=False)
    assert same(tmp_path / "plain", tmp_path / "measured")
    assert log_of(tmp_path / "plain") == log_of(tmp_path / "measured")
    entries = measured(tmp_path / "measured")
    assert [entry["step"] for entry in entries] == [2, 4, 6] == Run(tmp_path / "measured").steps()[-3:]
    test = data.load("shapes", "val", transforms=data.transforms.eval_transforms())
    step = tmp_path / "measured" / "checkpoints" / "step-0000004.pt"
    assert evaluate(detectors.load(step, "cpu"), test, progress=False) == measuring.twelve(entries[1])
    pictures = sorted((tmp_path / "measured" / "pictures").iterdir())
    assert [path.name for path in pictures] == [f"step-000000{step}.jpg" for step in (2, 4, 6)]
    with Image.open(pictures[0]) as picture:
        assert picture.size == (4 * 256, 2 * 256)  # all of four images, once with the truth
    best = max(entries, key=lambda entry: entry["AP"])  # the first of equals
    assert outcome["step"] == best["step"] and outcome["AP"] == best["AP"]
    assert weights.load(tmp_path / "measured").about["step"] == best["step"]
    assert weights.load(tmp_path / "plain").about["step"] == 6


def scripted(monkeypatch, values):
    """The AP of each measurement, in their order."""
    left = iter(values)
    monkeypatch.setattr(measuring, "evaluate_shared", lambda *_, **__: dict.fromkeys(measuring.METRICS, next(left)))


def test_the_best_weights_are_kept_and_patience_ends_the_run(tmp_path, monkeypatch, capfd):
    scripted(monkeypatch, [0.1, 0.3, 0.3, 0.25])
    config = small(test_split="val", iterations=9, measure_every=1, patience=2, log_every=1)
    outcome = train(config, tmp_path)
    told = "ended early, after step 4 of 9: no better AP in 2 measurements since step 2"
    assert told in "".join(capfd.readouterr())
    assert (outcome["iterations"], outcome["step"], outcome["AP"]) == (4, 2, 0.3)
    assert weights.load(tmp_path).about["step"] == 2 == Run(tmp_path).step_of_best()
    assert weights.load(tmp_path / "model.safetensors").about["step"] == 4
    again = train(config, tmp_path, resume=True)  # nothing is trained or measured any more
    assert told in "".join(capfd.readouterr())
    assert (again["iterations"], again["step"]) == (4, 2) and [entry["step"] for entry in log_of(tmp_path)] == [
        1,
        2,
        3,
        4,
    ]
    scripted(monkeypatch, [0.4, 0.3, 0.2, 0.1])  # with more patience it goes on, and ends early once more
    more = train(config.replace(patience=3), tmp_path, resume=True, allow_changes=True, progress=False)
    assert (more["iterations"], more["step"], more["AP"]) == (8, 5, 0.4)
    assert weights.load(tmp_path).about["step"] == 5


def test_where_nothing_is_found_yet_a_run_is_not_ended(tmp_path, monkeypatch):
    scripted(monkeypatch, [0.0, 0.0, 0.0, None, 0.1, 0.2])
    config = small(test_split="val", measure_every=1, patience=1)
    assert train(config, tmp_path, progress=False)["step"] == 6


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_asked_to_stop_while_it_measures_stops_at_once_and_measures_when_it_goes_on(
    tmp_path, monkeypatch, number
):
    config = small(test_split="val", iterations=5, measure_every=2, ema_decay=0.5, log_every=1)
    train(config, tmp_path / "whole", progress=False)
    calls, original = iter(range(100)), measuring.evaluate_shared

    def asked(*arguments, **options):
        if next(calls) == 1:
            os.kill(os.getpid(), number)
            raise AssertionError("it measures on")
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(measuring, "evaluate_shared", asked)
        with pytest.raises((PreemptedError, KeyboardInterrupt)):
            train(config, tmp_path / "stopped", progress=False)
    assert Run(tmp_path / "stopped").steps()[-1] == 4 and [e["step"] for e in measured(tmp_path / "stopped")] == [2]
    train(config, tmp_path / "stopped", resume=True, progress=False)
    assert same(tmp_path / "whole", tmp_path / "stopped") and same(
        tmp_path / "whole", tmp_path / "stopped", "best.safetensors"
    )
    assert measured(tmp_path / "whole") == measured(tmp_path / "stopped")
    assert log_of(tmp_path / "whole") == log_of(tmp_path / "stopped")


def test_a_run_killed_while_it_measures_gives_the_same_weights_and_measurements(tmp_path):
    """While it detects; with measured.json written and the best weights not; with half a file."""
    words = ("--measure-every", 3)
    launch(ALONE, "train", tmp_path / "whole", *words)
    # 14 steps, of which 3, 6, 9, 12 and 14 are measured and saved, 4 and 8 saved.
    for kill in ("measure:1", "best:1", "rename:4"):
        code = launch(ALONE, "train", tmp_path / "killed", "--resume", "--die", kill, *words, check=False)
        assert code == -signal.SIGKILL, kill
    launch(ALONE, "train", tmp_path / "killed", "--resume", *words)
    for name in ("model.safetensors", "best.safetensors"):
        assert same(tmp_path / "whole", tmp_path / "killed", name)
    assert measured(tmp_path / "whole") == measured(tmp_path / "killed")
    assert log_of(tmp_path / "whole") == log_of(tmp_path / "killed")
    ends = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("whole", "killed")]
    assert ends[0]["step"] == ends[1]["step"] and ends[0]["AP"] == ends[1]["AP"]
    assert not [path for path in (tmp_path / "killed").rglob("*") if path.name.endswith(".part")]


def test_the_best_weights_of_steps_that_are_done_again_are_forgotten(tmp_path, monkeypatch):
    """The newest checkpoint is gone: what was measured after the one before is not known."""
    scripted(monkeypatch, [0.1, 0.2, 0.3])
    config = small(test_split="val", measure_every=2, save_every=2)
    train(config, tmp_path, progress=False)
    assert Run(tmp_path).step_of_best() == 6
    Run(tmp_path).path(6).unlink()
    scripted(monkeypatch, [0.05])
    outcome = train(config, tmp_path, resume=True, progress=False)
    assert [entry["AP"] for entry in measured(tmp_path)] == [0.1, 0.2, 0.05]
    assert outcome["step"] == 4 == Run(tmp_path).step_of_best()  # whose weights the older checkpoint still had


@pytest.mark.parametrize("text", ["{", "[1]", '[{"step": "2"}]', '[{"step": 2, "AP": "high"}]', '{"mine": 1}'])
def test_measurements_of_another_program_are_refused(tmp_path, text):
    (tmp_path / "measured.json").write_text(text)
    with pytest.raises(ConfigError, match=r"measured\.json"):
        Run(tmp_path).measurements()
    assert Run(tmp_path / "nowhere").measurements() == [] and Run(tmp_path).step_of_best() is None


def test_patience_without_a_measurement_is_refused(tmp_path):
    for changes in ({"measure_every": 0}, {"test_split": "", "measure_every": 2}):
        with pytest.raises(ConfigError, match="patience is 3, but nothing is measured on the way"):
            train(small(test_split="val", patience=3).replace(**changes), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_picture_that_cannot_be_drawn_ends_no_run(tmp_path, monkeypatch):
    def undrawable(*_):
        raise RuntimeError("no fonts")

    monkeypatch.setattr(measuring, "mosaic", undrawable)
    with pytest.warns(UserWarning, match="detections of step 2 could not be drawn .no fonts"):
        assert train(small(test_split="val", iterations=2, measure_every=2), tmp_path, progress=False)["step"] == 2
