"""Means over rows and seeds with honest standard errors (METHOD, section 2, "Seeds" and "Dependence")."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

Number = Any
"""A float, or an array of floats."""


class Moments(NamedTuple):
    """The mean of n rows in clusters, each row averaged over S seeds.

    Attributes:
        mean: of all rows, bits.
        se: SE² = ``rows_var`` + ``seed_var``/S; nan for fewer than two clusters, which leave it unknown.
        df: its degrees of freedom by Satterthwaite; nan like ``se``.
        sd: standard deviation of the seed-averaged rows.
        rows_var: variance of the mean that comes from drawing rows, robust to clusters (s²_rows/n).
        seed_var: s²_seed, the variance between fits that all rows share; 0 for one seed: conditional on one fit.
        n: rows.
        clusters: independent units among them.
        seeds: S.
        between: variance of the S seed means, which carries the S − 1 degrees of freedom of ``seed_var``.
    """

    mean: float
    se: float
    df: float
    sd: float
    rows_var: float
    seed_var: float
    n: int
    clusters: int
    seeds: int
    between: float = 0.0


def cluster_codes(clusters: np.ndarray) -> np.ndarray:
    """Return (n,) integers from 0, equal where the (n,) cluster ids are."""
    return np.asarray(pd.factorize(np.asarray(clusters))[0])


def cluster_variance(values: np.ndarray, clusters: np.ndarray) -> tuple[float, int]:
    """Return the variance of the mean of (n,) values, robust to clusters, and the number of clusters.

    G/(G−1) · Σ_clusters (Σ deviations)² / n²; without clusters that is s²/n. nan for fewer than two clusters.
    """
    codes, n = cluster_codes(clusters), len(values)
    groups = int(codes.max()) + 1 if n else 0
    if groups < 2:
        return float("nan"), groups
    if np.ptp(values) == 0:
        return 0.0, groups  # exactly, whatever rounding makes of the mean
    sums = np.bincount(codes, weights=values - values.mean())
    return groups / (groups - 1) * float((sums**2).sum()) / n**2, groups


def seed_terms(values: np.ndarray, clusters: np.ndarray | None = None) -> tuple[float, float]:
    """Return the variance of the S means of (S, n) values, and what of it rows × seeds interaction explains.

    The second is the interaction mean square / n; with clusters its counterpart that is robust to them. (0, 0) for one seed.
    """
    s, n = values.shape
    if s < 2 or n < 2:
        return 0.0, 0.0
    means = values.mean(axis=1)
    residual = values - means[:, None] - values.mean(axis=0) + values.mean()
    codes = np.arange(n) if clusters is None else cluster_codes(clusters)
    if codes.max() < 1:
        return float(means.var(ddof=1)), 0.0
    interaction = sum(cluster_variance(line, codes)[0] for line in residual) / (s - 1)
    return float(means.var(ddof=1)), interaction


def seed_variance(values: np.ndarray, clusters: np.ndarray | None = None) -> float:
    """Return s²_seed of (S, n) values: max(0, variance of seed means − interaction mean square / n); 0 for one seed."""
    between, interaction = seed_terms(values, clusters)
    return max(0.0, between - interaction)


def satterthwaite(variance: Number, *parts: tuple[Number, Number]) -> Number:
    """Return the degrees of freedom of a variance estimate: variance² / Σ part²/df over its (part, df).

    A seed term enters with the whole variance of seed means: it is that which has S − 1 degrees of freedom, not what is
    left when the interaction is taken off. With the difference as part, tests would be too liberal (2 % at alpha 1 %).
    """
    below = sum(np.asarray(part, dtype=float) ** 2 / df for part, df in parts)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.asarray(variance, dtype=float) ** 2 / below
    # no variance at all: any df will do
    return np.where(below == 0, max(np.max(df) for _, df in parts), found)[()]


class Error(NamedTuple):
    """The standard error of a mean, its degrees of freedom, and the s²_seed in it."""

    se: Number
    df: Number
    seed_var: Number


def error(rows_var: Number, clusters: Number, between: Number, interaction: Number, seeds: int) -> Error:
    """Return the Error of a mean of rows that are averaged over seeds: SE² = s²_rows/n + s²_seed/S; of numbers, or of arrays."""
    seed_var = np.maximum(0.0, between - interaction)
    variance = rows_var + seed_var / seeds
    parts = [(rows_var, np.maximum(1, clusters - 1))] + ([(between / seeds, seeds - 1)] if seeds > 1 else [])
    return Error(np.sqrt(variance), satterthwaite(variance, *parts), seed_var)


def mean_with_seeds(values: np.ndarray, clusters: np.ndarray) -> Moments:
    """Return the Moments of (S, n) values: rows are averaged over seeds, never stacked."""
    s, n = values.shape
    codes = cluster_codes(clusters)
    rows = values.mean(axis=0)
    rows_var, groups = cluster_variance(rows, codes)
    between, interaction = seed_terms(values, codes)
    se, df, seed_var = map(float, error(rows_var, groups, between, interaction, s))
    sd = float("nan") if n < 2 else 0.0 if np.ptp(rows) == 0 else float(rows.std(ddof=1))
    mean = float(rows[0] if np.ptp(rows) == 0 else rows.mean())
    return Moments(mean, se, df, sd, rows_var, seed_var, n, groups, s, between)
