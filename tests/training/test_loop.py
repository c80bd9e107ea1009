"""The trainer: schedule and optimizer as the recipe says, runs that learn, stop, and lose nothing."""

import contextlib
import copy
import json
import math
import os
import signal
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from PIL import Image
from safetensors.torch import load_file
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensor, FakeTensorMode
from torchvision.datasets import CocoDetection

from fcos_edu import FCOS, ConfigError, FCOSConfig, data, training
from fcos_edu.training.config import TrainConfig
from fcos_edu.training.ema import WeightAverage
from fcos_edu.training.loading import Batch
from fcos_edu.training.loop import learning_rate, make_optimizer, train
from fcos_edu.training.recipes import RECIPES
from fcos_edu.training.runs import Run
from fcos_edu.training.signals import PreemptedError
from fcos_edu.training.watch import NonFiniteLossError, Watch
from fcos_edu.weights import CheckpointError
from tests.training.test_runs import ALONE, TWO, launch, log_of

SMALL = FCOSConfig.tiny(num_classes=5, min_size=64, max_size=64, fpn_channels=16, num_head_convs=1)


def small(**changes):
    return TrainConfig(
        data="shapes", test_split="", iterations=6, batch_size=2, log_every=2, save_every=4, warmup_iterations=2,
        precision="no", model=SMALL,
    ).replace(**changes)  # fmt: skip


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch):
    """Sixteen images are enough for a handful of steps."""
    monkeypatch.setattr(data.shapes, "DEFAULT_IMAGES", {"train": 16, "val": 4, "test": 4})


# ---------------------------------------------------------------------- schedule and optimizer
def test_the_papers_schedule():
    config = TrainConfig()
    rates = [config.lr * learning_rate(step, config) for step in (0, 250, 500, 59_999, 60_000, 79_999, 80_000, 89_999)]
    assert rates == pytest.approx([0.01 / 3, 0.01 * 2 / 3, 0.01, 0.01, 0.001, 0.001, 1e-4, 1e-4])


def test_cosine_falls_to_nothing():
    config = TrainConfig(schedule="cosine", iterations=100, warmup_iterations=0)
    rates = [learning_rate(step, config) for step in range(101)]
    assert rates[0] == 1 and rates[50] == pytest.approx(0.5) and rates[100] == pytest.approx(0, abs=1e-9)
    assert all(a >= b for a, b in zip(rates, rates[1:], strict=False))


def test_biases_have_twice_the_rate_and_no_decay():
    model = FCOS(SMALL)
    optimizer = make_optimizer(model, TrainConfig())
    weights, biases = optimizer.param_groups
    assert (weights["lr"], weights["weight_decay"], weights["momentum"]) == (0.01, 1e-4, 0.9)
    assert (biases["lr"], biases["weight_decay"]) == (0.02, 0.0)
    assert {id(p) for p in biases["params"]} == {id(p) for n, p in model.named_parameters() if n.endswith("bias")}
    assert len(weights["params"]) + len(biases["params"]) == len(list(model.parameters()))


def test_a_first_step_that_overflows_leaves_nothing_behind(monkeypatch):
    """fp16 leaves such a step out; torch's fused SGD would then go on with memory that nobody has set."""
    model, inputs = torch.nn.Linear(3, 1), torch.ones(2, 3)
    start = model.weight.detach().clone()
    optimizer = make_optimizer(model, TrainConfig())
    for group in optimizer.param_groups:
        group["fused"] = True  # as on a GPU
    optimizer._step_supports_amp_scaling = True
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    monkeypatch.setattr(torch, "empty_like", lambda tensor, **_: torch.full_like(tensor, 777.0))
    for factor in (math.inf, 1.0):
        scaler.scale(factor * model(inputs).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
    # The gradient is 2, decay adds a ten-thousandth of the weight.
    torch.testing.assert_close(model.weight, start - 0.01 * (2 + 1e-4 * start))


def test_the_first_step_of_sgd_is_torchs():
    one, other = (torch.nn.Linear(3, 2) for _ in range(2))
    other.load_state_dict(one.state_dict())
    ours, plain = make_optimizer(one, TrainConfig()), torch.optim.SGD(other.parameters(), lr=0.01, momentum=0.9)
    for group in ours.param_groups:
        group |= {"lr": 0.01, "weight_decay": 0.0}
    for _ in range(3):
        for model, optimizer in ((one, ours), (other, plain)):
            model(torch.ones(2, 3)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert torch.equal(one.weight, other.weight) and torch.equal(one.bias, other.bias)


# ---------------------------------------------------------------------- runs
def test_a_run_leaves_config_log_checkpoint_curves_and_figures(tmp_path):
    outcome = train(small(test_split="test", ema_decay=0.5), tmp_path / "run", progress=False)
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "config.json", "log.jsonl", "model.safetensors", "curves.png", "metrics.json", "checkpoints"
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


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, PreemptedError)])
def test_a_run_that_is_asked_to_stop_goes_on_to_the_same_weights(tmp_path, monkeypatch, capsys, number, error):
    config = small(iterations=8, ema_decay=0.5, optimizer="adamw", augment="strong")
    train(config, tmp_path / "whole", progress=False)

    calls = iter(range(100))

    def interrupted(*arguments):
        if next(calls) == 4:
            os.kill(os.getpid(), number)
        return original(*arguments)

    original = training.backward
    monkeypatch.setattr(training, "backward", interrupted)
    with pytest.raises(error):
        train(config, tmp_path / "stopped", progress=False)
    assert ("after step 5; its state is saved" in capsys.readouterr().err) == (error is PreemptedError)
    model = FCOS.load(tmp_path / "stopped" / "model.safetensors")
    assert all(torch.isfinite(p).all() for p in model.parameters())
    train(config, tmp_path / "stopped", resume=True, progress=False)
    one, other = (FCOS.load(tmp_path / name / "model.safetensors").state_dict() for name in ("whole", "stopped"))
    assert all(torch.equal(one[name], other[name]) for name in one)


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


# ---------------------------------------------------------------------- bad data
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


def test_weights_that_are_not_finite_are_never_saved(tmp_path, monkeypatch):
    """A finite loss can have a gradient that is not."""
    original = training.make_optimizer

    def spoiled(model, config):
        model.head.classification.weight.register_hook(lambda grad: grad * math.nan)
        return original(model, config)

    monkeypatch.setattr(training, "make_optimizer", spoiled)
    with pytest.raises(NonFiniteLossError, match="not finite"):
        train(small(iterations=1, log_every=1, clip_norm=0.0), tmp_path, progress=False)
    assert not (tmp_path / "model.safetensors").exists()


# ---------------------------------------------------------------------- one step, shared out
def batch_of(boxes):
    generator = torch.Generator().manual_seed(len(boxes))
    images = [torch.rand(3, 64, 64, generator=generator) for _ in boxes]
    targets = [{"boxes": torch.tensor(b).reshape(-1, 4), "labels": torch.arange(len(b))} for b in boxes]
    return images, targets


def frozen():
    """With frozen norms: statistics of a part of the images would differ from those of all."""
    torch.manual_seed(0)
    config = FCOSConfig.tiny(
        num_classes=5, min_size=64, max_size=64, backbone="resnet18", backbone_weights="imagenet", fpn_channels=16,
        num_head_convs=1,
    )  # fmt: skip
    return FCOS(config, load_backbone=False).train()


BOXES = [[[4.0, 4, 40, 50], [30, 20, 60, 60]], [[10.0, 10, 30, 30]], [[0.0, 0, 64, 64]], []]


@pytest.mark.parametrize("boxes", [BOXES, [BOXES[0], BOXES[1], [], []], [[], [], [], []]])
def test_accumulated_gradients_are_those_of_the_joined_batch(boxes):
    """Also where one pass has no box at all, and where none has."""
    images, targets = batch_of(boxes)
    accelerator = Accelerator(cpu=True)
    results = []
    for parts in (1, 2, 4):
        model, share = frozen(), len(images) // parts
        slices = [slice(k * share, (k + 1) * share) for k in range(parts)]
        passes = [Batch(images[s], targets[s], [], 0) for s in slices]
        losses = training.backward(accelerator, accelerator.prepare(model), passes)
        results.append((losses, {n: p.grad for n, p in model.named_parameters() if p.grad is not None}))
    for losses, gradients in results[1:]:
        for name, loss in losses.items():
            torch.testing.assert_close(loss, results[0][0][name])
        for name, gradient in gradients.items():
            torch.testing.assert_close(gradient, results[0][1][name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("options", [[], ["--empty"], ["--levels", "3", "4"]])
def test_two_workers_have_the_gradient_of_one(tmp_path, options):
    """N_pos is summed over workers; with --empty the second worker has no box at all."""
    launch(ALONE, "gradients", tmp_path / "one.pt", *options)
    launch(TWO, "gradients", tmp_path / "two.pt", *options)
    one, two = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("one", "two"))
    torch.testing.assert_close(two["losses"], one["losses"])
    assert set(one["gradients"]) == set(two["gradients"])
    for name, gradient in one["gradients"].items():
        torch.testing.assert_close(two["gradients"][name], gradient, rtol=1e-5, atol=1e-5)
    assert max(g.abs().max() for g in one["gradients"].values()) > 0.01


def test_two_workers_fetch_data_once_and_count_together(tmp_path):
    """What the log says of damaged images is of both."""
    launch(ALONE, "damaged", tmp_path / "one")
    launch(TWO, "damaged", tmp_path / "two")
    one, two = ([entry["skipped"] for entry in log_of(tmp_path / name)] for name in ("one", "two"))
    assert one == two and one[-1] > 0


def test_an_error_of_the_data_is_everybodys():
    """If the first worker left the others waiting, they would say that instead."""
    order = []

    class Workers:
        @staticmethod
        @contextlib.contextmanager
        def local_main_process_first():
            order.append("in")
            yield
            order.append("out")

    def missing():
        raise FileNotFoundError("no such folder")

    assert training.first_on_each_machine(Workers, lambda: 5) == 5
    with pytest.raises(FileNotFoundError, match="no such folder"):
        training.first_on_each_machine(Workers, missing)
    assert order == ["in", "out"] * 2


def test_two_workers_evaluate_each_image_once(tmp_path):
    """Five images do not divide evenly."""
    launch(ALONE, "evaluate", tmp_path / "one.json")
    launch(TWO, "evaluate", tmp_path / "two.json")
    one, two = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two"))
    assert one == two


def test_a_step_never_waits_for_the_device():
    """Fake tensors have no values: whatever reads one fails (.item(), nonzero, a boolean index, an if)."""
    accelerator = Accelerator(cpu=True)
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    real = FCOS(SMALL)
    real.locations(64, 64)  # made once for each canvas, and kept: it must be a real tensor
    model = copy.deepcopy(real).train()
    model.check_inputs = False
    for module in model.modules():  # the weights of a module cannot be swapped for fake ones in place
        for kind in (module._parameters, module._buffers):
            for name, value in list(kind.items()):
                if value is not None:
                    kind[name] = fake.from_tensor(value)
    assert all(isinstance(p, FakeTensor) for p in model.parameters())
    optimizer = make_optimizer(model, small(optimizer="sgd"))
    average, watch = WeightAverage(real, 0.9), Watch(accelerator)
    average.module = model
    images, boxes, labels = (
        torch.rand(3, 64, 64),
        torch.tensor([[1.0, 2, 30, 40], [5, 5, 60, 60]]),
        torch.tensor([0, 3]),
    )
    with fake:
        target = {"boxes": fake.from_tensor(boxes), "labels": fake.from_tensor(labels)}
        batch = Batch([fake.from_tensor(images)] * 2, [target] * 2, [1, 2], 0)
        for passes in (1, 2):
            losses = training.backward(accelerator, model, [batch] * passes)
            accelerator.clip_grad_norm_(model.parameters(), 35.0)
            optimizer.step()
            optimizer.zero_grad()
            average.update(model)
            watch.add(losses, passes, batch.image_ids)
            watch.note("centerness_floor", model.centerness_floor)
        with pytest.raises(DataDependentOutputException):
            watch.report()  # the one place that reads


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_step_on_a_gpu_never_waits(precision):
    AcceleratorState._reset_state()
    accelerator = Accelerator(mixed_precision=precision)
    plain = FCOS(SMALL).cuda().train()
    plain.check_inputs = False
    optimizer, average = make_optimizer(plain, small()), WeightAverage(plain, 0.9)
    model, prepared = accelerator.prepare(plain, optimizer)
    watch = Watch(accelerator)
    images, targets = batch_of(BOXES)
    batch = Batch([i.cuda() for i in images], [{k: v.cuda() for k, v in t.items()} for t in targets], [1, 2, 3, 4], 0)
    for step in range(3):
        torch.cuda.set_sync_debug_mode("default" if step == 0 else "error")  # the first step makes what is kept
        try:
            losses = training.backward(accelerator, model, [batch, batch])
            accelerator.clip_grad_norm_(model.parameters(), 35.0)
            prepared.step()
            prepared.zero_grad()
            average.update(plain)
            watch.add(losses, step, batch.image_ids)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert all(math.isfinite(value) for value in watch.report().values())


# ---------------------------------------------------------------------- fine-tuning, memory
def test_fine_tuning_keeps_all_but_the_classifier(tmp_path):
    config = RECIPES["shapes"].config.replace(**{"model.fpn_channels": 16, "model.num_head_convs": 1})
    seven = FCOS(config.model.replace(num_classes=7))
    seven.save(tmp_path / "seven.safetensors")
    tuned = training.make_detector(
        small().fine_tune(tmp_path / "seven.safetensors").replace(**{"model.num_classes": 5})
    )
    new, old = tuned.state_dict(), seven.state_dict()
    assert len(new["head.classification.bias"]) == 5
    assert all(torch.equal(new[name], old[name]) for name in new if not name.startswith("head.classification."))
    same = training.make_detector(small().fine_tune(tmp_path / "seven.safetensors"))
    assert torch.equal(same.state_dict()["head.classification.bias"], old["head.classification.bias"])
    with pytest.raises(CheckpointError, match="has another network than the configuration"):
        training.make_detector(small(start_from=str(tmp_path / "seven.safetensors"), **{"model.fpn_channels": 32}))


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
        tuned = training.make_detector(small(model=model, start_from=source)).state_dict()
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
        patch.setattr(training.json, "dumps", full)
        with pytest.raises(OSError, match="No space left"):
            train(config, tmp_path / "full", progress=False)
    assert Run(tmp_path / "full").steps() == []
    train(config, tmp_path / "full", resume=True, progress=False)
    one, other = (FCOS.load(tmp_path / name / "model.safetensors").state_dict() for name in ("whole", "full"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_out_of_memory_when_measuring_says_that_the_weights_are_saved(tmp_path, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training, "predict", full)
    with pytest.raises(training.OutOfMemoryError, match="the weights are saved.*fcos-edu evaluate .*model.safetensors"):
        train(small(iterations=1, test_split="val"), tmp_path, progress=False)
    assert FCOS.load(tmp_path / "model.safetensors")


@pytest.mark.parametrize("where", ["backward", "WeightAverage"])
def test_out_of_memory_says_what_to_lower(tmp_path, monkeypatch, where):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training, where, full)
    with pytest.raises(training.OutOfMemoryError, match="out of GPU memory with 2 images of 64/64.*set accumulate=2"):
        train(small(ema_decay=0.5), tmp_path, progress=False)


def test_a_compiled_network_trains_alike(tmp_path, monkeypatch):
    """Traced as for a real compilation, which takes minutes on a CPU and is torch's own to test."""
    asked = []

    def compile_quickly(function, **options):
        asked.append(options)
        return torch_compile(function, backend="aot_eager", fullgraph=True, **options)

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


def test_what_is_changed_on_purpose_holds_from_the_step_that_is_resumed(tmp_path):
    config = small(iterations=4, save_every=2, warmup_iterations=0, schedule="steps")
    train(config, tmp_path, progress=False)
    longer = config.replace(iterations=40, lr=config.lr / 10, weight_decay=0.5)
    with pytest.raises(ConfigError, match="weight_decay"):
        train(longer, tmp_path, resume=True, progress=False)
    train(longer.replace(iterations=6), tmp_path, resume=True, allow_changes=True, progress=False)
    state = Run(tmp_path).newest()
    assert state["optimizer"]["param_groups"][0]["weight_decay"] == 0.5
    assert state["schedule"]["base_lrs"][0] == pytest.approx(config.learning_rate / 10)
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])["lr"] <= config.learning_rate / 10


def test_another_optimizer_begins_anew(tmp_path):
    config = small(iterations=4, optimizer="sgd")
    train(config, tmp_path, progress=False)
    for number, optimizer in enumerate(("adamw", "sgd")):
        changed = config.replace(iterations=6 + 2 * number, optimizer=optimizer)
        train(changed, tmp_path, resume=True, allow_changes=True, progress=False)
        kept = Run(tmp_path).newest()["optimizer"]["state"][0]
        assert set(kept) == ({"step", "exp_avg", "exp_avg_sq"} if optimizer == "adamw" else {"momentum_buffer"})
    with pytest.raises(ConfigError, match="does not fit this configuration.*size mismatch"):
        other = changed.replace(**{"model.fpn_channels": 32})
        train(other, tmp_path, resume=True, allow_changes=True, progress=False)


def test_an_average_that_is_asked_for_later_begins_with_the_trained_weights(tmp_path):
    config = small(iterations=4, ema_decay=0.0)
    train(config, tmp_path, progress=False)
    trained = Run(tmp_path).newest()["model"]
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "evaluate_shared", lambda _, model, *__, **___: seen.append(model.state_dict()) or {})
        changed = config.replace(ema_decay=0.9, test_split="val")
        train(changed, tmp_path, resume=True, allow_changes=True, progress=False)
    assert all(torch.equal(seen[0][name], trained[name]) for name in trained)


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


def test_another_accelerator_that_accumulates_does_not_stop_ours(tmp_path):
    net = torch.nn.Linear(1, 1)
    other = Accelerator(cpu=True, gradient_accumulation_steps=4)
    with other.accumulate(other.prepare(net)):
        pass
    assert not other.sync_gradients
    torch.manual_seed(0)
    model = FCOS(SMALL)
    before = model.head.classification.weight.detach().clone()
    train(small(iterations=2), tmp_path, model=model, progress=False)
    assert not torch.equal(model.head.classification.weight, before)


def test_a_run_that_is_asked_to_stop_while_it_measures_can_go_on(tmp_path, monkeypatch):
    config = small(iterations=2, test_split="val")
    with monkeypatch.context() as patch:
        patch.setattr(training, "predict", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
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
        original = training.predict

        def spy(model, *args, **options):
            model.head.classification.register_forward_hook(lambda m, i, out: seen.append(out.dtype))
            return original(model, *args, **options)

        patch.setattr(training, "predict", spy)
        outcome = train(config, tmp_path, progress=False)
    assert outcome["split"] == "val" and set(seen) == {torch.float32}
