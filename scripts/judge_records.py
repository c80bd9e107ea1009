"""Write into the tables of earlier studies what follows from them: the paper's claims, judged from pairs of seeds.

    python -m scripts.judge_records            write
    python -m scripts.judge_records --check    change nothing, fail if a record is behind

Studies write their comparisons themselves since they live in their records (``ladder_*.json``). The first, short ones
did not; this adds the entry ``comparisons`` to their files, so that chapters need no scipy to read an interval.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from fcos_edu.atomic import write_json
from fcos_edu.experiments.claims import judged_table
from fcos_edu.experiments.studies import STUDIES
from scripts import RESULTS, ROOT


def judged_record(name: str, record: dict[str, Any]) -> dict[str, Any]:
    """A study's record with the comparisons of its table behind its metrics."""
    made: dict[str, Any] = {}
    for key, value in record.items():
        if key != "comparisons":
            made[key] = value
        if key == "metrics":
            made["comparisons"] = {name: judged_table(name, value)}
    return made


def behind(root: Path) -> dict[Path, dict[str, Any]]:
    """The records of earlier studies that do not hold what follows from them, as they should be."""
    found = {}
    for name in STUDIES:
        for path in sorted((root / RESULTS).glob(f"{name}_*.json")):
            record = json.loads(path.read_text("utf-8"))
            if "runs" in record:  # a study that lives in its record
                continue
            made = judged_record(name, record)
            if made != record:
                found[path] = made
    return found


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the comparisons of earlier studies into their records.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a record is behind")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    found = behind(arguments.root)
    for path, made in found.items():
        if not arguments.check:
            write_json(path, made)
        print(
            f"{path.name}: {'behind' if arguments.check else 'written'}", file=sys.stderr if arguments.check else None
        )
    return 1 if found and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
