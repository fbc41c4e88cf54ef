"""Intervals over seeds, and differences of arms with their honest standard errors (METHOD, section 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy import special

from cotrain.evaluation.estimate import Estimate
from cotrain.evaluation.sheets import small_sample
from cotrain.pvi.seeds import satterthwaite

_NOTHING = 2e-5  # a smaller standard error, or value without one, is rounding of equal predictions


def seed_interval(values: Sequence[float] | np.ndarray) -> Estimate:
    """Return mean ± t(.975, S−1)·s/√S, the paper's interval (2.776 for five seeds); one seed has no interval (nan ends).

    >>> str(seed_interval([0.70, 0.71, 0.72, 0.73, 0.74]))
    '.720 [.700, .740]'
    """
    x = np.asarray(values, dtype=float)
    mean = float(x.mean())
    if len(x) < 2:
        return Estimate(mean, math.nan, math.nan, len(x))
    half = float(special.stdtrit(len(x) - 1, 0.975) * x.std(ddof=1) / math.sqrt(len(x)))
    return Estimate(mean, mean - half, mean + half, len(x))


class Difference(NamedTuple):
    """Shared minus alone, higher is better for shared: value, SE, Satterthwaite df, the SE of re-training alone, and the rows.

    Where no row is predicted differently value and SE are 0, however few the rows are: n ``rows`` of which none differs are seen with
    probability (1 − x)^n where a share x of all does. For a metric that weighs classes ``rows`` are those that its rarest class is
    worth (``Arm``). Without a number of rows the value is known.
    """

    value: float
    se: float
    df: float
    se_training: float
    rows: float = math.inf

    def interval(self, level: float) -> tuple[float, float]:
        """Return the two-sided t interval."""
        half = float(special.stdtrit(self.df, 0.5 + level / 2)) * self.se
        if self.se == 0 and self.value == 0:
            half = 1 - (0.5 - level / 2) ** (1 / self.rows)
        return self.value - half, self.value + half

    def p(self) -> float:
        """Return the two-sided p of no difference."""
        if self.se == 0:
            return float(self.value == 0)
        return float(2 * special.stdtr(self.df, -abs(self.value) / self.se))

    def p_loss(self, delta: float) -> float:
        """Return P(loss > δ), one-sided, from the same t."""
        if self.se == 0:
            return max(0.0, 1 - delta) ** self.rows if self.value == 0 else float(self.value < -delta)
        return float(special.stdtr(self.df, (-delta - self.value) / self.se))


class Differences(NamedTuple):
    """(P,) values, standard errors, degrees of freedom, standard errors of re-training, and rows of many differences."""

    value: np.ndarray
    se: np.ndarray
    df: np.ndarray
    se_training: np.ndarray
    rows: np.ndarray

    def each(self) -> list[Difference]:
        """Return them one by one."""
        return [Difference(*map(float, x)) for x in zip(*self, strict=True)]


@dataclass(frozen=True)
class Arm:
    """One task under one group, by one metric turned so that higher is better.

    Attributes:
        group, task: whose predictions they are.
        values: (S,) per seed.
        drawn: (B,) mean over seeds in each resample of the clusters.
        seed_variance: s²_seed.
        clusters: how many were resampled.
        rows: that are in them, or of an accuracy would say as much where none of them differs: few of a class tell little of macro-F1.
        tie: arms of equal tie were resampled with the same weights; others are independent.
    """

    group: str
    task: str
    values: np.ndarray = field(repr=False)
    drawn: np.ndarray = field(repr=False)
    seed_variance: float
    clusters: int
    rows: int
    tie: tuple[str, ...]


class _Noise(NamedTuple):
    """One independent source of noise: which arms it moves, and their (A, A) covariance.

    ``estimated`` is the (A, A) covariance that was estimated with (A,) ``df`` degrees of freedom: for seeds what their values
    vary by, before what other rows explain is taken off (as ``pvi.seeds.satterthwaite`` says).
    """

    arms: list[int]
    covariance: np.ndarray
    estimated: np.ndarray
    df: np.ndarray
    training: bool

    def freedom(self, weights: np.ndarray) -> np.ndarray:
        """Return the (P,) degrees of freedom of weighted sums of all arms: the least of those that have a weight; inf of none."""
        return np.asarray(np.where(weights[:, self.arms] != 0, self.df, np.inf).min(axis=1))

    def part(self, weights: np.ndarray, covariance: np.ndarray) -> np.ndarray:
        """Return the (P,) variances of weighted sums of all arms."""
        w = weights[:, self.arms]
        found = np.maximum(((w @ covariance) * w).sum(axis=1), 0.0)
        return np.asarray(np.where(found < _NOTHING**2, 0.0, found))


class Joint:
    """Arms together with the covariance of their means: every weighted sum of them is a difference with an SE.

    Rows: the bootstrap covariance of arms whose clusters were resampled together. Seeds: s²_seed/S of each arm; the
    tasks of one group are one fit per seed, so their seed noise covaries as their values over seeds do.
    """

    def __init__(self, arms: Sequence[Arm]) -> None:
        self.arms = tuple(arms)
        self.means = np.array([arm.values.mean() for arm in arms])
        self.noise = [
            *(_rows([i for i, a in enumerate(arms) if a.tie == tie], arms) for tie in dict.fromkeys(a.tie for a in arms)),
            # predictions from outside can have as many answers per task as they like
            *(_seeds([i for i, a in enumerate(arms) if (a.group, len(a.values)) == fit], arms)
              for fit in dict.fromkeys((a.group, len(a.values)) for a in arms)),
        ]  # fmt: skip

    def difference(self, weights: Sequence[float]) -> Difference:
        """Return the weighted sum of the arms."""
        return self.differences(np.array([weights], dtype=float)).each()[0]

    def differences(self, weights: np.ndarray) -> Differences:
        """Return the weighted sums of the arms for (P, A) weights, Satterthwaite df over the sources of noise."""
        parts = [noise.part(weights, noise.covariance) for noise in self.noise]
        total = np.sum(parts, axis=0)
        training = np.sum([part * noise.training for part, noise in zip(parts, self.noise, strict=True)], axis=0)
        known = [(noise.part(weights, noise.estimated), noise.freedom(weights)) for noise in self.noise if noise.df.all()]
        # where most of what seeds vary by was taken off, the formula can fall below every source
        least = np.min([df for _, df in known], axis=0)
        df = np.maximum(satterthwaite(total, *((part, np.where(np.isinf(df), 1, df)) for part, df in known)), least)
        rows = np.where(weights != 0, [arm.rows for arm in self.arms], np.inf).min(axis=1)
        value = weights @ self.means
        value = np.where((total == 0) & (np.abs(value) < _NOTHING), 0.0, value)  # a sum of equal means is 0 but for rounding
        return Differences(value, np.sqrt(total), df, np.sqrt(training), rows)


def _rows(index: list[int], arms: Sequence[Arm]) -> _Noise:
    """Return the noise of the rows, from the bootstrap of the clusters of one tie; each arm has clusters of its own among them."""
    clusters = np.array([arms[i].clusters for i in index])
    unbiased = np.sqrt([small_sample(n) for n in clusters])
    covariance = np.atleast_2d(np.cov(np.stack([arms[i].drawn for i in index]))) * np.outer(unbiased, unbiased)
    # one cluster says nothing of others: no metric of shares can vary more than this
    single = clusters < 2
    covariance[single], covariance[:, single] = 0.0, 0.0
    covariance[single, single] = 1.0
    return _Noise(index, covariance, covariance, np.maximum(clusters - 1, 1), False)


def _seeds(index: list[int], arms: Sequence[Arm]) -> _Noise:
    """Return the noise of training one group again; none is known from one seed."""
    seeds = len(arms[index[0]].values)
    own = np.sqrt([arms[i].seed_variance for i in index])
    if seeds < 2:
        return _Noise(index, np.zeros((len(index), len(index))), np.zeros((len(index), len(index))), np.zeros(len(index)), True)
    seen = np.atleast_2d(np.cov(np.stack([arms[i].values for i in index])))
    limit = np.outer(own, own)
    covariance = np.clip(seen, -limit, limit)
    np.fill_diagonal(covariance, own**2)
    return _Noise(index, covariance / seeds, seen / seeds, np.full(len(index), seeds - 1), True)


def difference(shared: Arm, alone: Arm) -> Difference:
    """Return shared minus alone: SE² = bootstrap variance over clusters + s²_seed/S of each arm."""
    return Joint([shared, alone]).difference([1.0, -1.0])
