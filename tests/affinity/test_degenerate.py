"""Every test on samples that nobody would choose: agreement with SciPy where it has an answer, never a nan where ours must have one."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import ttost_ind

from cotrain.affinity.affinity import PAIR_COLUMNS
from cotrain.affinity.pvi import relate
from cotrain.affinity.tests import Sample, anova, hedges_g, student, tost_p, welch, welch_anova
from cotrain.pvi.scores import Scores

NUMBERS = ("difference_bits", "se_bits", "low_bits", "high_bits", "statistic", "df", "p", "p_holm", "p_bh", "detectable_bits")
# halves and quarters: ties and zero variance are common, and sums are exact
VALUE = st.integers(-12, 4).map(lambda v: v / 4)
ROWS = st.lists(VALUE, min_size=2, max_size=12)


def sample(rows: list[float]) -> Sample:
    x = np.array(rows)
    sd = 0.0 if np.ptp(x) == 0 else float(x.std(ddof=1))
    return Sample(float(x.mean()), sd / len(x) ** 0.5, len(x) - 1, sd, len(x))


@settings(max_examples=200, deadline=None)
@given(ROWS, ROWS, st.floats(0.05, 3))
def test_pairs_agree_with_scipy_and_statsmodels(a: list[float], b: list[float], margin: float) -> None:
    x, y = sample(a), sample(b)
    if x.sd == y.sd == 0:
        assert student(x, y).p == welch(x, y).p == (1.0 if a[0] == b[0] else 0.0)
        assert tost_p(x.mean - y.mean, 0.0, 1, margin) == (0.0 if abs(a[0] - b[0]) < margin else 1.0)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for ours, equal in ((student(x, y), True), (welch(x, y), False)):
            truth = stats.ttest_ind(a, b, equal_var=equal)
            assert (ours.statistic, ours.p) == (pytest.approx(truth.statistic, abs=1e-9), pytest.approx(truth.pvalue, abs=1e-9))
            p, *_ = ttost_ind(np.array(a), np.array(b), -margin, margin, usevar="pooled" if equal else "unequal")
            assert tost_p(x.mean - y.mean, ours.se, ours.df, margin) == pytest.approx(p, abs=1e-9)
    g, low, high = hedges_g(x, y)
    assert low <= g <= high


@settings(max_examples=200, deadline=None)
@given(st.lists(ROWS, min_size=3, max_size=6))
def test_groups_agree_with_scipy_and_always_have_an_answer(samples: list[list[float]]) -> None:
    found = [sample(rows) for rows in samples]
    three = Sample(*(np.array(column, dtype=float) for column in zip(*found, strict=True)))
    ours, welchs = anova(three), welch_anova(three)
    assert 0 <= ours[1] <= 1 and 0 <= welchs[1] <= 1 and ours[0] >= 0
    if all(s.sd > 0 for s in found):
        truth = stats.f_oneway(*samples, equal_var=False)
        assert welchs == pytest.approx((truth.statistic, truth.pvalue), abs=1e-9)
    if any(s.sd > 0 for s in found):
        truth = stats.f_oneway(*samples)
        if np.isfinite(truth.pvalue):  # of equal means SciPy can have a sum of squares below 0, and no p
            assert ours == pytest.approx((truth.statistic, truth.pvalue), abs=1e-9)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])  # the fixture only makes tables
@given(
    st.lists(st.lists(VALUE, min_size=1, max_size=8), min_size=2, max_size=4),
    st.sampled_from(["student", "welch", "permutation", "paired"]),
    st.booleans(),
    st.booleans(),
)
def test_relate_names_a_state_where_there_is_no_number(scores: Callable[..., Scores], bits: list[list[float]], test: str, same: bool,
                                                       paper: bool) -> None:  # fmt: skip
    """Tasks of one row, of equal rows, on the same rows or not: every number is finite, or the state says why."""
    names = "abcd"[: len(bits)]
    size = min(map(len, bits)) if same else None
    made = scores({t: np.array([v[:size]]) for t, v in zip(names, bits, strict=True)}, sources=dict.fromkeys(names, "s") if same else None)
    related = relate(made, test, paper=paper)
    assert list(related.pairs.columns) == list(PAIR_COLUMNS)
    for line in related.pairs.to_dict("records"):
        assert 0 <= line["p"] <= 1 and line["p"] <= line["p_holm"] <= 1
        if line["state"] != "too few":
            finite = [c for c in NUMBERS if c != "statistic" or line["se_bits"] > 0]
            assert all(np.isfinite(line[c]) for c in finite), line
