"""Verdict words on the difference of a task that shares from the task alone (METHOD, section 4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cotrain.evaluation.intervals import Difference

VERDICTS = ("gain", "harm", "equivalent", "not worse", "undecided", "alone")
LEVEL = 0.05


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Holm's method (statsmodels does the same, and collects all garbage each time).

    >>> holm([0.04, 0.01])
    [0.04, 0.02]
    """
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty(len(values))
    adjusted[order] = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)).clip(max=1)
    return [float(q) for q in adjusted]


def verdict(difference: Difference, p_adjusted: float, delta: float) -> str:
    """Return the first word that applies: gain or harm (adjusted p), equivalent, not worse (90 % interval), undecided."""
    if p_adjusted <= LEVEL and difference.value != 0:
        return "gain" if difference.value > 0 else "harm"
    low, high = difference.interval(0.90)
    if -delta < low and high < delta:
        return "equivalent"
    return "not worse" if low > -delta else "undecided"
