"""States of tasks and fits: not learned, over-fitted, collapsed (METHOD, section 1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from cotrain.pvi.seeds import Moments
from cotrain.training.fit import Fit

_FLAT = 0.98


def interval(moments: Moments, level: float = 0.95) -> tuple[float, float]:
    """Return the two-sided t interval of a mean."""
    half = float(stats.t.ppf(0.5 + level / 2, moments.df)) * moments.se
    return moments.mean - half, moments.mean + half


def state(selected: Moments, scored: Moments) -> tuple[str, str]:
    """Return (state, reason) of a task from V-information at the cross-selected and at the scored epoch."""
    low = interval(selected)[0]
    if low <= 0:
        return "not_learned", f"V-information {selected.mean:.3f} bit, its 95 % interval reaches {low:.3f}: not above 0"
    high = interval(scored)[1]
    if high < 0:
        return "overfit", f"learned at its best epoch, but V-information {scored.mean:.3f} bit at the scored epoch"
    return "ok", ""


def flat(fit: Fit, task: str) -> bool:
    """Whether the training loss of a member never fell below .98 of its label entropy, or its output is constant."""
    if fit.failed:
        return False
    frequency = np.asarray(fit.train_counts[task], dtype=float) / sum(fit.train_counts[task])
    entropy = float(-(frequency * np.log2(np.maximum(frequency, 1e-12))).sum())
    losses = fit.history.loc[fit.history["task"] == task, "train_bits"]
    last = fit.blocks[task, "dev"].log2_p[-1]
    return bool((losses >= _FLAT * entropy).all() or np.ptp(last, axis=0).max() < 1e-6)


def collapsed(fits: Sequence[Fit], task: str) -> list[int]:
    """Return the seeds at which ``task`` collapsed in the fits of one group: flat there, while another seed learned."""
    seeds = [fit.seed for fit in fits if flat(fit, task)]
    return seeds if len(seeds) < len([fit for fit in fits if not fit.failed]) else []
