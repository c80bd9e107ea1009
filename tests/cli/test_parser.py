"""The command as a user calls it: what it leaves, what it prints, how it fails."""

import json

import pytest
import torch
from matplotlib.cbook import get_sample_data
from PIL import Image

from fcos_edu import FCOS, FCOSConfig, cli, data
from fcos_edu.experiments.bench import PARTS
from fcos_edu.training.recipes import RECIPES
from fcos_edu.training.signals import PreemptedError


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch):
    monkeypatch.setattr(data.shapes, "DEFAULT_IMAGES", {"train": 8, "val": 4, "test": 4})


@pytest.fixture
def checkpoint(tmp_path):
    """A detector with random weights that finds something everywhere."""
    torch.manual_seed(0)
    model = FCOS(FCOSConfig.tiny(num_classes=5, class_names=data.SHAPES_CLASSES, min_size=128, max_size=192))
    torch.nn.init.constant_(model.head.classification.bias, -1.0)
    model.save(tmp_path / "model.safetensors")
    return str(tmp_path / "model.safetensors")


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "photos" / "hopper.jpg"
    path.parent.mkdir()
    with get_sample_data("grace_hopper.jpg") as file:
        Image.open(file).resize((256, 300)).save(path)
    return path


def run(*words):
    return cli.main([str(word) for word in words])


def test_detect_draws_and_writes_coco_json(tmp_path, checkpoint, photograph):
    other = tmp_path / "more" / "hopper.jpg"  # the same name in another folder must not overwrite
    other.parent.mkdir()
    other.write_bytes(photograph.read_bytes())
    out = tmp_path / "out"
    assert run("detect", checkpoint, photograph.parent, other, "--out", out, "--threshold", 0.01) == 0
    assert sorted(p.name for p in out.iterdir()) == ["detections.json", "hopper-2.png", "hopper.png"]
    document = json.loads((out / "detections.json").read_text())
    assert [i["id"] for i in document["images"]] == [1, 2]
    assert document["categories"][0] == {"id": 1, "name": "disc"}
    assert len(document["annotations"]) > 10
    for entry in document["annotations"]:
        x, y, w, h = entry["bbox"]
        assert 0 <= x <= 256 and 0 <= y <= 300 and x + w <= 256.01 and y + h <= 300.01
        assert 1 <= entry["category_id"] <= 5 and 0 <= entry["score"] <= 1
    drawn, plain = Image.open(out / "hopper.png"), Image.open(photograph)
    assert drawn.size == plain.size and drawn.tobytes() != plain.tobytes()


def test_detect_never_writes_over_its_input(tmp_path, checkpoint):
    picture = tmp_path / "a.png"
    Image.new("RGB", (64, 64), (9, 9, 9)).save(picture)
    before = picture.read_bytes()
    assert run("detect", checkpoint, picture, "--out", tmp_path) == 0
    assert picture.read_bytes() == before and (tmp_path / "a-1.png").exists()


def test_detect_never_writes_over_a_picture_it_has_yet_to_read(tmp_path, checkpoint):
    for name in ("a.jpg", "a.png", "a-1.png"):
        Image.new("RGB", (64, 64), (9, 9, 9)).save(tmp_path / name)
    before = {p.name: p.read_bytes() for p in tmp_path.glob("a*")}
    assert run("detect", checkpoint, tmp_path, "--out", tmp_path) == 0
    assert all((tmp_path / name).read_bytes() == content for name, content in before.items())
    assert len(list(tmp_path.glob("a*"))) == 6


def test_detections_of_detect_are_scored_by_file_and_class_names(tmp_path, checkpoint):
    """The numbers in detect's file are its own; a data set counts differently."""
    folder = tmp_path / "set"
    data.ShapesDataset(num_images=3, split="test", size=(128, 128)).export_coco(folder)
    assert run("detect", checkpoint, folder / "images", "--out", tmp_path / "out") == 0
    document = json.loads((tmp_path / "out" / "detections.json").read_text())
    truth = json.loads((folder / "test.json").read_text())
    file_of = {i["id"]: i["file_name"] for i in truth["images"]}
    own = {i["file_name"].split("/")[-1]: i["id"] + 50 for i in document["images"]}
    for entry in document["images"]:
        entry["id"] += 50
    document["annotations"] = [
        {**a, "image_id": own[file_of[a["image_id"]]], "score": 0.9, "id": k}
        for k, a in enumerate(truth["annotations"])
    ]
    (tmp_path / "found.json").write_text(json.dumps(document))
    out = tmp_path / "ap.json"
    words = ["evaluate", checkpoint, "--data", folder, "--out", out, "--detections", tmp_path / "found.json"]
    assert run(*words) == 0
    assert json.loads(out.read_text())["AP"] > 0.99


def test_detect_refuses_or_skips_an_unreadable_image(tmp_path, checkpoint, photograph, capsys):
    broken = photograph.parent / "broken.jpg"
    broken.write_bytes(photograph.read_bytes()[:200])
    assert run("detect", checkpoint, photograph.parent, "--out", tmp_path / "a") == 1
    assert "broken.jpg" in capsys.readouterr().err
    assert run("detect", checkpoint, photograph.parent, "--out", tmp_path / "b", "--on-corrupt", "skip") == 0
    assert "1 unreadable images skipped" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["detect", "CHECKPOINT", "nowhere"], "there is no image or folder nowhere"),
        (["detect", "CHECKPOINT", "EMPTY"], "has no images"),
        (["detect", "no.safetensors", "EMPTY"], "no checkpoint at no.safetensors"),
        (["evaluate", "CHECKPOINT", "--data", "bccdd"], "neither a folder nor a known dataset"),
        (["evaluate", "CHECKPOINT", "--split", "tset"], "tset"),
        (["train", "--set", "lr"], "must be FIELD=VALUE"),
        (["train", "--set", "learning_rat=1"], "has no field 'learning_rat'"),
        (["train", "--set", "model.box_loss=gioux"], "did you mean 'giou'"),
        (["data", "info"], "needs a name"),
        (["data", "export", "bccd"], "only shapes can be exported"),
        (["bench", "--repeat", "0"], "--repeat is 0"),
        (["bench", "--batch-size", "0"], "--batch-size is 0"),
        (["bench", "--size", "16", "64"], "--size is 16 64; both must be at least 32"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_exit_code_1(tmp_path, checkpoint, capsys, words, message):
    (tmp_path / "empty").mkdir()
    words = [{"CHECKPOINT": checkpoint, "EMPTY": str(tmp_path / "empty")}.get(w, w) for w in words]
    assert run(*words) == 1
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_a_wrong_call_exits_with_2():
    with pytest.raises(SystemExit) as stop:
        run("detekt")
    assert stop.value.code == 2


@pytest.mark.parametrize("command", ["train", "evaluate", "detect", "data", "bench"])
def test_every_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as stop:
        run(command, "--help")
    text = capsys.readouterr().out
    assert stop.value.code == 0 and f"example:\n  fcos-edu {command}" in text


def test_interruption_exits_with_130(monkeypatch, tmp_path, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "train", interrupted)
    assert run("train", "--out", tmp_path / "run") == 130


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


def test_evaluate_scores_a_list_of_coco_results(tmp_path, checkpoint):
    folder = tmp_path / "set"
    data.ShapesDataset(num_images=3, split="test", size=(128, 128)).export_coco(folder)
    truth = json.loads((folder / "test.json").read_text())
    results = [{**{k: a[k] for k in ("image_id", "category_id", "bbox")}, "score": 0.9} for a in truth["annotations"]]
    (tmp_path / "found.json").write_text(json.dumps(results))
    out = tmp_path / "ap.json"
    assert run("evaluate", checkpoint, "--data", folder, "--detections", tmp_path / "found.json", "--out", out) == 0
    assert json.loads(out.read_text())["AP"] > 0.99


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is not JSON"), ('{"a": 1}', "holds no list"), ('[{"image_id": 1}]', "detection 0 lacks 'category_id'")],
)
def test_bad_detection_files_are_named(tmp_path, checkpoint, capsys, text, message):
    (tmp_path / "found.json").write_text(text)
    assert run("evaluate", checkpoint, "--detections", tmp_path / "found.json") == 1
    error = capsys.readouterr().err
    assert message in error and "found.json" in error


def test_other_classes_are_refused(tmp_path, capsys):
    FCOS(FCOSConfig.tiny(num_classes=1, class_names=("cell",))).save(tmp_path / "m.safetensors")
    assert run("evaluate", tmp_path / "m.safetensors", "--data", "shapes") == 1
    assert "detects cell, but the data has disc" in capsys.readouterr().err


def test_data_lists_describes_and_exports(tmp_path, capsys):
    assert run("data", "list") == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in data.NAMES)
    assert run("data", "info", "shapes", "--split", "val") == 0
    assert "disc" in capsys.readouterr().out
    assert run("data", "export", "shapes", "--out", tmp_path / "s", "--images", 3) == 0
    assert len(data.load(tmp_path / "s", "train")) == 3


def test_print_shows_the_whole_configuration_and_trains_nothing(tmp_path, capsys):
    assert run("train", "--print", "--set", "model.box_loss=iou", "--out", tmp_path / "run") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["model"]["box_loss"] == "iou" and not (tmp_path / "run").exists()


def test_recipes_are_listed_with_source_cost_and_memory(capsys):
    assert cli.main(["recipes"]) == 0
    told = capsys.readouterr().out
    for name, recipe in RECIPES.items():
        assert f"{name}: {recipe.what}" in told and recipe.source in told
    assert cli.main(["recipes", "coco-r50-1x"]) == 0
    assert "expected  AP 37.1" in capsys.readouterr().out
    assert cli.main(["recipes", "coco"]) == 1
    assert "there is no recipe 'coco'" in capsys.readouterr().err


def test_a_recipe_is_shown_with_its_changes(capsys):
    words = ["train", "--recipe", "voc0712", "--batch-size", "8", "--set", "model.box_loss=iou", "--print"]
    assert cli.main(words) == 0
    told = capsys.readouterr()
    assert "rate      0.005 after warm-up, for 8 images a step" in told.err and RECIPES["voc0712"].source in told.err
    config = json.loads(told.out)
    assert (config["data"], config["test_data"]) == ("voc2007+voc2012", "voc2007")
    assert config["model"]["box_loss"] == "iou"
    assert cli.main(["train", "--recipe", "voc0712", "--data", "mine", "--print"]) == 0
    config = json.loads(capsys.readouterr().out)
    assert (config["data"], config["test_data"]) == ("mine", "")  # measured on itself


def test_fine_tuning_is_one_option(capsys):
    assert cli.main(["train", "--data", "shapes", "--from", "bccd", "--print"]) == 0
    config = json.loads(capsys.readouterr().out)
    assert config["start_from"] == "bccd" and config["model"]["min_size"] == FCOS.pretrained("bccd").config.min_size
    assert cli.main(["train", "--data", "shapes", "--from", "torchvision:COCO_V1", "--print"]) == 0
    assert '"torchvision_quirks": true' in capsys.readouterr().out


def test_a_named_recipe_keeps_its_sizes_of_images_when_it_fine_tunes(capsys):
    for recipe, sizes in (("voc07", (640, 1000)), ("bccd", (240, 400))):
        assert cli.main(["train", "--recipe", recipe, "--from", "torchvision:COCO_V1", "--print"]) == 0
        model = json.loads(capsys.readouterr().out)["model"]
        assert (model["min_size"], model["max_size"]) == sizes and model["torchvision_quirks"]
    assert cli.main(["train", "--data", "mine", "--from", "torchvision:COCO_V1", "--print"]) == 0
    assert json.loads(capsys.readouterr().out)["model"]["min_size"] == 800


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
    assert cli.main([*words, "--resume"]) == 0  # with nothing to resume it begins
    assert cli.main(words) == 1
    assert "resume it (--resume)" in capsys.readouterr().err
    assert cli.main([*words, "--resume"]) == 0
    assert cli.main([*words, "--resume", "--set", "lr=0.5"]) == 1
    assert "lr was 0.004 and is 0.5" in capsys.readouterr().err
    longer = [word if word != "2" else "3" for word in words]
    assert cli.main([*longer, "--resume", "--allow-changes"]) == 0
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


def test_a_preempted_run_has_an_exit_code_of_its_own(monkeypatch, tmp_path):
    def preempted(*_, **__):
        raise PreemptedError("asked to stop after step 7; its state is saved")

    monkeypatch.setattr(cli, "train", preempted)
    assert cli.main(["train", "--out", str(tmp_path)]) == 75


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
    assert result["command"].startswith("fcos-edu study retinanet --data shapes --seeds 0 1 --iterations 2 --set ")
    assert len(result["metrics"]["RetinaNet"]["AP"]["values"]) == 2
    assert run(*words) == 0
    assert "training" not in capsys.readouterr().out  # nothing is trained twice

    assert run(*words, "--set", "lr=0.5") == 1
    assert "another configuration: lr was" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "options", "command"),
    [
        ([], {"batch_size": None, "size": None, "precision": None, "compiled": False}, "--repeat 5 --device cpu"),
        (
            ["--part", "training", "--batch-size", "4", "--size", "64", "96", "--precision", "bf16", "--compile"],
            {"batch_size": 4, "size": (64, 96), "precision": "bf16", "compiled": True},
            "--part training --repeat 5 --device cpu --batch-size 4 --size 64 96 --precision bf16 --compile",
        ),
    ],
)
def test_bench_passes_its_options_and_records_them(monkeypatch, tmp_path, words, options, command):
    seen = {}

    def bench(parts, turns, device, **given):
        seen.update(given, parts=tuple(parts), turns=turns, device=device)
        return {"training": {"input": "nothing"}}

    monkeypatch.setattr(cli, "bench", bench)
    assert run("bench", *words, "--record", tmp_path / "a.json") == 0
    parts = ("training",) if words else PARTS
    assert seen == options | {"parts": parts, "turns": 5, "device": "cpu"}
    assert json.loads((tmp_path / "a.json").read_text())["command"] == f"fcos-edu bench {command}"


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_bench_without_a_gpu_says_so(capsys):
    assert run("bench", "--device", "cuda") == 1
    assert "--device cuda needs a GPU that PyTorch can use" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("cache=true", True),
        ("cache=False", False),
        ("lr=0.5", 0.5),
        ("zoom=(0.5,2)", (0.5, 2)),
        ("augment=none", "none"),
    ],
)
def test_a_setting_is_a_literal_or_a_word(text, value):
    found = cli.parse_setting(text)[1]
    assert found == value and type(found) is type(value)
