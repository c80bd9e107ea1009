"""Studies over seeds: finished runs are kept, figures are those of the saved detectors, wrong calls leave none."""

from __future__ import annotations

import json

import pytest

from fcos_edu import FCOS, ConfigError, FCOSConfig, data, detectors
from fcos_edu.evaluation.agnostic import agnostic_metrics, proposal_recall
from fcos_edu.evaluation.coco_ap import coco_metrics, predict
from fcos_edu.experiments import seeds
from fcos_edu.experiments.seeds import run_study
from fcos_edu.experiments.studies import PAPER, STUDIES, study_table
from fcos_edu.proposals import FirstStage
from fcos_edu.training.config import TrainConfig

SMALL = TrainConfig(
    data="shapes", iterations=2, batch_size=2, log_every=1, warmup_iterations=0, precision="no",
    model=FCOSConfig.tiny(num_classes=5, min_size=64, max_size=64, fpn_channels=16, num_head_convs=1,
                          score_threshold=0.001),
)  # fmt: skip


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch):
    monkeypatch.setattr(data.shapes, "DEFAULT_IMAGES", {"train": 8, "val": 4, "test": 4})


def test_center_ness_four_ways_and_without_a_branch(tmp_path):
    outcome = run_study("centerness", SMALL, tmp_path, seeds=[0, 1], progress=False)
    assert set(outcome) == {"none", "computed", "branch", "oracle", "without_branch", "seconds", "cpu_seconds"}
    dataset = data.load("shapes", "val", transforms=data.transforms.eval_transforms())
    model = FCOS.load(tmp_path / "fcos-1" / "model.safetensors")
    for way in ("none", "branch"):
        model.set_inference(centerness_inference=way)
        want = coco_metrics(dataset.ground_truth(), predict(model, dataset, progress=False))
        assert outcome[way]["AP"]["values"][1] == pytest.approx(want["AP"], abs=1e-4)
    plain = FCOS.load(tmp_path / "fcos-no-branch-0" / "model.safetensors")
    assert plain.head.centerness is None
    assert len(outcome["without_branch"]["AP"]["values"]) == 2
    assert set(outcome["seconds"]) == {"fcos", "fcos-no-branch"} and all(v > 0 for v in outcome["seconds"].values())
    assert "without_branch" in study_table(outcome)


def test_retinanet_and_what_two_studies_share(tmp_path, monkeypatch):
    run_study("centerness", SMALL, tmp_path, seeds=[0], progress=False)
    trained = []
    original = seeds.train
    monkeypatch.setattr(seeds, "train", lambda c, f, **more: (trained.append(c.detector), original(c, f, **more))[1])
    outcome = run_study("retinanet", SMALL, tmp_path, seeds=[0], progress=False)
    assert trained == ["retinanet"]  # the FCOS was there
    dataset = data.load("shapes", "val", transforms=data.transforms.eval_transforms())
    model = detectors.load(tmp_path / "retinanet-0" / "model.safetensors")
    want = agnostic_metrics(dataset.ground_truth(), predict(model, dataset, progress=False))
    for name, value in want.items():
        assert outcome["RetinaNet"][name] == {"mean": round(value, 4), "std": None, "values": [round(value, 4)]}


def test_proposals(tmp_path):
    outcome = run_study("proposals", SMALL, tmp_path, seeds=[3], progress=False)
    assert set(outcome) == {"RPN", "FCOS without center-ness", "FCOS", "seconds", "cpu_seconds"}
    dataset = data.load("shapes", "val", transforms=data.transforms.eval_transforms())
    model = detectors.load(tmp_path / "rcnn-rpn-3" / "model.safetensors")
    found = predict(FirstStage(model), dataset, progress=False)
    assert 100 < max(sum(r["image_id"] == i for r in found) for i in dataset.image_ids) <= 1000
    want = proposal_recall(dataset.ground_truth(), found)
    assert outcome["RPN"]["AR1000"]["mean"] == pytest.approx(want["AR1000"], abs=1e-4)
    assert want["AR1000"] >= want["AR100"]


def test_an_interrupted_study_goes_on_with_the_run_that_was_cut_off(tmp_path, monkeypatch):
    original, calls = seeds.train, []

    def train(config, folder, **more):
        calls.append(folder.name)
        if len(calls) == 2:  # cut off in its middle: a folder, but no end
            folder.mkdir(parents=True)
            (folder / "log.jsonl").write_text("")
            (folder / "config.json").write_text(json.dumps(config.to_dict()))
            raise KeyboardInterrupt
        return original(config, folder, **more)

    monkeypatch.setattr(seeds, "train", train)
    with pytest.raises(KeyboardInterrupt):
        run_study("centerness", SMALL, tmp_path, seeds=[0], progress=False)
    run_study("centerness", SMALL, tmp_path, seeds=[0], progress=False)
    assert calls == ["fcos-0", "fcos-no-branch-0", "fcos-no-branch-0"]


def test_runs_of_another_configuration_are_refused_by_name_and_kept(tmp_path):
    run_study("centerness", SMALL, tmp_path, seeds=[0], progress=False)
    before = (tmp_path / "fcos-0" / "model.safetensors").read_bytes()
    with pytest.raises(ConfigError, match=r"lr was 0.01 and is 0.02.*box_loss was 'giou' and is 'iou'"):
        run_study("centerness", SMALL.replace(lr=0.02, **{"model.box_loss": "iou"}), tmp_path, seeds=[0])
    assert (tmp_path / "fcos-0" / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("nothing", [0]), "there is no study 'nothing'"), (("centerness", []), "seeds is"),
     (("centerness", [1, 1]), r"seeds is \[1, 1\]")],
)  # fmt: skip
def test_refused(arguments, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        run_study(arguments[0], SMALL, tmp_path, seeds=arguments[1])
    assert not list(tmp_path.iterdir())


def test_torchvisions_fcos_by_the_same_trainer(tmp_path):
    """Both with all improvements, and neither with the changes that the paper's tables need."""
    study = STUDIES["torchvision"]
    assert study.base == {} and STUDIES["centerness"].base == PAPER
    recipe = SMALL.replace(**{"model.fpn_channels": 32})
    outcome = run_study("torchvision", recipe, tmp_path, seeds=[0], progress=False)
    assert set(outcome) == {"FCOS", "torchvision's FCOS", "seconds", "cpu_seconds"}
    kept = json.loads((tmp_path / "torchvision-fcos-0" / "config.json").read_text())
    assert kept["detector"] == "torchvision_fcos"
    assert outcome["FCOS"]["AP50"]["values"] == [outcome["FCOS"]["AP50"]["mean"]]
