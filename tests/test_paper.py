"""The paper's figures: the orders and differences that the paper states, and how they are read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fcos_edu import paper
from fcos_edu.paper import (
    AMBIGUOUS_DETECTIONS,
    ORACLE,
    TABLE_1,
    TABLE_2,
    TABLE_3,
    TABLE_4,
    TABLE_5,
    TABLE_6,
    TABLE_7,
    TABLE_8,
    TABLES,
    Printed,
    Row,
    Table,
)
from fcos_edu.records import RESULTS


def gain(table: Table, row: str, other: str, column: str = "AP") -> float:
    """What the first row has more than the other, in percentage points."""
    return round(table[row][column].percent - table[other][column].percent, 2)


# ---- what the paper states ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", TABLES)
def test_every_figure_is_a_percentage_with_the_decimals_of_its_table(number: int) -> None:
    decimals = 2 if number <= 2 else 1
    for row in TABLES[number].values():
        for figure in row.values():
            assert re.fullmatch(rf"\d{{1,2}}\.\d{{{decimals}}}", figure.text), (row, figure)
            assert 0 < figure.percent < 100


def test_the_tables_have_the_rows_and_columns_of_the_paper() -> None:
    assert list(TABLES) == list(range(1, 9))
    shape = {number: (len(table), len(table.columns)) for number, table in TABLES.items()}
    assert shape == {1: (5, 1), 2: (2, 2), 3: (9, 9), 4: (3, 6), 5: (6, 1), 6: (3, 2), 7: (3, 4), 8: (7, 1)}


@pytest.mark.parametrize("number", [3, 4, 7])
def test_a_stricter_iou_gives_less(number: int) -> None:
    for row in TABLES[number].values():
        assert row["AP50"].percent > row["AP75"].percent > row["AP90" if "AP90" in row else "APS"].percent
        assert row["AP50"].percent > row["AP"].percent


@pytest.mark.parametrize("number", [3, 4])
def test_larger_objects_are_found_better(number: int) -> None:
    for row in TABLES[number].values():
        assert row["APS"].percent < row["APM"].percent < row["APL"].percent
        assert row["APS"].percent < row["AP"].percent < row["APL"].percent


@pytest.mark.parametrize(("number", "columns"), [(3, ("AR1", "AR10", "AR100")), (6, ("AR100", "AR1000"))])
def test_more_boxes_find_more(number: int, columns: tuple[str, ...]) -> None:
    for row in TABLES[number].values():
        found = [row[column].percent for column in columns]
        assert found == sorted(found) and len(set(found)) == len(found)


def test_table_1_orders_the_five_ways() -> None:
    order = sorted(TABLE_1, key=lambda row: TABLE_1[row]["BPR"].percent)
    assert order == ["retinanet_none", "retinanet_0.4", "fcos_p4", "fcos_fpn", "retinanet_all"]


def test_table_2_the_pyramid_leaves_less_than_a_third_ambiguous() -> None:
    for column in TABLE_2.columns:
        assert TABLE_2["fpn"][column].percent < TABLE_2["p4"][column].percent / 3
    for row in (*TABLE_2.values(), AMBIGUOUS_DETECTIONS):
        assert row["different_classes"].percent < row["all"].percent
    assert all(AMBIGUOUS_DETECTIONS[c].percent < TABLE_2["fpn"][c].percent for c in TABLE_2.columns)


def test_table_3_each_change_gains() -> None:
    ap = [row["AP"].percent for row in TABLE_3.values()]
    assert ap == sorted(ap)
    assert gain(TABLE_3, "GN", "RetinaNet") == 1.2
    assert gain(TABLE_3, "normalization", "GN") == 1.5  # all improvements together


def test_table_4_is_row_five_of_table_3_with_the_branch_and_without() -> None:
    assert TABLE_4["branch"].texts == TABLE_3["GN"].texts[:6]
    assert gain(TABLE_4, "branch", "none") == 3.6
    assert gain(TABLE_4, "computed", "none") == 0  # computing it from the four distances does not help
    assert ORACLE["AP"].percent - TABLE_4["branch"]["AP"].percent == pytest.approx(5)


def test_table_5_resnet_101_gains_two_points_and_four() -> None:
    assert gain(TABLE_5, "ResNet-101", "RetinaNet, ResNet-101") == 2.4
    assert gain(TABLE_5, "improved", "ResNeXt-101-64x4d") == 1.5
    ap = [row["AP"].percent for row in TABLE_5.values()]
    assert ap == sorted(ap)


def test_table_6_eighteen_percent_more_of_a_hundred_and_three_points_and_four_of_a_thousand() -> None:
    assert TABLE_6["FCOS"]["AR100"].percent / TABLE_6["RPN"]["AR100"].percent == pytest.approx(1.18, abs=0.005)
    assert gain(TABLE_6, "FCOS", "RPN", "AR1000") == 3.4
    # A third of the samples: P2 to P6 at 800 x 1024 have 68,208 locations.
    assert paper.PROPOSAL_SAMPLES["FCOS"] == pytest.approx(68_208, rel=0.05)
    assert paper.PROPOSAL_SAMPLES["FCOS"] == pytest.approx(paper.PROPOSAL_SAMPLES["RPN"] / 3, rel=0.05)


def test_table_7_gains_most_at_the_strictest_iou() -> None:
    gains = {column: gain(TABLE_7, "FCOS", "RetinaNet with GN", column) for column in TABLE_7.columns}
    assert max(gains, key=gains.__getitem__) == "AP90" and gains["AP90"] == 2.7


def test_table_8_one_anchor_costs_three_points_and_each_change_gains() -> None:
    assert gain(TABLE_8, "RetinaNet, 9 anchors", "RetinaNet, 1 anchor") == 3.2
    ap = [row["AP"].percent for row in TABLE_8.values()]
    assert ap == sorted(ap)
    # The same switches as row 5 of Table 3, by another state of the code.
    assert TABLE_8["IoU loss"]["AP"].text != TABLE_3["GN"]["AP"].text


RECORDED = {
    "recall": {name: row["BPR"].share for name, row in TABLE_1.items()},
    "ambiguity": TABLE_2.shares,
    "detections": AMBIGUOUS_DETECTIONS.shares,
}


@pytest.mark.parametrize("name", RECORDED)
def test_the_records_quote_the_same_figures(name: str) -> None:
    """Written to files by earlier versions, which had typed them elsewhere."""
    files = [path for path in RESULTS.glob(f"{name}_*.json") if "train2017_size" not in path.stem]
    assert files
    for path in files:
        quoted = json.loads(path.read_text("utf-8"))["paper"]
        assert quoted == {row: RECORDED[name][row] for row in quoted} and quoted, path.name


# ---- how they are read ----------------------------------------------------------------------------------------


def test_a_share_is_the_float_nearest_to_what_is_printed() -> None:
    for table in TABLES.values():
        for row in table.values():
            for figure in row.values():
                digits = figure.text.replace(".", "").rjust(figure.decimals + 2, "0")
                assert figure.share == float(f"0.{digits}")
    assert (Printed("7.14").share, Printed("98.40").share, str(Printed("98.40"))) == (0.0714, 0.984, "98.40")


def test_a_row_is_read_in_three_units() -> None:
    row = TABLE_1["fcos_fpn"]
    assert (row.texts, row.percents, row.shares) == (("98.40",), {"BPR": 98.4}, {"BPR": 0.984})
    assert TABLE_1.shares["fcos_fpn"] == row.shares and list(TABLE_1.shares) == list(TABLE_1)


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(KeyError, match=r"no row 'fcos'; it has retinanet_none.*fcos_fpn"):
        TABLE_1["fcos"]
    with pytest.raises(KeyError, match="no column 'AR'; it has AR100, AR1000"):
        TABLE_6["FCOS"]["AR"]
    assert "fcos" not in TABLE_1 and TABLE_1.get("fcos") is None


def test_a_row_needs_a_figure_for_each_column() -> None:
    with pytest.raises(ValueError):
        Table("x", ("AP", "AP50"), {"a": ("a", "1.0")})
    with pytest.raises(ValueError):
        Table("x", ("AP",), {"a": ("a", "1.0 2.0")})


def test_what_was_read_cannot_change_the_paper() -> None:
    figures = {"AP": Printed("1.0")}
    row = Row("a", "a", figures)
    figures.clear()
    row.shares.clear()
    assert row.texts == ("1.0",)
    with pytest.raises(AttributeError):
        row["AP"].text = "2.0"  # type: ignore[misc]


def test_it_stands_alone() -> None:
    """A leaf: loaded by its path, it needs neither the package nor torch."""
    code = (
        "import runpy, sys; names = runpy.run_path(sys.argv[1]); "
        "assert names['TABLE_3']['GN']['AP'].share > 0; "
        "sys.exit(bool({'torch', 'fcos_edu', 'numpy'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code, str(paper.__file__)], check=True)


# ---- typed once -----------------------------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[1]
NUMBER = re.compile(r"(?<![\w.])(?:\d[\d_]*)?\.\d+(?![\w]|\.\d)")


def written(figure: Printed) -> set[str]:
    """How somebody would type a figure: in percent or as a share, with the paper's decimals or without zeros.

    Fewer than three digits that count meet too many other numbers: 2.3 % may be typed, 0.023 too.
    """
    forms = {figure.text, str(figure.percent), f"{figure.share:.{figure.decimals + 2}f}", str(figure.share)}
    return {form for form in forms if len(form.replace(".", "").lstrip("0")) >= 3}


PRINTED = {form for table in (*TABLES.values(), {"": ORACLE}) for row in table.values() for figure in row.values()
           for form in written(figure)}  # fmt: skip


def typed(text: str) -> list[str]:
    """The paper's figures in a text, strings and comments included, as they stand there."""
    return [number for number in NUMBER.findall(text) if number in PRINTED or f"0{number}" in PRINTED]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('expected={"AP": 0.371, "AP50": .559}', ["0.371", ".559"]),
        ("BPR = 98.40  # or 98.4, or 0.984, or 0.9840", ["98.40", "98.4", "0.984", "0.9840"]),
        ("(23.16, 17.84), 7.14", ["23.16", "17.84", "7.14"]),
        ("print(f'{ap:.1f} instead of 37.1')", ["37.1"]),
        ("# 0.480 of the boxes", ["0.480"]),
        ("x = [137.1, 37.12, 1.98, 0.48, v37.1, 37.1.2, 2.3, 37]", []),
    ],
)
def test_a_figure_that_is_typed_is_found(text: str, found: list[str]) -> None:
    assert typed(text) == found


def code() -> Iterator[tuple[str, str]]:
    """Name and text of each Python file of the package and of the scripts, and of the code cells of each chapter."""
    for folder in ("fcos_edu", "scripts"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path != Path(paper.__file__).resolve():
                yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        yield path.relative_to(ROOT).as_posix(), text


# What meets a figure of the paper by chance, or may quote it: file, number as it stands there, why.
ALLOWED = {
    ("fcos_edu/config.py", "37.1"): "docstrings say in prose which AP a preset has",
    ("fcos_edu/config.py", "38.6"): "the same",
    ("fcos_edu/config.py", "32.0"): "a bound of a level, in pixels",
    ("fcos_edu/course/labs/detections.py", "20.0"): "a coordinate of a case, in pixels",
    ("fcos_edu/course/labs/levels.py", "20.0"): "a side or a bound of a case, in pixels",
    ("fcos_edu/course/labs/levels.py", "20.5"): "the same",
    ("fcos_edu/course/labs/levels.py", "32.0"): "the same",
    ("fcos_edu/course/labs/levels.py", "40.0"): "the same",
    ("fcos_edu/course/labs/levels.py", "40.5"): "the same",
    ("fcos_edu/course/labs/levels.py", "48.0"): "the same",
    ("fcos_edu/course/labs/network.py", "20.0"): "a value of a case",
    ("fcos_edu/course/labs/training.py", "31.0"): "a value of a case",
    ("fcos_edu/data/shapes.py", "20.0"): "the smallest shape, in pixels",
    ("fcos_edu/figures/levels.py", "10.4"): "the end of an axis",
    ("fcos_edu/gallery.py", "48.0"): "the least side of a close-up, in pixels",
    ("fcos_edu/training/recipes.py", "36.6"): "what users of the official code report; not the paper's",
    ("fcos_edu/training/recipes.py", "0.200"): "what the detector of people reaches; held to its record",
    ("fcos_edu/training/recipes.py", "0.410"): "AdelaiDet's figure; the paper has none for this recipe",
    ("notebooks/01_why_no_anchors.ipynb", "0.495"): "from where an answer of 0.5 counts as right",
    ("notebooks/07_loss.ipynb", "20.0"): "a side of a box, in pixels",
    ("notebooks/07_loss.ipynb", "40.0"): "a distance, in pixels",
    ("notebooks/08_centerness.ipynb", "40.0"): "a corner of a box, in pixels",
    ("notebooks/11_average_precision.ipynb", "38.2"): "a made-up detector of the quiz",
    ("notebooks/12_ablations.ipynb", "20.0"): "the smallest shape, in pixels",
    ("notebooks/12_ablations.ipynb", "40.0"): "made-up runs of the quiz",
    ("notebooks/12_ablations.ipynb", "40.5"): "the same",
    ("notebooks/12_ablations.ipynb", "41.0"): "the same",
    ("notebooks/13_proposals.ipynb", "20.5"): "a corner of a region, in pixels",
    ("notebooks/14_coco.ipynb", "32.0"): "a corner of a box, in pixels",
    ("notebooks/15_your_boxes.ipynb", "32.0"): "a bound of a level, in pixels",
    ("scripts/course/prompts.py", "20.0"): "a coordinate of an example, in pixels",
    ("scripts/course/prompts.py", "31.0"): "a made-up AP of an example",
    ("scripts/course/prompts.py", "40.0"): "a coordinate of an example, in pixels",
}


def test_the_papers_figures_are_typed_in_one_place() -> None:
    found = {(name, number) for name, text in code() for number in typed(text)}
    elsewhere = [f"{name}: {number}" for name, number in sorted(found - set(ALLOWED))]
    assert not elsewhere, "read it from fcos_edu.paper, or say in ALLOWED why not:\n" + "\n".join(elsewhere)
    assert not set(ALLOWED) - found, "no longer needed in ALLOWED"


def test_a_planted_figure_is_found_in_each_kind_of_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fcos_edu/training/new.py", "scripts/new.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("AP = 0.371\n")
    cells = [{"cell_type": kind, "source": [f"AP {number}"]} for kind, number in (("markdown", 37.1), ("code", 38.6))]
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "99_new.ipynb").write_text(json.dumps({"cells": cells}))
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    found = {(name, number) for name, text in code() for number in typed(text)}
    assert found == {
        ("fcos_edu/training/new.py", "0.371"), ("scripts/new.py", "0.371"), ("notebooks/99_new.ipynb", "38.6"),
    }  # fmt: skip
