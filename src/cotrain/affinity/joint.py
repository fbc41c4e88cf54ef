"""How the means of tasks that share clusters vary together: a joint bootstrap over texts (METHOD, section 2, "Dependence")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csc_array
from scipy.sparse.csgraph import connected_components

_RESAMPLES = 2000
_AT_ONCE = 2_000_000


class Joint(NamedTuple):
    """(T, T) correlations of the means of T tasks, and how many rows of a task lie in clusters of another one."""

    correlation: np.ndarray
    shared: np.ndarray


def joint(rows: Sequence[np.ndarray], clusters: Sequence[np.ndarray], seed: int = 0) -> Joint:
    """Return the Joint of T tasks from their seed-averaged (n,) rows and the (n,) names of the clusters of those.

    Tasks that are linked by shared clusters, directly or over others, are resampled together, so that their correlations
    fit each other. ``shared`` is the smaller of both counts; tasks without shared clusters have correlation 0.
    """
    tasks = len(rows)
    codes, names = pd.factorize(np.concatenate(clusters), sort=True)
    lengths = [len(c) for c in clusters]
    parts = np.split(codes, np.cumsum(lengths)[:-1])
    sizes = csc_array((np.ones(len(codes), dtype=np.int64), (codes, np.repeat(np.arange(tasks), lengths))), (len(names), tasks))
    inside = (sizes.T @ (sizes > 0)).toarray()
    shared = np.minimum(inside, inside.T)
    correlation = np.eye(tasks)
    _, linked = connected_components(shared > 0, directed=False)
    for label in np.unique(linked):
        where = np.flatnonzero(linked == label)
        if len(where) < 2:
            continue
        those = sizes[:, where].toarray()
        there = np.flatnonzero(those.any(axis=1))
        deviations = [np.bincount(parts[t], weights=rows[t] - rows[t].mean(), minlength=len(names))[there] for t in where.tolist()]
        drawn = _resampled(np.stack(deviations, axis=1), those[there], seed)
        correlation[np.ix_(where, where)] = _correlation(drawn) * (shared[np.ix_(where, where)] > 0)
    return Joint(correlation, shared)


def _resampled(sums: np.ndarray, sizes: np.ndarray, seed: int) -> np.ndarray:
    """Return (B, T) means of deviations when G clusters are drawn with replacement, from (G, T) sums and sizes."""
    random = np.random.default_rng(seed)
    g = len(sums)
    step = max(1, _AT_ONCE // g)
    found = []
    for start in range(0, _RESAMPLES, step):
        b = min(step, _RESAMPLES - start)
        drawn = random.integers(0, g, size=(b, g)) + np.arange(b)[:, None] * g
        weights = np.bincount(drawn.ravel(), minlength=b * g).reshape(b, g).astype(float)
        found.append((weights @ sums) / np.maximum(weights @ sizes, 1))
    return np.concatenate(found)


def _correlation(values: np.ndarray) -> np.ndarray:
    """Return the (T, T) correlations of (B, T) values; 0 with what does not vary."""
    centred = values - values.mean(axis=0)
    scale = np.sqrt((centred**2).sum(axis=0))
    centred = centred / np.where(scale > 0, scale, 1.0)
    found = np.clip(centred.T @ centred, -1, 1)
    np.fill_diagonal(found, 1.0)
    return found
