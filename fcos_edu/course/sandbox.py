"""Processes in which a student's code runs: shut in as far as the system allows it, and what held is said.

Used by the grader. Checked against: functions that read files, open sockets, fork, fill memory, print megabytes, hang,
and import the package's answers. Linux only.

A server imports torch once, hides the package and torchvision, takes itself a network, processes and files of its own,
and forks a child for each question. The child gets the inputs, gives up its rights, and sends plain arrays back: right
answers and comparisons stay in the process of the grader.
"""

from __future__ import annotations

import builtins
import json
import os
import select
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

from ._student import HIDDEN, LIMIT, OF_TORCH, Odd, decode, encode
from .judge import Failed
from .question import Case

WALL = 20  # seconds for a question
MEMORY = 1_000_000_000  # bytes more than the libraries have already
_BOOT = (
    "import json, socket, sys\n"
    "path, number, settings = sys.argv[1:]\n"
    "scope = {'__name__': 'fcos_edu_student'}\n"
    "exec(compile(open(path, encoding='utf-8').read(), path, 'exec'), scope)\n"
    "scope['serve'](socket.socket(fileno=int(number)), json.loads(settings))\n"
)
WORDS = {
    "uid": "an unprivileged user",
    "network": "no network",
    "files": "no files but the libraries",
    "processes": "processes end with the question",
}


@dataclass(frozen=True)
class Run:
    """What came back for one question."""

    answers: tuple[Any, ...]  # plain values or Failed, one for each case
    missing: str = ""  # "missing" or "stub": no such function, not written; "broken": cannot be made; "untried"
    late: bool = False
    whole: bool = True  # the process lived until the last answer
    faults: tuple[tuple[int, int], ...] = ()  # cell and line of what cannot be read


def supported() -> str:
    """Why grading does not work here, or nothing."""
    if not sys.platform.startswith("linux") or not hasattr(os, "pidfd_open"):
        return "grading needs Linux (on other systems a student's code could not be shut in); check() works everywhere"
    return ""


def libraries() -> tuple[list[str], list[str]]:
    """The folders that a child may read, none inside another; and those in them that hold answers."""
    paths = [*(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")), "/usr/lib", "/lib",
             "/lib64", "/usr/lib64", "/usr/local/lib", f"{sys.base_prefix}/lib"]  # fmt: skip
    found: list[str] = []
    for path in sorted({path for path in paths if path and os.path.isdir(path)}, key=len):
        real = os.path.islink(path) or not any(path == one or path.startswith(f"{one}/") for one in found)
        if real:
            found.append(path)
    packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    for root in found:
        for kind in ("site-packages", "dist-packages"):
            packages |= {*glob(f"{root}/python3*/{kind}"), *glob(f"{root}/{kind}")}
    return found, [
        f"{place}/{name}" for place in sorted(packages) for name in HIDDEN if os.path.isdir(f"{place}/{name}")
    ]


class Server:
    """A process that runs functions of students; used as a context, by one thread."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.facts: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        self._folder = tempfile.TemporaryDirectory()
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._folder.cleanup()

    def _start(self) -> None:
        mine, theirs = socket.socketpair()
        readable, hidden = libraries()
        settings = {"folder": self._folder.name, "readable": readable, "hidden": hidden, "uid": 59400 + self.number}
        path = Path(__file__).with_name("_student.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _BOOT, str(path), str(theirs.fileno()), json.dumps(settings)],
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            cwd="/", env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "LANG": "C.UTF-8"},
        )  # fmt: skip
        theirs.close()
        self._control = mine
        line = self._line()
        if not line:
            words = (self._process.stderr.read() if self._process.stderr else b"").decode(errors="replace")
            self._stop()
            raise OSError(
                f"the process for students' code did not start: {words.strip().splitlines()[-1:] or 'no reason'}"
            )
        self.facts = json.loads(line)

    def _stop(self) -> None:
        if self._process is not None:
            self._control.close()
            self._process.kill()
            self._process.wait()
            if self._process.stderr:
                self._process.stderr.close()
            self._process = None

    def _line(self) -> bytes:
        text = b""
        while not text.endswith(b"\n"):
            try:
                more = self._control.recv(4096)
            except ConnectionError:
                return b""
            if not more:
                return b""
            text += more
        return text

    def run(self, cells: Sequence[str], name: str, cases: Sequence[Case], wall: float = WALL) -> Run:
        """A function of a student's on some inputs, in a process of its own.

        Args:
            cells: the code of the file, cell by cell.
            name: of the function.
            cases: the inputs; nothing else is sent.
            wall: seconds after which it is stopped.
        """
        return self._together(cells, [(name, cases)], wall)[0]

    def run_all(
        self,
        cells: Sequence[str],
        asked: Sequence[tuple[str, Sequence[Case]]],
        wall: float = WALL,
        *,
        short: float = WALL,
        patience: int = 3,
        enough: int | None = None,
    ) -> list[Run]:
        """Several functions of one file, one after the other in one process, as long as it lives.

        A process costs more than most answers. Where one ends before its time, the next begins with the question after
        the one that ended it. An answer that is wrong here may be the fault of another function: ask again with
        :meth:`run` before you say so.

        Args:
            cells: as for :meth:`run`.
            asked: functions and their inputs.
            wall: seconds of a process.
            short: the same, once ``patience`` questions have run out of time.
            patience: how many may take the long time.
            enough: so many that ran out of time end it: the answers are fewer than the questions then.
        """
        found: list[Run] = []
        late = 0
        while len(found) < len(asked) and (enough is None or late < enough):
            part = self._together(cells, asked[len(found) :], wall if late < patience else min(wall, short))
            whole = next((i for i, run in enumerate(part) if not run.whole), len(part) - 1)
            found += part[: whole + 1]
            late += found[-1].late
        return found

    def _together(self, cells: Sequence[str], asked: Sequence[tuple[str, Sequence[Case]]], wall: float) -> list[Run]:
        job = {
            "cells": list(cells),
            "asked": [(name, [encode(list(case.inputs)) for case in cases]) for name, cases in asked],
        }
        text, outcome = self._exchange(json.dumps(job).encode(), wall)
        heads: dict[int, dict[str, Any]] = {}
        given: dict[int, list[Any]] = {}
        now = -1
        for line in text.split(b"\n")[:-1]:
            entry = _read(line)
            if isinstance(entry, dict) and isinstance(entry.get("question"), int):
                now = entry["question"]
                heads.setdefault(now, entry)
            elif now >= 0 and len(given.setdefault(now, [])) < 1000:
                given[now].append(_answer(entry))
        late = bool(outcome.get("late"))
        ended = Failed("timeout" if late else "stopped")
        runs = []
        for number, (_, cases) in enumerate(asked):
            head, answers = heads.get(number, {}), given.get(number, [])[: len(cases)]
            missing = head.get("missing")
            if missing in ("missing", "stub", "broken"):
                runs.append(Run((), str(missing), faults=_faults(head)))
                continue
            whole = len(answers) == len(cases)
            answers += [ended] * (len(cases) - len(answers))
            runs.append(Run(tuple(answers), "", late and not whole, whole, _faults(head)))
        return runs

    def _exchange(self, job: bytes, wall: float) -> tuple[bytes, dict[str, Any]]:
        """Send a job; what its child wrote, up to a limit, and how it ended. A server that died is started again."""
        file = os.memfd_create("job")
        out, theirs = os.pipe()
        try:
            with open(file, "wb", closefd=False) as stream:
                stream.write(job)
            os.lseek(file, 0, os.SEEK_SET)
            request = json.dumps({"wall": wall, "cpu": int(wall) + 1, "memory": MEMORY}).encode()
            socket.send_fds(self._control, [request], [file, theirs])
        except OSError:
            self._restart()
            return b"", {}
        finally:
            os.close(file)
            os.close(theirs)
        text, told = bytearray(), b""
        waiting: list[Any] = [out, self._control]
        while self._control in waiting:
            for ready in select.select(waiting, [], [])[0]:
                if ready is self._control:
                    told = self._line()
                    waiting.remove(ready)
                    continue
                more = os.read(out, 1 << 16)
                text += more
                if not more or len(text) > 2 * LIMIT:
                    waiting.remove(out)
                    os.close(out)  # the child cannot write any more
        while out in waiting and select.select([out], [], [], 0)[0] and len(text) <= 2 * LIMIT:
            more = os.read(out, 1 << 16)
            if not more:
                break
            text += more
        if out in waiting:
            os.close(out)
        if not told:
            self._restart()
            return b"", {}
        return bytes(text), json.loads(told)

    def _restart(self) -> None:
        self._stop()
        self._start()


_ERRORS = {name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, BaseException)}
_TYPES = {"None", "str", "dict", "set", "generator", "function", "map", "filter", "zip", "range", "bytes", "complex",
          "type", "an array of objects", "complex numbers", "too large an answer"}  # fmt: skip


def _read(line: bytes) -> Any:
    if len(line) > LIMIT:
        return None
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _faults(entry: Any) -> tuple[tuple[int, int], ...]:
    given = entry.get("faults") if isinstance(entry, dict) else None
    pairs = given if isinstance(given, list) else []
    good = (p for p in pairs if isinstance(p, list) and len(p) == 2 and all(isinstance(n, int) for n in p))
    return tuple((cell, line) for cell, line in good)[:5]


def _answer(entry: Any) -> Any:
    """One line of a child, of which nothing is trusted.

    A name that the student's code could choose would be a way to show inputs in the feedback: of errors and types only
    those are told that Python and torch have.
    """
    if not isinstance(entry, dict):
        return Failed("unreadable")
    if "value" in entry:
        try:
            value = decode(entry["value"])
        except Exception:
            return Failed("unreadable")
        return Odd(value.kind if value.kind in _TYPES else "an object") if isinstance(value, Odd) else value
    error, line, undefined = entry.get("error"), entry.get("line"), entry.get("undefined")
    return Failed(
        error if error in _ERRORS or error == OF_TORCH else "an error of its own",
        line if isinstance(line, int) else 0,
        undefined if isinstance(undefined, str) and undefined.isidentifier() else "",
    )


def held(facts: dict[str, Any]) -> str:
    """What protected the machine, in a sentence."""
    good = [words for name, words in WORDS.items() if facts.get(name)]
    bad = [words for name, words in WORDS.items() if not facts.get(name)]
    text = f"held: answers hidden, limits of time, memory and files{''.join(f', {words}' for words in good)}"
    return text + (f"; NOT held here: {', '.join(bad)}" if bad else "")
