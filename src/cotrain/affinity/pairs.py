"""One pair of tasks: which test is right for it, and everything that is said of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from cotrain.affinity.tests import Sample, Tested, detectable, hedges_g, holm, t_test
from cotrain.pvi.seeds import Moments, mean_with_seeds, satterthwaite


class Values(NamedTuple):
    """The PVI of one task: (S, n) ``bits`` of (n,) ``rows``, in (n,) named ``clusters`` (``codes`` are their numbers)."""

    task: str
    bits: np.ndarray
    rows: np.ndarray
    clusters: np.ndarray
    codes: np.ndarray
    source: str
    moments: Moments


def pair(x: Values, y: Values, test: str, tester: Callable[[Sample, Sample], Tested], correlation: float, shared: int,
         paper: bool) -> dict[str, object]:  # fmt: skip
    """Return the line of one pair, columns ``PAIR_COLUMNS``, not yet corrected for the number of pairs.

    Args:
        test: its name, and ``tester``: of independent samples.
        correlation: of the two means over drawing clusters; ``shared``: rows in clusters of both.
        paper: test as if independent where rows are shared, and mark the pair.
    """
    m, w = x.moments, y.moments
    gap, one, other = m.mean - w.mean, sample(m), sample(w)
    same = x.source == y.source and np.array_equal(x.rows, y.rows)
    covariance = 0.0 if paper else correlation * float(np.sqrt(m.rows_var * w.rows_var))
    state, used = "", test
    if min(m.clusters, w.clusters) < 2:
        state, covariance, tested = "too few", 0.0, Tested(np.nan, np.nan, np.nan, 1.0)
    elif same and (x.bits.mean(axis=0) == y.bits.mean(axis=0)).all():
        state, tested = "identical", Tested(0.0, 0.0, m.df, 1.0)
    elif paper or not shared:
        state = "shared rows" if shared else ""
        used = "welch" if test == "paired" else test
        tested = tester(one, other)
    elif same and x.bits.shape == y.bits.shape:
        used, d = "paired", mean_with_seeds(x.bits - y.bits, x.codes)
        tested = t_test(gap, d.se, d.df)
    else:
        used, tested = "joint", _joint(m, w, covariance)
    if not state and tested.se == 0:
        state = "no variance"
    known = state != "too few"
    g = hedges_g(one, other) if known else (np.nan,) * 3
    half = float(stats.t.ppf(0.975, tested.df)) * tested.se
    return {
        "target": x.task, "helper": y.task, "value": -abs(gap), "unit": "bits", "difference_bits": gap, "se_bits": float(tested.se),
        "low_bits": gap - half, "high_bits": gap + half, "test": used, "statistic": float(tested.statistic), "df": float(tested.df),
        "p": float(tested.p), "p_holm": np.nan, "p_bh": np.nan, "hedges_g": float(g[0]), "hedges_g_low": float(g[1]),
        "hedges_g_high": float(g[2]), "detectable_bits": float(detectable(tested.se, tested.df)), "covariance_bits2": covariance,
        "shared_rows": int(shared), "state": state,
    }  # fmt: skip


def sample(m: Moments) -> Sample:
    """Return what tests of independent samples need of Moments."""
    return Sample(m.mean, m.se, m.df, m.sd, m.n)


def _joint(m: Moments, w: Moments, covariance: float) -> Tested:
    """Return the test of two means with a covariance; df by Satterthwaite over rows and seeds."""
    independent = m.rows_var + w.rows_var
    rows = max(0.0, independent - 2 * covariance)
    # the fewer clusters of the two have their say: as in Welch's test
    df = satterthwaite(independent, (m.rows_var, m.clusters - 1), (w.rows_var, w.clusters - 1))
    seeds = [(v.between / v.seeds, v.seeds - 1) for v in (m, w) if v.seeds > 1]
    variance = rows + m.seed_var / m.seeds + w.seed_var / w.seeds
    return t_test(m.mean - w.mean, float(np.sqrt(variance)), float(satterthwaite(variance, (rows, df), *seeds)))


def corrected(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return pairs with p by Holm and by Benjamini and Hochberg over all of them; they support "shown different" only."""
    p = pairs["p"].to_numpy(dtype=float)
    return pairs.assign(p_holm=holm(p), p_bh=stats.false_discovery_control(p))
