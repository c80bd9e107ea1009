"""book/reproduction.md: a short reproducibility report. Its words are written here, its figures come from records."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from fcos_edu.experiments.claims import NOT_RUN, TOO_FEW
from fcos_edu.experiments.statistics import CONTRADICTED, NOT_TOLD_APART, REPRODUCED
from fcos_edu.experiments.studies import STUDIES

from .claims import PLANNED
from .commands import study
from .rows import DATA, Row, duration, seeds_of
from .tables import sections
from .verdicts import Results

TEXT = """# Reproducing FCOS: what we found

<!-- Written by make ledger from fcos_edu/results/*.json. Do not edit this page: change scripts/ledger/report.py. -->

A short report in the usual form: what the paper claims, how we tried it, what came out, what was easy, what was hard,
and what the paper does not say. Every figure on this page is read from a record that comes with the package; the
[ledger](ledger.md) has each row with its interval, its power and its command.

**In short.** {short}

## The claims

Tian, Shen, Chen and He, *FCOS: Fully Convolutional One-Stage Object Detection* (ICCV 2019, arXiv 1904.01355v5), claim
that a detector without anchors is as good as one with them, and say what each of its parts is worth.

| claims | where | what they compare |
|---|---|---|
| Every box has a training sample | Table 1 | best possible recall of FCOS and of RetinaNet |
| The pyramid takes most of the ambiguity | Table 2 | locations that lie in several boxes |
| It beats RetinaNet, and improvements add up | Table 3 | eight changes, one after the other |
| Center-ness is worth a branch | Table 4, Fig. 7 | scores with and without it |
| It proposes boxes better than an RPN | Table 6 | average recall in Faster R-CNN |
| Its boxes fit better | Table 7, Figs 4 to 6 | class-agnostic AP up to an IoU of 0.9 |
| Each part gains something | Table 8 | anchors, P5, group norm, scalars, the IoU loss |

Table 5 compares large backbones on a server's test set. The package trains all six rows; none was run here.

## Design

The images of COCO were not available here, but the boxes of its 5,000 validation images were. So Tables 1 and 2 are
counted on the paper's own data, or nearly (the ledger says what *nearly* changes). What has to be trained is trained on
smaller data, where only *comparisons* can be tried: differences between two configurations that have the same backbone,
data, steps, batch, optimizer and seeds. Differences are paired by seed; their intervals (95 %, Student's t) are
corrected for the number of comparisons in a table (Holm); the words follow from the intervals. What a study can show
follows from the spread of one configuration over seeds, and was written into its record before its other rows were
trained.

The first studies, on BCCD and on shapes, were short and had no design. Where a claim has nothing better yet, they
stand; in their Table 6 torchvision's RPN had no group norm.

{designs}

## Results

{counted}

{results}

## What was easy

- **The method itself.** Equations 1 to 3, the rules of the assignment and the losses fit on a page each. Loops that
  read like the paper and the fast forms give the same targets, bit for bit.
- **An oracle.** torchvision has an FCOS of its own: with the same weights, detections and losses agree.
- **Counts.** Tables 1 and 2 need nothing but boxes and a few minutes, and no luck.

## What was hard

- **Seeds.** Most rungs of Tables 3 and 8 are a few tenths of a point; single runs scatter by more. A few seeds cannot
  show a difference of that size, and we say so rather than pick seeds.
- **The last pixel.** Our first counts of Table 1 were all too high. With boxes that end a pixel earlier, as in the
  code of that time, FCOS's rows come close to the paper's.
- **Fair opponents.** torchvision's RetinaNet and RPN are not the paper's: its RPN has no group norm, and learning
  rates were carried over, not tuned.
- **A study that can be cut off** at any moment and go on elsewhere: the record has to hold everything that
  decides a run.

## What the paper does not say

- How a box ends: at x + width, or a pixel before.
- Which loss the rows of Table 8 have before the IoU loss, and which NMS threshold. `smooth_l1` on the distances and 0.5
  are our readings.
- Whether *none* in Table 4 is a model without the branch, or one whose branch is not used. We measure both.
- How the first stages of Table 6 were trained: steps, samples, losses, and when recall was read.
- How large a part luck plays: no row has a second seed.
- Why the same configuration has two figures in Tables 3 and 8: they come from different states of the code.
- Which locations the count of ambiguous detections leaves out, and at which score.

## Cost, and how to repeat it

{cost}

Each file is made by one command. `make ledger` writes this page and the ledger again.
"""


def report(results: Results) -> str:
    """The page as it should be now."""
    parts = {part.title.partition(":")[0]: part.rows for part in sections(results)}
    claims = {
        title: [row for row in rows if row.data != "COCO" and row.word in (*_TRIED, TOO_FEW, NOT_RUN)]
        for title, rows in parts.items()
        if title not in ("Equations, drawings and rules", "Not in the paper")
    }
    return TEXT.format(
        short=_short([row for rows in claims.values() for row in rows]),
        designs=_designs(results),
        counted=_counted(parts),
        results="\n\n".join(filter(None, (_of_table(title, rows) for title, rows in claims.items()))),
        cost=_cost(results),
    )


_TRIED = (REPRODUCED, NOT_TOLD_APART, CONTRADICTED)


def _short(rows: list[Row]) -> str:
    words = Counter(row.word for row in rows)
    text = (
        f"The paper makes {len(rows)} comparisons that we try on data of our own. So far, reproduced: "
        f"{words[REPRODUCED]}; not told apart: {words[NOT_TOLD_APART]}; contradicted: {words[CONTRADICTED]}; open, "
        f"because they are not run yet or have too few seeds: {words[TOO_FEW] + words[NOT_RUN]}."
    )
    return text


def _designs(results: Results) -> str:
    return "\n\n".join(_design(results, data) for data in PLANNED)


def _design(results: Results, data: str) -> str:
    """What was decided before a look, or the command that would decide."""
    record = results.get(f"ladder_{data}", {})
    design = record.get("design")
    title = DATA.get(data, data)
    if not design:
        return f"**{title}**: not designed yet; the command is `{study('design', data, record or None)}`."
    (_, last), (_, before) = list(design["curve"].items())[-1], list(design["curve"].items())[-2]
    effect = design["smallest_effect"][str(design["seeds"])]
    rungs = ", ".join(f"{name} {powers[str(design['seeds'])]:.2f}" for name, powers in design["power"].items())
    return (
        f"**{title}**: {design['iterations']} steps, {design['seeds']} seeds of each row and at most "
        f"{design['seeds_at_most']}. The pilot ({len(design['pilot']['seeds'])} seeds) ends at "
        f"{100 * last['mean']:.1f} AP, and its last quarter gains {100 * design['gain']:.1f} "
        f"(from {100 * before['mean']:.1f}). Its ends scatter by {100 * design['sd']:.2f} AP. So a difference of "
        f"{100 * effect['alone']:.1f} AP would be found four times out of five if it stood alone, and one of "
        f"{100 * effect['first of the ladder']:.1f} as the first of a ladder. The power for the paper's own "
        f"differences: {rungs}." + (f" A note of the design: {design['note']}" if design.get("note") else "")
    )


def _counted(parts: Mapping[str, list[Row]]) -> str:
    """Tables 1 and 2: counted on the paper's own boxes."""
    lines = []
    for title in ("Table 1", "Table 2"):
        rows = [row for row in parts[title] if "val2017" in row.data]
        if rows:
            words = Counter(row.word for row in rows)
            lines.append(f"{title}: " + ", ".join(f"{count} {word}" for word, count in words.items()))
    told = "; ".join(lines) or "not run yet, command `fcos-edu tables recall --annotations FILE`"
    return f"**Counted** on the boxes of COCO val2017, the rows beside the paper's figures: {told}."


def _of_table(title: str, rows: list[Row]) -> str:
    """What became of the claims of a table, each with its difference."""
    if not rows:
        return ""
    text = [f"### {title}\n"]
    for word in (*_TRIED, TOO_FEW):
        found = [row for row in rows if row.word == word]
        for row in found:
            claim = re.sub(r"^Table \d+: ", "", row.item)
            text.append(f"- **{word}** on {row.data}: {claim}: {row.ours or '–'}; the paper {row.paper}.")
    missing = [row for row in rows if row.word == NOT_RUN]
    commands = dict.fromkeys(command for row in missing for command in row.commands)
    if missing:
        text.append(
            f"- **{NOT_RUN}**: {len(missing)} of {len(rows)}. " + " ".join(f"`{command}`" for command in commands)
        )
    return "\n".join(text)


def _cost(results: Results) -> str:
    """Every record that took processor time, its command, and hours of one core."""
    lines = ["| record | time of one core | command |\n|---|---|---|"]
    total = 0.0
    for name, record in sorted(results.items()):
        seconds = _cpu_seconds(record)
        if seconds is None or name == "notebooks":
            continue
        total += seconds
        lines.append(f"| {name} | {duration(seconds)} | `{record['command']}` |")
    missing = [
        f"`{study(name, data, results.get(f'ladder_{data}'))}`"
        for data, names in PLANNED.items()
        for name in names
        if not _has_runs(results, name, data)
    ]
    told = f"All records together took {duration(total)} of one core, as far as they record it.\n\n" + "\n".join(lines)
    if missing:
        told += "\n\nNot run yet, or not to the end:\n\n" + "\n".join(f"- {one}" for one in dict.fromkeys(missing))
    return told


def _has_runs(results: Results, name: str, data: str) -> bool:
    found = results.get(f"ladder_{data}", {}).get("comparisons", {}).get(name, [])
    return bool(found) and all(one["word"] not in (NOT_RUN, TOO_FEW) for one in found) and bool(STUDIES[name].claims)


def _cpu_seconds(record: Mapping[str, Any]) -> float | None:
    """Processor seconds of a record; a study's are means over its seeds."""
    if "cpu_hours" in record:
        return 3600 * float(record["cpu_hours"])
    value = record.get("metrics", {}).get("cpu_seconds")
    if isinstance(value, Mapping):
        known = [float(one) for one in value.values() if one is not None]
        return sum(known) * seeds_of(record["metrics"])
    return float(value) if isinstance(value, int | float) else None
