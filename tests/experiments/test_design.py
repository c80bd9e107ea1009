"""A design is made once, before a look, from the pilot's curve and spread."""

from __future__ import annotations

import math

import pytest

from fcos_edu import ConfigError
from fcos_edu.experiments.design import make_design, sensitivity
from fcos_edu.experiments.logbook import Logbook
from fcos_edu.experiments.statistics import ALPHA, power, smallest_effect
from fcos_edu.experiments.studies import PILOT

from .test_logbook import RECIPE, entry

pytest.importorskip("scipy")


def pilot(path, ends=(0.50, 0.51, 0.52), before=0.505) -> Logbook:
    book = Logbook(path, RECIPE, "boxes")
    for seed, end in enumerate(ends):
        curve = {"500": 0.4, "1000": 0.48, "1500": before, "2000": end}
        book.add(PILOT, seed, entry(PILOT, end) | {"curve": curve})
    return book


def test_a_design_by_hand(tmp_path):
    made = make_design(pilot(tmp_path / "r.json"), seeds=4, at_most=10)
    assert (made["gain"], made["flat"], made["iterations"], made["seeds"], made["seeds_at_most"]) == (
        0.005,
        True,
        2000,
        4,
        10,
    )
    assert made["curve"]["500"]["mean"] == 0.4 and made["pilot"]["seeds"] == [0, 1, 2]
    assert made["sd"] == pytest.approx(0.01) and made["sd_of_a_difference"] == pytest.approx(
        0.01 * math.sqrt(2), abs=1e-5
    )
    for n in (4, 10):
        effect = made["smallest_effect"][str(n)]
        assert effect["alone"] == pytest.approx(smallest_effect(0.01 * math.sqrt(2), n), abs=1e-4)
        assert effect["first of the ladder"] == pytest.approx(
            smallest_effect(0.01 * math.sqrt(2), n, ALPHA / 8), abs=1e-4
        )
    assert made["power"]["P5 against C5"]["4"] == pytest.approx(power(0.001, 0.01 * math.sqrt(2), 4), abs=1e-3)
    assert made["power"]["normalization against RetinaNet"]["10"] > made["power"]["GN against NMS"]["10"]


def test_more_seeds_see_more():
    made = sensitivity([0.5, 0.51, 0.49], (4, 10))
    assert made["smallest_effect"]["10"]["alone"] < made["smallest_effect"]["4"]["alone"]
    assert all(one["10"] > one["4"] for one in made["power"].values())


def test_a_curve_that_rises_needs_a_reason(tmp_path):
    book = pilot(tmp_path / "r.json", before=0.49)
    with pytest.raises(ConfigError, match=r"still gains 2\.0 AP: train longer"):
        make_design(book, seeds=4, at_most=10)
    made = make_design(book, seeds=4, at_most=10, note="the budget ends here")
    assert made["flat"] is False and made["note"] == "the budget ends here"


def test_a_design_is_not_made_after_a_look_nor_twice(tmp_path):
    book = pilot(tmp_path / "r.json")
    book.save("fcos-edu study design", design=make_design(book, seeds=4, at_most=10))
    again = Logbook(tmp_path / "r.json", RECIPE, "boxes")
    assert again.design is not None and again.design["seeds"] == 4
    with pytest.raises(ConfigError, match="has a design already"):
        make_design(again, seeds=5, at_most=10)
    looked = pilot(tmp_path / "s.json")
    looked.add("fcos-reg", 0, entry("fcos-reg", 0.5))
    with pytest.raises(ConfigError, match="runs of fcos-reg already"):
        make_design(looked, seeds=4, at_most=10)


@pytest.mark.parametrize(
    ("ends", "seeds", "said"),
    [
        ((0.5,), 4, "has 1 run of fcos"),
        ((0.5, 0.51), 1, "two at least"),
        ((0.5, 0.51), 11, "11 seeds, 10 at most"),
    ],
)
def test_too_little_for_a_design(tmp_path, ends, seeds, said):
    with pytest.raises(ConfigError, match=said):
        make_design(pilot(tmp_path / "r.json", ends), seeds=seeds, at_most=10)
