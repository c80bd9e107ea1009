"""What the command line says of settings: its own options, and never Python's arguments."""

from __future__ import annotations

import ast
import json
import pickle
import re
import warnings
from pathlib import Path

import pytest
from PIL import Image

import fcos_edu
from fcos_edu import FCOSConfig
from fcos_edu.cli.options import in_options
from fcos_edu.cli.streams import warned
from fcos_edu.data import CorruptImageError, ShapesDataset
from fcos_edu.settings import ConfigError, Message, either, marked, setting
from fcos_edu.training.config import TrainConfig
from tests.cli.calls import leaves, run

# Python's way to name an argument: a value behind an equals sign. Behind --set it is the command line's own.
PYTHON = re.compile(r"""(?<!--set )\b(?<![-.])[a-z][a-z_.]+=(?:True|False|None|\d|["'({\[])""")
ROOT = Path(fcos_edu.__file__).parent
# Where such a text is none of a message to a user of the command line, and why.
ELSEWHERE = {
    "course": "code and pages of the grader",
    "gallery.py": "HTML",
    "report.py": "HTML",
    "detections.py": "HTML",
    "widgets": "HTML, and messages to notebooks",
    "cli": "written for the command line; help texts have examples of --set",
    "figures": "functions that no command calls with a user's arguments",
    "records.py": "switches of git",
    "weights.py": "of a checkpoint's own configuration, which no option changes",
    "inference.py": "an argument of a function that no command leaves to the user",
    "proposals.py": "commands build these networks by themselves",
}


def strings_in_messages() -> list[tuple[str, int, str]]:
    """The plain parts of every text of the package that is no docstring: what a message would say as it stands."""
    found = []
    for file in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        documents = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):  # said in both ways
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "either":
                documents |= {id(inner) for inner in ast.walk(node)}
        name = file.relative_to(ROOT).as_posix()
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
                found.append((name, node.lineno, node.value))
            elif isinstance(node, ast.JoinedStr):  # a name, an equals sign, and a value that is put in
                for text, value in zip(node.values, node.values[1:], strict=False):
                    if isinstance(text, ast.Constant) and isinstance(value, ast.FormattedValue):
                        found.append((name, node.lineno, f"{text.value}0"))
    return found


def test_no_message_of_the_package_names_an_argument_by_itself() -> None:
    """Each goes through ``setting`` or ``either``, so that the command line can say it in its own words."""
    wrong = [
        f"{name}:{line}: {text}"
        for name, line, text in strings_in_messages()
        if name.split("/")[0] not in ELSEWHERE and PYTHON.search(text)
    ]
    assert not wrong


def test_a_message_has_two_forms() -> None:
    text = Message(
        f"{setting('batch_size')} is 3: set {setting('keep_empty', True)}, {setting('accumulate', 2)}, "
        f"{setting('backbone', 'tiny')} or {either('f(x)', 'fcos-edu f x')}"
    )
    assert text == "batch_size is 3: set keep_empty=True, accumulate=2, backbone='tiny' or f(x)"
    assert in_options(text, leaves()["train"]) == (
        "--batch-size is 3: set --keep-empty, --set accumulate=2, --set model.backbone=tiny or fcos-edu f x"
    )
    assert in_options(text, leaves()["tables recall"]).startswith("batch_size is 3: set keep_empty=True")
    assert in_options("keep_empty=True", leaves()["train"]) == "keep_empty=True"
    again = pickle.loads(pickle.dumps(ConfigError(text)))
    assert str(again) == str(text) and in_options(again.args[0], leaves()["train"]).startswith("--batch-size is")
    outer = Message(f"a ({marked(text)}) b ({marked('plain')})")
    assert "(--batch-size is 3" in in_options(outer, leaves()["train"]) and outer.endswith("b (plain)")
    named = Message(f"with {setting('keep_empty', True, option='--keep-empty')}")
    assert named == "with keep_empty=True (--keep-empty)"
    assert in_options(named, leaves()["train"]) == "with --keep-empty"


def test_a_corrupt_image_tells_its_options_out_of_a_loading_process_too() -> None:
    error = CorruptImageError("a.png", Message(f"too many: {setting('max_pixels', 9)}"))
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert str(one).startswith("a.png cannot be read as an image (too many: max_pixels=9). Replace the file")
        assert in_options(one.told, leaves()["train"]) == (
            "a.png cannot be read as an image (too many: --max-pixels 9). Replace the file, or leave such images out "
            "with --on-corrupt skip."
        )


def test_warnings_are_told_likewise() -> None:
    with warnings.catch_warnings(record=True) as caught, warned(lambda text: in_options(text, leaves()["train"])):
        warnings.simplefilter("always")
        warnings.warn(Message(f"so {setting('workers', 3)}"), UserWarning, stacklevel=1)  # type: ignore[arg-type]
        shown = warnings.formatwarning(caught[0].message, UserWarning, "f", 1)
    assert "so --set workers=3" in shown


def every_combination() -> list[str]:
    """What the two configurations say where fields do not go together or are out of range."""
    changes = [
        {"accumulate": 3, "batch_size": 4}, {"lr": -1.0}, {"batch_size": 0}, {"optimizer": "adam"}, {"compile": 3},
        {"model.frozen_stages": 2, "model.backbone_weights": "random"}, {"model.backbone": "tiny"},
        {"model.min_size": 900, "model.max_size": 800}, {"model.levels": (3, 4)}, {"zoom": (1, 2, 3)},
        {"model.centerness_branch": "none", "model.centerness_inference": "branch"},
        {"model.torchvision_quirks": True}, {"model.num_classes": 0}, {"train_sizes": "a"}, {"model": 3},
    ]  # fmt: skip
    told = []
    for change in changes:
        with pytest.raises(ConfigError) as caught:
            TrainConfig(model=FCOSConfig.paper()).replace(**change)
        told.append(in_options(caught.value.args[0], leaves()["train"]))
    return told


def test_configurations_that_cannot_be_are_told_in_options() -> None:
    told = every_combination()
    assert not [text for text in told if PYTHON.search(text)]
    assert any(text.startswith("accumulate is 3, which does not divide --batch-size 4") for text in told)
    assert any("set --set model.frozen_stages=0, or --set model.backbone_weights=imagenet" in text for text in told)


@pytest.mark.parametrize(
    ("fault", "words", "option"),
    [
        ("no box", ["train", "--print"], "--keep-empty"),
        ("a missing picture", ["evaluate", "shapes"], "--on-corrupt skip"),
        ("a corrupt picture", ["evaluate", "shapes"], "--on-corrupt skip"),
        ("a large picture", ["evaluate", "shapes", "--max-pixels", 99], "--max-pixels 16384"),
        ("a picture outside", ["evaluate", "shapes"], "--allow-outside"),
    ],
)
def test_commands_name_their_options(tmp_path: Path, capsys, fault: str, words: list, option: str) -> None:
    folder = tmp_path / "set"
    ShapesDataset(num_images=2, split="train", size=(128, 128)).export_coco(folder)
    picture, file = next((folder / "images").rglob("*.png")), folder / "train.json"
    if fault == "a missing picture":
        picture.unlink()
    elif fault == "a corrupt picture":
        picture.write_bytes(b"no picture")
    elif fault == "a picture outside":
        file.write_text(file.read_text().replace(picture.name, "../../a.png"))
        Image.new("RGB", (128, 128)).save(tmp_path / "a.png")
    elif fault == "no box":
        file.write_text(json.dumps(json.loads(file.read_text()) | {"annotations": []}))
    place = ["--data", folder, *(["--split", "train"] if words[0] == "evaluate" else [])]
    assert run(*words, *place) == 1
    told = capsys.readouterr().err
    assert option in told
    assert not PYTHON.search(told), told
