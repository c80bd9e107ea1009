"""``fcos-edu study``: what it trains, what it does not train twice, and what it decides before."""

import json

import pytest

from tests.cli.calls import run

pytest.importorskip("scipy")  # the comparisons in a record

SETS = {
    "model.min_size": 64, "model.max_size": 64, "model.fpn_channels": 16, "model.num_head_convs": 1,
    "warmup_iterations": 0, "batch_size": 2, "precision": "no", "model.score_threshold": 0.001,
}  # fmt: skip


def words(*first, folder, steps=2):
    told = [*first, "--jobs", 1, "--iterations", steps, "--out", folder]
    for name, value in SETS.items():
        told += ["--set", f"{name}={value}"]
    return told


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch):
    from fcos_edu import data

    monkeypatch.setattr(data.shapes, "DEFAULT_IMAGES", {"train": 8, "val": 4, "test": 4})


def test_study_trains_what_is_missing_and_lives_in_its_record(tmp_path, capsys):
    told = words("study", "score-iou", "--seeds", 0, 1, folder=tmp_path / "runs")
    assert run(*told, "--print") == 0
    shown = json.loads(capsys.readouterr().out)
    assert set(shown) == {"fcos"} and shown["fcos"]["model"]["center_sampling_radius"] is None
    assert not (tmp_path / "runs").exists()

    assert run(*told, "--record", tmp_path / "a.json", "--note", "short") == 0
    out = capsys.readouterr().out
    assert "training fcos-0: 2 steps" in out and "finished fcos-1" in out
    assert "with against without, share" in out and "of 2 seeds" in out
    result = json.loads((tmp_path / "a.json").read_text())
    assert result["note"] == "short" and len(result["metrics"]["score-iou"]["with"]["share"]["values"]) == 2
    assert result["command"].startswith("fcos-edu study score-iou --seeds 0 1 --iterations 2 --set ")
    assert [run["seed"] for run in result["runs"].values()] == [0, 1]
    # On another machine: the record alone.
    elsewhere = words("study", "score-iou", "--seeds", 0, 1, folder=tmp_path / "others")
    assert run(*elsewhere, "--record", tmp_path / "a.json") == 0
    assert "training" not in capsys.readouterr().out and not (tmp_path / "others").exists()

    assert run(*told, "--record", tmp_path / "a.json", "--set", "lr=0.5") == 1
    assert "another configuration: lr was" in capsys.readouterr().err


def test_the_command_in_a_record_does_not_depend_on_where_the_study_was_cut_off():
    """A record that went on from a run of ``fcos`` named score-iou too, which that run covers; a whole one did not."""
    from fcos_edu.cli.study import _needed
    from fcos_edu.experiments.studies import STUDIES

    class Book:
        def __init__(self, *studies):
            self.there = {variant for name in studies for variant in STUDIES[name].variants}

        def seeds(self, rows):
            return [0] * self.there.issuperset(row.variant for row in rows)

    assert _needed(["ladder"], Book()) == _needed(["ladder"], Book("score-iou")) == ["ladder"]
    assert _needed(["centerness"], Book("ladder", "centerness")) == ["ladder", "centerness"]
    assert _needed(["torchvision"], Book("ladder", "parts")) == ["ladder", "parts", "torchvision"], "and the questions"


def test_a_design_is_made_first_and_holds(tmp_path, capsys):
    short = words("study", "design", "--seeds", 0, 1, folder=tmp_path / "short", steps=1)
    assert run(*short) == 1
    assert "1 step is too short for a learning curve" in capsys.readouterr().err
    told = words("study", "design", "--seeds", 0, 1, "--plan", 2, 3, folder=tmp_path, steps=4)
    assert run(*told, "--note", "a test trains no longer") == 0
    made = json.loads((tmp_path / "runs.json").read_text())["design"]
    assert (made["seeds"], made["seeds_at_most"], made["iterations"]) == (2, 3, 4)
    assert made["pilot"]["seeds"] == [0, 1] and set(made["smallest_effect"]) == {"2", "3"}
    capsys.readouterr()
    assert run(*words("study", "score-iou", folder=tmp_path, steps=4)) == 0  # the design's seeds, all there
    assert "training" not in capsys.readouterr().out
    assert run(*told) == 1
    assert "has a design already" in capsys.readouterr().err
    assert run(*words("study", "score-iou", folder=tmp_path, steps=4), "--set", "lr=0.5") == 1
    assert "has a design, which is not changed" in capsys.readouterr().err


def test_a_folder_gets_as_many_steps_as_suit_it(tmp_path, capsys, monkeypatch):
    """On a GPU it would have been the paper's 90,000, for eight pictures too."""
    from fcos_edu import data
    from fcos_edu.cli import study

    for split in ("train", "val"):
        data.load("shapes", split).export_coco(tmp_path / "mine")
    monkeypatch.setattr(study, "has_gpu", lambda *_: True)
    told = ("study", "score-iou", "--data", tmp_path / "mine", "--print")
    steps = {}
    for more in ((), ("--iterations", 90), ("--set", "iterations=70")):
        assert run(*told, *more) == 0
        shown = json.loads(capsys.readouterr().out)["fcos"]
        steps[more] = (shown["iterations"], shown["warmup_iterations"] <= shown["iterations"], shown["measure_every"])
    assert steps[()][0] < 1000 and steps[()][1:] == (True, 0)
    assert [steps[more][0] for more in list(steps)[1:]] == [90, 70]
