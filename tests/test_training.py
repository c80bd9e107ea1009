"""The trainer: schedule and optimizer as the recipe says, runs that learn, stop, and lose nothing."""

import json
import math

import pytest
import torch
from PIL import Image

from fcos_edu import FCOS, ConfigError, FCOSConfig, data, training
from fcos_edu.training import (
    NonFiniteLossError,
    TrainConfig,
    Watch,
    WeightAverage,
    learning_rate,
    make_optimizer,
    train,
)

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


def test_the_average_forgets_the_start_and_keeps_counters():
    model = FCOS(SMALL)
    average = WeightAverage(model, 0.9)
    bias, mine = model.head.classification.bias, average.module.head.classification.bias
    counters = [(a, b) for (n, a), (_, b) in zip(model.named_buffers(), average.module.named_buffers(), strict=True)
                if n.endswith("num_batches_tracked")]  # fmt: skip
    with torch.no_grad():
        bias.fill_(3.0)
        average.update(model)
        assert (mine == 3.0).all()  # the random start is gone
        bias.fill_(5.0)
        counters[0][0].fill_(7)
        average.update(model)  # keeps (1 + 1) / (10 + 1)
        torch.testing.assert_close(mine, torch.full_like(mine, 3.0 * 2 / 11 + 5.0 * 9 / 11))
        assert counters[0][1] == 7
        average.steps = 10_000
        average.update(model)
        torch.testing.assert_close(mine, torch.full_like(mine, (3.0 * 2 / 11 + 5.0 * 9 / 11) * 0.9 + 0.5))


# ---------------------------------------------------------------------- runs
def test_a_run_leaves_config_log_checkpoint_curves_and_figures(tmp_path):
    outcome = train(small(test_split="test", ema_decay=0.5), tmp_path / "run", progress=False)
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "config.json", "log.jsonl", "model.safetensors", "curves.png", "metrics.json"
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


def test_ctrl_c_leaves_a_usable_checkpoint(tmp_path, monkeypatch):
    steps = iter(range(100))

    def interrupted(loader):
        for batch in original(loader):
            if next(steps) == 3:
                raise KeyboardInterrupt
            yield batch

    original = training.batches
    monkeypatch.setattr(training, "batches", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(small(), tmp_path, progress=False)
    model = FCOS.load(tmp_path / "model.safetensors")
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_a_loss_that_is_not_finite_stops_with_term_and_step_and_keeps_the_checkpoint(tmp_path, monkeypatch):
    calls = iter(range(100))
    original = FCOS.forward

    def broken(self, images, targets=None):
        losses = original(self, images, targets)
        if next(calls) == 5:
            losses["bbox_regression"] = losses["bbox_regression"] * math.nan
        return losses

    monkeypatch.setattr(FCOS, "forward", broken)
    with pytest.raises(NonFiniteLossError, match="bbox_regression loss was not finite at step 5"):
        train(small(iterations=10), tmp_path, progress=False)
    model = FCOS.load(tmp_path / "model.safetensors")  # of step 4
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_watch_reports_means_and_the_first_bad_step():
    watch = Watch()
    for step, value in enumerate((1.0, 3.0)):
        watch.add({"a": torch.tensor(value)}, step)
    assert watch.report() == {"a": 2.0}
    for step, value in ((2, 1.0), (3, math.inf), (4, math.nan)):
        watch.add({"a": torch.tensor(value)}, step)
    with pytest.raises(NonFiniteLossError, match="a loss was not finite at step 3"):
        watch.report()


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"iterations": 0}, "iterations is 0"),
        ({"lr": -1.0}, "lr is -1"),
        ({"ema_decay": 1.0}, "ema_decay is 1"),
        ({"optimizer": "sgdd"}, "did you mean 'sgd'"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        small(**changes)


def test_a_misspelt_field_is_refused_with_the_nearest():
    with pytest.raises(TypeError, match="did you mean 'iterations'"):
        small(iteratons=3)
    with pytest.raises(TypeError, match="did you mean 'box_loss'"):
        small(**{"model.box_los": "giou"})
    assert small(**{"model.box_loss": "iou"}).model.box_loss == "iou"


def test_recipes_are_whole():
    for name, recipe in training.RECIPES.items():
        assert recipe.data == name
        assert json.loads(json.dumps(recipe.to_dict()))["iterations"] == recipe.iterations


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


def test_a_batch_that_is_all_corrupt_is_counted():
    image, target = torch.zeros(3, 8, 8), {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    loader = [([], [], 2), ([image], [target], 1), ([image], [target], 0)]
    stream = training.batches(loader)
    assert [next(stream)[2] for _ in range(2)] == [3, 0]


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


@pytest.mark.parametrize(
    "changes", [{"train_sizes": 256}, {"zoom": 1}, {"model": "tiny"}, {"zoom": (0.5,)}, {"train_sizes": (0,)}]
)
def test_settings_of_a_wrong_kind_are_named(changes):
    with pytest.raises(ConfigError, match=next(iter(changes))):
        small(**changes)
