"""Size and power of the tests by simulation, 56 rows against 872 as in the paper; benchmarks/size_power.py has more worlds.

Means and variances of normal samples are drawn from their own distributions (normal, χ²), so that worlds are cheap.
"""

from __future__ import annotations

import numpy as np
import pytest

from cotrain.affinity.permutation import EXACT, Units, p_of
from cotrain.affinity.tests import Sample, anova, detectable, student, tost_p, welch, welch_anova

WORLDS, ALPHA = 100_000, 0.01
ERROR = (ALPHA * (1 - ALPHA) / WORLDS) ** 0.5


def drawn(n: int, sd: float, random: np.random.Generator, mean: float = 0.0) -> Sample:
    """(W,) samples of n normal rows."""
    spread = sd * np.sqrt(random.chisquare(n - 1, WORLDS) / (n - 1))
    return Sample(random.normal(mean, sd / n**0.5, WORLDS), spread / n**0.5, np.full(WORLDS, n - 1.0), spread, np.full(WORLDS, float(n)))


def stacked(*samples: Sample) -> Sample:
    return Sample(*(np.stack(columns, axis=-1) for columns in zip(*samples, strict=True)))


@pytest.mark.parametrize("sds", [(1, 1), (2, 1), (1, 2)])
def test_welch_and_its_equivalence_test_are_nominal_under_equal_and_unequal_variances(sds: tuple[float, float]) -> None:
    random = np.random.default_rng(0)
    x, y = drawn(56, sds[0], random), drawn(872, sds[1], random)
    tested = welch(x, y)
    assert np.mean(tested.p <= ALPHA) == pytest.approx(ALPHA, abs=4 * ERROR + 0.0005), "df by Satterthwaite are an approximation"
    # two one-sided tests are worst where the means are the margin apart, and the margin is wide
    margin = 6 * (sds[0] ** 2 / 56 + sds[1] ** 2 / 872) ** 0.5
    assert np.mean(tost_p(x.mean - y.mean + margin, tested.se, tested.df, margin) <= ALPHA) == pytest.approx(ALPHA, abs=4 * ERROR + 0.0005)


def test_student_and_anova_are_nominal_under_equal_variances_only() -> None:
    random = np.random.default_rng(1)
    x, y, z = drawn(56, 1, random), drawn(872, 1, random), drawn(277, 1, random)
    assert np.mean(student(x, y).p <= ALPHA) == pytest.approx(ALPHA, abs=4 * ERROR)
    assert np.mean(anova(stacked(x, y, z))[1] <= ALPHA) == pytest.approx(ALPHA, abs=4 * ERROR)
    wild = drawn(56, 2, random)
    assert np.mean(student(wild, y).p <= ALPHA) == pytest.approx(0.15, abs=0.01)
    assert np.mean(anova(stacked(wild, y, z))[1] <= ALPHA) > 0.1


@pytest.mark.parametrize("sd", [1, 2])
def test_welch_anova_is_nominal_under_equal_and_unequal_variances(sd: float) -> None:
    random = np.random.default_rng(2)
    three = stacked(drawn(56, sd, random), drawn(872, 1, random), drawn(277, 1, random))
    assert np.mean(welch_anova(three)[1] <= ALPHA) == pytest.approx(ALPHA, abs=4 * ERROR + 0.001), "its F is an approximation"


@pytest.mark.parametrize("sds", [(1, 1), (2, 1), (1, 2)])
def test_the_studentised_permutation_test_is_nominal_where_variances_differ(sds: tuple[float, float]) -> None:
    """14 rows against 218, alpha .05, 199 draws: 1,500 worlds, four Monte-Carlo errors."""
    random, found = np.random.default_rng(3), []
    for _ in range(1500):
        rows = np.concatenate([random.normal(0, sds[0], 14), random.normal(0, sds[1], 218)])
        found.append(p_of(Units(rows, np.ones(232), 14), random, 199) <= 0.05)
    assert np.mean(found) == pytest.approx(0.05, abs=4 * (0.05 * 0.95 / 1500) ** 0.5)
    assert EXACT < 10**6, "so that these worlds are drawn, not enumerated"


@pytest.mark.parametrize("sds", [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_the_detectable_gap_is_right_within_five_percent(sds: tuple[float, float], power: float) -> None:
    random = np.random.default_rng(4)
    a, b = sds[0] ** 2 / 56, sds[1] ** 2 / 872
    df = (a + b) ** 2 / (a**2 / 55 + b**2 / 871)
    gap = float(detectable((a + b) ** 0.5, df, ALPHA, power))
    tested = welch(drawn(56, sds[0], random, gap), drawn(872, sds[1], random))
    # a gap that is 5 % off would change the power by more than this
    slope = power - np.mean(welch(drawn(56, sds[0], random, 0.95 * gap), drawn(872, sds[1], random)).p <= ALPHA)
    assert abs(np.mean(tested.p <= ALPHA) - power) < slope
