"""Signals are noted, agreed and obeyed, and the handlers of before come back."""

import os
import signal
import subprocess
import sys

import pytest

from fcos_edu.training.signals import PREEMPTED, AskedWhileWaiting, PreemptedError, StopRequest


def test_signals_are_noted_and_handlers_restored():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with StopRequest() as stop:
        assert stop.agreed() == 0
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.agreed() == signal.SIGTERM
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.agreed() == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):  # the second Ctrl-C
            os.kill(os.getpid(), signal.SIGINT)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.mark.parametrize(("number", "error"), [(signal.SIGTERM, PreemptedError), (signal.SIGINT, KeyboardInterrupt)])
def test_where_nothing_is_to_be_saved_signals_stop_at_once(number, error):
    with StopRequest() as stop:
        os.kill(os.getpid(), number)
        with pytest.raises(error):  # it came while they were held, and nobody asked
            stop.release()
    with StopRequest() as stop:
        stop.release()
        with pytest.raises(error):
            os.kill(os.getpid(), number)


def test_a_worker_that_waits_for_others_can_be_ended():
    """A handler of Python's would not be called while it waits; so there is none."""
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        stop._group = "several workers"
        stop.release()
        assert signal.getsignal(signal.SIGTERM) == before
        stop.hold()
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_program_that_does_not_catch_it_ends_with_the_code():
    code = "from fcos_edu.training.signals import PreemptedError; raise PreemptedError('asked to stop')"
    assert subprocess.run([sys.executable, "-c", code]).returncode == PREEMPTED


@pytest.mark.parametrize(("number", "error"), [(signal.SIGTERM, PreemptedError), (signal.SIGINT, KeyboardInterrupt)])
def test_a_run_that_was_asked_leaves_as_it_was_asked(number, error):
    with pytest.raises(error), StopRequest() as stop:
        os.kill(os.getpid(), number)
        assert stop.agreed() == number
        stop.leave("its state is saved")


def test_what_is_ignored_stays_ignored():
    """``nohup`` ignores SIGHUP, so that a run outlives its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.agreed() == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_wait_ends_at_once_and_a_step_does_not(number):
    with StopRequest() as stop:
        with stop.waiting():
            pass
        os.kill(os.getpid(), number)  # in a step
        assert stop.agreed() == number
    with StopRequest() as stop:
        with pytest.raises(AskedWhileWaiting), stop.waiting():
            os.kill(os.getpid(), number)
        assert stop.agreed() == number


def test_a_child_that_died_is_told_in_the_next_wait():
    """torch's handler raises wherever the main thread is."""

    def theirs(*_):
        raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Killed.")

    before = signal.signal(signal.SIGCHLD, theirs)
    try:
        with StopRequest() as stop:
            with stop.waiting():
                pass
            os.kill(os.getpid(), signal.SIGCHLD)  # in a step: nothing happens
            with pytest.raises(RuntimeError, match="killed by signal"), stop.waiting():
                raise AssertionError("waited for a child that is dead")
            with pytest.raises(RuntimeError, match="killed by signal"), stop.waiting():
                os.kill(os.getpid(), signal.SIGCHLD)
        assert signal.getsignal(signal.SIGCHLD) is theirs
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_terminal_that_is_gone_hides_no_exit_code(monkeypatch):
    class Gone:
        def write(self, _):
            raise OSError(5, "Input/output error")

    for stream in (Gone(), None):
        monkeypatch.setattr(sys, "stderr", stream)
        with pytest.raises(PreemptedError) as told, StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            stop.agreed()
            stop.leave("its state is saved")
        assert told.value.code == PREEMPTED
