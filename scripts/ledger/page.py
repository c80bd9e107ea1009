"""The markdown of the page."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from fcos_edu.atomic import atomic_write
from scripts import RESULTS, ROOT

from .rows import Section
from .tables import CHAPTERS, sections
from .verdicts import NEAR_AP, NEAR_SHARE, WORDS

# Eight columns on one page: smaller letters, and cells without the room of a paragraph.
HEAD = """# The ledger

<style>
  .bd-article table {{ font-size: 0.78rem; line-height: 1.35; }}
  .bd-article table th, .bd-article table td {{ padding: 0.25rem 0.35rem; }}
  .bd-article table td p, .bd-article table th p {{ margin: 0; }}
</style>

<!-- Written by make ledger from fcos_edu/results/*.json. Do not edit this page: change scripts/ledger/. -->

Can you believe this book? Here is every equation, figure and table of the paper, beside what was measured with this
package: also where we differ, and where we did not measure at all. Read a row from the left: what the paper has, what
we have, in one word how the two stand to each other, then on which data and machine.

Nobody chose the words. They follow from the figures by these rules:

- **equal**: the figure that is printed in the paper. For an equation, a drawing or a rule: a test of this package
  holds it.
- **near**: not equal, but at most {near_share:g} percentage point away for shares of boxes, locations and detections,
  {near_ap:g} for AP and AR.
- **same direction**: the figures are farther apart, but larger is larger and smaller is smaller, as in the paper. On
  the paper's own data, COCO, a row is compared with all rows of its table. On blood cells (BCCD) and drawn shapes the
  figures themselves have nothing in common with the paper's. There, two of ours are set *against* each other, and two
  of the paper's. Where the paper's two are the same, ours must show no difference either.
- **no difference seen**: the paper has a difference, and ours is not larger than its spread.
- **differs**: the other direction than the paper's, or a figure far from the paper's with none to compare it with.
- **not run here**: nothing was measured; the command would.

± is the standard deviation over seeds. A difference of two means counts if it is larger than $\\sqrt{{\\sigma_1^2 +
\\sigma_2^2}}$, the spread that two single runs have. [One change at a time](notebooks/12_ablations.ipynb) tests this
rule on equals: it is a mild one. Counts, also of the detections of one trained model, have no spread, so any
difference counts: read them with care.

*Cost* is the time of all runs that a row needs: the clock's, or the processor's where the machine did other work too.
A number in the column *command* leads to the commands, which unfold below the table. Those for COCO need its images
(`fcos-edu data download coco2017`) and days of a GPU. Without a GPU, `train` would pick a small model and a short
schedule.

{summary}
"""
COLUMNS = ("item", "paper", "ours", "word", "data", "hardware, cost", "command", "chapter")


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
    words = Counter(row.word for part in parts for row in part.rows if row.word)
    counted = ", ".join(f"{words[word]} {word}" for word in WORDS if words[word])
    summary = f"There are {sum(words.values())} rows: {counted}."
    notes: list[str] = []
    numbers: dict[str, int] = {}
    text = [HEAD.format(near_share=NEAR_SHARE, near_ap=NEAR_AP, summary=summary)]
    for part in (part for part in parts if part.rows):
        text.append(f"## {part.title}\n\n{part.text}\n")
        text.append(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
        shown = []
        for row in part.rows:
            for command in row.commands:
                numbers.setdefault(command, len(numbers) + 1)
            notes += [note for note in row.notes if note not in notes]
            marks = "".join(f"[^note-{notes.index(note) + 1}]" for note in row.notes)
            commands = ", ".join(str(numbers[command]) for command in row.commands)
            title = chapters.get(row.chapter)
            chapter = f"[{title}](notebooks/{row.chapter}.ipynb)" if title else CHAPTERS.get(row.chapter, row.chapter)
            said = re.match(r"Table \d+", part.title)  # by the heading
            item = row.item.removeprefix(said[0]) if said else row.item
            cells = (item.lstrip(":, "), row.paper, row.ours, f"*{row.word}*" if row.word else "", row.data + marks,
                     ", ".join(filter(None, (row.hardware, row.cost))), commands, chapter)  # fmt: skip
            text.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') or '–' for cell in cells)} |")
            shown += [command for command in row.commands if command not in shown]
        if shown:
            listed = "\n".join(f"# {numbers[c]}\n{wrapped(c)}" for c in shown)
            text.append(f"\n<details>\n<summary>Commands</summary>\n\n```bash\n{listed}\n```\n\n</details>")
        for name, caption in part.pictures.items():
            if name in drawn:
                # No numbered figure: its number would be read as one of the paper's.
                text.append(f"\n![{caption}](_static/analysis/{name}.png)\n\n*{caption}*")
        text[-1] += "\n"
    text += [f"[^note-{number}]: {' '.join(note.split())}" for number, note in enumerate(notes, start=1)]
    return "\n".join(text).rstrip("\n") + "\n"


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
    target = args.root / "book" / "ledger.md"
    try:
        text = ledger(args.root)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    behind = not target.exists() or target.read_text("utf-8") != text
    if args.check and behind:
        print("book/ledger.md is behind fcos_edu/results/: run make ledger", file=sys.stderr)
        return 1
    if behind:
        atomic_write(target, lambda path: path.write_text(text, "utf-8"))
    print(f"book/ledger.md: {'written' if behind and not args.check else 'unchanged'}")
    return 0
