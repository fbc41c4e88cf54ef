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

_NOTHING = 1e-6  # a smaller standard error is rounding of equal predictions


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
    """Shared minus alone, higher is better for shared: value, SE, Satterthwaite df, and the SE of re-training alone."""

    value: float
    se: float
    df: float
    se_training: float

    def interval(self, level: float) -> tuple[float, float]:
        """Return the two-sided t interval."""
        half = float(special.stdtrit(self.df, 0.5 + level / 2)) * self.se
        return self.value - half, self.value + half

    def p(self) -> float:
        """Return the two-sided p of no difference."""
        if self.se == 0:
            return float(self.value == 0)
        return float(2 * special.stdtr(self.df, -abs(self.value) / self.se))

    def p_loss(self, delta: float) -> float:
        """Return P(loss > δ), one-sided, from the same t."""
        if self.se == 0:
            return float(self.value < -delta)
        return float(special.stdtr(self.df, (-delta - self.value) / self.se))


class Differences(NamedTuple):
    """(P,) values, standard errors, degrees of freedom and standard errors of re-training of many differences."""

    value: np.ndarray
    se: np.ndarray
    df: np.ndarray
    se_training: np.ndarray

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
        tie: arms of equal tie were resampled with the same weights; others are independent.
    """

    group: str
    task: str
    values: np.ndarray = field(repr=False)
    drawn: np.ndarray = field(repr=False)
    seed_variance: float
    clusters: int
    tie: tuple[str, ...]


class _Noise(NamedTuple):
    """One independent source of noise: which arms it moves, and their (A, A) covariance.

    ``estimated`` is the (A, A) covariance that was estimated with ``df`` degrees of freedom: for seeds what their values
    vary by, before what other rows explain is taken off (as ``pvi.seeds.satterthwaite`` says).
    """

    arms: list[int]
    covariance: np.ndarray
    estimated: np.ndarray
    df: int
    training: bool

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
            *(_seeds([i for i, a in enumerate(arms) if a.group == group], arms) for group in dict.fromkeys(a.group for a in arms)),
        ]

    def difference(self, weights: Sequence[float]) -> Difference:
        """Return the weighted sum of the arms."""
        return self.differences(np.array([weights], dtype=float)).each()[0]

    def differences(self, weights: np.ndarray) -> Differences:
        """Return the weighted sums of the arms for (P, A) weights, Satterthwaite df over the sources of noise."""
        parts = [noise.part(weights, noise.covariance) for noise in self.noise]
        total = np.sum(parts, axis=0)
        training = np.sum([part * noise.training for part, noise in zip(parts, self.noise, strict=True)], axis=0)
        df = satterthwaite(total, *((noise.part(weights, noise.estimated), noise.df) for noise in self.noise if noise.df))
        # where most of what seeds vary by was taken off, the formula can fall below every source
        least = min(noise.df for noise in self.noise if noise.df)
        return Differences(weights @ self.means, np.sqrt(total), np.maximum(df, least), np.sqrt(training))


def _rows(index: list[int], arms: Sequence[Arm]) -> _Noise:
    """Return the noise of the rows, from the bootstrap of the clusters of one tie."""
    clusters = min(arms[i].clusters for i in index)
    if clusters < 2:
        # one cluster says nothing of others: no metric of shares can vary more than this
        return _Noise(index, np.eye(len(index)), np.eye(len(index)), 1, False)
    covariance = np.atleast_2d(np.cov(np.stack([arms[i].drawn for i in index])))
    covariance *= small_sample(clusters)
    return _Noise(index, covariance, covariance, clusters - 1, False)


def _seeds(index: list[int], arms: Sequence[Arm]) -> _Noise:
    """Return the noise of training one group again; none is known from one seed."""
    seeds = len(arms[index[0]].values)
    own = np.sqrt([arms[i].seed_variance for i in index])
    if seeds < 2:
        return _Noise(index, np.zeros((len(index), len(index))), np.zeros((len(index), len(index))), 0, True)
    seen = np.atleast_2d(np.cov(np.stack([arms[i].values for i in index])))
    limit = np.outer(own, own)
    covariance = np.clip(seen, -limit, limit)
    np.fill_diagonal(covariance, own**2)
    return _Noise(index, covariance / seeds, seen / seeds, seeds - 1, True)


def difference(shared: Arm, alone: Arm) -> Difference:
    """Return shared minus alone: SE² = bootstrap variance over clusters + s²_seed/S of each arm."""
    return Joint([shared, alone]).difference([1.0, -1.0])
