"""Text of strangers: any Unicode encoding, nothing in it that moves a terminal's cursor; one thing and several."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcos_edu.text import counted, printable, read_bytes, read_text, shortened

ROOT = Path(__file__).resolve().parents[1]

# Each noun that the package counts, and its singular, written out.
NOUNS = dict(
    pair.split("/")
    for pair in """
    anchors/anchor annotations/annotation areas/area bins/bin blocks/block bounds/bound boxes/box bytes/byte
    candidates/candidate channels/channel characters/character classes/class columns/column cores/core crops/crop
    detections/detection differences/difference draws/draw entries/entry epochs/epoch files/file frames/frame
    gradients/gradient groups/group images/image inputs/input labels/label levels/level locations/location
    losses/loss maps/map measurements/measurement minutes/minute names/name negatives/negative numbers/number
    objects/object panels/panel
    parts/part passes/pass pictures/picture points/point positives/positive questions/question rates/rate
    reasons/reason regions/region results/result rows/row runs/run scores/score seeds/seed shapes/shape
    sizes/size splits/split spreads/spread steps/step strides/stride submissions/submission targets/target
    threads/thread thresholds/threshold turns/turn values/value videos/video ways/way workers/worker
    """.split()
)

# Where a number stands before a plural and is more than one, or is no number.
MORE_THAN_ONE = {
    "data/dataset.py": {"annotations.images"},
    "data/decoding.py": {"kind"},
    "data/division.py": {"sum(map(len, copies))"},
    "data/tables.py": {"where"},
    "evaluation/coco_ap.py": {"len(truth['images'])", "left_out"},
    "evaluation/detection_files.py": {"len(best)"},
    "figures/analysis.py": {"total"},
    "figures/proposals.py": {"proposals"},
    "integrity.py": {"length"},  # of a header of megabytes
    "paper.py": {"len(self)"},
    "widgets/anchors.py": {"total"},  # thousands
}


@given(st.text(), st.text())
def test_what_is_printed_can_be_printed_anywhere_and_moves_no_cursor(one: str, other: str) -> None:
    text = printable(one + "\x1b[2J" + other)
    text.encode("utf-8")
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029\u202e" for c in text)
    assert printable(text) == text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("platelets", "platelets"),
        ("Zellkern (grün)", "Zellkern (grün)"),
        ("細胞\u3000核", "細胞\u3000核"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # Persian needs the joiner
        ("\x1b]0;title\x07red", "\\x1b]0;title\\x07red"),
        ("a\r\nfcos-edu: done", "a\\r\\nfcos-edu: done"),
        ("cat\u202egpj.exe", "cat\\u202egpj.exe"),
        ("\x9b31m", "\\x9b31m"),  # the same sequence in one byte of latin-1
        ("\udcff.jpg", "\\udcff.jpg"),  # a file name that is no UTF-8
        (Path("a\tb"), "a\\tb"),
        (3, "3"),
    ],
)
def test_control_characters_stand_as_escapes(name: object, shown: str) -> None:
    assert printable(name) == shown


def test_lines_may_stay() -> None:
    assert printable("a\nb\x1b", keep="\n") == "a\nb\\x1b"


def test_values_are_quoted_shortly() -> None:
    assert shortened("x\x1b") == "'x\\x1b'"
    assert shortened(list(range(10_000))).endswith("...") and len(shortened(list(range(10_000)))) == 100
    assert shortened(10**5000) == "a int too large to be shown"
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    assert "list" in shortened(deep)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_encoding_of_unicode_is_read_without_its_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes("a1\nö2\n".encode(encoding))
    assert read_text(tmp_path / "a.txt") == "a1\nö2\n"


def test_other_encodings_and_other_things_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("weiß\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"a\.txt is no text in UTF-8 or UTF-16 \(.* at byte 3\); save it as UTF-8"):
        read_text(tmp_path / "a.txt")
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        read_bytes(tmp_path)
    os.mkfifo(tmp_path / "pipe")  # reading it would wait for ever
    with pytest.raises(ValueError, match="pipe is no regular file"):
        read_text(tmp_path / "pipe")


@given(st.integers(), st.sampled_from(sorted(NOUNS)), st.sampled_from(["", "degenerate ", "unreadable class-free "]))
def test_one_thing_is_one_and_all_other_numbers_are_several(count: int, many: str, kind: str) -> None:
    for told in (count, str(count)):
        noun = NOUNS[many] if count == 1 else many
        assert (
            counted(told, f"{kind}{many} of two classes (3 boxes)") == f"{count} {kind}{noun} of two classes (3 boxes)"
        )
    assert counted(count, many, "sheep is") == ("1 sheep is" if count == 1 else f"{count} {many}")


def test_a_number_as_it_is_printed_decides() -> None:
    assert counted("1.0", "points") == "1.0 points" and counted(f"{1.0:g}", "points") == "1 point"
    assert counted(f"{1000:,}", "crowd boxes") == "1,000 crowd boxes"


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / "fcos_edu").rglob("*.py")):
        yield path.relative_to(ROOT / "fcos_edu").as_posix(), ast.parse(path.read_text("utf-8"))


def test_every_noun_that_is_counted_has_its_singular() -> None:
    calls = [
        node
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "counted"
    ]
    nouns = [call.args[1].value for call in calls if len(call.args) == 2 and isinstance(call.args[1], ast.Constant)]
    assert len(nouns) > 100
    for noun in nouns:
        *kind, last = str(noun).split()
        assert counted(1, str(noun)) == " ".join(["1", *kind, NOUNS[last]])


def test_no_number_stands_before_a_plural_by_itself() -> None:
    plural = re.compile(rf" (?:[a-z-]+[a-rt-z] )?(?:{'|'.join(NOUNS)})\b(?!-)")  # "boxes" and "degenerate boxes"
    preposition = re.compile(r" (?:of|with|without|and|or|but|in|on|to|for|as|than|from|it) ")
    found: dict[str, set[str]] = {}
    for name, tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.JoinedStr):
                continue
            for value, text in zip(node.values, node.values[1:], strict=False):
                if not (isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant)):
                    continue
                told, number = str(text.value), ast.unparse(value.value)
                form = ast.unparse(value.format_spec) if value.format_spec is not None else ""
                if not plural.match(told) or preposition.match(told):
                    continue
                if number.isupper() or number.startswith(("printable(", "counted(")) or re.search(r"\.[1-9]\d*f", form):
                    continue  # a constant, a name, words; 1.00 is several
                found.setdefault(name, set()).add(number)
    assert found == MORE_THAN_ONE, "write such numbers with fcos_edu.text.counted"
