"""book/reproduction.md: a short reproducibility report. Its words are written here, its figures come from records."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fcos_edu.experiments.claims import NOT_RUN, TOO_FEW
from fcos_edu.experiments.logbook import FLAT
from fcos_edu.experiments.statistics import (
    ALPHA,
    CONTRADICTED,
    NOT_TOLD_APART,
    POWER,
    REPRODUCED,
    TOLD_APART,
    paired,
    power,
)
from fcos_edu.experiments.studies import STUDIES
from fcos_edu.text import counted

from .claims import PLANNED, WHY, difference, family_of, in_words, remaining
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
| Nearly every box has a training sample | Table 1 | best possible recall of FCOS and of RetinaNet |
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
data, steps, batch, optimizer and seeds. All have a small backbone from random weights, small images and a short
schedule, as each command says; the record names machine and commit of every run, and the two sides of a pair may
differ in both. What a study can show follows from the spread of one configuration over seeds, and was written into its
record before its other rows were trained.

**The words.** Differences are paired by seed; intervals are Student's, at 95 %, and corrected together for each table
and data set (Holm). The whole ladder of Table 3 and Fig. 7 stand alone, and where the rows of a table come from two
studies, nothing corrects for both together.

- *Reproduced*: the interval excludes 0, on the paper's side of it. That is about the sign, not about the size.
- *Contradicted*: the interval excludes 0, on the opposite side from the paper's, or the paper's two figures are equal.
- *Not told apart*: the interval contains 0. That is no proof that the two are equal.
- *Told apart*: the interval excludes 0, of a question that the paper does not ask.
- **†**: the interval excludes the paper's own difference. So it does in {away}.

An interval covers the luck of the seeds alone. All runs of a data set are measured on the same test images: others
would move every figure once more.

{designs}

The powers of a design are those of a comparison alone, by the pilot's spread. The ledger's differ in two ways: they
are after correction, for the level at which the first finding of a table is tested, and they use the spread of the
row's own pairs; it also says why some claims [have none](ledger.md). Of four values, the true spread may be little
more than half the estimate, or nearly four times as large: read every power, and every smallest difference, as a rough
guide.{seeds}

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
- **Fair opponents.** torchvision's RetinaNet and RPN are not the paper's. We gave its RPN the group norm that it
  lacks; learning rates were carried over, not tuned.
- **Means.** Table 6 came out the other way round, and its averages did not say why. Recall by IoU and by kind of cell,
  and the number of boxes that NMS leaves, showed where to look.
- **A study that can be cut off** at any moment and go on elsewhere: the record has to hold everything that
  decides a run.

## What the paper does not say

- How a box ends: at x + width, or a pixel before.
- Which loss the rows of Table 8 have before the IoU loss, and which NMS threshold. `smooth_l1` on the distances and 0.5
  are our readings.
- Whether *none* in Table 4 is a model without the branch, or one whose branch is not used. We measure both.
- How the first stages of Table 6 were built and trained: levels, anchors, samples, steps, and when recall was read. And
  whether NMS served each level of its own, or all at once. Levels, samples and NMS move our figures.
- How large a part luck plays: no row has a second seed.
- What changed in the code between Tables 3 and 8, where one configuration has two figures.
- Which locations the count of ambiguous detections leaves out, and at which score.

## Cost, and how to repeat it

{cost}

Each file is made by one command. `make ledger` writes this page and the ledger again.
"""


def report(results: Results) -> str:
    """The page as it should be now."""
    parts = {part.title.partition(":")[0]: part for part in sections(results)}
    tried = {
        title: [row for row in part.rows if row.data != "COCO" and row.word in (*_TRIED, TOO_FEW, NOT_RUN)]
        for title, part in parts.items()
        if title not in ("Equations, drawings and rules", "Not in the paper")
    }
    claims = {title: rows for title, rows in tried.items() if not parts[title].ours}
    return TEXT.format(
        short=_short([row for rows in claims.values() for row in rows]),
        away=_away([row for rows in claims.values() for row in rows]),
        designs=_designs(results),
        seeds="".join(_number_of_seeds(results, data) for data in PLANNED),
        counted=_counted({title: part.rows for title, part in parts.items()}),
        results="\n\n".join(
            filter(None, [*(_of_table(title, rows) for title, rows in tried.items()), _contradictions(results)])
        ),
        cost=_cost(results),
    )


_TRIED = (REPRODUCED, NOT_TOLD_APART, CONTRADICTED, TOLD_APART)


def _short(rows: list[Row]) -> str:
    """How many claims of the paper are tried, on how many kinds of data, and what became of the rows."""
    rows = [row for row in rows if row.claim]  # not the counts of Tables 1 and 2
    words = Counter(row.word for row in rows)
    claims, kinds = {row.claim for row in rows}, list(dict.fromkeys(row.data.partition(" (")[0] for row in rows))
    return (
        f"The paper makes {len(claims)} comparisons that we try on data of our own. Tried on {_listed(kinds)}, "
        f"and read in two ways where the paper leaves two, they make {len(rows)} rows. So far, reproduced: "
        f"{words[REPRODUCED]}; not told apart: {words[NOT_TOLD_APART]}; contradicted: {words[CONTRADICTED]}; open, "
        f"because they are not run yet or have too few seeds: {words[TOO_FEW] + words[NOT_RUN]}."
    )


def _away(rows: list[Row]) -> str:
    """How many of the rows, by their words, have an interval that excludes the paper's difference."""
    return _listed(
        [
            f"{sum(row.away for row in found)} of {len(found)} rows *{word}*"
            for word in (REPRODUCED, NOT_TOLD_APART, CONTRADICTED)
            if (found := [row for row in rows if row.word == word and row.paper[:1] in "+-"])
        ]
    )


def _listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


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
        f"differences, each alone: {rungs}."
        + _still_learning(record)
        + (f" A note of the design: {design['note']}" if design.get("note") else "")
    )


def _still_learning(record: Mapping[str, Any]) -> str:
    """The rule for enough steps was asked of the pilot; what it would have said of the other variants of one stage."""
    gains: dict[str, list[float]] = {}
    for run in record.get("runs", {}).values():
        aps = list((run.get("curve") or {}).values())
        if len(aps) > 1 and None not in aps[-2:] and not run["variant"].startswith("rcnn"):
            gains.setdefault(run["variant"], []).append(aps[-1] - aps[-2])
    means = {variant: sum(each) / len(each) for variant, each in gains.items()}
    late = sorted((variant for variant in means if means[variant] >= FLAT), key=means.__getitem__, reverse=True)
    if not late:
        return ""
    most = ", ".join(f"{variant} {100 * means[variant]:.1f}" for variant in late[:4])
    return (
        f" The rule for enough steps, less than {100 * FLAT:.0f} point in the last quarter, was asked of the pilot. "
        f"Of the {len(means)} configurations with one stage, {len(late)} would not have met it; the largest gains, "
        f"as means over seeds in points: {most}. And the learning rate ends at 0, which flattens any curve."
    )


def _number_of_seeds(results: Results, data: str) -> str:
    """Why rows have no more seeds than they have: the design's rule, and what it says of each claim of AP."""
    record = results.get(f"ladder_{data}", {})
    design = record.get("design")
    if not design:
        return ""
    few, most, sd = design["seeds"], design["seeds_at_most"], design["sd_of_a_difference"]
    decided, waiting = 0, 0
    beyond: list[float] = []  # powers with the most seeds
    open_ones: list[tuple[str, str]] = []  # study, what it compares
    for name in PLANNED[data]:
        for claim, one in _compared(record, name):
            gap = STUDIES[name].paper_difference(claim)
            if claim.figure != "AP" or not gap:
                continue
            with_few, with_most = (power(gap, sd, n, ALPHA / family_of(name, claim)) for n in (few, most))
            said = in_words(name, claim)
            if one["word"] in _TRIED and one["word"] != NOT_TOLD_APART:
                decided += 1
            elif with_most < POWER:
                beyond.append(with_most)
            elif one["n"] < few:
                waiting += 1
            else:
                has = f"{with_few:.2f} with {few}, {with_most:.2f} with {most}, has {one['n']}"
                open_ones.append((name, f"*{said}* ({has})"))
    largest = max((one["n"] for name in PLANNED[data] for _, one in _compared(record, name)), default=0)
    text = (
        f"\n\n**Why {f'no row has more than {few} seeds' if largest <= few else 'some rows have more seeds'}, on "
        f"{DATA.get(data, data)}.** The rule: {few} for each row, and up to {most} only where the power says that more "
        f"can decide, so where {most} would find the paper's difference four times out of five, after correction. Of "
        f"the {decided + waiting + len(beyond) + len(open_ones)} claims on AP for which the paper prints a difference, "
        f"{decided} {'is' if decided == 1 else 'are'} decided already"
    )
    if waiting:
        text += f"; {waiting} more can be, once all {few} are run"
    if beyond:
        text += (
            f"; for {len(beyond)} the power is {max(beyond):.2f} at most even with {most}, by the design's spread, so "
            "none are spent there"
        )
    if not open_ones:
        return f"{text}. There is none left for which more would help."
    names = " ".join(dict.fromkeys(name for name, _ in open_ones))
    more = f"{study(names, data, record)} --seeds {' '.join(map(str, range(most)))}"
    return (
        f"{text}. Left are those for which more would help, with the power of the design: "
        f"{'; '.join(told for _, told in open_ones)}. That is a second look, which doubles the risk of finding what is "
        f"not there: it is to be tested at half the level, and both looks told. Command: `{more}`."
    )


def _compared(record: Mapping[str, Any], name: str) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """The claims of a study with what a record says of each."""
    return zip(STUDIES[name].claims, record.get("comparisons", {}).get(name, ()))


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
            printed = f"; the paper {row.paper}{' †' if row.away else ''}" if row.paper else ""
            text.append(f"- **{word}** on {row.data}: {claim}: {row.ours or '–'}{printed}.")
    missing = [row for row in rows if row.word == NOT_RUN]
    commands = dict.fromkeys(command for row in missing for command in row.commands)
    if missing:
        text.append(
            f"- **{NOT_RUN}**: {len(missing)} of {len(rows)}. " + " ".join(f"`{command}`" for command in commands)
        )
    return "\n".join(text)


# Claims of FCOS without group norm against RetinaNet, which has none in those tables either.
_WITHOUT_NORM = {("ladder", "C5", "RetinaNet"): "Table 3", ("parts", "C5", "RetinaNet, 9 anchors"): "Table 8"}


def _contradictions(results: Results) -> str:
    """What stands against the paper, and what the records know of it. Empty as soon as no word says so."""
    text = []
    for data in PLANNED:
        record = results.get(f"ladder_{data}", {})
        text += _without_norm(record, DATA.get(data, data)) + _first_stages(record, DATA.get(data, data))
    return "\n".join(["### Contradictions that stand\n", *text]) if text else ""


def _without_norm(record: Mapping[str, Any], data: str) -> list[str]:
    """FCOS without group norm against RetinaNet: what the comparisons of the same record say beside it."""
    found = {
        (name, claim.first, claim.second): one
        for name in STUDIES
        for claim, one in _compared(record, name)
        if claim.figure == "AP" and one["difference"] is not None
    }
    against = {key: found[key] for key in _WITHOUT_NORM if key in found and found[key]["word"] == CONTRADICTED}
    if not against:
        return []

    def told(key: tuple[str, str, str]) -> str:
        one = found[key]
        open_yet = f", {one['word']}" if one["word"] in (NOT_TOLD_APART, TOLD_APART) else ""
        return f"{difference(one)} ({counted(one['n'], 'pairs')}{open_yet})"

    tables = " and ".join(f"{_WITHOUT_NORM[key]}: {told(key)}" for key in against)
    text = [
        f"- **FCOS against RetinaNet, neither with group norm**, on {data}. {tables}, in AP. These are not two "
        "findings: both tables have the same runs of RetinaNet. What the record knows:"
    ]
    if gaps := _gaps(record, "fcos-c5", "retinanet-c5"):
        when = ", ".join(f"{100 * gap:+.1f} after {step}" for step, gap in gaps.items())
        text.append(f"  - On the way, by Table 3's two configurations, means over seeds: {when} steps.")
    known = {
        "Group norm in FCOS's heads, by Table 3": ("ladder", "GN", "NMS"),
        "Group norm in FCOS's heads, by Table 8": ("parts", "GN", "P5"),
        "FCOS against RetinaNet, group norm in both (Table 7, whatever the class)": ("retinanet", "FCOS", "RetinaNet"),
        "Group norm in RetinaNet (the same)": ("retinanet", "RetinaNet", "RetinaNet without GN"),
        "The whole ladder against RetinaNet": ("ladder", "normalization", "RetinaNet"),
    }
    text += [
        f"  - {said}: {told(key)}." for said, key in known.items() if key in found and found[key]["word"] in _TRIED
    ]
    rows = record.get("metrics", {}).get("retinanet", {})
    aps = [rows.get(row, {}).get("AP with classes", {}).get("values") for row in ("FCOS", "RetinaNet")]
    if all(aps) and len(aps[0]) == len(aps[1]) > 1:
        pair = paired(*aps)
        low, high = pair.interval(ALPHA) or (math.nan, math.nan)
        text.append(
            f"  - The same runs with classes: {100 * pair.mean:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}], alone. So "
            "the lead of Table 7 is one of boxes whose class nobody asks."
        )
    text.append(
        "  - **The cause is not tested.** All rows share one learning rate, warm-up and number of steps, on small "
        "images of one kind and with a small network. Nobody has tried whether heads without group norm need other "
        "settings, or more steps."
    )
    return text


def _first_stages(record: Mapping[str, Any], data: str) -> list[str]:
    """FCOS against an RPN: what the experiments of the same record say of the cause."""
    against = [
        one
        for claim, one in _compared(record, "proposals")
        if (claim.first, claim.second) == ("FCOS", "RPN") and one["word"] == CONTRADICTED
    ]
    if not against:
        return []
    sides = "; ".join(f"{one['figure']} {difference(one)} ({counted(one['n'], 'pairs')})" for one in against)
    text = [
        f"- **FCOS against an RPN on P2 to P6**, on {data}. Table 6: {sides}.{_flat(record)} What the record knows:"
    ]
    tried = [(name, claim, one) for name in WHY for claim, one in _compared(record, name) if one["word"] in _TRIED]
    for name, claim, one in tried:
        text.append(f"  - {in_words(name, claim)}, {claim.figure}: {difference(one)} ({one['word']}).")
    return text + _by_nms(record) + _by_levels(record)


_NMS_SETTINGS = {
    "as they are": ("FCOS", "RPN"),
    "both with an NMS for each level": ("FCOS, NMS in each level", "RPN"),
    "the same at 0.9": ("FCOS, NMS in each level at 0.9", "RPN, NMS at 0.9"),
}


def _by_nms(record: Mapping[str, Any]) -> list[str]:
    """What NMS leaves, and where the gap between FCOS and an RPN lies; nothing without that measurement."""
    rows = record.get("metrics", {}).get("proposal-nms", {})
    if not rows:
        return []
    tries = "; ".join(f"{row}: {rows[row]['tries']['mean']:.1f}" for row in STUDIES["proposal-nms"].rows)
    prefix, pairs = "AR1000 of ", list(_NMS_SETTINGS.values())
    gaps = {
        figure.removeprefix(prefix): [rows[one][figure]["mean"] - rows[other][figure]["mean"] for one, other in pairs]
        for figure in rows["RPN"]
        if figure.startswith(prefix)
    }
    told = "; ".join(f"{name} {', '.join(f'{100 * gap:+.1f}' for gap in each)}" for name, each in gaps.items())
    text = [
        f"  - Proposals with an IoU of 0.5 or more that NMS leaves of each object, as means: {tries}.",
        f"  - {prefix.strip()} each class, FCOS minus RPN, {', '.join(_NMS_SETTINGS)}: {told}.",
    ]
    moves = [
        one["word"] == TOLD_APART and one["difference"] > 0
        for claim, one in _compared(record, "proposal-nms")
        if claim.figure == "AR1000" and (claim.against or claim.second == "FCOS")
    ]
    worst = min(gaps, key=lambda name: max(gaps[name]))
    if all(moves) and max(gaps[worst]) < 0:
        text.append(
            "  - **What that says.** Two things go with the gap. One is a setting, which the paper does not give: both "
            "changes of NMS move AR1000 towards FCOS. That all locations of an object propose nearly one box, of which "
            f"NMS keeps few, would explain it, and is not tested. The other is a kind of object: {worst}, on which "
            "FCOS is behind whichever the NMS. Both guesses came from a look at these runs, which are no independent "
            "test of them."
        )
    return text


def _by_levels(record: Mapping[str, Any]) -> list[str]:
    """That the order of two first stages hangs on their levels; nothing as long as the intervals do not say so."""
    coarse, fine = ("FCOS, P3 to P7", "RPN, P3 to P7"), ("FCOS", "RPN")
    compared = list(_compared(record, "rpn-levels"))
    ahead, lost, kept = (
        [one for claim, one in compared if (claim.first, claim.second) == pair]
        for pair in (coarse, (coarse[1], fine[1]), (coarse[0], fine[0]))
    )
    if not ahead or not all(one["word"] == TOLD_APART for one in ahead + lost):
        return []
    if min(one["difference"] for one in ahead) < 0 or max(one["difference"] for one in lost) > 0:
        return []
    rows = record["metrics"]["rpn-levels"]

    def gap(figure: str) -> str:
        """FCOS minus RPN on the fine and on the coarse levels."""
        pairs = [[rows[row][figure]["mean"] for row in pair] for pair in (fine, coarse)]
        return ", ".join(f"{100 * (one - other):+.1f}" for one, other in pairs)

    prefix = "AR1000 of "
    classes = [figure.removeprefix(prefix) for figure in rows["RPN"] if figure.startswith(prefix)]
    of_classes = "; ".join(f"{name} {gap(prefix + name)}" for name in classes)
    same = all(one["word"] == NOT_TOLD_APART for one in kept)
    anchor = record["config"]["model"]["level_bounds"][1] / 2  # of the finest level: proposals.anchor_sizes
    tries = "; ".join(f"{row}: {rows[row]['tries']['mean']:.1f}" for row in rows if "tries" in rows[row])
    return [
        "  - FCOS minus RPN on P2 to P6, on P3 to P7, in AP after the second stage: "
        f"{gap('AP after the second stage')}; in AR1000 of each class: {of_classes}. Proposals with an IoU of 0.5 or "
        f"more for each object: {tries}.",
        "  - **On P3 to P7 FCOS is ahead**, in both columns, as in the paper, whose levels are P2 to P6 by its number "
        "of samples. The coarser levels cost the RPN recall, and FCOS "
        f"{'none that could be told apart' if same else 'less'}. Density is not all that changes with them: features, "
        "padding and the maps that the second stage pools from do, too. **The cause is not tested.** And it can "
        "hardly be the paper's reason: an RPN on a pyramid usually begins with anchors of 32 pixels, on P2, ours with "
        f"{anchor:.0f}, so ours stand further apart for their size on both pyramids.",
    ]


def _flat(record: Mapping[str, Any]) -> str:
    """Whether the recall of Table 6's first stages had stopped growing, by the rule of the design."""
    variants = {row.variant for name in ("proposals", *WHY) for row in STUDIES[name].rows.values()}
    curves = [curve for name, curve in record.get("recall_curves", {}).items() if name in variants]
    if not curves or not all("flat" in curve for curve in curves):
        return ""
    most = max(gain for curve in curves for gain in curve["gain"].values())
    word = ", which the rule calls flat" if all(curve["flat"] for curve in curves) else "; the rule asks for less"
    return f" In their last quarter the first stages gain {100 * most:.1f} at most{word}."


def _gaps(record: Mapping[str, Any], one: str, other: str) -> dict[str, float]:
    """The mean difference of two variants after each quarter, in AP of 0..1, over the seeds that both have."""
    curves: dict[str, dict[int, dict[str, float]]] = {one: {}, other: {}}
    for run in record.get("runs", {}).values():
        if run["variant"] in curves and run.get("curve"):
            curves[run["variant"]][run["seed"]] = run["curve"]
    seeds = [seed for seed in curves[one] if seed in curves[other]]
    if not seeds:
        return {}
    return {
        step: sum(curves[one][seed][step] - curves[other][seed][step] for seed in seeds) / len(seeds)
        for step in curves[one][seeds[0]]
        if all(curves[name][seed].get(step) is not None for name in curves for seed in seeds)
    }


def _cost(results: Results) -> str:
    """Every record with its command, and the hours of one core where the record has them."""
    lines = ["| record | time of one core | command |\n|---|---|---|"]
    total = 0.0
    for name, record in sorted(results.items()):
        seconds = _cpu_seconds(record)
        total += seconds or 0.0
        time = "not recorded" if seconds is None else duration(seconds)
        lines.append(f"| {name} | {time} | `{record['command']}` |")
    missing = [
        f"`{study(name, data, results.get(f'ladder_{data}'))}`"
        + (f": {cost}" if (cost := remaining(results, name, data)) else "")
        for data, names in PLANNED.items()
        for name in names
        if not _has_runs(results, name, data)
    ]
    told = f"All records together took {duration(total)} of one core, as far as they record it.\n\n" + "\n".join(lines)
    if any("runs/" in record["command"] for record in results.values()):
        told += (
            "\n\nWhere a command names `runs/`, it reads detectors that a study has left there; the record's note has "
            "that study's command."
        )
    if missing:
        told += "\n\nNot run yet, or not to the end, with what the missing runs of each would cost:\n\n"
        told += "\n".join(f"- {one}" for one in missing)
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
