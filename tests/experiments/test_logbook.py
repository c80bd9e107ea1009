"""The record of a study: comparisons by hand, families with what is not run yet, and files that are none."""

from __future__ import annotations

import json
import random

import pytest

from fcos_edu import ConfigError
from fcos_edu.experiments.claims import NOT_RUN, TOO_FEW
from fcos_edu.experiments.logbook import Logbook, comparisons, outcome, recall_curves
from fcos_edu.experiments.statistics import ALPHA, paired, power, smallest_effect
from fcos_edu.experiments.studies import PAPER, PROPOSAL_NMS, STUDIES, measurements
from fcos_edu.training.recipes import RECIPES

pytest.importorskip("scipy")
RECIPE = RECIPES["bccd"].config.replace(**PAPER)
FIGURES = ("AP", "AP50", "AP75", "AP90", "AR10", "AR100", "AR1000", "share")


def entry(variant: str, value: float) -> dict:
    """A run whose figures are all the same."""
    parts = {
        "table_4": ("none", "computed", "branch", "oracle"),
        "fig_7": ("with", "without"),
        "proposal_nms": tuple(PROPOSAL_NMS),
    }
    figures = {
        row.measurement: {part: dict.fromkeys(FIGURES, value) for part in parts.get(row.measure, ("",))}
        for row in measurements(variant)
    }
    return {
        "figures": figures,
        "seconds": 10.0,
        "cpu_seconds": 7.0,
        "measuring_cpu_seconds": 1.0,
        "curve": {"8": value},
    }


def ladder(path, values: dict[str, list[float]], design: dict | None = None) -> Logbook:
    book = Logbook(path, RECIPE, "boxes")
    for variant, ends in values.items():
        for seed, value in enumerate(ends):
            book.add(variant, seed, entry(variant, value))
    if design:
        book.kept["design"] = design
    return book


# Of Table 3: C5 is clearly better than RetinaNet, P5 is not told apart, GN is clearly worse.
ENDS = {
    "retinanet-c5": [0.50, 0.51, 0.49, 0.50],
    "fcos-c5": [0.56, 0.572, 0.548, 0.561],
    "fcos-p5": [0.57, 0.55, 0.56, 0.555],
    "fcos": [0.50, 0.47, 0.493, 0.465],
}


def by_rung(book: Logbook, name: str = "ladder") -> dict[str, dict]:
    return {f"{one['first']}/{one['second']}": one for one in comparisons(book, name)}


def test_comparisons_by_hand(tmp_path):
    found = by_rung(ladder(tmp_path / "r.json", ENDS))
    one = found["C5/RetinaNet"]
    want = paired(ENDS["fcos-c5"], ENDS["retinanet-c5"])
    assert one["n"] == 4 and one["values"] == pytest.approx([0.06, 0.062, 0.058, 0.061])
    assert one["difference"] == pytest.approx(want.mean, abs=1e-5) and one["p"] == pytest.approx(want.p)
    assert one["interval"] == pytest.approx(want.interval(), abs=1e-5)
    # Eight rungs, of which four are not run: all count. The smallest p is tested at alpha / 8.
    assert one["holm_p"] == pytest.approx(8 * want.p)
    assert one["holm_interval"] == pytest.approx(want.interval(ALPHA / 8), abs=1e-5)
    assert one["power"] == pytest.approx(power(0.004, want.sd, 4, ALPHA / 8), abs=1e-3)
    assert one["smallest_effect"] == pytest.approx(smallest_effect(want.sd, 4, ALPHA / 8), abs=1e-5)
    assert one["paper"] == 0.004 and one["word"] == "reproduced"
    words = {rung: one["word"] for rung, one in found.items()}
    assert words["P5/C5"] == "not told apart"
    assert words["NMS/P5"] == "not told apart"  # the same figure here: nothing left to chance, and no difference
    assert words["GN/NMS"] == "contradicted"
    assert words["GIoU/ctr. sampling"] == words["normalization/RetinaNet"] == NOT_RUN


def test_a_family_of_its_own_is_not_corrected(tmp_path):
    ends = ENDS | {"fcos-improved": [0.55, 0.565, 0.54, 0.54]}
    one = by_rung(ladder(tmp_path / "r.json", ends))["normalization/RetinaNet"]
    assert one["holm_p"] == pytest.approx(one["p"]) and one["holm_interval"] == pytest.approx(one["interval"], abs=1e-5)


def test_no_word_before_the_seeds_of_the_design(tmp_path):
    book = ladder(tmp_path / "r.json", {name: ends[:3] for name, ends in ENDS.items()}, {"seeds": 4})
    assert {one["word"] for one in comparisons(book, "ladder")} == {TOO_FEW, NOT_RUN}
    assert by_rung(book)["C5/RetinaNet"]["interval"] is not None, "but what there is is shown"
    assert "holm_p" not in by_rung(book)["C5/RetinaNet"]
    one = by_rung(ladder(tmp_path / "s.json", {name: ends[:1] for name, ends in ENDS.items()}))["C5/RetinaNet"]
    assert one["word"] == TOO_FEW and one["interval"] is None and one["difference"] == pytest.approx(0.06)


def test_pairs_are_of_the_seeds_that_both_have(tmp_path):
    book = ladder(tmp_path / "r.json", {"fcos-c5": [0.6, 0.61, 0.62], "retinanet-c5": [0.5, 0.5]})
    assert by_rung(book)["C5/RetinaNet"]["values"] == pytest.approx([0.1, 0.11])
    rows = STUDIES["ladder"].rows
    assert book.seeds([rows["C5"], rows["RetinaNet"]]) == [0, 1] and book.seeds([rows["C5"]]) == [0, 1, 2]


def test_a_figure_without_boxes_gives_no_word(tmp_path):
    book = ladder(tmp_path / "r.json", {"fcos-c5": [None, 0.5], "retinanet-c5": [0.5, 0.5]})
    assert by_rung(book)["C5/RetinaNet"]["word"] == "no such boxes in the data"


def test_a_figure_that_the_paper_only_draws_has_a_sign(tmp_path):
    book = ladder(tmp_path / "r.json", {"fcos": [0.5, 0.52, 0.51]})
    for run in book.runs.values():
        run["figures"]["fig_7"]["with"]["share"] -= 0.1
    (one,) = comparisons(book, "score-iou")
    assert (one["paper"], one["sign"], one["word"]) == (None, -1, "reproduced")


def test_what_is_missing_goes_round(tmp_path):
    book = ladder(tmp_path / "r.json", {"fcos": [0.5], "fcos-p5": [0.5, 0.5]})
    missing = book.missing(["ladder"], [0, 1])
    assert len(missing) == 2 * 8 - 3 and [seed for _, seed in missing] == [0] * 6 + [1] * 7
    assert ("fcos", 1) in missing and ("fcos", 0) not in missing


def test_the_file_is_the_same_in_whatever_order_runs_end(tmp_path):
    runs = [(variant, seed, value) for variant, ends in ENDS.items() for seed, value in enumerate(ends)]
    texts = []
    for shuffle in (0, 1):
        random.Random(shuffle).shuffle(runs)
        book = Logbook(tmp_path / f"{shuffle}.json", RECIPE, "boxes")
        for variant, seed, value in runs:
            book.add(variant, seed, entry(variant, value))
        book.save("fcos-edu study ladder")
        texts.append((tmp_path / f"{shuffle}.json").read_text())
    assert texts[0] == texts[1]
    kept = json.loads(texts[0])
    assert kept["comparisons"]["ladder"] == comparisons(book, "ladder")
    assert set(kept["metrics"]) == {"score-iou"}, "the tables of which every row has a run"
    assert kept["metrics"]["score-iou"] == outcome(book, "score-iou")
    assert kept["cpu_hours"] == round(len(runs) * 8 / 3600, 2)
    assert {one["word"] for one in kept["comparisons"]["parts"]} == {NOT_RUN}


def test_what_another_study_wrote_meanwhile_stays(tmp_path):
    path = tmp_path / "r.json"
    one, other = Logbook(path, RECIPE, "boxes"), Logbook(path, RECIPE, "boxes")
    one.add("fcos", 0, entry("fcos", 0.5))
    one.save("a")
    other.add("fcos-reg", 0, entry("fcos-reg", 0.6))
    other.save("b")
    again = Logbook(path, RECIPE, "boxes")
    assert again.find("fcos", 0) and again.find("fcos-reg", 0)


def test_another_configuration_other_data_and_other_files_are_refused(tmp_path):
    path = tmp_path / "r.json"
    ladder(path, ENDS, {"seeds": 4}).save("fcos-edu study ladder")
    Logbook(path, RECIPE.replace(seed=5, save_every=3), "boxes")
    with pytest.raises(ConfigError, match=r"iterations was 2000 and is 3.*a design, which is not changed"):
        Logbook(path, RECIPE.replace(iterations=3), "boxes")
    with pytest.raises(ConfigError, match="the boxes of the data are others"):
        Logbook(path, RECIPE, "others")
    path.write_text(json.dumps({"metrics": {"AP": 0.5}}))
    with pytest.raises(ConfigError, match="a result without its runs"):
        Logbook(path, RECIPE, "boxes")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", r"r\.json is damaged, or no record of a study"),
        ('{"runs": {', r"r\.json is damaged, or no record of a study"),
        ('{"runs": ' + "[" * 5000, "nested too deeply"),
        ("[]", "a result without its runs"),
        ('{"runs": []}', "a result without its runs"),
        ('{"runs": {"a": 5}}', "the run 'a' has no variant and seed"),
        ('{"runs": {"a": {"variant": 5, "seed": 0}}}', "the run 'a' has no variant and seed"),
        ('{"runs": {"a": {"variant": "fcos", "seed": "0"}}}', "the run 'a' has no variant and seed"),
        ('{"runs": {"a": {"variant": "x", "seed": 0, "seconds": "1"}}}', "the run 'a' has no number 'seconds'"),
        ('{"runs": {}, "config": []}', "its config is no object"),
        ('{"runs": {}, "config": {}}', "it has no digest 'boxes'"),
    ],
)
def test_a_damaged_record_and_another_programs_are_one_sentence(tmp_path, text, told):
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=told):
        Logbook(path, RECIPE, "boxes")
    assert path.read_text() == text


@pytest.mark.parametrize("damage", ["gone", "empty", "no object", "a part gone"])
def test_a_run_without_its_figures_is_none_of_a_study(tmp_path, damage):
    path = tmp_path / "r.json"
    ladder(path, {"fcos": [0.5]}).save("fcos-edu study ladder")
    kept = json.loads(path.read_text())
    (run,) = kept["runs"].values()
    if damage == "gone":
        del run["figures"]
    elif damage == "a part gone":
        del run["figures"]["fig_7"]["with"]
    else:
        run["figures"] = {} if damage == "empty" else {"coco": 0.5}
    path.write_text(json.dumps(kept))
    with pytest.raises(ConfigError, match="no record of a study .*has no figures"):
        Logbook(path, RECIPE, "boxes")


def test_what_is_measured_later_than_trained_is_missing_until_then(tmp_path):
    path = tmp_path / "r.json"
    book = ladder(path, {"rcnn-fcos": [0.5, 0.51], "rcnn-rpn-gn": [0.4, 0.4]})
    first = book.find("rcnn-fcos", 0)
    late = first["figures"].pop("proposal_nms")
    book.save("fcos-edu study proposals")
    book = Logbook(path, RECIPE, "boxes")
    rows = STUDIES["proposal-nms"].rows.values()
    assert book.missing(["proposal-nms"], [0, 1]) == [("rcnn-fcos", 0)] and book.seeds(rows) == [1]
    assert ("rcnn-fcos", 0) not in book.missing(["proposals"], [0]), "that has all it needs"
    assert {one["n"] for one in comparisons(book, "proposal-nms")} == {1}
    # Measured again, when its checkpoints are gone: the curve of before stays.
    again = {"figures": first["figures"] | {"proposal_nms": late}, "curve": {}, "seconds": 0.0, "cpu_seconds": 0.0}
    book.add("rcnn-fcos", 0, again | {"measuring_cpu_seconds": 5.0})
    spent = {"measuring_cpu_seconds": first["measuring_cpu_seconds"] + 5.0}
    assert book.find("rcnn-fcos", 0) == first | {"figures": again["figures"]} | spent and book.seeds(rows) == [0, 1]
    # Other figures are another run, which replaces it whole.
    book.add("rcnn-fcos", 0, entry("rcnn-fcos", 0.7))
    assert book.find("rcnn-fcos", 0) == {"variant": "rcnn-fcos", "seed": 0} | entry("rcnn-fcos", 0.7)


def test_before_a_design_the_pilot_may_be_tried_with_several_schedules(tmp_path):
    path = tmp_path / "r.json"
    ladder(path, {"fcos": [0.5, 0.51]}).save("fcos-edu study design")
    longer = Logbook(path, RECIPE.replace(iterations=3000), "boxes")
    assert longer.find("fcos", 0) is None and len(longer.runs) == 2, "the trials stay, and are not mistaken"


def test_what_the_paper_does_not_compare_is_told_apart_or_not(tmp_path):
    book = ladder(tmp_path / "r.json", {"fcos-improved": [0.6, 0.61, 0.59], "torchvision-fcos": [0.5, 0.512, 0.489]})
    assert {one["word"] for one in comparisons(book, "torchvision")} == {"told apart"}


def test_recall_curves_say_whether_a_first_stage_still_learns(tmp_path):
    book = Logbook(tmp_path / "r.json", RECIPE, "boxes")
    for seed, last in enumerate((0.50, 0.52)):
        for variant, more in (("rcnn-fcos", 0.0), ("rcnn-rpn-gn", 0.02)):
            curve = {"4": {"AR100": 0.4, "AR1000": 0.5}, "8": {"AR100": 0.5 + more, "AR1000": last}}
            curve = {"2": {"AR100": 0.1, "AR1000": 0.2}, **curve}
            curve["4"] = {"AR100": 0.5, "AR1000": 0.5}
            book.add(variant, seed, entry(variant, 0.5) | {"recall_curve": curve})
        book.add("fcos", seed, entry("fcos", 0.5))
    found = recall_curves(book)
    assert set(found) == {"rcnn-fcos", "rcnn-rpn-gn"}
    assert found["rcnn-fcos"]["gain"] == {"AR100": 0.0, "AR1000": 0.01} and not found["rcnn-fcos"]["flat"]
    assert found["rcnn-rpn-gn"]["gain"]["AR100"] == 0.02 and list(found["rcnn-fcos"]["curve"]) == ["2", "4", "8"]
    assert found["rcnn-fcos"]["curve"]["8"]["AR1000"]["values"] == [0.5, 0.52]
    book.save("fcos-edu study proposals")
    kept = json.loads((tmp_path / "r.json").read_text())
    assert kept["recall_curves"] == found
    ladder(tmp_path / "s.json", ENDS).save("fcos-edu study ladder")
    assert "recall_curves" not in json.loads((tmp_path / "s.json").read_text())
