"""Intervals over seeds, and the difference of two arms with its honest standard error (METHOD, section 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from cotrain.evaluation import metrics
from cotrain.evaluation.estimate import Estimate
from cotrain.pvi.seeds import seed_variance

RESAMPLES = 1000


def seed_interval(values: Sequence[float]) -> Estimate:
    """Return mean ± t(.975, S−1)·s/√S, the paper's interval (2.776 for five seeds); one seed has no interval (nan ends).

    >>> str(seed_interval([0.70, 0.71, 0.72, 0.73, 0.74]))
    '0.720 [0.700, 0.740]'
    """
    x = np.asarray(values, dtype=float)
    mean = float(x.mean())
    if len(x) < 2:
        return Estimate(mean, math.nan, math.nan, len(x))
    half = float(stats.t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x)))
    return Estimate(mean, mean - half, mean + half, len(x))


class Difference(NamedTuple):
    """Shared minus alone, higher is better for shared: value, SE, Satterthwaite df, and the SE of re-training alone."""

    value: float
    se: float
    df: float
    se_training: float

    def interval(self, level: float) -> tuple[float, float]:
        """Return the two-sided t interval."""
        half = float(stats.t.ppf(0.5 + level / 2, self.df)) * self.se
        return self.value - half, self.value + half

    def p(self) -> float:
        """Return the two-sided p of no difference."""
        return 1.0 if self.se == 0 else float(2 * stats.t.sf(abs(self.value) / self.se, self.df))

    def p_loss(self, delta: float) -> float:
        """Return P(loss > δ), one-sided, from the same t."""
        if self.se == 0:
            return float(self.value < -delta)
        return float(stats.t.cdf((-delta - self.value) / self.se, self.df))


class Arm(NamedTuple):
    """The predictions of one task under one group: metric value per seed, (S, B) resampled values, s²_seed."""

    values: np.ndarray
    resampled: np.ndarray
    seed_var: float


def arm(metric: str, gold: np.ndarray, log2_p: np.ndarray, weight: np.ndarray) -> Arm:
    """Return the Arm of (S, n, K) predictions; signs are turned so that higher is better."""
    sign = 1 if metrics.HIGHER.get(metric, True) else -1
    values = sign * np.array([metrics.value(metric, gold, p) for p in log2_p])
    drawn = sign * np.stack([metrics.resampled(metric, gold, p, weight) for p in log2_p])
    if len(values) < 2:
        return Arm(values, drawn, 0.0)
    if metric in ("accuracy", "log_loss"):
        rows = np.arange(len(gold))
        per_row = np.stack([p[rows, gold] if metric == "log_loss" else p.argmax(axis=1) == gold for p in log2_p]).astype(float)
        return Arm(values, drawn, seed_variance(per_row))
    covariance = np.cov(drawn)
    s = len(values)
    diagonal = float(np.trace(covariance)) / s
    off = (float(covariance.sum()) - diagonal * s) / (s * (s - 1))
    return Arm(values, drawn, max(0.0, float(values.var(ddof=1)) - (diagonal - off)))


def difference(shared: Arm, alone: Arm, clusters: int) -> Difference:
    """Return the difference of the seed means: SE² = bootstrap variance over clusters + s²_seed/S of each arm."""
    value = float(shared.values.mean() - alone.values.mean())
    rows = float((shared.resampled.mean(axis=0) - alone.resampled.mean(axis=0)).var(ddof=1))
    terms = [(a.seed_var / len(a.values), len(a.values) - 1) for a in (shared, alone)]
    variance = rows + sum(v for v, _ in terms)
    below = rows**2 / max(1, clusters - 1) + sum(v**2 / df for v, df in terms if df > 0)
    df = variance**2 / below if below > 0 else float(max(1, clusters - 1))
    return Difference(value, math.sqrt(variance), df, math.sqrt(sum(v for v, _ in terms)))
