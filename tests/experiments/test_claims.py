"""Claims judged from figures alone: by hand, by a table of a record of before, and whole families."""

from __future__ import annotations

import json

import pytest
from scipy import stats

from fcos_edu.experiments.claims import NO_BOXES, NOT_RUN, TOO_FEW, judged, judged_table
from fcos_edu.experiments.statistics import WORDS
from fcos_edu.experiments.studies import STUDIES, spread
from fcos_edu.records import RESULTS

REPRODUCED, NOT_TOLD_APART, CONTRADICTED = WORDS
NONE, BRANCH = [0.40, 0.41, 0.39], [0.46, 0.468, 0.449]


def table(**rows: list[float | None]) -> dict:
    return {row: {"AP": spread(values)} for row, values in rows.items()}


def by_pair(found: list[dict]) -> dict[str, dict]:
    return {f"{one['first']}/{one['second']}": one for one in found}


def test_a_table_by_hand_with_scipys_interval():
    found = by_pair(judged_table("centerness", table(none=NONE, branch=BRANCH)))
    one = found["branch/none"]
    differences = [a - b for a, b in zip(BRANCH, NONE)]
    test = stats.ttest_rel(BRANCH, NONE)
    low, high = test.confidence_interval(0.95)
    assert one["difference"] == pytest.approx(sum(differences) / 3, abs=1e-5) and one["n"] == 3
    assert one["interval"] == pytest.approx([low, high], abs=1e-5) and one["p"] == pytest.approx(test.pvalue)
    # Three other claims of the family have no runs: all four count, and this one is tested at 0.05 / 4.
    assert one["holm_interval"] == pytest.approx(list(test.confidence_interval(1 - 0.05 / 4)), abs=1e-5)
    assert one["holm_p"] == pytest.approx(4 * test.pvalue) and one["word"] == REPRODUCED
    assert {o["word"] for pair, o in found.items() if pair != "branch/none"} == {NOT_RUN}


def test_words_of_a_table():
    assert by_pair(judged_table("centerness", table(none=BRANCH, branch=NONE)))["branch/none"]["word"] == CONTRADICTED
    level = table(none=NONE, branch=[0.42, 0.38, 0.41])
    one = by_pair(judged_table("centerness", level))["branch/none"]
    assert one["word"] == NOT_TOLD_APART and 0 < one["power"] < 1 and one["smallest_effect"] > 0.01
    assert (
        by_pair(judged_table("centerness", table(none=NONE, branch=BRANCH), seeds=4))["branch/none"]["word"] == TOO_FEW
    )
    assert by_pair(judged_table("centerness", table(none=[0.4], branch=[0.5])))["branch/none"]["word"] == TOO_FEW
    gone = {"none": {"AP": {"values": [None, 0.1]}}, "branch": {"AP": {"values": [0.1, 0.2]}}}
    assert by_pair(judged_table("centerness", gone))["branch/none"]["word"] == NO_BOXES
    assert {one["word"] for one in judged_table("centerness", {})} == {NOT_RUN}


def test_rows_of_unequal_length_are_no_pairs():
    with pytest.raises(ValueError, match="2 values against 3"):
        judged_table("centerness", table(none=NONE, branch=BRANCH[:2]))


def test_the_papers_own_figures_with_little_luck_are_reproduced():
    """Each row has the paper's figure, and the same luck in all rows: nothing is left to chance."""
    for name, study in STUDIES.items():
        if study.paper is None:
            continue
        rows = {row: study.paper[study.same_as.get(row, row)] for row in study.rows}
        made = {
            row: {
                figure: {"values": [value + luck for luck in (-0.01, 0.0, 0.01)]} for figure, value in figures.items()
            }
            for row, figures in rows.items()
        }
        for one in judged_table(name, made):
            same = one["paper"] == 0
            assert one["word"] == (NOT_TOLD_APART if same else REPRODUCED), (name, one)


def test_a_claim_with_a_sign_alone():
    values = {"with": [0.33, 0.34, 0.335], "without": [0.48, 0.50, 0.49]}
    made = {row: {"share": {"values": shares}} for row, shares in values.items()}
    (one,) = judged_table("score-iou", made)
    assert one["word"] == REPRODUCED and one["paper"] is None and "power" not in one


def test_what_the_paper_does_not_compare_has_another_word():
    made = {"FCOS": {"AP": spread([0.6, 0.61, 0.59])}, "torchvision's FCOS": {"AP": spread([0.5, 0.512, 0.489])}}
    words = [one["word"] for one in judged_table("torchvision", made)]
    assert words == ["told apart", NOT_RUN]
    made["FCOS"] = {"AP": spread([0.5, 0.49, 0.51])}
    assert judged_table("torchvision", made)[0]["word"] == NOT_TOLD_APART


def test_values_come_in_any_way():
    claims = []

    def nothing(claim):
        claims.append(claim)
        return (), ()

    assert len(judged("ladder", nothing)) == len(STUDIES["ladder"].claims) and tuple(claims) == STUDIES["ladder"].claims


@pytest.mark.parametrize("name", ["torchvision_bccd"])
def test_tables_of_the_books_records_are_read(name):
    study, _, _ = name.rpartition("_")
    found = judged_table(study, json.loads((RESULTS / f"{name}.json").read_text("utf-8"))["metrics"])
    assert {one["n"] for one in found} <= {0, 3} and {one["word"] for one in found} <= {*WORDS, NOT_RUN}
    assert any(one["n"] == 3 for one in found)
