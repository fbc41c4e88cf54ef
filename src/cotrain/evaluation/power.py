"""What dev rows and seeds can decide, and how many more would (METHOD, section 4, "Decision")."""

from __future__ import annotations

import math

from scipy import stats

RISK, POWER = 0.1, 0.8
FACTOR = float(stats.norm.ppf(1 - RISK) + stats.norm.ppf(POWER))
"""2.12: a harmless task passes P(loss > δ) ≤ .1 with probability .8 where δ is so many standard errors."""


def smallest_delta(n_rows: int, seeds: int, discordant: float = 0.05, seed_sd: float = 0.01) -> float:
    """Return the smallest δ that can be decided: 2.12 × SE of the difference of two arms.

    Macro-F1 is treated as accuracy. It is a guess before any fit; the fits replace the two assumptions.

    Args:
        n_rows: rows of dev; clusters where rows are not independent.
        seeds: of each arm.
        discordant: share of rows that the two arms predict differently: the variance of a row's difference.
        seed_sd: standard deviation of the metric of an arm over its seeds.

    >>> round(smallest_delta(700, 5), 4)
    0.0224
    """
    return FACTOR * math.sqrt(discordant / n_rows + 2 * seed_sd**2 / seeds)


def needed_rows(delta: float, seeds: int, row_variance: float = 0.05, seed_variance: float = 2 * 0.01**2) -> int | None:
    """Return the rows of dev at which δ can be decided with these seeds; None where the seeds alone forbid it.

    Args:
        row_variance: of the difference of a row (SE² of the rows × their number).
        seed_variance: s²_seed of the two arms together.

    >>> needed_rows(0.0224, 5)
    702
    """
    left = (delta / FACTOR) ** 2 - seed_variance / seeds
    return max(1, math.ceil(row_variance / left)) if left > 0 else None


def needed_seeds(delta: float, seed_variance: float = 2 * 0.01**2) -> int:
    """Return the seeds at which re-training takes at most half of the variance that deciding δ allows.

    >>> needed_seeds(0.02)
    5
    """
    return max(1, math.ceil(2 * seed_variance / (delta / FACTOR) ** 2))
