"""The markdown of the page."""

from __future__ import annotations

import argparse
import functools
import json
import re
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from fcos_edu.atomic import atomic_write
from scripts import RESULTS, ROOT

from .hours import SOURCES
from .report import report
from .rows import Row, Section
from .tables import CHAPTERS, sections
from .verdicts import NEAR_AP, NEAR_SHARE, NOT_RUN, OF_INTERVALS, TOO_FEW, WORDS

# Four columns, which a telephone has room for; what else there is to a row unfolds below.
HEAD = """# The ledger

<style>
  .bd-article table {{ font-size: 0.85rem; line-height: 1.35; width: 100%; }}
  .bd-article table th, .bd-article table td {{ padding: 0.25rem 0.35rem; overflow-wrap: break-word; }}
  .bd-article table td p, .bd-article table th p {{ margin: 0; }}
  .bd-article details li {{ font-size: 0.85rem; }}
  @media (max-width: 600px) {{
    .bd-article table {{ font-size: 0.75rem; }}
    .bd-article table :is(td, th) {{ padding-inline: 0.2rem; }}
  }}
</style>

<!-- Written by make ledger from fcos_edu/results/*.json. Do not edit this page: change scripts/ledger/. -->

Can you believe this book? Here is every equation, figure and table of the paper, beside what was measured with this
package: also where we differ, and where we did not measure at all. A row begins with its verdict, then what is claimed,
what we have, what the paper has. Data, machine, cost and commands unfold below each table.

{summary}

Nobody chose the words. They follow from the figures by these rules.

**Comparisons that are trained**, with several seeds. *Ours* is the difference in points, the first side minus the
second, with the interval at the level at which Holm's method tests it: differences are paired by seed, and all that
stand together in a table are corrected together, so that in at most one table of twenty anything is found where there
is no difference. The interval of a comparison alone, at 95 %, is below the table. Both cover the luck of the seeds;
other test images would move a figure once more. [One change at a time](notebooks/12_ablations.ipynb) teaches all of
that.

- **reproduced**: the interval excludes 0, on the paper's side of it.
- **not told apart**: the interval contains 0. That is no proof of equality: below the table stands the *power*, how
  often as many seeds would find the paper's difference.
- **contradicted**: the interval excludes 0, on the opposite side from the paper's.
- **told apart**: of a question that the paper does not ask, the interval excludes 0.
- **too few seeds yet**: fewer than were planned. The interval, if there is one, is of this comparison alone.

The power is that after correction: for the level at which the first finding of a table is tested, 0.05 divided by the
number of its comparisons, and by the spread of the row's own pairs. A design, as [the report](reproduction.md) quotes
it, gives the power of a comparison alone, at 0.05, and by the spread of one configuration. Of four values, the true
spread may be little more than half the estimate, or nearly four times as large: take both as a rough guide.

Some rows have no power: where the paper prints 0.0, or no difference but only a direction, as in Fig. 7. Power is the
chance to find a difference of a given size; a direction has no size, and 0.0 is nothing to be found. For these the
smallest difference that would be found says what the seeds can show. Where the paper prints 0.0, an interval that
excludes 0 contradicts it, whichever side it is on.

**Figures beside the paper's own**, on the paper's data; a count has no chance in it.

- **equal**: the figure that is printed in the paper. For an equation, a drawing or a rule: a test of this package
  holds it.
- **near**: not equal, but at most {near_share:g} percentage point away for shares of boxes, locations and detections,
  {near_ap:g} for AP and AR. **not near**: farther away.
- **same direction**: counts that are farther away, or on other data, where the figures themselves have nothing in
  common with the paper's; but larger is larger and smaller is smaller, as in the paper. **other direction**: they are
  not. **no difference**: the paper has one, and our two counts are equal.

**not run yet**: nothing was measured; the command would. Those for COCO need its images (`fcos-edu data download
coco2017`) and days of a GPU. Without a GPU, `train` would pick a small model and a short schedule.

*Cost* is the time of all runs that a row needs: the clock's, or the processor's where the machine did other work too.
Of what is not run yet it is an estimate, by runs that are like it.

{hours}
"""
COLUMNS = ("verdict", "claim", "ours", "paper")


def chapter_titles(root: Path) -> dict[str, str]:
    """The name of each notebook that there is, and its title."""
    titles = {}
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        title = "".join(json.loads(path.read_text("utf-8"))["cells"][0]["source"]).splitlines()[0]
        titles[path.stem] = title.removeprefix("# ").strip()
    return titles


def wrapped(command: str, width: int = 100) -> str:
    """A command over several lines, as a shell reads it; an option stays with its values."""
    chunks: list[str] = []
    for word in re.findall(r"(?:'[^']*'|[^\s'])+", command):
        if chunks and chunks[-1].startswith("--") and not word.startswith("--"):
            chunks[-1] += f" {word}"
        else:
            chunks.append(word)
    lines = chunks[:1]
    for chunk in chunks[1:]:
        if len(lines[-1]) + len(chunk) + 1 > width:
            lines.append(f"  {chunk}")
        else:
            lines[-1] += f" {chunk}"
    return " \\\n".join(lines)


def page(parts: Sequence[Section], chapters: Mapping[str, str], drawn: Collection[str] = ()) -> str:
    """The markdown of the ledger, with those of its pictures that are ``drawn``.

    A chapter is a link where ``chapters`` (names and titles of notebooks) has it, and its title alone where not.
    """
    notes: list[str] = []
    numbers: dict[str, int] = {}
    text = [HEAD.format(near_share=NEAR_SHARE, near_ap=NEAR_AP, summary=summary(parts), hours=SOURCES)]
    for part in (part for part in parts if part.rows):
        text.append(f"## {part.title}\n\n{part.text}\n")
        said = re.match(r"Table \d+", part.title)  # by the heading
        groups: dict[str, list[Row]] = {}
        for row in part.rows:
            groups.setdefault(row.data if part.by_data else "", []).append(row)
            for command in row.commands:
                numbers.setdefault(command, len(numbers) + 1)
            notes += [note for note in row.notes if note not in notes]
        for command in part.commands:
            numbers.setdefault(command, len(numbers) + 1)
        for data, rows in groups.items():
            if data:
                text.append(f"**On {data}**\n")
            text.append(table(rows, said[0] if said else ""))
        if part.more:
            text.append(f"{part.more}\n")
        text.append(unfolded(part, said[0] if said else "", numbers, notes, chapters))
        for name, caption in part.pictures.items():
            if name in drawn:
                # No numbered figure: its number would be read as one of the paper's.
                text.append(f"![{caption}](_static/analysis/{name}.png)\n\n*{caption}*\n")
    text += [f"[^note-{number}]: {' '.join(note.split())}" for number, note in enumerate(notes, start=1)]
    return "\n".join(text).rstrip("\n") + "\n"


def summary(parts: Sequence[Section]) -> str:
    """How many rows have which word, and what became of the claims of each table."""
    words = Counter(row.word for part in parts for row in part.rows if row.word)
    counted = ", ".join(f"{words[word]} {word}" for word in WORDS if words[word])
    claims = {
        part.title.partition(":")[0]: Counter(row.word for row in part.rows if row.data != "COCO")
        for part in parts
        if not part.ours
    }
    columns = (*OF_INTERVALS, "open")
    lines = [f"| claims of | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}"]
    for title, found in claims.items():
        if any(found[word] for word in (*OF_INTERVALS, TOO_FEW, NOT_RUN)):
            cells = [found[word] for word in OF_INTERVALS] + [found[TOO_FEW] + found[NOT_RUN]]
            lines.append(f"| {title} | {' | '.join(map(str, cells))} |")
    told = "\n".join(lines) + "\n\n" if len(lines) > 1 else ""
    asked = Counter(row.word for part in parts if part.ours for row in part.rows if row.word)
    if asked:
        words_of_ours = ", ".join(f"{asked[word]} {word}" for word in WORDS if asked[word])
        told += f"Questions of ours, which the paper does not ask: {words_of_ours}.\n\n"
    return f"{told}There are {sum(words.values())} rows: {counted}."


def _claim(row: Row, said: str) -> str:
    """A row's item without what the heading says."""
    return row.item.removeprefix(said).lstrip(":, ")


def table(rows: Sequence[Row], said: str) -> str:
    """The verdict first: four columns."""
    lines = [f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"]
    for row in rows:
        cells = (f"**{row.word}**" if row.word else "", _claim(row, said), row.ours, row.paper)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') or '–' for cell in cells)} |")
    return "\n".join(lines) + "\n"


def unfolded(
    part: Section, said: str, numbers: Mapping[str, int], notes: Sequence[str], chapters: Mapping[str, str]
) -> str:
    """What else there is to each row, and its commands. Rows that have all of it in common stand together."""
    lines: dict[str, list[str]] = {}
    shown: list[str] = []
    for row in part.rows:
        marks = "".join(f"[^note-{notes.index(note) + 1}]" for note in row.notes)
        commands = ", ".join(str(numbers[command]) for command in row.commands)
        number = f"command{'s' if len(row.commands) > 1 else ''} {commands}" if commands else ""
        title = chapters.get(row.chapter)
        chapter = f"[{title}](notebooks/{row.chapter}.ipynb)" if title else CHAPTERS.get(row.chapter, row.chapter)
        facts = [row.data + marks, *row.details, row.hardware, row.cost, number, chapter]
        lines.setdefault("; ".join(filter(None, facts)), []).append(_claim(row, said))
        shown += [command for command in row.commands if command not in shown]
    shown += [command for command in part.commands if command not in shown]
    told = "\n".join(f"- *{' · '.join(claims)}*: {facts}" for facts, claims in lines.items())
    listed = "\n".join(f"# {numbers[c]}\n{wrapped(c)}" for c in shown)
    block = f"\n\n```bash\n{listed}\n```" if shown else ""
    return f"<details>\n<summary>Data, cost and commands</summary>\n\n{told}{block}\n\n</details>\n"


def load_results(root: Path) -> dict[str, dict[str, Any]]:
    """The files of fcos_edu/results/ by their names.

    Raises:
        ValueError: a file that is not JSON.
    """
    results = {}
    for path in sorted((root / RESULTS).glob("*.json")):
        try:
            results[path.stem] = json.loads(path.read_text("utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"fcos_edu/results/{path.name} is not JSON: {error}") from error
    return results


def ledger(root: Path) -> str:
    """The page as it should be now."""
    drawn = {path.stem for path in (root / "book" / "_static" / "analysis").glob("*.png")}
    return page(sections(load_results(root)), chapter_titles(root), drawn)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write book/ledger.md from fcos_edu/results/*.json.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if the page is behind")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    try:
        texts = {"ledger.md": ledger(args.root), "reproduction.md": report(load_results(args.root))}
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    late = False
    for name, text in texts.items():
        target = args.root / "book" / name
        behind = not target.exists() or target.read_text("utf-8") != text
        if args.check and behind:
            print(f"book/{name} is behind fcos_edu/results/: run make ledger", file=sys.stderr)
            late = True
            continue
        if behind:
            atomic_write(target, functools.partial(_write, text))
        print(f"book/{name}: {'written' if behind else 'unchanged'}")
    return int(late)


def _write(text: str, path: Path) -> None:
    path.write_text(text, "utf-8")
