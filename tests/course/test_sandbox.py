"""A student's code in a process of its own: what it may do, what it may not, and what is found in a file."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fcos_edu.course import _student, find, judge
from fcos_edu.course.sandbox import Server, held, supported

pytestmark = pytest.mark.skipif(bool(supported()), reason="grading needs Linux")
QUESTION = find("centerness")
CASES = QUESTION.cases("s")
RIGHT = """
import torch
def centerness(ltrb):
    l, t, r, b = ltrb.unbind(-1)
    low, high = torch.min(l, r) * torch.min(t, b), torch.max(l, r) * torch.max(t, b)
    return (low / high.clamp(min=1e-12)).sqrt()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(7) as server:
        yield server


def answers(server: Server, source: str, wall: float = 20) -> tuple[object, ...]:
    run = server.run([source], "centerness", CASES, wall)
    assert not run.missing and len(run.answers) == len(CASES)
    return run.answers


def is_right(server: Server, source: str) -> bool:
    return judge.judge(QUESTION, "s", answers(server, source)).right


def test_a_right_answer_is_right_whatever_stands_around_it(server: Server) -> None:
    around = "from torchvision.ops import nms\nfrom fcos_edu.course import check\nx = 1 / 0\n"
    assert is_right(server, around + RIGHT + "check('centerness', centerness)\nwhile True: pass\n")
    assert is_right(server, "%matplotlib inline\n!pip install x\nthis is no Python\n" + RIGHT + "\n    bad = 1\n")
    assert is_right(
        server, RIGHT + "\ndef centerness(ltrb):\n    '''Later the stub again.'''\n    raise NotImplementedError\n"
    )
    assert is_right(server, RIGHT.replace("def centerness", "def mine") + "\ncenterness = mine\n")
    assert is_right(server, "import torch\nx = torch.ones(1, requires_grad=True)\n(2 * x).backward()\n" + RIGHT)


HOSTILE = {
    "imports the package": "def centerness(d):\n    from fcos_edu.centerness import centerness as c\n    return c(d)",
    "and takes the finder away": """
def centerness(d):
    import sys
    sys.meta_path = [f for f in sys.meta_path if type(f).__name__ != "NotThere"]
    for name in list(sys.modules):
        if name.startswith("fcos_edu"):
            del sys.modules[name]
    from fcos_edu.centerness import centerness as c
    return c(d)""",
    "lies when compared": "class L:\n    def __eq__(s, o): return True\n    __array_ufunc__ = None\n"
    "def centerness(d):\n    return L()",
    "a lying tensor": "import torch\nclass T(torch.Tensor):\n    def __eq__(s, o): return True\n"
    "def centerness(d):\n    return torch.zeros(d.shape[:-1]).as_subclass(T)",
    "ends the process": "import os\ndef centerness(d):\n    os._exit(0)",
    "crashes": "import ctypes\ndef centerness(d):\n    ctypes.string_at(0)",
    "fills the memory": "def centerness(d):\n    return [bytearray(10**8) for _ in range(200)]",
    "opens a socket": "import socket\ndef centerness(d):\n    socket.create_connection(('192.0.2.1', 80), 2)",
    "returns too much": "import torch\ndef centerness(d):\n    return torch.zeros(10**7)",
    "patches torch": "import torch\ntorch.allclose = torch.equal = lambda *a, **k: True\n"
    "def centerness(d):\n    return torch.zeros(d.shape[:-1])",
    "writes answers of its own": "import os\ndef centerness(d):\n    os.write(11, b'{\"value\": 1}\\n' * 9); return 1",
    "deep JSON": "import os\ndef centerness(d):\n    os.write(11, b'[' * 10**5 + b'\\n'); return 1",
    "exits": "def centerness(d):\n    raise SystemExit",
    "prints a megabyte": "def centerness(d):\n    print('x' * 10**6); return 0",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_code_wins_nothing(server: Server, what: str) -> None:
    assert not is_right(server, HOSTILE[what])
    assert is_right(server, RIGHT), "and the next one is graded as if nothing had been"


def test_what_hangs_is_stopped_with_all_that_it_started(server: Server) -> None:
    started = time.monotonic()
    run = server.run(["def centerness(d):\n    while True: pass"], "centerness", CASES, 1)
    assert run.late and run.answers[0] == judge.Failed("timeout") and time.monotonic() - started < 10
    forks = "import os, time\ndef centerness(d):\n    for _ in range(5):\n        os.fork()\n    time.sleep(60)"
    run = server.run([forks], "centerness", CASES, 1)
    assert not judge.judge(QUESTION, "s", run.answers).right
    assert is_right(server, RIGHT)


def seen(server: Server, expression: str) -> object:
    given = answers(server, f"import os, sys\ndef centerness(d):\n    return {expression}")[0]
    return given.tolist() if isinstance(given, np.ndarray) else given


def test_what_is_said_to_hold_does(server: Server) -> None:
    facts = server.facts
    sentence = held(facts)
    for name, words in {"uid": "an unprivileged user", "network": "no network"}.items():
        assert (words in sentence.partition("NOT held")[0]) == facts[name]
    if facts["uid"]:
        assert seen(server, "os.geteuid()") != 0
    if facts["processes"]:
        assert seen(server, "os.getpid()") == 1
    if facts["files"]:
        assert seen(server, f"int(os.path.exists({__file__!r}))") == 0
        assert seen(server, "len(os.listdir('/tmp'))") == 0 and seen(server, "int(os.path.exists('/proc/self'))") == 0
        import torchvision

        folder = os.path.dirname(torchvision.__file__)
        assert seen(server, f"int(os.path.exists({os.path.join(folder, 'ops', 'boxes.py')!r}))") == 0
        assert isinstance(answers(server, "def centerness(d):\n    open('/x', 'w')")[0], judge.Failed)
    big = "def centerness(d):\n    f = open('x', 'wb'); f.write(b'x' * 10**7); f.flush(); return 1"
    assert isinstance(answers(server, big)[0], judge.Failed)


def test_nothing_of_one_submission_is_found_by_the_next(server: Server) -> None:
    answers(server, RIGHT + "\nSECRET = 'blue-' + 'heron'\nopen('left', 'w').write('blue-heron')\n")
    search = """
import gc, os
def centerness(d):
    found = [o for o in gc.get_objects() if isinstance(o, dict) and any("heron" in str(v) for v in list(o.values()))
             and "search" not in o]
    return len([o for o in found if o is not globals() and "found" not in o]) + 100 * os.path.exists("left")
search = 1
"""
    given = answers(server, search)[0]
    assert isinstance(given, np.ndarray) and given < 100


def test_an_error_tells_its_kind_and_line_but_no_input(server: Server) -> None:
    own = "def centerness(d):\n    raise type('saw_%d' % int(d.flatten()[0]), (Exception,), {})(str(d))"
    assert answers(server, own)[0] == judge.Failed("an error of its own", 2)
    assert answers(server, "def centerness(d):\n    return d.nothing")[0] == judge.Failed("AttributeError", 2)
    assert answers(server, "import torchvision\ndef centerness(d):\n    return torchvision.ops.nms")[0] == judge.Failed(
        "NameError", 3, "torchvision"
    )
    shown = answers(server, "def centerness(d):\n    return type('saw', (), {})()")[0]
    assert isinstance(shown, _student.Odd) and shown.kind == "an object"


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("x = 1", "missing"),
        ("", "missing"),
        ("def centerness(d):\n    '''Words.'''\n    raise NotImplementedError", "stub"),
        ("def centerness(d):\n    pass", "stub"),
        ("centerness = 1 / 0", "broken"),
        ("def centerness(d)\n    return d", "missing"),
    ],
)
def test_a_function_that_is_not_there(server: Server, source: str, missing: str) -> None:
    assert server.run([source], "centerness", CASES).missing == missing


@pytest.mark.parametrize("words", ["", "('to do')"])
def test_a_function_with_no_more_than_a_beginning_is_not_written_yet(server: Server, words: str) -> None:
    begun = f"def centerness(d):\n    sides = d.unbind(-1)\n    raise NotImplementedError{words}"
    assert judge.judge(QUESTION, "s", answers(server, begun)).unwritten
    other = judge.judge(QUESTION, "s", answers(server, "def centerness(d):\n    return d >= 0 & d <= 9"))
    assert not other.unwritten and "joins need brackets" in other.help


def test_a_cell_that_cannot_be_read_is_told(server: Server) -> None:
    run = server.run(["x = 1", "y = = 2", RIGHT], "centerness", CASES)
    assert run.faults == ((2, 1),) and judge.judge(QUESTION, "s", run.answers).right


def test_values_survive_the_way_there_and_back() -> None:
    import torch

    tree = [torch.arange(6).reshape(2, 3), (1, 2.5, True), [torch.zeros(0, 4)], "word", float("inf")]
    back = _student.decode(_student.encode(tree))
    assert torch.equal(back[0], tree[0]) and back[1:2] == [(1, 2.5, True)] and back[2][0].shape == (0, 4)
    assert back[3:] == ["word", float("inf")]
    for bad in (
        {"dtype": "O", "shape": [1], "data": ""},
        {"x": 1},
        [1],
        {"dtype": "<f4", "shape": [9], "data": "AAAA"},
    ):
        with pytest.raises((ValueError, TypeError)):
            _student.decode(bad)


def test_plain_values() -> None:
    import torch

    assert _student.plain([torch.ones(2), torch.zeros(2)]).shape == (2, 2)
    assert isinstance(_student.plain([torch.ones(2), torch.zeros(3)]), list)
    assert _student.plain(torch.ones(2, dtype=torch.bfloat16, requires_grad=True)).dtype == np.float64
    for odd in (None, {}, "x", np.array([object()]), [1, None], object(), 1j):
        assert isinstance(_student.plain(odd), _student.Odd)


def test_only_what_a_function_needs_is_run() -> None:
    cells = [
        "import math\nEPS = 1e-7\nunused = train()",
        "def helper(x):\n    return x + EPS",
        "EPS = 2 * EPS",
        "table = {}\nfor i in range(3):\n    table[i] = i\nplot()",
        "def f(x):\n    return helper(x) + table[1]",
    ]
    body, faults = _student.statements(cells)
    assert faults == []
    kept = [ast.unparse(node).splitlines()[0] for node in _student.needed(body, "f")]
    assert kept == ["import math", "EPS = 1e-07", "def helper(x):", "EPS = 2 * EPS", "table = {}", "for i in range(3):",
                    "def f(x):"]  # fmt: skip


BIAS = "import math\ndef prior_bias(prior):\n    return -math.log((1 - prior) / prior)\n"
FORMS = {
    "a comment that asks": ["import math\ndef prior_bias(prior):\n    z = (1 - prior) / prior  # the odds?\n"
                            "    return -math.log(z)  # minus?\n"],
    "and magic beside it": ["%matplotlib inline\n!ls\nx = !ls\nprior_bias?\n"
                            + BIAS.replace("\n    ", "  # so?\n    ")],
    "a modulo that begins a line": ["import math\ndef prior_bias(p):\n    z = ((1 - p)\n      % 100\n      / p)\n"
                                    "    return -math.log(z)"],
    "words that look like magic": ["%pip install x\nimport math\ndef prior_bias(p):\n    '''What?\n    !so\n"
                                   "    '''\n    return -math.log((1 - p) / p)"],
    "its own name taken for the answer": [BIAS, "prior_bias = prior_bias(0.01)"],
    "a long loop over a name of its own": [BIAS.replace("    return", "    loss = 1\n    return loss *"),
                                           "for step in range(10**12):\n    loss = step"],
    "a lambda": ["import math\nprior_bias = lambda p: -math.log((1 - p) / p)"],
    "an object that is called": ["import math\nclass B:\n    f = staticmethod(math.log)\n"
                                 "    def __call__(self, p): return -self.f((1 - p) / p)", "prior_bias = B()"],
    "a partial": ["import math\nfrom functools import partial\ndef f(k, p): return k * math.log((1 - p) / p)",
                  "K = -1\nprior_bias = partial(f, K)"],
    "a closure": ["import math\ndef make(sign):\n    def f(p): return sign * log((1 - p) / p)\n    return f",
                  "log = math.log\nprior_bias = make(-1)"],
    "helpers and globals further down": ["import math\nN = 0\ndef prior_bias(p):\n    global N\n    N += 1\n"
                                         "    return ln((1 - p) / p) * SIGN", "SIGN = -1\nln = math.log"],
    "types that nobody knows": ["import math\nfrom dataclasses import dataclass\n@dataclass\nclass P:\n"
                                "    p: Tensor\n    def bias(self) -> Unknown: return -math.log((1 - self.p) / self.p)",
                                "def prior_bias(p: float) -> P | None:\n    return P(p).bias()"],
    "a decorator": ["import functools, math\n@functools.lru_cache(maxsize=None)\ndef prior_bias(p, *, one=1.0):\n"
                    "    return -math.log((one - p) / p)"],
    "in a condition": ["if True:\n    " + BIAS.replace("\n", "\n    ")],
    "a package that is not there": ["try:\n    import not_there as sp\nexcept ImportError:\n    sp = None\n" + BIAS],
    "timed": ["%%time\n" + BIAS],
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_right_answer_is_found_in_any_form_of_file(form: str) -> None:
    body, faults = _student.statements(FORMS[form])
    function = _student.load(body, "prior_bias")["prior_bias"]
    question = find("prior_bias")
    assert faults == [] and judge.judge(question, "s", judge.behaviour(function, question, "s")).right


def test_elsewhere_one_sentence_says_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "needs Linux" in supported()


# Of a process of root: a name space of mounts in which an ordinary user finds this Python, then that user.
AS_NOBODY = """
set -e
if [ -n "$HIDDEN_HOME" ]; then  # of a home that nobody may enter, Python alone
  mount --bind "$PYTHON_FOLDER" "$PLACE"
  mount -t tmpfs -o mode=755 tmpfs "$HIDDEN_HOME"
  mkdir -p "$PYTHON_FOLDER"
  mount --bind "$PLACE" "$PYTHON_FOLDER"
fi
exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
"""
ORDINARY = """
import json
from fcos_edu.course import find, judge
from fcos_edu.course.sandbox import Server
question = find("centerness")
with Server() as server:
    found = {}
    for name, source in json.loads(SOURCES).items():
        run = server.run([source], "centerness", question.cases("s"))
        found[name] = judge.judge(question, "s", run.answers).points
    print(json.dumps({"facts": server.facts, "points": found}))
"""


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv") or not shutil.which("unshare"), reason="needs root"
)
def test_an_ordinary_user_grades_as_root_does() -> None:
    """Run as nobody: right is right, what reads a file of the machine gets nothing, and what held is said."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        os.chmod(folder, 0o755)
        grade_as_nobody(Path(folder))


def grade_as_nobody(folder: Path) -> None:
    secret = folder / "secret.txt"
    secret.write_text("1")
    reads = f"def centerness(d):\n    open({str(secret)!r}).read()\n    return mine(d)\n"
    sources = {"right": RIGHT, "reads": RIGHT.replace("def centerness", "def mine") + reads}
    prefix = Path(sys.base_prefix).resolve()
    closed = [one for one in (prefix, *prefix.parents) if one.stat().st_mode & 0o005 != 0o005]
    (folder / "place").mkdir()
    environment = {
        "PATH": os.environ["PATH"], "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(Path.cwd()),
        "OMP_NUM_THREADS": "1", "HIDDEN_HOME": str(closed[-1]) if closed else "", "PYTHON_FOLDER": str(prefix),
        "PLACE": str(folder / "place"),
    }  # fmt: skip
    code = ORDINARY.replace("SOURCES", repr(json.dumps(sources)))
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", AS_NOBODY, "bash", sys.executable, "-c", code],
        env=environment, cwd="/", capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    if "unshare failed" in done.stderr or "mount:" in done.stderr or "ermission denied" in done.stderr:
        pytest.skip(f"this machine does not let us: {done.stderr.strip().splitlines()[-1]}")
    found = json.loads(done.stdout)
    assert found["facts"]["uid"], "an ordinary user"
    assert found["points"]["right"] == QUESTION.points
    if found["facts"]["files"]:
        assert found["points"]["reads"] == 0
