"""Runs that survive: killed at any moment, resumed, moved, interrupted, damaged."""

import errno
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

from fcos_edu import ConfigError, data
from fcos_edu.integrity import CheckpointError
from fcos_edu.training import runs, state
from fcos_edu.training.config import TrainConfig
from fcos_edu.training.loop import train
from fcos_edu.training.runs import Run, random_states, set_random_states
from fcos_edu.training.signals import PREEMPTED
from fcos_edu.training.workers import OutOfMemoryError
from tests.training.parts import ALONE, TORCHRUN, TWO, launch, log_of, small, start


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
    for kill in ("write:1", "rename:3", "model:1", "backward:3", "log:2"):
        assert launch(ALONE, "train", tmp_path, "--resume", "--die", kill, check=False) == -signal.SIGKILL, kill
    launch(ALONE, "train", tmp_path, "--resume")
    assert_same_run(tmp_path, whole)
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".part")]


def test_runs_killed_at_random_moments_give_the_same_weights(tmp_path, whole):
    """Any step, line of the log, write or rename, others each time; the first run with a process that loads images.

    Five of them; ``scripts/kill_test.py`` and ``scripts/faults.py`` do it as often as one likes.
    """
    kills = [f"any:{random.SystemRandom().randint(1, 15)}" for _ in range(5)]
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
    """Both at once, or the one that writes. The last try is torchrun's own."""
    launch(TWO, "train", tmp_path / "whole")
    for kill in ("backward:6", "rename:2"):
        assert launch(TWO, "train", tmp_path / "killed", "--resume", "--die", kill, check=False) != 0
    launch(TORCHRUN, "train", tmp_path / "killed", "--resume")
    assert_same_run(tmp_path / "killed", tmp_path / "whole")


def test_workers_stop_when_all_is_written(tmp_path):
    """A launcher ends the others soon after the first: the one that writes must not be among them."""
    launch(TWO, "preempted", tmp_path / "run")
    assert [(tmp_path / f"run.{worker}").read_text() for worker in (0, 1)] == ["[1]", "[1]"]


@pytest.mark.weekly
def test_more_workers_go_on_with_a_log_that_is_right(tmp_path):
    """What one worker had summed since the last line is not shared out to those that were not there."""
    for number, launcher in enumerate((ALONE, TWO)):
        folder = tmp_path / str(number)
        code = launch(ALONE, "train", folder, "--log-every", 7, "--die", "backward:6", check=False)
        assert code == -signal.SIGKILL and Run(folder).steps() == [4]
        launch(launcher, "train", folder, "--log-every", 7, "--resume")
    one, two = ([entry["centerness_floor"] for entry in log_of(tmp_path / name)] for name in ("0", "1"))
    assert two == pytest.approx(one, rel=0.1)


@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.weekly), 1])
def test_sigterm_saves_and_has_an_exit_code_of_its_own(tmp_path, whole, workers):
    """To all processes at once, as from a queue or a launcher; those that load images are among them."""
    process = start(["train", str(tmp_path), "--workers", str(workers)], session=True)
    log = tmp_path / "log.jsonl"
    while process.is_alive() and not (log.exists() and log.stat().st_size):  # until it is in the middle of the run
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGTERM)
    process.join(300)
    assert process.exitcode == PREEMPTED == 75
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
    with pytest.warns(UserWarning, match="step-0000010.pt cannot be used"):
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
        with pytest.warns(UserWarning, match="step-0000010.pt cannot be used .*is damaged"):
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
    with pytest.raises(CheckpointError, match="step-0000001.pt is no checkpoint of a run"):
        run.newest()
    assert not (run.folder / "hacked").exists()


# ---------------------------------------------------------------------- checkpoints that cannot be used
def contents(folder):
    """Every file with what is in it, but for the lock."""
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


@pytest.fixture(scope="module")
def six(tmp_path_factory):
    """A run of six steps."""
    folder = tmp_path_factory.mktemp("six")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data.shapes, "DEFAULT_IMAGES", {"train": 16, "val": 4, "test": 4})
        train(small(iterations=6), folder, progress=False)
    return folder


@pytest.fixture
def stopped(tmp_path, six):
    """The same as it was cut off after step 4: with one checkpoint, and a log that goes on."""
    shutil.copytree(six, tmp_path / "run")
    Run(tmp_path / "run").path(6).unlink()
    return Run(tmp_path / "run")


def not_ours(path, value):
    torch.save(value, path)


DAMAGE = {
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:100]), "is damaged or cut off"),
    "empty": (lambda path: path.write_bytes(b""), "is damaged or cut off"),
    "text": (lambda path: path.write_text("hello " * 99), "is damaged or cut off"),
    "a list": (lambda path: not_ours(path, [1, 2]), "is no checkpoint of step 4"),
    "another step's": (lambda path: not_ours(path, {"step": 3}), "is no checkpoint of step 4"),
    "a tensor": (lambda path: not_ours(path, torch.ones(3)), "is no checkpoint of step 4"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_run_whose_checkpoints_are_all_damaged_is_left_as_it_is(stopped, kind):
    """It began at step 0, cut its log off and wrote over its model."""
    spoil, words = DAMAGE[kind]
    spoil(stopped.path(4))
    before = contents(stopped.folder)
    with pytest.raises(
        CheckpointError, match=f"none of the checkpoints .* can be used .*{words}.* Nothing was changed"
    ):
        train(small(iterations=6), stopped.folder, resume=True, progress=False)
    assert contents(stopped.folder) == before


def fails(error):
    def failing(*_, **__):
        raise error

    return failing


WHOLE_BUT_UNREADABLE = {
    "no permission": (PermissionError(errno.EACCES, "Permission denied"), "check_seal"),
    "a failing disk": (OSError(errno.EIO, "Input/output error"), "check_seal"),
    "too many files": (OSError(errno.EMFILE, "Too many open files"), "torch.load"),
    "no memory": (MemoryError(), "torch.load"),
    "no memory for torch": (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "torch.load"),
}


@pytest.mark.parametrize("kind", WHOLE_BUT_UNREADABLE)
def test_what_cannot_be_read_now_is_not_damaged(stopped, monkeypatch, kind):
    """Not even passed over for an older one, which would lose what is whole."""
    error, where = WHOLE_BUT_UNREADABLE[kind]
    before = contents(stopped.folder)
    with monkeypatch.context() as patch:
        patch.setattr(f"fcos_edu.training.runs.{where}", fails(error))
        with pytest.raises(type(error)) as told:
            stopped.newest()
        assert told.value is error
        with pytest.raises((OSError, MemoryError, OutOfMemoryError)):
            train(small(iterations=6), stopped.folder, resume=True, progress=False)
    assert contents(stopped.folder) == before
    assert stopped.newest()["step"] == 4


def test_a_folder_of_checkpoints_that_may_not_be_read_is_not_empty(stopped, monkeypatch):
    """glob gives nothing for it."""
    listdir = os.listdir

    def denied(path):
        if str(path).endswith("checkpoints"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listdir(path)

    before = contents(stopped.folder)
    monkeypatch.setattr(os, "listdir", denied)
    with pytest.raises(PermissionError, match="checkpoints"):
        train(small(iterations=6), stopped.folder, resume=True, progress=False)
    monkeypatch.undo()
    assert contents(stopped.folder) == before


def test_a_run_whose_checkpoints_are_gone_does_not_begin_again(tmp_path):
    """The log says that there were some; before the first there were none, and the run begins."""
    config = small(iterations=6, log_every=1, save_every=2)
    train(config, tmp_path, progress=False)
    shutil.rmtree(tmp_path / "checkpoints")
    before = contents(tmp_path)
    with pytest.raises(CheckpointError, match="goes to step 6, but its checkpoints are gone"):
        train(config, tmp_path, resume=True, progress=False)
    assert contents(tmp_path) == before
    lines = (tmp_path / "log.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "log.jsonl").write_text("".join(lines[:2]))
    assert Run(tmp_path).newest() is None


def test_fewer_iterations_than_are_done_are_refused(stopped):
    """The run said that it had 3 iterations, and had 4."""
    before = contents(stopped.folder)
    with pytest.raises(ConfigError, match="has done 4 steps; iterations is 3"):
        train(small(iterations=3), stopped.folder, resume=True, allow_changes=True, progress=False)
    assert contents(stopped.folder) == before


# ---------------------------------------------------------------------- folders of somebody else
@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize(
    "name", ["notes.txt", ".git", "model.safetensors", ".cache.0123abcd.part", "checkpoints/best.pt"]
)
def test_a_folder_with_files_that_is_no_run_is_never_used(tmp_path, name, resume):
    """``train --data ..`` wrote its run into the current folder, and deleted a file there."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("the user's")
    with pytest.raises(FileExistsError, match="has files in it .* and holds no run: choose a new or an empty folder"):
        train(small(), tmp_path, resume=resume, progress=False)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [tmp_path / name]


def test_what_a_run_leaves_that_is_killed_at_its_beginning_is_a_runs(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / ".lock").touch()
    (tmp_path / ".config.json.0123abcd.part").write_text("{")
    mine = tmp_path / "checkpoints" / "step-1.txt"
    with Run(tmp_path).open(CONFIG, 0):
        mine.touch()
        Run(tmp_path).check(CONFIG, resume=True, allow_changes=False)
    (tmp_path / ".notes.0123abcd.part").touch()  # in a run's folder too, only parts of ours go
    Run(tmp_path).open(CONFIG, 0).close()
    left = {p.name for p in tmp_path.rglob("*") if p.is_file()}
    assert left == {".lock", "config.json", "log.jsonl", "step-1.txt", ".notes.0123abcd.part"} | left & {"log.jsonl"}


def test_a_file_in_the_runs_place_is_told(tmp_path):
    (tmp_path / "run").touch()
    with pytest.raises(NotADirectoryError, match="run is a file; a run needs a folder"):
        train(small(), tmp_path / "run", progress=False)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", "null", '"model"', "{}", '{"model": 3, "seed": 0}', "[" * 100_000, "\xff",
     '{"model": {"class_names": "cat"}, "seed": 0}',
     '{"model": {"class_names": [3]}, "seed": 0}', '{"model_type": "bert"}', '{"model": {}}',
     '{"model": {}, "model": {}, "seed": 0}'],
)  # fmt: skip
def test_a_config_of_another_program_is_refused(tmp_path, text):
    (tmp_path / "config.json").write_text(text, "latin-1")
    for resume in (False, True):
        with pytest.raises(ConfigError, match="config.json is (damaged, or )?no configuration of a run"):
            Run(tmp_path).check(CONFIG, resume=resume, allow_changes=True)
    assert (tmp_path / "config.json").read_text("latin-1") == text


@pytest.mark.parametrize(
    "line", ["3", "[1]", '{"epoch": 3}', '{"step": "3"}', '{"step": 2.5}', '{"step": true}', "null"]
)
def test_a_log_of_another_program_is_refused(run, line):
    run.open(CONFIG, 0).close()
    text = f'{{"step": 2}}\n{line}\n'
    run.log.write_text(text)
    with pytest.raises(ConfigError, match="line 2 of .*log.jsonl is not of a run's log"):
        run.open(CONFIG, 2)
    assert run.log.read_text() == text


def test_what_a_dying_machine_leaves_in_a_log_is_dropped(run):
    run.open(CONFIG, 0).close()
    run.log.write_bytes(b'{"step": 2}\n{"step": 4, "lo' + bytes(30) + b"\n" + b"\xff\xfe\n")
    run.open(CONFIG, 4).close()
    assert run.log.read_text() == '{"step": 2}\n'


# ---------------------------------------------------------------------- one at a time
HOLDER = """
import os, sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1]); lock.acquire()
loader = os.fork() if len(sys.argv) > 2 else 1  # a process that loads images has what its trainer has open
if loader:  # one of the two tells: where output is not buffered, theirs ran into each other
    print("held", flush=True)
time.sleep(60)
"""


def holder(folder, *arguments):
    """Another process that trains in the folder, as far as locks can tell; without torch."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder / ".lock"), *arguments], stdout=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("resume", [False, True])
def test_two_runs_in_one_folder_are_refused(tmp_path, monkeypatch, resume):
    """Both ended well, and one result was gone; two that resumed removed each other's parts."""
    monkeypatch.setattr(runs, "_PATIENCE", 0.2)
    if resume:
        train(small(iterations=2), tmp_path, progress=False)
    before = contents(tmp_path)
    other = holder(tmp_path)
    try:
        with pytest.raises(BlockingIOError, match="another process trains in .*: wait for its end, or choose another"):
            train(small(iterations=3), tmp_path, resume=resume, allow_changes=True, progress=False)
        assert contents(tmp_path) == before
    finally:
        other.kill()
        other.wait()
    train(small(iterations=3), tmp_path, resume=True, allow_changes=True, progress=False)  # the lock went with it


def test_a_killed_run_leaves_no_lock_although_its_loaders_live(tmp_path):
    """flock belongs to what is open, and a forked process has it open too, until it notices that it is alone."""
    other = holder(tmp_path, "with a loader")
    other.kill()
    other.wait()
    try:
        run = Run(tmp_path)
        run.lock()
        run.unlock()
    finally:
        os.killpg(other.pid, signal.SIGKILL)


def test_a_run_whose_folder_is_moved_away_ends_without_curves_and_makes_no_second_one(tmp_path, monkeypatch):
    """The rest of its checkpoints went into a new folder of the old name."""
    original, calls = state.backward, iter(range(100))

    def moved(*arguments):
        if next(calls) == 4:
            (tmp_path / "run").rename(tmp_path / "moved")
        return original(*arguments)

    with (
        monkeypatch.context() as patch,
        pytest.raises(FileNotFoundError, match="run is gone or was moved, and the run"),
    ):
        patch.setattr(state, "backward", moved)
        with pytest.warns(UserWarning, match="could not be drawn"):
            train(small(iterations=8), tmp_path / "run", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["moved"] and Run(tmp_path / "moved").steps() == [4]
    train(small(iterations=8), tmp_path / "moved", resume=True, progress=False)


def test_a_lock_is_given_back_however_a_run_ends(tmp_path, monkeypatch):
    train(small(iterations=1), tmp_path / "whole", progress=False)
    with monkeypatch.context() as patch:
        patch.setattr(state, "backward", fails(ZeroDivisionError()))
        with pytest.raises(ZeroDivisionError):
            train(small(), tmp_path / "failed", progress=False)
    for name in ("whole", "failed"):
        run = Run(tmp_path / name)
        run.lock()
        with pytest.raises(BlockingIOError):
            monkeypatch.setattr(runs, "_PATIENCE", 0)
            Run(tmp_path / name).lock()
        monkeypatch.undo()
        run.unlock()


def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch):
    for error in (NotImplementedError(), OSError(errno.ENOLCK, "No locks available")):
        monkeypatch.setattr(runs.FileLock, "acquire", fails(error))
        with pytest.warns(UserWarning, match="is on a file system without locks"):
            run = Run(tmp_path)
            run.lock()
        run.unlock()
    monkeypatch.setattr(runs.FileLock, "acquire", fails(PermissionError(errno.EACCES, "Permission denied")))
    with pytest.raises(PermissionError):
        Run(tmp_path).lock()


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
