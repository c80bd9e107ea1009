"""QTI 1.2, Moodle XML and paper: well-formed, of the published structure, one right answer where there must be one."""

from __future__ import annotations

import html
import io
import re
import zipfile
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from scripts.course.bank import export
from scripts.course.bank.collect import bank
from scripts.course.bank.items import Item, Option

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


# The content models of QTI 1.2 (ims_qtiasiv1p2p1) for the elements that we write: children in their order, attributes
# that must be there and those that may be.
MODELS = {
    "questestinterop": ("assessment", "", ""),
    "assessment": ("section", "ident title", ""),
    "section": ("item+", "ident", "title"),
    "item": ("itemmetadata presentation resprocessing itemfeedback*", "ident", "title"),
    "itemmetadata": ("qtimetadata", "", ""),
    "qtimetadata": ("qtimetadatafield+", "", ""),
    "qtimetadatafield": ("fieldlabel fieldentry", "", ""),
    "presentation": ("material (response_lid|response_str)", "", ""),
    "response_lid": ("render_choice", "ident", "rcardinality"),
    "response_str": ("render_fib", "ident", "rcardinality"),
    "render_choice": ("response_label+", "", ""),
    "render_fib": ("response_label", "fibtype", ""),
    "response_label": ("material?", "ident", ""),
    "material": ("mattext", "", ""),
    "resprocessing": ("outcomes respcondition+", "", ""),
    "outcomes": ("decvar", "", ""),
    "decvar": ("", "varname vartype", "minvalue maxvalue"),
    "respcondition": ("conditionvar setvar* displayfeedback*", "", "continue"),
    "conditionvar": ("(varequal|other|and|or)", "", ""),
    "and": ("(varequal|not|vargte|varlte)+", "", ""),
    "or": ("(varequal|and)+", "", ""),
    "not": ("varequal", "", ""),
    "itemfeedback": ("flow_mat", "ident", ""),
    "flow_mat": ("material", "", ""),
    "displayfeedback": ("", "feedbacktype linkrefid", ""),
    "setvar": ("", "varname", "action"),
    "mattext": ("", "", "texttype"),
    **dict.fromkeys(("varequal", "vargte", "varlte"), ("", "respident", "")),
    **dict.fromkeys(("other", "fieldlabel", "fieldentry"), ("", "", "")),
}
VALUES = {"rcardinality": {"Single", "Multiple"}, "fibtype": {"Decimal"}, "continue": {"Yes", "No"}, "action": {"Set"},
          "feedbacktype": {"Response"}, "vartype": {"Decimal"}, "texttype": {"text/plain", "text/html"}}  # fmt: skip


def test_every_element_of_qti_has_the_content_and_the_attributes_of_the_specification() -> None:
    for name, root in assessments().items():
        for node in root.iter() if name != "imsmanifest.xml" else ():
            tag = node.tag.removeprefix(Q)
            inside, needed, allowed = MODELS[tag]
            held = "".join(f"{child.tag.removeprefix(Q)}," for child in node)
            model = re.sub(r"\w+", lambda word: f"(?:{word[0]},)", inside).replace(" ", "")
            assert re.fullmatch(model, held), (tag, held)
            assert set(needed.split()) <= set(node.attrib) <= {*needed.split(), *allowed.split()}, (tag, node.attrib)
            assert all(node.attrib[key] in VALUES[key] for key in VALUES if key in node.attrib), (tag, node.attrib)
            leaf = not inside and tag not in ("other", "decvar", "displayfeedback")
            assert bool((node.text or "").strip()) == leaf, (tag, node.text)


def test_the_package_is_what_canvas_looks_for() -> None:
    """imsmanifest.xml at the top; a resource of QTI 1.2 for each quiz, with its file; question types that it knows."""
    manifest = assessments()["imsmanifest.xml"]
    P = f"{{{export.PACKAGE}}}"
    assert manifest.tag == f"{P}manifest" and manifest.get("identifier")
    assert [child.tag.removeprefix(P) for child in manifest] == ["metadata", "organizations", "resources"]
    for resource in manifest.iter(f"{P}resource"):
        assert [child.get("href") for child in resource] == [resource.get("href")]
        quiz = assessments()[str(resource.get("href"))].find(f"{Q}assessment")
        assert quiz is not None and quiz.get("ident") == resource.get("identifier") and quiz.get("title")
    known = {"multiple_choice_question": "response_lid", "multiple_answers_question": "response_lid",
             "numerical_question": "response_str"}  # fmt: skip
    for root in assessments().values():
        for node in root.iter(f"{Q}item"):
            fields = {f[0].text: f[1].text for f in node.iter(f"{Q}qtimetadatafield")}
            asked = node.find(f".//{Q}{known[str(fields['question_type'])]}")
            assert asked is not None and float(str(fields["points_possible"])) == 1
            several = fields["question_type"] == "multiple_answers_question"
            assert (asked.get("rcardinality") == "Multiple") == several


def test_every_question_of_moodle_has_the_parts_of_its_format() -> None:
    """https://docs.moodle.org/en/Moodle_XML_format: a category before its questions, and all parts of a question."""
    root = ET.fromstring(export.moodle_xml(items()))
    assert root.tag == "quiz" and root[0].get("type") == "category"
    category = ""
    for node, parts in ((node, [child.tag for child in node]) for node in root):
        if node.get("type") == "category":
            category = node.findtext("category/text", "")
            assert category.startswith("$course$/") and parts == ["category"]
            continue
        assert category.endswith(f"/{next(i.chapter for i in items() if i.id == node.findtext('idnumber'))}")
        once = ["name", "questiontext", "generalfeedback", "defaultgrade", "penalty", "hidden", "idnumber", "tags"]
        if node.get("type") == "multichoice":
            once += ["single", "shuffleanswers", "answernumbering"]
            assert node.findtext("answernumbering") in ("none", "abc", "ABCD", "123")
            assert {node.findtext("single"), node.findtext("shuffleanswers")} <= {"true", "false"}
            lost = [float(str(answer.get("fraction"))) for answer in node.iter("answer")]
            assert len(lost) >= 2 and abs(sum(share for share in lost if share > 0) - 100) < 0.01
            if node.findtext("single") == "false" and min(lost) < 0:
                assert abs(sum(share for share in lost if share < 0) + 100) < 0.01, "all crosses give no point"
        assert sorted(part for part in parts if part != "answer") == sorted(once), node.findtext("idnumber")
        for text in node.iter():
            if "format" in text.attrib:
                assert text.get("format") in ("html", "plain_text", "moodle_auto_format", "markdown")
                assert text.find("text") is not None
        assert all(answer.find("feedback") is not None for answer in node.iter("answer"))


def test_why_an_answer_is_right_is_said_to_all() -> None:
    """The words of a quiz greet who is right; as a remark on the whole question they are read by the others, too."""
    assert not [item.id for item in items() if re.match(r"(Yes|Right)\W", item.note)]
    assert all(item.note for item in items() if item.kind != "several")


def test_all_questions_are_read_with_their_answers() -> None:
    page = export.reading(items(), "All")
    assert page.count("<h2>") == 16 and page.count("<li><p>") == len(items())
    assert page.count(" (right)</strong>") == sum(option.right for item in items() for option in item.options)
    assert page.count("<ul>") == page.count("</ul>") == len(items()) + 16


def test_an_exam_and_its_key_agree() -> None:
    paper, key = export.exam(items(), count=24, seed="autumn")
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
    same, other = (export.exam(items(), count=24, seed=seed) for seed in ("autumn", "winter"))
    assert (paper, key) == same != other
    assert "<strong>" not in paper and "Key" not in paper, "the key is a page of its own, which is not printed with it"


def test_wrong_calls(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="999 questions are wanted"):
        export.choose(items(), 999, "")
    assert export.main(["--out", str(tmp_path / "bank"), "--chapter", "2", "--exam", "5"]) == 0
    assert sorted(path.name for path in (tmp_path / "bank").iterdir()) == [
        "all_questions.html", "canvas_qti.zip", "exam.html", "exam_key.html", "moodle.xml",
    ]  # fmt: skip
    assert "<title>FCOS: examination</title>" in (tmp_path / "bank" / "exam.html").read_text("utf-8")


# ---- read again, as the importers do -------------------------------------------------------------------------------
# Canvas (its qti importer and its own exports) and Moodle (question/format/xml) are not here. These readers take only
# what the formats' documents and those exports have; anything else is an error.

Read = tuple[str, str, list[tuple[str, bool, str]], str, str]  # kind, text, options, feedback: general, if wrong

ODD = [
    Item("odd-1", "02_locations", "apply", "2b", "Is 1 < 2 & \"x\" > 'y', $\\frac{a}{b} < c$? <b>no</b>", "one",
         (Option("l < r & t > b", True, "a < b"), Option("<img src=x>", False, "\"quoted\" & so on"),
          Option("$x_i^2$", False, "α, γ, ², ×, 漢字"), Option("]]>", False, "end of CDATA")), note="1 < 2 & 2"),
    Item("odd-2", "02_locations", "apply", "2b", "All are right", "several",
         (Option("a", True, "yes"), Option("b", True, "yes too"))),
    Item("odd-3", "03_levels", "apply", "3a", "Two of five", "several",
         tuple(Option(f"n{i}", i < 2, f"why {i}") for i in range(5))),
    Item("odd-4", "03_levels", "apply", "3a", "Small?", "number", (Option("-1e-05", False, "a < 0"),), 1e-5, 1e-7, "e"),
    Item("odd-5", "03_levels", "apply", "3a", "Exactly", "number", (), -3.0),
]  # fmt: skip


def shown(text: str | None) -> str:
    """What a browser shows of a paragraph of HTML: no tag of a question's own may be left."""
    if not text:
        return ""
    assert text != "<p></p>", "an empty box would be shown"
    inner = re.fullmatch(r"<p>(.*)</p>", text or "", re.S)
    assert inner and "<" not in inner[1] and ">" not in inner[1], text
    return html.unescape(inner[1])


def only(node: ET.Element, *tags: str) -> list[ET.Element]:
    """Its children, which have to be of these tags."""
    assert {child.tag.removeprefix(Q) for child in node} <= set(tags), [child.tag for child in node]
    return list(node)


def find(node: ET.Element, tag: str) -> ET.Element:
    found = node.findall(f"{Q}{tag}")
    assert len(found) == 1, tag
    return found[0]


def of_canvas(node: ET.Element) -> Read:
    fields = {f.findtext(f"{Q}fieldlabel"): f.findtext(f"{Q}fieldentry") for f in node.iter(f"{Q}qtimetadatafield")}
    kind = {kind: name for name, kind in export.CANVAS.items()}[str(fields["question_type"])]
    material, asked = only(find(node, "presentation"), "material", "response_lid", "response_str")
    said = {one.get("ident"): one.findtext(f".//{Q}mattext", "") for one in node.findall(f"{Q}itemfeedback")}
    # Names that Canvas takes for remarks on the whole question (/wrong|incorrect|correct|solution/) are kept for that.
    assert all(not re.search("wrong|correct|solution", str(name)) or name == "general_incorrect_fb" for name in said)
    parts, shows, right, refused = find(node, "resprocessing"), {}, [], []
    for condition in only(parts, "outcomes", "respcondition")[1:]:
        variable, act = condition
        if act.tag == f"{Q}setvar":
            assert (act.get("action"), act.text) == ("Set", "100") and condition.get("continue") == "No"
            refused = [str(one.findtext(f"{Q}varequal")) for one in variable.iter(f"{Q}not")]
            right = [str(one.text) for one in variable.iter(f"{Q}varequal") if one.text not in refused]
        else:
            (test,) = only(variable, "varequal", "other")
            assert condition.get("continue") == "Yes"
            shows["" if test.tag == f"{Q}other" else str(test.text), act.get("linkrefid")] = True
    linked = {name for _, name in shows}
    assert linked == set(said), "each feedback is shown by something, and there is one for each link"
    options = []
    for label in asked.iter(f"{Q}response_label"):
        own = str(label.get("ident"))
        if kind != "number":
            assert (own, f"{own}_fb") in shows
            options.append((label.findtext(f".//{Q}mattext", ""), own in right, said[f"{own}_fb"]))
    labels = {str(label.get("ident")) for label in asked.iter(f"{Q}response_label")}
    assert kind == "number" or (labels == {*right, *refused} if kind == "several" else {*right} < labels)
    if kind == "number":
        low, high = (float(str(parts.findtext(f".//{Q}{tag}"))) for tag in ("vargte", "varlte"))
        options = [(f"{low:.6g} {float(right[0]):.6g} {high:.6g}", True, "")]
    text = shown(material.findtext(f"{Q}mattext"))
    return kind, text, options, said.get("general_fb", ""), said.get("general_incorrect_fb", "")


def of_moodle(node: ET.Element) -> Read:
    kind = "number" if node.get("type") == "numerical" else "one" if node.findtext("single") == "true" else "several"
    assert node.find("questiontext").get("format") == "html"  # type: ignore[union-attr]
    options, wrong = [], []
    for answer in node.iter("answer"):
        text, share = answer.findtext("text", ""), float(str(answer.get("fraction")))
        assert answer.get("format") == ("moodle_auto_format" if kind == "number" else "plain_text")
        why = answer.findtext("feedback/text", "")
        if kind == "number" and share == 100:
            value, reach = float(text), float(answer.findtext("tolerance", ""))
            options.append((f"{value - reach:.6g} {value:.6g} {value + reach:.6g}", True, ""))
        elif kind == "number":
            assert share == 0 and float(answer.findtext("tolerance", "")) == 0
            wrong.append(f"{float(text):g}: {why}")
        else:
            options.append((text, share > 0, why))
    return kind, shown(node.findtext("questiontext/text")), options, shown(node.findtext("generalfeedback/text")), (
        " ".join(wrong))  # fmt: skip


def due(item: Item) -> Read:
    options = [(option.text, option.right, option.why) for option in export.arranged(item)]
    wrong = ""
    if item.kind == "number":
        wrong = " ".join(f"{float(option.text):g}: {option.why}" for option in item.options)
        low, high = item.value - item.tolerance, item.value + item.tolerance
        options = [(f"{low:.6g} {item.value:.6g} {high:.6g}", True, "")]
    return item.kind, item.text, options, item.note, wrong


def test_what_canvas_and_moodle_read_is_the_bank() -> None:
    """Every question of the bank, and odd ones: text, answers, which are right, feedback; nothing becomes HTML."""
    every = [*items(), *ODD]
    with zipfile.ZipFile(io.BytesIO(export.qti_zip(every))) as packed:
        roots = [ET.fromstring(packed.read(name)) for name in packed.namelist() if name != "imsmanifest.xml"]
    canvas = {node.get("ident"): of_canvas(node) for root in roots for node in root.iter(f"{Q}item")}
    moodle = {
        node.findtext("name/text"): of_moodle(node)
        for node in ET.fromstring(export.moodle_xml(every))
        if node.get("type") != "category"
    }
    for item in every:
        assert canvas[item.id] == due(item), item.id
        assert moodle[item.id] == due(item), item.id
    assert len(canvas) == len(moodle) == len(every)


def test_an_exam_on_paper_shows_odd_characters_as_they_are() -> None:
    page = "".join(export.exam(ODD)) + export.reading(ODD, "All")
    assert "<img" not in page and "<b>" not in page and "1 &lt; 2 &amp; &quot;x&quot;" in page
