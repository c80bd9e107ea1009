"""Studies over seeds: finished runs are kept, figures are those of the saved detectors, wrong calls leave none."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import pytest

from fcos_edu import FCOS, ConfigError, FCOSConfig, data, detectors
from fcos_edu.evaluation.agnostic import agnostic_metrics, proposal_recall
from fcos_edu.evaluation.coco_ap import coco_metrics, predict
from fcos_edu.evaluation.quality import score_iou, under
from fcos_edu.experiments import seeds
from fcos_edu.experiments.logbook import Logbook
from fcos_edu.experiments.seeds import fingerprint, finished, run_studies, run_study, save_every
from fcos_edu.experiments.studies import PAPER, STUDIES, measurements, study_table
from fcos_edu.proposals import FirstStage
from fcos_edu.training.config import TrainConfig
from fcos_edu.training.runs import Run
from fcos_edu.training.state import State

pytest.importorskip("scipy")  # the comparisons in a record

SMALL = TrainConfig(
    data="shapes", iterations=2, batch_size=2, log_every=1, warmup_iterations=0, precision="no",
    model=FCOSConfig.tiny(num_classes=5, min_size=64, max_size=64, fpn_channels=16, num_head_convs=1,
                          score_threshold=0.001),
).replace(**PAPER)  # fmt: skip


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch):
    monkeypatch.setattr(data.shapes, "DEFAULT_IMAGES", {"train": 6, "val": 2, "test": 2})
    monkeypatch.setattr(Run, "draw_curves", lambda self: None)  # a picture takes longer than these runs


@pytest.fixture(scope="module")
def val():
    return data.load("shapes", "val", num_images=2, transforms=data.transforms.eval_transforms())


def test_center_ness_four_ways_and_without_a_branch(tmp_path, val):
    outcome = run_study("centerness", SMALL, tmp_path, seeds=[0, 1], progress=False)
    assert set(outcome) == {"none", "computed", "branch", "oracle", "without_branch", "seconds", "cpu_seconds"}
    model = FCOS.load(tmp_path / "fcos-1" / "model.safetensors")
    for way in ("none", "branch"):
        model.set_inference(centerness_inference=way)
        want = coco_metrics(val.ground_truth(), predict(model, val, progress=False))
        assert outcome[way]["AP"]["values"][1] == pytest.approx(want["AP"], abs=1e-4)
    plain = FCOS.load(tmp_path / "fcos-no-branch-0" / "model.safetensors")
    assert plain.head.centerness is None
    assert len(outcome["without_branch"]["AP"]["values"]) == 2
    assert set(outcome["seconds"]) == {"fcos", "fcos-no-branch"} and all(v > 0 for v in outcome["seconds"].values())
    assert "without_branch" in study_table(outcome)


def test_a_variant_is_trained_once_for_all_studies_and_measured_for_each(tmp_path, monkeypatch, val):
    run_study("centerness", SMALL, tmp_path, seeds=[0], progress=False)
    trained = []
    original = seeds.train
    monkeypatch.setattr(seeds, "train", lambda c, f, **more: (trained.append(f.name), original(c, f, **more))[1])
    outcome = run_study("retinanet", SMALL, tmp_path, seeds=[0], progress=False)
    assert trained == ["retinanet-0", "retinanet-no-gn-0"]  # the FCOS was there
    model = detectors.load(tmp_path / "retinanet-0" / "model.safetensors")
    want = agnostic_metrics(val.ground_truth(), predict(model, val, progress=False))
    for name, value in want.items():
        assert outcome["RetinaNet"][name] == {"mean": round(value, 4), "std": None, "values": [round(value, 4)]}
    # And Fig. 7, of the same FCOS, without any training.
    shares = run_study("score-iou", SMALL, tmp_path, seeds=[0], progress=False)
    points = score_iou(FCOS.load(tmp_path / "fcos-0" / "model.safetensors"), val, progress=False)
    below, total = under(points.class_scores, points.ious)
    assert shares["without"]["share"]["mean"] == pytest.approx(below / total, abs=1e-4) and len(trained) == 2


@pytest.mark.weekly
def test_nms_of_a_row_is_changed_after_training(tmp_path, val):
    outcome = run_studies(["ladder"], SMALL, tmp_path, seeds=[0], progress=False)
    run = outcome.find("fcos-p5", 0)
    model = FCOS.load(tmp_path / "fcos-p5-0" / "model.safetensors")
    assert model.config.nms_threshold == 0.6
    for threshold, name in ((0.6, "coco"), (0.5, "coco nms_threshold=0.5")):
        model.set_inference(nms_threshold=threshold)
        want = coco_metrics(val.ground_truth(), predict(model, val, progress=False))["AP"]
        assert run["figures"][name][""]["AP"] == pytest.approx(want, abs=1e-6)


def test_proposals(tmp_path, val):
    outcome = run_study("proposals", SMALL, tmp_path, seeds=[3], progress=False)
    assert set(outcome) == {"RPN", "FCOS without center-ness", "FCOS", "seconds", "cpu_seconds"}
    model = detectors.load(tmp_path / "rcnn-rpn-gn-3" / "model.safetensors")
    found = predict(FirstStage(model), val, progress=False)
    assert 100 < max(sum(r["image_id"] == i for r in found) for i in val.image_ids) <= 1000
    want = proposal_recall(val.ground_truth(), found)
    assert outcome["RPN"]["AR1000"]["mean"] == pytest.approx(want["AR1000"], abs=1e-4)
    assert want["AR1000"] >= want["AR100"]


def without_times(value):
    """A record without what another machine, or another day, would have otherwise."""
    if isinstance(value, dict):
        aside = ("seconds", "cpu_seconds", "measuring_cpu_seconds", "cpu_hours", "date", "hardware", "versions")
        return {key: without_times(one) for key, one in value.items() if key not in aside}
    return [without_times(one) for one in value] if isinstance(value, list) else value


def test_what_is_measured_later_needs_the_weights_and_no_training(tmp_path, monkeypatch, capsys, val):
    """A record of before the measurement, and the folders of its runs."""
    recipe = SMALL.replace(**{"model.fpn_channels": 32})
    with monkeypatch.context() as before:
        before.setattr(seeds, "measurements", lambda variant: measurements(variant, ["proposals"]))
        old = run_studies(["proposals"], recipe, tmp_path, seeds=[0], progress=False)
    runs = {run["variant"]: run for run in old.runs.values()}
    assert {"proposal-nms"} & set(json.loads((tmp_path / "runs.json").read_text())["metrics"]) == set()
    monkeypatch.setattr(seeds, "train", None)
    book = run_studies(["proposals", "proposal-nms"], recipe, tmp_path, seeds=[0])
    told = capsys.readouterr().out
    assert "rcnn-fcos-0 is to be measured anew: the record has not all figures of it" in told and "training" not in told
    for run in book.runs.values():
        figures = dict(run["figures"])
        if run["variant"] in STUDIES["proposal-nms"].variants:
            (plain,) = figures["table_6"].values()
            seen = figures.pop("proposal_nms")
            as_it_is = seen["all levels" if run["variant"] == "rcnn-fcos" else "each level"]
            assert ("all levels" in seen) is (run["variant"] == "rcnn-fcos"), "an RPN has no such NMS"
            assert {name: as_it_is[name] for name in plain} == plain
            assert as_it_is["places"] <= seen["each level, 0.9"]["places"] <= 1
        before = runs[run["variant"]]
        spent = {"measuring_cpu_seconds": before["measuring_cpu_seconds"]}
        assert run | {"figures": figures} | spent == before, "the rest stays, learning curves too"
        assert run["measuring_cpu_seconds"] >= before["measuring_cpu_seconds"]
    model = detectors.load(tmp_path / "rcnn-fcos-0" / "model.safetensors")
    model.set_proposal_nms(0.9, per_level=True)
    want = predict(FirstStage(model), val, progress=False)
    found = book.find("rcnn-fcos", 0)["figures"]["proposal_nms"]["each level, 0.9"]
    assert found["places"] == pytest.approx(len(want) / 2000, abs=1e-6) and found["R50"] >= found["R95"]
    truth = val.ground_truth()
    assert found["AR100"] == pytest.approx(proposal_recall(truth, want)["AR100"], abs=1e-6)
    names = {one["id"]: one["name"] for one in truth["categories"]}
    counts = Counter(names[one["category_id"]] for one in truth["annotations"])
    assert {f"AR1000 of {name}" for name in counts} == {name for name in found if name.startswith("AR1000 of ")}
    assert {f"R75 of {name}" for name in counts} == {name for name in found if name.startswith("R75 of ")}
    for name in counts:
        each = [found[f"R{iou} of {name}"] for iou in range(50, 100, 5)]
        assert sum(each) / 10 == pytest.approx(found[f"AR1000 of {name}"], abs=1e-5)
    of_all = sum(count * found[f"AR1000 of {name}"] for name, count in counts.items()) / counts.total()
    assert of_all == pytest.approx(found["AR1000"], abs=0.1), "a box may be claimed by an object of another class"


def test_killed_five_times_and_continued_with_the_record_alone_it_ends_as_if_nothing_had_been(tmp_path, monkeypatch):
    """Killed in the middle of a run and between two; each time only the record is carried on."""
    names, recipe = ["centerness"], SMALL.replace(iterations=3)
    run_studies(names, recipe, tmp_path / "whole", seeds=[0, 1], record=tmp_path / "whole.json", progress=False)

    original, steps, kills = State.step, [], [1, 3, 5, 8, 13]  # steps done so far, all tries together

    def step(state, passes):
        if kills and len(steps) == kills[0]:
            kills.pop(0)
            raise KeyboardInterrupt
        steps.append(state.done)
        original(state, passes)

    monkeypatch.setattr(State, "step", step)
    record, tries = tmp_path / "record.json", 0
    while True:
        folder = tmp_path / f"try-{tries}"  # another machine: no run's folder is there
        folder.mkdir()
        if record.exists():
            shutil.copy(record, folder)
        try:
            run_studies(names, recipe, folder / "runs", seeds=[0, 1], record=folder / "record.json", progress=False)
        except KeyboardInterrupt:
            tries += 1
            if (folder / "record.json").exists():
                shutil.copy(folder / "record.json", record)
            continue
        break
    assert tries == 5
    one, other = (json.loads(path.read_text()) for path in (tmp_path / "whole.json", folder / "record.json"))
    assert without_times(one) == without_times(other)
    assert len(one["runs"]) == 4 and one["comparisons"]["centerness"][0]["n"] == 2
    assert one["cpu_hours"] >= 0 and all(run["cpu_seconds"] > 0 for run in one["runs"].values())


def test_a_run_that_was_cut_off_goes_on_from_its_folder(tmp_path, monkeypatch):
    original, done = State.step, []

    def step(state, passes):
        if len(done) == 2:
            done.append(None)
            raise ValueError("cut off")
        done.append(state.done)
        original(state, passes)

    monkeypatch.setattr(State, "step", step)
    recipe = SMALL.replace(iterations=4)
    with pytest.raises(ValueError, match="cut off"):
        run_study("score-iou", recipe, tmp_path, seeds=[0], progress=False)
    run_study("score-iou", recipe, tmp_path, seeds=[0], progress=False)
    assert done == [0, 1, None, 2, 3]


def test_the_learning_curve_is_the_ap_after_each_quarter(tmp_path, monkeypatch, val):
    recipe = SMALL.replace(iterations=16, ema_decay=0.9)
    assert [save_every(recipe.replace(iterations=n)) for n in (1, 2, 8, 9, 2000)] == [1, 1, 1, 2, 250]
    book = run_studies(["score-iou"], recipe, tmp_path, seeds=[0], progress=False)
    run = book.find("fcos", 0)
    assert list(run["curve"]) == ["4", "8", "12", "16"]
    assert run["curve"]["16"] == run["figures"]["coco"][""]["AP"]
    assert len(list((tmp_path / "fcos-0" / "checkpoints").iterdir())) == 1  # what was measured is not kept


@pytest.mark.weekly
def test_runs_side_by_side_end_as_one_after_the_other(tmp_path):
    """Each in a process of its own, with one thread."""
    tasks = [seeds.Task("fcos", seed, SMALL.replace(seed=seed), tmp_path / "two" / str(seed), False) for seed in (0, 1)]
    # The processes know nothing of this file's few shapes, so their data are a folder.
    for split in ("train", "val"):
        data.load("shapes", split).export_coco(tmp_path / "shapes")
    tasks = [
        seeds.Task("fcos", task.seed, task.config.replace(data=str(tmp_path / "shapes")), task.folder, False)
        for task in tasks
    ]
    together = {task.seed: entry for task, entry in finished(tasks, jobs=2)}
    alone = [seeds.Task("fcos", task.seed, task.config, tmp_path / "one" / str(task.seed), False) for task in tasks]
    for task, entry in finished(alone, jobs=1):
        assert without_times(entry) == without_times(together[task.seed])


def test_runs_of_another_configuration_are_refused_by_name_and_kept(tmp_path):
    run_study("centerness", SMALL, tmp_path, seeds=[0], progress=False)
    before = (tmp_path / "fcos-0" / "model.safetensors").read_bytes()
    other = SMALL.replace(lr=0.02, **{"model.prior_probability": 0.02})
    with pytest.raises(
        ConfigError, match=r"runs.json holds runs with another .*lr was 0.01 and is 0.02.*prior_probability was"
    ):
        run_study("centerness", other, tmp_path, seeds=[0])
    with pytest.raises(ConfigError, match=r"fcos-0 holds a run with another configuration: lr was 0.01 and is 0.02"):
        run_study("centerness", other, tmp_path, seeds=[0], record=tmp_path / "other.json")
    assert (tmp_path / "fcos-0" / "model.safetensors").read_bytes() == before
    assert not (tmp_path / "other.json").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "done.json is damaged, or another"), ("[1]", "it has no number 'iterations'"), ("", "damaged"),
     ('{"iterations": 2, "seconds": true, "cpu_seconds": 1}', "it has no number 'seconds'"),
     ('{"iterations": 2, "seconds": NaN, "cpu_seconds": 1}', "it has no number 'seconds'")],
)  # fmt: skip
def test_what_another_program_left_in_a_runs_folder_is_told_before_the_first_step(tmp_path, monkeypatch, text, told):
    monkeypatch.setattr(seeds, "train", None)
    folder = tmp_path / "fcos-1"
    config = seeds.variant_config(SMALL.replace(seed=0), "fcos", 1)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    (folder / "done.json").write_text(text)
    with pytest.raises(ConfigError, match=told):
        run_study("score-iou", SMALL, tmp_path, seeds=[0, 1], progress=False)
    (folder / "config.json").write_text(text)
    with pytest.raises(ConfigError, match=r"config\.json is (damaged|no configuration)"):
        run_study("score-iou", SMALL, tmp_path, seeds=[0, 1], progress=False)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["fcos-1"]


def test_the_fingerprint_is_of_the_boxes():
    one = fingerprint(SMALL)
    assert one == fingerprint(SMALL.replace(seed=5, lr=0.5)) != fingerprint(SMALL.replace(test_split="test"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("nothing", [0]), "there is no study 'nothing'"), (("centerness", []), "seeds is"),
     (("centerness", [1, 1]), r"seeds is \[1, 1\]")],
)  # fmt: skip
def test_refused(arguments, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        run_study(arguments[0], SMALL, tmp_path, seeds=arguments[1])
    with pytest.raises(ConfigError, match="jobs is 0"):
        run_study("centerness", SMALL, tmp_path, seeds=[0], jobs=0)
    with pytest.raises(ConfigError, match="fcos and fcos-reg are one"):
        run_study("centerness", SMALL.replace(**{"model.centerness_branch": "regression"}), tmp_path, seeds=[0])
    assert not list(tmp_path.iterdir())


def test_torchvisions_fcos_by_the_same_trainer(tmp_path):
    recipe = SMALL.replace(**{"model.fpn_channels": 32})
    outcome = run_study("torchvision", recipe, tmp_path, seeds=[0], progress=False)
    assert set(outcome) == {"FCOS", "torchvision's FCOS", "seconds", "cpu_seconds"}
    kept = json.loads((tmp_path / "torchvision-fcos-0" / "config.json").read_text())
    assert kept["detector"] == "torchvision_fcos" and kept["model"]["center_sampling_radius"] == 1.5
    assert outcome["FCOS"]["AP50"]["values"] == [outcome["FCOS"]["AP50"]["mean"]]
    assert Logbook(tmp_path / "runs.json", recipe, fingerprint(recipe)).find("fcos-improved", 0)
