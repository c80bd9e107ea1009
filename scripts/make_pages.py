"""Write every page, or part of a page, of the book that follows from something else.

    python scripts/make_pages.py            write them
    python scripts/make_pages.py --check    change nothing, fail if one is behind

- the chapters, from :data:`PARTS` below and from the notebooks: the tables in README.md and book/intro.md, between
  ``<!-- pages: NAME -->`` and ``<!-- /pages: NAME -->``, and book/_toc.yml;
- the API reference book/api/*.md, one page for each module, in the order of ARCHITECTURE.md's table;
- book/status.md, from fcos_edu/results/notebooks.json, which scripts/execute_notebooks.py writes;
- book/inputs.md, from the kinds of input that tests/kinds tries;
- the tables of book/detectors.md, from fcos_edu/checkpoints/, the records of their trainings and yolo_bccd.json;
- fcos_edu/course/my_fcos.py, from the cells of the parts "Your detector".

Needs nothing beyond the standard library. The ledger has its own script, because it needs the package.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: the folder of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts import RESULTS, ROOT, detector_cards
from scripts.course import my_fcos

# ---- the plan of the book -------------------------------------------------------------------------------------

# The one place where order and parts of the chapters stand: file name without .ipynb, the question that the chapter
# answers, and what a reader has after it. A chapter that is not written yet is left out of every page.
PARTS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "From a box to its targets": (
        ("01_why_no_anchors", "What do anchors cost?", "the anchors of an image, counted and drawn (section 1)"),
        ("02_locations", "How can one cell of a grid name a box?", "the targets of one feature map (Eq. 1, Fig. 1)"),
        ("03_levels", "Which box goes to which feature map?", "the targets of all five (section 3.2)"),
        ("04_overlap", "What if a location lies in two boxes?", "ambiguous samples and center sampling (Table 2)"),
        ("05_recall", "Which boxes can no training find?", "the best possible recall of any data set (Table 1)"),
    ),
    "From an image to a loss": (
        ("06_network", "What computes the answers?", "backbone, pyramid and head, every shape counted (Fig. 2)"),
        ("07_loss", "How wrong is an answer?", "focal loss, IoU and GIoU, from scratch (Eq. 2)"),
        ("08_centerness", "Which locations know their box best?", "center-ness and its floor (Eq. 3, Figs 3 and 7)"),
        ("09_training", "Does it learn?", "one image overfitted, then a detector (section 4)"),
    ),
    "From outputs to a measure": (
        (
            "10_detections",
            "How do thousands of answers become a few boxes?",
            "decoding, thresholds and NMS (section 3.1)",
        ),
        ("11_average_precision", "Which of two detectors is better?", "average precision by hand (Figs 4–6, Table 7)"),
        ("12_ablations", "What does each change gain?", "every switch of the paper, measured (Tables 3, 4 and 8)"),
    ),
    "Beyond": (
        ("13_proposals", "Can it propose boxes to others?", "FCOS inside Faster R-CNN (section 5, Table 6)"),
        ("14_coco", "What does a large one see in your photograph?", "COCO's 80 classes, by published weights"),
        ("15_your_boxes", "Does it learn what you have labelled?", "blood cells, from XML files to a detector"),
        ("16_on_a_gpu", "What changes on a faster device?", "a large detector fine-tuned; in miniature on a CPU"),
    ),
}
OPENING = ("See it work", "look_inside")  # before the first part
TEACHING = tuple(
    f"teaching/{page}"
    for page in ("index", "plans", "objectives", "misconceptions", "grading", "exams", "capstone", "figures_in_words")
)
APPENDIX = (
    "detectors",
    "deploying",
    "reproduction",
    "ledger",
    "api/index",
    "glossary",
    "zh",
    "troubleshooting",
    "folders",
    "promises",
    "inputs",
    "status",
    "references",
)
PACKAGE = "fcos_edu"


@dataclass(frozen=True)
class Chapter:
    """A notebook, and what its pages say of it."""

    stem: str
    part: str
    question: str
    have: str
    title: str
    module: str  # of its metadata, without the package's name

    @property
    def number(self) -> str:
        """As in the name of its file, without the zero."""
        return self.stem.partition("_")[0].lstrip("0")


def read_notebook(path: Path) -> dict[str, Any]:
    """A notebook as JSON."""
    return json.loads(path.read_text("utf-8"))


def chapters(root: Path) -> list[Chapter]:
    """The chapters that exist, in order.

    Raises:
        ValueError: a notebook that PARTS does not have, or one that does not begin with ``# Title``.
    """
    paths = {path.stem: path for path in (root / "notebooks").glob("*.ipynb")}
    planned = [(part, *line) for part, lines in PARTS.items() for line in lines]
    if unknown := sorted(set(paths) - {stem for _, stem, _, _ in planned}):
        raise ValueError(
            f"notebooks/{unknown[0]}.ipynb has no line in PARTS of scripts/make_pages.py: add the question that it "
            "answers, and what a reader has after it"
        )
    found = []
    for part, stem, question, have in planned:
        if stem in paths:
            notebook = read_notebook(paths[stem])
            title = "".join(notebook["cells"][0]["source"]).partition("\n")[0]
            if not title.startswith("# "):
                raise ValueError(f"notebooks/{stem}.ipynb begins with {title!r}; it must begin with '# Title'")
            module = notebook["metadata"].get("fcos_edu", {}).get("module", "")
            found.append(Chapter(stem, part, question, have, title[2:].strip(), module))
    return found


def by_part(given: list[Chapter]) -> Iterator[tuple[str, list[Chapter]]]:
    """Each part that has chapters, with them."""
    for part in PARTS:
        if inside := [chapter for chapter in given if chapter.part == part]:
            yield part, inside


# ---- README.md, book/intro.md, book/_toc.yml ------------------------------------------------------------------


def replace_block(text: str, name: str, body: str, where: str) -> str:
    """The text with another body between the two comments of that name.

    Raises:
        ValueError: there is not exactly one such block.
    """
    begin, end = f"<!-- pages: {name} -->", f"<!-- /pages: {name} -->"
    text, count = re.subn(rf"{re.escape(begin)}\n(?s:.*?){re.escape(end)}", lambda _: f"{begin}\n{body}{end}", text)
    if count != 1:
        raise ValueError(f"{where}: expected one block {begin} ... {end}, found {count}")
    return text


def module_file(name: str) -> str:
    """``data.boxes`` to ``fcos_edu/data/boxes.py``."""
    return f"{PACKAGE}/{name.replace('.', '/')}.py"


def readme_table(given: list[Chapter]) -> str:
    """The chapters with their modules, one table for each part."""
    text = "\n"
    for part, inside in by_part(given):
        text += f"**{part}**\n\n| Chapter | The question | You will have | Package |\n|---|---|---|---|\n"
        for c in inside:
            link = f"[{c.title}](notebooks/{c.stem}.ipynb)"
            text += f"| {c.number} · {link} | {c.question} | {c.have} | [`{c.module}`]({module_file(c.module)}) |\n"
        text += "\n"
    return text


def intro_table(given: list[Chapter]) -> str:
    """The chapters, one table for each part; narrow screens show each row as a small block (custom.css)."""
    text = "\n"
    for part, inside in by_part(given):
        text += f"### {part}\n\n:::{{table}}\n:class: chapters\n\n"
        text += "| Chapter | The question | You will have |\n|---|---|---|\n"
        for c in inside:
            text += f"| {c.number} · [{c.title}](notebooks/{c.stem}.ipynb) | {c.question} | {c.have} |\n"
        text += ":::\n\n"
    return text


def intro_start(given: list[Chapter]) -> str:
    """The button that leads to the first chapter."""
    first = given[0]
    return f"\n```{{button-ref}} notebooks/{first.stem}\n:ref-type: doc\n:color: primary\nStart: {first.title}\n```\n\n"


def toc(given: list[Chapter], modules: list[Module]) -> str:
    """book/_toc.yml."""
    text = "# Written by make pages from PARTS of scripts/make_pages.py. Do not edit.\n"
    text += "format: jb-book\nroot: intro\nparts:\n"
    text += "  - caption: {}\n    chapters:\n      - file: {}\n".format(*OPENING)
    for part, inside in by_part(given):
        text += f"  - caption: {part}\n    chapters:\n"
        for c in inside:
            text += f"      - file: notebooks/{c.stem}\n        title: {json.dumps(f'{c.number} · {c.title}')}\n"
    text += "  - caption: Teaching\n    chapters:\n" + "".join(f"      - file: {page}\n" for page in TEACHING)
    text += "  - caption: Appendix\n    chapters:\n"
    for page in APPENDIX:
        text += f"      - file: {page}\n"
        if page == "api/index":
            text += "        sections:\n" + toc_modules(modules, PACKAGE, " " * 10)
    return text


def toc_modules(modules: list[Module], package: str, indent: str) -> str:
    """The modules of one package; those of a package inside it stand below its own page."""
    text = ""
    for module in modules:
        if module.name != package and module.package != package:
            continue
        text += f"{indent}- file: {module.page}\n{indent}  title: {module.short}\n"
        if module.name != package and any(other.package == module.name for other in modules):
            text += f"{indent}  sections:\n" + toc_modules(
                [other for other in modules if other.package.startswith(module.name)], module.name, indent + " " * 4
            )
    return text


# ---- the API reference ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Module:
    """A module of the package."""

    name: str  # fcos_edu.data.boxes
    path: str  # fcos_edu/data/boxes.py
    docstring: str
    chapters: list[Chapter]
    has_tests: bool

    @property
    def short(self) -> str:
        """Without the package, unless it is the package."""
        return self.name.removeprefix(f"{PACKAGE}.")

    @property
    def package(self) -> str:
        """The package that it stands in; of the outermost one, nothing."""
        return self.name.rpartition(".")[0]

    @property
    def page(self) -> str:
        """Its page in book/."""
        return f"api/{self.name}"

    @property
    def idea(self) -> str:
        """The docstring's first line as markdown."""
        first = self.docstring.partition("\n")[0].removeprefix(f"{PACKAGE}: ").rstrip(".")
        return (first[:1].upper() + first[1:]).replace("``", "`")

    @property
    def tests(self) -> str:
        """Its test file, which a package need not have."""
        parts = Path(self.path).relative_to(PACKAGE).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = (*parts[:-1], *parts[-2:-1])
        return "/".join(("tests", *parts[:-1], f"test_{parts[-1] if parts else PACKAGE}.py"))


def public_modules(root: Path) -> dict[str, str]:
    """Name and path of each public module, packages included."""
    found = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        relative = path.relative_to(root).as_posix()
        if path.name == "__init__.py" or not path.name.startswith("_"):
            found[relative.removesuffix(".py").removesuffix("/__init__").replace("/", ".")] = relative
    return found


def paper_order(root: Path) -> list[str]:
    """The names of the public modules in the order of ARCHITECTURE.md's table, the package itself first.

    Raises:
        ValueError: a module without a line there, or a line without a module.
    """
    text = (root / "ARCHITECTURE.md").read_text("utf-8")
    _, _, section = text.partition("## Where each idea of the paper lives")
    rows = re.findall(r"^\| (`.*?) \|", section.partition("\n## ")[0], re.MULTILINE)
    modules = public_modules(root)
    order = [PACKAGE]
    for entry in re.findall(r"`([\w/.]+)`", " ".join(rows)):
        name = f"{PACKAGE}.{entry.removesuffix('.py').strip('/').replace('/', '.')}"
        if name.rpartition(".")[2].startswith("_") and (root / PACKAGE / entry).is_file():
            continue  # a private module has a place, but no page
        if name not in modules:
            raise ValueError(f"ARCHITECTURE.md lists {entry}, but there is no such module")
        inside = [other for other in modules if other == name or other.startswith(f"{name}.")]
        order += [other for other in inside if other not in order]
    if missing := sorted(set(modules) - set(order)):
        raise ValueError(
            f"{modules[missing[0]]} has no line in ARCHITECTURE.md's table 'Where each idea of the paper lives'"
        )
    return order


def read_modules(root: Path, given: list[Chapter]) -> list[Module]:
    """All modules in the paper's order, with the chapters that teach them.

    A chapter teaches the module of its metadata, and those whose docstring sets its title in ``*stars*`` or quotes.
    """
    paths = public_modules(root)
    modules = []
    for name in paper_order(root):
        docstring = ast.get_docstring(ast.parse((root / paths[name]).read_text("utf-8"))) or ""
        named = set(re.findall(r'[*"]([^*"]+)[*"]', " ".join(docstring.split())))
        taught = [c for c in given if f"{PACKAGE}.{c.module}" == name or c.title in named]
        module = Module(name, paths[name], docstring, taught, has_tests=False)
        modules.append(replace(module, has_tests=(root / module.tests).is_file()))
    return modules


MADE = "<!-- Written by make pages. Do not edit: change the module's docstring, or scripts/make_pages.py. -->\n"


def lent(root: Path, package: str) -> dict[str, str]:
    """The names that a package has from its files, and the full name of each, as type checkers are told."""
    found = {}
    for node in ast.walk(ast.parse((root / package.replace(".", "/") / "__init__.py").read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
            source = f"{package}.{node.module}"
            inner = lent(root, source) if (root / source.replace(".", "/")).is_dir() else {}
            for alias in node.names:
                found[alias.asname or alias.name] = inner.get(alias.name, f"{source}.{alias.name}")
    return {name: origin for name, origin in found.items() if not name.startswith("_") and name != "lazy"}


def module_page(module: Module, modules: list[Module], face: dict[str, str]) -> str:
    """The page of one module: where it is taught and tested, and what Sphinx reads from its docstrings.

    A package's page lists its modules; that of the outermost one the names that it lends, its ``face``.
    """
    links = [f"[{c.title}](../notebooks/{c.stem}.ipynb)" for c in module.chapters]
    lines = [f"**Taught in** {' · '.join(links)}"] if links else []
    lines += [f"**Tested in** [`{module.tests}`](../{module.tests})"] if module.has_tests else []
    text = f"# {module.name}\n\n{MADE}\n" + "".join(f"{line}\n\n" for line in lines)
    if module.name == PACKAGE and face:
        names = [f"{{py:obj}}`{name} <{origin}>`" for name, origin in face.items()]
        text += f"What most programs need can be imported from here: {', '.join(names)}.\n\n"
    text += f"```{{eval-rst}}\n.. automodule:: {module.name}\n```\n"
    inside = [other for other in modules if other.package == module.name != PACKAGE]
    if inside:
        text += "\n:::{table}\n:class: chapters modules\n\n| Module | What it holds |\n|---|---|\n"
        text += "".join(f"| [`{other.short}`]({other.name}.md) | {other.idea} |\n" for other in inside) + ":::\n"
    return text


def index_page(modules: list[Module]) -> str:
    """All modules in one table."""
    text = (
        f"# API reference\n\n{MADE}\n"
        "The package in the order of the paper. Imports between modules point only upwards in this table, so nothing "
        "needs what comes later. Each page is made from the docstrings; *source* beside a name shows its code.\n\n"
        "Letters, everywhere: B images of a batch, L locations of all levels, M boxes of an image (padded), C classes. "
        "Boxes are xyxy in pixels, distances are l, t, r, b in pixels (in strides where `normalize_targets` is on).\n\n"
        ":::{table}\n:class: chapters modules\n\n| Module | What it holds | Chapters |\n|---|---|---|\n"
    )
    for module in modules:
        links = ", ".join(f"[{c.number}](../notebooks/{c.stem}.ipynb)" for c in module.chapters)
        text += f"| [`{module.short}`]({module.name}.md) | {module.idea} | {links} |\n"
    return text + ":::\n"


# ---- the status page ------------------------------------------------------------------------------------------

STATUS = """\
# Status

<!-- Written by make pages from fcos_edu/results/notebooks.json. Do not edit: make notebooks writes that file. -->

Each chapter is a notebook that was run from its first to its last cell in a fresh kernel, offline, before these pages
were built. Here is when, how long it took, and with which versions.

:::{{table}}
:class: status

{table}
:::

*Checks* are `assert` statements in the cells: the slow and the fast form of an idea are equal, a bound holds, an
exercise is solved. *Processor* is the time of all cores together; where a machine had other work to do, it says more
than the clock. A chapter may take 90 seconds on two cores.

## Machines and versions

{machines}

## What is tested, and when

`make test` runs each notebook again and compares what its cells print with what is stored here, cell by cell.
Pictures, times and trained figures are not compared; the cells' own checks hold the data behind them. On every change
the tests run with the oldest and the newest Python that the package supports, and once a week with the newest version
of every library. Then the site is built, and each warning is an error.

To run the chapters yourself and write this page again:

```bash
make notebooks pages
```
"""


def status_page(given: list[Chapter], record: dict[str, Any]) -> str:
    """The page from the record of scripts/execute_notebooks.py; a chapter that it lacks is shown as not recorded."""
    runs = record.get("metrics", {})
    recorded = [runs[chapter.stem] for chapter in given if chapter.stem in runs]
    machines: list[tuple[str, dict[str, str]]] = []
    for run in recorded:
        if (run["hardware"], run["versions"]) not in machines:
            machines.append((run["hardware"], run["versions"]))
    table = "| Chapter | Clock | Processor | Cells | Checks | Run on |\n|---|--:|--:|--:|--:|---|\n"
    for chapter in given:
        link = f"{chapter.number} · [{chapter.title}](notebooks/{chapter.stem}.ipynb)"
        run = runs.get(chapter.stem)
        if run is None:
            table += f"| {link} | | | | | not recorded |\n"
            continue
        where = f" ({machines.index((run['hardware'], run['versions'])) + 1})" if len(machines) > 1 else ""
        cells = (f"{run['seconds']} s", f"{run['cpu_seconds']} s", run["cells"], run["checks"], run["date"] + where)
        table += f"| {link} | {' | '.join(map(str, cells))} |\n"
    sums = {key: sum(run[key] for run in recorded) for key in ("seconds", "cpu_seconds", "cells", "checks")}
    table += f"| All | {sums['seconds']} s | {sums['cpu_seconds']} s | {sums['cells']} | {sums['checks']} | |"
    lines = [
        f"{number}. {hardware}: {', '.join(f'{name} {value}' for name, value in versions.items())}."
        for number, (hardware, versions) in enumerate(machines, start=1)
    ]
    return STATUS.format(table=table, machines="\n".join(lines) or "Nothing is recorded yet.")


# ---- the kinds of input ---------------------------------------------------------------------------------------

INPUTS = """# What can be handed in

<!-- Written by make pages from tests/kinds. Do not edit: change the kinds there. -->

{count} kinds of input, and what comes of each. A test hands in every one of them and holds the outcome to this table
([`tests/kinds`](tests/kinds/test_kinds.py)). Nothing is guessed in silence: an input is read as it was meant, or read
with a warning, or refused in one sentence. In the sentences, … stands for a name, a number, or what another library
says. The three rules behind it stand on the page [What fcos-edu promises](promises.md).

{tables}"""
WAYS = {"right": "{}", "told": "read, with a warning: `{}`", "refused": "refused: `{}`"}


def kinds_of_input(root: Path) -> dict[str, list[tuple[str, str, str]]]:
    """Way, input and outcome of each kind, by group: the arguments of the decorators in tests/kinds, without a run."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for path in sorted((root / "tests" / "kinds").glob("[a-z]*.py")):
        if path.name.startswith("test_"):
            continue
        for node in ast.parse(path.read_text("utf-8")).body:
            for call in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in WAYS:
                    group, given, outcome = map(ast.literal_eval, call.args)
                    found.setdefault(group, []).append((call.func.id, given, outcome))
    return found


def inputs_page(root: Path) -> str:
    """The table of the kinds of input; the sentences as code, so that nothing in them is taken for markup."""
    groups, tables = kinds_of_input(root), []
    for group, kinds in groups.items():
        rows = ["| What is handed in | What comes of it |", "|---|---|"]
        for way, given, outcome in kinds:
            given, outcome = given.replace("|", "&#124;"), outcome.replace("|", "¦")
            given, outcome = given.replace("<", "&lt;"), outcome.replace("<", "&lt;") if way == "right" else outcome
            rows.append(f"| {given} | {WAYS[way].format(outcome)} |")
        tables.append(f"## {group}\n\n" + "\n".join(rows) + "\n")
    return INPUTS.format(count=sum(map(len, groups.values())), tables="\n".join(tables))


# ---- all of them ----------------------------------------------------------------------------------------------


def pages(root: Path) -> dict[str, str]:
    """Path and text of everything that this script writes."""
    given = chapters(root)
    modules = read_modules(root, given)
    readme, intro = ((root / name).read_text("utf-8") for name in ("README.md", "book/intro.md"))
    record = root / RESULTS / "notebooks.json"
    made = {
        "README.md": replace_block(readme, "chapters", readme_table(given), "README.md"),
        "book/intro.md": replace_block(
            replace_block(intro, "chapters", intro_table(given), "book/intro.md"),
            "start", intro_start(given), "book/intro.md",
        ),
        "book/_toc.yml": toc(given, modules),
        "book/status.md": status_page(given, json.loads(record.read_text("utf-8")) if record.is_file() else {}),
        "book/api/index.md": index_page(modules),
        "book/inputs.md": inputs_page(root),
    }  # fmt: skip
    cards = root / "book" / "detectors.md"
    if cards.is_file():
        text = replace_block(cards.read_text("utf-8"), "detectors", detector_cards.figures(root), "book/detectors.md")
        made["book/detectors.md"] = replace_block(text, "yolo", detector_cards.beside_yolo(root), "book/detectors.md")
    if detector := my_fcos.assembled(root):
        made[my_fcos.NAME] = detector
    face = lent(root, PACKAGE)
    return made | {f"book/{module.page}.md": module_page(module, modules, face) for module in modules}


def behind(root: Path) -> tuple[dict[str, str], list[str]]:
    """The files that would change, with their new text; and pages of modules that are gone."""
    made = pages(root)
    changed = {}
    for name, text in made.items():
        path = root / name
        if not path.is_file() or path.read_text("utf-8") != text:
            changed[name] = text
    stale = [p.relative_to(root).as_posix() for p in sorted((root / "book" / "api").glob("*.md"))]
    return changed, [name for name in stale if name not in made]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the pages of the book that follow from something else.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a page is behind")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    try:
        changed, stale = behind(args.root)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    names = ", ".join([*changed, *stale])
    if args.check:
        if names:
            print(f"behind; run make pages: {names}", file=sys.stderr)
        return 1 if names else 0
    for name, text in changed.items():
        (args.root / name).parent.mkdir(parents=True, exist_ok=True)
        (args.root / name).write_text(text, "utf-8")
    for name in stale:
        (args.root / name).unlink()
    print(f"changed: {names or 'nothing'}")
    missing = [stem for lines in PARTS.values() for stem, _, _ in lines]
    missing = [stem for stem in missing if not (args.root / "notebooks" / f"{stem}.ipynb").is_file()]
    if missing:
        print(f"not written yet: {', '.join(missing)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
