"""What a reader takes for granted: notebooks that ran, links that lead somewhere, files that agree with each other."""

from __future__ import annotations

import ast
import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fcos_edu import paper

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CHAPTERS = tomllib.loads((ROOT / "notebooks" / "ruff.toml").read_text("utf-8"))
KIB = 1024


def own_files() -> list[Path]:
    """The files of the project: those git tracks or would track; without git, all but what the tools leave behind."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if (ROOT / ".git").exists() and shutil.which("git"):
        names = subprocess.run(git, capture_output=True, check=True, text=True).stdout.split("\0")
        return sorted({ROOT / name for name in names if name and (ROOT / name).is_file()})
    leave = {".git", ".venv", "_build", "build", "dist", "runs", "data", ".hypothesis", "__pycache__"}
    found = []
    for folder, folders, files in os.walk(ROOT):
        top = Path(folder) == ROOT
        folders[:] = [
            name
            for name in folders
            if not (name.endswith((".egg-info", "_cache")) or name in (leave if top else leave - {"data"}))
        ]
        found += [Path(folder) / name for name in files if not name.endswith(".pyc")]
    return sorted(found)


FILES = own_files()


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_of(path: Path) -> str | None:
    """The text of a file, None for a binary one."""
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        return None


def read_notebook(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8"))


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def tags(cell: dict[str, Any]) -> list[str]:
    return cell["metadata"].get("tags", [])


def prose() -> Iterator[tuple[str, str, Path]]:
    """Name, markdown text and folder of each page, README and the like included."""
    for path in FILES:
        if path.suffix == ".md":
            yield relative(path), path.read_text("utf-8"), path.parent
    for path in NOTEBOOKS:
        cells = [source(c) for c in read_notebook(path)["cells"] if c["cell_type"] == "markdown"]
        yield relative(path), "\n\n".join(cells), path.parent


# ---- notebooks ------------------------------------------------------------------------------------------------


def run_faults(notebook: dict[str, Any]) -> list[str]:
    """What is wrong with the outputs of a notebook: cells not run, out of order, or failed."""
    faults, expected = [], 0
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code" or not source(cell).strip() or "skip-execution" in tags(cell):
            continue
        expected += 1
        if cell["execution_count"] != expected:
            faults.append(f"cell {number}: execution count {cell['execution_count']}, should be {expected}")
        if "raises-exception" not in tags(cell):
            faults += [f"cell {number}: {o['ename']}" for o in cell["outputs"] if o["output_type"] == "error"]
    return faults


def code(count: int | None, *, error: bool = False, tag: str | None = None) -> dict[str, Any]:
    outputs = [{"output_type": "error", "ename": "ValueError"}] if error else []
    metadata = {"tags": [tag]} if tag else {}
    return {"cell_type": "code", "source": ["1"], "metadata": metadata, "execution_count": count, "outputs": outputs}


def test_a_cell_that_was_not_run_in_order_is_found() -> None:
    assert run_faults({"cells": [code(1), code(2)]}) == []
    assert run_faults({"cells": [code(1), code(None)]})
    assert run_faults({"cells": [code(2), code(1)]})
    assert run_faults({"cells": [code(1, error=True)]}) == ["cell 0: ValueError"]
    assert run_faults({"cells": [code(1, error=True, tag="raises-exception")]}) == []
    assert run_faults({"cells": [code(None, tag="skip-execution"), code(1)]}) == []


def commented(path: Path) -> list[str]:
    """Lines of text that the site leaves out: to MyST a line that begins with a percent sign is a comment."""
    texts = [source(cell) for cell in read_notebook(path)["cells"] if cell["cell_type"] == "markdown"]
    outside = [re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.M | re.S) for text in texts]
    return re.findall(r"^[ >]*%.*", "\n".join(outside), flags=re.M)


def test_a_line_that_the_site_leaves_out_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    for text, found in (("It costs 5\n% of IoU.", ["% of IoU."]), ("5 % of\nit\n```\n%pip\n```\nend", [])):
        path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": [text]}]}), "utf-8")
        assert commented(path) == found


def test_there_are_chapters() -> None:
    assert len(NOTEBOOKS) >= 3, "the tests below run over notebooks/*.ipynb; an empty folder would pass them all"


def titles_of(module: str) -> list[str]:
    """The chapters that teach a module, by their metadata."""
    taught = [n for n in map(read_notebook, NOTEBOOKS) if n["metadata"].get("fcos_edu", {}).get("module") == module]
    return [source(n["cells"][0]).splitlines()[0].removeprefix("# ").strip() for n in taught]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestNotebook:
    def test_every_code_cell_was_run_in_order_without_error(self, path: Path) -> None:
        assert not run_faults(read_notebook(path)), f"run: make notebooks NB={relative(path)}"

    def test_it_ends_as_every_chapter_does(self, path: Path) -> None:
        text = "\n".join(source(cell) for cell in read_notebook(path)["cells"] if cell["cell_type"] == "markdown")
        frame = ("Summary", "Exercises", "Solutions", "Quiz", "Where this stands")
        assert [title for title in re.findall(r"^## (.+)$", text, re.MULTILINE) if title in frame] == list(frame)

    def test_is_not_above_one_and_a_half_megabytes(self, path: Path) -> None:
        assert path.stat().st_size <= 1500 * KIB

    def test_no_line_of_code_is_wider_than_a_page(self, path: Path) -> None:
        """The formatter does not break texts and comments. What is hidden, such as the text of a quiz, is left out."""
        most = CHAPTERS["line-length"]
        if path.name in CHAPTERS["format"]["exclude"]:
            return
        wide = [
            f"cell {number}: {len(line)} characters, at most {most}: {line}"
            for number, cell in enumerate(read_notebook(path)["cells"])
            if cell["cell_type"] == "code" and not {"remove-cell", "hide-input"} & set(tags(cell))
            for line in source(cell).splitlines()
            if len(line) > most
        ]
        assert not wide, "\n".join(wide)

    def test_every_picture_has_a_caption_and_words_for_who_does_not_see_it(self, path: Path) -> None:
        """In the metadata of its cell, where the site finds them; only a cell with a picture has any."""
        faults = []
        for number, cell in enumerate(read_notebook(path)["cells"]):
            kinds = [kind for output in cell.get("outputs", []) for kind in output.get("data", {})]
            words = cell["metadata"].get("mystnb", {})
            caption, alt = words.get("figure", {}).get("caption"), words.get("image", {}).get("alt")
            if not any(kind.startswith("image/") for kind in kinds):
                faults += [f"cell {number} has no picture, but a caption"] if words else []
            elif not caption or not alt or len(alt) < 40 or alt == caption:
                faults.append(f"cell {number}: a caption {caption!r}, and what is seen, {alt!r}")
        assert not faults, "\n".join(faults)

    def test_no_line_of_text_is_a_comment(self, path: Path) -> None:
        assert commented(path) == []

    def test_no_state_of_a_widget_is_stored(self, path: Path) -> None:
        """Only a kernel could play it; GitHub and the site would show a blank place."""
        notebook = read_notebook(path)
        assert "widgets" not in notebook["metadata"], f"run: make notebooks NB={relative(path)}"
        outputs = [o for c in notebook["cells"] if c["cell_type"] == "code" for o in c["outputs"]]
        assert not [o for o in outputs if any("jupyter.widget" in kind for kind in o.get("data", {}))]

    def test_a_cell_that_is_not_executed_is_not_compared_either(self, path: Path) -> None:
        for number, cell in enumerate(read_notebook(path)["cells"]):
            assert ("skip-execution" in tags(cell)) == ("nbval-skip" in tags(cell)), (
                f"cell {number}: give it both tags, skip-execution and nbval-skip, or none"
            )

    def test_its_module_and_test_file_are_told_by_name(self, path: Path) -> None:
        """The notebook's metadata name the module; its text names module and tests; the module names a chapter."""
        notebook = read_notebook(path)
        name = notebook["metadata"].get("fcos_edu", {}).get("module")
        assert name, 'the metadata of the notebook must hold "fcos_edu": {"module": "NAME"}'
        module = f"fcos_edu/{name.replace('.', '/')}.py"
        tests = file_of_tests(module)
        assert ROOT / module in FILES, f"{module} does not exist"
        assert ROOT / tests in FILES, f"{tests} does not exist"
        text = "\n".join(source(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
        assert f"fcos_edu.{name}" in text or module in text, f"the chapter must name fcos_edu.{name}"
        assert tests in text, f"the chapter must name {tests}"
        docstring = ast.get_docstring(ast.parse((ROOT / module).read_text("utf-8"))) or ""
        titles = titles_of(name)
        assert any(title in " ".join(docstring.split()) for title in titles), (
            f"the docstring of {module} must name a chapter that teaches it: {' or '.join(titles)}"
        )


# ---- modules and tests ----------------------------------------------------------------------------------------


def file_of_tests(module: str) -> str:
    """The tests of fcos_edu/PART/NAME.py are tests/PART/test_NAME.py."""
    path = Path(module).relative_to("fcos_edu")
    return (Path("tests") / path.parent / f"test_{path.name}").as_posix()


def test_every_module_has_its_test_file() -> None:
    modules = [
        path
        for path in FILES
        if relative(path).startswith("fcos_edu/") and path.suffix == ".py" and not path.stem.startswith("_")
    ]
    assert modules
    missing = [file_of_tests(relative(p)) for p in modules if ROOT / file_of_tests(relative(p)) not in FILES]
    assert not missing, f"modules without their test file: {missing}"


# ---- sizes of files and functions -----------------------------------------------------------------------------

MOST_LINES = {"file": 600, "function": 60}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def lines_of_code(text: str) -> set[int]:
    """The numbers of the lines that hold code: no docstring, no comment, no blank line."""
    layout = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in layout:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | Function) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return lines


def long_functions(text: str) -> list[str]:
    """Functions with too many lines of code, nested ones and decorators included, and with how many.

    One that has to be long says why in its docstring: "Long because ...".
    """
    code, found = lines_of_code(text), []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function) and not re.search(r"\bLong because \w", ast.get_docstring(node) or ""):
            first = min(n.lineno for n in (node, *node.decorator_list))
            count = len(code & set(range(first, (node.end_lineno or 0) + 1)))
            if count > MOST_LINES["function"]:
                found.append(f"{node.name} has {count} lines of code")
    return found


def test_a_long_function_is_found() -> None:
    def function(lines: int, docstring: str = "Do it.", between: str = "") -> str:
        body = "".join(f"    x = {number}\n{between}" for number in range(lines))
        return f'def f():\n    """{docstring}\n\n    More.\n    """\n{body}'

    most = MOST_LINES["function"]
    assert long_functions(function(most - 1)) == []
    assert long_functions(function(most)) == [f"f has {most + 1} lines of code"]
    assert long_functions(function(most - 1, between="\n    # Why.\n")) == [], "blank lines and comments do not count"
    assert long_functions(function(most, "Long because the paper has a long list.")) == []
    assert long_functions(function(most, "It is long.")) == [f"f has {most + 1} lines of code"]
    text = "class A:\n    async def g(self):\n        return [\n" + "            1,\n" * most + "        ]\n"
    assert long_functions(text) == [f"g has {most + 3} lines of code"], "methods, and lines of one expression"


def test_no_file_and_no_function_of_the_package_is_long() -> None:
    """Of the package and of the scripts: files whole, functions by their lines of code."""
    faults = []
    for path in FILES:
        if path.suffix == ".py" and relative(path).split("/")[0] in ("fcos_edu", "scripts"):
            text = path.read_text("utf-8")
            if (lines := len(text.splitlines())) > MOST_LINES["file"]:
                faults.append(f"{relative(path)} has {lines} lines, at most {MOST_LINES['file']}")
            faults += [f"{relative(path)}: {fault}" for fault in long_functions(text)]
    assert not faults, "split it, or say in the docstring why not:\n" + "\n".join(faults)


# ---- links ----------------------------------------------------------------------------------------------------

LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)|(?:href|src)=[\"']([^\"']+)[\"']|<(https?://[^>\s]+)>")
FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
FIGURE = re.compile(r"^(?:`{3,}|:{3,})\{(?:figure|image)\} (\S+)", re.MULTILINE)
IN_REPOSITORY = re.compile(
    r"https://(?:github\.com|colab\.research\.google\.com/github|raw\.githubusercontent\.com)/(?P<slug>[^/]+/[^/]+)/"
    r"(?:(?:blob|tree|raw)/)?main/(?P<path>[^#?]+)"
)
WORKFLOW = re.compile(r"https://github\.com/(?P<slug>[^/]+/[^/]+)/actions/workflows/(?P<name>[^/#?]+)")


def links(text: str) -> list[str]:
    """Targets of links, pictures and badges of a markdown text; code is left out, figures are not."""
    outside = FENCE.sub("", text)
    outside = re.sub(r"(?<!`)`[^`\n]+`(?!`)", "code", outside)
    return [a or b or c for a, b, c in LINK.findall(outside)] + FIGURE.findall(text)


def dead(target: str, folder: Path, slug: str | None) -> str | None:
    """Say why a link leads nowhere, None if it is in order. Addresses elsewhere are not opened."""
    for pattern in (IN_REPOSITORY, WORKFLOW):
        if match := pattern.match(target):
            if match["slug"] != slug:
                return None
            inside = match["path"] if pattern is IN_REPOSITORY else f".github/workflows/{match['name']}"
            target, folder = inside, ROOT
    if re.match(r"[a-z][a-z0-9+.-]*:", target) or target.startswith("#"):
        return None
    path = (folder / target.split("#")[0]).resolve()
    inside = path in FILES or (path.is_dir() and any(path in f.parents for f in FILES))
    return None if inside else f"{target} is no file of the repository"


def repository_slug() -> str | None:
    url = PYPROJECT["project"].get("urls", {}).get("Repository", "")
    return url.removeprefix("https://github.com/") or None


def test_a_dead_link_is_found() -> None:
    text = "[a](README.md) ![b](gone.png) [![c](x/y.svg)](https://z.org) `[d](code)`\n```\n[e](fence)\n```\n"
    assert links(text) == ["README.md", "gone.png", "x/y.svg", "https://z.org"]
    assert links("```{figure} _static/a.png\n:alt: b\n```") == ["_static/a.png"]
    assert dead("README.md", ROOT, None) is None
    assert dead("README.md#two-commands", ROOT, None) is None
    assert dead("gone.png", ROOT, None)
    colab = "https://colab.research.google.com/github/me/it/blob/main/notebooks/{}"
    assert dead(colab.format("99_gone.ipynb"), ROOT, "me/it")
    assert dead(colab.format("99_gone.ipynb"), ROOT, "someone/else") is None
    assert dead("https://github.com/me/it/actions/workflows/tests.yml/badge.svg", ROOT, "me/it") is None
    assert dead("https://github.com/me/it/actions/workflows/gone.yml/badge.svg", ROOT, "me/it")


def test_every_link_and_badge_leads_to_a_tracked_file() -> None:
    slug = repository_slug()
    faults = [
        f"{name}: {fault}" for name, text, folder in prose() for t in links(text) if (fault := dead(t, folder, slug))
    ]
    assert not faults, "\n".join(faults)


def test_the_readme_lists_every_chapter() -> None:
    listed = {target for target in links((ROOT / "README.md").read_text("utf-8")) if target.endswith(".ipynb")}
    listed = {target for target in listed if "://" not in target}
    assert listed == {relative(path) for path in NOTEBOOKS}


# ---- files that must agree ------------------------------------------------------------------------------------


def python_versions() -> list[str]:
    """3.10, 3.11, ... from the classifiers of pyproject.toml, in order."""
    found = [c.split(" :: ")[-1] for c in PYPROJECT["project"]["classifiers"] if " :: Python :: 3." in c]
    return sorted(found, key=lambda version: int(version.split(".")[1]))


def test_environment_and_pyproject_agree() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    assert environment["name"] == PYPROJECT["project"]["name"]
    plain = [line for line in environment["dependencies"] if isinstance(line, str)]
    (pip,) = [line["pip"] for line in environment["dependencies"] if isinstance(line, dict)]
    versions = python_versions()
    after = f"3.{int(versions[-1].split('.')[1]) + 1}"
    assert plain == [f"python>={versions[0]},<{after}", "pip"]
    assert PYPROJECT["project"]["requires-python"] == f">={versions[0]}"
    # Everything else comes from pyproject.toml itself, so that there is no second list to fall behind.
    (line,) = pip
    match = re.fullmatch(r"-e \.\[(\w+)\]", line)
    assert match and match[1] in PYPROJECT["project"]["optional-dependencies"], line


def test_makefile_and_workflows_name_the_same_python_versions() -> None:
    versions = python_versions()
    first, last = (tuple(map(int, v.split("."))) for v in (versions[0], versions[-1]))
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert f"{first} <= sys.version_info < {(last[0], last[1] + 1)}" in makefile
    assert f"Python {versions[0]}-{versions[-1]}" in makefile
    tests = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text("utf-8"))
    assert tests["jobs"]["test"]["strategy"]["matrix"]["python"] == [versions[0], versions[-1]]


def test_workflows_call_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    called = set()
    for path in sorted((ROOT / ".github/workflows").glob("*.yml")):
        workflow = yaml.safe_load(path.read_text("utf-8"))
        steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
        runs = [step["run"] for step in steps if "run" in step]
        assert all(re.fullmatch(r"make [a-z]+", run) for run in runs), f"{path.name} does more than call make: {runs}"
        called |= {run.split()[1] for run in runs}
    assert called <= targets
    assert {"test", "weekly", "book"} <= called


def test_the_versions_agree() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == PYPROJECT["project"]["version"]


def test_jupyter_book_stays_below_two() -> None:
    (line,) = [d for d in PYPROJECT["project"]["optional-dependencies"]["book"] if d.startswith("jupyter-book")]
    assert line.endswith("<2"), "2.x has no _config.yml and no Sphinx extensions"


# ---- numbers --------------------------------------------------------------------------------------------------

NUMBER = re.compile(r"(?<![\w.])\d+\.\d+(?![\w]|\.\d)")


def floats(node: Any) -> Iterator[float]:
    """All finite floats in a JSON value; of a spread over seeds not the deviation, which meets any small number."""
    if isinstance(node, float) and math.isfinite(node):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            if key != "std":
                yield from floats(value)
    elif isinstance(node, list):
        for value in node:
            yield from floats(value)


def roundings(value: float) -> set[str]:
    """The ways in which somebody would type a measured number: 3 to 5 digits that count, and as a percentage."""
    forms = {f"{scaled:.{places}f}" for scaled in (abs(value), abs(value) * 100) for places in range(1, 5)}
    return {form for form in forms if 3 <= len(form.replace(".", "").lstrip("0").rstrip("0")) <= 5}


def measured(result: dict[str, Any]) -> set[str]:
    """Measured numbers of one result file, as they could be typed, without those that the paper itself has."""
    kept = {key: result.get(key) for key in ("value", "metrics")}
    if isinstance(kept["metrics"], dict):  # an album and curves are drawn: their single points are nobody's figures
        kept["metrics"] = {key: value for key, value in kept["metrics"].items() if key not in ("album", "curves")}
    own = {form for part in kept.values() for value in floats(part) for form in roundings(value)}
    quoted = {form for value in floats(result.get("paper")) for form in roundings(value) | {str(value)}}
    return own - quoted


def is_record(path: Path) -> bool:
    return relative(path).startswith("fcos_edu/results/") and path.suffix == ".json"


def test_a_retyped_number_is_found() -> None:
    forms = measured({"metrics": {"AP": 0.55132, "AP50": 0.5}, "paper": {"AP": 37.1}, "seconds": 12.34})
    assert {"0.551", "0.5513", "55.1", "55.13"} <= forms
    assert not {"0.5", "0.500", "50.0", "37.1", "12.34", "0.55"} & forms
    assert "37.1" not in measured({"value": 0.371, "paper": 37.1})
    assert NUMBER.findall("AP 0.551, 55.1 %, v1.2.3, x0.551, 3.") == ["0.551", "55.1"]


def numbers_of_the_paper() -> set[str]:
    """What the paper prints, and what users of the official code report: to be quoted."""
    rows = [row for table in paper.TABLES.values() for row in table.values()]
    rows += [paper.ORACLE, paper.AMBIGUOUS_DETECTIONS]
    return {text for row in rows for text in row.texts} | {"36.6", "36.8"}


# Blocks that follow from records, to which tests/scripts/test_make_pages.py holds them.
MADE = re.compile(r"<!-- pages: (\w+) -->.*?<!-- /pages: \1 -->", re.DOTALL)


def test_no_measured_number_is_typed_into_prose() -> None:
    quoted = numbers_of_the_paper()
    results = {relative(p): json.loads(p.read_text("utf-8")) for p in FILES if is_record(p)}
    faults = []
    for file, result in results.items():
        forms = measured(result)
        faults += [
            f"{name}: {n} stands in {file}"
            for name, text, _ in prose()
            # written from the records; tests/scripts/ledger/test_page.py and test_report.py hold them to that
            if name not in ("book/ledger.md", "book/reproduction.md")
            for n in NUMBER.findall(MADE.sub("", text))
            if n in forms and n not in quoted
        ]
    assert not faults, "read the number from its file instead:\n" + "\n".join(faults)


def test_every_result_says_where_it_comes_from() -> None:
    for path in FILES:
        if is_record(path):
            result = json.loads(path.read_text("utf-8"))
            missing = {"what", "command", "data", "hardware", "versions", "date"} - set(result)
            assert not missing, f"{relative(path)} lacks {sorted(missing)}"
            assert {"value", "metrics"} & set(result), f"{relative(path)} has no figure"


# ---- the repository -------------------------------------------------------------------------------------------

# Spelt in pieces: this file must not hold them either.
MACHINE = re.compile(
    r"(?<![\w.~/-])/(?:" + "|".join(["ho" + "me", "ro" + "ot", "t" + "mp", "Us" + "ers", "wo" + "rk"]) + r")/[\w.]"
)
REGISTRIES = re.compile(
    "|".join(["py" + r"pi\.org", "python" + r"hosted\.", "npm" + r"js\.org", "deb" + r"\.debian\."])
)


def test_a_path_of_a_machine_is_found() -> None:
    assert MACHINE.search("see " + "/ho" + "me/ann/x.py")
    assert MACHINE.search('"' + "/t" + 'mp/ipykernel_1/2.py"')
    assert not MACHINE.search("docs/ho" + "me/x and https://a.org/ho" + "me/x")


def test_no_file_holds_a_path_of_a_machine_or_an_address_of_a_registry() -> None:
    faults = []
    for path in FILES:
        text = text_of(path) or ""
        for pattern in (MACHINE, REGISTRIES):
            faults += [f"{relative(path)}: ...{text[m.start() : m.end() + 30]!r}" for m in pattern.finditer(text)]
    assert not faults, "\n".join(faults)


def test_no_file_is_large() -> None:
    faults = []
    for path in FILES:
        limit = 3000 if relative(path).startswith("fcos_edu/checkpoints/") else 1500
        if path.stat().st_size > limit * KIB:
            faults.append(f"{relative(path)}: {path.stat().st_size // KIB} KiB, at most {limit}")
    assert not faults, "\n".join(faults)
