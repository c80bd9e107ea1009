"""The bank for learning systems and for paper: QTI 1.2 (Canvas), Moodle XML, and an exam with its key as HTML.

    python -m scripts.course.bank.export --out bank                       everything
    python -m scripts.course.bank.export --out bank --chapter 2 --chapter 3 --exam 20 --seed autumn

Canvas: Settings, Import Course Content, "QTI .zip file". Moodle: Question bank, Import, "Moodle XML format".
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import zipfile
from collections.abc import Sequence
from html import escape
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element, SubElement

if not __package__:  # run as a file: the folder of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from fcos_edu.atomic import atomic_write
from fcos_edu.text import counted
from scripts.course.bank.collect import arranged, bank
from scripts.course.bank.items import CHAPTERS, Item

QTI = "http://www.imsglobal.org/xsd/ims_qtiasiv1p2"
PACKAGE = "http://www.imsglobal.org/xsd/imscp_v1p1"
CANVAS = {"one": "multiple_choice_question", "several": "multiple_answers_question", "number": "numerical_question"}


def _node(parent: Element, tag: str, text: str | None = None, **attributes: str) -> Element:
    made = SubElement(parent, tag, attributes)
    made.text = text
    return made


def _bytes(root: Element) -> bytes:
    ET.indent(root)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="utf-8") + b"\n"


# ---- QTI 1.2 --------------------------------------------------------------------------------------------------


def qti_item(section: Element, item: Item) -> None:
    """One question of an assessment."""
    node = _node(section, "item", ident=item.id, title=f"{item.chapter}: {item.objective}, {item.level}")
    fields = _node(_node(node, "itemmetadata"), "qtimetadata")
    for label, entry in (
        ("question_type", CANVAS[item.kind]),
        ("points_possible", "1"),
        ("level", item.level),
        ("objective", item.objective),
    ):
        field = _node(fields, "qtimetadatafield")
        _node(field, "fieldlabel", label)
        _node(field, "fieldentry", entry)
    shown = _node(node, "presentation")
    _material(shown, f"<p>{escape(item.text)}</p>", "text/html")
    processing = Element("resprocessing")
    _node(_node(processing, "outcomes"), "decvar", maxvalue="100", minvalue="0", varname="SCORE", vartype="Decimal")
    feedback: list[tuple[str, str]] = []
    if item.note:
        _other(processing, "general_fb")
        feedback.append(("general_fb", item.note))
    if item.kind == "number":
        asked = _node(shown, "response_str", ident="response1", rcardinality="Single")
        _node(_node(asked, "render_fib", fibtype="Decimal"), "response_label", ident="answer1")
        low, high = item.value - item.tolerance, item.value + item.tolerance
        either = _node(_node(_condition(processing), "conditionvar"), "or")
        _node(either, "varequal", f"{item.value:.10g}", respident="response1")
        both = _node(either, "and")
        _node(both, "vargte", f"{low:.10g}", respident="response1")
        _node(both, "varlte", f"{high:.10g}", respident="response1")
        _node(processing[-1], "setvar", "100", action="Set", varname="SCORE")
        if item.options:  # Canvas keeps one remark for all wrong numbers
            _other(processing, "general_incorrect_fb")
            words = " ".join(f"{option.text}: {option.why}" for option in item.options)
            feedback.append(("general_incorrect_fb", words))
    else:
        many = item.kind == "several"
        asked = _node(shown, "response_lid", ident="response1", rcardinality="Multiple" if many else "Single")
        choices = _node(asked, "render_choice")
        options = arranged(item)
        for i, option in enumerate(options, start=1):
            _material(_node(choices, "response_label", ident=f"{item.id}-{i}"), option.text, "text/plain")
            _tell(processing, f"{item.id}-{i}", f"{item.id}-{i}_fb")
            feedback.append((f"{item.id}-{i}_fb", option.why))
        wanted = _node(_condition(processing), "conditionvar")
        if many:
            wanted = _node(wanted, "and")
        for i, option in enumerate(options, start=1):
            if option.right:
                _node(wanted, "varequal", f"{item.id}-{i}", respident="response1")
            elif many:
                _node(_node(wanted, "not"), "varequal", f"{item.id}-{i}", respident="response1")
        _node(processing[-1], "setvar", "100", action="Set", varname="SCORE")
    node.append(processing)
    for name, words in feedback:
        _material(_node(_node(node, "itemfeedback", ident=name), "flow_mat"), words, "text/plain")


def _material(parent: Element, text: str, kind: str) -> None:
    _node(_node(parent, "material"), "mattext", text, texttype=kind)


def _condition(processing: Element) -> Element:
    return _node(processing, "respcondition", **{"continue": "No"})


def _tell(processing: Element, answer: str, feedback: str) -> None:
    """Feedback for an answer, whether it is right or not; what follows is looked at too."""
    node = _node(processing, "respcondition", **{"continue": "Yes"})
    _node(_node(node, "conditionvar"), "varequal", answer, respident="response1")
    _node(node, "displayfeedback", feedbacktype="Response", linkrefid=feedback)


def _other(processing: Element, feedback: str) -> None:
    """Feedback for whatever was answered: of the whole question, or (behind the right answer) of every wrong one."""
    node = _node(processing, "respcondition", **{"continue": "Yes"})
    _node(_node(node, "conditionvar"), "other")
    _node(node, "displayfeedback", feedbacktype="Response", linkrefid=feedback)


def qti_zip(items: Sequence[Item]) -> bytes:
    """A package for Canvas: a quiz for each chapter, and the manifest that lists them."""
    manifest = Element("manifest", {"xmlns": PACKAGE, "identifier": "fcos-edu-bank"})
    data = _node(manifest, "metadata")
    _node(data, "schema", "IMS Content")
    _node(data, "schemaversion", "1.1.3")
    _node(manifest, "organizations")
    resources = _node(manifest, "resources")
    files = {}
    for chapter in dict.fromkeys(item.chapter for item in items):
        root = Element("questestinterop", {"xmlns": QTI})
        name = f"{chapter}/{chapter}.xml"
        section = _node(_node(root, "assessment", ident=f"fcos-{chapter}", title=f"FCOS, chapter {int(chapter[:2])}"),
                        "section", ident="root_section")  # fmt: skip
        for item in items:
            if item.chapter == chapter:
                qti_item(section, item)
        files[name] = _bytes(root)
        resource = _node(resources, "resource", identifier=f"fcos-{chapter}", type="imsqti_xmlv1p2", href=name)
        _node(resource, "file", href=name)
    files["imsmanifest.xml"] = _bytes(manifest)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(info, files[name])
    return stream.getvalue()


# ---- Moodle XML -----------------------------------------------------------------------------------------------


def moodle_xml(items: Sequence[Item]) -> bytes:
    """For Moodle's question bank: a category for each chapter; level and objective are tags."""
    root, before = Element("quiz"), ""
    for item in items:
        if item.chapter != before:
            category = _node(_node(root, "question", type="category"), "category")
            _node(category, "text", f"$course$/FCOS/{item.chapter}")
            before = item.chapter
        question = _node(root, "question", type="numerical" if item.kind == "number" else "multichoice")
        _node(_node(question, "name"), "text", item.id)
        _node(_node(question, "questiontext", format="html"), "text", f"<p>{escape(item.text)}</p>")
        general = f"<p>{escape(item.note)}</p>" if item.note else ""
        _node(_node(question, "generalfeedback", format="html"), "text", general)
        _node(question, "defaultgrade", "1.0000000")
        _node(question, "penalty", "0.3333333")
        _node(question, "hidden", "0")
        _node(question, "idnumber", item.id)
        if item.kind == "number":
            _answer(question, f"{item.value:.10g}", 100, item.note, tolerance=item.tolerance)
            for option in item.options:
                _answer(question, option.text, 0, option.why, tolerance=0)
        else:
            right = sum(option.right for option in item.options)
            wrong = len(item.options) - right
            _node(question, "single", "true" if item.kind == "one" else "false")
            _node(question, "shuffleanswers", "true")
            _node(question, "answernumbering", "abc")
            for option in arranged(item):
                lost = -100 / wrong if item.kind == "several" and wrong else 0
                _answer(question, option.text, 100 / right if option.right else lost, option.why)
        tags = _node(question, "tags")
        for tag in (item.level, f"objective {item.objective}"):
            _node(_node(tags, "tag"), "text", tag)
    return _bytes(root)


def _answer(question: Element, text: str, share: float, why: str, tolerance: float | None = None) -> None:
    fraction = f"{share:.5f}".rstrip("0").rstrip(".")
    answer = _node(
        question, "answer", fraction=fraction, format="moodle_auto_format" if tolerance is not None else "plain_text"
    )
    _node(answer, "text", text)
    _node(_node(answer, "feedback", format="plain_text"), "text", why)
    if tolerance is not None:
        _node(answer, "tolerance", f"{tolerance:.10g}")


# ---- paper ----------------------------------------------------------------------------------------------------

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 11pt/1.45 Georgia, serif; max-width: 45rem; margin: 2rem auto; padding: 0 1rem; color: #111;
  background: #fff }}
ol.questions > li, ul > li {{ break-inside: avoid; margin-bottom: 1.1rem }}
li li {{ margin-bottom: .2rem }}
ol.answers {{ list-style: upper-alpha; margin-top: .3rem }}
.number {{ display: inline-block; border-bottom: 1px solid #111; width: 8rem }}
.why {{ color: #333; font-size: .95em }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


_NAME = '<p>Name: <span class="number" style="width:18rem"></span> &emsp; Number: <span class="number"></span></p>\n'


def exam(
    items: Sequence[Item], *, count: int | None = None, seed: str = "", title: str = "FCOS: examination"
) -> tuple[str, str]:
    """A printable exam, and its key: two pages, so that the key is not printed with it.

    Args:
        items: to choose from.
        count: how many, spread over the chapters; None for all.
        seed: which ones, and the order of the answers.
        title: of the paper.

    Raises:
        ValueError: there are not so many questions.
    """
    chosen = choose(items, len(items) if count is None else count, seed)
    asked, solved = [], []
    for item in chosen:
        text = f"<p>{escape(item.text)}{' (Several answers may be right.)' if item.kind == 'several' else ''}</p>"
        options = arranged(item, seed)
        if item.kind == "number":
            asked.append(f'<li>{text}<p>Answer: <span class="number"></span></p></li>')
            near = "".join(f"<br>{escape(option.text)}: {escape(option.why)}" for option in options)
            within = f" (± {item.tolerance:g})" if item.tolerance else ""
            solved.append(
                f'<li><strong>{item.value:g}{within}</strong>. {escape(item.note)}<span class="why">{near}</span></li>'
            )
            continue
        listed = "".join(f"<li>{escape(option.text)}</li>" for option in options)
        asked.append(f'<li>{text}<ol class="answers">{listed}</ol></li>')
        letters = ", ".join("ABCDEFGH"[i] for i, option in enumerate(options) if option.right)
        why = "".join(f"<br>{'ABCDEFGH'[i]}: {escape(option.why)}" for i, option in enumerate(options))
        level = f"{item.level}, objective {item.objective}"
        solved.append(f'<li><strong>{letters}</strong> ({level})<span class="why">{why}</span></li>')
    paper = (
        f"{_NAME}<p>{counted(len(asked), 'questions')}, one point each.</p>\n"
        + '<ol class="questions">\n'
        + "\n".join(asked)
        + "\n</ol>"
    )
    key = '<ol class="questions">\n' + "\n".join(solved) + "\n</ol>"
    return _PAGE.format(title=escape(title), body=paper), _PAGE.format(title=escape(f"{title}, key"), body=key)


def reading(items: Sequence[Item], title: str) -> str:
    """Every question with its answers, which are right, and why: chapter by chapter, for the teacher."""
    parts, before = [], ""
    for item in items:
        if item.chapter != before:
            parts.append(f"{'</ul>' if before else ''}\n<h2>Chapter {int(item.chapter[:2])}</h2>\n<ul>")
            before = item.chapter
        if item.kind == "number":
            within = f" (± {item.tolerance:g})" if item.tolerance else ""
            rows = [f"<strong>{item.value:g}{within}</strong>: {escape(item.note)}"]
        else:
            rows = []
        for option in arranged(item):
            words = f"<strong>{escape(option.text)} (right)</strong>" if option.right else escape(option.text)
            rows.append(f"{words}: {escape(option.why)}")
        listed = "".join(f"<li>{row}</li>" for row in rows)
        kind = f"{item.id}; {item.level}; objective {item.objective}"
        parts.append(f'<li><p>{escape(item.text)} <span class="why">({kind})</span></p><ul>{listed}</ul></li>')
    return _PAGE.format(title=escape(title), body="\n".join(parts) + "\n</ul>")


def choose(items: Sequence[Item], count: int, seed: str) -> list[Item]:
    """So many questions, in the order of the chapters; no chapter has two more than another while it has any left.

    Raises:
        ValueError: there are not so many.
    """
    if not 1 <= count <= len(items):
        raise ValueError(
            f"{counted(count, 'questions')} are wanted; there are {len(items)}, and at least one is needed"
        )
    chance = random.Random(seed)
    left = {
        chapter: [item for item in items if item.chapter == chapter]
        for chapter in dict.fromkeys(i.chapter for i in items)
    }
    for own in left.values():
        chance.shuffle(own)
    chosen: list[Item] = []
    while len(chosen) < count:
        order = [chapter for chapter, own in left.items() if own]
        chance.shuffle(order)
        chosen += [left[chapter].pop() for chapter in order[: count - len(chosen)]]
    return sorted(chosen, key=list(items).index)


def exports(items: Sequence[Item], *, count: int | None = 30, seed: str = "") -> dict[str, bytes]:
    """Every form: file name and content."""
    number = None if count is None else min(count, len(items))
    paper, key = exam(items, count=number, seed=seed)
    return {
        "canvas_qti.zip": qti_zip(items),
        "moodle.xml": moodle_xml(items),
        "exam.html": paper.encode(),
        "exam_key.html": key.encode(),
        "all_questions.html": reading(items, "FCOS: all questions").encode(),
    }


def main(argv: list[str] | None = None) -> int:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--chapter", type=int, action="append", choices=list(CHAPTERS), help="default: all")
    parser.add_argument("--exam", type=int, default=30, metavar="N", help="questions of the printed exam")
    parser.add_argument("--seed", default="", help="which questions, and the order of the answers")
    arguments = parser.parse_args(argv)
    wanted = {CHAPTERS[one] for one in arguments.chapter or CHAPTERS}
    items = [item for item in bank() if item.chapter in wanted]
    for name, data in exports(items, count=arguments.exam, seed=arguments.seed).items():
        atomic_write(arguments.out / name, lambda path, data=data: path.write_bytes(data))  # type: ignore[misc]
        print(arguments.out / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
