"""Runs: what a log says is what is drawn."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fcos_edu import figures

from .support import by_gid, xy


class TestTrainingCurves:
    @staticmethod
    def write(folder: Path, steps: int) -> Path:
        entry = {"classification": 1.0, "bbox_regression": 0.5, "centerness": 0.6}
        lines = [{"step": 20 * (i + 1), "lr": 0.01 / (i + 1)} | entry for i in range(steps)]
        (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return folder / "log.jsonl"

    def test_losses_above_and_the_learning_rate_below(self, tmp_path: Path) -> None:
        losses, rate = figures.training_curves(self.write(tmp_path, 60)).axes
        thick = [line for line in losses.lines if not line.get_label().startswith("_")]
        assert [line.get_label() for line in thick] == ["classification", "bbox regression", "centerness"]
        for line, value in zip(thick, (1.0, 0.5, 0.6)):
            np.testing.assert_allclose(line.get_ydata(), value)
            assert line.get_xdata().tolist() == list(range(20, 1201, 20))
        assert losses.get_yscale() == "log"
        assert rate.lines[0].get_ydata()[:2].tolist() == [0.01, 0.005]

    def test_an_empty_log_gives_an_empty_picture(self, tmp_path: Path) -> None:
        figure = figures.training_curves(self.write(tmp_path, 0))
        figure.savefig(BytesIO())
        assert all(not axes.lines for axes in figure.axes)

    def test_a_log_of_one_step(self, tmp_path: Path) -> None:
        figures.training_curves(str(self.write(tmp_path, 1))).savefig(BytesIO())

    @given(st.lists(st.floats(0.1, 10), min_size=1, max_size=30), st.integers(1, 40))
    def test_the_running_mean_stays_within_the_values(self, values: list[float], window: int) -> None:
        mean = figures.running_mean(values, window)
        assert mean.shape == (len(values),)
        assert min(values) - 1e-9 <= mean.min() and mean.max() <= max(values) + 1e-9

    def test_the_running_mean_by_hand(self) -> None:
        np.testing.assert_allclose(figures.running_mean([1, 2, 6, 3], 3), [1.5, 3, 11 / 3, 4.5])
        assert figures.running_mean([1, 2, 6], 1).tolist() == [1, 2, 6]


def test_loss_curves_hold_the_values_and_the_floor() -> None:
    losses = {"classification": [1.0, 0.5, 0.1], "centerness": torch.tensor([0.7, 0.6, 0.58])}
    (axes,) = figures.loss_curves(losses, floor=0.57).axes
    assert xy(axes.lines[0]) == [[0, 1.0], [1, 0.5], [2, 0.1]]
    assert set(axes.lines[2].get_ydata()) == {0.57}
    assert axes.get_yscale() == "log"
    assert len(figures.loss_curves(losses).axes[0].lines) == 2


class TestTraining:
    """Pictures of the chapter "Training"."""

    def test_every_schedule_has_its_panel_and_its_rates(self) -> None:
        rates = {"steps": [0.1, 0.3, 0.3, 0.03], "cosine": [1.0, 0.5]}
        figure = figures.learning_rates(rates)
        assert [axes.get_title() for axes in figure.axes] == list(rates)
        for axes, wanted in zip(figure.axes, rates.values(), strict=True):
            assert axes.lines[0].get_ydata().tolist() == wanted
            assert axes.lines[0].get_xdata().tolist() == list(range(len(wanted)))
            assert axes.get_ylim()[0] == 0

    def test_a_schedule_without_steps_is_refused(self) -> None:
        with pytest.raises(ValueError, match="at least one"):
            figures.learning_rates({})
        with pytest.raises(ValueError, match="'empty'.*each step"):
            figures.learning_rates({"empty": []})

    def test_only_a_run_that_stopped_early_ends_in_a_cross(self) -> None:
        (axes,) = figures.run_losses({"whole": [3.0, 2.0, 1.0], "broken": [3.0, 9.0], "none": []}, 3).axes
        assert by_gid(axes, "broken").get_xydata().tolist() == [[1, 9]]
        assert by_gid(axes, "broken").get_marker() == "X"
        assert len(axes.lines) == 4 and axes.get_yscale() == "log"
        assert axes.lines[0].get_ydata().tolist() == [3, 2, 1]

    def test_a_loss_above_the_highest_is_drawn_there(self) -> None:
        (axes,) = figures.run_losses({"broken": [3.0, 1e30], "whole": [3.0, 50.0, 1.0]}, 3, highest=100).axes
        assert by_gid(axes, "broken").get_xydata().tolist() == [[1, 100]]
        assert [line.get_ydata().tolist() for line in axes.lines if len(line.get_xdata()) == 3] == [[3, 50, 1]]

    def test_losses_that_cannot_be_are_refused(self) -> None:
        with pytest.raises(ValueError, match="'long' has 4 losses; at most 3"):
            figures.run_losses({"long": [1.0] * 4}, 3)
        with pytest.raises(ValueError, match="finite"):
            figures.run_losses({"nan": [1.0, np.nan]}, 3)

    def test_the_weight_and_its_average(self) -> None:
        (axes,) = figures.weight_average([0, 2, 1], [0, 0.5, 0.75], wanted=1.0).axes
        weight, average, best = axes.lines
        assert weight.get_ydata().tolist() == [0, 2, 1] and average.get_ydata().tolist() == [0, 0.5, 0.75]
        assert set(best.get_ydata()) == {1.0}
        with pytest.raises(ValueError, match="averages"):
            figures.weight_average([0, 1], [0], wanted=1.0)

    def test_times_of_the_log_are_no_losses(self, tmp_path: Path) -> None:
        entry = {"step": 1, "loss": 2.0, "classification": 2.0, "lr": 0.1, "seconds": 1.0, "cpu_seconds": 1.0}
        entry |= {"waited": 0.1, "waited_share": 0.1, "skipped": 0.0}
        (tmp_path / "log.jsonl").write_text(json.dumps(entry) + "\n")
        figure = figures.training_curves(tmp_path / "log.jsonl")
        assert [t.get_text() for t in figure.legends[0].get_texts()] == ["classification"]
