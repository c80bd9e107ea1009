"""What the file of boxes does: told once all four counts are there, with figures that follow from them."""

from __future__ import annotations

from typing import Any

from fcos_edu import paper
from scripts.ledger.exactness import WAYS, of_ambiguity, of_recall
from scripts.ledger.page import page
from scripts.ledger.tables import sections

from .made_up import result


def recall(shift: dict[str, float]) -> dict[str, Any]:
    return {
        f"recall_coco{way}": result(dict.fromkeys(paper.TABLE_1, 0.9 + by / 100) | {"boxes": 12377})
        for way, by in shift.items()
    }


def ambiguity(by: float, boxes: int) -> dict[str, Any]:
    metrics: dict[str, Any] = {
        row: {key: figure.share + by / 100 for key, figure in figures.items()} for row, figures in paper.TABLE_2.items()
    }
    return result(metrics | {"boxes": boxes})


def test_the_largest_effects_are_told() -> None:
    text = of_recall(
        recall({"_exact": 0, "_exact_cut": -0.03, "_exact_last_pixel": -1.0, "_exact_cut_last_pixel": -1.1})
    )
    assert "12,377 are exact" in text and "by more than 0.10 points" in text and "by -1.07 to -1.00," in text
    assert "| FCOS, P3 to P7 | 90.00 | 89.97 | 89.00 | 88.90 |" in text


def test_nothing_is_told_before_all_is_counted() -> None:
    three = recall(dict.fromkeys(list(WAYS)[:3], 0.0))
    assert of_recall(three) == of_recall({}) == of_ambiguity({}) == ""
    assert not [part for part in sections({}) if part.more or part.commands]


def test_crowds_that_are_marked_are_counted_in() -> None:
    text = of_ambiguity({"ambiguity_coco": ambiguity(0.5, 100), "ambiguity_coco_crowds": ambiguity(0.52, 123)})
    assert "of about 446 the file marks 23." in text, "423 others"
    assert "P3 to P7, all: +0.020, and +0.37 of the +0.50 that we are from the paper" in text


def test_it_stands_below_the_rows_with_its_commands() -> None:
    made = recall(dict.fromkeys(WAYS, 0.0))
    for way, record in zip(WAYS, made.values()):
        record["command"] = f"fcos-edu tables recall --annotations a{way}.json"
    text = page(sections(made), {})
    assert text.index("**On COCO**") < text.index("**What the file does.**") < text.index("a_exact_cut.json")
