"""``fcos-edu study``: what it trains, and what it does not train twice."""

import json

from tests.cli.calls import run


def test_study_trains_what_is_missing_and_records_mean_and_spread(tmp_path, capsys):
    sets = {"model.min_size": 64, "model.max_size": 64, "model.fpn_channels": 16, "model.num_head_convs": 1}
    words = ["study", "retinanet", "--seeds", 0, 1, "--iterations", 2, "--out", tmp_path / "runs"]
    for name, value in (sets | {"warmup_iterations": 0, "batch_size": 2, "precision": "no"}).items():
        words += ["--set", f"{name}={value}"]
    assert run(*words, "--print") == 0
    shown = json.loads(capsys.readouterr().out)
    assert set(shown) == {"fcos", "retinanet"} and shown["retinanet"]["model"]["center_sampling_radius"] is None
    assert not (tmp_path / "runs").exists()

    assert run(*words, "--record", tmp_path / "a.json", "--note", "short") == 0
    assert "training fcos-0: 2 steps" in capsys.readouterr().out
    result = json.loads((tmp_path / "a.json").read_text())
    assert result["note"] == "short" and "2 seeds" in result["what"] and result["paper"]["FCOS"]["AP90"] == 0.131
    assert result["command"].startswith("fcos-edu study retinanet --seeds 0 1 --iterations 2 --set ")
    assert len(result["metrics"]["RetinaNet"]["AP"]["values"]) == 2
    assert run(*words) == 0
    assert "training" not in capsys.readouterr().out  # nothing is trained twice

    assert run(*words, "--set", "lr=0.5") == 1
    assert "another configuration: lr was" in capsys.readouterr().err
