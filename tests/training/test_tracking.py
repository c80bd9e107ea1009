"""Figures for other programs: as they read them, without a step twice."""

import csv
import os
import signal

import pytest

from fcos_edu import ConfigError
from fcos_edu.training import state, tracking
from fcos_edu.training.loop import train
from fcos_edu.training.measuring import Measurements
from fcos_edu.training.runs import Run
from fcos_edu.training.signals import PreemptedError
from tests.training.parts import log_of, small


def test_a_run_that_goes_on_is_one_run_in_the_table_and_in_tensorboard(tmp_path, monkeypatch):
    """It is stopped after a step that is logged and saved; what a lost step had told is dropped."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = small(iterations=6, log_every=1, save_every=3, test_split="val", measure_every=3)
    options = dict(progress=False, track=("csv", "tensorboard"))
    calls, original = iter(range(100)), state.backward

    def asked(*arguments):
        if next(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(state, "backward", asked)
        with pytest.raises(PreemptedError):
            train(config, tmp_path, **options)
    (tmp_path / "checkpoints" / "step-0000004.pt").unlink()  # as if it had been killed before it was saved
    train(config, tmp_path, resume=True, **options)
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    losses = [row for row in rows if row["loss"]]
    assert [int(row["step"]) for row in losses] == [1, 2, 3, 4, 5, 6]
    assert [float(row["loss"]) for row in losses] == [entry["loss"] for entry in log_of(tmp_path)]
    assert [int(row["step"]) for row in rows if row["AP"]] == [3, 6]
    events = reader.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    seen = events.Scalars("loss")
    assert [event.step for event in seen] == [1, 2, 3, 4, 5, 6]
    assert [event.value for event in seen] == pytest.approx([entry["loss"] for entry in log_of(tmp_path)], rel=1e-5)
    assert [event.step for event in events.Scalars("AP")] == [3, 6]


def test_a_measurement_that_a_kill_cuts_off_before_it_is_noted_is_in_the_table_once(tmp_path, monkeypatch):
    config = small(iterations=6, save_every=3, test_split="val", measure_every=3)

    def killed(*_):
        raise KeyboardInterrupt

    for moment in ("write_measurements", "step_of_best"):  # while it is noted; when it is
        folder = tmp_path / moment
        with monkeypatch.context() as patch:
            if moment == "write_measurements":
                patch.setattr(Run, moment, killed)
            else:
                patch.setattr(Measurements, "_keep_if_best", lambda self: self.entries and killed())
            with pytest.raises(KeyboardInterrupt):
                train(config, folder, progress=False, track=("csv",))
        train(config, folder, resume=True, progress=False, track=("csv",))
        with open(folder / "log.csv", newline="") as file:
            assert [int(row["step"]) for row in csv.DictReader(file) if row["AP"]] == [3, 6], moment


def test_what_cannot_be_tracked_is_told_before_anything_is_trained(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="track is 'wandb'; it must be one of csv, tensorboard"):
        train(small(), tmp_path / "run", track=("wandb",))
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"tensorboard is not installed: pip install 'fcos-edu\[track\]'"):
        train(small(), tmp_path / "run", track=("tensorboard",))
    assert not (tmp_path / "run").exists()


def test_a_table_of_somebody_elses_is_left_alone(tmp_path):
    (tmp_path / "log.csv").write_text("name,age\nIda,7\n")
    with pytest.raises(ConfigError, match=r"log\.csv is no table of a run"):
        tracking.make_trackers(["csv"], tmp_path, 0)
    assert (tmp_path / "log.csv").read_text() == "name,age\nIda,7\n"
