"""Runs that survive: killed at any moment, resumed, moved, interrupted, damaged."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from fcos_edu import ConfigError
from fcos_edu.training.config import TrainConfig
from fcos_edu.training.runs import Run, random_states, set_random_states
from fcos_edu.training.signals import PREEMPTED
from tests.training.parts import ALONE, SCRIPT, TWO, launch, log_of


def assert_same_run(one, other):
    """The same weights to the last bit, the same state to go on from, the same log without gap or repetition."""
    weights, others = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert all(torch.equal(weights[name], others[name]) for name in weights | others)
    states = [Run(folder).newest() for folder in (one, other)]
    for part in ("model", "ema"):
        a, b = (state[part] if part == "model" else state[part]["model"] for state in states)
        assert all(torch.equal(a[name], b[name]) for name in a | b)
    assert log_of(one) == log_of(other)
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (one, other)]
    assert metrics[0]["AP"] == metrics[1]["AP"] and metrics[0]["AR100"] == metrics[1]["AR100"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nobody killed."""
    folder = tmp_path_factory.mktemp("whole")
    launch(ALONE, "train", folder)
    assert [entry["step"] for entry in log_of(folder)] == [3, 6, 9, 12, 14]
    return folder


def test_a_run_killed_in_the_middle_of_writing_gives_the_same_weights(tmp_path, whole):
    """With the model there and half of its checkpoint, with a file written but not in its place, in a step, ..."""
    # 14 steps, a checkpoint after 4, 8, 12 and 14, a line of the log after 3, 6, 9, 12 and 14.
    for kill in ("write:1", "rename:3", "model:1", "backward:3", "log:2", "model:2", "write:1"):
        assert launch(ALONE, "train", tmp_path, "--resume", "--die", kill, check=False) == -signal.SIGKILL, kill
    launch(ALONE, "train", tmp_path, "--resume")
    assert_same_run(tmp_path, whole)
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".part")]


def test_runs_killed_at_ten_random_moments_give_the_same_weights(tmp_path, whole):
    """Any step, line of the log, write or rename, others each time; with a process that loads images or without."""
    kills = [f"any:{random.SystemRandom().randint(1, 15)}" for _ in range(10)]
    print("kills:", *kills)  # shown where the test fails
    folders = [tmp_path / "0"]
    for kill in kills:
        workers = ("--workers", len(folders) % 2)
        code = launch(ALONE, "train", folders[-1], "--resume", "--die", kill, *workers, check=False)
        assert code in (0, -signal.SIGKILL), kill
        if code == 0:  # the run came to its end before: the other kills meet another one
            folders.append(tmp_path / str(len(folders)))
    launch(ALONE, "train", folders[-1], "--resume", "--workers", len(folders) % 2)
    for folder in folders:
        assert_same_run(folder, whole)


def test_two_workers_killed_give_the_same_weights(tmp_path):
    launch(TWO, "train", tmp_path / "whole")
    for kill in ("backward:6", "write:1", "rename:2"):
        assert launch(TWO, "train", tmp_path / "killed", "--resume", "--die", kill, check=False) != 0
    launch(TWO, "train", tmp_path / "killed", "--resume")
    assert_same_run(tmp_path / "killed", tmp_path / "whole")


def test_workers_stop_when_all_is_written(tmp_path):
    """A launcher ends the others soon after the first: the one that writes must not be among them."""
    launch(TWO, "preempted", tmp_path / "run")
    assert [(tmp_path / f"run.{worker}").read_text() for worker in (0, 1)] == ["[1]", "[1]"]


def test_more_workers_go_on_with_a_log_that_is_right(tmp_path):
    """What one worker had summed since the last line is not shared out to those that were not there."""
    for number, launcher in enumerate((ALONE, TWO)):
        folder = tmp_path / str(number)
        code = launch(ALONE, "train", folder, "--log-every", 7, "--die", "backward:6", check=False)
        assert code == -signal.SIGKILL and Run(folder).steps() == [4]
        launch(launcher, "train", folder, "--log-every", 7, "--resume")
    one, two = ([entry["centerness_floor"] for entry in log_of(tmp_path / name)] for name in ("0", "1"))
    assert two == pytest.approx(one, rel=0.1)


@pytest.mark.parametrize("workers", [0, 1])
def test_sigterm_saves_and_has_an_exit_code_of_its_own(tmp_path, whole, workers):
    """To all processes at once, as from a queue or a launcher; those that load images are among them."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), "train", str(tmp_path), "--workers", str(workers)]
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    log = tmp_path / "log.jsonl"
    while process.poll() is None and not (log.exists() and log.stat().st_size):  # until it is in the middle of the run
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(timeout=300) == PREEMPTED == 75
    assert len(Run(tmp_path).steps()) >= 1
    launch(ALONE, "train", tmp_path, "--resume", "--workers", workers)
    assert_same_run(tmp_path, whole)


def test_a_run_can_be_moved_and_a_finished_one_asked_again(tmp_path, whole):
    moved = tmp_path / "elsewhere"
    shutil.copytree(whole, moved)
    assert str(whole) not in "".join(path.read_text() for path in moved.glob("*.json*"))
    Run(moved).path(14).unlink()  # as if it had been cut off after step 12
    launch(ALONE, "train", moved, "--resume")
    assert_same_run(moved, whole)
    launch(ALONE, "train", moved, "--resume")  # nothing is left to do, and nothing is spoiled
    assert_same_run(moved, whole)


# ---------------------------------------------------------------------- the folder
@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "run")


CONFIG = TrainConfig()


def test_the_log_goes_on_after_the_checkpoint(run):
    with run.open(CONFIG, 0) as log:
        for step in (2, 4, 6):
            log.write(json.dumps({"step": step}) + "\n")
        log.write('{"step": 8, "lo')  # the machine died here
    part = run.checkpoints / ".step-0000004.pt.x.part"
    part.write_bytes(b"half")
    with run.open(CONFIG, 4) as log:
        log.write('{"step": 6}\n')
    assert [json.loads(line)["step"] for line in run.log.read_text().splitlines()] == [2, 4, 6]
    assert not part.exists()


def test_the_newest_checkpoints_are_kept(run):
    run.open(CONFIG, 0).close()
    for step in (5, 10, 20, 1_000_000):
        run.save({"step": step, "value": torch.tensor(step)}, keep=2)
    assert run.steps() == [20, 1_000_000]
    assert run.newest()["value"] == 1_000_000


def test_a_damaged_checkpoint_is_passed_over(run):
    run.open(CONFIG, 0).close()
    assert run.newest() is None
    for step in (5, 10):
        run.save({"step": step}, keep=2)
    run.path(10).write_bytes(run.path(10).read_bytes()[:50])
    with pytest.warns(UserWarning, match="step-0000010.pt cannot be read"):
        assert run.newest()["step"] == 5
    run.save({"step": 7}, keep=1)  # the damaged one must not take the place of what is good
    assert run.steps() == [7] and run.newest()["step"] == 7


def test_a_checkpoint_with_one_changed_bit_is_passed_over(run):
    """In 1,177 of 1,200 it was taken: torch compares no checksum."""
    run.open(CONFIG, 0).close()
    state = {"model": {"weight": torch.rand(999)}, "rate": 0.1}
    for step in (5, 10):
        run.save({"step": step, **state}, keep=2)
    data = run.path(10).read_bytes()
    for bit in random.Random(0).sample(range(8 * len(data)), 300):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        run.path(10).write_bytes(changed)
        with pytest.warns(UserWarning, match="step-0000010.pt cannot be read .*is damaged"):
            assert run.newest()["step"] == 5
    run.path(10).write_bytes(data)
    assert run.newest()["step"] == 10


def test_a_checkpoint_of_before_there_were_digests_is_read(run):
    run.open(CONFIG, 0).close()
    torch.save({"step": 3}, run.path(3))
    assert run.newest()["step"] == 3


def test_a_checkpoint_cannot_run_code(run):
    """A pickle that would call a function is refused, as torch's safe loading does."""

    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(run.folder / "hacked"),))

    run.open(CONFIG, 0).close()
    torch.save({"step": 1, "evil": Evil()}, run.path(1))
    with pytest.warns(UserWarning, match="cannot be read"):
        assert run.newest() is None
    assert not (run.folder / "hacked").exists()


def test_a_failed_write_leaves_the_older_one(run, monkeypatch):
    run.open(CONFIG, 0).close()
    run.save({"step": 1}, keep=1)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        run.save({"step": 2}, keep=1)
    assert run.steps() == [1] and list(run.checkpoints.iterdir()) == [run.path(1)]


def test_another_configuration_is_refused_unless_it_is_allowed(run):
    run.open(CONFIG, 0).close()
    run.check(CONFIG, resume=True, allow_changes=False)
    other = CONFIG.replace(lr=0.5, **{"model.box_loss": "iou"})
    with pytest.raises(ConfigError, match=r"lr was 0.01 and is 0.5; model.box_loss was 'giou' and is 'iou'"):
        run.check(other, resume=True, allow_changes=False)
    run.check(other, resume=True, allow_changes=True)
    with pytest.raises(FileExistsError, match="holds a run already: resume it"):
        run.check(CONFIG, resume=False, allow_changes=False)


def test_other_classes_are_always_refused(run):
    """The same classes in another order would go on learning as each other."""
    pets = CONFIG.replace(**{"model.num_classes": 2, "model.class_names": ("cat", "dog")})
    run.open(pets, 0).close()
    run.check(pets, resume=True, allow_changes=False)
    run.check(CONFIG, resume=True, allow_changes=False)  # before the data are read nobody knows them
    for names in (("dog", "cat"), ("cat", "dog", "cow")):
        other = CONFIG.replace(**{"model.num_classes": len(names), "model.class_names": names})
        with pytest.raises(ConfigError, match=f"classes cat, dog, but the data has {', '.join(names)}.*--from"):
            run.check(other, resume=True, allow_changes=True)


def test_generators_go_on_from_their_states(tmp_path):
    torch.save(random_states(), tmp_path / "states.pt")
    wanted = torch.rand(3), random.random()
    set_random_states(torch.load(tmp_path / "states.pt", weights_only=True))
    assert torch.equal(torch.rand(3), wanted[0]) and random.random() == wanted[1]
