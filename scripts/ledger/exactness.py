"""What our file of COCO's boxes, which is not the official one, does to Tables 1 and 2.

Two thirds of its boxes are cut to whole pixels, and most crowds are not marked. Its exact boxes are counted four times:
as they are, cut as the others were, up to their last pixel, and both. So the effect of the cut stands apart from that
of the pixel. Crowds are counted by leaving the marked ones in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fcos_edu import paper

from .rows import origin
from .verdicts import Results, measured

WAYS = {
    "_exact": "as they are",
    "_exact_cut": "cut",
    "_exact_last_pixel": "last pixel",
    "_exact_cut_last_pixel": "both",
}
RECALL = {name: (row.label, (name,)) for name, row in paper.TABLE_1.items()}
CROWDS = 446  # boxes of COCO val2017 that the official file marks as crowds, about: the file's own description
AMBIGUITY = {
    f"{name} {column}": (f"{row.label}, {word}", (name, column))
    for name, row in paper.TABLE_2.items()
    for column, word in {"all": "all", "different_classes": "different classes"}.items()
}


def of_recall(results: Results) -> str:
    """What the cut and the last pixel do to Table 1."""
    return _told(results, "recall", RECALL)


def of_ambiguity(results: Results) -> str:
    """What the cut, the last pixel and crowds do to Table 2."""
    return "\n\n".join(filter(None, (_told(results, "ambiguity", AMBIGUITY), _crowds(results))))


def commands(results: Results, name: str) -> tuple[str, ...]:
    """What was run, as far as it was."""
    files = [f"{name}_coco{way}" for way in (*WAYS, "_crowds")]
    return tuple(origin(results, file)["commands"][0] for file in files if file in results)


def _told(results: Results, name: str, rows: Mapping[str, tuple[str, tuple[str, ...]]]) -> str:
    files = [f"{name}_coco{way}" for way in WAYS]
    if any(file not in results for file in files):
        return ""
    table = {label: [100 * measured(results, file, *keys).mean for file in files] for label, keys in rows.values()}
    cut = max(abs(after - before) for values in table.values() for before, after in _pairs(values, (0, 1), (2, 3)))
    pixel = [after - before for values in table.values() for before, after in _pairs(values, (0, 2), (1, 3))]
    lines = [f"| exact boxes, % | {' | '.join(WAYS.values())} |\n|---|{'---|' * len(WAYS)}"]
    lines += [f"| {label} | {' | '.join(f'{value:.2f}' for value in values)} |" for label, values in table.items()]
    boxes = results[files[0]]["metrics"]["boxes"]
    return (
        f"**What the file does.** Of its boxes {boxes:,} are exact, mostly those of persons. Counted alone, the other "
        "boxes left out, they are no table of the paper's, but they can be cut to whole pixels as the others were:\n\n"
        + "\n".join(lines)
        + f"\n\nThe cut moves no figure by more than {cut:.2f} points. The last pixel moves them by {min(pixel):+.2f} "
        f"to {max(pixel):+.2f}, on exact boxes and on cut ones alike: what it explains, it does not owe to the file."
    )


def _pairs(values: Sequence[float], *places: tuple[int, int]) -> list[tuple[float, float]]:
    return [(values[before], values[after]) for before, after in places]


def _crowds(results: Results) -> str:
    """What leaving the marked crowds in does, and what the unmarked ones may do."""
    with_crowds, without = "ambiguity_coco_crowds", "ambiguity_coco"
    if with_crowds not in results or without not in results:
        return ""
    marked = results[with_crowds]["metrics"]["boxes"] - results[without]["metrics"]["boxes"]
    moved = [
        100 * (measured(results, with_crowds, *keys).mean - measured(results, without, *keys).mean)
        for _, keys in AMBIGUITY.values()
    ]
    above = [
        100 * measured(results, without, *keys).mean - paper.TABLE_2[keys[0]][keys[1]].percent
        for _, keys in AMBIGUITY.values()
    ]
    more = (CROWDS - marked) / marked  # unmarked ones for each that is marked
    told = "; ".join(
        f"{label}: {by:+.3f}, and {by * more:+.2f} of the {gap:+.2f} that we are from the paper"
        for (label, _), by, gap in zip(AMBIGUITY.values(), moved, above)
    )
    return (
        f"Crowds: of about {CROWDS} the file marks {marked}. Counting these {marked} as ordinary boxes moves the "
        "figures a little; if the unmarked ones do as much each, they explain a part of what is left, in points "
        f"({told})."
    )
