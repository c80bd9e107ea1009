"""Intervals are scipy's, families are corrected as by hand, and effects are found as often as the power says."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcos_edu.experiments.statistics import (
    ALPHA,
    CONTRADICTED,
    NOT_TOLD_APART,
    REPRODUCED,
    Difference,
    holm,
    holm_alphas,
    needs_scipy,
    paired,
    power,
    smallest_effect,
    verdict,
)

stats = pytest.importorskip("scipy.stats")

ONE, OTHER = [0.61, 0.58, 0.64, 0.60], [0.59, 0.585, 0.61, 0.57]


def test_paired_is_scipys() -> None:
    ours, theirs = paired(ONE, OTHER), stats.ttest_rel(ONE, OTHER)
    assert ours.n == 4 and ours.mean == pytest.approx(0.01875)
    assert ours.p == pytest.approx(theirs.pvalue)
    for level in (0.95, 0.99):
        assert ours.interval(1 - level) == pytest.approx(tuple(theirs.confidence_interval(level)))


def test_an_interval_by_hand() -> None:
    """Differences 1, 2, 3: mean 2, sd 1, and t of two degrees of freedom is 4.303."""
    found = paired([2, 4, 6], [1, 2, 3])
    assert (found.mean, found.sd) == (2.0, 1.0)
    assert found.interval() == pytest.approx((2 - 4.3027 / math.sqrt(3), 2 + 4.3027 / math.sqrt(3)), abs=1e-4)


def test_turned_around_the_sign_changes_and_nothing_else() -> None:
    one, other = paired(ONE, OTHER), paired(OTHER, ONE)
    low, high = one.interval()
    assert other.mean == -one.mean and other.p == one.p and other.interval() == pytest.approx((-high, -low))


def test_pairs_tell_more_than_two_heaps() -> None:
    """What a seed does to both sides alike leaves the difference."""
    luck = [0.0, 0.1, -0.1, 0.2]
    found = paired([0.52 + x + e for x, e in zip(luck, (0, 1e-3, -1e-3, 0))], [0.5 + x for x in luck])
    assert found.p < 0.001 < stats.ttest_ind([0.52 + x for x in luck], [0.5 + x for x in luck]).pvalue


def test_one_seed_has_no_interval_and_equals_leave_nothing_to_chance() -> None:
    assert paired([0.5], [0.4]) == Difference(1, pytest.approx(0.1), None, None)
    assert paired([0.5], [0.4]).interval() is None
    same = paired([0.5, 0.6, 0.7], [0.4, 0.5, 0.6])
    assert same.p == 0.0 and same.interval() == pytest.approx((0.1, 0.1))
    assert paired([0.5, 0.6], [0.5, 0.6]).p == 1.0


@pytest.mark.parametrize(("one", "other"), [([], []), ([1.0], [1.0, 2.0])])
def test_values_without_a_partner_are_refused(one: list[float], other: list[float]) -> None:
    with pytest.raises(ValueError, match="each seed must give one of both"):
        paired(one, other)


def test_without_scipy_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'fcos-edu\[study\]'"):
        needs_scipy()


# ---- a family
def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02] and holm([]) == []


def test_holms_levels_by_hand() -> None:
    # 0.005 < .05/4, 0.01 < .05/3, 0.03 is not below .05/2: it stops, and that level stays.
    assert holm_alphas([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.05 / 3, 0.05 / 2, 0.05 / 2, 0.05 / 4])


def test_a_p_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"p is 1\.2"):
        holm([0.1, 1.2])


ps = st.lists(st.floats(0, 1), min_size=1, max_size=9)


@given(ps)
def test_holm_lies_between_no_correction_and_bonferronis(p: list[float]) -> None:
    for adjusted, raw in zip(holm(p), p, strict=True):
        assert raw <= adjusted <= min(1.0, len(p) * raw) + 1e-12
    assert sorted(holm(p)) == [a for _, a in sorted(zip(p, holm(p), strict=True))], "the order stays"


@given(ps)
def test_a_comparison_is_found_at_its_level_exactly_where_holm_finds_it(p: list[float]) -> None:
    for raw, adjusted, level in zip(p, holm(p), holm_alphas(p), strict=True):
        if abs(adjusted - ALPHA) > 1e-9:  # a product and a quotient round differently
            assert (raw < level) == (adjusted < ALPHA)


def test_intervals_at_holms_levels_exclude_zero_where_holm_finds_something() -> None:
    random = np.random.default_rng(5)
    for _ in range(50):
        family = [paired(random.normal(size=4) + shift, random.normal(size=4)) for shift in (0, 1, 2, 4, 8)]
        p = [one.p for one in family]
        for one, adjusted, level in zip(family, holm(p), holm_alphas(p), strict=True):
            low, high = one.interval(level)
            assert (low <= 0 <= high) == (adjusted >= ALPHA)


def test_holm_keeps_the_chance_of_one_false_finding() -> None:
    random, families = np.random.default_rng(1), 800
    false, uncorrected = 0, 0
    for differences in random.normal(size=(families, 8, 4)):
        p = [paired(row, np.zeros(4)).p for row in differences]
        false += min(holm(p)) < ALPHA
        uncorrected += min(p) < ALPHA
    # Two standard errors of a share of 800.
    assert false / families < ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / families)
    assert uncorrected / families > 0.3, "1 - .95^8 = .34 without a correction"


# ---- words
@pytest.mark.parametrize(
    ("paper", "interval", "word"),
    [
        (0.4, (0.1, 0.9), REPRODUCED),
        (-0.4, (-0.9, -0.1), REPRODUCED),
        (0.4, (-0.9, -0.1), CONTRADICTED),
        (-0.4, (0.1, 0.9), CONTRADICTED),
        (0.4, (-0.1, 0.9), NOT_TOLD_APART),
        (0.4, (0.0, 0.9), NOT_TOLD_APART),
        (0.0, (-0.1, 0.9), NOT_TOLD_APART),
        (0.0, (0.1, 0.9), CONTRADICTED),  # the paper has no difference there
    ],
)
def test_the_word_follows_from_the_interval(paper: float, interval: tuple[float, float], word: str) -> None:
    assert verdict(paper, interval) == word


# ---- power
@pytest.mark.parametrize(
    ("effect", "sd", "n", "alpha"), [(1.0, 1.0, 4, 0.05), (0.7, 0.5, 6, 0.01), (0.0, 1.0, 5, 0.05)]
)
def test_effects_are_found_as_often_as_the_power_says(effect: float, sd: float, n: int, alpha: float) -> None:
    random, runs = np.random.default_rng(0), 1500
    found = sum(paired(row, np.zeros(n)).p < alpha for row in random.normal(effect, sd, size=(runs, n)))
    want = power(effect, sd, n, alpha)
    assert abs(found / runs - want) < 3 * math.sqrt(want * (1 - want) / runs)


@pytest.mark.parametrize(
    ("effect", "n", "alpha"), [(0.5, 5, 0.05), (1.0, 10, 0.05 / 8), (1.5, 4, 0.05), (0.3, 30, 0.01)]
)
def test_the_power_is_the_non_central_ts(effect: float, n: int, alpha: float) -> None:
    bound, shift = stats.t.ppf(1 - alpha / 2, n - 1), effect * math.sqrt(n)
    want = stats.nct.sf(bound, n - 1, shift) + stats.nct.cdf(-bound, n - 1, shift)
    assert power(effect, 1.0, n, alpha) == pytest.approx(want, abs=1e-6)


def test_power_grows_with_effect_and_seeds_and_falls_with_spread_and_correction() -> None:
    assert power(0.0, 1.0, 4) == pytest.approx(ALPHA)
    assert power(0.0, 1.0, 2, 0.01) == pytest.approx(0.01, abs=1e-4)
    assert power(0.5, 1, 4) < power(1, 1, 4) < power(1, 1, 10) < power(1, 0.5, 10)
    assert power(1, 1, 10, ALPHA / 8) < power(1, 1, 10)
    assert power(-1.0, 1.0, 4) == power(1.0, 1.0, 4)
    assert power(1e6, 1e-3, 4) == pytest.approx(1.0) and power(0.1, 0.0, 4) == 1.0


def test_the_smallest_effect_has_the_wanted_power() -> None:
    for sd, n, alpha in ((0.5, 4, 0.05), (0.007, 10, 0.05 / 8), (3.0, 2, 0.05)):
        assert power(smallest_effect(sd, n, alpha), sd, n, alpha) == pytest.approx(0.8, abs=1e-6)
    assert smallest_effect(0.0, 4) == 0.0
    assert smallest_effect(1.0, 10) < smallest_effect(1.0, 4) < smallest_effect(1.0, 4, ALPHA / 8)


@pytest.mark.parametrize(("sd", "n"), [(1.0, 1), (-1.0, 4)])
def test_a_power_that_cannot_be_told_is_refused(sd: float, n: int) -> None:
    with pytest.raises(ValueError, match="two pairs"):
        power(1.0, sd, n)
