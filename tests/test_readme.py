"""README.md: every block runs as it stands, without a network, or says in a comment why it does not."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from fcos_edu.cli import main

ROOT = Path(__file__).resolve().parents[1]
# Written by scripts/set_repository.py: they fetch the repository.
GENERATED = re.compile(r"<!-- repository: (\w+) -->.*?<!-- /repository: \1 -->", re.DOTALL)
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>.+?) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    """A block of code, and why it is not run ("" where it is)."""

    language: str
    code: str
    reason: str


def blocks() -> list[Block]:
    text = GENERATED.sub("", (ROOT / "README.md").read_text("utf-8"))
    found = [Block(m["language"], m["code"], m["reason"] or "") for m in BLOCK.finditer(text)]
    assert len(found) == text.count("```") / 2, "a block without a language"
    return found


def commands(code: str) -> Iterator[list[str]]:
    """The words of each line that calls ``fcos-edu``, under a launcher too, from the name of the command on."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["fcos-edu"]:
            yield words[1:]
        elif "fcos_edu.cli" in words:
            yield words[words.index("fcos_edu.cli") + 1 :]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder for all blocks, as a reader would have one; ``fcos-edu`` is this copy of the package."""
    folder = tmp_path_factory.mktemp("reader")
    tool = folder / ".bin" / "fcos-edu"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m fcos_edu.cli "$@"\n')
    tool.chmod(0o755)
    return folder


def test_every_block_is_run_or_says_why_not() -> None:
    languages = {block.language for block in blocks() if not block.reason}
    assert languages == {"bash", "python"}, "what is run"
    assert sum(bool(block.reason) for block in blocks()) == 4, "a new block that is not run needs a good reason"


def test_the_blocks_run_one_after_the_other(folder: Path) -> None:
    """In one folder, as they stand. No network would be found: what needs one fails, whatever lies in a cache."""
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = os.environ | nowhere | {
        "PATH": f"{folder / '.bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "TORCH_HOME": str(folder / ".torch"),
        "FCOS_EDU_DATA": str(folder / ".data"),
    }  # fmt: skip
    for block in blocks():
        if block.reason:
            continue
        start = ["bash", "-euo", "pipefail", "-c"] if block.language == "bash" else [sys.executable, "-c"]
        done = subprocess.run([*start, block.code], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{block.code}\n{done.stdout}\n{done.stderr}"
        if block.language == "python" and "evaluate" in block.code:
            assert float(re.findall(r"^AP (0\.\d+)$", done.stdout, re.MULTILINE)[0]) > 0.5
    assert len(json.loads((folder / "detections" / "detections.json").read_text())["annotations"]) >= 8
    assert len(list((folder / "detections").glob("*.png"))) == 8
    assert (folder / "runs" / "first" / "model.safetensors").is_file()


def test_the_configurations_of_what_is_not_run_can_be_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    made = 0
    for block in blocks():
        for words in commands(block.code) if block.reason else ():
            if words[:2] == ["data", "export"]:
                assert main([*words, "--images", "4"]) == 0
            if words[0] in ("train", "study"):
                capsys.readouterr()
                assert main([*words, "--print"]) == 0
                assert json.loads(capsys.readouterr().out)
                made += 1
    assert made == 7
