"""Would the tests notice? The rooms of the paper with one operator, number or condition changed at a time.

    pip install cosmic-ray
    python scripts/measure_mutants.py losses targets --record fcos_edu/results/mutants.json

cosmic-ray changes a file, and the tests of that file must fail. It works in a copy of the repository. A mutant that
survives is printed: it wants a test, or is equivalent (nothing that is promised changes), or the line can go. It takes
hours, so it is run by hand, not by continuous integration.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fcos_edu.records import record
from scripts import ROOT

ROOMS = ("locations", "targets", "centerness", "losses", "network", "inference", "images")
ONLY = {"network": "class GroupNorm"}  # from this line on: the head; before it are parts that torchvision checks

# cosmic-ray puts every operator in the place of every other. Kept are those that somebody could have typed; ``|`` in an
# annotation and ``*`` in a signature are no operators.
TYPED = {
    "Add": "Sub Mul", "Sub": "Add Mul", "Mul": "Div Add", "Div": "Mul FloorDiv", "FloorDiv": "Div Mul",
    "Mod": "Mul FloorDiv", "Pow": "Mul", "BitAnd": "BitOr BitXor", "BitOr": "BitAnd", "BitXor": "BitOr",
    "LShift": "RShift", "RShift": "LShift", "Lt": "LtE GtE", "LtE": "Lt Gt", "Gt": "GtE LtE", "GtE": "Gt Lt",
    "Eq": "NotEq", "NotEq": "Eq", "Is": "IsNot", "IsNot": "Is", "In": "NotIn", "NotIn": "In",
}  # fmt: skip
OPERATOR = re.compile(r"core/Replace(?:Binary|Comparison)Operator_([A-Za-z]+)_([A-Za-z]+)$")
NO_OPERATOR = re.compile(r"(?:->|:)[^#]*\| *(?:None|str|Path|Tensor)|^\s*(?:def )?.*[(,] ?\*,")


def wanted(operator: str, line: str, first: bool = True) -> bool:
    """Whether a mutant is one that somebody could have typed.

    Args:
        operator: cosmic-ray's name of the change.
        line: of the source that is changed.
        first: of the two changes of a number, one up and one down, the second is left out.
    """
    if match := OPERATOR.match(operator):
        before, after = match.groups()
        return after in TYPED.get(before, after).split() and not NO_OPERATOR.search(line)
    return operator != "core/NumberReplacer" or first


def thin_out(database: Path, source: Sequence[str], start: int) -> int:
    """Take what is not wanted, and what stands before line ``start``, out of cosmic-ray's list; how many are left."""
    with sqlite3.connect(database) as session:
        rows = session.execute("select job_id, operator_name, occurrence, start_pos_row from mutation_specs").fetchall()
        for job, operator, occurrence, row in rows:
            if row < start or not wanted(operator, source[row - 1], occurrence % 2 == 0):
                session.execute("delete from mutation_specs where job_id = ?", (job,))
                session.execute("delete from work_items where job_id = ?", (job,))
        return int(session.execute("select count(*) from work_items").fetchone()[0])


def counts(database: Path) -> dict[str, int]:
    """How many mutants were tried, killed, and survived."""
    with sqlite3.connect(database) as session:
        found = [row[0] for row in session.execute("select test_outcome from work_results")]
    killed = sum("KILLED" in str(outcome) for outcome in found)
    return {"mutants": len(found), "killed": killed, "survived": len(found) - killed}


def survivors(database: Path) -> list[str]:
    """What was changed without a test noticing: the removed and the added line of each."""
    query = "select diff from work_results where test_outcome not like '%KILLED%'"
    with sqlite3.connect(database) as session:
        diffs = [str(row[0]) for row in session.execute(query)]
    changed = re.compile(r"^[-+](?![-+]).*$", re.MULTILINE)
    return ["\n".join(changed.findall(diff)) for diff in diffs]


def try_room(room: str, tree: Path, tests: str) -> Path:
    """All mutants of one module, tried in the copy ``tree``; returns cosmic-ray's database."""
    module, database, settings = f"fcos_edu/{room}.py", tree / f"{room}.sqlite", tree / f"{room}.toml"
    command = f"{sys.executable} -m pytest {tests} -x -q -m '' -p no:cacheprovider -p no:xdist"
    settings.write_text(
        f'[cosmic-ray]\nmodule-path = "{module}"\ntimeout = 300.0\nexcluded-modules = []\n'
        f'test-command = "{command}"\n[cosmic-ray.distributor]\nname = "local"\n'
    )
    run = [sys.executable, "-m", "cosmic_ray.cli"]
    subprocess.run([*run, "init", settings.name, database.name], check=True, cwd=tree)
    source = (tree / module).read_text("utf-8").splitlines()
    start = next((n for n, line in enumerate(source, 1) if line.startswith(ONLY.get(room, ""))), 1)
    print(f"{room}: {thin_out(database, source, start)} mutants", flush=True)
    subprocess.run([*run, "exec", settings.name, database.name], check=True, cwd=tree)
    return database


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Mutation testing of the paper's rooms.")
    parser.add_argument("rooms", nargs="*", default=list(ROOMS), metavar="ROOM", help=f"of {', '.join(ROOMS)}")
    parser.add_argument("--record", type=Path, metavar="JSON", help="write the counts as a result file")
    parser.add_argument(
        "--database", type=Path, nargs="+", help="count finished sessions, ROOM.sqlite, and try nothing"
    )
    arguments = parser.parse_args(argv)
    metrics: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        if not arguments.database:
            shutil.copytree(ROOT, tree, symlinks=True, ignore=shutil.ignore_patterns(".git", ".venv", "_build"))
        done = arguments.database or [try_room(room, tree, f"tests/test_{room}.py") for room in arguments.rooms]
        for database in done:
            room = database.stem.partition("-")[0]
            metrics[room] = {name: n + metrics.get(room, {}).get(name, 0) for name, n in counts(database).items()}
            print(f"{room}: {metrics[room]}", *survivors(database), sep="\n", flush=True)
    if arguments.record:
        record(
            arguments.record, what="Mutants of the paper's rooms, and how many the tests of each room notice",
            command=f"python scripts/measure_mutants.py {' '.join(metrics)}", metrics=metrics, data="the source",
        )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
