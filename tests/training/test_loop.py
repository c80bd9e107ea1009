"""The loop: runs that learn, stop, and lose nothing."""

import errno
import json
import math
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision.datasets import CocoDetection

from fcos_edu import FCOS, data
from fcos_edu.settings import ConfigError
from fcos_edu.training import loop, state, workers
from fcos_edu.training.loading import LoaderKilledError
from fcos_edu.training.loop import make_detector, train
from fcos_edu.training.optimizer import make_optimizer
from fcos_edu.training.recipes import RECIPES
from fcos_edu.training.runs import Run
from fcos_edu.training.signals import PreemptedError
from fcos_edu.training.state import backward
from fcos_edu.training.watch import NonFiniteLossError
from fcos_edu.weights import CheckpointError
from tests.training.parts import SMALL, log_of, small


def test_a_run_leaves_config_log_checkpoint_curves_and_figures(tmp_path):
    outcome = train(small(test_split="test", ema_decay=0.5), tmp_path / "run", progress=False)
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "config.json", "log.jsonl", "model.safetensors", "curves.png", "metrics.json", "checkpoints", ".lock",
    }  # fmt: skip
    entries = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [e["step"] for e in entries] == [2, 4, 6]
    for e in entries:
        assert 0.3 < e["centerness_floor"] < 0.7 and e["centerness_floor"] < e["centerness"]  # printed, not added
        parts = e["classification"] + e["bbox_regression"] + e["centerness"]
        assert e["loss"] == pytest.approx(parts, abs=1e-5) and math.isfinite(parts)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == outcome
    assert outcome["images"] == 4 and 0 <= outcome["AP"] <= 1
    assert json.loads((tmp_path / "run" / "config.json").read_text())["model"]["min_size"] == 64
    loaded = FCOS.load(tmp_path / "run" / "model.safetensors")
    assert loaded.config.class_names == ("disc", "ring", "triangle", "square", "cross")


def test_the_same_seed_gives_the_same_weights(tmp_path):
    first, second, other = (
        (train(small(seed=seed), tmp_path / name, progress=False), FCOS.load(tmp_path / name / "model.safetensors"))[1]
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    same = [torch.equal(p, q) for p, q in zip(first.state_dict().values(), second.state_dict().values(), strict=True)]
    assert all(same)
    assert not torch.equal(first.head.classification.weight, other.head.classification.weight)


def test_other_data_are_not_gone_on_with(tmp_path):
    """A third of the images gone, a label or a box changed: another run. Moved, they are the same data."""
    data.load("shapes", "train").export_coco(tmp_path / "mine")
    file = tmp_path / "mine" / "train.json"
    whole = json.loads(file.read_text())
    run, config = tmp_path / "run", small(iterations=2, data=str(tmp_path / "mine"))
    train(config, run, progress=False)

    def spoil(change):
        truth = json.loads(json.dumps(whole))
        change(truth)
        file.write_text(json.dumps(truth))

    def drop(truth):
        truth["images"] = truth["images"][:10]
        kept = {image["id"] for image in truth["images"]}
        truth["annotations"] = [one for one in truth["annotations"] if one["image_id"] in kept]

    def relabel(truth):
        truth["annotations"][0]["category_id"] = 1 + truth["annotations"][0]["category_id"] % 5

    boxes = len(whole["annotations"])
    spoil(drop)
    left = len(json.loads(file.read_text())["annotations"])
    longer = config.replace(iterations=3)
    more = dict(resume=True, progress=False)
    config_as_it_was = (run / "config.json").read_bytes()
    with pytest.raises(ConfigError, match=f"it was 16 images with {boxes} boxes, and is 10 images with {left} boxes"):
        train(config, run, **more)
    spoil(relabel)
    with pytest.raises(ConfigError, match="names, sizes, boxes or labels of its 16 images are others"):
        train(config, run, **more)
    assert (run / "config.json").read_bytes() == config_as_it_was
    train(longer, run, allow_changes=True, **more)  # on purpose; from here on these are its data
    train(longer, run, **more)
    spoil(lambda truth: None)
    with pytest.raises(ConfigError, match="are others"):
        train(longer, run, **more)


def test_the_loss_falls(tmp_path):
    train(small(iterations=60, optimizer="adamw", lr=0.002, batch_size=4, cache=True), tmp_path, progress=False)
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert entries[-1]["loss"] < 0.7 * entries[0]["loss"]


def test_a_run_is_never_written_over(tmp_path):
    train(small(), tmp_path, progress=False)
    before = (tmp_path / "model.safetensors").read_bytes()
    with pytest.raises(FileExistsError, match="holds a run already"):
        train(small(), tmp_path, progress=False)
    assert (tmp_path / "model.safetensors").read_bytes() == before


SIGNALS = [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, PreemptedError), (signal.SIGHUP, PreemptedError)]


@pytest.mark.parametrize(("number", "error"), SIGNALS)
def test_a_run_that_is_asked_to_stop_goes_on_to_the_same_weights(tmp_path, monkeypatch, capsys, number, error):
    config = small(iterations=8, ema_decay=0.5, optimizer="adamw", augment="strong")
    train(config, tmp_path / "whole", progress=False)

    calls = iter(range(100))

    def interrupted(*arguments):
        if next(calls) == 4:
            os.kill(os.getpid(), number)
        return original(*arguments)

    original = backward
    monkeypatch.setattr(state, "backward", interrupted)
    with pytest.raises(error):
        train(config, tmp_path / "stopped", progress=False)
    assert ("after step 5; its state is saved" in capsys.readouterr().err) == (error is PreemptedError)
    model = FCOS.load(tmp_path / "stopped" / "model.safetensors")
    assert all(torch.isfinite(p).all() for p in model.parameters())
    train(config, tmp_path / "stopped", resume=True, progress=False)
    one, other = (FCOS.load(tmp_path / name / "model.safetensors").state_dict() for name in ("whole", "stopped"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def same_weights(one, other):
    a, b = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    return all(torch.equal(a[name], b[name]) for name in a | b) and log_of(one) == log_of(other)


@pytest.mark.parametrize(("number", "error"), SIGNALS)
def test_a_run_that_waits_for_an_image_can_be_asked_to_stop(tmp_path, monkeypatch, number, error):
    """It was waited for without end: a disk of the network that is away, a pipe that is named like a picture."""
    config = small(iterations=4, log_every=1)
    train(config, tmp_path / "whole", progress=False)
    read, calls = data.ShapesDataset.read, iter(range(100))

    def stuck(self, index):
        if next(calls) == 5:
            os.kill(os.getpid(), number)
            time.sleep(60)
        return read(self, index)

    began = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(data.ShapesDataset, "read", stuck)
        with pytest.raises(error):
            train(config, tmp_path / "stuck", progress=False)
    assert time.monotonic() - began < 50 and Run(tmp_path / "stuck").steps() == [2]
    train(config, tmp_path / "stuck", resume=True, progress=False)
    assert same_weights(tmp_path / "whole", tmp_path / "stuck")


def test_a_loading_process_that_the_system_kills_costs_nothing(tmp_path, monkeypatch):
    """It was a traceback, and up to 999 steps were gone. It dies in the middle of a step, which comes to its end."""
    config = small(iterations=6, log_every=1, workers=1, save_every=100)
    train(config, tmp_path / "whole", progress=False)
    calls, original = iter(range(100)), backward

    def killing(*arguments):
        losses = original(*arguments)
        if next(calls) == 1:
            for child in multiprocessing.active_children():
                child.kill()
                child.join()
            time.sleep(0.05)  # SIGCHLD is here, and the optimizer's step still to come
        return losses

    with monkeypatch.context() as patch:
        patch.setattr(state, "backward", killing)
        with pytest.raises(
            LoaderKilledError, match=r"(exited|killed by signal).*state after step \d is saved: resume the run"
        ):
            train(config, tmp_path / "killed", progress=False)
    assert Run(tmp_path / "killed").steps()[0] >= 2
    train(config, tmp_path / "killed", resume=True, progress=False)
    assert same_weights(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("error", [ValueError("a box of stone"), OSError(errno.EIO, "Input/output error", "a.png")])
def test_an_error_of_a_loading_process_is_the_error_itself(tmp_path, monkeypatch, error):
    """The sentence had a traceback in it."""
    read = data.ShapesDataset.read

    def failing(self, index):
        if index == 3:
            raise error
        return read(self, index)

    monkeypatch.setattr(data.ShapesDataset, "read", failing)
    with pytest.raises(type(error)) as told:
        train(small(iterations=20, workers=1), tmp_path, progress=False)
    assert str(told.value) == str(error) and Run(tmp_path).steps()


def test_shared_memory_that_is_full_is_told_and_costs_nothing(tmp_path, monkeypatch):
    """The batch would be lost on its way to the trainer, which would wait for ever."""

    def full(self):
        raise RuntimeError("unable to write to file </torch_1>: No space left on device (28)")

    monkeypatch.setattr(torch.Tensor, "share_memory_", full)
    with pytest.raises(OSError, match="/dev/shm has no room for a batch: give it more .docker run --shm-size=2g."):
        train(small(workers=1), tmp_path, progress=False)
    assert Run(tmp_path).steps() == [0]


@pytest.mark.parametrize("stopped", [True, False])
def test_a_picture_of_the_curves_that_cannot_be_drawn_masks_nothing(tmp_path, monkeypatch, stopped):
    """It hid the exit code 75, and the evaluation was skipped."""

    def undrawable(*_):
        raise RuntimeError("no fonts")

    def asked(*arguments):
        if stopped:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(*arguments)

    original = backward
    monkeypatch.setattr("fcos_edu.figures.training_curves", undrawable, raising=False)
    monkeypatch.setattr(state, "backward", asked)
    config = small(iterations=2, log_every=1, test_split="val")
    with pytest.warns(UserWarning, match="curves of .* could not be drawn .no fonts"):
        if stopped:
            with pytest.raises(PreemptedError):
                train(config, tmp_path, progress=False)
        else:
            assert "AP" in train(config, tmp_path, progress=False)
    assert not (tmp_path / "curves.png").exists() and not list(tmp_path.glob(".*.part"))


def test_a_run_is_begun_where_there_is_none_to_resume(tmp_path):
    train(small(iterations=2), tmp_path / "new", resume=True, progress=False)
    assert (tmp_path / "new" / "model.safetensors").exists()


def test_a_loss_that_is_not_finite_stops_with_term_and_step_and_keeps_the_checkpoint(tmp_path, monkeypatch):
    calls = iter(range(100))
    original = FCOS.forward

    def broken(self, images, targets=None):
        losses = original(self, images, targets)
        if next(calls) == 5:
            losses["bbox_regression"] = losses["bbox_regression"] * math.nan
        return losses

    monkeypatch.setattr(FCOS, "forward", broken)
    with pytest.raises(
        NonFiniteLossError, match=r"bbox_regression loss was not finite at step 5 \(image ids \d+, \d+\)"
    ):
        train(small(iterations=10), tmp_path, progress=False)
    model = FCOS.load(tmp_path / "model.safetensors")  # of step 4
    assert all(torch.isfinite(p).all() for p in model.parameters())


@pytest.fixture
def coco_folder(tmp_path):
    folder = tmp_path / "set"
    for split in ("train", "val"):
        data.ShapesDataset(num_images=4, split=split, size=(64, 64)).export_coco(folder)
    return folder


def test_a_corrupt_image_is_named_or_skipped_and_counted(tmp_path, coco_folder):
    name = json.loads((coco_folder / "train.json").read_text())["images"][0]["file_name"]
    victim = next(coco_folder.rglob(name))
    victim.write_bytes(victim.read_bytes()[:100])
    config = small(data=str(coco_folder), iterations=4, log_every=4, save_every=4)
    with pytest.raises(data.CorruptImageError, match=victim.name):
        train(config, tmp_path / "stops", progress=False)
    with pytest.warns(UserWarning, match=victim.name):
        train(config.replace(on_corrupt="skip"), tmp_path / "goes", progress=False)
    last = json.loads((tmp_path / "goes" / "log.jsonl").read_text().splitlines()[-1])
    assert last["skipped"] >= 1


def test_images_of_the_users_own_folder_train(tmp_path, coco_folder):
    outcome = train(small(data=str(coco_folder), test_split="val"), tmp_path / "run", progress=False)
    assert outcome["images"] == 4


def test_the_folders_of_torchvisions_coco_detection_train(tmp_path):
    """COCO's own layout: an annotation file, and a folder of images for each split."""
    data.ShapesDataset(num_images=4, split="train", size=(64, 64)).export_coco(tmp_path / "flat")
    root = tmp_path / "coco"
    (root / "annotations").mkdir(parents=True)
    document = json.loads((tmp_path / "flat" / "train.json").read_text())
    (root / "annotations" / "instances_train2017.json").write_text(json.dumps(document))
    (root / "train2017").mkdir()
    for image in document["images"]:
        name = Path(image["file_name"]).name
        next((tmp_path / "flat").rglob(name)).rename(root / "train2017" / name)
    theirs = CocoDetection(root / "train2017", root / "annotations" / "instances_train2017.json")
    assert len(theirs) == 4
    train(small(data=str(root), iterations=2), tmp_path / "run", progress=False)
    assert FCOS.load(tmp_path / "run" / "model.safetensors").config.num_classes == 5


def test_grey_and_tiny_images_train(tmp_path):
    """Readers make grey pictures RGB, and the model scales small ones up."""
    (tmp_path / "set" / "images").mkdir(parents=True)
    Image.new("L", (40, 12), 90).save(tmp_path / "set" / "images" / "a.png")
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 12}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 2, 20, 8], "area": 160, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "thing"}],
    }
    (tmp_path / "set" / "train.json").write_text(json.dumps(document))
    config = small(data=str(tmp_path / "set"), iterations=2, batch_size=1, log_every=1)
    train(config, tmp_path / "run", progress=False)
    assert FCOS.load(tmp_path / "run" / "model.safetensors").config.class_names == ("thing",)


@pytest.mark.parametrize("cache", [True, False])
def test_sizes_are_drawn_in_training(tmp_path, monkeypatch, cache):
    """Multi-scale training: the network sees the drawn sizes, not min_size each time."""
    seen = set()
    original = FCOS.predict

    def watched(self, canvas):
        seen.add(tuple(canvas.shape[-2:]))
        return original(self, canvas)

    monkeypatch.setattr(FCOS, "predict", watched)
    config = small(train_sizes=(64, 96, 128), iterations=8, cache=cache, **{"model.max_size": 128})
    train(config, tmp_path / "run", progress=False)
    assert len(seen) > 1 and seen <= {(64, 64), (96, 96), (128, 128)}


def test_a_missing_test_split_is_told_before_training(tmp_path, coco_folder):
    (coco_folder / "val.json").unlink()
    with pytest.raises(ValueError, match="val"):
        train(small(data=str(coco_folder), test_split="val"), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_test_split_without_boxes_is_told_before_training(tmp_path, coco_folder):
    document = json.loads((coco_folder / "val.json").read_text())
    (coco_folder / "val.json").write_text(json.dumps(document | {"annotations": []}))
    with pytest.raises(ValueError, match="val of .* has no box to measure with"):
        train(small(data=str(coco_folder), test_split="val"), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_weights_that_are_not_finite_are_never_saved(tmp_path, monkeypatch):
    """A finite loss can have a gradient that is not."""
    original = make_optimizer

    def spoiled(model, config):
        model.head.classification.weight.register_hook(lambda grad: grad * math.nan)
        return original(model, config)

    monkeypatch.setattr(state, "make_optimizer", spoiled)
    with pytest.raises(NonFiniteLossError, match="not finite"):
        train(small(iterations=1, log_every=1, clip_norm=0.0), tmp_path, progress=False)
    assert not (tmp_path / "model.safetensors").exists()


def test_fine_tuning_keeps_all_but_the_classifier(tmp_path):
    config = RECIPES["shapes"].config.replace(**{"model.fpn_channels": 16, "model.num_head_convs": 1})
    seven = FCOS(config.model.replace(num_classes=7))
    seven.save(tmp_path / "seven.safetensors")
    tuned = make_detector(small().fine_tune(tmp_path / "seven.safetensors").replace(**{"model.num_classes": 5}))
    new, old = tuned.state_dict(), seven.state_dict()
    assert len(new["head.classification.bias"]) == 5
    assert all(torch.equal(new[name], old[name]) for name in new if not name.startswith("head.classification."))
    same = make_detector(small().fine_tune(tmp_path / "seven.safetensors"))
    assert torch.equal(same.state_dict()["head.classification.bias"], old["head.classification.bias"])
    with pytest.raises(CheckpointError, match="has another network than the configuration"):
        make_detector(small(start_from=str(tmp_path / "seven.safetensors"), **{"model.fpn_channels": 32}))


def test_fine_tuning_finds_classes_by_their_names(tmp_path):
    """As many classes in another order are not the same classes."""
    old = FCOS(SMALL.replace(num_classes=3, class_names=("cat", "dog", "cow")))
    old.save(tmp_path / "old.safetensors")
    source = str(tmp_path / "old.safetensors")
    for names in (("cow", "cat", "horse"), ("dog",), ("cat", "dog", "cow")):
        model = SMALL.replace(num_classes=len(names), class_names=names)
        torch.manual_seed(1)
        fresh = FCOS(model).state_dict()
        torch.manual_seed(1)
        tuned = make_detector(small(model=model, start_from=source)).state_dict()
        for name in ("head.classification.weight", "head.classification.bias"):
            for row, label in enumerate(names):
                known = label in old.config.class_names
                want = old.state_dict()[name][old.config.class_names.index(label)] if known else fresh[name][row]
                assert torch.equal(tuned[name][row], want), (name, label)


def test_fine_tuning_trains_on_other_classes(tmp_path):
    FCOS(SMALL.replace(num_classes=3)).save(tmp_path / "three.safetensors")
    train(small(iterations=2).fine_tune(tmp_path / "three.safetensors"), tmp_path / "run", progress=False)
    assert FCOS.load(tmp_path / "run" / "model.safetensors").config.num_classes == 5


def test_a_run_goes_on_without_the_weights_that_it_began_with(tmp_path):
    """They may be gone, or behind a network that is away; the checkpoint has all."""
    FCOS(SMALL).save(tmp_path / "old.safetensors")
    config = small().fine_tune(tmp_path / "old.safetensors")
    train(config, tmp_path / "run", progress=False)
    before = load_file(tmp_path / "run" / "model.safetensors")
    Run(tmp_path / "run").path(6).unlink()  # as if it had been cut off after step 4
    (tmp_path / "old.safetensors").unlink()
    train(config, tmp_path / "run", resume=True, progress=False)
    after = load_file(tmp_path / "run" / "model.safetensors")
    assert all(torch.equal(after[name], before[name]) for name in after | before)


def test_a_full_disk_under_the_log_saves_nothing_wrong(tmp_path, monkeypatch):
    """The log is written after the optimizer's step: the state is no longer that of the step before."""
    config = small(optimizer="adamw")
    train(config, tmp_path / "whole", progress=False)
    errors = [OSError(28, "No space left on device")]  # for a moment

    def full(value, **options):
        if "waited_share" in value and errors:
            raise errors.pop()
        return dumps(value, **options)

    dumps = json.dumps
    with monkeypatch.context() as patch:
        patch.setattr(loop.json, "dumps", full)
        with pytest.raises(OSError, match="No space left"):
            train(config, tmp_path / "full", progress=False)
    assert Run(tmp_path / "full").steps() == []
    train(config, tmp_path / "full", resume=True, progress=False)
    one, other = (FCOS.load(tmp_path / name / "model.safetensors").state_dict() for name in ("whole", "full"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.weekly
def test_a_compiled_network_trains_alike(tmp_path, monkeypatch):
    """Traced in one piece as for a real compilation, which takes minutes on a CPU and is torch's own to test.

    That the gradients can be traced too is in tests/test_model.py.
    """
    asked = []

    def compile_quickly(function, **options):
        asked.append(options)
        return torch_compile(function, backend="eager", fullgraph=True, **options)

    torch_compile = torch.compile
    monkeypatch.setattr(torch, "compile", compile_quickly)
    for name in ("plain", "compiled"):
        train(small(iterations=3, compile=name == "compiled", log_every=1), tmp_path / name, progress=False)
        translated = [options for options in asked if not options.get("disable")]
        assert len(translated) == 3 * (name == "compiled")  # pyramid, head, losses
    losses = [
        [json.loads(line)["loss"] for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("plain", "compiled")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


def test_a_model_can_be_trained_twice(tmp_path):
    """As in a notebook: the second time has its own precision, and afterwards the model is as it was."""
    model, seen = FCOS(SMALL), set()
    hook = model.head.classification.register_forward_hook(lambda m, i, out: seen.add((m.training, out.dtype)))
    for number, (precision, dtype) in enumerate((("bf16", torch.bfloat16), ("no", torch.float32)) * 2):
        seen.clear()
        train(small(iterations=1, precision=precision), tmp_path / str(number), model=model, progress=False)
        assert seen == {(True, dtype)}
        with torch.no_grad():
            model.eval()([torch.rand(3, 64, 64)])
        assert (False, torch.float32) in seen
        with pytest.raises(ValueError, match="divide by 255"):
            model([torch.full((3, 64, 64), 200.0)])
    hook.remove()


def test_a_run_that_is_asked_to_stop_while_it_measures_can_go_on(tmp_path, monkeypatch):
    config = small(iterations=2, test_split="val")
    with monkeypatch.context() as patch:
        patch.setattr(workers, "predict_seen", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(PreemptedError, match="resume"):
            train(config, tmp_path, progress=False)
    assert not (tmp_path / "metrics.json").exists()
    assert "AP" in train(config, tmp_path, resume=True, progress=False)


def test_the_measure_at_the_end_is_that_of_the_saved_model(tmp_path):
    """In float32, although training ran in bf16."""
    config = small(iterations=2, precision="bf16", test_split="val", ema_decay=0.0)
    seen = []
    outcome = None
    with pytest.MonkeyPatch.context() as patch:
        original = workers.predict_seen

        def spy(model, *args, **options):
            model.head.classification.register_forward_hook(lambda m, i, out: seen.append(out.dtype))
            return original(model, *args, **options)

        patch.setattr(workers, "predict_seen", spy)
        outcome = train(config, tmp_path, progress=False)
    assert outcome["split"] == "val" and set(seen) == {torch.float32}


def test_a_data_set_of_ones_own_trains_and_is_measured(tmp_path):
    """Of torchvision's convention, labels from 1 on; the same pictures as by name give the same weights."""

    class Mine(torch.utils.data.Dataset):
        classes = data.shapes.CLASSES

        def __init__(self, split):
            self.shapes = data.load("shapes", split)

        def __len__(self):
            return len(self.shapes)

        def __getitem__(self, index):
            image, target = self.shapes[index]
            return image, {"boxes": target["boxes"], "labels": target["labels"] + 1}

    config = small(test_split="val", iterations=3, measure_every=2)
    known = train(config, tmp_path / "known", progress=False)
    mine = train(config, tmp_path / "mine", dataset=Mine("train"), test=Mine("val"), progress=False)
    assert same_weights(tmp_path / "known", tmp_path / "mine") and known["AP"] == mine["AP"]
    kept = json.loads((tmp_path / "mine" / "config.json").read_text())
    assert (kept["data"], kept["test_data"]) == ("Mine", "Mine")
    ours = data.load("shapes", "train")
    assert "AP" not in train(small(iterations=3), tmp_path / "ours", dataset=ours, progress=False)
    assert same_weights(tmp_path / "ours", tmp_path / "mine") and ours.transforms is None
