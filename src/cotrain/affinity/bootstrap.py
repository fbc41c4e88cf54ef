"""How stable the statistics of an affinity are: clusters and seeds drawn anew (METHOD, section 2; DESIGN, "Affinity")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from cotrain.affinity import TESTS
from cotrain.affinity.affinity import RESAMPLED_PAIRS, RESAMPLED_TASKS, Resamples
from cotrain.affinity.pairs import Values
from cotrain.affinity.tests import Sample, t_test
from cotrain.choose import choose
from cotrain.errors import InputError
from cotrain.pvi.seeds import satterthwaite

MOST = 60
"""Tasks; the resampled pairs of more take memory that says nothing new."""
_AT_ONCE = 4_000_000


class Drawn(NamedTuple):
    """(B, T) moments of B resamples of T tasks: mean, its variance over rows, standard deviation of rows."""

    mean: np.ndarray
    rows_var: np.ndarray
    sd: np.ndarray


def resample(values: Sequence[Values], pairs: pd.DataFrame, test: str, number: int, seed: int = 0) -> Resamples:
    """Return the statistics of ``number`` resamples of the tasks whose table of pairs is given.

    Clusters are drawn with replacement, the same ones in every task that has them, and so are the seeds of each task. The
    variance between fits is kept as it was estimated: a draw of three seeds can hold one of them three times. Errors of pairs
    with shared rows grow and shrink with those of their two tasks; p of ``permutation`` is Welch's.

    Raises:
        InputError: fewer than 1 resample, more than ``MOST`` tasks.
    """
    if number < 1 or len(values) > MOST:
        raise InputError(f"a bootstrap should be of 1 resample or more and of at most {MOST} tasks, found {number} of {len(values)}")
    drawn = _moments(values, number, seed)
    moments = [v.moments for v in values]
    seeds = np.array([m.seed_var / m.seeds for m in moments])
    variance = drawn.rows_var + seeds
    rows_df = np.array([max(1, m.clusters - 1) for m in moments])
    fits = [(np.array([m.between / m.seeds for m in moments]), np.array([max(1, m.seeds - 1) for m in moments]))]
    df = satterthwaite(variance, (drawn.rows_var, rows_df), *fits)
    tasks = Sample(drawn.mean, np.sqrt(variance), df, drawn.sd, np.array([float(m.n) for m in moments]))
    return Resamples(_tasks_table(values, tasks), _pairs_table(values, pairs, tasks, test))


def _moments(values: Sequence[Values], number: int, seed: int) -> Drawn:
    """Return the moments of every resample; the rows of a task are in quadratic forms of its seeds, cluster by cluster."""
    random = np.random.default_rng(seed)
    codes, names = pd.factorize(np.concatenate([v.clusters for v in values]), sort=True)
    parts = np.split(codes, np.cumsum([len(v.clusters) for v in values])[:-1])
    found = [_Task.of(v, part) for v, part in zip(values, parts, strict=True)]
    seeds = [random.multinomial(v.moments.seeds, [1 / v.moments.seeds] * v.moments.seeds, number) / v.moments.seeds for v in values]
    out = Drawn(*(np.empty((number, len(values))) for _ in range(3)))
    for rows, weights in _weights(found, len(names), number, random):
        for k, task in enumerate(found):
            for column, part in zip(out, task.moments(weights[:, task.where], seeds[k][rows]), strict=True):
                column[rows, k] = part
    return out


def _weights(found: Sequence[_Task], clusters: int, number: int, random: np.random.Generator) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (b, G) how often each cluster is drawn in some resamples.

    Tasks that are linked by shared clusters are one pool; each pool is drawn as often as it has clusters.
    """
    pool = np.arange(clusters)
    for task in found:  # union of the pools of a task's clusters, the smallest name wins
        pools = np.unique(pool[task.where])
        pool[np.isin(pool, pools)] = pools[0]
    members = [np.flatnonzero(pool == label) for label in np.unique(pool)]
    step = max(1, _AT_ONCE // max(1, clusters))
    for start in range(0, number, step):
        size = min(step, number - start)
        weights = np.empty((size, clusters), dtype=np.float32)
        for where in members:
            g = len(where)
            picked = random.integers(0, g, size=(size, g)) + np.arange(size)[:, None] * g
            weights[:, where] = np.bincount(picked.ravel(), minlength=size * g).reshape(size, g)
        yield slice(start, start + size), weights


class _Task(NamedTuple):
    """One task by cluster: (G,) positions among all clusters, (G,) sizes, (G, S) sums of rows, (G, S²) sums of their products."""

    where: np.ndarray
    columns: np.ndarray
    seeds: int

    @classmethod
    def of(cls, values: Values, codes: np.ndarray) -> _Task:
        """Return the sums of a task; its PVI less the mean, so that squares lose nothing."""
        where, mine = np.unique(codes, return_inverse=True)
        bits = values.bits - values.bits.mean()
        s, g = len(bits), len(where)

        def by_cluster(rows: np.ndarray) -> np.ndarray:
            return np.bincount(mine, weights=rows, minlength=g)

        sizes = by_cluster(np.ones(len(codes)))
        sums = np.stack([by_cluster(line) for line in bits], axis=1)
        inner = np.stack([by_cluster(a * b) for a in bits for b in bits], axis=1)
        outer = (sums[:, :, None] * sums[:, None, :]).reshape(g, s * s)
        columns = np.concatenate([sizes[:, None], sums, inner, outer, sizes[:, None] * sums, sizes[:, None] ** 2, np.ones((g, 1))], axis=1)
        return cls(where, np.concatenate([columns, np.full((g, 1), values.bits.mean())], axis=1), s)

    def moments(self, weights: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (b,) means, variances of means robust to clusters, and standard deviations, from (b, G) and (b, S) weights."""
        s = self.seeds
        total = weights @ self.columns[:, :-1]
        size, sums, inner, outer, products, sizes2, g = np.split(total, np.cumsum([1, s, s * s, s * s, s, 1]), axis=1)
        both = (seeds[:, :, None] * seeds[:, None, :]).reshape(len(seeds), s * s)
        n = np.maximum(size[:, 0], 1.0)
        mean = (sums * seeds).sum(axis=1) / n
        squares, cross = (outer * both).sum(axis=1), (products * seeds).sum(axis=1)
        spread = np.maximum(squares - 2 * mean * cross + mean**2 * sizes2[:, 0], 0.0)
        count = np.maximum(g[:, 0], 2.0)
        within = np.maximum((inner * both).sum(axis=1) - n * mean**2, 0.0)
        return mean + self.columns[0, -1], count / (count - 1) * spread / n**2, np.sqrt(within / np.maximum(n - 1, 1.0))


def _tasks_table(values: Sequence[Values], tasks: Sample) -> pd.DataFrame:
    """Return the lines of the tasks, resample after resample."""
    number, t = tasks.mean.shape
    return pd.DataFrame({
        "resample": np.repeat(np.arange(number), t), "task": np.tile(np.array([v.task for v in values], dtype=object), number),
        "mean_bits": tasks.mean.ravel(), "se_bits": tasks.se.ravel(), "df": np.broadcast_to(tasks.df, tasks.mean.shape).ravel(),
        "sd_bits": tasks.sd.ravel(),
    }, columns=list(RESAMPLED_TASKS))  # fmt: skip


def _pairs_table(values: Sequence[Values], pairs: pd.DataFrame, tasks: Sample, test: str) -> pd.DataFrame:
    """Return the lines of the pairs, resample after resample."""
    place = {v.task: k for k, v in enumerate(values)}
    i, j = (np.array([place[t] for t in pairs[side]]) for side in ("target", "helper"))
    x, y = (Sample(*(v[:, k] if np.ndim(v) == 2 else v[k] for v in tasks)) for k in (i, j))
    gap = x.mean - y.mean
    before = np.array([v.moments.se**2 for v in values])
    with np.errstate(divide="ignore", invalid="ignore"):
        tested = choose("pair test", test, TESTS)(x, y)
        scale = np.nan_to_num((x.se**2 + y.se**2) / (before[i] + before[j]), nan=1.0)
        jointly = t_test(gap, pairs["se_bits"].to_numpy(dtype=float) * np.sqrt(scale), pairs["df"].to_numpy(dtype=float))
    dependent = pairs["test"].isin(["paired", "joint"]).to_numpy() | (pairs["state"] == "identical").to_numpy()
    few = (pairs["state"] == "too few").to_numpy()
    columns = [
        np.where(few, nothing, np.where(dependent, b, a)) for a, b, nothing in zip(tested, jointly, (np.nan,) * 3 + (1.0,), strict=True)
    ]
    number, p = gap.shape
    se, statistic, df, value = (np.broadcast_to(c, gap.shape).ravel() for c in columns)
    return pd.DataFrame({
        "resample": np.repeat(np.arange(number), p), "target": np.tile(pairs["target"].to_numpy(dtype=object), number),
        "helper": np.tile(pairs["helper"].to_numpy(dtype=object), number), "difference_bits": gap.ravel(), "se_bits": se, "df": df,
        "statistic": statistic, "p": value,
    }, columns=list(RESAMPLED_PAIRS))  # fmt: skip
