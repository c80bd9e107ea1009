"""Hand thousands of broken files to what reads files: nothing may come of them but results or named errors.

    python scripts/fuzz.py --inputs 10000 --record fcos_edu/results/fuzz.json
    python scripts/fuzz.py checkpoint --inputs 500

Each target of :data:`TARGETS` has files that are whole, and ways to break them; Hypothesis draws from both. An input
fails where another error than the target's own comes out, where a message has several lines, where it takes longer than
two seconds of a processor, or where it needs more memory than the target allows. The tests run a short form of it
(``tests/scripts/test_fuzz.py``). Linux only, as memory is read from ``/proc``.

A target for another reader is one more function in :data:`TARGETS`: it makes whole files, says how they are broken
(``broken`` for bytes, ``changed_json`` for what is JSON inside), how they are read, and which errors explain
themselves. Those of annotations and pictures are in ``fuzz_readers.py``.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import re
import shlex
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st
from tqdm import tqdm

from fcos_edu import FCOS, FCOSConfig
from fcos_edu.integrity import CheckpointError, sealed
from fcos_edu.records import record
from fcos_edu.training.runs import Run

if not __package__:  # run as a file: the folder of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.fuzz_inputs import MB, Broken, Target, as_text, broken, changed_json
from scripts.fuzz_labels import LABELS
from scripts.fuzz_readers import READERS

PATIENCE = 2.0  # seconds of a processor, so that a busy machine does not count


# ------------------------------------------------------------------ targets
def _small() -> tuple[dict[str, torch.Tensor], FCOSConfig]:
    config = FCOSConfig.tiny(
        num_classes=2,
        class_names=("a", "b"),
        fpn_channels=8,
        num_head_convs=1,
        levels=(2, 3),
        level_bounds=(0, 64, float("inf")),
    )
    torch.manual_seed(0)
    state = FCOS(config).state_dict()
    return {n: (v.half() if v.is_floating_point() else v).contiguous() for n, v in state.items()}, config


class Models:
    """Ways to break a checkpoint of a small model, which know its form."""

    def __init__(self) -> None:
        self.state, self.config = _small()
        config, about = json.dumps(self.config.to_dict()), json.dumps({"detector": "fcos"})
        self.metadata = {"format": "fcos-edu", "config": config, "about": about}
        self.whole = sealed(self.state, self.metadata)
        length = int.from_bytes(self.whole[:8], "little")
        self.header, self.data = json.loads(self.whole[8 : 8 + length]), self.whole[8 + length :]
        self.old = self.unsealed(copy.deepcopy(self.header))  # as files of before there were digests

    @staticmethod
    def unsealed(header: Any) -> Any:
        """A header without its digest, so that what is wrong elsewhere is come to."""
        with contextlib.suppress(AttributeError, TypeError, KeyError):
            header["__metadata__"].pop("sha256")
        return header

    def file(self, header: str, length: int | None = None, *, twice: bool = False) -> bytes:
        """The tensors behind another header; of any length, or with all that it says said again."""
        head = header.encode("utf-8", "surrogatepass")
        if twice and head[:1] == b"{" and len(head) > 2:
            head = head[:-1] + b"," + head[1:]
        return (len(head) if length is None else length).to_bytes(8, "little") + head + self.data

    def with_inner(self, key: str, text: str) -> bytes:
        """Another text in the metadata."""
        header = copy.deepcopy(self.old)
        header["__metadata__"][key] = text
        return self.file(as_text(header))

    def with_numbers(self, name: str, kind: torch.dtype, number: float, seal: bool) -> bytes:
        """A tensor of another type, of one number only; with a digest that is right, or none."""
        value = torch.full(self.state[name].shape, number, dtype=torch.float64)
        value = value.to(kind) if kind.is_floating_point else value.nan_to_num(0).clamp(-9, 9).to(kind)
        content = sealed({**self.state, name: value}, self.metadata)
        return content if seal else re.sub(rb'"sha256":"[0-9a-f]{64}"', b'"other":"%s"' % (b" " * 65), content, count=1)


NUMBERS = st.sampled_from([0.0, -1.0, 1e30, float("nan"), float("inf")])
TYPES = st.sampled_from([getattr(torch, n) for n in "float16 bfloat16 float32 float64 int64 int8 bool uint8".split()])


def checkpoint() -> Target:
    """Models: ``FCOS.load`` of a safetensors file."""
    made = Models()
    heads = changed_json(made.header).map(made.unsealed).map(as_text)
    configs, abouts = (changed_json(json.loads(made.metadata[key])).map(as_text) for key in ("config", "about"))
    keys, names = st.sampled_from(["config", "about", "format"]), st.sampled_from(sorted(made.state))
    inputs = st.one_of(
        broken(made.whole),
        broken(made.file(as_text(made.old))),
        st.builds(lambda text: Broken("changed header", made.file(text)), heads),
        st.builds(lambda text: Broken("header twice", made.file(text, twice=True)), heads),
        st.builds(lambda n: Broken("length that lies", made.file(as_text(made.header), n)), st.integers(0, 2**64 - 1)),
        st.builds(lambda text: Broken("changed configuration", made.with_inner("config", text)), configs),
        st.builds(lambda text: Broken("changed about", made.with_inner("about", text)), abouts),
        st.builds(lambda key, text: Broken("no JSON inside", made.with_inner(key, text)), keys, st.text(max_size=50)),
        st.builds(
            lambda *given: Broken("odd numbers", made.with_numbers(*given)), names, TYPES, NUMBERS, st.booleans()
        ),
    )
    return Target(inputs, FCOS.load, ".safetensors", (CheckpointError,), lambda size: 64 * MB + 20 * size)


def run_checkpoint() -> Target:
    """The state of a run: ``Run.newest`` of a folder with this one checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(folder)
        run.checkpoints.mkdir()
        run.save({"step": 7, "model": {"weight": torch.arange(300.0)}, "python": (3, (1, 2, 3), None)}, keep=1)
        whole = run.path(7).read_bytes()

    def read(path: Path) -> Any:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            run = Run(folder)
            run.checkpoints.mkdir()
            path.rename(run.path(7))
            state = run.newest()
            if state is None or state["step"] != 7 or not torch.equal(state["model"]["weight"], torch.arange(300.0)):
                raise AssertionError("a damaged checkpoint was taken")
            return state

    return Target(broken(whole), read, ".pt", (CheckpointError,), lambda size: 64 * MB + 20 * size)


TARGETS: dict[str, Callable[[], Target]] = {
    "checkpoint": checkpoint,
    "run checkpoint": run_checkpoint,
    **READERS,
    **LABELS,
}


# ------------------------------------------------------------------ the loop
@dataclass
class Findings:
    """What came of the inputs of one target."""

    inputs: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    most_memory: float = 0.0  # MB
    failures: list[str] = field(default_factory=list)

    def metrics(self) -> dict[str, Any]:
        """For the record."""
        return {
            "inputs": self.inputs,
            "kinds": dict(sorted(self.kinds.items())),
            "outcomes": dict(sorted(self.outcomes.items())),
            "slowest input, s of a processor": round(self.slowest, 3),
            "most memory of an input, MB": round(self.most_memory, 1),
            "failures": len(self.failures),
        }


def memory() -> tuple[int, int]:
    """Bytes that this process holds now, and the most since :func:`forget_peak`."""
    told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(told["VmRSS"].split()[0]) * 1024, int(told["VmHWM"].split()[0]) * 1024


def forget_peak() -> None:
    """Let the peak of :func:`memory` begin anew."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def judge(target: Target, given: Broken, folder: Path, findings: Findings, *, measured: bool = True) -> str | None:
    """Read one input; what is wrong with what came of it, or None.

    Args:
        measured: count time and memory too.
    """
    path = folder / f"input{target.suffix}"
    path.write_bytes(given.content)
    forget_peak()
    before, began, wrong = memory()[0], time.process_time(), None
    try:
        target.read(path)
        outcome = "read"
    except target.named as error:
        outcome = type(error).__name__
        if "\n" in str(error) or not str(error):
            wrong = f"a message that is not one line: {error!r}"
    except Exception as error:
        outcome = f"unnamed: {type(error).__name__}"
        wrong = f"{type(error).__name__}: {error}"
    seconds, used = time.process_time() - began, memory()[1] - before
    findings.inputs += 1
    findings.kinds[given.kind] += 1
    findings.outcomes[outcome] += 1
    findings.slowest = max(findings.slowest, seconds)
    findings.most_memory = max(findings.most_memory, used / 1e6)
    if measured and wrong is None and seconds > PATIENCE:
        wrong = f"{seconds:.1f} seconds"
    if measured and wrong is None and used > target.memory(len(given.content)):
        wrong = f"{used / 1e6:.0f} MB for a file of {len(given.content)} bytes"
    if wrong is not None:
        wrong = f"{given.kind}: {wrong}"
        findings.failures.append(wrong)
    path.unlink(missing_ok=True)
    return wrong


def explore(target: Target, count: int, seed: int, *, keep: Path | None = None, progress: bool = False) -> Findings:
    """Read ``count`` inputs; those that fail are written to the folder ``keep``."""
    findings = Findings()
    with (
        tempfile.TemporaryDirectory() as scratch,
        tqdm(total=count, disable=not progress, mininterval=10) as bar,
    ):
        warm = Broken("warm", b"")  # what is imported at the first reading is none of the input's
        with contextlib.suppress(Exception):
            judge(target, warm, Path(scratch), Findings())

        @with_seed(seed)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(target.inputs)
        def each(given: Broken) -> None:
            wrong = judge(target, given, Path(scratch), findings)
            if wrong is not None and keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{len(findings.failures):04d}{target.suffix}").write_bytes(given.content)
            bar.update()

        each()
    return findings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)} (default: all)")
    parser.add_argument("--inputs", type=int, default=10_000, help="of each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write the inputs that fail here")
    parser.add_argument("--record", type=Path, metavar="JSON")
    arguments = parser.parse_args()
    metrics, failures = {}, []
    for name in arguments.targets or TARGETS:
        if name not in TARGETS:
            parser.error(f"there is no target {name!r}; there are: {', '.join(TARGETS)}")
        began = time.perf_counter()
        keep = arguments.keep / name.replace(" ", "_") if arguments.keep else None
        found = explore(TARGETS[name](), arguments.inputs, arguments.seed, keep=keep, progress=True)
        metrics[name] = found.metrics() | {"seconds": round(time.perf_counter() - began)}
        print(name, json.dumps(metrics[name], indent=1))
        failures += [f"{name}: {failure}" for failure in found.failures]
        if not found.outcomes["read"]:  # whole files are among the inputs: the reader itself is broken
            failures.append(f"{name}: not one input was read")
    for failure in failures[:20]:
        print(failure)
    if arguments.record:
        record(
            arguments.record,
            what="Broken files handed to what reads files: results or named errors, seconds, memory",
            command=shlex.join(["python", "scripts/fuzz.py", *arguments.targets])
            + f" --inputs {arguments.inputs} --seed {arguments.seed}",
            metrics=metrics,
            data="whole files of a few kilobytes to a hundred, broken by Hypothesis",
        )
    if failures:
        raise SystemExit(f"{len(failures)} inputs failed")


if __name__ == "__main__":
    main()
