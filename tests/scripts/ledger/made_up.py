"""Made-up results, and the rows that follow from them."""

from __future__ import annotations

from typing import Any

from scripts.ledger.tables import sections


def result(metrics: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A result file's contents."""
    return {"command": "fcos-edu made up", "metrics": metrics, "data": "shapes", "hardware": "two cores"} | more


def spread(mean: float, std: float | None, runs: int = 3) -> dict[str, Any]:
    """A figure of a study."""
    return {"mean": mean, "std": std, "values": [mean] * runs}


def rows(results: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """All rows of the page by item and data."""
    return {(row.item, row.data): row for part in sections(results) for row in part.rows}
