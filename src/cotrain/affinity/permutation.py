"""``permutation``: the studentised permutation test of two means (Janssen 1997; Chung and Romano 2013)."""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from cotrain.affinity.pairs import Values

RESAMPLES = 9999
EXACT = 20_000
"""Up to so many ways to divide the clusters among two tasks all are tried."""
_AT_ONCE = 4_000_000


class Units(NamedTuple):
    """What is permuted: (G,) sums and sizes of the clusters of both tasks, those of the first task first, ``first`` of them."""

    sums: np.ndarray
    sizes: np.ndarray
    first: int


def permutation(x: Values, y: Values, p_welch: float, seed: int = 0) -> float:
    """Return the two-sided p of two tasks without shared clusters: clusters change sides as a whole, rows averaged over seeds.

    The statistic is Welch's t with errors robust to clusters, so that the size is right asymptotically under unequal variances
    too, and exactly where both tasks are drawn alike. It says nothing of the variance between fits, which all rows of a task
    share: with more than one seed the larger of its p and ``p_welch``, whose error has that term, is returned.
    """
    p = p_of(_units(x, y), np.random.default_rng(seed))
    return max(p, p_welch) if max(x.moments.seeds, y.moments.seeds) > 1 else p


def p_of(units: Units, random: np.random.Generator, resamples: int = RESAMPLES) -> float:
    """Return the p of (G,) units; over all divisions where they are few, else (1 + as extreme)/(1 + drawn)."""
    g, first = len(units.sums), units.first
    here = _t(units, np.arange(first)[None])[0]
    if comb(g, first) <= EXACT:
        every = np.array(list(combinations(range(g), first)))
        return float(np.mean(_as_extreme(_t(units, every), here)))
    extreme, step = 0, max(1, _AT_ONCE // g)
    for start in range(0, resamples, step):
        drawn = random.random((min(step, resamples - start), g)).argpartition(first - 1, axis=1)[:, :first]
        extreme += int(_as_extreme(_t(units, drawn), here).sum())
    return (1 + extreme) / (1 + resamples)


def _units(x: Values, y: Values) -> Units:
    """Return the clusters of two tasks."""
    sums, sizes = [], []
    for v in (x, y):
        sums.append(np.bincount(v.codes, weights=v.bits.mean(axis=0)))
        sizes.append(np.bincount(v.codes).astype(float))
    return Units(np.concatenate(sums), np.concatenate(sizes), len(sums[0]))


def _as_extreme(t: np.ndarray, here: float) -> np.ndarray:
    """Return whether |t| is at least what was seen, up to rounding."""
    return np.asarray(np.abs(t) >= abs(here) * (1 - 1e-9) - 1e-12)


def _t(units: Units, chosen: np.ndarray) -> np.ndarray:
    """Return (B,) t when the units of (B, first) positions are the first task; 0 and ±inf without any variance."""
    # centred, so that differences of sums of squares do not lose what they are about
    sums = units.sums - units.sizes * units.sums.sum() / units.sizes.sum()
    columns = np.stack([sums, units.sizes, sums**2, sums * units.sizes, units.sizes**2, np.ones_like(sums)])
    one = columns[:, chosen].sum(axis=2)
    other = columns.sum(axis=1)[:, None] - one
    (mean, variance), (mean2, variance2) = _mean(one), _mean(other)
    gap, noise = mean - mean2, variance + variance2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(gap) < 1e-15, 0.0, gap / np.sqrt(noise))


def _mean(total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and its variance robust to clusters (``pvi.seeds.cluster_variance``), from sums over clusters."""
    sums, sizes, squares, products, sizes2, g = total
    mean = sums / sizes
    spread = np.maximum(squares - 2 * mean * products + mean**2 * sizes2, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return mean, np.where(g > 1, g / (g - 1) * spread / sizes**2, 0.0)
