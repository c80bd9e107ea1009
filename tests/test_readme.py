"""README.md: every block runs as it stands, without a network, or says in a comment why it does not."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
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
    """An empty folder for all blocks, as a reader would have one."""
    return tmp_path_factory.mktemp("reader")


def as_bash_calls(code: str, folder: Path) -> list[list[str]]:
    """Run a block in bash, as it stands, with an ``fcos-edu`` that notes its words; the words of each call."""
    tool, told = folder / ".bin" / "fcos-edu", folder / ".bin" / "told"
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" '' >>{shlex.quote(str(told))}\n")
    tool.chmod(0o755)
    told.unlink(missing_ok=True)
    environment = os.environ | {"PATH": f"{tool.parent}{os.pathsep}{os.environ['PATH']}"}
    bash = ["bash", "-euo", "pipefail", "-c", code]
    done = subprocess.run(bash, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    return [call.split("\n") for call in told.read_text().removesuffix("\n\n").split("\n\n")]


def test_every_block_is_run_or_says_why_not() -> None:
    languages = {block.language for block in blocks() if not block.reason}
    assert languages == {"bash", "python"}, "what is run"
    assert sum(bool(block.reason) for block in blocks()) == 4, "a new block that is not run needs a good reason"


def test_the_blocks_run_one_after_the_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one folder, as they stand. No network would be found: what needs one fails, whatever lies in a cache.

    bash says what each command is called with; here it finds torch imported already.
    """
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(folder / ".torch"))
    monkeypatch.setenv("FCOS_EDU_DATA", str(folder / ".data"))
    monkeypatch.chdir(folder)
    ran = 0
    for block in blocks():
        if block.reason:
            continue
        capsys.readouterr()
        if block.language == "python":
            exec(compile(block.code, "README.md", "exec"), {"__name__": "__main__"})
        else:
            for words in as_bash_calls(block.code, folder):
                assert main(words) == 0, words
                ran += 1
        if block.language == "python" and "evaluate" in block.code:
            assert float(re.findall(r"^AP (0\.\d+)$", capsys.readouterr().out, re.MULTILINE)[0]) > 0.5
    assert ran >= 6
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
