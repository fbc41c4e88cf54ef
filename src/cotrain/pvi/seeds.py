"""Means over rows and seeds with honest standard errors (METHOD, section 2, "Seeds" and "Dependence")."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Moments(NamedTuple):
    """A mean over n rows in clusters and S seeds; ``df`` by Satterthwaite; ``rows_var`` = s²_rows/n, ``seed_var`` = s²_seed."""

    mean: float
    se: float
    df: float
    sd: float
    rows_var: float
    seed_var: float
    n: int
    clusters: int
    seeds: int


def seed_variance(values: np.ndarray) -> float:
    """Return s²_seed of (S, n) values: max(0, variance of seed means − interaction mean square / n); 0 for one seed."""
    s, n = values.shape
    if s < 2 or n < 2:
        return 0.0
    residual = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    interaction = float((residual**2).sum()) / ((s - 1) * (n - 1))
    return max(0.0, float(values.mean(axis=1).var(ddof=1)) - interaction / n)


def cluster_variance(values: np.ndarray, clusters: np.ndarray) -> tuple[float, int]:
    """Return the variance of the mean of (n,) values, robust to clusters, and the number of clusters."""
    _, index = np.unique(clusters.astype(str), return_inverse=True)
    groups, n = int(index.max()) + 1, len(values)
    if groups == n:
        return (float(values.var(ddof=1)) / n if n > 1 else 0.0), n
    if groups < 2:
        return 0.0, groups
    sums = np.bincount(index, weights=values - values.mean())
    return groups / (groups - 1) * float((sums**2).sum()) / n**2, groups


def mean_with_seeds(values: np.ndarray, clusters: np.ndarray) -> Moments:
    """Return the mean of (S, n) values, averaged per row over seeds, with SE² = s²_rows/n + s²_seed/S."""
    s, n = values.shape
    rows = values.mean(axis=0)
    rows_var, groups = cluster_variance(rows, clusters)
    seed_var = seed_variance(values)
    variance = rows_var + seed_var / s
    below = rows_var**2 / max(1, groups - 1) + ((seed_var / s) ** 2 / (s - 1) if s > 1 else 0.0)
    df = variance**2 / below if below > 0 else float(max(1, groups - 1))
    sd = float(rows.std(ddof=1)) if n > 1 else 0.0
    return Moments(float(rows.mean()), float(np.sqrt(variance)), float(df), sd, rows_var, seed_var, n, groups, s)
