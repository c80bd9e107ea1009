"""Write the address of the repository into every file that needs it.

The address stands in one place, ``[project.urls] Repository`` of pyproject.toml. From there follow:

- ``_config.yml``: launch buttons for Colab and Binder, link to the repository;
- ``CITATION.cff``: ``repository-code``;
- ``README.md`` and ``book/intro.md``: the blocks between ``<!-- repository: NAME -->`` and
  ``<!-- /repository: NAME -->``;
- each notebook: the Colab badge below the title, and the cell tagged ``colab`` that installs the package where it is
  missing, as on Colab and Kaggle.

Without an address no button is shown, so that no reader meets a dead one, and that cell says how to install by hand.

    python scripts/set_repository.py https://github.com/OWNER/NAME   set it
    python scripts/set_repository.py                                 write it again, after adding a chapter
    python scripts/set_repository.py --check                         change nothing, fail if a file is behind
    python scripts/set_repository.py --unset                         remove it

Needs nothing beyond the standard library.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

ADDRESS = re.compile(r"https://github\.com/(?P<owner>[A-Za-z0-9](?:[A-Za-z0-9-]*))/(?P<name>[A-Za-z0-9._-]+)")
BRANCH = "main"
COLAB = "https://colab.research.google.com"
BINDER = "https://mybinder.org"

# The extra `notebook` and no more: `book` would replace what Colab's own kernel has loaded.
PACKAGE = "fcos-edu[notebook]"
FIRST_CELL_SET = """\
from importlib.util import find_spec

if find_spec("fcos_edu") is None:  # this notebook came alone: Colab, Kaggle, ...
    %pip install -q "{requirement}"
"""
FIRST_CELL_UNSET = """\
from importlib.util import find_spec

if find_spec("fcos_edu") is None:  # this notebook came alone: Colab, Kaggle, ...
    install = '%pip install -q "./ITS_NAME[notebook]"'
    print("Upload a wheel or a zip of fcos-edu, then run:", install)
"""

CLONE = """\
```bash
git clone {url}
cd {name}
```
"""
PIP = """\
Without a clone, the package alone:

```bash
pip install "fcos-edu @ git+{url}@{branch}"
```
"""
# File, name of the block: its text with an address, and without one.
BLOCKS = {
    "README.md": {
        "badges": (
            """\
[![tests]({url}/actions/workflows/tests.yml/badge.svg)]({url}/actions/workflows/tests.yml)
[![Open in Colab]({colab}/assets/colab-badge.svg)]({colab}/github/{slug}/blob/{branch}/notebooks/{first})
""",
            "",
        ),
        "clone": (CLONE, ""),
        "pip": (PIP, ""),
    },
    "book/intro.md": {
        "clone": (CLONE, ""),
        "pip": (PIP, ""),
        "colab": (
            "**On Colab.** The rocket at the top of each chapter opens it there; its first cell installs everything. "
            "On Kaggle that cell does the same, once the notebook is uploaded and its session may use the internet.\n",
            "**On Colab or Kaggle.** Upload the notebook of a chapter and a zip of the repository, or a wheel\n"
            "(`pip wheel --no-deps .` in a clone makes one); the notebook's first cell says how to install it.\n",
        ),
    },
}


def normalise(address: str) -> str:
    """Return ``https://github.com/OWNER/NAME``; a final slash or ``.git`` is dropped.

    Raises:
        ValueError: the address has another form.
    """
    short = address.strip().removesuffix("/").removesuffix(".git")
    match = ADDRESS.fullmatch(short)
    if match is None or match["name"] in (".", ".."):
        raise ValueError(f"{address!r} is no repository address; it must read https://github.com/OWNER/NAME")
    return short


def read_address(root: Path) -> str | None:
    """Return the address that stands in pyproject.toml, or None."""
    match = re.search(r'^Repository = "(.+)"$', (root / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    return normalise(match[1]) if match else None


def fill(template: str, url: str, **more: str) -> str:
    """Fill the fields of a template that follow from the address."""
    slug = url.removeprefix("https://github.com/")
    return template.format(url=url, slug=slug, name=slug.split("/")[1], branch=BRANCH, colab=COLAB, **more)


def replace_once(text: str, pattern: str, new: str, where: str) -> str:
    """Replace the one match of ``pattern``; no match is an error, so that nothing goes missing quietly."""
    text, count = re.subn(pattern, lambda _: new, text, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"{where}: expected one line like {pattern!r}, found {count}")
    return text


def write_pyproject(text: str, url: str | None) -> str:
    """``Repository`` below ``[project.urls]``."""
    text = re.sub(r'^Repository = ".*"\n', "", text, flags=re.MULTILINE)
    lines = f'[project.urls]\nRepository = "{url}"\n' if url else "[project.urls]\n"
    return replace_once(text, r"^\[project\.urls\]\n", lines, "pyproject.toml")


def write_config(text: str, url: str | None) -> str:
    """The values of _config.yml that depend on the address."""
    values = {
        "url": json.dumps(url or ""),
        "colab_url": json.dumps(COLAB if url else ""),
        "binderhub_url": json.dumps(BINDER if url else ""),
        "use_repository_button": "true" if url else "false",
    }
    for key, value in values.items():
        text = replace_once(text, rf"^  {key}: .*$", f"  {key}: {value}", "_config.yml")
    return text


def write_citation(text: str, url: str | None) -> str:
    """``repository-code``, after the version."""
    text = re.sub(r"^repository-code: .*\n", "", text, flags=re.MULTILINE)
    if url is None:
        return text
    version = re.search(r"^version: .*\n", text, re.MULTILINE)
    if version is None:
        raise ValueError("CITATION.cff: no line 'version: ...' to put repository-code after")
    return text[: version.end()] + f'repository-code: "{url}"\n' + text[version.end() :]


def write_blocks(text: str, url: str | None, first: str, file_name: str) -> str:
    """The marked blocks of a page; ``first`` is the file name of the first chapter."""
    for block, (template, without) in BLOCKS[file_name].items():
        begin, end = f"<!-- repository: {block} -->", f"<!-- /repository: {block} -->"
        body = fill(template, url, first=first) if url else without
        text = replace_once(text, rf"{re.escape(begin)}\n(?s:.*?){re.escape(end)}", f"{begin}\n{body}{end}", file_name)
    return text


def write_notebook(text: str, url: str | None, file_name: str) -> str:
    """Badge below the title, and the source of the cell tagged ``colab``."""
    notebook = json.loads(text)
    cells = notebook["cells"]
    title = cells[0] if cells else {"cell_type": "none", "source": ""}
    lines = "".join(title["source"]).splitlines()
    if title["cell_type"] != "markdown" or not lines or not lines[0].startswith("# "):
        raise ValueError(f"notebooks/{file_name}: the first cell must be markdown and begin with '# Title'")
    code = next((cell for cell in cells if cell["cell_type"] == "code"), None)
    if code is None or "colab" not in code["metadata"].get("tags", []):
        raise ValueError(f"notebooks/{file_name}: the first code cell must carry the tag 'colab'")

    rest = [line for line in lines[1:] if not line.startswith("[![Open in Colab]")]
    while rest and not rest[0]:
        rest.pop(0)
    if url:
        link = f"{{colab}}/github/{{slug}}/blob/{{branch}}/notebooks/{file_name}"
        badge = fill(f"[![Open in Colab]({{colab}}/assets/colab-badge.svg)]({link})", url)
        rest = [badge, "", *rest] if rest else [badge]
    title["source"] = as_lines("\n".join([lines[0], "", *rest] if rest else [lines[0]]))
    source = first_cell(fill(PACKAGE + " @ git+{url}@{branch}", url) if url else None)
    code["source"] = as_lines(source.rstrip("\n"))
    # The form in which nbformat writes, so that executing a notebook later changes nothing else.
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def first_cell(requirement: str | None) -> str:
    """The source of the cell tagged ``colab``.

    Args:
        requirement: what pip installs where the package is missing; None: nobody knows, and the cell says what to do.
    """
    return FIRST_CELL_SET.format(requirement=requirement) if requirement else FIRST_CELL_UNSET


def as_lines(text: str) -> list[str]:
    """The list of lines that the notebook format wants."""
    return text.splitlines(keepends=True)


def write_all(root: Path, url: str | None, *, check: bool = False) -> list[str]:
    """Bring every file up to the address and return the names of those that had to change.

    Nothing is written unless all files could be worked out, nor with ``check``.
    """
    notebooks = sorted((root / "notebooks").glob("*.ipynb"))
    first = notebooks[0].name if notebooks else ""
    writers: dict[str, Callable[[str], str]] = {
        "pyproject.toml": lambda text: write_pyproject(text, url),
        "_config.yml": lambda text: write_config(text, url),
        "CITATION.cff": lambda text: write_citation(text, url),
    }
    for name in BLOCKS:
        writers[name] = lambda text, name=name: write_blocks(text, url, first, name)
    for path in notebooks:
        writers[f"notebooks/{path.name}"] = lambda text, name=path.name: write_notebook(text, url, name)

    changed = {}
    for name, write in writers.items():
        old = (root / name).read_text("utf-8")
        new = write(old)
        if new != old:
            changed[name] = new
    if not check:
        for name, new in changed.items():
            (root / name).write_text(new, "utf-8")
    return list(changed)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Write the address of the repository into configuration, badges and first cells.",
        epilog="Example: python scripts/set_repository.py https://github.com/OWNER/NAME",
    )
    parser.add_argument("address", nargs="?", help="https://github.com/OWNER/NAME; default: as in pyproject.toml")
    parser.add_argument("--unset", action="store_true", help="remove the address everywhere")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a file is behind")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1], help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.unset and args.address:
        parser.error("give an address or --unset, not both")
    try:
        if args.unset:
            url = None
        else:
            url = normalise(args.address) if args.address else read_address(args.root)
        changed = write_all(args.root, url, check=args.check)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if args.check and changed:
        print(f"behind the address {url or '(none)'}: {', '.join(changed)}", file=sys.stderr)
        return 1
    print(f"address: {url or '(none)'}; changed: {', '.join(changed) or 'nothing'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
