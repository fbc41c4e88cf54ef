"""Affinity by PVI: tasks are alike whose mean PVI is (paper, section 3; METHOD, sections 1 and 2)."""

from __future__ import annotations

import time
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from cotrain.affinity import GROUP_TESTS, TESTS, tests
from cotrain.affinity.affinity import PAIR_COLUMNS, TASK_COLUMNS, Affinity
from cotrain.choose import unknown
from cotrain.errors import InputError
from cotrain.pvi.scores import Scores
from cotrain.pvi.seeds import Moments, mean_with_seeds
from cotrain.pvi.states import interval

_RESAMPLES = 2000


class _Sample(NamedTuple):
    """The PVI of one task: (S, n) values of rows, which lie in clusters of a source."""

    values: np.ndarray
    rows: np.ndarray
    clusters: np.ndarray
    source: str
    moments: Moments


def relate(scores: Scores, test: str = "welch", group_test: str = "welch_anova", paper: bool = False) -> Affinity:
    """Return the Affinity of tasks by PVI: value = −|difference of mean PVI| in bits.

    Tasks on the same rows are compared ``paired``; partly shared rows by a joint bootstrap over clusters; with ``paper``
    the independent test is run all the same and the pair marked ``shared rows``.

    Raises:
        InputError: an unknown test, fewer than two tasks, or a PVI that is not finite.
    """
    started = time.perf_counter()
    if test not in TESTS:
        raise InputError(unknown("pair test", test, TESTS))
    if group_test not in GROUP_TESTS:
        raise InputError(unknown("group test", group_test, GROUP_TESTS))
    table = scores.table
    if not np.isfinite(table["pvi_bits"]).all():
        bad = table.index[~np.isfinite(table["pvi_bits"])].tolist()
        raise InputError(f"PVI should be finite, found other values in {len(bad)} rows, first at rows {bad[:10]}")
    samples = {str(task): _sample(part) for task, part in table.groupby("task", sort=False)}
    if len(samples) < 2:
        raise InputError(f"relating needs at least two tasks, found {len(samples)}")
    facts = scores.tasks.set_index("task")
    tasks = pd.DataFrame([_task(name, s, table, facts) for name, s in samples.items()], columns=list(TASK_COLUMNS))
    pairs = pd.DataFrame(
        [_pair((a, samples[a]), (b, samples[b]), test, paper) for a, b in combinations(sorted(samples), 2)], columns=list(PAIR_COLUMNS)
    )
    pairs["p_holm"] = multipletests(pairs["p"], method="holm")[1]
    pairs["p_bh"] = multipletests(pairs["p"], method="fdr_bh")[1]
    return Affinity("pvi", test, group_test, tasks, pairs, {"fits": 0.0, "seconds": time.perf_counter() - started})


def _sample(part: pd.DataFrame) -> _Sample:
    """Return the sample of one task, rows aligned over seeds."""
    wide = part.pivot(index="row", columns="seed", values="pvi_bits")
    if wide.isna().any().any():
        raise InputError(f"task {part['task'].iloc[0]}: seeds score different rows; score them again")
    first = part.drop_duplicates("row").set_index("row").loc[wide.index]
    clusters = first["cluster"].to_numpy(dtype=object)
    values = wide.to_numpy(dtype=float).T
    return _Sample(values, wide.index.to_numpy(dtype=object), clusters, str(first["source"].iloc[0]), mean_with_seeds(values, clusters))


def _task(name: str, s: _Sample, table: pd.DataFrame, facts: pd.DataFrame) -> dict[str, object]:
    """Return the line of one task."""
    m, part = s.moments, table[table["task"] == name]
    low, high = interval(m)
    null = float(-part["log2_p_null"].mean())
    return {
        "task": name, "n": m.n, "clusters": m.clusters, "seeds": m.seeds, "mean_bits": m.mean, "sd_bits": m.sd, "se_bits": m.se,
        "df": m.df, "seed_sd_bits": m.seed_var**0.5, "low_bits": low, "high_bits": high, "nll_null_bits": null,
        "v_normalised": m.mean / null if null >= 0.3 else float("nan"), "entropy_bits": facts.loc[name, "entropy_bits"],
        "accuracy": float((part["gold"] == part["guess"]).mean()), "state": facts.loc[name, "state"],
        "state_reason": facts.loc[name, "state_reason"],
    }  # fmt: skip


def _pair(first: tuple[str, _Sample], second: tuple[str, _Sample], test: str, paper: bool) -> dict[str, object]:
    """Return the line of one pair."""
    (a, x), (b, y) = first, second
    m, w = x.moments, y.moments
    gap = m.mean - w.mean
    shared = len(np.intersect1d(x.clusters.astype(str), y.clusters.astype(str)))
    same_rows = x.source == y.source and len(x.rows) == len(y.rows) and bool((x.rows == y.rows).all())
    state, used, covariance = "", test, 0.0
    if min(m.n, w.n) < 2:
        state, tested = "too few", tests.Tested(float("nan"), float("nan"), float("nan"), 1.0)
    elif same_rows and np.array_equal(x.values, y.values):
        state, tested = "identical", tests.Tested(0.0, 0.0, m.df, 1.0)
    elif same_rows and not paper and x.values.shape == y.values.shape:
        used = "paired"
        d = mean_with_seeds(x.values - y.values, x.clusters)
        covariance = (m.se**2 + w.se**2 - d.se**2) / 2
        tested = tests.t_test(gap, d.se, d.df)
    elif shared and not paper:
        used = "paired"
        covariance = _joint(x, y)
        df = tests.welch((m.mean, w.mean), (m.se, w.se), (m.df, w.df)).df
        tested = tests.t_test(gap, float(np.sqrt(max(m.se**2 + w.se**2 - 2 * covariance, 0.0))), df)
    else:
        state = "shared rows" if shared else ""
        if test == "student":
            tested = tests.student((m.mean, w.mean), (m.sd, w.sd), (m.n, w.n))
        else:
            # rows that are not shared cannot be paired: Welch is the test of independent samples
            used = "welch"
            tested = tests.welch((m.mean, w.mean), (m.se, w.se), (m.df, w.df))
    g, g_low, g_high = tests.hedges_g(gap, (m.sd, w.sd), (m.n, w.n)) if min(m.n, w.n) > 1 else (float("nan"),) * 3
    half = float(tests.stats.t.ppf(0.975, tested.df)) * tested.se if tested.se == tested.se else float("nan")
    return {
        "target": a, "helper": b, "value": -abs(gap), "unit": "bits", "difference_bits": gap, "se_bits": tested.se,
        "low_bits": gap - half, "high_bits": gap + half, "test": used, "statistic": tested.statistic, "df": tested.df, "p": tested.p,
        "p_holm": float("nan"), "p_bh": float("nan"), "hedges_g": g, "hedges_g_low": g_low, "hedges_g_high": g_high,
        "detectable_bits": tests.detectable(tested.se, tested.df) if tested.se == tested.se else float("nan"),
        "covariance_bits2": covariance, "shared_rows": shared, "state": state,
    }  # fmt: skip


def _joint(x: _Sample, y: _Sample, seed: int = 0) -> float:
    """Return the covariance of two means over partly shared clusters, by a joint bootstrap over clusters."""
    names, index = np.unique(np.concatenate([x.clusters, y.clusters]).astype(str), return_inverse=True)
    random = np.random.default_rng(seed)
    weights = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=_RESAMPLES).astype(float)

    def means(sample: _Sample, where: np.ndarray) -> np.ndarray:
        sums = np.bincount(where, weights=sample.values.mean(axis=0), minlength=len(names))
        sizes = np.bincount(where, minlength=len(names))
        return np.asarray((weights @ sums) / np.maximum(weights @ sizes, 1))

    n = len(x.rows)
    return float(np.cov(means(x, index[:n]), means(y, index[n:]))[0, 1])
