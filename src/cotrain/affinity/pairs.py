"""Pairs of tasks: which test is right for each, and everything that is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from cotrain.affinity import ROW_TESTS, TESTS
from cotrain.affinity.affinity import PAIR_COLUMNS
from cotrain.affinity.joint import Joint
from cotrain.affinity.tests import Sample, Tested, detectable, hedges_g, holm, t_test
from cotrain.choose import choose
from cotrain.pvi.seeds import Moments, mean_with_seeds, satterthwaite


class Values(NamedTuple):
    """The PVI of one task: (S, n) ``bits`` of (n,) ``rows``, in (n,) named ``clusters`` (``codes`` are their numbers).

    ``normalised`` are (S, n) rows whose mean is 1 − NLL/NLL_null and whose errors are those of that ratio (delta method), nan
    where the null is too small; ``moments`` and ``normalised_moments`` are those of the two.
    """

    task: str
    bits: np.ndarray
    normalised: np.ndarray
    rows: np.ndarray
    clusters: np.ndarray
    codes: np.ndarray
    source: str
    moments: Moments
    normalised_moments: Moments


class Pairs(NamedTuple):
    """P pairs: (P,) positions of target and helper, rows in clusters of both, and whether their rows are the same."""

    target: np.ndarray
    helper: np.ndarray
    shared: np.ndarray
    same: np.ndarray

    @classmethod
    def of(cls, values: Sequence[Values], shared: np.ndarray) -> Pairs:
        """Return every pair of T tasks from the (T, T) counts of shared rows."""
        i, j = np.triu_indices(len(values), 1)
        together = shared[i, j]
        same = np.zeros(len(i), dtype=bool)
        for k in np.flatnonzero(together).tolist():
            x, y = values[i[k]], values[j[k]]
            same[k] = x.source == y.source and np.array_equal(x.rows, y.rows)
        return cls(i, j, together, same)


def table(values: Sequence[Values], test: str, found: Joint, paper: bool, seed: int = 0) -> pd.DataFrame:
    """Return one line per pair, columns ``PAIR_COLUMNS``; p by Holm and by Benjamini and Hochberg are over all of them.

    Args:
        test: of independent samples, by name.
        found: the correlations of the means over drawing clusters, and the rows in clusters of both.
        paper: test as if independent where rows are shared, and mark the pair.
        seed: of the permutations.
    """
    pairs = Pairs.of(values, found.shared)
    i, j = pairs.target, pairs.helper
    moments = [v.moments for v in values]
    correlation = np.zeros(len(i)) if paper else found.correlation[i, j]
    tested, used, state, covariance = _tested(moments, [v.bits for v in values], values, pairs, correlation, test, paper)
    if test in ROW_TESTS:
        p = choose("pair test", test, ROW_TESTS)
        for k in np.flatnonzero((used == test) & (state != "too few")).tolist():
            tested.p[k] = p(values[i[k]], values[j[k]], tested.p[k], seed)
    x, y = samples(moments, i), samples(moments, j)
    g = hedges_g(x, y)
    few = state == "too few"
    gap = x.mean - y.mean
    half = stats.t.ppf(0.975, tested.df) * tested.se
    ratios = [v.normalised_moments for v in values]
    normal, *_ = _tested(ratios, [v.normalised for v in values], values, pairs, correlation, test, paper)
    ratio = samples(ratios, i).mean - samples(ratios, j).mean
    wide = stats.t.ppf(0.975, normal.df) * normal.se
    names = np.array([v.task for v in values], dtype=object)
    facts = {f"{what}_{side}{unit}": np.array([getattr(m, field) for m in moments])[where]
             for what, field, unit in (("n", "n", ""), ("clusters", "clusters", ""), ("seeds", "seeds", ""),
                                       ("mean", "mean", "_bits"), ("sd", "sd", "_bits"))
             for side, where in (("target", i), ("helper", j))}  # fmt: skip
    return pd.DataFrame({
        "target": names[i], "helper": names[j], "value": -np.abs(gap), "unit": "bits", **facts, "difference_bits": gap,
        "se_bits": tested.se, "low_bits": gap - half, "high_bits": gap + half, "test": used, "statistic": tested.statistic,
        "df": tested.df, "p": tested.p, "p_holm": holm(tested.p), "p_bh": stats.false_discovery_control(tested.p),
        **{name: np.where(few, np.nan, v) for name, v in zip(("hedges_g", "hedges_g_low", "hedges_g_high"), g, strict=True)},
        "detectable_bits": detectable(tested.se, tested.df), "difference_normalised": ratio, "low_normalised": ratio - wide,
        "high_normalised": ratio + wide, "p_normalised": np.where(np.isnan(ratio), np.nan, normal.p), "covariance_bits2": covariance,
        "shared_rows": pairs.shared, "state": state,
    }, columns=list(PAIR_COLUMNS))  # fmt: skip


def samples(moments: Sequence[Moments], where: np.ndarray) -> Sample:
    """Return what tests of independent samples need of the Moments at some positions, as arrays."""
    return Sample(*(np.array([getattr(m, f) for m in moments], dtype=float)[where] for f in ("mean", "se", "df", "sd", "n")))


def _tested(
    moments: Sequence[Moments], rows: Sequence[np.ndarray], values: Sequence[Values], pairs: Pairs, correlation: np.ndarray, test: str,
    paper: bool,
) -> tuple[Tested, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Return the tests of the pairs, their names, states, and the covariances of the means: all at once but for shared rows."""
    i, j = pairs.target, pairs.helper
    x, y = samples(moments, i), samples(moments, j)
    with np.errstate(divide="ignore", invalid="ignore"):
        tested = Tested(*(np.array(v, dtype=float) for v in choose("pair test", test, TESTS)(x, y)))
    used = np.full(len(i), "welch" if test == "paired" else test, dtype=object)
    state = np.full(len(i), "", dtype=object)
    clusters = np.array([m.clusters for m in moments])
    few = np.minimum(clusters[i], clusters[j]) < 2
    drawn = np.array([m.rows_var for m in moments], dtype=float)
    covariance = np.where(few, 0.0, correlation * np.sqrt(np.nan_to_num(drawn[i] * drawn[j])))
    for k in np.flatnonzero((pairs.shared > 0) & ~few).tolist():
        first, second, m, w = rows[i[k]], rows[j[k]], moments[i[k]], moments[j[k]]
        one: Tested | None = None
        if pairs.same[k] and (first.mean(axis=0) == second.mean(axis=0)).all():
            state[k], one = "identical", Tested(0.0, 0.0, m.df, 1.0)
        elif paper:
            state[k] = "shared rows"
        elif pairs.same[k] and first.shape == second.shape:
            d = mean_with_seeds(first - second, values[i[k]].codes)
            used[k], one = "paired", t_test(m.mean - w.mean, d.se, d.df)
        else:
            used[k], one = "joint", _joint(m, w, float(covariance[k]))
        if one is not None:
            for column, value in zip(tested, one, strict=True):
                column[k] = value
    for column, nothing in zip(tested, (np.nan, np.nan, np.nan, 1.0), strict=True):
        column[few] = nothing
    state = np.where(few, "too few", np.where((state == "") & (tested.se == 0), "no variance", state))
    return tested, used, state, covariance


def _joint(m: Moments, w: Moments, covariance: float) -> Tested:
    """Return the test of two means with a covariance; df by Satterthwaite over rows and seeds."""
    independent = m.rows_var + w.rows_var
    rows = max(0.0, independent - 2 * covariance)
    # the fewer clusters of the two have their say: as in Welch's test
    df = satterthwaite(independent, (m.rows_var, m.clusters - 1), (w.rows_var, w.clusters - 1))
    seeds = [(v.between / v.seeds, v.seeds - 1) for v in (m, w) if v.seeds > 1]
    variance = rows + m.seed_var / m.seeds + w.seed_var / w.seeds
    return t_test(m.mean - w.mean, float(np.sqrt(variance)), float(satterthwaite(variance, (rows, df), *seeds)))
