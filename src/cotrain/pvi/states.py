"""States of tasks and fits: not learned, over-fitted, collapsed (METHOD, section 1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from cotrain.pvi.pvi import entropy
from cotrain.pvi.seeds import Moments
from cotrain.training.fit import Fit

STATES = ("ok", "not_learned", "overfit")
_FLAT = 0.98
_CONSTANT_BITS = 1e-6


def interval(moments: Moments, level: float = 0.95) -> tuple[float, float]:
    """Return the two-sided t interval of a mean; nan ends where fewer than two clusters leave it unknown."""
    half = float(stats.t.ppf(0.5 + level / 2, moments.df)) * moments.se
    return moments.mean - half, moments.mean + half


def _bits(value: float) -> str:
    """Return a number with a true minus sign, and without a minus where it rounds to 0."""
    return f"{value:.3f}".replace("-0.000", "0.000").replace("-", "−")


def state(selected: Moments, scored: Moments, split: str = "") -> tuple[str, str]:
    """Return (state, reason) of a task from V-information at the cross-selected and at the scored epoch.

    ``not_learned``: the lower 95 % bound is not above 0 where it was best; ``overfit``: learned there, but the upper bound
    is below 0 at the scored epoch.

    Args:
        split: where it was best, as "dev", for words that stand beside numbers of another split.
    """
    on = f" on {split}" if split else ""
    if selected.clusters < 2:
        rows = "one held-out row says" if selected.n == 1 else f"{selected.n} held-out rows in {selected.clusters} cluster say"
        return "not_learned", f"{rows} nothing about V-information{on}"
    low = interval(selected)[0]
    if not low > 0:
        return "not_learned", f"V-information{on} {_bits(selected.mean)} bit, its 95 % interval reaches {_bits(low)}: not above 0"
    if interval(scored)[1] < 0:
        return "overfit", f"learned at its best epoch, but V-information {_bits(scored.mean)} bit at the scored epoch"
    return "ok", ""


def flat(fit: Fit, task: str) -> bool:
    """Whether the training loss of a member never fell below .98 of its label entropy, or its output is constant."""
    if fit.failed:
        return False
    losses = fit.history.loc[fit.history["task"] == task, "train_bits"].to_numpy(dtype=float)
    losses = losses[~np.isnan(losses)]
    counts = np.multiply(fit.train_counts[task], fit.class_weights.get(task, 1.0))
    if len(losses) and not (losses < _FLAT * entropy(counts.tolist())).any():
        return True
    last = fit.blocks[task, "dev"].log2_p[-1]
    return bool(len(last) > 1 and np.ptp(last, axis=0).max() < _CONSTANT_BITS)


def collapsed(fits: Sequence[Fit], task: str) -> list[int]:
    """Return the seeds at which ``task`` collapsed in the fits of one group: flat there, while another seed learned.

    Where no seed learns, none collapsed: the task is not learned.
    """
    seeds = [fit.seed for fit in fits if flat(fit, task)]
    return seeds if len(seeds) < len([fit for fit in fits if not fit.failed]) else []
