"""Tests of two or more means from sufficient statistics, equivalence, power and effect size (METHOD, section 2).

Every function takes numbers, or arrays of numbers of the same shape.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import stats

Number = Any
"""A float, or an array of floats."""


class Sample(NamedTuple):
    """What a test needs to know of a sample (or of samples, along the last axis): the mean with its SE and df, sd and size."""

    mean: Number
    se: Number
    df: Number
    sd: Number
    n: Number


class Tested(NamedTuple):
    """A test of a difference in bits: its standard error, statistic, degrees of freedom and two-sided p."""

    se: Number
    statistic: Number
    df: Number
    p: Number


def t_test(difference: Number, se: Number, df: Number) -> Tested:
    """Return the two-sided t test of a difference; no noise at all gives p 1 for equal and 0 for different means."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(np.asarray(difference) == 0, 0.0, np.divide(difference, se))
    return Tested(se, t[()], df, 2 * stats.t.sf(np.abs(t), df))


def student(x: Sample, y: Sample) -> Tested:
    """Return Student's two-sided test with pooled variance and df = n₁ + n₂ − 2: the paper's "paired t-test"."""
    df = x.n + y.n - 2
    pooled = ((x.n - 1) * x.sd**2 + (y.n - 1) * y.sd**2) / df
    return t_test(x.mean - y.mean, np.sqrt(pooled * (1 / x.n + 1 / y.n)), df)


def welch(x: Sample, y: Sample) -> Tested:
    """Return Welch's test of two means with their own standard errors and degrees of freedom (Satterthwaite)."""
    variance = x.se**2 + y.se**2
    with np.errstate(divide="ignore", invalid="ignore"):
        df = np.divide(variance**2, x.se**4 / x.df + y.se**4 / y.df)
    return t_test(x.mean - y.mean, np.sqrt(variance), np.where(variance == 0, np.minimum(x.df, y.df), df)[()])


def anova(s: Sample) -> tuple[Number, Number]:
    """Return (F, p) of the one-way ANOVA of (…, k) samples."""
    n, k = s.n, np.shape(s.mean)[-1]
    total = n.sum(axis=-1)
    grand = (n * s.mean).sum(axis=-1) / total
    within = ((n - 1) * s.sd**2).sum(axis=-1) / (total - k)
    between = (n * (s.mean - grand[..., None]) ** 2).sum(axis=-1) / (k - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        f = np.where(np.ptp(s.mean, axis=-1) == 0, 0.0, between / within)
    return f[()], stats.f.sf(f, k - 1, total - k)


def welch_anova(s: Sample) -> tuple[Number, Number]:
    """Return (F, p) of Welch's ANOVA (1951) of (…, k) samples, weights 1/SE².

    With SE = sd/√n and df = n − 1 it is ``scipy.stats.f_oneway(equal_var=False)``. A mean without any noise has all but all
    of the weight.
    """
    k = np.shape(s.mean)[-1]
    largest = s.se.max(axis=-1, keepdims=True)
    se = np.maximum(s.se, np.where(largest > 0, 1e-8 * largest, 1.0))
    w = 1 / se**2
    total = w.sum(axis=-1, keepdims=True)
    centre = (w * s.mean).sum(axis=-1, keepdims=True) / total
    tail = ((1 - w / total) ** 2 / s.df).sum(axis=-1)
    f = (w * (s.mean - centre) ** 2).sum(axis=-1) / (k - 1) / (1 + 2 * (k - 2) / (k**2 - 1) * tail)
    same = np.ptp(s.mean, axis=-1) == 0
    f = np.where(same, 0.0, np.where(largest[..., 0] > 0, f, np.inf))
    return f[()], stats.f.sf(f, k - 1, (k**2 - 1) / (3 * tail))


def wald(mean: Number, covariance: Number, df: Number) -> tuple[Number, Number]:
    """Return (F, p) of equality of (…, k) means with a joint (…, k, k) covariance: for tasks with shared rows.

    The covariance is estimated with ``df`` degrees of freedom, so Wald's statistic T² is scaled as Hotelling's:
    T² (df − k + 2) / (df (k − 1)) is F with k − 1 and df − k + 2. For two means it is t². Too few df give p = 1.
    """
    k = np.shape(mean)[-1]
    contrast = np.eye(k)[1:] - np.eye(k)[:1]
    gap = (mean @ contrast.T)[..., None]
    joint = contrast @ covariance @ contrast.T
    inverse = np.linalg.pinv(joint, rcond=1e-10, hermitian=True)
    squared = np.maximum((np.swapaxes(gap, -1, -2) @ inverse @ gap)[..., 0, 0], 0.0)
    # what the covariance does not reach is a gap without any noise
    beyond = np.abs((joint @ inverse @ gap - gap)[..., 0]).max(axis=-1)
    squared = np.where(beyond > 1e-9 * (1 + np.abs(gap[..., 0]).max(axis=-1)), np.inf, squared)
    below = np.asarray(df - k + 2, dtype=float)
    enough = below > 0
    below = np.where(enough, below, 1.0)
    f = squared * below / (df * (k - 1))
    return f[()], np.where(enough, stats.f.sf(f, k - 1, below), 1.0)[()]


def tost_p(difference: Number, se: Number, df: Number, margin: Number) -> Number:
    """Return the p of two one-sided tests that the difference lies inside ±margin (Schuirmann 1987)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (margin - np.abs(difference)) / se
    exact = np.where(np.abs(difference) < margin, 0.0, 1.0)
    return np.where(np.asarray(se) == 0, exact, stats.t.sf(t, df))[()]


def detectable(se: Number, df: Number, alpha: float = 0.01, power: float = 0.8) -> Number:
    """Return the gap in bits that a two-sided test at ``alpha`` sees with ``power``: (t₁₋α⸝₂ + t_power) · SE."""
    return (stats.t.ppf(1 - alpha / 2, df) + stats.t.ppf(power, df)) * se


def hedges_g(x: Sample, y: Sample) -> tuple[Number, Number, Number]:
    """Return Hedges' g and its 95 % interval (normal approximation); nan where no row differs from another."""
    df = x.n + y.n - 2
    pooled = np.sqrt(((x.n - 1) * x.sd**2 + (y.n - 1) * y.sd**2) / df)
    with np.errstate(divide="ignore", invalid="ignore"):
        g = np.where(pooled > 0, np.divide(x.mean - y.mean, pooled), np.nan) * (1 - 3 / (4 * df - 1))
    half = stats.norm.ppf(0.975) * np.sqrt(1 / x.n + 1 / y.n + g**2 / (2 * (x.n + y.n)))
    return g[()], (g - half)[()], (g + half)[()]


def holm(p: np.ndarray) -> np.ndarray:
    """Return (m,) p adjusted by Holm (1979); the function of statsmodels collects garbage, which takes longer than all tests.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p, dtype=float)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1)))
    return adjusted
