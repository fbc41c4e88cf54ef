"""What gains vary by: targets, helpers, who with whom, and seeds; and how reliable the interaction is (METHOD, section 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cotrain.affinity.judge import LEAST, Interval, Losses, double_centred, effects
from cotrain.errors import InputError

RELIABLE = 0.7
"""The reliability from which on methods are ranked; it takes seeds R ≥ .7/.3·σ²_error/σ²_interaction."""


class RoundRobin(NamedTuple):
    """Variances of the effects of targets and helpers and of the interaction, and the covariance of a pair's two interactions."""

    target: float
    helper: float
    interaction: float
    reciprocity: float


@dataclass(frozen=True)
class Components:
    """Gain_ij = μ + target_i + helper_j + interaction_ij + error; variances are estimates without bias, so they may be below 0.

    Attributes:
        target, helper, interaction: variances of what stays over seeds.
        interval: 95 % of the variance of the interaction.
        error: variance of one mean gain over seeds: that of a task alone over its seeds, and of a pair over its own.
        noise: variance of an interaction that is seen with one seed.
        reciprocity: covariance of interaction_ij and interaction_ji.
        seeds: of pairs.
    """

    target: float
    helper: float
    interaction: float
    interval: Interval
    error: float
    noise: float
    reciprocity: float
    seeds: int

    @property
    def rankable(self) -> bool:
        """Whether who gains from whom is more than noise; else methods cannot be ranked on this suite."""
        return self.interval.low > 0

    @property
    def shares(self) -> dict[str, float]:
        """The share of each in the variance of a mean gain, those below 0 taken as 0."""
        parts = {name: max(getattr(self, name), 0.0) for name in ("target", "helper", "interaction", "error")}
        total = sum(parts.values())
        return {name: part / total if total else math.nan for name, part in parts.items()}

    @property
    def seeds_needed(self) -> float:
        """Seeds per pair with which the interaction has a reliability of .7; infinite where there is none."""
        if self.interaction <= 0:
            return math.inf
        return float(max(1, math.ceil(RELIABLE / (1 - RELIABLE) * self.noise / self.interaction - 1e-9)))


def components(losses: Losses, drawn: int = 10_000, seed: int = 0) -> Components:
    """Return the variance components by the method of moments, with an interval of the interaction's.

    The quadratic forms of ``round_robin`` are taken of the mean gains, and those of the deviations over seeds taken off. So the noise of a
    task alone, which all its comparisons share, goes into the target effect and none of it into the interaction; whatever seeds do to a
    target or a helper in all its pairs does neither; and that a pair's two losses are of one fit is in the symmetric and the
    antisymmetric part of the interaction, whose variances are apart. Fits of tasks alone and of pairs are taken as independent.

    Interval: generalised (Weerahandi, *JASA* 1993): in each part (mean square)·f/χ²_f of the means less that of the noise, χ² drawn; f is
    lowered where the noise of targets is uneven (Satterthwaite).

    Raises:
        InputError: fewer than four tasks, or fewer than two seeds.
    """
    s, r, n = len(losses.alone), len(losses.pairs), len(losses.tasks)
    if n < LEAST or min(s, r) < 2:
        raise InputError(f"variances of gains need {LEAST} tasks and two seeds at least, alone and of pairs; found {n}, {s} and {r}")
    gains, apart, single = losses.gains(), losses.pairs - losses.pairs.mean(axis=0), losses.alone - losses.alone.mean(axis=0)
    found = round_robin(gains)
    noise = [sum(each) / (r * (r - 1)) for each in zip(*map(round_robin, apart), strict=True)]
    alone = float(single.var(axis=1, ddof=1).sum()) / (s * (s - 1))
    error = float((single**2).sum()) / (s * (s - 1) * n) + float(np.nansum(apart**2)) / (r * (r - 1) * n * (n - 1))
    interaction = found.interaction - noise[2]
    low, high = _generalised(gains, apart, drawn, seed)
    return Components(
        found.target - noise[0] - alone, found.helper - noise[1], interaction,
        Interval(interaction, min(low, interaction), max(high, interaction)), error, noise[2] * r, found.reciprocity - noise[3], r,
    )  # fmt: skip


def round_robin(values: np.ndarray) -> RoundRobin:
    """Return the variances in one (n, n) matrix without a diagonal, n ≥ 4 (Warner, Kenny and Stoto 1979; Bond and Lashley 1996).

    The interaction's are (symmetric + antisymmetric)/2 of the two mean squares of its parts; what of it is in the effects is taken off.
    """
    n = len(values)
    fitted = effects(values)
    symmetric, antisymmetric = _squares(fitted.interaction)
    interaction, reciprocity = (symmetric + antisymmetric) / 2, (symmetric - antisymmetric) / 2
    inside = ((n - 1) * interaction + reciprocity) / (n * (n - 2))
    target, helper = (float((effect**2).sum()) / (n - 1) - inside for effect in (fitted.target, fitted.helper))
    return RoundRobin(target, helper, interaction, reciprocity)


def _freedom(n: int) -> tuple[float, float]:
    """Return the degrees of freedom of the symmetric and the antisymmetric part of an interaction of n tasks."""
    return n * (n - 3) / 2, (n - 1) * (n - 2) / 2


def _squares(interaction: np.ndarray) -> tuple[float, float]:
    """Return the mean squares of (x_ij + x_ji)/√2 and (x_ij − x_ji)/√2 over pairs."""
    of, sums, gaps = _freedom(len(interaction)), interaction + interaction.T, interaction - interaction.T
    return float(np.nansum(sums**2)) / 4 / of[0], float(np.nansum(gaps**2)) / 4 / of[1]


def _generalised(gains: np.ndarray, apart: np.ndarray, drawn: int, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the variance of the interaction."""
    generator, r, n = np.random.default_rng(seed), len(apart), len(gains)
    centred = np.array([double_centred(one) for one in apart])
    noise = np.sum([_squares(one) for one in centred], axis=0) / (r - 1)
    even = _evenness(centred)
    found = np.zeros(drawn)
    for total, rest, of in zip(_squares(double_centred(gains)), noise, _freedom(n), strict=True):
        f, g = of * even, of * even * (r - 1)
        found += (total * f / generator.chisquare(f, drawn) - rest * g / generator.chisquare(g, drawn) / r) / 2
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _evenness(centred: np.ndarray) -> float:
    """Return (mean of variances)²/(mean of their squares) over targets, of (R, n, n) noise: 1 where all are as noisy."""
    r, n, _ = centred.shape
    each = np.nansum(centred**2, axis=(0, 2))
    if not each.any():
        return 1.0
    # the square of an estimated variance is too large by 1 + 2/df
    return min(1.0, float(each.mean() ** 2 / (each**2).mean()) * (1 + 2 / ((r - 1) * (n - 2))))


def reliability(losses: Losses, draws: int = 200, seed: int = 0) -> float:
    """Return the reliability of the double-centred gains over all seeds, at least 0: the ceiling of what a method can be seen to know.

    The mean correlation of the interactions of two random halves of the seeds of pairs (of an odd number one is left out), stepped up
    to all of them by Spearman and Brown: k·r/(1 + (k−1)·r). Tasks alone have no part in it, their losses are the same for all helpers.

    Raises:
        InputError: fewer than two seeds.
    """
    seeds, n = len(losses.pairs), len(losses.tasks)
    if seeds < 2:
        raise InputError("the reliability of gains needs two seeds of pairs at least, found 1")
    generator, other, half = np.random.default_rng(seed), ~np.eye(n, dtype=bool), seeds // 2
    centred = np.array([double_centred(one)[other] for one in losses.pairs])
    found = []
    for _ in range(draws):
        order = generator.permutation(seeds)
        halves = centred[order[:half]].mean(axis=0), centred[order[half : 2 * half]].mean(axis=0)
        found.append(float((halves[0] * halves[1]).sum()) / (math.sqrt(float(math.prod(float((h**2).sum()) for h in halves))) or 1.0))
    r, k = max(float(np.mean(found)), 0.0), seeds / half
    return k * r / (1 + (k - 1) * r)
