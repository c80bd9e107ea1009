"""The command as a user calls it: exit codes, errors in one sentence, help."""

import subprocess
import sys
from importlib.metadata import version

import pytest

from fcos_edu.training import loop
from fcos_edu.training.signals import PreemptedError
from tests.cli.calls import leaves, run
from tests.test_fcos_edu import SLOW


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
