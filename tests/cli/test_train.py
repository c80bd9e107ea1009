"""``fcos-edu train``: the configuration that it makes, what a run leaves, and how it goes on."""

import json
from pathlib import Path

import pytest
import torch

from fcos_edu import FCOS, FCOSConfig, data, weights
from fcos_edu.cli.parser import build_parser
from fcos_edu.cli.train import run_folder
from fcos_edu.data import decoding
from fcos_edu.training import loop
from fcos_edu.training.config import TrainConfig
from fcos_edu.training.loading import make_dataset, make_test_dataset
from fcos_edu.training.recipes import RECIPES
from tests.cli.calls import run


def test_train_evaluate_and_record(tmp_path, capsys):
    settings = ["model.min_size=64", "model.max_size=64", "model.fpn_channels=16", "log_every=1", "cache=False"]
    words = [w for s in settings for w in ("--set", s)]
    record = tmp_path / "record.json"
    assert run("train", "--data", "shapes", "--out", tmp_path / "run", "--iterations", 2, "--batch-size", 2, *words,
               "--record", record, "--export", tmp_path / "half.safetensors") == 0  # fmt: skip
    entry = json.loads(record.read_text())
    assert entry["command"].startswith("fcos-edu train --data shapes") and "--iterations 2" in entry["command"]
    assert entry["config"]["model"]["min_size"] == 64
    capsys.readouterr()

    figures = tmp_path / "figures.json"
    trained = tmp_path / "run" / "model.safetensors"
    assert (tmp_path / "half.safetensors").stat().st_size < 0.6 * trained.stat().st_size
    assert FCOS.load(tmp_path / "half.safetensors").config == FCOS.load(trained).config
    assert run("evaluate", trained, "--data", "shapes", "--split", "val", "--out", figures) == 0
    assert "AP50" in capsys.readouterr().out
    assert set(json.loads(figures.read_text())) >= {"AP", "AP50", "AR100"}


def test_print_shows_the_whole_configuration_and_trains_nothing(tmp_path, capsys):
    assert run("train", "--print", "--set", "model.box_loss=iou", "--out", tmp_path / "run") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["model"]["box_loss"] == "iou" and not (tmp_path / "run").exists()


def test_a_recipe_is_shown_with_its_changes(capsys):
    words = ["train", "--recipe", "voc0712", "--batch-size", "8", "--set", "model.box_loss=iou", "--print"]
    assert run(*words) == 0
    told = capsys.readouterr()
    assert "rate      0.005 after warm-up, for 8 images a step" in told.err and RECIPES["voc0712"].source in told.err
    config = json.loads(told.out)
    assert (config["data"], config["test_data"]) == ("voc2007+voc2012", "voc2007")
    assert config["model"]["box_loss"] == "iou"
    assert run("train", "--recipe", "voc0712", "--data", "mine", "--print") == 0
    config = json.loads(capsys.readouterr().out)
    assert (config["data"], config["test_data"]) == ("mine", "")  # measured on itself


def test_fine_tuning_is_one_option(capsys):
    assert run("train", "--data", "shapes", "--from", "bccd", "--print") == 0
    config = json.loads(capsys.readouterr().out)
    assert config["start_from"] == "bccd" and config["model"]["min_size"] == FCOS.pretrained("bccd").config.min_size
    assert run("train", "--data", "shapes", "--from", "torchvision:COCO_V1", "--print") == 0
    assert '"torchvision_quirks": true' in capsys.readouterr().out


@pytest.fixture
def mine(tmp_path):
    """A folder of twelve pictures to learn from and four to measure."""
    for split, count in (("train", 12), ("val", 4)):
        data.ShapesDataset(num_images=count, split=split, size=(64, 64)).export_coco(tmp_path / "mine")
    return tmp_path / "mine"


def test_a_named_recipe_keeps_its_sizes_of_images_when_it_fine_tunes(capsys, mine):
    for recipe, sizes in (("voc07", (640, 1000)), ("bccd", (240, 400))):
        assert run("train", "--recipe", recipe, "--from", "torchvision:COCO_V1", "--print") == 0
        model = json.loads(capsys.readouterr().out)["model"]
        assert (model["min_size"], model["max_size"]) == sizes and model["torchvision_quirks"]
    assert run("train", "--data", mine, "--from", "torchvision:COCO_V1", "--print") == 0
    told = capsys.readouterr()
    config = json.loads(told.out)
    assert config["model"]["min_size"] == 800 and (config["optimizer"], config["iterations"]) == ("sgd", 100)
    assert "12 images, 100 steps of 8 = 67 epochs" in told.err


def test_epochs_are_those_of_the_data(capsys, mine):
    assert run("train", "--data", mine, "--epochs", "3.5", "--print") == 0
    told = capsys.readouterr()
    shown = json.loads(told.out)
    assert shown["measure_every"] == 3 and shown["iterations"] == 6 and shown["cache"]
    assert "12 images, 6 steps of 8 = 4 epochs" in told.err
    found = tuple(shown["model"]["class_names"])
    assert found == data.shapes.CLASSES and shown["model"]["num_classes"] == 5  # all that would run
    assert run("train", "--recipe", "shapes", "--epochs", "2", "--batch-size", "3", "--print") == 0
    assert json.loads(capsys.readouterr().out)["iterations"] == 6  # 8 shapes
    assert run("train", "--data", mine, "--epochs", "2", "--set", "iterations=3", "--print") == 1
    assert "as --epochs 2 or in iterations, not as both" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run("train", "--data", mine, "--epochs", "0")
    assert "'0' is not a number above 0" in capsys.readouterr().err


def test_a_run_tells_its_length_and_is_resumed_by_the_same_words(capsys, mine, tmp_path):
    words = ["train", "--data", mine, "--out", tmp_path / "run", "--resume", "--set", "model.min_size=64"]
    words += ["--set", "model.max_size=64", "--set", "test_split="]
    assert run(*words, "--epochs", 2) == 0
    assert "12 images, 3 steps of 8 = 2 epochs" in capsys.readouterr().err
    assert run(*words, "--epochs", 2) == 0
    kept = json.loads((tmp_path / "run" / "config.json").read_text())
    capsys.readouterr()
    assert run(*words, "--print") == 0  # its own length, not what would suit the data
    assert json.loads(capsys.readouterr().out) == kept


def test_resume_goes_on_and_refuses_another_configuration(tmp_path, capsys):
    small = [
        "--set",
        "model.min_size=64",
        "--set",
        "model.max_size=64",
        "--set",
        "test_split=",
        "--set",
        "precision=no",
    ]
    words = ["train", "--data", "shapes", "--out", str(tmp_path / "run"), "--iterations", "2", *small]
    assert run(*words, "--resume") == 0  # with nothing to resume it begins
    assert run(*words) == 1
    assert "resume it (--resume)" in capsys.readouterr().err
    assert run(*words, "--resume") == 0
    assert run(*words, "--resume", "--set", "lr=0.5") == 1
    assert "lr was 0.004 and is 0.5" in capsys.readouterr().err
    longer = [word if word != "2" else "3" for word in words]
    assert run(*longer, "--resume", "--allow-changes") == 0
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert steps == [2, 3]


def test_resume_needs_the_detector_that_it_began_with_no_more(tmp_path, capsys):
    begun = tmp_path / "begun.safetensors"
    FCOS(FCOSConfig.tiny(num_classes=5, min_size=64, max_size=64)).save(begun)
    words = ["train", "--data", "shapes", "--out", tmp_path / "run", "--iterations", 2, "--from", begun, "--resume"]
    words += ["--set", "test_split=", "--set", "precision=no"]
    assert run(*words) == 0
    begun.unlink()
    assert run(*words) == 0
    assert run(*words, "--set", "lr=0.5") == 1
    assert "lr was 0.004 and is 0.5" in capsys.readouterr().err
    words[4] = tmp_path / "another"
    assert run(*words) == 1
    assert f"no checkpoint at {begun}" in capsys.readouterr().err


def test_how_images_are_read_is_a_matter_of_options(capsys):
    names = ("keep_empty", "on_corrupt", "orientation", "max_pixels", "allow_outside")
    assert run("train", "--print") == 0
    plain = json.loads(capsys.readouterr().out)
    assert [plain[name] for name in names] == [False, "error", "auto", 89_000_000, False]
    words = ["--keep-empty", "--on-corrupt", "skip", "--orientation", "upright", "--max-pixels", 5, "--allow-outside"]
    assert run("train", *words, "--print") == 0
    shown = json.loads(capsys.readouterr().out)
    assert [shown[name] for name in names] == [True, "skip", "upright", 5, True]
    assert {name for name in shown if shown[name] != plain[name]} == set(names)


def test_a_run_is_what_other_commands_take(tmp_path, capsys):
    """Its folder, and a step's checkpoint; measured as training measured, and resumed as it was begun."""
    out = tmp_path / "run"
    words = ["test_split=val", "precision=no", "model.min_size=64", "model.max_size=64", "save_every=1"]
    settings = [w for s in words for w in ("--set", s)]
    assert run("train", "--data", "shapes", "--out", out, "--iterations", 2, "--batch-size", 2, *settings) == 0
    trained = json.loads((out / "metrics.json").read_text())
    step = out / "checkpoints" / "step-0000002.pt"
    for number, source in enumerate((out, out / "model.safetensors", step)):
        assert run("evaluate", source, "--out", tmp_path / f"{number}.json") == 0
        assert "shapes, val: 4 images" in capsys.readouterr().err
        assert json.loads((tmp_path / f"{number}.json").read_text())["AP"] == trained["AP"]
        assert run("train", "--data", "shapes", "--from", source, "--print") == 0
    one, other = weights.load(step).state, weights.load(out).state
    assert all(torch.equal(one[name], other[name]) for name in one | other)
    capsys.readouterr()
    assert run("train", "--out", out, "--resume", "--iterations", 3, "--allow-changes", "--print") == 0
    config = json.loads(capsys.readouterr().out)
    assert config == json.loads((out / "config.json").read_text()) | {"iterations": 3}
    (out / "config.json").unlink()
    assert run("evaluate", step) == 1 and "config.json is not in" in capsys.readouterr().err


def test_a_run_is_named_after_the_folder_itself(tmp_path, monkeypatch):
    """`train --data ..` wrote into the current folder."""
    (tmp_path / "mine" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "mine" / "below")
    for source, name in (("..", "mine"), (".", "below"), ("shapes", "shapes"), ("../../mine", "mine"), ("/", "data")):
        arguments = build_parser().parse_args(["train", "--data", source])
        assert run_folder(arguments, TrainConfig(data=source)) == Path("runs") / name


@pytest.mark.parametrize("form", ["coco", "yolo"])
def test_a_run_without_a_recipe_reads_each_header_once(form, mine, tmp_path, monkeypatch):
    """Its length depends on the number of images: the data were read for it, and once more for training."""
    folder, opened, real = mine, [], decoding._opened
    if form == "yolo":
        folder = tmp_path / "yolo"
        data.convert(mine, folder, "yolo")

    def counted(path, *more):
        opened.append(str(path))
        return real(path, *more)

    def train(config, *_, **__):
        training = make_dataset(config)
        return {"seconds": 1.0, "iterations": len(training), "AP": len(make_test_dataset(config, training))}

    monkeypatch.setattr(decoding, "_opened", counted)
    monkeypatch.setattr(loop, "train", train)
    assert run("train", "--data", folder, "--out", tmp_path / "run") == 0
    assert len(opened) == 16 and len(set(opened)) == 16
