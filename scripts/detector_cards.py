"""The tables of book/detectors.md: the packaged detectors, and the comparison with YOLO, from their records.

scripts/make_pages.py writes them into the page. Needs nothing beyond the standard library.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scripts import RESULTS

DETECTORS = ("people", "bccd", "shapes")  # the names of the checkpoints, in the page's order
FIGURES = {"AP": "AP", "AP50": "AP50", "APS": "small", "APM": "medium", "APL": "large"}


def figures(root: Path) -> str:
    """The packaged detectors with what was measured of them, in percent.

    Raises:
        ValueError: a checkpoint that DETECTORS does not have.
    """
    files = {path.stem for path in (root / "fcos_edu" / "checkpoints").glob("*.safetensors")}
    if unknown := sorted(files - set(DETECTORS)):
        raise ValueError(f"checkpoints/{unknown[0]}.safetensors has no line in DETECTORS of scripts/detector_cards.py")
    rows = [f"| Detector | {' | '.join(FIGURES.values())} | Measured on |", f"|---|{'--:|' * len(FIGURES)}---|"]
    for name in DETECTORS:
        record = root / RESULTS / f"train_{name}.json"
        if record.is_file():
            measured = json.loads(record.read_text("utf-8"))["metrics"]
            shares = " | ".join(f"{100 * measured[figure]:.1f}" for figure in FIGURES)
            rows.append(f"| `{name}` | {shares} | {measured['images']} images of its {measured['split']} split |")
    return "\n" + "\n".join(rows) + "\n\n"


def beside_yolo(root: Path) -> str:
    """Our recipe, and each setting of the peer on the same data, best first; in percent. Empty without a record."""
    record = root / RESULTS / "yolo_bccd.json"
    if not record.is_file():
        return "\n"
    known = json.loads(record.read_text("utf-8"))
    trained: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in known["runs"]:
        trained.setdefault((run["side"], run["settings"]), []).append(run)

    def mean(runs: list[dict[str, Any]], name: str) -> float:
        return sum(run[name] for run in runs) / len(runs)

    rows = ["| Trained | Seeds | AP | AP50 | AP75 | Seconds |", "|---|--:|--:|--:|--:|--:|"]
    for (side, settings), runs in sorted(trained.items(), key=lambda row: (-len(row[1]), -mean(row[1], "AP"))):
        words = {"model": "yolo26n.yaml"} | known["settings"].get(settings, {})
        name = " ".join(f"`{word}={value}`" for word, value in words.items())
        name = "FCOS, recipe `bccd`" if side == "ours" else f"YOLO, {name}"
        figures = " | ".join(f"{100 * mean(runs, figure):.1f}" for figure in ("AP", "AP50", "AP75"))
        rows.append(f"| {name} | {len(runs)} | {figures} | {mean(runs, 'cpu_seconds'):.0f} |")
    return "\n" + "\n".join(rows) + "\n\n"
