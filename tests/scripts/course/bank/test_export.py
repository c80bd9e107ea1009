"""QTI 1.2, Moodle XML and paper: well-formed, of the published structure, one right answer where there must be one."""

from __future__ import annotations

import io
import re
import zipfile
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from scripts.course.bank import export
from scripts.course.bank.collect import bank
from scripts.course.bank.items import Item

Q = f"{{{export.QTI}}}"
# Moodle takes no other share of a mark (question/engine/bank.php).
SHARES = {100, 90, 83.33333, 80, 75, 70, 66.66667, 60, 50, 40, 33.33333, 30, 25, 20, 16.66667, 14.28571, 12.5, 11.11111,
          10, 5, 0}  # fmt: skip


@cache
def items() -> list[Item]:
    return bank()


@cache
def assessments() -> dict[str, ET.Element]:
    with zipfile.ZipFile(io.BytesIO(export.qti_zip(items()))) as packed:
        assert packed.testzip() is None
        return {name: ET.fromstring(packed.read(name)) for name in packed.namelist()}


def test_the_manifest_lists_every_quiz() -> None:
    manifest = assessments()["imsmanifest.xml"]
    listed = [node.get("href") for node in manifest.iter(f"{{{export.PACKAGE}}}file")]
    assert sorted(listed) == sorted(set(assessments()) - {"imsmanifest.xml"}) and len(listed) == 16
    kinds = {node.get("type") for node in manifest.iter(f"{{{export.PACKAGE}}}resource")}
    assert kinds == {"imsqti_xmlv1p2"}


def test_every_item_of_qti_has_the_published_order() -> None:
    found = [node for root in assessments().values() for node in root.iter(f"{Q}item")]
    assert sorted(node.get("ident") for node in found) == sorted(item.id for item in items())
    by_id = {item.id: item for item in items()}
    for node in found:
        order = [child.tag.removeprefix(Q) for child in node]
        assert order[:3] == ["itemmetadata", "presentation", "resprocessing"] and set(order[3:]) <= {"itemfeedback"}
        own = [child.get("ident") for child in node.iter() if child.get("ident")]
        assert len(own) == len(set(own))
        wanted = {child.get("linkrefid") for child in node.iter(f"{Q}displayfeedback")}
        assert wanted <= {child.get("ident") for child in node.iter(f"{Q}itemfeedback")}
        for condition in node.iter(f"{Q}respcondition"):
            parts = [child.tag.removeprefix(Q) for child in condition]
            assert parts[0] == "conditionvar" and parts[1] in ("setvar", "displayfeedback") and len(parts) == 2
        labels = {child.get("ident") for child in node.iter(f"{Q}response_label")}
        scored = [c for c in node.iter(f"{Q}respcondition") if c.find(f"{Q}setvar") is not None]
        assert len(scored) == 1 and scored[0].findtext(f"{Q}setvar") == "100"
        item = by_id[str(node.get("ident"))]
        if item.kind == "number":
            low, high = (float(str(scored[0].findtext(f".//{Q}{tag}"))) for tag in ("vargte", "varlte"))
            assert low <= item.value <= high
            continue
        equal = scored[0].find(f"{Q}conditionvar")
        assert equal is not None
        refused = {n.findtext(f"{Q}varequal") for n in equal.iter(f"{Q}not")}
        named = {n.text for n in equal.iter(f"{Q}varequal")}
        assert named <= labels and len(named - refused) == sum(option.right for option in item.options)
        assert item.kind == "several" or (len(named) == 1 and not refused)


def test_moodle_takes_every_question() -> None:
    root = ET.fromstring(export.moodle_xml(items()))
    asked = [node for node in root if node.get("type") != "category"]
    assert [node.findtext("name/text") for node in asked] == [item.id for item in items()]
    assert len(root) - len(asked) == 16
    for node, item in zip(asked, items(), strict=True):
        shares = [float(str(answer.get("fraction"))) for answer in node.iter("answer")]
        assert all(abs(share) in SHARES for share in shares), item.id
        assert all(
            answer.findtext("text") and answer.findtext("feedback/text") is not None for answer in node.iter("answer")
        )
        assert node.findtext("questiontext/text", "").startswith("<p>")
        if item.kind == "number":
            assert node.get("type") == "numerical" and shares[0] == 100 and set(shares[1:]) <= {0}
            assert all(float(answer.findtext("tolerance", "-1")) >= 0 for answer in node.iter("answer"))
        else:
            assert node.get("type") == "multichoice"
            assert node.findtext("single") == ("true" if item.kind == "one" else "false")
            assert shares.count(100) == 1 if item.kind == "one" else abs(sum(s for s in shares if s > 0) - 100) < 0.001


def test_an_exam_and_its_key_agree() -> None:
    page = export.exam(items(), count=24, seed="autumn")
    paper, _, key = page.partition('<section class="key">')
    chosen = export.choose(items(), 24, "autumn")
    assert paper.count("<li><p>") == 24 and len(set(chosen)) == 24
    assert {item.chapter for item in chosen} == {item.chapter for item in items()}, "spread over all chapters"
    parts = re.split(r"<li><p>", paper)[1:]
    solved = re.findall(r"<li><strong>(.*?)</strong>", key)
    assert len(solved) == 24
    for item, asked, answer in zip(chosen, parts, solved, strict=True):
        if item.kind == "number":
            assert answer.startswith(f"{item.value:g}") and '<span class="number">' in asked
            continue
        options = re.findall(r"<li>(.*?)</li>", asked)
        right = {"ABCDEFGH"[options.index(export.escape(option.text))] for option in item.options if option.right}
        assert set(answer.split(", ")) == right
    assert page == export.exam(items(), count=24, seed="autumn") != export.exam(items(), count=24, seed="winter")
    assert "<strong>" not in paper, "the key stands behind"


def test_wrong_calls(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="999 questions are wanted"):
        export.choose(items(), 999, "")
    assert export.main(["--out", str(tmp_path / "bank"), "--chapter", "2", "--exam", "5"]) == 0
    assert sorted(path.name for path in (tmp_path / "bank").iterdir()) == [
        "all_questions.html", "canvas_qti.zip", "exam.html", "moodle.xml",
    ]  # fmt: skip
    assert "<title>FCOS: examination</title>" in (tmp_path / "bank" / "exam.html").read_text("utf-8")
