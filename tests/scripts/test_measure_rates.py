"""Runs at several learning rates: one start for all, clipping changes the step and not what is told, the record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fcos_edu.records import recorded
from fcos_edu.training.loading import make_dataset, make_loader
from scripts import measure_rates
from scripts.measure_rates import BARE, trained


def test_all_runs_begin_alike_and_part_by_rate_and_safeguard() -> None:
    base = BARE.replace(iterations=3)
    batches = list(make_loader(make_dataset(base), base))
    plain = trained(base.replace(lr=0.01), batches)
    assert plain == trained(base.replace(lr=0.01), batches), "the same numbers again"
    assert plain == trained(base.replace(lr=0.01, clip_norm=1e9), batches), "a limit that nothing reaches"
    assert [len(values) for values in plain.values()] == [3, 3]
    for other in (
        base.replace(lr=0.1),
        base.replace(lr=0.01, clip_norm=0.01),
        base.replace(lr=0.01, warmup_iterations=2),
    ):
        told = trained(other, batches)
        assert (told["loss"][0], told["norm"][0]) == (plain["loss"][0], plain["norm"][0])
        assert told["loss"][1:] != plain["loss"][1:]


def test_a_run_ends_where_it_is_not_finite() -> None:
    base = BARE.replace(iterations=12, lr=1e4)
    told = trained(base, list(make_loader(make_dataset(base), base)))
    assert 1 <= len(told["loss"]) == len(told["norm"]) < 12
    assert all(value < float("inf") for values in told.values() for value in values)


def test_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure_rates, "RATES", (0.001, 0.01))
    assert measure_rates.main(["--iterations", "2", "--record", str(tmp_path / "rates.json")]) == 0
    written = json.loads((tmp_path / "rates.json").read_text("utf-8"))
    kept = recorded("rates_shapes")
    assert written["what"] == kept["what"] and written["command"] == kept["command"]
    runs, whole = kept["metrics"]["curves"], kept["metrics"]["iterations"]
    ways = [(run["warm_up"], run["clip"]) for run in written["metrics"]["curves"]]
    assert len(ways) == 8 and set(ways) == {(run["warm_up"], run["clip"]) for run in runs}
    bare = {run["rate"]: len(run["loss"]) for run in runs if not run["warm_up"] and not run["clip"]}
    assert min(bare.values()) < whole == bare[min(bare)], "one diverges, the slowest does not"
