"""Tests of two or more means from sufficient statistics, equivalence, power and effect size (METHOD, section 2)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import stats


class Tested(NamedTuple):
    """A test of a difference in bits: its standard error, statistic, degrees of freedom and two-sided p."""

    se: float
    statistic: float
    df: float
    p: float


def t_test(difference: float, se: float, df: float) -> Tested:
    """Return the two-sided t test of a difference; no noise at all gives p 1 for equal and 0 for different means."""
    if se == 0:
        return Tested(0.0, 0.0 if difference == 0 else math.copysign(math.inf, difference), df, float(difference == 0))
    t = difference / se
    return Tested(se, t, df, float(2 * stats.t.sf(abs(t), df)))


def student(mean: tuple[float, float], sd: tuple[float, float], n: tuple[int, int]) -> Tested:
    """Return Student's two-sided test with pooled variance and df = n₁ + n₂ − 2: the paper's "paired t-test"."""
    df = n[0] + n[1] - 2
    pooled = ((n[0] - 1) * sd[0] ** 2 + (n[1] - 1) * sd[1] ** 2) / df
    return t_test(mean[0] - mean[1], math.sqrt(pooled * (1 / n[0] + 1 / n[1])), df)


def welch(mean: tuple[float, float], se: tuple[float, float], df: tuple[float, float]) -> Tested:
    """Return Welch's test of two means with their own standard errors and degrees of freedom (Satterthwaite)."""
    variance = se[0] ** 2 + se[1] ** 2
    below = se[0] ** 4 / df[0] + se[1] ** 4 / df[1]
    return t_test(mean[0] - mean[1], math.sqrt(variance), variance**2 / below if below else min(df))


def anova(means: np.ndarray, sds: np.ndarray, n: np.ndarray) -> tuple[float, float]:
    """Return (F, p) of the one-way ANOVA from (k,) means, standard deviations and sizes."""
    total, k = n.sum(), len(means)
    grand = (n * means).sum() / total
    within = ((n - 1) * sds**2).sum() / (total - k)
    between = (n * (means - grand) ** 2).sum() / (k - 1)
    if within == 0:
        return (0.0, 1.0) if between == 0 else (math.inf, 0.0)
    f = between / within
    return float(f), float(stats.f.sf(f, k - 1, total - k))


def welch_anova(means: np.ndarray, ses: np.ndarray, dfs: np.ndarray) -> tuple[float, float]:
    """Return (F, p) of Welch's ANOVA with weights 1/SE² (Welch 1951); with SE = s/√n it is ``f_oneway(equal_var=False)``."""
    if (ses == 0).any():
        return (0.0, 1.0) if np.ptp(means) == 0 else (math.inf, 0.0)
    k, w = len(means), 1 / ses**2
    total = w.sum()
    centre = (w * means).sum() / total
    tail = ((1 - w / total) ** 2 / dfs).sum()
    f = (w * (means - centre) ** 2).sum() / (k - 1) / (1 + 2 * (k - 2) / (k**2 - 1) * tail)
    return float(f), float(stats.f.sf(f, k - 1, (k**2 - 1) / (3 * tail)))


def wald(means: np.ndarray, covariance: np.ndarray, df: float) -> tuple[float, float]:
    """Return (F, p) of equality of (k,) means with a joint (k, k) covariance: for tasks with shared rows."""
    k = len(means)
    contrast = np.eye(k)[1:] - np.eye(k)[:1]
    gap = contrast @ means
    f = float(gap @ np.linalg.pinv(contrast @ covariance @ contrast.T) @ gap) / (k - 1)
    return f, float(stats.f.sf(f, k - 1, df))


def tost_p(difference: float, se: float, df: float, margin: float) -> float:
    """Return the p of two one-sided tests that the difference lies inside ±margin (Schuirmann 1987)."""
    if se == 0:
        return float(abs(difference) >= margin)
    return float(max(stats.t.sf((difference + margin) / se, df), stats.t.cdf((difference - margin) / se, df)))


def detectable(se: float, df: float, alpha: float = 0.01, power: float = 0.8) -> float:
    """Return the gap in bits that a two-sided test at ``alpha`` sees with ``power``: (t₁₋α⸝₂ + t_power) · SE."""
    return float((stats.t.ppf(1 - alpha / 2, df) + stats.t.ppf(power, df)) * se)


def hedges_g(difference: float, sd: tuple[float, float], n: tuple[int, int]) -> tuple[float, float, float]:
    """Return Hedges' g and its 95 % interval (normal approximation)."""
    df = n[0] + n[1] - 2
    pooled = math.sqrt(((n[0] - 1) * sd[0] ** 2 + (n[1] - 1) * sd[1] ** 2) / df) if df > 0 else 0.0
    if pooled == 0:
        return 0.0, 0.0, 0.0
    g = difference / pooled * (1 - 3 / (4 * df - 1))
    half = 1.96 * math.sqrt(1 / n[0] + 1 / n[1] + g**2 / (2 * (n[0] + n[1])))
    return g, g - half, g + half
