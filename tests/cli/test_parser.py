"""The command as a user calls it: exit codes, errors in one sentence, help."""

import subprocess
import sys
from importlib.metadata import version

import pytest

from fcos_edu import data
from fcos_edu.training import loop
from fcos_edu.training.signals import PreemptedError
from tests.cli.calls import leaves, run
from tests.test_fcos_edu import SLOW


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["detect", "CHECKPOINT", "nowhere"], "there is no image, video or folder nowhere"),
        (["detect", "CHECKPOINT", "EMPTY"], "has no images"),
        (["detect", "no.safetensors", "EMPTY"], "no checkpoint at no.safetensors"),
        (["evaluate", "CHECKPOINT", "--data", "bccdd"], "neither a folder nor a known dataset"),
        (["evaluate", "CHECKPOINT", "--split", "tset"], "tset"),
        (["train", "--set", "lr"], "must be FIELD=VALUE"),
        (["train", "--set", "learning_rat=1"], "has no field 'learning_rat'"),
        (["train", "--set", "model.box_loss=gioux"], "did you mean 'giou'"),
        (["data", "export", "bccd"], "only drawn pictures can be exported"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_exit_code_1(tmp_path, checkpoint, capsys, words, message):
    (tmp_path / "empty").mkdir()
    words = [{"CHECKPOINT": checkpoint, "EMPTY": str(tmp_path / "empty")}.get(w, w) for w in words]
    assert run(*words) == 1
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("detekt", "invalid choice: 'detekt'"),
        ("detekt\x1b[2J", "invalid choice: 'detekt\\x1b[2J'"),
        ("detect shapes a.jpg --threshold 50", "--threshold: '50' is not a number from 0 to 1"),
        ("detect shapes a.jpg --threshold nan", "'nan' is not a number from 0 to 1"),
        ("detect shapes a.jpg --threshold half", "'half' is not a number from 0 to 1"),
        ("evaluate shapes --batch-size 0", "--batch-size: '0' is not a whole number from 1 to 2147483647"),
        ("evaluate shapes --batch-size 2.5", "'2.5' is not a whole number"),
        (f"evaluate shapes --batch-size {'9' * 5000}", "is not a whole number"),
        ("train --iterations -3", "'-3' is not a whole number"),
        ("train --batch-size 1e9", "'1e9' is not a whole number"),
        ("train --seed -1", "--seed: '-1' is not a whole number from 0"),
        ("study centerness --seeds 1 -1", "--seeds: '-1' is not a whole number from 0"),
        ("bench --repeat 0", "--repeat: '0' is not a whole number"),
        ("bench --size 16 64", "--size: '16' is not a whole number from 32 to 16384"),
        ("data export shapes --images 0", "--images: '0' is not a whole number"),
        ("tables agnostic shapes --batch-size -1", "--batch-size: '-1' is not a whole number"),
        ("tables recall --annotations a --min-size 0", "--min-size: '0' is not a whole number from 1 to 16384"),
        ("tables recall --annotations a --levels 3 99", "--levels: '99' is not a whole number from 2 to 7"),
        ("tables recall --annotations a --center-sampling -1", "'-1' is not a number above 0"),
        ("tables ambiguity --annotations a --radii 1 0", "--radii: '0' is not a number above 0"),
        ("tables ambiguity --annotations a --radii inf", "--radii: 'inf' is not a number above 0"),
    ],
)
def test_a_wrong_call_exits_with_2(capsys, words, message):
    with pytest.raises(SystemExit) as stop:
        run(*words.split(" "))
    error = capsys.readouterr().err
    assert stop.value.code == 2 and message in error and "\x1b" not in error


def test_every_number_of_every_command_has_a_range():
    for parser in leaves().values():
        for action in parser._actions:
            assert action.type not in (int, float), f"{parser.prog} {action.option_strings}"


@pytest.mark.parametrize("command", leaves())
def test_every_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as stop:
        run(*command.split(), "--help")
    text = capsys.readouterr().out
    assert stop.value.code == 0 and f"example:\n  fcos-edu {command}" in text


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as stop:
        run("--version")
    assert stop.value.code == 0 and capsys.readouterr().out == f"fcos-edu {version('fcos-edu')}\n"


def test_no_help_waits_for_torch():
    """One process for all: what none of them has loaded, each is free of."""
    calls = [["--help"], ["--version"], ["tables", "--help"], *([*name.split(), "--help"] for name in leaves())]
    calls += [["recipes"], ["data", "list"], ["train", "--recipe", "coco-r50-1x", "--print"], ["train", "--nothing"]]
    program = (
        "import sys\n"
        "from fcos_edu.cli import main\n"
        f"for words in {calls}:\n"
        "    try:\n"
        "        main(words)\n"
        "    except SystemExit:\n"
        "        pass\n"
        f"print([name for name in {SLOW} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]" and done.stdout.count("usage:") == 2 + len(leaves())


def test_python_m_says_nothing_of_its_own():
    done = subprocess.run([sys.executable, "-W", "error", "-m", "fcos_edu.cli", "recipes", "voc07"],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0 and done.stdout.startswith("voc07: ") and not done.stderr


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "cannot write a.json: No space left on device"), "cannot write a.json: No space left on device"),
        (PermissionError(13, "Permission denied", "a.json"), "a.json: Permission denied"),
        (OSError("only words"), "only words"),
        (ValueError("the class '\x1b]0;x\x07'"), "the class '\\x1b]0;x\\x07'"),
        (MemoryError(), "out of main memory: take fewer images at once"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "out of main memory"),
        (RuntimeError("Could not determine home directory."), "Could not determine home directory."),
        (RuntimeError("Symlink loop from 'a'"), "Symlink loop from 'a'"),
        (data.CorruptImageError("a\x1b.jpg", "cut off"), "a\\x1b.jpg cannot be read as an image (cut off)"),
    ],
)
def test_an_expected_error_is_one_sentence_without_numbers_of_the_system(monkeypatch, capsys, error, told):
    def fails(arguments):
        raise error

    monkeypatch.setattr("fcos_edu.cli.recipes.run", fails)
    assert run("recipes") == 1
    text = capsys.readouterr().err
    assert text.startswith(f"fcos-edu: error: {told}") and "Errno" not in text and text.count("\n") == 1


@pytest.mark.parametrize("error", [KeyError("x"), RuntimeError("mat1 and mat2"), AssertionError(), RecursionError()])
def test_our_own_mistakes_keep_their_traceback(monkeypatch, error):
    def fails(arguments):
        raise error

    monkeypatch.setattr("fcos_edu.cli.recipes.run", fails)
    with pytest.raises(type(error)):
        run("recipes")


def test_interruption_exits_with_130(monkeypatch, tmp_path, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "train", interrupted)
    assert run("train", "--out", tmp_path / "run") == 130


def test_a_preempted_run_has_an_exit_code_of_its_own(monkeypatch, tmp_path):
    def preempted(*_, **__):
        raise PreemptedError("asked to stop after step 7; its state is saved")

    monkeypatch.setattr(loop, "train", preempted)
    assert run("train", "--out", str(tmp_path)) == 75
