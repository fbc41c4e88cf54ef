"""Verdict words on the difference of a task that shares from the task alone (METHOD, section 4)."""

from __future__ import annotations

from cotrain.evaluation.intervals import Difference

VERDICTS = ("gain", "harm", "equivalent", "not worse", "undecided", "alone")
LEVEL = 0.05


def verdict(difference: Difference, p_adjusted: float, delta: float) -> str:
    """Return the first word that applies: gain or harm (adjusted p), equivalent, not worse (90 % interval), undecided."""
    if p_adjusted <= LEVEL and difference.value != 0:
        return "gain" if difference.value > 0 else "harm"
    low, high = difference.interval(0.90)
    if -delta < low and high < delta:
        return "equivalent"
    return "not worse" if low > -delta else "undecided"
